//! What may be asked of a running gate: the work behind the admin API.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Credentials, Format, Intake, Submission,
    gate::Reload,
    moves::{Move, NotMoved},
    purge::{self, Everything},
    workers::{Door, Shared, now},
};
use crate::{
    batch::{Signal, TenantId},
    buffer::quarantine::{Filter, Reason, Store},
    detect::file::FindingsLog,
    identify::{
        State,
        catalogue::{shown, shown::limits as limits_of},
        normalise, rfc3339_text,
    },
    limits,
    policy::{Policy, key},
    usage::Day,
};

/// Between two looks for deleted tenants whose time is over.
const LOOK: Duration = Duration::from_secs(60);
/// After which time one that still has data is destroyed again.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// A running gate, for whoever may ask it.
pub struct Control {
    pub(super) shared: Arc<Shared>,
    pub(super) reload: Arc<Reload>,
    /// Gone once the gate stops.
    pub(super) door: Weak<Door>,
    /// Whoever makes a large answer, or sends again, has it.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Whoever destroys a tenant has it.
    pub(super) purging: tokio::sync::Mutex<()>,
}

/// A step of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveStep {
    /// Hold the data on the disk.
    Freeze,
    /// The new destinations alone.
    CutOver,
    /// Let what was held go on.
    Unfreeze,
    /// Forget the move.
    Finish,
    /// Give it up.
    Abort,
}

impl Control {
    fn policy(&self) -> Arc<Policy> {
        self.shared.policy.load_full()
    }

    /// The tenant of an id or a slug. One that is not listed has an id alone.
    pub fn find(&self, text: &str) -> Option<TenantId> {
        normalise(text, &self.policy().catalogue).ok().or_else(|| normalise::uuid(text))
    }

    /// Tenants behind `after`, at most `limit`.
    pub fn tenants(&self, state: Option<State>, after: Option<TenantId>, limit: usize) -> Value {
        let policy = self.policy();
        let catalogue = &policy.catalogue;
        let former = catalogue.former_slugs();
        let mut all = catalogue.iter().filter(|tenant| state.is_none_or(|state| tenant.state == state));
        if let Some(after) = after {
            all.by_ref().find(|tenant| tenant.id == after);
        }
        let mut page: Vec<Value> =
            all.take(limit + 1).map(|t| shown(t, &former, catalogue, &policy.config.identity)).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let next = if more { page.last().map(|last| last["id"].clone()) } else { None };
        json!({ "tenants": page, "next": next })
    }

    /// One tenant; none where it is not listed.
    pub fn tenant(&self, tenant: TenantId) -> Option<Value> {
        let policy = self.policy();
        let listed = policy.catalogue.get(tenant)?;
        Some(shown(listed, &policy.catalogue.former_slugs(), &policy.catalogue, &policy.config.identity))
    }

    /// The limits that hold for a tenant, and what it holds of them.
    pub fn limits(&self, tenant: TenantId) -> Value {
        let policy = self.policy();
        json!({
            "limits": limits_of(tenant, &policy.catalogue, &policy.config.identity),
            "journal_bytes": self.shared.journal.tenant_bytes(tenant),
            "held_bytes": self.shared.moves.held_bytes(tenant),
        })
    }

    /// What tenants used, on one day or on all that are kept.
    ///
    /// # Errors
    /// The disk's; usage is not counted.
    pub async fn usage(&self, day: Option<Day>, tenant: Option<TenantId>) -> io::Result<Value> {
        let usage = self.shared.usage.clone();
        let ledger = usage.ok_or_else(|| io::Error::other("usage is not counted: usage.enabled is false"))?;
        blocking(move || Ok(json!({ "days": ledger.report(day, tenant)? }))).await
    }

    /// What the quarantine keeps, by tenant, reason and signal.
    ///
    /// # Errors
    /// The disk's.
    pub async fn quarantine(&self, tenant: Option<TenantId>) -> io::Result<Value> {
        let store = self.store()?;
        blocking(move || {
            let mut groups = store.list()?;
            groups.retain(|group| tenant.is_none_or(|tenant| group.tenant == tenant));
            let shown = groups.iter().map(|group| {
                json!({
                    "tenant_id": (group.tenant != TenantId::NONE).then(|| group.tenant.to_string()),
                    "reason": group.reason.as_str(), "signal": group.signal, "batches": group.batches,
                    "items": group.items, "bytes": group.bytes,
                    "first": rfc3339_text(group.first_unix_nano), "last": rfc3339_text(group.last_unix_nano),
                })
            });
            Ok(json!({ "groups": shown.collect::<Vec<_>>() }))
        })
        .await
    }

