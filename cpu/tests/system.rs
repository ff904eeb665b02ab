//! Control and debug registers, the TLB, time, and other system instructions. Values are those
//! of the Intel SDM, vol. 2 (the instruction's page) and vol. 3.

mod flat_bus;
mod test_machine;

use paravane_cpu::state::control::{Cr0, Cr4, Efer};
use paravane_cpu::state::debug::{DR6_FIXED, DR7_GENERAL_DETECT};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RAX, RCX, RDI, RDX, RIP};
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector};
use paravane_cpu::{Exception, Exit, Sensitive, Vector};
use test_machine::{CODE, DATA, GP, NM, PAGE_TABLE, ROOT, TestMachine, UD};

const MOV_RAX_CR0: &[u8] = &[0x0f, 0x20, 0xc0];
const MOV_CR0_RAX: &[u8] = &[0x0f, 0x22, 0xc0];
const MOV_CR3_RAX: &[u8] = &[0x0f, 0x22, 0xd8];
const MOV_CR4_RAX: &[u8] = &[0x0f, 0x22, 0xe0];
const MOV_CR8_RAX: &[u8] = &[0x44, 0x0f, 0x22, 0xc0];
const MOV_RAX_DR4: &[u8] = &[0x0f, 0x21, 0xe0];
const MOV_RAX_DR7: &[u8] = &[0x0f, 0x21, 0xf8];
const MOV_DR6_RAX: &[u8] = &[0x0f, 0x23, 0xf0];
const MOV_DR7_RAX: &[u8] = &[0x0f, 0x23, 0xf8];
const INVLPG_RDI: &[u8] = &[0x0f, 0x01, 0x3f];
const LMSW_AX: &[u8] = &[0x0f, 0x01, 0xf0];
const SMSW_EAX: &[u8] = &[0x0f, 0x01, 0xe0];
const RDTSC: &[u8] = &[0x0f, 0x31];
const RDPMC: &[u8] = &[0x0f, 0x33];
const SWAPGS: &[u8] = &[0x0f, 0x01, 0xf8];
const RDFSBASE_RAX: &[u8] = &[0xf3, 0x48, 0x0f, 0xae, 0xc0];
const WRGSBASE_RAX: &[u8] = &[0xf3, 0x48, 0x0f, 0xae, 0xd8];
const STAC: &[u8] = &[0x0f, 0x01, 0xcb];
const CLAC: &[u8] = &[0x0f, 0x01, 0xca];
const HLT: &[u8] = &[0xf4];
const CLFLUSH_RDI: &[u8] = &[0x0f, 0xae, 0x3f];
const MOV_AL_AT_RDI: &[u8] = &[0x8a, 0x07];

const PRESENT_WRITABLE_USER: u64 = 7;
const GLOBAL: u64 = 1 << 8;
const NON_CANONICAL: u64 = 0x0000_8000_0000_0000;

/// Every instruction that raises #GP(0) outside ring 0, and what intercepts it.
const PRIVILEGED: &[(&[u8], Sensitive)] = &[
    (MOV_RAX_CR0, Sensitive::ReadControl),
    (&[0x0f, 0x20, 0xd0], Sensitive::ReadControl),
    (&[0x44, 0x0f, 0x20, 0xc0], Sensitive::ReadControl),
    (MOV_CR0_RAX, Sensitive::WriteControl),
    (MOV_CR3_RAX, Sensitive::WriteControl),
    (MOV_CR4_RAX, Sensitive::WriteControl),
    (MOV_CR8_RAX, Sensitive::WriteControl),
    (MOV_RAX_DR7, Sensitive::ReadDebug),
    (MOV_DR7_RAX, Sensitive::WriteDebug),
    (&[0x0f, 0x06], Sensitive::Clts),
    (LMSW_AX, Sensitive::Lmsw),
    (INVLPG_RDI, Sensitive::Invlpg),
    (&[0x0f, 0x09], Sensitive::Wbinvd),
    (&[0x0f, 0x08], Sensitive::Wbinvd),
    (HLT, Sensitive::Hlt),
    (SWAPGS, Sensitive::Swapgs),
    (&[0x0f, 0x32], Sensitive::Rdmsr),
    (&[0x0f, 0x30], Sensitive::Wrmsr),
];

