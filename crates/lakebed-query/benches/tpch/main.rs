//! TPC-H's 22 queries, once each, by one reader in a process of its own: what
//! `cargo xtask bench query` measures from outside. `tpch READER LAKE` prints what each took.
//!
//! | reader | reads by |
//! |---|---|
//! | `engine` | our engine, without a restriction |
//! | `restricted` | our engine, under the restrictions of `restriction` |
//! | `plain` | DataFusion alone, from the very same files |
//! | `verified` | DataFusion alone, but through the store that verifies what it reads |
//! | `by-hand` | DataFusion alone, restrictions written out in SQL |

mod engine;
mod lake;
mod plain;
mod queries;
mod restriction;

use std::{env, error::Error, path::Path, process::ExitCode, time::Instant};

use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use crate::{engine::Governed, lake::LakeFiles, plain::Plain};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Who reads.
enum Reader {
    Ours(Governed),
    DataFusion(Plain),
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [reader, lake] = words.as_slice() else {
        println!("usage: tpch READER LAKE; `cargo xtask bench query` does it");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    match runtime.block_on(run(reader, Path::new(lake))) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{reader}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(reader: &str, lake: &Path) -> Result<Value> {
    let files = LakeFiles::open(lake).await?;
    let reader = Reader::open(reader, files).await?;
    let mut report = serde_json::Map::new();
    for query in queries::all() {
        let start = Instant::now();
        let rows = reader.rows(query.sql).await;
        let wall_ms = start.elapsed().as_secs_f64() * 1000.0;
        let rows = rows.map_err(|error| format!("{}: {error}", query.name))?;
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        let answer =
            json!({ "wall_ms": wall_ms, "rows": count, "digest": queries::digest(&rows)? });
        report.insert(query.name.to_owned(), answer);
    }
    Ok(report.into())
}

impl Reader {
    async fn open(name: &str, files: LakeFiles) -> Result<Self> {
        Ok(match name {
            "engine" => Self::Ours(Governed::new(files, false)?),
            "restricted" => Self::Ours(Governed::new(files, true)?),
            "plain" => Self::DataFusion(Plain::new(&files, files.unverified()?, false).await?),
            "verified" => Self::DataFusion(Plain::new(&files, files.verified(), false).await?),
            "by-hand" => Self::DataFusion(Plain::new(&files, files.unverified()?, true).await?),
            unknown => return Err(format!("`{unknown}` is no reader").into()),
        })
    }

    async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        match self {
            Self::Ours(governed) => governed.rows(sql).await,
            Self::DataFusion(plain) => plain.rows(sql).await,
        }
    }
}
