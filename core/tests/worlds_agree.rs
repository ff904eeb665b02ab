//! Bare metal judges trap-and-emulate: random kernels end in the same state in both worlds.
//!
//! Each kernel starts in some mode with descriptor tables, page tables and a handler for every
//! exception, executes a few dozen instructions, sensitive ones among them, and halts. With no
//! hypervisor, that is what the processor does; with one, it must be the same, bit by bit.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may panic and speak"
)]

use paravane_core::accounting::Costs;
use paravane_core::hypervisor::{Processor, ShadowPolicy, VirtualMachine};
use paravane_core::machine::{Machine, Stopped};
use paravane_cpu::state::control::{Cr0, Cr4, Efer};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RIP, RSP};
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector, TableRegister};
use paravane_cpu::{Cpu, PAGE_SIZE, Watch};

const MEMORY: u64 = 2 << 20;
const POOL: u64 = 1 << 20;
/// More cycles than a kernel without a loop needs, in any world.
const BUDGET: u64 = 400_000;

const GLOBAL_TABLE: u64 = 0x1000;
const INTERRUPT_TABLE: u64 = 0x2000;
const TASK: u64 = 0x3000;
const HANDLER: u64 = 0x4000;
const TABLES: u64 = 0x8000;
const CODE: u64 = 0x10_000;
const DATA: u64 = 0x20_000;
const STACK: u64 = 0x40_000;
const INNER_STACK: u64 = 0x50_000;

const CODE_32: u16 = 0x08;
const DATA_0: u16 = 0x10;
const CODE_64: u16 = 0x18;
const CODE_32_USER: u16 = 0x2b;
const DATA_USER: u16 = 0x23;
const CODE_64_USER: u16 = 0x33;
const TASK_SELECTOR: u16 = 0x38;
const CODE_16: u16 = 0x48;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Flat32,
    TwoLevel,
    Pae,
    Compatibility,
    Long,
}

const MODES: [Mode; 5] = [Mode::Flat32, Mode::TwoLevel, Mode::Pae, Mode::Compatibility, Mode::Long];

/// A small generator of numbers: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}

/// Pieces of kernels: sensitive instructions, and what surrounds them.
const PIECES: &[&[u8]] = &[
    &[0x9c],                                     // pushf
    &[0x9d],                                     // popf
    &[0x9c, 0x58],                               // pushf; pop eax
    &[0xfa],                                     // cli
    &[0xfb],                                     // sti
    &[0x0f, 0x20, 0xc0],                         // mov eax, cr0
    &[0x0f, 0x22, 0xc0],                         // mov cr0, eax
    &[0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8],       // mov eax, cr3; mov cr3, eax
    &[0x0f, 0x20, 0xe0, 0x0f, 0x22, 0xe0],       // mov eax, cr4; mov cr4, eax
    &[0x0f, 0x06],                               // clts
    &[0x0f, 0x01, 0xe0],                         // smsw eax
    &[0x0f, 0x01, 0xf0],                         // lmsw ax
    &[0x0f, 0x01, 0x06],                         // sgdt [esi]
    &[0x0f, 0x01, 0x0e],                         // sidt [esi]
    &[0x0f, 0x01, 0x3e],                         // invlpg [esi]
    &[0x0f, 0x00, 0xc0],                         // sldt eax
    &[0x0f, 0x00, 0xc8],                         // str eax
    &[0x0f, 0x02, 0xc1],                         // lar eax, ecx
    &[0x0f, 0x03, 0xc1],                         // lsl eax, ecx
    &[0x0f, 0x00, 0xe1],                         // verr cx
    &[0x0f, 0x00, 0xe9],                         // verw cx
    &[0x8c, 0xc8],                               // mov eax, cs
    &[0x8c, 0xd0],                               // mov eax, ss
    &[0x8e, 0xd8],                               // mov ds, eax
    &[0x8e, 0xe1],                               // mov fs, ecx
    &[0x8e, 0xd1],                               // mov ss, ecx
    &[0x66, 0xb9, 0x10, 0x00, 0x8e, 0xd1],       // mov cx, DATA_0; mov ss, ecx
    &[0x66, 0xb8, 0x23, 0x00, 0x8e, 0xd8],       // mov ax, DATA_USER; mov ds, eax
    &[0xcc],                                     // int3
    &[0xcd, 0x80],                               // int 0x80
    &[0xf1],                                     // int1
    &[0x0f, 0x0b],                               // ud2
    &[0xcf],                                     // iret
    &[0xcb],                                     // retf
    &[0x0f, 0x05],                               // syscall
    &[0x0f, 0x07],                               // sysret
    &[0x0f, 0x34],                               // sysenter
    &[0x0f, 0x35],                               // sysexit
    &[0x0f, 0x01, 0xf8],                         // swapgs
    &[0x0f, 0xa2],                               // cpuid
    &[0x0f, 0x21, 0xf8],                         // mov eax, dr7
    &[0x0f, 0x23, 0xf8],                         // mov dr7, eax
    &[0x0f, 0x09],                               // wbinvd
    &[0x0f, 0x01, 0xca],                         // clac
    &[0x0f, 0x01, 0xcb],                         // stac
    &[0xb9, 0x02, 0x01, 0x00, 0xc0, 0x0f, 0x30], // wrmsr KERNEL_GS_BASE
    &[0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32], // rdmsr EFER
    &[0xf3, 0xa4],                               // rep movsb
    &[0xf3, 0xab],                               // rep stosd
    &[0xfc],                                     // cld
    &[0x60],                                     // pusha
    &[0x61],                                     // popa
    &[0xc8, 0x10, 0x00, 0x01],                   // enter 16, 1
    &[0x8b, 0x06],                               // mov eax, [esi]
    &[0x89, 0x07],                               // mov [edi], eax
    &[0x01, 0x07],                               // add [edi], eax
    &[0x0f, 0xb1, 0x0f],                         // cmpxchg [edi], ecx
];

