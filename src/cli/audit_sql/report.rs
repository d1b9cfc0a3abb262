//! What an audit found: a bounded number of statements, and how often each came.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    ByKey, Rls,
    approvals::{Approval, Approvals, Standing},
    inputs::{Entry, Tally},
};
use crate::{
    detect::sql::{Judge, Missing, Schema, Scope, Statement},
    limits,
    usage::Day,
};

/// A statement that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub statement: Arc<Statement>,
    pub count: u64,
    /// Number of the file, and the line; 0 where there are none.
    pub file: usize,
    pub line: u64,
    pub user: String,
    pub application: String,
}

impl Found {
    pub fn missing(&self) -> &[Missing] {
        match &self.statement.scope {
            Scope::Unscoped(missing) => missing,
            _ => &[],
        }
    }
}

/// How many there were of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub statements: u64,
    pub scoped: u64,
    pub not_owned: u64,
    pub unscoped: u64,
    pub unread: u64,
    /// Records that are none of the format.
    pub odd: u64,
    /// Executions of unscoped statements beyond those that are kept apart.
    pub not_kept: u64,
}

/// Collects what inputs hold.
pub(super) struct Audit {
    judge: Judge,
    files: Vec<String>,
    found: HashMap<u64, Found>,
    unread: HashMap<u64, Found>,
    totals: Totals,
    tally: Tally,
}

/// What makes a statement a finding.
pub(super) struct Verdicts<'a> {
    pub approvals: &'a Approvals,
    pub rls: Rls,
    pub by_key: ByKey,
}

/// What is reported. Each list is sorted by count.
pub(super) struct Report {
    pub files: Vec<String>,
    pub totals: Totals,
    pub findings: Vec<(Found, Option<Approval>)>,
    pub by_key: Vec<Found>,
    pub by_rls: Vec<Found>,
    pub approved: Vec<(Found, Approval)>,
    pub unread: Vec<Found>,
}

impl Audit {
    pub fn new(schema: Arc<Schema>) -> Self {
        Audit {
            judge: Judge::new(schema),
            files: Vec::new(),
            found: HashMap::new(),
            unread: HashMap::new(),
            totals: Totals::default(),
            tally: Tally::default(),
        }
    }

    /// What comes now is of this file.
    pub fn file(&mut self, name: &str) {
        self.files.push(name.into());
        self.tally = Tally::default();
    }

    /// What was read of the present file.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A record of the format, whether it has a statement or not.
    pub fn record(&mut self) {
        self.tally.records += 1;
    }

    /// A record that is none of the format; `why` holds nothing of its content.
    pub fn odd(&mut self, line: u64, why: impl fmt::Display) {
        self.totals.odd += 1;
        self.tally.odd += 1;
        self.tally.first.get_or_insert_with(|| (line, why.to_string()));
    }

    /// A statement of a log.
    pub fn entry(&mut self, entry: &Entry<'_>) {
        let mut statement = self.judge.judge(entry.text);
        // Of an EXECUTE the log says what was prepared.
        if statement.scope == Scope::Unparsed
            && let Some(prepared) = entry.detail.strip_prefix("prepare: ")
        {
            statement = self.judge.judge(prepared);
        }
        let totals = &mut self.totals;
        totals.statements += entry.count;
        self.tally.statements += 1;
        let (map, room) = match &statement.scope {
            Scope::NotOwned => return totals.not_owned += entry.count,
            Scope::Scoped => return totals.scoped += entry.count,
            Scope::Unscoped(_) => {
                totals.unscoped += entry.count;
                (&mut self.found, limits::AUDIT_STATEMENTS)
            }
            Scope::Unparsed => {
                totals.unread += entry.count;
                (&mut self.unread, limits::AUDIT_UNREAD)
            }
        };
        if let Some(found) = map.get_mut(&statement.fingerprint) {
            found.count += entry.count;
            return;
        }
        if map.len() >= room {
            if matches!(statement.scope, Scope::Unscoped(_)) {
                totals.not_kept += entry.count;
            }
            return;
        }
        let name = |name: &str| name.chars().filter(|c| !c.is_control()).take(64).collect();
        let found = Found {
            count: entry.count,
            file: self.files.len().saturating_sub(1),
            line: entry.line,
            user: name(entry.user),
            application: name(entry.application),
            statement: Arc::clone(&statement),
        };
        map.insert(statement.fingerprint, found);
    }

    /// What is said of all of it.
    pub fn report(self, verdicts: &Verdicts<'_>) -> Report {
        let today = Day::today();
        let mut report = Report {
            files: self.files,
            totals: self.totals,
            findings: Vec::new(),
            by_key: Vec::new(),
            by_rls: Vec::new(),
            approved: Vec::new(),
            unread: sorted(self.unread),
        };
        for found in sorted(self.found) {
            match verdicts.approvals.of(found.statement.fingerprint, today) {
                Standing::Holds(approval) => report.approved.push((found, approval.clone())),
                _ if found.statement.by_primary_key && verdicts.by_key == ByKey::Allow => {
                    report.by_key.push(found)
                }
                _ if found.statement.rls && verdicts.rls == Rls::Trust => report.by_rls.push(found),
                Standing::Expired(approval) => report.findings.push((found, Some(approval.clone()))),
                Standing::None => report.findings.push((found, None)),
            }
        }
        report
    }
}

/// The most frequent first; of equals, in an order that stays.
fn sorted(map: HashMap<u64, Found>) -> Vec<Found> {
    let mut all: Vec<Found> = map.into_values().collect();
    all.sort_by_key(|found| (std::cmp::Reverse(found.count), found.statement.fingerprint));
    all
}

impl Report {
    /// Where a statement stood first.
    pub fn place(&self, found: &Found) -> String {
        let file = self.files.get(found.file).map_or("", String::as_str);
        if found.line == 0 { file.into() } else { format!("{file}:{}", found.line) }
    }
}
