//! The table of sensitive instructions, row by row against the CPU.

#![allow(clippy::unwrap_used, clippy::panic, reason = "how a test fails")]

#[path = "../../cpu/tests/rings/mod.rs"]
mod rings;

use paravane_core::accounting::sensitivity::{Answer, Class, InWorld, of, silent_on_x86, table};
use paravane_cpu::state::control::Cr4;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RCX};
use paravane_cpu::{Exit, Sensitive, Vector};
use rings::selectors::*;
use rings::{CODE, HANDLER, Machine, access, every_exception, gate};

/// Where memory operands are.
const OPERAND: [u8; 4] = [0x00, 0x90, 0, 0];

/// An instruction of 32-bit protected mode with a memory operand.
fn with_operand(opcode: &[u8]) -> Vec<u8> {
    [opcode, &OPERAND].concat()
}

/// Code for 64-bit mode.
struct Wide(&'static [u8]);

/// Code of every row, in 32-bit protected mode or in 64-bit mode.
fn code(instruction: Sensitive, ring: u8) -> Result<Vec<u8>, Wide> {
    use Sensitive as S;
    let selector = |code_1: u16, code_3: u16| match ring {
        1 => (code_1 | 1).to_le_bytes(),
        _ => (code_3 | 3).to_le_bytes(),
    };
    let far = |opcode: u8| {
        [&[opcode][..], &(HANDLER as u32).to_le_bytes(), &selector(CODE_1, CODE_3)].concat()
    };
    Ok(match instruction {
        S::Cpuid => vec![0x0f, 0xa2],
        S::Rdtsc => vec![0x0f, 0x31],
        S::Rdtscp => vec![0x0f, 0x01, 0xf9],
        S::Rdpmc => vec![0x0f, 0x33],
        S::Hlt => vec![0xf4],
        S::Invlpg => with_operand(&[0x0f, 0x01, 0x3d]),
        S::Wbinvd => vec![0x0f, 0x09],
        S::ReadControl => vec![0x0f, 0x20, 0xc0],
        S::WriteControl => vec![0x0f, 0x22, 0xc0],
        S::ReadDebug => vec![0x0f, 0x21, 0xf8],
        S::WriteDebug => vec![0x0f, 0x23, 0xf8],
        S::Rdmsr => vec![0x0f, 0x32],
        S::Wrmsr => vec![0x0f, 0x30],
        S::Clts => vec![0x0f, 0x06],
        S::Lmsw => vec![0x0f, 0x01, 0xf0],
        S::Smsw => vec![0x0f, 0x01, 0xe0],
        S::Lgdt => with_operand(&[0x0f, 0x01, 0x15]),
        S::Lidt => with_operand(&[0x0f, 0x01, 0x1d]),
        S::Lldt => vec![0x0f, 0x00, 0xd0],
        S::Ltr => vec![0x0f, 0x00, 0xd8],
        S::Sgdt => with_operand(&[0x0f, 0x01, 0x05]),
        S::Sidt => with_operand(&[0x0f, 0x01, 0x0d]),
        S::Sldt => vec![0x0f, 0x00, 0xc0],
        S::Str => vec![0x0f, 0x00, 0xc8],
        S::Lar => vec![0x0f, 0x02, 0xc1],
        S::Lsl => vec![0x0f, 0x03, 0xc1],
        S::Verr => vec![0x0f, 0x00, 0xe1],
        S::Verw => vec![0x0f, 0x00, 0xe9],
        S::Pushf => vec![0x9c],
        S::Popf => vec![0x9d],
        S::Cli => vec![0xfa],
        S::Sti => vec![0xfb],
        S::ReadSegment => vec![0x8c, 0xc8],
        S::WriteSegment => vec![0x8e, 0xd8],
        S::FarCall => far(0x9a),
        S::FarJump => far(0xea),
        S::FarReturn => vec![0xcb],
        S::Iret => vec![0xcf],
        S::Interrupt => vec![0xcd, 0x40],
        S::Sysenter => vec![0x0f, 0x34],
        S::Sysexit => vec![0x0f, 0x35],
        S::In => vec![0xec],
        S::Out => vec![0xee],
        S::AccessControl => vec![0x0f, 0x01, 0xcb],
        S::Monitor => vec![0x0f, 0x01, 0xc8],
        S::Mwait => vec![0x0f, 0x01, 0xc9],
        S::Pause => vec![0xf3, 0x90],
        S::Vmcall => vec![0x0f, 0x01, 0xc1],
        S::Vmmcall => vec![0x0f, 0x01, 0xd9],
        S::Syscall => return Err(Wide(&[0x0f, 0x05])),
        S::Sysret => return Err(Wide(&[0x48, 0x0f, 0x07])),
        S::Swapgs => return Err(Wide(&[0x0f, 0x01, 0xf8])),
        S::ReadBase => return Err(Wide(&[0xf3, 0x48, 0x0f, 0xae, 0xc0])),
        S::WriteBase => return Err(Wide(&[0xf3, 0x48, 0x0f, 0xae, 0xd0])),
    })
}

/// The instruction, and a machine in which nothing but the ring can be against it.
fn prepared(instruction: Sensitive, ring: u8) -> (Machine, Vec<u8>) {
    let (mut machine, code) = match code(instruction, ring) {
        Ok(code) => (Machine::protected(ring), code),
        Err(Wide(code)) => (Machine::long(3), code.to_vec()),
    };
    let (code_selector, data_selector) =
        if ring == 1 { (CODE_1 | 1, DATA_1 | 1) } else { (CODE_3 | 3, DATA_3 | 3) };
    machine.cpu.msr.star = 0x0018_0008 << 32;
    machine.cpu.msr.lstar = HANDLER;
    machine.cpu.msr.sysenter_cs = CODE_0.into();
    machine.cpu.msr.sysenter_eip = HANDLER;
    machine.cpu.control.cr4 |= Cr4::FSGSBASE;
    let open_gate = access::INTERRUPT | access::RING_3;
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, open_gate, 0));
    for register in [RAX, RCX] {
        machine.cpu.registers.set(register, data_selector.into());
    }
    machine.put_stack::<u32>(&[CODE, code_selector.into(), 0x202]);
    (machine, code)
}

