//! `lakebed lock`: pins references, or says which of them mean something else by now.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use lakebed_api::{
    LockAnswer, LockRequest, LockedReference, ResolveRequest, ResolveResponse, ResolvedVersion,
};
use lakebed_core::{DatasetRef, LakeId, Lock, LockedInput, Selector, VersionId};
use serde::Serialize;

use crate::{
    app::App,
    connect::Session,
    lockfile::{self, LockFile},
    output::{Cell, Table, human, style},
    problem::{Exit, Problem, Result},
};

/// The most references that one request resolves.
pub(crate) const BATCH: usize = 1000;

/// Pin references in a lock file, or check that they still mean the same.
///
/// A lock holds references and the ids of the versions they resolved to. `lakebed fetch` brings
/// exactly those bytes, whatever happens to the datasets. A registered lock tells those who look after
/// the datasets that you count on these versions: `lakebed impact` names it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed lock nyc.weather nyc.planes@v1    # adds them to lakebed.lock, or pins them anew
  lakebed lock --check                      # exit code 1 when a reference means something else now
  lakebed lock --update                     # pins everything in the file anew
  lakebed lock --update nyc.weather
  lakebed lock --register train             # says to the lake that you count on what the file pins
  lakebed lock --unregister train")]
pub(crate) struct LockArgs {
    /// References, `namespace.name[@selector]`
    #[arg(value_name = "REF", required_unless_present_any = ["update", "check", "register", "unregister"])]
    references: Vec<DatasetRef>,
    /// The lock file
    #[arg(long, value_name = "FILE", default_value = lockfile::FILE, value_hint = ValueHint::FilePath)]
    lock: PathBuf,
    /// Pin anew what is in the file: the references given, or all
    #[arg(long, conflicts_with = "check")]
    update: bool,
    /// Change nothing, and say what has drifted: of the references given, or of all
    #[arg(long)]
    check: bool,
    /// Register what the file pins then, in place of what you registered under this name before
    #[arg(long, value_name = "NAME", conflicts_with = "check")]
    register: Option<String>,
    /// Take back what you registered under this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["references", "update", "check", "register"])]
    unregister: Option<String>,
}

pub(crate) async fn run(app: &App, args: LockArgs) -> Result<Exit> {
    args.register.iter().chain(&args.unregister).try_for_each(|name| check_name(name))?;
    if let Some(name) = &args.unregister {
        return unregister(app, name).await;
    }
    let open = || LockFile::open(&app.current.join(&args.lock));
    let is_pinned_anew = args.update || !args.references.is_empty();
    match (args.check, &args.register) {
        (true, _) => return check(app, open()?, &args).await,
        (false, Some(_)) if !is_pinned_anew => {}
        (false, _) => {
            pin(app, open()?, &args).await?;
        }
    }
    let Some(name) = &args.register else { return Ok(Exit::Ok) };
    let answer = register(app, open()?, name).await?;
    match (app.terminal.json, is_pinned_anew) {
        // One document, and that is what is pinned.
        (true, true) => {}
        (true, false) => app.terminal.print_json(&answer)?,
        (false, _) => app.terminal.note(match answer.event {
            Some(event) => format!("registered as `{name}`: event {event}"),
            None => format!("`{name}` was registered just so"),
        }),
    }
    Ok(Exit::Ok)
}

/// What is no name would be another path in the lake's API. The words and the rule are the lake's, but that
/// `.` and `..` are no names.
fn check_name(name: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=63).contains(&name.len()) && name.bytes().all(is_plain);
    let hint = "1 to 63 letters, digits, `.`, `_` and `-`";
    let hint = match (is_name, name) {
        (false, _) => hint.to_owned(),
        (true, "." | "..") => format!("{hint}; not `.` or `..`"),
        (true, _) => return Ok(()),
    };
    Err(Problem::refused("invalid-lock-name", "this is no name of a lock").hint(hint))
}

/// Says to the lake that what the file pins is counted on.
async fn register(app: &App, file: LockFile, name: &str) -> Result<LockAnswer> {
    let path = file.path.clone();
    let lock = file.existing()?;
    let session = Session::open(app).await?;
    lockfile::check_lake(&lock, &path, session.client.lake().await?.lake)?;
    let input = |input: &LockedInput| LockedReference {
        reference: input.reference.clone(),
        version_id: input.version_id,
    };
    let request = LockRequest { inputs: lock.inputs().iter().map(input).collect() };
    let answer = session.client.register_lock(name, &request).await;
    session.close().await;
    answer.map_err(|error| lockfile::explain(&path, lock.inputs(), error.into()))
}

async fn unregister(app: &App, name: &str) -> Result<Exit> {
    let session = Session::open(app).await?;
    let answer = session.client.remove_lock(name).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&answer)?;
        return Ok(Exit::Ok);
    }
    app.terminal.note(match answer.event {
        Some(event) => format!("`{name}` is registered no more: event {event}"),
        None => format!("you have registered nothing as `{name}`"),
    });
    Ok(Exit::Ok)
}

