//! A tenant moves from one destination to another, and nothing is lost, doubled or in the wrong place.
//!
//! ```text
//! start (dual-write: old and new) -> freeze (held on disk) -> cut-over (new alone) -> unfreeze (drained in order)
//!       -> finish (the catalogue says the same)
//! ```
//! Which destination a record is for depends on its place in the journal alone: each step says from which sequence
//! on it holds. To find that sequence the tenant is paused until nothing of it is on its way to the disk, which takes
//! milliseconds. Steps are durable in `moves.json` before they are in force, so a gate that is killed goes on where
//! it was. A frozen tenant has a journal of its own in `held/`.

mod drain;
mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{sync::Mutex, task::JoinHandle};

pub use self::table::{Held, Leg, Move, Places, Step};
use self::table::{Table, names};
use super::holds::{Hold, Holds, Paused};
use crate::{
    batch::{Signal, TenantId},
    buffer::{Journal, Settings},
    config::write_whole,
    export::route::Targets,
    limits,
};

const FILE: &str = "moves.json";
const HELD: &str = "held";
/// The one reader of a held tenant's journal.
const DRAIN: &str = "drain";
/// How long what is on its way to the disk may take to get there.
const SETTLE: Duration = Duration::from_secs(5);

/// Why a step was not taken. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotMoved {
    /// The tenant is not being moved.
    NoMove,
    /// What was asked for makes no sense, and why.
    Wrong(String),
    /// It is not the time for this step, and what is.
    NotNow(String),
    /// The disk, or the journal.
    Failed(String),
}

impl fmt::Display for NotMoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotMoved::NoMove => f.write_str("the tenant is not being moved; start a move first"),
            NotMoved::Wrong(why) | NotMoved::NotNow(why) | NotMoved::Failed(why) => f.write_str(why),
        }
    }
}

fn failed(what: &str) -> impl Fn(io::Error) -> NotMoved + '_ {
    move |error| NotMoved::Failed(format!("{what}: {error}"))
}

/// All moves of a gate.
pub struct Moves {
    directory: PathBuf,
    /// The destinations in the order of the configuration.
    destinations: Vec<String>,
    held: Settings,
    journal: Journal,
    holds: Arc<Holds>,
    table: ArcSwap<Table>,
    /// One step at a time.
    list: Mutex<BTreeMap<TenantId, Move>>,
    /// The tasks that drain a tenant.
    drains: std::sync::Mutex<BTreeMap<TenantId, JoinHandle<()>>>,
}

