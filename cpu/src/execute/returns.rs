//! What far RET and IRET share: where they may go back to.

use super::stack_switches::Target;
use crate::cpu::Cpu;
use crate::exception::{Exception, Vector};
use crate::exit::Stop;
use crate::state::segments::{Segment, SegmentName, Selector};

impl Cpu {
    /// The code segment to return to: in this ring or an outer one.
    pub(crate) fn return_code(&mut self, selector: Selector) -> Result<Segment, Stop> {
        if selector.is_null() {
            return Err(Exception::GENERAL_PROTECTION.into());
        }
        let entry = self.read_descriptor(selector, Vector::GeneralProtection)?;
        let attributes = entry.attributes();
        if !attributes.is_code() {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        self.check_code_size(&entry)?;
        let ring = selector.rpl();
        let suits = if attributes.is_conforming() {
            attributes.dpl() <= ring
        } else {
            attributes.dpl() == ring
        };
        if ring < self.cpl || !suits {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        entry.require_present()?;
        self.accessed_segment(&entry)
    }

    /// The stack segment that belongs to the code that is returned to.
    pub(crate) fn return_stack(
        &mut self,
        selector: Selector,
        code: &Segment,
    ) -> Result<Segment, Stop> {
        let ring = code.selector.rpl();
        let long = self.mode().is_long() && code.attributes.is_long();
        if selector.is_null() && long && ring < 3 && selector.rpl() == ring {
            return Ok(Segment::null(selector));
        }
        self.stack_segment(selector, ring, Vector::GeneralProtection)
    }

    /// Returns to another stack, leaving `released` bytes of it, and perhaps to an outer ring.
    pub(crate) fn return_to_stack(
        &mut self,
        target: Target,
        stack: Segment,
        pointer: u64,
        released: u64,
    ) {
        let outer = target.ring > self.cpl;
        self.transfer(target);
        self.segments.set(SegmentName::Ss, stack);
        // A 16-bit stack takes only the low half, and the rest of ESP shows through.
        self.set_stack_pointer(pointer);
        self.drop_stack(released);
        if outer {
            self.drop_inner_segments();
        }
    }

    /// Segments that the outer ring may not have become null. A null selector loses its
    /// privilege level. Bases stay: in 64-bit mode FS and GS work without a descriptor.
    fn drop_inner_segments(&mut self) {
        for name in [SegmentName::Es, SegmentName::Fs, SegmentName::Gs, SegmentName::Ds] {
            let segment = *self.segments.get(name);
            let attributes = segment.attributes;
            let inner = attributes.dpl() < self.cpl && !attributes.is_conforming();
            if segment.selector.is_null() || inner {
                let null = Segment::null(Selector(0)).with_base(segment.base);
                self.segments.set(name, null);
            }
        }
    }
}
