//! Telling delimited text from everything else.

use crate::{Refusal, refusal::shown};

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
    MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map_or("binary data", |(_, what)| what)
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
