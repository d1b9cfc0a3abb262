//! A tenant's quota: items and bytes a second, with room for bursts.
//!
//! Several gates may share a tenant's limit: each then has a part of it, which
//! [`shared`](super::shared) sets from time to time. What is let through is decided here, from local memory alone.

use std::{
    hash::BuildHasher,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use foldhash::{HashMap, fast::FixedState};

use super::{
    Limits,
    in_flight::{InFlight, throttled},
};
use crate::{batch::TenantId, limits, receipt::Refusal};

const SHARDS: usize = 64;
const _: () = assert!(limits::ADMITTED_TENANTS.is_multiple_of(SHARDS));

type Shard = HashMap<TenantId, Buckets>;

/// The least part of a limit that a gate has: with less, a bucket would hold nothing for hours.
const LEAST_PART: f32 = 0.001;

/// The token buckets of all tenants that have limits. A bucket that is full again says no more than
/// none at all, so those go first where room is needed.
pub struct Admission {
    /// What the tenants have in flight.
    pub in_flight: InFlight,
    shards: Vec<Mutex<Shard>>,
    /// The part of a limit that holds where none was set: the bits of an f32.
    first_part: AtomicU32,
    start: Instant,
}

impl Default for Admission {
    fn default() -> Self {
        Admission::new()
    }
}

#[derive(Clone, Copy, Default)]
struct Buckets {
    /// Until when, in nanoseconds since the start, the use so far is paid for.
    items: u64,
    bytes: u64,
    /// Until when the tenant was told to stay away.
    told: u64,
    /// The rates that both were reckoned at, in a second; 0 before the first.
    rates: [f64; 2],
    used: Used,
    /// The part of the limit that is this gate's; 0 where it was not set.
    part: f32,
    idle: u8,
}

/// What a tenant used since it was last asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Items let through.
    pub items: u64,
    /// Bytes let through.
    pub bytes: u64,
    /// Something was not let through.
    pub over: bool,
}

/// One rate and what may come at once.
#[derive(Clone, Copy)]
struct Rate {
    per_second: u64,
    burst: u64,
    /// The part of it that is this gate's.
    part: f32,
}

impl Rate {
    fn of(per_second: Option<u64>, burst: Option<u64>, part: f32) -> Option<Rate> {
        let per_second = per_second?.max(1);
        let mut burst = burst.unwrap_or(per_second.saturating_mul(2));
        if part < 1.0 {
            burst = (burst as f64 * f64::from(part)) as u64;
        }
        Some(Rate { per_second, burst: burst.max(1), part })
    }

    fn nanos(self, amount: u64) -> u64 {
        let whole = u128::from(amount) * 1_000_000_000 / u128::from(self.per_second);
        let whole = u64::try_from(whole).unwrap_or(u64::MAX);
        if self.part < 1.0 { (whole as f64 / f64::from(self.part)) as u64 } else { whole }
    }

    /// Where the bucket stands after `amount`, or how long until it would be let through.
    /// More than a whole burst is let through when the bucket is full, and paid for afterwards.
    fn take(self, paid_until: u64, now: u64, amount: u64) -> Result<u64, u64> {
        let after = paid_until.max(now).saturating_add(self.nanos(amount));
        let allowed = now.saturating_add(self.nanos(self.burst));
        let needed = paid_until.max(now).saturating_add(self.nanos(amount.min(self.burst)));
        if needed > allowed { Err(needed - allowed) } else { Ok(after) }
    }
}

impl Admission {
    /// All buckets full.
    pub fn new() -> Self {
        Admission {
            in_flight: InFlight::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            first_part: AtomicU32::new(1f32.to_bits()),
            start: Instant::now(),
        }
    }

    /// Takes `items` and `bytes` from the tenant's quota, both or neither.
    ///
    /// # Errors
    /// [`Refusal::Throttled`] with the time after which the same would be let through.
    pub fn admit(&self, tenant: TenantId, limits: &Limits, items: u64, bytes: u64) -> Result<(), Refusal> {
        self.admit_at(self.now(), tenant, limits, items, bytes)
    }

    /// Whether there is any sense in reading a request of the tenant: not while its bucket is empty, nor until the
    /// time that it was told last. Takes nothing.
    ///
    /// # Errors
    /// As [`Admission::admit`].
    pub fn peek(&self, tenant: TenantId, limits: &Limits) -> Result<(), Refusal> {
        self.peek_at(self.now(), tenant, limits)
    }

    /// Tenants that have a bucket now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }

    /// Whether no tenant has a bucket.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What each tenant used since this was last called. A tenant that used nothing for `idle` calls is forgotten.
    pub fn used(&self, idle: u8, mut each: impl FnMut(TenantId, Used)) {
        for shard in &self.shards {
            for (tenant, held) in locked(shard).iter_mut() {
                let used = std::mem::take(&mut held.used);
                held.idle = if used == Used::default() { held.idle.saturating_add(1) } else { 0 };
                if held.idle < idle {
                    each(*tenant, used);
                } else {
                    held.part = 0.0;
                }
            }
        }
    }

    /// Sets the part of a tenant's limit that is this gate's, above 0 and up to 1.
    pub fn set_part(&self, tenant: TenantId, part: f32) {
        if let Some(held) = locked(self.shard(tenant)).get_mut(&tenant) {
            held.part = part.clamp(LEAST_PART, 1.0);
        }
    }

