//! The section `identity.inherit` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits;

/// Whether a span or log record that names no tenant, and whose sender is verified as none's, takes the tenant that
/// others of its trace have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Inherit {
    /// Default: false.
    pub enabled: bool,
    /// How long a trace's tenant is remembered after it was seen last; 1s to 1h. Default: `60s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub remember: Duration,
    /// How many traces are remembered, 1024 to 2000000; up to 100 bytes each. Default: 100000.
    pub traces: usize,
    /// How long the answer to a request waits for the tenant of a trace that is not known yet, 5s at most; `0s`: not
    /// at all. Default: `0s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub wait: Duration,
}

impl Default for Inherit {
    fn default() -> Self {
        Inherit { enabled: false, remember: Duration::from_secs(60), traces: 100_000, wait: Duration::ZERO }
    }
}

impl Inherit {
    /// Whether requests may be made to wait.
    pub fn waits(&self) -> bool {
        self.enabled && !self.wait.is_zero()
    }

    /// Holds the settings to their bounds.
    ///
    /// # Errors
    /// Says which setting is wrong and what is expected.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(Duration::from_secs(1)..=limits::INHERIT_REMEMBER).contains(&self.remember) {
            return Err("identity.inherit.remember: expected 1s to 1h".into());
        }
        let (least, most) = (limits::INHERIT_LEAST_TRACES, limits::INHERIT_TRACES);
        if !(least..=most).contains(&self.traces) {
            return Err(format!("identity.inherit.traces: {}; expected {least} to {most}", self.traces));
        }
        if self.wait > limits::INHERIT_WAIT {
            return Err(
                "identity.inherit.wait: expected 5s at most; a sender's own deadline is often 10s".into()
            );
        }
        Ok(())
    }
}
