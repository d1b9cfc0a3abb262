//! Each event under its name, and every name in the table.

use std::{collections::HashSet, fs, path::Path};

use uuid::Uuid;

use super::*;
use crate::telemetry::metrics::{METRICS, builder, describe};

/// Scenario: one of each event. Guarantee: counted under the fixed names and labels.
#[test]
fn events_count_themselves() {
    let tenant = TenantId(Uuid::from_u128(5));
    let signal = Signal::Logs;
    let destination = SharedString::const_str("loki");
    let recorder = builder().unwrap().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        ItemsReceived { signal, tenant, items: 3 }.emit();
        BatchAccepted { signal, tenant, items: 2 }.emit();
        ItemsRejected { signal, tenant, items: 1, reason: crate::identify::Reject::DeletedTenant }.emit();
        ItemsDropped { signal, tenant, items: 4, reason: DropReason::Sample }.emit();
        let refusal = Refusal::TooLarge("too large".into());
        RequestRefused { signal, protocol: Protocol::Grpc, refusal: &refusal }.emit();
        let took = Duration::from_millis(3);
        RequestAnswered { signal, protocol: Protocol::Http, bytes: 10, took }.emit();
        UnknownFields { signal, fields: 1 }.emit();
        crate::telemetry::audit::ItemsImpersonated { signal, tenant, items: 6 }.emit();
        ItemsInherited { signal, tenant, items: 5 }.emit();
        InheritWait { end: WaitEnd::TimedOut }.emit();
        ValuesRedacted { tenant, kind: "EMAIL".into(), action: "redact", values: 7 }.emit();
        let error = std::sync::Arc::new(std::io::Error::other("no disk"));
        SentencesSeen { tenant, sentences: 2 }.emit();
        PseudonymsWithoutKey { tenant, values: 1, error }.emit();
        FindingRaised { class: "trace_tenant_crossing", severity: "high", tenant, other: None }.emit();
        DetectorBlind { detector: "trace", seconds: 2 }.emit();
        DetectorState { detector: "trace", entries: 9, evicted: 1 }.emit();
        ItemsSent { destination: destination.clone(), signal, tenant, items: 2 }.emit();
        SendFailed { destination: destination.clone(), reason: "timeout" }.emit();
        ItemsRefusedByDestination { destination, signal, items: 1 }.emit();
        JournalSynced { took }.emit();
        JournalFailed { operation: "fsync", error: std::io::ErrorKind::StorageFull }.emit();
        JournalCorrupt { records: 1 }.emit();
        Reloaded { result: Ok("abc".into()) }.emit();
        Reloaded { result: Err("no".into()) }.emit();
    });
    let text = recorder.handle().render();
    for line in [
        format!("portcullis_received_items_total{{signal=\"logs\",tenant_id=\"{tenant}\"}} 3"),
        format!(
            "portcullis_rejected_items_total{{signal=\"logs\",tenant_id=\"{tenant}\",reason=\"deleted_tenant\"}} 1"
        ),
        "portcullis_refused_requests_total{signal=\"logs\",protocol=\"grpc\",reason=\"too_large\"} 1".into(),
        format!(
            "portcullis_redacted_values_total{{tenant_id=\"{tenant}\",type=\"EMAIL\",action=\"redact\"}} 7"
        ),
        "portcullis_exporter_send_failed_total{destination=\"loki\",reason=\"timeout\"} 1".into(),
        format!("portcullis_inherited_items_total{{signal=\"logs\",tenant_id=\"{tenant}\"}} 5"),
        "portcullis_inherit_waits_total{outcome=\"timed_out\"} 1".into(),
        "portcullis_config_last_reload_successful 0".into(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

/// Scenario: every metric named anywhere in the source. Guarantee: the table has it, so it has
/// a help text and the dashboards can be held against it.
#[test]
fn every_metric_in_the_source_is_in_the_table() {
    let known: HashSet<&str> = METRICS.iter().map(|m| m.name).collect();
    let mut used = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            for part in text.split('!').skip(1) {
                let Some(name) =
                    part.strip_prefix('(').map(str::trim_start).and_then(|p| p.strip_prefix('"'))
                else {
                    continue;
                };
                let name = name.split('"').next().unwrap_or_default();
                let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                if plain && name.starts_with("portcullis_") {
                    used += 1;
                    assert!(known.contains(name), "{} uses {name}", path.display());
                }
            }
        }
    }
    assert!(used > 20, "the scan found only {used}");
}
