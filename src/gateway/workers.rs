//! The worker threads, and the door between them and the receivers.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use super::{
    Answer, Budget, Credentials, Entering, Intake, Permit, Submission, counts,
    holds::Holds,
    impersonation::Impersonations,
    moves::Moves,
    path::{self, Looked, Part, Processed},
    queue::{Hatch, Queue, Shut},
    sender,
};
use crate::{
    batch::{Signal, TenantId},
    buffer::{Journal, Waiting, quarantine::Quarantine},
    detect::{Engine, Finding},
    export::{prometheus::Store, route::Targets},
    identify::{
        Admission, Claims, Slot,
        in_flight::throttled,
        normalise,
        traces::{Traces, Waiter},
    },
    limits,
    policy::Policy,
    receipt::{self, Accepted, Outcome, Refusal},
    scrub,
    telemetry::events::{
        AttributesCut, BatchAccepted, DropReason, Event, InheritWait, ItemsDropped, ItemsInherited,
        ItemsObserved, ItemsReceived, ItemsRejected, PseudonymsWithoutKey, SentencesSeen, UnknownFields,
        ValuesRedacted, WaitEnd,
    },
    usage::Ledger,
};

/// What every request needs.
pub struct Shared {
    /// The policy in use.
    pub policy: ArcSwap<Policy>,
    /// The global in-flight bytes.
    pub budget: Budget,
    /// The tenants' quotas.
    pub admission: Admission,
    /// The tenants of traces.
    pub traces: Arc<Traces>,
    /// The detectors; gone once the gate stops.
    pub engine: arc_swap::ArcSwapOption<Engine>,
    /// The journal.
    pub journal: Journal,
    /// The tenants that are held on the way to it.
    pub holds: Arc<Holds>,
    /// The tenants that move.
    pub moves: Arc<Moves>,
    /// Tenants that were destroyed, and up to which place of the journal.
    pub gone: ArcSwap<BTreeMap<TenantId, u64>>,
    /// Who counts, where usage is counted.
    pub usage: Option<Arc<Ledger>>,
    /// What was rejected.
    pub quarantine: Quarantine,
    /// The fields that people write in.
    pub content: Arc<scrub::ContentFields>,
    /// Who writes for whom.
    pub impersonations: Impersonations,
    /// The scrape endpoint's series.
    pub store: Arc<Store>,
}

impl Shared {
    /// Whether a tenant's record at a place of the journal was destroyed.
    pub fn is_gone(&self, sequence: u64, tenant: TenantId) -> bool {
        self.gone.load().get(&tenant).is_some_and(|last| sequence <= *last)
    }

    /// The destinations of a tenant's record at a place of the journal.
    pub fn targets(&self, sequence: u64, signal: Signal, tenant: TenantId) -> Targets {
        let moving = self.moves.targets(sequence, signal, tenant);
        moving.unwrap_or_else(|| self.policy.load().targets(signal, tenant))
    }
}

struct Job {
    submission: Submission,
    claims: Option<Arc<Claims>>,
    policy: Arc<Policy>,
    lane: TenantId,
    slot: Option<Arc<Slot>>,
    entered: Option<TenantId>,
    may_wait: bool,
    answer: oneshot::Sender<Result<Step, Refusal>>,
}

/// What a worker gives back.
enum Step {
    Done(Processed),
    /// It is to be handed in again after the wait.
    Again(Box<Submission>, Waiter),
}

impl Waiting for Job {
    fn tenant(&self) -> TenantId {
        self.lane
    }

    fn cost(&self) -> usize {
        self.submission.body.len().max(limits::WORK_COST_BYTES)
    }
}

/// The door: what receivers see of the gate.
pub struct Door {
    shared: Arc<Shared>,
    jobs: Arc<Hatch<Job>>,
}

