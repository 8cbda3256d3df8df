//! References to pinned versions, in one read of the catalog.

use lakebed_catalog::NotFound;
use lakebed_core::{DatasetRef, FileEntry, Manifest, SourceEntry};

use crate::{Ctx, Error, Lake, Result, Snapshot, VersionRecord};

/// How much to say of each version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What the catalog knows: no object is read.
    None,
    /// The manifest, files, originals and quarantine too.
    Full,
}

/// References, resolved against one snapshot.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// The snapshot all of them were resolved against.
    pub snapshot: Snapshot,
    /// One per reference, in the order they were given.
    pub versions: Vec<ResolvedVersion>,
}

/// A reference and the version it means.
#[derive(Debug, Clone)]
pub struct ResolvedVersion {
    /// The reference.
    pub reference: DatasetRef,
    /// The version.
    pub version: VersionRecord,
    /// The number of the dataset's newest version.
    pub newest: u64,
    /// More of it, where that was asked for.
    pub detail: Option<VersionDetail>,
}

/// What a version is made of.
#[derive(Debug, Clone)]
pub struct VersionDetail {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its table files, in row order.
    pub tables: Vec<FileEntry>,
    /// Its originals, in the order they were read.
    pub sources: Vec<SourceEntry>,
    /// The files of its quarantine.
    pub quarantine: Vec<FileEntry>,
}

impl Lake {
    /// Resolves `references` against one snapshot: all of them, or one error that names the first
    /// that means nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] names the reference and says what there is instead.
    pub async fn resolve(
        &self,
        _ctx: &Ctx,
        references: &[DatasetRef],
        detail: Detail,
    ) -> Result<Resolution> {
        let found = self.inner.catalog.resolve(references, &self.inner.default_stage).await?;
        let mut versions = Vec::with_capacity(references.len());
        for (reference, outcome) in references.iter().zip(found.versions) {
            let resolved = match outcome {
                Ok(resolved) => resolved,
                Err(why) => return Err(not_found(reference, &why)),
            };
            let detail = match detail {
                Detail::None => None,
                Detail::Full => Some(self.version_detail(&resolved.version).await?),
            };
            versions.push(ResolvedVersion {
                reference: reference.clone(),
                version: resolved.version,
                newest: resolved.newest,
                detail,
            });
        }
        Ok(Resolution { snapshot: found.snapshot, versions })
    }

    pub(crate) async fn version_detail(&self, version: &VersionRecord) -> Result<VersionDetail> {
        let (store, cache) = (&self.inner.store, &self.inner.cache);
        let manifest = cache.manifest(store, version).await?;
        Ok(VersionDetail {
            tables: cache.tables(store, &manifest.tables).await?,
            sources: cache.sources(store, &manifest.sources).await?,
            quarantine: cache.tables(store, &manifest.quarantine).await?,
            manifest: (*manifest).clone(),
        })
    }
}

fn not_found(reference: &DatasetRef, why: &NotFound) -> Error {
    let hint = match why {
        NotFound::UnknownDataset { .. } => "`lakebed ls` lists the datasets".to_owned(),
        NotFound::AmbiguousDigest { .. } => "give more digits".to_owned(),
        _ => format!("`lakebed history {}` lists its versions", reference.dataset),
    };
    Error::NotFound { message: why.to_string(), hint: Some(hint) }
}
