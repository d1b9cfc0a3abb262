//! The journal's readers joined to the exporters' pumps.

use std::{sync::Arc, time::Duration};

use super::workers::Shared;
use crate::{
    batch::{Signal, TenantId},
    buffer::{Header, Mark, Reader, quarantine::Reason},
    export::{
        otlp::deliver::Refused,
        pump::{Record, Records, Surroundings},
    },
    identify::Isolation,
    receipt,
    telemetry::metrics::tenant_label,
    usage::{self, Happened, destination_code},
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
    /// Its name.
    pub name: String,
}

impl Surroundings for Around {
    fn wanted(&self, sequence: u64, signal: Signal, tenant: TenantId) -> bool {
        self.shared.targets(sequence, signal, tenant).has(self.place)
    }

    fn is_gone(&self, sequence: u64, tenant: TenantId) -> bool {
        self.shared.is_gone(sequence, tenant)
    }

    fn slug(&self, tenant: TenantId) -> Option<String> {
        self.shared.policy.load().slug(tenant).map(str::to_owned)
    }

    fn label(&self, tenant: TenantId) -> metrics::SharedString {
        tenant_label(tenant)
    }

    async fn refused(&self, record: &Record, refused: &[Refused]) {
        if self.shared.is_gone(record.sequence, record.batch.tenant) {
            return;
        }
        let epoch = self.shared.policy.load().epoch;
        for batch in refused.iter().filter_map(|refused| refused.batch.as_ref()) {
            while self.shared.quarantine.put(batch.clone(), Reason::Other, epoch).wait().await.is_err() {
                tokio::time::sleep(QUARANTINE_RETRY).await;
            }
        }
        if self.shared.usage.is_none() {
            return;
        }
        let items = refused.iter().map(|refused| refused.items).sum::<u64>();
        let mark = Mark {
            tenant: record.batch.tenant,
            signal: record.batch.signal,
            items: u32::try_from(items).unwrap_or(u32::MAX),
            reason: Happened::Undeliverable.code(),
            epoch: destination_code(&self.name),
            note: record.sequence,
            urgent: true,
        };
        loop {
            let (receipt, ticket) = receipt::pair();
            self.shared.journal.mark(&mark, receipt);
            if ticket.wait().await.is_ok() {
                return;
            }
            tokio::time::sleep(QUARANTINE_RETRY).await;
        }
    }
}

/// What whoever counts asks of the gate.
pub fn counted(shared: &Arc<Shared>) -> usage::Around {
    let (routes, tenants) = (Arc::downgrade(shared), Arc::downgrade(shared));
    let wanted = move |name: &str, sequence, signal, tenant| {
        let Some(shared) = routes.upgrade() else { return true };
        let policy = shared.policy.load();
        let place = policy.config.destinations().iter().position(|destination| destination.name == name);
        place.is_some_and(|place| shared.targets(sequence, signal, tenant).has(place))
    };
    let series = move |each: &mut dyn FnMut(TenantId, Isolation, u64)| {
        let Some(shared) = tenants.upgrade() else { return };
        let policy = shared.policy.load();
        for (tenant, series) in shared.store.series_by_tenant().into_iter().filter(|(_, series)| *series > 0)
        {
            let listed = policy.catalogue.get(tenant);
            let unlisted = listed.is_none() && !policy.catalogue.is_open();
            let tier = listed.map(|tenant| tenant.isolation).unwrap_or_default();
            each(if unlisted { TenantId::NONE } else { tenant }, tier, series as u64);
        }
    };
    usage::Around { wanted: Box::new(wanted), series: Box::new(series) }
}
