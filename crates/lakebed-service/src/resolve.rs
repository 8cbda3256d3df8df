//! References to pinned versions, in one read of the catalog.

use std::sync::Arc;

use lakebed_catalog::{NotFound, ResolveOutcome};
use lakebed_core::{DatasetRef, FileEntry, Manifest, Selector, SourceEntry, StageName};
use lakebed_govern::Rights;

use crate::{
    Ctx, Error, Lake, Result, Snapshot, VersionRecord,
    access::{Refusal, check_queries, check_reads, forbidden, restricted},
    cache::InForce,
    live::{FoundFor, without_reason},
    reads::{Asked, Reading},
    rows::not_built,
};

/// How much to say of each version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What the catalog knows: no object is read.
    None,
    /// The manifest, files, originals and quarantine too. A live version may be in no files.
    Full,
    /// The same, for whoever is about to take the files: live versions are put into some.
    Files,
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
    /// Whether its digests are for the asker: not where policies keep parts of it from them.
    pub is_readable: bool,
    /// More of it, where that was asked for.
    pub detail: Option<VersionDetail>,
}

/// What a version is made of.
#[derive(Debug, Clone)]
pub struct VersionDetail {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its table files, in row order; none of a live version that is in no files.
    pub tables: Vec<FileEntry>,
    /// Its originals, in the order they were read.
    pub sources: Vec<SourceEntry>,
    /// The files of its quarantine.
    pub quarantine: Vec<FileEntry>,
}

/// References whose rows somebody asks for.
pub(crate) struct RowsFound {
    pub(crate) resolution: Resolution,
    pub(crate) rights: Rights,
    /// What decides about the asker.
    pub(crate) in_force: Arc<InForce>,
    /// What is declared, also where that decides nothing.
    pub(crate) known: Arc<InForce>,
}

impl Lake {
    /// Resolves `references` against one snapshot: all of them, or one error that names the first
    /// that means nothing. What a reference resolves to is made of digests, so it takes the right to
    /// read all of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] names the reference and says what there is instead; also for datasets
    /// that may not be discovered. [`Error::Forbidden`] for those that may not be read, or not all
    /// of which may.
    pub async fn resolve(
        &self,
        ctx: &Ctx,
        references: &[DatasetRef],
        detail: Detail,
    ) -> Result<Resolution> {
        if detail == Detail::None {
            return self.resolve_reads(ctx, references, detail).await;
        }
        // Whoever knows the files can read them without us: that is what is on record.
        let asked =
            Asked::Files { references: references.iter().map(ToString::to_string).collect() };
        let mut reading = Reading::begin(&self.inner.reads, ctx, asked)?;
        let answer = async {
            let resolution = self.resolve_reads(ctx, references, detail).await?;
            reading.tells_of(&resolution.versions).await?;
            Ok(resolution)
        };
        let answer = answer.await;
        reading.close(answer).await
    }

    async fn resolve_reads(
        &self,
        ctx: &Ctx,
        references: &[DatasetRef],
        detail: Detail,
    ) -> Result<Resolution> {
        let FoundFor { found, rights, known, .. } = self.find_for(ctx, references).await?;
        let mut resolution = self.describe(references, found, |reference, outcome| {
            refuse(check_reads(&rights, &reference.dataset), reference, outcome)?;
            refuse_unbuilt(&rights, &known, reference, outcome)
        })?;
        if detail == Detail::None {
            return Ok(resolution);
        }
        for resolved in &mut resolution.versions {
            let version = resolved.version.clone();
            resolved.version = match detail {
                Detail::Files => self.in_files(ctx, version).await?,
                _ => self.counted(version).await?,
            };
            resolved.detail = Some(self.version_detail(&resolved.version).await?);
        }
        // What a version was made of has digests, too.
        for detail in resolution.versions.iter_mut().filter_map(|version| version.detail.as_mut()) {
            detail.manifest.inputs.retain(|input| rights.reads(&input.dataset));
        }
        Ok(resolution)
    }

