//! The rules of a contract on rows, measured on Arrow arrays: on single values, on what came before,
//! and on what stands in another table.
//!
//! What each says of a value is `lakebed-contract`'s to decide; its `holds` is the reference, and what
//! is faster here must answer the same.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray as _, BinaryArray, RecordBatch,
        RecordBatchOptions, StringArray,
    },
    buffer::BooleanBuffer,
    datatypes::{
        DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type,
        Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
    },
};
use lakebed_contract::{
    BoundCheck, Cell, Comparison, RowRules, Scalar, ValueRule, bind, decode_type, fits_type,
};
use lakebed_core::{
    DataType, ReasonCode, TableSchema,
    contract::{Contract, Rule, Severity},
};

use crate::{
    KeySet, Refusal, RowCheck, RowRule, Rules, Unique, arrow_schema,
    engine::Gone,
    parquet_in,
    refusal::shown,
    unique::{are_comparable, keys},
};

/// How many valid values are compared one by one.
const FEW: usize = 16;

/// How many flaws of a contract that does not fit are told.
const TOLD_FLAWS: usize = 10;

/// A contract, to be bound to the table that a decode makes, and what is known beside it.
#[derive(Debug, Clone)]
pub struct ContractRules<'c> {
    contract: &'c Contract,
    /// Whether nothing refuses the version, so that everything is counted.
    counting: bool,
    before: BTreeMap<Vec<String>, Arc<KeySet>>,
    references: BTreeMap<String, Reference>,
}

/// Where the values of a relationship must be found.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The types of the columns, in the order of the rule's.
    pub types: Vec<DataType>,
    /// What stands in them.
    pub keys: Arc<KeySet>,
}

impl<'c> ContractRules<'c> {
    /// All rules on rows, without relationships, for a version of nothing but the sources.
    #[must_use]
    pub const fn new(contract: &'c Contract) -> Self {
        Self { contract, counting: false, before: BTreeMap::new(), references: BTreeMap::new() }
    }

    /// The same for those who only want to know: what would refuse the version quarantines rows, so
    /// that everything is counted.
    #[must_use]
    pub const fn counting(mut self) -> Self {
        self.counting = true;
        self
    }

    /// Rows that are in the version already, for the rules about values that come twice in `columns`.
    #[must_use]
    pub fn with_before(mut self, columns: Vec<String>, keys: Arc<KeySet>) -> Self {
        self.before.insert(columns, keys);
        self
    }

    /// Has the relationship `rule` measured, too.
    #[must_use]
    pub fn with_reference(mut self, rule: String, reference: Reference) -> Self {
        self.references.insert(rule, reference);
        self
    }

    /// By name, how many rows of one of our own table files break a rule that a single row can break;
    /// the file is of a table of `schema`, or older. Blocks.
    ///
    /// # Errors
    /// [`Refusal`] when the contract does not fit the schema, or the file cannot be read.
    pub fn count_broken(
        &self,
        path: &Path,
        schema: &TableSchema,
    ) -> Result<Vec<(String, u64)>, Refusal> {
        let check = self.bind(schema)?;
        let unique: HashSet<usize> = check.unique().iter().map(|unique| unique.rule).collect();
        let mut counts = vec![0; check.rules().len()];
        let arrow = Arc::new(arrow_schema(schema));
        let mut wrong = None;
        parquet_in::read_tail(path, &arrow, &mut |columns, rows| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            match RecordBatch::try_new_with_options(Arc::clone(&arrow), columns, &options) {
                Ok(batch) => {
                    for (count, broken) in counts.iter_mut().zip(check.broken(&batch)) {
                        *count += broken.map_or(0, |broken| broken.count_set_bits() as u64);
                    }
                    Ok(())
                }
                Err(error) => {
                    wrong = Some(error.to_string());
                    Err(Gone)
                }
            }
        })?;
        if let Some(wrong) = wrong {
            return Err(Refusal::internal(wrong));
        }
        let counted = check.rules().iter().zip(counts).enumerate();
        let counted = counted.filter(|(place, _)| !unique.contains(place));
        Ok(counted.map(|(_, (rule, count))| (rule.rule.clone(), count)).collect())
    }

    fn check(&self, rules: &RowRules, schema: &TableSchema) -> Result<ContractCheck, Refusal> {
        let mut check = ContractCheck::new(rules);
        for duplicates in &rules.duplicates {
            let columns = names(schema, &duplicates.column_indexes);
            let before = self.before.get(&columns).cloned().unwrap_or_default();
            let rule = check.rules.len();
            check.add(&duplicates.rule, columns.clone());
            check.unique.push(Unique { rule, columns, before });
        }
        for relationship in &rules.relationships {
            let Some(reference) = self.references.get(&relationship.rule.id) else { continue };
            let columns = names(schema, &relationship.column_indexes);
            let types = relationship.column_indexes.iter().map(|at| &schema.fields[*at].data_type);
            for ((name, ours), theirs) in columns.iter().zip(types).zip(&reference.types) {
                if !are_comparable(ours, theirs) {
                    let rule = &relationship.rule.id;
                    let message = format!(
                        "`{rule}`: `{}` is {ours}, and {theirs} where it must be found",
                        shown(name)
                    );
                    return Err(unfit(self.contract, 1, &message, None));
                }
            }
            check.add(&relationship.rule, columns.clone());
            check.found.push((columns, Arc::clone(&reference.keys)));
        }
        if self.counting {
            for rule in &mut check.rules {
                rule.severity = rule.severity.min(Severity::Error);
            }
        }
        Ok(check)
    }
}

