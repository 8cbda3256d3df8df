//! Records of several lines: a row, or quotes that went wrong.
//!
//! A quote that nothing closes, or that a stray quote closes a thousand lines later, would swallow
//! every row in between. So a record whose quotes hold line ends is judged before it is believed:
//!
//! * It is *torn* when it does not end, when text follows a closing quote, when it goes on within
//!   quotes beyond the last column, when it has too many or too few cells and a line between its first
//!   and its last would be a row by itself, and when it has the right number of cells although its lines, each by itself,
//!   have it too, often enough that this is no chance. Then its first line is a record of its own;
//!   lines up to the one where the defect showed are read each by itself; reading goes on from
//!   there as from any record.
//! * Otherwise it is one record, good or bad.
//!
//! A verdict depends on the text from the record's start on, and on nothing before it. Every byte is
//! looked at a few times at most, whatever the text: the next judgement begins on the line where
//! the one before it stopped.
//!
//! Decision D-80.

use super::{
    mask::{Finder, Needles},
    tokens::Dialect,
};

/// What a row looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowShape {
    /// How many cells it has.
    pub(crate) width: u32,
    /// How long it is at most, with its line end.
    pub(crate) longest: usize,
}

/// How many delimiters within quotes may stand where rows have theirs before it is no chance.
const CHANCE: usize = 12;

/// What a record with line ends in its quotes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// One record; it ends before `stop`. In doubt when its lines, too, could be rows.
    Whole { stop: usize, doubtful: bool },
    /// Its first line is a record; lines that begin before `resume` are read each by itself.
    Torn { resume: usize },
    /// More text is needed to tell.
    Open,
    /// Its first line is longer than a record may be.
    TooLong,
}

/// Judges the record that begins at `start`. `is_end`: the text ends here, or where it was cut a
/// record began.
pub(crate) fn judge(
    text: &[u8],
    start: usize,
    dialect: Dialect,
    shape: RowShape,
    is_end: bool,
) -> Verdict {
    let limit = start.saturating_add(shape.longest);
    let window = &text[..text.len().min(limit)];
    let mut reader = Reader {
        finder: Finder::new(window, dialect.needles(), start),
        text: window,
        dialect,
        width: shape.width,
        cells: 1,
        is_odd: false,
        first_line: None,
    };
    let is_cut = text.len() > limit;
    let end = reader.read(start);
    #[cfg(test)]
    WORK.with(|work| work.set(work.get() + reader.looked_at(&end) - start));
    match end {
        // A lone CR may be half of a CRLF, of which the other half is behind the window.
        End::Record { stop, .. } if window[stop - 1] == b'\r' && stop == window.len() => {
            match (is_cut, is_end) {
                (true, _) if text[stop] == b'\n' => reader.torn(text, limit),
                (false, false) => Verdict::Open,
                _ => reader.conclude(start, stop),
            }
        }
        End::Record { stop, has_line_end: true } => reader.conclude(start, stop),
        End::Record { .. } | End::Text if is_cut => reader.torn(text, limit),
        End::Record { .. } | End::Text if !is_end => Verdict::Open,
        End::Record { stop, .. } => reader.conclude(start, stop),
        End::Text => match reader.first_line {
            Some(_) => reader.torn(text, window.len()),
            None => Verdict::Torn { resume: window.len() },
        },
        End::Defect { place } => reader.torn(text, place),
    }
}

/// Where reading a record ended.
enum End {
    /// Behind its line end, or at the end of the text without one.
    Record { stop: usize, has_line_end: bool },
    /// At the end of the text, within quotes.
    Text,
    /// Where it became clear that this is no row.
    Defect { place: usize },
}

#[cfg(test)]
thread_local! {
    static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many bytes this thread has judged.
#[cfg(test)]
pub(crate) fn work() -> usize {
    WORK.get()
}

/// Reads one record, and stops early when its quotes hold a line end and it can be no row.
struct Reader<'t> {
    text: &'t [u8],
    dialect: Dialect,
    finder: Finder<'t>,
    width: u32,
    cells: u32,
    /// Whether text follows a closing quote.
    is_odd: bool,
    /// Behind the first line end within quotes.
    first_line: Option<usize>,
}

