//! What is told of where an answer's columns come from: every kind of node, every kind of expression.
//!
//! A line of what is expected is an output column: what it is made of and, behind `if`, what decides
//! that; `rows:` is what decides about rows, `reads` a table of which no column is used. That nothing is
//! missing is proved beside the walker; here is what it says, in words.

use std::{collections::BTreeMap, fmt::Debug};

use lakebed_core::{
    DataType, Field, TableSchema, VersionId,
    lineage::{ColumnOrigin, Lineage},
    policy::{ColumnSight, Comparison, Mask, Predicate, Scalar, Sight},
};
use lakebed_service::engine::{
    Described, Engine as _, Parameters, Restriction, SystemRows, SystemTable,
};

use crate::world::{Asked, World, schema, show_error};

/// Orders (`l.o`, and two more ways to read them), customers (`l.c`) and nested things (`l.n`).
fn lake() -> World {
    let mut world = World::new();
    let orders = schema(&[
        ("id", DataType::Long),
        ("customer", DataType::Long),
        ("region", DataType::String),
        ("price", DataType::Double),
        ("units", DataType::Int),
        ("day", DataType::Date),
    ]);
    let customers = schema(&[
        ("id", DataType::Long),
        ("name", DataType::String),
        ("region", DataType::String),
        ("boss", DataType::Long),
    ]);
    let quarantine = schema(&[("line", DataType::Long), ("reason", DataType::String)]);
    for (name, columns) in [
        ("l.o", &orders),
        ("l.o@v1", &orders),
        ("l.o!quarantine", &quarantine),
        ("l.c", &customers),
        ("l.n", &nested()),
    ] {
        world.bind(name, columns, Vec::new());
    }
    world
}

fn nested() -> TableSchema {
    let point = vec![Field::optional("x", DataType::Int), Field::optional("y", DataType::Int)];
    schema(&[
        ("id", DataType::Long),
        ("tags", DataType::List(Box::new(Field::optional("element", DataType::String)))),
        ("marks", DataType::List(Box::new(Field::optional("element", DataType::Long)))),
        ("point", DataType::Struct(point)),
    ])
}

/// The lineage of `sql` in words, a line each, or the error.
async fn told(world: &World, sql: &str) -> Vec<String> {
    told_with(world, sql, Parameters::default()).await
}

async fn told_with(world: &World, sql: &str, parameters: Parameters) -> Vec<String> {
    let asked = Asked { parameters, ..Asked::default() };
    let job = match world.job(sql, asked) {
        Ok(job) => job,
        Err(error) => return vec![show_error(&error)],
    };
    let named = job.tables.iter().map(|table| (table.version_id, table.name().to_string()));
    let names: BTreeMap<VersionId, String> = named.collect();
    match world.engine.lineage(job).await {
        Ok(Described { schema, lineage }) => {
            let outputs: Vec<&str> =
                lineage.outputs().iter().map(|output| output.name.as_str()).collect();
            let columns: Vec<&str> =
                schema.fields().iter().map(|field| field.name().as_str()).collect();
            assert_eq!(outputs, columns, "{sql}");
            assert_eq!(Lineage::from_bytes(&lineage.to_bytes()).unwrap(), lineage);
            shown(&lineage, &names)
        }
        Err(error) => vec![show_error(&error)],
    }
}

fn shown(lineage: &Lineage, names: &BTreeMap<VersionId, String>) -> Vec<String> {
    let of =
        |origin: &ColumnOrigin| format!("{}.{}", names[&origin.input.version_id], origin.column);
    let mut lines = Vec::new();
    for output in lineage.outputs() {
        let direct =
            output.direct.iter().map(|(from, kinds)| format!("{} {}", of(from), all(kinds)));
        let mut line = format!("{} =", output.name);
        line += &spaced(&direct.collect::<Vec<_>>().join(", "));
        if !output.conditional.is_empty() {
            let conditional: Vec<_> = output.conditional.iter().map(of).collect();
            line += &format!(" if {}", conditional.join(", "));
        }
        lines.push(line);
    }
    let rows = lineage.indirect().iter();
    let rows: Vec<_> = rows.map(|(from, kinds)| format!("{} {}", of(from), all(kinds))).collect();
    if !rows.is_empty() {
        lines.push(format!("rows: {}", rows.join(", ")));
    }
    let origins = lineage.outputs().iter().flat_map(|output| output.origins());
    let used: Vec<_> =
        origins.chain(lineage.indirect().keys()).map(|origin| &origin.input).collect();
    for input in lineage.inputs().iter().filter(|input| !used.contains(input)) {
        lines.push(format!("reads {}", names[&input.version_id]));
    }
    lines
}

