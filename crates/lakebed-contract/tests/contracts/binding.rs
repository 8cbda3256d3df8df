//! Binding to a table: what fits, what does not, and what is asked of each value.

use lakebed_contract::{Cell, RowRules, bind, decode_type};
use lakebed_core::{DataType, Field, TableSchema, contract::Contract};

use crate::world::contract;

fn table(columns: &[(&str, &str)]) -> TableSchema {
    let field = |(name, data_type): &(&str, &str)| {
        Field::optional(*name, data_type.parse::<DataType>().expect("a type"))
    };
    TableSchema::first(columns.iter().map(field).collect()).expect("a table")
}

/// A table with one column `c` of that type, and a contract of it.
fn one(data_type: DataType, column: &str) -> Result<RowRules, String> {
    let schema = TableSchema::first(vec![Field::optional("c", data_type)]).expect("a table");
    bound(&contract(&[&format!("name: c, {column}")]), &schema)
}

fn bound(contract: &Contract, schema: &TableSchema) -> Result<RowRules, String> {
    bind(contract, schema).map_err(|flaws| {
        let said: Vec<String> = flaws.iter().map(ToString::to_string).collect();
        said.join("\n")
    })
}

/// Whether every rule holds for the cell.
fn holds(rules: &RowRules, cell: Cell<'_>) -> bool {
    rules.values.iter().all(|rule| rule.holds(cell))
}

#[test]
fn rules_know_their_columns() {
    let contract = contract(&[
        "name: id, physicalName: ID, logicalType: integer, primaryKey: true",
        "name: price, logicalType: number, required: true, logicalTypeOptions: { minimum: 0 }",
        "name: code, logicalType: string, unique: true, quality: [{ metric: nullValues, mustBeLessThan: 5, unit: percent, severity: warning }]",
    ]);
    let schema =
        table(&[("extra", "date"), ("price", "decimal(9,2)"), ("code", "string"), ("ID", "long")]);
    let rules = bound(&contract, &schema).expect("it fits");
    let said: Vec<String> = rules
        .values
        .iter()
        .map(|rule| {
            format!("{} on {} {}: {:?}", rule.rule.id, rule.column_index, rule.column, rule.checks)
        })
        .chain(rules.duplicates.iter().map(|d| format!("{} on {:?}", d.rule.id, d.column_indexes)))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    id.primaryKey on 3 ID: [NotNull]
    price.required on 1 price: [NotNull]
    price.minimum on 1 price: [Compare(AtLeast, Integer(0))]
    code.nullValues on 2 code: [NotNull]
    code.unique on [2]
    primaryKey on [3]
    ");
    assert_eq!(rules.unmentioned, ["extra"]);
    let threshold = rules.values.iter().find_map(|rule| rule.threshold());
    assert_eq!(threshold.expect("one has").to_string(), "less than 5 %");
}

