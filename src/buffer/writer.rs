//! The one writer of segments: group commit.

use std::{
    io::{self, IoSlice},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    disk::{DiskFile, is_full},
    keeper::Keeper,
    lanes::Entry,
    now_nanos,
    record::{HEADER_BYTES, Header},
    segment::{self, HEAD_BYTES},
    state::{Segment, Shared},
};
use crate::receipt::Refusal;

/// The segment that is written to.
struct Active {
    base: u64,
    file: Arc<dyn DiskFile>,
    salt: u32,
    len: u64,
}

/// Owned by the writer thread.
pub struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    next_sequence: u64,
    keeper: Arc<Mutex<Keeper>>,
}

fn unavailable(message: &str, seconds: u64) -> Refusal {
    Refusal::Unavailable { message: message.into(), retry_after: Duration::from_secs(seconds) }
}

fn refuse(entries: impl IntoIterator<Item = Entry>, refusal: &Refusal) {
    for entry in entries {
        entry.receipt.refuse(refusal.clone());
    }
}

impl Writer {
    /// A writer that goes on with `next_sequence`.
    pub fn new(shared: Arc<Shared>, next_sequence: u64) -> Self {
        let keeper = Arc::new(Mutex::new(Keeper::new(Arc::clone(&shared))));
        Writer { shared, active: None, next_sequence, keeper }
    }

    /// What makes progress durable, for a thread of its own.
    pub fn keeper(&self) -> Arc<Mutex<Keeper>> {
        Arc::clone(&self.keeper)
    }

