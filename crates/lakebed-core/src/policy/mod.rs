//! Restrictions: what some may not see of what they may read.
//!
//! A policy takes away, for everybody but those it excepts; a grant gives. What the policies add up
//! to for somebody is decided in `lakebed-govern`; here are the words, and the value that an engine
//! gets ([`Restriction`]).

mod filter;
mod mask;
mod parse;
mod predicate;
mod restriction;
mod tokens;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

pub use filter::{Comparison, Expression, Literal, Operand, RowFilter, Value};
pub use mask::{DateUnit, Mask, MaskKey, Partial};
pub use parse::FilterError;
pub use predicate::{Predicate, Scalar, holds};
pub use restriction::{ColumnSight, Restriction, Sight};

use crate::{DatasetName, Grantee, NamespaceName, Target, name::printable, serde_text::text_name};

/// The longest name of a policy or a tag, in bytes.
const MAX_NAME: usize = 63;

/// A text that cannot name a policy or a tag; says which rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` cannot be the name of a {what}: {why}")]
pub struct PolicyNameError {
    /// What was given, shortened and escaped.
    given: String,
    what: &'static str,
    why: &'static str,
}

/// Lower-case letters, digits and `more`, a letter first.
fn check_name(
    text: &str,
    what: &'static str,
    more: &[u8],
    why: &'static str,
) -> Result<(), PolicyNameError> {
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte);
    match starts_well && text.len() <= MAX_NAME && text.bytes().all(rest) {
        true => Ok(()),
        false => Err(PolicyNameError { given: printable(text), what, why }),
    }
}

text_name! {
    /// What a policy is called: `own-region`.
    PolicyName, PolicyNameError, |text| {
        let why = "use 1 to 63 lower-case letters, digits, `-` and `_`, starting with a letter";
        check_name(text, "policy", b"_-", why)
    }
}

text_name! {
    /// A mark on columns and datasets: `pii.email`. Contracts say what carries it.
    TagName, PolicyNameError, |text| {
        let why = "use 1 to 63 lower-case letters, digits and `. : - _`, starting with a letter";
        check_name(text, "tag", b"_-.:", why)
    }
}

/// What a policy is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyTarget {
    /// Every dataset of the lake, now and later.
    Lake,
    /// Every dataset of a namespace, now and later.
    Namespace(NamespaceName),
    /// One dataset.
    Dataset(DatasetName),
    /// Every column with this tag, and all that is in a dataset with it, wherever they are.
    Tag(TagName),
}

impl PolicyTarget {
    /// The place, if it is one.
    #[must_use]
    pub fn place(&self) -> Option<Target> {
        match self {
            Self::Lake => Some(Target::Lake),
            Self::Namespace(namespace) => Some(Target::Namespace(namespace.clone())),
            Self::Dataset(dataset) => Some(Target::Dataset(dataset.clone())),
            Self::Tag(_) => None,
        }
    }
}

impl fmt::Display for PolicyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "tag {tag}"),
            place => match place.place() {
                Some(place) => place.fmt(f),
                None => Ok(()),
            },
        }
    }
}

/// What a policy takes away.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PolicyRule {
    /// Rows of which this is not true are not there.
    RowFilter(RowFilter),
    /// Values are seen as this makes them.
    Mask {
        /// Names of columns; none for a policy on a tag.
        columns: BTreeSet<String>,
        /// What it makes of values.
        mask: Mask,
    },
    /// Columns are not there.
    Hide {
        /// Names of columns; none for a policy on a tag.
        columns: BTreeSet<String>,
    },
}

impl PolicyRule {
    /// The columns it names.
    #[must_use]
    pub fn columns(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::RowFilter(_) => None,
            Self::Mask { columns, .. } | Self::Hide { columns } => Some(columns),
        }
    }
}

/// What it does, in a line: `rows where region = 'EU'`, `email as partial(keep_last 4)`.
impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |columns: &BTreeSet<String>| match columns.is_empty() {
            true => "its columns".to_owned(),
            false => columns.iter().cloned().collect::<Vec<_>>().join(", "),
        };
        match self {
            Self::RowFilter(filter) => write!(f, "only rows where {filter}"),
            Self::Mask { columns, mask } => write!(f, "{} as {mask}", list(columns)),
            Self::Hide { columns } => write!(f, "without {}", list(columns)),
        }
    }
}

