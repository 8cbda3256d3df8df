//! What pipelines elsewhere told of a dataset of ours: the other ends of the edges that they say there are.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_catalog::LineageFilter;
use lakebed_core::{
    DatasetName, Timestamp,
    lineage::{LineageName, LineageReceived},
};

use super::{Direction, LineageVersion};
use crate::{Ctx, Lake, Result};

/// How many events that name a dataset are told of, the newest first.
const MOST_EVENTS: u32 = 100;
/// Of how many datasets of one answer.
const MOST_DATASETS: usize = 50;

/// Something outside of the lake, or a dataset of it, that somebody says one of ours was made of, or was
/// made into. A claim: nothing hangs on it (D-147).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalNode {
    /// Its name, as it was told.
    pub name: LineageName,
    /// The job that is said to have read or made it.
    pub job: Option<LineageName>,
    /// Who told it.
    pub told_by: String,
    /// When the lake was told.
    pub told_at: Timestamp,
    /// The event.
    pub seq: u64,
}

impl Lake {
    /// What is said to stand beside `dataset`, by name: up, what it was made of; down, what was made of it.
    /// Of several who told the same, the newest.
    pub(crate) async fn external(
        &self,
        ctx: &Ctx,
        dataset: &DatasetName,
        direction: Direction,
    ) -> Result<Vec<ExternalNode>> {
        let filter = LineageFilter { dataset: Some(dataset.clone()), ..LineageFilter::default() };
        let seen = self.lineage_events(ctx, &filter, None, MOST_EVENTS).await?;
        let mut found = BTreeMap::new();
        for event in seen.events {
            let LineageReceived { inputs, outputs, job, .. } = &event.received;
            let (ours, beside) = match direction {
                Direction::Up => (outputs, inputs),
                Direction::Down => (inputs, outputs),
            };
            if !ours.iter().any(|node| node.datasets.contains(dataset)) {
                continue;
            }
            for node in beside.iter().filter(|node| !node.datasets.contains(dataset)) {
                let name = (node.name.namespace.clone(), node.name.name.clone());
                found.entry(name).or_insert_with(|| ExternalNode {
                    name: node.name.clone(),
                    job: job.clone(),
                    told_by: event.actor.clone(),
                    told_at: event.at,
                    seq: event.seq,
                });
            }
        }
        Ok(found.into_values().collect())
    }

    /// The same of every dataset among `versions`, at the first version of each.
    pub(super) async fn add_external(
        &self,
        ctx: &Ctx,
        versions: &mut [LineageVersion],
        direction: Direction,
    ) -> Result<()> {
        if self.lineage_events(ctx, &LineageFilter::default(), None, 1).await?.events.is_empty() {
            return Ok(());
        }
        let mut looked_at = BTreeSet::new();
        for version in versions {
            let dataset = version.record.dataset.clone();
            if looked_at.len() < MOST_DATASETS && looked_at.insert(dataset.clone()) {
                version.external = self.external(ctx, &dataset, direction).await?;
            }
        }
        Ok(())
    }
}
