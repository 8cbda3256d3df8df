//! What a user should know about how JSON was read.

use lakebed_core::JsonForm;

use super::Json;
use crate::{layout::listed, refusal::shown};

/// One sentence each.
pub(crate) fn notes(json: &Json) -> Vec<String> {
    let form = match json.form {
        JsonForm::Lines => "JSON, an object on each line",
        JsonForm::Array => "JSON, objects in an array",
        JsonForm::Values => "JSON, objects one after the other",
    };
    let mut notes = vec![form.to_owned()];
    let quoted = |name: &str| format!("`{}`", shown(name));
    let renamed: Vec<String> = json
        .keys
        .iter()
        .zip(&json.names.names)
        .filter(|(key, name)| key != name)
        .map(|(_, name)| quoted(name))
        .collect();
    if !renamed.is_empty() {
        notes.push(format!("keys that can be no names are called {}", listed(&renamed)));
    }
    if !json.lacking.is_empty() {
        let lacking: Vec<String> = json.lacking.iter().map(|name| quoted(name)).collect();
        notes.push(format!(
            "some records have no {}, in others it is null: both are no value",
            listed(&lacking)
        ));
    }
    for (name, shape) in json.columns() {
        if let Some(oddity) = shape.oddity() {
            notes.push(format!(
                "{} has {oddity}: such are kept as string, as they are written",
                quoted(name)
            ));
        }
    }
    let empty: Vec<String> = json
        .columns()
        .filter(|(_, shape)| shape.is_empty())
        .map(|(name, _)| quoted(name))
        .collect();
    if !empty.is_empty() {
        notes.push(format!("no values in {}: kept as string", listed(&empty)));
    }
    notes
}
