//! P3: a flipped bit in any object of a lake is found, and named with everything it touches.

use std::{path::Path, sync::Arc};

use lakebed_core::{DecodeOptions, FormatName, IngestMode};
use lakebed_service::NoProgress;
use lakebed_testkit::TestLake;

pub(crate) fn objects(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root.join("objects")).expect("objects") {
        let folder = folder.expect("a folder").path();
        found.extend(std::fs::read_dir(folder).expect("listed").map(|entry| entry.unwrap().path()));
    }
    found.sort();
    found
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = std::fs::read(path).expect("an object");
    bytes[bit / 8] ^= 1 << (bit % 8);
    std::fs::remove_file(path).expect("removed");
    std::fs::write(path, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_flipped_bit_in_any_object_is_found_and_named() {
    let mut test = TestLake::in_folder().await;
    test.damaged();
    test.ingest("a.b", "x.csv", "id,name\n1,one\n2,two\n").await.expect("v1");
    test.ingest("a.b", "x.csv", "id,name\n1,one\nbad,two\n3,three\n").await.expect("v2");
    let files = DecodeOptions { format: Some(FormatName::Files), ..DecodeOptions::default() };
    let large = "0123456789abcdef".repeat(40_000);
    test.ingest_with("a.files", "large.bin", &large, IngestMode::Replace, files).await.expect("v1");
    let clean = test.lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.expect("verified");
    assert_eq!(clean.findings, []);
    assert_eq!((clean.versions, clean.segments), (3, 3));

    for path in objects(&test.root()) {
        let size = std::fs::metadata(&path).expect("metadata").len() as usize;
        for bit in [0, size * 4, size * 8 - 1] {
            flip(&path, bit);
            let lake = test.reopen().await.expect("the lake opens");
            let report =
                lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.expect("a report");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let named = report.findings.iter().any(|finding| {
                let object = finding.object.map(|id| id.to_string()).unwrap_or_default();
                (object == name || finding.problem.contains(&name))
                    && finding.dataset.is_some()
                    && !finding.versions.is_empty()
            });
            assert!(named, "bit {bit} of {name}: {:?}", report.findings);
            lake.close().await;
            flip(&path, bit);
        }
    }
}

/// A missing object is found like a damaged one.
#[tokio::test]
async fn p3_a_missing_object_is_found() {
    let mut test = TestLake::in_folder().await;
    test.damaged();
    test.ingest("a.b", "x.csv", "id\n1\n").await.expect("v1");
    for path in objects(&test.root()) {
        let bytes = std::fs::read(&path).expect("an object");
        std::fs::remove_file(&path).expect("removed");
        let lake = test.reopen().await.expect("the lake opens");
        let report = lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.expect("a report");
        assert!(!report.findings.is_empty(), "{}", path.display());
        lake.close().await;
        std::fs::write(&path, bytes).expect("restored");
    }
}
