//! The journal as the rest of the program sees it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    Accounting, Counted, Counting, Error, Mark, count,
    disk::{Disk, Lock, RealDisk},
    erase::{self, Erased},
    keeper,
    lanes::{Entry, Full},
    reader::Reader,
    record::HEADER_BYTES,
    recover::recover,
    settings::Settings,
    state::{Shared, Stats, journal_dir},
    writer::Writer,
};
use crate::{
    batch::{Batch, Clean, TenantId},
    limits,
    receipt::{Receipt, Refusal},
};

/// A durable, bounded, fair queue. Clones are handles to the same one; when the last is dropped the
/// writer ends, as by [`Journal::close`].
#[derive(Clone)]
pub struct Journal(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// One gate a directory.
    _lock: Lock,
}

impl Journal {
    /// Opens the journal in `settings.directory`, recovers what is there, and starts its writer.
    /// `readers` are the names of all destinations; the progress of others is forgotten.
    ///
    /// # Errors
    /// The settings are out of range, another process has the directory, or the disk failed.
    pub fn open(settings: Settings, readers: &[String]) -> Result<Journal, Error> {
        Journal::open_on(Arc::new(RealDisk), settings, readers)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(disk: Arc<dyn Disk>, settings: Settings, readers: &[String]) -> Result<Journal, Error> {
        Journal::start(prepare(disk, settings, readers)?)
    }

    /// Opens the journal as [`Journal::open`] does, for somebody who counts what passes: a segment stays until
    /// [`Counting::counted`] is past it.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_counted(settings: Settings, readers: &[String], counted: Counted) -> Result<Journal, Error> {
        let (shared, next, lock) = prepare(Arc::new(RealDisk), settings, readers)?;
        let next = count::begin(&shared, next, counted);
        Journal::start((shared, next, lock))
    }

    fn start((shared, next, lock): (Arc<Shared>, u64, Lock)) -> Result<Journal, Error> {
        let writer = Writer::new(Arc::clone(&shared), next);
        let keeper = writer.keeper();
        let for_keeper = Arc::clone(&shared);
        let owner = Owner { shared: Arc::clone(&shared), threads: Mutex::new(Vec::new()), _lock: lock };
        // The owner ends the first thread should the second not start.
        owner.spawn("journal-writer", move || writer.run())?;
        owner.spawn("journal-keeper", move || keeper::run(&for_keeper, &keeper))?;
        Ok(Journal(Arc::new(owner)))
    }

    /// Takes a batch in without waiting. The receipt is accepted when the batch is durable; it is
    /// refused at once where a bound is reached, and later where the disk fails.
    pub fn append(&self, batch: Batch<Clean>, epoch: u32, receipt: Receipt) {
        append(&self.0.shared, batch, epoch, receipt);
    }

    /// The same, with what is to be counted of it, for a tenant that may hold this share of the disk in the place of
    /// `buffer.tenant_share`.
    pub fn append_counted(
        &self,
        batch: Batch<Clean>,
        epoch: u32,
        counts: &Accounting,
        share: Option<f64>,
        receipt: Receipt,
    ) {
        let note = counts.pack();
        push(&self.0.shared, Entry { batch, epoch, reason: 0, note, urgent: false, receipt }, share);
    }

    /// Takes a mark in, as [`Journal::append`] takes a batch.
    pub fn mark(&self, mark: &Mark, receipt: Receipt) {
        push(&self.0.shared, marked(mark, receipt), None);
    }

    /// For whoever counts what passes.
    pub fn counting(&self) -> Counting {
        Counting::new(Arc::clone(&self.0.shared))
    }

    /// The reader of one destination.
    ///
    /// # Errors
    /// The name was not given to [`Journal::open`], or its reader exists already.
    pub fn reader(&self, name: &str) -> Result<Reader, Error> {
        reader(&self.0.shared, name)
    }

    /// Waits until nothing of a tenant is on its way to the disk; no more than `deadline`. Says whether that is so.
    /// Blocks.
    pub fn settle(&self, tenant: TenantId, deadline: Duration) -> bool {
        erase::settle(&self.0.shared, tenant, deadline)
    }

    /// Destroys all that is kept of a tenant, in place: whoever reads the files afterwards finds zeros, and no
    /// destination is given it any more. What was cut short by a crash is finished by the next call. Blocks.
    ///
    /// # Errors
    /// The disk's, or more of it is coming in all the time; some may be destroyed.
    pub fn erase(&self, tenant: TenantId) -> io::Result<Erased> {
        erase::erase(&self.0.shared, tenant)
    }

    /// The last durable sequence; 0 where there never was one.
    pub fn last_sequence(&self) -> u64 {
        self.0.shared.lock().last()
    }

    /// Bytes that a tenant has on the disk.
    pub fn tenant_bytes(&self, tenant: TenantId) -> u64 {
        self.0.shared.lock().tenants.get(&tenant).copied().unwrap_or(0)
    }

    /// Numbers for metrics and people.
    pub fn stats(&self) -> Stats {
        self.0.shared.stats()
    }

