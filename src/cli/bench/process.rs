//! What a process has used, as Linux tells.

use std::fs;

/// Clock ticks of a second in `/proc/<pid>/stat`: the same on every Linux.
const TICKS: f64 = 100.0;

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// User and system time so far, in seconds.
    pub cpu_seconds: f64,
    /// The most memory that it ever held, in bytes.
    pub peak_rss_bytes: u64,
}

impl Usage {
    /// Reads them.
    ///
    /// # Errors
    /// There is no such process, or this is not Linux.
    pub fn of(pid: u32) -> Result<Usage, String> {
        let read = |name: &str| {
            let file = format!("/proc/{pid}/{name}");
            fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))
        };
        parse(&read("stat")?, &read("status")?).ok_or_else(|| format!("/proc/{pid}: not as expected"))
    }
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The name, in brackets, may hold anything; utime and stime are the 12th and 13th field behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.split_whitespace().next()?.parse().ok()?;
    Some(Usage { cpu_seconds: (user + system) / TICKS, peak_rss_bytes: kibibytes * 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a process with a space and a bracket in its name. Guarantee: its times and its memory are read.
    #[test]
    fn times_and_memory_are_read() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 99 1 2";
        let status = "Name:\ta\nVmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 5 kB\n";
        assert_eq!(parse(stat, status), Some(Usage { cpu_seconds: 3.0, peak_rss_bytes: 2 << 20 }));
        assert_eq!(parse("42", status), None);
    }
}
