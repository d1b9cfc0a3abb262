//! The detectors' thread beside the data path: fed by a bounded queue, never waited for.
//!
//! One thread is enough for what one gate takes in: observations are small, and what is expensive about them
//! (names, statements, ids) is done by the workers that have the bytes at hand.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use crate::{batch::TenantId, limits};

use super::{
    DetectorName, Finding, Key, Observation, Rules, Settings, Shard, board::Board, findings::Candidate,
    snapshot, suppressions::Suppressions, teller::Teller,
};

/// How often time passes when nothing comes.
const TICK: Duration = Duration::from_millis(500);
/// How long whoever destroys a tenant waits for the detectors.
const FORGET: Duration = Duration::from_secs(30);
/// How often what goes on is written down, in nanoseconds.
const SAVE: u64 = 10_000_000_000;

/// What is done with a finding beside file and counter: it is given the finding and its OTLP log
/// request, to be put on the journal. Called from a detector's thread.
pub type OnFinding = Arc<dyn Fn(&Finding, bytes::Bytes) + Send + Sync>;

/// The current time in nanoseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A tenant's text on a metric. The gate has one bounded set of labels for all its metrics.
pub type TenantLabel = Arc<dyn Fn(TenantId) -> String + Send + Sync>;

/// What the engine needs of its surroundings.
#[derive(Clone)]
pub struct Hooks {
    /// Called for every finding; by default nothing is done.
    pub on_finding: OnFinding,
    /// Decides how long candidates wait; by default the system's clock.
    pub clock: Clock,
    /// By default the tenant itself, and "other" past [`limits::TENANT_LABELS`] of them.
    pub tenant_label: TenantLabel,
    /// Where what was learned is kept; nowhere by default.
    pub snapshot: Option<PathBuf>,
}

impl Default for Hooks {
    fn default() -> Self {
        let seen = Mutex::new(HashSet::new());
        let label = move |tenant: TenantId| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let known = seen.contains(&tenant) || (seen.len() < limits::TENANT_LABELS && seen.insert(tenant));
            if known { tenant.to_string() } else { "other".to_owned() }
        };
        Hooks {
            on_finding: Arc::new(|_, _| {}),
            clock: Arc::new(wall_clock),
            tenant_label: Arc::new(label),
            snapshot: None,
        }
    }
}

/// The detectors.
pub struct Engine {
    sender: Option<Sender<Vec<Observation>>>,
    thread: Option<JoinHandle<()>>,
    errands: Sender<Errand>,
    teller: Teller,
    names: Arc<[DetectorName]>,
    // The last second (since the epoch) that was counted as blind.
    blind: AtomicU64,
}

impl Engine {
    /// Starts the thread.
    ///
    /// # Errors
    /// It cannot be started; what findings are told to cannot be opened, which is said.
    pub fn start(settings: &Settings, rules: &Arc<Rules>, hooks: &Hooks) -> std::io::Result<Self> {
        let teller = Teller::new(settings, rules.key(), hooks)?;
        let (sender, receiver) = bounded(limits::OBSERVATION_BATCHES);
        let (errands, asked) = bounded(limits::DETECT_ERRANDS);
        let mut shard = Shard::new(settings, rules);
        let kept = hooks.snapshot.clone().map(|path| (path, rules.key()));
        if let Some((path, key)) = &kept {
            match snapshot::read(path, key, (hooks.clock)()) {
                Ok(state) => shard.load(&state.unwrap_or_default()),
                Err(error) => {
                    tracing::warn!(file = %path.display(), error, "detection starts without what it had learned")
                }
            }
        }
        let mut worker = Worker { shard, teller: teller.clone(), sizes: Vec::new(), asked, saved: 0, kept };
        worker.resume();
        let thread = std::thread::Builder::new().name("detect".to_owned());
        Ok(Engine {
            sender: Some(sender),
            thread: Some(thread.spawn(move || worker.run(&receiver))?),
            errands,
            teller,
            names: settings.detectors.clone().into(),
            blind: AtomicU64::new(0),
        })
    }

