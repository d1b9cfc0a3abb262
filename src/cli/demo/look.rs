//! Looking for planted values in what arrived: in the bytes, and in every text of the decoded request,
//! as it stands and with percent signs and base64 undone.

use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    metrics::v1::{Exemplar, metric::Data},
    resource::v1::Resource,
};

use super::planted::Planted;

/// Finds planted values.
pub struct Search {
    automaton: AhoCorasick,
    kinds: Vec<&'static str>,
}

impl Search {
    /// Looks for every planted value, in whatever case.
    ///
    /// # Errors
    /// The values are too many for one automaton.
    pub fn new(planted: &Planted) -> Result<Self, String> {
        let (kinds, values): (Vec<_>, Vec<_>) = planted.all().unzip();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(values)
            .map_err(|error| format!("the search for planted values: {error}"))?;
        Ok(Search { automaton, kinds })
    }

    /// The kind of a planted value.
    pub fn kind(&self, value: usize) -> &'static str {
        self.kinds.get(value).copied().unwrap_or("value")
    }

    /// Hands the number of every planted value in `bytes` to `found`.
    pub fn bytes(&self, bytes: &[u8], found: &mut dyn FnMut(usize)) {
        self.automaton.find_overlapping_iter(bytes).for_each(|hit| found(hit.pattern().as_usize()));
    }

    /// The same in a text, and in what it hides.
    pub fn text(&self, text: &str, found: &mut dyn FnMut(usize)) {
        self.bytes(text.as_bytes(), found);
        if text.contains('%') {
            let decoded: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
            self.bytes(&decoded, found);
        }
        if text.contains('+') {
            self.bytes(text.replace('+', " ").as_bytes(), found);
        }
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')));
        for word in words.filter(|word| word.len() >= 12) {
            if let Ok(decoded) = STANDARD.decode(word) {
                self.bytes(&decoded, found);
            }
        }
    }
}

/// Hands every text of a logs request to `see`.
pub fn logs(request: &ExportLogsServiceRequest, see: &mut dyn FnMut(&str)) {
    for group in &request.resource_logs {
        resource(group.resource.as_ref(), &group.schema_url, see);
        for part in &group.scope_logs {
            scope(part.scope.as_ref(), &part.schema_url, see);
            for record in &part.log_records {
                record.body.iter().for_each(|body| value(body, see));
                see(&record.severity_text);
                see(&record.event_name);
                attributes(&record.attributes, see);
            }
        }
    }
}

/// Hands every text of a traces request to `see`.
pub fn traces(request: &ExportTraceServiceRequest, see: &mut dyn FnMut(&str)) {
    for group in &request.resource_spans {
        resource(group.resource.as_ref(), &group.schema_url, see);
        for part in &group.scope_spans {
            scope(part.scope.as_ref(), &part.schema_url, see);
            for span in &part.spans {
                see(&span.name);
                see(&span.trace_state);
                span.status.iter().for_each(|status| see(&status.message));
                attributes(&span.attributes, see);
                for event in &span.events {
                    see(&event.name);
                    attributes(&event.attributes, see);
                }
                for link in &span.links {
                    see(&link.trace_state);
                    attributes(&link.attributes, see);
                }
            }
        }
    }
}

/// Hands every text of a metrics request to `see`; the answer is the number of data points.
pub fn metrics(request: &ExportMetricsServiceRequest, see: &mut dyn FnMut(&str)) -> u64 {
    let mut points = 0;
    for group in &request.resource_metrics {
        resource(group.resource.as_ref(), &group.schema_url, see);
        for part in &group.scope_metrics {
            scope(part.scope.as_ref(), &part.schema_url, see);
            for metric in &part.metrics {
                [&metric.name, &metric.description, &metric.unit].into_iter().for_each(|text| see(text));
                attributes(&metric.metadata, see);
                points += data(metric.data.as_ref(), see);
            }
        }
    }
    points
}

fn data(data: Option<&Data>, see: &mut dyn FnMut(&str)) -> u64 {
    let mut points = 0;
    let mut point = |own: &[KeyValue], exemplars: &[Exemplar]| {
        points += 1;
        attributes(own, see);
        exemplars.iter().for_each(|exemplar| attributes(&exemplar.filtered_attributes, see));
    };
    match data {
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().for_each(|p| point(&p.attributes, &p.exemplars)),
        Some(Data::Sum(sum)) => sum.data_points.iter().for_each(|p| point(&p.attributes, &p.exemplars)),
        Some(Data::Histogram(histogram)) => {
            histogram.data_points.iter().for_each(|p| point(&p.attributes, &p.exemplars));
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            histogram.data_points.iter().for_each(|p| point(&p.attributes, &p.exemplars));
        }
        Some(Data::Summary(summary)) => summary.data_points.iter().for_each(|p| point(&p.attributes, &[])),
        None => {}
    }
    points
}

fn resource(resource: Option<&Resource>, schema: &str, see: &mut dyn FnMut(&str)) {
    see(schema);
    resource.iter().for_each(|resource| attributes(&resource.attributes, see));
}

fn scope(scope: Option<&InstrumentationScope>, schema: &str, see: &mut dyn FnMut(&str)) {
    see(schema);
    if let Some(scope) = scope {
        see(&scope.name);
        see(&scope.version);
        attributes(&scope.attributes, see);
    }
}

fn attributes(attributes: &[KeyValue], see: &mut dyn FnMut(&str)) {
    for attribute in attributes {
        see(&attribute.key);
        attribute.value.iter().for_each(|held| value(held, see));
    }
}

fn value(held: &AnyValue, see: &mut dyn FnMut(&str)) {
    match &held.value {
        Some(Value::StringValue(text)) => see(text),
        Some(Value::BytesValue(bytes)) => see(&String::from_utf8_lossy(bytes)),
        Some(Value::ArrayValue(list)) => list.values.iter().for_each(|held| value(held, see)),
        Some(Value::KvlistValue(map)) => attributes(&map.values, see),
        _ => {}
    }
}

/// A value as it is shown to people.
pub fn shown(held: Option<&AnyValue>) -> String {
    match held.and_then(|held| held.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::KvlistValue(map)) => {
            let members = map.values.iter().map(|m| format!("{}: {}", m.key, shown(m.value.as_ref())));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Some(Value::ArrayValue(list)) => {
            format!("[{}]", list.values.iter().map(|held| shown(Some(held))).collect::<Vec<_>>().join(", "))
        }
        Some(Value::BytesValue(bytes)) => format!("{} bytes", bytes.len()),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a planted value as it is, percent-encoded, and in base64; and a text without one.
    /// Guarantee: found in the first three.
    #[test]
    fn values_are_found_in_disguise() {
        let planted = Planted::new();
        let search = Search::new(&planted).unwrap();
        let email = &planted.emails[5];
        let base64 = STANDARD.encode(email);
        for (text, expected) in [
            (format!("to {}", email.to_uppercase()), true),
            (format!("?email={}", email.replace('@', "%40")), true),
            (format!("{{\"b\":\"{base64}\"}}"), true),
            ("to [EMAIL]".into(), false),
        ] {
            let mut hits = Vec::new();
            search.text(&text, &mut |hit| hits.push(search.kind(hit)));
            assert_eq!(hits.contains(&"e-mail address"), expected, "{text}");
        }
    }
}
