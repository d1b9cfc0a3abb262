//! What people see while the demo runs: live lines on a terminal, plain lines elsewhere.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::summary::Counts;

/// How often a plain line is written.
const PLAIN: Duration = Duration::from_secs(3);

/// Where people look.
pub struct Screen {
    /// Standard output belongs to the summary in JSON.
    json: bool,
    live: Option<Live>,
    written: Instant,
}

struct Live {
    all: MultiProgress,
    time: ProgressBar,
    lines: Vec<ProgressBar>,
}

impl Screen {
    /// Live where standard error is a terminal. With `json` nothing is written to standard output.
    pub fn new(json: bool, length: Duration) -> Self {
        let live = std::io::stderr().is_terminal().then(|| Live::new(length));
        Screen { json, live, written: Instant::now() }
    }

    /// One line that stays.
    pub fn say(&self, line: &str) {
        match &self.live {
            Some(live) => drop(live.all.println(line)),
            None => self.write(line),
        }
    }

    /// The state of things.
    pub fn show(&mut self, counts: &Counts, elapsed: Duration) {
        let lines = [
            format!(
                "came in    {:>9} items   {:>9} arrived behind the gate   {} dropped by policy",
                counts.received, counts.delivered, counts.dropped
            ),
            format!("rejected   {:>9} items   {}", counts.rejected(), listed(&counts.rejected)),
            format!("redacted   {:>9} values  {}", counts.redacted(), listed(&counts.redacted)),
            format!("found      {:>9} leaks", counts.findings),
        ];
        match &self.live {
            Some(live) => {
                live.time.set_position(elapsed.as_secs().min(live.time.length().unwrap_or(0)));
                live.lines.iter().zip(lines).for_each(|(bar, line)| bar.set_message(line));
            }
            None if self.written.elapsed() >= PLAIN => {
                self.written = Instant::now();
                self.write(&format!(
                    "{:>4}s  came in {}  arrived {}  rejected {}  redacted {}  found {}",
                    elapsed.as_secs(),
                    counts.received,
                    counts.delivered,
                    counts.rejected(),
                    counts.redacted(),
                    counts.findings
                ));
            }
            None => {}
        }
    }

    /// Takes the live lines away; what is said afterwards stands below.
    pub fn finish(&mut self) {
        if let Some(live) = self.live.take() {
            live.time.finish_and_clear();
            live.lines.iter().for_each(ProgressBar::finish);
        }
    }

    fn write(&self, line: &str) {
        // Whoever reads may be gone; the demo goes on.
        let _ = if self.json {
            writeln!(std::io::stderr(), "{line}")
        } else {
            writeln!(std::io::stdout(), "{line}")
        };
    }
}

impl Live {
    fn new(length: Duration) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let style = |template: &str| ProgressStyle::with_template(template);
        let time = all.add(ProgressBar::new(length.as_secs().max(1)));
        if let Ok(style) = style("{bar:40.cyan/blue} {pos}s of {len}s") {
            time.set_style(style);
        }
        let lines = (0..4)
            .map(|_| {
                let line = all.add(ProgressBar::new_spinner());
                if let Ok(style) = style("{spinner:.green} {wide_msg}") {
                    line.set_style(style);
                }
                line.enable_steady_tick(Duration::from_millis(200));
                line
            })
            .collect();
        Live { all, time, lines }
    }
}

/// The largest counts by name.
pub fn listed(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
