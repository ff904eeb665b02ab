//! The texts: there for everything, and whole sentences.

use paravane_core::accounting::{Cause, Primitive, explanations};
use paravane_cpu::{Sensitive, Vector};

fn every_cause() -> Vec<Cause> {
    let hypercall = Cause::Hypercall { personality: "xen", number: 1, name: "mmu_update" };
    let others = [
        Cause::SoftwareInterrupt,
        Cause::HiddenPageFault,
        Cause::PageTableWrite,
        Cause::TracedWrite,
        Cause::DeviceMemory,
        Cause::ExternalInterrupt,
        Cause::UnsupportedMode,
        hypercall,
        Cause::BouncedSystemCall,
        Cause::EventUpcall,
    ];
    let instructions = Sensitive::ALL.iter().map(|instruction| Cause::Instruction(*instruction));
    instructions.chain(Vector::ALL.map(Cause::Exception)).chain(others).collect()
}

fn assert_sentences(of: &str, text: &str) {
    assert!(text.ends_with('.'), "{of}: {text}");
    assert!(!text.contains("  "), "{of}: two spaces");
    assert!(text.starts_with(char::is_uppercase), "{of}: {text}");
}

#[test]
fn every_cause_says_what_why_and_how_to_avoid_it() {
    for cause in every_cause() {
        let explanation = explanations::cause(cause);
        let name = cause.name();
        assert_sentences(&name, explanation.what);
        assert_sentences(&name, explanation.why);
        assert_sentences(&name, explanation.avoided_by);
        assert!(explanation.read_on.len() > 10, "{name}");
    }
}

#[test]
fn every_primitive_is_explained() {
    for primitive in Primitive::ALL {
        assert_sentences(primitive.key(), explanations::primitive(*primitive));
    }
}

#[test]
fn the_names_of_causes_are_unique() {
    let mut names: Vec<_> = every_cause().iter().map(|cause| cause.name()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
