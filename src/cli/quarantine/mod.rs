//! `quarantine`: what was rejected, beside a running gate or without one.

mod replay;
mod show;

use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use super::{Code, Failure, config::ConfigArgs, say, show};
use crate::{
    batch::{Signal, TenantId},
    buffer::{
        Settings,
        quarantine::{Filter, Group, Reason, Store, Unread},
    },
    config::{Config, Environment, Secret, duration},
    identify::normalise,
};

/// What is done with the quarantine.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// What is kept, by tenant, reason and signal
    List(ListArgs),
    /// The items themselves, scrubbed as they are kept: one JSON object a batch
    Show(ShowArgs),
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

/// The options of `portcullis quarantine show`.
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// Of these.
    #[command(flatten)]
    pub which: Which,
    /// So many batches, the oldest first
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
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
        Filter {
            tenant: self.tenant,
            reason: self.reason,
            signal: self.signal,
            before_unix_nano: before,
            since_unix_nano: None,
        }
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
        Verb::Show(args) => show::show(args),
        Verb::Replay(args) => replay::replay(args),
        Verb::Purge(args) => purge(args),
    }
}

/// The store of a configuration; none where nothing was ever kept.
fn open(args: &ConfigArgs) -> Result<Option<Store>, Failure> {
    open_with(args, true)
}

/// The same; who only counts and removes needs no key.
fn open_with(args: &ConfigArgs, keys: bool) -> Result<Option<Store>, Failure> {
    let config: Config = args.load(Environment::Process)?.decode()?;
    let mut settings: Settings = config.buffer;
    if !keys {
        (settings.quarantine.key_file, settings.quarantine.previous_key_files) = (None, Vec::new());
    }
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
    let groups = groups(open_with(&args.config, false)?.as_ref(), &args.which)?;
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

/// Says what could not be read, and why.
fn say_unread(unread: Unread) {
    for (why, batches) in unread.reasons() {
        say(&format!("{batches} batches were left out: {why}"));
    }
}

/// How long ago a time was, in its largest unit.
fn age(unix_nano: u64) -> String {
    super::age(Duration::from_nanos(now().saturating_sub(unix_nano)))
}

fn purge(args: &PurgeArgs) -> Result<Code, Failure> {
    let store = open_with(&args.config, false)?;
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
    use super::*;

    /// Scenario: a header without a name. Guarantee: the message does not repeat it.
    #[test]
    fn headers_are_not_repeated() {
        assert_eq!(header("A: b=c").unwrap(), ("a".into(), Secret::new("b=c")));
        assert_eq!(header("authorization=Bearer a:b").unwrap().1.expose(), "Bearer a:b");
        assert!(!header("hunter2").unwrap_err().contains("hunter2"));
        assert_eq!(age(now()), "0s");
    }
}
