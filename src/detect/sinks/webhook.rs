//! Findings to a URL: a bounded queue, a thread of its own, and nobody waits for it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::{
    alerts::{Around, alert, notification},
    settings::{WebhookFormat, WebhookSettings, address},
    signature::{HEADER, Signer},
};
use crate::{
    batch::TenantId,
    config::Secret,
    detect::{
        Severity, engine,
        finding::{Finding, Status},
        ocsf,
    },
    export::{
        otlp::{Failure, http_status, secured},
        retry::Backoff,
    },
    limits,
};

const REMIND: Duration = Duration::from_secs(limits::WEBHOOK_REMIND_SECONDS);

/// A webhook that runs. Dropped, it sends what it can within [`limits::WEBHOOK_STOP_SECONDS`].
#[derive(Debug)]
pub struct Webhook {
    queue: Option<mpsc::Sender<Errand>>,
    stop: watch::Sender<Option<Instant>>,
    thread: Option<JoinHandle<()>>,
    min_severity: Severity,
    gone: Gone,
}

/// Tenants that were destroyed since the worker last looked.
type Gone = Arc<Mutex<Vec<TenantId>>>;

#[derive(Debug)]
enum Errand {
    /// To be sent.
    Tell(Finding),
    /// Was sent before a restart: an Alertmanager is to hear that it goes on.
    Remind(Finding),
}

impl Webhook {
    /// Starts the thread.
    ///
    /// # Errors
    /// A setting is wrong or a file cannot be read, which is said; no thread.
    pub fn start(settings: &WebhookSettings, runbook: &str) -> io::Result<Webhook> {
        let gone = Gone::default();
        let worker = Worker::new(settings, runbook, Arc::clone(&gone)).map_err(io::Error::other)?;
        let (queue, errands) = mpsc::channel(settings.queue.clamp(1, limits::WEBHOOK_QUEUE));
        let (stop, stopping) = watch::channel(None);
        // Prometheus sees a counter rise only if it was there before.
        ["queue_full", "gave_up", "refused", "stopping"].into_iter().for_each(|reason| dropped(reason, 0));
        metrics::counter!("portcullis_webhook_sent_total").increment(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("webhook".into());
        let thread = thread.spawn(move || runtime.block_on(worker.run(errands, stopping)))?;
        let (queue, thread, min_severity) = (Some(queue), Some(thread), settings.min_severity);
        Ok(Webhook { queue, stop, thread, min_severity, gone })
    }

    /// Hands a finding on; never waits. What there is no room for is dropped and counted.
    pub fn tell(&self, finding: &Finding) {
        self.hand(finding, Errand::Tell);
    }

    /// Hands on that a finding of before a restart goes on.
    pub fn remind(&self, finding: &Finding) {
        self.hand(finding, Errand::Remind);
    }

    /// What names a tenant that is destroyed is over for an Alertmanager, within a minute.
    pub fn forget(&self, tenant: TenantId) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).push(tenant);
    }

    fn hand(&self, finding: &Finding, errand: impl Fn(Finding) -> Errand) {
        if finding.severity < self.min_severity {
            return;
        }
        let Some(queue) = &self.queue else { return };
        if queue.try_send(errand(finding.clone())).is_err() {
            dropped("queue_full", 1);
        }
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let until = Instant::now() + Duration::from_secs(limits::WEBHOOK_STOP_SECONDS);
        let _ = self.stop.send(Some(until));
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the webhook's thread had panicked");
        }
    }
}

fn dropped(reason: &'static str, findings: u64) {
    metrics::counter!("portcullis_webhook_dropped_total", "reason" => reason).increment(findings);
}

struct Worker {
    client: reqwest::Client,
    url: reqwest::Url,
    headers: HeaderMap,
    signer: Option<Signer>,
    settings: WebhookSettings,
    around: Around,
    /// What an Alertmanager believes to go on.
    open: HashMap<u64, Finding>,
    gone: Gone,
}

