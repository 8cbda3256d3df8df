//! JSON into chunks of whole records, and chunks into records: where they begin and end, and what
//! stands between them.
//!
//! | form | a record is |
//! |---|---|
//! | lines | what stands on a line (NDJSON) |
//! | array | an element of the one array that the source is |
//! | values | one of the values that follow each other, on as many lines as they take |
//!
//! Looks at brackets and quotes alone. A line end ends a string, which may hold none, so that a missing
//! quote does its damage on one line. A record need not be sound for its borders to be known; between
//! records of an array nothing but one comma will do, else where they begin is anyone's guess.

use std::io::{self, Read};

use lakebed_core::JsonForm;

use super::parse::is_space;
use crate::chunks::{ChunkFault, Sizes, line_ends};

/// Follows brackets and strings.
#[derive(Debug, Clone, Copy, Default)]
struct Nesting {
    depth: usize,
    /// Within a string; behind a backslash in it.
    string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes in a byte; whether it closed something.
    fn step(&mut self, byte: u8) -> bool {
        if self.string {
            match byte {
                b'\n' | b'\r' => (self.string, self.escaped) = (false, false),
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return true;
            }
            _ => {}
        }
        false
    }
}

/// Reads chunks.
pub(super) struct Cuts<R> {
    input: R,
    form: JsonForm,
    sizes: Sizes,
    buffer: Vec<u8>,
    /// Bytes of the buffer before this one were looked at.
    at: usize,
    nesting: Nesting,
    /// The last known end of a record in the buffer; 0 is none.
    border: usize,
    begun: bool,
    ended: bool,
}

/// Whole records, and what stands before each; behind the last in the last chunk.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(super) text: Vec<u8>,
    pub(super) first: bool,
    pub(super) last: bool,
}

impl<R: Read> Cuts<R> {
    pub(super) fn new(input: R, form: JsonForm, sizes: Sizes) -> Self {
        Self {
            input,
            form,
            sizes,
            buffer: Vec::new(),
            at: 0,
            nesting: Nesting::default(),
            border: 0,
            begun: false,
            ended: false,
        }
    }

    /// The next chunk; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Cut>, ChunkFault> {
        while !self.ended {
            self.read().map_err(ChunkFault::Io)?;
            self.look();
            if self.buffer.len() - self.border > self.sizes.record {
                let line = line_ends(&self.buffer[..self.border]);
                return Err(ChunkFault::TooLong { line, quote: None });
            }
            if self.border > 0 && !self.ended {
                return Ok(Some(self.cut(self.border)));
            }
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let mut cut = self.cut(self.buffer.len());
        cut.last = true;
        Ok(Some(cut))
    }

    fn read(&mut self) -> io::Result<()> {
        let size = self.sizes.chunk;
        let want = size.saturating_sub(self.buffer.len()).max(size / 2).max(1);
        let mut input = self.input.by_ref().take(want as u64);
        let count = input.read_to_end(&mut self.buffer)?;
        self.ended = count < want;
        Ok(())
    }

    fn look(&mut self) {
        let new = self.at..self.buffer.len();
        self.at = self.buffer.len();
        let base = match self.form {
            JsonForm::Lines => {
                let found = memchr::memrchr(b'\n', &self.buffer[new.clone()]);
                self.border = found.map_or(self.border, |place| new.start + place + 1);
                return;
            }
            JsonForm::Array => 1,
            JsonForm::Values => 0,
        };
        for place in new {
            if self.nesting.step(self.buffer[place]) && self.nesting.depth == base {
                self.border = place + 1;
            }
        }
    }

    fn cut(&mut self, border: usize) -> Cut {
        let rest = self.buffer[border..].to_vec();
        let mut text = std::mem::replace(&mut self.buffer, rest);
        text.truncate(border);
        self.at -= border;
        self.border = 0;
        Cut { text, first: !std::mem::replace(&mut self.begun, true), last: false }
    }
}

/// A record or what is none, by its place in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) stop: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Record,
    /// A line of nothing but white space.
    Blank,
    /// Brackets, commas and white space.
    Punctuation,
}

/// Where an array is not one: the place in the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(pub(super) usize);

/// The pieces of a chunk; together they are the chunk.
pub(super) fn pieces(cut: &Cut, form: JsonForm) -> Result<Vec<Piece>, Broken> {
    match form {
        JsonForm::Lines => Ok(lines(&cut.text)),
        JsonForm::Array => elements(cut, true),
        JsonForm::Values => elements(cut, false),
    }
}

fn lines(text: &[u8]) -> Vec<Piece> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    while start < text.len() {
        let stop = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |end| start + end + 1);
        let is_blank = text[start..stop].iter().all(|byte| is_space(*byte));
        let kind = if is_blank { Kind::Blank } else { Kind::Record };
        pieces.push(Piece { start, stop, kind });
        start = stop;
    }
    pieces
}

