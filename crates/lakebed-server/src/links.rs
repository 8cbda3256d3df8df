//! Where things are: resources on this server; a file on this machine, in the object store it is in, or
//! on this server.
//!
//! A signed URL is a key to one file for whoever has it. It goes into an answer and nowhere else: no
//! log line, no error, no link that a page keeps.

use std::time::Duration;

use lakebed_api::{FileLink, Links, ResolvedVersion};
use lakebed_core::{
    DatasetName, DatasetRef, FileEntry, Selector, SourceEntry, StoredObject, VersionId,
};
use lakebed_service::{Seen, SeenProduct};
use url::Url;

use crate::{Access, AppState, problem::Result};

/// What belongs to a product. Before its first version there are neither rows nor a dataset to lead to;
/// rows are only for whoever may ask for some, the newest version for whoever may read all of it.
pub(crate) fn of_product(product: &SeenProduct) -> Links {
    let name = &product.name;
    let path = product_path(name);
    let below = |what: &str| format!("{path}/{what}");
    let mut found = links([("self", path.clone()), ("builds", below("builds"))]);
    if let Some(Seen { record, is_readable }) = &product.newest {
        found.extend(links([
            ("dataset", dataset_path(name)),
            ("versions", format!("{}/versions", dataset_path(name))),
        ]));
        if product.is_queried {
            found.extend(links([("rows", below("rows")), ("openapi", below("openapi.json"))]));
        }
        found.extend(newest(name, is_readable.then_some(record.number)));
    }
    found
}

/// What belongs to a dataset; its newest version only for whoever may read all of it.
pub(crate) fn of_dataset(name: &DatasetName, readable: Option<u64>) -> Links {
    let path = dataset_path(name);
    let mut links = links([("versions", format!("{path}/versions")), ("self", path)]);
    links.extend(newest(name, readable));
    links
}

/// What belongs to a version, for whoever may read all of it.
pub(crate) fn of_version(name: &DatasetName, number: u64) -> Links {
    let reference = DatasetRef::pinned(name.clone(), number);
    links([
        ("self", version_path(&reference)),
        ("dataset", dataset_path(name)),
        ("profile", format!("/v1/profiles?ref={reference}")),
    ])
}

/// What belongs to a version's profile.
pub(crate) fn of_profile(name: &DatasetName, number: u64) -> Links {
    let reference = DatasetRef::pinned(name.clone(), number);
    links([
        ("self", format!("/v1/profiles?ref={reference}")),
        ("version", version_path(&reference)),
    ])
}

/// What belongs to a version that another was computed from.
pub(crate) fn of_input(dataset: &DatasetName, version_id: VersionId) -> Links {
    let selector = Selector::Digest(version_id.object().to_string());
    links([("version", version_path(&DatasetRef { dataset: dataset.clone(), selector }))])
}

/// What belongs to a job.
pub(crate) fn of_job(id: &str) -> Links {
    links([("self", format!("/v1/jobs/{id}")), ("events", format!("/v1/jobs/{id}/events"))])
}

pub(crate) fn product_path(name: &DatasetName) -> String {
    format!("/v1/products/{}/{}", name.namespace(), name.name())
}

pub(crate) fn dataset_path(name: &DatasetName) -> String {
    format!("/v1/datasets/{}/{}", name.namespace(), name.name())
}

fn version_path(reference: &DatasetRef) -> String {
    format!("/v1/versions?ref={reference}")
}

fn newest(name: &DatasetName, readable: Option<u64>) -> Option<(String, String)> {
    let reference = DatasetRef::pinned(name.clone(), readable?);
    Some(("newest".to_owned(), version_path(&reference)))
}

fn links<const COUNT: usize>(links: [(&str, String); COUNT]) -> Links {
    links.map(|(name, path)| (name.to_owned(), path)).into()
}

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
