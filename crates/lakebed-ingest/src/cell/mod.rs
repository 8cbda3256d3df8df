//! What one cell of text says: parsers by hand over bytes, and the evidence cells give of a type.
//!
//! Two manners of reading. *Exact* takes only texts that the value loses nothing of: no leading
//! zeros, no plus sign, no spaces, no digits beyond the type. *Lenient*, for types the user
//! declared, takes what plainly means the value.

pub(crate) mod civil;
pub(crate) mod evidence;
pub(crate) mod number;
pub(crate) mod oddity;
pub(crate) mod spelling;

pub(crate) use evidence::{Evidence, Verdict};

/// `text` without surrounding spaces and tabs.
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let stop = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |place| place + 1);
    &text[start..stop]
}

/// `true` and `false` in any case.
#[inline]
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    match text.len() {
        4 if text.eq_ignore_ascii_case(b"true") => Some(true),
        5 if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// Also `t`, `yes`, `y`, `1` and their opposites.
pub(crate) fn boolean_lenient(text: &[u8]) -> Option<bool> {
    let text = trimmed(text).to_ascii_lowercase();
    match text.as_slice() {
        b"true" | b"t" | b"yes" | b"y" | b"1" => Some(true),
        b"false" | b"f" | b"no" | b"n" | b"0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_words_unless_declared() {
        assert_eq!(boolean(b"TRUE"), Some(true));
        assert_eq!(boolean(b"t"), None);
        assert_eq!(boolean_lenient(b" Yes "), Some(true));
        assert_eq!(boolean_lenient(b"maybe"), None);
    }

    #[test]
    fn only_outer_spaces_are_trimmed() {
        assert_eq!(trimmed(b"\t a b  "), b"a b");
        assert_eq!(trimmed(b"   "), b"");
    }
}
