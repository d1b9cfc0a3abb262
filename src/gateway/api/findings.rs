//! Findings and suppressions.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Control, Problem, Query, disk, gone, wrong};
use crate::{
    admin::tokens::Who,
    batch::TenantId,
    detect::{
        Class, Engine, Suppression,
        board::{Listed, Wanted},
        suppressions::NotAdded,
    },
    gateway::workers::now,
    identify::normalise,
    limits,
    telemetry::audit,
};

pub(super) fn list(control: &Control, who: &Who, query: &Query<'_>) -> Result<Value, Problem> {
    let names = |text: &str| control.find(text).ok_or_else(|| "tenant: no such tenant".to_owned());
    let wanted = Wanted {
        tenant: query.parse("tenant", names)?,
        // One that is not known any more sees nothing, not everything.
        own: who.tenant.as_deref().map(|own| control.find(own).unwrap_or(TenantId::NONE)),
        class: query.parse("class", |text| {
            let found = Class::ALL.iter().find(|class| class.as_str() == text);
            found.copied().ok_or_else(|| "class: no such class; docs/leaks.md lists them".to_owned())
        })?,
        status: query.parse("status", |text| {
            let found = Listed::ALL.into_iter().find(|status| status.as_str() == text);
            found.ok_or_else(|| "status: expected open, closed or suppressed".to_owned())
        })?,
        limit: query.limit(100, limits::CLOSED_FINDINGS)?,
    };
    // A tenant's own token learns nothing by asking for another.
    if wanted
        .own
        .is_some_and(|own| own == TenantId::NONE || wanted.tenant.is_some_and(|tenant| tenant != own))
    {
        return Err(gone());
    }
    Ok(engine(control)?.board().list(&wanted))
}

pub(super) fn suppressions(control: &Control) -> Result<Value, Problem> {
    Ok(engine(control)?.suppressions().list(now()))
}

pub(super) async fn suppress(control: &Control, who: &Who, body: Value) -> Result<Value, Problem> {
    let said: Result<Suppression, _> = serde_path_to_error::deserialize(body);
    let mut said = said.map_err(|error| wrong(&format!("{}: {}", error.path(), error.inner())))?;
    for tenant in [&mut said.tenant, &mut said.other_tenant].into_iter().flatten() {
        // A slug may go to another tenant one day.
        if let Some(id) = control.find(tenant) {
            *tenant = id.to_string();
        }
    }
    let engine = engine(control)?;
    let added = tokio::task::spawn_blocking(move || engine.suppressions().add(said, now()));
    let added = added.await.map_err(|_| broken())?.map_err(|why| match why {
        NotAdded::Wrong(what) => wrong(&what),
        NotAdded::Full => Problem::new(
            StatusCode::CONFLICT,
            format!("there are {} already; take some away that are over", limits::SUPPRESSIONS),
        ),
        NotAdded::Disk(error) => disk(error),
    })?;
    audited("suppression.add", who, &added);
    Ok(added)
}

pub(super) async fn tell_again(control: &Control, who: &Who, query: &Query<'_>) -> Result<Value, Problem> {
    let id = query.parse("id", |text| Ok(text.to_owned()))?;
    let id = id.ok_or_else(|| wrong("id: expected the id of a suppression, as GET lists them"))?;
    let engine = engine(control)?;
    let removed = {
        let id = id.clone();
        tokio::task::spawn_blocking(move || engine.suppressions().remove(&id, now()))
    };
    let Some(removed) = removed.await.map_err(|_| broken())?.map_err(disk)? else {
        let why = "no suppression of that id was added here; those of the configuration are changed there";
        return Err(Problem::new(StatusCode::NOT_FOUND, why));
    };
    audited("suppression.remove", who, &removed);
    Ok(json!({ "removed": id }))
}

/// Says which suppression came or went, and whose it is; of a principal and a reason it says nothing.
fn audited(action: &str, who: &Who, one: &Value) {
    let said = ["id", "class", "other_tenant", "service", "route", "statement", "owner", "until"];
    let details: serde_json::Map<String, Value> =
        said.iter().filter_map(|key| Some(((*key).to_owned(), one.get(key)?.clone()))).collect();
    let tenant = one["tenant"].as_str().and_then(normalise::uuid).unwrap_or(TenantId::NONE);
    audit::record(action, &who.name, tenant, details.into());
}

fn engine(control: &Control) -> Result<Arc<Engine>, Problem> {
    let stopping = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the gate is stopping");
    control.shared.engine.load_full().ok_or_else(stopping)
}

fn broken() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the work broke off")
}
