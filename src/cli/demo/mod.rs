//! `portcullis demo`: the gate, a company in front of it and a receiving end behind it, in one process.

mod company;
mod look;
mod planted;
mod receiver;
mod saas;
mod sample;
mod scrape;
mod screen;
mod summary;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    config::{ConfigErrors, Document, Options, duration},
    gateway::Gate,
};
use company::{Company, Issuer, LEAKS};
use planted::Planted;
use receiver::Receiver;
use scrape::Scrape;
use screen::Screen;
use summary::{Counts, Summary};

/// How long the demo runs unless it is said.
const LENGTH: Duration = Duration::from_secs(60);
/// Between two pieces of traffic.
const TICK: Duration = Duration::from_millis(50);
/// Between two looks at the counters.
const LOOK: Duration = Duration::from_millis(500);
/// How long the end waits for what is on its way.
const DRAIN: Duration = Duration::from_secs(20);
/// Leaks are spread over at most this much time.
const LEAK_TIME: Duration = Duration::from_secs(30);

/// The options of `portcullis demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// How long it runs, for example 30s [default: until Ctrl-C, at most 60s]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub length: Option<Duration>,
    /// Write the summary as one JSON object, the last line of standard output
    #[arg(long)]
    pub json: bool,
    /// Log records a second, of all tenants together
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub records_per_second: u64,
}

