//! The entries of `policies/*.yaml`, and the rule that each of them states.

use std::collections::BTreeSet;

use lakebed_contract::yaml::{Node, Tree, shown};
use lakebed_core::policy::{DateUnit, Mask, Partial, PolicyRule, RowFilter};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

use super::yaml::{Entries, Text};

/// What is wrong where, and what to write instead.
type Wrong = (Location, String, String);

/// How masks are written.
const MASKS: &str = "`null`, `redact`, `hash`, `{ partial: { keep_last: 4 } }`, `{ partial: { \
     keep_first: 2 } }`, `{ date_trunc: month }` or `{ bucket: 10 }`";

/// Whether a file of the folder holds policies.
pub(super) fn is_policies(name: &str) -> bool {
    let file = name.strip_prefix("policies/");
    file.is_some_and(|file| !file.contains('/') && file.ends_with(".yaml"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoliciesFile {
    #[serde(default)]
    pub(super) policies: Vec<PolicyEntry>,
    #[serde(default)]
    pub(super) reviewed: Entries<Vec<Text>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyEntry {
    pub(super) name: Text,
    pub(super) on: OnPolicy,
    #[serde(default)]
    columns: Vec<Text>,
    row_filter: Option<Text>,
    /// `null` is a mask, and a key without a value.
    #[serde(default, deserialize_with = "present")]
    mask: Option<Node>,
    hide: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) except: Vec<Text>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Node>, D::Error> {
    Node::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnPolicy {
    Lake,
    Namespace(Text),
    Dataset(Text),
    Tag(Text),
}

impl PolicyEntry {
    /// The one thing it does.
    pub(super) fn rule(&self) -> Result<PolicyRule, Wrong> {
        let columns: BTreeSet<String> =
            self.columns.iter().map(|column| column.value.clone()).collect();
        match (&self.row_filter, &self.mask, &self.hide) {
            (Some(filter), None, None) => {
                if let Some(column) = self.columns.first() {
                    let message = "a row filter has no `columns`".to_owned();
                    let hint = "it names them itself, as in `row_filter: region = \'EU\'`";
                    return Err((column.referenced, message, hint.to_owned()));
                }
                row_filter(filter).map(PolicyRule::RowFilter)
            }
            (None, Some(mask), None) => Ok(PolicyRule::Mask { columns, mask: read_mask(mask)? }),
            (None, None, Some(hide)) if hide.value => Ok(PolicyRule::Hide { columns }),
            (None, None, Some(hide)) => Err((
                hide.referenced,
                "`hide: false` does nothing".to_owned(),
                "leave the policy out".to_owned(),
            )),
            _ => Err((
                self.name.referenced,
                "a policy has one of `row_filter`, `mask` and `hide`".to_owned(),
                "two restrictions are two policies".to_owned(),
            )),
        }
    }
}

fn row_filter(text: &Text) -> Result<RowFilter, Wrong> {
    let parsed = text.value.parse::<RowFilter>();
    parsed.map_err(|error| (text.referenced, error.to_string(), error.hint))
}

fn read_mask(node: &Node) -> Result<Mask, Wrong> {
    let entry = match node.entries() {
        [(key, _, value)] => Some((key.as_str(), value)),
        _ => None,
    };
    let mask = match (&node.tree, entry) {
        (Tree::Null, _) => Some(Mask::Null),
        (Tree::Text(word), _) => match word.as_str() {
            "null" => Some(Mask::Null),
            "redact" => Some(Mask::Redact),
            "hash" => Some(Mask::Hash),
            _ => None,
        },
        (_, Some(("partial", value))) => match value.entries() {
            [(key, _, count)] => partial(key, count).map(Mask::Partial),
            _ => None,
        },
        (_, Some(("date_trunc", value))) => match &value.tree {
            Tree::Text(word) => unit(word).map(Mask::DateTrunc),
            _ => None,
        },
        (_, Some(("bucket", value))) => match value.tree {
            Tree::Integer(width) => u64::try_from(width).ok().map(Mask::Bucket),
            _ => None,
        },
        _ => None,
    };
    mask.ok_or_else(|| {
        let what = match (&node.tree, entry) {
            (Tree::Text(word), _) => format!("`{}`", shown(word)),
            (_, Some((key, _))) => format!("`{}` with this", shown(key)),
            _ => node.kind().to_owned(),
        };
        (node.location, format!("{what} is no mask"), format!("use {MASKS}"))
    })
}

fn partial(key: &str, count: &Node) -> Option<Partial> {
    let Tree::Integer(count) = count.tree else { return None };
    let count = u16::try_from(count).ok()?;
    match key {
        "keep_first" => Some(Partial::KeepFirst(count)),
        "keep_last" => Some(Partial::KeepLast(count)),
        _ => None,
    }
}

fn unit(word: &str) -> Option<DateUnit> {
    let all = [DateUnit::Year, DateUnit::Quarter, DateUnit::Month, DateUnit::Day];
    all.into_iter().find(|unit| unit.as_str() == word)
}
