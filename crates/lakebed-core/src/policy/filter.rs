//! The expressions of row filters: closed, and none that could fail on any row.
//!
//! Comparisons, `in`, `is null`, `like` with a prefix, `and`, `or`, `not`, over columns,
//! `principal.<attribute>` and literals. No arithmetic, no casts, no functions, no other tables:
//! evaluating one never raises an error, so that no error tells of a row. `parse.rs` reads the
//! text; what it means for the columns of a table is decided when it is bound.

use std::fmt;

use crate::{AttributeName, contract::Number, serde_text::serde_as_text};

/// A row filter, as it was written. Equal filters print the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowFilter(pub Expression);

/// A condition on a row. Its value is true, false or unknown, as in SQL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expression {
    /// Always, or never.
    Constant(bool),
    /// Unknown where one side is null.
    Compare {
        /// The left side.
        operand: Operand,
        /// How they compare.
        comparison: Comparison,
        /// The right side.
        value: Value,
    },
    /// Whether it is one of these; unknown where it is null.
    In {
        /// What.
        operand: Operand,
        /// At least one.
        values: Vec<Value>,
    },
    /// Whether it is null; never unknown.
    IsNull {
        /// The column.
        column: String,
    },
    /// Whether a text begins so; unknown where it is null.
    StartsWith {
        /// What.
        operand: Operand,
        /// The beginning; `%` stands behind it in the text.
        prefix: String,
    },
    /// The opposite; what is unknown stays so.
    Not(Box<Expression>),
    /// True if all are, false if one is; two at least, none of them an `And`.
    And(Vec<Expression>),
    /// True if one is, false if all are; two at least, none of them an `Or`.
    Or(Vec<Expression>),
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A column of the row.
    Column(String),
    /// An attribute of whoever asks.
    Attribute(AttributeName),
}

/// What it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// What stands there.
    Literal(Literal),
    /// An attribute of whoever asks.
    Attribute(AttributeName),
}

/// A value that is written down. Dates and times are texts that a column of such a type reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Literal {
    /// `true` or `false`.
    Boolean(bool),
    /// A number, exactly.
    Number(Number),
    /// A text.
    Text(String),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Comparison {
    /// `=`
    #[serde(rename = "=")]
    Equal,
    /// `<>`
    #[serde(rename = "<>")]
    NotEqual,
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    LessOrEqual,
    /// `>`
    #[serde(rename = ">")]
    Greater,
    /// `>=`
    #[serde(rename = ">=")]
    GreaterOrEqual,
}

impl Comparison {
    /// Its sign.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether it needs an order, not only equality.
    #[must_use]
    pub const fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// What it says of two values that are so ordered.
    #[must_use]
    pub const fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl RowFilter {
    /// The columns it looks at, each once, in order of appearance.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = Vec::new();
        self.0.visit(&mut |expression| {
            let column = match expression {
                Expression::Compare { operand, .. }
                | Expression::In { operand, .. }
                | Expression::StartsWith { operand, .. } => match operand {
                    Operand::Column(column) => Some(column),
                    Operand::Attribute(_) => None,
                },
                Expression::IsNull { column } => Some(column),
                _ => None,
            };
            if let Some(column) = column
                && !columns.contains(&column.as_str())
            {
                columns.push(column.as_str());
            }
        });
        columns
    }
}

impl Expression {
    /// Calls `look` with each part, the whole first.
    fn visit<'a>(&'a self, look: &mut impl FnMut(&'a Self)) {
        look(self);
        match self {
            Self::Not(inner) => inner.visit(look),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.visit(look)),
            _ => {}
        }
    }

    /// How tightly it holds together, for parentheses.
    const fn binding(&self) -> u8 {
        match self {
            Self::Or(_) => 0,
            Self::And(_) => 1,
            _ => 2,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, around: u8) -> fmt::Result {
        if self.binding() < around {
            f.write_str("(")?;
            self.write(f, 0)?;
            return f.write_str(")");
        }
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str, around: u8| {
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    f.write_str(word)?;
                }
                part.write(f, around)?;
            }
            Ok(())
        };
        match self {
            Self::Or(parts) => list(f, parts, " or ", 1),
            Self::And(parts) => list(f, parts, " and ", 2),
            Self::Not(inner) => match &**inner {
                Self::In { operand, values } => write_in(f, operand, "not in", values),
                Self::IsNull { column } => write!(f, "{} is not null", Name(column)),
                Self::StartsWith { operand, prefix } => {
                    write!(f, "{operand} not like {}", Quoted(prefix, "%"))
                }
                inner => {
                    f.write_str("not ")?;
                    inner.write(f, 2)
                }
            },
            Self::Constant(value) => write!(f, "{value}"),
            Self::Compare { operand, comparison, value } => {
                write!(f, "{operand} {} {value}", comparison.as_str())
            }
            Self::In { operand, values } => write_in(f, operand, "in", values),
            Self::IsNull { column } => write!(f, "{} is null", Name(column)),
            Self::StartsWith { operand, prefix } => {
                write!(f, "{operand} like {}", Quoted(prefix, "%"))
            }
        }
    }
}

fn write_in(
    f: &mut fmt::Formatter<'_>,
    operand: &Operand,
    word: &str,
    values: &[Value],
) -> fmt::Result {
    let values: Vec<_> = values.iter().map(ToString::to_string).collect();
    write!(f, "{operand} {word} ({})", values.join(", "))
}

/// Words that mean something here; a column of such a name is quoted.
pub(super) const WORDS: [&str; 10] =
    ["and", "or", "not", "in", "is", "null", "like", "true", "false", "principal"];

/// The name of a column, quoted where it would be read as something else.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starts_well =
            self.0.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(self.0));
        match starts_well && self.0.bytes().all(rest) && !is_word {
            true => f.write_str(self.0),
            false => write!(f, "\"{}\"", self.0.replace('"', "\"\"")),
        }
    }
}

/// A text in quotes, with something behind it.
struct Quoted<'a>(&'a str, &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}{}'", self.0.replace('\'', "''"), self.1)
    }
}

impl fmt::Display for RowFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, 0)
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(column) => write!(f, "{}", Name(column)),
            Self::Attribute(attribute) => write!(f, "principal.{attribute}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => write!(f, "{literal}"),
            Self::Attribute(attribute) => write!(f, "principal.{attribute}"),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{}", Quoted(text, "")),
        }
    }
}

serde_as_text!(RowFilter);
