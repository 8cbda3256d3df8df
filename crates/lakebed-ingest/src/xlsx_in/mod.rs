//! Excel workbooks (`.xlsx`, ECMA-376) as a source: one sheet, or a range of one.
//!
//! | file | does |
//! |---|---|
//! | `zip` | the parts of the archive |
//! | `xml` | the events of a part |
//! | `workbook` | sheets, formats, where texts are |
//! | `strings` | texts that cells share |
//! | `cells` | rows of cells |
//! | `serial` | numbers that are days and times |
//! | `range` | `A1:F100` |
//! | `survey` | where the cells are |
//! | `text` | a sheet as delimited text |
//! | `fault` | what is wrong with a workbook |
//!
//! A sheet is read as the delimited text that it could be saved as, so that headers, types, "no value",
//! quarantine and rules are what they are there. Nothing is believed of what a workbook says about its
//! size; memory is its shared texts, a row and a chunk.

mod cells;
mod fault;
#[cfg(test)]
mod laws;
mod range;
mod serial;
mod strings;
mod survey;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod workbook;
mod xml;
mod zip;

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use lakebed_core::{DecodeOptions, XlsxDecode};

pub(crate) use fault::{Fault, refusal_of};
pub(crate) use text::RowNumbers;

use crate::{LocalSource, Progress, Refusal, layout::listed, refusal::shown};
use range::Range;
use survey::Survey;
use text::{SheetText, State, Writer};
use workbook::{Kind, SheetPart, Workbook};

/// A sheet that is read.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    pub(crate) range: Range,
    pub(crate) numbers: Arc<RowNumbers>,
    /// What a user should know.
    pub(crate) notes: Vec<String>,
}

/// The sheet of a workbook to read; none if the archive is no workbook.
pub(crate) fn find(
    source: &LocalSource,
    options: &DecodeOptions,
) -> Result<Option<Sheet>, Refusal> {
    let fault = |fault: Fault| fault.refusal(&source.name);
    let within = options.range.as_deref().map_or(Ok(Range::ALL), asked_range)?;
    let workbook = match Workbook::open(&source.path).map_err(fault)? {
        Kind::Workbook(workbook) => workbook,
        Kind::Other(what) => return Err(of_another_kind(&source.name, what)),
        Kind::Archive => return Ok(None),
    };
    let chosen = match options.sheet.as_deref() {
        Some(name) => Chosen { sheet: named(source, &workbook, name)?, others: Vec::new() },
        None => only_one(source, &workbook)?,
    };
    let rows = workbook.rows(&chosen.sheet.part, None).map_err(fault)?;
    let survey = Survey::new(rows, within, &workbook.formats).map_err(fault)?;
    let Some(range) = survey.used else {
        return Err(no_cells(&source.name, Some(&chosen.sheet.name)));
    };
    let notes = notes(&chosen, range, options, &survey);
    Ok(Some(Sheet::new(&chosen.sheet.name, range, notes)))
}

impl Sheet {
    fn new(name: &str, range: Range, notes: Vec<String>) -> Self {
        let numbers = Arc::new(RowNumbers::new(range.rows.0));
        Self { name: name.to_owned(), range, numbers, notes }
    }

    /// A sheet that was read before.
    pub(crate) fn reopen(decode: &XlsxDecode) -> Result<Self, Refusal> {
        Ok(Self::new(&decode.sheet, asked_range(&decode.range)?, Vec::new()))
    }

    /// Opens it as text; tells `progress` of bytes as they are stored.
    pub(crate) fn open<'p>(
        &self,
        path: &Path,
        progress: Option<&'p dyn Progress>,
    ) -> io::Result<Box<dyn Read + Send + 'p>> {
        let Kind::Workbook(workbook) = Workbook::open(path)? else {
            return Err(Fault::damaged("it is no workbook any more").into());
        };
        let part = workbook.sheets.iter().find(|sheet| sheet.name == self.name);
        let part = part.ok_or_else(|| Fault::damaged("its sheet is gone"))?;
        let rows = workbook.rows(&part.part, progress)?;
        let strings = workbook.strings()?;
        let Workbook { formats, since_1904, .. } = workbook;
        Ok(Box::new(SheetText {
            rows,
            writer: Writer { strings, formats, since_1904 },
            range: self.range,
            numbers: Arc::clone(&self.numbers),
            next: self.range.rows.0,
            state: State::default(),
        }))
    }
}

