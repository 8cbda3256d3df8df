//! P8 as a law: whatever anybody asks for, in any order, nothing comes to the last stage but through
//! its gates, or past those that were openly waived where the declaration lets them be.
//!
//! The witness knows nothing but the events: it follows what was declared, made, said and moved, and
//! judges every move by itself.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    Action, DatasetName, Declared, Event, EventBody, Gate, GateName, GateOutcome, HeadMoved,
    Ladder, ObjectId, PrincipalName, Promotion, ReviewVerdict, StageName, VersionCommitted,
};
use lakebed_service::Error;
use lakebed_testkit::TestLake;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

use crate::promotions::{LADDER, apply, catalog, ctx, ingest, promotion, say};

const DATASETS: [&str; 2] = ["sales.customers", "sales.orders"];
const WHO: [&str; 9] = ["dan", "dora", "sam", "amy", "abe", "svc:bot", "rob", "ian", "eve"];

/// What somebody tries to do.
#[derive(Debug, Clone)]
enum Attempt {
    Ingest { dataset: usize, good: bool },
    Promote { who: &'static str, versions: Vec<(usize, u64)>, to: &'static str },
    Review { who: &'static str, version: (usize, u64), to: &'static str, verdict: ReviewVerdict },
    Declare(usize),
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let who = || select(WHO.to_vec());
    let to = || select(vec!["validated", "product", "product"]);
    let version = || (0..DATASETS.len(), 1..4_u64);
    let verdict = prop_oneof![
        4 => Just(ReviewVerdict::Approved),
        1 => Just(ReviewVerdict::Rejected),
        2 => select(GateName::ALL.to_vec()).prop_map(ReviewVerdict::Waived),
    ];
    let attempt = prop_oneof![
        2 => (0..DATASETS.len(), any::<bool>())
            .prop_map(|(dataset, good)| Attempt::Ingest { dataset, good }),
        6 => (who(), vec(version(), 1..3), to())
            .prop_map(|(who, versions, to)| Attempt::Promote { who, versions, to }),
        5 => (who(), version(), to(), verdict)
            .prop_map(|(who, version, to, verdict)| Attempt::Review { who, version, to, verdict }),
        1 => (0..declarations().len()).prop_map(Attempt::Declare),
    ];
    // A way that may lead to the end, so that some do.
    let way = (0..DATASETS.len(), 1..3_u64).prop_map(|version| {
        let promote = |who, to| Attempt::Promote { who, versions: vec![version], to };
        let verdict = ReviewVerdict::Approved;
        let approve = Attempt::Review { who: "amy", version, to: "product", verdict };
        vec![promote("dora", "validated"), approve, promote("dora", "product")]
    });
    let some = prop_oneof![3 => attempt.prop_map(|attempt| vec![attempt]), 1 => way];
    vec(some, 4..16).prop_map(|attempts| attempts.concat())
}

