//! From what the service answers to what goes over the wire.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lakebed_api::{
    Approval, ColumnEdge, ContractReport, DatasetAnswer, DatasetSummary, EventEntry, ExternalNode,
    Finding, FirstBroken, GateOutcome, Head, ImpactAnswer, ImpactLock, ImpactProduct, ImpactReader,
    IngestPlan, IngestResponse, IngestStatus, InputVersion, Job, JobState, LakeFinding, LakeReport,
    LineageAnswer, LineageEdge, LineageVersion, Notice, Original, PlannedPromotion, PlannedSource,
    Problem, Progress, PromotionAnswer, ResolvedInput, ResolvedVersion, Review, RowsEdge,
    RuleFinding, SchemaChange, SchemaChangeKind, Snapshot, SourceFile, UploadState, Verdict,
    VerifyReport, VersionAnswer, VersionSummary, Waiver,
};
use lakebed_core::{
    DatasetKind, DatasetName, ReviewVerdict, SourceEntry, StageName, Timestamp,
    contract::{Finding as ContractFinding, Value},
};
use lakebed_service::{self as service, STATEMENT, govern::PlannedPromotion as PlannedCore};
use serde::de::DeserializeOwned;

use crate::{
    Access, AppState,
    links::{of_dataset, of_input, of_job, of_version, source_file, table_file},
    problem::{Failure, Result},
};

pub(crate) const fn snapshot(snapshot: service::Snapshot) -> Snapshot {
    Snapshot { seq: snapshot.seq, at: snapshot.at }
}

/// A version; what is computed from its data only where it is readable.
pub(crate) fn version(version: service::VersionRecord, is_readable: bool) -> VersionSummary {
    let data = is_readable.then_some(());
    let counted = version.counted().filter(|_| is_readable);
    VersionSummary {
        dataset: version.dataset,
        kind: version.kind,
        version: version.number,
        version_id: data.map(|()| version.version_id),
        parent: version.parent.filter(|_| is_readable),
        content_id: data.map(|()| version.content_id),
        row_count: counted,
        quarantined_count: data.map(|()| version.quarantined_count),
        size_bytes: counted.map(|_| version.size_bytes),
        live: version.live,
        seq: version.seq,
        committed_at: version.at,
        actor: version.actor,
    }
}

pub(crate) fn dataset(seen: service::Seen<service::DatasetRecord>) -> DatasetSummary {
    let service::Seen { record: dataset, is_readable } = seen;
    DatasetSummary {
        notice: dataset.notice.map(notice),
        dataset: dataset.name,
        kind: dataset.kind,
        created_at: dataset.created_at,
        newest: dataset.newest.map(|newest| version(newest, is_readable)),
        heads: heads(dataset.heads),
    }
}

pub(crate) fn dataset_answer(dataset: DatasetSummary) -> DatasetAnswer {
    let newest = dataset.newest.as_ref().filter(|newest| newest.version_id.is_some());
    let links = of_dataset(&dataset.dataset, newest.map(|newest| newest.version));
    DatasetAnswer { dataset, links }
}

pub(crate) fn heads(heads: BTreeMap<StageName, service::StageHead>) -> Vec<Head> {
    let head = |(stage, head): (StageName, service::StageHead)| Head {
        stage,
        version: head.number,
        self_approved: head.is_self_approved,
        waived: head.waived.into_iter().collect(),
    };
    heads.into_iter().map(head).collect()
}

/// The last second that an HTTP date can tell: the end of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

/// What HTTP says of what will end, or has ended (RFC 9745, RFC 8594).
pub(crate) fn notice_headers(notice: Option<&Notice>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(notice) = notice else { return headers };
    let seconds = |time: Timestamp| time.as_micros().div_euclid(1_000_000);
    let sunset = seconds(notice.sunset_at.unwrap_or(notice.at));
    let sunset = Duration::from_secs(u64::try_from(sunset).unwrap_or_default().min(LAST_DATE));
    let sunset = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + sunset);
    let texts = [("deprecation", format!("@{}", seconds(notice.at))), ("sunset", sunset)];
    for (name, text) in texts {
        let value = HeaderValue::try_from(text).expect("digits, letters and signs are a value");
        headers.insert(HeaderName::from_static(name), value);
    }
    headers
}

