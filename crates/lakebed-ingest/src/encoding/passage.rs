//! Whole records as UTF-8, and what they were in the original.

use std::{
    io::{self, Read},
    ops::Range,
    path::Path,
};

use lakebed_core::{SkipKind, Tally};

use super::{Transcoder, transcode::Original};
use crate::{
    Progress,
    chunks::{Chunk, ChunkFault, Chunks, Sizes},
    input,
    rows::{BadRow, Counts, Reading, Trouble},
    sniff::Text,
    text::Record,
};

/// Some whole records.
#[derive(Debug)]
pub(crate) struct Passage {
    /// As UTF-8, or as near to it as the source is.
    pub(crate) text: Vec<u8>,
    /// The same in the source's encoding, where that is another.
    original: Option<Original>,
}

impl Passage {
    /// The original bytes of a row that [`Self::settle`] has seen.
    pub(crate) fn raw(&self, row: &BadRow) -> &[u8] {
        let bytes = self.original.as_ref().map_or(&self.text, |original| &original.bytes);
        &bytes[row.record.range()]
    }

    /// Turns places and byte counts of the text into those of the original.
    pub(crate) fn settle(
        &self,
        counts: &mut Counts,
        bad: &mut [BadRow],
        skipped: &[(SkipKind, Record)],
    ) -> Result<(), Trouble> {
        let Some(original) = &self.original else { return Ok(()) };
        let Counts { accepted, quarantined, blank, comment, repeated, .. } = counts;
        let all = [*accepted, *quarantined, *blank, *comment, *repeated];
        if all.iter().map(|tally| tally.bytes).sum::<u64>() != self.text.len() as u64 {
            return Err(Trouble::Internal("a passage is not accounted for".to_owned()));
        }
        quarantined.bytes = 0;
        for row in bad {
            let range = self.original_range(original, &row.record)?;
            (row.record.start, row.record.stop) = (range.start, range.end);
            quarantined.bytes += u64::from(range.end - range.start);
        }
        (comment.bytes, repeated.bytes) = (0, 0);
        for (kind, record) in skipped {
            let range = self.original_range(original, record)?;
            let tally = match kind {
                SkipKind::Comment => &mut *comment,
                _ => &mut *repeated,
            };
            tally.bytes += u64::from(range.end - range.start);
        }
        // A blank line is its line end, and a line end is one character, or two.
        blank.bytes *= original.unit as u64;
        let others = quarantined.bytes + blank.bytes + comment.bytes + repeated.bytes;
        let rest = (original.bytes.len() as u64).checked_sub(others).ok_or_else(lost)?;
        *accepted = Tally { bytes: rest, ..*accepted };
        match accepted.rows == 0 && rest > 0 {
            true => Err(lost()),
            false => Ok(()),
        }
    }
}

impl Passage {
    /// Where a record stands in the original.
    fn original_range(&self, original: &Original, record: &Record) -> Result<Range<u32>, Trouble> {
        let place = |place: u32| {
            let is_end = place as usize == self.text.len();
            let found = original.place(place as usize);
            let found = found.or(is_end.then_some(original.bytes.len()));
            found.and_then(|found| u32::try_from(found).ok()).ok_or_else(lost)
        };
        Ok(place(record.start)?..place(record.stop)?)
    }
}

fn lost() -> Trouble {
    Trouble::Internal("a record begins or ends where no line does".to_owned())
}

/// Reads the records of a source, passage after passage.
pub(crate) struct Passages<R> {
    chunks: Chunks<Characters<R>>,
    /// Where the next passage begins in the original.
    offset: u64,
}

/// UTF-8, of whatever it was.
enum Characters<R> {
    Given(R),
    Made(Box<Transcoder<R>>),
}

impl<R: Read> Read for Characters<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Given(input) => input.read(buffer),
            Self::Made(input) => input.read(buffer),
        }
    }
}

impl<'p> Passages<Box<dyn Read + Send + 'p>> {
    /// Opens the source at `path` behind its preamble.
    pub(crate) fn open(
        path: &Path,
        text: &Text,
        reading: &Reading,
        sizes: Sizes,
        progress: Option<&'p dyn Progress>,
    ) -> io::Result<Self> {
        let input = match &text.sheet {
            None => input::open(path, text.compression, progress)?,
            Some(sheet) => sheet.open(path, progress)?,
        };
        let input = match text.charset {
            None => Characters::Given(input),
            Some(charset) => Characters::Made(Box::new(Transcoder::new(input, charset))),
        };
        let mut chunks = Chunks::new(input, reading.dialect, reading.shape(), sizes, text.skip)?;
        if let Characters::Made(input) = chunks.input() {
            let skip = usize::try_from(text.skip).map_err(io::Error::other)?;
            let header = input.take_original(skip).ok_or_else(changed)?;
            if header.bytes.len() as u64 != text.preamble.bytes() {
                return Err(changed());
            }
        }
        Ok(Self { chunks, offset: text.preamble.bytes() })
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not what it was a moment ago")
}

impl<R: Read> Passages<R> {
    /// The next passage and where it begins in the original; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Passage)>, ChunkFault> {
        let Some(Chunk { offset: place, text }) = self.chunks.next()? else { return Ok(None) };
        let original = match self.chunks.input() {
            Characters::Given(_) => None,
            Characters::Made(input) => {
                Some(input.take_original(text.len()).ok_or_else(|| ChunkFault::Io(changed()))?)
            }
        };
        let length = original.as_ref().map_or(text.len(), |original| original.bytes.len());
        let offset = self.offset;
        debug_assert!(original.is_some() || place == offset, "UTF-8 is its own original");
        self.offset += length as u64;
        Ok(Some((offset, Passage { text, original })))
    }

    /// How much of the original was told.
    pub(crate) const fn told(&self) -> u64 {
        self.offset
    }

    /// Whether everything was told.
    pub(crate) fn is_done(&mut self) -> bool {
        self.chunks.is_done()
    }
}
