//! Requests run along the whole path, with what is known of traces.

use super::*;
use crate::{
    config::{Document, Options},
    gateway::{
        Format,
        path::{self, Looked, Part, Processed, Request},
    },
    identify::{Admission, Claims, State, catalogue, factory},
    policy::Policy,
    wire::{
        put,
        view::{self, AnyValue},
    },
};

const NOW: u64 = 1_769_817_600_000_000_000; // 2026-01-31T00:00:00Z
const HOUR: u64 = 3_600_000_000_000;

/// acme and bravo live, gone was deleted at [`NOW`], off is suspended.
struct Bed {
    policy: Policy,
    traces: Arc<Traces>,
    claims: Option<Claims>,
    headers: Vec<(String, String)>,
    may_wait: bool,
}

impl Bed {
    fn new(identity: &str) -> Bed {
        let mut entries: Vec<catalogue::Entry> = ["acme", "bravo", "gone", "off"].map(factory::tenant).into();
        entries[2].state = State::Deleted;
        entries[2].deleted_at = Some("2026-01-31T00:00:00Z".into());
        entries[3].state = State::Suspended;
        let catalogue = catalogue::parse("tenants", &factory::catalogue(&entries)).unwrap();
        let here = tempfile::tempdir().unwrap();
        let directory = here.path().display();
        let text =
            format!("identity: {{ mode: enforce, {identity} }}\nbuffer: {{ directory: {directory} }}\n");
        let document = Document::parse("test", &text, Options::data()).unwrap();
        let policy = Policy::compile(&document, catalogue, None).unwrap_or_else(|e| panic!("{e:?}"));
        let traces = Arc::new(Traces::new(1 << 20));
        Bed { policy, traces, claims: None, headers: Vec::new(), may_wait: false }
    }

    fn look(&self, signal: Signal, json: &str) -> Looked {
        let request = Request {
            signal,
            format: Format::Json,
            body: json.to_owned().into(),
            claims: self.claims.as_ref(),
            headers: &self.headers,
            baggage: None,
            entered: None,
            now: NOW + 2 * HOUR,
            traces: &self.traces,
            may_wait: self.may_wait,
        };
        let (admission, mut scratch) = (Admission::default(), path::Scratch::default());
        path::run(&self.policy, &admission, &mut scratch, request, |_| ()).unwrap()
    }

    /// What became of spans: `(tenant, items, why rejected, inherited)`, sorted.
    fn run(&self, json: &str) -> Vec<(String, u32, &'static str, bool)> {
        match self.look(Signal::Traces, json) {
            Looked::Done(done) => shown(&done),
            Looked::Waits(_) => panic!("it waits"),
        }
    }
}

fn shown(done: &Processed) -> Vec<(String, u32, &'static str, bool)> {
    let slug = |part: &Part| {
        let of = |slug: &&str| factory::tenant_id(slug) == part.batch.tenant;
        ["acme", "bravo", "gone", "off"].into_iter().find(of).unwrap_or("").to_owned()
    };
    for part in &done.accepted {
        for group in view::groups(part.batch.signal, &part.batch.bytes) {
            let mark: Vec<_> = group.attributes().filter(|(key, _)| *key == "tenant.inherited").collect();
            let right = matches!(mark[..], [(_, AnyValue::Bool(true))]);
            assert_eq!((right, mark.len()), (part.inherited, usize::from(part.inherited)));
            let id = part.batch.tenant.to_string();
            assert_eq!(group.attribute("tenant_id").and_then(|id| id.as_str()), Some(&*id));
            for item in group.items() {
                assert!(item.attributes().all(|(key, _)| key != "tenant.inherited"));
            }
        }
    }
    let all = done.accepted.iter().chain(&done.rejected);
    let mut list: Vec<_> = all
        .map(|p| {
            (slug(p), p.received, p.reject.map_or("", Reject::as_str), p.inherited && p.reject.is_none())
        })
        .collect();
    list.sort();
    list
}

