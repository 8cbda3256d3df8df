//! The rules of a contract on single values, measured on Arrow arrays.
//!
//! What each says is `lakebed-contract`'s to decide; its `holds` is the reference, and what is faster
//! here must answer the same.

use std::{collections::HashSet, fmt, fs::File, path::PathBuf};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray as _, BinaryArray, RecordBatch,
        RecordBatchReader as _, StringArray,
    },
    buffer::BooleanBuffer,
    datatypes::{
        DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type,
        Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
    },
    row::{RowConverter, SortField},
};
use lakebed_contract::{BoundCheck, Cell, Comparison, RowRules, Scalar, ValueRule};
use lakebed_core::{ReasonCode, contract::Severity};

use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{Refusal, RowCheck, RowRule};

/// The value rules of a contract that is bound to a table, as a check of rows.
///
/// A rule with a threshold blames no row: it is judged as [`Severity::Info`], and counted.
#[derive(Debug)]
pub struct ContractCheck {
    rules: Vec<RowRule>,
    values: Vec<Measure>,
}

impl ContractCheck {
    /// The rules about single values, in the contract's order.
    #[must_use]
    pub fn new(rules: &RowRules) -> Self {
        Self {
            rules: rules.values.iter().map(row_rule).collect(),
            values: rules.values.iter().map(Measure::new).collect(),
        }
    }

    /// The same for those who only want to know: what would refuse the version quarantines rows, so
    /// that everything is counted.
    #[must_use]
    pub fn counting(rules: &RowRules) -> Self {
        let mut check = Self::new(rules);
        for rule in &mut check.rules {
            rule.severity = rule.severity.min(Severity::Error);
        }
        check
    }
}

fn row_rule(rule: &ValueRule) -> RowRule {
    RowRule {
        code: ReasonCode::ConstraintError,
        rule: rule.rule.id.clone(),
        columns: vec![rule.column.clone()],
        severity: match rule.threshold() {
            Some(_) => Severity::Info,
            None => rule.severity(),
        },
    }
}

impl RowCheck for ContractCheck {
    fn rules(&self) -> &[RowRule] {
        &self.rules
    }

    fn broken(&self, rows: &RecordBatch) -> Vec<Option<BooleanBuffer>> {
        self.values.iter().map(|measure| measure.broken(rows)).collect()
    }
}

/// What is asked of one column.
#[derive(Debug)]
struct Measure {
    column: String,
    checks: Vec<(BoundCheck, Option<Set>)>,
}

/// Valid values, where they can be looked up.
#[derive(Debug)]
enum Set {
    Texts(HashSet<String>),
    Wholes(HashSet<i128>),
}

impl Set {
    /// None for other checks, and for values that are neither texts nor whole numbers.
    fn of(check: &BoundCheck) -> Option<Self> {
        let BoundCheck::OneOf(values) = check else { return None };
        let text = |value: &Scalar| match value {
            Scalar::Text(text) => Some(text.clone()),
            _ => None,
        };
        let whole = |value: &Scalar| match value {
            Scalar::Integer(whole) => Some(*whole),
            _ => None,
        };
        let texts = || values.iter().map(text).collect::<Option<_>>().map(Self::Texts);
        let wholes = || values.iter().map(whole).collect::<Option<_>>().map(Self::Wholes);
        texts().or_else(wholes)
    }
}

impl Measure {
    fn new(rule: &ValueRule) -> Self {
        let checks = rule.checks.iter().map(|check| (check.clone(), Set::of(check)));
        Self { column: rule.column.clone(), checks: checks.collect() }
    }

    fn broken(&self, rows: &RecordBatch) -> Option<BooleanBuffer> {
        let mut broken = Broken::default();
        match rows.column_by_name(&self.column) {
            Some(column) => {
                self.checks.iter().for_each(|(check, set)| {
                    judge(check, set.as_ref(), column, &mut broken);
                });
            }
            // A column that a source does not have is null in all of its rows.
            None => {
                let breaks = self.checks.iter().any(|(check, _)| !check.holds(Cell::Null));
                broken.mark(rows.num_rows(), |_| breaks);
            }
        }
        broken.0
    }
}

/// Marks the rows that break a check: many at once where there is a way, else one by one.
fn judge(check: &BoundCheck, set: Option<&Set>, column: &ArrayRef, broken: &mut Broken) {
    let is_done = match (check, set) {
        (BoundCheck::NotNull, _) => {
            broken.mark_nulls(column);
            true
        }
        (BoundCheck::Compare(comparison, bound), _) => compare(*comparison, bound, column, broken),
        (BoundCheck::MinLength(least), _) => lengths(*least..=u64::MAX, column, broken),
        (BoundCheck::MaxLength(most), _) => lengths(0..=*most, column, broken),
        (BoundCheck::Pattern(pattern), _) => texts(column, broken, |text| pattern.is_match(text)),
        (_, Some(Set::Texts(values))) => texts(column, broken, |text| values.contains(text)),
        (_, Some(Set::Wholes(values))) => wholes(column, broken, |value| values.contains(&value)),
        _ => false,
    };
    if !is_done {
        broken.mark(column.len(), |row| !check.holds(cell(column, row)));
    }
}

