//! Statements by the thousand: what a grammar makes of dice.
//!
//! [`expressions`] fills the [`templates`], [`relations`] makes what rows come from, and [`queries`]
//! makes queries of both. Each statement is about one function of the allow-list, in turn, so that
//! every function comes up as often as the others; what else is in it, the dice decide. Most
//! statements have an answer, some fail wherever they run, and many would fail on rows that are not
//! to be seen.
//!
//! Whatever could legitimately differ between two runs is left out: limits without a total order,
//! and what `random()` or `uuid()` say.

mod expressions;
mod queries;
mod relations;
mod templates;

use serde_json::Value;

use super::{Statement, dice::Dice};
use crate::functions::allow;
use templates::{AGGREGATE, ARMED, COLUMNS, Kind, SCALAR, WINDOW};

/// Where a function stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Scalar,
    Aggregate,
    Window,
    /// Instead of a table, or making several rows of one.
    Rows,
}

/// Every function there is.
pub(super) fn functions() -> Vec<(Role, &'static str)> {
    let scalar = allow::SCALAR.iter().chain(&["make_map"]).map(|name| (Role::Scalar, *name));
    let aggregate = allow::AGGREGATE.iter().map(|name| (Role::Aggregate, *name));
    let window = allow::WINDOW.iter().map(|name| (Role::Window, *name));
    let rows = ["generate_series", "range", "unnest", "unnest_outer"];
    scalar.chain(aggregate).chain(window).chain(rows.map(|name| (Role::Rows, name))).collect()
}

/// The statement of this place among all of a seed.
pub(super) fn statement(dice: Dice, place: u64) -> (Statement, Vec<usize>) {
    let functions = functions();
    let wanted = functions[usize::try_from(place).unwrap() % functions.len()];
    let mut maker = Maker::new(dice, wanted);
    let sql = maker.statement();
    (Statement { sql, parameters: maker.parameters }, maker.dice.thrown())
}

/// A column that is there, and how to write it.
#[derive(Debug, Clone)]
struct Seen {
    sql: String,
    name: &'static str,
    kind: Kind,
}

type Scope = Vec<Seen>;

/// A query and what its columns hold; they are named `c0`, `c1` and so on.
struct Query {
    sql: String,
    kinds: Vec<Kind>,
    /// Whether it ends in an order, so that none can follow.
    is_ordered: bool,
}

/// What a statement is made with.
struct Maker {
    dice: Dice,
    /// The function that this statement is about, until it is in it.
    wanted: Option<(Role, &'static str)>,
    parameters: Vec<Value>,
    /// How many names were given away.
    names: usize,
    /// The queries that have a name.
    with: Vec<(String, Vec<Kind>)>,
}

impl Maker {
    fn new(dice: Dice, wanted: (Role, &'static str)) -> Self {
        Self { dice, wanted: Some(wanted), parameters: Vec::new(), names: 0, with: Vec::new() }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    /// A template with the wanted function, if that stands here and has not been used.
    fn take_wanted(&mut self, role: Role) -> Option<(Kind, &'static str)> {
        // What groups are, is asked where they are made.
        let is_here = |(wanted, name): &(Role, &str)| *wanted == role && *name != "grouping";
        let (_, name) = self.wanted.filter(is_here)?;
        let groups: &[&[(Kind, &[&'static str])]] = match role {
            Role::Scalar => &[&SCALAR, &ARMED],
            Role::Aggregate => &[&AGGREGATE],
            Role::Window => &[&WINDOW],
            Role::Rows => return None,
        };
        let all = groups.iter().copied().flatten();
        let all = all.flat_map(|(kind, texts)| texts.iter().map(move |text| (*kind, *text)));
        let fitting: Vec<_> = all.filter(|(_, text)| calls(text, name)).collect();
        assert!(!fitting.is_empty(), "no template calls `{name}`");
        self.wanted = None;
        Some(self.dice.one_of(&fitting))
    }

    /// The wanted function that makes rows.
    fn take_wanted_rows(&mut self) -> Option<&'static str> {
        self.wanted.take_if(|(role, _)| *role == Role::Rows).map(|(_, name)| name)
    }
}

/// Whether a function of that name is called in `text`.
fn calls(text: &str, name: &str) -> bool {
    let call = format!("{name}(");
    text.match_indices(&call).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|char| !char.is_ascii_alphanumeric() && char != '_')
    })
}

/// Columns of a table, under its name.
fn columns_of(qualifier: &str, count: usize) -> Scope {
    let columns = COLUMNS.iter().take(count);
    let seen =
        columns.map(|(name, kind)| Seen { sql: format!("{qualifier}.{name}"), name, kind: *kind });
    seen.collect()
}
