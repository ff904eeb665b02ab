//! What registers and memory hold: edge values, counts and noise.

use crate::random::Random;
use crate::state::flags;

/// Values at which arithmetic changes its mind, at every width, and the BCD boundaries.
const EDGES: [u64; 36] = [
    0,
    1,
    2,
    3,
    0x09,
    0x0a,
    0x0f,
    0x10,
    0x11,
    0x7e,
    0x7f,
    0x80,
    0x81,
    0x99,
    0x9a,
    0xfe,
    0xff,
    0x100,
    0x7ffe,
    0x7fff,
    0x8000,
    0x8001,
    0xffff,
    0x1_0000,
    0x7fff_fffe,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0x5555_5555_5555_5555,
    u64::MAX - 1,
    u64::MAX,
];

/// Shift counts around every width and every mask.
const COUNTS: [u8; 24] =
    [0, 1, 2, 7, 8, 9, 10, 15, 16, 17, 18, 24, 27, 31, 32, 33, 34, 63, 64, 65, 66, 127, 128, 255];

/// Any operand.
pub fn value(random: &mut Random) -> u64 {
    match random.below(10) {
        0..=2 => random.pick(&EDGES),
        // An edge in the low part, noise above it: what a narrow operand must leave alone.
        3..=5 => {
            let width = random.pick(&[8, 16, 32]);
            let low = (1 << width) - 1;
            random.next() & !low | random.pick(&EDGES) & low
        }
        6 => 1 << random.below(64),
        7 => random.below(256),
        _ => random.next(),
    }
}

/// A shift count, with noise above it.
pub fn count(random: &mut Random) -> u64 {
    random.next() & !0xff | u64::from(random.pick(&COUNTS))
}

/// A loop counter, at both sides of zero in each width.
pub fn counter(random: &mut Random) -> u64 {
    let edges = [0, 1, 2, 0x1_0000, 0x1_0001, 0x1_0000_0000, 0x1_0000_0001, u64::MAX];
    if random.one_in(4) { random.next() } else { random.pick(&edges) }
}

/// RFLAGS before the instruction: any arithmetic flags, and now and then the direction flag.
pub fn rflags(random: &mut Random, direction_one_in: u64) -> u64 {
    let direction = if random.one_in(direction_one_in) { flags::DF } else { 0 };
    flags::ONE | flags::IF | direction | random.next() & flags::ARITHMETIC
}
