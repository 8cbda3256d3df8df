//! Joins give the rows that SQL says they give: hundreds of random statements against nested loops
//! that are written out here.
//!
//! Tables are small, hold nulls and share the names of their columns, which is where an optimiser
//! takes one column for another.

use std::{cmp::Ordering, fmt, sync::Arc};

use arrow::{
    array::{Array as _, AsArray as _, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
};
use lakebed_core::DataType;

use crate::world::{Asked, World, schema};

type Row = Vec<Option<i64>>;

/// Numbers that look like chance and are the same every time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn rows(&mut self, most: usize) -> Vec<Row> {
        let count = self.below(most + 1);
        let mut cell = || if self.one_in(4) { None } else { Some(self.below(4) as i64) };
        (0..count).map(|_| vec![cell(), cell()]).collect()
    }
}

/// `a`, `b` and `c`, each with the columns `id` and `v`.
struct Lake {
    world: World,
    tables: Vec<Vec<Row>>,
}

const TABLES: [&str; 3] = ["a", "b", "c"];
const COLUMNS: [&str; 2] = ["id", "v"];

impl Lake {
    async fn new(dice: &mut Dice) -> Self {
        let mut world = World::new();
        let columns = schema(&[("id", DataType::Long), ("v", DataType::Long)]);
        let mut tables = Vec::new();
        for name in TABLES {
            // Which side is smaller, and is built first, is up to chance.
            let most = dice.of(&[3, 6, 12]);
            let rows = dice.rows(most);
            let batch = |rows: &[Row]| {
                let column = |place: usize| {
                    Arc::new(rows.iter().map(|row| row[place]).collect::<Int64Array>()) as _
                };
                let schema = Arc::new(lakebed_ingest::arrow_schema(&columns));
                RecordBatch::try_new(schema, vec![column(0), column(1)]).unwrap()
            };
            // Few rows each, so that statistics have something to leave out.
            let mut files = Vec::new();
            for part in rows.chunks(4) {
                files.push(world.put(&batch(part), 2).await);
            }
            world.bind(&format!("t.{name}"), &columns, files);
            tables.push(rows);
        }
        Self { world, tables }
    }

    /// The rows of an answer, in order if `is_sorted` says that it has one.
    async fn rows(&self, sql: &str, is_sorted: bool) -> Vec<Row> {
        let answer = self.world.rows(sql, Asked::default()).await;
        let batches = answer.unwrap_or_else(|error| panic!("{sql}\n{error}"));
        let mut rows: Vec<Row> = Vec::new();
        for batch in &batches {
            let columns: Vec<&Int64Array> =
                batch.columns().iter().map(|column| column.as_primitive::<Int64Type>()).collect();
            let cell =
                |column: &Int64Array, place| column.is_valid(place).then(|| column.value(place));
            let row = |place| columns.iter().map(|column| cell(column, place)).collect::<Row>();
            rows.extend((0..batch.num_rows()).map(row));
        }
        if !is_sorted {
            rows.sort();
        }
        rows
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Inner,
    Left,
    Right,
    Full,
}

const KINDS: [Kind; 4] = [Kind::Inner, Kind::Left, Kind::Right, Kind::Full];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner => "JOIN",
            Self::Left => "LEFT JOIN",
            Self::Right => "RIGHT JOIN",
            Self::Full => "FULL JOIN",
        })
    }
}

/// `left` joined with `right`, by looking at every pair.
fn nested(
    kind: Kind,
    left: &[Row],
    right: &[Row],
    left_width: usize,
    right_width: usize,
    on: impl Fn(&Row) -> bool,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut met = vec![false; right.len()];
    for one in left {
        let before = rows.len();
        for (place, other) in right.iter().enumerate() {
            let pair: Row = one.iter().chain(other).copied().collect();
            if on(&pair) {
                met[place] = true;
                rows.push(pair);
            }
        }
        if rows.len() == before && matches!(kind, Kind::Left | Kind::Full) {
            rows.push(one.iter().copied().chain(vec![None; right_width]).collect());
        }
    }
    if matches!(kind, Kind::Right | Kind::Full) {
        let lonely = right.iter().zip(met).filter(|(_, met)| !met);
        rows.extend(lonely.map(|(other, _)| [vec![None; left_width], other.clone()].concat()));
    }
    rows
}