fn attributes(pairs: &[(&str, &str)]) -> String {
    let pair =
        |(key, value): &(&str, &str)| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    pairs.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// A span of a trace, with what it declares, that ended at this time.
fn span_at(trace: u8, declared: &[(&str, &str)], end: u64) -> String {
    let trace = if trace == 0 { String::new() } else { format!("{trace:032x}") };
    format!(
        r#"{{"traceId":"{trace}","spanId":"00000000000000aa","name":"n","endTimeUnixNano":"{end}","attributes":[{}]}}"#,
        attributes(declared)
    )
}

fn span(trace: u8, declared: &[(&str, &str)]) -> String {
    span_at(trace, declared, NOW + HOUR * 3 / 2)
}

fn group(resource: &[(&str, &str)], spans: &[String]) -> String {
    let resource = attributes(resource);
    format!(
        r#"{{"resource":{{"attributes":[{resource}]}},"scopeSpans":[{{"spans":[{}]}}]}}"#,
        spans.join(",")
    )
}

fn spans(groups: &[String]) -> String {
    format!(r#"{{"resourceSpans":[{}]}}"#, groups.join(","))
}

/// A request of one resource that declares nothing.
fn bare(list: &[String]) -> String {
    spans(&[group(&[("service.name", "s")], list)])
}

fn part(slug: &str, items: u32, reject: &'static str, inherited: bool) -> (String, u32, &'static str, bool) {
    (slug.into(), items, reject, inherited)
}

const ON: &str = "inherit: { enabled: true }";
const ACME: &[(&str, &str)] = &[("tenant_id", "acme")];
const BRAVO: &[(&str, &str)] = &[("tenant_id", "bravo")];

/// Scenario: spans without a tenant beside spans of their traces with one: in one resource, in another, behind and
/// before it; spans of no trace, of another's, with a forged mark. Guarantee: only who is in the trace inherits, the
/// mark stands on the resource of those alone; without the setting nobody inherits, and the forged mark is gone.
#[test]
fn within_a_request() {
    let (none, mark) = (&[][..], &[("tenant.inherited", "true")][..]);
    let list = [span(1, none), span(1, ACME), span(1, mark), span(2, none), span(0, none)];
    let forged: Vec<_> = [ACME, mark].concat();
    let json = spans(&[
        group(&[], &list),
        group(&forged, &[span(3, none)]),
        group(&[], &[span(3, none), span(4, none)]),
        group(BRAVO, &[span(4, mark)]),
    ]);
    let on = [
        part("", 2, "missing_tenant", false),
        part("acme", 2, "", false),
        part("acme", 3, "", true),
        part("bravo", 1, "", false),
        part("bravo", 1, "", true),
    ];
    assert_eq!(Bed::new(ON).run(&json), on);
    let off = [part("", 6, "missing_tenant", false), part("acme", 2, "", false), part("bravo", 1, "", false)];
    assert_eq!(Bed::new("inherit: { wait: 1s }").run(&json), off);
}

/// Scenario: a log record with a trace id, then metrics that declare nothing, behind a span of that trace. Guarantee:
/// the record inherits; data points do not.
#[test]
fn records_inherit_across_requests() {
    let bed = Bed::new(ON);
    assert_eq!(bed.run(&bare(&[span(1, ACME)])), [part("acme", 1, "", false)]);
    let record = format!(r#"{{"traceId":"{:032x}","body":{{"stringValue":"b"}}}}"#, 1);
    let logs = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record},{{}}]}}]}}]}}"#);
    let Looked::Done(done) = bed.look(Signal::Logs, &logs) else { panic!("it waits") };
    assert_eq!(shown(&done), [part("", 1, "missing_tenant", false), part("acme", 1, "", true)]);
    let metrics =
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{}]}}]}]}]}"#;
    let Looked::Done(done) = bed.look(Signal::Metrics, metrics) else { panic!("it waits") };
    assert_eq!(shown(&done), [part("", 1, "missing_tenant", false)]);
}

/// Scenario: a trace with two tenants, in one request, over two, as a rejected one beside another, as a claim against
/// a declaration. Guarantee: nobody inherits from it.
#[test]
fn an_ambiguous_trace_is_no_source() {
    let missing = part("", 1, "missing_tenant", false);
    let bed = Bed::new(ON);
    let all = bed.run(&bare(&[span(1, ACME), span(1, &[]), span(1, BRAVO)]));
    assert_eq!(all, [missing.clone(), part("acme", 1, "", false), part("bravo", 1, "", false)]);
    bed.run(&bare(&[span(2, ACME)]));
    bed.run(&bare(&[span(2, BRAVO)]));
    bed.run(&bare(&[span(3, &[("tenant_id", "off")]), span(3, ACME)]));
    let mut claimed = Bed::new(ON);
    claimed.traces = Arc::clone(&bed.traces);
    claimed.claims = Some(Claims::assumed(Some("acme"), Some("user"), &[]));
    claimed.run(&bare(&[span(4, BRAVO)]));
    for trace in 1..=4 {
        assert_eq!(bed.run(&bare(&[span(trace, &[])])), std::slice::from_ref(&missing), "trace {trace}");
    }
}

