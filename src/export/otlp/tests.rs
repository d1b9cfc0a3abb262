use std::{collections::BTreeMap, sync::Arc};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use proptest::prelude::*;
use prost::Message;

use super::{
    answer::tests::status_with_retry,
    deliver::{Delivered, Delivery},
    receiver::{Answer, Certificates, Receiver},
    *,
};
use crate::{
    batch::{Batch, Clean},
    config::Secret,
    export::settings::{Retry, Tls},
    identify::factory::tenant_id,
};

/// A log record with a body of this text.
pub(crate) fn record(text: &str) -> LogRecord {
    let value = Some(any_value::Value::StringValue(text.to_string()));
    LogRecord { body: Some(AnyValue { value }), ..LogRecord::default() }
}

/// A batch of groups of records.
pub(crate) fn batch(tenant: &str, groups: &[Vec<String>]) -> Batch<Clean> {
    let resource_logs = groups
        .iter()
        .map(|texts| ResourceLogs {
            resource: Some(Resource {
                attributes: vec![KeyValue { key: "service.name".into(), ..KeyValue::default() }],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: texts.iter().map(|text| record(text)).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        })
        .collect();
    let items = groups.iter().map(Vec::len).sum::<usize>() as u32;
    let bytes = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
    Batch::clean(Signal::Logs, tenant_id(tenant), items, bytes.into())
}

/// The texts of all records, in order.
pub(crate) fn texts(request: &[u8]) -> Vec<String> {
    let request = ExportLogsServiceRequest::decode(request).unwrap();
    let records = request.resource_logs.into_iter().flat_map(|group| group.scope_logs);
    records
        .flat_map(|scope| scope.log_records)
        .map(|record| match record.body.and_then(|body| body.value) {
            Some(any_value::Value::StringValue(text)) => text,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn one(tenant: &str, text: &str) -> Batch<Clean> {
    batch(tenant, &[vec![text.to_string()]])
}

/// A destination on a receiver, with pauses fit for a test.
pub(crate) fn destination(receiver: &Receiver, protocol: Protocol) -> Destination {
    Destination {
        name: "test".into(),
        endpoint: format!("http://{}", receiver.address),
        protocol,
        retry: Retry {
            initial: Duration::from_millis(5),
            max: Duration::from_millis(20),
            ..Retry::default()
        },
        linger: Duration::from_millis(5),
        ..Destination::default()
    }
}

const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

fn delivery(destination: &Destination) -> Delivery {
    Delivery {
        exporter: Arc::new(Exporter::new(destination).unwrap()),
        destination: "test".into(),
        retry: destination.retry.clone(),
        max_request_bytes: destination.max_request_bytes,
    }
}

async fn deliver(destination: &Destination, batches: &[Batch<Clean>]) -> Vec<Delivered> {
    delivery(destination).deliver(Signal::Logs, Some("acme"), batches).await
}

fn reasons(delivered: &Delivered) -> Vec<(u64, &'static str)> {
    delivered.refused.iter().map(|refused| (refused.items, refused.reason)).collect()
}

/// Scenario: each protocol, compression and signal. Guarantee: the very bytes come to the right path, with
/// the exporter's name; joined batches come as one request.
#[tokio::test]
async fn the_bytes_arrive() {
    for protocol in BOTH {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let receiver = Receiver::start([Answer::Ok]).await;
            let destination = Destination { compression, ..destination(&receiver, protocol) };
            let batches = [one("acme", "a"), one("bravo", "b")];
            let outcomes = deliver(&destination, &batches).await;
            assert_eq!(outcomes.iter().map(|outcome| outcome.sent).collect::<Vec<_>>(), [1, 1]);
            let came = receiver.came();
            assert_eq!(came.len(), 1, "{protocol:?} {compression:?}");
            assert_eq!(came[0].body, [&batches[0].bytes[..], &batches[1].bytes].concat());
            assert!(came[0].headers["user-agent"].to_str().unwrap().starts_with("portcullis/"));

            let exporter = Exporter::new(&destination).unwrap();
            for signal in Signal::ALL {
                let encoded = exporter.encode(&batches[0].bytes).await.unwrap();
                exporter.send(signal, None, &encoded).await.unwrap();
            }
            let paths: Vec<String> = receiver.came().into_iter().skip(1).map(|came| came.path).collect();
            let expected = match protocol {
                Protocol::HttpProtobuf => ["/v1/logs", "/v1/traces", "/v1/metrics"],
                Protocol::Grpc => [
                    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                ],
            };
            assert_eq!(paths, expected);
        }
    }
}

/// Scenario: a base URL with a path, a URL of one signal. Guarantee: appended to, and used as it is.
#[tokio::test]
async fn urls_are_made_by_the_specification() {
    let receiver = Receiver::start([Answer::Ok]).await;
    let base = destination(&receiver, Protocol::HttpProtobuf);
    let destination = Destination {
        endpoint: format!("{}/otlp/", base.endpoint),
        endpoints: BTreeMap::from([(Signal::Traces, format!("{}/spans?x=1", base.endpoint))]),
        ..base
    };
    let exporter = Exporter::new(&destination).unwrap();
    for signal in [Signal::Logs, Signal::Traces] {
        let encoded = exporter.encode(&Bytes::new()).await.unwrap();
        exporter.send(signal, None, &encoded).await.unwrap();
    }
    let paths: Vec<String> = receiver.came().into_iter().map(|came| came.path).collect();
    assert_eq!(paths, ["/otlp/v1/logs", "/spans"]);
}

/// Scenario: headers with the tenant in them. Guarantee: each request bears its tenant's id and slug.
#[tokio::test]
async fn headers_bear_the_tenant() {
    for protocol in BOTH {
        let receiver = Receiver::start([Answer::Ok]).await;
        let headers =
            [("X-Scope-OrgID", "{tenant_id}"), ("x-slug", "{tenant_slug}"), ("authorization", "Bearer x")];
        let headers = headers.map(|(name, value)| (name.to_string(), Secret::new(value))).into();
        let destination = Destination { headers, ..destination(&receiver, protocol) };
        deliver(&destination, &[one("acme", "a")]).await;
        let came = &receiver.came()[0].headers;
        assert_eq!(came["x-scope-orgid"], tenant_id("acme").to_string());
        assert_eq!(
            (&came["x-slug"], &came["authorization"]),
            (&"acme".parse().unwrap(), &"Bearer x".parse().unwrap())
        );
    }
}

/// Scenario: every failure that may pass, then success. Guarantee: sent again until it is taken.
#[tokio::test]
async fn what_may_pass_is_sent_again() {
    let grpc = [1, 4, 10, 11, 14, 15].map(|code| Answer::Grpc(code, None)).to_vec();
    let http = [429, 502, 503, 504].map(|status| Answer::Http(status, &[])).to_vec();
    for (protocol, failures) in
        [(Protocol::Grpc, [grpc, http.clone()].concat()), (Protocol::HttpProtobuf, http)]
    {
        let count = failures.len();
        let receiver = Receiver::start(failures.into_iter().chain([Answer::Ok])).await;
        let outcomes = deliver(&destination(&receiver, protocol), &[one("acme", "a")]).await;
        assert_eq!((outcomes[0].sent, outcomes[0].refused.len()), (1, 0));
        assert_eq!(receiver.came().len(), count + 1, "{protocol:?}");
    }
}

/// Scenario: the receiver says when to come back: RetryInfo (also when exhausted), Retry-After. Guarantee: not
/// earlier.
#[tokio::test]
async fn the_receivers_time_is_kept() {
    let info = status_with_retry(0, 300_000_000);
    for (protocol, answer, least) in [
        (Protocol::Grpc, Answer::Grpc(14, Some(info.clone())), 300),
        (Protocol::Grpc, Answer::Grpc(8, Some(info)), 300),
        (Protocol::HttpProtobuf, Answer::Http(503, &[("retry-after", "1")]), 1000),
    ] {
        let receiver = Receiver::start([answer, Answer::Ok]).await;
        let outcomes = deliver(&destination(&receiver, protocol), &[one("acme", "a")]).await;
        let came = receiver.came();
        let pause = came[1].at.duration_since(came[0].at);
        assert!(outcomes[0].sent == 1 && pause >= Duration::from_millis(least), "{pause:?}");
    }
}

/// Scenario: a receiver that is silent, and one that is not there yet. Guarantee: the attempt ends with its
/// time; what is sent again arrives when the receiver is there.
#[tokio::test]
async fn silence_and_absence_are_outlived() {
    for protocol in BOTH {
        let receiver = Receiver::start([Answer::Silence, Answer::Ok]).await;
        let slow = Destination { timeout: Duration::from_millis(100), ..destination(&receiver, protocol) };
        assert_eq!(deliver(&slow, &[one("acme", "a")]).await[0].sent, 1);
        assert_eq!(receiver.came().len(), 2);

        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let absent = Destination { endpoint: format!("http://{address}"), ..slow };
        let sending = tokio::spawn(async move { deliver(&absent, &[one("acme", "a")]).await[0].sent });
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert!(!sending.is_finished());
        let _late = Receiver::start_on(address, [Answer::Ok], None).await;
        assert_eq!(sending.await.unwrap(), 1);
    }
}

/// Scenario: a limit of time for retries. Guarantee: given up, with the data.
#[tokio::test]
async fn retries_end_where_they_are_told_to() {
    let receiver = Receiver::start([Answer::Grpc(14, None)]).await;
    let mut destination = destination(&receiver, Protocol::Grpc);
    destination.retry.max_elapsed = Duration::from_millis(60);
    let outcomes = deliver(&destination, &[one("acme", "a"), one("bravo", "b")]).await;
    for (outcome, text) in outcomes.iter().zip(["a", "b"]) {
        assert_eq!(reasons(outcome), [(1, "retries_exhausted")]);
        assert_eq!(texts(&outcome.refused[0].batch.as_ref().unwrap().bytes), [text]);
    }
}

/// Scenario: the receiver takes a request in part. Guarantee: not sent again; counted, over joined batches too.
#[tokio::test]
async fn a_partial_success_is_an_end() {
    for protocol in BOTH {
        let receiver = Receiver::start([Answer::Partial(3)]).await;
        let two = |tenant| batch(tenant, &[vec!["a".into(), "b".into()]]);
        let outcomes = deliver(&destination(&receiver, protocol), &[two("acme"), two("bravo")]).await;
        assert_eq!(receiver.came().len(), 1);
        assert_eq!(outcomes.iter().map(|outcome| outcome.sent).sum::<u64>(), 1);
        assert_eq!(outcomes.iter().flat_map(reasons).map(|(items, _)| items).sum::<u64>(), 3);
    }
}

/// Scenario: eight joined batches, one of which the receiver calls bad. Guarantee: that one alone is refused,
/// with its data, and the seven others are taken once each.
#[tokio::test]
async fn a_bad_batch_takes_no_other_with_it() {
    for protocol in BOTH {
        let receiver = Receiver::start([Answer::Without(b"poison")]).await;
        let texts_sent = ["a", "b", "c", "d", "e", "poison", "g", "h"];
        let batches: Vec<_> = texts_sent.iter().map(|text| one("acme", text)).collect();
        let outcomes = deliver(&destination(&receiver, protocol), &batches).await;
        for (outcome, text) in outcomes.iter().zip(texts_sent) {
            let bad = text == "poison";
            assert_eq!(outcome.sent, u64::from(!bad), "{text}");
            assert_eq!(reasons(outcome), if bad { vec![(1, "invalid")] } else { vec![] });
        }
        let taken: Vec<String> = receiver.came().iter().flat_map(|came| texts(&came.body)).collect();
        assert!(texts_sent.iter().all(|text| taken.contains(&text.to_string())));
        assert!(receiver.came().len() <= 8, "halved, not sent one by one");
    }
}

/// Scenario: credentials that are refused. Guarantee: permanent, at once, for all that were sent together.
#[tokio::test]
async fn refused_credentials_are_permanent() {
    for (protocol, answer) in
        [(Protocol::Grpc, Answer::Grpc(16, None)), (Protocol::HttpProtobuf, Answer::Http(401, &[]))]
    {
        let receiver = Receiver::start([answer]).await;
        let outcomes =
            deliver(&destination(&receiver, protocol), &[one("acme", "a"), one("acme", "b")]).await;
        assert_eq!(receiver.came().len(), 1);
        assert!(outcomes.iter().all(|outcome| reasons(outcome) == [(1, "unauthenticated")]));
    }
}

/// Scenario: a request above the limit of the settings, then above a lower one that the receiver has.
/// Guarantee: every request is within the limit, every item arrives once and in order.
#[tokio::test]
async fn large_requests_are_split_and_halved() {
    let groups: Vec<Vec<String>> = (0..4)
        .map(|group| (0..100).map(|item| format!("{group}-{item}-{}", "x".repeat(1000))).collect())
        .collect();
    let all: Vec<String> = groups.concat();
    for protocol in BOTH {
        for (max, answer, limit) in
            [(150_000, Answer::Ok, 150_000), (1_000_000, Answer::UpTo(100_000), 100_000)]
        {
            let receiver = Receiver::start([answer]).await;
            let destination = Destination { max_request_bytes: max, ..destination(&receiver, protocol) };
            let outcomes = deliver(&destination, &[batch("acme", &groups)]).await;
            assert_eq!((outcomes[0].sent, outcomes[0].refused.len()), (400, 0));
            let came: Vec<_> = receiver.came().into_iter().filter(|came| came.body.len() <= limit).collect();
            assert_eq!(came.iter().flat_map(|came| texts(&came.body)).collect::<Vec<_>>(), all);
        }
        // One that is too large alone goes to the quarantine, without the others.
        let receiver = Receiver::start([Answer::UpTo(100_000)]).await;
        let large = vec![vec!["a".into(), "y".repeat(200_000), "b".into()]];
        let outcomes = deliver(&destination(&receiver, protocol), &[batch("acme", &large)]).await;
        assert_eq!((outcomes[0].sent, reasons(&outcomes[0])), (2, vec![(1, "too_large")]));
        assert_eq!(texts(&outcomes[0].refused[0].batch.as_ref().unwrap().bytes), [large[0][1].clone()]);
    }
}

/// Scenario: a receiver with a certificate of a private authority that asks for the client's. Guarantee: with
/// both files it arrives; without the authority, or without the client's certificate, nothing does.
#[tokio::test]
async fn certificates_are_verified_both_ways() {
    for protocol in BOTH {
        let certificates = Certificates::new();
        let file = |name: &str| Some(certificates.directory.path().join(name));
        let receiver =
            Receiver::start_on("127.0.0.1:0".parse().unwrap(), [Answer::Ok], Some(certificates.server()))
                .await;
        let with = |tls| Destination {
            endpoint: format!("https://localhost:{}", receiver.address.port()),
            tls,
            retry: Retry { max_elapsed: Duration::from_millis(50), ..destination(&receiver, protocol).retry },
            ..destination(&receiver, protocol)
        };
        let full = Tls { ca_file: file("ca.pem"), cert_file: file("cert.pem"), key_file: file("key.pem") };
        assert_eq!(deliver(&with(full.clone()), &[one("acme", "a")]).await[0].sent, 1, "{protocol:?}");
        for tls in
            [Tls { ca_file: None, ..full.clone() }, Tls { cert_file: None, key_file: None, ..full.clone() }]
        {
            let outcomes = deliver(&with(tls), &[one("acme", "a")]).await;
            assert_eq!(reasons(&outcomes[0]), [(1, "retries_exhausted")], "{protocol:?}");
        }
        assert_eq!(receiver.came().len(), 1);
        assert!(Exporter::new(&with(Tls { ca_file: file("none.pem"), ..full.clone() })).is_err());
        assert!(Exporter::new(&with(Tls { key_file: None, ..full })).is_err());
    }
}

/// Scenario: settings that can't be meant. Guarantee: refused, naming destination and setting, never a value.
#[tokio::test]
async fn wrong_settings_are_refused() {
    let good = || Destination { name: "d".into(), ..Destination::default() };
    for (wrong, word) in [
        (Destination { name: "a b".into(), ..good() }, "name"),
        (Destination { endpoint: "localhost:4317".into(), ..good() }, "http://"),
        (Destination { max_request_bytes: 1, ..good() }, "max_request_bytes"),
        (Destination { in_flight: 0, ..good() }, "in_flight"),
        (Destination { timeout: Duration::ZERO, ..good() }, "timeout"),
        (
            Destination { headers: BTreeMap::from([("a".into(), Secret::new("{secret}"))]), ..good() },
            "tenant_id",
        ),
    ] {
        let error = Exporter::new(&wrong).unwrap_err();
        assert!(error.contains(word) && !error.contains("secret"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Scenario: any groups of any items, and any limit. Guarantee: every item once and in order; no piece
    /// above the limit that holds more than one item, but where what stands around the items is most of it.
    #[test]
    fn pieces_are_the_whole(
        groups in prop::collection::vec(prop::collection::vec("[a-z]{0,120}", 0..12), 0..6),
        max in 150usize..600,
    ) {
        let batch = batch("acme", &groups);
        let pieces = fit(Signal::Logs, &batch.bytes, batch.items, max);
        prop_assert_eq!(pieces.iter().map(|piece| piece.items).sum::<u32>(), batch.items);
        let all: Vec<String> = pieces.iter().flat_map(|piece| texts(&piece.bytes)).collect();
        prop_assert_eq!(all, groups.concat());
        for piece in &pieces {
            prop_assert!(piece.bytes.len() <= max || piece.items <= 1, "{} {}", piece.bytes.len(), piece.items);
        }
    }
}
