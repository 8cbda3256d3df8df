//! What never changes need not be read twice: manifests and lists, by digest.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, Mutex},
};

use lakebed_catalog::{Catalog, Declaration};
use lakebed_core::{
    CatalogApplied, DatasetName, Declared, Derivation, FileEntry, KnownFields, ListRef, Manifest,
    ObjectId, Program, SourceEntry, SourceList, StoredObject, TableList,
    contract::{Contract, Findings},
    lineage::Lineage,
    policy::MaskKey,
};
use lakebed_store::Store;

use crate::{Error, Result, VersionRecord};

/// How many manifests and lists are kept; beyond it the cache starts anew.
const KEPT: usize = 4096;

/// Manifests and lists that were read and verified once. Only immutable things are in it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    manifests: Shelf<Manifest>,
    tables: Shelf<Vec<FileEntry>>,
    sources: Shelf<Vec<SourceEntry>>,
    contracts: Shelf<Contract>,
    derivations: Shelf<Derivation>,
    lineages: Shelf<Lineage>,
    programs: Shelf<Program>,
    findings: Shelf<Findings>,
    /// By the event that applied it: the same value may come to hold twice, for other tables.
    in_force: Shelf<InForce, u64>,
}

/// What is declared, and what the lake added when it came to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct InForce {
    /// The value.
    pub(crate) declared: Declared,
    /// The columns of each dataset when it came under a policy.
    pub(crate) known_fields: BTreeMap<DatasetName, KnownFields>,
    /// The key of masks that hash.
    pub(crate) mask_key: Option<MaskKey>,
    /// The digest of the value; none before the first apply.
    pub(crate) digest: Option<ObjectId>,
}

impl From<CatalogApplied> for InForce {
    fn from(applied: CatalogApplied) -> Self {
        let CatalogApplied { previous: _, digest, declared, known_fields, mask_key } = applied;
        Self { declared, known_fields, mask_key, digest: Some(digest) }
    }
}

#[derive(Debug)]
struct Shelf<T, K = ObjectId>(Mutex<HashMap<K, Arc<T>>>);

impl<T, K> Default for Shelf<T, K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T, K: Eq + Hash> Shelf<T, K> {
    fn find(&self, id: K) -> Option<Arc<T>> {
        self.lock().get(&id).cloned()
    }

