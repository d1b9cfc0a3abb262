//! A bounded map from hashes, in two generations: what was not asked for while one filled up is forgotten with the other.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// The keys are hashes already.
#[derive(Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

type Map<V> = HashMap<u64, V, BuildHasherDefault<Same>>;

/// The cache; `room` entries a generation.
#[derive(Debug)]
pub(super) struct Cache<V> {
    young: Map<V>,
    old: Map<V>,
    room: usize,
}

impl<V: Clone> Cache<V> {
    pub fn new(room: usize) -> Self {
        let map = || Map::with_capacity_and_hasher(room, BuildHasherDefault::default());
        Cache { young: map(), old: map(), room }
    }

    pub fn get(&mut self, key: u64) -> Option<V> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.put(key, value.clone());
        Some(value)
    }

    pub fn put(&mut self, key: u64, value: V) {
        if self.young.len() >= self.room {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, value);
    }

    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: more entries than there is room for, one of them asked for again and again. Guarantee: never more
    /// than two generations; that one stays.
    #[test]
    fn what_is_asked_for_stays() {
        let mut cache = Cache::new(4);
        cache.put(1, "one");
        for key in 2..100 {
            cache.put(key, "more");
            assert_eq!(cache.get(1), Some("one"));
            assert!(cache.len() <= 8);
        }
        assert_eq!(cache.get(2), None);
    }
}
