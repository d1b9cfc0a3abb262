//! `quarantine replay`.

use std::{collections::BTreeMap, time::Duration};

use super::{ReplayArgs, now, open, open_with, say_unread};
use crate::{
    batch::Signal,
    buffer::quarantine::{Filter, Item, Store},
    cli::{Code, Failure, say},
    export::{
        otlp::{Exporter, Sender},
        settings::{Destination, Protocol},
    },
};

/// Gives up after this many batches one after the other that could not be delivered.
const FAILURES: u32 = 3;

pub(super) fn replay(args: &ReplayArgs) -> Result<Code, Failure> {
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
    let watch = Watch { store: open_with(&args.config, false)?, keeps: None };
    let mut replay = Replay { watch, taken: 0, again: 0, failures: 0, reasons: BTreeMap::new() };
    let result = store.replay(filter, |item| {
        replay.failures < FAILURES && {
            let since = now();
            let sent = runtime.block_on(send(&exporter, item));
            replay.removes(item, sent, since)
        }
    });
    let done = result.map_err(|error| Failure::io("the quarantine", &error))?;
    let Replay { taken, again, failures, reasons, .. } = replay;
    let kept = done.kept + done.unread.batches();
    say(&format!("{taken} batches were taken and removed, {again} were rejected again, {kept} are kept"));
    say_unread(done.unread);
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
            let filter = Filter { signal: Some(signal), since_unix_nano: Some(since), ..Filter::default() };
            let newer = || self.store.as_ref()?.count(filter).ok();
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

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
