//! Who sent a request.

use std::sync::Arc;

use super::Credentials;
use crate::{
    identify::{Claims, TokenError, bearer, peers},
    policy::Policy,
    receipt::Refusal,
};

/// Who sent a request: by its token, else by its certificate. A token beside a certificate that is on the list
/// decides, within the tenants that the certificate may write for.
///
/// # Errors
/// [`Refusal::Unauthenticated`], [`Refusal::Unavailable`] where the key server is away, and
/// [`Refusal::PermissionDenied`] where token and certificate contradict each other.
pub(super) async fn authenticate(
    policy: &Policy,
    sent: &Credentials,
) -> Result<Option<Arc<Claims>>, Refusal> {
    let authorization = sent.authorization.as_deref();
    let peer = sent.peer_subject.as_deref().and_then(|subject| policy.peers.find(subject));
    let has_token = authorization.and_then(bearer).is_some();
    match (&policy.verifier, peer) {
        (Some(verifier), Some(peer)) if has_token => {
            let token = verifier.authenticate(authorization).await?;
            token.map(|token| peers::beside(&token, peer, &policy.catalogue).map(Arc::new)).transpose()
        }
        (_, Some(peer)) => Ok(Some(Arc::clone(peer))),
        (Some(verifier), None) => verifier.authenticate(authorization).await,
        (None, None) if policy.config.identity.token.required => Err(TokenError::Missing.into()),
        (None, None) => Ok(None),
    }
}
