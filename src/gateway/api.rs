//! The admin API: one table of routes, from which requests are answered and the description is made.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    control::{Control, MoveStep},
    moves::NotMoved,
};
use crate::{
    admin::{
        Answer, Ask, Handler,
        tokens::{Tokens, Who},
    },
    batch::{Signal, TenantId},
    buffer::quarantine::Filter,
    identify::State,
};

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Describe,
    Tenants,
    Tenant,
    Limits,
    Quarantine,
    TenantQuarantine,
    Batches,
    DropBatches,
    Moves,
    Move,
    StartMove,
    Step(MoveStep),
    Purge,
    Reload,
}

/// One route: method, path, who may, what for.
struct Route {
    method: Method,
    path: &'static str,
    /// Whether a tenant's own token may ask it, of its tenant.
    own: bool,
    act: Act,
    about: &'static str,
}

const fn route(method: Method, path: &'static str, own: bool, act: Act, about: &'static str) -> Route {
    Route { method, path, own, act, about }
}

const TENANT: &str = "{tenant}";

static ROUTES: [Route; 18] = [
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
        Method::POST,
        "/v1/reload",
        false,
        Act::Reload,
        "Reads the configuration again; on an error the old one stays",
    ),
];

/// Answers requests of those who have a token.
pub fn handler(control: Arc<Control>, tokens: Arc<Tokens>) -> Handler {
    Arc::new(move |ask: Ask| {
        let (control, tokens) = (Arc::clone(&control), Arc::clone(&tokens));
        Box::pin(async move {
            let Some(who) = tokens.who(&ask.headers) else {
                let mut answer =
                    problem(StatusCode::UNAUTHORIZED, "a token is needed: authorization: Bearer TOKEN");
                answer.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                return answer;
            };
            respond(&control, who, &ask).await
        })
    })
}

async fn respond(control: &Control, who: &Who, ask: &Ask) -> Answer {
    let fits: Vec<(&Route, &str)> =
        ROUTES.iter().filter_map(|route| Some((route, matches(route.path, &ask.path)?))).collect();
    // A tenant's own token finds its own tenant's pages, and nothing else.
    let own = who.tenant.as_deref().map(|tenant| control.find(tenant));
    let may = |route: &Route, tenant: Option<TenantId>| match own {
        None => true,
        Some(own) => route.own && own.is_some() && (!route.path.contains(TENANT) || tenant == own),
    };
    let visible: Vec<(&Route, Option<TenantId>)> = fits
        .iter()
        .map(|(route, text)| {
            (*route, control.find(&percent_encoding::percent_decode_str(text).decode_utf8_lossy()))
        })
        .filter(|(route, tenant)| (tenant.is_some() || !route.path.contains(TENANT)) && may(route, *tenant))
        .collect();
    if visible.is_empty() {
        return problem(StatusCode::NOT_FOUND, "no such page, or no such tenant");
    }
    let Some((route, tenant)) = visible.iter().find(|(route, _)| route.method == ask.method) else {
        let allow: Vec<&str> = visible.iter().map(|(route, _)| route.method.as_str()).collect();
        let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("expected {}", allow.join(" or ")));
        if let Ok(allow) = HeaderValue::from_str(&allow.join(", ")) {
            answer.headers.insert(header::ALLOW, allow);
        }
        return answer;
    };
    let tenant = tenant.unwrap_or(TenantId::NONE);
    let answer = act(control, who, route.act, tenant, ask).await.unwrap_or_else(|answer| answer);
    if route.method != Method::GET {
        let (action, status) = (route.path, answer.status.as_u16());
        // A purge says so itself, without the name of what is gone.
        if route.act != Act::Purge {
            tracing::info!(target: "portcullis::audit", by = %who.name, method = %route.method, action,
                tenant_id = %tenant, status, "a change was asked for");
        }
    }
    answer
}

