//! MOV, PUSH, POP and LDS: segment registers as operands.
//!
//! Expected values: Intel SDM vol. 2, operation of MOV, POP and LDS.

mod rings;

use paravane_cpu::InterruptShadow;
use paravane_cpu::state::registers::{RAX, RSP};
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector};
use rings::selectors::*;
use rings::{GDT, Machine, STACK, UD, gp, np, ss};

const MOV_DS_AX: [u8; 2] = [0x8e, 0xd8];
const MOV_SS_AX: [u8; 2] = [0x8e, 0xd0];
const MOV_FS_AX: [u8; 2] = [0x8e, 0xe0];
const POP_DS: [u8; 1] = [0x1f];
const POP_SS: [u8; 1] = [0x17];
/// LSS EAX, [8000h] in 32-bit code.
const LSS: [u8; 7] = [0x0f, 0xb2, 0x05, 0x00, 0x80, 0, 0];
/// LDS EAX, [8000h] in 32-bit code.
const LDS: [u8; 6] = [0xc5, 0x05, 0x00, 0x80, 0, 0];

/// The same load by MOV, POP and a far pointer.
fn loads(ring: u8, selector: u16, [mov, pop, pointer]: [&[u8]; 3]) -> [Machine; 3] {
    let mut machine = Machine::protected(ring);
    machine.cpu.registers.set(RAX, selector.into());
    machine.put_stack::<u32>(&[selector.into()]);
    machine.set(0x8000, 0x1234_5678_u32);
    machine.set(0x8004, selector);
    [mov, pop, pointer].map(|code| {
        let mut machine = machine.clone();
        machine.step(code);
        machine
    })
}

fn faults(ring: u8, selector: u16, codes: [&[u8]; 3]) -> [Option<paravane_cpu::Exception>; 3] {
    let mut machine = Machine::protected(ring);
    machine.cpu.registers.set(RAX, selector.into());
    machine.put_stack::<u32>(&[selector.into()]);
    machine.set(0x8004, selector);
    codes.map(|code| machine.fault(code))
}

#[test]
fn data_segments_take_what_can_be_read_from_here() {
    let cases = [
        (3, DATA_3 | 3),
        (3, DATA_3),
        (0, DATA_3 | 3),
        (0, DATA_0),
        (3, CODE_3 | 3),
        (3, READ_ONLY_3),
        // Conforming code can be read from everywhere.
        (3, CONFORMING_0 | 3),
        (3, LOCAL_DATA_3 | 3),
    ];
    for (ring, selector) in cases {
        for machine in loads(ring, selector, [&MOV_DS_AX, &POP_DS, &LDS]) {
            let segment = machine.cpu.segments.get(SegmentName::Ds);
            assert_eq!(segment.selector, Selector(selector));
            assert_eq!((segment.base, segment.limit), (0, u32::MAX));
        }
    }
}

#[test]
fn data_segments_refuse_everything_else() {
    let cases = [
        (3, DATA_0, gp(DATA_0)),
        (3, CODE_0, gp(CODE_0)),
        // The RPL counts as much as the CPL.
        (0, DATA_0 | 3, gp(DATA_0)),
        (0, DATA_1 | 2, gp(DATA_1)),
        (3, EXECUTE_ONLY_3 | 3, gp(EXECUTE_ONLY_3)),
        (3, BUSY_TSS, gp(BUSY_TSS)),
        (3, OUTSIDE | 3, gp(OUTSIDE)),
        (3, LOCAL_OUTSIDE | 3, gp(LOCAL_OUTSIDE)),
        (3, ABSENT_DATA_3 | 3, np(ABSENT_DATA_3)),
        (3, ABSENT_DATA_0, gp(ABSENT_DATA_0)),
    ];
    for (ring, selector, exception) in cases {
        let codes: [&[u8]; 3] = [&MOV_DS_AX, &POP_DS, &LDS];
        assert_eq!(faults(ring, selector, codes), [exception; 3], "{selector:#x}");
    }
}

#[test]
fn the_stack_segment_takes_writable_data_of_exactly_this_ring() {
    let cases = [
        (3, DATA_3 | 3, None),
        (0, DATA_0, None),
        (3, LOCAL_DATA_3 | 3, None),
        (3, 0, gp(0)),
        (0, 0, gp(0)),
        (3, DATA_3, gp(DATA_3)),
        (0, DATA_3 | 3, gp(DATA_3)),
        (0, DATA_3, gp(DATA_3)),
        (3, CODE_3 | 3, gp(CODE_3)),
        (3, READ_ONLY_3 | 3, gp(READ_ONLY_3)),
        (3, OUTSIDE | 3, gp(OUTSIDE)),
        (3, ABSENT_DATA_3 | 3, ss(ABSENT_DATA_3)),
    ];
    for (ring, selector, exception) in cases {
        let codes: [&[u8]; 3] = [&MOV_SS_AX, &POP_SS, &LSS];
        assert_eq!(faults(ring, selector, codes), [exception; 3], "{selector:#x}");
    }
}

#[test]
fn mov_and_pop_to_ss_delay_interrupts_but_lss_does_not() {
    let [mov, pop, lss] = loads(0, DATA_0, [&MOV_SS_AX, &POP_SS, &LSS]);
    assert_eq!(mov.cpu.shadow, InterruptShadow::MovSs);
    assert_eq!(pop.cpu.shadow, InterruptShadow::MovSs);
    assert_eq!(lss.cpu.shadow, InterruptShadow::None);
    assert_eq!(pop.cpu.rsp(), STACK);
    assert_eq!(lss.cpu.registers.get(RAX), 0x1234_5678);
}

