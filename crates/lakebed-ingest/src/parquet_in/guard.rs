//! Looking a Parquet file over before a library decodes it.
//!
//! Sizes that a damaged or hostile file states decide how much memory decoding takes; they are
//! compared with the bytes there are. Page checksums are verified where the file has them.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use parquet::file::metadata::ParquetMetaData;

use super::thrift::{Malformed, Walker};

/// The largest page that is taken, uncompressed.
const LARGEST_PAGE: i64 = 1 << 30;
/// The largest page header: statistics in it hold values.
const LARGEST_HEADER: u64 = 16 << 20;
/// The largest footer.
const LARGEST_FOOTER: u64 = 1 << 30;
const MAGIC: &[u8; 4] = b"PAR1";

/// What is wrong, in words that follow "is damaged: ".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) String);

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self(format!("it cannot be read ({error})"))
    }
}

fn damage<T>(what: impl Into<String>) -> Result<T, Damage> {
    Err(Damage(what.into()))
}

/// Checks that the footer is there and well formed.
pub(crate) fn check_footer(file: &mut File) -> Result<(), Damage> {
    let length = file.seek(SeekFrom::End(0))?;
    if length < 12 {
        return damage("it is too short");
    }
    let mut end = [0; 8];
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut end)?;
    if &end[4..] == b"PARE" {
        return damage("it is encrypted");
    }
    if &end[4..] != MAGIC {
        return damage("it is cut off, its footer is missing");
    }
    let footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    if footer > (length - 12).min(LARGEST_FOOTER) {
        return damage("its footer states a length that it cannot have");
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(length - 8 - footer))?;
    file.take(footer).read_to_end(&mut bytes)?;
    match Walker::new(&bytes).structure(&mut |_, _| {}) {
        Ok(()) => Ok(()),
        Err(Malformed) => damage("its footer is malformed"),
    }
}

/// Checks the pages of every column chunk: that they lie in the file, that their sizes are
/// plausible, and that their checksums, where they have one, are right.
pub(crate) fn check_pages(file: &File, metadata: &ParquetMetaData) -> Result<(), Damage> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(64 << 10, file);
    for group in metadata.row_groups() {
        if group.num_rows() < 0 {
            return damage("a row group states a negative number of rows");
        }
        for column in group.columns() {
            let (start, size) = match chunk_range(column) {
                Some(range) => range,
                None => return damage("a column chunk states a place it cannot have"),
            };
            if start.checked_add(size).is_none_or(|end| end > length) {
                return damage("a column chunk reaches beyond its end");
            }
            check_chunk(&mut reader, start, size, column.num_values())?;
        }
    }
    Ok(())
}

fn chunk_range(column: &parquet::file::metadata::ColumnChunkMetaData) -> Option<(u64, u64)> {
    let data = column.data_page_offset();
    // A dictionary offset of 0 is written by some for "none".
    let start = match column.dictionary_page_offset() {
        Some(dictionary) if dictionary > 0 && dictionary < data => dictionary,
        _ => data,
    };
    Some((u64::try_from(start).ok()?, u64::try_from(column.compressed_size()).ok()?))
}

fn check_chunk(
    reader: &mut BufReader<&File>,
    start: u64,
    size: u64,
    values: i64,
) -> Result<(), Damage> {
    let (mut at, end) = (start, start + size);
    let mut seen = 0_i64;
    while at < end && seen < values {
        reader.seek(SeekFrom::Start(at))?;
        let header = read_header(reader, end - at)?;
        at += header.length;
        if header.compressed < 0 || header.compressed as u64 > end - at {
            return damage("a page reaches beyond its column chunk");
        }
        if header.uncompressed < 0 || header.uncompressed > LARGEST_PAGE {
            return damage("a page states a size it cannot have");
        }
        // A dictionary spends a bit per value at least; other pages may repeat one value at will.
        let bits = header.uncompressed.saturating_mul(8);
        if header.values < 0 || (header.is_dictionary && header.values > bits) {
            return damage("a page states more values than it can hold");
        }
        if let Some(stated) = header.checksum {
            reader.seek(SeekFrom::Start(at))?;
            if checksum(reader, header.compressed as u64)? != stated {
                return damage("the checksum of a page is wrong");
            }
        }
        at += header.compressed as u64;
        if !header.is_dictionary {
            seen += header.values;
        }
    }
    match seen == values {
        true => Ok(()),
        false => damage("a column chunk holds other than the values it states"),
    }
}

struct PageHeader {
    length: u64,
    compressed: i64,
    uncompressed: i64,
    checksum: Option<u32>,
    values: i64,
    is_dictionary: bool,
}

/// Reads a page header, a little at first and more if it is longer.
fn read_header(reader: &mut BufReader<&File>, most: u64) -> Result<PageHeader, Damage> {
    let mut bytes = Vec::new();
    let mut want = 256;
    loop {
        let more = (want - bytes.len() as u64).min(most - bytes.len() as u64);
        reader.by_ref().take(more).read_to_end(&mut bytes)?;
        let mut header = PageHeader {
            length: 0,
            compressed: -1,
            uncompressed: -1,
            checksum: None,
            values: 0,
            is_dictionary: false,
        };
        let mut walker = Walker::new(&bytes);
        let walked = walker.structure(&mut |path, value| match path {
            [1] => header.is_dictionary = value == 2,
            [2] => header.uncompressed = value,
            [3] => header.compressed = value,
            [4] => header.checksum = Some(value as u32),
            // The counts of a data page, a dictionary page, and a data page of version 2.
            [5 | 7 | 8, 1] => header.values = value,
            _ => {}
        });
        if walked.is_ok() {
            header.length = (bytes.len() - walker.remaining()) as u64;
            return Ok(header);
        }
        if bytes.len() as u64 >= most.min(LARGEST_HEADER) {
            return damage("a page header is malformed");
        }
        want *= 16;
    }
}

fn checksum(reader: &mut BufReader<&File>, length: u64) -> io::Result<u32> {
    let mut crc = flate2::Crc::new();
    let mut page = reader.take(length);
    let mut buffer = [0; 16 << 10];
    loop {
        match page.read(&mut buffer)? {
            0 => return Ok(crc.sum()),
            count => crc.update(&buffer[..count]),
        }
    }
}
