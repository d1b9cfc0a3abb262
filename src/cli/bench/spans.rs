//! Batches of spans, as a product's services send them: a request, what it reads from the cache, what it asks the
//! database.

use std::time::SystemTime;

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{InstrumentationScope, KeyValue},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, span::SpanKind},
};
use prost::Message;
use uuid::Uuid;

use super::batches::{integer, text};

/// Spans of one trace.
const TRACE: usize = 4;
const QUERY: &str = r#"SELECT "documents".* FROM "documents" WHERE "documents"."tenant_id" = $1 AND "documents"."id" = $2 LIMIT $3"#;

/// `count` encoded requests of `spans` spans each, the tenants in turn; `tenant` as attribute of the resource where
/// there is one. Every tenant has people, sessions and documents of its own.
pub fn encode(count: usize, spans: usize, tenants: &[String]) -> Vec<Bytes> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    (0..count)
        .map(|batch| {
            let place = batch % tenants.len().max(1);
            let tenant = tenants.get(place).map_or("", String::as_str);
            let mut attributes = vec![
                text("service.name", "documents"),
                text("service.version", "4.12.0"),
                text("host.name", "node-17.eu-central.internal"),
            ];
            if !tenant.is_empty() {
                attributes.push(text("tenant_id", tenant));
            }
            let traces = spans.div_ceil(TRACE);
            let all = (0..traces).flat_map(|number| {
                let serial = (batch * traces + number) as u64 + 1;
                trace(serial, now + serial * 1000, tenant, place as u64)
            });
            let scope = Some(InstrumentationScope { name: "bench".into(), ..Default::default() });
            let scope_spans =
                vec![ScopeSpans { scope, spans: all.take(spans).collect(), ..Default::default() }];
            let resource = Some(Resource { attributes, ..Default::default() });
            let group = ResourceSpans { resource, scope_spans, ..Default::default() };
            ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec().into()
        })
        .collect()
}

fn trace(serial: u64, time: u64, tenant: &str, place: u64) -> [Span; TRACE] {
    let trace = u128::from(serial).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let id =
        |kind: u64, number: u64| Uuid::from_u128(u128::from(kind << 56 | place << 32 | number)).to_string();
    let (document, person) = (id(1, serial % 5000), id(2, serial % 200));
    let span = |number: u64, kind: SpanKind, name: &str, attributes: Vec<KeyValue>| Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: (serial << 3 | number).to_be_bytes().to_vec(),
        parent_span_id: if number == 1 { Vec::new() } else { (serial << 3 | 1).to_be_bytes().to_vec() },
        kind: kind.into(),
        name: name.to_owned(),
        start_time_unix_nano: time + number * 50_000,
        end_time_unix_nano: time + number * 50_000 + 400_000,
        attributes,
        ..Default::default()
    };
    [
        span(
            1,
            SpanKind::Server,
            "GET /v1/documents/:id",
            vec![
                text("http.request.method", "GET"),
                text("http.route", "/v1/documents/:id"),
                text("url.path", &format!("/v1/documents/{document}")),
                integer("http.response.status_code", 200),
                text("enduser.id", &person),
                text("session.id", &id(3, serial % 300)),
                text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) app/5.1"),
                text("server.address", "api.product.internal"),
            ],
        ),
        span(
            2,
            SpanKind::Client,
            "GET",
            vec![
                text("db.system.name", "redis"),
                text("db.operation.name", "GET"),
                text("cache.key", &format!("t:{tenant}:documents/{document}")),
                text("server.address", "cache-2.internal"),
            ],
        ),
        span(
            3,
            SpanKind::Client,
            "SELECT documents",
            vec![
                text("db.system.name", "postgresql"),
                text("db.query.text", QUERY),
                text("db.client.connection.id", &format!("web:{}", serial % 16)),
                text("db.query.parameter.0", tenant),
                text("db.query.parameter.1", &document),
                text("db.query.parameter.2", "1"),
            ],
        ),
        span(
            4,
            SpanKind::Client,
            "SELECT notes",
            vec![
                text("db.system.name", "postgresql"),
                text("db.namespace", "product"),
                text(
                    "db.query.text",
                    &format!(
                        "SELECT * FROM notes WHERE tenant_id = '{tenant}' AND document_id = '{document}'"
                    ),
                ),
                text("db.client.connection.id", &format!("web:{}", serial % 16)),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: batches for two tenants. Guarantee: they decode, have the number of spans that is asked for, no span
    /// comes twice, and no document is two tenants'.
    #[test]
    fn batches_are_as_promised() {
        let tenants = ["one".to_owned(), "two".to_owned()];
        let (mut ids, mut documents) = (std::collections::HashSet::new(), [const { Vec::new() }; 2]);
        for (number, batch) in encode(4, 10, &tenants).iter().enumerate() {
            let request = ExportTraceServiceRequest::decode(&batch[..]).unwrap();
            let group = &request.resource_spans[0];
            let named = group.resource.as_ref().unwrap().attributes.last().unwrap();
            assert_eq!(*named, text("tenant_id", &tenants[number % 2]));
            assert_eq!(group.scope_spans[0].spans.len(), 10);
            for span in &group.scope_spans[0].spans {
                assert!(ids.insert(span.span_id.clone()));
                documents[number % 2].extend(span.attributes.iter().find(|a| a.key == "url.path").cloned());
            }
        }
        assert!(
            !documents[0].is_empty() && documents[0].iter().all(|document| !documents[1].contains(document))
        );
    }
}
