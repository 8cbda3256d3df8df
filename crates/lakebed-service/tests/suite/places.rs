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
    insta::assert_snapshot!(lines.join("\n"), @"
    a.b e4df55af2582f3ff8f9215be1cddf3f799924dfe5139c94dbab7e8fd44b95126
    a.b cd97aae68668bd069b7c4aa8d828e8c4e1c0508fa3590197048fcff3e05250ee
    a.b 36cf6066bb26f3f588666ee900bfb54f34ff59b1c6134d81d9c649233d0e35ed
    a.files eef9aab3c88b8b05add0a24a03a861c3b92cd21c24e89912709510864df57019
    ");
}
