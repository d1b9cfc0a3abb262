//! People's sentences in a field that no rule knows: found by habit, while data passes.
//!
//! Of every field (service and key) a worker looks at the first texts, and at one of sixteen from then on. A sentence
//! is one by its small words ([`super::prose`]); it is *new* if the order of its small words was not seen in that
//! field before. A program says the same few sentences over and over, so most of its sentences are soon known; most
//! of what people write is new.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Scrubber,
    prose::{self, Prose},
};
use crate::limits;

/// Sentences from which a field's own are learned, before any counts as new.
const LEARNED: u32 = 24;
/// New sentences that make a field one that people write in, if they are half of its sentences since.
const NEW: u32 = 12;
/// They must also be one in this many of the texts that were looked at.
const RARE: u32 = 50;
/// Texts of a field after which what was counted weighs half.
const WINDOW: u32 = 512;
/// Texts of a field that are looked at without exception.
const FIRST: u32 = 512;
/// From then on, one text in this many is, by chance: texts come in patterns.
const EVERY: u32 = 16;
/// Sentences that are remembered of one field, by the order of their small words.
const SENTENCES: usize = 256;

/// The fields that people write in, as all workers of a process know them.
#[derive(Debug, Default)]
pub struct ContentFields {
    /// Counts up with each field.
    version: AtomicU64,
    fields: Mutex<HashSet<u64>>,
}

impl ContentFields {
    /// Adds a field; whether nobody had added it before.
    fn add(&self, field: u64) -> bool {
        let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        let new = fields.len() < limits::CONTENT_FIELDS && fields.insert(field);
        if new {
            self.version.fetch_add(1, Ordering::Release);
        }
        new
    }
}

/// A field that people write in, found just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentField {
    /// The service.
    pub service: String,
    /// The attribute's key, or `body`.
    pub key: String,
}

/// What was seen in one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentSeen {
    /// Fields that were found just now.
    pub found: Vec<ContentField>,
    /// Sentences in fields that were found before, or just now.
    pub sentences: u64,
}

/// What one worker knows of fields.
#[derive(Default)]
pub(super) struct Watch {
    /// What all workers know; nothing for one that works alone.
    pub shared: Option<Arc<ContentFields>>,
    version: u64,
    fields: HashMap<u64, Field, foldhash::fast::FixedState>,
    hasher: foldhash::fast::FixedState,
    /// The service that is being read.
    service: String,
    pub seen: ContentSeen,
    /// The text that was looked at last, if it was a sentence: the order of its small words.
    pub sentence: Option<u64>,
}

/// What one worker knows of one field.
struct Field {
    /// Whether people write in it.
    content: bool,
    texts: u32,
    /// A number as if by chance.
    chance: u32,
    /// Texts that were looked at in this window.
    looked_at: u32,
    /// Sentences, in all.
    sentences: u32,
    /// Of those after the first [`LEARNED`]: how many, and how many of them were new.
    later: u32,
    new: u32,
    known: Box<[u32; SENTENCES]>,
}

impl Default for Field {
    fn default() -> Self {
        let known = Box::new([0; SENTENCES]);
        Field { content: false, texts: 0, chance: 0, looked_at: 0, sentences: 0, later: 0, new: 0, known }
    }
}

impl Field {
    /// Whether the next text is to be looked at.
    fn is_due(&mut self) -> bool {
        self.texts = self.texts.saturating_add(1);
        self.chance = self.chance.wrapping_mul(0x9E37_79B1).wrapping_add(0x85EB_CA77);
        self.content || self.texts <= FIRST || self.chance < u32::MAX / EVERY
    }

    /// Takes a text into account; whether people write in this field.
    fn add(&mut self, sentence: Option<u64>) -> bool {
        self.looked_at += 1;
        if self.looked_at >= WINDOW {
            self.looked_at /= 2;
            self.later /= 2;
            self.new /= 2;
        }
        let Some(order) = sentence else { return false };
        let slot = &mut self.known[order as usize % SENTENCES];
        let new = *slot != (order >> 32) as u32;
        *slot = (order >> 32) as u32;
        self.sentences = self.sentences.saturating_add(1);
        if self.sentences <= LEARNED {
            return false;
        }
        self.later += 1;
        self.new += u32::from(new);
        self.new >= NEW && self.new * 2 >= self.later && self.new * RARE >= self.looked_at
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

impl Watch {
    /// A batch begins: takes over what other workers found.
    pub fn begin(&mut self) {
        self.service.clear();
        let Some(all) = &self.shared else { return };
        let version = all.version.load(Ordering::Acquire);
        if version != self.version {
            self.version = version;
            let shared = all.fields.lock().unwrap_or_else(PoisonError::into_inner);
            for field in shared.iter() {
                self.fields.entry(*field).or_default().content = true;
            }
        }
    }

    /// From here on it is this service's data; empty for one that has not said its name.
    pub fn service(&mut self, name: &str) {
        self.service.clear();
        self.service.push_str(prose::start(name, limits::SERVICE_NAME_BYTES));
    }

    /// Looks at a text of a field: whether it is a sentence, and in a field that people write in.
    pub fn look(&mut self, key: &str, text: &str) -> bool {
        self.sentence = None;
        if !prose::may_be(text) {
            return false;
        }
        let id = self.hasher.hash_one((self.service.as_str(), key));
        if self.fields.len() >= limits::CONTENT_WATCHED && !self.fields.contains_key(&id) {
            // Those that are known to be content stay: they are few.
            self.fields.retain(|_, field| field.content);
        }
        let field = self.fields.entry(id).or_default();
        if !field.is_due() {
            return false;
        }
        let sentence = match prose::read(text) {
            Prose::No => None,
            Prose::Yes(order) => Some(order),
        };
        self.sentence = sentence;
        if !field.content && field.add(sentence) {
            field.content = true;
            if self.shared.as_ref().is_none_or(|shared| shared.add(id)) {
                self.seen.found.push(ContentField { service: self.service.clone(), key: key.to_owned() });
            }
        }
        let content = field.content && sentence.is_some();
        self.seen.sentences += u64::from(content);
        content
    }
}

impl Scrubber {
    /// A field's names without personal data. Whoever shows them sees to it that they are plain and short.
    pub(super) fn shown(&self, field: ContentField) -> ContentField {
        let name = |name: &str| self.scrub(name).into_owned();
        ContentField { service: name(&field.service), key: name(&field.key) }
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