#[derive(Clone, Copy)]
enum Term {
    /// A place among the columns of the join.
    Column(usize),
    Number(i64),
    Coalesce(usize, i64),
    Sum(usize, i64),
}

impl Term {
    fn any(dice: &mut Dice, columns: usize) -> Self {
        let (column, number) = (dice.below(columns), dice.below(4) as i64);
        match dice.below(6) {
            0 => Self::Number(number),
            1 => Self::Coalesce(column, number),
            2 => Self::Sum(column, number),
            _ => Self::Column(column),
        }
    }

    fn value(self, row: &Row) -> Option<i64> {
        match self {
            Self::Column(column) => row[column],
            Self::Number(number) => Some(number),
            Self::Coalesce(column, number) => row[column].or(Some(number)),
            Self::Sum(column, number) => row[column].map(|value| value + number),
        }
    }
}

fn column(place: usize) -> String {
    format!("{}.{}", TABLES[place / 2], COLUMNS[place % 2])
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Column(place) => f.write_str(&column(place)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Coalesce(place, number) => write!(f, "coalesce({}, {number})", column(place)),
            Self::Sum(place, number) => write!(f, "{} + {number}", column(place)),
        }
    }
}

enum Condition {
    Compare(Term, &'static str, Term),
    IsNull(Term),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    /// Whether a value is among those of a column of a table, of the rows in which the other column is
    /// greater than a number.
    In(Term, usize, usize, i64),
    /// Whether a table has such a row.
    Exists(usize, usize, usize, i64),
}

impl Condition {
    fn simple(dice: &mut Dice, columns: usize) -> Self {
        let term = Term::any(dice, columns);
        match dice.below(4) {
            0 => Self::IsNull(term),
            1 => Self::Not(Box::new(Self::IsNull(term))),
            _ => {
                let operator = dice.of(&["=", "<>", "<", "<=", ">", ">="]);
                Self::Compare(term, operator, Term::any(dice, columns))
            }
        }
    }

    /// What a join is on: mostly an equality of its sides, as most are.
    fn on(dice: &mut Dice, left: usize) -> Self {
        let equal = match dice.one_in(6) {
            true => Self::simple(dice, left + 2),
            false => {
                let (one, other) = (dice.below(left), left + dice.below(2));
                Self::Compare(Term::Column(one), "=", Term::Column(other))
            }
        };
        match dice.one_in(3) {
            true => Self::And(Box::new(equal), Box::new(Self::simple(dice, left + 2))),
            false => equal,
        }
    }

    /// `IN` a query is asked where unknown is as good as false: below a NOT the engine takes one for the
    /// other.
    fn any(dice: &mut Dice, columns: usize, depth: usize, is_below_not: bool) -> Self {
        let part = |dice: &mut Dice, not| {
            Box::new(Self::any(dice, columns, depth - 1, is_below_not || not))
        };
        match (dice.below(12), depth) {
            (0..=3, 1..) => Self::And(part(dice, false), part(dice, false)),
            (4..=5, 1..) => Self::Or(part(dice, false), part(dice, false)),
            (6, 1..) => Self::Not(part(dice, true)),
            (7, _) if !is_below_not => {
                let column = dice.below(columns);
                let (table, inner) = (dice.below(3), dice.below(2));
                Self::In(Term::Column(column), table, inner, dice.below(3) as i64)
            }
            (8, _) => {
                let (table, inner) = (dice.below(3), dice.below(2));
                Self::Exists(dice.below(columns), table, inner, dice.below(3) as i64)
            }
            _ => Self::simple(dice, columns),
        }
    }

