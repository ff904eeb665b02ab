//! Everything architectural but memory and time, to compare before with after.

use paravane_cpu::state::control::Control;
use paravane_cpu::state::debug::Debug;
use paravane_cpu::state::msr::ModelSpecific;
use paravane_cpu::state::registers::Registers;
use paravane_cpu::state::segments::Segments;
use paravane_cpu::{Activity, Cpu, InterruptShadow};

/// Everything architectural but memory and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    registers: Registers,
    flags: u64,
    segments: Segments,
    control: Control,
    debug: Debug,
    msr: ModelSpecific,
    cpl: u8,
    shadow: InterruptShadow,
    activity: Activity,
    nmi_blocked: bool,
}

impl Snapshot {
    /// What the CPU holds now.
    pub fn of(cpu: &Cpu) -> Self {
        Self {
            registers: cpu.registers.clone(),
            flags: cpu.flags.bits(),
            segments: cpu.segments.clone(),
            control: cpu.control.clone(),
            debug: cpu.debug.clone(),
            msr: cpu.msr.clone(),
            cpl: cpu.cpl,
            shadow: cpu.shadow,
            activity: cpu.activity,
            nmi_blocked: cpu.nmi_blocked,
        }
    }

    /// The same with another value in a register.
    pub fn with_register(mut self, index: u8, value: u64) -> Self {
        self.registers.set(index, value);
        self
    }

    /// The same with the flags of another one.
    pub fn with_flags_of(mut self, other: &Self) -> Self {
        self.flags = other.flags;
        self
    }

    /// What differs, for messages.
    pub fn difference(&self, other: &Self) -> String {
        let (ours, theirs) = (format!("{self:#x?}"), format!("{other:#x?}"));
        let lines = ours.lines().zip(theirs.lines()).filter(|(a, b)| a != b);
        lines.map(|(a, b)| format!("{} / {}; ", a.trim(), b.trim())).collect()
    }
}
