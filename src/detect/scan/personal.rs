//! What the scrubber finds in recorded requests.

use super::super::{DetectorName, Observation, Settings, personal_facts};
use crate::{
    batch::{Signal, TenantId},
    scrub::{self, Scrubber, Tally},
    wire::WireError,
};

/// The default rules and their memory.
pub(super) struct Personal {
    scrubber: Scrubber,
    scratch: scrub::Scratch,
    tally: Tally,
}

impl Personal {
    /// Compiles the default rules; nothing if their finds are not wanted.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, String> {
        if !settings.detectors.contains(&DetectorName::PiiSurge) {
            return Ok(None);
        }
        let scrubber = Scrubber::new(&scrub::Settings::default()).map_err(|error| error.to_string())?;
        Ok(Some(Personal { scrubber, scratch: scrub::Scratch::default(), tally: Tally::default() }))
    }

    /// What is personal in a request.
    ///
    /// # Errors
    /// The bytes are not a valid request.
    pub(super) fn facts(
        &mut self,
        signal: Signal,
        bytes: &[u8],
        claimed: Option<TenantId>,
        at: u64,
    ) -> Result<Vec<Observation>, WireError> {
        let looked = self.scrubber.look_batch(&mut self.scratch, signal, bytes, &mut self.tally);
        self.tally.content = Default::default();
        if looked.is_err() {
            self.tally.personal.clear();
        }
        looked.map(|()| personal_facts(&mut self.tally.personal, signal, claimed, at))
    }
}