impl Rules for ContractRules<'_> {
    fn type_of(&self, column: &str, inherited: Option<&DataType>) -> Option<DataType> {
        let column = self.contract.columns.iter().find(|known| known.column() == column)?;
        let promised = decode_type(column)?;
        let fitting = inherited.filter(|inherited| fits_type(column, inherited));
        Some(fitting.cloned().unwrap_or(promised))
    }

    fn bind(&self, schema: &TableSchema) -> Result<Arc<dyn RowCheck>, Refusal> {
        match bind(self.contract, schema) {
            Ok(rules) => Ok(Arc::new(self.check(&rules, schema)?)),
            Err(flaws) => {
                let told: Vec<String> =
                    flaws.iter().take(TOLD_FLAWS).map(ToString::to_string).collect();
                let hint = flaws.iter().find_map(|flaw| flaw.hint.clone());
                Err(unfit(self.contract, flaws.len(), &told.join("; "), hint))
            }
        }
    }
}

fn names(schema: &TableSchema, places: &[usize]) -> Vec<String> {
    places.iter().map(|place| schema.fields[*place].name.clone()).collect()
}

fn unfit(contract: &Contract, flaws: usize, told: &str, hint: Option<String>) -> Refusal {
    let (id, version) = (shown(&contract.id), shown(&contract.version));
    let flaws = if flaws == 1 { "1 flaw".to_owned() } else { format!("{flaws} flaws") };
    let message =
        format!("contract `{id}` {version} does not fit the columns of the data, {flaws}: {told}");
    let refusal = Refusal::new(Refusal::CONTRACT_UNFIT, message);
    refusal.hint(hint.unwrap_or_else(|| {
        "correct the contract, or the data where it is made; the file is kept".to_owned()
    }))
}

/// The rules of a contract that is bound to a table, as a check of rows: those on single values, and
/// behind them those on what came before and on relationships.
///
/// A rule with a threshold blames no row: it is judged as [`Severity::Info`], and counted.
#[derive(Debug)]
pub(crate) struct ContractCheck {
    rules: Vec<RowRule>,
    values: Vec<Measure>,
    unique: Vec<Unique>,
    /// Columns and what must be found in them, of the last rules.
    found: Vec<(Vec<String>, Arc<KeySet>)>,
}

impl ContractCheck {
    /// The rules about single values, in the contract's order.
    fn new(rules: &RowRules) -> Self {
        let mut check = Self {
            rules: Vec::new(),
            values: rules.values.iter().map(Measure::new).collect(),
            unique: Vec::new(),
            found: Vec::new(),
        };
        for value in &rules.values {
            check.add(&value.rule, vec![value.column.clone()]);
        }
        check
    }

    fn add(&mut self, rule: &Rule, columns: Vec<String>) {
        let (code, severity) = match (rule.code(), rule.check.blames_rows()) {
            (Some(code), true) => (code, rule.severity),
            _ => (ReasonCode::ConstraintError, Severity::Info),
        };
        self.rules.push(RowRule { code, rule: rule.id.clone(), columns, severity });
    }
}

/// The rows whose values are not found; those with a null among them are not asked.
fn missing(rows: &RecordBatch, columns: &[String], found: &KeySet) -> Option<BooleanBuffer> {
    let arrays: Vec<&ArrayRef> =
        columns.iter().filter_map(|name| rows.column_by_name(name)).collect();
    if arrays.len() < columns.len() {
        return None;
    }
    // What has no key cannot be compared, which was told before.
    let keys = keys(&arrays, rows.num_rows()).ok()?;
    let is_missing = |row: usize| keys[row].is_some_and(|key| !found.contains(key));
    let missing = BooleanBuffer::collect_bool(rows.num_rows(), is_missing);
    (missing.count_set_bits() > 0).then_some(missing)
}

impl RowCheck for ContractCheck {
    fn rules(&self) -> &[RowRule] {
        &self.rules
    }

    fn broken(&self, rows: &RecordBatch) -> Vec<Option<BooleanBuffer>> {
        let values = self.values.iter().map(|measure| measure.broken(rows));
        let unique = self.unique.iter().map(|_| None);
        let found = self.found.iter().map(|(columns, found)| missing(rows, columns, found));
        values.chain(unique).chain(found).collect()
    }

    fn unique(&self) -> &[Unique] {
        &self.unique
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
    /// So few that comparing them is faster than hashing.
    Few(Vec<String>),
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
        let texts = || {
            let texts: Vec<String> = values.iter().map(text).collect::<Option<_>>()?;
            Some(match texts.len() {
                ..=FEW => Self::Few(texts),
                _ => Self::Texts(texts.into_iter().collect()),
            })
        };
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
        (_, Some(Set::Few(values))) => {
            texts(column, broken, |text| values.iter().any(|value| value == text))
        }
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
