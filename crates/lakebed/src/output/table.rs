//! Text tables: aligned columns, fitted to a width.
//!
//! [`Layout`] fixes the widths from the first rows, so that a long answer can be printed as it
//! comes; [`Table`] has all its rows and prints at once.

use std::fmt::Write as _;

use clap::builder::styling::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{escaped, style};

/// Between two columns.
const GAP: usize = 2;
/// Columns are not squeezed below this.
const NARROWEST: usize = 8;

/// On which side a column's values are flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column's title and side.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    title: String,
    align: Align,
}

impl Column {
    pub(crate) fn new(title: &str, align: Align) -> Self {
        Self { title: escaped(title), align }
    }
}

/// A value, escaped, and how it looks.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self::styled(text, style::PLAIN)
    }

    pub(crate) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: escaped(text.as_ref()), style }
    }

    /// "No value", which is not the empty text.
    pub(crate) fn null() -> Self {
        Self { text: "NULL".to_owned(), style: style::DIM }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// Widths of columns; rows are printed against it one by one.
#[derive(Debug)]
pub(crate) struct Layout {
    columns: Vec<Column>,
    widths: Vec<usize>,
    /// The columns that fit; the others are not printed.
    shown: usize,
    /// Whether values longer than their column are cut (on a terminal) or stick out (elsewhere).
    cut: bool,
}

impl Layout {
    /// Widths for `sample`, squeezed to `limit` where there is one.
    pub(crate) fn new(columns: Vec<Column>, sample: &[Vec<Cell>], limit: Option<usize>) -> Self {
        let mut widths: Vec<usize> = columns.iter().map(|column| column.title.width()).collect();
        for row in sample {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        let shown = match limit {
            Some(limit) => squeeze(&mut widths, limit),
            None => widths.len(),
        };
        Self { columns, widths, shown, cut: limit.is_some() }
    }

    /// How many columns did not fit.
    pub(crate) fn hidden(&self) -> usize {
        self.columns.len() - self.shown
    }

    /// The titles and the line below them.
    pub(crate) fn header(&self) -> String {
        let titles: Vec<Cell> =
            self.columns.iter().map(|column| Cell::styled(&column.title, style::BOLD)).collect();
        let mut text = self.row(&titles);
        let dim = style::DIM;
        let lines: Vec<String> =
            self.widths[..self.shown].iter().map(|width| "─".repeat(*width)).collect();
        let _ = writeln!(text, "{dim}{}{dim:#}", lines.join(&" ".repeat(GAP)));
        text
    }

    /// One row and its line end, without trailing blanks.
    pub(crate) fn row(&self, cells: &[Cell]) -> String {
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate().take(self.shown) {
            if index > 0 {
                line.push_str("  ");
            }
            self.cell(&mut line, index, cell);
        }
        line.truncate(line.trim_end_matches(' ').len());
        line.push('\n');
        line
    }

    fn cell(&self, line: &mut String, index: usize, cell: &Cell) {
        let width = self.widths[index];
        let text = if self.cut { shortened(&cell.text, width) } else { cell.text.clone() };
        let blanks = " ".repeat(width.saturating_sub(text.width()));
        let style = cell.style;
        let _ = match self.columns[index].align {
            Align::Left => write!(line, "{style}{text}{style:#}{blanks}"),
            Align::Right => write!(line, "{blanks}{style}{text}{style:#}"),
        };
    }
}

/// Narrows the widest columns until all fit into `limit`; returns how many do.
fn squeeze(widths: &mut [usize], limit: usize) -> usize {
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * (widths.len().max(1) - 1);
    let mut shown = widths.len();
    loop {
        let current = &mut widths[..shown];
        if total(current) <= limit {
            return shown;
        }
        let excess = total(current) - limit;
        let Some(widest) = current.iter().copied().max() else { return 0 };
        if widest <= NARROWEST {
            if shown == 1 {
                return 1;
            }
            shown -= 1;
            continue;
        }
        let next = current.iter().copied().filter(|width| *width < widest).max().unwrap_or(0);
        let wide = current.iter().filter(|width| **width == widest).count();
        let step = (widest - next.max(NARROWEST)).min(excess.div_ceil(wide)).max(1);
        for width in current.iter_mut().filter(|width| **width == widest) {
            *width -= step;
        }
    }
}

/// `text` cut to `width` columns, with an ellipsis where something is missing.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = 0;
    let mut short: String = text
        .chars()
        .take_while(|character| {
            taken += character.width().unwrap_or(0);
            taken < width
        })
        .collect();
    short.push('…');
    short
}

/// A table whose rows are all known.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Titles; those that begin with `>` are right-aligned (numbers).
    pub(crate) fn new<const N: usize>(titles: [&str; N]) -> Self {
        let column = |title: &str| match title.strip_prefix('>') {
            Some(title) => Column::new(title, Align::Right),
            None => Column::new(title, Align::Left),
        };
        Self { columns: titles.into_iter().map(column).collect(), rows: Vec::new() }
    }

    /// As many columns as there are titles, all left-aligned.
    pub(crate) fn of(titles: &[String]) -> Self {
        let column = |title: &String| Column::new(title, Align::Left);
        Self { columns: titles.iter().map(column).collect(), rows: Vec::new() }
    }

    pub(crate) fn push_row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub(crate) fn push<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    pub(crate) fn render(&self, limit: Option<usize>) -> String {
        let fitted = Layout::new(self.columns.clone(), &self.rows, limit);
        let layout = match fitted.hidden() {
            0 => fitted,
            // Rather wrapped by the terminal than not shown.
            _ => Layout::new(self.columns.clone(), &self.rows, None),
        };
        let mut text = layout.header();
        for row in &self.rows {
            text.push_str(&layout.row(row));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn sample() -> Table {
        let mut table = Table::new(["name", ">rows", "note"]);
        table.push(["nyc.weather".into(), "26,115".into(), "hourly\u{1b}[31m".into()]);
        table.push(["東京.x".into(), Cell::null(), "a rather long remark about it".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        insta::assert_snapshot!(plain(&sample().render(None)), @r"
        name           rows  note
        ───────────  ──────  ─────────────────────────────
        nyc.weather  26,115  hourly\u{1b}[31m
        東京.x         NULL  a rather long remark about it
        ");
    }

    #[test]
    fn a_narrow_terminal_cuts_the_widest_first() {
        insta::assert_snapshot!(plain(&sample().render(Some(36))), @r"
        name           rows  note
        ───────────  ──────  ───────────────
        nyc.weather  26,115  hourly\u{1b}[3…
        東京.x         NULL  a rather long …
        ");
        let narrow = plain(&sample().render(Some(28)));
        assert!(narrow.lines().all(|line| line.width() <= 28), "{narrow}");
        assert_eq!(sample().render(Some(20)), sample().render(None), "no column is left out");
    }
}