/// What a reference meant and means.
#[derive(Debug, Serialize)]
struct Moved {
    reference: DatasetRef,
    /// None: it was not locked.
    from: Option<u64>,
    to: u64,
    version_id: VersionId,
}

/// Resolves the references and writes the file.
async fn pin(app: &App, file: LockFile, args: &LockArgs) -> Result<Exit> {
    let references = match args.update {
        true => selected(&file, &args.references)?,
        false => args.references.clone(),
    };
    let session = Session::open(app).await?;
    let (lake, resolved) = resolve(&session, &references).await?;
    session.close().await;
    // Others may have pinned something since we looked.
    let change = |file: &LockFile| {
        if let Some(lock) = &file.lock {
            lockfile::check_lake(lock, &file.path, lake)?;
        }
        let locked = file.lock.as_ref().map(Lock::inputs).unwrap_or_default();
        let moved = compare(locked, &resolved);
        let lock = Lock::new(lake, locked.iter().chain(&resolved).cloned());
        Ok((lock.clone(), (lock, moved)))
    };
    let (lock, moved) = tokio::task::block_in_place(|| LockFile::change(&file.path, change))?;
    report_pinned(app, &args.lock, &lock, &moved)?;
    Ok(Exit::Ok)
}

/// The references of the file, or those of them that were asked for.
fn selected(file: &LockFile, asked: &[DatasetRef]) -> Result<Vec<DatasetRef>> {
    let lock = file.lock.as_ref().ok_or_else(|| {
        Problem::not_found(format!("there is no lock file `{}`", file.path.display()))
            .hint("write one with `lakebed lock <reference>…`, or name another with `--lock`")
    })?;
    let all: Vec<DatasetRef> = lock.inputs().iter().map(|input| input.reference.clone()).collect();
    if asked.is_empty() {
        return Ok(all);
    }
    match asked.iter().find(|reference| !all.contains(reference)) {
        None => Ok(asked.to_vec()),
        Some(missing) => {
            Err(Problem::not_found(format!("`{missing}` is not in `{}`", file.path.display()))
                .hint(format!("add it with `lakebed lock {missing}`")))
        }
    }
}

/// What the references mean now, and which lake said so.
pub(crate) async fn resolve(
    session: &Session,
    references: &[DatasetRef],
) -> Result<(LakeId, Vec<LockedInput>)> {
    let mut inputs = Vec::with_capacity(references.len());
    let mut lake = None;
    for batch in references.chunks(BATCH) {
        let refs = batch.iter().map(ToString::to_string).collect();
        let answer = session
            .client
            .resolve(&ResolveRequest { refs, files: false, ..ResolveRequest::default() })
            .await?;
        lake = Some(answer.lake);
        inputs.extend(pins(answer)?);
    }
    match lake {
        Some(lake) => Ok((lake, inputs)),
        None => Ok((session.client.lake().await?.lake, inputs)),
    }
}

/// What was resolved may be read, and so has an id.
fn pins(answer: ResolveResponse) -> Result<Vec<LockedInput>> {
    let pin = |resolved: ResolvedVersion| {
        let version_id = resolved.version.version_id.ok_or_else(|| {
            Problem::internal(format!("`{}` came without its id", resolved.reference))
        })?;
        let (reference, version) = (resolved.reference, resolved.version.version);
        Ok(LockedInput { reference, version, version_id })
    };
    answer.versions.into_iter().map(pin).collect()
}

/// Those of `now` that are not in `locked`, or are there with another version.
fn compare(locked: &[LockedInput], now: &[LockedInput]) -> Vec<Moved> {
    let locked: HashMap<_, _> = locked.iter().map(|input| (&input.reference, input)).collect();
    let mut moved = Vec::new();
    for input in now {
        let before = locked.get(&input.reference);
        if before.is_none_or(|before| before.version_id != input.version_id) {
            moved.push(Moved {
                reference: input.reference.clone(),
                from: before.map(|before| before.version),
                to: input.version,
                version_id: input.version_id,
            });
        }
    }
    moved
}

#[derive(Serialize)]
struct Pinned<'a> {
    lock: &'a Path,
    lake: LakeId,
    inputs: &'a [LockedInput],
    changed: &'a [Moved],
}

fn report_pinned(app: &App, path: &Path, lock: &Lock, moved: &[Moved]) -> Result<()> {
    if app.terminal.json {
        let inputs = lock.inputs();
        return app.terminal.print_json(&Pinned {
            lock: path,
            lake: lock.lake,
            inputs,
            changed: moved,
        });
    }
    let count = human::counted(lock.inputs().len() as u64, "reference");
    if moved.is_empty() {
        return app.terminal.print(format_args!("{}: {count}, nothing changed\n", path.display()));
    }
    app.terminal.print_table(&moved_table(moved))?;
    app.terminal.note(format!("{}: {count}; keep it under version control", path.display()));
    Ok(())
}

