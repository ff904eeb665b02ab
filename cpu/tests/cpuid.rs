//! CPUID. Values are those of the Intel SDM, vol. 2 ("CPUID").

mod flat_bus;
mod test_machine;

use paravane_cpu::features::{FEATURES, Register};
use paravane_cpu::state::control::Cr4;
use paravane_cpu::state::registers::{RAX, RBX, RCX, RDX};
use test_machine::TestMachine;

fn cpuid(machine: &mut TestMachine, leaf: u32, subleaf: u32) -> [u32; 4] {
    let registers = [(RAX, leaf.into()), (RCX, subleaf.into())];
    assert_eq!(machine.execute_with(&registers, &[0x0f, 0xa2]), Ok(()));
    [RAX, RBX, RCX, RDX].map(|register| {
        let value = machine.get(register);
        assert_eq!(value >> 32, 0);
        value as u32
    })
}

fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned()
}

#[test]
fn the_vendor_is_intel_and_the_brand_is_ours() {
    let mut machine = TestMachine::long().at_ring(3);
    let [_, ebx, ecx, edx] = cpuid(&mut machine, 0, 0);
    assert_eq!(text(&[ebx, edx, ecx]), "GenuineIntel");
    let brand: Vec<u32> =
        (2..=4).flat_map(|leaf| cpuid(&mut machine, 0x8000_0000 + leaf, 0)).collect();
    assert_eq!(text(&brand), "Paravane x86-64 CPU");
}

#[test]
fn every_feature_of_the_table_shows_where_the_manual_says() {
    let mut machine = TestMachine::long();
    for feature in FEATURES {
        let [_, ebx, ecx, edx] = cpuid(&mut machine, feature.leaf, 0);
        let value = match feature.register {
            Register::Ebx => ebx,
            Register::Ecx => ecx,
            Register::Edx => edx,
        };
        assert_eq!(value >> feature.bit & 1 != 0, feature.present, "{}", feature.name);
    }
}

#[test]
fn the_feature_leaves_hold_nothing_else() {
    let mut machine = TestMachine::long();
    // Worked out by hand from the manual's tables.
    assert_eq!(cpuid(&mut machine, 1, 0), [0x306c3, 0x800, 0x00c0_2000, 0x000b_a97c]);
    assert_eq!(cpuid(&mut machine, 7, 0), [0, 0x0018_038b, 0, 0]);
    assert_eq!(cpuid(&mut machine, 0x8000_0001, 0), [0, 0, 0x121, 0x2c10_0800]);
    assert_eq!(cpuid(&mut machine, 0x8000_0007, 0), [0, 0, 0, 0x100]);
    assert_eq!(cpuid(&mut machine, 0x8000_0008, 0), [0x3028, 0, 0, 0]);
}

#[test]
fn syscall_shows_in_64_bit_mode_only() {
    let mut machine = TestMachine::compatibility();
    assert_eq!(cpuid(&mut machine, 0x8000_0001, 0)[3], 0x2c10_0000);
}

#[test]
fn leaves_that_do_not_exist_answer_as_the_highest_basic_one() {
    let mut machine = TestMachine::long();
    let highest = cpuid(&mut machine, 0, 0)[0];
    let expected = cpuid(&mut machine, highest, 0);
    for leaf in [highest + 1, 0x4000_0000, 0x7fff_ffff, 0x8000_0009, u32::MAX] {
        assert_eq!(cpuid(&mut machine, leaf, 0), expected, "{leaf:#x}");
    }
}

#[test]
fn subleaves_that_do_not_exist_answer_zero() {
    let mut machine = TestMachine::long();
    for (leaf, subleaf) in [(4, 0), (4, 3), (7, 1), (0xb, 0), (0xd, 0), (0xd, 1)] {
        assert_eq!(cpuid(&mut machine, leaf, subleaf), [0; 4], "{leaf:#x}.{subleaf}");
    }
}

#[test]
fn leaf_0x15_gives_the_frequency_of_the_time_stamp_counter() {
    for hertz in [1_000_000_000, 2_600_000_000, 3_333_333_333] {
        let mut machine = TestMachine::long().with(|cpu| cpu.features.tsc_hz = hertz);
        let [denominator, numerator, crystal, _] = cpuid(&mut machine, 0x15, 0).map(u64::from);
        assert_eq!(crystal * numerator / denominator, hertz);
        assert_eq!(u64::from(cpuid(&mut machine, 0x16, 0)[0]), hertz / 1_000_000);
    }
}

#[test]
fn a_cr4_bit_is_writable_exactly_if_its_feature_shows() {
    let features = TestMachine::long().cpu.features;
    let bits = [
        (Cr4::TSD, "TSC"),
        (Cr4::DE, "DE"),
        (Cr4::PSE, "PSE"),
        (Cr4::PAE, "PAE"),
        (Cr4::MCE, "MCE"),
        (Cr4::PGE, "PGE"),
        (Cr4::FSGSBASE, "FSGSBASE"),
        (Cr4::SMEP, "SMEP"),
        (Cr4::SMAP, "SMAP"),
    ];
    for (bit, name) in bits {
        assert_eq!(features.cr4_mask().contains(bit), features.has(name), "{name}");
    }
}
