//! Puts the resolved tenant on the data: every alias goes, one canonical attribute stands on each resource.

use bytes::Bytes;

use crate::{
    batch::TenantId,
    wire::{
        Edits, Place, Survey, WireError, put, splice,
        varint::LEN,
        view::{self, Message},
    },
};

/// The attribute that says whose data it is.
pub const TENANT_ID: &str = "tenant_id";
/// The attribute with the tenant's slug, where the catalogue knows it.
pub const TENANT_SLUG: &str = "tenant_slug";

/// The attribute that says, as a bool, that the tenant is the one of its trace, since nothing named one.
pub const TENANT_INHERITED: &str = "tenant.inherited";

/// Stamps one tenant's request. `survey` is of these very bytes, by aliases that include [`TENANT_ID`],
/// [`TENANT_SLUG`] and [`TENANT_INHERITED`]. Data that is stamped right already is passed on without a copy. The tenant
/// [`TenantId::NONE`] removes aliases and puts none in.
///
/// # Errors
/// The result is larger than offsets can address.
pub fn stamp(
    bytes: &Bytes,
    survey: &Survey,
    tenant: TenantId,
    slug: Option<&str>,
    inherited: bool,
    edits: &mut Edits,
) -> Result<Bytes, WireError> {
    edits.clear();
    let mut text = [0; 36];
    let text = (tenant != TenantId::NONE).then(|| tenant.encode(&mut text) as &str);
    let wanted = [(TENANT_ID, text), (TENANT_SLUG, slug.filter(|_| text.is_some()))];
    let expected = wanted.iter().filter(|(_, value)| value.is_some()).count();
    for group in &survey.groups {
        let marks = survey.marks_of(group);
        let right = |mark: &crate::wire::Mark| {
            let pair = Message::at(bytes, mark.start as usize, mark.end as usize);
            let mut fields = pair.fields();
            // The plain form alone: one key, one value with one text.
            let (Some(key), Some(value), None) = (fields.next(), fields.next(), fields.next()) else {
                return false;
            };
            mark.place == Place::Resource
                && (key.number, value.number) == (1, 2)
                && value.message().fields().count() == 1
                && wanted.iter().any(|(name, wanted)| {
                    *name == key.text()
                        && wanted.is_some()
                        && view::AnyValue::read(value.message()).as_str() == *wanted
                })
        };
        // At most two marks are wanted, so two of one rank are too many.
        let keys_differ = || marks.len() < 2 || marks[0].rank != marks[1].rank;
        if !inherited && marks.len() == expected && marks.iter().all(right) && keys_differ() {
            continue;
        }
        for mark in marks {
            edits.remove(mark.tag as usize, mark.end as usize, mark.depth);
        }
        if expected == 0 {
            continue;
        }
        let write = |out: &mut Vec<u8>| {
            for (name, value) in wanted {
                if let Some(value) = value {
                    put::attribute(out, 1, name, value);
                }
            }
            if inherited {
                put::flag(out, 1, TENANT_INHERITED);
            }
        };
        match group.resource {
            Some((end, depth)) => edits.insert(end as usize, depth, write),
            // The group has no resource: it gets one.
            None => edits.insert(group.start as usize, 2, |out| {
                put::tag(out, 1, LEN);
                let start = out.len();
                out.push(0);
                write(out);
                put::close(out, start);
            }),
        }
    }
    splice(bytes, edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::Signal,
        wire::{Aliases, survey},
    };

    fn request(resource: Option<&[(&str, &str)]>, record: &[(&str, &str)]) -> Bytes {
        let mut item = Vec::new();
        record.iter().for_each(|(key, value)| put::attribute(&mut item, 6, key, value));
        let mut scope = Vec::new();
        put::bytes(&mut scope, 2, &item);
        let mut group = Vec::new();
        if let Some(pairs) = resource {
            let mut resource = Vec::new();
            pairs.iter().for_each(|(key, value)| put::attribute(&mut resource, 1, key, value));
            put::bytes(&mut group, 1, &resource);
        }
        put::bytes(&mut group, 2, &scope);
        let mut out = Vec::new();
        put::bytes(&mut out, 1, &group);
        out.into()
    }

    fn stamped(bytes: &Bytes, tenant: TenantId, slug: Option<&str>) -> Bytes {
        marked(bytes, tenant, slug, false)
    }

    fn marked(bytes: &Bytes, tenant: TenantId, slug: Option<&str>, inherited: bool) -> Bytes {
        let aliases = Aliases::new([TENANT_ID, "org_id", TENANT_SLUG, TENANT_INHERITED]);
        let mut found = Survey::default();
        survey(Signal::Logs, bytes, &aliases, &mut found).unwrap();
        stamp(bytes, &found, tenant, slug, inherited, &mut Edits::new()).unwrap()
    }

    fn shown(bytes: &Bytes) -> Vec<(String, String)> {
        let text = |(key, value): (&str, view::AnyValue<'_>)| {
            (key.to_string(), value.as_str().unwrap_or("?").to_string())
        };
        view::groups(Signal::Logs, bytes)
            .flat_map(|group| {
                let own = group.items().flat_map(|item| item.attributes().map(text).collect::<Vec<_>>());
                group.attributes().map(text).chain(own.collect::<Vec<_>>())
            })
            .collect()
    }

    const ID: &str = "6f1c7a90-0000-4000-8000-000000000001";

    /// Scenario: aliases on resource and record, a forged slug, no resource at all.
    /// Guarantee: one canonical attribute on the resource, no alias anywhere, other attributes stay.
    #[test]
    fn aliases_go_and_one_attribute_stands() {
        let tenant: TenantId = ID.parse().unwrap();
        let want = |rest: &[(&str, &str)]| -> Vec<(String, String)> {
            rest.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
        };
        let aliased = request(
            Some(&[("Org_ID", "x"), ("service.name", "api"), ("tenant_slug", "forged")]),
            &[("tenant_id", ID), ("n", "1")],
        );
        let out = stamped(&aliased, tenant, Some("acme"));
        let expected = want(&[("service.name", "api"), (TENANT_ID, ID), (TENANT_SLUG, "acme"), ("n", "1")]);
        assert_eq!(shown(&out), expected);
        let bare = stamped(&request(None, &[("n", "1")]), tenant, None);
        assert_eq!(shown(&bare), want(&[(TENANT_ID, ID), ("n", "1")]));
        let none = stamped(&aliased, TenantId::NONE, Some("acme"));
        assert_eq!(shown(&none), want(&[("service.name", "api"), ("n", "1")]));
    }

    /// Scenario: an inherited tenant on a resource, on none, and twice; a forged mark where it is not inherited.
    /// Guarantee: one bool that is true, and no mark where none is due.
    #[test]
    fn what_is_inherited_is_marked() {
        let tenant: TenantId = ID.parse().unwrap();
        let marks = |bytes: &Bytes| -> Vec<bool> {
            let all = view::groups(Signal::Logs, bytes).flat_map(|group| {
                let own = group.items().flat_map(|item| item.attributes().collect::<Vec<_>>());
                group.attributes().chain(own.collect::<Vec<_>>()).collect::<Vec<_>>()
            });
            all.filter(|(key, _)| key.eq_ignore_ascii_case(TENANT_INHERITED))
                .map(|(_, value)| matches!(value, view::AnyValue::Bool(true)))
                .collect()
        };
        let forged = request(Some(&[("Tenant.Inherited", "true")]), &[(TENANT_INHERITED, "no")]);
        for bytes in [request(Some(&[("a", "b")]), &[]), request(None, &[("a", "b")]), forged.clone()] {
            let once = marked(&bytes, tenant, Some("acme"), true);
            assert_eq!(marks(&once), [true]);
            assert_eq!(marks(&marked(&once, tenant, Some("acme"), true)), [true]);
            assert!(marks(&stamped(&once, tenant, Some("acme"))).is_empty());
        }
        assert!(marks(&stamped(&forged, tenant, None)).is_empty());
    }

    /// Scenario: data that is stamped already, and data stamped twice. Guarantee: no copy; one attribute.
    #[test]
    fn stamped_data_is_not_copied() {
        let tenant: TenantId = ID.parse().unwrap();
        let once = stamped(&request(Some(&[("a", "b")]), &[]), tenant, Some("acme"));
        assert_eq!(stamped(&once, tenant, Some("acme")).as_ptr(), once.as_ptr());
        let twice = request(Some(&[(TENANT_ID, ID), (TENANT_ID, ID)]), &[]);
        assert_eq!(shown(&stamped(&twice, tenant, Some("acme"))).len(), 2);
        assert_eq!(shown(&stamped(&twice, tenant, None)).len(), 1);
    }
}
