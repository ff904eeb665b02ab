//! `paravane run`: consoles, exit statuses, limits, JSON and traces.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use paravane_sample_guests::{GUESTS, comparable_lines};
use support::guest_file::guest;
use support::{Ran, command, file, paravane, paravane_with_input};

/// `mov al, VALUE; out 0xf4, al; hlt`
fn exits_with(value: u8) -> Vec<u8> {
    guest(&[0xb0, value, 0xe6, 0xf4, 0xf4], &[])
}

#[test]
fn sample_guests_print_what_qemu_recorded_and_end_with_success() {
    for guest in GUESTS.iter().filter(|guest| guest.name != "shell") {
        let Ran { status, stdout, stderr } = paravane(&["run", guest.name]);
        assert_eq!(status, Some(0), "{}: {stderr}", guest.name);
        let printed: Vec<_> = comparable_lines(&stdout).collect();
        let expected: Vec<_> = comparable_lines(guest.expected).collect();
        assert_eq!(printed, expected, "{}", guest.name);
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("the guest exited with value 0"), "{stderr}");
        assert!(stderr.contains("MIPS"), "{stderr}");
    }
}

#[test]
fn exit_values_become_odd_statuses_and_power_off_is_success() {
    for (value, status) in [(0, 0), (1, 3), (16, 33), (126, 253), (127, 255), (255, 255)] {
        let path = file(&format!("exits-with-{value}.elf"), &exits_with(value));
        assert_eq!(paravane(&["run", &path]).status, Some(status), "{value}");
    }
}

#[test]
fn the_command_line_reaches_the_guest_and_replaces_the_manifests() {
    let ran = paravane(&["run", "hello", "--append", "--from here"]);
    assert!(ran.stdout.contains("command line: \"--from here\""), "{}", ran.stdout);
    let ran = paravane(&["run", "hello"]);
    assert!(ran.stdout.contains("greetings from the command line"), "{}", ran.stdout);
}

#[test]
fn memory_has_the_size_that_was_asked_for() {
    let ran = paravane(&["run", "hello", "--memory", "32M"]);
    assert!(ran.stdout.contains("0x0000100000-0x0002000000 usable"), "{}", ran.stdout);
    let ran = paravane(&["run", "hello", "--memory", "2M"]);
    assert!(ran.status.is_some());
    for wrong in ["64", "1M", "4G", "many"] {
        assert_eq!(paravane(&["run", "hello", "--memory", wrong]).status, Some(2), "{wrong}");
    }
}

#[test]
fn the_shell_takes_its_input_from_a_pipe() {
    let ran = paravane_with_input(&["run", "shell"], "echo one  two\nexit 3\n");
    assert!(ran.stdout.contains("\none two\n"), "{}", ran.stdout);
    assert_eq!(ran.status, Some(7), "2 * 3 + 1; {}", ran.stderr);
}

