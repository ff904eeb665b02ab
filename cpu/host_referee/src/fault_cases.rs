//! Chosen cases that raise exceptions: the ones that random operands reach too rarely, and instructions that the
//! enumeration leaves out because ring 3 may not have them.

use crate::cases::{Case, Patch};
use crate::compare::{Comparison, Options};
use crate::forms::Form;
use crate::native::{Native, Unavailable};
use crate::report::Report;
use crate::state::{Mode, Outcome, RSP, State, Subject, flags};
use crate::windows::{CODE_WINDOW_START, DATA_SIZE, DATA_START, PAGE, STACK_START, Scratch};

/// One instruction in one state, with a name.
#[derive(Clone, Debug)]
pub struct FaultCase {
    /// What it shows.
    pub name: &'static str,
    /// The instruction.
    pub form: Form,
    /// The state.
    pub case: Case,
}

type Row = (&'static str, &'static [u8], fn(&mut State));

const AX: usize = 0;
const CX: usize = 1;
const DX: usize = 2;
const BX: usize = 3;
const DATA_END: u64 = DATA_START + DATA_SIZE as u64;

/// In both modes. RBX points to the number pair (-8, 7) in the data window unless a row changes it.
const BOTH: &[Row] = &[
    ("div by zero, 8 bits", &[0xf6, 0xf1], |state| state.gpr[CX] = 0),
    ("div by zero, 32 bits", &[0xf7, 0xf1], |state| state.gpr[CX] = 0),
    ("idiv by zero, 16 bits", &[0x66, 0xf7, 0xf9], |state| state.gpr[CX] = 0),
    ("div overflows: the quotient is exactly 2^32", &[0xf7, 0xf1], |state| {
        (state.gpr[AX], state.gpr[DX], state.gpr[CX]) = (0, 1, 1);
    }),
    ("div does not overflow: the quotient is 2^32 - 1", &[0xf7, 0xf1], |state| {
        (state.gpr[AX], state.gpr[DX], state.gpr[CX]) = (0xffff_ffff, 0, 1);
    }),
    ("idiv overflows: minimum by -1", &[0xf7, 0xf9], |state| {
        (state.gpr[AX], state.gpr[DX], state.gpr[CX]) = (0x8000_0000, 0xffff_ffff, 0xffff_ffff);
    }),
    ("idiv overflows: 128 in 8 bits", &[0xf6, 0xf9], |state| {
        (state.gpr[AX], state.gpr[CX]) = (128, 1)
    }),
    ("idiv does not overflow: -128 in 8 bits", &[0xf6, 0xf9], |state| {
        (state.gpr[AX], state.gpr[CX]) = (0xff80, 1)
    }),
    ("ud2", &[0x0f, 0x0b], |_| {}),
    ("ud1", &[0x0f, 0xb9, 0xc1], |_| {}),
    ("int3", &[0xcc], |_| {}),
    ("int1", &[0xf1], |_| {}),
    ("lock on a register", &[0xf0, 0x01, 0xc8], |_| {}),
    ("lock on a load", &[0xf0, 0x8b, 0x03], |_| {}),
    ("page fault: read", &[0x8b, 0x03], |state| state.gpr[BX] = DATA_END + 0x123),
    ("page fault: write", &[0x89, 0x03], |state| state.gpr[BX] = DATA_END + 0x123),
    ("page fault: a comparison only reads", &[0x39, 0x03], |state| state.gpr[BX] = DATA_END),
    ("page fault: an update writes", &[0x01, 0x03], |state| state.gpr[BX] = DATA_END),
    ("page fault: write to a read-only page", &[0x89, 0x03], |state| {
        state.gpr[BX] = CODE_WINDOW_START + 8
    }),
    ("page fault: the second half of a read", &[0x8b, 0x03], |state| state.gpr[BX] = DATA_END - 1),
    ("page fault: the second half of a write", &[0x89, 0x03], |state| state.gpr[BX] = DATA_END - 3),
    ("page fault: the first half of a write", &[0x89, 0x03], |state| {
        state.gpr[BX] = DATA_START - 1
    }),
    ("page fault: push", &[0x50], |state| state.gpr[RSP] = STACK_START),
    ("page fault: pop", &[0x58], |state| state.gpr[RSP] = STACK_START + PAGE),
    ("page fault: rep movsb has moved eight bytes", &[0xf3, 0xa4], |state| {
        (state.gpr[CX], state.gpr[6], state.gpr[7]) = (100, DATA_START, DATA_END - 8);
    }),
    ("alignment check: off", &[0x8b, 0x03], |state| state.gpr[BX] += 1),
    ("alignment check: on", &[0x8b, 0x03], |state| {
        state.gpr[BX] += 1;
        state.rflags |= flags::AC;
    }),
    ("alignment check: on, aligned", &[0x8b, 0x03], |state| state.rflags |= flags::AC),
    ("privileged: hlt", &[0xf4], |_| {}),
    ("privileged: cli", &[0xfa], |_| {}),
    ("privileged: sti", &[0xfb], |_| {}),
    ("privileged: in", &[0xec], |_| {}),
    ("privileged: out", &[0xe6, 0x80], |_| {}),
    ("privileged: insb", &[0x6c], |_| {}),
    ("privileged: read cr0", &[0x0f, 0x20, 0xc0], |_| {}),
    ("privileged: write cr3", &[0x0f, 0x22, 0xd8], |_| {}),
    ("privileged: read dr7", &[0x0f, 0x21, 0xf8], |_| {}),
    ("privileged: lgdt", &[0x0f, 0x01, 0x13], |_| {}),
    ("privileged: lidt", &[0x0f, 0x01, 0x1b], |_| {}),
    ("privileged: lmsw", &[0x0f, 0x01, 0xf0], |_| {}),
    ("privileged: invlpg", &[0x0f, 0x01, 0x3b], |_| {}),
    ("privileged: ltr", &[0x0f, 0x00, 0xd8], |_| {}),
    ("privileged: lldt", &[0x0f, 0x00, 0xd0], |_| {}),
    ("privileged: clts", &[0x0f, 0x06], |_| {}),
    ("privileged: invd", &[0x0f, 0x08], |_| {}),
    ("privileged: wbinvd", &[0x0f, 0x09], |_| {}),
    ("privileged: wrmsr", &[0x0f, 0x30], |_| {}),
    ("privileged: rdmsr", &[0x0f, 0x32], |_| {}),
    ("a selector beyond the descriptor table", &[0x8e, 0xd8], |state| state.gpr[AX] = 0xfffb),
];