#[test]
fn what_does_not_fit_is_told_with_its_rule() {
    let contract = contract(&[
        "name: id, logicalType: integer",
        "name: prize, logicalType: number",
        "name: day, logicalType: date, logicalTypeOptions: { minimum: '2024-01-01' }",
        "name: at, logicalType: timestamp, logicalTypeOptions: { timezone: true }",
        "name: wall, logicalType: timestamp, logicalTypeOptions: { minimum: '2024-01-01T00:00:00Z' }",
        "name: small, logicalType: integer, logicalTypeOptions: { minimum: 3000000000 }",
        "name: code, logicalType: string, quality: [{ metric: invalidValues, mustBe: 0, arguments: { validValues: [1, 2] } }]",
        "name: amount, physicalType: 'decimal(5,2)', logicalType: number",
        "name: flag, logicalType: boolean, quality: [{ metric: invalidValues, mustBe: 0, arguments: { pattern: x } }]",
        "name: n, logicalType: integer, quality: [{ metric: invalidValues, mustBe: 0, arguments: { validValues: [1.5] } }]",
    ]);
    let schema = table(&[
        ("id", "string"),
        ("price", "double"),
        ("day", "timestamp"),
        ("at", "timestamp"),
        ("wall", "timestamp"),
        ("small", "int"),
        ("code", "string"),
        ("amount", "decimal(9,2)"),
        ("flag", "boolean"),
        ("n", "long"),
    ]);
    insta::assert_snapshot!(bound(&contract, &schema).expect_err("nothing fits"), @r#"
    `id.logicalType`: the contract says integer, the table has string
    `prize`: the table has no column `prize`
    `day.logicalType`: the contract says date, the table has timestamp
    `at.logicalType`: the contract says timestamp with a time zone, the table has timestamp
    `amount.physicalType`: the contract says `decimal(5,2)`, the table has decimal(9,2)
    `wall.minimum`: at least "2024-01-01T00:00:00Z" does not fit the type timestamp: it has an offset, and the column has no time zone
    `small.minimum`: at least 3000000000 does not fit the type int: none of its values could keep it
    `code.invalidValues`: one of 2 valid values does not fit the type string: 1 is a number; in quotes it would be text
    `flag.invalidValues`: pattern `x` does not fit the type boolean: it is no text
    `n.invalidValues`: one of 1 valid values does not fit the type long: 1.5 is none of its values
    "#);
}

/// Bounds mean for each type what they mean for its values.
#[test]
fn bounds_mean_what_they_mean_for_the_type() {
    let bounds = "logicalType: number, logicalTypeOptions: { minimum: 0.1, exclusiveMaximum: 2 }";
    let long = one(DataType::Long, bounds).unwrap();
    let held: Vec<i64> = (-1..4).filter(|n| holds(&long, Cell::Integer(*n))).collect();
    assert_eq!(held, [1], "0.1 is no whole number, 2 is left out");
    let decimal = one(DataType::Decimal { precision: 9, scale: 2 }, bounds).unwrap();
    let held: Vec<i128> = [9, 10, 11, 199, 200]
        .into_iter()
        .filter(|n| holds(&decimal, Cell::Decimal(*n, 2)))
        .collect();
    assert_eq!(held, [10, 11, 199]);
    let double = one(DataType::Double, bounds).unwrap();
    assert!(holds(&double, Cell::Double(0.1)));
    assert!(!holds(&double, Cell::Double(0.1_f64.next_down())));
    assert!(!holds(&double, Cell::Double(2.0)));
    assert!(!holds(&double, Cell::Double(f64::NAN)), "NaN is within no bounds");
    let float = one(DataType::Float, bounds).unwrap();
    assert!(holds(&float, Cell::Float(0.1)), "the bound is the nearest float");
    for rules in [&long, &decimal, &double, &float] {
        assert!(holds(rules, Cell::Null), "nothing is asked of null");
        assert!(!holds(rules, Cell::Text("1")), "a cell of another type is none of the column's");
    }
}

#[test]
fn a_bound_that_the_type_keeps_asks_nothing() {
    let unsigned = "logicalType: integer, logicalTypeOptions: { format: u64 }";
    let rules = one(DataType::Long, unsigned).unwrap();
    assert!(!holds(&rules, Cell::Integer(-1)));
    assert!(holds(&rules, Cell::Integer(i64::MAX)));
    let checks: usize = rules.values.iter().map(|rule| rule.checks.len()).sum();
    assert_eq!(checks, 1, "a long is never more than a u64");
}

#[test]
fn dates_and_times_are_compared_as_such() {
    let day = one(DataType::Date, "logicalType: date, logicalTypeOptions: { minimum: '1970-01-02', exclusiveMaximum: '1970-01-04' }").unwrap();
    let held: Vec<i32> = (0..5).filter(|day_| holds(&day, Cell::Date(*day_))).collect();
    assert_eq!(held, [1, 2]);
    let point = one(DataType::Timestamptz, "logicalType: timestamp, logicalTypeOptions: { timezone: true, minimum: '1970-01-01 02:00:00+01:00' }").unwrap();
    assert!(holds(&point, Cell::Timestamp(3_600_000_000)));
    assert!(!holds(&point, Cell::Timestamp(3_599_999_999)));
    let time =
        one(DataType::Time, "logicalType: time, logicalTypeOptions: { maximum: '23:59:59' }")
            .unwrap();
    assert!(holds(&time, Cell::Time(86_399_000_000)));
    assert!(!holds(&time, Cell::Time(86_399_000_001)));
}

#[test]
fn texts_have_lengths_patterns_and_lists() {
    let text = one(DataType::String, "logicalType: string, physicalType: varchar(4), logicalTypeOptions: { minLength: 2, pattern: '^[a-zß]+$' }").unwrap();
    for (value, expected) in
        [("ab", true), ("ßßßß", true), ("a", false), ("abcde", false), ("AB", false), ("", false)]
    {
        assert_eq!(holds(&text, Cell::Text(value)), expected, "{value:?}");
    }
    let list = one(DataType::String, "logicalType: string, quality: [{ metric: invalidValues, mustBe: 0, arguments: { validValues: [a, 'NO', null] } }]").unwrap();
    assert!(holds(&list, Cell::Text("NO")));
    assert!(!holds(&list, Cell::Text("no")));
    assert!(holds(&list, Cell::Null));
    let bytes =
        one(DataType::Binary, "logicalType: string, logicalTypeOptions: { maxLength: 2 }").unwrap();
    assert!(!holds(&bytes, Cell::Bytes("ßß".as_bytes())), "bytes are counted");
}

#[test]
fn missing_is_null_or_a_token() {
    let quality = "quality: [{ metric: missingValues, mustBe: 0, arguments: { missingValues: ['', 'N/A', -999] } }]";
    let text = one(DataType::String, &format!("logicalType: string, {quality}")).unwrap();
    for (cell, expected) in [
        (Cell::Null, false),
        (Cell::Text(""), false),
        (Cell::Text("N/A"), false),
        (Cell::Text("-999"), true),
        (Cell::Text("x"), true),
    ] {
        assert_eq!(holds(&text, cell), expected, "{cell:?}");
    }
    let long = one(DataType::Long, &format!("logicalType: integer, {quality}")).unwrap();
    assert!(!holds(&long, Cell::Integer(-999)));
    assert!(holds(&long, Cell::Integer(0)));
}

#[test]
fn multiples_and_items_are_counted() {
    let cents =
        one(DataType::Double, "logicalType: number, logicalTypeOptions: { multipleOf: 0.01 }")
            .unwrap();
    assert!(holds(&cents, Cell::Double(0.07)));
    assert!(!holds(&cents, Cell::Double(0.075)));
    let fives = one(
        DataType::Decimal { precision: 5, scale: 1 },
        "logicalType: number, logicalTypeOptions: { multipleOf: 0.5 }",
    )
    .unwrap();
    assert!(holds(&fives, Cell::Decimal(15, 1)));
    assert!(!holds(&fives, Cell::Decimal(16, 1)));
    let element = Field::optional("element", DataType::Int);
    let list = one(
        DataType::List(Box::new(element)),
        "logicalType: array, logicalTypeOptions: { minItems: 1, maxItems: 2 }",
    )
    .unwrap();
    let held: Vec<u64> = (0..4).filter(|count| holds(&list, Cell::Items(*count))).collect();
    assert_eq!(held, [1, 2]);
}

/// The types that text is read as where a contract says them.
#[test]
fn a_contract_says_how_to_read_text() {
    let contract = contract(&[
        "name: a, logicalType: integer",
        "name: b, logicalType: integer, physicalType: int",
        "name: c, logicalType: number, physicalType: 'numeric(9,2)'",
        "name: d, logicalType: number, physicalType: float",
        "name: e, logicalType: number, physicalType: varchar(3)",
        "name: f, physicalType: varchar(3)",
        "name: g, logicalType: timestamp",
        "name: h, logicalType: timestamp, logicalTypeOptions: { timezone: true }",
        "name: i, physicalType: geography",
        "name: j, logicalType: integer, physicalType: 'decimal(20)'",
    ]);
    let said: Vec<String> = contract
        .columns
        .iter()
        .map(|c| format!("{} {}", c.name, decode_type(c).map_or("open".into(), |t| t.to_string())))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    a long
    b int
    c decimal(9,2)
    d double
    e double
    f string
    g open
    h timestamptz
    i open
    j decimal(20,0)
    ");
}

proptest::proptest! {
    /// On whole numbers, decimals and doubles the same bound holds for the same numbers.
    #[test]
    fn types_agree_on_numbers(low in -50_i64..50, width in 0_i64..50, value in -120_i64..120, exclusive: bool) {
        let word = if exclusive { "exclusiveMinimum" } else { "minimum" };
        let high = low + width + 1;
        let bounds = format!("logicalType: number, logicalTypeOptions: {{ {word}: {low}, maximum: {high} }}");
        let expected = value <= high && (value > low || (value == low && !exclusive));
        let long = one(DataType::Long, &bounds).unwrap();
        let decimal = one(DataType::Decimal { precision: 9, scale: 3 }, &bounds).unwrap();
        let double = one(DataType::Double, &bounds).unwrap();
        proptest::prop_assert_eq!(holds(&long, Cell::Integer(value)), expected);
        proptest::prop_assert_eq!(holds(&decimal, Cell::Decimal(i128::from(value) * 1000, 3)), expected);
        proptest::prop_assert_eq!(holds(&double, Cell::Double(value as f64)), expected);
    }
}
