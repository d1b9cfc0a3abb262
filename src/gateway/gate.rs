//! The whole gate as one value: started from a configuration, stopped in phases.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::{Method, StatusCode};
use tokio::{
    sync::{Notify, watch},
    task::{AbortHandle, JoinHandle as Task},
    time::{Instant, interval, timeout},
};

use super::{
    Budget, api,
    control::{Control, end_series},
    gauges::{tell, tell_catalogue},
    holds::Holds,
    moves::Moves,
    way_out::{self, Around, FromJournal},
    workers::{Door, Shared},
};
use crate::{
    admin::{self, Answer, Ask, Readiness, tokens::Tokens},
    batch::{Batch, Signal},
    buffer::{Accounting, Journal, quarantine::Quarantine},
    config::{Config, ConfigErrors, Document},
    detect::{Engine, Hooks},
    export::{
        prometheus::{self, Store},
        pump::{Ended, Pump},
    },
    identify::{CatalogueSource, Issuers, traces::Traces},
    limits,
    policy::Policy,
    receive::{Receivers, listener},
    scrub,
    telemetry::{
        audit::AuditFile,
        events::{Event, Reloaded},
        metrics::{shared as own_metrics, tenant_label},
    },
    usage::Ledger,
};

/// Reads the configuration again; called at the start and on every reload.
pub type Load = Arc<dyn Fn() -> Result<Document, ConfigErrors> + Send + Sync>;

/// What a reload needs.
pub(super) struct Reload {
    load: Load,
    shared: Arc<Shared>,
    pub(super) source: Mutex<CatalogueSource>,
    /// Rings when a catalogue that comes from elsewhere has changed.
    bell: Arc<Notify>,
    /// The task that keeps the keys of tokens fresh.
    keys: Mutex<Option<AbortHandle>>,
}

impl Reload {
    /// Keeps the keys of the policy in use fresh, and those of no other.
    fn tend(&self) {
        let verifier = self.shared.policy.load().verifier.clone();
        self.attend(verifier);
    }

    fn attend(&self, verifier: Option<Arc<Issuers>>) {
        let task = verifier.map(|verifier| tokio::spawn(verifier.run()).abort_handle());
        let before = std::mem::replace(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner), task);
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Compiles aside and swaps one pointer; on an error the old policy stays.
    pub(super) fn now(&self) -> Result<(), String> {
        let result = self.compile().map(|policy| {
            let hash = policy.hash.clone();
            let before = self.shared.policy.swap(Arc::new(policy));
            if before.hash != hash {
                metrics::gauge!("portcullis_config_info", "hash" => before.hash.clone()).set(0.0);
            }
            let policy = self.shared.policy.load();
            tell_catalogue(&policy);
            if let Some(engine) = &*self.shared.engine.load() {
                engine.follow(&policy.config.detect);
            }
            self.tend();
            end_series(&self.shared);
            hash
        });
        Reloaded { result: result.clone().map(Into::into) }.emit();
        result.map(|_| ())
    }

    fn compile(&self) -> Result<Policy, String> {
        let document = (self.load)().map_err(|errors| errors.to_string())?;
        let before = self.shared.policy.load_full();
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let config: Config = document.decode().map_err(|errors| errors.to_string())?;
        if config.identity.catalogue != before.config.identity.catalogue {
            let bell = Arc::clone(&self.bell);
            *source = CatalogueSource::new(&config.identity.catalogue, &config.buffer.directory, bell)
                .map_err(|error| error.to_string())?;
        }
        let catalogue = source.load().map_err(|error| error.to_string())?;
        Policy::compile(&document, catalogue, Some(&before)).map_err(|mistakes| mistakes.join("\n"))
    }

    /// Whether the configuration or the catalogue is another than the one in use.
    fn changed(&self) -> bool {
        let catalogue = self.source.lock().unwrap_or_else(PoisonError::into_inner).has_changed();
        let hash = (self.load)().ok().and_then(|document| document.decode::<Config>().ok());
        let hash = hash.and_then(|config| crate::config::hash(&config).ok());
        catalogue || hash.is_some_and(|hash| hash != self.shared.policy.load().hash)
    }
}

