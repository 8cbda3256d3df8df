//! A lineage as OpenLineage says it: the `columnLineage` facet of the dataset that was made, in version
//! 1-2-0 of its schema (OpenLineage, `spec/facets/ColumnLineageDatasetFacet.json`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{ColumnOrigin, Direct, Indirect, Lineage};
use crate::TablePart;

const SCHEMA: &str = "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet";

/// The type and the subtype of a transformation.
type Told = (&'static str, &'static str);

impl Lineage {
    /// The facet, with datasets in `namespace`, as told by `producer`, a URI. Output columns of one name
    /// are one; which version was read is told by facets of the inputs.
    #[must_use]
    pub fn to_openlineage(&self, namespace: &str, producer: &str) -> Value {
        let mut fields: BTreeMap<&str, BTreeMap<&ColumnOrigin, BTreeSet<Told>>> = BTreeMap::new();
        for output in &self.outputs {
            let field = fields.entry(&output.name).or_default();
            for (origin, kinds) in &output.direct {
                field.entry(origin).or_default().extend(kinds.iter().map(|kind| kind.told()));
            }
            for origin in &output.conditional {
                field.entry(origin).or_default().insert(("INDIRECT", "CONDITIONAL"));
            }
        }
        let fields = fields.into_iter().map(|(name, origins)| {
            let inputs = origins.into_iter().map(|(origin, told)| input(namespace, origin, told));
            (name.to_owned(), json!({ "inputFields": inputs.collect::<Vec<_>>() }))
        });
        let dataset = self
            .indirect
            .iter()
            .map(|(origin, kinds)| input(namespace, origin, kinds.iter().map(|kind| kind.told())));
        json!({
            "_producer": producer,
            "_schemaURL": SCHEMA,
            "fields": fields.collect::<Map<_, _>>(),
            "dataset": dataset.collect::<Vec<_>>(),
        })
    }
}

impl Direct {
    const fn told(self) -> Told {
        match self {
            Self::Identity => ("DIRECT", "IDENTITY"),
            Self::Transformation => ("DIRECT", "TRANSFORMATION"),
            Self::Aggregation => ("DIRECT", "AGGREGATION"),
        }
    }
}

impl Indirect {
    const fn told(self) -> Told {
        match self {
            Self::Filter => ("INDIRECT", "FILTER"),
            Self::Join => ("INDIRECT", "JOIN"),
            Self::GroupBy => ("INDIRECT", "GROUP_BY"),
            Self::Sort => ("INDIRECT", "SORT"),
            Self::Window => ("INDIRECT", "WINDOW"),
        }
    }
}

fn input(namespace: &str, origin: &ColumnOrigin, told: impl IntoIterator<Item = Told>) -> Value {
    let name = match origin.input.part {
        TablePart::Rows => origin.input.dataset.to_string(),
        TablePart::Quarantine => format!("{}!quarantine", origin.input.dataset),
    };
    let transformation = |(kind, subtype)| json!({ "type": kind, "subtype": subtype });
    let transformations: Vec<Value> = told.into_iter().map(transformation).collect();
    json!({
        "namespace": namespace,
        "name": name,
        "field": origin.column,
        "transformations": transformations,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::example, *};

    #[test]
    fn a_lineage_is_a_facet() {
        let facet = example().to_openlineage("lakebed://lake", "https://example.org/lakebed");
        let input = |dataset: &str, field: &str, told: &[(&str, &str)]| {
            let told =
                told.iter().map(|(kind, subtype)| json!({ "type": kind, "subtype": subtype }));
            json!({
                "namespace": "lakebed://lake",
                "name": dataset,
                "field": field,
                "transformations": told.collect::<Vec<_>>(),
            })
        };
        let expected = json!({
            "_producer": "https://example.org/lakebed",
            "_schemaURL": SCHEMA,
            "fields": {
                "one": { "inputFields": [] },
                "price": {
                    "inputFields": [
                        input("a.a", "kind", &[("INDIRECT", "CONDITIONAL")]),
                        input("a.a", "net", &[("DIRECT", "AGGREGATION"), ("DIRECT", "IDENTITY")]),
                        input("b.b", "price", &[("DIRECT", "TRANSFORMATION")]),
                    ],
                },
            },
            "dataset": [input("b.b", "day", &[("INDIRECT", "GROUP_BY")])],
        });
        assert_eq!(facet, expected);
    }
}
