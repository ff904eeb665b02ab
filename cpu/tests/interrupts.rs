//! INT, BOUND and all forms of IRET.
//!
//! Expected values: Intel SDM vol. 2, operation of INT n, BOUND and IRET.

mod rings;

use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RSP};
use paravane_cpu::state::segments::{Segment, SegmentName, Selector};
use paravane_cpu::{Exception, Exit, Unimplemented, Vector};
use rings::selectors::*;
use rings::{HANDLER, Machine, STACK, TSS, UD, access, descriptor, gate, gp, np, ss};

const IRET: [u8; 2] = [0x66, 0xcf];
const IRETD: [u8; 1] = [0xcf];
const IRETQ: [u8; 2] = [0x48, 0xcf];

#[test]
fn int_in_virtual_8086_mode_needs_iopl_3_but_int3_does_not() {
    for iopl in 0..4 {
        let mut machine = Machine::virtual_8086(iopl);
        machine.interrupt_gate(0x40, gate(CODE_0, HANDLER, access::INTERRUPT | access::RING_3, 0));
        machine.interrupt_gate(3, gate(CODE_0, HANDLER, access::INTERRUPT | access::RING_3, 0));
        let expected = if iopl < 3 { gp(0) } else { None };
        assert_eq!(machine.fault(&[0xcd, 0x40]), expected, "INT with IOPL {iopl}");
        // Without a prefix it is IRET there.
        assert_eq!(machine.fault(&[0xcf]), expected, "IRET with IOPL {iopl}");
        assert_eq!(machine.fault(&[0xcc]), None);
    }
}

#[test]
fn into_does_nothing_without_overflow_and_does_not_exist_in_64_bit_mode() {
    let machine = Machine::protected(3);
    let after = machine.outcome(&[0xce]).unwrap();
    assert_eq!(after.cpu.rip(), machine.cpu.rip() + 1);
    assert_eq!(Machine::long(3).fault(&[0xce]), UD);
}

#[test]
fn bound_compares_signed_values() {
    let mut machine = Machine::protected(3);
    machine.set(0x8000, -5_i32 as u32);
    machine.set(0x8004, 7_u32);
    let out = Some(Exception::new(Vector::BoundRange));
    for (index, exception) in [(-6, out), (-5, None), (0, None), (7, None), (8, out)] {
        machine.cpu.registers.set(RAX, u64::from(index as u32));
        assert_eq!(machine.fault(&[0x62, 0x05, 0x00, 0x80, 0, 0]), exception, "{index}");
    }
}

#[test]
fn iret_within_a_ring_leaves_the_stack_segment_alone() {
    let mut machine = Machine::protected(0);
    machine.put_stack::<u32>(&[HANDLER, CODE_0.into(), 0x202]);
    machine.step(&IRETD);
    assert_eq!(machine.place(), (CODE_0, HANDLER, 0));
    assert_eq!(machine.cpu.rsp(), STACK);
    assert_eq!(machine.cpu.flags.bits(), 0x202);
}

#[test]
fn iret_to_an_outer_ring_takes_its_stack_and_drops_inner_segments() {
    let mut machine = Machine::protected(0);
    machine.hold(SegmentName::Es, CONFORMING_0);
    machine.hold(SegmentName::Fs, DATA_3);
    machine.cpu.segments.set(SegmentName::Gs, Segment::null(Selector(3)));
    machine.put_stack::<u32>(&[HANDLER, 0x1b, 0x202, 0x1_2340, 0x23]);
    machine.step(&IRETD);
    assert_eq!(machine.place(), (0x1b, HANDLER, 3));
    assert_eq!((machine.selector(SegmentName::Ss), machine.cpu.rsp()), (0x23, 0x1_2340));
    let kept = [SegmentName::Ds, SegmentName::Es, SegmentName::Fs, SegmentName::Gs]
        .map(|name| machine.selector(name));
    assert_eq!(kept, [0, CONFORMING_0, DATA_3, 0]);
    assert!(!machine.cpu.segments.get(SegmentName::Ds).is_usable());
}

