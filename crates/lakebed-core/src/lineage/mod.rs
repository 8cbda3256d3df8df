//! What the columns of an answer are made of, column by column.
//!
//! The words are OpenLineage's (columnLineage facet 1-2-0). *Direct* is what a value is made of;
//! *conditional* is what decides which values one column is made of; *indirect* is what decides which
//! rows there are, how often, beside which others and in which order: that is said once, of all columns.
//!
//! A column that is in none of the three has no part in an output column's values. It may have one in
//! whether there is an answer: a division by zero in one column ends the statement for all.
//!
//! What an output column *tells of* is part of the indirect, and said for policies alone: the columns of
//! which its value says something because of what it stands beside. A department's name that was joined to
//! a person tells of the key that the person was joined by, and a rank of what it ranks.

mod openlineage;
mod received;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::Error as _};

use crate::{
    DatasetName, TablePart, VersionId,
    document::{check_format, json_line},
};

pub use received::{LineageKind, LineageName, LineageNode, LineageReceived};

/// The shape of the document that this build writes, and the newest it reads. The first did not say what
/// columns tell of.
const FORMAT: u32 = 2;

/// Rows of one version that a statement reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The dataset.
    pub dataset: DatasetName,
    /// The version that was read.
    pub version_id: VersionId,
    /// Its accepted rows, or its quarantine.
    #[serde(default = "rows", skip_serializing_if = "is_rows")]
    pub part: TablePart,
}

const fn rows() -> TablePart {
    TablePart::Rows
}

fn is_rows(part: &TablePart) -> bool {
    *part == rows()
}

/// A column of a version. What is made of a field of it is made of the column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnOrigin {
    /// The rows it is a column of.
    pub input: Input,
    /// Its name in that version.
    pub column: String,
}

/// How a value becomes part of another; the later, the less is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direct {
    /// It is that value.
    Identity,
    /// That value was computed from it, or from a part of it.
    Transformation,
    /// That value was computed from it and from those of other rows.
    Aggregation,
}

/// How a value decides about rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Indirect {
    /// Whether a row is there.
    Filter,
    /// Beside which other rows it stands, and how often.
    Join,
    /// With which other rows it becomes one.
    GroupBy,
    /// Where it stands, and so whether a limit cuts it off.
    Sort,
    /// Which other rows its window has, and in which order.
    Window,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name; several columns of an answer may have the same.
    pub name: String,
    /// What its values are made of; nothing for literals and `count(*)`.
    pub direct: BTreeMap<ColumnOrigin, BTreeSet<Direct>>,
    /// What decides which values that are: conditions of `CASE`, all but the last of `coalesce`.
    pub conditional: BTreeSet<ColumnOrigin>,
    /// What its values tell of although they are not made of it: what it was joined by, what a window
    /// orders, what a subquery asks.
    pub tells_of: BTreeSet<ColumnOrigin>,
}

/// The lineage of an answer. Layout: ARCHITECTURE.md, "Lineage".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    inputs: BTreeSet<Input>,
    outputs: Vec<OutputColumn>,
    indirect: BTreeMap<ColumnOrigin, BTreeSet<Indirect>>,
    common: BTreeSet<ColumnOrigin>,
}

impl Lineage {
    /// The most pairs of a column and what it is made of, or what decides about its rows, that an
    /// engine tells.
    pub const MOST_EDGES: usize = 100_000;

    /// The lineage of columns in the order of the answer; `read` may name rows of which no column is
    /// used, as of the right side of a cross join.
    #[must_use]
    pub fn new(
        read: impl IntoIterator<Item = Input>,
        outputs: Vec<OutputColumn>,
        indirect: BTreeMap<ColumnOrigin, BTreeSet<Indirect>>,
    ) -> Self {
        let mut inputs: BTreeSet<Input> = read.into_iter().collect();
        let of_outputs = outputs.iter().flat_map(|output| output.origins().chain(&output.tells_of));
        inputs.extend(of_outputs.chain(indirect.keys()).map(|origin| origin.input.clone()));
        Self { inputs, outputs, indirect, common: BTreeSet::new() }
    }

    /// The same, where all that one row of the answer is made of has each of these columns in common:
    /// whoever may see rows by them may see those rows of the answer.
    #[must_use]
    pub fn with_common(mut self, common: impl IntoIterator<Item = ColumnOrigin>) -> Self {
        self.common =
            common.into_iter().filter(|origin| self.inputs.contains(&origin.input)).collect();
        self
    }

