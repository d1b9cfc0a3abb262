//! One limit over several gates. Each gate tells a Redis server from time to time what its tenants used, and is told
//! its part of their limits; [`Admission`] then decides from local memory alone. While the server is away the parts
//! hold for a time, and then what the configuration says for the tenant's tier.

mod settings;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use foldhash::HashMap;
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};

pub use settings::{Failing, OnFailure, RedisSettings, SharedLimits};

use super::{Admission, Catalogue, Isolation, Settings, Used};
use crate::{
    batch::TenantId,
    config::Secret,
    limits,
    telemetry::events::{Event, LimitsShared},
};

const SCRIPT: &str = include_str!("lease.lua");
/// Calls after which a tenant that used nothing is forgotten.
const IDLE_CALLS: u8 = 8;
/// Calls for which a tenant that was over its part counts as wanting more.
const OVER_CALLS: u8 = 4;
/// From which share of its part on a tenant counts as wanting more.
const NEARLY_ALL: f64 = 0.9;

/// A gate's side of it: one task's, for the life of the process.
pub struct Sharing {
    /// Names this gate among the others.
    gate: String,
    settings: Option<SharedLimits>,
    connection: Option<MultiplexedConnection>,
    tenants: HashMap<TenantId, Seen>,
    /// When the tenants were asked last what they used.
    looked: Instant,
    /// When the server answered last.
    answered: Option<Instant>,
    /// How many gates there were then.
    gates: Option<u32>,
    failing: bool,
}

/// What is known of a tenant from one call to the next.
#[derive(Default)]
struct Seen {
    /// What it uses, as a part of its limit; evened out.
    use_: f64,
    part: f64,
    over: u8,
    call: u64,
}

impl Default for Sharing {
    fn default() -> Self {
        Sharing {
            gate: uuid::Uuid::new_v4().simple().to_string(),
            settings: None,
            connection: None,
            tenants: HashMap::default(),
            looked: Instant::now(),
            answered: None,
            gates: None,
            failing: false,
        }
    }
}

impl Sharing {
    /// Tells and is told once. Answers after how long the next time is due.
    pub async fn round(
        &mut self,
        admission: &Admission,
        catalogue: &Catalogue,
        settings: &Settings,
    ) -> Duration {
        let Some(shared) = &settings.shared_limits else {
            if self.settings.take().is_some() {
                admission.set_parts(1.0, |_| 1.0);
                *self = Sharing::default();
            }
            return Duration::from_secs(1);
        };
        if self.settings.as_ref() != Some(shared) {
            self.connection = None;
            self.settings = Some(shared.clone());
        }
        let reports = self.reports(admission, catalogue, settings);
        let began = Instant::now();
        let told = tokio::time::timeout(shared.timeout, self.tell(shared, &reports)).await;
        match told.unwrap_or_else(|_| Err("no answer in time".into())) {
            Ok(parts) => {
                self.answered = Some(Instant::now());
                self.failing = false;
                let gates = self.gates.unwrap_or(1);
                admission.set_first_part(1.0 / gates as f32);
                for (tenant, part) in &parts {
                    admission.set_part(*tenant, *part as f32);
                    if let Some(seen) = self.tenants.get_mut(tenant) {
                        seen.part = *part;
                    }
                }
                LimitsShared { gates, tenants: parts.len(), result: Ok(began.elapsed()) }.emit();
            }
            Err(error) => {
                // A new connection the next time, whatever is wrong with this one.
                self.connection = None;
                let gates = self.gates.unwrap_or(shared.gates);
                if self.answered.is_none_or(|answered| answered.elapsed() >= shared.hold) {
                    fail(shared, gates, admission, catalogue);
                    self.failing = true;
                }
                let holds = !self.failing;
                LimitsShared { gates, tenants: reports.len(), result: Err((error, holds)) }.emit();
            }
        }
        shared.interval
    }

