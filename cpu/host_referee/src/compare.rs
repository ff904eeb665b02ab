//! Runs every case on the host and on a subject, and compares.

use iced_x86::{Code, OpKind};

use crate::cases::{Case, register_value};
use crate::forms::{Form, forms, skipped_codes};
use crate::native::{Native, Unavailable};
use crate::report::{MEMORY_DIFFERENCES, MemoryDifference, Mismatch, Report, Tally};
use crate::state::{Mode, Outcome, State, Subject, flags};
use crate::undefined::{Undefined, is_bit_scan};
use crate::windows::Scratch;

/// Codes with fewer forms than this (DAA has no operands) get more cases for each, to make up for it.
const FORMS_PER_CODE: usize = 128;

/// What to compare, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The modes to run.
    pub modes: &'static [Mode],
    /// Which codes to run.
    pub filter: fn(Code) -> bool,
    /// Cases for each form; several times as many for codes that have few forms.
    pub cases_per_form: usize,
    /// Another seed gives other cases.
    pub seed: u64,
    /// How many mismatches to keep for each mnemonic.
    pub mismatches_per_mnemonic: u64,
    /// How many mismatches to keep in all.
    pub mismatches: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            modes: &Mode::ALL,
            filter: |_| true,
            cases_per_form: 24,
            seed: 1,
            mismatches_per_mnemonic: 2,
            mismatches: 100,
        }
    }
}

/// Runs every form in random cases on the host and on `subject`.
///
/// # Errors
///
/// If there's no host CPU to compare with.
pub fn compare(subject: &mut dyn Subject, options: &Options) -> Result<Report, Unavailable> {
    let mut comparison = Comparison::new(subject, options)?;
    for mode in options.modes {
        for of_one_code in forms(*mode).chunk_by(|a, b| a.code == b.code) {
            if !of_one_code.iter().any(|form| (options.filter)(form.code)) {
                continue;
            }
            let count = options.cases_per_form * (FORMS_PER_CODE / of_one_code.len()).max(1);
            for (number, form) in (0_u64..).zip(of_one_code) {
                let seed =
                    options.seed << 32 ^ (form.code as u64) << 16 ^ number << 1 ^ *mode as u64;
                comparison.run(form, &form.cases(seed, count));
            }
        }
    }
    Ok(comparison.report)
}

/// A comparison in progress: the two sides, their memory, and what was found so far.
pub struct Comparison<'a> {
    native: Native,
    subject: &'a mut dyn Subject,
    options: &'a Options,
    before: Scratch,
    background: Scratch,
    host_memory: Scratch,
    subject_memory: Scratch,
    report: Report,
}