pub(crate) fn notice(notice: service::NoticeRecord) -> Notice {
    Notice { at: notice.at, sunset_at: notice.sunset_at, successor: notice.successor }
}

/// With files and sources when the service was asked for them.
pub(crate) fn resolved(state: &AppState, resolved: service::ResolvedVersion) -> ResolvedVersion {
    let kind = resolved.version.kind;
    let detail = resolved.detail.as_ref();
    let files = detail.map(|detail| match kind {
        DatasetKind::Table => detail.tables.iter().map(|file| table_file(state, file)).collect(),
        DatasetKind::Files => detail.sources.iter().map(|file| source_file(state, file)).collect(),
    });
    let sources = detail.map(|detail| detail.sources.iter().map(|s| source(state, s)).collect());
    ResolvedVersion {
        reference: resolved.reference,
        version: version(resolved.version, true),
        newest: resolved.newest,
        files,
        sources,
    }
}

pub(crate) fn version_answer(
    state: &AppState,
    seen: Snapshot,
    mut found: service::ResolvedVersion,
    report: Option<service::VersionReport>,
    dataset: service::DatasetRecord,
) -> VersionAnswer {
    let number = found.version.number;
    let mut heads = dataset.heads;
    heads.retain(|_, head| head.number == number);
    let stages = heads.keys().cloned().collect();
    let (manifest, quarantine) = match &mut found.detail {
        Some(detail) => (Some(detail.manifest.clone()), std::mem::take(&mut detail.quarantine)),
        None => (None, Vec::new()),
    };
    let inputs = manifest.iter().flat_map(|manifest| &manifest.inputs);
    VersionAnswer {
        snapshot: seen,
        inputs: inputs
            .map(|input| InputVersion {
                dataset: input.dataset.clone(),
                version_id: input.version_id,
                links: of_input(&input.dataset, input.version_id),
            })
            .collect(),
        links: of_version(&found.version.dataset, found.version.number),
        report: report.map(contract_report),
        stages,
        heads: self::heads(heads),
        notice: dataset.notice.map(notice),
        contract: manifest.as_ref().and_then(|manifest| manifest.contract),
        schema: manifest.and_then(|manifest| manifest.schema),
        quarantine: quarantine.iter().map(|file| table_file(state, file)).collect(),
        version: resolved(state, found),
    }
}

fn source(state: &AppState, source: &SourceEntry) -> SourceFile {
    SourceFile {
        file: source_file(state, source),
        decode: source.decode.clone(),
        accepted: source.accepted,
        quarantined: source.quarantined,
        skipped: source.skipped.clone(),
    }
}

pub(crate) fn input(resolved: &service::ResolvedVersion) -> ResolvedInput {
    ResolvedInput {
        reference: resolved.reference.clone(),
        dataset: resolved.version.dataset.clone(),
        version: resolved.version.number,
        version_id: Some(resolved.version.version_id).filter(|_| resolved.is_readable),
        newest: resolved.newest,
    }
}

pub(crate) fn plan(plan: service::IngestPlan) -> IngestPlan {
    let sources = plan.sources.into_iter().map(|source| PlannedSource {
        name: source.name,
        decode: source.decode,
        accepted: source.accepted,
        quarantined: source.quarantined,
    });
    IngestPlan {
        sources: sources.collect(),
        schema: plan.schema,
        changes: plan.changes.into_iter().map(change).collect(),
        sample_columns: plan.sample_columns,
        sample: plan.sample,
        notes: plan.notes,
    }
}

pub(crate) fn ingested(state: &AppState, outcome: service::IngestOutcome) -> IngestResponse {
    IngestResponse {
        status: match outcome.status {
            service::IngestStatus::Committed => IngestStatus::Committed,
            service::IngestStatus::Unchanged => IngestStatus::Unchanged,
        },
        version: version(outcome.version, outcome.is_readable),
        changes: outcome.changes.into_iter().map(change).collect(),
        notes: outcome.notes,
        sources: outcome.sources.iter().map(|entry| source(state, entry)).collect(),
        findings: match outcome.is_readable {
            true => outcome.findings.iter().map(rule_finding).collect(),
            false => Vec::new(),
        },
        new_bytes: outcome.sees_lake.then_some(outcome.new_bytes),
        inputs: Vec::new(),
    }
}

