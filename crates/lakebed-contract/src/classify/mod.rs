//! What a change of a contract means for those who rely on it.
//!
//! Consumers are what counts: they read what is there. A promise that is taken back or weakened
//! breaks them (major); one that is added or strengthened does not, though producers may have to
//! work for it (minor); what changes no promise is a patch. The version of a contract is not
//! compared: it is what follows from the comparison.
//!
//! | change | level |
//! |---|---|
//! | column removed, called otherwise in the data, of another type | major |
//! | type widened so that every old value is a new one, exactly (`int` to `long`, more digits) | minor |
//! | column added; a type said that was left open | minor |
//! | `required`, `unique`, key, bound, length, pattern, valid values, rule: added or tightened | minor |
//! | the same removed, loosened, or changed so that neither contains the other | major |
//! | a rule below severity `error`: whatever changes | patch |
//! | a rule that falls below `error`; one that rises to it | major; minor |
//! | allowed age or quarantine: more, or no limit; less, or a first limit | major; minor |
//! | tags, classification, what the table is called, `deprecated` | minor |
//! | `retired`; another contract's id | major |
//! | no longer `retired` | minor |
//! | descriptions, owners, order of columns, what is kept as documentation | patch |
//!
//! Decision D-75.

mod columns;
mod rules;
mod shift;

use std::fmt;

use lakebed_core::contract::{Contract, Freshness, QuarantineLimit, Status};

use crate::semver;

/// How much a change asks of consumers; the greater asks more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Nothing changed.
    None,
    /// No promise changed.
    Patch,
    /// Whoever relied on the old contract can rely on the new one.
    Minor,
    /// They cannot.
    Major,
}

impl Level {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change of a contract, and everything that makes it one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The greatest level of its reasons.
    pub level: Level,
    /// The reasons, gravest first.
    pub reasons: Vec<Reason>,
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What it asks of consumers.
    pub level: Level,
    /// What changed: a column, a rule's id, or a key of the contract.
    pub element: String,
    /// How.
    pub what: String,
    /// Why that is the level.
    pub why: &'static str,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` {}: {}", self.level, self.element, self.what, self.why)
    }
}

/// Compares two contracts of the same dataset. The level is none exactly where nothing but the
/// version differs.
#[must_use]
pub fn classify(old: &Contract, new: &Contract) -> Change {
    let mut reasons = Reasons::default();
    identity(old, new, &mut reasons);
    columns::compare(&old.columns, &new.columns, "", &mut reasons);
    rules::compare(old, new, &mut reasons);
    freshness(&old.freshness, &new.freshness, &mut reasons);
    quarantine(old.max_quarantined, new.max_quarantined, &mut reasons);
    let same_version = Contract { version: old.version.clone(), ..new.clone() };
    if reasons.0.is_empty() && *old != same_version {
        reasons.add(Level::Patch, "contract", "is written otherwise", "no promise changed");
    }
    let mut reasons = reasons.0;
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
    let level = reasons.first().map_or(Level::None, |reason| reason.level);
    Change { level, reasons }
}

#[derive(Default)]
struct Reasons(Vec<Reason>);

impl Reasons {
    fn add(&mut self, level: Level, element: &str, what: impl Into<String>, why: &'static str) {
        let (element, what) = (element.to_owned(), what.into());
        self.0.push(Reason { level, element, what, why });
    }
}

fn identity(old: &Contract, new: &Contract, reasons: &mut Reasons) {
    if old.id != new.id {
        let what = format!("was `{}`, is `{}`", old.id, new.id);
        reasons.add(Level::Major, "id", what, "this is another contract");
    }
    if old.status != new.status {
        let what = format!("was {}, is {}", old.status, new.status);
        let (level, why) = match new.status {
            Status::Retired => (Level::Major, "nothing is promised any more"),
            Status::Deprecated => (Level::Minor, "consumers have to look for something else"),
            _ if old.status == Status::Retired => (Level::Minor, "it is promised again"),
            _ => (Level::Patch, "what is promised is the same"),
        };
        reasons.add(level, "status", what, why);
    }
    if old.object != new.object {
        let what = format!("was `{}`, is `{}`", old.object, new.object);
        reasons.add(Level::Minor, "schema.name", what, "relationships and queries name the table");
    }
    if old.tags != new.tags {
        reasons.add(Level::Minor, "tags", "changed", POLICIES);
    }
    for (element, is_same) in [
        ("name", old.name == new.name),
        ("description", old.description == new.description),
        ("owners", old.owners == new.owners),
        ("documentation", old.kept == new.kept),
    ] {
        if !is_same {
            reasons.add(Level::Patch, element, "changed", "no promise changed");
        }
    }
}

