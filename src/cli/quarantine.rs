//! `quarantine`: what was rejected, beside a running gate or without one.

use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use super::{Code, Failure, config::ConfigArgs, say, show};
use crate::{
    batch::{Signal, TenantId},
    buffer::{
        Settings,
        quarantine::{Filter, Group, Item, Reason, Store},
    },
    config::{Config, Environment, Secret, duration},
    export::{
        otlp::{Exporter, Sender},
        settings::{Destination, Protocol},
    },
    identify::normalise,
};

/// What is done with the quarantine.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// What is kept, by tenant, reason and signal
    List(ListArgs),
    /// Send it to a gate again, and remove what that took
    Replay(ReplayArgs),
    /// Remove it
    Purge(PurgeArgs),
}

/// Which items are meant; all that is given must hold.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Which {
    /// Of this tenant (uuid), as it was declared; `none` for items without a well-formed one
    #[arg(long, value_parser = tenant)]
    pub tenant: Option<TenantId>,
    /// Rejected for this reason, for example unknown_tenant
    #[arg(long)]
    pub reason: Option<Reason>,
    /// Of this signal: logs, traces or metrics
    #[arg(long, value_parser = signal)]
    pub signal: Option<Signal>,
    /// Rejected longer ago than this, for example 36h or 7d
    #[arg(long, value_name = "AGE", value_parser = duration::parse)]
    pub older_than: Option<Duration>,
}

/// The options of `portcullis quarantine list`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ListArgs {
    /// Of these.
    #[command(flatten)]
    pub which: Which,
    /// Answer with JSON: a list of objects
    #[arg(long)]
    pub json: bool,
    /// The configuration, of which the section `buffer` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The options of `portcullis quarantine replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArgs {
    /// Of these.
    #[command(flatten)]
    pub which: Which,
    /// Where to: OTLP over HTTP
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4318")]
    pub endpoint: String,
    /// A header of every request, such as `authorization=Bearer ...` (repeatable)
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub headers: Vec<(String, Secret)>,
    /// How long one request may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    pub timeout: Duration,
    /// The configuration, of which the section `buffer` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The options of `portcullis quarantine purge`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PurgeArgs {
    /// Of these; without any, everything.
    #[command(flatten)]
    pub which: Which,
    /// Really remove it
    #[arg(long)]
    pub yes: bool,
    /// The configuration, of which the section `buffer` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

fn tenant(text: &str) -> Result<TenantId, String> {
    if text == "none" {
        return Ok(TenantId::NONE);
    }
    normalise::uuid(text).ok_or_else(|| "expected a uuid, or none".into())
}

fn signal(text: &str) -> Result<Signal, String> {
    let found = Signal::ALL.into_iter().find(|signal| signal.as_str() == text);
    found.ok_or_else(|| "expected one of logs, traces, metrics".into())
}

/// The value is not repeated in the message: it may be a token.
fn header(text: &str) -> Result<(String, Secret), String> {
    match text.split_once(['=', ':']) {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_ascii_lowercase(), Secret::new(value.trim())))
        }
        _ => Err("expected name=value".into()),
    }
}

