//! `lakebed resolve`: which versions references mean now.

use clap::Args;
use lakebed_api::{FileLink, ResolveRequest, ResolvedVersion};
use lakebed_core::DatasetRef;

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human},
    problem::{Exit, Result},
};

/// Say which versions references mean now, all as of one snapshot.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed resolve nyc.weather nyc.planes@v1
  lakebed resolve nyc.weather --files --json    # where the files are, with digests and sizes
  lakebed resolve nyc.weather --files --url-seconds 3600")]
pub(crate) struct ResolveArgs {
    /// References, `namespace.name[@selector]`
    #[arg(required = true, value_name = "REF")]
    references: Vec<DatasetRef>,
    /// Name the files too
    #[arg(long)]
    files: bool,
    /// How long the URLs of files in an object store are good for; 0 gives none [default: 900]
    #[arg(long, value_name = "SECONDS", requires = "files", value_parser = clap::value_parser!(u32).range(0..=604_800))]
    url_seconds: Option<u32>,
}

pub(crate) async fn run(app: &App, args: ResolveArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let refs = args.references.iter().map(ToString::to_string).collect();
    let request = ResolveRequest { refs, files: args.files, url_seconds: args.url_seconds };
    let answer = session.client.resolve(&request).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&answer)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(["reference", "pinned", "version id"]);
    for version in &answer.versions {
        table.push([
            version.reference.to_string().into(),
            pinned(version).into(),
            version.version.version_id.map_or_else(Cell::null, |id| id.to_string().into()),
        ]);
    }
    app.terminal.print_whole_table(&table)?;
    for version in answer.versions.iter().filter(|_| args.files) {
        app.terminal.print(format_args!("\n{}\n", pinned(version)))?;
        app.terminal
            .print_whole_table(&files_table(version.files.as_deref().unwrap_or_default()))?;
    }
    for version in &answer.versions {
        if version.newest > version.version.version {
            let (reference, newest) = (&version.reference, version.newest);
            app.terminal.note(format!("{reference}: the newest version is v{newest}"));
        }
    }
    Ok(Exit::Ok)
}

/// `nyc.weather@v3`.
fn pinned(version: &ResolvedVersion) -> String {
    format!("{}@v{}", version.version.dataset, version.version.version)
}

/// Files with where they are.
pub(crate) fn files_table(files: &[FileLink]) -> Table {
    let mut table = Table::new([">rows", ">size", "object", "url"]);
    for file in files {
        table.push([
            file.row_count.map(human::count).unwrap_or_default().into(),
            human::bytes(file.size_bytes).into(),
            file.object.to_string().into(),
            file.url.as_str().into(),
        ]);
    }
    table
}
