//! Keyed fingerprints: what detectors remember in place of values.

use std::{fmt, hash::Hasher};

/// A 64-bit keyed hash of a value. Without the key it says nothing of the value, not even by
/// trying a list of likely ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fp:{:016x}", self.0)
    }
}

/// What a value is, so that the same text in two roles has two fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Domain {
    /// A person, account or session.
    Principal = 1,
    /// An id of an object.
    Object = 2,
    /// A route template.
    Route = 3,
    /// A session.
    Session = 5,
    /// A token or a key.
    Credential = 6,
    /// A connection to a database.
    Connection = 7,
    /// A cache's key.
    CacheKey = 8,
    /// A channel.
    Channel = 9,
    /// A job's class.
    Job = 10,
    /// A URL's path.
    Path = 11,
    /// What a hash of content says.
    Content = 12,
}

/// The secret key of one process (or of one scan).
///
/// SipHash-2-4 is a keyed pseudo-random function made for short input: about 20 ns a value where
/// HMAC-SHA-256 takes 500 ns, and a span has several. Findings need no collision resistance
/// against someone who holds the key.
#[derive(Clone, Copy)]
pub struct Key(u64, u64);

impl Key {
    /// A key from 16 secret bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        let [a, b] = [0, 8].map(|at| bytes[at..at + 8].iter().fold(0, |n, b| n << 8 | u64::from(*b)));
        Key(a, b)
    }

    /// A key from the system's random source: fingerprints last as long as the process.
    pub fn random() -> Self {
        Key::new(uuid::Uuid::new_v4().into_bytes()).mixed(uuid::Uuid::new_v4().into_bytes())
    }

    // A v4 uuid has six fixed bits; two of them leave none.
    fn mixed(self, more: [u8; 16]) -> Self {
        let other = Key::new(more);
        Key(self.0 ^ other.1, self.1 ^ other.0)
    }

    /// The fingerprint of `value` in its role.
    #[allow(deprecated)] // std keeps its seedable SipHash-2-4 under this name only.
    pub fn of(&self, domain: Domain, value: &[u8]) -> Fingerprint {
        let mut hasher = std::hash::SipHasher::new_with_keys(self.0, self.1);
        hasher.write_u8(domain as u8);
        hasher.write(value);
        Fingerprint(hasher.finish())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: one value, two keys, two roles. Guarantee: fingerprints agree only when all agree.
    #[test]
    fn a_fingerprint_depends_on_key_role_and_value() {
        let (a, b) = (Key::new([1; 16]), Key::new([2; 16]));
        assert_eq!(a.of(Domain::Object, b"x"), a.of(Domain::Object, b"x"));
        assert_ne!(a.of(Domain::Object, b"x"), a.of(Domain::Object, b"y"));
        assert_ne!(a.of(Domain::Object, b"x"), a.of(Domain::Principal, b"x"));
        assert_ne!(a.of(Domain::Object, b"x"), b.of(Domain::Object, b"x"));
        assert_ne!(Key::random().of(Domain::Object, b"x"), Key::random().of(Domain::Object, b"x"));
    }
}
