//! Where to read a file: on this machine, or from this server.

use lakebed_api::FileLink;
use lakebed_core::{FileEntry, SourceEntry, StoredObject};
use url::Url;

use crate::{Access, AppState};

/// A Parquet file of a table or of a quarantine.
pub(crate) fn table_file(state: &AppState, file: &FileEntry) -> FileLink {
    FileLink { row_count: Some(file.row_count), ..link(state, file.object) }
}

/// An original, under the name it came with.
pub(crate) fn source_file(state: &AppState, source: &SourceEntry) -> FileLink {
    FileLink { name: Some(source.name.clone()), ..link(state, source.object) }
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
