//! One row filter and two masks, for our engine and as somebody would write them by hand.
//!
//! The filter keeps six rows of seven of the largest table; the masked columns are read by conditions
//! and carried into answers, which go on to mean something.

use std::collections::BTreeMap;

use lakebed_core::policy::{
    ColumnSight, Comparison, DateUnit, Mask, Partial, Predicate, Restriction, Scalar, Sight,
};
use lakebed_service::engine::BoundTable;

use crate::Result;

/// Views by the name of their table; what they read is `files.<table>`.
pub(crate) const BY_HAND: [(&str, &str); 3] = [
    ("lineitem", "select * from files.lineitem where l_shipmode <> 'RAIL'"),
    (
        "orders",
        "select * replace (cast(date_trunc('month', o_orderdate) as date) as o_orderdate) \
         from files.orders",
    ),
    (
        "customer",
        "select * replace (substr(c_phone, 1, 3) || '***' as c_phone) from files.customer",
    ),
];

/// The same for `table`.
pub(crate) fn of(table: &BoundTable) -> Result<Restriction> {
    let all = Predicate::Constant(true);
    Ok(match table.dataset.name() {
        "lineitem" => {
            let comparison = Comparison::NotEqual;
            let value = Scalar::Text("RAIL".to_owned());
            let field = field(table, "l_shipmode")?;
            sight(table, Predicate::Compare { field, comparison, value }, None)
        }
        "orders" => {
            let masked = (field(table, "o_orderdate")?, Mask::DateTrunc(DateUnit::Month));
            sight(table, all, Some(masked))
        }
        "customer" => {
            let masked = (field(table, "c_phone")?, Mask::Partial(Partial::KeepFirst(3)));
            sight(table, all, Some(masked))
        }
        _ => Restriction::Unrestricted,
    })
}

fn field(table: &BoundTable, name: &str) -> Result<u32> {
    let found = table.schema.fields.iter().find(|field| field.name == name);
    Ok(found.ok_or_else(|| format!("there is no column `{name}`"))?.id)
}

fn sight(table: &BoundTable, rows: Predicate, masked: Option<(u32, Mask)>) -> Restriction {
    let raw = table.schema.fields.iter().map(|field| (field.id, ColumnSight::Raw));
    let mut columns: BTreeMap<_, _> = raw.collect();
    columns.extend(masked.map(|(field, mask)| (field, ColumnSight::Masked(mask))));
    Restriction::Restricted(Sight { rows, columns, mask_key: None })
}
