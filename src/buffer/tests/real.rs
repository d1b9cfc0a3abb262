//! The whole journal with its thread on the real disk.

use super::*;
use crate::buffer::Journal;

fn settings(dir: &tempfile::TempDir) -> Settings {
    Settings { directory: dir.path().join("data"), ..Settings::default() }
}

/// Scenario: append, read, commit, close, open again. Guarantee: an OK after it is on the disk; the
/// committed does not come again, the rest does; a second gate is refused meanwhile.
#[test]
fn a_life_on_the_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let names = [READER.to_owned()];
    let journal = Journal::open(settings(&dir), &names).unwrap();
    let second = Journal::open(settings(&dir), &names).err().unwrap();
    assert!(second.to_string().contains("another gate is running"), "{second}");
    let mut reader = journal.reader(READER).unwrap();
    assert!(journal.reader(READER).is_err() && journal.reader("nobody").is_err());
    let tickets: Vec<_> = (1..=10)
        .map(|id| {
            let (receipt, ticket) = receipt::pair();
            journal.append(batch(id, 0, 1000), 7, receipt);
            ticket
        })
        .collect();
    for ticket in tickets {
        assert_eq!(ticket.wait_blocking(), Ok(()));
    }
    for id in 1..=6 {
        let record = reader.next(WAIT).unwrap();
        assert_eq!(id_of(&record), id);
        if id <= 4 {
            reader.commit(record.sequence);
        }
    }
    assert!(journal.close(WAIT));
    drop((reader, journal));
    let journal = Journal::open(settings(&dir), &names).unwrap();
    let mut reader = journal.reader(READER).unwrap();
    let rest: Vec<u64> = std::iter::from_fn(|| reader.try_next()).map(|r| id_of(&r)).collect();
    assert_eq!(rest, (5..=10).collect::<Vec<_>>());
}

/// Scenario: threads append while tasks read, one of two destinations by header only; then the gate
/// drains. Guarantee: all that was accepted arrives once and in order, and reading ends by itself.
#[test]
fn tasks_read_while_threads_write() {
    let dir = tempfile::tempdir().unwrap();
    let names = [READER.to_owned(), "one-tenant".to_owned()];
    let settings = Settings { segment_bytes: 1 << 20, ..settings(&dir) };
    let journal = Journal::open(settings, &names).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_time().worker_threads(2).build().unwrap();
    let mut all = journal.reader(READER).unwrap();
    let mut one = journal.reader("one-tenant").unwrap();
    let all = runtime.spawn(async move {
        let mut ids = Vec::new();
        while let Some(record) = all.recv().await {
            ids.push((record.sequence, id_of(&record)));
            all.commit(record.sequence);
        }
        ids
    });
    let one = runtime.spawn(async move {
        let mut ids = Vec::new();
        while let Some(record) = one.recv_matching(|h| h.tenant == tenant(1)).await {
            ids.push(id_of(&record));
            one.done(record.sequence);
        }
        ids
    });
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let journal = journal.clone();
            std::thread::spawn(move || {
                for n in 0..100 {
                    let (receipt, ticket) = receipt::pair();
                    journal.append(batch(1 + t * 100 + n, t as usize, 20_000), 7, receipt);
                    if n % 10 == 9 {
                        assert_eq!(ticket.wait_blocking(), Ok(()));
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert!(journal.drain(WAIT));
    let (receipt, ticket) = receipt::pair();
    journal.append(batch(999, 0, 10), 7, receipt);
    assert!(ticket.wait_blocking().unwrap_err().retryable());
    let ids = runtime.block_on(all).unwrap();
    assert!(ids.is_sorted_by_key(|(sequence, _)| *sequence));
    let mut numbers: Vec<u64> = ids.into_iter().map(|(_, id)| id).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=400).collect::<Vec<_>>());
    assert_eq!(runtime.block_on(one).unwrap(), (101..=200).collect::<Vec<_>>());
    assert!(journal.close(WAIT));
    assert_eq!(journal.stats().segments, 0, "all is consumed");
}

/// Scenario: 370 kB batches from four threads, each waiting for its OK, with one reader, on the disk
/// under the current directory. Guarantee: none; prints the throughput and the CPU time.
/// Run it with `cargo test --release --lib throughput -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn throughput() {
    const BATCHES: u64 = 1500;
    const BYTES: usize = 370_000;
    let cpu = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let ticks = stat.split_whitespace().skip(13).take(2).filter_map(|t| t.parse::<f64>().ok());
        ticks.sum::<f64>() / 100.0
    };
    let dir = tempfile::tempdir_in(".").unwrap();
    let journal = Journal::open(settings(&dir), &[READER.to_owned()]).unwrap();
    let mut reader = journal.reader(READER).unwrap();
    let data = Bytes::from(vec![0x5A; BYTES]);
    for (threads, in_flight) in [(1, 1), (4, 1), (4, 8)] {
        let (begun, cpu_begun) = (std::time::Instant::now(), cpu());
        let slowest = std::thread::scope(|scope| {
            let each = BATCHES / threads;
            let handles: Vec<_> = (0..threads as usize)
                .map(|t| {
                    let (journal, data) = (&journal, &data);
                    scope.spawn(move || {
                        let mut tickets = std::collections::VecDeque::new();
                        let mut waits = Vec::new();
                        for _ in 0..each {
                            let (receipt, ticket) = receipt::pair();
                            let batch = Batch::clean(Signal::Logs, tenant(t), 1000, data.clone());
                            journal.append(batch, 0, receipt);
                            tickets.push_back((std::time::Instant::now(), ticket));
                            if tickets.len() >= in_flight
                                && let Some((at, ticket)) = tickets.pop_front()
                            {
                                ticket.wait_blocking().unwrap();
                                waits.push(at.elapsed());
                            }
                        }
                        tickets.into_iter().for_each(|(_, ticket)| ticket.wait_blocking().unwrap());
                        waits.sort();
                        waits[waits.len() * 99 / 100]
                    })
                })
                .collect();
            for _ in 0..each * threads {
                let record = reader.next(WAIT).unwrap();
                reader.commit(record.sequence);
            }
            handles.into_iter().map(|h| h.join().unwrap()).max().unwrap_or_default()
        });
        let (took, used) = (begun.elapsed().as_secs_f64(), cpu() - cpu_begun);
        let megabytes = (BATCHES * BYTES as u64) as f64 / 1e6;
        println!(
            "{threads} threads x {in_flight} in flight: {:.0} MB/s, {:.2} ms of CPU a MB (write and read), p99 {slowest:?}",
            megabytes / took,
            used * 1e3 / megabytes,
        );
    }
}
