//! Names for the columns of a source, from whatever its header says.

use std::collections::HashSet;

use lakebed_core::ColumnName;

/// The longest name that can be stored, in bytes.
const LONGEST: usize = 255;

/// Names as they can be stored: each usable, no two alike; and what had to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Names {
    pub(crate) names: Vec<String>,
    /// Columns (counted from 1) that had no name.
    pub(crate) unnamed: Vec<usize>,
    /// Names as stored, of columns that shared theirs with an earlier one.
    pub(crate) repeated: Vec<String>,
    /// Names as stored, of columns whose own was too long or held control characters.
    pub(crate) cleaned: Vec<String>,
}

/// `column_1`, `column_2` …
pub(crate) fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("column_{number}")).collect()
}

/// What the columns of an answer are called in a table that is made of it: as [`ComputedRows`] that are
/// read have them. One for each, in the same order.
///
/// [`ComputedRows`]: crate::ComputedRows
#[must_use]
pub fn column_names(given: impl IntoIterator<Item = String>) -> Vec<String> {
    usable(given).names
}

/// Makes `given` usable: no name becomes `column_N`, control characters become spaces, long names
/// are cut, a repeated name gets `_2`, `_3` … behind it. The first to bear a name keeps it.
pub(crate) fn usable(given: impl IntoIterator<Item = String>) -> Names {
    let given: Vec<String> = given.into_iter().collect();
    let mut taken: HashSet<String> = given.iter().cloned().collect();
    let mut seen = HashSet::new();
    let mut result = Names::default();
    for (index, original) in given.into_iter().enumerate() {
        let mut name = original;
        if name.is_empty() {
            result.unnamed.push(index + 1);
            name = format!("column_{}", index + 1);
        } else if name.parse::<ColumnName>().is_err() {
            name = cleaned(&name);
            result.cleaned.push(name.clone());
        }
        if !seen.insert(name.clone()) {
            name =
                suffixed(&name, |candidate| taken.contains(candidate) || seen.contains(candidate));
            seen.insert(name.clone());
            taken.insert(name.clone());
            result.repeated.push(name.clone());
        }
        result.names.push(name);
    }
    result
}

fn cleaned(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    cut(&clean, LONGEST).to_owned()
}

fn suffixed(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let candidate = |number: u64| {
        let suffix = format!("_{number}");
        format!("{}{suffix}", cut(name, LONGEST - suffix.len()))
    };
    (2..).map(candidate).find(|name| !is_taken(name)).expect("numbers do not end")
}

/// At most `limit` bytes of `text`, whole characters.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(names: &[&str]) -> Names {
        usable(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn repeated_names_are_numbered() {
        assert_eq!(given(&["a", "a", "a_2", "a"]).names, ["a", "a_3", "a_2", "a_4"]);
        assert_eq!(given(&["", "column_1"]).names, ["column_1", "column_1_2"]);
        assert_eq!(given(&["a\nb", "c"]).names, ["a b", "c"]);
    }

    proptest! {
        #[test]
        fn any_header_becomes_usable(names in prop::collection::vec("(a|b|a_2|\\PC{0,3}|\n|x{250,300}|column_[1-3])", 1..12)) {
            let result = usable(names);
            let unique: HashSet<_> = result.names.iter().collect();
            prop_assert_eq!(unique.len(), result.names.len());
            for name in &result.names {
                prop_assert!(name.parse::<ColumnName>().is_ok());
            }
        }
    }
}
