//! The lake as its people declared it: groups, principals, grants, policies, stages, contracts and products, as one
//! canonical value.
//!
//! How it is written down for people (YAML) and what makes one valid is `lakebed-govern`'s
//! business. Here is the form that is stored, compared and named by a digest.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    AttributeName, AttributeValue, DatasetName, Grant, GroupName, Ladder, ObjectId, PrincipalName,
    Product,
    contract::Contract,
    policy::{Policy, PolicyName},
};

/// The shape of the value that this build writes, and the newest it reads.
const FORMAT: u32 = 1;

/// Everything that is declared. Equal values have equal digests, however they were written down.
///
/// Layout: ARCHITECTURE.md, "The declared catalog".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Declared {
    /// Groups and their members.
    pub groups: BTreeMap<GroupName, BTreeSet<PrincipalName>>,
    /// Groups whose members the identity provider names; claims to any other group are ignored.
    pub claimed_groups: BTreeSet<GroupName>,
    /// Principals about whom something is declared.
    pub principals: BTreeMap<PrincipalName, DeclaredPrincipal>,
    /// Who may do what.
    pub grants: BTreeSet<Grant>,
    /// What some do not see of what they may read; each is under its own name.
    pub policies: BTreeMap<PolicyName, Policy>,
    /// Columns that somebody has looked at since their dataset came under a policy: of these no
    /// more is hidden than policies say.
    pub reviewed: BTreeMap<DatasetName, BTreeSet<String>>,
    /// What is promised of datasets, whether they exist or not.
    pub contracts: BTreeMap<DatasetName, Contract>,
    /// Datasets that are computed from others.
    pub products: BTreeMap<DatasetName, Product>,
    /// The stages and their gates; none for the usual ones.
    pub stages: Option<Ladder>,
}

/// What is declared of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredPrincipal {
    /// Its attributes; they outrank those that an identity provider claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<AttributeName, AttributeValue>,
}

impl Declared {
    /// The canonical text: JSON without spaces, everything sorted, nothing twice.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain values always serialise")
    }

    /// The name of this value: the digest of its canonical text.
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        ObjectId::of(self.to_json().as_bytes())
    }

    /// The groups of `principal`: those it is declared a member of, and those of `claimed` whose
    /// members the identity provider may name.
    #[must_use]
    pub fn groups_of<'a>(
        &'a self,
        principal: &PrincipalName,
        claimed: &'a BTreeSet<GroupName>,
    ) -> BTreeSet<&'a GroupName> {
        let declared = self.groups.iter().filter(|(_, members)| members.contains(principal));
        let claimed = claimed.iter().filter(|group| self.claimed_groups.contains(*group));
        declared.map(|(group, _)| group).chain(claimed).collect()
    }

    /// The stages and their gates.
    #[must_use]
    pub fn ladder(&self) -> Ladder {
        self.stages.clone().unwrap_or_else(Ladder::usual)
    }

    /// Whether a grant may name the group.
    #[must_use]
    pub fn knows_group(&self, group: &GroupName) -> bool {
        self.groups.contains_key(group) || self.claimed_groups.contains(group)
    }
}

/// The value as it is stored: what is empty is absent, so that kinds of declarations that come
/// later change no digest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<GroupName, BTreeSet<PrincipalName>>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    claimed_groups: BTreeSet<GroupName>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    principals: BTreeMap<PrincipalName, DeclaredPrincipal>,
    #[serde(
        default,
        skip_serializing_if = "BTreeSet::is_empty",
        serialize_with = "sorted_by_text"
    )]
    grants: BTreeSet<Grant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<Policy>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    reviewed: BTreeMap<DatasetName, BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    contracts: BTreeMap<DatasetName, Contract>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    products: BTreeMap<DatasetName, Product>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stages: Option<Ladder>,
}

/// The order of grants is that of their texts, which needs no knowledge of their fields.
fn sorted_by_text<S: Serializer>(
    grants: &BTreeSet<Grant>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = |grant: &&Grant| serde_json::to_string(grant).unwrap_or_default();
    let mut grants: Vec<&Grant> = grants.iter().collect();
    grants.sort_by_cached_key(text);
    serializer.collect_seq(grants)
}

impl From<Declared> for Stored {
    fn from(declared: Declared) -> Self {
        let Declared {
            groups,
            claimed_groups,
            principals,
            grants,
            policies,
            reviewed,
            contracts,
            products,
            stages,
        } = declared;
        let policies = policies.into_values().collect();
        Self {
            format: FORMAT,
            groups,
            claimed_groups,
            principals,
            grants,
            policies,
            reviewed,
            contracts,
            products,
            stages,
        }
    }
}

