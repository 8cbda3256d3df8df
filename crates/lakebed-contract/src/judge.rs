//! From measured numbers to findings, and from findings to what happens.
//!
//! Pure decisions: who measured, and who sets rows aside or refuses a version, is elsewhere.

use lakebed_core::{
    Timestamp,
    contract::{Check, Finding, Freshness, QuarantineLimit, Rule, Severity, Unit, Value},
};

/// What happens because a rule does not hold; the graver is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consequence {
    /// It is on record.
    Record,
    /// It is on record, and shown with the version: the rows are kept.
    Annotate,
    /// The rows that break it are set aside.
    Quarantine,
    /// The version is refused; its originals are kept.
    Refuse,
}

impl Consequence {
    /// The word in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "noted",
            Self::Annotate => "warned",
            Self::Quarantine => "quarantined",
            Self::Refuse => "refused",
        }
    }
}

/// What a set of findings does to a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The gravest consequence; none where every rule holds.
    pub consequence: Option<Consequence>,
    /// Why the version is refused, one sentence each; empty where it is not.
    pub refusals: Vec<String>,
    /// Rules that hold the version back from being promoted, though it may exist.
    pub held_back_by: Vec<String>,
}

impl Decision {
    /// Whether the version may exist.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.refusals.is_empty()
    }
}

/// What becomes of a row that breaks a rule of that severity which can blame rows.
#[must_use]
pub const fn consequence_for_row(severity: Severity) -> Consequence {
    match severity {
        Severity::Info => Consequence::Record,
        Severity::Warning => Consequence::Annotate,
        Severity::Error => Consequence::Quarantine,
        Severity::Critical => Consequence::Refuse,
    }
}

/// What a finding does; none where the rule holds.
///
/// An error that no row is to blame for sets no row aside: the version is annotated, and cannot be
/// promoted (D-74).
#[must_use]
pub const fn consequence_of(finding: &Finding) -> Option<Consequence> {
    if finding.passed {
        return None;
    }
    Some(match consequence_for_row(finding.severity) {
        Consequence::Quarantine if !finding.blames_rows => Consequence::Annotate,
        consequence => consequence,
    })
}

/// Decides what `findings` do to a version of `total` rows (accepted and quarantined), of which
/// `quarantined` were set aside for whatever reason.
#[must_use]
pub fn decide(
    findings: &[Finding],
    limit: Option<&QuarantineLimit>,
    quarantined: u64,
    total: u64,
) -> Decision {
    let mut decision = Decision::default();
    for finding in findings {
        let consequence = consequence_of(finding);
        decision.consequence = decision.consequence.max(consequence);
        match consequence {
            Some(Consequence::Refuse) => decision.refusals.push(format!(
                "`{}` must be {}, measured: {}",
                finding.rule,
                finding.threshold,
                measured(finding)
            )),
            Some(Consequence::Annotate) if finding.severity >= Severity::Error => {
                decision.held_back_by.push(finding.rule.clone());
            }
            _ => {}
        }
    }
    if let Some(limit) = limit.filter(|limit| !limit.allows(quarantined, total)) {
        decision.consequence = Some(Consequence::Refuse);
        decision.refusals.push(format!(
            "{quarantined} of {total} rows were quarantined, the contract allows {limit}"
        ));
    }
    decision
}

fn measured(finding: &Finding) -> String {
    match &finding.measured {
        Value::Null => "nothing".to_owned(),
        value => value.to_string(),
    }
}

/// The finding of a rule that counts rows: `breaking` of `total` rows break it; of `rowCount`,
/// `breaking` is the number of rows.
#[must_use]
pub fn count_finding(rule: &Rule, breaking: u64, total: u64) -> Finding {
    let threshold = match &rule.check {
        Check::Metric { threshold, .. }
        | Check::RowCount { threshold }
        | Check::Sql { threshold, .. } => Some(threshold),
        Check::Duplicates { threshold, .. } => threshold.as_ref(),
        Check::Row { .. } | Check::Relationship { .. } => None,
    };
    let passed = threshold.map_or(breaking == 0, |must| must.holds_for_count(breaking, total));
    // Counted in rows, whatever the threshold is in: a count is exact and needs no rounding.
    let measured = Value::from(lakebed_core::contract::Number::from(breaking));
    let threshold = threshold.map_or_else(|| "0".to_owned(), ToString::to_string);
    finding(rule, measured, threshold, passed)
}

/// The finding of a query that answered `measured`; null where it answered nothing.
#[must_use]
pub fn value_finding(rule: &Rule, measured: Value) -> Finding {
    let threshold = match &rule.check {
        Check::Sql { threshold, .. } => Some(threshold),
        _ => None,
    };
    let passed = threshold.is_some_and(|must| must.holds_for_value(&measured));
    let threshold = threshold.map_or_else(String::new, ToString::to_string);
    finding(rule, measured, threshold, passed)
}

fn finding(rule: &Rule, measured: Value, threshold: String, passed: bool) -> Finding {
    Finding {
        rule: rule.id.clone(),
        column: rule.column.clone(),
        severity: rule.severity,
        blames_rows: rule.check.blames_rows(),
        measured,
        unit: Unit::Rows,
        threshold,
        passed,
        problem: None,
    }
}

/// What is newer than now by more lies in the future; below that, clocks differ and days have zones.
const AHEAD_MICROS: i64 = 86_400 * 1_000_000;

/// Whether what is said to be newest at the time `at` lies so far in the future that it says nothing of an
/// age.
#[must_use]
pub fn is_ahead(newest: Timestamp, at: Timestamp) -> bool {
    newest.as_micros().saturating_sub(at.as_micros()) > AHEAD_MICROS
}