pub(crate) fn built(state: &AppState, outcome: service::BuildOutcome) -> IngestResponse {
    let inputs = outcome.inputs.iter().map(input).collect();
    IngestResponse { inputs, ..ingested(state, outcome.made) }
}

pub(crate) fn contract_report(report: service::VersionReport) -> ContractReport {
    let service::VersionReport { version, contract, findings, freshness, decision } = report;
    let all = findings.findings.iter().chain(&freshness);
    ContractReport {
        dataset: version.dataset,
        number: version.number,
        contract: findings.contract,
        id: contract.id.clone(),
        version: contract.version.clone(),
        status: contract.status.to_string(),
        owners: contract.owners.iter().cloned().collect(),
        description: contract.description.clone(),
        tags: contract.tags.iter().cloned().collect(),
        accepted: findings.row_count,
        quarantined: findings.quarantined_count,
        findings: all.map(|finding| finding_of(finding, None)).collect(),
        refusals: decision.refusals,
        held_back_by: decision.held_back_by,
    }
}

fn rule_finding(found: &service::ContractFinding) -> RuleFinding {
    finding_of(&found.finding, found.first.as_ref())
}

fn finding_of(finding: &ContractFinding, first: Option<&(String, u64)>) -> RuleFinding {
    let consequence = service::consequence_of(finding);
    RuleFinding {
        rule: finding.rule.clone(),
        column: finding.column.clone(),
        severity: finding.severity.to_string(),
        measured: measured(&finding.measured),
        threshold: finding.threshold.clone(),
        passed: finding.passed,
        consequence: consequence.map(|consequence| consequence.as_str().to_owned()),
        problem: finding.problem.clone(),
        first: first.map(|(source, line)| FirstBroken { source: source.clone(), line: *line }),
    }
}

/// A number as JSON has it, where it is exact there; else its text.
fn measured(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Text(text) => text.clone().into(),
        Value::Number { number } => {
            let whole = number.to_scaled(0).and_then(|whole| i64::try_from(whole).ok());
            match whole.filter(|whole| whole.unsigned_abs() < 1 << 53) {
                Some(whole) => whole.into(),
                None => number.to_string().into(),
            }
        }
        other => other.to_string().into(),
    }
}

pub(crate) fn promotion(answer: service::PromotionAnswer) -> PromotionAnswer {
    let service::PromotionAnswer { to, promotions, is_ready, event } = answer;
    let promotions = promotions.into_iter().map(planned_promotion).collect();
    PromotionAnswer { to, is_ready, event, promotions }
}

/// What was found only where it is readable.
fn planned_promotion(seen: service::Seen<PlannedCore>) -> PlannedPromotion {
    let service::Seen { record: planned, is_readable } = seen;
    let gate = |outcome: lakebed_core::GateOutcome| GateOutcome {
        gate: outcome.gate,
        holds: outcome.holds,
        found: Some(outcome.found).filter(|_| is_readable),
        waiver: outcome.waiver.map(|waiver| Waiver {
            by: waiver.by,
            reason: Some(waiver.reason).filter(|_| is_readable),
            event: waiver.event,
        }),
    };
    let approval =
        |approval: lakebed_core::Approval| Approval { by: approval.by, event: approval.event };
    PlannedPromotion {
        version: planned.number,
        version_id: Some(planned.version_id).filter(|_| is_readable),
        from: planned.from,
        is_change: planned.is_change(),
        goes_back: planned.goes_back(),
        is_ready: planned.is_ready(),
        self_approved: planned.self_approved,
        evidence: Some(planned.evidence).filter(|_| is_readable),
        contract: planned.contract.filter(|_| is_readable),
        dataset: planned.dataset,
        refusals: planned.refusals,
        gates: planned.gates.into_iter().map(gate).collect(),
        approvals: planned.approvals.into_iter().map(approval).collect(),
    }
}

pub(crate) fn review(review: service::ReviewRecord, is_readable: bool) -> Review {
    let (verdict, gate) = match review.verdict {
        ReviewVerdict::Approved => (Verdict::Approved, None),
        ReviewVerdict::Rejected => (Verdict::Rejected, None),
        ReviewVerdict::Waived(gate) => (Verdict::Waived, Some(gate)),
    };
    Review {
        event: review.seq,
        at: review.at,
        by: review.actor,
        stage: review.stage,
        verdict,
        gate,
        reason: review.reason.filter(|_| is_readable),
        evidence: Some(review.evidence).filter(|_| is_readable),
    }
}

