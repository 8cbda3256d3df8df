//! The command line: global options and the list of commands. Each command's own arguments are in
//! its file under `commands/`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};
use lakebed_core::PrincipalName;

use crate::{
    commands::{
        access, build, catalog, completions, config as config_command, contract, demo, diff,
        doctor, fetch, history, impact, ingest, job, lineage, lock, log, login, ls, openlineage,
        product, promotion, quarantine, ready, rebuild, receipt, repair, report, resolve, run,
        runs, serve, show, sql, token, verify, whoami,
    },
    config::{ColorWhen, Flags},
    output::style,
};

const EXAMPLES: &str = "\
Examples:
  lakebed --lake ./lake ingest weather.csv --to nyc.weather --null NA
  lakebed --lake ./lake sql 'SELECT origin, avg(temp) FROM nyc.weather GROUP BY origin'
  lakebed --lake ./lake lock nyc.weather
  lakebed --lake ./lake fetch --lock lakebed.lock --into ./inputs

References:
  sales.orders              the newest version
  sales.orders@v12          version 12
  sales.orders@product      the version that stage has
  sales.orders@b3:9f2c61d0  the version whose id starts so
  sales.orders@2026-11-01   what the name meant at the end of that day, UTC
  In SQL a reference with a selector is quoted: sales.\"orders@v12\"

Exit codes:
  0    done
  1    the answer is no: a lock drifted, a catalog would change, a gate is closed, damage was found
  2    the command line or the configuration is wrong
  3    no such lake, dataset, version or file
  4    the input was refused
  5    someone else was first, holds the lock, or lake and lock do not fit together
  6    bytes are not what their name says
  7    a disk, a server or a permission is in the way
  70   a defect in lakebed
  130  interrupted (143: terminated)";

