//! The files of usage: what is counted so far, and one JSON and one CSV file for each day that is over.

use std::{
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use super::{Day, DayFile, Report, TotalsFile};
use crate::{
    buffer::disk::{Disk, is_full, read_exact_at},
    limits,
};

const CURRENT: &str = "current.json";
/// The faulty disk of the tests is small.
const RESERVE_BYTES: usize = if cfg!(test) { 4096 } else { limits::USAGE_RESERVE_BYTES };

/// The directory of usage.
#[derive(Clone)]
pub struct Files {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Files {
    /// The files below a data directory.
    pub fn new(disk: Arc<dyn Disk>, data: &Path) -> Files {
        Files { disk, dir: data.join("usage") }
    }

    /// Makes the directory, durably.
    ///
    /// # Errors
    /// The disk's.
    pub fn make(&self) -> io::Result<()> {
        self.disk.create_dir(&self.dir)?;
        self.dir.parent().map_or(Ok(()), |parent| self.disk.sync_dir(parent))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The totals; none where there are none yet.
    ///
    /// # Errors
    /// The disk's; [`io::ErrorKind::InvalidData`] where the file is no file of totals.
    pub fn current(&self) -> io::Result<Option<TotalsFile>> {
        self.read(CURRENT)
    }

    /// Replaces the totals.
    ///
    /// # Errors
    /// The disk's; the totals before still stand.
    pub fn write_current(&self, file: &TotalsFile) -> io::Result<()> {
        let bytes = serde_json::to_vec(file)?;
        match self.replace(CURRENT, &bytes) {
            Err(error) if is_full(&error) && self.disk.remove(&self.dir.join("reserve")).is_ok() => {
                self.replace(CURRENT, &bytes)
            }
            result => {
                self.reserve(bytes.len());
                result
            }
        }
    }

    /// Takes totals that cannot be read out of the way, for a person to look at.
    ///
    /// # Errors
    /// The disk's.
    pub fn set_aside(&self, name: &str) -> io::Result<()> {
        self.disk.rename(&self.dir.join(name), &self.dir.join(name).with_extension("damaged"))
    }

    /// A day that is over. One that cannot be read is set aside.
    ///
    /// # Errors
    /// The disk's.
    pub fn day(&self, day: Day) -> io::Result<Option<DayFile>> {
        match self.read(&format!("{day}.json")) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(day = %day, "a file of usage is damaged; it was set aside");
                self.set_aside(&format!("{day}.json"))?;
                Ok(None)
            }
            day => day,
        }
    }

    /// Writes a day's files.
    ///
    /// # Errors
    /// The disk's.
    pub fn write_day(&self, file: &DayFile) -> io::Result<()> {
        let report = Report::of_file(file.clone());
        self.replace(&format!("{}.csv", file.day), report.csv().as_bytes())?;
        self.replace(&format!("{}.json", file.day), &serde_json::to_vec(file)?)
    }

    /// The days that have files, in order.
    ///
    /// # Errors
    /// The disk's.
    pub fn days(&self) -> io::Result<Vec<Day>> {
        let names = self.disk.list(&self.dir)?;
        let mut days: Vec<Day> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// Removes the files of days before `oldest`.
    ///
    /// # Errors
    /// The disk's.
    pub fn tidy(&self, oldest: Day) -> io::Result<()> {
        for name in self.disk.list(&self.dir)? {
            let day = name.split_once('.').and_then(|(day, _)| day.parse::<Day>().ok());
            if day.is_some_and(|day| day < oldest) {
                self.disk.remove(&self.dir.join(&name))?;
            }
        }
        Ok(())
    }

    /// Holds back what replacing the totals takes, so that a full disk cannot keep the journal from being drained.
    fn reserve(&self, bytes: usize) {
        let path = self.dir.join("reserve");
        let wanted = (bytes * 2).max(RESERVE_BYTES).next_power_of_two();
        if self.disk.open(&path).and_then(|file| file.size()).is_ok_and(|held| held >= wanted as u64) {
            return;
        }
        let made = self.disk.create(&path).and_then(|file| {
            file.append(&mut [IoSlice::new(&vec![0; wanted])])?;
            file.sync()
        });
        if made.is_err() {
            // A part of it would take the very space that is short.
            let _ = self.disk.remove(&path);
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let file = match self.disk.open(&self.dir.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let size = file.size()?;
        if size > limits::USAGE_FILE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
        }
        let mut bytes = vec![0; size as usize];
        read_exact_at(&*file, &mut bytes, 0)?;
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| {
            // What stands there is not shown.
            let place = format!("line {}, column {}", error.line(), error.column());
            io::Error::new(io::ErrorKind::InvalidData, format!("it is damaged at {place}"))
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let aside = self.dir.join(format!("{name}.new"));
        let written = self.disk.create(&aside).and_then(|file| {
            file.append(&mut [IoSlice::new(bytes)])?;
            file.sync()?;
            self.disk.rename(&aside, &self.dir.join(name))?;
            self.disk.sync_dir(&self.dir)
        });
        if written.is_err() {
            // It may hold the very space that is short.
            let _ = self.disk.remove(&aside);
        }
        written
    }
}