/// How old the data is at the time `at`, in seconds, beside what was promised.
///
/// `newest` is the newest value of the promised column, or the version's own time; none where there
/// is none, which never passes; nor does a day that is yet to come, for a single mistyped date would keep
/// data fresh for years. Old data is a warning: nobody is kept from it (D-74).
#[must_use]
pub fn freshness_finding(promise: &Freshness, newest: Option<Timestamp>, at: Timestamp) -> Finding {
    let ahead = newest.filter(|newest| is_ahead(*newest, at));
    let newest = newest.filter(|_| ahead.is_none());
    let age = newest.map(|newest| at.as_micros().saturating_sub(newest.as_micros()).max(0));
    let limit = i128::from(promise.max_age_seconds) * 1_000_000;
    let seconds = age.map(|micros| micros.unsigned_abs().div_ceil(1_000_000));
    Finding {
        rule: promise.id.clone(),
        column: promise.column.clone(),
        severity: Severity::Warning,
        blames_rows: false,
        measured: seconds.map_or(Value::Null, |seconds| {
            Value::from(lakebed_core::contract::Number::from(seconds))
        }),
        unit: Unit::Rows,
        threshold: format!("at most {} seconds", promise.max_age_seconds),
        passed: age.is_some_and(|micros| i128::from(micros) <= limit),
        problem: ahead.map(|_| "its newest value lies in the future".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use lakebed_core::contract::{Must, Number, RowCheck, Threshold};

    use super::*;

    fn rule(severity: Severity, check: Check) -> Rule {
        Rule { id: "r".into(), column: Some("c".into()), severity, check, description: None }
    }

    fn not_null() -> Check {
        Check::Row { all: vec![RowCheck::NotNull] }
    }

    fn row_count(least: u64) -> Check {
        let must = Must::BeGreaterOrEqualTo(Number::from(least));
        Check::RowCount { threshold: Threshold { must, unit: Unit::Rows } }
    }

    /// The table of ARCHITECTURE.md, "Contracts", as it is decided.
    #[test]
    fn severities_have_their_consequences() {
        let mut said = Vec::new();
        for severity in [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical] {
            for check in [not_null(), row_count(10)] {
                let finding = count_finding(&rule(severity, check.clone()), 3, 3);
                let decision = decide(&[finding], None, 0, 3);
                let scope = if check.blames_rows() { "row" } else { "table" };
                let consequence = decision.consequence.expect("it does not hold");
                let held = if decision.held_back_by.is_empty() { "" } else { ", held back" };
                said.push(format!("{severity} {scope}: {consequence:?}{held}"));
                assert_eq!(decision.is_accepted(), consequence != Consequence::Refuse);
            }
        }
        insta::assert_snapshot!(said.join("\n"), @"
        info row: Record
        info table: Record
        warning row: Annotate
        warning table: Annotate
        error row: Quarantine
        error table: Annotate, held back
        critical row: Refuse
        critical table: Refuse
        ");
    }

    #[test]
    fn what_holds_does_nothing() {
        for check in [not_null(), row_count(0)] {
            let finding = count_finding(&rule(Severity::Critical, check), 0, 10);
            assert_eq!(decide(&[finding], None, 0, 10), Decision::default());
        }
    }

    #[test]
    fn too_many_quarantined_rows_refuse_the_version() {
        let limit = QuarantineLimit::Percent(Number::from(1_u64));
        assert!(decide(&[], Some(&limit), 10, 1000).is_accepted());
        let decision = decide(&[], Some(&limit), 11, 1000);
        insta::assert_snapshot!(decision.refusals.join("\n"), @"11 of 1000 rows were quarantined, the contract allows 1 %");
    }

    #[test]
    fn what_could_not_be_measured_does_not_hold() {
        let must = Must::Be(Value::from(Number::ZERO));
        let threshold = Threshold { must, unit: Unit::Rows };
        let check = Check::Sql { query: "SELECT 1".into(), threshold };
        let rule = rule(Severity::Critical, check);
        assert!(value_finding(&rule, Value::from(Number::ZERO)).passed);
        let decision = decide(&[value_finding(&rule, Value::Null)], None, 0, 0);
        insta::assert_snapshot!(decision.refusals.join("\n"), @"`r` must be 0, measured: nothing");
    }

    #[test]
    fn data_is_fresh_to_the_second() {
        let promise = Freshness { id: "freshness".into(), column: None, max_age_seconds: 60 };
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert!(freshness_finding(&promise, Some(at(0)), at(60)).passed);
        let late = Timestamp::from_micros(60_000_001);
        let finding = freshness_finding(&promise, Some(at(0)), late);
        assert!(!finding.passed);
        assert_eq!(consequence_of(&finding), Some(Consequence::Annotate));
        assert!(!freshness_finding(&promise, None, at(0)).passed);
        assert!(freshness_finding(&promise, Some(at(9)), at(0)).passed, "clocks differ");
        assert!(freshness_finding(&promise, Some(at(86_400)), at(0)).passed, "so do days");
    }

    /// One row dated a year ahead is no evidence that anything is new.
    #[test]
    fn what_lies_in_the_future_is_not_fresh() {
        let promise = Freshness { id: "freshness".into(), column: None, max_age_seconds: 60 };
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let finding = freshness_finding(&promise, Some(at(86_401)), at(0));
        assert!(!finding.passed);
        assert_eq!(finding.measured, Value::Null);
        assert_eq!(finding.problem.as_deref(), Some("its newest value lies in the future"));
    }
}
