//! A referee must agree with itself, and must notice whoever doesn't.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy exempts tests, but not their helper functions"
)]

use iced_x86::Mnemonic;
use paravane_host_referee::encodings::decode;
use paravane_host_referee::state::flags;
use paravane_host_referee::{
    Mode, Native, Options, Outcome, Report, Scratch, State, Subject, compare, compare_fault_cases,
};

/// The host with one mistake.
struct Mistaken {
    native: Native,
    mistake: fn(&mut Outcome, &mut Scratch),
}

impl Subject for Mistaken {
    fn execute(
        &mut self,
        mode: Mode,
        code: &[u8],
        before: &State,
        memory: &mut Scratch,
    ) -> Outcome {
        let mut outcome = self.native.execute(mode, code, before, memory);
        if decode(code, mode).is_some_and(|decoded| decoded.mnemonic() == Mnemonic::Add) {
            (self.mistake)(&mut outcome, memory);
        }
        outcome
    }
}

/// The host CPU, or `None` with a message where there's none.
fn native() -> Option<Native> {
    Native::new().inspect_err(|why| println!("skipped: {why}")).ok()
}

fn report_about(mistake: fn(&mut Outcome, &mut Scratch)) -> Option<Report> {
    let options = Options {
        filter: |code| matches!(code.mnemonic(), Mnemonic::Add | Mnemonic::Sub),
        cases_per_form: 4,
        ..Options::default()
    };
    let report = compare(&mut Mistaken { native: native()?, mistake }, &options).unwrap();
    assert_eq!(report.mnemonics["sub"].mismatches, 0);
    Some(report)
}

#[test]
fn the_host_agrees_with_itself() {
    let Some(mut native) = native() else { return };
    let options = Options { cases_per_form: 4, ..Options::default() };
    let report = compare(&mut native, &options).unwrap();
    println!("{report}");
    let total = report.total();
    assert_eq!(total.mismatches, 0);
    assert_eq!(total.undefined_flags, total.undefined_flags_equal);
    assert!(total.forms > 50_000 && total.cases > 200_000);
    assert!(total.faults > total.cases / 50 && total.faults < total.cases / 3);
}

#[test]
fn the_host_agrees_with_itself_about_chosen_faults() {
    let Some(mut native) = native() else { return };
    let report = compare_fault_cases(&mut native, |_| true).unwrap();
    assert_eq!(report.total().mismatches, 0, "{report}");
    assert!(report.total().faults > 100);
}

#[test]
fn a_wrong_defined_flag_is_noticed() {
    let Some(report) = report_about(|outcome, _| {
        if let Outcome::Completed(state) = outcome {
            state.rflags ^= flags::AF;
        }
    }) else {
        return;
    };
    let tally = report.mnemonics["add"];
    assert_eq!(tally.mismatches, tally.cases - tally.faults);
    assert_eq!(report.mismatches.len(), 2, "only so many are kept");
    assert!(report.mismatches[0].to_string().contains("rflags"));
}

#[test]
fn a_wrong_register_is_noticed() {
    let Some(report) = report_about(|outcome, _| {
        if let Outcome::Completed(state) = outcome {
            state.gpr[7] ^= 0x8000_0000;
        }
    }) else {
        return;
    };
    let text = report.mismatches[0].to_string();
    assert!(text.contains("rdi") && !text.contains("rflags    host"), "{text}");
}

#[test]
fn a_wrong_instruction_pointer_is_noticed() {
    let Some(report) = report_about(|outcome, _| {
        if let Outcome::Completed(state) = outcome {
            state.rip += 1;
        }
    }) else {
        return;
    };
    assert!(report.mismatches[0].to_string().contains("rip"));
}

#[test]
fn a_stray_store_is_noticed() {
    let Some(report) = report_about(|_, memory| memory.data[0x1fff] ^= 1) else {
        return;
    };
    assert_eq!(report.mnemonics["add"].mismatches, report.mnemonics["add"].cases);
    assert!(report.mismatches[0].to_string().contains("0x20001fff: host"));
}

#[test]
fn a_missing_fault_and_a_wrong_error_code_are_noticed() {
    let Some(report) = report_about(|outcome, _| {
        if let Outcome::Fault { state, .. } = outcome {
            *outcome = Outcome::Completed(*state);
        }
    }) else {
        return;
    };
    assert_eq!(report.mnemonics["add"].mismatches, report.mnemonics["add"].faults);
    assert!(report.mismatches[0].to_string().contains("subject completes"));

    let Some(report) = report_about(|outcome, _| {
        if let Outcome::Fault { fault, .. } = outcome {
            fault.error_code = fault.error_code.map(|code| code ^ 2);
        }
    }) else {
        return;
    };
    assert_ne!(report.mnemonics["add"].mismatches, 0);
}

#[test]
fn an_unsupported_instruction_is_counted_but_no_mismatch() {
    let Some(report) = report_about(|outcome, _| *outcome = Outcome::Unsupported("not yet".into()))
    else {
        return;
    };
    assert_eq!(report.mnemonics["add"].unsupported, report.mnemonics["add"].cases);
    assert_eq!(report.total().mismatches, 0);
}
