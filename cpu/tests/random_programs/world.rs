//! A CPU with random code, and its board.

use iced_x86::{Code, Decoder, DecoderOptions};
use paravane_cpu::state::segments::SegmentName;
use paravane_cpu::{Cpu, Exit, Intercepts, Sensitive, Vector};
use paravane_host_referee::random::Random;

use super::board::Board;
use super::code;
use super::place;
use super::start::{STARTS, Start};

/// The world of one seed.
#[derive(Clone)]
pub struct World {
    pub cpu: Cpu,
    pub board: Board,
    pub intercepts: Intercepts,
    pub random: Random,
}

impl World {
    /// Random code everywhere where code may be.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut cpu = Cpu::new(place::RAM_SIZE);
        let code = cpu.ram.slice_mut(place::CODE, place::CODE_SIZE).expect("RAM");
        code::fill(code, false, &mut random);
        let period = random.pick(&[0, 30, 300]);
        let board = Board::new(random.next(), period);
        Self { cpu, board, intercepts: Intercepts::NONE, random }
    }

    /// Puts the CPU into one of the starting modes.
    pub fn enter_any(&mut self) -> Start {
        let start = STARTS[self.random.below(STARTS.len() as u64) as usize];
        start.enter(&mut self.cpu, &mut self.random);
        start
    }

    /// Lets some exceptions and instructions leave the CPU, mostly none.
    pub fn choose_intercepts(&mut self) {
        self.intercepts = Intercepts::NONE;
        if !self.random.one_in(4) {
            return;
        }
        for vector in Vector::ALL {
            if self.random.one_in(2) {
                self.intercepts = self.intercepts.with_exception(vector);
            }
        }
        for instruction in Sensitive::ALL {
            if self.random.one_in(3) {
                self.intercepts = self.intercepts.with_instruction(*instruction);
            }
        }
        self.intercepts.external_interrupts = self.random.one_in(2);
        self.intercepts.non_maskable_interrupts = self.random.one_in(2);
    }

    /// Runs for a number of cycles.
    pub fn run(&mut self, budget: u64) -> Exit {
        self.cpu.run(&mut self.board, &self.intercepts, budget)
    }

    /// What iced makes of the bytes at RIP.
    pub fn next_code(&self) -> Code {
        let bits = self.cpu.code_size().bits();
        let base = match bits {
            64 => 0,
            _ => self.cpu.segments.get(SegmentName::Cs).base,
        };
        let bytes = self.cpu.peek(base.wrapping_add(self.cpu.rip()), 15);
        Decoder::new(bits, &bytes, DecoderOptions::NONE).decode().code()
    }
}