    /// Hands observations on. Never blocks: what does not fit is shed, and that second counts as blind.
    /// Gives the number of observations shed.
    pub fn submit(&self, observations: Vec<Observation>) -> usize {
        let (Some(last), Some(sender)) = (observations.last(), &self.sender) else { return 0 };
        let second = last.at / 1_000_000_000;
        let shed = offer(sender, observations);
        if shed > 0 && self.blind.fetch_max(second, Relaxed) < second {
            for name in self.names.iter() {
                metrics::counter!("portcullis_detector_blind_seconds_total", "detector" => name.as_str())
                    .increment(1);
            }
            tracing::warn!(observations = shed, "detectors are behind and blind for a moment");
        }
        shed
    }

    /// Takes up a finding that was made elsewhere. Never waits: past [`limits::DETECT_ERRANDS`] it is dropped.
    pub fn tell(&self, finding: &Finding) {
        if self.errands.try_send(Errand::Tell(Box::new(finding.clone()))).is_err() {
            tracing::warn!(class = finding.class.as_str(), "detectors are behind: a finding is dropped");
        }
    }

    /// The findings that are open.
    pub fn board(&self) -> &Board {
        &self.teller.board
    }

    /// The suppressions.
    pub fn suppressions(&self) -> &Suppressions {
        &self.teller.suppressions
    }

    /// Follows settings that were checked.
    pub fn follow(&self, settings: &Settings) {
        self.teller.suppressions.configure(&settings.suppressions, (self.teller.hooks.clock)());
    }

    /// Takes the findings of a tenant, and those that name it, out of the file and of what goes on, and
    /// suppressions about it. Returns how many lines. Blocks until the detectors' thread has done it.
    ///
    /// # Errors
    /// A file cannot be read or written; the detectors are too busy.
    pub fn forget(&self, tenant: TenantId) -> std::io::Result<u64> {
        let (reply, done) = bounded(1);
        let busy = |_| std::io::Error::other("the detectors are busy; try again");
        self.errands.send_timeout(Errand::Forget(tenant, reply), FORGET).map_err(|_| busy(()))?;
        done.recv_timeout(FORGET).map_err(|_| busy(()))?
    }

    /// Lets what is queued be finished and what waits be told, and ends. The file is complete then.
    pub fn stop(mut self) {
        self.sender = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the detectors' thread had panicked");
        }
    }
}

fn offer(sender: &Sender<Vec<Observation>>, observations: Vec<Observation>) -> usize {
    match sender.try_send(observations) {
        Ok(()) => 0,
        Err(TrySendError::Full(rest) | TrySendError::Disconnected(rest)) => rest.len(),
    }
}

pub(crate) fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    super::rules::nanos(since)
}

/// What the detectors' thread is asked to do beside looking at observations.
enum Errand {
    /// To take up a finding that was made elsewhere.
    Tell(Box<Finding>),
    /// To forget what names a tenant, and to say how many lines of the file did.
    Forget(TenantId, Sender<std::io::Result<u64>>),
}

