//! Log lines: to stderr, for people or as JSON. Never row values, tokens or statements.
//!
//! Libraries below us may log what they are given: a planner its literals, a client its addresses.
//! So whatever the level, of code that is not ours only warnings pass, and of those that handle
//! statements nothing (D-56). What our own code logs is chosen line by line.

use tracing::{Level, Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::FilterExt as _,
    fmt,
    layer::{Context, Filter, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use crate::{
    config::{LogFormat, Settings},
    problem::{Problem, Result},
    traces::Traces,
};

/// Crates that handle statements and values: even their warnings may quote them.
const QUOTES: [&str; 6] = ["datafusion", "sqlparser", "arrow", "parquet", "sqlx", "csv"];

/// Sets up logging for the whole process, and traces where they are asked for.
///
/// # Errors
/// Exit code 2 when the filter is not one.
pub(crate) fn init(settings: &Settings, traces: Option<&Traces>) -> Result<()> {
    let filter = EnvFilter::builder().parse(&settings.log.value).map_err(|error| {
        let origin = &settings.log.origin;
        Problem::usage(format!("the log filter set by {origin} is not usable: {error}"))
            .hint("use a level, as in `info`, or levels by module, as in `lakebed_service=debug`")
    })?;
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = match settings.log_format.value {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let lines = lines.with_filter(filter.and(Discreet));
    let subscriber = Registry::default().with(lines).with(traces.map(Traces::layer));
    subscriber.try_init().map_err(|error| Problem::internal(format!("no logging: {error}")))
}

/// Lets pass what is ours, and warnings of those who do not know what they handle.
struct Discreet;

impl Discreet {
    fn may_pass(metadata: &Metadata<'_>) -> bool {
        let is_of = |name: &str| metadata.target().starts_with(name);
        is_of("lakebed")
            || *metadata.level() <= Level::WARN && !QUOTES.iter().any(|name| is_of(name))
    }
}

impl<S> Filter<S> for Discreet {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        Self::may_pass(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Lines of the `log` crate share call sites, and are asked about one by one.
        match metadata.target() == "log" || Self::may_pass(metadata) {
            true if metadata.target() == "log" => Interest::sometimes(),
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}
