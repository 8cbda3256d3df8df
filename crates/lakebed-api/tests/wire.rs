//! What is on the wire: every type reads back what it wrote, requests refuse what they do not
//! know, and the OpenAPI schemas of core's values name exactly the fields that core writes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use lakebed_api::{
    Approval, BuildList, BuildRequest, CatalogAnswer, CatalogApplied, CatalogApplyRequest,
    CatalogPlan, CatalogPlanRequest, CellChange, CellCount, ChangedRow, ColumnChange, ColumnDiff,
    ColumnEdge, ColumnProfile, ContractChange, ContractCheckRequest, ContractReason,
    ContractReport, DatasetAnswer, DatasetList, DatasetSummary, DeprecationRequest, DiffAnswer,
    DiffRequest, DistinctCount, Distribution, EventEntry, EventPage, ExternalNode, FileLink,
    Finding, FirstBroken, FrequentValue, GateOutcome, GitState, Head, Health, ImpactAnswer,
    ImpactLock, ImpactProduct, ImpactReader, IngestPlan, IngestRequest, IngestResponse,
    IngestSource, IngestStatus, InputVersion, Invocation, JobState, LadderChange, LakeFinding,
    LakeInfo, LakeReport, Line, LineageAnswer, LineageEdge, LineageVersion, Links, LockAnswer,
    LockRequest, LockedReference, NewRunOutput, NewToken, Notice, NoticeAnswer, Original,
    PinnedInput, PlannedPromotion, PlannedSource, PolicyChange, Problem, ProductAnswer,
    ProductChange, ProductList, ProductSummary, ProfileAnswer, Progress, PromotionAnswer,
    PromotionRequest, Quantile, Reach, ResolveRequest, ResolveResponse, ResolvedInput,
    ResolvedVersion, RetirementRequest, Review, ReviewAnswer, ReviewList, ReviewRequest,
    ReviewedColumn, RightChange, RowDiff, RowsEdge, RowsPage, RuleFinding, Run, RunAbortRequest,
    RunCommitAnswer, RunCommitRequest, RunEnvironment, RunInput, RunList, RunOutput, RunRequest,
    RunState, SchemaChange, SchemaChangeKind, SightChange, Snapshot, SourceFile, SqlColumn,
    SqlLimits, SqlParameters, SqlRequest, SqlResult, Statement, StatementChunk, StatementRequest,
    StatementResult, TokenList, TokenRequest, TokenSummary, Uploaded, Verdict, VerifyReport,
    VerifyRequest, VersionAnswer, VersionPage, VersionSummary, Waiver, WhoAmI, decode_resolved,
    encode_resolved, format_snapshot, parse_snapshot, schemas,
};
use lakebed_core::{
    Action, AttributeValue, Column, Comment, Compression, CsvDecode, DataType, DatasetKind,
    DateOrder, Declared, Decode, DecodeOptions, Event, EventBody, Field, FormatName, FormerField,
    Header, IngestMode, JsonDecode, JsonForm, Ladder, LakeId, ObjectId, RepeatedHeaders,
    ScopeEntry, Served, SkipKind, Skipped, Spelling, TablePart, TableSchema, Tally, Target,
    Timestamp, TokenScope, VersionId, XlsxDecode,
    lineage::{Direct, Indirect},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use utoipa::PartialSchema;

fn object(text: &str) -> ObjectId {
    ObjectId::of(text.as_bytes())
}

fn at() -> Timestamp {
    "2026-11-01T08:00:00.000001Z".parse().unwrap()
}

fn links() -> Links {
    [("self".to_owned(), "/v1/lake".to_owned())].into()
}

fn snapshot() -> Snapshot {
    Snapshot { seq: 12, at: at() }
}

fn version() -> VersionSummary {
    VersionSummary {
        dataset: "sales.orders".parse().unwrap(),
        kind: DatasetKind::Table,
        version: 2,
        version_id: Some(VersionId::new(object("manifest"))),
        parent: Some(VersionId::new(object("parent"))),
        content_id: Some(object("content")),
        row_count: Some(10),
        quarantined_count: Some(1),
        size_bytes: Some(4096),
        live: false,
        seq: 12,
        committed_at: at(),
        actor: "local:alice".to_owned(),
    }
}

fn file(name: Option<&str>) -> FileLink {
    FileLink {
        url: format!("/v1/objects/{}", object("file")),
        object: object("file"),
        size_bytes: 300_000,
        row_count: name.is_none().then_some(10),
        name: name.map(str::to_owned),
    }
}

fn decode() -> Decode {
    Decode::Csv(CsvDecode {
        compression: Some(Compression::Gzip),
        encoding: Some("windows-1252".to_owned()),
        delimiter: ',',
        quote: '"',
        header: Header::Present,
        skip_lines: 3,
        comment: Some(Comment { begin: '#', except_rows: true }),
        repeated_headers: RepeatedHeaders::Skipped,
        spelling: options().spelling,
        reader: CsvDecode::READER,
        null_tokens: vec!["NA".to_owned()],
        columns: vec![Column {
            name: "price".to_owned(),
            data_type: DataType::Decimal { precision: 9, scale: 2 },
            declared: true,
        }],
    })
}

fn source() -> SourceFile {
    SourceFile {
        file: file(Some("orders.csv.gz")),
        decode: Some(decode()),
        accepted: Tally { rows: 9, bytes: 90 },
        quarantined: Tally { rows: 1, bytes: 10 },
        skipped: vec![Skipped { what: SkipKind::Header, ranges: 1, bytes: 6 }],
    }
}

fn schema() -> TableSchema {
    let element = Field::optional("element", DataType::Int);
    let schema = TableSchema::first(vec![
        Field::optional("price", DataType::Decimal { precision: 9, scale: 2 }),
        Field::optional("tags", DataType::List(Box::new(element))),
    ])
    .unwrap();
    TableSchema { former: vec![FormerField { id: 9, name: "note".to_owned() }], ..schema }
}

fn column_profile() -> ColumnProfile {
    let quantiles = vec![Quantile { q: 0.5, value: json!("2026-11-01") }];
    let (min, max) = (json!("2026-11-01"), json!("2026-11-30"));
    let mean = json!("2026-11-15");
    let distribution = Distribution { min, max, mean, quantiles, histogram: vec![1, 0, 2] };
    ColumnProfile {
        name: "day".to_owned(),
        id: 3,
        data_type: DataType::Date,
        null_count: 1,
        nan_count: Some(2),
        distinct: Some(DistinctCount { count: 3, is_exact: true }),
        min: Some(json!("2026-11-01")),
        max: Some(json!("2026-11-30")),
        lengths: Some(distribution.clone()),
        distribution: Some(distribution),
        frequent: vec![FrequentValue {
            value: json!("2026-11-01"),
            count: 2,
            missed_at_most: Some(1),
        }],
        unlisted_at_most: 1,
    }
}

fn diff() -> DiffAnswer {
    let rows = RowDiff {
        key: vec!["id".to_owned()],
        added: 1,
        removed: 1,
        changed: 1,
        unchanged: 7,
        repeated_keys: 0,
        null_keys: 0,
        cells: vec![CellCount { column: "price".to_owned(), count: 1 }],
        as_text: vec!["note".to_owned()],
        not_compared: vec!["tags".to_owned()],
        columns: vec!["id".to_owned(), "price".to_owned()],
        added_rows: vec![vec![json!(1), json!("1.50")]],
        removed_rows: vec![vec![json!(2), Value::Null]],
        changed_rows: vec![ChangedRow {
            key: vec![json!(3)],
            cells: vec![CellChange {
                column: "price".to_owned(),
                before: json!("1.50"),
                after: Value::Null,
            }],
        }],
    };
    DiffAnswer {
        snapshot: snapshot(),
        from: input(),
        to: input(),
        is_same: false,
        row_counts: [9, 9],
        quarantined_counts: [0, 1],
        columns: vec![ColumnDiff {
            before: None,
            after: Some(column_profile()),
            changes: vec![ColumnChange::Added, ColumnChange::Retyped],
            distance: Some(0.5),
        }],
        rows: Some(rows),
    }
}

fn resolved() -> ResolvedVersion {
    ResolvedVersion {
        reference: "sales.orders@v2".parse().unwrap(),
        version: version(),
        newest: 3,
        files: Some(vec![file(None)]),
        sources: Some(vec![source()]),
    }
}

fn input() -> ResolvedInput {
    ResolvedInput {
        reference: "sales.orders".parse().unwrap(),
        dataset: "sales.orders".parse().unwrap(),
        version: 2,
        version_id: Some(VersionId::new(object("manifest"))),
        newest: 3,
    }
}

fn problem() -> Problem {
    Problem {
        kind: Problem::kind_of("not-found"),
        title: "no such thing".to_owned(),
        status: 404,
        detail: "dataset `sales.orders` not found".to_owned(),
        instance: "9f2c".to_owned(),
        code: "not-found".to_owned(),
        hint: Some("list what there is".to_owned()),
        event: None,
        reasons: vec!["owner: nobody".to_owned()],
    }
}

fn change() -> SchemaChange {
    SchemaChange {
        kind: SchemaChangeKind::Widened,
        column: "id".to_owned(),
        from: Some(DataType::Int),
        to: Some(DataType::Long),
        text: "column `id` was widened from int to long".to_owned(),
    }
}

fn event() -> Event {
    Event {
        seq: 1,
        at: at(),
        actor: "local:alice".to_owned(),
        idempotency_key: Some("k".to_owned()),
        body: EventBody::DatasetCreated {
            dataset: "sales.orders".parse().unwrap(),
            kind: DatasetKind::Table,
        },
    }
}

fn scope() -> TokenScope {
    let on = Target::Dataset("sales.orders".parse().unwrap());
    TokenScope(vec![ScopeEntry { may: [Action::Read].into(), on }])
}

fn token() -> TokenSummary {
    TokenSummary {
        id: "9f2c61d07a5b4c3e".parse().unwrap(),
        principal: "alice".parse().unwrap(),
        label: Some("laptop".to_owned()),
        state: "revoked".to_owned(),
        created_at: at(),
        created_by: "admin".to_owned(),
        expires_at: at(),
        scope: Some(scope()),
        made_with: Some("0123456789abcdef".parse().unwrap()),
        first_admin: true,
        revoked_at: Some(at()),
    }
}

/// A secret that is printed by mistake is a secret that is told.
#[test]
fn a_new_tokens_secret_is_not_in_its_debug_text() {
    let new = NewToken { secret: "lkb_s3cret".to_owned(), token: token() };
    assert!(!format!("{new:?}").contains("s3cret"));
}

fn declared() -> Declared {
    serde_json::from_value(json!({
        "format": 1,
        "groups": { "analysts": ["alice"] },
        "claimed_groups": ["auditors"],
        "principals": { "alice": { "attributes": { "region": "EU" } } },
        "grants": [{ "to": "group:analysts", "may": ["read"], "on": { "namespace": "crm" },
                     "from_stage": "raw", "until": at() }],
        "contracts": { "crm.orders": { "id": "c", "version": "1.0.0", "status": "active",
                                       "object": "orders", "columns": [{ "name": "price" }] } },
        "policies": [
            { "name": "a", "on": "lake", "row_filter": "x = 1", "except": ["bob"] },
            { "name": "b", "on": "lake", "columns": ["x"], "mask": "redact" },
            { "name": "c", "on": "lake", "columns": ["x"], "hide": true },
        ],
        "reviewed": { "crm.orders": ["y"] },
        "stages": ladder(),
        "products": { "crm.prices": product() },
    }))
    .unwrap()
}

/// All that can be said of one.
fn product() -> Value {
    let parameter =
        json!({ "type": "long", "description": "so", "required": true, "default": "1" });
    let query = json!({ "purpose": "so", "sql": "SELECT $a", "parameters": { "a": parameter } });
    json!({ "owner": "alice", "purpose": "so", "sql": "SELECT 1 FROM crm.orders",
            "input_stage": "raw", "order_by": ["x"], "served": "live", "refresh": "on_change",
            "queries": { "q": query } })
}

fn ladder() -> Value {
    json!({ "solo": true, "stages": [
        { "name": "raw" },
        { "name": "top", "gates": ["owner", "lineage(raw)", "approvals(2)"], "waivable": ["owner"] },
    ] })
}

fn heads() -> Vec<Head> {
    let (stage, waived) = ("product".parse().unwrap(), vec!["fresh".parse().unwrap()]);
    vec![Head { stage, version: 1, self_approved: true, waived }]
}

fn notice() -> Notice {
    Notice { at: at(), sunset_at: Some(at()), successor: Some("sales.sales".parse().unwrap()) }
}

fn promotion() -> PromotionAnswer {
    let gate = GateOutcome {
        gate: "lineage(raw)".parse().unwrap(),
        holds: false,
        found: Some("never there".to_owned()),
        waiver: Some(Waiver { by: "sam".to_owned(), reason: Some("so".to_owned()), event: 7 }),
    };
    let promotion = PlannedPromotion {
        dataset: "sales.orders".parse().unwrap(),
        version: 2,
        version_id: Some(VersionId::new(object("manifest"))),
        from: Some(1),
        is_change: true,
        goes_back: false,
        is_ready: true,
        refusals: vec!["it is retired".to_owned()],
        gates: vec![gate],
        approvals: vec![Approval { by: "amy".to_owned(), event: Some(8) }],
        self_approved: false,
        evidence: Some(object("evidence")),
        contract: Some(object("contract")),
    };
    let to = "product".parse().unwrap();
    PromotionAnswer { to, is_ready: true, event: Some(9), promotions: vec![promotion] }
}

fn promotions_read_back() {
    let (refs, to) = (vec!["sales.orders@v2".to_owned()], "product".parse().unwrap());
    let dataset: lakebed_core::DatasetName = "sales.orders".parse().unwrap();
    reads_back(promotion());
    reads_back(PromotionRequest { refs: refs.clone(), to, dry_run: true });
    reads_back(ReviewRequest {
        refs,
        to: "product".parse().unwrap(),
        verdict: Verdict::Waived,
        gate: Some("fresh".parse().unwrap()),
        reason: Some("so".to_owned()),
        evidence: Some(object("evidence")),
    });
    reads_back(ReviewAnswer { event: Some(9), promotion: promotion() });
    reads_back(ReviewList {
        reviews: vec![Review {
            event: 9,
            at: at(),
            by: "amy".to_owned(),
            stage: "product".parse().unwrap(),
            verdict: Verdict::Rejected,
            gate: None,
            reason: None,
            evidence: None,
        }],
    });
    let successor = Some("sales.sales".parse().unwrap());
    reads_back(DeprecationRequest { dataset: dataset.clone(), sunset_at: at(), successor });
    reads_back(RetirementRequest { dataset });
    reads_back(NoticeAnswer { event: Some(9) });
}

#[test]
fn runs_read_back() {
    let git = Some(GitState { commit: "9f2c61d0".to_owned(), dirty: true });
    let environment = Some(RunEnvironment {
        program: Some("00".to_owned()),
        files: [("uv.lock".to_owned(), "11".to_owned())].into(),
    });
    let version_id = Some(VersionId::new(object("manifest")));
    reads_back(RunRequest {
        inputs: vec![RunInput { reference: "sales.orders".to_owned(), version_id }],
        outputs: vec!["ml.scores".parse().unwrap()],
        command: vec!["python".to_owned()],
        parameters: [("depth".to_owned(), "3".to_owned())].into(),
        git: git.clone(),
        environment: environment.clone(),
        patience_seconds: Some(60),
    });
    reads_back(RunRequest::default());
    let run = Run {
        run: "0123".to_owned(),
        state: RunState::Committed,
        actor: "alice".to_owned(),
        inputs: vec![PinnedInput {
            reference: "sales.orders".parse().unwrap(),
            version: 2,
            version_id,
        }],
        outputs: vec![RunOutput {
            dataset: "ml.scores".parse().unwrap(),
            version: 1,
            unchanged: true,
        }],
        invocation: Some(Invocation { git, environment, ..Invocation::default() }),
        environment_digest: Some("00".to_owned()),
        started_at: at(),
        ended_at: Some(at()),
        heard_at: Some(at()),
        patience_seconds: Some(600),
        exit_code: Some(0),
        reason: Some("so".to_owned()),
        log_bytes: Some(7),
        event: Some(9),
    };
    reads_back(RunList { runs: vec![run.clone()] });
    reads_back(RunCommitRequest {
        outputs: vec![NewRunOutput {
            dataset: "ml.scores".to_owned(),
            sources: vec![IngestSource::upload("a.csv", object("upload"))],
            options: options(),
        }],
        exit_code: Some(0),
        started_at: Some(at()),
        ended_at: Some(at()),
        log: Some(IngestSource::upload("log", object("log"))),
    });
    reads_back(RunCommitAnswer { run, outputs: vec![ingest_response()] });
    reads_back(RunAbortRequest {
        exit_code: Some(3),
        reason: Some("so".to_owned()),
        started_at: Some(Timestamp::from_micros(1)),
        ended_at: Some(Timestamp::from_micros(2)),
        log: Some(IngestSource::upload("log", ObjectId::of(b"log"))),
    });
}

#[test]
fn lineage_and_what_belongs_to_it_read_back() {
    let first = LineageVersion {
        version: version(),
        columns: vec!["total".to_owned()],
        originals: Vec::new(),
        original_count: 0,
        external: Vec::new(),
    };
    let original = Original {
        name: "orders.csv".to_owned(),
        object: object("orders"),
        size_bytes: 7,
        accepted_rows: 2,
        quarantined_rows: 1,
    };
    let external = vec![ExternalNode {
        namespace: "s3://bucket".to_owned(),
        name: "orders".to_owned(),
        job: Some("copy".to_owned()),
        told_by: "airflow".to_owned(),
        told_at: at(),
        event: 3,
    }];
    let second = LineageVersion {
        originals: vec![original],
        original_count: 1,
        external: external.clone(),
        ..first.clone()
    };
    let edge = LineageEdge {
        computed: 0,
        source: 1,
        columns: vec![ColumnEdge {
            column: "total".to_owned(),
            source: "amount".to_owned(),
            part: TablePart::Rows,
            direct: BTreeSet::from([Direct::Aggregation]),
            conditional: true,
        }],
        rows: vec![RowsEdge {
            source: "day".to_owned(),
            part: TablePart::Quarantine,
            kinds: BTreeSet::from([Indirect::GroupBy]),
        }],
    };
    let (versions, edges) = (vec![first, second], vec![edge]);
    reads_back(LineageAnswer { snapshot: snapshot(), versions, edges, is_cut: true });
    reads_back(ImpactAnswer {
        dataset: "sales.orders".parse().unwrap(),
        column: Some("amount".to_owned()),
        products: vec![ImpactProduct {
            product: "sales.by_day".parse().unwrap(),
            owner: None,
            steps: 1,
            declared: false,
            built: Some(3),
            columns: vec!["total".to_owned()],
            other_rows: true,
            anything: true,
            broken: true,
        }],
        locks: vec![ImpactLock {
            actor: "alice".to_owned(),
            name: "train".to_owned(),
            registered_at: at(),
            versions: vec![1, 2],
        }],
        all_locks: true,
        readers: Some(vec![ImpactReader { principal: "bob".to_owned(), reads: 3, last_at: at() }]),
        external,
    });
    reads_back(LakeReport {
        findings: vec![LakeFinding {
            dataset: "sales.orders".parse().unwrap(),
            kind: "stale".to_owned(),
            detail: "so".to_owned(),
        }],
        dataset_count: 1,
        knows_reads: false,
    });
    reads_back(LockAnswer { event: Some(3) });
    let version_id = VersionId::new(object("v"));
    let reference = "sales.orders".parse().unwrap();
    reads_back(LockRequest { inputs: vec![LockedReference { reference, version_id }] });
    assert!(serde_json::from_value::<LockRequest>(json!({ "inputs": [], "actor": "x" })).is_err());
}

fn catalog_plan() -> CatalogPlan {
    CatalogPlan {
        before: None,
        after: object("catalog"),
        is_change: true,
        loses_last_admin: false,
        groups: Vec::new(),
        claimed_groups_added: declared().claimed_groups,
        claimed_groups_removed: BTreeSet::new(),
        attributes: Vec::new(),
        grants_added: declared().grants,
        grants_removed: BTreeSet::new(),
        rights: vec![RightChange {
            is_gain: true,
            who: BTreeSet::from(["alice".parse().unwrap()]),
            action: Action::Read,
            on: "crm.*".parse().unwrap(),
            before: Reach::Never,
            after: Reach::Until(at()),
        }],
        contracts: vec![ContractChange {
            dataset: "crm.orders".parse().unwrap(),
            before: Some("1.0.0".to_owned()),
            after: Some("1.1.0".to_owned()),
            level: Some("minor".to_owned()),
            reasons: vec![ContractReason {
                level: "minor".to_owned(),
                element: "price.minimum".to_owned(),
                what: "was added".to_owned(),
                why: "a promise more".to_owned(),
            }],
            version_flaw: None,
        }],
        policies: vec![PolicyChange {
            before: None,
            after: serde_json::from_str(
                r#"{"name":"x","on":"lake","columns":["a"],"mask":{"partial":{"keep_last":4}}}"#,
            )
            .unwrap(),
        }],
        products: vec![ProductChange {
            product: "crm.per_day".parse().unwrap(),
            before: None,
            after: Some(serde_json::from_value(product()).unwrap()),
        }],
        reviewed_added: vec![ReviewedColumn {
            dataset: "crm.orders".parse().unwrap(),
            column: "a".to_owned(),
        }],
        reviewed_removed: Vec::new(),
        sights: vec![SightChange {
            is_gain: false,
            who: BTreeSet::from(["alice".parse().unwrap()]),
            on: Target::Lake,
            restriction: "a as redact".to_owned(),
        }],
        ladder: Some(LadderChange { before: Ladder::usual(), after: declared().ladder() }),
        warnings: vec!["policy `x` does nothing: no contract has the tag `pii`".to_owned()],
    }
}

fn options() -> DecodeOptions {
    DecodeOptions {
        format: Some(FormatName::Csv),
        encoding: Some("latin1".to_owned()),
        delimiter: Some(';'),
        quote: Some('\''),
        header: Some(Header::Absent),
        null_tokens: vec!["NA".to_owned()],
        skip_lines: Some(3),
        comment: Some("#".to_owned()),
        repeated_headers: Some(RepeatedHeaders::Kept),
        spelling: Spelling {
            decimal: Some(','),
            thousands: Some('.'),
            dates: Some(DateOrder::Dmy),
        },
        sheet: Some("Orders".to_owned()),
        range: Some("A1:F100".to_owned()),
        types: [("price".to_owned(), DataType::Double)].into(),
        evolve: ["rename qty=quantity", "retype price=double", "drop note"]
            .map(|text| text.parse().unwrap())
            .into(),
        max_quarantined: Some(0.5),
        max_quarantined_rows: Some(7),
    }
}

fn ingest_response() -> IngestResponse {
    IngestResponse {
        status: IngestStatus::Unchanged,
        version: version(),
        changes: vec![change()],
        notes: vec!["delimiter is `;`".to_owned()],
        sources: vec![source()],
        findings: vec![finding()],
        new_bytes: Some(0),
        inputs: vec![input()],
    }
}

fn finding() -> RuleFinding {
    RuleFinding {
        rule: "price.minimum".to_owned(),
        column: Some("price".to_owned()),
        severity: "warning".to_owned(),
        measured: 3.into(),
        threshold: "0".to_owned(),
        passed: false,
        consequence: Some("warned".to_owned()),
        problem: None,
        first: Some(FirstBroken { source: "a.csv".to_owned(), line: 7 }),
    }
}

fn contract_report() -> ContractReport {
    ContractReport {
        dataset: "sales.orders".parse().unwrap(),
        number: 3,
        contract: object("contract"),
        id: "c-1".to_owned(),
        version: "1.0.0".to_owned(),
        status: "active".to_owned(),
        owners: vec!["carol".to_owned()],
        description: Some("orders".to_owned()),
        tags: vec!["pii".to_owned()],
        accepted: 7,
        quarantined: 1,
        findings: vec![finding()],
        refusals: Vec::new(),
        held_back_by: vec!["rowCount".to_owned()],
    }
}

fn reads_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
}

