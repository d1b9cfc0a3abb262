//! The routes of the admin API, and their description.

use http::Method;
use serde_json::{Map, Value, json};

use crate::gateway::control::MoveStep;

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Describe,
    Tenants,
    Tenant,
    Limits,
    Usage,
    TenantUsage,
    Quarantine,
    TenantQuarantine,
    Batches,
    DropBatches,
    Replay,
    Moves,
    Move,
    StartMove,
    Step(MoveStep),
    Purge,
    Findings,
    Suppressions,
    AddSuppression,
    DropSuppression,
    Reload,
}

/// One route: method, path, who may, what for.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Whether a tenant's own token may ask it, of its tenant.
    pub(super) own: bool,
    pub(super) act: Act,
    about: &'static str,
}

const fn route(method: Method, path: &'static str, own: bool, act: Act, about: &'static str) -> Route {
    Route { method, path, own, act, about }
}

impl Route {
    /// The names of the parameters that its query may have.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.about.split([' ', ',']).filter_map(|word| word.strip_prefix('?'))
    }
}

pub(super) const TENANT: &str = "{tenant}";

pub(super) static ROUTES: [Route; 25] = [
    route(Method::GET, "/v1/openapi.json", true, Act::Describe, "This description"),
    route(Method::GET, "/v1/tenants", false, Act::Tenants, "The tenants; ?state, ?after, ?limit (100)"),
    route(
        Method::GET,
        "/v1/tenants/{tenant}",
        true,
        Act::Tenant,
        "One tenant, with the limits that hold for it",
    ),
    route(
        Method::GET,
        "/v1/tenants/{tenant}/limits",
        true,
        Act::Limits,
        "Its limits, and the disk that it holds",
    ),
    route(Method::GET, "/v1/usage", false, Act::Usage, "What all tenants used; ?day (all that are kept)"),
    route(Method::GET, "/v1/tenants/{tenant}/usage", true, Act::TenantUsage, "What one tenant used; ?day"),
    route(
        Method::GET,
        "/v1/quarantine",
        false,
        Act::Quarantine,
        "What was rejected, by tenant, reason and signal",
    ),
    route(
        Method::GET,
        "/v1/tenants/{tenant}/quarantine",
        true,
        Act::TenantQuarantine,
        "The same of one tenant",
    ),
    route(
        Method::GET,
        "/v1/tenants/{tenant}/quarantine/batches",
        true,
        Act::Batches,
        "Rejected batches, scrubbed, as OTLP/JSON; ?reason, ?signal, ?limit (10)",
    ),
    route(
        Method::DELETE,
        "/v1/tenants/{tenant}/quarantine",
        false,
        Act::DropBatches,
        "Removes rejected batches; ?reason, ?signal",
    ),
    route(
        Method::POST,
        "/v1/tenants/{tenant}/quarantine/replay",
        false,
        Act::Replay,
        "Sends rejected batches along the path again, and removes what is taken now; ?reason, ?signal",
    ),
    route(Method::GET, "/v1/moves", false, Act::Moves, "The tenants that move"),
    route(Method::GET, "/v1/tenants/{tenant}/move", false, Act::Move, "How far a tenant's move is"),
    route(
        Method::POST,
        "/v1/tenants/{tenant}/move",
        false,
        Act::StartMove,
        "Begins to write its data to the destinations `to`, too: {\"to\": [\"name\"]}",
    ),
    route(
        Method::POST,
        "/v1/tenants/{tenant}/move/freeze",
        false,
        Act::Step(MoveStep::Freeze),
        "Accepts its data and holds it on the disk",
    ),
    route(
        Method::POST,
        "/v1/tenants/{tenant}/move/cut-over",
        false,
        Act::Step(MoveStep::CutOver),
        "Sends what comes from now on to the new destinations alone",
    ),
    route(
        Method::POST,
        "/v1/tenants/{tenant}/move/unfreeze",
        false,
        Act::Step(MoveStep::Unfreeze),
        "Lets what was held go on, in its order",
    ),
    route(
        Method::POST,
        "/v1/tenants/{tenant}/move/finish",
        false,
        Act::Step(MoveStep::Finish),
        "Forgets a move that is over: routes and catalogue say the same",
    ),
    route(
        Method::POST,
        "/v1/tenants/{tenant}/move/abort",
        false,
        Act::Step(MoveStep::Abort),
        "Gives a move up that is in dual-write",
    ),
    route(
        Method::POST,
        "/v1/tenants/{tenant}/purge",
        false,
        Act::Purge,
        "Destroys all that is kept of a deleted tenant, and answers with a signed record; {\"force\": true} insists",
    ),
    route(
        Method::GET,
        "/v1/findings",
        true,
        Act::Findings,
        "Findings that are open and the latest that are over, as last told; ?tenant, ?class, ?status (open, closed, \
         suppressed), ?limit (100)",
    ),
    route(
        Method::GET,
        "/v1/suppressions",
        false,
        Act::Suppressions,
        "What is counted and not told, and how often each was of use",
    ),
    route(
        Method::POST,
        "/v1/suppressions",
        false,
        Act::AddSuppression,
        "Suppresses findings until a day, as an entry of `detect.suppressions` does",
    ),
    route(
        Method::DELETE,
        "/v1/suppressions",
        false,
        Act::DropSuppression,
        "Takes away a suppression that was added here; ?id",
    ),
    route(
        Method::POST,
        "/v1/reload",
        false,
        Act::Reload,
        "Reads the configuration again; on an error the old one stays",
    ),
];

/// The part of a path that stands for a tenant, if the path is this route's.
pub(super) fn matches<'a>(route: &str, path: &'a str) -> Option<&'a str> {
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    let mut found = "";
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(TENANT), Some(text)) if !text.is_empty() => found = text,
            (Some(word), Some(text)) if word == text => {}
            _ => return None,
        }
    }
}

/// The API as OpenAPI 3.1 has it.
pub(super) fn describe() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let mut parameters = Vec::new();
        if route.path.contains(TENANT) {
            parameters.push(json!({
                "name": "tenant", "in": "path", "required": true, "schema": { "type": "string" },
                "description": "uuid or slug",
            }));
        }
        for word in route.parameters() {
            parameters.push(json!({ "name": word, "in": "query", "schema": { "type": "string" } }));
        }
        let answer = |text: &str, kind: &str| json!({ "description": text, "content": { kind: { "schema": { "type": "object" } } } });
        let mut operation = json!({
            "summary": route.about, "parameters": parameters,
            "responses": {
                "200": answer("done", "application/json"),
                "default": answer("why not (RFC 9457)", "application/problem+json"),
            },
        });
        if matches!(route.act, Act::StartMove | Act::Purge | Act::AddSuppression) {
            let content = json!({ "application/json": { "schema": { "type": "object" } } });
            operation["requestBody"] = json!({ "required": route.act != Act::Purge, "content": content });
        }
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis admin API", "version": env!("CARGO_PKG_VERSION"),
            "description": "Every change is an audit line of the log. A tenant's own token sees that tenant alone.",
        },
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
        "security": [{ "token": [] }],
        "paths": paths,
    })
}