    /// The thread: until the journal is closed.
    pub fn run(mut self) {
        let _last_words = LastWords(Arc::clone(&self.shared));
        let shared = Arc::clone(&self.shared);
        loop {
            let stop = {
                let mut state = shared.lock();
                loop {
                    if !state.lanes.is_empty() || state.stop || state.pressure {
                        break state.stop && state.lanes.is_empty();
                    }
                    state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            self.write_next();
            if stop || shared.lock().pressure {
                self.keep();
            }
            if stop {
                return;
            }
        }
    }

    /// Writes one group from the lanes. Says whether there was one.
    pub fn write_next(&mut self) -> bool {
        let group = {
            let mut state = self.shared.lock();
            let group = state.lanes.take(self.shared.settings.group_commit_bytes);
            state.writing = !group.is_empty();
            group
        };
        if group.is_empty() {
            return false;
        }
        self.write(group);
        {
            let mut state = self.shared.lock();
            state.writing = false;
            state.groups += 1;
        }
        self.shared.wake_readers();
        true
    }

    fn write(&mut self, mut group: Vec<Entry>) {
        let overhead = HEAD_BYTES;
        let mut fits = self.fitting(&group, overhead);
        if fits < group.len() {
            self.shared.lock().pressure = true;
            self.keep();
            fits = self.fitting(&group, overhead);
        }
        refuse(group.drain(fits..), &unavailable("the gate's disk quota is used up; send again later", 5));
        if group.is_empty() {
            return;
        }
        let now = now_nanos();
        let headers: Vec<Header> = group
            .iter()
            .zip(self.next_sequence..)
            .map(|(entry, sequence)| Header {
                note: entry.note,
                ..Header::of(&entry.batch, sequence, entry.epoch, entry.reason, now)
            })
            .collect();
        let total = headers.iter().map(Header::record_bytes).sum();
        match self.persist(&group, &headers, total) {
            Ok(()) => {
                for entry in group {
                    entry.receipt.accept();
                }
            }
            Err(e) => {
                let refusal = if is_full(&e) {
                    unavailable("the gate's disk is full; send again later", 5)
                } else {
                    unavailable("the gate's disk failed; send again later", 1)
                };
                refuse(group, &refusal);
            }
        }
    }

    /// How many of the group fit into the quota, from the first on.
    fn fitting(&self, group: &[Entry], overhead: u64) -> usize {
        let used = self.shared.lock().disk_bytes;
        let mut room = self.shared.settings.quota_bytes.saturating_sub(used).saturating_sub(overhead);
        let sizes = group.iter().map(|e| ((e.batch.bytes.len() + HEADER_BYTES) as u64, e.urgent));
        sizes
            .take_while(|(size, urgent)| {
                let fits = *urgent || *size <= room;
                room = room.saturating_sub(*size);
                fits
            })
            .count()
    }

    fn persist(&mut self, group: &[Entry], headers: &[Header], total: u64) -> io::Result<()> {
        let limit = self.shared.settings.segment_bytes;
        if self.active.as_ref().is_some_and(|a| a.len > HEAD_BYTES && a.len + total > limit) {
            self.seal();
        }
        let active = match self.active.take() {
            Some(active) => active,
            None => self.begin()?,
        };
        // From here on these sequences may be on the disk: they are never given again.
        self.next_sequence += headers.len() as u64;
        let heads: Vec<_> = headers.iter().map(|h| h.encode(active.salt)).collect();
        let mut parts = Vec::with_capacity(group.len() * 2);
        for (head, entry) in heads.iter().zip(group) {
            parts.push(IoSlice::new(head));
            parts.push(IoSlice::new(&entry.batch.bytes));
        }
        let mut operation = "append";
        let done = active.file.append(&mut parts).and_then(|()| {
            operation = "fsync";
            let begun = Instant::now();
            let done = active.file.sync();
            metrics::histogram!("portcullis_journal_fsync_seconds").record(begun.elapsed().as_secs_f64());
            done
        });
        if let Err(e) = done {
            self.shared.failed(operation, &e);
            self.give_up(active, total);
            return Err(e);
        }
        let mut state = self.shared.lock();
        let state = &mut *state;
        if let Some(segment) = state.segments.get_mut(&active.base) {
            for header in headers {
                segment.add(header);
                *state.tenants.entry(header.tenant).or_default() += header.record_bytes();
            }
            segment.len += total;
            segment.disk_bytes += total;
            state.disk_bytes += total;
        }
        self.active = Some(Active { len: active.len + total, ..active });
        Ok(())
    }

    fn begin(&mut self) -> io::Result<Active> {
        let base = self.next_sequence;
        let (file, salt) = segment::create(&*self.shared.disk, &self.shared.dir, base).inspect_err(|e| {
            self.shared.failed("create", e);
            // What is left of it holds no data; a name that stays is written over or cleared at open.
            let _ = self.shared.disk.remove(&segment::path(&self.shared.dir, base));
        })?;
        let mut state = self.shared.lock();
        state.segments.insert(base, Segment::new(base));
        state.disk_bytes += HEAD_BYTES;
        Ok(Active { base, file, salt, len: HEAD_BYTES })
    }

    /// Leaves a segment whose tail cannot be relied on. What was durable in it stays readable.
    fn give_up(&self, active: Active, tail: u64) {
        // Cutting the tail spares a repetition after a restart; nothing depends on it.
        let cut = active.file.truncate(active.len).is_ok();
        let mut state = self.shared.lock();
        if let Some(segment) = state.segments.get_mut(&active.base) {
            segment.sealed = true;
            if !cut {
                segment.disk_bytes += tail;
                state.disk_bytes += tail;
            }
        }
    }

    fn seal(&mut self) {
        if let Some(active) = self.active.take()
            && let Some(segment) = self.shared.lock().segments.get_mut(&active.base)
        {
            segment.sealed = true;
        }
    }

    /// Makes the readers' progress durable and removes what all are past; where somebody needs the
    /// room, out of the active segment too. Says whether all cursors are durable.
    pub fn keep(&mut self) -> bool {
        let keeper = Arc::clone(&self.keeper);
        let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let all = keeper.write_cursors();
        self.seal_spent();
        keeper.remove_consumed();
        all
    }

    /// Consumed records in the active segment take room only until somebody needs it.
    fn seal_spent(&mut self) {
        let mut state = self.shared.lock();
        let wanted = std::mem::take(&mut state.pressure) || state.stop;
        let consumed = state.consumed();
        if wanted
            && let Some(base) = self.active.as_ref().map(|a| a.base)
            && let Some(segment) = state.segments.get_mut(&base)
            && segment.len > HEAD_BYTES
            && segment.last <= consumed
        {
            segment.sealed = true;
            self.active = None;
        }
    }
}

/// Says that the writer is gone, however it went, so that nobody waits for it.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        let left = {
            let mut state = self.0.lock();
            state.draining = true;
            state.stopped = true;
            state.writing = false;
            state.lanes.take(usize::MAX)
        };
        refuse(left, &unavailable("the gate is stopping; send again later", 1));
        self.0.wake_readers();
    }
}
