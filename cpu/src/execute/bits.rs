//! Bit tests, scans and counts, and the BMI instructions.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exit::{Step, Stop};
use crate::word::Word;

/// What BT's kin do to the bit.
#[derive(Clone, Copy)]
enum Change {
    Nothing,
    Set,
    Reset,
    Complement,
}

/// The operand's new value and the bit's old one.
#[inline(always)]
fn change_bit<W: Word>(value: W, number: u64, change: Change) -> W {
    let mask = 1 << (number & u64::from(W::BITS - 1));
    let value = value.zero_extend();
    W::truncate(match change {
        Change::Nothing => value,
        Change::Set => value | mask,
        Change::Reset => value & !mask,
        Change::Complement => value ^ mask,
    })
}

fn set_carry_to_bit<W: Word>(cpu: &mut Cpu, value: W, number: u64) {
    let bit = value.zero_extend() >> (number & u64::from(W::BITS - 1)) & 1;
    cpu.flags.set_carry(bit != 0);
}

/// A register, or a memory operand with an immediate bit number: the number is taken modulo the
/// width.
#[inline(always)]
fn in_operand<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op, change: Change) -> Step {
    let number = S::load::<W>(cpu, op)?.zero_extend();
    let old = if matches!(change, Change::Nothing) {
        D::load::<W>(cpu, op)?
    } else {
        D::update(cpu, op, |value: W| change_bit(value, number, change))?.0
    };
    set_carry_to_bit(cpu, old, number);
    Ok(())
}

/// A memory operand with the bit number in a register: a signed index into a bit string.
#[inline(always)]
fn in_string<W: Word>(cpu: &mut Cpu, op: &Op, change: Change) -> Step {
    let number = cpu.registers.read::<W>(op.source).sign_extend();
    let word_index = (number as i64 >> W::BITS.trailing_zeros()) as u64;
    let offset = op.offset_plus(cpu, word_index.wrapping_mul(W::BYTES));
    let old: W = if matches!(change, Change::Nothing) {
        cpu.load(op.segment, offset)?
    } else {
        cpu.update(op.segment, offset, |value| change_bit(value, number, change))?.0
    };
    set_carry_to_bit(cpu, old, number);
    Ok(())
}

macro_rules! bit_test {
    ($($(#[$doc:meta])* $name:ident, $string:ident, $change:ident;)*) => { $(
        $(#[$doc])*
        pub(crate) fn $name<W: Word, D: Dest, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
            in_operand::<W, D, S>(cpu, op, Change::$change)
        }

        /// The same in a bit string in memory.
        pub(crate) fn $string<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
            in_string::<W>(cpu, op, Change::$change)
        }
    )* };
}

bit_test! {
    /// BT.
    test, test_in_string, Nothing;
    /// BTS.
    test_and_set, test_and_set_in_string, Set;
    /// BTR.
    test_and_reset, test_and_reset_in_string, Reset;
    /// BTC.
    test_and_complement, test_and_complement_in_string, Complement;
}

/// BSF. Without a one bit the destination stays as it is.
pub(crate) fn scan_forward<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    scan::<W>(cpu, op, value, u64::from(value.trailing_zeros()))
}

/// BSR. Without a one bit the destination stays as it is.
pub(crate) fn scan_reverse<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    scan::<W>(cpu, op, value, u64::from(63_u32.wrapping_sub(value.leading_zeros())))
}

fn scan<W: Word>(cpu: &mut Cpu, op: &Op, value: u64, index: u64) -> Step {
    if value != 0 {
        cpu.registers.write(op.dest, W::truncate(index));
    }
    cpu.flags.set_zero(value == 0);
    Ok(())
}

/// LZCNT.
pub(crate) fn count_leading<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    let zeros = value.leading_zeros() - (64 - W::BITS);
    count::<W>(cpu, op, zeros, value == 0)
}

/// TZCNT.
pub(crate) fn count_trailing<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    count::<W>(cpu, op, value.trailing_zeros().min(W::BITS), value == 0)
}

