//! COM1, the 16550A.

use paravane_core::board::clock::Oscillator;
use paravane_cpu::Bus;

use crate::bench::Bench;

const DATA: u16 = 0x3F8;
const INTERRUPT_ENABLE: u16 = 0x3F9;
const INTERRUPT_IDENTIFICATION: u16 = 0x3FA;
const FIFO_CONTROL: u16 = 0x3FA;
const LINE_CONTROL: u16 = 0x3FB;
const MODEM_CONTROL: u16 = 0x3FC;
const LINE_STATUS: u16 = 0x3FD;
const MODEM_STATUS: u16 = 0x3FE;

/// 115 200 baud, 8 data bits, OUT2 on, the timer silent.
fn bench() -> Bench {
    let mut bench = Bench::with_interrupts();
    bench.write(0x43, 0x30);
    for (port, byte) in [
        (LINE_CONTROL, 0x83),
        (DATA, 1),
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, 0x03),
        (MODEM_CONTROL, 0x0B),
    ] {
        bench.write(port, byte);
    }
    bench
}

/// Lets time pass for `count` characters of ten bits, and a little more.
fn pass_characters(bench: &mut Bench, count: u64) {
    bench.pass(Oscillator::SERIAL_BIT.cycle_of(10 * count + 1));
}

fn take_and_end(bench: &mut Bench) -> Option<u8> {
    let vector = bench.take_interrupt();
    bench.write(0x20, 0x20);
    vector
}

#[test]
fn what_the_guest_sends_the_owner_takes_once() {
    let mut bench = bench();
    for byte in *b"hello" {
        assert_eq!(bench.read(LINE_STATUS) & 0x60, 0x60, "the transmitter is always empty");
        bench.write(DATA, byte);
    }
    assert_eq!(bench.board.take_console_output(), b"hello");
    assert_eq!(bench.board.take_console_output(), b"");
}

#[test]
fn the_divisor_latch_hides_data_and_interrupt_enable() {
    let mut bench = Bench::new();
    bench.write(LINE_CONTROL, 0x83);
    assert_eq!([bench.read(DATA), bench.read(INTERRUPT_ENABLE)], [12, 0], "9600 baud");
    bench.write(DATA, 0x80);
    bench.write(INTERRUPT_ENABLE, 0x01);
    bench.write(LINE_CONTROL, 0x03);
    assert_eq!(bench.read(INTERRUPT_ENABLE), 0);
    bench.write(LINE_CONTROL, 0x83);
    assert_eq!([bench.read(DATA), bench.read(INTERRUPT_ENABLE)], [0x80, 0x01]);
    assert_eq!(bench.board.take_console_output(), b"");
}

#[test]
fn identification_shows_the_fifos_as_a_16550a_does() {
    let mut bench = bench();
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x01);
    bench.write(FIFO_CONTROL, 0x01);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0xC1);
    bench.write(FIFO_CONTROL, 0xC0);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x01, "nothing counts without bit 0");
}

#[test]
fn transmitter_empty_interrupts_when_it_is_enabled_and_after_every_byte() {
    let mut bench = bench();
    bench.write(INTERRUPT_ENABLE, 0x02);
    assert_eq!(take_and_end(&mut bench), Some(0x24));
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x02);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x01, "reading it clears it");
    bench.write(DATA, b'a');
    assert_eq!(take_and_end(&mut bench), Some(0x24));
    // Without reading IIR, the pin still falls while the byte leaves, so a new edge comes.
    bench.write(DATA, b'b');
    assert_eq!(take_and_end(&mut bench), Some(0x24));
    bench.write(INTERRUPT_ENABLE, 0x00);
    bench.write(DATA, b'c');
    assert_eq!(take_and_end(&mut bench), None);
}

#[test]
fn out2_connects_the_interrupt_to_the_board() {
    let mut bench = bench();
    bench.write(MODEM_CONTROL, 0x03);
    bench.write(INTERRUPT_ENABLE, 0x02);
    assert_eq!(bench.take_interrupt(), None);
    bench.write(MODEM_CONTROL, 0x0B);
    assert_eq!(bench.take_interrupt(), Some(0x24));
}

#[test]
fn without_fifos_every_character_interrupts_after_its_time_on_the_line() {
    let mut bench = bench();
    bench.write(INTERRUPT_ENABLE, 0x01);
    assert_eq!(bench.board.console_input(b"ab"), 2);
    assert_eq!(bench.read(LINE_STATUS) & 1, 0, "still on the line");
    let arrival = bench.board.next_event();
    assert_eq!(arrival - bench.now, Oscillator::SERIAL_BIT.cycle_of(10), "86.8 microseconds");
    bench.pass(arrival - bench.now);
    assert_eq!(take_and_end(&mut bench), Some(0x24));
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x04);
    assert_eq!(bench.read(LINE_STATUS) & 1, 1);
    pass_characters(&mut bench, 5);
    assert_eq!(bench.read(DATA), b'a', "the next one waited on the line: no overrun");
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x01);
    pass_characters(&mut bench, 1);
    assert_eq!(take_and_end(&mut bench), Some(0x24));
    assert_eq!(bench.read(LINE_STATUS) & 0b11, 1);
    assert_eq!(bench.read(DATA), b'b');
}

