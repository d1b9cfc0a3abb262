//! prost as the oracle: decode, change, encode is what walk, edit, splice must equal.

use std::collections::BTreeMap;

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{Exemplar, metric::Data},
    resource::v1::Resource,
};
use portcullis::{
    batch::Signal,
    wire::{self, Aliases, Edits, Flow, Leaf, Msg, Sharing, Survey, Visitor, put, splice, view, walk},
};
use proptest::prelude::*;
use prost::Message;

use crate::make;

const ALIASES: [&str; 2] = ["tenant_id", "org_id"];

/// A change made to prost's types: to every text, and to every list of attributes (with what they are on).
trait Change {
    fn text(&mut self, text: &mut String);
    fn attributes(&mut self, on: Msg, list: &mut Vec<KeyValue>);
}

fn value(any: &mut AnyValue, change: &mut impl Change) {
    match &mut any.value {
        Some(Value::StringValue(text)) => change.text(text),
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(|v| value(v, change)),
        Some(Value::KvlistValue(list)) => list.values.iter_mut().for_each(|kv| pair(kv, change)),
        _ => {}
    }
}

fn pair(kv: &mut KeyValue, change: &mut impl Change) {
    change.text(&mut kv.key);
    if let Some(any) = &mut kv.value {
        value(any, change);
    }
}

fn attributes(on: Msg, list: &mut Vec<KeyValue>, change: &mut impl Change) {
    list.iter_mut().for_each(|kv| pair(kv, change));
    change.attributes(on, list);
}

