//! Numbers as people write and read them.

use std::fmt;
use std::time::Duration;

/// Reads a size in bytes: `64M`, `512K`, `2G`, also with `B` or `iB` behind. The unit is needed.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" if unit.is_empty() => return Err("say the unit: 64M, or 65536K".into()),
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return Err(format!("unknown unit {unit:?}: K, M and G are known")),
    };
    let number: u64 = digits.parse().map_err(|_| "write a number and a unit: 64M".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is too much".into())
}

/// Reads a count: `1000000`, `1_000_000`, or `1M` (K, M and G are powers of 1000).
pub fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        unit => return Err(format!("unknown unit {unit:?}: K, M and G are known")),
    };
    let number: u64 = digits
        .replace('_', "")
        .parse()
        .map_err(|_| "write a whole number, such as 1000000 or 1M".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "that is too much".into())
}

/// A count with a comma after each three digits.
pub struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A size in bytes in the largest unit that divides it.
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let unit =
            units.into_iter().find(|(shift, _)| self.0 > 0 && self.0.is_multiple_of(1 << shift));
        match unit {
            Some((shift, unit)) => f.pad(&format!("{} {unit}", self.0 >> shift)),
            None => f.pad(&format!("{} bytes", self.0)),
        }
    }
}

/// A duration with about three digits.
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let (value, unit) = match seconds {
            s if s < 1e-6 => (s * 1e9, "ns"),
            s if s < 1e-3 => (s * 1e6, "µs"),
            s if s < 1.0 => (s * 1e3, "ms"),
            s => (s, "s"),
        };
        let decimals = match value {
            v if v < 10.0 => 2,
            v if v < 100.0 => 1,
            _ => 0,
        };
        write!(f, "{value:.decimals$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("512KiB"), Ok(512 << 10));
        assert_eq!(parse_size("2gb"), Ok(2 << 30));
        assert_eq!(parse_size("4096b"), Ok(4096));
        for wrong in ["64", "", "M", "-1M", "64T", "1.5G", "99999999999999999G", "6é4"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_have_decimal_units() {
        assert_eq!(parse_count("1_000"), Ok(1000));
        assert_eq!(parse_count("25M"), Ok(25_000_000));
        for wrong in ["", "M", "1x", "-1", "99999999999999999999", "99999999999G", "é"] {
            assert!(parse_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_shown_for_people() {
        let groups = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in groups {
            assert_eq!(Grouped(number).to_string(), text);
        }
        assert_eq!(Size(64 << 20).to_string(), "64 MiB");
        assert_eq!(Size(4097).to_string(), "4097 bytes");
        assert_eq!(Span(Duration::from_micros(1_234)).to_string(), "1.23 ms");
        assert_eq!(Span(Duration::from_secs(123)).to_string(), "123 s");
    }
}
