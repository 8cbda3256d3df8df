//! Short words for changes, and a journal that keeps what a real one keeps.

use lakebed_catalog::{Catalog, Commit, Committed, JournalMark, Resolution, Result};
use lakebed_core::{
    ContractMeasured, DatasetKind, DatasetName, DatasetRef, Event, EventBody, HeadMoved, IngestKey,
    IngestMode, IngestRefused, KeptSource, ListRef, ObjectId, StageName, StoredObject, Timestamp,
    VersionCommitted, VersionId, VersionMaterialised,
    lineage::{LineageKind, LineageName, LineageNode, LineageReceived},
};

pub(crate) fn name(text: &str) -> DatasetName {
    text.parse().unwrap()
}

pub(crate) fn stage(text: &str) -> StageName {
    text.parse().unwrap()
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// An object of `size_bytes` whose name depends on `seed` alone.
pub(crate) fn object(seed: &str, size_bytes: u64) -> StoredObject {
    StoredObject { id: ObjectId::of(seed.as_bytes()), size_bytes, tree: None }
}

/// The id of version `number` of `dataset`.
pub(crate) fn id(dataset: &str, number: u64) -> VersionId {
    VersionId::new(ObjectId::of(format!("manifest {dataset} {number}").as_bytes()))
}

pub(crate) fn created(dataset: &str) -> EventBody {
    EventBody::DatasetCreated { dataset: name(dataset), kind: DatasetKind::Table }
}

/// Version `number`, planned on the one before; its manifest has `1000 + number` bytes.
pub(crate) fn version_body(dataset: &str, number: u64) -> VersionCommitted {
    let version_id = id(dataset, number);
    let source = format!("source {dataset} {number}");
    let mut objects = vec![
        StoredObject { id: version_id.object(), size_bytes: 1000 + number, tree: None },
        StoredObject { tree: Some(ObjectId::of(b"tree")), ..object(&source, 1 << 20) },
        object("shared by all", 77),
    ];
    objects.sort_unstable();
    VersionCommitted {
        dataset: name(dataset),
        number,
        version_id,
        parent: (number > 1).then(|| id(dataset, number - 1)),
        content_id: ObjectId::of(format!("content {dataset} {number}").as_bytes()),
        ingest_key: IngestKey::new(&name(dataset), IngestMode::Replace, &[], None, Some(&source)),
        row_count: 10 * number,
        quarantined_count: number,
        size_bytes: 100 * number,
        objects,
        shared: Vec::new(),
        derived_from: Vec::new(),
        live: false,
    }
}

pub(crate) fn version(dataset: &str, number: u64) -> EventBody {
    EventBody::VersionCommitted(version_body(dataset, number))
}

pub(crate) fn moved(dataset: &str, to_stage: &str, from: Option<u64>, to: u64) -> EventBody {
    EventBody::HeadMoved(HeadMoved {
        dataset: name(dataset),
        stage: stage(to_stage),
        from,
        to,
        promotion: None,
        objects: Vec::new(),
    })
}

pub(crate) fn refused(dataset: &str, seed: &str) -> EventBody {
    let object = object(seed, 5);
    EventBody::IngestRefused(IngestRefused {
        dataset: name(dataset),
        sources: vec![KeptSource { name: seed.to_owned(), object }],
        derived_from: Vec::new(),
        code: "not-a-table".to_owned(),
        message: "the source is no table".to_owned(),
        quarantine: Vec::new(),
        objects: vec![object],
    })
}

/// What contract `contract` says of a version.
/// What a pipeline elsewhere told of `dataset`.
pub(crate) fn told(dataset: &str, seed: &str) -> EventBody {
    let node = |text: &str, ours: Option<&str>| LineageNode {
        name: LineageName { namespace: "elsewhere".to_owned(), name: text.to_owned() },
        datasets: ours.map(name).into_iter().collect(),
    };
    EventBody::LineageReceived(LineageReceived {
        kind: LineageKind::Run,
        event_at: at(1),
        event_type: Some("COMPLETE".to_owned()),
        run: Some("3f5e83fa-3480-44ff-99c5-ff943904e5e8".to_owned()),
        job: None,
        inputs: vec![node("x", None)],
        outputs: vec![node("y", Some(dataset)), node("y", Some(dataset))],
        datasets: [name(dataset)].into(),
        told: object(seed, 7),
    })
}

pub(crate) fn measured(dataset: &str, number: u64, contract: &str) -> EventBody {
    let (contract, findings) = (object(contract, 50), object(&format!("{contract} {number}"), 70));
    let mut objects = vec![contract, findings];
    objects.sort_unstable();
    EventBody::ContractMeasured(ContractMeasured {
        dataset: name(dataset),
        number,
        contract: contract.id,
        engine: 1,
        findings,
        objects,
    })
}

/// Version `number`, whose rows nobody counted.
pub(crate) fn live(dataset: &str, number: u64) -> EventBody {
    let body = version_body(dataset, number);
    EventBody::VersionCommitted(VersionCommitted {
        row_count: 0,
        size_bytes: 0,
        live: true,
        ..body
    })
}

/// Its seven rows, in a file.
pub(crate) fn materialised(dataset: &str, number: u64) -> EventBody {
    let list = object(&format!("list {dataset} {number}"), 40);
    let mut objects = vec![list, object(&format!("file {dataset} {number}"), 70)];
    objects.sort_unstable();
    EventBody::VersionMaterialised(VersionMaterialised {
        dataset: name(dataset),
        number,
        tables: ListRef { object: list, entry_count: 1, row_count: 7 },
        size_bytes: 70,
        objects,
        shared: Vec::new(),
    })
}

pub(crate) fn commit_of(changes: Vec<EventBody>, micros: i64) -> Commit {
    Commit { actor: "ann".to_owned(), at: at(micros), idempotency_key: None, changes }
}

/// Commits `changes` at `micros`.
pub(crate) async fn try_commit(
    catalog: &Catalog,
    micros: i64,
    changes: Vec<EventBody>,
) -> Result<Committed> {
    catalog.commit(commit_of(changes, micros)).await
}

/// The same, where nothing is in its way.
pub(crate) async fn commit(catalog: &Catalog, micros: i64, changes: Vec<EventBody>) -> Committed {
    try_commit(catalog, micros, changes).await.unwrap()
}

/// Moves the mark to the end of the record, as the service does after writing a segment. Returns
/// the segment.
pub(crate) async fn journal(catalog: &Catalog) -> (Vec<Event>, JournalMark) {
    let state = catalog.journal_state().await.unwrap();
    let segment = state.segment + 1;
    let digest = ObjectId::of(&segment.to_le_bytes());
    let mark = JournalMark { segment, seq: state.last_seq, digest };
    let events = catalog.events_between(state.journaled_seq, mark.seq).await.unwrap();
    assert!(catalog.mark_journaled(state.segment, mark).await.unwrap());
    (events, mark)
}

/// Commits and journals at once.
pub(crate) async fn publish(
    catalog: &Catalog,
    micros: i64,
    changes: Vec<EventBody>,
) -> (Vec<Event>, JournalMark) {
    commit(catalog, micros, changes).await;
    journal(catalog).await
}

/// Resolves references given as text, with a default stage.
pub(crate) async fn resolve(catalog: &Catalog, refs: &[&str], default: &str) -> Resolution {
    let refs: Vec<DatasetRef> = refs.iter().map(|text| text.parse().unwrap()).collect();
    catalog.resolve(&refs, &stage(default)).await.unwrap()
}

/// What one reference resolves to, as one line.
pub(crate) async fn show(catalog: &Catalog, reference: &str, default: &str) -> String {
    match resolve(catalog, &[reference], default).await.versions.pop().unwrap() {
        Ok(found) => format!("v{} of v{}", found.version.number, found.newest),
        Err(missing) => missing.to_string(),
    }
}
