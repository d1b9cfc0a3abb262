//! A segment file: a head, then records in the order of their sequence.
//!
//! The head is the same 32 bytes twice (so that no single damage makes a segment unreadable):
//! `"PCSEG\0\0\x01"`, base u64, salt u32, zero [8], crc32c u32. The base is the sequence of the first
//! record, and the file's name.

use std::{
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    disk::{Disk, DiskFile, read_exact_at},
    record::{HEADER_BYTES, Header, MAGIC},
};

/// Length of a segment's head, in bytes.
pub const HEAD_BYTES: u64 = 64;
const HALF: usize = 32;
const HEAD_MAGIC: [u8; 8] = *b"PCSEG\0\0\x01";
const SUFFIX: &str = ".segment";
/// Headers are read through a window of this many bytes.
const WINDOW_BYTES: usize = 16 * 1024;
/// What a disk loses at once, in bytes.
const SECTOR_BYTES: u64 = 4096;

/// The path of a segment.
pub fn path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}{SUFFIX}"))
}

/// The bases of the segments in a directory, in order.
///
/// # Errors
/// The disk's.
pub fn bases(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let names = disk.list(dir)?;
    let mut bases: Vec<u64> = names.iter().filter_map(|n| n.strip_suffix(SUFFIX)?.parse().ok()).collect();
    bases.sort_unstable();
    Ok(bases)
}

/// Makes an empty segment, durable with its name. Returns the file and its salt.
///
/// # Errors
/// The disk's; a file without a head may be left behind, which holds nothing.
pub fn create(disk: &dyn Disk, dir: &Path, base: u64) -> io::Result<(Arc<dyn DiskFile>, u32)> {
    let created = create_at(disk, &path(dir, base), base)?;
    disk.sync_dir(dir)?;
    Ok(created)
}

/// The same under any path, whose name is not durable yet.
///
/// # Errors
/// The disk's.
pub fn create_at(disk: &dyn Disk, path: &Path, base: u64) -> io::Result<(Arc<dyn DiskFile>, u32)> {
    let file = disk.create(path)?;
    let salt = uuid::Uuid::new_v4().as_fields().0;
    let mut half = [0; HALF];
    half[..8].copy_from_slice(&HEAD_MAGIC);
    half[8..16].copy_from_slice(&base.to_le_bytes());
    half[16..20].copy_from_slice(&salt.to_le_bytes());
    let check = crc32c::crc32c(&half[..28]);
    half[28..].copy_from_slice(&check.to_le_bytes());
    file.append(&mut [IoSlice::new(&half), IoSlice::new(&half)])?;
    file.sync()?;
    Ok((file, salt))
}

fn salt_of(half: &[u8], base: u64) -> Option<u32> {
    let half: &[u8; HALF] = half.first_chunk()?;
    let check = crc32c::crc32c(&half[..28]).to_le_bytes();
    let sound = half[..8] == HEAD_MAGIC && half[8..16] == base.to_le_bytes() && half[28..] == check;
    sound.then(|| u32::from_le_bytes([half[16], half[17], half[18], half[19]]))
}

/// What stands at the scanner's place.
pub enum Step {
    /// A sound header; its payload is not read yet.
    Record(Header),
    /// Bytes that are no record, to be passed over.
    Damaged {
        /// Where they begin.
        from: u64,
        /// Where the next sound header, or the end, is.
        to: u64,
    },
    /// Nothing more below the limit.
    End,
}

/// Reads one segment from its beginning to its end.
pub struct Scanner {
    file: Arc<dyn DiskFile>,
    base: u64,
    salt: u32,
    /// Where the next header should be.
    offset: u64,
    /// The sequence that the next record may have at least.
    least: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Scanner {
    /// Opens a segment; none where its head is no head.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(disk: &dyn Disk, dir: &Path, base: u64) -> io::Result<Option<Scanner>> {
        let file = disk.open(&path(dir, base))?;
        if file.size()? < HEAD_BYTES {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES as usize];
        read_exact_at(&*file, &mut head, 0)?;
        let salt = salt_of(&head, base).or_else(|| salt_of(&head[HALF..], base));
        Ok(salt.map(|salt| Scanner {
            file,
            base,
            salt,
            offset: HEAD_BYTES,
            least: base,
            window: Vec::new(),
            window_at: 0,
        }))
    }

