//! Far JMP, CALL and RET: direct, through call gates, and back.
//!
//! Expected values: Intel SDM vol. 2, operation of JMP, CALL and RET.

mod rings;

use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RIP, RSP};
use paravane_cpu::state::segments::{Segment, SegmentName, Selector};
use paravane_cpu::{Exception, Exit, Unimplemented, Vector};
use rings::selectors::*;
use rings::{
    CODE, GDT, HANDLER, Machine, RAM_SIZE, STACK, STACK_0, TSS, access, descriptor, gate, gp, np,
    ss, ts,
};

/// JMP or CALL ptr16:32 in 32-bit code, 16:16 in 16-bit code.
fn jump(selector: u16, offset: u32) -> Vec<u8> {
    [&[0xea], &offset.to_le_bytes()[..], &selector.to_le_bytes()].concat()
}

fn call(selector: u16, offset: u32) -> Vec<u8> {
    [&[0x9a], &offset.to_le_bytes()[..], &selector.to_le_bytes()].concat()
}

/// Where the far pointer of [`call_memory`] and [`jump_memory`] lies.
const POINTER: u32 = 0x8000;

/// CALL m16:32 at POINTER, in 64-bit code; m16:64 with REX.W before.
const CALL_MEMORY: [u8; 7] = [0xff, 0x1c, 0x25, 0x00, 0x80, 0, 0];
const CALL_MEMORY_64: [u8; 8] = [0x48, 0xff, 0x1c, 0x25, 0x00, 0x80, 0, 0];
const JUMP_MEMORY_64: [u8; 8] = [0x48, 0xff, 0x2c, 0x25, 0x00, 0x80, 0, 0];
const RETF: [u8; 1] = [0xcb];
const RETF_64: [u8; 2] = [0x48, 0xcb];

fn call_gate(machine: &mut Machine, target: u16, offset: u64, access: u64, parameters: u64) {
    machine.describe(GATE, gate(target, offset, access, parameters));
}

#[test]
fn a_far_jump_reaches_code_of_its_own_ring_and_conforming_code() {
    let cases = [
        (3, CODE_3 | 3, 0x1b),
        // The RPL may be more privileged: CS gets the CPL.
        (3, CODE_3, 0x1b),
        (3, CONFORMING_0, 0x2b),
        (3, CONFORMING_0 | 3, 0x2b),
        (0, CODE_0, 0x08),
        (0, CONFORMING_0 | 3, 0x28),
    ];
    for (ring, selector, code) in cases {
        let after = Machine::protected(ring).outcome(&jump(selector, 0x1_2345)).unwrap();
        assert_eq!(after.place(), (code, 0x1_2345, ring), "{selector:#x} from ring {ring}");
    }
}

#[test]
fn a_far_jump_or_call_elsewhere_faults_with_the_selector() {
    let cases = [
        (3, 0, gp(0)),
        (3, 3, gp(0)),
        (3, OUTSIDE, gp(OUTSIDE)),
        (3, LOCAL_OUTSIDE | 3, gp(LOCAL_OUTSIDE)),
        (3, CODE_0, gp(CODE_0)),
        (3, CODE_1 | 3, gp(CODE_1)),
        (3, DATA_3, gp(DATA_3)),
        (3, LOCAL_DATA_3, gp(LOCAL_DATA_3)),
        (3, ABSENT_CODE_3, np(ABSENT_CODE_3)),
        // Privilege is checked before presence.
        (3, ABSENT_CODE_0, gp(ABSENT_CODE_0)),
        (3, LOCAL_TABLE, gp(LOCAL_TABLE)),
        // A busy TSS is not available.
        (0, BUSY_TSS, gp(BUSY_TSS)),
        (3, AVAILABLE_TSS, gp(AVAILABLE_TSS)),
        (0, CODE_0 | 3, gp(CODE_0)),
        (0, CODE_3, gp(CODE_3)),
        (0, CONFORMING_3, gp(CONFORMING_3)),
        (0, ABSENT_CODE_0, np(ABSENT_CODE_0)),
    ];
    for (ring, selector, exception) in cases {
        let machine = Machine::protected(ring);
        assert_eq!(machine.fault(&jump(selector, 0x100)), exception, "jmp {selector:#x}");
        assert_eq!(machine.fault(&call(selector, 0x100)), exception, "call {selector:#x}");
    }
}

