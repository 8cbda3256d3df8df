//! `lakebed rebuild`: the database, made again from the journal.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use lakebed_service::{LakeConfig, OpenMode, RebuildReport, SystemClock};
use lakebed_store::Root;
use serde_json::json;
use url::Url;

use crate::{
    app::App,
    connect::lake_config,
    output::{human, style},
    problem::{Exit, Problem, Result},
};

/// Make the database again from the journal.
///
/// Everything that anyone was told is in the lake's objects and its journal; the database is an
/// index of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed --lake ./lake rebuild              # when the database is gone
  lakebed --lake ./lake rebuild --replace    # when it is there, but damaged or stale")]
pub(crate) struct RebuildArgs {
    /// Move an existing database aside first; it is kept beside the new one
    #[arg(long)]
    replace: bool,
}

pub(crate) async fn run(app: &App, args: RebuildArgs) -> Result<Exit> {
    let config = lake_config(app, OpenMode::Existing)?;
    let aside = match args.replace {
        true => set_aside(&config, &app.current).await?,
        false => None,
    };
    let report = lakebed_service::rebuild(config, &SystemClock).await.map_err(|error| {
        let exists = error.code() == "database-not-empty";
        let problem = Problem::from(error);
        match exists {
            true => problem.hint("`--replace` moves it aside first; stop whoever uses it before"),
            false => problem,
        }
    })?;
    print(app, &report, aside)?;
    Ok(Exit::Ok)
}

/// Moves the database aside, whatever it is; says what it is called now.
async fn set_aside(config: &LakeConfig, current: &Path) -> Result<Option<String>> {
    if let Some(path) = database_file(config, current) {
        return Ok(move_aside(&path)?.map(|aside| aside.display().to_string()));
    }
    let Some(url) = &config.catalog_url else { return Ok(None) };
    let aside = lakebed_service::set_catalog_aside(url).await?;
    Ok(aside.map(|schema| format!("schema {schema}")))
}

/// The file of the catalog; none for a database that is no file.
fn database_file(config: &LakeConfig, current: &Path) -> Option<PathBuf> {
    match (&config.catalog_url, &config.root) {
        (Some(url), _) => file_of(url, current),
        (None, Root::Folder(folder)) => Some(folder.join("lakebed.db")),
        (None, Root::Url(_)) => None,
    }
}

/// The path of a URL as in `sqlite:///srv/lakebed.db?mode=rwc`; `%` escapes are undone.
fn file_of(url: &str, current: &Path) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let absolute = current.join(path);
    Url::parse(&format!("file://{}", absolute.to_str()?)).ok()?.to_file_path().ok()
}

/// Renames the database and the files that SQLite keeps beside it; returns its new name.
fn move_aside(path: &Path) -> Result<Option<PathBuf>> {
    if !path.exists() {
        return Ok(None);
    }
    let beside = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = (1u32..)
        .map(|number| beside(path, &format!(".old-{number}")))
        .find(|aside| !aside.exists())
        .expect("there are more numbers than files");
    // The database first: SQLite discards a log without its database, but would open a database
    // without its log, and not see that it lacks the last changes.
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (beside(path, suffix), beside(&aside, suffix));
        match fs::rename(&from, &to) {
            Ok(()) => {}
            Err(error) if !suffix.is_empty() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Problem::io("move aside", &from, &error)),
        }
    }
    Ok(Some(aside))
}

fn print(app: &App, report: &RebuildReport, aside: Option<String>) -> Result<()> {
    if app.terminal.json {
        return app.terminal.print_json(&json!({
            "segment_count": report.segments,
            "event_count": report.events,
            "dataset_count": report.datasets,
            "version_count": report.versions,
            "dropped_torn_segment": report.dropped_torn_segment,
            "old_database": aside,
        }));
    }
    let good = style::GOOD;
    app.terminal.print(format_args!(
        "{good}rebuilt{good:#}: {}, {} from {} in {}\n",
        human::counted(report.datasets, "dataset"),
        human::counted(report.versions, "version"),
        human::counted(report.events, "event"),
        human::counted(report.segments, "journal segment"),
    ))?;
    if report.dropped_torn_segment {
        app.terminal.note("the last journal segment was cut off while it was written; nobody was told of what it held");
    }
    if let Some(aside) = aside {
        app.terminal.note(format!("the old database is `{aside}`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_url_is_found() {
        let file = |url| file_of(url, Path::new("/here"));
        assert_eq!(file("sqlite:///srv/a%23 b.db?mode=rwc"), Some("/srv/a# b.db".into()));
        assert_eq!(file("sqlite://x.db"), Some("/here/x.db".into()));
        assert_eq!(file("sqlite:x.db"), Some("/here/x.db".into()));
        assert_eq!(file("postgres://x/y"), None);
    }

    #[test]
    fn a_database_is_moved_with_its_log_and_never_over_another() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lakebed.db");
        let write = |text: &str| {
            fs::write(&path, text).expect("writable");
            fs::write(folder.path().join("lakebed.db-wal"), text).expect("writable");
        };
        assert_eq!(move_aside(&path), Ok(None));
        write("one");
        let first = move_aside(&path).expect("movable").expect("it was there");
        write("two");
        let second = move_aside(&path).expect("movable").expect("it was there");
        assert_ne!(first, second);
        assert_eq!(fs::read_to_string(&first).expect("there"), "one");
        let log = folder.path().join("lakebed.db.old-2-wal");
        assert_eq!(fs::read_to_string(log).expect("there"), "two");
        assert!(!path.exists());
    }
}
