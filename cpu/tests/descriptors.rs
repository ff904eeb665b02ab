//! LGDT, LLDT, LTR and their kin, and the instructions that look at single descriptors.
//!
//! Expected values: Intel SDM vol. 2, operation of each.

mod rings;

use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RCX};
use paravane_cpu::state::segments::{SegmentName, TableRegister};
use rings::selectors::*;
use rings::{GDT, Machine, TSS, UD, access, descriptor, gate, gp, np};

/// Operand [8000h]: ModRM with this register field, for 32-bit code.
fn memory(opcode: [u8; 2], register: u8) -> [u8; 7] {
    [opcode[0], opcode[1], register << 3 | 5, 0x00, 0x80, 0, 0]
}

/// The same for 64-bit code.
fn memory_64(opcode: [u8; 2], register: u8) -> [u8; 8] {
    [opcode[0], opcode[1], register << 3 | 4, 0x25, 0x00, 0x80, 0, 0]
}

const LLDT_AX: [u8; 3] = [0x0f, 0x00, 0xd0];
const LTR_AX: [u8; 3] = [0x0f, 0x00, 0xd8];

#[test]
fn lgdt_loads_24_bits_of_base_with_16_bit_operands_and_32_without() {
    let mut machine = Machine::protected(0);
    machine.set(0x8000, 0x1234_u16);
    machine.set(0x8002, 0xfedc_ba98_u32);
    let lgdt = memory([0x0f, 0x01], 2);
    let after = machine.outcome(&lgdt).unwrap();
    assert_eq!(after.cpu.segments.gdtr, TableRegister { base: 0xfedc_ba98, limit: 0x1234 });
    let after = machine.outcome(&[&[0x66], &lgdt[..]].concat()).unwrap();
    assert_eq!(after.cpu.segments.gdtr, TableRegister { base: 0xdc_ba98, limit: 0x1234 });
    assert_eq!(Machine::protected(3).fault(&lgdt), gp(0));
    assert_eq!(Machine::protected(3).fault(&memory([0x0f, 0x01], 3)), gp(0));
}

#[test]
fn in_64_bit_mode_lidt_loads_a_canonical_base_of_64_bits() {
    let mut machine = Machine::long(0);
    machine.set(0x8000, 0x1234_u16);
    machine.set(0x8002, 0xffff_8000_0000_1000_u64);
    let lidt = memory_64([0x0f, 0x01], 3);
    for prefix in [&[][..], &[0x66], &[0x48]] {
        let after = machine.outcome(&[prefix, &lidt].concat()).unwrap();
        let expected = TableRegister { base: 0xffff_8000_0000_1000, limit: 0x1234 };
        assert_eq!(after.cpu.segments.idtr, expected);
    }
    machine.set(0x8002, 0x8000_0000_1000_u64);
    assert_eq!(machine.fault(&lidt), gp(0));
}

#[test]
fn sgdt_stores_the_whole_base_in_every_ring() {
    let mut machine = Machine::protected(3);
    machine.cpu.segments.gdtr = TableRegister { base: 0xfedc_ba98, limit: 0x1234 };
    let sgdt = memory([0x0f, 0x01], 0);
    for code in [sgdt.to_vec(), [&[0x66], &sgdt[..]].concat()] {
        let after = machine.outcome(&code).unwrap();
        assert_eq!(after.get::<u64>(0x8000), 0xfedc_ba98_1234);
    }
    let mut machine = Machine::long(3);
    let base = 0xffff_8000_0000_1000;
    machine.cpu.segments.idtr = TableRegister { base, limit: 0x1234 };
    machine.step(&memory_64([0x0f, 0x01], 1));
    assert_eq!((machine.get::<u16>(0x8000), machine.get::<u64>(0x8002)), (0x1234, base));
}

#[test]
fn sgdt_writes_both_or_nothing() {
    let mut machine = Machine::protected(3);
    machine.describe(GATE, descriptor(0x8000, 4, 0x40f3));
    machine.hold(SegmentName::Ds, GATE | 3);
    // SGDT [0]
    assert_eq!(machine.fault(&[0x0f, 0x01, 0x05, 0, 0, 0, 0]), gp(0));
    machine.run(&[0x0f, 0x01, 0x05, 0, 0, 0, 0], rings::every_exception());
    assert_eq!(machine.get::<u64>(0x8000), 0);
}

#[test]
fn lldt_wants_a_present_table_of_the_global_table() {
    let cases = [
        (LOCAL_TABLE, None),
        (LOCAL_TABLE | 3, None),
        (0, None),
        (3, None),
        (LOCAL_DATA_3, gp(LOCAL_DATA_3)),
        (OUTSIDE, gp(OUTSIDE)),
        (DATA_0, gp(DATA_0)),
        (AVAILABLE_TSS, gp(AVAILABLE_TSS)),
        (GATE, np(GATE)),
    ];
    for (selector, exception) in cases {
        let mut machine = Machine::protected(0);
        machine.describe(GATE, descriptor(0, 0xff, 0x02));
        machine.cpu.registers.set(RAX, selector.into());
        assert_eq!(machine.fault(&LLDT_AX), exception, "{selector:#x}");
        if exception.is_none() {
            machine.step(&LLDT_AX);
            assert_eq!(machine.cpu.segments.ldtr.selector.0, selector);
            assert_eq!(machine.cpu.segments.ldtr.is_usable(), selector > 3);
        }
    }
    assert_eq!(Machine::protected(3).fault(&LLDT_AX), gp(0));
    assert_eq!(Machine::real().fault(&LLDT_AX), UD);
    assert_eq!(Machine::virtual_8086(3).fault(&LLDT_AX), UD);
}

