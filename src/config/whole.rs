//! Small files of the gate's own that must be whole: its key, the catalogue that it keeps.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Writes a file for this user only, durably: aside, then renamed over the one before, so that neither a reader nor a
/// crash finds half of it. Missing directories are made.
///
/// # Errors
/// The system's; the file before is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    // The whole name and more: two files that differ in their extension alone are two.
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = std::path::PathBuf::from(aside);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    fs::File::open(directory)?.sync_all()
}
