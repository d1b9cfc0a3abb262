//! Tokens that were verified: a client sends the same one for minutes, and RSA is not free.

use std::sync::{Arc, Mutex, PoisonError};

use foldhash::HashMap;

use super::Claims;

const SHARDS: usize = 16;

/// Claims by the SHA-256 of their token, while the keys are the same and the token lasts.
pub(super) struct Cache {
    shards: [Mutex<HashMap<[u8; 32], Entry>>; SHARDS],
    room: usize,
}

struct Entry {
    claims: Arc<Claims>,
    generation: u64,
    until: u64,
}

impl Cache {
    /// A cache with room for `entries`.
    pub fn new(entries: usize) -> Self {
        Cache { shards: std::array::from_fn(|_| Mutex::default()), room: (entries / SHARDS).max(1) }
    }

    /// The claims, if they were verified under the keys of `generation` and hold at `now`.
    pub fn get(&self, token: &[u8; 32], generation: u64, now: u64) -> Option<Arc<Claims>> {
        let shard = self.shard(token);
        let entry = shard.get(token)?;
        (entry.generation == generation && now < entry.until).then(|| Arc::clone(&entry.claims))
    }

    /// Remembers claims. Where there is no room those that do not hold any more go, or else any one.
    pub fn put(&self, token: [u8; 32], generation: u64, until: u64, now: u64, claims: Arc<Claims>) {
        let mut shard = self.shard(&token);
        if shard.len() >= self.room {
            shard.retain(|_, entry| entry.generation == generation && now < entry.until);
            if shard.len() >= self.room
                && let Some(any) = shard.keys().next().copied()
            {
                shard.remove(&any);
            }
        }
        shard.insert(token, Entry { claims, generation, until });
    }

    fn shard(&self, token: &[u8; 32]) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Entry>> {
        self.shards[usize::from(token[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: more tokens than room, the end of a token, new keys. Guarantee: bounded; what does not
    /// hold any more is not answered.
    #[test]
    fn bounded_and_never_stale() {
        let cache = Cache::new(64);
        let claims = Arc::new(Claims::assumed(None, None, &[]));
        for number in 0u32..10_000 {
            let mut token = [0; 32];
            token[..4].copy_from_slice(&number.to_le_bytes());
            cache.put(token, 1, 100, 50, Arc::clone(&claims));
        }
        assert!(cache.shards.iter().all(|shard| shard.lock().unwrap().len() <= 4));
        cache.put([7; 32], 1, 100, 50, claims);
        assert!(cache.get(&[7; 32], 1, 99).is_some());
        assert!(cache.get(&[7; 32], 1, 100).is_none(), "expired");
        assert!(cache.get(&[7; 32], 2, 99).is_none(), "other keys");
    }
}
