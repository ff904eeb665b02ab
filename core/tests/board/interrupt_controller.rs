//! The 8259A pair. The keyboard controller (line 1), the UART (4) and the clock (8) are the hands
//! that pull its lines.

use paravane_cpu::Bus;

use crate::bench::Bench;

const MASTER: u16 = 0x20;
const SLAVE: u16 = 0xA0;
const READ_REQUESTS: u8 = 0x0A;
const READ_IN_SERVICE: u8 = 0x0B;
const END: u8 = 0x20;

/// Programs the controllers and silences the timer.
fn bench() -> Bench {
    let mut bench = Bench::with_interrupts();
    // Mode 0 without a count: the output stays low.
    bench.write(0x43, 0x30);
    bench
}

/// Line 1: the keyboard controller answers and interrupts.
fn raise_keyboard(bench: &mut Bench) {
    bench.write(0x64, 0x60);
    bench.write(0x60, 0x05);
    bench.write(0x64, 0xAB);
}

fn lower_keyboard(bench: &mut Bench) {
    bench.read(0x60);
}

/// Line 4: the UART's transmitter is empty.
fn raise_uart(bench: &mut Bench) {
    bench.write(0x3FC, 0x08);
    bench.write(0x3F9, 0x02);
}

fn lower_uart(bench: &mut Bench) {
    bench.write(0x3F9, 0x00);
}

/// Line 8: the clock's periodic interrupt, 1024 times a second.
fn raise_clock(bench: &mut Bench) {
    bench.write(0x70, 0x0B);
    bench.write(0x71, 0x42);
    bench.pass_microseconds(1000);
}

fn select(bench: &mut Bench, command: u8) -> u8 {
    bench.write(MASTER, command);
    bench.read(MASTER)
}

#[test]
fn a_masked_line_requests_but_does_not_interrupt() {
    let mut bench = bench();
    bench.write(MASTER + 1, 0xFF);
    raise_keyboard(&mut bench);
    assert_eq!(select(&mut bench, READ_REQUESTS), 0b10);
    assert_eq!(bench.take_interrupt(), None);
    bench.write(MASTER + 1, 0xFD);
    assert_eq!(bench.read(MASTER + 1), 0xFD);
    assert_eq!(bench.take_interrupt(), Some(0x21));
    assert_eq!(select(&mut bench, READ_REQUESTS), 0, "an edge is served once");
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0b10);
}

#[test]
fn a_lower_line_waits_for_the_end_of_a_higher_one() {
    let mut bench = bench();
    raise_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x21));
    raise_uart(&mut bench);
    assert_eq!(bench.take_interrupt(), None);
    bench.write(MASTER, END);
    assert_eq!(bench.take_interrupt(), Some(0x24));
    bench.write(MASTER, 0x60 | 4);
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0, "a specific end names its level");
}

#[test]
fn a_higher_line_interrupts_a_lower_one() {
    let mut bench = bench();
    raise_uart(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x24));
    raise_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x21));
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0b1_0010);
    bench.write(MASTER, END);
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0b1_0000, "the highest ends first");
}

#[test]
fn a_line_that_falls_before_the_acknowledge_yields_the_spurious_level_7() {
    let mut bench = bench();
    raise_keyboard(&mut bench);
    lower_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), None);
    assert_eq!(bench.board.acknowledge_interrupt(bench.now), 0x27);
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0, "which is not in service");
}

#[test]
fn lines_8_to_15_come_through_the_cascade() {
    let mut bench = bench();
    raise_clock(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x28));
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0b100);
    bench.write(SLAVE, READ_IN_SERVICE);
    assert_eq!(bench.read(SLAVE), 0b1);
    // The UART has a lower priority than the cascade, the keyboard a higher one.
    raise_uart(&mut bench);
    assert_eq!(bench.take_interrupt(), None);
    raise_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x21));
    bench.write(MASTER, END);
    bench.write(SLAVE, END);
    bench.write(MASTER, END);
    assert_eq!(bench.take_interrupt(), Some(0x24));
}