fn change(change: lakebed_core::SchemaChange) -> SchemaChange {
    use lakebed_core::SchemaChange as Core;
    let text = change.to_string();
    let (kind, column, from, to) = match change {
        Core::Added { column } => (SchemaChangeKind::Added, column, None, None),
        Core::Renamed { to, .. } => (SchemaChangeKind::Renamed, to, None, None),
        Core::Dropped { column } => (SchemaChangeKind::Dropped, column, None, None),
        Core::Removed { column } => (SchemaChangeKind::Removed, column, None, None),
        Core::AddedRequired { column } => (SchemaChangeKind::AddedRequired, column, None, None),
        Core::Widened { column, from, to } => {
            (SchemaChangeKind::Widened, column, Some(from), Some(to))
        }
        Core::Retyped { column, from, to } => {
            (SchemaChangeKind::Retyped, column, Some(from), Some(to))
        }
    };
    SchemaChange { kind, column, from, to, text }
}

pub(crate) fn progress(progress: service::Progress) -> Progress {
    Progress {
        phase: progress.phase,
        bytes_done: progress.bytes_done,
        bytes_total: progress.bytes_total,
        rows_done: progress.rows_done,
        queued_before: progress.queued_before,
    }
}

/// An event, as far as it is for the asker. What may be told is listed: an event of a kind that is
/// not known here tells no more than that it happened.
pub(crate) fn event(seen: &service::SeenEvent) -> Result<EventEntry> {
    const OUTLINE: &[&str] = &[
        "seq",
        "at",
        "actor",
        "type",
        "dataset",
        "kind",
        "number",
        "stage",
        "from",
        "to",
        "code",
        "verdict",
        "sunset_at",
    ];
    const DATA: &[&str] = &[
        "idempotency_key",
        "version_id",
        "parent",
        "content_id",
        "ingest_key",
        "row_count",
        "quarantined_count",
        "size_bytes",
        "sources",
        "quarantine",
        "message",
        "contract",
        "engine",
        "findings",
        "promotion",
        "evidence",
        "reason",
        "exit_code",
        "run",
        "record",
        "inputs",
        "outputs",
        "live",
        "tables",
    ];
    let failed = |error: serde_json::Error| Failure::internal(error.to_string());
    let mut value = serde_json::to_value(&seen.event).map_err(failed)?;
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| match seen.sight {
            service::Sight::Outline => OUTLINE.contains(&name.as_str()),
            service::Sight::Data => OUTLINE.iter().chain(DATA).any(|known| known == name),
            // What proves a secret is for nobody's eyes.
            service::Sight::Whole => name != "hash" && name != "mask_key",
        });
    }
    serde_json::from_value(value).map_err(failed)
}

pub(crate) fn upload(upload: service::UploadState) -> UploadState {
    UploadState {
        id: upload.id,
        name: upload.name,
        offset: upload.offset,
        size_bytes: upload.length_bytes,
        upload: upload.object,
        expires_at: upload.expires_at,
    }
}

/// # Errors
/// When its outcome is not what this build writes.
pub(crate) fn job(status: service::JobStatus) -> Result<Job> {
    let record = status.record;
    let state = job_state(record.state);
    // What came of a statement is for `/v1/statements` to tell, which asks whether it may.
    let outcome = record.outcome.as_deref().filter(|_| record.kind != STATEMENT);
    Ok(Job {
        result: outcome.filter(|_| state == JobState::Done).map(read).transpose()?,
        problem: match outcome.filter(|_| state == JobState::Failed) {
            None if state == JobState::Failed => Some(told_elsewhere(&record.id)),
            outcome => outcome.map(read).transpose()?,
        },
        links: of_job(&record.id),
        id: record.id,
        kind: record.kind,
        state,
        idempotency_key: record.idempotency_key,
        progress: status.progress.map(progress),
        cancel_asked: record.cancel_asked,
        attempt: record.attempt,
        revision: record.revision,
        created_at: record.created_at,
        updated_at: record.updated_at,
    })
}

