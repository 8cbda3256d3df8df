//! Rules that stand on their own: the standard's `quality`.

use std::collections::BTreeSet;

use lakebed_core::contract::{
    Check, ContractColumn, Must, Number, RowCheck, Rule, Severity, Threshold, Unit, Value,
};

use super::{Reader, nearest};
use crate::yaml::{Node, shown};

/// The standard's operators.
const OPERATORS: [&str; 8] = [
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
];

/// A rule as it stands in the document, and what it stands under.
pub(super) struct Entry<'e> {
    pub(super) node: &'e Node,
    pub(super) path: String,
    pub(super) column: Option<&'e str>,
    pub(super) columns: &'e [ContractColumn],
}

/// What becomes of an entry: a check and the words that name it, or why it is not enforced.
type ReadCheck = Result<(Check, String), String>;

impl<'a> Reader<'a> {
    /// The rules of all columns, then those of the table; within each in the document's order.
    pub(super) fn rules(
        &mut self,
        table: &'a Node,
        columns: &[ContractColumn],
        path: &str,
    ) -> Vec<Rule> {
        let mut rules = Vec::new();
        let properties = table.get("properties").map_or(&[][..], Node::items);
        for (index, (node, column)) in properties.iter().zip(columns).enumerate() {
            let path = format!("{path}.properties[{index}]");
            rules.extend(self.rules_of(node, Some(column.name.as_str()), columns, &path));
        }
        rules.extend(self.rules_of(table, None, columns, path));
        rules
    }