#[test]
fn pop_ss_pops_by_the_size_of_the_old_stack() {
    let mut machine = Machine::protected(0);
    machine.cpu.registers.set(RSP, 0x1_fffc);
    machine.set(0x1_fffc, u32::from(DATA16_0));
    machine.step(&POP_SS);
    assert_eq!(machine.cpu.rsp(), 0x2_0000);
}

#[test]
fn a_null_selector_empties_a_data_segment() {
    for selector in 0..4 {
        for mut machine in loads(3, selector, [&MOV_DS_AX, &POP_DS, &LDS]) {
            assert_eq!(machine.selector(SegmentName::Ds), selector);
            // MOV AL, [8000h]
            assert_eq!(machine.fault(&[0xa0, 0x00, 0x80, 0, 0]), gp(0));
            machine.hold(SegmentName::Ds, DATA_3);
        }
    }
}

#[test]
fn a_local_selector_without_a_local_table_is_outside() {
    let mut machine = Machine::protected(3);
    machine.cpu.segments.ldtr = Segment::null(Selector(0));
    machine.cpu.registers.set(RAX, (LOCAL_DATA_3 | 3).into());
    assert_eq!(machine.fault(&MOV_DS_AX), gp(LOCAL_DATA_3));
}

#[test]
fn loading_a_segment_sets_its_accessed_bit() {
    let mut machine = Machine::protected(3);
    machine.cpu.registers.set(RAX, FRESH_DATA_3.into());
    machine.step(&MOV_DS_AX);
    assert_eq!(machine.get::<u8>(GDT + u64::from(FRESH_DATA_3) + 5), 0xf3);
    assert_eq!(machine.cpu.segments.get(SegmentName::Ds).attributes, Attributes(0xc0f3));
}

#[test]
fn cs_and_the_missing_registers_cannot_be_loaded() {
    let machine = Machine::protected(0);
    for register in [1, 6, 7] {
        assert_eq!(machine.fault(&[0x8e, 0xc0 | register << 3]), UD);
    }
    for register in [6, 7] {
        assert_eq!(machine.fault(&[0x8c, 0xc0 | register << 3]), UD);
    }
}

#[test]
fn in_64_bit_mode_inner_rings_may_have_a_null_stack_segment() {
    for (ring, selector, exception) in [(0, 0, None), (0, 1, gp(0)), (3, 3, gp(0)), (3, 0, gp(0))] {
        let mut machine = Machine::long(ring);
        machine.cpu.registers.set(RAX, selector);
        assert_eq!(machine.fault(&MOV_SS_AX), exception, "{selector} in ring {ring}");
    }
    let mut machine = Machine::compatibility(0);
    machine.cpu.registers.set(RAX, 0);
    assert_eq!(machine.fault(&MOV_SS_AX), gp(0));
}

#[test]
fn loading_fs_replaces_its_64_bit_base() {
    for (selector, base) in [(0, 0), (DATA_3 | 3, 0)] {
        let mut machine = Machine::long(3);
        let fs = machine.cpu.segments.get(SegmentName::Fs).with_base(0x1234_5678_9abc);
        machine.cpu.segments.set(SegmentName::Fs, fs);
        machine.cpu.registers.set(RAX, selector.into());
        machine.step(&MOV_FS_AX);
        assert_eq!(machine.cpu.segments.get(SegmentName::Fs).base, base);
    }
}

#[test]
fn real_mode_keeps_the_limit_and_virtual_8086_mode_does_not() {
    let mut machine = Machine::real();
    let big = Segment::new(Selector(8), 0x1234, u32::MAX, Attributes(0xc093));
    machine.cpu.segments.set(SegmentName::Ds, big);
    machine.cpu.registers.set(RAX, 0xfedc);
    machine.step(&MOV_DS_AX);
    let ds = *machine.cpu.segments.get(SegmentName::Ds);
    assert_eq!((ds.base, ds.limit), (0xf_edc0, u32::MAX));

    let mut machine = Machine::virtual_8086(0);
    machine.cpu.segments.set(SegmentName::Ds, big);
    machine.cpu.registers.set(RAX, 0xfedc);
    machine.step(&MOV_DS_AX);
    let ds = *machine.cpu.segments.get(SegmentName::Ds);
    assert_eq!((ds.base, ds.limit, ds.attributes), (0xf_edc0, 0xffff, Attributes(0xf3)));
}

#[test]
fn reading_a_segment_register_zero_extends_it() {
    let mut machine = Machine::protected(3);
    machine.cpu.registers.set(RAX, 0xffff_ffff);
    // MOV EAX, DS; MOV AX, DS
    let after = machine.outcome(&[0x8c, 0xd8]).unwrap();
    assert_eq!(after.cpu.registers.get(RAX), 0x23);
    let after = machine.outcome(&[0x66, 0x8c, 0xd8]).unwrap();
    assert_eq!(after.cpu.registers.get(RAX), 0xffff_0023);
    // MOV [8000h], DS writes a word, whatever the operand size.
    machine.set(0x8000, u32::MAX);
    let after = machine.outcome(&[0x8c, 0x1d, 0x00, 0x80, 0, 0]).unwrap();
    assert_eq!(after.get::<u32>(0x8000), 0xffff_0023);
    // PUSH DS
    machine.set(STACK - 4, u32::MAX);
    let after = machine.outcome(&[0x1e]).unwrap();
    assert_eq!((after.cpu.rsp(), after.stack::<u32, 1>()), (STACK - 4, [0x23]));
}
