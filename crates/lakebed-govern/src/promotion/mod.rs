//! What promoting versions to a stage would take: every gate, all of them evaluated, so that the
//! reader sees every reason at once.
//!
//! Pure: the caller reads catalog and objects and hands in [`PromotionFacts`]. Same facts, same plan.
//! Invariant: only a plan that nothing holds back becomes an [`ApprovedPlan`].

mod consent;
mod facts;
mod gates;

use std::collections::BTreeSet;

use lakebed_core::{
    Approval, DatasetName, Evidence, Gate, GateOutcome, Ladder, ObjectId, Promotion, ReviewVerdict,
    Stage, StageName, VersionId, Waiver,
};

pub use facts::{
    ContractFacts, FreshnessFacts, HeadFacts, InputFacts, MeasuredFacts, PromotionFacts, Requester,
    Review,
};

use consent::Consent;

/// What moving versions to a stage together would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionPlan {
    /// The stage.
    pub to: StageName,
    /// One per version, in the order they were asked for.
    pub promotions: Vec<PlannedPromotion>,
}

/// What moving one version to a stage would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPromotion {
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number.
    pub number: u64,
    /// The version.
    pub version_id: VersionId,
    /// The version that is head there now.
    pub from: Option<u64>,
    /// The contract in force, by digest.
    pub contract: Option<ObjectId>,
    /// Why it cannot come there whatever the gates say.
    pub refusals: Vec<String>,
    /// Every gate of the stage, in the gates' own order.
    pub gates: Vec<GateOutcome>,
    /// What approvals are bound to: the digest of what the gates found.
    pub evidence: ObjectId,
    /// Those that count.
    pub approvals: Vec<Approval>,
    /// Whether whoever made the version or asks for this is needed to approve it.
    pub self_approved: bool,
}

impl PlannedPromotion {
    /// Whether it would move the head.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.from != Some(self.number)
    }

    /// Whether the version is older than the head.
    #[must_use]
    pub fn goes_back(&self) -> bool {
        self.from.is_some_and(|from| self.number < from)
    }

    /// Whether nothing holds it back.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.refusals.is_empty() && self.gates.iter().all(GateOutcome::lets_through)
    }

    /// Everything that holds it back, a sentence each.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let closed = self.gates.iter().filter(|gate| !gate.lets_through());
        let closed = closed.map(|gate| format!("{}: {}", gate.gate, gate.found));
        self.refusals.iter().cloned().chain(closed).collect()
    }

    /// The same for those who may not know what was found.
    #[must_use]
    pub fn outline(&self) -> Vec<String> {
        let closed = self.gates.iter().filter(|gate| !gate.lets_through());
        let closed = closed.map(|gate| format!("{}: it is closed", gate.gate));
        self.refusals.iter().cloned().chain(closed).collect()
    }

    /// What a review that says `verdict` is bound to; none for a waiver of a gate that the stage does
    /// not have or that holds.
    #[must_use]
    pub fn evidence_of(&self, verdict: ReviewVerdict, stage: &StageName) -> Option<ObjectId> {
        let ReviewVerdict::Waived(name) = verdict else { return Some(self.evidence) };
        let outcome = self.gates.iter().find(|outcome| outcome.gate.name() == name);
        let outcome = outcome.filter(|outcome| !outcome.holds)?;
        let bare = GateOutcome { waiver: None, ..outcome.clone() };
        let of = (&self.dataset, self.version_id);
        Some(Evidence::new(of, stage, self.contract, [&bare]).digest())
    }

    /// What the event says of why it could.
    fn promotion(&self) -> Promotion {
        Promotion {
            version_id: self.version_id,
            contract: self.contract,
            declared: None,
            replaces: None,
            last_review: None,
            last_notice: None,
            evidence: self.evidence,
            gates: self.gates.clone(),
            approvals: self.approvals.clone(),
            self_approved: self.self_approved,
            goes_back: self.goes_back(),
        }
    }
}

impl PromotionPlan {
    /// Whether nothing holds any of it back. What is head already need not come there again.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.promotions.iter().all(|planned| !planned.is_change() || planned.is_ready())
    }

    /// The proof that nothing holds it back.
    ///
    /// # Errors
    /// The plan itself, where something does.
    pub fn approve(self) -> Result<ApprovedPlan, Box<Self>> {
        match self.is_ready() {
            true => Ok(ApprovedPlan(self)),
            false => Err(Box::new(self)),
        }
    }
}

/// A plan that nothing holds back. Only [`PromotionPlan::approve`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedPlan(PromotionPlan);

impl ApprovedPlan {
    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &PromotionPlan {
        &self.0
    }

    /// What the events of those that move a head say of why they could; what was read to find that
    /// out is for the caller to add.
    pub fn moves(&self) -> impl Iterator<Item = (&PlannedPromotion, Promotion)> {
        let moves = self.0.promotions.iter().filter(|planned| planned.is_change());
        moves.map(|planned| (planned, planned.promotion()))
    }
}

