//! A machine with tables, rings and stacks, for tests that run one instruction on it.
//!
//! ```text
//!   0x1000  page tables (long mode: the first 2 MiB, for everybody)
//!   0x5000  GDT      0x5800  LDT      0x6000  IDT      0x7000  TSS
//!  0x10000  code
//!  0x20000  top of the stack in use   0x30000  top of ring 0's stack in the TSS
//!  0x40008  entry 1 of the interrupt stack table: not aligned, on purpose
//! ```

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken test may panic")]

#[path = "../flat_bus/mod.rs"]
pub mod flat_bus;

use flat_bus::FlatBus;
use paravane_cpu::state::control::{Cr0, Cr4, Efer};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RIP, RSP};
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector, TableRegister};
use paravane_cpu::{Cpu, Exception, Exit, Intercepts, Vector, Word};

pub const GDT: u64 = 0x5000;
pub const GDT_LIMIT: u16 = 0x17f;
pub const LDT: u64 = 0x5800;
pub const IDT: u64 = 0x6000;
pub const TSS: u64 = 0x7000;
pub const CODE: u64 = 0x1_0000;
pub const STACK: u64 = 0x2_0000;
pub const STACK_0: u64 = 0x3_0000;
pub const IST_1: u64 = 0x4_0008;
pub const RAM_SIZE: u64 = 0x10_0000;
/// Where the handlers and called procedures of the tests start.
pub const HANDLER: u64 = 0x1_8000;

/// Selectors of the global table, with RPL 0.
pub mod selectors {
    pub const CODE_0: u16 = 0x08;
    pub const DATA_0: u16 = 0x10;
    pub const CODE_3: u16 = 0x18;
    pub const DATA_3: u16 = 0x20;
    pub const CONFORMING_0: u16 = 0x28;
    pub const ABSENT_CODE_0: u16 = 0x30;
    pub const ABSENT_CODE_3: u16 = 0x38;
    pub const SHORT_CODE_3: u16 = 0x40;
    pub const CODE_1: u16 = 0x48;
    pub const DATA_1: u16 = 0x50;
    pub const ABSENT_DATA_0: u16 = 0x58;
    pub const ABSENT_DATA_3: u16 = 0x60;
    pub const READ_ONLY_3: u16 = 0x68;
    pub const EXECUTE_ONLY_3: u16 = 0x70;
    pub const CODE16_0: u16 = 0x78;
    pub const DATA16_0: u16 = 0x80;
    pub const CODE16_3: u16 = 0x88;
    pub const DATA16_3: u16 = 0x90;
    pub const LONG_0: u16 = 0x98;
    pub const LONG_3: u16 = 0xa0;
    pub const LONG_AND_BIG_3: u16 = 0xa8;
    /// 8 bytes of limit: ring 0's data, no room for a frame.
    pub const TINY_0: u16 = 0xb0;
    pub const CONFORMING_3: u16 = 0xb8;
    /// 16 bytes in long mode.
    pub const BUSY_TSS: u16 = 0xc0;
    /// 16 bytes in long mode.
    pub const LOCAL_TABLE: u16 = 0xd0;
    /// A gate that the test defines; 16 bytes in long mode.
    pub const GATE: u16 = 0xe0;
    /// 16 bytes in long mode.
    pub const AVAILABLE_TSS: u16 = 0xf0;
    /// Writable data of ring 3 whose accessed bit is clear.
    pub const FRESH_DATA_3: u16 = 0x100;
    pub const LONG_CONFORMING_0: u16 = 0x108;
    pub const ABSENT_LONG_0: u16 = 0x110;
    /// The first one behind the table.
    pub const OUTSIDE: u16 = 0x180;
    /// The first descriptor of the local table: data of ring 3.
    pub const LOCAL_DATA_3: u16 = 0x04;
    /// Behind the local table.
    pub const LOCAL_OUTSIDE: u16 = 0x14;
}

/// A code, data or system descriptor. `attributes` as [`Attributes`] holds them.
pub fn descriptor(base: u64, limit: u64, attributes: u64) -> u64 {
    limit & 0xffff
        | (base & 0xff_ffff) << 16
        | (attributes & 0xf0ff) << 40
        | (limit >> 16 & 15) << 48
        | (base >> 24 & 0xff) << 56
}

/// A gate. `access` is its access byte, `count` the parameters of a call gate or, in long mode,
/// the entry of the interrupt stack table.
pub fn gate(selector: u16, offset: u64, access: u64, count: u64) -> u64 {
    offset & 0xffff
        | u64::from(selector) << 16
        | count << 32
        | access << 40
        | (offset >> 16 & 0xffff) << 48
}