fn resource(resource: &mut Option<Resource>, change: &mut impl Change) {
    let Some(resource) = resource else { return };
    attributes(Msg::Resource, &mut resource.attributes, change);
    for entity in &mut resource.entity_refs {
        change.text(&mut entity.schema_url);
        change.text(&mut entity.r#type);
        entity.id_keys.iter_mut().chain(&mut entity.description_keys).for_each(|text| change.text(text));
    }
}

macro_rules! scope {
    ($scope:expr, $change:expr) => {
        if let Some(scope) = &mut $scope {
            $change.text(&mut scope.name);
            $change.text(&mut scope.version);
            attributes(Msg::InstrumentationScope, &mut scope.attributes, $change);
        }
    };
}

fn exemplars(all: &mut [Exemplar], change: &mut impl Change) {
    for exemplar in all {
        attributes(Msg::Exemplar, &mut exemplar.filtered_attributes, change);
    }
}

fn change_request(signal: Signal, bytes: &[u8], change: &mut impl Change) -> Vec<u8> {
    match signal {
        Signal::Logs => {
            let mut request = ExportLogsServiceRequest::decode(bytes).unwrap();
            for group in &mut request.resource_logs {
                resource(&mut group.resource, change);
                change.text(&mut group.schema_url);
                for scope in &mut group.scope_logs {
                    scope!(scope.scope, change);
                    change.text(&mut scope.schema_url);
                    for log in &mut scope.log_records {
                        change.text(&mut log.severity_text);
                        change.text(&mut log.event_name);
                        attributes(Msg::LogRecord, &mut log.attributes, change);
                        if let Some(body) = &mut log.body {
                            value(body, change);
                        }
                    }
                }
            }
            request.encode_to_vec()
        }
        Signal::Traces => {
            let mut request = ExportTraceServiceRequest::decode(bytes).unwrap();
            for group in &mut request.resource_spans {
                resource(&mut group.resource, change);
                change.text(&mut group.schema_url);
                for scope in &mut group.scope_spans {
                    scope!(scope.scope, change);
                    change.text(&mut scope.schema_url);
                    for span in &mut scope.spans {
                        change.text(&mut span.name);
                        change.text(&mut span.trace_state);
                        attributes(Msg::Span, &mut span.attributes, change);
                        for event in &mut span.events {
                            change.text(&mut event.name);
                            attributes(Msg::Event, &mut event.attributes, change);
                        }
                        for link in &mut span.links {
                            change.text(&mut link.trace_state);
                            attributes(Msg::Link, &mut link.attributes, change);
                        }
                        if let Some(status) = &mut span.status {
                            change.text(&mut status.message);
                        }
                    }
                }
            }
            request.encode_to_vec()
        }
        Signal::Metrics => {
            let mut request = ExportMetricsServiceRequest::decode(bytes).unwrap();
            for group in &mut request.resource_metrics {
                resource(&mut group.resource, change);
                change.text(&mut group.schema_url);
                for scope in &mut group.scope_metrics {
                    scope!(scope.scope, change);
                    change.text(&mut scope.schema_url);
                    for metric in &mut scope.metrics {
                        change.text(&mut metric.name);
                        change.text(&mut metric.description);
                        change.text(&mut metric.unit);
                        attributes(Msg::Metric, &mut metric.metadata, change);
                        match &mut metric.data {
                            Some(Data::Gauge(gauge)) => number_points(&mut gauge.data_points, change),
                            Some(Data::Sum(sum)) => number_points(&mut sum.data_points, change),
                            Some(Data::Histogram(histogram)) => {
                                for point in &mut histogram.data_points {
                                    exemplars(&mut point.exemplars, change);
                                    attributes(Msg::HistogramDataPoint, &mut point.attributes, change);
                                }
                            }
                            Some(Data::ExponentialHistogram(histogram)) => {
                                for point in &mut histogram.data_points {
                                    exemplars(&mut point.exemplars, change);
                                    let on = Msg::ExponentialHistogramDataPoint;
                                    attributes(on, &mut point.attributes, change);
                                }
                            }
                            Some(Data::Summary(summary)) => {
                                for point in &mut summary.data_points {
                                    attributes(Msg::SummaryDataPoint, &mut point.attributes, change);
                                }
                            }
                            None => {}
                        }
                    }
                }
            }
            request.encode_to_vec()
        }
    }
}

fn number_points(
    points: &mut [opentelemetry_proto::tonic::metrics::v1::NumberDataPoint],
    change: &mut impl Change,
) {
    for point in points {
        exemplars(&mut point.exemplars, change);
        attributes(Msg::NumberDataPoint, &mut point.attributes, change);
    }
}

/// What both sides do: texts with an `e` grow past a length's width, attributes called `drop...` or an
/// alias at tenant level go, resources gain an attribute.
fn changed(text: &str) -> Option<String> {
    text.contains('e').then(|| format!("{text}+{}", "y".repeat(text.len() * 7)))
}

fn dropped(on: Msg, key: &str) -> bool {
    let tenant_level = matches!(on, Msg::Resource | Msg::InstrumentationScope) || on.is_item();
    tenant_level && ALIASES.contains(&key)
}

struct Oracle;

impl Change for Oracle {
    fn text(&mut self, text: &mut String) {
        if let Some(new) = changed(text) {
            *text = new;
        }
    }
    fn attributes(&mut self, on: Msg, list: &mut Vec<KeyValue>) {
        list.retain(|kv| !dropped(on, &kv.key));
    }
}

#[derive(Default)]
struct Editor(Edits);

impl Visitor for Editor {
    fn string(&mut self, text: &str, at: &Leaf<'_>) {
        if let Some(new) = changed(text) {
            self.0.replace(at, new.as_bytes());
        }
    }
    fn attribute(&mut self, key: &str, at: &Leaf<'_>) -> Flow {
        // The oracle drops by the changed key.
        if dropped(at.message, key) && changed(key).is_none() {
            self.0.delete(at);
            return Flow::Skip;
        }
        Flow::Walk
    }
}

/// Appends `tenant_id` to every resource.
struct Stamp(Edits);

impl Visitor for Stamp {
    fn leave(&mut self, message: Msg, end: usize, depth: u8) {
        if message == Msg::Resource {
            self.0.insert(end, depth, |out| put::attribute(out, 1, "stamp", &"s".repeat(200)));
        }
    }
}

struct Count(usize);

impl Change for Count {
    fn text(&mut self, _: &mut String) {}
    fn attributes(&mut self, on: Msg, list: &mut Vec<KeyValue>) {
        if on == Msg::Resource {
            self.0 += 1;
            list.push(KeyValue {
                key: "stamp".into(),
                value: Some(AnyValue { value: Some(Value::StringValue("s".repeat(200))) }),
                ..Default::default()
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Scenario: any request, texts changed and attributes dropped everywhere.
    /// Guarantee: walk, edit, splice gives byte for byte what decode, change, encode gives.
    #[test]
    fn splice_equals_prost((signal, bytes) in make::request()) {
        let bytes = Bytes::from(bytes);
        let expected = change_request(signal, &bytes, &mut Oracle);
        let mut editor = Editor::default();
        walk(signal, &bytes, &mut editor).unwrap();
        let spliced = splice(&bytes, &mut editor.0).unwrap();
        prop_assert_eq!(&spliced[..], &expected[..]);
    }

    /// Scenario: any request, nothing changed. Guarantee: the very same bytes, not a copy.
    #[test]
    fn no_edits_no_copy((signal, bytes) in make::request()) {
        let bytes = Bytes::from(bytes);
        walk(signal, &bytes, &mut ()).unwrap();
        let spliced = splice(&bytes, &mut Edits::new()).unwrap();
        prop_assert_eq!(spliced.as_ptr(), bytes.as_ptr());
        prop_assert_eq!(spliced, bytes);
    }

    /// Scenario: an attribute appended at the end of every resource (which may be empty).
    /// Guarantee: it decodes to what prost makes of the same change.
    #[test]
    fn an_insertion_lands_in_its_message((signal, bytes) in make::request()) {
        let bytes = Bytes::from(bytes);
        let mut count = Count(0);
        let expected = change_request(signal, &bytes, &mut count);
        let mut stamp = Stamp(Edits::new());
        walk(signal, &bytes, &mut stamp).unwrap();
        prop_assert_eq!(stamp.0.len(), count.0);
        let spliced = splice(&bytes, &mut stamp.0).unwrap();
        // Field order within the resource differs; decoding and encoding makes it canonical.
        let canonical = change_request(signal, &spliced, &mut Keep);
        prop_assert_eq!(canonical, expected);
    }

    /// Scenario: any request, every item given to a random one of four parts.
    /// Guarantee: each part holds its items whole and in order, with their resource and scope; all
    /// items are there; the survey, the view and prost count the same.
    #[test]
    fn split_keeps_every_item((signal, bytes) in make::request(), seed in any::<u64>()) {
        let bytes = Bytes::from(bytes);
        let aliases = Aliases::new(ALIASES);
        let mut survey = Survey::default();
        let stats = wire::survey(signal, &bytes, &aliases, &mut survey).unwrap();
        let mut rng = seed;
        let mut next = || { rng = rng.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); (rng >> 33) as u32 % 4 };
        let sharing: Vec<Sharing> = survey.groups.iter().map(|group| {
            if next() == 0 { Sharing::Whole(next()) } else {
                Sharing::Items((0..group.stretch.items).map(|_| next()).collect())
            }
        }).collect();
        let mut expected: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        for (group, sharing) in view::groups(signal, &bytes).zip(&sharing) {
            for (i, item) in group.items().enumerate() {
                let part = match sharing { Sharing::Whole(part) => *part, Sharing::Items(parts) => parts[i] };
                expected.entry(part).or_default().push(identity(&group, &item));
            }
        }
        prop_assert_eq!(expected.values().map(Vec::len).sum::<usize>(), stats.items as usize);
        let parts = wire::split(signal, &bytes, &sharing).unwrap();
        for part in &parts {
            prop_assert_eq!(walk(signal, &part.bytes, &mut ()).unwrap().items, part.items);
            let found: Vec<_> = view::groups(signal, &part.bytes)
                .flat_map(|group| group.items().map(move |item| identity(&group, &item)).collect::<Vec<_>>())
                .collect();
            prop_assert_eq!(&found, &expected.remove(&part.part).unwrap_or_default());
        }
        prop_assert!(expected.is_empty());
        let joined = wire::join(parts.iter().map(|part| &part.bytes));
        prop_assert_eq!(walk(signal, &joined, &mut ()).unwrap().items, stats.items);
    }

    /// Scenario: any request with some bytes cut off, flipped or put in.
    /// Guarantee: an error, or bytes that prost reads too; never a panic; edits still splice.
    #[test]
    fn hostile_bytes_are_refused_or_right(
        (signal, mut bytes) in make::request(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
    ) {
        for (at, value) in flips {
            if !bytes.is_empty() { let at = at.index(bytes.len()); bytes[at] = value; }
        }
        if truncate && !bytes.is_empty() { bytes.truncate(cut.index(bytes.len())); }
        let bytes = Bytes::from(bytes);
        let mut editor = Editor::default();
        // The first walk checks all; the editor's own passes over what it removes.
        if walk(signal, &bytes, &mut ()).is_ok() {
            walk(signal, &bytes, &mut editor).unwrap();
            let read = match signal {
                Signal::Logs => ExportLogsServiceRequest::decode(&bytes[..]).is_ok(),
                Signal::Traces => ExportTraceServiceRequest::decode(&bytes[..]).is_ok(),
                Signal::Metrics => ExportMetricsServiceRequest::decode(&bytes[..]).is_ok(),
            };
            prop_assert!(read, "the walker passed what prost refuses");
            let spliced = splice(&bytes, &mut editor.0).unwrap();
            prop_assert!(walk(signal, &spliced, &mut ()).is_ok());
        }
    }

    /// Scenario: random bytes. Guarantee: no panic in walk, view or survey.
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for signal in Signal::ALL {
            let _ = walk(signal, &bytes, &mut Editor::default());
            for item in view::groups(signal, &bytes).flat_map(|group| group.items()) {
                let _ = (item.attributes().count(), item.time_unix_nano(), item.name().len());
            }
            let _ = wire::survey(signal, &bytes, &Aliases::new(ALIASES), &mut Survey::default());
        }
    }
}

struct Keep;

impl Change for Keep {
    fn text(&mut self, _: &mut String) {}
    fn attributes(&mut self, _: Msg, _: &mut Vec<KeyValue>) {}
}

/// What an item is, with its surroundings: resource, scope, the metric's own fields, the item.
fn identity(group: &view::Group<'_>, item: &view::Item<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for resource in group.field.message().all(1) {
        out.extend_from_slice(resource.whole());
    }
    for field in item.scope.field.message().fields().filter(|f| f.number != 2) {
        out.extend_from_slice(field.whole());
    }
    if let Some(metric) = item.metric {
        for field in metric.message().fields().filter(|f| view::data_message(f.number).is_none()) {
            out.extend_from_slice(field.whole());
        }
    }
    if let Some(data) = item.data {
        out.push(data.number as u8);
    }
    out.extend_from_slice(item.field.whole());
    out
}