#[test]
fn input_that_is_longer_than_any_buffer_arrives_completely() {
    let words: String = (0..12_000).map(|n| format!("echo {n}\n")).collect();
    let ran = paravane_with_input(&["run", "shell"], &(words + "exit\n"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    for n in [0, 1, 5_999, 11_998, 11_999] {
        assert!(ran.stdout.contains(&format!("\n{n}\n")), "{n}");
    }
}

#[test]
fn a_guest_that_waits_for_input_after_its_end_ends_the_run() {
    let ran = paravane_with_input(&["run", "shell"], "echo still here\n");
    assert_eq!(ran.status, Some(6), "{}", ran.stderr);
    assert!(ran.stdout.contains("still here"), "{}", ran.stdout);
    assert!(ran.stderr.contains("waits for console input, and there is no more"), "{}", ran.stderr);
    // Interrupts on, and nothing that could cause one: sti; hlt; jmp back to the hlt.
    let path = file("waits.elf", &guest(&[0xfb, 0xf4, 0xeb, 0xfd], &[]));
    assert_eq!(paravane(&["run", &path]).status, Some(6));
}

#[test]
fn a_reset_has_its_own_status() {
    assert_eq!(paravane_with_input(&["run", "shell"], "reboot\n").status, Some(4));
}

#[test]
fn a_run_with_a_file_as_input_is_the_same_every_time() {
    let script = file("script.txt", b"help\nticks\nfault page\nticks\nexit\n");
    let run = || {
        let mut command = command(&["run", "shell", "--json"]);
        let input = std::fs::File::open(&script).expect("it was written");
        let ran: Ran = command.stdin(input).output().expect("paravane starts").into();
        let json = ran.json();
        (json["console"].clone(), json["cycles"].clone(), json["instructions"].clone())
    };
    assert_eq!(run(), run());
}

#[test]
fn the_limit_is_exact_and_reported() {
    for limit in [0, 1, 1_000, 12_345] {
        let limit_text = limit.to_string();
        let ran = paravane(&["run", "timer", "--limit", &limit_text, "--json"]);
        assert_eq!(ran.status, Some(124));
        let json = ran.json();
        assert_eq!(json["instructions"], limit);
        assert_eq!(json["outcome"]["kind"], "limit");
        assert!(json["report"]["registers"]["rip"].is_string());
    }
    let ran = paravane(&["run", "usermode", "--limit", "1M"]);
    assert!(ran.stderr.contains("Last instructions"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--limit 1000001"), "{}", ran.stderr);
}

#[test]
fn the_limit_counts_no_sleep() {
    // Without the limit, as many cycles would pass before the first tick of the timer.
    let ran = paravane_with_input(&["run", "shell", "--limit", "50000", "--json"], "");
    assert_eq!(ran.json()["outcome"]["kind"], "limit");
    assert_eq!(ran.json()["instructions"], 50_000);
}

#[test]
fn json_is_one_object_with_everything() {
    let ran = paravane(&["run", "hello", "--json"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    let json = ran.json();
    assert_eq!(json["guest"], "hello");
    assert_eq!(json["world"], "bare");
    assert_eq!(json["memory_bytes"], 64 << 20);
    assert_eq!(json["outcome"]["kind"], "exit");
    assert_eq!(json["outcome"]["value"], 0);
    assert_eq!(json["exit_status"], 0);
    assert!(json["console"].as_str().is_some_and(|text| text.ends_with("Goodbye.\n")));
    assert!(json["instructions"].as_u64().is_some_and(|count| count > 1_000));
    assert!(json["report"].is_null());
}

#[test]
fn the_debug_console_is_on_standard_error_line_by_line() {
    // mov al, 'h'; out 0xe9, al; mov al, 'i'; out 0xe9, al; xor al, al; out 0xf4, al; hlt
    let code = [0xb0, b'h', 0xe6, 0xe9, 0xb0, b'i', 0xe6, 0xe9, 0x30, 0xc0, 0xe6, 0xf4, 0xf4];
    let path = file("debug-console.elf", &guest(&code, &[]));
    let ran = paravane(&["run", &path]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), ""));
    assert!(ran.stderr.starts_with("[debug] hi\n"), "{}", ran.stderr);
    assert_eq!(paravane(&["run", &path, "--json"]).json()["debug_console"], "hi");
}

#[test]
fn a_trace_has_a_line_for_each_instruction_exception_and_port_access() {
    // start: mov eax, 0x5a; out 0xe9, al; jmp last; last: out 0xf4, al
    let code = [0xb8, 0x5a, 0, 0, 0, 0xe6, 0xe9, 0xeb, 0, 0xe6, 0xf4];
    let path = file("traced.elf", &guest(&code, &[("start", 0), ("last", 9)]));
    let traced = |topics: &str| {
        let ran = paravane(&["run", &path, &format!("--trace{topics}")]);
        ran.stderr.lines().filter(|line| line.starts_with("   ")).map(str::to_owned).collect()
    };
    let lines: Vec<String> = traced("");
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].contains(" start ") && lines[0].ends_with("mov     eax, 0x5a"), "{lines:#?}");
    assert!(lines[2].contains(" start+0x7 ") && lines[2].ends_with("<last>"), "{lines:#?}");
    let lines: Vec<String> = traced("=ports");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].ends_with("> out 0x00e9, 8 bits, 0x5a 'Z'"), "{lines:#?}");
    assert_eq!(traced("=instructions,ports").len(), 6);
}

