//! Ways to pollute a file. Each knows what the file holds: what a person would read in it.

use super::tables::{Table, field, line};

type Truth = Vec<Vec<String>>;
/// The file and its rows; none where the table does not lend itself to it.
type Polluted = Option<(Vec<u8>, Truth)>;
type Pollute = fn(&Table) -> Polluted;

/// A way to pollute.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Whether it makes rows of other widths.
    pub(super) ragged: bool,
    pub(super) pollute: Pollute,
}

/// The row that is polluted, where it is one.
const AT: usize = 23;

/// The header's line and the rows' lines, without line ends.
fn lines(table: &Table, delimiter: char) -> Vec<String> {
    let rows = table.rows.iter().map(|row| line(row, delimiter));
    [line(&table.header, delimiter)].into_iter().chain(rows).collect()
}

fn joined(lines: &[String]) -> Vec<u8> {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

fn with_lines(table: &Table, change: impl Fn(&mut Vec<String>)) -> Polluted {
    let mut lines = lines(table, ',');
    change(&mut lines);
    Some((joined(&lines), table.rows.clone()))
}

/// A row of another width, or with quotes gone wrong: its second value is what a person reads there.
fn with_value(table: &Table, written: &str, value: &str) -> Polluted {
    let (bytes, mut truth) = with_row(table, |fields| fields[1] = written.to_owned())?;
    truth[AT][1] = value.to_owned();
    Some((bytes, truth))
}

/// One row, written field by field.
fn with_row(table: &Table, change: impl Fn(&mut Vec<String>)) -> Polluted {
    with_lines(table, |lines| {
        let mut fields: Vec<String> = table.rows[AT].iter().map(|text| field(text, ',')).collect();
        change(&mut fields);
        lines[AT + 1] = fields.join(",");
    })
}

fn encoded(table: &Table, encode: impl Fn(char) -> Option<Vec<u8>>) -> Polluted {
    let text = String::from_utf8(joined(&lines(table, ','))).ok()?;
    let is_told = !text.is_ascii();
    let bytes: Option<Vec<Vec<u8>>> = text.chars().map(encode).collect();
    Some((bytes.filter(|_| is_told)?.concat(), table.rows.clone()))
}

fn utf16(table: &Table) -> Polluted {
    let text = format!("\u{feff}{}", String::from_utf8(joined(&lines(table, ','))).ok()?);
    Some((text.encode_utf16().flat_map(u16::to_le_bytes).collect(), table.rows.clone()))
}

/// Windows-1252 has the first of these, and latin 2 the second; letters of the other are left out.
fn western(table: &Table) -> Polluted {
    let western = Table {
        rows: table
            .rows
            .iter()
            .map(|row| row.iter().map(|t| t.replace('Ł', "L")).collect())
            .collect(),
        ..table.clone()
    };
    encoded(&western, |character| u8::try_from(u32::from(character)).ok().map(|byte| vec![byte]))
}

/// Numbers with a decimal comma between semicolons.
fn decimal_commas(table: &Table) -> Polluted {
    let is_decimal = |text: &str| text.contains('.') && text.parse::<f64>().is_ok();
    table.rows.iter().flatten().any(|text| is_decimal(text)).then_some(())?;
    let mut written = table.clone();
    for text in written.rows.iter_mut().flatten().filter(|text| is_decimal(text)) {
        *text = text.replace('.', ",");
    }
    Some((joined(&lines(&written, ';')), table.rows.clone()))
}

/// Dates with the day first.
fn day_first(table: &Table) -> Polluted {
    let mut written = table.clone();
    let mut found = false;
    for text in written.rows.iter_mut().flatten() {
        if let [year, month, day] = text.split('-').collect::<Vec<_>>()[..]
            && year.len() == 4
        {
            *text = format!("{day}/{month}/{year}");
            found = true;
        }
    }
    found.then(|| (joined(&lines(&written, ',')), table.rows.clone()))
}

pub(super) fn all() -> Vec<Kind> {
    let ragged: [(&str, Pollute); 9] = [
        ("extra delimiter", |table| with_row(table, |fields| fields.insert(1, String::new()))),
        ("missing delimiter", |table| {
            with_row(table, |fields| {
                let second = fields.remove(1);
                fields[0] += &second;
            })
        }),
        ("wide row", |table| {
            with_row(table, |fields| fields.extend(["x".to_owned(), "y".to_owned()]))
        }),
        ("short row", |table| with_row(table, |fields| fields.truncate(2))),
        ("trailing delimiter, one row", |table| {
            with_row(table, |fields| fields.push(String::new()))
        }),
        ("unquoted delimiter", |table| with_value(table, "left, right", "left, right")),
        ("truncated last line", |table| {
            let (mut bytes, mut truth) = with_lines(table, |_| {})?;
            let last = line(&table.rows[table.rows.len() - 1], ',');
            bytes.truncate(bytes.len() - 1 - last.len() + last.rfind(',')?);
            truth.pop();
            Some((bytes, truth))
        }),
        ("short first rows", |table| {
            with_lines(table, |lines| {
                for line in &mut lines[1..4] {
                    line.truncate(line.rfind(',').unwrap_or_default());
                }
            })
        }),
        ("footer", |table| with_lines(table, |lines| lines.push("Total: 40".to_owned()))),
    ];
    let others: [(&str, Pollute); 29] = [
        ("clean", |table| with_lines(table, |_| {})),
        ("stray quote", |table| with_row(table, |fields| fields[1].insert(0, '"'))),
        ("stray quote inside", |table| with_value(table, "5\" disk", "5\" disk")),
        ("text behind a quote", |table| with_value(table, "\"left\" right", "left right")),
        ("unclosed quote, last row", |table| {
            with_lines(table, |lines| {
                if let Some(last) = lines.last_mut() {
                    let place = last.find(',').unwrap_or_default();
                    last.insert(place + 1, '"');
                }
            })
        }),
        ("preamble", |table| {
            with_lines(table, |lines| {
                lines.splice(0..0, ["Report of shops".to_owned(), "made by hand".to_owned()]);
            })
        }),
        ("preamble, blank line", |table| {
            with_lines(table, |lines| {
                lines.splice(0..0, ["Report of shops".to_owned(), String::new()]);
            })
        }),
        ("preamble with delimiters", |table| {
            with_lines(table, |lines| {
                let width = lines[0].split(',').count();
                lines.insert(0, format!("Report{}", ",".repeat(width - 1)));
            })
        }),
        ("second header", |table| {
            with_lines(table, |lines| {
                let header = lines[0].clone();
                lines.insert(AT, header);
            })
        }),
        ("header of two lines", |table| {
            with_lines(table, |lines| {
                let width = lines[0].split(',').count();
                lines.insert(1, vec!["(unit)"; width].join(","));
            })
        }),
        ("no header", |table| {
            with_lines(table, |lines| {
                lines.remove(0);
            })
        }),
        ("duplicated name", |table| {
            let mut table = table.clone();
            table.header[1] = table.header[0].clone();
            with_lines(&table, |_| {})
        }),
        ("empty name", |table| {
            with_lines(table, |lines| {
                let place = lines[0].find(',').unwrap_or_default();
                lines[0].replace_range(..place, "");
            })
        }),
        ("comments", |table| {
            with_lines(table, |lines| {
                lines.insert(AT, "# checked by hand".to_owned());
                lines.insert(0, "# made on a Monday, twice".to_owned());
            })
        }),
        ("windows-1252", western),
        ("utf-16", utf16),
        ("byte order mark", |table| with_lines(table, |lines| lines[0].insert(0, '\u{feff}'))),
        ("one broken byte", |table| {
            let (mut bytes, truth) = with_lines(table, |_| {})?;
            let place = bytes.iter().position(|byte| *byte >= 0x80)?;
            bytes[place] = b'\xff';
            Some((bytes, truth))
        }),
        ("mixed line ends", |table| {
            with_lines(table, |lines| {
                lines.iter_mut().step_by(2).for_each(|line| line.push('\r'));
            })
        }),
        ("lone CR", |table| {
            let (bytes, truth) = with_lines(table, |_| {})?;
            let has_inner = truth.iter().flatten().any(|text| text.contains('\n'));
            let bytes = bytes.into_iter().map(|b| if b == b'\n' { b'\r' } else { b }).collect();
            (!has_inner).then_some((bytes, truth))
        }),
        ("blank lines", |table| {
            with_lines(table, |lines| {
                lines.insert(AT, String::new());
                lines.push(String::new());
            })
        }),
        ("no last line end", |table| {
            let (mut bytes, truth) = with_lines(table, |_| {})?;
            bytes.pop();
            Some((bytes, truth))
        }),
        ("trailing delimiters, all", |table| {
            with_lines(table, |lines| lines.iter_mut().for_each(|line| line.push(',')))
        }),
        ("trailing delimiters, rows", |table| {
            with_lines(table, |lines| lines[1..].iter_mut().for_each(|line| line.push(',')))
        }),
        ("semicolons", |table| Some((joined(&lines(table, ';')), table.rows.clone()))),
        ("tabs", |table| Some((joined(&lines(table, '\t')), table.rows.clone()))),
        ("decimal commas", decimal_commas),
        ("day first", day_first),
        ("late text in a number", |table| {
            let mut table = table.clone();
            let last = table.rows.len() - 1;
            table.rows[last][0] = "n/k".to_owned();
            with_lines(&table, |_| {})
        }),
    ];
    let kind = |ragged| move |(name, pollute)| Kind { name, ragged, pollute };
    ragged.into_iter().map(kind(true)).chain(others.into_iter().map(kind(false))).collect()
}
