//! A panic is one line and exit code 70, never a backtrace.

use std::{
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::{Mutex, PoisonError},
};

use crate::{
    output::Terminal,
    problem::{Exit, Problem},
};

/// The first panic of this process: later ones follow from it.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Makes panics quiet: they are noted here and logged.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|info| {
        let what = describe(info);
        tracing::error!("defect: {what}");
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(what);
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let what = info.payload_as_str().unwrap_or("no message").lines().next().unwrap_or_default();
    match info.location() {
        Some(place) => format!("{what} ({}:{})", short(place.file()), place.line()),
        None => what.to_owned(),
    }
}

/// A source file without the folder of whoever built us: from its package on.
fn short(file: &str) -> &str {
    let (_, behind) = file.split_once("/registry/src/").unwrap_or_default();
    behind.split_once('/').map_or(file, |(_, package)| package)
}

/// What panicked, if anything did.
pub(crate) fn first() -> Option<String> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Runs `body`; a panic in it is reported as a defect.
pub(crate) fn guard(body: impl FnOnce() -> Exit) -> Exit {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(exit) => exit,
        Err(_) => {
            let what = first().unwrap_or_else(|| "no message".to_owned());
            let json = std::env::args_os().any(|argument| argument == "--json");
            Terminal::new(json, false).print_problem(&Problem::internal(format!("defect: {what}")));
            Exit::Internal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_their_package_on() {
        let file = "cargo/registry/src/index.crates.io-1949cf8c6b5b557f/arrow-59.0.0/src/a.rs";
        assert_eq!(short(file), "arrow-59.0.0/src/a.rs");
        assert_eq!(short("crates/lakebed/src/main.rs"), "crates/lakebed/src/main.rs");
    }
}
