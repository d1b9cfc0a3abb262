//! What each tenant used, for its bill: counted exactly once, whatever happens to the gate.
//!
//! ```text
//! journal (headers, marks, cursors) -> counter -> totals, positions: one file -> a file for each day that is over
//! ```
//! Whatever counts is in the journal before a client is told of it: data with its numbers in the header, and a mark
//! for what left none (rejected, dropped). The counter reads headers alone, on a thread of its own. Totals, and the
//! positions up to which they are counted, are one file that is replaced whole; the journal keeps a segment until it
//! is counted there.

mod counter;
mod day;
mod files;
mod mark;
mod report;
mod row;
mod settings;
mod shown;
#[cfg(test)]
mod tests;
mod totals;

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

pub use counter::{Around, Counter, Series, Wanted};
pub use day::Day;
pub use mark::{Dropped, Happened, Rejected, destination_code};
pub use report::{Report, read};
pub use row::{Key, Line, Out, Row};
pub use settings::Settings;

use self::{
    counter::Book,
    files::Files,
    totals::{Changes, DayFile, Fate, Totals, TotalsFile},
};
use crate::{
    batch::TenantId,
    buffer::{
        Counted, Counting,
        disk::{Disk, RealDisk},
    },
    limits,
};

/// The one who counts. Opened before the journal, started after it.
pub struct Ledger {
    book: Arc<Book>,
    running: Mutex<Option<(Sender<()>, JoinHandle<bool>)>>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("directory", &self.book.files.dir()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the ledger in a data directory. Totals that cannot be read are set aside, and what is still in the
    /// journal is counted anew.
    ///
    /// # Errors
    /// The directory cannot be made or read, or a later version has written there; in words for people.
    pub fn open(data: &Path, settings: &Settings) -> Result<Ledger, String> {
        Ledger::open_on(Arc::new(RealDisk), data, settings)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_on(disk: Arc<dyn Disk>, data: &Path, settings: &Settings) -> Result<Ledger, String> {
        let files = Files::new(disk, data);
        let at = |tried: &'static str| {
            let dir = files.dir().display().to_string();
            move |error: io::Error| {
                format!("cannot {tried} {dir}: {error}; it must be the gate's own to write")
            }
        };
        files.make().map_err(at("make the directory of usage"))?;
        let totals = match files.current() {
            Ok(Some(file)) if file.version != 1 => {
                let dir = files.dir().display();
                return Err(format!(
                    "{dir}/current.json: written by a later version of the gate; use that one"
                ));
            }
            Ok(file) => file.map(Totals::from_file).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(error = %error, "the totals of usage are damaged; they were set aside");
                files.set_aside("current.json").map_err(at("set damaged totals aside in"))?;
                Totals::default()
            }
            Err(error) => return Err(at("read the totals of usage in")(error)),
        };
        let book = Arc::new(Book::new(files, totals, settings.keep_days()));
        Ok(Ledger { book, running: Mutex::default() })
    }

    /// How far it is counted: what the journal must know before it is opened.
    pub fn counted(&self) -> Counted {
        self.book.totals().counted()
    }

    /// Something that counts this ledger's journal, to be stepped by hand.
    ///
    /// # Errors
    /// The disk's.
    pub fn counter(&self, counting: Counting, around: Around) -> io::Result<Counter> {
        Counter::begin(Arc::clone(&self.book), counting, around)
    }

    /// Starts to count, about every second, on a thread of its own.
    ///
    /// # Errors
    /// The journal cannot be read, or the thread cannot be started.
    pub fn start(&self, counting: Counting, around: Around) -> io::Result<()> {
        let counter = self.counter(counting, around)?;
        let (stop, stopped) = bounded::<()>(0);
        let thread = std::thread::Builder::new().name("usage".into()).spawn(move || {
            let mut counter = counter;
            loop {
                let last = stopped.recv_timeout(limits::USAGE_INTERVAL) != Err(RecvTimeoutError::Timeout);
                let done = counter.tick(now(), last);
                if let Err(error) = &done {
                    metrics::counter!("portcullis_usage_failures_total").increment(1);
                    tracing::warn!(error = %error, "usage could not be counted or kept; it is tried again");
                }
                if last {
                    return done.is_ok();
                }
            }
        })?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some((stop, thread));
        Ok(())
    }

    /// Counts a last time, and ends. To be called when the journal is closed. Says whether all is counted and kept;
    /// what is not is counted after the next start. Blocks.
    pub fn stop(&self) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.is_none_or(|(stop, thread)| {
            drop(stop);
            // The last holder of the gate may be the very thread, asking it something.
            thread.thread().id() == std::thread::current().id() || thread.join().unwrap_or(false)
        })
    }

    /// The usage of a day, or of all days that are kept, in their order; of one tenant, or of all. Today's is as of a
    /// second ago at most. A report is what `serde_json` makes of it: for an admin API as it is.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn report(&self, day: Option<Day>, tenant: Option<TenantId>) -> io::Result<Vec<Report>> {
        let totals = self.book.totals();
        report::gather(&self.book.files, &totals, day, tenant)
    }

    /// Forgets a tenant's usage, of all days, durably, and gives what there was. What comes or goes afterwards is
    /// counted as ever. After an error some days may be forgotten already: call it again.
    ///
    /// # Errors
    /// A file cannot be read or replaced.
    pub fn forget(&self, tenant: TenantId) -> io::Result<Vec<Report>> {
        let mut totals = self.book.totals();
        let files = &self.book.files;
        let mut forgotten = report::gather(files, &totals, None, Some(tenant))?;
        forgotten.retain(|report| !report.rows.is_empty());
        let before = totals.clone();
        for open in totals.days.values_mut() {
            open.rows.retain(|key, _| key.tenant != tenant);
        }
        if *totals != before
            && let Err(error) = files.write_current(&totals.file())
        {
            *totals = before;
            return Err(error);
        }
        for day in files.days()? {
            let Some(mut file) = files.day(day)? else { continue };
            let rows = file.rows.len();
            file.rows.retain(|line| line.key.tenant != tenant);
            if file.rows.len() < rows {
                files.write_day(&file)?;
            }
        }
        Ok(forgotten)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Now, in nanoseconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
