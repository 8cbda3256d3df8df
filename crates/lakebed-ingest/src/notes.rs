//! What a user should know about how sources were read, and which option would change it.
//!
//! Notes speak of columns and options. The only values in them are tokens from a fixed list of
//! those that many tools write for "no value".

use lakebed_core::{DataType, Header, SkipKind, Skipped};

use crate::{
    account::Account,
    cell::{
        Evidence, Verdict,
        oddity::{NULL_LIKE, Oddity, SPELLINGS},
    },
    infer::Findings,
    json_in,
    layout::{Format, Layout, Source, listed},
    refusal::shown,
    sniff::Text,
};

/// All notes, those on files first.
pub(crate) fn notes(layout: &Layout, findings: &Findings, accounts: &[Account]) -> Vec<String> {
    let mut notes = on_files(layout);
    notes.extend(on_doubts(layout, accounts));
    notes.extend(on_skipped(layout, accounts));
    let inferred = || {
        let columns = layout.columns.iter().zip(&findings.evidence);
        columns
            .filter(|(column, _)| column.known.is_none())
            .map(|(column, e)| (column.name.as_str(), e))
    };
    notes.extend(on_null_tokens(inferred().collect()));
    notes.extend(inferred().filter_map(|(name, evidence)| on_spelling(name, evidence)));
    let empty: Vec<String> = inferred()
        .filter(|(_, evidence)| evidence.verdict() == Verdict::Unknown)
        .map(|(name, _)| format!("`{}`", shown(name)))
        .collect();
    if !empty.is_empty() {
        notes.push(format!("no values in {}: kept as string", listed(&empty)));
    }
    let zoned: Vec<String> = inferred()
        .filter(|(_, e)| e.has_zones() && e.verdict() == Verdict::Typed(DataType::Timestamptz))
        .map(|(name, _)| format!("`{}`", shown(name)))
        .collect();
    if !zoned.is_empty() {
        notes.push(format!(
            "times with a zone are kept as moments in UTC, without the zone: {}",
            listed(&zoned)
        ));
    }
    notes
}

/// What was detected, said once for all files that are alike.
fn on_files(layout: &Layout) -> Vec<String> {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for source in &layout.sources {
        let on_source = match &source.format {
            Format::Text(text) => on_file(text),
            Format::Json(json) => json_in::notes(json),
            Format::Parquet => continue,
        };
        for note in on_source {
            let name = format!("`{}`", shown(&source.name));
            match notes.iter_mut().find(|(other, _)| *other == note) {
                Some((_, names)) => names.push(name),
                None => notes.push((note, vec![name])),
            }
        }
    }
    let all = layout.sources.len();
    let said = |(note, names): (String, Vec<String>)| match names.len() {
        count if count == all && all > 3 => format!("all {all} files: {note}"),
        _ => format!("{}: {note}", listed(&names)),
    };
    notes.into_iter().map(said).collect()
}

/// Rows whose quotes hold what could be rows, too few to be sure of it.
fn on_doubts(layout: &Layout, accounts: &[Account]) -> Vec<String> {
    let note = |(source, account): (&Source, &Account)| {
        let line = account.first_doubtful_line?;
        let (name, rows) = (shown(&source.name), account.doubtful);
        Some(match rows {
            1 => format!(
                "`{name}`: the row on line {line} has line ends within quotes, and each of its lines could be a row: are its quotes meant?"
            ),
            _ => format!(
                "`{name}`: {rows} rows have line ends within quotes, and each of their lines could be a row, the first on line {line}: are their quotes meant?"
            ),
        })
    };
    layout.sources.iter().zip(accounts).filter_map(note).collect()
}

