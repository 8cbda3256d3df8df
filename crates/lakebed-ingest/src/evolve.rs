//! Declared changes of the dataset's schema, before anything is read by it.

use lakebed_core::{DecodeOptions, Evolution, SchemaChange, SchemaError, TableSchema};

use crate::{
    Refusal,
    layout::{Layout, listed},
    refusal::shown,
};

/// The schema that sources have to fit, and what was declared to change.
pub(crate) struct Evolved {
    pub(crate) schema: Option<TableSchema>,
    pub(crate) changes: Vec<SchemaChange>,
}

impl Evolved {
    /// # Errors
    /// When what is declared is about columns that are not there.
    pub(crate) fn of(
        options: &DecodeOptions,
        schema: Option<&TableSchema>,
    ) -> Result<Self, Refusal> {
        let Some(schema) = schema else {
            return match options.evolve.first() {
                None => Ok(Self { schema: None, changes: Vec::new() }),
                Some(evolution) => {
                    let message = format!(
                        "`{}` is declared, but there is no version yet to change",
                        shown(&evolution.to_string())
                    );
                    Err(Refusal::new(Refusal::UNKNOWN_COLUMN, message).hint("leave it out"))
                }
            };
        };
        let (schema, changes) = schema.declare(&options.evolve).map_err(refused)?;
        Ok(Self { schema: Some(schema), changes })
    }

    /// What was dropped is not in the data any more.
    pub(crate) fn check(options: &DecodeOptions, layout: &Layout) -> Result<(), Refusal> {
        for evolution in &options.evolve {
            let Evolution::Drop { column: dropped } = evolution else { continue };
            if layout.columns.iter().any(|column| column.name == *dropped) {
                let message =
                    format!("`{}` is declared to be dropped, but a source has it", shown(dropped));
                return Err(Refusal::new(Refusal::SCHEMA_MISMATCH, message)
                    .hint("drop it where the file is made, or keep it"));
            }
        }
        Ok(())
    }
}

fn refused(error: SchemaError) -> Refusal {
    let message = error.to_string();
    match error {
        SchemaError::Unknown { columns, .. } => {
            let columns: Vec<String> =
                columns.iter().map(|column| format!("`{}`", shown(column))).collect();
            Refusal::new(Refusal::UNKNOWN_COLUMN, message)
                .hint(format!("the columns are {}", listed(&columns)))
        }
        _ => Refusal::new(Refusal::SCHEMA_MISMATCH, message).hint("choose another name"),
    }
}
