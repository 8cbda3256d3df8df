//! Cutting a source into chunks of whole records, front to back.
//!
//! A chunk is a few MiB; it grows only when a single record is longer. Memory is one chunk and one
//! record, whatever the source's size.

use std::io::{self, Read};

use crate::text::{BorderScan, Dialect, RowShape};

/// Sizes that bound memory. Results never depend on the first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// How long a chunk is, about.
    pub(crate) chunk: usize,
    /// The longest record that is taken, with its line end.
    pub(crate) record: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { chunk: 4 << 20, record: 16 << 20 }
    }
}

/// Whole records.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Where it begins in the decompressed source.
    pub(crate) offset: u64,
    pub(crate) text: Vec<u8>,
}

/// Why there is no next chunk. Lines count from the end of the chunk before.
#[derive(Debug)]
pub(crate) enum ChunkFault {
    Io(io::Error),
    /// The source ends within quotes that opened on this line.
    Unclosed {
        line: u64,
    },
    /// The record that begins on this line is too long; perhaps because of a quote.
    TooLong {
        line: u64,
        quote: Option<u64>,
    },
}

/// Reads chunks.
pub(crate) struct Chunks<R> {
    input: R,
    scan: BorderScan,
    sizes: Sizes,
    buffer: Vec<u8>,
    offset: u64,
    ended: bool,
}

impl<R: Read> Chunks<R> {
    /// Passes over the first `skip` bytes of `input`; a record begins behind them. Quotes that hold
    /// line ends are judged by `shape`, and believed without.
    pub(crate) fn new(
        mut input: R,
        dialect: Dialect,
        shape: Option<RowShape>,
        sizes: Sizes,
        skip: u64,
    ) -> io::Result<Self> {
        io::copy(&mut input.by_ref().take(skip), &mut io::sink())?;
        let (scan, buffer) = (BorderScan::new(dialect, shape), Vec::new());
        Ok(Self { input, scan, sizes, buffer, offset: skip, ended: false })
    }

    /// The next chunk, none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>, ChunkFault> {
        while !self.ended {
            self.read()?;
            let border = self.scan.advance(&self.buffer);
            if self.buffer.len() - border > self.sizes.record {
                return Err(self.too_long(border));
            }
            if border > 0 {
                return Ok(Some(self.cut(border)));
            }
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if let Some(place) = self.scan.unclosed_for_good(&self.buffer) {
            let line = line_ends(&self.buffer[..place]);
            return Err(ChunkFault::Unclosed { line });
        }
        let text = std::mem::take(&mut self.buffer);
        let offset = self.offset;
        self.offset += text.len() as u64;
        Ok(Some(Chunk { offset, text }))
    }

    /// Where the bytes come from.
    pub(crate) const fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// Whether everything was told.
    pub(crate) fn is_done(&mut self) -> bool {
        self.buffer.is_empty() && (self.ended || self.read().is_ok() && self.buffer.is_empty())
    }

    /// Fills the buffer up to a chunk's size, or by half a chunk if it is that long already.
    fn read(&mut self) -> Result<(), ChunkFault> {
        let size = self.sizes.chunk;
        let want = size.saturating_sub(self.buffer.len()).max(size / 2).max(1);
        self.buffer.reserve_exact(want);
        let mut input = self.input.by_ref().take(want as u64);
        let count = input.read_to_end(&mut self.buffer).map_err(ChunkFault::Io)?;
        self.ended = count < want;
        Ok(())
    }

    fn cut(&mut self, border: usize) -> Chunk {
        let rest = self.buffer[border..].to_vec();
        let mut text = std::mem::replace(&mut self.buffer, rest);
        text.truncate(border);
        self.scan.cut(border);
        let offset = self.offset;
        self.offset += border as u64;
        Chunk { offset, text }
    }

    fn too_long(&self, border: usize) -> ChunkFault {
        let line_of = |place: usize| line_ends(&self.buffer[..place]);
        let quote = self.scan.unclosed(&self.buffer).map(line_of);
        ChunkFault::TooLong { line: line_of(border), quote }
    }
}

