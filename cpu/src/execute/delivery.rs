//! Delivery of exceptions and interrupts through the interrupt descriptor table.
//!
//! ```text
//!   vector ─► IDT gate ─► code segment ─► ring changes? ─► stack from the TSS ─► frame, handler
//!                                              └─ no ────► current stack ──────┘
//! ```
//!
//! It knows nothing of double faults, CR2, DR6 or the interrupt shadow: the run loop does.

use super::descriptor_tables::{Entry, blame};
use super::stack_switches::{Stack, Target};
use crate::cpu::Cpu;
use crate::exception::{Exception, Vector, selector_code};
use crate::exit::{Step, Stop};
use crate::memory::paging::is_canonical;
use crate::state::flags::Rflags;
use crate::state::mode::Mode;
use crate::state::segments::{Descriptor, Segment, SegmentName, Selector, system_type};

/// What an event was caused by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventSource {
    /// An exception.
    Exception,
    /// INT n, INT3 or INTO: the gate must allow it, and it is the program's own doing.
    Software,
    /// INT1.
    PrivilegedSoftware,
    /// An interrupt from outside, or an NMI.
    External,
}

/// An event to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) vector: u8,
    pub(crate) error_code: Option<u16>,
    pub(crate) source: EventSource,
    /// Where the handler returns to.
    pub(crate) return_rip: u64,
    /// Whether the pushed flags have RF set.
    pub(crate) rf: bool,
}

impl Event {
    /// The bit EXT of the error codes of exceptions during delivery.
    fn external(&self) -> u16 {
        match self.source {
            EventSource::Software => 0,
            _ => selector_code::EXTERNAL,
        }
    }

    /// An exception whose error code names the gate.
    fn fault(&self, vector: Vector) -> Stop {
        let error_code = u16::from(self.vector) << 3 | selector_code::IDT;
        Exception::with_code(vector, error_code).into()
    }

    /// An exception during delivery says so in its error code. A page fault has no such bit.
    fn during_delivery(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Exception(Exception { vector, error_code: Some(code) })
                if vector != Vector::PageFault =>
            {
                Exception::with_code(vector, code | self.external()).into()
            }
            other => other,
        }
    }
}

/// An interrupt or trap gate that may be used.
struct Gate {
    code: Selector,
    offset: u64,
    clears_interrupts: bool,
    /// Entry of the interrupt stack table, or 0.
    stack: u8,
    bits: u32,
}

impl Cpu {
    /// Delivers an event: afterwards the CPU is at the first instruction of the handler.
    ///
    /// On an error nothing has changed but memory below the top of the stack, so it may be tried
    /// again.
    pub(crate) fn deliver(&mut self, event: &Event) -> Step {
        let delivered = match self.mode() {
            Mode::Real => self.deliver_real(event),
            _ => self.deliver_protected(event),
        };
        delivered.map_err(|stop| event.during_delivery(stop))
    }

    /// Through the interrupt vector table: four bytes each, IP and CS.
    fn deliver_real(&mut self, event: &Event) -> Step {
        let offset = u64::from(event.vector) * 4;
        if offset + 3 > u64::from(self.segments.idtr.limit) {
            return Err(event.fault(Vector::GeneralProtection));
        }
        let pointer: u32 = self.read_system(self.segments.idtr.base.wrapping_add(offset))?;
        let Selector(old_code) = self.segments.get(SegmentName::Cs).selector;
        let flags = self.flags_image(event);
        self.check_stack_room::<u16>(3)?;
        self.push_frame::<u16>(&[flags, old_code.into(), event.return_rip])?;

        let code = self.real_mode_code(Selector((pointer >> 16) as u16));
        self.transfer(Target { code, rip: u64::from(pointer & 0xffff), ring: 0 });
        let cleared = Rflags::IF | Rflags::TF | Rflags::AC | Rflags::RF;
        self.flags.set_system(cleared, false);
        self.access_changed();
        Ok(())
    }

    fn deliver_protected(&mut self, event: &Event) -> Step {
        let gate = self.event_gate(event)?;
        let entry = self.handler(&gate)?;
        let ring = self.handler_ring(&entry)?;
        let stack = self.handler_stack(&gate, ring)?;
        let code = self.accessed_segment(&entry)?.with_rpl(ring);
        let target = Target { code, rip: gate.offset, ring };

        let from_virtual_8086 = self.mode() == Mode::Virtual8086;
        let selector = |name| u64::from(self.segments.get(name).selector.0);
        let values = [
            selector(SegmentName::Gs),
            selector(SegmentName::Fs),
            selector(SegmentName::Ds),
            selector(SegmentName::Es),
            selector(SegmentName::Ss),
            self.rsp(),
            self.flags_image(event),
            selector(SegmentName::Cs),
            event.return_rip,
            event.error_code.unwrap_or_default().into(),
        ];
        let start = if from_virtual_8086 {
            0
        } else if ring != self.cpl || gate.bits == 64 {
            4
        } else {
            6
        };
        let end = values.len() - usize::from(event.error_code.is_none());
        let frame = values.get(start..end).unwrap_or_default();
        match gate.bits {
            16 => self.enter::<u16>(target, stack, frame)?,
            32 => self.enter::<u32>(target, stack, frame)?,
            _ => self.enter::<u64>(target, stack, frame)?,
        }

        if from_virtual_8086 {
            for name in [SegmentName::Gs, SegmentName::Fs, SegmentName::Ds, SegmentName::Es] {
                self.segments.set(name, Segment::null(Selector(0)));
            }
        }
        self.flags.set_system(Rflags::TF | Rflags::NT | Rflags::RF | Rflags::VM, false);
        if gate.clears_interrupts {
            self.flags.set_system(Rflags::IF, false);
        }
        self.access_changed();
        Ok(())
    }

