//! Contracts measured: a file without a lake, as an ingest under the contract would, and a version.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use lakebed_catalog::Commit;
use lakebed_contract::{Decision, bind, count_finding, decide, freshness_finding};
use lakebed_core::{
    Action, ContractMeasured, DatasetName, DatasetRef, Declared, DecodeOptions, EventBody,
    Manifest, ObjectId, ReasonCode, TablePart, TableSchema, Target,
    contract::{Check, Contract, ContractColumn, Finding, Findings, Freshness},
};
use lakebed_ingest::{
    BrokenRule, ContractRules, Decoded, LocalSource, NoProgress, QuarantineError, QuarantineReader,
    Refusal, Request,
};
use lakebed_store::Trust;

use crate::{
    Ctx, Detail, Error, Lake, ResolvedVersion, Result, VersionDetail, VersionRecord,
    engine::{BoundTable, Restriction},
    ingest::{Known, Promise},
};

/// What to measure, and against what.
#[derive(Debug, Clone)]
pub struct ContractCheckRequest {
    /// The files; their rows follow each other.
    pub sources: Vec<LocalSource>,
    /// How to read them. Types that it does not name are the contract's.
    pub options: DecodeOptions,
    /// What is promised.
    pub contract: Contract,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractReport {
    /// The digest of the contract's canonical text.
    pub contract: ObjectId,
    /// The columns, as they were read.
    pub schema: TableSchema,
    /// Rows that would be accepted.
    pub accepted: u64,
    /// Rows that would be quarantined.
    pub quarantined: u64,
    /// Every rule that was measured, in the contract's order.
    pub findings: Vec<ContractFinding>,
    /// Why rows would be quarantined for what is no rule: their shape, and their types. Most rows first.
    pub unreadable: Vec<Unreadable>,
    /// What the findings do to a version.
    pub decision: Decision,
    /// Rules that only a lake can measure: their names, in the contract's order.
    pub unmeasured: Vec<String>,
    /// Columns of which the contract says nothing.
    pub unmentioned: Vec<String>,
    /// What was detected, for people.
    pub notes: Vec<String>,
}

/// A finding, and where it was first seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractFinding {
    /// The finding.
    pub finding: Finding,
    /// The first row that breaks it: its source, and in a text its line, from 1.
    pub first: Option<(String, u64)>,
}

