//! Tables that the lake makes of itself: `system` for whoever may `audit` it, `information_schema` for
//! everybody, who find there what they may discover and no more.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray},
    datatypes::{Field, Schema},
    record_batch::RecordBatch,
};
use lakebed_core::{Action, DatasetKind, Event, TableSchema, Target, Timestamp};

use crate::{
    Ctx, DatasetRecord, Error, Lake, Result, Seen, VersionRecord,
    engine::{SystemRows, SystemTable},
    reads::{Asked, ReadBody, ReadIntent, ReadOutcome, StoredRead},
};

/// What the lake is called where SQL wants the name of a database.
const CATALOG: &str = "lakebed";
/// How many events or versions are read from the catalog at once.
const PAGE: u32 = 1000;

impl Lake {
    /// The rows of `tables`, for the asker.
    ///
    /// # Errors
    /// [`Error::NotFound`] for one that is not for them, as for one that does not exist.
    pub(crate) async fn system_tables(
        &self,
        ctx: &Ctx,
        tables: &[SystemTable],
    ) -> Result<Vec<SystemRows>> {
        let mut made = Vec::with_capacity(tables.len());
        for table in tables {
            let rows = match table {
                SystemTable::Queries => self.system_queries(ctx).await?,
                SystemTable::Events => self.system_events(ctx).await?,
                SystemTable::Versions => self.system_versions(ctx).await?,
                SystemTable::Schemata => schemata(&self.datasets(ctx, None).await?.1)?,
                SystemTable::Tables => tables_of(&self.datasets(ctx, None).await?.1)?,
                SystemTable::Columns => self.columns(ctx).await?,
            };
            made.push(SystemRows { table: *table, rows });
        }
        Ok(made)
    }

    async fn check_audits(&self, ctx: &Ctx, table: SystemTable) -> Result<()> {
        match self.rights(ctx).await?.allows(Action::Audit, &Target::Lake) {
            true => Ok(()),
            false => Err(Error::NotFound {
                message: format!("there is no table `{}` for you", table.name()),
                hint: Some("it takes the right to `audit` the lake".to_owned()),
            }),
        }
    }

