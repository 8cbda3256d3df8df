//! `application/json`: one document, streamed; see [`lakebed_api::SqlResult`].

use arrow::{datatypes::Schema, json::EncoderOptions, record_batch::RecordBatch};
use lakebed_api::SqlColumn;
use serde::Serialize;

use super::{BoxError, Encoder, Int64, Preamble, types, values};
use crate::problem::Result;

pub(super) struct Json {
    preamble: Preamble,
    columns: Vec<SqlColumn>,
    options: EncoderOptions,
    row_count: u64,
}

impl Json {
    pub(super) fn new(schema: &Schema, preamble: Preamble, int64: Int64) -> Self {
        let columns = types::columns(schema);
        Self { preamble, columns, options: values::options(int64), row_count: 0 }
    }
}

impl Encoder for Json {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let Preamble { statement_id, snapshot, resolved, page: _ } = &self.preamble;
        put_member(out, b"{\"statement_id\":", statement_id)?;
        put_member(out, b",\"snapshot\":", snapshot)?;
        put_member(out, b",\"resolved\":", resolved)?;
        put_member(out, b",\"columns\":", &self.columns)?;
        out.extend_from_slice(b",\"rows\":[");
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let mut writers = values::writers(batch, &self.options)?;
        for row in 0..batch.num_rows() {
            out.extend_from_slice(if self.row_count == 0 { b"\n[" } else { b",\n[" });
            for (index, writer) in writers.iter_mut().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                values::write_value(writer, row, out);
            }
            out.push(b']');
            self.row_count += 1;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        put_member(out, b"\n],\"row_count\":", &self.row_count)?;
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

pub(super) fn put_member(
    out: &mut Vec<u8>,
    name: &[u8],
    value: &impl Serialize,
) -> Result<(), BoxError> {
    out.extend_from_slice(name);
    serde_json::to_writer(out, value)?;
    Ok(())
}
