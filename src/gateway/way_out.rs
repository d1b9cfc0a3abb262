//! The journal's readers joined to the exporters' pumps.

use std::{sync::Arc, time::Duration};

use super::workers::Shared;
use crate::{
    batch::{Signal, TenantId},
    buffer::{Header, Reader, quarantine::Reason},
    export::{
        otlp::deliver::Refused,
        pump::{Record, Records, Surroundings},
    },
    telemetry::metrics::tenant_label,
};

/// Between two tries to keep what a destination refused, while the quarantine's disk takes nothing.
const QUARANTINE_RETRY: Duration = Duration::from_secs(1);

/// A journal's reader, as the pump sees it.
pub struct FromJournal(pub Reader);

impl Records for FromJournal {
    async fn next(
        &mut self,
        wanted: &(dyn Fn(u64, Signal, TenantId) -> bool + Send + Sync),
    ) -> Option<Record> {
        let matches = |header: &Header| wanted(header.sequence, header.signal, header.tenant);
        let record = self.0.recv_matching(matches).await?;
        Some(Record { sequence: record.sequence, batch: record.batch })
    }

    fn done(&mut self, sequence: u64) {
        self.0.done(sequence);
    }
}

/// What a pump asks of the gate.
pub struct Around {
    /// The gate.
    pub shared: Arc<Shared>,
    /// The destination's place in the configuration.
    pub place: usize,
}

impl Surroundings for Around {
    fn wanted(&self, sequence: u64, signal: Signal, tenant: TenantId) -> bool {
        self.shared.targets(sequence, signal, tenant).has(self.place)
    }

    fn slug(&self, tenant: TenantId) -> Option<String> {
        self.shared.policy.load().slug(tenant).map(str::to_owned)
    }

    fn label(&self, tenant: TenantId) -> metrics::SharedString {
        tenant_label(tenant)
    }

    async fn refused(&self, refused: &Refused) {
        let Some(batch) = &refused.batch else { return };
        let epoch = self.shared.policy.load().epoch;
        while self.shared.quarantine.put(batch.clone(), Reason::Other, epoch).wait().await.is_err() {
            tokio::time::sleep(QUARANTINE_RETRY).await;
        }
    }
}
