//! Delivery of exceptions and interrupts, from every mode and through every kind of gate.
//!
//! Expected values: Intel SDM vol. 2, operation of INT n, and vol. 3, "Interrupt and Exception
//! Handling".

#![allow(clippy::panic, reason = "a broken test may panic")]

mod rings;

use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RSP};
use paravane_cpu::state::segments::SegmentName;
use paravane_cpu::{Exception, Exit, Unimplemented, Vector};
use rings::selectors::*;
use rings::{
    CODE, HANDLER, IST_1, Machine, RAM_SIZE, STACK, STACK_0, TSS, access, descriptor, gate, gp, np,
    ss, ts,
};

/// INT 40h: its gate lies at 40h × 8, its error code is that plus 2.
const INT: [u8; 2] = [0xcd, 0x40];
const GATE_CODE: u16 = 0x202;
/// UD2: vector 6, as an exception that says EXT in the error code of what goes wrong.
const UD2: [u8; 2] = [0x0f, 0x0b];
const UD2_GATE_CODE: u16 = 0x32;
const EXTERNAL: u16 = 1;
const NOP: [u8; 1] = [0x90];

const OPEN: u64 = access::INTERRUPT | access::RING_3;

/// What INT 40h raises through this gate.
fn int_fault(machine: &Machine) -> Option<Exception> {
    machine.fault(&INT)
}

/// What the delivery of #UD raises through the same gate at its vector.
fn exception_fault(machine: &Machine) -> Option<Exception> {
    match machine.delivered(Vector::InvalidOpcode, &UD2) {
        Ok(_) => None,
        Err(Exit::Exception(exception)) => Some(exception),
        Err(exit) => panic!("{exit:?}"),
    }
}

/// What an external interrupt with vector 40h raises.
fn interrupt_fault(machine: &Machine) -> Option<Exception> {
    let mut machine = machine.clone();
    machine.bus.interrupt = Some(0x40);
    machine.fault(&NOP)
}

fn external(exception: Option<Exception>) -> Option<Exception> {
    exception.map(|Exception { vector, error_code }| Exception {
        vector,
        error_code: error_code.map(|code| code | EXTERNAL),
    })
}

fn both_gates(machine: &mut Machine, gate: u64) {
    machine.interrupt_gate(0x40, gate);
    machine.interrupt_gate(6, gate);
}

fn both_long_gates(machine: &mut Machine, gate: u64, upper: u64) {
    machine.long_interrupt_gate(0x40, gate, upper);
    machine.long_interrupt_gate(6, gate, upper);
}

#[test]
fn an_interrupt_gate_leads_to_ring_0_with_interrupts_off() {
    let mut machine = Machine::protected(3);
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, OPEN, 0));
    let flags = Rflags::IF | Rflags::NT | Rflags::DF | Rflags::AC | Rflags::CF | Rflags::FIXED;
    machine.cpu.flags.set_all(flags);
    machine.step(&INT);
    assert_eq!(machine.place(), (CODE_0, HANDLER, 0));
    assert_eq!(machine.selector(SegmentName::Ss), DATA_0);
    assert_eq!(machine.cpu.rsp(), STACK_0 - 20);
    assert_eq!(machine.stack::<u32, 5>(), [CODE + 2, 0x1b, flags.bits(), STACK, 0x23]);
    assert_eq!(machine.cpu.flags.all(), flags - Rflags::IF - Rflags::NT);
}

#[test]
fn a_trap_gate_leaves_interrupts_on() {
    let mut machine = Machine::protected(3);
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, access::TRAP | access::RING_3, 0));
    machine.cpu.flags.set_all(Rflags::IF);
    machine.step(&INT);
    assert!(machine.flag(Rflags::IF));
}

#[test]
fn a_single_step_goes_off_in_the_handler_and_on_again_behind_it() {
    let mut machine = Machine::protected(3);
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, OPEN, 0));
    machine.cpu.flags.set_all(Rflags::TF);
    machine.step(&INT);
    assert!(!machine.flag(Rflags::TF));
    let [_, _, flags, _, _] = machine.stack::<u32, 5>();
    assert_eq!(flags, (Rflags::TF | Rflags::FIXED).bits());
}

