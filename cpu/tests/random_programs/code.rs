//! Random code: bytes, and bytes that are more likely to be instructions than chance makes them.

use paravane_host_referee::random::Random;

use super::place;

/// Fills `code` with random instructions, for 64-bit mode if `wide`.
pub fn fill(code: &mut [u8], wide: bool, random: &mut Random) {
    let mut bytes = Vec::with_capacity(code.len() + 32);
    while bytes.len() < code.len() {
        match random.below(24) {
            0 => push_random(&mut bytes, random, 8),
            1 | 2 => push_template(&mut bytes, random),
            _ => push_instruction(&mut bytes, wide, random),
        }
    }
    code.copy_from_slice(&bytes[..code.len()]);
}

fn push_random(bytes: &mut Vec<u8>, random: &mut Random, most: u64) {
    for _ in 0..=random.below(most) {
        bytes.push(random.next() as u8);
    }
}

/// Prefixes, an opcode of one of the maps, a ModRM byte, and a displacement or immediate.
fn push_instruction(bytes: &mut Vec<u8>, wide: bool, random: &mut Random) {
    const PREFIXES: [u8; 12] =
        [0x66, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0xf3, 0x2e, 0x36, 0x64, 0x65, 0x3e];
    while random.one_in(5) {
        bytes.push(random.pick(&PREFIXES));
    }
    let vector_extended = random.one_in(32);
    if wide && !vector_extended && !random.one_in(3) {
        bytes.push(0x40 | random.below(16) as u8);
    }
    match random.below(24) {
        _ if vector_extended => {
            let prefix = random.below(4) as u8;
            let register = random.next() as u8 & 0xf8 & !4;
            let (map, opcode) =
                random.pick(&[(2, 0xf2), (2, 0xf3), (2, 0xf5), (2, 0xf6), (2, 0xf7), (3, 0xf0)]);
            bytes.extend([0xc4, 0xe0 | map, register | prefix, opcode]);
        }
        0 => bytes.extend([0x0f, 0x38, 0xf0 | random.pick(&[0, 1, 6, 6, 0, 1, 2, 3])]),
        1 => bytes.extend([0x0f, random.pick(&[0x00, 0x01, 0xae, 0xc7, 0xba, 0xb9])]),
        2..=8 => bytes.extend([0x0f, two_byte_opcode(random)]),
        _ => bytes.push(one_byte_opcode(wide, random)),
    }
    // Half of the ModRM bytes name memory, by a register without displacement, mostly.
    let modrm = random.next() as u8;
    bytes.push(match random.below(5) {
        0 => modrm,
        1 => modrm & 0x3f,
        2 => modrm & 0x3f | 0x40,
        _ => modrm | 0xc0,
    });
    match random.below(6) {
        0 => push_random(bytes, random, 4),
        1 => bytes.extend((random.below(0x20) as u32).to_le_bytes()),
        2 => bytes.push(random.pick(&[0, 1, 0x7f, 0x80, 0xff, 8, 16, 31, 32, 63])),
        3 => bytes.extend((super::start::register_value(random) as u32).to_le_bytes()),
        _ => {}
    }
}

/// Any opcode, but seldom one that is sure to fault, or to leave the code for good.
fn one_byte_opcode(wide: bool, random: &mut Random) -> u8 {
    loop {
        let opcode = random.next() as u8;
        let leaves = matches!(opcode, 0xf4 | 0xea | 0x9a | 0xcb | 0xca | 0xcf | 0xc2 | 0xc3);
        let faults = matches!(opcode, 0xd8..=0xdf | 0xcd | 0xf0);
        let not_wide = matches!(
            opcode,
            0x06 | 0x07 | 0x0e | 0x16 | 0x17 | 0x1e | 0x1f | 0x27 | 0x2f | 0x37 | 0x3f | 0x60..=0x62
                | 0x82 | 0xc4 | 0xc5 | 0xce | 0xd4..=0xd6
        );
        let unwanted = leaves || faults || wide && not_wide;
        if !unwanted || random.one_in(16) {
            return opcode;
        }
    }
}

/// The same for the opcodes after 0F.
fn two_byte_opcode(random: &mut Random) -> u8 {
    loop {
        let opcode = random.next() as u8;
        let integer = matches!(
            opcode,
            0x00..=0x03 | 0x05..=0x09 | 0x0d | 0x18..=0x23 | 0x30..=0x35 | 0x40..=0x4f | 0x80..=0xb8
                | 0xba..=0xc1 | 0xc3 | 0xc7..=0xcf
        );
        if integer || random.one_in(16) {
            return opcode;
        }
    }
}

