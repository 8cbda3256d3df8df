//! A file measured against a contract, without a lake: what an ingest under it would say.

use std::{path::PathBuf, sync::Arc};

use lakebed_contract::{BindFlaw, Decision, RowRules, bind, count_finding, decide, decode_type};
use lakebed_core::{
    DecodeOptions, ObjectId, TableSchema,
    contract::{Check, Contract, Finding, Rule},
};
use lakebed_ingest::{ContractCheck, Decoded, LocalSource, NoProgress, Refusal, Request, RowCheck};

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

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum ContractCheckError {
    /// The files are no table, or none that the contract could be about.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The contract does not fit the columns; every flaw, in the contract's order.
    #[error("the contract does not fit the columns of the data")]
    Unfit(Vec<BindFlaw>),
    /// There is no room for what is decoded.
    #[error("there is no scratch space: {0}")]
    Scratch(#[from] std::io::Error),
}

/// Reads the sources as an ingest under the contract would, and measures every rule that needs
/// nothing but their rows. Blocks, on all processors.
///
/// # Errors
/// [`ContractCheckError`]. That rules do not hold is none: the report says so.
pub fn check_contract(
    request: &ContractCheckRequest,
) -> Result<ContractReport, ContractCheckError> {
    let contract = &request.contract;
    let mut options = request.options.clone();
    for column in &contract.columns {
        if let Some(data_type) = decode_type(column) {
            options.types.entry(column.column().to_owned()).or_insert(data_type);
        }
    }
    // All that breaks a rule is counted here, so that there is more to say than "too much".
    options.max_quarantined = Some(1.0);
    let scratch = tempfile::tempdir()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let request = Request {
        sources: &request.sources,
        options: &options,
        schema: None,
        base: None,
        out: scratch.path(),
        progress: &NoProgress,
        check: None,
        threads,
    };
    let schema = lakebed_ingest::plan(request)?.schema;
    let rules = bind(contract, &schema).map_err(ContractCheckError::Unfit)?;
    let check: Arc<dyn RowCheck> = Arc::new(ContractCheck::counting(&rules));
    let decoded = lakebed_ingest::decode(Request { check: Some(&check), ..request })?;
    Ok(report(contract, &rules, decoded)?)
}

fn report(
    contract: &Contract,
    rules: &RowRules,
    decoded: Decoded,
) -> Result<ContractReport, Refusal> {
    let accepted = decoded.sources.iter().map(|source| source.accepted.rows).sum::<u64>();
    let quarantined = decoded.sources.iter().map(|source| source.quarantined.rows).sum::<u64>();
    let total = accepted + quarantined;
    let mut findings = Vec::new();
    for (rule, broken) in rules.values.iter().zip(&decoded.rules) {
        let finding = count_finding(&rule.rule, broken.rows, total);
        findings.push(ContractFinding { finding, first: broken.first.clone() });
    }
    let files: Vec<PathBuf> = decoded.tables.iter().map(|file| file.path.clone()).collect();
    for duplicate in &rules.duplicates {
        let count = lakebed_ingest::count_duplicates(&files, &duplicate.column_indexes)?;
        let finding = count_finding(&duplicate.rule, count, total);
        findings.push(ContractFinding { finding, first: None });
    }
    let mut unmeasured = Vec::new();
    for rule in &rules.others {
        match &rule.check {
            Check::RowCount { .. } => {
                let finding = count_finding(rule, accepted, total);
                findings.push(ContractFinding { finding, first: None });
            }
            _ => unmeasured.push(rule.id.clone()),
        }
    }
    unmeasured.extend(contract.freshness.iter().map(|promise| promise.id.clone()));
    let order: Vec<Rule> = contract.all_rules();
    findings.sort_by_key(|found| order.iter().position(|rule| rule.id == found.finding.rule));
    let facts: Vec<Finding> = findings.iter().map(|found| found.finding.clone()).collect();
    let limit = contract.max_quarantined.as_ref();
    Ok(ContractReport {
        contract: contract.digest(),
        decision: decide(&facts, limit, quarantined, total),
        schema: decoded.schema,
        accepted,
        quarantined,
        findings,
        unmeasured,
        unmentioned: rules.unmentioned.clone(),
        notes: decoded.notes,
    })
}
