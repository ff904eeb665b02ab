//! Instructions on RFLAGS itself.

use crate::cpu::{Cpu, InterruptShadow};
use crate::decode::op::Op;
use crate::exception::Exception;
use crate::exit::Step;
use crate::intercepts::Sensitive;
use crate::state::flags::Rflags;
use crate::state::registers::{HIGH_BYTE, RAX};
use crate::word::Word;

const AH: u8 = RAX | HIGH_BYTE;

impl Cpu {
    /// Whether the ring may use the instructions that IOPL guards. Ring 3 of virtual-8086 mode
    /// needs IOPL 3, too.
    fn has_io_privilege(&self) -> bool {
        self.cpl <= self.flags.io_privilege_level()
    }

    /// Raises #GP(0) for PUSHF and POPF in virtual-8086 mode with an IOPL below 3.
    fn require_flags_access(&self) -> Step {
        if self.flags.system().contains(Rflags::VM) && !self.has_io_privilege() {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        Ok(())
    }

    /// Raises #GP(0) for CLI and STI at a ring above IOPL: there are no virtual interrupts.
    fn require_io_privilege(&self) -> Step {
        if !self.has_io_privilege() {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        Ok(())
    }
}

/// PUSHF, PUSHFD, PUSHFQ. The image shows neither RF nor VM.
pub(crate) fn pushf<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_flags_access()?;
    cpu.intercept(Sensitive::Pushf)?;
    let image = cpu.flags.all() - (Rflags::RF | Rflags::VM);
    cpu.push(W::truncate(image.bits()))
}

/// POPF, POPFD, POPFQ (Intel SDM vol. 2, "POPF", table of effects). Flags that the ring may not
/// change keep their value: silently, which is what Popek and Goldberg complain about.
pub(crate) fn popf<W: Word>(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_flags_access()?;
    cpu.intercept(Sensitive::Popf)?;
    let image = cpu.peek_stack::<W>(0)?;
    cpu.drop_stack(W::BYTES);

    let mut changeable =
        Rflags::ARITHMETIC | Rflags::TF | Rflags::DF | Rflags::NT | Rflags::AC | Rflags::ID;
    if cpu.cpl == 0 {
        changeable |= Rflags::IOPL;
    }
    changeable.set(Rflags::IF, cpu.has_io_privilege());
    let before = cpu.flags.system();
    let in_operand = Rflags::from_bits_retain(W::MASK);
    cpu.flags.change(changeable & in_operand, Rflags::from_bits_retain(image.zero_extend()));
    if W::BITS > 16 {
        cpu.flags.set_system(Rflags::RF, false);
    }

    let changed = before ^ cpu.flags.system();
    if changed.contains(Rflags::AC) {
        cpu.access_changed();
    }
    if changed.intersects(Rflags::TF | Rflags::IF | Rflags::RF) {
        cpu.attention = true;
    }
    Ok(())
}

/// CLI.
pub(crate) fn cli(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_io_privilege()?;
    cpu.intercept(Sensitive::Cli)?;
    cpu.flags.set_system(Rflags::IF, false);
    Ok(())
}

/// STI. Interrupts that it enables wait for one more instruction.
pub(crate) fn sti(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.require_io_privilege()?;
    cpu.intercept(Sensitive::Sti)?;
    if !cpu.interrupts_enabled() {
        cpu.flags.set_system(Rflags::IF, true);
        cpu.shadow = InterruptShadow::Sti;
        cpu.attention = true;
    }
    Ok(())
}

/// CLC.
pub(crate) fn clc(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.flags.set_carry(false);
    Ok(())
}

/// STC.
pub(crate) fn stc(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.flags.set_carry(true);
    Ok(())
}

/// CMC.
pub(crate) fn cmc(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.flags.set_carry(!cpu.flags.carry());
    Ok(())
}

/// CLD.
pub(crate) fn cld(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.flags.set_system(Rflags::DF, false);
    Ok(())
}

/// STD.
pub(crate) fn std(cpu: &mut Cpu, _: &Op) -> Step {
    cpu.flags.set_system(Rflags::DF, true);
    Ok(())
}

/// LAHF.
pub(crate) fn lahf(cpu: &mut Cpu, _: &Op) -> Step {
    let low = cpu.flags.bits() as u8;
    cpu.registers.write(AH, low);
    Ok(())
}

/// SAHF. OF stays.
pub(crate) fn sahf(cpu: &mut Cpu, _: &Op) -> Step {
    let image = Rflags::from_bits_retain(u64::from(cpu.registers.read::<u8>(AH)));
    cpu.flags.change(Rflags::ARITHMETIC - Rflags::OF, image);
    Ok(())
}
