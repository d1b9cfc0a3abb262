//! What the gate shows of itself from time to time.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, interval};

use super::{
    gate::Reload,
    workers::{Shared, now},
};
use crate::{admin::Readiness, batch::TenantId, policy::Policy, telemetry::metrics::tenant_label};

/// Keeps the gauges that nobody else sets.
pub(super) async fn tell(shared: Arc<Shared>, reload: Arc<Reload>, readiness: Readiness) {
    let mut tick = interval(Duration::from_secs(1));
    let mut health = DiskHealth::default();
    let mut held: Vec<TenantId> = Vec::new();
    loop {
        tick.tick().await;
        let frozen = shared.holds.frozen();
        let gone = held.iter().filter(|tenant| frozen.iter().all(|(other, _)| other != *tenant));
        for (tenant, bytes) in gone.map(|tenant| (*tenant, 0)).chain(frozen.iter().copied()) {
            metrics::gauge!("portcullis_held_bytes", "tenant_id" => tenant_label(tenant)).set(bytes as f64);
        }
        held = frozen.into_iter().map(|(tenant, _)| tenant).collect();
        metrics::gauge!("portcullis_in_flight_bytes").set(shared.budget.used() as f64);
        metrics::gauge!("portcullis_in_flight_capacity_bytes").set(shared.budget.limit() as f64);
        let age = reload.source.lock().unwrap_or_else(PoisonError::into_inner).age_seconds();
        metrics::gauge!("portcullis_catalogue_age_seconds").set(age);
        let stats = shared.journal.stats();
        shared.impersonations.flush(false);
        match health.look(stats.failures, Instant::now()) {
            true => readiness.ready("journal"),
            false => readiness.not_ready("journal", "its disk fails: the log says how"),
        }
        for reader in &stats.readers {
            let name = reader.name.to_string();
            let age = reader.oldest_unix_nano.map_or(0.0, |oldest| now().saturating_sub(oldest) as f64 / 1e9);
            metrics::gauge!("portcullis_exporter_queue_bytes", "destination" => name.clone())
                .set(reader.unread_bytes as f64);
            metrics::gauge!("portcullis_exporter_queue_capacity_bytes", "destination" => name.clone())
                .set(stats.capacity_bytes as f64);
            metrics::gauge!("portcullis_exporter_queue_oldest_seconds", "destination" => name).set(age);
        }
    }
}

/// Whether the journal's disk has been well for long enough. Nothing asks a disk that nobody writes to, so a
/// gate that was taken out of service for it comes back by itself, to be tried again.
#[derive(Default)]
struct DiskHealth {
    failures: u64,
    last: Option<Instant>,
}

impl DiskHealth {
    /// How long after a failed call the gate is not ready.
    const REST: Duration = Duration::from_secs(10);

    fn look(&mut self, failures: u64, now: Instant) -> bool {
        if failures != self.failures {
            (self.failures, self.last) = (failures, Some(now));
        }
        self.last.is_none_or(|last| now.duration_since(last) >= Self::REST)
    }
}

/// Shows the catalogue: how many tenants, and their limits.
pub(super) fn tell_catalogue(policy: &Policy) {
    metrics::gauge!("portcullis_catalogue_tenants").set(policy.catalogue.len() as f64);
    for tenant in policy.catalogue.iter().take(crate::limits::TENANT_LABELS) {
        let limits = policy.catalogue.limits(tenant.id, &policy.config.identity);
        for (name, limit) in limits.told() {
            let label = tenant_label(tenant.id);
            metrics::gauge!("portcullis_tenant_limit", "tenant_id" => label, "limit" => name).set(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: the disk fails, and goes on to; then it is well. Guarantee: not ready from the first failure
    /// until some time after the last.
    #[test]
    fn a_failing_disk_is_not_ready_for_a_while() {
        let (mut health, start) = (DiskHealth::default(), Instant::now());
        let mut look = |failures, seconds| health.look(failures, start + Duration::from_secs(seconds));
        assert!(look(0, 0));
        assert!(!look(1, 1) && !look(2, 8) && !look(2, 17));
        assert!(look(2, 18) && look(2, 30));
    }
}
