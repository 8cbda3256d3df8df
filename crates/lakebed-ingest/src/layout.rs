//! The columns of several sources and of the dataset, brought together by name.
//!
//! A column's type is, in this order: declared by the user; of text, what the rules expect; the dataset's; that of the Parquet
//! sources that have it; inferred from text. Columns come in the order of the dataset, then in the
//! order of their first appearance.

mod meet;

use std::{collections::HashMap, path::PathBuf};

use lakebed_core::{
    Column, CsvDecode, DataType, Decode, DecodeOptions, Field, JsonDecode, SchemaChange,
    SchemaError, TableSchema, XlsxDecode,
};

use meet::{Seen, bring_together, check_none_missing, check_width, see};

use crate::{
    LocalSource, Refusal, Request, Rules,
    cell::Verdict,
    encoding::Charset,
    infer::Tuning,
    json_in::{Json, JsonColumn, JsonReading},
    refusal::shown,
    rows::{ColumnReading, NullTokens, Reading},
    sniff::Text,
};

/// All sources and all columns.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) sources: Vec<Source>,
    pub(crate) columns: Vec<OutColumn>,
    null_tokens: Vec<String>,
    /// Whether columns have the ids of their names.
    by_name: bool,
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
    Json(Box<Json>),
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
    /// Whether text is read leniently.
    declared: bool,
    /// Whether only the rules say so, and a source that states its types knows better.
    expected: bool,
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

impl Layout {
    /// Looks at the head of every source, and through those whose columns may begin anywhere.
    pub(crate) fn new(request: Request<'_>, tuning: Tuning) -> Result<Self, Refusal> {
        let Request { sources, options, schema, by_name, rules, threads, progress, .. } = request;
        let mut seen = see_all(sources, options)?;
        for (seen, source) in seen.iter_mut().zip(sources) {
            if let Format::Json(json) = &mut seen.format {
                json.look_through(source, tuning, threads, progress)?;
                seen.columns = json.columns().map(|(name, _)| (name.to_owned(), None)).collect();
            }
        }
        Ok(Self { by_name, ..Self::of(seen, options, rules, schema)? })
    }

    /// The same from heads alone; none where heads do not tell.
    pub(crate) fn of_heads(
        sources: &[LocalSource],
        options: &DecodeOptions,
        rules: Option<&dyn Rules>,
        schema: Option<&TableSchema>,
    ) -> Result<Option<Self>, Refusal> {
        let seen = see_all(sources, options)?;
        match seen.iter().any(|seen| matches!(seen.format, Format::Json(_))) {
            true => Ok(None),
            false => Self::of(seen, options, rules, schema).map(Some),
        }
    }