struct Worker {
    shard: Shard,
    teller: Teller,
    sizes: Vec<usize>,
    asked: Receiver<Errand>,
    /// When what goes on was last written down.
    saved: u64,
    /// Where what was learned is kept, and under which key.
    kept: Option<(PathBuf, Key)>,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Vec<Observation>>) {
        let mut shown = 0;
        let mut learned = Instant::now();
        loop {
            let received = queue.recv_timeout(TICK);
            let now = (self.teller.hooks.clock)();
            match received {
                Ok(observations) => observations.into_iter().for_each(|o| self.shard.observe(o)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.errands(now);
            self.tell(now);
            if now.saturating_sub(shown) >= 1_000_000_000 {
                shown = now;
                self.show_sizes();
                self.teller.suppressions.look(now);
            }
            if now.saturating_sub(self.saved) >= SAVE {
                self.saved = now;
                self.save();
            }
            if learned.elapsed() >= limits::SNAPSHOT_INTERVAL {
                learned = Instant::now();
                self.learned();
            }
        }
        self.learned();
        self.errands((self.teller.hooks.clock)());
        self.shard.findings().stopping();
        // Nothing more can excuse what still waits.
        for part in [4, 3, 2] {
            self.tell(u64::MAX / part);
        }
        self.save();
    }

    /// Takes up the incidents that went on when the last gate stopped.
    fn resume(&mut self) {
        self.shard.findings().watch(Arc::clone(&self.teller.suppressions));
        let file = self.teller.file.lock().unwrap_or_else(PoisonError::into_inner).open_file().to_owned();
        if !file.exists() {
            return;
        }
        match crate::config::read_text(&file, limits::INCIDENTS_BYTES) {
            Ok(text) => self.shard.findings().load(&text).iter().for_each(|one| self.teller.resume(one)),
            Err(error) => {
                tracing::warn!(%error, "the findings that went on cannot be read: they are told anew")
            }
        }
    }

    fn errands(&mut self, now: u64) {
        while let Ok(errand) = self.asked.try_recv() {
            match errand {
                Errand::Tell(finding) => {
                    let findings = self.shard.findings();
                    let thing = findings.entity((&finding.service, &finding.field));
                    let finding = Finding { at: now, ..*finding };
                    findings.raise_apart(Candidate::made(finding, thing));
                }
                Errand::Forget(tenant, reply) => {
                    self.shard.forget(tenant);
                    self.teller.forget(tenant);
                    self.save();
                    self.learned();
                    let told = self.teller.suppressions.forget(tenant);
                    let mut file = self.teller.file.lock().unwrap_or_else(PoisonError::into_inner);
                    let _ = reply.send(told.and_then(|()| file.forget(tenant)));
                }
            }
        }
    }

    /// Writes down what goes on, for the next start.
    fn save(&mut self) {
        let file = self.teller.file.lock().unwrap_or_else(PoisonError::into_inner).open_file().to_owned();
        // What was held back is new to whoever hears of it after the next start.
        let board = &self.teller.board;
        let open = self.shard.findings().save(|id| board.held_back(id) != Some(true));
        let saved = open.map_or(Ok(()), |text| crate::config::write_whole(&file, text.as_bytes()));
        if let Err(error) = saved.and_then(|()| self.teller.suppressions.save()) {
            tracing::warn!(%error, "the findings that go on cannot be written down");
        }
    }

    fn tell(&mut self, now: u64) {
        for mut finding in self.shard.advance(now) {
            finding.at = finding.at.min((self.teller.hooks.clock)());
            self.teller.tell(&finding);
        }
    }

    /// Writes what was learned. Nothing is lost without it but that.
    fn learned(&self) {
        let Some((path, key)) = &self.kept else { return };
        if let Err(error) = snapshot::write(path, key, &self.shard.save(), (self.teller.hooks.clock)()) {
            tracing::warn!(file = %path.display(), %error, "what detection has learned cannot be kept");
        }
    }

    fn show_sizes(&mut self) {
        for (name, withheld) in self.shard.take_cold() {
            metrics::counter!("portcullis_detector_cold_total", "detector" => name.as_str())
                .increment(withheld);
        }
        let sizes = self.shard.sizes();
        self.sizes.resize(sizes.len(), 0);
        for ((name, entries, evicted), shown) in sizes.into_iter().zip(&mut self.sizes) {
            let gauge = metrics::gauge!("portcullis_detector_state_entries", "detector" => name.as_str());
            gauge.increment(entries as f64 - *shown as f64);
            metrics::counter!("portcullis_detector_evicted_total", "detector" => name.as_str())
                .increment(evicted);
            *shown = entries;
        }
    }
}

#[cfg(test)]
#[path = "tests/kept.rs"]
mod tests;