impl Door {
    /// Starts `count` workers. They end when the door is gone.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn open(shared: Arc<Shared>, count: usize) -> std::io::Result<(Arc<Door>, Vec<JoinHandle<()>>)> {
        let bytes = shared.budget.limit();
        let (jobs, queue) = Queue::open(bytes / limits::TENANT_IN_FLIGHT_DIVISOR, bytes);
        let threads = (0..count.max(1))
            .map(|number| {
                let (shared, queue) = (Arc::clone(&shared), Arc::clone(&queue));
                std::thread::Builder::new()
                    .name(format!("worker-{number}"))
                    .spawn(move || work(&shared, &queue))
            })
            .collect::<Result<_, _>>()?;
        Ok((Arc::new(Door { shared, jobs: Arc::new(jobs) }), threads))
    }

    async fn call(&self, credentials: &Credentials) -> Result<Call, Refusal> {
        let policy = self.shared.policy.load_full();
        let mut call = Call {
            shared: Arc::clone(&self.shared),
            jobs: Arc::clone(&self.jobs),
            claims: None,
            lane: TenantId::NONE,
            slot: None,
            entered: None,
        };
        call.claims = sender::authenticate(&policy, credentials).await?;
        // Without tokens and certificates nobody is known before the data is read: all are one sender.
        if policy.verifier.is_none() && call.claims.is_none() {
            return Ok(call);
        }
        let Some(claims) = &call.claims else {
            call.slot = Some(Arc::new(self.shared.admission.in_flight.enter(call.lane, None)?));
            return Ok(call);
        };
        let named = claims.tenant.as_deref();
        call.lane = named.and_then(|text| normalise(text, &policy.catalogue).ok()).unwrap_or(TenantId::NONE);
        let delegate = !claims.allowed.is_empty()
            || claims.subject().is_some_and(|subject| policy.catalogue.is_delegate(subject));
        let mut most = None;
        // Whose data it is shows in the data alone where the sender may write for others, too.
        if call.lane != TenantId::NONE && !delegate {
            let limits = policy.catalogue.limits(call.lane, &policy.config.identity);
            self.shared.admission.peek(call.lane, limits)?;
            most = limits.concurrent_requests;
            call.entered = Some(call.lane);
        }
        call.slot = Some(Arc::new(self.shared.admission.in_flight.enter(call.lane, most)?));
        Ok(call)
    }
}

fn work(shared: &Shared, queue: &Queue<Job>) {
    let mut scratch = path::Scratch::default();
    scratch.scrub.share(&shared.content);
    while let Some(job) = queue.next() {
        // The slot is given back when the work is done, though the client may be gone before.
        let Job { mut submission, claims, policy, slot: _slot, entered, may_wait, answer, .. } = job;
        if answer.is_closed() {
            continue;
        }
        let body = if may_wait { submission.body.clone() } else { std::mem::take(&mut submission.body) };
        let request = path::Request {
            signal: submission.signal,
            format: submission.format,
            body,
            claims: claims.as_deref(),
            headers: &submission.credentials.tenant_headers,
            baggage: submission.credentials.baggage.as_deref(),
            entered,
            now: now(),
            traces: &shared.traces,
            may_wait,
        };
        let observe = |observations| {
            if let Some(engine) = &*shared.engine.load() {
                engine.submit(observations);
            }
        };
        let done = path::run(&policy, &shared.admission, &mut scratch, request, observe);
        // The client may be gone: then nothing was acknowledged and nothing is kept.
        let _ = answer.send(done.map(|looked| match looked {
            Looked::Done(processed) => Step::Done(processed),
            Looked::Waits(waiter) => Step::Again(Box::new(submission), waiter),
        }));
    }
}

/// One request, once its sender is known.
struct Call {
    shared: Arc<Shared>,
    jobs: Arc<Hatch<Job>>,
    claims: Option<Arc<Claims>>,
    /// The tenant that the sender was verified as; nobody's where there is none.
    lane: TenantId,
    /// Counts it among the requests of the lane until it is answered; none where no sender is ever known.
    slot: Option<Arc<Slot>>,
    /// The tenant whose limits were looked at.
    entered: Option<TenantId>,
}

impl Intake for Call {
    fn reserve(&self, bytes: usize) -> Result<Permit, Refusal> {
        let budget = &self.shared.budget;
        let mut permit = budget.reserve(bytes)?;
        if let Some(slot) = &self.slot {
            permit.of = Some(slot.hold(bytes, budget.limit() / limits::TENANT_IN_FLIGHT_DIVISOR)?);
        }
        Ok(permit)
    }

