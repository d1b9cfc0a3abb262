//! A tenant's quota: items and bytes a second, with room for bursts.

use std::{
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use foldhash::{HashMap, fast::FixedState};

use super::Limits;
use crate::{batch::TenantId, limits, receipt::Refusal};

const SHARDS: usize = 64;
const _: () = assert!(limits::ADMITTED_TENANTS.is_multiple_of(SHARDS));

/// The token buckets of all tenants that have limits. A bucket that is full again says no more than
/// none at all, so those go first where room is needed.
pub struct Admission {
    shards: Vec<Mutex<HashMap<TenantId, Buckets>>>,
    start: Instant,
}

impl Default for Admission {
    fn default() -> Self {
        Admission::new()
    }
}

/// Until when, in nanoseconds since the start, the use so far is paid for.
#[derive(Clone, Copy, Default)]
struct Buckets {
    items: u64,
    bytes: u64,
}

/// One rate and what may come at once.
#[derive(Clone, Copy)]
struct Rate {
    per_second: u64,
    burst: u64,
}

impl Rate {
    fn of(per_second: Option<u64>, burst: Option<u64>) -> Option<Rate> {
        let per_second = per_second?.max(1);
        Some(Rate { per_second, burst: burst.unwrap_or(per_second.saturating_mul(2)).max(1) })
    }

    fn nanos(self, amount: u64) -> u64 {
        u64::try_from(u128::from(amount) * 1_000_000_000 / u128::from(self.per_second)).unwrap_or(u64::MAX)
    }

    /// Where the bucket stands after `amount`, or how long until it would be let through.
    /// More than a whole burst is let through when the bucket is full, and paid for afterwards.
    fn take(self, paid_until: u64, now: u64, amount: u64) -> Result<u64, u64> {
        let after = paid_until.max(now).saturating_add(self.nanos(amount));
        let allowed = now.saturating_add(self.nanos(self.burst.max(1)));
        let needed = paid_until.max(now).saturating_add(self.nanos(amount.min(self.burst)));
        if needed > allowed { Err(needed - allowed) } else { Ok(after) }
    }
}

impl Admission {
    /// All buckets full.
    pub fn new() -> Self {
        Admission { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), start: Instant::now() }
    }

    /// Takes `items` and `bytes` from the tenant's quota, both or neither.
    ///
    /// # Errors
    /// [`Refusal::Throttled`] with the time after which the same would be let through.
    pub fn admit(&self, tenant: TenantId, limits: &Limits, items: u64, bytes: u64) -> Result<(), Refusal> {
        let elapsed = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.admit_at(elapsed, tenant, limits, items, bytes)
    }

    /// Tenants that have a bucket now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether no tenant has a bucket.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn admit_at(
        &self,
        now: u64,
        tenant: TenantId,
        limits: &Limits,
        items: u64,
        bytes: u64,
    ) -> Result<(), Refusal> {
        let item_rate = Rate::of(limits.items_per_second, limits.items_burst);
        let byte_rate = Rate::of(limits.bytes_per_second, limits.bytes_burst);
        if item_rate.is_none() && byte_rate.is_none() {
            return Ok(());
        }
        let hash = FixedState::default().hash_one(tenant);
        let mut shard =
            self.shards[(hash >> 58) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let held = shard.get(&tenant).copied().unwrap_or_default();
        let take =
            |rate: Option<Rate>, held, amount| rate.map_or(Ok(held), |rate| rate.take(held, now, amount));
        let taken = (take(item_rate, held.items, items), take(byte_rate, held.bytes, bytes));
        match taken {
            (Ok(items), Ok(bytes)) => {
                if shard.len() >= limits::ADMITTED_TENANTS / SHARDS && !shard.contains_key(&tenant) {
                    make_room(&mut shard, now);
                }
                shard.insert(tenant, Buckets { items, bytes });
                Ok(())
            }
            (items, bytes) => {
                let (over, wait) = match (items.err(), bytes.err()) {
                    (Some(items), bytes) if items >= bytes.unwrap_or(0) => ("items_per_second", items),
                    (items, bytes) => ("bytes_per_second", bytes.or(items).unwrap_or(0)),
                };
                Err(Refusal::Throttled {
                    message: format!("the tenant is over its limit {over}; send again later"),
                    retry_after: Duration::from_nanos(wait).max(Duration::from_millis(1)),
                })
            }
        }
    }
}