#[test]
fn the_target_must_lie_inside_the_code_segment() {
    let machine = Machine::protected(3);
    assert_eq!(machine.fault(&jump(SHORT_CODE_3, 0xfff)), None);
    assert_eq!(machine.fault(&jump(SHORT_CODE_3, 0x1000)), gp(0));
    assert_eq!(machine.fault(&call(SHORT_CODE_3, 0x1000)), gp(0));
}

#[test]
fn a_far_call_pushes_the_way_back_and_far_ret_takes_it() {
    let mut machine = Machine::protected(3);
    machine.step(&call(CODE_3, HANDLER as u32));
    assert_eq!(machine.place(), (0x1b, HANDLER, 3));
    assert_eq!(machine.stack::<u32, 2>(), [CODE + 7, 0x1b]);
    machine.step(&[0xca, 8, 0]);
    assert_eq!(machine.place(), (0x1b, CODE + 7, 3));
    assert_eq!(machine.cpu.rsp(), STACK + 8);
}

#[test]
fn a_far_call_of_16_bits_pushes_words() {
    let mut machine = Machine::protected(3);
    machine.step(&[0x66, 0x9a, 0x34, 0x12, 0x1b, 0]);
    assert_eq!(machine.place(), (0x1b, 0x1234, 3));
    assert_eq!(machine.cpu.rsp(), STACK - 4);
    // IP, and CS.
    assert_eq!(machine.stack::<u16, 2>(), [6, 0x1b]);
}

#[test]
fn a_far_call_without_room_on_the_stack_faults_before_it_looks_at_the_target() {
    let mut machine = Machine::protected(0);
    machine.hold(SegmentName::Ss, TINY_0);
    machine.cpu.registers.set(RSP, 4);
    assert_eq!(machine.fault(&call(CODE_0, 0x100)), ss(0));
    machine.cpu.registers.set(RSP, 8);
    assert_eq!(machine.fault(&call(CODE_0, 0x100)), None);
    machine.hold(SegmentName::Ss, TINY_0);
    machine.cpu.registers.set(RSP, 4);
    machine.describe(GATE, descriptor(0, 0xff, 0x409b));
    assert_eq!(machine.fault(&call(GATE, 0x100)), ss(0));
}

#[test]
fn loading_code_sets_its_accessed_bit() {
    let mut machine = Machine::protected(0);
    machine.describe(GATE, descriptor(0, 0xf_ffff, 0xc09a));
    machine.step(&jump(GATE, HANDLER as u32));
    assert_eq!(machine.get::<u8>(GDT + u64::from(GATE) + 5), 0x9b);
    assert_eq!(machine.cpu.segments.get(SegmentName::Cs).attributes.0, 0xc09b);
}

#[test]
fn task_switches_are_checked_and_then_reported() {
    let machine = Machine::protected(0);
    let switch = Exit::Unimplemented(Unimplemented::TaskSwitch(AVAILABLE_TSS));
    assert_eq!(machine.outcome(&jump(AVAILABLE_TSS, 0)).err(), Some(switch));
    assert_eq!(machine.outcome(&call(AVAILABLE_TSS, 0)).err(), Some(switch));

    let mut machine = Machine::protected(3);
    call_gate(&mut machine, AVAILABLE_TSS, 0, access::TASK | access::RING_3, 0);
    assert_eq!(machine.outcome(&call(GATE | 3, 0)).err(), Some(switch));
    call_gate(&mut machine, AVAILABLE_TSS, 0, access::TASK, 0);
    assert_eq!(machine.fault(&call(GATE, 0)), gp(GATE));
    call_gate(&mut machine, AVAILABLE_TSS, 0, (access::TASK | access::RING_3) - access::PRESENT, 0);
    assert_eq!(machine.fault(&call(GATE, 0)), np(GATE));
    call_gate(&mut machine, BUSY_TSS, 0, access::TASK | access::RING_3, 0);
    assert_eq!(machine.fault(&call(GATE, 0)), gp(BUSY_TSS));
    call_gate(&mut machine, LOCAL_DATA_3, 0, access::TASK | access::RING_3, 0);
    assert_eq!(machine.fault(&call(GATE, 0)), gp(LOCAL_DATA_3));
}

