//! Rejected items, kept scrubbed, so that a person can see what was rejected, mend the cause and
//! send them again.
//!
//! Bounded in size and age: the oldest goes first, and before others' that of a tenant that holds more than
//! its share. With a key, what is on the disk is encrypted; who, why and when stays plain. Two processes may use one quarantine: a
//! gate that puts in, and a command that lists, replays or purges. Whoever changes files holds a file
//! lock while doing so, and only then; reading needs none, as files only grow, vanish, or are replaced
//! whole. A replay reads a batch, sends it to a gate, and removes it when the gate has said OK; a
//! replay that is cut short repeats at most what it had not removed.

mod items;
mod seal;
mod show;
mod store;
mod tidy;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_seal;
#[cfg(test)]
mod tests_share;

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

pub use items::{Filter, Group, Item, ItemId, Items, Unread};
pub use seal::Unreadable;
pub use store::{Replayed, Store};

use super::{
    Error,
    disk::{Disk, RealDisk},
    settings::{QuarantineSettings, Settings},
};
use crate::{
    batch::{Batch, Clean, TenantId},
    limits,
    receipt::{self, Receipt, Ticket},
};

/// Why items were rejected for good: the closed set of `portcullis_rejected_items_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No tenant was declared anywhere.
    MissingTenant,
    /// What was declared is no tenant id.
    MalformedTenant,
    /// The catalogue does not know it.
    UnknownTenant,
    /// The catalogue says that it is deleted.
    DeletedTenant,
    /// The catalogue says that it is suspended.
    SuspendedTenant,
    /// Two declarations name different tenants.
    TenantMismatch,
    /// Written by a later version.
    Other,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 7] = [
        Reason::MissingTenant,
        Reason::MalformedTenant,
        Reason::UnknownTenant,
        Reason::DeletedTenant,
        Reason::SuspendedTenant,
        Reason::TenantMismatch,
        Reason::Other,
    ];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::MissingTenant => "missing_tenant",
            Reason::MalformedTenant => "malformed_tenant",
            Reason::UnknownTenant => "unknown_tenant",
            Reason::DeletedTenant => "deleted_tenant",
            Reason::SuspendedTenant => "suspended_tenant",
            Reason::TenantMismatch => "tenant_mismatch",
            Reason::Other => "other",
        }
    }

    const fn code(self) -> u8 {
        self as u8 + 1
    }

    fn from_code(code: u8) -> Reason {
        Reason::ALL.into_iter().find(|r| r.code() == code).unwrap_or(Reason::Other)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<crate::identify::Reject> for Reason {
    fn from(reject: crate::identify::Reject) -> Self {
        use crate::identify::Reject;
        match reject {
            Reject::MissingTenant => Reason::MissingTenant,
            Reject::MalformedTenant => Reason::MalformedTenant,
            Reject::UnknownTenant => Reason::UnknownTenant,
            Reject::DeletedTenant => Reason::DeletedTenant,
            Reject::SuspendedTenant => Reason::SuspendedTenant,
            Reject::TenantMismatch => Reason::TenantMismatch,
        }
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Reason::ALL.into_iter().find(|r| r.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// One rejected batch on its way to the disk.
struct Put {
    batch: Batch<Clean>,
    reason: Reason,
    epoch: u32,
    receipt: Receipt,
}

/// The gate's side: takes rejected batches in without waiting; a thread writes them.
pub struct Quarantine {
    queue: Option<Sender<Put>>,
    waiting: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How often age and size are looked at, and the gauges are set.
const TIDY_INTERVAL: Duration = Duration::from_secs(60);

impl Quarantine {
    /// Opens the quarantine in `settings.directory` and starts its writer.
    ///
    /// # Errors
    /// The directory cannot be made; a key file cannot be read or holds no key.
    pub fn open(settings: &Settings) -> Result<Quarantine, Error> {
        Quarantine::open_on(Arc::new(RealDisk), settings)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Quarantine::open`].
    pub fn open_on(disk: Arc<dyn Disk>, settings: &Settings) -> Result<Quarantine, Error> {
        let store = Store::open_on(disk, settings)?;
        let (queue, puts) = bounded(limits::QUARANTINE_QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&waiting);
        let thread = std::thread::Builder::new()
            .name("quarantine".into())
            .spawn(move || Keeper { store, gauges: HashMap::new() }.run(&puts, &seen))
            .map_err(|e| Error::io("start the writer of", &settings.directory, e))?;
        Ok(Quarantine { queue: Some(queue), waiting, thread: Mutex::new(Some(thread)) })
    }

    /// Keeps a rejected batch, if there is room. `batch.tenant` is the tenant as it was declared where
    /// that was well formed, else [`TenantId::NONE`]. Never blocks; the ticket says when the batch is
    /// durable, or that it is not kept: the queue is full, or the disk takes nothing.
    pub fn put(&self, batch: Batch<Clean>, reason: Reason, epoch: u32) -> Ticket {
        let (receipt, ticket) = receipt::pair();
        let bytes = batch.bytes.len();
        let waiting = self.waiting.fetch_add(bytes, Ordering::AcqRel);
        let fits = waiting == 0 || waiting + bytes <= limits::QUARANTINE_QUEUE_BYTES;
        let put = Put { batch, reason, epoch, receipt };
        let sent = fits
            && self.queue.as_ref().is_some_and(|queue| match queue.try_send(put) {
                Ok(()) => true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            });
        if !sent {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
            failed("quarantine_full");
        }
        ticket
    }

    /// Waits until everything put in is written, and ends the writer. Also done on drop. Blocks for as
    /// long as the disk takes.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        self.end();
    }
}

fn failed(operation: &'static str) {
    metrics::counter!("portcullis_journal_failures_total", "operation" => operation).increment(1);
}

/// Whether the key files can be used.
///
/// # Errors
/// One cannot be read or holds no key.
pub fn check_keys(settings: &QuarantineSettings) -> Result<(), Error> {
    seal::Keys::load(settings).map(drop)
}

/// The thread behind [`Quarantine`].
struct Keeper {
    store: Store,
    gauges: HashMap<(TenantId, Reason), f64>,
}

impl Keeper {
    fn run(mut self, puts: &Receiver<Put>, waiting: &AtomicUsize) {
        self.tidy();
        let mut due = Instant::now() + TIDY_INTERVAL;
        loop {
            match puts.recv_deadline(due) {
                Ok(first) => {
                    let group: Vec<Put> = std::iter::once(first).chain(puts.try_iter()).collect();
                    let bytes: usize = group.iter().map(|p| p.batch.bytes.len()).sum();
                    self.write(group);
                    waiting.fetch_sub(bytes, Ordering::AcqRel);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if due <= Instant::now() {
                self.tidy();
                due = Instant::now() + TIDY_INTERVAL;
            }
        }
    }

    fn write(&mut self, group: Vec<Put>) {
        let items: Vec<_> = group.iter().map(|p| (&p.batch, p.reason, p.epoch)).collect();
        if let Err(e) = self.store.append(&items) {
            failed("quarantine_append");
            tracing::warn!(error = %e, batches = items.len(), "rejected batches could not be kept");
            return;
        }
        for put in group {
            let key = self.key(put.batch.tenant, put.reason);
            let value = self.gauges.entry(key).or_default();
            *value += f64::from(put.batch.items);
            set(key, *value);
            put.receipt.accept();
        }
    }

    /// Past the bound of labels, tenants are counted together under none.
    fn key(&self, tenant: TenantId, reason: Reason) -> (TenantId, Reason) {
        let key = (tenant, reason);
        let fits = self.gauges.contains_key(&key) || self.gauges.len() < limits::TENANT_LABELS;
        if fits { key } else { (TenantId::NONE, reason) }
    }

    fn tidy(&mut self) {
        if let Err(e) = self.store.tidy() {
            failed("quarantine_tidy");
            tracing::warn!(error = %e, "the quarantine could not be tidied");
        }
        let Ok(groups) = self.store.list() else { return };
        self.gauges.values_mut().for_each(|value| *value = 0.0);
        for group in groups {
            let key = self.key(group.tenant, group.reason);
            *self.gauges.entry(key).or_default() += group.items as f64;
        }
        for (key, value) in &self.gauges {
            set(*key, *value);
        }
        // A group that is gone has been told once.
        self.gauges.retain(|_, value| *value > 0.0);
    }
}

fn set((tenant, reason): (TenantId, Reason), value: f64) {
    let tenant = if tenant == TenantId::NONE { String::new() } else { tenant.to_string() };
    metrics::gauge!("portcullis_quarantined_items", "tenant_id" => tenant, "reason" => reason.as_str())
        .set(value);
}
