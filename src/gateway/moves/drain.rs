//! What was held goes on.

use std::{sync::Arc, time::Duration};

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

impl Moves {
    /// Puts what is held of a tenant into the journal, beside the gate's other work.
    pub(super) fn drain(self: &Arc<Self>, tenant: TenantId) {
        let moves = Arc::clone(self);
        tokio::spawn(async move {
            while let Err(error) = moves.drain_all(tenant).await {
                tracing::error!(tenant_id = %tenant, error = %error, "a held tenant is not drained yet; tried again");
                tokio::time::sleep(RETRY * 10).await;
            }
        });
    }

    async fn drain_all(&self, tenant: TenantId) -> Result<(), NotMoved> {
        let Some(own) = self.holds.journal(tenant) else { return Ok(()) };
        let mut reader = own.reader(DRAIN).map_err(|error| NotMoved::Failed(error.to_string()))?;
        // Most of it while more comes in behind; the rest while the tenant waits.
        self.pass_on(&mut reader).await;
        let mut list = self.list.lock().await;
        let Some(mut moving) = list.get(&tenant).cloned() else { return Ok(()) };
        let mut paused = self.holds.pause(tenant);
        let last = own.clone();
        let settled = tokio::task::spawn_blocking(move || last.settle(tenant, SETTLE)).await;
        if !settled.unwrap_or(false) {
            return Err(NotMoved::Failed("the disk is too slow just now".into()));
        }
        self.pass_on(&mut reader).await;
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

    /// Puts everything that can be read now into the journal, in order; goes on until that has taken it.
    async fn pass_on(&self, reader: &mut Reader) {
        let mut window = Vec::new();
        loop {
            let mut bytes: usize = window.iter().map(|record: &Record| record.batch.bytes.len()).sum();
            while window.len() < WINDOW.0
                && bytes < WINDOW.1
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
            }
        }
    }
}

fn close(own: Journal) {
    own.close(SETTLE);
}
