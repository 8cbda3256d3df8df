//! The same where the table is computed when it is read: by a statement that drops what is not to be
//! seen, or under a policy like every other.

use std::sync::Arc;

use datafusion::catalog::{TableProvider, view::ViewTable};
use lakebed_core::{
    Field, TableSchema,
    policy::{ColumnSight, Predicate, Restriction, Sight},
};
use lakebed_service::engine::BoundTable;

use super::{
    Asks, Twins, compared, lakes,
    lakes::{HIDDEN, OLD_TABLE, TABLE},
    limits_are_met_alike, statements,
    world::{Asked, World},
};
use crate::{computed::ComputedRows, plan::Provider};

/// What keeps rows and columns from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeptBy {
    /// The policy, above a statement that takes all.
    Policy,
    /// The statement rows, the policy columns and values.
    Both,
    /// The statement alone: whoever reads the table is under no policy.
    Statement,
}

/// The rows that are to be seen.
const SEEN: &str = "WHERE region = 'EU' AND (tier >= 3 OR tier IS NULL)";

fn table_of(world: &World, reference: &str) -> BoundTable {
    let sql = format!("SELECT * FROM {}", if reference == TABLE { "a.b" } else { "a.\"b@v1\"" });
    world.job(&sql, Asked::default()).unwrap().tables.remove(0)
}

/// The same lake with its tables computed from those that it had.
fn live(mut world: World, kept_by: KeptBy) -> World {
    for (reference, below) in [(TABLE, "raw.b"), (OLD_TABLE, "raw.old")] {
        let table = table_of(&world, reference);
        let Restriction::Restricted(sight) = table.restriction else {
            panic!("the twins are restricted");
        };
        // The first version has no column that says more of a row than its region.
        let seen = if reference == TABLE { SEEN } else { "WHERE region = 'EU'" };
        let is_raw = |field: &&Field| sight.columns.get(&field.id) == Some(&ColumnSight::Raw);
        let raw: Vec<_> = table.schema.fields.iter().filter(is_raw).cloned().collect();
        let all = Predicate::Constant(true);
        let (schema, sql, sight) = match kept_by {
            KeptBy::Policy => (table.schema.clone(), format!("SELECT * FROM {below}"), sight),
            KeptBy::Both => {
                let sql = format!("SELECT * FROM {below} {seen}");
                (table.schema.clone(), sql, Sight { rows: all, ..sight })
            }
            KeptBy::Statement => {
                let names: Vec<_> = raw.iter().map(|field| format!("\"{}\"", field.name)).collect();
                let sql = format!("SELECT {} FROM {below} {seen}", names.join(", "));
                let schema = TableSchema::first(raw).unwrap();
                let sight = Sight::of_all(&schema);
                (schema, sql, sight)
            }
        };
        world.bind(below, &table.schema, table.files);
        world.compute(reference, &schema, &sql);
        world.restrict(reference, Restriction::Restricted(sight));
    }
    world
}

async fn twins(parts: usize, count: usize, kept_by: KeptBy, provider: Provider) -> Twins {
    Twins {
        left: live(lakes::left(parts, count, provider).await, kept_by),
        right: live(lakes::right(parts, count, provider).await, kept_by),
    }
}

/// P7: what is dropped, masked or hidden of a table that is computed tells no lakes apart.
#[tokio::test(flavor = "multi_thread")]
async fn p7_live_tables_that_look_the_same_answer_the_same() {
    for kept_by in [KeptBy::Policy, KeptBy::Both, KeptBy::Statement] {
        let twins = twins(1, 60, kept_by, crate::governed::provider).await;
        for sql in statements::ALL {
            assert_eq!(twins.difference(sql).await, None, "kept by {kept_by:?}");
        }
    }
}

