//! Telling JSON from delimited text, and how its records follow each other.

use lakebed_core::{FormatName, JsonForm};

/// Whether a source is JSON and in which form, by its name and the begin of its text.
pub(crate) fn recognise(name: &str, told: Option<FormatName>, head: &[u8]) -> Option<JsonForm> {
    let text = head.trim_ascii_start();
    match told {
        Some(FormatName::Ndjson) => return Some(JsonForm::Lines),
        Some(FormatName::Json) | None => {}
        Some(_) => return None,
    }
    let (lines, whole) =
        (is_named(name, &["ndjson", "jsonl"]), is_named(name, &["json", "geojson"]));
    if told.is_none() && !lines && !whole && !looks_like_json(text) {
        return None;
    }
    Some(match text.first() {
        _ if lines && told.is_none() => JsonForm::Lines,
        Some(b'[') => JsonForm::Array,
        _ if are_lines(text) => JsonForm::Lines,
        _ => JsonForm::Values,
    })
}

fn is_named(name: &str, endings: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    name.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
}

/// `{"`, `[{`, `[[`, with white space between.
fn looks_like_json(text: &[u8]) -> bool {
    let rest = text.get(1..).unwrap_or_default().trim_ascii_start();
    match text.first() {
        Some(b'{') => {
            matches!(rest.first(), Some(b'"' | b'}')) && memchr::memchr(b':', rest).is_some()
        }
        Some(b'[') => matches!(rest.first(), Some(b'{' | b'[')),
        _ => false,
    }
}

/// Whether the first line looks like an object, or most of the first lines do.
fn are_lines(text: &[u8]) -> bool {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).take(100).collect();
    let is_object = |line: &&&[u8]| line.starts_with(b"{") && line.ends_with(b"}");
    let alike = lines.iter().filter(is_object).count();
    lines.first().filter(is_object).is_some() || alike * 2 > lines.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_told_by_name_and_first_bytes() {
        use JsonForm::{Array, Lines, Values};
        let cases = [
            ("a.json", "[{\"a\": 1}]", Some(Array)),
            ("a.json", "{\"a\": 1}\n{\"a\": 2}\n", Some(Lines)),
            ("a.json", "{\n  \"a\": 1\n}\n", Some(Values)),
            ("a.json", "{\"a\": 1, \"b\":\n{\"c\": 1}}", Some(Values)),
            ("a.ndjson.gz", "{\"a\":\n", Some(Lines)),
            ("a.JSONL", "[1]\n[2]\n", Some(Lines)),
            ("a.json", "1", Some(Values)),
            ("a.txt", " {\"a\": 1}\n", Some(Lines)),
            ("a.csv", "[a],b\n1,2\n", None),
            ("a.csv", "{a},b\n1,2\n", None),
            ("json", "a,b\n1,2\n", None),
        ];
        for (name, text, form) in cases {
            assert_eq!(recognise(name, None, text.as_bytes()), form, "{name} {text}");
        }
        let told = |format| recognise("a.json", Some(format), b"{\"a\": 1}\n");
        assert_eq!(told(FormatName::Csv), None);
        assert_eq!(told(FormatName::Ndjson), Some(Lines));
    }
}
