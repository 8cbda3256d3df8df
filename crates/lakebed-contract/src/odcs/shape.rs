//! Whether a document has the shape that the standard's own JSON schema describes.
//!
//! Reads the part of JSON Schema 2019-09 which that document uses, over a tree that knows its lines.
//! What a value means is not asked here.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::OnceLock,
};

use serde_json::Value as Json;
use serde_saphyr::Location;

use super::nearest::nearest;
use crate::{
    pattern::Pattern,
    yaml::{Node, Tree, shown},
};

/// The schema of version 3.1.0, as it was published.
const SCHEMA: &str = include_str!("../../odcs/odcs-json-schema-v3.1.0.json");

/// A place that does not have the shape.
#[derive(Debug, Clone)]
pub(crate) struct Flaw {
    /// The way there: `schema[0].properties[2].name`.
    pub(crate) path: String,
    pub(crate) location: Location,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

fn schema() -> &'static Json {
    static READ: OnceLock<Json> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(SCHEMA).expect("the schema is JSON: a test reads it"))
}

/// Every place of `node` that does not have the shape, none twice.
pub(crate) fn check_shape(node: &Node) -> Vec<Flaw> {
    let checker = Checker::default();
    let mut flaws = checker.visit(schema(), node, "").flaws;
    let mut seen = BTreeSet::new();
    flaws.retain(|flaw| seen.insert((flaw.path.clone(), flaw.message.clone())));
    flaws
}

/// What one schema says of one value.
#[derive(Debug, Clone, Default)]
struct Outcome {
    flaws: Vec<Flaw>,
    /// The keys that some part of the schema knows.
    known: BTreeSet<String>,
    /// Whether the value is of another type altogether.
    is_mistyped: bool,
}

impl Outcome {
    fn absorb(&mut self, other: &Self) {
        self.flaws.extend(other.flaws.iter().cloned());
        self.known.extend(other.known.iter().cloned());
        self.is_mistyped |= other.is_mistyped;
    }
}

#[derive(Default)]
struct Checker {
    /// Referenced schemas are visited once for a value, however many ways lead there.
    visited: RefCell<HashMap<(usize, usize), Rc<Outcome>>>,
    patterns: RefCell<HashMap<String, Option<Pattern>>>,
    /// Guesses made at what was meant.
    guesses: Cell<usize>,
}

/// How many flaws come with a guess; more than are told of one file.
const MAX_GUESSES: usize = 200;

fn list<'a>(schema: &'a Json, keyword: &str) -> &'a [Json] {
    schema.get(keyword).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn texts<'a>(schema: &'a Json, keyword: &str) -> Vec<&'a str> {
    list(schema, keyword).iter().filter_map(Json::as_str).collect()
}

fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The definition that `#/$defs/…` names.
fn referenced(pointer: &str) -> Option<&'static Json> {
    schema().pointer(pointer.strip_prefix('#')?)
}

impl Checker {
    fn visit(&self, schema: &'static Json, node: &Node, path: &str) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(expected) = schema.get("type").and_then(Json::as_str)
            && !is_of_type(node, expected)
        {
            outcome.flaws.push(mistyped(node, expected, path));
            outcome.is_mistyped = true;
            return outcome;
        }
        if let Some(target) = schema.get("$ref").and_then(Json::as_str).and_then(referenced) {
            outcome.absorb(&self.visit_once(target, node, path));
        }
        self.scalars(schema, node, path, &mut outcome);
        self.lists(schema, node, path, &mut outcome);
        self.mappings(schema, node, path, &mut outcome);
        self.combinations(schema, node, path, &mut outcome);
        if schema.get("unevaluatedProperties") == Some(&Json::Bool(false)) {
            self.unknown_keys(schema, node, path, &mut outcome);
        }
        outcome
    }

    fn visit_once(&self, schema: &'static Json, node: &Node, path: &str) -> Rc<Outcome> {
        let key = (std::ptr::from_ref(schema) as usize, std::ptr::from_ref(node) as usize);
        if let Some(outcome) = self.visited.borrow().get(&key) {
            return Rc::clone(outcome);
        }
        let outcome = Rc::new(self.visit(schema, node, path));
        self.visited.borrow_mut().insert(key, Rc::clone(&outcome));
        outcome
    }

