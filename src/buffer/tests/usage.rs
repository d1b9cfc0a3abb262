//! Usage, counted from a journal on a disk that fails at any call. Every batch has a tenant of its own, so that each
//! is held against what is counted of it alone.

use proptest::prelude::*;

use super::*;
use crate::{
    batch::Signal,
    buffer::{Accounting, Counting, Mark, count, faulty::Fault, lanes::Entry},
    usage::{Around, Counter, Day, Happened, Ledger, Out, Rejected, Row, destination_code},
};

const ALL: &str = "all";
const ODD: &str = "odd";
const DAYS: u64 = 86_400 * 1_000_000_000;

fn wanted(destination: &str, tenant: TenantId) -> bool {
    destination == ALL || tenant.0.as_u128() % 2 == 1
}

/// A destination's reader, and what is in its hands.
struct Hands {
    reader: Reader,
    done: Vec<u64>,
    /// Those that it refuses in part, and whether that is durable.
    refused: Vec<(Record, Option<Waiting>)>,
}

struct Run {
    shared: Arc<Shared>,
    writer: Writer,
    hands: Vec<Hands>,
    ledger: Ledger,
    counter: Counter,
}

/// Batches and rejected batches by id (their tenant): whether they were accepted.
struct Usage {
    disk: FaultyDisk,
    dice: Dice,
    run: Option<Run>,
    data: BTreeMap<u64, bool>,
    rejected: BTreeMap<u64, bool>,
    waiting: Vec<(u64, Waiting)>,
    next_id: u64,
}

fn items(id: u64) -> u64 {
    10 + id % 5
}

fn received(id: u64) -> u64 {
    1000 + id
}

/// What the destination refuses of a record that it takes in part.
fn refused(id: u64) -> u64 {
    if id.is_multiple_of(7) { 3 } else { 0 }
}

fn id_of_tenant(tenant: TenantId) -> u64 {
    tenant.0.as_u128() as u64
}

fn own(id: u64) -> TenantId {
    TenantId(Uuid::from_u128(u128::from(id)))
}

impl Usage {
    fn new(disk: FaultyDisk, seed: u64) -> Usage {
        let mut usage = Usage {
            disk,
            dice: Dice(seed),
            run: None,
            data: BTreeMap::new(),
            rejected: BTreeMap::new(),
            waiting: Vec::new(),
            next_id: 1,
        };
        usage.open();
        usage
    }

    fn try_open(&self) -> Result<Run, String> {
        let disk: Arc<FaultyDisk> = Arc::new(self.disk.clone());
        let settings = crate::usage::Settings::default();
        let ledger = Ledger::open_on(disk.clone(), std::path::Path::new("/data"), &settings)?;
        let names = [ALL.to_owned(), ODD.to_owned()];
        let (shared, next, _) = journal::prepare(disk, small(), &names).map_err(|e| e.to_string())?;
        let next = count::begin(&shared, next, ledger.counted());
        let writer = Writer::new(Arc::clone(&shared), next);
        let hands = names.iter().map(|name| {
            let reader = journal::reader(&shared, name).unwrap();
            Hands { reader, done: Vec::new(), refused: Vec::new() }
        });
        let hands = hands.collect();
        let around =
            Around { wanted: Box::new(|name, _, _, tenant| wanted(name, tenant)), series: Box::new(|_| {}) };
        let counter =
            ledger.counter(Counting::new(Arc::clone(&shared)), around).map_err(|e| e.to_string())?;
        Ok(Run { shared, writer, hands, ledger, counter })
    }

    fn open(&mut self) {
        for _ in 0..10 {
            match self.try_open() {
                Ok(run) => return self.run = Some(run),
                Err(_) => self.disk.crash(&mut self.dice),
            }
        }
        panic!("the ledger or the journal does not open");
    }

    fn crash(&mut self) {
        self.run = None;
        self.settle();
        self.disk.crash(&mut self.dice);
        self.open();
    }

    fn run(&mut self) -> &mut Run {
        self.run.as_mut().unwrap()
    }

    fn append(&mut self, len: usize, reject: bool) {
        let id = self.next_id;
        self.next_id += 1;
        let (receipt, ticket) = receipt::pair();
        self.waiting.push((id, Box::pin(ticket.wait())));
        let counts = Accounting { received_bytes: received(id) as u32, redacted: 2, ..Accounting::default() };
        let shared = Arc::clone(&self.run().shared);
        let entry = if reject {
            self.rejected.insert(id, false);
            let reason = Happened::Rejected(Rejected::UnknownTenant).code();
            let (tenant, items, note) = (own(id), items(id) as u32, counts.pack());
            let mark = Mark { tenant, signal: Signal::Logs, items, reason, epoch: 7, note, urgent: false };
            journal::marked(&mark, receipt)
        } else {
            self.data.insert(id, false);
            let batch =
                Batch::clean(Signal::Logs, own(id), items(id) as u32, Bytes::from(vec![id as u8; len + 1]));
            Entry { batch, epoch: 7, reason: 0, note: counts.pack(), urgent: false, receipt }
        };
        journal::push(&shared, entry, None);
        self.settle();
    }

