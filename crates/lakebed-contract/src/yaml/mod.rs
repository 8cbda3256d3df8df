//! YAML that people write, read within bounds.
//!
//! Untrusted input: files of at most 1 MiB, no anchors, no aliases, no merge keys, nothing twice. The
//! caller says how deep it may be. What is wrong is a [`Mistake`] with file, line and column.

mod tree;

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde_saphyr::{Location, UserMessageFormatter, localizer::Localizer, options};

pub use tree::{Node, Tree};

/// The largest file that is read, in bytes.
const MAX_FILE: usize = 1 << 20;

/// Something in a file that cannot be meant like that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file, below the folder.
    pub file: String,
    /// The line, from 1; 0 when it is the file as a whole.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Mistake {
    /// A mistake at a place of a file.
    #[must_use]
    pub fn at(file: &str, location: Location, message: String, hint: Option<String>) -> Self {
        let (line, column) = (location.line(), location.column());
        Self { file: file.to_owned(), line, column, message, hint }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

/// Reads `text`, at most `max_depth` levels deep; a text without content is an empty mapping.
///
/// # Errors
/// The one mistake that ends the reading of a file.
pub fn read<T: for<'de> Deserialize<'de>>(
    file: &str,
    text: &str,
    max_depth: usize,
) -> Result<T, Mistake> {
    if text.len() > MAX_FILE {
        let message = format!("the file is larger than {MAX_FILE} bytes");
        return Err(Mistake::at(file, Location::UNKNOWN, message, None));
    }
    let has_content = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let text = if text.lines().any(has_content) { text } else { "{}" };
    serde_saphyr::from_str_with_options(text, bounds(max_depth)).map_err(|error| {
        let location = error.location().unwrap_or(Location::UNKNOWN);
        let (message, hint) = told(error.without_snippet(), max_depth);
        Mistake::at(file, location, message, hint)
    })
}

/// What the parser says, in our words where its own are about its settings.
fn told(error: &serde_saphyr::Error, max_depth: usize) -> (String, Option<String>) {
    use serde_saphyr::budget::BudgetBreach;
    let (message, hint) = match error {
        serde_saphyr::Error::Budget { breach, .. } => match breach {
            BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => {
                ("anchors and aliases are not read here", "write it out".to_owned())
            }
            BudgetBreach::Documents { .. } => {
                ("this begins a second document", "leave out the line `---`".to_owned())
            }
            _ => {
                let hint = format!("{max_depth} levels are the most");
                ("this is nested too deeply, or too large", hint)
            }
        },
        serde_saphyr::Error::MergeKeyNotAllowed { .. } => {
            ("merge keys are not read here", "write it out".to_owned())
        }
        other => {
            let formatter = UserMessageFormatter.with_localizer(&WithoutLocation);
            let said = other.render_with_formatter(&formatter);
            // The scanner's own limit, before the budget's.
            if said != "recursion limit exceeded" {
                return (shown(&said), None);
            }
            let hint = format!("{max_depth} levels are the most");
            ("this is nested too deeply, or too large", hint)
        }
    };
    (message.to_owned(), Some(hint))
}

/// At most 300 characters, control characters escaped: safe to print.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().take(300).flat_map(char::escape_debug).collect::<String>().replace("\\'", "'")
}

/// What declarations need, and nothing that multiplies.
fn bounds(max_depth: usize) -> serde_saphyr::Options {
    options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: max_depth,
            flow_nesting_limit: max_depth,
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
    }
}

/// Line and column stand before the message, in every mistake at the same place.
struct WithoutLocation;

impl Localizer for WithoutLocation {
    fn attach_location<'b>(&self, base: Cow<'b, str>, _location: Location) -> Cow<'b, str> {
        base
    }
}