#[test]
fn a_call_gate_leads_to_ring_0_with_its_stack_and_the_parameters() {
    let mut machine = Machine::protected(3);
    call_gate(&mut machine, CODE_0, HANDLER, access::CALL | access::RING_3, 2);
    machine.put_stack::<u32>(&[0x1111, 0x2222, 0x3333]);
    // The offset in the instruction doesn't count.
    machine.step(&call(GATE | 3, 0xdead_beef));
    assert_eq!(machine.place(), (CODE_0, HANDLER, 0));
    assert_eq!(machine.selector(SegmentName::Ss), DATA_0);
    assert_eq!(machine.cpu.rsp(), STACK_0 - 24);
    let expected = [CODE + 7, 0x1b, 0x1111, 0x2222, STACK - 12, 0x23];
    assert_eq!(machine.stack::<u32, 6>(), expected);

    // RETF 8 releases the parameters on both stacks, and ring 3 keeps no data of ring 0.
    machine.hold(SegmentName::Ds, DATA_0);
    machine.hold(SegmentName::Es, CONFORMING_0);
    machine.hold(SegmentName::Fs, DATA_3 | 3);
    machine.cpu.segments.set(SegmentName::Gs, Segment::null(Selector(2)));
    machine.step(&[0xca, 8, 0]);
    assert_eq!(machine.place(), (0x1b, CODE + 7, 3));
    assert_eq!(machine.selector(SegmentName::Ss), 0x23);
    assert_eq!(machine.cpu.rsp(), STACK - 4);
    let kept = [SegmentName::Ds, SegmentName::Es, SegmentName::Fs, SegmentName::Gs]
        .map(|name| machine.selector(name));
    assert_eq!(kept, [0, CONFORMING_0, 0x23, 0]);
}

#[test]
fn a_16_bit_call_gate_pushes_words() {
    let mut machine = Machine::protected(3);
    // The upper half of a 16-bit gate's offset doesn't count.
    call_gate(&mut machine, CODE_0, 0xffff_0000 | 0x4321, access::CALL16 | access::RING_3, 1);
    machine.put_stack::<u16>(&[0x1111]);
    machine.step(&call(GATE | 3, 0));
    assert_eq!(machine.place(), (CODE_0, 0x4321, 0));
    assert_eq!(machine.cpu.rsp(), STACK_0 - 10);
    assert_eq!(machine.stack::<u16, 5>(), [7, 0x1b, 0x1111, 0xfffe, 0x23]);
}

#[test]
fn a_call_gate_may_stay_in_its_ring() {
    for target in [CODE_3, CONFORMING_0] {
        let mut machine = Machine::protected(3);
        call_gate(&mut machine, target, HANDLER, access::CALL | access::RING_3, 5);
        machine.step(&call(GATE | 3, 0));
        assert_eq!(machine.place(), (target | 3, HANDLER, 3));
        // Without a change of stacks, no parameters are copied.
        assert_eq!(machine.cpu.rsp(), STACK - 8);
        assert_eq!(machine.stack::<u32, 2>(), [CODE + 7, 0x1b]);
    }
}

