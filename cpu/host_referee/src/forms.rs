//! The list of everything the referee runs.

use std::collections::BTreeMap;

use iced_x86::{Code, Formatter, Instruction, IntelFormatter};

use crate::encodings::{decode, encodings};
use crate::exclusions::exclusion;
use crate::host_features::missing_on_host;
use crate::state::Mode;

/// One instruction with all its operands and prefixes: what's left open is only what the registers and memory hold.
#[derive(Clone, Debug)]
pub struct Form {
    /// iced's code.
    pub code: Code,
    /// The mode to run it in.
    pub mode: Mode,
    /// The machine code.
    pub bytes: Vec<u8>,
    /// The machine code, decoded at [`crate::windows::CODE_START`].
    pub instruction: Instruction,
}

impl Form {
    /// A form from its machine code, or `None` if that isn't exactly one instruction.
    pub fn new(mode: Mode, bytes: &[u8]) -> Option<Form> {
        let instruction = decode(bytes, mode)?;
        Some(Form { code: instruction.code(), mode, bytes: bytes.to_vec(), instruction })
    }

    /// A form of any bytes, even of some that aren't an instruction in `mode`.
    pub fn undecoded(mode: Mode, bytes: &[u8]) -> Form {
        Form::new(mode, bytes).unwrap_or_else(|| Form {
            code: Code::INVALID,
            mode,
            bytes: bytes.to_vec(),
            instruction: Instruction::default(),
        })
    }

    /// The instruction in Intel syntax.
    pub fn description(&self) -> String {
        let mut text = String::new();
        IntelFormatter::new().format(&self.instruction, &mut text);
        text
    }

    /// The mnemonic in lower case.
    pub fn mnemonic(&self) -> String {
        format!("{:?}", self.code.mnemonic()).to_lowercase()
    }
}

/// Every form of every code that isn't excluded and that the host has, in iced's order.
pub fn forms(mode: Mode) -> Vec<Form> {
    enumerated_codes()
        .filter(|code| missing_on_host(*code).is_none())
        .flat_map(|code| forms_of(code, mode))
        .collect()
}

/// Every form of one code, whether or not the host has it. Empty if it's excluded or doesn't exist in `mode`.
pub fn forms_of(code: Code, mode: Mode) -> Vec<Form> {
    if exclusion(code).is_some() {
        return Vec::new();
    }
    encodings(code, mode).iter().filter_map(|bytes| Form::new(mode, bytes)).collect()
}

/// Every code that isn't excluded.
pub fn enumerated_codes() -> impl Iterator<Item = Code> {
    Code::values().filter(|code| exclusion(*code).is_none())
}

/// The codes that the host can't run, by the feature it lacks.
pub fn skipped_codes() -> BTreeMap<&'static str, Vec<Code>> {
    let mut skipped = BTreeMap::<_, Vec<Code>>::new();
    for code in enumerated_codes() {
        if let Some(feature) = missing_on_host(code) {
            skipped.entry(feature).or_default().push(code);
        }
    }
    skipped
}
