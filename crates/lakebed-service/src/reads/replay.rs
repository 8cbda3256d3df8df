//! Replays: the same statement, for the same asker, on the same versions, under what held then.
//!
//! Whoever replays learns whether the answer is the same, and sees no row of it.

use futures::StreamExt as _;
use lakebed_core::{
    Action, DatasetRef, ObjectId, TablePart, TableRef, Target,
    policy::{MaskKey, Restriction, Sight},
};

use super::{
    Asked, ReadEnding, ReadIntent, ReadOutcome, ReadVersion, ResultDigest, engine_build,
    receipt::{Recorded, no_receipt},
};
use crate::{
    Ctx, Error, Lake, Result,
    engine::{BoundTable, QueryJob, QueryLimits, StatementKind},
};

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Whether the answer is the same.
    pub verdict: Verdict,
    /// Why it cannot be told, or what is different.
    pub reasons: Vec<String>,
    /// Rows of the answer then.
    pub rows_then: Option<u64>,
    /// Rows of the answer now; none if it was not computed.
    pub rows_now: Option<u64>,
}

/// Whether an answer can be had again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same rows, whatever their order.
    Equal,
    /// Other rows, although nothing may have changed.
    Different,
    /// Nobody can know: the statement may have several answers, or none is on record.
    CannotTell,
}

impl Verdict {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Different => "different",
            Self::CannotTell => "cannot_tell",
        }
    }
}

impl Lake {
    /// Answers a statement that is on record once more, from the versions and under the restrictions
    /// of then, and compares the answers. For whoever may `audit` the lake.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`]; what the engine cannot do; damage.
    pub async fn replay(
        &self,
        ctx: &Ctx,
        statement_id: &str,
        limits: QueryLimits,
    ) -> Result<Replay> {
        self.authorize(ctx, Action::Audit, &Target::Lake).await?;
        let recorded = self.recorded(statement_id).await?;
        let Recorded { at: _, intent, outcome } =
            recorded.ok_or_else(|| no_receipt(statement_id))?;
        let Asked::Statement { sql, parameters } = &intent.asked else {
            return Err(no_receipt(statement_id));
        };
        let (outcome, then) = match outcome {
            Some(outcome) if outcome.ending == ReadEnding::Allowed && outcome.result.is_some() => {
                let then = outcome.result;
                (outcome, then)
            }
            Some(outcome) => {
                let why = format!("the answer is not whole: it was {}", outcome.ending.as_str());
                return Ok(untold(why, Some(outcome.rows)));
            }
            None => return Ok(untold("it is not on record how it ended".to_owned(), None)),
        };
        let prepared = self.inner.engine.prepare(sql)?;
        if prepared.kind == StatementKind::ShowTables || !prepared.system.is_empty() {
            let why = "it is about the lake itself, which has changed since".to_owned();
            return Ok(untold(why, Some(outcome.rows)));
        }
        let permit = self.inner.statements.enter(ctx.actor())?.admitted(|_| Ok(())).await?;
        let key = self.in_force().await?.mask_key;
        let mut tables = Vec::with_capacity(intent.versions.len());
        for version in &intent.versions {
            match self.bind_recorded(version, key).await? {
                Ok(table) => tables.push(table),
                Err(why) => return Ok(different(why, &outcome)),
            }
        }
        let job = QueryJob {
            sql: sql.clone(),
            parameters: parameters.clone(),
            tables,
            listing: Vec::new(),
            system: Vec::new(),
            limits,
            now: intent.now.unwrap_or_else(|| self.inner.clock.now()),
            fixed: None,
        };
        let mut stream = self.inner.engine.run(job, &self.inner.store).await?;
        let mut now = ResultDigest::new(&stream.schema);
        while let Some(batch) = stream.batches.next().await {
            now.add(&batch?);
        }
        drop(permit);
        Ok(judged(&intent, &outcome, then, &now))
    }

    /// The version as it was read, or why it is not that any more.
    async fn bind_recorded(
        &self,
        version: &ReadVersion,
        key: Option<MaskKey>,
    ) -> Result<std::result::Result<BoundTable, String>> {
        let named: TableRef = version.reference.parse().map_err(|error| Error::Stopped {
            message: format!("a record of reads names `{}`: {error}", version.reference),
            hint: "use the build that wrote it, or a newer one".to_owned(),
        })?;
        let pinned = DatasetRef::pinned(version.dataset.clone(), version.version);
        let found = self.resolve_unasked(&[pinned]).await;
        let mut resolved = match found {
            Ok(mut found) => match found.versions.pop() {
                Some(resolved) => resolved,
                None => return Ok(Err(gone(version))),
            },
            Err(Error::NotFound { .. }) => return Ok(Err(gone(version))),
            Err(error) => return Err(error),
        };
        if resolved.version.version_id != version.version_id {
            return Ok(Err(format!(
                "`{}@v{}` is another version now than the one on record",
                version.dataset, version.version
            )));
        }
        resolved.reference = named.reference;
        let mut table = self.bind_whole(&resolved, named.part).await?;
        table.restriction = match (&version.restriction, named.part) {
            (Restriction::Restricted(sight), TablePart::Rows) => {
                Restriction::Restricted(Sight { mask_key: key, ..sight.clone() })
            }
            _ => Restriction::Unrestricted,
        };
        Ok(Ok(table))
    }
}

fn gone(version: &ReadVersion) -> String {
    format!("`{}@v{}` is not there any more", version.dataset, version.version)
}

fn untold(why: String, rows_then: Option<u64>) -> Replay {
    Replay { verdict: Verdict::CannotTell, reasons: vec![why], rows_then, rows_now: None }
}

fn different(why: String, outcome: &ReadOutcome) -> Replay {
    Replay {
        verdict: Verdict::Different,
        reasons: vec![why],
        rows_then: Some(outcome.rows),
        rows_now: None,
    }
}

/// Equal digests are equal answers; others mean something only where there is but one answer.
fn judged(
    intent: &ReadIntent,
    outcome: &ReadOutcome,
    then: Option<ObjectId>,
    now: &ResultDigest,
) -> Replay {
    let mut reasons = outcome.unstable.clone();
    let build = engine_build();
    if intent.engine != build {
        reasons.push(format!("`{}` answered it, and this is `{build}`", intent.engine));
    }
    let verdict = match (then == Some(now.digest()), reasons.is_empty()) {
        (true, _) => {
            reasons.clear();
            Verdict::Equal
        }
        (false, false) => Verdict::CannotTell,
        (false, true) => {
            reasons.push("the rows are others".to_owned());
            Verdict::Different
        }
    };
    Replay { verdict, reasons, rows_then: Some(outcome.rows), rows_now: Some(now.rows()) }
}
