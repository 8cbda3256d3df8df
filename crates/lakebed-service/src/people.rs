//! The declared catalog: who may do what, planned, applied and explained.
//!
//! Applying is one event that holds the whole value. It replaces exactly the value it was planned
//! against: whoever was faster is not overwritten.

use std::sync::Arc;

use lakebed_catalog::{Commit, Declaration};
use lakebed_core::{
    Action, CatalogApplied, Declared, EventBody, Identity, ObjectId, PrincipalName, Target,
};
use lakebed_govern::{CatalogPlan, Explanation, WhyNot, check_declared, explain, plan_catalog};

use crate::{Ctx, Error, Lake, Result, access::refused, cache::InForce, ingest::key_reused};

/// What is declared, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredCatalog {
    /// The event that applied it; none before the first.
    pub declaration: Option<Declaration>,
    /// The value; empty before the first apply.
    pub declared: Declared,
}

/// A catalog to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyCatalog {
    /// The value.
    pub declared: Declared,
    /// The digest of the value it was planned against; none when nothing was declared.
    pub expected: Option<ObjectId>,
    /// Apply it even though nobody would be left who may admin the lake.
    pub without_admin: bool,
}

/// What applying did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedCatalog {
    /// What it changed.
    pub plan: CatalogPlan,
    /// The event; none when this was declared already.
    pub event: Option<u64>,
}

