//! API tokens: making, proving, listing and revoking them.
//!
//! Proving is one indexed read of the catalog, each time, and is never cached: a revocation holds at
//! once, on every server (D-45). A caller makes tokens for itself alone, with no more than it has:
//! no larger scope, and not for longer than the token that it shows. Who may `admin` the lake makes
//! and revokes them for others.

use std::collections::BTreeSet;

use lakebed_catalog::{Commit, TokenRecord};
use lakebed_core::{
    Action, EventBody, Identity, PrincipalName, SecretToken, Standing, Target, Timestamp,
    TokenCreated, TokenId, TokenRevoked, TokenScope,
};

use crate::{Ctx, Error, Lake, Result};

/// How long a token is good when nobody says.
pub const DEFAULT_TOKEN_DAYS: u32 = 30;
/// How long a token is good at most.
pub const MAX_TOKEN_DAYS: u32 = 366;
/// The principal of the first admin token.
const FIRST_ADMIN: &str = "admin";
/// Who makes it: nobody else can be called so by a credential.
const FIRST_START: &str = "local";
/// Makes it once in the life of a lake.
const FIRST_KEY: &str = "first-admin-token";
const DAY_MICROS: i64 = 86_400_000_000;

/// The token that a caller showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownToken {
    /// Its public part.
    pub id: TokenId,
    /// It is good before this time.
    pub expires_at: Timestamp,
}

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenRequest {
    /// Who is to hold it; the caller when unsaid.
    pub principal: Option<PrincipalName>,
    /// What to call it.
    pub label: Option<String>,
    /// For how long; [`DEFAULT_TOKEN_DAYS`] when unsaid.
    pub days: Option<u32>,
    /// What it is to be good for, at most; as much as the caller's own when unsaid.
    pub scope: Option<TokenScope>,
    /// Whether its holder may `admin` the lake, whatever is declared.
    pub first_admin: bool,
}

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedToken {
    /// Its holder, within its scope.
    pub identity: Identity,
    /// The token.
    pub token: ShownToken,
}

/// Why a token proves nothing. For the log: callers learn only that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// This lake never made it.
    Unknown,
    /// It was made, with another secret.
    WrongSecret,
    /// Its time is over.
    Expired,
    /// Somebody took it back.
    Revoked,
}

impl TokenRefusal {
    /// One sentence without a value.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "no such token was made in this lake",
            Self::WrongSecret => "its secret is not the one that was made",
            Self::Expired => "the token has expired",
            Self::Revoked => "the token was revoked",
        }
    }
}

impl Lake {
    /// Who holds `token`, if it is one of this lake's and still good.
    ///
    /// # Errors
    /// When the catalog cannot be read: nobody can tell then.
    pub async fn prove_token(
        &self,
        token: &SecretToken,
    ) -> Result<Result<ProvedToken, TokenRefusal>> {
        let found = self.inner.catalog.find_token(token.id()).await?;
        Ok(judge(found, token, self.now()))
    }

