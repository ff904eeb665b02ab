//! Guests that mean harm, and guests that are run again: no panic, and the same result.

use paravane_core::board::Board;
use paravane_cpu::{AccessWidth, Bus};

/// A pseudo-random generator (xorshift64), so that every run is the same.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Ports where something is.
const PORTS: [u16; 45] = [
    0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1, 0x40, 0x41, 0x42, 0x43, 0x43, 0x60, 0x61, 0x61, 0x64,
    0x70, 0x71, 0x71, 0x80, 0x92, 0xE9, 0xF4, 0xF5, 0xF7, 0x3F8, 0x3F9, 0x3FA, 0x3FB, 0x3FC, 0x3FD,
    0x3FE, 0x3FF, 0x604, 0x605, 0xB004, 0xB005, 0xCF7, 0xCF8, 0xCF9, 0xCFA, 0xCFC, 0xCFF, 0xFFFF,
    0, 0xFFFD,
];

/// Random accesses, interrupts and leaps of time. Returns a digest of all that could be seen.
fn storm(board: &mut Board, random: &mut Random, now: &mut u64, steps: usize) -> u64 {
    let mut digest = 0_u64;
    for _ in 0..steps {
        let choice = random.next();
        let port = PORTS[(choice >> 8) as usize % PORTS.len()];
        let width = [AccessWidth::Byte, AccessWidth::Byte, AccessWidth::Word, AccessWidth::Dword]
            [(choice >> 16) as usize % 4];
        let seen = match choice % 8 {
            0..4 => {
                board.write_port(*now, port, width, (choice >> 32) as u32);
                0
            }
            4 | 5 => u64::from(board.read_port(*now, port, width)),
            6 => {
                *now += 1 << (choice >> 32 & 31);
                board.advance(*now);
                board.next_event()
            }
            _ if board.interrupt_requested() => u64::from(board.acknowledge_interrupt(*now)),
            _ => board.console_input(&choice.to_le_bytes()) as u64,
        };
        digest = digest.rotate_left(5) ^ seen;
        if board.wants_attention() {
            board.take_request();
        }
    }
    board.take_console_output();
    digest
}

#[test]
fn a_storm_of_accesses_never_panics_and_events_are_never_in_the_past() {
    for seed in 1..=20 {
        let (mut board, mut random, mut now) =
            (Board::new(64 << 20), Random(seed * 0x9E37_79B9), 0);
        for _ in 0..100 {
            storm(&mut board, &mut random, &mut now, 200);
            board.advance(now);
            assert!(board.next_event() > now, "seed {seed}: the CPU would never get on");
        }
        assert_eq!(board.inspect().fields().len(), 13);
    }
}

#[test]
fn a_clone_goes_the_same_way_as_its_original() {
    let (mut board, mut random, mut now) = (Board::new(64 << 20), Random(7), 0);
    storm(&mut board, &mut random, &mut now, 5_000);
    let (mut copy, mut copied_random, mut copied_now) = (board.clone(), random.clone(), now);
    let original = storm(&mut board, &mut random, &mut now, 5_000);
    let repeated = storm(&mut copy, &mut copied_random, &mut copied_now, 5_000);
    assert_eq!(original, repeated);
    assert_eq!(board.inspect(), copy.inspect());
}

#[test]
fn the_end_of_time_is_survived() {
    for step in [1, 1 << 62, u64::MAX] {
        let mut board = Board::new(64 << 20);
        let mut now = 0_u64;
        for port in PORTS {
            board.write_port(now, port, AccessWidth::Byte, 0xFF);
            now = now.saturating_add(step);
            board.read_port(now, port, AccessWidth::Byte);
            board.write_port(now, port, AccessWidth::Byte, 0x36);
        }
        board.console_input(&[0; 100]);
        board.advance(u64::MAX);
        board.advance(0);
    }
}