    fn value(&self, row: &Row, tables: &[Vec<Row>]) -> Option<bool> {
        let inner = |table: usize, column: usize, above: i64| {
            let rows = tables[table].iter();
            rows.filter(move |row| row[1 - column].is_some_and(|value| value > above))
                .map(move |row| row[column])
        };
        match self {
            Self::Compare(left, operator, right) => {
                let ordering = left.value(row)?.cmp(&right.value(row)?);
                Some(match *operator {
                    "=" => ordering == Ordering::Equal,
                    "<>" => ordering != Ordering::Equal,
                    "<" => ordering == Ordering::Less,
                    "<=" => ordering != Ordering::Greater,
                    ">" => ordering == Ordering::Greater,
                    _ => ordering != Ordering::Less,
                })
            }
            Self::IsNull(term) => Some(term.value(row).is_none()),
            Self::Not(part) => part.value(row, tables).map(|value| !value),
            Self::And(left, right) => match (left.value(row, tables), right.value(row, tables)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.value(row, tables), right.value(row, tables)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::In(term, table, column, above) => {
                let among: Vec<_> = inner(*table, *column, *above).collect();
                match (term.value(row), among.is_empty()) {
                    (_, true) => Some(false),
                    (None, false) => None,
                    (value, false) if among.contains(&value) => Some(true),
                    _ if among.contains(&None) => None,
                    _ => Some(false),
                }
            }
            Self::Exists(outer, table, column, above) => {
                let mut among = inner(*table, *column, *above);
                Some(row[*outer].is_some_and(|value| among.any(|found| found == Some(value))))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(left, operator, right) => write!(f, "{left} {operator} {right}"),
            Self::IsNull(term) => write!(f, "{term} IS NULL"),
            Self::Not(part) => write!(f, "NOT ({part})"),
            Self::And(left, right) => write!(f, "({left} AND {right})"),
            Self::Or(left, right) => write!(f, "({left} OR {right})"),
            Self::In(term, table, place, above) => {
                let (column, other) = (COLUMNS[*place], COLUMNS[1 - place]);
                let table = TABLES[*table];
                write!(
                    f,
                    "{term} IN (SELECT i.{column} FROM t.{table} i WHERE i.{other} > {above})"
                )
            }
            Self::Exists(outer, table, place, above) => {
                let (own, other) = (COLUMNS[*place], COLUMNS[1 - place]);
                let (table, outer) = (TABLES[*table], column(*outer));
                write!(
                    f,
                    "EXISTS (SELECT 1 FROM t.{table} i WHERE i.{own} = {outer} AND i.{other} > {above})"
                )
            }
        }
    }
}

/// Rows as `ORDER BY … NULLS FIRST` puts them.
fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// Every kind of join, each followed by another or not, under conditions that ask for nulls, put
/// something in their place, compare both sides or look into a third table.
#[tokio::test(flavor = "multi_thread")]
async fn random_joins_give_the_rows_of_nested_loops() {
    let mut dice = Dice(1);
    for _ in 0..10 {
        let lake = Lake::new(&mut dice).await;
        for _ in 0..80 {
            let (mut rows, mut from) = (lake.tables[0].clone(), "t.a a".to_owned());
            let count = 1 + usize::from(dice.one_in(3));
            for (place, name) in TABLES.iter().enumerate().skip(1).take(count) {
                let (kind, left) = (dice.of(&KINDS), place * 2);
                let on = Condition::on(&mut dice, left);
                from += &format!(" {kind} t.{name} {name} ON {on}");
                let met = |row: &Row| on.value(row, &lake.tables) == Some(true);
                rows = nested(kind, &rows, &lake.tables[place], left, 2, met);
            }
            let columns = (count + 1) * 2;
            let wanted = Condition::any(&mut dice, columns, 2, false);
            rows.retain(|row| wanted.value(row, &lake.tables) == Some(true));
            let names: Vec<String> =
                (0..columns).map(|place| format!("{} AS c{place}", column(place))).collect();
            let all = names.join(", ");
            let (sql, is_sorted) = match dice.below(4) {
                0 => {
                    rows = vec![vec![Some(rows.len() as i64)]];
                    (format!("SELECT count(*) FROM {from} WHERE {wanted}"), false)
                }
                1 => {
                    let places: Vec<_> =
                        (1..=columns).map(|place| format!("{place} NULLS FIRST")).collect();
                    let order = places.join(", ");
                    rows = sorted(rows);
                    rows.truncate(2);
                    (
                        format!("SELECT {all} FROM {from} WHERE {wanted} ORDER BY {order} LIMIT 2"),
                        true,
                    )
                }
                _ => (format!("SELECT {all} FROM {from} WHERE {wanted}"), false),
            };
            assert_eq!(lake.rows(&sql, is_sorted).await, sorted(rows), "{sql}");
        }
    }
}

/// A condition on the side that was not met, beside one on the other: both sides have an `id`.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_met_can_be_asked_for() {
    let mut world = World::new();
    let columns = schema(&[("id", DataType::Long), ("v", DataType::String)]);
    let batch = |ids: [i64; 2], texts: [&str; 2]| {
        let schema = Arc::new(lakebed_ingest::arrow_schema(&columns));
        let texts = Arc::new(StringArray::from(texts.to_vec()));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(ids.to_vec())), texts]).unwrap()
    };
    world.table("t.a", &columns, &[batch([1, 2], ["x", "y"])]).await;
    world.table("t.b", &columns, &[batch([2, 3], ["p", "q"])]).await;
    for kind in [Kind::Right, Kind::Full] {
        for condition in ["a.id IS NULL", "coalesce(a.id, 0) = 0"] {
            let from =
                format!("t.a a {kind} t.b b ON a.id = b.id WHERE {condition} AND b.v <> 'z'");
            let sql = format!("SELECT a.id, b.id FROM {from}");
            let rows = world.rows(&sql, Asked::default()).await.unwrap();
            assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 1, "{from}");
            let count = world.show(&format!("SELECT count(*) AS n FROM {from}")).await;
            assert!(count.contains("| 1 |"), "{from}: {count}");
        }
    }
}