#[test]
fn a_jump_through_a_call_gate_never_changes_the_ring() {
    let mut machine = Machine::protected(3);
    call_gate(&mut machine, CODE_0, HANDLER, access::CALL | access::RING_3, 0);
    assert_eq!(machine.fault(&jump(GATE, 0)), gp(CODE_0));
    for target in [CODE_3, CONFORMING_0] {
        call_gate(&mut machine, target, HANDLER, access::CALL | access::RING_3, 0);
        let after = machine.outcome(&jump(GATE, 0)).unwrap();
        assert_eq!(after.place(), (target | 3, HANDLER, 3));
    }
}

#[test]
fn call_gates_check_gate_then_code() {
    let open = access::CALL | access::RING_3;
    let cases = [
        (3, CODE_0, access::CALL, gp(GATE)),
        (3, CODE_0, open - access::PRESENT, np(GATE)),
        (3, 0, open, gp(0)),
        (3, OUTSIDE, open, gp(OUTSIDE)),
        (3, DATA_0, open, gp(DATA_0)),
        (3, BUSY_TSS, open, gp(BUSY_TSS)),
        (3, ABSENT_CODE_0, open, np(ABSENT_CODE_0)),
        (0, CODE_3, open, gp(CODE_3)),
        (0, CONFORMING_3, open, gp(CONFORMING_3)),
    ];
    for (ring, target, access, exception) in cases {
        let mut machine = Machine::protected(ring);
        call_gate(&mut machine, target, HANDLER, access, 0);
        assert_eq!(machine.fault(&call(GATE, 0)), exception, "{target:#x} by {access:#x}");
    }
    let mut machine = Machine::protected(0);
    call_gate(&mut machine, CODE_0, HANDLER, access::CALL, 0);
    assert_eq!(machine.fault(&call(GATE | 3, 0)), gp(GATE), "RPL counts, too");
    machine.describe(CODE_0, descriptor(0, 0xfff, 0x409b));
    assert_eq!(machine.fault(&call(GATE, 0)), gp(0), "outside the limit");
}

#[test]
fn a_bad_stack_in_the_tss_is_ts_but_an_absent_or_full_one_is_ss() {
    let cases = [
        (0, ts(0)),
        (3, ts(0)),
        (OUTSIDE, ts(OUTSIDE)),
        (DATA_0 | 3, ts(DATA_0)),
        (DATA_3, ts(DATA_3)),
        (CODE_0, ts(CODE_0)),
        (ABSENT_DATA_0, ss(ABSENT_DATA_0)),
        (TINY_0, ss(TINY_0)),
    ];
    for (stack, exception) in cases {
        let mut machine = Machine::protected(3);
        call_gate(&mut machine, CODE_0, HANDLER, access::CALL | access::RING_3, 0);
        machine.set(TSS + 8, u32::from(stack));
        assert_eq!(machine.fault(&call(GATE | 3, 0)), exception, "{stack:#x}");
    }
}

#[test]
fn the_tss_must_be_long_enough_for_the_stack_it_is_asked_for() {
    // (attributes, last byte of the stack of ring 0)
    for (attributes, last) in [(0x8b, 9), (0x83, 5)] {
        let mut machine = Machine::protected(3);
        call_gate(&mut machine, CODE_0, HANDLER, access::CALL | access::RING_3, 0);
        if attributes == 0x83 {
            machine.set(TSS + 2, 0x8000_u16);
            machine.set(TSS + 4, DATA_0);
        }
        machine.task_register(last, attributes);
        assert_eq!(machine.fault(&call(GATE | 3, 0)), None);
        machine.task_register(last - 1, attributes);
        assert_eq!(machine.fault(&call(GATE | 3, 0)), ts(BUSY_TSS));
    }
}

