//! P10: one behaviour, wherever a lake's database and bytes are.

use lakebed_core::{DecodeOptions, FormatName, IngestMode};
use lakebed_testkit::TestLake;

/// The run's database and store have no part in a version's id: these are the same on each.
#[tokio::test]
async fn p10_the_same_inputs_give_the_same_version_ids() {
    let test = TestLake::new().await;
    let files = DecodeOptions { format: Some(FormatName::Files), ..DecodeOptions::default() };
    let mut made = vec![
        test.ingest("a.b", "x.csv", "id,name\n1,one\n2,two\n").await.unwrap(),
        test.append("a.b", "y.csv", "id,name\n3,three\nx,bad\n").await.unwrap(),
        test.ingest("a.b", "x.csv", "id,name\n1,eins\n").await.unwrap(),
    ];
    let large = "0123456789abcdef".repeat(40_000);
    let mode = IngestMode::Replace;
    made.push(test.ingest_with("a.files", "large.bin", &large, mode, files).await.unwrap());
    let lines: Vec<String> = made
        .iter()
        .map(|made| format!("{} {}", made.version.dataset, made.version.version_id))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    a.b 5d98708ba4767ca9f74468293ed71a344c445dcd159931edddda109f8e030d37
    a.b 4e6babbf2f8e8d9af1b22648bc859450647e29a72631898dc46d0af681185578
    a.b 6196de9f2cc19713e7355219445af8adfd45bb38b45e34f6bce71b769332aa64
    a.files eef9aab3c88b8b05add0a24a03a861c3b92cd21c24e89912709510864df57019
    ");
}
