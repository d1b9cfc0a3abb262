//! What the writer, the readers and the callers of the journal share.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::{self, IoSlice},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    count::Fates,
    disk::Disk,
    lanes::Lanes,
    record::{ERASED, Header},
    segment::HEAD_BYTES,
    settings::Settings,
};
use crate::{batch::TenantId, limits};

/// One segment, as far as it may be read.
pub struct Segment {
    /// Durable bytes: readers see no further.
    pub len: u64,
    /// Bytes it takes on the disk.
    pub disk_bytes: u64,
    /// The last durable sequence; base - 1 where there is none.
    pub last: u64,
    /// When its first record was accepted, in unix nanoseconds.
    pub first_time: u64,
    /// Durable bytes of each tenant.
    pub tenants: HashMap<TenantId, u64>,
    /// Nothing is written to it any more.
    pub sealed: bool,
}

impl Segment {
    /// An empty segment.
    pub fn new(base: u64) -> Self {
        Segment {
            len: HEAD_BYTES,
            disk_bytes: HEAD_BYTES,
            last: base.saturating_sub(1),
            first_time: 0,
            tenants: HashMap::new(),
            sealed: false,
        }
    }

    /// Counts a durable record.
    pub fn add(&mut self, header: &Header) {
        self.last = header.sequence;
        if self.first_time == 0 {
            self.first_time = header.time_unix_nano;
        }
        if header.reason != ERASED {
            *self.tenants.entry(header.tenant).or_default() += header.record_bytes();
        }
    }

    /// What a tenant had in it is destroyed. Returns how much that was, in bytes.
    pub fn erased(&mut self, tenant: TenantId) -> u64 {
        self.tenants.remove(&tenant).unwrap_or(0)
    }
}

/// How far one reader has come.
#[derive(Default)]
pub struct Progress {
    /// A [`Reader`](super::Reader) exists.
    pub taken: bool,
    /// Everything up to here is done with.
    pub done: u64,
    /// The same, on the disk.
    pub durable: u64,
    /// Segment and offset of the next record to read.
    pub place: (u64, u64),
    /// When the record last read was accepted, in unix nanoseconds.
    pub last_time: u64,
    /// When the oldest record in the reader's hands was accepted, in unix nanoseconds.
    pub outstanding_time: Option<u64>,
    /// Bytes in the reader's hands.
    pub outstanding_bytes: u64,
    /// What it did with records, where somebody counts.
    pub fates: Option<Fates>,
}

/// Everything behind the one lock.
pub struct State {
    /// In front of the writer.
    pub lanes: Lanes,
    /// On the disk, by base.
    pub segments: BTreeMap<u64, Segment>,
    /// Bytes of all segments.
    pub disk_bytes: u64,
    /// Durable bytes of each tenant.
    pub tenants: HashMap<TenantId, u64>,
    /// By name.
    pub readers: BTreeMap<String, Progress>,
    /// Everything up to here is durably counted, where somebody counts.
    pub counted: Option<u64>,
    /// Somebody was refused for room that consumed records may still hold.
    pub pressure: bool,
    /// The writer holds a group that is not durable yet.
    pub writing: bool,
    /// Groups that it has written, or failed to.
    pub groups: u64,
    /// Nothing more is taken in.
    pub draining: bool,
    /// The writer shall end.
    pub stop: bool,
    /// The writer has ended.
    pub stopped: bool,
    /// Damaged places that have been counted, by segment and offset.
    pub damaged: HashSet<(u64, u64)>,
    /// Damaged places found since the start.
    pub corrupt_records: u64,
    /// Bytes of damaged records kept aside.
    pub corrupt_bytes: u64,
    /// Failed calls of the disk since the start.
    pub failures: u64,
}

impl State {
    /// Forgets a segment that is gone from the disk.
    pub fn remove(&mut self, base: u64) {
        let Some(segment) = self.segments.remove(&base) else { return };
        self.disk_bytes = self.disk_bytes.saturating_sub(segment.disk_bytes);
        for (tenant, bytes) in segment.tenants {
            self.give_back(tenant, bytes);
        }
        self.damaged.retain(|(of, _)| *of != base);
    }

    /// A tenant holds this much less.
    pub fn give_back(&mut self, tenant: TenantId, bytes: u64) {
        if let Some(held) = self.tenants.get_mut(&tenant) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.tenants.remove(&tenant);
            }
        }
    }

    /// The last durable sequence.
    pub fn last(&self) -> u64 {
        let written = self.segments.values().map(|segment| segment.last).max().unwrap_or(0);
        // A journal that was read to its end has no segment.
        self.readers.values().map(|reader| reader.done).max().unwrap_or(0).max(written)
    }

    /// The sequence up to which all readers are durably done, and who counts.
    pub fn consumed(&self) -> u64 {
        self.readers.values().map(|r| r.durable).chain(self.counted).min().unwrap_or(u64::MAX)
    }

    /// Segment and offset at which one who has passed `position` goes on.
    pub fn place_after(&self, position: u64) -> (u64, u64) {
        let next = self.segments.iter().find(|(_, s)| s.last > position);
        (next.map_or(u64::MAX, |(base, _)| *base), HEAD_BYTES)
    }

    /// Bytes on the disk and the time of the oldest record that a reader is not done with.
    fn unread(&self, reader: &Progress) -> (u64, Option<u64>) {
        let (base, offset) = reader.place;
        let ahead =
            |(b, s): (&u64, &Segment)| s.len.saturating_sub(if *b == base { offset } else { HEAD_BYTES });
        let bytes: u64 = self.segments.range(base..).map(ahead).sum();
        let next = (bytes > 0).then(|| {
            let first = self.segments.range(base..).find(|(_, s)| s.first_time > 0);
            first.map_or(reader.last_time, |(_, s)| s.first_time.max(reader.last_time))
        });
        (bytes + reader.outstanding_bytes, reader.outstanding_time.or(next))
    }
}

