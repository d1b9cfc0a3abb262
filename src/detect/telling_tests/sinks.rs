//! What a finding looks like in each format.

use serde_json::Value;

use super::*;
use crate::detect::{
    ocsf,
    sinks::alerts::{Around, alert, notification},
};

fn around() -> Around {
    Around { runbook: "https://wiki.example/runbook".into(), link: Some("https://logs.example/".into()) }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// The same finding, over.
fn over() -> Finding {
    Finding { at: START + MINUTE, status: Status::Closed, ..whole() }
}

/// Scenario: a finding that has everything. Guarantee: its native form stays as it is.
#[test]
fn native() {
    insta::assert_snapshot!(pretty(&whole().json()));
}

/// Scenario: the same, as an OCSF Detection Finding. Guarantee: it stays as it is.
#[test]
fn detection_finding() {
    insta::assert_snapshot!(
        pretty(&ocsf::detection(&whole(), "docs/runbook.md"))
            .replace(&format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION")), "\"version\": \"(this)\"")
    );
}

/// Scenario: the same as an alert for an Alertmanager, and as one from it. Guarantee: they stay as they are.
#[test]
fn alerts() {
    insta::assert_snapshot!(pretty(&alert(&whole(), &around(), START + 5 * MINUTE)));
    insta::assert_snapshot!(pretty(&notification(&over(), &around())));
}

/// Scenario: every class, severity, confidence and status. Guarantee: what OCSF requires is there and in its range, and
/// fits together.
#[test]
fn ocsf_has_what_it_requires() {
    use crate::detect::finding::Confidence;
    let severities = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let sure = [Confidence::Low, Confidence::Medium, Confidence::High, Confidence::Certain];
    for class in Class::ALL {
        for (n, severity) in severities.into_iter().enumerate() {
            for status in [Status::Open, Status::Updated, Status::Closed] {
                let finding = Finding { class: *class, severity, status, confidence: sure[n % 4], ..whole() };
                let event = ocsf::detection(&finding, "docs/runbook.md");
                let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("{key}"));
                assert_eq!((number("category_uid"), number("class_uid")), (2, 2004));
                assert_eq!(number("type_uid"), 200_400 + number("activity_id"));
                assert!((1..=3).contains(&number("activity_id")) && [1, 4].contains(&number("status_id")));
                assert_eq!(number("severity_id"), n as u64 + 1);
                assert!((1..=3).contains(&number("confidence_id")));
                assert_eq!(number("time"), finding.at / 1_000_000);
                assert!(
                    event["metadata"]["version"].is_string()
                        && event["metadata"]["product"]["name"].is_string()
                );
                assert_eq!(event["finding_info"]["uid"], finding.id_hex());
                assert!(
                    event["finding_info"]["title"].is_string() && event["evidences"][0]["data"].is_object()
                );
                assert_eq!(event["finding_info"]["types"][0], class.as_str());
            }
        }
    }
}

/// Scenario: an alert of a finding that grows and closes. Guarantee: its labels are the same, and no text is empty; it
/// never ends before it starts, and leads nowhere where no link is set.
#[test]
fn an_alert_is_known_by_its_labels() {
    let first = alert(&whole(), &around(), START);
    let mut grown = over();
    (grown.count, grown.also) = (9, Default::default());
    grown.traces.add([1; 16]);
    assert_eq!(first["labels"], alert(&grown, &around(), START)["labels"]);
    for part in ["labels", "annotations"] {
        assert!(first[part].as_object().unwrap().values().all(|text| !text.as_str().unwrap().is_empty()));
    }
    assert!(first["startsAt"].as_str() <= first["endsAt"].as_str());
    assert!(alert(&whole(), &Around::default(), START).get("generatorURL").is_none());
}

/// Scenario: all classes. Guarantee: the runbook has the section of each, with what the reader looks for.
#[test]
fn every_class_has_a_section_of_the_runbook() {
    let page = include_str!("../../../docs/runbook.md");
    let slug = |title: &str| title.to_ascii_lowercase().replace(' ', "-");
    for class in Class::ALL {
        let mut sections = page.split("\n## ");
        let section = sections.find(|text| slug(text.lines().next().unwrap_or_default()) == class.section());
        let section =
            section.unwrap_or_else(|| panic!("no section {} for {}", class.section(), class.as_str()));
        assert!(section.contains(&format!("`{}`", class.as_str())), "{}", class.as_str());
        for part in ["**First five minutes.**", "**Confirm.**", "**Contain.**", "**False positives.**"] {
            assert!(section.contains(part), "{}: {part}", class.section());
        }
    }
}
