//! MOV, PUSH, POP and LDS with their kin: segment registers as operands.

use crate::cpu::{Cpu, InterruptShadow};
use crate::decode::op::Op;
use crate::decode::operands::{Dest, Source};
use crate::exception::{Exception, Vector};
use crate::exit::{Step, Stop};
use crate::intercepts::Sensitive;
use crate::state::mode::Mode;
use crate::state::segments::{Attributes, Segment, SegmentName, Selector};
use crate::timing::Operation;
use crate::word::Word;

/// Every segment of virtual-8086 mode: present, DPL 3, writable data.
const VIRTUAL_8086: Attributes = Attributes::DATA.with_dpl(3);

impl Cpu {
    /// Loads a data or stack segment register.
    pub(crate) fn load_segment(&mut self, name: SegmentName, selector: Selector) -> Step {
        let segment = self.data_segment(name, selector)?;
        self.segments.set(name, segment);
        Ok(())
    }

    /// What a data or stack segment register will hold, after all checks.
    fn data_segment(&mut self, name: SegmentName, selector: Selector) -> Result<Segment, Stop> {
        match self.mode() {
            Mode::Real => Ok(self.real_mode_data(name, selector)),
            Mode::Virtual8086 => Ok(Segment::virtual_8086(selector)),
            _ if name == SegmentName::Ss => self.new_stack_segment(selector),
            _ => self.new_data_segment(selector),
        }
    }

    /// Real mode keeps limit and attributes: 4 GiB segments survive the way back from protected
    /// mode.
    fn real_mode_data(&self, name: SegmentName, selector: Selector) -> Segment {
        let old = self.segments.get(name);
        if old.is_usable() {
            Segment::real_mode(selector, old.limit, old.attributes)
        } else {
            Segment::real_mode(selector, 0xffff, Attributes::DATA)
        }
    }

    /// A code segment of real or virtual-8086 mode.
    pub(crate) fn real_mode_code(&self, selector: Selector) -> Segment {
        match self.mode() {
            Mode::Virtual8086 => Segment::virtual_8086(selector),
            // Without protection, code can be written.
            _ => {
                let limit = self.segments.get(SegmentName::Cs).limit;
                Segment::real_mode(selector, limit, Attributes::DATA)
            }
        }
    }

    fn new_stack_segment(&mut self, selector: Selector) -> Result<Segment, Stop> {
        let null_allowed =
            self.mode() == Mode::Long64 && self.cpl < 3 && selector.rpl() == self.cpl;
        if selector.is_null() && null_allowed {
            return Ok(Segment::null(selector));
        }
        self.stack_segment(selector, self.cpl, Vector::GeneralProtection)
    }

    fn new_data_segment(&mut self, selector: Selector) -> Result<Segment, Stop> {
        if selector.is_null() {
            return Ok(Segment::null(selector));
        }
        let entry = self.read_descriptor(selector, Vector::GeneralProtection)?;
        let attributes = entry.attributes();
        let ring = self.cpl.max(selector.rpl());
        let reachable = attributes.is_conforming() || ring <= attributes.dpl();
        if !attributes.is_readable() || !reachable {
            return Err(entry.fault(Vector::GeneralProtection));
        }
        entry.require_present()?;
        self.accessed_segment(&entry)
    }

    /// MOV and POP to SS keep interrupts and debug traps out for one more instruction.
    fn shadow_stack_load(&mut self, name: SegmentName) {
        if name == SegmentName::Ss {
            self.shadow = InterruptShadow::MovSs;
            self.attention = true;
        }
    }
}

impl Segment {
    /// A segment as virtual-8086 mode loads it.
    pub(crate) fn virtual_8086(selector: Selector) -> Self {
        Self::real_mode(selector, 0xffff, VIRTUAL_8086)
    }
}

/// The segment register with this number. There is no sixth and seventh.
fn register(number: u8) -> Result<SegmentName, Stop> {
    let name = SegmentName::ALL.get(usize::from(number)).copied();
    name.ok_or(Exception::INVALID_OPCODE.into())
}

/// A segment register that can be loaded by itself: not CS.
fn loadable(number: u8) -> Result<SegmentName, Stop> {
    match register(number)? {
        SegmentName::Cs => Err(Exception::INVALID_OPCODE.into()),
        name => Ok(name),
    }
}

/// MOV to the segment register `dest`.
pub(crate) fn mov_to_segment<S: Source>(cpu: &mut Cpu, op: &Op) -> Step {
    let name = loadable(op.dest)?;
    cpu.intercept(Sensitive::WriteSegment)?;
    let selector = Selector(S::load(cpu, op)?);
    cpu.load_segment(name, selector)?;
    cpu.shadow_stack_load(name);
    cpu.charge(Operation::SegmentLoad);
    Ok(())
}

/// MOV from the segment register `source`.
pub(crate) fn mov_from_segment<W: Word, D: Dest>(cpu: &mut Cpu, op: &Op) -> Step {
    let name = register(op.source)?;
    cpu.intercept(Sensitive::ReadSegment)?;
    let Selector(selector) = cpu.segments.get(name).selector;
    D::store(cpu, op, W::truncate(selector.into()))
}

/// PUSH of the segment register `source`, zero-extended.
pub(crate) fn push_segment<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let name = register(op.source)?;
    cpu.intercept(Sensitive::ReadSegment)?;
    let Selector(selector) = cpu.segments.get(name).selector;
    cpu.push(W::truncate(selector.into()))
}

/// POP of the segment register `dest`.
pub(crate) fn pop_segment<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let name = loadable(op.dest)?;
    cpu.intercept(Sensitive::WriteSegment)?;
    let value: W = cpu.peek_stack(0)?;
    let segment = cpu.data_segment(name, Selector(value.zero_extend() as u16))?;
    // Order matters: the pop goes by the stack size before POP SS changes it.
    cpu.drop_stack(W::BYTES);
    cpu.segments.set(name, segment);
    cpu.shadow_stack_load(name);
    cpu.charge(Operation::SegmentLoad);
    Ok(())
}

/// LDS, LES, LSS, LFS, LGS: the register `dest` and the segment register `third` from memory.
pub(crate) fn load_far_pointer<W: Word>(cpu: &mut Cpu, op: &Op) -> Step {
    let name = loadable(op.third)?;
    cpu.intercept(Sensitive::WriteSegment)?;
    let (offset, selector) = cpu.load_far_operand::<W>(op)?;
    cpu.load_segment(name, selector)?;
    cpu.registers.write(op.dest, offset);
    cpu.charge(Operation::SegmentLoad);
    Ok(())
}

impl Cpu {
    /// A far pointer in memory: offset, then selector.
    pub(crate) fn load_far_operand<W: Word>(&mut self, op: &Op) -> Result<(W, Selector), Stop> {
        let offset = self.load(op.segment, op.offset(self))?;
        let selector = self.load(op.segment, op.offset_plus(self, W::BYTES))?;
        Ok((offset, Selector(selector)))
    }
}
