//! Laws of what findings do.

use lakebed_contract::{Consequence, consequence_of, decide};
use lakebed_core::contract::{Finding, Number, QuarantineLimit, Severity, Unit, Value};
use proptest::prelude::*;

fn finding() -> impl Strategy<Value = Finding> {
    (0..4_usize, any::<bool>(), any::<bool>(), 0..9_u32).prop_map(
        |(severity, blames_rows, passed, rule)| Finding {
            rule: format!("r{rule}"),
            column: None,
            severity: [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical]
                [severity],
            blames_rows,
            measured: Value::from(Number::from(1_u64)),
            unit: Unit::Rows,
            threshold: "0".to_owned(),
            passed,
            problem: None,
        },
    )
}

proptest! {
    /// A finding more never makes it milder, and one that passed changes nothing.
    #[test]
    fn findings_only_add(findings in proptest::collection::vec(finding(), 0..6), more in finding()) {
        let before = decide(&findings, None, 0, 10);
        let with: Vec<Finding> = findings.iter().cloned().chain([more.clone()]).collect();
        let after = decide(&with, None, 0, 10);
        prop_assert!(after.consequence >= before.consequence);
        prop_assert!(after.refusals.len() >= before.refusals.len());
        if more.passed {
            prop_assert_eq!(after, before);
        }
    }

    /// The order of findings changes nothing but the order in which they are told.
    #[test]
    fn the_order_does_not_matter(findings in proptest::collection::vec(finding(), 0..6)) {
        let mut reversed = findings.clone();
        reversed.reverse();
        let (one, other) = (decide(&findings, None, 0, 10), decide(&reversed, None, 0, 10));
        prop_assert_eq!(one.consequence, other.consequence);
        prop_assert_eq!(one.is_accepted(), other.is_accepted());
        prop_assert_eq!(one.held_back_by.len(), other.held_back_by.len());
    }

    /// Only what is critical refuses, and it always does; only errors hold back.
    #[test]
    fn refusing_is_for_what_is_critical(findings in proptest::collection::vec(finding(), 0..6)) {
        let broken = |severity| findings.iter().any(|f| !f.passed && f.severity == severity);
        let decision = decide(&findings, None, 0, 10);
        prop_assert_eq!(decision.is_accepted(), !broken(Severity::Critical));
        if !broken(Severity::Error) {
            prop_assert!(decision.held_back_by.is_empty());
        }
        for finding in &findings {
            let sets_aside = consequence_of(finding) == Some(Consequence::Quarantine);
            prop_assert!(!sets_aside || finding.blames_rows);
        }
    }

    /// A limit counts all quarantined rows, whatever they were set aside for.
    #[test]
    fn a_limit_refuses_beyond_it_alone(most in 0..20_u64, quarantined in 0..20_u64) {
        let limit = QuarantineLimit::Rows(most);
        let decision = decide(&[], Some(&limit), quarantined, 100);
        prop_assert_eq!(decision.is_accepted(), quarantined <= most);
    }
}