impl Reader<'_> {
    fn read(&mut self, start: usize) -> End {
        let mut field_start = start;
        loop {
            let Some(place) = self.finder.next() else {
                return End::Record { stop: self.text.len(), has_line_end: false };
            };
            let byte = self.text[place];
            if byte == self.dialect.delimiter {
                self.cells += 1;
                field_start = place + 1;
            } else if byte != self.dialect.quote {
                return End::Record { stop: behind(self.text, place), has_line_end: true };
            } else if place == field_start
                && let Some(end) = self.quoted()
            {
                return end;
            }
        }
    }

    /// Passes a quoted field; something only if reading ends there.
    fn quoted(&mut self) -> Option<End> {
        loop {
            let Some(place) = self.finder.next() else { return Some(End::Text) };
            let byte = self.text[place];
            let next = self.text.get(place + 1).copied();
            if byte == self.dialect.quote {
                match next {
                    Some(next) if next == byte => {
                        self.finder.next();
                    }
                    // Whether it closes is not known yet, unless the text ends here.
                    None => return None,
                    Some(next) if !self.dialect.ends_field(next) => {
                        self.is_odd = true;
                        return self.first_line.map(|_| End::Defect { place });
                    }
                    Some(_) => return None,
                }
            } else if byte == b'\n' || byte == b'\r' {
                let stop = behind(self.text, place);
                if stop > place + 1 {
                    self.finder.next();
                }
                self.first_line.get_or_insert(stop);
                if self.is_odd || self.cells > self.width {
                    return Some(End::Defect { place });
                }
            }
        }
    }

    #[cfg(test)]
    const fn looked_at(&self, end: &End) -> usize {
        match end {
            End::Record { stop, .. } => *stop,
            End::Text => self.text.len(),
            End::Defect { place } => *place,
        }
    }

    /// The verdict on a record that ends before `stop`.
    fn conclude(&self, start: usize, stop: usize) -> Verdict {
        let whole = |doubtful| Verdict::Whole { stop, doubtful };
        let Some(_) = self.first_line else { return whole(false) };
        let record = without_line_end(&self.text[start..stop]);
        let rows = rows_in(record, self.dialect, self.width);
        let is_torn = if self.cells != self.width {
            rows.inner > 0
        } else {
            let mostly = rows.all + rows.lines / 16 >= rows.lines;
            let in_place = (rows.lines - 1).saturating_mul(self.width as usize - 1);
            if !mostly || in_place < CHANCE {
                return whole(mostly);
            }
            true
        };
        match is_torn {
            true => self.torn(self.text, start + record.len()),
            false => whole(false),
        }
    }

    /// Torn, because of what stands at `place`.
    fn torn(&self, text: &[u8], place: usize) -> Verdict {
        match self.first_line {
            Some(first_line) => Verdict::Torn { resume: line_start(text, place).max(first_line) },
            None => Verdict::TooLong,
        }
    }
}

/// Behind the line end at `place`.
pub(crate) fn behind(text: &[u8], place: usize) -> usize {
    match text[place] == b'\r' && text.get(place + 1) == Some(&b'\n') {
        true => place + 2,
        false => place + 1,
    }
}

/// Where the line begins on which the byte at `place` stands, its line end included.
fn line_start(text: &[u8], place: usize) -> usize {
    let is_second_half = place > 0 && text.get(place) == Some(&b'\n') && text[place - 1] == b'\r';
    let before = if is_second_half { place - 1 } else { place };
    memchr::memrchr2(b'\n', b'\r', &text[..before]).map_or(0, |line_end| line_end + 1)
}

fn without_line_end(record: &[u8]) -> &[u8] {
    record
        .strip_suffix(b"\r\n")
        .or_else(|| record.strip_suffix(b"\n"))
        .or_else(|| record.strip_suffix(b"\r"))
        .unwrap_or(record)
}

/// What the lines of a record are, each by itself.
struct Rows {
    /// Lines with a byte in them.
    lines: usize,
    /// Those that have as many cells as a row.
    all: usize,
    /// The same, without the first and the last line: those could be halves of a row.
    inner: usize,
}

fn rows_in(record: &[u8], dialect: Dialect, width: u32) -> Rows {
    let mut rows = Rows { lines: 0, all: 0, inner: 0 };
    let mut start = 0;
    while start <= record.len() {
        let rest = &record[start..];
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let is_row = cells_alone(&rest[..length], dialect) == Some(width);
        if length > 0 {
            rows.lines += 1;
            rows.all += usize::from(is_row);
            rows.inner += usize::from(is_row && start > 0 && length < rest.len());
        }
        start = match length == rest.len() {
            true => break,
            false => behind(record, start + length),
        };
    }
    rows
}