const LONG: &[Row] = &[
    ("div by zero, 64 bits", &[0x48, 0xf7, 0xf1], |state| state.gpr[CX] = 0),
    ("idiv overflows, 64 bits", &[0x48, 0xf7, 0xf9], |state| {
        (state.gpr[AX], state.gpr[DX], state.gpr[CX]) = (1 << 63, u64::MAX, u64::MAX);
    }),
    ("non-canonical read", &[0x8b, 0x03], |state| state.gpr[BX] = 1 << 62),
    ("non-canonical stack", &[0x50], |state| state.gpr[RSP] = 1 << 62),
    ("non-canonical through rbp", &[0x8b, 0x45, 0x00], |state| state.gpr[5] = 1 << 62),
    ("cmpxchg16b, unaligned", &[0x48, 0x0f, 0xc7, 0x0b], |state| state.gpr[BX] += 8),
    ("privileged: swapgs", &[0x0f, 0x01, 0xf8], |_| {}),
    ("not in 64-bit mode: push es", &[0x06], |_| {}),
    ("not in 64-bit mode: pop es", &[0x07], |_| {}),
    ("not in 64-bit mode: push cs", &[0x0e], |_| {}),
    ("not in 64-bit mode: push ss", &[0x16], |_| {}),
    ("not in 64-bit mode: push ds", &[0x1e], |_| {}),
    ("not in 64-bit mode: daa", &[0x27], |_| {}),
    ("not in 64-bit mode: das", &[0x2f], |_| {}),
    ("not in 64-bit mode: aaa", &[0x37], |_| {}),
    ("not in 64-bit mode: aas", &[0x3f], |_| {}),
    ("not in 64-bit mode: pusha", &[0x60], |_| {}),
    ("not in 64-bit mode: popa", &[0x61], |_| {}),
    ("not in 64-bit mode: add, opcode 82", &[0x82, 0xc0, 0x01], |_| {}),
    ("not in 64-bit mode: into", &[0xce], |_| {}),
    ("not in 64-bit mode: aam", &[0xd4, 0x0a], |_| {}),
    ("not in 64-bit mode: salc", &[0xd6], |_| {}),
];