#[test]
fn ltr_wants_an_available_tss_and_marks_it_busy() {
    let cases = [
        (0, gp(0)),
        (3, gp(0)),
        (LOCAL_DATA_3, gp(LOCAL_DATA_3)),
        (OUTSIDE, gp(OUTSIDE)),
        (BUSY_TSS, gp(BUSY_TSS)),
        (LOCAL_TABLE, gp(LOCAL_TABLE)),
        (GATE, np(GATE)),
    ];
    for (selector, exception) in cases {
        let mut machine = Machine::protected(0);
        machine.describe(GATE, descriptor(0, 0xff, 0x09));
        machine.cpu.registers.set(RAX, selector.into());
        assert_eq!(machine.fault(&LTR_AX), exception, "{selector:#x}");
    }
    let mut machine = Machine::protected(0);
    machine.cpu.registers.set(RAX, AVAILABLE_TSS.into());
    machine.step(&LTR_AX);
    let tr = machine.cpu.segments.tr;
    let loaded = (tr.selector.0, tr.base, tr.limit, tr.attributes.0);
    assert_eq!(loaded, (AVAILABLE_TSS, TSS + 0x800, 0x67, 0x8b));
    assert_eq!(machine.get::<u8>(GDT + u64::from(AVAILABLE_TSS) + 5), 0x8b);
    assert_eq!(machine.fault(&LTR_AX), gp(AVAILABLE_TSS));
    assert_eq!(Machine::protected(3).fault(&LTR_AX), gp(0));
    assert_eq!(Machine::real().fault(&LTR_AX), UD);
}

#[test]
fn in_long_mode_system_descriptors_have_16_bytes() {
    let upper = GDT + u64::from(AVAILABLE_TSS) + 8;
    let mut machine = Machine::long(0);
    machine.cpu.registers.set(RAX, AVAILABLE_TSS.into());
    machine.set(upper, 0xffff_8123_u64);
    let mut after = machine.clone();
    after.step(&LTR_AX);
    assert_eq!(after.cpu.segments.tr.base, 0xffff_8123_0000_0000 | (TSS + 0x800));
    assert_eq!(after.cpu.segments.tr.attributes.0, 0x8b);

    // Not canonical; a type in the upper half; the table ends within it; a 16-bit TSS.
    machine.set(upper, 0x8000_u64);
    assert_eq!(machine.fault(&LTR_AX), gp(AVAILABLE_TSS));
    machine.set(upper, 0x100_u64 << 32);
    assert_eq!(machine.fault(&LTR_AX), gp(AVAILABLE_TSS));
    machine.set(upper, 0_u64);
    machine.cpu.segments.gdtr.limit = AVAILABLE_TSS + 14;
    assert_eq!(machine.fault(&LTR_AX), gp(AVAILABLE_TSS));
    machine.cpu.segments.gdtr.limit = AVAILABLE_TSS + 15;
    assert_eq!(machine.fault(&LTR_AX), None);
    machine.describe(AVAILABLE_TSS, descriptor(TSS, 0x2b, 0x81));
    assert_eq!(machine.fault(&LTR_AX), gp(AVAILABLE_TSS));
}

#[test]
fn sldt_and_str_tell_every_ring() {
    let mut machine = Machine::protected(3);
    machine.cpu.registers.set(RAX, u32::MAX.into());
    let after = machine.outcome(&[0x0f, 0x00, 0xc0]).unwrap();
    assert_eq!(after.cpu.registers.get(RAX), LOCAL_TABLE.into());
    let after = machine.outcome(&[0x66, 0x0f, 0x00, 0xc8]).unwrap();
    assert_eq!(after.cpu.registers.get(RAX), 0xffff_0000 | u64::from(BUSY_TSS));
    machine.set(0x8000, u32::MAX);
    machine.step(&memory([0x0f, 0x00], 1));
    assert_eq!(machine.get::<u32>(0x8000), 0xffff_0000 | u32::from(BUSY_TSS));
    assert_eq!(Machine::real().fault(&[0x0f, 0x00, 0xc0]), UD);
}

/// LAR or LSL EAX, CX: the result, if ZF says that there is one.
fn inspect(machine: &Machine, opcode: u8, selector: u16) -> Option<u64> {
    let mut machine = machine.clone();
    machine.cpu.registers.set(RCX, selector.into());
    machine.cpu.registers.set(RAX, 0x5555);
    machine.step(&[0x0f, opcode, 0xc1]);
    let found = machine.flag(Rflags::ZF);
    assert!(found || machine.cpu.registers.get(RAX) == 0x5555);
    found.then(|| machine.cpu.registers.get(RAX))
}

