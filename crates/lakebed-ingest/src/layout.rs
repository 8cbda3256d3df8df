//! The columns of several sources and of the dataset, brought together by name.
//!
//! A column's type is, in this order: declared by the user; the dataset's; that of the Parquet
//! sources that have it; inferred from text. Columns come in the order of the dataset, then in the
//! order of their first appearance.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use lakebed_core::{
    Column, CsvDecode, DataType, Decode, DecodeOptions, Field, SchemaChange, SchemaError,
    TableSchema,
};

use crate::{
    LocalSource, Refusal,
    cell::Verdict,
    parquet_in,
    refusal::shown,
    rows::{ColumnReading, NullTokens, Reading},
    sniff::{Sniffed, Text, sniff},
};

/// All sources and all columns.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) sources: Vec<Source>,
    pub(crate) columns: Vec<OutColumn>,
    null_tokens: Vec<String>,
}

/// A source and where its columns go.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// For each of the source's columns, its place in [`Layout::columns`].
    pub(crate) columns: Vec<usize>,
}

#[derive(Debug)]
pub(crate) enum Format {
    Text(Box<Text>),
    Parquet,
}

/// A column of the table.
#[derive(Debug, Clone)]
pub(crate) struct OutColumn {
    pub(crate) name: String,
    /// None where the type has to be inferred.
    pub(crate) known: Option<Known>,
}

#[derive(Debug, Clone)]
pub(crate) struct Known {
    data_type: DataType,
    declared: bool,
}

/// A layout whose types are settled.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) schema: TableSchema,
    pub(crate) changes: Vec<SchemaChange>,
    /// Per column of the layout.
    pub(crate) columns: Vec<SettledColumn>,
}

#[derive(Debug, Clone)]
pub(crate) struct SettledColumn {
    /// Its place in the schema.
    pub(crate) place: usize,
    pub(crate) data_type: DataType,
    reading: ColumnReading,
}

/// A source with the names and, where it states them, the types of its columns.
struct Seen {
    name: String,
    path: PathBuf,
    format: Format,
    columns: Vec<(String, Option<DataType>)>,
}

impl Layout {
    /// Looks at the head of every source.
    pub(crate) fn new(
        sources: &[LocalSource],
        options: &DecodeOptions,
        schema: Option<&TableSchema>,
    ) -> Result<Self, Refusal> {
        let seen: Vec<Seen> =
            sources.iter().map(|source| see(source, options)).collect::<Result<_, _>>()?;
        if seen.is_empty() {
            return Err(Refusal::new(Refusal::EMPTY_SOURCE, "no sources were given")
                .hint("name at least one file"));
        }
        check_none_missing(&seen)?;
        let columns = bring_together(&seen, options, schema)?;
        let places: HashMap<&str, usize> = columns
            .iter()
            .enumerate()
            .map(|(place, column)| (column.name.as_str(), place))
            .collect();
        let into_source = |Seen { name, path, format, columns }| {
            let columns = columns.iter().map(|(name, _)| places[name.as_str()]).collect();
            Source { name, path, format, columns }
        };
        let sources = seen.into_iter().map(into_source).collect();
        let layout = Self { sources, columns, null_tokens: null_tokens(options) };
        layout.check_text_can_hold()?;
        // Fail on what is known to fail before anything long begins.
        layout.settle(&vec![Verdict::Unknown; layout.columns.len()], schema)?;
        Ok(layout)
    }

    /// Whether every type is known without looking at rows.
    pub(crate) fn is_known(&self) -> bool {
        self.columns.iter().all(|column| column.known.is_some())
    }

    /// Fixes every type; `verdicts` speaks for the columns whose type is not known.
    pub(crate) fn settle(
        &self,
        verdicts: &[Verdict],
        schema: Option<&TableSchema>,
    ) -> Result<Settled, Refusal> {
        let data_type = |(column, verdict): (&OutColumn, &Verdict)| match &column.known {
            Some(known) => known.data_type.clone(),
            None => verdict.data_type(),
        };
        let types = self.columns.iter().zip(verdicts).map(data_type);
        let fields: Vec<Field> =
            self.columns.iter().zip(types).map(|(c, t)| Field::optional(&c.name, t)).collect();
        let (schema, changes) = match schema {
            None => (TableSchema::first(fields).map_err(mismatch)?, Vec::new()),
            Some(schema) => schema.evolve(&fields).map_err(mismatch)?,
        };
        let fields = schema.fields.iter().enumerate();
        let places: HashMap<&str, usize> =
            fields.map(|(place, field)| (field.name.as_str(), place)).collect();
        let settled = |(column, verdict): (&OutColumn, &Verdict)| {
            let place = *places
                .get(column.name.as_str())
                .expect("the schema has every column that was given to it");
            let data_type = schema.fields[place].data_type.clone();
            let reading = match &column.known {
                Some(Known { declared, .. }) => {
                    ColumnReading::Typed { data_type: data_type.clone(), declared: *declared }
                }
                None => ColumnReading::Guessed(verdict.clone()),
            };
            SettledColumn { place, data_type, reading }
        };
        let columns: Vec<SettledColumn> = self.columns.iter().zip(verdicts).map(settled).collect();
        Ok(Settled { schema, changes, columns })
    }

