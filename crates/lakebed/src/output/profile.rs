//! Profiles as people read them: a line a column with a small histogram, or one column in full.

use lakebed_api::{ColumnProfile, DistinctCount, Distribution, FrequentValue, ProfileAnswer};
use serde_json::Value;

use super::{Cell, Table, escaped, human, style};

/// From nothing to the most.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of a bar in a column's details.
const BAR: usize = 30;
/// Texts of details are cut here.
const LONGEST: usize = 48;

/// A line a column.
pub(crate) fn overview(profile: &ProfileAnswer) -> Table {
    let titles = ["column", "type", ">nulls", ">distinct", ">min", ">median", ">max", "values"];
    let mut table = Table::new(titles);
    for column in &profile.columns {
        let median = column.distribution.as_ref().and_then(median);
        table.push([
            Cell::styled(&column.name, style::BOLD),
            column.data_type.to_string().into(),
            part(column.null_count, profile.row_count).into(),
            column.distinct.map(distinct).unwrap_or_default().into(),
            column.min.as_ref().map(value).unwrap_or_default().into(),
            median.map(value).unwrap_or_default().into(),
            column.max.as_ref().map(value).unwrap_or_default().into(),
            Cell::styled(values(column, profile.row_count), style::HINT),
        ]);
    }
    table
}

/// A histogram where there is one; else the values that come most often.
fn values(column: &ColumnProfile, row_count: u64) -> String {
    let few = column.unlisted_at_most == 0 && column.frequent.len() <= 3;
    match &column.distribution {
        Some(distribution) if !few => histogram(&distribution.histogram),
        _ => {
            let listed = column.frequent.iter().take(3);
            let listed: Vec<String> = listed
                .map(|listed| {
                    format!("{} {}", quoted(&listed.value), percent(listed.count, row_count))
                })
                .collect();
            listed.join("  ")
        }
    }
}

/// Everything about one column.
pub(crate) fn details(column: &ColumnProfile, row_count: u64) -> String {
    let (bold, dim) = (style::BOLD, style::DIM);
    let mut text = format!("{bold}{}{bold:#}\n", escaped(&column.name));
    let mut fact = |name: &str, value: String| {
        text.push_str(&format!("  {dim}{name:<12}{dim:#} {}\n", escaped(&value)));
    };
    fact("type", column.data_type.to_string());
    fact("nulls", with_part(column.null_count, row_count));
    if let Some(nans) = column.nan_count {
        fact("NaN", with_part(nans, row_count));
    }
    if let Some(count) = column.distinct {
        fact("distinct", distinct(count));
    }
    for (name, extreme) in [("min", &column.min), ("max", &column.max)] {
        if let Some(extreme) = extreme {
            fact(name, quoted(extreme));
        }
    }
    if let Some(distribution) = &column.distribution {
        figures(distribution, "", &mut fact);
    }
    if let Some(lengths) = &column.lengths {
        figures(lengths, "length", &mut fact);
    }
    if !column.frequent.is_empty() {
        text.push_str(&format!("\n  {dim}most frequent{dim:#}\n"));
        text.push_str(&bars(column, row_count));
    }
    text
}

fn figures(distribution: &Distribution, what: &str, fact: &mut impl FnMut(&str, String)) {
    let named = |name: &str| match what {
        "" => name.to_owned(),
        what => format!("{what} {name}"),
    };
    if !what.is_empty() {
        if distribution.min == distribution.max {
            return fact(what, value(&distribution.min));
        }
        let range = format!("{} to {}", value(&distribution.min), value(&distribution.max));
        fact(what, range);
    }
    fact(&named("mean"), value(&distribution.mean));
    let shown = |quantile: &lakebed_api::Quantile| {
        let percent = (quantile.q * 100.0).round();
        format!("{percent} % {}", value(&quantile.value))
    };
    let quantiles: Vec<String> = distribution.quantiles.iter().map(shown).collect();
    fact(if what.is_empty() { "quantiles" } else { "" }, quantiles.join("  "));
    fact("", histogram(&distribution.histogram));
}

