//! Far JMP, CALL and RET: to code segments and through call gates.

use super::call_gates::CallGate;
use super::descriptor_tables::{Entry, blame};
use super::stack_switches::Target;
use crate::cpu::Cpu;
use crate::decode::op::Op;
use crate::exception::{Exception, Vector};
use crate::exit::{Step, Stop};
use crate::intercepts::Sensitive;
use crate::state::segments::{Segment, SegmentName, Selector, system_type};
use crate::timing::Operation;
use crate::word::Word;

/// What a far pointer names.
enum Destination {
    /// A code segment: the pointer's offset counts.
    Code(Segment),
    /// A call gate: it has an offset of its own.
    Gate(CallGate),
}

impl Cpu {
    /// Looks up what a far JMP or CALL names (SDM vol. 3, "Privilege Level Checking When
    /// Transferring Program Control Between Code Segments").
    fn destination(&mut self, selector: Selector) -> Result<Destination, Stop> {
        if !self.mode().has_descriptors() {
            return Ok(Destination::Code(self.real_mode_code(selector)));
        }
        if selector.is_null() {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        let entry = self.read_descriptor(selector, Vector::GeneralProtection)?;
        let long = self.mode().is_long();
        match entry.system_type() {
            None if entry.attributes().is_code() => self.direct(&entry).map(Destination::Code),
            Some(system_type::CALL_GATE) => self.call_gate(&entry).map(Destination::Gate),
            Some(system_type::CALL_GATE16) if !long => {
                self.call_gate(&entry).map(Destination::Gate)
            }
            Some(system_type::TASK_GATE) if !long => {
                self.require_gate_privilege(&entry)?;
                Err(self.task_switch(entry.descriptor.gate_selector()))
            }
            Some(system_type::TSS | system_type::TSS16) if !long => {
                self.require_privilege(&entry)?;
                Err(self.task_switch(selector))
            }
            _ => Err(entry.fault(Vector::GeneralProtection)),
        }
    }

    /// A code segment that is entered directly: without a change of ring.
    fn direct(&mut self, entry: &Entry) -> Result<Segment, Stop> {
        self.check_code_size(entry)?;
        let attributes = entry.attributes();
        let allowed = if attributes.is_conforming() {
            attributes.dpl() <= self.cpl
        } else {
            attributes.dpl() == self.cpl && entry.selector.rpl() <= self.cpl
        };
        if !allowed {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        entry.require_present()?;
        Ok(self.accessed_segment(entry)?.with_rpl(self.cpl))
    }

    /// Raises #GP unless ring and RPL may use this gate or TSS.
    pub(crate) fn require_privilege(&self, entry: &Entry) -> Step {
        if entry.attributes().dpl() < self.cpl.max(entry.selector.rpl()) {
            return Err(blame(Vector::GeneralProtection, entry.selector));
        }
        Ok(())
    }

    /// The same, and the gate must be present.
    pub(crate) fn require_gate_privilege(&self, entry: &Entry) -> Step {
        self.require_privilege(entry)?;
        entry.require_present()
    }

    fn far_jump<W: Word>(&mut self, selector: Selector, offset: W) -> Step {
        let target = match self.destination(selector)? {
            Destination::Code(code) => Target { code, rip: offset.zero_extend(), ring: self.cpl },
            Destination::Gate(gate) => self.gate_jump_target(&gate)?,
        };
        self.check_code_offset(&target.code, target.rip)?;
        self.transfer(target);
        Ok(())
    }

    fn far_call<W: Word>(&mut self, selector: Selector, offset: W) -> Step {
        let code = match self.destination(selector)? {
            Destination::Code(code) => code,
            Destination::Gate(gate) => return self.call_through(&gate),
        };
        let target = Target { code, rip: offset.zero_extend(), ring: self.cpl };
        self.check_stack_room::<W>(2)?;
        self.check_code_offset(&target.code, target.rip)?;
        let Selector(old_code) = self.segments.get(SegmentName::Cs).selector;
        self.push_frame::<W>(&[old_code.into(), self.rip()])?;
        self.transfer(target);
        Ok(())
    }
}

/// JMP to the far pointer in the instruction.
pub(crate) fn jump_pointer<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::FarJump)?;
    cpu.far_jump(Selector(op.selector), W::truncate(op.immediate))?;
    cpu.charge(Operation::FarTransfer);
    Ok(())
}

/// JMP to the far pointer in memory.
pub(crate) fn jump_memory<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::FarJump)?;
    let (offset, selector) = cpu.load_far_operand::<W>(op)?;
    cpu.far_jump(selector, offset)?;
    cpu.charge(Operation::FarTransfer);
    Ok(())
}

/// CALL of the far pointer in the instruction.
pub(crate) fn call_pointer<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::FarCall)?;
    cpu.far_call(Selector(op.selector), W::truncate(op.immediate))?;
    cpu.charge(Operation::FarTransfer);
    Ok(())
}

/// CALL of the far pointer in memory.
pub(crate) fn call_memory<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::FarCall)?;
    let (offset, selector) = cpu.load_far_operand::<W>(op)?;
    cpu.far_call(selector, offset)?;
    cpu.charge(Operation::FarTransfer);
    Ok(())
}

/// Far RET, which releases `immediate` bytes of parameters.
pub(crate) fn return_far<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    cpu.intercept(Sensitive::FarReturn)?;
    let released = op.immediate & 0xffff;
    let rip = cpu.peek_stack::<W>(0)?.zero_extend();
    let selector = Selector(cpu.peek_stack::<W>(W::BYTES)?.zero_extend() as u16);
    let code = if cpu.mode().has_descriptors() {
        cpu.return_code(selector)?
    } else {
        cpu.real_mode_code(selector)
    };
    if cpu.mode().has_descriptors() && selector.rpl() > cpu.cpl {
        // Parameters lie on both stacks: above CS here, and at the top of the outer one.
        let outer = 2 * W::BYTES + released;
        let pointer = cpu.peek_stack::<W>(outer)?.zero_extend();
        let outer_selector = cpu.peek_stack::<W>(outer + W::BYTES)?.zero_extend() as u16;
        let stack = cpu.return_stack(Selector(outer_selector), &code)?;
        cpu.check_code_offset(&code, rip)?;
        let target = Target { code, rip, ring: selector.rpl() };
        cpu.return_to_stack(target, stack, pointer, released);
    } else {
        cpu.check_code_offset(&code, rip)?;
        // Order matters: the pop goes by the stack size of the code that is left.
        cpu.drop_stack(2 * W::BYTES + released);
        cpu.transfer(Target { code, rip, ring: cpu.cpl });
    }
    cpu.charge(Operation::FarTransfer);
    Ok(())
}
