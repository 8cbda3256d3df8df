//! Where to read a file: on this machine, from the object store it is in, or from this server.
//!
//! A signed URL is a key to one file for whoever has it. It goes into an answer and nowhere else: no
//! log line, no error, no link that a page keeps.

use std::time::Duration;

use lakebed_api::{FileLink, ResolvedVersion};
use lakebed_core::{FileEntry, SourceEntry, StoredObject};
use url::Url;

use crate::{Access, AppState, problem::Result};

/// A Parquet file of a table or of a quarantine.
pub(crate) fn table_file(state: &AppState, file: &FileEntry) -> FileLink {
    FileLink { row_count: Some(file.row_count), ..link(state, file.object) }
}

/// An original, under the name it came with.
pub(crate) fn source_file(state: &AppState, source: &SourceEntry) -> FileLink {
    FileLink { name: Some(source.name.clone()), ..link(state, source.object) }
}

/// Puts signed URLs in place of paths on this server, where the lake is in an object store.
pub(crate) async fn sign(
    state: &AppState,
    version: &mut ResolvedVersion,
    lifetime: Duration,
) -> Result<()> {
    let sources = version.sources.iter_mut().flatten().map(|source| &mut source.file);
    for link in version.files.iter_mut().flatten().chain(sources) {
        let signed = state.lake.store().presign(link.object, lifetime).await;
        match signed.map_err(lakebed_service::Error::from)? {
            Some(url) => link.url = url.into(),
            // None of them can be signed.
            None => return Ok(()),
        }
    }
    Ok(())
}

fn link(state: &AppState, object: StoredObject) -> FileLink {
    let url = local_url(state, object).unwrap_or_else(|| format!("/v1/objects/{}", object.id));
    let StoredObject { id, size_bytes, .. } = object;
    FileLink { url, object: id, size_bytes, row_count: None, name: None }
}

fn local_url(state: &AppState, object: StoredObject) -> Option<String> {
    if state.access == Access::Remote {
        return None;
    }
    let path = std::path::absolute(state.lake.store().local_path(object.id)?).ok()?;
    Url::from_file_path(path).ok().map(String::from)
}
