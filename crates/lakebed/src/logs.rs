//! Log lines: to stderr, for people or as JSON. Never row values, never tokens.

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt as _};

use crate::{
    config::{LogFormat, Settings},
    problem::{Problem, Result},
};

/// Sets up logging for the whole process.
///
/// # Errors
/// Exit code 2 when the filter is not one.
pub(crate) fn init(settings: &Settings) -> Result<()> {
    let filter = EnvFilter::builder().parse(&settings.log.value).map_err(|error| {
        let origin = &settings.log.origin;
        Problem::usage(format!("the log filter set by {origin} is not usable: {error}"))
            .hint("use a level, as in `info`, or levels by module, as in `lakebed_service=debug`")
    })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let outcome = match settings.log_format.value {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().finish().try_init(),
    };
    outcome.map_err(|error| Problem::internal(format!("no logging: {error}")))
}
