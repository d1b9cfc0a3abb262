//! The one writer: group commit, cursors, and the removal of what everybody is done with.

use std::{
    io::{self, IoSlice},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    cursor,
    disk::{DiskFile, is_full},
    lanes::Entry,
    now_nanos,
    record::{HEADER_BYTES, Header},
    segment::{self, HEAD_BYTES},
    state::{Segment, Shared},
};
use crate::{limits, receipt::Refusal};

/// The faulty disk of the tests is small.
const RESERVE_BYTES: usize = if cfg!(test) { 4096 } else { limits::DISK_RESERVE_BYTES };

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
    /// Whether the space for a full disk is held back.
    reserved: bool,
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
        let mut writer = Writer { shared, active: None, next_sequence, reserved: false };
        writer.reserve();
        writer
    }

    /// The thread: until the journal is closed.
    pub fn run(mut self) {
        let _last_words = LastWords(Arc::clone(&self.shared));
        let shared = Arc::clone(&self.shared);
        let interval = shared.settings.cursor_interval;
        let mut due = Instant::now() + interval;
        loop {
            let stop = {
                let mut state = shared.lock();
                loop {
                    let left = due.saturating_duration_since(Instant::now());
                    if !state.lanes.is_empty() || state.stop || state.pressure || left.is_zero() {
                        break state.stop && state.lanes.is_empty();
                    }
                    state = shared.work.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |r| r.0);
                }
            };
            self.write_next();
            if stop || due <= Instant::now() || shared.lock().pressure {
                self.keep();
                due = Instant::now() + interval;
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
        self.shared.lock().writing = false;
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
            .map(|(entry, sequence)| Header::of(&entry.batch, sequence, entry.epoch, 0, now))
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
        let sizes = group.iter().map(|e| (e.batch.bytes.len() + HEADER_BYTES) as u64);
        sizes
            .take_while(|size| {
                let fits = *size <= room;
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
        // One that was found empty at open has the same base, and is now written over.
        state.remove(base);
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

    /// Makes the readers' progress durable, then removes the segments that all are past.
    /// Says whether all cursors are durable.
    pub fn keep(&mut self) -> bool {
        let dirty: Vec<(String, u64)> = {
            let state = self.shared.lock();
            let dirty = state.readers.iter().filter(|(_, r)| r.done > r.durable);
            dirty.map(|(name, r)| (name.clone(), r.done)).collect()
        };
        let mut all = true;
        for (name, done) in dirty {
            match self.write_cursor(&name, done) {
                Ok(()) => {
                    if let Some(reader) = self.shared.lock().readers.get_mut(&name) {
                        reader.durable = done;
                    }
                }
                Err(e) => {
                    all = false;
                    self.shared.failed("cursor", &e);
                }
            }
        }
        let removable: Vec<u64> = {
            let mut state = self.shared.lock();
            let consumed = state.consumed();
            let pressure = std::mem::take(&mut state.pressure) || state.stop;
            let spent = |s: &Segment| s.len > HEAD_BYTES && s.last <= consumed;
            // Consumed records in the active segment take room only until somebody needs it.
            if pressure
                && let Some(base) = self.active.as_ref().map(|a| a.base)
                && let Some(active) = state.segments.get_mut(&base).filter(|s| spent(s))
            {
                active.sealed = true;
                self.active = None;
            }
            let gone = state.segments.iter().filter(|(_, s)| s.sealed && s.last <= consumed);
            gone.map(|(base, _)| *base).collect()
        };
        for base in removable {
            match self.shared.disk.remove(&segment::path(&self.shared.dir, base)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => self.shared.failed("remove", &e),
                _ => self.shared.lock().remove(base),
            }
        }
        if !self.reserved {
            self.reserve();
        }
        self.publish();
        all
    }

    fn write_cursor(&mut self, name: &str, done: u64) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let write = || cursor::write(&*shared.disk, &shared.dir, name, done);
        match write() {
            Err(e) if is_full(&e) && self.reserved => {
                // The disk is full: give the space back that was held for this.
                self.reserved = false;
                shared.disk.remove(&self.reserve_path())?;
                write()
            }
            result => result,
        }
    }

    fn reserve_path(&self) -> PathBuf {
        self.shared.dir.join("reserve")
    }

    /// Holds back space so that cursors can be written on a full disk.
    fn reserve(&mut self) {
        let path = self.reserve_path();
        if self.shared.disk.open(&path).and_then(|f| f.size()).is_ok_and(|held| held == RESERVE_BYTES as u64)
        {
            self.reserved = true;
            return;
        }
        let zeros = vec![0; RESERVE_BYTES];
        let made = self.shared.disk.create(&path).and_then(|file| {
            file.append(&mut [IoSlice::new(&zeros)])?;
            file.sync()
        });
        self.reserved = made.is_ok();
        if !self.reserved {
            // A part of it would take the very space that is short.
            let _ = self.shared.disk.remove(&path);
        }
    }

    fn publish(&self) {
        let stats = self.shared.stats();
        metrics::gauge!("portcullis_journal_bytes").set(stats.bytes as f64);
        metrics::gauge!("portcullis_journal_capacity_bytes").set(stats.capacity_bytes as f64);
        metrics::gauge!("portcullis_journal_segments").set(stats.segments as f64);
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
