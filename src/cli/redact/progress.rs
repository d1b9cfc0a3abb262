//! How far `redact` is: one line on a terminal, written over and over, and gone at the end.

use std::{
    io::Write,
    time::{Duration, Instant},
};

/// Between two lines.
const EVERY: Duration = Duration::from_millis(500);

/// The line.
pub(super) struct Progress<W: Write> {
    /// Nothing where nobody looks.
    terminal: Option<W>,
    /// How many bytes there are to read, if that is known.
    total: Option<u64>,
    next: Instant,
    shown: bool,
}

impl<W: Write> Progress<W> {
    pub fn new(terminal: Option<W>, total: Option<u64>, now: Instant) -> Self {
        Progress { terminal, total, next: now + EVERY, shown: false }
    }

    /// Whether it is time for another line.
    pub fn is_due(&self) -> bool {
        self.terminal.is_some() && Instant::now() >= self.next
    }

    /// Writes the line over the one before. That it can't be written is no reason to stop.
    pub fn show(&mut self, lines: u64, bytes: u64, found: u64) {
        if let Some(terminal) = &mut self.terminal {
            let text = line(lines, bytes, self.total, found);
            let _ = write!(terminal, "\r{text}\x1b[K").and_then(|()| terminal.flush());
            self.shown = true;
            self.next = Instant::now() + EVERY;
        }
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        if let Some(terminal) = self.terminal.as_mut().filter(|_| self.shown) {
            let _ = write!(terminal, "\r\x1b[K").and_then(|()| terminal.flush());
        }
    }
}

fn line(lines: u64, bytes: u64, total: Option<u64>, found: u64) -> String {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let of = total.map(|total| format!(" of {:.1}", mb(total))).unwrap_or_default();
    format!("{}, {:.1}{of} MB read, {} found", count(lines, "line"), mb(bytes), count(found, "value"))
}

/// A number of things: `1 line`, `2 lines`.
pub(super) fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: progress with and without a known end. Guarantee: one line, written over, gone at the end;
    /// nothing at all if nobody looks, or if it is over at once.
    #[test]
    fn one_line_is_written_over() {
        let mut out = Vec::new();
        let mut progress = Progress::new(Some(&mut out), Some(4_000_000), Instant::now() - EVERY);
        assert!(progress.is_due());
        progress.show(1, 1_500_000, 2);
        assert!(!progress.is_due());
        drop(progress);
        let expected = "\r1 line, 1.5 of 4.0 MB read, 2 values found\x1b[K\r\x1b[K";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(line(2, 120_000, None, 1), "2 lines, 0.1 MB read, 1 value found");
        let mut quiet = Vec::new();
        drop(Progress::new(Some(&mut quiet), None, Instant::now()));
        assert!(quiet.is_empty() && !Progress::<Vec<u8>>::new(None, None, Instant::now() - EVERY).is_due());
    }
}