/// Forgets the buckets that are full again; where there are none, one that is not.
fn make_room(shard: &mut HashMap<TenantId, Buckets>, now: u64) {
    shard.retain(|_, held| held.items > now || held.bytes > now);
    if shard.len() >= limits::ADMITTED_TENANTS / SHARDS
        && let Some(tenant) = shard.keys().next().copied()
    {
        shard.remove(&tenant);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn tenant(number: u128) -> TenantId {
        TenantId(Uuid::from_u128(number))
    }

    fn limits(items: u64, burst: u64) -> Limits {
        Limits { items_per_second: Some(items), items_burst: Some(burst), ..Limits::default() }
    }

    fn wait(refusal: Refusal) -> Duration {
        match refusal {
            Refusal::Throttled { retry_after, .. } => retry_after,
            other => panic!("{other:?}"),
        }
    }

    /// Scenario: a tenant uses up its burst and waits as long as it was told. Guarantee: then, and not
    /// before, it is let through; another tenant is not touched.
    #[test]
    fn over_the_limit_is_throttled_until_the_time_that_was_said() {
        let admission = Admission::new();
        let limits = limits(100, 200);
        let admit = |now, who| admission.admit_at(now, tenant(who), &limits, 100, 0);
        assert_eq!((admit(0, 1), admit(0, 1)), (Ok(()), Ok(())));
        let wait = wait(admit(0, 1).unwrap_err()).as_nanos() as u64;
        assert_eq!(wait, SECOND);
        assert_eq!(admit(0, 2), Ok(()));
        assert!(admit(wait - 1, 1).is_err());
        assert_eq!(admit(wait, 1), Ok(()));
    }

    /// Scenario: one request larger than the burst. Guarantee: it goes when the bucket is full, and is paid for.
    #[test]
    fn more_than_a_burst_goes_once_and_is_paid_for() {
        let admission = Admission::new();
        let limits = limits(100, 200);
        assert!(admission.admit_at(0, tenant(1), &limits, 1000, 0).is_ok());
        let wait = wait(admission.admit_at(0, tenant(1), &limits, 1, 0).unwrap_err());
        assert!(wait > Duration::from_secs(7), "{wait:?}");
    }

    /// Scenario: bytes are over the limit, items are not. Guarantee: refused, and no items are taken for it.
    #[test]
    fn both_or_neither_is_taken() {
        let admission = Admission::new();
        let limits = Limits {
            items_per_second: Some(10),
            items_burst: Some(10),
            bytes_per_second: Some(10),
            bytes_burst: Some(10),
            ..Limits::default()
        };
        assert!(admission.admit_at(0, tenant(1), &limits, 1, 10).is_ok());
        for _ in 0..100 {
            assert!(admission.admit_at(0, tenant(1), &limits, 5, 10).is_err());
        }
        assert!(admission.admit_at(0, tenant(1), &limits, 9, 0).is_ok());
    }

    /// Scenario: far more tenants than there is room for. Guarantee: the map stays bounded.
    #[test]
    fn the_map_is_bounded() {
        let mut shard = HashMap::default();
        for number in 0..(limits::ADMITTED_TENANTS / SHARDS + 100) as u128 {
            if shard.len() >= limits::ADMITTED_TENANTS / SHARDS {
                make_room(&mut shard, 0);
            }
            shard.insert(tenant(number), Buckets { items: SECOND, bytes: 0 });
        }
        assert!(shard.len() <= limits::ADMITTED_TENANTS / SHARDS);
        make_room(&mut shard, SECOND);
        assert!(shard.is_empty());
    }

    /// Scenario: a tenant without limits. Guarantee: let through, and no memory spent.
    #[test]
    fn without_limits_nothing_is_kept() {
        let admission = Admission::new();
        assert!(admission.admit(tenant(1), &Limits::default(), u64::MAX, u64::MAX).is_ok());
        assert!(admission.is_empty());
    }

    proptest! {
        /// Scenario: any sequence of requests. Guarantee: over any length of time no more than burst + rate × time
        /// goes through (requests no larger than the burst).
        #[test]
        fn the_rate_holds(steps in proptest::collection::vec((0u64..SECOND, 1u64..50), 1..200)) {
            let admission = Admission::new();
            let limits = limits(100, 50);
            let (mut now, mut through) = (0, 0);
            for (pause, items) in steps {
                now += pause;
                if admission.admit_at(now, tenant(1), &limits, items, 0).is_ok() {
                    through += items;
                }
                prop_assert!(through <= 50 + now * 100 / SECOND + 1);
            }
        }
    }
}