async fn act(control: &Control, who: &Who, act: Act, tenant: TenantId, ask: &Ask) -> Result<Answer, Answer> {
    let query = Query(&ask.query);
    let body = || body(ask);
    let value = match act {
        Act::Describe => describe(),
        Act::Tenants => {
            let state: Option<State> = query.parse("state", |word| {
                serde_json::from_value(json!(word.to_ascii_lowercase()))
                    .map_err(|_| "state: no such state".into())
            })?;
            let after =
                query.parse("after", |text| control.find(text).ok_or("after: expected a uuid".into()))?;
            control.tenants(state, after, query.limit(100, 1000)?)
        }
        Act::Tenant => control.tenant(tenant).ok_or_else(gone)?,
        Act::Limits => control.limits(tenant),
        Act::Quarantine => control.quarantine(None).await.map_err(disk)?,
        Act::TenantQuarantine => control.quarantine(Some(tenant)).await.map_err(disk)?,
        Act::Batches => {
            let limit = query.limit(10, 100)?;
            control.quarantined(query.filter(tenant)?, limit).await.map_err(disk)?
        }
        Act::DropBatches => control.drop_quarantined(query.filter(tenant)?).await.map_err(disk)?,
        Act::Moves => control.moves().await,
        Act::Move => control.moving(tenant).await.ok_or_else(gone)?,
        Act::StartMove => {
            let to: Option<Vec<String>> = serde_json::from_value(body()?["to"].clone()).ok();
            let to = to.ok_or_else(|| wrong("to: expected a list of names of destinations"))?;
            control.start_move(tenant, to).await.map_err(not_moved)?
        }
        Act::Step(step) => control.step(tenant, step).await.map_err(not_moved)?,
        Act::Purge => {
            let force = body()?["force"] == json!(true);
            control.purge(tenant, &who.name, force).await.map_err(|(alive, why)| {
                problem(if alive { StatusCode::CONFLICT } else { StatusCode::INTERNAL_SERVER_ERROR }, &why)
            })?
        }
        Act::Reload => {
            control.reload().await.map(|()| json!({ "reloaded": true })).map_err(|why| wrong(&why))?
        }
    };
    Ok(Answer::json(StatusCode::OK, &value))
}

/// The part of a path that stands for a tenant, if the path is this route's.
fn matches<'a>(route: &str, path: &'a str) -> Option<&'a str> {
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

/// The query of a request.
struct Query<'a>(&'a str);

impl Query<'_> {
    fn parse<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Answer> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let Some((_, value)) = pairs.into_iter().find(|(known, _)| *known == name) else { return Ok(None) };
        parse(value).map(Some).map_err(|why| wrong(&why))
    }

    fn limit(&self, default: usize, most: usize) -> Result<usize, Answer> {
        let limit = self.parse("limit", |text| match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(format!("limit: expected 1 to {most}")),
        })?;
        Ok(limit.unwrap_or(default))
    }

    fn filter(&self, tenant: TenantId) -> Result<Filter, Answer> {
        let reason = self.parse("reason", |text| text.parse().map_err(|why| format!("reason: {why}")))?;
        let signal = self.parse("signal", |text| {
            let found = Signal::ALL.into_iter().find(|signal| signal.as_str() == text);
            found.ok_or_else(|| "signal: expected one of logs, traces, metrics".into())
        })?;
        Ok(Filter { tenant: Some(tenant), reason, signal, before_unix_nano: None })
    }
}

/// The JSON object of a request; an empty one where there is no body.
fn body(ask: &Ask) -> Result<Value, Answer> {
    if ask.body.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice::<Value>(&ask.body) {
        Ok(value) if value.is_object() => Ok(value),
        _ => Err(wrong("the body: expected a JSON object")),
    }
}

/// A failure, as RFC 9457 has it.
fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let value = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    Answer::new(status, "application/problem+json", value.to_string())
}

fn wrong(why: &str) -> Answer {
    problem(StatusCode::BAD_REQUEST, why)
}

fn gone() -> Answer {
    problem(StatusCode::NOT_FOUND, "no such page, or no such tenant")
}

fn disk(error: std::io::Error) -> Answer {
    problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("the quarantine: {error}"))
}

fn not_moved(error: NotMoved) -> Answer {
    let status = match error {
        NotMoved::NoMove => StatusCode::NOT_FOUND,
        NotMoved::Wrong(_) => StatusCode::BAD_REQUEST,
        NotMoved::NotNow(_) => StatusCode::CONFLICT,
        NotMoved::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem(status, &error.to_string())
}

/// The API as OpenAPI 3.1 has it.
fn describe() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let mut parameters = Vec::new();
        if route.path.contains(TENANT) {
            parameters.push(json!({
                "name": "tenant", "in": "path", "required": true, "schema": { "type": "string" },
                "description": "uuid or slug",
            }));
        }
        for word in route.about.split([' ', ',']).filter_map(|word| word.strip_prefix('?')) {
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
        if matches!(route.act, Act::StartMove | Act::Purge) {
            let content = json!({ "application/json": { "schema": { "type": "object" } } });
            operation["requestBody"] = json!({ "required": route.act == Act::StartMove, "content": content });
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
