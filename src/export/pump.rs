//! From the journal to one destination: records are put together, sent with several requests on the wire,
//! and given back as done. What is not done when the pump stops is read again after the next start.

use std::{collections::VecDeque, future::Future, io::Write, sync::Arc, time::Duration};

use foldhash::HashMap;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    console::Console,
    otlp::{
        Exporter,
        deliver::{Delivered, Delivery, Refused},
    },
    settings::{Destination, Kind},
};
use crate::{
    batch::{Batch, Clean, Signal, TenantId},
    limits,
};

/// A durable batch on its way.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place in the journal.
    pub sequence: u64,
    /// The data.
    pub batch: Batch<Clean>,
}

/// Where records come from: a reader of the journal.
pub trait Records: Send {
    /// The next record whose sequence, signal and tenant are wanted; others count as done. `None` when nothing
    /// comes any more. Dropping the future must lose nothing.
    fn next(
        &mut self,
        wanted: &(dyn Fn(u64, Signal, TenantId) -> bool + Send + Sync),
    ) -> impl Future<Output = Option<Record>> + Send;
    /// A record is done with, in whatever order.
    fn done(&mut self, sequence: u64);
}

/// What the pump asks of the rest of the gate.
pub trait Surroundings: Send + Sync + 'static {
    /// Whether the routes lead the record of a tenant at this place of the journal to this destination.
    fn wanted(&self, sequence: u64, signal: Signal, tenant: TenantId) -> bool;
    /// Whether what stood at this place of the journal was destroyed since it was read.
    fn is_gone(&self, sequence: u64, tenant: TenantId) -> bool;
    /// The tenant's slug.
    fn slug(&self, tenant: TenantId) -> Option<String>;
    /// The tenant as a metric label, bounded.
    fn label(&self, tenant: TenantId) -> metrics::SharedString;
    /// Items of a record that the receiver will never take: returns once they are kept in the quarantine and
    /// counted, durably, however long that takes. The record is done only then.
    fn refused(&self, record: &Record, refused: &[Refused]) -> impl Future<Output = ()> + Send;
}

/// How the pump ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Records that were read and are not done: they are read again after the next start.
    pub left: usize,
}

/// Sends a journal's records to one destination.
pub struct Pump<S> {
    way: Way,
    name: Arc<str>,
    one_tenant: bool,
    max_request_bytes: usize,
    linger: Duration,
    in_flight: usize,
    surroundings: Arc<S>,
}

enum Way {
    Otlp(Delivery),
    Console(Console),
}

/// Records that are to go together.
struct Group {
    signal: Signal,
    records: Vec<Record>,
    bytes: usize,
    due: Instant,
}

/// What was read and is not on the wire.
#[derive(Default)]
struct Pending {
    /// Groups that wait for more, by signal, and by tenant where tenants are kept apart.
    open: HashMap<(Signal, Option<TenantId>), Group>,
    /// Groups that are large enough, or have waited enough.
    ready: VecDeque<Group>,
    bytes: usize,
}

impl Pending {
    fn has_room(&self) -> bool {
        self.bytes < limits::EXPORT_PENDING_BYTES && self.open.len() < limits::EXPORT_GROUPS
    }

    /// When the next open group has waited enough.
    fn due(&self) -> Option<Instant> {
        self.open.values().map(|group| group.due).min()
    }

    /// Closes the groups that have waited enough.
    fn close(&mut self, now: Instant) {
        self.ready.extend(self.open.extract_if(|_, group| group.due <= now).map(|(_, group)| group));
    }

    fn close_all(&mut self) {
        self.ready.extend(self.open.drain().map(|(_, group)| group));
    }

    fn take(&mut self) -> Option<Group> {
        let group = self.ready.pop_front()?;
        self.bytes -= group.bytes;
        Some(group)
    }

    fn records(&self) -> usize {
        self.ready.iter().chain(self.open.values()).map(|group| group.records.len()).sum()
    }
}

/// What a task comes back with.
struct Done {
    records: Vec<Record>,
    outcomes: Vec<Delivered>,
}

impl<S: Surroundings> Pump<S> {
    /// A pump for a destination. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// What [`Exporter::new`] finds wrong.
    pub fn new(destination: &Destination, surroundings: Arc<S>) -> Result<Self, String> {
        destination.check()?;
        let name: Arc<str> = destination.name.as_str().into();
        let (way, names_tenant) = match destination.kind {
            Kind::Console => (Way::Console(Console::default()), true),
            Kind::Otlp => {
                let exporter = Arc::new(Exporter::new(destination)?);
                let names_tenant = exporter.names_tenant();
                let delivery = Delivery {
                    exporter,
                    destination: Arc::clone(&name),
                    retry: destination.retry.clone(),
                    max_request_bytes: destination.max_request_bytes,
                };
                (Way::Otlp(delivery), names_tenant)
            }
        };
        Ok(Pump {
            way,
            name,
            one_tenant: names_tenant || destination.one_tenant,
            max_request_bytes: destination.max_request_bytes,
            linger: destination.linger,
            in_flight: destination.in_flight,
            surroundings,
        })
    }

    /// Shows records on the console by `render`.
    pub fn with_records(mut self, render: super::console::Render) -> Self {
        if let Way::Console(console) = &mut self.way {
            console.records = Some(render);
        }
        self
    }

