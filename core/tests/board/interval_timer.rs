//! The 8254. Counter 2 is read and gated through port 0x61, counter 0 interrupts.

use paravane_core::board::clock::CYCLES_PER_SECOND;

use crate::bench::Bench;

const CONTROL: u16 = 0x43;
const SYSTEM_CONTROL: u16 = 0x61;

/// Programs a counter with both bytes at a tick boundary.
fn program(bench: &mut Bench, counter: u16, mode: u8, count: u16) {
    bench.write(CONTROL, (counter as u8) << 6 | 0x30 | mode << 1);
    for byte in count.to_le_bytes() {
        bench.write(0x40 + counter, byte);
    }
}

/// The count of a counter, latched.
fn latched(bench: &mut Bench, counter: u16) -> u16 {
    bench.write(CONTROL, (counter as u8) << 6);
    u16::from_le_bytes([bench.read(0x40 + counter), bench.read(0x40 + counter)])
}

fn status(bench: &mut Bench, counter: u16) -> u8 {
    bench.write(CONTROL, 0xE0 | 2 << counter);
    bench.read(0x40 + counter)
}

fn output_2(bench: &mut Bench) -> bool {
    bench.read(SYSTEM_CONTROL) & 1 << 5 != 0
}

/// The output of counter 2 at each tick after it was programmed at tick 100, gate high.
fn outputs(mode: u8, count: u16, ticks: u64) -> String {
    let mut bench = Bench::new();
    bench.write(SYSTEM_CONTROL, 1);
    bench.pass_to_tick(100);
    program(&mut bench, 2, mode, count);
    let mut outputs = String::new();
    for tick in 101..=100 + ticks {
        bench.pass_to_tick(tick);
        outputs.push(if output_2(&mut bench) { '-' } else { '_' });
    }
    outputs
}

#[test]
fn outputs_follow_the_waveforms_of_the_datasheet() {
    // One character per tick after the write; the first tick loads the counting element.
    assert_eq!(outputs(0, 4, 8), "____----");
    assert_eq!(outputs(2, 3, 9), "--_--_--_");
    assert_eq!(outputs(3, 4, 9), "--__--__-");
    assert_eq!(outputs(3, 5, 11), "---__---__-");
    assert_eq!(outputs(4, 3, 8), "---_----");
    // Without an edge of the gate, modes 1 and 5 never start.
    assert_eq!(outputs(1, 3, 6), "------");
    assert_eq!(outputs(5, 3, 6), "------");
}

#[test]
fn modes_1_and_5_start_with_the_rising_gate() {
    for (mode, expected) in [(1, "___---"), (5, "---_--")] {
        let mut bench = Bench::new();
        bench.pass_to_tick(100);
        program(&mut bench, 2, mode, 3);
        bench.pass_to_tick(200);
        assert!(output_2(&mut bench));
        bench.write(SYSTEM_CONTROL, 1);
        let mut outputs = String::new();
        for tick in 201..=206 {
            bench.pass_to_tick(tick);
            outputs.push(if output_2(&mut bench) { '-' } else { '_' });
        }
        assert_eq!(outputs, expected);
    }
}

#[test]
fn a_low_gate_stops_the_count_and_holds_it() {
    let mut bench = Bench::new();
    bench.write(SYSTEM_CONTROL, 1);
    bench.pass_to_tick(100);
    program(&mut bench, 2, 0, 1000);
    bench.pass_to_tick(301);
    assert_eq!(latched(&mut bench, 2), 800);
    bench.write(SYSTEM_CONTROL, 0);
    bench.pass_to_tick(5000);
    assert_eq!(latched(&mut bench, 2), 800);
    bench.write(SYSTEM_CONTROL, 1);
    bench.pass_to_tick(5799);
    assert!(!output_2(&mut bench));
    bench.pass_to_tick(5800);
    assert!(output_2(&mut bench));
}

#[test]
fn a_rising_gate_starts_periodic_modes_again() {
    let mut bench = Bench::new();
    bench.write(SYSTEM_CONTROL, 1);
    bench.pass_to_tick(100);
    program(&mut bench, 2, 2, 100);
    bench.pass_to_tick(151);
    assert_eq!(latched(&mut bench, 2), 50);
    bench.write(SYSTEM_CONTROL, 0);
    bench.pass_to_tick(400);
    assert!(output_2(&mut bench));
    bench.write(SYSTEM_CONTROL, 1);
    bench.pass_to_tick(401);
    assert_eq!(latched(&mut bench, 2), 100);
}

#[test]
fn mode_3_counts_by_two_from_an_even_number() {
    for (count, expected) in [(8, [8, 6, 4, 2, 8, 6, 4, 2, 8]), (5, [4, 2, 0, 4, 2, 4, 2, 0, 4])] {
        let mut bench = Bench::new();
        bench.pass_to_tick(10);
        program(&mut bench, 0, 3, count);
        for (tick, value) in (11..).zip(expected) {
            bench.pass_to_tick(tick);
            assert_eq!(latched(&mut bench, 0), value, "count {count} tick {tick}");
        }
    }
}