impl Worker {
    fn new(settings: &WebhookSettings, runbook: &str, gone: Gone) -> Result<Worker, String> {
        settings.check()?;
        let inline = Some(Secret::new(settings.url.clone()));
        let given = Secret::resolve(inline.as_ref(), settings.url_file.as_deref());
        let given = given.map_err(|error| format!("detect.webhook.url_file: {error}"))?.unwrap_or_default();
        let mut url = address(given.expose())?;
        const ALERTS: &str = "/api/v2/alerts";
        if settings.format == WebhookFormat::Alertmanager && !url.path().ends_with(ALERTS) {
            let path = format!("{}{ALERTS}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        let secret = Secret::resolve(Some(&settings.secret), settings.secret_file.as_deref());
        let secret = secret.map_err(|error| format!("detect.webhook.secret_file: {error}"))?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout);
        let client =
            secured(client, &settings.tls).and_then(|it| it.build().map_err(|error| error.to_string()));
        Ok(Worker {
            client: client.map_err(|error| format!("detect.webhook.tls: {error}"))?,
            url,
            headers: headers(&settings.headers)?,
            signer: secret.filter(|secret| !secret.is_empty()).map(|secret| Signer::new(secret.expose())),
            settings: settings.clone(),
            around: Around { runbook: runbook.to_owned(), link: settings.link.clone() },
            open: HashMap::new(),
            gone,
        })
    }

    async fn run(mut self, mut errands: mpsc::Receiver<Errand>, mut stop: watch::Receiver<Option<Instant>>) {
        let mut remind = tokio::time::interval_at(tokio::time::Instant::now() + REMIND, REMIND);
        remind.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut some = Vec::new();
            tokio::select! {
                got = errands.recv_many(&mut some, limits::WEBHOOK_ALERTS) => {
                    if got == 0 {
                        return;
                    }
                    self.take(some, &mut stop).await;
                }
                _ = remind.tick() => self.remind(&mut stop).await,
            }
            metrics::gauge!("portcullis_webhook_queue").set(errands.len() as f64);
        }
    }

    /// Sends some findings, in their order.
    async fn take(&mut self, some: Vec<Errand>, stop: &mut watch::Receiver<Option<Instant>>) {
        if self.settings.format == WebhookFormat::Alertmanager {
            // The last of each counts.
            let mut alerts: BTreeMap<(u64, Severity), Value> = BTreeMap::new();
            let (now, count) = (engine::wall_clock(), some.len() as u64);
            self.bury(now, &mut alerts);
            for errand in some {
                let (Errand::Tell(finding) | Errand::Remind(finding)) = errand;
                self.note(finding, now, &mut alerts);
            }
            self.send(&Value::Array(alerts.into_values().collect()), count, stop).await;
            return;
        }
        for errand in some {
            let Errand::Tell(finding) = errand else { continue };
            let body = match self.settings.format {
                WebhookFormat::AlertmanagerWebhook => notification(&finding, &self.around),
                WebhookFormat::Ocsf => ocsf::detection(&finding, &self.around.runbook),
                WebhookFormat::Json | WebhookFormat::Alertmanager => finding.shown(&self.around.runbook),
            };
            self.send(&body, 1, stop).await;
        }
    }

    /// What an Alertmanager is to hear of a finding. The severity is a label: another one is another alert.
    fn note(&mut self, finding: Finding, now: u64, alerts: &mut BTreeMap<(u64, Severity), Value>) {
        let before = self.open.remove(&finding.id);
        if let Some(before) = before.filter(|before| before.severity != finding.severity) {
            alerts.insert((before.id, before.severity), alert(&before, &self.around, now));
        }
        let over = finding.status == Status::Closed;
        let ends = if over { now } else { ends(now) };
        alerts.insert((finding.id, finding.severity), alert(&finding, &self.around, ends));
        if !over && self.open.len() < limits::WEBHOOK_OPEN {
            self.open.insert(finding.id, finding);
        }
    }

