//! What tenant a database connection is set to: by a setting for row level security, by its search path.

use crate::batch::TenantId;

use super::{
    assemble::Placed,
    fact::{Fact, Place, Setting},
    fingerprint::Fingerprint,
    observation::{Observation, TraceId},
    state::Generations,
};

/// The tenant of a connection at the time of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Held {
    /// Nothing was seen of it yet.
    #[default]
    Unknown,
    /// None.
    None,
    /// This one.
    Tenant(TenantId),
    /// One that is not known here.
    Opaque,
}

impl Held {
    /// The tenant, if it is known.
    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Held::Tenant(tenant) => Some(tenant),
            Held::Unknown | Held::None | Held::Opaque => None,
        }
    }
}

/// What a connection is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Session {
    /// By the setting that policies read.
    pub setting: Held,
    /// By the search path.
    pub path: Held,
    /// The database or schema of one tenant that the statement itself runs in.
    pub place: Option<TenantId>,
    /// It came after what happened later on its connection: what that was set to then is not known any more.
    pub late: bool,
}

impl Session {
    /// Whether what runs on it runs in this tenant's own schema or database.
    pub fn lies_with(&self, tenant: TenantId) -> bool {
        self.place == Some(tenant) || matches!(self.path, Held::Opaque) || self.path == Held::Tenant(tenant)
    }

    /// Whether policies of row level security keep what runs on it to this tenant.
    pub fn set_to(&self, tenant: TenantId) -> bool {
        matches!(self.setting, Held::Opaque) || self.setting == Held::Tenant(tenant)
    }
}

/// What a connection is set to at one time.
#[derive(Debug, Clone, Copy, Default)]
struct At {
    setting: Held,
    path: Held,
}

#[derive(Debug, Default)]
struct Connection {
    now: At,
    /// What it is set to when the transaction ends, where something was set until then only.
    after: Option<At>,
    /// What it was set to when this trace began the transaction: what a rollback goes back to.
    begun: Option<(TraceId, At)>,
    /// When it was last changed.
    changed: u64,
}

impl Connection {
    /// One change after the other, as a statement makes them.
    fn change(&mut self, trace: TraceId, changes: impl Iterator<Item = Setting>) {
        let mut local = false;
        for change in changes {
            let set = |at: &mut At| match change {
                Setting::Set(tenant) => at.setting = Held::Tenant(tenant),
                Setting::Opaque => at.setting = Held::Opaque,
                Setting::Reset => at.setting = Held::None,
                Setting::Path(tenant) => at.path = Held::Tenant(tenant),
                Setting::Shared => at.path = Held::None,
                Setting::Begin | Setting::Local | Setting::End | Setting::Rollback => {}
            };
            match change {
                Setting::Begin => self.begun = Some((trace, self.now)),
                Setting::Local => {
                    self.after.get_or_insert(self.now);
                }
                Setting::End => self.end(None),
                // One whose begin another trace saw is not the same.
                Setting::Rollback => self.end(self.begun.filter(|(by, _)| *by == trace).map(|(_, at)| at)),
                _ => {
                    set(&mut self.now);
                    self.after.as_mut().filter(|_| !local).into_iter().for_each(set);
                }
            }
            local = change == Setting::Local;
        }
    }

    fn end(&mut self, back: Option<At>) {
        self.now = back.or(self.after).unwrap_or(self.now);
        (self.after, self.begun) = (None, None);
    }
}

/// Connections and what they are set to. Where no connection is named, the trace stands for it.
#[derive(Debug)]
pub struct Sessions {
    connections: Generations<Fingerprint, Connection>,
}

impl Sessions {
    /// At most `capacity` connections, each for `expiry` ns unused.
    pub fn new(capacity: usize, expiry: u64) -> Self {
        Sessions { connections: Generations::new(capacity, expiry) }
    }