    async fn system_queries(&self, ctx: &Ctx) -> Result<RecordBatch> {
        self.check_audits(ctx, SystemTable::Queries).await?;
        let records = self.inner.reads.all().await?;
        let mut queries: Vec<Query<'_>> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for record in &records {
            match &record.body {
                ReadBody::Intent(intent) => {
                    places.insert(record.read.as_str(), queries.len());
                    queries.push(Query { record, intent, outcome: None });
                }
                ReadBody::Outcome(outcome) => {
                    if let Some(place) = places.get(record.read.as_str()) {
                        queries[*place].outcome = Some(outcome);
                    }
                }
            }
        }
        let text = |read: &dyn Fn(&Query<'_>) -> Option<String>| texts(queries.iter().map(read));
        let number = |read: &dyn Fn(&Query<'_>) -> Option<u64>| numbers(queries.iter().map(read));
        let outcome = |query: &Query<'_>| query.outcome.cloned();
        table(vec![
            ("seq", number(&|query| Some(query.record.seq))),
            ("at", times(queries.iter().map(|query| query.record.at))),
            ("statement_id", text(&|query| Some(query.record.read.clone()))),
            ("principal", text(&|query| Some(query.record.principal.clone()))),
            ("door", text(&|query| Some(query.intent.asker.door.as_str().to_owned()))),
            ("request_id", text(&|query| Some(query.intent.asker.request_id.clone()))),
            ("token", text(&|query| query.intent.asker.token.as_ref().map(|(id, _)| id.clone()))),
            ("kind", text(&|query| Some(query.intent.asked.kind().to_owned()))),
            ("sql", text(&|query| query.sql())),
            ("snapshot_seq", number(&|query| query.intent.snapshot_seq)),
            ("versions", text(&|query| Some(query.versions()))),
            ("restricted", booleans(queries.iter().map(|query| Some(query.is_restricted())))),
            ("policy", text(&|query| query.intent.policy.map(|digest| digest.to_string()))),
            ("engine", text(&|query| Some(query.intent.engine.clone()))),
            ("outcome", text(&|query| outcome(query).map(|o| o.ending.as_str().to_owned()))),
            ("code", text(&|query| outcome(query).and_then(|outcome| outcome.code))),
            ("columns", text(&|query| query.columns())),
            ("rows", number(&|query| outcome(query).map(|outcome| outcome.rows))),
            ("bytes", number(&|query| outcome(query).map(|outcome| outcome.bytes))),
            ("duration_us", number(&|query| outcome(query).map(|outcome| outcome.duration_us))),
        ])
    }

    async fn system_events(&self, ctx: &Ctx) -> Result<RecordBatch> {
        self.check_audits(ctx, SystemTable::Events).await?;
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.seq);
            let page = self.inner.catalog.events(after, PAGE).await?;
            if page.is_empty() {
                break;
            }
            events.extend(page);
        }
        let text = |read: &dyn Fn(&Event) -> Option<String>| texts(events.iter().map(read));
        let dataset = |event: &Event| event.body.dataset().map(ToString::to_string);
        table(vec![
            ("seq", numbers(events.iter().map(|event| Some(event.seq)))),
            ("at", times(events.iter().map(|event| event.at))),
            ("actor", text(&|event| Some(event.actor.clone()))),
            ("type", text(&|event| Some(event.body.type_name().to_owned()))),
            ("dataset", text(&dataset)),
            ("idempotency_key", text(&|event| event.idempotency_key.clone())),
        ])
    }

    /// Numbers and times for every auditor; digests and counts for those who may read the dataset.
    async fn system_versions(&self, ctx: &Ctx) -> Result<RecordBatch> {
        self.check_audits(ctx, SystemTable::Versions).await?;
        let rights = self.rights(ctx).await?;
        let versions = self.all_versions().await?;
        let seen: Vec<(&VersionRecord, bool)> =
            versions.iter().map(|version| (version, rights.reads(&version.dataset))).collect();
        let text = |read: &dyn Fn(&VersionRecord) -> String| {
            texts(seen.iter().map(|(version, _)| Some(read(version))))
        };
        let data_text = |read: &dyn Fn(&VersionRecord) -> String| {
            texts(seen.iter().map(|(version, reads)| reads.then(|| read(version))))
        };
        let data_number = |read: &dyn Fn(&VersionRecord) -> Option<u64>| {
            numbers(seen.iter().map(|(version, reads)| read(version).filter(|_| *reads)))
        };
        table(vec![
            ("namespace", text(&|version| version.dataset.namespace().to_owned())),
            ("dataset", text(&|version| version.dataset.name().to_owned())),
            ("version", numbers(versions.iter().map(|version| Some(version.number)))),
            ("seq", numbers(versions.iter().map(|version| Some(version.seq)))),
            ("committed_at", times(versions.iter().map(|version| version.at))),
            ("actor", text(&|version| version.actor.clone())),
            ("version_id", data_text(&|version| version.version_id.to_string())),
            ("content_id", data_text(&|version| version.content_id.to_string())),
            ("row_count", data_number(&VersionRecord::counted)),
            ("quarantined_count", data_number(&|version| Some(version.quarantined_count))),
            ("size_bytes", data_number(&|version| version.counted().map(|_| version.size_bytes))),
        ])
    }

    /// Columns of the newest versions, as far as the asker may ask for their values.
    async fn columns(&self, ctx: &Ctx) -> Result<RecordBatch> {
        let (_, datasets) = self.datasets(ctx, None).await?;
        let (rights, in_force) = self.rights_in_force(ctx).await?;
        let mut columns: Vec<Column> = Vec::new();
        for Seen { record, .. } in datasets {
            let Some(newest) = record.newest.filter(|_| rights.queries(&record.name)) else {
                continue;
            };
            let manifest = self.inner.cache.manifest(&self.inner.store, &newest).await?;
            let Some(schema) = &manifest.schema else { continue };
            let restriction = self.restriction(ctx, &newest, schema, &in_force).await?;
            let visible = restriction.visible(schema);
            columns.extend(numbered(&record.name, &visible));
        }
        let text = |read: &dyn Fn(&Column) -> String| {
            texts(columns.iter().map(|column| Some(read(column))))
        };
        table(vec![
            ("table_catalog", text(&|_| CATALOG.to_owned())),
            ("table_schema", text(&|column| column.namespace.clone())),
            ("table_name", text(&|column| column.table.clone())),
            ("column_name", text(&|column| column.name.clone())),
            ("ordinal_position", numbers(columns.iter().map(|column| Some(column.position)))),
            ("is_nullable", text(&|column| yes_or_no(column.is_nullable).to_owned())),
            ("data_type", text(&|column| column.data_type.clone())),
        ])
    }
}

