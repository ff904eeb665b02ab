//! The CPU's state at a guest's first instruction.
//!
//! PVH (Xen's docs/misc/pvh.pandoc) and Multiboot 1 (section 3.2, "Machine state") ask for the
//! same: 32-bit protected mode, flat segments, paging and interrupts off.

use paravane_cpu::Cpu;
use paravane_cpu::state::control::{Control, Cr0};
use paravane_cpu::state::flags::{Flags, Rflags};
use paravane_cpu::state::registers::{RAX, RBX, RIP, Registers};
use paravane_cpu::state::segments::{
    Attributes, Segment, SegmentName, Segments, Selector, TableRegister,
};

use crate::guest_image::Start;

/// What a Multiboot loader leaves in EAX.
const MULTIBOOT_MAGIC: u64 = 0x2bad_b002;
/// Present, ring 0, 32-bit, granular; code readable, data writable.
const FLAT_CODE: Attributes = Attributes(0xc09b);
const FLAT_DATA: Attributes = Attributes(0xc093);
/// A busy 32-bit TSS.
const TASK: Attributes = Attributes(0x008b);
const TASK_LIMIT: u32 = 0x67;

/// Sets the CPU up to start a loaded guest.
pub fn set_up(cpu: &mut Cpu, start: Start) {
    let (entry, info, magic) = match start {
        Start::Pvh { entry, start_info } => (entry, start_info, 0),
        Start::Multiboot { entry, info } => (entry, info, MULTIBOOT_MAGIC),
    };
    cpu.registers = Registers::default();
    cpu.registers.set(RIP, entry.into());
    cpu.registers.set(RBX, info.into());
    cpu.registers.set(RAX, magic);
    cpu.flags = Flags::default();
    cpu.flags.set_all(Rflags::FIXED);
    cpu.control = Control { cr0: Cr0::PE | Cr0::ET, ..Control::default() };
    cpu.segments = Segments::default();
    // The selectors are anybody's guess until the guest loads its own table; these are what a
    // flat table would have.
    let flat = |selector, attributes| Segment::new(Selector(selector), 0, u32::MAX, attributes);
    for name in SegmentName::ALL {
        cpu.segments.set(name, flat(0x18, FLAT_DATA));
    }
    cpu.segments.set(SegmentName::Cs, flat(0x10, FLAT_CODE));
    cpu.segments.tr = Segment::new(Selector(0), 0, TASK_LIMIT, TASK);
    cpu.segments.gdtr = TableRegister { base: 0, limit: 0 };
    cpu.segments.idtr = TableRegister { base: 0, limit: 0 };
    cpu.cpl = 0;
    cpu.refresh();
}