    /// Takes nothing more in, and waits up to `deadline` until everything taken in is durable.
    /// Readers still read; [`Reader::recv`] ends when all is read. Says whether all is durable.
    /// Blocks.
    pub fn drain(&self, deadline: Duration) -> bool {
        let until = super::deadline(deadline);
        let shared = &self.0.shared;
        let mut state = shared.lock();
        state.draining = true;
        shared.work.notify_all();
        while !state.lanes.is_empty() || state.writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = shared.progress.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |r| r.0);
        }
        let done = state.lanes.is_empty() && !state.writing;
        let left = state.lanes.take(usize::MAX);
        drop(state);
        for entry in left {
            entry.receipt.refuse(stopping());
        }
        shared.wake_readers();
        done
    }

    /// [`Journal::drain`], then makes the readers' progress durable and ends the writer. To be called
    /// when the destinations have stopped. Says whether all is safe. Blocks.
    pub fn close(&self, deadline: Duration) -> bool {
        let until = super::deadline(deadline);
        let drained = self.drain(deadline);
        let shared = &self.0.shared;
        self.0.stop();
        let mut state = shared.lock();
        while !state.stopped {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = shared.progress.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |r| r.0);
        }
        let kept = state.readers.values().all(|r| r.done == r.durable);
        drop(state);
        drained & kept & self.0.join()
    }
}

impl Owner {
    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(body)
            .map_err(|e| Error::io("start the threads of", &self.shared.dir, e))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Tells the threads to end.
    fn stop(&self) {
        let mut state = self.shared.lock();
        state.draining = true;
        state.stop = true;
        self.shared.work.notify_all();
        self.shared.stopping.notify_all();
    }

    /// Waits for the threads. Says whether none has panicked.
    fn join(&self) -> bool {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let panicked = threads.drain(..).map(JoinHandle::join).filter(Result::is_err).count();
        panicked == 0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop();
        self.join();
    }
}

/// Everything of [`Journal::open_on`] but the thread.
pub(super) fn prepare(
    disk: Arc<dyn Disk>,
    settings: Settings,
    readers: &[String],
) -> Result<(Arc<Shared>, u64, Lock), Error> {
    settings.validate().map_err(|errors| Error::new(errors.join("; ")))?;
    let root = &settings.directory;
    disk.create_dir(root).map_err(|e| Error::io("make the directory", root, e))?;
    let lock = disk.lock(&root.join("lock"), false).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => Error {
            message: format!(
                "another gate is running on {}; stop it, or give this one its own buffer.directory",
                root.display()
            ),
            source: Some(e),
        },
        _ => Error::io("lock", root, e),
    })?;
    let (state, next) = recover(&disk, &settings, readers)?;
    let dir = journal_dir(&settings);
    Ok((Arc::new(Shared::new(disk, settings, dir, state)), next, lock))
}

pub(super) fn append(shared: &Shared, batch: Batch<Clean>, epoch: u32, receipt: Receipt) {
    push(shared, Entry { batch, epoch, reason: 0, note: 0, urgent: false, receipt }, None);
}

pub(super) fn marked(mark: &Mark, receipt: Receipt) -> Entry {
    let Mark { tenant, signal, items, reason, epoch, note, urgent } = *mark;
    let batch = Batch::clean(signal, tenant, items, bytes::Bytes::new());
    Entry { batch, epoch, reason, note, urgent, receipt }
}

pub(super) fn push(shared: &Shared, entry: Entry, share: Option<f64>) {
    let bytes = entry.batch.bytes.len();
    if bytes > limits::RECORD_BYTES {
        return entry.receipt.refuse(Refusal::TooLarge(format!(
            "a batch of {bytes} bytes is over the limit of {} bytes",
            limits::RECORD_BYTES
        )));
    }
    let tenant = entry.batch.tenant;
    let mut state = shared.lock();
    let closed = if entry.urgent { state.stop || state.stopped } else { state.draining };
    if closed {
        drop(state);
        return entry.receipt.refuse(stopping());
    }
    let held = state.tenants.get(&tenant).copied().unwrap_or(0) + state.lanes.bytes_of(tenant) as u64;
    let full = if !entry.urgent && held + (bytes + HEADER_BYTES) as u64 > shared.settings.tenant_bytes(share)
    {
        state.pressure = true;
        Some((entry.receipt, "this tenant's share of the gate's disk is used up", 5))
    } else {
        let pushed = state.lanes.push(entry);
        pushed.err().map(|(entry, full)| match full {
            Full::Lane => (entry.receipt, "too much of this tenant's data is waiting for the disk", 1),
            Full::Queue => (entry.receipt, "too much data is waiting for the gate's disk", 1),
            Full::Lanes => (entry.receipt, "too many tenants are waiting for the gate's disk", 1),
        })
    };
    drop(state);
    shared.work.notify_one();
    if let Some((receipt, what, seconds)) = full {
        receipt.refuse(Refusal::Throttled {
            message: format!("{what}; send again later"),
            retry_after: Duration::from_secs(seconds),
        });
    }
}

pub(super) fn reader(shared: &Arc<Shared>, name: &str) -> Result<Reader, Error> {
    let mut state = shared.lock();
    let Some(progress) = state.readers.get_mut(name) else {
        return Err(Error::new(format!("no reader named {name:?} was given when the journal was opened")));
    };
    if std::mem::replace(&mut progress.taken, true) {
        return Err(Error::new(format!("the reader named {name:?} is taken already")));
    }
    let done = progress.done;
    drop(state);
    Ok(Reader::new(Arc::clone(shared), name.to_owned(), done))
}

fn stopping() -> Refusal {
    Refusal::Unavailable {
        message: "the gate is stopping; send again later".into(),
        retry_after: Duration::from_secs(1),
    }
}
