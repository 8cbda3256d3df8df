//! Promotions: what each gate says, whose approvals count, and that no gate less is ever asked for.

use std::{collections::BTreeSet, sync::Arc};

use lakebed_core::{
    Gate, GateName, Ladder, ObjectId, ReviewVerdict, Stage, StageName, Timestamp, VersionId,
    contract::{Contract, ContractColumn, Finding, Severity, Unit, Value},
};
use lakebed_govern::{
    ContractFacts, FreshnessFacts, HeadFacts, InputFacts, MeasuredFacts, PlannedPromotion,
    PromotionFacts, PromotionPlan, Requester, Review, judge,
};
use proptest::{collection, prelude::*, sample};

fn stage(name: &str) -> StageName {
    name.parse().expect("a stage")
}

fn version(byte: u8) -> VersionId {
    VersionId::new(ObjectId::of(&[byte]))
}

/// One stage above `raw`, with these gates, all of them waivable that can be.
fn ladder(gates: impl IntoIterator<Item = Gate>) -> Ladder {
    let gates: BTreeSet<Gate> = gates.into_iter().collect();
    let waivable = gates.iter().map(Gate::name).filter(|gate| gate.can_be_waived()).collect();
    let raw = Stage { name: StageName::raw(), gates: [].into(), waivable: [].into() };
    let product = Stage { name: stage("product"), gates, waivable };
    Ladder { solo: false, stages: vec![raw, product] }
}

fn gates(texts: &[&str]) -> Vec<Gate> {
    texts.iter().map(|text| text.parse().expect("a gate")).collect()
}

fn requester(name: &str) -> Requester {
    let may_approve = BTreeSet::from(["sales.orders".parse().expect("a name")]);
    Requester { principal: Some(name.parse().expect("a principal")), may_approve }
}

fn contract(version: &str) -> Contract {
    let column = |name: &str| ContractColumn {
        name: name.to_owned(),
        description: Some(format!("what {name} is")),
        ..ContractColumn::default()
    };
    Contract {
        id: "orders".to_owned(),
        version: version.to_owned(),
        description: Some("What was bought.".to_owned()),
        owners: BTreeSet::from(["carol".to_owned()]),
        columns: vec![column("id"), column("price")],
        ..Contract::default()
    }
}

fn finding(severity: Severity, blames_rows: bool, passed: bool) -> Finding {
    Finding {
        rule: format!("{severity}-rule"),
        column: None,
        severity,
        blames_rows,
        measured: Value::Null,
        unit: Unit::default(),
        threshold: "0".to_owned(),
        passed,
        problem: None,
    }
}

fn contract_facts(contract: Contract) -> ContractFacts {
    let digest = contract.digest();
    let measured =
        MeasuredFacts { findings: Vec::new(), sets_rows_aside: true, freshness: Vec::new() };
    ContractFacts { contract: Arc::new(contract), digest, measured: Ok(measured) }
}

/// A version by `author` that every gate but `approvals` lets through.
fn facts() -> PromotionFacts {
    PromotionFacts {
        dataset: "sales.orders".parse().expect("a name"),
        number: 3,
        version_id: version(3),
        author: "author".to_owned(),
        owner: None,
        head: None,
        reached: BTreeSet::from([StageName::raw()]),
        reviews: Vec::new(),
        is_retired: false,
        damage: Vec::new(),
        columns: vec!["id".to_owned(), "price".to_owned()],
        contract: Some(contract_facts(contract("1.0.0"))),
        inputs: Vec::new(),
        accepted: 99,
        quarantined: 1,
    }
}

fn plan(ladder: &Ladder, facts: &PromotionFacts, who: &str) -> PlannedPromotion {
    let plan = judge(ladder, &stage("product"), &requester(who), std::slice::from_ref(facts));
    plan.promotions.into_iter().next().expect("one version, one answer")
}

/// What one gate says of `facts`.
fn says(gate: &str, facts: &PromotionFacts) -> String {
    let planned = plan(&ladder(gates(&[gate])), facts, "dave");
    let outcome = &planned.gates[0];
    format!("{}: {}", if outcome.holds { "open" } else { "closed" }, outcome.found)
}

fn review(event: u64, by: &str, verdict: ReviewVerdict, evidence: ObjectId) -> Review {
    Review { event, by: by.to_owned(), verdict, evidence, reason: Some("because".to_owned()) }
}