    fn submit(&self, mut submission: Submission) -> Answer {
        let (shared, jobs, lane) = (Arc::clone(&self.shared), Arc::clone(&self.jobs), self.lane);
        let (claims, slot, entered) = (self.claims.clone(), self.slot.clone(), self.entered);
        Box::pin(async move {
            let policy = shared.policy.load_full();
            let signal = submission.signal;
            // It is held until the answer is known, as the slot is.
            let permit = std::mem::replace(&mut submission.permit, Budget::new(0).reserve(0)?);
            let mut may_wait = policy.config.identity.inherit.waits();
            loop {
                let (claims, of_job) = (claims.clone(), slot.clone());
                let (answer, step) = oneshot::channel();
                let job = Job {
                    submission,
                    claims,
                    policy: Arc::clone(&policy),
                    lane,
                    slot: of_job,
                    entered,
                    may_wait,
                    answer,
                };
                jobs.push(job).map_err(|shut| match shut {
                    Shut::Lane if lane != TenantId::NONE => {
                        throttled(lane, "work_queue", Duration::from_secs(1))
                    }
                    Shut::Lane | Shut::Queue => away("all workers are busy; send again later"),
                })?;
                match step.await.map_err(|_| away("the request was dropped; send it again"))?? {
                    // A task of its own: it is kept and counted whole, though the client may go meanwhile.
                    Step::Done(processed) => {
                        let settled = tokio::spawn(async move {
                            let _held = (permit, slot);
                            settle(&shared, &policy, signal, processed).await
                        });
                        break settled.await.map_err(|_| away("the request broke off; send it again"))?;
                    }
                    Step::Again(again, waiter) => {
                        let found = waiter.known_within(policy.config.identity.inherit.wait).await;
                        InheritWait { end: if found { WaitEnd::Found } else { WaitEnd::TimedOut } }.emit();
                        (submission, may_wait) = (*again, false);
                    }
                }
            }
        })
    }

    fn tenant_headers(&self) -> Arc<[String]> {
        tenant_headers(&self.shared)
    }
}

impl Intake for Door {
    fn enter<'a>(&'a self, credentials: &'a Credentials) -> Entering<'a> {
        Box::pin(async { Ok(Some(Arc::new(self.call(credentials).await?) as Arc<dyn Intake>)) })
    }

    fn reserve(&self, bytes: usize) -> Result<Permit, Refusal> {
        self.shared.budget.reserve(bytes)
    }

    fn submit(&self, submission: Submission) -> Answer {
        let door = Door { shared: Arc::clone(&self.shared), jobs: Arc::clone(&self.jobs) };
        Box::pin(async move {
            let call = door.call(&submission.credentials).await?;
            call.submit(submission).await
        })
    }

    fn tenant_headers(&self) -> Arc<[String]> {
        tenant_headers(&self.shared)
    }
}

fn tenant_headers(shared: &Shared) -> Arc<[String]> {
    let policy = shared.policy.load();
    policy.config.identity.headers.iter().map(|name| name.to_ascii_lowercase()).collect()
}