/// What `USING` makes of two sides: the keys, then the other columns of each.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_used_is_one_column() {
    let mut dice = Dice(2);
    for _ in 0..4 {
        let lake = Lake::new(&mut dice).await;
        let [a, b, c] = &lake.tables[..] else { unreachable!("there are three") };
        for (first, second) in KINDS.iter().flat_map(|one| KINDS.map(|other| (*one, other))) {
            // Rows of `id, a.v, b.v`, and with `c.v` behind.
            let merged = |kind, left: &[Row], width: usize, right: &[Row]| -> Vec<Row> {
                let met = |row: &Row| row[0].is_some() && row[0] == row[width];
                let pairs = nested(kind, left, right, width, 2, met);
                let merge = |row: Row| {
                    let key = row[0].or(row[width]);
                    [vec![key], row[1..width].to_vec(), row[width + 1..].to_vec()].concat()
                };
                pairs.into_iter().map(merge).collect()
            };
            let two = merged(first, a, 2, b);
            let three = merged(second, &two, 3, c);
            let from = format!("t.a a {first} t.b b USING (id)");
            let chain = format!("{from} {second} t.c c USING (id)");
            let cases = [
                (format!("SELECT * FROM {from}"), two.clone()),
                (format!("SELECT id, a.v, b.v FROM {from}"), two.clone()),
                (format!("SELECT * FROM {chain}"), three.clone()),
                (
                    format!("SELECT id, a.v, b.v, c.v FROM {chain} WHERE id > 1"),
                    three.iter().filter(|row| row[0] > Some(1)).cloned().collect(),
                ),
                (
                    format!("SELECT id + 1, a.v, b.v FROM {from} WHERE id IS NULL OR id <> 2"),
                    two.iter()
                        .filter(|row| row[0] != Some(2))
                        .map(|row| vec![row[0].map(|id| id + 1), row[1], row[2]])
                        .collect(),
                ),
                (
                    format!("SELECT x.id, av, bv FROM (SELECT id, a.v av, b.v bv FROM {from}) x"),
                    two.clone(),
                ),
            ];
            for (sql, rows) in cases {
                assert_eq!(lake.rows(&sql, false).await, sorted(rows), "{sql}");
            }
        }
    }
}
