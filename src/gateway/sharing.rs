//! The task that shares limits with other gates.

use std::sync::Arc;

use super::workers::Shared;
use crate::identify::Sharing;

/// Shares for ever, as the policy in use says.
pub(super) async fn share(shared: Arc<Shared>) {
    let mut sharing = Sharing::default();
    loop {
        let policy = shared.policy.load_full();
        let round = sharing.round(&shared.admission, &policy.catalogue, &policy.config.identity);
        let pause = round.await;
        drop(policy);
        tokio::time::sleep(pause).await;
    }
}
