//! Bounded, expiring memory of detectors.

use std::{collections::HashMap, hash::Hash};

use foldhash::fast::RandomState;

use crate::limits;

/// A map of two generations. New and used entries live in the young one; when it is half of the
/// capacity, or old enough, the old one is forgotten and the young one takes its place. So an
/// entry unused for `lifetime` to twice that is gone, there are never more than `capacity`
/// entries, and no operation walks the whole map.
#[derive(Debug)]
pub struct Generations<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
    half: usize,
    lifetime: u64,
    began: u64,
    evicted: u64,
}

impl<K: Hash + Eq + Copy, V> Generations<K, V> {
    /// At most `capacity` entries (2 at least); an entry lives `lifetime` nanoseconds unused.
    pub fn new(capacity: usize, lifetime: u64) -> Self {
        Generations {
            young: HashMap::default(),
            old: HashMap::default(),
            half: (capacity / 2).max(1),
            lifetime: lifetime.max(1),
            began: 0,
            evicted: 0,
        }
    }

    /// The entry, made young again.
    pub fn get(&mut self, key: K) -> Option<&mut V> {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key)?;
            self.put(key, value);
        }
        self.young.get_mut(&key)
    }

    /// The entry as it is, without making it young.
    pub fn peek(&self, key: K) -> Option<&V> {
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    /// The entry, made by `make` if there was none.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_else(make);
            self.put(key, value);
        }
        self.young.entry(key).or_insert_with(|| unreachable!("put just above"))
    }

    /// All entries; the young ones first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }

    /// Forgets what `keep` says no to. Walks the whole map: for what is seldom.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.young.retain(&mut keep);
        self.old.retain(keep);
    }

    /// Lets time pass: `now` is in nanoseconds and never goes back.
    pub fn expire(&mut self, now: u64) {
        if self.began == 0 || now.saturating_sub(self.began) >= 2 * self.lifetime {
            if self.began != 0 {
                self.old.clear();
                self.young.clear();
            }
            self.began = now.max(1);
        } else if now - self.began.min(now) >= self.lifetime {
            self.old = std::mem::take(&mut self.young);
            self.began = now;
        }
    }

    /// Entries held now.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Entries forgotten for want of room since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.evicted += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

impl<K: Hash + Eq + Copy, V> Generations<K, V>
where
    K: serde::Serialize + serde::de::DeserializeOwned,
    V: serde::Serialize + serde::de::DeserializeOwned,
{
    /// What is kept over a restart: up to [`limits::SNAPSHOT_ENTRIES`] entries, the young ones first.
    pub fn save(&self) -> serde_json::Value {
        let entries: Vec<_> = self.iter().take(limits::SNAPSHOT_ENTRIES).collect();
        serde_json::to_value(entries).unwrap_or_default()
    }

    /// Takes up what was kept, as far as it can be read.
    pub fn load(&mut self, saved: &serde_json::Value) {
        let Ok(entries) = serde::Deserialize::deserialize(saved) else { return };
        let entries: Vec<(K, V)> = entries;
        for (key, value) in entries.into_iter().take(limits::SNAPSHOT_ENTRIES) {
            self.entry(key, || value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: far more keys than room. Guarantee: never over capacity; what is used stays.
    #[test]
    fn the_used_entry_survives_a_flood_and_the_bound_holds() {
        let mut map = Generations::new(100, 1000);
        map.entry(u64::MAX, || 7);
        for key in 0..100_000u64 {
            map.entry(key, || 0);
            assert_eq!(map.get(u64::MAX), Some(&mut 7));
            assert!(map.len() <= 100);
        }
        assert!(map.take_evicted() > 99_000);
    }

    /// Scenario: time passes. Guarantee: used entries stay, unused ones go within two lifetimes.
    #[test]
    fn unused_entries_expire() {
        let mut map = Generations::new(100, 10);
        map.expire(100);
        map.entry(1, || ());
        map.entry(2, || ());
        for now in (101..140).step_by(3) {
            map.expire(now);
            assert!(map.get(1).is_some());
        }
        assert!(map.get(2).is_none());
        map.expire(1000);
        assert_eq!(map.len(), 0);
    }
}
