//! What is promised of a dataset when an ingest begins: the contract in force, and what it needs of
//! other datasets.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use lakebed_core::{
    DataType, DatasetName, DatasetRef, Declared, FileEntry, InputVersion, ObjectId, Selector,
    TableSchema,
    contract::{Check, Contract, RelationshipTable, RelationshipTarget, Rule},
};
use lakebed_ingest::{ContractRules, KeySet, Reference, Refusal};

use crate::{
    Error, Lake, Result, VersionRecord,
    ingest::{attempt::not_the_source, sources::blocking},
    measure::is_itself,
};

/// A contract, and the versions its relationships are looked up in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Promise {
    pub(crate) contract: Arc<Contract>,
    /// The digest of the contract.
    pub(crate) digest: ObjectId,
    lookups: Vec<Lookup>,
}

/// Where the values of a relationship must be found.
#[derive(Debug, Clone, PartialEq)]
struct Lookup {
    rule: String,
    version: VersionRecord,
    columns: Vec<String>,
    types: Vec<DataType>,
}

/// What an ingest knows of rows besides its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// By rule, what stands in other tables.
    pub(crate) references: BTreeMap<String, Reference>,
    /// By columns that may come once, what is in the version already.
    pub(crate) before: BTreeMap<Vec<String>, Arc<KeySet>>,
    /// By the same columns, how many rows came twice even there.
    pub(crate) again: BTreeMap<Vec<String>, u64>,
}

impl Promise {
    /// The versions that decide, besides the contract, which rows are accepted; sorted.
    pub(crate) fn inputs(&self) -> Vec<InputVersion> {
        let input = |lookup: &Lookup| InputVersion {
            dataset: lookup.version.dataset.clone(),
            version_id: lookup.version.version_id,
        };
        let mut inputs: Vec<InputVersion> = self.lookups.iter().map(input).collect();
        inputs.sort();
        inputs.dedup();
        inputs
    }

