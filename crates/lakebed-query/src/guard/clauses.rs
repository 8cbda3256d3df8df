//! Clauses that parse and that the planner would ignore, or that do more than read.
//!
//! Trees are taken apart field by field, without `..`: a field that a new parser brings does not
//! compile before someone has decided about it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArguments, GroupByExpr, LimitClause,
    NamedWindowDefinition, NamedWindowExpr, Query, Select, SelectFlavor, SelectItem, SetExpr,
    SetOperator, SetQuantifier, TableFactor, TableWithJoins, Value, Visit, Visitor,
    WildcardAdditionalOptions, WindowSpec, WindowType, visit_expressions,
};
use lakebed_service::engine::EngineError;

use crate::errors::{not_allowed, shown};

/// Table functions that compute and read nothing.
const TABLE_FUNCTIONS: [&str; 2] = ["generate_series", "range"];

/// How to name a version, whatever clause was tried.
const VERSION_HINT: &str = "name the version in the reference: `sales.\"orders@v12\"`, \
                            `sales.\"orders@2026-11-01\"`";

/// The planner knows the names of windows in what is selected, and takes a call with one elsewhere for a call
/// without a window.
const NAMED_WINDOW: &str = "the name of a window besides what is selected";
const WINDOW_HINT: &str = "write what it means: `OVER (PARTITION BY … ORDER BY …)`";

fn refuse<T>(clause: &str, hint: &str) -> Result<T, EngineError> {
    Err(not_allowed(format!("{clause} is not allowed"), Some(hint.to_owned())))
}

fn refuse_if(found: bool, clause: &str, hint: &str) -> Result<(), EngineError> {
    if found { refuse(clause, hint) } else { Ok(()) }
}

/// What stands around a `SELECT`.
pub(super) fn check_query(query: &Query) -> Result<(), EngineError> {
    let Query {
        with,
        body,
        order_by,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    let recursive = with.as_ref().is_some_and(|with| with.recursive);
    refuse_if(recursive, "WITH RECURSIVE", "it need not end; join the steps you need")?;
    refuse_if(fetch.is_some(), "FETCH", "use LIMIT")?;
    let limits_groups = match limit_clause {
        Some(LimitClause::LimitOffset { limit: _, offset: _, limit_by }) => !limit_by.is_empty(),
        Some(LimitClause::OffsetCommaLimit { offset: _, limit: _ }) | None => false,
    };
    let orders_by_name = order_by.as_ref().is_some_and(names_window);
    refuse_if(orders_by_name, NAMED_WINDOW, WINDOW_HINT)?;
    let limit_is_asked = limit_clause.as_ref().is_some_and(has_subquery);
    refuse_if(limit_is_asked, "a subquery in LIMIT or OFFSET", "give numbers or parameters")?;
    refuse_if(limits_groups, "LIMIT … BY", "use row_number() OVER (PARTITION BY …)")?;
    refuse_if(!locks.is_empty(), "FOR UPDATE or FOR SHARE", "versions never change; leave it out")?;
    refuse_if(for_clause.is_some(), "FOR XML, FOR JSON or FOR BROWSE", "ask for JSON by `Accept`")?;
    refuse_if(settings.is_some(), "SETTINGS", "limits are given beside the statement")?;
    refuse_if(format_clause.is_some(), "FORMAT", "the format is given beside the statement")?;
    refuse_if(!pipe_operators.is_empty(), "`|>`", "write it as clauses or as WITH")?;
    check_body(body)
}

/// Set operations nest to the left without a query between them.
fn check_body(body: &SetExpr) -> Result<(), EngineError> {
    let mut waiting = vec![body];
    while let Some(body) = waiting.pop() {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) => {}
            SetExpr::Values(values) => {
                refuse_if(has_subquery(values), "a subquery in VALUES", "use SELECT … UNION ALL")?;
            }
            SetExpr::SetOperation { left, right, op, set_quantifier } => {
                check_counts(*op, *set_quantifier)?;
                waiting.extend([&**left, &**right]);
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return refuse("writing", "the lake is only read by SQL; use `lakebed ingest`");
            }
            SetExpr::Table(_) => return refuse("TABLE", "write SELECT * FROM namespace.dataset"),
        }
    }
    Ok(())
}

/// The planner takes `INTERSECT ALL` and `EXCEPT ALL` for semi-joins, which count nothing.
fn check_counts(op: SetOperator, quantifier: SetQuantifier) -> Result<(), EngineError> {
    let what = match (op, quantifier) {
        (SetOperator::Intersect, SetQuantifier::All | SetQuantifier::AllByName) => "INTERSECT ALL",
        (
            SetOperator::Except | SetOperator::Minus,
            SetQuantifier::All | SetQuantifier::AllByName,
        ) => "EXCEPT ALL",
        _ => return Ok(()),
    };
    refuse(
        what,
        "number equal rows on both sides, `row_number() OVER (PARTITION BY …)` of all columns, and leave \
         out ALL",
    )
}

