//! `lakebed promote`, `approve`, `reject`, `waive`, `reviews`, `deprecate`, `retire`: from raw data to
//! products, and to their end.

use clap::Args;
use lakebed_api::{
    DeprecationRequest, GateOutcome, NoticeAnswer, PlannedPromotion, PromotionAnswer,
    PromotionRequest, RetirementRequest, Review as Reviewed, ReviewRequest, Verdict,
};
use lakebed_core::{DatasetName, DatasetRef, GateName, ObjectId, Selector, StageName, Timestamp};

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human, style},
    problem::{Exit, Result},
};

/// Bring versions to a stage, together or not at all, if its gates let them through.
///
/// Going back is promoting an older version. Exit code 1 when a gate is closed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed promote sales.orders --to validated
  lakebed promote sales.orders@v12 sales.customers@v7 --to product --dry-run
  lakebed promote sales.orders@v11 --to product        # back to version 11")]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    versions: Versions,
    /// Only show every gate, and what holds the versions back
    #[arg(long)]
    dry_run: bool,
    /// The same key is the same change, done once
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// What is meant, and for which stage.
#[derive(Debug, Args)]
struct Versions {
    /// References, `namespace.name[@selector]`
    #[arg(value_name = "REF", required = true)]
    references: Vec<DatasetRef>,
    /// The stage
    #[arg(long, value_name = "STAGE")]
    to: StageName,
}

/// Consent to a promotion that somebody else asks for.
///
/// It is bound to what the gates find now, and void when that changes. Nobody approves what they made or
/// ask for.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed promote sales.orders --to product --dry-run   # look first
  lakebed approve sales.orders --to product")]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    review: Review,
}

/// Say no to a promotion: it waits until you approve it, or what the gates find changes.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lakebed reject sales.orders --to product --reason 'prices without tax'"
)]
pub(crate) struct RejectArgs {
    #[command(flatten)]
    review: Review,
}

/// A word on versions.
#[derive(Debug, Args)]
struct Review {
    #[command(flatten)]
    versions: Versions,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The evidence that was looked at, as `promote --dry-run --json` tells it; refused if it is other
    /// by now
    #[arg(long, value_name = "DIGEST")]
    evidence: Option<ObjectId>,
}

/// Let versions pass a gate although it is closed, where the stage is declared to allow that.
///
/// It is on record for ever, and for just what the gate finds now.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lakebed waive fresh sales.orders --to product --reason 'holidays'"
)]
pub(crate) struct WaiveArgs {
    /// The gate
    #[arg(value_name = "GATE")]
    gate: GateName,
    #[command(flatten)]
    versions: Versions,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Show what people said of a version's promotions, the oldest first.
///
/// A word counts while the gates find what was looked at, and of each person's approvals and rejections
/// the last: `promote --dry-run` says which count now.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lakebed reviews sales.orders\n  lakebed reviews sales.orders@product --json"
)]
pub(crate) struct ReviewsArgs {
    /// A reference, `namespace.name[@selector]`
    #[arg(value_name = "REF")]
    reference: DatasetRef,
}

/// Say that a dataset will end, and what to read instead.
///
/// It is read as before; answers about it say when it ends. The last word holds.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lakebed deprecate sales.orders --sunset 2027-06-30 --successor sales.sales"
)]
pub(crate) struct DeprecateArgs {
    /// The dataset
    #[arg(value_name = "DATASET")]
    dataset: DatasetName,
    /// When it ends: a date (its end, UTC) or an RFC 3339 time
    #[arg(long, value_name = "DATE", value_parser = parse_sunset)]
    sunset: Timestamp,
    /// What to read instead
    #[arg(long, value_name = "DATASET")]
    successor: Option<DatasetName>,
}

/// End a dataset, from the day on that was said: it is read as before, and promoted no more.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lakebed retire sales.orders")]
pub(crate) struct RetireArgs {
    /// The dataset
    #[arg(value_name = "DATASET")]
    dataset: DatasetName,
}

