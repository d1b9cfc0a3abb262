//! Catalogues that come from elsewhere: a task asks again and again, the gate looks at what it has.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::AbortHandle};

use super::{postgres::Database, url::Url};
use crate::{config::write_whole, identify::settings::CatalogueSettings};

/// The file in the data directory that holds the last catalogue that was good.
const KEPT: &str = "catalogue.json";
/// A source that fails is asked again after this, and after twice as long each time, up to the refresh.
const RETRY: Duration = Duration::from_millis(500);

/// Where a catalogue comes from.
enum Remote {
    Url(Box<Url>),
    Postgres(Box<Database>),
}

impl Remote {
    /// The text of the catalogue; nothing if it is the same as before.
    async fn fetch(&mut self) -> Result<Option<String>, String> {
        match self {
            Remote::Url(url) => url.fetch().await,
            Remote::Postgres(database) => database.fetch().await,
        }
    }

    /// Waits until it is time to ask again.
    async fn wait(&mut self, time: Duration) {
        match self {
            Remote::Url(_) => tokio::time::sleep(time).await,
            Remote::Postgres(database) => database.wait(time).await,
        }
    }
}

/// What the task has.
#[derive(Default)]
struct Latest {
    /// Counts up with each text.
    version: u64,
    /// None once it is kept on the disk: with many tenants it is large.
    text: Option<Arc<str>>,
    /// When the source last said something.
    heard: Option<Instant>,
    /// Why it didn't, the last time.
    error: Option<String>,
}

#[derive(Default)]
struct Shared {
    latest: Mutex<Latest>,
    changed: Condvar,
}

impl Shared {
    fn set(&self, act: impl FnOnce(&mut Latest)) {
        act(&mut self.latest.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

/// A source that is being asked by a task of its own, which ends with it.
pub(super) struct Feed {
    shared: Arc<Shared>,
    task: AbortHandle,
    kept: PathBuf,
    timeout: Duration,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Feed {
    /// Begins to ask, on `runtime`; rings `bell` when there is something new. The last good catalogue is kept in `directory`.
    ///
    /// # Errors
    /// The settings cannot be used: not a URL, no query, a file that cannot be read.
    pub fn start(
        settings: &CatalogueSettings,
        directory: &Path,
        runtime: &tokio::runtime::Handle,
        bell: Arc<Notify>,
    ) -> Result<Self, String> {
        let mut remote = match (&settings.url, &settings.postgres) {
            (Some(url), _) => Remote::Url(Box::new(Url::new(url, settings)?)),
            (None, Some(postgres)) => Remote::Postgres(Box::new(Database::new(postgres)?)),
            (None, None) => return Err("no source is given".into()),
        };
        let shared = Arc::new(Shared::default());
        let (told, refresh, timeout) = (Arc::clone(&shared), settings.refresh, settings.timeout);
        let task = runtime.spawn(async move {
            let mut failures = 0u32;
            loop {
                let said = match tokio::time::timeout(timeout, remote.fetch()).await {
                    Ok(said) => said,
                    Err(_) => Err(format!("no answer in {}", crate::config::duration::format(timeout))),
                };
                let up = said.is_ok();
                metrics::gauge!("portcullis_catalogue_source_up").set(f64::from(u8::from(up)));
                match (&said, failures) {
                    (Err(error), 0) => {
                        tracing::warn!(
                            error,
                            "the source of tenants does not answer; those known stay in force"
                        );
                    }
                    (Ok(_), 1..) => tracing::info!("the source of tenants answers again"),
                    _ => {}
                }
                let new = matches!(said, Ok(Some(_)));
                failures = if up { 0 } else { failures.saturating_add(1) };
                told.set(|latest| match said {
                    Ok(text) => {
                        latest.heard = Some(Instant::now());
                        latest.error = None;
                        if let Some(text) = text {
                            latest.text = Some(text.into());
                            latest.version += 1;
                        }
                    }
                    Err(error) => latest.error = Some(error),
                });
                if new {
                    bell.notify_one();
                }
                let pause = RETRY.saturating_mul(1 << failures.min(16));
                remote.wait(if up { refresh } else { pause.min(refresh) }).await;
            }
        });
        let kept = directory.join(KEPT);
        Ok(Feed { shared, task: task.abort_handle(), kept, timeout })
    }

    /// The number of the text that there is now.
    pub fn version(&self) -> u64 {
        self.shared.latest.lock().unwrap_or_else(PoisonError::into_inner).version
    }

    /// How long ago the source last said something.
    pub fn age(&self) -> Option<Duration> {
        let latest = self.shared.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.heard.map(|heard| heard.elapsed())
    }

    /// The text and its number; waits for the first one, or the first error. Blocks: not for a thread that runs
    /// tasks.
    ///
    /// # Errors
    /// The source did not answer, or not well.
    pub fn text(&self) -> Result<(Arc<str>, u64), String> {
        let latest = self.shared.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |latest: &mut Latest| latest.version == 0 && latest.error.is_none();
        let longest = self.timeout + Duration::from_secs(1);
        let (latest, _) = self
            .shared
            .changed
            .wait_timeout_while(latest, longest, waits)
            .unwrap_or_else(PoisonError::into_inner);
        match (latest.version, &latest.error) {
            (0, Some(error)) => Err(error.clone()),
            (0, None) => Err("no answer".into()),
            (version, _) => match &latest.text {
                Some(text) => Ok((Arc::clone(text), version)),
                None => match std::fs::read_to_string(&self.kept) {
                    Ok(text) => Ok((text.into(), version)),
                    Err(error) => Err(format!("{}: {error}", self.kept.display())),
                },
            },
        }
    }

    /// The catalogue that was kept, and how old it is.
    pub fn kept(&self) -> Option<(String, Duration)> {
        let text = std::fs::read_to_string(&self.kept).ok()?;
        let written = std::fs::metadata(&self.kept).and_then(|meta| meta.modified()).ok()?;
        Some((text, written.elapsed().unwrap_or_default()))
    }

    /// Keeps the catalogue of a version for a start at which the source is away, and no longer in memory.
    pub fn keep(&self, text: &str, version: u64) {
        match write_whole(&self.kept, text.as_bytes()) {
            Ok(()) => self.shared.set(|latest| {
                if latest.version == version {
                    latest.text = None;
                }
            }),
            Err(error) => {
                tracing::warn!(%error, file = %self.kept.display(), "the catalogue could not be kept");
            }
        }
    }

    /// The name of the file that it is kept in.
    pub fn kept_name(&self) -> String {
        self.kept.display().to_string()
    }
}
