//! `lakebed fetch`: the bytes of versions, verified, in a folder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueHint};
use lakebed_api::{ResolveRequest, ResolvedVersion};
use lakebed_core::{DatasetRef, LakeId, LockedInput, ObjectId};
use serde::Serialize;

use crate::{
    app::App,
    commands::lock::{BATCH, pin_of},
    config::Target,
    connect::Session,
    fetch::{
        self, Fetched,
        layout::{self, What},
        place::Existing,
        transfer::OnBytes,
    },
    lockfile::{self, LockFile},
    output::{Table, human},
    problem::{Exit, Problem, Result},
    progress::Bar,
};

/// How many files at a time when nobody says.
const JOBS: usize = 4;

/// Bring verified files of versions into a folder.
///
/// Tables come as Parquet, `<namespace>/<name>/part-00000.parquet` …; a reference with a selector
/// has a folder of its own, as in `<namespace>/<name>@v1/`, which holds the files of that version and
/// nothing else. Files that are there already are verified and kept, those of a version fetched before
/// are replaced; an interrupted fetch goes on where it stopped. What they are is noted in the folder,
/// for `lakebed run --offline`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed fetch --lock lakebed.lock --into ./inputs
  lakebed fetch nyc.weather nyc.planes@v1 --into ./inputs
  lakebed fetch nyc.weather --sources --into ./originals    # the files as they were ingested")]
pub(crate) struct FetchArgs {
    /// References; with a lock, only these of it
    #[arg(value_name = "REF")]
    references: Vec<DatasetRef>,
    /// What is pinned in this file; lakebed.lock when neither a lock nor a reference is given
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    lock: Option<PathBuf>,
    /// The folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    into: PathBuf,
    /// The originals instead of Parquet
    #[arg(long)]
    sources: bool,
    /// How many files at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Replace files that somebody changed, and remove those that somebody added
    #[arg(long)]
    force: bool,
}

/// What to fetch, and under which name.
struct Wish {
    /// Names the folder.
    reference: DatasetRef,
    /// Is resolved.
    pinned: DatasetRef,
}

impl Wish {
    fn of(input: &LockedInput) -> Self {
        Self { reference: input.reference.clone(), pinned: pin_of(input) }
    }
}

#[derive(Serialize)]
struct Report {
    lake: LakeId,
    into: PathBuf,
    fetched: Vec<Fetched>,
}

pub(crate) async fn run(app: &App, args: FetchArgs) -> Result<Exit> {
    check_outside(app, &args.into)?;
    let (wishes, expected) = wishes(app, &args)?;
    let session = Session::open(app).await?;
    if let Some((lock, path)) = &expected {
        lockfile::check_lake(lock, path, session.client.lake().await?.lake)?;
    }
    let inputs = expected.as_ref().map(|(lock, path)| (lock.inputs(), path.as_path()));
    let (lake, versions) = resolve(&session, &wishes, inputs).await?;
    let what = if args.sources { What::Originals } else { What::Tables };
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let (wanted, into) = ((&wishes[..], versions), (args.into.as_path(), what));
    let how = How { lake, existing, jobs: usize::from(args.jobs) };
    let fetched = bring_all(app, &session, wanted, into, how).await?;
    session.close().await;
    report(app, Report { lake, into: args.into, fetched })?;
    Ok(Exit::Ok)
}

/// Nothing of ours but the lake writes into a lake's own folder.
///
/// # Errors
/// Exit code 2 when `folder` is that, or in it.
pub(crate) fn check_outside(app: &App, folder: &Path) -> Result<()> {
    // Where none is named there is none to be outside of.
    let Ok(Target::Folder(lake)) = app.settings.lake() else { return Ok(()) };
    let folder = app.current.join(folder);
    let existing = folder.ancestors().find_map(|above| above.canonicalize().ok());
    match (existing, app.current.join(lake).canonicalize()) {
        (Some(existing), Ok(lake)) if existing.starts_with(&lake) => {
            let message = format!("`{}` is the lake's own folder", folder.display());
            Err(Problem::usage(message).hint("name a folder that is not in the lake's"))
        }
        _ => Ok(()),
    }
}

/// Brings the tables and files of pinned versions below `into`, several at a time, verified.
pub(crate) async fn bring(
    app: &App,
    session: &Session,
    (inputs, lock): (&[LockedInput], &Path),
    into: &Path,
) -> Result<Vec<Fetched>> {
    let wishes: Vec<Wish> = inputs.iter().map(Wish::of).collect();
    let (lake, versions) = resolve(session, &wishes, Some((inputs, lock))).await?;
    let how = How { lake, existing: Existing::Keep, jobs: JOBS };
    bring_all(app, session, (&wishes, versions), (into, What::Tables), how).await
}

/// The digests of the files of pinned versions, in order, as the lake tells them.
pub(crate) async fn objects(
    session: &Session,
    inputs: &[LockedInput],
) -> Result<Vec<Vec<ObjectId>>> {
    let wishes: Vec<Wish> = inputs.iter().map(Wish::of).collect();
    let (_, versions) = resolve(session, &wishes, None).await?;
    let mut objects = Vec::with_capacity(wishes.len());
    for (wish, version) in wishes.iter().zip(versions) {
        let folder = layout::plan(&wish.reference, version, What::Tables)?;
        objects.push(folder.files.iter().map(|file| file.link.object).collect());
    }
    Ok(objects)
}

