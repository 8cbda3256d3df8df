//! Locks that people register, so that whoever changes a dataset knows who counts on which version.

use lakebed_catalog::Commit;
use lakebed_core::{DatasetRef, EventBody, LockRegistered, LockedInput, LockedVersion, Selector};

use crate::{Ctx, Detail, Error, Lake, Result, ingest::key_reused};

/// How many versions a lock names at most.
const MOST_INPUTS: usize = 1000;
/// How many somebody registers at most.
const MOST_LOCKS: usize = 100;
/// How long a name is at most.
const LONGEST_NAME: usize = 63;

impl Lake {
    /// Registers that the asker counts on these versions, in place of what they registered under the same
    /// name before. The event; none where it was registered just so.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Forbidden`] as [`Lake::resolve`]: nobody counts on what they may
    /// not read; [`Error::Invalid`].
    pub async fn register_lock(
        &self,
        ctx: &Ctx,
        name: &str,
        inputs: &[LockedInput],
    ) -> Result<Option<u64>> {
        check_name(name)?;
        if inputs.is_empty() || inputs.len() > MOST_INPUTS {
            return Err(Error::Invalid {
                code: "invalid-lock",
                message: format!(
                    "{} versions: a registered lock has 1 to {MOST_INPUTS}",
                    inputs.len()
                ),
                hint: None,
            });
        }
        let pinned: Vec<DatasetRef> = inputs.iter().map(pinned).collect();
        let found = self.resolve(ctx, &pinned, Detail::None).await?;
        let mut versions: Vec<LockedVersion> = found
            .versions
            .into_iter()
            .map(|found| LockedVersion {
                dataset: found.version.dataset,
                version: found.version.number,
            })
            .collect();
        versions.sort();
        versions.dedup();
        let own = self.inner.catalog.locks(Some(ctx.actor())).await?;
        match own.iter().find(|lock| lock.name == name) {
            Some(before) if before.inputs == versions => return Ok(None),
            None if own.len() >= MOST_LOCKS => {
                return Err(Error::Invalid {
                    code: "too-many-locks",
                    message: format!("you have registered {MOST_LOCKS} locks, the most there are"),
                    hint: Some("`lakebed lock --unregister NAME` takes one back".to_owned()),
                });
            }
            _ => {}
        }
        let registered = LockRegistered { name: name.to_owned(), inputs: versions };
        self.commit_lock(ctx, EventBody::LockRegistered(registered)).await.map(Some)
    }

    /// Takes back what the asker registered under a name. The event; none where nothing was.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no name; when the catalog cannot be read or written.
    pub async fn remove_lock(&self, ctx: &Ctx, name: &str) -> Result<Option<u64>> {
        check_name(name)?;
        let own = self.inner.catalog.locks(Some(ctx.actor())).await?;
        if !own.iter().any(|lock| lock.name == name) {
            return Ok(None);
        }
        let body = EventBody::LockRemoved { name: name.to_owned() };
        self.commit_lock(ctx, body).await.map(Some)
    }

    async fn commit_lock(&self, ctx: &Ctx, body: EventBody) -> Result<u64> {
        self.check_token(ctx).await?;
        let commit = Commit {
            actor: ctx.actor().to_owned(),
            at: self.inner.clock.now(),
            idempotency_key: ctx.idempotency_key.clone(),
            changes: vec![body.clone()],
        };
        let committed = self.inner.catalog.commit(commit).await?;
        if !committed.events.iter().map(|event| &event.body).eq([&body]) {
            return Err(key_reused());
        }
        self.inner.journal.publish_through(committed.last_seq()).await?;
        Ok(committed.last_seq())
    }
}

/// What pins is the id.
fn pinned(input: &LockedInput) -> DatasetRef {
    DatasetRef {
        dataset: input.reference.dataset.clone(),
        selector: Selector::Digest(input.version_id.object().to_string()),
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // In an address they mean other places.
    let is_place = name == "." || name == "..";
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_plain) && !is_place {
        return Ok(());
    }
    Err(Error::Invalid {
        code: "invalid-lock-name",
        message: "this is no name of a lock".to_owned(),
        hint: Some(format!("1 to {LONGEST_NAME} letters, digits, `.`, `_` and `-`")),
    })
}
