//! A first contract, written from what a table is: to be read, corrected and signed by its producer.
//!
//! Only what holds of the data at hand becomes a rule, and of that only what is likely to be meant:
//! types, and columns without a hole. What is merely seen (a range, that nothing comes twice) is a
//! comment beside it, since the next delivery may differ. The same table gives the same text.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use lakebed_core::{
    DataType, DatasetName, Field, TableSchema,
    contract::{Number, Value},
};

/// What is known of a version's values; what is absent is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Rows.
    pub row_count: u64,
    /// By the column's name.
    pub columns: BTreeMap<String, ColumnProfile>,
}

/// What is known of a column's values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnProfile {
    /// Rows without a value.
    pub null_count: Option<u64>,
    /// Values that differ; counted, not estimated.
    pub distinct_count: Option<u64>,
    /// The smallest value.
    pub min: Option<Value>,
    /// The largest value.
    pub max: Option<Value>,
}

/// Writes a contract of the Open Data Contract Standard 3.1 for a table.
#[must_use]
pub fn infer_contract(
    dataset: &DatasetName,
    schema: &TableSchema,
    profile: Option<&Profile>,
) -> String {
    let mut writer = Writer { text: String::new(), profile };
    writer.head(dataset);
    for field in &schema.fields {
        writer.column(field);
    }
    writer.tail();
    writer.text
}

struct Writer<'a> {
    text: String,
    profile: Option<&'a Profile>,
}

impl Writer<'_> {
    fn line(&mut self, indent: usize, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{:indent$}{line}", "");
    }

    fn head(&mut self, dataset: &DatasetName) {
        let seen = match self.profile {
            Some(profile) => format!(" with {} rows", profile.row_count),
            None => String::new(),
        };
        self.text = format!(
            "\
# A first contract of {dataset}, written from a version{seen}.
# Comments say what was seen in it: make a rule of what must stay so.
apiVersion: v3.1.0
kind: DataContract
id: {dataset}
name: {name}
version: 0.1.0
status: draft
schema:
  - name: {name}
    physicalType: table
    properties:
",
            name = scalar(dataset.name()),
        );
    }

    fn tail(&mut self) {
        self.line(0, format_args!("customProperties:"));
        self.line(2, format_args!("- property: maxQuarantined"));
        self.line(4, format_args!("value: 1% # a version with more quarantined rows is refused"));
    }

    fn column(&mut self, field: &Field) {
        self.line(6, format_args!("- name: {}", scalar(&field.name)));
        self.types(8, &field.data_type);
        let (is_required, why) = self.is_required(field);
        if is_required {
            self.line(8, format_args!("required: true{why}"));
        }
        self.seen(field);
    }

    /// A column is required where the table says so, or where no row lacks it.
    fn is_required(&self, field: &Field) -> (bool, String) {
        let nulls =
            self.profile_of(field).and_then(|(rows, column)| Some((rows, column.null_count?)));
        match nulls {
            _ if field.required => (true, String::new()),
            Some((rows, 0)) if rows > 0 => (true, format!(" # no null among {rows} rows")),
            _ => (false, String::new()),
        }
    }

    fn profile_of(&self, field: &Field) -> Option<(u64, &ColumnProfile)> {
        let profile = self.profile?;
        profile.columns.get(&field.name).map(|column| (profile.row_count, column))
    }

    /// What is seen and no rule, as comments.
    fn seen(&mut self, field: &Field) {
        let Some((rows, column)) = self.profile_of(field) else { return };
        let mut seen = Vec::new();
        if let Some(nulls) = column.null_count.filter(|nulls| *nulls > 0) {
            seen.push(format!("{nulls} of {rows} rows have no value"));
        }
        if let (Some(min), Some(max)) = (&column.min, &column.max) {
            seen.push(format!("from {min} to {max}"));
        }
        match column.distinct_count {
            Some(count) if count == rows && rows > 1 && column.null_count == Some(0) => {
                seen.push("no value twice: `unique: true` or `primaryKey: true`?".to_owned());
            }
            Some(count) => seen.push(format!("{count} different values")),
            None => {}
        }
        if !seen.is_empty() {
            let seen = seen.join("; ");
            self.line(8, format_args!("# seen: {seen}"));
        }
    }

    /// Both types, and the parts of a nested one.
    fn types(&mut self, indent: usize, data_type: &DataType) {
        let logical = match data_type {
            DataType::Boolean => "boolean",
            DataType::Int | DataType::Long => "integer",
            DataType::Decimal { scale: 0, .. } => "integer",
            DataType::Float | DataType::Double | DataType::Decimal { .. } => "number",
            DataType::Date => "date",
            DataType::Time => "time",
            DataType::Timestamp | DataType::Timestamptz => "timestamp",
            DataType::String | DataType::Fixed(_) | DataType::Binary => "string",
            DataType::Struct(_) | DataType::Map(..) => "object",
            DataType::List(_) => "array",
        };
        self.line(indent, format_args!("logicalType: {logical}"));
        let physical = match data_type {
            DataType::Struct(_) => "struct".to_owned(),
            DataType::List(_) => "list".to_owned(),
            DataType::Map(..) => "map".to_owned(),
            DataType::Float => "real".to_owned(),
            flat => flat.to_string(),
        };
        self.line(indent, format_args!("physicalType: {}", scalar(&physical)));
        match data_type {
            DataType::Timestamp | DataType::Timestamptz => {
                let is_zoned = *data_type == DataType::Timestamptz;
                self.line(indent, format_args!("logicalTypeOptions:"));
                self.line(indent + 2, format_args!("timezone: {is_zoned}"));
            }
            DataType::Struct(fields) => {
                self.line(indent, format_args!("properties:"));
                for field in fields {
                    self.line(indent + 2, format_args!("- name: {}", scalar(&field.name)));
                    self.types(indent + 4, &field.data_type);
                }
            }
            DataType::List(element) => {
                self.line(indent, format_args!("items:"));
                self.types(indent + 2, &element.data_type);
            }
            _ => {}
        }
    }
}

/// A text as YAML reads it back: bare where nothing could mistake it, else in double quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 11] =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let is_bare = text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_bare {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            char if char.is_alphanumeric() => quoted.push(char),
            char => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(char));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// The numbers of a profile, as they are written in it.
impl ColumnProfile {
    /// A profile with a range of numbers.
    #[must_use]
    pub fn with_range(mut self, min: Number, max: Number) -> Self {
        (self.min, self.max) = (Some(Value::from(min)), Some(Value::from(max)));
        self
    }
}
