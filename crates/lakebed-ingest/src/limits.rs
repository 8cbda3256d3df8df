//! When too much of the sources would be quarantined.

use std::{collections::BTreeMap, sync::Arc};

use lakebed_core::{DecodeOptions, ReasonCode, Severity};

use crate::{
    DEFAULT_MAX_QUARANTINED, FREE_QUARANTINED_ROWS, Refusal, Request, RowCheck,
    account::Account,
    cell::spelling,
    checks,
    layout::{Format, Layout, Settled, Source, listed},
    refusal::shown,
    rows::ColumnCounts,
};

/// Refuses limits that are no part of a whole.
pub(crate) fn check_option(options: &DecodeOptions) -> Result<(), Refusal> {
    spelling::check(options.spelling)?;
    match options.max_quarantined {
        Some(limit) if !(0.0..=1.0).contains(&limit) => Err(Refusal::new(
            Refusal::BAD_OPTION,
            "the limit of quarantined rows is not between 0 and 1",
        )
        .hint("0.05 allows one row in twenty")),
        _ => Ok(()),
    }
}

/// Refuses sources without rows, columns without a readable value, and too many bad rows.
pub(crate) fn check(
    layout: &Layout,
    settled: &Settled,
    accounts: &[Account],
    request: Request<'_>,
    rules: Option<&Arc<dyn RowCheck>>,
) -> Result<(), Refusal> {
    let options = request.options;
    let accepted: u64 = accounts.iter().map(|account| account.accepted.rows).sum();
    let bad: u64 = accounts.iter().map(|account| account.quarantined.rows).sum();
    if accepted + bad == 0 {
        return match request.may_be_empty {
            false => Err(no_rows(layout)),
            true if has_types(layout) => Ok(()),
            true => Err(no_types(layout)),
        };
    }
    check_columns(layout, settled, accounts)?;
    check_rules(layout, accounts, rules)?;
    let all = accepted + bad;
    let part = |limit: f64| (limit * all as f64).floor() as u64;
    let allowed = match (options.max_quarantined, options.max_quarantined_rows) {
        (Some(limit), Some(rows)) => part(limit).min(rows),
        (Some(limit), None) => part(limit),
        (None, Some(rows)) => rows,
        (None, None) => part(DEFAULT_MAX_QUARANTINED).max(FREE_QUARANTINED_ROWS),
    };
    if accepted > 0 && bad <= allowed {
        return Ok(());
    }
    let why = why(layout, accounts);
    let (code, message) = match accepted {
        0 => (Refusal::ALL_QUARANTINED, format!("all {bad} rows would be quarantined: {why}")),
        _ => {
            let share = options.max_quarantined.unwrap_or(DEFAULT_MAX_QUARANTINED);
            let limit = match options.max_quarantined_rows {
                Some(rows) if rows == allowed => format!("{rows} rows"),
                _ => format!("{} %", share * 100.0),
            };
            let message =
                format!("{bad} of {all} rows would be quarantined, the limit is {limit}: {why}");
            (Refusal::TOO_MANY_QUARANTINED, message)
        }
    };
    Err(Refusal::new(code, message).hint(hint(accounts)))
}

fn no_rows(layout: &Layout) -> Refusal {
    let name = shown(&layout.sources[0].name);
    let is_parquet = layout.sources.iter().all(is_parquet);
    let (below_one, below_many, hint) = match is_parquet {
        true => {
            ("", "", "an empty table is for products and programs to make: is this the right file?")
        }
        false => (
            " below its header",
            " below their headers",
            "if the first line is data, say that there is no header (`--header absent`)",
        ),
    };
    let message = match layout.sources.len() {
        1 => format!("`{name}` has no rows{below_one}"),
        count => format!("`{name}` and {} more have no rows{below_many}", count - 1),
    };
    Refusal::new(Refusal::NO_ROWS, message).hint(hint)
}

/// Whether rows are not needed to know the types of all columns.
fn has_types(layout: &Layout) -> bool {
    layout.sources.iter().all(is_parquet)
        || layout.columns.iter().all(|column| column.known.is_some())
}

fn no_types(layout: &Layout) -> Refusal {
    let message = format!(
        "`{}` has no rows, and nothing says of which types its columns are",
        shown(&layout.sources[0].name)
    );
    Refusal::new(Refusal::NO_ROWS, message)
        .hint("write Parquet, which has types without rows, or declare a contract")
}

const fn is_parquet(source: &Source) -> bool {
    matches!(source.format, Format::Parquet)
}

