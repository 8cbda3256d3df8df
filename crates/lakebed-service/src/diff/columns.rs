//! Which columns of two versions are the same, and how they changed.

use lakebed_core::{DataType, Field, profile::ColumnProfile};

use super::Described;

/// A column before and after; one of both where it came or went.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDiff {
    /// What it was.
    pub before: Option<(Field, ColumnProfile)>,
    /// What it is.
    pub after: Option<(Field, ColumnProfile)>,
    /// How the column itself changed.
    pub changes: Vec<ColumnChange>,
    /// How far the distributions (of numbers, or of lengths) are apart: the greatest difference in
    /// the parts of values below any number, 0 to 1 (Kolmogorov and Smirnov). None where one has none.
    pub distance: Option<f64>,
}

/// How a column changed, its values aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnChange {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It has another name.
    Renamed,
    /// It has another type.
    Retyped,
}

impl ColumnDiff {
    fn new(before: Option<(Field, ColumnProfile)>, after: Option<(Field, ColumnProfile)>) -> Self {
        let mut changes = Vec::new();
        let mut distance = None;
        match (&before, &after) {
            (Some((old, was)), Some((new, is))) => {
                if old.name != new.name {
                    changes.push(ColumnChange::Renamed);
                }
                if !old.data_type.is_same_shape(&new.data_type) {
                    changes.push(ColumnChange::Retyped);
                }
                if is_comparable(&old.data_type) == is_comparable(&new.data_type) {
                    distance = was.digest.distance(&is.digest);
                }
            }
            (None, _) => changes.push(ColumnChange::Added),
            (_, None) => changes.push(ColumnChange::Removed),
        }
        Self { before, after, changes, distance }
    }
}

/// Whether its digest is of values, not of lengths.
const fn is_comparable(data_type: &DataType) -> bool {
    use DataType::{Binary, Fixed, List, Map, String, Struct};
    !matches!(data_type, String | Binary | Fixed(_) | List(_) | Map(..) | Struct(_))
}

/// Columns of one dataset are the same by their field ids, those of two by their names; so are those whose
/// ids the other version knows nothing of, as when what was ingested is computed now.
pub(super) fn pair_up(
    before: Described<'_>,
    after: Described<'_>,
    is_one_dataset: bool,
) -> Vec<ColumnDiff> {
    let has = |side: &Described<'_>, id: u32| side.schema.fields.iter().any(|field| field.id == id);
    let is_same = |old: &Field, new: &Field| match is_one_dataset {
        true if has(&after, old.id) || has(&before, new.id) => old.id == new.id,
        _ => old.name == new.name,
    };
    let described = |side: &Described<'_>, field: &Field| (field.clone(), side.column(field.id));
    let mut columns = Vec::new();
    for new in &after.schema.fields {
        let old = before.schema.fields.iter().find(|old| is_same(old, new));
        let old = old.map(|old| described(&before, old));
        columns.push(ColumnDiff::new(old, Some(described(&after, new))));
    }
    for old in &before.schema.fields {
        if !after.schema.fields.iter().any(|new| is_same(old, new)) {
            columns.push(ColumnDiff::new(Some(described(&before, old)), None));
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use lakebed_core::{TableSchema, profile::TableProfile};

    use super::*;

    fn schema(columns: &[(u32, &str, DataType)]) -> TableSchema {
        let field = |(id, name, data_type): &(u32, &str, DataType)| Field {
            id: *id,
            ..Field::optional(*name, data_type.clone())
        };
        TableSchema {
            fields: columns.iter().map(field).collect(),
            last_field_id: 9,
            ..TableSchema::default()
        }
    }

    fn told(one_dataset: bool) -> Vec<String> {
        let new = [(2, "b", DataType::Long), (1, "c", DataType::Int), (4, "d", DataType::Int)];
        told_of(&new, one_dataset)
    }

    fn told_of(new: &[(u32, &str, DataType)], one_dataset: bool) -> Vec<String> {
        let old =
            schema(&[(1, "a", DataType::Int), (2, "b", DataType::Int), (3, "c", DataType::Int)]);
        let new = schema(new);
        let profile = TableProfile::default();
        let describe = |schema| Described { schema, profile: &profile };
        let name = |side: &Option<(Field, ColumnProfile)>| {
            side.as_ref().map_or_else(String::new, |(field, _)| field.name.clone())
        };
        pair_up(describe(&old), describe(&new), one_dataset)
            .iter()
            .map(|diff| format!("{}>{} {:?}", name(&diff.before), name(&diff.after), diff.changes))
            .collect()
    }

    #[test]
    fn columns_of_one_dataset_are_known_by_their_ids() {
        assert_eq!(told(true), ["b>b [Retyped]", "a>c [Renamed]", ">d [Added]", "c> [Removed]"]);
    }

    /// What was ingested is computed now.
    #[test]
    fn columns_with_other_ids_are_known_by_their_names() {
        let new = [(702, "b", DataType::Int), (31, "a", DataType::Int), (9, "d", DataType::Int)];
        assert_eq!(told_of(&new, true), ["b>b []", "a>a []", ">d [Added]", "c> [Removed]"]);
    }

    #[test]
    fn columns_of_two_datasets_are_known_by_their_names() {
        assert_eq!(told(false), ["b>b [Retyped]", "c>c []", ">d [Added]", "a> [Removed]"]);
    }
}
