//! Whose approvals count.
//!
//! Not the requester's, not the author's nor the product's owner's, not a service's, and nobody's of other
//! evidence; who may administer the lake is no exception. In a lake of one person their own count, and are told.

use std::collections::BTreeMap;

use lakebed_core::{Approval, ObjectId, PrincipalName, ReviewVerdict};

use super::{PromotionFacts, Requester, Review};

/// Who consents to a promotion, and who does not.
#[derive(Debug)]
pub(super) struct Consent {
    /// Those that count.
    pub(super) approvals: Vec<Approval>,
    /// Of them, how many are neither the requester's, nor the author's, nor the owner's.
    independent: usize,
    /// Who said no, and why.
    rejections: Vec<String>,
    /// Approvals that do not count, and why.
    void: Vec<String>,
}

impl Consent {
    /// What was said of `evidence`. The last word of each person is theirs.
    pub(super) fn of(
        facts: &PromotionFacts,
        requester: &Requester,
        solo: bool,
        evidence: ObjectId,
    ) -> Self {
        let mut consent = Self {
            approvals: Vec::new(),
            independent: 0,
            rejections: Vec::new(),
            void: Vec::new(),
        };
        let asks = requester.principal.as_ref().map(PrincipalName::as_str);
        let makes = |by: &str| asks == Some(by) || by == facts.author;
        // Whoever answers for a product made it, whoever built it for them.
        let owner = facts.owner.as_ref().map(PrincipalName::as_str);
        let is_own = |by: &str| makes(by) || owner == Some(by);
        for review in last_words(&facts.reviews) {
            let by = &review.by;
            if review.evidence != evidence {
                consent.void.push(format!("`{by}`'s word is about other evidence"));
            } else if review.verdict == ReviewVerdict::Rejected {
                let why = review.reason.as_deref().unwrap_or("no reason given");
                consent.rejections.push(format!("`{by}` says no: {why}"));
            } else if is_service(by) {
                consent.void.push(format!("`{by}` is a service"));
            } else if makes(by) && !solo {
                consent.void.push(format!("`{by}` made it or asks for it"));
            } else if is_own(by) && !solo {
                consent.void.push(format!("`{by}` owns the product"));
            } else {
                consent.independent += usize::from(!is_own(by));
                consent.approvals.push(Approval { by: by.clone(), event: Some(review.event) });
            }
        }
        if solo {
            consent.add_requester(facts, requester);
        }
        consent
    }

    /// In a lake of one person, asking is consenting, for whoever could.
    fn add_requester(&mut self, facts: &PromotionFacts, requester: &Requester) {
        let Some(by) = requester.principal.as_ref().map(PrincipalName::as_str) else { return };
        let may = requester.may_approve.contains(&facts.dataset) && !is_service(by);
        if may && self.approvals.iter().all(|approval| approval.by != by) {
            self.approvals.push(Approval { by: by.to_owned(), event: None });
        }
    }

    /// Whether it is enough, and what there is.
    pub(super) fn outcome(&self, needed: usize) -> (bool, String) {
        if !self.rejections.is_empty() {
            return (false, self.rejections.join("; "));
        }
        let names: Vec<String> =
            self.approvals.iter().map(|approval| format!("`{}`", approval.by)).collect();
        let mut found = format!("{} of {needed} given", names.len());
        if !names.is_empty() {
            found.push_str(&format!(" by {}", names.join(", ")));
        }
        for void in &self.void {
            found.push_str(&format!("; {void}"));
        }
        (names.len() >= needed, found)
    }

    /// Whether it would not be enough without those who made it or ask for it.
    pub(super) const fn is_own(&self, needed: usize) -> bool {
        self.independent < needed
    }
}

/// Approvals and rejections, the last of each person.
fn last_words(reviews: &[Review]) -> impl Iterator<Item = &Review> {
    let mut last: BTreeMap<&str, &Review> = BTreeMap::new();
    for review in reviews {
        if !matches!(review.verdict, ReviewVerdict::Waived(_)) {
            last.insert(&review.by, review);
        }
    }
    let mut words: Vec<&Review> = last.into_values().collect();
    words.sort_by_key(|review| review.event);
    words.into_iter()
}

fn is_service(name: &str) -> bool {
    name.parse().is_ok_and(|principal: PrincipalName| principal.is_service())
}
