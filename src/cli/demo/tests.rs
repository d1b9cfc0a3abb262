use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

use super::*;
use crate::{
    batch::{Batch, Signal},
    identify::factory,
    scrub::{MasterKey, Scratch as Scratchpad, Scrubber, Tally},
};

type Requests = Arc<Mutex<Vec<(String, Bytes)>>>;

/// An OTLP/gRPC end that keeps what comes.
async fn keeper() -> (std::net::SocketAddr, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), Requests::default());
    let state = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            let service = service_fn(move |request: Request<Incoming>| {
                let state = Arc::clone(&state);
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
                    state.lock().unwrap_or_else(PoisonError::into_inner).push((path, body.slice(5..)));
                    let mut response = Response::new(Full::new(Bytes::from_static(&[0; 5])));
                    let value = http::HeaderValue::from_static("application/grpc");
                    response.headers_mut().insert("content-type", value);
                    response.headers_mut().insert("grpc-status", http::HeaderValue::from_static("0"));
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(async move {
                let connection = auto::Builder::new(TokioExecutor::new());
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, kept)
}

/// Scenario: everybody of the demo sends everything, straight to a receiver. Guarantee: every planted
/// value is among it, and none is left after the scrubber.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_planted_is_sent_and_scrubbed() {
    let scratch = Scratch::new().unwrap();
    let planted = Arc::new(Planted::new());
    let search = look::Search::new(&planted).unwrap();
    let issuer = Issuer::new(&scratch.0).unwrap();
    let (address, kept) = keeper().await;
    let company = Arc::new(Company::new(&issuer, address).unwrap());
    company.samples(&planted);
    company.work(&planted, 0, 3000);
    for (class, _) in &LEAKS {
        inject(&company, class, &planted).await;
    }
    let stopping = Arc::clone(&company);
    tokio::task::spawn_blocking(move || stopping.stop()).await.unwrap();

    let requests = std::mem::take(&mut *kept.lock().unwrap());
    let scrubber = Scrubber::new(&crate::scrub::Settings::default()).unwrap();
    let master = MasterKey::new(&[7; 32], 1).unwrap();
    let (mut sent, mut left) = (BTreeSet::new(), BTreeSet::new());
    let (mut pad, mut tally) = (Scratchpad::default(), Tally::default());
    for (path, body) in requests {
        let signal = match path.as_str() {
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Signal::Traces,
            _ => Signal::Metrics,
        };
        search.text(&String::from_utf8_lossy(&body), &mut |hit| sent.extend([hit]));
        let batch = Batch::raw(signal, factory::tenant_id("alder"), 1, body);
        let clean = scrubber.scrub_batch(&mut pad, batch, &master, &mut tally).unwrap();
        let text = String::from_utf8_lossy(&clean.bytes).into_owned();
        search.text(&text, &mut |hit| left.extend([(search.kind(hit), signal)]));
    }
    let missing: Vec<_> =
        planted.all().enumerate().filter(|(number, _)| !sent.contains(number)).map(|(_, v)| v).collect();
    assert!(missing.is_empty(), "never sent: {missing:?}");
    assert!(left.is_empty(), "left: {left:?}");
}

/// Scenario: one leaking request arrives, with a finding's record, a sample, and a value in a percent-encoded
/// text. Guarantee: items, findings and samples are counted as such, and the value is found and never shown.
#[tokio::test]
async fn the_receiving_end_counts_and_searches() {
    use opentelemetry_proto::tonic::{
        collector::logs::v1::ExportLogsServiceRequest,
        common::v1::{AnyValue, KeyValue, any_value::Value},
        logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
        resource::v1::Resource,
    };
    use prost::Message;

    use crate::export::{
        otlp::Exporter,
        settings::{Destination, Protocol},
    };

    let planted = Planted::new();
    let email = &planted.emails[3];
    let pair = |key: &str, value| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    };
    let text = |text: String| Value::StringValue(text);
    let records = vec![
        LogRecord {
            attributes: vec![
                pair("url.query", text(format!("e={}", email.replace('@', "%40")))),
                pair(sample::MARK, Value::IntValue(2)),
            ],
            ..Default::default()
        },
        LogRecord { event_name: crate::detect::record::EVENT_NAME.into(), ..Default::default() },
    ];
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![pair("tenant_id", text("t".into()))],
                ..Default::default()
            }),
            scope_logs: vec![ScopeLogs { log_records: records, ..Default::default() }],
            ..Default::default()
        }],
    };
    let receiver = Receiver::start(look::Search::new(&planted).unwrap()).await.unwrap();
    let exporter = Exporter::new(&Destination {
        name: "r".into(),
        protocol: Protocol::HttpProtobuf,
        endpoint: format!("http://{}", receiver.address),
        ..Destination::default()
    })
    .unwrap();
    let encoded = exporter.encode(&request.encode_to_vec().into()).await.unwrap();
    exporter.send(Signal::Logs, None, &encoded).await.unwrap();

    let arrived = receiver.arrived();
    assert_eq!((arrived.total(), arrived.findings, arrived.requests, arrived.unreadable), (1, 1, 1, 0));
    assert_eq!(arrived.items.keys().collect::<Vec<_>>(), [&(Signal::Logs, "t".to_owned())]);
    assert!(arrived.samples.contains_key(&2));
    assert_eq!(arrived.planted.len(), 1);
    assert_eq!(arrived.planted_where.iter().collect::<Vec<_>>(), ["e-mail address in logs"]);
    let mut counts = Counts { received: 3, delivered: 1, dropped: 1, ..Counts::default() };
    assert!(!counts.add_up());
    counts.rejected.insert("missing_tenant".into(), 1);
    assert!(counts.add_up());
}
