//! Cursors, and the removal of what everybody is done with. Has a thread of its own: to unlink a
//! segment takes tens of milliseconds, which no receipt shall wait for.

use std::{
    io::{self, IoSlice},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{cursor, disk::is_full, segment, state::Shared};
use crate::limits;

/// The faulty disk of the tests is small.
const RESERVE_BYTES: usize = if cfg!(test) { 4096 } else { limits::DISK_RESERVE_BYTES };

/// Makes progress durable; one at a time.
pub struct Keeper {
    shared: Arc<Shared>,
    /// Whether the space for a full disk is held back.
    reserved: bool,
}

/// The thread: every `cursor_interval`, until the journal is closed.
pub fn run(shared: &Shared, keeper: &Mutex<Keeper>) {
    let interval = shared.settings.cursor_interval;
    loop {
        let due = Instant::now() + interval;
        let mut state = shared.lock();
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if state.stop {
                // The writer does it a last time when it has written its last.
                return;
            }
            if left.is_zero() {
                break;
            }
            state = shared.stopping.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |r| r.0);
        }
        drop(state);
        let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.write_cursors();
        keeper.remove_consumed();
    }
}

impl Keeper {
    /// Holds the reserve back.
    pub fn new(shared: Arc<Shared>) -> Self {
        let mut keeper = Keeper { shared, reserved: false };
        keeper.reserve();
        keeper
    }

    /// Makes the readers' progress durable. Says whether all of it is.
    pub fn write_cursors(&mut self) -> bool {
        let dirty: Vec<(String, u64)> = {
            let state = self.shared.lock();
            let dirty = state.readers.iter().filter(|(_, r)| r.done > r.durable);
            dirty.map(|(name, r)| (name.clone(), r.done)).collect()
        };
        let mut all = true;
        for (name, done) in dirty {
            match self.write_cursor(&name, done) {
                Ok(()) => {
                    if let Some(reader) = self.shared.lock().readers.get_mut(&name) {
                        reader.durable = done;
                    }
                }
                Err(e) => {
                    all = false;
                    self.shared.failed("cursor", &e);
                }
            }
        }
        all
    }

    /// Removes the segments that all readers are durably past.
    pub fn remove_consumed(&mut self) {
        let removable: Vec<u64> = {
            let state = self.shared.lock();
            let consumed = state.consumed();
            let gone = state.segments.iter().filter(|(_, s)| s.sealed && s.last <= consumed);
            gone.map(|(base, _)| *base).collect()
        };
        for base in removable {
            match self.shared.disk.remove(&segment::path(&self.shared.dir, base)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => self.shared.failed("remove", &e),
                _ => self.shared.lock().remove(base),
            }
        }
        if !self.reserved {
            self.reserve();
        }
        self.publish();
    }

    fn write_cursor(&mut self, name: &str, done: u64) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let write = || cursor::write(&*shared.disk, &shared.dir, name, done);
        match write() {
            Err(e) if is_full(&e) && self.reserved => {
                // The disk is full: give the space back that was held for this.
                self.reserved = false;
                shared.disk.remove(&self.reserve_path())?;
                write()
            }
            result => result,
        }
    }

    fn reserve_path(&self) -> PathBuf {
        self.shared.dir.join("reserve")
    }

    /// Holds back space so that cursors can be written on a full disk.
    fn reserve(&mut self) {
        let path = self.reserve_path();
        if self.shared.disk.open(&path).and_then(|f| f.size()).is_ok_and(|held| held == RESERVE_BYTES as u64)
        {
            self.reserved = true;
            return;
        }
        let zeros = vec![0; RESERVE_BYTES];
        let made = self.shared.disk.create(&path).and_then(|file| {
            file.append(&mut [IoSlice::new(&zeros)])?;
            file.sync()
        });
        self.reserved = made.is_ok();
        if !self.reserved {
            // A part of it would take the very space that is short.
            let _ = self.shared.disk.remove(&path);
        }
    }

    fn publish(&self) {
        let stats = self.shared.stats();
        metrics::gauge!("portcullis_journal_bytes").set(stats.bytes as f64);
        metrics::gauge!("portcullis_journal_capacity_bytes").set(stats.capacity_bytes as f64);
        metrics::gauge!("portcullis_journal_segments").set(stats.segments as f64);
    }
}
