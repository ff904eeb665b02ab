//! A CPU in a chosen mode and ring, which executes one instruction at a time.
#![allow(dead_code, reason = "each test file uses a part")]

use paravane_cpu::state::control::{Cr0, Cr4, Efer};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RIP, RSP};
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector};
use paravane_cpu::{Cpu, Exception, Exit, Intercepts, Sensitive, Vector};

use crate::flat_bus::FlatBus;

/// Physical, and in flat modes linear, address of the root of the page tables.
pub const ROOT: u64 = 0x1000;
/// Of the page table that maps the first 2 MiB onto themselves.
pub const PAGE_TABLE: u64 = 0x4000;
/// Of the instruction under test.
pub const CODE: u64 = 0x1_0000;
/// Of the top of the stack.
pub const STACK: u64 = 0x8000;
/// Of memory for operands.
pub const DATA: u64 = 0x3_0000;
/// Of the task-state segment, where a test sets one up.
pub const TSS: u64 = 0x4_0000;

const RAM_SIZE: u64 = 0x20_0000;

/// What a segment of ring 3 adds to its attributes.
const DPL_3: u16 = 0x60;
const CODE_64: u16 = 0xa09b;
const CODE_32: u16 = 0xc09b;
const CODE_16: u16 = 0x009b;
const DATA_32: u16 = 0xc093;
const DATA_16: u16 = 0x0093;

/// #UD.
pub const UD: Result<(), Exception> = Err(Exception::INVALID_OPCODE);
/// #GP(0).
pub const GP: Result<(), Exception> = Err(Exception::GENERAL_PROTECTION);
/// #NM.
pub const NM: Result<(), Exception> = Err(Exception::DEVICE_NOT_AVAILABLE);

fn real_segment(base: u64, attributes: u16) -> Segment {
    Segment::new(Selector((base >> 4) as u16), base, 0xffff, Attributes(attributes))
}

fn flat_segment(selector: u16, attributes: u16, ring: u8) -> Segment {
    let selector = Selector(selector).with_rpl(ring);
    Segment::new(selector, 0, u32::MAX, Attributes(attributes).with_dpl(ring))
}

/// A CPU without any operating system: every exception leaves it.
pub struct TestMachine {
    pub cpu: Cpu,
    pub bus: FlatBus,
    pub intercepts: Intercepts,
}

impl TestMachine {
    fn new() -> Self {
        let intercepts = Vector::ALL.into_iter().fold(Intercepts::NONE, Intercepts::with_exception);
        Self { cpu: Cpu::new(RAM_SIZE), bus: FlatBus::default(), intercepts }
    }

    /// Real mode; segments start at 0, except CS.
    pub fn real() -> Self {
        let mut machine = Self::new();
        machine.set_segments(0, real_segment(CODE, CODE_16), real_segment(0, DATA_16));
        machine
    }

    /// Virtual-8086 mode, paging off; segments as in real mode.
    pub fn virtual_8086() -> Self {
        let mut machine = Self::new();
        machine.cpu.control.cr0 = Cr0::PE | Cr0::ET;
        machine.cpu.flags.set_system(Rflags::VM, true);
        let attributes = DATA_16 | DPL_3;
        machine.set_segments(3, real_segment(CODE, attributes), real_segment(0, attributes));
        machine
    }

    /// 32-bit protected mode, paging off, ring 0, flat segments.
    pub fn protected() -> Self {
        let mut machine = Self::new();
        machine.cpu.control.cr0 = Cr0::PE | Cr0::ET;
        machine.set_segments(0, flat_segment(8, CODE_32, 0), flat_segment(16, DATA_32, 0));
        machine
    }

    /// 64-bit mode, ring 0. The first 2 MiB are mapped to themselves by 4 KiB user pages.
    pub fn long() -> Self {
        let mut machine = Self::new();
        let cpu = &mut machine.cpu;
        for (table, next) in [(ROOT, 0x2000), (0x2000, 0x3000), (0x3000, PAGE_TABLE)] {
            assert!(cpu.ram.write(table, next | 7_u64));
        }
        for page in 0..512 {
            assert!(cpu.ram.write(PAGE_TABLE + 8 * page, page << 12 | 7));
        }
        cpu.control.cr0 = Cr0::PE | Cr0::PG | Cr0::ET;
        cpu.control.cr3 = ROOT;
        cpu.control.cr4 = Cr4::PAE;
        cpu.control.efer = Efer::LME | Efer::LMA;
        machine.set_segments(0, flat_segment(8, CODE_64, 0), flat_segment(16, DATA_32, 0));
        machine
    }

    /// The same with a 32-bit code segment: compatibility mode.
    pub fn compatibility() -> Self {
        let mut machine = Self::long();
        machine.set_segments(0, flat_segment(8, CODE_32, 0), flat_segment(16, DATA_32, 0));
        machine
    }

    /// The same at another ring.
    pub fn at_ring(mut self, ring: u8) -> Self {
        let code = self.cpu.segments.get(SegmentName::Cs).attributes.0;
        self.set_segments(ring, flat_segment(8, code, ring), flat_segment(16, DATA_32, ring));
        self
    }

    /// The same after some changes of the CPU's state.
    pub fn with(mut self, change: impl FnOnce(&mut Cpu)) -> Self {
        change(&mut self.cpu);
        self.cpu.refresh();
        self
    }

    /// The same with one more intercepted instruction.
    pub fn intercepting(mut self, instruction: Sensitive) -> Self {
        self.intercepts = self.intercepts.with_instruction(instruction);
        self
    }

    fn set_segments(&mut self, ring: u8, code: Segment, data: Segment) {
        for name in SegmentName::ALL {
            let segment = if name == SegmentName::Cs { code } else { data };
            self.cpu.segments.set(name, segment);
        }
        self.cpu.cpl = ring;
        self.cpu.registers.set(RSP, STACK);
        self.cpu.refresh();
    }

    /// Executes one instruction, or one iteration of it, and tells how that ended.
    pub fn exit_of(&mut self, code: &[u8]) -> Exit {
        assert!(self.cpu.write_ram(CODE, code));
        let base = self.cpu.segments.get(SegmentName::Cs).base;
        self.cpu.registers.set(RIP, CODE - base);
        self.cpu.state_changed();
        self.cpu.run(&mut self.bus, &self.intercepts, 1)
    }

    /// Executes one instruction, which must retire or raise an exception.
    #[expect(clippy::panic, reason = "how a test fails")]
    pub fn execute(&mut self, code: &[u8]) -> Result<(), Exception> {
        match self.exit_of(code) {
            Exit::Budget => Ok(()),
            Exit::Exception(exception) => Err(exception),
            other => panic!("{code:02x?} ended with {other:?}"),
        }
    }

    /// Executes one instruction after setting registers.
    pub fn execute_with(&mut self, registers: &[(u8, u64)], code: &[u8]) -> Result<(), Exception> {
        for (register, value) in registers {
            self.cpu.registers.set(*register, *value);
        }
        self.execute(code)
    }

    /// All 64 bits of a register.
    pub fn get(&self, register: u8) -> u64 {
        self.cpu.registers.get(register)
    }

    /// RFLAGS as a number.
    pub fn rflags(&self) -> u64 {
        self.cpu.flags.bits()
    }
}
