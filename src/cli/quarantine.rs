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
fn open(args: &ConfigArgs) -> Result<Option<Store>, Failure> {
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
    let groups = groups(open(&args.config)?.as_ref(), &args.which)?;
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
    super::age(Duration::from_nanos(now().saturating_sub(unix_nano)))
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
    let Some(mut store) = open(&args.config)? else {
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
    let watch = Watch { store: open(&args.config)?, keeps: None };
    let mut replay = Replay { watch, taken: 0, again: 0, failures: 0, reasons: BTreeMap::new() };
    let result = store.replay(filter, |item| {
        replay.failures < FAILURES && {
            let since = now();
            let sent = runtime.block_on(send(&exporter, item));
            replay.removes(item, sent, since)
        }
    });
    let (_, kept) = result.map_err(|error| Failure::io("the quarantine", &error))?;
    let Replay { taken, again, failures, reasons, .. } = replay;
    say(&format!("{taken} batches were taken and removed, {again} were rejected again, {kept} are kept"));
    for (reason, count) in reasons {
        say(&format!("{count:>10}  {reason}"));
    }
    if failures >= FAILURES {
        let text = format!("given up after {FAILURES} failures in a row; is there a gate at --endpoint?");
        return Err(Failure::failed(text));
    }
    Ok(if kept + again == 0 { Code::Ok } else { Code::Failed })
}

/// How a replay goes.
struct Replay {
    watch: Watch,
    taken: u64,
    again: u64,
    failures: u32,
    reasons: BTreeMap<&'static str, u64>,
}

impl Replay {
    /// Whether a batch may go from the quarantine.
    fn removes(&mut self, item: &Item, sent: Sent, since: u64) -> bool {
        match sent {
            Sent::Taken => {
                (self.failures, self.taken) = (0, self.taken + 1);
                true
            }
            Sent::Rejected(items) => {
                (self.failures, self.again) = (0, self.again + 1);
                self.watch.keeps(item.batch.signal, items, since)
            }
            Sent::Failed(reason) => {
                self.failures += 1;
                *self.reasons.entry(reason).or_default() += 1;
                false
            }
        }
    }
}

/// Whether the gate keeps in this same quarantine what it rejects again: then the old batch is a copy.
struct Watch {
    store: Option<Store>,
    /// What the first rejected batch showed.
    keeps: Option<bool>,
}

impl Watch {
    fn keeps(&mut self, signal: Signal, items: u64, since: u64) -> bool {
        *self.keeps.get_or_insert_with(|| {
            let filter = Filter { signal: Some(signal), ..Filter::default() };
            let newer = || -> Option<u64> {
                let all = self.store.as_ref()?.iter(filter).ok()?.filter_map(Result::ok);
                Some(
                    all.filter(|item| item.time_unix_nano >= since)
                        .map(|item| u64::from(item.batch.items))
                        .sum(),
                )
            };
            // The gate writes aside: it may come a little after the answer.
            (0..WRITE_CHECKS).any(|_| {
                let found = newer().is_some_and(|newer| newer >= items);
                if !found {
                    std::thread::sleep(WRITE_PAUSE);
                }
                found
            })
        })
    }
}

/// How often, and how long apart, the quarantine is looked at for what was rejected again.
const WRITE_CHECKS: u32 = 40;
const WRITE_PAUSE: Duration = Duration::from_millis(50);

/// What became of one batch.
enum Sent {
    Taken,
    /// But for so many items.
    Rejected(u64),
    Failed(&'static str),
}

async fn send(exporter: &Exporter, item: &Item) -> Sent {
    let sender: Option<Sender<'_>> = None;
    let encoded = match exporter.encode(&item.batch.bytes).await {
        Ok(encoded) => encoded,
        Err(failure) => return Sent::Failed(failure.reason()),
    };
    match exporter.send(item.batch.signal, sender, &encoded).await {
        Ok(partial) if partial.rejected == 0 => Sent::Taken,
        Ok(partial) => Sent::Rejected(partial.rejected),
        Err(failure) => Sent::Failed(failure.reason()),
    }
}

fn purge(args: &PurgeArgs) -> Result<Code, Failure> {
    let store = open(&args.config)?;
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

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write as _},
        net::TcpListener,
        path::Path,
    };

    use bytes::Bytes;

    use super::*;
    use crate::{batch::Batch, buffer::quarantine::Quarantine};

    const TENANT: TenantId = TenantId(uuid::Uuid::from_u128(7));

    fn settings(directory: &Path) -> Settings {
        Settings { directory: directory.into(), ..Settings::default() }
    }

    fn put(directory: &Path, batches: u32) {
        let quarantine = Quarantine::open(&settings(directory)).unwrap();
        for _ in 0..batches {
            let batch = Batch::clean(Signal::Logs, TENANT, 1, Bytes::from_static(b"\x0a\x00"));
            assert_eq!(quarantine.put(batch, Reason::UnknownTenant, 1).wait_blocking(), Ok(()));
        }
        quarantine.close();
    }

    fn kept(directory: &Path) -> u64 {
        Store::open(&settings(directory)).unwrap().list().unwrap().iter().map(|group| group.batches).sum()
    }

    /// Answers one request after the other with these bodies; `before` runs before each answer.
    fn gate(bodies: &'static [&'static [u8]], before: impl Fn() + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for body in bodies {
                let mut socket = listener.accept().unwrap().0;
                let mut head = [0; 4096];
                assert!(socket.read(&mut head).unwrap() > 0);
                before();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                socket.write_all(&[head.as_bytes(), body].concat()).unwrap();
            }
        });
        format!("http://{address}")
    }

    fn run_replay(directory: &Path, endpoint: &str) -> Result<Code, Failure> {
        let sets = vec![format!("buffer.directory={}", directory.display())];
        replay(&ReplayArgs {
            which: Which::default(),
            endpoint: endpoint.into(),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            config: ConfigArgs { files: Vec::new(), sets },
        })
    }

    /// A partial success with one item rejected.
    const REJECTED: &[u8] = b"\x0a\x02\x08\x01";

    /// Scenario: a gate takes all; one rejects and keeps nothing; none is there. Guarantee: only what was
    /// taken is removed.
    #[test]
    fn only_what_was_taken_goes() {
        let here = tempfile::tempdir().unwrap();
        put(here.path(), 2);
        assert_eq!(run_replay(here.path(), "http://127.0.0.1:1"), Ok(Code::Failed));
        assert_eq!(kept(here.path()), 2);
        assert_eq!(run_replay(here.path(), &gate(&[b"", REJECTED], || ())), Ok(Code::Failed));
        assert_eq!(kept(here.path()), 1);
        assert_eq!(run_replay(here.path(), &gate(&[b""], || ())), Ok(Code::Ok));
        assert_eq!(kept(here.path()), 0);
    }

    /// Scenario: a gate rejects again and puts it into this quarantine. Guarantee: it is there once.
    #[test]
    fn what_is_rejected_again_is_kept_once() {
        let here = tempfile::tempdir().unwrap();
        put(here.path(), 1);
        let directory = here.path().to_owned();
        assert_eq!(run_replay(here.path(), &gate(&[REJECTED], move || put(&directory, 1))), Ok(Code::Failed));
        assert_eq!(kept(here.path()), 1);
    }

    /// Scenario: a header without a name. Guarantee: the message does not repeat it.
    #[test]
    fn headers_are_not_repeated() {
        assert_eq!(header("A: b=c").unwrap(), ("a".into(), Secret::new("b=c")));
        assert_eq!(header("authorization=Bearer a:b").unwrap().1.expose(), "Bearer a:b");
        assert!(!header("hunter2").unwrap_err().contains("hunter2"));
        assert_eq!(age(now()), "0s");
    }
}
