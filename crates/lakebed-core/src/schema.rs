//! The shape of a table: fields with stable ids, and types limited to those of Iceberg v2.
//!
//! Written as Iceberg's schema JSON (table spec, appendix C), so that a format reader needs no
//! translation. Field ids are given once in the life of a dataset: matched by name, counted from 1,
//! depth first, never reused. Those of computed columns are made of their names, so that equal
//! statements give equal tables whatever was computed before.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ColumnName;

/// The highest id that is made of a name.
const LAST_NAMED_ID: u32 = 1 << 30;

/// The type of a column or of a nested value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `true` or `false`.
    Boolean,
    /// 32-bit signed.
    Int,
    /// 64-bit signed.
    Long,
    /// 32-bit IEEE 754.
    Float,
    /// 64-bit IEEE 754.
    Double,
    /// Fixed point: digits in all (1 to 38), digits after the point.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
    /// Days.
    Date,
    /// Time of day, microseconds.
    Time,
    /// Date and time without zone, microseconds.
    Timestamp,
    /// A point in time, UTC, microseconds.
    Timestamptz,
    /// UTF-8.
    String,
    /// Bytes of one length.
    Fixed(u32),
    /// Bytes.
    Binary,
    /// Named fields.
    Struct(Vec<Field>),
    /// A sequence of values of one type; the element is a field of its own (name `element`).
    List(Box<Field>),
    /// Keys and values; fields of their own (names `key`, `value`), keys are required.
    Map(Box<Field>, Box<Field>),
}

/// A column, or a part of a nested one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Stable for the life of the dataset; 0 where none was given yet.
    pub id: u32,
    /// As the producer wrote it.
    pub name: String,
    /// Whether a null is impossible.
    pub required: bool,
    /// Its type.
    pub data_type: DataType,
}

/// The columns of a table and the highest field id ever given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSchema {
    /// The columns, in order.
    pub fields: Vec<Field>,
    /// No id given in the dataset's life is higher, nested fields included.
    pub last_field_id: u32,
    /// Columns that were dropped: their ids wait for their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<FormerField>,
}

/// A column that was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerField {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
}

/// Why a schema cannot be stored, or cannot follow another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// No columns.
    #[error("a table needs at least one column")]
    Empty,
    /// Two columns share a name.
    #[error("two columns are named `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A name that cannot be stored.
    #[error(transparent)]
    Name(#[from] crate::NameError),
    /// A type name that is not understood.
    #[error(
        "`{given}` is not a type: use one of boolean, int, long, float, double, decimal(p,s), date, time, timestamp, timestamptz, string, binary, fixed[n]"
    )]
    Type {
        /// What was given.
        given: String,
    },
    /// A change is declared of a column that is not there.
    #[error("there is no column `{column}` to change")]
    Unknown {
        /// The column.
        column: String,
        /// Those that are there.
        columns: Vec<String>,
    },
    /// A column is to have the name of another.
    #[error("there is a column `{name}` already")]
    Taken {
        /// The name.
        name: String,
    },
    /// The new version would break readers of the old one.
    #[error("the schema changed in a way that readers would notice: {}", list(.0))]
    Incompatible(Vec<SchemaChange>),
}

fn list(changes: &[SchemaChange]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// One difference between two schemas.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SchemaChange {
    /// A new nullable column: allowed.
    Added {
        /// The column.
        column: String,
    },
    /// A type that holds every old value exactly: allowed.
    Widened {
        /// The column.
        column: String,
        /// The old type.
        from: DataType,
        /// The new type.
        to: DataType,
    },
    /// A column is missing: refused.
    Removed {
        /// The column.
        column: String,
    },
    /// A new column without nulls, which older rows do not have: refused.
    AddedRequired {
        /// The column.
        column: String,
    },
    /// Another name, declared.
    Renamed {
        /// Its name before.
        from: String,
        /// Its name now.
        to: String,
    },
    /// A column that is no more, declared.
    Dropped {
        /// The column.
        column: String,
    },
    /// Any other type: refused, unless it is declared.
    Retyped {
        /// The column.
        column: String,
        /// The old type.
        from: DataType,
        /// The new type.
        to: DataType,
    },
}

