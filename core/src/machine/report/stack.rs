//! Who called whom, read from the stack. The guest may have left anything there.

use paravane_cpu::Cpu;
use paravane_cpu::state::mode::CodeSize;
use paravane_cpu::state::registers::RBP;
use paravane_cpu::state::segments::SegmentName;

use crate::disassembly::{MAX_INSTRUCTION_LENGTH, ends_with_call};
use crate::guest_image::GuestImage;
use crate::places::{Place, is_code};
use crate::workbench::GuestView;

/// How many words from the top are looked at.
const WORDS: usize = 512;
/// How many return addresses are kept.
const KEPT: usize = 24;

/// What the stack tells of the callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Linear address of its top.
    pub top: u64,
    /// Whether there is memory.
    pub mapped: bool,
    /// Words that point into the guest's code, from the top.
    pub words: Vec<ReturnAddress>,
    /// Return addresses of the chain of frame pointers that starts in RBP, if it is one.
    pub frames: Vec<ReturnAddress>,
}

/// A word of the stack that may be a return address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnAddress {
    /// Bytes above the top of the stack.
    pub above_top: u64,
    /// Where it points.
    pub place: Place,
    /// Whether a call instruction ends there.
    pub after_call: bool,
}

/// The stack as words.
struct Reader<'a> {
    guest: GuestView<'a>,
    image: &'a GuestImage,
    top: u64,
    word: usize,
}

impl Stack {
    /// Reads the stack of a stopped CPU.
    pub fn of(guest: GuestView<'_>, image: &GuestImage) -> Self {
        let cpu = guest.cpu;
        let big = cpu.segments.get(SegmentName::Ss).attributes.is_big();
        let (word, mask) = match cpu.code_size() {
            CodeSize::Bits64 => (8, u64::MAX),
            _ if big => (4, 0xffff_ffff),
            _ => (2, 0xffff),
        };
        let top = linear_address(cpu, cpu.rsp() & mask);
        let frame = linear_address(cpu, cpu.registers.get(RBP) & mask);
        let reader = Reader { guest, image, top, word };
        Self {
            top,
            mapped: reader.read(top).is_some(),
            words: reader.words(),
            frames: reader.frames(frame),
        }
    }
}

impl Reader<'_> {
    fn words(&self) -> Vec<ReturnAddress> {
        let bytes = self.guest.peek(self.top, WORDS * self.word);
        let words = (0..).step_by(self.word).zip(bytes.chunks_exact(self.word));
        words.filter_map(|(at, bytes)| self.return_address(at, number(bytes))).take(KEPT).collect()
    }

    /// ```text
    ///   RBP ─► │ RBP of the caller │ ─► │ RBP of its caller │ ─► …
    ///          │ return address    │    │ return address    │
    /// ```
    fn frames(&self, first: u64) -> Vec<ReturnAddress> {
        let mut frames = Vec::new();
        let mut frame = first;
        while frames.len() < KEPT && frame >= self.top && frame.is_multiple_of(self.word as u64) {
            let at = frame.wrapping_add(self.word as u64);
            let (Some(next), Some(address)) = (self.read(frame), self.read(at)) else { break };
            let above_top = at.wrapping_sub(self.top);
            let Some(address) = self.return_address(above_top, address) else { break };
            frames.push(address);
            if next <= frame {
                break;
            }
            frame = next;
        }
        frames
    }

    fn read(&self, linear: u64) -> Option<u64> {
        let bytes = self.guest.peek(linear, self.word);
        (bytes.len() == self.word).then(|| number(&bytes))
    }

    /// The word as a return address, if it points into a symbol of the guest's code.
    fn return_address(&self, above_top: u64, address: u64) -> Option<ReturnAddress> {
        if !is_code(self.image, address) {
            return None;
        }
        let place = Place::of(self.image, address);
        place.symbol.as_ref()?;
        let before = address.saturating_sub(MAX_INSTRUCTION_LENGTH as u64);
        let code = self.guest.peek(before, (address - before) as usize);
        let after_call = ends_with_call(&code, self.guest.cpu.code_size());
        Some(ReturnAddress { above_top, place, after_call })
    }
}

/// A little-endian number of at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The linear address of an offset in the stack segment.
fn linear_address(cpu: &Cpu, offset: u64) -> u64 {
    if cpu.code_size() == CodeSize::Bits64 {
        offset
    } else {
        cpu.segments.get(SegmentName::Ss).base.wrapping_add(offset) & 0xffff_ffff
    }
}
