//! A CPU with paging, a descriptor table and a task-state segment in memory, whose pages a test
//! maps one by one. Every exception leaves the CPU.
#![allow(dead_code, reason = "each test file uses a part")]

mod snapshot;

use paravane_cpu::state::control::{Cr0, Cr4, Efer};
use paravane_cpu::state::registers::RIP;
use paravane_cpu::state::segments::{
    Attributes, Segment, SegmentName, Segments, Selector, TableRegister,
};
use paravane_cpu::{Activity, Cpu, Exit, Intercepts, InterruptShadow, Vector};

use crate::flat_bus::FlatBus;

#[allow(unused_imports, reason = "each test file uses a part")]
pub use snapshot::Snapshot;

/// Bytes in a page.
pub const PAGE: u64 = 0x1000;
/// Physical address of the root of the page tables.
const ROOT: u64 = 0x1000;
/// Physical address of the first frame that is not a page table.
const FRAMES: u64 = 0x1_0000;
const RAM_SIZE: u64 = 0x4_0000;

/// Linear address of the page with the global descriptor table.
pub const GDT: u64 = 0x3000_0000;
/// Linear address of the page with the task-state segment.
pub const TSS: u64 = 0x3000_1000;
/// Linear address of the page with the stack of ring 0, which the TSS names.
pub const INNER_STACK: u64 = 0x3000_2000;
/// Linear address of the page with the interrupt descriptor table: a gate for every vector, open
/// to all rings.
pub const IDT: u64 = 0x3000_3000;
/// Where all gates lead.
pub const HANDLER: u64 = 0x3000_4000;
/// How many pages have a frame from the start: the four above.
pub const SYSTEM_PAGES: usize = 4;
/// What RSP0 or ESP0 in the TSS holds.
pub const INNER_STACK_TOP: u64 = INNER_STACK + 0x800;

/// Rights of a page, as bits of its entry.
pub mod rights {
    /// Not mapped.
    pub const ABSENT: u64 = 0;
    /// Mapped for ring 0.
    pub const SUPERVISOR: u64 = 3;
    /// Mapped for all, to read.
    pub const READ_ONLY: u64 = 5;
    /// Mapped for all, to read and write.
    pub const ALL: u64 = 7;
}

/// Selectors of the descriptor table, with privilege level 0.
pub mod selectors {
    /// 64-bit code of ring 0.
    pub const CODE_64: u16 = 0x08;
    /// 32-bit code of ring 0.
    pub const CODE_32: u16 = 0x10;
    /// Data of ring 0.
    pub const DATA: u16 = 0x18;
    /// 64-bit code of ring 3.
    pub const USER_CODE_64: u16 = 0x20;
    /// 32-bit code of ring 3.
    pub const USER_CODE_32: u16 = 0x28;
    /// Data of ring 3.
    pub const USER_DATA: u16 = 0x30;
    /// The busy TSS, which TR holds.
    pub const TASK: u16 = 0x40;
    /// An available TSS.
    pub const OTHER_TASK: u16 = 0x50;
    /// A local descriptor table.
    pub const LOCAL_TABLE: u16 = 0x60;
    /// A call gate for ring 3 to [`CODE_64`] or [`CODE_32`].
    pub const GATE: u16 = 0x70;
    /// Data of all rings whose accessed bit is clear.
    pub const FRESH_DATA: u16 = 0x80;
}

/// The two kinds of paged code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 64-bit mode, 4-level paging.
    Long,
    /// 32-bit protected mode, 2-level paging.
    Protected,
}

/// A gate to [`HANDLER`], with type and rights.
fn gate(code: u16, kind: u64) -> u64 {
    HANDLER & 0xffff | u64::from(code) << 16 | kind << 40 | (HANDLER >> 16) << 48
}

/// The machine.
#[derive(Clone)]
pub struct PagedMachine {
    pub cpu: Cpu,
    pub bus: FlatBus,
    pub intercepts: Intercepts,
    pub width: Width,
    next_table: u64,
    /// Linear pages with a frame of their own, in the order of the frames.
    pages: Vec<u64>,
}

