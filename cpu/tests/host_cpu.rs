//! The host's own CPU judges every unprivileged integer instruction, form by form.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and speak")]

mod flat_bus;

use std::env;

use flat_bus::FlatBus;
use paravane_cpu::state::control::{Cr0, Cr4, Efer};
use paravane_cpu::state::flags::Rflags;
use paravane_cpu::state::registers::RIP;
use paravane_cpu::state::segments::{Attributes, Segment, SegmentName, Selector, TableRegister};
use paravane_cpu::{Cpu, Exit, Intercepts, SoftwareInterrupt, Vector};
use paravane_host_referee::state::selectors;
use paravane_host_referee::windows::{
    CODE_START, CODE_WINDOW_SIZE, CODE_WINDOW_START, DATA_SIZE, DATA_START, PAGE, STACK_SIZE,
    STACK_START,
};
use paravane_host_referee::{
    Fault, Mode, Options, Outcome, Report, Scratch, State, Subject, Unavailable, compare,
    compare_fault_cases,
};

/// Physical places: tables first, then the windows.
const ROOT: u64 = 0x1000;
const DATA: u64 = 0x10_000;
const STACK: u64 = 0x20_000;
const CODE: u64 = 0x30_000;
const RAM_SIZE: u64 = 0x40_000;

/// More than any single instruction needs.
const BUDGET: u64 = 100_000;

/// Our CPU in ring 3, with the referee's windows mapped and nothing else.
struct Emulated {
    cpu: Cpu,
    intercepts: Intercepts,
}

impl Emulated {
    fn new() -> Self {
        let mut cpu = Cpu::new(RAM_SIZE);
        let mut next_table = ROOT + PAGE;
        let windows = [
            (DATA_START, DATA, DATA_SIZE, 7),
            (STACK_START, STACK, STACK_SIZE, 7),
            (CODE_WINDOW_START, CODE, CODE_WINDOW_SIZE, 5),
        ];
        for (linear, physical, size, rights) in windows {
            for offset in (0..size as u64).step_by(PAGE as usize) {
                map(&mut cpu, &mut next_table, linear + offset, (physical + offset) | rights);
            }
        }
        cpu.control.cr0 = Cr0::PE | Cr0::PG | Cr0::WP | Cr0::AM | Cr0::NE | Cr0::ET;
        cpu.control.cr4 = Cr4::PAE;
        cpu.control.cr3 = ROOT;
        cpu.control.efer = Efer::LME | Efer::LMA | Efer::NXE | Efer::SCE;
        cpu.cpl = 3;
        let data = Attributes(0xc0f3);
        for name in [SegmentName::Ds, SegmentName::Es, SegmentName::Ss] {
            cpu.segments.set(name, Segment::new(Selector(selectors::DATA), 0, u32::MAX, data));
        }
        for name in [SegmentName::Fs, SegmentName::Gs] {
            cpu.segments.set(name, Segment::null(Selector(selectors::FS_GS)));
        }
        // As under Linux: a short descriptor table, and no I/O permission bitmap.
        cpu.segments.gdtr = TableRegister { base: 0xffff_8000_0000_0000, limit: 0x7f };
        cpu.segments.tr = Segment::new(Selector(0x40), 0, 0, Attributes(0x8b));
        let intercepts = Vector::ALL
            .into_iter()
            .fold(Intercepts::NONE, Intercepts::with_exception)
            .with_instruction(paravane_cpu::Sensitive::Interrupt);
        Self { cpu, intercepts }
    }

    fn set_mode(&mut self, mode: Mode) {
        let (selector, attributes) = match mode {
            Mode::Long64 => (selectors::CS_64, Attributes(0xa0fb)),
            Mode::Compat32 => (selectors::CS_32, Attributes(0xc0fb)),
        };
        let code = Segment::new(Selector(selector), 0, u32::MAX, attributes);
        self.cpu.segments.set(SegmentName::Cs, code);
    }

    fn state(&self, mode: Mode) -> State {
        let mut state = State::RESET;
        for (to, from) in state.gpr.iter_mut().zip(self.cpu.registers.general()) {
            *to = *from;
        }
        state.rflags = self.cpu.flags.bits();
        state.rip = self.cpu.rip().wrapping_sub(CODE_START);
        state.truncated(mode)
    }
}

