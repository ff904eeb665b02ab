//! However a run is cut into slices, the guest can't tell: the same program ends in the same
//! state, at the same cycle, after the same interrupts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and says what it counted"
)]

mod random_programs;

use paravane_cpu::state::debug::Debug;
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::{RCX, RDI, RIP, RSI};
use paravane_cpu::timing::{Operation, Timing};
use paravane_cpu::{Cpu, Exit};
use random_programs::board::Board;
use random_programs::start::{Kind, Start};
use random_programs::world::World;
use random_programs::{place, tables};

/// Worlds that are run.
const SEEDS: u64 = 700;
/// Cycles that each is run for.
const CYCLES: u64 = 2500;

/// Runs a world for [`CYCLES`] in slices. Returns how many exits there were that end no slice.
fn run_in_slices(world: &mut World, slice: u64) -> usize {
    let end = world.cpu.cycles + CYCLES;
    let mut exits = 0;
    while world.cpu.cycles < end && exits < 300 {
        let rest = end - world.cpu.cycles;
        match world.run(slice.min(rest)) {
            Exit::Budget => continue,
            Exit::Halted => {
                let event = paravane_cpu::Bus::next_event(&world.board);
                world.cpu.cycles = event.clamp(world.cpu.cycles, end);
            }
            Exit::Exception(_) | Exit::Instruction { .. } | Exit::SoftwareInterrupt { .. } => {
                let rip = world.cpu.rip().wrapping_add(1);
                world.cpu.registers.set(RIP, rip);
            }
            Exit::ExternalInterrupt | Exit::NonMaskableInterrupt => {
                world.intercepts.external_interrupts = false;
                world.intercepts.non_maskable_interrupts = false;
            }
            Exit::Bus | Exit::TripleFault(_) | Exit::Unimplemented(_) => break,
        }
        exits += 1;
    }
    exits
}

/// Everything that the guest, the board or an accountant could see.
fn state(world: &World) -> Vec<String> {
    let Cpu { registers, flags, segments, control, debug, msr, .. } = &world.cpu;
    let cpu = &world.cpu;
    vec![
        format!("{:x?}", registers),
        format!("flags {:x}", flags.bits()),
        format!("{segments:x?}"),
        format!("{control:x?}"),
        format!("{debug:x?}"),
        format!("{msr:x?}"),
        format!("{:?}", (cpu.cpl, cpu.shadow, cpu.activity, cpu.nmi_blocked, cpu.mode())),
        format!(
            "cycles, instructions, iterations {:?}",
            (cpu.cycles, cpu.instructions, cpu.iterations)
        ),
        format!("{:?}", cpu.counts()),
        format!("{:?} {}", cpu.tlb_statistics(), cpu.tlb_entries()),
        format!("board {:x?}", world.board.fingerprint()),
    ]
}

fn assert_equal(seed: u64, slice: u64, whole: &World, sliced: &World) {
    for (expected, found) in state(whole).iter().zip(state(sliced)) {
        assert!(
            *expected == found,
            "seed {seed}, slices of {slice}:\n whole {expected}\nsliced {found}"
        );
    }
    let size = whole.cpu.ram.size();
    let (expected, found) = (whole.cpu.ram.slice(0, size), sliced.cpu.ram.slice(0, size));
    assert!(expected == found, "seed {seed}, slices of {slice}: memory differs");
}

/// A world in some mode; some have prices, so that page walks and transitions take time.
fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.enter_any();
    world.choose_intercepts();
    if world.random.one_in(2) {
        let prices = [(); Operation::COUNT].map(|()| world.random.below(20));
        world.cpu.timing = Timing::new(prices);
    }
    world
}

#[test]
fn a_run_in_slices_of_any_size_ends_like_a_run_in_one_piece() {
    let (mut instructions, mut deliveries, mut iterations, mut exits) = (0, 0, 0, 0);
    let first = std::env::var("PARAVANE_RANDOM_SEED").ok().and_then(|text| text.parse().ok());
    let first = first.unwrap_or(1);
    for seed in first..first + SEEDS {
        let mut whole = world(seed);
        exits += run_in_slices(&mut whole, u64::MAX);
        for slice in [1, 7, 1000] {
            let mut sliced = world(seed);
            run_in_slices(&mut sliced, slice);
            assert_equal(seed, slice, &whole, &sliced);
        }
        let [kernel, user] = whole.cpu.counts();
        let counts = kernel.plus(&user);
        instructions += counts.instructions;
        iterations += counts.iterations;
        deliveries += counts.of(Operation::Exception) + counts.of(Operation::Interrupt);
    }
    println!(
        "{SEEDS} programs, {instructions} instructions, {iterations} iterations, {deliveries} deliveries, {exits} exits"
    );
}

