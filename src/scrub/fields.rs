//! Which fields carry personal data: of each field (service and key) how many texts held none since the last one
//! that did. Nothing is told of a batch without personal data; with the next find in a field comes what was clean
//! before it, so that whoever listens knows the field's share.

use std::{collections::HashMap, hash::BuildHasher, sync::LazyLock};

use super::{Engine, Scratch, Tally, prose, scan::Source};
use crate::{
    limits,
    wire::{Leaf, Msg},
};

/// No item: a text of a resource or a scope.
pub(super) const NO_ITEM: u32 = u32::MAX;
/// Values, and sentences, of one field in one batch that are told apart.
pub const APART: usize = 4;

/// Tells values apart, for this process alone and with a secret: they can be guessed.
static VALUES: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);

/// What stood in one field since it was last told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSeen {
    /// The service; empty for one that has not said its name.
    pub service: String,
    /// The attribute's key, or `body`; empty if the key itself may not be shown.
    pub field: String,
    /// Texts without anything personal.
    pub clean: u32,
    /// Records with something personal, in this batch.
    pub found: u32,
    /// Different values, by hashes under a key of this process; 0 for none.
    pub values: [u32; APART],
    /// People's sentences by the order of their small words, in this batch; 0 for none.
    pub sentences: [u32; APART],
    /// The trace of the last of the records; zero for none.
    pub trace: [u8; 16],
    /// The field, to find it again in this batch.
    id: u64,
    /// The last record that counted.
    item: u32,
}

/// What stands in a text.
#[derive(Debug, Clone, Copy)]
enum What {
    Value(u32),
    Sentence(u32),
}

/// An item of the batch.
#[derive(Debug, Clone, Copy)]
struct Item {
    trace: [u8; 16],
    /// Where the service's name begins and ends in `services`.
    service: (u32, u32),
}

/// What a worker knows of fields, and of the batch that it is at.
#[derive(Default)]
pub(super) struct Fields {
    clean: HashMap<u64, u32, foldhash::fast::FixedState>,
    hasher: foldhash::fast::FixedState,
    items: Vec<Item>,
    services: String,
    service: (u32, u32),
    of_service: u64,
    /// Whether an item of this resource has begun.
    within: bool,
    /// Texts that are sentences: their number and the order of their small words.
    sentences: Vec<(u32, u32)>,
}

impl Fields {
    /// A batch begins.
    pub fn begin(&mut self) {
        self.items.clear();
        self.services.clear();
        self.sentences.clear();
        self.group();
    }

    /// A resource begins.
    pub fn group(&mut self) {
        let end = self.services.len() as u32;
        self.service = (end, end);
        self.of_service = 0;
        self.within = false;
    }

    /// Its service says its name.
    pub fn service(&mut self, name: &str) {
        let start = self.services.len() as u32;
        self.services.push_str(prose::start(name, limits::SERVICE_NAME_BYTES));
        self.service = (start, self.services.len() as u32);
        self.of_service = self.hasher.hash_one(name);
    }

    /// An item begins.
    pub fn item(&mut self) {
        self.within = true;
        self.items.push(Item { trace: [0; 16], service: self.service });
    }

    /// An id: of the item's trace, it may be.
    pub fn id(&mut self, id: &[u8], at: &Leaf<'_>) {
        let is_trace = matches!((at.message, at.field), (Msg::LogRecord, 9) | (Msg::Span, 1));
        if let (true, Some(item), Ok(id)) = (is_trace, self.items.last_mut(), id.try_into()) {
            item.trace = id;
        }
    }

    /// The number of the item that is being read.
    pub fn at(&self) -> u32 {
        if self.within { self.items.len() as u32 - 1 } else { NO_ITEM }
    }

    /// Counts a text under `key` as clean, for now. Gives the field's id.
    #[inline]
    pub fn text(&mut self, key: &str) -> u64 {
        let id = self.hasher.hash_one((self.of_service, key));
        if self.clean.len() >= limits::FIELDS_COUNTED && !self.clean.contains_key(&id) {
            self.clean.clear();
        }
        let count = self.clean.entry(id).or_default();
        *count = count.saturating_add(1);
        id
    }

