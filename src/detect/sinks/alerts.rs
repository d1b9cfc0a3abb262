//! A finding as an alert: as an Alertmanager takes it, and as it gives it on.

use serde_json::{Map, Value, json};

use super::settings::is_web;
use crate::{
    batch::TenantId,
    detect::finding::{Finding, Status},
    identify::rfc3339_text,
};

/// The label `alertname`.
pub const NAME: &str = "PortcullisFinding";

/// What surrounds an alert.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Where the runbook is.
    pub runbook: String,
    /// The page that an alert leads back to.
    pub link: Option<String>,
}

/// One alert of Alertmanager's API v2. `ends` in nanoseconds since the epoch: when it is over, or is to be taken as
/// over unless it is told again. Labels never change while an incident goes on: they are what it is known by.
pub fn alert(finding: &Finding, around: &Around, ends: u64) -> Value {
    let mut labels = Map::new();
    let mut label = |key: &str, value: String| drop(labels.insert(key.to_owned(), json!(value)));
    label("alertname", NAME.to_owned());
    label("class", finding.class.as_str().to_owned());
    label("finding_id", finding.id_hex());
    label("severity", finding.severity.as_str().to_owned());
    if finding.tenant != TenantId::NONE {
        label("tenant_id", finding.tenant.to_string());
    }
    if !finding.service.is_empty() {
        label("service", finding.service.clone());
    }
    let mut alert = json!({
        "labels": labels,
        "annotations": annotations(finding, &around.runbook),
        "startsAt": rfc3339_text(finding.first_seen.min(finding.at)),
        "endsAt": rfc3339_text(ends),
    });
    if let Some(link) = around.link.as_ref().filter(|link| is_web(link)) {
        alert["generatorURL"] = json!(link);
    }
    alert
}

fn annotations(finding: &Finding, runbook: &str) -> Map<String, Value> {
    let mut all = Map::new();
    let mut note = |key: &str, value: String| {
        if !value.is_empty() {
            all.insert(key.to_owned(), json!(value));
        }
    };
    let listed = |texts: Vec<String>| texts.join(",");
    note("summary", finding.summary());
    note("description", format!("{}. Seen {} times.", finding.class.look(), finding.count));
    note("runbook_url", finding.runbook(runbook));
    note("confidence", finding.confidence.as_str().to_owned());
    note("trace_id", listed(finding.traces_hex()));
    note("other_tenant_id", finding.other.map(|other| other.to_string()).unwrap_or_default());
    note("tenants", listed(finding.tenants.iter().map(|tenant| tenant.to_string()).collect()));
    note("resource_id", listed(finding.objects.iter().map(|object| object.to_string()).collect()));
    note("principal", listed(finding.principals.iter().map(|who| who.to_string()).collect()));
    note("route", finding.route.to_string());
    note("field", finding.field.clone());
    note("statement", finding.statement.as_deref().unwrap_or_default().to_owned());
    if finding.merged > 0 {
        note("merged", finding.merged.to_string());
    }
    all
}

/// One alert as an Alertmanager's receiver of webhooks is given it.
pub fn notification(finding: &Finding, around: &Around) -> Value {
    let over = finding.status == Status::Closed;
    let (status, ends) = match over {
        true => ("resolved", finding.at),
        false => ("firing", 0),
    };
    let mut one = alert(finding, around, ends);
    if !over {
        // Alertmanager's own word for an alert that goes on.
        one["endsAt"] = json!("0001-01-01T00:00:00Z");
    }
    one["status"] = json!(status);
    one["fingerprint"] = json!(finding.id_hex());
    if one.get("generatorURL").is_none() {
        one["generatorURL"] = json!("");
    }
    let link = around.link.clone().unwrap_or_default();
    json!({
        "version": "4", "groupKey": format!("{{}}:{{finding_id=\"{}\"}}", finding.id_hex()), "truncatedAlerts": 0,
        "status": status, "receiver": "portcullis", "externalURL": link,
        "groupLabels": { "finding_id": finding.id_hex() },
        "commonLabels": one["labels"], "commonAnnotations": one["annotations"], "alerts": [one],
    })
}
