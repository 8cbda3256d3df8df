//! What can be asked of one product, as an OpenAPI 3.1 document: for those who generate a client of it.
//!
//! It is made of the columns that its reader may know of, and names no other.

use std::collections::BTreeSet;

use lakebed_api::{Problem, Snapshot, media::SqlFormat};
use lakebed_core::{DataType, DatasetName, Field, ProductQuery};
use lakebed_service::{ProductShape, has_values};
use serde_json::{Map, Number, Value, json};
use utoipa::PartialSchema as _;

use crate::links::product_path;

/// Comparisons besides equality; the last four need an order.
const COMPARISONS: [(&str, &str); 6] = [
    ("eq", "equal to this"),
    ("ne", "different from this"),
    ("lt", "less than this"),
    ("le", "at most this"),
    ("gt", "greater than this"),
    ("ge", "at least this"),
];
/// Parameters that are no columns.
const WORDS: [&str; 7] = ["select", "order", "limit", "at", "version", "cursor", "int64"];
/// Statuses of problems, and what they have in common.
const PROBLEMS: [(&str, &str); 9] = [
    ("400", "The request cannot be meant like that"),
    ("401", "Nobody knows who asks"),
    ("403", "Not allowed"),
    ("404", "No such thing"),
    ("406", "None of the formats asked for is offered"),
    ("409", "Not as things stand"),
    ("422", "Understood, but not possible with this content"),
    ("429", "Too much at once"),
    ("default", "The server failed"),
];