/// Scenario: a trace whose tenant is known, and spans with a header, a claim, a malformed tenant, or a principal that
/// must be listed. Guarantee: what is said otherwise wins; who may not write for the trace's tenant does not inherit.
#[test]
fn a_tenant_of_its_own_wins() {
    let mut bed = Bed::new(
        "inherit: { enabled: true }, token: { required: true, secret: 0123456789abcdef0123456789abcdef }",
    );
    bed.claims = Some(Claims::assumed(Some("acme"), Some("user"), &[]));
    assert_eq!(bed.run(&bare(&[span(1, &[])])), [part("acme", 1, "", false)]);
    bed.claims = Some(Claims::assumed(Some("bravo"), Some("user"), &[]));
    let child = bare(&[span(1, &[])]);
    assert_eq!(bed.run(&child), [part("bravo", 1, "", false)]);
    bed.claims = Some(Claims::assumed(Some("acme"), Some("user"), &[]));
    bed.run(&bare(&[span(2, &[])]));
    let child = bare(&[span(2, &[])]);
    bed.claims = Some(Claims::assumed(None, Some("agent"), &["bravo"]));
    assert_eq!(bed.run(&child), [part("", 1, "missing_tenant", false)]);
    // It declares a tenant that it may not write for: that is not nothing.
    bed.claims = Some(Claims::assumed(None, Some("agent"), &["acme"]));
    assert_eq!(bed.run(&bare(&[span(2, BRAVO)])), [part("", 1, "missing_tenant", false)]);
    assert_eq!(Bed::new(ON).run(&bare(&[span(2, &[])])), [part("", 1, "missing_tenant", false)]);
    bed.run(&bare(&[span(5, ACME)]));
    assert_eq!(bed.run(&bare(&[span(5, &[])])), [part("acme", 1, "", true)]);

    let mut open = Bed::new(ON);
    open.traces = Arc::clone(&bed.traces);
    let malformed = bare(&[span(5, &[("tenant_id", "nobody of that name")])]);
    assert_eq!(open.run(&malformed), [part("", 1, "malformed_tenant", false)]);
    open.headers = vec![("x-tenant-id".into(), "acme".into())];
    assert_eq!(open.run(&bare(&[span(5, &[])])), [part("acme", 1, "", false)]);
}

/// Scenario: a trace of a deleted tenant, and children before and after its end; one of a suspended tenant; children
/// whose trace is known by an heir alone. Guarantee: event time decides as always; who is rejected, and who inherited,
/// is no source.
#[test]
fn the_usual_rules_hold() {
    let bed = Bed::new(ON);
    let gone = &[("tenant_id", "gone")][..];
    assert_eq!(bed.run(&bare(&[span_at(1, gone, NOW)])), [part("gone", 1, "", false)]);
    let late = NOW + 2 * HOUR;
    let children = bare(&[span_at(1, &[], NOW - HOUR), span_at(1, &[], late)]);
    assert_eq!(bed.run(&children), [part("gone", 1, "", true), part("gone", 1, "deleted_tenant", false)]);
    bed.run(&bare(&[span(2, &[("tenant_id", "off")])]));
    assert_eq!(bed.run(&bare(&[span(2, &[])])), [part("", 1, "missing_tenant", false)]);
    bed.run(&bare(&[span(3, ACME)]));
    let before = bed.traces.len();
    assert_eq!(bed.run(&bare(&[span(3, &[])])), [part("acme", 1, "", true)]);
    assert_eq!(bed.run(&bare(&[span(4, &[])])), [part("", 1, "missing_tenant", false)]);
    assert_eq!(bed.traces.len(), before);
}

