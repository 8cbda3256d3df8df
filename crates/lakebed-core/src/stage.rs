//! The ladder from raw data to products: stages, and the gates before each of them.
//!
//! Plain values; whether a gate holds for a version is decided in `lakebed-govern`.

use std::{collections::BTreeSet, fmt, num::NonZeroU8, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{NameError, StageName, name::printable, serde_text::serde_as_text};

/// The stages of a lake, from the first to the last.
///
/// Layout: ARCHITECTURE.md, "The declared catalog".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// One person does it all: their own approvals count, and promotions say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub solo: bool,
    /// The stages; the first is `raw`.
    pub stages: Vec<Stage>,
}

/// A rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name.
    pub name: StageName,
    /// What must hold of a version that comes here.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gates: BTreeSet<Gate>,
    /// Which of them a steward may waive, openly.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waivable: BTreeSet<GateName>,
}

/// A condition before a stage. As text: `integrity`, `lineage(validated)`, `approvals(2)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// Every byte was read again, and is what its name says.
    Integrity,
    /// Somebody answers for the dataset.
    Owner,
    /// The dataset and each of its columns are described.
    Documented,
    /// The contract in force holds.
    Contract,
    /// The contract's version says what its change means to those who read the head.
    Compatible,
    /// Every input is, or was, head of this stage or of one beyond; none: of the same stage.
    Lineage(Option<StageName>),
    /// Few enough rows were set aside.
    Quarantine,
    /// The data is as young as the contract promises.
    Fresh,
    /// So many people consent, who neither made the version nor ask for its promotion.
    Approvals(NonZeroU8),
}

/// Which gate, whatever it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GateName {
    /// See [`Gate::Integrity`].
    Integrity,
    /// See [`Gate::Owner`].
    Owner,
    /// See [`Gate::Documented`].
    Documented,
    /// See [`Gate::Contract`].
    Contract,
    /// See [`Gate::Compatible`].
    Compatible,
    /// See [`Gate::Lineage`].
    Lineage,
    /// See [`Gate::Quarantine`].
    Quarantine,
    /// See [`Gate::Fresh`].
    Fresh,
    /// See [`Gate::Approvals`].
    Approvals,
}

/// A text that is no gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// No gate has that name.
    #[error(
        "`{given}` is no gate: use `integrity`, `owner`, `documented`, `contract`, `compatible`, \
         `lineage`, `quarantine`, `fresh` or `approvals(1)`"
    )]
    Unknown {
        /// What was given, shortened and escaped.
        given: String,
    },
    /// What stands in brackets is not what the gate takes.
    #[error("`{given}`: {why}")]
    Argument {
        /// What was given, shortened and escaped.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The stage of `lineage(…)` has no name that a stage can have.
    #[error(transparent)]
    Stage(#[from] NameError),
}

impl Ladder {
    /// The ladder of a lake that declares none: `raw`, `validated`, `product`.
    #[must_use]
    pub fn usual() -> Self {
        let stage = |name: &str, gates: &[Gate]| Stage {
            name: name.parse().expect("a constant name is a stage's"),
            gates: gates.iter().cloned().collect(),
            waivable: BTreeSet::new(),
        };
        let validated = [Gate::Integrity, Gate::Owner, Gate::Contract, Gate::Quarantine];
        let product = [
            Gate::Integrity,
            Gate::Owner,
            Gate::Documented,
            Gate::Contract,
            Gate::Compatible,
            Gate::Lineage(Some("validated".parse().expect("a constant name is a stage's"))),
            Gate::Quarantine,
            Gate::Fresh,
            Gate::Approvals(NonZeroU8::MIN),
        ];
        let stages =
            vec![stage("raw", &[]), stage("validated", &validated), stage("product", &product)];
        Self { solo: false, stages }
    }

    /// The place of a stage, from 0; none if the ladder does not have it.
    #[must_use]
    pub fn position(&self, name: &StageName) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == *name)
    }
}

impl Stage {
    /// How many people have to consent; 0 where nobody is asked.
    #[must_use]
    pub fn approvals(&self) -> u8 {
        let count = |gate: &Gate| match gate {
            Gate::Approvals(count) => Some(count.get()),
            _ => None,
        };
        self.gates.iter().find_map(count).unwrap_or_default()
    }
}

impl Gate {
    /// Which gate it is.
    #[must_use]
    pub const fn name(&self) -> GateName {
        match self {
            Self::Integrity => GateName::Integrity,
            Self::Owner => GateName::Owner,
            Self::Documented => GateName::Documented,
            Self::Contract => GateName::Contract,
            Self::Compatible => GateName::Compatible,
            Self::Lineage(_) => GateName::Lineage,
            Self::Quarantine => GateName::Quarantine,
            Self::Fresh => GateName::Fresh,
            Self::Approvals(_) => GateName::Approvals,
        }
    }
}

