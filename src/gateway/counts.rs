//! What of a request is counted: the numbers beside accepted data, and marks for what leaves none.

use std::collections::BTreeMap;

use super::path::{Part, Processed};
use crate::{
    batch::{Signal, TenantId},
    buffer::{Accounting, Mark},
    policy::Policy,
    usage::{Dropped, Happened},
};

/// The share of a body's bytes for each part, by size. They add up to the body.
pub fn share(body: usize, parts: impl Iterator<Item = usize> + Clone) -> impl Iterator<Item = u32> {
    let total = parts.clone().sum::<usize>().max(1) as u128;
    let upto = move |sum: usize| (body as u128 * sum as u128 / total) as u64;
    let mut sum = 0;
    parts.map(move |part| {
        let before = upto(sum);
        sum += part;
        (upto(sum) - before) as u32
    })
}

/// The numbers of one part.
pub fn accounting(policy: &Policy, part: &Part) -> Accounting {
    let listed = policy.catalogue.get(part.batch.tenant);
    Accounting {
        received_bytes: part.bytes,
        redacted: u32::try_from(part.redacted).unwrap_or(u32::MAX).min(Accounting::MAX_REDACTED),
        tier: listed.map(|tenant| tenant.isolation).unwrap_or_default(),
        unlisted: listed.is_none() && !policy.catalogue.is_open(),
        own: false,
    }
}

/// The marks of a request: one for each tenant and thing that happened. Tenants that the catalogue does not know are
/// one.
pub fn marks(policy: &Policy, signal: Signal, done: &Processed) -> Vec<Mark> {
    let mut marks = Marks { signal, epoch: policy.epoch, list: BTreeMap::new() };
    for part in &done.rejected {
        let Some(reject) = part.reject else { continue };
        let counts = accounting(policy, part);
        let happened = Happened::Rejected(reject.into());
        marks.add(part.batch.tenant, happened, part.received, counts, part.redacted);
    }
    for part in &done.accepted {
        let counts = accounting(policy, part);
        // What the data itself cannot say: nothing is left of it, or it is too much.
        let (mut rest, mut redacted) = (counts, part.redacted);
        if part.batch.items > 0 {
            rest.received_bytes = 0;
            redacted = part.redacted - u64::from(counts.redacted);
        }
        let (transformed, sampled) = part.dropped;
        for (items, why) in [(transformed, Dropped::Transform), (sampled, Dropped::Sample)] {
            if items > 0 {
                let redacted = std::mem::take(&mut redacted);
                marks.add(part.batch.tenant, Happened::Dropped(why), items, rest, redacted);
                rest.received_bytes = 0;
            }
        }
        if redacted > 0 {
            marks.add(part.batch.tenant, Happened::Redacted, 0, rest, redacted);
        }
    }
    if done.bad_lines > 0 {
        let happened = Happened::Rejected(crate::usage::Rejected::MalformedLine);
        marks.add(TenantId::NONE, happened, done.bad_lines, Accounting::default(), 0);
    }
    marks.list.into_values().collect()
}

struct Marks {
    signal: Signal,
    epoch: u32,
    /// By tenant, reason and the note's other parts.
    list: BTreeMap<(TenantId, u8, u64), Mark>,
}

impl Marks {
    fn add(&mut self, tenant: TenantId, happened: Happened, items: u32, counts: Accounting, redacted: u64) {
        let tenant = if counts.unlisted { TenantId::NONE } else { tenant };
        // Values are a mark of their own, in which they are the items: there is room for all of them.
        if redacted > 0 {
            let values = u32::try_from(redacted).unwrap_or(u32::MAX);
            self.put(
                tenant,
                Happened::Redacted,
                values,
                Accounting { received_bytes: 0, redacted: 0, ..counts },
            );
        }
        if items > 0 {
            self.put(tenant, happened, items, Accounting { redacted: 0, ..counts });
        }
    }

    fn put(&mut self, tenant: TenantId, happened: Happened, items: u32, counts: Accounting) {
        let kind = Accounting { received_bytes: 0, ..counts }.pack();
        let mark = self.list.entry((tenant, happened.code(), kind)).or_insert(Mark {
            tenant,
            signal: self.signal,
            items: 0,
            reason: happened.code(),
            epoch: self.epoch,
            note: kind,
            urgent: false,
        });
        mark.items = mark.items.saturating_add(items);
        let bytes = Accounting::unpack(mark.note).received_bytes + counts.received_bytes;
        mark.note = Accounting { received_bytes: bytes, ..counts }.pack();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Scenario: any body and parts. Guarantee: the shares add up to the body, and none is off by more than a byte
        /// of what its size says.
        #[test]
        fn shares_add_up(body in 0usize..1 << 26, parts in prop::collection::vec(1usize..1 << 26, 1..20)) {
            let shares: Vec<u32> = share(body, parts.iter().copied()).collect();
            prop_assert_eq!(shares.iter().map(|share| *share as usize).sum::<usize>(), body);
            let total: usize = parts.iter().sum();
            for (part, share) in parts.iter().zip(&shares) {
                let exact = body as f64 * *part as f64 / total as f64;
                prop_assert!((exact - f64::from(*share)).abs() <= 1.0 + 1e-6 * exact);
            }
        }
    }
}
