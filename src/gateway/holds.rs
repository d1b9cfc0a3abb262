//! Between the path and the journal: a tenant can be held for a moment, or for longer on the disk.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use foldhash::HashMap;
use tokio::{sync::Notify, time::timeout};

use crate::{
    batch::{Batch, Clean, TenantId},
    buffer::{Accounting, Journal},
    receipt::{self, Refusal, Ticket},
};

/// How long a request waits for a tenant that is held for a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is done with a tenant's data instead of putting it into the journal.
pub enum Hold {
    /// Requests wait: something about the tenant is changing just now.
    Paused,
    /// It is kept in a journal of its own until it may go on.
    Frozen(Journal),
}

/// The tenants that are held.
#[derive(Default)]
pub struct Holds {
    held: RwLock<HashMap<TenantId, Hold>>,
    released: Notify,
}

impl Holds {
    /// Takes a batch in; waits while its tenant is paused, and only then.
    pub async fn append(
        &self,
        journal: &Journal,
        batch: &Batch<Clean>,
        epoch: u32,
        counts: &Accounting,
        share: Option<f64>,
    ) -> Ticket {
        let waiting = async {
            loop {
                // Made before the look, so that no release is missed.
                let released = self.released.notified();
                if let Some(ticket) = self.try_append(journal, batch, epoch, counts, share) {
                    return ticket;
                }
                released.await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| {
            let (receipt, ticket) = receipt::pair();
            receipt.refuse(Refusal::Unavailable {
                message: "the tenant is being moved; send again later".into(),
                retry_after: Duration::from_secs(1),
            });
            ticket
        })
    }

    /// Takes a batch in, unless its tenant is paused.
    pub fn try_append(
        &self,
        journal: &Journal,
        batch: &Batch<Clean>,
        epoch: u32,
        counts: &Accounting,
        share: Option<f64>,
    ) -> Option<Ticket> {
        // Held over the append: once a tenant is paused, nothing of it is on its way past here.
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let (receipt, ticket) = receipt::pair();
        let (journal, share) = match held.get(&batch.tenant) {
            None => (journal, share),
            // All of it is the tenant's.
            Some(Hold::Frozen(own)) => (own, None),
            Some(Hold::Paused) => return None,
        };
        journal.append_counted(batch.clone(), epoch, counts, share, receipt);
        Some(ticket)
    }

    /// Puts a tenant on hold, or takes it off (`None`). Returns what it was before.
    pub fn set(&self, tenant: TenantId, hold: Option<Hold>) -> Option<Hold> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let before = match hold {
            Some(hold) => held.insert(tenant, hold),
            None => held.remove(&tenant),
        };
        drop(held);
        self.released.notify_waiters();
        before
    }

    /// The tenants that are frozen, and the bytes that are held of each.
    pub fn frozen(&self) -> Vec<(TenantId, u64)> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let bytes = |own: &Journal| own.stats().readers.iter().map(|reader| reader.unread_bytes).sum();
        let frozen = held.iter().filter_map(|(tenant, hold)| match hold {
            Hold::Frozen(own) => Some((*tenant, bytes(own))),
            Hold::Paused => None,
        });
        frozen.collect()
    }

    /// The journal of a tenant that is frozen.
    pub fn journal(&self, tenant: TenantId) -> Option<Journal> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.get(&tenant).and_then(|hold| match hold {
            Hold::Frozen(own) => Some(own.clone()),
            Hold::Paused => None,
        })
    }

    /// Pauses a tenant until the guard is dropped.
    pub fn pause(self: &Arc<Self>, tenant: TenantId) -> Paused {
        let after = self.set(tenant, Some(Hold::Paused));
        Paused { holds: Arc::clone(self), tenant, after }
    }
}

/// A tenant that is paused.
pub struct Paused {
    holds: Arc<Holds>,
    tenant: TenantId,
    /// What it is when the pause ends.
    pub after: Option<Hold>,
}

impl Drop for Paused {
    fn drop(&mut self) {
        self.holds.set(self.tenant, self.after.take());
    }
}
