//! The claim "every unprivileged integer instruction" can be checked: each of iced's codes is run or left out for a
//! reason, and nothing is both.

use std::collections::BTreeMap;

use iced_x86::{Code, FlowControl};
use paravane_host_referee::encodings::encodings;
use paravane_host_referee::forms::{enumerated_codes, forms_of};
use paravane_host_referee::host_features::missing_on_host;
use paravane_host_referee::windows::CODE_START;
use paravane_host_referee::{Exclusion, Mode, exclusion, forms};

#[test]
fn every_code_is_excluded_for_a_reason_or_has_forms_in_each_mode_it_exists_in() {
    for code in Code::values() {
        let counts = Mode::ALL.map(|mode| forms_of(code, mode).len());
        let info = code.op_code();
        if exclusion(code).is_some() {
            assert_eq!(counts, [0, 0], "{code:?} is excluded and enumerated");
            continue;
        }
        assert_ne!(counts, [0, 0], "{code:?} is neither excluded nor enumerated");
        for (mode, count) in Mode::ALL.into_iter().zip(counts) {
            // AMD's decoder honours a 66 prefix on branches in 64-bit mode; ours, like Intel's, doesn't.
            let exists = match mode {
                Mode::Long64 => info.mode64() && info.intel_decoder64(),
                Mode::Compat32 => info.mode32() && info.intel_decoder32(),
            };
            let ignored_prefix = mode == Mode::Long64 && is_branch_with_16_bit_operand(code);
            assert!(!exists || ignored_prefix || count > 0, "{code:?} has no form in {mode:?}");
        }
    }
}

fn is_branch_with_16_bit_operand(code: Code) -> bool {
    code.op_code().operand_size() == 16
        && !matches!(
            code.flow_control(),
            FlowControl::Next | FlowControl::Exception | FlowControl::Interrupt
        )
}

#[test]
fn each_exclusion_applies_to_something_and_the_table_can_be_printed() {
    let mut groups = BTreeMap::<Exclusion, usize>::new();
    for reason in Code::values().filter_map(exclusion) {
        *groups.entry(reason).or_default() += 1;
    }
    for reason in Exclusion::ALL {
        let count = groups.get(&reason).copied().unwrap_or(0);
        println!("{count:5} {reason}");
        assert_ne!(count, 0, "{reason:?} excludes nothing");
    }
    println!("{:5} enumerated", enumerated_codes().count());
}

#[test]
fn codes_of_another_decoder_have_no_encoding() {
    for code in Code::values().filter(|code| exclusion(*code) == Some(Exclusion::OtherDecoding)) {
        for mode in Mode::ALL {
            assert!(encodings(code, mode).is_empty(), "{code:?} can be run in {mode:?}");
        }
    }
}

#[test]
fn the_instructions_that_the_emulated_cpu_promises_are_enumerated() {
    let promised = [
        Code::Add_rm64_r64,
        Code::Cmovg_r64_rm64,
        Code::Cmpxchg8b_m64,
        Code::Cmpxchg16b_m128,
        Code::Movbe_r64_m64,
        Code::Popcnt_r64_rm64,
        Code::Lzcnt_r64_rm64,
        Code::Tzcnt_r64_rm64,
        Code::VEX_Andn_r64_r64_rm64,
        Code::VEX_Pdep_r64_r64_rm64,
        Code::Adcx_r64_rm64,
        Code::Crc32_r64_rm64,
        Code::Sahf,
        Code::Lahf,
        Code::Xadd_rm64_r64,
        Code::Bswap_r64,
        Code::Movsxd_r64_rm32,
        Code::Enterq_imm16_imm8,
        Code::Leaveq,
        Code::Pushad,
        Code::Popad,
        Code::Daa,
        Code::Aam_imm8,
        Code::Bound_r32_m3232,
        Code::Salc,
        Code::Movsq_m64_m64,
        Code::Xlat_m8,
        Code::Pushfq,
        Code::Popfq,
        Code::Nop_rm32,
        Code::Pause,
        Code::Prefetchw_m8,
        Code::Endbr64,
        Code::Arpl_rm16_r16,
        Code::Movnti_m64_r64,
        Code::Mfence,
        Code::Into,
        Code::Int3,
        Code::Ud2,
        Code::Loope_rel8_64_RCX,
        Code::Retnq_imm16,
    ];
    for code in promised {
        assert_eq!(exclusion(code), None, "{code:?}");
    }
}

#[test]
fn forms_are_distinct_and_are_what_they_claim() {
    for mode in Mode::ALL {
        for of_one_code in forms(mode).chunk_by(|a, b| a.code == b.code) {
            let mut bytes: Vec<_> = of_one_code.iter().map(|form| &form.bytes).collect();
            bytes.sort();
            bytes.dedup();
            assert_eq!(
                bytes.len(),
                of_one_code.len(),
                "{:?} has the same form twice",
                of_one_code[0].code
            );
            for form in of_one_code {
                assert_eq!(form.instruction.code(), form.code);
                assert_eq!(form.instruction.len(), form.bytes.len());
                assert_eq!(missing_on_host(form.code), None);
            }
        }
    }
}

#[test]
fn no_direct_branch_lands_in_its_own_bytes() {
    for mode in Mode::ALL {
        for form in forms(mode) {
            let target = form.instruction.near_branch_target();
            let own = CODE_START..CODE_START + form.bytes.len() as u64;
            assert!(!own.contains(&target), "{} would not stop", form.description());
        }
    }
}

#[test]
fn equal_seeds_give_equal_cases() {
    for form in forms(Mode::Long64).iter().step_by(97) {
        for (a, b) in form.cases(7, 5).iter().zip(form.cases(7, 5)) {
            assert_eq!(a.before, b.before);
            assert_eq!(a.patches, b.patches);
        }
    }
}
