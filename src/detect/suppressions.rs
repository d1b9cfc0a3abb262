//! The suppressions in force: those of the configuration, and those made through the admin API, which are kept in
//! a file.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Finding,
    fingerprint::Key,
    suppress::{Suppression, Test},
};
use crate::{
    batch::TenantId,
    config::{read_text, write_whole},
    identify::rfc3339_text,
    limits,
};

/// All suppressions.
#[derive(Debug)]
pub struct Suppressions {
    all: Mutex<All>,
    key: Key,
    file: PathBuf,
}

#[derive(Debug, Default)]
struct All {
    configured: Vec<One>,
    added: Vec<One>,
    /// Counts have changed since the file was written.
    changed: bool,
    shown: [f64; 3],
}

#[derive(Debug)]
struct One {
    id: String,
    said: Suppression,
    test: Test,
    matches: Matches,
    /// It was said that it is over.
    over: bool,
}

/// How often one was of use.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Matches {
    count: u64,
    /// In nanoseconds since the epoch; 0: never.
    last: u64,
}

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    suppressions: Vec<Suppression>,
    matches: HashMap<String, Matches>,
}

/// Why one is not taken.
#[derive(Debug)]
pub enum NotAdded {
    /// It is wrong; says which key, and what is expected.
    Wrong(String),
    /// There are too many.
    Full,
    /// The disk's error.
    Disk(io::Error),
}

impl Suppressions {
    /// Those of the configuration, and those in `file`, if it is there.
    ///
    /// # Errors
    /// The file cannot be read, or is none of ours; says which.
    pub fn open(configured: &[Suppression], key: Key, file: PathBuf, now: u64) -> io::Result<Suppressions> {
        let kept = match file.exists() {
            false => File::default(),
            true => {
                let text = read_text(&file, limits::SUPPRESSIONS_BYTES).map_err(io::Error::other)?;
                serde_json::from_str(&text).map_err(|error| {
                    let place = format!("line {}", error.line());
                    io::Error::other(format!(
                        "{}: {place}: expected the suppressions of this gate",
                        file.display()
                    ))
                })?
            }
        };
        let all = Suppressions { all: Mutex::default(), key, file };
        let made = |one: &Suppression| {
            let id = one.id();
            let matches = kept.matches.get(&id).copied().unwrap_or_default();
            one.compile(key, now).ok().map(|test| One { id, said: one.clone(), test, matches, over: false })
        };
        let mut inner = all.lock();
        inner.configured = configured.iter().filter_map(made).collect();
        inner.added = kept.suppressions.iter().take(limits::SUPPRESSIONS).filter_map(made).collect();
        drop(inner);
        Ok(all)
    }

    /// Those of a configuration alone, for a recorded stream: they count as long as its own time is before their end.
    pub fn recorded(configured: &[Suppression], key: Key) -> Suppressions {
        let all = Suppressions { all: Mutex::default(), key, file: PathBuf::new() };
        all.configure(configured, u64::MAX);
        all
    }

    /// Follows a configuration that was checked; what stays in it keeps its counts.
    pub fn configure(&self, configured: &[Suppression], now: u64) {
        let mut all = self.lock();
        let mut before: HashMap<String, One> =
            all.configured.drain(..).map(|one| (one.id.clone(), one)).collect();
        for said in configured {
            let id = said.id();
            let known = before.remove(&id);
            let new = || {
                let test = said.compile(self.key, now).ok()?;
                Some(One { id, said: said.clone(), test, matches: Matches::default(), over: false })
            };
            all.configured.extend(known.or_else(new));
        }
    }

    /// Whether a finding is suppressed at a time.
    pub fn covers(&self, finding: &Finding, now: u64) -> bool {
        self.lock().find(finding, now).is_some()
    }

    /// The same, and counts it.
    pub fn count(&self, finding: &Finding, now: u64) {
        let mut all = self.lock();
        all.changed = true;
        if let Some(one) = all.find(finding, now) {
            one.matches = Matches { count: one.matches.count + 1, last: now };
            let class = finding.class.as_str();
            metrics::counter!("portcullis_findings_suppressed_total", "class" => class).increment(1);
        }
    }

    /// Adds one and keeps it. Returns it, as [`Suppressions::list`] shows it.
    ///
    /// # Errors
    /// See [`NotAdded`].
    pub fn add(&self, said: Suppression, now: u64) -> Result<Value, NotAdded> {
        let test = said.compile(self.key, now).map_err(NotAdded::Wrong)?;
        if test.until <= now {
            return Err(NotAdded::Wrong("until: expected a time to come".into()));
        }
        let id = said.id();
        let mut all = self.lock();
        if let Some(known) = all.added.iter().find(|one| one.id == id) {
            return Ok(known.shown("api", now));
        }
        if all.added.len() >= limits::SUPPRESSIONS {
            return Err(NotAdded::Full);
        }
        let one = One { id, said, test, matches: Matches::default(), over: false };
        let shown = one.shown("api", now);
        all.added.push(one);
        let written = self.write(&mut all);
        if written.is_err() {
            all.added.pop();
        }
        written.map(|()| shown).map_err(NotAdded::Disk)
    }

