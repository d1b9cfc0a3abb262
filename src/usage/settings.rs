//! The `usage` section of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const DAY: u64 = 24 * 3600;

/// What tenants have used, counted exactly, for their bills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether usage is counted. What passes while it is not is not counted later, or not all of it. Default: true.
    pub enabled: bool,
    /// How long the files of days that are over are kept. Default: `400d`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub keep: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, keep: Duration::from_secs(400 * DAY) }
    }
}

impl Settings {
    /// Whole days that files are kept.
    pub fn keep_days(&self) -> u64 {
        self.keep.as_secs().div_ceil(DAY)
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// What is out of its range.
    pub fn check(&self) -> Result<(), String> {
        if self.keep_days() == 0 {
            return Err("usage.keep: expected at least 1d".into());
        }
        Ok(())
    }
}