    fn scalars(&self, schema: &'static Json, node: &Node, path: &str, outcome: &mut Outcome) {
        let allowed = texts(schema, "enum");
        let constant = schema.get("const").and_then(Json::as_str);
        let allowed: Vec<&str> = allowed.into_iter().chain(constant).collect();
        if !allowed.is_empty() && !node.text().is_some_and(|text| allowed.contains(&text)) {
            let given = node.text().map_or_else(|| node.kind().to_owned(), shown);
            let message = format!("`{given}` is none of the words that may stand here");
            let hint = match node.text().and_then(|text| self.guess(text, allowed.iter().copied()))
            {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use {}", quoted(allowed)),
            };
            outcome.flaws.push(flaw(node, path, message, Some(hint)));
        }
        if let (Some(pattern), Some(text)) =
            (schema.get("pattern").and_then(Json::as_str), node.text())
            && !self.matches(pattern, text)
        {
            let message = format!("`{}` is not written as it must be here", shown(text));
            outcome.flaws.push(flaw(node, path, message, described(schema)));
        }
        let number = match node.tree {
            Tree::Number(number) => number,
            Tree::Integer(number) => number as f64,
            _ => return,
        };
        if schema.get("minimum").and_then(Json::as_f64).is_some_and(|least| number < least) {
            outcome.flaws.push(flaw(node, path, "this is too small".to_owned(), described(schema)));
        }
        let least = schema.get("exclusiveMinimum").and_then(Json::as_f64);
        if least.is_some_and(|least| number <= least) {
            outcome.flaws.push(flaw(node, path, "this is too small".to_owned(), described(schema)));
        }
    }

