//! `paravane explain`: every name is explained, and what it says of costs is what runs are charged.

mod support;

use paravane_core::accounting::costs::PRESETS;
use paravane_core::accounting::{Cause, charges};
use paravane_cpu::{Sensitive, Vector};
use support::paravane;

#[test]
fn every_name_in_the_list_is_explained() {
    let list = paravane(&["explain"]);
    assert_eq!(list.status, Some(0));
    let lines = list.stdout.lines().filter(|line| line.starts_with("  "));
    let names: Vec<_> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 150, "{names:?}");
    // A process for each takes its time: every third one.
    for name in names.iter().step_by(3).chain(&["PF", "page fault", "MOV  to-cr", "iret hypercall"])
    {
        let ran = paravane(&["explain", name]);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(ran.stdout.lines().count() >= 3, "{name}: {}", ran.stdout);
        let words = ran.stdout.lines().filter(|line| !line.contains(['─', '…']));
        assert!(words.into_iter().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    }
}

#[test]
fn an_instruction_is_explained_for_each_world_and_preset() {
    let ran = paravane(&["explain", "popf"]);
    for part in ["bare", "trap-x86", "pv", "Robin and Irvine", "Read on:", "decode_and_emulate"] {
        assert!(ran.stdout.contains(part), "{part} is not in {}", ran.stdout);
    }
    for (preset, _) in PRESETS {
        assert!(ran.stdout.contains(preset), "{preset}");
    }
    let words = paravane(&["explain", "mov", "to", "cr"]);
    assert_eq!(words.stdout, paravane(&["explain", "mov to cr"]).stdout);
}

#[test]
fn one_name_may_mean_several_things() {
    let ran = paravane(&["explain", "iret"]);
    assert!(ran.stdout.contains("iret: an instruction"), "{}", ran.stdout);
    assert!(ran.stdout.contains("iret: hypercall 23 of Xen"), "{}", ran.stdout);
}

#[test]
fn unknown_names_come_with_the_nearest_ones() {
    let ran = paravane(&["explain", "mmu_updat"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("did you mean mmu_update"), "{}", ran.stderr);
    assert!(paravane(&["explain", "page"]).stderr.contains("hidden page fault"));
    let ran = paravane(&["explain", "qqq\u{1b}[2J"]);
    assert!(ran.status == Some(2) && ran.stderr.contains("lists all names"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
}

/// In a run, each exit of these causes is charged at least what is explained.
#[test]
fn what_is_explained_is_what_is_charged() {
    let instruction = Cause::Instruction;
    let hypercall = |number, name| Cause::Hypercall { personality: "xen", number, name };
    let trap = [
        instruction(Sensitive::Out),
        instruction(Sensitive::Invlpg),
        instruction(Sensitive::Pushf),
        instruction(Sensitive::WriteControl),
        instruction(Sensitive::Sysret),
        Cause::SoftwareInterrupt,
        Cause::HiddenPageFault,
        Cause::Exception(Vector::PageFault),
    ];
    let pv = [
        hypercall(1, "mmu_update"),
        hypercall(23, "iret"),
        Cause::BouncedSystemCall,
        Cause::EventUpcall,
        Cause::SoftwareInterrupt,
    ];
    for (world, causes) in [("trap", &trap[..]), ("pv", &pv)] {
        let json = paravane(&["run", "usermode", "--world", world, "--json"]).json();
        let lines = json["ledger"]["causes"].as_array().expect("an array");
        for cause in causes {
            let line = lines.iter().find(|line| line["cause"] == *cause.name());
            let line = line.unwrap_or_else(|| panic!("{world}: {cause} is not there"));
            for part in charges::least(*cause) {
                let charged = line["charged"][part.key()].as_u64().unwrap_or(0);
                let exits = line["exits"].as_u64().expect("a number");
                // An interrupt that waits takes over the way back.
                assert!(charged >= exits - exits / 100, "{world}: {}: {line}", part.key());
            }
        }
    }
}
