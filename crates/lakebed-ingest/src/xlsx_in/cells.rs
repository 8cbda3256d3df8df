//! The cells of a sheet, row by row, as its part lists them: rows and columns ascend, and cells
//! without a value may be there or not.

use quick_xml::events::{BytesStart, Event};

use super::{
    Fault,
    range::{LAST_COLUMN, LAST_ROW, cell_of},
    strings::{Place, unescape},
    xml::{Xml, add_text, attribute},
};

/// The longest text of a row.
const LONGEST_ROW: usize = 16 << 20;

/// Reads rows.
pub(super) struct Rows<'p> {
    xml: Xml<'p>,
    in_data: bool,
    row: Row,
}

/// A row and its cells.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Counted from 1.
    pub(super) number: u32,
    pub(super) cells: Vec<Cell>,
    text: Vec<u8>,
}

/// A cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// Counted from 1.
    pub(super) column: u32,
    pub(super) kind: Kind,
    /// Its format, by number.
    pub(super) format: usize,
    pub(super) has_formula: bool,
    start: usize,
    stop: usize,
}

/// What the text of a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    /// The number of a shared text.
    Shared,
    Text,
    Boolean,
    Error,
    /// As ISO 8601 writes it.
    Date,
}

impl Row {
    /// What stands in a cell.
    pub(super) fn text(&self, cell: &Cell) -> &[u8] {
        &self.text[cell.start..cell.stop]
    }
}

enum Seen {
    Row { number: Option<u32>, empty: bool },
    End,
    Other,
}

impl<'p> Rows<'p> {
    pub(super) fn new(xml: Xml<'p>) -> Self {
        Self { xml, in_data: false, row: Row::default() }
    }

    /// The next row; none when the part was read to its end.
    pub(super) fn next(&mut self) -> Result<Option<&Row>, Fault> {
        loop {
            let seen = match self.xml.next()? {
                Event::Start(element) => match element.local_name().as_ref() {
                    b"sheetData" => {
                        self.in_data = true;
                        Seen::Other
                    }
                    b"row" if self.in_data => {
                        Seen::Row { number: row_number(&element)?, empty: false }
                    }
                    _ => Seen::Other,
                },
                Event::Empty(element)
                    if self.in_data && element.local_name().as_ref() == b"row" =>
                {
                    Seen::Row { number: row_number(&element)?, empty: true }
                }
                Event::End(element) if element.local_name().as_ref() == b"sheetData" => {
                    self.in_data = false;
                    Seen::Other
                }
                Event::Eof => Seen::End,
                _ => Seen::Other,
            };
            match seen {
                Seen::Other => {}
                Seen::End => return Ok(None),
                Seen::Row { number, empty } => {
                    self.begin(number)?;
                    if !empty {
                        self.read_cells()?;
                        return Ok(Some(&self.row));
                    }
                }
            }
        }
    }

    fn begin(&mut self, number: Option<u32>) -> Result<(), Fault> {
        let number = number.unwrap_or(self.row.number + 1);
        if number <= self.row.number || number > LAST_ROW {
            return Err(Fault::damaged(format!(
                "row {number} comes behind row {}",
                self.row.number
            )));
        }
        self.row.number = number;
        self.row.cells.clear();
        self.row.text.clear();
        Ok(())
    }

    fn read_cells(&mut self) -> Result<(), Fault> {
        loop {
            let is_empty = match self.xml.next()? {
                Event::Start(element) if element.local_name().as_ref() == b"c" => {
                    self.row.push(&element)?;
                    false
                }
                Event::Empty(element) if element.local_name().as_ref() == b"c" => {
                    self.row.push(&element)?;
                    true
                }
                Event::End(element) if element.local_name().as_ref() == b"row" => return Ok(()),
                Event::Eof => return Ok(()),
                _ => continue,
            };
            if !is_empty {
                self.read_value()?;
            }
        }
    }

    fn read_value(&mut self) -> Result<(), Fault> {
        let Self { xml, row, .. } = self;
        let (mut in_value, mut place) = (false, Place::default());
        let last = row.cells.len() - 1;
        loop {
            let event = xml.next()?;
            match &event {
                Event::Start(element) | Event::Empty(element)
                    if element.local_name().as_ref() == b"f" =>
                {
                    row.cells[last].has_formula = true;
                }
                Event::Start(element) if element.local_name().as_ref() == b"v" => in_value = true,
                Event::End(element) if element.local_name().as_ref() == b"v" => in_value = false,
                Event::End(element) if element.local_name().as_ref() == b"c" => break,
                Event::Eof => break,
                other if in_value => add_text(other, &mut row.text)?,
                other => place.take(other, &mut row.text)?,
            }
            if row.text.len() > LONGEST_ROW {
                return Err(Fault::too_large(format!("row {} is longer than 16 MiB", row.number)));
            }
        }
        let cell = &mut row.cells[last];
        if cell.kind == Kind::Text {
            unescape(&mut row.text, cell.start);
        }
        cell.stop = row.text.len();
        Ok(())
    }
}

impl Row {
    fn push(&mut self, element: &BytesStart<'_>) -> Result<(), Fault> {
        let before = self.cells.last().map_or(0, |cell| cell.column);
        let (mut column, mut kind, mut format) = (before + 1, Kind::Number, 0);
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| Fault::damaged("a part is no XML"))?;
            let value = attribute.value.as_ref();
            match attribute.key.as_ref() {
                b"r" => {
                    let place = cell_of(value).filter(|(_, row)| *row == self.number);
                    (column, _) = place.ok_or_else(|| {
                        Fault::damaged(format!(
                            "a cell in row {} says it is elsewhere",
                            self.number
                        ))
                    })?;
                }
                b"s" => {
                    let value = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    format = value.unwrap_or_default();
                }
                b"t" => kind = kind_of(value)?,
                _ => {}
            }
        }
        if column <= before || column > LAST_COLUMN {
            return Err(Fault::damaged(format!(
                "the cells of row {} are out of order",
                self.number
            )));
        }
        let (start, stop) = (self.text.len(), self.text.len());
        self.cells.push(Cell { column, kind, format, has_formula: false, start, stop });
        Ok(())
    }
}

fn row_number(element: &BytesStart<'_>) -> Result<Option<u32>, Fault> {
    let Some(text) = attribute(element, "r")? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Fault::damaged("a row has no number"))
}

fn kind_of(name: &[u8]) -> Result<Kind, Fault> {
    match name {
        b"n" => Ok(Kind::Number),
        b"s" => Ok(Kind::Shared),
        b"str" | b"inlineStr" => Ok(Kind::Text),
        b"b" => Ok(Kind::Boolean),
        b"e" => Ok(Kind::Error),
        b"d" => Ok(Kind::Date),
        other => {
            let what = format!("a cell is of the type `{}`", String::from_utf8_lossy(other));
            Err(Fault::damaged(what))
        }
    }
}