    /// The segment's base.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The segment's salt.
    pub fn salt(&self) -> u32 {
        self.salt
    }

    /// The file itself.
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Where the next header should be.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What stands at this place, below `limit`. Does not move.
    ///
    /// # Errors
    /// The disk's.
    pub fn peek(&mut self, limit: u64) -> io::Result<Step> {
        if self.offset >= limit {
            return Ok(Step::End);
        }
        if let Some(header) = self.header_at(self.offset, limit)? {
            return Ok(Step::Record(header));
        }
        // Look for the next sound header. Only a header made with this segment's salt passes.
        let from = self.offset;
        let mut at = from + 1;
        while at + HEADER_BYTES as u64 <= limit {
            let window = self.window(at, limit)?;
            match memchr::memmem::find(window, &MAGIC) {
                Some(hit) => {
                    at += hit as u64;
                    if self.header_at(at, limit)?.is_some() {
                        return Ok(Step::Damaged { from, to: at });
                    }
                    at += 1;
                }
                // The magic may lie across the edge of the window.
                None => at += (window.len() - (MAGIC.len() - 1).min(window.len() - 1)) as u64,
            }
        }
        Ok(Step::Damaged { from, to: limit })
    }

    /// Forgets what was read ahead: the file may have changed.
    pub fn look_again(&mut self) {
        self.window.clear();
    }

    /// The payload of the record at this place.
    ///
    /// # Errors
    /// The disk's.
    pub fn payload(&self, header: &Header) -> io::Result<Bytes> {
        let mut payload = vec![0; header.length as usize];
        read_exact_at(&*self.file, &mut payload, self.offset + HEADER_BYTES as u64)?;
        Ok(payload.into())
    }

    /// The raw bytes from `from` to `to`, at most `max` of them, as far as they can be read.
    pub fn raw(&self, from: u64, to: u64, max: u64) -> Vec<u8> {
        let mut raw = vec![0; (to - from).min(max) as usize];
        let mut read = 0;
        while read < raw.len() {
            match self.file.read_at(&mut raw[read..], from + read as u64) {
                Ok(n) if n > 0 => read += n,
                _ => break,
            }
        }
        raw.truncate(read);
        raw
    }

    /// Goes past a record.
    pub fn pass(&mut self, header: &Header) {
        self.offset += header.record_bytes();
        self.least = header.sequence + 1;
    }

    /// Goes on at `offset`.
    pub fn pass_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Goes over a place that the disk cannot read.
    pub fn pass_sector(&mut self, limit: u64) {
        self.offset = ((self.offset / SECTOR_BYTES + 1) * SECTOR_BYTES).min(limit);
    }

    fn header_at(&mut self, at: u64, limit: u64) -> io::Result<Option<Header>> {
        let (salt, least) = (self.salt, self.least);
        let header = Header::decode(self.window(at, limit)?, salt);
        Ok(header.filter(|h| h.sequence >= least && at + h.record_bytes() <= limit))
    }

    /// The bytes at `at`, below `limit`: at least a header's worth where there is as much.
    fn window(&mut self, at: u64, limit: u64) -> io::Result<&[u8]> {
        let wanted = (limit - at).min(HEADER_BYTES as u64);
        let end = self.window_at + self.window.len() as u64;
        if at < self.window_at || at + wanted > end {
            let len = (limit - at).min(WINDOW_BYTES as u64) as usize;
            self.window.clear();
            let mut window = vec![0; len];
            read_exact_at(&*self.file, &mut window, at)?;
            (self.window, self.window_at) = (window, at);
        }
        let from = (at - self.window_at) as usize;
        let to = self.window.len().min(from + (limit - at) as usize);
        Ok(&self.window[from..to])
    }
}
