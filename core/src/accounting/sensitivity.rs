//! The table of sensitive instructions: one row per instruction, what an x86 of 1998 does with it
//! outside ring 0, and what becomes of it in each world.
//!
//! Popek and Goldberg (CACM 1974) call an instruction *privileged* if it traps outside the
//! privileged mode, and *sensitive* if it changes the machine's resources (control-sensitive) or if
//! its result depends on them (behaviour-sensitive). Their theorem 1: a machine whose sensitive
//! instructions are all privileged can be virtualized by trap and emulate. That is sufficient, not
//! necessary: the theorem doesn't say what can't be done on other machines, and binary translation
//! and paravirtualization do it. The x86 breaks the condition with the instructions that are
//! [`Class::Silent`] here.
//!
//! Robin and Irvine (USENIX Security 2000) listed those for the Pentium. The list's title says 17;
//! 18 mnemonics are printed, as VERR and VERW count once. This table says for each row whether it
//! is on that list, and where the list misleads.

mod doorways;
mod innocuous;
mod privileged;
mod row;
mod silent;

pub use row::{Answer, Class, InWorld, Kind, SensitiveInstruction};

use paravane_cpu::Sensitive;

/// The row of an instruction.
pub const fn of(instruction: Sensitive) -> &'static SensitiveInstruction {
    use Sensitive as S;
    match instruction {
        S::Cpuid => &silent::CPUID,
        S::Rdtsc => &innocuous::RDTSC,
        S::Rdtscp => &innocuous::RDTSCP,
        S::Rdpmc => &privileged::RDPMC,
        S::Hlt => &privileged::HLT,
        S::Invlpg => &privileged::INVLPG,
        S::Wbinvd => &privileged::WBINVD,
        S::ReadControl => &privileged::READ_CONTROL,
        S::WriteControl => &privileged::WRITE_CONTROL,
        S::ReadDebug => &privileged::READ_DEBUG,
        S::WriteDebug => &privileged::WRITE_DEBUG,
        S::Rdmsr => &privileged::RDMSR,
        S::Wrmsr => &privileged::WRMSR,
        S::Clts => &privileged::CLTS,
        S::Lmsw => &privileged::LMSW,
        S::Smsw => &silent::SMSW,
        S::Lgdt => &privileged::LGDT,
        S::Lidt => &privileged::LIDT,
        S::Lldt => &privileged::LLDT,
        S::Ltr => &privileged::LTR,
        S::Sgdt => &silent::SGDT,
        S::Sidt => &silent::SIDT,
        S::Sldt => &silent::SLDT,
        S::Str => &silent::STR,
        S::Lar => &silent::LAR,
        S::Lsl => &silent::LSL,
        S::Verr => &silent::VERR,
        S::Verw => &silent::VERW,
        S::Pushf => &silent::PUSHF,
        S::Popf => &silent::POPF,
        S::Cli => &privileged::CLI,
        S::Sti => &privileged::STI,
        S::ReadSegment => &silent::READ_SEGMENT,
        S::WriteSegment => &silent::WRITE_SEGMENT,
        S::FarCall => &silent::FAR_CALL,
        S::FarJump => &silent::FAR_JUMP,
        S::FarReturn => &silent::FAR_RETURN,
        S::Iret => &silent::IRET,
        S::Interrupt => &doorways::INTERRUPT,
        S::Syscall => &doorways::SYSCALL,
        S::Sysret => &privileged::SYSRET,
        S::Sysenter => &doorways::SYSENTER,
        S::Sysexit => &privileged::SYSEXIT,
        S::Swapgs => &privileged::SWAPGS,
        S::ReadBase => &innocuous::READ_BASE,
        S::WriteBase => &innocuous::WRITE_BASE,
        S::In => &privileged::IN,
        S::Out => &privileged::OUT,
        S::AccessControl => &privileged::ACCESS_CONTROL,
        S::Monitor => &privileged::MONITOR,
        S::Mwait => &privileged::MWAIT,
        S::Pause => &innocuous::PAUSE,
        S::Vmcall => &doorways::VMCALL,
        S::Vmmcall => &doorways::VMMCALL,
    }
}

/// All rows in the order of [`Sensitive::ALL`].
pub fn table() -> impl Iterator<Item = &'static SensitiveInstruction> {
    Sensitive::ALL.iter().map(|instruction| of(*instruction))
}

/// Whether an x86 of 1998 lets a guest's deprivileged kernel execute this sensitive instruction
/// without a trap, so that it does not do what the kernel believes. The world `trap` intercepts
/// these; the world `trap-x86` can't.
pub const fn silent_on_x86(instruction: Sensitive) -> bool {
    matches!(of(instruction).class, Class::Silent)
}
