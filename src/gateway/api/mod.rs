//! The admin API: one table of routes, from which requests are answered and the description is made.

mod findings;
mod routes;

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use self::routes::{Act, ROUTES, Route, TENANT, describe, matches};
use super::{control::Control, moves::NotMoved};
use crate::{
    admin::{
        Answer, Ask, Handler,
        tokens::{Tokens, Who},
    },
    batch::{Signal, TenantId},
    buffer::quarantine::Filter,
    identify::State,
    telemetry::audit,
    usage::Day,
};

/// Answers requests of those who have a token.
pub fn handler(control: Arc<Control>, tokens: Arc<Tokens>) -> Handler {
    Arc::new(move |ask: Ask| {
        let (control, tokens) = (Arc::clone(&control), Arc::clone(&tokens));
        Box::pin(async move {
            let Some(who) = tokens.who(&ask.headers).cloned() else {
                let mut answer =
                    Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: authorization: Bearer TOKEN")
                        .answer();
                answer.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                return answer;
            };
            // A task of its own: what is begun is done and audited, though whoever asked may be gone.
            let answered = tokio::spawn(async move { respond(&control, &who, &ask).await });
            let broken = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer broke off").answer();
            answered.await.unwrap_or_else(|_| broken())
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
        return gone().answer();
    }
    let Some((route, tenant)) = visible.iter().find(|(route, _)| route.method == ask.method) else {
        let allow: Vec<&str> = visible.iter().map(|(route, _)| route.method.as_str()).collect();
        let mut answer =
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("expected {}", allow.join(" or "))).answer();
        if let Ok(allow) = HeaderValue::from_str(&allow.join(", ")) {
            answer.headers.insert(header::ALLOW, allow);
        }
        return answer;
    };
    let tenant = tenant.unwrap_or(TenantId::NONE);
    let answer = match Query(&ask.query).known(route) {
        Ok(()) => act(control, who, route.act, tenant, ask).await,
        Err(problem) => Err(problem),
    };
    let answer = answer.unwrap_or_else(Problem::answer);
    // A purge that was done says so itself, without the name of what is gone; a suppression, with more.
    let purged = route.act == Act::Purge;
    let itself = purged || matches!(route.act, Act::AddSuppression | Act::DropSuppression);
    if route.method != Method::GET && !(itself && answer.status.is_success()) {
        let tenant = if purged { TenantId::NONE } else { tenant };
        let details = json!({ "status": answer.status.as_u16() });
        let action = format!("{} {}", route.method, route.path);
        audit::record(&action, &who.name, tenant, details);
    }
    answer
}

async fn act(control: &Control, who: &Who, act: Act, tenant: TenantId, ask: &Ask) -> Result<Answer, Problem> {
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
        Act::Usage => control.usage(query.day()?, None).await.map_err(disk)?,
        Act::TenantUsage => control.usage(query.day()?, Some(tenant)).await.map_err(disk)?,
        Act::Quarantine => control.quarantine(None).await.map_err(disk)?,
        Act::TenantQuarantine => control.quarantine(Some(tenant)).await.map_err(disk)?,
        Act::Batches => {
            let limit = query.limit(10, 100)?;
            let text = control.quarantined(query.filter(tenant)?, limit).await.map_err(disk)?;
            return Ok(Answer::new(StatusCode::OK, "application/json", text));
        }
        Act::DropBatches => control.drop_quarantined(query.filter(tenant)?).await.map_err(disk)?,
        Act::Replay => control
            .replay(query.filter(tenant)?)
            .await
            .map_err(|why| Problem::new(StatusCode::CONFLICT, why))?,
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
                Problem::new(
                    if alive { StatusCode::CONFLICT } else { StatusCode::INTERNAL_SERVER_ERROR },
                    why,
                )
            })?
        }
        Act::Findings => findings::list(control, who, &query)?,
        Act::Suppressions => findings::suppressions(control)?,
        Act::AddSuppression => findings::suppress(control, who, body()?).await?,
        Act::DropSuppression => findings::tell_again(control, who, &query).await?,
        Act::Reload => {
            control.reload().await.map(|()| json!({ "reloaded": true })).map_err(|why| wrong(&why))?
        }
    };
    Ok(Answer::json(StatusCode::OK, &value))
}

/// The query of a request.
struct Query<'a>(&'a str);

impl Query<'_> {
    /// Refuses a parameter that the page has not: a mistyped filter would be none.
    fn known(&self, route: &Route) -> Result<(), Problem> {
        let names = self.0.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
        if names.filter(|name| !name.is_empty()).all(|name| route.parameters().any(|known| known == name)) {
            return Ok(());
        }
        Err(wrong(&match route.parameters().collect::<Vec<_>>() {
            known if known.is_empty() => "the query: expected none; this page takes no parameters".to_owned(),
            known => format!("the query: expected no parameters but {}", known.join(", ")),
        }))
    }

    fn parse<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Problem> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let Some((_, value)) = pairs.into_iter().find(|(known, _)| *known == name) else { return Ok(None) };
        parse(value).map(Some).map_err(|why| wrong(&why))
    }

    fn limit(&self, default: usize, most: usize) -> Result<usize, Problem> {
        let limit = self.parse("limit", |text| match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(format!("limit: expected 1 to {most}")),
        })?;
        Ok(limit.unwrap_or(default))
    }

    fn day(&self) -> Result<Option<Day>, Problem> {
        self.parse("day", |text| text.parse().map_err(|_| "day: expected a day as 2026-01-31".into()))
    }

    fn filter(&self, tenant: TenantId) -> Result<Filter, Problem> {
        let reason = self.parse("reason", |text| text.parse().map_err(|why| format!("reason: {why}")))?;
        let signal = self.parse("signal", |text| {
            let found = Signal::ALL.into_iter().find(|signal| signal.as_str() == text);
            found.ok_or_else(|| "signal: expected one of logs, traces, metrics".into())
        })?;
        Ok(Filter { tenant: Some(tenant), reason, signal, ..Filter::default() })
    }
}

/// The JSON object of a request; an empty one where there is no body.
fn body(ask: &Ask) -> Result<Value, Problem> {
    if ask.body.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice::<Value>(&ask.body) {
        Ok(value) if value.is_object() => Ok(value),
        _ => Err(wrong("the body: expected a JSON object")),
    }
}

/// A failure, as RFC 9457 has it.
struct Problem(StatusCode, String);

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem(status, detail.into())
    }

    fn answer(self) -> Answer {
        let Problem(status, detail) = self;
        let title = status.canonical_reason().unwrap_or_default();
        let value =
            json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        Answer::new(status, "application/problem+json", value.to_string())
    }
}

fn wrong(why: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why)
}

fn gone() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such page, or no such tenant")
}

fn disk(error: std::io::Error) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the gate's disk: {error}"))
}

fn not_moved(error: NotMoved) -> Problem {
    let status = match error {
        NotMoved::NoMove => StatusCode::NOT_FOUND,
        NotMoved::Wrong(_) => StatusCode::BAD_REQUEST,
        NotMoved::NotNow(_) => StatusCode::CONFLICT,
        NotMoved::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Problem::new(status, error.to_string())
}