impl fmt::Display for SchemaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { column } => write!(f, "column `{column}` was added"),
            Self::Widened { column, from, to } => {
                write!(f, "column `{column}` was widened from {from} to {to}")
            }
            Self::Renamed { from, to } => write!(f, "column `{from}` is named `{to}` now"),
            Self::Dropped { column } => write!(f, "column `{column}` was dropped"),
            Self::Removed { column } => write!(f, "column `{column}` is missing"),
            Self::AddedRequired { column } => write!(f, "required column `{column}` was added"),
            Self::Retyped { column, from, to } => {
                write!(f, "column `{column}` is {to}, was {from}")
            }
        }
    }
}

impl SchemaChange {
    /// Whether readers of the old schema go on working.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Added { .. } | Self::Widened { .. })
    }
}

impl DataType {
    /// Whether every value of `self` is a value of `wider`, exactly (Iceberg's type promotion).
    #[must_use]
    pub fn widens_to(&self, wider: &Self) -> bool {
        match (self, wider) {
            (Self::Int, Self::Long) | (Self::Float, Self::Double) => true,
            (
                Self::Decimal { precision, scale },
                Self::Decimal { precision: wide, scale: same },
            ) => scale == same && wide > precision,
            _ => false,
        }
    }

    fn nested(&self) -> Vec<&Field> {
        match self {
            Self::Struct(fields) => fields.iter().collect(),
            Self::List(element) => vec![element],
            Self::Map(key, value) => vec![key, value],
            _ => Vec::new(),
        }
    }

    fn nested_mut(&mut self) -> Vec<&mut Field> {
        match self {
            Self::Struct(fields) => fields.iter_mut().collect(),
            Self::List(element) => vec![element],
            Self::Map(key, value) => vec![key, value],
            _ => Vec::new(),
        }
    }

    /// Equal but for field ids.
    #[must_use]
    pub fn is_same_shape(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.nested(), other.nested());
        if ours.is_empty() && theirs.is_empty() {
            return self == other;
        }
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(a, b)| {
                a.name == b.name
                    && a.required == b.required
                    && a.data_type.is_same_shape(&b.data_type)
            })
    }
}

impl Field {
    /// A nullable column without an id yet.
    #[must_use]
    pub fn optional(name: impl Into<String>, data_type: DataType) -> Self {
        Self { id: 0, name: name.into(), required: false, data_type }
    }

    /// Whether this is a column whose id is made of its name: see [`TableSchema::named`].
    #[must_use]
    pub fn has_named_id(&self) -> bool {
        self.id == self.named_id(blake3::Hasher::new()).1
    }

    /// The id that is made of this name and of those around it, which `around` has heard of; and who has
    /// heard of all.
    fn named_id(&self, around: blake3::Hasher) -> (blake3::Hasher, u32) {
        let mut path = around;
        path.update(&(self.name.len() as u64).to_le_bytes()).update(self.name.as_bytes());
        let [a, b, c, d, ..] = *path.finalize().as_bytes();
        (path, u32::from_le_bytes([a, b, c, d]) % LAST_NAMED_ID + 1)
    }

    /// Gives ids made of names, those of the fields around this one included.
    fn give_named_ids(&mut self, around: blake3::Hasher, given: &mut BTreeSet<u32>) {
        let (path, mut id) = self.named_id(around);
        while !given.insert(id) {
            id = id % LAST_NAMED_ID + 1;
        }
        self.id = id;
        for nested in self.data_type.nested_mut() {
            nested.give_named_ids(path.clone(), given);
        }
    }

    fn give_ids(&mut self, last: &mut u32) {
        if self.id == 0 {
            *last += 1;
            self.id = *last;
        }
        for nested in self.data_type.nested_mut() {
            nested.give_ids(last);
        }
    }
}

