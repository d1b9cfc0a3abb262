//! The first walk over a request: is it sound, how many items, and where does it declare tenants?

use super::{Flow, Leaf, Msg, Stats, Visitor, WireError, walk};
use crate::{batch::Signal, limits};

/// The attribute names that may hold a tenant, in order of precedence; case does not matter.
#[derive(Debug, Clone)]
pub struct Aliases {
    names: Vec<String>,
    /// One bit for each length of a name: nearly every other key is told apart by its length alone.
    lengths: u64,
}

impl Aliases {
    /// The first [`limits::TENANT_ALIASES`] names, and behind them the gate's own.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = names
            .into_iter()
            .take(limits::TENANT_ALIASES + limits::OWN_ATTRIBUTES)
            .map(|name| name.as_ref().to_ascii_lowercase())
            .collect();
        let lengths = names.iter().fold(0, |bits, name| bits | 1 << name.len().min(63));
        Aliases { names, lengths }
    }

    /// The rank of `key`, if it is an alias.
    #[inline]
    pub fn rank(&self, key: &str) -> Option<u8> {
        if self.lengths >> key.len().min(63) & 1 == 0 {
            return None;
        }
        self.names.iter().position(|name| name.eq_ignore_ascii_case(key)).map(|at| at as u8)
    }

    /// The name of a rank.
    pub fn name(&self, rank: u8) -> &str {
        self.names.get(usize::from(rank)).map_or("", String::as_str)
    }
}

/// On what a tenant is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A resource attribute: holds for the group.
    Resource,
    /// A scope attribute: holds for the scope group.
    Scope,
    /// An attribute of a log record, a span or a data point.
    Item,
}

/// One attribute whose key is an alias.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// What it stands on.
    pub place: Place,
    /// Its alias's rank.
    pub rank: u8,
    /// The scope group it is in, counted over the request.
    pub scope: u32,
    /// The item it is on, counted over the request; for [`Place::Item`] only.
    pub item: u32,
    /// Offset of the `KeyValue`'s tag.
    pub tag: u32,
    /// Offset of the `KeyValue`'s content.
    pub start: u32,
    /// Offset behind the `KeyValue`.
    pub end: u32,
    /// Depth of the `KeyValue` field, for edits.
    pub depth: u8,
}

/// A stretch of items: of a group or of a scope group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stretch {
    /// Ordinal of the first item.
    pub first: u32,
    /// Number of items.
    pub items: u32,
}

/// One resource group.
#[derive(Debug, Clone, Copy, Default)]
pub struct GroupSpan {
    /// Offset of its tag.
    pub tag: u32,
    /// Offset of its content.
    pub start: u32,
    /// Offset behind it.
    pub end: u32,
    /// Offset behind the last of its resources' fields, and their depth; `None` without a resource.
    pub resource: Option<(u32, u8)>,
    /// Its items.
    pub stretch: Stretch,
    /// Index of its first mark, and behind its last.
    pub marks: (u32, u32),
    /// Ordinal of its first scope group, and behind its last.
    pub scopes: (u32, u32),
}

/// What the first walk found. Reused from request to request.
#[derive(Debug, Default)]
pub struct Survey {
    /// Items and unknown fields.
    pub stats: Stats,
    /// The resource groups, in order.
    pub groups: Vec<GroupSpan>,
    /// The scope groups, in order.
    pub scopes: Vec<Stretch>,
    /// The aliases found, in order.
    pub marks: Vec<Mark>,
}

impl Survey {
    /// The marks of one group.
    pub fn marks_of(&self, group: &GroupSpan) -> &[Mark] {
        &self.marks[group.marks.0 as usize..group.marks.1 as usize]
    }
}

/// Checks a whole request and finds the tenants that it declares.
///
/// # Errors
/// What the walker finds wrong.
pub fn survey(
    signal: Signal,
    buf: &[u8],
    aliases: &Aliases,
    survey: &mut Survey,
) -> Result<Stats, WireError> {
    survey.groups.clear();
    survey.scopes.clear();
    survey.marks.clear();
    let mut surveyor = Surveyor { survey, aliases, items: 0 };
    let stats = walk(signal, buf, &mut surveyor)?;
    survey.stats = stats;
    Ok(stats)
}

struct Surveyor<'s> {
    survey: &'s mut Survey,
    aliases: &'s Aliases,
    items: u32,
}

impl Visitor for Surveyor<'_> {
    #[inline(always)]
    fn enter(&mut self, message: Msg, at: &Leaf<'_>) -> Flow {
        if message.is_item() {
            self.items += 1;
        } else if message.is_scope() {
            self.survey.scopes.push(Stretch { first: self.items, items: 0 });
        } else if message.is_group() {
            let marks = self.survey.marks.len() as u32;
            let scopes = self.survey.scopes.len() as u32;
            self.survey.groups.push(GroupSpan {
                tag: at.tag as u32,
                start: at.start as u32,
                end: at.end as u32,
                resource: None,
                stretch: Stretch { first: self.items, items: 0 },
                marks: (marks, marks),
                scopes: (scopes, scopes),
            });
        }
        Flow::Walk
    }

    #[inline(always)]
    fn leave(&mut self, message: Msg, end: usize, depth: u8) {
        if message == Msg::Resource {
            if let Some(group) = self.survey.groups.last_mut() {
                group.resource = Some((end as u32, depth));
            }
        } else if message.is_scope() {
            if let Some(scope) = self.survey.scopes.last_mut() {
                scope.items = self.items - scope.first;
            }
        } else if message.is_group() {
            let (marks, scopes) = (self.survey.marks.len() as u32, self.survey.scopes.len() as u32);
            if let Some(group) = self.survey.groups.last_mut() {
                group.stretch.items = self.items - group.stretch.first;
                group.marks.1 = marks;
                group.scopes.1 = scopes;
            }
        }
    }

    #[inline(always)]
    fn attribute(&mut self, key: &str, at: &Leaf<'_>) -> Flow {
        if let Some(rank) = self.aliases.rank(key) {
            let place = match at.message {
                Msg::Resource => Place::Resource,
                Msg::InstrumentationScope => Place::Scope,
                message if message.is_item() => Place::Item,
                _ => return Flow::Walk,
            };
            self.survey.marks.push(Mark {
                place,
                rank,
                scope: (self.survey.scopes.len() as u32).wrapping_sub(1),
                item: self.items.wrapping_sub(1),
                tag: at.tag as u32,
                start: at.start as u32,
                end: at.end as u32,
                depth: at.depth,
            });
        }
        Flow::Walk
    }
}
