//! The cases can't hurt the process or the host: checked for the very cases that are run, before they are.

use iced_x86::{Mnemonic, OpKind, Register};
use paravane_host_referee::cases::register_value;
use paravane_host_referee::windows::{RESERVED_END, RESERVED_START};
use paravane_host_referee::{Form, Mode, Scratch, State, forms};

/// The addresses of a form's memory operands, string operands included.
fn addresses(form: &Form, before: &State) -> Vec<u64> {
    let instruction = &form.instruction;
    let registers = [instruction.memory_base(), instruction.memory_index()];
    let mask = match registers.map(Register::size).into_iter().max() {
        Some(2) => 0xffff,
        Some(0) if instruction.memory_displ_size() == 2 => 0xffff,
        Some(4) => 0xffff_ffff,
        _ => form.mode.register_mask(),
    };
    let value = |register: Register, _, _| match register {
        _ if register.is_segment_register() => Some(0),
        _ => Some(register_value(before, register)),
    };
    let is_memory = |operand: &u32| instruction.op_kind(*operand) >= OpKind::MemorySegSI;
    (0..instruction.op_count())
        .filter(is_memory)
        .filter_map(|operand| instruction.virtual_address(operand, 0, value))
        .map(|address| address.wrapping_add_signed(bit_offset(form, before)))
        .map(|address| address & mask)
        .collect()
}

/// How far the register operand of a bit test moves the memory operand.
fn bit_offset(form: &Form, before: &State) -> i64 {
    let instruction = &form.instruction;
    let is_bit_test = matches!(
        instruction.mnemonic(),
        Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
    );
    if !is_bit_test || instruction.op1_kind() != OpKind::Register {
        return 0;
    }
    let register = instruction.op1_register();
    let value = register_value(before, register) as i64;
    let (bits, size) = (register.size() as u32 * 8, register.size() as i64);
    let signed = value << (64 - bits) >> (64 - bits);
    signed.div_euclid(bits.into()) * size
}

#[test]
fn operands_are_in_the_reserved_range_or_where_nothing_can_be_mapped() {
    for mode in Mode::ALL {
        for form in forms(mode) {
            if form.instruction.mnemonic() == Mnemonic::Lea {
                continue;
            }
            for case in form.cases(3, 40) {
                for address in addresses(&form, &case.before) {
                    let reserved = (RESERVED_START..RESERVED_END).contains(&address);
                    let lowest = address < 0x1_0000;
                    let not_canonical = !matches!(address >> 56, 0 | 0xff);
                    assert!(
                        reserved || lowest || not_canonical,
                        "{} at {address:#x} in {mode:?}",
                        form.description()
                    );
                }
            }
        }
    }
}

#[test]
fn locked_operands_stay_inside_a_cache_line() {
    let background = Scratch::background();
    for mode in Mode::ALL {
        for form in forms(mode) {
            let instruction = &form.instruction;
            if !instruction.has_lock_prefix() && instruction.mnemonic() != Mnemonic::Xchg {
                continue;
            }
            let size = instruction.memory_size().size() as u64;
            for case in form.cases(5, 60) {
                for address in addresses(&form, &case.before) {
                    // A page fault comes before the lock.
                    let mapped = background.slice(address, 1).is_some();
                    assert!(
                        !mapped || address % 64 + size <= 64 || !is_locked_in_earnest(&form),
                        "{} at {address:#x} in {mode:?}",
                        form.description()
                    );
                }
            }
        }
    }
}

/// Whether the instruction gets as far as locking the bus, instead of raising an invalid opcode.
fn is_locked_in_earnest(form: &Form) -> bool {
    form.code.op_code().can_use_lock_prefix() || form.instruction.mnemonic() == Mnemonic::Xchg
}