#[test]
fn lar_and_lsl_show_what_the_ring_may_see() {
    let mut machine = Machine::protected(3);
    machine.describe(GATE, gate(CODE_0, 0, access::CALL | access::RING_3, 0));
    machine.describe(AVAILABLE_TSS, descriptor(0, 0x67, 0xe9));
    // (selector, access rights, limit)
    let cases = [
        (CODE_3 | 3, Some(0xc0_fb00), Some(0xffff_ffff)),
        (SHORT_CODE_3, Some(0x40_fb00), Some(0xfff)),
        (CONFORMING_0, Some(0xc0_9f00), Some(0xffff_ffff)),
        (ABSENT_DATA_3, Some(0xc0_7300), Some(0xffff_ffff)),
        (AVAILABLE_TSS, Some(0x00_e900), Some(0x67)),
        // A gate has no limit.
        (GATE, Some(0x00_ec00), None),
        (0, None, None),
        (OUTSIDE, None, None),
        (CODE_0, None, None),
        (DATA_0, None, None),
        (BUSY_TSS, None, None),
    ];
    for (selector, rights, limit) in cases {
        assert_eq!(inspect(&machine, 0x02, selector), rights, "LAR {selector:#x}");
        assert_eq!(inspect(&machine, 0x03, selector), limit, "LSL {selector:#x}");
    }
    // With 16 bits only the low half.
    machine.cpu.registers.set(RCX, SHORT_CODE_3.into());
    machine.cpu.registers.set(RAX, 0x5555_5555);
    machine.step(&[0x66, 0x0f, 0x02, 0xc1]);
    assert_eq!(machine.cpu.registers.get(RAX), 0x5555_fb00);
    assert_eq!(Machine::real().fault(&[0x0f, 0x02, 0xc1]), UD);
}

#[test]
fn lar_and_lsl_know_fewer_system_descriptors_in_long_mode() {
    // (type, LAR and LSL in protected mode, in long mode)
    let cases = [
        (0, [false, false], [false, false]),
        (1, [true, true], [false, false]),
        (2, [true, true], [true, true]),
        (3, [true, true], [false, false]),
        (4, [true, false], [false, false]),
        (5, [true, false], [false, false]),
        (6, [false, false], [false, false]),
        (7, [false, false], [false, false]),
        (8, [false, false], [false, false]),
        (9, [true, true], [true, true]),
        (10, [false, false], [false, false]),
        (11, [true, true], [true, true]),
        (12, [true, false], [true, false]),
        (13, [false, false], [false, false]),
        (14, [false, false], [false, false]),
        (15, [false, false], [false, false]),
    ];
    for (kind, protected, long) in cases {
        for (mut machine, expected) in
            [(Machine::protected(0), protected), (Machine::long(0), long)]
        {
            machine.describe(GATE, descriptor(0, 0xff, 0x80 | kind));
            let shown = [0x02, 0x03].map(|opcode| inspect(&machine, opcode, GATE).is_some());
            assert_eq!(shown, expected, "type {kind}");
        }
    }
}

#[test]
fn verr_and_verw_tell_what_a_load_would_allow() {
    // (ring, selector, readable, writable)
    let cases = [
        (3, DATA_3 | 3, true, true),
        (3, READ_ONLY_3, true, false),
        (3, CODE_3, true, false),
        (3, EXECUTE_ONLY_3, false, false),
        (3, CONFORMING_0, true, false),
        (3, DATA_0, false, false),
        (0, DATA_0, true, true),
        (0, DATA_0 | 1, false, false),
        // Presence doesn't count.
        (3, ABSENT_DATA_3, true, true),
        (0, BUSY_TSS, false, false),
        (0, 0, false, false),
        (0, OUTSIDE, false, false),
    ];
    for (ring, selector, readable, writable) in cases {
        let mut machine = Machine::protected(ring);
        machine.cpu.registers.set(RAX, selector.into());
        let verr = machine.outcome(&[0x0f, 0x00, 0xe0]).unwrap();
        let verw = machine.outcome(&[0x0f, 0x00, 0xe8]).unwrap();
        let shown = (verr.flag(Rflags::ZF), verw.flag(Rflags::ZF));
        assert_eq!(shown, (readable, writable), "{selector:#x} in ring {ring}");
    }
    assert_eq!(Machine::virtual_8086(3).fault(&[0x0f, 0x00, 0xe0]), UD);
}

#[test]
fn arpl_raises_the_privilege_level_and_never_lowers_it() {
    for (destination, source, result, raised) in
        [(0x10, 0x23, 0x13, true), (0x13, 0x21, 0x13, false), (0x11, 0x21, 0x11, false)]
    {
        let mut machine = Machine::protected(3);
        machine.cpu.registers.set(RAX, destination);
        machine.cpu.registers.set(RCX, source);
        // ARPL AX, CX
        machine.step(&[0x63, 0xc8]);
        assert_eq!(machine.cpu.registers.get(RAX), result);
        assert_eq!(machine.flag(Rflags::ZF), raised);
    }
    assert_eq!(Machine::real().fault(&[0x63, 0xc8]), UD);
}
