//! The host side by itself, against answers from the manuals: registers arrive where they should, in both modes.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy exempts tests, but not their helper functions"
)]

use paravane_host_referee::state::{RSP, flags, selectors};
use paravane_host_referee::windows::{DATA_SIZE, DATA_START, STACK_START};
use paravane_host_referee::{Fault, Mode, Native, Outcome, Scratch, State, Subject};

struct Machine {
    native: Native,
    memory: Scratch,
}

fn machine() -> Option<Machine> {
    let native = Native::new().inspect_err(|why| println!("skipped: {why}")).ok()?;
    Some(Machine { native, memory: Scratch::background() })
}

impl Machine {
    fn completes(&mut self, mode: Mode, code: &[u8], before: &State) -> State {
        match self.native.execute(mode, code, before, &mut self.memory) {
            Outcome::Completed(state) => state,
            other => panic!("{other:?}"),
        }
    }
}

fn numbered() -> State {
    let mut state = State::RESET;
    for (index, register) in state.gpr.iter_mut().enumerate() {
        *register = 0x1111_1111_1111_1111 * index as u64;
    }
    state.gpr[RSP] = STACK_START + 0x800;
    state
}

#[test]
fn a_nop_keeps_every_register_and_flag() {
    let Some(mut machine) = machine() else { return };
    let background = machine.memory.clone();
    for rflags in [0, flags::ARITHMETIC, flags::CF | flags::DF, flags::OF | flags::AF] {
        for mode in Mode::ALL {
            let before = State { rflags: rflags | State::RESET.rflags, ..numbered() };
            let after = machine.completes(mode, &[0x90], &before);
            assert_eq!(after, State { rip: 1, ..before.truncated(mode) });
            assert_eq!(machine.memory, background);
        }
    }
}

#[test]
fn the_same_byte_is_inc_in_32_bit_mode_and_rex_in_64_bit_mode() {
    let Some(mut machine) = machine() else { return };
    let before = State { gpr: [1; 16], ..State::RESET };
    assert_eq!(machine.completes(Mode::Compat32, &[0x48], &before).gpr[0], 0);
    assert_eq!(machine.completes(Mode::Long64, &[0x48, 0xff, 0xc0], &before).gpr[0], 2);
}

#[test]
fn a_32_bit_result_clears_the_upper_half_and_a_16_bit_result_does_not() {
    let Some(mut machine) = machine() else { return };
    let mut before = numbered();
    before.gpr[0] = u64::MAX;
    assert_eq!(machine.completes(Mode::Long64, &[0xff, 0xc0], &before).gpr[0], 0);
    assert_eq!(
        machine.completes(Mode::Long64, &[0x66, 0xff, 0xc0], &before).gpr[0],
        u64::MAX << 16
    );
}

#[test]
fn a_taken_branch_is_recognised_by_where_it_stops() {
    let Some(mut machine) = machine() else { return };
    let before = State { rflags: State::RESET.rflags | flags::ZF, ..numbered() };
    for mode in Mode::ALL {
        assert_eq!(machine.completes(mode, &[0x74, 0x40], &before).rip, 0x42);
        assert_eq!(machine.completes(mode, &[0x75, 0x40], &before).rip, 2);
        let back = machine.completes(mode, &[0xeb, 0xc0], &before).rip;
        assert_eq!(back, 0xffff_ffff_ffff_ffc2 & mode.register_mask());
        // Out of the window, to an unmapped page: the jump itself completes.
        assert_eq!(machine.completes(mode, &[0xe9, 0, 0, 1, 0], &before).rip, 0x1_0005);
    }
}

#[test]
fn a_push_stores_in_the_stack_window() {
    let Some(mut machine) = machine() else { return };
    let after = machine.completes(Mode::Long64, &[0x53], &numbered());
    assert_eq!(after.gpr[RSP], STACK_START + 0x7f8);
    assert_eq!(machine.memory.read(after.gpr[RSP], 8), Some(0x3333_3333_3333_3333));
}

#[test]
fn selectors_are_as_promised() {
    let Some(mut machine) = machine() else { return };
    // mov eax, cs / ds / es / ss / fs / gs
    for (mode, cs) in [(Mode::Long64, selectors::CS_64), (Mode::Compat32, selectors::CS_32)] {
        let data = selectors::DATA;
        for (number, expected) in
            [(1, cs), (3, data), (0, data), (2, data), (4, selectors::FS_GS), (5, selectors::FS_GS)]
        {
            let after = machine.completes(mode, &[0x8c, 0xc0 | number << 3], &numbered());
            assert_eq!(after.gpr[0], u64::from(expected), "{mode:?} {number}");
        }
    }
}

#[test]
fn a_page_fault_reports_its_address_and_changes_nothing() {
    let Some(mut machine) = machine() else { return };
    let mut before = numbered();
    before.gpr[3] = DATA_START + DATA_SIZE as u64 - 2;
    let memory = machine.memory.clone();
    // add [rbx], eax
    let outcome = machine.native.execute(Mode::Long64, &[0x01, 0x03], &before, &mut machine.memory);
    let Outcome::Fault { fault, state } = outcome else { panic!("{outcome:?}") };
    let address = Some(DATA_START + DATA_SIZE as u64);
    assert_eq!(fault, Fault { vector: 14, error_code: Some(6), address });
    assert_eq!(State { rflags: before.rflags, ..state }, before);
    assert_eq!(machine.memory, memory);
}

#[test]
fn traps_report_the_next_instruction_and_faults_this_one() {
    let Some(mut machine) = machine() else { return };
    for (code, vector, rip) in [(&[0xcc][..], 3, 1), (&[0x0f, 0x0b], 6, 0), (&[0xf7, 0xf0], 0, 0)] {
        let before = State { gpr: [0; 16], ..State::RESET };
        let outcome = machine.native.execute(Mode::Long64, code, &before, &mut machine.memory);
        let Outcome::Fault { fault, state } = outcome else { panic!("{outcome:?}") };
        assert_eq!((fault, state.rip), (Fault::plain(vector), rip));
    }
}

#[test]
fn flags_that_a_program_leaves_behind_do_not_reach_the_next_one() {
    let Some(mut machine) = machine() else { return };
    let mut before = numbered();
    // popfq: everything that ring 3 may set, alignment checks and single steps included.
    machine.memory.patch(before.gpr[RSP], &u64::MAX.to_le_bytes());
    let after = machine.completes(Mode::Long64, &[0x9d], &before);
    assert_eq!(
        after.rflags & (flags::AC | flags::TF | flags::DF),
        flags::AC | flags::TF | flags::DF
    );
    before.gpr[3] = DATA_START + 1;
    let after = machine.completes(Mode::Long64, &[0x8b, 0x03], &before);
    assert_eq!(after.rflags, before.rflags);
}

#[test]
fn threads_take_turns() {
    let run = || {
        let Some(mut machine) = machine() else { return };
        for _ in 0..1000 {
            assert_eq!(machine.completes(Mode::Compat32, &[0x40], &numbered()).gpr[0], 1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(run);
        }
    });
}
