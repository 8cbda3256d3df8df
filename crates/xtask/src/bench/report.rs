//! The lines a benchmark prints.

use super::{
    rounds::{Sample, Series},
    stats::Spread,
};

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn wall_s(sample: &Sample) -> f64 {
    sample.cost.wall_s
}

pub(crate) fn cpu_s(sample: &Sample) -> f64 {
    sample.cost.cpu_s
}

pub(crate) fn peak_mib(sample: &Sample) -> f64 {
    sample.cost.peak_bytes as f64 / MIB
}

pub(crate) fn table_mib(sample: &Sample) -> f64 {
    sample.left.table_bytes as f64 / MIB
}

pub(crate) fn all_mib(sample: &Sample) -> f64 {
    sample.left.all_bytes as f64 / MIB
}

/// A heading.
pub(crate) fn heading(text: &str) {
    println!("\n{text}");
}

/// One line a contender, every figure a median over the clean rounds.
pub(crate) fn table(all: &[Series]) {
    println!(
        "  {:<18} {:>8} {:>17} {:>8} {:>9} {:>10} {:>9}",
        "median", "wall s", "min-max", "cpu s", "peak MiB", "table MiB", "left MiB"
    );
    for series in all {
        let wall = series.spread(wall_s);
        println!(
            "  {:<18} {:>8.3} {:>17} {:>8.2} {:>9.0} {:>10.1} {:>9.1}",
            series.name,
            wall.median,
            format!("{:.3}-{:.3}", wall.min, wall.max),
            series.spread(cpu_s).median,
            series.spread(peak_mib).median,
            series.spread(table_mib).median,
            series.spread(all_mib).median,
        );
    }
}

/// A ratio, how far it spreads over the rounds, and what it is meant to stay under.
pub(crate) fn ratio(what: &str, ratio: Spread, bar: Option<f64>) {
    let spread = format!("[{:.3}-{:.3}]", ratio.min, ratio.max);
    println!("  {what:<44} {:>8.3} {spread:>17}{}", ratio.median, written(bar, ""));
}

/// One figure and what it is meant to stay under.
pub(crate) fn figure(what: &str, value: f64, unit: &str, bar: Option<f64>) {
    println!("  {what:<44} {value:>8.3} {unit}{}", written(bar, unit));
}

fn written(bar: Option<f64>, unit: &str) -> String {
    bar.map_or_else(String::new, |bar| format!("   bar {bar} {unit}").trim_end().to_owned())
}
