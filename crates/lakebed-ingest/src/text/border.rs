//! Where a growing text can be cut without cutting a record.
//!
//! Looks at quotes alone and at the bytes beside them, and so costs a fraction of tokenising. It
//! agrees with the [tokeniser](super::tokens) on every text: a quote opens a field only behind a
//! delimiter, a line end or the border before it.

use super::{
    mask::{Finder, Needles},
    tokens::Dialect,
};

/// The state of a scan over a buffer that begins with a record and grows at its end.
#[derive(Debug)]
pub(crate) struct BorderScan {
    dialect: Dialect,
    /// Bytes before this one are done with.
    at: usize,
    /// Where the quote stands that opened the field the scan is in.
    inside: Option<usize>,
    /// Where the bytes outside quotes begin that have not been searched for line ends.
    outside: usize,
    /// The last border known; 0 is none.
    border: usize,
}

impl BorderScan {
    pub(crate) const fn new(dialect: Dialect) -> Self {
        Self { dialect, at: 0, inside: None, outside: 0, border: 0 }
    }

    /// Takes in what the buffer gained, and returns the last border in it: everything before it is
    /// whole records; 0 if there is none yet.
    ///
    /// A line end that may be half of a CRLF, and a quote that may be half of two, wait for more.
    pub(crate) fn advance(&mut self, buffer: &[u8]) -> usize {
        let mut quotes = Finder::new(buffer, Needles([self.dialect.quote; 4]), self.at);
        while let Some(place) = quotes.next() {
            if self.inside.is_none() {
                self.open(buffer, place);
                continue;
            }
            match buffer.get(place + 1) {
                None => {
                    self.at = place;
                    return self.border;
                }
                Some(next) if *next == self.dialect.quote => {
                    quotes.next();
                }
                Some(_) => {
                    self.inside = None;
                    self.outside = place + 1;
                }
            }
        }
        self.at = buffer.len();
        if self.inside.is_none() {
            self.search(buffer, buffer.len());
        }
        self.border
    }

    #[inline(always)]
    fn open(&mut self, buffer: &[u8], place: usize) {
        if place > 0 && !self.dialect.ends_field(buffer[place - 1]) {
            return;
        }
        self.inside = Some(place);
        self.search(buffer, place);
    }

    /// Looks for the last line end in the bytes outside quotes before `stop`.
    #[inline(always)]
    fn search(&mut self, buffer: &[u8], stop: usize) {
        let outside = &buffer[self.outside..stop];
        self.outside = stop;
        let is_line_end = |byte: u8| byte == b'\n' || byte == b'\r';
        let found = match outside {
            [] => None,
            [byte] => is_line_end(*byte).then_some(0),
            [.., last] if is_line_end(*last) => Some(outside.len() - 1),
            _ => memchr::memrchr2(b'\n', b'\r', outside),
        };
        let Some(place) = found else { return };
        let border = stop - outside.len() + place + 1;
        if border == buffer.len() && buffer[border - 1] == b'\r' {
            // Perhaps half of a CRLF. Search these bytes again when there are more, and take the
            // line end before it for now.
            let before = &outside[..place];
            self.outside = stop - outside.len();
            if let Some(place) = memchr::memrchr2(b'\n', b'\r', before) {
                self.border = self.outside + place + 1;
            }
            return;
        }
        self.border = border;
    }

    /// Tells the scan that the buffer lost its first `count` bytes, up to a border.
    pub(crate) fn cut(&mut self, count: usize) {
        debug_assert!(count <= self.border, "cut at a border");
        self.at -= count;
        self.inside = self.inside.map(|place| place - count);
        self.outside = self.outside.saturating_sub(count);
        self.border -= count;
    }

    /// Where the quote stands that opened the field the scan is in, for the end of the text:
    /// `buffer`'s last byte may close it.
    pub(crate) fn unclosed(&self, buffer: &[u8]) -> Option<usize> {
        let closes = self.at + 1 == buffer.len() && buffer[self.at] == self.dialect.quote;
        self.inside.filter(|place| !(closes && *place != self.at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::Tokeniser;

    const CSV: Dialect = Dialect { delimiter: b',', quote: b'"' };

    fn all_borders(text: &[u8]) -> (Vec<usize>, bool) {
        let mut tokens = Tokeniser::new(text, CSV);
        let mut borders = vec![0];
        loop {
            match tokens.next(&mut Vec::new(), 0) {
                Ok(Some(record)) => borders.push(record.stop as usize),
                Ok(None) => return (borders, false),
                Err(_) => return (borders, true),
            }
        }
    }

    proptest! {
        /// However the text arrives, borders are borders of the tokeniser, none is missed that
        /// could be known, and an unclosed quote is seen by both or neither.
        #[test]
        fn agrees_with_the_tokeniser(
            text in prop::collection::vec(prop::sample::select(b",\"\"\n\rab".to_vec()), 0..150),
            steps in prop::collection::vec(1_usize..20, 1..30),
        ) {
            let (borders, unclosed) = all_borders(&text);
            let mut scan = BorderScan::new(CSV);
            let (mut start, mut seen) = (0, 0);
            let mut steps = steps.iter().cycle();
            while seen < text.len() {
                seen = (seen + steps.next().expect("it cycles")).min(text.len());
                let border = start + scan.advance(&text[start..seen]);
                prop_assert!(borders.contains(&border), "{border} of {borders:?}");
                let known = borders.iter().filter(|&&b| b < seen).max().copied();
                prop_assert!(border >= known.unwrap_or(0), "{border} of {borders:?} at {seen}");
                scan.cut(border - start);
                start = border;
            }
            let rest = &text[start..];
            prop_assert_eq!(!rest.is_empty() && scan.unclosed(rest).is_some(), unclosed);
        }
    }
}
