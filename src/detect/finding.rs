//! A finding: what happened, between which tenants, how bad, and ids to look it up by.

use serde_json::{Map, Value, json};

use crate::batch::TenantId;

use super::{fingerprint::Fingerprint, observation::TraceId};

/// The kind of a finding; the names are those of metrics, alerts and docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The verified claim is of another tenant than the data declares.
    TokenTenantMismatch,
    /// The same, on metrics.
    MetricTenantMismatch,
    /// A synchronous call inside a trace goes from one tenant to another.
    TraceTenantCrossing,
    /// One tenant was given another tenant's object.
    CrossTenantRead,
    /// One tenant asked for another tenant's object and was refused.
    CrossTenantAttempt,
    /// An unknown, suspended or deleted tenant is active.
    DeletedTenantActive,
    /// People's sentences stand in a field where no rule expects them.
    UserContent,
}

impl Class {
    /// The name in findings, metrics and alerts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::TokenTenantMismatch => "token_tenant_mismatch",
            Class::MetricTenantMismatch => "metric_tenant_mismatch",
            Class::TraceTenantCrossing => "trace_tenant_crossing",
            Class::CrossTenantRead => "cross_tenant_read",
            Class::CrossTenantAttempt => "cross_tenant_attempt",
            Class::DeletedTenantActive => "deleted_tenant_active",
            Class::UserContent => "user_content",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Low,
    /// Worth a ticket.
    Medium,
    /// Worth a page in office hours.
    High,
    /// Worth a page.
    Critical,
}

impl Severity {
    /// The name in findings, metrics and alerts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// OTLP's `SeverityNumber`: INFO, INFO2, WARN, ERROR, FATAL.
    pub const fn number(self) -> i32 {
        match self {
            Severity::Info => 9,
            Severity::Low => 10,
            Severity::Medium => 13,
            Severity::High => 17,
            Severity::Critical => 21,
        }
    }
}

/// One incident, as told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// When it became sure, in nanoseconds since the epoch.
    pub at: u64,
    /// What it is.
    pub class: Class,
    /// How bad it is.
    pub severity: Severity,
    /// The tenant that acted: the sender, the caller, the reader, the deleted one.
    pub tenant: TenantId,
    /// The tenant whose data it was.
    pub other: Option<TenantId>,
    /// The service that it was seen in; empty where unknown.
    pub service: String,
    /// The field that it is about: an attribute's key, or `body`; empty for none.
    pub field: String,
    /// The trace that it was seen in; zero for none.
    pub trace: TraceId,
    /// The object.
    pub object: Option<Fingerprint>,
    /// The person, account or session.
    pub principal: Option<Fingerprint>,
    /// Event time of the first occurrence, in nanoseconds.
    pub first_seen: u64,
    /// Event time of the last one, in nanoseconds.
    pub last_seen: u64,
    /// Occurrences so far.
    pub count: u64,
}

impl Finding {
    /// That people write in a field where no rule expects it; `at` in nanoseconds since the epoch.
    pub fn user_content(at: u64, tenant: TenantId, service: &str, field: &str) -> Finding {
        Finding {
            at,
            class: Class::UserContent,
            severity: Severity::Medium,
            tenant,
            other: None,
            service: shown_service(service),
            field: shown_service(field),
            trace: [0; 16],
            object: None,
            principal: None,
            first_seen: at,
            last_seen: at,
            count: 1,
        }
    }

    /// The trace id in lower-case hex, where there is one.
    pub fn trace_hex(&self) -> Option<String> {
        (self.trace != [0; 16]).then(|| self.trace.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The finding as one JSON object.
    pub fn json(&self) -> Value {
        let text = |f: Fingerprint| f.to_string();
        let mut evidence = Map::new();
        evidence.insert("trace_id".into(), json!(self.trace_hex()));
        evidence.insert("resource_id".into(), json!(self.object.map(text)));
        evidence.insert("principal".into(), json!(self.principal.map(text)));
        evidence.insert("statement".into(), Value::Null);
        if !self.field.is_empty() {
            evidence.insert("field".into(), json!(self.field));
        }
        json!({
            "at": self.at, "class": self.class.as_str(), "severity": self.severity.as_str(),
            "tenant_id": self.tenant.to_string(),
            "other_tenant_id": self.other.map(|tenant| tenant.to_string()),
            "service": if self.service.is_empty() { Value::Null } else { json!(self.service) },
            "evidence": evidence,
            "first_seen": self.first_seen, "last_seen": self.last_seen, "count": self.count,
        })
    }
}

/// A service's name as it may be shown: a plain short identifier, else nothing.
pub fn shown_service(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':');
    if name.len() <= crate::limits::SERVICE_NAME_BYTES && name.bytes().all(plain) {
        name.to_owned()
    } else {
        String::new()
    }
}
