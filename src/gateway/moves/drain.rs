//! What was held goes on.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{DRAIN, Held, Moves, NotMoved, SETTLE, failed};
use crate::{
    batch::TenantId,
    buffer::{Journal, Reader, Record},
    receipt,
};

/// Between two tries, while the journal takes nothing.
const RETRY: Duration = Duration::from_millis(200);
/// Batches, and bytes, on their way to the journal at once: less than a lane takes.
const WINDOW: (usize, usize) = (64, 4 << 20);
/// How often it is tried to come close to what comes in meanwhile, before the tenant waits for the rest.
const ROUNDS: usize = 20;

impl Moves {
    /// Puts what is held of a tenant into the journal, beside the gate's other work.
    pub(super) fn drain(self: &Arc<Self>, tenant: TenantId) {
        let moves = Arc::clone(self);
        let task = tokio::spawn(async move {
            while let Err(error) = moves.drain_all(tenant).await {
                tracing::warn!(tenant_id = %tenant, error = %error, "a held tenant is not drained yet; tried again");
                tokio::time::sleep(RETRY * 10).await;
            }
        });
        self.drains().insert(tenant, task);
    }

    /// Ends the drain of a tenant, and returns when it does nothing more.
    pub(super) async fn end_drain(&self, tenant: TenantId) {
        let task = self.drains().remove(&tenant);
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    async fn drain_all(&self, tenant: TenantId) -> Result<(), NotMoved> {
        let draining = self.get(tenant).await.is_some_and(|moving| moving.held == Held::Draining);
        let own = match (self.holds.journal(tenant), draining) {
            (Some(own), true) => own,
            (None, true) => return Err(NotMoved::NotNow("another step is being taken".into())),
            (_, false) => return Ok(()),
        };
        let mut reader = own.reader(DRAIN).map_err(|error| NotMoved::Failed(error.to_string()))?;
        // Most of it while more comes in behind; the rest while the tenant waits.
        for _ in 0..ROUNDS {
            let last = own.last_sequence();
            self.pass_on(&mut reader, last).await;
            if own.last_sequence().saturating_sub(reader.settled()) <= WINDOW.0 as u64 {
                break;
            }
        }
        let mut list = self.list.lock().await;
        let Some(mut moving) = list.get(&tenant).cloned() else { return Ok(()) };
        let mut paused = self.holds.pause(tenant);
        let last = own.clone();
        let settled = tokio::task::spawn_blocking(move || last.settle(tenant, SETTLE)).await;
        if !settled.unwrap_or(false) {
            return Err(NotMoved::Failed("the disk is too slow just now".into()));
        }
        let _ = timeout(SETTLE, self.pass_on(&mut reader, u64::MAX)).await;
        // Whatever kept something back, a reader that could not read or a journal that took nothing: it is held still.
        if reader.settled() < own.last_sequence() {
            return Err(NotMoved::Failed("not all of it could be read, or was taken".into()));
        }
        drop(reader);
        moving.held = Held::No;
        self.keep(&mut list, tenant, Some(moving))?;
        // From here on it goes to the journal as everybody's.
        drop(paused.after.take());
        drop(paused);
        let closed = tokio::task::spawn_blocking(move || close(own)).await;
        closed.map_err(|error| NotMoved::Failed(error.to_string()))?;
        self.remove_held(tenant).map_err(failed("held"))?;
        tracing::info!(tenant_id = %tenant, "a held tenant is drained");
        Ok(())
    }

    /// Puts what can be read now, up to a sequence, into the journal, in order; goes on until that has taken it.
    async fn pass_on(&self, reader: &mut Reader, until: u64) {
        let mut window: Vec<Record> = Vec::new();
        loop {
            let mut bytes: usize = window.iter().map(|record| record.batch.bytes.len()).sum();
            while window.len() < WINDOW.0
                && bytes < WINDOW.1
                && window.last().is_none_or(|last| last.sequence < until)
                && let Some(record) = reader.try_next()
            {
                bytes += record.batch.bytes.len();
                window.push(record);
            }
            if window.is_empty() {
                return;
            }
            // What was refused, and all behind it, goes again: the order stays.
            let mut tickets = Vec::with_capacity(window.len());
            for record in &window {
                let (receipt, ticket) = receipt::pair();
                self.journal.append_counted(
                    record.batch.clone(),
                    record.epoch,
                    &record.accounting,
                    Some(1.0),
                    receipt,
                );
                tickets.push(ticket);
            }
            let mut taken = 0;
            let mut all = true;
            for ticket in tickets {
                all &= ticket.wait().await.is_ok();
                taken += usize::from(all);
            }
            for record in window.drain(..taken) {
                reader.done(record.sequence);
            }
            if !all {
                tokio::time::sleep(RETRY).await;
            } else if reader.settled() >= until {
                return;
            }
        }
    }
}

fn close(own: Journal) {
    own.close(SETTLE);
}
