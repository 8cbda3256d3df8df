//! What an ingest builds on: the newest version of its dataset, if there is one.

use std::sync::Arc;

use lakebed_core::{DatasetKind, FormatName, IngestMode, Manifest, TableSchema};

use crate::{Error, IngestRequest, Lake, Result, VersionRecord};

/// The state of a dataset that an ingest plans on.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The newest version and its manifest; none for a dataset without versions.
    pub(crate) newest: Option<(VersionRecord, Arc<Manifest>)>,
    /// Whether the dataset exists.
    pub(crate) exists: bool,
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

/// The kind of version that `request` makes.
pub(crate) fn kind_of(request: &IngestRequest) -> DatasetKind {
    match request.options.format {
        Some(FormatName::Files) => DatasetKind::Files,
        _ => DatasetKind::Table,
    }
}

impl Lake {
    /// Reads what `request` builds on, committed but unpublished versions included.
    pub(crate) async fn ingest_target(&self, request: &IngestRequest) -> Result<Target> {
        let Some(state) = self.inner.catalog.newest_state(&request.dataset).await? else {
            return Ok(Target { newest: None, exists: false });
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
        Ok(Target { newest, exists: true })
    }
}