#[test]
fn privileged_instructions_raise_gp_outside_ring_0_even_when_intercepted() {
    for (code, instruction) in PRIVILEGED {
        for ring in 1..=3 {
            let mut machine = TestMachine::long().at_ring(ring).intercepting(*instruction);
            assert_eq!(machine.execute(code), GP, "{code:02x?} at ring {ring}");
            assert_eq!(machine.get(RIP), CODE);
        }
    }
}

#[test]
fn intercepted_instructions_leave_before_any_effect() {
    for (code, instruction) in PRIVILEGED {
        let mut machine = TestMachine::long().intercepting(*instruction);
        let (control, debug) = (machine.cpu.control.clone(), machine.cpu.debug.clone());
        let exit = Exit::Instruction { instruction: *instruction, length: code.len() as u8 };
        assert_eq!(machine.exit_of(code), exit);
        assert_eq!((machine.get(RIP), machine.cpu.instructions), (CODE, 0));
        assert_eq!((machine.cpu.control, machine.cpu.debug), (control, debug));
    }
}

#[test]
fn control_registers_that_do_not_exist_raise_ud_before_the_privilege_check() {
    for number in [1, 5, 6, 7] {
        for ring in [0, 3] {
            for opcode in [0x20, 0x22] {
                let mut machine = TestMachine::long().at_ring(ring);
                assert_eq!(machine.execute(&[0x0f, opcode, 0xc0 | number << 3]), UD);
            }
        }
    }
}

#[test]
fn illegal_combinations_in_cr0_raise_gp() {
    let paging_without_protection = Cr0::PG.bits();
    let not_write_through_with_cache = (Cr0::PE | Cr0::NW).bits();
    for value in [paging_without_protection, not_write_through_with_cache] {
        let mut machine = TestMachine::protected();
        assert_eq!(machine.execute_with(&[(RAX, value)], MOV_CR0_RAX), GP, "{value:#x}");
        assert_eq!(machine.cpu.control.cr0, Cr0::PE | Cr0::ET);
    }
    let mut machine = TestMachine::long();
    let upper_bit = machine.cpu.control.cr0.bits() | 1 << 32;
    assert_eq!(machine.execute_with(&[(RAX, upper_bit)], MOV_CR0_RAX), GP);
}

#[test]
fn reserved_low_bits_of_cr0_are_ignored_and_et_is_fixed() {
    let mut machine = TestMachine::protected();
    assert_eq!(machine.execute_with(&[(RAX, 0x1ffa_ffc1)], MOV_CR0_RAX), Ok(()));
    assert_eq!(machine.cpu.control.cr0, Cr0::PE | Cr0::ET);
}

#[test]
fn setting_paging_with_lme_activates_long_mode() {
    let ready = || {
        let mut machine = TestMachine::compatibility();
        machine.cpu.control.cr0.remove(Cr0::PG);
        machine.cpu.control.efer.remove(Efer::LMA);
        machine.with(|_| {})
    };
    let paging = [(RAX, (Cr0::PE | Cr0::PG).bits())];

    let mut machine = ready();
    assert_eq!(machine.execute_with(&paging, MOV_CR0_RAX), Ok(()));
    assert_eq!(machine.cpu.control.efer, Efer::LME | Efer::LMA);

    let mut machine = ready().with(|cpu| cpu.control.cr4.remove(Cr4::PAE));
    assert_eq!(machine.execute_with(&paging, MOV_CR0_RAX), GP, "without PAE");

    let mut machine = ready().with(|cpu| {
        let code = Segment::new(Selector(8), 0, u32::MAX, Attributes(0xe09b));
        cpu.segments.set(SegmentName::Cs, code);
    });
    assert_eq!(machine.execute_with(&paging, MOV_CR0_RAX), GP, "with CS.L");

    let mut machine = ready().with(|cpu| {
        cpu.segments.tr = Segment::new(Selector(24), 0, 0x67, Attributes(0x83));
    });
    assert_eq!(machine.execute_with(&paging, MOV_CR0_RAX), GP, "with a 16-bit TSS");
    assert_eq!(machine.cpu.control.efer, Efer::LME);
}