pub(crate) const fn job_state(state: service::JobState) -> JobState {
    match state {
        service::JobState::Queued => JobState::Queued,
        service::JobState::Running => JobState::Running,
        service::JobState::Done => JobState::Done,
        service::JobState::Failed => JobState::Failed,
        service::JobState::Cancelled => JobState::Cancelled,
    }
}

/// The problem of a statement, for those who look at it as a job.
fn told_elsewhere(id: &str) -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let detail = format!("the statement failed: `/v1/statements/{id}` says why");
    Failure::new(status, "statement-failed", detail).problem(Access::Remote, id)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Failure::internal(format!("the outcome of a job: {error}")))
}

pub(crate) fn report(report: service::VerifyReport) -> VerifyReport {
    let findings = report.findings.into_iter().map(|finding| Finding {
        dataset: finding.dataset,
        versions: finding.versions,
        object: finding.object,
        what: finding.what,
        problem: finding.problem,
    });
    VerifyReport {
        version_count: report.versions,
        object_count: report.objects,
        size_bytes: report.bytes,
        segment_count: report.segments,
        findings: findings.collect(),
    }
}

pub(crate) fn lineage(answer: service::LineageAnswer) -> LineageAnswer {
    let versions = answer.versions.into_iter().map(|found| LineageVersion {
        version: version(found.record, found.is_readable),
        columns: found.columns.into_iter().collect(),
        originals: found.originals.iter().map(original).collect(),
        original_count: found.original_count,
        external: found.external.into_iter().map(external).collect(),
    });
    LineageAnswer {
        snapshot: snapshot(answer.snapshot),
        versions: versions.collect(),
        edges: answer.edges.into_iter().map(lineage_edge).collect(),
        is_cut: answer.is_cut,
    }
}

fn external(node: service::ExternalNode) -> ExternalNode {
    ExternalNode {
        namespace: node.name.namespace,
        name: node.name.name,
        job: node.job.map(|job| job.name),
        told_by: node.told_by,
        told_at: node.told_at,
        event: node.seq,
    }
}

fn original(source: &SourceEntry) -> Original {
    Original {
        name: source.name.clone(),
        object: source.object.id,
        size_bytes: source.object.size_bytes,
        accepted_rows: source.accepted.rows,
        quarantined_rows: source.quarantined.rows,
    }
}

fn lineage_edge(edge: service::LineageEdge) -> LineageEdge {
    let columns = edge.columns.into_iter().map(|found| ColumnEdge {
        column: found.column,
        source: found.source,
        part: found.part,
        direct: found.direct,
        conditional: found.is_conditional,
    });
    let rows = edge.rows.into_iter().map(|found| RowsEdge {
        source: found.source,
        part: found.part,
        kinds: found.kinds,
    });
    LineageEdge {
        computed: edge.computed,
        source: edge.source,
        columns: columns.collect(),
        rows: rows.collect(),
    }
}

pub(crate) fn impact(
    dataset: DatasetName,
    column: Option<String>,
    answer: service::ImpactAnswer,
) -> ImpactAnswer {
    let products = answer.products.into_iter().map(|found| ImpactProduct {
        product: found.product,
        owner: found.owner,
        steps: found.steps,
        declared: found.is_declared,
        built: found.built,
        columns: found.columns.into_iter().collect(),
        other_rows: found.other_rows,
        anything: found.anything,
        broken: found.is_broken,
    });
    let locks = answer.locks.into_iter().map(|lock| ImpactLock {
        actor: lock.actor,
        name: lock.name,
        registered_at: lock.at,
        versions: lock.versions,
    });
    let readers = answer.readers.map(|readers| {
        let reader = |found: service::ImpactReader| ImpactReader {
            principal: found.principal,
            reads: found.reads,
            last_at: found.last_at,
        };
        readers.into_iter().map(reader).collect()
    });
    ImpactAnswer {
        dataset,
        column,
        products: products.collect(),
        locks: locks.collect(),
        all_locks: answer.all_locks,
        readers,
        external: answer.external.into_iter().map(external).collect(),
    }
}

pub(crate) fn lake_report(report: service::Report) -> LakeReport {
    let findings = report.findings.into_iter().map(|found| LakeFinding {
        dataset: found.dataset,
        kind: found.kind.as_str().to_owned(),
        detail: found.detail,
    });
    LakeReport {
        findings: findings.collect(),
        dataset_count: report.dataset_count,
        knows_reads: report.knows_reads,
    }
}
