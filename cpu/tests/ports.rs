//! IN, OUT, INS, OUTS and who may use which port (Intel SDM vol. 1, "I/O Permission Bit Map").

mod flat_bus;
mod test_machine;

use paravane_cpu::state::control::Cr4;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RCX, RDI, RDX, RIP, RSI};
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector};
use paravane_cpu::{Cpu, Exception, Exit, Sensitive, Vector};
use test_machine::{CODE, DATA, GP, PAGE_TABLE, TSS, TestMachine};

const IN_AL_DX: &[u8] = &[0xec];
const IN_AX_DX: &[u8] = &[0x66, 0xed];
const IN_EAX_DX: &[u8] = &[0xed];
const OUT_DX_AL: &[u8] = &[0xee];
const INSB: &[u8] = &[0x6c];
const REP_INSD: &[u8] = &[0xf3, 0x6d];
const REP_OUTSB: &[u8] = &[0xf3, 0x6e];

const ALL_SET: u64 = u64::MAX;
/// The first byte of the permission bitmap in the TSS.
const BITMAP: u64 = 0x68;

/// Points TR to a 32-bit or 64-bit TSS with this limit, whose bitmap denies all but `allowed`.
fn set_bitmap(cpu: &mut Cpu, limit: u32, allowed: &[u16]) {
    assert!(cpu.ram.write(TSS + 0x66, BITMAP as u16));
    for byte in 0..0x2001 {
        assert!(cpu.ram.write(TSS + BITMAP + byte, 0xff_u8));
    }
    for port in allowed {
        let address = TSS + BITMAP + u64::from(port / 8);
        let byte = cpu.ram.read::<u8>(address).map(|byte| byte & !(1 << (port % 8)));
        assert!(byte.is_some_and(|byte| cpu.ram.write(address, byte)));
    }
    cpu.segments.tr = Segment::new(Selector(24), TSS, limit, Attributes(0x8b));
}

#[test]
fn in_writes_as_much_of_rax_as_its_width_says() {
    let cases = [
        (IN_AL_DX, 0xffff_ffff_ffff_ff78),
        (IN_AX_DX, 0xffff_ffff_ffff_5678),
        (IN_EAX_DX, 0x1234_5678),
    ];
    for (code, expected) in cases {
        let mut machine = TestMachine::long();
        machine.bus.port_values.push_back(0x1234_5678);
        assert_eq!(machine.execute_with(&[(RAX, ALL_SET), (RDX, 0x3f8)], code), Ok(()));
        assert_eq!(machine.get(RAX), expected);
    }
}

#[test]
fn out_writes_the_low_part_of_rax_to_the_port() {
    let cases: [(&[u8], (u16, u32)); 5] = [
        (OUT_DX_AL, (0x1234, 0xef)),
        (&[0x66, 0xef], (0x1234, 0xcdef)),
        (&[0xef], (0x1234, 0x89ab_cdef)),
        (&[0xe6, 0xf8], (0xf8, 0xef)),
        (&[0xe7, 0xf8], (0xf8, 0x89ab_cdef)),
    ];
    for (code, expected) in cases {
        let mut machine = TestMachine::long();
        let registers = [(RAX, 0x0123_4567_89ab_cdef), (RDX, 0xffff_1234)];
        assert_eq!(machine.execute_with(&registers, code), Ok(()));
        assert_eq!(machine.bus.port_writes, [expected], "{code:02x?}");
    }
}

#[test]
fn rings_above_iopl_need_the_bitmap() {
    for (ring, level, expected) in
        [(0, 0, Ok(())), (1, 0, GP), (1, 1, Ok(())), (3, 2, GP), (3, 3, Ok(()))]
    {
        let mut machine = TestMachine::long().at_ring(ring).with(|cpu| {
            set_bitmap(cpu, 0x67, &[]);
            cpu.flags.change(Rflags::IOPL, Rflags::from_bits_retain(level << 12));
        });
        assert_eq!(machine.execute(IN_AL_DX), expected, "ring {ring}, IOPL {level}");
    }
}