impl Moves {
    /// Reads what moves there are, and holds the tenants that are frozen. Call [`Moves::go_on`] afterwards.
    ///
    /// # Errors
    /// The file is not one of moves, names a destination that is not configured, or a held tenant's journal cannot be
    /// opened.
    pub fn open(
        settings: &Settings,
        destinations: Vec<String>,
        journal: Journal,
        holds: Arc<Holds>,
    ) -> Result<Arc<Moves>, String> {
        let path = settings.directory.join(FILE);
        let list: BTreeMap<TenantId, Move> = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            read => {
                let bytes = read.map_err(|error| format!("{}: {error}", path.display()))?;
                serde_json::from_slice(&bytes)
                    .map_err(|error| format!("{}: not a list of moves: {error}", path.display()))?
            }
        };
        for (tenant, moving) in &list {
            let whole = |leg: &Leg| Signal::ALL.iter().all(|signal| leg.destinations.contains_key(signal));
            if moving.legs.is_empty() || !moving.legs.iter().all(whole) {
                return Err(format!("{}: the move of {tenant} lacks legs or signals", path.display()));
            }
            let unknown = moving.destinations().find(|name| !destinations.iter().any(|known| known == name));
            if let Some(name) = unknown {
                return Err(format!(
                    "{}: tenant {tenant} moves by the destination `{name}`, which is not configured; configure it \
                     until the move is finished",
                    path.display()
                ));
            }
        }
        let table = ArcSwap::from_pointee(Table::new(&list, &destinations));
        let moves = Moves {
            directory: settings.directory.clone(),
            destinations,
            held: settings.clone(),
            journal,
            holds,
            table,
            list: Mutex::new(BTreeMap::new()),
            drains: Default::default(),
        };
        for (tenant, moving) in &list {
            if moving.held != Held::No {
                let own = moves.open_held(*tenant).map_err(|error| error.to_string())?;
                moves.holds.set(*tenant, Some(Hold::Frozen(own)));
            } else {
                moves.remove_held(*tenant).map_err(|error| format!("{HELD}: {error}"))?;
            }
        }
        Ok(Arc::new(Moves { list: Mutex::new(list), ..moves }))
    }

    fn drains(&self) -> std::sync::MutexGuard<'_, BTreeMap<TenantId, JoinHandle<()>>> {
        self.drains.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Ends every drain: what is held stays, and is drained after the next start.
    pub fn stop(&self) {
        self.drains().values().for_each(JoinHandle::abort);
    }

    /// Drains the tenants that were being drained when the gate ended.
    pub async fn go_on(self: &Arc<Self>) {
        for (tenant, moving) in self.list.lock().await.iter() {
            if moving.held == Held::Draining {
                self.drain(*tenant);
            }
        }
    }

    /// Where a record of a tenant that moves is to go; none for every other tenant.
    pub fn targets(&self, sequence: u64, signal: Signal, tenant: TenantId) -> Option<Targets> {
        self.table.load().targets(sequence, signal, tenant)
    }

    /// All moves.
    pub async fn list(&self) -> BTreeMap<TenantId, Move> {
        self.list.lock().await.clone()
    }

    /// The move of a tenant.
    pub async fn get(&self, tenant: TenantId) -> Option<Move> {
        self.list.lock().await.get(&tenant).cloned()
    }

    /// Bytes of a tenant's data that are held on the disk.
    pub fn held_bytes(&self, tenant: TenantId) -> u64 {
        self.holds.journal(tenant).map_or(0, |own| own.stats().readers.iter().map(|r| r.unread_bytes).sum())
    }

    /// Begins to write a tenant's data to `to`, beside where it goes now (`now`, by signal).
    ///
    /// # Errors
    /// It is moving already; `to` is no destination or no other; the disk.
    pub async fn start(
        &self,
        tenant: TenantId,
        to: Vec<String>,
        now: impl Fn(Signal) -> Targets,
    ) -> Result<Move, NotMoved> {
        let mut list = self.list.lock().await;
        if list.contains_key(&tenant) {
            return Err(NotMoved::NotNow(
                "the tenant is being moved already; finish or abort that move".into(),
            ));
        }
        if list.len() >= limits::MOVES {
            return Err(NotMoved::NotNow(format!("more than {} tenants would be moving", limits::MOVES)));
        }
        if to.is_empty() {
            return Err(NotMoved::Wrong("to: empty; expected at least one destination".into()));
        }
        if let Some(name) = to.iter().find(|name| !self.destinations.contains(name)) {
            return Err(NotMoved::Wrong(format!(
                "to: there is no destination `{name}`; expected some of {}",
                self.destinations.join(", ")
            )));
        }
        let old = names(&now, &self.destinations);
        if Signal::ALL.iter().all(|signal| same(&old[signal], &to)) {
            return Err(NotMoved::Wrong("to: the tenant's data goes there already".into()));
        }
        let both = old.iter().map(|(signal, names)| {
            let new = to.iter().filter(|name| !names.contains(name));
            (*signal, names.iter().chain(new).cloned().collect())
        });
        let both = both.collect();
        let (_paused, since) = self.pause(tenant).await?;
        let legs = vec![Leg { since: 0, destinations: old }, Leg { since, destinations: both }];
        let moving = Move { to, step: Step::DualWrite, held: Held::No, legs };
        self.keep(&mut list, tenant, Some(moving.clone()))?;
        Ok(moving)
    }

    /// Holds a tenant's data on the disk, within its quota; destinations get none of it.
    ///
    /// # Errors
    /// It is not moving, or held already; too many are; the disk.
    pub async fn freeze(&self, tenant: TenantId) -> Result<Move, NotMoved> {
        let mut list = self.list.lock().await;
        let mut moving = list.get(&tenant).cloned().ok_or(NotMoved::NoMove)?;
        if moving.held != Held::No {
            return Err(NotMoved::NotNow("the tenant is held already".into()));
        }
        if list.values().filter(|other| other.held != Held::No).count() >= limits::HELD_TENANTS {
            return Err(NotMoved::NotNow(format!("{} tenants are held already", limits::HELD_TENANTS)));
        }
        let own = self.open_held(tenant)?;
        let (mut paused, _) = self.pause(tenant).await?;
        moving.held = Held::Frozen;
        self.keep(&mut list, tenant, Some(moving.clone()))?;
        paused.after = Some(Hold::Frozen(own));
        Ok(moving)
    }

    /// From now on the tenant's data goes to the new destinations alone.
    ///
    /// # Errors
    /// It is not in dual-write, or is being drained; the disk.
    pub async fn cut_over(&self, tenant: TenantId) -> Result<Move, NotMoved> {
        let to_new =
            |moving: &Move| Signal::ALL.into_iter().map(|signal| (signal, moving.to.clone())).collect();
        self.leave_dual_write(tenant, Step::CutOver, to_new).await
    }

    /// Gives up a move that is in dual-write: data goes where it went before.
    ///
    /// # Errors
    /// It is past that, or is being drained; the disk.
    pub async fn abort(&self, tenant: TenantId) -> Result<Move, NotMoved> {
        let to_old = |moving: &Move| moving.legs[0].destinations.clone();
        self.leave_dual_write(tenant, Step::Aborted, to_old).await
    }

    async fn leave_dual_write(
        &self,
        tenant: TenantId,
        step: Step,
        destinations: impl Fn(&Move) -> Places,
    ) -> Result<Move, NotMoved> {
        let mut list = self.list.lock().await;
        let mut moving = list.get(&tenant).cloned().ok_or(NotMoved::NoMove)?;
        // What is being drained passes the pause that makes a step exact.
        if moving.held == Held::Draining {
            return Err(NotMoved::NotNow("what was held is being drained; wait until it is".into()));
        }
        if moving.step != Step::DualWrite {
            return Err(NotMoved::NotNow(format!(
                "the move is at {}, past dual_write; a tenant goes back by another move",
                moving.step.as_str()
            )));
        }
        let (_paused, since) = self.pause(tenant).await?;
        moving.legs.push(Leg { since, destinations: destinations(&moving) });
        moving.step = step;
        self.keep(&mut list, tenant, Some(moving.clone()))?;
        Ok(moving)
    }

    /// Lets a held tenant go on: what was held is put into the journal in its order, then what comes.
    ///
    /// # Errors
    /// It is not held; the disk.
    pub async fn unfreeze(self: &Arc<Self>, tenant: TenantId) -> Result<Move, NotMoved> {
        let mut list = self.list.lock().await;
        let mut moving = list.get(&tenant).cloned().ok_or(NotMoved::NoMove)?;
        match moving.held {
            Held::Frozen => {}
            Held::No => return Err(NotMoved::NotNow("the tenant is not held".into())),
            Held::Draining => return Err(NotMoved::NotNow("the tenant is being drained already".into())),
        }
        moving.held = Held::Draining;
        self.keep(&mut list, tenant, Some(moving.clone()))?;
        self.drain(tenant);
        Ok(moving)
    }

    /// Forgets a move that is over: routes and catalogue say the same now (`now`, by signal), and all that was taken
    /// in before has been delivered.
    ///
    /// # Errors
    /// What is still to be done.
    pub async fn finish(&self, tenant: TenantId, now: impl Fn(Signal) -> Targets) -> Result<Move, NotMoved> {
        let mut list = self.list.lock().await;
        let moving = list.get(&tenant).cloned().ok_or(NotMoved::NoMove)?;
        let not_now = |why: String| Err(NotMoved::NotNow(why));
        if moving.step == Step::DualWrite {
            return not_now("the move is at dual_write; cut over or abort first".into());
        }
        if moving.held != Held::No {
            return not_now("the tenant is held; unfreeze it, and wait until it is drained".into());
        }
        let Some(last) = moving.legs.last() else { return not_now("the move has no steps".into()) };
        let configured = names(&now, &self.destinations);
        if let Some(signal) =
            Signal::ALL.iter().find(|signal| !same(&configured[signal], &last.destinations[signal]))
        {
            return not_now(format!(
                "routes and catalogue still lead the tenant's {signal} to {}; make them lead to {} first",
                configured[signal].join(", "),
                last.destinations[signal].join(", ")
            ));
        }
        let behind = self.journal.stats().readers.into_iter();
        let mut behind =
            behind.filter(|reader| reader.done.saturating_add(1) < last.since && moving.uses(&reader.name));
        if let Some(reader) = behind.next() {
            return not_now(format!("{} has not been given all of before yet; try again", reader.name));
        }
        self.keep(&mut list, tenant, None)?;
        Ok(moving)
    }

    /// Destroys what is held of a tenant, for its end; the tenant moves still. Returns how many bytes that was.
    ///
    /// # Errors
    /// The disk; the same again goes on.
    pub async fn erase_held(&self, tenant: TenantId) -> Result<u64, NotMoved> {
        self.end_drain(tenant).await;
        let _list = self.list.lock().await;
        let own = match self.holds.journal(tenant) {
            Some(own) => own,
            None if self.held_directory(tenant).is_dir() => self.open_held(tenant)?,
            None => return Ok(0),
        };
        let bytes = own.stats().readers.iter().map(|reader| reader.unread_bytes).sum();
        let erased = tokio::task::spawn_blocking(move || own.erase(tenant)).await;
        erased.map_err(|error| NotMoved::Failed(error.to_string()))?.map_err(failed(HELD))?;
        Ok(bytes)
    }

    /// Forgets that a tenant moves, and what was held of it: when all that is kept of it is destroyed.
    ///
    /// # Errors
    /// The disk.
    pub async fn forget(&self, tenant: TenantId) -> Result<(), NotMoved> {
        let mut list = self.list.lock().await;
        if list.contains_key(&tenant) {
            self.keep(&mut list, tenant, None)?;
        }
        if let Some(Hold::Frozen(own)) = self.holds.set(tenant, None) {
            let _ = tokio::task::spawn_blocking(move || own.close(SETTLE)).await;
        }
        self.remove_held(tenant).map_err(failed(HELD))
    }

    /// Pauses a tenant, and finds the sequence from which on a change holds.
    async fn pause(&self, tenant: TenantId) -> Result<(Paused, u64), NotMoved> {
        let paused = self.holds.pause(tenant);
        let journal = self.journal.clone();
        let settled = tokio::task::spawn_blocking(move || {
            journal.settle(tenant, SETTLE).then(|| journal.last_sequence() + 1)
        });
        match settled.await {
            Ok(Some(since)) => Ok((paused, since)),
            _ => Err(NotMoved::Failed("the journal's disk is too slow just now; try again".into())),
        }
    }

    /// Makes a step durable, then puts it in force.
    fn keep(
        &self,
        list: &mut BTreeMap<TenantId, Move>,
        tenant: TenantId,
        moving: Option<Move>,
    ) -> Result<(), NotMoved> {
        let mut next = list.clone();
        match moving {
            Some(moving) => next.insert(tenant, moving),
            None => next.remove(&tenant),
        };
        let bytes = serde_json::to_vec_pretty(&next).map_err(|error| NotMoved::Failed(error.to_string()))?;
        write_whole(&self.directory.join(FILE), &bytes).map_err(failed(FILE))?;
        self.table.store(Arc::new(Table::new(&next, &self.destinations)));
        *list = next;
        Ok(())
    }

    fn held_directory(&self, tenant: TenantId) -> PathBuf {
        self.directory.join(HELD).join(tenant.to_string())
    }

    fn open_held(&self, tenant: TenantId) -> Result<Journal, NotMoved> {
        let quota_bytes = self.held.tenant_bytes(None).max(4 * 4096);
        let settings = Settings {
            directory: self.held_directory(tenant),
            quota_bytes,
            segment_bytes: self.held.segment_bytes.min(quota_bytes / 4),
            tenant_share: 1.0,
            ..self.held.clone()
        };
        Journal::open(settings, &[DRAIN.into()]).map_err(|error| NotMoved::Failed(error.to_string()))
    }

    fn remove_held(&self, tenant: TenantId) -> io::Result<()> {
        let directory = self.held_directory(tenant);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync_parent(&directory),
        }
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

fn same(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|name| b.contains(name))
}
