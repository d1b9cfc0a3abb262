//! The durable buffer between the path and the destinations.
//!
//! ```text
//! append -> lanes (fair, bounded) -> writer thread -> segments -> readers -> cursors -> unlink
//! ```
//! One truth for each fact: segments hold the data, one cursor file for each reader holds its
//! progress. A receipt is accepted when its record is fsynced. A failed fsync is never retried: its
//! receipts are refused and a new segment begins. Cursors are durable before a segment is unlinked.

pub mod disk;
pub mod quarantine;

mod count;
mod cursor;
mod erase;
mod journal;
mod keeper;
mod lanes;
mod note;
mod reader;
mod record;
mod recover;
mod segment;
mod settings;
mod state;
mod writer;

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod tests;

use std::{fmt, io, path::Path};

pub use count::{Counted, Counting, Headers, Known};
pub use erase::Erased;
pub use journal::Journal;
pub(crate) use lanes::{Full, Lanes, Waiting};
pub use note::{Accounting, Mark};
pub use reader::{Reader, Record};
pub use record::Header;
pub use settings::{QuarantineSettings, Settings};
pub use state::{ReaderStats, Stats};

/// Why the buffer could not be opened.
#[derive(Debug)]
pub struct Error {
    message: String,
    source: Option<io::Error>,
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Error { message: message.into(), source: None }
    }

    /// Whether another process has the directory.
    pub fn is_taken(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.kind() == io::ErrorKind::WouldBlock)
    }

    fn io(tried: &str, path: &Path, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::PermissionDenied => "; the directory must be writable by the user of the gate",
            io::ErrorKind::StorageFull => "; free some space on the disk",
            _ => "",
        };
        Error { message: format!("cannot {tried} {}: {source}{hint}", path.display()), source: Some(source) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

/// Now, in unix nanoseconds.
fn now_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// When a wait that begins now is over; very long ones end after a year.
fn deadline(timeout: std::time::Duration) -> std::time::Instant {
    const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);
    std::time::Instant::now() + timeout.min(YEAR)
}