    fn of(
        seen: Vec<Seen>,
        options: &DecodeOptions,
        rules: Option<&dyn Rules>,
        schema: Option<&TableSchema>,
    ) -> Result<Self, Refusal> {
        seen.iter().try_for_each(check_width)?;
        check_none_missing(&seen)?;
        let columns = bring_together(&seen, options, rules, schema)?;
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
        let layout = Self { sources, columns, null_tokens: null_tokens(options), by_name: false };
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
            None if self.by_name => (TableSchema::named(fields).map_err(mismatch)?, Vec::new()),
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
            comment: text.lead.comment,
            header: text.header_text.clone(),
            spelling: text.spelling,
            judges_quotes: text.sheet.is_none(),
            checking: None,
        })
    }

    /// How the records of a source of JSON are read; none for other formats.
    pub(crate) fn json_reading(
        &self,
        source: usize,
        settled: &Settled,
        longest_record: usize,
    ) -> Option<JsonReading> {
        let source = &self.sources[source];
        let Format::Json(json) = &source.format else { return None };
        let column = |(key, place): (&String, &usize)| JsonColumn {
            key: key.clone(),
            data_type: settled.columns[*place].data_type.clone(),
            declared: self.columns[*place].known.as_ref().is_some_and(|known| known.declared),
        };
        Some(JsonReading {
            form: json.form,
            columns: json.keys.iter().zip(&source.columns).map(column).collect(),
            nulls: NullTokens::new(&self.null_tokens),
            longest_record,
            checking: None,
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
        let columns: Vec<Column> = source.columns.iter().map(column).collect();
        match &source.format {
            Format::Parquet => Decode::Parquet { columns },
            Format::Json(json) => {
                let are_names = json.keys.iter().zip(&columns).all(|(key, c)| *key == c.name);
                Decode::Json(JsonDecode {
                    compression: json.compression,
                    form: json.form,
                    null_tokens: self.null_tokens.clone(),
                    keys: if are_names { Vec::new() } else { json.keys.clone() },
                    columns,
                })
            }
            Format::Text(text) if text.sheet.is_some() => {
                let sheet = text.sheet.as_ref();
                Decode::Xlsx(XlsxDecode {
                    sheet: sheet.map(|sheet| sheet.name.clone()).unwrap_or_default(),
                    range: sheet.map(|sheet| sheet.range.to_string()).unwrap_or_default(),
                    skip_rows: text.lead.skip_lines,
                    header: text.header,
                    repeated_headers: text.repeated_headers(),
                    spelling: text.spelling,
                    null_tokens: self.null_tokens.clone(),
                    columns,
                })
            }
            Format::Text(text) => Decode::Csv(CsvDecode {
                compression: text.compression,
                encoding: text.charset.map(Charset::name),
                delimiter: text.dialect.delimiter.into(),
                quote: text.dialect.quote.into(),
                header: text.header,
                skip_lines: text.lead.skip_lines,
                comment: text.lead.comment,
                repeated_headers: text.repeated_headers(),
                spelling: text.spelling,
                reader: CsvDecode::READER,
                null_tokens: self.null_tokens.clone(),
                columns,
            }),
        }
    }

    /// The name of a source's encoding.
    pub(crate) fn encoding(&self, source: usize) -> String {
        match &self.sources[source].format {
            Format::Text(text) => text.charset.map(Charset::name),
            Format::Json(_) | Format::Parquet => None,
        }
        .unwrap_or_else(|| Charset::UTF_8.to_owned())
    }

    /// What a user calls a line of a source: its number, or that of a sheet's row.
    pub(crate) fn place(&self, source: usize, line: u64) -> u64 {
        match &self.sources[source].format {
            Format::Text(text) => {
                text.sheet.as_ref().map_or(line, |sheet| sheet.numbers.row_of(line))
            }
            Format::Json(_) | Format::Parquet => line,
        }
    }

    /// Whether a source's bytes are told: those of binary formats are not.
    pub(crate) fn tells_bytes(&self, source: usize) -> bool {
        !matches!(&self.sources[source].format, Format::Text(text) if text.sheet.is_some())
    }

    /// What a record of a source must be so that it can be told apart from others.
    pub(crate) fn sound(&self, source: usize) -> &'static str {
        match &self.sources[source].format {
            Format::Json(_) => "one JSON object without a key that comes twice",
            Format::Text(_) | Format::Parquet => {
                "nothing between a closing quote and the delimiter"
            }
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

fn see_all(sources: &[LocalSource], options: &DecodeOptions) -> Result<Vec<Seen>, Refusal> {
    match sources {
        [] => Err(Refusal::new(Refusal::EMPTY_SOURCE, "no sources were given")
            .hint("name at least one file")),
        _ => sources.iter().map(|source| see(source, options)).collect(),
    }
}

fn null_tokens(options: &DecodeOptions) -> Vec<String> {
    let mut tokens = options.null_tokens.clone();
    tokens.retain(|token| !token.is_empty());
    tokens.sort();
    tokens.dedup();
    tokens
}

/// At most ten of `things`, and how many more there are.
pub(crate) fn listed(things: &[String]) -> String {
    let (some, rest) = things.split_at(things.len().min(10));
    match rest.len() {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
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
            "a type may only widen, unless it is declared: `--evolve 'retype COLUMN=TYPE'`; or ingest the file into a dataset of its own"
        }
        false => {
            "columns may be added; declare others with `--evolve 'rename OLD=NEW'` or `--evolve 'drop COLUMN'`, or ingest the file into a dataset of its own"
        }
    }
}
