//! Statements that must not run, and the words that say so.

use lakebed_query::function_names;
use lakebed_service::engine::{Engine as _, EngineError};

use crate::world::{World, show_error};

/// Everything that writes, configures, reads files, or that the planner would silently ignore.
const REFUSED: &[&str] = &[
    // Writing.
    "INSERT INTO sales.orders VALUES (1)",
    "UPDATE sales.orders SET id = 1",
    "DELETE FROM sales.orders",
    "MERGE INTO sales.orders USING x ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE TABLE sales.orders",
    "CREATE TABLE x (a int)",
    "CREATE TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "CREATE SCHEMA x",
    "CREATE DATABASE x",
    "CREATE FUNCTION f() RETURNS int RETURN 1",
    "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/etc'",
    "DROP TABLE sales.orders",
    "ALTER TABLE sales.orders ADD COLUMN a int",
    "COPY sales.orders TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.csv' STORED AS CSV",
    "COPY x FROM '/etc/passwd'",
    "UNLOAD ('SELECT 1') TO 's3://x'",
    "SELECT 1 INTO x",
    "SELECT * INTO TEMP x FROM sales.orders",
    "WITH x AS (INSERT INTO y VALUES (1) RETURNING a) SELECT * FROM x",
    "WITH x AS (DELETE FROM y RETURNING a) SELECT * FROM x",
    "EXPLAIN INSERT INTO sales.orders VALUES (1)",
    "EXPLAIN COPY sales.orders TO '/tmp/x'",
    "EXPLAIN CREATE TABLE x (a int)",
    // Configuring, and session noise.
    "SET datafusion.execution.batch_size = 1",
    "SET TIME ZONE 'UTC'",
    "RESET datafusion.execution.batch_size",
    "SHOW ALL",
    "SHOW datafusion.execution.batch_size",
    "SHOW FUNCTIONS",
    "SHOW COLUMNS",
    "SHOW COLUMNS FROM '/etc/passwd'",
    "SHOW COLUMNS FROM sales.orders LIKE 'x'",
    "SHOW COLUMNS IN TABLE sales.orders",
    "SHOW FULL COLUMNS FROM sales.orders",
    "SHOW SCHEMAS",
    "SHOW DATABASES",
    "SHOW CREATE TABLE sales.orders",
    "SHOW TABLES LIKE 'x'",
    "SHOW TABLES FROM sales",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "DEALLOCATE x",
    "BEGIN",
    "COMMIT",
    "START TRANSACTION",
    "USE x",
    "CALL f()",
    "GRANT SELECT ON x TO y",
    "VACUUM",
    "ANALYZE sales.orders",
    "PRAGMA x",
    "ATTACH 'x' AS y",
    "INSTALL httpfs",
    "LOAD 'x'",
    "KILL 1",
    "DO 'x'",
    // More than one.
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE sales.orders",
    // EXPLAIN is ours.
    "EXPLAIN ANALYZE SELECT 1",
    "EXPLAIN VERBOSE SELECT 1",
    "EXPLAIN FORMAT TREE SELECT 1",
    "EXPLAIN (ANALYZE true) SELECT 1",
    "EXPLAIN EXPLAIN SELECT 1",
    "DESCRIBE SELECT 1",
    "DESCRIBE EXTENDED sales.orders",
    // Files and functions that read.
    "SELECT * FROM 'orders.parquet'",
    "SELECT * FROM '/etc/passwd'",
    "DESCRIBE '/etc/passwd'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('x')",
    "SELECT * FROM parquet_metadata('x')",
    "SELECT * FROM TABLE(f(1))",
    "SELECT * FROM sales.orders, LATERAL read_csv('x')",
    "SELECT * FROM JSON_TABLE('[]', '$' COLUMNS (a int PATH '$'))",
    // What the planner would read past in silence: another version, fewer rows, other groups.
    "SELECT * FROM sales.orders VERSION AS OF 3",
    "SELECT * FROM sales.orders TIMESTAMP AS OF '2026-01-01'",
    "SELECT * FROM sales.orders FOR SYSTEM_TIME AS OF '2026-01-01'",
    "SELECT * FROM sales.orders AT (VERSION => 3)",
    "SELECT * FROM sales.orders AT (TIMESTAMP => '2026-01-01')",
    "SELECT * FROM sales.orders BEFORE (STATEMENT => 'x')",
    "SELECT * FROM (SELECT * FROM sales.orders VERSION AS OF 3) x",
    "SELECT (SELECT count(*) FROM sales.orders VERSION AS OF 3)",
    "WITH x AS (SELECT * FROM sales.orders VERSION AS OF 3) SELECT * FROM x",
    "SELECT * FROM sales.orders TABLESAMPLE (10 PERCENT)",
    "SELECT * FROM sales.orders TABLESAMPLE BERNOULLI (10)",
    "SELECT * FROM (SELECT 1) TABLESAMPLE (10 ROWS)",
    "SELECT * FROM sales.orders WITH (NOLOCK)",
    "SELECT * FROM sales.orders USE INDEX (x)",
    "SELECT * FROM sales.orders PARTITION (p1)",
    "SELECT * FROM generate_series(1, 3) WITH ORDINALITY",
    "SELECT * FROM sales.orders o, LATERAL generate_series(1, o.id)",
    "SELECT * FROM generate_series(1, (SELECT 3))",
    "SELECT * FROM (VALUES ((SELECT max(id) FROM sales.orders))) v(m)",
    "VALUES (1), ((SELECT 2))",
    "SELECT * FROM sales.orders LIMIT (SELECT 1)",
    "SELECT * FROM sales.orders LIMIT 1 OFFSET (SELECT 1)",
    "SELECT sum(id) OVER (w ORDER BY id) FROM sales.orders WINDOW w AS (PARTITION BY region)",
    "SELECT sum(id) OVER (nope) FROM sales.orders",
    "SELECT sum(id) OVER v FROM sales.orders WINDOW w AS (PARTITION BY region), v AS (w ORDER BY id)",
    "SELECT sum(id) OVER v FROM sales.orders WINDOW w AS (PARTITION BY region), v AS w",
    "SELECT id FROM sales.orders ORDER BY sum(id) OVER (w ROWS CURRENT ROW)",
    "SELECT region FROM sales.orders GROUP BY region WINDOW w AS (ORDER BY region) ORDER BY count(*) OVER w",
    "SELECT region FROM sales.orders GROUP BY region ORDER BY count(*) OVER nowhere",
    "SELECT 1 FROM sales.orders HAVING sum(id) OVER nowhere > 1",
    "SELECT DISTINCT ON (count(*) OVER w) region FROM sales.orders WINDOW w AS (PARTITION BY 1)",
    "SELECT id FROM sales.orders QUALIFY count(*) OVER w = 1 WINDOW w AS (PARTITION BY id)",
    "SELECT id FROM sales.orders WHERE count(*) OVER w = 1 WINDOW w AS (PARTITION BY id)",
    "SELECT o.id FROM sales.orders o JOIN sales.orders p ON count(*) OVER w = 1",
    "SELECT (SELECT max(s) FROM (SELECT sum(id) OVER w AS s FROM sales.orders \
        WINDOW w AS (PARTITION BY region))) FROM sales.orders WINDOW w AS (ORDER BY id)",
    "SELECT * FROM sales.orders FOR UPDATE",
    "SELECT * FROM sales.orders FOR SHARE",
    "SELECT * FROM sales.orders FOR XML AUTO",
    "SELECT * FROM sales.orders SETTINGS x = 1",
    "SELECT * FROM sales.orders FORMAT JSON",
    "SELECT TOP 1 * FROM sales.orders",
    "SELECT * FROM sales.orders FETCH FIRST 1 ROW ONLY",
    "SELECT * FROM sales.orders PREWHERE id = 1",
    "SELECT id FROM sales.orders CLUSTER BY id",
    "SELECT id FROM sales.orders DISTRIBUTE BY id",
    "SELECT id FROM sales.orders SORT BY id",
    "SELECT id, count(*) FROM sales.orders GROUP BY id WITH ROLLUP",
    "SELECT id FROM sales.orders GROUP BY ALL WITH TOTALS",
    "SELECT id FROM sales.orders START WITH id = 1 CONNECT BY id = PRIOR id",
    "SELECT AS STRUCT 1 AS a",
    "SELECT * FROM sales.orders |> WHERE id = 1",
    "SELECT * FROM sales.orders LATERAL VIEW explode(x) t AS y",
    "SELECT * FROM sales.orders PIVOT (sum(id) FOR region IN ('eu'))",
    "SELECT * FROM sales.orders UNPIVOT (v FOR n IN (id))",
    "SELECT /*+ BROADCAST(x) */ 1",
    "SELECT * ILIKE '%secret%' FROM sales.orders",
    "SELECT o.* ILIKE 'id' FROM sales.orders o",
    "SELECT * RENAME (id AS x) FROM sales.orders",
    "SELECT (o).id FROM sales.orders o",
    "TABLE sales.orders",
    "FROM sales.orders",
    // Functions that say where bytes are or what the engine is.
    "SELECT input_file_name() FROM sales.orders",
    "SELECT file_row_index() FROM sales.orders",
    "SELECT version()",
    "SELECT arrow_metadata(id) FROM sales.orders",
    "SELECT arrow_cast(1, 'UInt8')",
    "SELECT with_metadata(1, 'a', 'b')",
    "SELECT pg_catalog.version()",
    "SELECT current_setting('x')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT histogram(0.5)(id) FROM sales.orders",
    "SELECT @@version",
    "SELECT @x",
    "SELECT ?",
    // Never ends.
    "WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM x) SELECT * FROM x",
];

/// Refused before a table is looked up, and in words: one line, no tree of the parser.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_reading_is_admitted() {
    let world = World::new();
    let mut text = String::new();
    for sql in REFUSED {
        let refused = match world.engine.prepare(sql) {
            Err(error) => error,
            // Some are found at planning: `@x` is a variable there is none of.
            Ok(_) => match world.rows(sql, Default::default()).await {
                Err(error) => error,
                Ok(_) => panic!("admitted and run: {sql}"),
            },
        };
        assert!(
            matches!(refused, EngineError::Invalid { .. } | EngineError::NotAllowed { .. }),
            "{sql}: {refused:?}"
        );
        let shown = show_error(&refused);
        assert!(shown.len() < 400 && !shown.contains("Ident {"), "{sql}: {shown}");
        text += &format!("{sql}\n    {}\n", shown.replace('\n', "\n    "));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_names_of_calls_are_known() {
    let names = function_names();
    let names: Vec<_> = names.iter().collect();
    insta::assert_snapshot!(names.join(" "));
}
