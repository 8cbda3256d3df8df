//! What the tests share: contracts around a few columns, and how things are told.

use std::fmt::Write as _;

use lakebed_contract::{ReadContract, read_contract};
use lakebed_core::contract::Contract;

/// A contract of a table `orders` whose document ends with `rest`, indented as under its name.
pub(crate) fn document(rest: &str) -> String {
    let head = "apiVersion: v3.1.0\nkind: DataContract\nid: c-1\nversion: 1.0.0\nstatus: active\n";
    format!("{head}schema:\n- name: orders\n{rest}")
}

/// A contract with these properties, one YAML mapping a line.
pub(crate) fn properties(properties: &[&str]) -> String {
    let mut text = "  properties:\n".to_owned();
    for property in properties {
        let _ = writeln!(text, "  - {{ {property} }}");
    }
    document(&text)
}

pub(crate) fn read(text: &str) -> ReadContract {
    match read_contract("orders.odcs.yaml", text, Some("orders")) {
        Ok(read) => read,
        Err(mistakes) => {
            let said: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            panic!("{text}\n{}", said.join("\n"))
        }
    }
}

pub(crate) fn contract(columns: &[&str]) -> Contract {
    read(&properties(columns)).contract
}

/// What is said of a text that is no contract.
pub(crate) fn mistakes(text: &str) -> String {
    told(&read_contract("orders.odcs.yaml", text, Some("orders")).expect_err("mistakes"))
}

pub(crate) fn told(mistakes: &[lakebed_contract::yaml::Mistake]) -> String {
    let mut said = String::new();
    for mistake in mistakes {
        let _ = writeln!(said, "{mistake}");
        if let Some(hint) = &mistake.hint {
            let _ = writeln!(said, "  hint: {hint}");
        }
    }
    said
}
