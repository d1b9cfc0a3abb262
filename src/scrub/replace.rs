//! What takes the place of a found value.

use super::{
    Action,
    pseudonym::{KeyCache, Tenant},
};

/// Writes what takes the place of `value`; without a tenant's key a pseudonym becomes a redaction.
pub(super) fn write(
    out: &mut Vec<u8>,
    kind: &str,
    action: Action,
    value: &[u8],
    tenant: Option<Tenant<'_>>,
    keys: &mut KeyCache,
) {
    match (action, tenant) {
        (Action::Shadow | Action::Keep, _) => out.extend_from_slice(value),
        (Action::Mask { keep }, _) => {
            let text = String::from_utf8_lossy(value);
            let chars = text.chars().count();
            let keep = usize::from(keep).min(chars / 4);
            for (i, c) in text.chars().enumerate() {
                let c = if i + keep >= chars || matches!(c, ' ' | '-') { c } else { '*' };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        (Action::Pseudonym, Some(tenant)) if keys.write(out, kind, value, tenant) => {}
        (Action::Pseudonym | Action::Redact | Action::Drop, _) => {
            out.push(b'[');
            out.extend_from_slice(kind.as_bytes());
            out.push(b']');
        }
    }
}
