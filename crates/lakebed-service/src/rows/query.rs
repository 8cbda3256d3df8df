//! Queries that are declared with a product: parameters in, the rows that the asker may see out.

use std::ops::Range;

use lakebed_contract::yaml::shown;
use lakebed_core::{DataType, DatasetName, Product, ProductQuery, QueryParameter, TableRef};
use serde_json::{Map, Value};

use super::{
    question::invalid_query,
    value::{has_values, typed, value_of},
};
use crate::{
    Ctx, Error, Lake, ProductNotice, QueryAnswer, QueryRequest, Result,
    build::{check_statement, references_of},
    engine::{
        BoundTable, Engine, EngineError, Parameters, Placeholder, Prepared, QueryJob, QueryLimits,
    },
    resolve::RowsFound,
};

/// The answer to a declared query.
#[derive(Debug)]
pub struct QueryOfProduct {
    /// The rows, as they come.
    pub answer: QueryAnswer,
    /// That the product ends, or has ended.
    pub notice: Option<ProductNotice>,
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
        let values = values(declared, given)?;
        let answer = async {
            let prepared = self.inner.engine.prepare(&declared.sql)?;
            let sql = typed_sql(declared, &prepared, &values);
            let parameters = Parameters::Named(values);
            self.query(ctx, QueryRequest { sql, parameters, limits }).await
        };
        let answer = match answer.await {
            Ok(answer) => answer,
            // The statement may name columns that the asker may not know of.
            Err(Error::Engine(EngineError::Invalid { .. } | EngineError::Failed { .. }))
                if !rights.reads(name) =>
            {
                return Err(self.unanswered(ctx, name, query, declared).await?);
            }
            Err(error) => return Err(self.unbuilt(name, &product, error).await?),
        };
        let notice = self.notice_of_product(ctx, name).await?;
        Ok(QueryOfProduct { answer, notice })
    }

    /// What is said to whoever may not read all of a product, where a query of it has no answer: that
    /// their values are to blame, if it has one for them with others.
    ///
    /// P7: what they see of the product decides that, and nothing else.
    async fn unanswered(
        &self,
        ctx: &Ctx,
        name: &DatasetName,
        query: &str,
        declared: &ProductQuery,
    ) -> Result<Error> {
        let Ok(prepared) = self.inner.engine.prepare(&declared.sql) else {
            return Ok(not_for_you(name, query));
        };
        let found = self.resolve_rows(ctx, &references_of(&prepared)).await?;
        let has_answer = match self.seen_tables(ctx, &prepared, &found).await? {
            Some(seen) => self.can_be_planned(declared, &prepared, seen).await?,
            None => false,
        };
        Ok(match has_answer && !declared.parameters.is_empty() {
            true => no_answer_to_values(name, query),
            false => not_for_you(name, query),
        })
    }

    /// Whether what is kept from the asker leaves a query an answer: planned, not run.
    pub(super) async fn has_answer(&self, ctx: &Ctx, query: &ProductQuery) -> Result<bool> {
        let prepared = self.inner.engine.prepare(&query.sql)?;
        let references = references_of(&prepared);
        // Of what cannot be read now, nothing is known to be kept from them.
        let Ok(found) = self.resolve_rows(ctx, &references).await else { return Ok(true) };
        let Some(seen) = self.seen_tables(ctx, &prepared, &found).await? else {
            return Ok(false);
        };
        if self.can_be_planned(query, &prepared, seen).await? {
            return Ok(true);
        }
        // What fails for everybody is no matter of what is kept from one.
        let whole = self.bind_all(&prepared, &found.resolution.versions).await?;
        Ok(!self.can_be_planned(query, &prepared, whole).await?)
    }

    /// The tables of a statement, as the asker may see them; none where one of them is not for them.
    async fn seen_tables(
        &self,
        ctx: &Ctx,
        prepared: &Prepared,
        found: &RowsFound,
    ) -> Result<Option<Vec<BoundTable>>> {
        let RowsFound { resolution, in_force, .. } = found;
        let mut seen = Vec::new();
        for TableRef { reference, part } in &prepared.references {
            for resolved in resolution.versions.iter().filter(|r| r.reference == *reference) {
                match self.bind(ctx, resolved, *part, in_force).await {
                    Ok(table) => seen.push(table),
                    Err(Error::Forbidden { .. }) => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Some(seen))
    }

    async fn can_be_planned(
        &self,
        query: &ProductQuery,
        prepared: &Prepared,
        tables: Vec<BoundTable>,
    ) -> Result<bool> {
        let values = query.parameters.iter().map(|(name, parameter)| {
            let text = parameter.default.as_deref().unwrap_or_else(|| example(parameter));
            (name.clone(), value_of(&parameter.data_type, text).unwrap_or(Value::Null))
        });
        let values: Map<String, Value> = values.collect();
        let sql = typed_sql(query, prepared, &values);
        let job = QueryJob {
            parameters: Parameters::Named(values),
            ..QueryJob::over(tables, sql, self.inner.clock.now())
        };
        match self.inner.engine.lineage(job).await {
            Err(EngineError::Invalid { .. } | EngineError::Failed { .. }) => Ok(false),
            // Of some statements there is only no lineage.
            Ok(_) | Err(EngineError::NotAllowed { .. } | EngineError::Exhausted { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// A value of a parameter's type.
fn example(parameter: &QueryParameter) -> &'static str {
    match parameter.data_type {
        DataType::Boolean => "true",
        DataType::Date => "2000-01-01",
        DataType::Time => "00:00:00",
        DataType::Timestamp => "2000-01-01T00:00:00",
        DataType::Timestamptz => "2000-01-01T00:00:00Z",
        _ => "0",
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

/// The query's statement, where every value has its parameter's type.
fn typed_sql(query: &ProductQuery, prepared: &Prepared, values: &Map<String, Value>) -> String {
    let mut places: Vec<(&Range<usize>, String)> = Vec::new();
    for Placeholder { name, places: found } in &prepared.placeholders {
        let Some(parameter) = query.parameters.get(name) else { continue };
        let value = values.get(name).unwrap_or(&Value::Null);
        let typed = typed(&parameter.data_type, value, &format!("${name}"));
        places.extend(found.iter().map(|place| (place, typed.clone())));
    }
    // From the end, so that those before it stay where they are.
    places.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    let mut sql = query.sql.clone();
    for (place, typed) in places {
        sql.replace_range(place.clone(), &typed);
    }
    sql
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
        let mut placeholders = prepared.placeholders.iter().map(|found| &found.name);
        if let Some(unknown) = placeholders.find(|name| !names.contains(name)) {
            let why = format!("`${unknown}` is none of its parameters");
            return Err(flaw(why, Some("declare it under `parameters`, with its type".to_owned())));
        }
        let is_used = |name: &String| prepared.placeholders.iter().any(|found| found.name == *name);
        if let Some(unused) = names.iter().find(|name| !is_used(name)) {
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
        // As it is run; its types make it longer.
        engine.prepare(&typed_sql(declared, &prepared, &Map::new())).map_err(|error| {
            let error = Error::from(error);
            flaw(error.to_string(), error.hint())
        })?;
    }
    Ok(())
}

fn no_query(product: &DatasetName, query: &str) -> Error {
    Error::NotFound {
        message: format!("`{product}` has no query `{}`", shown(query)),
        hint: Some("its `openapi.json` lists them".to_owned()),
    }
}

/// The engine's own words may tell of the statement, which is not theirs.
fn no_answer_to_values(product: &DatasetName, query: &str) -> Error {
    Error::Invalid {
        code: "invalid-value",
        message: format!(
            "query `{query}` of `{product}` has no answer to the values that its parameters were given, \
             or have by default"
        ),
        hint: Some("give others; its `openapi.json` says what they are".to_owned()),
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
