use std::{
    collections::{BTreeSet, VecDeque},
    sync::Mutex,
};

use super::*;
use crate::{
    config::Secret,
    export::{
        otlp::{
            receiver::{Answer, Receiver},
            tests::{batch, destination, texts},
        },
        settings::Protocol,
    },
    identify::factory::tenant_id,
};

/// A journal in memory.
struct Queue {
    records: VecDeque<Record>,
    done: Arc<Mutex<BTreeSet<u64>>>,
    /// Whether more may come when it is empty.
    open: bool,
}

impl Queue {
    fn of(list: &[(&str, &str)]) -> (Self, Arc<Mutex<BTreeSet<u64>>>) {
        let record = |(at, (tenant, text)): (usize, &(&str, &str))| Record {
            sequence: at as u64 + 1,
            batch: batch(tenant, &[vec![text.to_string()]]),
        };
        let done = Arc::default();
        (
            Queue {
                records: list.iter().enumerate().map(record).collect(),
                done: Arc::clone(&done),
                open: false,
            },
            done,
        )
    }
}

impl Records for Queue {
    async fn next(
        &mut self,
        wanted: &(dyn Fn(u64, Signal, TenantId) -> bool + Send + Sync),
    ) -> Option<Record> {
        while let Some(record) = self.records.pop_front() {
            if wanted(record.sequence, record.batch.signal, record.batch.tenant) {
                return Some(record);
            }
            self.done(record.sequence);
        }
        if self.open { std::future::pending().await } else { None }
    }

    fn done(&mut self, sequence: u64) {
        assert!(self.done.lock().unwrap().insert(sequence), "{sequence} is done twice");
    }
}

/// All tenants but `elsewhere` go here; what is refused is kept.
#[derive(Default)]
struct Gate {
    refused: Mutex<Vec<Refused>>,
    /// Told when the quarantine has room for one more.
    room: tokio::sync::Notify,
}

impl Surroundings for Gate {
    fn wanted(&self, _: u64, _: Signal, tenant: TenantId) -> bool {
        tenant != tenant_id("elsewhere")
    }

    fn is_gone(&self, sequence: u64, tenant: TenantId) -> bool {
        tenant == tenant_id("gone") && sequence <= 5
    }

    fn slug(&self, tenant: TenantId) -> Option<String> {
        (tenant == tenant_id("acme")).then(|| "acme".to_string())
    }

    fn label(&self, tenant: TenantId) -> metrics::SharedString {
        tenant.to_string().into()
    }

    async fn refused(&self, _: &Record, refused: &[Refused]) {
        for refused in refused {
            self.room.notified().await;
            self.refused.lock().unwrap().push(refused.clone());
        }
    }
}

type Stop = (watch::Sender<Option<Instant>>, watch::Receiver<Option<Instant>>);

fn never() -> Stop {
    watch::channel(None)
}

/// Scenario: records of several tenants, one of which is routed elsewhere. Guarantee: joined into few requests,
/// in order, every record done once, and nothing of the other tenant sent; nor of one that was destroyed meanwhile, up to
/// that place.
#[tokio::test]
async fn small_records_are_joined_and_done() {
    let receiver = Receiver::start([Answer::Ok]).await;
    let list =
        [("acme", "a"), ("bravo", "b"), ("elsewhere", "x"), ("acme", "c"), ("gone", "g"), ("gone", "h")];
    let (mut queue, done) = Queue::of(&list);
    let pump = Pump::new(&destination(&receiver, Protocol::Grpc), Arc::new(Gate::default())).unwrap();
    let (_hold, stop) = never();
    assert_eq!(pump.run(&mut queue, stop).await, Ended { left: 0 });
    let came = receiver.came();
    assert_eq!(came.len(), 1);
    assert_eq!(texts(&came[0].body), ["a", "b", "c", "h"]);
    assert_eq!(*done.lock().unwrap(), BTreeSet::from([1, 2, 3, 4, 5, 6]));
}

/// Scenario: a header names the tenant. Guarantee: no request holds two tenants' data, and each bears its own.
#[tokio::test]
async fn where_headers_name_the_tenant_requests_hold_one() {
    let receiver = Receiver::start([Answer::Ok]).await;
    let list = [("acme", "a1"), ("bravo", "b1"), ("acme", "a2"), ("bravo", "b2")];
    let (mut queue, done) = Queue::of(&list);
    let mut destination = destination(&receiver, Protocol::HttpProtobuf);
    destination.headers.insert("x-scope-orgid".into(), Secret::new("{tenant_slug}"));
    let pump = Pump::new(&destination, Arc::new(Gate::default())).unwrap();
    let (_hold, stop) = never();
    pump.run(&mut queue, stop).await;
    let mut came: Vec<_> = receiver
        .came()
        .iter()
        .map(|came| (came.headers["x-scope-orgid"].to_str().unwrap().to_string(), texts(&came.body)))
        .collect();
    came.sort();
    let own = |texts: [&str; 2]| texts.map(String::from).to_vec();
    let mut expected =
        vec![("acme".to_string(), own(["a1", "a2"])), (tenant_id("bravo").to_string(), own(["b1", "b2"]))];
    expected.sort();
    assert_eq!(came, expected);
    assert_eq!(done.lock().unwrap().len(), 4);
}