/// The journal's inside.
pub struct Shared {
    pub disk: Arc<dyn Disk>,
    pub settings: Settings,
    /// Segments and cursors.
    pub dir: PathBuf,
    state: Mutex<State>,
    /// Wakes the writer.
    pub work: Condvar,
    /// Wakes the keeper when the journal ends.
    pub stopping: Condvar,
    /// Wakes blocking readers and whoever waits for the writer.
    pub progress: Condvar,
    /// The same for tasks.
    pub durable: watch::Sender<u64>,
}

impl Shared {
    /// A journal that has been recovered.
    pub fn new(disk: Arc<dyn Disk>, settings: Settings, dir: PathBuf, state: State) -> Self {
        let (work, stopping, progress) = (Condvar::new(), Condvar::new(), Condvar::new());
        let durable = watch::Sender::new(0);
        Shared { disk, settings, dir, state: Mutex::new(state), work, stopping, progress, durable }
    }

    /// The state. Every holder leaves it whole before anything can panic, so poison is no news.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells readers and waiters that something has changed.
    pub fn wake_readers(&self) {
        self.durable.send_modify(|n| *n += 1);
        // Whoever has looked at the counter under the lock is asleep before the call below.
        drop(self.lock());
        self.progress.notify_all();
    }

    /// Counts a failed call of the disk.
    pub fn failed(&self, operation: &'static str, error: &io::Error) {
        self.lock().failures += 1;
        metrics::counter!("portcullis_journal_failures_total", "operation" => operation).increment(1);
        tracing::warn!(operation, error = %error, "the journal's disk failed a call");
    }

    /// Counts a damaged place once and keeps its bytes aside for a person to look at.
    pub fn damaged(&self, base: u64, offset: u64, raw: impl FnOnce(u64) -> Vec<u8>) {
        let room = {
            let mut state = self.lock();
            if !state.damaged.insert((base, offset)) {
                return;
            }
            state.corrupt_records += 1;
            limits::CORRUPT_KEPT_BYTES.saturating_sub(state.corrupt_bytes)
        };
        metrics::counter!("portcullis_journal_corrupt_records_total").increment(1);
        tracing::error!(segment = base, offset, "a record of the journal is damaged; it was passed over");
        let raw = raw(room);
        if raw.is_empty() {
            return;
        }
        self.lock().corrupt_bytes += raw.len() as u64;
        let dir = corrupt_dir(&self.settings);
        let kept = self.disk.create_dir(&dir).and_then(|()| {
            let file = self.disk.create(&dir.join(format!("{base:020}-{offset}.bin")))?;
            file.append(&mut [IoSlice::new(&raw)])
        });
        if let Err(e) = kept {
            self.failed("keep_corrupt", &e);
        }
    }

    /// Numbers for metrics and people.
    pub fn stats(&self) -> Stats {
        let state = self.lock();
        Stats {
            bytes: state.disk_bytes,
            capacity_bytes: self.settings.quota_bytes,
            segments: state.segments.len(),
            queued_bytes: state.lanes.bytes(),
            corrupt_records: state.corrupt_records,
            failures: state.failures,
            accepting: !state.draining,
            readers: state
                .readers
                .iter()
                .map(|(name, reader)| {
                    let (unread_bytes, oldest_unix_nano) = state.unread(reader);
                    ReaderStats { name: name.clone(), unread_bytes, oldest_unix_nano, done: reader.durable }
                })
                .collect(),
        }
    }
}

/// Where damaged records are kept.
pub fn corrupt_dir(settings: &Settings) -> PathBuf {
    settings.directory.join("corrupt")
}

/// Where segments and cursors are.
pub fn journal_dir(settings: &Settings) -> PathBuf {
    settings.directory.join("journal")
}

/// The journal in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of all segments.
    pub bytes: u64,
    /// The quota, in bytes.
    pub capacity_bytes: u64,
    /// Segment files.
    pub segments: usize,
    /// Bytes that wait in memory for the disk.
    pub queued_bytes: usize,
    /// Damaged records found since the start.
    pub corrupt_records: u64,
    /// Failed calls of the disk since the start.
    pub failures: u64,
    /// Batches are taken in; false when the journal is closing or its writer has died.
    pub accepting: bool,
    /// Each reader.
    pub readers: Vec<ReaderStats>,
}

/// One reader in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderStats {
    /// Its name.
    pub name: String,
    /// Bytes it is not done with.
    pub unread_bytes: u64,
    /// When the oldest record it is not done with was accepted, in unix nanoseconds; to within one
    /// segment.
    pub oldest_unix_nano: Option<u64>,
    /// It is done, durably, with everything up to this sequence.
    pub done: u64,
}
