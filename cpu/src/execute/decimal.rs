//! Decimal adjustment: 16- and 32-bit code only.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::Step;
use crate::state::flags::Rflags;
use crate::state::registers::{HIGH_BYTE, RAX};

const AL: u8 = RAX;
const AH: u8 = RAX | HIGH_BYTE;

fn needs_adjustment(cpu: &Cpu, al: u8) -> bool {
    al & 15 > 9 || cpu.flags.auxiliary()
}

/// Sets SF, ZF and PF from `al`, and AF and CF.
fn set_flags(cpu: &mut Cpu, al: u8, auxiliary: bool, carry: bool) {
    cpu.flags.after_result(al, carry, false);
    let value = if auxiliary { Rflags::AF } else { Rflags::empty() };
    cpu.flags.change(Rflags::AF, value);
}

/// DAA.
pub(crate) fn adjust_after_add(cpu: &mut Cpu, _: &Op) -> Step {
    packed(cpu, u8::wrapping_add);
    Ok(())
}

/// DAS.
pub(crate) fn adjust_after_subtract(cpu: &mut Cpu, _: &Op) -> Step {
    let al: u8 = cpu.registers.read(AL);
    // A borrow of the low correction also sets CF, but only here (SDM vol. 2, "DAS").
    let borrow = needs_adjustment(cpu, al) && al < 6;
    packed(cpu, u8::wrapping_sub);
    if borrow {
        cpu.flags.set_carry(true);
    }
    Ok(())
}

fn packed(cpu: &mut Cpu, correct: fn(u8, u8) -> u8) {
    let before: u8 = cpu.registers.read(AL);
    let mut al = before;
    let low = needs_adjustment(cpu, al);
    if low {
        al = correct(al, 6);
    }
    let high = before > 0x99 || cpu.flags.carry();
    if high {
        al = correct(al, 0x60);
    }
    cpu.registers.write(AL, al);
    set_flags(cpu, al, low, high);
}

/// AAA.
pub(crate) fn ascii_adjust_after_add(cpu: &mut Cpu, _: &Op) -> Step {
    unpacked(cpu, |ax| ax.wrapping_add(0x106))
}

/// AAS.
pub(crate) fn ascii_adjust_after_subtract(cpu: &mut Cpu, _: &Op) -> Step {
    unpacked(cpu, |ax| ax.wrapping_sub(0x106))
}

fn unpacked(cpu: &mut Cpu, correct: fn(u16) -> u16) -> Step {
    let ax: u16 = cpu.registers.read(RAX);
    let adjust = needs_adjustment(cpu, ax as u8);
    let ax = if adjust { correct(ax) } else { ax } & 0xff0f;
    cpu.registers.write(RAX, ax);
    set_flags(cpu, ax as u8, adjust, adjust);
    Ok(())
}

/// AAM: #DE with a base of zero.
pub(crate) fn ascii_adjust_after_multiply(cpu: &mut Cpu, op: &Op) -> Step {
    let al: u8 = cpu.registers.read(AL);
    let base = op.immediate as u8;
    let (Some(high), Some(low)) = (al.checked_div(base), al.checked_rem(base)) else {
        return Err(Exception::DIVIDE_ERROR.into());
    };
    cpu.registers.write(AH, high);
    cpu.registers.write(AL, low);
    set_flags(cpu, low, false, false);
    Ok(())
}

/// AAD.
pub(crate) fn ascii_adjust_before_divide(cpu: &mut Cpu, op: &Op) -> Step {
    let low: u8 = cpu.registers.read(AL);
    let high: u8 = cpu.registers.read(AH);
    let al = low.wrapping_add(high.wrapping_mul(op.immediate as u8));
    cpu.registers.write(RAX, u16::from(al));
    set_flags(cpu, al, false, false);
    Ok(())
}

/// SALC, undocumented: AL becomes 0xff if CF, else 0.
pub(crate) fn set_al_from_carry(cpu: &mut Cpu, _: &Op) -> Step {
    let al: u8 = if cpu.flags.carry() { 0xff } else { 0 };
    cpu.registers.write(AL, al);
    Ok(())
}