#[test]
fn automatic_end_of_interrupt_leaves_nothing_in_service() {
    let mut bench = bench();
    for (port, byte) in [(MASTER, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 0x03), (0x21, 0)] {
        bench.write(port, byte);
    }
    raise_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x21));
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0);
    assert_eq!(bench.take_interrupt(), None, "the edge is used up");
}

#[test]
fn rotation_makes_the_served_line_the_lowest() {
    let mut bench = bench();
    raise_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x21));
    // Rotate on non-specific end: now line 2 is the highest and line 1 the lowest.
    bench.write(MASTER, 0xA0);
    lower_keyboard(&mut bench);
    raise_uart(&mut bench);
    raise_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x24));
    assert_eq!(bench.take_interrupt(), None);
    // Set priority: line 7 is the lowest again.
    bench.write(MASTER, 0xC7);
    assert_eq!(bench.take_interrupt(), Some(0x21));
}

#[test]
fn special_mask_mode_lets_lower_lines_pass_a_masked_one_in_service() {
    let mut bench = bench();
    raise_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x21));
    raise_uart(&mut bench);
    bench.write(MASTER + 1, 0x02);
    assert_eq!(bench.take_interrupt(), None, "masking alone does not help");
    bench.write(MASTER, 0x68);
    assert_eq!(bench.take_interrupt(), Some(0x24));
    bench.write(MASTER, END);
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0b10, "the masked one is not ended");
}

#[test]
fn a_poll_acknowledges() {
    let mut bench = bench();
    assert_eq!(select(&mut bench, 0x0C), 0, "nothing requests");
    raise_uart(&mut bench);
    assert_eq!(select(&mut bench, 0x0C), 0x84);
    assert_eq!(select(&mut bench, READ_IN_SERVICE), 0b1_0000);
}

#[test]
fn a_level_triggered_line_requests_as_long_as_it_is_high() {
    let mut bench = bench();
    bench.write(0x4D0, 0xFF);
    bench.write(0x4D1, 0xFF);
    assert_eq!(bench.read(0x4D0), 0xF8, "lines 0 to 2 are always edge triggered");
    assert_eq!(bench.read(0x4D1), 0xDE, "and so are 8 and 13");
    raise_uart(&mut bench);
    for _ in 0..2 {
        assert_eq!(bench.take_interrupt(), Some(0x24));
        bench.write(MASTER, END);
    }
    lower_uart(&mut bench);
    assert_eq!(bench.take_interrupt(), None);
}

#[test]
fn initialization_clears_mask_and_service_and_is_silent_until_complete() {
    let mut bench = bench();
    bench.write(MASTER + 1, 0xFB);
    raise_keyboard(&mut bench);
    bench.write(MASTER, 0x11);
    bench.write(MASTER + 1, 0x40);
    assert_eq!(bench.take_interrupt(), None);
    bench.write(MASTER + 1, 4);
    bench.write(MASTER + 1, 1);
    assert_eq!(bench.read(MASTER + 1), 0x00);
    assert_eq!(bench.take_interrupt(), None, "the edge sense latch was cleared");
    lower_keyboard(&mut bench);
    raise_keyboard(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x41));
}

#[test]
fn special_fully_nested_mode_hears_a_higher_line_of_the_slave() {
    let mut bench = bench();
    for (port, byte) in [(MASTER, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 0x11), (0x21, 0)] {
        bench.write(port, byte);
    }
    raise_clock(&mut bench);
    assert_eq!(bench.take_interrupt(), Some(0x28));
    assert!(!bench.board.interrupt_requested());
    // The master still serves line 2; with the slave ended, the clock's next edge gets through.
    bench.write(SLAVE, END);
    bench.write(0x70, 0x0C);
    bench.read(0x71);
    bench.pass_microseconds(1000);
    assert_eq!(bench.take_interrupt(), Some(0x28));
}