/// The most frequent values, a bar each, and what is not listed.
fn bars(column: &ColumnProfile, row_count: u64) -> String {
    const SHOWN: usize = 10;
    let (hint, dim) = (style::HINT, style::DIM);
    let shown = &column.frequent[..column.frequent.len().min(SHOWN)];
    let most = shown.iter().map(|listed| listed.count).max().unwrap_or_default().max(1);
    let labels: Vec<String> = shown.iter().map(|listed| escaped(&quoted(&listed.value))).collect();
    let width = labels.iter().map(|label| unicode_width::UnicodeWidthStr::width(&**label)).max();
    let mut text = String::new();
    for (FrequentValue { count, missed_at_most, .. }, label) in shown.iter().zip(&labels) {
        let blanks = width.unwrap_or_default() - unicode_width::UnicodeWidthStr::width(&**label);
        let bar = "█".repeat((*count as usize * BAR).div_ceil(most as usize).min(BAR));
        let more = missed_at_most.map(|more| format!(" to {}", human::count(count + more)));
        text.push_str(&format!(
            "  {label}{}  {hint}{bar:<BAR$}{hint:#} {}{} {dim}{}{dim:#}\n",
            " ".repeat(blanks),
            human::count(*count),
            more.unwrap_or_default(),
            percent(*count, row_count),
        ));
    }
    let hidden = column.frequent.len() - shown.len();
    if hidden > 0 || column.unlisted_at_most > 0 {
        let most = column
            .frequent
            .get(SHOWN)
            .map_or(0, |next| next.count + next.missed_at_most.unwrap_or_default());
        let most = most.max(column.unlisted_at_most);
        text.push_str(&format!(
            "  {dim}any other value comes at most {}{dim:#}\n",
            human::counted(most, "time")
        ));
    }
    text
}

/// Counts as blocks of eight heights; nothing is a blank, and anything is more than nothing.
pub(crate) fn histogram(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or_default();
    let step = |count: &u64| match count {
        0 => ' ',
        count => {
            let height = u128::from(*count) * (STEPS.len() as u128 - 1);
            STEPS[height.div_ceil(u128::from(most)) as usize]
        }
    };
    counts.iter().map(step).collect()
}

pub(crate) fn median(distribution: &Distribution) -> Option<&Value> {
    let middle = |quantile: &&lakebed_api::Quantile| (quantile.q - 0.5).abs() < 1e-9;
    distribution.quantiles.iter().find(middle).map(|quantile| &quantile.value)
}

pub(crate) fn distinct(distinct: DistinctCount) -> String {
    let about = if distinct.is_exact { "" } else { "~" };
    format!("{about}{}", human::count(distinct.count))
}

/// A value as it is, numbers with as many digits as people read.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => shortened(text),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => few_digits(float),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// The same, with quotes around the empty text and what could be taken for another type.
fn quoted(shown: &Value) -> String {
    match shown {
        Value::String(text) if text.is_empty() || text.trim() != text => format!("{text:?}"),
        other => value(other),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn few_digits(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude >= 1e15 || (magnitude > 0.0 && magnitude < 1e-4) {
        return format!("{number:.3e}");
    }
    let decimals = match magnitude {
        _ if magnitude >= 1000.0 => 1,
        _ if magnitude >= 10.0 => 2,
        _ => 4,
    };
    let text = format!("{number:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A part of all rows: nothing where there is nothing.
fn part(count: u64, row_count: u64) -> String {
    match count {
        0 => "0".to_owned(),
        _ => percent(count, row_count),
    }
}

fn with_part(count: u64, row_count: u64) -> String {
    match count {
        0 => "0".to_owned(),
        _ => format!("{} ({})", human::count(count), percent(count, row_count)),
    }
}

/// Neither 0 % nor 100 % where it is a little more or less.
pub(crate) fn percent(count: u64, all: u64) -> String {
    if count == all {
        return "100 %".to_owned();
    }
    let percent = count as f64 / all.max(1) as f64 * 100.0;
    match percent {
        _ if count == 0 => "0 %".to_owned(),
        percent if percent < 0.1 => "<0.1 %".to_owned(),
        percent if percent > 99.9 => ">99.9 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_is_higher_than_nothing() {
        assert_eq!(histogram(&[0, 1, 50, 100, 0]), " ▂▅█ ");
        assert_eq!(histogram(&[7]), "█");
        assert_eq!(histogram(&[u64::MAX, 1]), "█▂");
        assert_eq!(histogram(&[]), "");
    }

    #[test]
    fn parts_are_never_rounded_to_nothing_or_all() {
        let shown = [(0, 10), (10, 10), (1, 3), (1, 100), (1, 100_000), (99_999, 100_000)];
        let shown = shown.map(|(count, all)| percent(count, all));
        assert_eq!(shown, ["0 %", "100 %", "33 %", "1.0 %", "<0.1 %", ">99.9 %"]);
    }

    #[test]
    fn numbers_have_the_digits_that_people_read() {
        let shown = [1.0 / 3.0, 1234.567, 55.456, 1e20, 1e-7, -2.5, 0.0].map(few_digits);
        assert_eq!(shown, ["0.3333", "1234.6", "55.46", "1.000e20", "1.000e-7", "-2.5", "0"]);
    }
}