#[test]
fn which_flags_iret_loads_depends_on_the_ring_it_leaves() {
    let all = Rflags::ALL - Rflags::VM;
    // (ring, IOPL before, flags that can't change)
    let cases = [
        (0, 0, Rflags::empty()),
        (3, 3, Rflags::IOPL | Rflags::VIF | Rflags::VIP),
        (3, 2, Rflags::IOPL | Rflags::VIF | Rflags::VIP | Rflags::IF),
        (1, 1, Rflags::IOPL | Rflags::VIF | Rflags::VIP),
        (1, 0, Rflags::IOPL | Rflags::VIF | Rflags::VIP | Rflags::IF),
    ];
    for (ring, iopl, fixed) in cases {
        let code = [CODE_0, CODE_1 | 1, 0, CODE_3 | 3][usize::from(ring)];
        let before = Rflags::from_bits_retain(iopl << 12) | Rflags::FIXED;
        // TF would step; NT is for the next IRET.
        let image = all - Rflags::TF;
        let mut machine = Machine::protected(ring);
        machine.cpu.flags.set_all(before);
        machine.put_stack::<u32>(&[HANDLER, code.into(), image.bits()]);
        machine.step(&IRETD);
        assert_eq!(machine.cpu.flags.all(), (image - fixed) | (before & fixed), "ring {ring}");

        // 16 bits reach only the low half.
        let mut machine = Machine::protected(ring);
        machine.cpu.flags.set_all(before);
        machine.put_stack::<u16>(&[0x1234, code.into(), image.bits()]);
        machine.step(&IRET);
        let low = Rflags::from_bits_truncate(0xffff);
        assert_eq!(machine.cpu.flags.all(), ((image - fixed) | (before & fixed)) & low);
    }
}

#[test]
fn iret_to_ring_3_lets_ring_0_choose_iopl_and_if() {
    let mut machine = Machine::protected(0);
    machine.put_stack::<u32>(&[HANDLER, 0x1b, 0x3202, STACK, 0x23]);
    machine.step(&IRETD);
    assert_eq!(machine.cpu.flags.bits(), 0x3202);
}

#[test]
fn iret_checks_code_stack_and_offset() {
    let data = u64::from(DATA_3 | 3);
    // (ring, offset, code, stack, exception)
    let cases = [
        (0, HANDLER, 0, data, gp(0)),
        (0, HANDLER, OUTSIDE | 3, data, gp(OUTSIDE)),
        (0, HANDLER, DATA_3 | 3, data, gp(DATA_3)),
        (3, HANDLER, CODE_0, data, gp(CODE_0)),
        (0, HANDLER, CODE_0 | 3, data, gp(CODE_0)),
        (0, HANDLER, CONFORMING_3, data, gp(CONFORMING_3)),
        (0, HANDLER, ABSENT_CODE_3 | 3, data, np(ABSENT_CODE_3)),
        (0, HANDLER, CODE_3 | 3, 0, gp(0)),
        (0, HANDLER, CODE_3 | 3, 3, gp(0)),
        (0, HANDLER, CODE_3 | 3, (OUTSIDE | 3).into(), gp(OUTSIDE)),
        (0, HANDLER, CODE_3 | 3, DATA_3.into(), gp(DATA_3)),
        (0, HANDLER, CODE_3 | 3, (DATA_0 | 3).into(), gp(DATA_0)),
        (0, HANDLER, CODE_3 | 3, (READ_ONLY_3 | 3).into(), gp(READ_ONLY_3)),
        (0, HANDLER, CODE_3 | 3, (ABSENT_DATA_3 | 3).into(), ss(ABSENT_DATA_3)),
        (0, 0x1000, SHORT_CODE_3 | 3, data, gp(0)),
        (3, 0x1000, SHORT_CODE_3 | 3, data, gp(0)),
        (3, 0xfff, SHORT_CODE_3 | 3, data, None),
    ];
    for (ring, offset, code, stack, exception) in cases {
        let mut machine = Machine::protected(ring);
        machine.put_stack::<u32>(&[offset, code.into(), 0x202, STACK, stack]);
        assert_eq!(machine.fault(&IRETD), exception, "{code:#x}:{offset:#x}, {stack:#x}");
    }
}

