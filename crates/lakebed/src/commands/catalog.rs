//! `lakebed plan` and `lakebed apply`: from a folder of declarations to what holds in the lake.
//!
//! The folder is read and checked here, before anything is asked of the lake; what is sent is the
//! canonical value.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use lakebed_api::{
    CatalogApplyRequest, CatalogPlan, CatalogPlanRequest, ContractChange, LadderChange, Reach,
    ReviewedColumn, RightChange, SightChange,
};
use lakebed_client::ClientError;
use lakebed_core::{
    Declared, Grant, Grantee, Ladder, Product, Refresh, Served, Stage, StageName, policy::Policy,
};
use lakebed_service::govern::{
    CatalogFile, Mistake, ProductPart, ReadCatalog, find_policy, find_product, read_catalog,
};

use crate::{
    app::App,
    connect::Session,
    output::{escaped, human, style},
    problem::{Exit, Problem, Result},
};

/// Declarations beyond this are no declarations, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// How many mistakes are told at once.
const SHOWN: usize = 20;
/// How many names stand in one line.
pub(crate) const NAMES: usize = 6;

/// Show what applying a folder of declarations would change, and who would gain or lose what.
///
/// Reads groups.yaml, grants.yaml, policies/*.yaml, the contracts in
/// datasets/NAMESPACE/NAME.odcs.yaml and the products in products/NAMESPACE/NAME.yaml. Changes nothing. Exit code 0 when nothing would change, 1 when
/// something would.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lakebed plan\n  lakebed plan catalog/ --json")]
pub(crate) struct PlanArgs {
    /// The folder
    #[arg(default_value = "catalog", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

/// Declare what stands in a folder, in place of what was declared before.
///
/// One event; the same folder again changes nothing. Refused when somebody else applied another one
/// since this one was planned.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lakebed apply catalog/\n  lakebed apply catalog/ --expect d79e65953d0b5f7306cdac4d875a1718001bee2d9146aed5fd3daff6dc0f5953"
)]
pub(crate) struct ApplyArgs {
    /// The folder
    #[arg(default_value = "catalog", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// Only in place of the catalog with this digest, as `lakebed plan --json` calls it `before`;
    /// `none` for the first
    #[arg(long, value_name = "DIGEST", value_parser = parse_expected)]
    expect: Option<Expected>,
    /// Apply it even though nobody would be left who may admin the lake
    #[arg(long)]
    without_admin: bool,
}

/// What is to be replaced.
#[derive(Debug, Clone, Copy)]
struct Expected(Option<lakebed_core::ObjectId>);

fn parse_expected(text: &str) -> Result<Expected, String> {
    match text {
        "none" => Ok(Expected(None)),
        digest => {
            let digest = digest.parse::<lakebed_core::ObjectId>();
            digest.map(|digest| Expected(Some(digest))).map_err(|error| error.to_string())
        }
    }
}

pub(crate) async fn plan(app: &App, args: PlanArgs) -> Result<Exit> {
    let (declared, files) = read(app, &args.folder)?;
    let session = Session::open(app).await?;
    let plan = session.client.plan_catalog(&CatalogPlanRequest { declared }).await;
    let plan = plan.map_err(|error| with_places(error.into(), &args.folder, &files))?;
    let counted_on = counted_on(app, &session, &plan).await;
    session.close().await;
    report(app, &plan)?;
    counted_on.iter().for_each(|text| app.terminal.warn(text));
    if !app.terminal.json && plan.is_change {
        app.terminal.hint(format!("`lakebed apply {}` does it", args.folder.display()));
    }
    Ok(if plan.is_change { Exit::No } else { Exit::Ok })
}