#[test]
fn a_16_bit_gate_pushes_words() {
    let mut machine = Machine::protected(3);
    let access = access::INTERRUPT16 | access::RING_3;
    machine.interrupt_gate(0x40, gate(CODE_0, 0xffff_4321, access, 0));
    machine.step(&INT);
    assert_eq!(machine.place(), (CODE_0, 0x4321, 0));
    assert_eq!(machine.cpu.rsp(), STACK_0 - 10);
    let flags = (Rflags::IF | Rflags::FIXED).bits();
    assert_eq!(machine.stack::<u16, 5>(), [2, 0x1b, flags, 0, 0x23]);
}

#[test]
fn a_16_bit_tss_has_its_stack_at_offset_2() {
    let mut machine = Machine::protected(3);
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, OPEN, 0));
    machine.task_register(0x2b, 0x83);
    machine.set(TSS + 2, 0x8000_u16);
    machine.set(TSS + 4, DATA16_0);
    machine.step(&INT);
    assert_eq!(machine.selector(SegmentName::Ss), DATA16_0);
    assert_eq!(machine.cpu.rsp(), 0x8000 - 20);
}

#[test]
fn an_exception_returns_to_its_instruction_with_rf_and_an_error_code() {
    let mut machine = Machine::protected(3);
    machine.interrupt_gate(13, gate(CODE_0, HANDLER, access::INTERRUPT, 0));
    machine.cpu.registers.set(RAX, CODE_0.into());
    // MOV DS, AX
    let after = machine.delivered(Vector::GeneralProtection, &[0x8e, 0xd8]).unwrap();
    assert_eq!(after.place(), (CODE_0, HANDLER, 0));
    assert_eq!(after.cpu.rsp(), STACK_0 - 24);
    let flags = (Rflags::IF | Rflags::RF | Rflags::FIXED).bits();
    assert_eq!(after.stack::<u32, 6>(), [CODE_0.into(), CODE, 0x1b, flags, STACK, 0x23]);
    assert!(!after.flag(Rflags::RF));
}

#[test]
fn within_a_ring_the_stack_stays() {
    let mut machine = Machine::protected(0);
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, access::INTERRUPT, 0));
    machine.step(&INT);
    assert_eq!(machine.place(), (CODE_0, HANDLER, 0));
    assert_eq!(machine.cpu.rsp(), STACK - 12);
    let flags = (Rflags::IF | Rflags::FIXED).bits();
    assert_eq!(machine.stack::<u32, 3>(), [CODE + 2, CODE_0.into(), flags]);
}

#[test]
fn a_conforming_handler_runs_in_the_ring_it_interrupts() {
    let mut machine = Machine::protected(3);
    machine.interrupt_gate(0x40, gate(CONFORMING_0, HANDLER, OPEN, 0));
    machine.step(&INT);
    assert_eq!(machine.place(), (CONFORMING_0 | 3, HANDLER, 3));
    assert_eq!(machine.cpu.rsp(), STACK - 12);
}

#[test]
fn an_external_interrupt_returns_to_the_next_instruction() {
    let mut machine = Machine::protected(3);
    // The privilege of the gate doesn't count.
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, access::INTERRUPT, 0));
    machine.bus.interrupt = Some(0x40);
    machine.step(&NOP);
    assert_eq!(machine.place(), (CODE_0, HANDLER, 0));
    let [rip, ..] = machine.stack::<u32, 5>();
    assert_eq!(rip, CODE);
}

