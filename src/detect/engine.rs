//! Detector threads beside the data path: fed by bounded queues, never waited for.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use crate::{batch::TenantId, limits};

use super::{DetectorName, Finding, Observation, Rules, Settings, Shard, file::FindingsLog, record};

/// How often a shard lets time pass when nothing comes.
const TICK: Duration = Duration::from_millis(500);

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
}

impl Default for Hooks {
    fn default() -> Self {
        let seen = Mutex::new(HashSet::new());
        let label = move |tenant: TenantId| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let known = seen.contains(&tenant) || (seen.len() < limits::TENANT_LABELS && seen.insert(tenant));
            if known { tenant.to_string() } else { "other".to_owned() }
        };
        Hooks { on_finding: Arc::new(|_, _| {}), clock: Arc::new(wall_clock), tenant_label: Arc::new(label) }
    }
}

/// The detectors of all shards.
pub struct Engine {
    senders: Vec<Sender<Vec<Observation>>>,
    threads: Vec<JoinHandle<()>>,
    teller: Teller,
    names: Arc<[DetectorName]>,
    // The last second (since the epoch) that was counted as blind.
    blind: AtomicU64,
}

impl Engine {
    /// Starts `settings.shards` threads.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(settings: &Settings, rules: &Arc<Rules>, hooks: &Hooks) -> std::io::Result<Self> {
        let file = Arc::new(Mutex::new(FindingsLog::new(settings.findings.clone())));
        let teller = Teller { file, hooks: hooks.clone() };
        let mut engine = Engine {
            teller: teller.clone(),
            senders: Vec::new(),
            threads: Vec::new(),
            names: settings.detectors.clone().into(),
            blind: AtomicU64::new(0),
        };
        for number in 0..settings.shards.clamp(1, limits::DETECTOR_SHARDS) {
            let (sender, receiver) = bounded(limits::OBSERVATION_BATCHES);
            let worker =
                Worker { shard: Shard::new(settings, rules), teller: teller.clone(), sizes: Vec::new() };
            let thread = std::thread::Builder::new().name(format!("detect-{number}"));
            engine.senders.push(sender);
            engine.threads.push(thread.spawn(move || worker.run(&receiver))?);
        }
        Ok(engine)
    }

    /// Hands observations to their shards. Never blocks: what a full shard cannot take is shed,
    /// and that second counts as blind. Gives the number of observations shed.
    pub fn submit(&self, observations: Vec<Observation>) -> usize {
        let Some(last) = observations.last() else { return 0 };
        let second = last.at / 1_000_000_000;
        let shed = match self.senders.as_slice() {
            [] => observations.len(),
            [one] => offer(one, observations),
            many => {
                let mut parts: Vec<Vec<Observation>> = many.iter().map(|_| Vec::new()).collect();
                for o in observations {
                    spread(o, &mut parts);
                }
                let parts = many.iter().zip(parts).filter(|(_, part)| !part.is_empty());
                parts.map(|(sender, part)| offer(sender, part)).sum()
            }
        };
        if shed > 0 && self.blind.fetch_max(second, Relaxed) < second {
            for name in self.names.iter() {
                metrics::counter!("portcullis_detector_blind_seconds_total", "detector" => name.as_str())
                    .increment(1);
            }
            tracing::warn!(observations = shed, "detectors are behind and blind for a moment");
        }
        shed
    }

    /// Tells a finding that was made elsewhere. Writes a file: not for a worker's thread.
    pub fn tell(&self, finding: &Finding) {
        self.teller.tell(finding);
    }

    /// Takes the findings of a tenant, and those that name it, out of the file. Returns how many.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn forget(&self, tenant: TenantId) -> std::io::Result<u64> {
        self.teller.file.lock().unwrap_or_else(PoisonError::into_inner).forget(tenant)
    }

    /// Lets the shards finish what is queued, tell what waits, and end. The file is complete then.
    pub fn stop(mut self) {
        self.senders.clear();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a detector thread had panicked");
            }
        }
    }
}

fn offer(sender: &Sender<Vec<Observation>>, observations: Vec<Observation>) -> usize {
    match sender.try_send(observations) {
        Ok(()) => 0,
        Err(TrySendError::Full(rest) | TrySendError::Disconnected(rest)) => rest.len(),
    }
}

// By trace for what is judged by trace; a request for an object goes to the object's shard, where
// the owner is known, and its bare span (for the trace's sake) to the trace's.
fn spread(o: Observation, parts: &mut [Vec<Observation>]) {
    let shards = parts.len() as u64;
    let index = |key: u64| (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % shards;
    let by_trace = index(o.trace.iter().fold(0, |n: u64, b| n.rotate_left(8) ^ u64::from(*b)));
    let mut by_object = super::few::Few::<u64, 4>::default();
    o.objects.iter().for_each(|id| by_object.add(index(id.0)));
    for shard in by_object.iter() {
        let mut copy = o.clone();
        copy.objects = o.objects.iter().filter(|id| index(id.0) == shard).collect();
        // Judged here for its objects alone.
        copy.span = [0; 8];
        copy.claimed = None;
        copy.state = super::observation::TenantState::Unverified;
        parts[shard as usize].push(copy);
    }
    let mut bare = o;
    bare.objects = super::few::Few::default();
    parts[by_trace as usize].push(bare);
}

fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    super::rules::nanos(since)
}

/// Tells findings: file, counter, log record.
#[derive(Clone)]
struct Teller {
    file: Arc<Mutex<FindingsLog>>,
    hooks: Hooks,
}

impl Teller {
    fn tell(&self, finding: &Finding) {
        metrics::counter!(
            "portcullis_findings_total",
            "class" => finding.class.as_str(),
            "tenant_id" => (self.hooks.tenant_label)(finding.tenant),
            "severity" => finding.severity.as_str()
        )
        .increment(1);
        let written = self.file.lock().unwrap_or_else(PoisonError::into_inner).append(finding);
        if let Err(error) = written {
            tracing::error!(%error, class = finding.class.as_str(), "the findings file cannot be written");
        }
        (self.hooks.on_finding)(finding, record::otlp(finding));
    }
}

struct Worker {
    shard: Shard,
    teller: Teller,
    sizes: Vec<usize>,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Vec<Observation>>) {
        let mut shown = 0;
        loop {
            let received = queue.recv_timeout(TICK);
            let now = (self.teller.hooks.clock)();
            match received {
                Ok(observations) => observations.iter().for_each(|o| self.shard.observe(o)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tell(now);
            if now.saturating_sub(shown) >= 1_000_000_000 {
                shown = now;
                self.show_sizes();
            }
        }
        // Nothing more can excuse what still waits.
        self.tell(u64::MAX / 2);
        self.tell(u64::MAX / 2 + u64::MAX / 4);
    }

    fn tell(&mut self, now: u64) {
        for mut finding in self.shard.advance(now) {
            finding.at = finding.at.min((self.teller.hooks.clock)());
            self.teller.tell(&finding);
        }
    }

    // Shards add up in one gauge, so each moves it by what changed.
    fn show_sizes(&mut self) {
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