/// The refusal for what only looks like a workbook that can be read.
pub(crate) fn of_another_kind(name: &str, what: &str) -> Refusal {
    let message = format!("`{}` is {what}, which cannot be read", shown(name));
    Refusal::new(Refusal::NOT_A_TABLE, message)
        .hint("save it as .xlsx or CSV, or keep it with `--as files`")
}

struct Chosen {
    sheet: SheetPart,
    /// Hidden sheets that hold something, too.
    others: Vec<String>,
}

fn asked_range(text: &str) -> Result<Range, Refusal> {
    Range::parse(text).ok_or_else(|| {
        Refusal::new(Refusal::BAD_OPTION, format!("`{}` is no range of cells", shown(text)))
            .hint("write it as in `A1:F100`, `A:F` or `B5`")
    })
}

fn named(source: &LocalSource, workbook: &Workbook, name: &str) -> Result<SheetPart, Refusal> {
    let found = workbook.sheets.iter().find(|sheet| sheet.name == name);
    found.cloned().ok_or_else(|| {
        let message = format!("`{}` has no sheet `{}`", shown(&source.name), shown(name));
        let names: Vec<String> = workbook.sheets.iter().map(quoted_name).collect();
        Refusal::new(Refusal::BAD_OPTION, message).hint(format!("it has {}", listed(&names)))
    })
}

/// The only sheet that holds something; hidden ones count if no other does.
fn only_one(source: &LocalSource, workbook: &Workbook) -> Result<Chosen, Refusal> {
    let (mut shown_ones, mut hidden) = (Vec::new(), Vec::new());
    for sheet in &workbook.sheets {
        let found = workbook.rows(&sheet.part, None).and_then(Survey::finds);
        if found.map_err(|fault| fault.refusal(&source.name))? {
            if sheet.hidden { &mut hidden } else { &mut shown_ones }.push(sheet.clone());
        }
    }
    let (mut candidates, others) = match shown_ones.is_empty() {
        true => (hidden, Vec::new()),
        false => (shown_ones, hidden),
    };
    if candidates.len() > 1 {
        return Err(several(&source.name, &candidates));
    }
    let sheet = candidates.pop().ok_or_else(|| no_cells(&source.name, None))?;
    Ok(Chosen { sheet, others: others.iter().map(quoted_name).collect() })
}

fn several(name: &str, candidates: &[SheetPart]) -> Refusal {
    let names: Vec<String> = candidates.iter().map(quoted_name).collect();
    let message = format!(
        "`{}` has {} sheets that hold something: {}",
        shown(name),
        candidates.len(),
        listed(&names)
    );
    let first = shown(&candidates[0].name);
    Refusal::new(Refusal::SEVERAL_SHEETS, message)
        .hint(format!("name the one to read, as in `--sheet '{first}'`"))
}

fn no_cells(name: &str, sheet: Option<&str>) -> Refusal {
    let message = match sheet {
        Some(sheet) => {
            format!("the sheet `{}` of `{}` holds nothing there", shown(sheet), shown(name))
        }
        None => format!("no sheet of `{}` holds anything", shown(name)),
    };
    Refusal::new(Refusal::NO_ROWS, message)
        .hint("are the cells that should be read the right ones?")
}

fn quoted_name(sheet: &SheetPart) -> String {
    format!("`{}`", shown(&sheet.name))
}

fn notes(chosen: &Chosen, range: Range, options: &DecodeOptions, survey: &Survey) -> Vec<String> {
    let sheet = quoted_name(&chosen.sheet);
    let told = options.sheet.is_some() || options.range.is_some();
    let how = if told { "" } else { " (detected; `--sheet` and `--range` name others)" };
    let mut notes = vec![format!("sheet {sheet}, cells {range}{how}")];
    if !chosen.others.is_empty() {
        let others = listed(&chosen.others);
        notes.push(format!("hidden sheets hold something, too, and are not read: {others}"));
    }
    if survey.unsaved > 0 {
        notes.push(format!(
            "{} formulas were saved without their value and are no value: open and save it in a spreadsheet program",
            survey.unsaved
        ));
    }
    if survey.durations > 0 {
        notes.push(format!("{} lengths of time are kept as numbers of days", survey.durations));
    }
    if survey.errors > 0 {
        notes.push(format!(
            "{} cells hold an error like `#DIV/0!`, kept as text; `--null '#DIV/0!'` reads it as no value",
            survey.errors
        ));
    }
    notes
}
