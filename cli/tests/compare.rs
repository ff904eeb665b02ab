//! `paravane compare`: the headline, the tables, the files, and guests that can't run everywhere.

mod support;

use std::process::Stdio;

use support::guest_file::guest;
use support::{Ran, command, file, paravane, sum};

#[test]
fn the_headline_comes_first_and_the_worlds_side_by_side() {
    let Ran { status, stdout, stderr } = paravane(&["compare", "hello"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let first = stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("Paravirtual needs "), "{first}");
    assert!(first.ends_with(" than trap-and-emulate."), "{first}");
    let columns = stdout.lines().find(|line| line.contains("bare")).expect("a line of titles");
    assert!(columns.split_whitespace().eq(["bare", "trap", "pv"]), "{columns}");
    for part in ["slowdown", "hypervisor", "Exits by cause", "console_io", "preset teaching"] {
        assert!(stdout.contains(part), "{part} is not in {stdout}");
    }
    assert!(!stdout.contains("DIFFERS"), "{stdout}");
}

#[test]
fn json_adds_up_and_every_world_did_the_same() {
    // The shell gets its input from its manifest.
    let worlds = ["bare", "trap", "trap-x86", "pv"];
    let arguments = ["compare", "shell", "--worlds", &worlds.join(","), "--json"];
    let ran = paravane(&arguments);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let json = ran.json();
    let runs = json["runs"].as_array().expect("an array");
    assert_eq!(runs.len(), worlds.len());
    for (run, world) in runs.iter().zip(worlds) {
        assert_eq!(run["world"], world);
        assert_eq!(sum(&run["shares"], "cycles"), run["cycles"]);
        assert_eq!(sum(&run["causes"], "exits"), run["exits"]);
        let of_exits = ["hypervisor", "transitions"].map(|who| {
            let shares = run["shares"].as_array().expect("an array");
            let share = shares.iter().find(|share| share["who"] == who).expect("it is listed");
            share["cycles"].as_u64().expect("a number")
        });
        assert_eq!(sum(&run["causes"], "cycles"), of_exits.iter().sum::<u64>());
        assert_eq!(run["console_is_the_same"], true, "{world}");
        assert!(run["outcome"]["text"].is_string());
    }
    assert!(json["headline"].as_str().is_some_and(|text| text.contains("exits")));
    assert_eq!(json["warnings"].as_array().map(Vec::len), Some(0), "{}", json["warnings"]);
    assert_eq!(json["not_run"].as_array().map(Vec::len), Some(0));
    assert_eq!(json, paravane(&arguments).json(), "two comparisons of the same are the same");
}

#[test]
fn pictures_pages_and_numbers_are_written_to_files() {
    let [svg, html, csv] =
        ["svg", "html", "csv"].map(|kind| file(&format!("compared.{kind}"), b""));
    let arguments =
        ["compare", "hello", "--svg", &svg, "--html", &html, "--csv", &csv, "--preset", "p4-2005"];
    let ran = paravane(&arguments);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let [svg, html, csv] =
        [svg, html, csv].map(|path| std::fs::read_to_string(path).expect("it was written"));
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    for world in ["bare", "trap", "pv"] {
        assert!(svg.contains(world) && html.contains(world), "{world}");
        assert!(csv.contains(&format!("hello,{world},p4-2005,total,cycles,")), "{csv}");
    }
    let ran = paravane(&["compare", "hello", "--svg", "/no/such/directory/compared.svg"]);
    assert!(ran.status == Some(1) && ran.stderr.contains("can't write /no"), "{}", ran.stderr);
}

#[test]
fn a_guest_without_xen_notes_is_compared_where_it_can_run() {
    // xor eax, eax; out 0xf4, al; hlt
    let path = file("bare-and-trap.elf", &guest(&[0x31, 0xc0, 0xe6, 0xf4, 0xf4], &[]));
    let ran = paravane(&["compare", &path]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("Trap-and-emulate takes "), "{}", ran.stdout);
    assert!(ran.stdout.contains("Not run in the world pv: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("XEN_VERSION"), "{}", ran.stdout);
    let json = paravane(&["compare", &path, "--json"]).json();
    assert_eq!(json["not_run"][0]["world"], "pv");
    let ran = paravane(&["compare", &path, "--worlds", "pv"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("XEN_VERSION"), "{}", ran.stderr);
}

#[test]
fn ends_that_are_not_good_are_told() {
    let ran = paravane(&["compare", "timer", "--limit", "5000", "--worlds", "trap,trap,bare"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let lines = ran.stdout.lines().filter(|line| line.contains("limit of instructions"));
    assert_eq!(lines.count(), 2, "each world once: {}", ran.stdout);
    let ran = paravane(&["compare", "exceptions", "--worlds", "bare,pv"]);
    assert!(ran.stdout.contains("made for bare"), "{}", ran.stdout);
}

#[test]
fn a_guest_that_lies_lead_astray_is_given_up() {
    // smsw eax; cmp al, 0x11; jne to itself; xor eax, eax; out 0xf4, al; hlt
    let code = [0x0f, 1, 0xe0, 0x3c, 0x11, 0x75, 0xfe, 0x31, 0xc0, 0xe6, 0xf4, 0xf4];
    let path = file("led-astray.elf", &guest(&code, &[]));
    let ran = paravane(&["compare", &path, "--worlds", "bare,trap,trap-x86"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let told = "In the world trap-x86: the limit of instructions was reached.";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
}

#[test]
fn input_comes_from_a_file() {
    let path = file("typed.txt", b"echo typed\nexit 0\n");
    let arguments = ["compare", "shell", "--input", &path, "--worlds", "bare,trap", "--json"];
    let json = paravane(&arguments).json();
    for run in json["runs"].as_array().expect("an array") {
        assert_eq!(run["outcome"]["value"], 0, "{run}");
        assert_eq!(run["console_is_the_same"], true);
    }
}

#[test]
fn wrong_usage_has_status_2() {
    for arguments in [
        &["compare"][..],
        &["compare", "nobody"],
        &["compare", "hello", "--worlds", "bare,moon"],
        &["compare", "hello", "--preset", "future"],
        &["compare", "hello", "--shadow", "none"],
    ] {
        assert_eq!(paravane(arguments).status, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_comparison_quietly() {
    let mut command = command(&["compare", "hello"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("paravane starts");
    drop(child.stdout.take());
    let ran: Ran = child.wait_with_output().expect("paravane ends").into();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
}
