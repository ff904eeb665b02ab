//! Reports of guests that went wrong, whatever they did before.

#![allow(clippy::expect_used, reason = "a test may panic")]

use paravane_core::guest_image::{GuestImage, LoadOptions};
use paravane_core::machine::report::{Report, Step};
use paravane_core::workbench::{Setup, Workbench};
use paravane_sample_guests::{SampleGuest, find};

fn hello() -> &'static SampleGuest {
    find("hello").expect("a sample guest")
}

fn started(image: &GuestImage) -> Workbench {
    let setup = Setup { memory: 16 << 20, ..Setup::default() };
    Workbench::start(setup, image, &LoadOptions::default()).expect("it starts")
}

/// The image of hello with other bytes at its entry point.
fn with_code(code: &[u8]) -> GuestImage {
    let guest = hello();
    let image = GuestImage::parse(guest.elf, guest.name).expect("a sample guest");
    let first = image.segments().first().copied().expect("it has segments");
    let inside = image.entry() - first.virtual_address;
    let at = (first.offset + inside) as usize;
    let mut bytes = guest.elf.to_vec();
    bytes[at..at + code.len()].copy_from_slice(code);
    GuestImage::parse(&bytes, "patched").expect("only code was changed")
}

/// What a xorshift generator makes of a seed.
fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn random_code_always_gives_a_report() {
    for seed in 0..400 {
        let image = with_code(&random_bytes(seed, 512));
        let mut workbench = started(&image);
        let stopped = workbench.run(5_000);
        let text = Report::of(&workbench, &image, stopped).to_string();
        assert!(text.contains("Registers") && text.contains("Control registers"), "seed {seed}");
    }
}

#[test]
fn the_last_instructions_are_those_that_were_executed() {
    // mov ecx, 100; again: dec ecx; jnz again; nop; nop; ud2
    let code = [0xb9, 100, 0, 0, 0, 0x49, 0x75, 0xfd, 0x90, 0x90, 0x0f, 0x0b];
    let image = with_code(&code);
    let mut workbench = started(&image);
    let stopped = workbench.run(1_000_000);
    let report = Report::of(&workbench, &image, stopped);
    assert!(stopped.is_crash());
    assert_eq!(report.instructions, 1 + 200 + 2);
    assert_eq!(report.instruction.as_ref().map(|line| line.text.as_str()), Some("ud2"));
    let steps = report.history.iter().map(|step| match step {
        Step::Instruction { line, times, .. } => (line.text.as_str(), *times),
        Step::Delivery(_) => ("", 0),
    });
    let steps: Vec<_> = steps.collect();
    let entry = "0x100005 <pvh_start+0x5>";
    let jump = format!("jne     short {entry}");
    // 16 starts are kept: of the loop's 100 rounds, the last 15.
    assert_eq!(steps, [("dec     ecx", 15), (&jump, 0), ("nop", 1), ("nop", 0)]);
}

#[test]
fn deliveries_stand_between_the_instructions_where_they_happened() {
    let guest = find("exceptions").expect("a sample guest");
    let image = GuestImage::parse(guest.elf, guest.name).expect("a sample guest");
    let mut workbench = started(&image);
    let mut checked = 0;
    for _ in 0..2_000 {
        let stopped = workbench.run(100);
        let report = Report::of(&workbench, &image, stopped);
        for pair in report.history.windows(2) {
            if let [Step::Delivery(event), Step::Instruction { place, .. }] = pair {
                assert_eq!(place.address, event.delivery.to, "the handler begins");
                checked += 1;
            }
        }
        if stopped.is_final() {
            break;
        }
    }
    assert!(checked > 20, "only {checked} deliveries");
}
