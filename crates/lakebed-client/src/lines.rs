//! Reading long work line by line.

use futures::TryStreamExt;
use lakebed_api::{Line, Progress};
use serde::de::DeserializeOwned;

use crate::{ByteStream, ClientError};

/// The longest line that is believed.
const MAX_LINE: usize = 64 << 20;

/// Reads lines until the last one; tells `on_progress` of the others.
///
/// # Errors
/// [`ClientError::Problem`] when the last line is one; [`ClientError::Broken`] when there is no
/// last line.
pub(crate) async fn read_lines<T: DeserializeOwned>(
    mut bytes: ByteStream,
    mut on_progress: impl FnMut(Progress),
) -> Result<T, ClientError> {
    let mut line = Vec::new();
    while let Some(part) = bytes.try_next().await? {
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.len() > MAX_LINE {
                return Err(ClientError::protocol("a line is longer than 64 MiB"));
            }
            if !line.ends_with(b"\n") {
                continue;
            }
            match parse(&line)? {
                Line::Progress(progress) => on_progress(progress),
                Line::Done(done) => return Ok(done),
                Line::Problem(problem) => return Err(ClientError::Problem(Box::new(problem))),
            }
            line.clear();
        }
    }
    Err(ClientError::Broken { what: "it has no last line", source: None })
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<Line<T>, ClientError> {
    serde_json::from_slice(line).map_err(|error| ClientError::protocol(error.to_string()))
}
