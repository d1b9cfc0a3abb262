//! Whether a file has changed, by looking: works on every file system, and through the symbolic
//! links that orchestrators swap.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Two writes within this time may leave the same modification time.
const GRANULE: Duration = Duration::from_secs(2);

/// One file that is looked at from time to time.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    max: usize,
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    modified: SystemTime,
    length: u64,
    content: (u32, u64),
    /// Too young when it was read for its time to tell a later write apart.
    young: bool,
}

impl Watched {
    /// Watches a file from what it is now; at most `max` bytes of it are compared.
    pub fn new(path: impl Into<PathBuf>, max: usize) -> Self {
        let path = path.into();
        let seen = look(&path, max);
        Watched { path, max, seen }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the content is another one than at the last call. A file that is away is not a
    /// change: it is one when it comes back with other content.
    pub fn changed(&mut self) -> bool {
        if let Some(seen) = self.seen
            && !seen.young
            && stat(&self.path) == Some((seen.modified, seen.length))
        {
            return false;
        }
        let Some(now) = look(&self.path, self.max) else { return false };
        let changed = self.seen.is_none_or(|seen| seen.content != now.content);
        self.seen = Some(now);
        changed
    }
}

fn stat(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn look(path: &Path, max: usize) -> Option<Seen> {
    let (modified, length) = stat(path)?;
    let mut file = File::open(path).ok()?.take(max as u64);
    let mut buffer = [0; 8192];
    let mut crc = 0;
    let mut read = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                crc = crc32c::crc32c_append(crc, &buffer[..count]);
                read += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    // A modification time in the future is young, too.
    let young = SystemTime::now().duration_since(modified).is_ok_and(|age| age < GRANULE)
        || modified > SystemTime::now();
    Some(Seen { modified, length, content: (crc, read), young })
}
