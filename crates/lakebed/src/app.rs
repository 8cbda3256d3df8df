//! From the command line to a command, and from its result to an exit code.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use lakebed_core::PrincipalName;
use tokio::runtime::Runtime;

use crate::{
    cli::{Cli, Command},
    commands,
    config::{self, ColorWhen, Settings},
    logs,
    output::Terminal,
    panics,
    problem::{Exit, Problem, Result},
    running::RunningJob,
    signals,
    traces::Traces,
};

/// What every command gets.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) terminal: Terminal,
    /// The current folder; relative paths of the command line are below it.
    pub(crate) current: PathBuf,
    /// Who the command is run as, when that is not its caller: `--as`.
    pub(crate) principal: Option<PrincipalName>,
    /// What a server does for this command.
    pub(crate) running: RunningJob,
}

/// Runs the process' command line.
pub(crate) fn run() -> Exit {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (cli, principal) = match Cli::read(&arguments) {
        Ok(read) => read,
        Err(error) => return not_a_command(&error, &arguments),
    };
    let terminal = Terminal::new(cli.global.json, cli.global.quiet);
    let outcome = start(&cli, principal, terminal).and_then(|Started { app, runtime, traces }| {
        let outcome = runtime.block_on(interruptible(&app, cli.command));
        // Sends what waits, while the runtime can still send.
        if let Some(traces) = traces {
            traces.stop();
        }
        // A thread may wait for standard input for ever; nobody waits for it.
        runtime.shutdown_timeout(Duration::from_millis(200));
        outcome
    });
    outcome.unwrap_or_else(|problem| report(&terminal, problem))
}

fn report(terminal: &Terminal, mut problem: Problem) -> Exit {
    if problem.code == "reader-gone" || problem.exit == Exit::Interrupted {
        return problem.exit;
    }
    if let (Exit::Internal, Some(what)) = (problem.exit, panics::first()) {
        problem = problem.detail(what);
    }
    terminal.print_problem(&problem);
    problem.exit
}

/// Help and version are answers; anything else is a mistake on the command line.
fn not_a_command(error: &clap::Error, arguments: &[OsString]) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Ok;
    }
    let words: Vec<_> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
    if let ["help", "--help" | "-h"] = words[..] {
        // How to ask for help is at the end of all help.
        let _ = Cli::parser().print_long_help();
        return Exit::Ok;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return Exit::Usage;
    }
    let json = arguments.iter().any(|argument| argument == "--json");
    let commands = Cli::parser();
    let command = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .find(|argument| commands.get_subcommands().any(|command| command.get_name() == *argument));
    Terminal::new(json, false).print_problem(&Problem::from_clap(error, command));
    Exit::Usage
}

/// What a command runs in.
struct Started {
    app: App,
    runtime: Runtime,
    traces: Option<Traces>,
}

fn start(cli: &Cli, principal: Option<PrincipalName>, terminal: Terminal) -> Result<Started> {
    let dot = PathBuf::from(".");
    let current = std::env::current_dir()
        .map_err(|error| Problem::io("find the current folder", &dot, &error))?;
    let flags = cli.flags();
    let settings = config::load(&flags, &config::environment(), &current)?;
    choose_colours(settings.color.value);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("lakebed")
        .build()
        .map_err(|error| Problem::internal(format!("no threads: {error}")))?;
    let endpoint = settings.otlp_endpoint.as_ref().filter(|_| flags.serves);
    let traces = endpoint.map(|endpoint| Traces::start(endpoint, runtime.handle().clone()));
    let traces = traces.transpose()?;
    logs::init(&settings, traces.as_ref())?;
    let running = RunningJob::default();
    let app = App { settings, terminal, current, principal, running };
    Ok(Started { app, runtime, traces })
}

