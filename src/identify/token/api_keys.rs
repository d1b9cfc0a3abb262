//! API keys: for senders that have no issuer of tokens. A key is 32 random bytes, so that its SHA-256, which is all
//! that the configuration holds, says nothing of it.

use std::collections::HashMap;

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::KeyError;
use crate::{
    identify::{date_time, settings::ApiKey},
    limits,
};

/// What every key begins with, so that one that got out is known for what it is.
const PREFIX: &str = "pck_";

/// The keys that are taken, by their SHA-256.
#[derive(Default)]
pub(super) struct ApiKeys(HashMap<[u8; 32], Entry>);

/// One key, and when it ends, in seconds since 1970.
pub(super) struct Entry {
    pub key: ApiKey,
    pub expires: u64,
}

impl ApiKeys {
    pub fn new(keys: &[ApiKey]) -> Result<Self, KeyError> {
        let mut all = HashMap::new();
        for (number, key) in keys.iter().enumerate() {
            let wrong = |what: &str| KeyError(format!("identity.token.api_keys[{number}].{what}"));
            if number >= limits::API_KEYS {
                return Err(KeyError(format!("identity.token.api_keys: more than {}", limits::API_KEYS)));
            }
            if key.name.is_empty() {
                return Err(wrong("name: empty; expected what the key is known by, for example ci"));
            }
            let sum = sha256(&key.sha256).ok_or_else(|| {
                wrong("sha256: expected 64 hex digits; `portcullis api-key` makes a key and its entry")
            })?;
            let expires = match &key.expires {
                None => u64::MAX,
                Some(text) => {
                    date_time(text)
                        .ok_or_else(|| wrong("expires: expected a date and time as 2026-01-31T23:59:59Z"))?
                        / 1_000_000_000
                }
            };
            if all.insert(sum, Entry { key: key.clone(), expires }).is_some() {
                return Err(wrong("sha256: another entry has the same key"));
            }
        }
        Ok(ApiKeys(all))
    }

    /// The key of this SHA-256.
    pub fn get(&self, sum: &[u8; 32]) -> Option<&Entry> {
        self.0.get(sum)
    }
}

fn sha256(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut out = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        let digit = |b: u8| (b as char).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(out)
}

/// A new key, and its SHA-256 in hex, as an entry of the configuration has it.
///
/// # Errors
/// The system gives no randomness.
pub fn new_api_key() -> Result<(String, String), KeyError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| KeyError("the system gives no random bytes".into()))?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let sum = digest::digest(&digest::SHA256, key.as_bytes());
    let sum = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((key, sum))
}
