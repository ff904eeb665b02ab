//! x87: there is none. What is left are the ways to say so.

use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::Step;
use crate::state::control::Cr0;

/// Any x87 instruction (opcodes D8 to DF): #NM if an operating system emulates the x87 or has
/// still to switch its state, else #UD.
pub(crate) fn escape(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.control.cr0.intersects(Cr0::EM | Cr0::TS) {
        return Err(Exception::DEVICE_NOT_AVAILABLE.into());
    }
    Err(Exception::INVALID_OPCODE.into())
}

/// WAIT, FWAIT: with MP, it obeys TS.
pub(crate) fn wait(cpu: &mut Cpu, _: &Op) -> Step {
    if cpu.control.cr0.contains(Cr0::MP | Cr0::TS) {
        return Err(Exception::DEVICE_NOT_AVAILABLE.into());
    }
    Ok(())
}
