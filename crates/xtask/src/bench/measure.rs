//! What one whole process costs: wall time, processor time, peak memory.
//!
//! The kernel reports the memory of *all* children a process has waited for as one maximum. So each
//! command is run by a small process of ours that runs nothing else, and reports on it.

use std::{
    env,
    ffi::OsString,
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::resource::{UsageWho, getrusage},
    unistd::{SysconfVar, sync, sysconf},
};
use serde::{Deserialize, Serialize};

/// The hidden command that runs another one: `measured-run LOG PROGRAM ARGUMENTS`.
pub(crate) const COMMAND: &str = "measured-run";

/// What a process and all the children it waited for used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall_s: f64,
    /// User and system time.
    pub(crate) cpu_s: f64,
    /// The most memory one process held (resident).
    pub(crate) peak_bytes: u64,
    /// Cores the rest of the machine kept busy meanwhile, on average.
    #[serde(default)]
    pub(crate) others_cores: f64,
}

/// Runs `command` to its end; its output goes to `log`. Nothing waits to be written to disk then.
///
/// # Errors
/// When it cannot be started, or fails: the log's end is part of the message.
pub(crate) fn measure(command: &[OsString], log: &Path) -> Result<Cost> {
    sync();
    let busy_before = busy_seconds()?;
    let mut runner = Command::new(env::current_exe().context("cannot find this program")?);
    runner.arg(COMMAND).arg(log).args(command).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = runner.output().context("cannot run the measuring process")?;
    let busy = busy_seconds()? - busy_before;
    if !output.status.success() {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let last: Vec<&str> = lines.into_iter().rev().collect();
        bail!("{} failed:\n{}", Path::new(&command[0]).display(), last.join("\n"));
    }
    let cost: Cost = serde_json::from_slice(&output.stdout).context("no measurement came back")?;
    let others_cores = ((busy - cost.cpu_s) / cost.wall_s).max(0.0);
    Ok(Cost { others_cores, ..cost })
}

/// The measuring process: `LOG PROGRAM ARGUMENTS`; prints a [`Cost`].
pub(crate) fn run_measured(arguments: &[OsString]) -> Result<()> {
    let [log, program, arguments @ ..] = arguments else { bail!("nothing to measure") };
    let log = File::create(log).context("cannot write the log")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    for (name, _) in env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    let start = Instant::now();
    let status =
        command.status().with_context(|| format!("cannot start `{}`", program.display()))?;
    let wall_s = start.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{status}");
    }
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).context("the kernel keeps no accounts")?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1_000_000.0;
    let cpu_s = seconds(used.user_time()) + seconds(used.system_time());
    let peak_bytes = u64::try_from(used.max_rss()).unwrap_or_default() * 1024;
    let cost = Cost { wall_s, cpu_s, peak_bytes, others_cores: 0.0 };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

/// What processes that stay cost while they are asked.
pub(crate) struct Watch<'a> {
    pids: &'a [u32],
    started: Instant,
    busy_s: f64,
    used_s: Vec<f64>,
}

/// See [`Watch`].
pub(crate) struct Watched {
    /// User and system time of each, in the order given.
    pub(crate) cpu_s: Vec<f64>,
    /// Cores that neither they nor we kept busy.
    pub(crate) others_cores: f64,
}

impl<'a> Watch<'a> {
    pub(crate) fn start(pids: &'a [u32]) -> Result<Self> {
        let used_s = Self::used(pids)?;
        Ok(Self { pids, started: Instant::now(), busy_s: busy_seconds()?, used_s })
    }

    pub(crate) fn end(self) -> Result<Watched> {
        let wall_s = self.started.elapsed().as_secs_f64();
        let busy_s = busy_seconds()? - self.busy_s;
        let used = Self::used(self.pids)?;
        let mut cpu_s: Vec<f64> =
            used.iter().zip(&self.used_s).map(|(after, before)| after - before).collect();
        let others_cores = ((busy_s - cpu_s.iter().sum::<f64>()) / wall_s).max(0.0);
        cpu_s.truncate(self.pids.len());
        Ok(Watched { cpu_s, others_cores })
    }

    /// What they used so far, and what we did.
    fn used(pids: &[u32]) -> Result<Vec<f64>> {
        let us = std::process::id();
        pids.iter().chain([&us]).map(|pid| used_seconds(*pid)).collect()
    }
}

/// From now on the peak of a process is what it holds from now on.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("cannot forget a peak")
}

/// The most memory a process held (resident) since its start, or since that was forgotten.
pub(crate) fn peak_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("no process")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("the kernel keeps no peak")? * 1024)
}

/// User and system time of a process so far.
fn used_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("no process")?;
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(used_ticks(&stat).context("the kernel keeps no accounts")? as f64 / ticks_per_second as f64)
}

/// The line is `pid (name) state …`, and the 14th and 15th words are ticks; a name may hold anything.
fn used_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut words = after_name.split_whitespace().skip(11);
    Some(words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?)
}

/// Settings of the caller's that would change what is measured.
fn is_setting(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("LAKEBED_") || name == "RUST_LOG"
}

/// Processor seconds the whole machine has spent working since it started.
fn busy_seconds() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/stat").context("benchmarks need Linux's /proc")?;
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(busy_ticks(&text) as f64 / ticks_per_second as f64)
}

/// The first line is `cpu user nice system idle iowait irq softirq steal …`, in ticks.
fn busy_ticks(stat: &str) -> u64 {
    const IDLE: [usize; 2] = [3, 4];
    let first = stat.lines().next().unwrap_or_default();
    let numbers = first.split_whitespace().skip(1).take(8).map(|word| word.parse().unwrap_or(0));
    numbers
        .enumerate()
        .filter(|(index, _)| !IDLE.contains(index))
        .map(|(_, ticks)| ticks)
        .sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_does_not_shift_the_words() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 30 12 99 99 0 0";
        assert_eq!(used_ticks(stat), Some(42));
    }

    #[test]
    fn idle_time_is_not_busy() {
        let stat = "cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 1 2 4 1000 2000 8 16 32 64 128\n";
        assert_eq!(busy_ticks(stat), 1 + 2 + 4 + 8 + 16 + 32);
    }
}
