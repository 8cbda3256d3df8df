//! `products/<namespace>/<name>.yaml`: a product each.

use std::collections::BTreeMap;

use lakebed_contract::yaml::{Mistake, Node, shown};
use lakebed_core::{
    DatasetName, PrincipalName, Product, ProductQuery, QueryParameter, Refresh, Served, StageName,
    contract::Value,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::{Location, Spanned};

use super::{
    ProductPart,
    yaml::{Entries, Text},
};

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
    purpose: Text,
    sql: Text,
    pub(super) input_stage: Option<Text>,
    order_by: Option<Spanned<Vec<String>>>,
    served: Option<Text>,
    refresh: Option<Spanned<RefreshEntry>>,
    #[serde(default)]
    queries: Entries<QueryEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryEntry {
    purpose: String,
    sql: String,
    #[serde(default)]
    parameters: Entries<ParameterEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterEntry {
    #[serde(rename = "type")]
    data_type: Spanned<String>,
    description: Option<String>,
    #[serde(default)]
    required: bool,
    default: Option<Node>,
}

/// The parameter that every query has: how an answer writes 64-bit integers.
const RESERVED: &str = "int64";

/// `manual`, `on_change`, or `{ every_minutes: 30 }`; else anything, so that what may be written is told.
#[derive(Deserialize)]
#[serde(untagged)]
enum RefreshEntry {
    Word(String),
    Every(Every),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Every {
    every_minutes: u32,
}

impl ProductFile {
    /// Where a part of it stands.
    pub(super) fn place_of(&self, part: &ProductPart) -> Location {
        let query = |name: &str| self.queries.0.iter().find(|(query, _)| query.value == name);
        let found = match part {
            ProductPart::Sql => None,
            ProductPart::Purpose => Some(self.purpose.referenced),
            ProductPart::OrderBy => self.order_by.as_ref().map(|columns| columns.referenced),
            ProductPart::Refresh => self.refresh.as_ref().map(|refresh| refresh.referenced),
            ProductPart::Query(name) => query(name).map(|(name, _)| name.referenced),
            ProductPart::Parameter(name, parameter) => query(name).and_then(|(_, entry)| {
                let found = entry.parameters.0.iter().find(|(name, _)| name.value == *parameter);
                found.map(|(name, _)| name.referenced)
            }),
        };
        found.unwrap_or(self.sql.referenced)
    }

    /// When its rows are computed; or where that is not said, and what to write instead.
    pub(super) fn served(&self) -> Result<Served, (Location, String, String)> {
        match &self.served {
            None => Ok(Served::Materialized),
            Some(word) if word.value == "materialized" => Ok(Served::Materialized),
            Some(word) if word.value == "live" => Ok(Served::Live),
            Some(word) => Err((
                word.referenced,
                format!("`{}` is no way to serve a product", shown(&word.value)),
                "write `materialized` or `live`".to_owned(),
            )),
        }
    }

    /// When it is built; or where that is not said, and what to write instead.
    pub(super) fn refresh(&self) -> Result<Refresh, (Location, String, String)> {
        let Some(entry) = &self.refresh else { return Ok(Refresh::Manual) };
        let mistake = |what: String| {
            let hint = "write `manual`, `on_change` or, in whole minutes, `{ every_minutes: 30 }`";
            Err((entry.referenced, format!("{what} is no way to refresh"), hint.to_owned()))
        };
        match &entry.value {
            RefreshEntry::Every(Every { every_minutes }) => {
                Ok(Refresh::EveryMinutes(*every_minutes))
            }
            RefreshEntry::Word(word) if word == "manual" => Ok(Refresh::Manual),
            RefreshEntry::Word(word) if word == "on_change" => Ok(Refresh::OnChange),
            RefreshEntry::Word(word) => mistake(format!("`{}`", shown(word))),
            RefreshEntry::Other(IgnoredAny) => mistake("this".to_owned()),
        }
    }

    /// Its queries, as `source` has them; or where a parameter is none, and what to write instead.
    pub(super) fn queries(
        &self,
        source: &str,
    ) -> Result<BTreeMap<String, ProductQuery>, (Location, String, String)> {
        let mut queries = BTreeMap::new();
        for (name, entry) in &self.queries.0 {
            let mut parameters = BTreeMap::new();
            for (parameter, entry) in &entry.parameters.0 {
                if parameter.value == RESERVED {
                    return Err((
                        parameter.referenced,
                        format!("`{RESERVED}` is the name of a parameter that every query has"),
                        "give this one another name, and its `$` in the query with it".to_owned(),
                    ));
                }
                parameters.insert(parameter.value.clone(), entry.parameter(source)?);
            }
            let purpose = entry.purpose.trim().to_owned();
            let sql = entry.sql.trim().to_owned();
            queries.insert(name.value.clone(), ProductQuery { purpose, sql, parameters });
        }
        Ok(queries)
    }

    pub(super) fn product(
        &self,
        owner: PrincipalName,
        input_stage: StageName,
        (served, refresh): (Served, Refresh),
        queries: BTreeMap<String, ProductQuery>,
    ) -> Product {
        Product {
            owner,
            purpose: self.purpose.value.trim().to_owned(),
            sql: self.sql.value.trim().to_owned(),
            input_stage,
            order_by: self.order_by.as_ref().map(|by| by.value.clone()).unwrap_or_default(),
            served,
            refresh,
            queries,
        }
    }
}

impl ParameterEntry {
    fn parameter(&self, source: &str) -> Result<QueryParameter, (Location, String, String)> {
        let data_type = self.data_type.value.parse().map_err(|_| {
            let given = shown(&self.data_type.value);
            let hint = "as in `string`, `long`, `decimal(9,2)`, `date` or `timestamptz`";
            (self.data_type.referenced, format!("`{given}` is no type"), hint.to_owned())
        })?;
        Ok(QueryParameter {
            data_type,
            description: self.description.clone(),
            required: self.required,
            default: self.default.as_ref().map(|default| written(default, source)).transpose()?,
        })
    }
}

/// A value as a request would bring it. People write numbers without quotes, and no digit of them is
/// lost.
fn written(default: &Node, source: &str) -> Result<String, (Location, String, String)> {
    match default.value(source) {
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number { number } => Ok(number.to_string()),
        Value::Text(text) => Ok(text),
        _ => {
            let message = format!("`default` is {}: expected one value", default.kind());
            let hint = "as in `default: 1.25`, `default: EU` or `default: 2026-01-31`".to_owned();
            Err((default.location, message, hint))
        }
    }
}