    /// The rules, with all that is known.
    pub(crate) fn rules(&self, known: &Known) -> ContractRules<'_> {
        let mut rules = ContractRules::new(&self.contract);
        for (columns, keys) in &known.before {
            rules = rules.with_before(columns.clone(), Arc::clone(keys));
        }
        for (rule, reference) in &known.references {
            rules = rules.with_reference(rule.clone(), reference.clone());
        }
        rules
    }

    /// What the data calls columns of the contract.
    fn physical(&self, columns: &[String]) -> Vec<String> {
        let physical = |name: &String| {
            self.contract.column(name).map_or(name.clone(), |column| column.column().to_owned())
        };
        columns.iter().map(physical).collect()
    }

    /// The columns of rules about values that may come once, as the data calls them.
    fn unique_columns(&self) -> Vec<Vec<String>> {
        let columns = |rule: Rule| match rule.check {
            Check::Duplicates { columns, .. } => Some(self.physical(&columns)),
            _ => None,
        };
        let mut all: Vec<Vec<String>> =
            self.contract.all_rules().into_iter().filter_map(columns).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// The digest of a contract and of versions that are looked into; of a contract alone its own.
pub(crate) fn key_of(contract: Option<ObjectId>, inputs: &[InputVersion]) -> Option<ObjectId> {
    if inputs.is_empty() {
        return contract;
    }
    let mut text = contract.map_or_else(String::new, |contract| contract.to_string());
    text.push('\n');
    for InputVersion { dataset, version_id } in inputs {
        text.push_str(&format!("{dataset} {}\n", version_id.object()));
    }
    Some(ObjectId::of(text.as_bytes()))
}

impl Lake {
    /// What is promised of `dataset` now, above the journaled mark too: none without a contract.
    pub(crate) async fn promise(&self, dataset: &DatasetName) -> Result<Option<Promise>> {
        let Some(in_force) = self.newest_in_force().await?.1 else { return Ok(None) };
        let declared = &in_force.declared;
        match declared.contracts.get(dataset) {
            Some(contract) => self.promise_of(dataset, contract, declared).await.map(Some),
            None => Ok(None),
        }
    }

    /// The same of a contract that need not be declared.
    pub(crate) async fn promise_of(
        &self,
        dataset: &DatasetName,
        contract: &Contract,
        declared: &Declared,
    ) -> Result<Promise> {
        let mut lookups = Vec::new();
        for rule in &contract.rules {
            if let Check::Relationship { to, .. } = &rule.check
                && !is_itself(contract, dataset, &to.table)
            {
                lookups.push(self.lookup(dataset, &rule.id, to, declared).await?);
            }
        }
        Ok(Promise { contract: Arc::new(contract.clone()), digest: contract.digest(), lookups })
    }

    async fn lookup(
        &self,
        dataset: &DatasetName,
        rule: &str,
        to: &RelationshipTarget,
        declared: &Declared,
    ) -> Result<Lookup> {
        let unfit = |message: String, hint: &str| Error::Invalid {
            code: Refusal::CONTRACT_UNFIT,
            message: format!("the contract of `{dataset}`, `{rule}`: {message}"),
            hint: Some(hint.to_owned()),
        };
        let target = match &to.table {
            RelationshipTable::Dataset(target) => target.clone(),
            RelationshipTable::Object(name) => {
                let named = declared.contracts.iter().find(|(other, contract)| {
                    other.namespace() == dataset.namespace() && contract.object == *name
                });
                match named {
                    Some((target, _)) => target.clone(),
                    None => DatasetName::new(dataset.namespace(), name).map_err(|error| {
                        unfit(error.to_string(), "name a dataset of the same namespace")
                    })?,
                }
            }
        };
        let newest = DatasetRef { dataset: target.clone(), selector: Selector::Default };
        let found = match self.resolve_at(&[newest], &self.inner.default_stage).await {
            Ok(found) => found.versions.into_iter().next(),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(found) = found else {
            let message = format!("there is no version of `{target}` to find values in");
            return Err(unfit(message, "ingest it first, or leave the relationship out"));
        };
        let version = found.version;
        let manifest = self.inner.cache.manifest(&self.inner.store, &version).await?;
        let (mut columns, mut types) = (Vec::new(), Vec::new());
        for name in &to.columns {
            let contract = declared.contracts.get(&target);
            let column = contract.and_then(|contract| contract.column(name));
            let name = column.map_or(name.as_str(), |column| column.column());
            let field = manifest.schema.as_ref().and_then(|schema| schema.field(name));
            let Some(field) = field else {
                let message = format!("`{target}` has no column `{name}`");
                return Err(unfit(message, "correct the column that `to` names"));
            };
            columns.push(field.name.clone());
            types.push(field.data_type.clone());
        }
        Ok(Lookup { rule: rule.to_owned(), version, columns, types })
    }

    /// Reads what the rules of `promise` look values up in; `base` are the files, of that schema, to
    /// which the version adds.
    pub(crate) async fn known_beside(
        &self,
        promise: &Promise,
        base: &[FileEntry],
        schema: Option<&TableSchema>,
    ) -> Result<Known> {
        let mut known = Known::default();
        for Lookup { rule, version, columns, types } in &promise.lookups {
            let manifest = self.inner.cache.manifest(&self.inner.store, version).await?;
            let (keys, _) = match self.files_at_hand(version, &manifest).await? {
                Some(files) => self.keys(&files, columns).await?,
                None => {
                    let (folder, written) = self.compute_files(None, version, &manifest).await?;
                    let mut found = (KeySet::default(), 0);
                    for file in written {
                        found = add_keys(found, file.path, columns).await?;
                    }
                    drop(folder);
                    (Arc::new(found.0), found.1)
                }
            };
            let reference = Reference { types: types.clone(), keys };
            known.references.insert(rule.clone(), reference);
        }
        if base.is_empty() {
            return Ok(known);
        }
        let has = |name: &String| schema.is_some_and(|schema| schema.field(name).is_some());
        for columns in promise.unique_columns() {
            // Of a column that begins now the rows before have no value.
            if columns.iter().all(has) {
                let (keys, again) = self.keys(base, &columns).await?;
                known.again.insert(columns.clone(), again);
                known.before.insert(columns, keys);
            }
        }
        Ok(known)
    }

    /// The keys of all rows of `files` in `columns`, and how many rows had one that came before.
    async fn keys(&self, files: &[FileEntry], columns: &[String]) -> Result<(Arc<KeySet>, u64)> {
        let mut found = (KeySet::default(), 0);
        for file in files {
            let path = self.inner.store.copy_to_scratch(&file.object).await?;
            found = add_keys(found, path, columns).await?;
        }
        Ok((Arc::new(found.0), found.1))
    }

    /// By rule, how many rows of `files` break it: those of a version under another contract.
    pub(crate) async fn measure_before(
        &self,
        promise: &Promise,
        known: &Known,
        files: &[FileEntry],
        schema: &TableSchema,
    ) -> Result<BTreeMap<String, u64>> {
        let mut broken: BTreeMap<String, u64> = BTreeMap::new();
        for file in files {
            let path = self.inner.store.copy_to_scratch(&file.object).await?;
            let (promise, known, schema) = (promise.clone(), known.clone(), schema.clone());
            let counted = blocking(move || {
                let counted = promise.rules(&known).count_broken(&path, &schema);
                let _ = std::fs::remove_file(&path);
                Ok(counted)
            });
            for (rule, rows) in counted.await?.map_err(not_the_source)? {
                *broken.entry(rule).or_default() += rows;
            }
        }
        for rule in promise.contract.all_rules() {
            if let Check::Duplicates { columns, .. } = &rule.check {
                let again = known.again.get(&promise.physical(columns)).copied();
                broken.insert(rule.id, again.unwrap_or_default());
            }
        }
        Ok(broken)
    }
}

/// The keys that were found, and those of the file at `path`, which is gone then; and how many rows had one
/// that came before.
async fn add_keys(
    (mut keys, again): (KeySet, u64),
    path: PathBuf,
    columns: &[String],
) -> Result<(KeySet, u64)> {
    let columns = columns.to_vec();
    let (keys, added) = blocking(move || {
        let added = keys.add_file(&path, &columns);
        let _ = std::fs::remove_file(&path);
        Ok((keys, added))
    })
    .await?;
    Ok((keys, again + added.map_err(not_the_source)?))
}
