//! Who may do what: asked before a use case does anything, and again before it publishes.
//!
//! The rules are `lakebed-govern`'s. Here they meet the declared catalog, and a refusal becomes an
//! error: what the asker may not discover does not exist, in the very words of a thing that is not
//! there (D-41).

use std::sync::Arc;

use lakebed_catalog::NotFound;
use lakebed_core::{Action, DatasetName, Target, TokenScope};
use lakebed_govern::{Denied, Granted, Rights};

use crate::{Ctx, Error, Lake, Result, cache::InForce};

/// Something, and whether the asker may see what is computed from its data: digests, counts, sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<T> {
    /// The thing.
    pub record: T,
    /// Whether the asker may read its dataset, all of it. If not, only names, numbers and times are
    /// for them.
    pub is_readable: bool,
}

impl Lake {
    /// What the asker may do, as it is declared now.
    ///
    /// One small read of the catalog, each time: a right that is taken away is gone at once, on
    /// every server. Who reads data asks for this *after* the snapshot was taken, so that nobody
    /// sees a version that came after they lost the right to it.
    pub(crate) async fn rights(&self, ctx: &Ctx) -> Result<Rights> {
        self.rights_in_force(ctx).await.map(|(rights, _)| rights)
    }

    /// The same, with what they come from. Owners are under nothing that is declared.
    pub(crate) async fn rights_in_force(&self, ctx: &Ctx) -> Result<(Rights, Arc<InForce>)> {
        let now = self.inner.clock.now();
        let in_force = match ctx.identity.is_owner() {
            true => Arc::default(),
            false => self.in_force().await?,
        };
        let rights = Rights::of(&ctx.identity, &in_force.declared, now);
        if !rights.is_restricted_somewhere() {
            return Ok((rights, in_force));
        }
        let derivations = self.inner.catalog.derivations().await?;
        Ok((rights.with_derivations(&derivations), in_force))
    }

    /// The proof that the asker may do `action` on `target`, or the error that says no.
    pub(crate) async fn authorize(
        &self,
        ctx: &Ctx,
        action: Action,
        target: &Target,
    ) -> Result<Granted> {
        self.rights(ctx).await?.verdict(action, target).granted().map_err(refused)
    }

    /// Whether the asker may ingest into `dataset`, which may not exist: for doors that do something
    /// before they ask for the ingest itself, such as fetching its sources.
    ///
    /// # Errors
    /// As [`Lake::ingest`].
    pub async fn check_ingest(&self, ctx: &Ctx, dataset: &DatasetName) -> Result<()> {
        self.authorize_ingest(ctx, dataset).await.map(drop)
    }

    /// The proof that the asker may ingest into `dataset` now: asked at the beginning, which for a
    /// job may be long after somebody asked for it, and once more before the commit.
    pub(crate) async fn authorize_ingest(
        &self,
        ctx: &Ctx,
        dataset: &DatasetName,
    ) -> Result<Granted> {
        self.check_token(ctx).await?;
        self.authorize(ctx, Action::Ingest, &Target::Dataset(dataset.clone())).await
    }

    /// Whether the token that came with the request is still there: whoever takes it back takes
    /// back what is under way.
    pub(crate) async fn check_token(&self, ctx: &Ctx) -> Result<()> {
        let Some(token) = &ctx.token else { return Ok(()) };
        match self.inner.catalog.find_token(token.id).await? {
            Some(record) if record.revoked_at.is_none() => Ok(()),
            _ => Err(Error::Forbidden {
                message: format!("the token `{}` was revoked since this was asked for", token.id),
            }),
        }
    }

    /// Whoever may ingest anywhere may send bytes ahead; nobody else fills our scratch.
    pub(crate) async fn authorize_upload(&self, ctx: &Ctx) -> Result<()> {
        match self.rights(ctx).await?.allows_somewhere(Action::Ingest) {
            true => Ok(()),
            false => Err(Error::Forbidden {
                message: format!("`{}` may not ingest into this lake", ctx.actor()),
            }),
        }
    }

    /// What is declared, as everybody may see it; nothing before the first apply.
    pub(crate) async fn in_force(&self) -> Result<Arc<InForce>> {
        match self.inner.catalog.declaration().await? {
            None => Ok(Arc::default()),
            Some(declaration) => self.inner.cache.in_force(&self.inner.catalog, declaration).await,
        }
    }
}

/// Whether the credential that was shown is good for `action` on `target`, whatever its holder may do.
pub(crate) fn scope_allows(ctx: &Ctx, action: Action, target: &Target) -> bool {
    ctx.identity.scope.as_ref().is_none_or(|scope| scope.allows(action, target))
}

/// Whether the credential that was shown is good for all that one of scope `other` is.
///
/// What the same principal asked for with a larger one is somebody else's to it: who narrows a
/// credential has it see less, too (D-45).
pub(crate) fn is_as_much(ctx: &Ctx, other: Option<&TokenScope>) -> bool {
    match (&ctx.identity.scope, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(other)) => own.covers(other),
    }
}

/// The error of a refusal.
pub(crate) fn refused(denied: Denied) -> Error {
    match &denied.target {
        Target::Dataset(dataset) if !denied.is_discoverable => no_dataset(dataset),
        _ => forbidden(&denied),
    }
}

/// The asker may know of it, but not do that.
pub(crate) fn forbidden(denied: &Denied) -> Error {
    Error::Forbidden { message: denied.to_string() }
}

/// A dataset that is not there, or that the asker may not know of: nobody can tell the two apart.
pub(crate) fn no_dataset(dataset: &DatasetName) -> Error {
    Error::NotFound {
        message: format!("there is no dataset `{dataset}`"),
        hint: Some("`lakebed ls` lists the datasets".to_owned()),
    }
}

/// Whether the asker may have all of `dataset`, its files and digests too: if not, as if a reference
/// to it named nothing.
pub(crate) fn check_reads(rights: &Rights, dataset: &DatasetName) -> Result<(), Refusal> {
    check_queries(rights, dataset)?;
    match rights.is_restricted(dataset) {
        true => Err(Refusal::Restricted(dataset.clone())),
        false => Ok(()),
    }
}

/// Whether the asker may ask for rows of `dataset`, as far as policies leave some.
pub(crate) fn check_queries(rights: &Rights, dataset: &DatasetName) -> Result<(), Refusal> {
    match rights.verdict(Action::Read, &Target::Dataset(dataset.clone())).granted() {
        Ok(_) => Ok(()),
        Err(denied) if denied.is_discoverable => Err(Refusal::Forbidden(denied)),
        Err(_) => Err(Refusal::Hidden(NotFound::UnknownDataset { dataset: dataset.clone() })),
    }
}

/// Files and digests hold what a policy keeps from the asker.
pub(crate) fn restricted(dataset: &DatasetName) -> Error {
    Error::Forbidden {
        message: format!(
            "a policy keeps parts of `{dataset}` from you, so its files and digests are not for you; \
             its rows are there in SQL"
        ),
    }
}

/// Why a reference is not for the asker.
pub(crate) enum Refusal {
    /// They may know of the dataset.
    Forbidden(Denied),
    /// They may read it, but not all of it.
    Restricted(DatasetName),
    /// They may not: this is what is said of one that is not there.
    Hidden(NotFound),
}