fn all<K: Debug>(kinds: impl IntoIterator<Item = K>) -> String {
    kinds.into_iter().map(|kind| format!("{kind:?}").to_lowercase()).collect::<Vec<_>>().join("+")
}

fn spaced(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" {text}") }
}

async fn check(cases: &[(&str, &[&str])]) {
    let world = lake();
    for (sql, expected) in cases {
        assert_eq!(told(&world, sql).await, *expected, "{sql}");
    }
}

/// What columns tell of because of what they stand beside: `column < what`, for those that do.
async fn check_told_beside(cases: &[(&str, &[&str])]) {
    let world = lake();
    for (sql, expected) in cases {
        let job = world.job(sql, Asked::default()).unwrap();
        let named = job.tables.iter().map(|table| (table.version_id, table.name().to_string()));
        let names: BTreeMap<VersionId, String> = named.collect();
        let Described { lineage, .. } = world.engine.lineage(job).await.unwrap();
        let of = |origin: &ColumnOrigin| {
            format!("{}.{}", names[&origin.input.version_id], origin.column)
        };
        let telling = lineage.outputs().iter().filter(|output| !output.tells_of.is_empty());
        let told: Vec<String> = telling
            .map(|output| {
                let mut beside: Vec<_> = output.tells_of.iter().map(of).collect();
                beside.sort();
                format!("{} < {}", output.name, beside.join(", "))
            })
            .collect();
        assert_eq!(told, *expected, "{sql}");
    }
}

/// P7: a column of one source that stands beside another's says what the two were put together by.
#[tokio::test(flavor = "multi_thread")]
async fn p7_columns_tell_of_what_they_were_joined_by() {
    check_told_beside(&[
        // Of one source: which of its rows there are is no column's.
        ("SELECT id, price FROM l.o WHERE price > 10 AND region = 'EU' ORDER BY day LIMIT 3", &[]),
        ("SELECT region, sum(price) AS s FROM l.o GROUP BY region HAVING count(*) > 3", &[]),
        (
            "SELECT o.id, c.name FROM l.o o JOIN l.c c ON c.id = o.customer",
            &["id < l.c.id", "name < l.o.customer"],
        ),
        (
            "SELECT o.id, c.name FROM l.o o, l.c c WHERE c.id = o.customer AND o.price > 10",
            &["id < l.c.id", "name < l.o.customer"],
        ),
        (
            "SELECT s.a, s.b FROM (SELECT o.id AS a, o.customer AS k, c.name AS b, c.id AS l FROM l.o o \
             CROSS JOIN l.c c) s WHERE s.k = s.l",
            &["a < l.c.id", "b < l.o.customer"],
        ),
        // The same table, named twice.
        (
            "SELECT c.id, b.name AS boss FROM l.c c JOIN l.c b ON b.id = c.boss",
            &["id < l.c.id", "boss < l.c.boss"],
        ),
        (
            "SELECT c.id, b.name AS boss FROM l.c c, l.c b WHERE b.id = c.boss",
            &["id < l.c.id", "boss < l.c.boss"],
        ),
        (
            "WITH c AS (SELECT * FROM l.c) SELECT x.id, y.name FROM c x, c y WHERE y.id = x.boss",
            &["id < l.c.id", "name < l.c.boss"],
        ),
        // What is counted through says what it was counted to.
        (
            "SELECT o.id, g.value FROM l.o o JOIN generate_series(0, 9) g ON g.value = o.units",
            &["value < l.o.units"],
        ),
        (
            "SELECT o.id, v.x FROM l.o o, (VALUES (1), (2)) v(x) WHERE v.x = o.units",
            &["x < l.o.units"],
        ),
        (
            "SELECT o.id, count(*) AS n FROM l.o o JOIN generate_series(1, 9) g ON g.value <= o.units \
             GROUP BY o.id",
            &["n < l.o.units"],
        ),
        // A condition on one side of an outer join says where the other side is there.
        (
            "SELECT o.id, c.name FROM l.o o LEFT JOIN l.c c ON c.id = o.customer AND o.price > 10",
            &["id < l.c.id", "name < l.o.customer, l.o.price"],
        ),
        (
            "SELECT o.id, c.name FROM l.o o JOIN l.c c ON c.id = o.customer AND o.price > 10",
            &["id < l.c.id", "name < l.o.customer"],
        ),
        // Whether there is another row says which rows there are.
        ("SELECT o.id FROM l.o o WHERE o.customer IN (SELECT c.id FROM l.c c WHERE c.boss = 1)", &[]),
        ("SELECT o.id FROM l.o o WHERE EXISTS (SELECT 1 FROM l.c c WHERE c.id = o.customer)", &[]),
        ("SELECT o.id FROM l.o o LEFT SEMI JOIN l.c c ON c.id = o.customer", &[]),
        (
            "SELECT o.id, x.name FROM l.o o, LATERAL (SELECT c.name FROM l.c c WHERE c.id = o.customer) x",
            &["name < l.o.customer"],
        ),
        (
            "SELECT o.id FROM l.o o WHERE o.customer = (SELECT max(c.boss) FROM l.c c)",
            &["id < l.c.boss"],
        ),
        // From one part or the other: the constant says which.
        (
            "SELECT id, 'dear' AS kind FROM l.o WHERE price > 10 UNION ALL SELECT id, 'cheap' FROM l.o \
             WHERE price <= 10",
            &["kind < l.o.price"],
        ),
        ("SELECT id FROM l.o WHERE price > 10 UNION ALL SELECT id FROM l.c WHERE boss = 1", &[]),
    ])
    .await;
}

