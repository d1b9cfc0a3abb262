//! Candidates that wait: in the order in which they are due, and by their trace.

use std::collections::{BTreeMap, HashMap};

use super::{finding::Finding, findings::Candidate, observation::TraceId};

type Place = (u64, u64);

/// Found by time and by trace without looking at all of them.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: BTreeMap<Place, Candidate>,
    traces: HashMap<TraceId, Vec<Place>, foldhash::fast::RandomState>,
    number: u64,
}

impl Pending {
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn add(&mut self, due: u64, candidate: Candidate) {
        self.number += 1;
        let place = (due, self.number);
        if let Some(trace) = candidate.finding.traces.first() {
            self.traces.entry(trace).or_default().push(place);
        }
        self.waiting.insert(place, candidate);
    }

    /// The one that is due first.
    pub fn pop(&mut self) -> Option<Candidate> {
        let (place, candidate) = self.waiting.pop_first()?;
        if let Some(trace) = candidate.finding.traces.first() {
            self.keep_places(trace, |other| other != place);
        }
        Some(candidate)
    }

    /// What is due at `now`: the first, with all of its trace that waits no longer than it does, and when it was due.
    pub fn due(&mut self, now: u64) -> Option<(u64, Vec<Candidate>)> {
        let ((due, number), first) = self.waiting.first_key_value().filter(|((due, _), _)| *due <= now)?;
        let (place, due, patience) = ((*due, *number), *due, first.patience);
        let Some(trace) = first.finding.traces.first() else {
            return Some((due, self.waiting.remove(&place).into_iter().collect()));
        };
        let mut group = Vec::new();
        let waiting = &mut self.waiting;
        let mut left = self.traces.remove(&trace).unwrap_or_default();
        left.retain(|place| {
            if waiting.get(place).is_some_and(|one| one.patience > patience) {
                return true;
            }
            group.extend(waiting.remove(place));
            false
        });
        if !left.is_empty() {
            self.traces.insert(trace, left);
        }
        Some((due, group))
    }

    /// Drops what waits about a trace and fits.
    pub fn drop_of(&mut self, trace: TraceId, fits: impl Fn(&Finding) -> bool) {
        let Some(places) = self.traces.get(&trace) else { return };
        let gone: Vec<Place> = places.iter().copied().filter(|at| fits(&self.waiting[at].finding)).collect();
        gone.iter().for_each(|place| drop(self.waiting.remove(place)));
        self.keep_places(trace, |place| !gone.contains(&place));
    }

    /// Drops what fits, whatever its trace.
    pub fn drop_all(&mut self, fits: impl Fn(&Finding) -> bool) {
        let gone: Vec<Place> =
            self.waiting.iter().filter(|(_, one)| fits(&one.finding)).map(|(place, _)| *place).collect();
        for place in gone {
            let trace = self.waiting.remove(&place).and_then(|one| one.finding.traces.first());
            trace.into_iter().for_each(|trace| self.keep_places(trace, |other| other != place));
        }
    }

    fn keep_places(&mut self, trace: TraceId, keep: impl Fn(Place) -> bool) {
        if let Some(places) = self.traces.get_mut(&trace) {
            places.retain(|place| keep(*place));
            if places.is_empty() {
                self.traces.remove(&trace);
            }
        }
    }
}
