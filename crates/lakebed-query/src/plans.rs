//! Optimised plans that were made lately: asking the same again, as somebody who sees the same of the
//! same versions, plans only how to run it.
//!
//! A plan hangs on the statement's text and parameters, on how many rows are allowed, and on each
//! table: its version, columns, files and restriction, which is what policies and attributes came to. It is
//! found again by the digest of all of these; nothing else of a job is in it, and no object. Plans
//! that hang on the time, on chance, or on tables without a version are made each time.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use lakebed_core::ObjectId;
use lakebed_service::engine::{BoundTable, EngineError, Parameters, QueryJob};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter, sync::Cache};
use serde::Serialize;

use crate::{facts::Facts, statements::LONGEST};

/// Room for plans, about: 16 MiB.
const MOST_BYTES: u64 = 16 << 20;
/// What a plan takes up, about, beside its text and its tables' files.
const PLAN_BYTES: u64 = 16 << 10;
/// What a file of a table takes up, about.
const FILE_BYTES: u64 = 256;
/// Plans over more files are made each time: finding them again would cost as much.
const MOST_FILES: usize = 256;

/// A plan that is ready to be run in some way.
#[derive(Debug)]
pub(crate) struct Optimised {
    pub(crate) plan: LogicalPlan,
    pub(crate) facts: Facts,
    /// Whether it is the plan at any time.
    pub(crate) is_lasting: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Plans(Cache<ObjectId, Kept, Bytes>);

#[derive(Debug, Clone)]
struct Kept {
    optimised: Arc<Optimised>,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<ObjectId, Kept> for Bytes {
    fn weight(&self, _: &ObjectId, kept: &Kept) -> u64 {
        kept.bytes
    }
}

impl Default for Plans {
    fn default() -> Self {
        let options = OptionsBuilder::new()
            .shards(1)
            .weight_capacity(MOST_BYTES)
            .estimated_items_capacity((MOST_BYTES / PLAN_BYTES) as usize)
            .build()
            .expect("everything that it asks for is said");
        let hasher = DefaultHashBuilder::default();
        Self(Cache::with_options(options, Bytes, hasher, Default::default()))
    }
}

impl Plans {
    /// The plan of `job`: one that was made before, or what `make` makes.
    pub(crate) fn find_or_make(
        &self,
        job: &QueryJob,
        make: impl FnOnce() -> Result<Optimised, EngineError>,
    ) -> Result<Arc<Optimised>, EngineError> {
        let digest = digest(job);
        if let Some(kept) = digest.and_then(|digest| self.0.get(&digest)) {
            return Ok(kept.optimised);
        }
        let optimised = Arc::new(make()?);
        if let Some(digest) = digest
            && optimised.is_lasting
        {
            let bytes = PLAN_BYTES + job.sql.len() as u64 + files(job) as u64 * FILE_BYTES;
            self.0.insert(digest, Kept { optimised: Arc::clone(&optimised), bytes });
        }
        Ok(optimised)
    }
}

/// All that a plan hangs on.
#[derive(Serialize)]
struct Key<'a> {
    sql: &'a str,
    parameters: &'a Parameters,
    max_rows: Option<u64>,
    tables: &'a [BoundTable],
}

/// Nothing for what is planned each time.
fn digest(job: &QueryJob) -> Option<ObjectId> {
    // Everything is named, so that a job that gets another part is looked at here.
    let QueryJob { sql, parameters, tables, listing: _, system, limits, now: _, fixed } = job;
    let is_short = sql.len() <= LONGEST && files(job) <= MOST_FILES;
    if !is_short || !system.is_empty() || fixed.is_some() {
        return None;
    }
    let key = Key { sql, parameters, max_rows: limits.max_rows, tables };
    serde_json::to_vec(&key).ok().map(|key| ObjectId::of(&key))
}

fn files(job: &QueryJob) -> usize {
    job.tables.iter().map(|table| table.all_files().count()).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use std::cell::Cell;

    use datafusion::logical_expr::LogicalPlanBuilder;
    use lakebed_core::{
        DataType, FileEntry, LakeId, StoredObject, Timestamp, VersionId,
        policy::{MaskKey, Predicate, Restriction, Sight},
    };
    use lakebed_service::engine::{FixedOrder, QueryLimits};

    use super::*;
    use crate::governed::interference::world::{Asked, World, schema};

    fn job() -> QueryJob {
        let mut world = World::new();
        let object = StoredObject { id: ObjectId::of(b"rows"), size_bytes: 9, tree: None };
        let file = FileEntry { object, row_count: 1, footer_bytes: 8 };
        let columns = schema(&[("x", DataType::Long), ("y", DataType::Long)]);
        world.bind("a.b", &columns, vec![file]);
        let parameters = Parameters::Positional(vec![1.into()]);
        let asked = Asked { parameters, ..Asked::default() };
        world.job("SELECT $1 FROM a.b", asked).unwrap()
    }

    /// How often a plan is made when each job is asked in turn.
    fn made(jobs: &[QueryJob], is_lasting: bool) -> usize {
        let (plans, made) = (Plans::default(), Cell::new(0));
        for job in jobs {
            let make = || {
                made.set(made.get() + 1);
                let plan = LogicalPlanBuilder::empty(true).build().unwrap();
                Ok(Optimised { plan, facts: Facts::default(), is_lasting })
            };
            plans.find_or_make(job, make).unwrap();
        }
        made.get()
    }

    #[test]
    fn the_same_is_planned_once() {
        let later = QueryJob { now: Timestamp::from_micros(9), ..job() };
        assert_eq!(made(&[job(), job(), later], true), 1);
        assert_eq!(made(&[job(), job()], false), 2, "what hangs on the time");
        let fixed = QueryJob { fixed: Some(FixedOrder::default()), ..job() };
        assert_eq!(made(&[fixed.clone(), fixed], true), 2);
        let long = QueryJob { sql: "-".repeat(LONGEST + 1), ..job() };
        assert_eq!(made(&[long.clone(), long], true), 2);
    }

    /// Whatever is otherwise is planned anew; above all, who sees less.
    #[test]
    fn nothing_else_is() {
        let table = |change: &dyn Fn(&mut BoundTable)| {
            let mut other = job();
            change(&mut other.tables[0]);
            other
        };
        let sight = |key: u8| Sight {
            rows: Predicate::Constant(true),
            columns: Default::default(),
            mask_key: Some(MaskKey::new([key; 32], LakeId::from_bytes([0; 16]))),
        };
        let others = [
            job(),
            QueryJob { sql: "SELECT $1  FROM a.b".to_owned(), ..job() },
            QueryJob { parameters: Parameters::Positional(vec!["1".into()]), ..job() },
            QueryJob { parameters: Parameters::Positional(vec![1.0.into()]), ..job() },
            QueryJob { limits: QueryLimits { max_rows: Some(1), ..job().limits }, ..job() },
            QueryJob { tables: Vec::new(), ..job() },
            table(&|table| table.version += 1),
            table(&|table| table.version_id = VersionId::new(ObjectId::of(b"another"))),
            table(&|table| table.files.clear()),
            table(&|table| table.schema.fields.truncate(1)),
            table(&|table| table.restriction = Restriction::Restricted(sight(1))),
            table(&|table| table.restriction = Restriction::Restricted(sight(2))),
        ];
        let twice: Vec<QueryJob> = others.iter().chain(&others).cloned().collect();
        assert_eq!(made(&twice, true), others.len());
    }
}