#[test]
fn iret_reads_only_what_it_needs_of_the_stack() {
    let mut machine = Machine::protected(0);
    machine.describe(GATE, descriptor(STACK, 11, 0x4093));
    machine.hold(SegmentName::Ss, GATE);
    machine.cpu.registers.set(RSP, 0);
    machine.set(STACK, HANDLER as u32);
    machine.set(STACK + 8, 0x202_u32);
    machine.set(STACK + 4, u32::from(CODE_0));
    assert_eq!(machine.fault(&IRETD), None);
    machine.set(STACK + 4, u32::from(CODE_3 | 3));
    assert_eq!(machine.fault(&IRETD), ss(0));
    machine.cpu.registers.set(RSP, 1);
    assert_eq!(machine.fault(&IRETD), ss(0));
}

#[test]
fn with_nt_iret_is_a_task_switch_and_in_long_mode_an_error() {
    let mut machine = Machine::protected(0);
    machine.cpu.flags.set_all(Rflags::NT);
    machine.set(TSS, AVAILABLE_TSS);
    let switch = Exit::Unimplemented(Unimplemented::TaskSwitch(AVAILABLE_TSS));
    assert_eq!(machine.outcome(&IRETD).err(), Some(switch));
    let mut machine = Machine::long(0);
    machine.cpu.flags.set_all(Rflags::NT);
    assert_eq!(machine.fault(&IRETQ), gp(0));
}

#[test]
fn in_64_bit_mode_iret_always_takes_a_stack() {
    let mut machine = Machine::long(0);
    machine.put_stack::<u64>(&[HANDLER, LONG_0.into(), 0x202, 0x1_2340, DATA_0.into()]);
    machine.step(&IRETQ);
    assert_eq!(machine.place(), (LONG_0, HANDLER, 0));
    assert_eq!((machine.selector(SegmentName::Ss), machine.cpu.rsp()), (DATA_0, 0x1_2340));

    let mut machine = Machine::long(0);
    machine.put_stack::<u32>(&[HANDLER, LONG_0.into(), 0x202, 0x1_2340, 0]);
    machine.step(&IRETD);
    assert_eq!(machine.place(), (LONG_0, HANDLER, 0));
    assert_eq!((machine.selector(SegmentName::Ss), machine.cpu.rsp()), (0, 0x1_2340));

    // Compatibility mode does as protected mode does.
    let mut machine = Machine::compatibility(0);
    machine.put_stack::<u32>(&[HANDLER, CODE_0.into(), 0x202]);
    machine.step(&IRETD);
    assert_eq!((machine.place(), machine.cpu.rsp()), ((CODE_0, HANDLER, 0), STACK));
}

#[test]
fn in_64_bit_mode_iret_checks_what_it_returns_to() {
    let data = DATA_3 | 3;
    // (ring, rip, code, stack, exception)
    let cases = [
        (0, HANDLER, LONG_3 | 3, data, None),
        (0, HANDLER, CODE_3 | 3, data, None),
        (0, 0x8000_0000_0000, LONG_3 | 3, data, gp(0)),
        (0, 0xffff_8000_0000_0000, LONG_3 | 3, data, None),
        (0, 0x1_0000_0000, CODE_3 | 3, data, gp(0)),
        (0, HANDLER, LONG_AND_BIG_3 | 3, data, gp(LONG_AND_BIG_3)),
        // A null stack: not in ring 3, not for 32-bit code.
        (0, HANDLER, LONG_0, 0, None),
        (0, HANDLER, LONG_3 | 3, 3, gp(0)),
        (0, HANDLER, CODE_0, 0, gp(0)),
        (0, HANDLER, LONG_0, DATA_3, gp(DATA_3)),
        (0, HANDLER, LONG_0, ABSENT_DATA_0, ss(ABSENT_DATA_0)),
        (3, HANDLER, LONG_3 | 3, 0, gp(0)),
        (3, HANDLER, LONG_0, data, gp(LONG_0)),
    ];
    for (ring, rip, code, stack, exception) in cases {
        let mut machine = Machine::long(ring);
        machine.put_stack::<u64>(&[rip, code.into(), 0x202, STACK, stack.into()]);
        assert_eq!(machine.fault(&IRETQ), exception, "{code:#x}:{rip:#x}, {stack:#x}");
    }
    let mut machine = Machine::long(0);
    machine.cpu.registers.set(RSP, 0x8000_0000_0000);
    assert_eq!(machine.fault(&IRETQ), ss(0));
}

