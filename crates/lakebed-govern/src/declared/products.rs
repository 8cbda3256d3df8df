//! `products/<namespace>/<name>.yaml`: a product each.

use lakebed_contract::yaml::{Mistake, shown};
use lakebed_core::{DatasetName, PrincipalName, Product, Refresh, StageName};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::yaml::Text;

/// The folder of products.
pub(super) const PRODUCTS: &str = "products/";

/// The product that a file of this name declares.
pub(super) fn product_of_file(file: &str) -> Result<DatasetName, Mistake> {
    let mistake = |message: String, hint: &str| {
        Mistake::at(file, Location::UNKNOWN, message, Some(hint.to_owned()))
    };
    let path = file.strip_prefix(PRODUCTS).and_then(|path| path.strip_suffix(".yaml"));
    let Some((namespace, name)) = path.and_then(|path| path.split_once('/')) else {
        let message = "this is no product".to_owned();
        return Err(mistake(message, "products are `products/<namespace>/<name>.yaml`"));
    };
    DatasetName::new(namespace, name)
        .map_err(|error| mistake(error.to_string(), "folder and file are called like the product"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductFile {
    pub(super) owner: Text,
    purpose: String,
    pub(super) sql: Text,
    pub(super) input_stage: Option<Text>,
    #[serde(default)]
    order_by: Vec<String>,
    refresh: Option<Spanned<RefreshEntry>>,
}

/// `manual`, `on_change`, or `{ every_minutes: 30 }`.
#[derive(Deserialize)]
#[serde(untagged)]
enum RefreshEntry {
    Word(String),
    Every(Every),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Every {
    every_minutes: u32,
}

impl ProductFile {
    /// When it is built; or where that is not said, and what to write instead.
    pub(super) fn refresh(&self) -> Result<Refresh, (Location, String, String)> {
        let Some(entry) = &self.refresh else { return Ok(Refresh::Manual) };
        match &entry.value {
            RefreshEntry::Every(Every { every_minutes }) => {
                Ok(Refresh::EveryMinutes(*every_minutes))
            }
            RefreshEntry::Word(word) if word == "manual" => Ok(Refresh::Manual),
            RefreshEntry::Word(word) if word == "on_change" => Ok(Refresh::OnChange),
            RefreshEntry::Word(word) => Err((
                entry.referenced,
                format!("`{}` is no way to refresh", shown(word)),
                "write `manual`, `on_change` or `{ every_minutes: 30 }`".to_owned(),
            )),
        }
    }

    pub(super) fn product(
        &self,
        owner: PrincipalName,
        input_stage: StageName,
        refresh: Refresh,
    ) -> Product {
        Product {
            owner,
            purpose: self.purpose.trim().to_owned(),
            sql: self.sql.value.trim().to_owned(),
            input_stage,
            order_by: self.order_by.clone(),
            refresh,
        }
    }
}