/// One restriction, for everybody but those it excepts. Restrictions intersect; no order matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Policy {
    /// Its name; no two have the same.
    pub name: PolicyName,
    /// What it is about.
    pub on: PolicyTarget,
    /// What it takes away.
    pub rule: PolicyRule,
    /// Who sees what there is all the same.
    pub except: BTreeSet<Grantee>,
}

/// The value as it is stored: of `row_filter`, `mask` and `hide` there is one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: PolicyName,
    on: PolicyTarget,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    columns: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_filter: Option<RowFilter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<Mask>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hide: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    except: BTreeSet<Grantee>,
}

impl From<Policy> for Stored {
    fn from(policy: Policy) -> Self {
        let Policy { name, on, rule, except } = policy;
        let (columns, row_filter, mask, hide) = match rule {
            PolicyRule::RowFilter(filter) => (BTreeSet::new(), Some(filter), None, false),
            PolicyRule::Mask { columns, mask } => (columns, None, Some(mask), false),
            PolicyRule::Hide { columns } => (columns, None, None, true),
        };
        Self { name, on, columns, row_filter, mask, hide, except }
    }
}

impl TryFrom<Stored> for Policy {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { name, on, columns, row_filter, mask, hide, except } = stored;
        let rule = match (row_filter, mask, hide) {
            (Some(filter), None, false) if columns.is_empty() => PolicyRule::RowFilter(filter),
            (None, Some(mask), false) => PolicyRule::Mask { columns, mask },
            (None, None, true) => PolicyRule::Hide { columns },
            _ => {
                return Err(format!(
                    "policy `{name}` has one of `row_filter` (without `columns`), `mask` and `hide`"
                ));
            }
        };
        Ok(Self { name, on, rule, except })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_one_text() {
        for text in [
            r#"{"name":"own-region","on":{"dataset":"crm.customers"},"row_filter":"region = principal.region","except":["group:stewards"]}"#,
            r#"{"name":"mask-email","on":{"tag":"pii.email"},"mask":{"partial":{"keep_last":4}},"except":["bob","group:support"]}"#,
            r#"{"name":"no-notes","on":{"namespace":"crm"},"columns":["notes"],"hide":true}"#,
            r#"{"name":"m","on":"lake","columns":["a","b"],"mask":"null"}"#,
        ] {
            let policy: Policy = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&policy).expect("a value"), text);
        }
        for bad in [
            r#"{"name":"x","on":"lake"}"#,
            r#"{"name":"X","on":"lake","hide":true}"#,
            r#"{"name":"x","on":"lake","hide":true,"mask":"null"}"#,
            r#"{"name":"x","on":"lake","columns":["a"],"row_filter":"true"}"#,
            r#"{"name":"x","on":"lake","row_filter":"a ="}"#,
            r#"{"name":"x","on":"lake","hide":true,"priority":1}"#,
        ] {
            assert!(serde_json::from_str::<Policy>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_policy_is_told_in_a_line() {
        let policy = |text: &str| serde_json::from_str::<Policy>(text).expect("a policy");
        let told = |text: &str| {
            let policy = policy(text);
            format!("{}: {}", policy.on, policy.rule)
        };
        insta::assert_snapshot!(
            told(r#"{"name":"x","on":{"dataset":"a.b"},"row_filter":"x=1 or not (y is null)"}"#),
            @"a.b: only rows where x = 1 or y is not null"
        );
        insta::assert_snapshot!(
            told(r#"{"name":"x","on":{"tag":"pii"},"mask":{"partial":{"keep_last":4}}}"#),
            @"tag pii: its columns as partial(keep_last 4)"
        );
        insta::assert_snapshot!(
            told(r#"{"name":"x","on":{"namespace":"a"},"columns":["p","q"],"hide":true}"#),
            @"a.*: without p, q"
        );
    }
}
