//! The MC146818 and its CMOS RAM.

use paravane_core::board::Board;
use paravane_core::board::clock::CYCLES_PER_SECOND;

use crate::bench::Bench;

const REGISTER_A: u8 = 0x0A;
const REGISTER_B: u8 = 0x0B;
const REGISTER_C: u8 = 0x0C;
const REGISTER_D: u8 = 0x0D;

fn read(bench: &mut Bench, index: u8) -> u8 {
    bench.write(0x70, index);
    bench.read(0x71)
}

fn write(bench: &mut Bench, index: u8, value: u8) {
    bench.write(0x70, index);
    bench.write(0x71, value);
}

/// Century, year, month, day, hours, minutes, seconds.
fn time(bench: &mut Bench) -> [u8; 7] {
    [0x32, 9, 8, 7, 4, 2, 0].map(|index| read(bench, index))
}

fn set_time(bench: &mut Bench, time: [u8; 7]) {
    write(bench, REGISTER_B, 0x82);
    for (index, value) in [0x32, 9, 8, 7, 4, 2, 0].into_iter().zip(time) {
        write(bench, index, value);
    }
    write(bench, REGISTER_B, 0x02);
}

#[test]
fn guest_time_starts_on_monday_2024_01_01_at_midnight() {
    let mut bench = Bench::new();
    assert_eq!(time(&mut bench), [0x20, 0x24, 0x01, 0x01, 0x00, 0x00, 0x00]);
    assert_eq!(read(&mut bench, 6), 2, "1 is Sunday");
    assert_eq!(read(&mut bench, REGISTER_D), 0x80);
    bench.pass(3661 * CYCLES_PER_SECOND);
    assert_eq!(time(&mut bench), [0x20, 0x24, 0x01, 0x01, 0x01, 0x01, 0x01]);
}

#[test]
fn a_leap_of_years_arrives_at_the_right_date() {
    let mut bench = Bench::new();
    bench.pass(5_097_600 * CYCLES_PER_SECOND);
    assert_eq!(time(&mut bench), [0x20, 0x24, 0x02, 0x29, 0x00, 0x00, 0x00]);
    assert_eq!(read(&mut bench, 6), 5, "a Thursday");
}

#[test]
fn the_program_sets_the_time_and_it_rolls_over() {
    let mut bench = Bench::new();
    set_time(&mut bench, [0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59]);
    bench.pass(CYCLES_PER_SECOND);
    assert_eq!(time(&mut bench), [0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00]);
}

#[test]
fn set_freezes_the_time() {
    let mut bench = Bench::new();
    write(&mut bench, REGISTER_B, 0x92);
    assert_eq!(read(&mut bench, REGISTER_B), 0x82, "SET clears the update-ended enable");
    bench.pass(10 * CYCLES_PER_SECOND);
    assert_eq!(read(&mut bench, 0), 0);
    assert_eq!(read(&mut bench, REGISTER_A) & 0x80, 0);
}

#[test]
fn binary_and_12_hour_modes_change_how_the_next_second_shows() {
    let mut bench = Bench::new();
    set_time(&mut bench, [0x20, 0x24, 0x10, 0x17, 0x12, 0x59, 0x58]);
    // The registers keep what was written until the program writes them in the new mode.
    write(&mut bench, REGISTER_B, 0x84);
    for (index, value) in [(9, 24), (8, 10), (7, 17), (4, 0x80 | 12), (2, 59), (0, 58)] {
        write(&mut bench, index, value);
    }
    write(&mut bench, REGISTER_B, 0x04);
    bench.pass(2 * CYCLES_PER_SECOND);
    assert_eq!(time(&mut bench), [0x20, 24, 10, 17, 0x80 | 1, 0, 0], "1 p.m.");
}

#[test]
fn update_in_progress_warns_244_microseconds_before_an_update_of_1984() {
    let mut bench = Bench::new();
    bench.pass_microseconds(1_000_000 - 2_300);
    assert_eq!(read(&mut bench, REGISTER_A), 0x26);
    bench.pass_microseconds(100);
    assert_eq!(read(&mut bench, REGISTER_A), 0xA6);
    assert_eq!(read(&mut bench, 0), 0);
    bench.pass_microseconds(2_200);
    assert_eq!(read(&mut bench, REGISTER_A), 0x26);
    assert_eq!(read(&mut bench, 0), 1);
}

#[test]
fn the_periodic_interrupt_comes_1024_times_a_second() {
    let mut bench = Bench::with_interrupts();
    bench.write(0x21, 0xFB);
    write(&mut bench, REGISTER_B, 0x42);
    assert_eq!(bench.count_interrupts(CYCLES_PER_SECOND, 0x28), 1024);
    // Rate 15 is 2 Hz, rate 3 is 8192 Hz.
    write(&mut bench, REGISTER_A, 0x2F);
    assert_eq!(bench.count_interrupts(CYCLES_PER_SECOND, 0x28), 2);
    write(&mut bench, REGISTER_A, 0x23);
    assert_eq!(bench.count_interrupts(CYCLES_PER_SECOND, 0x28), 8192);
}

