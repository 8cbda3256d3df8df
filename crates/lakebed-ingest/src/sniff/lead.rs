//! What stands before a table and between its rows: titles, remarks, comments.
//!
//! A line is taken for no part of the table only where the table says so: what follows it is of one
//! width, the line is far from it, and names stand over values or a blank line lies between.

use lakebed_core::{Comment, DecodeOptions, Header};

use super::{HeadRecord, header};
use crate::{Refusal, refusal::shown};

/// How many records may stand before a table.
const MOST: usize = 50;

/// The lines of a text that are no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lead {
    pub(crate) skip_lines: u64,
    pub(crate) comment: Option<Comment>,
    /// Whether they were detected, not told.
    pub(crate) detects_lines: bool,
    pub(crate) detects_comment: bool,
}

/// Finds them in the first records of a text; of a sheet there are no comments.
pub(crate) fn choose(
    options: &DecodeOptions,
    records: &[HeadRecord<'_>],
    is_sheet: bool,
) -> Result<Lead, Refusal> {
    let width = common_width(records);
    let told = options.comment.as_deref().map(told_comment).transpose()?;
    let comment = match told {
        _ if is_sheet => None,
        Some(told) => told,
        None => detected_comment(records, width),
    };
    let is_comment = |record: &&HeadRecord<'_>| {
        comment.is_some_and(|comment| record.begins_with(comment.begin as u8))
    };
    let rows: Vec<&HeadRecord<'_>> = records.iter().filter(|record| !is_comment(record)).collect();
    let found = || {
        let table = first_of_table(&rows, width, options.header);
        let first = rows.first().filter(|_| comment.is_some() && told.is_none());
        let first = table.or(first.copied());
        first.map_or(0, |record| u64::from(if is_sheet { record.row } else { record.line }))
    };
    let skip_lines = options.skip_lines.unwrap_or_else(found);
    Ok(Lead {
        skip_lines,
        comment,
        detects_lines: options.skip_lines.is_none() && skip_lines > 0,
        detects_comment: told.is_none() && comment.is_some(),
    })
}

/// Whether a table is found below other lines.
pub(super) fn stands_before(records: &[HeadRecord<'_>]) -> bool {
    let found = choose(&DecodeOptions::default(), records, false);
    found.is_ok_and(|lead| lead.detects_lines)
}

fn told_comment(text: &str) -> Result<Option<Comment>, Refusal> {
    let mut characters = text.chars();
    match (text, characters.next(), characters.next()) {
        ("none", ..) => Ok(None),
        (_, Some(begin), None) if begin.is_ascii_graphic() => {
            Ok(Some(Comment { begin, except_rows: false }))
        }
        _ => {
            let message = format!("comments cannot begin with `{}`", shown(text));
            Err(Refusal::new(Refusal::BAD_OPTION, message)
                .hint("name one ASCII character, as in `--comment '#'`, or `none`"))
        }
    }
}

/// The width that most records have; the larger of two.
fn common_width(records: &[HeadRecord<'_>]) -> usize {
    let mut widths: Vec<usize> = records.iter().map(|record| record.fields.len()).collect();
    widths.sort_unstable();
    let groups = widths.chunk_by(|one, other| one == other);
    groups.max_by_key(|group| (group.len(), group[0])).map_or(0, |group| group[0])
}

/// `#`, if lines begin with it and none of them is as wide as a row.
fn detected_comment(records: &[HeadRecord<'_>], width: usize) -> Option<Comment> {
    let mut lines = records.iter().filter(|record| record.begins_with(b'#')).peekable();
    let found = lines.peek().is_some() && lines.all(|record| record.fields.len() != width);
    found.then_some(Comment { begin: '#', except_rows: true })
}

/// The first record of the table, if others stand before it.
fn first_of_table<'r, 't>(
    rows: &[&'r HeadRecord<'t>],
    width: usize,
    told: Option<Header>,
) -> Option<&'r HeadRecord<'t>> {
    let is_lead = |record: &HeadRecord<'_>| {
        let count = record.fields.len();
        let filled = record.fields.iter().filter(|field| !field.bytes.is_empty()).count();
        count == 1 || count * 2 <= width || (count == width && filled * 2 <= width)
    };
    if width < 2 {
        return None;
    }
    let first =
        rows.iter().take(MOST + 1).position(|record| !is_lead(record)).filter(|i| *i > 0)?;
    let (before, table) = (rows[first - 1], &rows[first..]);
    let alike = table.iter().filter(|record| record.fields.len() == width).count();
    let is_table =
        table.len() >= 2 && table[0].fields.len() == width && alike * 10 >= table.len() * 8;
    let has_gap = table[0].line > before.next_line;
    let has_names = told != Some(Header::Absent) && header::names_values(table);
    let are_remarks = rows[..first].iter().all(|record| record.begins_with(b'#'));
    (is_table && (has_gap || has_names || are_remarks)).then_some(table[0])
}
