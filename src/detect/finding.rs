//! A finding: what happened, between which tenants, how bad, and ids to look it up by.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use super::class::Class;
use crate::batch::TenantId;

use super::{few::Few, fingerprint::Fingerprint, observation::TraceId};

/// How bad it is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
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

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Confidence {
    /// A guess from numbers.
    Low,
    /// Likely, from what was learned a short time ago.
    Medium,
    /// Two facts that contradict each other, one of them learned.
    High,
    /// A contradiction on the data itself.
    Certain,
}

impl Confidence {
    /// The name in findings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
            Confidence::Certain => "certain",
        }
    }
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is told for the first time.
    Open,
    /// It has grown.
    Updated,
    /// It has been quiet.
    Closed,
}

impl Status {
    /// The name in findings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Updated => "updated",
            Status::Closed => "closed",
        }
    }
}

/// One incident, as told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The incident's own number: the same in all that is told of it.
    pub id: u64,
    /// Whether it is new, has grown or is over.
    pub status: Status,
    /// When it became sure, or grew, in nanoseconds since the epoch.
    pub at: u64,
    /// What it is.
    pub class: Class,
    /// What else was seen of it.
    pub also: Few<Class, 4>,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// The tenant that acted: the sender, the caller, the reader, the deleted one. Nil for none.
    pub tenant: TenantId,
    /// The tenant whose data it was.
    pub other: Option<TenantId>,
    /// Further tenants that it met; of a roll-up, some of them.
    pub tenants: Few<TenantId, 4>,
    /// How many incidents are told as this one; 0: it is one itself.
    pub merged: u64,
    /// The service that it was seen in; empty where unknown.
    pub service: String,
    /// The route template; empty for none.
    #[serde(with = "text")]
    pub route: Arc<str>,
    /// The field that it is about: an attribute's key, or `body`; empty for none.
    pub field: String,
    /// The statement or cache key, without values.
    #[serde(with = "maybe_text")]
    pub statement: Option<Arc<str>>,
    /// A number for it that stays the same, as suppressions and approvals name it.
    pub statement_id: Option<u64>,
    /// The traces that it was seen in.
    pub traces: Few<TraceId, 4>,
    /// The objects.
    pub objects: Few<Fingerprint, 4>,
    /// The persons, accounts or sessions.
    pub principals: Few<Fingerprint, 4>,
    /// Event time of the first occurrence, in nanoseconds.
    pub first_seen: u64,
    /// Event time of the last one, in nanoseconds.
    pub last_seen: u64,
    /// Occurrences so far.
    pub count: u64,
}

impl Finding {
    /// A finding of which only the kind, the time and the tenant are known.
    pub fn new(at: u64, class: Class, severity: Severity, tenant: TenantId) -> Finding {
        Finding {
            id: 0,
            status: Status::Open,
            at,
            class,
            also: Few::default(),
            severity,
            confidence: Confidence::Certain,
            tenant,
            other: None,
            tenants: Few::default(),
            merged: 0,
            service: String::new(),
            route: Arc::from(""),
            field: String::new(),
            statement: None,
            statement_id: None,
            traces: Few::default(),
            objects: Few::default(),
            principals: Few::default(),
            first_seen: at,
            last_seen: at,
            count: 1,
        }
    }

    /// That people write in a field where no rule expects it; `at` in nanoseconds since the epoch.
    pub fn user_content(at: u64, tenant: TenantId, service: &str, field: &str) -> Finding {
        Finding {
            service: plain_name(service).to_owned(),
            field: plain_name(field).to_owned(),
            ..Finding::new(at, Class::UserContent, Severity::Medium, tenant)
        }
    }