#[test]
fn long_mode_is_left_from_compatibility_mode_only() {
    let no_paging = [(RAX, Cr0::PE.bits())];
    assert_eq!(TestMachine::long().execute_with(&no_paging, MOV_CR0_RAX), GP);

    let mut machine = TestMachine::compatibility();
    assert_eq!(machine.execute_with(&no_paging, MOV_CR0_RAX), Ok(()));
    assert_eq!(machine.cpu.control.efer, Efer::LME);
}

#[test]
fn pae_cannot_be_cleared_in_long_mode() {
    for mut machine in [TestMachine::long(), TestMachine::compatibility()] {
        assert_eq!(machine.execute_with(&[(RAX, 0)], MOV_CR4_RAX), GP);
    }
}

#[test]
fn cr4_bits_of_absent_features_raise_gp() {
    // VME, PVI, MCE, OSFXSR, OSXMMEXCPT, UMIP, LA57, VMXE, SMXE, PCIDE, OSXSAVE, PKE, reserved.
    for bit in [0, 1, 6, 9, 10, 11, 12, 13, 14, 15, 17, 18, 22, 31, 32, 63] {
        let mut machine = TestMachine::long();
        let value = Cr4::PAE.bits() | 1 << bit;
        assert_eq!(machine.execute_with(&[(RAX, value)], MOV_CR4_RAX), GP, "bit {bit}");
        assert_eq!(machine.cpu.control.cr4, Cr4::PAE);
    }
    let mut machine = TestMachine::long();
    let all = machine.cpu.features.cr4_mask();
    assert_eq!(machine.execute_with(&[(RAX, all.bits())], MOV_CR4_RAX), Ok(()));
    assert_eq!(machine.cpu.control.cr4, all);
}

#[test]
fn cr3_bits_above_the_physical_address_width_raise_gp() {
    for bit in [40, 51, 52, 63] {
        let mut machine = TestMachine::long();
        assert_eq!(machine.execute_with(&[(RAX, ROOT | 1 << bit)], MOV_CR3_RAX), GP);
        assert_eq!(machine.cpu.control.cr3, ROOT);
    }
}

#[test]
fn reserved_bits_in_a_pae_pointer_entry_raise_gp_when_cr3_is_loaded() {
    for bit in [1, 2, 5, 8, 40, 63] {
        let mut machine = TestMachine::protected();
        machine.cpu.ram.write(ROOT + 8, 1_u64 | 1 << bit);
        machine.cpu.control.cr4 = Cr4::PAE;
        machine.cpu.control.cr3 = ROOT;
        let paging = (Cr0::PE | Cr0::PG).bits();
        assert_eq!(machine.execute_with(&[(RAX, paging)], MOV_CR0_RAX), GP, "bit {bit}");
        assert!(!machine.cpu.control.cr0.contains(Cr0::PG));
    }
    // Nobody looks at the rest of an entry that is not present.
    let mut machine = TestMachine::protected();
    machine.cpu.ram.write(ROOT + 8, 0xffff_ffff_ffff_fffe_u64);
    machine.cpu.control.cr4 = Cr4::PAE;
    assert_eq!(machine.execute_with(&[(RAX, ROOT)], MOV_CR3_RAX), Ok(()));
}

#[test]
fn cr8_takes_four_bits() {
    let mut machine = TestMachine::long();
    assert_eq!(machine.execute_with(&[(RAX, 16)], MOV_CR8_RAX), GP);
    assert_eq!(machine.execute_with(&[(RAX, 15)], MOV_CR8_RAX), Ok(()));
    assert_eq!(machine.cpu.control.cr8, 15);
}