/// An immutable data lake: originals are kept, versions never change, SQL says what it read.
#[derive(Debug, Parser)]
#[command(
    name = "lakebed",
    version,
    after_help = EXAMPLES,
    styles = style::HELP,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The lake: a folder, an object-store URL, or a server (http://…) [env: LAKEBED_LAKE]
    #[arg(long, global = true, value_name = "LAKE", value_hint = ValueHint::DirPath)]
    lake: Option<String>,
    /// The catalog database, when it is not in the lake's folder [env: LAKEBED_CATALOG]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Other)]
    catalog: Option<String>,
    /// The configuration file; else the nearest lakebed.toml [env: LAKEBED_CONFIG]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Authorities (PEM) to trust besides the usual ones, for a server (https://…) [env: LAKEBED_CA_FILE]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<String>,
    /// A file with the token to show to a server [env: LAKEBED_TOKEN_FILE, LAKEBED_TOKEN]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Print JSON: one document, or a line each for streams; errors as JSON on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Colours [env: LAKEBED_COLOR, NO_COLOR]
    #[arg(long, global = true, value_name = "WHEN")]
    color: Option<ColorWhen>,
    /// No notes, no progress
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// More log lines on stderr: -v, -vv, -vvv [env: LAKEBED_LOG]
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Where the principal of `--as` is among the matches of a command.
const AS: &str = "acting-as";

impl Cli {
    /// Reads a command line: the command, and the principal it is run as.
    pub(crate) fn read(
        arguments: &[OsString],
    ) -> Result<(Self, Option<PrincipalName>), clap::Error> {
        let matches = Self::parser().try_get_matches_from(arguments)?;
        let cli = Self::from_arg_matches(&matches)?;
        let (mut level, mut principal) = (Some(&matches), None);
        while let Some(matches) = level {
            if let Ok(Some(found)) = matches.try_get_one::<PrincipalName>(AS) {
                principal = Some(found.clone());
            }
            level = matches.subcommand().map(|(_, below)| below);
        }
        Ok((cli, principal))
    }

    /// All commands. `--as` may stand before or after a command; after one that reads files it names
    /// a format, so there the principal stands before.
    pub(crate) fn parser() -> clap::Command {
        fn with_as(command: clap::Command) -> clap::Command {
            if command.get_arguments().any(|argument| argument.get_long() == Some("as")) {
                return command;
            }
            let command = match command.get_name() {
                "rebuild" | "serve" | "config" | "completions" | "demo" | "doctor" | "login"
                | "logout" | "openlineage" => {
                    return command;
                }
                _ => command.mut_subcommands(with_as),
            };
            let principal = clap::Arg::new(AS)
                .long("as")
                .value_name("PRINCIPAL")
                .value_parser(clap::value_parser!(PrincipalName))
                .value_hint(ValueHint::Other)
                .help_heading("Global options")
                .help("Act as this principal, whose grants then decide (lakes in this process)");
            command.arg(principal)
        }
        with_as(Self::command())
    }

    /// The flags that are settings.
    pub(crate) fn flags(&self) -> Flags {
        let Global { lake, catalog, config, ca_file, token_file, color, verbose, .. } =
            self.global.clone();
        let mut flags = Flags {
            lake,
            catalog,
            config,
            ca_file,
            token_file,
            color,
            verbose,
            ..Flags::default()
        };
        if let Command::Serve(args) = &self.command {
            flags.serves = true;
            flags.auth = args.auth;
            flags.listen = args.listen.clone();
            flags.metrics_listen = args.metrics_listen.clone();
            flags.tls_cert = args.tls_cert.clone();
            flags.tls_key = args.tls_key.clone();
        }
        flags
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a version of files, folders, globs or standard input
    Ingest(Box<ingest::IngestArgs>),
    /// Ask in SQL
    Sql(sql::SqlArgs),
    /// Show what an answer was made of
    Receipt(receipt::ReceiptArgs),
    /// Answer a statement again, and say whether the answer is the same
    Replay(receipt::ReplayArgs),
    /// List datasets
    Ls(ls::LsArgs),
    /// Describe a version: columns, sources, files, quarantined rows
    Show(show::ShowArgs),
    /// Compare two versions: columns, distributions and, by a key, rows and cells
    Diff(diff::DiffArgs),
    /// Count, show or export the rows of a version that were set aside
    Quarantine(quarantine::QuarantineArgs),
    /// Add corrected rows of a quarantine to their dataset
    Repair(Box<repair::RepairArgs>),
    /// Build products from what they are declared to be made of
    Build(build::BuildArgs),
    /// List products
    Products(product::ProductsArgs),
    /// Describe a product: owner, purpose, age, where it is served
    Product(product::ProductArgs),
    /// Run a program on pinned versions, and make versions of what it writes
    Run(Box<run::RunArgs>),
    /// List runs, describe one, or commit what one left
    Runs(runs::RunsArgs),
    /// List the versions of a dataset
    History(history::HistoryArgs),
    /// Show what a version was computed from, down to its originals, or what from it
    Lineage(lineage::LineageArgs),
    /// Say who would notice a change of a dataset or a column
    Impact(impact::ImpactArgs),
    /// Say what needs somebody: ownerless, undocumented, stale, late, unread
    Report(report::ReportArgs),
    /// List what happened in the lake
    Log(log::LogArgs),
    /// Print what happened in the lake as OpenLineage events
    Openlineage(openlineage::OpenLineageArgs),
    /// Show what declaring a catalog would change: who gains or loses what
    Plan(catalog::PlanArgs),
    /// Declare a catalog: groups, principals, grants
    Apply(catalog::ApplyArgs),
    /// Measure files against contracts, and write first contracts
    Contract(contract::ContractArgs),
    /// Bring versions to a stage, if its gates let them through
    Promote(promotion::PromoteArgs),
    /// Consent to a promotion
    Approve(promotion::ApproveArgs),
    /// Say no to a promotion
    Reject(promotion::RejectArgs),
    /// Let versions pass a closed gate, openly
    Waive(promotion::WaiveArgs),
    /// Show what people said of a version's promotions
    Reviews(promotion::ReviewsArgs),
    /// Say that a dataset will end
    Deprecate(promotion::DeprecateArgs),
    /// End a dataset
    Retire(promotion::RetireArgs),
    /// Explain who may do what
    Access(access::AccessArgs),
    /// Say which versions references mean now
    Resolve(resolve::ResolveArgs),
    /// Pin references in a lock file, or check that they still mean the same
    Lock(lock::LockArgs),
    /// Bring verified files of versions into a folder
    Fetch(fetch::FetchArgs),
    /// Read everything again and say what is damaged
    Verify(verify::VerifyArgs),
    /// Make the database again from the journal
    Rebuild(rebuild::RebuildArgs),
    /// Try out the store and the database, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Answer the HTTP API
    Serve(serve::ServeArgs),
    /// Ask whether a lake or its server is ready to answer
    Ready(ready::ReadyArgs),
    /// Look after the jobs that a server does for you
    Job(job::JobArgs),
    /// Make, list and revoke API tokens
    Token(token::TokenArgs),
    /// Say who you are to the lake
    #[command(name = "whoami")]
    WhoAmI(whoami::WhoAmIArgs),
    /// Keep a token for a server
    Login(login::LoginArgs),
    /// Forget the token kept for a server
    Logout(login::LogoutArgs),
    /// Print the settings and where each comes from
    Config(config_command::ConfigArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Show the main job on real data, in a new folder
    Demo(demo::DemoArgs),
}

impl Command {
    /// Whether it asks a lake, as somebody; the others are about this process, the bare files, or for whoever
    /// keeps the lake.
    pub(crate) const fn asks_a_lake(&self) -> bool {
        !matches!(
            self,
            Self::Rebuild(_)
                | Self::Serve(_)
                | Self::Config(_)
                | Self::Completions(_)
                | Self::Demo(_)
                | Self::Doctor(_)
                | Self::Login(_)
                | Self::Logout(_)
                | Self::Openlineage(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::parser().debug_assert();
    }

    #[test]
    fn the_lake_may_be_named_before_or_after_the_command() {
        for line in [["lakebed", "--lake", "./x", "ls"], ["lakebed", "ls", "--lake", "./x"]] {
            let cli = Cli::try_parse_from(line).expect("valid");
            assert_eq!(cli.flags().lake.as_deref(), Some("./x"));
        }
    }

    #[test]
    fn as_is_a_principal_but_after_ingest_a_format() {
        let read = |line: &str| {
            let arguments: Vec<OsString> = line.split(' ').map(Into::into).collect();
            Cli::read(&arguments).map(|(_, principal)| principal.map(|name| name.to_string()))
        };
        for line in [
            "lakebed --as alice ls",
            "lakebed ls --as alice",
            "lakebed access explain --as alice a.b",
            "lakebed access --as alice explain a.b",
            "lakebed --as alice ingest x --to a.b --as files",
            "lakebed --as alice ingest x --to a.b",
        ] {
            assert_eq!(read(line).expect(line).as_deref(), Some("alice"), "{line}");
        }
        assert_eq!(read("lakebed ingest x --to a.b --as files").expect("valid"), None);
        assert!(read("lakebed ingest x --to a.b --as alice").is_err());
        assert!(read("lakebed --as group:analysts ls").is_err());
    }

    #[test]
    fn every_exit_code_is_documented() {
        use crate::problem::Exit;
        let codes = [
            Exit::Ok,
            Exit::No,
            Exit::Usage,
            Exit::NotFound,
            Exit::Refused,
            Exit::Conflict,
            Exit::Damaged,
            Exit::Unavailable,
            Exit::Internal,
            Exit::Interrupted,
        ];
        for code in codes {
            let line = format!("\n  {:<5}", code as u8);
            assert!(EXAMPLES.contains(&line), "{code:?}");
        }
    }
}
