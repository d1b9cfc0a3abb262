//! Batches in, text out, read back by a small strict parser (and by promtool, where it is).

mod parser;

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality::{Cumulative, Delta},
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
        exponential_histogram_data_point::Buckets,
        metric::Data,
        number_data_point::Value,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
};
use proptest::prelude::*;
use prost::Message as _;
use uuid::Uuid;

use parser::parse;

use super::{Format, Rejection, Settings, Store, Tally, page};
use crate::batch::{Batch, Signal, TenantId};

const SECOND: u64 = 1_000_000_000;
const NOW: u64 = 1_700_000_000 * SECOND;

fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(n))
}

fn kv(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..Default::default() }
}

fn number(value: f64, start: u64, time: u64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(Value::AsDouble(value)),
        ..Default::default()
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.into(),
        unit: unit.into(),
        description: format!("About {name}."),
        data: Some(data),
        ..Default::default()
    }
}

fn gauge(name: &str, points: Vec<NumberDataPoint>) -> Metric {
    metric(name, "", Data::Gauge(Gauge { data_points: points }))
}

fn sum(name: &str, delta: bool, points: Vec<NumberDataPoint>) -> Metric {
    let aggregation_temporality = if delta { Delta } else { Cumulative } as i32;
    metric(name, "", Data::Sum(Sum { data_points: points, aggregation_temporality, is_monotonic: true }))
}

fn request(resource: Vec<KeyValue>, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..Default::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes: resource, ..Default::default() }),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..Default::default() }],
            ..Default::default()
        }],
    }
}

fn ingest(store: &Store, id: TenantId, metrics: Vec<Metric>, now: u64) -> Tally {
    let resource =
        vec![kv("service.name", "web"), kv("service.instance.id", "i1"), kv("tenant_id", &id.to_string())];
    send(store, id, &request(resource, metrics), now)
}

fn send(store: &Store, id: TenantId, request: &ExportMetricsServiceRequest, now: u64) -> Tally {
    store.ingest(&Batch::clean(Signal::Metrics, id, 1, request.encode_to_vec().into()), now)
}

fn text(store: &Store) -> BTreeMap<String, f64> {
    parse(&page("", store, Format::OPENMETRICS), Format::OPENMETRICS);
    parse(&page("", store, Format::TEXT), Format::TEXT)
}

/// Labels that every series of `ingest` has, with `more` in its place.
fn key(name: &str, id: TenantId, more: &[&str]) -> String {
    let id = format!("tenant_id={id}");
    let mut labels = vec!["instance=i1", "job=web", "otel_scope_name=lib", "otel_scope_version=1.2", &id];
    labels.extend(more);
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

fn store() -> Store {
    Store::new(&Settings::default())
}

/// One of everything, for the parsers.
fn everything(store: &Store, id: TenantId) -> Tally {
    let exemplar = Exemplar {
        value: Some(exemplar::Value::AsDouble(0.3)),
        time_unix_nano: NOW,
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        ..Default::default()
    };
    let mut counted = number(5.0, NOW, NOW + 1, vec![kv("http.route", "/a\"b\\c\nd"), kv("naïve", "é")]);
    counted.exemplars.push(exemplar.clone());
    let histogram = HistogramDataPoint {
        start_time_unix_nano: NOW,
        time_unix_nano: NOW + 1,
        count: 6,
        sum: Some(2.5),
        explicit_bounds: vec![0.25, 1.0, 2_500_000.0],
        bucket_counts: vec![1, 2, 3, 0],
        exemplars: vec![exemplar.clone()],
        ..Default::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: NOW + 1,
        count: 7,
        sum: Some(3.0),
        scale: 3,
        zero_count: 1,
        positive: Some(Buckets { offset: -12, bucket_counts: vec![1, 2, 3] }),
        exemplars: vec![exemplar],
        ..Default::default()
    };
    let negative = ExponentialHistogramDataPoint {
        time_unix_nano: NOW + 1,
        count: 3,
        sum: Some(-3.0),
        negative: Some(Buckets { offset: 1, bucket_counts: vec![1, 2] }),
        ..Default::default()
    };
    let unsummed = HistogramDataPoint { sum: None, exemplars: vec![], ..histogram.clone() };
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let summary = SummaryDataPoint {
        time_unix_nano: NOW + 1,
        count: 4,
        sum: 9.0,
        quantile_values: vec![quantile(0.5, 1.0), quantile(0.99, 4.0), quantile(1.0, 5.0)],
        ..Default::default()
    };
    let cumulative = Cumulative as i32;
    let distribution =
        |p| Data::Histogram(Histogram { data_points: vec![p], aggregation_temporality: cumulative });
    let exp = |p| {
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![p],
            aggregation_temporality: cumulative,
        })
    };
    let metrics = vec![
        metric("http.server.requests", "{request}", sum("", false, vec![counted]).data.unwrap()),
        metric("http.server.request.duration", "s", distribution(histogram)),
        metric("unsummed", "By", distribution(unsummed)),
        metric("exp.size", "By", exp(exponential)),
        metric("exp.negative", "", exp(negative)),
        metric("rpc.latency", "ms", Data::Summary(Summary { data_points: vec![summary] })),
        metric(
            "cpu",
            "1",
            gauge("", vec![number(f64::NAN, 0, 0, vec![]), number(1e-9, 0, 0, vec![kv("a", "b")])])
                .data
                .unwrap(),
        ),
    ];
    let resource = vec![
        kv("service.name", "web"),
        kv("service.namespace", "shop"),
        kv("service.instance.id", "i1"),
        kv("k8s.pod.name", "pod-1"),
        kv("tenant.id", "not this one"),
    ];
    send(store, id, &request(resource, metrics), NOW)
}