#[test]
fn lmsw_can_set_pe_but_not_clear_it() {
    let mut machine = TestMachine::real();
    assert_eq!(machine.execute_with(&[(RAX, 0xffff)], LMSW_AX), Ok(()));
    let set = Cr0::PE | Cr0::MP | Cr0::EM | Cr0::TS;
    assert!(machine.cpu.control.cr0.contains(set));
    assert!(!machine.cpu.control.cr0.contains(Cr0::NE));

    let mut machine = TestMachine::protected().with(|cpu| cpu.control.cr0 |= set);
    assert_eq!(machine.execute_with(&[(RAX, 0)], LMSW_AX), Ok(()));
    assert_eq!(machine.cpu.control.cr0, Cr0::PE | Cr0::ET);
}

#[test]
fn smsw_in_ring_3_silently_shows_cr0() {
    let mut machine = TestMachine::long().at_ring(3);
    machine.cpu.control.cr0 |= Cr0::WP;
    assert_eq!(machine.execute_with(&[(RAX, u64::MAX)], SMSW_EAX), Ok(()));
    assert_eq!(machine.get(RAX), 0x8001_0011);
    assert_eq!(machine.execute_with(&[(RAX, u64::MAX)], &[0x66, 0x0f, 0x01, 0xe0]), Ok(()));
    assert_eq!(machine.get(RAX), 0xffff_ffff_ffff_0011);
    // To memory always 16 bits, whatever the operand size.
    machine.cpu.ram.write(DATA, u64::MAX);
    assert_eq!(machine.execute_with(&[(RDI, DATA)], &[0x48, 0x0f, 0x01, 0x27]), Ok(()));
    assert_eq!(machine.cpu.ram.read::<u64>(DATA), Some(0xffff_ffff_ffff_0011));
}

/// Reads a byte through two translations, after which their page table entries are changed
/// to another page, without an invalidation.
fn with_stale_translations(flags: u64) -> TestMachine {
    let mut machine = TestMachine::long().with(|cpu| {
        cpu.control.cr4 |= Cr4::PGE;
        cpu.ram.write(DATA, 0x11_u8);
        cpu.ram.write(DATA + 0x1000, 0x22_u8);
        let entry = PAGE_TABLE + 8 * (DATA >> 12);
        cpu.ram.write(entry, DATA | PRESENT_WRITABLE_USER | flags);
    });
    assert_eq!(machine.execute_with(&[(RDI, DATA)], MOV_AL_AT_RDI), Ok(()));
    assert_eq!(machine.get(RAX) as u8, 0x11);
    let entry = PAGE_TABLE + 8 * (DATA >> 12);
    machine.cpu.ram.write(entry, (DATA + 0x1000) | PRESENT_WRITABLE_USER | flags);
    machine
}

fn read_again(machine: &mut TestMachine) -> u8 {
    assert_eq!(machine.execute_with(&[(RDI, DATA)], MOV_AL_AT_RDI), Ok(()));
    machine.get(RAX) as u8
}

#[test]
fn mov_to_cr3_drops_all_translations_but_global_ones() {
    for (flags, expected) in [(0, 0x22), (GLOBAL, 0x11)] {
        let mut machine = with_stale_translations(flags);
        assert_eq!(machine.execute_with(&[(RAX, ROOT)], MOV_CR3_RAX), Ok(()));
        assert_eq!(read_again(&mut machine), expected);
    }
}

#[test]
fn toggling_pge_drops_global_translations_too() {
    let mut machine = with_stale_translations(GLOBAL);
    assert_eq!(machine.execute_with(&[(RAX, Cr4::PAE.bits())], MOV_CR4_RAX), Ok(()));
    assert_eq!(read_again(&mut machine), 0x22);
}