#[test]
fn a_trace_begins_where_it_is_told_to_and_changes_nothing() {
    let path = file("trace.txt", b"");
    let arguments =
        ["run", "exceptions", "--trace=exceptions", "--trace-after", "20K", "--trace-file", &path];
    let traced = paravane(&arguments);
    assert_eq!(traced.stdout, paravane(&["run", "exceptions"]).stdout);
    let trace = std::fs::read_to_string(path).expect("the trace was written");
    assert!(trace.contains("* #PF(0x"), "{trace}");
    let first = trace.split_whitespace().next().and_then(|cycle| cycle.parse().ok());
    assert!(first.is_some_and(|cycle: u64| cycle >= 20_000), "{first:?}");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    // Prints for ever: mov dx, 0x3f8; mov al, 'x'; out dx, al; jmp back
    let path =
        file("prints.elf", &guest(&[0x66, 0xba, 0xf8, 3, 0xb0, b'x', 0xee, 0xeb, 0xfd], &[]));
    let mut command = command(&["run", &path]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("paravane starts");
    drop(child.stdout.take());
    let ran: Ran = child.wait_with_output().expect("paravane ends").into();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_run_with_the_summary() {
    let mut command = command(&["run", "shell"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("paravane starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"echo ready\n").expect("the shell reads");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line == "ready")));
    let process = child.id().to_string();
    let killed = std::process::Command::new("kill").args(["-INT", &process]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let ran: Ran = child.wait_with_output().expect("paravane ends").into();
    assert_eq!(ran.status, Some(130), "{}", ran.stderr);
    assert!(ran.stderr.contains("shell: interrupted, after"), "{}", ran.stderr);
    drop(input);
}

#[test]
fn unknown_guests_are_named_with_the_nearest_ones() {
    let ran = paravane(&["run", "usermod"]);
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("did you mean usermode?"), "{}", ran.stderr);
    let ran = paravane(&["run", "qqq"]);
    assert!(ran.stderr.contains("the sample guests are"), "{}", ran.stderr);
}

#[test]
fn other_worlds_are_not_in_this_version() {
    let ran = paravane(&["run", "hello", "--world", "pv"]);
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("not in this version"), "{}", ran.stderr);
    assert_eq!(paravane(&["run", "hello", "--world", "bare"]).status, Some(0));
    assert!(paravane(&["run", "hello", "--world", "moon"]).stderr.contains("no such world"));
}

#[test]
fn files_that_are_no_guests_or_not_there_are_failures_that_name_them() {
    let cases = [
        ("empty.elf", &b""[..], "neither an ELF file"),
        ("text.elf", b"hello, world", "neither an ELF file"),
        ("short.elf", b"\x7fELF\x02\x01\x01", "was cut short"),
        (
            "no-note.elf",
            &{
                let mut bytes = exits_with(0);
                // The note's type.
                bytes[64 + 2 * 56 + 8] = 99;
                bytes
            },
            "no way to start it",
        ),
    ];
    for (name, bytes, message) in cases {
        let path = file(name, bytes);
        let ran = paravane(&["run", &path]);
        assert_eq!(ran.status, Some(1), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(message) && ran.stderr.contains(name), "{}", ran.stderr);
    }
    let ran = paravane(&["run", "./no-such.elf"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("can't read ./no-such.elf"), "{}", ran.stderr);
    let ran = paravane(&["run", "hello", "--module", "./no-such.img"]);
    assert!(ran.status == Some(1) && ran.stderr.contains("no-such.img"), "{}", ran.stderr);
}