struct Query<'a> {
    record: &'a StoredRead,
    intent: &'a ReadIntent,
    outcome: Option<&'a ReadOutcome>,
}

impl Query<'_> {
    fn sql(&self) -> Option<String> {
        match &self.intent.asked {
            Asked::Statement { sql, .. } => Some(sql.clone()),
            _ => None,
        }
    }

    /// `sales.orders@v12, …`, without digests: whoever may audit need not be able to read.
    fn versions(&self) -> String {
        let versions = self.intent.versions.iter();
        let named = versions.map(|version| format!("{}@v{}", version.dataset, version.version));
        named.collect::<Vec<_>>().join(", ")
    }

    fn is_restricted(&self) -> bool {
        self.intent.versions.iter().any(|version| version.restriction.is_restricted())
    }

    /// `sales.orders: id, amount; …`
    fn columns(&self) -> Option<String> {
        let tables = self.outcome?.columns.iter();
        let told = tables.map(|table| format!("{}: {}", table.reference, table.columns.join(", ")));
        Some(told.collect::<Vec<_>>().join("; "))
    }
}

struct Column {
    namespace: String,
    table: String,
    name: String,
    position: u64,
    is_nullable: bool,
    data_type: String,
}

fn numbered<'a>(
    dataset: &'a lakebed_core::DatasetName,
    schema: &'a TableSchema,
) -> impl Iterator<Item = Column> + 'a {
    (1..).zip(&schema.fields).map(|(position, field)| Column {
        namespace: dataset.namespace().to_owned(),
        table: dataset.name().to_owned(),
        name: field.name.clone(),
        position,
        is_nullable: !field.required,
        data_type: field.data_type.to_string(),
    })
}

const fn yes_or_no(answer: bool) -> &'static str {
    match answer {
        true => "YES",
        false => "NO",
    }
}

/// The system's own namespaces are there for everybody, as they are in other databases.
fn schemata(datasets: &[Seen<DatasetRecord>]) -> Result<RecordBatch> {
    let mut names: Vec<&str> =
        datasets.iter().map(|dataset| dataset.record.name.namespace()).collect();
    names.push("information_schema");
    names.sort_unstable();
    names.dedup();
    table(vec![
        ("catalog_name", texts(names.iter().map(|_| Some(CATALOG.to_owned())))),
        ("schema_name", texts(names.iter().map(|name| Some((*name).to_owned())))),
    ])
}

fn tables_of(datasets: &[Seen<DatasetRecord>]) -> Result<RecordBatch> {
    let tables: Vec<_> = datasets
        .iter()
        .map(|dataset| &dataset.record)
        .filter(|record| record.kind == DatasetKind::Table)
        .collect();
    let text = |read: &dyn Fn(&DatasetRecord) -> String| {
        texts(tables.iter().map(|record| Some(read(record))))
    };
    table(vec![
        ("table_catalog", text(&|_| CATALOG.to_owned())),
        ("table_schema", text(&|record| record.name.namespace().to_owned())),
        ("table_name", text(&|record| record.name.name().to_owned())),
        ("table_type", text(&|_| "BASE TABLE".to_owned())),
    ])
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn numbers(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    let numbers = values.map(|value| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)));
    Arc::new(numbers.collect::<Int64Array>())
}

fn booleans(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.collect::<BooleanArray>())
}

fn times(values: impl Iterator<Item = Timestamp>) -> ArrayRef {
    let micros = values.map(|at| Some(at.as_micros()));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(Error::internal)
}