#[test]
fn vm_in_the_image_counts_in_protected_mode_ring_0_only() {
    let image = (Rflags::VM | Rflags::FIXED).bits();
    let mut machine = Machine::protected(3);
    machine.put_stack::<u32>(&[HANDLER, 0x1b, image]);
    machine.step(&IRETD);
    assert!(!machine.flag(Rflags::VM));
    let mut machine = Machine::long(0);
    machine.put_stack::<u64>(&[HANDLER, LONG_0.into(), image, STACK, 0]);
    machine.step(&IRETQ);
    assert!(!machine.flag(Rflags::VM));
    // A virtual-8086 task starts inside its 64 KiB.
    let mut machine = Machine::protected(0);
    machine.put_stack::<u32>(&[0x1_0000, 0x1000, image, 0, 0, 0, 0, 0, 0]);
    assert_eq!(machine.fault(&IRETD), gp(0));
}

#[test]
fn iret_from_virtual_8086_mode_stays_there_and_keeps_iopl() {
    let mut machine = Machine::virtual_8086(3);
    machine.put_stack::<u16>(&[0x1234, 0x2000, 0x0803]);
    machine.step(&[0xcf]);
    assert_eq!(machine.place(), (0x2000, 0x1234, 3));
    let flags = Rflags::VM | Rflags::IOPL | Rflags::CF | Rflags::OF | Rflags::FIXED;
    assert_eq!(machine.cpu.flags.all(), flags);

    let mut machine = Machine::virtual_8086(3);
    machine.put_stack::<u32>(&[0x1_0000, 0x2000, 2]);
    assert_eq!(machine.fault(&[0x66, 0xcf]), gp(0));
    let mut machine = Machine::virtual_8086(3);
    let image = Rflags::ALL - Rflags::VM - Rflags::TF - Rflags::RF - Rflags::IOPL;
    machine.put_stack::<u32>(&[0x1234, 0x2000, image.bits()]);
    machine.step(&[0x66, 0xcf]);
    let flags = (image - Rflags::VIF - Rflags::VIP) | Rflags::VM | Rflags::IOPL;
    assert_eq!(machine.cpu.flags.all(), flags);
}

#[test]
fn iret_in_real_mode_takes_any_selector_and_all_flags() {
    let mut machine = Machine::real();
    machine.put_stack::<u16>(&[0x1234, 0x2003, 0x7003]);
    machine.step(&[0xcf]);
    assert_eq!(machine.place(), (0x2003, 0x1234, 0));
    assert_eq!(machine.cpu.flags.bits(), 0x7003);
    assert_eq!(machine.cpu.rsp(), 0xfffe);
    machine.put_stack::<u32>(&[0x1_0000, 0x1000, 2]);
    assert_eq!(machine.fault(&[0x66, 0xcf]), gp(0));
}

#[test]
fn iret_unblocks_nmis_even_if_it_faults() {
    let mut machine = Machine::protected(0);
    machine.cpu.nmi_blocked = true;
    machine.put_stack::<u32>(&[HANDLER, CODE_0.into(), 0x202]);
    let mut after = machine.clone();
    after.step(&IRETD);
    assert!(!after.cpu.nmi_blocked);
    machine.put_stack::<u32>(&[HANDLER, 0, 0x202]);
    let exit = machine.run(&IRETD, rings::every_exception());
    assert_eq!(exit, Exit::Exception(Exception::general_protection(0)));
    assert!(!machine.cpu.nmi_blocked);
}
