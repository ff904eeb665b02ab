//! RDMSR and WRMSR. Values are those of the Intel SDM, vol. 2 ("WRMSR") and vol. 4
//! ("Architectural MSRs").

mod flat_bus;
mod test_machine;

use paravane_cpu::Exception;
use paravane_cpu::state::control::Efer;
use paravane_cpu::state::msr::address;
use paravane_cpu::state::registers::{RAX, RCX, RDX};
use paravane_cpu::state::segments::SegmentName;
use test_machine::{GP, TestMachine};

const HIGHEST_LOW_HALF: u64 = 0x0000_7fff_ffff_ffff;
const LOWEST_HIGH_HALF: u64 = 0xffff_8000_0000_0000;
const NON_CANONICAL: u64 = 0x0000_8000_0000_0000;

/// Registers that hold an address.
const ADDRESSES: [u32; 7] = [
    address::SYSENTER_ESP,
    address::SYSENTER_EIP,
    address::LSTAR,
    address::CSTAR,
    address::FS_BASE,
    address::GS_BASE,
    address::KERNEL_GS_BASE,
];

fn write(machine: &mut TestMachine, register: u32, value: u64) -> Result<(), Exception> {
    let registers = [(RCX, register.into()), (RAX, value & 0xffff_ffff), (RDX, value >> 32)];
    machine.execute_with(&registers, &[0x0f, 0x30])
}

fn read(machine: &mut TestMachine, register: u32) -> Result<u64, Exception> {
    let dirty = [(RCX, register.into()), (RAX, u64::MAX), (RDX, u64::MAX)];
    machine.execute_with(&dirty, &[0x0f, 0x32])?;
    assert!(machine.get(RAX) >> 32 == 0 && machine.get(RDX) >> 32 == 0, "upper halves are zero");
    Ok(machine.get(RDX) << 32 | machine.get(RAX))
}

#[test]
fn addresses_must_be_canonical() {
    let mut machine = TestMachine::long();
    for register in ADDRESSES {
        for value in [HIGHEST_LOW_HALF, LOWEST_HIGH_HALF] {
            assert_eq!(write(&mut machine, register, value), Ok(()), "{register:#x}");
            assert_eq!(write(&mut machine, register, NON_CANONICAL), GP, "{register:#x}");
            assert_eq!(read(&mut machine, register), Ok(value), "{register:#x}");
        }
    }
}

#[test]
fn only_the_low_half_of_ecx_names_the_register() {
    let mut machine = TestMachine::long();
    let registers = [(RCX, 0xffff_ffff_0000_0000 | u64::from(address::STAR)), (RAX, 1), (RDX, 2)];
    assert_eq!(machine.execute_with(&registers, &[0x0f, 0x30]), Ok(()));
    assert_eq!(machine.cpu.msr.star, 0x2_0000_0001);
}

#[test]
fn fs_and_gs_bases_are_the_bases_of_the_segments() {
    let mut machine = TestMachine::long();
    assert_eq!(write(&mut machine, address::FS_BASE, 0x1234), Ok(()));
    assert_eq!(machine.cpu.segments.get(SegmentName::Fs).base, 0x1234);
    assert_eq!(machine.cpu.segments.get(SegmentName::Gs).base, 0);
}

#[test]
fn registers_that_do_not_exist_raise_gp() {
    // APIC base, feature control, MTRR capabilities, MCG capabilities, x2APIC ID, DEBUGCTL.
    for register in [0x1b, 0x3a, 0xfe, 0x179, 0x802, 0x1d9, 0xffff_ffff] {
        let mut machine = TestMachine::long();
        assert_eq!(read(&mut machine, register).map(drop), GP, "{register:#x}");
        assert_eq!(write(&mut machine, register, 0), GP, "{register:#x}");
    }
}

#[test]
fn reserved_and_read_only_bits_raise_gp() {
    let cases = [
        (address::EFER, 1 << 1),
        (address::EFER, 1 << 12),
        (address::EFER, 1 << 63),
        (address::FMASK, 1 << 32),
        (address::TSC_AUX, 1 << 32),
        (address::PLATFORM_ID, 0),
        (address::MICROCODE_REVISION, 1),
        (address::MISC_ENABLE, 1 << 22 | 0x1801),
    ];
    for (register, value) in cases {
        let mut machine = TestMachine::protected();
        assert_eq!(write(&mut machine, register, value), GP, "{register:#x} ← {value:#x}");
    }
}

#[test]
fn misc_enable_says_that_fast_strings_are_on_and_tracing_is_unavailable() {
    let mut machine = TestMachine::long();
    assert_eq!(read(&mut machine, address::MISC_ENABLE), Ok(0x1801));
    assert_eq!(write(&mut machine, address::MISC_ENABLE, 0x1800), Ok(()));
    assert_eq!(read(&mut machine, address::MISC_ENABLE), Ok(0x1800));
}

#[test]
fn memory_types_that_do_not_exist_raise_gp() {
    let mut machine = TestMachine::long();
    assert_eq!(read(&mut machine, address::PAT), Ok(0x0007_0406_0007_0406));
    for entry in 0..8 {
        for kind in 0..=255_u64 {
            let expected = if matches!(kind, 0 | 1 | 4..=7) { Ok(()) } else { GP };
            assert_eq!(write(&mut machine, address::PAT, kind << (8 * entry)), expected);
        }
    }
}

#[test]
fn lme_cannot_change_while_paging_is_on_and_lma_never_by_wrmsr() {
    let mut machine = TestMachine::long();
    assert_eq!(write(&mut machine, address::EFER, Efer::NXE.bits()), GP);
    assert_eq!(write(&mut machine, address::EFER, (Efer::LME | Efer::NXE).bits()), Ok(()));
    assert_eq!(machine.cpu.control.efer, Efer::LME | Efer::LMA | Efer::NXE);

    let mut machine = TestMachine::protected();
    assert_eq!(write(&mut machine, address::EFER, (Efer::LME | Efer::LMA).bits()), Ok(()));
    assert_eq!(machine.cpu.control.efer, Efer::LME);
}

#[test]
fn writing_the_time_stamp_counter_shows_in_tsc_adjust_and_the_other_way_round() {
    let mut machine = TestMachine::long();
    machine.cpu.cycles = 1000;
    assert_eq!(write(&mut machine, address::TIME_STAMP_COUNTER, 1_000_000), Ok(()));
    assert_eq!(read(&mut machine, address::TSC_ADJUST), Ok(999_000));
    assert_eq!(write(&mut machine, address::TSC_ADJUST, 0), Ok(()));
    assert_eq!(read(&mut machine, address::TIME_STAMP_COUNTER), Ok(1003));
}

#[test]
fn upper_half_of_sysenter_cs_can_not_be_set() {
    let mut machine = TestMachine::long();
    assert_eq!(write(&mut machine, address::SYSENTER_CS, 0x1_0001_0010), Ok(()));
    assert_eq!(read(&mut machine, address::SYSENTER_CS), Ok(0x1_0010));
}

#[test]
fn real_mode_may_use_them_and_virtual_8086_mode_may_not() {
    let mut machine = TestMachine::real();
    assert_eq!(write(&mut machine, address::STAR, 5), Ok(()));
    let mut machine = TestMachine::virtual_8086();
    assert_eq!(read(&mut machine, address::STAR).map(drop), GP);
}
