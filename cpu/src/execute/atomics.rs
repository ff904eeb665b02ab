//! Exchanges that compare or add. With one CPU, LOCK needs nothing more than that an instruction
//! is not interrupted.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::Step;
use crate::state::registers::{RAX, RBX, RCX, RDX};
use crate::word::Word;

/// CMPXCHG with memory, which is written in any case: with its own value if the comparison fails.
pub(crate) fn compare_exchange_memory<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let expected: W = cpu.registers.read(RAX);
    let new: W = cpu.registers.read(op.source);
    let offset = op.offset(cpu);
    let (old, _) = cpu.update(op.segment, offset, |old| if old == expected { new } else { old })?;
    finish_compare(cpu, expected, old);
    Ok(())
}

/// CMPXCHG with a register. If the comparison fails, not even its upper half changes.
pub(crate) fn compare_exchange_register<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let expected: W = cpu.registers.read(RAX);
    let old: W = cpu.registers.read(op.dest);
    if old == expected {
        let new: W = cpu.registers.read(op.source);
        cpu.registers.write(op.dest, new);
    }
    finish_compare(cpu, expected, old);
    Ok(())
}

fn finish_compare<W: Word>(cpu: &mut Cpu, expected: W, old: W) {
    let difference = expected.zero_extend().wrapping_sub(old.zero_extend());
    cpu.flags.after_subtract(expected, old, W::truncate(difference));
    if old != expected {
        cpu.registers.write(RAX, old);
    }
}

/// CMPXCHG8B.
pub(crate) fn compare_exchange_8_bytes(cpu: &mut Cpu, op: &Op) -> Step {
    let pair = |cpu: &Cpu, high, low| {
        let (high, low): (u32, u32) = (cpu.registers.read(high), cpu.registers.read(low));
        u64::from(high) << 32 | u64::from(low)
    };
    let expected = pair(cpu, RDX, RAX);
    let new = pair(cpu, RCX, RBX);
    let offset = op.offset(cpu);
    let (old, _) =
        cpu.update(op.segment, offset, |old: u64| if old == expected { new } else { old })?;
    cpu.flags.set_zero(old == expected);
    if old != expected {
        cpu.registers.write(RAX, old as u32);
        cpu.registers.write(RDX, (old >> 32) as u32);
    }
    Ok(())
}

/// CMPXCHG16B: #GP(0) unless aligned.
pub(crate) fn compare_exchange_16_bytes(cpu: &mut Cpu, op: &Op) -> Step {
    let offset = op.offset(cpu);
    let high_offset = op.offset_plus(cpu, 8);
    let linear = cpu.linear::<u64>(op.segment, offset, true)?;
    if linear & 15 != 0 {
        return Err(Exception::GENERAL_PROTECTION.into());
    }
    cpu.probe_write::<u64>(op.segment, offset)?;
    cpu.probe_write::<u64>(op.segment, high_offset)?;
    let low: u64 = cpu.load(op.segment, offset)?;
    let high: u64 = cpu.load(op.segment, high_offset)?;
    let equal = low == cpu.registers.get(RAX) && high == cpu.registers.get(RDX);
    let (new_low, new_high) =
        if equal { (cpu.registers.get(RBX), cpu.registers.get(RCX)) } else { (low, high) };
    cpu.store(op.segment, offset, new_low)?;
    cpu.store(op.segment, high_offset, new_high)?;
    cpu.flags.set_zero(equal);
    if !equal {
        cpu.registers.set(RAX, low);
        cpu.registers.set(RDX, high);
    }
    Ok(())
}

fn sum<W: Word>(a: W, b: W) -> W {
    W::truncate(a.zero_extend().wrapping_add(b.zero_extend()))
}

/// XADD with memory.
pub(crate) fn exchange_add_memory<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let b: W = cpu.registers.read(op.source);
    let offset = op.offset(cpu);
    let (a, total) = cpu.update(op.segment, offset, |a| sum(a, b))?;
    cpu.registers.write(op.source, a);
    cpu.flags.after_add(a, b, total);
    Ok(())
}

/// XADD with a register. If it is the source register, too, that ends up with the sum.
pub(crate) fn exchange_add_register<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let a: W = cpu.registers.read(op.dest);
    let b: W = cpu.registers.read(op.source);
    let total = sum(a, b);
    cpu.registers.write(op.source, a);
    cpu.registers.write(op.dest, total);
    cpu.flags.after_add(a, b, total);
    Ok(())
}
