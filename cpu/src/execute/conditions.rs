//! The sixteen conditions of Jcc, SETcc and CMOVcc.

use crate::state::flags::Flags;

/// Whether condition `CODE` (the low four bits of the opcode) holds.
#[inline(always)]
pub(crate) fn holds<const CODE: u8>(flags: &Flags) -> bool {
    let positive = match CODE >> 1 {
        0 => flags.overflow(),
        1 => flags.carry(),
        2 => flags.zero(),
        3 => flags.carry() || flags.zero(),
        4 => flags.sign(),
        5 => flags.parity(),
        6 => flags.sign() != flags.overflow(),
        _ => flags.zero() || flags.sign() != flags.overflow(),
    };
    positive != (CODE & 1 == 1)
}
