//! Keyed pseudonyms: the same value of the same tenant gives the same token, and nothing else does.
//!
//! A tenant's key is HKDF-SHA-256 (RFC 5869) of the master key under the tenant's salt, expanded over tenant and
//! epoch; a token is HMAC-SHA-256 (RFC 2104) of type and value under it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::{hkdf, hmac};

use super::salt::{Salts, Stamp};
use crate::{batch::TenantId, limits};

/// The salt of all tenants where each has none of its own.
const NO_SALT: &[u8] = b"portcullis pseudonym";

/// The key from which every tenant's own key is derived. Never shown.
pub struct MasterKey {
    /// Unlike any other's: what is derived from one is not taken for another's.
    number: u64,
    key: Box<[u8]>,
    epoch: u32,
    salts: Option<Arc<Salts>>,
}

impl MasterKey {
    /// A master key of `bytes`, in an epoch: another epoch gives every tenant another key.
    ///
    /// # Errors
    /// Fewer than 16 bytes.
    pub fn new(bytes: &[u8], epoch: u32) -> Result<Self, String> {
        if bytes.len() < 16 {
            return Err("the master key is too short: expected 16 bytes or more (32 are better)".into());
        }
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(MasterKey { number, key: bytes.into(), epoch, salts: None })
    }

    /// The same, with a salt for each tenant.
    #[must_use]
    pub fn with_salts(self, salts: Arc<Salts>) -> Self {
        MasterKey { salts: Some(salts), ..self }
    }

    /// A keyed sum (HMAC-SHA-256) of a value for a purpose: without the key it says nothing of the value.
    pub fn sum(&self, purpose: &str, value: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.key));
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(value);
        let mut sum = [0; 32];
        sum.copy_from_slice(context.sign().as_ref());
        sum
    }

    fn tenant(&self, tenant: TenantId) -> std::io::Result<TenantKey> {
        let salt = self.salts.as_ref().map(|salts| salts.salt(tenant)).transpose()?;
        let with = hkdf::Salt::new(hkdf::HKDF_SHA256, salt.as_ref().map_or(NO_SALT, |(salt, _)| salt));
        let mut out = [0u8; 36];
        let epoch = self.epoch.to_be_bytes();
        with.extract(&self.key)
            .expand(&[tenant.0.as_bytes(), &epoch], Length(out.len()))
            .and_then(|okm| okm.fill(&mut out))
            .map_err(|_| std::io::Error::other("no key can be derived"))?;
        let mut id = Vec::with_capacity(8);
        letters(&out[32..], &mut id);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &out[..32]);
        Ok(TenantKey { id, key, stamp: salt.map(|(_, stamp)| stamp), checked: 0 })
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// One tenant's key, and its public name.
struct TenantKey {
    id: Vec<u8>,
    key: hmac::Key,
    /// Of the salt that it was made with.
    stamp: Option<Stamp>,
    /// The round in which the salt was last seen.
    checked: u64,
}

/// Bytes as letters a to p: no digits, so that no rule takes a token for a number.
fn letters(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend_from_slice(&[b'a' + (byte >> 4), b'a' + (byte & 15)]);
    }
}

/// The keys that a worker has derived, bounded by [`limits::TENANT_KEYS`].
#[derive(Default)]
pub(super) struct KeyCache {
    /// The master key that all were derived from.
    master: u64,
    keys: HashMap<TenantId, TenantKey>,
    /// Counts up with each batch: in each one a salt is looked for once, so that one that was destroyed is not used.
    round: u64,
    /// A tenant that has no key in this round: not tried again for each value.
    without: Option<(TenantId, u64)>,
    /// Pseudonyms that could not be made, and why the last one couldn't.
    failed: u64,
    error: Option<std::io::Error>,
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyCache").field(&self.keys.len()).finish()
    }
}

impl KeyCache {
    /// Another batch begins.
    pub fn next_round(&mut self) {
        self.round += 1;
    }

    /// How many pseudonyms could not be made since the last call, and why the last one couldn't.
    pub fn take_failed(&mut self) -> (u64, Option<std::io::Error>) {
        (std::mem::take(&mut self.failed), self.error.take())
    }

    fn get(&mut self, tenant: Tenant<'_>) -> std::io::Result<&TenantKey> {
        let Tenant { master, id } = tenant;
        if self.master != master.number {
            self.keys.clear();
            self.master = master.number;
        }
        let round = self.round;
        let stale = |key: &TenantKey| {
            let salts = master.salts.as_ref().filter(|_| key.checked != round);
            salts.is_some_and(|salts| salts.stamp(id) != key.stamp)
        };
        let known = self.keys.get(&id).is_some_and(|key| !stale(key));
        if !known {
            if self.keys.len() >= limits::TENANT_KEYS && !self.keys.contains_key(&id) {
                self.keys.clear();
            }
            self.keys.remove(&id);
            self.keys.insert(id, master.tenant(id)?);
        }
        match self.keys.get_mut(&id) {
            Some(key) => {
                key.checked = round;
                Ok(key)
            }
            None => Err(std::io::Error::other("the key is not there")),
        }
    }

    /// Writes the pseudonym of a value; without a key nothing, and `false`.
    pub fn write(&mut self, out: &mut Vec<u8>, kind: &str, value: &[u8], tenant: Tenant<'_>) -> bool {
        let round = self.round;
        if self.without == Some((tenant.id, round)) {
            self.failed += 1;
            return false;
        }
        let key = match self.get(tenant) {
            Ok(key) => key,
            Err(error) => {
                self.without = Some((tenant.id, round));
                self.failed += 1;
                self.error = Some(error);
                return false;
            }
        };
        let mut context = hmac::Context::with_key(&key.key);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(value);
        out.push(b'[');
        out.extend_from_slice(kind.as_bytes());
        out.push(b':');
        out.extend_from_slice(&key.id);
        out.push(b':');
        letters(&context.sign().as_ref()[..10], out);
        out.push(b']');
        true
    }
}

/// Under whose key pseudonyms are made.
#[derive(Debug, Clone, Copy)]
pub struct Tenant<'a> {
    /// The master key.
    pub master: &'a MasterKey,
    /// The tenant.
    pub id: TenantId,
}

#[cfg(test)]
#[path = "pseudonym_tests.rs"]
mod tests;
