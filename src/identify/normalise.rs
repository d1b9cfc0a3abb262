//! Every written form of a tenant to one id.

use uuid::Uuid;

use super::Catalogue;
use crate::{batch::TenantId, limits};

/// Why a text names no tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It is empty.
    Missing,
    /// It is neither a uuid in any of its forms nor a slug of the catalogue.
    Malformed,
}

/// The tenant that `text` names: a uuid in any of its forms (upper case, braces, `urn:uuid:`, without
/// hyphens, spaces around it), or a slug of the catalogue, present or former, in any case.
///
/// The nil uuid is nobody's: it marks data without a tenant and is malformed here.
///
/// # Errors
/// [`Malformed`]. Whether a well-formed uuid is a known tenant is for the catalogue to say.
pub fn normalise(text: &str, catalogue: &Catalogue) -> Result<TenantId, Malformed> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Malformed::Missing);
    }
    if text.len() > limits::TENANT_TEXT_BYTES {
        return Err(Malformed::Malformed);
    }
    uuid(text).or_else(|| catalogue.by_slug(text)).ok_or(Malformed::Malformed)
}

/// The tenant of a uuid in any of its forms.
pub fn uuid(text: &str) -> Option<TenantId> {
    const URN: &str = "urn:uuid:";
    let text = text.trim();
    let text = match text.get(..URN.len()) {
        Some(head) if head.eq_ignore_ascii_case(URN) => &text[URN.len()..],
        _ => text,
    };
    // A urn inside a urn, or inside braces, is no form that anything writes.
    match text.as_bytes() {
        [b'u' | b'U', ..] => None,
        _ => Uuid::try_parse(text).ok().filter(|uuid| !uuid.is_nil()).map(TenantId),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A written form of an id, chosen by `form`.
    fn written(id: Uuid, form: usize) -> String {
        match form {
            0 => id.hyphenated().to_string(),
            1 => id.simple().to_string(),
            2 => id.braced().to_string(),
            3 => id.urn().to_string(),
            4 => id.hyphenated().to_string().to_uppercase(),
            5 => id.simple().to_string().to_uppercase(),
            6 => id.braced().to_string().to_uppercase(),
            7 => id.urn().to_string().to_uppercase(),
            _ => format!(" \t{}\n", id.hyphenated()),
        }
    }

    proptest! {
        /// Scenario: one id in every form that is written. Guarantee: one tenant, shown lower-case and hyphenated.
        #[test]
        fn every_form_is_one_tenant(bits in 1u128.., form in 0usize..9) {
            let id = Uuid::from_u128(bits);
            let tenant = normalise(&written(id, form), &Catalogue::open()).unwrap();
            prop_assert_eq!(tenant.to_string(), id.hyphenated().to_string().to_lowercase());
        }

        /// Scenario: any text. Guarantee: no panic, and what is taken is the same tenant when shown and read again.
        #[test]
        fn any_text_is_a_stable_tenant_or_none(text in ".{0,80}") {
            if let Ok(tenant) = normalise(&text, &Catalogue::open()) {
                prop_assert_eq!(normalise(&tenant.to_string(), &Catalogue::open()), Ok(tenant));
            }
        }

        /// Scenario: one character of an id is changed to one that is no hex digit. Guarantee: malformed.
        #[test]
        fn a_spoiled_id_is_malformed(bits in 1u128.., at in 0usize..36, with in "[g-z!é ]") {
            let mut text = Uuid::from_u128(bits).hyphenated().to_string();
            prop_assume!(!(with == " " && (at == 0 || at == 35)));
            text.replace_range(at..=at, &with);
            prop_assert_eq!(normalise(&text, &Catalogue::open()), Err(Malformed::Malformed));
        }
    }

    /// Scenario: nothing, blanks, the nil uuid, an endless text. Guarantee: missing or malformed, never a tenant.
    #[test]
    fn nothing_and_nil_are_no_tenant() {
        let open = Catalogue::open();
        assert_eq!(normalise("", &open), Err(Malformed::Missing));
        assert_eq!(normalise(" \t ", &open), Err(Malformed::Missing));
        assert_eq!(normalise(&TenantId::NONE.to_string(), &open), Err(Malformed::Malformed));
        assert_eq!(normalise(&"a".repeat(10_000), &open), Err(Malformed::Malformed));
        assert_eq!(
            normalise("urn:uuid:urn:uuid:7f0c8e0a-52a4-4c3d-9d0e-0b6c1c5f7a11", &open),
            Err(Malformed::Malformed)
        );
    }
}
