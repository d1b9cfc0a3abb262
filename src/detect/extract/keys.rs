//! Keys of caches, files and channels: whose they are, which objects they name, and what is left.

use crate::batch::TenantId;

use super::{
    super::{
        few::Few,
        fingerprint::{Fingerprint, Key},
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
    /// The key without the tenant's part, ids as `:id`: the shape by which keys are alike.
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

/// What parts the words inside a part: topics and queues have no other marks.
const MARKS: [char; 3] = ['.', '-', '_'];

/// Takes a key apart at `:`, `/`, `|` and `=`, and a part around the tenant's id in it (`orders.<uuid>`).
pub(super) fn parts(key: Key, directory: &dyn Directory, text: &str) -> KeyParts {
    let mut out = KeyParts::default();
    let mut marked = false;
    let separators = [':', '/', '|', '='];
    for part in text.split(separators).filter(|part| !part.is_empty()).take(crate::limits::DEPTH) {
        if out.owner.is_none() {
            if let Some(owner) = tenant(directory, part, marked) {
                (out.owner, marked) = (Some(owner), false);
                continue;
            }
            if let Some((owner, [before, after])) = within(directory, part) {
                (out.owner, marked) = (Some(owner), false);
                [before, after]
                    .into_iter()
                    .filter(|word| !word.is_empty())
                    .for_each(|word| out.word(key, word));
                continue;
            }
        }
        // If something was marked, it was no tenant: a word like any other.
        marked = false;
        if out.owner.is_none() && is_marker(part) {
            marked = true;
            continue;
        }
        out.word(key, part);
    }
    out
}

impl KeyParts {
    fn word(&mut self, key: Key, part: &str) {
        self.shared |= self.owner.is_none() && SHARED.iter().any(|word| part.eq_ignore_ascii_case(word));
        if !self.rest.is_empty() {
            self.rest.push('/');
        }
        let id = ids::object(key, "", part);
        id.into_iter().for_each(|id| self.objects.add(id));
        self.rest.push_str(if id.is_none() && ids::is_word(part) { part } else { ":id" });
    }

    /// The key as it may be shown: where it begins, and how many parts it has. What stands further back may be
    /// anything, somebody's name, too.
    pub fn shown(&self) -> String {
        let (first, rest) = self.rest.split_once('/').unwrap_or_default();
        let plain = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let head = if plain || first == ":id" { first } else { "*" };
        let more = if rest.is_empty() { 0 } else { 1 + rest.matches('/').count() };
        [head, &"/*".repeat(more)].concat()
    }
}

fn is_marker(word: &str) -> bool {
    MARKERS.iter().any(|marker| word.eq_ignore_ascii_case(marker))
}

/// The tenant whose id stands inside a part, apart from other words by marks, and what stands before and behind it:
/// a tenant that there is, or any behind a word that tells (`tenant-<uuid>`).
fn within<'t>(directory: &dyn Directory, part: &'t str) -> Option<(TenantId, [&'t str; 2])> {
    let (start, uuid) = ids::uuid_in(part)?;
    let (before, after) =
        (part[..start].trim_end_matches(MARKS), part[start + 36..].trim_start_matches(MARKS));
    let (rest, last) = before.rsplit_once(MARKS).unwrap_or(("", before));
    let marked = is_marker(last);
    let tenant = TenantId(uuid);
    (marked || directory.lists(tenant)).then_some((tenant, [if marked { rest } else { before }, after]))
}

fn tenant(directory: &dyn Directory, part: &str, marked: bool) -> Option<TenantId> {
    let part = part.trim_matches(['{', '}']);
    match ids::uuid(part) {
        Some(uuid) => {
            let tenant = TenantId(uuid);
            (marked || directory.lists(tenant)).then_some(tenant)
        }
        None if marked => resolve(directory, part),
        None => directory.place(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{NoDirectory, observation::TenantState};

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

    /// A directory of one tenant.
    struct One;

    impl Directory for One {
        fn named(&self, slug: &str) -> Option<TenantId> {
            (slug == "alder").then(|| TenantId(uuid::Uuid::try_parse(ID).unwrap()))
        }

        fn state(&self, tenant: TenantId) -> TenantState {
            if tenant.to_string() == ID { TenantState::Active } else { TenantState::Unknown }
        }
    }

    /// Scenario: topics, queues and keys whose words are apart by dots, hyphens and underscores. Guarantee: the tenant
    /// that there is is read wherever it stands, another uuid only behind a word that tells, and what is left has the
    /// shape that it has for others.
    #[test]
    fn a_tenant_is_found_between_other_marks() {
        let parts = |text: &str| parts(Key::new([1; 16]), &One, text);
        let upper = ID.to_uppercase();
        for (text, rest) in [
            (format!("tenant.{ID}.orders"), "orders"),
            (format!("{ID}.orders"), "orders"),
            (format!("orders-{ID}"), "orders"),
            (format!("orders_{upper}"), "orders"),
            (format!("k.{ID}:totals"), "k/totals"),
            (format!("live:tenant-{ID}:orders"), "live/orders"),
            (format!("app.org_{ID}"), "app"),
            (format!("exports/{ID}.csv"), "exports/csv"),
            ("tenant:alder:orders".to_owned(), "orders"),
        ] {
            let parts = parts(&text);
            assert_eq!(
                (parts.owner.map(|owner| owner.to_string()).as_deref(), &*parts.rest),
                (Some(ID), rest),
                "{text}"
            );
        }
        let other = "1190b8a2-7c1e-7d3a-9f00-5a6b7c8d9e0f";
        assert_eq!(parts(&format!("tenant-{other}")).owner.unwrap().to_string(), other);
        for text in
            [format!("orders-{other}"), format!("a{ID}"), format!("{ID}0"), format!("x-{other}-{ID}0")]
        {
            assert_eq!(parts(&text).owner, None, "{text}");
        }
    }

    /// Scenario: keys with people's names and secrets in them. Guarantee: what is shown has none of it.
    #[test]
    fn no_more_than_the_kind_of_a_key_is_shown() {
        for (text, shown) in [
            ("profile:janeroe", "profile/*"),
            ("feature_flags/all", "feature_flags/*"),
            ("pw-hunter-janeroe", "*"),
            ("janeroe", "*"),
            ("jane.roe:cart:items", "*/*/*"),
            ("1190b8a2-7c1e-7d3a-9f00-5a6b7c8d9e0f:cart", ":id/*"),
            ("", "*"),
        ] {
            assert_eq!(parts(Key::new([1; 16]), &One, text).shown(), shown, "{text}");
        }
    }
}
