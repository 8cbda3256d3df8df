//! Values that may come once, or must stand in another table: keys of rows, and sets of them.
//!
//! A key is what the values of some columns are, whatever holds them: `1` of an `int`, of a `long` and
//! of a `decimal` is one key, so that a type that widens changes none. Short ones are kept as they are,
//! of longer ones 120 bits of their BLAKE3: that two should meet by chance nobody will see.
//!
//! Which row came first is a question of order, and rows are decoded in any. So each chunk draws a
//! number when it is fed, and is judged when all before it were: see [`Turn`].

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    fs::File,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::{Array, ArrayRef, AsArray as _, RecordBatchReader as _},
    datatypes::{
        DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type,
        Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
    },
    row::{RowConverter, SortField},
};
use lakebed_core::{DataType, Severity};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{Refusal, RowCheck};

/// The values of a row in some columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(u128);

/// What fits into a key as it is.
const SHORT: usize = 15;

impl Key {
    fn of(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT + 1];
        match text.len() <= SHORT {
            true => {
                bytes[..text.len()].copy_from_slice(text);
                bytes[SHORT] = text.len() as u8;
            }
            false => {
                bytes[..SHORT].copy_from_slice(&blake3::hash(text).as_bytes()[..SHORT]);
                bytes[SHORT] = u8::MAX;
            }
        }
        Self(u128::from_le_bytes(bytes))
    }
}

/// Into how many a set is divided, so that no single one is copied whole when it grows.
const SHARDS: usize = 64;

/// A set of keys: some 20 bytes of memory for each.
#[derive(Clone)]
pub struct KeySet(Vec<HashSet<Key>>);

impl Default for KeySet {
    fn default() -> Self {
        Self(vec![HashSet::new(); SHARDS])
    }
}

/// Keys are made of data, and data is in no log.
impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.len())
    }
}

impl KeySet {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(HashSet::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(key: Key) -> usize {
        let folded = (key.0 as u64) ^ ((key.0 >> 64) as u64);
        (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize
    }

    pub(crate) fn contains(&self, key: Key) -> bool {
        self.0[Self::shard(key)].contains(&key)
    }

    fn insert(&mut self, key: Key) {
        self.0[Self::shard(key)].insert(key);
    }

    /// Adds the keys of a table file, by the names of its columns; rows with a null among them have
    /// none. Gives how many rows had a key that was there before. Blocks.
    ///
    /// # Errors
    /// [`Refusal`] when the file cannot be read or lacks one of the columns.
    pub fn add_file(&mut self, path: &Path, columns: &[String]) -> Result<u64, Refusal> {
        let failed = |error: &dyn fmt::Display| Refusal::io_failed(path, error);
        let file = File::open(path).map_err(|error| failed(&error))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file);
        let builder = builder.map_err(|error| failed(&error))?;
        let schema = Arc::clone(builder.schema());
        let places: Vec<usize> = columns
            .iter()
            .map(|name| schema.index_of(name))
            .collect::<Result<_, _>>()
            .map_err(|error| failed(&error))?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), places);
        let reader = builder.with_projection(mask).build().map_err(|error| failed(&error))?;
        let schema = reader.schema();
        let mut again = 0;
        for batch in reader {
            let batch = batch.map_err(|error| failed(&error))?;
            let place = |name: &String| schema.index_of(name).ok();
            let arrays: Vec<&ArrayRef> =
                columns.iter().filter_map(place).map(|place| batch.column(place)).collect();
            let found = keys(&arrays, batch.num_rows()).map_err(Refusal::internal)?;
            for key in found.into_iter().flatten() {
                match self.contains(key) {
                    true => again += 1,
                    false => self.insert(key),
                }
            }
        }
        Ok(again)
    }
}