/// P7: what is null where nothing was found, chosen among others or found among values says by what.
#[tokio::test(flavor = "multi_thread")]
async fn p7_columns_tell_of_what_they_were_found_by() {
    check_told_beside(&[
        // Whether the other side has a row.
        (
            "SELECT o.id, h.big FROM l.o o LEFT JOIN (SELECT id AS k, true AS big FROM l.o WHERE price > 10) h \
             ON h.k = o.id",
            &["id < l.o.id", "big < l.o.id, l.o.price"],
        ),
        (
            "SELECT h.big, o.id FROM (SELECT id AS k, true AS big FROM l.o WHERE price > 10) h RIGHT JOIN l.o o \
             ON h.k = o.id",
            &["big < l.o.id, l.o.price", "id < l.o.id"],
        ),
        (
            "SELECT o.id, t.one FROM l.o o LEFT JOIN LATERAL (SELECT 1 AS one WHERE o.price > 10) t ON true",
            &["one < l.o.price"],
        ),
        // Which element of a list.
        (
            "SELECT id, x FROM (SELECT *, unnest(range(1, 9)) AS x FROM l.o) t WHERE x = units",
            &["x < l.o.units"],
        ),
        ("SELECT id, tag FROM (SELECT id, unnest(tags) AS tag FROM l.n) t WHERE tag = 'new'", &[]),
        // Which row of a group, and which rows are first.
        (
            "SELECT DISTINCT ON (o.id) o.id, s.value FROM l.o o CROSS JOIN generate_series(1, 9) s \
             ORDER BY o.id, abs(s.value - o.units)",
            &["value < l.o.units"],
        ),
        (
            "SELECT o.id, s.value FROM l.o o CROSS JOIN generate_series(1, 9) s \
             ORDER BY abs(s.value - o.units) LIMIT 1",
            &["value < l.o.units"],
        ),
        // Of which grouping set.
        (
            "SELECT region, g FROM (SELECT region, grouping(region) AS g, max(price) AS m FROM l.o \
             GROUP BY GROUPING SETS ((region), ())) t WHERE g = CASE WHEN m > 4 THEN 1 ELSE 0 END",
            &["region < l.o.price", "g < l.o.price"],
        ),
        // Whether a value that was made up, or one beside another, is there.
        (
            "SELECT s.value FROM generate_series(1, 9) s WHERE s.value IN (SELECT o.units FROM l.o o)",
            &["value < l.o.units"],
        ),
        (
            "SELECT o.id, s.value FROM l.o o CROSS JOIN generate_series(1, 9) s \
             WHERE s.value IN (SELECT b.units FROM l.o b WHERE b.id = o.id)",
            &["id < l.o.id, l.o.units", "value < l.o.id, l.o.units"],
        ),
        (
            "SELECT o.id, s.value FROM l.o o CROSS JOIN generate_series(1, 9) s \
             WHERE EXISTS (SELECT 1 FROM l.o b WHERE b.id = o.id AND b.units = s.value)",
            &["id < l.o.id, l.o.units", "value < l.o.id, l.o.units"],
        ),
        (
            "SELECT value FROM generate_series(1, 9) INTERSECT SELECT units FROM l.o",
            &["value < l.o.units"],
        ),
        (
            "SELECT o.id, s.value FROM l.o o CROSS JOIN generate_series(1, 9) s \
             INTERSECT SELECT id, units FROM l.o",
            &["id < l.o.id, l.o.units", "value < l.o.id, l.o.units"],
        ),
        ("SELECT id, units FROM l.o INTERSECT SELECT id, boss FROM l.c", &[]),
    ])
    .await;
}

