//! Descriptor tables, task-state segment, handlers and page tables.

use paravane_cpu::Ram;
use paravane_host_referee::random::Random;

use super::place;
use super::start::Kind;

/// Selectors of the global table, with privilege level 0.
pub mod selectors {
    pub const CODE_64: u16 = 0x08;
    pub const DATA: u16 = 0x10;
    pub const CODE_32: u16 = 0x18;
    pub const USER_CODE_32: u16 = 0x20;
    pub const USER_DATA: u16 = 0x28;
    pub const USER_CODE_64: u16 = 0x30;
    pub const CODE_16: u16 = 0x38;
    pub const DATA_16: u16 = 0x40;
    pub const USER_CODE_16: u16 = 0x48;
    pub const USER_DATA_16: u16 = 0x50;
    pub const TASK: u16 = 0x80;
}

/// Descriptors: base, limit, attributes.
const SEGMENTS: [(u16, u32, u32, u64); 17] = [
    (selectors::CODE_64, 0, 0xf_ffff, 0xa09b),
    (selectors::DATA, 0, 0xf_ffff, 0xc093),
    (selectors::CODE_32, 0, 0xf_ffff, 0xc09b),
    (selectors::USER_CODE_32, 0, 0xf_ffff, 0xc0fb),
    (selectors::USER_DATA, 0, 0xf_ffff, 0xc0f3),
    (selectors::USER_CODE_64, 0, 0xf_ffff, 0xa0fb),
    (selectors::CODE_16, place::CODE as u32, 0xffff, 0x009b),
    (selectors::DATA_16, place::DATA as u32, 0xffff, 0x0093),
    (selectors::USER_CODE_16, place::CODE as u32, 0xffff, 0x00fb),
    (selectors::USER_DATA_16, place::DATA as u32, 0xffff, 0x00f3),
    // Conforming, expand-down, execute-only, absent, fresh, and one of ring 1.
    (0x58, 0, 0xf_ffff, 0xc09f),
    (0x60, 0, 0x20, 0xc0f7),
    (0x68, 0, 0xf_ffff, 0xc0f9),
    (0x70, 0, 0xf_ffff, 0xc073),
    (0x78, 0, 0xf_ffff, 0xc0f2),
    (selectors::TASK, place::TSS as u32, 0x20ff, 0x008b),
    (0xa0, place::LDT as u32, 0xff, 0x0082),
];
/// Entries of the global table.
const DESCRIPTORS: usize = 40;
/// Offset of its last byte.
pub const GDT_LIMIT: u16 = 8 * DESCRIPTORS as u16 - 1;

fn descriptor(base: u32, limit: u32, attributes: u64) -> u64 {
    let (base, limit) = (u64::from(base), u64::from(limit));
    limit & 0xffff
        | (base & 0xff_ffff) << 16
        | attributes << 40
        | (limit & 0xf_0000) << 32
        | (base & 0xff00_0000) << 32
}

fn gate(code: u16, offset: u64, kind: u64) -> u64 {
    offset & 0xffff | u64::from(code) << 16 | kind << 40 | (offset & 0xffff_0000) << 32
}

fn put(ram: &mut Ram, address: u64, words: &[u64]) {
    for (slot, word) in (address..).step_by(8).zip(words) {
        assert!(ram.write(slot, *word));
    }
}

/// Writes all tables for code that starts as `kind`.
pub fn write(ram: &mut Ram, kind: Kind, random: &mut Random) {
    let long = kind.is_long();
    let code = if long { selectors::CODE_64 } else { selectors::CODE_32 };
    let mut words = [0; DESCRIPTORS];
    for (selector, base, limit, attributes) in SEGMENTS {
        words[usize::from(selector >> 3)] = descriptor(base, limit, attributes);
    }
    words[0x90 >> 3] = descriptor(place::TSS as u32, 0x67, 0x0089);
    words[0xb0 >> 3] = gate(code, place::HANDLER, 0xec02);
    words[0xc0 >> 3] = gate(selectors::CODE_16, 0x10, 0xe4);
    words[0xc8 >> 3] = gate(0x90, 0, 0xe5);
    words[0xd0 >> 3] = descriptor(place::TSS as u32, 0x2b, 0x00e1);
    words[0xd8 >> 3] = descriptor(0, 0xf_ffff, 0xc0b3);
    put(ram, place::GDT, &words);
    put(ram, place::LDT, &words[1..8]);
    write_gates(ram, long, code, random);
    write_task(ram, long);
    write_handlers(ram, kind);
    write_page_tables(ram, random);
}

