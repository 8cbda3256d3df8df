//! How large a statement may be. Planning costs more than linear time and stack.
//!
//! The limits are far above what people write and below what a thread with a deep stack survives.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use lakebed_service::engine::EngineError;

use crate::{
    dialect::LakebedDialect,
    errors::{self, invalid, not_allowed},
};

/// The longest text, in bytes.
const TEXT_BYTES: usize = 256 * 1024;
/// The most tokens; the longest `IN` list follows from it.
const TOKENS: usize = 20_000;
/// How deep an expression may be: `1 + 1 + 1` is three deep. Planning one is quadratic in this.
pub(super) const EXPRESSION_DEPTH: usize = 1_000;
/// The most tables and `SELECT`s, each common table expression counted wherever it is used: the
/// planner copies it there, so that twenty that double would be a million.
pub(super) const RELATIONS: u64 = 500;

/// The tokens of `sql`, if it is small enough.
pub(super) fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>, EngineError> {
    if sql.len() > TEXT_BYTES {
        return Err(too_large(format!(
            "the statement is {} bytes long, at most {TEXT_BYTES} are allowed",
            sql.len()
        )));
    }
    let tokens = Tokenizer::new(&LakebedDialect, sql)
        .tokenize_with_location()
        .map_err(|error| invalid(errors::sentence(&error.to_string()), None))?;
    let count = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count();
    if count > TOKENS {
        return Err(too_large(format!(
            "the statement has {count} words and signs, at most {TOKENS} are allowed"
        )));
    }
    Ok(tokens)
}

/// Refuses what is beyond a budget.
pub(super) fn too_large(message: String) -> EngineError {
    not_allowed(
        message,
        Some("put long lists into a dataset and join it, or split the statement".to_owned()),
    )
}
