//! Which names may stand below a lake's root.
//!
//! Keys are ours: whatever comes from outside has been turned into a digest or a number before. The
//! check is what stands between a bug there and a file outside the lake.

use crate::{Error, Result};

/// The folder that scratch lives in; no key but those of what waits starts with it.
pub(crate) const SCRATCH: &str = "tmp";

/// The folder of bytes that wait to become objects, shared by all who serve the lake.
pub(crate) const WAITING: &str = "tmp/uploads";

/// The folder of rows that wait to be fetched, shared by all who serve the lake.
pub(crate) const RESULTS: &str = "tmp/results";

/// Longer than any key we write.
const LONGEST: usize = 255;

/// Accepts `part/part/…` of letters, digits, `.`, `_` and `-`, where no part starts with a dot.
pub(crate) fn check_key(key: &str) -> Result<()> {
    let parts_are_fine = key.split('/').all(is_part);
    let is_scratch = key.split('/').next() == Some(SCRATCH);
    match parts_are_fine && !is_scratch && key.len() <= LONGEST {
        true => Ok(()),
        false => Err(Error::Key { key: key.chars().take(LONGEST).collect() }),
    }
}

/// Accepts `tmp/uploads/part/part…` and `tmp/results/part/part…`: what may be removed again.
pub(crate) fn check_waiting_key(key: &str) -> Result<()> {
    let below = |folder: &str| key.strip_prefix(folder)?.strip_prefix('/');
    let below = below(WAITING).or_else(|| below(RESULTS));
    let fits = below.is_some_and(|below| below.split('/').all(is_part)) && key.len() <= LONGEST;
    match fits {
        true => Ok(()),
        false => Err(Error::Key { key: key.chars().take(LONGEST).collect() }),
    }
}

/// Accepts a folder of keys, with or without its last `/`, or nothing: the whole lake.
///
/// Returns it without the last `/`.
pub(crate) fn check_prefix(prefix: &str) -> Result<&str> {
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.is_empty() {
        return Ok(folder);
    }
    check_key(folder)?;
    Ok(folder)
}

fn is_part(part: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_keys_are_accepted() {
        for key in ["lakebed.json", "objects/9f/9f2c", "journal/000000000042.json"] {
            check_key(key).unwrap();
        }
        assert_eq!(check_prefix("journal/").unwrap(), "journal");
        assert_eq!(check_prefix("journal").unwrap(), "journal");
        assert_eq!(check_prefix("").unwrap(), "");
    }

    /// Nothing but what waits is ever removed.
    #[test]
    fn only_what_waits_has_a_waiting_key() {
        check_waiting_key("tmp/uploads/9f/0").unwrap();
        check_waiting_key("tmp/results/9f/001-00.000000").unwrap();
        for key in [
            "objects/9f/9f2c",
            "tmp/uploads",
            "tmp/uploads/",
            "tmp/results/",
            "tmp/x/y",
            "tmp/uploads/../x",
            "tmp/results/../uploads/x",
        ] {
            assert!(check_waiting_key(key).is_err(), "{key}");
        }
        assert!(check_key("tmp/results/9f/001-00.000000").is_err(), "it is no part of a lake");
    }

    #[test]
    fn keys_that_leave_the_lake_are_refused() {
        let long = "x".repeat(300);
        let refused = [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            ".",
            "..",
            ".hidden",
            "a/.b",
            "a\0b",
            "a\nb",
            "a\\b",
            "a b",
            "ä",
            "tmp",
            "tmp/x",
            "C:/x",
            &long,
        ];
        for key in refused {
            assert!(matches!(check_key(key), Err(Error::Key { .. })), "{key:?}");
        }
        assert!(check_prefix("/").is_err());
        assert!(check_prefix("../").is_err());
        assert!(check_prefix("tmp/").is_err());
    }
}
