//! The ledger beside a whole journal on the real disk. What crashes do to it: `buffer/tests/usage.rs`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::{
    batch::{Batch, Signal},
    buffer::{self, Accounting, Journal, Mark, Reader},
    identify::Isolation,
    receipt,
};

const DAY: u64 = 86_400 * 1_000_000_000;
const ONE: TenantId = TenantId(Uuid::from_u128(1));
const TWO: TenantId = TenantId(Uuid::from_u128(2));

/// A gate's journal and ledger, stepped by hand.
struct Gate {
    journal: Journal,
    readers: Vec<Reader>,
    ledger: Ledger,
    counter: Counter,
}

impl Gate {
    fn open(data: &Path, destinations: &[&str]) -> Gate {
        let names: Vec<String> = destinations.iter().map(ToString::to_string).collect();
        let settings = buffer::Settings {
            directory: data.to_owned(),
            cursor_interval: Duration::from_millis(5),
            ..buffer::Settings::default()
        };
        let ledger = Ledger::open(data, &Settings::default()).unwrap();
        let journal = Journal::open_counted(settings, &names, ledger.counted()).unwrap();
        let readers = names.iter().map(|name| journal.reader(name).unwrap()).collect();
        let series = |each: &mut dyn FnMut(TenantId, Isolation, u64)| each(TWO, Isolation::Shared, 9);
        let around = Around { wanted: Box::new(|_, _, _, _| true), series: Box::new(series) };
        let counter = ledger.counter(journal.counting(), around).unwrap();
        Gate { journal, readers, ledger, counter }
    }

    fn put(&self, tenant: TenantId, items: u32, counts: &Accounting) {
        let (receipt, ticket) = receipt::pair();
        let batch = Batch::clean(Signal::Logs, tenant, items, Bytes::from_static(b"twelve bytes"));
        self.journal.append_counted(batch, 1, counts, None, receipt);
        ticket.wait_blocking().unwrap();
    }

    fn mark(&self, tenant: TenantId, happened: Happened, items: u32, counts: &Accounting) {
        let (receipt, ticket) = receipt::pair();
        let (signal, reason, note) = (Signal::Logs, happened.code(), counts.pack());
        self.journal.mark(&Mark { tenant, signal, items, reason, epoch: 1, note, urgent: false }, receipt);
        ticket.wait_blocking().unwrap();
    }