fn count<W: Word>(cpu: &mut Cpu, op: &Op, zeros: u32, empty: bool) -> Step {
    let result = W::truncate(u64::from(zeros));
    cpu.registers.write(op.dest, result);
    cpu.flags.after_result(result, empty, false);
    Ok(())
}

/// POPCNT.
pub(crate) fn count_ones<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    let result = W::truncate(u64::from(value.count_ones()));
    cpu.registers.write(op.dest, result);
    // Only ZF says something; the other five are cleared.
    cpu.flags.after_logic(W::truncate(u64::from(value != 0)));
    cpu.flags.change(crate::state::flags::Rflags::PF, crate::state::flags::Rflags::empty());
    Ok(())
}

/// Writes a BMI result with its flags; OF is cleared.
fn finish<W: Word>(cpu: &mut Cpu, op: &Op, result: u64, carry: bool) -> Result<(), Stop> {
    let result = W::truncate(result);
    cpu.registers.write(op.dest, result);
    cpu.flags.after_result(result, carry, false);
    Ok(())
}

/// ANDN.
pub(crate) fn and_not<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let b = S::load::<W>(cpu, op)?.zero_extend();
    let a = cpu.registers.read::<W>(op.third).zero_extend();
    finish::<W>(cpu, op, !a & b, false)
}

/// BEXTR: start in bits 7–0 of the control register, length in bits 15–8.
pub(crate) fn extract_field<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    let control = cpu.registers.get(op.third);
    let start = control as u8;
    let length = (control >> 8) as u8;
    let shifted = value.checked_shr(u32::from(start)).unwrap_or(0);
    let mask = 1_u64.checked_shl(u32::from(length)).unwrap_or(0).wrapping_sub(1);
    finish::<W>(cpu, op, shifted & mask, false)
}

/// BLSI.
pub(crate) fn isolate_lowest<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    finish::<W>(cpu, op, value & value.wrapping_neg(), value != 0)
}

/// BLSMSK.
pub(crate) fn mask_to_lowest<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    finish::<W>(cpu, op, value ^ value.wrapping_sub(1), value == 0)
}

/// BLSR.
pub(crate) fn reset_lowest<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    finish::<W>(cpu, op, value & value.wrapping_sub(1), value == 0)
}

/// BZHI.
pub(crate) fn zero_high<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    let index = u32::from(cpu.registers.get(op.third) as u8);
    let mask = 1_u64.checked_shl(index).unwrap_or(0).wrapping_sub(1);
    finish::<W>(cpu, op, value & mask, index >= W::BITS)
}

/// PDEP: no flags.
pub(crate) fn deposit<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let mask = S::load::<W>(cpu, op)?.zero_extend();
    let source = cpu.registers.read::<W>(op.third).zero_extend();
    let mut result = 0;
    for (from, to) in ones(mask).enumerate() {
        result |= (source >> from & 1) << to;
    }
    cpu.registers.write(op.dest, W::truncate(result));
    Ok(())
}

/// PEXT: no flags.
pub(crate) fn extract<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let mask = S::load::<W>(cpu, op)?.zero_extend();
    let source = cpu.registers.read::<W>(op.third).zero_extend();
    let mut result = 0;
    for (to, from) in ones(mask).enumerate() {
        result |= (source >> from & 1) << to;
    }
    cpu.registers.write(op.dest, W::truncate(result));
    Ok(())
}

/// The numbers of the one bits, ascending.
fn ones(mask: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |bit| mask >> bit & 1 != 0)
}

/// CRC-32C, bits reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// CRC32: the destination accumulates; the upper half of a 64-bit one is cleared.
pub(crate) fn checksum<W: Word, S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let value = S::load::<W>(cpu, op)?.zero_extend();
    let mut crc: u32 = cpu.registers.read(op.dest);
    for byte in 0..W::BYTES {
        crc ^= (value >> (8 * byte)) as u32 & 0xff;
        for _ in 0..8 {
            crc = crc >> 1 ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
        }
    }
    cpu.registers.write(op.dest, crc);
    Ok(())
}