#[test]
fn only_int_needs_the_privilege_of_the_gate() {
    let mut machine = Machine::protected(3);
    for vector in [1, 3, 4, 6, 0x40] {
        machine.interrupt_gate(vector, gate(CODE_0, HANDLER, access::INTERRUPT, 0));
    }
    machine.cpu.flags.set_all(Rflags::OF);
    assert_eq!(machine.fault(&INT), gp(GATE_CODE));
    assert_eq!(machine.fault(&[0xcc]), gp(0x1a), "INT3");
    assert_eq!(machine.fault(&[0xce]), gp(0x22), "INTO");
    assert_eq!(machine.fault(&[0xf1]), None, "INT1");
    assert_eq!(exception_fault(&machine), None);
    assert_eq!(interrupt_fault(&machine), None);
}

#[test]
fn bad_gates_and_handlers_say_which_and_whether_the_program_did_it() {
    // (ring, gate, exception of INT; `None` for the code of the gate)
    let cases = [
        (3, gate(0, HANDLER, OPEN, 0), gp(0)),
        (3, gate(3, HANDLER, OPEN, 0), gp(0)),
        (3, gate(OUTSIDE, HANDLER, OPEN, 0), gp(OUTSIDE)),
        (3, gate(DATA_0, HANDLER, OPEN, 0), gp(DATA_0)),
        (3, gate(BUSY_TSS, HANDLER, OPEN, 0), gp(BUSY_TSS)),
        (3, gate(ABSENT_CODE_0, HANDLER, OPEN, 0), np(ABSENT_CODE_0)),
        // A handler never runs further out.
        (0, gate(CODE_3, HANDLER, OPEN, 0), gp(CODE_3)),
        (3, gate(SHORT_CODE_3, 0x1000, OPEN, 0), gp(0)),
    ];
    for (ring, gate, exception) in cases {
        let mut machine = Machine::protected(ring);
        both_gates(&mut machine, gate);
        assert_eq!(int_fault(&machine), exception, "{gate:#x}");
        assert_eq!(exception_fault(&machine), external(exception), "{gate:#x}");
        assert_eq!(interrupt_fault(&machine), external(exception), "{gate:#x}");
    }
}

#[test]
fn a_gate_that_is_absent_outside_the_table_or_none_is_named_by_its_vector() {
    let good = gate(CODE_0, HANDLER, OPEN, 0);
    let cases = [
        (gate(CODE_0, HANDLER, OPEN - access::PRESENT, 0), 0xfff, np(0)),
        (gate(CODE_0, HANDLER, access::CALL | access::RING_3, 0), 0xfff, gp(0)),
        // Code, data.
        (gate(CODE_0, HANDLER, 0xfe, 0), 0xfff, gp(0)),
        (0, 0xfff, gp(0)),
        (good, 6 * 8 + 6, gp(0)),
    ];
    for (gate, limit, exception) in cases {
        let mut machine = Machine::protected(3);
        both_gates(&mut machine, gate);
        machine.cpu.segments.idtr.limit = limit;
        let named = |code| exception.map(|e| Exception::with_code(e.vector, code));
        assert_eq!(int_fault(&machine), named(GATE_CODE), "{gate:#x}");
        assert_eq!(exception_fault(&machine), named(UD2_GATE_CODE | EXTERNAL), "{gate:#x}");
        assert_eq!(interrupt_fault(&machine), named(GATE_CODE | EXTERNAL), "{gate:#x}");
    }
    let mut machine = Machine::protected(3);
    both_gates(&mut machine, good);
    machine.cpu.segments.idtr.limit = 0x40 * 8 + 7;
    assert_eq!(int_fault(&machine), None);
}

#[test]
fn bad_stacks_in_the_tss_are_named() {
    let cases = [
        (0, ts(0)),
        (OUTSIDE, ts(OUTSIDE)),
        (DATA_0 | 1, ts(DATA_0)),
        (DATA_3, ts(DATA_3)),
        (CODE_0, ts(CODE_0)),
        (ABSENT_DATA_0, ss(ABSENT_DATA_0)),
        (TINY_0, ss(TINY_0)),
    ];
    for (stack, exception) in cases {
        let mut machine = Machine::protected(3);
        both_gates(&mut machine, gate(CODE_0, HANDLER, OPEN, 0));
        machine.set(TSS + 8, u32::from(stack));
        assert_eq!(int_fault(&machine), exception, "{stack:#x}");
        assert_eq!(exception_fault(&machine), external(exception), "{stack:#x}");
    }
    let mut machine = Machine::protected(3);
    both_gates(&mut machine, gate(CODE_0, HANDLER, OPEN, 0));
    machine.task_register(8, 0x8b);
    assert_eq!(int_fault(&machine), ts(BUSY_TSS));
    assert_eq!(exception_fault(&machine), ts(BUSY_TSS | EXTERNAL));
}

