//! What of a document is no part of the rules: kept by its path, and said to be.

use std::collections::BTreeMap;

use lakebed_core::contract::Value;

use super::{NoteKind, Reader, address, is_below};
use crate::yaml::{Node, Tree};

/// Words of a path below which something may be taken for a rule.
const RULES: [&str; 8] = [
    "quality",
    "logicalTypeOptions",
    "slaProperties",
    "relationships",
    "roles",
    "required",
    "unique",
    "primaryKey",
];

/// Words at the end of a path that document a rule and are none.
const DOCUMENTATION: [&str; 11] = [
    "name",
    "description",
    "dimension",
    "businessImpact",
    "method",
    "tags",
    "authoritativeDefinitions",
    "customProperties",
    "driver",
    "valueExt",
    "id",
];

impl Reader<'_> {
    /// Everything that was not used, as far up as nothing below was, by its path.
    pub(super) fn keep(&mut self, root: &Node) -> BTreeMap<String, Value> {
        let mut kept = BTreeMap::new();
        self.keep_below(root, "", &mut kept);
        kept
    }

    fn keep_below(&mut self, node: &Node, path: &str, kept: &mut BTreeMap<String, Value>) {
        if self.used.contains(&address(node)) {
            return;
        }
        if !self.is_used_below(node) && !path.is_empty() {
            kept.insert(path.to_owned(), node.value(self.source));
            self.note_kept(node, path);
            return;
        }
        for (key, _, value) in node.entries() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.keep_below(value, &path, kept);
        }
        for (index, item) in node.items().iter().enumerate() {
            self.keep_below(item, &format!("{path}[{index}]"), kept);
        }
    }

    fn is_used_below(&self, node: &Node) -> bool {
        if self.used.contains(&address(node)) {
            return true;
        }
        match &node.tree {
            Tree::List(items) => items.iter().any(|item| self.is_used_below(item)),
            Tree::Map(entries) => entries.iter().any(|(.., value)| self.is_used_below(value)),
            _ => false,
        }
    }

    fn note_kept(&mut self, node: &Node, path: &str) {
        if self.explained.iter().any(|explained| is_below(path, explained)) {
            return;
        }
        if self.explained.iter().any(|explained| is_below(explained, path)) {
            // Something of it was spoken of already: the rest, part by part.
            for (index, item) in node.items().iter().enumerate() {
                self.note_kept(item, &format!("{path}[{index}]"));
            }
            for (key, _, value) in node.entries() {
                self.note_kept(value, &format!("{path}.{key}"));
            }
            return;
        }
        let mut words = path.split('.').map(|word| word.split('[').next().unwrap_or(word));
        let last = words.clone().next_back().unwrap_or_default();
        let is_rule = words.any(|word| RULES.contains(&word)) && !DOCUMENTATION.contains(&last);
        match is_rule {
            true => {
                let message = format!("not enforced: `{last}` is kept, and nothing checks it");
                self.note(node.location, path, NoteKind::NotEnforced, message);
            }
            false => {
                let message = format!("`{last}` is kept as documentation");
                self.note(node.location, path, NoteKind::Kept, message);
            }
        }
    }
}