impl<'a> Comparison<'a> {
    /// Prepares both sides.
    ///
    /// # Errors
    ///
    /// If there's no host CPU to compare with.
    pub fn new(
        subject: &'a mut dyn Subject,
        options: &'a Options,
    ) -> Result<Comparison<'a>, Unavailable> {
        let background = Scratch::background();
        Ok(Comparison {
            native: Native::new()?,
            subject,
            options,
            before: background.clone(),
            host_memory: background.clone(),
            subject_memory: background.clone(),
            background,
            report: Report { skipped: skipped_codes(), ..Report::default() },
        })
    }

    /// What was found.
    pub fn into_report(self) -> Report {
        self.report
    }

    /// Runs one form in all `cases`, and counts them under its mnemonic.
    pub fn run(&mut self, form: &Form, cases: &[Case]) {
        self.run_as(&form.mnemonic(), form, cases);
    }

    /// Runs one form in all `cases`, and counts them under a name.
    pub fn run_as(&mut self, name: &str, form: &Form, cases: &[Case]) {
        let mut tally = self.report.mnemonics.get(name).copied().unwrap_or_default();
        tally.forms += 1;
        for case in cases {
            self.run_case(form, case, &mut tally);
        }
        self.report.mnemonics.insert(name.to_owned(), tally);
    }

    fn run_case(&mut self, form: &Form, case: &Case, tally: &mut Tally) {
        self.before.copy_from(&self.background);
        case.apply(&mut self.before);
        self.host_memory.copy_from(&self.before);
        self.subject_memory.copy_from(&self.before);
        let host = self.native.execute(form.mode, &form.bytes, &case.before, &mut self.host_memory);
        let subject =
            self.subject.execute(form.mode, &form.bytes, &case.before, &mut self.subject_memory);

        tally.cases += 1;
        tally.faults += u64::from(matches!(host, Outcome::Fault { .. }));
        if matches!(subject, Outcome::Unsupported(_)) {
            tally.unsupported += 1;
            return;
        }
        let source_is_zero =
            is_bit_scan(form.code) && source_is_zero(form, &case.before, &self.before);
        let undefined = Undefined::of(form, &case.before, source_is_zero);
        self.ignore_undefined_memory(&undefined, &host);
        let same_memory = self.host_memory == self.subject_memory;
        if same_outcome(&host, &subject, &undefined) && same_memory {
            if let (Outcome::Completed(host), Outcome::Completed(subject)) = (&host, &subject) {
                let different = (host.rflags ^ subject.rflags) & undefined.flags;
                tally.undefined_flags += u64::from(undefined.flags.count_ones());
                tally.undefined_flags_equal +=
                    u64::from((undefined.flags & !different).count_ones());
            }
            return;
        }
        tally.mismatches += 1;
        let room = self.report.mismatches.len() < self.options.mismatches;
        if room && tally.mismatches <= self.options.mismatches_per_mnemonic {
            let mismatch = self.mismatch(form, case, host, subject, &undefined);
            self.report.mismatches.push(mismatch);
        }
    }

    /// Makes memory that isn't to be compared the same on both sides.
    fn ignore_undefined_memory(&mut self, undefined: &Undefined, host: &Outcome) {
        if undefined.memory_after_fault && matches!(host, Outcome::Fault { .. }) {
            self.subject_memory.copy_from(&self.host_memory);
        }
        if let Some((address, length)) = undefined.memory {
            for offset in 0..length as u64 {
                let at = address.wrapping_add(offset);
                let byte = self.host_memory.slice(at, 1).map(|bytes| bytes[0]);
                if let Some(byte) = byte {
                    self.subject_memory.patch(at, &[byte]);
                }
            }
        }
    }

    fn mismatch(
        &self,
        form: &Form,
        case: &Case,
        host: Outcome,
        subject: Outcome,
        undefined: &Undefined,
    ) -> Mismatch {
        let memory = self
            .host_memory
            .differences(&self.subject_memory)
            .take(MEMORY_DIFFERENCES)
            .map(|(address, host, subject)| MemoryDifference {
                address,
                before: self.before.read(address, 1).unwrap_or(0) as u8,
                host,
                subject,
            })
            .collect();
        Mismatch {
            instruction: form.description(),
            code: form.code,
            bytes: form.bytes.clone(),
            mode: form.mode,
            before: case.before,
            host,
            subject,
            undefined_flags: undefined.flags,
            memory,
        }
    }
}

fn same_outcome(host: &Outcome, subject: &Outcome, undefined: &Undefined) -> bool {
    match (host, subject) {
        (Outcome::Completed(host), Outcome::Completed(subject)) => {
            same_state(host, subject, undefined, undefined.idle_string_registers)
        }
        (
            Outcome::Fault { fault: host_fault, state: host },
            Outcome::Fault { fault: subject_fault, state: subject },
        ) => {
            let mut subject = *subject;
            if undefined.registers_after_fault {
                subject.gpr = host.gpr;
            }
            let open = undefined.faulting_string_registers;
            host_fault == subject_fault && same_state(host, &subject, undefined, open)
        }
        _ => false,
    }
}

fn same_state(
    host: &State,
    subject: &State,
    undefined: &Undefined,
    strings_are_open: bool,
) -> bool {
    let same_registers =
        host.gpr.iter().zip(&subject.gpr).enumerate().all(|(index, (host, subject))| {
            let mut ignored = match undefined.register {
                Some((register, bits)) if register == index => bits,
                _ => 0,
            };
            if strings_are_open && matches!(index, 1 | 6 | 7) {
                ignored |= !0 << 32;
            }
            (host ^ subject) & !ignored == 0
        });
    let ignored = undefined.flags | flags::RF;
    same_registers && host.rip == subject.rip && (host.rflags ^ subject.rflags) & !ignored == 0
}

fn source_is_zero(form: &Form, before: &State, memory: &Scratch) -> bool {
    let instruction = &form.instruction;
    if instruction.op1_kind() == OpKind::Register {
        return register_value(before, instruction.op1_register()) == 0;
    }
    let address = instruction.virtual_address(1, 0, |register, _, _| {
        Some(if register.is_segment_register() { 0 } else { register_value(before, register) })
    });
    let size = instruction.memory_size().size();
    address.and_then(|address| memory.read(address, size)) == Some(0)
}