/// Whether values of both types can be the same key.
pub(crate) fn are_comparable(one: &DataType, other: &DataType) -> bool {
    let class = |data_type: &DataType| match data_type {
        DataType::Int | DataType::Long | DataType::Decimal { .. } => Some("number"),
        DataType::Float | DataType::Double => Some("float"),
        DataType::Boolean => Some("boolean"),
        DataType::Date => Some("date"),
        DataType::Time => Some("time"),
        DataType::Timestamp => Some("timestamp"),
        DataType::Timestamptz => Some("timestamptz"),
        DataType::String => Some("string"),
        DataType::Binary | DataType::Fixed(_) => Some("binary"),
        DataType::Struct(_) | DataType::List(_) | DataType::Map(..) => None,
    };
    class(one).is_some() && class(one) == class(other)
}

/// The keys of rows; none where one of the values is null.
pub(crate) fn keys(columns: &[&ArrayRef], rows: usize) -> Result<Vec<Option<Key>>, String> {
    let values: Vec<Values<'_>> =
        columns.iter().map(|column| Values::of(column)).collect::<Result<_, _>>()?;
    let nulls: Vec<_> = columns.iter().filter_map(|column| column.logical_nulls()).collect();
    let mut text = Vec::new();
    let key = |row: usize| {
        if nulls.iter().any(|nulls| nulls.is_null(row)) {
            return None;
        }
        text.clear();
        values.iter().for_each(|values| values.write(row, &mut text));
        Some(Key::of(&text))
    };
    Ok((0..rows).map(key).collect())
}