impl Which {
    fn filter(&self) -> Filter {
        let before = self.older_than.map(|age| now().saturating_sub(nanos(age)));
        Filter { tenant: self.tenant, reason: self.reason, signal: self.signal, before_unix_nano: before }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn now() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Runs it.
///
/// # Errors
/// The configuration cannot be used, the disk fails, or items were not taken.
pub fn run(verb: &Verb) -> Result<Code, Failure> {
    match verb {
        Verb::List(args) => list(args),
        Verb::Replay(args) => replay(args),
        Verb::Purge(args) => purge(args),
    }
}

/// The store of a configuration; none where nothing was ever kept.
fn store(args: &ConfigArgs) -> Result<Option<Store>, Failure> {
    let config: Config = args.load(Environment::Process)?.decode()?;
    let settings: Settings = config.buffer;
    if !settings.directory.join("quarantine").is_dir() {
        return Ok(None);
    }
    Store::open(&settings).map(Some).map_err(|error| Failure::failed(error.to_string()))
}

fn groups(store: Option<&Store>, which: &Which) -> Result<Vec<Group>, Failure> {
    let Some(store) = store else { return Ok(Vec::new()) };
    let mut groups = store.list().map_err(|error| Failure::io("the quarantine", &error))?;
    let filter = which.filter();
    groups.retain(|group| {
        filter.tenant.is_none_or(|tenant| tenant == group.tenant)
            && filter.reason.is_none_or(|reason| reason == group.reason)
            && filter.signal.is_none_or(|signal| signal == group.signal)
            && filter.before_unix_nano.is_none_or(|time| group.first_unix_nano < time)
    });
    Ok(groups)
}

fn name(tenant: TenantId) -> String {
    if tenant == TenantId::NONE { "none".into() } else { tenant.to_string() }
}

fn list(args: &ListArgs) -> Result<Code, Failure> {
    let groups = groups(store(&args.config)?.as_ref(), &args.which)?;
    let mut text = String::new();
    if args.json {
        let mut all = Vec::new();
        for group in &groups {
            all.push(json!({
                "tenant_id": name(group.tenant), "reason": group.reason.as_str(), "signal": group.signal,
                "batches": group.batches, "items": group.items, "bytes": group.bytes,
                "first_unix_nano": group.first_unix_nano, "last_unix_nano": group.last_unix_nano,
            }));
        }
        let _ = writeln!(text, "{}", serde_json::Value::Array(all));
    } else if groups.is_empty() {
        text.push_str("the quarantine is empty\n");
    } else {
        let _ = writeln!(
            text,
            "{:<36}  {:<16}  {:<7}  {:>8}  {:>10}  {:>12}  {:>8}  {:>8}",
            "TENANT", "REASON", "SIGNAL", "BATCHES", "ITEMS", "BYTES", "OLDEST", "NEWEST"
        );
        for group in &groups {
            let _ = writeln!(
                text,
                "{:<36}  {:<16}  {:<7}  {:>8}  {:>10}  {:>12}  {:>8}  {:>8}",
                name(group.tenant),
                group.reason.as_str(),
                group.signal.as_str(),
                group.batches,
                group.items,
                group.bytes,
                age(group.first_unix_nano),
                age(group.last_unix_nano)
            );
        }
    }
    show(&text).map(|()| Code::Ok)
}

/// How long ago a time was, in its largest unit.
fn age(unix_nano: u64) -> String {
    let seconds = now().saturating_sub(unix_nano) / 1_000_000_000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Gives up after this many batches one after the other that could not be delivered.
const FAILURES: u32 = 3;

fn replay(args: &ReplayArgs) -> Result<Code, Failure> {
    let destination = Destination {
        name: "replay".into(),
        endpoint: args.endpoint.clone(),
        protocol: Protocol::HttpProtobuf,
        headers: args.headers.iter().cloned().collect::<BTreeMap<_, _>>(),
        timeout: args.timeout,
        ..Destination::default()
    };
    let Some(mut store) = store(&args.config)? else {
        say("the quarantine is empty");
        return Ok(Code::Ok);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime", &error))?;
    let exporter = {
        let _inside = runtime.enter();
        Exporter::new(&destination).map_err(Failure::usage)?
    };
    // What the gate rejects again is newer than this, and not sent in a circle.
    let mut filter = args.which.filter();
    filter.before_unix_nano = Some(filter.before_unix_nano.unwrap_or(u64::MAX).min(now()));
    let (mut failures, mut reasons) = (0, BTreeMap::<String, u64>::new());
    let result = store.replay(filter, |item| {
        if failures >= FAILURES {
            return false;
        }
        match runtime.block_on(send(&exporter, item)) {
            Sent::Taken => {
                failures = 0;
                true
            }
            Sent::Rejected => {
                failures = 0;
                *reasons.entry("rejected again".into()).or_default() += 1;
                false
            }
            Sent::Failed(reason) => {
                failures += 1;
                *reasons.entry(reason).or_default() += 1;
                false
            }
        }
    });
    let (sent, kept) = result.map_err(|error| Failure::io("the quarantine", &error))?;
    say(&format!("{sent} batches were taken and removed, {kept} are kept"));
    for (reason, count) in reasons {
        say(&format!("{count:>10}  {reason}"));
    }
    if failures >= FAILURES {
        return Err(Failure::failed(format!(
            "given up after {FAILURES} failures in a row; is a gate at --endpoint?"
        )));
    }
    Ok(if kept == 0 { Code::Ok } else { Code::Failed })
}

/// What became of one batch.
enum Sent {
    Taken,
    /// Some of it: a second quarantine holds that, or nobody does, so the batch stays.
    Rejected,
    Failed(String),
}

async fn send(exporter: &Exporter, item: &Item) -> Sent {
    let sender: Option<Sender<'_>> = None;
    let encoded = match exporter.encode(&item.batch.bytes).await {
        Ok(encoded) => encoded,
        Err(failure) => return Sent::Failed(format!("{failure:?}")),
    };
    match exporter.send(item.batch.signal, sender, &encoded).await {
        Ok(partial) if partial.rejected == 0 => Sent::Taken,
        Ok(_) => Sent::Rejected,
        Err(failure) => Sent::Failed(format!("{failure:?}")),
    }
}

fn purge(args: &PurgeArgs) -> Result<Code, Failure> {
    let store = store(&args.config)?;
    let meant = groups(store.as_ref(), &args.which)?;
    let Some(mut store) = store.filter(|_| !meant.is_empty()) else {
        say("nothing to remove");
        return Ok(Code::Ok);
    };
    if !args.yes {
        let (batches, items) = meant.iter().fold((0, 0), |sum, g| (sum.0 + g.batches, sum.1 + g.items));
        return Err(Failure::usage(format!(
            "up to {batches} batches with {items} items would be removed for good; add --yes to do it"
        )));
    }
    let removed = store.purge(&args.which.filter()).map_err(|error| Failure::io("the quarantine", &error))?;
    say(&format!("{removed} batches were removed"));
    Ok(Code::Ok)
}
