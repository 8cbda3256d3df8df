//! An answer to a statement in every format, and what no format may lose.

use std::sync::{Arc, atomic::Ordering};

use arrow::{
    array::AsArray, datatypes::Int64Type, ipc::reader::StreamReader, record_batch::RecordBatch,
};
use futures::TryStreamExt as _;
use insta::assert_snapshot;
use lakebed_api::{
    SqlLimits, SqlRequest, SqlResult,
    media::{self, SqlFormat},
};
use lakebed_server::Access;
use lakebed_service::engine::QueryLimits;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::support::{Door, batch_of, is};

fn arrow_rows(body: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(body, None).unwrap().map(Result::unwrap).collect()
}

fn concat(batches: &[RecordBatch]) -> RecordBatch {
    arrow::compute::concat_batches(&batches[0].schema(), batches).unwrap()
}

/// 12,000 rows come in three batches; every format has all of them, in order.
#[tokio::test]
async fn every_format_has_the_same_rows() {
    let door = Door::remote().await;
    let expected = batch_of(0..12_000);

    let json: SqlResult =
        serde_json::from_value(door.sql("ROWS 12000", media::JSON).await.json()).unwrap();
    assert_eq!(json.row_count, 12_000);
    assert_eq!(json.rows.len(), 12_000);
    assert_eq!(json.rows[11_999], [json!(11_999), json!("row 11999")]);

    let ndjson = door.sql("ROWS 12000", media::NDJSON).await;
    let lines: Vec<Value> =
        ndjson.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 12_000);
    assert_eq!(lines[7], json!({"n": 7, "name": "row 7"}));

    let csv = door.sql("ROWS 12000", media::CSV).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let lines: Vec<_> = csv.text().split_terminator("\r\n").collect();
    assert_eq!((lines[0], lines.len(), lines[12_000]), ("n,name", 12_001, "11999,row 11999"));

    let stream = door.sql("ROWS 12000", media::ARROW).await;
    assert_eq!(concat(&arrow_rows(&stream.body)), expected);

    let file = door.sql("ROWS 12000", media::PARQUET).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.body.clone()).unwrap();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(concat(&batches), expected);
}

/// A result longer than a row group is several of them, sent as they are full.
#[tokio::test]
async fn a_long_parquet_file_has_several_row_groups() {
    let door = Door::remote().await;
    let file = door.sql("ROWS 300000", media::PARQUET).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.body.clone()).unwrap();
    let groups: Vec<_> =
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [131_072, 131_072, 37_856]);
    let rows: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let last = rows.last().unwrap();
    let numbers = last.column(0).as_primitive::<Int64Type>();
    assert_eq!(numbers.value(last.num_rows() - 1), 299_999);
}

#[tokio::test]
async fn no_rows_are_an_answer_too() {
    let door = Door::remote().await;
    let json = door.sql("ROWS 0", media::JSON).await.json();
    assert_eq!((&json["rows"], &json["row_count"]), (&json!([]), &json!(0)));
    assert_eq!(
        json["columns"],
        json!([{"name": "n", "type": "long"}, {"name": "name", "type": "string"}])
    );
    assert_eq!(door.sql("ROWS 0", media::NDJSON).await.text(), "");
    assert_eq!(door.sql("ROWS 0", media::CSV).await.text(), "n,name\r\n");
    let stream = door.sql("ROWS 0", media::ARROW).await;
    let reader = StreamReader::try_new(stream.body.as_ref(), None).unwrap();
    assert_eq!(reader.schema(), batch_of(0..0).schema());
    let file = door.sql("ROWS 0", media::PARQUET).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.body).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
}

