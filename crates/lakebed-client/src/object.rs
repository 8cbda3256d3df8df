//! Objects: bytes by their digest.

use std::ops::Range;

use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode, header};
use lakebed_core::ObjectId;

use crate::{ByteStream, Client, ClientError, transport::bytes_of};

/// Bytes of an object.
pub struct ObjectBytes {
    /// The length of the whole object.
    pub size_bytes: u64,
    /// Which bytes of it come.
    pub range: Range<u64>,
    /// The bytes. Ends without an error only when all of `range` came. The lake verified them when
    /// it read them; hash them to know that they are the object's.
    pub bytes: ByteStream,
}

impl std::fmt::Debug for ObjectBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectBytes")
            .field("size_bytes", &self.size_bytes)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Reads an object, or the part of it given; a range may end beyond the object's end, but not
    /// begin there.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn object(
        &self,
        object: ObjectId,
        range: Option<Range<u64>>,
    ) -> Result<ObjectBytes, ClientError> {
        let mut draft = self.get(&["v1", "objects", &object.to_string()]);
        if let Some(range) = &range {
            draft = draft.header("range", &range_header(range)?)?;
        }
        let (parts, body) = draft.send().await?.into_parts();
        let (sent, size_bytes) = match parts.status {
            StatusCode::PARTIAL_CONTENT => content_range(&parts.headers),
            _ => content_length(&parts.headers).map(|length| (0..length, length)),
        }
        .ok_or_else(|| ClientError::protocol("an object without its length"))?;
        let asked = range.unwrap_or(0..size_bytes);
        if sent != (asked.start..asked.end.min(size_bytes)) {
            return Err(ClientError::protocol("another range than the one asked for"));
        }
        let bytes = counted(bytes_of(body), sent.end - sent.start);
        Ok(ObjectBytes { size_bytes, range: sent, bytes })
    }
}

fn range_header(range: &Range<u64>) -> Result<String, ClientError> {
    if range.is_empty() {
        return Err(ClientError::protocol("an empty range cannot be asked for"));
    }
    Ok(format!("bytes={}-{}", range.start, range.end - 1))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `bytes 0-99/1000`.
fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let size: u64 = size.parse().ok()?;
    (first <= last && last < size).then_some((first..last + 1, size))
}

/// The same bytes; an error when they are not `expected` many.
pub(crate) fn counted(bytes: ByteStream, expected: u64) -> ByteStream {
    let state = (bytes, expected, false);
    stream::unfold(state, |(mut bytes, left, ended)| async move {
        if ended {
            return None;
        }
        match bytes.next().await {
            Some(Ok(part)) => match left.checked_sub(part.len() as u64) {
                Some(left) => Some((Ok(part), (bytes, left, false))),
                None => Some((
                    Err(ClientError::protocol("more bytes than announced")),
                    (bytes, 0, true),
                )),
            },
            Some(Err(error)) => Some((Err(error), (bytes, left, true))),
            None if left > 0 => {
                let error = ClientError::Broken { what: "bytes are missing", source: None };
                Some((Err(error), (bytes, left, true)))
            }
            None => None,
        }
    })
    .boxed()
}
