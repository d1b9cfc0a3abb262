//! The findings that are open, and the latest that are over, for whoever asks; and what is told of each.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use super::finding::{Class, Finding, Severity, Status};
use crate::{batch::TenantId, limits};

/// What is asked for. All that is given must fit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// The tenant that acted, or whose data it was.
    pub tenant: Option<TenantId>,
    /// The one tenant that asks: it sees what it did itself, and nothing of others.
    pub own: Option<TenantId>,
    /// The class.
    pub class: Option<Class>,
    /// Where it stands.
    pub status: Option<Listed>,
    /// How many at most.
    pub limit: usize,
}

/// Where a listed finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// It goes on.
    Open,
    /// It is over.
    Closed,
    /// It goes on, and a suppression holds it back.
    Suppressed,
}

impl Listed {
    /// Every one.
    pub const ALL: [Listed; 3] = [Listed::Open, Listed::Closed, Listed::Suppressed];

    /// The name in queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Listed::Open => "open",
            Listed::Closed => "closed",
            Listed::Suppressed => "suppressed",
        }
    }
}

/// The list.
#[derive(Debug)]
pub struct Board {
    inner: Mutex<Inner>,
    runbook: String,
}

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<u64, (Finding, bool)>,
    closed: VecDeque<Finding>,
}

impl Board {
    /// An empty one; findings are shown with the runbook at this address.
    pub fn new(runbook: &str) -> Board {
        Board { inner: Mutex::default(), runbook: runbook.to_owned() }
    }

    /// Takes up what happened to a finding. Returns what is to be told of it, if anything is: what was held back
    /// and is no more is told as new, what is held back from now on as over.
    pub fn note(&self, finding: &Finding, suppressed: bool) -> Option<Finding> {
        let mut inner = self.lock();
        let told = inner.open.get(&finding.id).is_some_and(|(_, told)| *told);
        let over = finding.status == Status::Closed;
        if let Some((before, true)) = inner.open.remove(&finding.id) {
            open(before.class, before.severity, -1.0);
        }
        if !over {
            if !suppressed {
                open(finding.class, finding.severity, 1.0);
            }
            if inner.open.len() < limits::INCIDENTS {
                inner.open.insert(finding.id, (finding.clone(), !suppressed));
            }
        }
        let status = match (over || suppressed, told) {
            (true, true) => Status::Closed,
            (true, false) => return None,
            (false, true) => finding.status,
            (false, false) => Status::Open,
        };
        let finding = Finding { status, ..finding.clone() };
        if status == Status::Closed {
            if inner.closed.len() >= limits::CLOSED_FINDINGS {
                inner.closed.pop_front();
            }
            inner.closed.push_back(finding.clone());
        }
        Some(finding)
    }

    /// Whether this one goes on, and is held back (true) or not (false).
    pub fn held_back(&self, id: u64) -> Option<bool> {
        self.lock().open.get(&id).map(|(_, told)| !told)
    }

    /// Those that go on and were told.
    pub fn told(&self) -> Vec<Finding> {
        self.lock().open.values().filter(|(_, told)| *told).map(|(finding, _)| finding.clone()).collect()
    }

    /// Forgets what names a tenant.
    pub fn forget(&self, tenant: TenantId) {
        let mut inner = self.lock();
        inner.open.retain(|_, (finding, told)| {
            let stays = !finding.names(tenant);
            if !stays && *told {
                open(finding.class, finding.severity, -1.0);
            }
            stays
        });
        inner.closed.retain(|finding| !finding.names(tenant));
    }

    /// Findings as they were last told, newest first.
    pub fn list(&self, wanted: &Wanted) -> Value {
        let inner = self.lock();
        let going_on = inner
            .open
            .values()
            .map(|(finding, told)| (if *told { Listed::Open } else { Listed::Suppressed }, finding));
        let over = inner.closed.iter().map(|finding| (Listed::Closed, finding));
        let mut all: Vec<(Listed, &Finding)> = going_on
            .chain(over)
            .filter(|(listed, finding)| {
                wanted.status.is_none_or(|status| *listed == status)
                    && wanted.class.is_none_or(|class| finding.class == class)
                    && wanted.tenant.is_none_or(|tenant| finding.names(tenant))
                    && wanted.own.is_none_or(|own| finding.tenant == own)
            })
            .collect();
        all.sort_unstable_by_key(|(_, finding)| std::cmp::Reverse((finding.at, finding.id)));
        let more = all.len() > wanted.limit;
        all.truncate(wanted.limit);
        let shown = all.into_iter().map(|(listed, finding)| {
            let mut shown = match wanted.own {
                None => finding.shown(&self.runbook),
                Some(_) => finding.for_its_tenant().shown(&self.runbook),
            };
            if listed == Listed::Suppressed {
                shown["status"] = json!(listed.as_str());
            }
            shown
        });
        json!({ "findings": shown.collect::<Vec<_>>(), "more": more })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(class: Class, severity: Severity, by: f64) {
    let (class, severity) = (class.as_str(), severity.as_str());
    metrics::gauge!("portcullis_findings_open", "class" => class, "severity" => severity).increment(by);
}
