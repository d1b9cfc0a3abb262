//! What one tenant may use.

use serde::{Deserialize, Serialize};

/// A tenant's quotas; what is not said is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Log records, spans and data points a second.
    pub items_per_second: Option<u64>,
    /// Items that may come at once after a pause. Default: twice `items_per_second`.
    pub items_burst: Option<u64>,
    /// Bytes a second, decompressed.
    pub bytes_per_second: Option<u64>,
    /// Bytes that may come at once after a pause. Default: twice `bytes_per_second`.
    pub bytes_burst: Option<u64>,
    /// Requests that are not answered yet.
    pub concurrent_requests: Option<u32>,
    /// Share of `buffer.quota_bytes` that its data may take, above 0 and up to 1.
    /// Default: `buffer.tenant_share`.
    pub disk_share: Option<f64>,
    /// Attributes of one log record, span, span event or span link; further ones are dropped and counted in
    /// `dropped_attributes_count`. Data points and resources keep theirs, as with OpenTelemetry's SDKs.
    pub attributes: Option<u32>,
    /// The longest text or bytes value of such an attribute, in bytes; longer ones are cut off.
    pub attribute_bytes: Option<u32>,
    /// Prometheus series alive at once.
    pub series: Option<u64>,
}

impl Limits {
    /// Holds the numbers to what makes sense.
    ///
    /// # Errors
    /// Names the limit, and says what is expected.
    pub(in crate::identify) fn check(&self) -> Result<(), String> {
        for (name, rate, burst) in [
            ("items", self.items_per_second, self.items_burst),
            ("bytes", self.bytes_per_second, self.bytes_burst),
        ] {
            if rate == Some(0) || burst == Some(0) {
                return Err(format!(
                    "{name}: 0 would never let anything through; state: suspended does that"
                ));
            }
            if burst.is_some() && rate.is_none() {
                return Err(format!("{name}_burst without {name}_per_second limits nothing"));
            }
        }
        if self.concurrent_requests == Some(0) {
            return Err("concurrent_requests: 0 would never let anything through; state: suspended \
                        does that"
                .into());
        }
        if self.disk_share.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
            return Err("disk_share: expected more than 0 and at most 1".into());
        }
        if self.attributes == Some(0) || self.attribute_bytes == Some(0) {
            return Err("attributes, attribute_bytes: expected 1 or more".into());
        }
        Ok(())
    }

    /// Whether attributes are counted or measured.
    pub fn cuts(&self) -> bool {
        self.attributes.is_some() || self.attribute_bytes.is_some()
    }

    /// Each limit that is set, and its number.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let whole = |limit: Option<u64>| limit.map(|limit| limit as f64);
        [
            ("items_per_second", whole(self.items_per_second)),
            ("bytes_per_second", whole(self.bytes_per_second)),
            ("concurrent_requests", self.concurrent_requests.map(f64::from)),
            ("disk_share", self.disk_share),
            ("attributes", self.attributes.map(f64::from)),
            ("attribute_bytes", self.attribute_bytes.map(f64::from)),
            ("series", whole(self.series)),
        ]
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: limits that cannot hold. Guarantee: each is refused by its name; sensible ones pass.
    #[test]
    fn nonsense_is_named() {
        for (text, name) in [
            (r#"{"concurrent_requests":0}"#, "concurrent_requests"),
            (r#"{"disk_share":0}"#, "disk_share"),
            (r#"{"disk_share":1.5}"#, "disk_share"),
            (r#"{"attributes":0}"#, "attributes"),
            (r#"{"attribute_bytes":0}"#, "attribute_bytes"),
            (r#"{"items_per_second":0}"#, "items"),
        ] {
            let said = serde_json::from_str::<Limits>(text).unwrap().check().unwrap_err();
            assert!(said.contains(name), "{said}");
        }
        let good = r#"{"concurrent_requests":4,"disk_share":0.25,"attributes":64,"attribute_bytes":4096}"#;
        let good: Limits = serde_json::from_str(good).unwrap();
        assert_eq!(good.check(), Ok(()));
        assert_eq!(good.told().count(), 4);
    }
}
