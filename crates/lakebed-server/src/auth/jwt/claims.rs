//! What a signed token must say to be taken, and who it then speaks of.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Algorithm, Refusal};

/// How far two clocks may be apart, at most, in seconds.
pub(crate) const MAX_SKEW: i64 = 60;
/// The last second of the year 9999: a later time is a mistake.
const LAST_SECOND: f64 = 253_402_300_799.0;
/// More groups than this are no person's.
const MAX_GROUPS: usize = 1000;

/// What tokens of one issuer must say.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Exactly this.
    pub(crate) issuer: String,
    /// Each audience of a token is one of these, and there is at least one.
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    /// 0 to [`MAX_SKEW`] seconds.
    pub(crate) skew_seconds: i64,
    /// Where the principal's name stands.
    pub(crate) principal_claim: String,
    /// Where the groups stand; none are taken when unsaid.
    pub(crate) groups_claim: Option<String>,
    /// Attribute to the claim it is taken from.
    pub(crate) attributes: BTreeMap<String, String>,
}

/// What a token proved. Names are as the issuer writes them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proved {
    pub(crate) principal: String,
    pub(crate) groups: Vec<String>,
    /// Texts, whole numbers and truth values; an absent claim is an absent attribute.
    pub(crate) attributes: BTreeMap<String, Value>,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
}

impl Rules {
    /// Decides about claims whose signature was verified.
    pub(super) fn check(&self, claims: &Map<String, Value>, now: i64) -> Result<Proved, Refusal> {
        if claims.get("iss").and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err(Refusal("its issuer is another"));
        }
        self.check_audience(claims.get("aud"))?;
        let expires_at = self.check_times(claims, now)?;
        let principal = find(claims, &self.principal_claim).and_then(Value::as_str);
        let principal = principal.ok_or(Refusal("it names no principal"))?.to_owned();
        let groups = self.groups(claims)?;
        let attribute = |(name, claim): (&String, &String)| {
            let value = find(claims, claim).filter(|value| is_plain(value))?;
            Some((name.clone(), value.clone()))
        };
        let attributes = self.attributes.iter().filter_map(attribute).collect();
        Ok(Proved { principal, groups, attributes, expires_at })
    }

    /// A token that is also for others could have been handed on by one of them.
    fn check_audience(&self, audience: Option<&Value>) -> Result<(), Refusal> {
        let is_ours = |value: &Value| {
            value.as_str().is_some_and(|audience| self.audiences.iter().any(|a| a == audience))
        };
        let accepted = match audience {
            Some(Value::Array(audiences)) => !audiences.is_empty() && audiences.iter().all(is_ours),
            Some(value) => is_ours(value),
            None => false,
        };
        if accepted { Ok(()) } else { Err(Refusal("it is for another audience")) }
    }

    fn check_times(&self, claims: &Map<String, Value>, now: i64) -> Result<i64, Refusal> {
        let expires_at = seconds(claims, "exp")?.ok_or(Refusal("it never expires"))?;
        if now.saturating_sub(self.skew_seconds) >= expires_at {
            return Err(Refusal("it has expired"));
        }
        let latest = now.saturating_add(self.skew_seconds);
        if seconds(claims, "nbf")?.is_some_and(|time| time > latest) {
            return Err(Refusal("it is not valid yet"));
        }
        if seconds(claims, "iat")?.is_some_and(|time| time > latest) {
            return Err(Refusal("it was issued in the future"));
        }
        Ok(expires_at)
    }

    fn groups(&self, claims: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
        let Some(claim) = &self.groups_claim else { return Ok(Vec::new()) };
        let listed = match find(claims, claim) {
            None => return Ok(Vec::new()),
            Some(Value::String(group)) => return Ok(vec![group.clone()]),
            Some(Value::Array(groups)) if groups.len() <= MAX_GROUPS => groups,
            Some(_) => return Err(Refusal("its groups are no list of texts")),
        };
        let text = |group: &Value| group.as_str().map(str::to_owned);
        let groups: Option<Vec<String>> = listed.iter().map(text).collect();
        groups.ok_or(Refusal("its groups are no list of texts"))
    }
}

/// A claim by its name, or by a JSON pointer where the name begins with `/`.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let Some(path) = name.strip_prefix('/') else { return claims.get(name) };
    let mut steps = path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&steps.next()?)?;
    steps.try_fold(first, |value, step| value.as_object()?.get(&step))
}

fn is_plain(value: &Value) -> bool {
    value.is_string() || value.is_boolean() || value.is_i64()
}

