//! What is kept: items, and which of them are meant.

use std::{io, ops::AddAssign};

use super::{
    Reason, Unreadable,
    store::{Store, open},
};
use crate::{
    batch::{Batch, Clean, Signal, TenantId},
    buffer::{
        record::Header,
        segment::{Scanner, Step},
    },
};

/// Names one item, also for another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId {
    sequence: u64,
    time_unix_nano: u64,
}

/// One rejected batch.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its name.
    pub id: ItemId,
    /// Why it was rejected.
    pub reason: Reason,
    /// When, in unix nanoseconds.
    pub time_unix_nano: u64,
    /// The policy it was held against.
    pub epoch: u32,
    /// The data, scrubbed; its tenant is [`TenantId::NONE`] where none was well formed.
    pub batch: Batch<Clean>,
}

/// What is kept of one tenant, reason and signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// As it was declared; [`TenantId::NONE`] where it was not well formed.
    pub tenant: TenantId,
    /// Why it was rejected.
    pub reason: Reason,
    /// Of which signal.
    pub signal: Signal,
    /// Batches.
    pub batches: u64,
    /// Log records, spans, data points.
    pub items: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When the oldest was rejected, in unix nanoseconds.
    pub first_unix_nano: u64,
    /// When the newest was rejected, in unix nanoseconds.
    pub last_unix_nano: u64,
}

/// Which items are meant; a part that is none means any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// This tenant, as declared.
    pub tenant: Option<TenantId>,
    /// This reason.
    pub reason: Option<Reason>,
    /// This signal.
    pub signal: Option<Signal>,
    /// Rejected before this time, in unix nanoseconds.
    pub before_unix_nano: Option<u64>,
    /// Rejected at this time or after, in unix nanoseconds.
    pub since_unix_nano: Option<u64>,
}

impl Filter {
    pub(super) fn matches(&self, header: &Header) -> bool {
        self.tenant.is_none_or(|t| t == header.tenant)
            && self.reason.is_none_or(|r| r == Reason::from_code(header.reason))
            && self.signal.is_none_or(|s| s == header.signal)
            && self.before_unix_nano.is_none_or(|t| header.time_unix_nano < t)
            && self.since_unix_nano.is_none_or(|t| header.time_unix_nano >= t)
    }
}

pub(super) fn id_of(header: &Header) -> ItemId {
    ItemId { sequence: header.sequence, time_unix_nano: header.time_unix_nano }
}

/// Records that were asked for and cannot be read, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    counts: [u64; 3],
}

impl Unread {
    const REASONS: [Unreadable; 3] = [Unreadable::NoKey, Unreadable::OtherKey, Unreadable::Changed];

    fn count(&mut self, reason: Unreadable) {
        self.counts[reason as usize] += 1;
    }

    /// All of them, in batches.
    pub fn batches(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each reason that there is, with its batches.
    pub fn reasons(&self) -> impl Iterator<Item = (Unreadable, u64)> {
        Unread::REASONS.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }
}

impl AddAssign for Unread {
    fn add_assign(&mut self, other: Unread) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, more)| *sum += more);
    }
}

/// Items one after the other; see [`Store::iter`].
pub struct Items<'a> {
    store: &'a Store,
    filter: Filter,
    bases: std::vec::IntoIter<u64>,
    scanner: Option<(Scanner, u64)>,
    unread: Unread,
}

impl<'a> Items<'a> {
    pub(super) fn new(store: &'a Store, filter: Filter, bases: Vec<u64>) -> Self {
        Items { store, filter, bases: bases.into_iter(), scanner: None, unread: Unread::default() }
    }

    /// What was passed over so far because it cannot be decrypted.
    pub fn unread(&self) -> Unread {
        self.unread
    }

    fn step(&mut self) -> io::Result<Option<Item>> {
        loop {
            let Some((scanner, size)) = &mut self.scanner else {
                let Some(base) = self.bases.next() else { return Ok(None) };
                if let Some(scanner) = open(&*self.store.disk, &self.store.dir, base)? {
                    let size = scanner.file().size()?;
                    self.scanner = Some((scanner, size));
                }
                continue;
            };
            match scanner.peek(*size)? {
                Step::End => self.scanner = None,
                Step::Damaged { to, .. } => scanner.pass_to(to),
                Step::Record(header) => {
                    let wanted = self.filter.matches(&header);
                    let payload = wanted.then(|| scanner.payload(&header)).transpose()?;
                    scanner.pass(&header);
                    let Some(stored) = payload.filter(|p| header.holds(p)) else { continue };
                    match self.store.keys.open(&header, stored) {
                        Err(why) => self.unread.count(why),
                        Ok(payload) => {
                            let batch = Batch::clean(header.signal, header.tenant, header.items, payload);
                            return Ok(Some(Item {
                                id: id_of(&header),
                                reason: Reason::from_code(header.reason),
                                time_unix_nano: header.time_unix_nano,
                                epoch: header.epoch,
                                batch,
                            }));
                        }
                    }
                }
            }
        }
    }
}

impl Iterator for Items<'_> {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            // An error ends it, so that nobody turns on the same place for ever.
            self.scanner = None;
            self.bases = Vec::new().into_iter();
        }
        step.transpose()
    }
}
