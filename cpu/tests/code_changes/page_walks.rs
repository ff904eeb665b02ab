//! Page tables that are code: what the page walker writes there is executed.

use paravane_cpu::state::registers::RIP;
use paravane_cpu::{Activity, Cpu, Exit};

use super::runner::SLICES;
use crate::paged_machine::{PAGE, PagedMachine, Width, rights};

const RAX: u8 = 0;
const RBX: u8 = 3;
/// The linear page whose entry is executed, through itself and through another page.
const SELF: u64 = 0x0090_c000;
const OTHER: u64 = 0x0091_0000;
/// The page table that maps both: its address makes the entry of `SELF` an instruction.
const TABLE: u64 = 0x0090_c000;

/// In 32-bit code an entry begins with 03 c3 or, once it was accessed, with 23 c3:
/// ADD EAX, EBX, or AND EAX, EBX. What follows is NOP, and the entry behind it.
const ENTRY: u64 = TABLE | 0x300 | 3;
/// add al, al (whose first byte ends the entry before); hlt
const NEXT_ENTRY: u32 = 0x0000_f4c0;

/// A machine with the page table in place, and the offset of the entry in it.
fn machine() -> (PagedMachine, u64) {
    let mut machine = PagedMachine::new(Width::Protected);
    let small = machine.cpu.clone();
    let mut cpu = Cpu::new(0x100_0000);
    cpu.ram
        .slice_mut(0, small.ram.size())
        .unwrap()
        .copy_from_slice(small.ram.slice(0, small.ram.size()).unwrap());
    machine.cpu = cpu;
    machine.reset(0);
    let directory = machine.entry(SELF) & !(PAGE - 1);
    // The directory's entry is rewritten to name the table above.
    let slot = 0x1000 + (SELF >> 22) * 4;
    assert!(machine.cpu.ram.write(slot, (TABLE | rights::ALL) as u32));
    assert_ne!(directory, TABLE);
    let offset = (SELF >> 12 & 0x3ff) * 4;
    let other = TABLE + (OTHER >> 12 & 0x3ff) * 4;
    assert!(machine.cpu.ram.write(other, (TABLE | 0x23) as u32));
    (machine, offset)
}

fn write_entry(machine: &mut PagedMachine, offset: u64) {
    let mut bytes = (ENTRY as u32).to_le_bytes().to_vec();
    bytes.extend(NEXT_ENTRY.to_le_bytes());
    assert!(machine.cpu.write_ram(TABLE + offset, &bytes));
    machine.cpu.refresh();
}

/// Executes at a linear address until HLT; returns EAX.
fn execute(machine: &mut PagedMachine, start: u64, slice: u64) -> u64 {
    machine.cpu.registers.set(RAX, 0x0c);
    machine.cpu.registers.set(RBX, 0x06);
    machine.cpu.registers.set(RIP, start);
    machine.cpu.activity = Activity::Running;
    for _ in 0..40 {
        match machine.cpu.run(&mut machine.bus, &machine.intercepts, slice) {
            Exit::Budget => {}
            Exit::Halted => return machine.cpu.registers.get(RAX),
            other => panic!("{other:?} at {:#x}", machine.cpu.rip()),
        }
    }
    panic!("no end at {:#x}", machine.cpu.rip());
}

#[test]
fn an_accessed_bit_that_the_fetch_itself_sets_is_executed() {
    for slice in SLICES {
        let (mut machine, offset) = machine();
        write_entry(&mut machine, offset);
        // Through the other page: the accessed bit is clear, so this is ADD. It gets decoded.
        assert_eq!(execute(&mut machine, OTHER + offset, slice), 2 * 0x12);
        assert_eq!(machine.cpu.ram.read::<u8>(TABLE + offset), Some(0x03));
        // Through the page that the entry itself maps: the walk sets the bit, so this is AND.
        assert_eq!(execute(&mut machine, SELF + offset, slice), 2 * 4);
        assert_eq!(machine.cpu.ram.read::<u8>(TABLE + offset), Some(0x23));
    }
}

#[test]
fn an_accessed_bit_that_a_load_sets_in_the_next_instruction_is_executed() {
    for slice in SLICES {
        let (mut machine, offset) = machine();
        write_entry(&mut machine, offset);
        // mov ecx, [edi], right before the entry of the page that EDI points to.
        assert!(machine.cpu.write_ram(TABLE + offset - 2, &[0x8b, 0x0f]));
        machine.cpu.registers.set(7, SELF + 0x800);
        assert_eq!(execute(&mut machine, OTHER + offset - 2, slice), 2 * 4);
    }
}
