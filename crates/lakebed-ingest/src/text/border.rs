//! Where a growing text can be cut without cutting a record.
//!
//! Looks at quotes alone and at the bytes beside them, and so costs a fraction of tokenising. It
//! agrees with the [tokeniser](super::tokens) on every text: a quote opens a field only behind a
//! delimiter, a line end or the border before it, and quotes that hold line ends are judged. A
//! border is only where nothing of a judgement before it matters any more.

use super::{
    mask::{Finder, Needles},
    tokens::Dialect,
    torn::{RowShape, Verdict, judge},
};

/// The state of a scan over a buffer that begins with a record and grows at its end.
#[derive(Debug)]
pub(crate) struct BorderScan {
    dialect: Dialect,
    /// What a row looks like; quotes are always believed when that is not known.
    shape: Option<RowShape>,
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
    pub(crate) const fn new(dialect: Dialect, shape: Option<RowShape>) -> Self {
        Self { dialect, shape, at: 0, inside: None, outside: 0, border: 0 }
    }

    /// Takes in what the buffer gained, and returns the last border in it: everything before it is
    /// whole records; 0 if there is none yet.
    ///
    /// A line end that may be half of a CRLF, and a quote that may be half of two, wait for more.
    pub(crate) fn advance(&mut self, buffer: &[u8]) -> usize {
        while let Some(border) = self.scan(buffer) {
            // The record is judged; go on behind it, or where it is torn.
            *self = Self { border, at: border, outside: border, inside: None, ..*self };
        }
        self.border
    }

    /// Scans on from `at`; a border if a record was judged that ends there, or goes on there anew.
    fn scan(&mut self, buffer: &[u8]) -> Option<usize> {
        let mut quotes = Finder::new(buffer, Needles([self.dialect.quote; 4]), self.at);
        while let Some(place) = quotes.next() {
            let Some(opened) = self.inside else {
                self.open(buffer, place);
                continue;
            };
            match buffer.get(place + 1) {
                None => {
                    self.at = place;
                    return self.judge_long(buffer);
                }
                Some(next) if *next == self.dialect.quote => {
                    quotes.next();
                }
                Some(_) if self.shape.is_some() && has_line_end(&buffer[opened + 1..place]) => {
                    self.at = place;
                    return self.judge(buffer);
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
        self.judge_long(buffer)
    }

    /// Judges a record that is open and longer than any may be.
    fn judge_long(&self, buffer: &[u8]) -> Option<usize> {
        let is_long = |shape: RowShape| buffer.len() - self.border > shape.longest;
        match self.inside.is_some() && self.shape.is_some_and(is_long) {
            true => self.judge(buffer),
            false => None,
        }
    }

    /// Judges the record that is open; it begins at the last border.
    #[cold]
    fn judge(&self, buffer: &[u8]) -> Option<usize> {
        match judge(buffer, self.border, self.dialect, self.shape?, false) {
            Verdict::Whole { stop, .. } => Some(stop),
            Verdict::Torn { resume } => Some(resume),
            Verdict::Open | Verdict::TooLong => None,
        }
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

    /// The same as [`Self::unclosed`], and none where the tokeniser takes that for a torn record.
    pub(crate) fn unclosed_for_good(&self, buffer: &[u8]) -> Option<usize> {
        self.unclosed(buffer).filter(|_| self.shape.is_none())
    }

    /// Where the quote stands that opened the field the scan is in, for the end of the text:
    /// `buffer`'s last byte may close it.
    pub(crate) fn unclosed(&self, buffer: &[u8]) -> Option<usize> {
        let closes = self.at + 1 == buffer.len() && buffer[self.at] == self.dialect.quote;
        self.inside.filter(|place| !(closes && *place != self.at))
    }
}

#[inline(always)]
fn has_line_end(text: &[u8]) -> bool {
    let is_line_end = |byte: &u8| *byte == b'\n' || *byte == b'\r';
    match text.len() < 16 {
        true => text.iter().any(is_line_end),
        false => memchr::memchr2(b'\n', b'\r', text).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::Tokeniser;

    const CSV: Dialect = Dialect { delimiter: b',', quote: b'"' };

    fn all_borders(text: &[u8], shape: Option<RowShape>) -> (Vec<usize>, bool) {
        let mut tokens = Tokeniser::new(text, CSV);
        tokens.judge_by(shape);
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
            let (borders, unclosed) = all_borders(&text, None);
            let mut scan = BorderScan::new(CSV, None);
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

        /// The same where quotes are judged, but that borders may be missed while one is.
        #[test]
        fn agrees_with_a_tokeniser_that_judges(
            text in prop::collection::vec(prop::sample::select(b",\"\"\n\n\rab".to_vec()), 0..150),
            steps in prop::collection::vec(1_usize..20, 1..30),
            width in 1_u32..4,
            longest in 5_usize..200,
        ) {
            let shape = RowShape { width, longest };
            let (borders, _) = all_borders(&text, Some(shape));
            let mut scan = BorderScan::new(CSV, Some(shape));
            let (mut start, mut seen) = (0, 0);
            let mut steps = steps.iter().cycle();
            while seen < text.len() {
                seen = (seen + steps.next().expect("it cycles")).min(text.len());
                let border = start + scan.advance(&text[start..seen]);
                prop_assert!(borders.contains(&border), "{border} of {borders:?}");
                let known = borders.iter().filter(|&&b| b < seen).max().copied();
                let is_known = border >= known.unwrap_or(0) || scan.inside.is_some();
                prop_assert!(is_known, "{border} of {borders:?} at {seen}");
                scan.cut(border - start);
                start = border;
            }
        }
    }
}
