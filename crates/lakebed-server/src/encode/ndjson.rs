//! `application/x-ndjson`: one object a row.
//!
//! An answer that breaks off ends with a line `{"problem":{…}}`, and then the body is cut.

use arrow::{datatypes::Schema, json::EncoderOptions, record_batch::RecordBatch};
use lakebed_api::{Line, Problem};

use super::{BoxError, Encoder, Int64, values};
use crate::problem::Result;

pub(super) struct Ndjson {
    /// `"name":` of each column, with what separates it from the one before.
    keys: Vec<Vec<u8>>,
    options: EncoderOptions,
}

impl Ndjson {
    pub(super) fn new(schema: &Schema, int64: Int64) -> Self {
        Self { keys: keys(schema), options: values::options(int64) }
    }
}

/// `"name":` of each column, with what separates it from the one before.
pub(super) fn keys(schema: &Schema) -> Vec<Vec<u8>> {
    let keys = schema.fields().iter().enumerate().map(|(index, field)| {
        let comma = if index == 0 { "" } else { "," };
        let name = serde_json::Value::from(field.name().as_str());
        format!("{comma}{name}:").into_bytes()
    });
    keys.collect()
}

impl Encoder for Ndjson {
    fn begin(&mut self, _out: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let mut writers = values::writers(batch, &self.options)?;
        for row in 0..batch.num_rows() {
            out.push(b'{');
            for (key, writer) in self.keys.iter().zip(&mut writers) {
                out.extend_from_slice(key);
                values::write_value(writer, row, out);
            }
            out.extend_from_slice(b"}\n");
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(())
    }

    fn last_words(&mut self, problem: &Problem) -> Vec<u8> {
        let line = Line::<()>::Problem(problem.clone());
        let mut line = serde_json::to_vec(&line).expect("wire types always serialise");
        line.push(b'\n');
        line
    }
}