fn moved_table(moved: &[Moved]) -> Table {
    let mut table = Table::new(["reference", "was", "is", "version id"]);
    for moved in moved {
        let from = moved.from.map_or_else(String::new, |from| format!("v{from}"));
        table.push([
            moved.reference.to_string().into(),
            from.into(),
            Cell::styled(format!("v{}", moved.to), style::BOLD),
            format!("b3:{}", moved.version_id.object().short()).into(),
        ]);
    }
    table
}

#[derive(Serialize)]
struct Checked<'a> {
    lock: &'a Path,
    checked: usize,
    drifted: &'a [Moved],
}

/// Resolves what is locked once more; writes nothing.
async fn check(app: &App, file: LockFile, args: &LockArgs) -> Result<Exit> {
    let references = selected(&file, &args.references)?;
    let path = file.path.clone();
    let lock = file.existing()?;
    let session = Session::open(app).await?;
    let (lake, now) = resolve(&session, &references).await?;
    lockfile::check_lake(&lock, &path, lake)?;
    let drifted = compare(lock.inputs(), &now);
    check_pins(&session, &path, &lock, &now).await?;
    session.close().await;
    if app.terminal.json {
        let (lock, checked) = (args.lock.as_path(), now.len());
        app.terminal.print_json(&Checked { lock, checked, drifted: &drifted })?;
    } else if drifted.is_empty() {
        let (good, count) = (style::GOOD, human::counted(now.len() as u64, "reference"));
        let path = args.lock.display();
        app.terminal.print(format_args!("{good}no drift{good:#}: {count} of {path}\n"))?;
    } else {
        app.terminal.print_table(&moved_table(&drifted))?;
        let count = human::counted(drifted.len() as u64, "reference");
        app.terminal.warn(format!("{count} of {} drifted", args.lock.display()));
        app.terminal.hint("`lakebed fetch` still brings what is locked; `lakebed lock --update` pins what is there now");
    }
    Ok(if drifted.is_empty() { Exit::Ok } else { Exit::No })
}

/// A number and an id of which one is today's and one is not are no drift: one of the two is false.
async fn check_pins(
    session: &Session,
    path: &Path,
    lock: &Lock,
    now: &[LockedInput],
) -> Result<()> {
    let now: HashMap<_, _> = now.iter().map(|input| (&input.reference, input)).collect();
    let mut odd = Vec::new();
    for input in lock.inputs() {
        let Some(now) = now.get(&input.reference) else { continue };
        if now.version_id == input.version_id {
            lockfile::check_number(path, input, now.version)?;
        } else if now.version == input.version {
            odd.push(input.clone());
        }
    }
    if odd.is_empty() {
        return Ok(());
    }
    let pins: Vec<DatasetRef> = odd.iter().map(pin_of).collect();
    let (_, found) =
        resolve(session, &pins).await.map_err(|problem| lockfile::explain(path, &odd, problem))?;
    odd.iter()
        .zip(found)
        .try_for_each(|(input, found)| lockfile::check_number(path, input, found.version))
}

/// By its whole id: whatever the reference means by now.
pub(crate) fn pin_of(input: &LockedInput) -> DatasetRef {
    let selector = Selector::Digest(input.version_id.to_string());
    DatasetRef { dataset: input.dataset().clone(), selector }
}

#[cfg(test)]
mod tests {
    use lakebed_core::ObjectId;

    use super::*;

    #[test]
    fn what_is_no_name_of_a_lock_is_refused() {
        let (longest, longer) = ("x".repeat(63), "x".repeat(64));
        for good in ["train", "a.b_c-1", "...", longest.as_str()] {
            check_name(good).expect(good);
        }
        for bad in ["", ".", "..", "a b", "a/b", "a\nb", "\t", "ä", longer.as_str()] {
            let problem = check_name(bad).expect_err(bad);
            assert_eq!(problem.message, "this is no name of a lock");
        }
    }

    fn input(reference: &str, version: u64) -> LockedInput {
        LockedInput {
            reference: reference.parse().expect("a reference"),
            version,
            version_id: VersionId::new(ObjectId::of(format!("{reference}{version}").as_bytes())),
        }
    }

    #[test]
    fn drift_is_another_version_under_the_same_reference() {
        let locked = [input("a.b", 1), input("a.c", 3), input("a.c@v3", 3)];
        let now = [input("a.b", 2), input("a.c", 3), input("a.d", 1)];
        let moved = compare(&locked, &now);
        let seen: Vec<_> =
            moved.iter().map(|moved| (moved.reference.to_string(), moved.from, moved.to)).collect();
        assert_eq!(seen, [("a.b".to_owned(), Some(1), 2), ("a.d".to_owned(), None, 1)]);
    }
}
