//! The columns of a contract and what their types ask of values.

use std::collections::BTreeMap;

use lakebed_core::{
    ColumnName,
    contract::{ContractColumn, LogicalType, Number, TypeOptions, Value},
};

use super::{MAX_PATTERNS, NoteKind, Reader};
use crate::{
    pattern::Pattern,
    scalar,
    yaml::{Node, Tree, shown},
};

/// The integer types of Rust, which the standard's `format` names.
const INTEGERS: [&str; 10] = ["i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128"];

impl<'a> Reader<'a> {
    /// The columns of a table; names and places in the key are each given once.
    pub(super) fn columns(&mut self, list: &'a Node, path: &str) -> Vec<ContractColumn> {
        let mut columns = Vec::new();
        for (index, node) in list.items().iter().enumerate() {
            columns.push(self.column(node, &format!("{path}[{index}]"), false));
        }
        self.names_are_given_once(list, &columns);
        self.number_the_key(list, &mut columns);
        columns
    }

    fn column(&mut self, node: &'a Node, path: &str, is_nested: bool) -> ContractColumn {
        let logical_type = self.text(node, "logicalType").and_then(|word| word.parse().ok());
        let mut column = ContractColumn {
            name: self.text(node, "name").unwrap_or_default(),
            physical_name: self.text(node, "physicalName"),
            logical_type,
            physical_type: self.text(node, "physicalType"),
            required: self.flag(node, "required"),
            unique: self.flag(node, "unique"),
            primary_key: self.flag(node, "primaryKey").then_some(0),
            options: TypeOptions::default(),
            tags: self.words(node, "tags"),
            classification: self.text(node, "classification"),
            description: self.text(node, "description"),
            properties: Vec::new(),
            items: None,
        };
        for key in ["name", "physicalName"] {
            if let Some(given) = node.get(key)
                && let Some(Err(error)) = given.text().map(str::parse::<ColumnName>)
            {
                self.mistake(given.location, error.to_string(), None);
            }
        }
        self.take(node, "primaryKeyPosition");
        if let Some(options) = node.get("logicalTypeOptions") {
            let path = format!("{path}.logicalTypeOptions");
            column.options = match logical_type {
                Some(logical_type) => self.options(options, logical_type, &path),
                None => self.options_without_type(options, path),
            };
        }
        self.nested(node, &mut column, path);
        if is_nested && asks_something(&column) {
            let why = "rules for parts of a value are not checked".to_owned();
            self.explain(node.location, path, why);
        }
        column
    }

    fn nested(&mut self, node: &'a Node, column: &mut ContractColumn, path: &str) {
        if let Some(properties) = node.get("properties") {
            for (index, field) in properties.items().iter().enumerate() {
                let path = format!("{path}.properties[{index}]");
                column.properties.push(self.column(field, &path, true));
            }
        }
        if let Some(items) = node.get("items") {
            column.items = Some(Box::new(self.column(items, &format!("{path}.items"), true)));
        }
    }

    /// What may stand there depends on the type, so nothing may without one.
    fn options_without_type(&mut self, options: &Node, path: String) -> TypeOptions {
        if !options.entries().is_empty() {
            let message = "`logicalTypeOptions` say nothing without a `logicalType`".to_owned();
            self.mistake(options.location, message, Some("add `logicalType: …`".to_owned()));
            self.told.insert(path);
        }
        TypeOptions::default()
    }

    fn options(&mut self, node: &Node, logical_type: LogicalType, path: &str) -> TypeOptions {
        let mut options = TypeOptions::default();
        match logical_type {
            LogicalType::Integer | LogicalType::Number => {
                self.bounds(node, logical_type, &mut options);
                options.multiple_of = self.step(node);
                let format = node.get("format").and_then(Node::text);
                if logical_type == LogicalType::Integer
                    && format.is_some_and(|format| INTEGERS.contains(&format))
                {
                    options.integer = self.text(node, "format");
                }
            }
            LogicalType::Date | LogicalType::Time | LogicalType::Timestamp => {
                self.bounds(node, logical_type, &mut options);
                if let Some(Tree::Bool(is_zoned)) = node.get("timezone").map(|n| &n.tree) {
                    self.take(node, "timezone");
                    options.timezone = Some(*is_zoned);
                }
            }
            LogicalType::String => {
                (options.min_length, options.max_length) =
                    self.range(node, "minLength", "maxLength");
                options.pattern = self.pattern(node, &format!("{path}.pattern"));
            }
            LogicalType::Array => {
                (options.min_items, options.max_items) = self.range(node, "minItems", "maxItems");
            }
            LogicalType::Object | LogicalType::Boolean => {}
        }
        options
    }

    /// The four bounds, and whether anything is between them.
    fn bounds(&mut self, node: &Node, logical_type: LogicalType, options: &mut TypeOptions) {
        let low = self.bound(node, "minimum", logical_type);
        let above = self.bound(node, "exclusiveMinimum", logical_type);
        let high = self.bound(node, "maximum", logical_type);
        let below = self.bound(node, "exclusiveMaximum", logical_type);
        let mut is_empty = false;
        for (low, high, needs_room) in [
            (&low, &high, false),
            (&low, &below, true),
            (&above, &high, true),
            (&above, &below, true),
        ] {
            let (Some((_, low)), Some((_, high))) = (low, high) else { continue };
            is_empty |= low > high || (needs_room && low == high);
        }
        if is_empty {
            let message = "no value lies between these bounds".to_owned();
            self.mistake(node.location, message, None);
        }
        options.minimum = low.map(|(value, _)| value);
        options.exclusive_minimum = above.map(|(value, _)| value);
        options.maximum = high.map(|(value, _)| value);
        options.exclusive_maximum = below.map(|(value, _)| value);
    }

