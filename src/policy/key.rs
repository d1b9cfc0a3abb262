//! The key of all pseudonyms: from the configuration, or made once and kept in the data directory.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::rand;

use crate::{
    config::{Config, Secret, write_whole},
    detect,
    scrub::{MasterKey, Salts},
};

const FILE: &str = "master.key";
const FINGERPRINTS: &str = "detect.key";
const BYTES: usize = 32;
const SALTS: &str = "salts";

/// Where the tenants' salts are.
pub fn salt_directory(config: &Config) -> PathBuf {
    config.scrub.salt_directory.clone().unwrap_or_else(|| config.buffer.directory.join(SALTS))
}

/// Whether there is a master key already, given or kept.
pub fn exists(config: &Config) -> bool {
    let settings = &config.scrub;
    !settings.master_key.is_empty()
        || settings.master_key_file.is_some()
        || config.buffer.directory.join(FILE).exists()
}

/// Reads the master key, or makes one; with the tenants' salts, if pseudonyms are made.
///
/// # Errors
/// Says which file could not be read or written, or that the key is too short.
pub fn master(config: &Config, salted: bool) -> Result<MasterKey, String> {
    let master = unsalted(config)?;
    if !salted {
        return Ok(master);
    }
    let directory = salt_directory(config);
    let salts = Salts::open(&directory).map_err(|error| {
        format!(
            "{}: {error}; the tenants' salts are kept there, or give scrub.salt_directory",
            directory.display()
        )
    })?;
    Ok(master.with_salts(Arc::new(salts)))
}

fn unsalted(config: &Config) -> Result<MasterKey, String> {
    let settings = &config.scrub;
    let given = (!settings.master_key.is_empty()).then_some(&settings.master_key);
    let secret = Secret::resolve(given, settings.master_key_file.as_deref())
        .map_err(|error| format!("scrub.master_key: {error}"))?;
    match secret {
        Some(secret) => MasterKey::new(secret.expose().as_bytes(), settings.key_epoch)
            .map_err(|error| format!("scrub.master_key: {error}")),
        None => {
            let path = config.buffer.directory.join(FILE);
            let bytes = kept(&path).map_err(|error| {
                format!(
                    "{}: {error}; the gate keeps its pseudonym key there, or give scrub.master_key_file",
                    path.display()
                )
            })?;
            MasterKey::new(&bytes, settings.key_epoch).map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}

/// The key of detection's fingerprints: kept, since what was learned under it is. Where it cannot be, it is one for this
/// process alone, and the log says why.
pub fn fingerprints(config: &Config) -> detect::Key {
    let path = config.buffer.directory.join(FINGERPRINTS);
    let bytes = kept(&path).and_then(|bytes| match bytes.first_chunk() {
        Some(bytes) => Ok(detect::Key::new(*bytes)),
        None => Err(std::io::Error::other(format!("{} bytes, expected {BYTES}", bytes.len()))),
    });
    bytes.unwrap_or_else(|error| {
        tracing::warn!(file = %path.display(), %error, "detection's key cannot be kept: what it learns will be lost");
        detect::Key::random()
    })
}

fn kept(path: &Path) -> std::io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        read => return read,
    }
    let mut key = vec![0; BYTES];
    rand::fill(&mut key).map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
    write_whole(path, &key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::detect::fingerprint::Domain;

    /// Scenario: a data directory is used twice, then its key of fingerprints is cut short. Guarantee: the same key twice,
    /// in a file for the gate's user alone; then another one, and the file as it was.
    #[test]
    fn the_key_of_fingerprints_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.buffer.directory = dir.path().to_owned();
        let print = || fingerprints(&config).of(Domain::Object, b"x");
        let first = print();
        assert_eq!(first, print());
        let path = dir.path().join(FINGERPRINTS);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap().len(), BYTES);
        fs::write(&path, [1; 15]).unwrap();
        assert_ne!(first, print());
        assert_eq!(fs::read(&path).unwrap().len(), 15);
    }
}