    fn settle(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let (data, rejected) = (&mut self.data, &mut self.rejected);
        self.waiting.retain_mut(|(id, ticket)| match ticket.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                if let Some(accepted) = data.get_mut(id).or(rejected.get_mut(id)) {
                    *accepted = outcome.is_ok();
                }
                false
            }
        });
    }

    fn write(&mut self) -> bool {
        let more = self.run().writer.write_next();
        self.settle();
        more
    }

    fn read(&mut self, destination: usize) -> bool {
        let hands = &mut self.run().hands[destination];
        let name = hands.reader.name().to_owned();
        let Some(record) = hands.reader.try_next_matching(|header| wanted(&name, header.tenant)) else {
            return false;
        };
        if refused(id_of_tenant(record.batch.tenant)) > 0 {
            hands.refused.push((record, None));
        } else {
            hands.done.push(record.sequence);
        }
        true
    }

    /// What was taken is done with, but for `kept`; what was refused once the journal has its mark. Says whether nothing
    /// is left.
    fn done(&mut self, destination: usize, kept: usize) -> bool {
        let run = self.run.as_mut().unwrap();
        let Hands { reader, done, refused: parts } = &mut run.hands[destination];
        let mut context = Context::from_waker(Waker::noop());
        while done.len() > kept {
            reader.done(done.remove(0));
        }
        let mut left = Vec::new();
        for (record, ticket) in parts.drain(..) {
            let mut ticket = ticket.unwrap_or_else(|| {
                let (receipt, ticket) = receipt::pair();
                let mark = Mark {
                    tenant: record.batch.tenant,
                    signal: record.batch.signal,
                    items: refused(id_of_tenant(record.batch.tenant)) as u32,
                    reason: Happened::Undeliverable.code(),
                    epoch: destination_code(reader.name()),
                    note: record.sequence,
                    urgent: true,
                };
                journal::push(&run.shared, journal::marked(&mark, receipt), None);
                Box::pin(ticket.wait())
            });
            match ticket.as_mut().poll(&mut context) {
                Poll::Ready(Ok(())) => reader.done(record.sequence),
                Poll::Ready(Err(_)) => left.push((record, None)),
                Poll::Pending => left.push((record, Some(ticket))),
            }
        }
        *parts = left;
        done.is_empty() && parts.is_empty()
    }

    /// Counts; nothing is ever out of what came in.
    fn tick(&mut self, days: u64) -> bool {
        let now = crate::buffer::now_nanos() + days * DAYS;
        let done = self.run().counter.tick(now, true);
        if !self.disk.dead()
            && let Ok(rows) = self.rows()
        {
            for row in rows.values() {
                for out in row.destinations.values() {
                    let Out { delivered_items, undeliverable_items, held_items, elsewhere_items, .. } = out;
                    let sum = delivered_items + undeliverable_items + held_items + elsewhere_items;
                    assert_eq!(row.accepted_items, sum, "{row:?}");
                }
            }
        }
        done.is_ok()
    }

    /// All rows of all days, by id.
    fn rows(&mut self) -> std::io::Result<BTreeMap<u64, Row>> {
        let mut rows = BTreeMap::new();
        for report in self.run().ledger.report(None, None)? {
            for line in report.rows {
                let before = rows.insert(id_of_tenant(line.key.tenant), line.row);
                assert!(before.is_none(), "a day changed while the test ran, or a row stands twice");
            }
        }
        Ok(rows)
    }

    /// Everything is delivered and counted.
    fn drain(&mut self) {
        self.disk.heal();
        self.disk.set_room(None);
        if self.disk.dead() {
            self.crash();
        }
        loop {
            while self.write() {}
            while self.read(0) {}
            while self.read(1) {}
            if self.done(0, 0) & self.done(1, 0) {
                break;
            }
        }
        assert!(self.run().writer.keep());
        assert!(self.tick(0));
    }

    /// What is counted is what was told, once.
    fn check(&mut self) {
        let rows = self.rows().unwrap();
        for (id, accepted) in self.data.clone() {
            let row = rows.get(&id).cloned().unwrap_or_default();
            // One that was refused may have been kept all the same: then it is counted as it was delivered.
            let counted = row.accepted_items;
            assert!(counted == items(id) || counted == 0 && !accepted, "{id} {accepted}: {row:?}");
            if counted == 0 {
                assert_eq!(row, Row::default());
                continue;
            }
            assert_eq!((row.bytes_in, row.redacted_values), (received(id), 2));
            for name in [ALL, ODD] {
                let out = row.destinations.get(name).copied().unwrap_or_default();
                let goes = wanted(name, own(id));
                assert_eq!(out.delivered_items + out.undeliverable_items, if goes { counted } else { 0 });
                if accepted && goes {
                    assert_eq!(out.undeliverable_items, refused(id), "{id} to {name}: {row:?}");
                }
            }
        }
        for (id, accepted) in self.rejected.clone() {
            let row = rows.get(&id).cloned().unwrap_or_default();
            let counted = row.rejected_items.get(&Rejected::UnknownTenant).copied().unwrap_or(0);
            assert!(counted == items(id) || counted == 0 && !accepted, "{id} {accepted}: {row:?}");
            assert_eq!(row.accepted_items, 0);
            assert_eq!(row.rejected_bytes, if counted > 0 { received(id) } else { 0 });
        }
    }

    fn finish(&mut self) {
        self.drain();
        self.check();
        self.crash();
        self.drain();
        self.check();
        // The day is over: it leaves the totals for a file of its own.
        assert!(self.tick(2));
        self.check();
        let today = Day::of(crate::buffer::now_nanos());
        let reports = self.run().ledger.report(Some(today), None).unwrap();
        assert!(reports.iter().all(|report| report.complete || report.rows.is_empty()));
        // Nothing keeps segments any more.
        let state = self.run().shared.lock();
        let last = state.segments.values().map(|segment| segment.last).max().unwrap_or(0);
        assert!(state.consumed() >= last, "segments that nobody needs would stay");
        drop(state);
        // And late data of that day is added to it.
        self.append(10, false);
        self.drain();
        self.check();
    }
}