/// Scenario: every kind of metric, two tenants with one job. Guarantee: both formats parse, own
/// metrics beside them, promtool finds no fault in the syntax.
#[test]
fn every_kind_renders_in_every_format() {
    let settings = Settings { created: true, ..Settings::default() };
    let store = Store::new(&settings);
    for n in 1..=2 {
        let tally = everything(&store, tenant(n));
        assert_eq!((tally.kept, tally.rejected), (8, [0; 9]));
    }
    let recorder = crate::telemetry::metrics::builder().unwrap().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        crate::telemetry::metrics::describe();
        metrics::counter!("portcullis_findings_total", "class" => "x").increment(1);
        metrics::gauge!("portcullis_journal_bytes").set(1.5e9);
        metrics::histogram!("portcullis_request_duration_seconds", "signal" => "logs").record(1.0);
    });
    let own = recorder.handle().render();
    for format in [Format::TEXT, Format::OPENMETRICS] {
        let text = page(&own, &store, format);
        let samples = parse(&text, format);
        assert!(samples.keys().all(|k| k.starts_with("portcullis_") || k.contains("tenant_id=00000000-")));
        assert_eq!(samples.keys().filter(|k| k.starts_with("target_info{")).count(), 2);
        assert_eq!(samples["portcullis_findings_total{class=x}"], 1.0);
        if let Some(dir) = option_env!("PORTCULLIS_DUMP") {
            std::fs::write(format!("{dir}/{:?}.txt", format.kind), &text).unwrap();
        }
        if !format.is_openmetrics() {
            promtool(&text);
        }
    }
    let text = page(&own, &store, Format::OPENMETRICS);
    assert!(text.contains("} 5 # {trace_id=\"07070707070707070707070707070707\",span_id=\"0808080808080808\"} 0.3 1700000000.000000000\n"), "{text}");
    assert!(text.contains("# UNIT http_server_request_duration_seconds seconds\n"));
    assert!(text.contains("le=\"1.0\"") && text.contains("le=\"2.5e+06\""));
    assert!(!text.contains("not this one"));
}

fn promtool(text: &str) {
    let Ok(mut child) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // 3 is the linter's taste in names of units; 1 is a parse error.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
}

