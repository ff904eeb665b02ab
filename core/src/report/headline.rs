//! The finding of a comparison in one sentence.

use super::comparison::{Comparison, Run};
use super::numbers::{grouped, ratio};

/// The sentence: of the worlds with a hypervisor the cheapest against the dearest; if there is
/// only one, that against the first run. Runs that did something else than the first one don't
/// count.
pub(super) fn headline(comparison: &Comparison) -> String {
    let Some(first) = comparison.runs().first() else { return "Nothing was run.".into() };
    let name = |run| name(comparison, run);
    let with_exits = || {
        comparison
            .runs()
            .iter()
            .filter(|run| run.ledger.exits() > 0 && comparison.has_same_console(run))
    };
    let cheapest = with_exits().min_by_key(|run| run.cycles);
    // Of equals, `max_by_key` takes the last and `min_by_key` the first: so never the same twice,
    // if there are two.
    let dearest = with_exits().max_by_key(|run| run.cycles);
    let sentence = match (cheapest, dearest) {
        (Some(one), Some(other)) if !std::ptr::eq(one, other) => versus(comparison, one, other),
        (Some(only), _) if !std::ptr::eq(only, first) => {
            let exits = match only.ledger.exits() {
                1 => "1 exit".into(),
                exits => format!("{} exits", grouped(exits)),
            };
            match ratio(only.cycles, first.cycles) {
                Some(ratio) => {
                    format!(
                        "{} takes {ratio} the cycles of {}, with {exits}.",
                        name(only),
                        name(first)
                    )
                }
                None => format!("{} has {exits}; {} took no time.", name(only), name(first)),
            }
        }
        _ if comparison.runs().len() == 1 => {
            format!("{} took {} cycles.", name(first), grouped(first.cycles))
        }
        _ => "There is nothing to compare: no other run did the same as the first one and had an exit.".into(),
    };
    capitalized(&sentence)
}

/// One run against another.
fn versus(comparison: &Comparison, one: &Run, other: &Run) -> String {
    let (exits, other_exits) = (one.ledger.exits(), other.ledger.exits());
    let needs = format!(
        "{} and {}",
        fewer(exits, other_exits, "exits"),
        fewer(one.cycles, other.cycles, "cycles")
    );
    let (one_name, other_name) = (name(comparison, one), name(comparison, other));
    if exits == other_exits || one.cycles == other.cycles {
        format!("Compared with {other_name}, {one_name} needs {needs}.")
    } else {
        format!("{one_name} needs {needs} than {other_name}.")
    }
}

/// What the sentence calls a run.
fn name(comparison: &Comparison, run: &Run) -> String {
    if comparison.has_one_preset() {
        run.title.clone()
    } else {
        format!("{} ({})", run.title, run.costs.name)
    }
}

/// `3.1x fewer exits`, `just as many exits`, `1.2x more exits`.
fn fewer(mine: u64, theirs: u64, what: &str) -> String {
    if mine == theirs {
        return format!("just as many {what}");
    }
    let (more, less, word) =
        if mine < theirs { (theirs, mine, "fewer") } else { (mine, theirs, "more") };
    match ratio(more, less) {
        Some(ratio) if ratio != "1.0x" => format!("{ratio} {word} {what}"),
        Some(_) => format!("slightly {word} {what}"),
        None => format!("{} {word} {what}", grouped(more)),
    }
}

fn capitalized(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
