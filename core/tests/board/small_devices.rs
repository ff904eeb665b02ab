//! The devices of a few registers: keyboard controller, resets, power off, exit, debug ports.

use paravane_core::board::Request;
use paravane_cpu::{AccessWidth, Bus};

use crate::bench::Bench;

#[test]
fn the_keyboard_controller_passes_its_tests_without_a_keyboard() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(0x64) & 0b101, 0b100, "tested, and nothing to read");
    bench.write(0x64, 0xAA);
    assert_eq!(bench.read(0x64) & 1, 1);
    assert_eq!(bench.read(0x60), 0x55);
    assert_eq!(bench.read(0x64) & 1, 0, "reading empties the buffer");
    bench.write(0x64, 0xAB);
    assert_eq!(bench.read(0x60), 0x00);
}

#[test]
fn the_command_byte_reads_back() {
    let mut bench = Bench::new();
    bench.write(0x64, 0x60);
    bench.write(0x60, 0x45);
    bench.write(0x64, 0x20);
    assert_eq!(bench.read(0x60), 0x45);
    bench.write(0x64, 0xAD);
    bench.write(0x64, 0x20);
    assert_eq!(bench.read(0x60), 0x55, "0xAD disables the keyboard");
}

#[test]
fn a_byte_to_the_absent_keyboard_times_out() {
    let mut bench = Bench::new();
    bench.write(0x60, 0xED);
    assert_eq!(bench.read(0x64) & 0x41, 0x41);
    assert_eq!(bench.read(0x60), 0xFE);
    assert_eq!(bench.read(0x64) & 0x41, 0);
}

#[test]
fn the_output_port_shows_a20_open_and_resets_with_bit_0_low() {
    let mut bench = Bench::new();
    bench.write(0x64, 0xD0);
    assert_eq!(bench.read(0x60) & 0b11, 0b11);
    bench.write(0x64, 0xD1);
    bench.write(0x60, 0x03);
    assert!(!bench.board.wants_attention());
    bench.write(0x64, 0xD1);
    bench.write(0x60, 0x02);
    assert_eq!(bench.board.take_request(), Some(Request::Reset));
}

#[test]
fn four_doors_lead_to_a_reset() {
    for (port, value) in [(0x64, 0xFE), (0x92, 0x01), (0xCF9, 0x06), (0xCF9, 0x04)] {
        let mut bench = Bench::new();
        bench.write(port, value);
        assert_eq!(bench.board.take_request(), Some(Request::Reset), "{port:#x}");
    }
    for (port, value) in [(0x64, 0xFF), (0x92, 0x02), (0xCF9, 0x02)] {
        let mut bench = Bench::new();
        bench.write(port, value);
        assert_eq!(bench.board.take_request(), None, "{port:#x} {value:#x}");
    }
}

#[test]
fn a20_reads_as_open_whatever_is_written() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(0x92), 0x02);
    bench.write(0x92, 0x00);
    assert_eq!(bench.read(0x92), 0x02);
}

#[test]
fn two_doors_lead_to_power_off() {
    for port in [0x604, 0xB004] {
        let mut bench = Bench::new();
        bench.board.write_port(0, port, AccessWidth::Word, 0x2000);
        assert_eq!(bench.board.take_request(), Some(Request::PowerOff));
        bench.board.write_port(0, port, AccessWidth::Word, 0x3C00);
        assert_eq!(bench.board.take_request(), None, "another sleep type");
        assert_eq!(bench.board.read_port(0, port, AccessWidth::Word), 0x1C00, "SLP_EN reads 0");
    }
}

#[test]
fn debug_exit_keeps_the_value_and_the_host_sees_it_doubled_and_odd() {
    for (width, value, host) in [
        (AccessWidth::Byte, 0x00, 1),
        (AccessWidth::Byte, 0x10, 33),
        (AccessWidth::Word, 0x1234, 0x2469),
        (AccessWidth::Dword, 0xFFFF_FFFF, 0xFFFF_FFFF),
    ] {
        let mut bench = Bench::new();
        bench.board.write_port(0, 0xF4, width, value);
        let request = bench.board.take_request().unwrap();
        assert_eq!(request, Request::Exit(value));
        assert_eq!(request.host_exit_code(), Some(host));
    }
    assert_eq!(Request::Reset.host_exit_code(), None);
}

#[test]
fn the_debug_console_announces_itself_and_prints() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(0xE9), 0xE9);
    bench.write(0xE9, b'h');
    bench.write(0xE9, b'i');
    assert_eq!(bench.board.take_debug_output(), b"hi");
}

#[test]
fn the_post_code_is_the_last_one_written() {
    let mut bench = Bench::new();
    bench.write(0x80, 0x42);
    assert_eq!(bench.board.post_code(), 0x42);
    assert_eq!(bench.read(0x80), 0x42);
}
