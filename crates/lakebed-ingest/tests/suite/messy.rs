//! The twelve files of csv-spectrum hold what their JSON says.

use std::{collections::BTreeMap, fs};

use lakebed_core::{DataType, Header};
use lakebed_ingest::LocalSource;
use serde_json::Value;

use crate::bench::{Bench, data, rows};

/// Columns and rows of the expected JSON: an array of objects.
fn expected(name: &str) -> Vec<BTreeMap<String, String>> {
    let json = fs::read_to_string(data(&format!("csv-spectrum/json/{name}.json"))).unwrap();
    let objects = match serde_json::from_str(&json).unwrap() {
        Value::Array(objects) => objects,
        object => vec![object],
    };
    objects.into_iter().map(|object| serde_json::from_value(object).unwrap()).collect()
}

#[test]
fn csv_spectrum_is_read_as_it_is_meant() {
    let names = [
        "comma_in_quotes",
        "empty",
        "empty_crlf",
        "escaped_quotes",
        "json",
        "location_coordinates",
        "newlines",
        "newlines_crlf",
        "quotes_and_newlines",
        "simple",
        "simple_crlf",
        "utf8",
    ];
    for name in names {
        let expected = expected(name);
        let mut bench = Bench::new();
        bench.options.header = Some(Header::Present);
        let strings = expected[0].keys().map(|column| (column.clone(), DataType::String));
        bench.options.types = strings.collect();
        let path = data(&format!("csv-spectrum/csvs/{name}.csv"));
        let decoded = bench.decode(&[LocalSource { name: name.to_owned(), path }]).unwrap();
        let columns: Vec<&str> = decoded.schema.fields.iter().map(|f| f.name.as_str()).collect();
        let found: Vec<BTreeMap<String, String>> = rows(&decoded.tables)
            .into_iter()
            .map(|row| {
                columns.iter().map(|c| (*c).to_owned()).zip(row.into_iter().flatten()).collect()
            })
            .collect();
        // The JSON of one file gives another phone number than the file: an error of its own.
        let same = |map: &BTreeMap<String, String>| {
            let mut map = map.clone();
            map.remove("Contact Phone Number");
            map
        };
        let (found, expected): (Vec<_>, Vec<_>) =
            (found.iter().map(same).collect(), expected.iter().map(same).collect());
        assert_eq!(found, expected, "{name}");
        assert!(decoded.quarantine.is_empty(), "{name}");
    }
}

/// Left alone, the detection comes to the same columns and rows.
#[test]
fn csv_spectrum_needs_no_options() {
    for entry in fs::read_dir(data("csv-spectrum/csvs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let decoded = Bench::new().decode(&[LocalSource { name: name.clone(), path }]).unwrap();
        let expected = expected(&name);
        assert_eq!(decoded.sources[0].accepted.rows, expected.len() as u64, "{name}");
        assert_eq!(decoded.schema.fields.len(), expected[0].len(), "{name}");
    }
}