impl TableSchema {
    /// The schema of a dataset's first version: ids counted from 1, depth first.
    ///
    /// # Errors
    /// [`SchemaError`] for no columns, equal names, names that cannot be stored.
    pub fn first(mut fields: Vec<Field>) -> Result<Self, SchemaError> {
        check_names(&fields)?;
        let mut last_field_id = 0;
        for field in &mut fields {
            field.give_ids(&mut last_field_id);
        }
        Ok(Self { fields, last_field_id, former: Vec::new() })
    }

    /// The schema of a version whose columns are these and no others, in this order: each is known by
    /// its name, which its id is made of. Equal fields give an equal schema, whatever came before.
    ///
    /// # Errors
    /// Those of [`Self::first`].
    pub fn named(mut fields: Vec<Field>) -> Result<Self, SchemaError> {
        check_names(&fields)?;
        let mut given = BTreeSet::new();
        for field in &mut fields {
            field.give_named_ids(blake3::Hasher::new(), &mut given);
        }
        Ok(Self { fields, last_field_id: LAST_NAMED_ID, former: Vec::new() })
    }

    /// How `next` differs from `self`, by the names of columns; none is refused.
    #[must_use]
    pub fn changes_to(&self, next: &Self) -> Vec<SchemaChange> {
        let gone = self.fields.iter().filter(|field| next.field(&field.name).is_none());
        let gone = gone.map(|field| SchemaChange::Dropped { column: field.name.clone() });
        let change = |field: &Field| {
            let column = field.name.clone();
            let Some(before) = self.field(&column) else {
                return Some(SchemaChange::Added { column });
            };
            let (from, to) = (before.data_type.clone(), field.data_type.clone());
            if from.is_same_shape(&to) {
                return None;
            }
            Some(match from.widens_to(&to) {
                true => SchemaChange::Widened { column, from, to },
                false => SchemaChange::Retyped { column, from, to },
            })
        };
        gone.chain(next.fields.iter().filter_map(change)).collect()
    }

    /// The schema of a version after `self` whose data has `fields`, and what changed.
    ///
    /// Columns are matched by name and keep their ids, dropped ones that return, too; the order is the
    /// old one, new columns last.
    /// A type that `self` already holds wider stays wide.
    ///
    /// # Errors
    /// [`SchemaError::Incompatible`] lists every change that is not allowed.
    pub fn evolve(&self, fields: &[Field]) -> Result<(Self, Vec<SchemaChange>), SchemaError> {
        check_names(fields)?;
        let mut next = self.clone();
        let mut changes = Vec::new();
        for field in &mut next.fields {
            match fields.iter().find(|given| given.name == field.name) {
                None => changes.push(SchemaChange::Removed { column: field.name.clone() }),
                Some(given) => changes.extend(evolve_field(field, given)),
            }
        }
        for given in fields.iter().filter(|given| self.field(&given.name).is_none()) {
            let column = given.name.clone();
            changes.push(match given.required {
                true => SchemaChange::AddedRequired { column },
                false => SchemaChange::Added { column },
            });
            let mut added = given.clone();
            if let Some(place) = next.former.iter().position(|former| former.name == added.name) {
                added.id = next.former.remove(place).id;
            }
            added.give_ids(&mut next.last_field_id);
            next.fields.push(added);
        }
        let (allowed, refused): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(SchemaChange::is_allowed);
        match refused.is_empty() {
            true => Ok((next, allowed)),
            false => Err(SchemaError::Incompatible(refused)),
        }
    }

