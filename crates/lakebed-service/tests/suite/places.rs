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
    a.b 18155d88b1481a69b1b1922248e3927c6aec69e95bf13e7572df908b48c79d02
    a.b e6144d1b51ac79849ee203e4865e1e5f7d23f599fd758e1f473bfb863bf5a127
    a.b 10b305b42e63ffecb4aa497ef575bb0bcf549ff40f533b65e6de671926ec2008
    a.files eef9aab3c88b8b05add0a24a03a861c3b92cd21c24e89912709510864df57019
    ");
}
