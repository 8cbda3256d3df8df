//! Whatever bytes a Parquet file holds, nothing panics, and every row that is read is counted (P6).

use proptest::prelude::*;

use crate::{
    recount::recount_with,
    testing::{Bench, rows},
};

/// A table of ours, as a source.
fn parquet() -> Vec<u8> {
    let bench = Bench::new();
    let lines: String = (0..200).map(|n| format!("{n},name {},{}.5,\n", n % 7, n % 11)).collect();
    let decoded = bench.decode(format!("id,name,x,none\n{lines}").as_bytes()).expect("a table");
    std::fs::read(&decoded.tables[0].path).expect("a file")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_refused_or_read(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = parquet();
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let bench = Bench::new();
        let source = bench.source("a.parquet", &bytes);
        match bench.decode_all(std::slice::from_ref(&source)) {
            Ok(decoded) => {
                let counted = &decoded.sources[0];
                prop_assert_eq!(rows(&decoded.tables).len() as u64, counted.accepted.rows);
                let again = recount_with(&source, &counted.decode, None, bench.tuning, 2);
                prop_assert_eq!(again.expect("a count").accepted, counted.accepted);
            }
            Err(refusal) => prop_assert!(refusal.is_about_the_source(), "{}", refusal),
        }
    }
}