    /// The text that comes next is a sentence.
    pub fn sentence(&mut self, text: usize, order: u64) {
        if self.sentences.len() < limits::FIELDS_TOLD {
            self.sentences.push((text as u32, (order as u32).max(1)));
        }
    }

    /// Tells of text `number`, which stands in `item` and under `key`.
    fn tell(&mut self, tally: &mut Tally, (item, id): (u32, u64), key: &str, what: What) {
        let Some(Item { trace, service }) = self.items.get(item as usize).copied() else { return };
        let told = &mut tally.personal;
        let known = told.iter().position(|seen| seen.id == id);
        let place = match known {
            Some(place) => place,
            None if told.len() >= limits::FIELDS_TOLD => return,
            None => {
                let service = &self.services[service.0 as usize..service.1 as usize];
                let clean = self.clean.insert(id, 0).unwrap_or(0);
                told.push(FieldSeen {
                    service: service.to_owned(),
                    field: key.to_owned(),
                    clean,
                    id,
                    item: NO_ITEM,
                    ..FieldSeen::default()
                });
                told.len() - 1
            }
        };
        let seen = &mut told[place];
        let (list, hash) = match what {
            What::Value(hash) => (&mut seen.values, hash),
            What::Sentence(order) => (&mut seen.sentences, order),
        };
        if let Some(free) = list.iter_mut().find(|slot| **slot == 0 || **slot == hash) {
            *free = hash;
        }
        if let What::Sentence(_) = what {
            if trace != [0; 16] && seen.found == 0 {
                seen.trace = trace;
            }
            return;
        }
        seen.clean = seen.clean.saturating_sub(1);
        if seen.item != item {
            (seen.item, seen.found) = (item, seen.found + 1);
            seen.trace = if trace == [0; 16] { seen.trace } else { trace };
        }
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields").field("fields", &self.clean.len()).finish_non_exhaustive()
    }
}

/// Whether values of this type are a person's: no secrets, no addresses of machines, no places.
pub(super) fn is_personal(kind: &str) -> bool {
    const OTHERS: [&str; 7] =
        ["IP_ADDRESS", "MAC", "COORDINATES", "CRYPTO", "CONTENT", "URL_CREDENTIAL", "URL_SIGNATURE"];
    !kind.starts_with("SECRET") && !OTHERS.contains(&kind)
}

impl Engine {
    /// Whether a find says that a person's data stands there. A key that names a person says nothing of its value.
    fn is_personal(&self, source: Source) -> bool {
        let kind = usize::from(self.kind(source));
        let by_name = matches!(source, Source::Key(_)) && self.kinds[kind] == "PERSON";
        source != Source::Prose && !by_name && self.personal[kind]
    }

    /// Tells which fields of this batch carry personal data. `origin` gives item and field of a text.
    pub(super) fn personal(
        &self,
        scratch: &Scratch,
        fields: &mut Fields,
        tally: &mut Tally,
        origin: impl Fn(u32) -> Option<(u32, u64)>,
        may_be_shown: impl Fn(&[u8]) -> bool,
    ) {
        let mut tell = |fields: &mut Fields, text: u32, what: What| {
            let Some(origin) = origin(text) else { return };
            let key = match scratch.key_of(text) {
                b"" => "body",
                key if may_be_shown(key) => std::str::from_utf8(key).unwrap_or_default(),
                _ => "",
            };
            fields.tell(tally, origin, key, what);
        };
        let mut last = None;
        for find in scratch.finds.iter().chain(&scratch.apart) {
            if self.is_personal(find.source) && last != Some(find.text) {
                last = Some(find.text);
                let text = scratch.text(find.text);
                let value = text.get(find.start as usize..find.end as usize).unwrap_or_default();
                tell(fields, find.text, What::Value((VALUES.hash_one(value) as u32).max(1)));
            }
        }
        let sentences = std::mem::take(&mut fields.sentences);
        sentences.iter().for_each(|(text, order)| tell(fields, *text, What::Sentence(*order)));
        fields.sentences = sentences;
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
