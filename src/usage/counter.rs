//! Counting: reads the journal's headers, and keeps totals and files.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Changes, Day, DayFile, Fate, Files, Key, Totals, shown};
use crate::{
    batch::{Signal, TenantId},
    buffer::{Counting, Header, Headers},
    identify::Isolation,
};

/// How long a day is over before its file is written, in nanoseconds: its last records may still be on their way.
const SLACK: u64 = 60 * 1_000_000_000;
/// Headers counted while others wait for the totals.
const STRETCH: usize = 4096;
/// Writing the totals takes at most one part in so many of the time.
const WRITING_SHARE: u32 = 20;

/// Whether routes lead a tenant's data to a destination now: asked where the journal does not know what became of it.
pub type Wanted = Box<dyn Fn(&str, u64, Signal, TenantId) -> bool + Send>;
/// Calls back with each tenant's series now: tenant, tier, series.
pub type Series = Box<dyn Fn(&mut dyn FnMut(TenantId, Isolation, u64)) + Send>;

/// What whoever counts asks of the rest of the gate.
pub struct Around {
    /// See [`Wanted`].
    pub wanted: Wanted,
    /// See [`Series`].
    pub series: Series,
}

/// Totals and files, for whoever counts, asks or forgets.
pub struct Book {
    /// The files.
    pub files: Files,
    totals: Mutex<Totals>,
    /// How long files are kept, in days.
    pub keep_days: u64,
}

impl Book {
    /// A book that goes on with totals.
    pub fn new(files: Files, totals: Totals, keep_days: u64) -> Book {
        Book { files, totals: Mutex::new(totals), keep_days }
    }

    /// The totals. Every holder leaves them whole before anything can panic.
    pub fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One destination's way through the journal.
struct Way {
    headers: Headers,
    since: u64,
    known: VecDeque<(u64, bool)>,
}

/// Counts a journal into a book.
pub struct Counter {
    book: Arc<Book>,
    counting: Counting,
    around: Around,
    input: Headers,
    ways: BTreeMap<String, Way>,
    /// The totals in memory are not those in the file.
    dirty: bool,
    due: Instant,
    tidied: Option<Day>,
}

impl Counter {
    /// Goes on where the book ends. Destinations that are gone are forgotten; of new ones it is worked out what of
    /// the totals is still to come to them.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(book: Arc<Book>, counting: Counting, around: Around) -> io::Result<Counter> {
        let mut totals = book.totals();
        let before = totals.clone();
        let cursors: BTreeMap<String, u64> = counting.cursors().into_iter().collect();
        totals.out.retain(|name, _| cursors.contains_key(name));
        let new: Vec<&String> = cursors.keys().filter(|name| !totals.out.contains_key(*name)).collect();
        if let Err(error) = baseline(&mut totals, &book.files, &counting, &new) {
            *totals = before;
            return Err(error);
        }
        let way = |(name, at): (&String, &u64)| {
            let way = Way { headers: counting.headers(*at), since: 0, known: VecDeque::new() };
            (name.clone(), way)
        };
        let ways = totals.out.iter().map(way).collect();
        let input = counting.headers(totals.read);
        let dirty = *totals != before;
        drop(totals);
        Ok(Counter { book, counting, around, input, ways, dirty, due: Instant::now(), tidied: None })
    }

    /// Counts what has passed, and makes it durable when that is due; `last` makes it due. `now` is in nanoseconds
    /// since 1970.
    ///
    /// # Errors
    /// The disk's: what is counted stays, and the rest is counted later.
    pub fn tick(&mut self, now: u64, last: bool) -> io::Result<()> {
        let mut changes = Changes::new();
        let counted = self.count(&mut changes);
        self.sample(Day::of(now));
        shown::tell(changes);
        if self.dirty && (last || self.due <= Instant::now()) {
            self.write()?;
        }
        if !self.dirty && self.close(now)? {
            self.write()?;
        }
        counted
    }

    fn count(&mut self, changes: &mut Changes) -> io::Result<()> {
        // In this order: what a destination refused of a record is in the journal before the record is done with.
        let cursors = self.counting.cursors();
        while self.stretch_in(changes)? {}
        for (name, cursor) in cursors {
            while self.stretch_out(&name, cursor, changes)? {}
        }
        Ok(())
    }

    /// Counts some of what came in. Says whether there may be more.
    fn stretch_in(&mut self, changes: &mut Changes) -> io::Result<bool> {
        let mut totals = self.book.totals();
        for _ in 0..STRETCH {
            let Some(header) = self.input.next(u64::MAX)? else {
                if self.input.position() > totals.read {
                    totals.skip_to(self.input.position());
                    self.dirty = true;
                }
                return Ok(false);
            };
            if let Err(error) = open(&mut totals, &self.book.files, &header) {
                self.input = self.counting.headers(totals.read);
                return Err(error);
            }
            totals.take_in(&header, changes);
            self.dirty = true;
        }
        Ok(true)
    }

