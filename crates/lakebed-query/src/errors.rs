//! What went wrong, in words for its reader.
//!
//! DataFusion's errors become [`EngineError`]s here and nowhere else. Messages name columns,
//! functions and limits; paths, digests and plans stay in the source, for the log.

use arrow::error::ArrowError;
use datafusion::{
    common::{Column, SchemaError},
    error::DataFusionError,
    sql::sqlparser::parser::ParserError,
};
use lakebed_service::engine::EngineError;

use crate::{functions::TooLarge, stacks::panic_text, suggest::nearest};

/// A statement met its limit of memory.
pub(crate) const NO_MEMORY: &str = "the statement needs more memory than it may use";
/// A statement met its limit of scratch.
pub(crate) const NO_SCRATCH: &str = "the statement needs more scratch space than it may use";

/// The longest part of someone else's text that a message repeats.
const SHOWN_CHARS: usize = 200;

pub(crate) fn invalid(message: impl Into<String>, hint: Option<String>) -> EngineError {
    EngineError::Invalid { message: message.into(), hint }
}

pub(crate) fn not_allowed(message: impl Into<String>, hint: Option<String>) -> EngineError {
    EngineError::NotAllowed { message: message.into(), hint }
}

pub(crate) fn exhausted(message: impl Into<String>) -> EngineError {
    EngineError::Exhausted { message: message.into() }
}

pub(crate) fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> EngineError {
    EngineError::Internal { source: source.into() }
}

/// What a panic below us means. Arrow has no error for a column that outgrows its offsets: it panics.
pub(crate) fn from_panic(panic: &(dyn std::any::Any + Send)) -> EngineError {
    let text = panic_text(panic);
    match text.ends_with("overflow") && !text.contains("attempt to") {
        true => exhausted("one step of the statement makes more than 2 GiB of text or lists"),
        false => about_patterns(internal(text)),
    }
}

/// Text of a statement, safe to print: shortened, control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    let escaped = text.chars().take(SHOWN_CHARS).flat_map(|char| match char.is_control() {
        true => char.escape_debug().collect::<Vec<_>>(),
        false => vec![char],
    });
    escaped.collect()
}

/// A message of another crate in our style: one line, lower case, no full stop, not too long.
pub(crate) fn sentence(text: &str) -> String {
    let text = strip_prefixes(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = shown(line.trim_end_matches('.'));
    let mut chars = line.chars();
    match (chars.next(), line.chars().nth(1)) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => line,
    }
}

/// Takes off the words that crates put before each other's messages.
fn strip_prefixes(mut text: &str) -> &str {
    const PREFIXES: [&str; 10] = [
        "sql parser error: ",
        "SQL error: ",
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
        "Compute error: ",
        "Parser error: ",
        "Invalid argument error: ",
        "This feature is not implemented: ",
    ];
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    text
}

/// The one conversion.
pub(crate) fn from_datafusion(error: DataFusionError) -> EngineError {
    about_patterns(converted(error))
}

/// A pattern that is no regular expression is what was given, and may be a value: neither a defect, nor to
/// be repeated.
fn about_patterns(error: EngineError) -> EngineError {
    const SAID: [&str; 3] =
        ["regex parse error", "egular expression did not compile", "ompiled regex exceeds size"];
    let text = match &error {
        EngineError::Failed { message } => message.clone(),
        EngineError::Internal { source } => source.to_string(),
        _ => return error,
    };
    match SAID.iter().any(|said| text.contains(said)) {
        true => EngineError::Failed {
            message: "a pattern is no regular expression, or one that is too large".to_owned(),
        },
        false => error,
    }
}

fn converted(error: DataFusionError) -> EngineError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            from_datafusion(*inner)
        }
        DataFusionError::Shared(shared) => match std::sync::Arc::try_unwrap(shared) {
            Ok(inner) => from_datafusion(inner),
            Err(shared) => from_shared(&shared),
        },
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => from_datafusion(first),
            None => internal("no error in a collection of errors"),
        },
        DataFusionError::External(source) => from_external(source),
        DataFusionError::ArrowError(error, _) => from_arrow(*error),
        DataFusionError::IoError(error) => from_io(error),
        other => from_reference(&other).unwrap_or_else(|| internal(other)),
    }
}

