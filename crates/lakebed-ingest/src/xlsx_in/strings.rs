//! The texts that the cells of a workbook share.

use quick_xml::events::Event;

use super::{
    Fault,
    xml::{Xml, add_text},
};

/// The most bytes that all of them may come to.
const MOST_BYTES: usize = 256 << 20;
/// The most texts.
const MOST_TEXTS: usize = 16 << 20;

/// All shared texts, by number.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    pub(super) fn read(mut xml: Xml<'_>) -> Result<Self, Fault> {
        let mut strings = Self::default();
        let mut place = Place::default();
        loop {
            let event = xml.next()?;
            match &event {
                Event::Eof => return Ok(strings),
                Event::End(element) if element.local_name().as_ref() == b"si" => {
                    strings.end()?;
                }
                Event::Empty(element) if element.local_name().as_ref() == b"si" => {
                    strings.end()?;
                }
                other => place.take(other, &mut strings.text)?,
            }
            if strings.text.len() > MOST_BYTES {
                return Err(Fault::too_large("its shared texts are longer than 256 MiB"));
            }
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        let start = self.ends.last().map_or(0, |end| *end as usize);
        unescape(&mut self.text, start);
        self.ends.push(self.text.len() as u32);
        match self.ends.len() > MOST_TEXTS {
            true => Err(Fault::too_large("it has more than 16 million shared texts")),
            false => Ok(()),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        let stop = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        Some(&self.text[start..stop])
    }
}

/// Where in a rich text we are: in one of its runs, and not in how it is pronounced.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    in_text: bool,
    phonetic: usize,
}

impl Place {
    /// Takes in an event; adds what belongs to the text.
    pub(super) fn take(&mut self, event: &Event<'_>, text: &mut Vec<u8>) -> Result<(), Fault> {
        match event {
            Event::Start(element) => match element.local_name().as_ref() {
                b"t" => self.in_text = true,
                b"rPh" => self.phonetic += 1,
                _ => {}
            },
            Event::End(element) => match element.local_name().as_ref() {
                b"t" => self.in_text = false,
                b"rPh" => self.phonetic = self.phonetic.saturating_sub(1),
                _ => {}
            },
            other if self.in_text && self.phonetic == 0 => add_text(other, text)?,
            _ => {}
        }
        Ok(())
    }
}

/// Resolves `_x000D_` and its like in the text from `start` on: characters that XML cannot hold
/// (ECMA-376 Part 1, 22.9.2.19).
pub(super) fn unescape(text: &mut Vec<u8>, start: usize) {
    let is_escape = |window: &[u8]| {
        window.starts_with(b"_x")
            && window[6] == b'_'
            && window[2..6].iter().all(u8::is_ascii_hexdigit)
    };
    if !text[start..].windows(7).any(is_escape) {
        return;
    }
    let old = text.split_off(start);
    let mut at = 0;
    while at < old.len() {
        let escape = old.get(at..at + 7).filter(|window| is_escape(window));
        let character = escape
            .and_then(|window| std::str::from_utf8(&window[2..6]).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match character {
            Some(character) => {
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += 7;
            }
            None => {
                text.push(old[at]);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_once() {
        for (given, expected) in [
            ("a_x000D_\nb", "a\r\nb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_x00_", "_x00_"),
            ("_xD800_", "_xD800_"),
            ("x", "x"),
        ] {
            let mut text = b"_x0041_".to_vec();
            text.extend_from_slice(given.as_bytes());
            unescape(&mut text, 7);
            assert_eq!(String::from_utf8(text), Ok(format!("_x0041_{expected}")));
        }
    }
}
