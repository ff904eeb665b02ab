//! Exchanges that compare or add. With one CPU, LOCK needs nothing more than that an instruction
//! is not interrupted.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::decode::operands::Dest;
use crate::exception::Exception;
use crate::exit::Step;
use crate::state::registers::{RAX, RBX, RCX, RDX};
use crate::word::Word;

/// CMPXCHG. The destination is written in any case: with its own value if the comparison fails.
pub(crate) fn compare_exchange<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let expected: W = cpu.registers.read(RAX);
    let new: W = cpu.registers.read(op.source);
    let (old, _) = D::update(cpu, op, |old| if old == expected { new } else { old })?;
    let difference = expected.zero_extend().wrapping_sub(old.zero_extend());
    cpu.flags.after_subtract(expected, old, W::truncate(difference));
    if old != expected {
        cpu.registers.write(RAX, old);
    }
    Ok(())
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

/// XADD.
pub(crate) fn exchange_add<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let b: W = cpu.registers.read(op.source);
    let add = |a: W| W::truncate(a.zero_extend().wrapping_add(b.zero_extend()));
    let (a, sum) = D::update(cpu, op, add)?;
    cpu.registers.write(op.source, a);
    // Both operands may be the same register: the sum goes in last. A memory operand, whose
    // address may depend on the source register, has its sum already.
    D::after_source_written(cpu, op, sum);
    cpu.flags.after_add(a, b, sum);
    Ok(())
}