#[test]
fn every_type_reads_back_what_it_wrote() {
    reads_back(problem());
    reads_back(snapshot());
    reads_back(LakeInfo {
        lake: LakeId::from_bytes([7; 16]),
        root: Some("/data/lake".to_owned()),
        seq: 12,
        created_at: at(),
        dataset_count: 1,
        server_version: "0.1.0".to_owned(),
    });
    reads_back(Health { status: "ready".to_owned() });
    let summary = DatasetSummary {
        dataset: "sales.orders".parse().unwrap(),
        kind: DatasetKind::Files,
        created_at: at(),
        newest: Some(version()),
        heads: heads(),
        notice: Some(notice()),
    };
    reads_back(DatasetAnswer { dataset: summary.clone(), links: links() });
    reads_back(DatasetList { snapshot: snapshot(), datasets: vec![summary] });
    reads_back(VersionPage { versions: vec![version()], next_before: Some(2), heads: heads() });
    reads_back(resolved());
    reads_back(ResolveRequest {
        refs: vec!["sales.orders".to_owned()],
        files: true,
        ..ResolveRequest::default()
    });
    reads_back(ResolveResponse {
        lake: LakeId::from_bytes([7; 16]),
        snapshot: snapshot(),
        versions: vec![resolved()],
    });
    reads_back(VersionAnswer {
        snapshot: snapshot(),
        version: resolved(),
        schema: Some(schema()),
        quarantine: vec![file(None)],
        contract: Some(object("contract")),
        report: Some(contract_report()),
        stages: vec!["product".parse().unwrap()],
        heads: heads(),
        notice: Some(notice()),
        inputs: vec![InputVersion {
            dataset: "sales.customers".parse().unwrap(),
            version_id: VersionId::new(object("customers")),
            links: links(),
        }],
        links: links(),
    });
    reads_back(contract_report());
    promotions_read_back();
    runs_read_back();
    reads_back(ContractCheckRequest { reference: "sales.orders@v3".to_owned() });
    reads_back(ProfileAnswer {
        snapshot: snapshot(),
        resolved: input(),
        row_count: 10,
        is_stored: true,
        columns: vec![column_profile()],
        links: links(),
    });
    reads_back(RowsPage {
        statement_id: "0a".repeat(16),
        snapshot: snapshot(),
        resolved: input(),
        as_of: at(),
        stale: Some(true),
        next: Some("/v1/products/a/b/rows?cursor=1-1-0".to_owned()),
        rows: vec![[("id".to_owned(), 1.into())].into_iter().collect()],
        row_count: 1,
    });
    let summary = ProductSummary {
        product: "sales.orders".parse().unwrap(),
        owner: "alice".to_owned(),
        purpose: "so".to_owned(),
        served: Served::Live,
        newest: Some(version()),
        heads: heads(),
        links: links(),
    };
    reads_back(ProductAnswer {
        snapshot: snapshot(),
        summary: summary.clone(),
        as_of: Some(at()),
        stale: Some(vec!["inputs".to_owned()]),
        notice: Some(notice()),
        declared: Some(serde_json::from_value(product()).unwrap()),
    });
    reads_back(ProductList { products: vec![summary] });
    reads_back(BuildList { builds: Vec::new() });
    let pinned = LockedReference {
        reference: "crm.orders@validated".parse().unwrap(),
        version_id: VersionId::new(object("version")),
    };
    reads_back(BuildRequest { locked: Some(vec![pinned]) });
    reads_back(BuildRequest::default());
    reads_back(diff());
    reads_back(DiffRequest {
        from: "a.b@v1".to_owned(),
        to: "a.b".to_owned(),
        key: vec!["id".to_owned()],
        show: Some(5),
    });
    reads_back(Uploaded {
        upload: object("upload"),
        size_bytes: 5,
        name: Some("a.csv".to_owned()),
    });
    reads_back(IngestRequest {
        dataset: "sales.orders".to_owned(),
        mode: IngestMode::Append,
        again: Some("once more".to_owned()),
        repairs: Some("sales.orders@v3".to_owned()),
        sources: vec![
            IngestSource::upload("a.csv", object("upload")),
            IngestSource::path("b.csv", "/data/b.csv"),
        ],
        options: options(),
    });
    reads_back(IngestPlan {
        sources: vec![PlannedSource {
            name: "a.csv".to_owned(),
            decode: Some(decode()),
            accepted: Tally { rows: 1, bytes: 5 },
            quarantined: Tally::default(),
        }],
        schema: Some(schema()),
        changes: vec![change()],
        sample_columns: vec!["price".to_owned(), "tags".to_owned()],
        sample: vec![vec![Some("1.00".to_owned()), None]],
        notes: Vec::new(),
    });
    reads_back(ingest_response());
    reads_back(Line::<IngestResponse>::Progress(Progress {
        phase: "reading".to_owned(),
        bytes_done: 1,
        bytes_total: Some(2),
        rows_done: 3,
        queued_before: Some(4),
    }));
    reads_back(Line::Done(ingest_response()));
    reads_back(Line::<IngestResponse>::Problem(problem()));
    let entry: EventEntry = serde_json::from_value(serde_json::to_value(event()).unwrap()).unwrap();
    assert_eq!(entry.text("kind"), Some("table"));
    reads_back(EventPage { events: vec![entry], next_after: Some(1) });
    reads_back(catalog_plan());
    reads_back(CatalogAnswer {
        digest: Some(object("catalog")),
        event: Some(3),
        declared: declared(),
    });
    reads_back(CatalogApplyRequest {
        declared: declared(),
        expected: Some(object("catalog")),
        without_admin: true,
    });
    reads_back(CatalogApplied { event: Some(4), plan: catalog_plan() });
    reads_back(VerifyRequest { refs: vec!["sales.orders".to_owned()] });
    reads_back(VerifyReport {
        version_count: 1,
        object_count: 2,
        size_bytes: 3,
        segment_count: 4,
        findings: vec![Finding {
            dataset: Some("sales.orders".parse().unwrap()),
            versions: vec![1, 2],
            object: Some(object("file")),
            what: "table file".to_owned(),
            problem: "object is corrupt".to_owned(),
        }],
    });
    reads_back(TokenRequest {
        principal: Some("svc:nightly".parse().unwrap()),
        label: Some("nightly".to_owned()),
        days: Some(7),
        scope: Some(scope()),
        first_admin: true,
    });
    reads_back(NewToken { secret: "lkb_x".to_owned(), token: token() });
    reads_back(TokenList { tokens: vec![token()] });
    reads_back(WhoAmI {
        principal: "alice".parse().unwrap(),
        groups: ["analysts".parse().unwrap()].into(),
        attributes: [("region".parse().unwrap(), AttributeValue::Text("EU".to_owned()))].into(),
        standing: "ordinary".to_owned(),
        credential: "oidc".to_owned(),
        token: None,
        issuer: Some("https://id.example".to_owned()),
        expires_at: Some(at()),
        scope: Some(scope()),
    });
    let named = json!({"low": 1.5}).as_object().unwrap().clone();
    for params in
        [SqlParameters::Positional(vec![json!(1), Value::Null]), SqlParameters::Named(named)]
    {
        let limits = SqlLimits {
            max_rows: Some(1),
            max_bytes: Some(2),
            timeout_ms: Some(3),
            memory_bytes: Some(4),
            spill_bytes: Some(5),
        };
        let sql = "SELECT 1".to_owned();
        reads_back(SqlRequest { sql: sql.clone(), params: params.clone(), limits });
        reads_back(StatementRequest { sql, params, limits, wait_ms: Some(0) });
    }
    reads_back(statement());
    reads_back(SqlResult {
        statement_id: "s".to_owned(),
        snapshot: snapshot(),
        resolved: vec![input()],
        columns: vec![SqlColumn { name: "n".to_owned(), data_type: "long".to_owned() }],
        rows: vec![vec![json!(1)]],
        row_count: 1,
    });
}