const POLICIES: &str =
    "policies bind to it, and the plan of the catalog says who would gain or lose sight";

fn freshness(old: &[Freshness], new: &[Freshness], reasons: &mut Reasons) {
    let find = |list: &[Freshness], id: &str| {
        list.iter().find(|freshness| freshness.id == id).map(|found| found.max_age_seconds)
    };
    for before in old {
        let limit = before.max_age_seconds;
        match find(new, &before.id) {
            None => {
                reasons.add(Level::Major, &before.id, "was removed", "the data may be of any age");
            }
            Some(now) if now > limit => {
                let what = format!("was {limit} seconds, is {now}");
                reasons.add(Level::Major, &before.id, what, "the data may be older than promised");
            }
            Some(now) if now < limit => {
                let what = format!("was {limit} seconds, is {now}");
                reasons.add(Level::Minor, &before.id, what, "the data is newer than promised");
            }
            Some(_) => {}
        }
    }
    for now in new.iter().filter(|now| find(old, &now.id).is_none()) {
        reasons.add(Level::Minor, &now.id, "was added", "a promise more");
    }
}

fn quarantine(old: Option<QuarantineLimit>, new: Option<QuarantineLimit>, reasons: &mut Reasons) {
    let element = "maxQuarantined";
    let order = match (old, new) {
        (None, None) => return,
        (None, Some(limit)) => {
            let what = format!("is {limit}, was not limited");
            return reasons.add(Level::Minor, element, what, "a promise more");
        }
        (Some(_), None) => {
            let why = "any number of rows may be missing";
            return reasons.add(Level::Major, element, "was removed", why);
        }
        (Some(QuarantineLimit::Rows(old)), Some(QuarantineLimit::Rows(new))) => Some(new.cmp(&old)),
        (Some(QuarantineLimit::Percent(old)), Some(QuarantineLimit::Percent(new))) => {
            Some(new.cmp(&old))
        }
        _ => None,
    };
    let shown = |limit: Option<QuarantineLimit>| limit.map_or_else(String::new, |l| l.to_string());
    let what = format!("was {}, is {}", shown(old), shown(new));
    match order {
        Some(std::cmp::Ordering::Equal) => {}
        Some(std::cmp::Ordering::Less) => {
            reasons.add(Level::Minor, element, what, "fewer rows may be missing than before");
        }
        _ => reasons.add(Level::Major, element, what, "more rows may be missing than promised"),
    }
}

/// Why a version does not say what changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionFlaw {
    /// It has no three numbers.
    #[error("version `{0}` is not of the form `1.2.3`")]
    NotSemantic(String),
    /// It promises less of a change than there is.
    #[error("the change is {level}: version `{given}` should be `{needed}` or later")]
    TooSmall {
        /// What changed.
        level: Level,
        /// The version that was given.
        given: String,
        /// The least that says it.
        needed: String,
    },
}

/// Whether the new contract's version says what `change` is, by semantic versioning: before 1.0.0
/// the second number counts what breaks.
///
/// # Errors
/// [`VersionFlaw`] says which version would.
pub fn check_version(old: &Contract, new: &Contract, change: &Change) -> Result<(), VersionFlaw> {
    let parse = |version: &str| {
        semver::parse(version).ok_or_else(|| VersionFlaw::NotSemantic(version.to_owned()))
    };
    let (major, minor, patch) = parse(&old.version)?;
    let given = parse(&new.version)?;
    let needed = match change.level {
        Level::None => (major, minor, patch),
        Level::Patch => (major, minor, patch.saturating_add(1)),
        Level::Minor if major == 0 => (major, minor, patch.saturating_add(1)),
        Level::Major if major > 0 => (major.saturating_add(1), 0, 0),
        Level::Minor | Level::Major => (major, minor.saturating_add(1), 0),
    };
    if given >= needed {
        return Ok(());
    }
    let needed = format!("{}.{}.{}", needed.0, needed.1, needed.2);
    Err(VersionFlaw::TooSmall { level: change.level, given: new.version.clone(), needed })
}
