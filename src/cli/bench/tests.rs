use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Parser;

use super::*;
use crate::{
    gateway::{Answer, Budget, Intake, Permit, Submission},
    receipt::{Accepted, Refusal},
    receive::{Receivers, Settings},
};

/// Takes everything but every third request, and rejects one record of each.
struct Picky {
    budget: Budget,
    seen: AtomicU64,
    bearer: &'static str,
}

impl Intake for Picky {
    fn reserve(&self, bytes: usize) -> Result<Permit, Refusal> {
        self.budget.reserve(bytes)
    }

    fn submit(&self, submission: Submission) -> Answer {
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        let known = submission.credentials.authorization.as_deref() == Some(self.bearer);
        Box::pin(async move {
            let retry_after = Duration::from_millis(1);
            match (known, number % 3) {
                (false, _) => Err(Refusal::Unauthenticated("no".into())),
                (true, 0) => Err(Refusal::Unavailable { message: "later".into(), retry_after }),
                (true, _) => Ok(Accepted { rejected: 1, message: "one".into() }),
            }
        })
    }

    fn tenant_headers(&self) -> Arc<[String]> {
        Arc::from([])
    }
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: BenchArgs,
}

/// Scenario: a gate that refuses every third request and rejects a record, or a span, of the others. Guarantee: taken,
/// refused and rejected are told apart, the token is sent, and the counts agree with the gate's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picky_gate_is_measured() {
    for signal in ["logs", "traces"] {
        picky_gate(signal).await;
    }
}

async fn picky_gate(signal: &str) {
    let picky = Picky { budget: Budget::new(1 << 30), seen: AtomicU64::new(0), bearer: "Bearer abc" };
    let picky = Arc::new(picky);
    let mut settings = Settings::default();
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    settings.http = None;
    if let Some(grpc) = &mut settings.grpc {
        grpc.endpoint = free;
    }
    let receivers = Receivers::start(&settings, Arc::clone(&picky) as Arc<dyn Intake>).await.unwrap();
    let endpoint = receivers.grpc_address().unwrap().to_string();
    let line = ["bench", "--endpoint", &endpoint, "--batch", "50", "--for", "400ms", "--warm-up", "100ms"];
    let line =
        Line::parse_from(line.into_iter().chain(["--in-flight", "4", "--token", "abc", "--signal", signal]));
    let report = measure(&line.args).await.unwrap();
    let seen = &report.seen;
    assert!(seen.taken > 3, "{:?}", seen.refused);
    assert_eq!(seen.rejected, seen.taken);
    assert_eq!(seen.refused.keys().collect::<Vec<_>>(), ["grpc-status 14"]);
    assert!(seen.taken + report.refused() <= picky.seen.load(Ordering::Relaxed));
    assert_eq!(seen.latencies.len() as u64, seen.taken);
    assert!(report.text().contains("grpc-status 14"));
    receivers.shutdown(Duration::from_secs(1)).await;
}

/// Scenario: a hundred acknowledgements. Guarantee: the rates and percentiles are theirs.
#[test]
fn the_report_is_of_what_was_seen() {
    let seen = Seen {
        taken: 100,
        bytes: 37_000_000,
        latencies: (1..=100).map(|n| n * 1000).collect(),
        ..Seen::default()
    };
    let gate = Some(Usage { cpu_seconds: 2.0, peak_rss_bytes: 1 << 20 });
    let report = Report { seen, records: 1000, seconds: 2.0, record_bytes: 370, gate, own_cpu_seconds: 1.0 };
    let json = report.json();
    assert_eq!(json["records_per_second"], 50_000.0);
    assert_eq!(json["megabytes_per_second"], 18.5);
    assert_eq!(json["acknowledgement_ms"], json!({ "p50": 51.0, "p99": 100.0, "max": 100.0 }));
    assert_eq!(json["gate"]["cores"], 1.0);
    assert!(report.text().contains("50000 records/s"), "{}", report.text());
}