/// A world in ring 0 of a mode, without surprises, about to execute `code`.
fn world_with(kind: Kind, code: &[u8]) -> World {
    let mut world = World::new(1);
    world.board = Board::new(1, 0);
    Start { kind, ring: 0 }.enter(&mut world.cpu, &mut world.random);
    let cpu = &mut world.cpu;
    tables::write(&mut cpu.ram, kind, &mut world.random);
    assert!(cpu.write_ram(place::CODE, code));
    cpu.registers.set(RIP, place::CODE);
    cpu.flags.set_all(Rflags::FIXED);
    cpu.debug = Debug::default();
    cpu.refresh();
    world
}

#[test]
fn an_instruction_between_two_slices_walks_no_page_table_that_it_would_not_walk_else() {
    // The operand's page and the code's page compete for one entry of the TLB.
    let operand = (place::ALIAS + (place::CODE ^ 0x1000)) as u32;
    let load = [&[0x8b, 0x05][..], &operand.to_le_bytes()].concat();
    let code = load.repeat(8);
    let mut walks = Vec::new();
    for slice in [8, 1] {
        let mut world = world_with(Kind::TwoLevel, &code);
        let before = world.cpu.tlb_statistics().walks;
        for _ in 0..8 / slice {
            assert_eq!(world.run(slice), Exit::Budget);
        }
        assert_eq!(world.cpu.rip(), place::CODE + 8 * 6);
        walks.push(world.cpu.tlb_statistics().walks - before);
    }
    assert_eq!(walks[0], walks[1], "walks in one piece, and in slices of one cycle");
}

#[test]
fn interrupts_breakpoints_and_single_steps_inside_rep_come_at_the_same_cycle() {
    for (kind, single_step) in [Kind::Protected32, Kind::TwoLevel, Kind::Pae, Kind::Long]
        .into_iter()
        .flat_map(|kind| [(kind, false), (kind, true)])
    {
        let make = || {
            // mov ecx, 40; rep movsb; and edi, ~0xfff; and esi, ~0xfff; jmp to the start
            let code = [
                0xb9, 40, 0, 0, 0, 0xf3, 0xa4, 0x81, 0xe7, 0, 0xf0, 0xff, 0xff, 0x81, 0xe6, 0,
                0xf0, 0xff, 0xff, 0xeb, 0xeb,
            ];
            let mut world = world_with(kind, &code);
            tables::write_transparent_handlers(&mut world.cpu.ram, kind);
            world.board = Board::new(3, 25);
            world.cpu.timing = Timing::new([2; Operation::COUNT]);
            world.cpu.registers.set(RSI, place::DATA);
            world.cpu.registers.set(RDI, place::STACK);
            // Writes to the tenth element.
            world.cpu.debug.addresses[0] = place::STACK + 10;
            world.cpu.debug.dr7 |= 0x1_0001;
            world.cpu.flags.set_system(Rflags::IF, true);
            world.cpu.flags.set_system(Rflags::TF, single_step);
            world.cpu.refresh();
            world
        };
        let mut whole = make();
        run_in_slices(&mut whole, u64::MAX);
        let counts = whole.cpu.counts()[0];
        assert!(counts.iterations > 300, "{kind:?}: {counts:?}");
        assert!(counts.of(Operation::Interrupt) > 20, "{kind:?}: {counts:?}");
        assert!(counts.of(Operation::Exception) > 5, "{kind:?}: {counts:?}");
        for slice in (1..10).chain([100, 1000]) {
            let mut sliced = make();
            run_in_slices(&mut sliced, slice);
            assert_equal(3, slice, &whole, &sliced);
        }
    }
}

#[test]
fn a_repeated_port_write_is_made_once_even_if_page_walks_use_up_the_slice() {
    let mut boards = Vec::new();
    for slice in [u64::MAX, 1] {
        // rep outsb; jmp to itself
        let mut world = world_with(Kind::TwoLevel, &[0xf3, 0x6e, 0xeb, 0xfe]);
        world.cpu.timing = Timing::new([50; Operation::COUNT]);
        world.cpu.registers.set(RCX, 4);
        world.cpu.registers.set(RSI, place::DATA);
        run_in_slices(&mut world, slice);
        assert_eq!(world.cpu.registers.get(RSI), place::DATA + 4);
        boards.push(world.board.fingerprint());
    }
    assert_eq!(boards[0], boards[1], "what the board saw in one piece, and in slices");
}
