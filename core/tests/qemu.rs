//! QEMU as referee: the same ELF files, booted by both, print the same lines.
//!
//! Needs `qemu-system-x86_64`. Without it the test says that it was skipped; with
//! `PARAVANE_REFEREES=required`, as in CI, it fails instead.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and speak")]

mod samples;

use std::io::Write;
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use paravane_sample_guests::{GUESTS, SampleGuest, comparable_lines};

const QEMU: &str = "qemu-system-x86_64";

fn is_installed() -> bool {
    let found = Command::new(QEMU).arg("--version").output().is_ok();
    let required = env::var("PARAVANE_REFEREES").is_ok_and(|value| value == "required");
    assert!(found || !required, "{QEMU} is required and not installed");
    found
}

/// Boots a guest under QEMU. Returns its console and exit value.
fn boot(guest: &SampleGuest, input: String, memory_mib: u64, append: &str) -> (String, u32) {
    let directory = env::temp_dir().join(format!("paravane-{}-{}", guest.name, std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let kernel = directory.join("guest.elf");
    fs::write(&kernel, guest.elf).unwrap();
    let mut qemu = Command::new("timeout")
        .args(["120", QEMU, "-m", &memory_mib.to_string(), "-append", append, "-kernel"])
        .arg(&kernel)
        .args(["-display", "none", "-serial", "stdio", "-no-reboot"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = qemu.stdin.take().unwrap();
    let typing = thread::spawn(move || {
        keyboard.write_all(input.as_bytes()).unwrap();
        keyboard
    });
    let output = qemu.wait_with_output().unwrap();
    drop(typing.join());
    fs::remove_dir_all(&directory).unwrap();
    let status = output.status.code().unwrap_or(-1);
    assert!(status & 1 == 1, "{}: QEMU ended with status {status}", guest.name);
    (String::from_utf8(output.stdout).unwrap(), status as u32 >> 1)
}

#[test]
fn qemu_prints_the_same_lines_for_every_sample_guest() {
    if !is_installed() {
        println!("skipped: {QEMU} is not installed");
        return;
    }
    for guest in GUESTS {
        let manifest = samples::manifest(guest);
        if !manifest.worlds.iter().any(|world| world == "bare") {
            continue;
        }
        let (theirs, value) =
            boot(guest, manifest.input.clone(), manifest.memory_mib, &manifest.append);
        let (ours, _) = samples::run(&mut samples::load(guest), &manifest.input, u64::MAX);
        assert_eq!(value, manifest.exit_code, "{}: exit value under QEMU", guest.name);
        let theirs: Vec<_> = comparable_lines(&theirs).collect();
        let ours: Vec<_> = comparable_lines(&ours).collect();
        assert_eq!(ours, theirs, "{}", guest.name);
        println!("{}: {} lines agree", guest.name, ours.len());
    }
}
