//! Columns that came, went, or became something else.

use std::collections::BTreeMap;

use lakebed_core::contract::ContractColumn;

use super::{Level, POLICIES, Reasons};
use crate::bind::Physical;

/// Compares columns by name; `prefix` is the column that fields belong to.
pub(super) fn compare(
    old: &[ContractColumn],
    new: &[ContractColumn],
    prefix: &str,
    reasons: &mut Reasons,
) {
    let (before, now) = (by_name(old), by_name(new));
    for column in old {
        let element = format!("{prefix}{}", column.name);
        match now.get(column.name.as_str()) {
            None => reasons.add(Level::Major, &element, "was removed", "consumers may read it"),
            Some(index) => compare_column(column, &new[*index], &element, reasons),
        }
    }
    for column in new.iter().filter(|column| !before.contains_key(column.name.as_str())) {
        let element = format!("{prefix}{}", column.name);
        let why = match column.required {
            true => "consumers need not read it; producers must deliver it",
            false => "consumers need not read it",
        };
        reasons.add(Level::Minor, &element, "was added", why);
    }
    let places: Vec<&usize> = old.iter().filter_map(|c| now.get(c.name.as_str())).collect();
    if !places.is_sorted() {
        let why = "columns are found by name";
        reasons.add(Level::Patch, "columns", "are in another order", why);
    }
}

fn by_name(columns: &[ContractColumn]) -> BTreeMap<&str, usize> {
    columns.iter().enumerate().map(|(index, column)| (column.name.as_str(), index)).collect()
}

fn compare_column(
    old: &ContractColumn,
    new: &ContractColumn,
    element: &str,
    reasons: &mut Reasons,
) {
    if old.column() != new.column() {
        let what = format!("was `{}` in the data, is `{}`", old.column(), new.column());
        reasons.add(Level::Major, element, what, "queries name it");
    }
    let word = |text: Option<&str>| text.unwrap_or("open").to_owned();
    if old.logical_type != new.logical_type {
        let (before, now) =
            (old.logical_type.map(|t| t.as_str()), new.logical_type.map(|t| t.as_str()));
        let what = format!("was {}, is {}", word(before), word(now));
        match before {
            None => reasons.add(Level::Minor, element, what, "a promise more"),
            Some(_) => reasons.add(Level::Major, element, what, "consumers read another type"),
        }
    }
    physical_type(old, new, element, reasons);
    if old.options.timezone != new.options.timezone {
        match old.options.timezone {
            None => reasons.add(Level::Minor, element, "says its time zone", "a promise more"),
            Some(_) => {
                let why = "the same text means another time";
                reasons.add(Level::Major, element, "changed its time zone", why);
            }
        }
    }
    if old.tags != new.tags {
        reasons.add(Level::Minor, element, "has other tags", POLICIES);
    }
    if old.classification != new.classification {
        reasons.add(Level::Minor, element, "is classified otherwise", POLICIES);
    }
    if old.description != new.description {
        reasons.add(Level::Patch, element, "is described otherwise", "no promise changed");
    }
    compare(&old.properties, &new.properties, &format!("{element}."), reasons);
    match (&old.items, &new.items) {
        (Some(old), Some(new)) => compare_column(old, new, &format!("{element}[]"), reasons),
        (Some(_), None) => {
            reasons.add(Level::Major, element, "leaves its items open", "consumers may read them");
        }
        (None, Some(_)) => reasons.add(Level::Minor, element, "says its items", "a promise more"),
        (None, None) => {}
    }
}

fn physical_type(old: &ContractColumn, new: &ContractColumn, element: &str, reasons: &mut Reasons) {
    let (before, now) = match (&old.physical_type, &new.physical_type) {
        (before, now) if before == now => return,
        (None, Some(now)) => {
            let what = format!("is `{now}`, was left open");
            return reasons.add(Level::Minor, element, what, "a promise more");
        }
        (Some(before), None) => {
            let what = format!("was `{before}`, is left open");
            return reasons.add(Level::Major, element, what, "consumers may rely on it");
        }
        (Some(before), Some(now)) => (before, now),
        (None, None) => return,
    };
    let what = format!("was `{before}`, is `{now}`");
    let (level, why) = match (Physical::parse(before), Physical::parse(now)) {
        (Some(before), Some(now)) if before.means(&now) => {
            (Level::Patch, "both words mean the same type")
        }
        (Some(before), Some(now)) if before.widens_to(&now) => {
            (Level::Minor, "every value of the old type is one of the new, exactly")
        }
        _ => (Level::Major, "consumers read another type"),
    };
    reasons.add(level, element, what, why);
}