/// How many cells a line has by itself; none if text follows a closing quote. A quote that does not
/// close on the line is text.
fn cells_alone(line: &[u8], dialect: Dialect) -> Option<u32> {
    let Dialect { delimiter, quote } = dialect;
    let mut finder = Finder::new(line, Needles([delimiter, quote, quote, quote]), 0);
    let (mut cells, mut field_start, mut is_open) = (1, 0, false);
    // Delimiters since the quote that is open.
    let mut within = 0;
    while let Some(place) = finder.next() {
        match (line[place] == delimiter, is_open) {
            (true, true) => within += 1,
            (true, false) => {
                cells += 1;
                field_start = place + 1;
            }
            (false, false) => is_open = place == field_start,
            (false, true) => match line.get(place + 1) {
                Some(next) if *next == quote => {
                    finder.next();
                }
                Some(next) if *next != delimiter => return None,
                _ => (is_open, within) = (false, 0),
            },
        }
    }
    Some(cells + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: Dialect = Dialect { delimiter: b',', quote: b'"' };

    fn verdict(text: &str, width: u32) -> Verdict {
        judge(text.as_bytes(), 0, CSV, RowShape { width, longest: 1 << 20 }, true)
    }

    const fn whole(stop: usize) -> Verdict {
        Verdict::Whole { stop, doubtful: false }
    }

    #[test]
    fn cells_of_several_lines_are_rows() {
        assert_eq!(verdict("1,\"a\nb\",c\n", 3), whole(10));
        assert_eq!(verdict("1,\"a\r\n\"\"b\"\"\",c\r\nx", 3), whole(16));
        assert_eq!(verdict("1,c,\"a\nb, and c\"", 3), whole(16));
        let letter = format!("1,\"{}\",c\n", "Dear all, how are you?\n".repeat(1000));
        assert_eq!(verdict(&letter, 3), whole(letter.len()));
    }

    #[test]
    fn too_many_or_too_few_cells_are_torn_only_for_lines_that_are_rows() {
        assert_eq!(verdict("1,\"a\nb\"\n", 3), whole(8));
        assert_eq!(verdict("1,\"a\nb\",c,d\n", 3), whole(12));
        assert_eq!(verdict("1,\"a\n2,b,c\nd\"\n", 3), Verdict::Torn { resume: 11 });
    }

    #[test]
    fn text_behind_a_closing_quote_tears_on_its_line() {
        assert_eq!(verdict("1,\"a,b\n2,c,d\n3,\"e\",f\n", 3), Verdict::Torn { resume: 13 });
        assert_eq!(verdict("1,\"a\"b,\"c\nd\"\n", 3), Verdict::Torn { resume: 10 });
    }

    #[test]
    fn what_never_closes_is_torn_to_the_end() {
        assert_eq!(verdict("1,\"a,b\n2,c,d\n", 3), Verdict::Torn { resume: 13 });
        assert_eq!(verdict("1,\"a,b\n2,c,d", 3), Verdict::Torn { resume: 7 });
        assert_eq!(verdict("1,\"a,b", 3), Verdict::Torn { resume: 6 });
    }

    #[test]
    fn rows_between_two_stray_quotes_are_no_chance_if_there_are_enough() {
        let between = |rows: usize| format!("0,\"a,b\n{}9,b\",c\n", "1,x,y\n".repeat(rows));
        let text = between(10);
        assert_eq!(verdict(&text, 3), Verdict::Torn { resume: text.len() - 7 });
        let text = between(2);
        assert_eq!(verdict(&text, 3), Verdict::Whole { stop: text.len(), doubtful: true });
        // One line that is no row does not save a thousand that are.
        let text = between(1000).replacen("1,x,y", "1,x", 1);
        assert_eq!(verdict(&text, 3), Verdict::Torn { resume: text.len() - 7 });
    }

    #[test]
    fn a_record_longer_than_any_may_be_is_torn() {
        let shape = RowShape { width: 3, longest: 10 };
        let of = |text: &str| judge(text.as_bytes(), 0, CSV, shape, false);
        assert_eq!(of("1,\"a\nb\",c\n"), whole(10));
        assert_eq!(of("1,\"a\nbb\",c\n"), Verdict::Torn { resume: 5 });
        assert_eq!(of("1,\"a\nb\",c\r\n"), Verdict::Torn { resume: 5 });
        assert_eq!(of("1,\"a\nb\",c\rx"), whole(10));
        assert_eq!(of("1,\"a\nb\",c\r"), Verdict::Open);
        assert_eq!(of("1,\"aaaaaaaaa\nb\",c\n"), Verdict::TooLong);
        assert_eq!(of("1,\"a\nb"), Verdict::Open);
    }
}
