//! The section `identity.shared_limits` of the configuration.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    config::Secret,
    identify::{Isolation, Limits},
};

/// Limits of items and bytes a second that hold over several gates together, by way of a Redis server. The gates
/// deal them out among themselves from time to time; no request ever waits for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SharedLimits {
    /// The Redis server (or Valkey, or another that speaks its protocol and Lua).
    pub redis: RedisSettings,
    /// What the names of keys begin with: gates with the same prefix share. Default: `portcullis:limits`.
    pub prefix: String,
    /// How often a gate says what its tenants used, and gets its parts; 100ms to 5s. Default: `250ms`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// How long an answer may take. Default: `1s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// For how long a gate that is not heard of counts as there, and for how long its parts hold when Redis is away.
    /// Default: `2s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub hold: Duration,
    /// What holds while Redis is away for longer.
    pub on_failure: OnFailure,
    /// How many gates are assumed by who is `closed`, as long as Redis has never answered. Default: 2.
    pub gates: u32,
}

impl Default for SharedLimits {
    fn default() -> Self {
        SharedLimits {
            redis: RedisSettings::default(),
            prefix: "portcullis:limits".into(),
            interval: Duration::from_millis(250),
            timeout: Duration::from_secs(1),
            hold: Duration::from_secs(2),
            on_failure: OnFailure::default(),
            gates: 2,
        }
    }
}

/// Where a Redis server is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisSettings {
    /// How to reach it: `redis://:password@host:6379/0`, or `rediss://` with TLS, whose certificate is verified.
    pub url: Secret,
    /// A file that holds the same.
    pub url_file: Option<PathBuf>,
}

/// What holds while Redis is away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OnFailure {
    /// For tenants of all tiers that are not named. Default: `open`.
    pub default: Failing,
    /// By isolation tier. Default: none.
    pub tiers: BTreeMap<Isolation, Failing>,
}

/// What holds while Redis is away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Failing {
    /// Each gate lets the whole limit through, as if it were alone.
    #[default]
    Open,
    /// Each gate lets its equal part through: the limit by the number of gates that was known last.
    Closed,
}

impl SharedLimits {
    /// Holds the settings to their bounds.
    ///
    /// # Errors
    /// Says which setting is wrong and what is expected.
    pub(in crate::identify) fn check(&self) -> Result<(), String> {
        let wrong = |said: &str| Err(format!("identity.shared_limits.{said}"));
        if self.redis.url.is_empty() == self.redis.url_file.is_none() {
            return wrong("redis: expected one of url, url_file");
        }
        if !self.redis.url.is_empty() {
            super::address(self.redis.url.expose())?;
        }
        let interval = Duration::from_millis(100)..=Duration::from_secs(5);
        if !interval.contains(&self.interval) {
            return wrong("interval: expected 100ms to 5s");
        }
        if self.hold < self.interval * 2 || self.hold > Duration::from_secs(60) {
            return wrong("hold: expected twice the interval or more, and at most 60s");
        }
        if self.timeout.is_zero() || self.timeout > Duration::from_secs(10) {
            return wrong("timeout: expected more than 0 and at most 10s");
        }
        if self.gates == 0 {
            return wrong("gates: expected 1 or more");
        }
        if self.prefix.is_empty() || self.prefix.len() > 128 {
            return wrong("prefix: expected 1 to 128 bytes");
        }
        Ok(())
    }

    /// The part of a limit that holds here while Redis is away, where `gates` were there last.
    pub fn failing(&self, tier: Isolation, gates: u32) -> f32 {
        match self.on_failure.tiers.get(&tier).unwrap_or(&self.on_failure.default) {
            Failing::Open => 1.0,
            Failing::Closed => 1.0 / gates.max(1) as f32,
        }
    }
}

/// What of a limit was used in `seconds`, as a part of it: of the one that is nearer to its end.
pub(super) fn part_used(limits: &Limits, items: u64, bytes: u64, seconds: f64) -> f64 {
    let part = |used: u64, limit: Option<u64>| {
        limit.map_or(0.0, |limit| used as f64 / (limit.max(1) as f64 * seconds.max(0.001)))
    };
    part(items, limits.items_per_second).max(part(bytes, limits.bytes_per_second))
}