#[test]
fn without_room_on_the_current_stack_the_error_code_is_0() {
    let mut machine = Machine::protected(0);
    both_gates(&mut machine, gate(CODE_0, HANDLER, OPEN, 0));
    machine.describe(GATE, descriptor(0, 0xf, 0x4093));
    machine.hold(SegmentName::Ss, GATE);
    machine.cpu.registers.set(RSP, 12);
    assert_eq!(int_fault(&machine), None);
    machine.cpu.registers.set(RSP, 11);
    assert_eq!(int_fault(&machine), ss(0));
    assert_eq!(exception_fault(&machine), ss(EXTERNAL));
}

#[test]
fn a_task_gate_is_checked_and_then_reported() {
    let access = access::TASK | access::RING_3;
    let mut machine = Machine::protected(3);
    both_gates(&mut machine, gate(AVAILABLE_TSS, 0, access, 0));
    let switch = Exit::Unimplemented(Unimplemented::TaskSwitch(AVAILABLE_TSS));
    assert_eq!(machine.outcome(&INT).err(), Some(switch));
    both_gates(&mut machine, gate(BUSY_TSS, 0, access, 0));
    assert_eq!(exception_fault(&machine), gp(BUSY_TSS | EXTERNAL));
}

#[test]
fn long_mode_always_pushes_the_stack_and_aligns_it() {
    let mut machine = Machine::long(0);
    machine.long_interrupt_gate(0x40, gate(LONG_0, HANDLER, access::INTERRUPT, 0), 0);
    machine.cpu.registers.set(RSP, STACK - 5);
    machine.step(&INT);
    assert_eq!(machine.place(), (LONG_0, HANDLER, 0));
    assert_eq!(machine.cpu.rsp(), STACK - 16 - 40);
    // Within a ring SS stays.
    assert_eq!(machine.selector(SegmentName::Ss), DATA_0);
    let flags = (Rflags::IF | Rflags::FIXED).bits();
    let frame = [CODE + 2, LONG_0.into(), flags, STACK - 5, DATA_0.into()];
    assert_eq!(machine.stack::<u64, 5>(), frame);
}

#[test]
fn long_mode_gives_an_inner_ring_a_null_stack_segment() {
    for mut machine in [Machine::long(3), Machine::compatibility(3)] {
        machine.long_interrupt_gate(0x40, gate(LONG_0, HANDLER, OPEN, 0), 0);
        let code = machine.selector(SegmentName::Cs);
        machine.step(&INT);
        assert_eq!(machine.place(), (LONG_0, HANDLER, 0));
        assert_eq!(machine.selector(SegmentName::Ss), 0);
        assert_eq!(machine.cpu.rsp(), STACK_0 - 40);
        let flags = (Rflags::IF | Rflags::FIXED).bits();
        let frame = [CODE + 2, code.into(), flags, STACK, (DATA_3 | 3).into()];
        assert_eq!(machine.stack::<u64, 5>(), frame);
        // Data segments stay.
        assert_eq!(machine.selector(SegmentName::Ds), DATA_3 | 3);
    }
}

#[test]
fn the_interrupt_stack_table_works_within_a_ring_too() {
    for ring in [0, 3] {
        let mut machine = Machine::long(ring);
        machine.long_interrupt_gate(0x40, gate(LONG_0, HANDLER, OPEN, 1), 0);
        machine.step(&INT);
        assert_eq!(machine.place(), (LONG_0, HANDLER, 0));
        assert_eq!(machine.cpu.rsp(), (IST_1 & !15) - 40);
        let [.., rsp, _] = machine.stack::<u64, 5>();
        assert_eq!(rsp, STACK);
    }
}

