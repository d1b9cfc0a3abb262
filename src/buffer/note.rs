//! What a record's header says for whoever counts: 48 bits, in bytes 54..60.
//!
//! Of data: `received_bytes` 27 bits, `redacted` 17, `tier` 2, `unlisted` 1, `own` 1, from the lowest bit on.
//! Records of before have zeros there. Of a mark: what its maker puts in.

use crate::{
    batch::{Signal, TenantId},
    identify::Isolation,
    limits,
};

/// Bits of a header's note.
pub const NOTE_BITS: u32 = 48;
const RECEIVED_BITS: u32 = 27;
const REDACTED_BITS: u32 = 17;
const TIER_AT: u32 = RECEIVED_BITS + REDACTED_BITS;

const _: () = assert!(limits::REQUEST_BYTES < 1 << RECEIVED_BITS);
const _: () = assert!(TIER_AT + 4 == NOTE_BITS);

/// What is counted of a record beside its items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Its share of the request's body, decompressed, in bytes. 0: not known (a record of before).
    pub received_bytes: u32,
    /// Values that were taken out of it, up to [`Accounting::MAX_REDACTED`]; more need a mark beside it.
    pub redacted: u32,
    /// The tenant's isolation tier when it was accepted.
    pub tier: Isolation,
    /// The catalogue did not know the tenant.
    pub unlisted: bool,
    /// Made by the gate itself: nobody sent it.
    pub own: bool,
}

impl Accounting {
    /// The most values that one record says were taken out.
    pub const MAX_REDACTED: u32 = (1 << REDACTED_BITS) - 1;

    /// The bits. What is too large is cut to the largest.
    pub fn pack(&self) -> u64 {
        let tier = match self.tier {
            Isolation::Shared => 0,
            Isolation::Rls => 1,
            Isolation::Schema => 2,
            Isolation::Database => 3,
        };
        u64::from(self.received_bytes.min((1 << RECEIVED_BITS) - 1))
            | u64::from(self.redacted.min(Self::MAX_REDACTED)) << RECEIVED_BITS
            | tier << TIER_AT
            | u64::from(self.unlisted) << (TIER_AT + 2)
            | u64::from(self.own) << (TIER_AT + 3)
    }

    /// What the bits say.
    pub fn unpack(note: u64) -> Self {
        let tier = match note >> TIER_AT & 3 {
            0 => Isolation::Shared,
            1 => Isolation::Rls,
            2 => Isolation::Schema,
            _ => Isolation::Database,
        };
        Accounting {
            received_bytes: (note & ((1 << RECEIVED_BITS) - 1)) as u32,
            redacted: (note >> RECEIVED_BITS & u64::from(Self::MAX_REDACTED)) as u32,
            tier,
            unlisted: note >> (TIER_AT + 2) & 1 == 1,
            own: note >> (TIER_AT + 3) & 1 == 1,
        }
    }
}

/// A record without data, which no destination is given: something that happened and is to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Whose it is.
    pub tenant: TenantId,
    /// Of which signal.
    pub signal: Signal,
    /// How many items.
    pub items: u32,
    /// What happened; not 0.
    pub reason: u8,
    /// In the header's field of that name.
    pub epoch: u32,
    /// The header's note: its lowest 48 bits.
    pub note: u64,
    /// Without it a record that is on the disk cannot be done with: it is taken past the bounds, and while the
    /// journal is drained.
    pub urgent: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Scenario: any accounting, and any note. Guarantee: in range it reads back as it was; out of range it is the
        /// largest; no note is unreadable.
        #[test]
        fn an_accounting_reads_back(
            received_bytes in 0u32..1 << 28, redacted in 0u32..1 << 18, tier in 0usize..4,
            unlisted: bool, own: bool, note in 0u64..1 << NOTE_BITS,
        ) {
            let tier = [Isolation::Shared, Isolation::Rls, Isolation::Schema, Isolation::Database][tier];
            let said = Accounting { received_bytes, redacted, tier, unlisted, own };
            prop_assert!(said.pack() < 1 << NOTE_BITS);
            let read = Accounting::unpack(said.pack());
            prop_assert_eq!(read, Accounting {
                received_bytes: received_bytes.min((1 << 27) - 1),
                redacted: redacted.min(Accounting::MAX_REDACTED),
                ..said
            });
            prop_assert_eq!(Accounting::unpack(note).pack(), note);
        }
    }
}