#[test]
fn far_ret_checks_the_code_it_goes_back_to() {
    let cases = [
        (3, 0, gp(0)),
        (3, 3, gp(0)),
        (3, OUTSIDE | 3, gp(OUTSIDE)),
        (3, DATA_3 | 3, gp(DATA_3)),
        // Never inwards.
        (3, CODE_0, gp(CODE_0)),
        (3, CODE_3, gp(CODE_3)),
        (0, CODE_0 | 3, gp(CODE_0)),
        (0, CODE_3, gp(CODE_3)),
        (0, CONFORMING_3, gp(CONFORMING_3)),
        (3, ABSENT_CODE_3 | 3, np(ABSENT_CODE_3)),
        (3, GATE | 3, gp(GATE)),
    ];
    for (ring, selector, exception) in cases {
        let mut machine = Machine::protected(ring);
        machine.put_stack::<u32>(&[HANDLER, selector.into(), STACK, (DATA_3 | 3).into()]);
        assert_eq!(machine.fault(&RETF), exception, "{selector:#x} from ring {ring}");
    }
}

#[test]
fn far_ret_checks_the_stack_of_the_outer_ring() {
    let cases = [
        (0, gp(0)),
        (3, gp(0)),
        (OUTSIDE | 3, gp(OUTSIDE)),
        (DATA_3, gp(DATA_3)),
        (DATA_0 | 3, gp(DATA_0)),
        (READ_ONLY_3 | 3, gp(READ_ONLY_3)),
        (ABSENT_DATA_3 | 3, ss(ABSENT_DATA_3)),
    ];
    for (stack, exception) in cases {
        let mut machine = Machine::protected(0);
        machine.put_stack::<u32>(&[HANDLER, (CODE_3 | 3).into(), STACK, stack.into()]);
        assert_eq!(machine.fault(&RETF), exception, "{stack:#x}");
    }
    let mut machine = Machine::protected(0);
    let code = u64::from(SHORT_CODE_3 | 3);
    machine.put_stack::<u32>(&[0x1000, code, STACK, (DATA_3 | 3).into()]);
    assert_eq!(machine.fault(&RETF), gp(0), "outside the limit");
}

#[test]
fn in_long_mode_a_call_gate_has_16_bytes_and_a_null_stack_segment() {
    let mut machine = Machine::long(3);
    machine.set(u64::from(POINTER), u64::from(GATE | 3) << 32);
    call_gate(&mut machine, LONG_0, HANDLER, access::CALL | access::RING_3, 5);
    machine.set(GDT + u64::from(GATE) + 8, 0_u64);
    machine.step(&CALL_MEMORY);
    assert_eq!(machine.place(), (LONG_0, HANDLER, 0));
    assert_eq!(machine.selector(SegmentName::Ss), 0);
    let frame = [CODE + 7, u64::from(LONG_3 | 3), STACK, u64::from(DATA_3 | 3)];
    assert_eq!(machine.stack::<u64, 4>(), frame);
    assert_eq!(machine.cpu.rsp(), STACK_0 - 32);

    machine.step(&RETF_64);
    assert_eq!(machine.place(), (LONG_3 | 3, CODE + 7, 3));
    assert_eq!((machine.cpu.rsp(), machine.selector(SegmentName::Ss)), (STACK, DATA_3 | 3));
}

#[test]
fn in_long_mode_call_gates_lead_to_64_bit_code_only() {
    let open = access::CALL | access::RING_3;
    let cases = [
        (CODE_0, HANDLER, open, 0, gp(CODE_0)),
        (LONG_AND_BIG_3, HANDLER, open, 0, gp(LONG_AND_BIG_3)),
        (ABSENT_LONG_0, HANDLER, open, 0, np(ABSENT_LONG_0)),
        // The target isn't canonical.
        (LONG_0, HANDLER, open, 0x8000, gp(0)),
        // The upper half's type isn't 0.
        (LONG_0, HANDLER, open, 0x100 << 32, gp(GATE)),
        (LONG_0, HANDLER, access::CALL16 | access::RING_3, 0, gp(GATE)),
        (AVAILABLE_TSS, 0, access::TASK | access::RING_3, 0, gp(GATE)),
    ];
    for (target, offset, access, upper, exception) in cases {
        for mut machine in [Machine::long(3), Machine::compatibility(3)] {
            machine.set(u64::from(POINTER), u64::from(GATE | 3) << 32);
            call_gate(&mut machine, target, offset, access, 0);
            machine.set::<u64>(GDT + u64::from(GATE) + 8, upper);
            let bits32 = machine.cpu.code_size().bits() == 32;
            let code = if bits32 { call(GATE | 3, 0) } else { CALL_MEMORY.to_vec() };
            assert_eq!(machine.fault(&code), exception, "{target:#x} {access:#x} {upper:#x}");
        }
    }
}

