//! Lineages of statements over tables that need not exist: JSON in, JSON out. What `compare.py`, beside
//! it, compares with another implementation.
//!
//! Standard input is `{"tables": {"a.b": [["column", "type"], …]}, "statements": {"name": "SELECT …"}}`
//! with types as in manifests; standard output is each statement's lineage, as it would be stored.

use std::{collections::BTreeMap, error::Error, io};

use lakebed_core::{
    DataType, DatasetName, Field, ObjectId, TablePart, TableSchema, Timestamp, VersionId,
};
use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_service::engine::{
    BoundTable, Engine as _, Parameters, QueryJob, QueryLimits, Restriction,
};
use serde_json::Value;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The columns of tables, by the tables' names.
type Tables = BTreeMap<String, Vec<(String, DataType)>>;

fn main() -> Result<()> {
    let input: Value = serde_json::from_reader(io::stdin().lock())?;
    let tables: Tables = serde_json::from_value(input["tables"].clone())?;
    let statements: BTreeMap<String, String> = serde_json::from_value(input["statements"].clone())?;
    let tables = tables.into_iter().map(|(name, columns)| bound(&name, columns));
    let tables = tables.collect::<Result<Vec<_>>>()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let engine = DataFusionEngine::new(EngineOptions::default())?;
    let mut lineages = BTreeMap::new();
    for (name, sql) in statements {
        let lineage = runtime.block_on(lineage(&engine, &tables, &sql));
        lineages.insert(name.clone(), lineage.map_err(|error| format!("{name}: {error}"))?);
    }
    serde_json::to_writer(io::stdout().lock(), &lineages)?;
    Ok(())
}

async fn lineage(engine: &DataFusionEngine, tables: &[BoundTable], sql: &str) -> Result<Value> {
    let named = engine.prepare(sql)?.references;
    let named = named.iter().map(|name| {
        let found = tables.iter().find(|table| table.name() == *name);
        found.cloned().ok_or_else(|| format!("there is no `{name}`"))
    });
    let job = QueryJob {
        sql: sql.to_owned(),
        parameters: Parameters::default(),
        tables: named.collect::<Result<_, _>>()?,
        listing: Vec::new(),
        system: Vec::new(),
        limits: QueryLimits::default(),
        now: Timestamp::from_micros(0),
        fixed: None,
    };
    let derivation = engine.lineage(job).await?;
    Ok(serde_json::from_slice(&derivation.lineage.to_bytes())?)
}

/// A version of that name without a row.
fn bound(name: &str, columns: Vec<(String, DataType)>) -> Result<BoundTable> {
    let dataset: DatasetName = name.parse()?;
    let fields = columns.into_iter().map(|(name, data_type)| Field::optional(name, data_type));
    Ok(BoundTable {
        dataset,
        reference: name.parse()?,
        part: TablePart::Rows,
        version: 1,
        version_id: VersionId::new(ObjectId::of(name.as_bytes())),
        schema: TableSchema::first(fields.collect())?,
        files: Vec::new(),
        computed: None,
        restriction: Restriction::Unrestricted,
    })
}