/// Of which lake, over what, and how many files at a time.
struct How {
    lake: LakeId,
    existing: Existing,
    jobs: usize,
}

async fn bring_all(
    app: &App,
    session: &Session,
    (wishes, versions): (&[Wish], Vec<ResolvedVersion>),
    (into, what): (&Path, What),
    How { lake, existing, jobs }: How,
) -> Result<Vec<Fetched>> {
    let mut folders = Vec::with_capacity(wishes.len());
    for (wish, version) in wishes.iter().zip(versions) {
        folders.push(layout::plan(&wish.reference, version, what)?);
    }
    let total =
        folders.iter().flat_map(|folder| &folder.files).map(|file| file.link.size_bytes).sum();
    let mut bar = Bar::new(&app.terminal);
    bar.start("fetching", total);
    let counter = bar.counter();
    let on_bytes: OnBytes = Arc::new(move |bytes| counter.add(bytes));
    fetch::fetch(session, (lake, into), &folders, existing, jobs, &on_bytes).await
}

type Expected = Option<(lakebed_core::Lock, PathBuf)>;

/// What to fetch: the lock, or the references given of it, or what the references mean now.
fn wishes(app: &App, args: &FetchArgs) -> Result<(Vec<Wish>, Expected)> {
    let Some(path) = lock_path(app, args)? else {
        let mut wishes: Vec<Wish> = Vec::new();
        for reference in &args.references {
            if wishes.iter().all(|wish| wish.reference != *reference) {
                wishes.push(Wish { reference: reference.clone(), pinned: reference.clone() });
            }
        }
        return Ok((wishes, None));
    };
    let lock = LockFile::open(&path)?.existing()?;
    if let Some(missing) = args.references.iter().find(|asked| find(lock.inputs(), asked).is_none())
    {
        return Err(Problem::not_found(format!("`{missing}` is not in `{}`", path.display()))
            .hint(format!("add it with `lakebed lock {missing}`, or fetch it without `--lock`")));
    }
    let wanted = lock
        .inputs()
        .iter()
        .filter(|input| args.references.is_empty() || args.references.contains(&input.reference));
    Ok((wanted.map(Wish::of).collect(), Some((lock, path))))
}

fn lock_path(app: &App, args: &FetchArgs) -> Result<Option<PathBuf>> {
    if let Some(path) = &args.lock {
        return Ok(Some(app.current.join(path)));
    }
    if !args.references.is_empty() {
        return Ok(None);
    }
    let path = app.current.join(lockfile::FILE);
    match path.is_file() {
        true => Ok(Some(path)),
        false => Err(Problem::usage("nothing to fetch was named")
            .hint("name references, or a lock file with `--lock`")),
    }
}

fn find<'a>(inputs: &'a [LockedInput], reference: &DatasetRef) -> Option<&'a LockedInput> {
    inputs.iter().find(|input| input.reference == *reference)
}

/// What the wishes mean; those for `inputs` of a lock file as that file has them.
async fn resolve(
    session: &Session,
    wishes: &[Wish],
    inputs: Option<(&[LockedInput], &Path)>,
) -> Result<(LakeId, Vec<ResolvedVersion>)> {
    let mut versions = Vec::with_capacity(wishes.len());
    let mut lake = session.client.lake().await?.lake;
    for batch in wishes.chunks(BATCH) {
        let refs = batch.iter().map(|wish| wish.pinned.to_string()).collect();
        let answer = session
            .client
            .resolve(&ResolveRequest { refs, files: true, ..ResolveRequest::default() })
            .await
            .map_err(|error| match inputs {
                Some((inputs, path)) => lockfile::explain(path, inputs, error.into()),
                None => error.into(),
            })?;
        lake = answer.lake;
        versions.extend(answer.versions);
    }
    if versions.len() != wishes.len() {
        return Err(Problem::internal("the lake answered fewer references than it was asked"));
    }
    for (wish, version) in wishes.iter().zip(&versions) {
        if let Some((inputs, path)) = inputs
            && let Some(input) = find(inputs, &wish.reference)
        {
            lockfile::check_number(path, input, version.version.version)?;
        }
    }
    Ok((lake, versions))
}

fn report(app: &App, report: Report) -> Result<()> {
    if app.terminal.json {
        return app.terminal.print_json(&report);
    }
    let mut table = Table::new(["reference", ">version", ">files", ">size", ">kept", "folder"]);
    for fetched in &report.fetched {
        table.push([
            fetched.reference.to_string().into(),
            format!("v{}", fetched.version).into(),
            human::count(fetched.files.len() as u64).into(),
            human::bytes(fetched.size_bytes).into(),
            human::count(fetched.kept_count).into(),
            fetched.folder.display().to_string().into(),
        ]);
    }
    app.terminal.print_table(&table)?;
    app.terminal.note("every file was verified against its digest");
    Ok(())
}
