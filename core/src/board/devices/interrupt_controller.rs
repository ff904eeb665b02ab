//! The 8259A programmable interrupt controller, with the edge/level control register (ELCR) that
//! EISA added. A PC has two: the slave's INT output is wired to line 2 of the master.
//!
//! Source: Intel 8259A datasheet (order number 231468); ELCR: Intel 82371SB (PIIX3) datasheet.
//! As in that chip, ELCR replaces the LTIM bit of ICW1. Left out: the MCS-80/85 mode and the
//! buffered mode, which no PC can use.

use paravane_cpu::AccessWidth;

use super::super::device::{Device, PortRange};
use crate::inspection::Inspection;

/// The line of the master to which the slave is wired.
pub const CASCADE_LINE: u8 = 2;
/// The level that an acknowledge cycle yields when no line requests.
const SPURIOUS_LEVEL: u8 = 7;

/// Which of a PC's two controllers this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Lines 0 to 7, ports 0x20 and 0x21; drives the INTR pin of the CPU.
    Master,
    /// Lines 8 to 15, ports 0xA0 and 0xA1.
    Slave,
}

/// The initialization command word that the data port expects next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Operation,
    Icw2,
    Icw3,
    Icw4,
}

/// One 8259A.
#[derive(Clone, Debug)]
pub struct InterruptController {
    role: Role,
    expect: Expect,
    single: bool,
    needs_icw4: bool,
    vector_base: u8,
    /// Levels of the input pins.
    lines: u8,
    /// The edge sense latches: which lines have risen and stayed high.
    edges: u8,
    /// Which lines are level triggered (ELCR).
    level_triggered: u8,
    in_service: u8,
    mask: u8,
    /// The level with the lowest priority; the next one up has the highest.
    lowest_priority: u8,
    auto_end_of_interrupt: bool,
    rotate_on_auto_end: bool,
    special_mask: bool,
    special_fully_nested: bool,
    read_in_service: bool,
    poll: bool,
}

impl InterruptController {
    /// A controller as a PC's firmware leaves it (vectors 0x08 and 0x70), with all lines masked.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            expect: Expect::Operation,
            single: false,
            needs_icw4: true,
            vector_base: if role == Role::Master { 0x08 } else { 0x70 },
            lines: 0,
            edges: 0,
            level_triggered: 0,
            in_service: 0,
            mask: 0xFF,
            lowest_priority: 7,
            auto_end_of_interrupt: false,
            rotate_on_auto_end: false,
            special_mask: false,
            special_fully_nested: false,
            read_in_service: false,
            poll: false,
        }
    }

    /// Sets the level of input pin `line` (0 to 7). A line that falls before it is acknowledged
    /// takes its request back.
    pub fn set_line(&mut self, line: u8, high: bool) {
        let bit = 1 << (line & 7);
        if !high {
            self.lines &= !bit;
            self.edges &= !bit;
        } else if self.lines & bit == 0 {
            self.lines |= bit;
            self.edges |= bit;
        }
    }

    /// The INT output pin: whether a line requests that outranks all that is in service.
    pub fn output(&self) -> bool {
        self.expect == Expect::Operation && self.requested_level().is_some()
    }

    /// The acknowledge cycle: the level that is now in service, or `None` if the request has
    /// gone, which the CPU sees as level 7.
    pub fn acknowledge(&mut self) -> Option<u8> {
        let level = self.requested_level()?;
        let bit = 1 << level;
        self.edges &= !bit;
        if !self.auto_end_of_interrupt {
            self.in_service |= bit;
        } else if self.rotate_on_auto_end {
            self.lowest_priority = level;
        }
        Some(level)
    }

    /// The vector of an acknowledged level.
    pub fn vector(&self, level: Option<u8>) -> u8 {
        self.vector_base | level.unwrap_or(SPURIOUS_LEVEL)
    }

    /// The interrupt request register.
    fn requests(&self) -> u8 {
        (self.lines & self.level_triggered) | (self.edges & !self.level_triggered)
    }

    /// The levels from highest to lowest priority.
    fn priority_order(&self) -> impl Iterator<Item = u8> + use<> {
        let lowest = self.lowest_priority;
        (1..=8).map(move |distance| (lowest + distance) & 7)
    }

    fn requested_level(&self) -> Option<u8> {
        let requests = self.requests() & !self.mask;
        if requests == 0 {
            return None;
        }
        let mut blocking = self.in_service;
        if self.special_mask {
            blocking &= !self.mask;
        }
        for level in self.priority_order() {
            let bit = 1 << level;
            // The master of a special fully nested pair hears its slave again while it serves it.
            let nested =
                self.special_fully_nested && self.role == Role::Master && level == CASCADE_LINE;
            if blocking & bit != 0 && !(nested && requests & bit != 0) {
                return None;
            }
            if requests & bit != 0 {
                return Some(level);
            }
        }
        None
    }

    /// ICW1 restarts the initialization sequence.
    fn initialize(&mut self, icw1: u8) {
        self.expect = Expect::Icw2;
        self.single = icw1 & 1 << 1 != 0;
        self.needs_icw4 = icw1 & 1 != 0;
        self.edges = 0;
        self.in_service = 0;
        self.mask = 0;
        self.lowest_priority = 7;
        self.special_mask = false;
        self.read_in_service = false;
        self.poll = false;
        self.auto_end_of_interrupt = false;
        self.rotate_on_auto_end = false;
        self.special_fully_nested = false;
    }

    /// OCW2: end of interrupt and rotation. Bits 7 to 5 are R, SL and EOI.
    fn end_or_rotate(&mut self, ocw2: u8) {
        let named = ocw2 & 7;
        let mut served = self.in_service;
        if self.special_mask {
            served &= !self.mask;
        }
        let highest = self.priority_order().find(|level| served & 1 << level != 0);
        match ocw2 >> 5 {
            0b000 => self.rotate_on_auto_end = false,
            0b100 => self.rotate_on_auto_end = true,
            0b001 => self.end(highest, false),
            0b101 => self.end(highest, true),
            0b011 => self.end(Some(named), false),
            0b111 => self.end(Some(named), true),
            0b110 => self.lowest_priority = named,
            _ => {}
        }
    }

    fn end(&mut self, level: Option<u8>, rotate: bool) {
        let Some(level) = level else { return };
        self.in_service &= !(1 << level);
        if rotate {
            self.lowest_priority = level;
        }
    }

    /// OCW3: special mask mode, poll, and which register the command port reads.
    fn select(&mut self, ocw3: u8) {
        match ocw3 >> 5 & 0b11 {
            0b10 => self.special_mask = false,
            0b11 => self.special_mask = true,
            _ => {}
        }
        self.poll = ocw3 & 1 << 2 != 0;
        match ocw3 & 0b11 {
            0b10 => self.read_in_service = false,
            0b11 => self.read_in_service = true,
            _ => {}
        }
    }

    fn write_data(&mut self, value: u8) {
        self.expect = match self.expect {
            Expect::Operation => {
                self.mask = value;
                Expect::Operation
            }
            Expect::Icw2 => {
                self.vector_base = value & 0xF8;
                match (self.single, self.needs_icw4) {
                    (false, _) => Expect::Icw3,
                    (true, true) => Expect::Icw4,
                    (true, false) => Expect::Operation,
                }
            }
            // ICW3 tells how the cascade is wired. The board knows.
            Expect::Icw3 if self.needs_icw4 => Expect::Icw4,
            Expect::Icw3 => Expect::Operation,
            Expect::Icw4 => {
                self.auto_end_of_interrupt = value & 1 << 1 != 0;
                self.special_fully_nested = value & 1 << 4 != 0;
                Expect::Operation
            }
        };
    }

    /// A poll is an acknowledge cycle that a read instruction makes.
    fn polled(&mut self) -> u8 {
        self.poll = false;
        self.acknowledge().map_or(0, |level| 0x80 | level)
    }
}

