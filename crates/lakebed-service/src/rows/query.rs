//! Queries that are declared with a product: parameters in, the rows that the asker may see out.

use lakebed_contract::yaml::shown;
use lakebed_core::{DatasetName, Product, ProductQuery, QueryParameter};
use serde_json::{Map, Value};

use super::{
    question::invalid_query,
    value::{has_values, value_of},
};
use crate::{
    Ctx, Error, Lake, NoticeRecord, QueryAnswer, QueryRequest, Result,
    build::check_statement,
    engine::{Engine, EngineError, Parameters, QueryLimits},
};

/// The answer to a declared query.
#[derive(Debug)]
pub struct QueryOfProduct {
    /// The rows, as they come.
    pub answer: QueryAnswer,
    /// That the product ends, or has ended.
    pub notice: Option<NoticeRecord>,
}

impl Lake {
    /// Answers the query `query` of a product, as the asker may see the product.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such product or query for the asker; [`Error::Invalid`]
    /// for parameters that are not the query's; else as [`Lake::query`].
    pub async fn query_of_product(
        &self,
        ctx: &Ctx,
        name: &DatasetName,
        query: &str,
        given: &[(String, String)],
        limits: QueryLimits,
    ) -> Result<QueryOfProduct> {
        let (rights, product) = self.served_product(ctx, name).await?;
        let declared = product.queries.get(query).ok_or_else(|| no_query(name, query))?;
        let parameters = Parameters::Named(values(declared, given)?);
        let request = QueryRequest { sql: declared.sql.clone(), parameters, limits };
        let answer = self.query(ctx, request).await.map_err(|error| match error {
            // The statement may name columns that the asker may not know of.
            Error::Engine(EngineError::Invalid { .. } | EngineError::Failed { .. })
                if !rights.reads(name) =>
            {
                not_for_you(name, query)
            }
            error => error,
        })?;
        let notice = self.dataset(ctx, name).await?.record.notice;
        Ok(QueryOfProduct { answer, notice })
    }
}

/// A value for each parameter, in the order of their names.
fn values(query: &ProductQuery, given: &[(String, String)]) -> Result<Map<String, Value>> {
    for (place, (name, _)) in given.iter().enumerate() {
        if given[..place].iter().any(|(before, _)| before == name) {
            return Err(invalid_query(format!("parameter `{}` is given twice", shown(name))));
        }
        if !query.parameters.contains_key(name) {
            let names: Vec<_> = query.parameters.keys().map(|name| format!("`{name}`")).collect();
            return Err(Error::Invalid {
                code: "invalid-query",
                message: format!("this query has no parameter `{}`", shown(name)),
                hint: (!names.is_empty()).then(|| format!("it has {}", names.join(", "))),
            });
        }
    }
    let value = |(name, parameter): (&String, &QueryParameter)| {
        let given = given.iter().find(|(given, _)| given == name).map(|(_, text)| text);
        let value = match given.or(parameter.default.as_ref()) {
            Some(text) => value_of(&parameter.data_type, text).ok_or_else(|| Error::Invalid {
                code: "invalid-value",
                message: format!(
                    "parameter `{name}`: what was given is no value of type `{}`",
                    parameter.data_type
                ),
                hint: None,
            })?,
            None if parameter.required => {
                return Err(Error::Invalid {
                    code: "invalid-query",
                    message: format!("parameter `{name}` is to be given"),
                    hint: Some(format!(
                        "put `{name}=…`, a value of type `{}`, behind the `?` of the URL; where the \
                         query's SQL is run by `lakebed sql`, add `--param {name}=…`",
                        parameter.data_type
                    )),
                });
            }
            None => Value::Null,
        };
        Ok((name.clone(), value))
    };
    query.parameters.iter().map(value).collect()
}

/// Refuses queries that cannot be admitted, and those that read something else than their product: whom
/// they are for may not know of that.
pub(crate) fn check_queries(
    engine: &dyn Engine,
    name: &DatasetName,
    product: &Product,
) -> Result<()> {
    for (query, declared) in &product.queries {
        let flaw = |why: String, hint: Option<String>| Error::Invalid {
            code: "invalid-product",
            message: format!("product `{name}`, query `{query}`: {why}"),
            hint,
        };
        let prepared = engine.prepare(&declared.sql).map_err(Error::from).and_then(|prepared| {
            check_statement(&prepared.kind, prepared.system.is_empty())?;
            Ok(prepared)
        });
        let prepared = prepared.map_err(|error| flaw(error.to_string(), error.hint()))?;
        let other = prepared.references.iter().find(|table| table.reference.dataset != *name);
        if let Some(other) = other {
            let why = format!("it reads `{}`", other.reference);
            return Err(flaw(why, Some(format!("a query of a product reads `{name}` alone"))));
        }
        let names: Vec<_> = declared.parameters.keys().cloned().collect();
        if let Some(unknown) = prepared.placeholders.iter().find(|name| !names.contains(name)) {
            let why = format!("`${unknown}` is none of its parameters");
            return Err(flaw(why, Some("declare it under `parameters`, with its type".to_owned())));
        }
        if let Some(unused) = names.iter().find(|name| !prepared.placeholders.contains(name)) {
            return Err(flaw(format!("it does not use its parameter `{unused}`"), None));
        }
        for (parameter, QueryParameter { data_type, default, .. }) in &declared.parameters {
            let wrong = match default {
                _ if !has_values(data_type) => Some("no parameter can have"),
                Some(text) if value_of(data_type, text).is_none() => Some("its default is not of"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                let why = format!("parameter `{parameter}`: {wrong} type `{data_type}`");
                return Err(flaw(why, None));
            }
        }
    }
    Ok(())
}

fn no_query(product: &DatasetName, query: &str) -> Error {
    Error::NotFound {
        message: format!("`{product}` has no query `{}`", shown(query)),
        hint: Some("its `openapi.json` lists them".to_owned()),
    }
}

fn not_for_you(product: &DatasetName, query: &str) -> Error {
    Error::Forbidden {
        message: format!(
            "a policy keeps parts of `{product}` from you, and without them its query `{query}` has \
             no answer"
        ),
    }
}