/// How many line ends there are, within quotes too: LF, CRLF, lone CR.
pub(crate) fn line_ends(text: &[u8]) -> u64 {
    let crlf = memchr::memmem::find_iter(text, b"\r\n").count();
    let ends = memchr::memchr2_iter(b'\n', b'\r', text).count();
    (ends - crlf) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::{Record, Tokeniser, torn};

    const CSV: Dialect = Dialect { delimiter: b',', quote: b'"' };

    const SHAPE: RowShape = RowShape { width: 3, longest: 100 };

    fn read_all(
        text: &[u8],
        shape: Option<RowShape>,
        sizes: Sizes,
    ) -> Result<Vec<Vec<u8>>, ChunkFault> {
        let mut chunks = Chunks::new(text, CSV, shape, sizes, 0).expect("memory can be read");
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next()? {
            assert_eq!(chunk.offset as usize, all.iter().map(Vec::len).sum::<usize>());
            all.push(chunk.text);
        }
        Ok(all)
    }

    /// All records, their positions counted from the start of all chunks.
    fn records(chunks: &[Vec<u8>], shape: RowShape) -> Vec<Record> {
        let (mut all, mut start, mut line) = (Vec::new(), 0, 0);
        for chunk in chunks {
            let mut tokens = Tokeniser::new(chunk, CSV);
            tokens.judge_by(Some(shape));
            while let Ok(Some(record)) = tokens.next(&mut Vec::new(), 0) {
                let (from, to) = (record.start + start, record.stop + start);
                all.push(Record { start: from, stop: to, line: record.line + line, ..record });
            }
            start += chunk.len() as u32;
            line += tokens.line();
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        /// P6: no byte is lost or told twice between chunks.
        #[test]
        fn chunks_add_up_to_the_text(
            text in prop::collection::vec(prop::sample::select(b",\"\n\rab".to_vec()), 0..200),
            chunk in 1_usize..50,
            shape in prop::sample::select(vec![None, Some(SHAPE)]),
        ) {
            if let Ok(chunks) = read_all(&text, shape, Sizes { chunk, record: 1000 }) {
                prop_assert_eq!(chunks.concat(), text);
            }
        }

        /// Whatever quotes do, a text in chunks is read as the whole text is.
        #[test]
        fn chunks_have_the_records_of_the_text(
            text in prop_oneof![
                prop::collection::vec(prop::sample::select(b",,\"\n\n\rab".to_vec()), 0..300),
                prop::collection::vec(
                    prop::sample::select(vec!["a,b,c\n", "a,\"b,c\n", "a,b\",c\r\n", "a,\"b\r", "c\",d\n", "x\",\",y\n", "\"\"\"", "\n"]),
                    0..60,
                ).prop_map(|lines| lines.concat().into_bytes()),
            ],
            chunk in 1_usize..60,
            longest in 10_usize..100,
            width in 1_u32..4,
        ) {
            let shape = RowShape { width, longest };
            match read_all(&text, Some(shape), Sizes { chunk, record: longest }) {
                Ok(chunks) => prop_assert_eq!(records(&chunks, shape), records(&[text], shape)),
                Err(ChunkFault::TooLong { .. }) => {
                    let whole = records(&[text], shape);
                    prop_assert!(whole.iter().any(|record| record.range().len() > longest));
                }
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn an_endless_record_is_refused_before_it_fills_memory() {
        let text = [b"a,b\nc,\"".as_slice(), &[b'x'; 5000]].concat();
        for shape in [None, Some(RowShape { width: 2, longest: 256 })] {
            let fault = read_all(&text, shape, Sizes { chunk: 64, record: 256 });
            let fault = fault.expect_err("too long");
            assert!(matches!(fault, ChunkFault::TooLong { line: 0, quote: Some(0) }), "{fault:?}");
        }
    }

    #[test]
    fn an_unclosed_quote_names_the_line_it_opened_on() {
        let fault = read_all(b"a\nb\n\"c\nd\n", None, Sizes::default()).expect_err("unclosed");
        assert!(matches!(fault, ChunkFault::Unclosed { line: 0 }), "{fault:?}");
    }

    /// Linear in the text, whatever quotes do: here every line opens a quote that every other line
    /// could close, up to the last column of many.
    #[test]
    fn hostile_quotes_are_looked_at_a_few_times_at_most() {
        let lines = [
            "x\",\",y\n",
            "x,\"\n",
            "\"\"\"\n",
            "\"\n",
            "x\"y,\"z\n",
            ",\"\"\"x\n",
            "\"a,\"b,\"c\n",
        ];
        for line in lines {
            for width in [1, 2, 3, 10_000] {
                let text = line.repeat(200_000 / line.len()).into_bytes();
                let shape = RowShape { width, longest: 50_000 };
                let before = torn::work();
                let sizes = Sizes { chunk: 10_000, record: 50_000 };
                let chunks = read_all(&text, Some(shape), sizes).expect("chunks");
                let cut = torn::work() - before;
                assert!(chunks.iter().all(|chunk| chunk.len() < 80_000), "{line:?}, {width}");
                let whole = records(&chunks, shape);
                let read = torn::work() - before - cut;
                assert!(cut < 30 * text.len(), "{line:?}, {width}: {cut} to cut");
                assert!(read < 4 * text.len(), "{line:?}, {width}: {read} to read");
                assert_eq!(whole.last().map(|record| record.stop), Some(text.len() as u32));
            }
        }
    }
}
