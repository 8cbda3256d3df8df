//! Any format, compressed on its way out: zstd or gzip, both at their quickest.
//!
//! What a step writes is flushed with it, so that no row waits for the next ones; what an answer that
//! breaks off says last is, too. Only the end of a whole answer ends the frame: a decoder takes no
//! broken answer for a whole one, as no reader of the format does.

use std::io::{self, Write as _};

use arrow::record_batch::RecordBatch;
use flate2::{Compression, write::GzEncoder};
use lakebed_api::Problem;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::{BoxError, Encoder};
use crate::{coding::Coding, problem::Result};

/// The quickest of both: an answer is read once.
const LEVEL: u8 = 1;

pub(super) struct Compressed {
    inner: Box<dyn Encoder>,
    frame: Frame,
    /// What `inner` wrote in one step.
    plain: Vec<u8>,
}

/// A frame that is not ended yet.
enum Frame {
    Zstd(ZstdEncoder<'static, Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Frame {
    /// None where bytes stay as they are.
    fn begin(coding: Coding) -> io::Result<Option<Self>> {
        Ok(match coding {
            Coding::Identity => None,
            Coding::Zstd => Some(Self::Zstd(ZstdEncoder::new(Vec::new(), LEVEL.into())?)),
            Coding::Gzip => {
                Some(Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(LEVEL.into()))))
            }
        })
    }

    /// Appends all of `plain` to `out` in such a way that it can be decoded without what follows.
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        if plain.is_empty() {
            return Ok(());
        }
        match self {
            Self::Zstd(encoder) => {
                encoder.write_all(plain)?;
                encoder.flush()?;
                out.append(encoder.get_mut());
            }
            Self::Gzip(encoder) => {
                encoder.write_all(plain)?;
                encoder.flush()?;
                out.append(encoder.get_mut());
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => {
                encoder.do_finish()?;
                out.append(encoder.get_mut());
            }
            Self::Gzip(encoder) => {
                encoder.try_finish()?;
                out.append(encoder.get_mut());
            }
        }
        Ok(())
    }
}

/// `inner` in this coding.
///
/// # Errors
/// When the compressor gets no memory.
pub(crate) fn compressed(
    inner: Box<dyn Encoder>,
    coding: Coding,
) -> Result<Box<dyn Encoder>, BoxError> {
    Ok(match Frame::begin(coding)? {
        None => inner,
        Some(frame) => Box::new(Compressed { inner, frame, plain: Vec::new() }),
    })
}

/// Bytes that are all there, as one frame.
///
/// # Errors
/// When the compressor gets no memory.
pub(crate) fn compress(bytes: &[u8], coding: Coding) -> io::Result<Vec<u8>> {
    let Some(mut frame) = Frame::begin(coding)? else { return Ok(bytes.to_vec()) };
    let mut out = Vec::new();
    frame.write(bytes, &mut out)?;
    frame.end(&mut out)?;
    Ok(out)
}

impl Compressed {
    fn step(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut dyn Encoder, &mut Vec<u8>) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        self.plain.clear();
        step(self.inner.as_mut(), &mut self.plain)?;
        Ok(self.frame.write(&self.plain, out)?)
    }
}

impl Encoder for Compressed {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.step(out, |inner, plain| inner.begin(plain))
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.step(out, |inner, plain| inner.batch(batch, plain))
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.step(out, |inner, plain| inner.end(plain))?;
        Ok(self.frame.end(out)?)
    }

    fn rows_at_once(&self) -> usize {
        self.inner.rows_at_once()
    }

    fn is_light(&self) -> bool {
        self.inner.is_light()
    }

    fn last_words(&mut self, problem: &Problem) -> Vec<u8> {
        let (words, mut out) = (self.inner.last_words(problem), Vec::new());
        // Without them the answer is cut all the same.
        let _ = self.frame.write(&words, &mut out);
        out
    }
}
