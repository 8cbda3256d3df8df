//! What somebody is told: all of it, and as it is written in the list.

use arrow::{
    array::{Array as _, RecordBatch},
    util::display::{ArrayFormatter, FormatOptions},
};
use axum::{Router, body::Body};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::BodyExt as _;
use lakebed_api::{BrokenStream, Problem};
use serde_json::Value;
use tower::ServiceExt as _;

use super::list::Request;

/// Hints that are the same whatever was asked: they stand in no expectation.
const USUAL_HINTS: [&str; 6] = [
    "use SELECT, WITH, VALUES, EXPLAIN, DESCRIBE or SHOW TABLES",
    "ask for less: fewer rows, columns or steps",
    "`lakebed ls` lists the datasets",
    "`lakebed access explain` says what you may do; grants come from who may admin the lake",
    "`lakebed resolve --files REF` lists the objects of a version",
    "write `EXPLAIN SELECT …`: it shows the logical plan and runs nothing",
];

/// Members of a document that differ from run to run.
const VARYING: [&str; 12] = [
    "at",
    "committed_at",
    "content_id",
    "created_at",
    "ingest_key",
    "lake",
    "next_after",
    "seq",
    "server_version",
    "size_bytes",
    "statement_id",
    "version_id",
];

pub(super) struct Told {
    status: u16,
    media_type: String,
    headers: String,
    body: Vec<u8>,
    /// Why it broke off.
    broken: Option<Problem>,
}

pub(super) async fn ask(router: &Router, request: &Request) -> Told {
    let body = request.body.as_ref().map(Value::to_string);
    let mut built = http::Request::builder().method(&*request.method).uri(&request.path);
    built = built.header("host", "localhost");
    if let Some(accept) = &request.accept {
        built = built.header("accept", accept);
    }
    if body.is_some() {
        built = built.header("content-type", "application/json");
    }
    let built = built.body(Body::from(body.unwrap_or_default())).unwrap();
    let response = router.clone().oneshot(built).await.unwrap();
    let (parts, mut rest) = response.into_parts();
    let header = |name: &str| {
        let value = parts.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let (mut body, mut broken) = (Vec::new(), None);
    while let Some(frame) = rest.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(frame.data_ref().unwrap()),
            Err(error) => broken = Some(problem_in(&error)),
        }
    }
    let mut headers = String::new();
    for (name, value) in &parts.headers {
        headers += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    let resolved = URL_SAFE_NO_PAD.decode(header("lakebed-resolved")).unwrap();
    headers += std::str::from_utf8(&resolved).unwrap();
    let media_type = header("content-type").split(';').next().unwrap_or_default().to_owned();
    Told { status: parts.status.as_u16(), media_type, headers, body, broken }
}

fn problem_in(error: &axum::Error) -> Problem {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    loop {
        if let Some(BrokenStream(problem)) = cause.downcast_ref() {
            return (**problem).clone();
        }
        cause = cause.source().expect("a body breaks off with its problem");
    }
}

impl Told {
    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    /// Every byte of it that can be read, and what its bytes are in another form.
    pub(super) fn everything(&self) -> String {
        let broken = self.broken.as_ref().map(|problem| format!("{problem:?}"));
        let body = String::from_utf8_lossy(&self.body);
        let rows = self.rows().unwrap_or_default();
        format!("{}\n{body}\n{rows}\n{}", self.headers, broken.unwrap_or_default())
    }

    /// As it is written in the list.
    pub(super) fn shown(&self) -> String {
        // A `HEAD` is answered without a body.
        let is_problem = self.media_type == "application/problem+json" && !self.body.is_empty();
        if is_problem {
            return shown_problem(&serde_json::from_slice(&self.body).unwrap());
        }
        let mut shown = self.status.to_string();
        let body = match self.rows() {
            Some(rows) => rows,
            None if self.media_type == "application/json" => shown_json(&self.body),
            None => shown_lines(&self.body),
        };
        for part in [body.trim_end_matches('\n')].into_iter().filter(|part| !part.is_empty()) {
            shown += "\n";
            shown += part;
        }
        if let Some(problem) = &self.broken {
            shown += &format!("\n--- {}", shown_problem(problem));
        }
        shown
    }

    /// The rows of an answer that is no text, or no CSV: a line each, values with commas between.
    fn rows(&self) -> Option<String> {
        if self.broken.is_some() || self.status != 200 {
            return None;
        }
        match self.media_type.as_str() {
            "application/vnd.apache.arrow.stream" => {
                let reader = arrow::ipc::reader::StreamReader::try_new(self.body.as_slice(), None);
                Some(shown_batches(reader.unwrap()))
            }
            "application/vnd.apache.parquet" => {
                use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
                let bytes = bytes::Bytes::from(self.body.clone());
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
                Some(shown_batches(reader.build().unwrap()))
            }
            _ => None,
        }
    }
}

fn shown_problem(problem: &Problem) -> String {
    let Problem { status, code, detail, hint, .. } = problem;
    let hint = hint.iter().filter(|hint| !USUAL_HINTS.contains(&hint.as_str()));
    let hint: String = hint.map(|hint| format!("\nhint: {hint}")).collect();
    format!("{status} {code}\n{detail}{hint}")
}

/// The last words of an answer that broke off are told once.
fn shown_lines(body: &[u8]) -> String {
    const LAST_WORDS: &str = "{\"problem\":";
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    let lines = text.lines().map(|line| match line.starts_with(LAST_WORDS) {
        true => format!("{LAST_WORDS}\"…\"}}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shown_json(body: &[u8]) -> String {
    let mut value: Value = serde_json::from_slice(body).unwrap();
    blank(&mut value);
    format!("{value:#}")
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match VARYING.contains(&name.as_str()) {
                    true => *member = "…".into(),
                    false => blank(member),
                }
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(blank),
        _ => {}
    }
}

fn shown_batches(
    batches: impl Iterator<Item = Result<RecordBatch, arrow::error::ArrowError>>,
) -> String {
    let mut lines = Vec::new();
    for batch in batches {
        let batch = batch.unwrap();
        if lines.is_empty() {
            let names = batch.schema_ref().fields().iter().map(|field| field.name().clone());
            lines.push(names.collect::<Vec<_>>().join(","));
        }
        let options = FormatOptions::new();
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| (column, ArrayFormatter::try_new(column, &options).unwrap()))
            .collect();
        for row in 0..batch.num_rows() {
            let values = columns.iter().map(|(column, shown)| match column.is_null(row) {
                true => String::new(),
                false => shown.value(row).to_string(),
            });
            lines.push(values.collect::<Vec<_>>().join(","));
        }
    }
    lines.join("\n")
}
