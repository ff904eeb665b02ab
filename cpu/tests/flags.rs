//! PUSHF, POPF, CLI, STI and the flag instructions. Values are those of the Intel SDM, vol. 2.

mod flat_bus;
mod test_machine;

use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RIP, RSP};
use paravane_cpu::{Exception, Exit, Sensitive};
use test_machine::{CODE, GP, STACK, TestMachine};

const PUSHF: &[u8] = &[0x9c];
const PUSHF_OTHER_SIZE: &[u8] = &[0x66, 0x9c];
const POPF: &[u8] = &[0x9d];
const POPF_OTHER_SIZE: &[u8] = &[0x66, 0x9d];
const CLI: &[u8] = &[0xfa];
const STI: &[u8] = &[0xfb];
const LAHF: &[u8] = &[0x9f];
const SAHF: &[u8] = &[0x9e];

const IF: u64 = 0x200;
const IOPL_3: u64 = 0x3000;
const RF: u64 = 0x1_0000;
const VM: u64 = 0x2_0000;
const VIF_VIP: u64 = 0x18_0000;

/// CF, PF, AF, ZF, SF, TF, DF, OF, NT: what every ring may change in FLAGS.
const LOW: u64 = 0x4dd5;
/// AC and ID: what every ring may change above.
const HIGH: u64 = 0x24_0000;

fn set_flags(machine: TestMachine, flags: u64) -> TestMachine {
    machine.with(|cpu| cpu.flags.set_all(Rflags::from_bits_truncate(flags)))
}

fn pop(machine: &mut TestMachine, code: &[u8], image: u64) -> Result<(), Exception> {
    assert!(machine.cpu.ram.write(STACK, image));
    machine.execute_with(&[(RSP, STACK)], code)
}

#[test]
fn popf_in_ring_3_silently_keeps_the_interrupt_flag() {
    for before in [0, IF] {
        let mut machine = set_flags(TestMachine::long().at_ring(3), before);
        assert_eq!(pop(&mut machine, POPF, before ^ IF), Ok(()));
        assert_eq!(machine.rflags(), 2 | before);
        assert_eq!(machine.get(RSP), STACK + 8);
    }
}

#[test]
fn popf_changes_what_ring_and_iopl_allow() {
    let long = |ring| TestMachine::long().at_ring(ring);
    // Machine, flags before, code, flags that an image of all ones sets.
    let cases = [
        (long(0), 0, POPF, LOW | IF | IOPL_3 | HIGH),
        (long(0), 0, POPF_OTHER_SIZE, LOW | IF | IOPL_3),
        (long(1), 0, POPF, LOW | HIGH),
        (long(1), 0x1000, POPF, LOW | HIGH | IF),
        (long(3), 0x2000, POPF, LOW | HIGH),
        (long(3), IOPL_3, POPF, LOW | HIGH | IF),
        (long(3), IOPL_3, POPF_OTHER_SIZE, LOW | IF),
        (TestMachine::compatibility().at_ring(3), 0, POPF, LOW | HIGH),
        (TestMachine::protected(), 0, POPF, LOW | IF | IOPL_3 | HIGH),
        (TestMachine::real(), 0, POPF, LOW | IF | IOPL_3),
        (TestMachine::real(), 0, POPF_OTHER_SIZE, LOW | IF | IOPL_3 | HIGH),
        (TestMachine::virtual_8086(), VM | IOPL_3, POPF, LOW | IF),
        (TestMachine::virtual_8086(), VM | IOPL_3, POPF_OTHER_SIZE, LOW | IF | HIGH),
    ];
    for (index, (machine, before, code, changes)) in cases.into_iter().enumerate() {
        let mut machine = set_flags(machine, before);
        assert_eq!(pop(&mut machine, code, u64::MAX), Ok(()));
        assert_eq!(machine.rflags(), 2 | before | changes, "ones, case {index}");

        let mut machine = set_flags(machine, before | LOW & !0x100);
        let kept = before & !changes;
        assert_eq!(pop(&mut machine, code, 0), Ok(()));
        assert_eq!(machine.rflags(), 2 | kept, "zeros, case {index}");
    }
}

#[test]
fn popf_leaves_virtual_interrupt_flags_alone() {
    let mut machine = set_flags(TestMachine::protected(), VIF_VIP);
    assert_eq!(pop(&mut machine, POPF, 0), Ok(()));
    assert_eq!(machine.rflags(), 2 | VIF_VIP);
}

