//! What values of one column say about its type, all of them together; and so for what is nested.
//!
//! | values | type |
//! |---|---|
//! | `true`, `false` | boolean |
//! | numbers | as the same texts in a delimited file: long, decimal, double; string where none holds all of them exactly |
//! | texts | string, whatever they look like |
//! | objects | struct of their keys, in the order of first appearance |
//! | arrays | list of what their elements are |
//! | more than one of these, or nothing but nulls and empty objects | string: texts as they are, all else as JSON |

use std::collections::HashMap;

use lakebed_core::{ColumnName, DataType, Field};

use super::parse::{Node, Value};
use crate::cell::Evidence;

/// More names than any table has, nested ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// The most names below a source.
const MOST_NAMES: usize = 10_000;

/// What was seen of a value's place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    nulls: bool,
    booleans: bool,
    texts: bool,
    numbers: Option<Evidence>,
    objects: Option<Keys>,
    lists: Option<Box<Shape>>,
}

/// Keys and what was seen below them, in the order of first appearance.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    names: Vec<String>,
    shapes: Vec<Shape>,
    places: HashMap<String, usize>,
    /// How many objects have the key.
    present: Vec<u64>,
    objects: u64,
}

impl Keys {
    /// Takes in an object.
    pub(super) fn add(
        &mut self,
        fields: &[(std::borrow::Cow<'_, str>, Node<'_>)],
    ) -> Result<(), TooMany> {
        self.objects += 1;
        for (key, node) in fields {
            let place = self.place(key)?;
            self.present[place] += 1;
            self.shapes[place].add(node)?;
        }
        Ok(())
    }

    fn place(&mut self, key: &str) -> Result<usize, TooMany> {
        if let Some(place) = self.places.get(key) {
            return Ok(*place);
        }
        let place = self.names.len();
        if place >= MOST_NAMES {
            return Err(TooMany);
        }
        self.names.push(key.to_owned());
        self.shapes.push(Shape::default());
        self.present.push(0);
        self.places.insert(key.to_owned(), place);
        Ok(place)
    }

    /// Takes in what later objects said.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), TooMany> {
        self.objects += other.objects;
        let parts = other.names.iter().zip(other.shapes).zip(other.present);
        for ((key, shape), present) in parts {
            let place = self.place(key)?;
            self.present[place] += present;
            self.shapes[place].merge(shape)?;
        }
        match self.count() > MOST_NAMES {
            true => Err(TooMany),
            false => Ok(()),
        }
    }

    /// How many names there are, nested ones included.
    fn count(&self) -> usize {
        self.names.len() + self.shapes.iter().map(Shape::count).sum::<usize>()
    }

    /// Keys with what was seen of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.names.iter().map(String::as_str).zip(&self.shapes)
    }

    /// Keys that some objects lack and others have as null.
    pub(super) fn lacking_and_null(&self) -> impl Iterator<Item = &str> {
        let keys = self.iter().zip(&self.present);
        keys.filter(|((_, shape), present)| shape.nulls && **present < self.objects)
            .map(|((key, _), _)| key)
    }

    fn are_usable(&self) -> bool {
        !self.names.is_empty() && self.names.iter().all(|name| name.parse::<ColumnName>().is_ok())
    }
}

