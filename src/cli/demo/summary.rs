//! The end of the demo: does it add up?

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde_json::{Value, json};

use super::{
    company,
    receiver::Arrived,
    sample::{Sample, Shown},
    scrape::Scrape,
    screen::listed,
};
use crate::batch::Signal;

/// What the gate's counters and the receiving end say at one moment.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Items that the gate read.
    pub received: u64,
    /// Items of the company on the receiving end.
    pub delivered: u64,
    /// Items rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Items that a transform dropped.
    pub dropped: u64,
    /// Values taken out, by type.
    pub redacted: BTreeMap<String, u64>,
    /// Findings told.
    pub findings: usize,
}

impl Counts {
    /// The counts of a scrape and of what has arrived.
    pub fn new(scrape: &Scrape, arrived: &Arrived, findings: usize) -> Self {
        Counts {
            received: scrape.sum("portcullis_received_items_total"),
            delivered: arrived.total(),
            rejected: scrape.by("portcullis_rejected_items_total", "reason"),
            dropped: scrape.sum("portcullis_dropped_items_total"),
            redacted: scrape.by("portcullis_redacted_values_total", "type"),
            findings,
        }
    }

    /// Items rejected.
    pub fn rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Values taken out.
    pub fn redacted(&self) -> u64 {
        self.redacted.values().sum()
    }

    /// Whether every item that came in is accounted for.
    pub fn add_up(&self) -> bool {
        self.received > 0 && self.received == self.delivered + self.rejected() + self.dropped
    }
}

/// All that the demo found out.
pub struct Summary {
    /// The last counts.
    pub counts: Counts,
    /// What arrived.
    pub arrived: Arrived,
    /// Log records and spans that the SDKs were given.
    pub sent: u64,
    /// Findings, as in the findings file.
    pub findings: Vec<Value>,
    /// Classes of leaks that were injected.
    pub injected: BTreeSet<String>,
    /// Whether the gate stopped with all that it had acknowledged safe.
    pub stopped: bool,
    /// The samples as they were sent.
    pub samples: Vec<Sample>,
}

impl Summary {
    /// Injected leaks that were not found.
    pub fn missed(&self) -> Vec<&str> {
        let found: BTreeSet<&str> = self.findings.iter().filter_map(|f| f["class"].as_str()).collect();
        self.injected.iter().map(String::as_str).filter(|class| !found.contains(class)).collect()
    }

    /// What is wrong; empty if nothing is.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let counts = &self.counts;
        if !counts.add_up() {
            wrong.push(format!(
                "it does not add up: {} received, {} delivered + {} rejected + {} dropped by policy",
                counts.received,
                counts.delivered,
                counts.rejected(),
                counts.dropped
            ));
        }
        if !self.arrived.planted.is_empty() {
            let places: Vec<&str> = self.arrived.planted_where.iter().map(String::as_str).collect();
            wrong.push(format!("planted values got through: {}", places.join(", ")));
        }
        if self.arrived.unreadable > 0 {
            wrong.push(format!("{} requests could not be read", self.arrived.unreadable));
        }
        let missed = self.missed();
        if !missed.is_empty() {
            wrong.push(format!("leaks were not found: {}", missed.join(", ")));
        }
        if !self.stopped {
            wrong.push("the gate did not stop in time".into());
        }
        wrong
    }

    /// One JSON object.
    pub fn json(&self) -> Value {
        let part = |finding: &Value| {
            json!({
                "class": finding["class"], "severity": finding["severity"],
                "tenant_id": finding["tenant_id"], "other_tenant_id": finding["other_tenant_id"],
            })
        };
        let signal = |signal: Signal| (signal.as_str().to_owned(), json!(self.arrived.of(signal)));
        json!({
            "received": self.counts.received,
            "delivered": self.counts.delivered,
            "rejected": self.counts.rejected(),
            "dropped_by_policy": self.counts.dropped,
            "redacted": self.counts.redacted(),
            "findings": self.findings.iter().map(part).collect::<Vec<_>>(),
            "planted_values_delivered": self.arrived.planted.len(),
            "adds_up": self.counts.add_up(),
            "delivered_by_signal": Value::Object(Signal::ALL.into_iter().map(signal).collect()),
            "rejected_by_reason": self.counts.rejected,
            "redacted_by_type": self.counts.redacted,
            "finding_records_delivered": self.arrived.findings,
            "log_records_and_spans_sent": self.sent,
            "missed": self.missed(),
            "wrong": self.wrong(),
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let counts = &self.counts;
        writeln!(text, "\nThree records, before and after")?;
        for sample in &self.samples {
            writeln!(text, "\n  {}", sample.title)?;
            match self.arrived.samples.get(&sample.number) {
                Some(after) => compare(text, &sample.before(), after)?,
                None => writeln!(text, "    did not arrive")?,
            }
        }
        writeln!(text, "\nItems (log records, spans, data points)")?;
        writeln!(text, "  {:>9}  came in", counts.received)?;
        let by_signal: Vec<String> =
            Signal::ALL.iter().map(|signal| format!("{signal} {}", self.arrived.of(*signal))).collect();
        writeln!(text, "  {:>9}  delivered           {}", counts.delivered, by_signal.join(", "))?;
        writeln!(text, "  {:>9}  rejected            {}", counts.rejected(), listed(&counts.rejected))?;
        writeln!(text, "  {:>9}  dropped by policy   health checks", counts.dropped)?;
        writeln!(text, "  {:>9}  values redacted     {}", counts.redacted(), listed(&counts.redacted))?;
        writeln!(text, "  {:>9}  planted values delivered", self.arrived.planted.len())?;
        writeln!(text, "\nFindings ({} log records of them were delivered too)", self.arrived.findings)?;
        for finding in &self.findings {
            writeln!(text, "  {}", finding_line(finding))?;
        }
        let wrong = self.wrong();
        if wrong.is_empty() {
            writeln!(text, "\nIt adds up; nothing planted got through; every injected leak was found.")
        } else {
            wrong.iter().try_for_each(|wrong| writeln!(text, "\nWRONG: {wrong}"))
        }
    }
}

/// A finding in one line.
pub fn finding_line(finding: &Value) -> String {
    let tenant = |key: &str| {
        let id = finding[key].as_str()?;
        Some(company::slug(id).map_or_else(|| id.to_owned(), str::to_owned))
    };
    let other = tenant("other_tenant_id").map_or_else(String::new, |other| format!(" / {other}"));
    let text = |key: &str| finding[key].as_str().unwrap_or("-");
    format!(
        "{:<8} {:<24} {}{other}",
        text("severity"),
        text("class"),
        tenant("tenant_id").unwrap_or_default()
    )
}

fn compare(text: &mut String, before: &Shown, after: &Shown) -> std::fmt::Result {
    for (name, value) in &before.0 {
        match after.get(name) {
            Some(same) if same == value => writeln!(text, "      {name}: {value}")?,
            Some(other) => writeln!(text, "    - {name}: {value}\n    + {name}: {other}")?,
            None => writeln!(text, "    - {name}: {value}")?,
        }
    }
    let added = after.0.iter().filter(|(name, _)| before.get(name).is_none());
    added.into_iter().try_for_each(|(name, value)| writeln!(text, "    + {name}: {value}"))
}
