//! What the index is made of: patterns, a table of beginnings, ids, and bitsets before them.

use super::Kind;
use crate::batch::TenantId;

/// One name of one tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pattern {
    /// Where its folded text begins.
    pub at: u32,
    /// The tenant's number.
    pub tenant: u32,
    /// The length of its text, in bytes.
    pub len: u16,
    pub kind: Kind,
    pub form: Form,
    /// The last of those with the same letters.
    pub last: bool,
}

/// What a pattern's rule needs to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// As it is written in the catalogue.
    Full,
    /// A name with its company suffix.
    Suffixed,
    /// A name without the company suffix that it has in the catalogue.
    Stripped,
    /// An ordinary word: it needs something telling beside it.
    Ordinary,
}

/// A set of numbers by their hashes: a no is certain, a yes is likely.
#[derive(Debug, Default)]
pub(super) struct Bits {
    words: Box<[u64]>,
    shift: u32,
}

impl Bits {
    /// Room for `count` numbers at `bits` bits each, in at least 2^10 and at most 2^`log` bits.
    pub fn new(count: usize, bits: usize, log: u32) -> Self {
        let log = (count * bits).next_power_of_two().ilog2().clamp(10, log);
        Bits { words: vec![0; 1 << (log - 6)].into(), shift: 64 - log }
    }

    /// The set of these numbers, as [`Bits::new`]; nothing for none.
    pub fn of(numbers: &[u64], bits: usize, log: u32) -> Self {
        if numbers.is_empty() {
            return Bits::default();
        }
        let mut set = Bits::new(numbers.len(), bits, log);
        numbers.iter().for_each(|number| set.insert(*number));
        set
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn place(&self, number: u64) -> usize {
        (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    pub fn insert(&mut self, number: u64) {
        let place = self.place(number);
        self.words[place / 64] |= 1 << (place % 64);
    }

    #[inline]
    pub fn has(&self, number: u64) -> bool {
        let place = self.place(number);
        self.words.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    pub fn memory(&self) -> usize {
        self.words.len() * 8
    }
}

/// What is known of the letters so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The number of the first pattern that has just these letters.
    pub pattern: Option<u32>,
    /// Whether a longer pattern begins so.
    pub longer: bool,
}

/// Letters (as their hash) to [`Entry`], with linear probing. A hash that is equal by chance is harmless: rules look
/// at the text itself.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The lower half of the hash; the pattern's number, plus one, times two; and whether there is a longer one. 0 is
    /// an empty slot.
    slots: Box<[(u32, u32)]>,
    shift: u32,
}

impl Table {
    /// A table for `count` entries.
    pub fn new(count: usize) -> Self {
        let size = (count + count / 2).next_power_of_two().max(16);
        Table { slots: vec![(0, 0); size].into(), shift: 64 - size.ilog2() }
    }

    pub fn insert(&mut self, hash: u64, entry: Entry) {
        let value = entry.pattern.map_or(0, |number| (number + 1) << 1) | u32::from(entry.longer);
        let mut at = (hash >> self.shift) as usize;
        while self.slots[at].1 != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = (hash as u32, value);
    }

    #[inline]
    pub fn get(&self, hash: u64) -> Option<Entry> {
        let mut at = (hash >> self.shift) as usize;
        loop {
            let &(tag, value) = self.slots.get(at)?;
            if value == 0 {
                return None;
            }
            if tag == hash as u32 {
                return Some(Entry { pattern: (value >> 1).checked_sub(1), longer: value & 1 == 1 });
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    pub fn memory(&self) -> usize {
        self.slots.len() * size_of::<(u32, u32)>()
    }
}

/// The numbers of tenants by their ids.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// The tenant's number plus one; 0 is an empty slot.
    slots: Box<[u32]>,
    shift: u32,
}

impl Ids {
    pub fn new(tenants: &[TenantId]) -> Self {
        let size = (tenants.len() * 2).next_power_of_two().max(16);
        let mut ids = Ids { slots: vec![0; size].into(), shift: 64 - size.ilog2() };
        for (number, tenant) in tenants.iter().enumerate().filter(|(_, tenant)| !tenant.0.is_nil()) {
            let mut at = ids.place(*tenant);
            while ids.slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            ids.slots[at] = number as u32 + 1;
        }
        ids
    }

    fn place(&self, id: TenantId) -> usize {
        let (high, low) = id.0.as_u64_pair();
        ((high ^ low.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    pub fn get(&self, id: TenantId, tenants: &[TenantId]) -> Option<u32> {
        let mut at = self.place(id);
        loop {
            let number = self.slots.get(at)?.checked_sub(1)?;
            if tenants[number as usize] == id {
                return Some(number);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    pub fn memory(&self) -> usize {
        self.slots.len() * 4
    }
}
