//! What is counted and is no data: the reasons of the journal's marks.

use serde::{Deserialize, Serialize};

use crate::identify::Reject;

/// Why items were rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejected {
    /// No tenant was declared anywhere.
    MissingTenant,
    /// What was declared is no tenant id.
    MalformedTenant,
    /// The catalogue does not know it.
    UnknownTenant,
    /// The catalogue says that it is deleted.
    DeletedTenant,
    /// The catalogue says that it is suspended.
    SuspendedTenant,
    /// Two declarations name different tenants.
    TenantMismatch,
    /// A line that was no JSON object.
    MalformedLine,
}

impl Rejected {
    /// All reasons, in the order of their codes.
    pub const ALL: [Rejected; 7] = [
        Rejected::MissingTenant,
        Rejected::MalformedTenant,
        Rejected::UnknownTenant,
        Rejected::DeletedTenant,
        Rejected::SuspendedTenant,
        Rejected::TenantMismatch,
        Rejected::MalformedLine,
    ];

    /// The word of the files and of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rejected::MissingTenant => "missing_tenant",
            Rejected::MalformedTenant => "malformed_tenant",
            Rejected::UnknownTenant => "unknown_tenant",
            Rejected::DeletedTenant => "deleted_tenant",
            Rejected::SuspendedTenant => "suspended_tenant",
            Rejected::TenantMismatch => "tenant_mismatch",
            Rejected::MalformedLine => "malformed_line",
        }
    }
}

impl From<Reject> for Rejected {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::MissingTenant => Rejected::MissingTenant,
            Reject::MalformedTenant => Rejected::MalformedTenant,
            Reject::UnknownTenant => Rejected::UnknownTenant,
            Reject::DeletedTenant => Rejected::DeletedTenant,
            Reject::SuspendedTenant => Rejected::SuspendedTenant,
            Reject::TenantMismatch => Rejected::TenantMismatch,
        }
    }
}

/// Why a policy dropped items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// A transform's `drop`.
    Transform,
    /// A transform's `sample`.
    Sample,
}

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Items were rejected; the note is an [`Accounting`](crate::buffer::Accounting).
    Rejected(Rejected),
    /// Items were dropped; the note is one, too.
    Dropped(Dropped),
    /// So many values more were taken out than a record can say; the note is one, too.
    Redacted,
    /// A destination (the epoch is its [`destination_code`]) refused items for good; the note is the sequence of
    /// their record.
    Undeliverable,
}

const REJECTED: u8 = 0x40;
const DROPPED: u8 = 0x50;
const REDACTED: u8 = 0x58;
const UNDELIVERABLE: u8 = 0x59;

impl Happened {
    /// The reason in a mark's header.
    pub const fn code(self) -> u8 {
        match self {
            Happened::Rejected(why) => REJECTED + why as u8,
            Happened::Dropped(why) => DROPPED + why as u8,
            Happened::Redacted => REDACTED,
            Happened::Undeliverable => UNDELIVERABLE,
        }
    }

    /// What a reason says; nothing where it is not about usage.
    pub fn from_code(code: u8) -> Option<Happened> {
        let rejected = Rejected::ALL.map(Happened::Rejected).into_iter();
        let rest = [
            Happened::Dropped(Dropped::Transform),
            Happened::Dropped(Dropped::Sample),
            Happened::Redacted,
            Happened::Undeliverable,
        ];
        rejected.chain(rest).find(|happened| happened.code() == code)
    }
}

/// Names a destination in 32 bits.
pub fn destination_code(name: &str) -> u32 {
    crc32c::crc32c(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: every code of a byte. Guarantee: eleven say something, each one thing, and none is the 0 of data; the
    /// word of each reason is that of the files.
    #[test]
    fn codes_read_back() {
        let known: Vec<_> = (0..=u8::MAX).filter_map(|c| Some((c, Happened::from_code(c)?))).collect();
        assert_eq!(known.len(), 11);
        assert!(known.iter().all(|(code, happened)| *code != 0 && happened.code() == *code));
        for reason in Rejected::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