/// Bytes that would make a kernel depend on time or on devices: they become NOPs.
fn is_tame(byte: u8) -> bool {
    !matches!(byte, 0x31 | 0xf9 | 0xe4..=0xe7 | 0xec..=0xef | 0x6c..=0x6f | 0xf4)
}

fn kernel(random: &mut Random) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..8 + random.below(40) {
        match random.below(3) {
            0 => code.extend(
                (0..1 + random.below(6)).map(|_| random.next() as u8).filter(|b| is_tame(*b)),
            ),
            1 => {
                // mov esi or edi, some address
                let places = [DATA, STACK, GLOBAL_TABLE, CODE, DATA + 0xffe, MEMORY, 0x30_0000];
                let place = places[random.below(places.len() as u64) as usize] + random.below(64);
                code.push(0xbe + random.below(2) as u8);
                code.extend((place as u32).to_le_bytes());
            }
            _ => code.extend(PIECES[random.below(PIECES.len() as u64) as usize]),
        }
    }
    code.extend([0xfa, 0xf4]); // cli; hlt
    code
}

/// The memory of a kernel, as it starts.
fn memory(random: &mut Random, mode: Mode) -> Vec<u8> {
    let mut memory = vec![0_u8; MEMORY as usize];
    let mut put = |address: u64, bytes: &[u8]| {
        memory[address as usize..][..bytes.len()].copy_from_slice(bytes);
    };
    let long = matches!(mode, Mode::Compatibility | Mode::Long);
    let descriptors: [u64; 10] = [
        0,
        0x00cf_9b00_0000_ffff,
        0x00cf_9300_0000_ffff,
        0x00af_9b00_0000_ffff,
        0x00cf_f300_0000_ffff,
        0x00cf_fb00_0000_ffff,
        0x00af_fb00_0000_ffff,
        0x0000_8b00_0000_0067 | (TASK & 0xffff) << 16,
        0,
        0x0000_9b00_0000_ffff,
    ];
    for (index, descriptor) in (0..).zip(descriptors) {
        put(GLOBAL_TABLE + index * 8, &descriptor.to_le_bytes());
    }
    // Every exception ends in the handler, which halts; INT 0x80 is open to ring 3.
    for vector in 0..256_u64 {
        let rights = if vector == 0x80 || vector == 3 { 0xee00 } else { 0x8e00 };
        let code = if long { CODE_64 } else { CODE_32 };
        let gate = HANDLER & 0xffff | u64::from(code) << 16 | rights << 32 | HANDLER >> 16 << 48;
        let size = if long { 16 } else { 8 };
        put(INTERRUPT_TABLE + vector % 128 * size, &gate.to_le_bytes());
    }
    put(HANDLER, &[0xfa, 0xf4]);
    if long {
        put(TASK + 4, &INNER_STACK.to_le_bytes());
    } else {
        put(TASK + 4, &(INNER_STACK as u32).to_le_bytes());
        put(TASK + 8, &u32::from(DATA_0).to_le_bytes());
    }
    put(TASK + 0x66, &0x68_u16.to_le_bytes());
    for offset in (0..0x2000).step_by(8) {
        put(DATA + offset, &random.next().to_le_bytes());
    }
    put(STACK, &[0x10; 0]);
    for slot in 0..32 {
        let values = [u64::from(CODE_32), u64::from(DATA_0), CODE, STACK, 0x202, random.next()];
        let value = values[random.below(6) as usize];
        if long {
            put(STACK + slot * 8, &value.to_le_bytes());
        } else {
            put(STACK + slot * 4, &(value as u32).to_le_bytes());
        }
    }
    tables(&mut put, random, mode);
    let code = kernel(random);
    put(CODE, &code);
    memory
}

