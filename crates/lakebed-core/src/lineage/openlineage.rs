//! A lineage as OpenLineage says it: the `columnLineage` facet of the dataset that was made, in version
//! 1-2-0 of its schema (OpenLineage, `spec/facets/ColumnLineageDatasetFacet.json`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ColumnOrigin, Direct, Indirect, Lineage};
use crate::TablePart;

const SCHEMA: &str = "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet";

impl Lineage {
    /// The facet, with datasets in `namespace`, as told by `producer`, a URI. Output columns of one name
    /// are one; which version was read is told by facets of the inputs.
    #[must_use]
    pub fn to_openlineage(&self, namespace: &str, producer: &str) -> Value {
        let mut fields: BTreeMap<&str, BTreeMap<&ColumnOrigin, Vec<Value>>> = BTreeMap::new();
        for output in &self.outputs {
            let field = fields.entry(&output.name).or_default();
            for (origin, kinds) in &output.direct {
                field.entry(origin).or_default().extend(kinds.iter().map(|kind| kind.told()));
            }
            for origin in &output.conditional {
                field.entry(origin).or_default().push(told("INDIRECT", "CONDITIONAL"));
            }
        }
        let fields = fields.into_iter().map(|(name, origins)| {
            let inputs = origins.into_iter().map(|(origin, told)| input(namespace, origin, told));
            (name.to_owned(), json!({ "inputFields": inputs.collect::<Vec<_>>() }))
        });
        let dataset = self.indirect.iter().map(|(origin, kinds)| {
            input(namespace, origin, kinds.iter().map(|kind| kind.told()).collect())
        });
        json!({
            "_producer": producer,
            "_schemaURL": SCHEMA,
            "fields": fields.collect::<Map<_, _>>(),
            "dataset": dataset.collect::<Vec<_>>(),
        })
    }
}

impl Direct {
    fn told(self) -> Value {
        told(
            "DIRECT",
            match self {
                Self::Identity => "IDENTITY",
                Self::Transformation => "TRANSFORMATION",
                Self::Aggregation => "AGGREGATION",
            },
        )
    }
}

impl Indirect {
    fn told(self) -> Value {
        told(
            "INDIRECT",
            match self {
                Self::Filter => "FILTER",
                Self::Join => "JOIN",
                Self::GroupBy => "GROUP_BY",
                Self::Sort => "SORT",
                Self::Window => "WINDOW",
            },
        )
    }
}

fn told(kind: &str, subtype: &str) -> Value {
    json!({ "type": kind, "subtype": subtype })
}

fn input(namespace: &str, origin: &ColumnOrigin, mut transformations: Vec<Value>) -> Value {
    transformations.dedup();
    let name = match origin.input.part {
        TablePart::Rows => origin.input.dataset.to_string(),
        TablePart::Quarantine => format!("{}!quarantine", origin.input.dataset),
    };
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
                        input("a.a", "net", &[("DIRECT", "IDENTITY"), ("DIRECT", "AGGREGATION")]),
                        input("b.b", "price", &[("DIRECT", "TRANSFORMATION")]),
                    ],
                },
            },
            "dataset": [input("b.b", "day", &[("INDIRECT", "GROUP_BY")])],
        });
        assert_eq!(facet, expected);
    }
}
