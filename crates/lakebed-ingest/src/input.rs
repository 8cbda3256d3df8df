//! Opening a source: its bytes after decompression, read once from front to back.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;
use lakebed_core::Compression;

use crate::{Progress, Refusal, refusal::shown, xlsx_in};

const BUFFER: usize = 256 * 1024;

/// The compression that `head` begins with.
pub(crate) fn compression_of(head: &[u8]) -> Option<Compression> {
    match head {
        [0x1f, 0x8b, 0x08, ..] => Some(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Some(Compression::Zstd)
        }
        _ => None,
    }
}

/// Opens a file and undoes `compression`; tells `progress` of bytes as they are stored.
///
/// Decompression holds a window of at most 128 MiB, whatever the data claims.
pub(crate) fn open<'p>(
    path: &Path,
    compression: Option<Compression>,
    progress: Option<&'p dyn Progress>,
) -> io::Result<Box<dyn Read + Send + 'p>> {
    let file = Counted { file: File::open(path)?, progress };
    Ok(match compression {
        None => Box::new(file),
        Some(Compression::Gzip) => {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file)))
        }
        Some(Compression::Zstd) => Box::new(zstd::Decoder::new(file)?),
    })
}

/// A file that tells how much of it was read.
struct Counted<'p> {
    file: File,
    progress: Option<&'p dyn Progress>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if let Some(progress) = self.progress {
            progress.bytes(count as u64);
        }
        Ok(count)
    }
}

/// What an error while reading says about the source.
pub(crate) fn refuse(name: &str, compression: Option<Compression>, error: &io::Error) -> Refusal {
    if let Some(refusal) = xlsx_in::refusal_of(name, error) {
        return refusal;
    }
    let Some(compression) = compression else { return Refusal::unreadable(name, error) };
    let what = match compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    let shown = shown(name);
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Refusal::new(
            Refusal::TRUNCATED_COMPRESSION,
            format!("`{shown}` is cut off: its {what} data ends early"),
        )
        .hint("copy or download the file again"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            Refusal::new(
                Refusal::DAMAGED_COMPRESSION,
                format!("`{shown}` is damaged: its {what} data cannot be decompressed"),
            )
            .hint("copy or download the file again")
        }
        _ => Refusal::unreadable(name, error),
    }
}
