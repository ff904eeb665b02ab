//! Call gates: the door through which a far CALL may enter an inner ring.

use super::descriptor_tables::Entry;
use super::stack_switches::{Stack, Target};
use crate::cpu::Cpu;
use crate::exception::{Exception, Vector};
use crate::exit::{Step, Stop};
use crate::state::segments::{SegmentName, Selector, system_type};
use crate::word::Word;

/// The size of what a gate pushes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Bits16,
    Bits32,
    Bits64,
}

/// A call gate that may be used from here.
pub(crate) struct CallGate {
    code: Selector,
    offset: u64,
    /// Stack slots to copy to an inner ring's stack.
    parameters: u64,
    width: Width,
}

impl Cpu {
    /// Reads a call gate. In long mode it has 16 bytes, and no parameters.
    pub(crate) fn call_gate(&mut self, entry: &Entry) -> Result<CallGate, Stop> {
        self.require_privilege(entry)?;
        let descriptor = entry.descriptor;
        let low = descriptor.gate_offset();
        let (width, offset) = if self.mode().is_long() {
            (Width::Bits64, low | self.upper_half(entry)? << 32)
        } else if entry.system_type() == Some(system_type::CALL_GATE16) {
            (Width::Bits16, low & 0xffff)
        } else {
            (Width::Bits32, low)
        };
        entry.require_present()?;
        let parameters = if width == Width::Bits64 { 0 } else { descriptor.0 >> 32 & 31 };
        Ok(CallGate { code: descriptor.gate_selector(), offset, parameters, width })
    }

    /// The code segment of a gate: not less privileged than here.
    fn gate_code(&mut self, gate: &CallGate) -> Result<Entry, Stop> {
        if gate.code.is_null() {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        let entry = self.read_descriptor(gate.code, Vector::GeneralProtection)?;
        let attributes = entry.attributes();
        if !attributes.is_code() || attributes.dpl() > self.cpl {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        if self.mode().is_long() && (!attributes.is_long() || attributes.is_big()) {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        Ok(entry)
    }

    /// JMP through a gate can't change the ring.
    pub(crate) fn gate_jump_target(&mut self, gate: &CallGate) -> Result<Target, Stop> {
        let entry = self.gate_code(gate)?;
        let attributes = entry.attributes();
        if !attributes.is_conforming() && attributes.dpl() != self.cpl {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        self.gate_target(gate, &entry, self.cpl)
    }

    fn gate_target(&mut self, gate: &CallGate, entry: &Entry, ring: u8) -> Result<Target, Stop> {
        entry.require_present()?;
        let code = self.accessed_segment(entry)?.with_rpl(ring);
        Ok(Target { code, rip: gate.offset, ring })
    }

    /// CALL through a gate.
    pub(crate) fn call_through(&mut self, gate: &CallGate) -> Step {
        let entry = self.gate_code(gate)?;
        let attributes = entry.attributes();
        let ring = if attributes.is_conforming() { self.cpl } else { attributes.dpl() };
        let target = self.gate_target(gate, &entry, ring)?;
        match gate.width {
            Width::Bits16 => self.call_target::<u16>(target, gate.parameters),
            Width::Bits32 => self.call_target::<u32>(target, gate.parameters),
            Width::Bits64 => self.call_target::<u64>(target, gate.parameters),
        }
    }

    fn call_target<W: Word>(&mut self, target: Target, parameters: u64) -> Step {
        let selector = |name| u64::from(self.segments.get(name).selector.0);
        let (code, stack) = (selector(SegmentName::Cs), selector(SegmentName::Ss));
        let (rip, rsp) = (self.rip(), self.rsp());
        if target.ring == self.cpl {
            let same = Stack { segment: None, pointer: rsp };
            return self.enter::<W>(target, same, &[code, rip]);
        }
        let inner = self.inner_stack(target.ring)?;
        let mut frame = vec![stack, rsp];
        for slot in (0..parameters).rev() {
            frame.push(self.peek_stack::<W>(slot * W::BYTES)?.zero_extend());
        }
        frame.extend([code, rip]);
        self.enter::<W>(target, inner, &frame)
    }
}
