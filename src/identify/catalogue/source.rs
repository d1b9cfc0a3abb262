//! Where the catalogue comes from, watched.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::Notify;

use super::{Catalogue, CatalogueError, feed::Feed, load, parse};
use crate::identify::settings::CatalogueSettings;

/// Reads the catalogue, and again when it has changed.
#[derive(Debug)]
pub struct CatalogueSource {
    from: Origin,
    taken: Instant,
}

#[derive(Debug)]
enum Origin {
    /// Nowhere: the catalogue is open for ever.
    Nowhere,
    File {
        file: PathBuf,
        seen: Option<Stamp>,
    },
    Elsewhere {
        feed: Feed,
        /// What it is called in messages.
        name: &'static str,
        seen: u64,
        /// How old the kept catalogue was that is in use since its source is away, and since when.
        kept: Option<(Duration, Instant)>,
    },
}

/// What tells one version of a file from another: an editor rewrites it, a deployment replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

impl CatalogueSource {
    /// The source that the settings name. One that is elsewhere is asked from now on, by a task on the runtime
    /// that this is called in, and rings `bell` when it has something new; `directory` keeps its last good
    /// catalogue.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn new(
        settings: &CatalogueSettings,
        directory: &Path,
        bell: Arc<Notify>,
    ) -> Result<Self, CatalogueError> {
        let from = match &settings.file {
            Some(file) => Origin::File { file: file.clone(), seen: None },
            None if settings.is_remote() => {
                let name = if settings.url.is_some() { "the URL" } else { "the database" };
                let feed = tokio::runtime::Handle::try_current()
                    .map_err(|error| error.to_string())
                    .and_then(|runtime| Feed::start(settings, directory, &runtime, bell))
                    .map_err(|message| whole("identity.catalogue", message))?;
                Origin::Elsewhere { feed, name, seen: 0, kept: None }
            }
            None => Origin::Nowhere,
        };
        Ok(CatalogueSource { from, taken: Instant::now() })
    }

    /// Reads the catalogue now. Waits for the first answer of one that is elsewhere: not for a thread that runs
    /// tasks. If that is away, the one that was kept is taken.
    ///
    /// # Errors
    /// What [`load`](super::load()) finds wrong, or the source is away and none was kept.
    pub fn load(&mut self) -> Result<Catalogue, CatalogueError> {
        let catalogue = match &mut self.from {
            Origin::Nowhere => return Ok(Catalogue::open()),
            Origin::File { file, seen } => {
                // Before the read: a change while it is read is seen by the next poll.
                *seen = stamp(file);
                load(file)?
            }
            Origin::Elsewhere { feed, name, seen, kept } => match feed.text() {
                Ok((text, version)) => {
                    let new = *seen != version;
                    *seen = version;
                    let catalogue = parse(name, &text)?;
                    if new {
                        feed.keep(&text, version);
                    }
                    *kept = None;
                    catalogue
                }
                Err(error) => {
                    let (text, age) = feed.kept().ok_or_else(|| {
                        whole("identity.catalogue", format!("{error}; and no catalogue was kept from before"))
                    })?;
                    let catalogue = parse(&feed.kept_name(), &text)?;
                    tracing::warn!(
                        error,
                        age_seconds = age.as_secs(),
                        "the catalogue kept from before is used"
                    );
                    *kept = Some((age, Instant::now()));
                    catalogue
                }
            },
        };
        self.taken = Instant::now();
        Ok(catalogue)
    }

    /// The catalogue, if it has changed since the last look. One that is wrong, or gone, is said once for each of
    /// its versions; the catalogue in use stays the last good one.
    pub fn poll(&mut self) -> Option<Result<Catalogue, CatalogueError>> {
        self.has_changed().then(|| self.load())
    }

    /// Whether there is something that was not loaded yet.
    pub fn has_changed(&self) -> bool {
        match &self.from {
            Origin::Nowhere => false,
            Origin::File { file, seen } => stamp(file) != *seen,
            Origin::Elsewhere { feed, seen, .. } => feed.version() != *seen,
        }
    }

    /// Seconds since the catalogue was known to be what its source says: since it was taken from a file, or since
    /// a source elsewhere last answered.
    pub fn age_seconds(&self) -> f64 {
        let age = match &self.from {
            Origin::Elsewhere { kept: Some((age, since)), .. } => *age + since.elapsed(),
            Origin::Elsewhere { feed, .. } => feed.age().unwrap_or_else(|| self.taken.elapsed()),
            Origin::Nowhere | Origin::File { .. } => self.taken.elapsed(),
        };
        age.as_secs_f64()
    }
}

fn whole(file: &str, message: String) -> CatalogueError {
    CatalogueError { file: file.into(), line: 0, column: 0, message }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&meta);
    #[cfg(not(unix))]
    let inode = 0;
    Some(Stamp { modified: meta.modified().ok(), len: meta.len(), inode })
}