/// An error that others hold too cannot be taken apart.
fn from_shared(error: &DataFusionError) -> EngineError {
    let root = error.find_root();
    let found = match root {
        DataFusionError::ArrowError(error, _) => match &**error {
            ArrowError::IoError(_, error) => used_up(error),
            error => failed_in_arrow(error),
        },
        DataFusionError::IoError(error) => used_up(error),
        DataFusionError::External(source) => {
            source.downcast_ref::<TooLarge>().map(|large| exhausted(large.to_string()))
        }
        root => from_reference(root),
    };
    found.unwrap_or_else(|| internal(root.to_string()))
}

fn from_reference(error: &DataFusionError) -> Option<EngineError> {
    Some(match error {
        DataFusionError::SchemaError(error, _) => from_schema(error),
        DataFusionError::SQL(error, _) => from_parser(error),
        DataFusionError::Plan(message) => {
            wrong_types(message).unwrap_or_else(|| invalid(sentence(message), None))
        }
        DataFusionError::NotImplemented(message) => no_plan(message)
            .unwrap_or_else(|| not_allowed(format!("not supported: {}", sentence(message)), None)),
        DataFusionError::Internal(message) => unfit_size(message)?,
        DataFusionError::Execution(message) => EngineError::Failed { message: sentence(message) },
        DataFusionError::ResourcesExhausted(message) => {
            tracing::debug!(message, "a statement met a limit");
            exhausted(resource(message))
        }
        _ => return None,
    })
}

/// An expression that there is no plan for where it stands. The planner tells its tree.
fn no_plan(message: &str) -> Option<EngineError> {
    const HINT: &str = "write it as a join, or in WHERE";
    let what = message.strip_prefix("Physical plan does not support ")?;
    let expression = what.strip_prefix("logical expression ").unwrap_or(what);
    let name = expression.split(|char: char| !char.is_alphanumeric()).next().unwrap_or_default();
    let (what, hint) = match name {
        "OuterReferenceColumn" | "ScalarSubquery" | "undecorrelated" => {
            ("a subquery that names columns around it", Some(HINT))
        }
        "Exists" => ("EXISTS", Some(HINT)),
        "InSubquery" => ("IN with a subquery", Some(HINT)),
        "SetComparison" => ("ANY or ALL of a subquery", Some(HINT)),
        _ => ("an expression", None),
    };
    let message = format!("{what} is not supported in this place");
    Some(not_allowed(message, hint.map(str::to_owned)))
}

/// A size that a function takes for a defect of its own.
fn unfit_size(message: &str) -> Option<EngineError> {
    const SIZE: &str = "array_resize: failed to convert size";
    let failed = || EngineError::Failed { message: "`array_resize` takes no negative size".into() };
    message.starts_with(SIZE).then(failed)
}

/// A call with arguments that its function does not take. The planner tells each form of the function
/// that does not fit either.
fn wrong_types(message: &str) -> Option<EngineError> {
    const BEFORE: &str = "No function matches the given name and argument types '";
    const BEHIND: &str = "'. You might need to add explicit type casts";
    let (_, rest) = message.split_once(BEFORE)?;
    let (call, _) = rest.split_once(BEHIND)?;
    let (name, types) = call.strip_suffix(')')?.split_once('(')?;
    let (name, types) = (shown(name), shown(&plain_types(types)));
    Some(match types.as_str() {
        "" => invalid(format!("`{name}` takes arguments, and was given none"), None),
        "text" => invalid(
            format!("`{name}` does not take text"),
            Some("convert it: `CAST(… AS DOUBLE)`, `CAST(… AS DATE)`".to_owned()),
        ),
        one if !one.contains(',') => invalid(
            format!("`{name}` does not take {one}"),
            Some("convert it: `CAST(… AS VARCHAR)`, `CAST(… AS DOUBLE)`".to_owned()),
        ),
        _ => invalid(
            format!("`{name}` does not take ({types})"),
            Some("it wants other types, which CAST gives, or another number of them".to_owned()),
        ),
    })
}