    fn lists(&self, schema: &'static Json, node: &Node, path: &str, outcome: &mut Outcome) {
        let Tree::List(items) = &node.tree else { return };
        let size = |keyword| schema.get(keyword).and_then(Json::as_u64);
        let count = items.len() as u64;
        let few = size("minItems").filter(|least| count < *least);
        let many = size("maxItems").filter(|most| count > *most);
        if let Some(expected) = few.or(many) {
            let message = format!("this must have {expected} items, not {count}");
            outcome.flaws.push(flaw(node, path, message, described(schema)));
        }
        if schema.get("uniqueItems") == Some(&Json::Bool(true)) {
            let mut seen = BTreeSet::new();
            for item in items.iter().filter(|item| !seen.insert(item.value(""))) {
                outcome.flaws.push(flaw(item, path, "this stands here twice".to_owned(), None));
            }
        }
        if let Some(schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                let inner = self.visit(schema, item, &format!("{path}[{index}]"));
                outcome.flaws.extend(inner.flaws);
            }
        }
    }

    fn mappings(&self, schema: &'static Json, node: &Node, path: &str, outcome: &mut Outcome) {
        let Tree::Map(entries) = &node.tree else { return };
        let mut possible = BTreeSet::new();
        collect_keys(schema, &mut possible);
        for key in texts(schema, "required").into_iter().filter(|key| node.get(key).is_none()) {
            let message = format!("`{key}` is missing");
            // A key that means something itself was not meant to be another.
            let strange = entries.iter().map(|(name, ..)| name.as_str());
            let near = self.guess(key, strange.filter(|name| !possible.contains(name)));
            let hint = near.map(|near| format!("is `{near}` meant to be `{key}`?"));
            outcome.flaws.push(flaw(node, &join(path, key), message, hint));
        }
        if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
            for (key, _, value) in entries {
                if let Some(schema) = properties.get(key) {
                    let inner = self.visit(schema, value, &join(path, key));
                    outcome.flaws.extend(inner.flaws);
                    outcome.known.insert(key.clone());
                }
            }
        }
        if schema.get("additionalProperties") == Some(&Json::Bool(false)) {
            self.unknown_keys(schema, node, path, outcome);
        }
    }

    fn unknown_keys(&self, schema: &'static Json, node: &Node, path: &str, outcome: &mut Outcome) {
        let mut possible = BTreeSet::new();
        collect_keys(schema, &mut possible);
        for (key, location, _) in node.entries() {
            if outcome.known.contains(key) {
                continue;
            }
            let absent = possible.iter().copied().filter(|word| node.get(word).is_none());
            let hint = match self.guess(key, absent) {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None if possible.contains(key.as_str()) => {
                    Some("it belongs to another type".to_owned())
                }
                None if possible.len() <= 16 => {
                    Some(format!("known here: {}", quoted(possible.iter().copied())))
                }
                None => Some("what is your own goes under `customProperties`".to_owned()),
            };
            let message = match possible.contains(key.as_str()) {
                true => format!("`{}` may not stand here", shown(key)),
                false => format!("there is no key `{}` here", shown(key)),
            };
            let (path, location) = (join(path, key), *location);
            outcome.flaws.push(Flaw { path, location, message, hint });
        }
    }

    fn combinations(&self, schema: &'static Json, node: &Node, path: &str, outcome: &mut Outcome) {
        for part in list(schema, "allOf") {
            outcome.absorb(&self.visit(part, node, path));
        }
        if let (Some(condition), Some(then)) = (schema.get("if"), schema.get("then")) {
            let condition = self.visit(condition, node, path);
            if condition.flaws.is_empty() {
                outcome.known.extend(condition.known);
                outcome.absorb(&self.visit(then, node, path));
            }
        }
        for keyword in ["anyOf", "oneOf"] {
            let forms = list(schema, keyword);
            if !forms.is_empty() {
                let by_key = match keyword {
                    "oneOf" => self.choose_by_key(forms, node, path),
                    _ => None,
                };
                let chosen = by_key.unwrap_or_else(|| self.choose(schema, forms, node, path));
                outcome.absorb(&chosen);
            }
        }
        if let Some(not) = schema.get("not")
            && self.visit(not, node, path).flaws.is_empty()
        {
            let message = format!("{} may not stand here", quoted(texts(not, "required")));
            outcome.flaws.push(flaw(node, path, message, described(schema)));
        }
    }

    /// One of several forms. What is said of a value that has none of them is what the form says
    /// that was meant, as far as one can tell.
    fn choose(
        &self,
        schema: &'static Json,
        forms: &'static [Json],
        node: &Node,
        path: &str,
    ) -> Outcome {
        let outcomes: Vec<Outcome> =
            forms.iter().map(|form| self.visit(form, node, path)).collect();
        let mut chosen = Outcome::default();
        for outcome in outcomes.iter().filter(|outcome| outcome.flaws.is_empty()) {
            chosen.known.extend(outcome.known.iter().cloned());
        }
        if outcomes.iter().any(|outcome| outcome.flaws.is_empty()) {
            return chosen;
        }
        let mut typed = outcomes.iter().filter(|outcome| !outcome.is_mistyped);
        if let (Some(only), None) = (typed.next(), typed.next()) {
            return only.clone();
        }
        let hints: Vec<String> = forms
            .iter()
            .filter_map(|form| {
                let target = form.get("$ref").and_then(Json::as_str).and_then(referenced);
                described(target.unwrap_or(form))
            })
            .collect();
        let hint = match hints.is_empty() {
            true => described(schema),
            false => Some(hints.join("; or: ")),
        };
        let message = match node.text() {
            Some(text) => format!("`{}` has none of the forms that may stand here", shown(text)),
            None => "this has none of the forms that may stand here".to_owned(),
        };
        let is_mistyped = outcomes.iter().all(|outcome| outcome.is_mistyped);
        chosen.flaws.push(flaw(node, path, message, hint));
        chosen.is_mistyped = is_mistyped;
        chosen
    }

    /// Forms that differ by the one key each requires: the operators of a rule.
    fn choose_by_key(&self, forms: &'static [Json], node: &Node, path: &str) -> Option<Outcome> {
        let keys: Vec<&str> = forms
            .iter()
            .map(|form| match texts(form, "required")[..] {
                [key] => Some(key),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let present: Vec<usize> =
            (0..keys.len()).filter(|index| node.get(keys[*index]).is_some()).collect();
        if let [index] = present[..] {
            return Some(self.visit(&forms[index], node, path));
        }
        let mut outcome = Outcome::default();
        outcome.known.extend(present.iter().map(|index| keys[*index].to_owned()));
        let (message, hint) = match present.is_empty() {
            true => {
                let message = "nothing says what must hold".to_owned();
                (message, format!("add one of {}", quoted(keys)))
            }
            false => {
                let given = quoted(present.iter().map(|index| keys[*index]));
                (format!("{given} stand here together"), "make a rule of each".to_owned())
            }
        };
        outcome.flaws.push(flaw(node, path, message, Some(hint)));
        Some(outcome)
    }

    /// The word that was meant, as long as anybody would read it.
    fn guess<'w>(&self, word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
        self.guesses.set(self.guesses.get() + 1);
        if self.guesses.get() > MAX_GUESSES { None } else { nearest(word, words) }
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        let compiled =
            patterns.entry(pattern.to_owned()).or_insert_with(|| Pattern::new(pattern).ok());
        compiled.as_ref().is_none_or(|pattern| pattern.is_match(text))
    }
}

