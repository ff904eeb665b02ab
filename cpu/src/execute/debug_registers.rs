//! Moves to and from debug registers (Intel SDM vol. 3, "Debug Registers").

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::{Exception, Vector};
use crate::exit::{Step, Stop};
use crate::intercepts::Sensitive;
use crate::state::control::Cr4;
use crate::state::debug::{DR6_FIXED, DR7_FIXED, DR7_GENERAL_DETECT, Dr6};
use crate::timing::Operation;
use crate::word::Word;

/// The bits of DR7 that can be written: enables, exact-match enables, general detect, and the
/// conditions and lengths. Bit 10 reads one, the rest zero.
const DR7_WRITABLE: u64 = 0xffff_23ff;

/// MOV r, DRn.
pub(crate) fn read_debug<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let number = existing(cpu, op.source)?;
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::ReadDebug)?;
    detect(cpu)?;
    let value = match cpu.debug.addresses.get(usize::from(number)) {
        Some(address) => *address,
        None if number == 6 => cpu.debug.dr6,
        None => cpu.debug.dr7,
    };
    cpu.registers.write(op.dest, W::truncate(value));
    Ok(())
}

/// MOV DRn, r.
pub(crate) fn write_debug<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let number = existing(cpu, op.dest)?;
    cpu.require_ring_0()?;
    cpu.intercept(Sensitive::WriteDebug)?;
    detect(cpu)?;
    let value = cpu.registers.read::<W>(op.source).zero_extend();
    if let Some(address) = cpu.debug.addresses.get_mut(usize::from(number)) {
        *address = value;
    } else if value >> 32 != 0 {
        return Err(Exception::GENERAL_PROTECTION.into());
    } else if number == 6 {
        cpu.debug.dr6 = value & Dr6::all().bits() | DR6_FIXED;
    } else {
        cpu.debug.dr7 = value & DR7_WRITABLE | DR7_FIXED;
    }
    cpu.mode_changed();
    cpu.charge(Operation::ControlWrite);
    Ok(())
}

/// The register that a number names: 4 and 5 are 6 and 7, unless CR4.DE makes them #UD.
fn existing(cpu: &Cpu, number: u8) -> Result<u8, Stop> {
    match number {
        0..=3 | 6 | 7 => Ok(number),
        4 | 5 if !cpu.control.cr4.contains(Cr4::DE) => Ok(number + 2),
        _ => Err(Exception::INVALID_OPCODE.into()),
    }
}

/// DR7.GD: #DB, as a fault, before the access. Delivery clears GD, so that the handler can use
/// the registers.
fn detect(cpu: &mut Cpu) -> Step {
    if cpu.debug.dr7 & DR7_GENERAL_DETECT == 0 {
        return Ok(());
    }
    cpu.pending_debug |= Dr6::BD;
    Err(Exception::new(Vector::Debug).into())
}