    /// Whether anybody can be known here: from the first token or the first declared catalog on.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn knows_people(&self) -> Result<bool> {
        let catalog = &self.inner.catalog;
        Ok(catalog.has_tokens().await? || catalog.declaration().await?.is_some())
    }

    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for more than the caller has; [`Error::Invalid`].
    pub async fn create_token(
        &self,
        ctx: &Ctx,
        request: TokenRequest,
    ) -> Result<(SecretToken, TokenRecord)> {
        let now = self.now();
        let may_admin = self.may_admin(ctx).await?;
        let secret = draw_token()?;
        let body = plan_token(ctx, may_admin, request, &secret, now)?;
        let committed = self
            .commit_events(Commit {
                actor: ctx.actor().to_owned(),
                at: now,
                idempotency_key: ctx.idempotency_key.clone(),
                changes: vec![EventBody::TokenCreated(body)],
            })
            .await?;
        if committed.replayed {
            return Err(Error::Invalid {
                code: "token-already-made",
                message: "a token was made under this idempotency key, and shown then".to_owned(),
                hint: Some("make another under another key, and revoke the lost one".to_owned()),
            });
        }
        let record = self.inner.catalog.find_token(secret.id()).await?;
        record.map(|record| (secret, record)).ok_or_else(|| missing(None))
    }

    /// The caller's tokens, or everybody's, the newest first. A credential with a scope stands for itself
    /// alone: it sees the token that was shown, and those that were made with it.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody's without `admin`.
    pub async fn tokens(&self, ctx: &Ctx, everybodys: bool) -> Result<Vec<TokenRecord>> {
        if everybodys && !self.may_admin(ctx).await? {
            return Err(forbidden("only who may `admin` the lake sees the tokens of others"));
        }
        let of = (!everybodys).then_some(&ctx.identity.principal);
        let mut tokens = self.inner.catalog.tokens(of).await?;
        if !everybodys && ctx.identity.scope.is_some() {
            let own = own_tokens(ctx, &tokens);
            tokens.retain(|token| own.contains(&token.id));
        }
        Ok(tokens)
    }

    /// Takes a token back, with all that were made with it where that is asked for. From when this
    /// returns it proves nothing, on any server. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], for tokens that [`Self::tokens`] does not list as well.
    pub async fn revoke_token(
        &self,
        ctx: &Ctx,
        id: TokenId,
        and_made_with_it: bool,
    ) -> Result<TokenRecord> {
        let found = self.inner.catalog.find_token(id).await?;
        let is_theirs = match self.may_admin(ctx).await? {
            true => found.is_some(),
            false => self.tokens(ctx, false).await?.iter().any(|token| token.id == id),
        };
        let found = found.filter(|_| is_theirs).ok_or_else(|| missing(Some(id)))?;
        if found.revoked_at.is_some() && !and_made_with_it {
            return Ok(found);
        }
        let revoked = TokenRevoked { token: id, and_made_with_it };
        self.commit_events(Commit {
            actor: ctx.actor().to_owned(),
            at: self.now(),
            idempotency_key: ctx.idempotency_key.clone(),
            changes: vec![EventBody::TokenRevoked(revoked)],
        })
        .await?;
        self.inner.catalog.find_token(id).await?.ok_or_else(|| missing(Some(id)))
    }

    /// Makes the token with which somebody can begin to say who may do what: once in the life of a
    /// lake, however many servers start. None when there is a token already.
    ///
    /// # Errors
    /// When catalog or store cannot be written.
    pub async fn create_first_admin_token(&self) -> Result<Option<(SecretToken, Timestamp)>> {
        if self.inner.catalog.has_tokens().await? {
            return Ok(None);
        }
        let now = self.now();
        let secret = draw_token()?;
        let expires_at = after(now, DEFAULT_TOKEN_DAYS);
        let body = TokenCreated {
            token: secret.id(),
            principal: FIRST_ADMIN.parse().expect("a principal: it is a plain word"),
            label: Some("the first start".to_owned()),
            hash: secret.hash(),
            expires_at,
            scope: None,
            made_with: None,
            first_admin: true,
        };
        let committed = self
            .commit_events(Commit {
                actor: FIRST_START.to_owned(),
                at: now,
                idempotency_key: Some(FIRST_KEY.to_owned()),
                changes: vec![EventBody::TokenCreated(body)],
            })
            .await?;
        // Another server was first, and has shown its own.
        Ok((!committed.replayed).then_some((secret, expires_at)))
    }

    /// Whether the caller may say who may do what.
    async fn may_admin(&self, ctx: &Ctx) -> Result<bool> {
        Ok(self.rights(ctx).await?.allows(Action::Admin, &Target::Lake))
    }

    /// Commits, and waits until it can never be lost and everybody sees it.
    async fn commit_events(&self, commit: Commit) -> Result<lakebed_catalog::Committed> {
        let committed = self.inner.catalog.commit(commit).await?;
        self.inner.journal.publish_through(committed.last_seq()).await?;
        Ok(committed)
    }
}

fn judge(
    found: Option<TokenRecord>,
    token: &SecretToken,
    now: Timestamp,
) -> Result<ProvedToken, TokenRefusal> {
    let found = found.ok_or(TokenRefusal::Unknown)?;
    // In constant time; first, so that only who knows the secret learns the rest even from the log.
    if found.hash != token.hash() {
        return Err(TokenRefusal::WrongSecret);
    }
    if found.revoked_at.is_some() {
        return Err(TokenRefusal::Revoked);
    }
    if now >= found.expires_at {
        return Err(TokenRefusal::Expired);
    }
    let mut identity = Identity::of(found.principal);
    identity.scope = found.scope;
    if found.first_admin {
        identity.standing = Standing::FirstAdmin;
    }
    Ok(ProvedToken { identity, token: ShownToken { id: found.id, expires_at: found.expires_at } })
}