impl GateName {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Integrity,
        Self::Owner,
        Self::Documented,
        Self::Contract,
        Self::Compatible,
        Self::Lineage,
        Self::Quarantine,
        Self::Fresh,
        Self::Approvals,
    ];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Owner => "owner",
            Self::Documented => "documented",
            Self::Contract => "contract",
            Self::Compatible => "compatible",
            Self::Lineage => "lineage",
            Self::Quarantine => "quarantine",
            Self::Fresh => "fresh",
            Self::Approvals => "approvals",
        }
    }

    /// Whether a stage may declare it waivable. Bytes that are not what their name says stay so
    /// whoever waives, and consent is declared away, not waived.
    #[must_use]
    pub const fn can_be_waived(self) -> bool {
        !matches!(self, Self::Integrity | Self::Approvals)
    }
}

impl fmt::Display for GateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GateName {
    type Err = GateError;

    /// Its word, or a gate as plans print it, with what stands in its brackets.
    fn from_str(text: &str) -> Result<Self, GateError> {
        if text.contains('(') {
            return text.parse().map(|gate: Gate| gate.name());
        }
        let known = Self::ALL.into_iter().find(|name| name.as_str() == text);
        known.ok_or_else(|| GateError::Unknown { given: printable(text) })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lineage(Some(stage)) => write!(f, "lineage({stage})"),
            Self::Approvals(count) => write!(f, "approvals({count})"),
            plain => plain.name().fmt(f),
        }
    }
}

impl FromStr for Gate {
    type Err = GateError;

    fn from_str(text: &str) -> Result<Self, GateError> {
        let error = |why| GateError::Argument { given: printable(text), why };
        let (name, argument) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => {
                let argument = rest.strip_suffix(')').ok_or_else(|| error("it lacks its `)`"))?;
                (name, Some(argument))
            }
        };
        match (name.parse()?, argument) {
            (GateName::Lineage, None) => Ok(Self::Lineage(None)),
            (GateName::Lineage, Some(stage)) => Ok(Self::Lineage(Some(stage.parse()?))),
            (GateName::Approvals, None) => Ok(Self::Approvals(NonZeroU8::MIN)),
            (GateName::Approvals, Some(count)) => approvals(count).map_err(error),
            (_, Some(_)) => Err(error("this gate takes nothing in brackets")),
            (GateName::Integrity, None) => Ok(Self::Integrity),
            (GateName::Owner, None) => Ok(Self::Owner),
            (GateName::Documented, None) => Ok(Self::Documented),
            (GateName::Contract, None) => Ok(Self::Contract),
            (GateName::Compatible, None) => Ok(Self::Compatible),
            (GateName::Quarantine, None) => Ok(Self::Quarantine),
            (GateName::Fresh, None) => Ok(Self::Fresh),
        }
    }
}

/// One number has one spelling.
fn approvals(text: &str) -> Result<Gate, &'static str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let count = text.parse().ok().filter(|_| is_plain);
    count.map(Gate::Approvals).ok_or("so many approvals must be a number from 1 to 255")
}

serde_as_text!(Gate, GateName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_has_one_text() {
        for text in [
            "integrity",
            "owner",
            "documented",
            "contract",
            "compatible",
            "lineage",
            "lineage(validated)",
            "quarantine",
            "fresh",
            "approvals(1)",
            "approvals(255)",
        ] {
            assert_eq!(text.parse::<Gate>().map(|gate| gate.to_string()), Ok(text.into()));
        }
        assert_eq!("approvals".parse(), Ok(Gate::Approvals(NonZeroU8::MIN)));
        for bad in ["", "owners", "fresh(1)", "approvals(0)", "approvals(01)", "approvals(256)"] {
            assert!(bad.parse::<Gate>().is_err(), "{bad}");
        }
        for bad in ["lineage(", "lineage()", "lineage(v1)", "lineage(a)b"] {
            assert!(bad.parse::<Gate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn gates_and_their_names_are_told_alike() {
        for name in GateName::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
            assert_eq!(name.as_str().parse::<Gate>().map(|gate| gate.name()), Ok(name));
        }
        assert_eq!("lineage(validated)".parse(), Ok(GateName::Lineage));
        assert_eq!("approvals(1)".parse(), Ok(GateName::Approvals));
        for bad in ["lineage(", "(", "fresh(1)", "approvals(0)"] {
            assert!(bad.parse::<GateName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_usual_ladder_is_a_value_like_any_other() {
        let usual = Ladder::usual();
        let json = serde_json::to_string(&usual).expect("plain values");
        insta::assert_snapshot!(json.replace("},", "},\n"), @r#"
        {"stages":[{"name":"raw"},
        {"name":"validated","gates":["integrity","owner","contract","quarantine"]},
        {"name":"product","gates":["integrity","owner","documented","contract","compatible","lineage(validated)","quarantine","fresh","approvals(1)"]}]}
        "#);
        assert_eq!(serde_json::from_str::<Ladder>(&json).ok(), Some(usual));
    }
}