    /// Columns that the rows of an input have in common which one row of the answer is made of.
    #[must_use]
    pub const fn common(&self) -> &BTreeSet<ColumnOrigin> {
        &self.common
    }

    /// Everything that is read.
    #[must_use]
    pub const fn inputs(&self) -> &BTreeSet<Input> {
        &self.inputs
    }

    /// The columns, in order.
    #[must_use]
    pub fn outputs(&self) -> &[OutputColumn] {
        &self.outputs
    }

    /// What decides about rows.
    #[must_use]
    pub const fn indirect(&self) -> &BTreeMap<ColumnOrigin, BTreeSet<Indirect>> {
        &self.indirect
    }

    /// The bytes that are stored: a line of JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json_line(&Document::of(self))
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are not JSON of a lineage, name an input that is not there, or are of a format newer
    /// than this build.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(bytes)?;
        check_format("format", document.format, FORMAT)?;
        document.into_lineage()
    }
}

impl OutputColumn {
    /// The column that it shows as it is, and nothing else; none where it is anything more.
    #[must_use]
    pub fn shows(&self) -> Option<&ColumnOrigin> {
        let mut direct = self.direct.iter();
        let (origin, kinds) = direct.next()?;
        let is_all = direct.next().is_none() && self.conditional.is_empty();
        let is_plain = kinds.iter().all(|kind| *kind == Direct::Identity);
        (is_all && is_plain).then_some(origin)
    }

    /// Everything that has a part in its values, but for what decides about rows.
    pub fn origins(&self) -> impl Iterator<Item = &ColumnOrigin> {
        self.direct.keys().chain(&self.conditional)
    }
}

/// A lineage as it is stored: inputs are told once, and named by their place.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    inputs: Vec<Input>,
    outputs: Vec<DocumentColumn>,
    indirect: Vec<Edge<Indirect>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    common: Vec<Place>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentColumn {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    direct: Vec<Edge<Direct>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conditional: Vec<Place>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tells_of: Vec<Place>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    input: usize,
    column: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "K: Deserialize<'de> + Ord"))]
struct Edge<K> {
    input: usize,
    column: String,
    kinds: BTreeSet<K>,
}

impl Document {
    fn of(lineage: &Lineage) -> Self {
        let inputs: Vec<Input> = lineage.inputs.iter().cloned().collect();
        let outputs = lineage.outputs.iter().map(|output| DocumentColumn {
            name: output.name.clone(),
            direct: edges(&inputs, &output.direct),
            conditional: places(&inputs, &output.conditional),
            tells_of: places(&inputs, &output.tells_of),
        });
        let outputs = outputs.collect();
        let indirect = edges(&inputs, &lineage.indirect);
        let common = places(&inputs, &lineage.common);
        Self { format: FORMAT, inputs, outputs, indirect, common }
    }

    fn into_lineage(self) -> Result<Lineage, serde_json::Error> {
        let Self { format, inputs, outputs, indirect, common } = self;
        let indirect = origins(&inputs, indirect)?;
        let mut columns = Vec::new();
        for DocumentColumn { name, direct, conditional, tells_of } in outputs {
            let tells_of = match format {
                // Any of it may be meant.
                1 => indirect.keys().cloned().collect(),
                _ => named(&inputs, tells_of)?,
            };
            columns.push(OutputColumn {
                name,
                direct: origins(&inputs, direct)?,
                conditional: named(&inputs, conditional)?,
                tells_of,
            });
        }
        let common = named(&inputs, common)?;
        Ok(Lineage::new(inputs, columns, indirect).with_common(common))
    }
}

fn places(inputs: &[Input], origins: &BTreeSet<ColumnOrigin>) -> Vec<Place> {
    origins.iter().map(|origin| place(inputs, origin)).collect()
}

fn named(
    inputs: &[Input],
    places: Vec<Place>,
) -> Result<BTreeSet<ColumnOrigin>, serde_json::Error> {
    places.into_iter().map(|place| origin(inputs, place)).collect()
}

fn place(inputs: &[Input], origin: &ColumnOrigin) -> Place {
    let input = inputs.binary_search(&origin.input);
    let input = input.expect("every origin's input is there: Lineage::new");
    Place { input, column: origin.column.clone() }
}

fn edges<K: Copy + Ord>(
    inputs: &[Input],
    origins: &BTreeMap<ColumnOrigin, BTreeSet<K>>,
) -> Vec<Edge<K>> {
    let edge = |(origin, kinds): (&ColumnOrigin, &BTreeSet<K>)| {
        let Place { input, column } = place(inputs, origin);
        Edge { input, column, kinds: kinds.clone() }
    };
    origins.iter().map(edge).collect()
}

