//! Items that name no tenant, and what the rest of their trace says: within one request, and across requests.

use std::{collections::BTreeMap, sync::Arc};

use foldhash::HashMap;

use crate::{
    batch::{Signal, TenantId},
    identify::{
        Inherit, Reject, Resolution, Resolver,
        traces::{Known, TraceId, Traces, Waiter},
    },
    limits,
    telemetry::events::{Event, InheritWait, WaitEnd},
    wire::{Sharing, view::Item},
};

/// Whose a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The tenant; of what is rejected the one that was named.
    pub tenant: TenantId,
    /// Why it is rejected, or what observe mode let through.
    pub reject: Option<Reject>,
    /// Whether it goes on.
    pub goes_on: bool,
    /// Whether the tenant is its trace's.
    pub inherited: bool,
}

impl Owner {
    fn of(found: &Resolution<'_>, inherited: bool) -> Owner {
        match found.tenant {
            Ok(tenant) => Owner { tenant, reject: found.observed, goes_on: true, inherited },
            Err(reject) => {
                let tenant = found.named.unwrap_or(TenantId::NONE);
                Owner { tenant, reject: Some(reject), goes_on: false, inherited }
            }
        }
    }
}

/// The parts of a request: each owner's number.
#[derive(Default)]
pub struct Owners {
    list: Vec<Owner>,
    index: BTreeMap<Owner, u32>,
}

impl Owners {
    /// The part of what was decided so.
    pub fn part(&mut self, found: &Resolution<'_>) -> u32 {
        self.put(Owner::of(found, false))
    }

    /// Whose a part is.
    pub fn get(&self, part: u32) -> Owner {
        self.list[part as usize]
    }

    fn put(&mut self, owner: Owner) -> u32 {
        *self.index.entry(owner).or_insert_with(|| {
            self.list.push(owner);
            self.list.len() as u32 - 1
        })
    }
}

/// An item that may inherit.
struct Heir {
    /// Its group, and its place in it.
    group: usize,
    place: usize,
    trace: TraceId,
    time: u64,
}

/// What one request says of its traces, and who in it may inherit.
pub struct Heirs<'a> {
    traces: &'a Arc<Traces>,
    settings: &'a Inherit,
    now: u64,
    said: HashMap<TraceId, Known>,
    /// Tenants that were named and rejected.
    doubts: Vec<(TraceId, TenantId)>,
    list: Vec<Heir>,
    /// More than can be looked at: what was not seen might be another tenant's.
    over: bool,
}

impl<'a> Heirs<'a> {
    /// Nothing where tenants are not inherited, and for metrics: data points are in no trace.
    pub fn new(signal: Signal, traces: &'a Arc<Traces>, settings: &'a Inherit, now: u64) -> Option<Self> {
        let (said, doubts, list) = Default::default();
        let has = settings.enabled && signal != Signal::Metrics;
        has.then_some(Heirs { traces, settings, now, said, doubts, list, over: false })
    }

    /// An item for which nothing names a tenant: at `place` of a group whose items are shared out one by one.
    pub fn add(&mut self, item: &Item<'_>, group: usize, place: usize, time: u64) {
        let Some(trace) = TraceId::new(item.trace_id()) else { return };
        match self.list.len() < limits::INHERIT_REQUEST_ITEMS {
            true => self.list.push(Heir { group, place, trace, time }),
            false => self.over = true,
        }
    }

    /// An item with a tenant of its own.
    pub fn saw(&mut self, item: &Item<'_>, found: &Resolution<'_>) {
        let Some(trace) = TraceId::new(item.trace_id()) else { return };
        let most = limits::INHERIT_REQUEST_ITEMS;
        if self.doubts.len() >= most || (self.said.len() >= most && !self.said.contains_key(&trace)) {
            self.over = true;
            return;
        }
        let mut say = |known| {
            let said = self.said.entry(trace).or_insert(Known::Nothing);
            *said = said.merge(known);
        };
        match (found.tenant, found.observed, found.mismatch, found.named) {
            // Two tenants in one item are two in its trace.
            (.., Some(_), _) => say(Known::Several),
            (Ok(tenant), None, ..) => say(Known::One(tenant)),
            (.., Some(named)) => self.doubts.push((trace, named)),
            _ => {}
        }
    }

    /// Tells the other requests what this one says, and gives its heirs their tenants. Where some have none yet, and
    /// it may wait (`bytes` is its size then), it does: this is to be done again.
    pub fn settle(
        mut self,
        resolver: &Resolver<'_>,
        owners: &mut Owners,
        sharing: &mut [Sharing],
        bytes: Option<usize>,
    ) -> Option<Waiter> {
        let Heirs { traces, settings, now, .. } = self;
        for (trace, tenant) in self.doubts {
            match self.said.get_mut(&trace) {
                Some(said) => *said = said.and(tenant),
                None => traces.doubt(trace, tenant, now, settings),
            }
        }
        for (trace, said) in &mut self.said {
            *said = traces.learn(*trace, *said, now, settings);
        }
        if self.over {
            return None;
        }
        let mut unknown = Vec::new();
        for heir in self.list {
            let said = self.said.entry(heir.trace).or_insert_with(|| traces.get(heir.trace, now, settings));
            match *said {
                Known::Nothing => unknown.push(heir.trace),
                Known::Several => {}
                Known::One(tenant) => {
                    let found = resolver.inherit(tenant, heir.time);
                    if let (Some(found), Some(Sharing::Items(parts))) = (found, sharing.get_mut(heir.group)) {
                        parts[heir.place] = owners.put(Owner::of(&found, true));
                    }
                }
            }
        }
        let bytes = bytes.filter(|_| settings.waits() && !unknown.is_empty())?;
        unknown.sort_unstable();
        unknown.dedup();
        let waiter = traces.wait_for(unknown, bytes, now, settings);
        if waiter.is_none() {
            InheritWait { end: WaitEnd::NoRoom }.emit();
        }
        waiter
    }
}

#[cfg(test)]
#[path = "heirs_tests.rs"]
mod tests;
