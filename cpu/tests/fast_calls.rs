//! SYSCALL, SYSRET, SYSENTER and SYSEXIT.
//!
//! Expected values: Intel SDM vol. 2, operation of each.

mod rings;

use paravane_cpu::state::control::Efer;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{R11, RCX, RDX, RSP};
use paravane_cpu::state::segments::SegmentName;
use paravane_cpu::{Exception, Vector};
use rings::{CODE, HANDLER, Machine, STACK, UD, gp};

const SYSCALL: [u8; 2] = [0x0f, 0x05];
const SYSRET: [u8; 2] = [0x0f, 0x07];
const SYSRETQ: [u8; 3] = [0x48, 0x0f, 0x07];
const SYSENTER: [u8; 2] = [0x0f, 0x34];
const SYSEXIT: [u8; 2] = [0x0f, 0x35];
const SYSEXITQ: [u8; 3] = [0x48, 0x0f, 0x35];

/// Kernel segments from 0x31, user segments from 0x40: not those of the table, to show that it
/// isn't looked at.
fn with_registers(mut machine: Machine) -> Machine {
    machine.cpu.msr.star = 0x0040_0031 << 32;
    machine.cpu.msr.lstar = HANDLER;
    machine.cpu.msr.fmask = (Rflags::IF | Rflags::DF).bits();
    machine.cpu.msr.sysenter_cs = 0x31;
    machine.cpu.msr.sysenter_esp = 0x7_1234_5678;
    machine.cpu.msr.sysenter_eip = 0x7_8765_4321;
    machine
}

/// Selector, base, limit and attributes.
fn segment(machine: &Machine, name: SegmentName) -> (u16, u64, u32, u16) {
    let segment = machine.cpu.segments.get(name);
    (segment.selector.0, segment.base, segment.limit, segment.attributes.0)
}

fn flat(selector: u16, attributes: u16) -> (u16, u64, u32, u16) {
    (selector, 0, u32::MAX, attributes)
}

#[test]
fn syscall_saves_rip_and_flags_and_loads_fixed_segments() {
    let mut machine = with_registers(Machine::long(3));
    let flags = Rflags::IF | Rflags::DF | Rflags::CF | Rflags::FIXED;
    machine.cpu.flags.set_all(flags | Rflags::RF);
    machine.step(&SYSCALL);
    assert_eq!(machine.place(), (0x30, HANDLER, 0));
    assert_eq!(segment(&machine, SegmentName::Cs), flat(0x30, 0xa09b));
    assert_eq!(segment(&machine, SegmentName::Ss), flat(0x39, 0xc093));
    assert_eq!(machine.cpu.registers.get(RCX), CODE + 2);
    assert_eq!(machine.cpu.registers.get(R11), flags.bits());
    assert_eq!(machine.cpu.flags.all(), flags - Rflags::IF - Rflags::DF);
    assert_eq!(machine.cpu.rsp(), STACK);
}

#[test]
fn sysret_returns_to_64_bit_or_compatibility_code() {
    // (code, CS, RIP)
    let cases = [
        (&SYSRETQ[..], flat(0x53, 0xa0fb), 0x7fff_1234_5678),
        (&SYSRET[..], flat(0x43, 0xc0fb), 0x1234_5678),
    ];
    for (code, cs, rip) in cases {
        let mut machine = with_registers(Machine::long(0));
        machine.cpu.registers.set(RCX, 0x7fff_1234_5678);
        machine.cpu.registers.set(R11, !Rflags::TF.bits());
        machine.step(code);
        assert_eq!(segment(&machine, SegmentName::Cs), cs);
        assert_eq!(segment(&machine, SegmentName::Ss), flat(0x4b, 0xc0f3));
        assert_eq!((machine.cpu.rip(), machine.cpu.cpl), (rip, 3));
        let all = Rflags::ALL - Rflags::RF - Rflags::VM - Rflags::TF;
        assert_eq!(machine.cpu.flags.all(), all);
    }
}

#[test]
fn syscall_and_sysret_exist_in_64_bit_mode_only() {
    for machine in [Machine::protected(0), Machine::compatibility(0), Machine::real()] {
        assert_eq!(machine.fault(&SYSCALL), UD);
        assert_eq!(machine.fault(&SYSRET), UD);
    }
    let mut machine = with_registers(Machine::long(0));
    machine.cpu.control.efer.remove(Efer::SCE);
    assert_eq!(machine.fault(&SYSCALL), UD);
    assert_eq!(machine.fault(&SYSRETQ), UD);
    assert_eq!(with_registers(Machine::long(3)).fault(&SYSRETQ), gp(0));
}

