//! From what the service answers to what goes over the wire.

use lakebed_api::{
    DatasetSummary, Finding, Head, IngestPlan, IngestResponse, IngestStatus, InputVersion,
    PlannedSource, Progress, ResolvedInput, ResolvedVersion, SchemaChange, SchemaChangeKind,
    Snapshot, SourceFile, VerifyReport, VersionAnswer, VersionSummary,
};
use lakebed_core::{DatasetKind, SourceEntry};
use lakebed_service as service;

use crate::{
    AppState,
    links::{source_file, table_file},
};

pub(crate) const fn snapshot(snapshot: service::Snapshot) -> Snapshot {
    Snapshot { seq: snapshot.seq, at: snapshot.at }
}

pub(crate) fn version(version: service::VersionRecord) -> VersionSummary {
    VersionSummary {
        dataset: version.dataset,
        kind: version.kind,
        version: version.number,
        version_id: version.version_id,
        parent: version.parent,
        content_id: version.content_id,
        row_count: version.row_count,
        quarantined_count: version.quarantined_count,
        size_bytes: version.size_bytes,
        seq: version.seq,
        committed_at: version.at,
        actor: version.actor,
    }
}

pub(crate) fn dataset(dataset: service::DatasetRecord) -> DatasetSummary {
    let heads = dataset.heads.into_iter().map(|(stage, version)| Head { stage, version });
    DatasetSummary {
        dataset: dataset.name,
        kind: dataset.kind,
        created_at: dataset.created_at,
        newest: dataset.newest.map(version),
        heads: heads.collect(),
    }
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
        version: version(resolved.version),
        newest: resolved.newest,
        files,
        sources,
    }
}

pub(crate) fn version_answer(
    state: &AppState,
    seen: Snapshot,
    mut found: service::ResolvedVersion,
) -> VersionAnswer {
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
            })
            .collect(),
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
        version_id: resolved.version.version_id,
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
        version: version(outcome.version),
        changes: outcome.changes.into_iter().map(change).collect(),
        notes: outcome.notes,
        sources: outcome.sources.iter().map(|entry| source(state, entry)).collect(),
        new_bytes: outcome.new_bytes,
    }
}

fn change(change: lakebed_core::SchemaChange) -> SchemaChange {
    use lakebed_core::SchemaChange as Core;
    let text = change.to_string();
    let (kind, column, from, to) = match change {
        Core::Added { column } => (SchemaChangeKind::Added, column, None, None),
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
    }
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
