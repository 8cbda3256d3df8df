//! What a request asks of a product's rows: read against the columns that its asker may know of.
//!
//! | parameter | it means |
//! |---|---|
//! | `column=value`, `column.eq=value` | equal |
//! | `.ne`, `.lt`, `.le`, `.gt`, `.ge` | the other comparisons; no null compares |
//! | `column.in=a,b` | one of these |
//! | `column.null=true` | is null; `false`: is not |
//! | `select=a,b` | these columns, in this order |
//! | `order=a,-b` | by these first, `-` downwards; null is least |
//! | `limit`, `at`, `version`, `cursor` | how many, of which version, from where |
//!
//! All conditions hold together. A parameter that is called exactly like a column is that column; a
//! column that is called like another parameter is asked for as `limit.eq`. In lists `\,` is a comma.

use lakebed_contract::yaml::shown;
use lakebed_core::{Field, Selector};
use serde_json::Value;

use super::value::{has_values, value_of};
use crate::{Error, Result};

/// Rows of a page when nobody says, and at most.
const PAGE: (u64, u64) = (100, 10_000);
/// The most values of one list.
const MOST_VALUES: usize = 1000;
/// How many columns an error names.
const NAMED: usize = 20;

/// Parameters as they come, each once, sorted into what they are about; nothing is known of columns yet.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    pub(crate) limit: u64,
    pub(crate) selector: Selector,
    pub(crate) cursor: Option<&'a str>,
    select: Option<&'a str>,
    order: Option<&'a str>,
    filters: Vec<(&'a str, &'a str)>,
    /// All that decides about rows: not how many of them a page has, nor where it begins.
    pub(crate) question: Vec<(&'a str, &'a str)>,
}

/// What is asked.
#[derive(Debug, PartialEq)]
pub(crate) struct Question<'a> {
    pub(crate) select: Vec<&'a Field>,
    pub(crate) conditions: Vec<Condition<'a>>,
    /// Every column, each once.
    pub(crate) order: Vec<(&'a Field, Direction)>,
}

/// A column, and what must hold of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Condition<'a> {
    pub(crate) column: &'a Field,
    pub(crate) test: Test,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Test {
    /// The sign of a comparison.
    Compare(&'static str, Value),
    In(Vec<Value>),
    IsNull(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl<'a> Words<'a> {
    /// # Errors
    /// [`Error::Invalid`] names the parameter.
    pub(crate) fn read(query: &'a [(String, String)]) -> Result<Self> {
        let mut words = Self {
            limit: PAGE.0,
            selector: Selector::Default,
            cursor: None,
            select: None,
            order: None,
            filters: Vec::new(),
            question: Vec::new(),
        };
        let (mut at, mut version) = (None, None);
        for (place, (name, value)) in query.iter().enumerate() {
            if query[..place].iter().any(|(before, _)| before == name) {
                let why = "is given twice: for one of several values write `.in`";
                return Err(invalid_query(format!("parameter `{}` {why}", shown(name))));
            }
            let (name, value) = (name.as_str(), value.as_str());
            match name {
                "limit" => words.limit = limit(value)?,
                "cursor" => words.cursor = Some(value),
                "select" => words.select = Some(value),
                "order" => words.order = Some(value),
                "at" => at = Some(value),
                "version" => version = Some(value),
                _ => words.filters.push((name, value)),
            }
            if !["limit", "cursor"].contains(&name) {
                words.question.push((name, value));
            }
        }
        words.selector = selector(at, version)?;
        Ok(words)
    }

    /// What is asked of `columns`, which come in the order of `first` where nothing else is said.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the parameter, and the type where a value is none of it. A column that
    /// is not among `columns` is unknown, whatever the table has.
    pub(crate) fn about<'c>(&self, columns: &'c [Field], first: &[String]) -> Result<Question<'c>> {
        let select = match self.select {
            None => columns.iter().collect(),
            Some(list) => selected(list, columns)?,
        };
        let conditions = self.filters.iter().map(|(name, value)| condition(name, value, columns));
        let conditions = conditions.collect::<Result<_>>()?;
        let mut order: Vec<(&Field, Direction)> = Vec::with_capacity(columns.len());
        for item in self.order.map(items).transpose()?.into_iter().flatten() {
            let (column, direction) = ordered(&item, columns)?;
            if order.iter().any(|(before, _)| before.name == column.name) {
                let column = shown(&column.name);
                return Err(invalid_query(format!("`order` has column `{column}` twice")));
            }
            order.push((column, direction));
        }
        let first = first.iter().filter_map(|name| find(name, columns));
        for column in first.chain(columns) {
            if !order.iter().any(|(before, _)| before.name == column.name) {
                order.push((column, Direction::Up));
            }
        }
        Ok(Question { select, conditions, order })
    }
}

fn limit(text: &str) -> Result<u64> {
    let (_, most) = PAGE;
    let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| {
        let given = shown(text);
        invalid_query(format!("parameter `limit` is `{given}`: expected 1 to {most}"))
    })
}

fn selector(at: Option<&str>, version: Option<&str>) -> Result<Selector> {
    match (at, version) {
        (None, None) => Ok(Selector::Default),
        (Some(at), None) => at.parse().map_err(|error: lakebed_core::RefError| {
            invalid_query(format!("parameter `at`: {error}"))
        }),
        (None, Some(version)) => {
            let is_number = version.bytes().next().is_some_and(|first| first.is_ascii_digit());
            let selector = format!("v{version}").parse().ok().filter(|_| is_number);
            selector.ok_or_else(|| {
                let why = format!("is `{}`: expected a number from 1 on", shown(version));
                invalid_query(format!("parameter `version` {why}"))
            })
        }
        (Some(_), Some(_)) => {
            Err(invalid_query("`at` and `version` both say which version: give one".to_owned()))
        }
    }
}

