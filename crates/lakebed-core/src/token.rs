//! API tokens: what a principal shows to prove who it is, and the little of it that is kept.
//!
//! A token is `lkb_<id>_<secret>_<checksum>`: 16, 64 and 8 lower-case hex digits. The id names it in
//! the catalog and in logs. The secret is 256 random bits, shown once; only its digest is stored. The
//! checksum lets a scanner of source code tell a leaked token from a text that looks like one, without
//! asking anybody; it proves nothing.
//!
//! The digest is a plain, fast one ([`TokenHash`]): slow password hashes make guessing costly, and
//! nobody guesses 256 random bits. Decision D-45.

use std::{fmt, str::FromStr};

use crate::serde_text::serde_as_text;

/// What every token begins with.
const PREFIX: &str = "lkb_";
/// Digits of the three parts.
const DIGITS: [usize; 3] = [16, 64, 8];
/// Keeps digests of secrets apart from every other use of BLAKE3.
const CONTEXT: &str = "lakebed 2026-11 api token secret";

/// The public part of a token: names it in the catalog, in lists and in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; 8]);

/// The digest of a secret; what is stored in its place. Compared in constant time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(blake3::Hash);

/// A whole token. Neither `Debug` nor an error shows its secret; [`SecretToken::reveal`] does.
#[derive(Clone)]
pub struct SecretToken {
    id: TokenId,
    secret: [u8; 32],
}

/// A text that is no token of this form. Says nothing of the text: it may hold half a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not `lkb_` and three parts of hex digits.
    #[error("not a token: expected `lkb_` and three groups of 16, 64 and 8 lower-case hex digits")]
    Form,
    /// The last group does not fit to those before.
    #[error("the token's checksum does not match: a part of it is missing or mistyped")]
    Checksum,
}

impl SecretToken {
    /// A token of bits drawn by the caller, who has the generator.
    #[must_use]
    pub const fn from_random(id: [u8; 8], secret: [u8; 32]) -> Self {
        Self { id: TokenId(id), secret }
    }

    /// Whether `text` claims to be a token, well-formed or not.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The token itself: for its owner, once.
    #[must_use]
    pub fn reveal(&self) -> String {
        let body = format!("{PREFIX}{}_{}", self.id, Hex(&self.secret));
        let checksum = checksum_of(&body);
        format!("{body}_{checksum}")
    }

    /// Its public part.
    #[must_use]
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// What is stored of it. Binds the secret to its id.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.id.0);
        hasher.update(&self.secret);
        TokenHash(hasher.finalize())
    }
}

impl fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretToken({}, …)", self.id)
    }
}

impl FromStr for SecretToken {
    type Err = TokenError;

    /// One spelling alone is a token: nothing before, between or after its parts.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let rest = text.strip_prefix(PREFIX).ok_or(TokenError::Form)?;
        let mut parts = rest.split('_');
        let mut next = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(is_hex));
            part.ok_or(TokenError::Form)
        };
        let (id, secret, checksum) = (next(DIGITS[0])?, next(DIGITS[1])?, next(DIGITS[2])?);
        if parts.next().is_some() {
            return Err(TokenError::Form);
        }
        let body = &text[..text.len() - 1 - DIGITS[2]];
        if checksum_of(body) != checksum {
            return Err(TokenError::Checksum);
        }
        Ok(Self { id: TokenId(from_hex(id)), secret: from_hex(secret) })
    }
}

/// The first 32 bits of the BLAKE3 digest, so that `b3sum` checks it without us.
fn checksum_of(body: &str) -> String {
    blake3::hash(body.as_bytes()).to_hex()[..DIGITS[2]].to_owned()
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// `text` is `2 * N` lower-case hex digits.
fn from_hex<const N: usize>(text: &str) -> [u8; N] {
    let digit = |byte: u8| if byte <= b'9' { byte - b'0' } else { byte - b'a' + 10 };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
    bytes
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl FromStr for TokenId {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        match text.len() == DIGITS[0] && text.bytes().all(is_hex) {
            true => Ok(Self(from_hex(text))),
            false => Err(TokenError::Form),
        }
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl FromStr for TokenHash {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        match text.len() == 64 && text.bytes().all(is_hex) {
            true => Ok(Self(blake3::Hash::from_bytes(from_hex(text)))),
            false => Err(TokenError::Form),
        }
    }
}

serde_as_text!(TokenId, TokenHash);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn token() -> SecretToken {
        SecretToken::from_random([0x9f; 8], [7; 32])
    }

    #[test]
    fn a_token_has_one_spelling() {
        let text = token().reveal();
        insta::assert_snapshot!(
            text,
            @"lkb_9f9f9f9f9f9f9f9f_0707070707070707070707070707070707070707070707070707070707070707_a361ddc2"
        );
        let read: SecretToken = text.parse().unwrap();
        assert_eq!((read.id(), read.hash()), (token().id(), token().hash()));
        for other in [
            text.to_uppercase(),
            format!(" {text}"),
            format!("{text} "),
            format!("{text}\n"),
            format!("{text}_"),
            format!("{text}_00"),
            text.replace("lkb_", "LKB_"),
            text.replace("lkb_", "lkb_9"),
            text.replace('_', "-"),
            text[..text.len() - 1].to_owned(),
            text[4..].to_owned(),
            "lkb_".to_owned(),
            "lkb___".to_owned(),
            String::new(),
        ] {
            assert_eq!(other.parse::<SecretToken>().unwrap_err(), TokenError::Form, "{other:?}");
        }
    }

    /// A changed digit anywhere is noticed before anybody is asked.
    #[test]
    fn every_changed_digit_breaks_the_checksum() {
        let text = token().reveal();
        for index in 4..text.len() {
            let mut bytes = text.clone().into_bytes();
            if bytes[index] == b'_' {
                continue;
            }
            bytes[index] = if bytes[index] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(changed.parse::<SecretToken>().unwrap_err(), TokenError::Checksum);
        }
    }

    #[test]
    fn the_secret_is_told_by_reveal_alone() {
        let token = token();
        let secret = Hex(&token.secret).to_string();
        assert!(token.reveal().contains(&secret));
        assert!(!format!("{token:?}").contains(&secret[..8]));
        let cut = token.reveal()[..60].parse::<SecretToken>().unwrap_err();
        assert!(!cut.to_string().contains(&secret[..8]));
    }

    /// The stored digest fits one id and one secret.
    #[test]
    fn another_id_or_secret_has_another_hash() {
        let hash = token().hash();
        assert_ne!(SecretToken::from_random([0x9e; 8], [7; 32]).hash(), hash);
        assert_ne!(SecretToken::from_random([0x9f; 8], [6; 32]).hash(), hash);
        assert_eq!(hash.to_string().parse::<TokenHash>().unwrap(), hash);
    }
}