/// A date means its end, as in references.
fn parse_sunset(text: &str) -> Result<Timestamp, String> {
    match text.parse() {
        Ok(Selector::Date(date)) => Ok(Timestamp::end_of_day(date)),
        Ok(Selector::Time(time)) => Ok(time),
        _ => Err("write `2027-06-30` or `2027-06-30T12:00:00Z`".to_owned()),
    }
}

impl Versions {
    fn refs(&self) -> Vec<String> {
        self.references.iter().map(ToString::to_string).collect()
    }
}

pub(crate) async fn promote(app: &App, args: PromoteArgs) -> Result<Exit> {
    let PromoteArgs { versions, dry_run, idempotency_key } = args;
    let request = PromotionRequest { refs: versions.refs(), to: versions.to, dry_run };
    let session = Session::open(app).await?;
    let answer = session.client.promote(&request, idempotency_key.as_deref()).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&answer)?;
    } else if dry_run {
        print_plan(app, &answer)?;
    } else {
        print_promoted(app, &answer)?;
    }
    Ok(if answer.is_ready { Exit::Ok } else { Exit::No })
}

pub(crate) async fn approve(app: &App, args: ApproveArgs) -> Result<Exit> {
    review(app, args.review, Verdict::Approved, None).await
}

pub(crate) async fn reject(app: &App, args: RejectArgs) -> Result<Exit> {
    review(app, args.review, Verdict::Rejected, None).await
}

pub(crate) async fn waive(app: &App, args: WaiveArgs) -> Result<Exit> {
    let WaiveArgs { gate, versions, reason } = args;
    let args = Review { versions, reason: Some(reason), evidence: None };
    review(app, args, Verdict::Waived, Some(gate)).await
}

async fn review(app: &App, args: Review, verdict: Verdict, gate: Option<GateName>) -> Result<Exit> {
    let Review { versions, reason, evidence } = args;
    let refs = versions.refs();
    let request = ReviewRequest { refs, to: versions.to, verdict, gate, reason, evidence };
    let session = Session::open(app).await?;
    let answer = session.client.review(&request, None).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&answer)?;
        return Ok(Exit::Ok);
    }
    print_plan(app, &answer.promotion)?;
    app.terminal.note(match answer.event {
        Some(event) => format!("on record as event {event}"),
        None => "you said so before".to_owned(),
    });
    Ok(Exit::Ok)
}

pub(crate) async fn reviews(app: &App, args: ReviewsArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let list = session.client.reviews(&args.reference.to_string()).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&list)?;
        return Ok(Exit::Ok);
    }
    if list.reviews.is_empty() {
        app.terminal.note("nobody has said anything of it");
        return Ok(Exit::Ok);
    }
    let mut table = Table::new([">event", "said (UTC)", "by", "stage", "what", "reason"]);
    for review in list.reviews {
        let Reviewed { event, at, by, stage, verdict, gate, reason, .. } = review;
        let (word, style) = match verdict {
            Verdict::Approved => ("approved", style::GOOD),
            Verdict::Rejected => ("rejected", style::ERROR),
            Verdict::Waived => ("waived", style::WARN),
        };
        let what = gate.map_or_else(|| word.to_owned(), |gate| format!("{word} {gate}"));
        table.push([
            event.to_string().into(),
            human::time(at).into(),
            by.into(),
            stage.to_string().into(),
            Cell::styled(what, style),
            reason.unwrap_or_default().into(),
        ]);
    }
    app.terminal.print_table(&table)?;
    Ok(Exit::Ok)
}

pub(crate) async fn deprecate(app: &App, args: DeprecateArgs) -> Result<Exit> {
    let DeprecateArgs { dataset, sunset, successor } = args;
    let request = DeprecationRequest { dataset, sunset_at: sunset, successor };
    let session = Session::open(app).await?;
    let answer = session.client.deprecate(&request, None).await?;
    session.close().await;
    let dataset = &request.dataset;
    told(app, &answer, &format!("{dataset} ends at {} UTC", human::time(sunset)))
}

