//! `A1:F100`: a part of a sheet.

use std::fmt;

/// The last row and column that a sheet can have, counted from 1.
pub(super) const LAST_ROW: u32 = 1_048_576;
pub(super) const LAST_COLUMN: u32 = 16_384;

/// Rows and columns, counted from 1; both ends are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(super) rows: (u32, u32),
    pub(super) columns: (u32, u32),
}

impl Range {
    /// All of a sheet.
    pub(super) const ALL: Self = Self { rows: (1, LAST_ROW), columns: (1, LAST_COLUMN) };

    pub(super) const fn width(&self) -> u32 {
        self.columns.1 - self.columns.0 + 1
    }

    pub(super) fn holds(&self, row: u32, column: u32) -> bool {
        (self.rows.0..=self.rows.1).contains(&row)
            && (self.columns.0..=self.columns.1).contains(&column)
    }

    /// `A1:F100`, `A:F` for all their rows, `A5` or `A5:F` for what is below; dollars are ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = text.replace('$', "");
        let (first, last) = plain.split_once(':').unwrap_or((&plain, ""));
        let (first_column, first_row) = place(first)?;
        let (last_column, last_row) = if last.is_empty() { (None, None) } else { place(last)? };
        let range = Self {
            rows: (first_row.unwrap_or(1), last_row.unwrap_or(LAST_ROW)),
            columns: (first_column?, last_column.unwrap_or(LAST_COLUMN)),
        };
        let is_right = range.rows.0 <= range.rows.1 && range.columns.0 <= range.columns.1;
        is_right.then_some(range)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, columns } = self;
        write!(f, "{}{}:{}{}", letters(columns.0), rows.0, letters(columns.1), rows.1)
    }
}

/// The column and the row of `AB12`, of which either may be missing.
fn place(text: &str) -> Option<(Option<u32>, Option<u32>)> {
    let digits = text.find(|character: char| character.is_ascii_digit()).unwrap_or(text.len());
    let (letters, digits) = text.split_at(digits);
    let row = match digits {
        "" => None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    let column = if letters.is_empty() { None } else { Some(column_of(letters.as_bytes())?) };
    row.is_none_or(|row| (1..=LAST_ROW).contains(&row)).then_some((column, row))
}

/// The number of the column `AB`.
fn column_of(letters: &[u8]) -> Option<u32> {
    if letters.is_empty() || letters.len() > 3 || !letters.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let digit = |letter: &u8| u32::from(letter.to_ascii_uppercase() - b'A') + 1;
    let column = letters.iter().fold(0, |sum, letter| sum * 26 + digit(letter));
    (column <= LAST_COLUMN).then_some(column)
}

/// The column and the row of a cell's reference.
pub(super) fn cell_of(reference: &[u8]) -> Option<(u32, u32)> {
    let split = reference.iter().position(u8::is_ascii_digit)?;
    let (letters, digits) = reference.split_at(split);
    let row = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (1..=LAST_ROW).contains(&row).then_some((column_of(letters)?, row))
}

fn letters(mut column: u32) -> String {
    let mut letters = Vec::new();
    while column > 0 {
        letters.insert(0, b'A' + ((column - 1) % 26) as u8);
        column = (column - 1) / 26;
    }
    letters.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_people_write_them() {
        let told = |text| Range::parse(text).map(|range| range.to_string());
        assert_eq!(told("a1:F100").as_deref(), Some("A1:F100"));
        assert_eq!(told("$B$2:$XFD$1048576").as_deref(), Some("B2:XFD1048576"));
        assert_eq!(told("A:F").as_deref(), Some("A1:F1048576"));
        assert_eq!(told("B5").as_deref(), Some("B5:XFD1048576"));
        assert_eq!(told("B5:D").as_deref(), Some("B5:D1048576"));
        for bad in
            ["", "5:9", "A0:B1", "F1:A1", "A9:B1", "XFE1", "A1:B1:C1", "A-1", "Ä1", "A1048577"]
        {
            assert_eq!(told(bad), None, "{bad}");
        }
        assert_eq!(cell_of(b"AB12"), Some((28, 12)));
        assert_eq!(cell_of(b"12"), None);
    }
}
