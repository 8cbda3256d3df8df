//! What there is in a sheet: where its cells are, and what a user should know of them.

use super::{
    Fault,
    cells::{Cell, Kind, Row, Rows},
    range::Range,
    serial::Shows,
};

/// So many cells may be empty without question.
const LARGE: u64 = 64 << 20;
/// Beyond, one of so many must not be.
const SPARSE: u64 = 64;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The smallest range that holds every cell with a value.
    pub(super) used: Option<Range>,
    pub(super) cells: u64,
    pub(super) rows: u64,
    /// Formulas whose value was not saved.
    pub(super) unsaved: u64,
    /// Lengths of time, as in the format `[h]:mm`.
    pub(super) durations: u64,
    pub(super) errors: u64,
}

impl Survey {
    /// Looks at all cells in a range.
    pub(super) fn new(mut rows: Rows<'_>, within: Range, formats: &[Shows]) -> Result<Self, Fault> {
        let mut survey = Self::default();
        while let Some(row) = rows.next()? {
            let before = survey.cells;
            let cells = row.cells.iter().filter(|cell| within.holds(row.number, cell.column));
            cells.for_each(|cell| survey.take(row, cell, formats));
            survey.rows += u64::from(survey.cells > before);
        }
        let area = survey.used.map_or(0, |used| u64::from(used.width()) * survey.rows);
        match area > LARGE && area / SPARSE > survey.cells {
            true => Err(Fault::too_large(format!(
                "it has {} cells in an area of {area}; name the table's, as in `--range A1:F100`",
                survey.cells
            ))),
            false => Ok(survey),
        }
    }

    /// Whether any cell has a value; looks no further than the first that has.
    pub(super) fn finds(mut rows: Rows<'_>) -> Result<bool, Fault> {
        while let Some(row) = rows.next()? {
            if row.cells.iter().any(|cell| !row.text(cell).is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take(&mut self, row: &Row, cell: &Cell, formats: &[Shows]) {
        if row.text(cell).is_empty() {
            // A formula that gives an empty text has a value, and says so by its type.
            self.unsaved += u64::from(cell.has_formula && cell.kind == Kind::Number);
            return;
        }
        self.cells += 1;
        self.errors += u64::from(cell.kind == Kind::Error);
        let elapsed = formats.get(cell.format).is_some_and(|shows| shows.elapsed);
        self.durations += u64::from(elapsed && cell.kind == Kind::Number);
        let (r, c) = (row.number, cell.column);
        self.used = Some(match self.used {
            None => Range { rows: (r, r), columns: (c, c) },
            Some(Range { rows, columns }) => {
                Range { rows: (rows.0, r), columns: (columns.0.min(c), columns.1.max(c)) }
            }
        });
    }
}