/// The rows that break something; none as long as no row does.
#[derive(Debug, Default)]
struct Broken(Option<BooleanBuffer>);

impl Broken {
    fn mark(&mut self, rows: usize, is_broken: impl FnMut(usize) -> bool) {
        self.add(BooleanBuffer::collect_bool(rows, is_broken));
    }

    fn mark_nulls(&mut self, column: &ArrayRef) {
        if let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            self.add(!nulls.inner());
        }
    }

    /// Rows whose value is there and breaks something.
    fn mark_values(&mut self, column: &dyn Array, is_broken: impl FnMut(usize) -> bool) {
        let rows = BooleanBuffer::collect_bool(column.len(), is_broken);
        self.add(match column.nulls() {
            Some(nulls) => &rows & nulls.inner(),
            None => rows,
        });
    }

    fn add(&mut self, rows: BooleanBuffer) {
        if rows.count_set_bits() == 0 {
            return;
        }
        self.0 = Some(match self.0.take() {
            Some(before) => &before | &rows,
            None => rows,
        });
    }
}

/// False where bound and column are of different kinds.
fn compare(comparison: Comparison, bound: &Scalar, column: &ArrayRef, broken: &mut Broken) -> bool {
    match (bound, column.data_type()) {
        (Scalar::Integer(bound), ArrowType::Int32) => {
            side::<Int32Type, i128>(comparison, *bound, column, broken, i128::from);
        }
        (Scalar::Integer(bound), ArrowType::Int64) => {
            // Bounds are inclusive, and what is beyond the type was not asked at all.
            match i64::try_from(*bound) {
                Ok(bound) => {
                    side::<Int64Type, i64>(comparison, bound, column, broken, |value| value);
                }
                Err(_) => side::<Int64Type, i128>(comparison, *bound, column, broken, i128::from),
            }
        }
        (Scalar::Integer(bound), ArrowType::Decimal128(..)) => {
            side::<Decimal128Type, i128>(comparison, *bound, column, broken, |value| value);
        }
        (Scalar::Float(bound), ArrowType::Float32) => {
            side::<Float32Type, f32>(comparison, *bound, column, broken, |value| value);
        }
        (Scalar::Double(bound), ArrowType::Float64) => {
            side::<Float64Type, f64>(comparison, *bound, column, broken, |value| value);
        }
        (Scalar::Date(bound), ArrowType::Date32) => {
            side::<Date32Type, i32>(comparison, *bound, column, broken, |value| value);
        }
        (Scalar::Time(bound), ArrowType::Time64(_)) => {
            side::<Time64MicrosecondType, i64>(comparison, *bound, column, broken, |value| value);
        }
        (Scalar::Timestamp(bound), ArrowType::Timestamp(..)) => {
            side::<TimestampMicrosecondType, i64>(comparison, *bound, column, broken, |value| {
                value
            });
        }
        _ => return false,
    }
    true
}

/// What is not comparable (NaN) is on no side.
fn side<T: ArrowPrimitiveType, B: PartialOrd + Copy>(
    comparison: Comparison,
    bound: B,
    column: &ArrayRef,
    broken: &mut Broken,
    value_of: impl Fn(T::Native) -> B,
) {
    let array = column.as_primitive::<T>();
    let values = array.values();
    let value = |row: usize| value_of(values[row]);
    #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN breaks every bound")]
    match comparison {
        Comparison::AtLeast => broken.mark_values(array, |row| !(value(row) >= bound)),
        Comparison::AtMost => broken.mark_values(array, |row| !(value(row) <= bound)),
        Comparison::MoreThan => broken.mark_values(array, |row| !(value(row) > bound)),
        Comparison::LessThan => broken.mark_values(array, |row| !(value(row) < bound)),
    }
}

/// False where the column has no lengths.
fn lengths(allowed: std::ops::RangeInclusive<u64>, column: &ArrayRef, broken: &mut Broken) -> bool {
    if let Some(array) = column.as_any().downcast_ref::<StringArray>() {
        let offsets = array.value_offsets();
        let bytes = |row: usize| (offsets[row + 1] - offsets[row]).unsigned_abs();
        broken.mark_values(array, |row| {
            // A character has one byte to four: often the bytes alone decide.
            let (least, most) = (u64::from(bytes(row).div_ceil(4)), u64::from(bytes(row)));
            match (allowed.contains(&least), allowed.contains(&most)) {
                (true, true) => false,
                _ => !allowed.contains(&(array.value(row).chars().count() as u64)),
            }
        });
        return true;
    }
    match column.as_any().downcast_ref::<BinaryArray>() {
        Some(array) => {
            broken.mark_values(array, |row| !allowed.contains(&(array.value(row).len() as u64)));
            true
        }
        None => false,
    }
}