/// A NumericDate in whole seconds, rounded down; none when absent.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds));
    // In range, so that nothing but the fraction is lost.
    #[expect(clippy::cast_possible_truncation, reason = "checked to be below 2^38")]
    let whole = seconds.map(|seconds| seconds as i64);
    whole.map(Some).ok_or(Refusal("one of its times is no time"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn rules() -> Rules {
        Rules {
            issuer: "https://id.example".into(),
            audiences: vec!["lakebed".into(), "account".into()],
            algorithms: Algorithm::ALL.to_vec(),
            skew_seconds: 60,
            principal_claim: "sub".into(),
            groups_claim: Some("/realm/roles".into()),
            attributes: BTreeMap::from([("region".into(), "https://id.example/region".into())]),
        }
    }

    fn claims() -> Map<String, Value> {
        let claims = json!({
            "iss": "https://id.example", "aud": "lakebed", "sub": "alice", "exp": NOW + 300,
            "realm": {"roles": ["analysts"]}, "https://id.example/region": "EU",
        });
        claims.as_object().unwrap().clone()
    }

    /// The claims with `name` set, or without it.
    fn with(name: &str, value: Value) -> Result<Proved, Refusal> {
        let mut claims = claims();
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.into(), value),
        };
        rules().check(&claims, NOW)
    }

    #[test]
    fn who_is_proved_comes_from_the_configured_claims() {
        let proved = rules().check(&claims(), NOW).unwrap();
        assert_eq!(proved.principal, "alice");
        assert_eq!(proved.groups, ["analysts"]);
        assert_eq!(proved.attributes, BTreeMap::from([("region".into(), json!("EU"))]));
        assert_eq!(proved.expires_at, NOW + 300);
        assert_eq!(with("realm", Value::Null).unwrap().groups, [""; 0]);
        assert_eq!(with("realm", json!({"roles": "one"})).unwrap().groups, ["one"]);
        for absent in [Value::Null, json!(["EU"]), json!({"a": 1}), json!(1.5)] {
            assert!(with("https://id.example/region", absent).unwrap().attributes.is_empty());
        }
        for bad in [json!({"roles": 1}), json!({"roles": ["a", 1]}), json!({"roles": {"a": 1}})] {
            assert!(with("realm", bad).is_err());
        }
        for bad in [Value::Null, json!(7), json!(["alice"]), json!({"a": "alice"})] {
            assert!(with("sub", bad).is_err());
        }
    }

    #[test]
    fn issuer_and_audience_are_compared_exactly() {
        for bad in [
            Value::Null,
            json!("https://id.example/"),
            json!("https://ID.example"),
            json!(["https://id.example"]),
        ] {
            assert!(with("iss", bad.clone()).is_err(), "{bad}");
        }
        for good in [json!("account"), json!(["lakebed"]), json!(["account", "lakebed"])] {
            assert!(with("aud", good.clone()).is_ok(), "{good}");
        }
        for bad in [
            Value::Null,
            json!("Lakebed"),
            json!("lakebed "),
            json!("lakebed,account"),
            json!("*"),
            json!(""),
            json!([]),
            json!([["lakebed"]]),
            json!(["lakebed", "other"]),
            json!(["lakebed", 1]),
            json!({"lakebed": true}),
            json!(true),
        ] {
            assert!(with("aud", bad.clone()).is_err(), "{bad}");
        }
    }

    /// To the second: a minute of skew, and not one second more.
    #[test]
    fn times_hold_to_the_second() {
        assert!(with("exp", json!(NOW - 59)).is_ok());
        assert!(with("exp", json!(NOW - 60)).is_err());
        assert!(with("exp", json!(NOW - 60 + 1)).is_ok());
        for name in ["nbf", "iat"] {
            assert!(with(name, json!(NOW + 60)).is_ok(), "{name}");
            assert!(with(name, json!(NOW + 61)).is_err(), "{name}");
            assert!(with(name, json!(f64::from(1_800_000_060) + 0.9)).is_ok(), "{name}");
        }
        for bad in [json!("1800000300"), json!(-1), json!(1e300), json!([NOW]), json!(true)] {
            for name in ["exp", "nbf", "iat"] {
                assert!(with(name, bad.clone()).is_err(), "{name} {bad}");
            }
        }
        assert!(with("exp", Value::Null).is_err(), "a token for ever");
        assert!(with("exp", json!(u64::MAX)).is_err());
    }
}
