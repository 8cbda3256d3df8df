//! Declared changes of the dataset's schema, before anything is read by it.

use lakebed_core::{DecodeOptions, Evolution, Field, SchemaChange, SchemaError, TableSchema};

use crate::{
    Refusal, Request, Rules,
    layout::{Layout, listed},
    refusal::shown,
};

/// The schema that sources have to fit, and what was declared to change.
pub(crate) struct Evolved {
    pub(crate) schema: Option<TableSchema>,
    pub(crate) changes: Vec<SchemaChange>,
}

impl Evolved {
    /// What `options` declare and, where every row is new, what the rules say of types: a contract is
    /// a declaration, too.
    ///
    /// # Errors
    /// When what is declared is about columns that are not there.
    pub(crate) fn of(
        options: &DecodeOptions,
        rules: Option<&dyn Rules>,
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
        let (schema, mut changes) = schema.declare(&options.evolve).map_err(refused)?;
        let retyped = rules.map(|rules| retyped(rules, options, &schema)).unwrap_or_default();
        let (schema, more) = schema.declare(&retyped).map_err(refused)?;
        changes.extend(more);
        Ok(Self { schema: Some(schema), changes })
    }

    /// All that changed from what the request's dataset has to `schema`, which rows made `changes` of.
    pub(crate) fn all_changes(
        &self,
        request: Request<'_>,
        schema: &TableSchema,
        changes: &[SchemaChange],
    ) -> Vec<SchemaChange> {
        match request.schema {
            Some(before) if request.by_name => before.changes_to(schema),
            _ => self.changes.iter().chain(changes).cloned().collect(),
        }
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

/// The columns whose type is none that the rules allow, and that does not widen to one.
fn retyped(rules: &dyn Rules, options: &DecodeOptions, schema: &TableSchema) -> Vec<Evolution> {
    let retype = |field: &Field| {
        if options.types.contains_key(&field.name) {
            return None;
        }
        let data_type = rules.type_of(&field.name, Some(&field.data_type))?;
        let is_new =
            !data_type.is_same_shape(&field.data_type) && !field.data_type.widens_to(&data_type);
        is_new.then(|| Evolution::Retype { column: field.name.clone(), data_type })
    };
    schema.fields.iter().filter_map(retype).collect()
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
