//! What events say of promotions: who moved a head and why they could, who consented, what ends.

use serde::{Deserialize, Serialize};

use crate::{DatasetName, Gate, GateName, ObjectId, StageName, Timestamp, VersionId};

/// Why a version could become the head of a stage; see [`crate::HeadMoved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The version.
    pub version_id: VersionId,
    /// The contract in force, by digest: what readers of the head may count on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ObjectId>,
    /// What was declared, by digest; none when nothing ever was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<ObjectId>,
    /// The event that made the version before head; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// The newest review of this version for this stage that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_review: Option<u64>,
    /// The newest word on the dataset's end that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_notice: Option<u64>,
    /// The digest of what the gates found: approvals are bound to it.
    pub evidence: ObjectId,
    /// Every gate of the stage, and how it came out.
    pub gates: Vec<GateOutcome>,
    /// Who consented, by event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Whoever made the version or asked for its promotion was needed to approve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approved: bool,
    /// The version is older than the one it replaces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_back: bool,
}

/// How a gate came out for a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// The gate.
    pub gate: Gate,
    /// Whether it holds.
    pub holds: bool,
    /// What was found, for people; no value of the data. The same facts are the same text, whenever
    /// one asks.
    pub found: String,
    /// Who waived it, where it does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

impl GateOutcome {
    /// Whether a version may pass: the gate holds, or was waived.
    #[must_use]
    pub const fn lets_through(&self) -> bool {
        self.holds || self.waiver.is_some()
    }
}

/// A gate that was opened although it does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The event that says so.
    pub event: u64,
}

/// Somebody's consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whose.
    pub by: String,
    /// The event that says so; none where asking for the promotion was consent enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// Somebody's word on a promotion that is asked for. See [`crate::EventBody::PromotionReviewed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionReviewed {
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number.
    pub number: u64,
    /// The stage it is meant for.
    pub stage: StageName,
    /// The word.
    pub verdict: ReviewVerdict,
    /// The digest of what it is about: for a waiver what that gate found, else what all found. It
    /// counts for nothing else.
    pub evidence: ObjectId,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What somebody says to a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewVerdict {
    /// They consent.
    Approved,
    /// They do not.
    Rejected,
    /// This gate may be passed although it does not hold.
    Waived(GateName),
}

/// See [`crate::EventBody::DatasetDeprecated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetDeprecated {
    /// The dataset.
    pub dataset: DatasetName,
    /// When it ends.
    pub sunset_at: Timestamp,
    /// What to read instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<DatasetName>,
}

/// The shape of the document that this build digests.
const FORMAT: u32 = 1;

/// What reviews are bound to: what was found of a version on its way to a stage. Of a waiver it is
/// what the one gate found; of an approval what all of them found but `approvals` itself.
#[derive(Debug, Serialize)]
pub struct Evidence<'a> {
    format: u32,
    dataset: &'a DatasetName,
    version_id: VersionId,
    stage: &'a StageName,
    contract: Option<ObjectId>,
    gates: Vec<&'a GateOutcome>,
}

impl<'a> Evidence<'a> {
    /// What `gates` found of a version that is meant for `stage`, under `contract`.
    pub fn new(
        (dataset, version_id): (&'a DatasetName, VersionId),
        stage: &'a StageName,
        contract: Option<ObjectId>,
        gates: impl IntoIterator<Item = &'a GateOutcome>,
    ) -> Self {
        let gates = gates.into_iter().collect();
        Self { format: FORMAT, dataset, version_id, stage, contract, gates }
    }

    /// Its name: the digest of its canonical text. Layout: ARCHITECTURE.md, "Promotions".
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        let text = serde_json::to_string(self).expect("plain values always serialise");
        ObjectId::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventBody, HeadMoved};

    fn outcome() -> GateOutcome {
        GateOutcome {
            gate: "lineage(raw)".parse().expect("a gate"),
            holds: false,
            found: "never at `raw`".to_owned(),
            waiver: Some(Waiver { by: "sam".to_owned(), reason: "so".to_owned(), event: 7 }),
        }
    }

    fn version_id() -> VersionId {
        VersionId::new(ObjectId::of(b"manifest"))
    }

