//! Whether what was loaded is what the file holds.

use std::collections::HashMap;

use super::{Case, Reading};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Said,
    Wrong,
}

/// Rows that are not there must have been set aside, and none may be there that is not the file's.
pub(super) fn judge(case: &Case, reading: &Reading) -> Outcome {
    let mut left: HashMap<Vec<String>, i64> = HashMap::new();
    for row in &case.truth {
        *left.entry(plain_row(row)).or_default() += 1;
    }
    let mut foreign = 0;
    for row in &reading.rows {
        match left.get_mut(&plain_row(row)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => foreign += 1,
        }
    }
    let missing: i64 = left.values().sum();
    match (foreign, missing) {
        (0, 0) => Outcome::Right,
        _ if reading.said => Outcome::Said,
        (0, missing) if missing as usize <= reading.set_aside => Outcome::Said,
        _ => Outcome::Wrong,
    }
}

/// Columns of nothing at the end are no harm.
fn plain_row(row: &[String]) -> Vec<String> {
    let mut row: Vec<String> = row.iter().map(|text| plain(text)).collect();
    while row.last().is_some_and(String::is_empty) {
        row.pop();
    }
    row
}

/// Texts that say the same value are the same: numbers as written by anyone, days with a midnight.
fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let has_zeros = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let is_number = digits.starts_with(|character: char| character.is_ascii_digit());
    if let (true, false, Ok(number)) = (is_number, has_zeros, text.parse::<f64>()) {
        return number.to_string();
    }
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "true" | "false") {
        return lower;
    }
    let day = text.get(..10).filter(|day| day.split('-').count() == 3);
    match (day, text.get(10..)) {
        (Some(day), Some("T00:00:00" | " 00:00:00")) => day.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[&str]) -> Vec<Vec<String>> {
        texts.iter().map(|text| text.split('|').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn rows_are_right_said_or_wrong() {
        let truth = rows(&["1|a", "2|b"]);
        let case = Case { kind: "x", ragged: true, table: "x", file: "x".into(), truth };
        let read = |texts: &[&str], said, set_aside| {
            judge(&case, &Reading { rows: rows(texts), said, set_aside })
        };
        assert_eq!(read(&["2.0|b", "1|a|"], false, 0), Outcome::Right);
        assert_eq!(read(&["1|a"], false, 1), Outcome::Said);
        assert_eq!(read(&["1|a"], false, 0), Outcome::Wrong);
        assert_eq!(read(&["1|a", "2|c"], false, 1), Outcome::Wrong);
        assert_eq!(read(&[], true, 0), Outcome::Said);
        assert_ne!(plain("007"), plain("7"));
    }
}
