//! Nothing that a guest executes may panic, hang or grow without bound: random code in all modes.
//!
//! `PARAVANE_RANDOM_INSTRUCTIONS` sets how many instructions are executed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and says what it counted"
)]

mod random_programs;

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use paravane_cpu::state::registers::RIP;
use paravane_cpu::timing::Operation;
use paravane_cpu::{Activity, Exit};
use random_programs::world::World;

/// What `cargo test` executes.
const INSTRUCTIONS: u64 = 3_000_000;
/// Times that one world is entered anew.
const LEGS: u64 = 24;
/// What the last instruction and the delivery of its fault may take beyond the budget.
const OVERSHOOT: u64 = 3;
/// Slots of the block cache, and entries of the TLB.
const MOST_BLOCKS: usize = 1 << 14;
const MOST_TRANSLATIONS: usize = 2048;

/// What was executed.
#[derive(Default)]
struct Tally {
    worlds: u64,
    legs: u64,
    instructions: u64,
    iterations: u64,
    deliveries: u64,
    by_start: BTreeMap<String, u64>,
    by_exit: BTreeMap<&'static str, u64>,
}

fn name(exit: &Exit) -> &'static str {
    match exit {
        Exit::Budget => "budget",
        Exit::Halted => "halted",
        Exit::Bus => "bus",
        Exit::Exception(_) => "exception",
        Exit::SoftwareInterrupt { .. } => "software interrupt",
        Exit::Instruction { .. } => "instruction",
        Exit::ExternalInterrupt => "external interrupt",
        Exit::NonMaskableInterrupt => "NMI",
        Exit::TripleFault(_) => "triple fault",
        Exit::Unimplemented(_) => "unimplemented",
    }
}

/// Runs one leg: a start in some mode, and what follows until it ends or has used its cycles.
fn leg(world: &mut World, tally: &mut Tally) {
    let start = world.enter_any();
    world.choose_intercepts();
    let before = world.cpu.instructions;
    let end = world.cpu.cycles + 200 + world.random.below(2000);
    // Exits take no time, so their number is bounded, too.
    for _ in 0..300 {
        let now = world.cpu.cycles;
        if now >= end {
            break;
        }
        let budget = match world.random.below(4) {
            0 => world.random.below(8),
            _ => end - now,
        };
        let exit = world.run(budget);
        *tally.by_exit.entry(name(&exit)).or_default() += 1;
        let took = world.cpu.cycles - now;
        assert!(took <= budget + OVERSHOOT, "{took} cycles of {budget} in {start:?}, {exit:?}");
        match exit {
            Exit::Budget => assert!(took >= budget, "{took} cycles of {budget}"),
            Exit::Exception(_) | Exit::Instruction { .. } | Exit::SoftwareInterrupt { .. } => {
                let skip = world.random.below(4);
                let rip = world.cpu.rip().wrapping_add(skip);
                world.cpu.registers.set(RIP, rip);
            }
            Exit::ExternalInterrupt | Exit::NonMaskableInterrupt => {
                world.intercepts.external_interrupts = false;
                world.intercepts.non_maskable_interrupts = false;
            }
            Exit::Halted => {
                if world.random.one_in(2) {
                    break;
                }
                world.cpu.activity = Activity::Running;
            }
            Exit::Bus | Exit::TripleFault(_) | Exit::Unimplemented(_) => break,
        }
    }
    assert!(world.cpu.decoded_blocks() <= MOST_BLOCKS);
    assert!(world.cpu.tlb_entries() <= MOST_TRANSLATIONS);
    tally.legs += 1;
    let executed = world.cpu.instructions - before;
    *tally.by_start.entry(format!("{:?} ring {}", start.kind, start.ring)).or_default() += executed;
}

#[test]
fn random_code_in_any_mode_ends_in_time_and_never_panics() {
    let wanted = env::var("PARAVANE_RANDOM_INSTRUCTIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(INSTRUCTIONS);
    let first: u64 =
        env::var("PARAVANE_RANDOM_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut tally = Tally::default();
    for seed in first.. {
        if tally.instructions >= wanted {
            break;
        }
        let mut world = World::new(seed);
        for _ in 0..LEGS {
            leg(&mut world, &mut tally);
        }
        let [kernel, user] = world.cpu.counts();
        let all = kernel.plus(&user);
        tally.worlds += 1;
        tally.instructions += all.instructions;
        tally.iterations += all.iterations;
        tally.deliveries +=
            [Operation::Exception, Operation::Interrupt, Operation::SoftwareInterrupt]
                .into_iter()
                .map(|operation| all.of(operation))
                .sum::<u64>();
    }
    println!(
        "{} instructions, {} iterations, {} deliveries in {} legs of {} worlds",
        tally.instructions, tally.iterations, tally.deliveries, tally.legs, tally.worlds
    );
    println!("instructions by start: {:#?}", tally.by_start);
    println!("exits: {:?}", tally.by_exit);
}

#[test]
fn random_code_reaches_most_of_the_instruction_table() {
    let mut retired = BTreeSet::new();
    let mut steps = 0;
    for seed in 1..60 {
        let mut world = World::new(seed);
        for _ in 0..LEGS {
            world.enter_any();
            for _ in 0..300 {
                let (code, before) = (world.next_code(), world.cpu.instructions);
                let exit = world.run(1);
                steps += 1;
                if world.cpu.instructions > before {
                    retired.insert(code);
                }
                if exit != Exit::Budget {
                    break;
                }
            }
        }
    }
    println!("{steps} steps, {} instruction codes retired", retired.len());
    assert!(retired.len() > 800, "only {} codes", retired.len());
}
