//! Detection over a recorded stream: `stream.ndjson`, one OTLP/JSON export request a line, with
//! `tenants.json` (the catalogue) and `context.json` (what an operator knows) beside it.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::batch::{Signal, TenantId};

use super::{
    Allowance, Directory, Key, Rules, Settings, Shard,
    extract::{Context, Group, Item, Value},
    observation::{Observation, SpanKind, TenantState},
};

/// What a scan did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read.
    pub requests: u64,
    /// Observations made.
    pub observations: u64,
    /// Findings written.
    pub findings: u64,
    /// Lines that could not be read as a request.
    pub malformed: u64,
}

#[derive(Deserialize)]
struct Line {
    signal: Signal,
    auth_tid: Option<String>,
    at: u64,
    request: Json,
}

/// Runs detection over the folder `dir` and writes findings to `out`.
///
/// The key is fixed, so that two scans of one folder say the same; fingerprints of a scan are as
/// public as its folder.
///
/// # Errors
/// A file is missing or cannot be read or written; says which, and where.
pub fn run(dir: &Path, out: &Path) -> Result<Summary, String> {
    let directory = Catalogue::read(&dir.join("tenants.json"))?;
    let settings = settings(&dir.join("context.json"))?;
    let rules = Arc::new(Rules::new(&settings, Key::new([0x5c; 16]))?);
    let mut shard = Shard::new(&settings, &rules);
    let mut summary = Summary::default();
    let fault = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let stream = dir.join("stream.ndjson");
    let reader = BufReader::new(File::open(&stream).map_err(|e| fault(&stream, e))?);
    let mut writer = BufWriter::new(File::create(out).map_err(|e| fault(out, e))?);
    let mut observations = Vec::new();
    let mut now = 0;
    let mut tell = |found: Vec<super::Finding>, summary: &mut Summary| {
        found.iter().try_for_each(|finding| {
            summary.findings += 1;
            writeln!(writer, "{}", finding.json()).map_err(|e| fault(out, e))
        })
    };
    for line in reader.lines() {
        let line = line.map_err(|e| fault(&stream, e))?;
        summary.requests += 1;
        let Ok(line) = serde_json::from_str::<Line>(&line) else {
            summary.malformed += 1;
            continue;
        };
        now = now.max(line.at);
        let claimed = line.auth_tid.as_deref().and_then(|text| super::rules::resolve(&directory, text));
        let context = Context { at: line.at, claimed, fallback: None, baggage: None, directory: &directory };
        observations.clear();
        observe_json(line.signal, &line.request, &rules, context, &mut observations);
        summary.observations += observations.len() as u64;
        tell(shard.advance(now), &mut summary)?;
        observations.iter().for_each(|o| shard.observe(o));
    }
    // What still waits is told at the time when it would have been.
    for _ in 0..3 {
        now = now.saturating_add(super::rules::nanos(settings.settle));
        tell(shard.advance(now), &mut summary)?;
    }
    writer.flush().map_err(|e| fault(out, e))?;
    Ok(summary)
}

/// Observations of an OTLP/JSON request.
pub fn observe_json(
    signal: Signal,
    request: &Json,
    rules: &Rules,
    context: Context<'_>,
    out: &mut Vec<Observation>,
) {
    let (groups, scopes, items) = match signal {
        Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
        Signal::Traces => ("resourceSpans", "scopeSpans", "spans"),
        Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
    };
    for group in list(request, groups) {
        let mut reader = Group::new(rules, context, signal);
        attributes(&group["resource"]).for_each(|(key, value)| reader.resource(key, value));
        for scope in list(group, scopes) {
            reader.next_scope();
            attributes(&scope["scope"]).for_each(|(key, value)| reader.scope(key, value));
            reader.begin_items();
            let mut one = |item: &Json| {
                let mut reader = reader.item();
                attributes(item).for_each(|(key, value)| reader.attribute(key, value));
                out.extend(reader.finish(ids(item)));
            };
            match signal {
                Signal::Metrics => list(scope, items).flat_map(points).for_each(one),
                Signal::Logs | Signal::Traces => list(scope, items).for_each(&mut one),
            }
        }
    }
}

fn points(metric: &Json) -> impl Iterator<Item = &Json> {
    ["sum", "gauge", "histogram", "exponentialHistogram", "summary"]
        .into_iter()
        .flat_map(move |kind| list(&metric[kind], "dataPoints"))
}

fn list<'a>(of: &'a Json, key: &str) -> impl Iterator<Item = &'a Json> + use<'a> {
    of[key].as_array().into_iter().flatten()
}

fn attributes(of: &Json) -> impl Iterator<Item = (&str, Value<'_>)> {
    list(of, "attributes").filter_map(|attribute| {
        let value = &attribute["value"];
        let value = match (value["stringValue"].as_str(), &value["intValue"]) {
            (Some(text), _) => Value::Text(text),
            (None, Json::String(digits)) => Value::Integer(digits.parse().ok()?),
            (None, number) => Value::Integer(number.as_i64()?),
        };
        Some((attribute["key"].as_str()?, value))
    })
}

