//! JSON Web Tokens of an OpenID Connect issuer: from text to claims that were proved.
//!
//! Pure: the keys and the time come in. [`Unproved`] is what a stranger sent; only
//! [`Unproved::prove`] makes [`Proved`] of it, and nothing else can. A token's header chooses among
//! the keys that we hold and never says where to find one: `jku`, `x5u`, `x5c` and `jwk` are not
//! read. Every refusal has its reason for the log; the reasons quote nothing of the token.
//!
//! Rules: RFC 7515, RFC 7519, RFC 8725 and OpenID Connect Core 1.0, section 3.1.3.7. Where they
//! leave a choice, the narrow one is taken. Decision D-46.

mod algorithm;
mod claims;
mod json;
mod keys;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

pub use self::algorithm::{Algorithm, AlgorithmError};
pub(crate) use self::{
    claims::{MAX_SKEW, Proved, Rules},
    keys::KeySet,
};
use self::{json::parse_object, keys::NotSigned};

/// The longest token that is looked at, in bytes.
pub(crate) const MAX_TOKEN: usize = 16 << 10;
/// The longest name of a key, in bytes.
const MAX_KID: usize = 256;
/// What a token for an API may call itself (`application/` before it means the same).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// Why a token proves nothing. For the log alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) &'static str);

/// A token that is well-formed. Nobody has checked yet whether it is true.
#[derive(Debug)]
pub(crate) struct Unproved<'a> {
    /// What is signed: header, dot, payload, as sent.
    message: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    kid: Option<String>,
    claims: Map<String, Value>,
}

impl<'a> Unproved<'a> {
    /// Takes a compact JWS apart.
    ///
    /// # Errors
    /// When it is none, is signed in a way that is never accepted, or asks for what we do not know.
    pub(crate) fn parse(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal("it is longer than 16 KiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal("it has not the three parts of a signed token"));
        };
        let message = &token[..header.len() + 1 + payload.len()];
        let header = object_of(header).ok_or(Refusal("its header is no JSON object"))?;
        let algorithm = check_header(&header)?;
        let kid = kid_of(&header)?;
        let claims = object_of(payload).ok_or(Refusal("its payload is no JSON object"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|_| Refusal("its signature is no base64url"))?;
        Ok(Self { message, signature, algorithm, kid, claims })
    }

    /// Who it says has issued it, to find the keys; believed only once they verify it.
    pub(crate) fn claimed_issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// Whether `keys` verify its signature, and `rules` take what it says at `now` (seconds since
    /// 1970).
    ///
    /// # Errors
    /// [`NotProved::NoSuchKey`] is the one that newer keys can mend.
    pub(crate) fn prove(
        &self,
        keys: &KeySet,
        rules: &Rules,
        now: i64,
    ) -> Result<Proved, NotProved> {
        if !rules.algorithms.contains(&self.algorithm) {
            return Err(Refusal("its algorithm is not among those of its issuer").into());
        }
        let message = self.message.as_bytes();
        keys.verify(self.kid.as_deref(), self.algorithm, message, &self.signature)?;
        Ok(rules.check(&self.claims, now)?)
    }
}

/// See [`Unproved::prove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotProved {
    /// The set of keys has none with that name and type.
    NoSuchKey,
    /// It is not true, or not for us, or not now.
    Refused(Refusal),
}

impl From<Refusal> for NotProved {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NotSigned> for NotProved {
    fn from(error: NotSigned) -> Self {
        match error {
            NotSigned::NoSuchKey => Self::NoSuchKey,
            NotSigned::WrongSignature => Refusal("its signature is not that of its issuer").into(),
        }
    }
}

fn object_of(part: &str) -> Option<Map<String, Value>> {
    parse_object(&URL_SAFE_NO_PAD.decode(part).ok()?)
}

fn check_header(header: &Map<String, Value>) -> Result<Algorithm, Refusal> {
    // What changes the meaning of the rest must be understood, or the token refused.
    for name in ["crit", "b64", "enc", "zip", "cty"] {
        if header.contains_key(name) {
            return Err(Refusal("its header asks for an extension, encryption or nesting"));
        }
    }
    if let Some(kind) = header.get("typ") {
        let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
        if !TYPES.contains(&kind.strip_prefix("application/").unwrap_or(&kind)) {
            return Err(Refusal("its type is not that of a token for an API"));
        }
    }
    let name = header.get("alg").and_then(Value::as_str);
    name.and_then(|name| name.parse().ok()).ok_or(Refusal("its algorithm is never accepted"))
}

fn kid_of(header: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() <= MAX_KID => Ok(Some(kid.clone())),
        Some(_) => Err(Refusal("its key's name is no short text")),
    }
}
