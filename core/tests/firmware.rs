//! A guest that goes back to real mode and calls the BIOS gets an answer: there is none.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use paravane_core::machine::Stopped;
use paravane_cpu::state::control::Cr0;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RIP, RSP};
use paravane_cpu::state::segments::{
    Attributes, Segment, SegmentName, Segments, Selector, TableRegister,
};

#[test]
fn a_bios_call_returns_with_carry_set_and_function_not_supported() {
    let mut machine = samples::load(paravane_sample_guests::find("hello").unwrap());
    // int 0x15; cli; hlt
    let code = [0xcd, 0x15, 0xfa, 0xf4];
    let place = 0x7c00;
    machine.cpu.write_ram(place, &code);
    machine.cpu.control.cr0 = Cr0::ET;
    machine.cpu.segments = Segments::default();
    let start = Segment::real_mode(Selector(0), 0xffff, Attributes::DATA);
    machine.cpu.segments.set(SegmentName::Cs, start);
    machine.cpu.segments.idtr = TableRegister { base: 0, limit: 0x3ff };
    machine.cpu.registers.set(RIP, place);
    machine.cpu.registers.set(RSP, 0x7000);
    machine.cpu.registers.set(RAX, 0xe820);
    machine.cpu.refresh();
    assert_eq!(machine.run(1000), Stopped::HaltedForever);
    assert_eq!(machine.cpu.registers.read::<u16>(RAX), 0x8620);
    assert!(machine.cpu.flags.all().contains(Rflags::CF));
    assert_eq!(machine.cpu.registers.read::<u16>(RSP), 0x7000);
}

#[test]
fn the_data_area_tells_where_low_memory_ends() {
    let machine = samples::load(paravane_sample_guests::find("hello").unwrap());
    assert_eq!(machine.cpu.ram.read(0x413), Some(639_u16));
    let segment: u16 = machine.cpu.ram.read(0x40e).unwrap();
    assert_eq!(u32::from(segment) << 4, 639 << 10);
}
