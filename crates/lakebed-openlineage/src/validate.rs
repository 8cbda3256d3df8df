//! A value held to a schema: the part of JSON Schema 2020-12 that OpenLineage's schemas use.
//!
//! All faults are told, up to [`MOST`]. Where a value may be one of several things, the faults told are
//! those of the thing it is most like.

use lakebed_core::{Timestamp, TimestampError};
use serde_json::{Map, Value};

use crate::schemas;

/// The most faults that are told of one value.
pub(crate) const MOST: usize = 20;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A JSON Pointer into the event; empty for the event itself.
    pub pointer: String,
    /// What its schema says of it.
    pub why: String,
    /// The value is none of a few words: what tells kinds of values apart.
    pub(crate) is_choice: bool,
}

impl Fault {
    pub(crate) fn new(pointer: &str, why: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), why: why.into(), is_choice: false }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.pointer.is_empty() { "the event" } else { &self.pointer };
        write!(f, "{place}: {}", self.why)
    }
}

/// Holds `value`, which is at `pointer`, to `schema`, whose references start in `document`.
pub(crate) fn validate(
    schema: &Value,
    document: &Value,
    value: &Value,
    pointer: &str,
    faults: &mut Vec<Fault>,
) {
    let Value::Object(rules) = schema else {
        if schema == &Value::Bool(false) {
            faults.push(Fault::new(pointer, "it must not be there"));
        }
        return;
    };
    let check = Check { rules, document, value, pointer };
    check.reference(faults);
    check.combined(faults);
    check.plain(faults);
    match value {
        Value::Object(fields) => check.object(fields, faults),
        Value::Array(items) => check.array(items, faults),
        Value::String(text) => check.text(text, faults),
        Value::Number(number) => check.number(number.as_f64(), faults),
        Value::Null | Value::Bool(_) => {}
    }
    faults.truncate(MOST);
}

#[derive(Clone, Copy)]
struct Check<'a> {
    rules: &'a Map<String, Value>,
    document: &'a Value,
    value: &'a Value,
    pointer: &'a str,
}

impl Check<'_> {
    fn fault(&self, why: impl Into<String>) -> Fault {
        Fault::new(self.pointer, why)
    }

    fn reference(&self, faults: &mut Vec<Fault>) {
        let Some(Value::String(reference)) = self.rules.get("$ref") else { return };
        let (document, schema) = resolve(self.document, reference)
            .expect("references of the schemas lead somewhere: a test follows them all");
        validate(schema, document, self.value, self.pointer, faults);
    }

    fn combined(&self, faults: &mut Vec<Fault>) {
        let all = |keyword| self.rules.get(keyword).and_then(Value::as_array).into_iter().flatten();
        for schema in all("allOf") {
            validate(schema, self.document, self.value, self.pointer, faults);
        }
        for keyword in ["anyOf", "oneOf"] {
            if self.rules.contains_key(keyword) {
                self.choice(all(keyword), keyword == "oneOf", faults);
            }
        }
        if let Some(schema) = self.rules.get("not")
            && self.faults_of(schema).is_empty()
        {
            let names = required_of(schema);
            let why = match names.is_empty() {
                true => "it must not be like that".to_owned(),
                false => format!("{} must not be there", names.join(" with ")),
            };
            faults.push(self.fault(why));
        }
    }

    fn faults_of(&self, schema: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        validate(schema, self.document, self.value, self.pointer, &mut faults);
        faults
    }

    /// One of `schemas` has to fit; exactly one, where `is_exact`.
    fn choice<'s>(
        &self,
        schemas: impl Iterator<Item = &'s Value>,
        is_exact: bool,
        faults: &mut Vec<Fault>,
    ) {
        let found: Vec<Vec<Fault>> = schemas.map(|schema| self.faults_of(schema)).collect();
        match found.iter().filter(|faults| faults.is_empty()).count() {
            0 => faults.extend(self.nearest(found)),
            1 => {}
            _ if is_exact => faults.push(self.fault("it is more than one of what it could be")),
            _ => {}
        }
    }

    /// The faults of the alternative that the value is most like: whose own fields and words are right,
    /// whatever is wrong further down.
    fn nearest(&self, found: Vec<Vec<Fault>>) -> Vec<Fault> {
        let distance = |faults: &Vec<Fault>| {
            let own = |fault: &&Fault| fault.is_choice || fault.pointer == self.pointer;
            faults.iter().filter(own).count()
        };
        found.into_iter().min_by_key(distance).unwrap_or_default()
    }

    fn plain(&self, faults: &mut Vec<Fault>) {
        if let Some(Value::String(kind)) = self.rules.get("type")
            && !is_of_type(self.value, kind)
        {
            let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
            faults.push(self.fault(format!("it must be {article} {kind}")));
        }
        let is_one = match (self.rules.get("enum"), self.rules.get("const")) {
            (Some(Value::Array(words)), _) => words.contains(self.value),
            (_, Some(word)) => word == self.value,
            _ => return,
        };
        if !is_one {
            let words = match (self.rules.get("enum"), self.rules.get("const")) {
                (Some(Value::Array(words)), _) => words.iter().map(quoted).collect(),
                (_, word) => word.map(quoted).into_iter().collect::<Vec<_>>(),
            };
            let why = format!("it must be {}", words.join(" or "));
            faults.push(Fault { is_choice: true, ..self.fault(why) });
        }
    }

    fn object(&self, fields: &Map<String, Value>, faults: &mut Vec<Fault>) {
        for name in texts(self.rules.get("required")) {
            if !fields.contains_key(name) {
                faults.push(self.fault(format!("`{name}` is missing")));
            }
        }
        if let Some(Value::Object(rules)) = self.rules.get("dependentRequired") {
            for (name, needed) in rules.iter().filter(|(name, _)| fields.contains_key(*name)) {
                for missing in texts(Some(needed)).filter(|needed| !fields.contains_key(*needed)) {
                    faults.push(self.fault(format!("`{missing}` is missing beside `{name}`")));
                }
            }
        }
        let properties = self.rules.get("properties").and_then(Value::as_object);
        let others = self.rules.get("additionalProperties");
        for (name, value) in fields {
            let Some(schema) = properties.and_then(|known| known.get(name)).or(others) else {
                continue;
            };
            let pointer = below(self.pointer, name);
            validate(schema, self.document, value, &pointer, faults);
            if faults.len() >= MOST {
                return;
            }
        }
    }

    fn array(&self, items: &[Value], faults: &mut Vec<Fault>) {
        let Some(schema) = self.rules.get("items") else { return };
        for (index, item) in items.iter().enumerate() {
            validate(schema, self.document, item, &format!("{}/{index}", self.pointer), faults);
            if faults.len() >= MOST {
                return;
            }
        }
    }

    fn text(&self, text: &str, faults: &mut Vec<Fault>) {
        let (is_right, expected) = match self.rules.get("format").and_then(Value::as_str) {
            Some("date-time") => match text.parse::<Timestamp>() {
                Err(TimestampError::OutOfRange) => (false, "a time in the years 0000 to 9999, UTC"),
                time => (time.is_ok(), "a time as RFC 3339 writes it"),
            },
            Some("uuid") => (is_uuid(text), "a UUID"),
            Some("uri") => (is_uri(text), "a URI with its scheme"),
            _ => return,
        };
        if !is_right {
            faults.push(self.fault(format!("it must be {expected}")));
        }
    }

    fn number(&self, number: Option<f64>, faults: &mut Vec<Fault>) {
        if let (Some(least), Some(number)) =
            (self.rules.get("minimum").and_then(Value::as_f64), number)
            && number < least
        {
            faults.push(self.fault(format!("it must be {least} or more")));
        }
    }
}