pub(crate) async fn apply(app: &App, args: ApplyArgs) -> Result<Exit> {
    let (declared, files) = read(app, &args.folder)?;
    let placed = |error: ClientError| with_places(error.into(), &args.folder, &files);
    let session = Session::open(app).await?;
    let expected = match args.expect {
        Some(Expected(expected)) => expected,
        None => {
            let request = CatalogPlanRequest { declared: declared.clone() };
            session.client.plan_catalog(&request).await.map_err(placed)?.before
        }
    };
    let request = CatalogApplyRequest { declared, expected, without_admin: args.without_admin };
    let applied = session.client.apply_catalog(&request, None).await.map_err(placed)?;
    let counted_on = counted_on(app, &session, &applied.plan).await;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&applied)?;
        return Ok(Exit::Ok);
    }
    report(app, &applied.plan)?;
    counted_on.iter().for_each(|text| app.terminal.warn(text));
    if let Some(event) = applied.event {
        app.terminal.note(format!("applied as {}, event {event}", applied.plan.after.short()));
    }
    Ok(Exit::Ok)
}

/// Who counts on the products that are declared no more, as far as the asker may know: a sentence each.
async fn counted_on(app: &App, session: &Session, plan: &CatalogPlan) -> Vec<String> {
    let mut told = Vec::new();
    let removed = plan.products.iter().filter(|change| change.after.is_none());
    for change in removed.filter(|_| !app.terminal.json) {
        // Where they may not ask, there is nothing to tell.
        let Ok(answer) = session.client.impact(&change.product, None).await else { continue };
        let readers = answer.products.iter().filter(|product| product.declared);
        let readers: Vec<String> =
            readers.map(|product| format!("`{}`", product.product)).collect();
        let locks = answer.locks.iter();
        let locks: Vec<String> =
            locks.map(|lock| format!("`{}` of `{}`", lock.name, lock.actor)).collect();
        let mut parts = Vec::new();
        if !readers.is_empty() {
            parts.push(format!("is read by {}", readers.join(", ")));
        }
        if !locks.is_empty() {
            parts.push(format!("is locked by {}", locks.join(", ")));
        }
        if !parts.is_empty() {
            told.push(format!("`{}` {}", change.product, parts.join(", and ")));
        }
    }
    told
}

/// Reads and checks the folder.
fn read(app: &App, folder: &Path) -> Result<(Declared, Vec<CatalogFile>)> {
    let files = files(&app.current.join(folder), folder)?;
    let ReadCatalog { declared, notes } = read_catalog(&files)
        .map_err(|mistakes| tell_mistakes("invalid-catalog", folder, folder, &mistakes))?;
    for (file, note) in notes {
        let place = folder.join(file);
        let text = format!("{}:{}:{}: {}", place.display(), note.line, note.column, note.message);
        app.terminal.note(text);
    }
    Ok((declared, files))
}

/// A lake that finds a policy not to fit its tables, or a product that cannot be, names it; here is where it
/// stands.
fn with_places(mut problem: Problem, folder: &Path, files: &[CatalogFile]) -> Problem {
    let word = match &*problem.code {
        "policy-misfit" => "policy `",
        "invalid-product" => "product `",
        _ => return problem,
    };
    let named = problem.message.split(word).skip(1);
    let names: Vec<String> =
        named.filter_map(|text| text.split('`').next().map(str::to_owned)).collect();
    for name in names {
        let policy = || find_policy(files, &name.parse().ok()?);
        let product = || find_product(files, &name.parse().ok()?, &part_of(&problem.message));
        let place = if problem.code == "policy-misfit" { policy() } else { product() };
        if let Some(place) = place {
            let file = folder.join(&place.file);
            let (line, column) = (place.line, place.column);
            problem.details.push(format!("{}:{line}:{column}: `{name}`", file.display()));
        }
    }
    problem
}

/// Which part of a product a lake speaks of: a query, or its statement.
fn part_of(message: &str) -> ProductPart {
    let query = message.split_once("`, query `").and_then(|(_, rest)| rest.split('`').next());
    query.map_or(ProductPart::Sql, |query| ProductPart::Query(query.to_owned()))
}

