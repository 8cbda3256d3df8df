//! Decodes files into a folder and says what came of it: `decode <folder> <file>…`.
//!
//! For measuring the decoder alone, without store and catalog.

use std::{path::PathBuf, time::Instant};

use lakebed_core::DecodeOptions;
use lakebed_ingest::{LocalSource, NoProgress, Request};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = PathBuf::from(arguments.next().ok_or("usage: decode <folder> <file>…")?);
    let sources: Vec<LocalSource> =
        arguments.map(|name| LocalSource { path: PathBuf::from(&name), name }).collect();
    let options = DecodeOptions::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::fs::create_dir_all(&out)?;
    let started = Instant::now();
    let decoded = lakebed_ingest::decode(Request {
        sources: &sources,
        options: &options,
        schema: None,
        base: None,
        out: &out,
        progress: &NoProgress,
        threads,
    });
    let elapsed = started.elapsed();
    let decoded = decoded.map_err(|refusal| {
        format!(
            "{} ({}; hint: {})",
            refusal,
            refusal.code,
            refusal.hint.clone().unwrap_or_default()
        )
    })?;
    for field in &decoded.schema.fields {
        println!("{}: {}", field.name, field.data_type);
    }
    for source in &decoded.sources {
        println!(
            "{}: {:?} {:?} {:?}",
            source.name, source.accepted, source.quarantined, source.skipped
        );
    }
    decoded.notes.iter().for_each(|note| println!("note: {note}"));
    let mut size_bytes = 0;
    for file in decoded.tables.iter().chain(&decoded.quarantine) {
        size_bytes += std::fs::metadata(&file.path)?.len();
        println!(
            "{}: {} rows, footer {} bytes",
            file.path.display(),
            file.row_count,
            file.footer_bytes
        );
    }
    println!("{size_bytes} bytes in {:.3} s", elapsed.as_secs_f64());
    Ok(())
}
