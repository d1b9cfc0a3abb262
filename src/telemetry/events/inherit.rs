//! Tenants that items have from their traces.

use metrics::counter;

use super::{Event, tenant_label};
use crate::batch::{Signal, TenantId};

/// Items were accepted for their trace's tenant, having none of their own.
#[derive(Debug, Clone, Copy)]
pub struct ItemsInherited {
    /// Their signal.
    pub signal: Signal,
    /// The tenant.
    pub tenant: TenantId,
    /// How many.
    pub items: u64,
}

impl Event for ItemsInherited {
    fn emit(self) {
        counter!("portcullis_inherited_items_total", "signal" => self.signal.as_str(),
            "tenant_id" => tenant_label(self.tenant))
        .increment(self.items);
    }
}

/// How a request's wait for the tenants of its traces ended: the label `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitEnd {
    /// Something is known of all of them.
    Found,
    /// Its time was over.
    TimedOut,
    /// It did not wait, since too many do.
    NoRoom,
}

/// A request waited for the tenants of its traces, or would have.
#[derive(Debug, Clone, Copy)]
pub struct InheritWait {
    /// How that ended.
    pub end: WaitEnd,
}

impl Event for InheritWait {
    fn emit(self) {
        let outcome = match self.end {
            WaitEnd::Found => "found",
            WaitEnd::TimedOut => "timed_out",
            WaitEnd::NoRoom => "no_room",
        };
        counter!("portcullis_inherit_waits_total", "outcome" => outcome).increment(1);
    }
}