    /// The traces' ids in lower-case hex.
    pub fn traces_hex(&self) -> Vec<String> {
        self.traces.iter().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()).collect()
    }

    /// Whether it says anything of this tenant.
    pub fn names(&self, tenant: TenantId) -> bool {
        self.tenant == tenant || self.other == Some(tenant) || self.tenants.contains(tenant)
    }

    /// What the tenant that acted may see of it: nothing of others.
    pub fn for_its_tenant(&self) -> Finding {
        // The objects and the statement are of the tenant whose data it was.
        Finding {
            other: None,
            tenants: Few::default(),
            objects: Few::default(),
            statement: None,
            statement_id: None,
            ..self.clone()
        }
    }

    /// The incident's number in hex.
    pub fn id_hex(&self) -> String {
        format!("{:016x}", self.id)
    }

    /// What it is about: ids and keyed fingerprints, no values.
    pub(crate) fn evidence(&self) -> Value {
        let prints =
            |few: &Few<Fingerprint, 4>| one_or_list(few.iter().map(|print| print.to_string()).collect());
        let mut evidence = Map::new();
        evidence.insert("trace_id".into(), one_or_list(self.traces_hex()));
        evidence.insert("resource_id".into(), prints(&self.objects));
        evidence.insert("principal".into(), prints(&self.principals));
        evidence.insert("statement".into(), json!(self.statement.as_deref()));
        if let Some(id) = self.statement_id {
            evidence.insert("statement_id".into(), json!(format!("{id:016x}")));
        }
        if !self.route.is_empty() {
            evidence.insert("route".into(), json!(&*self.route));
        }
        if !self.field.is_empty() {
            evidence.insert("field".into(), json!(self.field));
        }
        Value::Object(evidence)
    }

    /// The finding as one JSON object.
    pub fn json(&self) -> Value {
        self.shown(RUNBOOK)
    }

    /// The same with the runbook at this address.
    pub fn shown(&self, runbook: &str) -> Value {
        let also: Vec<_> = self.also.iter().map(Class::as_str).collect();
        let tenant = (self.tenant != TenantId::NONE).then(|| self.tenant.to_string());
        let mut shown = json!({
            "at": self.at, "id": self.id_hex(), "status": self.status.as_str(),
            "class": self.class.as_str(), "also": also, "signals": self.class.signals(),
            "severity": self.severity.as_str(), "confidence": self.confidence.as_str(),
            "tenant_id": tenant,
            "other_tenant_id": self.other.map(|tenant| tenant.to_string()),
            "service": if self.service.is_empty() { Value::Null } else { json!(self.service) },
            "evidence": self.evidence(),
            "first_seen": self.first_seen, "last_seen": self.last_seen, "count": self.count,
            "look": self.class.look(), "runbook": self.runbook(runbook),
        });
        if !self.tenants.is_empty() {
            shown["tenants"] = self.tenants.iter().map(|tenant| tenant.to_string()).collect();
        }
        if self.merged > 0 {
            shown["merged"] = json!(self.merged);
        }
        shown
    }

    /// The section of the runbook at this address.
    pub fn runbook(&self, base: &str) -> String {
        format!("{base}#{}", self.class.section())
    }

    /// In one line for people.
    pub fn summary(&self) -> String {
        let class = self.class.as_str();
        match (self.merged, self.other) {
            (0, None) if self.tenant == TenantId::NONE => class.to_owned(),
            (0, None) => format!("{class}: tenant {}", self.tenant),
            (0, Some(other)) => format!("{class}: tenant {} and tenant {other}", self.tenant),
            (merged, _) => format!("{class}: {merged} incidents in one service"),
        }
    }
}

/// Where the runbook is, unless a setting says so.
pub const RUNBOOK: &str = "docs/runbook.md";

mod text {
    use super::*;

    pub fn serialize<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}

mod maybe_text {
    use super::*;

    pub fn serialize<S: serde::Serializer>(
        text: &Option<Arc<str>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<str>>, D::Error> {
        Option::<String>::deserialize(deserializer).map(|text| text.map(Arc::from))
    }
}

fn one_or_list(mut texts: Vec<String>) -> Value {
    match texts.len() {
        0 => Value::Null,
        1 => json!(texts.remove(0)),
        _ => json!(texts),
    }
}

/// The name of a service or a field as it may be shown: a plain short identifier, else nothing.
pub fn plain_name(name: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':');
    if name.len() <= crate::limits::SERVICE_NAME_BYTES && name.bytes().all(plain) { name } else { "" }
}

/// A route template as it may be shown: what stands in one of its parts and is no plain word becomes `{}`, since a
/// service may say the path itself.
pub fn shown_route(route: Arc<str>) -> Arc<str> {
    let plain = |part: &str| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b" _-.:{}*()<>[]+".contains(&b);
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() <= crate::limits::ROUTE_PART_BYTES && part.bytes().all(word) && digits <= 2
    };
    if route.len() <= crate::limits::ROUTE_BYTES && route.split('/').all(plain) {
        return route;
    }
    let parts = route.split('/').take(crate::limits::ROUTE_PARTS);
    let parts: Vec<&str> = parts.map(|part| if plain(part) { part } else { "{}" }).collect();
    Arc::from(parts.join("/"))
}