    /// Pumps until `stop` holds a deadline, or the records end. Then nothing more is read, what was read is
    /// sent at once, and what is not taken by the deadline is left.
    pub async fn run<R: Records>(self, records: &mut R, mut stop: watch::Receiver<Option<Instant>>) -> Ended {
        let mut pending = Pending::default();
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let surroundings = Arc::clone(&self.surroundings);
        let wanted = move |sequence, signal, tenant| surroundings.wanted(sequence, signal, tenant);
        loop {
            self.start(&mut tasks, &mut pending);
            let due = pending.due();
            tokio::select! {
                biased;
                _ = stop.wait_for(Option::is_some) => break,
                Some(done) = tasks.join_next(), if !tasks.is_empty() => self.finish(records, done),
                () = until(due), if due.is_some() => pending.close(Instant::now()),
                record = records.next(&wanted), if pending.has_room() => match record {
                    Some(record) => self.put(&mut pending, record),
                    None => break,
                },
            }
        }
        pending.close_all();
        let deadline = async {
            // Whoever held the other end is gone: there is no time left.
            let deadline = stop.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
            sleep_until(deadline.unwrap_or_else(Instant::now)).await;
        };
        let drained = async {
            loop {
                self.start(&mut tasks, &mut pending);
                match tasks.join_next().await {
                    Some(done) => self.finish(records, done),
                    None => return,
                }
            }
        };
        tokio::select! {
            biased;
            () = drained => {}
            () = deadline => {}
        }
        // A request on the wire counts for one; its records stay undone.
        let left = pending.records() + tasks.len();
        tasks.abort_all();
        Ended { left }
    }

    /// Adds a record to its group.
    fn put(&self, pending: &mut Pending, record: Record) {
        let signal = record.batch.signal;
        let key = (signal, self.one_tenant.then_some(record.batch.tenant));
        let bytes = record.batch.bytes.len();
        let due = Instant::now() + self.linger;
        let new = || Group { signal, records: Vec::new(), bytes: 0, due };
        let group = pending.open.entry(key).or_insert_with(new);
        if group.bytes + bytes > self.max_request_bytes && !group.records.is_empty() {
            pending.ready.push_back(std::mem::replace(group, new()));
        }
        group.records.push(record);
        group.bytes += bytes;
        let full = group.bytes >= self.max_request_bytes / 2 || group.records.len() >= limits::EXPORT_RECORDS;
        if full && let Some(group) = pending.open.remove(&key) {
            pending.ready.push_back(group);
        }
        pending.bytes += bytes;
    }

    /// Sends groups, as many as may be on the wire.
    fn start(&self, tasks: &mut JoinSet<Done>, pending: &mut Pending) {
        while tasks.len() < self.in_flight
            && let Some(group) = pending.take()
        {
            let Group { signal, mut records, .. } = group;
            let is_gone =
                |record: &mut Record| self.surroundings.is_gone(record.sequence, record.batch.tenant);
            let gone: Vec<Record> = records.extract_if(.., is_gone).collect();
            if !gone.is_empty() {
                let outcomes = gone.iter().map(|_| Delivered { sent: 0, refused: Vec::new() }).collect();
                tasks.spawn(std::future::ready(Done { records: gone, outcomes }));
            }
            if records.is_empty() {
                continue;
            }
            let delivery = match &self.way {
                Way::Otlp(delivery) => delivery.clone(),
                Way::Console(console) => {
                    let outcomes = records.iter().map(|record| show(*console, &record.batch)).collect();
                    tasks.spawn(std::future::ready(Done { records, outcomes }));
                    continue;
                }
            };
            let tenant = records.first().map(|record| record.batch.tenant).filter(|_| self.one_tenant);
            let slug = tenant.and_then(|tenant| self.surroundings.slug(tenant));
            let surroundings = Arc::clone(&self.surroundings);
            tasks.spawn(async move {
                let batches: Vec<Batch<Clean>> = records.iter().map(|record| record.batch.clone()).collect();
                let outcomes = delivery.deliver(signal, slug.as_deref(), &batches).await;
                let each = records.iter().zip(&outcomes);
                for (record, delivered) in each.filter(|(_, delivered)| !delivered.refused.is_empty()) {
                    surroundings.refused(record, &delivered.refused).await;
                }
                Done { records, outcomes }
            });
        }
    }

    /// Counts what became of records and gives them back.
    fn finish<R: Records>(&self, records: &mut R, done: Result<Done, tokio::task::JoinError>) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                // Its records stay undone: they are sent again after the next start, never lost.
                tracing::error!(destination = &*self.name, error = %error, "a delivery broke off");
                return;
            }
        };
        for (record, delivered) in done.records.iter().zip(&done.outcomes) {
            let Batch { signal, tenant, .. } = record.batch;
            if delivered.sent > 0 {
                metrics::counter!("portcullis_exporter_sent_items_total",
                    "destination" => self.name.to_string(), "signal" => signal.as_str(),
                    "tenant_id" => self.surroundings.label(tenant))
                .increment(delivered.sent);
            }
            for refused in &delivered.refused {
                metrics::counter!("portcullis_exporter_rejected_items_total",
                    "destination" => self.name.to_string(), "signal" => signal.as_str())
                .increment(refused.items);
                tracing::warn!(
                    destination = &*self.name, signal = signal.as_str(), tenant_id = %tenant,
                    items = refused.items, reason = refused.reason, "items refused for good"
                );
            }
            records.done(record.sequence);
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn show(console: Console, batch: &Batch<Clean>) -> Delivered {
    let mut out = std::io::stdout().lock();
    if let Err(error) = console.write(batch, &mut out).and_then(|()| out.flush()) {
        tracing::debug!(error = %error, "the console does not take a batch");
    }
    Delivered { sent: u64::from(batch.items), refused: Vec::new() }
}

#[cfg(test)]
#[path = "pump_tests.rs"]
mod tests;