    /// A bound as it is written, and as a number that can be compared.
    fn bound(
        &mut self,
        node: &Node,
        key: &str,
        logical_type: LogicalType,
    ) -> Option<(Value, Number)> {
        let given = self.take(node, key)?;
        let value = given.value(self.source);
        let (number, expected) = match (logical_type, &value) {
            (LogicalType::Integer | LogicalType::Number, Value::Number { number }) => {
                return Some((value.clone(), *number));
            }
            (LogicalType::Integer | LogicalType::Number, Value::Text(_)) => {
                (None, "a number of at most 38 digits")
            }
            (LogicalType::Date, Value::Text(text)) => {
                (scalar::date(text).map(i64::from), "a date as in `2024-12-31`")
            }
            (LogicalType::Time, Value::Text(text)) => {
                (scalar::time(text), "a time as in `08:30:00`")
            }
            (_, Value::Text(text)) => (
                scalar::timestamp(text).map(|(micros, _)| micros),
                "a time as in `2024-12-31 08:30:00` or `2024-12-31T08:30:00+02:00`",
            ),
            // The shape has told.
            _ => return None,
        };
        if let Some(number) = number {
            return Some((value, Number::from(number)));
        }
        if !matches!(given.tree, Tree::Text(_)) || !is_numeric(logical_type) {
            let message = format!("`{}` is not {expected}", shown_value(&value));
            let hint = "bounds are written like that whatever `format` says of the data".to_owned();
            self.mistake(given.location, message, (!is_numeric(logical_type)).then_some(hint));
        }
        None
    }

    fn step(&mut self, node: &Node) -> Option<Number> {
        let given = self.take(node, "multipleOf")?;
        given.value(self.source).as_number()
    }

    /// Two lengths, the first of which is not the longer one. At least none is no rule.
    fn range(&mut self, node: &Node, least: &str, most: &str) -> (Option<u64>, Option<u64>) {
        let (low, high) = (self.count(node, least), self.count(node, most));
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            let message = format!("`{least}` is more than `{most}`: nothing is of that length");
            self.mistake(node.location, message, None);
        }
        (low.filter(|low| *low > 0), high)
    }

    pub(super) fn count(&mut self, node: &Node, key: &str) -> Option<u64> {
        let given = self.take(node, key)?;
        given.value(self.source).as_number().and_then(Number::to_u64)
    }

    /// An expression that can be run; why another cannot is a mistake, here and never later.
    pub(super) fn pattern(&mut self, node: &Node, path: &str) -> Option<String> {
        let given = self.take(node, "pattern")?;
        let text = given.text()?;
        self.pattern_count += 1;
        if self.pattern_count > MAX_PATTERNS {
            let message = format!("a contract has {MAX_PATTERNS} expressions at most");
            self.mistake(given.location, message, None);
            return None;
        }
        match Pattern::new(text) {
            Err(error) => {
                let hint = error.hint().to_owned();
                self.mistake(given.location, error.to_string(), Some(hint));
                None
            }
            Ok(pattern) => {
                if !pattern.is_anchored() {
                    let message = "the expression may match a part of the value: write `^…$` if it must match all of it";
                    self.note(given.location, path, NoteKind::Advice, message.to_owned());
                }
                Some(text.to_owned())
            }
        }
    }

    fn flag(&mut self, node: &Node, key: &str) -> bool {
        matches!(self.take(node, key).map(|value| &value.tree), Some(Tree::Bool(true)))
    }

    fn names_are_given_once(&mut self, list: &Node, columns: &[ContractColumn]) {
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let mut physical: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, (column, node)) in columns.iter().zip(list.items()).enumerate() {
            let place = node.get("name").unwrap_or(node).location;
            let is_again = names.insert(&column.name, index).is_some();
            if is_again || physical.insert(column.column(), index).is_some() {
                let name = if is_again { &column.name } else { column.column() };
                let message = format!("two columns are named `{}`", shown(name));
                self.mistake(place, message, None);
            }
        }
    }

    /// Places in the key are those that are given; columns without one follow in their order.
    fn number_the_key(&mut self, list: &Node, columns: &mut [ContractColumn]) {
        let mut taken: BTreeMap<u32, usize> = BTreeMap::new();
        for (index, column) in columns.iter_mut().enumerate() {
            if column.primary_key.is_none() {
                continue;
            }
            let Some(node) = list.items().get(index).and_then(|n| n.get("primaryKeyPosition"))
            else {
                continue;
            };
            let position = node.value(self.source).as_number().and_then(Number::to_u64);
            let Some(position) = position.and_then(|p| u32::try_from(p).ok()).filter(|p| *p > 0)
            else {
                continue;
            };
            column.primary_key = Some(position);
            if taken.insert(position, index).is_some() {
                let message = format!("two columns have place {position} in the primary key");
                self.mistake(node.location, message, None);
            }
        }
        let last = taken.keys().next_back().copied().unwrap_or(0);
        let unplaced = columns.iter_mut().filter(|column| column.primary_key == Some(0));
        for (column, position) in unplaced.zip(last.saturating_add(1)..) {
            column.primary_key = Some(position);
        }
    }
}

const fn is_numeric(logical_type: LogicalType) -> bool {
    matches!(logical_type, LogicalType::Integer | LogicalType::Number)
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::Text(text) => shown(text),
        other => other.to_string(),
    }
}

/// Whether a part of a value has rules of its own.
fn asks_something(column: &ContractColumn) -> bool {
    column.required || column.unique || column.primary_key.is_some() || !column.options.is_empty()
}
