//! Names and canaries of tenants in text: who is spoken of, and how sure that is.
//!
//! One immutable index over all tenants, built aside and swapped whole. Every name begins where a word begins, so
//! a scan looks at the starts of words only: a bitset of first letters says no to nearly all of them, a hash table
//! of words and of beginnings of several words says which names it could be, and each kind of name has its own rule
//! of what must stand around it (`rules`). A text without a mention costs no allocation.
//!
//! ```text
//! words -> first letters (bitset) -> words so far (table) -> rule of the kind -> Mention
//! ```
//!
//! Not an Aho-Corasick automaton: with 600,000 patterns its states take several hundred megabytes while they are
//! made, and separators that may differ ("Tawny Birch 1000", `tawny-birch-1000`) would multiply the patterns. The
//! table is keyed by the letters and digits alone, and takes a tenth of that.

mod build;
mod context;
mod domains;
mod encoded;
mod fold;
mod rules;
mod shape;
mod table;
#[cfg(test)]
mod tests;
mod words;

use crate::{
    batch::TenantId,
    identify::catalogue::{Catalogue, Tenant},
    limits,
};

use table::{Bits, Ids, Pattern, Table};

/// What of a tenant stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A text that only its own data holds.
    Canary,
    /// Its uuid.
    Id,
    /// A domain of its own, or one below it.
    Domain,
    /// Its slug, present or former.
    Slug,
    /// Its name for people.
    Name,
}

impl Kind {
    /// The word for it in findings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Canary => "canary",
            Kind::Id => "id",
            Kind::Domain => "domain",
            Kind::Slug => "slug",
            Kind::Name => "name",
        }
    }
}

/// How sure it is that the tenant is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// An ordinary word where a tenant's name could stand: not enough by itself.
    Weak,
    /// A domain, a slug of several words, a full name, or an ordinary word as the value of a telling key.
    Strong,
    /// A canary or an id.
    Certain,
}

/// Where in a text it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// Just so.
    Bare,
    /// The value of a telling key, or in quotes after a telling word: `tenant=x`, `"org":"x"`, `workspace "x"`.
    Keyed,
    /// After a telling word: `tenant x`, `account: x`.
    Told,
    /// A segment of a path after a telling one: `/t/x/`.
    Path,
    /// The label before a domain of the platform: `x.app.example`.
    Host,
    /// In the name of a schema, a database or a namespace: `tenant_x`.
    Prefixed,
    /// Inside percent escapes, base64, hexadecimal or the like.
    Encoded,
}

/// One tenant spoken of. Places are bytes of the text, at the boundaries of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// Who.
    pub tenant: TenantId,
    /// By what.
    pub kind: Kind,
    /// How sure.
    pub strength: Strength,
    /// Where in the text it begins; of an encoded one, where its encoding begins, to a few letters.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What stands around it.
    pub context: Context,
}

/// What one tenant is known by; borrowed from wherever it is written down.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    /// Who. The nil uuid has no id to be known by.
    pub tenant: TenantId,
    /// Slugs, present and former.
    pub slugs: Vec<&'a str>,
    /// Domains of its own.
    pub domains: Vec<&'a str>,
    /// The name for people.
    pub name: Option<&'a str>,
    /// Canaries.
    pub canaries: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// A tenant that is known by its id alone.
    pub fn new(tenant: TenantId) -> Self {
        Names { tenant, slugs: Vec::new(), domains: Vec::new(), name: None, canaries: Vec::new() }
    }

    /// What a tenant of the catalogue is known by; `former` are its slugs of before.
    pub fn of(tenant: &'a Tenant, former: &[&'a str]) -> Self {
        Names {
            tenant: tenant.id,
            slugs: tenant.slug.as_deref().into_iter().chain(former.iter().copied()).collect(),
            domains: tenant.domains.iter().map(|domain| &**domain).collect(),
            name: tenant.name.as_deref(),
            canaries: tenant.canaries.iter().map(|canary| &**canary).collect(),
        }
    }
}