#[test]
fn every_gate_says_what_it_found() {
    let good = facts();
    insta::assert_snapshot!(says("integrity", &good), @"open: every byte was read again and is what its name says");
    insta::assert_snapshot!(says("owner", &good), @"open: `carol`");
    insta::assert_snapshot!(says("documented", &good), @"open: the dataset and its columns are described");
    insta::assert_snapshot!(says("contract", &good), @"open: `orders` 1.0.0 holds, 0 rules");
    insta::assert_snapshot!(says("compatible", &good), @"open: it is the first to come here");
    insta::assert_snapshot!(says("lineage", &good), @"open: it was made of originals alone");
    insta::assert_snapshot!(says("quarantine", &good), @"open: 1 of 100 rows were set aside, the usual limit is 1 %");
    insta::assert_snapshot!(says("fresh", &good), @"open: nothing is promised of its age");
    insta::assert_snapshot!(says("approvals(2)", &good), @"closed: 0 of 2 given");
}

#[test]
fn every_gate_says_why_it_is_closed() {
    let bad = PromotionFacts {
        damage: vec!["table file: it is not there".to_owned()],
        columns: vec!["id".to_owned(), "added".to_owned()],
        contract: None,
        head: Some(HeadFacts { number: 2, contract: Some(Arc::new(contract("1.0.0"))) }),
        inputs: vec![InputFacts {
            dataset: "crm.customers".parse().expect("a name"),
            version_id: version(1),
            number: Some(7),
            reached: BTreeSet::from([StageName::raw()]),
        }],
        quarantined: 2,
        ..facts()
    };
    insta::assert_snapshot!(says("integrity", &bad), @"closed: table file: it is not there");
    for gate in ["owner", "documented", "contract"] {
        assert_eq!(says(gate, &bad), "closed: no contract is declared");
    }
    insta::assert_snapshot!(says("compatible", &bad), @"closed: v2 came here under a contract, and none is declared now");
    insta::assert_snapshot!(says("lineage", &bad), @"closed: never at `product`: `crm.customers@v7`");
    insta::assert_snapshot!(says("lineage(raw)", &bad), @"open: 1 input at `raw` or beyond");
    insta::assert_snapshot!(says("quarantine", &bad), @"closed: 2 of 101 rows were set aside, the usual limit is 1 %");
    let mut narrower = contract("1.0.1");
    narrower.columns.pop();
    let narrower = PromotionFacts { contract: Some(contract_facts(narrower)), ..bad };
    insta::assert_snapshot!(says("compatible", &narrower), @"closed: from 1.0.0 of v2 to 1.0.1: the change is major: version `1.0.1` should be `2.0.0` or later");
    insta::assert_snapshot!(says("documented", &narrower), @"closed: the contract does not describe `added`");
}

/// D-74: rows that break a rule do no harm where they were set aside; what is true of the version as a
/// whole holds it back.
#[test]
fn broken_rules_hold_back_by_their_severity() {
    let with = |finding: Finding, sets_rows_aside| {
        let mut contract = contract_facts(contract("1.0.0"));
        let findings = vec![finding];
        let freshness = vec![FreshnessFacts {
            promise: "freshness".to_owned(),
            max_age_seconds: 60,
            newest: Some(Timestamp::from_micros(0)),
            is_fresh: false,
            is_ahead: false,
        }];
        contract.measured = Ok(MeasuredFacts { findings, sets_rows_aside, freshness });
        PromotionFacts { contract: Some(contract), ..facts() }
    };
    let is_open = |finding, aside| says("contract", &with(finding, aside)).starts_with("open");
    for severity in [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical] {
        assert!(is_open(finding(severity, true, true), false));
        let is_grave = severity >= Severity::Error;
        assert_eq!(is_open(finding(severity, false, false), true), !is_grave);
        assert_eq!(is_open(finding(severity, true, false), false), !is_grave);
    }
    assert!(is_open(finding(Severity::Error, true, false), true));
    assert!(!is_open(finding(Severity::Critical, true, false), true));
    let stale = with(finding(Severity::Error, true, true), true);
    insta::assert_snapshot!(says("fresh", &stale), @"closed: `freshness`: newest is 1970-01-01T00:00:00.000000Z, allowed age 60 s");
}