/// Offset of the handler for vectors with an error code.
const WITH_CODE: u64 = 0x40;

fn write_gates(ram: &mut Ram, long: bool, code: u16, random: &mut Random) {
    for vector in 0..256_u64 {
        let has_code = matches!(vector, 8 | 10..=14 | 17);
        let offset = place::HANDLER + if has_code { WITH_CODE } else { 0 };
        // Mostly open to all rings; interrupt and trap gates; some absent, some 16-bit, some for tasks.
        let kind = match random.below(64) {
            0 => 0x0e,
            1 => 0xe6,
            2 => 0xe5,
            3..=20 => 0x8e,
            21..=30 => 0xef,
            _ => 0xee,
        };
        let word = gate(code, offset, kind);
        if long {
            let stack = random.below(16).saturating_sub(8);
            put(ram, place::IDT + 16 * vector, &[word | stack << 32, 0]);
        } else {
            put(ram, place::IDT + 8 * vector, &[word]);
        }
        let real = if vector == 3 { place::CODE + 0x100 } else { place::REAL_HANDLER };
        assert!(ram.write(4 * vector, (real as u32 & 0xf_0000) << 12 | real as u32 & 0xffff));
    }
}

/// Replaces gates and handlers: every vector is open, and returns at once.
pub fn write_transparent_handlers(ram: &mut Ram, kind: Kind) {
    let (code, size, handler) = if kind.is_long() {
        (selectors::CODE_64, 16, 0xcf48)
    } else {
        (selectors::CODE_32, 8, 0xcf)
    };
    for vector in 0..256 {
        put(ram, place::IDT + size * vector, &[gate(code, place::HANDLER, 0xee)]);
    }
    put(ram, place::HANDLER, &[handler]);
}

fn write_task(ram: &mut Ram, long: bool) {
    let mut words = [0; 0x68 / 8];
    put(ram, place::TSS, &words);
    if long {
        words = [place::INNER_STACK; 0x68 / 8];
        for (slot, word) in (place::TSS + 4..).step_by(8).zip(words) {
            assert!(ram.write(slot, word));
        }
    } else {
        for ring in 0..3_u64 {
            let slot = place::TSS + 4 + 8 * ring;
            assert!(ram.write(slot, place::INNER_STACK as u32));
            let selector = if ring == 0 { selectors::DATA } else { selectors::USER_DATA };
            assert!(ram.write(slot + 4, u32::from(selector)));
        }
    }
    // The bitmap of ports: every second group of eight is forbidden.
    assert!(ram.write(place::TSS + 0x66, 0x68_u16));
    for byte in 0..0x100 {
        assert!(ram.write(place::TSS + 0x68 + byte, if byte % 2 == 0 { 0_u8 } else { 0xff }));
    }
}

/// Handlers step over a byte of whatever was interrupted, so that no fault repeats for ever, and
/// go back to where code is. Those of faults with an error code, which come from bad addresses,
/// put good ones into registers.
fn write_handlers(ram: &mut Ram, kind: Kind) {
    let rex: &[u8] = if kind.is_long() { &[0x48] } else { &[] };
    let size = if kind.is_long() { 8 } else { 4 };
    let code = if kind.is_narrow() { 0 } else { place::CODE };
    let immediate = |value: u64| (value as u32).to_le_bytes();
    let plain = [
        // inc [rsp]; and [rsp], imm32; or [rsp], imm32; iret
        rex,
        &[0xff, 0x04, 0x24],
        rex,
        &[0x81, 0x24, 0x24],
        &immediate(place::CODE_SIZE - 1),
        rex,
        &[0x81, 0x0c, 0x24],
        &immediate(code),
        rex,
        &[0xcf],
    ]
    .concat();
    // add rsp, size
    let mut with_code = [rex, &[0x83, 0xc4, size]].concat();
    // mov ebx, esi, edi, ebp, ecx
    for (mov, value) in [
        (0xbb, place::DATA + 0x200),
        (0xbe, place::DATA + 0xff8),
        (0xbf, place::DATA + 0x400),
        (0xbd, place::STACK - 0x100),
        (0xb9, 3),
    ] {
        with_code.push(mov);
        with_code.extend(immediate(value));
    }
    with_code.extend(&plain);
    let real = [
        // push bp; mov bp, sp; inc word [bp+2]
        0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, // and word [bp+2], 0x7fff; pop bp; iret
        0x81, 0x66, 0x02, 0xff, 0x7f, 0x5d, 0xcf,
    ];
    for (address, bytes) in [
        (place::HANDLER, &plain[..]),
        (place::HANDLER + WITH_CODE, &with_code),
        (place::REAL_HANDLER, &real),
    ] {
        let length = bytes.len() as u64;
        ram.slice_mut(address, length).expect("RAM").copy_from_slice(bytes);
    }
}

