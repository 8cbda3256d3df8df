//! Telling delimited text from everything else.

use crate::{Refusal, refusal::shown};

/// What nothing else is known of.
const BINARY: &str = "binary data";

/// How much of the head is looked through byte by byte.
const LOOK: usize = 64 * 1024;

/// Refuses what is no text, or plainly some other format. `head` is UTF-8, as near as the source is
/// to it. `told` says that the user insists on delimited text; then only bytes that no text has are
/// refused.
pub(crate) fn check(name: &str, head: &[u8], told: bool) -> Result<(), Refusal> {
    let look = &head[..head.len().min(LOOK)];
    if look.contains(&0) || garbage(look) * 10 > look.len() * 3 {
        return Err(not_a_table(name, what_is(look)));
    }
    match foreign_text(look).filter(|_| !told) {
        Some(what) => Err(not_a_table(name, what)),
        None => Ok(()),
    }
}

/// Refuses what is text by its bytes, or compressed, and something else by its name: whoever called it so
/// meant other bytes. What says of itself what it is, is told by that.
pub(crate) fn check_name(name: &str, head: &[u8], is_compressed: bool) -> Result<(), Refusal> {
    const CALLED: [(&str, &str); 6] = [
        ("parquet", "no Parquet file"),
        ("pq", "no Parquet file"),
        ("xlsx", "no Excel workbook"),
        ("xlsm", "no Excel workbook"),
        ("gz", "not compressed"),
        ("zst", "not compressed"),
    ];
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let called = CALLED.iter().find(|(known, _)| ending.as_deref() == Some(known));
    match called {
        Some((_, "not compressed")) if is_compressed => Ok(()),
        Some(_) if what_is(head) != BINARY => Ok(()),
        Some((ending, what)) => {
            let message = format!("`{}` is called .{ending}, and is {what}", shown(name));
            Err(Refusal::new(Refusal::NOT_A_TABLE, message).hint(
                "write it again; if it is delimited text after all, rename it or say `--as csv`",
            ))
        }
        None => Ok(()),
    }
}

pub(crate) fn not_utf8(name: &str) -> Refusal {
    let message =
        format!("the header of `{}` holds bytes that are not in its encoding", shown(name));
    Refusal::new(Refusal::UNSUPPORTED_ENCODING, message)
        .hint("name the encoding, as in `--encoding windows-1252`")
}

fn not_a_table(name: &str, what: &str) -> Refusal {
    let message = format!("`{}` is no table: it looks like {what}", shown(name));
    Refusal::new(Refusal::NOT_A_TABLE, message).hint(
        "delimited text, JSON, Excel workbooks and Parquet can be a table; keep anything else with `--as files`",
    )
}

/// Control characters that no text has, and bytes that are no UTF-8.
fn garbage(head: &[u8]) -> usize {
    let controls = |byte: &&u8| matches!(**byte, 1..=8 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    let broken: usize = head.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    head.iter().filter(controls).count() + broken
}

fn what_is(head: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 10] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
        (b"%PDF", "a PDF document"),
        (b"SQLite format 3", "an SQLite database"),
        (b"ARROW1", "an Arrow file"),
        (b"ORC", "an ORC file"),
        (b"Obj\x01", "an Avro file"),
        (b"BZh", "bzip2 data"),
        (b"\xfd7zXZ", "xz data"),
        (b"\x89PNG", "an image"),
    ];
    MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map_or(BINARY, |(_, what)| what)
}

fn foreign_text(head: &[u8]) -> Option<&'static str> {
    let text = head.trim_ascii_start();
    let lower: Vec<u8> = text.iter().take(16).map(u8::to_ascii_lowercase).collect();
    if text.starts_with(b"%PDF") {
        return Some("a PDF document");
    }
    let markup: [&[u8]; 4] = [b"<!doctype", b"<html", b"<?xml", b"<svg"];
    markup.iter().any(|start| lower.starts_with(start)).then_some("HTML or XML")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str, head: &[u8]) -> Option<&'static str> {
        check(name, head, false).err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_name_that_says_something_else_is_no_text() {
        let code = |name, is_compressed| {
            check_name(name, b"a,b\n", is_compressed).err().map(|refusal| refusal.to_string())
        };
        for (name, is_compressed) in [
            ("a.csv", false),
            ("a.csv", true),
            ("a.csv.gz", true),
            ("a.ZST", true),
            ("gz", false),
            ("a.parquet.csv", false),
        ] {
            assert_eq!(code(name, is_compressed), None, "{name}");
        }
        for (name, is_compressed) in [
            ("a.parquet", false),
            ("a.parquet", true),
            ("d/A.PQ", false),
            ("a.xlsx", false),
            ("a.csv.gz", false),
            ("a.zst", false),
        ] {
            assert!(code(name, is_compressed).is_some(), "{name}");
        }
        assert!(check_name("a.xlsx", b"PK\x03\x04", false).is_ok(), "a zip archive is one");
    }

    #[test]
    fn text_passes_and_the_rest_is_named() {
        assert_eq!(code("a.csv", b"a,b\n1,2\n"), None);
        assert_eq!(code("a.csv", "grüße,b\n".as_bytes()), None);
        assert_eq!(code("a.csv", b"na\xefve,b\n1,2\n"), None, "one bad row is the decoder's");
        assert_eq!(code("a.csv", b"a,b\0c\n"), Some("not-a-table"));
        assert_eq!(code("a", &[0x9f; 100]), Some("not-a-table"));
        assert_eq!(code("a.csv", b"<!DOCTYPE html>"), Some("not-a-table"));
        assert_eq!(code("a.csv", b"[a],b\n"), None);
    }
}
