//! What gates look at, read: of each gate that the stage has, and no more.

use std::{collections::BTreeSet, sync::Arc};

use lakebed_catalog::{HeadRecord, ReviewRecord, VersionState};
use lakebed_core::{
    Gate, GateName, InputVersion, PrincipalName, Stage, StageName, contract::Contract,
};
use lakebed_govern::{
    ContractFacts, FreshnessFacts, HeadFacts, InputFacts, MeasuredFacts, PromotionFacts, Review,
};

use crate::{
    Ctx, Error, Lake, Result, VersionDetail, VersionRecord, VersionReport, cache::InForce,
};

impl Lake {
    pub(super) async fn promotion_facts(
        &self,
        ctx: &Ctx,
        version: &VersionRecord,
        state: &VersionState,
        stage: &Stage,
        in_force: &InForce,
    ) -> Result<PromotionFacts> {
        let version = &self.in_files(ctx, version.clone()).await?;
        let gates: BTreeSet<GateName> = stage.gates.iter().map(Gate::name).collect();
        let has = |gate| gates.contains(&gate);
        let damage = match has(GateName::Integrity) {
            true => self.reread(version).await?,
            false => Vec::new(),
        };
        let detail = self.version_detail(version).await?;
        let schema = detail.manifest.schema.iter().flat_map(|schema| &schema.fields);
        let inputs = match has(GateName::Lineage) {
            true => self.input_facts(&detail.manifest.inputs).await?,
            false => Vec::new(),
        };
        let head = match state.head {
            Some(head) => Some(self.head_facts(head, has(GateName::Compatible)).await?),
            None => None,
        };
        let measures = has(GateName::Contract) || has(GateName::Fresh);
        Ok(PromotionFacts {
            dataset: version.dataset.clone(),
            number: version.number,
            version_id: version.version_id,
            author: version.actor.clone(),
            owner: owner_of(in_force, version).cloned(),
            head,
            reached: reached(&state.reached),
            reviews: state.reviews.iter().map(review).collect(),
            is_retired: state.notice.as_ref().is_some_and(|notice| notice.sunset_at.is_none()),
            columns: schema.map(|field| field.name.clone()).collect(),
            inputs,
            accepted: version.row_count,
            quarantined: version.quarantined_count,
            contract: match in_force.declared.contracts.get(&version.dataset) {
                None => None,
                Some(contract) => {
                    let is_sound = damage.is_empty();
                    let of = Measuring { version, detail, in_force, measures, is_sound };
                    Some(self.contract_facts(ctx, contract, of).await?)
                }
            },
            damage,
        })
    }

    async fn head_facts(&self, head: HeadRecord, is_compared: bool) -> Result<HeadFacts> {
        let (cache, store, catalog) = (&self.inner.cache, &self.inner.store, &self.inner.catalog);
        let contract = match head.contract.filter(|_| is_compared) {
            Some(id) => Some(cache.contract(store, catalog, id).await?),
            None => None,
        };
        Ok(HeadFacts { number: head.number, contract })
    }

    async fn input_facts(&self, inputs: &[InputVersion]) -> Result<Vec<InputFacts>> {
        let mut facts = Vec::with_capacity(inputs.len());
        for InputVersion { dataset, version_id } in inputs {
            let found = self.inner.catalog.find_reached(dataset, *version_id).await?;
            facts.push(InputFacts {
                dataset: dataset.clone(),
                version_id: *version_id,
                number: found.as_ref().map(|found| found.number),
                reached: found.map(|found| reached(&found.reached)).unwrap_or_default(),
            });
        }
        Ok(facts)
    }

    async fn contract_facts(
        &self,
        ctx: &Ctx,
        contract: &Contract,
        of: Measuring<'_>,
    ) -> Result<ContractFacts> {
        let digest = contract.digest();
        let Measuring { version, detail, in_force, measures, is_sound } = of;
        // Rows that are computed when they are asked for were judged by nobody.
        let sets_rows_aside = match &detail.manifest.derivation {
            Some(_) => detail.manifest.contract == Some(digest) && !detail.manifest.live,
            None => detail.sources.iter().all(|source| source.contract == Some(digest)),
        };
        let measured = match (measures, is_sound) {
            (false, _) => Err("it was not measured".to_owned()),
            (true, false) => Err("what is damaged is not measured".to_owned()),
            (true, true) => {
                let declared = &in_force.declared;
                match self.measure_version(ctx, version.clone(), detail, declared).await {
                    Ok(report) => Ok(measured(&report, sets_rows_aside)),
                    Err(Error::Invalid { message, .. }) => Err(message),
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(ContractFacts { contract: Arc::new(contract.clone()), digest, measured })
    }
}

/// What a contract is measured on, and whether it is.
struct Measuring<'a> {
    version: &'a VersionRecord,
    detail: VersionDetail,
    in_force: &'a InForce,
    measures: bool,
    is_sound: bool,
}

/// Who answers for the product that a version is of.
pub(super) fn owner_of<'a>(
    in_force: &'a InForce,
    version: &VersionRecord,
) -> Option<&'a PrincipalName> {
    in_force.declared.products.get(&version.dataset).map(|product| &product.owner)
}

/// Every version enters at `raw`, and is head there when it comes.
fn reached(stages: &BTreeSet<StageName>) -> BTreeSet<StageName> {
    stages.iter().cloned().chain([StageName::raw()]).collect()
}

fn review(record: &ReviewRecord) -> Review {
    Review {
        event: record.seq,
        by: record.actor.clone(),
        verdict: record.verdict,
        evidence: record.evidence,
        reason: record.reason.clone(),
    }
}

fn measured(report: &VersionReport, sets_rows_aside: bool) -> MeasuredFacts {
    let promises = report.contract.freshness.iter().zip(&report.freshness);
    let freshness = promises.map(|(promise, finding)| FreshnessFacts {
        promise: promise.id.clone(),
        max_age_seconds: promise.max_age_seconds,
        newest: match &promise.column {
            Some(_) => report.findings.newest.get(&promise.id).copied(),
            None => Some(report.version.at),
        },
        is_fresh: finding.passed,
        is_ahead: finding.problem.is_some(),
    });
    MeasuredFacts {
        findings: report.findings.findings.clone(),
        sets_rows_aside,
        freshness: freshness.collect(),
    }
}