#[test]
fn invlpg_drops_one_translation_global_or_not() {
    for flags in [0, GLOBAL] {
        let mut machine = with_stale_translations(flags);
        assert_eq!(machine.execute_with(&[(RDI, DATA + 0x2000)], INVLPG_RDI), Ok(()));
        assert_eq!(read_again(&mut machine), 0x11);
        assert_eq!(machine.execute_with(&[(RDI, DATA + 0xfff)], INVLPG_RDI), Ok(()));
        assert_eq!(read_again(&mut machine), 0x22);
    }
}

#[test]
fn invlpg_of_a_non_canonical_address_does_nothing() {
    let mut machine = TestMachine::long();
    assert_eq!(machine.execute_with(&[(RDI, NON_CANONICAL)], INVLPG_RDI), Ok(()));
}

#[test]
fn write_protection_starts_with_the_instruction_after_mov_to_cr0() {
    let mut machine = TestMachine::long();
    let entry = PAGE_TABLE + 8 * (DATA >> 12);
    machine.cpu.ram.write(entry, DATA | 1);
    let store = &[0x88, 0x07];
    assert_eq!(machine.execute_with(&[(RDI, DATA)], store), Ok(()));
    let protected = machine.cpu.control.cr0 | Cr0::WP;
    assert_eq!(machine.execute_with(&[(RAX, protected.bits())], MOV_CR0_RAX), Ok(()));
    let protection_violation = Exception::with_code(Vector::PageFault, 0b011);
    assert_eq!(machine.execute(store), Err(protection_violation));
}

#[test]
fn debug_registers_4_and_5_are_6_and_7_unless_debugging_extensions_are_on() {
    let mut machine = TestMachine::long();
    assert_eq!(machine.execute(MOV_RAX_DR4), Ok(()));
    assert_eq!(machine.get(RAX), DR6_FIXED);
    for ring in [0, 3] {
        let mut machine = TestMachine::long().at_ring(ring).with(|cpu| cpu.control.cr4 |= Cr4::DE);
        assert_eq!(machine.execute(MOV_RAX_DR4), UD);
    }
}

#[test]
fn general_detect_raises_db_before_the_access() {
    let mut machine = TestMachine::long().with(|cpu| cpu.debug.dr7 |= DR7_GENERAL_DETECT);
    let value = machine.cpu.debug.dr7;
    assert_eq!(machine.execute_with(&[(RAX, 0)], MOV_DR7_RAX), Err(Exception::new(Vector::Debug)));
    assert_eq!((machine.cpu.debug.dr7, machine.get(RIP)), (value, CODE));
}

#[test]
fn fixed_bits_of_dr6_and_dr7_stay_and_upper_bits_raise_gp() {
    let mut machine = TestMachine::long();
    assert_eq!(machine.execute_with(&[(RAX, 0)], MOV_DR6_RAX), Ok(()));
    assert_eq!(machine.cpu.debug.dr6, 0xffff_0ff0);
    assert_eq!(machine.execute_with(&[(RAX, 0xffff_ffff)], MOV_DR6_RAX), Ok(()));
    assert_eq!(machine.cpu.debug.dr6, 0xffff_efff);
    for code in [MOV_DR6_RAX, MOV_DR7_RAX] {
        assert_eq!(machine.execute_with(&[(RAX, 1 << 32)], code), GP);
    }
    assert_eq!(machine.execute_with(&[(RAX, 0)], MOV_DR7_RAX), Ok(()));
    assert_eq!(machine.cpu.debug.dr7, 0x400);
    assert_eq!(machine.execute_with(&[(RAX, 0xffff_dfff)], MOV_DR7_RAX), Ok(()));
    assert_eq!(machine.cpu.debug.dr7, 0xffff_07ff);
}

#[test]
fn rdtsc_obeys_tsd_outside_ring_0() {
    for (ring, disabled, expected) in [(0, true, Ok(())), (3, false, Ok(())), (3, true, GP)] {
        let mut machine = TestMachine::long().at_ring(ring);
        machine.cpu.control.cr4.set(Cr4::TSD, disabled);
        for code in [RDTSC, &[0x0f, 0x01, 0xf9]] {
            assert_eq!(machine.execute(code), expected);
        }
    }
}

