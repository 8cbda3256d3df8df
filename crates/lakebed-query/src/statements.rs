//! Statements that were admitted lately: asking the same again parses nothing.
//!
//! Whether a statement is admitted, and what it reads, depends on its text and on nothing else: not
//! on who asks, and not on the lake.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lakebed_service::engine::EngineError;

use crate::{
    functions::FunctionNames,
    guard::{self, Admitted},
};

/// Longer statements are parsed each time. Trees of these are shallow enough to be dropped on any
/// stack, too.
pub(crate) const LONGEST: usize = 2_048;
/// So many bytes of statements are kept; beyond it the cache starts anew.
const KEPT_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Statements {
    /// The names that calls may have.
    names: FunctionNames,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    admitted: HashMap<String, Arc<Admitted>>,
    bytes: usize,
}

impl Statements {
    pub(crate) fn new(names: FunctionNames) -> Self {
        Self { names, kept: Mutex::default() }
    }

    /// What `sql` was admitted as, if that is known.
    pub(crate) fn find(&self, sql: &str) -> Option<Arc<Admitted>> {
        self.kept().admitted.get(sql).cloned()
    }

    /// Admits `sql`, or says what to write instead. Call it on a deep stack.
    pub(crate) fn admit(&self, sql: &str) -> Result<Arc<Admitted>, EngineError> {
        if let Some(admitted) = self.find(sql) {
            return Ok(admitted);
        }
        let admitted = Arc::new(guard::admit(sql, &self.names)?);
        if sql.len() <= LONGEST {
            let mut kept = self.kept();
            if kept.bytes + sql.len() > KEPT_BYTES {
                *kept = Kept::default();
            }
            if kept.admitted.insert(sql.to_owned(), Arc::clone(&admitted)).is_none() {
                kept.bytes += sql.len();
            }
        }
        Ok(admitted)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use super::*;
    use crate::functions::Functions;

    fn statements() -> Statements {
        Statements::new(FunctionNames::of(&Functions::load()))
    }

    #[test]
    fn what_was_admitted_is_known_and_what_was_not_is_judged_again() {
        let statements = statements();
        let first = statements.admit("SELECT 1").unwrap();
        assert!(Arc::ptr_eq(&first, &statements.admit("SELECT 1").unwrap()));
        assert!(statements.admit("DROP TABLE a.b").is_err());
        assert!(statements.find("DROP TABLE a.b").is_none());
        assert!(statements.find("select 1").is_none(), "another text is another statement");
    }

    #[test]
    fn it_stays_within_its_bounds() {
        let statements = statements();
        let long = format!("SELECT '{}'", "x".repeat(LONGEST));
        statements.admit(&long).unwrap();
        assert!(statements.find(&long).is_none());
        for number in 0..3 * KEPT_BYTES / 1_000 {
            let sql = format!("SELECT {number:01000}");
            statements.admit(&sql).unwrap();
            assert!(statements.find(&sql).is_some());
            let kept = statements.kept();
            assert!(kept.bytes <= KEPT_BYTES);
            assert_eq!(kept.bytes, kept.admitted.keys().map(String::len).sum::<usize>());
        }
    }
}
