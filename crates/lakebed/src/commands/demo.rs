//! `lakebed demo`: the main job on real data, in a new folder, by running this very program.
//!
//! Every command is printed before its output, so that it can be repeated by hand. The demo fails
//! when a step does, or when the rebuilt database gives another answer than the lost one.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use clap::{Args, ValueHint};
use lakebed_service::shown_catalog_url;
use serde::Serialize;
use tokio::process::Command;

use crate::{
    app::App,
    config::{Origin, store_variables, variables},
    output::style,
    problem::{Exit, Problem, Result},
};

/// Show the main job on real data, in a new folder.
///
/// Flights from New York in January 2013 (CC0): three related tables and a document become
/// datasets, one of them in two versions; SQL joins them, a lock pins them, the files are fetched
/// and verified; then the database is deleted and made again. With `--lake` or `--catalog` the lake
/// or its database, which must be empty, is there instead of in the folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed demo
  lakebed demo --into /tmp/tour
  lakebed demo --catalog postgres://lakebed@localhost/demo")]
pub(crate) struct DemoArgs {
    /// The folder, absent or empty; ./lakebed-demo, or the next number when that is taken
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    into: Option<PathBuf>,
}

/// The data, as it lies in `examples/data/`.
const FILES: [(&str, &[u8]); 5] = [
    ("airlines.csv", include_bytes!("../../../../examples/data/airlines.csv")),
    ("planes.csv", include_bytes!("../../../../examples/data/planes.csv")),
    ("flights-week-1.csv", include_bytes!("../../../../examples/data/flights-week-1.csv")),
    ("flights-week-2.csv", include_bytes!("../../../../examples/data/flights-week-2.csv")),
    ("README.md", include_bytes!("../../../../examples/data/README.md")),
];

/// The files in the lake's folder that are the database.
const DATABASE: [&str; 3] = ["lakebed.db", "lakebed.db-wal", "lakebed.db-shm"];

const JOIN: &str = "
  SELECT a.name AS airline, count(*) AS flights, round(avg(f.dep_delay), 1) AS delay_minutes
  FROM nyc.flights f
  JOIN nyc.airlines a ON f.carrier = a.carrier
  JOIN nyc.planes p ON f.tailnum = p.tailnum
  WHERE p.seats > 100
  GROUP BY a.name ORDER BY flights DESC, airline LIMIT 5";

pub(crate) async fn run(app: &App, args: DemoArgs) -> Result<Exit> {
    let demo = Demo::begin(app, args)?;
    demo.fill().await?;
    let answers = demo.ask().await?;
    demo.pin().await?;
    demo.lose_the_database().await?;
    demo.ask_again(&answers).await?;
    demo.end(&answers)
}

struct Demo<'a> {
    app: &'a App,
    program: PathBuf,
    folder: PathBuf,
    /// Where the lake is, and its database, if flags said so; else both are in the folder.
    lake: Option<String>,
    catalog: Option<String>,
}

/// The answers to the same question, on the newest and on the first version.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Answers {
    newest: String,
    first: String,
}

impl<'a> Demo<'a> {
    /// Makes the folder and puts the data into it.
    fn begin(app: &'a App, args: DemoArgs) -> Result<Self> {
        let folder = match args.into {
            Some(folder) => app.current.join(folder),
            None => next_free(&app.current.join("lakebed-demo")),
        };
        if !is_free(&folder) {
            let message = format!("`{}` is there already and not empty", folder.display());
            return Err(Problem::conflict(message)
                .hint("name another folder with `--into`, or none for a new one"));
        }
        let program = std::env::current_exe()
            .map_err(|error| Problem::io("find", Path::new("this program"), &error))?;
        let settings = &app.settings;
        let lake = settings.lake.as_ref().filter(|lake| lake.origin == Origin::Flag("--lake"));
        let catalog =
            settings.catalog.as_ref().filter(|catalog| catalog.origin == Origin::Flag("--catalog"));
        let lake = lake.map(|lake| lake.value.to_string());
        let catalog = catalog.map(|catalog| catalog.value.clone());
        let demo = Self { app, program, folder, lake, catalog };
        demo.write_files()?;
        demo.say(&format!("A new folder with real data: {}", demo.folder.display()))?;
        let config = demo.settings(shown_catalog_url);
        demo.print(&format!("data/: {}\n", FILES.map(|(name, _)| name).join(", ")))?;
        demo.print(&format!("{}: {config}", crate::config::FILE))?;
        Ok(demo)
    }

    fn write_files(&self) -> Result<()> {
        let data = self.folder.join("data");
        std::fs::create_dir_all(&data)
            .map_err(|error| Problem::io("create folder", &data, &error))?;
        let settings = self.settings(ToOwned::to_owned);
        let config = (self.folder.join(crate::config::FILE), settings.as_bytes());
        let files = FILES.iter().map(|(name, bytes)| (data.join(name), *bytes));
        for (path, bytes) in files.chain([config]) {
            std::fs::write(&path, bytes).map_err(|error| Problem::io("write", &path, &error))?;
        }
        Ok(())
    }