#[test]
fn in_long_mode_a_gate_at_the_end_of_the_table_needs_16_bytes() {
    let mut machine = Machine::long(3);
    machine.set(u64::from(POINTER), u64::from(GATE | 3) << 32);
    call_gate(&mut machine, LONG_0, HANDLER, access::CALL | access::RING_3, 0);
    machine.set(GDT + u64::from(GATE) + 8, 0_u64);
    machine.cpu.segments.gdtr.limit = GATE + 15;
    assert_eq!(machine.fault(&CALL_MEMORY), None);
    machine.cpu.segments.gdtr.limit = GATE + 14;
    assert_eq!(machine.fault(&CALL_MEMORY), gp(GATE));
}

#[test]
fn a_call_gate_onto_a_page_that_is_missing_changes_nothing() {
    let mut machine = Machine::long(3);
    machine.set(u64::from(POINTER), u64::from(GATE | 3) << 32);
    call_gate(&mut machine, LONG_0, HANDLER, access::CALL | access::RING_3, 0);
    machine.set(GDT + u64::from(GATE) + 8, 0_u64);
    // A write by ring 0: the frame is pushed with the new privilege.
    machine.set(TSS + 4, 0x20_0010_u64);
    let fault = Some(Exception::with_code(Vector::PageFault, 2));
    assert_eq!(machine.fault(&CALL_MEMORY), fault);
    // A stack pointer that isn't canonical.
    machine.set(TSS + 4, 0x1_0000_0000_0000_u64);
    assert_eq!(machine.fault(&CALL_MEMORY), ss(0));
}

#[test]
fn in_long_mode_far_calls_change_between_64_bit_and_compatibility_code() {
    let mut machine = Machine::compatibility(3);
    machine.step(&call(LONG_3, HANDLER as u32));
    assert_eq!(machine.place(), (LONG_3 | 3, HANDLER, 3));
    assert_eq!(machine.cpu.code_size().bits(), 64);
    assert_eq!(machine.stack::<u32, 2>(), [CODE + 7, u64::from(CODE_3 | 3)]);
    machine.step(&RETF);
    assert_eq!(machine.place(), (CODE_3 | 3, CODE + 7, 3));
    assert_eq!(machine.cpu.code_size().bits(), 32);
}

#[test]
fn far_transfers_of_64_bits_need_canonical_targets_in_64_bit_code() {
    let mut machine = Machine::long(0);
    for (selector, offset, exception) in [
        (LONG_0, 0xffff_8000_0000_0000, None),
        (LONG_0, 0x0000_8000_0000_0000, gp(0)),
        (CODE_0, 0xffff_ffff, None),
        (CODE_0, 0x1_0000_0000, gp(0)),
        (LONG_AND_BIG_3, 0, gp(LONG_AND_BIG_3)),
    ] {
        machine.set::<u64>(POINTER.into(), offset);
        machine.set(u64::from(POINTER) + 8, selector);
        assert_eq!(machine.fault(&JUMP_MEMORY_64), exception, "{selector:#x}:{offset:#x}");
        assert_eq!(machine.fault(&CALL_MEMORY_64), exception, "{selector:#x}:{offset:#x}");
        let mut returning = machine.clone();
        returning.put_stack::<u64>(&[offset, selector.into()]);
        assert_eq!(returning.fault(&RETF_64), exception, "{selector:#x}:{offset:#x}");
    }
}

