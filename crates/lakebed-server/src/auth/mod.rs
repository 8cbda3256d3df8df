//! Who asks: proved once, before a request reaches any resource.
//!
//! A credential is an API token of this lake or a JSON Web Token of a configured issuer. Whatever is
//! wrong with it, the answer is one constant 401: its sender learns nothing but that it proved
//! nothing. The reason is in the log, which never has the credential. What a proved caller may do is
//! not decided here.

mod bearer;
mod issuer;
mod jwks;
mod jwt;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::HeaderMap;
use lakebed_core::{Identity, SecretToken, Timestamp};
use lakebed_service::{Error, Lake, ShownToken};

use self::{
    bearer::bearer,
    issuer::{Issuer, IssuerError, check_together},
    jwt::{Refusal, Unproved},
};
pub use self::{
    issuer::{OidcConfig, OidcError},
    jwks::{KeyPace, KeySource},
    jwt::{Algorithm, AlgorithmError},
};

/// Whether a server asks its callers who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asks {
    /// Not while nobody is known: from the lake's first token or declared catalog on (D-47).
    #[default]
    OncePeopleAreKnown,
    /// Always.
    Always,
    /// Never: whoever reaches the port owns the lake.
    Never,
}

/// How a server proves who its callers are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    asks: Asks,
    issuers: Vec<Issuer>,
    /// Once true, for ever true: events are never taken back.
    people_are_known: AtomicBool,
}

/// Who asks, and what proved it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) identity: Arc<Identity>,
    pub(crate) credential: Credential,
}

/// What proved who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Being here: in this process, or on this machine before anybody is known.
    Presence,
    /// A token of this lake.
    Token(ShownToken),
    /// A token of an issuer.
    Oidc { issuer: Arc<str>, expires_at: Timestamp },
}

impl Caller {
    /// Whoever is here, where nobody is asked.
    pub(crate) fn present(identity: &Arc<Identity>) -> Self {
        Self { identity: Arc::clone(identity), credential: Credential::Presence }
    }
}

impl Credential {
    /// The token of this lake, if it was one.
    pub(crate) const fn token(&self) -> Option<ShownToken> {
        match self {
            Self::Token(token) => Some(*token),
            Self::Presence | Self::Oidc { .. } => None,
        }
    }
}

/// Why nobody was proved.
#[derive(Debug)]
pub(crate) enum AuthError {
    /// The credential proves nothing; the reason is for the log.
    Refused(Refusal),
    /// Nobody can tell right now.
    Unavailable(Error),
}

impl From<Refusal> for AuthError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Default for Auth {
    /// No issuers; asks once people are known.
    fn default() -> Self {
        Self::with(Asks::default(), Vec::new())
    }
}

impl Auth {
    /// Proves callers by the lake's tokens and those of `issuers`; with issuers it always asks.
    ///
    /// # Errors
    /// [`OidcError`] names the issuer that cannot be used, and why.
    pub fn new(asks: Asks, issuers: Vec<OidcConfig>) -> Result<Self, OidcError> {
        check_together(&issuers)?;
        let asks = match asks {
            Asks::OncePeopleAreKnown if !issuers.is_empty() => Asks::Always,
            asks => asks,
        };
        let issuers = issuers.into_iter().map(Issuer::new).collect::<Result<_, _>>()?;
        Ok(Self::with(asks, issuers))
    }

    fn with(asks: Asks, issuers: Vec<Issuer>) -> Self {
        Self { inner: Arc::new(Inner { asks, issuers, people_are_known: AtomicBool::new(false) }) }
    }

    /// Whether every caller is asked, now and later: what listening off loopback takes.
    #[must_use]
    pub fn always_asks(&self) -> bool {
        self.inner.asks == Asks::Always
    }

    /// Whether it is known without looking that callers are asked.
    pub(crate) fn surely_asks(&self) -> bool {
        self.always_asks() || self.inner.people_are_known.load(Ordering::Acquire)
    }

    /// Whether callers are asked. While they are not, each request looks whether the lake has got to
    /// know people, so that one server's first token closes every other server at once.
    ///
    /// # Errors
    /// When the lake's catalog cannot be read.
    pub async fn asks(&self, lake: &Lake) -> Result<bool, Error> {
        if self.surely_asks() {
            return Ok(true);
        }
        if self.inner.asks == Asks::Never {
            return Ok(false);
        }
        let known = lake.knows_people().await?;
        if known {
            self.inner.people_are_known.store(true, Ordering::Release);
        }
        Ok(known)
    }

    /// Who sends a request with these headers.
    pub(crate) async fn prove(
        &self,
        lake: &Lake,
        headers: &HeaderMap,
    ) -> Result<Caller, AuthError> {
        let text = bearer(headers)?;
        match SecretToken::is_meant_by(text) {
            true => prove_token(lake, text).await,
            false => self.prove_jwt(lake, text).await,
        }
    }

    async fn prove_jwt(&self, lake: &Lake, text: &str) -> Result<Caller, AuthError> {
        if self.inner.issuers.is_empty() {
            return Err(Refusal("it is no token of this lake, and no issuer is configured").into());
        }
        let token = Unproved::parse(text)?;
        let named = token.claimed_issuer().ok_or(Refusal("it names no issuer"))?;
        let issuer = self.inner.issuers.iter().find(|issuer| issuer.name() == named);
        let issuer = issuer.ok_or(Refusal("its issuer is not configured"))?;
        let now = lake.now().as_micros().div_euclid(1_000_000);
        match issuer.prove(&token, now).await {
            Ok((identity, expires_at)) => Ok(Caller {
                identity: identity.into(),
                credential: Credential::Oidc { issuer: issuer.name().into(), expires_at },
            }),
            Err(IssuerError::Refused(refusal)) => Err(refusal.into()),
            Err(IssuerError::NoKeys) => Err(AuthError::Unavailable(Error::Unavailable {
                message: "the keys of an issuer cannot be loaded".to_owned(),
                source: format!("no keys of `{}` yet", issuer.name()).into(),
            })),
        }
    }
}

async fn prove_token(lake: &Lake, text: &str) -> Result<Caller, AuthError> {
    let token: SecretToken =
        text.parse().map_err(|_| Refusal("its form or its checksum is not a token's"))?;
    let proved = lake.prove_token(&token).await.map_err(AuthError::Unavailable)?;
    let proved = proved.map_err(|refusal| Refusal(refusal.reason()))?;
    let credential = Credential::Token(proved.token);
    Ok(Caller { identity: proved.identity.into(), credential })
}
