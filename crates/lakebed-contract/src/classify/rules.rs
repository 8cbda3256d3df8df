//! Rules that came, went, or ask something else.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::contract::{Check, Contract, RowCheck, Rule, Severity, Threshold};

use super::{
    Level, Reasons,
    shift::{self, Shift},
};

/// Compares the rules of both contracts by id, those that columns imply among them. Rules of a
/// column that came or went say nothing that its coming or going does not.
pub(super) fn compare(old: &Contract, new: &Contract, reasons: &mut Reasons) {
    let (before, now) = (by_id(old), by_id(new));
    let names = |contract: &Contract| -> BTreeSet<String> {
        contract.columns.iter().map(|column| column.name.clone()).collect()
    };
    let common: BTreeSet<String> = names(old).intersection(&names(new)).cloned().collect();
    let is_common = |rule: &Rule| rule.column.as_ref().is_none_or(|name| common.contains(name));
    for (id, rule) in before.iter().filter(|(_, rule)| is_common(rule)) {
        match now.get(id) {
            Some(new) => compare_rule(rule, new, reasons),
            None if is_promised(rule) => {
                let why = "what it kept out may come";
                reasons.add(Level::Major, id, "was removed", why);
            }
            None => reasons.add(Level::Patch, id, "was removed", NOTES),
        }
    }
    for (id, rule) in now.iter().filter(|(_, rule)| is_common(rule)) {
        if !before.contains_key(id) {
            match is_promised(rule) {
                true => reasons.add(Level::Minor, id, "was added", PRODUCERS),
                false => reasons.add(Level::Patch, id, "was added", NOTES),
            }
        }
    }
}

const NOTES: &str = "below severity `error` a rule keeps nothing out";
const PRODUCERS: &str =
    "consumers see nothing that they did not see before; producers have to keep it";

/// A part of a key is never null: that it is also said to be required changes nothing.
fn by_id(contract: &Contract) -> BTreeMap<String, Rule> {
    let name = |rule: &Rule| match (&rule.column, &rule.check) {
        (Some(column), Check::Row { all })
            if *all == [RowCheck::NotNull] && rule.id == format!("{column}.primaryKey") =>
        {
            format!("{column}.required")
        }
        _ => rule.id.clone(),
    };
    contract.all_rules().into_iter().map(|rule| (name(&rule), rule)).collect()
}

/// Whether consumers can rely on it: rows or versions that break it do not reach them.
fn is_promised(rule: &Rule) -> bool {
    rule.severity >= Severity::Error
}

fn compare_rule(old: &Rule, new: &Rule, reasons: &mut Reasons) {
    let id = &old.id;
    match (is_promised(old), is_promised(new)) {
        (true, false) => {
            let what = format!("was {}, is {}", old.severity, new.severity);
            reasons.add(Level::Major, id, what, "what it kept out may come");
        }
        (false, true) => {
            let what = format!("was {}, is {}", old.severity, new.severity);
            reasons.add(Level::Minor, id, what, PRODUCERS);
        }
        (false, false) if old.check != new.check || old.severity != new.severity => {
            reasons.add(Level::Patch, id, "changed", NOTES);
        }
        (false, false) => {}
        (true, true) => compare_promise(old, new, reasons),
    }
    if old.description != new.description {
        reasons.add(Level::Patch, id, "is described otherwise", "no promise changed");
    }
}

fn compare_promise(old: &Rule, new: &Rule, reasons: &mut Reasons) {
    let id = &old.id;
    match of_checks(&old.check, &new.check) {
        Shift::Tighter => reasons.add(Level::Minor, id, "was tightened", PRODUCERS),
        Shift::Looser => {
            reasons.add(Level::Major, id, "was loosened", "what it kept out may come");
        }
        Shift::Other => {
            let why = "what the old rule kept out may come";
            reasons.add(Level::Major, id, "asks something else", why);
        }
        Shift::Same if old.severity != new.severity => {
            let what = format!("was {}, is {}", old.severity, new.severity);
            let why = "what reaches consumers keeps it, as before";
            reasons.add(Level::Patch, id, what, why);
        }
        Shift::Same if old.check != new.check => {
            reasons.add(Level::Patch, id, "is written otherwise", "it asks the same");
        }
        Shift::Same => {}
    }
}

/// How what is asked changed.
fn of_checks(old: &Check, new: &Check) -> Shift {
    use Check as C;
    if old == new {
        return Shift::Same;
    }
    if let (Some((old, before)), Some((new, now))) = (values(old), values(new)) {
        let checks = shift::of_checks(old, new);
        let is_limit = |threshold: &Threshold| threshold.must.is_upper_limit();
        // What breaks a stricter check more often keeps a limit less often, and only a limit.
        if checks != Shift::Same && !before.into_iter().chain(now).all(is_limit) {
            return Shift::Other;
        }
        return checks.and(shift::of_optional_thresholds(before, now));
    }
    match (old, new) {
        (C::RowCount { threshold: old }, C::RowCount { threshold: new }) => {
            shift::of_thresholds(old, new)
        }
        (C::Sql { query: before, threshold: old }, C::Sql { query: now, threshold: new })
            if before == now =>
        {
            shift::of_thresholds(old, new)
        }
        (
            C::Duplicates { columns: before, threshold: old, .. },
            C::Duplicates { columns: now, threshold: new, .. },
        ) => {
            let shift = shift::of_optional_thresholds(old.as_ref(), new.as_ref());
            of_keys(before, now).and(shift)
        }
        _ => Shift::Other,
    }
}

fn values(check: &Check) -> Option<(&[RowCheck], Option<&Threshold>)> {
    match check {
        Check::Row { all } => Some((all, None)),
        Check::Metric { all, threshold } => Some((all, Some(threshold))),
        _ => None,
    }
}

/// What is unique in fewer columns is unique in more.
fn of_keys(old: &[String], new: &[String]) -> Shift {
    let contains = |outer: &[String], inner: &[String]| inner.iter().all(|c| outer.contains(c));
    match (contains(old, new), contains(new, old)) {
        (true, true) => Shift::Same,
        (true, false) => Shift::Tighter,
        (false, true) => Shift::Looser,
        (false, false) => Shift::Other,
    }
}
