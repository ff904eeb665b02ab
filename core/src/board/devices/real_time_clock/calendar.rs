//! Date and time as the MC146818 keeps them in its registers: BCD or binary, 12 or 24 hours.
//!
//! The chip counts whatever a program has written. Here, values that no calendar knows become the
//! nearest one that it does when the next second begins.

use std::fmt;

/// Register B: binary instead of BCD.
const BINARY: u8 = 1 << 2;
/// Register B: 24 hours instead of 12.
const HOURS_24: u8 = 1 << 1;
/// Hours register in 12-hour mode: afternoon.
const AFTERNOON: u8 = 1 << 7;
/// Where a PC keeps the century.
const CENTURY: usize = 0x32;
const REGISTER_B: usize = 0x0B;
const SECONDS_PER_DAY: u64 = 86_400;

/// A moment of the proleptic Gregorian calendar, without a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// As [`Date::to_days`] counts.
    day: u64,
    /// Second of the day.
    second: u64,
    /// 1 is Sunday. The chip counts it by itself, whatever the date.
    weekday: u64,
}

/// Year, month and day of the month.
struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// Days since the first of March of the year -400: years that begin in March have their leap
    /// day last, and 400 years earlier no date of the clock is negative.
    fn to_days(&self) -> u64 {
        let year = self.year + 400 - u64::from(self.month <= 2);
        let month = (self.month + 9) % 12;
        let leap_days = year / 4 - year / 100 + year / 400;
        year * 365 + leap_days + (153 * month + 2) / 5 + self.day - 1
    }

    fn of_days(days: u64) -> Self {
        let (cycle, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = match month {
            0..10 => (year, month + 3),
            _ => (year + 1, month - 9),
        };
        Self { year: (cycle * 400 + year).saturating_sub(400), month, day }
    }
}

impl DateTime {
    /// What the clock shows at cycle 0: Monday, 2024-01-01 00:00:00.
    pub const START: Self = Self { day: 885_288, second: 0, weekday: 2 };

    /// The time `seconds` later.
    pub fn after(self, seconds: u64) -> Self {
        let second = self.second + seconds;
        let days = second / SECONDS_PER_DAY;
        Self {
            day: self.day + days,
            second: second % SECONDS_PER_DAY,
            weekday: (self.weekday - 1 + days) % 7 + 1,
        }
    }

    /// Reads the time registers.
    pub fn load(bytes: &[u8; 128]) -> Self {
        let number = |at: usize| decode(bytes[at], bytes[REGISTER_B]);
        let hour = load_hour(bytes[4], bytes[REGISTER_B]);
        let month = number(8).clamp(1, 12);
        let year = decode(bytes[CENTURY], 0) * 100 + number(9).min(99);
        let day = Date { year, month, day: number(7).clamp(1, 31) }.to_days();
        let second = hour * 3_600 + number(2).min(59) * 60 + number(0).min(59);
        Self { day, second, weekday: number(6).clamp(1, 7) }
    }

    /// Writes the time registers.
    pub fn store(self, bytes: &mut [u8; 128]) {
        let mode = bytes[REGISTER_B];
        let Date { year, month, day } = Date::of_days(self.day);
        let (hour, minute) = (self.second / 3_600, self.second / 60 % 60);
        let fields = [
            (0, self.second % 60),
            (2, minute),
            (6, self.weekday),
            (7, day),
            (8, month),
            (9, year % 100),
        ];
        for (at, value) in fields {
            bytes[at] = encode(value, mode);
        }
        bytes[4] = store_hour(hour, mode);
        bytes[CENTURY] = encode(year / 100 % 100, 0);
    }

    /// Whether the alarm registers name the time `seconds` later. An alarm register whose two
    /// highest bits are set matches anything.
    pub fn matches_alarm(self, seconds: u64, bytes: &[u8; 128]) -> bool {
        let mode = bytes[REGISTER_B];
        let second = (self.second + seconds) % SECONDS_PER_DAY;
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        let shown = [encode(second % 60, mode), encode(minute, mode), store_hour(hour, mode)];
        let alarm = [bytes[1], bytes[3], bytes[5]];
        shown.iter().zip(alarm).all(|(&shown, alarm)| alarm >= 0xC0 || alarm == shown)
    }
}

fn decode(byte: u8, mode: u8) -> u64 {
    match mode & BINARY {
        0 => u64::from(byte >> 4) * 10 + u64::from(byte & 0xF),
        _ => u64::from(byte),
    }
}

fn encode(value: u64, mode: u8) -> u8 {
    match mode & BINARY {
        0 => (((value / 10) << 4) | (value % 10)) as u8,
        _ => value as u8,
    }
}

fn load_hour(byte: u8, mode: u8) -> u64 {
    if mode & HOURS_24 != 0 {
        return decode(byte, mode).min(23);
    }
    let afternoon = if byte & AFTERNOON != 0 { 12 } else { 0 };
    decode(byte & !AFTERNOON, mode).min(12) % 12 + afternoon
}

fn store_hour(hour: u64, mode: u8) -> u8 {
    if mode & HOURS_24 != 0 {
        return encode(hour, mode);
    }
    let afternoon = if hour >= 12 { AFTERNOON } else { 0 };
    encode((hour + 11) % 12 + 1, mode) | afternoon
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = Date::of_days(self.day);
        let (hour, minute, second) = (self.second / 3_600, self.second / 60 % 60, self.second % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_on_the_first_of_january_2024() {
        assert_eq!(DateTime::START.to_string(), "2024-01-01 00:00:00");
        assert_eq!(Date { year: 2024, month: 1, day: 1 }.to_days(), DateTime::START.day);
    }

    #[test]
    fn seconds_carry_into_days_months_and_leap_years() {
        // Referee: `date -u -d @…`, counted from 2024-01-01 00:00:00 (1704067200).
        for (seconds, expected) in [
            (59, "2024-01-01 00:00:59"),
            (86_400, "2024-01-02 00:00:00"),
            (5_097_599, "2024-02-28 23:59:59"),
            (5_097_600, "2024-02-29 00:00:00"),
            (5_184_000, "2024-03-01 00:00:00"),
            (31_622_400, "2025-01-01 00:00:00"),
            (2_403_475_200, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(DateTime::START.after(seconds).to_string(), expected);
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives_the_registers() {
        let mut bytes = [0; 128];
        for days in 0..146_097 {
            let time = DateTime::START.after(days * SECONDS_PER_DAY + days % SECONDS_PER_DAY);
            // Binary or BCD, 12 or 24 hours.
            bytes[REGISTER_B] = ((days & 3) << 1) as u8;
            time.store(&mut bytes);
            assert_eq!(DateTime::load(&bytes), time);
        }
    }

    #[test]
    fn twelve_hour_mode_calls_midnight_and_noon_twelve() {
        for (hour, shown) in [(0, 0x12), (1, 0x01), (11, 0x11), (12, 0x92), (13, 0x81), (23, 0x91)]
        {
            assert_eq!(store_hour(hour, 0), shown);
            assert_eq!(load_hour(shown, 0), hour);
        }
    }
}