/// Access bytes of present gates.
pub mod access {
    pub const INTERRUPT: u64 = 0x8e;
    pub const TRAP: u64 = 0x8f;
    pub const INTERRUPT16: u64 = 0x86;
    pub const TRAP16: u64 = 0x87;
    pub const TASK: u64 = 0x85;
    pub const CALL: u64 = 0x8c;
    pub const CALL16: u64 = 0x84;
    /// To be added: DPL 3.
    pub const RING_3: u64 = 0x60;
    /// To be subtracted: not present.
    pub const PRESENT: u64 = 0x80;
}

/// The machine.
#[derive(Clone)]
pub struct Machine {
    pub cpu: Cpu,
    pub bus: FlatBus,
}

/// What an instruction that faults must leave alone.
fn visible(cpu: &Cpu) -> impl PartialEq + std::fmt::Debug + use<> {
    (cpu.registers.clone(), cpu.flags.bits(), cpu.segments.clone(), cpu.control.clone(), cpu.cpl)
}

impl Machine {
    fn new() -> Self {
        let mut machine = Self { cpu: Cpu::new(RAM_SIZE), bus: FlatBus::default() };
        machine.cpu.registers.set(RIP, CODE);
        machine.cpu.registers.set(RSP, STACK);
        machine
    }

    /// Protected mode without paging, in 32-bit code of `ring`, all flat.
    pub fn protected(ring: u8) -> Self {
        let mut machine = Self::new();
        machine.cpu.control.cr0 = Cr0::PE | Cr0::ET;
        machine.fill_tables();
        machine.set(TSS + 4, STACK_0 as u32);
        machine.set(TSS + 8, u32::from(selectors::DATA_0));
        machine.task_register(0x67, 0x8b);
        machine.enter_ring(ring, selectors::CODE_0, selectors::CODE_3);
        machine
    }

    /// 64-bit mode in `ring`.
    pub fn long(ring: u8) -> Self {
        let mut machine = Self::long_tables();
        machine.enter_ring(ring, selectors::LONG_0, selectors::LONG_3);
        machine
    }

    /// Compatibility mode, 32-bit code in `ring`.
    pub fn compatibility(ring: u8) -> Self {
        let mut machine = Self::long_tables();
        machine.enter_ring(ring, selectors::CODE_0, selectors::CODE_3);
        machine
    }

    fn long_tables() -> Self {
        let mut machine = Self::new();
        machine.cpu.control.cr0 = Cr0::PE | Cr0::PG | Cr0::WP | Cr0::ET;
        machine.cpu.control.cr4 = Cr4::PAE;
        machine.cpu.control.cr3 = 0x1000;
        machine.cpu.control.efer = Efer::LME | Efer::LMA | Efer::SCE;
        machine.set::<u64>(0x1000, 0x2007);
        machine.set::<u64>(0x2000, 0x3007);
        machine.set::<u64>(0x3000, 0x87);
        machine.fill_tables();
        machine.set(TSS + 4, STACK_0);
        machine.set(TSS + 36, IST_1);
        machine.task_register(0x67, 0x8b);
        machine
    }

    /// Real mode: CS 0x1000, IP 0, SS 0x1000, SP 0xfffe.
    pub fn real() -> Self {
        let mut machine = Self::new();
        let code = Segment::real_mode(Selector(0x1000), 0xffff, Attributes::DATA);
        machine.cpu.segments.set(SegmentName::Cs, code);
        machine.cpu.segments.set(SegmentName::Ss, code);
        machine.cpu.segments.idtr = TableRegister { base: 0, limit: 0x3ff };
        machine.cpu.registers.set(RIP, 0);
        machine.cpu.registers.set(RSP, 0xfffe);
        machine
    }

    /// Virtual-8086 mode under the tables of protected mode, otherwise as real mode.
    pub fn virtual_8086(io_privilege_level: u64) -> Self {
        let mut machine = Self::protected(3);
        let segment = Segment::real_mode(Selector(0x1000), 0xffff, Attributes(0xf3));
        for name in SegmentName::ALL {
            machine.cpu.segments.set(name, segment);
        }
        let flags = Rflags::VM | Rflags::IF | Rflags::from_bits_retain(io_privilege_level << 12);
        machine.cpu.flags.set_all(flags);
        machine.cpu.registers.set(RIP, 0);
        machine.cpu.registers.set(RSP, 0xfffe);
        machine
    }

