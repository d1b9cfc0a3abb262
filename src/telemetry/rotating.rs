//! A file of lines, bounded by rotation.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

use crate::config::write_whole;

/// A file that lines are appended to. When the next one would make it larger than `max_bytes` it is renamed to
/// `<file>.1`, over the one before: at most twice `max_bytes` are on the disk.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    file: Option<(File, u64)>,
}

impl RotatingFile {
    /// Opens nothing yet: the first line does, so a disk that is away then may be back.
    pub fn new(path: PathBuf, max_bytes: u64) -> Self {
        RotatingFile { path, max_bytes, file: None }
    }

    /// Appends one line; `line` is without its end.
    ///
    /// # Errors
    /// The file cannot be made, rotated or written; the next call tries anew.
    pub fn append(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        let (mut file, mut length) = match self.file.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if length > 0 && length + line.len() as u64 > self.max_bytes {
            drop(file);
            fs::rename(&self.path, self.aside())?;
            (file, length) = self.open()?;
        }
        file.write_all(line.as_bytes())?;
        self.file = Some((file, length + line.len() as u64));
        Ok(())
    }

    /// Takes lines out of both files. Returns how many.
    ///
    /// # Errors
    /// A file cannot be read or written whole.
    pub fn remove(&mut self, matches: impl Fn(&str) -> bool) -> io::Result<u64> {
        self.file = None;
        let mut gone = 0;
        for path in [self.aside(), self.path.clone()] {
            let bytes = match fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                bytes => bytes?,
            };
            // A line may be torn.
            let text = String::from_utf8_lossy(&bytes);
            let here = text.lines().filter(|line| matches(line)).count() as u64;
            if here > 0 {
                let kept: String = text.split_inclusive('\n').filter(|line| !matches(line)).collect();
                write_whole(&path, kept.as_bytes())?;
                gone += here;
            }
        }
        Ok(gone)
    }

    fn aside(&self) -> PathBuf {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        aside.into()
    }

    fn open(&self) -> io::Result<(File, u64)> {
        if let Some(parent) = self.path.parent().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }
}
