//! Where a page of rows ends, as a word that the next request brings back.
//!
//! A cursor grants nothing: who may see what is asked anew each time. So it is not sealed; what is no
//! cursor of this very question is refused in one way, whatever is wrong with it.

use lakebed_core::{DatasetName, Field, ObjectId};

use super::question::Direction;
use crate::Error;

/// How much of a question's digest is in a cursor: enough that no two are taken for each other.
const DIGITS: usize = 32;
/// Further behind no page begins: what is counted stays far from where numbers end.
const MOST_ROWS: u64 = 1 << 40;

/// The place of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The version whose rows are read.
    pub(crate) version: u64,
    /// How many of its rows were told.
    pub(crate) offset: u64,
    /// Of the question.
    question: String,
}

impl Cursor {
    pub(crate) fn new(version: u64, offset: u64, question: String) -> Self {
        Self { version, offset, question }
    }

    /// # Errors
    /// [`invalid_cursor`].
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = text.split('-');
        let (version, offset) = (number(parts.next()), number(parts.next()));
        let question = parts.next().filter(|text| text.len() == DIGITS && text.is_ascii());
        match (version, offset, question, parts.next()) {
            (Some(version), Some(offset), Some(question), None)
                if version > 0 && offset <= MOST_ROWS =>
            {
                Ok(Self { version, offset, question: question.to_owned() })
            }
            _ => Err(invalid_cursor()),
        }
    }

    /// Where it goes on, if it is a cursor of this question.
    pub(crate) fn offset_in(&self, question: &str) -> Result<u64, Error> {
        match self.question == question {
            true => Ok(self.offset),
            false => Err(invalid_cursor()),
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{:x}-{}", self.version, self.offset, self.question)
    }
}

/// One spelling each: no sign, no leading zeros, below 2^63.
fn number(text: Option<&str>) -> Option<u64> {
    let text = text?;
    let number = u64::from_str_radix(text, 16).ok()?;
    (format!("{number:x}") == text && i64::try_from(number).is_ok()).then_some(number)
}

/// The digest of a question: what is asked of what columns, and the order of the rows, of which a
/// declaration that changes between two pages may be a part.
pub(crate) fn question(
    product: &DatasetName,
    asked: &[(&str, &str)],
    columns: &[Field],
    order: &[(&Field, Direction)],
) -> String {
    let mut asked = asked.to_vec();
    asked.sort_unstable();
    let columns: Vec<_> =
        columns.iter().map(|field| (&field.name, field.data_type.to_string())).collect();
    let order: Vec<_> = order
        .iter()
        .map(|(field, direction)| (&field.name, *direction == Direction::Down))
        .collect();
    let text = serde_json::to_vec(&(product, asked, columns, order));
    let text = text.expect("plain values always serialise");
    ObjectId::of(&text).to_string()[..DIGITS].to_owned()
}

/// Says no more than that.
pub(crate) fn invalid_cursor() -> Error {
    Error::Invalid {
        code: "invalid-cursor",
        message: "`cursor` is none of an answer to this very question".to_owned(),
        hint: Some("follow `next` as it was given, or begin anew without `cursor`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_one_spelling() {
        let cursor = Cursor::new(12, 300, "0".repeat(DIGITS));
        let text = cursor.to_string();
        assert_eq!(Cursor::parse(&text).expect("its own text"), cursor);
        let forged = [
            String::new(),
            text.replacen('c', "0c", 1),
            text.replacen('c', "+c", 1),
            text.replacen('c', "0", 1),
            format!("{text}0"),
            format!("{text}-"),
            text.replace("12c", "10000000001"),
            text.replace("12c", "8000000000000000"),
            text.replace("12c", "ffffffffffffffffff"),
            text.replace('-', "."),
        ];
        for forged in forged {
            assert!(Cursor::parse(&forged).is_err(), "{forged}");
        }
    }
}