    fn fill_tables(&mut self) {
        use selectors as s;
        const FLAT: u64 = 0xf_ffff;
        let descriptors = [
            (s::CODE_0, FLAT, 0xc09b),
            (s::DATA_0, FLAT, 0xc093),
            (s::CODE_3, FLAT, 0xc0fb),
            (s::DATA_3, FLAT, 0xc0f3),
            (s::CONFORMING_0, FLAT, 0xc09f),
            (s::ABSENT_CODE_0, FLAT, 0xc01b),
            (s::ABSENT_CODE_3, FLAT, 0xc07b),
            (s::SHORT_CODE_3, 0xfff, 0x40fb),
            (s::CODE_1, FLAT, 0xc0bb),
            (s::DATA_1, FLAT, 0xc0b3),
            (s::ABSENT_DATA_0, FLAT, 0xc013),
            (s::ABSENT_DATA_3, FLAT, 0xc073),
            (s::READ_ONLY_3, FLAT, 0xc0f1),
            (s::EXECUTE_ONLY_3, FLAT, 0xc0f9),
            (s::CODE16_0, FLAT, 0x809b),
            (s::DATA16_0, FLAT, 0x8093),
            (s::CODE16_3, FLAT, 0x80fb),
            (s::DATA16_3, FLAT, 0x80f3),
            (s::LONG_0, FLAT, 0xa09b),
            (s::LONG_3, FLAT, 0xa0fb),
            (s::LONG_AND_BIG_3, FLAT, 0xe0fb),
            (s::TINY_0, 7, 0x4093),
            (s::CONFORMING_3, FLAT, 0xc0ff),
            (s::FRESH_DATA_3, FLAT, 0xc0f2),
            (s::LONG_CONFORMING_0, FLAT, 0xa09f),
            (s::ABSENT_LONG_0, FLAT, 0xa01b),
        ];
        for (selector, limit, attributes) in descriptors {
            self.describe(selector, descriptor(0, limit, attributes));
        }
        self.describe(s::BUSY_TSS, descriptor(TSS, 0x67, 0x8b));
        self.describe(s::AVAILABLE_TSS, descriptor(TSS + 0x800, 0x67, 0x89));
        self.describe(s::LOCAL_TABLE, descriptor(LDT, 0xf, 0x82));
        self.set(LDT, descriptor(0, FLAT, 0xc0f3));
        self.cpu.segments.gdtr = TableRegister { base: GDT, limit: GDT_LIMIT };
        self.cpu.segments.idtr = TableRegister { base: IDT, limit: 0xfff };
        self.cpu.segments.ldtr = Segment::new(Selector(s::LOCAL_TABLE), LDT, 0xf, Attributes(0x82));
    }

    /// Replaces the hidden part of TR.
    pub fn task_register(&mut self, limit: u32, attributes: u16) {
        let selector = Selector(selectors::BUSY_TSS);
        self.cpu.segments.tr = Segment::new(selector, TSS, limit, Attributes(attributes));
    }

    fn enter_ring(&mut self, ring: u8, code_0: u16, code_3: u16) {
        let (code, data) = match ring {
            0 => (code_0, selectors::DATA_0),
            1 => (selectors::CODE_1, selectors::DATA_1),
            _ => (code_3, selectors::DATA_3),
        };
        self.cpu.cpl = ring;
        for name in SegmentName::ALL {
            let selector = if name == SegmentName::Cs { code } else { data };
            self.hold(name, selector | u16::from(ring));
        }
        self.cpu.flags.set_all(Rflags::IF);
    }

    /// Puts a descriptor of the global table into a segment register, without any check.
    pub fn hold(&mut self, name: SegmentName, selector: u16) {
        let entry = self.get::<u64>(GDT + u64::from(selector & !7));
        let segment = paravane_cpu::state::segments::Descriptor(entry).segment(Selector(selector));
        self.cpu.segments.set(name, segment);
    }

    /// Writes RAM.
    pub fn set<W: Word>(&mut self, address: u64, value: W) {
        assert!(self.cpu.ram.write(address, value));
    }

    /// Reads RAM.
    pub fn get<W: Word>(&self, address: u64) -> W {
        self.cpu.ram.read(address).unwrap()
    }

    /// Writes a descriptor of the global table.
    pub fn describe(&mut self, selector: u16, value: u64) {
        self.set(GDT + u64::from(selector & !7), value);
    }

    /// Writes a gate of 8 bytes.
    pub fn interrupt_gate(&mut self, vector: u8, gate: u64) {
        self.set(IDT + u64::from(vector) * 8, gate);
    }

    /// Writes a gate of 16 bytes.
    pub fn long_interrupt_gate(&mut self, vector: u8, gate: u64, upper: u64) {
        self.set(IDT + u64::from(vector) * 16, gate);
        self.set(IDT + u64::from(vector) * 16 + 8, upper);
    }

