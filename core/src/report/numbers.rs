//! Numbers as people read them. All of it is arithmetic on whole numbers, so that every platform
//! shows the same digits.

/// A count with a comma after each three digits: `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `part` of `whole` in percent, with one decimal: `12.3 %`. Nothing of nothing is `0.0 %`.
pub fn percent(part: u64, whole: u64) -> String {
    format!("{} %", tenths(u128::from(part) * 1000, whole))
}

/// How many times `divisor` goes into `dividend`: `3.1x` below ten, `43x` above. `None` if the
/// divisor is 0.
pub fn ratio(dividend: u64, divisor: u64) -> Option<String> {
    if divisor == 0 {
        return None;
    }
    let text = if u128::from(dividend) * 10 >= u128::from(divisor) * 99 {
        grouped(rounded(u128::from(dividend), divisor))
    } else {
        tenths(u128::from(dividend) * 10, divisor)
    };
    Some(text + "x")
}

/// A time of the guest with three digits or more: `1.23 ms`.
pub fn guest_time(cycles: u64, hertz: u64) -> String {
    let nanoseconds = rounded(u128::from(cycles) * 1_000_000_000, hertz.max(1));
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    match units.into_iter().find(|(unit, _)| nanoseconds >= *unit) {
        Some((unit, name)) => {
            let hundredths = rounded(u128::from(nanoseconds) * 100, unit);
            format!("{}.{:02} {name}", grouped(hundredths / 100), hundredths % 100)
        }
        None => format!("{nanoseconds} ns"),
    }
}

/// A count in three or four digits: `12.3 M`.
pub fn compact(count: u64) -> String {
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")];
    match units.into_iter().find(|(least, _)| count >= *least) {
        Some((least, unit)) => {
            let unit_size = if unit == "k" { 1000 } else { least };
            format!("{} {unit}", tenths(u128::from(count) * 10, unit_size))
        }
        None => grouped(count),
    }
}

/// `tenths / divisor`, rounded, as a number with one decimal.
fn tenths(tenths: u128, divisor: u64) -> String {
    let value = rounded(tenths, divisor);
    format!("{}.{}", value / 10, value % 10)
}

fn rounded(dividend: u128, divisor: u64) -> u64 {
    let divisor = u128::from(divisor.max(1));
    u64::try_from((dividend + divisor / 2) / divisor).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_shortened() {
        let cases = [
            (0, "0", "0"),
            (999, "999", "999"),
            (9_999, "9,999", "9,999"),
            (12_345, "12,345", "12.3 k"),
            (1_234_567, "1,234,567", "1.2 M"),
            (45_678_901_234, "45,678,901,234", "45.7 G"),
        ];
        for (count, long, short) in cases {
            assert_eq!((grouped(count).as_str(), compact(count).as_str()), (long, short));
        }
    }

    #[test]
    fn percentages_are_rounded_and_nothing_of_nothing_is_zero() {
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(2, 3), "66.7 %");
        assert_eq!(percent(0, 0), "0.0 %");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0 %");
    }

    #[test]
    fn ratios_have_a_decimal_below_ten() {
        assert_eq!(ratio(31, 10).as_deref(), Some("3.1x"));
        assert_eq!(ratio(1, 1).as_deref(), Some("1.0x"));
        assert_eq!(ratio(99, 10).as_deref(), Some("10x"));
        assert_eq!(ratio(1_234_567, 10).as_deref(), Some("123,457x"));
        assert_eq!(ratio(0, 5).as_deref(), Some("0.0x"));
        assert_eq!(ratio(5, 0), None);
    }

    #[test]
    fn guest_time_has_the_unit_that_fits() {
        assert_eq!(guest_time(999, 1_000_000_000), "999 ns");
        assert_eq!(guest_time(1_234, 1_000_000_000), "1.23 us");
        assert_eq!(guest_time(3_800_000_000, 3_800_000_000), "1.00 s");
        assert_eq!(guest_time(5, 0), "5.00 s");
    }
}