fn selected<'c>(list: &str, columns: &'c [Field]) -> Result<Vec<&'c Field>> {
    let mut select: Vec<&Field> = Vec::new();
    for name in items(list)? {
        let column = known("select", &name, columns)?;
        if select.iter().any(|before| before.name == column.name) {
            let column = shown(&column.name);
            return Err(invalid_query(format!("`select` has column `{column}` twice")));
        }
        select.push(column);
    }
    Ok(select)
}

fn ordered<'c>(item: &str, columns: &'c [Field]) -> Result<(&'c Field, Direction)> {
    match (find(item, columns), item.strip_prefix('-')) {
        (Some(column), _) => Ok((column, Direction::Up)),
        (None, Some(name)) => Ok((known("order", name, columns)?, Direction::Down)),
        (None, None) => Ok((known("order", item, columns)?, Direction::Up)),
    }
}

fn condition<'c>(name: &str, text: &str, columns: &'c [Field]) -> Result<Condition<'c>> {
    if let Some(column) = find(name, columns) {
        return Ok(Condition { column, test: Test::Compare("=", value(name, column, text)?) });
    }
    let Some((column, word)) = name.rsplit_once('.') else {
        return Err(unknown_parameter(name, columns));
    };
    let Some(column) = find(column, columns) else {
        return Err(unknown_parameter(name, columns));
    };
    let sign = match word {
        "eq" => "=",
        "ne" => "<>",
        "lt" => "<",
        "le" => "<=",
        "gt" => ">",
        "ge" => ">=",
        "in" => {
            let values = items(text)?;
            if values.len() > MOST_VALUES {
                let (name, count) = (shown(name), values.len());
                let detail =
                    format!("parameter `{name}` has {count} values: {MOST_VALUES} at most");
                return Err(invalid_query(detail));
            }
            let values = values.iter().map(|text| value(name, column, text));
            return Ok(Condition { column, test: Test::In(values.collect::<Result<_>>()?) });
        }
        "null" => {
            let is_null = text.parse().map_err(|_| {
                let (name, given) = (shown(name), shown(text));
                invalid_query(format!(
                    "parameter `{name}` is `{given}`: expected `true` or `false`"
                ))
            });
            return Ok(Condition { column, test: Test::IsNull(is_null?) });
        }
        other => {
            let (name, other) = (shown(name), shown(other));
            return Err(Error::Invalid {
                code: "invalid-query",
                message: format!("parameter `{name}`: `{other}` is no comparison"),
                hint: Some("there are eq, ne, lt, le, gt, ge, in and null".to_owned()),
            });
        }
    };
    Ok(Condition { column, test: Test::Compare(sign, value(name, column, text)?) })
}

fn value(parameter: &str, column: &Field, text: &str) -> Result<Value> {
    let data_type = &column.data_type;
    let parameter = shown(parameter);
    if !has_values(data_type) {
        let why = format!("a column of type `{data_type}` can only be asked for `.null`");
        return Err(invalid_value(format!("parameter `{parameter}`: {why}")));
    }
    // What was given may be somebody's data: it is in no error.
    value_of(data_type, text).ok_or_else(|| {
        let why = format!("what was given is no value of type `{data_type}`");
        invalid_value(format!("parameter `{parameter}`: {why}"))
    })
}

/// The items of a list between commas; `\,` is a comma in one, `\\` a backslash.
fn items(list: &str) -> Result<Vec<String>> {
    let mut items = vec![String::new()];
    let mut signs = list.chars();
    while let Some(sign) = signs.next() {
        let item = items.last_mut().expect("there is one from the beginning");
        match sign {
            ',' => items.push(String::new()),
            '\\' => match signs.next() {
                Some(escaped @ (',' | '\\')) => item.push(escaped),
                _ => {
                    let why = "a backslash in a list stands before `,` or another backslash";
                    return Err(invalid_query(why.to_owned()));
                }
            },
            other => item.push(other),
        }
    }
    Ok(items)
}

fn find<'c>(name: &str, columns: &'c [Field]) -> Option<&'c Field> {
    columns.iter().find(|column| column.name == name)
}

fn known<'c>(parameter: &str, name: &str, columns: &'c [Field]) -> Result<&'c Field> {
    find(name, columns).ok_or_else(|| {
        unknown(format!("parameter `{parameter}`: there is no column `{}`", shown(name)), columns)
    })
}

fn unknown_parameter(name: &str, columns: &[Field]) -> Error {
    unknown(format!("parameter `{}` names no column", shown(name)), columns)
}

fn unknown(message: String, columns: &[Field]) -> Error {
    let names: Vec<_> =
        columns.iter().take(NAMED).map(|column| format!("`{}`", shown(&column.name))).collect();
    let more = if columns.len() > NAMED { " and more" } else { "" };
    let hint = format!("there are {}{more}", names.join(", "));
    Error::Invalid { code: "unknown-column", message, hint: Some(hint) }
}

pub(crate) fn invalid_query(message: String) -> Error {
    Error::Invalid { code: "invalid-query", message, hint: None }
}

fn invalid_value(message: String) -> Error {
    Error::Invalid { code: "invalid-value", message, hint: None }
}
