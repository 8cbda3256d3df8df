//! What commands print, and how: tables, JSON, colours, notes.
//!
//! Answers go to stdout, everything about them to stderr. Colours are written always and taken out
//! by `anstream` where they are not wanted (`--color`, `NO_COLOR`, pipes).

pub(crate) mod describe;
pub(crate) mod human;
pub(crate) mod line_ends;
pub(crate) mod profile;
pub(crate) mod rows;
pub(crate) mod sink;
pub(crate) mod style;
pub(crate) mod table;

use std::{
    fmt::{Display, Write as _},
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

pub(crate) use table::{Align, Cell, Column, Table};

use crate::problem::{Exit, Problem, Result};

/// Where a command prints to, and what its user asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// JSON documents instead of text.
    pub(crate) json: bool,
    /// No notes, no progress.
    pub(crate) quiet: bool,
    pub(crate) stdout_is_terminal: bool,
    pub(crate) stderr_is_terminal: bool,
}

impl Terminal {
    /// Looks at the process' own streams.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self {
            json,
            quiet,
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Columns of the terminal that stdout is; none for a pipe or a file.
    pub(crate) fn width(&self) -> Option<usize> {
        if !self.stdout_is_terminal {
            return None;
        }
        terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
    }

    /// Prints text (styled or not) to stdout.
    pub(crate) fn print(&self, text: impl Display) -> Result<()> {
        let mut out = anstream::stdout().lock();
        write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| stdout_problem(&error))
    }

    /// Prints `value` as one JSON document: indented on a terminal, one line elsewhere.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> Result<()> {
        let text = match self.stdout_is_terminal {
            true => serde_json::to_string_pretty(value),
            false => serde_json::to_string(value),
        };
        let text = text.map_err(|error| Problem::internal(format!("no JSON: {error}")))?;
        self.print(format_args!("{text}\n"))
    }

    /// Prints `value` as a line of NDJSON.
    pub(crate) fn print_json_line(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value)
            .map_err(|error| Problem::internal(format!("no JSON: {error}")))?;
        self.print(format_args!("{text}\n"))
    }

    /// Prints a table, fitted to the terminal.
    pub(crate) fn print_table(&self, table: &Table) -> Result<()> {
        self.print(table.render(self.width()))
    }

    /// Prints a table whose values are for copying: nothing is cut, however narrow the terminal.
    pub(crate) fn print_whole_table(&self, table: &Table) -> Result<()> {
        self.print(table.render(None))
    }

    /// Says something about the answer, on stderr, for people: nothing with `--quiet` or `--json`.
    pub(crate) fn note(&self, text: impl Display) {
        if self.quiet || self.json {
            return;
        }
        let note = style::DIM;
        self.write_stderr(&format!("{note}{}{note:#}\n", escaped(&text.to_string())));
    }

    /// Says something about the answer that should not be missed, like [`Self::note`].
    pub(crate) fn warn(&self, text: impl Display) {
        if self.quiet || self.json {
            return;
        }
        let warn = style::WARN;
        self.write_stderr(&format!("{warn}{}{warn:#}\n", escaped(&text.to_string())));
    }

    /// Says what to do next, like [`Self::note`].
    pub(crate) fn hint(&self, text: impl Display) {
        if self.quiet || self.json {
            return;
        }
        let hint = style::HINT;
        self.write_stderr(&format!("{hint}hint:{hint:#} {}\n", escaped(&text.to_string())));
    }

    /// Says on stderr what is said once and must not be missed, whatever was asked for.
    pub(crate) fn tell_once(&self, text: impl Display) {
        self.write_stderr(&text.to_string());
    }

    /// Reports a failure on stderr: text, or problem JSON with `--json`.
    pub(crate) fn print_problem(&self, problem: &Problem) {
        match self.json {
            true => self.write_stderr(&format!("{}\n", problem.to_json())),
            false => self.write_stderr(&problem.to_text()),
        }
    }

    /// There is nobody left to tell when stderr itself fails.
    fn write_stderr(&self, text: &str) {
        let _ = anstream::stderr().lock().write_all(text.as_bytes());
    }
}

/// Takes the styles out of what is written.
pub(crate) struct Plain<W> {
    out: W,
    state: anstream::adapter::StripBytes,
}

impl<W: Write> Plain<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, state: anstream::adapter::StripBytes::new() }
    }
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in self.state.strip_next(bytes) {
            self.out.write_all(part)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A reader that went away (`| head`) has what it wanted: that ends the command, quietly.
pub(crate) fn stdout_problem(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Problem::new(Exit::Ok, "reader-gone", "the reader is gone"),
        _ => Problem::io("write to", std::path::Path::new("standard output"), error),
    }
}

/// `text` without anything that could move a cursor or turn the reading direction: such characters
/// are written as `\u{…}`. Everything printable stays as it is.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(safe, "{}", character.escape_unicode());
            }
            '\n' | '\r' | '\t' => {
                let _ = write!(safe, "{}", character.escape_default());
            }
            _ if character.is_control() => {
                let _ = write!(safe, "{}", character.escape_unicode());
            }
            _ => safe.push(character),
        }
    }
    safe
}
