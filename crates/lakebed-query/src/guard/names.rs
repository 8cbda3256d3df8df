//! References in SQL: `sales.orders`, `sales."orders@v12"`, `"sales.orders@v12"`, and of rows that were
//! set aside `sales."orders!quarantine"`, `sales."orders@v12!quarantine"`.
//!
//! Unquoted names fold to lower case, quoted ones stay as they are; so `SALES.Orders` is a name and
//! `"SALES"."Orders"` is none.

use datafusion::{
    common::TableReference,
    sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart},
};
use lakebed_core::TableRef;
use lakebed_service::engine::{EngineError, SystemTable};

use crate::errors::{invalid, not_allowed, shown};

/// The words of a name, folded.
pub(super) fn words(name: &ObjectName) -> Result<Vec<String>, EngineError> {
    name.0.iter().map(|part| part_word(part, name)).collect()
}

fn part_word(part: &ObjectNamePart, name: &ObjectName) -> Result<String, EngineError> {
    match part {
        ObjectNamePart::Identifier(ident) if ident.quote_style == Some('\'') => Err(not_allowed(
            format!(
                "`{}` is a text, not a dataset: files cannot be read by SQL",
                shown(&ident.value)
            ),
            Some("ingest the file, then name the dataset: `namespace.dataset`".to_owned()),
        )),
        ObjectNamePart::Identifier(ident) => Ok(word(ident)),
        ObjectNamePart::Function(_) => Err(invalid(
            format!("`{}` is not the name of a dataset", shown(&name.to_string())),
            None,
        )),
    }
}

/// One identifier as the planner folds it.
pub(crate) fn word(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// What stands where a table does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Named {
    /// Rows of a version.
    Version(TableRef),
    /// What the lake says of itself.
    System(SystemTable),
}

/// What stands where a table does, by name.
pub(super) fn named(name: &ObjectName) -> Result<Named, EngineError> {
    match words(name)?.as_slice() {
        [whole] if whole.contains('.') => parse(whole),
        [bare] => Err(without_namespace(bare)),
        [namespace, table] => parse(&format!("{namespace}.{table}")),
        more => Err(invalid(
            format!("`{}` has too many parts", shown(&more.join("."))),
            Some(
                "a dataset is `namespace.dataset`, a version of it \
                  `namespace.\"dataset@v12\"`"
                    .to_owned(),
            ),
        )),
    }
}

/// What the planner asks for, in its own words.
pub(crate) fn named_in(table: &TableReference) -> Result<Named, EngineError> {
    match table {
        TableReference::Bare { table } if table.contains('.') => parse(table),
        TableReference::Bare { table } => Err(without_namespace(table)),
        TableReference::Partial { schema, table } => parse(&format!("{schema}.{table}")),
        TableReference::Full { .. } => {
            Err(invalid(format!("`{}` has too many parts", shown(&table.to_string())), None))
        }
    }
}

fn parse(text: &str) -> Result<Named, EngineError> {
    if let Some(table) = SystemTable::of_name(text) {
        return Ok(Named::System(table));
    }
    if text.starts_with("system.") || text.starts_with("information_schema.") {
        let tables = SystemTable::ALL.map(SystemTable::name).join(", ");
        let message = format!("there is no table `{}`", shown(text));
        return Err(invalid(message, Some(format!("there are {tables}"))));
    }
    let reference: Result<TableRef, lakebed_core::RefError> = text.parse();
    reference.map(Named::Version).map_err(|error| invalid(error.to_string(), None))
}

fn without_namespace(bare: &str) -> EngineError {
    let bare = shown(bare);
    invalid(
        format!("`{bare}` has no namespace, and no WITH defines it here"),
        Some(format!("write `namespace.{bare}`; SHOW TABLES lists what there is")),
    )
}