#[test]
fn rdtscp_splits_the_counter_and_clears_upper_halves() {
    let mut machine = TestMachine::long();
    machine.cpu.cycles = 0x1234_5678_9abc_def0;
    machine.cpu.msr.tsc_aux = 7;
    let dirty = [(RAX, u64::MAX), (RDX, u64::MAX), (RCX, u64::MAX)];
    assert_eq!(machine.execute_with(&dirty, &[0x0f, 0x01, 0xf9]), Ok(()));
    let values = (machine.get(RDX), machine.get(RAX), machine.get(RCX));
    assert_eq!(values, (0x1234_5678, 0x9abc_def0, 7));
}

#[test]
fn rdpmc_finds_no_counter() {
    for (ring, enabled) in [(0, false), (3, false), (3, true)] {
        let mut machine = TestMachine::long().at_ring(ring);
        machine.cpu.control.cr4.set(Cr4::PCE, enabled);
        assert_eq!(machine.execute_with(&[(RCX, 0)], RDPMC), GP);
    }
}

#[test]
fn swapgs_exchanges_bases_in_64_bit_mode_only() {
    let mut machine = TestMachine::long();
    machine.cpu.msr.kernel_gs_base = 0xffff_8000_0000_1000;
    assert_eq!(machine.execute(SWAPGS), Ok(()));
    assert_eq!(machine.cpu.segments.get(SegmentName::Gs).base, 0xffff_8000_0000_1000);
    assert_eq!(machine.cpu.msr.kernel_gs_base, 0);
    assert_eq!(TestMachine::compatibility().execute(SWAPGS), UD);
}

#[test]
fn base_instructions_need_fsgsbase_and_canonical_values() {
    let enabled = || TestMachine::long().with(|cpu| cpu.control.cr4 |= Cr4::FSGSBASE).at_ring(3);
    for code in [RDFSBASE_RAX, WRGSBASE_RAX] {
        assert_eq!(TestMachine::long().execute(code), UD, "without CR4.FSGSBASE");
    }
    assert_eq!(enabled().execute_with(&[(RAX, NON_CANONICAL)], WRGSBASE_RAX), GP);

    let mut machine = enabled();
    assert_eq!(machine.execute_with(&[(RAX, 0x1234_5678_9abc)], WRGSBASE_RAX), Ok(()));
    assert_eq!(machine.cpu.segments.get(SegmentName::Gs).base, 0x1234_5678_9abc);
    // The 32-bit forms move the low half, zero-extended.
    assert_eq!(machine.execute(&[0xf3, 0x0f, 0xae, 0xc9]), Ok(()));
    assert_eq!(machine.get(RCX), 0x5678_9abc);
}

#[test]
fn stac_and_clac_raise_ud_outside_ring_0() {
    let mut machine = TestMachine::long();
    assert_eq!(machine.execute(STAC), Ok(()));
    assert!(machine.cpu.flags.system().contains(Rflags::AC));
    assert_eq!(machine.execute(CLAC), Ok(()));
    assert!(!machine.cpu.flags.system().contains(Rflags::AC));
    for code in [STAC, CLAC] {
        assert_eq!(TestMachine::long().at_ring(3).execute(code), UD);
        assert_eq!(TestMachine::virtual_8086().execute(code), UD);
    }
}

#[test]
fn smap_lets_ring_0_touch_user_pages_between_stac_and_clac() {
    let mut machine = TestMachine::long();
    // Code and stack are the kernel's.
    machine.cpu.ram.write(PAGE_TABLE + 8 * (CODE >> 12), CODE | 3);
    let all = (Cr4::PAE | Cr4::SMAP).bits();
    assert_eq!(machine.execute_with(&[(RAX, all)], MOV_CR4_RAX), Ok(()));
    let denied = Err(Exception::with_code(Vector::PageFault, 0b001));
    let touch = [(RDI, DATA)];
    assert_eq!(machine.execute_with(&touch, MOV_AL_AT_RDI), denied);
    assert_eq!(machine.execute(STAC), Ok(()));
    assert_eq!(machine.execute_with(&touch, MOV_AL_AT_RDI), Ok(()));
    assert_eq!(machine.execute(CLAC), Ok(()));
    assert_eq!(machine.execute_with(&touch, MOV_AL_AT_RDI), denied);
}

