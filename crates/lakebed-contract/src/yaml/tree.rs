//! YAML as a tree whose every value knows where it stands.

use std::{collections::BTreeMap, fmt};

use lakebed_core::contract::{Number, Value};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub location: Location,
    /// What it is.
    pub tree: Tree,
}

/// A value.
#[derive(Debug, Clone)]
pub enum Tree {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it reads.
    Number(f64),
    /// A whole number.
    Integer(i128),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// Names, where they stand, and values, in the order of the file.
    Map(Vec<(String, Location, Node)>),
}

impl Node {
    /// What it is, in a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.tree {
            Tree::Null => "nothing",
            Tree::Bool(_) => "true or false",
            Tree::Number(_) | Tree::Integer(_) => "a number",
            Tree::Text(_) => "text",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a mapping",
        }
    }

    /// The value of a key; none where it is absent, or where this is no mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let value = self.entries().iter().find(|(name, ..)| name == key);
        value.map(|(.., value)| value)
    }

    /// The entries of a mapping; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[(String, Location, Self)] {
        match &self.tree {
            Tree::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.tree {
            Tree::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.tree {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The plain value. Numbers are what `source`, the text this was read from, says of them, so
    /// that no digit is lost.
    #[must_use]
    pub fn value(&self, source: &str) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(value) => Value::Bool(*value),
            // Without its digits it is no number that could be exact.
            Tree::Number(number) => {
                self.written(source).map_or_else(|| Value::Text(number.to_string()), Value::from)
            }
            Tree::Integer(number) => self
                .written(source)
                .or_else(|| number.to_string().parse().ok())
                .map_or_else(|| Value::Text(number.to_string()), Value::from),
            Tree::Text(text) => Value::Text(text.clone()),
            Tree::List(items) => Value::List(items.iter().map(|item| item.value(source)).collect()),
            Tree::Map(entries) => {
                let entry =
                    |(name, _, node): &(String, Location, Self)| (name.clone(), node.value(source));
                Value::Map { map: entries.iter().map(entry).collect::<BTreeMap<_, _>>() }
            }
        }
    }

    /// The number as it was written.
    fn written(&self, source: &str) -> Option<Number> {
        let span = self.location.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        source.get(start..end)?.trim().parse().ok()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(deserializer)?;
        Ok(Self { location: spanned.referenced, tree: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Integer(i128::from(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Integer(i128::from(value)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Number(value))
            }

            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Tree, E> {
                Ok(Tree::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, node)) = map.next_entry::<Spanned<String>, Node>()? {
                    entries.push((key.value, key.referenced, node));
                }
                Ok(Tree::Map(entries))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
