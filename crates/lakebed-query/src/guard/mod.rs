//! Which statements are admitted, and what they read. An allow-list over the parsed tree.
//!
//! Everything here happens before planning and without knowing any table. What the planner would
//! ignore in silence (`VERSION AS OF`, `TABLESAMPLE`, hints, `FOR UPDATE`) is refused in words.
//!
//! Call it on a deep stack: trees are as deep as the budgets of [`budget`] allow.

mod budget;
mod clauses;
mod names;
mod walk;

use datafusion::{
    common::format::ExplainStatementOptions,
    sql::{
        parser::{DFParserBuilder, ExplainStatement, Statement as DfStatement},
        sqlparser::{
            ast::{ObjectName, Query, ShowStatementIn, ShowStatementOptions, Statement},
            tokenizer::{Token, TokenWithSpan},
        },
    },
};
use lakebed_service::engine::{EngineError, Prepared, StatementKind};

use crate::{
    dialect::LakebedDialect,
    errors::{self, invalid, not_allowed},
    functions::FunctionNames,
    parameters::placeholders,
    suggest::nearest,
};

pub(crate) use names::{Named, named_in, word};

/// What may be written, for hints.
const READING: &str = "use SELECT, WITH, VALUES, EXPLAIN, DESCRIBE or SHOW TABLES";

/// How deep parentheses and subqueries may nest.
pub(crate) const NESTING_LIMIT: usize = 50;

/// A statement that may run.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// What kind it is, and what it reads.
    pub(crate) prepared: Prepared,
    /// The query below it; none for `DESCRIBE` and `SHOW TABLES`.
    pub(crate) query: Option<Box<Query>>,
}

/// Parses `sql` and admits it, or says what to write instead.
pub(crate) fn admit(sql: &str, functions: &FunctionNames) -> Result<Admitted, EngineError> {
    let tokens = budget::tokenize(sql)?;
    check_first_word(&tokens)?;
    match parse(tokens)? {
        DfStatement::Statement(statement) => admit_statement(sql, *statement, functions),
        DfStatement::Explain(explain) => admit_explain(sql, explain, functions),
        _ => Err(not_allowed(
            "this statement is not allowed: the lake is read by queries",
            Some(READING.to_owned()),
        )),
    }
}

/// Most of what is refused is known by its first word, whether or not the rest can be parsed.
fn check_first_word(tokens: &[TokenWithSpan]) -> Result<(), EngineError> {
    const ALLOWED: [&str; 8] =
        ["SELECT", "WITH", "VALUES", "FROM", "EXPLAIN", "DESCRIBE", "DESC", "SHOW"];
    let first = tokens.iter().map(|token| &token.token).find(|token| {
        !matches!(token, Token::Whitespace(_) | Token::SemiColon | Token::LParen | Token::EOF)
    });
    match first {
        None => Err(invalid("there is no statement", Some(READING.to_owned()))),
        Some(Token::Word(word)) if word.quote_style.is_none() => {
            let given = word.value.to_uppercase();
            if ALLOWED.contains(&given.as_str()) {
                return Ok(());
            }
            match nearest(&given, ALLOWED) {
                Some(meant) => Err(invalid(
                    format!("no statement starts with `{}`", errors::shown(&word.value)),
                    Some(format!("did you mean `{meant}`?")),
                )),
                None => Err(not_allowed(
                    format!(
                        "`{}` is not allowed: the lake is only read by SQL",
                        errors::shown(&given)
                    ),
                    Some(READING.to_owned()),
                )),
            }
        }
        Some(other) => Err(invalid(
            format!("no statement starts with `{}`", errors::shown(&other.to_string())),
            Some(READING.to_owned()),
        )),
    }
}

fn parse(tokens: Vec<TokenWithSpan>) -> Result<DfStatement, EngineError> {
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&LakebedDialect)
        .with_recursion_limit(NESTING_LIMIT)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(errors::from_datafusion)?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(invalid("there is no statement", Some(READING.to_owned()))),
        (Some(_), more) => Err(not_allowed(
            format!("{} statements were given: one is allowed", more + 1),
            Some("send them one after the other".to_owned()),
        )),
    }
}

