//! `portcullis bench`: loads a running gate over loopback gRPC and says what it does.

pub mod batches;
mod drive;
mod noisy;
mod process;
mod spans;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::{config::duration, identify::factory};
use drive::{Load, Seen};
use process::Usage;

/// Different batches of log records for each tenant.
const DISTINCT: usize = 4;
/// The same of spans, so that a trace does not come again at once.
const DISTINCT_SPANS: usize = 32;
/// Bytes of all batches together, about, at most.
const BATCH_BYTES: usize = 256 << 20;

/// What a bench sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sent {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
}

/// The options of `portcullis bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Where the gate takes OTLP/gRPC
    #[arg(long, default_value = "127.0.0.1:4317", value_name = "HOST:PORT")]
    pub endpoint: String,
    /// What is sent; spans are those of a product's requests
    #[arg(long, value_enum, default_value = "logs", conflicts_with = "noisy", value_name = "SIGNAL")]
    pub signal: Sent,
    /// A file of log lines, the bodies of the records [default: generated lines]
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// Log records or spans in a request
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    pub batch: u32,
    /// Connections
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256), value_name = "N")]
    pub connections: u32,
    /// Requests on the wire at once, over all connections
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4096), value_name = "N")]
    pub in_flight: u32,
    /// How long it is measured
    #[arg(long = "for", default_value = "10s", value_parser = duration::parse, value_name = "DURATION")]
    pub length: Duration,
    /// How long it runs before that
    #[arg(long, default_value = "1s", value_parser = duration::parse, value_name = "DURATION")]
    pub warm_up: Duration,
    /// Tenants that the batches name in their resource, in turn; 0 for none
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1000), value_name = "N")]
    pub tenants: u32,
    /// The id of a tenant to name, in the place of made ones (repeatable)
    #[arg(long, value_name = "UUID")]
    pub tenant_id: Vec<String>,
    /// The bearer token of every request (others on this machine can see it; a file is safer)
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// A file that holds the bearer token of every request
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A header of every request, as name=value (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub header: Vec<String>,
    /// The gate's process, for its CPU time and its memory
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// In the place of all this: starts a gate of its own, and measures a quiet tenant alone, beside one at 100
    /// times its limit, and beside one without a limit
    #[arg(long)]
    pub noisy: bool,
    /// With --noisy: how often
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), value_name = "N")]
    pub rounds: u32,
    /// With --noisy: the cores that the gate may use, as taskset(1) takes them [default: all]
    #[arg(long, value_name = "LIST")]
    pub gate_cores: Option<String>,
    /// Write one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the bench. The code is 1 where nothing was taken, 2 where it could not run.