/// Of these tokens, newest first, the one that was shown and all that were made with it.
fn own_tokens(ctx: &Ctx, tokens: &[TokenRecord]) -> BTreeSet<TokenId> {
    let mut own: BTreeSet<TokenId> = ctx.token.iter().map(|token| token.id).collect();
    // A token is older than those that were made with it.
    for token in tokens.iter().rev() {
        if token.made_with.is_some_and(|maker| own.contains(&maker)) {
            own.insert(token.id);
        }
    }
    own
}

/// What the caller may make of its request.
fn plan_token(
    ctx: &Ctx,
    may_admin: bool,
    request: TokenRequest,
    secret: &SecretToken,
    now: Timestamp,
) -> Result<TokenCreated> {
    let TokenRequest { principal, label, days, scope, first_admin } = request;
    let principal = principal.unwrap_or_else(|| ctx.identity.principal.clone());
    check_principal(ctx, may_admin, &principal)?;
    if first_admin && ctx.identity.standing == Standing::Ordinary {
        return Err(forbidden("only who owns the lake, or holds such a token, makes one"));
    }
    check_label(label.as_deref())?;
    let days = days.unwrap_or(DEFAULT_TOKEN_DAYS);
    if !(1..=MAX_TOKEN_DAYS).contains(&days) {
        return Err(Error::Invalid {
            code: "token-lifetime",
            message: format!("a token is good for 1 to {MAX_TOKEN_DAYS} days, not {days}"),
            hint: None,
        });
    }
    let own_end = ctx.token.map_or(Timestamp::from_micros(i64::MAX), |token| token.expires_at);
    Ok(TokenCreated {
        token: secret.id(),
        hash: secret.hash(),
        expires_at: after(now, days).min(own_end),
        scope: narrowed(ctx.identity.scope.as_ref(), scope)?,
        made_with: ctx.token.map(|token| token.id),
        principal,
        label,
        first_admin,
    })
}

fn check_label(label: Option<&str>) -> Result<()> {
    let fits = |text: &str| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
    match label.is_none_or(fits) {
        true => Ok(()),
        false => Err(Error::Invalid {
            code: "token-label",
            message: "a token's label is 1 to 255 bytes without control characters".to_owned(),
            hint: None,
        }),
    }
}

fn check_principal(ctx: &Ctx, may_admin: bool, principal: &PrincipalName) -> Result<()> {
    let name = principal.as_str();
    if name == "local" || name == "anonymous@loopback" || name.starts_with("local:") {
        return Err(Error::Invalid {
            code: "token-principal",
            message: format!("`{name}` is who works on the lake itself, and needs no token"),
            hint: Some("say for whom the token is, as in `--for alice`".to_owned()),
        });
    }
    if *principal != ctx.identity.principal && !may_admin {
        return Err(forbidden("only who may `admin` the lake makes tokens for others"));
    }
    Ok(())
}

/// The scope of a token made by a caller of scope `own`.
fn narrowed(own: Option<&TokenScope>, asked: Option<TokenScope>) -> Result<Option<TokenScope>> {
    let (Some(own), Some(asked)) = (own, &asked) else { return Ok(asked.or(own.cloned())) };
    match own.covers(asked) {
        true => Ok(Some(asked.clone())),
        false => Err(forbidden("the scope asked for is larger than that of the token shown")),
    }
}

fn after(now: Timestamp, days: u32) -> Timestamp {
    Timestamp::from_micros(now.as_micros().saturating_add(i64::from(days) * DAY_MICROS))
}

fn forbidden(message: &str) -> Error {
    Error::Forbidden { message: message.to_owned() }
}

fn missing(id: Option<TokenId>) -> Error {
    let id = id.map_or_else(|| "the new one".to_owned(), |id| format!("`{id}`"));
    Error::NotFound {
        message: format!("there is no token {id}"),
        hint: Some("`lakebed token ls` lists your tokens".to_owned()),
    }
}

fn draw_token() -> Result<SecretToken> {
    let (mut id, mut secret) = ([0; 8], [0; 32]);
    for bytes in [&mut id[..], &mut secret[..]] {
        getrandom::fill(bytes).map_err(|error| Error::Internal { source: Box::new(error) })?;
    }
    Ok(SecretToken::from_random(id, secret))
}