fn admit_statement(
    sql: &str,
    statement: Statement,
    functions: &FunctionNames,
) -> Result<Admitted, EngineError> {
    match statement {
        Statement::Query(query) => admit_query(sql, query, StatementKind::Query, functions),
        Statement::ExplainTable { hive_format: None, table_name, .. } => {
            admit_describe(&table_name)
        }
        Statement::Explain { .. } => Err(not_allowed(
            "`DESCRIBE` takes the name of a dataset",
            Some("use `EXPLAIN` to see the plan of a query".to_owned()),
        )),
        Statement::ShowTables {
            terse: false,
            history: false,
            extended: false,
            full: false,
            external: false,
            show_options,
        } if is_plain(&show_options) => Ok(Admitted {
            prepared: Prepared {
                kind: StatementKind::ShowTables,
                references: Vec::new(),
                system: Vec::new(),
                placeholders: Vec::new(),
            },
            query: None,
        }),
        Statement::ShowColumns { extended: false, full: false, show_options } => {
            match shown_table(&show_options) {
                Some(name) => admit_describe(name),
                None => Err(show_columns_alone()),
            }
        }
        Statement::ShowColumns { .. } => Err(show_columns_alone()),
        Statement::ShowTables { .. } => {
            Err(not_allowed("`SHOW TABLES` takes no options", Some("write `SHOW TABLES`".into())))
        }
        _ => Err(not_allowed(
            "this statement is not allowed: the lake is read by queries",
            Some(READING.to_owned()),
        )),
    }
}

fn is_plain(options: &ShowStatementOptions) -> bool {
    options.show_in.is_none() && is_unfiltered(options)
}

fn is_unfiltered(options: &ShowStatementOptions) -> bool {
    let ShowStatementOptions { show_in: _, starts_with, limit, limit_from, filter_position } =
        options;
    starts_with.is_none() && limit.is_none() && limit_from.is_none() && filter_position.is_none()
}

/// The table of `SHOW COLUMNS FROM namespace.dataset`.
fn shown_table(options: &ShowStatementOptions) -> Option<&ObjectName> {
    match &options.show_in {
        Some(ShowStatementIn { clause: _, parent_type: None, parent_name: Some(name) })
            if is_unfiltered(options) =>
        {
            Some(name)
        }
        _ => None,
    }
}

fn show_columns_alone() -> EngineError {
    let hint = "write `SHOW COLUMNS FROM namespace.dataset`, or DESCRIBE".to_owned();
    not_allowed("`SHOW COLUMNS` takes the name of a dataset, and no options", Some(hint))
}

fn admit_query(
    sql: &str,
    query: Box<Query>,
    kind: StatementKind,
    functions: &FunctionNames,
) -> Result<Admitted, EngineError> {
    let (references, system) = walk::check(&query, functions)?;
    let placeholders = placeholders(sql, &query);
    let prepared = Prepared { kind, references, system, placeholders };
    Ok(Admitted { prepared, query: Some(query) })
}

fn admit_describe(name: &ObjectName) -> Result<Admitted, EngineError> {
    let mut prepared = Prepared {
        kind: StatementKind::Describe,
        references: Vec::new(),
        system: Vec::new(),
        placeholders: Vec::new(),
    };
    match names::named(name)? {
        Named::Version(reference) => prepared.references.push(reference),
        Named::System(table) => prepared.system.push(table),
    }
    Ok(Admitted { prepared, query: None })
}

fn admit_explain(
    sql: &str,
    explain: ExplainStatement,
    functions: &FunctionNames,
) -> Result<Admitted, EngineError> {
    let ExplainStatement { options, statement } = explain;
    let plain = "write `EXPLAIN SELECT …`: it shows the logical plan and runs nothing";
    if options != ExplainStatementOptions::default() {
        return Err(not_allowed("`EXPLAIN` takes no options", Some(plain.to_owned())));
    }
    match *statement {
        DfStatement::Statement(statement) => match *statement {
            Statement::Query(query) => admit_query(sql, query, StatementKind::Explain, functions),
            _ => Err(not_allowed("only queries can be explained", Some(plain.to_owned()))),
        },
        _ => Err(not_allowed("only queries can be explained", Some(plain.to_owned()))),
    }
}