/// Scenario: observe mode, with a child of a known trace and of an unknown one. Guarantee: the first is the trace's
/// tenant's, and marked; the second goes through as nobody's.
#[test]
fn observe_mode_inherits_too() {
    let mut bed = Bed::new(ON);
    bed.policy.config.identity.mode = crate::identify::Mode::Observe;
    bed.run(&bare(&[span(1, ACME)]));
    let Looked::Done(done) = bed.look(Signal::Traces, &bare(&[span(1, &[]), span(2, ACME)])) else {
        panic!("it waits")
    };
    assert_eq!(shown(&done), [part("acme", 1, "", false), part("acme", 1, "", true)]);
    let Looked::Done(done) = bed.look(Signal::Traces, &bare(&[span(9, &[])])) else { panic!("it waits") };
    let [through] = &done.accepted[..] else { panic!("one part") };
    assert_eq!((through.batch.tenant, through.reject), (TenantId::NONE, Some(Reject::MissingTenant)));
}

/// Scenario: two requests of which each has what the other lacks; a request that is run again; one that is larger
/// than may wait. Guarantee: the first says what it knows before it waits, so the second needs no wait, and the first
/// is told; then it is done. Without room it is done at once.
#[tokio::test]
async fn who_waits_says_first_what_it_knows() {
    let mut bed = Bed::new("inherit: { enabled: true, wait: 5s }");
    bed.may_wait = true;
    let first = bare(&[span(1, ACME), span(2, &[]), span(2, &[])]);
    let Looked::Waits(waiter) = bed.look(Signal::Traces, &first) else { panic!("it does not wait") };
    let second = bed.run(&bare(&[span(2, ACME), span(1, &[])]));
    assert_eq!(second, [part("acme", 1, "", false), part("acme", 1, "", true)]);
    assert!(waiter.known_within(std::time::Duration::from_secs(5)).await);
    bed.may_wait = false;
    assert_eq!(bed.run(&first), [part("acme", 1, "", false), part("acme", 2, "", true)]);
    bed.may_wait = true;
    bed.traces = Arc::new(Traces::new(10));
    assert_eq!(bed.run(&bare(&[span(1, &[])])), [part("", 1, "missing_tenant", false)]);
}

/// Scenario: a tenant that may have one request at once, whose request has spans of its own and spans that inherit.
/// Guarantee: that is one request.
#[test]
fn two_parts_are_one_request() {
    let bed = Bed::new("inherit: { enabled: true }, default_limits: { concurrent_requests: 1 }");
    let parts = bed.run(&bare(&[span(1, ACME), span(1, &[])]));
    assert_eq!(parts, [part("acme", 1, "", false), part("acme", 1, "", true)]);
}

/// Scenario: a request with one trace more than are looked at, or one heir more, beside a child whose trace is known.
/// Guarantee: nobody inherits in it; with one less the child does.
#[test]
fn a_request_of_too_many_traces_has_no_heirs() {
    let bed = Bed::new("inherit: { enabled: true, traces: 1024 }");
    let settings = crate::identify::Settings::default();
    let resolver = Resolver::new(&settings, &bed.policy.catalogue, None, &[]);
    let acme = resolver.inherit(factory::tenant_id("acme"), NOW).unwrap();
    let inherits = |sources: usize, children: usize| {
        let settings = &bed.policy.config.identity.inherit;
        let mut heirs = Heirs::new(Signal::Traces, &bed.traces, settings, NOW).unwrap();
        let mut with = |trace: usize, child: bool| {
            let mut request = Vec::new();
            let mut span = Vec::new();
            put::bytes(&mut span, 1, &(trace as u128 + 1).to_be_bytes());
            let (mut scope, mut group) = (Vec::new(), Vec::new());
            put::bytes(&mut scope, 2, &span);
            put::bytes(&mut group, 2, &scope);
            put::bytes(&mut request, 1, &group);
            let item = view::groups(Signal::Traces, &request).flat_map(|g| g.items().collect::<Vec<_>>());
            item.for_each(|item| if child { heirs.add(&item, 0, 0, NOW) } else { heirs.saw(&item, &acme) });
        };
        (0..sources).for_each(|trace| with(trace, false));
        (0..children).for_each(|_| with(0, true));
        let (mut owners, mut sharing) = (Owners::default(), vec![Sharing::Items(vec![u32::MAX])]);
        assert!(heirs.settle(&resolver, &mut owners, &mut sharing, None).is_none());
        sharing[0] != Sharing::Items(vec![u32::MAX])
    };
    let most = limits::INHERIT_REQUEST_ITEMS;
    assert_eq!(
        [inherits(most, 1), inherits(most + 1, 1), inherits(1, most), inherits(1, most + 1)],
        [true, false, true, false]
    );
}
