//! Original bytes into UTF-8, with a memory of where each line ends in both.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult};

use super::Charset;

/// How much is read at a time.
const BLOCK: usize = 64 * 1024;
/// Stands for what the encoding does not have. UTF-8 has no such byte.
const DAMAGE: u8 = 0xff;

/// Reads UTF-8 made from `input`, and keeps the original of what it handed out until it is taken.
pub(crate) struct Transcoder<R> {
    input: R,
    charset: Charset,
    decoder: Decoder,
    /// Read, and not decoded yet.
    pending: Vec<u8>,
    /// Decoded, and not handed out yet, from `handed` on.
    text: Vec<u8>,
    handed: usize,
    /// The original of everything decoded since the last taking.
    original: Vec<u8>,
    /// Where lines end: in the text and in the original, counted from the last taking.
    ends: Vec<(usize, usize)>,
    /// How much text was decoded since the last taking.
    decoded: usize,
    begun: bool,
    ended: bool,
}

/// The original of a text.
#[derive(Debug, Default)]
pub(crate) struct Original {
    pub(crate) bytes: Vec<u8>,
    /// Where lines end in the text and in `bytes`, ascending.
    ends: Vec<(usize, usize)>,
    /// The bytes of a line end's character.
    pub(crate) unit: usize,
}

impl Original {
    /// The place in the original of a place in the text: its begin, or behind a line end.
    pub(crate) fn place(&self, place: usize) -> Option<usize> {
        if place == 0 {
            return Some(0);
        }
        let index = self.ends.binary_search_by_key(&place, |(text, _)| *text).ok()?;
        Some(self.ends[index].1)
    }
}

impl<R: Read> Transcoder<R> {
    pub(crate) fn new(input: R, charset: Charset) -> Self {
        Self {
            input,
            charset,
            decoder: charset.0.new_decoder_without_bom_handling(),
            pending: Vec::new(),
            text: Vec::new(),
            handed: 0,
            original: Vec::new(),
            ends: Vec::new(),
            decoded: 0,
            begun: false,
            ended: false,
        }
    }

    /// The original of the next `count` bytes of text, which were handed out: up to the end of a
    /// line, of the byte order mark, or of everything. None if that is no such place.
    pub(crate) fn take_original(&mut self, count: usize) -> Option<Original> {
        if count == 0 {
            return Some(Original { unit: self.charset.unit(), ..Original::default() });
        }
        let last = match self.ends.binary_search_by_key(&count, |(text, _)| *text) {
            Ok(last) => last,
            Err(_) if self.ended && count == self.decoded => {
                self.ends.push((self.decoded, self.original.len()));
                self.ends.len() - 1
            }
            Err(_) => return None,
        };
        let (text, original) = self.ends[last];
        let rest = self.ends.split_off(last + 1);
        let ends = std::mem::replace(&mut self.ends, rest);
        self.ends.iter_mut().for_each(|end| *end = (end.0 - text, end.1 - original));
        let rest = self.original.split_off(original);
        let bytes = std::mem::replace(&mut self.original, rest);
        self.decoded -= text;
        Some(Original { bytes, ends, unit: self.charset.unit() })
    }

    /// Decodes some more; nothing at the end.
    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.handed = 0;
        while self.text.is_empty() && !self.ended {
            let before = self.pending.len();
            self.input.by_ref().take(BLOCK as u64).read_to_end(&mut self.pending)?;
            let last = self.pending.len() - before < BLOCK;
            let block = std::mem::take(&mut self.pending);
            self.decode(&block, last);
        }
        Ok(())
    }

    /// Decodes a block, line by line; half a character of two bytes waits for the next.
    fn decode(&mut self, block: &[u8], last: bool) {
        let mut at = 0;
        if !std::mem::replace(&mut self.begun, true) {
            let mark = self.charset.mark();
            if !mark.is_empty() && block.starts_with(mark) {
                self.feed(&block[..mark.len()], false);
                self.ends.push((self.decoded, self.original.len()));
                at = mark.len();
            }
        }
        while let Some(end) = self.line_end(block, at) {
            self.feed(&block[at..end], false);
            if matches!(self.text.last(), Some(b'\n' | b'\r')) {
                self.ends.push((self.decoded, self.original.len()));
            }
            at = end;
        }
        let whole =
            if last { block.len() } else { block.len() - (block.len() - at) % self.charset.unit() };
        self.feed(&block[at..whole], last);
        self.pending.extend_from_slice(&block[whole..]);
        self.ended = last;
    }

    /// Behind the next line end from `from` on.
    fn line_end(&self, block: &[u8], from: usize) -> Option<usize> {
        let rest = &block[from..];
        if self.charset.unit() == 1 {
            return memchr::memchr2(b'\n', b'\r', rest).map(|place| from + place + 1);
        }
        let low = usize::from(self.charset.0 == encoding_rs::UTF_16BE);
        memchr::memchr2_iter(b'\n', b'\r', rest)
            .find(|place| place % 2 == low && rest.get(place ^ 1) == Some(&0))
            .map(|place| from + (place | 1) + 1)
    }

    fn feed(&mut self, bytes: &[u8], last: bool) {
        self.original.extend_from_slice(bytes);
        let (before, mut rest) = (self.text.len(), bytes);
        loop {
            let room = self
                .decoder
                .max_utf8_buffer_length_without_replacement(rest.len())
                .expect("a block is small");
            let start = self.text.len();
            self.text.resize(start + room, 0);
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                rest,
                &mut self.text[start..],
                last,
            );
            self.text.truncate(start + written);
            rest = &rest[read..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.text.push(DAMAGE),
            }
        }
        self.decoded += self.text.len() - before;
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed == self.text.len() {
            self.fill()?;
        }
        let rest = &self.text[self.handed..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.handed += count;
        Ok(count)
    }
}
