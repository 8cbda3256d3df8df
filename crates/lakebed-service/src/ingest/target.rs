//! What an ingest builds on: the newest version of its dataset, if there is one.

use std::sync::Arc;

use lakebed_core::{
    DatasetKind, FormatName, IngestMode, InputVersion, Manifest, ObjectId, TableSchema,
};

use crate::{
    Ctx, Detail, Error, IngestRequest, Lake, Result, VersionRecord,
    ingest::promise::{Promise, key_of},
};

/// The state of a dataset that an ingest plans on.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The newest version and its manifest; none for a dataset without versions.
    pub(crate) newest: Option<(VersionRecord, Arc<Manifest>)>,
    /// Whether the dataset exists.
    pub(crate) exists: bool,
    /// What is promised of it; none for kind `files`.
    pub(crate) promise: Option<Promise>,
    /// The version that it repairs.
    pub(crate) repaired: Option<InputVersion>,
}

impl Target {
    /// The dataset's own schema.
    pub(crate) fn schema(&self) -> Option<&TableSchema> {
        self.newest.as_ref().and_then(|(_, manifest)| manifest.schema.as_ref())
    }

    pub(crate) fn number(&self) -> u64 {
        self.newest.as_ref().map_or(0, |(version, _)| version.number)
    }

    /// The newest version, when the ingest adds to it.
    pub(crate) fn base(&self, mode: IngestMode) -> Option<&(VersionRecord, Arc<Manifest>)> {
        match mode {
            IngestMode::Append => self.newest.as_ref(),
            IngestMode::Replace => None,
        }
    }
}

impl Target {
    /// The versions that decide, besides the sources, what the new one is; sorted.
    pub(crate) fn inputs(&self) -> Vec<InputVersion> {
        let looked_into = self.promise.iter().flat_map(Promise::inputs);
        let mut inputs: Vec<InputVersion> = looked_into.chain(self.repaired.clone()).collect();
        inputs.sort();
        inputs.dedup();
        inputs
    }

    /// What of an ingest's key is neither source nor option.
    pub(crate) fn key(&self) -> Option<ObjectId> {
        key_of(self.promise.as_ref().map(|promise| promise.digest), &self.inputs())
    }
}

/// The kind of version that `request` makes.
pub(crate) fn kind_of(request: &IngestRequest) -> DatasetKind {
    match request.options.format {
        Some(FormatName::Files) => DatasetKind::Files,
        _ => DatasetKind::Table,
    }
}

impl Lake {
    /// The version that `request` repairs. What a version cites, and what is quarantined of one, is for
    /// those who may read it.
    async fn repaired(&self, ctx: &Ctx, request: &IngestRequest) -> Result<Option<InputVersion>> {
        let Some(reference) = &request.repairs else { return Ok(None) };
        let invalid = |message, hint: &str| {
            Err(Error::Invalid { code: "nothing-to-repair", message, hint: Some(hint.to_owned()) })
        };
        if reference.dataset != request.dataset || request.mode != IngestMode::Append {
            let message = format!("`{reference}` is repaired by adding to its own dataset");
            return invalid(message, "append to the dataset of the version");
        }
        let found = self.resolve(ctx, std::slice::from_ref(reference), Detail::None).await?;
        let Some(found) = found.versions.into_iter().next() else { return Ok(None) };
        if found.version.quarantined_count == 0 {
            let message = format!("no row of `{reference}` is quarantined");
            return invalid(message, "`lakebed quarantine` says which versions have such rows");
        }
        let version_id = found.version.version_id;
        Ok(Some(InputVersion { dataset: reference.dataset.clone(), version_id }))
    }

    /// Reads what `request` builds on, committed but unpublished versions included.
    pub(crate) async fn ingest_target(&self, ctx: &Ctx, request: &IngestRequest) -> Result<Target> {
        let promise = match kind_of(request) {
            DatasetKind::Table => self.promise(&request.dataset).await?,
            DatasetKind::Files => None,
        };
        let repaired = self.repaired(ctx, request).await?;
        let Some(state) = self.inner.catalog.newest_state(&request.dataset).await? else {
            return Ok(Target { newest: None, exists: false, promise, repaired });
        };
        let (found, wanted) = (state.kind, kind_of(request));
        if found != wanted {
            return Err(Error::Invalid {
                code: "kind-mismatch",
                message: format!(
                    "`{}` is of kind `{found}`, this ingest makes kind `{wanted}`",
                    request.dataset
                ),
                hint: Some(match found {
                    DatasetKind::Files => "add `--as files`, or name another dataset".to_owned(),
                    DatasetKind::Table => {
                        "leave out `--as files`, or name another dataset".to_owned()
                    }
                }),
            });
        }
        let newest = match state.newest {
            None => None,
            Some(version) => {
                let manifest = self.inner.cache.manifest(&self.inner.store, &version).await?;
                Some((version, manifest))
            }
        };
        Ok(Target { newest, exists: true, promise, repaired })
    }
}