/// False where the column is no text.
fn texts(column: &ArrayRef, broken: &mut Broken, holds: impl Fn(&str) -> bool) -> bool {
    let Some(array) = column.as_any().downcast_ref::<StringArray>() else { return false };
    let mut before: Option<(&str, bool)> = None;
    broken.mark_values(array, |row| {
        if array.is_null(row) {
            return false;
        }
        let text = array.value(row);
        match before {
            // Values often come in runs.
            Some((same, breaks)) if same == text => breaks,
            _ => {
                let breaks = !holds(text);
                before = Some((text, breaks));
                breaks
            }
        }
    });
    true
}

/// False where the column holds no whole numbers.
fn wholes(column: &ArrayRef, broken: &mut Broken, holds: impl Fn(i128) -> bool) -> bool {
    match column.data_type() {
        ArrowType::Int32 => {
            let array = column.as_primitive::<Int32Type>();
            broken.mark_values(array, |row| !holds(i128::from(array.value(row))));
        }
        ArrowType::Int64 => {
            let array = column.as_primitive::<Int64Type>();
            broken.mark_values(array, |row| !holds(i128::from(array.value(row))));
        }
        ArrowType::Decimal128(..) => {
            let array = column.as_primitive::<Decimal128Type>();
            broken.mark_values(array, |row| !holds(array.value(row)));
        }
        _ => return false,
    }
    true
}

/// The value of a row, as contracts see it.
fn cell(column: &ArrayRef, row: usize) -> Cell<'_> {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        ArrowType::Boolean => Cell::Boolean(column.as_boolean().value(row)),
        ArrowType::Int32 => Cell::Integer(column.as_primitive::<Int32Type>().value(row).into()),
        ArrowType::Int64 => Cell::Integer(column.as_primitive::<Int64Type>().value(row)),
        ArrowType::Float32 => Cell::Float(column.as_primitive::<Float32Type>().value(row)),
        ArrowType::Float64 => Cell::Double(column.as_primitive::<Float64Type>().value(row)),
        ArrowType::Decimal128(_, scale) => {
            let value = column.as_primitive::<Decimal128Type>().value(row);
            Cell::Decimal(value, scale.unsigned_abs())
        }
        ArrowType::Date32 => Cell::Date(column.as_primitive::<Date32Type>().value(row)),
        ArrowType::Time64(_) => {
            Cell::Time(column.as_primitive::<Time64MicrosecondType>().value(row))
        }
        ArrowType::Timestamp(..) => {
            Cell::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        ArrowType::Utf8 => Cell::Text(column.as_string::<i32>().value(row)),
        ArrowType::Binary => Cell::Bytes(column.as_binary::<i32>().value(row)),
        ArrowType::FixedSizeBinary(_) => Cell::Bytes(column.as_fixed_size_binary().value(row)),
        ArrowType::List(_) => Cell::Items(column.as_list::<i32>().value_length(row) as u64),
        ArrowType::Map(..) => Cell::Items(column.as_map().value_length(row) as u64),
        _ => Cell::Struct,
    }
}

/// How many rows have the same values in these columns as a row before them, in the order of the
/// files; rows with a null among them are not asked.
///
/// Blocks. Takes some 40 bytes of memory for every row that differs: of each only a digest is kept.
///
/// # Errors
/// [`Refusal`] when the files cannot be read.
pub fn count_duplicates(files: &[PathBuf], columns: &[usize]) -> Result<u64, Refusal> {
    let mut seen: HashSet<[u8; 16]> = HashSet::new();
    let mut duplicates = 0;
    for path in files {
        let failed = |error: &dyn fmt::Display| {
            Refusal::internal(format!("cannot read what was just written: {error}"))
        };
        let file = File::open(path).map_err(|error| failed(&error))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file);
        let builder = builder.map_err(|error| failed(&error))?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        let reader = builder.with_projection(mask).build().map_err(|error| failed(&error))?;
        let schema = reader.schema();
        let sorts = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(sorts.collect()).map_err(|error| failed(&error))?;
        for batch in reader {
            let batch = batch.map_err(|error| failed(&error))?;
            let rows =
                converter.convert_columns(batch.columns()).map_err(|error| failed(&error))?;
            for (row, bytes) in rows.iter().enumerate() {
                if batch.columns().iter().any(|column| column.is_null(row)) {
                    continue;
                }
                let digest = blake3::hash(bytes.as_ref());
                let half = digest.as_bytes()[..16].try_into().expect("a digest has 32 bytes");
                duplicates += u64::from(!seen.insert(half));
            }
        }
    }
    Ok(duplicates)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray,
            TimestampMicrosecondArray,
        },
        datatypes::{Field as ArrowField, Schema},
    };
    use lakebed_contract::{bind, read_contract};
    use lakebed_core::{DataType, Field, TableSchema};
    use proptest::{option, prelude::*};

    use super::*;

    const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
