//! Which device answers what, and how wide accesses are split.

use paravane_core::board::{Board, Request};
use paravane_cpu::{AccessWidth, Bus};

use crate::bench::Bench;

#[test]
fn ports_without_a_device_read_as_all_ones() {
    let mut board = Board::new(1 << 20);
    for port in [0x00, 0x170, 0x2F8, 0x300, 0xCF8, 0xCFC, 0xFFFF] {
        assert_eq!(board.read_port(0, port, AccessWidth::Byte), 0xFF, "{port:#x}");
        assert_eq!(board.read_port(0, port, AccessWidth::Word), 0xFFFF);
        assert_eq!(board.read_port(0, port, AccessWidth::Dword), 0xFFFF_FFFF);
        board.write_port(0, port, AccessWidth::Dword, 0x1234_5678);
    }
    assert_eq!(board.read_memory(0, 0xFEE0_0000, AccessWidth::Dword), 0xFFFF_FFFF);
    assert_eq!(board.read_memory(0, u64::MAX, AccessWidth::Qword), u64::MAX);
    board.write_memory(0, u64::MAX, AccessWidth::Qword, 0);
    assert!(!board.wants_attention());
}

#[test]
fn a_wide_access_to_byte_wide_devices_is_split_low_byte_first() {
    let mut bench = Bench::new();
    // CMOS index and data in one word: the index is written first.
    bench.board.write_port(0, 0x70, AccessWidth::Word, 0x5A40);
    bench.write(0x70, 0x40);
    assert_eq!(bench.read(0x71), 0x5A);
    // Scratch register of the UART and an open bus behind it.
    bench.write(0x3FF, 0xA5);
    assert_eq!(bench.board.read_port(0, 0x3FF, AccessWidth::Word), 0xFFA5);
    // Port 0xE8 is open, 0xE9 is the debug console, 0xEA is open.
    bench.board.write_port(0, 0xE8, AccessWidth::Dword, 0x1122_4133);
    assert_eq!(bench.board.take_debug_output(), b"A");
    assert_eq!(bench.board.read_port(0, 0xFFFF, AccessWidth::Word), 0xFFFF, "wraps around");
}

#[test]
fn a_port_access_of_64_bits_is_one_of_32() {
    let mut board = Board::new(1 << 20);
    assert_eq!(board.read_port(0, 0x7800, AccessWidth::Qword), 0xFFFF_FFFF);
    board.write_port(0, 0xE6, AccessWidth::Qword, 0x4100_0000);
    assert_eq!(board.take_debug_output(), b"A");
}

#[test]
fn a_word_device_takes_words_whole_and_dwords_in_halves() {
    let mut bench = Bench::new();
    bench.board.write_port(0, 0x604, AccessWidth::Dword, 0xFFFF_2000);
    assert_eq!(bench.board.request(), Some(Request::PowerOff));
}

#[test]
fn a_pci_address_does_not_reach_the_reset_register_inside_its_window() {
    let mut bench = Bench::new();
    bench.board.write_port(0, 0xCF8, AccessWidth::Dword, 0x8000_0600);
    assert!(!bench.board.wants_attention());
    bench.write(0xCF9, 0x06);
    assert_eq!(bench.board.take_request(), Some(Request::Reset));
}

#[test]
fn every_device_can_be_inspected_by_its_name() {
    let bench = Bench::with_interrupts();
    let inspection = bench.board.inspect();
    assert_eq!(inspection.fields().len(), 13);
    assert_eq!(inspection.text("slave interrupt controller (8259A)/vector base"), Some("0x28"));
    assert_eq!(inspection.text("COM1 (16550A)/baud rate"), Some("9600"));
    assert_eq!(inspection.text("interval timer (8254)/counter 0/mode"), Some("3 (SquareWave)"),);
}

#[test]
fn a_request_keeps_attention_until_it_is_taken_and_the_first_one_counts() {
    let mut bench = Bench::new();
    bench.board.write_port(0, 0xF4, AccessWidth::Dword, 0x10);
    bench.write(0x64, 0xFE);
    assert!(bench.board.wants_attention());
    assert_eq!(bench.board.request(), Some(Request::Exit(0x10)));
    assert_eq!(bench.board.take_request(), Some(Request::Exit(0x10)));
    assert!(!bench.board.wants_attention());
}

#[test]
fn a_reset_keeps_console_output_and_battery_backed_memory() {
    let mut bench = Bench::with_interrupts();
    bench.write(0x3F8, b'x');
    bench.write(0x70, 0x40);
    bench.write(0x71, 0x77);
    bench.pass(1_000_000);
    bench.board.reset();
    assert_eq!(bench.board.take_console_output(), b"x");
    bench.write(0x70, 0x40);
    assert_eq!(bench.read(0x71), 0x77);
    assert_eq!(bench.read(0x21), 0xFF, "interrupts are masked again");
}

#[test]
fn nmi_waits_while_port_0x70_masks_it() {
    let mut bench = Bench::new();
    bench.write(0x70, 0x80);
    bench.board.raise_nmi();
    assert!(!bench.board.take_nmi());
    bench.write(0x70, 0x00);
    assert!(bench.board.take_nmi());
    assert!(!bench.board.take_nmi(), "one edge is one interrupt");
}
