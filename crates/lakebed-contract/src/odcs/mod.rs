//! Contracts as people write them: YAML of the Open Data Contract Standard, 3.1 and before.
//!
//! Everything that the standard's schema allows is read. What Lakebed enforces becomes a part of the
//! [`Contract`]'s rules; what it does not is kept in it by its path, and a [`Note`] says so. What
//! cannot be meant is a [`Mistake`] with file, line and column, and all of them are told at once.

mod columns;
mod kept;
mod levels;
mod nearest;
mod quality;
mod relationships;
mod shape;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use lakebed_core::{
    DatasetName,
    contract::{Contract, Status},
};
use serde_saphyr::Location;

use crate::{
    value::MAX_PATTERNS,
    yaml::{self, Mistake, Node, shown},
};

pub(crate) use nearest::nearest;

/// How many levels a document may have: room for objects in objects, fourteen deep.
const MAX_DEPTH: usize = 32;
/// The most mistakes that are told of one file.
const MAX_MISTAKES: usize = 100;

/// A contract, and what there is to say about how it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadContract {
    /// The contract.
    pub contract: Contract,
    /// What of it is not enforced, in the order of lines.
    pub notes: Vec<Note>,
}

/// Something that was read and is no mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// The way there: `schema[0].quality[1]`.
    pub path: String,
    /// Whether somebody may take it for a rule that holds.
    pub kind: NoteKind,
    /// What is to say.
    pub message: String,
}

/// Whether somebody may take what a note speaks of for a rule that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    /// It looks like a rule, and nothing checks it.
    NotEnforced,
    /// It may not do what its author thinks.
    Advice,
    /// It is documentation, and kept.
    Kept,
}

/// Reads the contract of one table from `text`, a document of the standard.
///
/// A document may describe several tables; `object` is the name of the one that is meant. It may
/// be left out, or differ, where there is but one.
///
/// # Errors
/// All mistakes, in the order of lines, a hundred at most.
pub fn read_contract(
    file: &str,
    text: &str,
    object: Option<&str>,
) -> Result<ReadContract, Vec<Mistake>> {
    let root: Node = yaml::read(file, text, MAX_DEPTH).map_err(|mistake| vec![mistake])?;
    let mut reader = Reader::new(file, text);
    let mut contract = reader.contract(&root, object);
    for flaw in shape::check_shape(&root) {
        if !reader.told.iter().any(|path| is_below(&flaw.path, path)) {
            reader.mistake(flaw.location, flaw.message, flaw.hint);
        }
    }
    if !reader.mistakes.is_empty() {
        return Err(reader.all_mistakes());
    }
    contract.kept = reader.keep(&root);
    reader.notes.sort();
    Ok(ReadContract { contract, notes: reader.notes })
}

/// The dataset whose contract a file of the declared catalog is:
/// `datasets/<namespace>/<name>.odcs.yaml`.
///
/// # Errors
/// The mistake of a file in `datasets/` that is none.
pub fn dataset_of_file(file: &str) -> Result<DatasetName, Mistake> {
    let mistake = |message: String, hint: &str| {
        Mistake::at(file, Location::UNKNOWN, message, Some(hint.to_owned()))
    };
    let path = file.strip_prefix("datasets/").and_then(|path| path.strip_suffix(".odcs.yaml"));
    let Some((namespace, name)) = path.and_then(|path| path.split_once('/')) else {
        let message = "this is no contract of a dataset".to_owned();
        return Err(mistake(message, "contracts are `datasets/<namespace>/<name>.odcs.yaml`"));
    };
    DatasetName::new(namespace, name)
        .map_err(|error| mistake(error.to_string(), "folder and file are called like the dataset"))
}