/// A running gate.
pub struct Gate {
    shared: Arc<Shared>,
    reload: Arc<Reload>,
    readiness: Readiness,
    receivers: Receivers,
    admin: Option<listener::Server>,
    api: Option<listener::Server>,
    metrics: Option<SocketAddr>,
    scrapes: Arc<Notify>,
    workers: Vec<JoinHandle<()>>,
    pumps: Vec<Task<Ended>>,
    stop_pumps: watch::Sender<Option<Instant>>,
    tasks: Vec<Task<()>>,
    audit: Option<AuditFile>,
}

impl Gate {
    /// Starts every part; nothing is left running on an error, whose text is for people.
    ///
    /// # Errors
    /// What is wrong with the configuration, an address that is taken, a directory that is in use.
    pub async fn start(load: Load) -> Result<Gate, String> {
        let document = load().map_err(|errors| errors.to_string())?;
        let config: Config = document.decode().map_err(|errors| errors.to_string())?;
        let own = own_metrics()?;
        let bell = Arc::new(Notify::new());
        let mut source =
            CatalogueSource::new(&config.identity.catalogue, &config.buffer.directory, Arc::clone(&bell))
                .map_err(|error| error.to_string())?;
        // It may wait for a source that is elsewhere.
        let loading = move || source.load().map(|catalogue| (source, catalogue));
        let loaded = tokio::task::spawn_blocking(loading).await.map_err(|error| error.to_string())?;
        let (source, catalogue) = loaded.map_err(|error| error.to_string())?;
        let policy = Policy::compile(&document, catalogue, None).map_err(|mistakes| mistakes.join("\n"))?;
        tell_catalogue(&policy);
        Reloaded { result: Ok(policy.hash.clone().into()) }.emit();

        let destinations = config.destinations();
        let names: Vec<String> = destinations.iter().map(|destination| destination.name.clone()).collect();
        let usage = match config.usage.enabled {
            true => Some(Arc::new(Ledger::open(&config.buffer.directory, &config.usage)?)),
            false => None,
        };
        let journal = match &usage {
            Some(ledger) => Journal::open_counted(config.buffer.clone(), &names, ledger.counted()),
            None => Journal::open(config.buffer.clone(), &names),
        };
        let journal = journal.map_err(|error| error.to_string())?;
        let holds = Arc::<Holds>::default();
        let moves = Moves::open(&config.buffer, names, journal.clone(), Arc::clone(&holds))?;
        let quarantine = Quarantine::open(&config.buffer).map_err(|error| error.to_string())?;
        let rules = Arc::clone(&policy.rules);
        // A tenant's own limit is the policy's to say, and that changes.
        let gate = Arc::new(OnceLock::<Weak<Shared>>::new());
        let series = Arc::clone(&gate);
        let store = Arc::new(Store::new(&config.prometheus).with_series_limit(move |tenant| {
            let policy = series.get()?.upgrade()?.policy.load_full();
            let limit = policy.catalogue.limits(tenant, &policy.config.identity).series;
            limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
        }));
        let shared = Arc::new(Shared {
            content: Arc::default(),
            policy: ArcSwap::from_pointee(policy),
            budget: Budget::new(config.process.in_flight_bytes),
            admission: Default::default(),
            traces: Arc::new(Traces::new(config.process.in_flight_bytes / limits::INHERIT_WAITING_DIVISOR)),
            engine: ArcSwapOption::empty(),
            journal,
            holds,
            moves,
            gone: Default::default(),
            usage,
            quarantine,
            impersonations: Default::default(),
            store: Arc::clone(&store),
        });
        let _ = gate.set(Arc::downgrade(&shared));
        if let Some(ledger) = &shared.usage {
            let around = way_out::counted(&shared);
            ledger.start(shared.journal.counting(), around).map_err(|error| format!("usage: {error}"))?;
        }
        let mut detect = config.detect.clone();
        detect.findings.file = config.findings_file();
        let snapshot = Some(config.buffer.directory.join("detect.snapshot"));
        let hooks = Hooks { snapshot, ..hooks(&shared) };
        let engine = Engine::start(&detect, &rules, &hooks).map_err(|error| error.to_string())?;
        shared.engine.store(Some(Arc::new(engine)));

        shared.moves.go_on().await;
        let (stop_pumps, stop) = watch::channel(None);
        let mut pumps = Vec::new();
        for (place, destination) in destinations.iter().enumerate() {
            let reader = shared.journal.reader(&destination.name).map_err(|error| error.to_string())?;
            let name = destination.name.clone();
            let around = Arc::new(Around { shared: Arc::clone(&shared), place, name });
            let mut pump = Pump::new(destination, around)?;
            if destination.verbose {
                pump = pump.with_records(render);
            }
            let stop = stop.clone();
            pumps.push(tokio::spawn(async move { pump.run(&mut FromJournal(reader), stop).await }));
        }

        let count = match config.process.workers {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).max(1),
            count => count,
        };
        let (door, workers) = Door::open(Arc::clone(&shared), count).map_err(|error| error.to_string())?;
        let audit =
            config.audit_file().map(AuditFile::start).transpose().map_err(|error| error.to_string())?;
        let readiness = Readiness::new();
        let reload = Arc::new(Reload {
            load,
            shared: Arc::clone(&shared),
            source: Mutex::new(source),
            bell,
            keys: Mutex::default(),
        });