fn origin(inputs: &[Input], place: Place) -> Result<ColumnOrigin, serde_json::Error> {
    let Place { input, column } = place;
    let missing = || serde_json::Error::custom(format_args!("there is no input {input}"));
    Ok(ColumnOrigin { input: inputs.get(input).ok_or_else(missing)?.clone(), column })
}

fn origins<K: Ord>(
    inputs: &[Input],
    edges: Vec<Edge<K>>,
) -> Result<BTreeMap<ColumnOrigin, BTreeSet<K>>, serde_json::Error> {
    let origin =
        |Edge { input, column, kinds }| Ok((origin(inputs, Place { input, column })?, kinds));
    edges.into_iter().map(origin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectId;

    fn input(dataset: &str, part: TablePart) -> Input {
        let version_id = VersionId::new(ObjectId::of(b"a version"));
        Input { dataset: dataset.parse().expect("a name"), version_id, part }
    }

    fn origin_of(dataset: &str, column: &str) -> ColumnOrigin {
        ColumnOrigin { input: input(dataset, TablePart::Rows), column: column.to_owned() }
    }

    pub(super) fn example() -> Lineage {
        let price = OutputColumn {
            name: "price".to_owned(),
            direct: BTreeMap::from([
                (origin_of("b.b", "price"), BTreeSet::from([Direct::Transformation])),
                (origin_of("a.a", "net"), BTreeSet::from([Direct::Aggregation, Direct::Identity])),
            ]),
            conditional: BTreeSet::from([origin_of("a.a", "kind")]),
            tells_of: BTreeSet::from([origin_of("b.b", "key")]),
        };
        let one = OutputColumn {
            name: "one".to_owned(),
            direct: BTreeMap::new(),
            conditional: BTreeSet::new(),
            tells_of: BTreeSet::new(),
        };
        let indirect =
            BTreeMap::from([(origin_of("b.b", "day"), BTreeSet::from([Indirect::GroupBy]))]);
        Lineage::new([input("c.c", TablePart::Quarantine)], vec![price, one], indirect)
    }

    #[test]
    fn it_is_a_line_that_reads_back() {
        let lineage = example();
        let bytes = lineage.to_bytes();
        let shown = String::from_utf8(bytes.clone()).expect("JSON is text");
        let id = input("a.a", TablePart::Rows).version_id.to_string();
        insta::assert_snapshot!(shown.replace(&id, "…"), @r#"{"format":2,"inputs":[{"dataset":"a.a","version_id":"…"},{"dataset":"b.b","version_id":"…"},{"dataset":"c.c","version_id":"…","part":"quarantine"}],"outputs":[{"name":"price","direct":[{"input":0,"column":"net","kinds":["identity","aggregation"]},{"input":1,"column":"price","kinds":["transformation"]}],"conditional":[{"input":0,"column":"kind"}],"tells_of":[{"input":1,"column":"key"}]},{"name":"one"}],"indirect":[{"input":1,"column":"day","kinds":["group_by"]}]}"#);
        assert_eq!(Lineage::from_bytes(&bytes).expect("readable"), lineage);
    }

    /// What an older build did not say may be so: of all that decides about rows.
    #[test]
    fn columns_of_the_first_format_may_tell_of_anything() {
        let old = r#"{"format":1,"inputs":[{"dataset":"a.a","version_id":"…"}],"outputs":[{"name":"one"}],"indirect":[{"input":0,"column":"day","kinds":["join"]}]}"#;
        let id = input("a.a", TablePart::Rows).version_id.to_string();
        let read = Lineage::from_bytes(old.replace('…', &id).as_bytes()).expect("readable");
        assert_eq!(read.outputs()[0].tells_of, BTreeSet::from([origin_of("a.a", "day")]));
    }

    #[test]
    fn what_this_build_does_not_know_is_refused() {
        let shown = String::from_utf8(example().to_bytes()).expect("JSON is text");
        for (known, other) in [
            (r#""format":2"#, r#""format":3"#),
            (r#""input":1"#, r#""input":3"#),
            (r#""group_by""#, r#""whim""#),
            (r#""indirect""#, r#""direct""#),
        ] {
            assert!(shown.contains(known), "{known}");
            assert!(Lineage::from_bytes(shown.replace(known, other).as_bytes()).is_err());
        }
    }
}
