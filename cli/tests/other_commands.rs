//! `paravane guests`, `inspect`, `completions` and `man`.

mod support;

use paravane_sample_guests::GUESTS;
use support::guest_file::guest;
use support::{file, paravane};

#[test]
fn guests_lists_all_of_them() {
    let ran = paravane(&["guests"]);
    assert_eq!(ran.status, Some(0));
    let json = paravane(&["guests", "--json"]).json();
    assert_eq!(json.as_array().map(Vec::len), Some(GUESTS.len()));
    for (index, guest) in GUESTS.iter().enumerate() {
        assert!(ran.stdout.contains(guest.name), "{}", guest.name);
        assert_eq!(json[index]["name"], guest.name);
        assert!(json[index]["worlds"].as_array().is_some_and(|worlds| !worlds.is_empty()));
    }
}

#[test]
fn inspect_shows_segments_notes_symbols_and_worlds() {
    let ran = paravane(&["inspect", "hello", "--symbols"]);
    assert_eq!(ran.status, Some(0));
    for part in ["ELF64", "r-x", "PHYS32_ENTRY", "pvh_start", "bare", "can start by PVH"] {
        assert!(ran.stdout.contains(part), "{part:?} is not in\n{}", ran.stdout);
    }
    let json = paravane(&["inspect", "hello", "--json"]).json();
    assert!(json["symbols"].is_null());
    assert!(json["symbol_count"].as_u64().is_some_and(|count| count > 10));
    assert_eq!(json["worlds"][0]["name"], "bare");
    assert_eq!(json["worlds"][0]["start"], "PVH");
}

#[test]
fn inspect_tells_what_is_missing_for_a_world() {
    let path = file("inspected.elf", &guest(&[0xf4], &[("start", 0)]));
    let ran = paravane(&["inspect", &path]);
    assert!(ran.stdout.contains("XEN_ELFNOTE_XEN_VERSION (5) is not"), "{}", ran.stdout);
    let json = paravane(&["inspect", &path, "--json"]).json();
    let worlds = json["worlds"].as_array().expect("an array");
    let pv = worlds.iter().find(|world| world["name"] == "pv").expect("it is listed");
    assert!(pv["start"].is_null());
    assert_eq!(pv["missing"][0]["start"], "Xen PV");
}

#[test]
fn inspect_refuses_what_is_no_guest() {
    let path = file("inspected.txt", b"text");
    assert_eq!(paravane(&["inspect", &path]).status, Some(1));
    assert_eq!(paravane(&["inspect", "nobody"]).status, Some(2));
}

#[test]
fn control_characters_in_symbols_do_not_reach_the_terminal() {
    let path = file("escapes.elf", &guest(&[0xf4], &[("a\x1b[2Jb", 0)]));
    let ran = paravane(&["inspect", &path, "--symbols"]);
    assert!(ran.stdout.contains("a?[2Jb"), "{}", ran.stdout);
}

#[test]
fn completions_and_manual_pages_come_from_the_command_line_itself() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = paravane(&["completions", shell]);
        assert!(ran.status == Some(0) && ran.stdout.contains("paravane"), "{shell}");
    }
    let ran = paravane(&["man"]);
    assert!(ran.status == Some(0) && ran.stdout.contains(".TH paravane"), "{}", ran.stdout);
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    std::fs::create_dir_all(&directory).expect("the directory for tests can be written");
    let ran = paravane(&["man", directory.to_str().expect("its name is UTF-8")]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let page = std::fs::read_to_string(directory.join("paravane-run.1")).expect("it was written");
    assert!(page.contains("Exit status"), "{page}");
    assert_eq!(paravane(&["man", "./no/such/directory"]).status, Some(1));
}

#[test]
fn help_documents_the_exit_statuses_and_wrong_usage_has_status_2() {
    for arguments in [&["--help"][..], &["run", "--help"]] {
        let ran = paravane(arguments);
        assert!(ran.status == Some(0) && ran.stdout.contains("124"), "{}", ran.stdout);
    }
    for arguments in [&[][..], &["walk"], &["run"], &["run", "hello", "--limit", "soon"]] {
        assert_eq!(paravane(arguments).status, Some(2), "{arguments:?}");
    }
    let ran = paravane(&["run", "hello", "--trace-file", "x"]);
    assert_eq!(ran.status, Some(2), "a trace file without a trace");
}
