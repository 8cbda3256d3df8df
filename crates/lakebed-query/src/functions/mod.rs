//! The functions there are: DataFusion's, by a written allow-list, those that multiply bytes bounded.
//!
//! A new release of DataFusion adds functions; they stay out until they are written into [`allow`].
//! What stays out on purpose: names of files and rows in them, the engine's version, Arrow's types
//! and metadata, anything that reads or configures.

pub(crate) mod allow;
mod bounded;
mod concatenation;
mod estimate;
mod exact;
mod govern;
mod measure;

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    execution::SessionStateDefaults,
    logical_expr::{AggregateUDF, ScalarUDF, WindowUDF},
};

pub(crate) use bounded::TooLarge;
pub(crate) use exact::exactly;
pub(crate) use govern::GovernFunctions;
pub(crate) use measure::bytes as value_bytes;

use crate::suggest;

/// The functions of every session.
#[derive(Debug)]
pub(crate) struct Functions {
    pub(crate) scalar: Vec<Arc<ScalarUDF>>,
    pub(crate) aggregate: Vec<Arc<AggregateUDF>>,
    pub(crate) window: Vec<Arc<WindowUDF>>,
}

impl Functions {
    /// DataFusion's, as far as [`allow`] has them.
    pub(crate) fn load() -> Self {
        let scalar = SessionStateDefaults::default_scalar_functions();
        let scalar = scalar.into_iter().filter(|udf| allow::SCALAR.contains(&udf.name()));
        let aggregate = SessionStateDefaults::default_aggregate_functions();
        let window = SessionStateDefaults::default_window_functions();
        Self {
            scalar: scalar.map(bounded::bound).collect(),
            aggregate: aggregate
                .into_iter()
                .filter(|udf| allow::AGGREGATE.contains(&udf.name()))
                .collect(),
            window: window.into_iter().filter(|udf| allow::WINDOW.contains(&udf.name())).collect(),
        }
    }
}

/// The names that a call may have, aliases included.
#[derive(Debug, Clone)]
pub struct FunctionNames(BTreeSet<String>);

impl FunctionNames {
    /// Whether there is a function of that name (lower case).
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn nearest(&self, name: &str) -> Option<&str> {
        suggest::nearest(name, self.iter())
    }

    pub(crate) fn of(functions: &Functions) -> Self {
        let mut names: BTreeSet<String> = allow::SYNTAX.map(str::to_owned).into();
        for udf in &functions.scalar {
            names.insert(udf.name().to_owned());
            names.extend(udf.aliases().iter().cloned());
        }
        for udf in &functions.aggregate {
            names.insert(udf.name().to_owned());
            names.extend(udf.aliases().iter().cloned());
        }
        for udf in &functions.window {
            names.insert(udf.name().to_owned());
            names.extend(udf.aliases().iter().cloned());
        }
        Self(names)
    }
}

/// The names that a call in SQL may have: for help texts, and for the test that keeps them.
#[must_use]
pub fn function_names() -> FunctionNames {
    FunctionNames::of(&Functions::load())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is allowed but gone, and what is there but not allowed: an upgrade changes this text,
    /// and someone decides.
    #[test]
    fn every_function_of_datafusion_was_decided_about() {
        fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
            names.collect()
        }
        let scalar = SessionStateDefaults::default_scalar_functions();
        let aggregate = SessionStateDefaults::default_aggregate_functions();
        let window = SessionStateDefaults::default_window_functions();
        let higher = SessionStateDefaults::default_higher_order_functions();
        let table = SessionStateDefaults::default_table_functions();
        let there = [
            (
                "scalar",
                sorted(scalar.iter().map(|udf| udf.name())),
                sorted(allow::SCALAR.into_iter()),
            ),
            (
                "aggregate",
                sorted(aggregate.iter().map(|udf| udf.name())),
                sorted(allow::AGGREGATE.into_iter()),
            ),
            (
                "window",
                sorted(window.iter().map(|udf| udf.name())),
                sorted(allow::WINDOW.into_iter()),
            ),
            ("higher order", sorted(higher.iter().map(|udf| udf.name())), BTreeSet::new()),
            (
                "table",
                sorted(table.iter().map(|udf| udf.name())),
                ["generate_series", "range"].into(),
            ),
        ];
        let mut text = String::new();
        for (kind, there, allowed) in there {
            let missing: Vec<_> = allowed.difference(&there).collect();
            assert!(missing.is_empty(), "{kind} functions that are gone: {missing:?}");
            let refused: Vec<_> = there.difference(&allowed).copied().collect();
            text += &format!("{kind}: {} allowed; refused: {}\n", allowed.len(), refused.join(" "));
        }
        insta::assert_snapshot!(text);
    }
}
