//! Rules on rows, evaluated in the pass that decodes them: the seam for contracts.
//!
//! Which rules there are, and what they mean, is the caller's. Here rows are handed over as Arrow
//! arrays once, and what breaks a rule of severity `error` or worse joins the row's other defects.

use std::{fmt, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    buffer::BooleanBuffer,
    datatypes::{Field, Schema, SchemaRef},
};
use lakebed_core::{DataType, ReasonCode, Severity, TableSchema};

use crate::{
    Refusal,
    account::Account,
    arrow_types::arrow_type,
    layout::Layout,
    rows::Fault,
    unique::{Turn, Unique, Uniqueness, keys},
};

/// A rule on rows: what it is called, and what breaking it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRule {
    /// What is wrong with a row that breaks it.
    pub code: ReasonCode,
    /// What the quarantine calls it. Never holds a value of the data.
    pub rule: String,
    /// The columns it looks at. A row is not judged by a rule one of whose cells is not of its type.
    pub columns: Vec<String>,
    /// [`Severity::Error`] quarantines the row, [`Severity::Critical`] refuses the version, the
    /// others keep the row and count it.
    pub severity: Severity,
}

/// Rules that are evaluated together.
///
/// Pure: the same rows break the same rules, whatever was judged before and on which thread.
pub trait RowCheck: fmt::Debug + Send + Sync {
    /// All rules. Reasons name them in this order.
    fn rules(&self) -> &[RowRule];

    /// For every rule, in that order, the rows that break it; none where no row does.
    ///
    /// `rows` are some thousand rows of one source: the columns it has, under the dataset's names
    /// and with its types, in the source's order; those it lacks are null in all of its rows, and
    /// are not there. Cells that are not of their type hold a default.
    fn broken(&self, rows: &RecordBatch) -> Vec<Option<BooleanBuffer>>;

    /// Rules that no row breaks by itself, but by what came before it; [`RowCheck::broken`] says
    /// nothing of them. Asked of rows that nothing else sets aside, in the order of the sources.
    fn unique(&self) -> &[Unique] {
        &[]
    }
}

/// What becomes the rules of a table, once its columns are known.
pub trait Rules: Sync {
    /// The type of a column that a source has, where the user declares none: text is read as it,
    /// leniently. `inherited` is the dataset's own, if it has the column.
    fn type_of(&self, column: &str, inherited: Option<&DataType>) -> Option<DataType> {
        let _ = (column, inherited);
        None
    }

    /// The rules, for a table of that schema.
    ///
    /// # Errors
    /// [`Refusal`] when they do not fit it.
    fn bind(&self, schema: &TableSchema) -> Result<Arc<dyn RowCheck>, Refusal>;
}

/// Rules that fit any table.
impl Rules for Arc<dyn RowCheck> {
    fn bind(&self, _schema: &TableSchema) -> Result<Arc<dyn RowCheck>, Refusal> {
        Ok(Self::clone(self))
    }
}

/// How many rows broke a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BrokenRule {
    /// [`RowRule::rule`].
    pub rule: String,
    /// Rows that broke it, in all sources.
    pub rows: u64,
    /// The first of them: the source's name, and its line or, in a binary format, its number among
    /// the rows; counted from 1.
    pub first: Option<(String, u64)>,
}

/// The rules of a source, with what its columns are.
#[derive(Debug, Clone)]
pub(crate) struct Checking {
    check: Arc<dyn RowCheck>,
    schema: SchemaRef,
    /// Per rule, the places of its columns in the source.
    columns: Vec<Vec<u32>>,
    unique: Option<Arc<Uniqueness>>,
}

impl Checking {
    /// Without `unique` what came before is nobody's question.
    pub(crate) fn new(
        check: &Arc<dyn RowCheck>,
        columns: &[(String, DataType)],
        unique: Option<&Arc<Uniqueness>>,
    ) -> Self {
        let field =
            |(name, data_type): &(String, DataType)| Field::new(name, arrow_type(data_type), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let place = |name: &String| columns.iter().position(|(column, _)| column == name);
        let places = |rule: &RowRule| {
            rule.columns.iter().filter_map(place).map(|place| place as u32).collect()
        };
        let columns = check.rules().iter().map(places).collect();
        Self { check: Arc::clone(check), schema, columns, unique: unique.map(Arc::clone) }
    }

    /// The turn of the chunk that is fed now; none where nothing is asked of the order.
    pub(crate) fn draw(&self) -> Option<Turn> {
        self.unique.as_ref().map(Uniqueness::draw)
    }

    /// Rows whose values came before, by row and rule; `is_out` says which are set aside anyway.
    pub(crate) fn repeated(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        turn: Option<Turn>,
        is_out: impl Fn(usize) -> bool,
    ) -> Result<Vec<(usize, usize)>, String> {
        let (Some(unique), Some(turn)) = (&self.unique, turn) else { return Ok(Vec::new()) };
        let of_rule = |unique: &Unique| {
            let places = self.columns(unique.rule);
            if places.len() < unique.columns.len() {
                // A column that the source lacks is null in all rows.
                return Ok(vec![None; rows]);
            }
            let columns: Vec<&ArrayRef> =
                places.iter().map(|place| &columns[*place as usize]).collect();
            keys(&columns, rows)
        };
        let keys: Vec<_> = unique.rules().iter().map(of_rule).collect::<Result<_, _>>()?;
        Ok(turn.judge(&keys, rows, is_out))
    }

    pub(crate) fn rules(&self) -> &[RowRule] {
        self.check.rules()
    }

    pub(crate) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The defect of a row that breaks a rule.
    pub(crate) fn fault(&self, rule: u32) -> Fault {
        let column = match self.columns(rule as usize) {
            [column] => Some(*column),
            _ => None,
        };
        Fault { code: self.rules()[rule as usize].code, column, rule: Some(rule) }
    }

    /// The places of a rule's columns among those of the source.
    pub(crate) fn columns(&self, rule: usize) -> &[u32] {
        &self.columns[rule]
    }

    /// For every rule the rows that break it, or what is wrong with the check.
    pub(crate) fn broken(
        &self,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<Vec<Option<BooleanBuffer>>, String> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns.to_vec(), &options)
            .map_err(|error| error.to_string())?;
        let broken = self.check.broken(&batch);
        let is_right = broken.len() == self.rules().len()
            && broken.iter().flatten().all(|broken| broken.len() == rows);
        match is_right {
            true => Ok(broken),
            false => Err("a check judged other rows or rules than it was given".to_owned()),
        }
    }
}

/// What the rows of all sources together broke.
pub(crate) fn broken_rules(
    layout: &Layout,
    accounts: &[Account],
    check: Option<&Arc<dyn RowCheck>>,
) -> Vec<BrokenRule> {
    let named = |rule: &RowRule| BrokenRule { rule: rule.rule.clone(), ..BrokenRule::default() };
    let rules = check.map_or(&[][..], |check| check.rules());
    let mut broken: Vec<BrokenRule> = rules.iter().map(named).collect();
    for (index, (source, account)) in layout.sources.iter().zip(accounts).enumerate() {
        for (sum, count) in broken.iter_mut().zip(&account.rules) {
            sum.rows += count.rows;
            if let (None, Some(line)) = (&sum.first, count.first) {
                sum.first = Some((source.name.clone(), layout.place(index, line)));
            }
        }
    }
    broken
}