        let scrapes = Arc::new(Notify::new());
        let mut tasks = Vec::new();
        let mut metrics = None;
        if config.prometheus.enabled {
            let socket = bind("prometheus", config.prometheus.endpoint).await?;
            metrics = socket.local_addr().ok();
            let stop = Arc::clone(&scrapes);
            let page = prometheus::serve(socket, own, store, async move { stop.notified().await });
            tasks.push(tokio::spawn(page));
        }
        let admin = match config.admin.endpoint {
            Some(endpoint) => {
                let socket = bind("admin", endpoint).await?;
                let handler = pages(readiness.clone(), Arc::clone(&reload));
                Some(admin::serve_http(socket, handler).map_err(|error| error.to_string())?)
            }
            None => None,
        };
        let control = Arc::new(Control {
            shared: Arc::clone(&shared),
            reload: Arc::clone(&reload),
            door: Arc::downgrade(&door),
            turn: Default::default(),
            purging: Default::default(),
        });
        let tokens = Arc::new(Tokens::new(&config.admin.api)?);
        let api = match config.admin.api.endpoint {
            Some(endpoint) => {
                let socket = bind("admin.api", endpoint).await?;
                let handler = api::handler(Arc::clone(&control), tokens);
                Some(admin::serve_http(socket, handler).map_err(|error| error.to_string())?)
            }
            None => None,
        };
        let receivers = Receivers::start(&config.receivers, door).await.map_err(|error| error.to_string())?;
        reload.tend();
        tasks.push(tokio::spawn(tell(Arc::clone(&shared), Arc::clone(&reload), readiness.clone())));
        tasks.push(tokio::spawn(control.end_of_life()));
        tasks.push(tokio::spawn(super::sharing::share(Arc::clone(&shared))));
        tasks.push(tokio::spawn(follow(Arc::clone(&reload), config.process.reload_interval)));
        readiness.ready("receivers");
        Ok(Gate {
            shared,
            reload,
            readiness,
            receivers,
            admin,
            api,
            metrics,
            scrapes,
            workers,
            pumps,
            stop_pumps,
            tasks,
            audit,
        })
    }

    /// Where OTLP/gRPC is served.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.receivers.grpc_address()
    }

    /// Where OTLP/HTTP and NDJSON are served.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.receivers.http_address()
    }

    /// Where `/metrics` is served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Where `/livez`, `/readyz` and `/-/reload` are served.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(listener::Server::address)
    }

    /// Where the admin API is served.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.as_ref().map(listener::Server::address)
    }

    /// Reads the configuration again and swaps the policy; on an error the old one stays.
    ///
    /// # Errors
    /// What is wrong with the new configuration.
    pub async fn reload(&self) -> Result<(), String> {
        let reload = Arc::clone(&self.reload);
        tokio::task::spawn_blocking(move || reload.now()).await.map_err(|error| error.to_string())?
    }

    /// Stops in phases, each with its share of the deadline; whether all that was acknowledged is safe.
    pub async fn stop(self) -> bool {
        let total = self.shared.policy.load().config.process.stop_deadline;
        let phase = total / 5;
        self.readiness.not_ready("receivers", "the gate is stopping");
        self.receivers.unready();
        let answered = self.receivers.shutdown(phase).await;
        // The door went with the receivers: workers end when their queue is empty.
        let workers = self.workers;
        let engine = self.shared.engine.swap(None);
        let shared = Arc::clone(&self.shared);
        let drained = tokio::task::spawn_blocking(move || {
            workers.into_iter().for_each(|worker| drop(worker.join()));
            if let Some(engine) = engine.and_then(Arc::into_inner) {
                engine.stop();
            }
            shared.journal.drain(phase)
        });
        let drained = timeout(phase * 2, drained).await.is_ok_and(|ended| ended.unwrap_or(false));
        // Lets the pumps see the deadline; what they cannot deliver stays on disk.
        let _ = self.stop_pumps.send(Some(Instant::now() + phase));
        for pump in self.pumps {
            let _ = timeout(phase + Duration::from_secs(1), pump).await;
        }
        self.shared.moves.stop();
        self.scrapes.notify_one();
        self.tasks.iter().for_each(Task::abort);
        self.reload.attend(None);
        let shared = Arc::clone(&self.shared);
        let closed = tokio::task::spawn_blocking(move || {
            let closed = shared.journal.close(phase);
            if let Some(ledger) = &shared.usage {
                // What is not counted now is after the next start: it is in the journal.
                ledger.stop();
            }
            closed
        });
        let closed = closed.await.unwrap_or(false);
        self.shared.impersonations.flush(true);
        drop(tokio::task::spawn_blocking(move || drop(self.audit)).await);
        for admin in self.admin.into_iter().chain(self.api) {
            admin.shutdown(Duration::from_secs(1)).await;
        }
        answered && drained && closed
    }
}