    /// The same for reading rows alone, with what is in force: whoever may not see all of a table
    /// may name it, but by no digest.
    pub(crate) async fn resolve_rows(
        &self,
        ctx: &Ctx,
        references: &[DatasetRef],
    ) -> Result<RowsFound> {
        let FoundFor { found, rights, in_force, known } = self.find_for(ctx, references).await?;
        let check = |reference: &DatasetRef, outcome: &ResolveOutcome| {
            let dataset = &reference.dataset;
            refuse(check_queries(&rights, dataset), reference, outcome)?;
            refuse_unbuilt(&rights, &known, reference, outcome)?;
            match (&reference.selector, outcome) {
                (Selector::Digest(prefix), Ok(_) | Err(NotFound::AmbiguousDigest { .. }))
                    if rights.is_restricted(dataset) =>
                {
                    let (dataset, prefix) = (dataset.clone(), prefix.clone());
                    Err(not_found(reference, &NotFound::NoSuchDigest { dataset, prefix }))
                }
                _ => Ok(()),
            }
        };
        let mut resolution = self.describe(references, found, check)?;
        for version in &mut resolution.versions {
            version.is_readable = rights.reads(&version.reference.dataset);
        }
        Ok(RowsFound { resolution, rights, in_force, known })
    }

    /// The same for use cases that were allowed for another reason than reading.
    pub(crate) async fn resolve_unasked(&self, references: &[DatasetRef]) -> Result<Resolution> {
        let found = self.inner.catalog.resolve(references, &self.inner.default_stage).await?;
        self.describe(references, found, |_, _| Ok(()))
    }

    /// The same where a bare name means the head of `stage`, and live products are followed: why one
    /// cannot be computed is not told, as nobody was asked whether it may be.
    pub(crate) async fn resolve_at(
        &self,
        references: &[DatasetRef],
        stage: &StageName,
    ) -> Result<Resolution> {
        let found = self.find_at(references, stage).await.map_err(without_reason)?;
        self.describe(references, found, |_, _| Ok(()))
    }

    /// What was found, if `check` has nothing against it.
    pub(crate) fn describe(
        &self,
        references: &[DatasetRef],
        found: lakebed_catalog::Resolution,
        check: impl Fn(&DatasetRef, &ResolveOutcome) -> Result<()>,
    ) -> Result<Resolution> {
        let mut versions = Vec::with_capacity(references.len());
        for (reference, outcome) in references.iter().zip(found.versions) {
            check(reference, &outcome)?;
            let resolved = match outcome {
                Ok(resolved) => resolved,
                Err(why) => return Err(not_found(reference, &why)),
            };
            versions.push(ResolvedVersion {
                reference: reference.clone(),
                version: resolved.version,
                newest: resolved.newest,
                is_readable: true,
                detail: None,
            });
        }
        Ok(Resolution { snapshot: found.snapshot, versions })
    }

    pub(crate) async fn version_detail(&self, version: &VersionRecord) -> Result<VersionDetail> {
        let (store, cache) = (&self.inner.store, &self.inner.cache);
        let manifest = cache.manifest(store, version).await?;
        Ok(VersionDetail {
            tables: self.files_at_hand(version, &manifest).await?.unwrap_or_default(),
            sources: cache.sources(store, &manifest.sources).await?,
            quarantine: cache.tables(store, &manifest.quarantine).await?,
            manifest: (*manifest).clone(),
        })
    }
}

/// What is said instead of an outcome, if something is.
fn refuse(
    checked: Result<(), Refusal>,
    reference: &DatasetRef,
    outcome: &ResolveOutcome,
) -> Result<()> {
    match (checked, outcome) {
        (Ok(()), _) => Ok(()),
        // Even what is not there is told only to those who may know of it.
        (
            Err(Refusal::Forbidden(_) | Refusal::Restricted(_)),
            Err(NotFound::UnknownDataset { .. }),
        ) => Ok(()),
        (Err(Refusal::Forbidden(denied)), _) => Err(forbidden(&denied)),
        (Err(Refusal::Restricted(dataset)), _) => Err(restricted(&dataset)),
        (Err(Refusal::Hidden(why)), _) => Err(not_found(reference, &why)),
    }
}

/// A product that is declared is not nothing, to whoever may know of it.
fn refuse_unbuilt(
    rights: &Rights,
    known: &InForce,
    reference: &DatasetRef,
    outcome: &ResolveOutcome,
) -> Result<()> {
    match unbuilt(known, reference, outcome) {
        Some(error) if rights.discovers(&reference.dataset) => Err(error),
        _ => Ok(()),
    }
}

/// What is said of a reference to a product that is declared and has no version yet.
pub(crate) fn unbuilt(
    known: &InForce,
    reference: &DatasetRef,
    outcome: &ResolveOutcome,
) -> Option<Error> {
    let name = &reference.dataset;
    match (outcome, known.declared.products.get(name)) {
        (Err(NotFound::UnknownDataset { .. }), Some(product)) => Some(not_built(name, product)),
        _ => None,
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
