//! The modes and rings in which a program starts.

use paravane_cpu::state::control::{Control, Cr0, Cr4, Efer};
use paravane_cpu::state::debug::Debug;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::msr::ModelSpecific;
use paravane_cpu::state::registers::{RIP, RSP};
use paravane_cpu::state::segments::{
    Attributes, Segment, SegmentName, Segments, Selector, TableRegister,
};
use paravane_cpu::{Activity, Cpu, InterruptShadow};
use paravane_host_referee::random::Random;

use super::tables::{self, GDT_LIMIT, selectors};
use super::{code, place};

/// A mode, with its kind of paging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Real,
    Protected16,
    Protected32,
    TwoLevel,
    Pae,
    Virtual8086,
    Compatibility,
    Long,
}

/// A mode and a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    pub kind: Kind,
    pub ring: u8,
}

const fn start(kind: Kind, ring: u8) -> Start {
    Start { kind, ring }
}

/// Bytes of code that are made for each start, from where it starts.
const FRESH_CODE: u64 = 0x400;

/// All of them.
pub const STARTS: [Start; 14] = [
    start(Kind::Real, 0),
    start(Kind::Protected16, 0),
    start(Kind::Protected16, 3),
    start(Kind::Protected32, 0),
    start(Kind::Protected32, 3),
    start(Kind::TwoLevel, 0),
    start(Kind::TwoLevel, 3),
    start(Kind::Pae, 0),
    start(Kind::Pae, 3),
    start(Kind::Virtual8086, 3),
    start(Kind::Compatibility, 0),
    start(Kind::Compatibility, 3),
    start(Kind::Long, 0),
    start(Kind::Long, 3),
];

impl Kind {
    /// Whether code is addressed with 16 bits.
    pub fn is_narrow(self) -> bool {
        matches!(self, Self::Real | Self::Protected16 | Self::Virtual8086)
    }

    /// Whether long mode is active.
    pub fn is_long(self) -> bool {
        matches!(self, Self::Compatibility | Self::Long)
    }
}

impl Start {
    /// Writes tables and puts the CPU into this mode, at a random place of the random code.
    pub fn enter(self, cpu: &mut Cpu, random: &mut Random) {
        tables::write(&mut cpu.ram, self.kind, random);
        if random.one_in(4) {
            tables::spoil(&mut cpu.ram, random);
        }
        self.set_control(cpu, random);
        self.set_segments(cpu);
        if random.one_in(16) {
            self.move_table(cpu, random);
        }
        set_model_specific(cpu);
        cpu.debug = breakpoints(random);
        cpu.cpl = self.ring;
        cpu.shadow = InterruptShadow::None;
        cpu.activity = Activity::Running;
        cpu.nmi_blocked = random.one_in(8);
        self.set_registers(cpu, random);
        cpu.flags.set_all(self.flags(random));
        cpu.forget_decoded_code();
        cpu.refresh();
    }

    fn set_control(self, cpu: &mut Cpu, random: &mut Random) {
        let mut control = Control { cr0: Cr0::ET, ..Control::default() };
        for (bit, rarity) in
            [(Cr0::WP, 2), (Cr0::AM, 2), (Cr0::NE, 2), (Cr0::TS, 8), (Cr0::EM, 8), (Cr0::MP, 4)]
        {
            control.cr0.set(bit, random.one_in(rarity));
        }
        for (bit, rarity) in [
            (Cr4::PSE, 2),
            (Cr4::PGE, 2),
            (Cr4::FSGSBASE, 2),
            (Cr4::DE, 4),
            (Cr4::TSD, 8),
            (Cr4::PCE, 4),
            (Cr4::SMEP, 64),
            (Cr4::SMAP, 64),
        ] {
            control.cr4.set(bit, random.one_in(rarity));
        }
        control.efer.set(Efer::SCE, random.one_in(2));
        control.efer.set(Efer::NXE, random.one_in(2));
        control.cr0.set(Cr0::PE, self.kind != Kind::Real);
        match self.kind {
            Kind::Real | Kind::Protected16 | Kind::Protected32 => {}
            Kind::TwoLevel | Kind::Virtual8086 => {
                control.cr0.insert(Cr0::PG);
                control.cr3 = place::TWO_LEVEL;
            }
            Kind::Pae => {
                control.cr0.insert(Cr0::PG);
                control.cr4.insert(Cr4::PAE);
                control.cr3 = place::PAE;
                for (index, pointer) in (0..).zip(&mut control.pdptes) {
                    *pointer = cpu.ram.read(place::PAE + 8 * index).expect("RAM");
                }
            }
            Kind::Compatibility | Kind::Long => {
                control.cr0.insert(Cr0::PG);
                control.cr4.insert(Cr4::PAE);
                control.efer.insert(Efer::LME | Efer::LMA);
                control.cr3 = place::FOUR_LEVEL;
            }
        }
        cpu.control = control;
    }

