//! From an instruction code to the byte strings that stand for it: every operand form, and the prefixes that matter.

use iced_x86::{
    Code, Encoder, Instruction, MandatoryPrefix, Mnemonic, OpCodeOperandKind as Kind, OpKind,
    Register,
};

use crate::addressing::Addressing;
use crate::operand_choices::{self as choices, Choice};
use crate::state::Mode;
use crate::windows::CODE_START;

/// Every encoding of `code` that the referee runs in `mode`: none if it doesn't exist in that mode.
pub fn encodings(code: Code, mode: Mode) -> Vec<Vec<u8>> {
    let info = code.op_code();
    let exists = match mode {
        Mode::Long64 => info.mode64(),
        Mode::Compat32 => info.mode32(),
    };
    if !exists {
        return Vec::new();
    }
    let mut list = List { code, mode, found: Vec::new() };
    list.add_register_forms();
    list.add_memory_forms();
    list.add_prefixed_forms();
    list.found
}

/// Decodes what the encoder made, or `None` if it isn't `code` after all. LOCK is accepted everywhere: that it raises an
/// invalid-opcode exception is one of the things to compare.
pub fn decode(bytes: &[u8], mode: Mode) -> Option<Instruction> {
    use iced_x86::{Decoder, DecoderOptions};
    let options = DecoderOptions::NO_INVALID_CHECK;
    let instruction = Decoder::with_ip(mode.bitness(), bytes, CODE_START, options).decode();
    (instruction.len() == bytes.len()).then_some(instruction)
}

struct List {
    code: Code,
    mode: Mode,
    found: Vec<Vec<u8>>,
}

impl List {
    fn kinds(&self) -> &'static [Kind] {
        self.code.op_code().op_kinds()
    }

    /// Keeps an encoding if it's new and really decodes as this code.
    fn add(&mut self, bytes: Vec<u8>) {
        let is_ours = decode(&bytes, self.mode).is_some_and(|decoded| decoded.code() == self.code);
        if is_ours && bytes.len() <= 15 && !self.found.contains(&bytes) {
            self.found.push(bytes);
        }
    }

    fn add_choice(&mut self, choice: &Choice<'_>) {
        // An impossible combination (AH with REX, a scaled 16-bit index) is simply not a form.
        let Some(instruction) = choice.instruction(self.code, self.mode) else {
            return;
        };
        let mut encoder = Encoder::new(self.mode.bitness());
        if encoder.encode(&instruction, CODE_START).is_ok() {
            self.add(encoder.take_buffer());
        }
    }

    fn add_register_forms(&mut self) {
        let kinds = self.kinds();
        let registers =
            kinds.iter().filter(|kind| choices::register_class(**kind).is_some()).count();
        let variants = match registers {
            0 => 1,
            1 => 20,
            _ => choices::REGISTER_PAIRS,
        };
        let variants = if kinds.contains(&Kind::seg_reg) { variants.max(6) } else { variants };
        for profile in 0..variants {
            self.add_choice(&Choice { profile, immediate: profile, ..Choice::default() });
        }
        if kinds.iter().any(|kind| choices::is_immediate(*kind)) {
            for immediate in 0..choices::IMMEDIATES {
                self.add_choice(&Choice { immediate, ..Choice::default() });
                self.add_choice(&Choice { profile: 5, immediate, ..Choice::default() });
            }
        }
        for branch in 0..choices::BRANCHES {
            self.add_choice(&Choice { branch, ..Choice::default() });
        }
        for narrow_address in [false, true] {
            self.add_choice(&Choice { narrow_address, ..Choice::default() });
        }
    }

    fn add_memory_forms(&mut self) {
        for (number, addressing) in Addressing::all(self.mode).iter().enumerate() {
            self.add_choice(&Choice {
                profile: number,
                immediate: number,
                memory: Some(addressing),
                ..Choice::default()
            });
        }
    }

    fn add_prefixed_forms(&mut self) {
        let info = self.code.op_code();
        let plain = self.found.clone();
        let (in_memory, in_registers): (Vec<_>, Vec<_>) = plain.into_iter().partition(|bytes| {
            decode(bytes, self.mode)
                .is_some_and(|decoded| decoded.op_kinds().any(|kind| kind == OpKind::Memory))
        });
        let no_mandatory_prefix = info.mandatory_prefix() == MandatoryPrefix::None;

        // LOCK: on memory where it's legal; elsewhere an invalid opcode, once per operand form.
        let lockable = if info.can_use_lock_prefix() { in_memory.len() } else { 1 };
        for bytes in in_memory.iter().take(lockable).chain(in_registers.first()) {
            self.add(prefixed(&[0xf0], bytes));
        }
        // Segment overrides: flat segments, except that a code segment can't be written in 32-bit mode.
        let is_string = self.code.is_string_instruction();
        let strings: &[Vec<u8>] = if is_string { &in_registers } else { &[] };
        for bytes in in_memory.iter().take(2).chain(strings) {
            for segment in [0x26, 0x2e, 0x36, 0x3e] {
                self.add(prefixed(&[segment], bytes));
            }
        }
        for bytes in strings {
            for repeat in [0xf3, 0xf2] {
                self.add(prefixed(&[repeat], bytes));
                self.add(prefixed(&[repeat, 0x2e], bytes));
            }
        }
        // Prefixes that change nothing where they aren't needed.
        for bytes in in_registers.iter().take(2) {
            self.add(prefixed(&[0x67], bytes));
            if self.mode == Mode::Long64 && no_mandatory_prefix {
                for rex in [0x40, 0x48, 0x4f] {
                    self.add(with_rex(rex, bytes));
                }
            }
        }
        let is_wide = info.operand_size() == 64 && no_mandatory_prefix && !is_branch(self.code);
        if is_wide {
            for bytes in in_registers.iter().take(2).chain(in_memory.first()) {
                self.add(prefixed(&[0x66], bytes));
            }
        }
        // `rep ret`, and branches with the BND prefix and the static prediction hints.
        if is_branch(self.code) {
            for bytes in in_registers.iter().take(2) {
                for prefix in [0xf2, 0xf3, 0x2e, 0x3e] {
                    self.add(prefixed(&[prefix], bytes));
                }
            }
        }
    }
}

fn is_branch(code: Code) -> bool {
    matches!(code.mnemonic(), Mnemonic::Ret | Mnemonic::Call | Mnemonic::Jmp)
        || code.is_jcc_short_or_near()
}

fn prefixed(prefixes: &[u8], bytes: &[u8]) -> Vec<u8> {
    [prefixes, bytes].concat()
}

/// Inserts a REX prefix where it counts, right before the opcode. With one already there, the decoder ignores the first
/// and the result is dropped by [`List::add`] only if the meaning changed.
fn with_rex(rex: u8, bytes: &[u8]) -> Vec<u8> {
    let legacy =
        |byte: &&u8| matches!(**byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3);
    let at = bytes.iter().take_while(legacy).count();
    let (prefixes, rest) = bytes.split_at(at);
    [prefixes, &[rex], rest].concat()
}

/// The 64-, 32- or 16-bit register with the address size's name, for the implicit operands of string instructions.
pub fn sized(mode: Mode, narrow: bool, wide: [Register; 3]) -> Register {
    match (mode, narrow) {
        (Mode::Long64, false) => wide[0],
        (Mode::Long64, true) | (Mode::Compat32, false) => wide[1],
        (Mode::Compat32, true) => wide[2],
    }
}