/// A column of which no value could be read is a wrong type or a wrong file, not bad rows.
fn check_columns(layout: &Layout, settled: &Settled, accounts: &[Account]) -> Result<(), Refusal> {
    let mut sums = vec![ColumnCounts::default(); layout.columns.len()];
    for (source, account) in layout.sources.iter().zip(accounts) {
        for (column, counts) in source.columns.iter().zip(&account.columns) {
            sums[*column].add(*counts);
        }
    }
    for ((column, settled), sum) in layout.columns.iter().zip(&settled.columns).zip(&sums) {
        if sum.values > 0 && sum.failed == sum.values {
            let (name, data_type) = (shown(&column.name), &settled.data_type);
            let message = format!(
                "none of the {} values of column `{name}` is of its type, {data_type}",
                sum.values
            );
            return Err(Refusal::new(Refusal::ALL_QUARANTINED, message).hint(format!(
                "if they are text, ingest into a dataset of its own or declare `--type {name}=string`; \
                 tokens for missing values can be named (`--null NA`)"
            )));
        }
    }
    Ok(())
}

/// A critical rule that a row breaks refuses all of them.
fn check_rules(
    layout: &Layout,
    accounts: &[Account],
    rules: Option<&Arc<dyn RowCheck>>,
) -> Result<(), Refusal> {
    let Some(check) = rules else { return Ok(()) };
    let broken = checks::broken_rules(layout, accounts, rules);
    for (rule, broken) in check.rules().iter().zip(broken) {
        if rule.severity == Severity::Critical && broken.rows > 0 {
            let first = broken.first.map_or_else(String::new, |(source, line)| {
                format!(", the first on line {line} of `{}`", shown(&source))
            });
            let message = format!(
                "a critical rule is broken: `{}` ({}) by {} rows{first}",
                shown(&rule.rule),
                rule.code.as_str(),
                broken.rows
            );
            return Err(Refusal::new(Refusal::CRITICAL_RULE, message)
                .hint("repair the source, or make the rule an error to quarantine such rows"));
        }
    }
    Ok(())
}

fn reasons(accounts: &[Account]) -> BTreeMap<ReasonCode, u64> {
    let mut sums = BTreeMap::new();
    for (code, count) in accounts.iter().flat_map(|account| &account.reasons) {
        *sums.entry(*code).or_default() += count;
    }
    sums
}

/// `type-error 4, missing-cell 1; the first on line 17 of `a.csv``.
fn why(layout: &Layout, accounts: &[Account]) -> String {
    let counted = |(code, count): (ReasonCode, u64)| format!("{} {count}", code.as_str());
    let counts: Vec<String> = reasons(accounts).into_iter().map(counted).collect();
    let sources = layout.sources.iter().zip(accounts).enumerate();
    let first = sources.into_iter().find_map(|(index, (source, account))| {
        let line = layout.place(index, account.first_bad_line?);
        Some(format!("; the first on line {line} of `{}`", shown(&source.name)))
    });
    format!("{}{}", counts.join(", "), first.unwrap_or_default()) + &worst_columns(layout, accounts)
}

fn worst_columns(layout: &Layout, accounts: &[Account]) -> String {
    let mut failed: BTreeMap<&str, u64> = BTreeMap::new();
    for (source, account) in layout.sources.iter().zip(accounts) {
        for (column, counts) in source.columns.iter().zip(&account.columns) {
            *failed.entry(&layout.columns[*column].name).or_default() += counts.failed;
        }
    }
    let named = failed.into_iter().filter(|(_, count)| *count > 0);
    let named: Vec<String> =
        named.map(|(name, count)| format!("`{}` {count}", shown(name))).collect();
    if named.is_empty() { String::new() } else { format!("; by column: {}", listed(&named)) }
}

fn hint(accounts: &[Account]) -> &'static str {
    let most = reasons(accounts).into_iter().max_by_key(|(_, count)| *count);
    match most.map(|(code, _)| code) {
        Some(ReasonCode::ExtraCell | ReasonCode::MissingCell) => {
            "check the delimiter with `--plan`, or allow more with `--max-quarantined`"
        }
        Some(ReasonCode::EncodingError) => {
            "name the encoding (`--encoding windows-1252`), or allow more with `--max-quarantined`"
        }
        Some(ReasonCode::SourceError | ReasonCode::UnclosedQuote) => {
            "check the quote character, or allow more with `--max-quarantined`"
        }
        _ => {
            "check types with `--plan`, name missing values (`--null NA`), or allow more with `--max-quarantined`"
        }
    }
}
