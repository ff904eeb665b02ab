//! Machine code as text, for people: traces, reports and panels. The CPU has its own decoder.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, IntelFormatter, OpKind,
};
use paravane_cpu::state::mode::CodeSize;

use crate::guest_image::GuestImage;
use crate::places::NearSymbol;

/// The longest that an instruction may be, in bytes.
pub const MAX_INSTRUCTION_LENGTH: usize = 15;

/// One instruction as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Linear address.
    pub address: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// In Intel syntax; an address that it names directly is followed by its symbol.
    pub text: String,
}

/// Makes lines.
pub struct Disassembler<'a> {
    image: &'a GuestImage,
    formatter: IntelFormatter,
}

impl<'a> Disassembler<'a> {
    /// Takes the names of places from `image`.
    pub fn new(image: &'a GuestImage) -> Self {
        let mut formatter = IntelFormatter::new();
        let options = formatter.options_mut();
        options.set_hex_prefix("0x");
        options.set_hex_suffix("");
        options.set_uppercase_hex(false);
        options.set_small_hex_numbers_in_decimal(true);
        options.set_branch_leading_zeros(false);
        options.set_space_after_operand_separator(true);
        options.set_first_operand_char_index(8);
        Self { image, formatter }
    }

    /// The first instruction of `bytes`, which are at a linear address. `None` if there are no
    /// bytes. One that the CPU doesn't know is `(bad)`.
    pub fn line(&mut self, bytes: &[u8], address: u64, size: CodeSize) -> Option<Line> {
        let mut decoder = Decoder::with_ip(size.bits(), bytes, address, DecoderOptions::NONE);
        if !decoder.can_decode() {
            return None;
        }
        let instruction = decoder.decode();
        let mut text = String::new();
        self.formatter.format(&instruction, &mut text);
        if let Some(symbol) =
            named_address(&instruction).and_then(|address| NearSymbol::of(self.image, address))
        {
            text.push_str(&format!(" <{symbol}>"));
        }
        let bytes = bytes.get(..instruction.len()).unwrap_or(bytes).to_vec();
        Some(Line { address, bytes, text })
    }
}

/// The address that an instruction names: a branch target or a RIP-relative operand.
fn named_address(instruction: &Instruction) -> Option<u64> {
    if instruction.is_ip_rel_memory_operand() {
        return Some(instruction.ip_rel_memory_address());
    }
    matches!(
        instruction.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    )
    .then(|| instruction.near_branch_target())
}

/// Whether `bytes` end with a call, so that a return address could follow them.
pub fn ends_with_call(bytes: &[u8], size: CodeSize) -> bool {
    (2..=bytes.len().min(MAX_INSTRUCTION_LENGTH)).any(|length| {
        let Some(bytes) = bytes.get(bytes.len() - length..) else { return false };
        let mut decoder = Decoder::new(size.bits(), bytes, DecoderOptions::NONE);
        let instruction = decoder.decode();
        let flow = instruction.flow_control();
        instruction.len() == length && matches!(flow, FlowControl::Call | FlowControl::IndirectCall)
    })
}