    /// Sets the part of all tenants that have a bucket, and of those that get one from now on.
    pub fn set_parts(&self, first: f32, of: impl Fn(TenantId) -> f32) {
        self.first_part.store(first.clamp(LEAST_PART, 1.0).to_bits(), Relaxed);
        for shard in &self.shards {
            for (tenant, held) in locked(shard).iter_mut() {
                held.part = of(*tenant).clamp(LEAST_PART, 1.0);
            }
        }
    }

    /// Sets the part of those that get a bucket from now on.
    pub fn set_first_part(&self, first: f32) {
        self.first_part.store(first.clamp(LEAST_PART, 1.0).to_bits(), Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn shard(&self, tenant: TenantId) -> &Mutex<Shard> {
        let hash = FixedState::default().hash_one(tenant);
        &self.shards[(hash >> 58) as usize % SHARDS]
    }

    /// The rates of items and bytes that hold here and now.
    fn rates(&self, held: &mut Buckets, limits: &Limits, now: u64) -> (Option<Rate>, Option<Rate>) {
        let first = || f32::from_bits(self.first_part.load(Relaxed));
        let part = if held.part > 0.0 { held.part } else { first() };
        let items = Rate::of(limits.items_per_second, limits.items_burst, part);
        let bytes = Rate::of(limits.bytes_per_second, limits.bytes_burst, part);
        let [item_rate, byte_rate] = &mut held.rates;
        rebase(&mut held.items, item_rate, items, now);
        rebase(&mut held.bytes, byte_rate, bytes, now);
        (items, bytes)
    }

    fn peek_at(&self, now: u64, tenant: TenantId, limits: &Limits) -> Result<(), Refusal> {
        if limits.items_per_second.is_none() && limits.bytes_per_second.is_none() {
            return Ok(());
        }
        let mut shard = locked(self.shard(tenant));
        let Some(held) = shard.get_mut(&tenant) else { return Ok(()) };
        let (items, bytes) = self.rates(held, limits, now);
        let wait =
            |rate: Option<Rate>, paid| rate.and_then(|rate| rate.take(paid, now, 1).err()).unwrap_or(0);
        let (items, bytes) = (wait(items, held.items), wait(bytes, held.bytes));
        let wait = items.max(bytes).max(held.told.saturating_sub(now));
        if wait == 0 {
            return Ok(());
        }
        held.used.over = true;
        drop(shard);
        let over = if items >= bytes && limits.items_per_second.is_some() { ITEMS } else { BYTES };
        Err(throttled(tenant, over, Duration::from_nanos(wait)))
    }

    fn admit_at(
        &self,
        now: u64,
        tenant: TenantId,
        limits: &Limits,
        items: u64,
        bytes: u64,
    ) -> Result<(), Refusal> {
        if limits.items_per_second.is_none() && limits.bytes_per_second.is_none() {
            return Ok(());
        }
        let mut shard = locked(self.shard(tenant));
        if shard.len() >= limits::ADMITTED_TENANTS / SHARDS && !shard.contains_key(&tenant) {
            make_room(&mut shard, now);
        }
        let held = shard.entry(tenant).or_default();
        let (item_rate, byte_rate) = self.rates(held, limits, now);
        let take =
            |rate: Option<Rate>, paid, amount| rate.map_or(Ok(paid), |rate| rate.take(paid, now, amount));
        match (take(item_rate, held.items, items), take(byte_rate, held.bytes, bytes)) {
            (Ok(item_paid), Ok(byte_paid)) => {
                (held.items, held.bytes) = (item_paid, byte_paid);
                held.used.items = held.used.items.saturating_add(items);
                held.used.bytes = held.used.bytes.saturating_add(bytes);
                Ok(())
            }
            (items, bytes) => {
                let (over, wait) = match (items.err(), bytes.err()) {
                    (Some(items), bytes) if items >= bytes.unwrap_or(0) => (ITEMS, items),
                    (items, bytes) => (BYTES, bytes.or(items).unwrap_or(0)),
                };
                // A smaller request might be let through sooner, but who is told to wait mostly does.
                held.told = held.told.max(now.saturating_add(wait.min(limits::THROTTLE_TOLD_NANOS)));
                held.used.over = true;
                drop(shard);
                Err(throttled(tenant, over, Duration::from_nanos(wait)))
            }
        }
    }
}

/// What is owed stays the same amount when the rate becomes another.
fn rebase(paid_until: &mut u64, reckoned: &mut f64, rate: Option<Rate>, now: u64) {
    let Some(rate) = rate else { return };
    let per_second = rate.per_second as f64 * f64::from(rate.part);
    if *reckoned != per_second {
        let owed = paid_until.saturating_sub(now);
        if *reckoned > 0.0 && owed > 0 {
            *paid_until = now.saturating_add((owed as f64 * *reckoned / per_second) as u64);
        }
        *reckoned = per_second;
    }
}

const ITEMS: &str = "items_per_second";
const BYTES: &str = "bytes_per_second";

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets the buckets that are full again; where there are none, one that is not.
fn make_room(shard: &mut Shard, now: u64) {
    shard.retain(|_, held| held.items > now || held.bytes > now);
    if shard.len() >= limits::ADMITTED_TENANTS / SHARDS
        && let Some(tenant) = shard.keys().next().copied()
    {
        shard.remove(&tenant);
    }
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
