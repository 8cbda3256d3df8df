//! Rows of an answer as a text table, printed as they come.
//!
//! The first rows are held back until the widths of the columns are known; from then on memory use
//! is one batch.

use std::{
    io::{self, Write},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, make_array},
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};

use super::{Align, Cell, Column, Terminal, stdout_problem, table::Layout};
use crate::problem::{Problem, Result};

/// Rows that decide the widths.
const SAMPLE: usize = 1000;

/// Prints batches of one schema.
pub(crate) struct RowPrinter<'a> {
    terminal: &'a Terminal,
    /// Where to; text with styles.
    out: Box<dyn Write + 'a>,
    width: Option<usize>,
    schema: Option<SchemaRef>,
    held: Vec<Vec<Cell>>,
    layout: Option<Layout>,
    printed: u64,
    as_json: bool,
}

impl<'a> RowPrinter<'a> {
    /// Prints a table to stdout.
    pub(crate) fn table(terminal: &'a Terminal) -> Self {
        let out = anstream::AutoStream::auto(io::stdout());
        Self::to_writer(terminal, Box::new(out), terminal.width())
    }

    /// Prints a table to stdout, or a JSON object a row with `--json`.
    pub(crate) fn table_or_json(terminal: &'a Terminal) -> Self {
        Self { as_json: terminal.json, ..Self::table(terminal) }
    }

    /// Prints a table to `out`, fitted to `width`.
    pub(crate) fn to_writer(
        terminal: &'a Terminal,
        out: Box<dyn Write + 'a>,
        width: Option<usize>,
    ) -> Self {
        Self {
            terminal,
            out: Box::new(io::BufWriter::with_capacity(1 << 16, out)),
            width,
            schema: None,
            held: Vec::new(),
            layout: None,
            printed: 0,
            as_json: false,
        }
    }

    /// Tells the columns; needed when no batch may come.
    pub(crate) fn set_schema(&mut self, schema: SchemaRef) {
        self.schema = Some(schema);
    }

    /// Prints the rows of `batch`, or holds them back.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.printed += batch.num_rows() as u64;
        if self.as_json {
            return self.push_json(batch);
        }
        self.schema.get_or_insert_with(|| batch.schema());
        for row in cells(batch).map_err(|error| unprintable(&error))? {
            match &self.layout {
                Some(layout) => write(&mut self.out, &layout.row(&row))?,
                None => self.held.push(row),
            }
        }
        if self.layout.is_none() && self.held.len() >= SAMPLE {
            self.release()?;
        }
        Ok(())
    }

    fn push_json(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut writer = arrow::json::LineDelimitedWriter::new(&mut self.out);
        writer.write(batch).map_err(|error| match error {
            ArrowError::IoError(_, error) => stdout_problem(&error),
            error => unprintable(&error),
        })
    }

    /// Prints what was held back, and returns how many rows there were.
    pub(crate) fn finish(mut self) -> Result<u64> {
        if self.layout.is_none() && !self.as_json {
            self.release()?;
        }
        self.out.flush().map_err(|error| stdout_problem(&error))?;
        if let Some(hidden) = self.layout.as_ref().map(Layout::hidden).filter(|count| *count > 0) {
            let columns = super::human::counted(hidden as u64, "column");
            self.terminal
                .note(format!("{columns} did not fit: name fewer, or use --format ndjson"));
        }
        Ok(self.printed)
    }

    fn release(&mut self) -> Result<()> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let layout = Layout::new(columns(schema), &self.held, self.width);
        write(&mut self.out, &layout.header())?;
        for row in self.held.drain(..) {
            write(&mut self.out, &layout.row(&row))?;
        }
        self.layout = Some(layout);
        self.out.flush().map_err(|error| stdout_problem(&error))
    }
}

fn write(out: &mut impl Write, text: &str) -> Result<()> {
    out.write_all(text.as_bytes()).map_err(|error| stdout_problem(&error))
}