    /// How the text of a source is read; none for other formats.
    pub(crate) fn reading(
        &self,
        source: usize,
        settled: &Settled,
        longest_record: usize,
    ) -> Option<Reading> {
        let source = &self.sources[source];
        let Format::Text(text) = &source.format else { return None };
        Some(Reading {
            dialect: text.dialect,
            nulls: NullTokens::new(&self.null_tokens),
            columns: source.columns.iter().map(|c| settled.columns[*c].reading.clone()).collect(),
            longest_record,
        })
    }

    /// The names and types of a source's columns, in its order.
    pub(crate) fn typed_columns(
        &self,
        source: usize,
        settled: &Settled,
    ) -> Vec<(String, DataType)> {
        let typed = |column: &usize| {
            (self.columns[*column].name.clone(), settled.columns[*column].data_type.clone())
        };
        self.sources[source].columns.iter().map(typed).collect()
    }

    /// Everything needed to read a source again.
    pub(crate) fn decode(&self, source: usize, settled: &Settled) -> Decode {
        let source = &self.sources[source];
        let column = |place: &usize| {
            let OutColumn { name, known } = &self.columns[*place];
            Column {
                name: name.clone(),
                data_type: settled.columns[*place].data_type.clone(),
                declared: known.as_ref().is_some_and(|known| known.declared),
            }
        };
        let columns = source.columns.iter().map(column).collect();
        match &source.format {
            Format::Parquet => Decode::Parquet { columns },
            Format::Text(text) => Decode::Csv(CsvDecode {
                compression: text.compression,
                delimiter: text.dialect.delimiter.into(),
                quote: text.dialect.quote.into(),
                header: text.header,
                null_tokens: self.null_tokens.clone(),
                columns,
            }),
        }
    }

    fn check_text_can_hold(&self) -> Result<(), Refusal> {
        let texts = self.sources.iter().filter(|source| matches!(source.format, Format::Text(_)));
        for source in texts {
            for column in &source.columns {
                let OutColumn { name, known } = &self.columns[*column];
                let Some(Known { data_type, .. }) = known else { continue };
                if matches!(data_type, DataType::Struct(_) | DataType::List(_) | DataType::Map(..))
                {
                    let message = format!(
                        "column `{}` is {data_type}, which delimited text (`{}`) cannot hold",
                        shown(name),
                        shown(&source.name)
                    );
                    return Err(Refusal::new(Refusal::SCHEMA_MISMATCH, message)
                        .hint("ingest the text into a dataset of its own"));
                }
            }
        }
        Ok(())
    }
}

fn null_tokens(options: &DecodeOptions) -> Vec<String> {
    let mut tokens = options.null_tokens.clone();
    tokens.retain(|token| !token.is_empty());
    tokens.sort();
    tokens.dedup();
    tokens
}

fn see(source: &LocalSource, options: &DecodeOptions) -> Result<Seen, Refusal> {
    let (name, path) = (source.name.clone(), source.path.clone());
    Ok(match sniff(source, options)? {
        Sniffed::Parquet => {
            let columns = parquet_in::columns(source)?;
            let columns = columns.into_iter().map(|(name, t)| (name, Some(t))).collect();
            Seen { name, path, format: Format::Parquet, columns }
        }
        Sniffed::Text(text) => {
            let columns = text.names.names.iter().map(|name| (name.clone(), None)).collect();
            Seen { name, path, format: Format::Text(Box::new(text)), columns }
        }
    })
}