#[test]
fn rungs_are_climbed_one_by_one() {
    let usual = Ladder::usual();
    let planned = plan(&usual, &facts(), "dave");
    insta::assert_snapshot!(planned.reasons().join("\n"), @"
    `validated` comes before `product`: promote it to `validated` first
    approvals(1): 0 of 1 given
    ");
    let mut climbed = facts();
    climbed.reached.insert(stage("validated"));
    insta::assert_snapshot!(plan(&usual, &climbed, "dave").reasons().join("\n"), @"approvals(1): 0 of 1 given");
    let retired = PromotionFacts { is_retired: true, ..climbed };
    insta::assert_snapshot!(plan(&usual, &retired, "dave").refusals.join("\n"), @"`sales.orders` is retired");
    let to_raw = judge(&usual, &StageName::raw(), &requester("dave"), &[facts()]);
    insta::assert_snapshot!(to_raw.promotions[0].refusals.join("\n"), @"every version enters at `raw`");
    let nowhere = judge(&usual, &stage("gold"), &requester("dave"), &[facts()]);
    assert!(!nowhere.is_ready());
}

/// What comes to a stage together may be made of each other.
#[test]
fn inputs_may_come_along() {
    let ladder = ladder(gates(&["lineage"]));
    let input = InputFacts {
        dataset: "crm.customers".parse().expect("a name"),
        version_id: version(1),
        number: Some(7),
        reached: BTreeSet::from([StageName::raw()]),
    };
    let made = PromotionFacts { inputs: vec![input.clone()], ..facts() };
    assert!(!plan(&ladder, &made, "dave").is_ready());
    let source = PromotionFacts { dataset: input.dataset, version_id: version(1), ..facts() };
    let together = judge(&ladder, &stage("product"), &requester("dave"), &[made, source]);
    assert!(together.is_ready());
}

#[test]
fn whose_approvals_count() {
    let ladder = ladder(gates(&["owner", "approvals(1)"]));
    let evidence = plan(&ladder, &facts(), "dave").evidence;
    let found = |by: &str, who: &str, evidence, solo| {
        let reviews = vec![review(9, by, ReviewVerdict::Approved, evidence)];
        let facts = PromotionFacts { reviews, ..facts() };
        let planned = plan(&Ladder { solo, ..ladder.clone() }, &facts, who);
        let said = &planned.gates.last().expect("a gate").found;
        format!("{} self:{} {said}", planned.is_ready(), planned.self_approved)
    };
    insta::assert_snapshot!(found("carol", "dave", evidence, false), @"true self:false 1 of 1 given by `carol`");
    insta::assert_snapshot!(found("author", "dave", evidence, false), @"false self:false 0 of 1 given; `author` made it or asks for it");
    insta::assert_snapshot!(found("dave", "dave", evidence, false), @"false self:false 0 of 1 given; `dave` made it or asks for it");
    insta::assert_snapshot!(found("svc:bot", "dave", evidence, false), @"false self:false 0 of 1 given; `svc:bot` is a service");
    let other = version(9).object();
    insta::assert_snapshot!(found("carol", "dave", other, false), @"false self:false 0 of 1 given; `carol`'s word is about other evidence");
    insta::assert_snapshot!(found("carol", "dave", other, true), @"true self:true 1 of 1 given by `dave`; `carol`'s word is about other evidence");
    insta::assert_snapshot!(found("author", "author", evidence, true), @"true self:true 1 of 1 given by `author`");
    insta::assert_snapshot!(found("carol", "dave", evidence, true), @"true self:false 2 of 1 given by `carol`, `dave`");
    insta::assert_snapshot!(found("svc:bot", "svc:bot", evidence, true), @"false self:false 0 of 1 given; `svc:bot` is a service");
}

/// Whoever answers for a product made it, also where a service built it for them.
#[test]
fn p8_an_owner_approves_nothing_of_theirs() {
    let ladder = ladder(gates(&["owner", "approvals(1)"]));
    let owner = Some("erin".parse().expect("a principal"));
    let facts = PromotionFacts { author: "svc:bot".to_owned(), owner, ..facts() };
    let evidence = plan(&ladder, &facts, "dave").evidence;
    let found = |by: &str, solo| {
        let reviews = vec![review(9, by, ReviewVerdict::Approved, evidence)];
        let facts = PromotionFacts { reviews, ..facts.clone() };
        let planned = plan(&Ladder { solo, ..ladder.clone() }, &facts, "svc:bot");
        let said = &planned.gates.last().expect("a gate").found;
        format!("{} self:{} {said}", planned.is_ready(), planned.self_approved)
    };
    insta::assert_snapshot!(found("erin", false), @"false self:false 0 of 1 given; `erin` owns the product");
    insta::assert_snapshot!(found("carol", false), @"true self:false 1 of 1 given by `carol`");
    insta::assert_snapshot!(found("erin", true), @"true self:true 1 of 1 given by `erin`");
}

#[test]
fn the_last_word_of_each_person_counts() {
    let ladder = ladder(gates(&["approvals(1)"]));
    let evidence = plan(&ladder, &facts(), "dave").evidence;
    let after = |words: &[(&str, ReviewVerdict)]| {
        let reviews = words.iter().zip(1..);
        let reviews = reviews.map(|((by, verdict), event)| review(event, by, *verdict, evidence));
        let facts = PromotionFacts { reviews: reviews.collect(), ..facts() };
        plan(&ladder, &facts, "dave").is_ready()
    };
    let (yes, no) = (ReviewVerdict::Approved, ReviewVerdict::Rejected);
    assert!(after(&[("carol", no), ("carol", yes)]));
    assert!(!after(&[("carol", yes), ("carol", no)]));
    assert!(!after(&[("carol", yes), ("erin", no)]));
    assert!(!after(&[("carol", yes), ("dave", no)]), "who asks may say no");
}

/// A waiver opens one gate for just what it found, voids what was approved before it, and is told.
#[test]
fn a_waiver_is_open_and_narrow() {
    let mut ladder = ladder(gates(&["quarantine", "documented", "approvals(1)"]));
    let before = PromotionFacts { quarantined: 9, ..facts() };
    let planned = plan(&ladder, &before, "dave");
    let verdict = ReviewVerdict::Waived(GateName::Quarantine);
    let evidence = planned.evidence_of(verdict, &stage("product")).expect("it is closed");
    let holding = ReviewVerdict::Waived(GateName::Documented);
    assert_eq!(planned.evidence_of(holding, &stage("product")), None, "that gate is open");
    let reviews = vec![
        review(7, "carol", ReviewVerdict::Approved, planned.evidence),
        review(8, "erin", verdict, evidence),
    ];
    let waived = PromotionFacts { reviews: reviews.clone(), ..before.clone() };
    let planned = plan(&ladder, &waived, "dave");
    insta::assert_snapshot!(planned.reasons().join("\n"), @"approvals(1): 0 of 1 given; `carol`'s word is about other evidence");
    let waiver = planned.gates.iter().find_map(|outcome| outcome.waiver.clone());
    insta::assert_debug_snapshot!(waiver, @r#"
    Some(
        Waiver {
            by: "erin",
            reason: "because",
            event: 8,
        },
    )
    "#);
    let mut approved = waived.clone();
    approved.reviews.push(review(9, "carol", ReviewVerdict::Approved, planned.evidence));
    assert!(plan(&ladder, &approved, "dave").is_ready());
    let worse = PromotionFacts { quarantined: 10, ..approved.clone() };
    assert_eq!(plan(&ladder, &worse, "dave").reasons().len(), 2, "it was waived for nine rows");
    ladder.stages[1].waivable.clear();
    assert!(!plan(&ladder, &approved, "dave").is_ready(), "it is not waivable any more");
}

fn gate() -> impl Strategy<Value = Gate> {
    let all = ["integrity", "owner", "documented", "contract", "compatible", "lineage"];
    let more = ["lineage(raw)", "quarantine", "fresh", "approvals(1)", "approvals(2)"];
    sample::select(gates(&[&all[..], &more[..]].concat()))
}

fn some_gates() -> impl Strategy<Value = BTreeSet<Gate>> {
    collection::btree_set(gate(), 0..9).prop_map(|gates| {
        let mut seen = BTreeSet::new();
        gates.into_iter().filter(|gate| seen.insert(gate.name())).collect()
    })
}

fn some_facts() -> impl Strategy<Value = PromotionFacts> {
    let flaws = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0..3_u64);
    (flaws, sample::select(vec!["author", "dave", "carol"])).prop_map(|(flaws, author)| {
        let (is_damaged, has_contract, is_documented, has_input, quarantined) = flaws;
        let mut facts = PromotionFacts { quarantined, author: author.to_owned(), ..facts() };
        facts.damage.extend(is_damaged.then(|| "a list: it is not there".to_owned()));
        facts.contract = facts.contract.filter(|_| has_contract);
        facts.columns.extend((!is_documented).then(|| "more".to_owned()));
        facts.inputs.extend(has_input.then(|| InputFacts {
            dataset: "crm.customers".parse().expect("a name"),
            version_id: version(1),
            number: Some(1),
            reached: BTreeSet::from([StageName::raw()]),
        }));
        facts
    })
}

/// Who, which verdict, and whether it is of the evidence as it is at that moment, or of other.
type Word = (&'static str, usize, bool);

fn words() -> impl Strategy<Value = Vec<Word>> {
    let who = sample::select(vec!["author", "dave", "carol", "erin", "svc:bot"]);
    collection::vec((who, 0..4_usize, any::<bool>()), 0..8)
}

/// Says them one after the other.
fn say(ladder: &Ladder, mut facts: PromotionFacts, words: &[Word]) -> PromotionFacts {
    for (event, (by, verdict, is_bound)) in (1..).zip(words) {
        let planned = plan(ladder, &facts, "dave");
        let closed = planned.gates.iter().find(|outcome| !outcome.lets_through());
        let verdict = match verdict {
            0 | 1 => ReviewVerdict::Approved,
            2 => ReviewVerdict::Rejected,
            _ => ReviewVerdict::Waived(closed.map_or(GateName::Fresh, |gate| gate.gate.name())),
        };
        let evidence = planned.evidence_of(verdict, &stage("product")).filter(|_| *is_bound);
        let evidence = evidence.unwrap_or_else(|| version(99).object());
        facts.reviews.push(review(event, by, verdict, evidence));
    }
    facts
}

fn ready(ladder: &Ladder, facts: &PromotionFacts) -> bool {
    plan(ladder, facts, "dave").is_ready()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Another gate never lets more through, whatever was said under either ladder.
    #[test]
    fn a_gate_more_lets_nothing_more_through(
        some in some_gates(), more in gate(), facts in some_facts(), words in words(),
    ) {
        let smaller = ladder(some.clone());
        let mut all = some;
        if all.iter().all(|gate| gate.name() != more.name()) {
            all.insert(more);
        }
        let larger = ladder(all);
        let said = say(&smaller, facts.clone(), &words);
        prop_assert!(!ready(&larger, &said) || ready(&smaller, &said));
        // Approvals of the larger one are about more evidence: for the smaller they are none.
        let said = say(&larger, facts, &words);
        let asks_nobody = smaller.stages[1].approvals() == 0;
        prop_assert!(!ready(&larger, &said) || ready(&smaller, &said) || !asks_nobody);
    }

    /// Only people who neither made it nor ask for it, and who saw what is found now, consent.
    #[test]
    fn consent_is_of_others_and_of_this(facts in some_facts(), words in words(), some in some_gates()) {
        let ladder = ladder(some);
        let facts = say(&ladder, facts, &words);
        let planned = plan(&ladder, &facts, "dave");
        for approval in &planned.approvals {
            prop_assert!(approval.by != "dave" && approval.by != facts.author);
            prop_assert!(approval.by != "svc:bot" && approval.event.is_some());
            let said = facts.reviews.iter().find(|review| Some(review.event) == approval.event);
            let said = said.expect("somebody said it");
            prop_assert_eq!(said.evidence, planned.evidence);
            prop_assert_eq!(said.verdict, ReviewVerdict::Approved);
        }
        let needed = usize::from(ladder.stages[1].approvals());
        prop_assert!(!planned.is_ready() || planned.approvals.len() >= needed);
        prop_assert!(!planned.self_approved);
    }

    /// What is ready has passed every gate or was waived at it, openly; the proof is a value.
    #[test]
    fn only_what_is_ready_is_approved(facts in some_facts(), words in words(), some in some_gates()) {
        let ladder = ladder(some);
        let facts = say(&ladder, facts, &words);
        let planned = judge(&ladder, &stage("product"), &requester("dave"), &[facts]);
        prop_assert_eq!(&planned, &PromotionPlan { ..planned.clone() });
        let is_ready = planned.promotions[0].gates.iter().all(|outcome| {
            outcome.holds || outcome.waiver.as_ref().is_some_and(|waiver| waiver.event > 0)
        });
        prop_assert_eq!(planned.approve().is_ok(), is_ready);
    }
}
