//! The parts of a zip archive (PKWARE APPNOTE 6.3), by name.
//!
//! Only the central directory says what there is. Nothing is ever written to a path that an archive
//! names. Every part is held to the length and the checksum that the directory promises, and what the
//! directory promises is held to limits, before any of it is read.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Take},
    path::{Path, PathBuf},
};

use flate2::{Crc, bufread::DeflateDecoder};

use super::Fault;
use crate::Progress;

/// The longest comment behind the end of the directory, and the end itself.
const LONGEST_END: u64 = 22 + 0xffff;
const LONGEST_DIRECTORY: u64 = 16 << 20;
/// The most that all parts may come to.
const MOST_BYTES: u64 = 8 << 30;
/// How much larger than the file all parts may be, where they are large.
const MOST_GROWTH: u64 = 400;
const SMALL: u64 = 64 << 20;
const BUFFER: usize = 64 << 10;

/// An archive's directory.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    length: u64,
    /// By name in lower case, as OPC compares names.
    parts: HashMap<String, Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    encrypted: bool,
    method: u16,
    crc: u32,
    compressed: u64,
    size: u64,
    offset: u64,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let mut file = File::open(path).map_err(|error| Fault::of(&error))?;
        let length = file.seek(SeekFrom::End(0)).map_err(|error| Fault::of(&error))?;
        let directory = directory(&mut file, length)?;
        let parts = parts(&directory)?;
        let sum = parts.values().fold(0_u64, |sum, part| sum.saturating_add(part.size));
        if sum > MOST_BYTES || (sum > SMALL && sum / MOST_GROWTH > length) {
            return Err(Fault::too_large(format!(
                "it claims to hold {sum} bytes in a file of {length}"
            )));
        }
        Ok(Self { path: path.to_owned(), length, parts })
    }

    /// Whether there is such a part.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parts.contains_key(&normal(name))
    }

    /// Reads a part; tells `progress` of bytes as they are stored.
    pub(super) fn read<'p>(
        &self,
        name: &str,
        progress: Option<&'p dyn Progress>,
    ) -> Result<PartReader<'p>, Fault> {
        let part = self.parts.get(&normal(name));
        let part = *part.ok_or_else(|| Fault::damaged(format!("it has no part `{name}`")))?;
        if part.encrypted {
            return Err(Fault::Encrypted);
        }
        let fault = |error: io::Error| Fault::of(&error);
        let mut file = File::open(&self.path).map_err(fault)?;
        let mut header = [0; 30];
        file.seek(SeekFrom::Start(part.offset)).map_err(fault)?;
        file.read_exact(&mut header).map_err(fault)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(Fault::damaged(format!("the part `{name}` is not where it should be")));
        }
        let before = 30 + u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        let start = part.offset.saturating_add(before);
        if start.checked_add(part.compressed).is_none_or(|end| end > self.length) {
            return Err(Fault::damaged("it is cut off"));
        }
        file.seek(SeekFrom::Start(start)).map_err(fault)?;
        let stored = Stored { file: file.take(part.compressed), progress };
        let input = match part.method {
            0 => Input::Stored(stored),
            8 => {
                let input = BufReader::with_capacity(BUFFER, stored);
                Input::Deflated(Box::new(DeflateDecoder::new(input)))
            }
            other => {
                let what = format!("the part `{name}` is compressed by method {other}");
                return Err(Fault::damaged(what));
            }
        };
        Ok(PartReader { input, left: part.size, expected: part.crc, crc: Crc::new() })
    }
}

/// Names as they are compared: without case, with slashes, relative to the root.
fn normal(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_ascii_lowercase()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn read_at(file: &mut File, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(offset)).map_err(|error| Fault::of(&error))?;
    file.read_exact(&mut bytes).map_err(|error| Fault::of(&error))?;
    Ok(bytes)
}

