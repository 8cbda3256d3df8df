//! Which of the formats offered the client likes best: RFC 9110, section 12.5.1.

use http::{HeaderMap, StatusCode, header};

use crate::problem::{Failure, Result};

/// The media type among `offered` (the server's own preference first) that `Accept` weighs most.
///
/// The most specific range that matches a type decides its weight; of equal weights the earlier
/// offer wins. No `Accept` takes anything.
///
/// # Errors
/// 406 when every offer weighs nothing.
pub(crate) fn negotiate(headers: &HeaderMap, offered: &[&'static str]) -> Result<usize> {
    let ranges = ranges(headers);
    if ranges.is_empty() {
        return Ok(0);
    }
    let mut best = None;
    for (index, media_type) in offered.iter().enumerate() {
        let weight = weight_of(media_type, &ranges);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((index, weight));
        }
    }
    best.map(|(index, _)| index).ok_or_else(|| {
        let detail = "no format of the `accept` header is offered here";
        Failure::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail)
            .hint(format!("ask for one of {}", offered.join(", ")))
    })
}

struct MediaRange {
    kind: String,
    subkind: String,
    /// Thousandths.
    weight: u16,
}

/// Ranges that cannot be read are left out, as if they had not been sent.
fn ranges(headers: &HeaderMap) -> Vec<MediaRange> {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| unquoted(line, ',')).filter_map(parse_range).collect()
}

/// The parts of a list or of a media type: what separates them means nothing in quotes.
fn unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |char| {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            _ => return !is_quoted && char == separator,
        }
        false
    })
}

fn parse_range(text: &str) -> Option<MediaRange> {
    let mut parts = unquoted(text, ';');
    let (kind, subkind) = parts.next()?.trim().split_once('/')?;
    let mut weight = 1000;
    for parameter in parts {
        let (name, value) = parameter.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("q") {
            weight = parse_weight(value.trim())?;
        }
    }
    let lower = |text: &str| text.trim().to_ascii_lowercase();
    Some(MediaRange { kind: lower(kind), subkind: lower(subkind), weight })
}

/// `0`, `0.5`, `1.000` → thousandths.
pub(crate) fn parse_weight(text: &str) -> Option<u16> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{digits:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

fn weight_of(media_type: &str, ranges: &[MediaRange]) -> u16 {
    let (kind, subkind) = media_type.split_once('/').unwrap_or((media_type, ""));
    let specificity = |range: &MediaRange| match (range.kind.as_str(), range.subkind.as_str()) {
        ("*", "*") => Some(1),
        (k, "*") if k == kind => Some(2),
        (k, s) if k == kind && s == subkind => Some(3),
        _ => None,
    };
    let matching = ranges.iter().filter_map(|range| Some((specificity(range)?, range.weight)));
    matching.max().map_or(0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use lakebed_api::media;

    use super::*;

    fn chosen(accept: &[&'static str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for accept in accept {
            headers.append(header::ACCEPT, http::HeaderValue::from_static(accept));
        }
        let offered = [media::JSON, media::NDJSON, media::CSV, media::ARROW, media::PARQUET];
        negotiate(&headers, &offered).ok().map(|index| offered[index])
    }

    #[test]
    fn whoever_asks_for_nothing_gets_json() {
        assert_eq!(chosen(&[]), Some(media::JSON));
        assert_eq!(chosen(&["*/*"]), Some(media::JSON));
        assert_eq!(chosen(&[""]), Some(media::JSON));
    }

    #[test]
    fn weights_are_honoured() {
        assert_eq!(chosen(&["text/csv"]), Some(media::CSV));
        assert_eq!(chosen(&["Text/CSV; charset=utf-8; q=0.5"]), Some(media::CSV));
        assert_eq!(chosen(&["text/csv;q=0.5, application/x-ndjson;q=0.9"]), Some(media::NDJSON));
        assert_eq!(chosen(&["text/csv;q=0.5", "application/x-ndjson;q=0.9"]), Some(media::NDJSON));
        assert_eq!(chosen(&["*/*;q=0.1, text/csv"]), Some(media::CSV));
        assert_eq!(chosen(&["*/*, application/json;q=0"]), Some(media::NDJSON));
        assert_eq!(chosen(&["application/*;q=0.2, text/*;q=0.3"]), Some(media::CSV));
    }

    #[test]
    fn what_is_quoted_separates_nothing() {
        let quoted = "application/json;profile=\"a,b\";q=0.1, text/csv;q=0.5";
        assert_eq!(chosen(&[quoted]), Some(media::CSV));
        let escaped = r#"text/csv;x="a\",;q=0";q=0.9, application/json;q=0.5"#;
        assert_eq!(chosen(&[escaped]), Some(media::CSV));
        assert_eq!(chosen(&["text/csv;x=\"a, application/json"]), Some(media::CSV), "never closed");
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        assert_eq!(chosen(&["text/html"]), None);
        assert_eq!(chosen(&["application/json;q=0"]), None);
        assert_eq!(chosen(&["text/html, application/json;q=0.0"]), None);
    }
}