    fn set_segments(self, cpu: &mut Cpu) {
        let user = self.ring == 3;
        let pick = |kernel: u16, outer: u16| if user { outer | 3 } else { kernel };
        let (code, data, code_kind, data_kind) = match self.kind {
            Kind::Real | Kind::Virtual8086 => (0x2000, 0x3000, 0x0093, 0x0093),
            Kind::Protected16 => (
                pick(selectors::CODE_16, selectors::USER_CODE_16),
                pick(selectors::DATA_16, selectors::USER_DATA_16),
                0x009b,
                0x0093,
            ),
            Kind::Long => (
                pick(selectors::CODE_64, selectors::USER_CODE_64),
                pick(selectors::DATA, selectors::USER_DATA),
                0xa09b,
                0xc093,
            ),
            _ => (
                pick(selectors::CODE_32, selectors::USER_CODE_32),
                pick(selectors::DATA, selectors::USER_DATA),
                0xc09b,
                0xc093,
            ),
        };
        let narrow = self.kind.is_narrow();
        let segment = |selector: u16, base: u64, kind: u16| {
            let limit = if narrow { 0xffff } else { u32::MAX };
            let attributes = Attributes(kind).with_dpl(self.ring);
            Segment::new(Selector(selector), if narrow { base } else { 0 }, limit, attributes)
        };
        let mut segments = Segments::default();
        for name in SegmentName::ALL {
            segments.set(name, segment(data, place::DATA, data_kind));
        }
        segments.set(SegmentName::Cs, segment(code, place::CODE, code_kind));
        let task = Attributes(0x8b);
        segments.tr = Segment::new(Selector(selectors::TASK), place::TSS, 0x20ff, task);
        segments.ldtr = Segment::new(Selector(0xa0), place::LDT, 0xff, Attributes(0x82));
        segments.gdtr = TableRegister { base: place::GDT, limit: GDT_LIMIT };
        segments.idtr = match self.kind {
            Kind::Real => TableRegister { base: 0, limit: 0x3ff },
            _ => TableRegister { base: place::IDT, limit: 0xfff },
        };
        cpu.segments = segments;
    }

    /// Puts one of the system tables at an end of the address space.
    fn move_table(self, cpu: &mut Cpu, random: &mut Random) {
        let end = match random.below(4) {
            0 => random.below(0x40),
            1 if self.kind.is_long() => 0x8000_0000_0000 - random.below(0x100),
            _ => 0_u64.wrapping_sub(random.below(0x100)),
        };
        let base = if self.kind.is_long() { end } else { end & 0xffff_ffff };
        let segments = &mut cpu.segments;
        match random.below(4) {
            0 => segments.gdtr = TableRegister { base, limit: random.next() as u16 },
            1 => segments.idtr = TableRegister { base, limit: random.next() as u16 },
            2 => segments.tr = segments.tr.with_base(base),
            _ => segments.ldtr = segments.ldtr.with_base(base),
        }
    }

    fn set_registers(self, cpu: &mut Cpu, random: &mut Random) {
        for index in 0..16 {
            cpu.registers.set(index, register_value(random));
        }
        let narrow = self.kind.is_narrow();
        let stack = if narrow { 0x8000 } else { place::STACK };
        cpu.registers.set(RSP, stack + (random.below(0x200) & !7));
        let offset = random.below(place::CODE_SIZE - FRESH_CODE);
        let code = cpu.ram.slice_mut(place::CODE + offset, FRESH_CODE).expect("RAM");
        code::fill(code, self.kind == Kind::Long, random);
        cpu.registers.set(RIP, if narrow { offset } else { place::CODE + offset });
        if self.kind != Kind::Long {
            for index in 0..16 {
                let value = cpu.registers.get(index);
                cpu.registers.set(index, value & 0xffff_ffff);
            }
        }
    }

    fn flags(self, random: &mut Random) -> Rflags {
        let arithmetic = Rflags::from_bits_truncate(random.next()) & Rflags::ARITHMETIC;
        let mut flags = Rflags::FIXED | arithmetic;
        for (bit, rarity) in [
            (Rflags::IF, 2),
            (Rflags::DF, 4),
            (Rflags::TF, 16),
            (Rflags::AC, 8),
            (Rflags::NT, 32),
            (Rflags::RF, 16),
            (Rflags::IOPL, 2),
        ] {
            flags.set(bit, random.one_in(rarity));
        }
        flags.set(Rflags::VM, self.kind == Kind::Virtual8086);
        flags
    }
}

/// A value that is often a good address, and else often a bad one.
pub fn register_value(random: &mut Random) -> u64 {
    match random.below(20) {
        0 => random.next(),
        1 => random.next() & 0xffff_ffff,
        2 => 0_u64.wrapping_sub(random.below(0x20)),
        3 => 0x8000_0000_0000_u64.wrapping_sub(random.below(0x10)),
        4 => place::CODE + random.below(place::CODE_SIZE),
        5 => place::DATA + 0xff0 + random.below(0x20),
        6 => place::RAM_SIZE - random.below(8),
        7 => random.below(place::RAM_SIZE),
        8 => place::RAM_SIZE + random.below(place::RAM_SIZE),
        9 => random.below(0x20),
        10 => place::ALIAS + place::CODE + random.below(place::CODE_SIZE),
        11 => place::ALIAS + random.below(place::RAM_SIZE),
        _ => place::DATA + random.below(0x1000),
    }
}

fn set_model_specific(cpu: &mut Cpu) {
    cpu.msr = ModelSpecific {
        star: u64::from(selectors::CODE_64) << 32 | u64::from(selectors::USER_CODE_32 - 8) << 48,
        lstar: place::HANDLER,
        cstar: place::HANDLER,
        fmask: 0x700,
        kernel_gs_base: place::DATA,
        sysenter_cs: selectors::CODE_64.into(),
        sysenter_esp: place::INNER_STACK,
        sysenter_eip: place::CODE,
        ..ModelSpecific::default()
    };
}

/// Mostly none; else some around code, data and stack.
fn breakpoints(random: &mut Random) -> Debug {
    let mut debug = Debug::default();
    if random.one_in(6) {
        for address in &mut debug.addresses {
            *address = register_value(random);
        }
        debug.dr7 |= random.next() & 0xffff_23ff;
    }
    debug
}