#[test]
fn every_byte_of_an_access_must_be_allowed() {
    let allowed = [0x3f8, 0x3f9, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x400];
    let cases = [
        (IN_AL_DX, 0x3f7, GP),
        (IN_AL_DX, 0x3f8, Ok(())),
        (IN_AX_DX, 0x3f8, Ok(())),
        (IN_AX_DX, 0x3f9, GP),
        (IN_EAX_DX, 0x3fc, Ok(())),
        // This one crosses into the bitmap's next byte.
        (IN_EAX_DX, 0x3fd, Ok(())),
        (IN_EAX_DX, 0x3fe, GP),
    ];
    for (code, port, expected) in cases {
        let mut machine =
            TestMachine::long().at_ring(3).with(|cpu| set_bitmap(cpu, 0x2068, &allowed));
        assert_eq!(machine.execute_with(&[(RDX, port)], code), expected, "port {port:#x}");
    }
}

#[test]
fn the_tss_must_hold_two_bytes_of_bitmap_for_the_port() {
    for (limit, expected) in [(BITMAP + 8, GP), (BITMAP + 9, Ok(()))] {
        let mut machine =
            TestMachine::protected().at_ring(3).with(|cpu| set_bitmap(cpu, limit as u32, &[64]));
        assert_eq!(machine.execute_with(&[(RDX, 64)], IN_AL_DX), expected);
    }
}

#[test]
fn a_16_bit_tss_and_an_empty_task_register_allow_no_port() {
    let small = Segment::new(Selector(24), TSS, 0x2068, Attributes(0x83));
    for task in [small, Segment::null(Selector(0))] {
        let mut machine = TestMachine::protected().at_ring(3).with(|cpu| {
            set_bitmap(cpu, 0x2068, &[0x60]);
            cpu.segments.tr = task;
        });
        assert_eq!(machine.execute_with(&[(RDX, 0x60)], IN_AL_DX), GP);
    }
}

#[test]
fn virtual_8086_mode_always_asks_the_bitmap() {
    for (port, expected) in [(0x60, Ok(())), (0x64, GP)] {
        let mut machine = TestMachine::virtual_8086().with(|cpu| {
            set_bitmap(cpu, 0x2068, &[0x60]);
            cpu.flags.set_system(Rflags::IOPL, true);
        });
        assert_eq!(machine.execute_with(&[(RDX, port)], IN_AL_DX), expected);
    }
    assert_eq!(TestMachine::real().execute_with(&[(RDX, 0x64)], IN_AL_DX), Ok(()));
}

#[test]
fn permission_comes_before_the_intercept() {
    for (code, instruction) in [(IN_AL_DX, Sensitive::In), (OUT_DX_AL, Sensitive::Out)] {
        let mut machine = TestMachine::long().intercepting(instruction);
        assert_eq!(machine.exit_of(code), Exit::Instruction { instruction, length: 1 });
        assert!(machine.bus.port_writes.is_empty());
        let denied = TestMachine::long().at_ring(3).with(|cpu| set_bitmap(cpu, 0x2068, &[]));
        let mut machine = denied.intercepting(instruction);
        assert_eq!(machine.execute(code), GP);
    }
}

#[test]
fn ins_does_not_read_the_port_if_its_destination_faults() {
    let mut machine = TestMachine::long();
    machine.cpu.ram.write(PAGE_TABLE + 8 * (DATA >> 12), 0_u64);
    machine.bus.port_values.push_back(0x55);
    let not_present = Exception::with_code(Vector::PageFault, 0b010);
    assert_eq!(machine.execute_with(&[(RDI, DATA)], INSB), Err(not_present));
    assert_eq!(machine.bus.port_values, [0x55]);
}

