//! Progress of long work: a bar on a terminal, nothing anywhere else.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lakebed_api::Progress;

use crate::output::{Terminal, escaped, human};

/// A bar that may be invisible. Gone from the screen once dropped.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    phase: String,
}

const WITH_TOTAL: &str = "{prefix:>10} {bar:24.cyan/dim} {decimal_bytes:>10} / {decimal_total_bytes}  {decimal_bytes_per_sec}  {msg}eta {eta}";
const WITHOUT_TOTAL: &str = "{prefix:>10} {spinner} {decimal_bytes:>10}  {msg}{elapsed}";

impl Bar {
    /// A bar on stderr, when that is a terminal and people are to read it.
    pub(crate) fn new(terminal: &Terminal) -> Self {
        let visible = terminal.stderr_is_terminal && !terminal.quiet && !terminal.json;
        let target = if visible {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style(WITHOUT_TOTAL));
        Self { bar, phase: String::new() }
    }

    /// Shows the latest state.
    pub(crate) fn show(&mut self, progress: &Progress) {
        if progress.phase != self.phase {
            self.begin(progress);
        }
        self.bar.set_position(progress.bytes_done);
        if let Some(before) = progress.queued_before {
            self.bar.set_message(format!("{} before this one  ", human::count(before)));
            return;
        }
        let rate = rate(progress.rows_done, self.bar.elapsed());
        if let Some(rate) = rate {
            self.bar.set_message(format!("{} rows/s  ", human::count(rate)));
        }
    }

    fn begin(&mut self, progress: &Progress) {
        self.phase.clone_from(&progress.phase);
        self.bar.reset();
        self.bar.set_message("");
        self.bar.set_prefix(escaped(&progress.phase));
        match progress.bytes_total {
            Some(total) => {
                self.bar.set_style(style(WITH_TOTAL));
                self.bar.set_length(total);
            }
            None => {
                self.bar.unset_length();
                self.bar.set_style(style(WITHOUT_TOTAL));
            }
        }
    }

    /// Counts the bytes of a stream into this bar.
    pub(crate) fn counter(&self) -> Counter {
        Counter(self.bar.clone())
    }

    /// Begins work of `total` bytes that a [`Counter`] counts.
    pub(crate) fn start(&mut self, phase: &str, total: u64) {
        self.begin(&Progress {
            phase: phase.to_owned(),
            bytes_total: Some(total),
            ..Progress::default()
        });
    }
}

/// A part of a bar that can travel with a stream.
#[derive(Debug, Clone)]
pub(crate) struct Counter(ProgressBar);

impl Counter {
    pub(crate) fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// The same stream; its bytes move the bar.
    pub(crate) fn count<E>(
        self,
        stream: impl Stream<Item = Result<Bytes, E>>,
    ) -> impl Stream<Item = Result<Bytes, E>> {
        stream.inspect_ok(move |bytes| self.0.inc(bytes.len() as u64))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━─")
}

/// Rows a second; none before there is something to say.
fn rate(rows: u64, elapsed: Duration) -> Option<u64> {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    if rows == 0 || milliseconds == 0 {
        return None;
    }
    Some(rows.saturating_mul(1000) / milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for template in [WITH_TOTAL, WITHOUT_TOTAL] {
            ProgressStyle::with_template(template).expect(template);
        }
    }

    #[test]
    fn a_rate_needs_rows_and_time() {
        assert_eq!(rate(0, Duration::from_secs(1)), None);
        assert_eq!(rate(10, Duration::ZERO), None);
        assert_eq!(rate(500, Duration::from_millis(250)), Some(2000));
    }
}
