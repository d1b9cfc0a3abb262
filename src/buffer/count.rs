//! The journal as whoever counts sees it: headers alone, and what became of them.
//!
//! Counting is one more reader, whose place is kept by the counter itself: a segment stays until it is counted.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    record::Header,
    segment::{Scanner, Step},
    state::Shared,
};
use crate::limits;

/// What was durably counted before a journal is opened, as sequences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Everything up to here is counted for good: its segments may go.
    pub least: u64,
    /// The last that was counted at all: new records must come after it.
    pub last: u64,
}

/// Readies a journal for somebody who counts. Returns the sequence to go on with.
pub(super) fn begin(shared: &Shared, next: u64, counted: Counted) -> u64 {
    let mut state = shared.lock();
    state.counted = Some(counted.least);
    for progress in state.readers.values_mut() {
        progress.fates = Some(Fates { since: progress.done, list: VecDeque::new() });
    }
    next.max(counted.last.saturating_add(1))
}

/// What a reader did with records, for whoever counts: those not in it were not for this reader.
pub struct Fates {
    /// Nothing is known of records up to here.
    since: u64,
    /// Sequence, and whether its data was sound.
    list: VecDeque<(u64, bool)>,
}

impl Fates {
    /// A record was handed out, or was wanted and is damaged.
    pub fn note(&mut self, sequence: u64, sound: bool) {
        // Somebody who does not count for long makes the oldest unknown.
        if self.list.len() >= limits::USAGE_FATES
            && let Some((oldest, _)) = self.list.pop_front()
        {
            self.since = oldest;
        }
        self.list.push_back((sequence, sound));
    }

    /// Everything after `position` is read again.
    pub fn rewind(&mut self, position: u64) {
        while self.list.back().is_some_and(|(sequence, _)| *sequence > position) {
            self.list.pop_back();
        }
    }
}

/// What became of records for one reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Nothing is known of records up to here.
    pub since: u64,
    /// Those that were for this reader, and whether their data was sound.
    pub list: Vec<(u64, bool)>,
}

/// The journal, for whoever counts. Does not keep it open.
#[derive(Clone)]
pub struct Counting(Arc<Shared>);

impl Counting {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Counting(shared)
    }

    /// Each reader and the sequence up to which it is durably done.
    pub fn cursors(&self) -> Vec<(String, u64)> {
        self.0.lock().readers.iter().map(|(name, reader)| (name.clone(), reader.durable)).collect()
    }

    /// The headers of all durable records after a sequence.
    pub fn headers(&self, after: u64) -> Headers {
        Headers {
            shared: Arc::clone(&self.0),
            scanner: None,
            position: after,
            attempts: 0,
            failing_since: None,
            patience: limits::READ_PATIENCE,
        }
    }

    /// Takes what is known of a reader's records up to `sequence`, which must be durably done: what is done may
    /// not be read again.
    pub fn fates(&self, reader: &str, sequence: u64) -> Known {
        let mut state = self.0.lock();
        let Some(fates) = state.readers.get_mut(reader).and_then(|reader| reader.fates.as_mut()) else {
            return Known { since: u64::MAX, list: Vec::new() };
        };
        let known = fates.list.partition_point(|(of, _)| *of <= sequence);
        Known { since: fates.since, list: fates.list.drain(..known).collect() }
    }

    /// Everything up to `sequence` is durably counted.
    pub fn counted(&self, sequence: u64) {
        self.0.lock().counted = Some(sequence);
    }
}

/// Reads headers in the order of their sequence.
pub struct Headers {
    shared: Arc<Shared>,
    scanner: Option<Scanner>,
    position: u64,
    /// Failed attempts to read this place.
    attempts: u32,
    failing_since: Option<Instant>,
    patience: Duration,
}

impl Headers {
    /// The last sequence passed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next durable header whose sequence is at most `limit`. Damaged places are passed over.
    ///
    /// # Errors
    /// The disk's; the same place is tried again by the next call, and passed over after a long time.
    pub fn next(&mut self, limit: u64) -> io::Result<Option<Header>> {
        match self.advance(limit) {
            Ok(header) => {
                (self.attempts, self.failing_since) = (0, None);
                Ok(header)
            }
            Err(error) => {
                self.failed();
                Err(error)
            }
        }
    }

    /// Everything up to `sequence` was looked at: no header of it is to come.
    pub fn pass(&mut self, sequence: u64) {
        self.position = self.position.max(sequence);
    }

    fn advance(&mut self, limit: u64) -> io::Result<Option<Header>> {
        loop {
            let Some((base, len, sealed, last)) = self.segment() else {
                if self.scanner.take().is_none() {
                    return Ok(None);
                }
                continue;
            };
            let scanner = match &mut self.scanner {
                Some(scanner) => scanner,
                none => match Scanner::open(&*self.shared.disk, &self.shared.dir, base) {
                    Ok(Some(scanner)) => none.insert(scanner),
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    // Its head is destroyed, or somebody has taken the file away: a reader says so.
                    Ok(None) | Err(_) => {
                        self.position = last;
                        continue;
                    }
                },
            };
            match scanner.peek(len)? {
                Step::End if sealed => {
                    self.position = self.position.max(last);
                    self.scanner = None;
                }
                Step::End => {
                    scanner.look_again();
                    return Ok(None);
                }
                Step::Damaged { to, .. } => scanner.pass_to(to),
                Step::Record(header) if header.sequence > limit => {
                    // It may be erased before it is its turn.
                    scanner.look_again();
                    return Ok(None);
                }
                Step::Record(header) => {
                    scanner.pass(&header);
                    if header.sequence > self.position {
                        self.position = header.sequence;
                        return Ok(Some(header));
                    }
                }
            }
        }
    }

    /// The segment to read now, how far, whether it is final, and its last sequence.
    fn segment(&self) -> Option<(u64, u64, bool, u64)> {
        let state = self.shared.lock();
        let (base, segment) = match &self.scanner {
            Some(scanner) => state.segments.get_key_value(&scanner.base())?,
            None => state.segments.iter().find(|(_, segment)| segment.last > self.position)?,
        };
        Some((*base, segment.len, segment.sealed, segment.last))
    }

    /// As a reader does it: one bad sector must not hold the journal's segments for ever.
    fn failed(&mut self) {
        self.attempts += 1;
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if self.attempts < limits::READ_ATTEMPTS || since.elapsed() < self.patience {
            return;
        }
        if let Some(scanner) = &mut self.scanner {
            let len = self.shared.lock().segments.get(&scanner.base()).map_or(0, |segment| segment.len);
            scanner.pass_sector(len);
            (self.attempts, self.failing_since) = (0, None);
        }
    }
}