    /// Takes one away that was added. Returns it, as [`Suppressions::list`] shows it; nothing where there is none of
    /// this id.
    ///
    /// # Errors
    /// The disk's; it is still there.
    pub fn remove(&self, id: &str, now: u64) -> io::Result<Option<Value>> {
        let mut all = self.lock();
        let Some(at) = all.added.iter().position(|one| one.id == id) else { return Ok(None) };
        let one = all.added.remove(at);
        let shown = one.shown("api", now);
        let written = self.write(&mut all);
        if written.is_err() {
            all.added.insert(at, one);
        }
        written.map(|()| Some(shown))
    }

    /// All of them, with how often each was of use.
    pub fn list(&self, now: u64) -> Value {
        let all = self.lock();
        let configured = all.configured.iter().map(|one| one.shown("configuration", now));
        let added = all.added.iter().map(|one| one.shown("api", now));
        json!({ "suppressions": configured.chain(added).collect::<Vec<_>>() })
    }

    /// Says once of each that it is over, shows how many there are, and keeps the counts.
    pub fn look(&self, now: u64) {
        let mut all = self.lock();
        let mut states = [0.0; 3];
        let All { configured, added, .. } = &mut *all;
        for one in configured.iter_mut().chain(added) {
            let state = one.state(now);
            states[state as usize] += 1.0;
            if state != State::Active && !std::mem::replace(&mut one.over, true) {
                metrics::counter!("portcullis_suppressions_expired_total").increment(1);
                let (id, owner) = (&one.id, &one.said.owner);
                let used = one.matches.count;
                tracing::warn!(id, owner, used, "a suppression is over: what it held back is told again");
            }
        }
        for (state, (now, before)) in State::ALL.into_iter().zip(states.into_iter().zip(all.shown)) {
            metrics::gauge!("portcullis_suppressions", "state" => state.as_str()).increment(now - before);
        }
        all.shown = states;
    }

    /// Keeps the counts, if they have changed.
    ///
    /// # Errors
    /// The disk's; the next call tries anew.
    pub fn save(&self) -> io::Result<()> {
        let mut all = self.lock();
        match all.changed {
            true => self.write(&mut all),
            false => Ok(()),
        }
    }

    /// Takes away what was added about a tenant that is destroyed.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget(&self, tenant: TenantId) -> io::Result<()> {
        let mut all = self.lock();
        let before = all.added.len();
        all.added.retain(|one| !one.test.names(tenant));
        match all.added.len() == before {
            true => Ok(()),
            false => self.write(&mut all),
        }
    }

    fn write(&self, all: &mut All) -> io::Result<()> {
        let every = all.configured.iter().chain(&all.added);
        let file = File {
            suppressions: all.added.iter().map(|one| one.said.clone()).collect(),
            matches: every
                .filter(|one| one.matches.count > 0)
                .map(|one| (one.id.clone(), one.matches))
                .collect(),
        };
        write_whole(&self.file, &serde_json::to_vec(&file).map_err(io::Error::other)?)?;
        all.changed = false;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes suppressions that name a tenant out of a file that no gate has open.
pub(super) fn forget_in(file: &std::path::Path, tenant: &str) -> io::Result<()> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(()) };
    let Ok(mut kept) = serde_json::from_str::<File>(&text) else { return Ok(()) };
    let before = kept.suppressions.len();
    let names = |text: &Option<String>| text.as_ref().is_some_and(|text| text.eq_ignore_ascii_case(tenant));
    kept.suppressions.retain(|one| !names(&one.tenant) && !names(&one.other_tenant));
    match kept.suppressions.len() == before {
        true => Ok(()),
        false => write_whole(file, &serde_json::to_vec(&kept).map_err(io::Error::other)?),
    }
}

impl All {
    fn find(&mut self, finding: &Finding, now: u64) -> Option<&mut One> {
        let mut every = self.configured.iter_mut().chain(&mut self.added);
        every.find(|one| now < one.test.until && one.test.fits(finding))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Expired,
    /// Over, and never of use.
    Unused,
}

impl State {
    const ALL: [State; 3] = [State::Active, State::Expired, State::Unused];

    const fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Expired => "expired",
            State::Unused => "unused",
        }
    }
}

impl One {
    fn state(&self, now: u64) -> State {
        match (now < self.test.until, self.matches.count) {
            (true, _) => State::Active,
            (false, 0) => State::Unused,
            (false, _) => State::Expired,
        }
    }

    fn shown(&self, from: &str, now: u64) -> Value {
        let mut shown = json!(self.said);
        // A value of the data is not shown.
        if let Some(who) = self.test.principal {
            shown["principal"] = json!(who.to_string());
        }
        shown["id"] = json!(self.id);
        shown["from"] = json!(from);
        shown["state"] = json!(self.state(now).as_str());
        shown["matched"] = json!(self.matches.count);
        let last = self.matches.last;
        shown["last_matched"] = if last == 0 { Value::Null } else { json!(rfc3339_text(last)) };
        shown
    }
}