impl Device for InterruptController {
    fn name(&self) -> &'static str {
        match self.role {
            Role::Master => "master interrupt controller (8259A)",
            Role::Slave => "slave interrupt controller (8259A)",
        }
    }

    fn ports(&self) -> &'static [PortRange] {
        match self.role {
            Role::Master => const { &[PortRange::bytes(0x20, 2), PortRange::bytes(0x4D0, 1)] },
            Role::Slave => const { &[PortRange::bytes(0xA0, 2), PortRange::bytes(0x4D1, 1)] },
        }
    }

    fn read_port(&mut self, _now: u64, offset: u16, _width: AccessWidth) -> u32 {
        let value = match offset {
            2 => self.level_triggered,
            _ if self.poll => self.polled(),
            0 if self.read_in_service => self.in_service,
            0 => self.requests(),
            _ => self.mask,
        };
        u32::from(value)
    }

    fn write_port(&mut self, _now: u64, offset: u16, _width: AccessWidth, value: u32) {
        let value = value as u8;
        match offset {
            0 if value & 1 << 4 != 0 => self.initialize(value),
            0 if value & 1 << 3 != 0 => self.select(value),
            0 => self.end_or_rotate(value),
            1 => self.write_data(value),
            // Lines 0, 1, 2, 8 and 13 are always edge triggered.
            _ if self.role == Role::Master => self.level_triggered = value & 0xF8,
            _ => self.level_triggered = value & 0xDE,
        }
    }

    fn reset(&mut self, _now: u64) {
        *self = Self { lines: self.lines, ..Self::new(self.role) };
    }

    fn inspect(&self) -> Inspection {
        Inspection::new()
            .hex("vector base", self.vector_base)
            .bits("interrupt request", self.requests())
            .bits("in service", self.in_service)
            .bits("interrupt mask", self.mask)
            .bits("level triggered", self.level_triggered)
            .field("lowest priority", self.lowest_priority)
            .field("automatic end of interrupt", self.auto_end_of_interrupt)
            .field("special mask mode", self.special_mask)
            .field("special fully nested mode", self.special_fully_nested)
            .field("expects", format!("{:?}", self.expect))
    }
}