#[test]
fn repeated_ins_shows_every_iteration_in_the_registers() {
    let mut machine = TestMachine::long();
    machine.bus.port_values.extend([0x1111_1111, 0x2222_2222, 0x3333_3333]);
    assert_eq!(machine.execute_with(&[(RCX, 3), (RDI, DATA)], REP_INSD), Ok(()));
    for done in 1..3 {
        assert_eq!((machine.get(RCX), machine.get(RDI)), (3 - done, DATA + 4 * done));
        assert_eq!((machine.get(RIP), machine.cpu.instructions), (CODE, 0));
        machine.cpu.run(&mut machine.bus, &machine.intercepts, 1);
    }
    machine.cpu.run(&mut machine.bus, &machine.intercepts, 1);
    assert_eq!((machine.get(RCX), machine.get(RDI)), (0, DATA + 12));
    assert_eq!(
        machine.cpu.ram.slice(DATA, 12).unwrap(),
        [0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x22, 0x22, 0x33, 0x33, 0x33, 0x33]
    );
}

#[test]
fn a_repeat_count_of_zero_touches_nothing() {
    let mut machine = TestMachine::long();
    assert_eq!(machine.execute_with(&[(RCX, 0), (RSI, DATA)], REP_OUTSB), Ok(()));
    assert_eq!((machine.get(RSI), machine.get(RIP)), (DATA, CODE + 2));
    assert!(machine.bus.port_writes.is_empty());
}

#[test]
fn string_pointers_have_the_address_size_and_move_down_with_df() {
    let mut machine = TestMachine::long();
    machine.bus.port_values.extend([0xaa, 0xbb]);
    machine.cpu.flags.set_system(Rflags::DF, true);
    let above_4_gib = 0xffff_ffff_0000_0000 | DATA;
    assert_eq!(machine.execute_with(&[(RDI, above_4_gib)], &[0x67, 0x6c]), Ok(()));
    assert_eq!(machine.get(RDI), DATA - 1);
    assert_eq!(machine.cpu.ram.read::<u8>(DATA), Some(0xaa));

    let mut machine = TestMachine::real();
    machine.bus.port_values.push_back(0xcc);
    assert_eq!(machine.execute_with(&[(RDI, 0x1234_ffff)], INSB), Ok(()));
    assert_eq!(machine.get(RDI), 0x1234_0000);
    assert_eq!(machine.cpu.ram.read::<u8>(0xffff), Some(0xcc));
}

#[test]
fn outs_takes_its_segment_from_the_prefix() {
    let mut machine = TestMachine::long().with(|cpu| {
        let segment = cpu.segments.get(SegmentName::Fs).with_base(0x1000);
        cpu.segments.set(SegmentName::Fs, segment);
        cpu.ram.write(DATA, 0x11_u8);
        cpu.ram.write(DATA + 0x1000, 0x22_u8);
    });
    for code in [&[0x6e][..], &[0x64, 0x6e]] {
        assert_eq!(machine.execute_with(&[(RSI, DATA), (RDX, 0x80)], code), Ok(()));
    }
    assert_eq!(machine.bus.port_writes, [(0x80, 0x11), (0x80, 0x22)]);
}

#[test]
fn port_breakpoints_trap_after_the_access_if_debugging_extensions_are_on() {
    // DR0 is enabled for ports 0x60 and 0x61.
    const DR7: u64 = 0x400 | 1 | 0b0110 << 16;
    for (extensions, port, hit) in
        [(true, 0x5f, false), (true, 0x61, true), (true, 0x62, false), (false, 0x61, false)]
    {
        let mut machine = TestMachine::long().with(|cpu| {
            cpu.control.cr4.set(Cr4::DE, extensions);
            cpu.debug.addresses[0] = 0x60;
            cpu.debug.dr7 = DR7;
        });
        machine.bus.port_values.push_back(0x99);
        // The second instruction is a NOP.
        assert_eq!(machine.execute_with(&[(RDX, port)], &[0xec, 0x90]), Ok(()));
        assert_eq!(machine.get(RAX) as u8, 0x99);
        let next = machine.cpu.run(&mut machine.bus, &machine.intercepts, 1);
        let trapped = next == Exit::Exception(Exception::new(Vector::Debug));
        assert_eq!(trapped, hit, "port {port:#x}");
        assert_eq!(machine.get(RIP), if hit { CODE + 1 } else { CODE + 2 });
    }
}
