//! `lakebed sql`: a statement, and its answer as it comes.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use arrow::{buffer::Buffer, ipc::reader::StreamDecoder};
use clap::{Args, ValueEnum, ValueHint};
use futures::TryStreamExt as _;
use lakebed_api::{ResolvedInput, SqlLimits, SqlRequest, media::SqlFormat};
use lakebed_client::ByteStream;
use lakebed_core::Selector;
use tokio::io::AsyncReadExt as _;

use crate::{
    app::App,
    atomic,
    connect::Session,
    output::{
        Plain, Terminal, human,
        line_ends::LineEnds,
        rows::RowPrinter,
        sink::{Failure, Out},
    },
    parameters,
    problem::{Exit, Problem, Result},
};

/// Ask in SQL.
///
/// The answer is printed as it comes; what it read, and when a newer version exists, is said on
/// stderr.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed sql 'SELECT origin, avg(temp) FROM nyc.weather GROUP BY origin'
  lakebed sql 'SELECT count(*) FROM nyc.\"weather@v1\"'
  lakebed sql 'SELECT * FROM nyc.planes WHERE year > $1 AND seats > $2' --param 2000 --param 300
  lakebed sql 'SELECT * FROM nyc.planes WHERE year > $since' --param since=2000
  lakebed sql -f report.sql -o report.parquet
  echo 'SHOW TABLES' | lakebed sql - --format csv

Parameters are numbers, true, false, null, or else text; --param '\"42\"' is the text 42.")]
pub(crate) struct SqlArgs {
    /// The statement; `-` reads it from standard input
    #[arg(value_name = "QUERY", required_unless_present = "file")]
    query: Option<String>,
    /// Read the statement from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "query", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// How to write the answer; by the name of the output file when unsaid, else a table
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write the answer to a file, which appears when it is complete
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// A value for `$name`, or for `$1`, `$2` … in order; may be given again
    #[arg(long = "param", value_name = "[NAME=]VALUE", allow_hyphen_values = true)]
    parameters: Vec<String>,
    /// Fail when the answer has more rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_rows: Option<u64>,
    /// Write the receipt of the answer to a file, for `lakebed replay`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    receipt: Option<PathBuf>,
    /// Fail when the answer's values have more bytes, in whatever format
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    max_bytes: Option<u64>,
    /// Fail when it takes longer
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    timeout: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    Csv,
    /// One document with columns, rows and what was read
    Json,
    /// An object a row
    Ndjson,
    /// An Arrow IPC stream
    Arrow,
    Parquet,
}

impl Format {
    /// What a file of that name is expected to hold.
    fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "arrow" | "arrows" | "ipc" => Some(Self::Arrow),
            "parquet" => Some(Self::Parquet),
            "txt" => Some(Self::Table),
            _ => None,
        }
    }

    /// What is asked of the lake; a table is made here, of Arrow.
    const fn on_the_wire(self) -> SqlFormat {
        match self {
            Self::Csv => SqlFormat::Csv,
            Self::Json => SqlFormat::Json,
            Self::Ndjson => SqlFormat::Ndjson,
            Self::Parquet => SqlFormat::Parquet,
            Self::Table | Self::Arrow => SqlFormat::Arrow,
        }
    }

    const fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }
}

pub(crate) async fn run(app: &App, args: SqlArgs) -> Result<Exit> {
    let format = choose_format(app, &args)?;
    let request = SqlRequest {
        sql: statement(app, &args).await?,
        params: parameters::parse(&args.parameters)?,
        limits: SqlLimits {
            max_rows: args.max_rows,
            max_bytes: args.max_bytes,
            timeout_ms: args.timeout.map(|seconds| seconds * 1000),
            ..SqlLimits::default()
        },
    };
    let started = Instant::now();
    let session = Session::open(app).await?;
    let out = Out::open(app, args.output.as_deref())?;
    let answer = session.client.sql(&request, format.on_the_wire()).await?;
    let row_count = match format {
        Format::Table => Some(print_table(&app.terminal, out, answer.bytes).await?),
        _ => {
            // On the wire lines end in CR LF; here other programs cut and count them.
            let line_ends = (format == Format::Csv).then(LineEnds::default);
            copy(out, answer.bytes, line_ends).await?;
            None
        }
    };
    if let Some(path) = &args.receipt {
        let receipt = session.client.receipt(&answer.statement_id).await?;
        let mut text = serde_json::to_vec_pretty(&receipt)
            .map_err(|error| Problem::internal(error.to_string()))?;
        text.push(b'\n');
        atomic::replace(&app.current.join(path), &text)?;
    }
    session.close().await;
    say_what_was_read(&app.terminal, row_count, started, &answer.resolved);
    Ok(Exit::Ok)
}