async fn bind(name: &'static str, address: SocketAddr) -> Result<tokio::net::TcpListener, String> {
    listener::bind(name, address).await.map_err(|error| error.to_string())
}

/// A finding goes where logs go: stamped by its maker, scrubbed like everything else.
fn hooks(shared: &Arc<Shared>) -> Hooks {
    let gate = Arc::downgrade(shared);
    let scratch = Mutex::new(scrub::Scratch::default());
    Hooks {
        on_finding: Arc::new(move |finding, bytes| {
            let Some(shared) = gate.upgrade() else { return };
            let policy = shared.policy.load();
            let raw = Batch::raw(Signal::Logs, finding.tenant, 1, bytes);
            let mut scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            let mut tally = scrub::Tally::default();
            // The file has the finding already; a full journal costs its copy among the logs alone.
            if let Ok(batch) = policy.scrubber.scrub_batch(&mut scratch, raw, &policy.master, &mut tally) {
                let counts = Accounting { own: true, ..Accounting::default() };
                let _ = shared.holds.try_append(&shared.journal, &batch, policy.epoch, &counts, None);
            }
        }),
        tenant_label: Arc::new(|tenant| tenant_label(tenant).to_string()),
        ..Hooks::default()
    }
}

fn render(signal: Signal, bytes: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    crate::wire::json::encode(signal, bytes, &mut out).ok()?;
    String::from_utf8(out).ok()
}

fn pages(readiness: Readiness, reload: Arc<Reload>) -> admin::Handler {
    Arc::new(move |ask: Ask| {
        let (readiness, reload) = (readiness.clone(), Arc::clone(&reload));
        Box::pin(async move {
            if let Some(answer) = readiness.answer(&ask) {
                return answer;
            }
            match (ask.path.as_str(), &ask.method) {
                ("/-/reload", &Method::POST) => {
                    match tokio::task::spawn_blocking(move || reload.now()).await {
                        Ok(Ok(())) => Answer::text(StatusCode::OK, "reloaded\n"),
                        Ok(Err(why)) => Answer::text(StatusCode::BAD_REQUEST, format!("{why}\n")),
                        Err(_) => Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the reload failed\n"),
                    }
                }
                ("/-/reload", _) => Answer::method_not_allowed("POST"),
                _ => Answer::not_found(),
            }
        })
    })
}

/// Follows changes of the configuration and of the catalogue.
async fn follow(reload: Arc<Reload>, every: Duration) {
    let mut tick = interval(every.max(Duration::from_millis(100)));
    tick.tick().await;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = reload.bell.notified() => {}
        }
        let reload = Arc::clone(&reload);
        let _ = tokio::task::spawn_blocking(move || {
            if reload.changed() {
                let _ = reload.now();
            }
        })
        .await;
    }
}
