//! An OpenID Connect issuer for tests: keys of every kind, and tokens signed with them, rightly or not.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
    },
};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "lakebed";

/// Made for these tests and used nowhere else; `ring` makes no RSA keys.
const RSA: &[u8] = include_bytes!("../data/rsa-issuer.pk8");
const RSA_OF_A_STRANGER: &[u8] = include_bytes!("../data/rsa-stranger.pk8");

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One key of each kind.
pub(crate) struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

/// The issuer's.
pub(crate) static OURS: LazyLock<Keys> = LazyLock::new(|| Keys::new(RSA));
/// Somebody else's.
pub(crate) static THEIRS: LazyLock<Keys> = LazyLock::new(|| Keys::new(RSA_OF_A_STRANGER));

impl Keys {
    fn new(rsa: &[u8]) -> Self {
        let random = SystemRandom::new();
        let curve = |algorithm: &'static EcdsaSigningAlgorithm| {
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
        };
        let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            rsa: RsaKeyPair::from_pkcs8(rsa).unwrap(),
            p256: curve(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: curve(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed25519: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap(),
        }
    }

    pub(crate) fn rsa_jwk(&self, kid: &str) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        json!({
            "kty": "RSA", "kid": kid, "use": "sig",
            "n": base64(public.n),
            "e": base64(public.e),
        })
    }

    fn curve_jwk(kid: &str, curve: &str, key: &EcdsaKeyPair) -> Value {
        let point = &key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({"kty": "EC", "kid": kid, "crv": curve, "x": base64(x), "y": base64(y)})
    }

    /// The set of keys: `rsa`, `p256`, `p384` and `ed`; `rs512`, the RSA key for RS512 alone; and
    /// some that can verify nothing.
    pub(crate) fn jwks(&self) -> Value {
        let mut bound = self.rsa_jwk("rs512");
        bound["alg"] = json!("RS512");
        let mut encrypts = self.rsa_jwk("enc");
        encrypts["use"] = json!("enc");
        let mut weak = self.rsa_jwk("weak");
        weak["n"] = json!(base64([0xff; 128]));
        let ed = base64(self.ed25519.public_key());
        json!({"keys": [
            self.rsa_jwk("rsa"),
            bound,
            encrypts,
            weak,
            Self::curve_jwk("p256", "P-256", &self.p256),
            Self::curve_jwk("p384", "P-384", &self.p384),
            {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": ed},
            {"kty": "oct", "kid": "secret", "k": base64(b"a shared secret of 32 bytes or so")},
            {"kty": "EC", "kid": "odd", "crv": "secp256k1", "x": "AA", "y": "AA"},
        ]})
    }

    /// The public key as a certificate authority would hand it out: DER (PKCS #1), and PEM around it.
    pub(crate) fn rsa_public_der(&self) -> Vec<u8> {
        self.rsa.public().as_ref().to_vec()
    }

    pub(crate) fn rsa_public_pem(&self) -> String {
        use base64::engine::general_purpose::STANDARD;
        let body = STANDARD.encode(self.rsa_public_der());
        format!("-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----\n")
    }

    /// The signature of `message` by the algorithm that a header calls so.
    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn signature::RsaEncoding| {
            let mut bytes = vec![0; self.rsa.public().modulus_len()];
            self.rsa.sign(encoding, &random, message, &mut bytes).unwrap();
            bytes
        };
        match algorithm {
            "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
            "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
            "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
            "PS256" => rsa(&signature::RSA_PSS_SHA256),
            "PS384" => rsa(&signature::RSA_PSS_SHA384),
            "PS512" => rsa(&signature::RSA_PSS_SHA512),
            "ES256" => self.p256.sign(&random, message).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, message).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed25519.sign(message).as_ref().to_vec(),
            other => panic!("no such algorithm: {other}"),
        }
    }

    /// A token of `header` and `claims`, signed as the header says.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string(), header["alg"].as_str().unwrap())
    }

    /// The same of any texts, signed by `algorithm` whatever the header says.
    pub(crate) fn token_of(&self, header: &str, claims: &str, algorithm: &str) -> String {
        let message = message(header, claims);
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", base64(signature))
    }
}

pub(crate) fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", base64(header), base64(claims))
}

/// A token "signed" with what everybody knows.
pub(crate) fn hmac_token(algorithm: &str, key: &[u8], kid: &str, claims: &Value) -> String {
    let header = json!({"alg": algorithm, "kid": kid});
    let message = message(&header.to_string(), &claims.to_string());
    let with = match algorithm {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let tag = hmac::sign(&hmac::Key::new(with, key), message.as_bytes());
    format!("{message}.{}", base64(tag))
}

/// What the issuer says of alice at `now`: good for longer than any test.
pub(crate) fn claims(now: i64) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "nbf": now, "exp": now + 100_000,
        "groups": ["analysts"], "region": "EU",
    })
}