    /// Kept batches, scrubbed, as OTLP/JSON in one JSON object: at most `limit`, oldest first, and no more than
    /// [`limits::ADMIN_BATCHES_BYTES`] of data but for the first.
    ///
    /// # Errors
    /// The disk's.
    pub async fn quarantined(&self, filter: Filter, limit: usize) -> io::Result<String> {
        let store = self.store()?;
        // Large answers are made one at a time.
        let _turn = self.turn.lock().await;
        blocking(move || {
            let mut items = store.iter(filter)?;
            let (mut text, mut count, mut bytes) = (String::from("{\"batches\":["), 0, 0);
            let mut more = false;
            while let Some(item) = items.next().transpose()? {
                bytes += item.batch.bytes.len();
                if count == limit || (count > 0 && bytes > limits::ADMIN_BATCHES_BYTES) {
                    more = true;
                    break;
                }
                text.push_str(if count > 0 { "," } else { "" });
                text.push_str(&item.to_json());
                count += 1;
            }
            // Sealed with a key that this gate has not.
            let unreadable = items.unread().batches();
            text.push_str(&format!("],\"more\":{more},\"unreadable\":{unreadable}}}"));
            Ok(text)
        })
        .await
    }

    /// Removes kept batches. Returns how many.
    ///
    /// # Errors
    /// The disk's; some may be removed.
    pub async fn drop_quarantined(&self, filter: Filter) -> io::Result<Value> {
        let mut store = self.store()?;
        blocking(move || Ok(json!({ "removed": store.purge(&filter)? }))).await
    }

