//! A tenant's limits on a running gate.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis::{
    config::{ConfigErrors, Document, Options},
    gateway::Gate,
    identify::new_api_key,
};
use tokio::runtime::Runtime;

const QUIET: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

/// A gate whose senders have API keys.
struct Bed {
    gate: Option<Gate>,
    here: tempfile::TempDir,
    runtime: Runtime,
    /// The keys of a tenant with limits, and of [`QUIET`], which has none.
    limited: String,
    quiet: String,
}

impl Bed {
    /// `limits` are those of the tenant `id`, in its tier `database`.
    fn new(id: &str, limits: &str, more: &str) -> Bed {
        let here = tempfile::tempdir().unwrap();
        let ((limited, limited_sum), (quiet, quiet_sum)) = (new_api_key().unwrap(), new_api_key().unwrap());
        let catalogue = here.path().join("tenants.yaml");
        let tenants = format!("tenants:\n  - {{ id: {id}, isolation: database }}\n  - {{ id: {QUIET} }}\n");
        std::fs::write(&catalogue, tenants).unwrap();
        let text = format!(
            "receivers: {{ grpc: null, http: {{ endpoint: '127.0.0.1:0' }} }}\n\
             prometheus: {{ endpoint: '127.0.0.1:0' }}\nadmin: {{ endpoint: null }}\n\
             buffer: {{ directory: {}, quota_bytes: 1048576, segment_bytes: 65536 }}\n\
             identity:\n  catalogue: {{ file: {} }}\n  tier_limits: {{ database: {limits} }}\n  token:\n    api_keys:\n    \
             - {{ name: limited, sha256: {limited_sum}, tenant: {id} }}\n    - {{ name: quiet, sha256: {quiet_sum}, tenant: {QUIET} }}\n{more}",
            here.path().join("data").display(),
            catalogue.display(),
        );
        let load =
            move || -> Result<Document, ConfigErrors> { Document::parse("test", &text, Options::data()) };
        let runtime = Runtime::new().unwrap();
        let gate = runtime.block_on(Gate::start(Arc::new(load))).unwrap();
        Bed { gate: Some(gate), here, runtime, limited, quiet }
    }

    fn address(&self) -> SocketAddr {
        self.gate.as_ref().unwrap().http_address().unwrap()
    }

    /// Gives the tenant these limits for its own, from now on.
    fn reload(&self, id: &str, limits: &str) {
        let tenants = format!("tenants:\n  - {{ id: {id}, limits: {limits} }}\n  - {{ id: {QUIET} }}\n");
        std::fs::write(self.here.path().join("tenants.yaml"), tenants).unwrap();
        self.runtime.block_on(self.gate.as_ref().unwrap().reload()).unwrap();
    }

    fn send(&self, key: &str, records: usize) -> String {
        let body = logs(records);
        let mut stream = self.open(key, body.len(), "");
        stream.write_all(body.as_bytes()).unwrap();
        answer(stream)
    }

    /// Sends a head and no body.
    fn open(&self, key: &str, length: usize, more: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: gate\r\nconnection: close\r\ncontent-type: application/json\r\n\
             authorization: Bearer {key}\r\ncontent-length: {length}\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// The sum of the metric's series that have all of `labels`.
    fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let address = self.gate.as_ref().unwrap().metrics_address().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n\r\n").unwrap();
        let page = answer(stream);
        let of_it =
            |line: &&str| line.starts_with(&format!("{name}{{")) && labels.iter().all(|l| line.contains(l));
        page.lines().filter(of_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            self.runtime.block_on(gate.stop());
        }
    }
}