/// What the CPU does with it.
fn answer(machine: &mut Machine, code: &[u8]) -> Answer {
    match machine.run(code, every_exception()) {
        Exit::Budget => Answer::Runs,
        Exit::Exception(exception) => Answer::Faults(exception.vector),
        other => panic!("{other:?} after {code:02x?}"),
    }
}

#[test]
fn every_row_answers_outside_ring_0_as_the_cpu_does() {
    for row in table() {
        for ring in [1, 3] {
            let (mut machine, code) = prepared(row.instruction, ring);
            let name = row.instruction.name();
            assert_eq!(answer(&mut machine, &code), row.faults_outside_ring_0, "{name} at {ring}");
        }
    }
}

#[test]
fn every_instruction_has_its_own_row() {
    for instruction in Sensitive::ALL {
        assert_eq!(of(*instruction).instruction, *instruction);
    }
    assert_eq!(table().count(), Sensitive::ALL.len());
}

#[test]
fn exactly_the_sensitive_instructions_that_run_outside_ring_0_are_silent() {
    for row in table() {
        let name = row.instruction.name();
        assert_eq!(silent_on_x86(row.instruction), row.class == Class::Silent, "{name}");
        match row.class {
            Class::Privileged => assert!(row.faults_outside_ring_0.faults(), "{name}"),
            Class::Silent | Class::Innocuous => {
                assert_eq!(row.faults_outside_ring_0, Answer::Runs, "{name}");
            }
            Class::Doorway => {}
        }
        let is_sensitive = matches!(row.class, Class::Privileged | Class::Silent);
        assert!(!is_sensitive || !row.kinds.is_empty(), "{name}: why sensitive?");
    }
}

#[test]
fn the_worlds_follow_from_the_class() {
    for row in table() {
        let expected = match row.class {
            Class::Privileged => (InWorld::Faults, InWorld::Faults),
            Class::Silent => (InWorld::Intercepted, InWorld::Silent),
            Class::Doorway => (InWorld::Enters, InWorld::Enters),
            Class::Innocuous if row.instruction == Sensitive::Pause => {
                (InWorld::Native, InWorld::Native)
            }
            Class::Innocuous => (InWorld::Intercepted, InWorld::Native),
        };
        assert_eq!((row.trap, row.trap_x86), expected, "{}", row.instruction.name());
    }
}

/// Whatever is silent on an x86, the CPU can make leave: so the world `trap` can exist.
#[test]
fn every_silent_instruction_can_be_intercepted() {
    for row in table().filter(|row| row.class == Class::Silent) {
        let (mut machine, code) = prepared(row.instruction, 3);
        let exit = machine.run(&code, every_exception().with_instruction(row.instruction));
        let expected = Exit::Instruction { instruction: row.instruction, length: code.len() as u8 };
        assert_eq!(exit, expected);
    }
}

#[test]
fn io_privilege_lets_cli_sti_in_and_out_through() {
    for instruction in [Sensitive::Cli, Sensitive::Sti, Sensitive::In, Sensitive::Out] {
        let (mut machine, code) = prepared(instruction, 3);
        machine.cpu.flags.set_all(Rflags::IF | Rflags::IOPL);
        assert_eq!(answer(&mut machine, &code), Answer::Runs, "{}", instruction.name());
        assert!(of(instruction).condition.is_some());
    }
}

#[test]
fn cr4_tsd_makes_the_time_stamp_counter_trap() {
    for instruction in [Sensitive::Rdtsc, Sensitive::Rdtscp] {
        let (mut machine, code) = prepared(instruction, 3);
        machine.cpu.control.cr4 |= Cr4::TSD;
        let faults = Answer::Faults(Vector::GeneralProtection);
        assert_eq!(answer(&mut machine, &code), faults);
        assert!(of(instruction).condition.is_some());
    }
}

/// Robin and Irvine's 18 mnemonics: every one is on a row, and no other.
#[test]
fn the_18_mnemonics_of_robin_and_irvine_are_all_there() {
    let mut listed: Vec<_> = table()
        .filter_map(|row| row.robin_irvine)
        .flat_map(|mnemonics| mnemonics.split(", "))
        .collect();
    listed.sort_unstable();
    listed.dedup();
    let mut printed = [
        "SGDT", "SIDT", "SLDT", "SMSW", "PUSHF", "POPF", "LAR", "LSL", "VERR", "VERW", "POP",
        "PUSH", "CALL", "JMP", "INT", "RET", "STR", "MOV",
    ];
    printed.sort_unstable();
    assert_eq!(listed, printed);
    let not_silent: Vec<_> = table()
        .filter(|row| row.robin_irvine.is_some() && row.class != Class::Silent)
        .map(|row| row.instruction)
        .collect();
    assert_eq!(not_silent, [Sensitive::Interrupt]);
}

#[test]
fn every_text_is_whole_sentences() {
    for row in table() {
        let name = row.instruction.name();
        assert!(row.text.ends_with('.') && row.text.len() > 20, "{name}");
        assert!(!row.text.contains("  "), "{name}: two spaces");
        if let InWorld::Replaced(by) = row.pv {
            assert!(by.starts_with(|c: char| c.is_lowercase()) && !by.ends_with('.'), "{name}");
        }
    }
}
