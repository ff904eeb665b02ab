//! Instructions on segments and rings leave the CPU when they are intercepted: after their
//! privilege check, and before any effect.

mod rings;

use paravane_cpu::state::registers::RAX;
use paravane_cpu::{Exception, Exit, Intercepts, Sensitive, SoftwareInterrupt};
use rings::selectors::DATA_3;
use rings::{Machine, every_exception, gp};

/// Everything that may leave does.
fn everything() -> Intercepts {
    Sensitive::ALL.iter().copied().fold(every_exception(), Intercepts::with_instruction)
}

fn exit(mut machine: Machine, code: &[u8]) -> Exit {
    machine.cpu.registers.set(RAX, (DATA_3 | 3).into());
    let before = (machine.cpu.registers.clone(), machine.cpu.segments.clone());
    let exit = machine.run(code, everything());
    assert_eq!((machine.cpu.registers, machine.cpu.segments), before, "{code:02x?}");
    exit
}

#[test]
fn those_of_every_ring_leave_before_they_act() {
    let cases: [(&[u8], Sensitive); 19] = [
        (&[0x0f, 0x01, 0x05, 0x00, 0x80, 0, 0], Sensitive::Sgdt),
        (&[0x0f, 0x01, 0x0d, 0x00, 0x80, 0, 0], Sensitive::Sidt),
        (&[0x0f, 0x00, 0xc0], Sensitive::Sldt),
        (&[0x0f, 0x00, 0xc8], Sensitive::Str),
        (&[0x0f, 0x02, 0xc0], Sensitive::Lar),
        (&[0x0f, 0x03, 0xc0], Sensitive::Lsl),
        (&[0x0f, 0x00, 0xe0], Sensitive::Verr),
        (&[0x0f, 0x00, 0xe8], Sensitive::Verw),
        (&[0x8c, 0xd8], Sensitive::ReadSegment),
        (&[0x1e], Sensitive::ReadSegment),
        (&[0x8e, 0xd8], Sensitive::WriteSegment),
        (&[0x1f], Sensitive::WriteSegment),
        (&[0xc5, 0x05, 0x00, 0x80, 0, 0], Sensitive::WriteSegment),
        (&[0x9a, 0, 0, 0, 0, 0, 0], Sensitive::FarCall),
        (&[0xea, 0, 0, 0, 0, 0, 0], Sensitive::FarJump),
        (&[0xff, 0x1d, 0x00, 0x80, 0, 0], Sensitive::FarCall),
        (&[0xcb], Sensitive::FarReturn),
        (&[0xcf], Sensitive::Iret),
        (&[0x0f, 0x34], Sensitive::Sysenter),
    ];
    for (code, instruction) in cases {
        let mut machine = Machine::protected(3);
        machine.cpu.msr.sysenter_cs = 8;
        let length = code.len() as u8;
        assert_eq!(exit(machine, code), Exit::Instruction { instruction, length });
    }
    let length = 2;
    let syscall = Exit::Instruction { instruction: Sensitive::Syscall, length };
    assert_eq!(exit(Machine::long(3), &[0x0f, 0x05]), syscall);
}

#[test]
fn those_of_ring_0_fault_elsewhere_before_they_leave() {
    let cases: [(&[u8], Sensitive); 5] = [
        (&[0x0f, 0x01, 0x15, 0x00, 0x80, 0, 0], Sensitive::Lgdt),
        (&[0x0f, 0x01, 0x1d, 0x00, 0x80, 0, 0], Sensitive::Lidt),
        (&[0x0f, 0x00, 0xd0], Sensitive::Lldt),
        (&[0x0f, 0x00, 0xd8], Sensitive::Ltr),
        (&[0x0f, 0x35], Sensitive::Sysexit),
    ];
    let fault = gp(0).map(Exit::Exception);
    for (code, instruction) in cases {
        let machine = |ring| {
            let mut machine = Machine::protected(ring);
            machine.cpu.msr.sysenter_cs = 8;
            machine
        };
        assert_eq!(Some(exit(machine(3), code)), fault);
        let length = code.len() as u8;
        assert_eq!(exit(machine(0), code), Exit::Instruction { instruction, length });
    }
    assert_eq!(Some(exit(Machine::long(3), &[0x48, 0x0f, 0x07])), fault);
    let sysret = Exit::Instruction { instruction: Sensitive::Sysret, length: 3 };
    assert_eq!(exit(Machine::long(0), &[0x48, 0x0f, 0x07]), sysret);
}

#[test]
fn int_leaves_with_its_vector() {
    let cases: [(&[u8], SoftwareInterrupt); 3] = [
        (&[0xcd, 0x80], SoftwareInterrupt::Int(0x80)),
        (&[0xcc], SoftwareInterrupt::Breakpoint),
        (&[0xf1], SoftwareInterrupt::Debug),
    ];
    for (code, interrupt) in cases {
        let length = code.len() as u8;
        let left = Exit::SoftwareInterrupt { interrupt, length };
        assert_eq!(exit(Machine::protected(3), code), left);
    }
    let refused = Exit::Exception(Exception::GENERAL_PROTECTION);
    assert_eq!(exit(Machine::virtual_8086(0), &[0xcd, 0x80]), refused);
    assert_eq!(exit(Machine::virtual_8086(0), &[0xcf]), refused);
}