pub(crate) async fn retire(app: &App, args: RetireArgs) -> Result<Exit> {
    let request = RetirementRequest { dataset: args.dataset };
    let session = Session::open(app).await?;
    let answer = session.client.retire(&request, None).await?;
    session.close().await;
    told(app, &answer, &format!("{} has ended", request.dataset))
}

fn told(app: &App, answer: &NoticeAnswer, what: &str) -> Result<Exit> {
    if app.terminal.json {
        app.terminal.print_json(answer)?;
        return Ok(Exit::Ok);
    }
    app.terminal.print(format_args!("{what}\n"))?;
    app.terminal.note(match answer.event {
        Some(event) => format!("on record as event {event}"),
        None => "it was said before".to_owned(),
    });
    Ok(Exit::Ok)
}

fn print_promoted(app: &App, answer: &PromotionAnswer) -> Result<()> {
    let good = style::GOOD;
    for promotion in &answer.promotions {
        let PlannedPromotion { dataset, version, .. } = promotion;
        let told = match (promotion.is_change, promotion.from) {
            (false, _) => format!("is v{version} already"),
            (true, None) => format!("is v{version} now"),
            (true, Some(from)) if promotion.goes_back => {
                format!("is v{version} now, back from v{from}")
            }
            (true, Some(from)) => format!("is v{version} now, was v{from}"),
        };
        app.terminal.print(format_args!("{good}{dataset}@{}{good:#} {told}\n", answer.to))?;
        for gate in promotion.gates.iter().filter(|gate| gate.waiver.is_some()) {
            app.terminal.warn(format!("`{}` was waived: {}", gate.gate, found(gate)));
        }
        if promotion.self_approved {
            app.terminal.warn("self-approved: nobody else consented");
        }
    }
    if let Some(event) = answer.event {
        app.terminal.note(format!("on record as event {event}"));
    }
    Ok(())
}

fn print_plan(app: &App, answer: &PromotionAnswer) -> Result<()> {
    let bold = style::BOLD;
    for (place, promotion) in answer.promotions.iter().enumerate() {
        let now = match promotion.from {
            Some(from) => format!("v{from} is there now"),
            None => "nothing is there yet".to_owned(),
        };
        let PlannedPromotion { dataset, version, .. } = promotion;
        app.terminal.print(if place == 0 { "" } else { "\n" })?;
        let to = &answer.to;
        app.terminal
            .print(format_args!("{bold}{dataset}@v{version}{bold:#} to {to}; {now}\n\n"))?;
        app.terminal.print_table(&gates(promotion))?;
        for refusal in &promotion.refusals {
            app.terminal.warn(refusal);
        }
        if let Some(evidence) = promotion.evidence {
            app.terminal.note(format!("evidence {evidence}"));
        }
    }
    Ok(())
}

fn gates(promotion: &PlannedPromotion) -> Table {
    let mut table = Table::new(["gate", "holds", "found"]);
    for gate in &promotion.gates {
        let (word, style) = match (gate.holds, &gate.waiver) {
            (true, _) => ("yes", style::GOOD),
            (false, Some(_)) => ("waived", style::WARN),
            (false, None) => ("no", style::ERROR),
        };
        table.push([gate.gate.to_string().into(), Cell::styled(word, style), found(gate).into()]);
    }
    table
}

fn found(gate: &GateOutcome) -> String {
    let mut text = gate.found.clone().unwrap_or_default();
    if let Some(waiver) = &gate.waiver {
        let reason = waiver.reason.as_ref().map(|reason| format!(": {reason}"));
        text.push_str(&format!(" (waived by {}{})", waiver.by, reason.unwrap_or_default()));
    }
    text
}
