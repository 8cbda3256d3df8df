//! From an error to what its reader sees: message, details, hint and exit code. The only file that
//! decides any of them.
//!
//! Whatever is printed is escaped first: names, messages and hints may come from files, from a
//! server, or from whoever named a folder.

use std::{
    fmt::Write as _,
    io,
    ops::{Deref, DerefMut},
    path::Path,
};

use lakebed_client::ClientError;
use serde::Serialize;

use crate::output::{escaped, style};

/// How the process ends. Documented in `lakebed --help`; never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// The question was answered, and the answer is no: a lock has drifted, a catalog would change, a
    /// gate is closed, damage was found.
    No = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// No such lake, dataset, version or file.
    NotFound = 3,
    /// The input was refused: not a table, not admitted SQL.
    Refused = 4,
    /// Someone else was first, or holds the lock.
    Conflict = 5,
    /// Bytes are not what their name says.
    Damaged = 6,
    /// A disk, a server or a permission is in the way; later may help.
    Unavailable = 7,
    /// A defect in lakebed.
    Internal = 70,
    /// Stopped by ctrl-C.
    Interrupted = 130,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

/// Why a command did not do what it was asked to. One pointer, for it is in every result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Problem(Box<Facts>);

/// What is known of a [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Facts {
    /// A stable word for programs.
    pub(crate) code: String,
    #[serde(rename = "exit_code", serialize_with = "as_number")]
    pub(crate) exit: Exit,
    #[serde(rename = "detail")]
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn as_number<S: serde::Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(*exit as u8)
}

impl Deref for Problem {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Facts {
        &mut self.0
    }
}

/// What commands return when they fail.
pub(crate) type Result<T, E = Problem> = std::result::Result<T, E>;

impl Problem {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            code: code.to_owned(),
            exit,
            message: message.into(),
            details: Vec::new(),
            hint: None,
            request_id: None,
        }))
    }

    /// The command line contradicts itself or names what cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, "not-found", message)
    }

    pub(crate) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, code, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(Exit::Conflict, "conflict", message)
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(Exit::Damaged, "corrupt", message)
    }

    /// A defect: what was promised by another part of lakebed did not hold.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, "internal", message)
            .hint("this is a defect in lakebed; run again with `-vv` and report what it prints")
    }

    /// `action` (as in "read", "write") failed on `path`.
    pub(crate) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        let (exit, code, hint) = explain(error);
        let path = path.display();
        let mut problem =
            Self::new(exit, code, format!("cannot {action} `{path}`: {}", reason(error)));
        problem.hint = hint.map(ToOwned::to_owned);
        problem
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a line below the message.
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// The text for people: one line, indented details, one hint; styled, for an `anstream` writer.
    pub(crate) fn to_text(&self) -> String {
        let (error, hint) = (style::ERROR, style::HINT);
        let mut text = String::new();
        let mut lines = self.message.lines();
        let first = lines.next().unwrap_or("unknown");
        let _ = writeln!(text, "{error}error:{error:#} {}", escaped(first));
        for line in lines.chain(self.details.iter().flat_map(|detail| detail.lines())) {
            let _ = writeln!(text, "  {}", escaped(line));
        }
        if let Some(advice) = &self.hint {
            let _ = writeln!(text, "{hint}hint:{hint:#} {}", escaped(advice));
        }
        text
    }

    /// One line of problem JSON (RFC 9457's `detail`, with `code`, `hint` and the exit code).
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain values always serialise")
    }
}

/// What the lake refused, with its own words; the exit code is decided here, by the stable word.
impl From<&lakebed_api::Problem> for Problem {
    fn from(problem: &lakebed_api::Problem) -> Self {
        let exit = match problem.code.as_str() {
            "not-found" | "no-lake" | "bucket-absent" => Exit::NotFound,
            "conflict" | "locked" | "stopped" => Exit::Conflict,
            "not-ready" => Exit::No,
            "corrupt" => Exit::Damaged,
            "full" | "denied" | "unavailable" | "cancelled" | "unauthorized" | "forbidden" => {
                Exit::Unavailable
            }
            "internal" => Exit::Internal,
            _ => by_status(problem.status),
        };
        let mut ours = Self::new(exit, &problem.code, &problem.detail);
        ours.details.extend(problem.event.map(|event| {
            format!("the sources are kept: event {event} in `lakebed log` names them")
        }));
        ours.details.extend(problem.reasons.iter().cloned());
        ours.hint.clone_from(&problem.hint);
        ours.request_id = Some(problem.instance.clone());
        ours
    }
}

/// For words that a newer server may have.
const fn by_status(status: u16) -> Exit {
    match status {
        404 | 410 => Exit::NotFound,
        409 | 412 | 423 => Exit::Conflict,
        408 | 429 | 502..=504 | 507 => Exit::Unavailable,
        400..500 => Exit::Refused,
        _ => Exit::Internal,
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Problem(problem) => problem.as_ref().into(),
            ClientError::Unreachable { .. } => {
                Self::from_chain(&error).hint("is `lakebed serve` running there? check the address")
            }
            ClientError::Insecure { .. } => {
                Self::refused(error.code(), error.to_string()).hint("use its `https://` address")
            }
            ClientError::Protocol { .. } => {
                Self::from_chain(&error).hint("is that address a lakebed server of this version?")
            }
            ClientError::Source { .. } => {
                Self::from_chain(&error).hint("nothing was ingested: run the same command again")
            }
            ClientError::Broken { .. } => {
                Self::from_chain(&error).hint("what came is not all: run the same command again")
            }
        }
    }
}

