//! The cost presets: complete, and in the order that the literature states.

#![allow(clippy::unwrap_used, clippy::panic, reason = "how a test fails")]

use paravane_core::accounting::costs::{MAXIMUM_CYCLES, PRESETS};
use paravane_core::accounting::{Costs, Primitive};
use paravane_cpu::timing::Operation;

fn presets() -> impl Iterator<Item = Costs> {
    PRESETS.iter().map(|(name, _)| Costs::preset(name).unwrap())
}

fn preset(name: &str) -> Costs {
    Costs::preset(name).unwrap()
}

fn sum(costs: &Costs, primitives: &[Primitive]) -> u64 {
    primitives.iter().map(|primitive| costs.price(*primitive)).sum()
}

fn exit_round_trip(costs: &Costs) -> u64 {
    sum(costs, &[Primitive::Exit, Primitive::Entry])
}

fn hypercall_round_trip(costs: &Costs) -> u64 {
    sum(costs, &[Primitive::HypercallExit, Primitive::HypercallEntry])
}

fn exception_round_trip(costs: &Costs) -> u64 {
    costs.timing().price(Operation::Exception) + costs.timing().price(Operation::InterruptReturn)
}

fn native_page_fault(costs: &Costs) -> u64 {
    exception_round_trip(costs) + 4 * costs.timing().price(Operation::PageWalkReference)
}

fn system_call(costs: &Costs) -> u64 {
    costs.timing().price(Operation::FastCall) + costs.timing().price(Operation::FastReturn)
}

/// A page fault that fills one shadow entry and that the guest doesn't see.
fn hidden_page_fault(costs: &Costs) -> u64 {
    let work = [Primitive::Dispatch, Primitive::ShadowEntry];
    let references = 4 * costs.price(Primitive::GuestTableReference);
    exit_round_trip(costs) + sum(costs, &work) + references
}

#[test]
fn every_key_of_every_preset_has_a_price_a_source_and_a_confidence() {
    for costs in presets() {
        assert_eq!(costs.values().len(), Primitive::COUNT + Operation::COUNT, "{}", costs.name);
        for (key, value) in costs.values() {
            assert!(value.source.len() > 4, "{}: {key}", costs.name);
            assert_eq!(costs.value(key), Some(value));
            assert!(!value.confidence.name().is_empty());
        }
    }
}

#[test]
fn a_system_call_is_cheaper_than_an_exception_and_that_than_an_exit() {
    for costs in presets() {
        let timing = costs.timing();
        let exception = timing.price(Operation::Exception);
        assert!(timing.price(Operation::FastCall) < exception, "{}", costs.name);
        assert!(exception < costs.price(Primitive::Exit), "{}", costs.name);
        assert!(system_call(&costs) <= hypercall_round_trip(&costs), "{}", costs.name);
        assert!(hypercall_round_trip(&costs) < exception_round_trip(&costs), "{}", costs.name);
        assert!(exception_round_trip(&costs) < exit_round_trip(&costs), "{}", costs.name);
    }
}

#[test]
fn a_hidden_page_fault_costs_more_than_a_native_one() {
    for costs in presets() {
        assert!(native_page_fault(&costs) < hidden_page_fault(&costs), "{}", costs.name);
    }
}

#[test]
fn batching_a_hypercall_saves_most_of_its_price() {
    for costs in presets() {
        let batched = costs.price(Primitive::BatchEntry);
        assert!(2 * batched < hypercall_round_trip(&costs), "{}", costs.name);
    }
}

/// NUMBERS: 242, 889, 1093 and 3209 cycles on a Pentium 4.
#[test]
fn on_a_pentium_4_system_call_fault_page_fault_and_port_access_are_in_this_order() {
    let costs = preset("p4-2005");
    let page_fault = native_page_fault(&costs);
    assert!(system_call(&costs) * 3 < exception_round_trip(&costs));
    assert!(exception_round_trip(&costs) < page_fault);
    assert!(page_fault * 2 < costs.timing().price(Operation::PortAccess));
}

