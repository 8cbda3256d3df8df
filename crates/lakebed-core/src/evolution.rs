//! Declared changes of a schema: those that readers notice, and that are refused where nobody says
//! that they are meant.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{DataType, FormerField, SchemaChange, SchemaError, TableSchema};

/// A change of a dataset's schema that somebody means. The data that comes with it has the new shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Evolution {
    /// A column has another name from now on, and keeps its field id.
    Rename {
        /// Its name so far.
        from: String,
        /// Its name from now on.
        to: String,
    },
    /// A column has another type from now on, and keeps its field id.
    Retype {
        /// The column.
        column: String,
        /// Its type from now on.
        #[serde(rename = "type")]
        data_type: DataType,
    },
    /// A column is no more. Should its name return, so does its field id.
    Drop {
        /// The column.
        column: String,
    },
}

impl fmt::Display for Evolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rename { from, to } => write!(f, "rename {from}={to}"),
            Self::Retype { column, data_type } => write!(f, "retype {column}={data_type}"),
            Self::Drop { column } => write!(f, "drop {column}"),
        }
    }
}

/// As people write it: `rename old=new`, `retype column=type`, `drop column`. Names with `=` in them
/// can be written in JSON alone.
impl FromStr for Evolution {
    type Err = EvolutionError;

    fn from_str(text: &str) -> Result<Self, EvolutionError> {
        let unclear = || EvolutionError::Unclear { given: crate::name::printable(text) };
        let (verb, rest) = text.trim().split_once(char::is_whitespace).ok_or_else(unclear)?;
        let rest = rest.trim();
        let pair = || match rest.split_once('=') {
            Some((left, right)) if !left.trim().is_empty() && !right.trim().is_empty() => {
                Ok((left.trim().to_owned(), right.trim().to_owned()))
            }
            _ => Err(unclear()),
        };
        match verb {
            "rename" => pair().map(|(from, to)| Self::Rename { from, to }),
            "retype" => {
                let (column, data_type) = pair()?;
                Ok(Self::Retype { column, data_type: data_type.parse()? })
            }
            "drop" => Ok(Self::Drop { column: rest.to_owned() }),
            _ => Err(unclear()),
        }
    }
}

/// Why a declared change cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvolutionError {
    /// It is none of the three.
    #[error(
        "`{given}` is no change of a schema: write `rename old=new`, `retype column=type` or `drop column`"
    )]
    Unclear {
        /// What was given.
        given: String,
    },
    /// Its type is none.
    #[error(transparent)]
    Type(#[from] SchemaError),
}

impl TableSchema {
    /// The schema after declared changes, in their order, and what changed. A change that was made
    /// already changes nothing, so that the same command can be given twice.
    ///
    /// # Errors
    /// [`SchemaError::Unknown`] for a column that is not there, [`SchemaError::Taken`] for a new name
    /// that another column has.
    pub fn declare(
        &self,
        evolutions: &[Evolution],
    ) -> Result<(Self, Vec<SchemaChange>), SchemaError> {
        let mut next = self.clone();
        let mut changes = Vec::new();
        for evolution in evolutions {
            changes.extend(next.declare_one(evolution)?);
        }
        Ok((next, changes))
    }