/// Scenario: a cumulative counter, late, twice, restarted. Guarantee: the last value in time stays.
#[test]
fn cumulative_points_keep_their_order() {
    let (store, id) = (store(), tenant(1));
    let point = |v, start, time| vec![sum("c", false, vec![number(v, start, NOW + time, vec![])])];
    ingest(&store, id, point(5.0, NOW, 10), NOW);
    assert_eq!(ingest(&store, id, point(4.0, NOW, 9), NOW).rejected(Rejection::OutOfOrder), 1);
    assert_eq!(ingest(&store, id, point(9.0, NOW, 10), NOW).rejected(Rejection::Duplicate), 1);
    assert_eq!(text(&store)[&key("c_total", id, &[])], 5.0);
    ingest(&store, id, point(1.0, NOW + 10, 20), NOW);
    assert_eq!(text(&store)[&key("c_total", id, &[])], 1.0);
    assert_eq!(ingest(&store, id, point(-1.0, NOW, 30), NOW).rejected(Rejection::Invalid), 1);
}

/// Scenario: deltas in a row, overlapping, and after a gap. Guarantee: summed, dropped, begun anew.
#[test]
fn deltas_become_cumulative() {
    let (store, id) = (store(), tenant(1));
    let send = |v, start, time| {
        ingest(&store, id, vec![sum("c", true, vec![number(v, NOW + start, NOW + time, vec![])])], NOW)
    };
    send(2.0, 0, 10);
    send(3.0, 10, 20);
    assert_eq!(text(&store)[&key("c_total", id, &[])], 5.0);
    assert_eq!(send(3.0, 15, 25).rejected(Rejection::OutOfOrder), 1);
    assert_eq!(send(3.0, 10, 20).rejected(Rejection::Duplicate), 1);
    assert_eq!(text(&store)[&key("c_total", id, &[])], 5.0);
    send(7.0, 40, 50);
    assert_eq!(text(&store)[&key("c_total", id, &[])], 7.0);
}

/// Scenario: delta histograms, then other bounds. Guarantee: buckets add up, then begin anew.
#[test]
fn delta_histograms_add_up() {
    let (store, id) = (store(), tenant(1));
    let send = |bounds: &[f64], counts: &[u64], time: u64| {
        let point = HistogramDataPoint {
            start_time_unix_nano: NOW + time - 10,
            time_unix_nano: NOW + time,
            count: counts.iter().sum(),
            sum: Some(1.5),
            explicit_bounds: bounds.to_vec(),
            bucket_counts: counts.to_vec(),
            ..Default::default()
        };
        let data = Histogram { data_points: vec![point], aggregation_temporality: Delta as i32 };
        ingest(&store, id, vec![metric("h", "", Data::Histogram(data))], NOW)
    };
    send(&[1.0, 2.0], &[1, 2, 3], 10);
    send(&[1.0, 2.0], &[1, 0, 1], 20);
    let samples = text(&store);
    assert_eq!(samples[&key("h_bucket", id, &["le=1.0"])], 2.0);
    assert_eq!(samples[&key("h_bucket", id, &["le=2.0"])], 4.0);
    assert_eq!(samples[&key("h_bucket", id, &["le=+Inf"])], 8.0);
    assert_eq!((samples[&key("h_count", id, &[])], samples[&key("h_sum", id, &[])]), (8.0, 3.0));
    assert_eq!(store.series(), 5);
    send(&[1.0], &[1, 1], 30);
    assert_eq!(text(&store)[&key("h_count", id, &[])], 2.0);
    assert_eq!(store.series(), 4);
    for (bounds, counts) in [(&[2.0, 1.0][..], &[1, 1, 1][..]), (&[1.0], &[1]), (&[f64::NAN], &[1, 1])] {
        assert_eq!(send(bounds, counts, 40).rejected(Rejection::Invalid), 1);
    }
}

/// Scenario: keys that become one label, and labels that are the gate's or the format's.
/// Guarantee: values joined in key order; the data cannot write tenant_id, job or le.
#[test]
fn labels_that_collide() {
    let (store, id) = (store(), tenant(1));
    let attributes = vec![
        kv("b.a", "2"),
        kv("b-a", "1"),
        kv("tenant_id", "evil"),
        kv("tenant-id", "evil"),
        kv("job", "mine"),
        kv("empty", ""),
        kv("__name__", "evil"),
    ];
    ingest(&store, id, vec![gauge("g", vec![number(1.0, 0, 0, attributes)])], NOW);
    assert_eq!(text(&store)[&key("g", id, &["b_a=1;2", "exported_job=mine", "_name_=evil"])], 1.0);
}

