use super::*;
use crate::identify::factory;

fn settings(text: &str) -> Settings {
    serde_json::from_str(&format!(
        r#"{{"shared_limits":{text},"default_limits":{{"items_per_second":100}}}}"#
    ))
    .unwrap()
}

/// Scenario: settings that cannot be meant. Guarantee: each is refused by its name, without the URL.
#[test]
fn settings_are_checked() {
    assert_eq!(settings(r#"{"redis":{"url":"redis://:hush@localhost:6379/0"}}"#).check(), Ok(()));
    for (text, named) in [
        (r#"{}"#, "redis"),
        (r#"{"redis":{"url":"redis://a/","url_file":"b"}}"#, "redis"),
        (r#"{"redis":{"url":"hush://hush"}}"#, "redis.url"),
        (r#"{"redis":{"url_file":"f"},"interval":"1ms"}"#, "interval"),
        (r#"{"redis":{"url_file":"f"},"hold":"300ms"}"#, "hold"),
        (r#"{"redis":{"url_file":"f"},"gates":0}"#, "gates"),
        (r#"{"redis":{"url_file":"f"},"timeout":"1h"}"#, "timeout"),
        (r#"{"redis":{"url_file":"f"},"prefix":""}"#, "prefix"),
    ] {
        let said = settings(text).check().unwrap_err();
        assert!(said.contains(named) && !said.contains("hush"), "{said}");
    }
}

/// Scenario: no server where one should be, for tenants of two tiers. Guarantee: open has its whole limit, closed the
/// part of the gates that are assumed; the answer comes at once; without the setting all is whole again.
#[tokio::test]
async fn without_a_server_each_tier_fails_as_it_is_told() {
    let (open, closed) = (factory::tenant_id("open"), factory::tenant_id("closed"));
    let text = format!("tenants: [{{ id: {open} }}, {{ id: {closed}, isolation: database }}]");
    let catalogue = crate::identify::catalogue::parse("test", &text).unwrap();
    let with = settings(
        r#"{"redis":{"url":"redis://127.0.0.1:1/"},"gates":4,"timeout":"200ms","on_failure":{"tiers":{"database":"closed"}}}"#,
    );
    let admission = Admission::new();
    let mut sharing = Sharing::default();
    let through = |tenant| {
        let limits = catalogue.limits(tenant, &with);
        (0..1000).filter(|_| admission.admit(tenant, limits, 1, 0).is_ok()).count()
    };
    // Both need a bucket to have a part.
    assert_eq!(admission.admit(open, catalogue.limits(open, &with), 1, 0), Ok(()));
    assert_eq!(admission.admit(closed, catalogue.limits(closed, &with), 1, 0), Ok(()));
    assert_eq!(sharing.round(&admission, &catalogue, &with).await, Duration::from_millis(250));
    assert!((198..=230).contains(&through(open)), "twice 100 at once");
    assert!((45..=60).contains(&through(closed)), "a quarter of that");
    let without = Settings::default();
    assert_eq!(sharing.round(&admission, &catalogue, &without).await, Duration::from_secs(1));
    assert!((145..=170).contains(&through(closed)), "what is left of the whole");
}

/// Scenario: a tenant over its part once, then quiet. Guarantee: it counts as wanting more for some calls, then not;
/// then it is forgotten.
#[test]
fn reports_are_evened_out() {
    let tenant = factory::tenant_id("one");
    let (catalogue, with) = (Catalogue::open(), settings(r#"{"redis":{"url":"redis://127.0.0.1:1/"}}"#));
    let admission = Admission::new();
    let mut sharing = Sharing::default();
    let limits = catalogue.limits(tenant, &with);
    while admission.admit(tenant, limits, 10, 0).is_ok() {}
    let mut reports = Vec::new();
    for _ in 0..20 {
        reports.push(sharing.reports(&admission, &catalogue, &with));
    }
    let wanting = reports.iter().filter(|report| report.iter().any(|(_, _, over)| *over)).count();
    assert!((1..=usize::from(IDLE_CALLS)).contains(&wanting), "{wanting}");
    assert!(reports[0][0].1 > 1.0);
    assert!(reports.last().unwrap().is_empty() && sharing.tenants.is_empty());
}