/// Names that are not looked for, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Slugs, names and domains that several tenants have: they say nothing.
    pub ambiguous: usize,
    /// Canaries that several tenants have, or that are another tenant's name: none of them is taken.
    pub ambiguous_canaries: usize,
    /// Canaries with fewer than [`limits::CANARY_LETTERS`] letters and digits, or too long ones.
    pub unfit_canaries: usize,
    /// Domains that are no one tenant's: free mail, hosting, public suffixes, the platform's own.
    pub common_domains: usize,
    /// Slugs, names and domains of fewer than four letters.
    pub short: usize,
    /// Slugs, names and domains over [`limits::MENTION_NAME_BYTES`].
    pub long: usize,
    /// What is past [`limits::MENTION_PATTERNS`].
    pub too_many: usize,
}

/// All tenants' names, to be looked for in texts. Immutable; share it by an `Arc`.
#[derive(Debug, Default)]
pub struct Mentions {
    /// Told apart from every other index in this process.
    number: u64,
    tenants: Vec<TenantId>,
    ids: Ids,
    /// The names' texts, folded, one after the other.
    texts: Vec<u8>,
    patterns: Vec<Pattern>,
    table: Table,
    /// First letters of the first words.
    first: Bits,
    /// Whole first words.
    second: Bits,
    /// The first three bytes of `heads`.
    begins: Bits,
    /// Beginnings of canaries, six bytes each, as they stand in base64 and hexadecimal; empty without canaries.
    heads: Bits,
    /// The longest canary with its separators, in bytes.
    longest_canary: usize,
    /// The platform's own domains, each with a dot before it.
    platform: Vec<Box<[u8]>>,
    skipped: Skipped,
}

/// The memory of scans; owned by one worker, reused.
#[derive(Debug, Default)]
pub struct Scratch {
    hits: Vec<Mention>,
    plain: [encoded::Plain; limits::MENTION_ENCODINGS],
    decoded: [Vec<u8>; limits::MENTION_ENCODINGS + 1],
}

impl Mentions {
    /// The index of these names. `platform` are the domains under which every tenant has a host (`app.example`);
    /// they are no tenant's. Takes a second for 100,000 tenants: not for a thread that has other work.
    pub fn build<'a>(
        names: impl IntoIterator<Item = Names<'a>>,
        platform: impl IntoIterator<Item = &'a str>,
    ) -> Mentions {
        build::build(&mut names.into_iter(), platform.into_iter().collect())
    }

    /// [`Mentions::build`] of a catalogue.
    pub fn of<'a>(catalogue: &'a Catalogue, platform: impl IntoIterator<Item = &'a str>) -> Mentions {
        let former = catalogue.former_slugs();
        let names = catalogue
            .iter()
            .map(|tenant| Names::of(tenant, former.get(&tenant.id).map(Vec::as_slice).unwrap_or_default()));
        Mentions::build(names, platform)
    }

    /// Hands the mentions in `text` (UTF-8) to `found`, in order of place, [`limits::MENTIONS`] at most. Where names overlap,
    /// the one that begins first counts, and of those the longest. What is encoded is looked into,
    /// [`limits::MENTION_ENCODINGS`] deep.
    pub fn scan(&self, text: &[u8], scratch: &mut Scratch, found: &mut impl FnMut(Mention)) {
        scratch.hits.clear();
        self.look(text, 0, scratch);
        scratch.hits.sort_by_key(|hit| hit.start);
        scratch.hits.drain(..).for_each(found);
    }

    /// Told apart from every other index in this process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// The number of tenants.
    pub fn tenants(&self) -> usize {
        self.tenants.len()
    }

    /// The number of names that are looked for, ids not counted.
    pub fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// What is not looked for.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// What the index holds, in bytes of memory.
    pub fn memory(&self) -> usize {
        self.tenants.capacity() * size_of::<TenantId>()
            + self.texts.capacity()
            + self.patterns.capacity() * size_of::<Pattern>()
            + self.ids.memory()
            + self.table.memory()
            + [&self.first, &self.second, &self.begins, &self.heads].map(Bits::memory).iter().sum::<usize>()
    }

    fn text(&self, pattern: &Pattern) -> &[u8] {
        &self.texts[pattern.at as usize..][..usize::from(pattern.len)]
    }
}