    fn keep(&self, id: K, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(id, Arc::clone(&value));
        value
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Arc<T>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Cache {
    /// The manifest of `version`, verified.
    pub(crate) async fn manifest(
        &self,
        store: &Store,
        version: &VersionRecord,
    ) -> Result<Arc<Manifest>> {
        let id = version.manifest.id;
        if let Some(kept) = self.manifests.find(id) {
            return Ok(kept);
        }
        let bytes = store.get(&version.manifest).await?;
        let manifest =
            Manifest::from_bytes(&bytes).map_err(|error| unreadable("manifest", id, error))?;
        Ok(self.manifests.keep(id, manifest))
    }

    /// What came to hold by `declaration`.
    pub(crate) async fn in_force(
        &self,
        catalog: &Catalog,
        declaration: Declaration,
    ) -> Result<Arc<InForce>> {
        if let Some(kept) = self.in_force.find(declaration.seq) {
            return Ok(kept);
        }
        let applied = catalog.get_applied(declaration).await?;
        Ok(self.in_force.keep(declaration.seq, applied.into()))
    }

    /// The contract that is kept under its digest, verified.
    pub(crate) async fn contract(
        &self,
        store: &Store,
        catalog: &Catalog,
        id: ObjectId,
    ) -> Result<Arc<Contract>> {
        if let Some(kept) = self.contracts.find(id) {
            return Ok(kept);
        }
        let object = catalog.find_object(id).await?.ok_or_else(|| Error::Corrupt {
            object: id,
            why: "no event names this contract".to_owned(),
        })?;
        let bytes = store.get(&object).await?;
        let text = std::str::from_utf8(&bytes).map_err(serde::de::Error::custom);
        let contract = text
            .and_then(Contract::from_json)
            .map_err(|error| unreadable("contract", id, error))?;
        Ok(self.contracts.keep(id, contract))
    }

    /// What the columns of a version are made of, verified.
    pub(crate) async fn lineage(
        &self,
        store: &Store,
        object: &StoredObject,
    ) -> Result<Arc<Lineage>> {
        if let Some(kept) = self.lineages.find(object.id) {
            return Ok(kept);
        }
        let bytes = store.get(object).await?;
        let lineage =
            Lineage::from_bytes(&bytes).map_err(|error| unreadable("lineage", object.id, error))?;
        Ok(self.lineages.keep(object.id, lineage))
    }

    /// The program that made a version, verified.
    pub(crate) async fn program(
        &self,
        store: &Store,
        object: &StoredObject,
    ) -> Result<Arc<Program>> {
        if let Some(kept) = self.programs.find(object.id) {
            return Ok(kept);
        }
        let bytes = store.get(object).await?;
        let program =
            Program::from_bytes(&bytes).map_err(|error| unreadable("program", object.id, error))?;
        Ok(self.programs.keep(object.id, program))
    }

    /// How a version was computed, verified.
    pub(crate) async fn derivation(
        &self,
        store: &Store,
        object: &StoredObject,
    ) -> Result<Arc<Derivation>> {
        if let Some(kept) = self.derivations.find(object.id) {
            return Ok(kept);
        }
        let bytes = store.get(object).await?;
        let derivation = Derivation::from_bytes(&bytes)
            .map_err(|error| unreadable("derivation", object.id, error))?;
        Ok(self.derivations.keep(object.id, derivation))
    }

    /// What was found of a contract, verified.
    pub(crate) async fn findings(
        &self,
        store: &Store,
        object: &StoredObject,
    ) -> Result<Arc<Findings>> {
        if let Some(kept) = self.findings.find(object.id) {
            return Ok(kept);
        }
        let bytes = store.get(object).await?;
        let findings = Findings::from_bytes(&bytes)
            .map_err(|error| unreadable("findings", object.id, error))?;
        Ok(self.findings.keep(object.id, findings))
    }

    /// The files of `lists`, in order, verified.
    pub(crate) async fn tables(&self, store: &Store, lists: &[ListRef]) -> Result<Vec<FileEntry>> {
        let mut entries = Vec::new();
        for list in lists {
            entries.extend_from_slice(&self.table_list(store, list).await?);
        }
        Ok(entries)
    }

    async fn table_list(&self, store: &Store, list: &ListRef) -> Result<Arc<Vec<FileEntry>>> {
        let id = list.object.id;
        if let Some(kept) = self.tables.find(id) {
            return Ok(kept);
        }
        let bytes = store.get(&list.object).await?;
        let read =
            TableList::from_bytes(&bytes).map_err(|error| unreadable("file list", id, error))?;
        Ok(self.tables.keep(id, read.entries))
    }

    /// The originals of `lists`, in order, verified.
    pub(crate) async fn sources(
        &self,
        store: &Store,
        lists: &[ListRef],
    ) -> Result<Vec<SourceEntry>> {
        let mut entries = Vec::new();
        for list in lists {
            entries.extend_from_slice(&self.source_list(store, list).await?);
        }
        Ok(entries)
    }

    async fn source_list(&self, store: &Store, list: &ListRef) -> Result<Arc<Vec<SourceEntry>>> {
        let id = list.object.id;
        if let Some(kept) = self.sources.find(id) {
            return Ok(kept);
        }
        let bytes = store.get(&list.object).await?;
        let read =
            SourceList::from_bytes(&bytes).map_err(|error| unreadable("source list", id, error))?;
        Ok(self.sources.keep(id, read.entries))
    }
}

pub(crate) fn unreadable(what: &str, id: ObjectId, error: serde_json::Error) -> Error {
    Error::Stopped {
        message: format!("{what} `{id}` cannot be read: {error}"),
        hint: "use the build that wrote it, or a newer one".to_owned(),
    }
}
