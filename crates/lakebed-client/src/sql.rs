//! Statements: an answer as it comes, and what it read.

use http::HeaderMap;
use lakebed_api::{
    ResolvedInput, Snapshot, SqlRequest, decode_resolved,
    media::{self, SqlFormat},
    parse_snapshot,
};

use crate::{ByteStream, Client, ClientError, request::media_type, transport::bytes_of};

/// An answer to a statement.
pub struct SqlResponse {
    /// Names the statement in the logs.
    pub statement_id: String,
    /// What was read.
    pub snapshot: Snapshot,
    /// The versions that were read, in order of appearance.
    pub resolved: Vec<ResolvedInput>,
    /// The answer in the format asked for. Ends without an error only when it is whole; dropping it
    /// cancels the statement.
    pub bytes: ByteStream,
}

impl std::fmt::Debug for SqlResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlResponse")
            .field("statement_id", &self.statement_id)
            .field("snapshot", &self.snapshot)
            .field("resolved", &self.resolved)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Runs a statement. Returns once its first rows are there.
    ///
    /// # Errors
    /// [`ClientError`]; an error that comes later comes through the stream.
    pub async fn sql(
        &self,
        request: &SqlRequest,
        format: SqlFormat,
    ) -> Result<SqlResponse, ClientError> {
        let draft = self.post(&["v1", "sql"]).json(request);
        let response = draft.header("accept", format.media_type())?.compressible().send().await?;
        if media_type(&response) != format.media_type() {
            let found = media_type(&response);
            let what = format!("expected `{}`, found `{found}`", format.media_type());
            return Err(ClientError::protocol(what));
        }
        let (parts, body) = response.into_parts();
        Ok(SqlResponse {
            statement_id: header(&parts.headers, media::STATEMENT_ID, |id| Some(id.to_owned()))?,
            snapshot: header(&parts.headers, media::SNAPSHOT, parse_snapshot)?,
            resolved: header(&parts.headers, media::RESOLVED, decode_resolved)?,
            bytes: bytes_of(body),
        })
    }
}

fn header<T>(
    headers: &HeaderMap,
    name: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ClientError> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    text.and_then(parse)
        .ok_or_else(|| ClientError::protocol(format!("header `{name}` is missing or unreadable")))
}