impl TryFrom<Stored> for Declared {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored {
            format,
            groups,
            claimed_groups,
            principals,
            grants,
            policies,
            reviewed,
            contracts,
            products,
            stages,
        } = stored;
        if format != FORMAT {
            return Err(format!("the declared catalog has format {format}; this build knows 1"));
        }
        let mut by_name = BTreeMap::new();
        for policy in policies {
            let name = policy.name.clone();
            if by_name.insert(name.clone(), policy).is_some() {
                return Err(format!("two policies are named `{name}`"));
            }
        }
        Ok(Self {
            groups,
            claimed_groups,
            principals,
            grants,
            policies: by_name,
            reviewed,
            contracts,
            products,
            stages,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
        "grants": [
            {"to": "svc:nightly", "may": ["ingest"], "on": {"dataset": "crm.customers"},
             "from_stage": "raw", "until": "2027-01-01T00:00:00Z"},
            {"to": "group:analysts", "may": ["read", "discover"], "on": {"namespace": "crm"},
             "from_stage": "raw"},
            {"to": "group:analysts", "may": ["discover", "read"], "on": {"namespace": "crm"},
             "from_stage": "raw"},
            {"to": "root", "may": ["admin"], "on": "lake", "from_stage": "raw"}
        ],
        "groups": {"analysts": ["svc:nightly", "alice", "alice"], "empty": []},
        "principals": {"alice": {"attributes": {"region": "EU", "level": 3, "senior": true}}, "bob": {}},
        "format": 1
    }"#;

    fn declared() -> Declared {
        serde_json::from_str(TEXT).expect("valid")
    }

    #[test]
    fn the_canonical_text_is_sorted_and_says_nothing_twice() {
        insta::assert_snapshot!(declared().to_json().replace("},", "},\n"), @r#"
        {"format":1,"groups":{"analysts":["alice","svc:nightly"],"empty":[]},
        "principals":{"alice":{"attributes":{"level":3,"region":"EU","senior":true}},
        "bob":{}},
        "grants":[{"to":"group:analysts","may":["discover","read"],"on":{"namespace":"crm"},
        "from_stage":"raw"},
        {"to":"root","may":["admin"],"on":"lake","from_stage":"raw"},
        {"to":"svc:nightly","may":["ingest"],"on":{"dataset":"crm.customers"},
        "from_stage":"raw","until":"2027-01-01T00:00:00.000000Z"}]}
        "#);
        insta::assert_snapshot!(
            declared().digest(),
            @"d79e65953d0b5f7306cdac4d875a1718001bee2d9146aed5fd3daff6dc0f5953"
        );
        let again: Declared = serde_json::from_str(&declared().to_json()).expect("its own text");
        assert_eq!(again, declared());
        insta::assert_snapshot!(Declared::default().to_json(), @r#"{"format":1}"#);
    }

    #[test]
    fn what_this_build_does_not_know_is_refused() {
        for bad in [
            "{}",
            r#"{"format":2}"#,
            r#"{"format":1,"stages":[]}"#,
            r#"{"format":1,"policies":[{"name":"x","on":"lake","hide":true},{"name":"x","on":"lake","hide":true}]}"#,
            r#"{"format":1,"principals":{"alice":{"atributes":{}}}}"#,
            r#"{"format":1,"grants":[{"to":"alice","may":["fly"],"on":"lake","from_stage":"raw"}]}"#,
            r#"{"format":1,"groups":{"group:x":[]}}"#,
        ] {
            assert!(serde_json::from_str::<Declared>(bad).is_err(), "{bad}");
        }
    }

    /// Policies are sorted by name, and a filter has one text however it was written.
    #[test]
    fn policies_are_part_of_the_value() {
        let text = r#"{"format":1,"reviewed":{"a.b":["y","x","x"]},"policies":[
            {"name":"z","hide":true,"columns":["n"],"on":{"dataset":"a.b"}},
            {"name":"f","on":"lake","row_filter":"region=principal.region","except":["bob","alice"]}]}"#;
        let declared = serde_json::from_str::<Declared>(text);
        insta::assert_snapshot!(declared.expect("valid").to_json().replace("},", "},\n"), @r#"
        {"format":1,"policies":[{"name":"f","on":"lake","row_filter":"region = principal.region","except":["alice","bob"]},
        {"name":"z","on":{"dataset":"a.b"},
        "columns":["n"],"hide":true}],"reviewed":{"a.b":["x","y"]}}
        "#);
    }

    #[test]
    fn claims_count_for_listed_groups_alone() {
        let mut declared = declared();
        declared.claimed_groups = BTreeSet::from(["engineering".parse().expect("a group")]);
        let claimed: BTreeSet<GroupName> = ["analysts", "engineering", "root"]
            .into_iter()
            .map(|name| name.parse().expect("a group"))
            .collect();
        let groups = |name: &str| {
            let principal = name.parse().expect("a principal");
            let groups = declared.groups_of(&principal, &claimed);
            groups.into_iter().map(GroupName::to_string).collect::<Vec<_>>()
        };
        assert_eq!(groups("alice"), ["analysts", "engineering"]);
        assert_eq!(groups("mallory"), ["engineering"], "a claim makes no member of `analysts`");
    }
}