/// Page tables of all formats: RAM at its own address, above that aliases of any frame, then
/// devices, then nothing.
fn write_page_tables(ram: &mut Ram, random: &mut Random) {
    let frames = place::RAM_SIZE >> 12;
    for page in 0..512_u64 {
        let frame = match page {
            _ if page < frames => page,
            _ if page < 2 * frames => random.below(frames),
            _ if page < 2 * frames + 8 => page + 0x1000,
            // Where this table maps the end of the address space, that is mapped, too.
            511 => place::GDT >> 12,
            _ => 0,
        };
        let entry = if frame == 0 && page != 0 { 0 } else { frame << 12 | 7 };
        put(ram, place::TABLE + 8 * page, &[entry]);
        assert!(ram.write(place::TWO_LEVEL_TABLE + 4 * page, entry as u32));
    }
    let last = place::TWO_LEVEL_TABLE + 0xffc;
    assert!(ram.write(last, place::GDT as u32 | 7));
    for table in
        [place::TWO_LEVEL, place::PAE, place::DIRECTORY, place::FOUR_LEVEL, place::POINTERS]
    {
        put(ram, table, &[0; 512]);
    }
    // Beside the small pages a large one of each format; the upper half repeats the lower, and so
    // do the addresses from `ALIAS`.
    for (slot, entry) in [
        (place::TWO_LEVEL, place::TWO_LEVEL_TABLE | 7),
        (place::TWO_LEVEL + 4, 0x87),
        (place::TWO_LEVEL + 8, place::TWO_LEVEL_TABLE | 7),
        (place::TWO_LEVEL + 0xc00, place::TWO_LEVEL_TABLE | 7),
        (place::TWO_LEVEL + 0xffc, place::TWO_LEVEL_TABLE | 7),
    ] {
        assert!(ram.write(slot, entry as u32));
    }
    put(ram, place::PAE, &[place::DIRECTORY | 1, 0, 0, place::DIRECTORY | 1]);
    put(ram, place::DIRECTORY, &[place::TABLE | 7, 0x87, 0x187, 0, place::TABLE | 7]);
    put(ram, place::DIRECTORY + 0xff8, &[place::TABLE | 7]);
    put(ram, place::POINTERS, &[place::DIRECTORY | 7, 0x87]);
    put(ram, place::POINTERS + 0xff0, &[place::DIRECTORY | 7, place::DIRECTORY | 7]);
    put(ram, place::FOUR_LEVEL, &[place::POINTERS | 7]);
    put(ram, place::FOUR_LEVEL + 0xff8, &[place::POINTERS | 7]);
}

/// Changes a few entries of page and descriptor tables to anything.
pub fn spoil(ram: &mut Ram, random: &mut Random) {
    for _ in 0..1 + random.below(24) {
        let entry = random.below(0x200) << 12 | random.next() & 0xfff;
        let entry = if random.one_in(4) { entry | random.next() << 32 } else { entry };
        let table = random.pick(&[
            place::TABLE,
            place::TABLE,
            place::TABLE,
            place::TWO_LEVEL_TABLE,
            place::TWO_LEVEL,
            place::DIRECTORY,
            place::POINTERS,
            place::GDT,
            place::IDT,
            place::TSS,
        ]);
        let index = if random.one_in(2) { random.below(16) } else { random.below(0x90) };
        put(ram, table + 8 * index, &[entry]);
    }
}
