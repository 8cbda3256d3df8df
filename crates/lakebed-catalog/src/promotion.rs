//! What promotions are decided from: heads, the stages versions came to, what people said of them,
//! and which datasets end.
//!
//! Planning reads the newest state, above the journaled mark too; the event that moves a head names
//! what was read, and is refused when somebody was first.

use std::collections::BTreeSet;

use lakebed_core::{
    DatasetDeprecated, DatasetName, EventBody, HeadMoved, ObjectId, Promotion, PromotionReviewed,
    ReviewVerdict, StageName, Timestamp, VersionId,
};

use crate::{
    Catalog, Declaration, Entity, Error, Result,
    connection::{Connection, Row},
    declaration,
    event::saturate,
    flaw::{Flaw, check_text, to_i64},
    meta, object, object_dataset,
    projection::{find_dataset, get_dataset, require_object},
    statement::query,
};

/// What the promotion of some versions to a stage is decided from, as the next commit will find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionState {
    /// The last event in it, above the journaled mark, too: to be published before it is shown.
    pub last_seq: u64,
    /// What is declared.
    pub declaration: Option<Declaration>,
    /// One per version, in the order given.
    pub versions: Vec<VersionState>,
}

/// The part of a [`PromotionState`] that is one version's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionState {
    /// The stage's head.
    pub head: Option<HeadRecord>,
    /// The stages of which the version is or was head.
    pub reached: BTreeSet<StageName>,
    /// What was said of it for the stage, by rising event.
    pub reviews: Vec<ReviewRecord>,
    /// Whether its dataset ends.
    pub notice: Option<NoticeRecord>,
}

/// The head of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadRecord {
    /// The version's number.
    pub number: u64,
    /// The event that made it so.
    pub seq: u64,
    /// The contract that was in force then.
    pub contract: Option<ObjectId>,
}

/// What somebody said of a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRecord {
    /// The event.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// For which stage.
    pub stage: StageName,
    /// What.
    pub verdict: ReviewVerdict,
    /// Of which evidence.
    pub evidence: ObjectId,
    /// Why.
    pub reason: Option<String>,
}

/// The end of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRecord {
    /// The event that says so.
    pub seq: u64,
    /// When that was.
    pub at: Timestamp,
    /// When it ends; none where it has ended.
    pub sunset_at: Option<Timestamp>,
    /// What to read instead.
    pub successor: Option<DatasetName>,
}

/// A version that another was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachedVersion {
    /// Its number.
    pub number: u64,
    /// The stages of which it is or was head.
    pub reached: BTreeSet<StageName>,
}

macro_rules! reviews_sql {
    ($condition:literal) => {
        concat!(
            "SELECT r.seq, e.at_micros, e.actor, r.stage, r.verdict, r.gate, r.evidence, r.reason \
             FROM reviews r JOIN events e ON e.seq = r.seq \
             WHERE r.dataset_id = $1 AND r.number = $2 AND ",
            $condition,
            " ORDER BY r.seq"
        )
    };
}

const NOTICE: &str = "SELECT n.seq, e.at_micros, n.sunset_at_micros, n.successor FROM notices n \
     JOIN events e ON e.seq = n.seq WHERE n.dataset_id = $1 ORDER BY n.seq DESC LIMIT 1";

pub(crate) const REACHED: &str =
    "SELECT DISTINCT h.stage FROM head_moves h WHERE h.dataset_id = $1 AND h.number = $2";

impl Catalog {
    /// What the promotion of `versions` to stage `to` is decided from, above the journaled mark too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such dataset.
    pub async fn promotion_state(
        &self,
        versions: &[(DatasetName, u64)],
        to: &StageName,
    ) -> Result<PromotionState> {
        let mut transaction = self.begin_read().await?;
        let last_seq = meta::read(&mut transaction).await?.last_seq;
        let declaration = declaration::newest(&mut transaction).await?;
        let mut states = Vec::with_capacity(versions.len());
        for (dataset, number) in versions {
            let dataset_id = get_dataset(&mut transaction, dataset).await?;
            states.push(VersionState {
                head: find_head(&mut transaction, dataset_id, to).await?,
                reached: reached(&mut transaction, dataset_id, saturate(*number)).await?,
                reviews: reviews_for(&mut transaction, dataset_id, *number, to).await?,
                notice: notice(&mut transaction, dataset_id).await?,
            });
        }
        Ok(PromotionState { last_seq, declaration, versions: states })
    }