/// Rows that are not of the shape, or of the types, that they have to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// What is wrong with them.
    pub code: ReasonCode,
    /// The column that is to blame; none where the whole row is.
    pub column: Option<String>,
    /// How many rows.
    pub rows: u64,
    /// The first of them: its source, and in a text its line, from 1.
    pub first: (String, u64),
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum ContractCheckError {
    /// The files are no table, or none that the contract could be about.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// There is no room for what is decoded.
    #[error("there is no scratch space: {0}")]
    Scratch(#[from] std::io::Error),
    /// What was just set aside cannot be read.
    #[error("rows that were set aside cannot be read: {0}")]
    Quarantine(#[from] QuarantineError),
}

/// Reads the sources as an ingest under the contract would, and measures every rule that needs
/// nothing but their rows. Blocks, on all processors.
///
/// # Errors
/// [`ContractCheckError`]. That rules do not hold is none: the report says so.
pub fn check_contract(
    request: &ContractCheckRequest,
) -> std::result::Result<ContractReport, ContractCheckError> {
    let contract = &request.contract;
    let mut options = request.options.clone();
    // All that breaks a rule is counted here, so that there is more to say than "too much".
    options.max_quarantined = Some(1.0);
    let scratch = tempfile::tempdir()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rules = ContractRules::new(contract).counting();
    let decoded = lakebed_ingest::decode(Request {
        sources: &request.sources,
        options: &options,
        schema: None,
        by_name: false,
        base: None,
        out: scratch.path(),
        progress: &NoProgress,
        rules: Some(&rules),
        threads,
        may_be_empty: false,
    })?;
    let unreadable = unreadable(contract, &decoded)?;
    Ok(report(contract, decoded, unreadable))
}

/// What rows were set aside for besides rules of the contract.
fn unreadable(
    contract: &Contract,
    decoded: &Decoded,
) -> std::result::Result<Vec<Unreadable>, QuarantineError> {
    let rules: BTreeSet<String> = contract.all_rules().into_iter().map(|rule| rule.id).collect();
    let mut found: BTreeMap<(ReasonCode, Option<String>), Unreadable> = BTreeMap::new();
    for file in &decoded.quarantine {
        for row in QuarantineReader::open(&file.path)? {
            let row = row?;
            for reason in row.reasons.iter().filter(|reason| !rules.contains(&reason.rule)) {
                let first = || Unreadable {
                    code: reason.code,
                    column: reason.column.clone(),
                    rows: 0,
                    first: (row.source.clone(), row.line),
                };
                let key = (reason.code, reason.column.clone());
                found.entry(key).or_insert_with(first).rows += 1;
            }
        }
    }
    let mut found: Vec<Unreadable> = found.into_values().collect();
    found.sort_by_key(|unreadable| std::cmp::Reverse(unreadable.rows));
    Ok(found)
}

fn report(contract: &Contract, decoded: Decoded, unreadable: Vec<Unreadable>) -> ContractReport {
    let accepted = decoded.sources.iter().map(|source| source.accepted.rows).sum::<u64>();
    let quarantined = decoded.sources.iter().map(|source| source.quarantined.rows).sum::<u64>();
    let total = accepted + quarantined;
    let Measured { findings, mut unmeasured } =
        measure_rows(contract, &decoded.rules, &BTreeMap::new(), accepted, quarantined);
    unmeasured.extend(contract.freshness.iter().map(|promise| promise.id.clone()));
    let facts: Vec<Finding> = findings.iter().map(|found| found.finding.clone()).collect();
    let limit = contract.max_quarantined.as_ref();
    let mentioned: BTreeSet<&str> = contract.columns.iter().map(ContractColumn::column).collect();
    let names = decoded.schema.fields.iter().map(|field| &field.name);
    let unmentioned = names.filter(|name| !mentioned.contains(name.as_str())).cloned().collect();
    ContractReport {
        contract: contract.digest(),
        decision: decide(&facts, limit, quarantined, total),
        schema: decoded.schema,
        accepted,
        quarantined,
        findings,
        unreadable,
        unmeasured,
        unmentioned,
        notes: decoded.notes,
    }
}

/// What is known of a contract's rules when rows were read.
pub(crate) struct Measured {
    /// Every rule that was measured, in the contract's order.
    pub(crate) findings: Vec<ContractFinding>,
    /// Rules that need more than rows, by name, in the contract's order.
    pub(crate) unmeasured: Vec<String>,
}

/// Makes findings of what rows broke, `accepted` and `quarantined` ones; `before` are those that were
/// in the version already.
pub(crate) fn measure_rows(
    contract: &Contract,
    broken: &[BrokenRule],
    before: &BTreeMap<String, u64>,
    accepted: u64,
    quarantined: u64,
) -> Measured {
    let broken: BTreeMap<&str, &BrokenRule> =
        broken.iter().map(|broken| (broken.rule.as_str(), broken)).collect();
    let total = accepted + quarantined;
    let mut measured = Measured { findings: Vec::new(), unmeasured: Vec::new() };
    for rule in contract.all_rules() {
        let (count, first) = match (&rule.check, broken.get(rule.id.as_str())) {
            (Check::RowCount { .. }, _) => (accepted, None),
            (_, Some(broken)) => {
                let before = before.get(&rule.id).copied().unwrap_or_default();
                (broken.rows + before, broken.first.clone())
            }
            (_, None) => match before.get(&rule.id) {
                Some(before) => (*before, None),
                None => {
                    measured.unmeasured.push(rule.id);
                    continue;
                }
            },
        };
        let finding = count_finding(&rule, count, total);
        measured.findings.push(ContractFinding { finding, first });
    }
    measured
}

/// What is known of a version's rows.
#[derive(Clone, Copy)]
pub(crate) struct RowsMeasured<'r> {
    /// What rows of an ingest broke.
    pub(crate) broken: &'r [BrokenRule],
    /// By rule, how many rows broke it that were there before.
    pub(crate) before: &'r BTreeMap<String, u64>,
    /// Accepted rows, old and new.
    pub(crate) accepted: u64,
    /// Quarantined rows, old and new.
    pub(crate) quarantined: u64,
}

/// What a contract's rules say of a version, and what that does to it.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// What is kept.
    pub(crate) findings: Findings,
    /// The same, with where it was first seen.
    pub(crate) rules: Vec<ContractFinding>,
    pub(crate) decision: Decision,
}