    /// The column of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Brings `field` to what `given` needs, and says how it changed. Nullability only ever loosens.
fn evolve_field(field: &mut Field, given: &Field) -> Option<SchemaChange> {
    field.required &= given.required;
    if field.data_type.is_same_shape(&given.data_type)
        || given.data_type.widens_to(&field.data_type)
    {
        return None;
    }
    let (column, from, to) = (field.name.clone(), field.data_type.clone(), given.data_type.clone());
    if !from.widens_to(&to) {
        return Some(SchemaChange::Retyped { column, from, to });
    }
    field.data_type = to.clone();
    Some(SchemaChange::Widened { column, from, to })
}

fn check_names(fields: &[Field]) -> Result<(), SchemaError> {
    if fields.is_empty() {
        return Err(SchemaError::Empty);
    }
    let mut seen = HashSet::new();
    for field in fields {
        field.name.parse::<ColumnName>()?;
        if !seen.insert(field.name.as_str()) {
            return Err(SchemaError::Duplicate { name: field.name.clone() });
        }
        if let DataType::Struct(nested) = &field.data_type {
            check_names(nested)?;
        }
    }
    Ok(())
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Int => f.write_str("int"),
            Self::Long => f.write_str("long"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Timestamptz => f.write_str("timestamptz"),
            Self::String => f.write_str("string"),
            Self::Fixed(length) => write!(f, "fixed[{length}]"),
            Self::Binary => f.write_str("binary"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {}", field.name, field.data_type)?;
                }
                f.write_str(">")
            }
            Self::List(element) => write!(f, "list<{}>", element.data_type),
            Self::Map(key, value) => write!(f, "map<{}, {}>", key.data_type, value.data_type),
        }
    }
}

/// The types a user can declare: all but the nested ones.
impl FromStr for DataType {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let error = || SchemaError::Type { given: crate::name::printable(text) };
        Ok(match text {
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::Timestamptz,
            "string" => Self::String,
            "binary" => Self::Binary,
            _ => parse_sized(text).ok_or_else(error)?,
        })
    }
}

fn parse_sized(text: &str) -> Option<DataType> {
    if let Some(inner) = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
        let (precision, scale) = inner.split_once(',')?;
        let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        let fits = (1..=38).contains(&precision) && scale <= precision;
        return fits.then_some(DataType::Decimal { precision, scale });
    }
    let length = text.strip_prefix("fixed[")?.strip_suffix(']')?.parse().ok()?;
    (1..=65_536).contains(&length).then_some(DataType::Fixed(length))
}

/// Iceberg's JSON for one field of a struct.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldJson {
    id: u32,
    name: String,
    required: bool,
    #[serde(rename = "type")]
    data_type: DataType,
}

/// Iceberg's JSON for nested types; anything else is a string.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "kebab-case")]
enum NestedJson {
    Struct { fields: Vec<Field> },
    List { element_id: u32, element_required: bool, element: DataType },
    Map { key_id: u32, key: DataType, value_id: u32, value_required: bool, value: DataType },
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, name, required, data_type } = self.clone();
        FieldJson { id, name, required, data_type }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let FieldJson { id, name, required, data_type } = FieldJson::deserialize(deserializer)?;
        Ok(Self { id, name, required, data_type })
    }
}

impl Serialize for DataType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Struct(fields) => {
                NestedJson::Struct { fields: fields.clone() }.serialize(serializer)
            }
            Self::List(element) => NestedJson::List {
                element_id: element.id,
                element_required: element.required,
                element: element.data_type.clone(),
            }
            .serialize(serializer),
            Self::Map(key, value) => NestedJson::Map {
                key_id: key.id,
                key: key.data_type.clone(),
                value_id: value.id,
                value_required: value.required,
                value: value.data_type.clone(),
            }
            .serialize(serializer),
            flat => serializer.collect_str(flat),
        }
    }
}

impl<'de> Deserialize<'de> for DataType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Flat(String),
            Nested(NestedJson),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Flat(text) => text.parse().map_err(de::Error::custom)?,
            Either::Nested(NestedJson::Struct { fields }) => Self::Struct(fields),
            Either::Nested(NestedJson::List { element_id, element_required, element }) => {
                Self::List(Box::new(part(element_id, "element", element_required, element)))
            }
            Either::Nested(NestedJson::Map { key_id, key, value_id, value_required, value }) => {
                Self::Map(
                    Box::new(part(key_id, "key", true, key)),
                    Box::new(part(value_id, "value", value_required, value)),
                )
            }
        })
    }
}

