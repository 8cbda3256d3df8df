//! Telling a header from a first row.
//!
//! A first record is a header unless it looks like the others: a number over numbers, a date over
//! dates. Where every column is text nothing can be told, and most such files have a header.

use lakebed_core::{DataType, Header};

use super::HeadRecord;
use crate::cell::{Evidence, Verdict, number, oddity};

/// What a column says about the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// A word over values of another type.
    Name,
    /// A value over values of its type.
    Value,
    /// A text that is found again below.
    Repeated,
    /// Text over text, or nothing.
    Open,
}

/// Whether the first of `records` (there is one) names the columns.
pub(crate) fn detect(records: &[HeadRecord<'_>]) -> Header {
    let records: Vec<&HeadRecord<'_>> = records.iter().collect();
    if names_values(&records) {
        return Header::Present;
    }
    of_signs(&records, &signs(&records))
}

/// Whether the first of `records` names columns of values: words over numbers, over dates.
/// Rows that are the first once more say nothing.
pub(super) fn names_values(records: &[&HeadRecord<'_>]) -> bool {
    let (first, rest) = (records[0], &records[1..]);
    let others = rest.iter().copied().filter(|record| !first.is_like(record));
    let records: Vec<&HeadRecord<'_>> = [first].into_iter().chain(others).collect();
    let signs = signs(&records);
    signs.contains(&Sign::Name) && of_signs(&records, &signs) == Header::Present
}

fn signs(records: &[&HeadRecord<'_>]) -> Vec<Sign> {
    let (first, rest) = (records[0], &records[1..]);
    (0..first.fields.len()).map(|column| sign(first, rest, column)).collect()
}

fn of_signs(records: &[&HeadRecord<'_>], signs: &[Sign]) -> Header {
    let (first, rest) = (records[0], &records[1..]);
    let count = |sign: Sign| signs.iter().filter(|other| **other == sign).count();
    let (names, values, repeated) = (count(Sign::Name), count(Sign::Value), count(Sign::Repeated));
    let is_data = match (names, values) {
        (0, 0) => repeated > 0 && repeated * 2 >= signs.len(),
        (0, _) => !are_years(first, rest, signs),
        _ => values > names && !are_years(first, rest, signs),
    };
    if is_data { Header::Absent } else { Header::Present }
}

fn sign(first: &HeadRecord<'_>, rest: &[&HeadRecord<'_>], column: usize) -> Sign {
    let cell = first.fields[column].bytes;
    if cell.is_empty() {
        return Sign::Open;
    }
    let below =
        || rest.iter().filter_map(|record| record.fields.get(column)).map(|field| field.bytes);
    let ours = verdict([cell].into_iter());
    match (&ours, verdict(below())) {
        (Verdict::Typed(_), Verdict::Unknown) => Sign::Value,
        (Verdict::Typed(ours), Verdict::Typed(theirs)) if is_alike(ours, &theirs) => Sign::Value,
        (Verdict::Text, Verdict::Typed(_)) if oddity::oddity(cell).is_none() => Sign::Name,
        (_, Verdict::Text) if below().any(|other| other == cell) => Sign::Repeated,
        _ => Sign::Open,
    }
}

/// The verdict on cells without those that many tools write for "no value".
fn verdict<'t>(cells: impl Iterator<Item = &'t [u8]>) -> Verdict {
    let mut evidence = Evidence::default();
    cells.filter(|cell| !cell.is_empty()).for_each(|cell| evidence.add(cell));
    match evidence.plain_verdict() {
        Verdict::Unknown => evidence.verdict(),
        plain => plain,
    }
}

fn is_alike(ours: &DataType, theirs: &DataType) -> bool {
    let is_number = |data_type: &DataType| {
        matches!(data_type, DataType::Long | DataType::Double | DataType::Decimal { .. })
    };
    ours == theirs || (is_number(ours) && is_number(theirs))
}

/// Whether the numbers of the first record are years that head columns of other numbers, as in
/// `country,1990,1991`.
fn are_years(first: &HeadRecord<'_>, rest: &[&HeadRecord<'_>], signs: &[Sign]) -> bool {
    let year = |bytes: &[u8]| number::long(bytes).filter(|year| (1500..=2200).contains(year));
    let columns: Vec<usize> =
        (0..signs.len()).filter(|column| signs[*column] == Sign::Value).collect();
    let years: Option<Vec<i64>> =
        columns.iter().map(|column| year(first.fields[*column].bytes)).collect();
    let Some(years) = years else { return false };
    let rising = years.windows(2).all(|pair| pair[1] > pair[0]);
    let also_below = rest.first().is_some_and(|record| {
        columns
            .iter()
            .all(|column| record.fields.get(*column).is_some_and(|f| year(f.bytes).is_some()))
    });
    rising && columns.len() < signs.len() && !also_below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sniff::{Quotes, records_in},
        text::Dialect,
    };

    fn header(text: &str) -> Header {
        detect(&records_in(
            text.as_bytes(),
            true,
            Dialect { delimiter: b',', quote: b'"' },
            Quotes::Judged,
        ))
    }

    #[test]
    fn words_over_values_are_a_header() {
        assert_eq!(header("id,name\n1,x\n2,y\n"), Header::Present);
        assert_eq!(header("origin,temp\nEWR,NA\nEWR,39.02\n"), Header::Present);
        assert_eq!(header("country,1990,1991\nx,12,13\ny,14,15\n"), Header::Present);
        assert_eq!(header("carrier,name\nAA,American\nUA,United\n"), Header::Present);
        assert_eq!(header("a,b\n"), Header::Present);
        assert_eq!(header(",x\n0,5\n1,6\n"), Header::Present);
    }

    #[test]
    fn values_over_values_are_a_row() {
        assert_eq!(header("1,x\n2,y\n"), Header::Absent);
        assert_eq!(header("2024-01-01,5\n2024-01-02,6\n"), Header::Absent);
        assert_eq!(header("1,2,3\n"), Header::Absent);
        assert_eq!(header("x,2001,5\ny,2002,6\n"), Header::Absent);
        assert_eq!(header("1,NA,3\n2,5,6\n3,7,8\n"), Header::Absent);
        assert_eq!(header("N,Y\nN,N\nY,Y\n"), Header::Absent);
    }
}
