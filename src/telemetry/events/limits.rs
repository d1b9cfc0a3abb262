//! What tenants' limits do.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::Event;
use crate::{
    batch::{Signal, TenantId},
    telemetry::metrics::tenant_label,
    wire::Cuts,
};

/// A tenant was over a limit: a request of it was refused, to be sent again.
#[derive(Debug, Clone, Copy)]
pub struct TenantThrottled {
    /// Who.
    pub tenant: TenantId,
    /// The limit's name.
    pub limit: &'static str,
}

impl Event for TenantThrottled {
    fn emit(self) {
        counter!("portcullis_throttled_requests_total", "tenant_id" => tenant_label(self.tenant),
            "limit" => self.limit)
        .increment(1);
    }
}

/// A round of sharing limits with other gates.
#[derive(Debug)]
pub struct LimitsShared {
    /// How many gates there are, as far as is known.
    pub gates: u32,
    /// How many tenants' limits were shared.
    pub tenants: usize,
    /// How long it took; or what failed, and whether the last parts hold still.
    pub result: Result<Duration, (String, bool)>,
}

impl Event for LimitsShared {
    fn emit(self) {
        gauge!("portcullis_shared_limits_up").set(f64::from(u8::from(self.result.is_ok())));
        gauge!("portcullis_shared_limits_gates").set(f64::from(self.gates));
        gauge!("portcullis_shared_limits_tenants").set(self.tenants as f64);
        match self.result {
            Ok(took) => histogram!("portcullis_shared_limits_seconds").record(took),
            Err((error, holds)) => {
                counter!("portcullis_shared_limits_failures_total").increment(1);
                let what =
                    if holds { "the last parts hold" } else { "identity.shared_limits.on_failure holds" };
                tracing::warn!(error, "limits could not be shared with other gates; {what}");
            }
        }
    }
}

/// Attributes were over a tenant's limits, and cut off.
#[derive(Debug, Clone, Copy)]
pub struct AttributesCut {
    /// Their signal.
    pub signal: Signal,
    /// Whose data.
    pub tenant: TenantId,
    /// How many went, and how many became shorter.
    pub cuts: Cuts,
}

impl Event for AttributesCut {
    fn emit(self) {
        for (limit, count) in [("attributes", self.cuts.dropped), ("attribute_bytes", self.cuts.shortened)] {
            if count > 0 {
                counter!("portcullis_cut_attributes_total", "signal" => self.signal.as_str(),
                    "tenant_id" => tenant_label(self.tenant), "limit" => limit)
                .increment(count);
            }
        }
    }
}
