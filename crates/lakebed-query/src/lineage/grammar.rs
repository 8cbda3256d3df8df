//! Statements of which every column has a lineage that can be tried: what a small grammar makes of dice.
//!
//! They are valid more often than not. Whatever could legitimately differ between two runs is left out:
//! limits without a total order, and sums of doubles beyond eighths.

use crate::governed::interference::dice::Dice;

/// What a column holds, as far as expressions care.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Long,
    Decimal,
    Double,
    Date,
    Text,
    Bool,
}

const COLUMNS: [(&str, Kind); 12] = [
    ("id", Kind::Long),
    ("region", Kind::Text),
    ("amount", Kind::Long),
    ("price", Kind::Decimal),
    ("score", Kind::Double),
    ("day", Kind::Date),
    ("note", Kind::Text),
    ("email", Kind::Text),
    ("born", Kind::Date),
    ("salary", Kind::Long),
    ("ssn", Kind::Text),
    ("phone", Kind::Text),
];

/// A statement.
pub(super) fn statement(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..=3 => plain(dice),
        4..=5 => grouped(dice),
        6 => joined(dice),
        7 => windowed(dice),
        8 => sets(dice),
        _ => nested(dice),
    }
}

fn plain(dice: &mut Dice) -> String {
    let (one, other) = (any(dice, "", 2), any(dice, "", 2));
    let condition = condition(dice, "", 2);
    let distinct = dice.one_of(&["", "", "DISTINCT "]);
    let order = match dice.below(3) {
        0 if distinct.is_empty() => {
            let key = any(dice, "", 1);
            format!(" ORDER BY {key}, id LIMIT {}", 1 + dice.below(70))
        }
        _ => String::new(),
    };
    format!("SELECT {distinct}{one} AS x, {other} AS y FROM a.b WHERE {condition}{order}")
}

fn grouped(dice: &mut Dice) -> String {
    let key = any(dice, "", 1);
    let (one, other) = (aggregate(dice, ""), aggregate(dice, ""));
    let condition = condition(dice, "", 1);
    let having = match dice.below(3) {
        0 => format!(" HAVING {} > {}", aggregate_number(dice, ""), dice.below(9)),
        _ => String::new(),
    };
    format!(
        "SELECT {key} AS k, {one} AS x, {other} AS y FROM a.b WHERE {condition} GROUP BY 1{having}"
    )
}

fn joined(dice: &mut Dice) -> String {
    let kind = dice.one_of(&["JOIN", "LEFT JOIN", "FULL JOIN", "RIGHT JOIN"]);
    let key = dice.one_of(&[Kind::Long, Kind::Text, Kind::Date]);
    let (left, right) = (of(dice, "p.", key, 1), of(dice, "q.", key, 1));
    let aggregate = aggregate(dice, "p.");
    let condition = condition(dice, "q.", 1);
    format!(
        "SELECT count(*), {aggregate} AS x FROM a.b p {kind} a.b q ON {left} = {right} AND p.id < q.id + 9 WHERE {condition}"
    )
}

fn windowed(dice: &mut Dice) -> String {
    let function = match dice.below(6) {
        0 => "row_number()".to_owned(),
        1 => "rank()".to_owned(),
        2 => format!("lag({}, {})", any(dice, "", 1), 1 + dice.below(3)),
        3 => format!("first_value({})", any(dice, "", 1)),
        4 => format!("ntile({})", 1 + dice.below(5)),
        _ => format!("count({})", any(dice, "", 1)),
    };
    let partition = any(dice, "", 1);
    let condition = condition(dice, "", 1);
    format!(
        "SELECT id, {function} OVER (PARTITION BY {partition} ORDER BY id) AS w FROM a.b WHERE {condition}"
    )
}