/// Identity-maps the whole memory, with a few pages read-only, absent or open to ring 3.
fn tables(put: &mut impl FnMut(u64, &[u8]), random: &mut Random, mode: Mode) {
    let mut rights = |page: u64| {
        let special = (DATA..STACK).contains(&(page * PAGE_SIZE));
        match (special, random.below(8)) {
            (true, 0) => 0,
            (true, 1) => 1,
            (true, 2) => 3,
            _ => 7_u64,
        }
    };
    let pages = MEMORY / PAGE_SIZE;
    if mode == Mode::TwoLevel {
        put(TABLES, &(TABLES as u32 + 0x1007).to_le_bytes());
        for page in 0..pages {
            let entry = ((page * PAGE_SIZE) | rights(page)) as u32;
            put(TABLES + 0x1000 + page * 4, &entry.to_le_bytes());
        }
        return;
    }
    let (four, three, two, one) = (TABLES, TABLES + 0x1000, TABLES + 0x2000, TABLES + 0x3000);
    let upper = if mode == Mode::Pae { 1 } else { 7 };
    put(four, &(three | 7).to_le_bytes());
    put(three, &(two | upper).to_le_bytes());
    put(two, &(one | 7).to_le_bytes());
    for page in 0..pages {
        put(one + page * 8, &((page * PAGE_SIZE) | rights(page)).to_le_bytes());
    }
}

/// Sets a CPU up in a mode, in ring 0 or 3.
fn set_up(cpu: &mut Cpu, mode: Mode, user: bool, seed: u64) {
    let mut random = Random(seed | 1);
    let long = matches!(mode, Mode::Compatibility | Mode::Long);
    cpu.control.cr0 = Cr0::PE | Cr0::ET | Cr0::NE;
    if mode != Mode::Flat32 {
        cpu.control.cr0 |= Cr0::PG;
        cpu.control.cr0.set(Cr0::WP, random.below(2) == 0);
    }
    cpu.control.cr4 = Cr4::PSE;
    match mode {
        Mode::Flat32 | Mode::TwoLevel => cpu.control.cr3 = TABLES,
        Mode::Pae => {
            cpu.control.cr4 |= Cr4::PAE;
            cpu.control.cr3 = TABLES + 0x1000;
            cpu.control.pdptes = [(TABLES + 0x2000) | 1, 0, 0, 0];
        }
        Mode::Compatibility | Mode::Long => {
            cpu.control.cr4 |= Cr4::PAE;
            cpu.control.cr3 = TABLES;
            cpu.control.efer = Efer::LME | Efer::LMA | Efer::NXE | Efer::SCE;
        }
    }
    if random.below(4) == 0 {
        cpu.control.cr4 |= Cr4::SMEP;
    }
    let code = match (mode, user) {
        (Mode::Long, false) => (CODE_64, 0xa09b),
        (Mode::Long, true) => (CODE_64_USER, 0xa0fb),
        (_, false) => (CODE_32, 0xc09b),
        (_, true) => (CODE_32_USER, 0xc0fb),
    };
    let data = if user { (DATA_USER, 0xc0f3) } else { (DATA_0, 0xc093) };
    let flat = |(selector, attributes)| {
        Segment::new(Selector(selector), 0, u32::MAX, Attributes(attributes))
    };
    for name in SegmentName::ALL {
        cpu.segments.set(name, flat(data));
    }
    cpu.segments.set(SegmentName::Cs, flat(code));
    cpu.segments.gdtr = TableRegister { base: GLOBAL_TABLE, limit: 0x4f };
    cpu.segments.idtr =
        TableRegister { base: INTERRUPT_TABLE, limit: if long { 0x7ff } else { 0x3ff } };
    cpu.segments.ldtr = Segment::null(Selector(0));
    cpu.segments.tr = Segment::new(Selector(TASK_SELECTOR), TASK, 0x67, Attributes(0x8b));
    cpu.msr.lstar = HANDLER;
    cpu.msr.star = u64::from(CODE_32) << 32 | u64::from(CODE_32_USER) << 48;
    cpu.msr.sysenter_cs = u64::from(CODE_32);
    cpu.msr.sysenter_eip = HANDLER;
    cpu.msr.sysenter_esp = INNER_STACK;
    cpu.cpl = if user { 3 } else { 0 };
    for register in 0..16 {
        let choices =
            [random.below(64), DATA + random.below(256), random.next(), u64::from(CODE_16)];
        let value = choices[random.below(4) as usize];
        cpu.registers.set(register, if long { value } else { value & 0xffff_ffff });
    }
    cpu.registers.set(RSP, STACK);
    cpu.registers.set(RIP, CODE);
    let mut flags = Rflags::FIXED;
    flags.set(Rflags::IF, random.below(2) == 0);
    flags.set(Rflags::TF, random.below(16) == 0);
    cpu.flags.set_all(flags);
    cpu.refresh();
}

