//! Where sources meet: the columns each has, and what each knows of them.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use lakebed_core::{DataType, DecodeOptions, Field, TableSchema};

use super::{Format, Known, OutColumn, listed};
use crate::{
    LocalSource, Refusal, Rules, json_in, parquet_in,
    refusal::shown,
    sniff::{Sniffed, sniff},
};

/// The most columns a source may have.
const MOST_COLUMNS: usize = 10_000;

/// A source with the names and, where it states them, the types of its columns.
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) columns: Vec<(String, Option<DataType>)>,
}

pub(super) fn see(source: &LocalSource, options: &DecodeOptions) -> Result<Seen, Refusal> {
    let (name, path) = (source.name.clone(), source.path.clone());
    Ok(match sniff(source, options)? {
        Sniffed::Parquet => {
            let columns = parquet_in::columns(source)?;
            let columns = columns.into_iter().map(|(name, t)| (name, Some(t))).collect();
            Seen { name, path, format: Format::Parquet, columns }
        }
        Sniffed::Json(json) => {
            Seen { name, path, format: Format::Json(Box::new(json)), columns: Vec::new() }
        }
        Sniffed::Text(text) => {
            let columns = text.names.names.iter().map(|name| (name.clone(), None)).collect();
            Seen { name, path, format: Format::Text(Box::new(text)), columns }
        }
    })
}

/// Each column costs memory while it is written, so there is an end to them.
pub(super) fn check_width(seen: &Seen) -> Result<(), Refusal> {
    let count = seen.columns.len();
    if count <= MOST_COLUMNS {
        return Ok(());
    }
    let message = format!(
        "`{}` has {count} columns, more than the {MOST_COLUMNS} a table can have",
        shown(&seen.name)
    );
    let hint = match &seen.format {
        Format::Text(text) if text.sheet.is_some() => {
            "name the cells of the table, as in `--range A1:F100`"
        }
        _ => "is it delimited text with line ends? keep anything else with `--as files`",
    };
    Err(Refusal::new(Refusal::TOO_MANY_COLUMNS, message).hint(hint))
}

/// The first source sets the columns that every other must have.
pub(super) fn check_none_missing(seen: &[Seen]) -> Result<(), Refusal> {
    let first = &seen[0];
    // A key that no record has is one that every record lacks.
    for other in seen[1..].iter().filter(|other| !matches!(other.format, Format::Json(_))) {
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

pub(super) fn bring_together(
    seen: &[Seen],
    options: &DecodeOptions,
    rules: Option<&dyn Rules>,
    schema: Option<&TableSchema>,
) -> Result<Vec<OutColumn>, Refusal> {
    let mut columns: Vec<OutColumn> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let jsons = seen.iter().filter_map(|source| match &source.format {
        Format::Json(json) => Some(json.as_ref()),
        Format::Text(_) | Format::Parquet => None,
    });
    let found = json_in::types(jsons.clone())?;
    for (name, _) in seen.iter().flat_map(|source| &source.columns) {
        if !places.contains_key(name) {
            places.insert(name.clone(), columns.len());
            let inherited = schema.and_then(|schema| schema.field(name)).map(|f| &f.data_type);
            let expected = rules.and_then(|rules| rules.type_of(name, inherited));
            let known = match (options.types.get(name), expected) {
                (Some(declared), _) => Some(Known::declared(declared)),
                (None, Some(expected)) => {
                    Some(Known { expected: true, ..Known::declared(&expected) })
                }
                (None, None) => inherited.or_else(|| found.get(name)).map(Known::plain),
            };
            columns.push(OutColumn { name: name.clone(), known });
        }
    }
    // Records of JSON may lack any key, and so all of them one that the dataset has.
    for field in schema.iter().filter(|_| jsons.clone().next().is_some()).flat_map(|s| &s.fields) {
        if !places.contains_key(&field.name) {
            places.insert(field.name.clone(), columns.len());
            let known = Some(Known::plain(&field.data_type));
            columns.push(OutColumn { name: field.name.clone(), known });
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

impl Known {
    fn plain(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), declared: false, expected: false }
    }

    fn declared(data_type: &DataType) -> Self {
        Self { declared: true, ..Self::plain(data_type) }
    }
}

/// Brings a type that a Parquet source states together with what is known of the column.
fn take_stated(source: &Seen, column: &mut OutColumn, stated: &DataType) -> Result<(), Refusal> {
    let Some(known) = &mut column.known else {
        column.known = Some(Known::plain(stated));
        return Ok(());
    };
    if known.expected {
        *known = Known::plain(stated);
        return Ok(());
    }
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