#[test]
fn fifos_interrupt_at_their_trigger_level() {
    for (control, trigger) in [(0x01, 1), (0x41, 4), (0x81, 8), (0xC1, 14)] {
        let mut bench = bench();
        bench.write(FIFO_CONTROL, control);
        bench.write(INTERRUPT_ENABLE, 0x01);
        bench.board.console_input(&[b'x'; 14]);
        pass_characters(&mut bench, trigger - 1);
        assert_eq!(bench.take_interrupt(), None, "trigger level {trigger}");
        pass_characters(&mut bench, 1);
        assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0xC4, "trigger level {trigger}");
        assert_eq!(bench.take_interrupt(), Some(0x24));
    }
}

#[test]
fn characters_below_the_trigger_time_out_after_four_character_times() {
    let mut bench = bench();
    bench.write(FIFO_CONTROL, 0xC1);
    bench.write(INTERRUPT_ENABLE, 0x01);
    bench.board.console_input(b"abc");
    pass_characters(&mut bench, 3 + 3);
    assert_eq!(bench.take_interrupt(), None);
    pass_characters(&mut bench, 1);
    assert_eq!(take_and_end(&mut bench), Some(0x24));
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0xCC);
    assert_eq!(bench.read(DATA), b'a');
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0xC1, "a read ends it");
    pass_characters(&mut bench, 4);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0xCC, "and starts it again");
}

#[test]
fn input_waits_while_nobody_reads_and_the_line_has_an_end() {
    let mut bench = bench();
    bench.write(FIFO_CONTROL, 0x01);
    let input: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    assert_eq!(bench.board.console_input(&input), 65_536);
    assert_eq!(bench.board.console_input(b"more"), 0);
    pass_characters(&mut bench, 1000);
    let mut received = Vec::new();
    while received.len() < 65_536 {
        if bench.read(LINE_STATUS) & 1 == 0 {
            pass_characters(&mut bench, 1);
        }
        assert_eq!(bench.read(LINE_STATUS) & 0b10, 0, "no overrun");
        received.push(bench.read(DATA));
    }
    assert_eq!(received, input[..65_536]);
}

#[test]
fn loopback_receives_what_it_sends_and_wires_the_modem_lines() {
    let mut bench = bench();
    assert_eq!(bench.read(MODEM_STATUS), 0xB0, "a terminal is there: DCD, DSR, CTS");
    // DTR, RTS, OUT1 and OUT2 become DSR, CTS, RI and DCD.
    for (control, status) in [(0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80)] {
        bench.write(MODEM_CONTROL, control);
        assert_eq!(bench.read(MODEM_STATUS) & 0xF0, status, "{control:#x}");
    }
    bench.write(DATA, 0x5A);
    assert_eq!(bench.read(LINE_STATUS) & 0b11, 1);
    assert_eq!(bench.read(DATA), 0x5A);
    bench.write(DATA, 1);
    bench.write(DATA, 2);
    assert_eq!(bench.read(LINE_STATUS) & 0b11, 0b11, "overrun");
    assert_eq!(bench.read(LINE_STATUS) & 0b10, 0, "which reading clears");
    assert_eq!(bench.read(DATA), 2, "without FIFOs the last one stays");
    assert_eq!(bench.board.take_console_output(), b"", "nothing leaves the chip");
}

#[test]
fn modem_status_deltas_interrupt_and_clear_when_read() {
    let mut bench = bench();
    bench.read(MODEM_STATUS);
    bench.write(MODEM_CONTROL, 0x1F);
    bench.read(MODEM_STATUS);
    bench.write(INTERRUPT_ENABLE, 0x08);
    bench.write(MODEM_CONTROL, 0x10);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x00);
    assert_eq!(bench.read(MODEM_STATUS), 0x0F, "all four changed; the ring signal ended");
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x01);
    bench.write(MODEM_CONTROL, 0x14);
    assert_eq!(bench.read(MODEM_STATUS), 0x40, "a ring that begins is no delta");
}

#[test]
fn line_status_has_the_highest_priority() {
    let mut bench = bench();
    bench.write(MODEM_CONTROL, 0x10);
    bench.write(INTERRUPT_ENABLE, 0x0F);
    bench.write(DATA, 1);
    bench.write(DATA, 2);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x06);
    bench.read(LINE_STATUS);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x04);
    bench.read(DATA);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x02);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x00);
    bench.read(MODEM_STATUS);
    assert_eq!(bench.read(INTERRUPT_IDENTIFICATION), 0x01);
}

#[test]
fn short_characters_lose_their_high_bits() {
    let mut bench = bench();
    for (control, expected) in [(0, 0x1F), (1, 0x3F), (2, 0x7F), (3, 0xFF)] {
        bench.write(LINE_CONTROL, control);
        bench.write(DATA, 0xFF);
        assert_eq!(bench.board.take_console_output(), [expected]);
    }
}
