//! Keys of caches, files and channels: whose they are, which objects they name, and what is left.

use crate::batch::TenantId;

use super::{
    super::{
        few::Few,
        fingerprint::{Fingerprint, Key},
        observation::TenantState,
        rules::{Directory, resolve},
    },
    ids,
};

/// What a key says.
#[derive(Debug, Default)]
pub(super) struct KeyParts {
    /// The tenant that it names.
    pub owner: Option<TenantId>,
    /// Objects that it names.
    pub objects: Few<Fingerprint, 4>,
    /// The key without the tenant's part, ids as `:id`. May be shown.
    pub rest: String,
    /// A part of it says that it is everybody's.
    pub shared: bool,
}

/// Words that stand before a tenant in a key.
const MARKERS: [&str; 16] = [
    "t",
    "tenant",
    "tenants",
    "tid",
    "org",
    "orgs",
    "organization",
    "organizations",
    "account",
    "accounts",
    "workspace",
    "workspaces",
    "customer",
    "customers",
    "company",
    "companies",
];

/// Words by which a key says that it is everybody's.
const SHARED: [&str; 4] = ["public", "global", "shared", "static"];

/// Takes a key apart at `:`, `/`, `|` and `=`.
pub(super) fn parts(key: Key, directory: &dyn Directory, text: &str) -> KeyParts {
    let mut out = KeyParts::default();
    let mut marked = false;
    let separators = [':', '/', '|', '='];
    for part in text.split(separators).filter(|part| !part.is_empty()).take(crate::limits::DEPTH) {
        let owner = if out.owner.is_none() { tenant(directory, part, marked) } else { None };
        if let Some(owner) = owner {
            out.owner = Some(owner);
            marked = false;
            continue;
        }
        if marked {
            // It marked nothing: a word like any other.
            marked = false;
        }
        if out.owner.is_none() && MARKERS.iter().any(|marker| part.eq_ignore_ascii_case(marker)) {
            marked = true;
            continue;
        }
        out.shared |= out.owner.is_none() && SHARED.iter().any(|word| part.eq_ignore_ascii_case(word));
        if !out.rest.is_empty() {
            out.rest.push('/');
        }
        let id = ids::object(key, "", part);
        id.into_iter().for_each(|id| out.objects.add(id));
        out.rest.push_str(if id.is_none() && ids::is_word(part) { part } else { ":id" });
    }
    out
}

fn tenant(directory: &dyn Directory, part: &str, marked: bool) -> Option<TenantId> {
    let part = part.trim_matches(['{', '}']);
    match ids::uuid(part) {
        Some(uuid) => {
            let tenant = TenantId(uuid);
            let listed = !matches!(directory.state(tenant), TenantState::Unknown | TenantState::Unverified);
            (listed || marked).then_some(tenant)
        }
        None if marked => resolve(directory, part),
        None => directory.place(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::NoDirectory;

    const ID: &str = "0190b8a2-7c1e-7d3a-9f00-5a6b7c8d9e0f";

    /// Scenario: keys with a tenant in front, and without. Guarantee: the tenant is read, and what is left
    /// is the same shape with and without it, without any id.
    #[test]
    fn a_key_is_taken_apart() {
        let parts = |text: &str| parts(Key::new([1; 16]), &NoDirectory, text);
        let owned = parts(&format!("t:{ID}:recordings/index"));
        assert_eq!(owned.owner.unwrap().to_string(), ID);
        assert_eq!(owned.rest, "recordings/index");
        assert_eq!(parts("recordings/index").rest, owned.rest);
        assert_eq!(parts("recordings/index").owner, None);
        let file = parts(&format!("tenants/{ID}/recordings/1190b8a2-7c1e-7d3a-9f00-5a6b7c8d9e0f.flac"));
        assert_eq!((file.rest.as_str(), file.objects.len()), ("recordings/:id", 1));
        assert_eq!(parts("user:jane@shop.example:cart").rest, "user/:id/cart");
    }
}
