//! Parquet files as sources: types kept, surprises refused, damage never fatal.

use std::{fs::File, sync::Arc};

use arrow::{
    array::{
        ArrayRef, Date64Array, Decimal128Array, DictionaryArray, Float16Array, Int8Array,
        Int64Array, LargeStringArray, ListArray, MapArray, StringArray, StructArray,
        Time32MillisecondArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt32Array,
        UInt64Array,
    },
    buffer::OffsetBuffer,
    datatypes::{ArrowPrimitiveType, DataType, Field, Fields, Float16Type, Int32Type, Schema},
    record_batch::RecordBatch,
};
use lakebed_ingest::{LocalSource, recount};
use parquet::arrow::ArrowWriter;

use crate::bench::{Bench, refusal_text, schema_text, table};

fn write(bench: &Bench, name: &str, columns: Vec<(&str, ArrayRef)>) -> LocalSource {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = bench.path().join(name);
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    LocalSource { name: name.to_owned(), path }
}

fn nested() -> Vec<(&'static str, ArrayRef)> {
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let lists = ListArray::new(
        item,
        OffsetBuffer::from_lengths([2, 0, 1]),
        values,
        Some(vec![true, false, true].into()),
    );
    let fields: Fields = [Field::new("x", DataType::Utf8, false)].into_iter().collect();
    let x: ArrayRef = Arc::new(StringArray::from(vec!["p", "q", "r"]));
    let structs = StructArray::new(fields, vec![x], None);
    let entry: Fields =
        [Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Int64, true)]
            .into_iter()
            .collect();
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["k", "l"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
    let entries = StructArray::new(entry.clone(), vec![keys, numbers], None);
    let field = Arc::new(Field::new("entries", DataType::Struct(entry), false));
    let maps = MapArray::new(field, OffsetBuffer::from_lengths([1, 1, 0]), entries, None, false);
    vec![("l", Arc::new(lists)), ("s", Arc::new(structs)), ("m", Arc::new(maps))]
}

