//! Pushing a guest out of ring 0: what the real CPU holds while it runs a guest that believes
//! otherwise.
//!
//! ```text
//!  the guest believes     32-bit code       64-bit code
//!  ring 0 (1, 2)          ring 1            ring 3
//!  ring 3                 ring 3            ring 3
//! ```
//!
//! The real CPU is always in long mode with four-level paging; 32-bit guests run in its
//! compatibility mode. Interrupts are always on: what the guest wants is in the virtual flag.

use paravane_cpu::Cpu;
use paravane_cpu::state::control::{Cr0, Cr4, Efer};
use paravane_cpu::state::debug::DR7_GENERAL_DETECT;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::mode::CodeSize;
use paravane_cpu::state::segments::{Segment, SegmentName, Selector, TableRegister};

/// The real ring for a guest that believes itself in `ring`.
pub fn real_ring(ring: u8, code_size: CodeSize) -> u8 {
    match (ring, code_size) {
        (3, _) | (_, CodeSize::Bits64) => 3,
        _ => 1,
    }
}

/// RFLAGS that are the guest's own even on the real CPU: outside ring 0 they guard nothing.
pub const OWN_FLAGS: Rflags = Rflags::ARITHMETIC
    .union(Rflags::DF)
    .union(Rflags::TF)
    .union(Rflags::RF)
    .union(Rflags::AC)
    .union(Rflags::NT)
    .union(Rflags::ID);

/// The descriptor tables that the real CPU has.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    pub global: TableRegister,
    pub interrupt: TableRegister,
    pub task: Selector,
}

impl Tables {
    /// No table is in reach: every instruction that would read one exits.
    pub const NONE: Self = Self {
        global: TableRegister { base: 0, limit: 0 },
        interrupt: TableRegister { base: 0, limit: 0 },
        task: Selector(0),
    };
}

/// Sets the real CPU up to run what the virtual one describes, on page tables at `root`.
pub fn enter(real: &mut Cpu, virtual_cpu: &Cpu, root: u64, tables: Tables) {
    let ring = real_ring(virtual_cpu.cpl, virtual_cpu.code_size());
    let long = virtual_cpu.control.efer.contains(Efer::LMA);
    real.registers = virtual_cpu.registers.clone();
    let own = virtual_cpu.flags.all() & OWN_FLAGS;
    real.flags.set_all(own | Rflags::IF | Rflags::FIXED);

    for name in SegmentName::ALL {
        let segment = *virtual_cpu.segments.get(name);
        let real_segment = match name {
            SegmentName::Cs | SegmentName::Ss if segment.is_usable() => {
                lowered(segment, ring, long)
            }
            _ => segment,
        };
        real.segments.set(name, real_segment);
    }
    real.segments.gdtr = tables.global;
    real.segments.idtr = tables.interrupt;
    real.segments.ldtr = Segment::null(Selector(0));
    real.segments.tr = Segment::null(tables.task);

    let believed = virtual_cpu.control.cr0;
    let mut cr0 = Cr0::PE | Cr0::PG | Cr0::WP | Cr0::NE | Cr0::ET;
    cr0 |= believed & (Cr0::TS | Cr0::EM | Cr0::MP);
    // Alignment is checked in ring 3, where a 64-bit guest's kernel is, too.
    cr0.set(Cr0::AM, believed.contains(Cr0::AM) && virtual_cpu.cpl == 3);
    real.control.cr0 = cr0;
    real.control.cr3 = root;
    real.control.cr4 = Cr4::PAE | virtual_cpu.control.cr4 & (Cr4::DE | Cr4::FSGSBASE);
    real.control.efer = Efer::LME | Efer::LMA | Efer::NXE | Efer::SCE;
    real.debug = virtual_cpu.debug.clone();
    real.debug.dr7 &= !DR7_GENERAL_DETECT;
    real.cpl = ring;
    real.shadow = Default::default();
    real.activity = Default::default();
    real.state_changed();
}

/// A code or stack segment as the real ring needs it.
fn lowered(segment: Segment, ring: u8, long: bool) -> Segment {
    // The real CPU is in long mode, and would obey the L bit of a guest that is not.
    let own = if long { segment.attributes } else { segment.attributes.without_long() };
    let attributes = if own.is_conforming() { own } else { own.with_dpl(ring) };
    Segment::new(segment.selector.with_rpl(ring), segment.base, segment.limit, attributes)
}

/// Takes over into the virtual CPU what the guest changed on the real one.
pub fn leave(real: &Cpu, virtual_cpu: &mut Cpu) {
    virtual_cpu.registers = real.registers.clone();
    virtual_cpu.flags.change(OWN_FLAGS, real.flags.all());
    virtual_cpu.take_over_position(real);
}