/// The first source sets the columns that every other must have.
fn check_none_missing(seen: &[Seen]) -> Result<(), Refusal> {
    let first = &seen[0];
    for other in &seen[1..] {
        let names: HashSet<&str> = other.columns.iter().map(|(name, _)| name.as_str()).collect();
        let missing: Vec<String> = first
            .columns
            .iter()
            .filter(|(name, _)| !names.contains(name.as_str()))
            .map(|(name, _)| format!("`{}`", shown(name)))
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "`{}` lacks {} of `{}`: {}",
                shown(&other.name),
                if missing.len() == 1 { "a column" } else { "columns" },
                shown(&first.name),
                listed(&missing)
            );
            return Err(Refusal::new(Refusal::SCHEMA_MISMATCH, message).hint(
                "sources of one ingest have the same columns; ingest others into a dataset of their own",
            ));
        }
    }
    Ok(())
}

/// At most ten of `things`, and how many more there are.
pub(crate) fn listed(things: &[String]) -> String {
    let (some, rest) = things.split_at(things.len().min(10));
    match rest.len() {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

fn bring_together(
    seen: &[Seen],
    options: &DecodeOptions,
    schema: Option<&TableSchema>,
) -> Result<Vec<OutColumn>, Refusal> {
    let mut columns: Vec<OutColumn> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, _) in seen.iter().flat_map(|source| &source.columns) {
        if !places.contains_key(name) {
            places.insert(name.clone(), columns.len());
            let declared = options.types.get(name).map(|t| (t.clone(), true));
            let inherited = schema.and_then(|schema| schema.field(name));
            let known =
                declared.or_else(|| inherited.map(|field| (field.data_type.clone(), false)));
            let known = known.map(|(data_type, declared)| Known { data_type, declared });
            columns.push(OutColumn { name: name.clone(), known });
        }
    }
    if let Some(unknown) = options.types.keys().find(|name| !places.contains_key(*name)) {
        let names: Vec<String> =
            columns.iter().map(|column| format!("`{}`", shown(&column.name))).collect();
        let message = format!("a type is declared for `{}`, which no source has", shown(unknown));
        return Err(Refusal::new(Refusal::UNKNOWN_COLUMN, message)
            .hint(format!("the columns are {}", listed(&names))));
    }
    for source in seen {
        for (name, stated) in &source.columns {
            if let Some(stated) = stated {
                take_stated(source, &mut columns[places[name]], stated)?;
            }
        }
    }
    Ok(columns)
}

/// Brings a type that a Parquet source states together with what is known of the column.
fn take_stated(source: &Seen, column: &mut OutColumn, stated: &DataType) -> Result<(), Refusal> {
    let Some(known) = &mut column.known else {
        column.known = Some(Known { data_type: stated.clone(), declared: false });
        return Ok(());
    };
    let given = without_ids(&known.data_type);
    if given == *stated || stated.widens_to(&given) {
        return Ok(());
    }
    if !known.declared && given.widens_to(stated) {
        known.data_type = stated.clone();
        return Ok(());
    }
    let message = format!(
        "column `{}` of `{}` is {stated}, expected {given}",
        shown(&column.name),
        shown(&source.name)
    );
    Err(Refusal::new(Refusal::SCHEMA_MISMATCH, message).hint(
        "types of Parquet columns are kept; cast the column where the file is made, or use a dataset of its own",
    ))
}

/// The type with all field ids 0 and everything nullable but map keys: what a source states.
fn without_ids(data_type: &DataType) -> DataType {
    let plain =
        |field: &Field| Field { id: 0, data_type: without_ids(&field.data_type), ..field.clone() };
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain).collect()),
        DataType::List(element) => DataType::List(Box::new(plain(element))),
        DataType::Map(key, value) => DataType::Map(Box::new(plain(key)), Box::new(plain(value))),
        flat => flat.clone(),
    }
}

fn mismatch(error: SchemaError) -> Refusal {
    let hint = match &error {
        SchemaError::Incompatible(changes) => hint_for(changes),
        _ => "rename the column where the file is made",
    };
    Refusal::new(Refusal::SCHEMA_MISMATCH, error.to_string()).hint(hint)
}

fn hint_for(changes: &[SchemaChange]) -> &'static str {
    let retyped = |change: &SchemaChange| matches!(change, SchemaChange::Retyped { .. });
    match changes.iter().any(retyped) {
        true => {
            "a type may only widen; ingest the file into a dataset of its own, or declare the type it has"
        }
        false => "columns may be added, not removed; ingest the file into a dataset of its own",
    }
}