    /// The version of `dataset` with that id, and the stages it came to, above the journaled mark too.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_reached(
        &self,
        dataset: &DatasetName,
        version_id: VersionId,
    ) -> Result<Option<ReachedVersion>> {
        let mut transaction = self.begin_read().await?;
        let Some((dataset_id, _)) = find_dataset(&mut transaction, dataset).await? else {
            return Ok(None);
        };
        let row = query("SELECT number FROM versions WHERE dataset_id = $1 AND version_id = $2")
            .bind(dataset_id)
            .bind(version_id.object())
            .fetch_optional(&mut transaction)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let number = row.number("number")?;
        let reached = reached(&mut transaction, dataset_id, saturate(number)).await?;
        Ok(Some(ReachedVersion { number, reached }))
    }

    /// What was said of a version at the journaled mark, for any stage, by rising event.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn reviews(&self, dataset: &DatasetName, number: u64) -> Result<Vec<ReviewRecord>> {
        let mut transaction = self.begin_read().await?;
        let journaled = meta::read(&mut transaction).await?.journaled_seq;
        let Some((dataset_id, _)) = find_dataset(&mut transaction, dataset).await? else {
            return Ok(Vec::new());
        };
        let rows = query(reviews_sql!("r.seq <= $3"))
            .bind(dataset_id)
            .bind(saturate(number))
            .bind(saturate(journaled))
            .fetch_all(&mut transaction)
            .await?;
        rows.iter().map(review_from_row).collect()
    }
}