/// Says what moving the versions of `facts` to stage `to` of `ladder` together would take, if
/// `requester` asks for it.
#[must_use]
pub fn judge(
    ladder: &Ladder,
    to: &StageName,
    requester: &Requester,
    facts: &[PromotionFacts],
) -> PromotionPlan {
    let together = facts.iter().map(|facts| (facts.dataset.clone(), facts.version_id)).collect();
    let judge = |facts| Judge { ladder, to, requester, facts, together: &together }.judge();
    PromotionPlan { to: to.clone(), promotions: facts.iter().map(judge).collect() }
}

struct Judge<'a> {
    ladder: &'a Ladder,
    to: &'a StageName,
    requester: &'a Requester,
    facts: &'a PromotionFacts,
    /// What would come to the same stage at once.
    together: &'a BTreeSet<(DatasetName, VersionId)>,
}

impl Judge<'_> {
    fn judge(&self) -> PlannedPromotion {
        let facts = self.facts;
        let mut planned = PlannedPromotion {
            dataset: facts.dataset.clone(),
            number: facts.number,
            version_id: facts.version_id,
            from: facts.head.as_ref().map(|head| head.number),
            contract: facts.contract.as_ref().map(|contract| contract.digest),
            refusals: self.refusals(),
            gates: Vec::new(),
            evidence: facts.version_id.object(),
            approvals: Vec::new(),
            self_approved: false,
        };
        let position = self.ladder.position(self.to);
        let Some(stage) = position.and_then(|position| self.ladder.stages.get(position)) else {
            return planned;
        };
        planned.gates = stage.gates.iter().filter_map(|gate| self.outcome(gate)).collect();
        self.waive(stage, &mut planned);
        let of = (&facts.dataset, facts.version_id);
        planned.evidence = Evidence::new(of, self.to, planned.contract, &planned.gates).digest();
        self.ask_for_consent(stage, &mut planned);
        planned
    }

    /// What no gate can open.
    fn refusals(&self) -> Vec<String> {
        let mut refusals = Vec::new();
        if self.facts.is_retired {
            refusals.push(format!("`{}` is retired", self.facts.dataset));
        }
        match self.ladder.position(self.to) {
            None => refusals.push(format!("there is no stage `{}`", self.to)),
            Some(0) => refusals.push(format!("every version enters at `{}`", self.to)),
            Some(to) => refusals.extend(self.skipped(to)),
        }
        refusals
    }

    /// A version climbs rung by rung; where it once was it may come again.
    fn skipped(&self, to: usize) -> Vec<String> {
        let reached = self.facts.reached.iter().filter_map(|stage| self.ladder.position(stage));
        let highest = reached.max().unwrap_or_default();
        let skipped = self.ladder.stages.iter().take(to).skip(highest + 1);
        let told = |stage: &Stage| {
            let (first, to) = (&stage.name, self.to);
            format!("`{first}` comes before `{to}`: promote it to `{first}` first")
        };
        skipped.map(told).collect()
    }

    /// None of `approvals`, which looks at what the others found.
    fn outcome(&self, gate: &Gate) -> Option<GateOutcome> {
        let (holds, found) = match gate {
            Gate::Integrity => gates::integrity(self.facts),
            Gate::Owner => gates::owner(self.facts),
            Gate::Documented => gates::documented(self.facts),
            Gate::Contract => gates::contract(self.facts),
            Gate::Compatible => gates::compatible(self.facts),
            Gate::Lineage(at) => {
                let at = at.as_ref().unwrap_or(self.to);
                gates::lineage(self.facts, self.ladder, at, |input| {
                    at == self.to && self.together.contains(input)
                })
            }
            Gate::Quarantine => gates::quarantine(self.facts),
            Gate::Fresh => gates::fresh(self.facts),
            Gate::Approvals(_) => return None,
        };
        Some(GateOutcome { gate: gate.clone(), holds, found, waiver: None })
    }

    /// Opens the gates that somebody waived for just what they found.
    fn waive(&self, stage: &Stage, planned: &mut PlannedPromotion) {
        for review in &self.facts.reviews {
            let ReviewVerdict::Waived(name) = review.verdict else { continue };
            let is_bound = planned.evidence_of(review.verdict, self.to) == Some(review.evidence);
            if !is_bound || !stage.waivable.contains(&name) || !name.can_be_waived() {
                continue;
            }
            let gate = planned.gates.iter_mut().find(|outcome| outcome.gate.name() == name);
            if let Some(gate) = gate {
                gate.waiver = Some(Waiver {
                    by: review.by.clone(),
                    reason: review.reason.clone().unwrap_or_default(),
                    event: review.event,
                });
            }
        }
    }

    fn ask_for_consent(&self, stage: &Stage, planned: &mut PlannedPromotion) {
        let needed = stage.gates.iter().find_map(|gate| match gate {
            Gate::Approvals(needed) => Some((gate, usize::from(needed.get()))),
            _ => None,
        });
        let Some((gate, needed)) = needed else { return };
        let solo = self.ladder.solo;
        let consent = Consent::of(self.facts, self.requester, solo, planned.evidence);
        let (holds, found) = consent.outcome(needed);
        planned.gates.push(GateOutcome { gate: gate.clone(), holds, found, waiver: None });
        planned.self_approved = holds && consent.is_own(needed);
        planned.approvals = consent.approvals;
    }
}
