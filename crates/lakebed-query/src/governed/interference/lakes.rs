//! Four lakes: two that look the same to a reader, one that holds what they look like, and one that
//! holds nothing.
//!
//! A row is JSON: cells by the names of their columns. Rows to be seen satisfy all expressions that
//! hidden ones break: notes are numbers, patterns are regular expressions, codes are hexadecimal.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{array::RecordBatch, json::ReaderBuilder};
use lakebed_core::{
    DataType, Field, TableSchema,
    policy::{
        ColumnSight, Comparison, DateUnit, Mask, MaskKey, Partial, Predicate, Restriction, Scalar,
        Sight,
    },
};
use serde_json::{Map, Value, json};

use super::{dice::Dice, world::World};
use crate::plan::Provider;

/// The table of all statements.
pub(super) const TABLE: &str = "a.b";
/// Its first version, which has some of the rows and of the columns.
pub(super) const OLD_TABLE: &str = "a.b@v1";
/// How many of the rows to be seen the first version has.
const OLD_ROWS: usize = 15;
/// The names of the columns that are hidden.
pub(super) const HIDDEN: [&str; 4] = ["secret", "other_1", "blank", "tier"];
/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

type Row = Map<String, Value>;
/// Rows of a file, and whether it is one of the first version.
type Batch<'a> = (bool, &'a [Row]);