fn ids(item: &Json) -> Item {
    let number = |key: &str| match &item[key] {
        Json::String(digits) => digits.parse().unwrap_or(0),
        other => other.as_u64().unwrap_or(0),
    };
    let time = ["timeUnixNano", "startTimeUnixNano", "observedTimeUnixNano"].map(number);
    Item {
        time: time.into_iter().find(|time| *time != 0).unwrap_or(0),
        trace: hex(item["traceId"].as_str()),
        span: hex(item["spanId"].as_str()),
        parent: hex(item["parentSpanId"].as_str()),
        kind: SpanKind::from_number(item["kind"].as_i64().unwrap_or(0)),
    }
}

fn hex<const N: usize>(text: Option<&str>) -> [u8; N] {
    let mut bytes = [0; N];
    let text = text.unwrap_or_default().as_bytes();
    if text.len() != 2 * N {
        return bytes;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return [0; N] };
        *byte = (high << 4 | low) as u8;
    }
    bytes
}

/// The tenants of a `tenants.json`.
struct Catalogue {
    states: HashMap<TenantId, TenantState>,
    slugs: HashMap<String, TenantId>,
}

#[derive(Deserialize)]
struct Tenants {
    tenants: Vec<TenantRow>,
}

#[derive(Deserialize)]
struct TenantRow {
    id: TenantId,
    slug: Option<String>,
    state: String,
    deleted_at: Option<String>,
}

impl Catalogue {
    fn read(path: &Path) -> Result<Self, String> {
        let rows: Tenants = json(path)?;
        let (mut states, mut slugs) = (HashMap::new(), HashMap::new());
        for row in rows.tenants {
            let state = match row.state.as_str() {
                "deleted" => TenantState::Deleted(row.deleted_at.as_deref().and_then(utc_nanos)),
                "suspended" => TenantState::Suspended,
                _ => TenantState::Active,
            };
            states.insert(row.id, state);
            slugs.extend(row.slug.map(|slug| (slug.to_lowercase(), row.id)));
        }
        Ok(Catalogue { states, slugs })
    }
}

/// Nanoseconds since the epoch of `2026-02-11T09:00:00Z`; fractions of a second are left out.
fn utc_nanos(text: &str) -> Option<u64> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    if !text.ends_with('Z') || !(1970..=2500).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // Years begin in March here, so that the leap day is the last one.
    let (y, m) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;
    let seconds = part(11, 13)? * 3600 + part(14, 16)? * 60 + part(17, 19)?;
    days.checked_sub(719_468)?.checked_mul(86_400)?.checked_add(seconds)?.checked_mul(1_000_000_000)
}

impl Directory for Catalogue {
    fn named(&self, slug: &str) -> Option<TenantId> {
        self.slugs.get(slug).copied()
    }

    fn state(&self, tenant: TenantId) -> TenantState {
        self.states.get(&tenant).copied().unwrap_or(TenantState::Unknown)
    }
}

/// What a `context.json` says, as far as these detectors use it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Operator {
    operator_tenant_id: Option<String>,
    staff_users: Vec<String>,
    cross_tenant_services: Vec<String>,
    service_accounts: Vec<Account>,
    multi_tenant_users: Vec<Account>,
    system_jobs: Vec<String>,
    deleted_tenant_jobs: Vec<String>,
    public_routes: Vec<String>,
    tenant_attributes: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Account {
    id: String,
    #[serde(default)]
    home_tenant_id: Option<String>,
    #[serde(default)]
    tenants: Vec<String>,
}

fn settings(path: &Path) -> Result<Settings, String> {
    let operator: Operator = if path.exists() { json(path)? } else { Operator::default() };
    let staff = operator.staff_users.into_iter().map(|id| (id, None, Vec::new()));
    let accounts = operator.service_accounts.into_iter().chain(operator.multi_tenant_users);
    let accounts = accounts.map(|account| (account.id, account.home_tenant_id, account.tenants));
    let allow = staff.chain(accounts).map(|(id, sender_tenant, tenants)| Allowance {
        principal: Some(id),
        sender_tenant,
        tenants,
    });
    let mut settings = Settings {
        system_tenant: operator.operator_tenant_id,
        multi_tenant_services: operator.cross_tenant_services,
        multi_tenant_jobs: [operator.system_jobs, operator.deleted_tenant_jobs].concat(),
        public_routes: operator.public_routes,
        allow: allow.collect(),
        ..Settings::default()
    };
    for attribute in operator.tenant_attributes.into_values() {
        if !settings.mapping.tenant.contains(&attribute) {
            settings.mapping.tenant.push(attribute);
        }
    }
    Ok(settings)
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| {
        format!("{}:{}:{}: not the expected JSON", path.display(), error.line(), error.column())
    })
}
