//! One destination's view of the journal: every durable record, in order, at least once.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    note::Accounting,
    record::Header,
    segment::{Scanner, Step},
    state::Shared,
};
use crate::{
    batch::{Batch, Clean},
    limits,
};

/// A record as it was accepted.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place in the order; what [`Reader::commit`] and [`Reader::done`] want.
    pub sequence: u64,
    /// The policy it was held against.
    pub epoch: u32,
    /// When it was accepted, in unix nanoseconds.
    pub time_unix_nano: u64,
    /// What is counted of it.
    pub accounting: Accounting,
    /// The data.
    pub batch: Batch<Clean>,
}

/// Reads for one destination. Progress survives a restart when the journal has made it durable
/// (every `cursor_interval`, and when it closes); what came after is read again.
pub struct Reader {
    shared: Arc<Shared>,
    name: String,
    scanner: Option<Scanner>,
    /// The last sequence passed, read or not.
    pub(super) position: u64,
    last_time: u64,
    /// Handed out and not done with: bytes and time by sequence.
    outstanding: BTreeMap<u64, (u64, u64)>,
    changes: watch::Receiver<u64>,
    /// Failed attempts to read this place.
    attempts: u32,
    failing_since: Option<Instant>,
    pub(super) patience: Duration,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, name: String, position: u64) -> Self {
        let changes = shared.durable.subscribe();
        let outstanding = BTreeMap::new();
        Reader {
            shared,
            name,
            scanner: None,
            position,
            last_time: 0,
            outstanding,
            changes,
            attempts: 0,
            failing_since: None,
            patience: limits::READ_PATIENCE,
        }
    }

    /// The destination's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next record that is durable now, if there is one.
    pub fn try_next(&mut self) -> Option<Record> {
        self.try_next_matching(|_| true)
    }

    /// The next durable record whose header matches. Payloads of the others are not read, and they
    /// count as done.
    pub fn try_next_matching(&mut self, matches: impl Fn(&Header) -> bool) -> Option<Record> {
        if self.outstanding.len() >= limits::OUTSTANDING_RECORDS {
            return None;
        }
        let before = self.position;
        let found = self.advance(&matches).unwrap_or_else(|e| {
            self.read_failed(&e);
            None
        });
        if let Some(record) = &found {
            let bytes = record.batch.bytes.len() as u64;
            self.outstanding.insert(record.sequence, (bytes, record.time_unix_nano));
            self.note(record.sequence, true);
        }
        if self.position != before {
            self.publish();
        }
        found
    }

    /// Waits up to `timeout` for the next record, on a plain thread.
    pub fn next(&mut self, timeout: Duration) -> Option<Record> {
        self.next_matching(timeout, |_| true)
    }

    /// Waits up to `timeout` for the next record whose header matches, on a plain thread.
    pub fn next_matching(&mut self, timeout: Duration, matches: impl Fn(&Header) -> bool) -> Option<Record> {
        let deadline = super::deadline(timeout);
        loop {
            let seen = *self.changes.borrow_and_update();
            if let Some(record) = self.try_next_matching(&matches) {
                return Some(record);
            }
            let mut state = self.shared.lock();
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() || (state.stopped && self.attempts == 0) {
                    return None;
                }
                // A place that could not be read is tried again soon.
                let left = if self.attempts > 0 { left.min(self.pause()) } else { left };
                if *self.shared.durable.borrow() != seen {
                    break;
                }
                let woken = self.shared.progress.wait_timeout(state, left);
                let (next, timed_out) = woken.unwrap_or_else(|e| e.into_inner());
                state = next;
                if timed_out.timed_out() && self.attempts > 0 {
                    break;
                }
            }
        }
    }

    /// Waits for the next record, in a task. None when the journal takes nothing more in and all is
    /// read. Dropping the future loses nothing.
    ///
    /// The read itself is done in place: it is one copy out of the page cache, mostly.
    pub async fn recv(&mut self) -> Option<Record> {
        self.recv_matching(|_| true).await
    }

    /// Waits for the next record whose header matches, in a task; see [`Reader::recv`].
    pub async fn recv_matching(&mut self, matches: impl Fn(&Header) -> bool) -> Option<Record> {
        loop {
            self.changes.mark_unchanged();
            let drained = self.drained();
            if let Some(record) = self.try_next_matching(&matches) {
                return Some(record);
            }
            if self.attempts > 0 {
                tokio::time::sleep(self.pause()).await;
            } else if drained || self.changes.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Nothing will become durable any more.
    fn drained(&self) -> bool {
        let state = self.shared.lock();
        state.draining && state.lanes.is_empty() && !state.writing
    }

    /// Everything up to and with `sequence` is done with.
    pub fn commit(&mut self, sequence: u64) {
        self.outstanding = match sequence.checked_add(1) {
            Some(next) => self.outstanding.split_off(&next),
            None => BTreeMap::new(),
        };
        self.publish();
    }

    /// This one record is done with, in whatever order; progress is made up to the oldest that is not.
    pub fn done(&mut self, sequence: u64) {
        self.outstanding.remove(&sequence);
        self.publish();
    }

    /// Records handed out and not done with.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Goes back to the oldest record that is not done with; it and all after it are read again.
    pub fn rewind(&mut self) {
        self.scanner = None;
        self.position = self.settled();
        self.outstanding.clear();
        if let Some(progress) = self.shared.lock().readers.get_mut(&self.name)
            && let Some(fates) = &mut progress.fates
        {
            fates.rewind(self.position);
        }
        self.publish();
    }

    /// Tells whoever counts that a record was for this reader, and whether its data was sound.
    fn note(&self, sequence: u64, sound: bool) {
        let mut state = self.shared.lock();
        if let Some(fates) = state.readers.get_mut(&self.name).and_then(|progress| progress.fates.as_mut()) {
            fates.note(sequence, sound);
        }
    }

    /// Everything up to here is done with, though perhaps not durably.
    pub fn settled(&self) -> u64 {
        self.outstanding.first_key_value().map_or(self.position, |(first, _)| first.saturating_sub(1))
    }

    fn publish(&self) {
        let settled = self.settled();
        let mut state = self.shared.lock();
        let place = match &self.scanner {
            Some(scanner) => (scanner.base(), scanner.offset()),
            None => state.place_after(self.position),
        };
        let Some(progress) = state.readers.get_mut(&self.name) else { return };
        progress.place = place;
        progress.done = progress.done.max(settled);
        progress.last_time = self.last_time;
        progress.outstanding_bytes = self.outstanding.values().map(|(bytes, _)| bytes).sum();
        progress.outstanding_time = self.outstanding.first_key_value().map(|(_, (_, time))| *time);
    }

    /// The segment to read now, how far, and whether it is final: the one at hand, or the first that
    /// has something new.
    fn segment(&self) -> Option<(u64, u64, bool, u64)> {
        let state = self.shared.lock();
        let (base, segment) = match &self.scanner {
            Some(scanner) => state.segments.get_key_value(&scanner.base())?,
            None => state.segments.iter().find(|(_, s)| s.last > self.position)?,
        };
        Some((*base, segment.len, segment.sealed, segment.last))
    }

    fn advance(&mut self, matches: &impl Fn(&Header) -> bool) -> io::Result<Option<Record>> {
        loop {
            let Some((base, limit, sealed, last)) = self.segment() else {
                // Removed under a reader that is past it.
                if self.scanner.take().is_none() {
                    return Ok(None);
                }
                continue;
            };
            let mut scanner = match self.scanner.take() {
                Some(scanner) => scanner,
                None => match Scanner::open(&*self.shared.disk, &self.shared.dir, base) {
                    Ok(Some(scanner)) => scanner,
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                    // Its head is destroyed, or somebody has taken the file away.
                    Ok(None) | Err(_) => {
                        self.shared.damaged(base, 0, |_| Vec::new());
                        self.position = last;
                        continue;
                    }
                },
            };
            let step = self.step(&mut scanner, limit, matches);
            if !matches!(step, Ok(Stride::End)) || !sealed {
                self.scanner = Some(scanner);
            } else {
                self.position = self.position.max(last);
            }
            match step? {
                Stride::Found(record) => {
                    self.read_well();
                    return Ok(Some(record));
                }
                Stride::Passed => self.read_well(),
                Stride::End if sealed => {}
                Stride::End => return Ok(None),
            }
        }
    }

    fn step(
        &mut self,
        scanner: &mut Scanner,
        limit: u64,
        matches: &impl Fn(&Header) -> bool,
    ) -> io::Result<Stride> {
        let base = scanner.base();
        match scanner.peek(limit)? {
            Step::End => Ok(Stride::End),
            Step::Damaged { from, to } => {
                self.shared.damaged(base, from, |max| scanner.raw(from, to, max));
                scanner.pass_to(to);
                Ok(Stride::Passed)
            }
            Step::Record(header) => {
                let wanted = header.is_data() && header.sequence > self.position && matches(&header);
                let mut found = None;
                if wanted {
                    let from = scanner.offset();
                    found = header.batch(scanner.payload(&header)?);
                    if found.is_none() && !erased_since(scanner, limit)? {
                        let to = from + header.record_bytes();
                        self.shared.damaged(base, from, |max| scanner.raw(from, to, max));
                        self.note(header.sequence, false);
                    }
                }
                scanner.pass(&header);
                self.position = self.position.max(header.sequence);
                self.last_time = header.time_unix_nano;
                Ok(found.map_or(Stride::Passed, |batch| {
                    Stride::Found(Record {
                        sequence: header.sequence,
                        epoch: header.epoch,
                        time_unix_nano: header.time_unix_nano,
                        accounting: Accounting::unpack(header.note),
                        batch,
                    })
                }))
            }
        }
    }

    /// A place that the disk cannot read, again and again over a long time, is taken as damaged, so
    /// that one bad sector does not stop a destination for ever. A file that cannot be opened is not
    /// given up: that is a shortage of something, not a damage.
    fn read_failed(&mut self, error: &io::Error) {
        self.shared.failed("read", error);
        self.attempts += 1;
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if self.attempts < limits::READ_ATTEMPTS || since.elapsed() < self.patience {
            return;
        }
        if let Some(scanner) = &mut self.scanner {
            let limit = self.shared.lock().segments.get(&scanner.base()).map_or(0, |s| s.len);
            self.shared.damaged(scanner.base(), scanner.offset(), |_| Vec::new());
            scanner.pass_sector(limit);
            self.read_well();
        }
    }

    fn read_well(&mut self) {
        self.attempts = 0;
        self.failing_since = None;
    }

    /// How long to wait before a place that could not be read is tried again.
    fn pause(&self) -> Duration {
        Duration::from_millis(10 << self.attempts.min(7))
    }
}

/// Whether the record at this place became a mark since its header was read.
fn erased_since(scanner: &mut Scanner, limit: u64) -> io::Result<bool> {
    scanner.look_again();
    Ok(matches!(scanner.peek(limit)?, Step::Record(header) if !header.is_data()))
}

enum Stride {
    Found(Record),
    Passed,
    End,
}

impl Drop for Reader {
    /// What was handed out and is not done with is read again by the next reader of this name.
    fn drop(&mut self) {
        self.rewind();
        if let Some(progress) = self.shared.lock().readers.get_mut(&self.name) {
            progress.taken = false;
        }
    }
}