/// The document and the schema that a reference from `document` leads to.
fn resolve<'a>(document: &'a Value, reference: &str) -> Option<(&'a Value, &'a Value)> {
    let (id, pointer) = reference.split_once('#')?;
    let document = if id.is_empty() { document } else { schemas::document(id)? };
    Some((document, document.pointer(pointer)?))
}

fn required_of(schema: &Value) -> Vec<String> {
    texts(schema.get("required")).map(|name| format!("`{name}`")).collect()
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        // 1.0 is an integer, too.
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    let is_part = |(part, length): (&&str, usize)| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    parts.len() == lengths.len() && parts.iter().zip(lengths).all(is_part)
}

/// RFC 3986, section 3, as far as one can tell without knowing the scheme.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_in_rest = |byte: u8| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_in_scheme)
        && rest.bytes().all(is_in_rest)
}

/// The pointer to the field `name` of what is at `pointer`.
pub(crate) fn below(pointer: &str, name: &str) -> String {
    let name: String =
        name.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Everything that a schema says is either looked at or says nothing of values.
    const KNOWN: &[&str] = &[
        "$ref",
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "dependentRequired",
        "enum",
        "format",
        "items",
        "minimum",
        "not",
        "oneOf",
        "properties",
        "required",
        "type",
        "$defs",
        "$id",
        "$schema",
        "deprecated",
        "description",
        "documentation",
        "example",
        "title",
    ];

    fn walk(schema: &Value, document: &Value, keywords: &mut BTreeSet<String>) {
        let Value::Object(rules) = schema else { return };
        for (keyword, rule) in rules {
            keywords.insert(keyword.clone());
            match (keyword.as_str(), rule) {
                ("properties" | "$defs", Value::Object(schemas)) => {
                    schemas.values().for_each(|schema| walk(schema, document, keywords));
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                    schemas.iter().for_each(|schema| walk(schema, document, keywords));
                }
                ("items" | "not" | "additionalProperties", schema) => {
                    walk(schema, document, keywords);
                }
                ("$ref", Value::String(reference)) => {
                    assert!(resolve(document, reference).is_some(), "{reference}");
                }
                ("type", kind) => assert!(kind.is_string(), "{kind}"),
                ("format", format) => {
                    let known = ["date-time", "uri", "uuid"];
                    assert!(
                        known.contains(&format.as_str().expect("a format is a text")),
                        "{format}"
                    );
                }
                _ => {}
            }
        }
    }

    #[test]
    fn schemas_say_nothing_that_is_not_looked_at() {
        let mut keywords = BTreeSet::new();
        for document in schemas::all() {
            walk(document, document, &mut keywords);
        }
        let unknown: Vec<_> =
            keywords.iter().filter(|word| !KNOWN.contains(&word.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn formats_are_looked_at() {
        assert!(is_uuid("f69a6e9b-9bac-3c9a-9cf6-eacb70ecc9a9"));
        assert!(
            !is_uuid("f69a6e9b9bac3c9a9cf6eacb70ecc9a9")
                && !is_uuid("g69a6e9b-9bac-3c9a-9cf6-eacb70ecc9a9")
        );
        assert!(is_uri("https://a.b/c#/$defs/D") && is_uri("urn:x"));
        assert!(!is_uri("a/b") && !is_uri("1a:b") && !is_uri("http://a b") && !is_uri(":b"));
    }
}