/// Every declaration of the folder; subfolders with declarations count, other files do not.
fn files(place: &Path, shown: &Path) -> Result<Vec<CatalogFile>> {
    let failed = |error: &std::io::Error| Problem::io("read", shown, error);
    let mut files = Vec::new();
    let mut folders = vec![(place.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let path = entry.path();
            let metadata = std::fs::metadata(&path).map_err(|error| failed(&error))?;
            // Deeper than any declaration lies: a link that leads back ends here.
            if metadata.is_dir() && name.matches('/').count() < 4 {
                folders.push((path, format!("{name}/")));
            } else if name.ends_with(".yaml") || name.ends_with(".yml") {
                files.push(CatalogFile { text: declaration(&path, metadata.len())?, name });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    match files.is_empty() {
        false => Ok(files),
        // A folder named by mistake must not take every right away.
        true => Err(Problem::not_found(format!("`{}` declares nothing", shown.display())).hint(
            "it should hold `groups.yaml`, `stages.yaml`, `grants.yaml`, `policies/`, `datasets/` or `products/`; files may be empty",
        )),
    }
}

/// The text of a file that people wrote.
pub(crate) fn declaration(path: &Path, size_bytes: u64) -> Result<String> {
    if size_bytes > MAX_FILE {
        return Err(Problem::refused(
            "invalid-catalog",
            format!("`{}` is larger than {}", path.display(), human::bytes(MAX_FILE)),
        ));
    }
    std::fs::read_to_string(path).map_err(|error| Problem::io("read", path, &error))
}

/// All mistakes, as `catalog/grants.yaml:3:7: …`, which editors understand.
///
/// `shown` is what was given, `folder` where the files of the mistakes are.
pub(crate) fn tell_mistakes(
    code: &str,
    shown: &Path,
    folder: &Path,
    mistakes: &[Mistake],
) -> Problem {
    let line = |mistake: &Mistake| format!("{}", folder.join(mistake.to_string()).display());
    let count = human::counted(mistakes.len() as u64, "mistake");
    let message = format!("`{}` cannot be meant like that: {count}", shown.display());
    let mut problem = Problem::refused(code, message);
    for mistake in mistakes.iter().take(SHOWN) {
        problem.details.push(line(mistake));
    }
    if mistakes.len() > SHOWN {
        problem.details.push(format!("and {} more", mistakes.len() - SHOWN));
    }
    match mistakes.iter().find_map(|mistake| mistake.hint.clone()) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn report(app: &App, plan: &CatalogPlan) -> Result<()> {
    if app.terminal.json {
        return app.terminal.print_json(plan);
    }
    let good = style::GOOD;
    match plan.is_change {
        true => app.terminal.print(describe(plan))?,
        false => app.terminal.print(format_args!("{good}nothing would change{good:#}\n"))?,
    }
    for warning in &plan.warnings {
        app.terminal.warn(warning);
    }
    if plan.loses_last_admin {
        app.terminal.warn("nobody would be left who may admin the lake");
    }
    Ok(())
}

/// What changes in the declarations, then what that means for people. `+` gains, `-` loses.
fn describe(plan: &CatalogPlan) -> String {
    let mut lines = Vec::new();
    for change in &plan.groups {
        let members = change.joined.iter().map(|name| format!("+{name}"));
        let members: Vec<_> =
            members.chain(change.left.iter().map(|name| format!("-{name}"))).collect();
        let members = match members.is_empty() {
            true => "no members".to_owned(),
            false => members.join(" "),
        };
        lines.push(format!("~ group {}: {members}", change.group));
    }
    lines.extend(plan.claimed_groups_added.iter().map(|group| format!("+ claimed group {group}")));
    lines
        .extend(plan.claimed_groups_removed.iter().map(|group| format!("- claimed group {group}")));
    for change in &plan.attributes {
        let shown = |value: &Option<lakebed_core::AttributeValue>| {
            value.as_ref().map_or("none".to_owned(), ToString::to_string)
        };
        let (before, after) = (shown(&change.before), shown(&change.after));
        lines.push(format!("~ {}.{}: {before} -> {after}", change.principal, change.attribute));
    }
    lines.extend(plan.grants_added.iter().map(|grant| format!("+ grant {}", shown(grant))));
    lines.extend(plan.grants_removed.iter().map(|grant| format!("- grant {}", shown(grant))));
    for change in &plan.policies {
        let sign = match (&change.before, &change.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        let told = change.after.as_ref().or(change.before.as_ref()).map(policy);
        lines.push(format!("{sign} policy {}", told.unwrap_or_default()));
    }
    for change in &plan.products {
        let (sign, what) = match (&change.before, &change.after) {
            (None, Some(after)) => ('+', computed(after)),
            (None, None) => continue,
            (_, None) => ('-', "its versions stay".to_owned()),
            (Some(before), Some(after)) => ('~', differences(before, after)),
        };
        lines.push(format!("{sign} product {}: {what}", change.product));
    }
    let reviewed = |sign: char| {
        move |reviewed: &ReviewedColumn| {
            format!("{sign} reviewed {}: {}", reviewed.dataset, reviewed.column)
        }
    };
    lines.extend(plan.reviewed_added.iter().map(reviewed('+')));
    lines.extend(plan.reviewed_removed.iter().map(reviewed('-')));
    lines.extend(plan.ladder.iter().flat_map(ladder));
    lines.extend(plan.rights.iter().map(right));
    lines.extend(plan.sights.iter().map(sight));
    lines.extend(plan.contracts.iter().flat_map(contract));
    let mut text = String::new();
    for line in lines {
        let style = match line.split(' ').next().unwrap_or_default() {
            "+" | "gains" => style::GOOD,
            "-" | "loses" => style::ERROR,
            _ => style::WARN,
        };
        text.push_str(&format!("{style}{}{style:#}\n", escaped(&line)));
    }
    text
}

/// Some of those it is about.
fn names(who: &BTreeSet<Grantee>) -> String {
    let mut names: Vec<String> = who.iter().take(NAMES).map(ToString::to_string).collect();
    if who.len() > NAMES {
        names.push(format!("and {} more", who.len() - NAMES));
    }
    names.join(", ")
}

/// A policy in a line.
fn policy(policy: &Policy) -> String {
    let mut text = format!("{} on {}: {}", policy.name, policy.on, policy.rule);
    if !policy.except.is_empty() {
        let except: Vec<_> = policy.except.iter().map(ToString::to_string).collect();
        text.push_str(&format!(", except {}", except.join(", ")));
    }
    text
}

fn sight(sight: &SightChange) -> String {
    let (verb, how) = match sight.is_gain {
        true => ("gains", "no more"),
        false => ("loses", "from now on"),
    };
    let who = names(&sight.who);
    format!("{verb} sight of {}, {how}: {}: {who}", sight.on, sight.restriction)
}

fn right(right: &RightChange) -> String {
    let verb = if right.is_gain { "gains" } else { "loses" };
    let time = match (right.before, right.after) {
        (_, Reach::Never) | (Reach::Never, Reach::Always) => String::new(),
        (_, Reach::Until(time)) => format!(" (until {})", human::time(time)),
        (Reach::Until(_), Reach::Always) => " (without end)".to_owned(),
        (Reach::Always, Reach::Always) => String::new(),
    };
    format!("{verb} {} on {}{time}: {}", right.action, right.on, names(&right.who))
}

/// When the rows of a product are computed.
fn computed(product: &Product) -> String {
    match (product.served, product.refresh) {
        (Served::Live, _) => "computed whenever it is read".to_owned(),
        (Served::Materialized, Refresh::Manual) => "built when it is asked for".to_owned(),
        (Served::Materialized, Refresh::OnChange) => {
            "built by a server when what it is made of changes".to_owned()
        }
        (Served::Materialized, Refresh::EveryMinutes(minutes)) => {
            let wait = human::counted(minutes.into(), "minute");
            format!("built by a server every {wait}, if what it is made of changed")
        }
    }
}

/// What of a product is otherwise.
fn differences(before: &Product, after: &Product) -> String {
    let parts = [
        ("owner", before.owner != after.owner),
        ("purpose", before.purpose != after.purpose),
        ("sql", before.sql != after.sql),
        ("input_stage", before.input_stage != after.input_stage),
        ("order_by", before.order_by != after.order_by),
        ("served", before.served != after.served),
        ("refresh", before.refresh != after.refresh),
    ];
    let changed: Vec<_> =
        parts.into_iter().filter(|(_, is_other)| *is_other).map(|(name, _)| name).collect();
    format!("another {}", changed.join(", "))
}

/// Stages and gates that appear, go or change.
fn ladder(change: &LadderChange) -> Vec<String> {
    let LadderChange { before, after } = change;
    let find = |ladder: &Ladder, name: &StageName| {
        ladder.stages.iter().find(|stage| stage.name == *name).cloned()
    };
    let names = |ladder: &Ladder| {
        ladder.stages.iter().map(|stage| stage.name.to_string()).collect::<Vec<_>>().join(", ")
    };
    let mut lines = Vec::new();
    if names(before) != names(after) {
        lines.push(format!("~ stages: {} -> {}", names(before), names(after)));
    }
    for stage in &after.stages {
        match find(before, &stage.name) {
            Some(old) if old == *stage => {}
            Some(old) => {
                lines.push(format!("~ stage {}: {} -> {}", stage.name, gates(&old), gates(stage)));
            }
            None => lines.push(format!("+ stage {}: {}", stage.name, gates(stage))),
        }
    }
    let gone = before.stages.iter().filter(|stage| find(after, &stage.name).is_none());
    lines.extend(gone.map(|stage| format!("- stage {}: {}", stage.name, gates(stage))));
    if before.solo != after.solo {
        lines.push(match after.solo {
            true => "~ a lake of one person: their own approvals count".to_owned(),
            false => "~ a lake of several people: nobody's own approvals count".to_owned(),
        });
    }
    lines
}

/// The gates of a stage in a line.
fn gates(stage: &Stage) -> String {
    let told = |gate: &lakebed_core::Gate| match stage.waivable.contains(&gate.name()) {
        true => format!("{gate} (waivable)"),
        false => gate.to_string(),
    };
    match stage.gates.is_empty() {
        true => "no gates".to_owned(),
        false => stage.gates.iter().map(told).collect::<Vec<_>>().join(", "),
    }
}

/// A contract that changes, and why that is a change of its level.
fn contract(change: &ContractChange) -> Vec<String> {
    let ContractChange { dataset, .. } = change;
    let mut lines = match (&change.before, &change.after) {
        (None, Some(after)) => {
            vec![format!("+ contract {dataset} {after}, from the next version on")]
        }
        (Some(before), None) => vec![format!("- contract {dataset} {before}")],
        (Some(before), Some(after)) => {
            let level = change.level.as_deref().unwrap_or("none");
            vec![format!("~ contract {dataset} {before} -> {after}: {level}")]
        }
        (None, None) => Vec::new(),
    };
    for reason in &change.reasons {
        let lakebed_api::ContractReason { level, element, what, why } = reason;
        lines.push(format!("    {level}: {element} {what}: {why}"));
    }
    lines.extend(change.version_flaw.iter().map(|flaw| format!("    {flaw}")));
    lines
}

/// A grant in a line.
pub(crate) fn shown(grant: &Grant) -> String {
    let may: Vec<_> = grant.may.iter().map(ToString::to_string).collect();
    let mut text = format!("{} may {} on {}", grant.to, may.join(", "), grant.on);
    if grant.from_stage != StageName::raw() {
        text.push_str(&format!(" from stage {}", grant.from_stage));
    }
    if let Some(until) = grant.until {
        text.push_str(&format!(" until {}", human::time(until)));
    }
    text
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_plan_is_told_in_lines_that_say_who_gains_and_who_loses() {
        let json = r#"{"after":"d79e65953d0b5f7306cdac4d875a1718001bee2d9146aed5fd3daff6dc0f5953",
            "is_change":true,"loses_last_admin":false,
            "groups":[{"group":"analysts","joined":["bob"],"left":["alice"]}],
            "claimed_groups_added":["auditors"],"claimed_groups_removed":[],
            "attributes":[{"principal":"bob","attribute":"region","after":"EU"}],
            "grants_added":[{"to":"bob","may":["read","ingest"],"on":{"dataset":"crm.orders"},
                "from_stage":"raw","until":"2027-01-01T00:00:00.000000Z"}],
            "grants_removed":[{"to":"group:analysts","may":["read"],"on":"lake","from_stage":"raw"}],
            "rights":[
                {"is_gain":true,"who":["bob"],"action":"read","on":{"dataset":"crm.orders"},
                 "before":"never","after":{"until":"2027-01-01T00:00:00.000000Z"}},
                {"is_gain":false,"who":["alice","bob"],"action":"read","on":"lake",
                 "before":"always","after":"never"}],
            "policies":[
                {"after":{"name":"mask-email","on":{"dataset":"crm.customers"},"columns":["email"],
                 "mask":{"partial":{"keep_last":4}},"except":["group:support"]}},
                {"before":{"name":"old","on":"lake","row_filter":"region = 'EU'"}}],
            "reviewed_added":[{"dataset":"crm.customers","column":"phone"}],
            "sights":[
                {"is_gain":false,"who":["alice"],"on":{"dataset":"crm.customers"},
                 "restriction":"email as partial(keep_last 4)"},
                {"is_gain":true,"who":["alice","bob"],"on":"lake",
                 "restriction":"only rows where region = 'EU'"}],
            "ladder":{"before":{"stages":[{"name":"raw"},{"name":"gold","gates":["owner"]}]},
                "after":{"solo":true,"stages":[{"name":"raw"},
                    {"name":"gold","gates":["owner","approvals(2)"],"waivable":["owner"]},{"name":"top"}]}},
            "contracts":[
                {"dataset":"crm.notes","after":"1.0.0"},
                {"dataset":"crm.orders","before":"1.0.0","after":"1.1.0","level":"major",
                 "reasons":[{"level":"major","element":"price","what":"was removed","why":"consumers read it"}],
                 "version_flaw":"the change is major: version `1.1.0` should be `2.0.0` or later"}]}"#;
        let plan: CatalogPlan = serde_json::from_str(json).expect("a plan");
        insta::assert_snapshot!(strip_str(&describe(&plan)).to_string(), @r"
        ~ group analysts: +bob -alice
        + claimed group auditors
        ~ bob.region: none -> EU
        + grant bob may read, ingest on crm.orders until 2027-01-01 00:00:00
        - grant group:analysts may read on lake
        + policy mask-email on crm.customers: email as partial(keep_last 4), except group:support
        - policy old on lake: only rows where region = 'EU'
        + reviewed crm.customers: phone
        ~ stages: raw, gold -> raw, gold, top
        ~ stage gold: owner -> owner (waivable), approvals(2)
        + stage top: no gates
        ~ a lake of one person: their own approvals count
        gains read on crm.orders (until 2027-01-01 00:00:00): bob
        loses read on lake: alice, bob
        loses sight of crm.customers, from now on: email as partial(keep_last 4): alice
        gains sight of lake, no more: only rows where region = 'EU': alice, bob
        + contract crm.notes 1.0.0, from the next version on
        ~ contract crm.orders 1.0.0 -> 1.1.0: major
            major: price was removed: consumers read it
            the change is major: version `1.1.0` should be `2.0.0` or later
        ");
    }
}
