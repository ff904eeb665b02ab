//! Stores into code.

use super::runner::{ALIAS, CODE, everywhere, get, run};
use crate::paged_machine::PAGE;

const RAX: u8 = 0;
const RCX: u8 = 1;
const RBX: u8 = 3;
const RDI: u8 = 7;
const HLT: u8 = 0xf4;

/// A program at [`CODE`], its registers, and what must be in registers at its end.
struct Row {
    what: &'static str,
    code: Vec<u8>,
    registers: Vec<(u8, u64)>,
    expected: Vec<(u8, u64)>,
}

/// mov byte [rdi], 2
const PATCH: [u8; 3] = [0xc6, 0x07, 0x02];
/// mov al, 1; its second byte is what gets patched.
const MOV_1: [u8; 2] = [0xb0, 0x01];

fn rows() -> Vec<Row> {
    let row = |what, code: &[&[u8]], registers: &[(u8, u64)], expected: &[(u8, u64)]| Row {
        what,
        code: code.concat(),
        registers: registers.to_vec(),
        expected: expected.to_vec(),
    };
    let mut rows = vec![
        row("the next instruction", &[&PATCH, &MOV_1, &[HLT]], &[(RDI, CODE + 4)], &[(RAX, 2)]),
        row(
            "the next instruction, through an alias",
            &[&PATCH, &MOV_1, &[HLT]],
            &[(RDI, ALIAS + 4)],
            &[(RAX, 2)],
        ),
        row(
            "an earlier instruction of a loop",
            // mov al, 1; add ebx, eax; patch; dec ecx; jnz to the start
            &[&MOV_1, &[0x01, 0xc3], &PATCH, &[0xff, 0xc9, 0x75, 0xf5, HLT]],
            &[(RDI, CODE + 1), (RCX, 3), (RBX, 0)],
            &[(RAX, 2), (RBX, 1 + 2 + 2)],
        ),
        row(
            "another block, between two calls of it",
            // call f; mov ebx, eax; patch; call f; hlt; f: mov al, 1; ret
            &[
                &[0xe8, 0x0b, 0, 0, 0, 0x89, 0xc3],
                &PATCH,
                &[0xe8, 0x01, 0, 0, 0, HLT],
                &MOV_1,
                &[0xc3],
            ],
            &[(RDI, CODE + 17), (RAX, 0)],
            &[(RAX, 2), (RBX, 1)],
        ),
        row(
            "the block that a store is in, by PUSH",
            // mov esp, edi; push imm32 over what follows: 0xf402b0 as mov al, 2; hlt
            &[&[0x89, 0xfc, 0x68, 0xb0, 0x02, HLT, 0x00], &MOV_1, &[HLT, 0, 0, 0, 0, 0]],
            // The push ends right where the next instruction begins, in both widths.
            &[(RDI, CODE + 7)],
            &[(RAX, 2)],
        ),
    ];
    // A processor executes the rest of a repeated instruction that overwrites itself as what it
    // then is. These numbers were read off a host CPU: NOPs over REP STOSB, which begins at 2.
    for (start, stored, left) in [(2, 2, 15), (1, 3, 14), (0, 4, 13)] {
        rows.push(row(
            "REP STOSB over itself",
            // mov al, 0x90; rep stosb
            &[&[0xb0, 0x90, 0xf3, 0xaa, HLT]],
            &[(RDI, CODE + start), (RCX, 16)],
            &[(RDI, CODE + start + stored), (RCX, left)],
        ));
    }
    rows
}

#[test]
fn a_store_into_code_is_seen_by_the_next_instruction() {
    for row in rows() {
        everywhere(|mut machine, slice| {
            let push_size = if machine.width == crate::paged_machine::Width::Long { 8 } else { 4 };
            let mut registers = row.registers.clone();
            if row.what.ends_with("PUSH") {
                registers[0].1 += push_size;
            }
            machine.write(CODE, &row.code);
            registers.splice(0..0, [(RAX, 0), (RBX, 0)]);
            run(&mut machine, CODE, &registers, slice);
            for (register, value) in &row.expected {
                let found = get(&machine, *register);
                assert_eq!(found, *value, "{}: register {register}, {:?}", row.what, machine.width);
            }
        });
    }
}

#[test]
fn rep_stos_over_code_that_ran_before_replaces_it() {
    everywhere(|mut machine, slice| {
        // Executed first: mov al, 1 and NOPs. Then overwritten by INC EBX (ff c3), 8 times.
        let target = CODE + 0x200;
        machine.write(target, &[0xb0, 1, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, HLT]);
        run(&mut machine, target, &[(RAX, 0)], slice);
        assert_eq!(get(&machine, RAX), 1);
        // mov ax, 0xc3ff; rep stosw; jmp to it
        machine.write(CODE, &[0x66, 0xb8, 0xff, 0xc3, 0x66, 0xf3, 0xab, 0xff, 0xe2]);
        let registers = [(RDI, target), (RCX, 4), (2, target), (RBX, 0)];
        run(&mut machine, CODE, &registers, slice);
        assert_eq!(get(&machine, RBX), 4);
    });
}

#[test]
fn both_halves_of_an_instruction_across_a_page_can_be_replaced() {
    everywhere(|mut machine, slice| {
        // mov eax, 1: opcode and two bytes of the immediate before the boundary.
        let start = CODE + PAGE - 3;
        machine.write(start, &[0xb8, 1, 0, 0, 0, HLT]);
        for _ in 0..2 {
            run(&mut machine, start, &[(RAX, 0)], slice);
            assert_eq!(get(&machine, RAX), 1);
        }
        // Another program stores into the half behind the boundary, then into the one before.
        let patch = CODE + 0x100;
        machine.write(patch, &[0xc6, 0x07, 0x05, HLT]);
        run(&mut machine, patch, &[(RDI, CODE + PAGE + 1)], slice);
        run(&mut machine, start, &[(RAX, 0)], slice);
        assert_eq!(get(&machine, RAX), 0x0500_0001);
        run(&mut machine, patch, &[(RDI, ALIAS + PAGE - 2)], slice);
        run(&mut machine, start, &[(RAX, 0)], slice);
        assert_eq!(get(&machine, RAX), 0x0500_0005);
    });
}

#[test]
fn a_store_that_crosses_into_a_page_of_code_is_noticed_in_both_pages() {
    everywhere(|mut machine, slice| {
        // The second page begins with hlt, which becomes part of the stored value.
        machine.write(CODE + PAGE, &[HLT]);
        run(&mut machine, CODE + PAGE, &[], slice);
        // mov dword [rdi], 0xf404b090: at the boundary: ... nop | mov al, 4; hlt
        machine.write(CODE, &[0xc7, 0x07, 0x90, 0xb0, 0x04, HLT, 0xff, 0xe2]);
        let registers = [(RDI, CODE + PAGE - 1), (2, CODE + PAGE), (RAX, 0)];
        run(&mut machine, CODE, &registers, slice);
        assert_eq!(get(&machine, RAX), 4);
    });
}

#[test]
fn memory_that_a_device_writes_is_decoded_again() {
    everywhere(|mut machine, slice| {
        machine.write(CODE, &[0xb0, 1, HLT]);
        run(&mut machine, CODE, &[(RAX, 0)], slice);
        let frame = machine.frame(CODE);
        assert!(machine.cpu.write_ram(frame + 1, &[7]));
        run(&mut machine, CODE, &[(RAX, 0)], slice);
        assert_eq!(get(&machine, RAX), 7);
    });
}