/// What stands in a `SELECT`.
pub(super) fn check_select(select: &Select) -> Result<(), EngineError> {
    let Select {
        select_token: _,
        optimizer_hints,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    refuse_if(!optimizer_hints.is_empty(), "an optimizer hint", "leave the comment out")?;
    refuse_if(select_modifiers.is_some(), "a modifier of SELECT", "leave it out")?;
    refuse_if(top.is_some(), "TOP", "use LIMIT")?;
    refuse_if(exclude.is_some(), "EXCLUDE here", "write it after the star: `* EXCLUDE (a)`")?;
    refuse_if(into.is_some(), "SELECT INTO", "the lake is only read by SQL")?;
    refuse_if(!lateral_views.is_empty(), "LATERAL VIEW", "use unnest")?;
    refuse_if(prewhere.is_some(), "PREWHERE", "use WHERE")?;
    refuse_if(!connect_by.is_empty(), "CONNECT BY", "join the steps you need")?;
    refuse_if(!cluster_by.is_empty(), "CLUSTER BY", "use ORDER BY")?;
    refuse_if(!distribute_by.is_empty(), "DISTRIBUTE BY", "leave it out")?;
    refuse_if(!sort_by.is_empty(), "SORT BY", "use ORDER BY")?;
    refuse_if(value_table_mode.is_some(), "SELECT AS", "leave AS out")?;
    let without_columns = matches!(flavor, SelectFlavor::FromFirstNoSelect);
    refuse_if(without_columns, "FROM without SELECT", "write SELECT * FROM …")?;
    projection.iter().try_for_each(check_item)?;
    named_window.iter().try_for_each(check_named_window)?;
    let is_named = distinct.as_ref().is_some_and(names_window)
        || names_window(from)
        || names_window(group_by)
        || [selection, having, qualify].into_iter().flatten().any(names_window);
    refuse_if(is_named, NAMED_WINDOW, WINDOW_HINT)?;
    let has_inner = !named_window.is_empty() && has_named_windows(projection);
    refuse_if(has_inner, "WINDOW in a query in a SELECT with WINDOW", "say there what it means")?;
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = group_by;
    refuse_if(!modifiers.is_empty(), "GROUP BY … WITH", "use ROLLUP (…), CUBE (…)")
}

/// What a star is without, or with, is the planner's business, but for what it would read past.
fn check_item(item: &SelectItem) -> Result<(), EngineError> {
    match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            let WildcardAdditionalOptions {
                wildcard_token: _,
                opt_ilike,
                opt_exclude: _,
                opt_except: _,
                opt_replace: _,
                opt_rename,
                opt_alias,
            } = options;
            refuse_if(opt_ilike.is_some(), "`* ILIKE`", "name the columns")?;
            refuse_if(opt_rename.is_some(), "`* RENAME`", "name the columns with AS")?;
            refuse_if(opt_alias.is_some(), "`* AS`", "name the columns with AS")
        }
        SelectItem::UnnamedExpr(_)
        | SelectItem::ExprWithAlias { .. }
        | SelectItem::ExprWithAliases { .. } => Ok(()),
    }
}

/// The planner forgets what a window builds on.
fn check_window(window: &WindowSpec) -> Result<(), EngineError> {
    let WindowSpec { window_name, partition_by: _, order_by: _, window_frame: _ } = window;
    refuse_if(
        window_name.is_some(),
        "a window that builds on another",
        "repeat what the other says: `OVER (PARTITION BY … ORDER BY …)`",
    )
}

fn check_named_window(window: &NamedWindowDefinition) -> Result<(), EngineError> {
    let NamedWindowDefinition(_, means) = window;
    match means {
        NamedWindowExpr::WindowSpec(window) => check_window(window),
        NamedWindowExpr::NamedWindow(_) => {
            refuse("a window that is another", "give it a definition: `w AS (…)`")
        }
    }
}

/// The planner takes the names of windows around a query for those within.
fn has_named_windows(projection: &[SelectItem]) -> bool {
    struct Find;
    impl Visitor for Find {
        type Break = ();

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            match select.named_window.is_empty() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        }
    }
    projection.iter().any(|item| item.visit(&mut Find).is_break())
}