/// Scenario: a point without a recorded value, silence, a deleted tenant. Guarantee: series end,
/// and their room and names are free again.
#[test]
fn series_end() {
    let (store, id) = (store(), tenant(1));
    let mut point = number(1.0, 0, NOW, vec![]);
    ingest(&store, id, vec![gauge("g", vec![point.clone()])], NOW);
    point.flags = 1;
    point.value = None;
    assert_eq!(ingest(&store, id, vec![gauge("g", vec![point])], NOW).ended, 1);
    assert_eq!((text(&store).len(), store.series()), (0, 0));

    everything(&store, id);
    store.expire(NOW + 299 * SECOND);
    assert!(store.series() > 0);
    store.expire(NOW + 301 * SECOND);
    assert_eq!((store.series(), store.tenants().len()), (0, 0));
    assert!(text(&store).is_empty());

    everything(&store, id);
    everything(&store, tenant(2));
    let half = store.series() / 2;
    store.remove_tenant(id);
    assert_eq!(store.series(), half);
    assert!(text(&store).keys().all(|k| !k.contains(&id.to_string())));
    store.remove_tenant(tenant(2));
    let reused = ingest(&store, id, vec![gauge("exp_size_bytes", vec![number(1.0, 0, 0, vec![])])], NOW);
    assert_eq!(reused.kept, 1);
}

/// Scenario: two types under one name; names of the gate. Guarantee: the first stays, the rest is
/// dropped and counted.
#[test]
fn conflicts_and_reserved_names() {
    let (store, id) = (store(), tenant(1));
    let point = || vec![number(1.0, 0, 0, vec![])];
    ingest(&store, id, vec![sum("x", false, point())], NOW);
    let tally = ingest(
        &store,
        tenant(2),
        vec![
            gauge("x", point()),
            gauge("x_total", point()),
            gauge("portcullis.findings", point()),
            gauge("target", point()),
        ],
        NOW,
    );
    assert_eq!(tally.rejected(Rejection::TypeConflict), 2);
    assert_eq!(tally.rejected(Rejection::ReservedName), 2);
    assert_eq!(text(&store).len(), 1);
}

/// Scenario: more series than a tenant may have. Guarantee: dropped, counted; known series and
/// other tenants go on.
#[test]
fn the_series_limit_holds_by_tenant() {
    let settings = Settings { series_per_tenant: 10, series_total: 25, ..Settings::default() };
    let store = Store::new(&settings).with_series_limit(|id| (id == tenant(2)).then_some(20));
    let many = |n: usize, time| {
        vec![gauge(
            "g",
            (0..n).map(|i| number(i as f64, 0, NOW + time, vec![kv("i", &i.to_string())])).collect(),
        )]
    };
    let tally = ingest(&store, tenant(1), many(30, 1), NOW);
    assert_eq!((tally.kept, tally.rejected(Rejection::SeriesLimit)), (10, 20));
    assert_eq!(ingest(&store, tenant(1), many(10, 2), NOW).kept, 10);
    assert_eq!(ingest(&store, tenant(2), many(30, 1), NOW).kept, 15);
    assert_eq!(store.series(), 25);
    let tally = ingest(
        &store,
        tenant(1),
        vec![gauge("h", vec![number(0.0, 0, 0, vec![kv("k", &"v".repeat(3000))])])],
        NOW,
    );
    assert_eq!(tally.rejected(Rejection::LabelLimit), 1);
    let labels = (0..70).map(|i| kv(&format!("l{i}"), "v")).collect();
    let tally = ingest(&store, tenant(1), vec![gauge("h", vec![number(0.0, 0, 0, labels)])], NOW);
    assert_eq!(tally.rejected(Rejection::LabelLimit), 1);
}

