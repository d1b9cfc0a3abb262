//! One bounded queue a tenant in front of the writer, or of the workers, drained by byte-weighted deficit round robin.

use std::collections::{HashMap, VecDeque};

use crate::{
    batch::{Batch, Clean, TenantId},
    limits,
    receipt::Receipt,
};

/// One batch on its way to the disk.
pub struct Entry {
    /// The data.
    pub batch: Batch<Clean>,
    /// The policy it was held against.
    pub epoch: u32,
    /// What the header says: 0 for data.
    pub reason: u8,
    /// What the header says for whoever counts.
    pub note: u64,
    /// Taken past the bounds; see [`Mark`](super::Mark).
    pub urgent: bool,
    /// Who waits for it.
    pub receipt: Receipt,
}

/// What can wait in a lane.
pub trait Waiting {
    /// Whose lane.
    fn tenant(&self) -> TenantId;
    /// What it counts for, in bytes.
    fn cost(&self) -> usize;
    /// Whether it goes in past all bounds.
    fn urgent(&self) -> bool {
        false
    }
}

impl Waiting for Entry {
    fn tenant(&self) -> TenantId {
        self.batch.tenant
    }

    fn cost(&self) -> usize {
        self.batch.bytes.len() + super::record::HEADER_BYTES
    }

    fn urgent(&self) -> bool {
        self.urgent
    }
}

/// What was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The tenant's own lane.
    Lane,
    /// All lanes together.
    Queue,
    /// The number of lanes.
    Lanes,
}

struct Lane<E> {
    entries: VecDeque<E>,
    bytes: usize,
    deficit: usize,
}

impl<E> Default for Lane<E> {
    fn default() -> Self {
        Lane { entries: VecDeque::new(), bytes: 0, deficit: 0 }
    }
}

/// All lanes. A lane lives only while something is in it.
pub struct Lanes<E = Entry> {
    lanes: HashMap<TenantId, Lane<E>>,
    /// Whose turn is next; each tenant with a lane once.
    turns: VecDeque<TenantId>,
    /// Whether the first of `turns` has had its quantum already.
    begun: bool,
    bytes: usize,
    lane_bytes: usize,
    queue_bytes: usize,
}

impl<E: Waiting> Lanes<E> {
    /// Empty lanes with their bounds in bytes.
    pub fn new(lane_bytes: usize, queue_bytes: usize) -> Self {
        Lanes {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            begun: false,
            bytes: 0,
            lane_bytes,
            queue_bytes,
        }
    }

