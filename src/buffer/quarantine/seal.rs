//! The quarantine's encryption: AES-256-GCM under a key from a file, if one is given.
//!
//! A sealed payload is
//! ```text
//!  0 magic "PCQ1"    4 key id [8]    12 nonce [12]    24 ciphertext, then the tag [16]
//! ```
//! No plain payload begins like this: an OTLP request is empty or begins with field 1 (0x0a). The record's
//! header is bound to it as associated data, so that a record under another tenant, time or reason does not
//! open. Nonces are 96 random bits: good for 2^32 records under one key (NIST SP 800-38D, 8.3), a hundred
//! batches a second for more than a year.

use std::{fmt, fs, io::Read, path::Path};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    digest,
};
use bytes::Bytes;

use super::Error;
use crate::buffer::{record::Header, settings::QuarantineSettings};

const MAGIC: [u8; 4] = *b"PCQ1";
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
/// What stands before the ciphertext.
const PREFIX_BYTES: usize = MAGIC.len() + ID_BYTES + NONCE_BYTES;
/// What sealing adds to a payload at most.
pub(super) const OVERHEAD_BYTES: usize = PREFIX_BYTES + 16;

/// Why what is kept cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is encrypted, and no key is given.
    NoKey,
    /// It is encrypted with a key that is not given.
    OtherKey,
    /// It is encrypted with a key that is given, and does not open: it was changed.
    Changed,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unreadable::NoKey => "encrypted, and no key is given; give buffer.quarantine.key_file",
            Unreadable::OtherKey => {
                "encrypted with another key; give it as buffer.quarantine.key_file, or among previous_key_files"
            }
            Unreadable::Changed => "encrypted, and changed since: header and content don't belong together",
        })
    }
}

struct Key {
    id: [u8; ID_BYTES],
    key: RandomizedNonceKey,
}

/// The keys of a quarantine; may be none.
#[derive(Default)]
pub(super) struct Keys {
    /// Everything is written with this one.
    current: Option<Key>,
    previous: Vec<Key>,
}

impl Keys {
    /// Reads the files that the settings name.
    pub fn load(settings: &QuarantineSettings) -> Result<Keys, Error> {
        let current = settings.key_file.as_deref().map(Key::load).transpose()?;
        let previous =
            settings.previous_key_files.iter().map(|path| Key::load(path)).collect::<Result<_, _>>()?;
        Ok(Keys { current, previous })
    }

    /// What is written for a payload, with `header` made to fit; none without a key.
    pub fn seal(&self, header: &mut Header, payload: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        let Some(key) = &self.current else { return Ok(None) };
        let mut sealed = payload.to_vec();
        let nonce = key
            .key
            .seal_in_place_append_tag(Aad::from(bound(header, &key.id)), &mut sealed)
            .map_err(|_| std::io::Error::other("a rejected batch could not be encrypted"))?;
        let mut out = Vec::with_capacity(PREFIX_BYTES + sealed.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&key.id);
        out.extend_from_slice(nonce.as_ref());
        out.extend_from_slice(&sealed);
        header.length = out.len() as u32;
        header.checksum = crc32c::crc32c(&out);
        Ok(Some(out))
    }

    /// The payload itself. `stored` is what the header's checksum is of, and has been compared with it.
    pub fn open(&self, header: &Header, stored: Bytes) -> Result<Bytes, Unreadable> {
        if !stored.starts_with(&MAGIC) {
            return Ok(stored);
        }
        let id = stored.get(MAGIC.len()..MAGIC.len() + ID_BYTES);
        let nonce = stored
            .get(MAGIC.len() + ID_BYTES..PREFIX_BYTES)
            .and_then(|n| Nonce::try_assume_unique_for_key(n).ok());
        let (Some(id), Some(nonce)) = (id, nonce) else { return Err(Unreadable::Changed) };
        if self.current.is_none() && self.previous.is_empty() {
            return Err(Unreadable::NoKey);
        }
        let key = self.current.iter().chain(&self.previous).find(|key| key.id == *id);
        let key = key.ok_or(Unreadable::OtherKey)?;
        let mut text = stored[PREFIX_BYTES..].to_vec();
        let opened = key.key.open_in_place(nonce, Aad::from(bound(header, &key.id)), &mut text);
        let length = opened.map_err(|_| Unreadable::Changed)?.len();
        text.truncate(length);
        Ok(text.into())
    }
}

impl Key {
    fn load(path: &Path) -> Result<Key, Error> {
        let tried = "read the quarantine's key";
        // One byte more than the longest form with a line end: what is longer is no key.
        let mut text = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(2 * KEY_BYTES as u64 + 16).read_to_end(&mut text))
            .map_err(|error| Error::io(tried, path, error))?;
        let bytes = key_bytes(&text).ok_or_else(|| {
            Error::new(format!(
                "cannot {tried} {}: expected 32 random bytes, or 64 hex digits; `openssl rand -hex 32` makes one",
                path.display()
            ))
        })?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes)
            .map_err(|_| Error::new(format!("cannot use the quarantine's key {}", path.display())))?;
        let mut id = [0; ID_BYTES];
        let named = [b"portcullis quarantine key".as_slice(), &bytes].concat();
        id.copy_from_slice(&digest::digest(&digest::SHA256, &named).as_ref()[..ID_BYTES]);
        Ok(Key { id, key })
    }
}

/// The key of a file: as it is, or in hex with white space around it.
fn key_bytes(text: &[u8]) -> Option<[u8; KEY_BYTES]> {
    if let Ok(bytes) = text.try_into() {
        return Some(bytes);
    }
    let digits = text.trim_ascii();
    let mut out = [0; KEY_BYTES];
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(out)
}

/// What is bound to the ciphertext: all of the header but what follows from the ciphertext itself.
fn bound(header: &Header, id: &[u8; ID_BYTES]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(id);
    out.extend_from_slice(&header.sequence.to_le_bytes());
    out.extend_from_slice(header.tenant.0.as_bytes());
    out.extend_from_slice(&header.time_unix_nano.to_le_bytes());
    out.extend_from_slice(&header.items.to_le_bytes());
    out.extend_from_slice(&header.epoch.to_le_bytes());
    out.extend_from_slice(&[header.signal.code(), header.reason]);
    out
}
