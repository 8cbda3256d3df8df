//! Numbers, sizes and times as people read them.

use std::time::Duration;

use lakebed_core::Timestamp;

/// `336776` as `336,776`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Bytes in powers of a thousand, three digits: `999 B`, `2.29 MB`.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if size < 1000 {
        return format!("{size} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = size as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `0.12 s`, `2 min 05 s`.
pub(crate) fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// A point in time to the second, UTC: `2026-11-01 08:00:00`.
pub(crate) fn time(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let counts: Vec<String> = [0, 999, 1000, 336_776].map(count).into();
        assert_eq!(counts, ["0", "999", "1,000", "336,776"]);
        let sizes: Vec<String> =
            [0, 999, 1000, 9_996, 99_960, 999_499, 999_500, u64::MAX].map(bytes).into();
        assert_eq!(
            sizes,
            ["0 B", "999 B", "1.00 kB", "10.0 kB", "100 kB", "999 kB", "1.00 MB", "18.4 EB"]
        );
        assert_eq!(elapsed(Duration::from_millis(125_000)), "2 min 05 s");
    }
}