    /// Bytes waiting.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of one tenant waiting.
    pub fn bytes_of(&self, tenant: TenantId) -> usize {
        self.lanes.get(&tenant).map_or(0, |lane| lane.bytes)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Takes an entry in. A lane that is empty takes one of any size, so that the largest request
    /// can pass whatever the settings are.
    ///
    /// # Errors
    /// The entry, and what was full.
    pub fn push(&mut self, entry: E) -> Result<(), (E, Full)> {
        let (tenant, cost) = (entry.tenant(), entry.cost());
        let bounded = !entry.urgent();
        if bounded && self.bytes > 0 && self.bytes + cost > self.queue_bytes {
            return Err((entry, Full::Queue));
        }
        match self.lanes.get(&tenant) {
            Some(lane) if bounded && lane.bytes + cost > self.lane_bytes => return Err((entry, Full::Lane)),
            None if bounded && self.lanes.len() >= limits::LANES => return Err((entry, Full::Lanes)),
            None => self.turns.push_back(tenant),
            Some(_) => {}
        }
        let lane = self.lanes.entry(tenant).or_default();
        lane.bytes += cost;
        lane.entries.push_back(entry);
        self.bytes += cost;
        Ok(())
    }

    /// Takes the next entries in fair order: about `max_bytes`, and at least one where there is one.
    pub fn take(&mut self, max_bytes: usize) -> Vec<E> {
        let mut taken = Vec::new();
        let mut room = max_bytes;
        while let Some(&tenant) = self.turns.front() {
            let Some(lane) = self.lanes.get_mut(&tenant) else {
                self.turns.pop_front();
                continue;
            };
            if !std::mem::replace(&mut self.begun, true) {
                lane.deficit += limits::LANE_QUANTUM_BYTES;
            }
            while let Some(cost) = lane.entries.front().map(E::cost).filter(|cost| *cost <= lane.deficit) {
                if cost > room && !taken.is_empty() {
                    // The group is full: this lane goes on with its turn in the next group.
                    return taken;
                }
                lane.deficit -= cost;
                lane.bytes -= cost;
                self.bytes -= cost;
                room = room.saturating_sub(cost);
                taken.extend(lane.entries.pop_front());
            }
            self.turns.pop_front();
            self.begun = false;
            if lane.entries.is_empty() {
                self.lanes.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{batch::Signal, receipt};

    fn entry(tenant: u128, epoch: u32, len: usize) -> Entry {
        let bytes = Bytes::from(vec![0; len]);
        let batch = Batch::clean(Signal::Logs, TenantId(Uuid::from_u128(tenant)), 1, bytes);
        Entry { batch, epoch, reason: 0, note: 0, urgent: false, receipt: receipt::pair().0 }
    }

    /// Scenario: a noisy tenant has 1000 batches waiting when a quiet one sends one.
    /// Guarantee: the quiet one leaves within one round, that is, behind one quantum.
    #[test]
    fn a_quiet_tenant_waits_one_round_at_most() {
        let mut lanes = Lanes::new(usize::MAX / 2, usize::MAX / 2);
        for n in 0..1000 {
            lanes.push(entry(1, n, 100_000)).ok().unwrap();
        }
        lanes.push(entry(2, 0, 100_000)).ok().unwrap();
        let order: Vec<_> = std::iter::from_fn(|| Some(lanes.take(1)).filter(|t| !t.is_empty()))
            .flatten()
            .map(|e| (e.batch.tenant.0.as_u128(), e.epoch))
            .collect();
        let quiet = order.iter().position(|(tenant, _)| *tenant == 2).unwrap();
        assert!(quiet <= limits::LANE_QUANTUM_BYTES / 100_000 + 1, "{quiet}");
        let noisy: Vec<_> = order.iter().filter(|(t, _)| *t == 1).map(|(_, n)| *n).collect();
        assert_eq!(noisy, (0..1000).collect::<Vec<_>>());
    }

    /// Scenario: a lane, the queue, the number of lanes at their bounds. Guarantee: refused by name,
    /// other tenants go on, and an empty lane takes one of any size.
    #[test]
    fn bounds_hold() {
        let mut lanes = Lanes::new(1000, 3000);
        assert!(lanes.push(entry(1, 0, 2000)).is_ok());
        assert_eq!(lanes.push(entry(1, 1, 1)).err().map(|e| e.1), Some(Full::Lane));
        assert!(lanes.push(entry(2, 0, 500)).is_ok());
        assert_eq!(lanes.push(entry(3, 0, 900)).err().map(|e| e.1), Some(Full::Queue));
        assert_eq!(lanes.take(usize::MAX).len(), 2);
        assert!(lanes.is_empty() && lanes.bytes() == 0 && lanes.turns.is_empty());
        for n in 0..limits::LANES as u128 {
            lanes.queue_bytes = usize::MAX;
            assert!(lanes.push(entry(n, 0, 1)).is_ok());
        }
        assert_eq!(lanes.push(entry(u128::MAX, 0, 1)).err().map(|e| e.1), Some(Full::Lanes));
    }

    proptest! {
        /// Scenario: any pushes and takes. Guarantee: nothing is lost or made, each tenant's order
        /// stays, and the count of bytes is right.
        #[test]
        fn every_entry_leaves_once_in_its_tenants_order(
            steps in prop::collection::vec((0u128..4, 0usize..700_000, any::<bool>()), 1..60),
        ) {
            let mut lanes = Lanes::new(usize::MAX / 2, usize::MAX / 2);
            let mut expected: HashMap<u128, Vec<u32>> = HashMap::new();
            let mut got: HashMap<u128, Vec<u32>> = HashMap::new();
            for (n, (tenant, len, take)) in steps.iter().enumerate() {
                lanes.push(entry(*tenant, n as u32, *len)).ok().unwrap();
                expected.entry(*tenant).or_default().push(n as u32);
                if *take {
                    let taken = lanes.take(500_000);
                    prop_assert!(!taken.is_empty());
                    for e in taken {
                        got.entry(e.batch.tenant.0.as_u128()).or_default().push(e.epoch);
                    }
                }
            }
            for e in lanes.take(usize::MAX) {
                got.entry(e.batch.tenant.0.as_u128()).or_default().push(e.epoch);
            }
            prop_assert_eq!(got, expected);
            prop_assert_eq!(lanes.bytes(), 0);
        }
    }
}
