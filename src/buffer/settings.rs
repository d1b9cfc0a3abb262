//! The `buffer` section of the configuration.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::limits;

/// Where accepted data waits, and how much of it.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Directory of the journal and the quarantine; made if it is missing. Default `portcullis-data`.
    pub directory: PathBuf,
    /// Disk that the journal may take, in bytes. Past it, requests are refused retryably until
    /// destinations have drained it. Default 8 GiB.
    pub quota_bytes: u64,
    /// Size at which a segment file is closed and the next begun, in bytes. Default 64 MiB.
    pub segment_bytes: u64,
    /// Data of one tenant waiting in memory for the disk, in bytes. Past it, that tenant is
    /// throttled. Default 32 MiB.
    pub lane_bytes: usize,
    /// Data of all tenants waiting in memory for the disk, in bytes. Default 128 MiB.
    pub queue_bytes: usize,
    /// Share of `quota_bytes` that one tenant may hold, above 0 and up to 1; a tenant's own `disk_share` holds in
    /// its place. Default 0.5.
    pub tenant_share: f64,
    /// Data written and made durable with one flush of the disk, in bytes. Default 4 MiB.
    pub group_commit_bytes: usize,
    /// How often progress of the destinations is made durable. A crash repeats at most this much.
    /// Default 250ms.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub cursor_interval: Duration,
    /// Where rejected items are kept, scrubbed.
    pub quarantine: QuarantineSettings,
}

/// Bounds of the quarantine.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuarantineSettings {
    /// Disk that the quarantine may take, in bytes; the oldest items go first. Default 256 MiB.
    pub max_bytes: u64,
    /// Age at which items are dropped. Default 7d.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub max_age: Duration,
    /// Share of `max_bytes` above which a declared tenant's own oldest items go before those of others, above 0
    /// and up to 1. Default 0.25.
    pub tenant_share: f64,
    /// A file with a key: 32 random bytes, or 64 hex digits. With it what is kept is encrypted (AES-256-GCM).
    /// Default: none.
    pub key_file: Option<PathBuf>,
    /// Files with keys that were in use before: what was written with them stays readable.
    pub previous_key_files: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            directory: "portcullis-data".into(),
            quota_bytes: 8 << 30,
            segment_bytes: limits::SEGMENT_BYTES,
            lane_bytes: 32 * limits::MIB,
            queue_bytes: 128 * limits::MIB,
            tenant_share: 0.5,
            group_commit_bytes: 4 * limits::MIB,
            cursor_interval: Duration::from_millis(250),
            quarantine: QuarantineSettings::default(),
        }
    }
}

impl Default for QuarantineSettings {
    fn default() -> Self {
        QuarantineSettings {
            max_bytes: 256 << 20,
            max_age: Duration::from_secs(7 * 24 * 3600),
            tenant_share: 0.25,
            key_file: None,
            previous_key_files: Vec::new(),
        }
    }
}

impl Settings {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// One message a setting that is out of its range.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        let mut expect = |holds: bool, message: &str| {
            if !holds {
                errors.push(message.to_owned());
            }
        };
        expect(!self.directory.as_os_str().is_empty(), "buffer.directory: expected a path");
        expect(self.segment_bytes >= 4096, "buffer.segment_bytes: expected at least 4096");
        expect(self.segment_bytes <= 1 << 32, "buffer.segment_bytes: expected at most 4294967296 (4 GiB)");
        expect(
            self.quota_bytes / 4 >= self.segment_bytes,
            "buffer.quota_bytes: expected at least four times buffer.segment_bytes",
        );
        expect(
            self.tenant_share > 0.0 && self.tenant_share <= 1.0,
            "buffer.tenant_share: expected more than 0 and at most 1",
        );
        expect(self.lane_bytes > 0, "buffer.lane_bytes: expected more than 0");
        expect(
            self.queue_bytes >= self.lane_bytes,
            "buffer.queue_bytes: expected at least buffer.lane_bytes",
        );
        expect(self.group_commit_bytes > 0, "buffer.group_commit_bytes: expected more than 0");
        expect(
            self.cursor_interval >= Duration::from_millis(1),
            "buffer.cursor_interval: expected at least 1ms",
        );
        let quarantine = &self.quarantine;
        expect(
            quarantine.tenant_share > 0.0 && quarantine.tenant_share <= 1.0,
            "buffer.quarantine.tenant_share: expected more than 0 and at most 1",
        );
        let most = format!(
            "buffer.quarantine.previous_key_files: expected at most {}",
            limits::QUARANTINE_PREVIOUS_KEYS
        );
        expect(quarantine.previous_key_files.len() <= limits::QUARANTINE_PREVIOUS_KEYS, &most);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// What one tenant may hold on the disk, in bytes: its own share, or that of all.
    pub fn tenant_bytes(&self, share: Option<f64>) -> u64 {
        (self.quota_bytes as f64 * share.unwrap_or(self.tenant_share)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: settings out of range. Guarantee: each is named; the defaults are in range.
    #[test]
    fn ranges_are_checked() {
        assert_eq!(Settings::default().validate(), Ok(()));
        let bad = Settings { tenant_share: f64::NAN, quota_bytes: 1, ..Settings::default() };
        let errors = bad.validate().unwrap_err();
        assert!(errors.iter().any(|e| e.starts_with("buffer.tenant_share")), "{errors:?}");
        assert!(errors.iter().any(|e| e.starts_with("buffer.quota_bytes")), "{errors:?}");
    }
}
