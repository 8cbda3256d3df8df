//! References to pinned versions, in one read of the catalog.

use lakebed_catalog::{NotFound, ResolveOutcome};
use lakebed_core::{DatasetRef, FileEntry, Manifest, SourceEntry};

use crate::{
    Ctx, Error, Lake, Result, Snapshot, VersionRecord,
    access::{Refusal, check_reads, forbidden},
};

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
    /// that means nothing. What a reference resolves to is made of digests, so it takes the right to
    /// read.
    ///
    /// # Errors
    /// [`Error::NotFound`] names the reference and says what there is instead; also for datasets
    /// that may not be discovered. [`Error::Forbidden`] for those that may not be read.
    pub async fn resolve(
        &self,
        ctx: &Ctx,
        references: &[DatasetRef],
        detail: Detail,
    ) -> Result<Resolution> {
        let found = self.inner.catalog.resolve(references, &self.inner.default_stage).await?;
        let rights = self.rights(ctx).await?;
        self.describe(references, found, detail, |reference, outcome| {
            match (check_reads(&rights, &reference.dataset), outcome) {
                (Ok(()), _) => Ok(()),
                // Even what is not there is told only to those who may know of it.
                (Err(Refusal::Forbidden(_)), Err(NotFound::UnknownDataset { .. })) => Ok(()),
                (Err(Refusal::Forbidden(denied)), _) => Err(forbidden(&denied)),
                (Err(Refusal::Hidden(why)), _) => Err(not_found(reference, &why)),
            }
        })
        .await
    }

    /// The same for use cases that were allowed for another reason than reading.
    pub(crate) async fn resolve_unasked(&self, references: &[DatasetRef]) -> Result<Resolution> {
        let found = self.inner.catalog.resolve(references, &self.inner.default_stage).await?;
        self.describe(references, found, Detail::None, |_, _| Ok(())).await
    }

    async fn describe(
        &self,
        references: &[DatasetRef],
        found: lakebed_catalog::Resolution,
        detail: Detail,
        check: impl Fn(&DatasetRef, &ResolveOutcome) -> Result<()> + Send,
    ) -> Result<Resolution> {
        let mut versions = Vec::with_capacity(references.len());
        for (reference, outcome) in references.iter().zip(found.versions) {
            check(reference, &outcome)?;
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

pub(crate) fn not_found(reference: &DatasetRef, why: &NotFound) -> Error {
    let hint = match why {
        NotFound::UnknownDataset { .. } => "`lakebed ls` lists the datasets".to_owned(),
        NotFound::AmbiguousDigest { .. } => "give more digits".to_owned(),
        _ => format!("`lakebed history {}` lists its versions", reference.dataset),
    };
    Error::NotFound { message: why.to_string(), hint: Some(hint) }
}