fn choose_format(app: &App, args: &SqlArgs) -> Result<Format> {
    let by_name = args.output.as_deref().and_then(Format::of_name);
    let fallback = if app.terminal.json { Format::Json } else { Format::Table };
    let format = args.format.or(by_name).unwrap_or(fallback);
    if format.is_binary() && args.output.is_none() && app.terminal.stdout_is_terminal {
        return Err(Problem::usage("a binary answer is not printed on a terminal")
            .hint("write it to a file with `-o answer.parquet`, or pipe it on"));
    }
    Ok(format)
}

/// Waiting for standard input can be interrupted like everything else.
async fn statement(app: &App, args: &SqlArgs) -> Result<String> {
    let text = match (&args.file, args.query.as_deref()) {
        (Some(path), _) => {
            let path = app.current.join(path);
            std::fs::read_to_string(&path).map_err(|error| Problem::io("read", &path, &error))?
        }
        (None, Some("-")) => {
            let mut text = String::new();
            let standard_input = Path::new("standard input");
            tokio::io::stdin()
                .read_to_string(&mut text)
                .await
                .map_err(|error| Problem::io("read", standard_input, &error))?;
            text
        }
        (None, query) => query.unwrap_or_default().to_owned(),
    };
    if text.trim().is_empty() {
        return Err(Problem::usage("the statement is empty")
            .hint("as in `lakebed sql 'SELECT 1'`; `SHOW TABLES` lists what there is"));
    }
    Ok(text)
}

async fn copy(out: Out, mut bytes: ByteStream, mut line_ends: Option<LineEnds>) -> Result<()> {
    out.fill(async |out| {
        while let Some(part) = bytes.try_next().await? {
            match &mut line_ends {
                Some(line_ends) => out.write_all(&line_ends.convert(&part)),
                None => out.write_all(&part),
            }
            .map_err(Failure::Write)?;
        }
        Ok(())
    })
    .await
}

async fn print_table(terminal: &Terminal, out: Out, bytes: ByteStream) -> Result<u64> {
    match out {
        Out::Stdout => decode(RowPrinter::table(terminal), bytes).await,
        // A file gets no colours and no terminal's width.
        out => {
            out.fill(async |out| {
                let plain = Box::new(Plain::new(out));
                let printer = RowPrinter::to_writer(terminal, plain, None);
                decode(printer, bytes).await.map_err(Failure::Answer)
            })
            .await
        }
    }
}

async fn decode(mut printer: RowPrinter<'_>, mut bytes: ByteStream) -> Result<u64> {
    let garbled = |error: &arrow::error::ArrowError| {
        Problem::internal(format!("the answer is not Arrow: {error}"))
    };
    let mut decoder = StreamDecoder::new();
    while let Some(part) = bytes.try_next().await? {
        let mut buffer = Buffer::from(part);
        while !buffer.is_empty() {
            if let Some(batch) = decoder.decode(&mut buffer).map_err(|error| garbled(&error))? {
                printer.push(&batch)?;
            }
        }
    }
    decoder.finish().map_err(|error| garbled(&error))?;
    if let Some(schema) = decoder.schema() {
        printer.set_schema(schema);
    }
    printer.finish()
}

fn say_what_was_read(
    terminal: &Terminal,
    row_count: Option<u64>,
    started: Instant,
    resolved: &[ResolvedInput],
) {
    let mut parts = Vec::new();
    parts.extend(row_count.map(|count| human::counted(count, "row")));
    parts.push(human::elapsed(started.elapsed()));
    let read: Vec<String> =
        resolved.iter().map(|input| format!("{}@v{}", input.dataset, input.version)).collect();
    if !read.is_empty() {
        parts.push(format!("read {}", read.join(", ")));
    }
    terminal.note(parts.join(" · "));
    for input in resolved.iter().filter(|input| input.newest > input.version) {
        let (dataset, version, newest) = (&input.dataset, input.version, input.newest);
        match input.reference.selector {
            Selector::Number(_) | Selector::Digest(_) => {
                terminal.note(format!("{dataset}: v{newest} is newer than v{version}"));
            }
            _ => terminal.note(format!(
                "{dataset}: v{newest} is newer than v{version}; {dataset}@latest reads it"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_says_the_format() {
        assert_eq!(Format::of_name(Path::new("x/y.PARQUET")), Some(Format::Parquet));
        assert_eq!(Format::of_name(Path::new("y.tar.gz")), None);
    }
}