fn logs(records: usize) -> String {
    let record = r#"{"timeUnixNano":"1700000000000000000","body":{"stringValue":"order shipped"},"attributes":[{"key":"a","value":{"stringValue":"long enough to be cut"}},{"key":"b","value":{"stringValue":"b"}},{"key":"c","value":{"intValue":"7"}}]}"#;
    let records = vec![record; records].join(",");
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#)
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// Scenario: a tenant over the rate of its tier, before the body of its next request is sent; then a reload that
/// gives it a limit of its own. Guarantee: 429 with a time, at once and unread; another tenant is served; after the
/// reload it is, too.
#[test]
fn who_is_over_its_rate_is_refused_before_its_body_is_read() {
    const ID: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5a01";
    let bed = Bed::new(ID, "{ items_per_second: 1, items_burst: 30 }", "");
    assert_eq!(status(&bed.send(&bed.limited, 30)), "200");
    let began = Instant::now();
    let stream = bed.open(&bed.limited, 1 << 20, "expect: 100-continue\r\n");
    let refused = answer(stream);
    assert_eq!(status(&refused), "429", "{refused}");
    assert!(refused.contains("retry-after:") && refused.contains("items_per_second"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(10), "it waited for the body");
    assert_eq!(status(&bed.send(&bed.quiet, 30)), "200");
    assert!(bed.metric("portcullis_throttled_requests_total", &[ID, "items_per_second"]) >= 1.0);
    bed.reload(ID, "{ items_per_second: 1000000 }");
    // What was told last holds for a second at most.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(status(&bed.send(&bed.limited, 30)), "200");
}

/// Scenario: a tenant that may have one request at once has one whose body does not come. Guarantee: its next is
/// refused by that limit; when the first is answered it is taken.
#[test]
fn requests_at_once_are_limited() {
    const ID: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5a02";
    let bed = Bed::new(ID, "{ concurrent_requests: 1 }", "");
    let body = logs(1);
    let mut first = bed.open(&bed.limited, body.len(), "expect: 100-continue\r\n");
    // The gate asks for the body: the request is in.
    let mut line = String::new();
    BufReader::new(first.try_clone().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("100"), "{line}");
    let refused = bed.send(&bed.limited, 1);
    assert!(status(&refused) == "429" && refused.contains("concurrent_requests"), "{refused}");
    assert_eq!(status(&bed.send(&bed.quiet, 1)), "200");
    first.write_all(body.as_bytes()).unwrap();
    assert!(answer(first).contains("HTTP/1.1 200"));
    let begin = Instant::now();
    while status(&bed.send(&bed.limited, 1)) != "200" {
        assert!(begin.elapsed() < Duration::from_secs(10), "the slot is not given back");
    }
}

/// Scenario: a tenant whose share of the disk is smaller than its batch. Guarantee: throttled by the disk; others go on.
#[test]
fn the_share_of_the_disk_is_the_tenants_own() {
    const ID: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5a03";
    let bed = Bed::new(ID, "{ disk_share: 0.0005 }", "");
    let refused = bed.send(&bed.limited, 20);
    assert!(status(&refused) == "429" && refused.contains("share of the gate's disk"), "{refused}");
    assert_eq!(status(&bed.send(&bed.quiet, 20)), "200");
    bed.reload(ID, "{ disk_share: 0.5 }");
    assert_eq!(status(&bed.send(&bed.limited, 20)), "200");
}

/// Scenario: records with more and longer attributes than the tenant may have. Guarantee: taken, cut, and counted by
/// limit; another tenant's are not touched.
#[test]
fn attributes_are_cut_and_counted() {
    const ID: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5a04";
    let bed = Bed::new(ID, "{ attributes: 2, attribute_bytes: 8 }", "");
    assert_eq!(status(&bed.send(&bed.limited, 10)), "200");
    assert_eq!(status(&bed.send(&bed.quiet, 10)), "200");
    let cut = |of: &[&str]| bed.metric("portcullis_cut_attributes_total", of);
    assert_eq!((cut(&[ID, "\"attributes\""]), cut(&[ID, "\"attribute_bytes\""])), (10.0, 10.0));
    assert_eq!(cut(&[QUIET]), 0.0);
    let segments = find(&bed.here.path().join("data/journal"));
    let holds = |text: &str| segments.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("long eno") && holds("long enough to be cut"), "one tenant's is cut, the other's is whole");
}

fn find(directory: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
}