/// Reads a document and remembers what of it found a place in the contract.
struct Reader<'a> {
    file: &'a str,
    source: &'a str,
    mistakes: Vec<Mistake>,
    notes: Vec<Note>,
    /// Nodes that are part of the contract, by address, and in the order they were used.
    used: HashSet<usize>,
    used_in_order: Vec<usize>,
    /// Paths below which the shape's own flaws say nothing new.
    told: BTreeSet<String>,
    /// Paths of which a note says why they are not enforced.
    explained: BTreeSet<String>,
    /// Expressions that were compiled.
    pattern_count: usize,
    /// Names of rules, and how often each was given.
    rule_ids: BTreeMap<String, u32>,
    /// All tables of the document.
    objects: &'a [Node],
    /// The place of the one that is meant among them.
    object_index: usize,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, source: &'a str) -> Self {
        Self {
            file,
            source,
            mistakes: Vec::new(),
            notes: Vec::new(),
            used: HashSet::new(),
            used_in_order: Vec::new(),
            told: BTreeSet::new(),
            explained: BTreeSet::new(),
            pattern_count: 0,
            rule_ids: BTreeMap::new(),
            objects: &[],
            object_index: 0,
        }
    }

    fn contract(&mut self, root: &'a Node, object: Option<&str>) -> Contract {
        for key in ["kind", "apiVersion"] {
            self.take(root, key);
        }
        let mut contract = Contract {
            id: self.text(root, "id").unwrap_or_default(),
            name: self.text(root, "name"),
            version: self.text(root, "version").unwrap_or_default(),
            status: Status::from(self.text(root, "status").unwrap_or_default()),
            tags: self.words(root, "tags"),
            owners: levels::owners(root),
            ..Contract::default()
        };
        self.version(root, &contract.version);
        if let Some(schema) = root.get("schema") {
            self.objects = schema.items();
        }
        if let Some(table) = self.choose_object(root, object) {
            self.object(table, &mut contract);
        } else {
            contract.object = object.unwrap_or_default().to_owned();
        }
        contract.freshness = self.freshness(root, &contract);
        let limit = self.max_quarantined(root);
        contract.max_quarantined = contract.max_quarantined.or(limit);
        contract
    }

    fn object(&mut self, table: &'a Node, contract: &mut Contract) {
        let path = format!("schema[{}]", self.object_index);
        contract.object = self.text(table, "name").unwrap_or_default();
        contract.description = self.text(table, "description");
        contract.tags.extend(self.words(table, "tags"));
        self.take(table, "logicalType");
        if let Some(properties) = table.get("properties") {
            contract.columns = self.columns(properties, &format!("{path}.properties"));
        }
        self.rule_ids = contract.all_rules().into_iter().map(|rule| (rule.id, 1)).collect();
        contract.rules = self.rules(table, &contract.columns, &path);
        contract.max_quarantined = self.max_quarantined(table);
    }

    /// The table that is meant: the one of that name, or the only one.
    fn choose_object(&mut self, root: &'a Node, name: Option<&str>) -> Option<&'a Node> {
        let objects = self.objects;
        let is_named = |object: &Node| {
            let names = ["name", "physicalName"].map(|key| object.get(key).and_then(Node::text));
            name.is_some() && names.contains(&name)
        };
        let place = root.get("schema").unwrap_or(root).location;
        let index = match (objects.iter().position(is_named), objects) {
            (Some(index), _) => index,
            (None, [_]) => 0,
            (None, []) => {
                let message = "no table is described, so nothing is promised of columns";
                self.note(place, "schema", NoteKind::Advice, message.to_owned());
                return None;
            }
            (None, _) => {
                let names: Vec<String> = objects
                    .iter()
                    .filter_map(|object| object.get("name").and_then(Node::text))
                    .map(|name| format!("`{}`", shown(name)))
                    .collect();
                let message =
                    format!("this describes {} tables: {}", names.len(), names.join(", "));
                let hint = match name {
                    Some(name) => format!("give one of them the name `{name}`"),
                    None => "say which one is meant".to_owned(),
                };
                self.mistake(place, message, Some(hint));
                return None;
            }
        };
        self.object_index = index;
        for (other, object) in objects.iter().enumerate().filter(|(other, _)| *other != index) {
            let message = "another table: its own contract says what holds of it".to_owned();
            let path = format!("schema[{other}]");
            self.explain(object.location, &path, message);
        }
        objects.get(index)
    }

    fn version(&mut self, root: &Node, version: &str) {
        if let Some(node) = root.get("version").filter(|_| crate::semver::parse(version).is_none())
        {
            let message = "the version is not of the form `1.2.3`: nobody can tell from it whether a change breaks consumers";
            self.note(node.location, "version", NoteKind::Advice, message.to_owned());
        }
    }

    /// The value of a key, which becomes part of the contract.
    fn take<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n Node> {
        let value = node.get(key)?;
        self.use_node(value);
        Some(value)
    }

    fn use_node(&mut self, node: &Node) {
        if self.used.insert(address(node)) {
            self.used_in_order.push(address(node));
        }
    }

    /// Forgets what was used after `count` nodes were: it belongs to nothing after all.
    fn use_no_more_than(&mut self, count: usize) {
        for address in self.used_in_order.drain(count..) {
            self.used.remove(&address);
        }
    }

    /// A text that becomes part of the contract; none where it is no text, which the shape tells.
    fn text(&mut self, node: &Node, key: &str) -> Option<String> {
        self.take(node, key).and_then(Node::text).map(str::to_owned)
    }

    /// A list of texts that becomes part of the contract.
    fn words(&mut self, node: &Node, key: &str) -> BTreeSet<String> {
        let list = self.take(node, key).map_or(&[][..], Node::items);
        list.iter().filter_map(Node::text).map(str::to_owned).collect()
    }

    /// The word that was meant, as long as the mistake is told.
    fn guess<'w>(&self, word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
        if self.mistakes.len() > MAX_MISTAKES { None } else { nearest(word, words) }
    }

    fn mistake(&mut self, location: Location, message: String, hint: Option<String>) {
        self.mistakes.push(Mistake::at(self.file, location, message, hint));
    }

    fn note(&mut self, location: Location, path: &str, kind: NoteKind, message: String) {
        let (line, column, path) = (location.line(), location.column(), path.to_owned());
        self.notes.push(Note { line, column, path, kind, message });
    }

    /// Says why something that looks like a rule is none.
    fn explain(&mut self, location: Location, path: &str, why: String) {
        self.explained.insert(path.to_owned());
        self.note(location, path, NoteKind::NotEnforced, format!("not enforced: {why}"));
    }

    fn all_mistakes(mut self) -> Vec<Mistake> {
        self.mistakes.sort();
        self.mistakes.dedup();
        let count = self.mistakes.len();
        if count > MAX_MISTAKES {
            self.mistakes.truncate(MAX_MISTAKES);
            let message = format!("there are {} more mistakes", count - MAX_MISTAKES);
            self.mistakes.push(Mistake::at(self.file, Location::UNKNOWN, message, None));
        }
        self.mistakes
    }
}

/// Whether `path` leads to what `above` leads to, or to a part of it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Which node this is: nodes do not move while a document is read.
fn address(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}
