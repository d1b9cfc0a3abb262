//! The findings file: JSON lines, appended, bounded by rotation.

use std::io;

use super::{FindingsFile, finding::Finding};
use crate::{batch::TenantId, telemetry::RotatingFile};

/// An open findings file.
#[derive(Debug)]
pub struct FindingsLog(RotatingFile);

impl FindingsLog {
    /// Opens nothing yet: the first finding does, so a disk that is away then may be back.
    pub fn new(settings: FindingsFile) -> Self {
        FindingsLog(RotatingFile::new(settings.file, settings.max_bytes))
    }

    /// Appends one line.
    ///
    /// # Errors
    /// The file cannot be made, rotated or written; the next call tries anew.
    pub fn append(&mut self, finding: &Finding) -> io::Result<()> {
        self.0.append(&finding.json().to_string())
    }

    /// Takes the findings of a tenant out, and those that name it. Returns how many.
    ///
    /// # Errors
    /// A file cannot be read or written; the next call tries anew.
    pub fn forget(&mut self, tenant: TenantId) -> io::Result<u64> {
        let id = tenant.to_string();
        self.0.remove(|line| line.contains(&id))
    }
}