/// Maps one page in 4-level tables.
fn map(cpu: &mut Cpu, next_table: &mut u64, linear: u64, entry: u64) {
    let mut table = ROOT;
    for shift in [39, 30, 21] {
        let slot = table + (linear >> shift & 511) * 8;
        let mut value: u64 = cpu.ram.read(slot).unwrap();
        if value == 0 {
            value = *next_table | 7;
            *next_table += PAGE;
            cpu.ram.write(slot, value);
        }
        table = value & !0xfff;
    }
    cpu.ram.write(table + (linear >> 12 & 511) * 8, entry);
}

impl Subject for Emulated {
    fn execute(
        &mut self,
        mode: Mode,
        code: &[u8],
        before: &State,
        memory: &mut Scratch,
    ) -> Outcome {
        self.set_mode(mode);
        for (index, value) in before.gpr.iter().enumerate() {
            self.cpu.registers.set(index as u8, *value);
        }
        self.cpu.registers.set(RIP, CODE_START);
        self.cpu.flags.set_all(Rflags::from_bits_truncate(before.rflags));
        self.cpu.write_ram(DATA, memory.data.as_slice());
        self.cpu.write_ram(STACK, memory.stack.as_slice());
        let mut window = [0xcc; CODE_WINDOW_SIZE];
        let start = (CODE_START - CODE_WINDOW_START) as usize;
        window[start..start + code.len()].copy_from_slice(code);
        self.cpu.write_ram(CODE, &window);
        self.cpu.state_changed();

        let instructions = self.cpu.instructions;
        let exit = self.cpu.run(&mut FlatBus::default(), &self.intercepts, BUDGET);

        memory.data.copy_from_slice(self.cpu.ram.slice(DATA, DATA_SIZE as u64).unwrap());
        memory.stack.copy_from_slice(self.cpu.ram.slice(STACK, STACK_SIZE as u64).unwrap());
        let mut state = self.state(mode);
        let retired = self.cpu.instructions - instructions;
        let fault = match exit {
            // Whatever stops the second instruction is not the first one's.
            Exit::SoftwareInterrupt { .. } | Exit::Exception(_) if retired == 1 => {
                return Outcome::Completed(state);
            }
            Exit::SoftwareInterrupt { interrupt, length } => {
                state.rip = length.into();
                // The host reports INT1 and INT3 as their vectors.
                let vector = match interrupt {
                    SoftwareInterrupt::Int(vector) => vector,
                    other => other.vector(),
                };
                Fault::plain(vector)
            }
            Exit::Exception(exception) => Fault {
                vector: exception.vector as u8,
                error_code: exception.error_code.map(u32::from),
                address: (exception.vector == Vector::PageFault).then_some(self.cpu.fault_address),
            },
            other => return Outcome::Broken(format!("{other:?} after {retired} instructions")),
        };
        Outcome::Fault { fault, state }
    }
}

/// Cases per form: more with `PARAVANE_HOST_CASES`.
fn options() -> Options {
    let cases = env::var("PARAVANE_HOST_CASES").ok().and_then(|text| text.parse().ok());
    Options { cases_per_form: cases.unwrap_or(2), ..Options::default() }
}

/// There is no host CPU to compare with. In CI that is a failure.
fn skip(unavailable: &Unavailable) {
    let required = env::var("PARAVANE_REFEREES").is_ok_and(|value| value == "required");
    assert!(!required, "{unavailable}");
    println!("skipped: {unavailable}");
}

fn check(report: &Report) {
    let total = report.total();
    println!("{report}");
    assert!(total.forms > 0, "nothing was compared");
    assert_eq!((total.mismatches, total.unsupported), (0, 0), "see the report above");
}

#[test]
fn every_unprivileged_integer_form_does_what_the_host_cpu_does() {
    match compare(&mut Emulated::new(), &options()) {
        Ok(report) => check(&report),
        Err(unavailable) => skip(&unavailable),
    }
}

#[test]
fn exceptions_are_those_of_the_host_cpu() {
    match compare_fault_cases(&mut Emulated::new(), |_| true) {
        Ok(report) => check(&report),
        Err(unavailable) => skip(&unavailable),
    }
}