    /// Delivers everything to all, and counts until nothing waits.
    fn deliver(&mut self) {
        let begin = Instant::now();
        loop {
            for reader in &mut self.readers {
                while let Some(record) = reader.try_next() {
                    reader.done(record.sequence);
                }
            }
            self.counter.tick(now(), true).unwrap();
            let reports = self.ledger.report(None, None).unwrap();
            let mut rows = reports.iter().flat_map(|report| &report.rows);
            if rows.all(|line| line.row.out(|out| out.held_items) == 0) {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{reports:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn close(self) {
        assert!(self.journal.close(Duration::from_secs(20)));
    }

    /// The one row of a tenant's logs.
    fn row(&self, tenant: TenantId) -> Row {
        let reports = self.ledger.report(None, Some(tenant)).unwrap();
        let rows = reports.into_iter().flat_map(|report| report.rows);
        let mut rows: Vec<Line> = rows.filter(|line| line.key.signal == Signal::Logs).collect();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0).row
    }
}

fn counts(received_bytes: u32) -> Accounting {
    Accounting { received_bytes, ..Accounting::default() }
}

/// Scenario: a record of a former version, one of the gate's own, one of a tenant that is not listed, and every kind of
/// mark. Guarantee: bytes fall back to the payload's; the gate's own is not counted; the unlisted is the nil tenant's.
#[test]
fn each_kind_is_counted_where_it_belongs() {
    let data = tempfile::tempdir().unwrap();
    let mut gate = Gate::open(data.path(), &["backend"]);
    gate.put(ONE, 5, &Accounting::default());
    gate.put(ONE, 7, &Accounting { own: true, ..counts(100) });
    gate.put(TWO, 3, &Accounting { unlisted: true, redacted: 4, ..counts(50) });
    gate.mark(ONE, Happened::Rejected(Rejected::SuspendedTenant), 2, &counts(30));
    gate.mark(ONE, Happened::Dropped(Dropped::Sample), 6, &counts(20));
    gate.mark(ONE, Happened::Redacted, 200_000, &Accounting::default());
    gate.deliver();
    let row = gate.row(ONE);
    assert_eq!((row.accepted_items, row.bytes_in, row.redacted_values), (5, 12 + 20, 200_000));
    assert_eq!(row.rejected_items, [(Rejected::SuspendedTenant, 2)].into());
    assert_eq!((row.rejected_bytes, row.dropped_items), (30, [(Dropped::Sample, 6)].into()));
    let out = row.destinations["backend"];
    assert_eq!((out.delivered_items, out.bytes_out, out.elsewhere_items), (5, 12, 0));
    let nobody = gate.row(TenantId::NONE);
    assert_eq!((nobody.accepted_items, nobody.bytes_in, nobody.redacted_values), (3, 50, 4));
    let series = gate.ledger.report(None, Some(TWO)).unwrap();
    assert_eq!(series[0].rows[0].row.series_peak, 9);
}

/// Scenario: a day that is over has its files, today has its totals; a tenant is forgotten; the gate starts again.
/// Guarantee: what there was is given back; it is in no file any more; the other tenant's is as it was; old files go.
#[test]
fn a_tenant_is_forgotten_everywhere() {
    let data = tempfile::tempdir().unwrap();
    let mut gate = Gate::open(data.path(), &["backend"]);
    std::fs::write(data.path().join("usage/2001-02-03.csv"), "old").unwrap();
    gate.put(ONE, 5, &counts(100));
    gate.put(TWO, 6, &counts(100));
    gate.deliver();
    gate.counter.tick(now() + 2 * DAY, true).unwrap();
    let today = Day::today();
    let file = |ending: &str| {
        let path = data.path().join(format!("usage/{today}.{ending}"));
        std::fs::read_to_string(path).unwrap()
    };
    assert!(file("json").contains("\"complete\":true") && file("csv").contains(&ONE.to_string()));
    assert!(!data.path().join("usage/2001-02-03.csv").exists());
    // Late data of that day opens it again.
    gate.put(ONE, 1, &counts(10));
    gate.deliver();
    assert_eq!(gate.row(ONE).accepted_items, 6);
    let gone = gate.ledger.forget(ONE).unwrap();
    assert_eq!((gone.len(), gone[0].rows[0].row.bytes_in), (1, 110));
    gate.close();
    in_no_file(data.path(), ONE);
    let gate = Gate::open(data.path(), &["backend"]);
    assert!(gate.ledger.report(None, Some(ONE)).unwrap().iter().all(|report| report.rows.is_empty()));
    assert_eq!(gate.row(TWO).accepted_items, 6);
    assert!(gate.ledger.forget(ONE).unwrap().is_empty());
}

/// No file of usage holds the tenant's id.
fn in_no_file(data: &Path, tenant: TenantId) {
    for entry in std::fs::read_dir(data.join("usage")).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains(&tenant.to_string()), "{}", path.display());
    }
}

/// Scenario: a destination is added, and another taken away, while the journal holds some of what is counted.
/// Guarantee: the new one is owed what the journal still has, and nothing of what was gone before.
#[test]
fn a_new_destination_is_owed_what_is_there() {
    let data = tempfile::tempdir().unwrap();
    let mut gate = Gate::open(data.path(), &["first"]);
    gate.put(ONE, 5, &counts(100));
    gate.deliver();
    gate.close();
    // The segment was kept until it was counted; it goes when the next journal ends.
    let mut gate = Gate::open(data.path(), &["first"]);
    gate.put(ONE, 6, &counts(100));
    gate.counter.tick(now(), true).unwrap();
    assert_eq!(gate.row(ONE).destinations["first"].held_items, 6);
    gate.close();
    let mut gate = Gate::open(data.path(), &["second"]);
    gate.counter.tick(now(), true).unwrap();
    let row = gate.row(ONE);
    let second = row.destinations["second"];
    assert_eq!(row.accepted_items, 11);
    assert_eq!(second.held_items + second.elsewhere_items, 11);
    assert!(second.held_items == 6 || second.held_items == 11, "{second:?}");
    gate.deliver();
    let row = gate.row(ONE);
    assert_eq!(row.destinations["second"].delivered_items, second.held_items);
    assert_eq!((row.destinations["first"].delivered_items, row.destinations["first"].held_items), (5, 0));
}

/// Scenario: totals that are noise, totals of a later version, and a report without a directory. Guarantee: the noise is
/// set aside and what the journal has is counted anew; the later version is refused; no report fails for want of files.
#[test]
fn damaged_totals_are_set_aside() {
    let data = tempfile::tempdir().unwrap();
    assert!(read(data.path(), None, None).unwrap().is_empty());
    let gate = Gate::open(data.path(), &["backend"]);
    gate.put(ONE, 5, &counts(100));
    gate.close();
    let current = data.path().join("usage/current.json");
    std::fs::write(&current, "{\"version\":1,\"read\":").unwrap();
    assert!(read(data.path(), None, None).is_err());
    let mut gate = Gate::open(data.path(), &["backend"]);
    gate.deliver();
    assert_eq!(gate.row(ONE).accepted_items, 5);
    assert!(data.path().join("usage/current.damaged").exists());
    let said = read(data.path(), Some(Day::today()), Some(ONE)).unwrap();
    assert_eq!(said, gate.ledger.report(Some(Day::today()), Some(ONE)).unwrap());
    gate.close();
    let later = std::fs::read_to_string(&current).unwrap().replace("\"version\":1", "\"version\":2");
    std::fs::write(&current, later).unwrap();
    let refused = Ledger::open(data.path(), &Settings::default()).unwrap_err();
    assert!(refused.contains("later version"), "{refused}");
}

/// Scenario: a record that was not on the disk when those behind it were counted is there after a restart (its fsync
/// failed, and it could not be cut off), and is delivered. Guarantee: it did not count as in, so it never counts as out;
/// what nobody needs any more is forgotten.
#[test]
fn what_was_passed_unseen_never_goes_out() {
    let batch = Batch::clean(Signal::Logs, ONE, 1, Bytes::from_static(b"x"));
    let header = |sequence| buffer::Header::of(&batch, sequence, 1, 0, now());
    let mut totals = Totals { out: [("backend".to_owned(), 0)].into(), ..Totals::default() };
    for sequence in [1, 2, 5] {
        totals.take_in(&header(sequence), &mut Changes::new());
    }
    totals.skip_to(6);
    let out: Vec<u64> = (1..=7).filter(|sequence| totals.goes_out(&header(*sequence))).collect();
    assert_eq!(out, [1, 2, 5, 7]);
    totals.passed("backend", 5);
    assert_eq!(Vec::from(totals.gaps.clone()), [(6, 6)]);
    assert_eq!(Totals::from_file(totals.file()), totals);
}
