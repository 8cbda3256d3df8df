//! `application/json` of a page of a product's rows: see [`lakebed_api::RowsPage`].

use arrow::{datatypes::Schema, json::EncoderOptions, record_batch::RecordBatch};

use super::{
    BoxError, Encoder, Int64, PageWords, Preamble, json::put_member, ndjson::keys, values,
};
use crate::problem::Result;

pub(super) struct Page {
    preamble: Preamble,
    /// `"name":` of each column, with what separates it from the one before.
    keys: Vec<Vec<u8>>,
    options: EncoderOptions,
    row_count: u64,
}

impl Page {
    pub(super) fn new(schema: &Schema, preamble: Preamble, int64: Int64) -> Self {
        Self { preamble, keys: keys(schema), options: values::options(int64), row_count: 0 }
    }
}

impl Encoder for Page {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let Preamble { statement_id, snapshot, resolved, page } = &self.preamble;
        put_member(out, b"{\"statement_id\":", statement_id)?;
        put_member(out, b",\"snapshot\":", snapshot)?;
        put_member(out, b",\"resolved\":", &resolved.first())?;
        if let Some(PageWords { as_of, stale, next }) = page {
            put_member(out, b",\"as_of\":", as_of)?;
            if let Some(stale) = stale {
                put_member(out, b",\"stale\":", stale)?;
            }
            if let Some(next) = next {
                put_member(out, b",\"next\":", next)?;
            }
        }
        out.extend_from_slice(b",\"rows\":[");
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let mut writers = values::writers(batch, &self.options)?;
        for row in 0..batch.num_rows() {
            out.extend_from_slice(if self.row_count == 0 { b"\n{" } else { b",\n{" });
            for (key, writer) in self.keys.iter().zip(&mut writers) {
                out.extend_from_slice(key);
                values::write_value(writer, row, out);
            }
            out.push(b'}');
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
