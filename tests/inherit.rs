//! Spans that have their tenant from their trace, on a running gate.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use portcullis::{
    config::{ConfigErrors, Document, Options},
    gateway::Gate,
};
use tokio::runtime::Runtime;

struct Bed {
    gate: Option<Gate>,
    here: tempfile::TempDir,
    runtime: Runtime,
}

impl Bed {
    fn new(inherit: &str) -> Bed {
        let here = tempfile::tempdir().unwrap();
        let text = format!(
            "receivers: {{ grpc: null, http: {{ endpoint: '127.0.0.1:0' }} }}\n\
             prometheus: {{ endpoint: '127.0.0.1:0' }}\nadmin: {{ endpoint: null }}\n\
             buffer: {{ directory: {} }}\nidentity: {{ mode: enforce, {inherit} }}\n",
            here.path().join("data").display(),
        );
        let load =
            move || -> Result<Document, ConfigErrors> { Document::parse("test", &text, Options::data()) };
        let runtime = Runtime::new().unwrap();
        let gate = runtime.block_on(Gate::start(Arc::new(load))).unwrap();
        Bed { gate: Some(gate), here, runtime }
    }

    fn address(&self) -> SocketAddr {
        self.gate.as_ref().unwrap().http_address().unwrap()
    }

    fn send(&self, trace: u64, tenant: Option<&str>) -> String {
        send(self.address(), trace, tenant)
    }

    fn send_aside(&self, trace: u64) -> JoinHandle<(String, Duration)> {
        let address = self.address();
        std::thread::spawn(move || {
            let began = Instant::now();
            (send(address, trace, None), began.elapsed())
        })
    }

    /// The sum of the metric's series that have all of `labels`.
    fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let mut stream = TcpStream::connect(self.gate.as_ref().unwrap().metrics_address().unwrap()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n\r\n").unwrap();
        let page = answer(stream);
        let of_it =
            |line: &&str| line.starts_with(&format!("{name}{{")) && labels.iter().all(|l| line.contains(l));
        page.lines().filter(of_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// How often the journal holds the mark.
    fn marks(&self) -> usize {
        let files = std::fs::read_dir(self.here.path().join("data/journal")).unwrap();
        let paths = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let bytes: Vec<u8> = paths.flat_map(|path| std::fs::read(path).unwrap()).collect();
        let mark = b"tenant.inherited";
        bytes.windows(mark.len()).filter(|window| window == mark).count()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            self.runtime.block_on(gate.stop());
        }
    }
}

/// Sends one span, with a forged mark.
fn send(address: SocketAddr, trace: u64, tenant: Option<&str>) -> String {
    let pair = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    let mut pairs = vec![pair("tenant.inherited", "forged")];
    pairs.extend(tenant.map(|tenant| pair("tenant_id", tenant)));
    let body = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{}]}},"scopeSpans":[{{"spans":[{{"traceId":"{trace:032x}","spanId":"00000000000000aa","name":"n"}}]}}]}}]}}"#,
        pairs.join(",")
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: gate\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    answer(stream)
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn taken(answer: &str) -> bool {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    !answer.contains("missing_tenant")
}

/// Scenario: a child, then its parent within the wait; a child of the same trace after it; a child whose parent does
/// not come. Guarantee: the first is answered when the parent has come, as taken; the next at once; the last is
/// rejected when the wait is over. All is counted, and what inherited is marked in the journal.
#[test]
fn a_child_waits_for_its_parent() {
    const ID: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5b01";
    let bed = Bed::new("inherit: { enabled: true, wait: 5s }");
    let child = bed.send_aside(1);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!child.is_finished(), "it did not wait");
    assert!(taken(&bed.send(1, Some(ID))));
    let (said, took) = child.join().unwrap();
    assert!(taken(&said) && took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
    assert!(taken(&bed.send(1, None)));
    let (said, took) = bed.send_aside(2).join().unwrap();
    assert!(!taken(&said) && took >= Duration::from_secs(5), "{took:?}");
    let waits = |outcome: &str| bed.metric("portcullis_inherit_waits_total", &[outcome]);
    assert!(waits("\"found\"") >= 1.0 && waits("\"timed_out\"") >= 1.0);
    assert_eq!(bed.metric("portcullis_inherited_items_total", &[ID, "\"traces\""]), 2.0);
    assert_eq!(bed.metric("portcullis_accepted_items_total", &[ID, "\"traces\""]), 3.0);
    assert_eq!(bed.marks(), 2);
}

/// Scenario: two tenants in one trace, then a child, with a wait; and a trace of one. Guarantee: the child of two is
/// rejected at once, that of one is taken.
#[test]
fn a_child_of_two_is_rejected_at_once() {
    const ID: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5b02";
    const OTHER: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5b03";
    let bed = Bed::new("inherit: { enabled: true, wait: 5s }");
    assert!(
        taken(&bed.send(1, Some(ID))) && taken(&bed.send(1, Some(OTHER))) && taken(&bed.send(2, Some(OTHER)))
    );
    let (said, took) = bed.send_aside(1).join().unwrap();
    assert!(!taken(&said) && took < Duration::from_secs(5), "{took:?}");
    assert!(taken(&bed.send(2, None)));
    assert_eq!(bed.metric("portcullis_inherited_items_total", &[ID]), 0.0);
    assert_eq!(bed.metric("portcullis_inherited_items_total", &[OTHER]), 1.0);
}

/// Scenario: a parent and then its child, on a gate that was told nothing of inheriting. Guarantee: the child is
/// rejected, and a forged mark does not reach the journal.
#[test]
fn nobody_inherits_by_default() {
    const ID: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5b04";
    let bed = Bed::new("inherit: { wait: 5s }");
    assert!(taken(&bed.send(1, Some(ID))));
    let (said, took) = bed.send_aside(1).join().unwrap();
    assert!(!taken(&said) && took < Duration::from_secs(5), "{took:?}");
    assert_eq!((bed.metric("portcullis_inherited_items_total", &[ID]), bed.marks()), (0.0, 0));
}