/// Runs one random kernel in both worlds. Returns whether it ended.
fn agree(seed: u64) -> bool {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mode = MODES[random.below(5) as usize];
    let user = random.below(3) == 0;
    let memory = memory(&mut random, mode);

    let mut bare = Machine::new(MEMORY);
    bare.cpu.write_ram(0, &memory);
    set_up(&mut bare.cpu, mode, user, seed);
    for table in 0..4 {
        bare.cpu.watch_page(TABLES + table * PAGE_SIZE, Watch::TRACED);
    }
    let ended = bare.run(BUDGET / 20);
    // A kernel that overwrites its page tables without a flush may meet old translations or not.
    if ended == Stopped::Budget || !bare.cpu.take_traced_writes().is_empty() {
        return false;
    }

    let mut trap =
        VirtualMachine::new(Processor::Ideal, MEMORY, POOL, Costs::free(), ShadowPolicy::Cached);
    for (frame, page) in (0..).zip(memory.chunks(PAGE_SIZE as usize)) {
        let machine = trap.map.machine_address(frame * PAGE_SIZE).unwrap();
        trap.host.cpu.write_ram(machine, page);
    }
    set_up(&mut trap.virtual_cpu, mode, user, seed);
    let ended_trapped = trap.run(BUDGET);

    let what = format!("seed {seed}, {mode:?}, user {user}");
    let code = &memory[CODE as usize..][..160];
    assert_eq!(
        ended_trapped, ended,
        "{what}: {code:02x?}\nbare {:x?}\ntrap {:x?}",
        bare.cpu.registers, trap.virtual_cpu.registers
    );
    assert_eq!(trap.virtual_cpu.registers, bare.cpu.registers, "{what}: {code:02x?}");
    assert_eq!(trap.virtual_cpu.flags.all(), bare.cpu.flags.all(), "{what}");
    assert_eq!(trap.virtual_cpu.segments, bare.cpu.segments, "{what}");
    assert_eq!(trap.virtual_cpu.control, bare.cpu.control, "{what}");
    assert_eq!(trap.virtual_cpu.debug, bare.cpu.debug, "{what}");
    for frame in 0..MEMORY / PAGE_SIZE {
        let machine = trap.map.machine_address(frame * PAGE_SIZE).unwrap();
        let ours = trap.host.cpu.ram.slice(machine, PAGE_SIZE).unwrap();
        let theirs = bare.cpu.ram.slice(frame * PAGE_SIZE, PAGE_SIZE).unwrap();
        if let Some(offset) = (0..PAGE_SIZE as usize).find(|i| ours[*i] != theirs[*i]) {
            panic!(
                "{what}: guest-physical {:#x} holds {:#x}, on bare metal {:#x}\n{code:02x?}",
                frame * PAGE_SIZE + offset as u64,
                ours[offset],
                theirs[offset]
            );
        }
    }
    assert_eq!(trap.host.ledger.cycles(&trap.host.costs), trap.host.cpu.cycles, "{what}");
    true
}

#[test]
fn random_kernels_end_alike_on_bare_metal_and_under_trap_and_emulate() {
    let count = std::env::var("PARAVANE_KERNELS").ok().and_then(|text| text.parse().ok());
    let count = count.unwrap_or(3000);
    let ended = (1..=count).filter(|seed| agree(*seed)).count() as u64;
    assert!(ended > count / 2, "only {ended} of {count} kernels ended");
    println!("{ended} of {count} random kernels ended, and alike");
}
