//! Writing for a tenant that is not one's own: each item is counted, and each who-for-whom has a line in the audit
//! at most once a minute, with the items since the last.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    batch::{Signal, TenantId},
    limits,
    telemetry::{
        audit::{self, ItemsImpersonated},
        events::Event,
    },
};

/// How often one who-for-whom has a line.
const WINDOW: Duration = Duration::from_secs(60);

/// Who wrote a part that is of a tenant not its sender's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Impersonator {
    /// A configured name, or a fingerprint.
    pub actor: String,
    /// The tenant that it is of itself; [`TenantId::NONE`] where none.
    pub own: TenantId,
}

type Pair = (Impersonator, TenantId, Signal);

/// One line that is due.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    pair: Pair,
    items: u64,
}

/// Since when, and how many items have no line yet.
struct Open {
    since: Instant,
    items: u64,
}

/// What has no line yet.
#[derive(Default)]
pub struct Impersonations(Mutex<HashMap<Pair, Open>>);

impl Impersonations {
    /// Counts items that are durable, and writes the line that is due.
    pub fn note(&self, who: &Impersonator, tenant: TenantId, signal: Signal, items: u64) {
        ItemsImpersonated { signal, tenant, items }.emit();
        self.add((who.clone(), tenant, signal), items, Instant::now()).into_iter().for_each(write);
    }

    /// Writes the lines that are due, or all of them.
    pub fn flush(&self, all: bool) {
        self.due(Instant::now(), all).into_iter().for_each(write);
    }

    /// The first of a pair has its line at once.
    fn add(&self, pair: Pair, items: u64, now: Instant) -> Vec<Line> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get_mut(&pair) {
            known.items += items;
            return Vec::new();
        }
        // Past the bound each is told as it comes, in as few lines as may be.
        let mut lines = Vec::new();
        if open.len() >= limits::AUDITED_PAIRS {
            let rest = open.drain().filter(|(_, open)| open.items > 0);
            lines.extend(rest.map(|(pair, open)| Line { pair, items: open.items }));
        }
        open.insert(pair.clone(), Open { since: now, items: 0 });
        lines.push(Line { pair, items });
        lines
    }

    fn due(&self, now: Instant, all: bool) -> Vec<Line> {
        let mut lines = Vec::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|pair, open| {
            if !all && now.duration_since(open.since) < WINDOW {
                return true;
            }
            let items = std::mem::take(&mut open.items);
            open.since = now;
            // What was quiet for a whole window begins anew.
            let goes_on = items > 0;
            if goes_on {
                lines.push(Line { pair: pair.clone(), items });
            }
            goes_on
        });
        lines
    }
}

fn write(Line { pair: (who, tenant, signal), items }: Line) {
    let own = (who.own != TenantId::NONE).then(|| who.own.to_string());
    audit::record(
        "impersonation",
        &who.actor,
        tenant,
        json!({ "own_tenant_id": own, "signal": signal, "items": items }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(n: u128) -> Pair {
        let who = Impersonator { actor: "agent".into(), own: TenantId::NONE };
        (who, TenantId(uuid::Uuid::from_u128(n)), Signal::Logs)
    }

    fn items(lines: &[Line]) -> Vec<u64> {
        lines.iter().map(|line| line.items).collect()
    }

    /// Scenario: one pair writes a hundred times within a minute, then rests, then writes again; another begins; a
    /// stop. Guarantee: a line at once, one for the window, none while it rests; no item is in none or in two.
    #[test]
    fn lines_are_few_and_counts_are_whole() {
        let (all, start) = (Impersonations::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(items(&all.add(pair(1), 5, at(0))), [5]);
        for second in 0..50 {
            assert!(all.add(pair(1), 2, at(second)).is_empty() && all.due(at(second), false).is_empty());
        }
        assert_eq!(items(&all.due(at(60), false)), [100]);
        assert!(all.add(pair(1), 1, at(61)).is_empty());
        assert_eq!(items(&all.add(pair(2), 7, at(62))), [7]);
        assert_eq!(items(&all.due(at(125), false)), [1]);
        assert!(all.due(at(190), false).is_empty());
        assert_eq!(items(&all.add(pair(1), 4, at(191))), [4]);
        all.add(pair(1), 3, at(192));
        assert_eq!(items(&all.due(at(192), true)), [3]);
        assert!(all.due(at(1000), true).is_empty());
    }

    /// Scenario: more pairs than are told apart. Guarantee: the map stays within its bound and every item has a line.
    #[test]
    fn pairs_are_bounded() {
        let (all, now) = (Impersonations::default(), Instant::now());
        let mut told = 0;
        for n in 0..3 * limits::AUDITED_PAIRS as u128 {
            told += items(&all.add(pair(n), 1, now)).iter().sum::<u64>();
            told += items(&all.add(pair(n), 1, now)).iter().sum::<u64>();
            assert!(all.0.lock().unwrap().len() <= limits::AUDITED_PAIRS);
        }
        told += items(&all.due(now, true)).iter().sum::<u64>();
        assert_eq!(told, 6 * limits::AUDITED_PAIRS as u64);
    }
}
