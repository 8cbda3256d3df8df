//! How attacks are written.
//!
//! ```text
//! # What is said of the whole group.
//!
//! ## what the attacker hopes for
//! reader> SELECT mail
//!   FROM clinic.patients
//! 200
//! mail
//! ***
//! ```
//!
//! A request is a statement, or a method and a path with a body in JSON behind it, as in
//! `POST /v1/resolve {"refs": ["clinic.patients"]}`. Lines that belong to it are indented; of these
//! `params:`, `limits:` and `accept:` stand beside a statement.
//!
//! An answer begins with its status, of a problem with its code behind it, and ends with an empty
//! line. In it are the rows as CSV, a JSON document, or the problem's text and its hint; where rows
//! broke off, `---` and the problem. `anything` stands for an answer in which nothing hidden is, and is
//! only for tables of the system's own that are being built.
//!
//! What is the lake's own stands in «»: `«id:clinic.patients@v2»`, `«hash:a text»` (`world.rs`). Times
//! and places in the order of events are `…`.

use std::{fmt, path::Path};

use serde_json::{Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/attacks");

/// Schemas whose tables may be there or not.
const OWN_TABLES: [&str; 2] = ["information_schema", "system."];

pub(super) struct Attack {
    pub(super) group: String,
    pub(super) line: usize,
    pub(super) title: String,
    pub(super) who: String,
    pub(super) request: Request,
    pub(super) expected: Expected,
}

#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Of an answer that is not JSON.
    pub(super) accept: Option<String>,
    pub(super) body: Option<Value>,
}

pub(super) enum Expected {
    Answer(String),
    NothingHidden,
}

impl Request {
    pub(super) fn get(path: &str) -> Self {
        Self { method: "GET".to_owned(), path: path.to_owned(), accept: None, body: None }
    }

    /// Asks for CSV.
    pub(super) fn sql(statement: &str) -> Self {
        Self {
            method: "POST".to_owned(),
            path: "/v1/sql".to_owned(),
            accept: Some("text/csv".to_owned()),
            body: Some(json!({ "sql": statement })),
        }
    }

    /// All that whoever asks has said.
    pub(super) fn text(&self) -> String {
        let Self { method, path, accept, body } = self;
        let body = body.as_ref().map(said).unwrap_or_default();
        format!("{method} {path} {} {body}", accept.as_deref().unwrap_or_default())
    }
}

/// The texts of a value, as they are without JSON's escapes.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(said).collect::<Vec<_>>().join(" "),
        Value::Object(parts) => {
            parts.iter().map(|(name, part)| format!("{name} {}", said(part))).collect()
        }
        other => other.to_string(),
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, line, title, who, request, .. } = self;
        write!(f, "{group}.txt:{line}: {title}\n{who}> {}", request.text())
    }
}

/// All attacks, group by group.
pub(super) fn read_list() -> Vec<Attack> {
    let files = std::fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    files.sort();
    files.iter().flat_map(|path| read_group(path)).collect()
}

fn read_group(path: &Path) -> Vec<Attack> {
    let group = path.file_stem().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().enumerate().peekable();
    let mut attacks = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() || line == "#" || line.starts_with("# ") {
            continue;
        }
        let place = format!("{group}.txt:{}", number + 1);
        let title = line.strip_prefix("## ").unwrap_or_else(|| panic!("{place}: {line}"));
        let mut rest = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            rest.push(line);
        }
        let asked = rest.iter().skip(1).take_while(|line| line.starts_with("  ")).count() + 1;
        let (asked, expected) = rest.split_at(asked.min(rest.len()));
        let (who, request) = read_request(asked, &place);
        attacks.push(Attack {
            group: group.to_owned(),
            line: number + 1,
            title: title.to_owned(),
            expected: read_expected(expected, &request, &place),
            who,
            request,
        });
    }
    attacks
}

fn read_request(lines: &[&str], place: &str) -> (String, Request) {
    let first = lines.first().unwrap_or_else(|| panic!("{place}: nobody asks"));
    let (who, first) = first.split_once("> ").unwrap_or_else(|| panic!("{place}: {first}"));
    let mut words = vec![first];
    let (mut params, mut limits, mut accept) = (json!([]), json!({}), None);
    for line in lines[1..].iter().map(|line| line.trim_start()) {
        let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| panic!("{place}"));
        match line.split_once(": ") {
            Some(("params", value)) => params = json(value),
            Some(("limits", value)) => limits = json(value),
            Some(("accept", value)) => accept = Some(value.to_owned()),
            _ => words.push(line),
        }
    }
    let text = words.join("\n");
    if let Some((method, rest)) = text.split_once(" /")
        && ["GET", "HEAD", "POST", "PATCH", "DELETE"].contains(&method)
    {
        let (path, body) = rest.split_once([' ', '\n']).unwrap_or((rest, ""));
        let body = (!body.is_empty()).then(|| serde_json::from_str(body).expect(place));
        let path = format!("/{path}");
        return (who.to_owned(), Request { method: method.to_owned(), path, accept, body });
    }
    let usual = Request::sql(&text);
    let body = Some(json!({ "sql": text, "params": params, "limits": limits }));
    (who.to_owned(), Request { body, accept: accept.or(usual.accept.clone()), ..usual })
}

fn read_expected(lines: &[&str], request: &Request, place: &str) -> Expected {
    assert!(!lines.is_empty(), "{place}: no answer is expected");
    if lines == ["anything"] {
        let text = request.text().to_lowercase();
        let may_be = OWN_TABLES.iter().any(|schema| text.contains(schema));
        assert!(may_be, "{place}: this has an exact answer");
        return Expected::NothingHidden;
    }
    let status = lines[0].split(' ').next().unwrap_or_default().parse::<u16>();
    assert!(status.is_ok(), "{place}: an answer begins with its status, not with `{}`", lines[0]);
    let rest = lines[1..].join("\n");
    match serde_json::from_str::<Value>(&rest) {
        Ok(document) if document.is_object() => {
            Expected::Answer(format!("{}\n{document:#}", lines[0]))
        }
        _ => Expected::Answer(lines.join("\n")),
    }
}