/// The central directory's bytes.
fn directory(file: &mut File, length: u64) -> Result<Vec<u8>, Fault> {
    let tail_start = length.saturating_sub(LONGEST_END);
    let tail = read_at(file, tail_start, (length - tail_start) as usize)?;
    let is_end = |at: &usize| {
        tail[*at..].starts_with(b"PK\x05\x06")
            && *at + 22 + usize::from(u16_at(&tail, at + 20)) <= tail.len()
    };
    let end = (0..tail.len().saturating_sub(21)).rev().find(is_end);
    let end =
        end.ok_or_else(|| Fault::damaged("it is cut off: the archive's directory is gone"))?;
    let (mut size, mut offset) =
        (u64::from(u32_at(&tail, end + 12)), u64::from(u32_at(&tail, end + 16)));
    if offset == u64::from(u32::MAX) && end >= 20 && tail[end - 20..].starts_with(b"PK\x06\x07") {
        let place = u64_at(&tail, end - 12);
        if place.checked_add(56).is_none_or(|stop| stop > length) {
            return Err(Fault::damaged("its directory lies outside"));
        }
        let end = read_at(file, place, 56)?;
        if !end.starts_with(b"PK\x06\x06") {
            return Err(Fault::damaged("its directory is not where it should be"));
        }
        (size, offset) = (u64_at(&end, 40), u64_at(&end, 48));
    }
    if size > LONGEST_DIRECTORY {
        return Err(Fault::too_large("it has too many parts"));
    }
    if offset.checked_add(size).is_none_or(|stop| stop > length) {
        return Err(Fault::damaged("its directory lies outside"));
    }
    read_at(file, offset, size as usize)
}

fn parts(directory: &[u8]) -> Result<HashMap<String, Part>, Fault> {
    let (mut parts, mut at) = (HashMap::new(), 0);
    while at + 46 <= directory.len() {
        let entry = &directory[at..];
        if !entry.starts_with(b"PK\x01\x02") {
            return Err(Fault::damaged("its directory is broken"));
        }
        let name_end = 46 + usize::from(u16_at(entry, 28));
        let extra_end = name_end + usize::from(u16_at(entry, 30));
        let next = extra_end + usize::from(u16_at(entry, 32));
        if next > entry.len() {
            return Err(Fault::damaged("its directory is broken"));
        }
        let mut part = Part {
            encrypted: u16_at(entry, 8) & 1 != 0,
            method: u16_at(entry, 10),
            crc: u32_at(entry, 16),
            compressed: u32_at(entry, 20).into(),
            size: u32_at(entry, 24).into(),
            offset: u32_at(entry, 42).into(),
        };
        widen(&mut part, &entry[name_end..extra_end]);
        let name = normal(&String::from_utf8_lossy(&entry[46..name_end]));
        if parts.insert(name, part).is_some() {
            return Err(Fault::damaged("two of its parts have one name"));
        }
        at += next;
    }
    Ok(parts)
}

/// Takes from the extra field what does not fit into 32 bits.
fn widen(part: &mut Part, mut extra: &[u8]) {
    while extra.len() >= 4 {
        let (kind, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(mut data) = extra.get(4..4 + length) else { return };
        if kind == 1 {
            for field in [&mut part.size, &mut part.compressed, &mut part.offset] {
                if *field == u64::from(u32::MAX) && data.len() >= 8 {
                    *field = u64_at(data, 0);
                    data = &data[8..];
                }
            }
            return;
        }
        extra = &extra[4 + length..];
    }
}

/// The bytes of a part as they are stored.
struct Stored<'p> {
    file: Take<File>,
    progress: Option<&'p dyn Progress>,
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if let Some(progress) = self.progress {
            progress.bytes(count as u64);
        }
        Ok(count)
    }
}

enum Input<'p> {
    Stored(Stored<'p>),
    Deflated(Box<DeflateDecoder<BufReader<Stored<'p>>>>),
}

/// The bytes of a part: exactly as many as promised, with the checksum promised.
pub(super) struct PartReader<'p> {
    input: Input<'p>,
    left: u64,
    expected: u32,
    crc: Crc,
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match &mut self.input {
            Input::Stored(input) => input.read(buffer)?,
            Input::Deflated(input) => input.read(buffer)?,
        };
        self.crc.update(&buffer[..count]);
        match self.left.checked_sub(count as u64) {
            None => return Err(Fault::damaged("a part is longer than it says").into()),
            Some(left) => self.left = left,
        }
        if count == 0 && self.left > 0 {
            return Err(Fault::damaged("a part is shorter than it says").into());
        }
        if count == 0 && self.crc.sum() != self.expected {
            return Err(Fault::damaged("a part's checksum is wrong").into());
        }
        Ok(count)
    }
}