/// P7: what is computed by an order says what the order is of, and the answer of a query what it asked.
#[tokio::test(flavor = "multi_thread")]
async fn p7_values_tell_of_what_they_are_ordered_by_and_asked_for() {
    check_told_beside(&[
        ("SELECT id, rank() OVER (ORDER BY price) AS r FROM l.o", &["r < l.o.price"]),
        ("SELECT id, count(*) OVER (PARTITION BY region) AS n FROM l.o", &["n < l.o.region"]),
        ("SELECT id, count(*) OVER () AS n FROM l.o", &[]),
        ("SELECT id, lag(id) OVER (ORDER BY day) AS before FROM l.o", &["before < l.o.day"]),
        (
            "SELECT region, first_value(id ORDER BY price DESC) AS best FROM l.o GROUP BY region",
            &["best < l.o.price"],
        ),
        (
            "SELECT id, (SELECT count(*) FROM l.o b WHERE b.customer = a.customer AND b.price > 15) AS n \
             FROM l.o a",
            &["n < l.o.customer, l.o.price"],
        ),
        (
            "SELECT o.id, (SELECT max(c.name) FROM l.c c WHERE c.id = o.customer) AS name FROM l.o o",
            &["name < l.c.id, l.o.customer"],
        ),
        (
            "SELECT o.id, EXISTS (SELECT 1 FROM l.c c WHERE c.id = o.customer) AS known FROM l.o o",
            &["known < l.c.id, l.o.customer"],
        ),
        // Passed on, whatever is made of it.
        (
            "SELECT id, CASE WHEN r < 3 THEN 'top' ELSE 'rest' END AS place FROM (SELECT id, \
             row_number() OVER (ORDER BY price) AS r FROM l.o)",
            &["place < l.o.price"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_tables() {
    check(&[
        ("SELECT price FROM l.o", &["price = l.o.price identity"]),
        ("SELECT o.price AS p FROM l.o AS o", &["p = l.o.price identity"]),
        (
            "SELECT * FROM l.c",
            &[
                "id = l.c.id identity",
                "name = l.c.name identity",
                "region = l.c.region identity",
                "boss = l.c.boss identity",
            ],
        ),
        ("SELECT * EXCLUDE (id, name, boss) FROM l.c", &["region = l.c.region identity"]),
        (r#"SELECT price FROM l."o@v1""#, &["price = l.o@v1.price identity"]),
        (r#"SELECT line FROM l."o!quarantine""#, &["line = l.o!quarantine.line identity"]),
        (
            r#"SELECT new.price - old.price AS more FROM l.o new JOIN l."o@v1" old USING (id)"#,
            &[
                "more = l.o.price transformation, l.o@v1.price transformation",
                "rows: l.o.id join, l.o@v1.id join",
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions() {
    check(&[
        ("SELECT 1 AS one, 'x' AS x, now() AS now FROM l.o", &[
            "one =", "x =", "now =", "reads l.o",
        ]),
        ("SELECT price * units AS worth FROM l.o", &[
            "worth = l.o.price transformation, l.o.units transformation",
        ]),
        ("SELECT CAST(units AS BIGINT) AS u, -units AS n FROM l.o", &[
            "u = l.o.units transformation", "n = l.o.units transformation",
        ]),
        ("SELECT upper(region) || 'x' AS r FROM l.o", &["r = l.o.region transformation"]),
        ("SELECT region LIKE 'e%' AND units IN (1, id) AS b FROM l.o", &[
            "b = l.o.id transformation, l.o.region transformation, l.o.units transformation",
        ]),
        ("SELECT CASE WHEN region = 'eu' THEN price WHEN day IS NULL THEN 0.0 ELSE units END AS p FROM l.o", &[
            "p = l.o.price transformation, l.o.units transformation if l.o.day, l.o.region",
        ]),
        ("SELECT CASE region WHEN 'eu' THEN 1 END AS one FROM l.o", &["one = if l.o.region"]),
        ("SELECT coalesce(region, 'none') AS r FROM l.o", &[
            "r = l.o.region transformation if l.o.region",
        ]),
        ("SELECT coalesce(price, units, id) AS r FROM l.o", &[
            "r = l.o.id transformation, l.o.price transformation, l.o.units transformation if l.o.price, l.o.units",
        ]),
        ("SELECT ifnull(price, units) AS r FROM l.o", &[
            "r = l.o.price transformation, l.o.units transformation if l.o.price",
        ]),
        ("SELECT nullif(price, units) AS r FROM l.o", &[
            "r = l.o.price transformation if l.o.price, l.o.units",
        ]),
        ("SELECT nvl2(region, price, units) AS r FROM l.o", &[
            "r = l.o.price transformation, l.o.units transformation if l.o.region",
        ]),
        ("SELECT point['x'] AS x, tags[1] AS tag FROM l.n", &[
            "x = l.n.point transformation", "tag = l.n.tags transformation",
        ]),
        ("SELECT struct(id, tags) AS s FROM l.n", &[
            "s = l.n.id transformation, l.n.tags transformation",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_left() {
    check(&[
        ("SELECT id FROM l.o WHERE price > 3 AND region = 'eu'", &[
            "id = l.o.id identity", "rows: l.o.price filter, l.o.region filter",
        ]),
        // What decides about a column decides about rows where the column does.
        ("SELECT id FROM (SELECT id, CASE WHEN units > 1 THEN price END AS p FROM l.o) WHERE p > 1", &[
            "id = l.o.id identity", "rows: l.o.price filter, l.o.units filter",
        ]),
        ("SELECT id FROM l.o ORDER BY price DESC, day LIMIT 3", &[
            "id = l.o.id identity", "rows: l.o.day sort, l.o.price sort",
        ]),
        ("SELECT id FROM l.o LIMIT 3 OFFSET 1", &["id = l.o.id identity"]),
        ("SELECT DISTINCT region, units FROM l.o", &[
            "region = l.o.region identity",
            "units = l.o.units identity",
            "rows: l.o.region groupby, l.o.units groupby",
        ]),
        ("SELECT DISTINCT ON (region) region, price FROM l.o ORDER BY region, day", &[
            "region = l.o.region identity",
            "price = l.o.price identity",
            "rows: l.o.day sort, l.o.region groupby+sort",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joins() {
    let both = "rows: l.c.id join, l.o.customer join";
    check(&[
        (
            "SELECT name, price FROM l.o JOIN l.c ON customer = c.id",
            &["name = l.c.name identity", "price = l.o.price identity", both],
        ),
        (
            "SELECT name, price FROM l.o LEFT JOIN l.c ON customer = c.id AND c.region < o.region",
            &[
                "name = l.c.name identity",
                "price = l.o.price identity",
                "rows: l.c.id join, l.c.region join, l.o.customer join, l.o.region join",
            ],
        ),
        (
            "SELECT name, price FROM l.o RIGHT JOIN l.c ON customer = c.id",
            &["name = l.c.name identity", "price = l.o.price identity", both],
        ),
        (
            "SELECT name, price FROM l.o, l.c WHERE customer = c.id",
            &[
                "name = l.c.name identity",
                "price = l.o.price identity",
                "rows: l.c.id filter, l.o.customer filter",
            ],
        ),
        ("SELECT price FROM l.o CROSS JOIN l.c", &["price = l.o.price identity", "reads l.c"]),
        (
            "SELECT price FROM l.o LEFT SEMI JOIN l.c ON customer = c.id",
            &["price = l.o.price identity", both],
        ),
        (
            "SELECT price FROM l.o LEFT ANTI JOIN l.c ON customer = c.id",
            &["price = l.o.price identity", both],
        ),
        (
            "SELECT name FROM l.o RIGHT SEMI JOIN l.c ON customer = c.id",
            &["name = l.c.name identity", both],
        ),
        (
            "SELECT name FROM l.o RIGHT ANTI JOIN l.c ON customer = c.id",
            &["name = l.c.name identity", both],
        ),
        (
            "SELECT region, price FROM l.o JOIN l.c USING (region)",
            &[
                "region = l.o.region identity",
                "price = l.o.price identity",
                "rows: l.c.region join, l.o.region join",
            ],
        ),
        (
            "SELECT boss FROM l.o NATURAL JOIN l.c",
            &[
                "boss = l.c.boss identity",
                "rows: l.c.id join, l.c.region join, l.o.id join, l.o.region join",
            ],
        ),
        // A table beside itself is one input.
        (
            "SELECT a.name, b.name AS boss FROM l.c a JOIN l.c b ON a.boss = b.id",
            &[
                "name = l.c.name identity",
                "boss = l.c.name identity",
                "rows: l.c.boss join, l.c.id join",
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups() {
    check(&[
        ("SELECT count(*) AS n FROM l.o", &["n =", "reads l.o"]),
        ("SELECT region, sum(price * units) AS s, count(DISTINCT day) AS d, count(*) AS n FROM l.o GROUP BY region", &[
            "region = l.o.region identity",
            "s = l.o.price aggregation, l.o.units aggregation",
            "d = l.o.day aggregation",
            "n =",
            "rows: l.o.region groupby",
        ]),
        ("SELECT upper(region) AS r, max(price) + 1 AS p FROM l.o GROUP BY upper(region)", &[
            "r = l.o.region transformation", "p = l.o.price aggregation", "rows: l.o.region groupby",
        ]),
        ("SELECT region FROM l.o GROUP BY region HAVING sum(units) > 3", &[
            "region = l.o.region identity", "rows: l.o.region groupby, l.o.units filter",
        ]),
        ("SELECT sum(price) FILTER (WHERE units > 1) AS s FROM l.o", &[
            "s = l.o.price aggregation if l.o.units",
        ]),
        ("SELECT sum(CASE WHEN region = 'eu' THEN price ELSE 0 END) AS s FROM l.o", &[
            "s = l.o.price aggregation if l.o.region",
        ]),
        ("SELECT array_agg(id ORDER BY day) AS ids FROM l.o", &[
            "ids = l.o.id aggregation", "rows: l.o.day sort",
        ]),
        ("SELECT region, units, grouping(region) AS g, sum(price) AS s FROM l.o GROUP BY ROLLUP (region, units)", &[
            "region = l.o.region identity",
            "units = l.o.units identity",
            "g =",
            "s = l.o.price aggregation",
            "rows: l.o.region groupby, l.o.units groupby",
        ]),
        ("SELECT day, sum(price) AS s FROM l.o GROUP BY GROUPING SETS ((region), (day))", &[
            "day = l.o.day identity",
            "s = l.o.price aggregation",
            "rows: l.o.day groupby, l.o.region groupby",
        ]),
        ("SELECT max(s) AS most FROM (SELECT sum(price) AS s FROM l.o GROUP BY region)", &[
            "most = l.o.price aggregation", "rows: l.o.region groupby",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows() {
    check(&[
        ("SELECT id, row_number() OVER (PARTITION BY region ORDER BY day) AS n FROM l.o", &[
            "id = l.o.id identity", "n =", "rows: l.o.day window, l.o.region window",
        ]),
        ("SELECT sum(price) OVER (PARTITION BY region) AS s, lag(units) OVER (ORDER BY day) AS u FROM l.o", &[
            "s = l.o.price aggregation",
            "u = l.o.units transformation",
            "rows: l.o.day window, l.o.region window",
        ]),
        ("SELECT id FROM l.o QUALIFY rank() OVER (ORDER BY price) = 1", &[
            "id = l.o.id identity", "rows: l.o.price window",
        ]),
        ("SELECT id FROM l.o QUALIFY first_value(units) OVER (ORDER BY price) = 1", &[
            "id = l.o.id identity", "rows: l.o.price window, l.o.units filter",
        ]),
        ("SELECT sum(sum(price)) OVER (ORDER BY region) AS s FROM l.o GROUP BY region", &[
            "s = l.o.price aggregation", "rows: l.o.region groupby+window",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_several_queries() {
    check(&[
        // By position, whatever their names.
        (
            "SELECT region AS a, price AS b FROM l.o UNION ALL SELECT name, boss FROM l.c",
            &[
                "a = l.c.name identity, l.o.region identity",
                "b = l.c.boss transformation, l.o.price identity",
            ],
        ),
        (
            "SELECT region FROM l.o UNION SELECT region FROM l.c",
            &[
                "region = l.c.region identity, l.o.region identity",
                "rows: l.c.region groupby, l.o.region groupby",
            ],
        ),
        (
            "SELECT region FROM l.o INTERSECT SELECT region FROM l.c",
            &["region = l.o.region identity", "rows: l.c.region join, l.o.region join+groupby"],
        ),
        (
            "SELECT region FROM l.o EXCEPT SELECT region FROM l.c",
            &["region = l.o.region identity", "rows: l.c.region join, l.o.region join+groupby"],
        ),
        ("VALUES (1, 'a'), (2, 'b')", &["column1 =", "column2 ="]),
        ("SELECT n FROM generate_series(1, 3) AS s(n)", &["n ="]),
        (
            "SELECT n, price FROM range(1, 3) AS s(n) JOIN l.o ON o.id = n",
            &["n =", "price = l.o.price identity", "rows: l.o.id join"],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_for_queries() {
    check(&[
        ("WITH a AS (SELECT id, price * 2 AS p FROM l.o) SELECT x.p, y.p AS q FROM a x JOIN a y ON x.id = y.p", &[
            "p = l.o.price transformation",
            "q = l.o.price transformation",
            "rows: l.o.id join, l.o.price join",
        ]),
        ("WITH a AS (SELECT id AS x FROM l.o), b AS (WITH c AS (SELECT x AS y FROM a) SELECT y AS z FROM c) SELECT z FROM b", &[
            "z = l.o.id identity",
        ]),
        ("WITH o AS (SELECT boss AS id FROM l.c) SELECT o.id FROM o, l.o AS p WHERE p.id = o.id", &[
            "id = l.c.boss identity", "rows: l.c.boss filter, l.o.id filter",
        ]),
        ("SELECT t.c2 AS x FROM (SELECT id, region FROM l.o) AS t(c1, c2)", &[
            "x = l.o.region identity",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_within_expressions() {
    check(&[
        ("SELECT id, (SELECT max(boss) FROM l.c) AS most FROM l.o", &[
            "id = l.o.id identity", "most = l.c.boss aggregation",
        ]),
        ("SELECT (SELECT max(name) FROM l.c WHERE c.id = o.customer) AS name FROM l.o", &[
            "name = l.c.name aggregation", "rows: l.c.id filter, l.o.customer filter",
        ]),
        ("SELECT (SELECT max(c.boss + o.units) FROM l.c) AS most FROM l.o", &[
            "most = l.c.boss aggregation, l.o.units aggregation",
        ]),
        ("SELECT id FROM l.o WHERE customer IN (SELECT id FROM l.c WHERE name = 'x')", &[
            "id = l.o.id identity",
            "rows: l.c.id filter, l.c.name filter, l.o.customer filter",
        ]),
        ("SELECT customer NOT IN (SELECT boss FROM l.c) AS free FROM l.o", &[
            "free = l.c.boss transformation, l.o.customer transformation",
        ]),
        ("SELECT id FROM l.o WHERE EXISTS (SELECT name FROM l.c WHERE c.id = o.customer)", &[
            "id = l.o.id identity", "rows: l.c.id filter, l.o.customer filter",
        ]),
        ("SELECT EXISTS (SELECT 1 FROM l.c) AS there FROM l.o", &["there =", "reads l.c", "reads l.o"]),
        ("SELECT id FROM l.o WHERE price > ALL (SELECT boss FROM l.c)", &[
            "id = l.o.id identity", "rows: l.c.boss filter, l.o.price filter",
        ]),
        // The same name around and within: the nearest.
        ("SELECT id FROM l.c o WHERE EXISTS (SELECT 1 FROM l.o p WHERE EXISTS (SELECT 1 FROM l.c q WHERE q.boss = p.units AND q.name = o.region))", &[
            "id = l.c.id identity",
            "rows: l.c.boss filter, l.c.name filter, l.c.region filter, l.o.units filter",
        ]),
        ("SELECT region FROM l.o GROUP BY region HAVING sum(units) > (SELECT max(boss) FROM l.c WHERE c.region = o.region)", &[
            "region = l.o.region identity",
            "rows: l.c.boss filter, l.c.region filter, l.o.region filter+groupby, l.o.units filter",
        ]),
        ("SELECT o.id, t.name FROM l.o, LATERAL (SELECT name FROM l.c WHERE c.id = o.customer) t", &[
            "id = l.o.id identity", "name = l.c.name identity",
            "rows: l.c.id filter, l.o.customer filter",
        ]),
        ("SELECT t.x FROM l.o JOIN l.c ON c.id = o.id LEFT JOIN LATERAL (SELECT o.price + boss AS x FROM l.c d WHERE d.id = c.boss) t ON TRUE", &[
            "x = l.c.boss transformation, l.o.price transformation",
            "rows: l.c.boss filter, l.c.id filter+join, l.o.id join",
        ]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn things_that_are_taken_apart() {
    check(&[
        (
            "SELECT id, unnest(tags) AS tag FROM l.n",
            &["id = l.n.id identity", "tag = l.n.tags transformation", "rows: l.n.tags join"],
        ),
        (
            "SELECT unnest(marks) + id AS m FROM l.n",
            &["m = l.n.id transformation, l.n.marks transformation", "rows: l.n.marks join"],
        ),
        (
            "SELECT n.id, t.tag FROM l.n n CROSS JOIN unnest(n.tags) AS t(tag)",
            &["id = l.n.id identity", "tag = l.n.tags transformation", "rows: l.n.tags join"],
        ),
        ("SELECT unnest([1, 2, 3]) AS n", &["n ="]),
        // The fields of a struct are as many as its row has, which is one.
        (
            "SELECT id, unnest(point) FROM l.n",
            &[
                "id = l.n.id identity",
                "l.n.point.x = l.n.point transformation",
                "l.n.point.y = l.n.point transformation",
            ],
        ),
    ])
    .await;
}

/// What has no lineage says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_told() {
    check(&[
        ("DESCRIBE l.o", &["not allowed: only queries have a lineage\nhint: write `SELECT …`"]),
        ("EXPLAIN SELECT 1", &["not allowed: only queries have a lineage\nhint: write `SELECT …`"]),
        (
            "SELECT nothing FROM l.c",
            &["invalid: column `nothing` not found\nhint: columns here: id, name, region, boss"],
        ),
    ])
    .await;
    let world = lake();
    let mut job = world.job("SELECT * FROM system.events", Asked::default()).unwrap();
    let rows = arrow::array::RecordBatch::new_empty(std::sync::Arc::new(
        lakebed_ingest::arrow_schema(&schema(&[("seq", DataType::Long)])),
    ));
    job.system = vec![SystemRows { table: SystemTable::Events, rows }];
    let error = world.engine.lineage(job).await.unwrap_err();
    assert_eq!(
        show_error(&error),
        "not allowed: `system.events` has no versions, so it has no lineage"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_literals() {
    let world = lake();
    let parameters = Parameters::Positional(vec![3.into()]);
    let told = told_with(&world, "SELECT price + $1 AS p FROM l.o", parameters).await;
    assert_eq!(told, ["p = l.o.price transformation"]);
}

/// A policy is no part of it: a masked column is the column, what a row filter looks at is not told, and
/// what is hidden is not there.
#[tokio::test(flavor = "multi_thread")]
async fn restrictions_are_not_told() {
    let mut world = lake();
    let rows = Predicate::Compare {
        field: 3,
        comparison: Comparison::Equal,
        value: Scalar::Text("eu".to_owned()),
    };
    let columns = BTreeMap::from([(1, ColumnSight::Raw), (2, ColumnSight::Masked(Mask::Null))]);
    let sight = Sight { rows, columns, mask_key: None };
    world.restrict("l.c", Restriction::Restricted(sight));
    assert_eq!(
        told(&world, "SELECT * FROM l.c").await,
        ["id = l.c.id identity", "name = l.c.name identity",]
    );
    assert_eq!(
        told(&world, "SELECT region FROM l.c").await,
        ["invalid: column `region` not found\nhint: columns here: id, name",]
    );
}

/// Two names of one version are one input.
#[tokio::test(flavor = "multi_thread")]
async fn versions_are_what_is_read() {
    let world = lake();
    let sql = r#"SELECT x.price + y.price AS p FROM l.o x, l."o@v1" y"#;
    let mut job = world.job(sql, Asked::default()).unwrap();
    job.tables[1].version_id = job.tables[0].version_id;
    let Described { lineage, .. } = world.engine.lineage(job).await.unwrap();
    assert_eq!(lineage.inputs().len(), 1);
    assert_eq!(lineage.outputs()[0].direct.len(), 1);
}

/// Columns that are all made of all others are more than anybody writes down.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_bounded() {
    let mut world = World::new();
    let names: Vec<String> = (0..400).map(|number| format!("c{number}")).collect();
    let columns: Vec<_> = names.iter().map(|name| (name.as_str(), DataType::Long)).collect();
    world.bind("l.w", &schema(&columns), Vec::new());
    let all = format!("greatest({})", names.join(", "));
    let copies: Vec<_> = (0..400).map(|number| format!("s AS s{number}")).collect();
    let sql = format!("SELECT {} FROM (SELECT {all} AS s FROM l.w)", copies.join(", "));
    assert_eq!(
        told(&world, &sql).await,
        ["exhausted: the statement's columns are made of more than 100000 others, all in all",]
    );
}

/// As deep as expressions may be.
#[tokio::test(flavor = "multi_thread")]
async fn deep_expressions_are_walked() {
    let world = lake();
    let sum = vec!["units"; 900].join(" + ");
    let cases = format!("{}price{}", "CASE WHEN units > 1 THEN ".repeat(20), " END".repeat(20));
    let sql = format!("SELECT {sum} AS s, {cases} AS p FROM l.o");
    assert_eq!(
        told(&world, &sql).await,
        ["s = l.o.units transformation", "p = l.o.price transformation if l.o.units",]
    );
}

/// Nothing is asked of the store.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read() {
    let world = lake();
    let before = world.calls();
    told(&world, "SELECT region, sum(price) FROM l.o GROUP BY region").await;
    assert_eq!(world.calls(), before);
}