/// The masks by column.
fn masks() -> [(&'static str, Mask); 13] {
    [
        ("email", Mask::Partial(Partial::KeepLast(4))),
        ("born", Mask::DateTrunc(DateUnit::Year)),
        ("salary", Mask::Bucket(1_000)),
        ("ssn", Mask::Null),
        ("phone", Mask::Hash),
        ("nick", Mask::Redact),
        ("card", Mask::Partial(Partial::KeepFirst(2))),
        ("seen_at", Mask::DateTrunc(DateUnit::Month)),
        ("weight", Mask::Bucket(10)),
        ("cost", Mask::Bucket(5)),
        ("grade", Mask::Bucket(3)),
        ("badge", Mask::Hash),
        ("perks", Mask::Null),
    ]
}

/// The columns of the first version; the last but one is hidden and has another name and type in
/// each lake.
fn old_columns(secret: (&str, DataType)) -> Vec<Field> {
    columns([
        ("id", DataType::Long),
        ("region", DataType::String),
        ("amount", DataType::Int),
        ("price", DataType::Decimal { precision: 9, scale: 2 }),
        ("score", DataType::Double),
        ("day", DataType::Date),
        ("note", DataType::String),
        ("email", DataType::String),
        ("born", DataType::Date),
        ("salary", DataType::Long),
        ("ssn", DataType::String),
        secret,
        ("phone", DataType::String),
    ])
}

/// The columns that came later; `tier`, the last, is hidden.
fn new_columns() -> Vec<Field> {
    let list = |of| DataType::List(Box::new(Field::optional("element", of)));
    let key = Field { required: true, ..Field::optional("key", DataType::String) };
    let value = Field::optional("value", DataType::Long);
    let point = columns([("x", DataType::Long), ("y", DataType::String)]);
    columns([
        ("small", DataType::Int),
        ("flag", DataType::Boolean),
        ("at", DataType::Timestamptz),
        ("pattern", DataType::String),
        ("code", DataType::String),
        ("tags", list(DataType::Long)),
        ("words", list(DataType::String)),
        ("point", DataType::Struct(point)),
        ("counts", DataType::Map(Box::new(key), Box::new(value))),
        ("data", DataType::Binary),
        ("nick", DataType::String),
        ("card", DataType::String),
        ("seen_at", DataType::Timestamptz),
        ("weight", DataType::Double),
        ("cost", DataType::Decimal { precision: 9, scale: 2 }),
        ("grade", DataType::Int),
        ("badge", DataType::Long),
        ("perks", list(DataType::String)),
        ("tier", DataType::Int),
    ])
}

fn columns<const N: usize>(columns: [(&str, DataType); N]) -> Vec<Field> {
    columns.map(|(name, kind)| Field::optional(name, kind)).into()
}

/// The schemas of the first version and of the newest, in which `amount` is wider.
fn schemas(secret: (&str, DataType)) -> [TableSchema; 2] {
    let mut all = old_columns(secret);
    let old = TableSchema::first(all.clone()).unwrap();
    all[2].data_type = DataType::Long;
    let new = old.evolve(&[all, new_columns()].concat()).unwrap().0;
    [old, new]
}

/// What is seen of `schema`: rows where `region` is this, and `tier` no less than three or unknown.
fn restriction(schema: &TableSchema, region: &str) -> Restriction {
    let masks: BTreeMap<_, _> = masks().into();
    let seen = schema.fields.iter().filter(|field| !HIDDEN.contains(&field.name.as_str()));
    let columns = seen.map(|field| match masks.get(field.name.as_str()) {
        Some(mask) => (field.id, ColumnSight::Masked(mask.clone())),
        None => (field.id, ColumnSight::Raw),
    });
    let region = Predicate::Compare {
        field: 2,
        comparison: Comparison::Equal,
        value: Scalar::Text(region.to_owned()),
    };
    let rows = match schema.field("tier") {
        None => region,
        Some(tier) => {
            let is_low = Predicate::Compare {
                field: tier.id,
                comparison: Comparison::Less,
                value: Scalar::Integer(3),
            };
            let is_high = Predicate::Not(Box::new(is_low));
            let is_unknown = Predicate::IsNull { field: tier.id };
            Predicate::And(vec![region, Predicate::Or(vec![is_high, is_unknown])])
        }
    };
    let columns = columns.collect();
    Restriction::Restricted(Sight { rows, columns, mask_key: Some(mask_key()) })
}

fn mask_key() -> MaskKey {
    MaskKey::new([7; 32], "07070707070707070707070707070707".parse().unwrap())
}

/// A row that the reader sees; what masks cover is drawn from `behind`.
fn visible(id: usize, seen: &mut Dice, behind: &mut Dice) -> Row {
    let words = ["red", "green", "blue"];
    let numbers: Vec<_> = (0..seen.below(4)).map(|_| 1 + seen.below(9)).collect();
    let year = seen.one_of(&[0, 3_652, 7_305, 10_957]);
    let month = seen.one_of(&[19_723_i64, 19_754, 20_089]);
    let price = seen.signed(5_000);
    let cost = 500 * seen.signed(4) + behind.below(500) as i64;
    let row = json!({
        "id": id,
        "region": "EU",
        "amount": seen.one_of(&[json!(1), json!(2), json!(7), json!(12), json!(-4), Value::Null]),
        "price": hundredths(price),
        "score": seen.signed(64) as f64 / 8.0,
        "day": 20_000 + seen.signed(400),
        "note": seen.below(40).to_string(),
        "email": format!("{:x}{:04}", behind.next(), seen.below(30)),
        "born": year + behind.below(365),
        "salary": seen.below(5) * 1_000 + behind.below(1_000),
        "ssn": behind.one_of(&[Value::Null, json!("078-05-1120"), json!("1")]),
        "phone": format!("+49 {}", seen.below(8)),
        "secret": format!("S{}", behind.next()),
        "other_1": [behind.below(100)],
        "small": 1 + seen.below(9),
        "flag": seen.one_of(&[json!(true), json!(false), Value::Null]),
        "at": (19_000 + seen.below(2_000) as i64) * DAY + seen.below(1_000_000) as i64 * 12_345,
        "pattern": seen.one_of(&["a.*", "^[0-9]+$", "1|2", "[b-f]", "(.)0"]),
        "code": seen.one_of(&["00ff", "abcd", "12", "beef00"]),
        "tags": seen.one_of(&[json!(numbers), Value::Null]),
        "words": (0..seen.below(3)).map(|_| seen.one_of(&words)).collect::<Vec<_>>(),
        "point": {"x": seen.below(9), "y": seen.one_of(&words)},
        "counts": {"a": seen.below(9), "b": Value::Null},
        "data": seen.one_of(&["00ff", "", "61"]),
        "nick": format!("{:x}", behind.next()),
        "card": format!("{}{:x}", seen.one_of(&["41", "55"]), behind.next()),
        "seen_at": month * DAY + behind.below(27 * 86_400) as i64 * 1_000_000,
        "weight": 10.0 * seen.signed(5) as f64 + behind.below(80) as f64 / 8.0,
        "cost": hundredths(cost),
        "grade": 3 * seen.signed(4) + behind.below(3) as i64,
        "badge": seen.below(6),
        "perks": behind.one_of(&[Value::Null, json!([]), json!(["car"])]),
        "tier": behind.one_of(&[json!(3), json!(1_000_000), Value::Null]),
    });
    let Value::Object(row) = row else { panic!("a row is an object") };
    row
}

/// A row that the reader does not see, full of what breaks expressions.
fn hidden(behind: &mut Dice) -> Row {
    let texts = ["HIDDEN-777", "", "99999999999999999999", "(", "NaN", "2026-99-99", "%", "0"];
    let text = |behind: &mut Dice| behind.one_of(&texts);
    let longs = [json!(5), json!(0), json!(i64::MAX), json!(i64::MIN), Value::Null];
    let ints = [json!(0), json!(-1), json!(i32::MAX), json!(i32::MIN), json!(13), Value::Null];
    let doubles = [json!("NaN"), json!("inf"), json!(0.0), json!(-0.0), json!(f64::MAX)];
    let days = [i64::from(i32::MAX) / 4, 0, -700_000, 20_000];
    let moments = [0_i64, 9_000_000_000_000_000_000, -9_000_000_000_000_000_000, 1];
    let lists =
        [Value::Null, json!([]), json!([null]), json!([i64::MAX, i64::MAX]), json!([0, i64::MIN])];
    // Another region, or the right one and too low a tier.
    let (region, tier) = behind.one_of(&[
        (Value::Null, json!(3)),
        (json!("US"), Value::Null),
        (json!("eu"), json!(7)),
        (json!("EU"), json!(2)),
        (json!("EU"), json!(i32::MIN)),
    ]);
    let row = json!({
        "id": behind.one_of(&[0, -1, i64::MAX, i64::MIN, 5, 1_000_000]),
        "region": region,
        "amount": behind.one_of(&longs),
        "price": hundredths(behind.one_of(&[0, 999_999_999, -999_999_999, 500])),
        "score": behind.one_of(&doubles),
        "day": behind.one_of(&days),
        "note": text(behind),
        "email": text(behind),
        "born": behind.one_of(&[0, 1, 40_000]),
        "salary": behind.one_of(&[0, i64::MAX, i64::MIN, 777]),
        "ssn": behind.one_of(&[Value::Null, json!("HIDDEN-1")]),
        "phone": text(behind),
        "secret": text(behind),
        "other_1": [behind.below(100)],
        "small": behind.one_of(&ints),
        "flag": behind.one_of(&[json!(true), json!(false), Value::Null]),
        "at": behind.one_of(&moments),
        "pattern": behind.one_of(&["(", "[", "*", "\\", "HIDDEN-777"]),
        "code": behind.one_of(&["zz", "0", "HIDDEN-777", "="]),
        "tags": behind.one_of(&lists),
        "words": behind.one_of(&[Value::Null, json!([]), json!(["HIDDEN-777", null])]),
        "point": behind.one_of(&[Value::Null, json!({"x": i64::MAX, "y": "HIDDEN-777"})]),
        "counts": behind.one_of(&[Value::Null, json!({}), json!({"HIDDEN-777": i64::MIN})]),
        "data": behind.one_of(&[Value::Null, json!("ff")]),
        "nick": text(behind),
        "card": text(behind),
        "seen_at": behind.one_of(&moments),
        "weight": behind.one_of(&doubles),
        "cost": hundredths(behind.one_of(&[0, 999_999_999, -999_999_999])),
        "grade": behind.one_of(&ints),
        "badge": behind.one_of(&longs),
        "perks": behind.one_of(&[Value::Null, json!(["HIDDEN-777"])]),
        "tier": tier,
    });
    let Value::Object(row) = row else { panic!("a row is an object") };
    row
}

fn hundredths(number: i64) -> Value {
    let sign = if number < 0 { "-" } else { "" };
    let (whole, rest) = (number.unsigned_abs() / 100, number.unsigned_abs() % 100);
    json!(format!("{sign}{whole}.{rest:02}"))
}

/// The row in a file of the first version, which has neither the newer columns nor room for wide
/// amounts.
fn in_old_file(mut row: Row) -> Row {
    for field in new_columns() {
        row.remove(&field.name);
    }
    if row["amount"].as_i64().is_some_and(|amount| i32::try_from(amount).is_err()) {
        row["amount"] = json!(i32::MIN);
    }
    row
}

/// The row as it is seen, by the words of what masks are.
fn masked(mut row: Row) -> Row {
    let hash = |bytes: &[u8]| mask_key().digest(bytes);
    for (name, mask) in masks() {
        let Some(cell) = row.get_mut(name).filter(|cell| !cell.is_null()) else { continue };
        let text = || cell.as_str().unwrap().to_owned();
        *cell = match mask {
            Mask::Null => Value::Null,
            Mask::Redact => json!("***"),
            Mask::Partial(Partial::KeepFirst(n)) => json!(format!("{}***", &text()[..n.into()])),
            Mask::Partial(Partial::KeepLast(n)) => {
                let text = text();
                json!(format!("***{}", &text[text.len() - usize::from(n)..]))
            }
            Mask::Hash if cell.is_string() => {
                let digest = hash(format!("text\0{}", text()).as_bytes());
                json!(digest[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }
            Mask::Hash => {
                let number = cell.as_i64().unwrap();
                let digest = hash(&[b"long\0".as_slice(), &number.to_le_bytes()].concat());
                json!(i64::from_le_bytes(digest[..8].try_into().unwrap()))
            }
            Mask::DateTrunc(DateUnit::Year) => {
                let firsts = [0, 3_652, 7_305, 10_957];
                json!(firsts.into_iter().rfind(|first| *first <= cell.as_i64().unwrap()))
            }
            Mask::DateTrunc(_) => {
                let firsts = [19_723 * DAY, 19_754 * DAY, 20_089 * DAY];
                json!(firsts.into_iter().rfind(|first| *first <= cell.as_i64().unwrap()))
            }
            Mask::Bucket(width) if cell.is_string() => {
                let hundredths_there: i64 = text().replace('.', "").parse().unwrap();
                hundredths(hundredths_there.div_euclid(100 * width as i64) * 100 * width as i64)
            }
            Mask::Bucket(width) if cell.is_f64() => {
                json!((cell.as_f64().unwrap() / width as f64).floor() * width as f64)
            }
            Mask::Bucket(width) => {
                json!(cell.as_i64().unwrap().div_euclid(width as i64) * width as i64)
            }
        };
    }
    row
}

fn batch(schema: &TableSchema, rows: &[Row]) -> RecordBatch {
    let mut decoder = ReaderBuilder::new(Arc::new(lakebed_ingest::arrow_schema(schema)))
        .with_batch_size(rows.len().max(1))
        .build_decoder()
        .unwrap();
    decoder.serialize(rows).unwrap();
    decoder.flush().unwrap().unwrap()
}

/// Rows of a lake, those of the first version apart.
struct Rows {
    old: Vec<Row>,
    new: Vec<Row>,
}

/// `count` rows to be seen and, before each, up to so many that are not, which `behind` decides.
fn rows(count: usize, hidden_for_each: usize, behind: &mut Dice) -> Rows {
    let mut seen = Dice::new(1);
    let mut rows = Rows { old: Vec::new(), new: Vec::new() };
    for id in 1..=count {
        let into = if id <= OLD_ROWS { &mut rows.old } else { &mut rows.new };
        for _ in 0..behind.below(hidden_for_each + 1) {
            let mut row = hidden(behind);
            if id <= OLD_ROWS && row["region"] == "EU" {
                // There is no tier that could keep it from being seen.
                row["region"] = json!("US");
            }
            into.push(row);
        }
        into.push(visible(id, &mut seen, behind));
    }
    rows.old = rows.old.into_iter().map(in_old_file).collect();
    rows
}

/// A lake of these files, each in the first version or not, and its reader.
async fn lake(
    parts: usize,
    [old, new]: [TableSchema; 2],
    files: [&[Batch<'_>]; 2],
    region: &str,
    provider: Provider,
) -> World {
    let mut world = World::in_parts(parts);
    for ((reference, schema), files) in [(OLD_TABLE, &old), (TABLE, &new)].into_iter().zip(files) {
        let schema_of = |is_old| if is_old { &old } else { &new };
        let batches: Vec<_> =
            files.iter().map(|(is_old, rows)| batch(schema_of(*is_old), rows)).collect();
        world.table(reference, schema, &batches).await;
        world.restrict(reference, restriction(schema, region));
    }
    world.engine = world.engine.with_provider(provider);
    world
}

/// Few rows that are not to be seen, all in one file.
pub(super) async fn left(parts: usize, count: usize, provider: Provider) -> World {
    let rows = rows(count, 0, &mut Dice::new(2));
    let all = [rows.old.clone(), rows.new].concat();
    let files: [&[Batch<'_>]; 2] = [&[(true, &rows.old)], &[(false, &all)]];
    lake(parts, schemas(("secret", DataType::String)), files, "EU", provider).await
}

/// Many rows that are not to be seen, in three files, of which the first has fewer columns.
///
/// Files are read in the order of their names, which is nobody's business: what is not to be seen is
/// drawn until that is the order of the rows.
pub(super) async fn right(parts: usize, count: usize, provider: Provider) -> World {
    let element = Box::new(Field::optional("element", DataType::Long));
    let schemas = schemas(("other_1", DataType::List(element)));
    for seed in 3.. {
        let rows = rows(count, 4, &mut Dice::new(seed));
        let (some, others) = rows.new.split_at(rows.new.len() / 2);
        let old = (true, rows.old.as_slice());
        let files: [&[Batch<'_>]; 2] = [&[old], &[old, (false, some), (false, others)]];
        let world = lake(parts, schemas.clone(), files, "EU", provider).await;
        if world.files(TABLE).is_sorted_by_key(|file| file.object.id.key()) {
            return world;
        }
    }
    unreachable!("one of six is in order")
}

/// Nothing at all, nor a row that could be seen.
pub(super) async fn blank(parts: usize, provider: Provider) -> World {
    lake(parts, schemas(("blank", DataType::Boolean)), [&[], &[]], "nowhere", provider).await
}

/// Who reads a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Unrestricted,
    /// Somebody restricted, of whom nothing is kept.
    SeesAll,
}

/// The copy of what is seen, in files without anything else.
pub(super) async fn copy(parts: usize, count: usize, reader: Reader) -> World {
    let rows = rows(count, 4, &mut Dice::new(3));
    let seen = |rows: &[Row]| -> Vec<Row> {
        let is_seen = |row: &&Row| {
            row["region"] == "EU" && row.get("tier").and_then(Value::as_i64).is_none_or(|n| n >= 3)
        };
        rows.iter().filter(is_seen).cloned().map(masked).collect()
    };
    let (old, new) = (seen(&rows.old), seen(&rows.new));
    let all = [old.clone(), new].concat();
    let mut world = World::in_parts(parts);
    let [old_schema, new_schema] = schemas(("secret", DataType::String));
    for (reference, schema, rows) in [(OLD_TABLE, old_schema, old), (TABLE, new_schema, all)] {
        let fields = schema.fields.into_iter();
        let fields = fields.filter(|field| !HIDDEN.contains(&field.name.as_str()));
        let schema = TableSchema::first(fields.collect()).unwrap();
        world.table(reference, &schema, &[batch(&schema, &rows)]).await;
        if reader == Reader::SeesAll {
            world.restrict(reference, Restriction::Restricted(Sight::of_all(&schema)));
        }
    }
    world
}

/// Rows with long texts and, between them, one that is not to be seen with texts of so many bytes.
pub(super) async fn long_texts(hidden_bytes: usize) -> World {
    let mut rows = Vec::new();
    for id in 0..600 {
        let row = |region: &str, bytes: usize| -> Row {
            let text = format!("{id:05}{}", "x".repeat(bytes));
            let row =
                json!({"id": id, "region": region, "note": text, "nick": text, "words": [text]});
            row.as_object().unwrap().clone()
        };
        rows.push(row("EU", 150));
        rows.extend((hidden_bytes > 0).then(|| row("US", hidden_bytes)));
    }
    let schemas = schemas(("secret", DataType::String));
    let provider = crate::governed::provider;
    lake(1, schemas, [&[], &[(false, &rows)]], "EU", provider).await
}