    /// The file of settings, so that no command needs a flag. How to reach a store is taken over
    /// from the user's own file, which this one hides.
    fn settings(&self, catalog_as: impl Fn(&str) -> String) -> String {
        let mut settings = self.app.settings.store.to_tables();
        let lake = self.lake.as_deref().unwrap_or("./lake");
        settings.insert("lake".to_owned(), lake.into());
        if let Some(catalog) = &self.catalog {
            settings.insert("catalog".to_owned(), catalog_as(catalog).into());
        }
        settings.to_string()
    }

    /// Three tables, one of them in two versions, and a file that is no table.
    async fn fill(&self) -> Result<()> {
        self.say("Files become version 1 of datasets")?;
        self.lakebed(&["ingest", "data/airlines.csv", "--to", "nyc.airlines"]).await?;
        self.lakebed(&["ingest", "data/planes.csv", "--to", "nyc.planes", "--null", "NA"]).await?;
        let week_1 = "data/flights-week-1.csv";
        self.lakebed(&["ingest", week_1, "--to", "nyc.flights", "--null", "NA"]).await?;
        self.say("A file that is no table is kept as it is")?;
        self.lakebed(&["ingest", "data/README.md", "--to", "nyc.about", "--as", "files"]).await?;
        self.say("A week later: version 2 of the flights, version 1 stays")?;
        let week_2 = "data/flights-week-2.csv";
        self.lakebed(&["ingest", week_2, "--to", "nyc.flights", "--append", "--null", "NA"])
            .await?;
        self.lakebed(&["ls"]).await
    }

    /// The join, on the newest version and on the first.
    async fn ask(&self) -> Result<Answers> {
        self.say("SQL over three datasets; every answer says what it read")?;
        self.lakebed(&["sql", JOIN]).await?;
        self.say("The same question to the old version of the flights")?;
        self.lakebed(&["sql", &on_first_version()]).await?;
        Ok(Answers {
            newest: self.answer(JOIN).await?,
            first: self.answer(&on_first_version()).await?,
        })
    }

    /// Lock, check, fetch, verify.
    async fn pin(&self) -> Result<()> {
        self.say("A lock pins what a pipeline reads; next year it still reads the same bytes")?;
        self.lakebed(&["lock", "nyc.flights", "nyc.planes", "nyc.airlines", "nyc.about"]).await?;
        self.lakebed(&["lock", "--check"]).await?;
        self.say("The bytes, verified, for work without the lake; originals too")?;
        self.lakebed(&["fetch", "--lock", "lakebed.lock", "--into", "inputs"]).await?;
        self.lakebed(&["fetch", "nyc.about", "--into", "originals", "--sources"]).await?;
        self.check_original()?;
        self.say("Everything in the lake is read and hashed again")?;
        self.lakebed(&["verify"]).await
    }

    /// What came back is what was given.
    fn check_original(&self) -> Result<()> {
        let path = self.folder.join("originals/nyc/about/README.md");
        let bytes = std::fs::read(&path).map_err(|error| Problem::io("read", &path, &error))?;
        match FILES.iter().find(|(name, _)| *name == "README.md") {
            Some((_, original)) if *original == bytes => Ok(()),
            _ => Err(Problem::internal("the original that was fetched is not the one ingested")),
        }
    }

