//! Moves as they are kept, and as the exporters ask them.

use std::collections::BTreeMap;

use foldhash::HashMap;
use serde::{Deserialize, Serialize};

use crate::{
    batch::{Signal, TenantId},
    export::route::Targets,
};

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Data goes to the old and to the new destinations.
    DualWrite,
    /// Data goes to the new destinations.
    CutOver,
    /// It was given up: data goes to the old destinations.
    Aborted,
}

impl Step {
    /// The word in `moves.json`, the API and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Step::DualWrite => "dual_write",
            Step::CutOver => "cut_over",
            Step::Aborted => "aborted",
        }
    }
}

/// Whether a tenant's data is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It goes on.
    No,
    /// All of it.
    Frozen,
    /// What was held goes on in its order, and what comes meanwhile behind it.
    Draining,
}

/// Names of destinations by signal.
pub type Places = BTreeMap<Signal, Vec<String>>;

/// Where data goes from a sequence of the journal on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The first sequence that it holds for.
    pub since: u64,
    /// Where to.
    pub destinations: Places,
}

/// One tenant's move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The new destinations.
    pub to: Vec<String>,
    /// How far it is.
    pub step: Step,
    /// Whether the tenant's data is held.
    pub held: Held,
    /// In order of `since`.
    pub legs: Vec<Leg>,
}

impl Move {
    /// Every destination that it names.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().flat_map(|leg| leg.destinations.values().flatten()).map(String::as_str)
    }

    /// Whether it names a destination.
    pub fn uses(&self, name: &str) -> bool {
        self.destinations().any(|known| known == name)
    }
}

/// Names of the destinations that a route leads to now.
pub(super) fn names(now: impl Fn(Signal) -> Targets, destinations: &[String]) -> Places {
    let of = |signal| now(signal).iter().filter_map(|place| destinations.get(place).cloned()).collect();
    Signal::ALL.into_iter().map(|signal| (signal, of(signal))).collect()
}

/// The tenants that move, for each record that is read.
#[derive(Default)]
pub(super) struct Table(HashMap<TenantId, Vec<(u64, [Targets; 3])>>);

impl Table {
    pub(super) fn new(list: &BTreeMap<TenantId, Move>, destinations: &[String]) -> Table {
        let place = |name: &String| destinations.iter().position(|known| known == name);
        let leg = |leg: &Leg| {
            let of = |signal| leg.destinations.get(&signal).into_iter().flatten().filter_map(place).collect();
            (leg.since, Signal::ALL.map(of))
        };
        let legs = |moving: &Move| moving.legs.iter().map(leg).collect();
        Table(list.iter().map(|(tenant, moving)| (*tenant, legs(moving))).collect())
    }

    pub(super) fn targets(&self, sequence: u64, signal: Signal, tenant: TenantId) -> Option<Targets> {
        if self.0.is_empty() {
            return None;
        }
        let legs = self.0.get(&tenant)?;
        let (_, targets) = legs.iter().rev().find(|(since, _)| *since <= sequence)?;
        Some(targets[signal.code() as usize])
    }
}