impl PagedMachine {
    /// A machine in ring 0 with nothing mapped but the system pages.
    pub fn new(width: Width) -> Self {
        let intercepts = Vector::ALL.into_iter().fold(Intercepts::NONE, Intercepts::with_exception);
        let mut machine = Self {
            cpu: Cpu::new(RAM_SIZE),
            bus: FlatBus::default(),
            intercepts,
            width,
            next_table: ROOT + PAGE,
            pages: Vec::new(),
        };
        machine.set_up_control();
        for page in [GDT, TSS, INNER_STACK, IDT] {
            machine.add_page(page, rights::SUPERVISOR);
        }
        machine.write(GDT, &machine.descriptors());
        machine.write(TSS, &machine.task());
        machine.write(IDT, &machine.gates());
        machine.reset(0);
        machine
    }

    fn set_up_control(&mut self) {
        let control = &mut self.cpu.control;
        control.cr0 = Cr0::PE | Cr0::PG | Cr0::WP | Cr0::NE | Cr0::ET;
        control.cr3 = ROOT;
        if self.width == Width::Long {
            control.cr4 = Cr4::PAE | Cr4::FSGSBASE;
            control.efer = Efer::LME | Efer::LMA | Efer::NXE | Efer::SCE;
        }
    }

    fn descriptors(&self) -> Vec<u8> {
        let code = if self.width == Width::Long { selectors::CODE_64 } else { selectors::CODE_32 };
        let system = |base: u64, limit: u64, kind: u64| {
            limit & 0xffff
                | (base & 0xff_ffff) << 16
                | (kind | 0x80) << 40
                | (base >> 24 & 0xff) << 56
        };
        let mut words = [0_u64; 18];
        for (selector, value) in [
            (selectors::CODE_64, 0x00af_9b00_0000_ffff),
            (selectors::CODE_32, 0x00cf_9b00_0000_ffff),
            (selectors::DATA, 0x00cf_9300_0000_ffff),
            (selectors::USER_CODE_64, 0x00af_fb00_0000_ffff),
            (selectors::USER_CODE_32, 0x00cf_fb00_0000_ffff),
            (selectors::USER_DATA, 0x00cf_f300_0000_ffff),
            (selectors::TASK, system(TSS, 0x67, 11)),
            (selectors::OTHER_TASK, system(TSS, 0x67, 9)),
            (selectors::LOCAL_TABLE, system(GDT + 0x800, 0xff, 2)),
            (selectors::GATE, gate(code, 0xec)),
            (selectors::FRESH_DATA, 0x00cf_f200_0000_ffff),
        ] {
            words[usize::from(selector >> 3)] = value;
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn gates(&self) -> Vec<u8> {
        let word = match self.width {
            Width::Long => vec![gate(selectors::CODE_64, 0xee), 0],
            Width::Protected => vec![gate(selectors::CODE_32, 0xee)],
        };
        let table = word.repeat(256);
        table.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn task(&self) -> Vec<u8> {
        let mut task = vec![0; 0x68];
        match self.width {
            Width::Long => task[4..12].copy_from_slice(&INNER_STACK_TOP.to_le_bytes()),
            Width::Protected => {
                task[4..8].copy_from_slice(&(INNER_STACK_TOP as u32).to_le_bytes());
                task[8..10].copy_from_slice(&selectors::DATA.to_le_bytes());
            }
        }
        task
    }

    /// Gives a linear page a frame of its own.
    pub fn add_page(&mut self, linear: u64, rights: u64) {
        self.pages.push(linear);
        let frame = FRAMES + (self.pages.len() as u64 - 1) * PAGE;
        assert!(frame < RAM_SIZE, "no frame left");
        self.map(linear, frame, rights);
    }

    /// Maps a linear page to a frame. Flushes nothing.
    pub fn map(&mut self, linear: u64, frame: u64, rights: u64) {
        let entry = self.entry(linear);
        self.write_entry(entry, frame | rights);
    }

    /// Changes the rights of a mapped page. Flushes nothing.
    pub fn protect(&mut self, linear: u64, rights: u64) {
        let frame = self.frame(linear);
        self.map(linear, frame, rights);
    }

    /// The frame that a page was given by [`Self::add_page`].
    pub fn frame(&self, linear: u64) -> u64 {
        let number = self.pages.iter().position(|page| *page == linear & !(PAGE - 1));
        FRAMES + number.expect("the page has a frame") as u64 * PAGE
    }

    /// Physical address of the entry that maps a linear page; makes the tables on the way.
    pub fn entry(&mut self, linear: u64) -> u64 {
        let (bytes, shifts): (u64, &[u32]) = match self.width {
            Width::Long => (8, &[39, 30, 21]),
            Width::Protected => (4, &[22]),
        };
        let in_table =
            |table: u64, shift: u32| table + (linear >> shift & (PAGE / bytes - 1)) * bytes;
        let mut table = ROOT;
        for shift in shifts {
            let slot = in_table(table, *shift);
            if self.read_entry(slot) == 0 {
                assert!(self.next_table < FRAMES, "no page table left");
                self.write_entry(slot, self.next_table | rights::ALL);
                self.next_table += PAGE;
            }
            table = self.read_entry(slot) & !(PAGE - 1);
        }
        in_table(table, 12)
    }

    /// Reads a paging-structure entry.
    pub fn read_entry(&self, slot: u64) -> u64 {
        match self.width {
            Width::Long => self.cpu.ram.read::<u64>(slot).unwrap(),
            Width::Protected => self.cpu.ram.read::<u32>(slot).unwrap().into(),
        }
    }

    fn write_entry(&mut self, slot: u64, value: u64) {
        assert!(match self.width {
            Width::Long => self.cpu.ram.write(slot, value),
            Width::Protected => self.cpu.ram.write(slot, value as u32),
        });
    }

    /// Writes memory through the pages' frames, whatever their rights.
    pub fn write(&mut self, linear: u64, bytes: &[u8]) {
        for (offset, byte) in (0..).zip(bytes) {
            let address = linear.wrapping_add(offset);
            let physical = self.frame(address) + (address & (PAGE - 1));
            assert!(self.cpu.write_ram(physical, &[*byte]));
        }
    }

    /// The bytes of all pages that have a frame.
    pub fn memory(&self) -> &[u8] {
        self.cpu.ram.slice(FRAMES, self.pages.len() as u64 * PAGE).unwrap()
    }

    /// Puts back what [`Self::memory`] returned.
    pub fn set_memory(&mut self, memory: &[u8]) {
        assert!(self.cpu.write_ram(FRAMES, memory));
    }

    /// The selectors of code and data in a ring.
    pub fn selectors(&self, ring: u8) -> (u16, u16) {
        let long = self.width == Width::Long;
        match (ring, long) {
            (0, true) => (selectors::CODE_64, selectors::DATA),
            (0, false) => (selectors::CODE_32, selectors::DATA),
            (_, true) => (selectors::USER_CODE_64 | 3, selectors::USER_DATA | 3),
            (_, false) => (selectors::USER_CODE_32 | 3, selectors::USER_DATA | 3),
        }
    }

    /// Flat segments of a ring, fresh flags and control state; drops all translations.
    pub fn reset(&mut self, ring: u8) {
        let dpl = u16::from(ring) << 5;
        let (code, data) = self.selectors(ring);
        let code_kind = if self.width == Width::Long { 0xa09b } else { 0xc09b };
        let flat = |selector: u16, kind: u16| {
            Segment::new(Selector(selector), 0, u32::MAX, Attributes(kind | dpl))
        };
        self.cpu.segments = Segments::default();
        for name in SegmentName::ALL {
            self.cpu.segments.set(name, flat(data, 0xc093));
        }
        self.cpu.segments.set(SegmentName::Cs, flat(code, code_kind));
        self.cpu.segments.gdtr = TableRegister { base: GDT, limit: 18 * 8 - 1 };
        self.cpu.segments.idtr = TableRegister { base: IDT, limit: 0xfff };
        let task = Segment::new(Selector(selectors::TASK), TSS, 0x86, Attributes(0x8b));
        self.cpu.segments.tr = task;
        self.cpu.segments.ldtr = Segment::null(Selector(0));
        self.set_up_control();
        self.cpu.cpl = ring;
        self.cpu.shadow = InterruptShadow::None;
        self.cpu.activity = Activity::Running;
        self.cpu.nmi_blocked = false;
        self.bus = FlatBus::default();
        self.cpu.refresh();
    }

    /// Executes until one instruction has retired, all iterations of it, or something leaves.
    pub fn execute_one(&mut self) -> Exit {
        let before = (self.cpu.instructions, self.cpu.rip());
        loop {
            let exit = self.cpu.run(&mut self.bus, &self.intercepts, 1);
            // INT retires by its delivery, and is counted as that.
            let retired = before != (self.cpu.instructions, self.cpu.rip());
            if exit != Exit::Budget || retired {
                return exit;
            }
        }
    }

    /// Executes one instruction at a linear address.
    pub fn execute_at(&mut self, rip: u64) -> Exit {
        self.cpu.registers.set(RIP, rip);
        self.execute_one()
    }
}