fn declarations() -> Vec<Declared> {
    let strict = LADDER.replace(r#","waivable":["quarantine"]"#, "");
    let strict = strict.replace("approvals(1)", "approvals(2)");
    let solo = LADDER.replacen('{', r#"{"solo":true,"#, 1);
    let mut fewer = catalog(&DATASETS, "1.0.0", LADDER);
    fewer.grants.retain(|grant| grant.to.to_string() != "amy");
    vec![
        catalog(&DATASETS, "1.0.0", LADDER),
        catalog(&DATASETS, "1.1.0", LADDER),
        catalog(&DATASETS[..1], "1.0.0", LADDER),
        catalog(&DATASETS, "1.0.0", &strict),
        catalog(&DATASETS, "1.0.0", &solo),
        fewer,
    ]
}

async fn attempt(test: &TestLake, attempt: &Attempt) {
    let reference = |(dataset, number): &(usize, u64)| format!("{}@v{number}", DATASETS[*dataset]);
    let outcome = match attempt {
        Attempt::Ingest { dataset, good } => {
            let last = if *good { "3,3" } else { "x,3" };
            let text = format!("id,{}\n1,1\n{last}\n", ["name", "customer"][*dataset]);
            ingest(test, "dan", DATASETS[*dataset], &text).await;
            Ok(())
        }
        Attempt::Promote { who, versions, to } => {
            let references: Vec<String> = versions.iter().map(reference).collect();
            let references: Vec<&str> = references.iter().map(String::as_str).collect();
            let asked = promotion(&references, to);
            let planned = test.lake.plan_promotion(&ctx(who), &asked).await;
            let promoted = test.lake.promote(&ctx(who), &asked).await;
            // The dry run says what the commit does.
            let is_ready = planned.as_ref().is_ok_and(|plan| plan.is_ready);
            assert!(promoted.is_err() || is_ready, "{planned:?} {promoted:?}");
            promoted.map(drop)
        }
        Attempt::Review { who, version, to, verdict } => {
            say(&test.lake, who, &[&reference(version)], to, *verdict).await.map(drop)
        }
        Attempt::Declare(which) => {
            apply(test, declarations().swap_remove(*which)).await;
            Ok(())
        }
    };
    // A refusal is an answer; a failure is none.
    if let Err(error) = outcome {
        let is_answer = matches!(
            error,
            Error::NotFound { .. }
                | Error::Invalid { .. }
                | Error::Forbidden { .. }
                | Error::NotReady { .. }
        );
        assert!(is_answer, "{attempt:?}: {error:?}");
    }
}

/// What the events so far add up to.
#[derive(Default)]
struct Witness {
    declared: Declared,
    made: BTreeMap<(DatasetName, u64), (String, VersionCommitted)>,
    /// Versions that were looked up in customers when they came: these are their inputs.
    made_of_customers: BTreeSet<(DatasetName, u64)>,
    reached: BTreeSet<(DatasetName, u64, StageName)>,
    said: Vec<Event>,
    products: usize,
}

impl Witness {
    fn see(&mut self, events: &[Event]) {
        let mut seq = 0;
        for event in events {
            assert_eq!(event.seq, seq + 1, "all of them are seen");
            seq = event.seq;
            match &event.body {
                EventBody::CatalogApplied(applied) => self.declared = applied.declared.clone(),
                EventBody::VersionCommitted(version) => {
                    let of = (version.dataset.clone(), version.number);
                    let is_under_contract = self.declared.contracts.contains_key(&of.0);
                    if of.0.name() == "orders" && is_under_contract {
                        self.made_of_customers.insert(of.clone());
                    }
                    self.made.insert(of, (event.actor.clone(), version.clone()));
                }
                EventBody::PromotionReviewed(_) => self.said.push(event.clone()),
                EventBody::HeadMoved(moved) => {
                    // Those of one commit see each other.
                    let together: Vec<&HeadMoved> = events
                        .iter()
                        .filter(|other| other.at == event.at)
                        .filter_map(|other| match &other.body {
                            EventBody::HeadMoved(moved) => Some(moved),
                            _ => None,
                        })
                        .collect();
                    self.judge(event, moved, &together);
                }
                _ => {}
            }
        }
    }

    fn may(&self, who: &str, action: Action) -> bool {
        let of = |grant: &&lakebed_core::Grant| grant.to.to_string() == who;
        let mut grants = self.declared.grants.iter().filter(of);
        grants.any(|grant| grant.may.contains(&action))
    }

    fn judge(&mut self, event: &Event, moved: &HeadMoved, together: &[&HeadMoved]) {
        let HeadMoved { dataset, stage, to, .. } = moved;
        let ladder: Ladder = self.declared.ladder();
        let position = ladder.position(stage).expect("a declared stage");
        let rung = &ladder.stages[position];
        let promotion = moved.promotion.as_ref().expect("no head moves without a word why");
        let actor = &event.actor;
        assert!(self.may(actor, Action::Ingest) || self.may(actor, Action::Steward));
        let gates: BTreeSet<Gate> =
            promotion.gates.iter().map(|outcome| outcome.gate.clone()).collect();
        assert_eq!(gates, rung.gates, "every gate, and no other");
        let before = &ladder.stages[position - 1].name;
        let was_below = position == 1
            || self.reached.iter().any(|(d, n, s)| d == dataset && n == to && s == before)
            || self.reached.contains(&(dataset.clone(), *to, stage.clone()));
        assert!(was_below, "no rung is left out");
        let (author, version) = &self.made[&(dataset.clone(), *to)];
        assert_eq!(promotion.version_id, version.version_id);
        for outcome in &promotion.gates {
            assert!(outcome.lets_through(), "{outcome:?}");
            let holds = match &outcome.gate {
                Gate::Contract | Gate::Owner => self.declared.contracts.contains_key(dataset),
                Gate::Quarantine => {
                    let total = version.row_count + version.quarantined_count;
                    version.quarantined_count * 100 <= total
                }
                Gate::Approvals(needed) => {
                    let count = self.approvals(moved, promotion, actor, author);
                    count >= usize::from(needed.get())
                }
                Gate::Lineage(_) => together.len() > 1 || self.inputs_are_there(dataset, *to),
                _ => outcome.holds,
            };
            assert_eq!(holds, outcome.holds, "{outcome:?}");
            self.check_waiver(moved, rung, outcome);
        }
        self.reached.insert((dataset.clone(), *to, stage.clone()));
        self.products += usize::from(position == ladder.stages.len() - 1);
    }

    /// Which customers they were looked up in the manifest says, which the witness does not read: some
    /// of them must have come here.
    fn inputs_are_there(&self, dataset: &DatasetName, number: u64) -> bool {
        let mut reached = self.reached.iter();
        !self.made_of_customers.contains(&(dataset.clone(), number))
            || reached.any(|(d, _, s)| d.name() == "customers" && s.as_str() == "product")
    }

    fn check_waiver(&self, moved: &HeadMoved, rung: &lakebed_core::Stage, outcome: &GateOutcome) {
        let Some(waiver) = &outcome.waiver else { return };
        let name = outcome.gate.name();
        assert!(!outcome.holds && rung.waivable.contains(&name) && name.can_be_waived());
        let said = self.said.iter().find(|event| event.seq == waiver.event).expect("it was said");
        let EventBody::PromotionReviewed(review) = &said.body else { panic!("{said:?}") };
        assert_eq!(review.verdict, ReviewVerdict::Waived(name));
        assert_eq!((&review.dataset, review.number), (&moved.dataset, moved.to));
        assert_eq!((&review.stage, &said.actor), (&moved.stage, &waiver.by));
        assert!(waiver.by == "sam", "only stewards waive");
        assert!(review.reason.is_some());
    }

    /// How many consent, by the witness' own count.
    fn approvals(
        &self,
        moved: &HeadMoved,
        promotion: &Promotion,
        actor: &str,
        author: &str,
    ) -> usize {
        let mut last: BTreeMap<&str, (ReviewVerdict, ObjectId)> = BTreeMap::new();
        for event in &self.said {
            let EventBody::PromotionReviewed(review) = &event.body else { continue };
            let is_about = review.dataset == moved.dataset
                && review.number == moved.to
                && review.stage == moved.stage
                && !matches!(review.verdict, ReviewVerdict::Waived(_));
            if is_about {
                last.insert(&event.actor, (review.verdict, review.evidence));
            }
        }
        let of_this = last.iter().filter(|(_, (_, evidence))| *evidence == promotion.evidence);
        let no = of_this.clone().filter(|(_, (verdict, _))| *verdict == ReviewVerdict::Rejected);
        assert_eq!(no.count(), 0, "somebody said no");
        let solo = self.declared.ladder().solo;
        let is_person = |who: &str| {
            let name: PrincipalName = who.parse().expect("a principal");
            !name.is_service()
        };
        let yes = of_this.map(|(who, _)| *who).filter(|who| is_person(who));
        let others: BTreeSet<&str> =
            yes.filter(|who| solo || (*who != actor && *who != author)).collect();
        let own =
            solo && is_person(actor) && self.may(actor, Action::Approve) && !others.contains(actor);
        let independent = others.iter().filter(|who| **who != actor && **who != author).count();
        assert_eq!(promotion.self_approved, independent < self.needed(moved), "it is told");
        others.len() + usize::from(own)
    }

    fn needed(&self, moved: &HeadMoved) -> usize {
        let ladder = self.declared.ladder();
        let stage = ladder.stages.iter().find(|stage| stage.name == moved.stage);
        stage.map_or(0, |stage| usize::from(stage.approvals()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_no_sequence_of_calls_makes_a_product_past_its_gates() {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let products = std::cell::Cell::new(0);
    let run = |attempts: Vec<Attempt>| {
        let one = async {
            let test = TestLake::new().await;
            apply(&test, declarations().swap_remove(0)).await;
            for dataset in 0..DATASETS.len() {
                attempt(&test, &Attempt::Ingest { dataset, good: true }).await;
            }
            for one in &attempts {
                attempt(&test, one).await;
            }
            let mut witness = Witness::default();
            witness.see(&test.events(0, 1000).await);
            products.set(products.get() + witness.products);
        };
        tokio::runtime::Handle::current().block_on(one);
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&attempts(), run)).unwrap();
    assert!(products.get() > 0, "nothing came to the end");
}