#[derive(Debug, Clone)]
enum Event {
    Append { len: usize, reject: bool },
    Write,
    Read(usize),
    Done { destination: usize, kept: usize },
    Keep,
    Tick { days: u64 },
    Fault { ahead: u64, fault: usize },
    Room(Option<usize>),
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0usize..2000, 0u8..4).prop_map(|(len, n)| Event::Append { len, reject: n == 0 }),
        5 => Just(Event::Write),
        8 => (0usize..2).prop_map(Event::Read),
        4 => (0usize..2, 0usize..3).prop_map(|(destination, kept)| Event::Done { destination, kept }),
        3 => Just(Event::Keep),
        4 => (0u64..3).prop_map(|days| Event::Tick { days: days / 2 * 2 }),
        2 => (0u64..12, 0usize..4).prop_map(|(ahead, fault)| Event::Fault { ahead, fault }),
        1 => proptest::option::of(0usize..6000).prop_map(Event::Room),
        1 => Just(Event::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Scenario: data, rejections, partial refusals, two destinations, failing calls, a full disk, days that end and
    /// crashes in any order. Guarantee: what was accepted, rejected, delivered and undeliverable is counted exactly
    /// once, and the sums of in and out are the same.
    #[test]
    fn usage_is_counted_once(events in prop::collection::vec(event(), 1..100), seed: u64) {
        let mut usage = Usage::new(FaultyDisk::default(), seed);
        for event in events {
            match event {
                Event::Append { len, reject } => usage.append(len, reject),
                Event::Write => { usage.write(); }
                Event::Read(destination) => { usage.read(destination); }
                Event::Done { destination, kept } => { usage.done(destination, kept); }
                Event::Keep => { usage.run().writer.keep(); }
                Event::Tick { days } => { usage.tick(days); }
                Event::Fault { ahead, fault } => usage.disk.fail_in(ahead, Fault::ALL[fault]),
                Event::Room(room) => usage.disk.set_room(room),
                Event::Crash => usage.crash(),
            }
            if usage.disk.dead() {
                usage.crash();
            }
        }
        usage.finish();
    }
}

/// `over`: everything is delivered, and its day is over, before the totals are ever written.
fn script(disk: &FaultyDisk, seed: u64, over: bool) {
    let mut usage = Usage::new(disk.clone(), seed);
    for round in 0..3 {
        for n in 0..7 {
            usage.append(200 * (1 + n), n % 3 == 2);
        }
        while usage.write() {}
        for destination in [0, 1] {
            for _ in 0..if over { 7 } else { 3 } {
                usage.read(destination);
            }
            usage.done(destination, 0);
        }
        while usage.write() {}
        usage.done(0, 0);
        usage.run().writer.keep();
        usage.tick(if over || round == 1 { 2 } else { 0 });
        if round == 1 || usage.disk.dead() {
            usage.crash();
        }
    }
    usage.finish();
}

/// Scenario: one fixed script, and at each call of the disk in turn an error, a short write, a full disk, a crash.
/// Guarantee: everything is counted exactly once.
#[test]
fn a_fault_at_any_call_counts_nothing_twice_or_never() {
    for over in [false, true] {
        let disk = FaultyDisk::default();
        script(&disk, 1, over);
        let calls = disk.calls();
        assert!(calls > 100, "the script must do something: {calls}");
        for at in 0..calls {
            for fault in if over { &[Fault::Crash][..] } else { &Fault::ALL } {
                let disk = FaultyDisk::default();
                disk.fail_in(at, *fault);
                script(&disk, at, over);
            }
        }
    }
}