#[test]
fn sysret_to_an_address_that_is_not_canonical_faults_in_ring_0() {
    let mut machine = with_registers(Machine::long(0));
    machine.cpu.registers.set(RCX, 0x8000_0000_0000);
    assert_eq!(machine.fault(&SYSRETQ), gp(0));
    // Compatibility code takes only 32 bits of it.
    assert_eq!(machine.fault(&SYSRET), None);
}

#[test]
fn syscall_and_sysret_single_step_by_the_flag_that_they_load() {
    let debug = Some(Exception::new(Vector::Debug));
    // FMASK clears TF: no trap, neither after SYSCALL nor in the handler.
    let mut machine = with_registers(Machine::long(3));
    machine.cpu.msr.fmask |= Rflags::TF.bits();
    machine.cpu.flags.set_all(Rflags::TF);
    let mut after = machine.outcome(&SYSCALL).unwrap();
    after.step(&[0x90]);
    assert_eq!(after.cpu.registers.get(R11) & Rflags::TF.bits(), Rflags::TF.bits());

    // SYSRET sets TF: the trap comes before the first instruction of ring 3.
    let mut machine = with_registers(Machine::long(0));
    machine.cpu.registers.set(RCX, HANDLER);
    machine.cpu.registers.set(R11, Rflags::TF.bits());
    machine.step(&SYSRETQ);
    assert_eq!(machine.fault(&[0x90]), debug);
}

#[test]
fn sysenter_works_in_every_protected_mode() {
    let long = (0x7_1234_5678, 0x7_8765_4321, 0xa09b);
    let legacy = (0x1234_5678, 0x8765_4321, 0xc09b);
    let cases = [
        (Machine::protected(3), legacy),
        (Machine::protected(0), legacy),
        (Machine::virtual_8086(0), legacy),
        (Machine::long(3), long),
        (Machine::compatibility(3), long),
    ];
    for (machine, (rsp, rip, attributes)) in cases {
        let mut machine = with_registers(machine);
        machine.step(&SYSENTER);
        assert_eq!(segment(&machine, SegmentName::Cs), flat(0x30, attributes));
        assert_eq!(segment(&machine, SegmentName::Ss), flat(0x38, 0xc093));
        assert_eq!((machine.cpu.rip(), machine.cpu.cpl), (rip, 0));
        assert_eq!(machine.cpu.registers.get(RSP), rsp);
        assert!(!machine.flag(Rflags::IF) && !machine.flag(Rflags::VM));
    }
}

#[test]
fn sysexit_goes_to_ring_3_with_rsp_in_rcx_and_rip_in_rdx() {
    let long = (&SYSEXITQ[..], flat(0x53, 0xa0fb), flat(0x5b, 0xc0f3), 0x7000_0000_0000);
    let narrow = (&SYSEXIT[..], flat(0x43, 0xc0fb), flat(0x4b, 0xc0f3), 0);
    let cases = [
        (Machine::long(0), long),
        (Machine::long(0), narrow),
        (Machine::compatibility(0), narrow),
        (Machine::protected(0), narrow),
    ];
    for (machine, (code, cs, ss, upper)) in cases {
        let mut machine = with_registers(machine);
        machine.cpu.registers.set(RCX, 0x7000_0001_1110);
        machine.cpu.registers.set(RDX, 0x7000_0002_2220);
        machine.step(code);
        assert_eq!(segment(&machine, SegmentName::Cs), cs);
        assert_eq!(segment(&machine, SegmentName::Ss), ss);
        assert_eq!((machine.cpu.rip(), machine.cpu.cpl), (upper | 0x2_2220, 3));
        assert_eq!(machine.cpu.rsp(), upper | 0x1_1110);
    }
}

#[test]
fn sysenter_and_sysexit_need_protection_and_a_selector() {
    for selector in 0..4 {
        let mut machine = Machine::long(0);
        machine.cpu.msr.sysenter_cs = 0xffff_0000 | selector;
        assert_eq!(machine.fault(&SYSENTER), gp(0));
        assert_eq!(machine.fault(&SYSEXIT), gp(0));
    }
    let machine = with_registers(Machine::real());
    assert_eq!(machine.fault(&SYSENTER), gp(0));
    assert_eq!(machine.fault(&SYSEXIT), gp(0));
    assert_eq!(with_registers(Machine::protected(3)).fault(&SYSEXIT), gp(0));
    for register in [RCX, RDX] {
        let mut machine = with_registers(Machine::long(0));
        machine.cpu.registers.set(register, 0x8000_0000_0000);
        assert_eq!(machine.fault(&SYSEXITQ), gp(0));
        assert_eq!(machine.fault(&SYSEXIT), None);
    }
}
