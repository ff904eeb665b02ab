//! Which forms are in the matrix: those of the host referee, and those that it must leave out.

use iced_x86::{Code, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, UsedMemory};
use paravane_host_referee::encodings::encodings;
use paravane_host_referee::{Exclusion, Form, Mode, exclusion};

use crate::paged_machine::Width;

/// Far calls with the pointer in the instruction, which the encoder's choices don't cover: the
/// pointer names the 32-bit code segments of both rings, then, with operand size 16, ring 0's.
const FAR_CALLS: [&[u8]; 3] = [
    &[0x9a, 0x00, 0x08, 0x20, 0x20, 0x10, 0x00],
    &[0x9a, 0x00, 0x08, 0x20, 0x20, 0x2b, 0x00],
    &[0x66, 0x9a, 0x00, 0x08, 0x10, 0x00],
];

/// A range of memory that an instruction touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Linear address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// It is written, perhaps after it was read.
    pub writes: bool,
}

/// The referee's name of a mode.
pub fn mode(width: Width) -> Mode {
    match width {
        Width::Long => Mode::Long64,
        Width::Protected => Mode::Compat32,
    }
}

/// Whether a code is tried at all: everything but vectors, floating point and what never was.
fn is_tried(code: Code) -> bool {
    !matches!(
        exclusion(code),
        Some(
            Exclusion::Placeholder
                | Exclusion::VectorEncoding
                | Exclusion::FloatingPoint
                | Exclusion::Obsolete
                | Exclusion::OtherDecoding
        )
    )
}

/// Every form that names or touches memory.
pub fn forms(width: Width) -> Vec<Form> {
    let mode = mode(width);
    let far_calls = FAR_CALLS.iter().filter(|_| width == Width::Protected);
    Code::values()
        .filter(|code| is_tried(*code))
        .flat_map(|code| encodings(code, mode))
        .chain(far_calls.map(|bytes| bytes.to_vec()))
        .filter_map(|bytes| Form::new(mode, &bytes))
        .filter(|form| names_memory(&form.instruction) || touches_memory(&form.instruction))
        .collect()
}

/// Whether there is an explicit memory operand.
pub fn names_memory(instruction: &Instruction) -> bool {
    instruction.op_kinds().any(|kind| kind == OpKind::Memory)
}

fn touches_memory(instruction: &Instruction) -> bool {
    !InstructionInfoFactory::new().info(instruction).used_memory().is_empty()
}

/// Whether a repeat prefix makes the number of accesses depend on a register.
pub fn is_repeated(instruction: &Instruction) -> bool {
    instruction.is_string_instruction()
        && (instruction.has_rep_prefix() || instruction.has_repne_prefix())
}

/// What an instruction touches with these general registers, and flat segments.
pub fn accesses(instruction: &Instruction, registers: &[u64; 16]) -> Vec<Access> {
    let info = InstructionInfoFactory::new().info(instruction).used_memory().to_vec();
    let access = |used: &UsedMemory| Access {
        address: used.virtual_address(0, |name, _, _| value(name, registers)).unwrap_or(0),
        size: used.memory_size().size() as u64,
        writes: matches!(
            used.access(),
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        ),
    };
    let mut accesses: Vec<Access> = info.iter().map(access).collect();
    if instruction.mnemonic() == Mnemonic::Arpl {
        // Processors read first, with no intent to write: a host CPU says so.
        accesses.insert(0, Access { writes: false, ..accesses[0] });
    }
    accesses
}

/// What a register holds; segments are flat.
pub fn value(name: iced_x86::Register, registers: &[u64; 16]) -> Option<u64> {
    if name.is_segment_register() {
        return Some(0);
    }
    let whole = registers[name.full_register().number() & 15];
    Some(whole & u64::MAX >> (64 - 8 * name.size().clamp(1, 8)))
}

/// What a string instruction uses.
#[derive(Clone, Debug)]
pub struct StringPointers {
    /// Of RSI (6) and RDI (7), those that it moves.
    pub pointers: Vec<usize>,
    /// They have 16 bits.
    pub narrow: bool,
    /// The destination is written.
    pub writes: bool,
}

/// The pointers of a string instruction; `None` if it is another one.
pub fn string_pointers(instruction: &Instruction) -> Option<StringPointers> {
    use OpKind::{MemoryESDI, MemoryESEDI, MemoryESRDI, MemorySegESI, MemorySegRSI, MemorySegSI};
    let mut pointers = Vec::new();
    let mut narrow = false;
    for kind in instruction.op_kinds() {
        match kind {
            MemorySegSI | MemorySegESI | MemorySegRSI => pointers.push(6),
            MemoryESDI | MemoryESEDI | MemoryESRDI => pointers.push(7),
            _ => {}
        }
        narrow |= matches!(kind, MemorySegSI | MemoryESDI);
    }
    let writes = matches!(instruction.op0_kind(), MemoryESDI | MemoryESEDI | MemoryESRDI)
        && !matches!(
            instruction.mnemonic(),
            Mnemonic::Cmpsb | Mnemonic::Cmpsw | Mnemonic::Cmpsd | Mnemonic::Cmpsq
        );
    (!pointers.is_empty()).then_some(StringPointers { pointers, narrow, writes })
}