#[test]
fn bad_gates_handlers_and_stacks_in_long_mode() {
    let long = |selector| gate(selector, HANDLER, OPEN, 0);
    let ist = |entry| gate(LONG_0, HANDLER, OPEN, entry);
    // (ring, gate, its upper half, IST 2, exception)
    let cases = [
        (3, long(LONG_0), 0, 0, None),
        (3, long(0), 0, 0, gp(0)),
        (3, long(OUTSIDE), 0, 0, gp(OUTSIDE)),
        // Handlers are 64-bit code.
        (3, long(CODE_0), 0, 0, gp(CODE_0)),
        (3, long(LONG_AND_BIG_3), 0, 0, gp(LONG_AND_BIG_3)),
        (3, long(ABSENT_LONG_0), 0, 0, np(ABSENT_LONG_0)),
        (0, long(LONG_3), 0, 0, gp(LONG_3)),
        (3, long(LONG_0), 0x8000, 0, gp(0)),
        (3, ist(2), 0, 0x5_0000, None),
        (3, ist(2), 0, 0x8000_0000_0000, ss(0)),
        (0, ist(2), 0, 0x8000_0000_0000, ss(0)),
        (3, ist(2), 0, 0xffff_8000_0000_0008, ss(0)),
    ];
    for (ring, gate, upper, ist, exception) in cases {
        let mut machine = Machine::long(ring);
        both_long_gates(&mut machine, gate, upper);
        machine.set::<u64>(TSS + 44, ist);
        assert_eq!(int_fault(&machine), exception, "{gate:#x} {upper:#x} {ist:#x}");
        assert_eq!(exception_fault(&machine), external(exception), "{gate:#x} {upper:#x}");
    }
}

#[test]
fn long_mode_has_no_task_gates_and_no_16_bit_ones() {
    for access in [access::TASK, access::INTERRUPT16, access::TRAP16, access::CALL] {
        let mut machine = Machine::long(3);
        both_long_gates(&mut machine, gate(LONG_0, HANDLER, access | access::RING_3, 0), 0);
        assert_eq!(int_fault(&machine), gp(GATE_CODE), "{access:#x}");
        assert_eq!(exception_fault(&machine), gp(UD2_GATE_CODE | EXTERNAL), "{access:#x}");
    }
}

#[test]
fn in_long_mode_tables_must_hold_all_of_a_gate_and_of_a_stack() {
    let mut machine = Machine::long(3);
    both_long_gates(&mut machine, gate(LONG_0, HANDLER, OPEN, 7), 0);
    machine.set(TSS + 84, STACK_0);
    machine.cpu.segments.idtr.limit = 0x40 * 16 + 15;
    machine.task_register(84 + 7, 0x8b);
    assert_eq!(int_fault(&machine), None);
    machine.task_register(84 + 6, 0x8b);
    assert_eq!(int_fault(&machine), ts(BUSY_TSS));
    assert_eq!(exception_fault(&machine), ts(BUSY_TSS | EXTERNAL));
    machine.cpu.segments.idtr.limit = 0x40 * 16 + 14;
    assert_eq!(int_fault(&machine), gp(GATE_CODE));
}

#[test]
fn a_page_fault_during_delivery_has_no_bit_ext_and_changes_nothing() {
    let mut machine = Machine::long(3);
    both_long_gates(&mut machine, gate(LONG_0, HANDLER, OPEN, 0), 0);
    machine.set::<u64>(0x3000, 0x4007);
    for page in 0..512_u64 {
        let present = u64::from(page != 0x2f);
        machine.set(0x4000 + page * 8, page << 12 | 6 | present);
    }
    // The first two pushes still land on a page that is there.
    machine.set(TSS + 4, 0x3_0010_u64);
    let fault = Some(Exception::with_code(Vector::PageFault, 2));
    assert_eq!(int_fault(&machine), fault);
    assert_eq!(exception_fault(&machine), fault);
}