fn flaw(node: &Node, path: &str, message: String, hint: Option<String>) -> Flaw {
    Flaw { path: path.to_owned(), location: node.location, message, hint }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The first sentence of what the schema says about itself.
fn described(schema: &Json) -> Option<String> {
    let text = schema.get("description").and_then(Json::as_str)?;
    let end = text.find(". ").map_or(text.len(), |end| end);
    Some(text[..end].trim_end_matches('.').to_owned())
}

fn is_of_type(node: &Node, expected: &str) -> bool {
    match (&node.tree, expected) {
        (Tree::Null, "null") | (Tree::Bool(_), "boolean") | (Tree::Text(_), "string") => true,
        (Tree::Integer(_), "integer" | "number") | (Tree::Number(_), "number") => true,
        (Tree::Number(number), "integer") => number.fract() == 0.0,
        (Tree::List(_), "array") | (Tree::Map(_), "object") => true,
        _ => false,
    }
}

fn mistyped(node: &Node, expected: &str, path: &str) -> Flaw {
    let expected = match expected {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    };
    let message = format!("{expected} belongs here, not {}", node.kind());
    let hint = match (&node.tree, expected) {
        (Tree::Number(_) | Tree::Integer(_) | Tree::Bool(_), "text") => Some("write it in quotes"),
        (Tree::Text(text), "a number" | "a whole number") if text.parse::<f64>().is_ok() => {
            Some("write it without quotes")
        }
        (Tree::Null, "text") => Some("write `\"\"` for an empty text, or leave the key out"),
        _ => None,
    };
    flaw(node, path, message, hint.map(str::to_owned))
}

/// Every key that some part of `schema` knows for the same mapping.
fn collect_keys(schema: &'static Json, keys: &mut BTreeSet<&'static str>) {
    if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
        keys.extend(properties.keys().map(String::as_str));
    }
    if let Some(target) = schema.get("$ref").and_then(Json::as_str).and_then(referenced) {
        collect_keys(target, keys);
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        list(schema, keyword).iter().for_each(|part| collect_keys(part, keys));
    }
    if let Some(then) = schema.get("then") {
        collect_keys(then, keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_schema_leads_somewhere() {
        fn walk(schema: &Json, seen: &mut usize) {
            match schema {
                Json::Object(entries) => {
                    if let Some(target) = entries.get("$ref").and_then(Json::as_str) {
                        assert!(referenced(target).is_some(), "{target}");
                        *seen += 1;
                    }
                    entries.values().for_each(|value| walk(value, seen));
                }
                Json::Array(items) => items.iter().for_each(|item| walk(item, seen)),
                _ => {}
            }
        }
        let mut seen = 0;
        walk(schema(), &mut seen);
        assert!(seen > 100, "{seen}");
    }

    /// A keyword that the checker does not read would be a rule that does not hold.
    #[test]
    fn the_schema_uses_no_keyword_that_is_not_read() {
        const READ: [&str; 21] = [
            "$ref",
            "type",
            "enum",
            "const",
            "pattern",
            "minimum",
            "exclusiveMinimum",
            "minItems",
            "maxItems",
            "uniqueItems",
            "items",
            "required",
            "properties",
            "additionalProperties",
            "unevaluatedProperties",
            "allOf",
            "anyOf",
            "oneOf",
            "if",
            "then",
            "not",
        ];
        const SAYS_NOTHING: [&str; 9] = [
            "$schema",
            "$defs",
            "title",
            "description",
            "examples",
            "default",
            "deprecated",
            "format",
            "ServerSource",
        ];
        fn walk(schema: &Json) {
            for (keyword, value) in schema.as_object().into_iter().flatten() {
                assert!(
                    READ.contains(&keyword.as_str()) || SAYS_NOTHING.contains(&keyword.as_str()),
                    "{keyword}"
                );
                match (keyword.as_str(), value) {
                    ("properties" | "$defs", Json::Object(schemas)) => {
                        for (name, schema) in schemas {
                            match name.as_str() {
                                "ServerSource" => {
                                    schema
                                        .as_object()
                                        .into_iter()
                                        .flatten()
                                        .for_each(|(_, s)| walk(s));
                                }
                                _ => walk(schema),
                            }
                        }
                    }
                    ("allOf" | "anyOf" | "oneOf", Json::Array(parts)) => {
                        parts.iter().for_each(walk);
                    }
                    ("items" | "if" | "then" | "not", part) => walk(part),
                    _ => {}
                }
            }
        }
        walk(schema());
    }
}
