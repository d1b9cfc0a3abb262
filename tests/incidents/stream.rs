//! Recorded streams that read like what happened: requests, their inner calls, metrics, in OTLP/JSON.
//!
//! Everything is made by counters, so that a stream is the same in every run. What must never stand in a finding
//! (sessions, people, ids, keys, statements' values) is noted beside the items as they are made.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};

/// Start of every stream, in nanoseconds since the epoch: 2026-03-05 07:00 UTC.
const START: u64 = 1_772_694_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
/// An exporter sends what it has every two seconds.
const BATCH: u64 = 2 * SECOND;

/// OTLP's kinds of spans that occur here.
#[derive(Clone, Copy)]
pub enum Kind {
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

/// A span or a data point.
pub struct Item {
    service: String,
    kind: Option<Kind>,
    /// The tenant of the exporter's token.
    sender: Option<String>,
    trace: u64,
    span: u64,
    parent: u64,
    end: u64,
    attributes: Vec<Value>,
    raw: Vec<String>,
}

impl Item {
    /// With an attribute of text.
    pub fn text(&mut self, key: &str, value: impl AsRef<str>) -> &mut Self {
        self.attributes.push(json!({"key": key, "value": {"stringValue": value.as_ref()}}));
        self
    }

    /// With a text that must not be found in findings.
    pub fn private(&mut self, key: &str, value: impl AsRef<str>) -> &mut Self {
        self.raw.push(value.as_ref().to_owned());
        self.text(key, value)
    }

    /// With a list of ids that must not be found in findings.
    pub fn ids(&mut self, key: &str, ids: &[String]) -> &mut Self {
        self.raw.extend(ids.iter().cloned());
        let values: Vec<Value> = ids.iter().map(|id| json!({"stringValue": id})).collect();
        self.attributes.push(json!({"key": key, "value": {"arrayValue": {"values": values}}}));
        self
    }

    /// Declared as this tenant's, in place of the one of the request.
    pub fn tenant(&mut self, tenant: &str) -> &mut Self {
        self.attributes.retain(|one| one["key"] != "tenant.id");
        self.text("tenant.id", tenant)
    }

    /// A person of the tenant, with a session.
    pub fn who(&mut self, person: &str, session: &str) -> &mut Self {
        self.private("enduser.id", person).private("session.id", session)
    }

    /// An HTTP request: its route's template and the path with this id in it, answered with this status.
    pub fn http(&mut self, template: &str, id: &str, status: u16) -> &mut Self {
        if id.len() > 8 {
            self.raw.push(id.to_owned());
        }
        let path = template.replace(":id", id);
        self.text("http.request.method", "GET").text("http.route", template).text("url.path", path);
        self.int("http.response.status_code", status.into())
    }

    /// A call of a database on a connection, with a statement and its parameters.
    pub fn sql(&mut self, connection: &str, statement: &str, parameters: &[&str]) -> &mut Self {
        self.text("db.system.name", "postgresql").private("db.client.connection.id", connection);
        self.text("db.query.text", statement);
        for (n, value) in parameters.iter().enumerate() {
            self.text(&format!("db.query.parameter.{n}"), value);
        }
        self
    }

    /// A look-up of a cache, found or not.
    pub fn cache(&mut self, key: &str, hit: bool) -> &mut Self {
        self.raw.push(key.to_owned());
        self.text("db.system.name", "redis").text("db.operation.name", "GET").text("cache.key", key);
        self.attributes.push(json!({"key": "cache.hit", "value": {"boolValue": hit}}));
        self
    }

    /// An entry put into a cache.
    pub fn cache_set(&mut self, key: &str) -> &mut Self {
        self.raw.push(key.to_owned());
        self.text("db.system.name", "redis").text("db.operation.name", "SET").text("cache.key", key)
    }

    /// An error by its type.
    pub fn error(&mut self, text: &str) -> &mut Self {
        self.text("error.type", text)
    }

    /// Another kind of span.
    pub fn kind(&mut self, kind: Kind) -> &mut Self {
        self.kind = Some(kind);
        self
    }

    fn int(&mut self, key: &str, value: u64) -> &mut Self {
        self.attributes.push(json!({"key": key, "value": {"intValue": value.to_string()}}));
        self
    }