#[test]
fn leaving_virtual_8086_mode_saves_all_segments_and_empties_them() {
    let mut machine = Machine::virtual_8086(3);
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, OPEN, 0));
    let flags = machine.cpu.flags.bits();
    machine.step(&INT);
    assert_eq!(machine.place(), (CODE_0, HANDLER, 0));
    assert!(!machine.flag(Rflags::VM));
    assert_eq!(machine.selector(SegmentName::Ss), DATA_0);
    assert_eq!(machine.cpu.rsp(), STACK_0 - 36);
    let segment = 0x1000;
    let frame = [2, segment, flags, 0xfffe, segment, segment, segment, segment, segment];
    assert_eq!(machine.stack::<u32, 9>(), frame);
    for name in [SegmentName::Ds, SegmentName::Es, SegmentName::Fs, SegmentName::Gs] {
        assert_eq!(machine.selector(name), 0);
        assert!(!machine.cpu.segments.get(name).is_usable());
    }
    // IRETD takes all of it back.
    machine.step(&[0xcf]);
    assert_eq!(machine.place(), (0x1000, 2, 3));
    assert_eq!(machine.cpu.flags.bits(), flags);
    assert_eq!(machine.cpu.rsp(), 0xfffe);
    for name in SegmentName::ALL {
        let segment = machine.cpu.segments.get(name);
        assert_eq!((segment.selector.0, segment.base, segment.limit), (0x1000, 0x1_0000, 0xffff));
    }
}

#[test]
fn virtual_8086_mode_is_left_for_ring_0_only() {
    for (handler, exception) in [
        (CODE_1, gp(CODE_1)),
        (CODE_3, gp(CODE_3)),
        (CONFORMING_0, gp(CONFORMING_0)),
        (ABSENT_CODE_0, np(ABSENT_CODE_0)),
    ] {
        let mut machine = Machine::virtual_8086(3);
        both_gates(&mut machine, gate(handler, HANDLER, OPEN, 0));
        assert_eq!(int_fault(&machine), exception, "{handler:#x}");
        assert_eq!(exception_fault(&machine), external(exception), "{handler:#x}");
    }
}

#[test]
fn real_mode_takes_handlers_from_the_vector_table() {
    let mut machine = Machine::real();
    machine.set(0x40 * 4, 0x4567_1234_u32);
    let flags = Rflags::IF | Rflags::AC | Rflags::NT | Rflags::CF | Rflags::FIXED;
    machine.cpu.flags.set_all(flags);
    machine.step(&INT);
    assert_eq!(machine.place(), (0x4567, 0x1234, 0));
    assert_eq!(machine.cpu.segments.get(SegmentName::Cs).base, 0x4_5670);
    assert_eq!(machine.cpu.rsp(), 0xfff8);
    assert_eq!(machine.stack::<u16, 3>(), [2, 0x1000, flags.bits() & 0xffff]);
    assert_eq!(machine.cpu.flags.all(), flags - Rflags::IF - Rflags::AC);

    let mut machine = Machine::real();
    machine.cpu.segments.idtr.limit = 0x40 * 4 + 3;
    assert_eq!(int_fault(&machine), None);
    machine.cpu.segments.idtr.limit = 0x40 * 4 + 2;
    assert_eq!(int_fault(&machine), gp(GATE_CODE));
}

#[test]
fn a_frame_in_device_memory_is_written_once_and_in_order() {
    let mut machine = Machine::protected(3);
    machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, OPEN, 0));
    machine.set(TSS + 4, RAM_SIZE as u32 + 0x100);
    machine.step(&INT);
    assert_eq!(machine.place(), (CODE_0, HANDLER, 0));
    let top = RAM_SIZE + 0x100;
    let flags = (Rflags::IF | Rflags::FIXED).bits();
    let expected = [
        (top - 4, 0x23),
        (top - 8, STACK),
        (top - 12, flags),
        (top - 16, 0x1b),
        (top - 20, CODE + 2),
    ];
    assert_eq!(machine.bus.memory_writes, expected);
}
