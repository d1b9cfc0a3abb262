//! Usage as the gate's own metrics.

use super::{Changes, Dropped, Key};
use crate::telemetry::metrics::tenant_label;

/// Adds what was counted since the last time.
pub fn tell(changes: Changes) {
    for (Key { tenant, signal, tier }, row) in changes {
        let (tenant, signal, tier) = (tenant_label(tenant), signal.as_str(), tier.as_str());
        let labels = || [("signal", signal.into()), ("tier", tier.into()), ("tenant_id", tenant.clone())];
        let add = |name: &'static str, n: u64, more: Option<(&'static str, metrics::SharedString)>| {
            if n > 0 {
                let labels = labels().into_iter().chain(more);
                let labels: Vec<_> = labels.map(|(key, value)| metrics::Label::new(key, value)).collect();
                metrics::counter!(name, labels).increment(n);
            }
        };
        add("portcullis_usage_items_total", row.accepted_items, None);
        add("portcullis_usage_bytes_in_total", row.bytes_in, None);
        add("portcullis_usage_redacted_values_total", row.redacted_values, None);
        for (reason, items) in row.dropped_items {
            let reason = match reason {
                Dropped::Transform => "transform",
                Dropped::Sample => "sample",
            };
            add("portcullis_usage_dropped_items_total", items, Some(("reason", reason.into())));
        }
        for (reason, items) in row.rejected_items {
            let reason = Some(("reason", reason.as_str().into()));
            add("portcullis_usage_rejected_items_total", items, reason);
        }
        for (name, out) in row.destinations {
            let destination = Some(("destination", metrics::SharedString::from(name)));
            add("portcullis_usage_delivered_items_total", out.delivered_items, destination.clone());
            add("portcullis_usage_bytes_out_total", out.bytes_out, destination.clone());
            add("portcullis_usage_undeliverable_items_total", out.undeliverable_items, destination);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::{Signal, TenantId},
        identify::Isolation,
        telemetry::metrics::{METRICS, builder},
        usage::{Out, Rejected, Row},
    };

    /// Scenario: a row with everything in it. Guarantee: each sum is on the page under its name and labels, and every
    /// name is in the table of metrics.
    #[test]
    fn a_row_is_on_the_page() {
        let recorder = builder().unwrap().build_recorder();
        let key = Key { tenant: TenantId::NONE, signal: Signal::Logs, tier: Isolation::Schema };
        let out = Out { delivered_items: 4, bytes_out: 5, undeliverable_items: 6, ..Out::default() };
        let row = Row {
            accepted_items: 1,
            bytes_in: 2,
            redacted_values: 3,
            dropped_items: [(Dropped::Sample, 7)].into(),
            rejected_items: [(Rejected::UnknownTenant, 8)].into(),
            destinations: [("backend".to_owned(), out)].into(),
            ..Row::default()
        };
        metrics::with_local_recorder(&recorder, || tell([(key, row)].into()));
        let page = recorder.handle().render();
        let base = "signal=\"logs\",tier=\"schema\",tenant_id=\"00000000-0000-0000-0000-000000000000\"";
        for (name, more, n) in [
            ("items", "", 1),
            ("bytes_in", "", 2),
            ("redacted_values", "", 3),
            ("delivered_items", ",destination=\"backend\"", 4),
            ("bytes_out", ",destination=\"backend\"", 5),
            ("undeliverable_items", ",destination=\"backend\"", 6),
            ("dropped_items", ",reason=\"sample\"", 7),
            ("rejected_items", ",reason=\"unknown_tenant\"", 8),
        ] {
            let name = format!("portcullis_usage_{name}_total");
            assert!(page.contains(&format!("{name}{{{base}{more}}} {n}\n")), "{name} in {page}");
            assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
        }
    }
}