const COMPAT: &[Row] = &[
    ("aam 0", &[0xd4, 0x00], |_| {}),
    ("into with OF", &[0xce], |state| state.rflags |= flags::OF),
    ("into without OF", &[0xce], |_| {}),
    ("bound: below", &[0x62, 0x03], |state| state.gpr[AX] = 0xffff_fff7),
    ("bound: lowest", &[0x62, 0x03], |state| state.gpr[AX] = 0xffff_fff8),
    ("bound: highest", &[0x62, 0x03], |state| state.gpr[AX] = 7),
    ("bound: above", &[0x62, 0x03], |state| state.gpr[AX] = 8),
    ("write through cs", &[0x2e, 0x89, 0x03], |_| {}),
    ("read through cs", &[0x2e, 0x8b, 0x03], |_| {}),
    ("read through the null selector in fs", &[0x64, 0x8b, 0x03], |_| {}),
];

/// The fault cases of a mode.
pub fn fault_cases(mode: Mode) -> Vec<FaultCase> {
    let own = match mode {
        Mode::Long64 => LONG,
        Mode::Compat32 => COMPAT,
    };
    BOTH.iter()
        .chain(own)
        .map(|(name, bytes, prepare)| {
            let mut before = State::RESET;
            before.gpr[RSP] = STACK_START + 0x800;
            before.gpr[BX] = DATA_START + 0x800;
            before.gpr[6] = DATA_START + 0x100;
            before.gpr[7] = DATA_START + 0x200;
            prepare(&mut before);
            let mut pair = [0; 16];
            pair[..4].copy_from_slice(&(-8_i32).to_le_bytes());
            pair[4..8].copy_from_slice(&7_i32.to_le_bytes());
            let patches = vec![Patch { address: DATA_START + 0x800, bytes: pair, length: 8 }];
            FaultCase { name, form: Form::undecoded(mode, bytes), case: Case { before, patches } }
        })
        .collect()
}

/// What the host does in every fault case.
///
/// # Errors
///
/// If there's no host CPU to ask.
pub fn record_fault_cases(mode: Mode) -> Result<Vec<(FaultCase, Outcome)>, Unavailable> {
    let mut native = Native::new()?;
    let record = |fault_case: FaultCase| {
        let mut memory = Scratch::background();
        fault_case.case.apply(&mut memory);
        let outcome =
            native.execute(mode, &fault_case.form.bytes, &fault_case.case.before, &mut memory);
        (fault_case, outcome)
    };
    Ok(fault_cases(mode).into_iter().map(record).collect())
}

/// Runs every fault case whose name `wanted` accepts on the host and on `subject`. The report counts by name.
///
/// # Errors
///
/// If there's no host CPU to compare with.
pub fn compare_fault_cases(
    subject: &mut dyn Subject,
    wanted: fn(&str) -> bool,
) -> Result<Report, Unavailable> {
    let options = Options { mismatches: usize::MAX, ..Options::default() };
    let mut comparison = Comparison::new(subject, &options)?;
    for fault_case in Mode::ALL.into_iter().flat_map(fault_cases) {
        if wanted(fault_case.name) {
            comparison.run_as(fault_case.name, &fault_case.form, &[fault_case.case]);
        }
    }
    Ok(comparison.into_report())
}