impl Lake {
    /// What is declared now; for whoever may `admin` or `audit` the lake.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn declared_catalog(&self, ctx: &Ctx) -> Result<DeclaredCatalog> {
        let rights = self.rights(ctx).await?;
        if !rights.allows(Action::Audit, &Target::Lake) {
            rights.verdict(Action::Admin, &Target::Lake).granted().map_err(refused)?;
        }
        let declaration = self.inner.catalog.declaration().await?;
        let declared = match declaration {
            None => Declared::default(),
            Some(found) => {
                let in_force = self.inner.cache.in_force(&self.inner.catalog, found).await?;
                in_force.declared.clone()
            }
        };
        Ok(DeclaredCatalog { declaration, declared })
    }

    /// What applying `declared` would change.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `admin` on the lake, [`Error::Invalid`] for a value that cannot
    /// be meant like that.
    pub async fn plan_catalog(&self, ctx: &Ctx, declared: &Declared) -> Result<CatalogPlan> {
        self.authorize(ctx, Action::Admin, &Target::Lake).await?;
        check(declared)?;
        self.check_products(declared)?;
        let (_, current) = self.newest_in_force().await?;
        let current = current.as_ref().map(|current| &current.declared);
        let mut plan = plan_catalog(current, declared, self.inner.clock.now());
        self.check_promises(ctx, &plan, declared).await?;
        plan.warnings.extend(self.check_policies_fit(current, declared).await?);
        plan.warnings.extend(self.check_computable(ctx, &plan, declared).await?);
        Ok(plan)
    }

    /// Declares `request.declared`: one event, or none when it is declared already.
    ///
    /// # Errors
    /// [`Error::Forbidden`] without `admin` on the lake, [`Error::Conflict`] when something else is
    /// declared than it was planned against, [`Error::Invalid`] for a value that cannot be meant
    /// like that, or that leaves nobody who may admin the lake.
    pub async fn apply_catalog(&self, ctx: &Ctx, request: ApplyCatalog) -> Result<AppliedCatalog> {
        let granted = self.authorize(ctx, Action::Admin, &Target::Lake).await?;
        check(&request.declared)?;
        self.check_products(&request.declared)?;
        let ApplyCatalog { declared, expected, without_admin } = request;
        let (declaration, current) = self.newest_in_force().await?;
        let now = self.inner.clock.now();
        let before = current.as_ref().map(|current| &current.declared);
        let mut plan = plan_catalog(before, &declared, now);
        if plan.is_empty() {
            let seq = declaration.map_or(0, |declaration| declaration.seq);
            self.inner.journal.publish_through(seq).await?;
            return Ok(AppliedCatalog { plan, event: None });
        }
        if plan.before != expected {
            return Err(moved(expected, plan.before));
        }
        self.check_promises(ctx, &plan, &declared).await?;
        if plan.loses_last_admin && !without_admin {
            return Err(Error::Invalid {
                code: "no-admin-left",
                message: "nobody would be left who may admin the lake".to_owned(),
                hint: Some(
                    "grant `admin` on the lake to somebody, or apply it `--without-admin`"
                        .to_owned(),
                ),
            });
        }
        plan.warnings.extend(self.check_policies_fit(before, &declared).await?);
        plan.warnings.extend(self.check_computable(ctx, &plan, &declared).await?);
        let digest = plan.after;
        let body = CatalogApplied {
            previous: expected,
            digest,
            known_fields: self.known_fields(current.as_deref(), &declared).await?,
            mask_key: self.mask_key(current.as_deref(), &declared)?,
            declared,
        };
        let commit = Commit {
            actor: granted.principal().to_string(),
            at: now,
            idempotency_key: ctx.idempotency_key.clone(),
            changes: vec![EventBody::CatalogApplied(body)],
        };
        let committed = self.inner.catalog.commit(commit).await?;
        let event = committed.events.iter().find_map(|event| match &event.body {
            EventBody::CatalogApplied(applied) if applied.digest == digest => Some(event.seq),
            _ => None,
        });
        let Some(event) = event else {
            return Err(key_reused());
        };
        self.inner.journal.publish_through(event).await?;
        self.begin_live_products().await?;
        Ok(AppliedCatalog { plan, event: Some(event) })
    }

    /// Why the asker, or `other`, may or may not do what with `target`.
    ///
    /// It answers by names alone: whether there is such a dataset it does not say. Others, and the
    /// grants of others, are for whoever may `admin` the target.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn explain_access(
        &self,
        ctx: &Ctx,
        other: Option<PrincipalName>,
        target: &Target,
    ) -> Result<Explanation> {
        let rights = self.rights(ctx).await?;
        let verdict = rights.verdict(Action::Admin, target);
        let is_admin = verdict.is_granted();
        let identity = match other {
            Some(other) if other != ctx.identity.principal => {
                verdict.granted().map_err(|denied| Error::Forbidden {
                    message: format!(
                        "only who may admin `{}` sees the rights of others",
                        denied.target
                    ),
                })?;
                Identity::of(other)
            }
            _ => ctx.identity.clone(),
        };
        let in_force = self.in_force().await?;
        let now = self.inner.clock.now();
        let mut explanation = explain(&identity, &in_force.declared, target, now);
        explanation.tells_policies = is_admin;
        if !is_admin {
            explanation.grants.retain(|explained| explained.why_not != Some(WhyNot::ToOthers));
            // What lies within may be nothing that the asker may know of, nor a policy's own dataset.
            let knows = *target == Target::Lake || rights.allows(Action::Discover, target);
            explanation.policies.retain(|explained| knows && explained.is_about_all);
        }
        Ok(explanation)
    }

    /// What the next apply replaces, above the journaled mark too.
    pub(crate) async fn newest_in_force(
        &self,
    ) -> Result<(Option<Declaration>, Option<Arc<InForce>>)> {
        let Some(found) = self.inner.catalog.newest_declaration().await? else {
            return Ok((None, None));
        };
        let in_force = self.inner.cache.in_force(&self.inner.catalog, found).await?;
        Ok((Some(found), Some(in_force)))
    }
}

/// Refuses what cannot be meant like that: clients may send what no YAML of ours would give.
fn check(declared: &Declared) -> Result<()> {
    const SHOWN: usize = 5;
    let Err(flaws) = check_declared(declared) else { return Ok(()) };
    let mut texts: Vec<String> = flaws.iter().take(SHOWN).map(ToString::to_string).collect();
    if flaws.len() > SHOWN {
        texts.push(format!("and {} more", flaws.len() - SHOWN));
    }
    Err(Error::Invalid {
        code: "invalid-catalog",
        message: texts.join("; "),
        hint: flaws.first().map(|flaw| flaw.hint().to_owned()),
    })
}

fn moved(expected: Option<ObjectId>, found: Option<ObjectId>) -> Error {
    let shown = |digest: Option<ObjectId>| {
        digest.map_or("nothing".to_owned(), |digest| format!("`{}`", digest.short()))
    };
    Error::Conflict {
        message: format!(
            "another catalog was applied meanwhile: planned against {}, declared is {}",
            shown(expected),
            shown(found)
        ),
    }
}