    /// Says what the connection of this statement is set to, and lets the statement change it.
    pub fn place(&mut self, placed: &mut Placed) {
        let o = &placed.o;
        let place = o.facts.iter().find_map(|fact| match fact {
            Fact::Tenant { tenant, place: Place::Database } => Some(*tenant),
            _ => None,
        });
        let uses = |fact: &Fact| matches!(fact, Fact::Statement(_) | Fact::Context(_));
        let Some(id) = id(o).filter(|_| o.facts.iter().any(uses)) else {
            placed.session = Session { place, ..Session::default() };
            return;
        };
        let connection = self.connections.entry(id, Connection::default);
        placed.session =
            Session { setting: connection.now.setting, path: connection.now.path, place, late: false };
        // What comes late, or twice, does not turn the clock back.
        if o.time < connection.changed {
            placed.session = Session { place, late: true, ..Session::default() };
            return;
        }
        let changes = || {
            o.facts.iter().filter_map(|fact| match fact {
                Fact::Context(setting) => Some(*setting),
                _ => None,
            })
        };
        if changes().next().is_some() {
            connection.change(o.trace, changes());
            connection.changed = o.time;
        }
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: u64) {
        self.connections.expire(now);
    }

    /// Connections held.
    pub fn entries(&self) -> usize {
        self.connections.len()
    }
}

fn id(o: &Observation) -> Option<Fingerprint> {
    let trace = || {
        o.has_trace()
            .then(|| Fingerprint(o.trace.iter().fold(0, |n: u64, b| n.rotate_left(8) ^ u64::from(*b))))
    };
    o.connection().or_else(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Signal;

    const A: TenantId = TenantId(uuid::Uuid::from_u128(0xa));
    const B: TenantId = TenantId(uuid::Uuid::from_u128(0xb));

    /// What the connection is set to after these statements, each in the trace beside it.
    fn after(statements: &[(u8, &[Setting])]) -> (Held, Held) {
        let mut sessions = Sessions::new(16, u64::MAX / 4);
        let mut last = Session::default();
        for (n, (trace, changes)) in statements.iter().chain([&(9, &[Setting::Begin][..])]).enumerate() {
            let mut o = Observation::new(1000 + n as u64, Signal::Traces);
            o.trace = [*trace; 16];
            o.facts.push(Fact::Connection(Fingerprint(1)));
            o.facts.extend(changes.iter().map(|change| Fact::Context(*change)));
            let mut placed = Placed { o, caller: None, session: Session::default() };
            sessions.place(&mut placed);
            last = placed.session;
        }
        (last.setting, last.path)
    }

    /// Scenario: a search path or a tenant set for a transaction, and for good in the middle of one. Guarantee: the
    /// former ends with the transaction, however that ends; the latter goes on after a commit.
    #[test]
    fn what_is_local_ends_with_its_transaction() {
        use Setting::*;
        for end in [End, Rollback] {
            assert_eq!(after(&[(1, &[Begin]), (1, &[Local, Path(A)])]).1, Held::Tenant(A));
            assert_eq!(after(&[(1, &[Begin]), (1, &[Local, Path(A)]), (1, &[end])]).1, Held::Unknown);
            assert_eq!(after(&[(1, &[Path(B)]), (1, &[Local, Path(A)]), (1, &[end])]).1, Held::Tenant(B));
            assert_eq!(after(&[(1, &[Set(B)]), (1, &[Local, Opaque]), (1, &[end])]).0, Held::Tenant(B));
            assert_eq!(after(&[(1, &[Shared]), (1, &[Local, Path(A), End])]).1, Held::None);
        }
        let both: [(u8, &[Setting]); 4] =
            [(1, &[Begin]), (1, &[Local, Set(A)]), (1, &[Set(B), Path(B)]), (1, &[End])];
        assert_eq!(after(&both), (Held::Tenant(B), Held::Tenant(B)));
    }

    /// Scenario: a tenant set for good inside a transaction that is rolled back; the same where nobody saw that begin,
    /// or another trace did. Guarantee: the first is taken back; of the others it is not known, and it stays.
    #[test]
    fn a_rollback_takes_back_what_its_transaction_set() {
        use Setting::*;
        assert_eq!(
            after(&[(1, &[Set(A)]), (2, &[Begin]), (2, &[Set(B)]), (2, &[Rollback])]).0,
            Held::Tenant(A)
        );
        assert_eq!(after(&[(1, &[Set(A)]), (2, &[Begin]), (2, &[Set(B)]), (2, &[End])]).0, Held::Tenant(B));
        assert_eq!(after(&[(1, &[Set(A)]), (2, &[Set(B)]), (2, &[Rollback])]).0, Held::Tenant(B));
        assert_eq!(after(&[(1, &[Begin]), (2, &[Set(B)]), (2, &[Rollback])]).0, Held::Tenant(B));
    }
}
