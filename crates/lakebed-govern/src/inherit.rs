//! What somebody may see of rows that were computed from others of which they may see a part.
//!
//! A column that shows a masked one as it is, is masked like it; one that was computed from a masked or
//! hidden column is hidden, and so is one of which such a column decides what it shows. A row filter
//! holds where all that a row is made of agrees in the columns that it is about
//! ([`Lineage::common`]), and the row shows them; where that is not so nobody can say which rows are
//! theirs, and they see none.
//!
//! What decided about the rows of the answer as a whole (a condition on a hidden column) is part of what
//! the answer is, and kept from nobody: who declares a product answers for that (D-139).

use std::collections::BTreeMap;

use lakebed_core::{
    Field, TablePart, TableSchema,
    lineage::{ColumnOrigin, Input, Lineage, OutputColumn},
    policy::{ColumnSight, Mask, MaskKey, Predicate, Restriction, Sight, holds},
};

/// An input, and what somebody may see of it.
#[derive(Debug, Clone)]
pub struct Inherited {
    /// Its columns.
    pub schema: TableSchema,
    /// What of them, and of its rows, may be seen.
    pub restriction: Restriction,
}

/// Nobody can say which rows somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its rows do not say which of what they are made of is whose")]
pub struct NotInherited;

/// What is left of a table with the columns of `schema`, which was computed as `lineage` says, for
/// somebody who may see so much of its inputs.
///
/// # Errors
/// [`NotInherited`] where a row filter on an input cannot be held to, and for inputs that are not among
/// `inputs`.
pub fn inherit(
    schema: &TableSchema,
    lineage: &Lineage,
    inputs: &BTreeMap<Input, Inherited>,
) -> Result<Restriction, NotInherited> {
    let mut found = Restriction::Unrestricted;
    for input in lineage.inputs() {
        let Inherited { schema: columns, restriction } = inputs.get(input).ok_or(NotInherited)?;
        let Restriction::Restricted(sight) = restriction else { continue };
        // What was set aside is for those who may see all.
        if input.part != TablePart::Rows {
            return Err(NotInherited);
        }
        let part = Part { input, columns, sight, schema, lineage };
        found = found.meet(Restriction::Restricted(part.sight()?));
    }
    Ok(found)
}

/// One restricted input of an answer.
struct Part<'a> {
    input: &'a Input,
    columns: &'a TableSchema,
    sight: &'a Sight,
    schema: &'a TableSchema,
    lineage: &'a Lineage,
}

impl Part<'_> {
    fn sight(&self) -> Result<Sight, NotInherited> {
        let mut columns = BTreeMap::new();
        for field in &self.schema.fields {
            if let Some(sight) = self.column(field) {
                columns.insert(field.id, sight);
            }
        }
        let mask_key: Option<MaskKey> = self.sight.mask_key;
        Ok(Sight { rows: self.rows()?, columns, mask_key })
    }

    /// How a column of the answer is seen; none if it is not there.
    fn column(&self, field: &Field) -> Option<ColumnSight> {
        let output = self.output(field)?;
        let mut seen = ColumnSight::Raw;
        for origin in output.origins().filter(|origin| origin.input == *self.input) {
            let source = self.columns.field(&origin.column)?;
            match self.sight.columns.get(&source.id)? {
                ColumnSight::Raw => {}
                ColumnSight::Masked(mask) if output.shows() == Some(origin) => {
                    let fits = mask.fits(&field.data_type);
                    let mask = if fits { mask.clone() } else { Mask::Null };
                    seen = seen.meet(ColumnSight::Masked(mask));
                }
                ColumnSight::Masked(_) => return None,
            }
        }
        // However much is left of what it tells of: it tells the rest.
        for origin in output.tells_of.iter().filter(|origin| origin.input == *self.input) {
            let source = self.columns.field(&origin.column)?;
            if *self.sight.columns.get(&source.id)? != ColumnSight::Raw {
                return None;
            }
        }
        Some(seen)
    }

    /// The one column of the answer that a column of the table is.
    fn output(&self, field: &Field) -> Option<&OutputColumn> {
        let mut named = self.lineage.outputs().iter().filter(|output| output.name == field.name);
        named.next().filter(|_| named.next().is_none())
    }

    fn rows(&self) -> Result<Predicate, NotInherited> {
        let rows = &self.sight.rows;
        // Where a join finds nothing, all columns are null: that says nothing of any row.
        if *rows != Predicate::Constant(true) && holds(rows, &|_| None) == Some(true) {
            return Err(NotInherited);
        }
        rows.of_others(&|field| self.shown_as(field)).ok_or(NotInherited)
    }

    /// The column of the answer that shows a column of the input for all that its rows are made of.
    fn shown_as(&self, field: u32) -> Option<u32> {
        let source = self.columns.fields.iter().find(|source| source.id == field)?;
        let origin = ColumnOrigin { input: self.input.clone(), column: source.name.clone() };
        if !self.lineage.common().contains(&origin) {
            return None;
        }
        let shown = self.schema.fields.iter().find(|field| {
            field.data_type.is_same_shape(&source.data_type)
                && self.output(field).is_some_and(|output| output.shows() == Some(&origin))
        });
        shown.map(|field| field.id)
    }
}
