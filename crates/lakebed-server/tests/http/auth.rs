//! Who asks: what proves it, what does not, and that nobody learns why.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, response::Redirect, routing::get};
use http::StatusCode;
use lakebed_core::{Identity, ScopeEntry, Target, TokenScope};
use lakebed_server::{
    Access, Algorithm, AppState, Asks, Auth, KeyPace, KeySource, Limits, OidcConfig, router,
};
use lakebed_service::{Ctx, MAX_TOKEN_DAYS, ShownToken, TokenRequest};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    issuer::{AUDIENCE, ISSUER, OURS, THEIRS, base64, claims, hmac_token, message},
    support::{Answer, Door, is},
};

const DAY_MICROS: i64 = 86_400_000_000;

fn seconds(door: &Door) -> i64 {
    door.test.lake.now().as_micros() / 1_000_000
}

/// A server that asks, and trusts one issuer whose keys are in a file.
async fn asking() -> Door {
    asking_with(|config| config).await
}

async fn asking_with(change: impl FnOnce(OidcConfig) -> OidcConfig) -> Door {
    let door = Door::remote().await;
    let keys = door.test.file("keys.json", OURS.jwks().to_string());
    let mut config = OidcConfig::new(ISSUER, AUDIENCE, KeySource::File(keys));
    config.skew = Duration::from_secs(60);
    config.groups_claim = Some("groups".to_owned());
    config.attributes.insert("region".parse().unwrap(), "region".to_owned());
    door.asking(Asks::Always, vec![change(config)])
}

fn owner() -> Ctx {
    Ctx::new(Identity::owner("local".parse().unwrap()), "r")
}

fn request(principal: &str) -> TokenRequest {
    TokenRequest { principal: Some(principal.parse().unwrap()), ..TokenRequest::default() }
}

/// A token of `principal`, made by who owns the lake.
async fn token(door: &Door, principal: &str) -> String {
    let made = door.test.lake.create_token(&owner(), request(principal)).await;
    made.unwrap().0.reveal()
}

impl Door {
    async fn with_credential(&self, method: &str, path: &str, credential: &str) -> Answer {
        let header = format!("authorization: Bearer {credential}");
        let headers = [header.as_str(), "content-type: application/json", "x-request-id: r"];
        self.call(method, path, &headers, Body::empty()).await
    }

    async fn whoami(&self, credential: &str) -> Value {
        self.with_credential("GET", "/v1/whoami", credential).await.json()
    }

    async fn send(&self, method: &str, path: &str, credential: &str, body: &Value) -> Answer {
        let header = format!("authorization: Bearer {credential}");
        let headers = [header.as_str(), "content-type: application/json"];
        self.call(method, path, &headers, body.to_string()).await
    }
}

