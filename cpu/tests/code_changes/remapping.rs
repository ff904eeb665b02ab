//! Pages of code that are mapped to other frames.

use super::runner::{ALIAS, CODE, everywhere, get, run};
use crate::paged_machine::{PAGE, PagedMachine, Width, rights};

const RAX: u8 = 0;
const RBX: u8 = 3;
const RDI: u8 = 7;
const HLT: u8 = 0xf4;
const GLOBAL: u64 = 0x100;
/// Where the page-table page with the entry of `CODE` is mapped.
const TABLES: u64 = 0x1400_0000;

/// Lets the guest reach the entry that maps a page: returns its linear address.
fn expose_entry(machine: &mut PagedMachine, linear: u64) -> u64 {
    let entry = machine.entry(linear);
    machine.map(TABLES, entry & !(PAGE - 1), rights::ALL);
    TABLES + entry % PAGE
}

/// mov [rdi], rbx: writes a page-table entry.
fn store_entry(width: Width) -> &'static [u8] {
    if width == Width::Long { &[0x48, 0x89, 0x1f] } else { &[0x89, 0x1f] }
}

/// mov rax, cr3; mov cr3, rax
const RELOAD: [u8; 6] = [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];
/// invlpg [rdx]
const INVALIDATE: [u8; 3] = [0x0f, 0x01, 0x3a];

/// How translations are dropped, by code; RDX points into the page.
const FLUSHES: [(&str, &[u8]); 2] = [("INVLPG", &INVALIDATE), ("MOV to CR3", &RELOAD)];

#[test]
fn after_a_flush_the_new_frame_is_executed() {
    for (name, flush) in FLUSHES {
        everywhere(|mut machine, slice| {
            let other = CODE + PAGE;
            machine.write(CODE, &[0xb0, 1, HLT]);
            machine.write(other, &[0xb0, 2, HLT]);
            // The program that remaps CODE is on the stack's page, so that it stays where it is.
            let program = super::runner::STACK + 0x100;
            let entry = expose_entry(&mut machine, CODE);
            let new = machine.frame(other) | rights::ALL;
            machine.write(program, &[store_entry(machine.width), flush, &[HLT]].concat());
            run(&mut machine, CODE, &[(RAX, 0)], slice);
            assert_eq!(get(&machine, RAX), 1);
            run(&mut machine, program, &[(RDI, entry), (RBX, new), (2, CODE)], slice);
            run(&mut machine, CODE, &[(RAX, 0)], slice);
            assert_eq!(get(&machine, RAX), 2, "after {name}");
        });
    }
}

#[test]
fn without_a_flush_either_frame_is_executed_but_not_a_mixture() {
    everywhere(|mut machine, slice| {
        machine.write(CODE, &[0xb0, 1, 0xb4, 1, HLT]);
        machine.write(CODE + PAGE, &[0xb0, 2, 0xb4, 2, HLT]);
        let program = super::runner::STACK + 0x100;
        let entry = expose_entry(&mut machine, CODE);
        let new = machine.frame(CODE + PAGE) | rights::ALL;
        machine.write(program, &[store_entry(machine.width), &[HLT]].concat());
        run(&mut machine, CODE, &[(RAX, 0)], slice);
        run(&mut machine, program, &[(RDI, entry), (RBX, new)], slice);
        run(&mut machine, CODE, &[(RAX, 0)], slice);
        assert!(matches!(get(&machine, RAX), 0x101 | 0x202), "{:#x}", get(&machine, RAX));
    });
}

#[test]
fn the_instruction_after_invlpg_comes_from_the_new_frame() {
    for (name, flush) in FLUSHES {
        everywhere(|mut machine, slice| {
            // Both frames hold the same program up to the flush, and another value after it.
            for (page, value) in [(CODE, 1), (CODE + PAGE, 2)] {
                let program = [store_entry(machine.width), flush, &[0xb0, value, HLT]].concat();
                machine.write(page + 0x80, &program);
            }
            let entry = expose_entry(&mut machine, CODE);
            let new = machine.frame(CODE + PAGE) | rights::ALL;
            let registers = [(RDI, entry), (RBX, new), (2, CODE), (RAX, 0)];
            run(&mut machine, CODE + 0x80, &registers, slice);
            assert_eq!(get(&machine, RAX) & 0xff, 2, "after {name}");
        });
    }
}

#[test]
fn a_global_page_of_code_survives_cr3_and_not_invlpg() {
    use paravane_cpu::state::control::Cr4;
    everywhere(|mut machine, slice| {
        machine.cpu.control.cr4 |= Cr4::PGE;
        machine.cpu.refresh();
        machine.write(CODE, &[0xb0, 1, HLT]);
        machine.write(CODE + PAGE, &[0xb0, 2, HLT]);
        machine.protect(CODE, rights::ALL | GLOBAL);
        let entry = expose_entry(&mut machine, CODE);
        let new = machine.frame(CODE + PAGE) | rights::ALL | GLOBAL;
        let program = super::runner::STACK + 0x100;
        for (flush, expected) in [(&RELOAD[..], 1), (&INVALIDATE, 2)] {
            machine.write(program, &[store_entry(machine.width), flush, &[HLT]].concat());
            run(&mut machine, CODE, &[(RAX, 0)], slice);
            run(&mut machine, program, &[(RDI, entry), (RBX, new), (2, CODE)], slice);
            run(&mut machine, CODE, &[(RAX, 0)], slice);
            assert_eq!(get(&machine, RAX), expected);
        }
    });
}

#[test]
fn an_instruction_across_a_page_follows_a_remapped_second_half() {
    everywhere(|mut machine, slice| {
        let start = CODE + PAGE - 2;
        machine.write(start, &[0xb8, 1, 0, 0, 0, HLT]);
        let program = super::runner::STACK + 0x100;
        let half = super::runner::STACK;
        machine.write(half, &[0, 0, 7, HLT]);
        let entry = expose_entry(&mut machine, CODE + PAGE);
        let new = machine.frame(half) | rights::ALL;
        machine.write(program, &[store_entry(machine.width), &INVALIDATE, &[HLT]].concat());
        run(&mut machine, start, &[(RAX, 0)], slice);
        assert_eq!(get(&machine, RAX), 1);
        run(&mut machine, program, &[(RDI, entry), (RBX, new), (2, CODE + PAGE)], slice);
        run(&mut machine, start, &[(RAX, 0)], slice);
        assert_eq!(get(&machine, RAX), 0x0700_0001);
    });
}

#[test]
fn one_frame_is_decoded_once_for_all_its_addresses() {
    everywhere(|mut machine, _| {
        machine.write(CODE, &[0xb0, 1, HLT]);
        run(&mut machine, CODE, &[(RAX, 0)], 1000);
        let blocks = machine.cpu.decoded_blocks();
        run(&mut machine, ALIAS, &[(RAX, 0)], 1000);
        assert_eq!((get(&machine, RAX), machine.cpu.decoded_blocks()), (1, blocks));
    });
}
