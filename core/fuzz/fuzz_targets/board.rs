//! Any bytes as a program of port accesses, six bytes each: what, two of port, two of value, and
//! how long to wait.
#![no_main]

use libfuzzer_sys::fuzz_target;
use paravane_core::board::Board;
use paravane_cpu::{AccessWidth, Bus};

fuzz_target!(|bytes: &[u8]| {
    let mut board = Board::new(64 << 20);
    let mut now = 0_u64;
    for step in bytes.as_chunks::<6>().0 {
        let &[what, port_low, port_high, value_low, value_high, wait] = step;
        let port = u16::from_le_bytes([port_low, port_high]);
        let value = u32::from(u16::from_le_bytes([value_low, value_high]));
        let width = AccessWidth::of(1 << (what >> 4 & 3)).unwrap_or(AccessWidth::Byte);
        match what % 4 {
            0 => {
                board.read_port(now, port, width);
            }
            1 => board.write_port(now, port, width, value),
            2 if board.interrupt_requested() => {
                board.acknowledge_interrupt(now);
            }
            _ => {
                board.console_input(&value.to_le_bytes());
            }
        }
        now = now.saturating_add(1 << (wait & 63));
        board.advance(now);
        assert!(board.next_event() > now || now == u64::MAX);
    }
});