    /// What the tenants used since the last time: part of the limit, and whether they want more.
    fn reports(
        &mut self,
        admission: &Admission,
        catalogue: &Catalogue,
        settings: &Settings,
    ) -> Vec<(TenantId, f64, bool)> {
        let seconds = self.looked.elapsed().as_secs_f64();
        self.looked = Instant::now();
        let mut reports = Vec::new();
        let call = self.tenants.values().map(|seen| seen.call).max().unwrap_or(0) + 1;
        admission.used(IDLE_CALLS, |tenant, used| {
            let Used { items, bytes, over } = used;
            let limits = catalogue.limits(tenant, settings);
            let seen = self.tenants.entry(tenant).or_default();
            let now = settings::part_used(limits, items, bytes, seconds);
            seen.use_ = if seen.call == 0 { now } else { (seen.use_ + now) / 2.0 };
            seen.over = if over || (seen.part > 0.0 && seen.use_ > NEARLY_ALL * seen.part) {
                OVER_CALLS
            } else {
                seen.over.saturating_sub(1)
            };
            seen.call = call;
            reports.push((tenant, seen.use_, seen.over > 0));
        });
        self.tenants.retain(|_, seen| seen.call == call);
        reports
    }

    /// One exchange with the server: the parts that it gives.
    async fn tell(
        &mut self,
        shared: &SharedLimits,
        reports: &[(TenantId, f64, bool)],
    ) -> Result<Vec<(TenantId, f64)>, String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(shared).await?,
        };
        let mut parts = Vec::with_capacity(reports.len());
        // Without a tenant, too: the gate is there.
        let mut rest = reports;
        loop {
            let (now, later) = rest.split_at(rest.len().min(limits::SHARED_TENANTS_AT_ONCE));
            let mut command = redis::cmd("EVAL");
            command.arg(SCRIPT).arg(1 + now.len()).arg(format!("{}:gates", shared.prefix));
            for (tenant, ..) in now {
                command.arg(format!("{}:{tenant}", shared.prefix));
            }
            command.arg(&self.gate).arg(u64::try_from(shared.hold.as_millis()).unwrap_or(2000));
            for (_, used, over) in now {
                command.arg(format!("{used:.6}")).arg(u8::from(*over));
            }
            let answer: Vec<String> =
                command.query_async(&mut connection).await.map_err(|error| said(&error))?;
            let mut numbers =
                answer.iter().map(|text| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0));
            let gates = numbers.next().flatten().ok_or("an answer that is none")?;
            self.gates = Some((gates as u32).max(1));
            for ((tenant, ..), part) in now.iter().zip(numbers) {
                parts.push((*tenant, part.ok_or("an answer that is none")?));
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        self.connection = Some(connection);
        Ok(parts)
    }
}

/// Sets what holds while the server is away.
fn fail(shared: &SharedLimits, gates: u32, admission: &Admission, catalogue: &Catalogue) {
    let tier = |tenant| catalogue.get(tenant).map_or(Isolation::default(), |tenant| tenant.isolation);
    // Whoever comes anew has the smallest part until the next call.
    let tiers = [Isolation::Shared, Isolation::Rls, Isolation::Schema, Isolation::Database];
    let first = tiers.into_iter().map(|tier| shared.failing(tier, gates)).fold(1.0, f32::min);
    admission.set_parts(first, |tenant| shared.failing(tier(tenant), gates));
}

async fn connect(shared: &SharedLimits) -> Result<MultiplexedConnection, String> {
    let given = (!shared.redis.url.is_empty()).then_some(&shared.redis.url);
    let url = Secret::resolve(given, shared.redis.url_file.as_deref())
        .map_err(|error| format!("identity.shared_limits.redis.url_file: {error}"))?
        .ok_or("identity.shared_limits.redis: no url")?;
    let client = address(url.expose().trim())?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(shared.timeout))
        .set_response_timeout(Some(shared.timeout));
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| said(&error))
}

/// A client for a URL. The parser's own message may repeat parts of it.
fn address(url: &str) -> Result<Client, String> {
    Client::open(url).map_err(|_| {
        "identity.shared_limits.redis.url: not a Redis URL; expected redis://:password@host:6379/0".to_owned()
    })
}

/// What an error says, without what a server may repeat of keys or commands.
fn said(error: &redis::RedisError) -> String {
    match error.code() {
        Some(code) => format!("the Redis server answers {code}"),
        None => format!("Redis: {}", error.category()),
    }
}