#[test]
fn a_latched_count_stays_until_it_is_read() {
    let mut bench = Bench::new();
    bench.pass_to_tick(100);
    program(&mut bench, 0, 2, 0x1234);
    bench.pass_to_tick(101);
    bench.write(CONTROL, 0x00);
    bench.pass_to_tick(200);
    bench.write(CONTROL, 0x00);
    assert_eq!([bench.read(0x40), bench.read(0x40)], [0x34, 0x12]);
    // Then the port shows the count as it is: 0x1234 - 99 = 0x11D1.
    assert_eq!([bench.read(0x40), bench.read(0x40)], [0xD1, 0x11]);
}

#[test]
fn read_back_tells_output_null_count_access_mode_and_number_system() {
    let mut bench = Bench::new();
    bench.pass_to_tick(100);
    bench.write(CONTROL, 0x34);
    assert_eq!(status(&mut bench, 0), 0b1111_0100, "no count yet");
    bench.write(0x40, 10);
    bench.write(0x40, 0);
    assert_eq!(status(&mut bench, 0) & 1 << 6, 1 << 6, "not yet loaded");
    bench.pass_to_tick(101);
    assert_eq!(status(&mut bench, 0), 0b1011_0100);
    bench.write(0x40, 20);
    bench.write(0x40, 0);
    assert_eq!(status(&mut bench, 0) & 1 << 6, 1 << 6, "the new count waits for the period's end");
    bench.pass_to_tick(111);
    assert_eq!(status(&mut bench, 0) & 1 << 6, 0);
    assert_eq!(latched(&mut bench, 0), 20);
    // Status and count latched by one command: the status is read first.
    bench.write(CONTROL, 0xC2);
    assert_eq!([bench.read(0x40), bench.read(0x40), bench.read(0x40)], [0b1011_0100, 20, 0]);
}

#[test]
fn one_byte_access_sets_and_reads_one_half() {
    let mut bench = Bench::new();
    bench.pass_to_tick(100);
    bench.write(CONTROL, 0x14);
    bench.write(0x40, 200);
    bench.pass_to_tick(110);
    assert_eq!(bench.read(0x40), 191);
    assert_eq!(bench.read(0x40), 191);
    bench.write(CONTROL, 0x24);
    bench.write(0x40, 0x20);
    bench.pass_to_tick(112);
    assert_eq!(bench.read(0x40), 0x1F, "0x1fff");
}

#[test]
fn bcd_counts_in_decimal() {
    let mut bench = Bench::new();
    bench.pass_to_tick(100);
    bench.write(CONTROL, 0x31);
    bench.write(0x40, 0x00);
    bench.write(0x40, 0x10);
    bench.pass_to_tick(102);
    assert_eq!(latched(&mut bench, 0), 0x0999);
    bench.pass_to_tick(1101 + 1);
    assert_eq!(latched(&mut bench, 0), 0x9999, "wraps to 9999");
    program(&mut bench, 0, 2, 0);
    bench.pass_to_tick(1103 + 65_535);
    assert_eq!(latched(&mut bench, 0), 1, "0 means 65536");
}

#[test]
fn a_thousand_hertz_stay_exact_for_an_hour() {
    let mut bench = Bench::with_interrupts();
    program(&mut bench, 0, 2, 1193);
    // 105/88 MHz / 1193 = 1000.152... Hz: 3600 s hold 3_600_548 whole periods.
    let expected = 3600 * 105_000_000 / 88 / 1193;
    assert_eq!(bench.count_interrupts(3600 * CYCLES_PER_SECOND, 0x20), expected);
}

#[test]
fn a_square_wave_interrupts_once_per_period() {
    let mut bench = Bench::with_interrupts();
    program(&mut bench, 0, 3, 11932);
    // The control word leaves the output high, so the first edge comes after a whole period.
    assert_eq!(bench.count_interrupts(CYCLES_PER_SECOND, 0x20), 99);
}

#[test]
fn mode_0_interrupts_once() {
    let mut bench = Bench::with_interrupts();
    program(&mut bench, 0, 0, 100);
    assert_eq!(bench.count_interrupts(CYCLES_PER_SECOND, 0x20), 1);
}

#[test]
fn many_periods_in_one_leap_are_one_edge() {
    let mut bench = Bench::with_interrupts();
    program(&mut bench, 0, 2, 100);
    bench.pass(CYCLES_PER_SECOND);
    assert_eq!(bench.take_interrupt(), Some(0x20));
    bench.write(0x20, 0x20);
    assert_eq!(bench.take_interrupt(), None);
    bench.pass(CYCLES_PER_SECOND);
    assert_eq!(bench.take_interrupt(), Some(0x20), "and the next leap is the next");
}

#[test]
fn the_refresh_bit_toggles_every_18_ticks() {
    let mut bench = Bench::new();
    for (tick, expected) in [(0, 0), (17, 0), (18, 0x10), (35, 0x10), (36, 0)] {
        bench.pass_to_tick(tick);
        assert_eq!(bench.read(SYSTEM_CONTROL) & 0x10, expected, "tick {tick}");
    }
}
