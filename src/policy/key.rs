//! The key of all pseudonyms: from the configuration, or made once and kept in the data directory.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::rand;

use crate::{
    config::{Config, Secret, write_whole},
    scrub::{MasterKey, Salts},
};

const FILE: &str = "master.key";
const BYTES: usize = 32;
const SALTS: &str = "salts";

/// Where the tenants' salts are.
pub fn salt_directory(config: &Config) -> PathBuf {
    config.scrub.salt_directory.clone().unwrap_or_else(|| config.buffer.directory.join(SALTS))
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
