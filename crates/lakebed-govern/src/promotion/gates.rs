//! The gates, one function each: whether it holds, and what was found.
//!
//! What was found is part of what approvals are bound to: the same facts give the same text, and no
//! value of the data and no age is in it.

use lakebed_contract::{check_version, classify};
use lakebed_core::{
    DatasetName, Ladder, StageName, VersionId,
    contract::{Finding, Number, QuarantineLimit, Severity},
};

use super::{ContractFacts, FreshnessFacts, InputFacts, PromotionFacts};

/// How many names a text lists at most.
const NAMED: usize = 5;
/// How many of a hundred rows may be set aside where no contract says so.
const USUAL_PERCENT: u64 = 1;

type Outcome = (bool, String);

pub(super) fn integrity(facts: &PromotionFacts) -> Outcome {
    match facts.damage.is_empty() {
        true => (true, "every byte was read again and is what its name says".to_owned()),
        false => (false, listed(&facts.damage)),
    }
}

pub(super) fn owner(facts: &PromotionFacts) -> Outcome {
    let Some(ContractFacts { contract, .. }) = &facts.contract else { return no_contract() };
    let owners: Vec<String> = contract.owners.iter().map(|owner| format!("`{owner}`")).collect();
    match owners.is_empty() {
        true => (false, "the contract's team has nobody in the role `owner`".to_owned()),
        false => (true, listed(&owners)),
    }
}

pub(super) fn documented(facts: &PromotionFacts) -> Outcome {
    let Some(ContractFacts { contract, .. }) = &facts.contract else { return no_contract() };
    let is_said = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
    let mut silent = Vec::new();
    if !is_said(contract.description.as_deref()) {
        silent.push("the dataset".to_owned());
    }
    for name in &facts.columns {
        let column = contract.columns.iter().find(|column| column.column() == name);
        if !is_said(column.and_then(|column| column.description.as_deref())) {
            silent.push(format!("`{name}`"));
        }
    }
    match silent.is_empty() {
        true => (true, "the dataset and its columns are described".to_owned()),
        false => (false, format!("the contract does not describe {}", listed(&silent))),
    }
}

pub(super) fn contract(facts: &PromotionFacts) -> Outcome {
    let Some(ContractFacts { contract, measured, .. }) = &facts.contract else {
        return no_contract();
    };
    let measured = match measured {
        Ok(measured) => measured,
        Err(why) => return (false, why.clone()),
    };
    let holds_back = |finding: &&Finding| holds_back(finding, measured.sets_rows_aside);
    let broken: Vec<String> = measured
        .findings
        .iter()
        .filter(holds_back)
        .map(|finding| format!("`{}`", finding.rule))
        .collect();
    let which = format!("`{}` {}", contract.id, contract.version);
    match broken.is_empty() {
        true => (true, format!("{which} holds, {}", counted(measured.findings.len(), "rule"))),
        false => (false, format!("{which} does not hold: {}", listed(&broken))),
    }
}

/// Rows that break a rule do no harm where they were set aside (D-74).
fn holds_back(finding: &Finding, sets_rows_aside: bool) -> bool {
    let is_aside = finding.severity == Severity::Error && finding.blames_rows && sets_rows_aside;
    !finding.passed && finding.severity >= Severity::Error && !is_aside
}

pub(super) fn compatible(facts: &PromotionFacts) -> Outcome {
    let Some(head) = &facts.head else { return (true, "it is the first to come here".to_owned()) };
    let Some(old) = &head.contract else {
        return (true, format!("v{} came here without a contract", head.number));
    };
    let Some(ContractFacts { contract: new, .. }) = &facts.contract else {
        let number = head.number;
        return (false, format!("v{number} came here under a contract, and none is declared now"));
    };
    let change = classify(old, new);
    let versions = format!("from {} of v{} to {}", old.version, head.number, new.version);
    match check_version(old, new, &change) {
        Ok(()) => (true, format!("the contract's change {versions} is {}", change.level)),
        Err(flaw) => (false, format!("{versions}: {flaw}")),
    }
}

pub(super) fn lineage(
    facts: &PromotionFacts,
    ladder: &Ladder,
    at: &StageName,
    comes_along: impl Fn(&(DatasetName, VersionId)) -> bool,
) -> Outcome {
    let needed = ladder.position(at);
    let is_there = |input: &InputFacts| {
        let reached = input.reached.iter().filter_map(|stage| ladder.position(stage)).max();
        let was_there = input.number.is_some() && needed.is_some() && reached >= needed;
        was_there || comes_along(&(input.dataset.clone(), input.version_id))
    };
    let named = |input: &InputFacts| match input.number {
        Some(number) => format!("`{}@v{number}`", input.dataset),
        None => format!("a version of `{}` that nobody knows", input.dataset),
    };
    let missing: Vec<String> =
        facts.inputs.iter().filter(|input| !is_there(input)).map(named).collect();
    match (missing.is_empty(), facts.inputs.len()) {
        (true, 0) => (true, "it was made of originals alone".to_owned()),
        (true, count) => (true, format!("{} at `{at}` or beyond", counted(count, "input"))),
        (false, _) => (false, format!("never at `{at}`: {}", listed(&missing))),
    }
}

pub(super) fn quarantine(facts: &PromotionFacts) -> Outcome {
    let (quarantined, total) = (facts.quarantined, facts.accepted + facts.quarantined);
    let usual = QuarantineLimit::Percent(Number::from(USUAL_PERCENT));
    let promised = facts.contract.as_ref().and_then(|facts| facts.contract.max_quarantined);
    let (limit, whose) = match promised {
        Some(limit) => (limit, "the contract allows"),
        None => (usual, "the usual limit is"),
    };
    let found = format!("{quarantined} of {total} rows were set aside, {whose} {limit}");
    (limit.allows(quarantined, total), found)
}

pub(super) fn fresh(facts: &PromotionFacts) -> Outcome {
    let Some(ContractFacts { measured, .. }) = &facts.contract else {
        return (true, "nothing is promised of its age".to_owned());
    };
    let promises = match measured {
        Ok(measured) => &measured.freshness,
        Err(why) => return (false, why.clone()),
    };
    let told = |promise: &FreshnessFacts| {
        let newest = promise.newest.map_or("nothing".to_owned(), |newest| newest.to_string());
        let limit = promise.max_age_seconds;
        let ahead = if promise.is_ahead { ", which lies in the future" } else { "" };
        format!("`{}`: newest is {newest}{ahead}, allowed age {limit} s", promise.promise)
    };
    let stale: Vec<String> =
        promises.iter().filter(|promise| !promise.is_fresh).map(told).collect();
    match (stale.is_empty(), promises.is_empty()) {
        (_, true) => (true, "nothing is promised of its age".to_owned()),
        (true, false) => (true, listed(&promises.iter().map(told).collect::<Vec<_>>())),
        (false, _) => (false, listed(&stale)),
    }
}

fn no_contract() -> Outcome {
    (false, "no contract is declared".to_owned())
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn listed(names: &[String]) -> String {
    let mut told = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        told.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    told
}
