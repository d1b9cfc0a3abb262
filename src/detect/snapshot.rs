//! What detectors have learned, over a restart: one file, written whole, with a version, a sum and a limit.
//!
//! A head of one line (`portcullis-detect VERSION CHECK CRC BYTES TIME`), then JSON. `CHECK` is a fingerprint under the
//! key that all others in the file are made with: under another key the file says nothing. A file that cannot be used
//! is set aside, and detection starts cold.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::fingerprint::{Domain, Key};
use crate::{config::write_whole, limits};

const NAME: &str = "portcullis-detect";
const VERSION: u32 = 1;

fn check(key: &Key) -> String {
    key.of(Domain::Content, NAME.as_bytes()).to_string()
}

/// Writes what was learned by `now` (nanoseconds since the epoch). Nothing but a whole file is ever there.
///
/// # Errors
/// It is too large, or cannot be written; the file before it stays.
pub(super) fn write(path: &Path, key: &Key, state: &Map<String, Value>, now: u64) -> io::Result<()> {
    let body = serde_json::to_vec(state)?;
    if body.len() > limits::SNAPSHOT_BYTES {
        return Err(io::Error::other("what detectors have learned is larger than a snapshot may be"));
    }
    let sum = crc32c::crc32c(&body);
    let head = format!("{NAME} {VERSION} {} {sum:08x} {} {now}\n", check(key), body.len());
    write_whole(path, &[head.as_bytes(), &body].concat())
}

/// Reads what was learned; nothing if there is no file. One that cannot be used is renamed to end in `.aside`.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn read(path: &Path, key: &Key, now: u64) -> Result<Option<Map<String, Value>>, String> {
    let most = limits::SNAPSHOT_BYTES as u64 + 256;
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(file) if file.len() > most => Err(format!("{} bytes, expected {most} at most", file.len())),
        Ok(_) => fs::read(path).map_err(|error| error.to_string()),
    };
    bytes.and_then(|bytes| parse(&bytes, key, now)).map(Some).map_err(|error| {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".aside");
        match fs::rename(path, PathBuf::from(aside)) {
            Ok(()) => format!("{error}; it was set aside"),
            Err(again) => format!("{error}; nor can it be set aside: {again}"),
        }
    })
}

/// The state in a file's bytes.
fn parse(bytes: &[u8], key: &Key, now: u64) -> Result<Map<String, Value>, String> {
    let end = bytes.iter().take(256).position(|byte| *byte == b'\n').ok_or("it has no head")?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "its head is no text")?;
    let body = &bytes[end + 1..];
    let mut words = head.split(' ');
    let mut word = || words.next().unwrap_or_default();
    if word() != NAME {
        return Err("it is no snapshot of detection".to_owned());
    }
    if word() != VERSION.to_string() {
        return Err(format!("it is of another version; expected {VERSION}"));
    }
    if word() != check(key) {
        return Err("it was written under another key".to_owned());
    }
    let (sum, length, time) = (word(), word(), word());
    if sum != format!("{:08x}", crc32c::crc32c(body)) || length != body.len().to_string() {
        return Err("it is damaged".to_owned());
    }
    let age = now.saturating_sub(time.parse().unwrap_or(0));
    if u128::from(age) > limits::SNAPSHOT_AGE.as_nanos() {
        return Err(format!("it is older than {} days", limits::SNAPSHOT_AGE.as_secs() / 86_400));
    }
    serde_json::from_slice(body).map_err(|_| "it is damaged".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key::new([7; 16])
    }

    fn state() -> Map<String, Value> {
        let mut state = Map::new();
        state.insert("pii_surge".into(), serde_json::json!({ "fields": [[1, 2]] }));
        state
    }

    /// Scenario: a snapshot, read again; under another key, a week and a day later, and where there is none. Guarantee:
    /// what was written, or why not; what cannot be used is set aside.
    #[test]
    fn a_snapshot_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("detect.snapshot");
        assert_eq!(read(&path, &key(), 5).unwrap(), None);
        write(&path, &key(), &state(), 5).unwrap();
        assert_eq!(read(&path, &key(), 6).unwrap(), Some(state()));
        let late = 8 * 24 * 3600 * 1_000_000_000;
        assert!(read(&path, &key(), late).unwrap_err().contains("older"));
        assert!(!path.exists() && dir.path().join("detect.snapshot.aside").exists());
        write(&path, &key(), &state(), 5).unwrap();
        assert!(read(&path, &Key::new([8; 16]), 6).unwrap_err().contains("another key"));
        assert_eq!(read(&path, &key(), 6).unwrap(), None);
    }

    proptest! {
        /// Scenario: a snapshot cut short, or with one byte changed, or any bytes at all. Guarantee: an error, no panic.
        #[test]
        fn a_damaged_one_is_refused(at in 0usize..200, change in 1u8..=255, any in prop::collection::vec(any::<u8>(), 0..300)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("detect.snapshot");
            write(&path, &key(), &state(), 5).unwrap();
            let whole = fs::read(&path).unwrap();
            let at = at % whole.len();
            prop_assert!(parse(&whole[..at], &key(), 6).is_err());
            let mut changed = whole.clone();
            changed[at] ^= change;
            let time = whole.iter().position(|b| *b == b'\n').unwrap();
            // The time alone is outside the sum.
            if at + 2 < time || at > time {
                prop_assert!(parse(&changed, &key(), 6).is_err());
            }
            prop_assert!(parse(&any, &key(), 6).is_err());
        }
    }
}
