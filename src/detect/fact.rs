//! What an item says beside who, where and when: one small value each, values only as fingerprints.

use std::sync::Arc;

use crate::batch::TenantId;

use super::{fingerprint::Fingerprint, mentions, sql};

/// How an object came to be in an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// In the path or the query of a request: it was asked for.
    Asked,
    /// In an answer's list: it was given.
    Listed,
    /// In a search's list of results.
    Found,
    /// In a list of what was exported.
    Exported,
    /// In a key that also names its owner: a file's key, a cache key, a job's arguments.
    Filed,
}

/// Where a tenant was named that is not a declaration of whose the item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A claim that the item carries (`jwt.tid`).
    Claim,
    /// A job's arguments.
    Argument,
    /// A list of tenants whose data was exported or reported.
    Exported,
    /// A file's key.
    File,
    /// A schema or database of that tenant's own.
    Database,
    /// A value that a statement compares a tenant column with.
    Statement,
}

/// What was done with a cache entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// Found.
    Hit,
    /// Looked for, not found.
    Miss,
    /// Written.
    Set,
}

/// Something that happened to the system or to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A version of a service went live.
    Deployed,
    /// The objects of the item change hands.
    Transferred {
        /// The owner before, where said.
        from: Option<TenantId>,
        /// The owner after.
        to: TenantId,
    },
    /// A tenant left its own schema or database (or the shared one) for another place.
    CutOver {
        /// Which one.
        tenant: TenantId,
        /// It left a schema or database of its own.
        from_own: bool,
    },
}

/// One fact.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A person or account.
    Principal(Fingerprint),
    /// A session.
    Session(Fingerprint),
    /// A token or an API key.
    Credential(Fingerprint),
    /// An object that can be told apart across tenants.
    Object {
        /// Which one.
        id: Fingerprint,
        /// How it is here.
        access: Access,
    },
    /// An id that is a small number, on its route.
    Number(u64),
    /// A tenant that is named.
    Tenant {
        /// Which one.
        tenant: TenantId,
        /// Where.
        place: Place,
    },
    /// A statement.
    Statement(Arc<sql::Statement>),
    /// What a statement does to its connection's context.
    Context(Setting),
    /// A connection to a database or a cache.
    Connection(Fingerprint),
    /// Whether that user, this job or this route may read all tenants' rows.
    Approved,
    /// A cache entry.
    Cache {
        /// The whole key.
        key: Fingerprint,
        /// The key without the tenant's part and without ids.
        rest: Fingerprint,
        /// To show: the key without the tenant's part and without ids.
        shown: Arc<str>,
        /// The tenant that the key names.
        owner: Option<TenantId>,
        /// It is declared to be everybody's.
        shared: bool,
        /// What was done.
        usage: CacheUse,
    },
    /// An answer of a shared HTTP cache; whether it came from there, and to which URL.
    Edge {
        /// The URL's path.
        path: Fingerprint,
        /// Whether it was answered from the cache.
        hit: bool,
    },
    /// A hash of what was sent (an ETag, a body's digest).
    Content(Fingerprint),
    /// A channel of messages.
    Channel {
        /// Which one.
        id: Fingerprint,
        /// The tenant that its name names.
        owner: Option<TenantId>,
        /// Its name holds an id, as that of a room or a person's own has; a queue's does not.
        single: bool,
        /// It is declared to be everybody's.
        shared: bool,
    },
    /// A background job.
    Job {
        /// Its class.
        class: Fingerprint,
        /// It has arguments that can be read.
        arguments: bool,
    },
    /// Rows that were read, sent or exported.
    Rows(u64),
    /// Bytes that were sent.
    Bytes(u64),
    /// Another tenant's name, or a canary.
    Mention {
        /// Whose.
        tenant: TenantId,
        /// What.
        kind: mentions::Kind,
        /// How sure.
        strength: mentions::Strength,
        /// The attribute's key, or `body`.
        field: Arc<str>,
    },
    /// A field in which personal data was found, with what was clean before.
    Personal {
        /// The attribute's key, or `body`.
        field: Arc<str>,
        /// Texts without any since the last such fact of this field (and worker).
        clean: u32,
        /// Records with some.
        found: u32,
        /// Different values, by hashes that say nothing outside this process; 0 for none.
        values: [u32; 4],
        /// Sentences that people wrote, by the order of their small words; 0 for none.
        sentences: [u32; 4],
    },
    /// Something happened.
    Event(Event),
}

/// What a statement does to the tenant of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The transaction begins.
    Begin,
    /// What comes next lasts until the transaction ends.
    Local,
    /// The session's tenant is this one.
    Set(TenantId),
    /// It is set to something that is not known here (a parameter that was not recorded).
    Opaque,
    /// No tenant any more.
    Reset,
    /// The transaction ends.
    End,
    /// The transaction ends, and what it has set is taken back.
    Rollback,
    /// The search path leads to this tenant's schema.
    Path(TenantId),
    /// The search path leads to no tenant's schema.
    Shared,
}
