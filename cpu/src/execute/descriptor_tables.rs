//! The global and the local descriptor table: finding descriptors, and the checks that several
//! families share. Nothing here changes a register.

use crate::cpu::Cpu;
use crate::exception::{Exception, Vector};
use crate::exit::{Step, Stop, Unimplemented};
use crate::memory::paging::is_canonical;
use crate::state::segments::{Attributes, Descriptor, Segment, Selector, system_type};

/// A descriptor and where it was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) selector: Selector,
    pub(crate) descriptor: Descriptor,
    /// Linear address of the descriptor.
    address: u64,
}

impl Entry {
    pub(crate) fn attributes(&self) -> Attributes {
        self.descriptor.attributes()
    }

    /// The type of a system descriptor; `None` for code and data.
    pub(crate) fn system_type(&self) -> Option<u8> {
        let attributes = self.attributes();
        (!attributes.is_code_or_data()).then_some(attributes.kind())
    }

    /// An exception whose error code names the descriptor.
    pub(crate) fn fault(&self, vector: Vector) -> Stop {
        blame(vector, self.selector)
    }

    /// Raises #NP if the present bit is clear.
    pub(crate) fn require_present(&self) -> Step {
        if !self.attributes().is_present() {
            return Err(self.fault(Vector::SegmentNotPresent));
        }
        Ok(())
    }
}

/// An exception whose error code is a selector.
pub(crate) fn blame(vector: Vector, selector: Selector) -> Stop {
    Exception::with_code(vector, selector.error_code()).into()
}

impl Cpu {
    /// The descriptor that a selector names; `None` if it lies outside its table.
    pub(crate) fn find_descriptor(&mut self, selector: Selector) -> Result<Option<Entry>, Stop> {
        let Some(address) = self.descriptor_address(selector, 0) else { return Ok(None) };
        let descriptor = Descriptor(self.read_system(address)?);
        Ok(Some(Entry { selector, descriptor, address }))
    }

    /// The same; outside its table the selector becomes the error code of `vector`.
    pub(crate) fn read_descriptor(
        &mut self,
        selector: Selector,
        vector: Vector,
    ) -> Result<Entry, Stop> {
        self.find_descriptor(selector)?.ok_or_else(|| blame(vector, selector))
    }

    /// Linear address of the 8 bytes that lie `skip` bytes after the start of a descriptor.
    fn descriptor_address(&self, selector: Selector, skip: u64) -> Option<u64> {
        let (base, limit) = if selector.is_local() {
            let table = &self.segments.ldtr;
            if !table.is_usable() {
                return None;
            }
            (table.base, u64::from(table.limit))
        } else {
            (self.segments.gdtr.base, u64::from(self.segments.gdtr.limit))
        };
        let offset = selector.offset() + skip;
        (offset + 7 <= limit).then(|| base.wrapping_add(offset))
    }

    /// The second half of a 16-byte descriptor of long mode. Its type field must be zero.
    pub(crate) fn upper_half(&mut self, entry: &Entry) -> Result<u64, Stop> {
        let address = self
            .descriptor_address(entry.selector, 8)
            .ok_or_else(|| entry.fault(Vector::GeneralProtection))?;
        let upper: u64 = self.read_system(address)?;
        if upper >> 40 & 0x1f != 0 {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        Ok(upper)
    }

    /// What a register holds after it was loaded with a code or data descriptor, whose accessed
    /// bit is set in the table if it was clear.
    pub(crate) fn accessed_segment(&mut self, entry: &Entry) -> Result<Segment, Stop> {
        let Attributes(attributes) = entry.attributes();
        if attributes & Attributes::ACCESSED == 0 {
            self.write_system(
                entry.address.wrapping_add(5),
                attributes as u8 | Attributes::ACCESSED as u8,
            )?;
        }
        let Descriptor(bits) = entry.descriptor;
        Ok(Descriptor(bits | u64::from(Attributes::ACCESSED) << 40).segment(entry.selector))
    }

    /// The hidden part of LDTR or TR. In long mode the base has 64 bits.
    pub(crate) fn system_segment(&mut self, entry: &Entry) -> Result<Segment, Stop> {
        let segment = entry.descriptor.segment(entry.selector);
        if !self.mode().is_long() {
            return Ok(segment);
        }
        let base = segment.base | self.upper_half(entry)? << 32;
        if !is_canonical(base) {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        Ok(segment.with_base(base))
    }

    /// Marks a TSS as busy in its table.
    pub(crate) fn mark_busy(&mut self, entry: &Entry) -> Step {
        self.write_system(entry.address.wrapping_add(5), entry.attributes().0 as u8 | 2)
    }

    /// An available TSS of the global table, or the exception that LTR and task switches raise.
    pub(crate) fn available_tss(&mut self, selector: Selector) -> Result<Entry, Stop> {
        if selector.is_local() {
            return Err(blame(Vector::GeneralProtection, selector));
        }
        let entry = self.read_descriptor(selector, Vector::GeneralProtection)?;
        let available = match entry.system_type() {
            Some(system_type::TSS) => true,
            Some(system_type::TSS16) => !self.mode().is_long(),
            _ => false,
        };
        if !available {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        Ok(entry)
    }

    /// A switch to this task, which ends the run: either its checks fail, or it is reported as
    /// not implemented.
    pub(crate) fn task_switch(&mut self, selector: Selector) -> Stop {
        match self.available_tss(selector).and_then(|tss| tss.require_present()) {
            Ok(()) => Stop::Unimplemented(Unimplemented::TaskSwitch(selector.0)),
            Err(stop) => stop,
        }
    }

    /// A writable data segment for the stack of `ring`. All failures but an absent segment raise
    /// `vector`: #TS if the selector comes from the TSS, else #GP.
    pub(crate) fn stack_segment(
        &mut self,
        selector: Selector,
        ring: u8,
        vector: Vector,
    ) -> Result<Segment, Stop> {
        if selector.is_null() {
            return Err(blame(vector, selector));
        }
        let entry = self.read_descriptor(selector, vector)?;
        let attributes = entry.attributes();
        if selector.rpl() != ring || !attributes.is_writable() || attributes.dpl() != ring {
            return Err(entry.fault(vector));
        }
        if !attributes.is_present() {
            return Err(entry.fault(Vector::StackFault));
        }
        self.accessed_segment(&entry)
    }

    /// Raises #GP(0) unless `offset` is one where code of this segment can run.
    pub(crate) fn check_code_offset(&self, code: &Segment, offset: u64) -> Step {
        let valid = if self.mode().is_long() && code.attributes.is_long() {
            is_canonical(offset)
        } else {
            offset <= u64::from(code.limit)
        };
        if valid { Ok(()) } else { Err(Exception::GENERAL_PROTECTION.into()) }
    }

    /// Raises #GP for a code segment that claims to be 64-bit and 32-bit at once.
    pub(crate) fn check_code_size(&self, entry: &Entry) -> Step {
        let attributes = entry.attributes();
        if self.mode().is_long() && attributes.is_long() && attributes.is_big() {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        Ok(())
    }
}