#[test]
fn in_long_mode_far_ret_may_return_to_a_null_stack_in_64_bit_code() {
    // (from ring, code, stack, exception)
    let ring_1 = GATE | 1;
    let cases = [
        (ring_1, 1, None),
        // Not with another privilege level, not in ring 3, not for 32-bit code.
        (ring_1, 0, gp(0)),
        (LONG_3 | 3, 3, gp(0)),
        (CODE_1 | 1, 1, gp(0)),
    ];
    for (code, stack, exception) in cases {
        let mut machine = Machine::long(0);
        machine.describe(GATE, descriptor(0, 0xf_ffff, 0xa0bb));
        machine.put_stack::<u64>(&[HANDLER, code.into(), STACK, stack]);
        assert_eq!(machine.fault(&RETF_64), exception, "{code:#x}, stack {stack}");
    }
}

#[test]
fn real_mode_calls_push_ip_and_cs_and_take_any_selector() {
    let mut machine = Machine::real();
    machine.step(&[0x9a, 0x34, 0x12, 0x67, 0x45]);
    assert_eq!(machine.place(), (0x4567, 0x1234, 0));
    let code = machine.cpu.segments.get(SegmentName::Cs);
    assert_eq!((code.base, code.limit), (0x4_5670, 0xffff));
    assert_eq!(machine.cpu.rsp(), 0xfffa);
    assert_eq!(machine.stack::<u16, 2>(), [5, 0x1000]);
    machine.step(&[0xca, 2, 0]);
    assert_eq!(machine.place(), (0x1000, 5, 0));
    assert_eq!(machine.cpu.rsp(), 0);
    // A target behind the limit.
    assert_eq!(machine.fault(&[0x66, 0xea, 0, 0, 1, 0, 0, 0x20]), gp(0));
}

#[test]
fn virtual_8086_mode_stays_in_ring_3_whatever_the_selector() {
    let mut machine = Machine::virtual_8086(0);
    machine.step(&[0xea, 0x10, 0x00, 0x00, 0x20]);
    assert_eq!(machine.place(), (0x2000, 0x10, 3));
    assert!(machine.flag(Rflags::VM));
    assert_eq!(machine.cpu.segments.get(SegmentName::Cs).base, 0x2_0000);
    assert_eq!(machine.fault(&[0x66, 0xea, 0, 0, 1, 0, 0, 0x20]), gp(0));
}

#[test]
fn a_frame_in_device_memory_is_written_once_and_in_order() {
    let mut machine = Machine::protected(3);
    call_gate(&mut machine, CODE_0, HANDLER, access::CALL | access::RING_3, 1);
    machine.put_stack::<u32>(&[0x1111]);
    machine.set(TSS + 4, RAM_SIZE as u32 + 0x100);
    machine.step(&call(GATE | 3, 0));
    assert_eq!(machine.place(), (CODE_0, HANDLER, 0));
    let top = RAM_SIZE + 0x100;
    let expected = [
        (top - 4, 0x23),
        (top - 8, STACK - 4),
        (top - 12, 0x1111),
        (top - 16, 0x1b),
        (top - 20, CODE + 7),
    ];
    assert_eq!(machine.bus.memory_writes, expected);
}

#[test]
fn a_return_to_a_16_bit_stack_leaves_the_rest_of_esp() {
    let mut machine = Machine::protected(0);
    machine.put_stack::<u32>(&[HANDLER, (CODE_3 | 3).into(), 0x5678_1234, (DATA16_3 | 3).into()]);
    let top = machine.cpu.registers.get(RSP);
    machine.step(&RETF);
    assert_eq!(machine.cpu.registers.get(RSP), top & 0xffff_0000 | 0x1234);
    assert_eq!(machine.cpu.registers.get(RIP), HANDLER);
}
