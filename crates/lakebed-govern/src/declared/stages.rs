//! The ladder of stages: what `stages.yaml` may say, and what makes a ladder valid.

use std::collections::BTreeSet;

use lakebed_core::{Gate, GateName, Ladder, Stage, StageName};
use serde::Deserialize;

use super::{DeclaredFlaw, yaml::Text};

/// How many stages a ladder has at most.
const MAX_STAGES: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StagesFile {
    #[serde(default)]
    pub(super) solo: bool,
    pub(super) stages: Vec<StageEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StageEntry {
    pub(super) name: Text,
    #[serde(default)]
    pub(super) gates: Vec<Text>,
    #[serde(default)]
    pub(super) waivable: Vec<Text>,
}

/// Everything in a ladder that cannot be meant like that, with the place of the stage it is about.
pub(super) fn check_ladder(ladder: &Ladder) -> Vec<(usize, DeclaredFlaw)> {
    let mut flaws = Vec::new();
    if ladder.stages.is_empty() {
        flaws.push((0, flaw(&StageName::raw(), "every ladder has it")));
    }
    if ladder.stages.len() > MAX_STAGES {
        let last = &ladder.stages[MAX_STAGES].name;
        flaws.push((MAX_STAGES, flaw(last, "a ladder has at most 16 stages")));
    }
    for (place, stage) in ladder.stages.iter().enumerate() {
        let found = check_stage(ladder, place, stage);
        flaws.extend(found.into_iter().map(|why| (place, flaw(&stage.name, why))));
    }
    flaws
}

fn flaw(stage: &StageName, why: &'static str) -> DeclaredFlaw {
    DeclaredFlaw::Stage { stage: stage.clone(), why }
}

fn check_stage(ladder: &Ladder, place: usize, stage: &Stage) -> Vec<&'static str> {
    let mut flaws = Vec::new();
    let is_raw = stage.name == StageName::raw();
    match (place, is_raw) {
        (0, false) => flaws.push("the first stage is `raw`: every version enters there"),
        (0, true) if !stage.gates.is_empty() => {
            flaws.push("every version enters there, so it has no gates");
        }
        _ if ladder.position(&stage.name) != Some(place) => flaws.push("it stands there twice"),
        _ => {}
    }
    let names: BTreeSet<GateName> = stage.gates.iter().map(Gate::name).collect();
    if names.len() < stage.gates.len() {
        flaws.push("it names a gate twice");
    }
    if !stage.waivable.is_subset(&names) {
        flaws.push("it has a waivable gate that is none of its gates");
    }
    if stage.waivable.iter().any(|gate| !gate.can_be_waived()) {
        flaws.push("`integrity` and `approvals` cannot be waived");
    }
    let strange = |gate: &Gate| match gate {
        Gate::Lineage(Some(at)) => ladder.position(at).is_none(),
        _ => false,
    };
    if stage.gates.iter().any(strange) {
        flaws.push("its `lineage(…)` names no stage of the ladder");
    }
    flaws
}
