//! Random requests of all three signals, made of prost's types.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{
        AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use portcullis::batch::Signal;
use proptest::{collection::vec, option, prelude::*};
use prost::Message;

/// Texts around the widths at which lengths grow by a byte, and some that are not ASCII.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z.@ ]{0,12}",
        1 => (120usize..136).prop_map(|n| "x".repeat(n)),
        1 => Just("größe £ 漢字".to_string()),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z.]{1,8}", 1 => Just("tenant_id".to_string()), 1 => Just("org_id".to_string())]
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => any::<i64>().prop_map(Value::IntValue),
        1 => (-1e9f64..1e9).prop_map(Value::DoubleValue),
        1 => vec(any::<u8>(), 0..20).prop_map(Value::BytesValue),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        let any = option::of(inner).prop_map(|value| AnyValue { value });
        prop_oneof![
            vec(any.clone(), 0..4).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec((key(), any), 0..4).prop_map(|pairs| {
                let values =
                    pairs.into_iter().map(|(key, v)| KeyValue { key, value: Some(v), ..Default::default() });
                Value::KvlistValue(KeyValueList { values: values.collect() })
            }),
        ]
    });
    option::weighted(0.95, value).prop_map(|value| AnyValue { value })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec((key(), option::weighted(0.95, any_value())), 0..4).prop_map(|pairs| {
        pairs.into_iter().map(|(key, value)| KeyValue { key, value, ..Default::default() }).collect()
    })
}

fn id(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => vec(any::<u8>(), bytes), 1 => Just(vec![])]
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    option::weighted(
        0.9,
        (attributes(), 0u32..300, vec((text(), text(), vec(text(), 0..2)), 0..2)).prop_map(
            |(attributes, dropped_attributes_count, refs)| Resource {
                attributes,
                dropped_attributes_count,
                entity_refs: refs
                    .into_iter()
                    .map(|(schema_url, r#type, id_keys)| EntityRef {
                        schema_url,
                        r#type,
                        description_keys: id_keys.clone(),
                        id_keys,
                    })
                    .collect(),
            },
        ),
    )
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    option::of((text(), text(), attributes(), 0u32..3).prop_map(|(name, version, attributes, n)| {
        InstrumentationScope { name, version, attributes, dropped_attributes_count: n }
    }))
}

fn log_record() -> impl Strategy<Value = LogRecord> {
    (any::<u64>(), 0i32..25, text(), option::of(any_value()), attributes(), id(16), id(8), text()).prop_map(
        |(time, severity_number, severity_text, body, attributes, trace_id, span_id, event_name)| LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: time / 2,
            severity_number,
            severity_text,
            body,
            attributes,
            dropped_attributes_count: 1,
            flags: 1,
            trace_id,
            span_id,
            event_name,
        },
    )
}

fn logs() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let scopes = vec((scope(), vec(log_record(), 0..4), text()), 0..3);
    vec((resource(), scopes, text()), 0..3).prop_map(|groups| ExportLogsServiceRequest {
        resource_logs: groups
            .into_iter()
            .map(|(resource, scopes, schema_url)| ResourceLogs {
                resource,
                schema_url,
                scope_logs: scopes
                    .into_iter()
                    .map(|(scope, log_records, schema_url)| ScopeLogs { scope, log_records, schema_url })
                    .collect(),
            })
            .collect(),
    })
}

fn span() -> impl Strategy<Value = Span> {
    let event = (any::<u64>(), text(), attributes()).prop_map(|(time_unix_nano, name, attributes)| {
        span::Event { time_unix_nano, name, attributes, dropped_attributes_count: 0 }
    });
    let link =
        (id(16), id(8), text(), attributes()).prop_map(|(trace_id, span_id, trace_state, attributes)| {
            span::Link { trace_id, span_id, trace_state, attributes, dropped_attributes_count: 7, flags: 3 }
        });
    let status = (text(), 0i32..3).prop_map(|(message, code)| Status { message, code });
    (
        (id(16), id(8), text(), id(8), text(), 0i32..6, any::<u64>()),
        (attributes(), vec(event, 0..3), vec(link, 0..2), option::of(status), any::<u32>()),
    )
        .prop_map(
            |(
                (trace_id, span_id, trace_state, parent_span_id, name, kind, time),
                (attributes, events, links, status, flags),
            )| Span {
                trace_id,
                span_id,
                trace_state,
                parent_span_id,
                flags,
                name,
                kind,
                start_time_unix_nano: time,
                end_time_unix_nano: time,
                attributes,
                dropped_attributes_count: 128,
                events,
                dropped_events_count: 0,
                links,
                dropped_links_count: 1,
                status,
            },
        )
}