    /// Sends what was kept of a tenant along the path again, as that tenant's, and removes what is taken now. What names
    /// no tenant, or two of them, is not sent: nobody but its sender can mend that.
    ///
    /// # Errors
    /// Why it cannot be sent: the tenant is still not one whose data is taken, tokens are required, the disk.
    pub async fn replay(&self, filter: Filter) -> Result<Value, String> {
        let policy = self.policy();
        let tenant = filter.tenant.unwrap_or(TenantId::NONE);
        let taken = policy.catalogue.get(tenant).map(|tenant| tenant.state);
        if matches!(taken, Some(State::Suspended | State::Deleted))
            || (taken.is_none() && !policy.catalogue.is_open())
        {
            return Err(
                "the tenant's data is not taken: the catalogue does not list it, or calls it suspended or \
                        deleted"
                    .into(),
            );
        }
        let door = Weak::clone(&self.door);
        let _turn =
            self.turn.try_lock().map_err(|_| "somebody else reads or replays the quarantine; try again")?;
        let header = policy.config.identity.headers.first().cloned();
        let header = header.ok_or("identity.headers is empty: nothing can say whose the data is")?;
        let credentials =
            Credentials { tenant_headers: vec![(header, tenant.to_string())], ..Credentials::default() };
        let mut store = self.store().map_err(|error| error.to_string())?;
        // What is rejected again is newer, and not sent in a circle.
        let filter = Filter { before_unix_nano: Some(now()), ..filter };
        let runtime = tokio::runtime::Handle::current();
        let work = move || {
            let mut refused: Option<String> = None;
            let done = store.replay(filter, |item| {
                if refused.is_some() || matches!(item.reason, Reason::TenantMismatch) {
                    return false;
                }
                // Not held over the whole: a gate that stops waits for its door.
                let Some(door) = door.upgrade() else {
                    refused = Some("the gate is stopping".into());
                    return false;
                };
                let outcome = runtime.block_on(async {
                    let permit = door.reserve(item.batch.bytes.len())?;
                    let submission = Submission {
                        signal: item.batch.signal,
                        format: Format::Protobuf,
                        body: item.batch.bytes.clone(),
                        credentials: credentials.clone(),
                        permit,
                    };
                    door.submit(submission).await
                });
                refused = outcome.as_ref().err().map(|refusal| refusal.message().to_owned());
                outcome.is_ok_and(|accepted| accepted.rejected == 0)
            });
            let done = done.map_err(|error| error.to_string())?;
            Ok::<_, String>(json!({
                "taken": done.sent, "kept": done.kept, "unreadable": done.unread.batches(), "stopped_by": refused,
            }))
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
    }

    fn store(&self) -> io::Result<Store> {
        Store::open(&self.policy().config.buffer).map_err(io::Error::other)
    }

    /// Begins a move.
    ///
    /// # Errors
    /// See [`Moves::start`](super::moves::Moves::start).
    pub async fn start_move(&self, tenant: TenantId, to: Vec<String>) -> Result<Value, NotMoved> {
        let policy = self.policy();
        let now = |signal: Signal| policy.targets(signal, tenant);
        let moving = self.shared.moves.start(tenant, to, now).await?;
        Ok(self.shown(tenant, &moving))
    }

    /// Takes a step of a move.
    ///
    /// # Errors
    /// It is not the time for it, and what is.
    pub async fn step(&self, tenant: TenantId, step: MoveStep) -> Result<Value, NotMoved> {
        let (moves, policy) = (&self.shared.moves, self.policy());
        let moving = match step {
            MoveStep::Freeze => moves.freeze(tenant).await?,
            MoveStep::CutOver => moves.cut_over(tenant).await?,
            MoveStep::Unfreeze => moves.unfreeze(tenant).await?,
            MoveStep::Abort => moves.abort(tenant).await?,
            MoveStep::Finish => moves.finish(tenant, |signal| policy.targets(signal, tenant)).await?,
        };
        Ok(self.shown(tenant, &moving))
    }

    /// The tenants that move.
    pub async fn moves(&self) -> Value {
        let all = self.shared.moves.list().await;
        json!({ "moves": all.iter().map(|(tenant, moving)| self.shown(*tenant, moving)).collect::<Vec<_>>() })
    }

    /// A tenant's move, if it moves.
    pub async fn moving(&self, tenant: TenantId) -> Option<Value> {
        self.shared.moves.get(tenant).await.map(|moving| self.shown(tenant, &moving))
    }

    fn shown(&self, tenant: TenantId, moving: &Move) -> Value {
        json!({
            "tenant_id": tenant.to_string(), "step": moving.step, "held": moving.held, "to": moving.to,
            "held_bytes": self.shared.moves.held_bytes(tenant), "legs": moving.legs,
        })
    }

    /// Destroys what is kept of a tenant that is deleted, or of any with `force`. Returns the record, and the same
    /// signed.
    ///
    /// # Errors
    /// Why not, in words for people; whether the tenant is alive.
    pub async fn purge(&self, tenant: TenantId, by: &str, force: bool) -> Result<Value, (bool, String)> {
        let policy = self.policy();
        if !force {
            purge::may_be_destroyed(tenant, &policy.catalogue).map_err(|why| (true, why))?;
        }
        // One after the other.
        let _purging = self.purging.lock().await;
        // What a destination has been handed and not taken yet goes no further.
        let last = self.shared.journal.last_sequence();
        self.shared.gone.rcu(|gone| {
            let mut gone = BTreeMap::clone(gone);
            if gone.len() >= limits::MOVES
                && let Some(first) = gone.keys().next().copied()
            {
                gone.remove(&first);
            }
            gone.insert(tenant, last);
            gone
        });
        let shared = Arc::clone(&self.shared);
        let config = &policy.config;
        let mut log = config.detect.findings.clone();
        log.file = config.findings_file();
        let findings = move |tenant| match &*shared.engine.load() {
            Some(engine) => engine.forget(tenant),
            None => FindingsLog::new(log.clone()).forget(tenant),
        };
        let everything = Everything {
            moves: Arc::clone(&self.shared.moves),
            buffer: config.buffer.clone(),
            salts: key::salt_directory(config),
            journal: self.shared.journal.clone(),
            findings: Box::new(findings),
            usage: self.shared.usage.clone(),
        };
        let purged = purge::purge(everything, tenant, by.to_owned());
        let (destroyed, signed) = purged.await.map_err(|why| (false, why))?;
        self.shared.store.remove_tenant(tenant);
        Ok(json!({ "record": destroyed, "signed": signed }))
    }

    /// Reads the configuration again.
    ///
    /// # Errors
    /// What is wrong with it; the old one stays.
    pub async fn reload(&self) -> Result<(), String> {
        let reload = Arc::clone(&self.reload);
        tokio::task::spawn_blocking(move || reload.now()).await.map_err(|error| error.to_string())?
    }

    /// Destroys, again and again, what is kept of deleted tenants whose time is over.
    pub async fn end_of_life(self: Arc<Self>) {
        let mut tick = tokio::time::interval(LOOK);
        // When each was; more may come for one, late: then it is done again, but once a day.
        let mut done: HashMap<TenantId, Instant> = HashMap::new();
        loop {
            tick.tick().await;
            let policy = self.policy();
            let after = policy.config.identity.purge_after;
            let due = policy.catalogue.iter().filter(|tenant| {
                tenant.state == State::Deleted
                    && tenant.deleted_at.is_some_and(|at| purge::is_due(at, after, now()))
                    && done.get(&tenant.id).is_none_or(|at| {
                        at.elapsed() > AGAIN && self.shared.journal.tenant_bytes(tenant.id) > 0
                    })
            });
            let due: Vec<TenantId> = due.map(|tenant| tenant.id).collect();
            for tenant in due {
                match self.purge(tenant, purge::POLICY, false).await {
                    Ok(_) => drop(done.insert(tenant, Instant::now())),
                    Err((_, why)) => {
                        tracing::error!(tenant_id = %tenant, error = %why, "a deleted tenant is kept still")
                    }
                }
            }
        }
    }
}

/// Takes the series of tenants that are deleted, or not listed any more, off the scrape page: Prometheus marks them
/// stale.
pub fn end_series(shared: &Shared) {
    let policy = shared.policy.load();
    for tenant in shared.store.tenant_ids() {
        let gone = match policy.catalogue.get(tenant) {
            Some(listed) => listed.state == State::Deleted,
            None => !policy.catalogue.is_open() && tenant != TenantId::NONE,
        };
        if gone {
            shared.store.remove_tenant(tenant);
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