    /// Ends what names tenants that were destroyed.
    fn bury(&mut self, now: u64, alerts: &mut BTreeMap<(u64, Severity), Value>) {
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        let around = &self.around;
        self.open.retain(|id, finding| {
            let stays = !gone.iter().any(|tenant| finding.names(*tenant));
            if !stays {
                alerts.insert((*id, finding.severity), alert(finding, around, now));
            }
            stays
        });
    }

    /// Tells an Alertmanager what still goes on.
    async fn remind(&mut self, stop: &mut watch::Receiver<Option<Instant>>) {
        let (now, mut over) = (engine::wall_clock(), BTreeMap::new());
        self.bury(now, &mut over);
        let going_on = self.open.values().map(|finding| alert(finding, &self.around, ends(now)));
        let all: Vec<Value> = over.into_values().chain(going_on).collect();
        for some in all.chunks(limits::WEBHOOK_ALERTS) {
            // Said again soon: one attempt is enough.
            let body = Bytes::from(json!(some).to_string());
            if stop.borrow().is_some() || self.attempt(body).await.is_err() {
                return;
            }
        }
    }

    /// Sends a body, again and again, for `count` findings.
    async fn send(&self, body: &Value, count: u64, stop: &mut watch::Receiver<Option<Instant>>) {
        let body = Bytes::from(body.to_string());
        let retry = self.settings.retry.plain();
        let mut backoff = Backoff::new(&retry);
        loop {
            let stopping = *stop.borrow();
            let left = stopping
                .map_or(self.settings.timeout, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return dropped("stopping", count);
            }
            let attempt = tokio::time::timeout(left, self.attempt(body.clone())).await;
            let failure = match attempt.unwrap_or(Err(Failure::Retryable { reason: "timeout", after: None }))
            {
                Ok(()) => return metrics::counter!("portcullis_webhook_sent_total").increment(count),
                Err(failure) => failure,
            };
            let reason = failure.reason();
            metrics::counter!("portcullis_webhook_failed_total", "reason" => reason).increment(1);
            tracing::warn!(reason, "the webhook did not take a finding");
            let Failure::Retryable { after, .. } = failure else { return dropped("refused", count) };
            if stopping.is_some() {
                return dropped("stopping", count);
            }
            let Some(pause) = backoff.pause(after) else { return dropped("gave_up", count) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn attempt(&self, body: Bytes) -> Result<(), Failure> {
        let mut request = self.client.post(self.url.clone()).headers(self.headers.clone());
        if let Some(signer) = &self.signer {
            let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            request = request.header(HEADER, signer.sign(seconds, &body));
        }
        let answer = request.header(CONTENT_TYPE, "application/json").body(body).send().await;
        let answer = answer.map_err(|error| Failure::Retryable {
            reason: if error.is_timeout() {
                "timeout"
            } else if error.is_connect() {
                "connect"
            } else {
                "connection_lost"
            },
            after: None,
        })?;
        match (answer.status(), http_status(answer.status(), answer.headers())) {
            (status, _) if status.is_success() => Ok(()),
            (status, _) if matches!(status.as_u16(), 408 | 425 | 500) => {
                Err(Failure::Retryable { reason: "server_error", after: None })
            }
            (_, failure) => Err(failure),
        }
    }
}

/// Until when an Alertmanager that hears nothing more is to believe in an alert.
fn ends(now: u64) -> u64 {
    now.saturating_add(5 * limits::WEBHOOK_REMIND_SECONDS * 1_000_000_000)
}

fn headers(given: &BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let header = HeaderName::try_from(name)
            .map_err(|_| format!("detect.webhook.headers: {name}: not a header's name"))?;
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|_| format!("detect.webhook.headers: {name}: the value cannot stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}
