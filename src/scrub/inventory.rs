//! What is in a stream: the fields of each service, what the rules find in them, how often, and what to do.

use std::collections::{BTreeMap, HashMap};

use super::{
    Scratch, Scrubber, Tally, keys,
    prose::{self, Habit},
};
use crate::limits;

/// One field of one service.
#[derive(Debug, Clone, Default)]
pub struct Field {
    /// Values seen.
    pub values: u64,
    /// How many of them held each type.
    pub types: BTreeMap<String, u64>,
    /// How many of them were one found value and nothing else.
    pub whole: u64,
    /// Whether its texts read like prose and differ.
    pub habit: Habit,
}

/// What to do with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proposal {
    /// Nothing is found in it: let it pass (it is still scrubbed).
    Allow,
    /// Values in it are found: they are replaced.
    Redact,
    /// People write in it: name it in `scrub.content_keys`.
    Content,
    /// It hardly ever holds anything but personal data or secrets: leave it out.
    Drop,
}

impl Proposal {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Proposal::Allow => "allow",
            Proposal::Redact => "redact",
            Proposal::Content => "content",
            Proposal::Drop => "drop",
        }
    }
}

impl Field {
    /// What to do with it.
    pub fn proposal(&self) -> Proposal {
        if self.habit.is_content() {
            Proposal::Content
        } else if self.values >= 10 && self.whole * 10 >= self.values * 9 {
            Proposal::Drop
        } else if self.types.is_empty() {
            Proposal::Allow
        } else {
            Proposal::Redact
        }
    }
}

/// Fields by service and path, in order.
#[derive(Debug)]
pub struct Inventory<'s> {
    scrubber: &'s Scrubber,
    scratch: Scratch,
    tally: Tally,
    /// Names as they came, and as they may be shown.
    names: HashMap<String, String>,
    /// What was seen.
    pub fields: BTreeMap<(String, String), Field>,
    /// Records of each service.
    pub records: BTreeMap<String, u64>,
    /// Values of fields beyond [`limits::INVENTORY_FIELDS`].
    pub left_out: u64,
}

impl<'s> Inventory<'s> {
    /// Nothing seen yet.
    pub fn new(scrubber: &'s Scrubber) -> Self {
        Inventory {
            scrubber,
            scratch: Scratch::default(),
            tally: Tally::default(),
            names: HashMap::new(),
            fields: BTreeMap::new(),
            records: BTreeMap::new(),
            left_out: 0,
        }
    }

    /// Counts a record of a service.
    pub fn record(&mut self, service: &str) {
        if let Some(records) = self.records.get_mut(service) {
            *records += 1;
        } else if self.records.len() < limits::INVENTORY_FIELDS {
            let name = self.name(service);
            *self.records.entry(name).or_default() += 1;
        }
    }

    /// Takes one value into account; `path` is the field's, `key` the name that it stands under.
    pub fn add(&mut self, service: &str, path: &str, key: &str, value: &str) {
        let place = (self.name(service), self.name(path));
        if self.fields.len() >= limits::INVENTORY_FIELDS && !self.fields.contains_key(&place) {
            self.left_out += 1;
            return;
        }
        let clean = self.scrubber.scrub_with(&mut self.scratch, value, key, None, Some(&mut self.tally));
        let field = self.fields.entry(place).or_default();
        field.values += 1;
        for (kind, _, _) in self.tally.drain(self.scrubber) {
            *field.types.entry(kind.to_owned()).or_default() += 1;
        }
        field.whole += u64::from(keys::is_replaced(clean.as_bytes()));
        field.habit.add(value);
    }

    /// A name as it may be shown: names, too, hold personal data at times.
    fn name(&mut self, text: &str) -> String {
        if let Some(shown) = self.names.get(text) {
            return shown.clone();
        }
        let shown = self.scrubber.scrub(prose::start(text, limits::INVENTORY_NAME_BYTES)).into_owned();
        if self.names.len() < 2 * limits::INVENTORY_FIELDS && text.len() <= limits::INVENTORY_NAME_BYTES {
            self.names.insert(text.to_owned(), shown.clone());
        }
        shown
    }
}
