//! The rules that columns imply: `required`, `unique`, keys, and what types ask of values.

use super::{Check, Contract, ContractColumn, Number, RowCheck, Rule, Severity, Value};

impl Contract {
    /// Every rule: those that columns imply, in the order of columns, then those that stand on
    /// their own. Implied ones are errors: a row that breaks one is quarantined.
    #[must_use]
    pub fn all_rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for column in &self.columns {
            for (word, check) in implied_by(column) {
                rules.push(implied(Some(&column.name), word, Check::Row { all: vec![check] }));
            }
            if column.unique {
                let columns = vec![column.name.clone()];
                let check = Check::Duplicates { columns, is_primary_key: false, threshold: None };
                rules.push(implied(Some(&column.name), "unique", check));
            }
        }
        let key: Vec<String> = self.primary_key().iter().map(|c| c.name.clone()).collect();
        if !key.is_empty() {
            let check = Check::Duplicates { columns: key, is_primary_key: true, threshold: None };
            rules.push(implied(None, "primaryKey", check));
        }
        rules.extend(self.rules.iter().cloned());
        rules
    }
}

fn implied(column: Option<&str>, word: &str, check: Check) -> Rule {
    let id = column.map_or_else(|| word.to_owned(), |column| format!("{column}.{word}"));
    let column = column.map(str::to_owned);
    Rule { id, column, severity: Severity::Error, check, description: None }
}

type ToCheck = fn(Value) -> RowCheck;

/// The checks of a column and the words of the contract they come from.
fn implied_by(column: &ContractColumn) -> Vec<(&'static str, RowCheck)> {
    let options = &column.options;
    let mut checks = Vec::new();
    if column.required {
        checks.push(("required", RowCheck::NotNull));
    }
    if column.primary_key.is_some() && !column.required {
        checks.push(("primaryKey", RowCheck::NotNull));
    }
    let bounds: [(_, _, ToCheck); 4] = [
        ("minimum", &options.minimum, RowCheck::AtLeast),
        ("exclusiveMinimum", &options.exclusive_minimum, RowCheck::MoreThan),
        ("maximum", &options.maximum, RowCheck::AtMost),
        ("exclusiveMaximum", &options.exclusive_maximum, RowCheck::LessThan),
    ];
    for (word, bound, check) in bounds {
        checks.extend(bound.clone().map(|bound| (word, check(bound))));
    }
    checks.extend(options.multiple_of.map(|step| ("multipleOf", RowCheck::MultipleOf(step))));
    if let Some((low, high)) = options.integer.as_deref().and_then(integer_range) {
        checks.push(("format.minimum", RowCheck::AtLeast(Value::from(low))));
        checks.push(("format.maximum", RowCheck::AtMost(Value::from(high))));
    }
    checks.extend(options.min_length.map(|length| ("minLength", RowCheck::MinLength(length))));
    checks.extend(options.max_length.map(|length| ("maxLength", RowCheck::MaxLength(length))));
    if let Some(length) = column.physical_type.as_deref().and_then(length_of_text_type) {
        checks.push(("physicalType", RowCheck::MaxLength(length)));
    }
    checks.extend(options.min_items.map(|count| ("minItems", RowCheck::MinItems(count))));
    checks.extend(options.max_items.map(|count| ("maxItems", RowCheck::MaxItems(count))));
    checks.extend(options.pattern.clone().map(|text| ("pattern", RowCheck::Pattern(text))));
    checks
}

/// The least and the greatest integer of a Rust type; none for 128 bits, which hold more than any
/// column does.
fn integer_range(format: &str) -> Option<(Number, Number)> {
    let (low, high) = match format {
        "i8" => (i128::from(i8::MIN), i128::from(i8::MAX)),
        "i16" => (i128::from(i16::MIN), i128::from(i16::MAX)),
        "i32" => (i128::from(i32::MIN), i128::from(i32::MAX)),
        "i64" => (i128::from(i64::MIN), i128::from(i64::MAX)),
        "u8" => (0, i128::from(u8::MAX)),
        "u16" => (0, i128::from(u16::MAX)),
        "u32" => (0, i128::from(u32::MAX)),
        "u64" => (0, i128::from(u64::MAX)),
        _ => return None,
    };
    Some((Number::from_scaled(low, 0), Number::from_scaled(high, 0)))
}

/// The characters that `varchar(18)` and its like have room for.
fn length_of_text_type(physical_type: &str) -> Option<u64> {
    let text = physical_type.trim().to_ascii_lowercase();
    let (name, rest) = text.split_once('(')?;
    let is_text = matches!(
        name.trim(),
        "char"
            | "varchar"
            | "varchar2"
            | "nchar"
            | "nvarchar"
            | "nvarchar2"
            | "character"
            | "character varying"
            | "string"
    );
    let length = rest.strip_suffix(')')?.trim().split(' ').next()?;
    length.parse().ok().filter(|_| is_text)
}