    /// Counts some of what went out to one destination.
    fn stretch_out(&mut self, name: &str, cursor: u64, changes: &mut Changes) -> io::Result<bool> {
        let mut totals = self.book.totals();
        let (Some(way), Some(&at)) = (self.ways.get_mut(name), totals.out.get(name)) else {
            return Ok(false);
        };
        let limit = cursor.min(totals.read);
        if limit <= at {
            return Ok(false);
        }
        let known = self.counting.fates(name, limit);
        way.since = known.since;
        way.known.extend(known.list);
        for _ in 0..STRETCH {
            let Some(header) = way.headers.next(limit)? else {
                way.headers.pass(limit);
                totals.passed(name, limit);
                self.dirty = true;
                return Ok(false);
            };
            if totals.goes_out(&header) {
                if let Err(error) = open(&mut totals, &self.book.files, &header) {
                    way.headers = self.counting.headers(header.sequence - 1);
                    return Err(error);
                }
                let fate = way.fate(name, &header, &self.around.wanted);
                totals.take_out(name, &header, fate, changes);
            }
            if let Some(out) = totals.out.get_mut(name) {
                *out = header.sequence;
            }
            self.dirty = true;
        }
        Ok(true)
    }

    /// Keeps the most series of the day.
    fn sample(&mut self, day: Day) {
        let mut totals = self.book.totals();
        let (files, dirty) = (&self.book.files, &mut self.dirty);
        (self.around.series)(&mut |tenant, tier, series| {
            // A file that cannot be read is told of where it matters.
            if totals.open(day, |day| files.day(day)).is_err() {
                return;
            }
            let (key, day) = totals.row(day, Key { tenant, signal: Signal::Metrics, tier });
            let known = day.rows.get(&key).map_or(0, |row| row.series_peak);
            if series > known {
                day.rows.entry(key).or_default().series_peak = series;
                *dirty = true;
            }
        });
    }

    fn write(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let totals = self.book.totals();
        let (file, counted) = (totals.file(), totals.counted());
        self.book.files.write_current(&file)?;
        drop(totals);
        self.counting.counted(counted.least);
        self.dirty = false;
        self.due = Instant::now() + (begun.elapsed() * (WRITING_SHARE - 1)).min(Duration::from_secs(60));
        Ok(())
    }

    /// Writes the files of days that are over, while the totals in the file are those in memory: so a file never holds
    /// more than the totals that are read beside it. Says whether days have left the totals.
    fn close(&mut self, now: u64) -> io::Result<bool> {
        let mut totals = self.book.totals();
        let least = totals.out.values().copied().min().unwrap_or(totals.read);
        let over: Vec<(Day, bool, bool)> = (totals.days.iter())
            .filter(|(day, _)| day.end().saturating_add(SLACK) <= now)
            .map(|(day, open)| (*day, open.last <= least, open.told))
            .collect();
        let mut left = false;
        for (day, complete, told) in over {
            let Some(open) = totals.days.get(&day).filter(|_| complete || !told) else { continue };
            let mut file = DayFile::new(day, complete, open);
            file.rows.iter_mut().for_each(|line| line.row.hold(totals.out.keys().map(String::as_str)));
            self.book.files.write_day(&file)?;
            if complete {
                totals.days.remove(&day);
                left = true;
            } else if let Some(open) = totals.days.get_mut(&day) {
                open.told = true;
            }
        }
        drop(totals);
        self.dirty |= left;
        let today = Day::of(now);
        if self.tidied != Some(today) {
            self.book.files.tidy(today.before(self.book.keep_days))?;
            self.tidied = Some(today);
        }
        Ok(left)
    }
}

impl Way {
    fn fate(&mut self, name: &str, header: &Header, wanted: &Wanted) -> Fate {
        while self.known.front().is_some_and(|(sequence, _)| *sequence < header.sequence) {
            self.known.pop_front();
        }
        match self.known.front() {
            Some((sequence, sound)) if *sequence == header.sequence => {
                if *sound {
                    Fate::Handed
                } else {
                    Fate::Damaged
                }
            }
            // The journal knows everything since then.
            _ if header.sequence > self.since => Fate::Elsewhere,
            _ if wanted(name, header.sequence, header.signal, header.tenant) => Fate::Handed,
            _ => Fate::Elsewhere,
        }
    }
}

fn open(totals: &mut Totals, files: &Files, header: &Header) -> io::Result<()> {
    totals.open(Day::of(header.time_unix_nano), |day| files.day(day))
}

/// New destinations begin at the journal's oldest record: what is counted and not there any more never came to them.
fn baseline(totals: &mut Totals, files: &Files, counting: &Counting, new: &[&String]) -> io::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let (mut there, read) = (Totals::default(), totals.read);
    let mut headers = counting.headers(0);
    while let Some(header) = headers.next(read)? {
        if totals.goes_out(&header) {
            open(totals, files, &header)?;
            there.open(Day::of(header.time_unix_nano), |_| Ok(None))?;
            there.take_in(&header, &mut Changes::new());
        }
    }
    for (day, open) in &mut totals.days {
        let kept = there.days.get(day);
        for (key, row) in &mut open.rows {
            let to_come = kept.and_then(|kept| kept.rows.get(key)).map_or(0, |row| row.accepted_items);
            let gone = row.accepted_items.saturating_sub(to_come);
            for name in new {
                row.destination(name).elsewhere_items = gone;
            }
        }
    }
    totals.out.extend(new.iter().map(|name| ((*name).clone(), 0)));
    Ok(())
}
