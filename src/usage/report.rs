//! Usage as people and programs ask for it.

use std::{fmt::Write, path::Path, sync::Arc};

use serde::Serialize;

use super::{Day, DayFile, Files, Line, Rejected, Totals};
use crate::{batch::TenantId, buffer::disk::RealDisk};

/// One day's usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The day, of UTC, on which the items were accepted.
    pub day: Day,
    /// Nothing of it will change any more: the day is over, and everything has left for every destination.
    pub complete: bool,
    /// One for each tenant, signal and isolation tier.
    pub rows: Vec<Line>,
}

/// What may go wrong with a report, in words for people.
pub type Trouble = std::io::Error;

/// The usage of one day, or of all that are known, read from a data directory, whether a gate runs on it or not: a
/// running one is a second or so ahead.
///
/// # Errors
/// A file cannot be read.
pub fn read(data: &Path, day: Option<Day>, tenant: Option<TenantId>) -> Result<Vec<Report>, Trouble> {
    let files = Files::new(Arc::new(RealDisk), data);
    let totals = files.current()?.map(Totals::from_file).unwrap_or_default();
    gather(&files, &totals, day, tenant)
}

/// The same with totals that are at hand.
pub(super) fn gather(
    files: &Files,
    totals: &Totals,
    day: Option<Day>,
    tenant: Option<TenantId>,
) -> Result<Vec<Report>, Trouble> {
    let days = match day {
        Some(day) => vec![day],
        None => {
            let mut days = match files.days() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                days => days?,
            };
            days.extend(totals.days.keys());
            days.sort_unstable();
            days.dedup();
            days
        }
    };
    let mut reports = Vec::with_capacity(days.len());
    for day in days {
        let mut report = match totals.days.get(&day) {
            Some(open) => Report::new(DayFile::new(day, false, open), totals.out.keys().map(String::as_str)),
            None => match files.day(day)? {
                Some(file) => Report::of_file(file),
                None => Report { day, complete: false, rows: Vec::new() },
            },
        };
        report.rows.retain(|line| tenant.is_none_or(|tenant| line.key.tenant == tenant));
        reports.push(report);
    }
    Ok(reports)
}

impl Report {
    /// A day that is not complete, with what waits for destinations.
    pub(super) fn new<'a>(file: DayFile, destinations: impl Iterator<Item = &'a str> + Clone) -> Report {
        let DayFile { day, complete, mut rows, .. } = file;
        rows.iter_mut().for_each(|line| {
            line.row.hold(destinations.clone());
            line.row.trim();
        });
        Report { day, complete, rows }
    }

    /// A day as its file has it.
    pub(super) fn of_file(file: DayFile) -> Report {
        Report::new(file, std::iter::empty())
    }

    /// One line a row, under a line of names. Sums over destinations.
    pub fn csv(&self) -> String {
        let mut text = Report::csv_head();
        self.csv_rows(&mut text);
        text
    }

    /// The line of names of [`Report::csv`].
    pub fn csv_head() -> String {
        let mut text = String::from(CSV_HEAD);
        for reason in Rejected::ALL {
            let _ = write!(text, ",rejected_{}", reason.as_str());
        }
        text.push('\n');
        text
    }

    /// The rows of [`Report::csv`] alone.
    pub fn csv_rows(&self, text: &mut String) {
        for Line { key, row } in &self.rows {
            let rejected: u64 = row.rejected_items.values().sum();
            let dropped: u64 = row.dropped_items.values().sum();
            let _ = write!(
                text,
                "{},{},{},{},{},{},{},{},{},{},{dropped},{rejected},{},{},{}",
                self.day,
                key.tenant,
                key.signal,
                key.tier.as_str(),
                row.accepted_items,
                row.bytes_in,
                row.out(|out| out.delivered_items),
                row.out(|out| out.bytes_out),
                row.out(|out| out.undeliverable_items),
                row.out(|out| out.held_items),
                row.rejected_bytes,
                row.redacted_values,
                row.series_peak,
            );
            for reason in Rejected::ALL {
                let _ = write!(text, ",{}", row.rejected_items.get(&reason).copied().unwrap_or(0));
            }
            text.push('\n');
        }
    }

    /// The rows as a table for people.
    pub fn text(&self) -> String {
        let state = if self.complete { "complete" } else { "still counted" };
        let mut text = format!("{} ({state})\n", self.day);
        let _ = writeln!(
            text,
            "{:<36}  {:<7}  {:<8}  {:>12}  {:>14}  {:>12}  {:>14}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>7}",
            "TENANT",
            "SIGNAL",
            "TIER",
            "ACCEPTED",
            "BYTES IN",
            "DELIVERED",
            "BYTES OUT",
            "HELD",
            "UNDELIV",
            "DROPPED",
            "REJECTED",
            "REDACTED",
            "SERIES"
        );
        for Line { key, row } in &self.rows {
            let _ = writeln!(
                text,
                "{:<36}  {:<7}  {:<8}  {:>12}  {:>14}  {:>12}  {:>14}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>7}",
                key.tenant.to_string(),
                key.signal.as_str(),
                key.tier.as_str(),
                row.accepted_items,
                row.bytes_in,
                row.out(|out| out.delivered_items),
                row.out(|out| out.bytes_out),
                row.out(|out| out.held_items),
                row.out(|out| out.undeliverable_items),
                row.dropped_items.values().sum::<u64>(),
                row.rejected_items.values().sum::<u64>(),
                row.redacted_values,
                row.series_peak,
            );
        }
        text
    }
}

const CSV_HEAD: &str = "day,tenant,signal,tier,accepted_items,bytes_in,delivered_items,bytes_out,\
    undeliverable_items,held_items,dropped_items,rejected_items,rejected_bytes,redacted_values,series_peak";