/// Whether a call in `tree`, and in no query within, has a window that it names.
fn names_window(tree: &impl Visit) -> bool {
    struct Find {
        queries: u32,
    }
    impl Visitor for Find {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.queries += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.queries -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Function(Function { over: Some(WindowType::NamedWindow(_)), .. })
                    if self.queries == 0 =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    tree.visit(&mut Find { queries: 0 }).is_break()
}

/// Whether a query stands somewhere in `tree`, where the planner has no place for one.
fn has_subquery(tree: &impl Visit) -> bool {
    let found = visit_expressions(tree, |expression| match expression {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The planner reads the name of a field in brackets, or right behind other names.
pub(super) fn check_fields(root: &Expr, chain: &[AccessExpr]) -> Result<(), EngineError> {
    let is_name = |access: &&AccessExpr| matches!(access, AccessExpr::Dot(Expr::Identifier(_)));
    let names = match root {
        Expr::Identifier(_) => chain.iter().take_while(is_name).count(),
        _ => 0,
    };
    let is_field = |access: &AccessExpr| match access {
        AccessExpr::Dot(Expr::Value(value)) => !matches!(value.value, Value::SingleQuotedString(_)),
        AccessExpr::Dot(_) => true,
        AccessExpr::Subscript(_) => false,
    };
    let found = chain.iter().skip(names).any(is_field);
    refuse_if(found, "a field after an expression", "write `expression['field']`")
}

/// What stands where a table does. Names are [`super::names`]'.
pub(super) fn check_table_factor(factor: &TableFactor) -> Result<(), EngineError> {
    match factor {
        TableFactor::Table {
            name,
            alias: _,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            refuse_if(version.is_some(), "a version clause after a table", VERSION_HINT)?;
            refuse_if(sample.is_some(), "TABLESAMPLE", "use WHERE random() < 0.01")?;
            refuse_if(!with_hints.is_empty(), "a table hint", "leave it out")?;
            refuse_if(!index_hints.is_empty(), "an index hint", "leave it out")?;
            refuse_if(!partitions.is_empty(), "PARTITION after a table", "use WHERE")?;
            refuse_if(json_path.is_some(), "a path after a table", "use columns")?;
            refuse_if(*with_ordinality, "WITH ORDINALITY", "use row_number() OVER ()")?;
            match args {
                None => Ok(()),
                Some(args) => {
                    refuse_if(args.settings.is_some(), "SETTINGS", "leave it out")?;
                    check_table_function(&name.to_string())?;
                    check_constant(&args.args)
                }
            }
        }
        TableFactor::Derived { lateral: _, subquery: _, alias: _, sample } => {
            refuse_if(sample.is_some(), "TABLESAMPLE", "use WHERE random() < 0.01")
        }
        TableFactor::NestedJoin { .. } | TableFactor::UNNEST { .. } => Ok(()),
        TableFactor::Function { name, with_ordinality, args, .. } => {
            refuse_if(*with_ordinality, "WITH ORDINALITY", "use row_number() OVER ()")?;
            check_table_function(&name.to_string())?;
            check_constant(args)
        }
        TableFactor::TableFunction { .. }
        | TableFactor::JsonTable { .. }
        | TableFactor::OpenJsonTable { .. }
        | TableFactor::XmlTable { .. }
        | TableFactor::SemanticView { .. } => {
            refuse("this table function", "only generate_series, range and unnest are there")
        }
        TableFactor::Pivot { .. } => refuse("PIVOT", "use GROUP BY and CASE"),
        TableFactor::Unpivot { .. } => refuse("UNPIVOT", "use UNION ALL"),
        TableFactor::MatchRecognize { .. } => refuse("MATCH_RECOGNIZE", "use window functions"),
    }
}

fn check_table_function(name: &str) -> Result<(), EngineError> {
    if TABLE_FUNCTIONS.contains(&name.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(not_allowed(
        format!("table function `{}` is not allowed", shown(name)),
        Some(
            "only generate_series, range and unnest are there; files are read by \
              `lakebed ingest`"
                .to_owned(),
        ),
    ))
}

/// What a table function is given is known before there are rows.
fn check_constant(arguments: &[FunctionArg]) -> Result<(), EngineError> {
    let has_column = |argument: &FunctionArg| {
        let found = visit_expressions(argument, |expression| match expression {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        found.is_break()
    };
    refuse_if(
        arguments.iter().any(|argument| has_column(argument) || has_subquery(argument)),
        "a column or a subquery as an argument of a table function",
        "give numbers or parameters",
    )
}

/// Joins are visited by no hook of the parser's visitor.
pub(super) fn check_joins(tables: &[TableWithJoins]) -> Result<(), EngineError> {
    let mut joins = tables.iter().flat_map(|table| &table.joins);
    refuse_if(joins.any(|join| join.global), "GLOBAL JOIN", "leave GLOBAL out")
}

/// What stands in a call besides its name and its arguments.
pub(super) fn check_call(function: &Function) -> Result<(), EngineError> {
    let parametric = !matches!(function.parameters, FunctionArguments::None);
    refuse_if(parametric, "a second list of arguments", "give all arguments in one list")?;
    match &function.over {
        Some(WindowType::WindowSpec(window)) => check_window(window),
        Some(WindowType::NamedWindow(_)) | None => Ok(()),
    }
}