/// Makes the parts durable, counts, and says what the client is told.
async fn settle(shared: &Arc<Shared>, policy: &Policy, signal: Signal, mut done: Processed) -> Outcome {
    let _slots = std::mem::take(&mut done.slots);
    told(shared, std::mem::take(&mut done.content)).await;
    let mut tickets = Vec::with_capacity(done.accepted.len());
    for part in &done.accepted {
        tickets.push(match &part.batch {
            batch if batch.items > 0 => {
                let counts = counts::accounting(policy, part);
                let share = policy.catalogue.limits(batch.tenant, &policy.config.identity).disk_share;
                Some(shared.holds.append(&shared.journal, batch, policy.epoch, &counts, share).await)
            }
            _ => None,
        });
    }
    let mut refused = None;
    for (part, ticket) in done.accepted.iter().zip(tickets) {
        match ticket {
            Some(ticket) => match ticket.wait().await {
                Ok(()) => accepted(shared, signal, part).await,
                // The worst outcome is the client's: it sends all of it again.
                Err(refusal) => refused = Some(refusal),
            },
            None => accepted(shared, signal, part).await,
        }
    }
    if let Some(refusal) = refused {
        return Err(refusal);
    }
    // Counted before it is told. Behind the data, so that what is sent again for the data's sake is not counted twice.
    if shared.usage.is_some() {
        let mark = |mark| {
            let (receipt, ticket) = receipt::pair();
            shared.journal.mark(&mark, receipt);
            ticket
        };
        let tickets: Vec<_> = counts::marks(policy, signal, &done).into_iter().map(mark).collect();
        for ticket in tickets {
            ticket.wait().await?;
        }
    }
    for (tenant, kind, action, count) in done.redacted {
        ValuesRedacted { tenant, kind: kind.into(), action, values: u64::from(count) }.emit();
    }
    for (tenant, values, error) in done.without_key {
        PseudonymsWithoutKey { tenant, values, error }.emit();
    }
    for (tenant, cuts) in done.cuts {
        AttributesCut { signal, tenant, cuts }.emit();
    }
    if done.unknown_fields > 0 {
        UnknownFields { signal, fields: done.unknown_fields }.emit();
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    let mut kept = Vec::with_capacity(done.rejected.len());
    for part in done.rejected {
        let (tenant, items) = (part.batch.tenant, u64::from(part.received));
        let Some(reason) = part.reject else { continue };
        ItemsReceived { signal, tenant, items }.emit();
        ItemsRejected { signal, tenant, items, reason }.emit();
        *reasons.entry(reason.as_str()).or_default() += items;
        kept.push(shared.quarantine.put(part.batch, reason.into(), policy.epoch));
    }
    for ticket in kept {
        // Where it cannot be kept the quarantine has counted it; it is rejected all the same.
        let _ = ticket.wait().await;
    }
    if done.bad_lines > 0 {
        reasons.insert("malformed_line", u64::from(done.bad_lines));
    }
    let words: Vec<String> = reasons.iter().map(|(reason, items)| format!("{items} {reason}")).collect();
    let message = if words.is_empty() { String::new() } else { format!("rejected: {}", words.join(", ")) };
    Ok(Accepted { rejected: reasons.values().sum(), message })
}

/// Counts and tells what people wrote where no rule expects it.
async fn told(shared: &Arc<Shared>, content: Vec<(TenantId, scrub::ContentSeen)>) {
    for (tenant, seen) in content {
        SentencesSeen { tenant, sentences: seen.sentences }.emit();
        let found: Vec<Finding> =
            seen.found.iter().map(|f| Finding::user_content(now(), tenant, &f.service, &f.key)).collect();
        if !found.is_empty() {
            let shared = Arc::clone(shared);
            // Writes a file, and seldom.
            let told = tokio::task::spawn_blocking(move || {
                if let Some(engine) = &*shared.engine.load() {
                    found.iter().for_each(|finding| engine.tell(finding));
                }
            });
            let _ = told.await;
        }
    }
}

async fn accepted(shared: &Arc<Shared>, signal: Signal, part: &Part) {
    let (tenant, items): (TenantId, u64) = (part.batch.tenant, u64::from(part.received));
    ItemsReceived { signal, tenant, items }.emit();
    if let Some(reason) = part.reject {
        ItemsObserved { signal, tenant, items, reason }.emit();
    }
    for (items, reason) in [(part.dropped.0, DropReason::Transform), (part.dropped.1, DropReason::Sample)] {
        if items > 0 {
            ItemsDropped { signal, tenant, items: u64::from(items), reason }.emit();
        }
    }
    BatchAccepted { signal, tenant, items: u64::from(part.batch.items) }.emit();
    if part.inherited {
        ItemsInherited { signal, tenant, items }.emit();
    }
    if let Some(who) = &part.impersonator {
        shared.impersonations.note(who, tenant, signal, items);
    }
    if signal == Signal::Metrics && part.batch.items > 0 {
        let (store, batch) = (Arc::clone(&shared.store), part.batch.clone());
        // Decoding a large batch takes milliseconds: not on a thread that serves connections.
        let _ = tokio::task::spawn_blocking(move || store.ingest(&batch, now())).await;
    }
}

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn away(message: &str) -> Refusal {
    Refusal::Unavailable { message: message.into(), retry_after: Duration::from_secs(1) }
}
