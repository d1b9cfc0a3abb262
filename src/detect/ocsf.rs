//! A finding as the Open Cybersecurity Schema Framework has it: class 2004, Detection Finding, of schema 1.5.

use serde_json::{Value, json};

use super::finding::{Confidence, Finding, Severity, Status};
use crate::batch::TenantId;

/// The version of the schema.
pub const SCHEMA: &str = "1.5.0";
/// Detection Finding.
const CLASS: u32 = 2004;

/// A finding as one event.
pub fn detection(finding: &Finding, runbook: &str) -> Value {
    let (activity, activity_name) = match finding.status {
        Status::Open => (1, "Create"),
        Status::Updated => (2, "Update"),
        Status::Closed => (3, "Close"),
    };
    let (status, status_name) = match finding.status {
        Status::Open | Status::Updated => (1, "New"),
        Status::Closed => (4, "Resolved"),
    };
    let (severity, severity_name) = match finding.severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    let (confidence, confidence_name) = match finding.confidence {
        Confidence::Low => (1, "Low"),
        Confidence::Medium => (2, "Medium"),
        Confidence::High | Confidence::Certain => (3, "High"),
    };
    let class = finding.class.as_str();
    let types: Vec<&str> =
        std::iter::once(class).chain(finding.also.iter().map(|also| also.as_str())).collect();
    let mut event = json!({
        "activity_id": activity, "activity_name": activity_name,
        "category_uid": 2, "category_name": "Findings",
        "class_uid": CLASS, "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity, "type_name": format!("Detection Finding: {activity_name}"),
        "severity_id": severity, "severity": severity_name,
        "status_id": status, "status": status_name,
        "confidence_id": confidence, "confidence": confidence_name,
        "is_alert": finding.status != Status::Closed,
        "time": millis(finding.at),
        "start_time": millis(finding.first_seen), "end_time": millis(finding.last_seen),
        "count": finding.count,
        "message": finding.summary(),
        "metadata": {
            "version": SCHEMA,
            "product": { "name": "Portcullis", "vendor_name": "Portcullis", "version": env!("CARGO_PKG_VERSION") },
            "log_name": super::record::EVENT_NAME,
        },
        "finding_info": {
            "uid": finding.id_hex(), "title": finding.summary(), "types": types,
            "first_seen_time": millis(finding.first_seen), "last_seen_time": millis(finding.last_seen),
            // 1: a rule.
            "analytic": { "name": class, "uid": class, "type_id": 1, "type": "Rule" },
        },
        "remediation": { "desc": finding.class.look(), "references": [finding.runbook(runbook)] },
        "evidences": [{ "data": finding.evidence() }],
        "unmapped": {
            "confidence": finding.confidence.as_str(), "signals": finding.class.signals(),
            "tenant_id": named(finding.tenant), "other_tenant_id": finding.other.and_then(named),
        },
    });
    // What was touched belongs to the other tenant where there is one.
    let mut resources = Vec::new();
    let mut tenant = |role: &str, tenant: TenantId| {
        if let Some(uid) = named(tenant) {
            resources.push(json!({ "uid": uid, "type": "tenant", "labels": [role] }));
        }
    };
    tenant("acted", finding.tenant);
    finding.other.into_iter().for_each(|other| tenant("concerned", other));
    finding.tenants.iter().for_each(|other| tenant("concerned", other));
    if !finding.service.is_empty() {
        resources.push(json!({ "name": finding.service, "type": "service" }));
    }
    for object in finding.objects.iter() {
        resources.push(json!({ "uid": object.to_string(), "type": "object" }));
    }
    if !resources.is_empty() {
        event["resources"] = json!(resources);
    }
    if finding.merged > 0 {
        event["unmapped"]["merged"] = json!(finding.merged);
    }
    event
}

fn named(tenant: TenantId) -> Option<String> {
    (tenant != TenantId::NONE).then(|| tenant.to_string())
}

fn millis(nanos: u64) -> u64 {
    nanos / 1_000_000
}
