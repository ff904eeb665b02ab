//! The silent-failure detector: where a guest on a CPU of 1998 was told a lie.
//!
//! It is an instrument, not a part of the hypervisor: it costs the guest nothing and changes
//! nothing. For each silent sensitive instruction it notes what the guest got, and what a CPU of
//! its own would have given it.

use std::collections::BTreeMap;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register,
    UsedMemory,
};
use paravane_cpu::state::flags::{Flags, Rflags};
use paravane_cpu::state::registers::{NAMES, RIP, Registers};
use paravane_cpu::state::segments::{SegmentName, Segments};
use paravane_cpu::{Cpu, Sensitive};

/// How many places are told apart.
const PLACES_KEPT: usize = 4096;
/// Most bytes that a sensitive instruction stores.
const LONGEST_STORE: usize = 16;

/// What the lie was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A general register.
    Register(&'static str),
    /// What was stored in memory.
    Memory,
    /// The arithmetic flags.
    Flags,
    /// The interrupt flag or the I/O privilege level: the guest tried to change it.
    InterruptFlag,
    /// The next instruction.
    ControlFlow,
    /// An exception that did not come: the vector that was due.
    Exception,
}

/// What the guest was told at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// How often.
    pub count: u64,
    /// About what.
    pub about: About,
    /// What it got the first time.
    pub got: u64,
    /// What it should have got.
    pub should: u64,
}

/// All lies, by guest address and instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lies {
    places: BTreeMap<(u64, Sensitive), Lie>,
    /// Silent instructions that were looked at.
    pub looked_at: u64,
    /// Lies at further places.
    pub elsewhere: u64,
}

impl Lies {
    /// Notes a lie.
    pub(super) fn note(&mut self, address: u64, instruction: Sensitive, lie: Lie) {
        let full = self.places.len() >= PLACES_KEPT;
        match self.places.get_mut(&(address, instruction)) {
            Some(known) => known.count += 1,
            None if full => self.elsewhere += 1,
            None => {
                self.places.insert((address, instruction), lie);
            }
        }
    }

    /// Address, instruction and lie, in the order of the addresses.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Sensitive, &Lie)> {
        self.places.iter().map(|((address, instruction), lie)| (*address, *instruction, lie))
    }

    /// Number of lies told.
    pub fn total(&self) -> u64 {
        self.places.values().map(|lie| lie.count).sum::<u64>() + self.elsewhere
    }
}

/// What an instruction may change of a CPU, without its memory.
#[derive(Clone)]
pub(super) struct Effects {
    pub registers: Registers,
    pub flags: Flags,
    segments: Segments,
    cpl: u8,
}

impl Effects {
    pub fn of(cpu: &Cpu) -> Self {
        Self {
            registers: cpu.registers.clone(),
            flags: cpu.flags.clone(),
            segments: cpu.segments.clone(),
            cpl: cpu.cpl,
        }
    }

    /// Puts a CPU back to how it was.
    pub fn restore(&self, cpu: &mut Cpu) {
        cpu.registers = self.registers.clone();
        cpu.flags = self.flags.clone();
        cpu.segments = self.segments.clone();
        cpu.cpl = self.cpl;
        cpu.shadow = Default::default();
        cpu.activity = Default::default();
        cpu.discard_debug_trap();
        cpu.state_changed();
    }
}

/// The memory that the instruction at RIP is going to store to: linear address and bytes.
pub(super) fn store_of(cpu: &Cpu) -> Option<(u64, usize)> {
    let code_base = match cpu.code_size().bits() {
        64 => 0,
        _ => cpu.segments.get(SegmentName::Cs).base,
    };
    let code = cpu.peek(code_base.wrapping_add(cpu.rip()), 15);
    let mut decoder =
        Decoder::with_ip(cpu.code_size().bits(), &code, cpu.rip(), DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    decoder.decode_out(&mut instruction);
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(&instruction);
    let is_write =
        |memory: &&UsedMemory| matches!(memory.access(), OpAccess::Write | OpAccess::ReadWrite);
    let memory = info.used_memory().iter().find(is_write)?;
    let address = memory.virtual_address(0, |register, _, _| value_of(cpu, register))?;
    let size = match instruction.flow_control() {
        // A far call pushes two slots, the lower of which is named.
        FlowControl::Call | FlowControl::IndirectCall => LONGEST_STORE,
        _ => memory.memory_size().size().clamp(1, LONGEST_STORE),
    };
    Some((address, size))
}

/// The value of a register, or the base of a segment.
fn value_of(cpu: &Cpu, register: Register) -> Option<u64> {
    if register.is_segment_register() {
        let name = SegmentName::ALL.into_iter().nth(register.number())?;
        let flat = cpu.code_size().bits() == 64 && name < SegmentName::Fs;
        return Some(if flat { 0 } else { cpu.segments.get(name).base });
    }
    let value = cpu.registers.get(register.full_register().number() as u8);
    let unused = 64 - 8 * register.size() as u32;
    Some(value << unused >> unused)
}

/// What happened on the real CPU, and what would have happened on one of the guest's own.
pub(super) struct Outcomes<'a> {
    pub before: &'a Effects,
    pub got: &'a Effects,
    pub got_bytes: &'a [u8],
    pub should: &'a Effects,
    pub should_bytes: &'a [u8],
}

impl Outcomes<'_> {
    /// The first difference that the guest can notice.
    pub fn lie(&self) -> Option<Lie> {
        let lie = |about, got, should| Some(Lie { count: 1, about, got, should });
        if self.got.registers.get(RIP) != self.should.registers.get(RIP) {
            let (got, should) = (self.got.registers.get(RIP), self.should.registers.get(RIP));
            return lie(About::ControlFlow, got, should);
        }
        for (index, name) in (0..).zip(NAMES) {
            let (got, should) = (self.got.registers.get(index), self.should.registers.get(index));
            if got != should {
                return lie(About::Register(name), got, should);
            }
        }
        if self.got_bytes != self.should_bytes {
            return lie(About::Memory, number(self.got_bytes), number(self.should_bytes));
        }
        let arithmetic = |effects: &Effects| (effects.flags.all() & Rflags::ARITHMETIC).bits();
        if arithmetic(self.got) != arithmetic(self.should) {
            return lie(About::Flags, arithmetic(self.got), arithmetic(self.should));
        }
        let guarded =
            |effects: &Effects| (effects.flags.all() & (Rflags::IF | Rflags::IOPL)).bits();
        if guarded(self.before) != guarded(self.should) {
            return lie(About::InterruptFlag, guarded(self.before), guarded(self.should));
        }
        None
    }
}

/// The stored bytes as a number: of a table register the base, which is the telling part.
fn number(bytes: &[u8]) -> u64 {
    let part = bytes.get(2..10).unwrap_or(bytes);
    part.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