fn choose_colours(when: ColorWhen) {
    let choice = match when {
        ColorWhen::Auto => anstream::ColorChoice::Auto,
        ColorWhen::Always => anstream::ColorChoice::Always,
        ColorWhen::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Runs the command until it is done or the user has had enough. Dropping it cancels its requests
/// and removes its unfinished files.
async fn interruptible(app: &App, command: Command) -> Result<Exit> {
    if app.principal.is_some() && !command.asks_a_lake() {
        return Err(Problem::usage(
            "`--as` is for commands that ask a lake, and this one does not",
        )
        .hint("leave it out: whoever runs this command owns the lake"));
    }
    // These ends of the process are part of their commands.
    if let Command::Serve(args) = command {
        return commands::serve::run(app, args).await;
    }
    // It stops the program it runs first.
    if let Command::Run(args) = command {
        return commands::run::run(app, *args).await;
    }
    let commits = matches!(command, Command::Ingest(_) | Command::Repair(_));
    let work = dispatch(app, command);
    tokio::select! {
        biased;
        exit = signals::stop() => {
            let is_nothing = app.running.cancel().await;
            match (commits, is_nothing) {
                (true, true) => app.terminal.warn("stopped: nothing was committed"),
                (true, false) => {
                    app.terminal.warn("stopped: `lakebed job` says whether anything was committed");
                }
                (false, _) => {}
            }
            Ok(exit)
        }
        outcome = work => outcome,
    }
}

async fn dispatch(app: &App, command: Command) -> Result<Exit> {
    match command {
        Command::Ingest(args) => commands::ingest::run(app, *args).await,
        Command::Sql(args) => commands::sql::run(app, args).await,
        Command::Ls(args) => commands::ls::run(app, args).await,
        Command::Build(args) => commands::build::run(app, args).await,
        Command::Products(args) => commands::product::list(app, args).await,
        Command::Product(args) => commands::product::show(app, args).await,
        Command::Repair(args) => commands::repair::run(app, *args).await,
        Command::Quarantine(args) => commands::quarantine::run(app, args).await,
        Command::Show(args) => commands::show::run(app, args).await,
        Command::Diff(args) => commands::diff::run(app, args).await,
        Command::History(args) => commands::history::run(app, args).await,
        Command::Lineage(args) => commands::lineage::run(app, args).await,
        Command::Impact(args) => commands::impact::run(app, args).await,
        Command::Report(args) => commands::report::run(app, args).await,
        Command::Log(args) => commands::log::run(app, args).await,
        Command::Openlineage(args) => commands::openlineage::run(app, args).await,
        Command::Plan(args) => commands::catalog::plan(app, args).await,
        Command::Apply(args) => commands::catalog::apply(app, args).await,
        Command::Access(args) => commands::access::run(app, args).await,
        Command::Resolve(args) => commands::resolve::run(app, args).await,
        Command::Lock(args) => commands::lock::run(app, args).await,
        Command::Fetch(args) => commands::fetch::run(app, args).await,
        Command::Receipt(args) => commands::receipt::show(app, args).await,
        Command::Replay(args) => commands::receipt::replay(app, args).await,
        Command::Verify(args) => commands::verify::run(app, args).await,
        Command::Rebuild(args) => commands::rebuild::run(app, args).await,
        Command::Doctor(args) => commands::doctor::run(app, args).await,
        Command::Run(args) => commands::run::run(app, *args).await,
        Command::Runs(args) => commands::runs::run(app, args).await,
        Command::Serve(args) => commands::serve::run(app, args).await,
        Command::Ready(args) => commands::ready::run(app, args).await,
        Command::Promote(args) => commands::promotion::promote(app, args).await,
        Command::Approve(args) => commands::promotion::approve(app, args).await,
        Command::Reject(args) => commands::promotion::reject(app, args).await,
        Command::Waive(args) => commands::promotion::waive(app, args).await,
        Command::Reviews(args) => commands::promotion::reviews(app, args).await,
        Command::Deprecate(args) => commands::promotion::deprecate(app, args).await,
        Command::Retire(args) => commands::promotion::retire(app, args).await,
        Command::Contract(args) => commands::contract::run(app, args).await,
        Command::Job(args) => commands::job::run(app, args).await,
        Command::Token(args) => commands::token::run(app, args).await,
        Command::WhoAmI(args) => commands::whoami::run(app, args).await,
        Command::Login(args) => commands::login::run(app, args).await,
        Command::Logout(args) => commands::login::forget(app, &args),
        Command::Config(args) => commands::config::run(app, &args),
        Command::Completions(args) => commands::completions::run(app, &args).await,
        Command::Demo(args) => commands::demo::run(app, args).await,
    }
}