/// Sequences that chance would not find: they change control state in ways that don't fault at
/// once, or go far away and come back.
fn push_template(bytes: &mut Vec<u8>, random: &mut Random) {
    let bit = random.below(32) as u8;
    let register = random.pick(&[0_u8, 3, 4, 2]);
    let selector = (random.below(0x20) as u16 * 8) | random.pick(&[0, 3, 4]);
    let value = super::start::register_value(random) as u32;
    match random.below(14) {
        // mov eax, crN; btc eax, bit; mov crN, eax
        0 => bytes.extend([
            0x0f,
            0x20,
            0xc0 | register << 3,
            0x0f,
            0xba,
            0xf8,
            bit,
            0x0f,
            0x22,
            0xc0 | register << 3,
        ]),
        // mov eax, root; mov cr3, eax
        1 => {
            let root = random.pick(&[place::TWO_LEVEL, place::PAE, place::FOUR_LEVEL]) as u32;
            mov_eax(bytes, root | random.below(0x20) as u32);
            bytes.extend([0x0f, 0x22, 0xd8]);
        }
        // mov ecx, msr; rdmsr; btc eax, bit; wrmsr
        2 => {
            let msr =
                random.pick(&[0xc000_0080_u32, 0xc000_0081, 0xc000_0084, 0x10, 0x3b, 0x174, 0x277]);
            bytes.push(0xb9);
            bytes.extend((msr + random.below(4) as u32).to_le_bytes());
            bytes.extend([0x0f, 0x32, 0x0f, 0xba, 0xf8, bit, 0x0f, 0x30]);
        }
        // mov eax, value; mov drN, eax
        3 => {
            mov_eax(bytes, value);
            bytes.extend([0x0f, 0x23, 0xc0 | random.below(8) as u8]);
        }
        // push selector; push target; retf
        4 => {
            push_far(bytes, random, selector);
            bytes.push(0xcb);
        }
        // push flags; push selector; push target; iret
        5 => {
            bytes.push(0x68);
            bytes.extend((random.next() as u32 & 0x0027_7fd7).to_le_bytes());
            push_far(bytes, random, selector);
            bytes.push(0xcf);
        }
        // mov ax, selector; mov sreg, ax
        6 => {
            bytes.extend([0x66, 0xb8]);
            bytes.extend(selector.to_le_bytes());
            bytes.extend([0x8e, 0xc0 | (random.below(8) as u8 * 8)]);
        }
        // pushf; btc [rsp], bit; popf
        7 => bytes.extend([0x9c, 0x0f, 0xba, 0x3c, 0x24, bit, 0x9d]),
        // A short counted loop: mov cl, n; ...; loop
        8 => {
            bytes.extend([0xb1, random.below(20) as u8 + 1]);
            push_instruction(bytes, false, random);
            bytes.extend([0xe2, 0xf8]);
        }
        // mov ecx, n; rep string
        9 => {
            bytes.push(0xb9);
            bytes.extend((random.below(0x40) as u32).to_le_bytes());
            let string =
                random.pick(&[0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xae, 0xaf, 0x6c, 0x6e]);
            bytes.extend([random.pick(&[0xf2, 0xf3]), string]);
        }
        // mov edi, code; stosd: a store into code
        10 => {
            bytes.push(0xbf);
            bytes
                .extend((place::CODE as u32 + random.below(place::CODE_SIZE) as u32).to_le_bytes());
            bytes.push(random.pick(&[0xab, 0xaa]));
        }
        // invlpg, sti, cli
        11 => bytes.extend([0x0f, 0x01, 0x38, random.pick(&[0xfb, 0xfa, 0xfb])]),
        // A jump forward or back.
        12 => bytes.extend([0xeb, random.below(0x40).wrapping_sub(0x18) as u8]),
        // mov reg, value
        _ => {
            bytes.push(0xb8 | random.below(8) as u8);
            bytes.extend(value.to_le_bytes());
        }
    }
}

fn mov_eax(bytes: &mut Vec<u8>, value: u32) {
    bytes.push(0xb8);
    bytes.extend(value.to_le_bytes());
}

fn push_far(bytes: &mut Vec<u8>, random: &mut Random, selector: u16) {
    bytes.push(0x68);
    bytes.extend(u32::from(selector).to_le_bytes());
    bytes.push(0x68);
    bytes.extend((place::CODE as u32 + random.below(place::CODE_SIZE) as u32).to_le_bytes());
}
