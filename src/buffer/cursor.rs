//! How far one reader has come: one small file each, replaced atomically.

use std::{
    io::{self, IoSlice},
    path::Path,
};

use super::disk::{Disk, read_exact_at};

const MAGIC: [u8; 8] = *b"PCCUR\0\0\x01";
const BYTES: usize = 20;
const SUFFIX: &str = ".cursor";

/// The file of a reader: its name as hex, so that any name is a file name and no two meet.
fn file_name(reader: &str) -> String {
    use std::fmt::Write;
    let mut name = String::new();
    for byte in reader.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "_{byte:02x}");
        }
    }
    name + SUFFIX
}

/// Makes durable that everything up to `sequence` is done with.
///
/// # Errors
/// The disk's; the former cursor then still stands.
pub fn write(disk: &dyn Disk, dir: &Path, reader: &str, sequence: u64) -> io::Result<()> {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
    let check = crc32c::crc32c(&bytes[..16]);
    bytes[16..].copy_from_slice(&check.to_le_bytes());
    let path = dir.join(file_name(reader));
    let aside = path.with_extension("new");
    let file = disk.create(&aside)?;
    file.append(&mut [IoSlice::new(&bytes)])?;
    file.sync()?;
    disk.rename(&aside, &path)?;
    disk.sync_dir(dir)
}

/// What a cursor file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Everything up to this sequence is done with.
    At(u64),
    /// There is none: the reader begins at the oldest record.
    Missing,
    /// It is damaged: the reader begins at the oldest record.
    Damaged,
}

/// Reads a cursor.
///
/// # Errors
/// The disk's.
pub fn read(disk: &dyn Disk, dir: &Path, reader: &str) -> io::Result<Cursor> {
    let file = match disk.open(&dir.join(file_name(reader))) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Cursor::Missing),
        file => file?,
    };
    let mut bytes = [0; BYTES];
    if file.size()? != BYTES as u64 {
        return Ok(Cursor::Damaged);
    }
    read_exact_at(&*file, &mut bytes, 0)?;
    let check = crc32c::crc32c(&bytes[..16]).to_le_bytes();
    if bytes[..8] != MAGIC || bytes[16..] != check {
        return Ok(Cursor::Damaged);
    }
    let (_, sequence) = bytes[..16].split_last_chunk::<8>().unwrap_or((&[], &[0; 8]));
    Ok(Cursor::At(u64::from_le_bytes(*sequence)))
}

/// Forgets the cursors of all readers but `kept`, and unfinished ones. Returns how many were forgotten.
///
/// # Errors
/// The disk's.
pub fn forget_others<'a>(
    disk: &dyn Disk,
    dir: &Path,
    kept: impl Iterator<Item = &'a str>,
) -> io::Result<usize> {
    let kept: Vec<String> = kept.map(file_name).collect();
    let mut forgotten = 0;
    for name in disk.list(dir)? {
        if name.ends_with(".new") || (name.ends_with(SUFFIX) && !kept.contains(&name)) {
            disk.remove(&dir.join(&name))?;
            forgotten += usize::from(name.ends_with(SUFFIX));
        }
    }
    Ok(forgotten)
}