#[test]
fn types_that_the_lake_lacks_become_ones_that_hold_them() {
    let bench = Bench::new();
    let dictionary: DictionaryArray<Int32Type> = vec!["a", "b"].into_iter().collect();
    let source = write(
        &bench,
        "a.parquet",
        vec![
            ("i8", Arc::new(Int8Array::from(vec![Some(-1), None]))),
            ("u32", Arc::new(UInt32Array::from(vec![u32::MAX, 0]))),
            ("u64", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
            (
                "f16",
                Arc::new(Float16Array::from(
                    vec![<Float16Type as ArrowPrimitiveType>::Native::from_f32(0.5); 2],
                )),
            ),
            ("d64", Arc::new(Date64Array::from(vec![86_400_000, 0]))),
            ("t32", Arc::new(Time32MillisecondArray::from(vec![1, 2]))),
            (
                "ts_ms",
                Arc::new(TimestampMillisecondArray::from(vec![1, 2]).with_timezone("+02:00")),
            ),
            ("ts_ns", Arc::new(TimestampNanosecondArray::from(vec![1000, 2000]))),
            ("large", Arc::new(LargeStringArray::from(vec!["x", "y"]))),
            ("dict", Arc::new(dictionary)),
            (
                "dec",
                Arc::new(
                    Decimal128Array::from(vec![12345, -1]).with_precision_and_scale(9, 2).unwrap(),
                ),
            ),
        ],
    );
    let decoded = bench.decode(std::slice::from_ref(&source)).unwrap();
    insta::assert_snapshot!(schema_text(&decoded.schema), @"i8 int, u32 long, u64 decimal(20,0), f16 float, d64 long, t32 time, ts_ms timestamptz, ts_ns timestamp, large string, dict string, dec decimal(9,2)");
    insta::assert_snapshot!(table(&decoded.tables), @r"
    -1|4294967295|18446744073709551615|0.5|86400000|00:00:00.001|1970-01-01T00:00:00.001Z|1970-01-01T00:00:00.000001|x|a|123.45
    ∅|0|0|0.5|0|00:00:00.002|1970-01-01T00:00:00.002Z|1970-01-01T00:00:00.000002|y|b|-0.01
    ");
    let again = recount(&source, &decoded.sources[0].decode).unwrap();
    assert_eq!(again.accepted, decoded.sources[0].accepted);
}

#[test]
fn nested_columns_are_kept() {
    let bench = Bench::new();
    let decoded = bench.decode(&[write(&bench, "a.parquet", nested())]).unwrap();
    insta::assert_snapshot!(schema_text(&decoded.schema), @"l list<long>, s struct<x: string>, m map<string, long>");
    insta::assert_snapshot!(table(&decoded.tables), @r"
    [1, ]|{x: p}|{k: 7}
    ∅|{x: q}|{l: }
    [3]|{x: r}|{}
    ");
    let again = LocalSource { name: "again".into(), path: decoded.tables[0].path.clone() };
    let second = bench.decode(&[again]).unwrap();
    assert_eq!(second.schema, decoded.schema);
    let bytes = |files: &[lakebed_ingest::WrittenFile]| std::fs::read(&files[0].path).unwrap();
    assert_eq!(
        bytes(&second.tables),
        bytes(&decoded.tables),
        "our own file, read and written again"
    );
}

#[test]
fn losses_and_unknown_types_are_refused_by_name() {
    let bench = Bench::new();
    let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1]));
    let refusal = bench.decode(&[write(&bench, "a.parquet", vec![("at", nanos)])]).unwrap_err();
    insta::assert_snapshot!(refusal_text(refusal), @r"
    unsupported-type: column `at` of `a.parquet` holds fractions of a microsecond
    hint: cast it where the file is made, or keep the file with `--as files`
    ");
    let days: ArrayRef = Arc::new(arrow::array::IntervalDayTimeArray::from(vec![
        arrow::datatypes::IntervalDayTime::new(1, 2),
    ]));
    let refusal = bench.decode(&[write(&bench, "b.parquet", vec![("span", days)])]).unwrap_err();
    insta::assert_snapshot!(refusal_text(refusal), @r"
    unsupported-type: column `span` of `b.parquet` has a type that cannot be kept: Interval(DayTime)
    hint: cast it where the file is made, or keep the file with `--as files`
    ");
}

#[test]
fn text_and_parquet_make_one_table() {
    let bench = Bench::new();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let sources = [
        write(&bench, "a.parquet", vec![("id", ids), ("name", names)]),
        bench.source("b.csv", "name,id\ny,2\n"),
    ];
    let decoded = bench.decode(&sources).unwrap();
    assert_eq!(schema_text(&decoded.schema), "id long, name string");
    assert_eq!(table(&decoded.tables), "1|x\n2|y");
}

#[test]
fn a_narrower_column_is_widened_to_the_datasets_and_a_wider_one_widens_it() {
    let mut bench = Bench::new();
    let narrow: ArrayRef = Arc::new(Int8Array::from(vec![1]));
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![2]));
    let narrow = [write(&bench, "n.parquet", vec![("id", narrow)])];
    let wide = [write(&bench, "w.parquet", vec![("id", wide)])];
    let first = bench.decode(&narrow).unwrap();
    assert_eq!(schema_text(&first.schema), "id int");
    bench.schema = Some(first.schema);
    let second = bench.decode(&wide).unwrap();
    assert_eq!(schema_text(&second.schema), "id long");
    assert_eq!(second.changes.len(), 1);
    bench.schema = Some(second.schema);
    let third = bench.decode(&narrow).unwrap();
    assert_eq!(schema_text(&third.schema), "id long");
    assert_eq!(table(&third.tables), "1");
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let refusal = bench.decode(&[write(&bench, "t.parquet", vec![("id", text)])]).unwrap_err();
    insta::assert_snapshot!(refusal_text(refusal), @r"
    schema-mismatch: column `id` of `t.parquet` is string, expected long
    hint: types of Parquet columns are kept; cast the column where the file is made, or use a dataset of its own
    ");
}

/// Whatever single byte is wrong or missing, the answer is rows or a refusal: no panic, no endless
/// loop, no memory without bound.
#[test]
fn damaged_files_are_refused_or_read_and_never_fatal() {
    let bench = Bench::new();
    let mut columns = nested();
    columns.push(("n", Arc::new(Int64Array::from(vec![1, 2, 3]))));
    columns.push(("t", Arc::new(StringArray::from(vec!["a", "bb", "ccc"]))));
    let good = std::fs::read(write(&bench, "a.parquet", columns).path).unwrap();
    for place in 0..good.len() {
        for flip in [0xff, 0x01, 0x40] {
            let mut bytes = good.clone();
            bytes[place] ^= flip;
            let _ = bench.decode(&[bench.source("b.parquet", bytes)]);
        }
    }
    for length in (0..good.len()).step_by(7) {
        let cut = bench.decode(&[bench.source("c.parquet", &good[..length])]);
        assert!(cut.is_err(), "{length} bytes of {}", good.len());
    }
    let refusal = bench.refusal("c.parquet", &good[..good.len() - 20]);
    insta::assert_snapshot!(refusal, @r"
    damaged-parquet: `c.parquet` is damaged: it is cut off, its footer is missing
    hint: copy or download the file again
    ");
}

#[test]
fn an_embedded_arrow_schema_is_not_believed() {
    let bench = Bench::new();
    let schema = Schema::new(vec![Field::new(
        "d",
        DataType::Duration(arrow::datatypes::TimeUnit::Second),
        true,
    )]);
    let array: ArrayRef = Arc::new(arrow::array::DurationSecondArray::from(vec![5]));
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap();
    let path = bench.path().join("d.parquet");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let decoded = bench.decode(&[LocalSource { name: "d".into(), path }]).unwrap();
    assert_eq!(schema_text(&decoded.schema), "d long");
}
