//! A service that says another version than before was deployed.

use std::{collections::HashMap, hash::BuildHasher};

use super::super::few::Few;
use crate::limits;

/// Versions of services that a worker has met, by hashes.
#[derive(Debug, Default)]
pub(super) struct Versions {
    known: HashMap<u64, Few<u64, { limits::SERVICE_VERSIONS }>, foldhash::fast::FixedState>,
    hasher: foldhash::fast::FixedState,
}

impl Versions {
    /// Whether this version is new of a service that had another one. While versions go back and forth, as they do in
    /// a rolling deploy, each is new once.
    pub(super) fn is_new(&mut self, service: &str, version: &str) -> bool {
        let (service, version) = (self.hasher.hash_one(service), self.hasher.hash_one(version));
        if self.known.len() >= limits::VERSIONED_SERVICES && !self.known.contains_key(&service) {
            self.known.clear();
        }
        let known = self.known.entry(service).or_default();
        if known.contains(version) {
            return false;
        }
        let new = !known.is_empty();
        if known.len() >= limits::SERVICE_VERSIONS {
            *known = Few::default();
        }
        known.add(version);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a first version, the same again, another one, both in turns, and twenty more. Guarantee: each but the
    /// first is new once.
    #[test]
    fn another_version_is_new_once() {
        let mut versions = Versions::default();
        assert!(!versions.is_new("a", "1") && !versions.is_new("a", "1"));
        assert!(versions.is_new("a", "2"));
        assert!(!versions.is_new("a", "1") && !versions.is_new("a", "2") && !versions.is_new("b", "2"));
        for n in 3..23 {
            assert!(versions.is_new("a", &n.to_string()), "{n}");
            assert!(!versions.is_new("a", &n.to_string()), "{n}");
        }
    }
}