async fn find_head(
    connection: &mut Connection,
    dataset_id: i64,
    stage: &StageName,
) -> Result<Option<HeadRecord>> {
    let row = query(
        "SELECT h.number, h.seq, e.body FROM head_moves h JOIN events e ON e.seq = h.seq \
         WHERE h.dataset_id = $1 AND h.stage = $2 ORDER BY h.seq DESC LIMIT 1",
    )
    .bind(dataset_id)
    .bind(stage.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(head_from_row).transpose()
}

fn head_from_row(row: &Row) -> Result<HeadRecord> {
    let seq = row.number("seq")?;
    let contract = promotion_from_row(row)?.and_then(|promotion| promotion.contract);
    Ok(HeadRecord { number: row.number("number")?, seq, contract })
}

/// What the gates found of a head, by `seq` and `body` of the event that made it one; none where there is no
/// body, or it tells of no promotion.
pub(crate) fn promotion_from_row(row: &Row) -> Result<Option<Box<Promotion>>> {
    let Some(body) = row.optional_text("body")? else { return Ok(None) };
    let seq = row.number("seq")?;
    let body = serde_json::from_str(&body)
        .map_err(|error| Error::damaged(format!("body of event {seq}"), error))?;
    Ok(match body {
        EventBody::HeadMoved(moved) => moved.promotion,
        _ => None,
    })
}

async fn reached(
    connection: &mut Connection,
    dataset_id: i64,
    number: i64,
) -> Result<BTreeSet<StageName>> {
    let rows = query(REACHED).bind(dataset_id).bind(number).fetch_all(connection).await?;
    rows.iter().map(|row| row.parsed("stage")).collect()
}

async fn reviews_for(
    connection: &mut Connection,
    dataset_id: i64,
    number: u64,
    stage: &StageName,
) -> Result<Vec<ReviewRecord>> {
    let rows = query(reviews_sql!("r.stage = $3"))
        .bind(dataset_id)
        .bind(saturate(number))
        .bind(stage.as_str())
        .fetch_all(connection)
        .await?;
    rows.iter().map(review_from_row).collect()
}

fn review_from_row(row: &Row) -> Result<ReviewRecord> {
    let verdict = match (row.text("verdict")?.as_str(), row.optional_text("gate")?) {
        ("approved", _) => ReviewVerdict::Approved,
        ("rejected", _) => ReviewVerdict::Rejected,
        (_, Some(_)) => ReviewVerdict::Waived(row.parsed("gate")?),
        (word, None) => {
            return Err(Error::Damaged { what: format!("the verdict `{word}`"), source: None });
        }
    };
    Ok(ReviewRecord {
        seq: row.number("seq")?,
        at: row.time("at_micros")?,
        actor: row.text("actor")?,
        stage: row.parsed("stage")?,
        verdict,
        evidence: row.digest("evidence")?,
        reason: row.optional_text("reason")?,
    })
}

async fn notice(connection: &mut Connection, dataset_id: i64) -> Result<Option<NoticeRecord>> {
    let row = query(NOTICE).bind(dataset_id).fetch_optional(connection).await?;
    row.as_ref().map(notice_from_row).transpose()
}

pub(crate) fn notice_from_row(row: &Row) -> Result<NoticeRecord> {
    let sunset_at = row.optional_number("sunset_at_micros")?;
    let successor = match row.optional_text("successor")? {
        Some(_) => Some(row.parsed("successor")?),
        None => None,
    };
    Ok(NoticeRecord {
        seq: row.number("seq")?,
        at: row.time("at_micros")?,
        sunset_at: sunset_at.map(|micros| Timestamp::from_micros(saturate(micros))),
        successor,
    })
}

/// Holds a promotion against what it was decided from: whoever was faster is not overtaken.
pub(crate) async fn check(
    connection: &mut Connection,
    seq: u64,
    dataset_id: i64,
    moved: &HeadMoved,
    promotion: &Promotion,
) -> Result<()> {
    let HeadMoved { dataset, stage, to, .. } = moved;
    let row = query("SELECT version_id FROM versions WHERE dataset_id = $1 AND number = $2")
        .bind(dataset_id)
        .bind(saturate(*to))
        .fetch_optional(connection)
        .await?;
    match row.map(|row| row.version_id("version_id")).transpose()? {
        Some(found) if found == promotion.version_id => {}
        _ => return Err(Error::invalid(seq, Flaw::OtherVersion { number: *to })),
    }
    let declared = declaration::newest(connection).await?.map(|declaration| declaration.digest);
    require_same(Entity::Declared, promotion.declared, declared, |id| id.short().to_string())?;
    let head = find_head(connection, dataset_id, stage).await?.map(|head| head.seq);
    let entity = Entity::Head(dataset.clone(), stage.clone());
    require_same(entity, promotion.replaces, head, event)?;
    let reviews = reviews_for(connection, dataset_id, *to, stage).await?;
    let last_review = reviews.last().map(|review| review.seq);
    let entity = Entity::Reviews(dataset.clone(), *to);
    require_same(entity, promotion.last_review, last_review, event)?;
    let last_notice = notice(connection, dataset_id).await?.map(|notice| notice.seq);
    require_same(Entity::Notice(dataset.clone()), promotion.last_notice, last_notice, event)
}

fn event(seq: u64) -> String {
    format!("event {seq}")
}

fn require_same<T: PartialEq + Copy>(
    entity: Entity,
    expected: Option<T>,
    found: Option<T>,
    show: impl Fn(T) -> String,
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let show = |value: Option<T>| value.map_or("none".to_owned(), &show);
    Err(Error::Conflict { entity, expected: show(expected), found: show(found) })
}

/// Records the objects that a promotion names: the contract in force.
pub(crate) async fn keep_objects(
    connection: &mut Connection,
    seq: u64,
    moved: &HeadMoved,
    promotion: &Promotion,
) -> Result<()> {
    object::insert(connection, seq, &moved.objects).await?;
    if let Some(contract) = promotion.contract {
        require_object(connection, seq, contract).await?;
    }
    let named = moved.objects.iter().map(|object| object.id).chain(promotion.contract);
    object_dataset::insert(connection, seq, &moved.dataset, named).await
}

/// The projection of `promotion_reviewed`.
pub(crate) async fn review(
    connection: &mut Connection,
    seq: u64,
    review: &PromotionReviewed,
) -> Result<()> {
    let invalid = |flaw| Error::invalid(seq, flaw);
    let dataset_id = get_dataset(connection, &review.dataset).await?;
    let number = to_i64("the version number", review.number).map_err(invalid)?;
    let found = query("SELECT seq FROM versions WHERE dataset_id = $1 AND number = $2")
        .bind(dataset_id)
        .bind(number)
        .fetch_optional(connection)
        .await?;
    if found.is_none() {
        let entity = Entity::Version(review.dataset.clone(), review.number);
        return Err(Error::NotFound { entity });
    }
    if let Some(reason) = &review.reason {
        check_text("the reason", reason).map_err(invalid)?;
    }
    let (verdict, gate) = match review.verdict {
        ReviewVerdict::Approved => ("approved", None),
        ReviewVerdict::Rejected => ("rejected", None),
        ReviewVerdict::Waived(gate) => ("waived", Some(gate.as_str())),
    };
    query(
        "INSERT INTO reviews (seq, dataset_id, number, stage, verdict, gate, evidence, reason) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(saturate(seq))
    .bind(dataset_id)
    .bind(number)
    .bind(review.stage.as_str())
    .bind(verdict)
    .bind(gate)
    .bind(review.evidence)
    .bind(&review.reason)
    .execute(connection)
    .await?;
    Ok(())
}

/// The projection of `dataset_deprecated`.
pub(crate) async fn deprecate(
    connection: &mut Connection,
    seq: u64,
    deprecated: &DatasetDeprecated,
) -> Result<()> {
    let dataset_id = get_dataset(connection, &deprecated.dataset).await?;
    let successor = deprecated.successor.as_ref().map(ToString::to_string);
    query(
        "INSERT INTO notices (seq, dataset_id, state, sunset_at_micros, successor) \
         VALUES ($1, $2, 'deprecated', $3, $4)",
    )
    .bind(saturate(seq))
    .bind(dataset_id)
    .bind(deprecated.sunset_at)
    .bind(&successor)
    .execute(connection)
    .await?;
    Ok(())
}

/// The projection of `dataset_retired`: what to read instead stays as it was said.
pub(crate) async fn retire(
    connection: &mut Connection,
    seq: u64,
    dataset: &DatasetName,
) -> Result<()> {
    let dataset_id = get_dataset(connection, dataset).await?;
    let successor = notice(connection, dataset_id).await?.and_then(|notice| notice.successor);
    query(
        "INSERT INTO notices (seq, dataset_id, state, sunset_at_micros, successor) \
         VALUES ($1, $2, 'retired', NULL, $3)",
    )
    .bind(saturate(seq))
    .bind(dataset_id)
    .bind(&successor.map(|successor| successor.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}
