//! Signature algorithms: a closed list. `none` and every HMAC are not on it and cannot be put there.

use std::{fmt, str::FromStr};

use ring::signature::{self, RsaParameters, VerificationAlgorithm};

/// A way to sign with a private key that a public key verifies (RFC 7518, RFC 8037).
///
/// A shared secret is no proof here: whoever can verify such a signature can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in a token's header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// For an RSA key; none for the others. Keys of fewer than 2048 bits are refused by it.
    pub(super) fn of_rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }

    /// For a key on this curve, as JWK names it; none where they do not belong together.
    pub(super) fn of_curve(self, curve: &str) -> Option<&'static dyn VerificationAlgorithm> {
        match (self, curve) {
            (Self::Es256, "P-256") => Some(&signature::ECDSA_P256_SHA256_FIXED),
            (Self::Es384, "P-384") => Some(&signature::ECDSA_P384_SHA384_FIXED),
            (Self::EdDsa, "Ed25519") => Some(&signature::ED25519),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA: others are never accepted"
)]
pub struct AlgorithmError;

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// Exactly as written in a header: `Rs256` and `none` are no algorithms.
    fn from_str(text: &str) -> Result<Self, AlgorithmError> {
        Self::ALL.into_iter().find(|known| known.name() == text).ok_or(AlgorithmError)
    }
}