schema:
  - name: t
    properties:
      - {name: small, logicalType: integer, required: true,
         logicalTypeOptions: {minimum: -3, maximum: 5, multipleOf: 2}}
      - {name: whole, logicalType: integer,
         logicalTypeOptions: {exclusiveMinimum: -9, exclusiveMaximum: 9},
         quality: [{metric: invalidValues, arguments: {validValues: [1, 2, -8]}, mustBe: 0}]}
      - {name: price, logicalType: number, logicalTypeOptions: {minimum: 0.005, maximum: 1.5}}
      - {name: ratio, logicalType: number, logicalTypeOptions: {minimum: -1, exclusiveMaximum: 1}}
      - {name: word, logicalType: string, required: true,
         logicalTypeOptions: {minLength: 2, maxLength: 3, pattern: '^[aé]'},
         quality: [{metric: invalidValues, arguments: {validValues: [ab, 'éé', a]},
                    mustBeLessThan: 10, unit: percent}]}
      - {name: at, logicalType: timestamp, logicalTypeOptions: {minimum: '1970-01-01T00:00:01'}}
      - {name: flag, logicalType: boolean,
         quality: [{metric: nullValues, mustBe: 0}]}
";

    fn schema() -> TableSchema {
        let field = |(name, data_type)| Field::optional(name, data_type);
        let fields = [
            ("small", DataType::Int),
            ("whole", DataType::Long),
            ("price", DataType::Decimal { precision: 9, scale: 2 }),
            ("ratio", DataType::Double),
            ("word", DataType::String),
            ("at", DataType::Timestamp),
            ("flag", DataType::Boolean),
        ];
        TableSchema::first(fields.map(field).to_vec()).expect("a schema")
    }

    fn rules() -> RowRules {
        let read = read_contract("c.yaml", CONTRACT, None).expect("a contract");
        bind(&read.contract, &schema()).expect("it fits")
    }

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let fields = schema().fields.into_iter().zip(&columns);
        let fields =
            fields.map(|(field, c)| ArrowField::new(field.name, c.data_type().clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns).expect("a batch")
    }

    fn doubles() -> impl Strategy<Value = f64> {
        prop_oneof![-2.0..2.0, Just(f64::NAN), Just(-0.0), Just(1.0), Just(f64::INFINITY)]
    }

    proptest! {
        /// What is fast says what the reference says, of every value, null or not.
        #[test]
        fn arrays_are_judged_like_their_values(rows in proptest::collection::vec((
            option::of(-5..8_i32), option::of(-12..12_i64), option::of(-50..300_i128),
            option::of(doubles()), option::of("[abé]{0,4}"), option::of(0..2_000_000_i64),
            option::of(any::<bool>()),
        ), 0..60)) {
            let price = Decimal128Array::from_iter(rows.iter().map(|row| row.2));
            let price = price.with_precision_and_scale(9, 2).expect("it fits");
            let batch = batch(vec![
                Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.0))),
                Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1))),
                Arc::new(price),
                Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.3))),
                Arc::new(StringArray::from_iter(rows.iter().map(|row| row.4.as_deref()))),
                Arc::new(TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.5))),
                Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.6))),
            ]);
            let rules = rules();
            let broken = ContractCheck::new(&rules).broken(&batch);
            prop_assert_eq!(broken.len(), rules.values.len());
            for (rule, broken) in rules.values.iter().zip(broken) {
                let column = batch.column(rule.column_index);
                let expected = BooleanBuffer::collect_bool(rows.len(), |row| {
                    !rule.holds(cell(column, row))
                });
                let broken = broken.unwrap_or_else(|| BooleanBuffer::new_unset(rows.len()));
                prop_assert_eq!(broken, expected, "{}", rule.rule.id);
            }
        }
    }

    #[test]
    fn a_column_that_a_source_does_not_have_is_null() {
        let rows = Int64Array::from(vec![1, 2, 3]);
        let rows = RecordBatch::try_from_iter([("other", Arc::new(rows) as ArrayRef)]);
        let rules = rules();
        let check = ContractCheck::new(&rules);
        let broken = check.broken(&rows.expect("a batch"));
        let broken = check.rules().iter().zip(broken).filter(|(_, rows)| rows.is_some());
        let names: Vec<&str> = broken.map(|(rule, _)| rule.rule.as_str()).collect();
        assert_eq!(names, ["small.required", "word.required", "flag.nullValues"]);
    }
}