/// Scenario: bytes that are no request. Guarantee: counted, nothing kept.
#[test]
fn bytes_that_do_not_decode() {
    let store = store();
    let tally = store.ingest(&Batch::clean(Signal::Metrics, tenant(1), 3, vec![0xff; 9].into()), NOW);
    assert_eq!(tally.rejected(Rejection::Malformed), 3);
}

/// Scenario: workers send, tenants go, series expire and pages are rendered, all at once.
/// Guarantee: no deadlock, every page parses, the count of series is right at the end.
#[test]
fn threads_share_the_store() {
    let store = store();
    std::thread::scope(|scope| {
        for n in 0..3 {
            let store = &store;
            scope.spawn(move || {
                for at in 0..30 {
                    everything(store, tenant(n));
                    ingest(
                        store,
                        tenant(n),
                        vec![sum("c", true, vec![number(1.0, 0, NOW + at, vec![])])],
                        NOW,
                    );
                    if at % 10 == 9 {
                        store.remove_tenant(tenant((n + 1) % 3));
                        store.expire(NOW);
                    }
                }
            });
        }
        for _ in 0..10 {
            text(&store);
        }
    });
    assert_eq!(store.series(), store.tenants().values().sum::<usize>());
    store.expire(u64::MAX);
    assert_eq!(store.series(), 0);
}

/// Scenario: the remote-write seam. Guarantee: it gives what the text gives.
#[test]
fn samples_are_those_of_the_text() {
    let store = store();
    everything(&store, tenant(1));
    let shown = text(&store);
    let mut seen = 0;
    for sample in store.samples() {
        let mut labels: Vec<_> =
            super::decode_labels(&sample.labels).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        labels.push(format!("tenant_id={}", sample.tenant));
        labels.sort();
        let value = shown[&format!("{}{{{}}}", sample.name, labels.join(","))];
        assert!(value == sample.value || value.is_nan() && sample.value.is_nan());
        seen += 1;
    }
    assert_eq!(seen, shown.keys().filter(|k| !k.starts_with("target_info")).count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Scenario: tenants share metric names, labels, jobs, and claim each other's tenant_id.
    /// Guarantee: what stands under a tenant_id came from that tenant; the text always parses.
    #[test]
    fn a_tenant_shows_only_its_own(points in prop::collection::vec(
        (0..4_u128, "[a-c.]{1,3}", "[a-z_.\"\\\\\n=,}é-]{1,8}", any::<bool>(), any::<u8>()), 1..60)) {
        let store = store();
        for (at, (n, name, label, is_gauge, _)) in points.iter().enumerate() {
            // The value says who sent it.
            let other = tenant((n + 1) % 4).to_string();
            let point = number(*n as f64, 0, NOW + at as u64, vec![kv(label, label), kv("tenant_id", &other), kv("v", &format!("\",tenant_id=\"{other}"))]);
            let m = if *is_gauge { gauge(name, vec![point]) } else { sum(name, false, vec![point]) };
            let resource = vec![kv("service.name", "web"), kv("tenant.id", &other), kv(label, &format!("from {n}"))];
            send(&store, tenant(*n), &request(resource, vec![m]), NOW);
        }
        for (key, value) in text(&store) {
            let ids: Vec<u128> = (0..4)
                .filter(|n| key.contains(&format!("{{tenant_id={}", tenant(*n))) || key.contains(&format!(",tenant_id={},", tenant(*n))) || key.ends_with(&format!(",tenant_id={}}}", tenant(*n))))
                .collect();
            if key.starts_with("target_info") {
                prop_assert!(ids.iter().any(|n| key.contains(&format!("from {n}"))), "{}", key);
            } else {
                prop_assert!(ids.contains(&(value as u128)), "{key} {value}");
            }
        }
    }

    /// Scenario: any bytes as a request. Guarantee: no panic, and the page still parses.
    #[test]
    fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let store = store();
        store.ingest(&Batch::clean(Signal::Metrics, tenant(1), 1, bytes.into()), NOW);
        text(&store);
    }
}
