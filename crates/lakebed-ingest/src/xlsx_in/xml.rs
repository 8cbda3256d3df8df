//! XML, event by event, within limits: an event's length, how deep elements are nested. Document
//! types, and with them entities of one's own, are refused.

use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, Read},
};

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::{Fault, zip::PartReader};

/// The longest event: a cell holds 32,767 characters at most.
const LONGEST_EVENT: usize = 4 << 20;
const DEEPEST: usize = 64;

/// Reads the events of a part.
pub(super) struct Xml<'p> {
    reader: Reader<Budgeted<BufReader<PartReader<'p>>>>,
    buffer: Vec<u8>,
    depth: usize,
}

impl<'p> Xml<'p> {
    pub(super) fn new(part: PartReader<'p>) -> Self {
        let input = BufReader::with_capacity(64 << 10, part);
        Self {
            reader: Reader::from_reader(Budgeted { input, left: 0 }),
            buffer: Vec::new(),
            depth: 0,
        }
    }

    /// The next event. At the end, everything is closed and the part was as promised.
    pub(super) fn next(&mut self) -> Result<Event<'_>, Fault> {
        self.buffer.clear();
        self.reader.get_mut().left = LONGEST_EVENT;
        let event = self.reader.read_event_into(&mut self.buffer).map_err(fault)?;
        match &event {
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => return Err(Fault::damaged("it has a document type")),
            Event::Eof if self.depth > 0 => return Err(Fault::damaged("it is cut off")),
            _ => {}
        }
        match self.depth > DEEPEST {
            true => Err(Fault::damaged("its elements are nested too deep")),
            false => Ok(event),
        }
    }
}

fn fault(error: quick_xml::Error) -> Fault {
    match error {
        quick_xml::Error::Io(error) => Fault::of(&error),
        _ => Fault::damaged("a part is no XML"),
    }
}

/// The value of an attribute, whatever its prefix.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, Fault> {
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| Fault::damaged("a part is no XML"))?;
        if attribute.key.local_name().as_ref() == name.as_bytes() {
            let value = attribute.unescape_value().map_err(fault)?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

/// Adds what an event says to `text`: text as it is, references resolved.
pub(super) fn add_text(event: &Event<'_>, text: &mut Vec<u8>) -> Result<(), Fault> {
    let not_utf8 = |_| Fault::damaged("a part is not UTF-8");
    let content: Cow<'_, str> = match event {
        Event::Text(part) => part.xml10_content().map_err(not_utf8)?,
        Event::CData(part) => part.xml10_content().map_err(not_utf8)?,
        Event::GeneralRef(reference) => return add_reference(reference, text),
        _ => return Ok(()),
    };
    text.extend_from_slice(content.as_bytes());
    Ok(())
}

fn add_reference(reference: &BytesRef<'_>, text: &mut Vec<u8>) -> Result<(), Fault> {
    if let Some(character) = reference.resolve_char_ref().map_err(fault)? {
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return Ok(());
    }
    text.push(match &reference[..] {
        b"lt" => b'<',
        b"gt" => b'>',
        b"amp" => b'&',
        b"quot" => b'"',
        b"apos" => b'\'',
        _ => return Err(Fault::damaged("it refers to an entity that is not there")),
    });
    Ok(())
}

/// Gives so many bytes for an event.
struct Budgeted<R> {
    input: R,
    left: usize,
}

impl<R: BufRead> Read for Budgeted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Budgeted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(Fault::too_large("a text in it is longer than 4 MiB").into());
        }
        let left = self.left;
        let available = self.input.fill_buf()?;
        Ok(&available[..available.len().min(left)])
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.input.consume(count);
    }
}
