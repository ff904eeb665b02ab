//! `paravane run` with a hypervisor: consoles, the ledger and its sums, presets, and lies.

mod support;

use paravane_sample_guests::comparable_lines;
use serde_json::Value;
use support::guest_file::guest;
use support::{Ran, file, paravane, sum};

/// The parts of a ledger sum to its totals, and those to guest time.
fn check_sums(json: &Value) {
    let ledger = &json["ledger"];
    assert_eq!(sum(&ledger["shares"], "cycles"), json["cycles"], "{ledger}");
    assert_eq!(ledger["cycles"], json["cycles"]);
    assert_eq!(sum(&ledger["causes"], "cycles"), ledger["exit_cycles"]);
    assert_eq!(sum(&ledger["causes"], "exits"), ledger["exits"]);
}

#[test]
fn a_guest_prints_the_same_in_every_world_and_its_ledger_adds_up() {
    let expected = paravane_sample_guests::find("hello").expect("it is there").expected;
    for world in ["bare", "trap", "trap-x86", "pv"] {
        for preset in ["teaching", "modern-2020"] {
            let ran = paravane(&["run", "hello", "--world", world, "--preset", preset, "--json"]);
            assert_eq!(ran.status, Some(0), "{world}: {}", ran.stderr);
            let json = ran.json();
            check_sums(&json);
            assert_eq!(json["ledger"]["preset"], preset);
            assert_eq!(json["ledger"]["exits"] == 0, world == "bare");
            assert_eq!(json["lies"].is_null(), world != "trap-x86");
            let console = json["console"].as_str().expect("text");
            assert!(comparable_lines(console).eq(comparable_lines(expected)), "{console}");
        }
    }
}

#[test]
fn the_ledger_is_shown_at_the_end_with_symbols() {
    let Ran { status, stdout, stderr } = paravane(&["run", "hello", "--world", "trap"]);
    assert_eq!(status, Some(0));
    assert!(stdout.ends_with("Goodbye.\n") && !stdout.contains("cycles"), "{stdout}");
    for part in ["Exits by cause", "mov to cr", "pvh_start", "hypervisor", "preset teaching"] {
        assert!(stderr.contains(part), "{part} is not in {stderr}");
    }
    let ran = paravane(&["run", "hello", "--preset", "nehalem-2009"]);
    assert!(ran.stderr.contains("preset nehalem-2009"), "{}", ran.stderr);
    assert!(ran.stderr.contains("guest kernel"), "{}", ran.stderr);
}

#[test]
fn the_ledger_goes_to_a_file() {
    let path = file("ledger.csv", b"");
    let ran = paravane(&["run", "hello", "--world", "pv", "--csv", &path]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let csv = std::fs::read_to_string(&path).expect("it was written");
    assert!(csv.starts_with("kind,name,exits,cycles,"), "{csv}");
    assert!(csv.contains("cause,console_io,"), "{csv}");
    let ran = paravane(&["run", "hello", "--csv", "/no/such/directory/ledger.csv"]);
    assert!(ran.status == Some(1) && ran.stderr.contains("can't write /no"), "{}", ran.stderr);
}

#[test]
fn presets_are_names_or_files() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../costs/teaching.toml"))
            .expect("the preset is there");
    let path = file("mine.toml", text.as_bytes());
    let json = paravane(&["run", "hello", "--preset", &path, "--json"]).json();
    assert_eq!(json["ledger"]["preset"], "mine");

    let wrong = file("wrong.toml", text.replace("[dispatch]", "[despatch]").as_bytes());
    let ran = paravane(&["run", "hello", "--preset", &wrong]);
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("unknown key `despatch`"), "{}", ran.stderr);
    let binary = file("binary.toml", b"\xff\xfe");
    assert_eq!(paravane(&["run", "hello", "--preset", &binary]).status, Some(1));
    let ran = paravane(&["run", "hello", "--preset", "future"]);
    assert!(ran.status == Some(2) && ran.stderr.contains("modern-2020"), "{}", ran.stderr);
}

#[test]
fn a_cpu_of_1998_lies_and_every_lie_is_listed() {
    // smsw eax; str eax; mov al, 0; out 0xf4, al; hlt
    let code = [0x0f, 1, 0xe0, 0x0f, 0, 0xc8, 0xb0, 0, 0xe6, 0xf4, 0xf4];
    let path = file("lied-to.elf", &guest(&code, &[("start", 0)]));
    let ran = paravane(&["run", &path, "--world", "trap-x86", "--json"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let lies = ran.json()["lies"].clone();
    assert_eq!(sum(&lies["places"], "count"), lies["total"]);
    let places = lies["places"].as_array().expect("an array");
    let smsw = places.iter().find(|place| place["instruction"] == "smsw").expect("it lied");
    assert_eq!((&smsw["symbol"], &smsw["about"]), (&"start".into(), &"rax".into()));
    assert_ne!(smsw["got"], smsw["should_have_got"]);
    assert!(places.iter().any(|place| place["instruction"] == "str"), "{lies}");

    let ran = paravane(&["run", &path, "--world", "trap-x86"]);
    for part in ["Lies: 2 of 2", "smsw", "start", "instead of"] {
        assert!(ran.stderr.contains(part), "{part} is not in {}", ran.stderr);
    }
    let ran = paravane(&["run", "hello", "--world", "trap"]);
    assert!(!ran.stderr.contains("Lies"), "{}", ran.stderr);
}

#[test]
fn throwing_shadow_tables_away_costs_more_and_changes_nothing_else() {
    let run = |shadow| {
        let arguments = ["run", "usermode", "--world", "trap", "--shadow", shadow, "--json"];
        paravane(&arguments).json()
    };
    let (cached, naive) = (run("cached"), run("naive"));
    assert!(naive["ledger"]["exits"].as_u64() > cached["ledger"]["exits"].as_u64());
    let lines = |json: &Value| -> Vec<String> {
        comparable_lines(json["console"].as_str().expect("text")).map(str::to_owned).collect()
    };
    assert_eq!(lines(&cached), lines(&naive));
}

#[test]
fn a_limit_holds_with_a_hypervisor_even_while_the_guest_sleeps() {
    for world in ["trap", "trap-x86"] {
        let ran = paravane(&["run", "timer", "--world", world, "--limit", "12345", "--json"]);
        assert_eq!(ran.status, Some(124), "{world}");
        assert_eq!(ran.json()["instructions"], 12_345, "{world}");
    }
}

#[test]
fn what_a_guest_lacks_for_a_world_is_named() {
    let path = file("not-ported.elf", &guest(&[0xf4], &[]));
    let ran = paravane(&["run", &path, "--world", "pv"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("XEN_VERSION"), "{}", ran.stderr);
}