impl From<lakebed_service::Error> for Problem {
    /// For what is done without the API: opening, rebuilding.
    fn from(error: lakebed_service::Error) -> Self {
        let exit = match error.code() {
            "not-found" | "no-lake" => Exit::NotFound,
            "conflict" | "locked" | "stopped" | "folder-not-empty" | "database-not-empty" => {
                Exit::Conflict
            }
            "corrupt" => Exit::Damaged,
            "full" | "denied" | "unavailable" | "forbidden" | "catalog-refused" => {
                Exit::Unavailable
            }
            "internal" => Exit::Internal,
            "bucket-absent" => Exit::NotFound,
            code if code.starts_with("bucket-") => Exit::Unavailable,
            _ => Exit::Refused,
        };
        let mut problem = Self::new(exit, error.code(), error.to_string());
        problem.hint = error.hint();
        problem.with_causes(&error)
    }
}

impl Problem {
    /// A command line that clap does not understand: its message as one line, its remarks as
    /// details; `command` is the one that was meant.
    pub(crate) fn from_clap(error: &clap::Error, command: Option<&str>) -> Self {
        let noise = ["Usage: ", "For more information"];
        let text = error.render().to_string();
        let is_news = |line: &&str| !line.is_empty() && !noise.iter().any(|n| line.starts_with(n));
        let mut lines = text.lines().map(str::trim).filter(is_news);
        let first = lines.next().unwrap_or_default();
        let mut problem = Self::usage(first.strip_prefix("error: ").unwrap_or(first));
        problem.details.extend(lines.map(ToOwned::to_owned));
        let command = command.map(|command| format!(" {command}")).unwrap_or_default();
        problem.hint(format!("`lakebed{command} --help` has the arguments and examples"))
    }
}

impl Problem {
    fn from_chain(error: &ClientError) -> Self {
        Self::new(Exit::Unavailable, error.code(), error.to_string()).with_causes(error)
    }

    /// The causes below an error, each a line.
    fn with_causes(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = error.source();
        while let Some(cause) = next {
            let line = cause.to_string();
            if !self.message.contains(&line) && self.details.last() != Some(&line) {
                self.details.push(line);
            }
            next = cause.source();
        }
        self
    }

    /// Whether trying again at once may help: the way broke, nothing was refused.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.code.as_str(), "unavailable" | "unreachable" | "broken-answer")
    }
}

/// The words of an operating system's error, in our voice.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::StorageFull => "no space is left on the disk".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is not a folder".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "a quota or size limit was reached".to_owned()
        }
        _ => lower_first(&error.to_string()),
    }
}

fn explain(error: &io::Error) -> (Exit, &'static str, Option<&'static str>) {
    match error.kind() {
        io::ErrorKind::NotFound => {
            (Exit::NotFound, "not-found", Some("check the spelling and the current folder"))
        }
        io::ErrorKind::PermissionDenied => {
            (Exit::Unavailable, "denied", Some("check who owns it with `ls -l`"))
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            (Exit::Unavailable, "full", Some("make room, or choose a folder on another disk"))
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            (Exit::Unavailable, "denied", Some("choose a folder that can be written to"))
        }
        io::ErrorKind::InvalidData => (Exit::Refused, "not-text", None),
        _ => (Exit::Unavailable, "io", None),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(problem: &Problem) -> String {
        anstream::adapter::strip_str(&problem.to_text()).to_string()
    }

    #[test]
    fn an_error_is_one_line_details_and_a_hint() {
        let problem = Problem::conflict("cannot lock `a.b`").detail("held by 12").hint("wait");
        insta::assert_snapshot!(plain(&problem), @r"
        error: cannot lock `a.b`
          held by 12
        hint: wait
        ");
        insta::assert_snapshot!(problem.to_json(), @r#"{"code":"conflict","exit_code":5,"detail":"cannot lock `a.b`","details":["held by 12"],"hint":"wait"}"#);
    }

    #[test]
    fn what_others_named_cannot_move_the_cursor() {
        let problem = Problem::not_found("no `\u{1b}[2Jx\u{202e}`\nsecond\rline").hint("\u{7}");
        assert!(!plain(&problem).chars().any(|c| c.is_control() && c != '\n'));
        insta::assert_snapshot!(plain(&problem), @r"
        error: no `\u{1b}[2Jx\u{202e}`
          second\rline
        hint: \u{7}
        ");
    }

    #[test]
    fn the_lakes_words_decide_the_exit_code_and_its_status_decides_for_unknown_ones() {
        let exit = |code: &str, status: u16| {
            let problem = lakebed_api::Problem {
                kind: lakebed_api::Problem::kind_of(code),
                title: String::new(),
                status,
                detail: "x".to_owned(),
                instance: "y".to_owned(),
                code: code.to_owned(),
                hint: None,
                event: None,
                reasons: Vec::new(),
            };
            Problem::from(&problem).exit as u8
        };
        let known = [
            ("not-found", 404),
            ("locked", 503),
            ("corrupt", 500),
            ("full", 507),
            ("internal", 500),
        ];
        assert_eq!(known.map(|(code, status)| exit(code, status)), [3, 5, 6, 7, 70]);
        let unknown = [400, 404, 409, 422, 429, 500, 503];
        assert_eq!(unknown.map(|status| exit("new-word", status)), [4, 3, 5, 4, 7, 70, 7]);
    }

    #[test]
    fn a_full_disk_and_a_missing_file_are_told_apart() {
        let path = Path::new("x.csv");
        let full = Problem::io("write", path, &io::ErrorKind::StorageFull.into());
        let missing = Problem::io("read", path, &io::ErrorKind::NotFound.into());
        assert_eq!((full.exit, missing.exit), (Exit::Unavailable, Exit::NotFound));
        assert_eq!(missing.message, "cannot read `x.csv`: no such file or folder");
    }
}
