//! What a comparison found, in a form that can be read.

use std::collections::BTreeMap;
use std::fmt;

use iced_x86::Code;

use crate::state::{Fault, Mode, Outcome, State, flags};

/// The names of the registers, in the order of [`State::gpr`].
const NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];
/// How many differing bytes of memory a mismatch keeps.
pub const MEMORY_DIFFERENCES: usize = 16;

/// Counts for one mnemonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Forms that were run.
    pub forms: u64,
    /// Cases that were run.
    pub cases: u64,
    /// Cases that raised an exception on the host.
    pub faults: u64,
    /// Cases that the subject said it doesn't implement.
    pub unsupported: u64,
    /// Cases with another outcome.
    pub mismatches: u64,
    /// Undefined flags looked at, one by one.
    pub undefined_flags: u64,
    /// Undefined flags that were equal nevertheless.
    pub undefined_flags_equal: u64,
}

/// Everything a comparison found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Counts by mnemonic.
    pub mnemonics: BTreeMap<String, Tally>,
    /// The first mismatches, as many as the options allow.
    pub mismatches: Vec<Mismatch>,
    /// Codes that weren't run because the host lacks a feature, by the feature.
    pub skipped: BTreeMap<&'static str, Vec<Code>>,
}

impl Report {
    /// The sum over all mnemonics.
    pub fn total(&self) -> Tally {
        self.mnemonics.values().fold(Tally::default(), |sum, tally| Tally {
            forms: sum.forms + tally.forms,
            cases: sum.cases + tally.cases,
            faults: sum.faults + tally.faults,
            unsupported: sum.unsupported + tally.unsupported,
            mismatches: sum.mismatches + tally.mismatches,
            undefined_flags: sum.undefined_flags + tally.undefined_flags,
            undefined_flags_equal: sum.undefined_flags_equal + tally.undefined_flags_equal,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        writeln!(
            f,
            "{} forms, {} cases ({} faulted): {} mismatches, {} unsupported",
            total.forms, total.cases, total.faults, total.mismatches, total.unsupported
        )?;
        for (feature, codes) in &self.skipped {
            writeln!(f, "not run, the host lacks {feature}: {} codes", codes.len())?;
        }
        for (mnemonic, tally) in &self.mnemonics {
            if tally.mismatches != 0 || tally.unsupported != 0 {
                writeln!(
                    f,
                    "{mnemonic:12} {} of {} cases differ, {} unsupported",
                    tally.mismatches, tally.cases, tally.unsupported
                )?;
            }
            if tally.undefined_flags != tally.undefined_flags_equal {
                writeln!(
                    f,
                    "{mnemonic:12} undefined flags as on this host: {} of {}",
                    tally.undefined_flags_equal, tally.undefined_flags
                )?;
            }
        }
        for mismatch in &self.mismatches {
            write!(f, "\n{mismatch}")?;
        }
        Ok(())
    }
}

/// One byte of memory that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryDifference {
    /// Its linear address.
    pub address: u64,
    /// What it was before.
    pub before: u8,
    /// What the host left there.
    pub host: u8,
    /// What the subject left there.
    pub subject: u8,
}

/// A case in which host and subject differ.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The instruction in Intel syntax.
    pub instruction: String,
    /// iced's code for it.
    pub code: Code,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The mode it ran in.
    pub mode: Mode,
    /// The registers before.
    pub before: State,
    /// What the host did.
    pub host: Outcome,
    /// What the subject did.
    pub subject: Outcome,
    /// Flags that weren't compared.
    pub undefined_flags: u64,
    /// Where memory differs: the first [`MEMORY_DIFFERENCES`] bytes.
    pub memory: Vec<MemoryDifference>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<String> = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(
            f,
            "{}    ({:?}: {}; {:?})",
            self.instruction,
            self.mode,
            bytes.join(" "),
            self.code
        )?;
        self.write_before(f)?;
        if ending(&self.host) != ending(&self.subject) {
            writeln!(
                f,
                "  ends      host {}, subject {}",
                ending(&self.host),
                ending(&self.subject)
            )?;
        }
        if let (Some(host), Some(subject)) = (state(&self.host), state(&self.subject)) {
            for (index, name) in NAMES.iter().enumerate() {
                if host.gpr[index] != subject.gpr[index] {
                    let (before, host, subject) =
                        (self.before.gpr[index], host.gpr[index], subject.gpr[index]);
                    writeln!(
                        f,
                        "  {name:9} host {host:#x}, subject {subject:#x} (was {before:#x})"
                    )?;
                }
            }
            if host.rip != subject.rip {
                writeln!(
                    f,
                    "  rip       host {:+#x}, subject {:+#x}",
                    host.rip as i64, subject.rip as i64
                )?;
            }
            if (host.rflags ^ subject.rflags) & !flags::RF & !self.undefined_flags != 0 {
                writeln!(
                    f,
                    "  rflags    host {}, subject {} (was {}; undefined: {})",
                    flags::names(host.rflags),
                    flags::names(subject.rflags),
                    flags::names(self.before.rflags),
                    flags::names(self.undefined_flags)
                )?;
            }
        }
        for MemoryDifference { address, before, host, subject } in &self.memory {
            writeln!(
                f,
                "  {address:#x}: host {host:02x}, subject {subject:02x} (was {before:02x})"
            )?;
        }
        Ok(())
    }
}

impl Mismatch {
    /// The registers that the instruction names or implies.
    fn write_before(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(form) = crate::forms::Form::new(self.mode, &self.bytes) else {
            return Ok(());
        };
        let mut factory = iced_x86::InstructionInfoFactory::new();
        let mut used: Vec<usize> = factory
            .info(&form.instruction)
            .used_registers()
            .iter()
            .map(|used| used.register().full_register())
            .filter(|register| register.is_gpr())
            .map(iced_x86::Register::number)
            .collect();
        used.sort_unstable();
        used.dedup();
        write!(f, "  before   ")?;
        for index in used {
            write!(f, " {}={:#x}", NAMES[index & 15], self.before.gpr[index & 15])?;
        }
        writeln!(f, " [{}]", flags::names(self.before.rflags))
    }
}

fn state(outcome: &Outcome) -> Option<&State> {
    match outcome {
        Outcome::Completed(state) | Outcome::Fault { state, .. } => Some(state),
        Outcome::Unsupported(_) | Outcome::Broken(_) => None,
    }
}

/// How an outcome ended, in words.
pub fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed(_) => "completes".to_owned(),
        Outcome::Fault { fault, .. } => fault.to_string(),
        Outcome::Unsupported(why) => format!("is unsupported: {why}"),
        Outcome::Broken(why) => format!("is broken: {why}"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.vector {
            0 => "#DE",
            1 => "#DB",
            3 => "#BP",
            4 => "#OF",
            5 => "#BR",
            6 => "#UD",
            11 => "#NP",
            12 => "#SS",
            13 => "#GP",
            14 => "#PF",
            17 => "#AC",
            _ => "exception",
        };
        write!(f, "raises {name} (vector {})", self.vector)?;
        if let Some(code) = self.error_code {
            write!(f, " error {code:#x}")?;
        }
        if let Some(address) = self.address {
            write!(f, " at {address:#x}")?;
        }
        Ok(())
    }
}