/// The document of `product`.
pub(crate) fn document(product: &DatasetName, shape: &ProductShape) -> Value {
    let contract = shape.contract.as_ref();
    let title = contract.and_then(|contract| contract.name.clone());
    let version = contract.map_or_else(|| "unversioned".to_owned(), |found| found.version.clone());
    let mut description = shape.declared.purpose.clone();
    if let Some(told) = contract.and_then(|contract| contract.description.as_deref()) {
        description = format!("{description}\n\n{told}");
    }
    let path = product_path(product);
    let mut paths = Map::new();
    paths.insert(format!("{path}/rows"), json!({ "get": rows(shape) }));
    for (name, query) in &shape.declared.queries {
        let query = of_query(name, query, shape);
        paths.insert(format!("{path}/queries/{name}"), json!({ "get": query }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title.unwrap_or_else(|| product.to_string()),
            "description": description,
            "version": version,
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": {
                "Row": row(shape),
                "RowsPage": page(),
                "QueryAnswer": answer(),
                "Resolved": resolved(),
                "Snapshot": Snapshot::schema(),
                "Problem": Problem::schema(),
            },
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn rows(shape: &ProductShape) -> Value {
    let names: Vec<_> = shape.columns.fields.iter().map(|field| field.name.as_str()).collect();
    let named = names.join(", ");
    let mut parameters = vec![
        parameter("select", &format!("These columns alone, in this order, of: {named}"), text()),
        parameter("order", "Sorted by these columns first: `a,-b`, `-` downwards", text()),
        parameter(
            "limit",
            "At most so many rows",
            json!({ "type": "integer", "minimum": 1, "maximum": 10_000, "default": 100 }),
        ),
        parameter("at", "The version, as after the `@` of a reference", text()),
        parameter("version", "The version's number", json!({ "type": "integer", "minimum": 1 })),
        parameter("cursor", "From where a page before this one ended", text()),
        int64(),
    ];
    let columns: BTreeSet<&str> = names.into_iter().collect();
    for field in &shape.columns.fields {
        parameters.extend(filters(field, &columns));
    }
    let successor = successor_link(shape);
    let link = match &successor {
        None => "`rel=\"next\"`: the page after this one".to_owned(),
        Some(successor) => format!("`rel=\"next\"`: the page after this one; {successor}"),
    };
    let mut rows = json!({
        "operationId": "rows",
        "summary": "Rows, a page at a time",
        "parameters": parameters,
        "responses": responses("RowsPage", Some(&link)),
    });
    deprecate(&mut rows, shape);
    rows
}

/// What the link says that leads to what comes after the product, as far as its reader may know of that.
fn successor_link(shape: &ProductShape) -> Option<String> {
    let successor = shape.notice.as_ref()?.record.successor.as_ref()?;
    Some(format!("`rel=\"successor-version\"`: `{successor}`, to be read instead"))
}

/// Of a product that ends, or has ended.
fn deprecate(operation: &mut Value, shape: &ProductShape) {
    if shape.notice.is_some() {
        operation["deprecated"] = true.into();
    }
}

/// The parameters that a column is: but for those that are the names of `columns`, which mean these.
fn filters(field: &Field, columns: &BTreeSet<&str>) -> Vec<Value> {
    let Field { name, data_type, .. } = field;
    let mut filters = Vec::new();
    if has_values(data_type) {
        let value = schema_of(data_type);
        if !WORDS.contains(&name.as_str()) {
            filters.push(parameter(name, &format!("`{name}` is this"), value.clone()));
        }
        for (word, meaning) in COMPARISONS {
            let told = format!("`{name}` is {meaning}");
            filters.push(parameter(&format!("{name}.{word}"), &told, value.clone()));
        }
        let list = format!("`{name}` is one of these, with commas between; `\\,` is a comma");
        filters.push(parameter(&format!("{name}.in"), &list, text()));
    }
    let null = format!("Whether `{name}` is null");
    filters.push(parameter(&format!("{name}.null"), &null, json!({ "type": "boolean" })));
    filters.retain(|filter| filter["name"] == **name || !is_column(filter, columns));
    filters
}

fn is_column(filter: &Value, columns: &BTreeSet<&str>) -> bool {
    filter["name"].as_str().is_some_and(|name| columns.contains(name))
}

/// How 64-bit integers are written: the one parameter that every address has.
fn int64() -> Value {
    let told = "`string` writes 64-bit integers of JSON and NDJSON as strings, for readers whose \
        numbers end at 2^53";
    let schema = json!({ "type": "string", "enum": ["number", "string"], "default": "number" });
    parameter("int64", told, schema)
}

fn of_query(name: &str, query: &ProductQuery, shape: &ProductShape) -> Value {
    let parameters = query.parameters.iter().map(|(name, declared)| {
        let mut schema = schema_of(&declared.data_type);
        if let Some(default) = &declared.default {
            schema["default"] = default_of(&declared.data_type, default);
        }
        let told = declared.description.as_deref().unwrap_or(name);
        let mut parameter = parameter(name, told, schema);
        parameter["required"] = declared.required.into();
        parameter
    });
    let mut operation = json!({
        "operationId": format!("query_{name}"),
        "summary": query.purpose,
        "parameters": parameters.chain([int64()]).collect::<Vec<_>>(),
        "responses": responses("QueryAnswer", successor_link(shape).as_deref()),
    });
    deprecate(&mut operation, shape);
    operation
}

/// As JSON has it, whatever spelling was declared: numbers and booleans are none in quotes.
fn default_of(data_type: &DataType, default: &str) -> Value {
    let value = match data_type {
        DataType::Boolean => default.parse().ok().map(Value::Bool),
        DataType::Int | DataType::Long => default.parse::<i64>().ok().map(Value::from),
        DataType::Float | DataType::Double => {
            default.parse().ok().and_then(Number::from_f64).map(Value::Number)
        }
        _ => None,
    };
    value.unwrap_or_else(|| default.into())
}

fn parameter(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn text() -> Value {
    json!({ "type": "string" })
}

/// `link` says where the header of that name leads, if it is sent.
fn responses(schema: &str, link: Option<&str>) -> Value {
    let mut content = Map::new();
    for format in SqlFormat::ALL {
        let schema = match format {
            SqlFormat::Json => json!({ "$ref": format!("#/components/schemas/{schema}") }),
            SqlFormat::Ndjson | SqlFormat::Csv => text(),
            SqlFormat::Arrow | SqlFormat::Parquet => {
                json!({ "type": "string", "format": "binary" })
            }
        };
        content.insert(format.media_type().to_owned(), json!({ "schema": schema }));
    }
    let header = |told: &str| json!({ "description": told, "schema": text() });
    let mut responses = Map::new();
    let mut answer = json!({
        "description": "The rows",
        "headers": {
            "Lakebed-Version": header("The number of the version that was read"),
            "Lakebed-As-Of": header("When it was committed"),
            "Lakebed-Stale": header("Whether the product is declared with another statement or \
                order by now, an input has another version, or the contract promises newer rows; absent \
                where that is not known to you"),
            "Lakebed-Stale-Because": header("`statement`, `inputs`, `contract`, or several"),
            "Deprecation": header("Since when the product is to end"),
            "Sunset": header("When it ends"),
        },
        "content": content,
    });
    if let Some(link) = link {
        answer["headers"]["Link"] = header(link);
    }
    responses.insert("200".to_owned(), answer);
    for (status, told) in PROBLEMS {
        let problem = json!({ "$ref": "#/components/schemas/Problem" });
        let problem = json!({
            "description": told,
            "content": { "application/problem+json": { "schema": problem } },
        });
        responses.insert(status.to_owned(), problem);
    }
    responses.into()
}

/// A row: all columns, or those that were selected.
fn row(shape: &ProductShape) -> Value {
    let columns = shape.contract.iter().flat_map(|contract| &contract.columns);
    let mut described = Map::new();
    for column in columns {
        if let Some(description) = &column.description {
            described.insert(column.column().to_owned(), description.as_str().into());
        }
    }
    let mut properties = Map::new();
    for field in &shape.columns.fields {
        let mut schema = nullable(field);
        if let Some(description) = described.get(&field.name) {
            schema["description"] = description.clone();
        }
        properties.insert(field.name.clone(), schema);
    }
    json!({ "type": "object", "properties": properties })
}

fn page() -> Value {
    json!({
        "type": "object",
        "required": ["statement_id", "snapshot", "resolved", "as_of", "rows", "row_count"],
        "properties": {
            "statement_id": text(),
            "snapshot": { "$ref": "#/components/schemas/Snapshot" },
            "resolved": { "$ref": "#/components/schemas/Resolved" },
            "as_of": { "type": "string", "format": "date-time" },
            "stale": { "type": "boolean" },
            "next": { "type": "string", "description": "The page after this one" },
            "rows": { "type": "array", "items": { "$ref": "#/components/schemas/Row" } },
            "row_count": { "type": "integer" },
        },
    })
}

fn answer() -> Value {
    let column = json!({
        "type": "object",
        "required": ["name", "type"],
        "properties": { "name": text(), "type": text() },
    });
    json!({
        "type": "object",
        "required": ["statement_id", "snapshot", "resolved", "columns", "rows", "row_count"],
        "properties": {
            "statement_id": text(),
            "snapshot": { "$ref": "#/components/schemas/Snapshot" },
            "resolved": { "type": "array", "items": { "$ref": "#/components/schemas/Resolved" } },
            "columns": { "type": "array", "items": column },
            "rows": { "type": "array", "items": { "type": "array", "items": {} } },
            "row_count": { "type": "integer" },
        },
    })
}

fn resolved() -> Value {
    json!({
        "type": "object",
        "required": ["reference", "dataset", "version", "newest"],
        "properties": {
            "reference": text(),
            "dataset": text(),
            "version": { "type": "integer", "minimum": 1 },
            "version_id": text(),
            "newest": { "type": "integer", "minimum": 1 },
        },
    })
}

/// A value of the field, or null where there can be none.
fn nullable(field: &Field) -> Value {
    let mut schema = schema_of(&field.data_type);
    if field.data_type == DataType::Long {
        // Where `int64=string` was asked for.
        schema["type"] = json!(["integer", "string"]);
    }
    if !field.required {
        let types = match schema["type"].take() {
            Value::Array(mut types) => {
                types.push("null".into());
                types
            }
            one => vec![one, "null".into()],
        };
        schema["type"] = types.into();
    }
    schema
}

/// A number, or one of the words for those that JSON has none for.
fn float(format: &str) -> Value {
    json!({ "type": ["number", "string"], "format": format, "pattern": "^(NaN|-?Infinity)$" })
}

/// How a value looks in JSON: see [`lakebed_api::SqlResult`].
fn schema_of(data_type: &DataType) -> Value {
    match data_type {
        DataType::Boolean => json!({ "type": "boolean" }),
        DataType::Int => json!({ "type": "integer", "format": "int32" }),
        DataType::Long => json!({ "type": "integer", "format": "int64" }),
        DataType::Float => float("float"),
        DataType::Double => float("double"),
        DataType::Decimal { .. } => json!({ "type": "string", "format": "decimal" }),
        DataType::Date => json!({ "type": "string", "format": "date" }),
        DataType::Timestamptz => json!({ "type": "string", "format": "date-time" }),
        DataType::Time
        | DataType::Timestamp
        | DataType::String
        | DataType::Fixed(_)
        | DataType::Binary => text(),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| (field.name.clone(), nullable(field)));
            json!({ "type": "object", "properties": fields.collect::<Map<_, _>>() })
        }
        DataType::List(element) => json!({ "type": "array", "items": nullable(element) }),
        DataType::Map(_, value) => {
            json!({ "type": "object", "additionalProperties": nullable(value) })
        }
    }
}
