//! Laws of JSON: for arbitrary bytes, cut anywhere, nothing panics, nothing is lost (P6), and the
//! rows are those of the whole.

use lakebed_core::{DecodeOptions, FormatName};
use proptest::prelude::*;

use crate::{
    chunks::{Sizes, line_ends},
    infer::Tuning,
    recount::recount_with,
    testing::{Bench, NotNull, check_accounts, digests},
};

fn tuning(chunk: usize) -> Tuning {
    Tuning { sizes: Sizes { chunk, record: 4096 }, sample: 50, least_sample: 1, patience: 1 << 30 }
}

fn options(format: FormatName) -> DecodeOptions {
    DecodeOptions { format: Some(format), max_quarantined: Some(1.0), ..DecodeOptions::default() }
}

/// Mostly objects, with something wrong now and then.
fn records() -> impl Strategy<Value = Vec<String>> {
    let value = prop_oneof![
        3 => "[0-9]{1,3}",
        1 => "-?[0-9]\\.[0-9]{1,2}(e[0-9])?",
        2 => "\"[a-zé,\\]\\}]{0,4}\"",
        1 => Just("null".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("\"a\\n\\u00e9\\\"\"".to_owned()),
        1 => Just("[1, 2.5, null]".to_owned()),
        1 => Just("{\"x\": [], \"y\": {}}".to_owned()),
        1 => Just("18446744073709551616".to_owned()),
    ];
    let field = ("[abc]", value).prop_map(|(key, value)| format!("\"{key}\": {value}"));
    let object =
        prop::collection::vec(field, 0..4).prop_map(|fields| format!("{{{}}}", fields.join(", ")));
    let record = prop_oneof![
        12 => object,
        1 => Just("7".to_owned()),
        1 => Just("[{}]".to_owned()),
        1 => Just("{\"a\": }".to_owned()),
        1 => Just("{\"a\": \"\u{1}\"}".to_owned()),
    ];
    prop::collection::vec(record, 1..12)
}

/// The records in one of the forms.
fn document() -> impl Strategy<Value = (FormatName, Vec<u8>)> {
    let space = prop::sample::select(vec!["", " ", "\n", "\r\n", " \n\n "]);
    (records(), space, 0_usize..3).prop_map(|(records, space, form)| match form {
        0 => {
            let text = records.iter().map(|record| format!("{space}{record}{space}\n"));
            (FormatName::Ndjson, text.collect::<String>().into_bytes())
        }
        1 => {
            let text = records.join(&format!("{space},{space}"));
            (FormatName::Json, format!("{space}[{space}{text}{space}]{space}").into_bytes())
        }
        _ => (FormatName::Json, records.join("\n\n").into_bytes()),
    })
}

fn bytes() -> impl Strategy<Value = (FormatName, Vec<u8>)> {
    let format = prop::sample::select(vec![FormatName::Json, FormatName::Ndjson]);
    let bytes = prop::collection::vec(
        prop::sample::select(b"[[]]{{}}\"\":,,1a\\ \n\r\xff\xc3".to_vec()),
        1..120,
    );
    prop_oneof![document(), (format, bytes)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// P6: records that are not accepted are kept byte by byte where they were; with the accepted and
    /// what stands between they are the source; and counting again gives the same.
    #[test]
    fn no_byte_disappears((format, bytes) in bytes(), chunk in 1_usize..100, judged in any::<bool>()) {
        let mut bench = Bench::new();
        bench.check = judged.then(NotNull::check);
        bench.options = options(format);
        bench.tuning = tuning(chunk);
        let source = bench.source("a", &bytes);
        let decoded = match bench.decode_all(std::slice::from_ref(&source)) {
            Ok(decoded) => decoded,
            Err(refusal) => {
                prop_assert!(refusal.is_about_the_source(), "{}", refusal);
                return Ok(());
            }
        };
        let counted = &decoded.sources[0];
        check_accounts(&decoded, &bytes, |place| line_ends(&bytes[..place]))?;
        let again = recount_with(&source, &counted.decode, bench.check.as_ref(), tuning(chunk * 2), 2).expect("once more");
        prop_assert_eq!((again.accepted, again.quarantined, &again.skipped),
            (counted.accepted, counted.quarantined, &counted.skipped));
    }

    /// The same source gives the same bytes, wherever chunks are cut and however many threads work.
    #[test]
    fn bytes_depend_on_the_source_alone((format, bytes) in bytes(), chunk in 1_usize..100, threads in 1_usize..4, judged in any::<bool>()) {
        let mut bench = Bench::new();
        bench.check = judged.then(NotNull::check);
        bench.options = options(format);
        let whole = bench.decode(&bytes);
        bench.tuning = tuning(chunk);
        bench.threads = threads;
        match (whole, bench.decode(&bytes)) {
            (Ok(whole), Ok(parts)) => {
                prop_assert_eq!(&whole.schema, &parts.schema);
                prop_assert_eq!(&whole.sources, &parts.sources);
                prop_assert_eq!(digests(&whole.tables), digests(&parts.tables));
                prop_assert_eq!(digests(&whole.quarantine), digests(&parts.quarantine));
                prop_assert_eq!(whole.notes, parts.notes);
                prop_assert_eq!(whole.rules, parts.rules);
            }
            (Err(whole), Err(parts)) => {
                prop_assert_eq!((whole.code, &whole.message), (parts.code, &parts.message));
                prop_assert_eq!(digests(&whole.quarantine), digests(&parts.quarantine));
            }
            (whole, parts) => prop_assert_eq!(whole.map(drop), parts.map(drop)),
        }
    }
}