    /// Values on the stack, from the top.
    pub fn stack<W: Word, const N: usize>(&self) -> [u64; N] {
        let stack = self.cpu.segments.get(SegmentName::Ss);
        let base =
            if self.cpu.mode() == paravane_cpu::state::mode::Mode::Long64 { 0 } else { stack.base };
        let mask = if self.cpu.segments.get(SegmentName::Ss).attributes.is_big() || base == 0 {
            u64::MAX
        } else {
            0xffff
        };
        std::array::from_fn(|slot| {
            let offset = (self.cpu.rsp() + slot as u64 * W::BYTES) & mask;
            self.get::<W>(base + offset).zero_extend()
        })
    }

    /// Puts values on the stack, the first one on top.
    pub fn put_stack<W: Word>(&mut self, values: &[u64]) {
        let base = self.cpu.segments.get(SegmentName::Ss).base;
        let top = self.cpu.rsp() - values.len() as u64 * W::BYTES;
        for (slot, value) in (0..).zip(values) {
            self.set(base + top + slot * W::BYTES, W::truncate(*value));
        }
        self.cpu.registers.set(RSP, top);
    }

    pub fn selector(&self, name: SegmentName) -> u16 {
        self.cpu.segments.get(name).selector.0
    }

    pub fn flag(&self, flag: Rflags) -> bool {
        self.cpu.flags.all().contains(flag)
    }

    /// Where execution goes on: CS, RIP and the ring.
    pub fn place(&self) -> (u16, u64, u8) {
        (self.selector(SegmentName::Cs), self.cpu.rip(), self.cpu.cpl)
    }

    /// Writes code at CS:RIP and runs one instruction or one delivery of it.
    pub fn run(&mut self, code: &[u8], intercepts: Intercepts) -> Exit {
        let start = self.cpu.segments.get(SegmentName::Cs).base + self.cpu.rip();
        let place = self.cpu.ram.slice_mut(start, code.len() as u64).unwrap();
        place.copy_from_slice(code);
        self.cpu.forget_decoded_code();
        self.cpu.refresh();
        self.cpu.run(&mut self.bus, &intercepts, 1)
    }

    /// Runs one instruction, or one delivery, that must end without an exit.
    pub fn step(&mut self, code: &[u8]) {
        let exit = self.run(code, every_exception());
        assert_eq!(exit, Exit::Budget, "after {code:02x?}");
    }

    /// Runs one instruction on a copy. If it raises an exception, checks that nothing changed.
    pub fn outcome(&self, code: &[u8]) -> Result<Self, Exit> {
        let mut copy = self.clone();
        let exit = copy.run(code, every_exception());
        if exit == Exit::Budget {
            return Ok(copy);
        }
        assert_eq!(visible(&copy.cpu), visible(&self.cpu), "{exit:?} after {code:02x?}");
        Err(exit)
    }

    /// Runs one instruction that raises `vector`, and its delivery, on a copy. If the delivery
    /// raises another exception, checks that nothing changed.
    pub fn delivered(&self, vector: Vector, code: &[u8]) -> Result<Self, Exit> {
        let mut copy = self.clone();
        let others = Vector::ALL.into_iter().filter(|other| *other != vector);
        let exit = copy.run(code, others.fold(Intercepts::NONE, Intercepts::with_exception));
        if exit == Exit::Budget {
            return Ok(copy);
        }
        assert_eq!(visible(&copy.cpu), visible(&self.cpu), "{exit:?} after {code:02x?}");
        Err(exit)
    }

    /// The exception that one instruction raises, if any.
    pub fn fault(&self, code: &[u8]) -> Option<Exception> {
        match self.outcome(code) {
            Ok(_) => None,
            Err(Exit::Exception(exception)) => Some(exception),
            Err(exit) => panic!("{exit:?} after {code:02x?}"),
        }
    }
}

/// Exceptions leave, so that the test sees them.
pub fn every_exception() -> Intercepts {
    Vector::ALL.into_iter().fold(Intercepts::NONE, Intercepts::with_exception)
}

/// The exceptions of segmentation, as the manual writes them.
pub fn gp(code: u16) -> Option<Exception> {
    Some(Exception::with_code(Vector::GeneralProtection, code))
}

pub fn ss(code: u16) -> Option<Exception> {
    Some(Exception::with_code(Vector::StackFault, code))
}

pub fn np(code: u16) -> Option<Exception> {
    Some(Exception::with_code(Vector::SegmentNotPresent, code))
}

pub fn ts(code: u16) -> Option<Exception> {
    Some(Exception::with_code(Vector::InvalidTss, code))
}

pub const UD: Option<Exception> = Some(Exception::INVALID_OPCODE);
