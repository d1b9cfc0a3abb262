//! What takes the place of a found value, and the tenants' keys of pseudonyms.

use std::collections::HashMap;

use aws_lc_rs::{hkdf, hmac};

use super::Action;
use crate::{batch::TenantId, limits};

/// The key from which every tenant's own key is derived. Never shown.
pub struct MasterKey {
    prk: hkdf::Prk,
    epoch: u32,
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
        Ok(MasterKey {
            prk: hkdf::Salt::new(hkdf::HKDF_SHA256, b"portcullis pseudonym").extract(bytes),
            epoch,
        })
    }

    fn tenant(&self, tenant: TenantId) -> TenantKey {
        let mut out = [0u8; 36];
        let epoch = self.epoch.to_be_bytes();
        let filled = self
            .prk
            .expand(&[tenant.0.as_bytes(), &epoch], Length(out.len()))
            .and_then(|okm| okm.fill(&mut out));
        debug_assert!(filled.is_ok(), "36 bytes are within HKDF's bound");
        let mut id = Vec::with_capacity(8);
        letters(&out[32..], &mut id);
        TenantKey { id, key: hmac::Key::new(hmac::HMAC_SHA256, &out[..32]) }
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
#[derive(Clone)]
struct TenantKey {
    id: Vec<u8>,
    key: hmac::Key,
}

/// Bytes as letters a to p: no digits, so that no rule takes a token for a number.
fn letters(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend_from_slice(&[b'a' + (byte >> 4), b'a' + (byte & 15)]);
    }
}

/// The keys that a worker has derived, bounded by [`limits::TENANT_KEYS`].
#[derive(Default)]
pub(super) struct KeyCache(HashMap<TenantId, TenantKey>);

impl std::fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyCache").field(&self.0.len()).finish()
    }
}

impl KeyCache {
    fn get(&mut self, master: &MasterKey, tenant: TenantId) -> &TenantKey {
        if self.0.len() >= limits::TENANT_KEYS && !self.0.contains_key(&tenant) {
            self.0.clear();
        }
        self.0.entry(tenant).or_insert_with(|| master.tenant(tenant))
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

/// Writes what takes the place of `value`; without a tenant's key a pseudonym becomes a redaction.
pub(super) fn write(
    out: &mut Vec<u8>,
    kind: &str,
    action: Action,
    value: &[u8],
    tenant: Option<Tenant<'_>>,
    cache: &mut KeyCache,
) {
    match (action, tenant) {
        (Action::Shadow | Action::Keep, _) => out.extend_from_slice(value),
        (Action::Mask { keep }, _) => {
            let text = String::from_utf8_lossy(value);
            let chars = text.chars().count();
            let keep = usize::from(keep).min(chars / 4);
            for (i, c) in text.chars().enumerate() {
                let c = if i + keep >= chars || matches!(c, ' ' | '-') { c } else { '*' };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        (Action::Pseudonym, Some(tenant)) => {
            let key = cache.get(tenant.master, tenant.id);
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
        }
        (Action::Pseudonym | Action::Redact | Action::Drop, _) => {
            out.push(b'[');
            out.extend_from_slice(kind.as_bytes());
            out.push(b']');
        }
    }
}