/// Scenario: one record is refused for good, and the quarantine's disk is slow. Guarantee: it goes to the
/// quarantine whole and is done only then; the rest is delivered.
#[tokio::test]
async fn what_is_refused_is_kept_and_the_rest_goes_on() {
    let receiver = Receiver::start([Answer::Without(b"poison")]).await;
    let (mut queue, done) = Queue::of(&[("acme", "a"), ("bravo", "poison"), ("acme", "c")]);
    let gate = Arc::new(Gate::default());
    let pump = Pump::new(&destination(&receiver, Protocol::Grpc), Arc::clone(&gate)).unwrap();
    let (_hold, stop) = never();
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!done.lock().unwrap().contains(&2), "done before it was kept");
        gate.room.notify_one();
    };
    let (ended, ()) = tokio::join!(pump.run(&mut queue, stop), later);
    assert_eq!(ended, Ended { left: 0 });
    let refused = gate.refused.lock().unwrap();
    let batch = refused[0].batch.as_ref().unwrap();
    assert_eq!((refused.len(), batch.tenant), (1, tenant_id("bravo")));
    assert_eq!(texts(&batch.bytes), ["poison"]);
    assert_eq!(done.lock().unwrap().len(), 3);
}

/// Scenario: the receiver is away when the gate stops. Guarantee: the pump ends at the deadline, and what was
/// not taken is not done, so it is sent again after the next start.
#[tokio::test]
async fn a_stop_ends_at_its_deadline_and_loses_nothing() {
    let receiver = Receiver::start([Answer::Grpc(14, None)]).await;
    let (mut queue, done) = Queue::of(&[("acme", "a"), ("bravo", "b")]);
    queue.open = true;
    let pump = Pump::new(&destination(&receiver, Protocol::Grpc), Arc::new(Gate::default())).unwrap();
    let (sender, stop) = never();
    let pumping = tokio::spawn(async move { pump.run(&mut queue, stop).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!pumping.is_finished() && !receiver.came().is_empty());
    let asked = Instant::now();
    sender.send(Some(asked + Duration::from_millis(100))).unwrap();
    let ended = pumping.await.unwrap();
    assert!(ended.left > 0 && asked.elapsed() < Duration::from_secs(2), "{ended:?}");
    assert!(done.lock().unwrap().is_empty());
}

/// Scenario: the gate stops while records wait to be joined. Guarantee: they are sent at once, not left.
#[tokio::test]
async fn a_stop_sends_what_was_read() {
    let receiver = Receiver::start([Answer::Ok]).await;
    let (mut queue, done) = Queue::of(&[("acme", "a")]);
    queue.open = true;
    let linger = Duration::from_secs(600);
    let patient = Destination { linger, ..destination(&receiver, Protocol::HttpProtobuf) };
    let pump = Pump::new(&patient, Arc::new(Gate::default())).unwrap();
    let (sender, stop) = never();
    let pumping = tokio::spawn(async move { pump.run(&mut queue, stop).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(receiver.came().is_empty());
    sender.send(Some(Instant::now() + Duration::from_secs(10))).unwrap();
    assert_eq!(pumping.await.unwrap(), Ended { left: 0 });
    assert_eq!(done.lock().unwrap().len(), 1);
}

/// Scenario: a receiver is down for a while, with far more records than go at once. Guarantee: no more
/// requests on the wire than allowed; when it is back all arrive, each record done once.
#[tokio::test]
async fn an_outage_is_outlived_with_bounded_requests() {
    let receiver = Receiver::start([Answer::Http(503, &[])]).await;
    let names: Vec<String> = (0..200).map(|at| format!("{at:03}-{}", "x".repeat(2000))).collect();
    let list: Vec<(&str, &str)> = names.iter().map(|name| ("acme", name.as_str())).collect();
    let (mut queue, done) = Queue::of(&list);
    let mut small = destination(&receiver, Protocol::HttpProtobuf);
    (small.max_request_bytes, small.in_flight) = (8192, 2);
    let pump = Pump::new(&small, Arc::new(Gate::default())).unwrap();
    let (_hold, stop) = never();
    let pumping = tokio::spawn(async move { pump.run(&mut queue, stop).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let failed = receiver.came();
    let first: BTreeSet<Vec<String>> = failed.iter().map(|came| texts(&came.body)).collect();
    assert!(first.len() <= 2, "two requests are on the wire, sent again and again");
    receiver.answer(Answer::Ok);
    assert_eq!(pumping.await.unwrap(), Ended { left: 0 });
    let arrived: BTreeSet<String> = receiver.came().iter().flat_map(|came| texts(&came.body)).collect();
    assert_eq!(arrived.into_iter().collect::<Vec<_>>(), names);
    assert_eq!(done.lock().unwrap().len(), 200);
}

/// Scenario: a console as destination. Guarantee: every record is done.
#[tokio::test]
async fn the_console_takes_everything() {
    let (mut queue, done) = Queue::of(&[("acme", "a"), ("bravo", "b")]);
    let console = Destination {
        name: "console".into(),
        kind: Kind::Console,
        linger: Duration::ZERO,
        ..Destination::default()
    };
    let pump = Pump::new(&console, Arc::new(Gate::default())).unwrap();
    let (_hold, stop) = never();
    assert_eq!(pump.run(&mut queue, stop).await, Ended { left: 0 });
    assert_eq!(done.lock().unwrap().len(), 2);
}
