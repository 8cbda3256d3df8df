//! Parts of an object: RFC 9110, section 14, for one range of bytes.

use std::ops::Range;

/// What a `Range` header asks of `size_bytes` bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Everything: no range, several ranges, another unit, or nothing that can be read. A server
    /// may always answer with the whole.
    Whole,
    /// These bytes; never empty, never beyond the end.
    Part(Range<u64>),
    /// Bytes that do not exist.
    Unsatisfiable,
}

/// Reads the header.
pub(crate) fn parse_range(header: Option<&str>, size_bytes: u64) -> Wanted {
    let ranges = header.and_then(|header| header.trim().strip_prefix("bytes="));
    match ranges.map(str::trim).and_then(|range| range.split_once('-')) {
        Some((first, last)) => parse_one(first.trim(), last.trim(), size_bytes),
        None => Wanted::Whole,
    }
}

fn parse_one(first: &str, last: &str, size_bytes: u64) -> Wanted {
    match (digits(first), digits(last)) {
        // The last bytes; all of them when there are fewer.
        (Number::None, Number::Some(count)) => {
            within(size_bytes.saturating_sub(count)..size_bytes, size_bytes)
        }
        (Number::Some(first), Number::None) => within(first..size_bytes, size_bytes),
        (Number::Some(first), Number::Some(last)) if first <= last => {
            within(first..last.saturating_add(1).min(size_bytes), size_bytes)
        }
        _ => Wanted::Whole,
    }
}

fn within(range: Range<u64>, size_bytes: u64) -> Wanted {
    match range.start < size_bytes && !range.is_empty() {
        true => Wanted::Part(range),
        false => Wanted::Unsatisfiable,
    }
}

enum Number {
    None,
    Some(u64),
    Bad,
}

/// A number larger than any object is as good as the largest.
fn digits(text: &str) -> Number {
    match text {
        "" => Number::None,
        _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => Number::Bad,
        _ => Number::Some(text.parse().unwrap_or(u64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_answered_with_its_bytes() {
        let cases = [
            ("bytes=0-0", 0..1),
            ("bytes=0-99", 0..10),
            ("bytes=3-", 3..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("bytes=9-9", 9..10),
            ("bytes= 2-4", 2..5),
            ("bytes=0-99999999999999999999999", 0..10),
        ];
        for (header, range) in cases {
            assert_eq!(parse_range(Some(header), 10), Wanted::Part(range), "{header}");
        }
    }

    #[test]
    fn bytes_beyond_the_end_do_not_exist() {
        for header in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(parse_range(Some(header), 10), Wanted::Unsatisfiable, "{header}");
        }
        assert_eq!(parse_range(Some("bytes=0-0"), 0), Wanted::Unsatisfiable);
        assert_eq!(parse_range(Some("bytes=-1"), 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn anything_else_is_answered_with_the_whole() {
        for header in [
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=4-2",
            "bytes=a-b",
            "bytes=-",
            "bytes=",
            "bytes",
            "bytes=+1-2",
            "",
        ] {
            assert_eq!(parse_range(Some(header), 10), Wanted::Whole, "{header}");
        }
        assert_eq!(parse_range(None, 10), Wanted::Whole);
    }
}