    fn rules_of(
        &mut self,
        node: &'a Node,
        column: Option<&str>,
        columns: &[ContractColumn],
        path: &str,
    ) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut ids = BTreeSet::new();
        let quality = node.get("quality").map_or(&[][..], Node::items);
        for (index, node) in quality.iter().enumerate() {
            if let Some(given) = node.get("id")
                && !ids.insert(given.text())
            {
                let message =
                    format!("two rules have the id `{}`", shown(given.text().unwrap_or("")));
                self.mistake(given.location, message, None);
            }
            let path = format!("{path}.quality[{index}]");
            rules.extend(self.rule(&Entry { node, path, column, columns }));
        }
        let relationships = node.get("relationships").map_or(&[][..], Node::items);
        for (index, node) in relationships.iter().enumerate() {
            let path = format!("{path}.relationships[{index}]");
            rules.extend(self.relationship(&Entry { node, path, column, columns }));
        }
        rules
    }

    /// One rule. Nothing of an entry that is not enforced is used, so that all of it is kept.
    fn rule(&mut self, entry: &Entry<'_>) -> Option<Rule> {
        let node = entry.node;
        let is_metric = node.get("metric").is_some();
        let kind = node.get("type").and_then(Node::text);
        let used = self.used_in_order.len();
        let read = match kind {
            Some("sql") => self.sql(entry),
            Some("library") => self.metric(entry),
            None if is_metric => self.metric(entry),
            Some("custom") => {
                let engine = node.get("engine").and_then(Node::text).unwrap_or("another engine");
                Err(format!("this is a rule for `{}`", shown(engine)))
            }
            _ => Err("this is a text for people".to_owned()),
        };
        match read {
            Err(why) => {
                self.use_no_more_than(used);
                if !why.is_empty() {
                    self.explain(node.location, &entry.path, why);
                }
                None
            }
            Ok((check, word)) => {
                self.take(node, "type");
                Some(self.named(entry, check, &word))
            }
        }
    }

    /// A rule's name is its `id`, or what it measures; under a column the column's name stands
    /// before it, and a number behind where the name is taken.
    pub(super) fn named(&mut self, entry: &Entry<'_>, check: Check, word: &str) -> Rule {
        let given = self.text(entry.node, "id");
        let word = given.as_deref().unwrap_or(word);
        let name = match entry.column {
            Some(column) => format!("{column}.{word}"),
            None => word.to_owned(),
        };
        let id = self.free_id(name);
        let severity = self.severity(entry);
        let described = self.text(entry.node, "description");
        let description = described.or_else(|| self.text(entry.node, "name"));
        let column = entry.column.map(str::to_owned);
        Rule { id, column, severity, check, description }
    }

    pub(super) fn free_id(&mut self, name: String) -> String {
        let mut id = name.clone();
        while self.rule_ids.contains_key(&id) {
            let count = self.rule_ids.entry(name.clone()).or_insert(1);
            *count += 1;
            id = format!("{name}.{count}");
        }
        self.rule_ids.insert(id.clone(), 1);
        id
    }

    fn severity(&mut self, entry: &Entry<'_>) -> Severity {
        let Some(given) = entry.node.get("severity") else { return Severity::Error };
        let severity = match given.text().unwrap_or_default().to_ascii_lowercase().as_str() {
            "info" => Severity::Info,
            "warning" | "warn" => Severity::Warning,
            "error" => Severity::Error,
            "critical" => Severity::Critical,
            other => {
                let path = format!("{}.severity", entry.path);
                let why = format!(
                    "`{}` is none of `info`, `warning`, `error`, `critical`, and counts as `error`",
                    shown(other)
                );
                self.explain(given.location, &path, why);
                return Severity::Error;
            }
        };
        self.take(entry.node, "severity");
        severity
    }

    fn sql(&mut self, entry: &Entry<'_>) -> ReadCheck {
        let must = self.must(entry)?;
        let query = entry.node.get("query").and_then(Node::text).unwrap_or_default();
        if query.trim().is_empty() {
            return Err(String::new());
        }
        self.take(entry.node, "query");
        let threshold = Threshold { must, unit: Unit::Rows };
        Ok((Check::Sql { query: query.to_owned(), threshold }, "sql".to_owned()))
    }

    fn metric(&mut self, entry: &Entry<'_>) -> ReadCheck {
        let metric = entry.node.get("metric").and_then(Node::text).unwrap_or_default();
        let known: &[&str] = match metric {
            "nullValues" | "rowCount" => &[],
            "missingValues" => &["missingValues"],
            "invalidValues" => &["validValues", "pattern"],
            "duplicateValues" => &["properties"],
            // The shape has told.
            _ => return Err(String::new()),
        };
        self.arguments_are_known(entry, metric, known)?;
        let unit = self.unit(entry)?;
        let must = self.must(entry)?;
        self.counts(entry, metric, &must, unit)?;
        let threshold = Threshold { must, unit };
        let check = match metric {
            "rowCount" => Check::RowCount { threshold },
            "duplicateValues" => self.duplicates(entry, threshold)?,
            _ => self.values(entry, metric, threshold)?,
        };
        for key in ["metric", "unit"] {
            self.take(entry.node, key);
        }
        Ok((check, metric.to_owned()))
    }

    /// A rule that was written with a key nobody reads would not do what was meant.
    fn arguments_are_known(
        &mut self,
        entry: &Entry<'_>,
        metric: &str,
        known: &[&'static str],
    ) -> Result<(), String> {
        let Some(arguments) = entry.node.get("arguments") else { return Ok(()) };
        for (key, ..) in arguments.entries() {
            if !known.contains(&key.as_str()) {
                let near = nearest(key, known.iter().copied());
                let hint = near.map_or_else(String::new, |near| format!("; is `{near}` meant?"));
                return Err(format!("`{metric}` has no argument `{}`{hint}", shown(key)));
            }
        }
        Ok(())
    }

    fn unit(&mut self, entry: &Entry<'_>) -> Result<Unit, String> {
        match entry.node.get("unit").and_then(Node::text) {
            None | Some("rows") => Ok(Unit::Rows),
            Some("percent") => Ok(Unit::Percent),
            Some(other) => Err(format!(
                "`{}` is no unit that is measured: `rows` and `percent` are",
                shown(other)
            )),
        }
    }

    /// Counts are compared with numbers, and rows are no part of rows.
    fn counts(
        &mut self,
        entry: &Entry<'_>,
        metric: &str,
        must: &Must,
        unit: Unit,
    ) -> Result<(), String> {
        if let Must::Be(value) | Must::NotBe(value) = must
            && value.as_number().is_none()
        {
            let message = format!("`{metric}` is a count, and {} is none", value.kind());
            self.mistake(entry.node.location, message, Some("write a number".to_owned()));
            return Err(String::new());
        }
        match metric == "rowCount" && unit == Unit::Percent {
            true => Err("the number of rows is always 100 percent of them".to_owned()),
            false => Ok(()),
        }
    }

    /// Rules about values: where none may be broken, each row that breaks one is to blame.
    fn values(
        &mut self,
        entry: &Entry<'_>,
        metric: &str,
        threshold: Threshold,
    ) -> Result<Check, String> {
        if entry.column.is_none() {
            return Err(format!("`{metric}` of which column? Let it stand under one"));
        }
        let all = match metric {
            "nullValues" => vec![RowCheck::NotNull],
            "missingValues" => {
                let tokens = self.list(entry, "missingValues").unwrap_or_default();
                vec![RowCheck::NotMissing(tokens)]
            }
            _ => {
                let mut all = Vec::new();
                all.extend(self.list(entry, "validValues").map(RowCheck::OneOf));
                if let Some(arguments) = entry.node.get("arguments") {
                    let path = format!("{}.arguments.pattern", entry.path);
                    let pattern = self.pattern(arguments, &path);
                    if arguments.get("pattern").is_some() && pattern.is_none() {
                        return Err(String::new());
                    }
                    all.extend(pattern.map(RowCheck::Pattern));
                }
                all
            }
        };
        if all.is_empty() {
            return Err("it does not say which values are valid: `arguments` may have \
                        `validValues` and `pattern`"
                .to_owned());
        }
        Ok(match threshold.allows_none() {
            true => Check::Row { all },
            false => Check::Metric { all, threshold },
        })
    }

    fn list(&mut self, entry: &Entry<'_>, key: &str) -> Option<Vec<Value>> {
        let list = self.take(entry.node.get("arguments")?, key)?;
        let Value::List(values) = list.value(self.source) else {
            let message = format!("`{key}` is a list of values");
            self.mistake(list.location, message, None);
            return None;
        };
        Some(values)
    }

    fn duplicates(&mut self, entry: &Entry<'_>, threshold: Threshold) -> Result<Check, String> {
        let given = entry.node.get("arguments").and_then(|arguments| arguments.get("properties"));
        let mut columns = Vec::new();
        for item in given.map_or(&[][..], Node::items) {
            columns.extend(self.column_named(item, entry.columns));
        }
        match (given, entry.column) {
            (Some(list), _) if columns.len() != list.items().len() => return Err(String::new()),
            (Some(list), _) if !columns.is_empty() => {
                self.use_node(list);
            }
            (_, Some(column)) => columns = vec![column.to_owned()],
            (_, None) => {
                return Err(
                    "it does not say which columns: `arguments` may have `properties`".to_owned()
                );
            }
        }
        let threshold = (!threshold.allows_none()).then_some(threshold);
        Ok(Check::Duplicates { columns, is_primary_key: false, threshold })
    }

    /// The column that a text names, by either of its names.
    pub(super) fn column_named(
        &mut self,
        node: &Node,
        columns: &[ContractColumn],
    ) -> Option<String> {
        let text = node.text().unwrap_or_default();
        let is_it = |column: &&ContractColumn| column.name == text || column.column() == text;
        if let Some(column) = columns.iter().find(is_it) {
            return Some(column.name.clone());
        }
        let near = self.guess(text, columns.iter().map(|column| column.name.as_str()));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        self.mistake(node.location, format!("there is no column `{}`", shown(text)), hint);
        None
    }

    /// The one operator; what is wrong with its shape has been told.
    fn must(&mut self, entry: &Entry<'_>) -> Result<Must, String> {
        let told = String::new;
        let given: Vec<&str> =
            OPERATORS.into_iter().filter(|key| entry.node.get(key).is_some()).collect();
        let [operator] = given[..] else { return Err(told()) };
        let node = self.take(entry.node, operator).ok_or_else(told)?;
        let value = node.value(self.source);
        let number = || value.as_number().ok_or_else(told);
        Ok(match operator {
            "mustBe" => Must::Be(value),
            "mustNotBe" => Must::NotBe(value),
            "mustBeGreaterThan" => Must::BeGreaterThan(number()?),
            "mustBeGreaterOrEqualTo" => Must::BeGreaterOrEqualTo(number()?),
            "mustBeLessThan" => Must::BeLessThan(number()?),
            "mustBeLessOrEqualTo" => Must::BeLessOrEqualTo(number()?),
            _ => {
                let (low, high) = self.pair(node, &value).ok_or_else(told)?;
                match operator {
                    "mustBeBetween" => Must::BeBetween(low, high),
                    _ => Must::NotBeBetween(low, high),
                }
            }
        })
    }

    fn pair(&mut self, node: &Node, value: &Value) -> Option<(Number, Number)> {
        let Value::List(values) = value else { return None };
        let [low, high] = &values[..] else { return None };
        let (low, high) = (low.as_number()?, high.as_number()?);
        if low >= high {
            let message = "the smaller number comes first".to_owned();
            self.mistake(node.location, message, None);
            return None;
        }
        Some((low, high))
    }
}
