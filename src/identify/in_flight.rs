//! What each tenant has in flight: requests that are not answered yet, and their bytes.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{
            AtomicU32, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
    time::Duration,
};

use foldhash::HashMap;

use crate::{
    batch::TenantId,
    receipt::Refusal,
    telemetry::events::{Event, TenantThrottled},
};

/// All tenants that have something in flight.
#[derive(Default)]
pub struct InFlight(Mutex<Tenants>);

#[derive(Default)]
struct Tenants {
    uses: HashMap<TenantId, Weak<Use>>,
    /// How many entries there may be before those of nobody are looked for.
    sweep: usize,
}

/// What one tenant has in flight.
#[derive(Debug)]
pub struct Use {
    tenant: TenantId,
    requests: AtomicU32,
    bytes: AtomicUsize,
}

/// One request in flight; it is no longer when this is dropped.
#[derive(Debug)]
pub struct Slot(Arc<Use>);

impl InFlight {
    /// Counts a request of the tenant in; `limit` is how many it may have.
    ///
    /// # Errors
    /// [`Refusal::Throttled`] where it has as many already.
    pub fn enter(&self, tenant: TenantId, limit: Option<u32>) -> Result<Slot, Refusal> {
        let used = self.of(tenant);
        let limit = limit.unwrap_or(u32::MAX);
        match used.requests.fetch_update(AcqRel, Relaxed, |count| (count < limit).then(|| count + 1)) {
            Ok(_) => Ok(Slot(used)),
            Err(_) => Err(throttled(tenant, "concurrent_requests", Duration::from_millis(500))),
        }
    }

    fn of(&self, tenant: TenantId) -> Arc<Use> {
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = tenants.uses.get(&tenant).and_then(Weak::upgrade) {
            return used;
        }
        if tenants.uses.len() >= tenants.sweep {
            tenants.uses.retain(|_, used| used.strong_count() > 0);
            tenants.sweep = tenants.uses.len() * 2 + 64;
        }
        let used = Arc::new(Use { tenant, requests: AtomicU32::new(0), bytes: AtomicUsize::new(0) });
        tenants.uses.insert(tenant, Arc::downgrade(&used));
        used
    }
}

impl Slot {
    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// Counts `bytes` of a request in, up to `limit` for all requests of the tenant; one that is alone may have
    /// any size. They are to be given back by [`Use::give_back`].
    ///
    /// # Errors
    /// [`Refusal::Throttled`] where the tenant has too much in flight.
    pub fn hold(&self, bytes: usize, limit: usize) -> Result<Arc<Use>, Refusal> {
        let used = &self.0;
        let alone = used.requests.load(Relaxed) <= 1;
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| alone || *sum <= limit);
        match used.bytes.fetch_update(AcqRel, Relaxed, fits) {
            Ok(_) => Ok(Arc::clone(used)),
            Err(_) => Err(throttled(used.tenant, "in_flight_bytes", Duration::from_secs(1))),
        }
    }
}

impl Use {
    /// Bytes are no longer in flight.
    pub fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, AcqRel);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, AcqRel);
    }
}

/// Counts, and says, that a tenant is over a limit.
pub(crate) fn throttled(tenant: TenantId, limit: &'static str, retry_after: Duration) -> Refusal {
    TenantThrottled { tenant, limit }.emit();
    let message = format!("the tenant is over its limit {limit}; send again later");
    Refusal::Throttled { message, retry_after: retry_after.max(Duration::from_millis(1)) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId(Uuid::from_u128(number))
    }

    /// Scenario: a tenant with three requests where two may be. Guarantee: the third is throttled until one of the
    /// two is answered; another tenant is not touched.
    #[test]
    fn only_so_many_requests_at_once() {
        let all = InFlight::default();
        let first = all.enter(tenant(1), Some(2)).unwrap();
        let _second = all.enter(tenant(1), Some(2)).unwrap();
        let refusal = all.enter(tenant(1), Some(2)).unwrap_err();
        assert_eq!(
            (refusal.reason(), refusal.message().contains("concurrent_requests")),
            ("throttled", true)
        );
        assert!(all.enter(tenant(2), Some(2)).is_ok());
        drop(first);
        assert!(all.enter(tenant(1), Some(2)).is_ok());
        // Without a limit it is counted all the same: the limit may come by a reload.
        let _more: Vec<_> = (0..3).map(|_| all.enter(tenant(1), None).unwrap()).collect();
        assert!(all.enter(tenant(1), Some(3)).is_err());
    }

    /// Scenario: bytes of two requests, one too large beside the other, and the same alone. Guarantee: throttled
    /// beside, taken alone, and what is given back is free again.
    #[test]
    fn only_so_many_bytes_unless_alone() {
        let all = InFlight::default();
        let one = all.enter(tenant(1), None).unwrap();
        let held = one.hold(500, 100).unwrap();
        let two = all.enter(tenant(1), None).unwrap();
        assert!(two.hold(1, 100).is_err());
        held.give_back(500);
        assert!(two.hold(60, 100).is_ok() && one.hold(60, 100).is_err());
    }

    /// Scenario: many tenants come and go. Guarantee: they are forgotten.
    #[test]
    fn who_is_gone_is_forgotten() {
        let all = InFlight::default();
        for number in 0..10_000 {
            drop(all.enter(tenant(number), Some(1)).unwrap());
        }
        assert!(all.0.lock().unwrap().uses.len() <= 64);
    }
}
