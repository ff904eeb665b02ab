//! A decoded instruction, ready to execute.

use crate::cpu::Cpu;
use crate::exit::Step;
use crate::state::registers::ZERO;
use crate::state::segments::SegmentName;

/// The function that executes one instruction in one operand form.
///
/// When it is called, RIP already points to the next instruction. If it returns an error, it has
/// changed nothing visible (a repeated string instruction: nothing but whole iterations), and the
/// run loop puts RIP back.
pub(crate) type Handler = fn(&mut Cpu, &Op) -> Step;

/// The repeat prefix of a string instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// None: once.
    Never,
    /// REP and REPE.
    WhileEqual,
    /// REPNE.
    WhileNotEqual,
}

/// One decoded instruction: which function, and its operands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) handler: Handler,
    /// The immediate, sign-extended to 64 bits as the instruction wants it. Of a near branch: the
    /// displacement from the next instruction. Of a far pointer: its offset.
    pub(crate) immediate: u64,
    /// Of a memory operand: displacement, sign-extended; RIP-relative ones are relative to the
    /// next instruction.
    pub(crate) displacement: u64,
    /// The bits of an effective address: 16, 32 or 64 ones.
    pub(crate) address_mask: u64,
    /// Register that is the first operand.
    pub(crate) dest: u8,
    /// Register that is the second operand.
    pub(crate) source: u8,
    /// Register that is the third operand; or the second immediate (ENTER, far pointer's
    /// selector is in `selector`).
    pub(crate) third: u8,
    /// Base register of the memory operand, or [`ZERO`].
    pub(crate) base: u8,
    /// Index register of the memory operand, or [`ZERO`].
    pub(crate) index: u8,
    /// log2 of the scale: 0 to 3.
    pub(crate) scale: u8,
    /// Segment of the memory operand, or of the source of a string instruction.
    pub(crate) segment: SegmentName,
    /// Length in bytes, 1 to 15.
    pub(crate) length: u8,
    /// Repeat prefix.
    pub(crate) repeat: Repeat,
    /// Of a far pointer: its selector.
    pub(crate) selector: u16,
}

impl Op {
    /// An operation without operands.
    pub(crate) const fn new(handler: Handler, length: u8) -> Self {
        Self {
            handler,
            immediate: 0,
            displacement: 0,
            address_mask: u64::MAX,
            dest: 0,
            source: 0,
            third: 0,
            base: ZERO,
            index: ZERO,
            scale: 0,
            segment: SegmentName::Ds,
            length,
            repeat: Repeat::Never,
            selector: 0,
        }
    }

    /// The effective address of the memory operand: an offset in its segment.
    #[inline(always)]
    pub(crate) fn offset(&self, cpu: &Cpu) -> u64 {
        let base = cpu.registers.get(self.base);
        let index = cpu.registers.get(self.index) << (self.scale & 3);
        base.wrapping_add(index).wrapping_add(self.displacement) & self.address_mask
    }

    /// Offset of what lies `bytes` after the start of the memory operand.
    pub(crate) fn offset_plus(&self, cpu: &Cpu, bytes: u64) -> u64 {
        self.offset(cpu).wrapping_add(bytes) & self.address_mask
    }
}
