//! Values of a column into an Arrow array: what fits the column's type, and how it gets in.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{ArrayRef, ListArray, NullBufferBuilder, StructArray, new_null_array},
    buffer::OffsetBuffer,
    datatypes::DataType as ArrowType,
};
use lakebed_core::{DataType, Field};

use super::parse::{Node, Value};
use crate::{
    arrow_types::{arrow_field, arrow_type},
    rows::{Builder, ColumnReading, NullTokens, Trouble, is_value},
};

/// How the values of a column are read.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// Whether the user declared the type, so that texts are read leniently.
    pub(crate) declared: bool,
    pub(crate) nulls: NullTokens,
}

/// Whether there is no value: null, and texts that were said to mean it.
pub(super) fn is_null(node: &Node<'_>, manner: &Manner) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Text(text) => !text.is_empty() && manner.nulls.is_null(text.as_bytes()),
        _ => false,
    }
}

/// The text of a value for a column that is not nested.
fn text<'n>(node: &'n Node<'_>) -> Cow<'n, str> {
    match &node.value {
        Value::Text(text) => Cow::Borrowed(text.as_ref()),
        _ => Cow::Borrowed(node.raw),
    }
}

/// Whether a value is of the type.
pub(super) fn fits(node: &Node<'_>, data_type: &DataType, manner: &Manner) -> bool {
    if is_null(node, manner) {
        return true;
    }
    match (data_type, &node.value) {
        (DataType::Struct(fields), Value::Object(given)) => given.iter().all(|(key, node)| {
            let field = fields.iter().find(|field| field.name == *key);
            field.is_some_and(|field| fits(node, &field.data_type, manner))
        }),
        (DataType::List(element), Value::List(items)) => {
            items.iter().all(|item| fits(item, &element.data_type, manner))
        }
        (DataType::Struct(_) | DataType::List(_) | DataType::Map(..), _) => false,
        (DataType::String, _) => true,
        (DataType::Binary | DataType::Fixed(_), Value::Text(text)) => {
            is_value(text.as_bytes(), data_type, manner.declared)
        }
        (DataType::Binary | DataType::Fixed(_), _) | (_, Value::Object(_) | Value::List(_)) => {
            false
        }
        _ => is_value(text(node).as_bytes(), data_type, manner.declared),
    }
}

/// The array of a column under construction.
pub(super) enum Column {
    Flat(Builder),
    Struct {
        fields: Vec<Field>,
        columns: Vec<Column>,
        nulls: NullBufferBuilder,
    },
    List {
        element: Field,
        values: Box<Column>,
        lengths: Vec<usize>,
        nulls: NullBufferBuilder,
    },
    /// Of a type that no JSON value has.
    Nothing {
        data_type: ArrowType,
        rows: usize,
    },
}

impl Column {
    pub(super) fn new(data_type: &DataType, declared: bool) -> Self {
        let nulls = NullBufferBuilder::new(0);
        match data_type {
            DataType::Struct(fields) => {
                let column = |field: &Field| Self::new(&field.data_type, declared);
                let columns = fields.iter().map(column).collect();
                Self::Struct { fields: fields.clone(), columns, nulls }
            }
            DataType::List(element) => Self::List {
                values: Box::new(Self::new(&element.data_type, declared)),
                element: element.as_ref().clone(),
                lengths: Vec::new(),
                nulls,
            },
            DataType::Map(..) => Self::Nothing { data_type: arrow_type(data_type), rows: 0 },
            flat => {
                let reading = ColumnReading::Typed { data_type: flat.clone(), declared };
                Self::Flat(Builder::new(&reading))
            }
        }
    }

    /// Takes in a value that fits; none is null.
    pub(super) fn push(&mut self, node: Option<&Node<'_>>, manner: &Manner) {
        let node = node.filter(|node| !is_null(node, manner));
        match self {
            Self::Flat(builder) => {
                let text = node.map(text);
                builder.push(text.as_ref().map(|text| text.as_bytes()));
            }
            Self::Struct { fields, columns, nulls } => {
                let given = match node.map(|node| &node.value) {
                    Some(Value::Object(given)) => given.as_slice(),
                    _ => &[],
                };
                nulls.append(node.is_some());
                for (field, column) in fields.iter().zip(columns) {
                    let value = given.iter().find(|(key, _)| *key == field.name);
                    column.push(value.map(|(_, node)| node), manner);
                }
            }
            Self::List { values, lengths, nulls, .. } => {
                let items = match node.map(|node| &node.value) {
                    Some(Value::List(items)) => items.as_slice(),
                    _ => &[],
                };
                nulls.append(node.is_some());
                lengths.push(items.len());
                items.iter().for_each(|item| values.push(Some(item), manner));
            }
            Self::Nothing { rows, .. } => *rows += 1,
        }
    }

    pub(super) fn finish(self) -> Result<ArrayRef, Trouble> {
        let internal = |error: arrow::error::ArrowError| Trouble::Internal(error.to_string());
        Ok(match self {
            Self::Flat(builder) => builder.finish()?,
            Self::Struct { fields, columns, mut nulls } => {
                let fields = fields.iter().map(arrow_field).collect();
                let columns = columns.into_iter().map(Self::finish).collect::<Result<_, _>>()?;
                let array = StructArray::try_new(fields, columns, nulls.finish());
                Arc::new(array.map_err(internal)?)
            }
            Self::List { element, values, lengths, mut nulls } => {
                let (field, offsets) = (arrow_field(&element), OffsetBuffer::from_lengths(lengths));
                let array =
                    ListArray::try_new(Arc::new(field), offsets, values.finish()?, nulls.finish());
                Arc::new(array.map_err(internal)?)
            }
            Self::Nothing { data_type, rows } => new_null_array(&data_type, rows),
        })
    }
}
