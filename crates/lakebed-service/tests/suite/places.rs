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
    a.b ffd35de105e5de34245f4284b815c8cdc533556652ba74a01675ad900bb492fe
    a.b 7ae6c47b8d23363897f57900c8954a5efc434f1634b8f926220b477e3cd2fb76
    a.b 2b82fbee311e4145cfde0fda8c2914b505fb12d87336d306fc3072f0921d19a3
    a.files eef9aab3c88b8b05add0a24a03a861c3b92cd21c24e89912709510864df57019
    ");
}