fn sets(dice: &mut Dice) -> String {
    let kind = dice.one_of(&[Kind::Long, Kind::Text, Kind::Date]);
    let (one, other) = (of(dice, "", kind, 2), of(dice, "", kind, 2));
    let (here, there) = (condition(dice, "", 1), condition(dice, "", 1));
    let set = dice.one_of(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
    format!(
        "SELECT {one} AS x FROM a.b WHERE {here} {set} SELECT {other} AS x FROM a.b WHERE {there}"
    )
}

fn nested(dice: &mut Dice) -> String {
    let kind = dice.one_of(&[Kind::Long, Kind::Text, Kind::Date]);
    let (outer, inner) = (of(dice, "o.", kind, 1), of(dice, "i.", kind, 1));
    let condition = condition(dice, "i.", 1);
    match dice.below(4) {
        0 => format!(
            "SELECT o.id FROM a.b o WHERE {outer} IN (SELECT {inner} FROM a.b i WHERE {condition})"
        ),
        1 => format!(
            "SELECT o.id FROM a.b o WHERE EXISTS (SELECT 1 FROM a.b i WHERE {inner} = {outer} AND {condition})"
        ),
        2 => format!(
            "SELECT o.id, (SELECT max({inner}) FROM a.b i WHERE {condition}) AS m FROM a.b o"
        ),
        _ => format!(
            "WITH c AS (SELECT {inner} AS k, count(*) AS n FROM a.b i WHERE {condition} GROUP BY 1) SELECT o.id, c.n FROM a.b o JOIN c ON c.k = {outer}"
        ),
    }
}

fn any(dice: &mut Dice, of_table: &str, depth: usize) -> String {
    let kind = dice.one_of(&[
        Kind::Long,
        Kind::Long,
        Kind::Text,
        Kind::Text,
        Kind::Date,
        Kind::Decimal,
        Kind::Double,
        Kind::Bool,
    ]);
    of(dice, of_table, kind, depth)
}

fn column(dice: &mut Dice, of_table: &str, kind: Kind) -> String {
    let fitting: Vec<_> = COLUMNS.iter().filter(|(_, found)| *found == kind).collect();
    format!("{of_table}{}", dice.one_of(&fitting).0)
}

/// An expression of a kind.
fn of(dice: &mut Dice, t: &str, kind: Kind, depth: usize) -> String {
    if kind == Kind::Bool {
        return condition(dice, t, depth.saturating_sub(1));
    }
    if depth == 0 || dice.below(3) == 0 {
        return column(dice, t, kind);
    }
    let mut inner = |kind| of(dice, t, kind, depth - 1);
    match kind {
        Kind::Long => {
            let (one, text, date) = (inner(Kind::Long), inner(Kind::Text), inner(Kind::Date));
            let other = of(dice, t, Kind::Long, depth - 1);
            let number = dice.below(9);
            match dice.below(12) {
                0 => format!("({one} + {number})"),
                1 => format!("({one} / ({other} - {number}))"),
                2 => format!("({one} % {})", number + 1),
                3 => format!("CAST({text} AS BIGINT)"),
                4 => format!("length({text})"),
                5 => format!("coalesce({one}, {number})"),
                6 => format!("nullif({one}, {number})"),
                7 => format!("CAST(date_part('year', {date}) AS BIGINT)"),
                8 => format!("CASE WHEN {one} > {number} THEN {other} ELSE {number} END"),
                9 => format!("abs({one})"),
                10 => format!("({one} * {other})"),
                _ => format!("strpos({text}, '{number}')"),
            }
        }
        Kind::Text => {
            let (one, other) = (inner(Kind::Text), inner(Kind::Text));
            let number = of(dice, t, Kind::Long, depth - 1);
            let n = 1 + dice.below(4);
            match dice.below(12) {
                0 => format!("upper({one})"),
                1 => format!("substr({one}, {n})"),
                2 => format!("({one} || {other})"),
                3 => format!("CAST({number} AS VARCHAR)"),
                4 => format!("coalesce({one}, {other})"),
                5 => format!("replace({one}, '{n}', '#')"),
                6 => format!("left({one}, {n})"),
                7 => format!("reverse({one})"),
                8 => format!("regexp_replace({one}, '[0-{n}]', 'x')"),
                9 => format!("md5({one})"),
                10 => format!("lpad({one}, {n}, '0')"),
                _ => format!("split_part({one}, '-', {n})"),
            }
        }
        Kind::Date => {
            let one = inner(Kind::Date);
            match dice.below(3) {
                0 => format!("CAST(date_trunc('month', {one}) AS DATE)"),
                1 => format!("nullif({one}, DATE '2024-05-05')"),
                _ => format!("greatest({one}, DATE '2024-01-01')"),
            }
        }
        Kind::Decimal => {
            let one = inner(Kind::Decimal);
            let number = 1 + dice.below(9);
            match dice.below(4) {
                0 => format!("({one} + {number}.25)"),
                1 => format!("round({one}, 1)"),
                2 => format!("nullif({one}, {number})"),
                _ => format!("({one} / ({one} - {number}))"),
            }
        }
        Kind::Double => {
            let one = inner(Kind::Double);
            let number = of(dice, t, Kind::Long, depth - 1);
            match dice.below(4) {
                0 => format!("floor({one})"),
                1 => format!("({one} / 2)"),
                2 => format!("sqrt({one})"),
                _ => format!("CAST({number} AS DOUBLE)"),
            }
        }
        Kind::Bool => condition(dice, t, 0),
    }
}

fn condition(dice: &mut Dice, t: &str, depth: usize) -> String {
    if depth > 0 && dice.below(3) == 0 {
        let (one, other) = (condition(dice, t, depth - 1), condition(dice, t, depth - 1));
        return match dice.below(4) {
            0 => format!("NOT ({one})"),
            1 => format!("({one} OR {other})"),
            _ => format!("({one} AND {other})"),
        };
    }
    let comparison = dice.one_of(&["=", "<>", "<", "<=", ">", ">="]);
    let number = dice.below(14);
    match dice.below(12) {
        0 | 1 => format!("{} {comparison} {number}", of(dice, t, Kind::Long, depth)),
        2 => {
            let literal = dice.one_of(&["EU", "US", "7", "HIDDEN-777", "***0001", "+49 3", ""]);
            format!("{} {comparison} '{literal}'", of(dice, t, Kind::Text, depth))
        }
        3 => format!("{} {comparison} DATE '2024-06-01'", of(dice, t, Kind::Date, depth)),
        4 => format!("{} {comparison} {number}.5", of(dice, t, Kind::Decimal, depth)),
        5 => format!("{} {comparison} {number}.5", of(dice, t, Kind::Double, depth)),
        6 => {
            let pattern = dice.one_of(&["%1%", "***%", "H%", "_", "%-%", "%"]);
            format!("{} LIKE '{pattern}'", of(dice, t, Kind::Text, depth))
        }
        7 => format!("{} IS NOT NULL", of(dice, t, Kind::Text, depth)),
        8 => format!("{} IN (1, 2, 5, {number})", of(dice, t, Kind::Long, depth)),
        9 => format!("{} BETWEEN 1 AND {number}", of(dice, t, Kind::Long, depth)),
        10 => format!("{} IS NULL", of(dice, t, Kind::Long, depth)),
        _ => format!("regexp_like({}, '^[0-9]+$')", of(dice, t, Kind::Text, depth)),
    }
}

fn aggregate_number(dice: &mut Dice, t: &str) -> String {
    match dice.below(3) {
        0 => "count(*)".to_owned(),
        1 => format!("count(DISTINCT {})", any(dice, t, 1)),
        _ => format!("max({})", of(dice, t, Kind::Long, 1)),
    }
}

fn aggregate(dice: &mut Dice, t: &str) -> String {
    match dice.below(7) {
        0 => format!("sum({})", of(dice, t, Kind::Long, 1)),
        1 => format!("min({})", any(dice, t, 1)),
        2 => format!("max({})", any(dice, t, 1)),
        3 => format!("bool_and({})", condition(dice, t, 1)),
        4 => format!("sum({})", of(dice, t, Kind::Decimal, 1)),
        5 => format!("count(DISTINCT {})", any(dice, t, 1)),
        _ => aggregate_number(dice, t),
    }
}