fn traces() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scopes = vec((scope(), vec(span(), 0..4), text()), 0..3);
    vec((resource(), scopes, text()), 0..3).prop_map(|groups| ExportTraceServiceRequest {
        resource_spans: groups
            .into_iter()
            .map(|(resource, scopes, schema_url)| ResourceSpans {
                resource,
                schema_url,
                scope_spans: scopes
                    .into_iter()
                    .map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url })
                    .collect(),
            })
            .collect(),
    })
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    vec((attributes(), id(16), id(8), -1e9f64..1e9), 0..2).prop_map(|all| {
        all.into_iter()
            .map(|(filtered_attributes, trace_id, span_id, value)| Exemplar {
                filtered_attributes,
                time_unix_nano: 1,
                span_id,
                trace_id,
                value: Some(exemplar::Value::AsDouble(value)),
            })
            .collect()
    })
}

fn data() -> impl Strategy<Value = Data> {
    let number = || {
        (attributes(), exemplars(), any::<i64>(), any::<bool>()).prop_map(
            |(attributes, exemplars, value, int)| NumberDataPoint {
                attributes,
                exemplars,
                start_time_unix_nano: 1,
                time_unix_nano: 2,
                flags: 0,
                value: Some(if int {
                    number_data_point::Value::AsInt(value)
                } else {
                    number_data_point::Value::AsDouble(value as f64)
                }),
            },
        )
    };
    let histogram = (attributes(), exemplars(), vec(any::<u64>(), 0..5), vec(-1e9f64..1e9, 0..4)).prop_map(
        |(attributes, exemplars, bucket_counts, explicit_bounds)| HistogramDataPoint {
            attributes,
            exemplars,
            bucket_counts,
            explicit_bounds,
            count: 3,
            sum: Some(1.5),
            min: None,
            max: Some(0.0),
            ..Default::default()
        },
    );
    let exponential = (attributes(), exemplars(), -10i32..20, vec(any::<u64>(), 0..5)).prop_map(
        |(attributes, exemplars, scale, bucket_counts)| ExponentialHistogramDataPoint {
            attributes,
            exemplars,
            scale,
            positive: Some(Buckets { offset: -3, bucket_counts: bucket_counts.clone() }),
            negative: (scale > 0).then_some(Buckets { offset: 3, bucket_counts }),
            ..Default::default()
        },
    );
    let summary = attributes().prop_map(|attributes| SummaryDataPoint {
        attributes,
        count: 9,
        quantile_values: vec![ValueAtQuantile { quantile: 0.5, value: 2.0 }],
        ..Default::default()
    });
    prop_oneof![
        vec(number(), 0..4).prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        vec(number(), 0..4).prop_map(|data_points| Data::Sum(Sum {
            data_points,
            aggregation_temporality: 2,
            is_monotonic: true
        })),
        vec(histogram, 0..3)
            .prop_map(|data_points| Data::Histogram(Histogram { data_points, aggregation_temporality: 1 })),
        vec(exponential, 0..3).prop_map(|data_points| Data::ExponentialHistogram(ExponentialHistogram {
            data_points,
            aggregation_temporality: 2
        })),
        vec(summary, 0..3).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ]
}

fn metrics() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let metric = (text(), text(), text(), attributes(), option::weighted(0.9, data())).prop_map(
        |(name, description, unit, metadata, data)| Metric { name, description, unit, metadata, data },
    );
    let scopes = vec((scope(), vec(metric, 0..3), text()), 0..3);
    vec((resource(), scopes, text()), 0..3).prop_map(|groups| ExportMetricsServiceRequest {
        resource_metrics: groups
            .into_iter()
            .map(|(resource, scopes, schema_url)| ResourceMetrics {
                resource,
                schema_url,
                scope_metrics: scopes
                    .into_iter()
                    .map(|(scope, metrics, schema_url)| ScopeMetrics { scope, metrics, schema_url })
                    .collect(),
            })
            .collect(),
    })
}

/// Any request: its signal and its bytes as prost writes them.
pub fn request() -> impl Strategy<Value = (Signal, Vec<u8>)> {
    prop_oneof![
        logs().prop_map(|request| (Signal::Logs, request.encode_to_vec())),
        traces().prop_map(|request| (Signal::Traces, request.encode_to_vec())),
        metrics().prop_map(|request| (Signal::Metrics, request.encode_to_vec())),
    ]
}
