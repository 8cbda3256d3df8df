//! Rows that wait to be fetched: the chunks of results, shared by all who serve the lake.
//!
//! They lie under `tmp/results/<result>/<run>.<number>`. A result may be computed more than once, by
//! servers that do not know of each other: each run has files of its own, and a later run has a
//! greater name. Like uploads they are no part of the lake, are not synced, and are removed again:
//! whoever reads one says what it must hash to.

use bytes::Bytes;
use lakebed_core::ObjectId;

use crate::{Error, Found, Result, Store, error::blocking, key::RESULTS};

/// A result of which something waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingResult {
    /// Its name.
    pub result: String,
    /// How much of it waits, of all its runs together.
    pub size_bytes: u64,
}

impl Store {
    /// Lets a chunk wait. `result` is a word of letters and digits, `run` one of those and `-`.
    ///
    /// What is there already was written by the same run, whose answer was lost.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Unavailable`]; the chunk may then be there, whole.
    pub async fn keep_chunk(
        &self,
        result: &str,
        run: &str,
        number: u64,
        bytes: Bytes,
    ) -> Result<()> {
        let key = chunk_key(result, run, number);
        self.backend.create_waiting(&key, &bytes.into()).await.map(drop)
    }

    /// The chunk, verified.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`] if what is there is not `size_bytes` long, or does
    /// not hash to `digest`.
    pub async fn read_chunk(
        &self,
        result: &str,
        run: &str,
        number: u64,
        size_bytes: u64,
        digest: ObjectId,
    ) -> Result<Bytes> {
        let key = chunk_key(result, run, number);
        let found = self.backend.read_waiting(&key, 0..size_bytes).await?;
        let bytes = found.ok_or_else(|| Error::not_found(&key))?;
        let corrupt = |found| Err(Error::Corrupt { object: digest, found });
        if bytes.len() as u64 != size_bytes {
            return corrupt(Found::Size { expected: size_bytes, found: bytes.len() as u64 });
        }
        let (bytes, found) = blocking(move || {
            let found = ObjectId::of(&bytes);
            Ok((bytes, found))
        })
        .await?;
        if found == digest { Ok(bytes) } else { corrupt(Found::Bytes(found)) }
    }

    /// Removes the chunks of `run` and of the runs before it; those of later runs stay.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forget_runs(&self, result: &str, run: &str) -> Result<()> {
        self.forget_chunks(result, |found| found <= run).await
    }

    /// Removes everything that waits of `result`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forget_result(&self, result: &str) -> Result<()> {
        self.forget_chunks(result, |_| true).await
    }

    /// The results of which anything waits, by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn waiting_results(&self) -> Result<Vec<WaitingResult>> {
        let mut results: Vec<WaitingResult> = Vec::new();
        for listed in self.backend.list_waiting(RESULTS).await? {
            let below = listed.key.strip_prefix(RESULTS).and_then(|rest| rest.strip_prefix('/'));
            let Some((result, _)) = below.and_then(|below| below.split_once('/')) else { continue };
            match results.last_mut() {
                Some(last) if last.result == result => last.size_bytes += listed.size_bytes,
                _ => results.push(WaitingResult {
                    result: result.to_owned(),
                    size_bytes: listed.size_bytes,
                }),
            }
        }
        Ok(results)
    }

    async fn forget_chunks(&self, result: &str, is_meant: impl Fn(&str) -> bool) -> Result<()> {
        for listed in self.backend.list_waiting(&folder(result)).await? {
            let name = listed.key.rsplit('/').next().unwrap_or_default();
            let run = name.split_once('.').map_or(name, |(run, _)| run);
            if is_meant(run) {
                self.backend.remove_waiting(&listed.key).await?;
            }
        }
        Ok(())
    }
}

fn folder(result: &str) -> String {
    format!("{RESULTS}/{result}")
}

fn chunk_key(result: &str, run: &str, number: u64) -> String {
    format!("{RESULTS}/{result}/{run}.{number:06}")
}