/// NUMBERS: 3963 on Prescott, 1009 on Nehalem: 3.9 to 1.
#[test]
fn hardware_exits_became_three_to_five_times_cheaper_from_prescott_to_nehalem() {
    let ratio = |earlier: u64, later: u64| earlier as f64 / later as f64;
    let (first, second) = (preset("p4-vtx-2005"), preset("nehalem-2009"));
    let gain = ratio(exit_round_trip(&first), exit_round_trip(&second));
    assert!((3.0..5.0).contains(&gain), "{gain}");
}

/// Adams & Agesen: the first VT-x lost against software hypervisors.
#[test]
fn the_first_hardware_exits_cost_more_than_exceptions() {
    let (software, hardware) = (preset("p4-2005"), preset("p4-vtx-2005"));
    assert!(exit_round_trip(&hardware) > 3 * exit_round_trip(&software));
    for primitive in [Primitive::DecodeAndEmulate, Primitive::HypercallExit, Primitive::Dispatch] {
        assert_eq!(software.price(primitive), hardware.price(primitive));
    }
    assert_eq!(software.timing(), hardware.timing());
}

/// SplitX: 2000 cycles with KVM, about half of them the hardware's.
#[test]
fn on_nehalem_the_hypervisors_part_of_an_exit_is_as_large_as_the_hardwares() {
    let costs = preset("nehalem-2009");
    let ratio = costs.price(Primitive::Dispatch) as f64 / exit_round_trip(&costs) as f64;
    assert!((0.8..1.2).contains(&ratio), "{ratio}");
}

/// A port access is bus time: about the same fraction of a second on every processor.
#[test]
fn a_port_access_is_the_slowest_operation_of_every_processor() {
    for costs in presets() {
        let port = costs.timing().price(Operation::PortAccess);
        assert!(Operation::ALL.iter().all(|o| costs.timing().price(*o) <= port), "{}", costs.name);
    }
}

fn teaching_with(change: impl FnOnce(String) -> String) -> String {
    let text = PRESETS.iter().find(|(name, _)| *name == "teaching").unwrap().1;
    Costs::parse("mine.toml", &change(text.into())).unwrap_err().to_string()
}

#[test]
fn an_unknown_key_is_named_with_the_file_and_the_known_ones() {
    let error = teaching_with(|text| text.replace("[exit]", "[exti]"));
    assert!(error.starts_with("cost preset mine.toml: unknown key `exti`: known are exit, entry"));
}

#[test]
fn a_missing_key_is_named_with_the_file_and_the_remedy() {
    let error = teaching_with(|text| {
        let (before, after) = text.split_once("[cpuid]").unwrap();
        let (_, rest) = after.split_once("\n\n").unwrap();
        format!("{before}{rest}")
    });
    assert_eq!(
        error,
        "cost preset mine.toml: `cpuid` has no price: add [cpuid] with cycles, source and confidence"
    );
}

#[test]
fn a_malformed_value_is_shown_with_file_line_and_key() {
    let bad = [
        ("cycles = 500", "cycles = -5", "-5"),
        ("cycles = 500", "cycles = \"many\"", "many"),
        ("cycles = 500\n", "", "cycles"),
        ("confidence = \"chosen\"", "confidence = \"sure\"", "measured"),
        ("cycles = 500", "cycles = 500\nyear = 1998", "year"),
        ("[exit]", "[exit", "exit"),
        ("title = ", "exit = ", "exit"),
    ];
    for (from, to, shown) in bad {
        let error = teaching_with(|text| text.replacen(from, to, 1));
        assert!(error.starts_with("cost preset mine.toml: "), "{error}");
        assert!(error.contains("line ") && error.contains(shown), "{error}");
        assert!(error.contains("exit"), "{error}");
    }
}

#[test]
fn a_price_that_could_overflow_time_is_refused() {
    let price = MAXIMUM_CYCLES + 1;
    let error =
        teaching_with(|text| text.replacen("cycles = 500", &format!("cycles = {price}"), 1));
    assert_eq!(
        error,
        format!("cost preset mine.toml: `exit` costs {price} cycles: at most 1000000 can be")
    );
}

#[test]
fn an_unknown_preset_is_answered_with_the_known_ones() {
    let error = Costs::preset("p5").unwrap_err().to_string();
    assert!(error.contains("`p5`") && error.contains("teaching, p4-2005"), "{error}");
}
