//! Rules of a contract that take a query: SQL checks, and what is the newest in a column.
//!
//! They are run by the engine like everybody's statements, with its functions, its limits and its
//! verified reads, and see one table: that of the version. What cannot be run is a finding with a
//! problem, which does not hold.

use arrow::{
    array::{Array, ArrayRef, AsArray as _},
    datatypes::{
        DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
        Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type,
        UInt32Type, UInt64Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::TryStreamExt as _;
use lakebed_contract::{count_finding, value_finding};
use lakebed_core::{
    DatasetName, TablePart, TableRef, Timestamp,
    contract::{Check, Contract, Finding, Number, RelationshipTable, Rule, Value},
};

use crate::{
    Error, Lake, Result,
    engine::{BoundTable, EngineError, QueryJob, QueryLimits},
};

/// How long a check may take, in milliseconds.
const TIMEOUT_MS: u64 = 120_000;
/// What its operators may hold in memory, in bytes.
const MEMORY: u64 = 1 << 30;

impl Lake {
    /// Measures a rule that rows alone do not measure, on a version's table; none if it is none of
    /// those.
    pub(crate) async fn measure_rule(
        &self,
        contract: &Contract,
        rule: &Rule,
        table: &BoundTable,
        total: u64,
    ) -> Result<Option<Finding>> {
        let found = match &rule.check {
            Check::Sql { query, .. } => {
                let sql = statement(contract, rule, query, &table.dataset);
                self.cell(table, &sql).await?.map(|cell| cell.map_or(Value::Null, |c| value(&c)))
            }
            Check::Relationship { columns, to }
                if is_itself(contract, &table.dataset, &to.table) =>
            {
                let sql = strangers(contract, columns, &to.columns, &table.dataset);
                self.cell(table, &sql).await?.map(|cell| cell.map_or(Value::Null, |c| value(&c)))
            }
            _ => return Ok(None),
        };
        let (measured, problem) = match found {
            Ok(measured) => (measured, None),
            Err(problem) => (Value::Null, Some(problem)),
        };
        let mut finding = match (&rule.check, measured.as_number()) {
            (Check::Relationship { .. }, Some(count)) => {
                let count = count.to_scaled(0).and_then(|count| u64::try_from(count).ok());
                // They were measured behind the ingest: nobody is set aside any more.
                Finding { blames_rows: false, ..count_finding(rule, count.unwrap_or(total), total) }
            }
            (Check::Relationship { .. }, None) => {
                let finding = count_finding(rule, total, total);
                Finding { blames_rows: false, measured: Value::Null, passed: false, ..finding }
            }
            _ => value_finding(rule, measured),
        };
        finding.problem = problem;
        Ok(Some(finding))
    }

    /// The newest value of a column of dates or times; none where there is none.
    pub(crate) async fn newest_value(
        &self,
        contract: &Contract,
        column: &str,
        table: &BoundTable,
    ) -> Result<Option<Timestamp>> {
        let column = physical(contract, column);
        let sql = format!("SELECT max({}) FROM {}", quoted(column), named(&table.dataset));
        Ok(match self.cell(table, &sql).await? {
            Ok(Some(cell)) => time(&cell),
            Ok(None) | Err(_) => None,
        })
    }

    /// The one value that a statement about the table answers; none where it answers no row. The
    /// inner error says why it answers nothing, for people, without a value of the data.
    async fn cell(
        &self,
        table: &BoundTable,
        sql: &str,
    ) -> Result<std::result::Result<Option<ArrayRef>, String>> {
        let prepared = match self.inner.engine.prepare(sql) {
            Ok(prepared) => prepared,
            Err(error) => return problem(error).map(Err),
        };
        if let Some(other) = prepared
            .references
            .iter()
            .find(|named| named.reference.dataset != table.dataset || named.part != TablePart::Rows)
        {
            return Ok(Err(format!("it reads `{other}`, and a check reads its own table alone")));
        }
        let bound =
            |named: &TableRef| BoundTable { reference: named.reference.clone(), ..table.clone() };
        let limits = QueryLimits {
            max_rows: Some(1),
            timeout_ms: Some(TIMEOUT_MS),
            memory_bytes: MEMORY,
            ..QueryLimits::default()
        };
        let tables = prepared.references.iter().map(bound).collect();
        let job = QueryJob { limits, ..QueryJob::over(tables, sql, self.inner.clock.now()) };
        let stream = match self.inner.engine.run(job, &self.inner.store).await {
            Ok(stream) => stream,
            Err(error) => return problem(error).map(Err),
        };
        if stream.schema.fields().len() != 1 {
            let count = stream.schema.fields().len();
            return Ok(Err(format!("it answers {count} columns, and a check answers one value")));
        }
        let batches: Vec<_> = match stream.batches.try_collect().await {
            Ok(batches) => batches,
            Err(error) => return problem(error).map(Err),
        };
        let found = batches.iter().find(|batch| batch.num_rows() > 0);
        Ok(Ok(found.map(|batch| batch.column(0).slice(0, 1))))
    }
}

/// What is the check's own fault as a sentence; what is the machine's as an error.
fn problem(error: EngineError) -> Result<String> {
    match error {
        EngineError::Store(_) | EngineError::Internal { .. } => Err(Error::from(error)),
        // Values that a cast or a division met stand in such messages.
        EngineError::Failed { .. } => Ok("a value could not be computed".to_owned()),
        other => Ok(other.to_string()),
    }
}

/// The query with the names that its placeholders stand for.
fn statement(contract: &Contract, rule: &Rule, query: &str, dataset: &DatasetName) -> String {
    let table = named(dataset);
    let column =
        rule.column.as_deref().map(|column| quoted(physical(contract, column))).unwrap_or_default();
    let mut sql = query.to_owned();
    for (words, name) in [(["object", "table"], &table), (["property", "column"], &column)] {
        for word in words {
            sql = sql.replace(&format!("${{{word}}}"), name).replace(&format!("{{{word}}}"), name);
        }
    }
    sql
}

/// Counts rows whose values stand in no row of the same table.
fn strangers(contract: &Contract, from: &[String], to: &[String], dataset: &DatasetName) -> String {
    let table = named(dataset);
    let column =
        |alias: &str, name: &String| format!("{alias}.{}", quoted(physical(contract, name)));
    let pairs: Vec<String> = from
        .iter()
        .zip(to)
        .map(|(from, to)| format!("{} = {}", column("a", from), column("b", to)))
        .collect();
    let known: Vec<String> =
        from.iter().map(|name| format!("{} IS NOT NULL", column("a", name))).collect();
    let (pairs, known) = (pairs.join(" AND "), known.join(" AND "));
    format!("SELECT count(*) FROM {table} a LEFT ANTI JOIN {table} b ON {pairs} WHERE {known}")
}

/// Whether a relationship leads back to the table itself.
pub(crate) fn is_itself(
    contract: &Contract,
    dataset: &DatasetName,
    table: &RelationshipTable,
) -> bool {
    match table {
        RelationshipTable::Object(name) => *name == contract.object || name == dataset.name(),
        RelationshipTable::Dataset(other) => other == dataset,
    }
}

/// What the data calls a column of the contract.
fn physical<'a>(contract: &'a Contract, name: &'a str) -> &'a str {
    contract.column(name).map_or(name, |column| column.column())
}

fn named(dataset: &DatasetName) -> String {
    format!("{}.{}", quoted(dataset.namespace()), quoted(dataset.name()))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn value(cell: &ArrayRef) -> Value {
    if cell.is_null(0) {
        return Value::Null;
    }
    macro_rules! whole {
        ($kind:ty) => {
            Value::from(Number::from(i64::from(cell.as_primitive::<$kind>().value(0))))
        };
    }
    let real = |value: f64| format!("{value:e}").parse::<Number>().map_or(Value::Null, Value::from);
    match cell.data_type() {
        ArrowType::Boolean => Value::Bool(cell.as_boolean().value(0)),
        ArrowType::Int8 => whole!(Int8Type),
        ArrowType::Int16 => whole!(Int16Type),
        ArrowType::Int32 => whole!(Int32Type),
        ArrowType::Int64 => whole!(Int64Type),
        ArrowType::UInt8 => whole!(UInt8Type),
        ArrowType::UInt16 => whole!(UInt16Type),
        ArrowType::UInt32 => whole!(UInt32Type),
        ArrowType::UInt64 => Value::from(Number::from(cell.as_primitive::<UInt64Type>().value(0))),
        ArrowType::Float32 => real(cell.as_primitive::<Float32Type>().value(0).into()),
        ArrowType::Float64 => real(cell.as_primitive::<Float64Type>().value(0)),
        ArrowType::Decimal128(_, scale) => {
            let unscaled = cell.as_primitive::<Decimal128Type>().value(0);
            Value::from(Number::from_scaled(unscaled, scale.unsigned_abs()))
        }
        _ => {
            let options = FormatOptions::new();
            let text = ArrayFormatter::try_new(cell.as_ref(), &options)
                .ok()
                .and_then(|formatter| formatter.value(0).try_to_string().ok());
            text.map_or(Value::Null, Value::Text)
        }
    }
}

/// The point in time; of one that no clock shows the nearest that one does.
fn time(cell: &ArrayRef) -> Option<Timestamp> {
    const DAY: i64 = 86_400_000_000;
    if cell.is_null(0) {
        return None;
    }
    let micros = match cell.data_type() {
        ArrowType::Date32 => {
            i64::from(cell.as_primitive::<Date32Type>().value(0)).checked_mul(DAY)?
        }
        ArrowType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _) => {
            cell.as_primitive::<TimestampMicrosecondType>().value(0)
        }
        _ => return None,
    };
    Some(Timestamp::from_micros(micros))
}