/// Every signature and form of a good credential.
#[tokio::test]
async fn a_good_credential_says_who_asks() {
    let door = asking().await;
    let now = seconds(&door);
    for (algorithm, kid) in [
        ("RS256", "rsa"),
        ("RS384", "rsa"),
        ("RS512", "rsa"),
        ("RS512", "rs512"),
        ("PS256", "rsa"),
        ("PS384", "rsa"),
        ("PS512", "rsa"),
        ("ES256", "p256"),
        ("ES384", "p384"),
        ("EdDSA", "ed"),
    ] {
        for kind in [json!("JWT"), json!("at+jwt"), json!("application/at+jwt"), json!(null)] {
            let mut header = json!({"alg": algorithm, "kid": kid, "typ": kind});
            if header["typ"].is_null() {
                header.as_object_mut().unwrap().remove("typ");
            }
            let who = door.whoami(&OURS.token(&header, &claims(now))).await;
            assert_eq!(who["principal"], "alice", "{header}");
        }
    }
    let without_kid = OURS.token(&json!({"alg": "EdDSA"}), &claims(now));
    let mut who = door.whoami(&without_kid).await;
    assert!(who["expires_at"].take().is_string());
    insta::assert_json_snapshot!(who, @r#"
    {
      "attributes": {
        "region": "EU"
      },
      "credential": "oidc",
      "expires_at": null,
      "groups": [
        "analysts"
      ],
      "issuer": "https://id.example",
      "principal": "alice",
      "standing": "ordinary"
    }
    "#);
    let mut listed = claims(now);
    listed["aud"] = json!([AUDIENCE]);
    let listed = OURS.token(&json!({"alg": "RS256", "kid": "rsa"}), &listed);
    assert_eq!(door.whoami(&listed).await["principal"], "alice");

    let alice = token(&door, "alice@example.com").await;
    let mut who = door.whoami(&alice).await;
    assert!(who["expires_at"].take().is_string() && alice.contains(who["token"].as_str().unwrap()));
    who["token"].take();
    insta::assert_json_snapshot!(who, @r#"
    {
      "attributes": {},
      "credential": "token",
      "expires_at": null,
      "groups": [],
      "principal": "alice@example.com",
      "standing": "ordinary",
      "token": null
    }
    "#);
    let lower = format!("authorization: bearer {alice}");
    let lower = door.call("GET", "/v1/whoami", &[&lower], "").await;
    assert_eq!(lower.status, 200, "a scheme has no case");
}

/// What was forged, broken or is over, by name.
async fn bad_credentials(door: &Door) -> Vec<(String, Vec<Vec<u8>>)> {
    let now = seconds(door);
    let mut found: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    let mut header = |name: &str, values: &[&[u8]]| {
        found.push((name.to_owned(), values.iter().map(|value| value.to_vec()).collect()));
    };

    // Headers that hold no credential.
    let good = OURS.token(&json!({"alg": "RS256", "kid": "rsa"}), &claims(now));
    let bearer = format!("Bearer {good}");
    header("nothing", &[]);
    header("empty", &[b""]);
    header("scheme alone", &[b"Bearer"]);
    header("scheme and space", &[b"Bearer "]);
    header("another scheme", &[b"Basic YWxpY2U6c2VjcmV0"]);
    header("a made-up scheme", &[format!("Token {good}").as_bytes()]);
    header("no scheme", &[good.as_bytes()]);
    header("two of them", &[bearer.as_bytes(), bearer.as_bytes()]);
    header("a good and a bad one", &[bearer.as_bytes(), b"Basic YWxpY2U6c2VjcmV0"]);
    header("two in one", &[format!("{bearer}, {bearer}").as_bytes()]);
    header("two spaces", &[format!("Bearer  {good}").as_bytes()]);
    header("not ASCII", &[b"Bearer \xc3\xa4\xf0\x9f\x94\x91"]);
    header("oversized", &[format!("Bearer {}", "a".repeat(20_000)).as_bytes()]);
    header("oversized JWT", &[format!("{bearer}{}", "A".repeat(20_000)).as_bytes()]);

    let mut token = |name: &str, token: &str| {
        let value = format!("Bearer {token}").into_bytes();
        found.push((name.to_owned(), vec![value]));
    };

    // Tokens of lakes.
    let lake = &door.test.lake;
    let (secret, record) = lake.create_token(&owner(), request("alice")).await.unwrap();
    let alice = secret.reveal();
    let flip = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        String::from_utf8(bytes).unwrap()
    };
    token("prefix alone", "lkb_");
    token("id alone", &alice[..20]);
    token("without checksum", &alice[..85]);
    token("wrong checksum", &flip(&alice, alice.len() - 1));
    token("changed secret", &flip(&alice, 40));
    token("upper case", &alice.to_uppercase());
    token("twice", &format!("{alice}{alice}"));
    let forge =
        |id: [u8; 8], secret: [u8; 32]| lakebed_core::SecretToken::from_random(id, secret).reveal();
    token("never made", &forge([1; 8], [2; 32]));
    let id: Vec<u8> = (0..8)
        .map(|i| u8::from_str_radix(&record.id.to_string()[i * 2..i * 2 + 2], 16).unwrap())
        .collect();
    token("right id, other secret", &forge(id.try_into().unwrap(), [2; 32]));
    let other = Door::remote().await;
    let theirs = other.test.lake.create_token(&owner(), request("alice")).await.unwrap();
    token("of another lake", &theirs.0.reveal());
    let revoked = lake.create_token(&owner(), request("alice")).await.unwrap();
    lake.revoke_token(&owner(), revoked.1.id, false).await.unwrap();
    token("revoked", &revoked.0.reveal());
    let mut with = owner();
    with.token = Some(ShownToken { id: record.id, expires_at: lake.now() });
    let expired = lake.create_token(&with, request("alice")).await.unwrap();
    token("expired just now", &expired.0.reveal());
    let parent = lake.create_token(&owner(), request("alice")).await.unwrap();
    with.token = Some(ShownToken { id: parent.1.id, expires_at: parent.1.expires_at });
    let child = lake.create_token(&with, request("alice")).await.unwrap();
    lake.revoke_token(&owner(), parent.1.id, true).await.unwrap();
    token("revoked with the one it was made with", &child.0.reveal());

    // Signatures.
    let says = claims(now);
    let text = says.to_string();
    for name in ["none", "None", "NONE", "nOnE", "", " none"] {
        let header = json!({"alg": name}).to_string();
        token(&format!("alg `{name}`, no signature"), &format!("{}.", message(&header, &text)));
    }
    let header = json!({"alg": "none", "kid": "rsa"}).to_string();
    token("alg none, signed", &OURS.token_of(&header, &text, "RS256"));
    token("no alg", &OURS.token_of("{\"kid\":\"rsa\"}", &text, "RS256"));
    token("alg is a list", &OURS.token_of("{\"alg\":[\"RS256\"],\"kid\":\"rsa\"}", &text, "RS256"));
    let (der, pem) = (OURS.rsa_public_der(), OURS.rsa_public_pem());
    token("HS256 with the public key, PEM", &hmac_token("HS256", pem.as_bytes(), "rsa", &says));
    let trimmed = pem.trim_end().as_bytes();
    token("the same without the last newline", &hmac_token("HS256", trimmed, "rsa", &says));
    token("HS256 with the public key, DER", &hmac_token("HS256", &der, "rsa", &says));
    token("HS384 with the public key, DER", &hmac_token("HS384", &der, "rsa", &says));
    token("HS512 with the public key, PEM", &hmac_token("HS512", pem.as_bytes(), "rsa", &says));
    let n = OURS.rsa_jwk("rsa")["n"].as_str().unwrap().to_owned();
    token("HS256 with the modulus", &hmac_token("HS256", n.as_bytes(), "rsa", &says));
    token("HS256 with nothing", &hmac_token("HS256", b"", "../../../dev/null", &says));
    let secret = b"a shared secret of 32 bytes or so";
    token("HS256 with a secret of the set", &hmac_token("HS256", secret, "secret", &says));
    for (algorithm, kid) in [("RS256", "rsa"), ("ES256", "p256"), ("EdDSA", "ed")] {
        let header = json!({"alg": algorithm, "kid": kid});
        let good = OURS.token(&header, &says);
        let (message, signature) = good.rsplit_once('.').unwrap();
        let last = signature.len() - 1;
        token(&format!("{algorithm} by a stranger"), &THEIRS.token(&header, &says));
        token(&format!("{algorithm} truncated"), &good[..good.len() - 4]);
        token(&format!("{algorithm} without signature"), &format!("{message}."));
        token(&format!("{algorithm} padded"), &format!("{good}="));
        token(&format!("{algorithm} doubled"), &format!("{message}.{signature}{signature}"));
        for at in [0, last / 2] {
            let mut bytes = good.clone().into_bytes();
            let at = message.len() + 1 + at;
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let flipped = String::from_utf8(bytes).unwrap();
            token(&format!("{algorithm} with a flipped bit at {at}"), &flipped);
        }
    }
    let of_ec = message(&json!({"alg": "ES256", "kid": "p256"}).to_string(), &text);
    for (name, bytes) in [("zero", [0; 64]), ("one", [1; 64]), ("the largest", [0xff; 64])] {
        token(&format!("ECDSA of {name}"), &format!("{of_ec}.{}", base64(bytes)));
    }
    let fixed = OURS.sign("ES256", of_ec.as_bytes());
    let mut der = vec![0x30, 0x46, 0x02, 0x21, 0];
    der.extend_from_slice(&fixed[..32]);
    der.extend_from_slice(&[0x02, 0x21, 0]);
    der.extend_from_slice(&fixed[32..]);
    token("ECDSA in DER", &format!("{of_ec}.{}", base64(der)));
    let rsa = message(&json!({"alg": "RS256", "kid": "rsa"}).to_string(), &text);
    token("RSA of zeros", &format!("{rsa}.{}", base64([0; 256])));
    token("RSA of one", &{
        let mut one = [0; 256];
        one[255] = 1;
        format!("{rsa}.{}", base64(one))
    });
    let other = json!({"sub": "root"}).to_string();
    let signature = base64(OURS.sign("RS256", rsa.as_bytes()));
    let (header, _) = rsa.split_once('.').unwrap();
    token(
        "another payload under a good signature",
        &format!("{header}.{}.{signature}", base64(other)),
    );

    // Keys.
    for (name, header, by) in [
        ("an algorithm of another key", json!({"alg": "ES256", "kid": "rsa"}), "ES256"),
        ("a key of another algorithm", json!({"alg": "RS256", "kid": "p256"}), "RS256"),
        ("a key for RS512 alone", json!({"alg": "RS256", "kid": "rs512"}), "RS256"),
        ("a key for encryption", json!({"alg": "RS256", "kid": "enc"}), "RS256"),
        ("a weak key", json!({"alg": "RS256", "kid": "weak"}), "RS256"),
        ("P-384 as P-256", json!({"alg": "ES256", "kid": "p384"}), "ES384"),
        ("PSS as PKCS #1", json!({"alg": "RS256", "kid": "rsa"}), "PS256"),
        ("SHA-512 as SHA-256", json!({"alg": "RS256", "kid": "rsa"}), "RS512"),
        ("no kid, several keys", json!({"alg": "RS512"}), "RS512"),
        ("an unknown kid", json!({"alg": "RS256", "kid": "rsa2"}), "RS256"),
        ("an empty kid", json!({"alg": "RS256", "kid": ""}), "RS256"),
        ("kid in another case", json!({"alg": "RS256", "kid": "RSA"}), "RS256"),
        ("kid of a path", json!({"alg": "RS256", "kid": "../../keys.json"}), "RS256"),
        ("kid of a device", json!({"alg": "RS256", "kid": "/dev/null"}), "RS256"),
        ("kid of a URL", json!({"alg": "RS256", "kid": "https://evil.example/k"}), "RS256"),
        ("kid of SQL", json!({"alg": "RS256", "kid": "' OR '1'='1"}), "RS256"),
        ("kid of NUL", json!({"alg": "RS256", "kid": "rsa\u{0}"}), "RS256"),
        ("kid a number", json!({"alg": "RS256", "kid": 0}), "RS256"),
        ("kid a list", json!({"alg": "RS256", "kid": ["rsa"]}), "RS256"),
        ("kid too long", json!({"alg": "RS256", "kid": "k".repeat(257)}), "RS256"),
    ] {
        token(name, &OURS.token_of(&header.to_string(), &text, by));
    }
    let jwk = THEIRS.rsa_jwk("mine");
    for (name, header) in [
        ("jku", json!({"alg": "RS256", "kid": "mine", "jku": "https://evil.example/jwks"})),
        ("x5u", json!({"alg": "RS256", "kid": "mine", "x5u": "https://evil.example/x5"})),
        ("x5c", json!({"alg": "RS256", "kid": "mine", "x5c": ["MIIB"]})),
        ("jwk", json!({"alg": "RS256", "kid": "mine", "jwk": jwk})),
        ("jwk with a known name", json!({"alg": "RS256", "kid": "rsa", "jwk": jwk})),
        ("jwk without a name", json!({"alg": "RS256", "jwk": jwk})),
    ] {
        token(&format!("a stranger's key by {name}"), &THEIRS.token(&header, &says));
    }

    // Headers.
    for (name, header) in [
        ("crit", json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"], "exp": now})),
        ("crit of nothing", json!({"alg": "RS256", "kid": "rsa", "crit": []})),
        ("b64", json!({"alg": "RS256", "kid": "rsa", "b64": false, "crit": ["b64"]})),
        ("zip", json!({"alg": "RS256", "kid": "rsa", "zip": "DEF"})),
        ("enc", json!({"alg": "RS256", "kid": "rsa", "enc": "A256GCM"})),
        ("nesting", json!({"alg": "RS256", "kid": "rsa", "cty": "JWT"})),
        ("a logout token", json!({"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"})),
        ("a proof of possession", json!({"alg": "RS256", "kid": "rsa", "typ": "dpop+jwt"})),
        ("no type at all", json!({"alg": "RS256", "kid": "rsa", "typ": null})),
    ] {
        token(name, &OURS.token(&header, &says));
    }
    let twice = "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}";
    token("two algorithms", &OURS.token_of(twice, &text, "RS256"));
    token("a header that is no object", &OURS.token_of("[]", &text, "RS256"));
    token("an empty header", &format!(".{}.AA", base64(&text)));
    token("two parts", &rsa);
    token("four parts", &format!("{good}.AA"));
    token("five parts, a JWE", &format!("{rsa}.AA.AA.AA"));
    let rs256 = json!({"alg": "RS256", "kid": "rsa"}).to_string();
    token("nested", &OURS.token_of(&rs256, &json!(good).to_string(), "RS256"));
    token("dots", "..");
    token("not base64", "!!!.!!!.!!!");

    // Claims, signed by the issuer.
    let header = json!({"alg": "RS256", "kid": "rsa"});
    let mut says_of = |name: &str, claim: &str, value: Value| {
        let mut says = claims(now);
        match value {
            Value::Null => says.as_object_mut().unwrap().remove(claim),
            value => says.as_object_mut().unwrap().insert(claim.to_owned(), value),
        };
        token(name, &OURS.token(&header, &says));
    };
    says_of("no issuer", "iss", Value::Null);
    says_of("another issuer", "iss", json!("https://evil.example"));
    says_of("issuer with a slash", "iss", json!("https://id.example/"));
    says_of("issuer in another case", "iss", json!("https://ID.example"));
    says_of("issuers", "iss", json!([ISSUER]));
    says_of("no audience", "aud", Value::Null);
    says_of("another audience", "aud", json!("other"));
    says_of("audience with a tail", "aud", json!("lakebed2"));
    says_of("no audience in a list", "aud", json!([]));
    says_of("others in the audience", "aud", json!([AUDIENCE, "other"]));
    says_of("audience in a list in a list", "aud", json!([[AUDIENCE]]));
    says_of("audience in an object", "aud", json!({"lakebed": "lakebed"}));
    says_of("audience in one text", "aud", json!("other lakebed"));
    says_of("no end", "exp", Value::Null);
    says_of("an end in text", "exp", json!((now + 100_000).to_string()));
    says_of("an end beyond all ends", "exp", json!(1e300));
    says_of("a negative end", "exp", json!(-1));
    says_of("over", "exp", json!(now - 61));
    says_of("not yet", "nbf", json!(now + 90_000));
    says_of("from the future", "iat", json!(now + 90_000));
    says_of("no subject", "sub", Value::Null);
    says_of("a subject that is a number", "sub", json!(7));
    says_of("an empty subject", "sub", json!(""));
    says_of("the subject `admin`", "sub", json!("admin"));
    says_of("the subject `local:root`", "sub", json!("local:root"));
    says_of("a subject of two lines", "sub", json!("alice\nadmin"));
    says_of("a group as a subject", "sub", json!("group:stewards"));
    says_of("groups that are an object", "groups", json!({"stewards": true}));
    let twice = text.replacen('{', "{\"sub\":\"root\",", 1);
    token("two subjects", &OURS.token_of(&header.to_string(), &twice, "RS256"));
    let twice = text.replacen('{', "{\"exp\":9999999999,", 1);
    token("two ends", &OURS.token_of(&header.to_string(), &twice, "RS256"));
    token("claims that are a list", &OURS.token_of(&header.to_string(), "[]", "RS256"));
    found
}

/// 40 and more ways to be wrong, and one answer: the same to the byte, whatever was wrong.
#[tokio::test]
async fn forged_and_stale_credentials_are_one_answer() {
    let door = asking().await;
    let cases = bad_credentials(&door).await;
    assert!(cases.len() > 120, "{}", cases.len());
    let mut first: Option<Answer> = None;
    for (name, values) in cases {
        let mut request = http::Request::get("/v1/datasets").header("host", "localhost");
        request = request.header("x-request-id", "r");
        for value in values {
            request = request.header("authorization", value);
        }
        let answer = door.send_request(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}: {}", answer.text());
        let expected = first.get_or_insert(answer.clone());
        assert_eq!(answer.text(), expected.text(), "{name}");
        assert_eq!(answer.headers, expected.headers, "{name}");
    }
    let answer = first.unwrap();
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    insta::assert_snapshot!(answer.text(), @r#"{"type":"urn:lakebed:problem:unauthorized","title":"nobody knows who asks","status":401,"detail":"this takes a valid credential","instance":"r","code":"unauthorized","hint":"send `authorization: Bearer <token>`; `lakebed login` keeps one for a server"}"#);
}

/// A minute of skew, and not one second more. The test's clock moves by a second a question, and
/// proving asks once.
#[tokio::test]
async fn times_hold_to_the_second_at_the_door() {
    let door = asking().await;
    for (claim, offset, status) in [
        ("exp", -59, 200),
        ("exp", -60, 401),
        ("exp", -61, 401),
        ("nbf", 60, 200),
        ("nbf", 61, 401),
        ("iat", 60, 200),
        ("iat", 61, 401),
    ] {
        let now = seconds(&door) + 1;
        let mut says = claims(now);
        says[claim] = json!(now + offset);
        let token = OURS.token(&json!({"alg": "RS256", "kid": "rsa"}), &says);
        let answer = door.with_credential("GET", "/v1/whoami", &token).await;
        assert_eq!(answer.status, status, "{claim} {offset}");
    }
}

/// A signature that is good, of a kind that was not configured.
#[tokio::test]
async fn only_configured_algorithms_are_taken() {
    let door = asking_with(|config| OidcConfig { algorithms: vec![Algorithm::Es256], ..config });
    let door = door.await;
    let says = claims(seconds(&door));
    let good = OURS.token(&json!({"alg": "ES256", "kid": "p256"}), &says);
    assert_eq!(door.whoami(&good).await["principal"], "alice");
    let other = OURS.token(&json!({"alg": "RS256", "kid": "rsa"}), &says);
    let answer = door.with_credential("GET", "/v1/whoami", &other).await;
    assert_eq!(answer.code(), is(401, "unauthorized"));
}

/// Every route but the three that say nothing of the lake asks; paths that are none ask, too.
#[tokio::test]
async fn every_route_asks() {
    let door = asking().await;
    let document = serde_json::to_value(lakebed_server::openapi()).unwrap();
    let mut open = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path = path.replace(['{', '}'], "");
            let answer = door.call(&method.to_uppercase(), &path, &[], Body::empty()).await;
            match answer.status.as_u16() {
                401 => assert_eq!(answer.code(), is(401, "unauthorized"), "{method} {path}"),
                _ => open.push(path.clone()),
            }
        }
    }
    assert_eq!(open, ["/health/live", "/health/ready", "/openapi.json"]);
    assert_eq!(door.get("/v1/nothing").await.code(), is(401, "unauthorized"));
    let answer = door.call("PATCH", "/v1/tokens", &[], Body::empty()).await;
    assert_eq!(answer.code(), is(401, "unauthorized"));
}

/// A server that asks is addressed by any name; pages of other sites are not answered all the same.
#[tokio::test]
async fn a_server_that_asks_has_names_of_its_own() {
    let door = asking().await;
    let alice = format!("authorization: Bearer {}", token(&door, "alice").await);
    let named = [alice.as_str(), "host: lake.example"];
    assert_eq!(door.call("GET", "/v1/whoami", &named, "").await.status, 200);
    let foreign = [alice.as_str(), "host: lake.example", "origin: https://evil.example"];
    assert_eq!(door.call("GET", "/v1/whoami", &foreign, "").await.code(), is(403, "cross-origin"));
    let own = [alice.as_str(), "host: lake.example", "origin: https://lake.example"];
    assert_eq!(door.call("GET", "/v1/whoami", &own, "").await.status, 200);
}

/// The laptop's flow goes on without a token, until the first one is made; then every server of the
/// lake asks at once, and never again stops asking.
#[tokio::test]
async fn the_first_token_closes_an_open_server() {
    let door = Door::remote().await;
    assert_eq!(door.get("/v1/whoami").await.json()["standing"], "owner");
    let other = door.twin(Asks::OncePeopleAreKnown);
    assert_eq!(other.get("/v1/datasets").await.status, 200);
    let made = door.post("/v1/tokens", json!({"principal": "alice", "days": 1})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("cache-control"), "no-store");
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let secret = made["secret"].as_str().unwrap();
    for door in [&door, &other] {
        assert_eq!(door.get("/v1/datasets").await.code(), is(401, "unauthorized"));
        assert_eq!(door.whoami(secret).await["principal"], "alice");
    }
    let id = made["token"]["id"].as_str().unwrap();
    door.test.lake.revoke_token(&owner(), id.parse().unwrap(), false).await.unwrap();
    let fresh = door.twin(Asks::OncePeopleAreKnown);
    for door in [&door, &other, &fresh] {
        let answer = door.with_credential("GET", "/v1/datasets", secret).await;
        assert_eq!(answer.code(), is(401, "unauthorized"));
        assert_eq!(door.get("/v1/datasets").await.code(), is(401, "unauthorized"));
    }
    let never = door.twin(Asks::Never);
    assert_eq!(never.get("/v1/datasets").await.status, 200, "as its operator said");
}

/// Who fails too often is told to come later, and whoever proves who they are is not held up by it.
#[tokio::test]
async fn failures_are_counted_by_peer_and_hold_up_nobody_else() {
    let door = Door::remote().await;
    let alice = token(&door, "alice").await;
    let limits = Limits { failures_per_minute: 60, failures_burst: 3, ..Limits::default() };
    let auth = Auth::new(Asks::Always, Vec::new()).unwrap();
    let state = AppState::new(door.test.lake.clone(), Access::Remote);
    let router = router(state.with_auth(auth).with_door(limits));
    let strict = Door {
        test: Arc::clone(&door.test),
        lake: door.lake.clone(),
        engine: Arc::clone(&door.engine),
        router,
    };
    for _ in 0..3 {
        assert_eq!(strict.get("/v1/datasets").await.code(), is(401, "unauthorized"));
    }
    let late = strict.get("/v1/datasets").await;
    assert_eq!(late.code(), is(429, "too-many-requests"));
    assert_eq!(late.header("retry-after"), "1");
    assert_eq!(strict.whoami(&alice).await["principal"], "alice");
    assert_eq!(strict.get("/health/live").await.status, 200);
}

/// A revocation holds from the answer on, on every server of the lake.
#[tokio::test]
async fn a_revoked_token_proves_nothing_anywhere() {
    let door = asking().await;
    let other = door.twin(Asks::Always);
    let alice = token(&door, "alice").await;
    for door in [&door, &other] {
        assert_eq!(door.whoami(&alice).await["principal"], "alice");
    }
    let mine = door.with_credential("GET", "/v1/tokens", &alice).await.json();
    let id = mine["tokens"][0]["id"].as_str().unwrap();
    let revoked = door.with_credential("DELETE", &format!("/v1/tokens/{id}"), &alice).await;
    assert_eq!(revoked.json()["state"], "revoked");
    for door in [&door, &other] {
        let answer = door.with_credential("GET", "/v1/whoami", &alice).await;
        assert_eq!(answer.code(), is(401, "unauthorized"));
    }
}

/// A token is good until its last moment, and not in it.
#[tokio::test]
async fn a_token_ends_when_it_says() {
    let door = asking().await;
    let request = TokenRequest { days: Some(1), ..request("alice") };
    let (secret, record) = door.test.lake.create_token(&owner(), request).await.unwrap();
    let secret = secret.reveal();
    assert_eq!(record.expires_at.as_micros() - record.created_at.as_micros(), DAY_MICROS);
    assert_eq!(door.whoami(&secret).await["principal"], "alice");
    for days in [0, MAX_TOKEN_DAYS + 1] {
        let answer = door.send("POST", "/v1/tokens", &secret, &json!({ "days": days })).await;
        assert_eq!(answer.code(), is(400, "token-lifetime"));
    }
    let longer = door.send("POST", "/v1/tokens", &secret, &json!({"days": 30})).await;
    let longer: Value = serde_json::from_slice(&longer.body).unwrap();
    assert_eq!(longer["token"]["expires_at"], json!(record.expires_at), "not longer than its own");
}

/// Nobody makes a token for somebody else, or for more than they have.
#[tokio::test]
async fn a_token_only_narrows() {
    let door = asking().await;
    let alice = token(&door, "alice").await;
    let make = async |by: &str, body: Value| door.send("POST", "/v1/tokens", by, &body).await;
    let refused = make(&alice, json!({"principal": "bob"})).await;
    assert_eq!(refused.code(), is(403, "forbidden"));
    let refused = make(&alice, json!({"first_admin": true})).await;
    assert_eq!(refused.code(), is(403, "forbidden"));
    let refused = make(&alice, json!({"principal": "local:alice"})).await;
    assert_eq!(refused.code(), is(400, "token-principal"));

    let orders = json!([{"may": ["read"], "on": {"dataset": "sales.orders"}}]);
    let narrow = make(&alice, json!({"scope": orders, "label": "the nightly job"})).await;
    assert_eq!(narrow.status, 201, "{}", narrow.text());
    let narrow: Value = serde_json::from_slice(&narrow.body).unwrap();
    let secret = narrow["secret"].as_str().unwrap();
    assert_eq!(door.whoami(secret).await["scope"], orders);
    let same = make(secret, json!({})).await;
    let same: Value = serde_json::from_slice(&same.body).unwrap();
    assert_eq!(same["token"]["scope"], orders, "what is unsaid is the maker's own");
    assert_eq!(same["token"]["made_with"], narrow["token"]["id"]);
    let less = json!([{"may": ["discover"], "on": {"dataset": "sales.orders"}}]);
    assert_eq!(make(secret, json!({ "scope": less })).await.status, 201);
    for more in [
        json!([{"may": ["read", "ingest"], "on": {"dataset": "sales.orders"}}]),
        json!([{"may": ["read"], "on": {"namespace": "sales"}}]),
        json!([{"may": ["read"], "on": "lake"}]),
        json!([{"may": ["read"], "on": {"dataset": "sales.orders"}},
               {"may": ["admin"], "on": {"dataset": "sales.orders"}}]),
    ] {
        let refused = make(secret, json!({ "scope": more })).await;
        assert_eq!(refused.code(), is(403, "forbidden"), "{more}");
    }
}

/// Tokens of others are neither seen nor revoked, and look as if they were not there.
#[tokio::test]
async fn tokens_of_others_are_not_there() {
    let door = asking().await;
    let (alice, bob) = (token(&door, "alice").await, token(&door, "bob").await);
    let list = async |by: &str, query: &str| {
        door.with_credential("GET", &format!("/v1/tokens{query}"), by).await
    };
    let bobs = list(&bob, "").await.json();
    assert_eq!(bobs["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(list(&alice, "?all=true").await.code(), is(403, "forbidden"));
    let id = bobs["tokens"][0]["id"].as_str().unwrap();
    let theirs = door.with_credential("DELETE", &format!("/v1/tokens/{id}"), &alice).await;
    let absent = "/v1/tokens/00000000000000ff";
    let none = door.with_credential("DELETE", absent, &alice).await;
    assert_eq!(theirs.code(), is(404, "not-found"));
    assert_eq!(theirs.text().replace(id, "00000000000000ff"), none.text());
    assert_eq!(door.whoami(&bob).await["principal"], "bob", "still");

    let request = TokenRequest { first_admin: true, ..request("root") };
    let admin = door.test.lake.create_token(&owner(), request).await.unwrap().0.reveal();
    assert_eq!(list(&admin, "?all=true").await.json()["tokens"].as_array().unwrap().len(), 3);
    let gone = door.with_credential("DELETE", &format!("/v1/tokens/{id}"), &admin).await;
    assert_eq!(gone.status, 200);
    assert_eq!(door.with_credential("GET", "/v1/whoami", &bob).await.status, 401);
}

/// The first start makes one admin token, however many servers start at once.
#[tokio::test]
async fn the_first_admin_token_is_made_once() {
    let door = asking().await;
    let second = door.test.reopen().await.unwrap();
    let (one, two) =
        tokio::join!(door.test.lake.create_first_admin_token(), second.create_first_admin_token());
    let mut made: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    let admin = made.remove(0).0.reveal();
    assert!(door.test.lake.create_first_admin_token().await.unwrap().is_none());
    let who = door.whoami(&admin).await;
    assert_eq!((&who["principal"], &who["standing"]), (&json!("admin"), &json!("first_admin")));
    let alice = door.send("POST", "/v1/tokens", &admin, &json!({"principal": "alice"})).await;
    assert_eq!(alice.status, 201, "{}", alice.text());
    let events = door.test.lake.catalog().events(0, 10).await.unwrap();
    let journal = serde_json::to_string(&events).unwrap();
    assert!(journal.contains("token_created") && !journal.contains(&admin[21..85]), "{journal}");
    second.close().await;
}

/// A token that only narrows cannot be an admin's by being made with one.
#[tokio::test]
async fn an_admins_scope_holds_for_making_tokens_too() {
    let door = asking().await;
    let read = ScopeEntry { may: [lakebed_core::Action::Read].into(), on: Target::Lake };
    let request =
        TokenRequest { first_admin: true, scope: Some(TokenScope(vec![read])), ..request("root") };
    let narrow = door.test.lake.create_token(&owner(), request).await.unwrap().0.reveal();
    let refused = door.send("POST", "/v1/tokens", &narrow, &json!({"principal": "bob"})).await;
    assert_eq!(refused.code(), is(403, "forbidden"));
}

/// New keys are found when a token names one; old ones go when the file loses them.
#[tokio::test]
async fn keys_rotate_with_their_file() {
    let pace = KeyPace { max_age: Duration::ZERO, min_pause: Duration::ZERO };
    let door = asking_with(|config| OidcConfig { pace, ..config }).await;
    let says = claims(seconds(&door));
    let header = json!({"alg": "RS256", "kid": "rsa"});
    let (ours, theirs) = (OURS.token(&header, &says), THEIRS.token(&header, &says));
    let status =
        async |token: &str| door.with_credential("GET", "/v1/whoami", token).await.status.as_u16();
    assert_eq!((status(&ours).await, status(&theirs).await), (200, 401));
    door.test.file("keys.json", THEIRS.jwks().to_string());
    assert_eq!((status(&ours).await, status(&theirs).await), (401, 200));
    for broken in ["", "{", "{\"keys\":[]}", "{\"keys\":[],\"keys\":[]}", "[]"] {
        door.test.file("keys.json", broken);
        assert_eq!((status(&ours).await, status(&theirs).await), (401, 200), "kept: {broken}");
    }
    std::fs::remove_file(door.test.outside().join("keys.json")).unwrap();
    assert_eq!((status(&ours).await, status(&theirs).await), (401, 200), "kept");
}

/// An issuer's address: asked once, again for a name nobody knows, and not more often than allowed.
#[tokio::test]
async fn forged_names_of_keys_do_not_make_us_ask_the_issuer() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let app = Router::new().route(
        "/keys",
        get(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            OURS.jwks().to_string()
        }),
    );
    let url = serve(app).await;
    let with = |min_pause: Duration| {
        let keys = KeySource::Url(format!("{url}/keys").parse().unwrap());
        let pace = KeyPace { max_age: Duration::from_secs(3600), min_pause };
        asking_with(move |config| OidcConfig { keys, pace, ..config })
    };
    let door = with(Duration::from_secs(3600)).await;
    let says = claims(seconds(&door));
    let good = OURS.token(&json!({"alg": "RS256", "kid": "rsa"}), &says);
    for index in 0..20 {
        assert_eq!(door.whoami(&good).await["principal"], "alice");
        let forged = json!({"alg": "RS256", "kid": format!("k{index}")});
        let forged = OURS.token(&forged, &says);
        assert_eq!(door.with_credential("GET", "/v1/whoami", &forged).await.status, 401);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let eager = with(Duration::ZERO).await;
    let forged = OURS.token(&json!({"alg": "RS256", "kid": "k"}), &says);
    assert_eq!(eager.with_credential("GET", "/v1/whoami", &forged).await.status, 401);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "once to begin with, once for the name");
}

/// Redirects, floods and errors bring no keys; nobody can tell then, which is no 401.
#[tokio::test]
async fn keys_that_were_never_there_prove_nothing_and_refuse_nobody() {
    let evil = serve(Router::new().route("/k", get(async || OURS.jwks().to_string()))).await;
    let to = format!("{evil}/k");
    let app = Router::new()
        .route("/moved", get(async move || Redirect::temporary(&to)))
        .route("/flood", get(async || "x".repeat(1 << 20)))
        .route("/error", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/html", get(async || "<html>log in</html>"));
    let url = serve(app).await;
    for path in ["/moved", "/flood", "/error", "/html", "/absent"] {
        let keys = KeySource::Url(format!("{url}{path}").parse().unwrap());
        let door = asking_with(move |config| OidcConfig { keys, ..config }).await;
        let good = OURS.token(&json!({"alg": "RS256", "kid": "rsa"}), &claims(seconds(&door)));
        let answer = door.with_credential("GET", "/v1/whoami", &good).await;
        assert_eq!(answer.code(), is(503, "unavailable"), "{path}");
        let alice = token(&door, "alice").await;
        assert_eq!(door.whoami(&alice).await["principal"], "alice", "tokens need no issuer");
    }
}

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Secrets and tokens are in no log line; the reason is.
#[tokio::test]
async fn the_log_has_the_reason_and_never_the_credential() {
    let door = asking().await;
    let alice = token(&door, "alice").await;
    let forged = OURS.token(&json!({"alg": "RS256", "kid": "other"}), &claims(seconds(&door)));
    let log = crate::logs::Log::default();
    let _guard = log.listen();
    door.whoami(&alice).await;
    door.with_credential("GET", "/v1/whoami", &forged).await;
    door.with_credential("GET", "/v1/whoami", &alice[..90]).await;
    assert_eq!(log.lines("its issuer has no such key").len(), 1, "{:#?}", log.lines(""));
    assert_eq!(log.lines("its form or its checksum").len(), 1, "{:#?}", log.lines(""));
    let (_, signature) = forged.rsplit_once('.').unwrap();
    for secret in [&alice[30..60], &forged[..40], &signature[..40]] {
        assert!(log.lines(secret).is_empty(), "{:#?}", log.lines(secret));
    }
}
