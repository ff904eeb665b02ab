//! The referee of the paravirtual world: every sample guest that names it runs as the first
//! domain of a genuine Xen, itself in QEMU, and prints what its `expected.txt` says; which is what
//! it prints in our paravirtual world (`sample_guests.rs`).
//!
//! `PARAVANE_XEN` is the path to Xen's ELF file: `boot/xen-4.17-amd64.gz` of Debian's
//! `xen-hypervisor-4.17-amd64`, uncompressed.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sample-guests/check-xen.sh");

/// Says that a referee is missing, and fails where all must be there.
fn skip(why: &str) {
    let required = std::env::var("PARAVANE_REFEREES").is_ok_and(|value| value == "required");
    assert!(!required, "the referee is required, but {why}");
    println!("skipped: {why}");
}

#[test]
fn every_guest_of_the_paravirtual_world_prints_the_same_on_genuine_xen() {
    let Some(xen) = std::env::var_os("PARAVANE_XEN") else {
        return skip("PARAVANE_XEN does not name a Xen image");
    };
    if !Path::new(&xen).is_file() {
        return skip("PARAVANE_XEN names no file");
    }
    if Command::new("qemu-system-x86_64").arg("--version").output().is_err() {
        return skip("qemu-system-x86_64 is not installed");
    }
    let output = Command::new("sh").arg(SCRIPT).arg(&xen).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