#[test]
fn pushf_and_popf_raise_gp_in_virtual_8086_mode_below_iopl_3() {
    for code in [PUSHF, PUSHF_OTHER_SIZE, POPF, POPF_OTHER_SIZE] {
        let mut machine = set_flags(TestMachine::virtual_8086(), VM | 0x2000)
            .intercepting(Sensitive::Pushf)
            .intercepting(Sensitive::Popf);
        assert_eq!(machine.execute(code), GP);
        assert_eq!(machine.get(RSP), STACK);
    }
}

#[test]
fn the_image_that_pushf_stores_shows_neither_rf_nor_vm() {
    let mut machine = set_flags(TestMachine::virtual_8086(), VM | RF | VIF_VIP | IOPL_3 | IF);
    assert_eq!(machine.execute(PUSHF_OTHER_SIZE), Ok(()));
    let image = machine.cpu.ram.read::<u32>(STACK - 4);
    assert_eq!(image.map(u64::from), Some(2 | VIF_VIP | IOPL_3 | IF));
}

#[test]
fn pushf_stores_as_much_as_its_operand_size_says() {
    for (code, size) in [(PUSHF, 8), (PUSHF_OTHER_SIZE, 2)] {
        let mut machine = set_flags(TestMachine::long(), HIGH | IF | 1);
        machine.cpu.ram.write(STACK - 8, u64::MAX);
        assert_eq!(machine.execute(code), Ok(()));
        assert_eq!(machine.get(RSP), STACK - size);
        let stored = machine.cpu.ram.read::<u64>(STACK - 8).unwrap();
        let expected = if size == 8 { HIGH | 0x203 } else { 0x0203_ffff_ffff_ffff };
        assert_eq!(stored, expected);
    }
}

#[test]
fn cli_and_sti_obey_iopl() {
    for ring in 0..=3 {
        for level in 0..=3 {
            let expected = if u64::from(ring) <= level { Ok(()) } else { GP };
            for (code, before) in [(CLI, IF), (STI, 0)] {
                let flags = before | level << 12;
                let mut machine = set_flags(TestMachine::long().at_ring(ring), flags);
                assert_eq!(machine.execute(code), expected, "ring {ring}, IOPL {level}");
                let changed = machine.rflags() & IF != before;
                assert_eq!(changed, expected.is_ok());
            }
        }
    }
    for (level, expected) in [(2, GP), (3, Ok(()))] {
        let mut machine = set_flags(TestMachine::virtual_8086(), VM | level << 12);
        assert_eq!(machine.execute(STI), expected);
        assert_eq!(machine.execute(CLI), expected);
    }
}

#[test]
fn an_interrupt_waits_for_the_instruction_after_the_sti_that_enables_it() {
    for (before, expected_rip) in [(0, CODE + 2), (IF, CODE)] {
        let mut machine = set_flags(TestMachine::long(), before);
        machine.bus.interrupt = Some(0x20);
        machine.intercepts.external_interrupts = true;
        // STI, then NOPs.
        let mut exit = machine.exit_of(&[0xfb, 0x90, 0x90, 0x90]);
        while exit == Exit::Budget {
            exit = machine.cpu.run(&mut machine.bus, &machine.intercepts, 1);
        }
        assert_eq!((exit, machine.get(RIP)), (Exit::ExternalInterrupt, expected_rip));
    }
}

#[test]
fn flag_instructions_change_one_flag() {
    let cases: [(&[u8], u64, u64); 7] = [
        (&[0xf8], 0xad7, 0xad6),
        (&[0xf9], 0x002, 0x003),
        (&[0xf5], 0x802, 0x803),
        (&[0xf5], 0x803, 0x802),
        (&[0xfc], 0xed7, 0xad7),
        (&[0xfd], 0x002, 0x402),
        (&[0x90], 0xad7, 0xad7),
    ];
    for (code, before, after) in cases {
        let mut machine = set_flags(TestMachine::long(), before);
        assert_eq!(machine.execute(code), Ok(()));
        assert_eq!(machine.rflags(), after, "{code:02x?}");
    }
}

#[test]
fn lahf_and_sahf_move_five_flags_through_ah() {
    for flags in 0..=255_u64 {
        let image = flags & 0xd5 | 2;
        let mut machine = set_flags(TestMachine::long(), flags | 0x800);
        assert_eq!(machine.execute_with(&[(RAX, 0x1234)], LAHF), Ok(()));
        assert_eq!(machine.get(RAX), image << 8 | 0x34);

        let mut machine = set_flags(TestMachine::long(), 0x800);
        assert_eq!(machine.execute_with(&[(RAX, flags << 8)], SAHF), Ok(()));
        assert_eq!(machine.rflags(), 0x800 | image);
    }
}
