//! Values that must stand in another table, too: the standard's `relationships`.

use lakebed_core::{
    DatasetName,
    contract::{Check, RelationshipTable, RelationshipTarget, Rule},
};

use super::{Reader, quality::Entry};
use crate::yaml::{Node, shown};

/// A column of a table, as a reference names it.
struct Reference<'t> {
    /// The file whose table it is; none for this one.
    file: Option<&'t str>,
    table: &'t str,
    column: &'t str,
}

impl<'t> Reference<'t> {
    /// `table.column`, or `schema/table/properties/column` after the file, if it is another.
    fn parse(text: &'t str) -> Option<Self> {
        let (file, path) = match text.split_once('#') {
            Some((file, path)) => (Some(file), path),
            None => (None, text),
        };
        if file.is_none()
            && !path.contains('/')
            && let Some((table, column)) = path.split_once('.')
        {
            return Some(Self { file, table, column });
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            ["schema", table, "properties", column] => Some(Self { file, table, column }),
            _ => None,
        }
    }
}

/// Whether a table or a column is called so, by any of its names.
fn is_called(node: &Node, name: &str) -> bool {
    let names = ["name", "physicalName", "id"];
    names.iter().any(|key| node.get(key).and_then(Node::text) == Some(name))
}

fn find<'n>(nodes: &'n [Node], name: &str) -> Option<&'n Node> {
    let by = |key: &str| nodes.iter().find(|node| node.get(key).and_then(Node::text) == Some(name));
    by("name").or_else(|| by("physicalName")).or_else(|| by("id"))
}

impl Reader<'_> {
    /// A rule that the columns of an entry refer to another table's.
    pub(super) fn relationship(&mut self, entry: &Entry<'_>) -> Option<Rule> {
        let mistakes = self.mistakes.len();
        let columns = match entry.column {
            Some(column) => Some(vec![column.to_owned()]),
            None => self.from(entry),
        };
        let to = self.to(entry);
        let (Some(columns), Some(to)) = (columns, to) else {
            if self.mistakes.len() == mistakes {
                let why = "it leads to no table of this lake".to_owned();
                self.explain(entry.node.location, &entry.path, why);
            }
            return None;
        };
        if columns.len() != to.columns.len() {
            let message = format!(
                "columns here: {}, there: {}; they must be as many",
                columns.len(),
                to.columns.len()
            );
            self.mistake(entry.node.location, message, None);
            return None;
        }
        for key in ["type", "from", "to"] {
            self.take(entry.node, key);
        }
        Some(self.named(entry, Check::Relationship { columns, to }, "relationship"))
    }

    /// The columns here. They are this table's.
    fn from(&mut self, entry: &Entry<'_>) -> Option<Vec<String>> {
        let mut columns = Vec::new();
        for node in texts(entry.node.get("from")?) {
            let reference = Reference::parse(node.text()?)?;
            let ours = self.objects.get(self.object_index)?;
            if reference.file.is_some() || !is_called(ours, reference.table) {
                let message = format!("`{}` is not this table", shown(reference.table));
                let name = ours.get("name").and_then(Node::text).unwrap_or_default();
                let hint = format!("columns here are `{}.…`", shown(name));
                self.mistake(node.location, message, Some(hint));
                return None;
            }
            columns.push(self.column_of(node, ours, reference.column)?);
        }
        Some(columns)
    }

    /// The table and the columns there. All of them are one table's.
    fn to(&mut self, entry: &Entry<'_>) -> Option<RelationshipTarget> {
        let mut target: Option<RelationshipTarget> = None;
        for node in texts(entry.node.get("to")?) {
            let reference = Reference::parse(node.text()?)?;
            let (table, column) = self.target(node, &reference)?;
            let target = target.get_or_insert_with(|| RelationshipTarget {
                table: table.clone(),
                columns: vec![],
            });
            if target.table != table {
                let message = "one relationship leads to one table".to_owned();
                self.mistake(node.location, message, Some("make two of it".to_owned()));
                return None;
            }
            target.columns.push(column);
        }
        target
    }

    fn target(&mut self, node: &Node, to: &Reference<'_>) -> Option<(RelationshipTable, String)> {
        if let Some(file) = to.file.filter(|file| !file.is_empty()) {
            return Some((table_of_file(file)?, to.column.to_owned()));
        }
        let objects = self.objects;
        let Some(object) = find(objects, to.table) else {
            // A dataset of the same namespace, if it is there: others know.
            return Some((RelationshipTable::Object(to.table.to_owned()), to.column.to_owned()));
        };
        let name = object.get("name").and_then(Node::text).unwrap_or(to.table).to_owned();
        let column = self.column_of(node, object, to.column)?;
        Some((RelationshipTable::Object(name), column))
    }

    fn column_of(&mut self, node: &Node, object: &Node, name: &str) -> Option<String> {
        let columns = object.get("properties").map_or(&[][..], Node::items);
        if let Some(column) = find(columns, name) {
            return column.get("name").and_then(Node::text).map(str::to_owned);
        }
        let table = object.get("name").and_then(Node::text).unwrap_or_default();
        let message = format!("`{}` has no column `{}`", shown(table), shown(name));
        let names = columns.iter().filter_map(|column| column.get("name").and_then(Node::text));
        let hint = self.guess(name, names).map(|near| format!("did you mean `{near}`?"));
        self.mistake(node.location, message, hint);
        None
    }
}

/// A text, or each text of a list.
fn texts(node: &Node) -> Vec<&Node> {
    if node.text().is_some() { vec![node] } else { node.items().iter().collect() }
}

/// `…/crm/customers.odcs.yaml` is the dataset `crm.customers`; without a folder it is in this
/// namespace. What is fetched from elsewhere is no table of this lake.
fn table_of_file(file: &str) -> Option<RelationshipTable> {
    if file.contains("://") {
        return None;
    }
    let path = file.strip_suffix(".odcs.yaml")?;
    let mut parts = path.rsplit('/');
    let name = parts.next()?;
    match parts.next().filter(|folder| !matches!(*folder, "" | "." | "..")) {
        None => Some(RelationshipTable::Object(name.to_owned())),
        Some(folder) => DatasetName::new(folder, name).ok().map(RelationshipTable::Dataset),
    }
}