    /// Heads that moved before there were promotions keep their bytes.
    #[test]
    fn old_moves_are_written_as_before() {
        let text = r#"{"type":"head_moved","dataset":"a.b","stage":"product","from":null,"to":1}"#;
        let body: EventBody = serde_json::from_str(text).expect("an old event");
        assert_eq!(serde_json::to_string(&body).expect("plain values"), text);
    }

    #[test]
    fn a_promotion_has_one_text() {
        let promotion = Promotion {
            version_id: version_id(),
            contract: None,
            declared: None,
            replaces: Some(3),
            last_review: None,
            last_notice: None,
            evidence: ObjectId::of(b"evidence"),
            gates: vec![outcome()],
            approvals: vec![
                Approval { by: "amy".to_owned(), event: Some(8) },
                Approval { by: "dan".to_owned(), event: None },
            ],
            self_approved: true,
            goes_back: false,
        };
        let body = EventBody::HeadMoved(HeadMoved {
            dataset: "a.b".parse().expect("a name"),
            stage: "product".parse().expect("a stage"),
            from: Some(1),
            to: 2,
            promotion: Some(Box::new(promotion)),
            objects: Vec::new(),
        });
        let text = serde_json::to_string(&body).expect("plain values");
        insta::assert_snapshot!(text.replace(",\"", ",\n\""), @r#"
        {"type":"head_moved",
        "dataset":"a.b",
        "stage":"product",
        "from":1,
        "to":2,
        "promotion":{"version_id":"0d197521d9a48760576da1c87dfd828a60d397ea1e16f92a5b7c44b4f4060ce1",
        "replaces":3,
        "evidence":"b26fcc302645d25e8327ec86f8ec1f0e4f989bfdeca51e17a314a5b29ba8f146",
        "gates":[{"gate":"lineage(raw)",
        "holds":false,
        "found":"never at `raw`",
        "waiver":{"by":"sam",
        "reason":"so",
        "event":7}}],
        "approvals":[{"by":"amy",
        "event":8},{"by":"dan"}],
        "self_approved":true}}
        "#);
        assert_eq!(serde_json::from_str::<EventBody>(&text).ok(), Some(body));
    }

    #[test]
    fn reviews_and_ends_have_one_text() {
        for text in [
            r#"{"type":"promotion_reviewed","dataset":"a.b","number":2,"stage":"product","verdict":"approved","evidence":"d79e65953d0b5f7306cdac4d875a1718001bee2d9146aed5fd3daff6dc0f5953"}"#,
            r#"{"type":"promotion_reviewed","dataset":"a.b","number":2,"stage":"product","verdict":{"waived":"fresh"},"evidence":"d79e65953d0b5f7306cdac4d875a1718001bee2d9146aed5fd3daff6dc0f5953","reason":"so"}"#,
            r#"{"type":"dataset_deprecated","dataset":"a.b","sunset_at":"2027-06-30T23:59:59.999999Z","successor":"a.c"}"#,
            r#"{"type":"dataset_retired","dataset":"a.b"}"#,
        ] {
            let body: EventBody = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&body).expect("plain values"), text);
            let kind = format!(r#""type":"{}""#, body.type_name());
            assert!(text.contains(&kind), "{text}");
        }
    }

    /// Reviews are bound to these bytes for ever.
    #[test]
    fn evidence_has_one_digest() {
        let (dataset, stage) =
            ("a.b".parse().expect("a name"), "product".parse().expect("a stage"));
        let gates = [outcome()];
        let evidence = Evidence::new((&dataset, version_id()), &stage, None, &gates);
        let text = serde_json::to_string(&evidence).expect("plain values");
        assert_eq!(evidence.digest(), ObjectId::of(text.as_bytes()));
        insta::assert_snapshot!(text.replace(",\"", ",\n\""), @r#"
        {"format":1,
        "dataset":"a.b",
        "version_id":"0d197521d9a48760576da1c87dfd828a60d397ea1e16f92a5b7c44b4f4060ce1",
        "stage":"product",
        "contract":null,
        "gates":[{"gate":"lineage(raw)",
        "holds":false,
        "found":"never at `raw`",
        "waiver":{"by":"sam",
        "reason":"so",
        "event":7}}]}
        "#);
    }
}