/// Runs the demo. The code is 1 where something is wrong with what came out, 2 where it could not run.
pub async fn run(args: DemoArgs) -> ExitCode {
    let mut screen = Screen::new(args.json, args.length.unwrap_or(LENGTH));
    let played = play(&args, &mut screen).await;
    screen.finish();
    match played {
        Ok(summary) => {
            screen.say(&summary.text());
            if args.json {
                println!("{}", summary.json());
            }
            if summary.wrong().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn play(args: &DemoArgs, screen: &mut Screen) -> Result<Summary, String> {
    let scratch = Scratch::new()?;
    let planted = Arc::new(Planted::new());
    let receiver = Receiver::start(look::Search::new(&planted)?).await?;
    let issuer = Issuer::new(&scratch.0)?;
    let text = configuration(&scratch.0, receiver.address).to_string();
    let load = move || -> Result<Document, ConfigErrors> { Document::parse("demo", &text, Options::data()) };
    let gate = Gate::start(Arc::new(load)).await?;
    let played = Play { gate, receiver, scratch, planted, screen };
    played.run(args, &issuer).await
}

/// The gate's configuration: enforcing, with a catalogue, keys, one destination and one transform.
fn configuration(directory: &Path, receiver: std::net::SocketAddr) -> Value {
    let free = "127.0.0.1:0";
    json!({
        "receivers": { "grpc": { "endpoint": free }, "http": { "endpoint": free } },
        "identity": {
            "mode": "enforce",
            "token": { "jwks_file": directory.join("jwks.json") },
            "catalogue": { "file": directory.join("tenants.yaml") },
        },
        "transforms": [{
            "name": "health-checks",
            "signal": "logs",
            "where": { "field": "attributes.http.route", "equals": "/healthz" },
            "do": ["drop"],
        }],
        "detect": { "settle": "500ms", "findings": { "file": findings_file(directory) } },
        "buffer": { "directory": directory.join("data") },
        "destinations": [{
            "name": "receiving-end",
            "type": "otlp",
            "protocol": "http/protobuf",
            "endpoint": format!("http://{receiver}"),
            "linger": "50ms",
        }],
        "prometheus": { "endpoint": free },
        "admin": { "endpoint": free },
    })
}

fn findings_file(directory: &Path) -> PathBuf {
    directory.join("findings.ndjson")
}

struct Play<'s> {
    gate: Gate,
    receiver: Receiver,
    scratch: Scratch,
    planted: Arc<Planted>,
    screen: &'s mut Screen,
}

impl Play<'_> {
    async fn run(mut self, args: &DemoArgs, issuer: &Issuer) -> Result<Summary, String> {
        let grpc = self.gate.grpc_address().ok_or("the gate has no gRPC receiver")?;
        let company = Arc::new(Company::new(issuer, grpc)?);
        let metrics = self.gate.metrics_address().ok_or("the gate serves no metrics")?;
        self.screen.say(&format!("five tenants send logs, traces and metrics to {grpc} (OTLP/gRPC)"));
        self.screen.say(&format!("what leaves the gate arrives at http://{}", self.receiver.address));
        self.screen.say(&format!("metrics: http://{metrics}/metrics"));

        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|error| format!("no HTTP client: {error}"))?;
        let injected = self.traffic(args, &company, &client, metrics).await?;

        self.screen.say("the senders stop; waiting for what is on its way");
        let stopping = Arc::clone(&company);
        let stopped = tokio::task::spawn_blocking(move || stopping.stop()).await;
        stopped.map_err(|_| "the senders did not stop")?;
        let scrape = self.drain(&client, metrics, &injected).await?;
        let stopped = self.gate.stop().await;
        let arrived = self.receiver.arrived();
        let findings = read_findings(&findings_file(&self.scratch.0));
        Ok(Summary {
            counts: Counts::new(&scrape, &arrived, findings.len()),
            arrived,
            sent: company.sent(),
            findings,
            injected,
            stopped,
            samples: sample::samples(&self.planted).into(),
        })
    }

    /// Sends until the time is over or Ctrl-C; answers which leaks were injected.
    async fn traffic(
        &mut self,
        args: &DemoArgs,
        company: &Arc<Company>,
        client: &reqwest::Client,
        metrics: std::net::SocketAddr,
    ) -> Result<BTreeSet<String>, String> {
        let (started, length) = (Instant::now(), args.length.unwrap_or(LENGTH));
        let mut leaks = LEAKS.iter().peekable();
        let mut injected = BTreeSet::new();
        let (mut sent, mut looked, mut told) = (0, Instant::now(), 0);
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        company.samples(&self.planted);
        while started.elapsed() < length {
            let elapsed = started.elapsed();
            let due = (elapsed.as_secs_f64() * args.records_per_second as f64) as u64;
            company.work(&self.planted, sent, due);
            sent = due;
            let share = elapsed.as_secs_f64() / length.min(LEAK_TIME).as_secs_f64();
            if let Some((class, _)) = leaks.next_if(|(_, when)| share >= *when) {
                self.screen.say(&format!("injecting a leak: {class}"));
                inject(company, class, &self.planted).await;
                injected.insert((*class).to_owned());
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                told = self.look(client, metrics, elapsed, told).await?;
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                _ = &mut interrupted => return Ok(injected),
            }
        }
        // A demo too short for its schedule injects the rest at its end.
        for (class, _) in leaks {
            inject(company, class, &self.planted).await;
            injected.insert((*class).to_owned());
        }
        Ok(injected)
    }

    /// Shows counters and tells new findings; answers how many have been told.
    async fn look(
        &mut self,
        client: &reqwest::Client,
        metrics: std::net::SocketAddr,
        elapsed: Duration,
        told: usize,
    ) -> Result<usize, String> {
        let scrape = Scrape::of(client, metrics).await?;
        let findings = read_findings(&findings_file(&self.scratch.0));
        for finding in findings.iter().skip(told) {
            self.screen.say(&format!("found: {}", summary::finding_line(finding)));
        }
        self.screen.show(&Counts::new(&scrape, &self.receiver.arrived(), findings.len()), elapsed);
        Ok(findings.len())
    }

    /// Waits until everything has arrived and every leak is told, a bounded time.
    async fn drain(
        &mut self,
        client: &reqwest::Client,
        metrics: std::net::SocketAddr,
        injected: &BTreeSet<String>,
    ) -> Result<Scrape, String> {
        let started = Instant::now();
        let mut before = 0;
        loop {
            let scrape = Scrape::of(client, metrics).await?;
            let findings = read_findings(&findings_file(&self.scratch.0));
            let counts = Counts::new(&scrape, &self.receiver.arrived(), findings.len());
            let found: BTreeSet<&str> =
                findings.iter().filter_map(|finding| finding["class"].as_str()).collect();
            let all_found = injected.iter().all(|class| found.contains(class.as_str()));
            // Twice the same: nothing is on its way any more.
            if (counts.add_up() && all_found && before == counts.received) || started.elapsed() > DRAIN {
                return Ok(scrape);
            }
            before = counts.received;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

async fn inject(company: &Arc<Company>, class: &'static str, planted: &Arc<Planted>) {
    let (company, planted) = (Arc::clone(company), Arc::clone(planted));
    // A leak that could not be sent is one that is not found: the summary says so.
    let _ = tokio::task::spawn_blocking(move || company.leak(class, &planted)).await;
}

fn read_findings(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let all = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // One line each, however often it is told.
    all.filter(|finding| finding["status"] == "open").collect()
}

/// A directory of the demo's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, String> {
        let directory = std::env::temp_dir().join(format!("portcullis-demo-{}", uuid::Uuid::new_v4()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        Ok(Scratch(directory))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the system's directory for such files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
