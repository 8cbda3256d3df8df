//! The end of datasets: said ahead with a date, and then done. Nothing is deleted by it.

use lakebed_catalog::{Commit, NoticeRecord};
use lakebed_core::{Action, DatasetDeprecated, DatasetName, EventBody, Timestamp};

use super::target;
use crate::{Ctx, Error, Lake, Result, access::no_dataset, ingest::key_reused};

/// What ends, when, and what to read instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeprecateRequest {
    /// The dataset.
    pub dataset: DatasetName,
    /// When it ends.
    pub sunset_at: Timestamp,
    /// What to read instead.
    pub successor: Option<DatasetName>,
}

impl Lake {
    /// Says that a dataset will end; the last word holds. The event, none where it was said before.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] without `steward`; [`Error::Invalid`] for a day that
    /// is past, or a dataset that follows itself.
    pub async fn deprecate(&self, ctx: &Ctx, request: &DeprecateRequest) -> Result<Option<u64>> {
        let DeprecateRequest { dataset, sunset_at, successor } = request;
        let before = self.notice_to_replace(ctx, dataset).await?;
        if *sunset_at <= self.inner.clock.now() {
            return Err(Error::Invalid {
                code: "sunset-past",
                message: format!("{sunset_at} is past"),
                hint: Some("give readers time to go elsewhere".to_owned()),
            });
        }
        if let Some(successor) = successor {
            self.check_successor(ctx, dataset, successor).await?;
        }
        let is_said = before.is_some_and(|before| {
            before.sunset_at == Some(*sunset_at) && before.successor == *successor
        });
        if is_said {
            return Ok(None);
        }
        let body = EventBody::DatasetDeprecated(DatasetDeprecated {
            dataset: dataset.clone(),
            sunset_at: *sunset_at,
            successor: successor.clone(),
        });
        self.give_notice(ctx, dataset, body).await.map(Some)
    }

    /// Ends a dataset: it is read as before, and promoted no more. The event, none where it had ended.
    ///
    /// # Errors
    /// As [`Lake::deprecate`]; [`Error::Invalid`] before the day that was said.
    pub async fn retire(&self, ctx: &Ctx, dataset: &DatasetName) -> Result<Option<u64>> {
        let before = self.notice_to_replace(ctx, dataset).await?;
        let error = |message| Error::Invalid {
            code: "not-yet-sunset",
            message,
            hint: Some("`lakebed deprecate` says when; retire it from then on".to_owned()),
        };
        match before.map(|before| before.sunset_at) {
            Some(None) => return Ok(None),
            None => return Err(error(format!("nobody was told that `{dataset}` ends"))),
            Some(Some(sunset_at)) if self.inner.clock.now() < sunset_at => {
                return Err(error(format!("`{dataset}` was said to end at {sunset_at}")));
            }
            Some(Some(_)) => {}
        }
        let body = EventBody::DatasetRetired { dataset: dataset.clone() };
        self.give_notice(ctx, dataset, body).await.map(Some)
    }

    /// What holds now, for a steward.
    async fn notice_to_replace(
        &self,
        ctx: &Ctx,
        dataset: &DatasetName,
    ) -> Result<Option<NoticeRecord>> {
        let found = self.inner.catalog.find_dataset(dataset).await?;
        self.authorize(ctx, Action::Steward, &target(dataset)).await?;
        Ok(found.ok_or_else(|| no_dataset(dataset))?.notice)
    }

    /// Readers are sent there, so it has to be there, and the steward has to know of it.
    async fn check_successor(
        &self,
        ctx: &Ctx,
        dataset: &DatasetName,
        successor: &DatasetName,
    ) -> Result<()> {
        self.dataset(ctx, successor).await?;
        match successor == dataset {
            true => Err(Error::Invalid {
                code: "own-successor",
                message: format!("`{dataset}` cannot follow itself"),
                hint: None,
            }),
            false => Ok(()),
        }
    }

    async fn give_notice(&self, ctx: &Ctx, dataset: &DatasetName, body: EventBody) -> Result<u64> {
        let lake = &self.inner;
        self.check_token(ctx).await?;
        let granted = self.authorize(ctx, Action::Steward, &target(dataset)).await?;
        let commit = Commit {
            actor: granted.principal().to_string(),
            at: lake.clock.now(),
            idempotency_key: ctx.idempotency_key.clone(),
            changes: vec![body.clone()],
        };
        let committed = lake.catalog.commit(commit).await?;
        if !committed.events.iter().map(|event| &event.body).eq([&body]) {
            return Err(key_reused());
        }
        lake.journal.publish_through(committed.last_seq()).await?;
        Ok(committed.last_seq())
    }
}