fn unprintable(error: &ArrowError) -> Problem {
    Problem::internal(format!("a value cannot be printed: {error}"))
}

fn columns(schema: &Schema) -> Vec<Column> {
    let column =
        |field: &arrow::datatypes::FieldRef| Column::new(field.name(), side(field.data_type()));
    schema.fields().iter().map(column).collect()
}

fn side(data_type: &DataType) -> Align {
    if data_type.is_numeric() { Align::Right } else { Align::Left }
}

fn cells(batch: &RecordBatch) -> Result<Vec<Vec<Cell>>, ArrowError> {
    let options = FormatOptions::default().with_null("NULL").with_display_error(false);
    let columns: Vec<ArrayRef> = batch.columns().iter().map(with_offset).collect();
    let formatters = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let mut line = Vec::with_capacity(formatters.len());
        for (column, formatter) in batch.columns().iter().zip(&formatters) {
            line.push(match column.is_null(row) {
                true => Cell::null(),
                false => Cell::new(formatter.value(row).try_to_string()?),
            });
        }
        rows.push(line);
    }
    Ok(rows)
}

/// Points in time are UTC; the formatter knows no names of time zones, only offsets.
fn with_offset(column: &ArrayRef) -> ArrayRef {
    let DataType::Timestamp(unit, Some(zone)) = column.data_type() else {
        return Arc::clone(column);
    };
    if zone.as_ref() != "UTC" {
        return Arc::clone(column);
    }
    let renamed = DataType::Timestamp(*unit, Some("+00:00".into()));
    let data = column.to_data().into_builder().data_type(renamed).build();
    data.map_or_else(|_| Arc::clone(column), make_array)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn batch(start: i64, rows: i64) -> RecordBatch {
        let numbers: Int64Array =
            (start..start + rows).map(|row| (row % 3 != 1).then_some(row)).collect();
        let texts: StringArray = (0..rows).map(|row| Some(format!("a\t{row}"))).collect();
        RecordBatch::try_from_iter([
            ("n", Arc::new(numbers) as ArrayRef),
            ("text", Arc::new(texts) as ArrayRef),
        ])
        .expect("columns of one length")
    }

    fn printed(batches: &[RecordBatch], schema: Option<SchemaRef>) -> String {
        let terminal = Terminal {
            json: false,
            quiet: true,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
        };
        let mut bytes = Vec::new();
        let mut printer = RowPrinter::to_writer(&terminal, Box::new(&mut bytes), None);
        if let Some(schema) = schema {
            printer.set_schema(schema);
        }
        for batch in batches {
            printer.push(batch).expect("printable");
        }
        printer.finish().expect("printable");
        anstream::adapter::strip_str(&String::from_utf8(bytes).expect("text")).to_string()
    }

    #[test]
    fn nulls_are_seen_and_numbers_are_flush_right() {
        insta::assert_snapshot!(printed(&[batch(9, 3)], None), @r"
           n  text
        ────  ────
           9  a\t0
        NULL  a\t1
          11  a\t2
        ");
    }

    #[test]
    fn points_in_time_are_printed_in_utc() {
        let times =
            TimestampMicrosecondArray::from(vec![1_357_020_000_000_000]).with_timezone("UTC");
        let batch = RecordBatch::try_from_iter([("at", Arc::new(times) as ArrayRef)]);
        assert!(printed(&[batch.expect("one column")], None).contains("2013-01-01T06:00:00Z"));
    }

    #[test]
    fn an_answer_without_rows_still_has_columns() {
        insta::assert_snapshot!(printed(&[], Some(batch(0, 0).schema())), @r"
        n  text
        ─  ────
        ");
    }

    #[test]
    fn a_long_answer_is_printed_whole_and_in_order() {
        let text = printed(&[batch(0, 999), batch(999, 5), batch(1004, 2000)], None);
        assert_eq!(text.lines().count(), 2 + 3004);
        assert!(text.lines().last().expect("rows").trim_start().starts_with("3003"));
    }
}
