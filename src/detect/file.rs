//! The findings file: JSON lines, appended, bounded by rotation.

use std::{io, path::PathBuf};

use super::{
    FindingsFile,
    finding::{Finding, RUNBOOK},
    ocsf,
    settings::FindingsFormat,
};
use crate::{batch::TenantId, config::write_whole, telemetry::RotatingFile};

/// An open findings file. Beside it, as `<file>.open`, stand the incidents that go on, for the next start.
#[derive(Debug)]
pub struct FindingsLog {
    lines: RotatingFile,
    open: PathBuf,
    format: FindingsFormat,
    runbook: String,
}

impl FindingsLog {
    /// Opens nothing yet: the first finding does, so a disk that is away then may be back.
    pub fn new(settings: FindingsFile) -> Self {
        let mut open = settings.file.clone().into_os_string();
        open.push(".open");
        FindingsLog {
            lines: RotatingFile::new(settings.file, settings.max_bytes),
            open: open.into(),
            format: settings.format,
            runbook: RUNBOOK.to_owned(),
        }
    }

    /// With the runbook at this address.
    pub fn with_runbook(self, runbook: &str) -> Self {
        FindingsLog { runbook: runbook.to_owned(), ..self }
    }

    /// The file of incidents that go on.
    pub fn open_file(&self) -> &std::path::Path {
        &self.open
    }

    /// Appends one line.
    ///
    /// # Errors
    /// The file cannot be made, rotated or written; the next call tries anew.
    pub fn append(&mut self, finding: &Finding) -> io::Result<()> {
        let shown = match self.format {
            FindingsFormat::Native => finding.shown(&self.runbook),
            FindingsFormat::Ocsf => ocsf::detection(finding, &self.runbook),
        };
        self.lines.append(&shown.to_string())
    }

    /// Takes the findings of a tenant out, and those that name it, of what goes on too, and suppressions that name it.
    /// Returns how many lines of findings.
    ///
    /// # Errors
    /// A file cannot be read or written; the next call tries anew.
    pub fn forget(&mut self, tenant: TenantId) -> io::Result<u64> {
        let id = tenant.to_string();
        let text = match std::fs::read_to_string(&self.open) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        if text.contains(&id) {
            let kept: String = text.split_inclusive('\n').filter(|line| !line.contains(&id)).collect();
            write_whole(&self.open, kept.as_bytes())?;
        }
        super::suppressions::forget_in(&self.open.with_file_name("suppressions.json"), &id)?;
        self.lines.remove(|line| line.contains(&id))
    }
}