/// The values of a column, as the bytes of keys: a letter for their kind, then what they are.
enum Values<'a> {
    Int(&'a [i32]),
    Long(&'a [i64]),
    Decimal(&'a [i128], u8),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Date(&'a [i32]),
    Micros(u8, &'a [i64]),
    Boolean(&'a arrow::array::BooleanArray),
    Text(&'a arrow::array::StringArray),
    Bytes(&'a arrow::array::BinaryArray),
    Fixed(&'a arrow::array::FixedSizeBinaryArray),
    /// Nested values, in Arrow's row format.
    Rows(arrow::row::Rows),
}

impl<'a> Values<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self, String> {
        Ok(match column.data_type() {
            ArrowType::Int32 => Self::Int(column.as_primitive::<Int32Type>().values()),
            ArrowType::Int64 => Self::Long(column.as_primitive::<Int64Type>().values()),
            ArrowType::Decimal128(_, scale) => Self::Decimal(
                column.as_primitive::<Decimal128Type>().values(),
                scale.unsigned_abs(),
            ),
            ArrowType::Float32 => Self::Float(column.as_primitive::<Float32Type>().values()),
            ArrowType::Float64 => Self::Double(column.as_primitive::<Float64Type>().values()),
            ArrowType::Date32 => Self::Date(column.as_primitive::<Date32Type>().values()),
            ArrowType::Time64(_) => {
                Self::Micros(b't', column.as_primitive::<Time64MicrosecondType>().values())
            }
            ArrowType::Timestamp(..) => {
                Self::Micros(b's', column.as_primitive::<TimestampMicrosecondType>().values())
            }
            ArrowType::Boolean => Self::Boolean(column.as_boolean()),
            ArrowType::Utf8 => Self::Text(column.as_string()),
            ArrowType::Binary => Self::Bytes(column.as_binary()),
            ArrowType::FixedSizeBinary(_) => Self::Fixed(column.as_fixed_size_binary()),
            nested => {
                let sort = SortField::new(nested.clone());
                let converter = RowConverter::new(vec![sort]).map_err(|error| error.to_string())?;
                let rows = converter.convert_columns(std::slice::from_ref(column));
                Self::Rows(rows.map_err(|error| error.to_string())?)
            }
        })
    }

    fn write(&self, row: usize, text: &mut Vec<u8>) {
        match self {
            Self::Int(values) => write_number(values[row].into(), 0, text),
            Self::Long(values) => write_number(values[row].into(), 0, text),
            Self::Decimal(values, scale) => write_number(values[row], *scale, text),
            Self::Float(values) => write_float(values[row].into(), text),
            Self::Double(values) => write_float(values[row], text),
            Self::Date(values) => {
                text.push(b'd');
                text.extend(values[row].to_le_bytes());
            }
            Self::Micros(kind, values) => {
                text.push(*kind);
                text.extend(values[row].to_le_bytes());
            }
            Self::Boolean(values) => text.extend([b'b', u8::from(values.value(row))]),
            Self::Text(values) => write_bytes(b'x', values.value(row).as_bytes(), text),
            Self::Bytes(values) => write_bytes(b'y', values.value(row), text),
            Self::Fixed(values) => write_bytes(b'y', values.value(row), text),
            Self::Rows(rows) => write_bytes(b'r', rows.row(row).as_ref(), text),
        }
    }
}

/// A number without the zeros that end its fraction, in as few bytes as it takes.
fn write_number(mut unscaled: i128, mut scale: u8, text: &mut Vec<u8>) {
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    let bytes = unscaled.to_le_bytes();
    let bits = 129 - unscaled.unsigned_abs().leading_zeros() as usize;
    let length = bits.div_ceil(8).min(bytes.len());
    text.extend([b'n', scale, length as u8]);
    text.extend(&bytes[..length]);
}

/// Zero has one sign, and what is not a number one form.
fn write_float(value: f64, text: &mut Vec<u8>) {
    let value = match value {
        value if value.is_nan() => f64::NAN,
        0.0 => 0.0,
        value => value,
    };
    text.push(b'f');
    text.extend(value.to_bits().to_le_bytes());
}

fn write_bytes(kind: u8, bytes: &[u8], text: &mut Vec<u8>) {
    text.push(kind);
    // Short lengths take one byte, so that short texts stay short.
    match u8::try_from(bytes.len()) {
        Ok(length) if length < u8::MAX => text.push(length),
        _ => {
            text.push(u8::MAX);
            text.extend((bytes.len() as u64).to_le_bytes());
        }
    }
    text.extend(bytes);
}

/// Columns whose values may come once in the version.
#[derive(Debug, Clone)]
pub struct Unique {
    /// Its place among the rules of its [`RowCheck`].
    pub rule: usize,
    /// The columns, by the dataset's names. Rows with a null among them are not asked.
    pub columns: Vec<String>,
    /// Keys of rows that are in the version already.
    pub before: Arc<KeySet>,
}

/// The unique columns of a decode, and what was seen in them.
#[derive(Debug)]
pub(crate) struct Uniqueness {
    rules: Vec<Unique>,
    /// Per rule, whether a row that breaks it is out.
    blames: Vec<bool>,
    drawn: AtomicU64,
    line: Mutex<Line>,
    moved: Condvar,
}

/// Who is next, and what those before have seen.
#[derive(Debug, Default)]
struct Line {
    next: u64,
    /// Those behind the next who need no turn any more.
    gone: BTreeSet<u64>,
    seen: Vec<KeySet>,
}

impl Uniqueness {
    /// None where nothing has to be unique.
    pub(crate) fn new(check: &dyn RowCheck) -> Option<Arc<Self>> {
        let rules = check.unique().to_vec();
        if rules.is_empty() {
            return None;
        }
        let blames =
            rules.iter().map(|unique| check.rules()[unique.rule].severity >= Severity::Error);
        let seen = vec![KeySet::default(); rules.len()];
        Some(Arc::new(Self {
            blames: blames.collect(),
            drawn: AtomicU64::new(0),
            line: Mutex::new(Line { seen, ..Line::default() }),
            moved: Condvar::new(),
            rules,
        }))
    }

    pub(crate) fn rules(&self) -> &[Unique] {
        &self.rules
    }

    /// The turn of the chunk that is fed now.
    pub(crate) fn draw(self: &Arc<Self>) -> Turn {
        Turn { of: Arc::clone(self), number: self.drawn.fetch_add(1, Ordering::Relaxed) }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to be judged after all chunks that were fed before, and before all others. Whoever is
/// not judged at all gives it up by dropping it.
#[derive(Debug)]
pub(crate) struct Turn {
    of: Arc<Uniqueness>,
    number: u64,
}

impl Turn {
    /// Says which rows have values that came before, by row and rule; `keys` are per rule and row,
    /// and `is_out` says which rows are no part of the version anyway.
    ///
    /// Waits for those before. They are at work: chunks are taken up in the order they are fed.
    pub(crate) fn judge(
        self,
        keys: &[Vec<Option<Key>>],
        rows: usize,
        is_out: impl Fn(usize) -> bool,
    ) -> Vec<(usize, usize)> {
        let Uniqueness { rules, blames, moved, .. } = &*self.of;
        let mut line = self.of.line();
        while line.next != self.number {
            line = moved.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        let mut broken = Vec::new();
        for row in (0..rows).filter(|row| !is_out(*row)) {
            let mut is_kept = true;
            for (place, unique) in rules.iter().enumerate() {
                let Some(key) = keys[place][row] else { continue };
                if unique.before.contains(key) || line.seen[place].contains(key) {
                    broken.push((row, unique.rule));
                    is_kept &= !blames[place];
                }
            }
            // A row that is set aside is no first of its kind.
            if is_kept {
                for (place, seen) in line.seen.iter_mut().enumerate() {
                    keys[place][row].into_iter().for_each(|key| seen.insert(key));
                }
            }
        }
        broken
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut line = self.of.line();
        line.gone.insert(self.number);
        while let Some(next) = Some(line.next).filter(|next| line.gone.remove(next)) {
            line.next = next + 1;
        }
        drop(line);
        self.of.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lakebed_contract::read_contract;
    use lakebed_core::contract::Contract;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ContractRules, Decoded, QuarantineReader, Reference, Request, Rules as _,
        chunks::Sizes,
        decode::decode_with,
        infer::Tuning,
        testing::{Bench, rows},
    };

    fn contract(columns: &str) -> Contract {
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n\
             schema:\n- name: t\n  properties:\n{columns}"
        );
        read_contract("c.yaml", &text, None).expect("a contract").contract
    }

    const KEY: &str = "  - { name: k, logicalType: integer, primaryKey: true }\n  \
                       - { name: v, logicalType: string, unique: true }\n";

    /// The folder of the files comes along, for it goes when it is dropped.
    fn decode(
        text: &str,
        rules: &ContractRules<'_>,
        chunk: usize,
        threads: usize,
    ) -> (Bench, Decoded) {
        let mut bench = Bench::new();
        bench.options.max_quarantined = Some(1.0);
        let sources = [bench.source("a.csv", text.as_bytes())];
        let sizes = Sizes { chunk, ..Sizes::default() };
        let request = Request { rules: Some(rules), threads, ..bench.request(&sources) };
        let decoded = decode_with(request, Tuning { sizes, ..Tuning::default() });
        let decoded = decoded.expect("a table");
        (bench, decoded)
    }

    /// Line and reasons of every quarantined row.
    fn quarantined(decoded: &Decoded) -> Vec<(u64, String)> {
        let files = decoded.quarantine.iter();
        let rows = files.flat_map(|file| QuarantineReader::open(&file.path).expect("a quarantine"));
        let told = rows.map(|row| {
            let row = row.expect("a row");
            let reason =
                |reason: &lakebed_core::Reason| format!("{} {}", reason.code.as_str(), reason.rule);
            let reasons: Vec<String> = row.reasons.iter().map(reason).collect();
            (row.line, reasons.join(", "))
        });
        told.collect()
    }

    #[test]
    fn each_but_the_first_is_set_aside_and_what_is_set_aside_is_no_first() {
        let contract = contract(KEY);
        let text = "k,v\n1,a\n2,b\n1,c\nx,d\n3,b\n4,d\n5,c\n,e\n6,\n7,\n";
        let (_bench, decoded) = decode(text, &ContractRules::new(&contract), 1 << 20, 2);
        let lines = quarantined(&decoded);
        let told: Vec<String> =
            lines.iter().map(|(line, reasons)| format!("{line} {reasons}")).collect();
        assert_eq!(
            told,
            [
                "4 primary-key primaryKey",
                "5 type-error type long",
                "6 unique-error v.unique",
                "9 primary-key k.primaryKey"
            ]
        );
        // `c` of line 4 was set aside, and so it comes first on line 8.
        assert_eq!(rows(&decoded.tables).len(), 6);
        let broken: Vec<(&str, u64)> =
            decoded.rules.iter().map(|broken| (broken.rule.as_str(), broken.rows)).collect();
        assert_eq!(broken, [("k.primaryKey", 1), ("v.unique", 1), ("primaryKey", 1)]);
    }

    #[test]
    fn what_is_in_already_comes_first() {
        let contract = contract(KEY);
        let (_first, first) = decode("k,v\n1,a\n2,b\n", &ContractRules::new(&contract), 1 << 20, 2);
        let mut keys = KeySet::default();
        let column = ["k".to_owned()];
        for file in &first.tables {
            assert_eq!(keys.add_file(&file.path, &column).expect("readable"), 0);
        }
        let rules = ContractRules::new(&contract).with_before(column.to_vec(), Arc::new(keys));
        let (_bench, decoded) = decode("k,v\n2,c\n3,a\n", &rules, 1 << 20, 2);
        assert_eq!(quarantined(&decoded), [(2, "primary-key primaryKey".to_owned())]);
    }

    #[test]
    fn a_relationship_is_kept_whatever_holds_the_values() {
        let contract =
            contract("  - { name: k, logicalType: integer, relationships: [{ to: other.id }] }\n");
        let rules = ContractRules::new(&contract);
        let types = vec![DataType::Decimal { precision: 9, scale: 2 }];
        let arrays: ArrayRef = Arc::new(
            arrow::array::Decimal128Array::from(vec![100, 250, 300])
                .with_precision_and_scale(9, 2)
                .expect("it fits"),
        );
        let mut known = KeySet::default();
        keys(&[&arrays], 3).expect("keys").into_iter().flatten().for_each(|key| known.insert(key));
        let rule = contract.rules[0].id.clone();
        let reference = Reference { types: types.clone(), keys: Arc::new(known) };
        let rules = rules.with_reference(rule.clone(), reference.clone());
        let (_bench, decoded) = decode("k\n1\n2\n\n3\n25\n", &rules, 1 << 20, 2);
        let reason = format!("foreign-key {rule}");
        assert_eq!(quarantined(&decoded), [(3, reason.clone()), (6, reason)]);
        let texts = Reference { types: vec![DataType::String], ..reference };
        let rules = ContractRules::new(&contract).with_reference(rule, texts);
        let schema = decoded.schema;
        let refusal = rules.bind(&schema).expect_err("a number is no text");
        assert_eq!(refusal.code, Refusal::CONTRACT_UNFIT);
    }

    #[test]
    fn keys_are_values_whatever_holds_them() {
        let text = |bytes: &[u8]| Key::of(bytes);
        assert_ne!(text(b"a"), text(b"a\0"));
        assert_ne!(text(&[7; 15]), text(&[7; 16]));
        let number = |unscaled, scale| {
            let mut bytes = Vec::new();
            write_number(unscaled, scale, &mut bytes);
            bytes
        };
        assert_eq!(number(100, 2), number(1, 0));
        assert_eq!(number(0, 5), number(0, 0));
        let all = [0, 1, -1, 127, 128, -128, -129, i128::MAX, i128::MIN];
        let different: BTreeSet<Vec<u8>> = all.into_iter().map(|value| number(value, 0)).collect();
        assert_eq!(different.len(), all.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The same rows are first, wherever chunks are cut and however many threads there are.
        #[test]
        fn the_first_row_is_the_first_in_the_text(
            values in proptest::collection::vec(proptest::option::weighted(0.9, 0..20_u32), 1..200),
            chunk in 1_usize..80,
            threads in 1_usize..5,
        ) {
            let contract = contract("  - { name: k, logicalType: integer, unique: true }\n  - { name: n }\n");
            let mut text = "k,n\n".to_owned();
            let (mut seen, mut expected) = (BTreeSet::new(), Vec::new());
            for (place, value) in values.iter().enumerate() {
                if value.is_some_and(|value| !seen.insert(value)) {
                    expected.push((place as u64 + 2, "unique-error k.unique".to_owned()));
                }
                let value = value.map_or_else(String::new, |value| value.to_string());
                text.push_str(&format!("{value},{place}\n"));
            }
            let (_bench, decoded) = decode(&text, &ContractRules::new(&contract), chunk, threads);
            prop_assert_eq!(quarantined(&decoded), expected);
        }
    }
}
