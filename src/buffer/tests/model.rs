//! Any order of events.

use proptest::prelude::*;

use super::*;
use crate::buffer::faulty::Fault;

#[derive(Debug, Clone)]
enum Event {
    Append { tenant: usize, len: usize },
    Write,
    Read,
    Commit,
    Done { back: usize },
    Rewind,
    Keep,
    Fault { ahead: u64, fault: usize },
    Room(Option<usize>),
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0usize..4, 0usize..3000).prop_map(|(tenant, len)| Event::Append { tenant, len }),
        5 => Just(Event::Write),
        8 => Just(Event::Read),
        2 => Just(Event::Commit),
        2 => (0usize..4).prop_map(|back| Event::Done { back }),
        1 => Just(Event::Rewind),
        2 => Just(Event::Keep),
        2 => (0u64..12, 0usize..4).prop_map(|(ahead, fault)| Event::Fault { ahead, fault }),
        1 => proptest::option::of(0usize..6000).prop_map(Event::Room),
        1 => Just(Event::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Scenario: appends, writes, reads, commits, failing calls, a full disk, a small quota and crashes
    /// in any order. Guarantee: what was accepted is read at least once and in order, nothing is
    /// invented, a durable commit is not read again, and a well disk serves on.
    #[test]
    fn accepted_is_delivered(events in prop::collection::vec(event(), 1..120), seed: u64, tight: bool) {
        let quota_bytes = if tight { 16_384 } else { 1 << 20 };
        let mut model = Model::new(FaultyDisk::default(), seed, Settings { quota_bytes, ..small() });
        for event in events {
            match event {
                Event::Append { tenant, len } => model.append(tenant, len),
                Event::Write => { model.write(); }
                Event::Read => { model.read(); }
                Event::Commit => model.commit(),
                Event::Done { back } => {
                    let run = model.run.as_mut().unwrap();
                    run.reader.done(run.last_sequence.saturating_sub(back as u64));
                }
                Event::Rewind => {
                    let run = model.run.as_mut().unwrap();
                    run.reader.rewind();
                    run.last_sequence = 0;
                    run.last_of_tenant.clear();
                }
                Event::Keep => { model.run.as_mut().unwrap().writer.keep(); }
                Event::Fault { ahead, fault } => model.disk.fail_in(ahead, Fault::ALL[fault]),
                Event::Room(room) => model.disk.set_room(room),
                Event::Crash => model.crash(),
            }
            if model.disk.dead() {
                model.crash();
            }
        }
        if tight {
            // A full quota is drained first, as the destinations would.
            model.disk.heal();
            model.disk.set_room(None);
            while model.write() {}
            while model.read() {}
            model.commit();
            model.run.as_mut().unwrap().writer.keep();
        }
        model.finish();
    }
}
