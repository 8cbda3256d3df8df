//! `prepare`: what a statement reads, and that no text breaks it.

use std::thread;

use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_service::engine::{Engine as _, StatementKind};
use proptest::prelude::*;

use crate::world::World;

fn engine() -> DataFusionEngine {
    DataFusionEngine::new(EngineOptions::default()).unwrap()
}

#[test]
fn references_come_once_each_in_order() {
    let engine = engine();
    let read = |sql: &str| {
        let prepared = engine.prepare(sql).unwrap();
        let names = prepared.references.iter().map(ToString::to_string).collect::<Vec<_>>();
        (prepared.kind, names.join(" "))
    };
    let (kind, names) = read(
        "WITH c AS (SELECT * FROM b.two), d AS (SELECT * FROM c, a.one)
         SELECT (SELECT max(x) FROM e.five) FROM d
         JOIN (SELECT * FROM b.two UNION ALL SELECT * FROM \"b\".\"two@v3\") u ON true
         WHERE EXISTS (SELECT 1 FROM f.six WHERE x IN (SELECT y FROM g.seven))
         ORDER BY (SELECT 1 FROM h.eight)",
    );
    assert_eq!(kind, StatementKind::Query);
    assert_eq!(names, "b.two a.one e.five b.two@v3 f.six g.seven h.eight");
    assert_eq!(read("EXPLAIN SELECT 1 FROM a.b"), (StatementKind::Explain, "a.b".to_owned()));
    assert_eq!(read("DESCRIBE a.b@v2"), (StatementKind::Describe, "a.b@v2".to_owned()));
    assert_eq!(read("show tables;"), (StatementKind::ShowTables, String::new()));
    assert_eq!(read("(SELECT 1)"), (StatementKind::Query, String::new()));
}

/// Chains of operators are as deep as they are long; parentheses are not the only nesting.
#[tokio::test(flavor = "multi_thread")]
async fn long_expressions_run_or_are_refused_and_never_overflow() {
    let world = World::new();
    let chains: [fn(usize) -> String; 8] = [
        |n| format!("SELECT {}", vec!["1"; n].join(" + ")),
        |n| format!("SELECT sum({}) FROM generate_series(1, 3) t(a)", vec!["a"; n].join(" + ")),
        |n| {
            format!(
                "SELECT count(*) FROM generate_series(1, 3) t(a) WHERE {}",
                (0..n).map(|i| format!("a = {i}")).collect::<Vec<_>>().join(" OR ")
            )
        },
        |n| format!("SELECT {}", vec!["'x'"; n].join(" || ")),
        |n| format!("SELECT 1{}", "::bigint::int".repeat(n / 2)),
        |n| format!("SELECT a{} FROM generate_series(1, 3) t(a)", " IS NULL".repeat(n)),
        |n| format!("SELECT {}1", "- ".repeat(n)),
        |n| {
            format!(
                "SELECT 1 IN ({})",
                (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
            )
        },
    ];
    for chain in chains {
        for terms in [1, 10, 100, 990, 4_000, 16_000] {
            let sql = chain(terms);
            let shown = world.show(&sql).await;
            let fine = shown.starts_with('+')
                || shown.starts_with("not allowed:")
                || shown.starts_with("failed:")
                || shown.starts_with("invalid:");
            assert!(fine, "{terms} terms of {sql:.60}: {shown}");
            if terms <= 10 {
                assert!(shown.starts_with('+'), "{terms} terms of {sql:.60}: {shown}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_up_to_the_budget_are_computed() {
    let world = World::new();
    let sum = vec!["a"; 990].join(" + ");
    let shown = world.show(&format!("SELECT {sum} AS s FROM generate_series(1, 1) t(a)")).await;
    insta::assert_snapshot!(shown, @r"
        +-----+
        | s   |
        +-----+
        | 990 |
        +-----+
    ");
}

/// Planning copies a WITH to every place it is used.
#[test]
fn doubling_withs_are_refused_before_planning() {
    let mut sql = "WITH t0 AS (SELECT 1 AS a)".to_owned();
    for level in 1..=21 {
        let below = level - 1;
        sql += &format!(", t{level} AS (SELECT x.a FROM t{below} x, t{below} y)");
    }
    sql += " SELECT count(*) FROM t21";
    let error = engine().prepare(&sql).unwrap_err();
    insta::assert_snapshot!(error, @"the statement reads more than 500 tables and queries, counting each WITH wherever it is used");
    let unions = vec!["SELECT 1"; 900].join(" UNION ALL ");
    insta::assert_snapshot!(engine().prepare(&unions).unwrap_err(), @"the statement reads more than 500 tables and queries, counting each WITH wherever it is used");
}

#[test]
fn large_texts_are_refused() {
    let engine = engine();
    let long = format!("SELECT '{}'", "x".repeat(300 * 1024));
    insta::assert_snapshot!(engine.prepare(&long).unwrap_err(), @"the statement is 307209 bytes long, at most 262144 are allowed");
    let many = format!("SELECT 1 IN ({})", vec!["1"; 12_000].join(","));
    insta::assert_snapshot!(engine.prepare(&many).unwrap_err(), @"the statement has 24004 words and signs, at most 20000 are allowed");
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    insta::assert_snapshot!(engine.prepare(&deep).unwrap_err(), @"the statement nests more than 50 levels deep");
}

/// Words of SQL in any order: nearer to statements than random text.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("SELECT"),
        Just("FROM"),
        Just("WHERE"),
        Just("("),
        Just(")"),
        Just(","),
        Just("*"),
        Just("sales.orders"),
        Just("sales.\"orders@v1\""),
        Just("WITH"),
        Just("AS"),
        Just("x"),
        Just("UNION ALL"),
        Just("VERSION AS OF"),
        Just("1"),
        Just("'a'"),
        Just("+"),
        Just("||"),
        Just("EXPLAIN"),
        Just("DESCRIBE"),
        Just("GROUP BY"),
        Just("ORDER BY"),
        Just("LIMIT"),
        Just("JOIN"),
        Just("ON"),
        Just("CASE"),
        Just("WHEN"),
        Just("THEN"),
        Just("END"),
        Just("unnest"),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just("$1"),
        Just("?"),
        Just(";"),
        Just("OVER"),
        Just("::int"),
        Just("IN"),
        Just("NOT"),
        Just("NULL"),
        Just("INTERVAL"),
        Just("EXISTS"),
        Just("VALUES"),
        Just("DISTINCT"),
        Just("LATERAL"),
        Just("@"),
        Just("--"),
        Just("/*"),
        Just("\""),
        Just("`"),
        Just("TABLESAMPLE"),
        Just("FOR"),
        Just("."),
        Just("=>"),
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No text makes the parser panic or overflow, wherever it is called from, and no message
    /// hands control characters back.
    #[test]
    fn any_text_is_admitted_or_refused_in_a_line(sql in prop_oneof![any::<String>(), words()]) {
        let small = thread::Builder::new().stack_size(64 * 1024);
        // Made here: it is about the stack of whoever asks.
        let engine = engine_once();
        let prepared = small.spawn(move || engine.prepare(&sql)).unwrap().join().unwrap();
        if let Err(error) = prepared {
            let text = error.to_string();
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            let internal = matches!(error, lakebed_service::engine::EngineError::Internal { .. });
            prop_assert!(!internal, "{error:?}");
        }
    }
}

fn engine_once() -> &'static DataFusionEngine {
    static ENGINE: std::sync::OnceLock<DataFusionEngine> = std::sync::OnceLock::new();
    ENGINE.get_or_init(engine)
}
