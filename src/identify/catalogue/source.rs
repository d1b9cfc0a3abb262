//! The catalogue's file, watched.

use std::{
    path::PathBuf,
    time::{Instant, SystemTime},
};

use super::{Catalogue, CatalogueError, load};

/// Reads the catalogue, and again when its file has changed.
#[derive(Debug)]
pub struct CatalogueSource {
    file: Option<PathBuf>,
    seen: Option<Stamp>,
    taken: Instant,
}

/// What tells one version of a file from another: an editor rewrites it, a deployment replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

impl CatalogueSource {
    /// A source for the file of the settings; without one the catalogue is open for ever.
    pub fn new(file: Option<PathBuf>) -> Self {
        CatalogueSource { file, seen: None, taken: Instant::now() }
    }

    /// Reads the catalogue now.
    ///
    /// # Errors
    /// What [`load`](super::load()) finds wrong.
    pub fn load(&mut self) -> Result<Catalogue, CatalogueError> {
        let Some(file) = self.file.clone() else { return Ok(Catalogue::open()) };
        // Before the read: a change while it is read is seen by the next poll.
        self.seen = self.stamp();
        let catalogue = load(&file)?;
        self.taken = Instant::now();
        Ok(catalogue)
    }

    /// The catalogue, if its file has changed since the last look. A file that is wrong, or gone, is
    /// said once for each of its versions; the catalogue in use stays the last good one.
    pub fn poll(&mut self) -> Option<Result<Catalogue, CatalogueError>> {
        self.file.as_ref()?;
        (self.stamp() != self.seen).then(|| self.load())
    }

    /// Seconds since a catalogue was last taken from the file.
    pub fn age_seconds(&self) -> f64 {
        self.taken.elapsed().as_secs_f64()
    }

    fn stamp(&self) -> Option<Stamp> {
        let meta = std::fs::metadata(self.file.as_ref()?).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Stamp { modified: meta.modified().ok(), len: meta.len(), inode })
    }
}