/// Arrow's names of types as SQL has them.
fn plain_types(types: &str) -> String {
    let plain = |word: &str| match word {
        "Utf8" | "LargeUtf8" | "Utf8View" => "text",
        "Binary" | "LargeBinary" | "BinaryView" => "binary",
        "Boolean" => "boolean",
        "Int8" | "Int16" | "Int32" => "int",
        "UInt8" | "UInt16" | "UInt32" => "unsigned int",
        "Int64" => "bigint",
        "UInt64" => "unsigned bigint",
        "Float16" | "Float32" => "float",
        "Float64" => "double",
        "Decimal128" | "Decimal256" => "decimal",
        "Date32" | "Date64" => "date",
        "Time32" | "Time64" => "time",
        "Timestamp" => "timestamp",
        "Interval" => "interval",
        "List" | "LargeList" | "FixedSizeList" => "list",
        "Struct" => "struct",
        "Map" => "map",
        "Null" => "NULL",
        _ => "",
    };
    let mut all = String::new();
    let mut rest = types;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|char: char| !char.is_alphanumeric()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end.max(first.len_utf8()));
        rest = behind;
        match plain(word) {
            "" => all.push_str(word),
            name => all.push_str(name),
        }
        // A unit is the engine's business.
        if word == "Timestamp" || word.starts_with("Time") {
            rest =
                rest.strip_prefix('(').and_then(|unit| unit.split_once(')')).map_or(rest, |r| r.1);
        }
    }
    all
}

/// Which resource; how much of it there is, the caller adds.
fn resource(message: &str) -> &'static str {
    match message.contains("disk") || message.contains("temp") {
        true => NO_SCRATCH,
        false => NO_MEMORY,
    }
}

fn from_external(source: Box<dyn std::error::Error + Send + Sync>) -> EngineError {
    let source = match source.downcast::<TooLarge>() {
        Ok(large) => return exhausted(large.to_string()),
        Err(source) => source,
    };
    match source.downcast::<DataFusionError>() {
        Ok(inner) => from_datafusion(*inner),
        Err(source) => match source.downcast::<ArrowError>() {
            Ok(inner) => from_arrow(*inner),
            Err(source) => internal(source),
        },
    }
}

/// Files are scratch alone: objects are the store's business.
fn from_io(error: std::io::Error) -> EngineError {
    if let Some(used_up) = used_up(&error) {
        return used_up;
    }
    match error.downcast::<DataFusionError>() {
        Ok(inner) => from_datafusion(inner),
        Err(error) => internal(error),
    }
}

/// Whether there is no more scratch, for the statement or at all.
fn used_up(error: &std::io::Error) -> Option<EngineError> {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => Some(exhausted("there is no space left for scratch files")),
        // The disk manager says it in words alone, naming its setting.
        _ if error.to_string().contains("max_temp_directory_size") => Some(exhausted(NO_SCRATCH)),
        _ => None,
    }
}

fn from_arrow(error: ArrowError) -> EngineError {
    match error {
        ArrowError::ExternalError(source) => from_external(source),
        ArrowError::IoError(_, error) => from_io(error),
        error => failed_in_arrow(&error).unwrap_or_else(|| internal(error)),
    }
}

/// A value that could not be computed.
fn failed_in_arrow(error: &ArrowError) -> Option<EngineError> {
    let message = match error {
        ArrowError::DivideByZero => "division by zero".to_owned(),
        ArrowError::CastError(message) if message.starts_with("Overflow converting") => {
            "a time lies outside of what nanoseconds can count: the years 1678 to 2261".to_owned()
        }
        ArrowError::CastError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::ParseError(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ArithmeticOverflow(message)
        | ArrowError::NotYetImplemented(message) => sentence(message),
        ArrowError::OffsetOverflowError(_) => "a value is larger than a column can hold".to_owned(),
        _ => return None,
    };
    Some(EngineError::Failed { message })
}

fn from_parser(error: &ParserError) -> EngineError {
    match error {
        ParserError::RecursionLimitExceeded => not_allowed(
            format!("the statement nests more than {} levels deep", crate::guard::NESTING_LIMIT),
            Some("name inner queries with WITH".to_owned()),
        ),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            invalid(sentence(message), None)
        }
    }
}