/// Lines that were passed over: what stands before the table, comments, headers that come again.
fn on_skipped(layout: &Layout, accounts: &[Account]) -> Vec<String> {
    let mut notes = Vec::new();
    for (source, account) in layout.sources.iter().zip(accounts) {
        let Format::Text(text) = &source.format else { continue };
        let name = shown(&source.name);
        for Skipped { what, ranges, .. } in account.skipped() {
            let note = match what {
                SkipKind::Preamble if text.lead.detects_lines => format!(
                    "{ranges} lines before line {} are no part of the table (detected; `--skip-lines 0` reads them)",
                    text.lead.skip_lines + 1
                ),
                SkipKind::Preamble => format!("the first {ranges} lines are skipped"),
                SkipKind::Comment => {
                    let begin = text.lead.comment.map_or('#', |comment| comment.begin);
                    let how = match text.lead.detects_comment {
                        true => " (detected; `--comment none` reads them)",
                        false => "",
                    };
                    format!("{ranges} lines that begin with `{begin}` are comments{how}")
                }
                SkipKind::Repeated => format!(
                    "{ranges} rows repeat the header and are skipped (`--repeated-headers kept` keeps them)"
                ),
                _ => continue,
            };
            notes.push(format!("`{name}`: {note}"));
        }
    }
    notes
}

fn on_file(text: &Text) -> Vec<String> {
    let mut notes = match &text.sheet {
        Some(sheet) => sheet.notes.clone(),
        None => encoding(text),
    };
    notes.push(match &text.sheet {
        Some(_) => header(text).to_owned(),
        None => detected(text),
    });
    if text.detected.second_header {
        notes.push(
            "the row below the header looks like a header, too, and is read as data: if it is one, leave it out"
                .to_owned(),
        );
    }
    let names = &text.names;
    if text.header == Header::Present && !names.unnamed.is_empty() {
        let numbers: Vec<String> = names.unnamed.iter().map(|n| format!("`column_{n}`")).collect();
        notes.push(format!("columns without a name are called {}", listed(&numbers)));
    }
    if !names.repeated.is_empty() {
        let repeated: Vec<String> =
            names.repeated.iter().map(|name| format!("`{}`", shown(name))).collect();
        notes.push(format!("columns with the name of another are called {}", listed(&repeated)));
    }
    if !names.cleaned.is_empty() {
        let cleaned: Vec<String> =
            names.cleaned.iter().map(|name| format!("`{}`", shown(name))).collect();
        notes.push(format!(
            "control characters were taken out of names, or they were shortened: {}",
            listed(&cleaned)
        ));
    }
    notes
}

/// Other encodings than UTF-8.
fn encoding(text: &Text) -> Vec<String> {
    let note = match (text.charset, text.proposed) {
        (Some(charset), _) if text.detected.encoding => {
            format!("encoding {} (detected; `--encoding` names another)", charset.name())
        }
        (Some(charset), _) => format!("encoding {}", charset.name()),
        (None, Some(charset)) => format!(
            "some lines are not UTF-8, and look like {name}: `--encoding {name}` reads all as that",
            name = charset.name()
        ),
        (None, None) => return Vec::new(),
    };
    vec![note]
}

fn detected(text: &Text) -> String {
    let delimiter = match text.dialect.delimiter {
        b',' => "comma".to_owned(),
        b'\t' => "tab".to_owned(),
        b';' => "semicolon".to_owned(),
        b'|' => "pipe".to_owned(),
        b' ' => "space".to_owned(),
        other => format!("`{}`", char::from(other).escape_debug()),
    };
    let how = if text.detected.delimiter { " (detected)" } else { "" };
    let quote = shown(&char::from(text.dialect.quote).to_string());
    let header = header(text);
    format!("delimiter {delimiter}{how}, quote `{quote}`, {header}")
}

const fn header(text: &Text) -> &'static str {
    match (text.header, text.detected.header) {
        (Header::Present, true) => {
            "the first record names the columns (detected; `--header absent` reads it as data)"
        }
        (Header::Absent, true) => {
            "the first record is data (detected; `--header present` reads names from it)"
        }
        (Header::Present, false) => "the first record names the columns",
        (Header::Absent, false) => "the first record is data",
    }
}

