//! One walk over a query: clauses, names, functions and budgets.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{
    Expr, Function, ObjectName, Query, Select, Statement, TableFactor, Value, ValueWithSpan, Visit,
    Visitor,
};
use lakebed_core::TableRef;
use lakebed_service::engine::{EngineError, SystemTable};

use super::{
    budget::{EXPRESSION_DEPTH, RELATIONS, too_large},
    clauses,
    names::{self, Named},
};
use crate::{
    errors::{invalid, not_allowed, shown},
    functions::FunctionNames,
};

/// Aggregates whose result grows with the rows they see: as windows they need the square of it, in
/// one piece, which no memory pool sees before the process is gone.
const COLLECTING: [&str; 2] = ["array_agg", "string_agg"];

/// Admits `query` and names what it reads, each reference and each table of the system once, in order
/// of appearance.
pub(super) fn check(
    query: &Query,
    functions: &FunctionNames,
) -> Result<(Vec<TableRef>, Vec<SystemTable>), EngineError> {
    let mut walk = Walk {
        functions,
        references: Vec::new(),
        system: Vec::new(),
        scopes: vec![Scope::default()],
        depth: 0,
    };
    match query.visit(&mut walk) {
        ControlFlow::Continue(()) => Ok((walk.references, walk.system)),
        ControlFlow::Break(refused) => Err(refused),
    }
}

struct Walk<'a> {
    functions: &'a FunctionNames,
    references: Vec<TableRef>,
    system: Vec<SystemTable>,
    /// From the whole statement to the query being visited.
    scopes: Vec<Scope>,
    /// How many expressions are around the one being visited.
    depth: usize,
}

/// What a query defines, and how much it is after expansion.
#[derive(Default)]
struct Scope {
    /// Its common table expressions: where the tree of each is, and its name.
    waiting: Vec<(*const Query, String)>,
    /// Those visited already, and how much each is.
    defined: HashMap<String, u64>,
    /// Tables and `SELECT`s so far.
    relations: u64,
}

impl Walk<'_> {
    fn add_relations(&mut self, count: u64) -> Result<(), EngineError> {
        let scope = self.scopes.last_mut().expect("the statement's own scope is never left");
        scope.relations = scope.relations.saturating_add(count);
        if scope.relations <= RELATIONS {
            return Ok(());
        }
        Err(too_large(format!(
            "the statement reads more than {RELATIONS} tables and queries, counting each WITH \
             wherever it is used"
        )))
    }

    fn enter_query(&mut self, query: &Query) -> Result<(), EngineError> {
        clauses::check_query(query)?;
        let mut scope = Scope::default();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = names::word(&cte.alias.name);
            if name.contains('.') {
                return Err(not_allowed(
                    format!("`{}` cannot be the name of a WITH", shown(&name)),
                    Some("names with a dot are datasets".to_owned()),
                ));
            }
            scope.waiting.push((&raw const *cte.query, name));
        }
        self.scopes.push(scope);
        Ok(())
    }

    fn leave_query(&mut self, query: &Query) -> Result<(), EngineError> {
        let scope = self.scopes.pop().expect("every query that is left was entered");
        let parent = self.scopes.last_mut().expect("the statement's own scope is never left");
        let here: *const Query = query;
        match parent.waiting.iter().find(|(tree, _)| *tree == here) {
            Some((_, name)) => {
                parent.defined.insert(name.clone(), scope.relations);
                Ok(())
            }
            None => self.add_relations(scope.relations),
        }
    }

    /// A single word may be defined by a WITH around it; anything else is a dataset.
    fn enter_table(&mut self, name: &ObjectName) -> Result<(), EngineError> {
        if let [single] = names::words(name)?.as_slice()
            && let Some(size) = self.scopes.iter().rev().find_map(|scope| scope.defined.get(single))
        {
            return self.add_relations((*size).max(1));
        }
        match names::named(name)? {
            Named::Version(reference) if !self.references.contains(&reference) => {
                self.references.push(reference);
            }
            Named::System(table) if !self.system.contains(&table) => self.system.push(table),
            Named::Version(_) | Named::System(_) => {}
        }
        self.add_relations(1)
    }

    fn enter_factor(&mut self, factor: &TableFactor) -> Result<(), EngineError> {
        clauses::check_table_factor(factor)?;
        match factor {
            TableFactor::Table { name, args: None, .. } => self.enter_table(name),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                clauses::check_joins(std::slice::from_ref(table_with_joins))
            }
            TableFactor::Derived { .. } => Ok(()),
            _ => self.add_relations(1),
        }
    }

    fn enter_select(&mut self, select: &Select) -> Result<(), EngineError> {
        clauses::check_select(select)?;
        clauses::check_joins(&select.from)?;
        self.add_relations(1)
    }

    fn enter_expression(&mut self, expression: &Expr) -> Result<(), EngineError> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH {
            return Err(too_large(format!(
                "an expression is more than {EXPRESSION_DEPTH} operators deep"
            )));
        }
        match expression {
            Expr::Function(function) => self.enter_call(function),
            Expr::CompoundFieldAccess { root, access_chain } => {
                clauses::check_fields(root, access_chain)
            }
            Expr::Identifier(name) if name.quote_style.is_none() && name.value.starts_with('@') => {
                Err(not_allowed(
                    format!("there is no variable `{}`", shown(&name.value)),
                    Some("give values as parameters: `$1` or `$name`".to_owned()),
                ))
            }
            _ => Ok(()),
        }
    }

    fn enter_call(&self, function: &Function) -> Result<(), EngineError> {
        clauses::check_call(function)?;
        let name = names::words(&function.name)?.join(".");
        if function.over.is_some() && COLLECTING.contains(&name.as_str()) {
            return Err(not_allowed(
                format!("`{name}` with OVER would put a whole list into every row"),
                Some("collect with GROUP BY, and join the result".to_owned()),
            ));
        }
        if self.functions.contains(&name) {
            return Ok(());
        }
        let nearest = self.functions.nearest(&name);
        Err(invalid(
            format!("there is no function `{}`", shown(&name)),
            nearest.map(|nearest| format!("did you mean `{nearest}`?")),
        ))
    }
}

fn check_placeholder(name: &str) -> Result<(), EngineError> {
    let rest = name.strip_prefix('$').unwrap_or_default();
    if rest.is_empty() || rest == "0" {
        return Err(not_allowed(
            format!("placeholder `{}` is not allowed", shown(name)),
            Some("use `$1`, `$2` … by position or `$name` by name".to_owned()),
        ));
    }
    Ok(())
}

fn flow(result: Result<(), EngineError>) -> ControlFlow<EngineError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(refused) => ControlFlow::Break(refused),
    }
}

impl Visitor for Walk<'_> {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<EngineError> {
        flow(self.enter_query(query))
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<EngineError> {
        flow(self.leave_query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<EngineError> {
        flow(self.enter_select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<EngineError> {
        flow(self.enter_factor(factor))
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<EngineError> {
        flow(self.enter_expression(expression))
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<EngineError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    /// Placeholders stand where expressions do, and in few other places: `DATE $1`.
    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<EngineError> {
        match &value.value {
            Value::Placeholder(name) => flow(check_placeholder(name)),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_statement(&mut self, _: &Statement) -> ControlFlow<EngineError> {
        flow(Err(not_allowed("a statement inside a query is not allowed", None)))
    }
}
