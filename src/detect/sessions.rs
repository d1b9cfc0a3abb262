//! What tenant a database connection is set to: by a setting for row level security, by its search path.

use crate::batch::TenantId;

use super::{
    assemble::Placed,
    fact::{Fact, Place, Setting},
    fingerprint::Fingerprint,
    observation::Observation,
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

#[derive(Debug, Default)]
struct Connection {
    setting: Held,
    path: Held,
    /// What the setting was before the transaction.
    before: Option<Held>,
    /// When it was last changed.
    changed: u64,
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
        placed.session = Session { setting: connection.setting, path: connection.path, place, late: false };
        // What comes late, or twice, does not turn the clock back.
        if o.time < connection.changed {
            placed.session = Session { place, late: true, ..Session::default() };
            return;
        }
        for fact in &o.facts {
            let Fact::Context(setting) = fact else { continue };
            match *setting {
                Setting::Set(tenant) => connection.setting = Held::Tenant(tenant),
                Setting::SetLocal(tenant) => {
                    connection.before.get_or_insert(connection.setting);
                    connection.setting = Held::Tenant(tenant);
                }
                Setting::Opaque => connection.setting = Held::Opaque,
                Setting::Reset => connection.setting = Held::None,
                Setting::End => connection.setting = connection.before.take().unwrap_or(connection.setting),
                Setting::Path(tenant) => connection.path = Held::Tenant(tenant),
                Setting::Shared => connection.path = Held::None,
            }
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