impl Lake {
    /// Measures what rows alone do not, and decides.
    pub(crate) async fn judge_version(
        &self,
        promise: &Promise,
        table: &BoundTable,
        rows: RowsMeasured<'_>,
    ) -> Result<Judged> {
        let RowsMeasured { broken, before, accepted, quarantined } = rows;
        let (contract, total) = (&*promise.contract, accepted + quarantined);
        let Measured { findings: mut rules, unmeasured } =
            measure_rows(contract, broken, before, accepted, quarantined);
        let all = contract.all_rules();
        for rule in all.iter().filter(|rule| unmeasured.contains(&rule.id)) {
            if let Some(finding) = self.measure_rule(contract, rule, table, total).await? {
                rules.push(ContractFinding { finding, first: None });
            }
        }
        rules.sort_by_key(|found| all.iter().position(|rule| rule.id == found.finding.rule));
        let mut findings = Findings::new(promise.digest, accepted, quarantined);
        findings.findings = rules.iter().map(|found| found.finding.clone()).collect();
        for promise in &contract.freshness {
            let Some(column) = &promise.column else { continue };
            if let Some(newest) = self.newest_value(contract, column, table).await? {
                findings.newest.insert(promise.id.clone(), newest);
            }
        }
        let limit = contract.max_quarantined.as_ref();
        let decision = decide(&findings.findings, limit, quarantined, total);
        Ok(Judged { findings, rules, decision })
    }
}

/// A contract, measured on a version, and what its promises of freshness say now.
#[derive(Debug, Clone)]
pub struct VersionReport {
    /// The version.
    pub version: VersionRecord,
    /// The contract.
    pub contract: Arc<Contract>,
    /// What was found, once and for all.
    pub findings: Findings,
    /// What is true of the moment: how old the data is.
    pub freshness: Vec<Finding>,
    /// What the findings do.
    pub decision: Decision,
}

impl Lake {
    /// Measures the declared contract on a version, old or new; a fact that is known is not measured
    /// again. Where the asker may `ingest` into the dataset or is its `steward`, it is put on record.
    ///
    /// # Errors
    /// As [`Lake::resolve`]; [`Error::Invalid`] where no contract is declared, or it does not fit the
    /// version.
    pub async fn check_version(&self, ctx: &Ctx, reference: &DatasetRef) -> Result<VersionReport> {
        let found = self.resolve(ctx, std::slice::from_ref(reference), Detail::Files).await?;
        let resolved = found.versions.into_iter().next();
        let Some(ResolvedVersion { version, detail: Some(detail), .. }) = resolved else {
            return Err(Error::Internal { source: "a reference resolved to nothing".into() });
        };
        let in_force = self.in_force().await?;
        self.measure_version(ctx, version, detail, &in_force.declared).await
    }

    /// The same of a version that the asker may measure, with the contract that `declared` has for it.
    pub(crate) async fn measure_version(
        &self,
        ctx: &Ctx,
        version: VersionRecord,
        detail: VersionDetail,
        declared: &Declared,
    ) -> Result<VersionReport> {
        let reference = &DatasetRef::pinned(version.dataset.clone(), version.number);
        let Some(contract) = declared.contracts.get(&version.dataset) else {
            return Err(no_contract(&version.dataset));
        };
        if let Some(known) = self.findings_of(&version, contract.digest()).await? {
            return self.version_report(version, known).await;
        }
        let Some(schema) = &detail.manifest.schema else { return Err(no_rows(reference)) };
        let promise = self.promise_of(&version.dataset, contract, declared).await?;
        let (contract, flaws) = (&*promise.contract, bind(&promise.contract, schema).err());
        if let Some(flaws) = flaws {
            let told: Vec<String> = flaws.iter().take(10).map(ToString::to_string).collect();
            return Err(Error::Invalid {
                code: Refusal::CONTRACT_UNFIT,
                message: format!(
                    "contract `{}` {} does not fit the columns of `{reference}`: {}",
                    contract.id,
                    contract.version,
                    told.join("; ")
                ),
                hint: flaws.into_iter().find_map(|flaw| flaw.hint),
            });
        }
        let known = self.known_beside(&promise, &detail.tables, Some(schema)).await?;
        let alone = Known { before: BTreeMap::new(), ..known.clone() };
        let before = self.measure_before(&promise, &alone, &detail.tables, schema).await?;
        let table = BoundTable {
            reference: DatasetRef::pinned(version.dataset.clone(), version.number),
            part: TablePart::Rows,
            dataset: version.dataset.clone(),
            version: version.number,
            version_id: version.version_id,
            schema: schema.clone(),
            files: detail.tables,
            computed: None,
            restriction: Restriction::Unrestricted,
        };
        let rows = RowsMeasured {
            broken: &[],
            before: &before,
            accepted: version.row_count,
            quarantined: version.quarantined_count,
        };
        let judged = self.judge_version(&promise, &table, rows).await?;
        self.keep_findings(ctx, &version, &promise, &judged.findings).await?;
        self.version_report(version, judged.findings).await
    }