/// Plain values of JSON would keep the last of equal names, and the first digits of long numbers.
#[test]
fn parameters_lose_nothing_in_silence() {
    let read = |text: &str| serde_json::from_str::<SqlParameters>(text);
    let kept = r#"[18446744073709551615,-9223372036854775808,1.5,1e300,-0,null,true,"\u00e9"]"#;
    let values = vec![
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1.5),
        json!(1e300),
        json!(-0.0),
        Value::Null,
        json!(true),
        json!("é"),
    ];
    assert_eq!(read(kept).unwrap(), SqlParameters::Positional(values));
    for (text, why) in [
        ("[1,18446744073709551616]", "parameter `2` has more than 64 bits and would be rounded"),
        (r#"{"a":-9223372036854775809}"#, "parameter `a` has more than 64 bits"),
        (r#"{"a":1,"b":2,"a":3}"#, "parameter `a` is given twice"),
        ("[1e999]", "parameter `1` cannot be read: number out of range"),
        (r#"["\ud800"]"#, "parameter `1` cannot be read: "),
        ("7", "expected a list of values, or an object of named values"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
        assert!(!error.contains("922337"), "a value is not repeated: {error}");
    }
}

fn statement() -> Statement {
    Statement {
        id: "4fe1".to_owned(),
        state: JobState::Done,
        idempotency_key: Some("k1".to_owned()),
        progress: None,
        cancel_asked: false,
        result: Some(StatementResult {
            statement_id: "s".to_owned(),
            snapshot: snapshot(),
            resolved: vec![input()],
            columns: vec![SqlColumn { name: "n".to_owned(), data_type: "long".to_owned() }],
            row_count: 2,
            chunks: vec![StatementChunk {
                url: "/v1/statements/4fe1/chunks/0".to_owned(),
                row_count: 2,
                size_bytes: 512,
            }],
        }),
        problem: None,
        created_at: at(),
        updated_at: at(),
        expires_at: Some(at()),
    }
}

#[test]
fn a_statement_tells_where_its_rows_are() {
    insta::assert_json_snapshot!(statement(), @r#"
    {
      "id": "4fe1",
      "state": "done",
      "idempotency_key": "k1",
      "cancel_asked": false,
      "result": {
        "statement_id": "s",
        "snapshot": {
          "seq": 12,
          "at": "2026-11-01T08:00:00.000001Z"
        },
        "resolved": [
          {
            "reference": "sales.orders",
            "dataset": "sales.orders",
            "version": 2,
            "version_id": "0d197521d9a48760576da1c87dfd828a60d397ea1e16f92a5b7c44b4f4060ce1",
            "newest": 3
          }
        ],
        "columns": [
          {
            "name": "n",
            "type": "long"
          }
        ],
        "row_count": 2,
        "chunks": [
          {
            "url": "/v1/statements/4fe1/chunks/0",
            "row_count": 2,
            "size_bytes": 512
          }
        ]
      },
      "created_at": "2026-11-01T08:00:00.000001Z",
      "updated_at": "2026-11-01T08:00:00.000001Z",
      "expires_at": "2026-11-01T08:00:00.000001Z"
    }
    "#);
    let waiting = Statement {
        state: JobState::Queued,
        progress: Some(Progress {
            phase: "queued".to_owned(),
            queued_before: Some(3),
            ..Progress::default()
        }),
        result: None,
        idempotency_key: None,
        expires_at: None,
        ..statement()
    };
    let told = serde_json::to_value(&waiting).unwrap();
    assert_eq!(told["progress"]["queued_before"], 3);
    for absent in ["result", "problem", "idempotency_key", "expires_at"] {
        assert!(told.get(absent).is_none(), "{absent}");
    }
    reads_back(waiting);
}

#[test]
fn a_line_is_named_by_what_it_is() {
    let line = serde_json::to_value(Line::<IngestResponse>::Progress(Progress::default())).unwrap();
    assert!(line.get("progress").is_some(), "{line}");
    let line = serde_json::to_value(Line::<IngestResponse>::Problem(problem())).unwrap();
    assert_eq!(line["problem"]["code"], "not-found");
}

#[test]
fn a_problem_is_as_rfc_9457_has_it() {
    insta::assert_json_snapshot!(problem(), @r#"
    {
      "type": "urn:lakebed:problem:not-found",
      "title": "no such thing",
      "status": 404,
      "detail": "dataset `sales.orders` not found",
      "instance": "9f2c",
      "code": "not-found",
      "hint": "list what there is",
      "reasons": [
        "owner: nobody"
      ]
    }
    "#);
}

#[test]
fn requests_refuse_fields_they_do_not_know() {
    fn refuses<T: DeserializeOwned + std::fmt::Debug>(request: Value) {
        let error = serde_json::from_value::<T>(request).unwrap_err().to_string();
        assert!(error.contains("unknown field `surprise`"), "{error}");
    }
    refuses::<ResolveRequest>(json!({"refs": [], "surprise": 1}));
    refuses::<SqlRequest>(json!({"sql": "", "surprise": 1}));
    refuses::<SqlRequest>(json!({"sql": "", "limits": {"surprise": 1}}));
    refuses::<StatementRequest>(json!({"sql": "", "surprise": 1}));
    refuses::<VerifyRequest>(json!({"surprise": 1}));
    refuses::<TokenRequest>(json!({"surprise": 1}));
    refuses::<CatalogPlanRequest>(json!({"declared": {"format": 1, "surprise": 1}}));
    refuses::<CatalogApplyRequest>(json!({"declared": {"format": 1}, "surprise": 1}));
    refuses::<IngestRequest>(json!({"dataset": "a.b", "sources": [], "surprise": 1}));
    refuses::<IngestRequest>(json!({"dataset": "a.b", "sources": [{"surprise": 1}]}));
    refuses::<IngestRequest>(json!({"dataset": "a.b", "sources": [], "options": {"surprise": 1}}));
}

#[test]
fn clients_ignore_fields_of_answers_they_do_not_know() {
    let mut later = serde_json::to_value(resolved()).unwrap();
    later["surprise"] = json!(1);
    assert_eq!(serde_json::from_value::<ResolvedVersion>(later).unwrap(), resolved());
}

#[test]
fn the_headers_of_an_answer_read_back() {
    let header = encode_resolved(&[input()]);
    assert!(header.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{header}");
    assert_eq!(decode_resolved(&header), Some(vec![input()]));
    assert_eq!(decode_resolved("no base64!"), None);
    assert_eq!(parse_snapshot(&format_snapshot(&snapshot())), Some(snapshot()));
    assert_eq!(parse_snapshot("twelve"), None);
}

/// The names of the properties an OpenAPI schema has.
fn documented<T: PartialSchema>() -> BTreeSet<String> {
    let schema = serde_json::to_value(T::schema()).unwrap();
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

/// The names of the fields a value writes.
fn written(value: impl Serialize) -> BTreeSet<String> {
    serde_json::to_value(value).unwrap().as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schemas_of_core_values_name_what_core_writes() {
    assert_eq!(documented::<schemas::DecodeOptionsSchema>(), written(options()));
    assert_eq!(documented::<schemas::TableSchemaSchema>(), written(schema()));
    assert_eq!(documented::<schemas::FieldSchema>(), written(&schema().fields[0]));
    assert_eq!(documented::<schemas::ScopeEntrySchema>(), written(&scope().0[0]));
    assert_eq!(documented::<schemas::TallySchema>(), written(Tally::default()));
    assert_eq!(documented::<schemas::SkippedSchema>(), written(source().skipped[0]));
    assert_eq!(documented::<schemas::DeclaredSchema>(), written(declared()));
    assert_eq!(documented::<schemas::LadderSchema>(), written(declared().ladder()));
    assert_eq!(documented::<schemas::StageSchema>(), written(&declared().ladder().stages[1]));
    let product = declared().products.into_values().next().unwrap();
    assert_eq!(documented::<schemas::ProductSchema>(), written(&product));
    assert_eq!(documented::<schemas::ProductQuerySchema>(), written(&product.queries["q"]));
    let parameter = &product.queries["q"].parameters["a"];
    assert_eq!(documented::<schemas::QueryParameterSchema>(), written(parameter));
    let grant = declared().grants.pop_first().unwrap();
    assert_eq!(documented::<schemas::GrantSchema>(), written(grant));
    let policies = declared().policies.into_values().flat_map(written).collect::<BTreeSet<_>>();
    assert_eq!(documented::<schemas::PolicySchema>(), policies);
    let Decode::Csv(decoded) = decode() else { panic!("csv") };
    assert_eq!(documented::<schemas::ColumnSchema>(), written(&decoded.columns[0]));
    let mut csv = written(decode());
    assert!(csv.remove("format"), "the tag");
    assert_eq!(documented::<schemas::CsvDecodeSchema>(), csv);
    let json = written(JsonDecode {
        compression: Some(Compression::Zstd),
        form: JsonForm::Lines,
        null_tokens: Vec::new(),
        keys: vec!["".to_owned()],
        columns: Vec::new(),
    });
    assert_eq!(documented::<schemas::JsonDecodeSchema>(), json);
    let xlsx = written(XlsxDecode {
        sheet: "Orders".to_owned(),
        range: "A1:F100".to_owned(),
        skip_rows: 3,
        header: Header::Present,
        repeated_headers: RepeatedHeaders::Skipped,
        spelling: options().spelling,
        null_tokens: Vec::new(),
        columns: Vec::new(),
    });
    assert_eq!(documented::<schemas::CommentSchema>(), written(decoded.comment));
    assert_eq!(documented::<schemas::SpellingSchema>(), written(decoded.spelling));
    assert_eq!(documented::<schemas::XlsxDecodeSchema>(), xlsx);
}