    fn declare_one(&mut self, evolution: &Evolution) -> Result<Option<SchemaChange>, SchemaError> {
        match evolution.clone() {
            Evolution::Rename { from, to } => {
                to.parse::<crate::ColumnName>()?;
                match (self.place(&from), self.place(&to)) {
                    (None, Some(_)) => Ok(None),
                    (Some(_), Some(_)) if from == to => Ok(None),
                    (Some(_), Some(_)) => Err(SchemaError::Taken { name: to }),
                    (None, None) => Err(self.unknown(from)),
                    (Some(place), None) => {
                        self.fields[place].name.clone_from(&to);
                        Ok(Some(SchemaChange::Renamed { from, to }))
                    }
                }
            }
            Evolution::Retype { column, data_type: to } => {
                let place = self.place(&column).ok_or_else(|| self.unknown(column.clone()))?;
                let field = &mut self.fields[place];
                if field.data_type.is_same_shape(&to) {
                    return Ok(None);
                }
                let from = std::mem::replace(&mut field.data_type, to.clone());
                Ok(Some(SchemaChange::Retyped { column, from, to }))
            }
            Evolution::Drop { column } => match self.place(&column) {
                Some(place) => {
                    let id = self.fields.remove(place).id;
                    self.former.retain(|former| former.name != column);
                    self.former.push(FormerField { id, name: column.clone() });
                    Ok(Some(SchemaChange::Dropped { column }))
                }
                None if self.former.iter().any(|former| former.name == column) => Ok(None),
                None => Err(self.unknown(column)),
            },
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    fn unknown(&self, column: String) -> SchemaError {
        SchemaError::Unknown {
            column,
            columns: self.fields.iter().map(|field| field.name.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;

    fn schema() -> TableSchema {
        let fields = [("a", DataType::Int), ("b", DataType::String), ("c", DataType::Date)];
        let fields = fields.map(|(name, data_type)| Field::optional(name, data_type));
        TableSchema::first(fields.into()).expect("a schema")
    }

    fn parse(texts: &[&str]) -> Vec<Evolution> {
        texts.iter().map(|text| text.parse().expect("an evolution")).collect()
    }

    fn told(schema: &TableSchema) -> String {
        let field = |field: &Field| format!("{} {} {}", field.id, field.name, field.data_type);
        schema.fields.iter().map(field).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn ids_stay_whatever_is_declared() {
        let declared =
            parse(&["rename a=id", "retype id=long", "retype b = decimal(9,2)", "drop c"]);
        let (next, changes) = schema().declare(&declared).expect("declared");
        assert_eq!(told(&next), "1 id long, 2 b decimal(9,2)");
        assert_eq!(changes.len(), 4);
        let (again, changes) = next.declare(&declared).expect("the same once more");
        assert_eq!((again, changes), (next, vec![]));
    }

    /// What comes back under its old name is known by its old id.
    #[test]
    fn a_returning_name_gets_its_old_id() {
        let (dropped, _) = schema().declare(&parse(&["drop b"])).expect("declared");
        let json = serde_json::to_string(&dropped).expect("JSON");
        let dropped: TableSchema = serde_json::from_str(&json).expect("back");
        let given = [
            ("d", DataType::Int),
            ("b", DataType::Int),
            ("a", DataType::Int),
            ("c", DataType::Date),
        ];
        let given = given.map(|(name, data_type)| Field::optional(name, data_type));
        let (next, _) = dropped.evolve(&given).expect("compatible");
        assert_eq!(told(&next), "1 a int, 3 c date, 4 d int, 2 b int");
        assert_eq!((next.last_field_id, next.former.len()), (4, 0));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let error = |text: &str| schema().declare(&parse(&[text])).expect_err(text).to_string();
        insta::assert_snapshot!(error("rename x=y"), @"there is no column `x` to change");
        insta::assert_snapshot!(error("rename a=b"), @"there is a column `b` already");
        insta::assert_snapshot!(error("retype x=int"), @"there is no column `x` to change");
        insta::assert_snapshot!(error("drop x"), @"there is no column `x` to change");
    }

    #[test]
    fn words_are_read_and_written() {
        for text in ["rename a=b c", "retype a=decimal(9,2)", "drop a b"] {
            let evolution: Evolution = text.parse().expect(text);
            assert_eq!(evolution.to_string(), text);
            let json = serde_json::to_string(&evolution).expect("JSON");
            assert_eq!(serde_json::from_str::<Evolution>(&json).expect("back"), evolution);
        }
        for text in ["", "drop", "rename a", "rename a=", "retype a=number", "add a"] {
            assert!(text.parse::<Evolution>().is_err(), "{text}");
        }
    }
}