    /// What the contract in force of a version says of it; none without one.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn report_of(
        &self,
        version: &VersionRecord,
        manifest: &Manifest,
    ) -> Result<Option<VersionReport>> {
        let Some(contract) = manifest.contract else { return Ok(None) };
        match self.findings_of(version, contract).await? {
            Some(found) => self.version_report(version.clone(), found).await.map(Some),
            None => Ok(None),
        }
    }

    /// What this build's rule engine, or else an older one, found of a contract on a version.
    async fn findings_of(
        &self,
        version: &VersionRecord,
        contract: ObjectId,
    ) -> Result<Option<Findings>> {
        let records = self.inner.catalog.findings(&version.dataset, version.number).await?;
        let mut ours: Vec<_> =
            records.into_iter().filter(|record| record.contract == contract).collect();
        ours.sort_by_key(|record| record.engine);
        match ours.last() {
            Some(record) => {
                let lake = &self.inner;
                let found = lake.cache.findings(&lake.store, &record.findings).await?;
                Ok(Some((*found).clone()))
            }
            None => Ok(None),
        }
    }

    async fn version_report(
        &self,
        version: VersionRecord,
        findings: Findings,
    ) -> Result<VersionReport> {
        let lake = &self.inner;
        let id = findings.contract;
        let contract = match lake.catalog.find_object(id).await? {
            Some(_) => lake.cache.contract(&lake.store, &lake.catalog, id).await?,
            // It was measured, and nobody kept it: it is the declared one.
            None => {
                let in_force = self.in_force().await?;
                let contract = in_force.declared.contracts.get(&version.dataset).cloned();
                Arc::new(contract.ok_or_else(|| no_contract(&version.dataset))?)
            }
        };
        let now = lake.clock.now();
        let freshness = |promise: &Freshness| {
            let newest = match &promise.column {
                Some(_) => findings.newest.get(&promise.id).copied(),
                None => Some(version.at),
            };
            freshness_finding(promise, newest, now)
        };
        let freshness = contract.freshness.iter().map(freshness).collect();
        let limit = contract.max_quarantined.as_ref();
        let (accepted, quarantined) = (findings.row_count, findings.quarantined_count);
        let decision = decide(&findings.findings, limit, quarantined, accepted + quarantined);
        Ok(VersionReport { version, contract, findings, freshness, decision })
    }

    /// Puts on record what was found, where the asker may.
    async fn keep_findings(
        &self,
        ctx: &Ctx,
        version: &VersionRecord,
        promise: &Promise,
        findings: &Findings,
    ) -> Result<()> {
        let rights = self.rights(ctx).await?;
        let target = Target::Dataset(version.dataset.clone());
        let may = [Action::Ingest, Action::Steward];
        if !may.iter().any(|action| rights.allows(*action, &target)) {
            return Ok(());
        }
        let lake = &self.inner;
        let contract = Bytes::from(promise.contract.to_json());
        let contract = lake.store.put(contract, Trust::Unnamed).await?;
        let stored = lake.store.put(Bytes::from(findings.to_bytes()), Trust::Unnamed).await?;
        let mut objects = vec![contract, stored];
        objects.sort_unstable();
        let known = lake.catalog.find_objects(&[contract.id, stored.id]).await?;
        objects.retain(|object| known.iter().all(|known| known.id != object.id));
        let body = EventBody::ContractMeasured(ContractMeasured {
            dataset: version.dataset.clone(),
            number: version.number,
            contract: promise.digest,
            engine: findings.engine,
            findings: stored,
            objects,
        });
        let committed = lake
            .catalog
            .commit(Commit {
                actor: ctx.actor().to_string(),
                at: lake.clock.now(),
                idempotency_key: None,
                changes: vec![body],
            })
            .await?;
        let seq = committed.events.last().map_or(0, |event| event.seq);
        lake.journal.publish_through(seq).await?;
        Ok(())
    }
}

fn no_contract(dataset: &DatasetName) -> Error {
    Error::Invalid {
        code: "no-contract",
        message: format!("no contract is declared for `{dataset}`"),
        hint: Some(format!(
            "`lakebed contract infer {dataset}` writes a first one; `lakebed apply` declares it"
        )),
    }
}

fn no_rows(reference: &DatasetRef) -> Error {
    Error::Invalid {
        code: "not-a-table",
        message: format!("`{reference}` is no table"),
        hint: Some("contracts are about columns and rows".to_owned()),
    }
}