    fn json(&self) -> Value {
        let (time, attributes) = (self.end.to_string(), &self.attributes);
        let Some(kind) = self.kind else {
            return json!({"timeUnixNano": time, "asInt": "1", "attributes": attributes});
        };
        let parent = if self.parent == 0 { String::new() } else { format!("{:016x}", self.parent) };
        json!({
            "traceId": format!("{:032x}", self.trace), "spanId": format!("{:016x}", self.span), "parentSpanId": parent,
            "kind": kind as u8, "name": "call", "startTimeUnixNano": (self.end - MILLISECOND).to_string(),
            "endTimeUnixNano": time, "attributes": attributes,
        })
    }
}

/// What was sent in the course of a test.
#[derive(Default)]
pub struct Stream {
    items: Vec<Item>,
    now: u64,
    root: usize,
    traces: u64,
    /// Which version of a service runs from when on.
    versions: Vec<(String, u64, u64)>,
}

impl Stream {
    /// A request that a service answers for a tenant, `second`s after the start: a new trace.
    pub fn request(&mut self, second: u64, service: &str, tenant: &str) -> &mut Item {
        self.now = START + second * SECOND;
        self.traces += 1;
        self.root = self.items.len();
        self.push(service, Some(Kind::Server)).text("tenant.id", tenant)
    }

    /// A call within the last request, of the same tenant unless it says otherwise. The request ends after it.
    pub fn span(&mut self, service: &str) -> &mut Item {
        let declared = |one: &&Value| one["key"] == "tenant.id";
        let tenant = self.items[self.root].attributes.iter().find(declared).cloned();
        let parent = self.items[self.root].span;
        self.push(service, Some(Kind::Client));
        self.items[self.root].end = self.now + 4 * MILLISECOND;
        let item = self.items.last_mut().expect("pushed just above");
        item.parent = parent;
        item.attributes.extend(tenant);
        item
    }

    /// A data point that a service sends with a tenant's token.
    pub fn metric(&mut self, second: u64, service: &str, token: &str) -> &mut Item {
        self.now = START + second * SECOND;
        let item = self.push(service, None);
        item.sender = Some(token.to_owned());
        item
    }

    /// A new version of a service, `second`s after the start; until then it ran the one before.
    pub fn deploy(&mut self, second: u64, service: &str, version: u64) {
        self.versions.push((service.to_owned(), START, version - 1));
        self.versions.push((service.to_owned(), START + second * SECOND, version));
    }

    fn push(&mut self, service: &str, kind: Option<Kind>) -> &mut Item {
        self.now += 2 * MILLISECOND;
        let span = self.items.len() as u64 + 1;
        self.items.push(Item {
            service: service.to_owned(),
            kind,
            sender: None,
            trace: self.traces,
            span,
            parent: 0,
            end: self.now,
            attributes: Vec::new(),
            raw: Vec::new(),
        });
        self.items.last_mut().expect("pushed just above")
    }

    /// How many requests were answered.
    pub fn requests(&self) -> u64 {
        self.traces
    }

    /// What must not be found in findings.
    pub fn raw(&self) -> HashSet<&str> {
        self.items.iter().flat_map(|item| &item.raw).map(String::as_str).collect()
    }

    /// Writes the stream as exporters send it: by service, token and signal, every two seconds.
    pub fn write(&self, path: &Path) {
        let mut batches: BTreeMap<(u64, &str, Option<&str>, bool), Vec<Value>> = BTreeMap::new();
        for item in &self.items {
            let key = (item.end / BATCH, &*item.service, item.sender.as_deref(), item.kind.is_some());
            batches.entry(key).or_default().push(item.json());
        }
        let mut lines = String::new();
        for ((batch, service, sender, spans), items) in batches {
            let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
            let mut attributes = vec![text("service.name", service)];
            let runs = |(name, from, _): &&(String, u64, u64)| name == service && *from <= batch * BATCH;
            if let Some((_, _, version)) = self.versions.iter().rev().find(runs) {
                attributes.push(text("service.version", &format!("1.{version}.0")));
            }
            let resource = json!({ "attributes": attributes });
            let request = if spans {
                json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": items}]}]})
            } else {
                let metric = json!({"name": "series.samples", "gauge": {"dataPoints": items}});
                json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]})
            };
            let signal = if spans { "traces" } else { "metrics" };
            let line =
                json!({"signal": signal, "auth_tid": sender, "at": (batch + 1) * BATCH, "request": request});
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        fs::write(path, lines).expect("the stream is written");
    }
}
