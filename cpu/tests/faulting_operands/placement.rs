//! Registers that make an instruction's operands land where a page ends.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use paravane_host_referee::Form;
use paravane_host_referee::addressing::FIXED;

use crate::paged_machine::{PAGE, PagedMachine, Width, rights};

/// Two pages each, and in their middle the boundary that operands cross. The first pair is for
/// addresses of 32 and 64 bits (one of its pages has the referee's fixed address in it), the
/// second for those of 16 bits.
pub const OPERAND: [u64; 2] = [FIXED & !0x1fff, 0x1000];
/// The same for a second operand: the destination of string instructions.
pub const SECOND: [u64; 2] = [0x2000_4000, 0x5000];
/// The stack.
pub const STACK: u64 = 0x2010_0000;
/// What rBP points to when it is a frame pointer.
pub const FRAME: u64 = 0x2010_4000;
/// The page with the instruction.
pub const CODE: u64 = paravane_host_referee::windows::CODE_WINDOW_START;
/// Where in it.
pub const START: u64 = paravane_host_referee::windows::CODE_START;

/// Pages in a window.
pub const WINDOW_PAGES: u64 = 2;

/// Where operands lie in their windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the middle of the first page.
    Inside,
    /// Across the boundary; what is below the stack pointer, too.
    CrossingBelow,
    /// Across the boundary; what is above the stack pointer, too.
    CrossingAbove,
    /// Across the boundary; the stack only a few slots below its top.
    CrossingDeepBelow,
    /// Across the boundary; the stack only a few slots above its top.
    CrossingDeepAbove,
}

impl Placement {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Inside,
        Self::CrossingBelow,
        Self::CrossingAbove,
        Self::CrossingDeepBelow,
        Self::CrossingDeepAbove,
    ];

    /// The address of an operand of `size` bytes in a window.
    fn operand(self, window: u64, size: u64) -> u64 {
        match self {
            Self::Inside => window + 0x840,
            Self::CrossingBelow | Self::CrossingDeepBelow => window + PAGE - (size / 2).max(1),
            Self::CrossingAbove | Self::CrossingDeepAbove => window + PAGE - 1,
        }
    }

    /// A stack pointer in a window.
    fn pointer(self, window: u64) -> u64 {
        match self {
            Self::Inside => window + 0x880,
            Self::CrossingBelow => window + PAGE + 1,
            Self::CrossingAbove => window + PAGE - 1,
            Self::CrossingDeepBelow => window + PAGE + 0x15,
            Self::CrossingDeepAbove => window + PAGE - 0x15,
        }
    }

    /// Whether it is only for instructions that use more than one slot of the stack.
    pub fn is_deep(self) -> bool {
        matches!(self, Self::CrossingDeepBelow | Self::CrossingDeepAbove)
    }
}

/// A machine with all windows mapped.
pub fn machine(width: Width) -> PagedMachine {
    let mut machine = PagedMachine::new(width);
    machine.add_page(CODE, rights::ALL);
    for window in OPERAND.into_iter().chain(SECOND).chain([STACK, FRAME]) {
        for page in 0..WINDOW_PAGES {
            machine.add_page(window + page * PAGE, rights::ALL);
        }
    }
    machine
}

/// General registers for a form. `None` if it can't be steered: a register that must have a
/// certain value also addresses memory.
pub fn registers(form: &Form, placement: Placement) -> Option<[u64; 16]> {
    let instruction = &form.instruction;
    let mut registers: [u64; 16] = std::array::from_fn(|index| 0x100 + 16 * index as u64);
    registers[4] = placement.pointer(STACK);
    registers[5] = placement.pointer(FRAME);
    let size = instruction.memory_size().size() as u64;
    if form.code.is_string_instruction() {
        let narrow = usize::from(has_narrow_strings(instruction));
        registers[6] = placement.operand(OPERAND[narrow], size);
        registers[7] = placement.operand(SECOND[narrow], size);
    } else if instruction.op_kinds().any(|kind| kind == OpKind::Memory) {
        if let Some((name, value)) = prescribed(instruction) {
            let addresses = [instruction.memory_base(), instruction.memory_index()];
            if addresses.iter().any(|used| used.full_register() == name.full_register()) {
                return None;
            }
            registers[name.number()] = value;
        }
        point(instruction, placement, size, &mut registers);
    }
    Some(registers)
}

/// Whether a string instruction uses SI and DI.
fn has_narrow_strings(instruction: &Instruction) -> bool {
    instruction.op_kinds().any(|kind| matches!(kind, OpKind::MemorySegSI | OpKind::MemoryESDI))
}

/// A register whose value decides what memory is touched: the bit number of BT and its kin, which
/// may lead away from the operand, and the privilege level that ARPL compares, which decides
/// whether it writes.
fn prescribed(instruction: &Instruction) -> Option<(Register, u64)> {
    use Mnemonic::{Arpl, Bt, Btc, Btr, Bts};
    let value = match instruction.mnemonic() {
        Bt | Btc | Btr | Bts if instruction.op1_kind() == OpKind::Register => 5,
        Arpl => 3,
        _ => return None,
    };
    Some((instruction.op1_register(), value))
}

/// Makes the base register, or else the index register, point to the operand's place.
fn point(instruction: &Instruction, placement: Placement, size: u64, registers: &mut [u64; 16]) {
    let (base, index) = (instruction.memory_base(), instruction.memory_index());
    let address_size = base.size().max(index.size());
    // Fixed addresses stay, and so does the stack pointer, which is placed already.
    let is_stack = base.full_register() == Register::RSP;
    if base.is_ip() || is_stack || base == Register::None && index == Register::None {
        return;
    }
    let mask = u64::MAX >> (64 - 8 * address_size.clamp(1, 8));
    let target = placement.operand(OPERAND[usize::from(address_size == 2)], size);
    let wanted = target.wrapping_sub(instruction.memory_displacement64()) & mask;
    let scale = u64::from(instruction.memory_index_scale());
    if base == index {
        registers[base.number()] = (wanted / (1 + scale)) & !15;
    } else if base == Register::None {
        registers[index.number()] = wanted / scale;
    } else {
        let indexed = match index {
            Register::None => 0,
            Register::AL => registers[0] & 0xff,
            _ => registers[index.number()].wrapping_mul(scale),
        };
        registers[base.number()] = wanted.wrapping_sub(indexed) & mask;
    }
}
