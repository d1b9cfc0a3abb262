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
