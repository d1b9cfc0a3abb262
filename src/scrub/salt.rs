//! One random salt a tenant, in a file of its own: without it nobody can make or match that tenant's pseudonyms
//! again, whoever has the master key. To destroy it is to shred them.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::SystemTime,
};

use aws_lc_rs::rand;

use crate::{batch::TenantId, limits};

const BYTES: usize = 32;
const SUFFIX: &str = ".salt";

/// A tenant's salt.
pub(super) type Salt = [u8; BYTES];

/// What tells one salt file from the next of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    seconds: i64,
    nanos: i64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Stamp {
        Stamp { inode: metadata.ino(), seconds: metadata.mtime(), nanos: metadata.mtime_nsec() }
    }
}

/// The directory of all salts. Gates that share it make the same pseudonyms.
#[derive(Debug)]
pub struct Salts {
    directory: PathBuf,
    /// How many there are, about: others may add and remove some.
    count: AtomicUsize,
}

impl Salts {
    /// The salts in `directory`, which is made, for this user only, if it is missing.
    ///
    /// # Errors
    /// The system's.
    pub fn open(directory: &Path) -> io::Result<Salts> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let salts = Salts { directory: directory.to_owned(), count: AtomicUsize::new(0) };
        salts.count.store(salts.list()?.len(), Ordering::Relaxed);
        Ok(salts)
    }

    /// The tenants that have one, and since when, in order.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<(TenantId, SystemTime)>> {
        let mut out = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let tenant = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            let Some(tenant) = tenant.and_then(|name| uuid::Uuid::try_parse(name).ok()) else { continue };
            match entry.metadata().and_then(|metadata| metadata.modified()) {
                Ok(since) => out.push((TenantId(tenant), since)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        out.sort_unstable();
        Ok(out)
    }

    /// Writes over a tenant's salt and removes it, durably. Whether there was one.
    ///
    /// # Errors
    /// It cannot be written or removed: it may still be there.
    pub fn destroy(&self, tenant: TenantId) -> io::Result<bool> {
        let path = self.path(tenant);
        let mut file = match fs::OpenOptions::new().write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        file.write_all(&[0; BYTES])?;
        file.sync_all()?;
        fs::remove_file(&path)?;
        fs::File::open(&self.directory)?.sync_all()?;
        let _ = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
        Ok(true)
    }

    fn path(&self, tenant: TenantId) -> PathBuf {
        self.directory.join(format!("{}{SUFFIX}", tenant.0))
    }

    /// Which file holds a tenant's salt now, if any.
    pub(super) fn stamp(&self, tenant: TenantId) -> Option<Stamp> {
        fs::metadata(self.path(tenant)).ok().map(|metadata| Stamp::of(&metadata))
    }

    /// A tenant's salt; a new one, durable before it is used, if it has none.
    ///
    /// # Errors
    /// The system's; the file is not a salt; too many tenants have one.
    pub(super) fn salt(&self, tenant: TenantId) -> io::Result<(Salt, Stamp)> {
        let path = self.path(tenant);
        match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        if self.count.load(Ordering::Relaxed) >= limits::SALTS {
            return Err(io::Error::other("too many tenants have a salt"));
        }
        let mut salt = [0; BYTES];
        rand::fill(&mut salt).map_err(|_| io::Error::other("the system gives no random bytes"))?;
        // Written aside, and linked: of two that make it at a time one wins, and nobody sees half of it.
        let (aside, mut file) = aside(&self.directory, tenant)?;
        let written = file.write_all(&salt).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| match fs::hard_link(&aside, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
        let removed = fs::remove_file(&aside);
        linked.and(removed)?;
        fs::File::open(&self.directory)?.sync_all()?;
        self.count.fetch_add(1, Ordering::Relaxed);
        read(&path)
    }
}

/// A new file beside the salts, under a name that nobody else has.
fn aside(directory: &Path, tenant: TenantId) -> io::Result<(PathBuf, fs::File)> {
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let path = directory.join(format!("{}.{:016x}.new", tenant.0, u64::from_ne_bytes(random)));
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok((path, file))
}

fn read(path: &Path) -> io::Result<(Salt, Stamp)> {
    let mut file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut salt = [0; BYTES];
    // One that is being destroyed is all zeros for a moment.
    if metadata.len() != BYTES as u64 || file.read_exact(&mut salt).is_err() || salt == [0; BYTES] {
        let message = "the file is not a salt: expected 32 random bytes";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok((salt, Stamp::of(&metadata)))
}