    async fn lose_the_database(&self) -> Result<()> {
        if self.catalog.is_some() || self.lake.is_some() {
            self.say("The database is moved aside, and made again: the journal has every event")?;
            return self.lakebed(&["rebuild", "--replace"]).await;
        }
        self.say("The database is lost")?;
        let names: Vec<String> = DATABASE.iter().map(|name| format!("lake/{name}")).collect();
        self.print_command(&format!("rm -f {}", names.join(" ")))?;
        for name in names {
            match std::fs::remove_file(self.folder.join(&name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Problem::io("remove", Path::new(&name), &error));
                }
                _ => {}
            }
        }
        self.say("Nothing is lost: the journal in the lake has every event")?;
        self.lakebed(&["rebuild"]).await
    }

    async fn ask_again(&self, before: &Answers) -> Result<()> {
        self.say("The same questions to the rebuilt lake")?;
        self.lakebed(&["sql", JOIN]).await?;
        let after = Answers {
            newest: self.answer(JOIN).await?,
            first: self.answer(&on_first_version()).await?,
        };
        if after != *before {
            return Err(Problem::internal("the rebuilt lake gives another answer")
                .detail(format!("before: {}", before.newest))
                .detail(format!("after: {}", after.newest)));
        }
        let good = style::GOOD;
        self.print(&format!("{good}the same answers, on both versions{good:#}\n"))?;
        self.lakebed(&["lock", "--check"]).await
    }

    fn end(&self, answers: &Answers) -> Result<Exit> {
        if self.app.terminal.json {
            let folder = self.folder.display().to_string();
            let document = serde_json::json!({ "folder": folder, "answers": answers });
            self.app.terminal.print_json(&document)?;
            return Ok(Exit::Ok);
        }
        self.say("Try next")?;
        let folder = quoted(&self.folder.display().to_string());
        let mut lines = format!("  cd {folder}\n");
        if !on_the_path(&self.program) {
            let program = quoted(&self.program.display().to_string());
            lines.push_str(&format!("  alias lakebed={program}\n"));
        }
        lines.push_str(concat!(
            "  lakebed show nyc.flights\n",
            "  lakebed history nyc.flights\n",
            "  lakebed sql 'SHOW TABLES'\n",
            "  lakebed sql 'SELECT * FROM nyc.planes' -o planes.parquet\n",
            "  lakebed ingest <your file> --to <namespace>.<name> --plan\n",
            "  lakebed serve    # the HTTP API; its description is at /openapi.json\n",
        ));
        self.print(&lines)?;
        Ok(Exit::Ok)
    }

    /// Runs a command in the folder; its output is shown as it comes.
    async fn lakebed(&self, arguments: &[&str]) -> Result<()> {
        let line = command_line(arguments);
        self.print_command(&line)?;
        let mut command = self.command(arguments);
        if self.app.terminal.json {
            command.stdout(Stdio::null());
        }
        let status = command.status().await.map_err(|error| self.cannot_run(&error))?;
        self.check(&line, status)
    }

    /// Runs a statement and returns its answer as CSV.
    async fn answer(&self, sql: &str) -> Result<String> {
        let arguments = ["--quiet", "sql", sql, "--format", "csv"];
        let output = self.command(&arguments).stdout(Stdio::piped()).output().await;
        let output = output.map_err(|error| self.cannot_run(&error))?;
        self.check(&command_line(&arguments), output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// This program, in the folder, without the settings of the outer environment, but for how to
    /// reach the store that a flag named.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true);
        let kept: Vec<&str> = store_variables().collect();
        for name in variables().filter(|name| !kept.contains(name)) {
            command.env_remove(name);
        }
        command.env("LAKEBED_COLOR", self.app.settings.color.value.to_string());
        if self.app.terminal.json {
            command.arg("--json");
        }
        command.args(arguments);
        command
    }

    fn cannot_run(&self, error: &std::io::Error) -> Problem {
        Problem::io("run", &self.program, error)
    }

    fn check(&self, line: &str, status: std::process::ExitStatus) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let ended = match status.code() {
            Some(code) => format!("exit code {code}"),
            None => "a signal".to_owned(),
        };
        Err(Problem::internal(format!("a step of the demo failed with {ended}")).detail(line))
    }

    fn say(&self, text: &str) -> Result<()> {
        let bold = style::BOLD;
        self.print(&format!("\n{bold}# {text}{bold:#}\n"))
    }

    fn print_command(&self, line: &str) -> Result<()> {
        let command = style::HINT;
        self.print(&format!("{command}$ {line}{command:#}\n"))
    }

    fn print(&self, text: &str) -> Result<()> {
        if self.app.terminal.json {
            return Ok(());
        }
        self.app.terminal.print(text)
    }
}

fn on_first_version() -> String {
    JOIN.replace("nyc.flights", "nyc.\"flights@v1\"")
}

fn is_free(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// `base`, or `base-2`, `base-3` …
fn next_free(base: &Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = base.as_os_str().to_owned();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    };
    let mut folder = base.to_owned();
    let mut number = 2;
    while !is_free(&folder) && number < 10_000 {
        folder = numbered(number);
        number += 1;
    }
    folder
}

/// The command as a shell reads it.
fn command_line(arguments: &[&str]) -> String {
    let words: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
    format!("lakebed {}", words.join(" "))
}

fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@:=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn on_the_path(program: &Path) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    let is_this =
        |folder: PathBuf| folder.join("lakebed").canonicalize().is_ok_and(|found| found == program);
    std::env::split_paths(&path).any(is_this)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_commands_can_be_pasted() {
        assert_eq!(command_line(&["sql", "SELECT 'x'"]), r"lakebed sql 'SELECT '\''x'\'''");
        assert_eq!(command_line(&["fetch", "a.b@v1", ""]), "lakebed fetch a.b@v1 ''");
    }

    #[test]
    fn an_existing_folder_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let base = folder.path().join("demo");
        assert_eq!(next_free(&base), base);
        std::fs::create_dir(&base).expect("writable");
        assert_eq!(next_free(&base), base);
        std::fs::write(base.join("mine"), "x").expect("writable");
        assert_eq!(next_free(&base), folder.path().join("demo-2"));
    }
}
