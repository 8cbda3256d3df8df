//! Receipts: what an answer was made of, so that it can be made again.

use lakebed_core::{Action, DatasetName, ObjectId, Target, Timestamp, VersionId};

use super::{Asked, ReadBody, ReadColumns, ReadEnding, ReadIntent, ReadOutcome};
use crate::{
    Ctx, Error, Lake, Result,
    access::{is_as_much, scope_allows},
    engine::Parameters,
    job::StoredAsker,
};

/// What one statement read, for whom, under what, and what it gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The statement's id.
    pub statement_id: String,
    /// When it was put on record.
    pub at: Timestamp,
    /// Who asked, with what was known of them.
    pub asker: StoredAsker,
    /// What they asked.
    pub sql: String,
    /// Values for its placeholders.
    pub parameters: Parameters,
    /// The snapshot that references were resolved against.
    pub snapshot_seq: Option<u64>,
    /// What was read, in order of appearance.
    pub versions: Vec<ReceiptVersion>,
    /// The digest of what was declared; of nothing before the first apply.
    pub policy: Option<ObjectId>,
    /// The build that answered.
    pub engine: String,
    /// What came of it; none while it is under way, or if the server died over it.
    pub outcome: Option<ReceiptOutcome>,
}

/// A version that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptVersion {
    /// As the statement named it.
    pub reference: String,
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number.
    pub version: u64,
    /// Its id, for whoever may read all of it.
    pub version_id: Option<VersionId>,
}

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptOutcome {
    /// How it ended.
    pub ending: ReadEnding,
    /// The stable code of what was in the way.
    pub code: Option<String>,
    /// Columns that were read.
    pub columns: Vec<ReadColumns>,
    /// Rows that were handed out.
    pub rows: u64,
    /// Their bytes, as the digest counts them.
    pub bytes: u64,
    /// From the request to the end.
    pub duration_us: u64,
    /// The digest of the rows; for whoever got them, or may read all they came from.
    pub result: Option<ObjectId>,
}

/// A read as it is on record.
pub(super) struct Recorded {
    pub(super) at: Timestamp,
    pub(super) intent: ReadIntent,
    pub(super) outcome: Option<ReadOutcome>,
}

impl Lake {
    /// The receipt of a statement: for whoever asked it, and whoever may `audit` the lake. A credential
    /// with a scope stands for who asked only where it could have been asked with it.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a statement of somebody else.
    pub async fn receipt(&self, ctx: &Ctx, statement_id: &str) -> Result<Receipt> {
        let recorded = self.recorded(statement_id).await?;
        let rights = self.rights(ctx).await?;
        let is_theirs = |recorded: &Recorded| {
            let ReadIntent { asker, versions, .. } = &recorded.intent;
            let reads = |dataset: &DatasetName| {
                scope_allows(ctx, Action::Read, &Target::Dataset(dataset.clone()))
            };
            let reads_all =
                !versions.is_empty() && versions.iter().all(|version| reads(&version.dataset));
            asker.principal == ctx.identity.principal
                && (reads_all || is_as_much(ctx, asker.scope.as_ref()))
        };
        let may_audit = rights.allows(Action::Audit, &Target::Lake);
        let recorded = recorded.filter(|recorded| may_audit || is_theirs(recorded));
        let recorded = recorded.ok_or_else(|| no_receipt(statement_id))?;
        let got_the_rows = is_theirs(&recorded);
        let Recorded { at, intent, outcome } = recorded;
        let Asked::Statement { sql, parameters } = intent.asked else {
            return Err(no_receipt(statement_id));
        };
        let reads_all = intent.versions.iter().all(|version| rights.reads(&version.dataset));
        let versions = intent.versions.into_iter().map(|version| ReceiptVersion {
            version_id: rights.reads(&version.dataset).then_some(version.version_id),
            reference: version.reference,
            dataset: version.dataset,
            version: version.version,
        });
        Ok(Receipt {
            statement_id: statement_id.to_owned(),
            at,
            asker: intent.asker,
            sql,
            parameters,
            snapshot_seq: intent.snapshot_seq,
            versions: versions.collect(),
            policy: intent.policy,
            engine: intent.engine,
            outcome: outcome.map(|outcome| ReceiptOutcome {
                ending: outcome.ending,
                code: outcome.code,
                columns: outcome.columns,
                rows: outcome.rows,
                bytes: outcome.bytes,
                duration_us: outcome.duration_us,
                result: outcome.result.filter(|_| got_the_rows || reads_all),
            }),
        })
    }

    /// What is on record of a read.
    pub(super) async fn recorded(&self, id: &str) -> Result<Option<Recorded>> {
        let (mut intent, mut outcome) = (None, None);
        for record in self.inner.reads.find(id).await? {
            match record.body {
                ReadBody::Intent(found) => intent = Some((record.at, *found)),
                ReadBody::Outcome(found) => outcome = Some(*found),
            }
        }
        Ok(intent.map(|(at, intent)| Recorded { at, intent, outcome }))
    }
}

pub(super) fn no_receipt(statement_id: &str) -> Error {
    let shown: String = statement_id.chars().take(64).flat_map(char::escape_debug).collect();
    Error::NotFound {
        message: format!("there is no receipt of a statement `{shown}`"),
        hint: Some("`lakebed-statement-id` of an answer names its receipt".to_owned()),
    }
}