#[test]
fn hlt_halts_after_retiring() {
    let mut machine = TestMachine::long();
    assert!(matches!(machine.exit_of(HLT), Exit::Budget | Exit::Halted));
    assert_eq!(machine.cpu.run(&mut machine.bus, &machine.intercepts, 1), Exit::Halted);
    assert_eq!((machine.get(RIP), machine.cpu.instructions), (CODE + 1, 1));
}

#[test]
fn clflush_checks_its_address_as_a_byte_load_does() {
    let mut machine = TestMachine::long();
    assert_eq!(machine.execute_with(&[(RDI, DATA)], CLFLUSH_RDI), Ok(()));
    assert_eq!(machine.execute_with(&[(RDI, NON_CANONICAL)], CLFLUSH_RDI), GP);
    let not_present = Err(Exception::with_code(Vector::PageFault, 0));
    assert_eq!(machine.execute_with(&[(RDI, 0x40_0000)], CLFLUSH_RDI), not_present);
}

#[test]
fn what_cpuid_does_not_show_raises_ud() {
    let cases: &[(&str, &[u8])] = &[
        ("ud0", &[0x0f, 0xff, 0xc0]),
        ("ud1", &[0x0f, 0xb9, 0xc0]),
        ("ud2", &[0x0f, 0x0b]),
        ("monitor", &[0x0f, 0x01, 0xc8]),
        ("mwait", &[0x0f, 0x01, 0xc9]),
        ("xgetbv", &[0x0f, 0x01, 0xd0]),
        ("vmcall", &[0x0f, 0x01, 0xc1]),
        ("vmmcall", &[0x0f, 0x01, 0xd9]),
        ("movaps", &[0x0f, 0x28, 0xc1]),
        ("movq mm", &[0x0f, 0x6f, 0xc1]),
        ("fxsave", &[0x0f, 0xae, 0x07]),
        ("invpcid", &[0x66, 0x0f, 0x38, 0x82, 0x07]),
        ("rdrand", &[0x0f, 0xc7, 0xf0]),
        ("rdpid", &[0xf3, 0x0f, 0xc7, 0xf8]),
        ("fninit", &[0xdb, 0xe3]),
        ("fld1", &[0xd9, 0xe8]),
    ];
    for (name, code) in cases {
        assert_eq!(TestMachine::long().execute_with(&[(RDI, DATA)], code), UD, "{name}");
    }
}

#[test]
fn vmcall_leaves_from_any_ring_when_intercepted() {
    for ring in [0, 3] {
        let mut machine = TestMachine::long().at_ring(ring).intercepting(Sensitive::Vmcall);
        let exit = Exit::Instruction { instruction: Sensitive::Vmcall, length: 3 };
        assert_eq!(machine.exit_of(&[0x0f, 0x01, 0xc1]), exit);
    }
}

#[test]
fn em_or_ts_turns_x87_into_nm_and_wait_needs_mp_and_ts() {
    let cases = [
        (Cr0::empty(), UD, Ok(())),
        (Cr0::EM, NM, Ok(())),
        (Cr0::TS, NM, Ok(())),
        (Cr0::MP, UD, Ok(())),
        (Cr0::MP.union(Cr0::TS), NM, NM),
    ];
    for (bits, x87, wait) in cases {
        let mut machine = TestMachine::long().with(|cpu| cpu.control.cr0 |= bits);
        assert_eq!(machine.execute(&[0xd9, 0xe8]), x87, "{bits:?}");
        assert_eq!(machine.execute(&[0x9b]), wait, "{bits:?}");
    }
}