fn from_schema(error: &SchemaError) -> EngineError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => no_such_column(field, valid_fields),
        SchemaError::AmbiguousReference { field } => invalid(
            format!("column `{}` could be one of several", shown(&field.name)),
            Some("put the name of its table before it".to_owned()),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => invalid(
            format!("two columns are named `{}`", shown(name)),
            Some("rename one with AS".to_owned()),
        ),
    }
}

fn no_such_column(field: &Column, valid: &[Column]) -> EngineError {
    let message = format!("column `{}` not found", shown(&field.flat_name()));
    let same = valid.iter().find(|column| column.name.eq_ignore_ascii_case(&field.name));
    let near = || nearest(&field.name, valid.iter().map(|column| column.name.as_str()));
    let hint = match (same, near()) {
        (Some(column), _) if column.name == field.name => {
            Some(format!("there is `{}`", shown(&column.flat_name())))
        }
        (Some(column), _) => {
            Some(format!("names with capitals need double quotes: \"{}\"", shown(&column.name)))
        }
        (None, Some(near)) => Some(format!("did you mean `{}`?", shown(near))),
        (None, None) => columns(valid),
    };
    invalid(message, hint)
}

fn columns(valid: &[Column]) -> Option<String> {
    const LISTED: usize = 12;
    let mut names: Vec<_> = valid.iter().map(|column| shown(&column.name)).collect();
    names.dedup();
    let more = if names.len() > LISTED { ", …" } else { "" };
    names.truncate(LISTED);
    (!names.is_empty()).then(|| format!("columns here: {}{more}", names.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_sql_names_them() {
        for (arrow, plain) in [
            ("Utf8View", "text"),
            ("Int64, Utf8", "bigint, text"),
            ("Decimal128(7, 2)", "decimal(7, 2)"),
            ("Timestamp(µs, \"UTC\"), Boolean", "timestamp, boolean"),
            ("List(Float64)", "list(double)"),
            ("Duration(ms)", "Duration(ms)"),
        ] {
            assert_eq!(plain_types(arrow), plain);
        }
    }

    /// A pattern may be a value, and its error repeats it, whoever brings it.
    #[test]
    fn a_pattern_is_not_repeated() {
        let text = "regex parse error:\n    secret(\n          ^\nerror: unclosed group";
        let debug = format!("Regular expression did not compile: Syntax({text})");
        let external = || DataFusionError::External(text.into());
        let errors = [
            from_datafusion(external()),
            from_datafusion(DataFusionError::Context(
                "Invalid regex".to_owned(),
                external().into(),
            )),
            from_datafusion(DataFusionError::Shared(external().into())),
            from_datafusion(DataFusionError::External(external().into())),
            from_datafusion(DataFusionError::Execution(debug.clone())),
            from_datafusion(DataFusionError::Internal(format!("failed to call 'x' {debug}"))),
            from_datafusion(ArrowError::ComputeError(debug).into()),
            from_datafusion(ArrowError::ExternalError(text.into()).into()),
            from_panic(&text.to_owned()),
        ];
        for error in errors {
            assert!(matches!(error, EngineError::Failed { .. }), "{error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn trees_of_the_planner_are_not_told() {
        for (tree, words) in [
            ("logical expression OuterReferenceColumn(Field { name: \"a\" }, b)", "around it"),
            ("logical expression Exists(Exists { subquery: <subquery> })", "EXISTS"),
            ("logical expression InSubquery(InSubquery { expr: a })", "IN with a subquery"),
            ("logical expression GroupingSet(Rollup([]))", "an expression"),
            ("undecorrelated Subquery", "around it"),
        ] {
            let text = format!("Physical plan does not support {tree}");
            let error = from_datafusion(DataFusionError::NotImplemented(text));
            assert!(matches!(error, EngineError::NotAllowed { .. }), "{error:?}");
            let message = error.to_string();
            assert!(message.contains(words) && !message.contains(['{', '(']), "{message}");
        }
    }

    /// What a value was is for whoever asked for it, not for a message.
    #[test]
    fn a_time_that_overflows_is_not_repeated() {
        let text = "Overflow converting 0001-01-01 00:00:00 to Nanosecond. The dates";
        let EngineError::Failed { message } = from_arrow(ArrowError::CastError(text.to_owned()))
        else {
            panic!("it failed")
        };
        assert!(message.contains("nanoseconds") && !message.contains("0001"), "{message}");
    }
}
