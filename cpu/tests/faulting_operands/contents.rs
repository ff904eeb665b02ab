//! What operands and the stack must hold so that an instruction completes: selectors that exist,
//! addresses where code can run, bounds that hold.

use iced_x86::{Code, Instruction, Mnemonic, Register};

use super::placement::START;
use crate::paged_machine::{GDT, PagedMachine, selectors};

/// Memory before an instruction: any value that is a small number, harmless flags, and a
/// canonical address at eight-byte boundaries.
pub const FILL: [u8; 8] = [0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0, 0];

/// The bytes of an explicit memory operand, or nothing if any will do.
pub fn operand(machine: &PagedMachine, ring: u8, instruction: &Instruction) -> Vec<u8> {
    let size = instruction.memory_size().size();
    let (code, data) = machine.selectors(ring);
    let selector = |selector: u16| selector.to_le_bytes().to_vec();
    let far = |selector: u16| far_pointer(START, size - 2, selector);
    match instruction.mnemonic() {
        Mnemonic::Jmp | Mnemonic::Call if is_far(instruction) => far(code),
        Mnemonic::Jmp | Mnemonic::Call => START.to_le_bytes()[..size].to_vec(),
        Mnemonic::Les | Mnemonic::Lds | Mnemonic::Lss | Mnemonic::Lfs | Mnemonic::Lgs => far(data),
        Mnemonic::Lgdt | Mnemonic::Lidt => [&[0xff, 0x0f], &GDT.to_le_bytes()[..]].concat(),
        Mnemonic::Lldt => selector(selectors::LOCAL_TABLE),
        Mnemonic::Ltr => selector(selectors::OTHER_TASK),
        Mnemonic::Lar | Mnemonic::Lsl | Mnemonic::Verr | Mnemonic::Verw => selector(data),
        Mnemonic::Mov if loads_segment(instruction) => selector(data),
        Mnemonic::Bound => {
            let half = size / 2;
            let (lower, upper) = (1_u64 << (8 * half - 1), u64::MAX >> (65 - 8 * half));
            [&lower.to_le_bytes()[..half], &upper.to_le_bytes()[..half]].concat()
        }
        _ => Vec::new(),
    }
}

/// The bytes on top of the stack, or nothing if any will do.
pub fn stack(machine: &PagedMachine, ring: u8, instruction: &Instruction) -> Vec<u8> {
    let (code, data) = machine.selectors(ring);
    let slots = |width: usize, values: &[u64]| {
        values.iter().flat_map(|value| value.to_le_bytes()[..width].to_vec()).collect()
    };
    let rsp = super::placement::STACK + 0x900;
    let frame = [START, code.into(), 2, rsp, data.into()];
    match instruction.code() {
        Code::Iretw => slots(2, &frame),
        Code::Iretd => slots(4, &frame),
        Code::Iretq => slots(8, &frame),
        Code::Retfw | Code::Retfw_imm16 => slots(2, &frame),
        Code::Retfd | Code::Retfd_imm16 => slots(4, &frame),
        Code::Retfq | Code::Retfq_imm16 => slots(8, &frame),
        Code::Retnd | Code::Retnd_imm16 => slots(4, &frame),
        Code::Retnq | Code::Retnq_imm16 => slots(8, &frame),
        _ if instruction.mnemonic() == Mnemonic::Pop && loads_segment(instruction) => {
            slots(2, &[data.into()])
        }
        _ => Vec::new(),
    }
}

/// An offset of `width` bytes, then a selector.
fn far_pointer(offset: u64, width: usize, selector: u16) -> Vec<u8> {
    [&offset.to_le_bytes()[..width], &selector.to_le_bytes()].concat()
}

fn is_far(instruction: &Instruction) -> bool {
    instruction.is_jmp_far_indirect() || instruction.is_call_far_indirect()
}

fn loads_segment(instruction: &Instruction) -> bool {
    let first = instruction.op0_register();
    first != Register::None && first.is_segment_register()
}
