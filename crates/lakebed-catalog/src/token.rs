//! API tokens: who holds one, what is kept of it, whether it was revoked.
//!
//! A token counts once the journaled mark has passed the event that made it. A revocation counts as
//! soon as it is committed: nobody is shown anything by it.

use lakebed_core::{
    PrincipalName, Timestamp, TokenCreated, TokenHash, TokenId, TokenRevoked, TokenScope,
};

use crate::{
    Catalog, Entity, Error, Result,
    connection::{Connection, Row},
    event::saturate,
    flaw::{Flaw, check_text},
    statement::query,
};

/// Everything that is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its public part.
    pub id: TokenId,
    /// Who holds it.
    pub principal: PrincipalName,
    /// What its maker calls it.
    pub label: Option<String>,
    /// The digest of its secret.
    pub hash: TokenHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// It is good before this time.
    pub expires_at: Timestamp,
    /// What it is good for, at most; `None` does not narrow.
    pub scope: Option<TokenScope>,
    /// The token with which it was made.
    pub made_with: Option<TokenId>,
    /// Whether its holder may `admin` the lake, whatever is declared.
    pub first_admin: bool,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT t.id, t.principal, t.label, t.hash, t.expires_at_micros, t.scope, \
             t.made_with, t.first_admin, c.at_micros AS created_at_micros, c.actor, \
             e.at_micros AS revoked_at_micros FROM tokens t \
             JOIN events c ON c.seq = t.seq \
             LEFT JOIN token_revocations r ON r.token = t.id \
             LEFT JOIN events e ON e.seq = r.seq \
             WHERE t.seq <= (SELECT m.journaled_seq FROM meta m WHERE m.id = 1) AND ",
            $condition
        )
    };
}

impl Catalog {
    /// The token called `id`: one read, by index.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_token(&self, id: TokenId) -> Result<Option<TokenRecord>> {
        let mut connection = self.connection().await?;
        let select = query(select!("t.id = $1")).bind(id.to_string());
        select.fetch_optional(&mut connection).await?.as_ref().map(from_row).transpose()
    }

    /// The tokens of one principal, or of all, the newest first; revoked and expired ones too.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn tokens(&self, of: Option<&PrincipalName>) -> Result<Vec<TokenRecord>> {
        let mut connection = self.connection().await?;
        let select = match of {
            Some(principal) => query(select!("t.principal = $1 ORDER BY t.seq DESC, t.id"))
                .bind(principal.as_str()),
            None => query(select!("1 = 1 ORDER BY t.seq DESC, t.id")),
        };
        select.fetch_all(&mut connection).await?.iter().map(from_row).collect()
    }

    /// Whether a token was ever made.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn has_tokens(&self) -> Result<bool> {
        let mut connection = self.connection().await?;
        let any = query("SELECT t.seq FROM tokens t LIMIT 1").fetch_optional(&mut connection);
        Ok(any.await?.is_some())
    }
}

fn from_row(row: &Row) -> Result<TokenRecord> {
    let scope = row.optional_text("scope")?;
    let scope = scope.map(|scope| serde_json::from_str(&scope)).transpose();
    let made_with = row.optional_text("made_with")?;
    let made_with = made_with.map(|id| id.parse()).transpose();
    Ok(TokenRecord {
        id: row.parsed("id")?,
        principal: row.parsed("principal")?,
        label: row.optional_text("label")?,
        hash: row.parsed("hash")?,
        created_at: row.time("created_at_micros")?,
        created_by: row.text("actor")?,
        expires_at: row.time("expires_at_micros")?,
        scope: scope.map_err(|error| Error::damaged("a token's scope".to_owned(), error))?,
        made_with: made_with.map_err(|error| Error::damaged("a token's id".to_owned(), error))?,
        first_admin: row.number("first_admin")? != 0,
        revoked_at: row
            .optional_number("revoked_at_micros")?
            .map(|micros| Timestamp::from_micros(saturate(micros))),
    })
}

/// The projection of `token_created`. A token made with another needs that one to be good still, so
/// that revoking a token and all made with it misses none.
pub(crate) async fn create(
    connection: &mut Connection,
    seq: u64,
    token: &TokenCreated,
) -> Result<()> {
    let invalid = |flaw| Error::invalid(seq, flaw);
    token
        .label
        .as_deref()
        .map_or(Ok(()), |label| check_text("a token's label", label))
        .map_err(invalid)?;
    if let Some(made_with) = token.made_with {
        require_good(connection, made_with).await?;
    }
    let scope = token.scope.as_ref().map(serde_json::to_string).transpose();
    let scope = scope.map_err(|error| Error::invalid(seq, error))?;
    query(
        "INSERT INTO tokens (id, principal, label, hash, expires_at_micros, scope, made_with, \
         first_admin, seq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(token.token.to_string())
    .bind(token.principal.as_str())
    .bind(&token.label)
    .bind(token.hash.to_string())
    .bind(token.expires_at)
    .bind(&scope)
    .bind(&token.made_with.map(|id| id.to_string()))
    .bind(i64::from(token.first_admin))
    .bind(saturate(seq))
    .execute(connection)
    .await
    .map_err(|error| match error.is_unique_violation() {
        true => invalid(Flaw::TokenTwice { token: token.token }),
        false => error,
    })?;
    Ok(())
}

/// The projection of `token_revoked`. Revoking again changes nothing.
pub(crate) async fn revoke(
    connection: &mut Connection,
    seq: u64,
    revoked: &TokenRevoked,
) -> Result<()> {
    let id = revoked.token.to_string();
    let found = query("SELECT t.seq FROM tokens t WHERE t.id = $1").bind(&id);
    if found.fetch_optional(connection).await?.is_none() {
        return Err(Error::NotFound { entity: Entity::Token(revoked.token) });
    }
    let insert = match revoked.and_made_with_it {
        false => query(
            "INSERT INTO token_revocations (token, seq) VALUES ($1, $2) \
             ON CONFLICT (token) DO NOTHING",
        ),
        // `WHERE 1 = 1` tells SQLite that `ON CONFLICT` is no join's condition.
        true => query(
            "WITH RECURSIVE below (id) AS (SELECT t.id FROM tokens t WHERE t.id = $1 \
             UNION SELECT t.id FROM tokens t JOIN below b ON t.made_with = b.id) \
             INSERT INTO token_revocations (token, seq) SELECT b.id, $2 FROM below b WHERE 1 = 1 \
             ON CONFLICT (token) DO NOTHING",
        ),
    };
    insert.bind(&id).bind(saturate(seq)).execute(connection).await?;
    Ok(())
}

async fn require_good(connection: &mut Connection, id: TokenId) -> Result<()> {
    let row = query(
        "SELECT t.seq, r.seq AS revoked FROM tokens t \
         LEFT JOIN token_revocations r ON r.token = t.id WHERE t.id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await?;
    let row = row.ok_or(Error::NotFound { entity: Entity::Token(id) })?;
    match row.optional_number("revoked")? {
        None => Ok(()),
        Some(seq) => Err(Error::Conflict {
            entity: Entity::Token(id),
            expected: "not revoked".to_owned(),
            found: format!("revoked by event {seq}"),
        }),
    }
}