impl Shape {
    fn add(&mut self, node: &Node<'_>) -> Result<(), TooMany> {
        match &node.value {
            Value::Null => self.nulls = true,
            Value::Boolean => self.booleans = true,
            Value::Number => self.numbers.get_or_insert_default().add(node.raw.as_bytes()),
            Value::Text(_) => self.texts = true,
            Value::List(items) => {
                let element = self.lists.get_or_insert_default();
                for item in items {
                    element.add(item)?;
                }
            }
            Value::Object(fields) => self.objects.get_or_insert_default().add(fields)?,
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: Self) -> Result<(), TooMany> {
        self.nulls |= other.nulls;
        self.booleans |= other.booleans;
        self.texts |= other.texts;
        if let Some(numbers) = &other.numbers {
            self.numbers.get_or_insert_default().merge(numbers);
        }
        if let Some(objects) = other.objects {
            self.objects.get_or_insert_default().merge(objects)?;
        }
        if let Some(lists) = other.lists {
            self.lists.get_or_insert_default().merge(*lists)?;
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.objects.as_ref().map_or(0, Keys::count)
            + self.lists.as_ref().map_or(0, |element| element.count())
    }

    fn kinds(&self) -> usize {
        let kinds = [
            self.booleans,
            self.texts,
            self.numbers.is_some(),
            self.objects.is_some(),
            self.lists.is_some(),
        ];
        kinds.into_iter().filter(|seen| *seen).count()
    }

    /// The type that holds every value seen.
    pub(super) fn data_type(&self) -> DataType {
        if self.kinds() != 1 {
            return DataType::String;
        }
        if let Some(numbers) = &self.numbers {
            return numbers.verdict().data_type();
        }
        if let Some(element) = &self.lists {
            return DataType::List(Box::new(Field::optional("element", element.data_type())));
        }
        match &self.objects {
            Some(keys) if keys.are_usable() => {
                let field = |(key, shape): (&str, &Self)| Field::optional(key, shape.data_type());
                DataType::Struct(keys.iter().map(field).collect())
            }
            _ if self.booleans => DataType::Boolean,
            _ => DataType::String,
        }
    }

    /// Whether no value was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds() == 0
    }

    /// What keeps it, or something in it, from a type of its own.
    pub(super) fn oddity(&self) -> Option<&'static str> {
        if self.kinds() > 1 {
            return Some("values of several kinds");
        }
        if self.numbers.as_ref().is_some_and(|n| n.verdict().data_type() == DataType::String) {
            return Some("numbers that no number type holds exactly");
        }
        if let Some(keys) = &self.objects {
            if !keys.are_usable() {
                return Some("objects without keys that can be names");
            }
            return keys.shapes.iter().find_map(Self::oddity);
        }
        self.lists.as_ref().and_then(|element| element.oddity())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parse::parse, *};

    fn type_of(values: &[&str]) -> String {
        let mut shape = Shape::default();
        for value in values {
            shape.add(&parse(value.as_bytes()).expect("JSON")).expect("few names");
        }
        shape.data_type().to_string()
    }

    #[test]
    fn a_type_holds_every_value() {
        assert_eq!(type_of(&["1", "null", "-2"]), "long");
        assert_eq!(type_of(&["1.50", "2.25"]), "decimal(18,2)");
        assert_eq!(type_of(&["1", "2.5"]), "double");
        assert_eq!(type_of(&["18446744073709551615"]), "string");
        assert_eq!(type_of(&["0.1234567890123456789", "1"]), "string");
        assert_eq!(type_of(&["true", "false"]), "boolean");
        assert_eq!(type_of(&["\"1\"", "\"2024-01-01\""]), "string");
        assert_eq!(type_of(&["1", "\"x\""]), "string");
        assert_eq!(type_of(&["null"]), "string");
        assert_eq!(type_of(&["[1, 2]", "[]", "[null]"]), "list<long>");
        assert_eq!(type_of(&["[]"]), "list<string>");
        assert_eq!(
            type_of(&["{\"b\": 1}", "{\"a\": [true], \"b\": 2.5}", "{}"]),
            "struct<b: double, a: list<boolean>>"
        );
        assert_eq!(type_of(&["{}"]), "string");
        assert_eq!(type_of(&["{\"\": 1}"]), "string");
        assert_eq!(type_of(&["{\"a\": 1}", "[1]"]), "string");
    }

    #[test]
    fn names_have_an_end() {
        let many: Vec<String> = (0..=MOST_NAMES).map(|n| format!("\"k{n}\": 0")).collect();
        let text = format!("{{{}}}", many.join(","));
        let mut shape = Shape::default();
        assert_eq!(shape.add(&parse(text.as_bytes()).expect("JSON")), Err(TooMany));
    }
}