fn part(id: u32, name: &str, required: bool, data_type: DataType) -> Field {
    Field { id, name: name.to_owned(), required, data_type }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> TableSchema {
        let fields = columns.iter().map(|(name, kind)| Field::optional(*name, kind.clone()));
        TableSchema::first(fields.collect()).expect("a schema")
    }

    #[test]
    fn ids_follow_names_and_are_never_reused() {
        let first = schema(&[("a", DataType::Int), ("b", DataType::String)]);
        let given = [
            Field::optional("c", DataType::Date),
            Field::optional("b", DataType::String),
            Field::optional("a", DataType::Long),
        ];
        let (second, changes) = first.evolve(&given).expect("compatible");
        let ids: Vec<_> = second.fields.iter().map(|f| (f.name.as_str(), f.id)).collect();
        assert_eq!(ids, [("a", 1), ("b", 2), ("c", 3)]);
        assert_eq!(second.last_field_id, 3);
        assert_eq!(changes.len(), 2, "{changes:?}");
    }

    /// What is computed has the ids of its names: neither what came before nor what is beside it
    /// matters, and parts of columns have their own.
    #[test]
    fn ids_of_computed_columns_are_made_of_their_names() {
        let named = |names: &[&str]| {
            let field = |name: &&str| {
                let part = part(0, "a", false, DataType::Int);
                Field::optional(*name, DataType::Struct(vec![part]))
            };
            TableSchema::named(names.iter().map(field).collect()).expect("a schema")
        };
        let id = |schema: &TableSchema, name: &str| {
            let field = schema.field(name).expect("a column");
            let DataType::Struct(parts) = &field.data_type else { panic!("no struct") };
            (field.id, parts[0].id)
        };
        let (both, other) = (named(&["a", "b"]), named(&["b", "c", "a"]));
        assert_eq!((id(&both, "a"), id(&both, "b")), (id(&other, "a"), id(&other, "b")));
        let ids = ["a", "b", "c"].map(|name| id(&other, name));
        let ids: HashSet<u32> = ids.into_iter().flat_map(|(a, b)| [a, b]).collect();
        assert_eq!(ids.len(), 6);
        assert!(ids.iter().all(|id| (1..=other.last_field_id).contains(id)));
        // Ids are in every file: the same for good.
        assert_eq!(id(&both, "a"), (951_385_688, 825_415_739));
        let changes = both.changes_to(&other);
        assert_eq!(changes, [SchemaChange::Added { column: "c".to_owned() }]);
        let changes = other.changes_to(&both);
        assert_eq!(changes, [SchemaChange::Dropped { column: "c".to_owned() }]);
    }

    #[test]
    fn every_refused_change_is_named() {
        let first = schema(&[("a", DataType::Long), ("b", DataType::String)]);
        let error =
            first.evolve(&[Field::optional("a", DataType::String)]).expect_err("incompatible");
        insta::assert_snapshot!(error, @"the schema changed in a way that readers would notice: column `a` is string, was long; column `b` is missing");
    }

    #[test]
    fn the_json_is_icebergs() {
        let list = DataType::List(Box::new(part(0, "element", false, DataType::Int)));
        let schema =
            schema(&[("tags", list), ("price", DataType::Decimal { precision: 9, scale: 2 })]);
        let json = serde_json::to_string(&schema).expect("json");
        insta::assert_snapshot!(json, @r#"{"fields":[{"id":1,"name":"tags","required":false,"type":{"type":"list","element-id":2,"element-required":false,"element":"int"}},{"id":3,"name":"price","required":false,"type":"decimal(9,2)"}],"last_field_id":3}"#);
        assert_eq!(serde_json::from_str::<TableSchema>(&json).expect("back"), schema);
    }
}