#[test]
fn reading_register_c_clears_it_and_lets_the_line_fall() {
    let mut bench = Bench::with_interrupts();
    bench.write(0x21, 0xFB);
    write(&mut bench, REGISTER_B, 0x12);
    bench.pass(CYCLES_PER_SECOND);
    assert_eq!(bench.take_interrupt(), Some(0x28));
    bench.write(0xA0, 0x20);
    bench.write(0x20, 0x20);
    bench.pass(CYCLES_PER_SECOND);
    assert_eq!(bench.take_interrupt(), None, "the line is still high: no edge");
    assert_eq!(read(&mut bench, REGISTER_C), 0xD0, "IRQF, PF (not enabled), UF");
    assert_eq!(read(&mut bench, REGISTER_C), 0x00);
    bench.pass(CYCLES_PER_SECOND);
    assert_eq!(bench.take_interrupt(), Some(0x28));
}

#[test]
fn an_alarm_matches_once_a_day_or_whenever_its_registers_do_not_care() {
    let mut bench = Bench::with_interrupts();
    bench.write(0x21, 0xFB);
    for (index, value) in [(1, 0x30), (3, 0x02), (5, 0x00)] {
        write(&mut bench, index, value);
    }
    write(&mut bench, REGISTER_B, 0x22);
    assert_eq!(bench.count_interrupts(149 * CYCLES_PER_SECOND, 0x28), 0);
    assert_eq!(bench.count_interrupts(CYCLES_PER_SECOND, 0x28), 1);
    assert_eq!(bench.count_interrupts(3600 * CYCLES_PER_SECOND, 0x28), 0);
    // Any minute, any hour.
    write(&mut bench, 3, 0xC0);
    write(&mut bench, 5, 0xFF);
    assert_eq!(bench.count_interrupts(3600 * CYCLES_PER_SECOND, 0x28), 60);
}

#[test]
fn a_leap_over_an_alarm_still_finds_it() {
    let mut bench = Bench::new();
    for (index, value) in [(1, 0x30), (3, 0x02), (5, 0x13)] {
        write(&mut bench, index, value);
    }
    bench.pass(u64::from(u32::MAX) * CYCLES_PER_SECOND);
    assert_eq!(read(&mut bench, REGISTER_C) & 0x20, 0x20);
}

#[test]
fn the_first_update_comes_half_a_second_after_the_divider_is_released() {
    let mut bench = Bench::new();
    write(&mut bench, REGISTER_A, 0x76);
    bench.pass(5 * CYCLES_PER_SECOND);
    assert_eq!(read(&mut bench, 0), 0);
    write(&mut bench, REGISTER_A, 0x26);
    bench.pass_microseconds(499_900);
    assert_eq!(read(&mut bench, 0), 0);
    bench.pass_microseconds(200);
    assert_eq!(read(&mut bench, 0), 1);
}

#[test]
fn cmos_tells_the_memory_size_and_its_checksum() {
    const MIB: u64 = 1 << 20;
    for (size, base, extended, above_16m, above_4g) in [
        (MIB / 2, 512, 0, 0, 0),
        (16 * MIB, 640, 15 * 1024, 0, 0),
        (128 * MIB, 640, 0xFFFF, 112 * 16, 0),
        (6144 * MIB, 640, 0xFFFF, 0xFF00, 2048 * 16),
    ] {
        let mut bench = Bench { board: Board::new(size), now: 0 };
        let mut word = |index| {
            u32::from(read(&mut bench, index)) | u32::from(read(&mut bench, index + 1)) << 8
        };
        assert_eq!(word(0x15), base);
        assert_eq!([word(0x17), word(0x30)], [extended; 2]);
        assert_eq!(word(0x34), above_16m);
        assert_eq!(word(0x5B), above_4g);
        let sum: u32 = (0x10..0x2E).map(|index| u32::from(read(&mut bench, index))).sum();
        let stored = u32::from(read(&mut bench, 0x2E)) << 8 | u32::from(read(&mut bench, 0x2F));
        assert_eq!(stored, sum);
    }
}

#[test]
fn values_that_no_calendar_knows_do_no_harm() {
    let mut bench = Bench::new();
    for index in (0..10).chain([0x32]) {
        write(&mut bench, index, 0xFF);
    }
    bench.pass(CYCLES_PER_SECOND);
    let [_, year, month, day, hour, minute, second] = time(&mut bench);
    assert!(year <= 0x99 && (1..=0x12).contains(&month) && (1..=0x31).contains(&day));
    assert!(hour <= 0x23 && minute <= 0x59 && second <= 0x59);
}