/// The same in several parts, as where the table is in files.
#[tokio::test(flavor = "multi_thread")]
async fn p7_parts_of_live_tables_tell_nothing() {
    for kept_by in [KeptBy::Policy, KeptBy::Both] {
        let twins = twins(3, 60, kept_by, crate::governed::provider).await;
        for sql in statements::ALL {
            if let Some(difference) = twins.difference(sql).await {
                assert_eq!(difference.matches("\nfailed: ").count(), 2, "{difference}");
                assert!(!difference.contains("HIDDEN"), "{difference}");
            }
        }
    }
}

/// Whether the table is in files or computed, its reader has the same answers.
#[tokio::test(flavor = "multi_thread")]
async fn live_tables_answer_as_files_do() {
    let provider = crate::governed::provider;
    let files = lakes::right(1, 60, provider).await;
    for kept_by in [KeptBy::Policy, KeptBy::Both] {
        let live = live(lakes::right(1, 60, provider).await, kept_by);
        for sql in statements::ALL {
            let compared = compared(&files, &live, &(*sql).into(), Asks::Answer).await;
            assert_eq!(compared.err(), None, "kept by {kept_by:?}");
        }
    }
}

/// What everybody builds first: a statement within a statement, into which conditions come down.
fn open(table: &BoundTable, computed: Option<ComputedRows>) -> Arc<dyn TableProvider> {
    match computed {
        Some(computed) => Arc::new(ViewTable::new(computed.logical().clone(), None)),
        None => crate::governed::provider(table, None),
    }
}

/// Without a barrier the harness finds what the statement drops: in errors of casts and divisions.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_table_without_a_barrier_leaks_and_is_found() {
    let barred = crate::governed::provider;
    for by in ["CAST(note AS INT) >= 0", "10 / (amount - 5)"] {
        let statements = statements::ALL.iter().filter(|sql| sql.contains(by));
        let mut found = 0;
        for sql in statements {
            let naive = twins(1, 60, KeptBy::Statement, open).await;
            found += usize::from(naive.difference(sql).await.is_some());
            let right = twins(1, 60, KeptBy::Statement, barred).await;
            assert_eq!(right.difference(sql).await, None);
        }
        assert!(found > 0, "not found by {by}");
    }
}

/// Limits are met by what is seen: what lies below has its own.
#[tokio::test(flavor = "multi_thread")]
async fn limits_of_memory_do_not_tell_of_live_tables() {
    // It holds all texts there are before it drops a row.
    let hungry = "SELECT b.* FROM raw.b b JOIN (SELECT DISTINCT id AS i, note AS t FROM raw.b) d \
         ON b.id = d.i AND b.note = d.t WHERE b.region = 'EU'";
    for kept_by in [KeptBy::Policy, KeptBy::Both] {
        let computed = async |hidden_bytes: usize| {
            let mut world = live(lakes::long_texts(hidden_bytes).await, kept_by);
            if kept_by == KeptBy::Both {
                let table = table_of(&world, TABLE);
                world.compute(TABLE, &table.schema, hungry);
                world.restrict(TABLE, table.restriction);
            }
            world
        };
        let (few, many) = (computed(0).await, computed(90).await);
        limits_are_met_alike(&few, &many, 32).await;
    }
}

/// How a statement below fails is told to nobody above; that it does is.
#[tokio::test(flavor = "multi_thread")]
async fn p7_why_a_live_table_cannot_be_computed_is_not_told() {
    let mut world = live(lakes::right(1, 60, crate::governed::provider).await, KeptBy::Both);
    let table = table_of(&world, TABLE);
    let sql = format!("SELECT * FROM raw.b {SEEN} AND CAST(note || 'x' AS INT) > 0");
    world.compute(TABLE, &table.schema, &sql);
    world.restrict(TABLE, table.restriction);
    let told = world.show("SELECT count(*) FROM a.b").await;
    assert_eq!(told, "failed: the rows of a live product could not be computed");
    world.restrict(TABLE, Restriction::Unrestricted);
    let told = world.show("SELECT count(*) FROM a.b").await;
    assert!(told.starts_with("failed: cannot cast string"), "{told}");
    assert!(!HIDDEN.iter().any(|hidden| told.contains(hidden)), "{told}");
}