/// Decimals, floats, points in time, bytes and nulls survive text.
#[tokio::test]
async fn values_that_text_could_lose() {
    let door = Door::remote().await;
    assert_snapshot!(door.sql("TYPES", media::NDJSON).await.text(), @r#"
    {"long":9007199254740993,"decimal":"1234.50","double":1e300,"nan":"NaN","boolean":true,"text, quoted":"a \"b\",\nc","empty":"","date":"2026-01-01","time":"2026-01-01T00:00:00.000001","point":"2026-01-01T00:00:00.000001Z","list":[1,null],"dictionary":"a\"b","bytes":"00ff"}
    {"long":null,"decimal":null,"double":null,"nan":"-Infinity","boolean":null,"text, quoted":null,"empty":null,"date":null,"time":null,"point":null,"list":null,"dictionary":null,"bytes":null}
    "#);
    assert_snapshot!(door.sql("TYPES", media::CSV).await.text().replace('\r', "␍"), @r#"
    long,decimal,double,nan,boolean,"text, quoted",empty,date,time,point,list,dictionary,bytes␍
    9007199254740993,1234.50,1e300,NaN,true,"a ""b"",
    c","",2026-01-01,2026-01-01T00:00:00.000001,2026-01-01T00:00:00.000001Z,"[1,null]","a""b",00ff␍
    ,,,-Infinity,,,,,,,,,␍
    "#);
    let json = door.sql("TYPES", media::JSON).await.json();
    let types: Vec<_> = json["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "long",
            "decimal(9,2)",
            "double",
            "double",
            "boolean",
            "string",
            "string",
            "date",
            "timestamp",
            "timestamptz",
            "list<int>",
            "string",
            "binary"
        ]
    );
}

/// The extremes: more digits than a double has, dates that no calendar shows, values within values.
/// Whatever reads one of them back reads the same.
#[tokio::test]
async fn rare_values_that_text_could_lose() {
    let door = Door::remote().await;
    assert_snapshot!(door.sql("RARE", media::NDJSON).await.text());
    assert_snapshot!(door.sql("RARE", media::CSV).await.text().replace('\r', "␍"));
    let headers = ["content-type: text/plain", "accept: application/x-ndjson"];
    let answer = door.call("POST", "/v1/sql?int64=string", &headers, "RARE").await;
    assert_snapshot!(answer.text());
    for text in [door.sql("RARE", media::NDJSON).await, answer] {
        for line in text.text().lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }
}

#[tokio::test]
async fn long_integers_are_strings_on_request() {
    let door = Door::remote().await;
    let headers = ["content-type: text/plain", "accept: application/x-ndjson"];
    let answer = door.call("POST", "/v1/sql?int64=string", &headers, "ROWS 1").await;
    assert_eq!(answer.text(), "{\"n\":\"0\",\"name\":\"row 0\"}\n");
    let answer = door.call("POST", "/v1/sql?int64=bigint", &headers, "ROWS 1").await;
    assert_eq!(answer.code(), is(400, "invalid-query"));
}

/// Two columns of one name: where the second would take the first one's place, none is sent.
#[tokio::test]
async fn repeated_names_never_lose_a_column() {
    let door = Door::remote().await;
    for format in [media::NDJSON, media::PARQUET] {
        assert_eq!(door.sql("TWICE", format).await.code(), is(422, "not-encodable"), "{format}");
    }
    assert_eq!(door.sql("TWICE", media::JSON).await.json()["rows"], json!([[1, 1]]));
    assert_eq!(door.sql("TWICE", media::CSV).await.text(), "a,a\r\n1,1\r\n");
    for format in [media::JSON, media::NDJSON, media::CSV, media::PARQUET] {
        assert_eq!(door.sql("TWINS", format).await.code(), is(422, "not-encodable"), "{format}");
    }
    assert_eq!(arrow_rows(&door.sql("TWINS", media::ARROW).await.body)[0].num_rows(), 1);
}

/// What a format cannot hold is said before the answer begins, with one that can.
#[tokio::test]
async fn a_map_that_is_no_object_is_refused_as_json() {
    let door = Door::remote().await;
    for format in [media::JSON, media::NDJSON, media::CSV] {
        let answer = door.sql("MAP", format).await;
        assert_eq!(answer.code(), is(422, "not-encodable"), "{format}");
        assert!(answer.problem().hint.unwrap().contains(media::ARROW));
    }
    assert_eq!(arrow_rows(&door.sql("MAP", media::ARROW).await.body)[0].num_rows(), 1);
}

#[tokio::test]
async fn the_client_chooses_the_format() {
    let door = Door::remote().await;
    let answer = door.sql("ROWS 1", "text/html, text/csv;q=0.5").await;
    assert_eq!(answer.text(), "n,name\r\n0,row 0\r\n");
    assert_eq!(door.sql("ROWS 1", "text/html").await.code(), is(406, "not-acceptable"));
    let answer = door.call("POST", "/v1/sql", &["content-type: text/plain"], "ROWS 1").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let answer = door.call("POST", "/v1/sql", &[], "ROWS 1").await;
    assert_eq!(answer.code(), is(415, "unsupported-media-type"));
}

/// P5: every answer says which versions it read, in its header and, as JSON, in its body.
#[tokio::test]
async fn an_answer_says_what_it_read() {
    let door = Door::remote().await;
    door.test.ingest("sales.orders", "orders.csv", "id\n1\n").await.unwrap();
    door.test.ingest("sales.orders", "orders.csv", "id\n1\n2\n").await.unwrap();
    let request = SqlRequest { sql: "ROWS 1 sales.orders@v1".to_owned(), ..SqlRequest::default() };
    for format in SqlFormat::ALL {
        let answer = door.client().sql(&request, format).await.unwrap();
        let read: Vec<_> = answer
            .resolved
            .iter()
            .map(|input| (input.reference.to_string(), input.version, input.newest))
            .collect();
        assert_eq!(read, [("sales.orders@v1".to_owned(), 1, 2)]);
        assert_eq!(answer.snapshot.seq, door.client().lake().await.unwrap().seq);
        assert_eq!(answer.statement_id.len(), 32);
        answer.bytes.try_collect::<Vec<_>>().await.unwrap();
    }
    let answer = door.client().sql(&request, SqlFormat::Json).await.unwrap();
    let (statement_id, resolved) = (answer.statement_id, answer.resolved);
    let body = answer.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
    let body: SqlResult = serde_json::from_slice(&body).unwrap();
    assert_eq!((body.statement_id, body.resolved), (statement_id, resolved));
}

#[tokio::test]
async fn a_reference_that_does_not_resolve_is_named() {
    let door = Door::remote().await;
    let answer = door.sql("ROWS 1 sales.orders", "*/*").await;
    assert_eq!(answer.code(), is(404, "not-found"));
    assert!(answer.problem().detail.contains("sales.orders"));
}

#[tokio::test]
async fn limits_can_be_lowered_but_not_lifted_from_outside() {
    const GIB: u64 = 1 << 30;
    let own = QueryLimits {
        max_rows: Some(100),
        max_bytes: Some(2000),
        timeout_ms: None,
        memory_bytes: GIB,
        spill_bytes: GIB,
    };
    let asked = SqlLimits {
        max_rows: Some(1000),
        max_bytes: Some(3000),
        timeout_ms: Some(5000),
        memory_bytes: Some(GIB / 2),
        spill_bytes: Some(GIB * 2),
    };
    let request = SqlRequest { sql: "ROWS 1".to_owned(), limits: asked, ..SqlRequest::default() };
    for (access, expected) in [
        (Access::Remote, (Some(100), Some(2000), Some(5000), GIB / 2, GIB)),
        (Access::Local, (Some(1000), Some(3000), Some(5000), GIB / 2, GIB * 2)),
    ] {
        let door = Door::with(access, own).await;
        door.client().sql(&request, SqlFormat::Json).await.unwrap();
        let used = door.engine.limits.lock().unwrap().unwrap();
        let used =
            (used.max_rows, used.max_bytes, used.timeout_ms, used.memory_bytes, used.spill_bytes);
        assert_eq!(used, expected, "{access:?}");
    }
    let door = Door::remote().await;
    for limit in ["max_rows", "max_bytes", "timeout_ms", "memory_bytes", "spill_bytes"] {
        let answer = door.post("/v1/sql", json!({"sql": "ROWS 1", "limits": {limit: 0}})).await;
        assert_eq!(answer.code(), is(400, "invalid-limit"), "{limit}");
    }
}

/// The rows are streamed: an answer without end is read as far as wanted, and ends with its reader.
#[tokio::test]
async fn a_reader_that_goes_away_cancels_the_statement() {
    let door = Door::remote().await;
    for format in SqlFormat::ALL {
        door.engine.dropped.store(false, Ordering::SeqCst);
        let request = SqlRequest { sql: "ENDLESS".to_owned(), ..SqlRequest::default() };
        let mut answer = door.client().sql(&request, format).await.unwrap();
        for _ in 0..3 {
            assert!(answer.bytes.try_next().await.unwrap().is_some());
        }
        drop(answer);
        assert!(door.engine.dropped.load(Ordering::SeqCst), "{format:?}");
    }
}

#[tokio::test]
async fn waiting_for_the_first_row_can_be_given_up() {
    let door = Door::remote().await;
    let dropped = Arc::clone(&door.engine.dropped);
    let request = SqlRequest { sql: "STUCK".to_owned(), ..SqlRequest::default() };
    let client = door.client();
    let mut waiting = Box::pin(client.sql(&request, SqlFormat::Json));
    while door.engine.limits.lock().unwrap().is_none() {
        let turn = tokio::time::timeout(std::time::Duration::from_millis(5), &mut waiting).await;
        assert!(turn.is_err(), "there is no first row");
    }
    drop(waiting);
    assert!(dropped.load(Ordering::SeqCst));
}