pub async fn run(args: BenchArgs) -> ExitCode {
    if args.noisy {
        return noisy::run(&args).await;
    }
    match measure(&args).await {
        Ok(report) => {
            if args.json {
                println!("{}", report.json());
            } else {
                print!("{}", report.text());
            }
            if report.seen.taken > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn measure(args: &BenchArgs) -> Result<Report, String> {
    let tenants: Vec<String> = if args.tenant_id.is_empty() {
        (1..=args.tenants).map(|number| factory::tenant_id(&format!("bench-{number}")).to_string()).collect()
    } else {
        args.tenant_id.clone()
    };
    let records = args.batch as usize;
    let distinct = if args.signal == Sent::Logs { DISTINCT } else { DISTINCT_SPANS };
    let count = (distinct * tenants.len().max(1)).min(BATCH_BYTES / (records * 400) + 1);
    let messages = match (args.signal, &args.corpus) {
        (Sent::Logs, Some(file)) => batches::encode(&batches::corpus(file)?, count, records, &tenants),
        (Sent::Logs, None) => batches::encode(&batches::generated(), count, records, &tenants),
        (Sent::Traces, None) => spans::encode(count, records, &tenants),
        (Sent::Traces, Some(_)) => {
            return Err("--corpus: expected with --signal logs alone; spans are made up".into());
        }
    };
    let record_bytes = messages.iter().map(|message| message.len()).sum::<usize>() / (count * records);
    let load = Load::new(&args.endpoint, args.signal, &messages, u64::from(args.batch), headers(args)?)?;
    drop(messages);
    let usage = |pid: Option<u32>| pid.map(Usage::of).transpose();
    usage(args.pid)?;
    let (mut before, mut own_before) = (Ok(None), Usage::default());
    let own = std::process::id();
    let seen = load
        .run(args.connections as usize, args.in_flight as usize, args.warm_up, args.length, || {
            before = usage(args.pid);
            own_before = Usage::of(own).unwrap_or_default();
        })
        .await?;
    let gate = match (before?, usage(args.pid)?) {
        (Some(before), Some(after)) => {
            Some(Usage { cpu_seconds: after.cpu_seconds - before.cpu_seconds, ..after })
        }
        _ => None,
    };
    let own = Usage::of(own).unwrap_or_default().cpu_seconds - own_before.cpu_seconds;
    let mut report = Report {
        seen,
        records: u64::from(args.batch),
        seconds: args.length.as_secs_f64(),
        record_bytes,
        gate,
        own_cpu_seconds: own,
    };
    report.seen.latencies.sort_unstable();
    Ok(report)
}

fn headers(args: &BenchArgs) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for header in &args.header {
        let wrong = || "--header: expected name=value".to_owned();
        let (name, value) = header.split_once('=').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().to_ascii_lowercase().parse().map_err(|_| wrong())?;
        headers.insert(name, value.parse().map_err(|_| wrong())?);
    }
    let token = match (&args.token, &args.token_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(file)) => {
            let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
            Some(std::fs::read_to_string(file).map_err(wrong)?)
        }
        (None, None) => None,
    };
    if let Some(token) = token {
        let value = format!("Bearer {}", token.trim()).parse::<HeaderValue>();
        let mut value = value.map_err(|_| "the token: expected one line of plain characters".to_owned())?;
        value.set_sensitive(true);
        headers.insert(http::header::AUTHORIZATION, value);
    }
    Ok(headers)
}

struct Report {
    seen: Seen,
    records: u64,
    seconds: f64,
    record_bytes: usize,
    gate: Option<Usage>,
    own_cpu_seconds: f64,
}

impl Report {
    fn records_taken(&self) -> u64 {
        self.seen.taken * self.records
    }

    /// A share of acknowledgements came in this time, in milliseconds.
    fn percentile(&self, share: f64) -> f64 {
        percentile(&self.seen.latencies, share)
    }

    fn refused(&self) -> u64 {
        self.seen.refused.values().sum()
    }

    fn json(&self) -> Value {
        let gate = self.gate.map(|gate| {
            json!({
                "cpu_seconds": gate.cpu_seconds,
                "cores": gate.cpu_seconds / self.seconds,
                "peak_rss_bytes": gate.peak_rss_bytes,
            })
        });
        json!({
            "seconds": self.seconds,
            "records": self.records_taken(),
            "records_per_second": self.records_taken() as f64 / self.seconds,
            "megabytes_per_second": self.seen.bytes as f64 / 1e6 / self.seconds,
            "bytes_per_record": self.record_bytes,
            "acknowledgement_ms": {
                "p50": self.percentile(0.5), "p99": self.percentile(0.99), "max": self.percentile(1.0),
            },
            "requests": self.seen.taken,
            "refused_requests": self.refused(),
            "refused_by": self.seen.refused,
            "rejected_records": self.seen.rejected,
            "gate": gate,
            "own_cpu_seconds": self.own_cpu_seconds,
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{:>12.0} records/s   {:.1} MB/s   {} bytes a record, {} records a request, {:.0} s\n\
             {:>12.1} ms to the acknowledgement (p50)   {:.1} ms (p99)   {:.1} ms (most)\n\
             {:>12} requests taken   {} refused{}   {} records rejected\n",
            self.records_taken() as f64 / self.seconds,
            self.seen.bytes as f64 / 1e6 / self.seconds,
            self.record_bytes,
            self.records,
            self.seconds,
            self.percentile(0.5),
            self.percentile(0.99),
            self.percentile(1.0),
            self.seen.taken,
            self.refused(),
            self.seen.refused.iter().map(|(why, count)| format!(" ({why}: {count})")).collect::<String>(),
            self.seen.rejected,
        );
        if let Some(gate) = &self.gate {
            text += &format!(
                "{:>12.2} cores of the gate   {:.0} MiB of memory at most\n",
                gate.cpu_seconds / self.seconds,
                gate.peak_rss_bytes as f64 / f64::from(1 << 20),
            );
        }
        text += &format!("{:>12.2} cores of this command\n", self.own_cpu_seconds / self.seconds);
        text
    }
}

/// Of sorted times in microseconds: the time, in milliseconds, in which this share of them lies.
fn percentile(sorted: &[u32], share: f64) -> f64 {
    let place = (share * sorted.len().saturating_sub(1) as f64).ceil() as usize;
    sorted.get(place).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
}

#[cfg(test)]
mod tests;