/// `NA` is text in …; `--null NA` reads it as no value, and makes `temp` a double.
fn on_null_tokens(columns: Vec<(&str, &Evidence)>) -> Vec<String> {
    let mut notes = Vec::new();
    for (index, token) in NULL_LIKE.iter().enumerate() {
        let oddity = Oddity::NullLike(index as u8);
        let holding: Vec<_> = columns.iter().filter(|(_, evidence)| evidence.has(oddity)).collect();
        if holding.is_empty() {
            continue;
        }
        let becomes: Vec<String> = holding
            .iter()
            .filter(|(_, evidence)| evidence.verdict().data_type() == DataType::String)
            .filter_map(|(name, evidence)| match evidence.plain_verdict() {
                Verdict::Typed(data_type) => Some(format!("`{}` {data_type}", shown(name))),
                _ => None,
            })
            .collect();
        let names: Vec<String> =
            holding.iter().map(|(name, _)| format!("`{}`", shown(name))).collect();
        let then = match becomes.is_empty() {
            true => String::new(),
            false => format!(", which may make {}", listed(&becomes)),
        };
        notes.push(format!(
            "`{token}` is kept as text in {}; `--null '{token}'` reads it as no value{then}",
            listed(&names)
        ));
    }
    notes
}

/// What keeps a column from a type, other than tokens for "no value".
fn on_spelling(name: &str, evidence: &Evidence) -> Option<String> {
    if evidence.verdict() != Verdict::Text {
        return None;
    }
    // Where some dates tell day from month, so do the others, most likely.
    let told = evidence.has(Oddity::DayFirst) != evidence.has(Oddity::MonthFirst);
    let oddities = SPELLINGS.iter().filter(|(oddity, _)| {
        evidence.has(*oddity) && !(told && *oddity == Oddity::DayOrMonthFirst)
    });
    let reasons: Vec<&str> = oddities.clone().map(|(_, words)| *words).collect();
    let plain = match evidence.plain_verdict() {
        Verdict::Typed(data_type) => Some(data_type),
        Verdict::Unknown => oddities.clone().find_map(|(oddity, _)| meant(*oddity)),
        Verdict::Text => None,
    }?;
    if reasons.is_empty() {
        return None;
    }
    let name = shown(name);
    let has = |oddity: Oddity| evidence.has(oddity);
    let other_dates =
        [Oddity::OtherDate, Oddity::DayFirst, Oddity::MonthFirst, Oddity::DayOrMonthFirst];
    let way_out = if other_dates.into_iter().any(has) {
        let order = match (has(Oddity::DayFirst), has(Oddity::MonthFirst)) {
            (true, false) => "`--dates dmy` reads them as dates",
            (false, true) => "`--dates mdy` reads them as dates",
            (false, false) if has(Oddity::DayOrMonthFirst) => {
                "`--dates dmy` or `--dates mdy` reads them as dates"
            }
            _ => "dates are what is written YYYY-MM-DD",
        };
        format!("; {order}")
    } else if has(Oddity::DecimalComma) {
        "; `--decimal , --thousands .` reads them as numbers".to_owned()
    } else if has(Oddity::Thousands) {
        "; `--thousands ,` reads them as numbers, or `--decimal ,` if the comma stands before a fraction"
            .to_owned()
    } else if has(Oddity::TooManyDigits) {
        format!("; `--type '{name}=double'` rounds it, a `decimal(38,…)` may hold it")
    } else {
        format!("; `--type '{name}={plain}'` reads it as that")
    };
    Some(format!("`{name}` is string because of {}{way_out}", reasons.join(" and ")))
}

/// The type that a spelling reminds of, where nothing else is known of the column.
const fn meant(oddity: Oddity) -> Option<DataType> {
    match oddity {
        Oddity::LeadingZeros | Oddity::PlusSign | Oddity::Thousands => Some(DataType::Long),
        Oddity::TooManyDigits | Oddity::NonFinite | Oddity::DecimalComma => Some(DataType::Double),
        Oddity::OtherDate | Oddity::DayFirst | Oddity::MonthFirst | Oddity::DayOrMonthFirst => {
            Some(DataType::Date)
        }
        Oddity::ShortBoolean => Some(DataType::Boolean),
        Oddity::Spaces | Oddity::NullLike(_) => None,
    }
}
