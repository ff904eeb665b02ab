//! What the architecture leaves undefined after an instruction, and so isn't compared.
//!
//! iced's `rflags_undefined` is the base. It knows an instruction but not its operands, so here are the exceptions that
//! depend on a shift count or on a zero source. Source: Intel SDM volume 2, "Flags Affected" of each instruction.

use iced_x86::{Code, Instruction, Mnemonic, OpKind, RflagsBits};

use crate::cases::register_value;
use crate::forms::Form;
use crate::state::{Mode, RSP, State, flags};

/// What not to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undefined {
    /// Bits of RFLAGS.
    pub flags: u64,
    /// A general-purpose register and the bits of it.
    pub register: Option<(usize, u64)>,
    /// Bytes of memory, as address and length.
    pub memory: Option<(u64, usize)>,
    /// RCX, RSI and RDI above bit 31, if nothing is done: some processors clear them even then.
    pub idle_string_registers: bool,
    /// The same, if a REP with 32-bit addresses faults (perhaps in the first iteration).
    pub faulting_string_registers: bool,
    /// All memory, if the instruction faults: it stores several times, in an order of the processor's choice.
    pub memory_after_fault: bool,
    /// All registers, if the instruction faults: POPA may have loaded some of them already.
    pub registers_after_fault: bool,
}

impl Undefined {
    /// What's undefined when `form` runs from `before`.
    ///
    /// `source_is_zero` says whether the source operand of a bit scan is 0 (it may be in memory).
    pub fn of(form: &Form, before: &State, source_is_zero: bool) -> Undefined {
        use Mnemonic as M;
        let instruction = &form.instruction;
        let mut undefined = Undefined { flags: flags_by_iced(instruction), ..Undefined::default() };
        match instruction.mnemonic() {
            M::Rol | M::Ror | M::Rcl | M::Rcr => {
                undefined.flags = if masked_count(form, before) > 1 { flags::OF } else { 0 };
            }
            M::Shl | M::Sal | M::Shr | M::Sar => undefined.flags = after_shift(form, before),
            M::Shld | M::Shrd => undefined.add_double_shift(form, before),
            M::Bsf | M::Bsr
                if source_is_zero
                    && form.mode == Mode::Long64
                    && instruction.op0_register().size() == 4 =>
            {
                // The destination is left alone, but older processors clear the upper half with a 32-bit operand.
                undefined.register = Some((instruction.op0_register().number(), !0 << 32));
            }
            M::Bswap if instruction.op0_register().size() == 2 => {
                undefined.register = Some((instruction.op0_register().number(), 0xffff));
            }
            M::Enter | M::Pusha | M::Pushad => undefined.memory_after_fault = true,
            M::Popa | M::Popad => undefined.registers_after_fault = true,
            M::Push
                if instruction.op0_kind() == OpKind::Register
                    && instruction.op0_register().is_segment_register() =>
            {
                // Some processors write 16 bits and leave the rest of the slot alone.
                let size = instruction.stack_pointer_increment().unsigned_abs() as u64;
                let slot = before.gpr[RSP].wrapping_sub(size) & form.mode.register_mask();
                undefined.memory = Some((slot.wrapping_add(2), size.saturating_sub(2) as usize));
            }
            _ => {}
        }
        if repeats_with_32_bit_addresses(form) {
            undefined.idle_string_registers = before.gpr[1] as u32 == 0;
            undefined.faulting_string_registers = true;
        }
        undefined
    }

    fn add_double_shift(&mut self, form: &Form, before: &State) {
        let instruction = &form.instruction;
        let count = masked_count(form, before);
        self.flags = match count {
            0 => 0,
            1 => flags::AF,
            _ => flags::AF | flags::OF,
        };
        if count > width(form) {
            // The destination, too.
            self.flags = flags::ARITHMETIC;
            if instruction.op0_kind() == OpKind::Register {
                self.register = Some((instruction.op0_register().number(), 0xffff));
            } else {
                self.memory = instruction
                    .virtual_address(0, 0, |register, _, _| {
                        Some(if register.is_segment_register() {
                            0
                        } else {
                            register_value(before, register)
                        })
                    })
                    .map(|address| (address, 2));
            }
        }
    }
}

/// The bits of RFLAGS that iced calls undefined.
fn flags_by_iced(instruction: &Instruction) -> u64 {
    let undefined = instruction.rflags_undefined();
    [
        (RflagsBits::OF, flags::OF),
        (RflagsBits::SF, flags::SF),
        (RflagsBits::ZF, flags::ZF),
        (RflagsBits::AF, flags::AF),
        (RflagsBits::CF, flags::CF),
        (RflagsBits::PF, flags::PF),
    ]
    .iter()
    .filter(|(theirs, _)| undefined & theirs != 0)
    .fold(0, |all, (_, ours)| all | ours)
}

fn after_shift(form: &Form, before: &State) -> u64 {
    let count = masked_count(form, before);
    let arithmetic_right = form.code.mnemonic() == Mnemonic::Sar;
    let carry = if count >= width(form) && !arithmetic_right { flags::CF } else { 0 };
    match count {
        0 => 0,
        1 => flags::AF,
        _ => flags::AF | flags::OF | carry,
    }
}

/// The operand size in bits.
fn width(form: &Form) -> u64 {
    let instruction = &form.instruction;
    8 * match instruction.op0_kind() {
        OpKind::Register => instruction.op0_register().size() as u64,
        _ => instruction.memory_size().size() as u64,
    }
}

/// The count of a shift or rotate, as far as the processor looks at it.
fn masked_count(form: &Form, before: &State) -> u64 {
    let instruction = &form.instruction;
    let last = instruction.op_count().saturating_sub(1);
    let count = match instruction.op_kind(last) {
        OpKind::Register => before.gpr[1] & 0xff,
        _ => u64::from(instruction.immediate8()),
    };
    count & if width(form) == 64 { 63 } else { 31 }
}

/// Whether REP counts in ECX and leaves the upper halves of the registers open in 64-bit mode.
fn repeats_with_32_bit_addresses(form: &Form) -> bool {
    let instruction = &form.instruction;
    let narrow = instruction
        .op_kinds()
        .any(|kind| matches!(kind, OpKind::MemorySegESI | OpKind::MemoryESEDI));
    let repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    form.mode == Mode::Long64 && narrow && repeated
}

/// Whether a code is a bit scan, whose result depends on the source being zero.
pub fn is_bit_scan(code: Code) -> bool {
    matches!(code.mnemonic(), Mnemonic::Bsf | Mnemonic::Bsr)
}