    fn flags_image(&self, event: &Event) -> u64 {
        let mut image = self.flags.all();
        // INT n and its kin are complete by now, and that cleared RF.
        let complete =
            matches!(event.source, EventSource::Software | EventSource::PrivilegedSoftware);
        image.set(Rflags::RF, event.rf || image.contains(Rflags::RF) && !complete);
        image.bits()
    }

    /// Reads and checks the gate of an event.
    fn event_gate(&mut self, event: &Event) -> Result<Gate, Stop> {
        let long = self.mode().is_long();
        let size = if long { 16 } else { 8 };
        let offset = u64::from(event.vector) * size;
        if offset + size - 1 > u64::from(self.segments.idtr.limit) {
            return Err(event.fault(Vector::GeneralProtection));
        }
        let address = self.segments.idtr.base.wrapping_add(offset);
        let descriptor = Descriptor(self.read_system(address)?);
        let upper: u64 = if long { self.read_system(address.wrapping_add(8))? } else { 0 };

        let attributes = descriptor.attributes();
        let kind = (!attributes.is_code_or_data()).then_some(attributes.kind());
        let bits = match kind {
            Some(system_type::INTERRUPT_GATE | system_type::TRAP_GATE) if long => 64,
            Some(system_type::INTERRUPT_GATE | system_type::TRAP_GATE) => 32,
            Some(system_type::INTERRUPT_GATE16 | system_type::TRAP_GATE16) if !long => 16,
            Some(system_type::TASK_GATE) if !long => 0,
            _ => return Err(event.fault(Vector::GeneralProtection)),
        };
        if event.source == EventSource::Software && attributes.dpl() < self.cpl {
            return Err(event.fault(Vector::GeneralProtection));
        }
        if !attributes.is_present() {
            return Err(event.fault(Vector::SegmentNotPresent));
        }
        if bits == 0 {
            return Err(self.task_switch(descriptor.gate_selector()));
        }
        let low = descriptor.gate_offset();
        Ok(Gate {
            code: descriptor.gate_selector(),
            offset: if bits == 16 { low & 0xffff } else { low | (upper & 0xffff_ffff) << 32 },
            clears_interrupts: attributes.kind() & 1 == 0,
            stack: if long { (descriptor.0 >> 32) as u8 & 7 } else { 0 },
            bits,
        })
    }

    /// The code segment of a handler.
    fn handler(&mut self, gate: &Gate) -> Result<Entry, Stop> {
        if gate.code.is_null() {
            return Err(blame(Vector::GeneralProtection, gate.code));
        }
        let entry = self.read_descriptor(gate.code, Vector::GeneralProtection)?;
        let attributes = entry.attributes();
        let wrong_size = gate.bits == 64 && (!attributes.is_long() || attributes.is_big());
        if !attributes.is_code() || attributes.dpl() > self.cpl || wrong_size {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        entry.require_present()?;
        Ok(entry)
    }

    /// The ring that a handler runs in. Virtual-8086 mode can only be left for ring 0.
    fn handler_ring(&self, entry: &Entry) -> Result<u8, Stop> {
        let attributes = entry.attributes();
        let ring = if attributes.is_conforming() { self.cpl } else { attributes.dpl() };
        if self.mode() == Mode::Virtual8086 && ring != 0 {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        Ok(ring)
    }

    /// The stack that a handler gets: its ring's, one of the interrupt stack table, or the
    /// current one. In long mode it is aligned to 16 bytes.
    fn handler_stack(&mut self, gate: &Gate, ring: u8) -> Result<Stack, Stop> {
        let changes = ring != self.cpl;
        if gate.bits != 64 {
            let current = Stack { segment: None, pointer: self.rsp() };
            return if changes { self.inner_stack(ring) } else { Ok(current) };
        }
        let segment = changes.then_some(Segment::null(Selector(ring.into())));
        let pointer = match gate.stack {
            0 if changes => self.inner_stack(ring)?.pointer,
            0 => self.rsp(),
            entry => self.interrupt_stack(entry)?,
        };
        if !is_canonical(pointer) {
            return Err(blame(Vector::StackFault, Selector(0)));
        }
        Ok(Stack { segment, pointer: pointer & !15 })
    }
}