/// What was passed last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    Nothing,
    Open,
    Comma,
    Element,
    Close,
}

fn elements(cut: &Cut, in_array: bool) -> Result<Vec<Piece>, Broken> {
    let text = &cut.text;
    let (mut pieces, mut at, mut gap) = (Vec::new(), 0, 0);
    let mut passed = match (in_array, cut.first) {
        (true, true) => Passed::Nothing,
        (true, false) => Passed::Element,
        (false, _) => Passed::Comma,
    };
    loop {
        while text.get(at).copied().is_some_and(is_space) {
            at += 1;
        }
        let Some(byte) = text.get(at) else { break };
        passed = match (passed, byte) {
            (Passed::Nothing, b'[') if in_array => Passed::Open,
            (Passed::Element, b',') => Passed::Comma,
            (Passed::Open | Passed::Element, b']') => Passed::Close,
            (Passed::Nothing | Passed::Element | Passed::Close, _) => return Err(Broken(at)),
            (Passed::Open | Passed::Comma, b',' | b']' | b'}' | b':') => return Err(Broken(at)),
            // Without commas, only brackets say where a value ends.
            (_, other) if !in_array && !matches!(other, b'{' | b'[') => return Err(Broken(at)),
            (Passed::Open | Passed::Comma, _) => {
                if at > gap {
                    pieces.push(Piece { start: gap, stop: at, kind: Kind::Punctuation });
                }
                let stop = element(text, at).ok_or(Broken(at))?;
                pieces.push(Piece { start: at, stop, kind: Kind::Record });
                (at, gap) = (stop, stop);
                passed = if in_array { Passed::Element } else { Passed::Comma };
                continue;
            }
        };
        at += 1;
    }
    if cut.last && in_array && passed != Passed::Close {
        return Err(Broken(text.len()));
    }
    if text.len() > gap {
        pieces.push(Piece { start: gap, stop: text.len(), kind: Kind::Punctuation });
    }
    Ok(pieces)
}

/// Behind the value that begins at `start`, which need not be sound; none if it does not end.
fn element(text: &[u8], start: usize) -> Option<usize> {
    let mut nesting = Nesting::default();
    for (place, byte) in text.iter().enumerate().skip(start) {
        let outside = nesting.depth == 0 && !nesting.string;
        let ends = is_space(*byte) || matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"');
        if outside && place > start && ends {
            return Some(place);
        }
        if nesting.step(*byte) && nesting.depth == 0 {
            return Some(place + 1);
        }
        if nesting.depth == 0 && !nesting.string && *byte == b'"' && place > start {
            return Some(place + 1);
        }
    }
    (nesting.depth == 0 && !nesting.string).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, form: JsonForm) -> Result<Vec<(&str, Kind)>, Broken> {
        let cut = Cut { text: text.into(), first: true, last: true };
        let pieces = pieces(&cut, form)?;
        Ok(pieces.into_iter().map(|p| (&text[p.start..p.stop], p.kind)).collect())
    }

    #[test]
    fn an_array_is_elements_and_punctuation() {
        let pieces =
            split(" [ {\"a\":\"]},\"} ,\n1,[2,{}]\n] \n", JsonForm::Array).expect("an array");
        insta::assert_snapshot!(pieces.iter().map(|(text, kind)| format!("{kind:?} {text:?}")).collect::<Vec<_>>().join("\n"), @r#"
        Punctuation " [ "
        Record "{\"a\":\"]},\"}"
        Punctuation " ,\n"
        Record "1"
        Punctuation ","
        Record "[2,{}]"
        Punctuation "\n] \n"
        "#);
        assert_eq!(split("[]", JsonForm::Array).map(|pieces| pieces.len()), Ok(1));
    }

    #[test]
    fn between_elements_stands_one_comma() {
        for bad in [
            "", " ", "[", "[{}", "[{},]", "[{},,{}]", "[{} {}]", "[,{}]", "[{}]]", "[{}] x",
            "[{}}]", "{}", "[{\"a]",
        ] {
            assert!(split(bad, JsonForm::Array).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_and_values() {
        let kinds = |pieces: Vec<(&str, Kind)>| {
            pieces.into_iter().map(|(_, kind)| kind).collect::<Vec<_>>()
        };
        let lines = split("{}\n \r\n{\n", JsonForm::Lines).expect("lines");
        assert_eq!(kinds(lines), [Kind::Record, Kind::Blank, Kind::Record]);
        let values = split("{\n}{\"a\":\n1}\n", JsonForm::Values).expect("values");
        assert_eq!(kinds(values), [Kind::Record, Kind::Record, Kind::Punctuation]);
        for bad in ["{\n} x", "{\n}/**/", "{\n}, {\n}", "{\n}}", "{\n"] {
            assert!(split(bad, JsonForm::Values).is_err(), "{bad}");
        }
    }
}
