//! The findings file: JSON lines, appended, bounded by rotation.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

use super::{FindingsFile, finding::Finding};
use crate::{batch::TenantId, config::write_whole};

/// An open findings file. When the next line would make it larger than `max_bytes` it is renamed
/// to `<file>.1`, over the one before: at most twice `max_bytes` are on the disk.
#[derive(Debug)]
pub struct FindingsLog {
    settings: FindingsFile,
    file: Option<(File, u64)>,
}

impl FindingsLog {
    /// Opens nothing yet: the first finding does, so a disk that is away then may be back.
    pub fn new(settings: FindingsFile) -> Self {
        FindingsLog { settings, file: None }
    }

    /// Appends one line.
    ///
    /// # Errors
    /// The file cannot be made, rotated or written; the next call tries anew.
    pub fn append(&mut self, finding: &Finding) -> io::Result<()> {
        let line = format!("{}\n", finding.json());
        let (mut file, length) = match self.file.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let mut length = length;
        if length > 0 && length + line.len() as u64 > self.settings.max_bytes {
            drop(file);
            fs::rename(&self.settings.file, self.rotated())?;
            (file, length) = self.open()?;
        }
        file.write_all(line.as_bytes())?;
        self.file = Some((file, length + line.len() as u64));
        Ok(())
    }

    /// Takes the findings of a tenant out, and those that name it. Returns how many.
    ///
    /// # Errors
    /// A file cannot be read or written; the next call tries anew.
    pub fn forget(&mut self, tenant: TenantId) -> io::Result<u64> {
        self.file = None;
        let id = tenant.to_string();
        let mut gone = 0;
        for path in [self.rotated(), self.settings.file.clone()] {
            let text = match fs::read_to_string(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text?,
            };
            let kept: String = text.split_inclusive('\n').filter(|line| !line.contains(&id)).collect();
            if kept.len() < text.len() {
                gone += text.lines().filter(|line| line.contains(&id)).count() as u64;
                write_whole(&path, kept.as_bytes())?;
            }
        }
        Ok(gone)
    }

    fn open(&self) -> io::Result<(File, u64)> {
        if let Some(parent) = self.settings.file.parent().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&self.settings.file)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    fn rotated(&self) -> PathBuf {
        let mut name = self.settings.file.clone().into_os_string();
        name.push(".1");
        PathBuf::from(name)
    }
}
