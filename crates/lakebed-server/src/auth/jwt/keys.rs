//! An issuer's public keys, from its JWK set (RFC 7517).
//!
//! A key verifies what fits its own type, curve and declared algorithm, whatever a token's header
//! says. Keys that cannot verify anything (secrets, keys for encryption, unknown curves) are left out
//! of the set; they do not spoil the rest.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};

use super::{Algorithm, json::parse_object};

/// More keys than this are no issuer's set.
const MAX_KEYS: usize = 100;

/// The keys of one issuer.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    /// How headers name it: compared, never followed.
    kid: Option<String>,
    /// The only algorithm it is for, where its issuer says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The curve as JWK names it; the point as `ring` takes it.
    Point {
        curve: &'static str,
        point: Vec<u8>,
    },
}

/// Why no key spoke for a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSigned {
    /// The set has no such key: a newer set may.
    NoSuchKey,
    /// A key was found and the signature is not its own.
    WrongSignature,
}

impl KeySet {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// Says what is wrong when it is none, or when no key in it can verify a signature.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let set = parse_object(bytes).ok_or("it is not a JSON object with unique names")?;
        let listed = set.get("keys").and_then(Value::as_array).ok_or("it has no list `keys`")?;
        if listed.len() > MAX_KEYS {
            return Err("it has more than 100 keys");
        }
        let keys: Vec<Key> = listed.iter().filter_map(Key::parse).collect();
        match keys.is_empty() {
            true => Err("none of its keys can verify a signature"),
            false => Ok(Self { keys }),
        }
    }

    /// How many keys can verify.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Checks `signature` with the keys called `kid`; without a name, with the only key that fits.
    pub(crate) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), NotSigned> {
        let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm));
        match kid {
            Some(_) => {
                let mut named = fitting.filter(|key| key.kid.as_deref() == kid).peekable();
                if named.peek().is_none() {
                    return Err(NotSigned::NoSuchKey);
                }
                match named.any(|key| key.material.verify(algorithm, message, signature)) {
                    true => Ok(()),
                    false => Err(NotSigned::WrongSignature),
                }
            }
            None => match (fitting.next(), fitting.next()) {
                (Some(only), None) if only.material.verify(algorithm, message, signature) => Ok(()),
                (Some(_), None) => Err(NotSigned::WrongSignature),
                _ => Err(NotSigned::NoSuchKey),
            },
        }
    }
}

impl Key {
    /// None for what cannot verify.
    fn parse(value: &Value) -> Option<Self> {
        let jwk = value.as_object()?;
        let is_for_signing = match (jwk.get("use"), jwk.get("key_ops")) {
            (Some(usage), _) if usage != "sig" => false,
            (_, Some(operations)) => operations.as_array()?.iter().any(|word| word == "verify"),
            _ => true,
        };
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(name.as_str()?.parse().ok()?),
        };
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str()?.to_owned()),
        };
        let key = Self { kid, algorithm, material: Material::parse(jwk)? };
        is_for_signing.then_some(key)
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|declared| declared == algorithm) && self.material.fits(algorithm)
    }
}

impl Material {
    fn parse(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name)?.as_str();
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        match (text("kty")?, text("crv")) {
            ("RSA", _) => Self::rsa(bytes("n")?, bytes("e")?),
            ("EC", Some("P-256")) => Self::on_curve("P-256", &bytes("x")?, &bytes("y")?, 32),
            ("EC", Some("P-384")) => Self::on_curve("P-384", &bytes("x")?, &bytes("y")?, 48),
            ("OKP", Some("Ed25519")) => {
                let point = bytes("x").filter(|point| point.len() == 32)?;
                Some(Self::Point { curve: "Ed25519", point })
            }
            _ => None,
        }
    }

    /// At least 2048 bits, as the algorithms require.
    fn rsa(mut n: Vec<u8>, mut e: Vec<u8>) -> Option<Self> {
        for number in [&mut n, &mut e] {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number.drain(..zeros);
        }
        let is_usable = (256..=1024).contains(&n.len()) && !e.is_empty();
        is_usable.then_some(Self::Rsa { n, e })
    }

    /// Both coordinates have the curve's full length (RFC 7518, section 6.2.1).
    fn on_curve(curve: &'static str, x: &[u8], y: &[u8], length: usize) -> Option<Self> {
        const UNCOMPRESSED: u8 = 4;
        let is_whole = x.len() == length && y.len() == length;
        is_whole.then(|| Self::Point { curve, point: [&[UNCOMPRESSED], x, y].concat() })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => algorithm.of_rsa().is_some(),
            Self::Point { curve, .. } => algorithm.of_curve(curve).is_some(),
        }
    }

    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { n, e } => algorithm.of_rsa().is_some_and(|parameters| {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }),
            Self::Point { curve, point } => algorithm.of_curve(curve).is_some_and(|algorithm| {
                UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
            }),
        }
    }
}
