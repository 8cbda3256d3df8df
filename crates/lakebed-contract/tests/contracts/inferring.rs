//! A first contract: readable, stable, and one that its own reader accepts.

use std::collections::BTreeMap;

use lakebed_contract::{ColumnProfile, NoteKind, Profile, bind, infer_contract, read_contract};
use lakebed_core::{
    DataType, DatasetName, Field, TableSchema,
    contract::{Number, Value},
};
use proptest::prelude::*;

use crate::world::told;

fn orders() -> (DatasetName, TableSchema, Profile) {
    let inner =
        vec![Field::optional("w", DataType::Double), Field::optional("h", DataType::Double)];
    let element = Field::optional("element", DataType::String);
    let key = Field { required: true, ..Field::optional("id", DataType::Long) };
    let fields = vec![
        key,
        Field::optional("Größe in m²", DataType::Decimal { precision: 9, scale: 2 }),
        Field::optional("no", DataType::String),
        Field::optional("ordered_at", DataType::Timestamptz),
        Field::optional("wall", DataType::Timestamp),
        Field::optional("ratio", DataType::Float),
        Field::optional("tags", DataType::List(Box::new(element))),
        Field::optional("box", DataType::Struct(inner)),
        Field::optional("hash", DataType::Fixed(16)),
    ];
    let number = |n: i64| Number::from(n);
    let column = |nulls, distinct| ColumnProfile {
        null_count: Some(nulls),
        distinct_count: Some(distinct),
        ..ColumnProfile::default()
    };
    let no = ColumnProfile {
        min: Some(Value::from("a: b")),
        max: Some(Value::from("z\n#")),
        ..column(3, 2)
    };
    let profile = Profile {
        row_count: 1000,
        columns: BTreeMap::from([
            ("id".into(), column(0, 1000).with_range(number(1), number(1000))),
            ("Größe in m²".into(), column(0, 7).with_range(number(0), number(12))),
            ("no".into(), no),
        ]),
    };
    ("sales.orders".parse().unwrap(), TableSchema::first(fields).unwrap(), profile)
}

#[test]
fn a_first_contract_says_what_was_seen() {
    let (dataset, schema, profile) = orders();
    let text = infer_contract(&dataset, &schema, Some(&profile));
    insta::assert_snapshot!(text);
    let read = read_contract("orders.odcs.yaml", &text, Some("orders")).unwrap();
    assert!(read.notes.iter().all(|note| note.kind == NoteKind::Kept), "{:?}", read.notes);
    let rules = bind(&read.contract, &schema).unwrap();
    assert!(rules.unmentioned.is_empty());
}

fn data_type() -> impl Strategy<Value = DataType> {
    let flat = prop_oneof![
        Just(DataType::Boolean),
        Just(DataType::Int),
        Just(DataType::Long),
        Just(DataType::Float),
        Just(DataType::Double),
        (1..=38_u8, 0..=38_u8).prop_map(|(precision, scale)| DataType::Decimal {
            precision,
            scale: scale.min(precision)
        }),
        Just(DataType::Date),
        Just(DataType::Time),
        Just(DataType::Timestamp),
        Just(DataType::Timestamptz),
        Just(DataType::String),
        Just(DataType::Fixed(16)),
        Just(DataType::Binary),
    ];
    flat.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| DataType::List(Box::new(Field::optional("element", t)))),
            inner.clone().prop_map(|t| DataType::Map(
                Box::new(Field { required: true, ..Field::optional("key", DataType::String) }),
                Box::new(Field::optional("value", t)),
            )),
            proptest::collection::vec(inner, 1..3).prop_map(|types| {
                let fields = types.into_iter().enumerate();
                DataType::Struct(fields.map(|(n, t)| Field::optional(format!("f{n}"), t)).collect())
            }),
        ]
    })
}

proptest! {
    /// Whatever the table, its first contract is read, fits it, and is the same each time.
    #[test]
    fn every_table_has_a_first_contract_that_fits(
        columns in proptest::collection::btree_map("[^\\p{Cc}]{1,12}", data_type(), 1..6),
    ) {
        let fields = columns.into_iter().map(|(name, data_type)| Field::optional(name, data_type));
        let schema = TableSchema::first(fields.collect()).unwrap();
        let dataset = "sales.on".parse().unwrap();
        let text = infer_contract(&dataset, &schema, None);
        prop_assert_eq!(&text, &infer_contract(&dataset, &schema, None));
        match read_contract("on.odcs.yaml", &text, Some("on")) {
            Err(mistakes) => prop_assert!(false, "{}\n{}", text, told(&mistakes)),
            Ok(read) => {
                let rules = bind(&read.contract, &schema);
                prop_assert!(rules.is_ok(), "{:?}", rules);
            }
        }
    }
}
