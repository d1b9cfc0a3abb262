//! Which tables of a level are kept to one tenant, by all that its conditions say together.

use std::{ops::Range, sync::Arc};

use super::{
    facts::Facts,
    level::{Columns, Keeps, Level, Role},
    schema::{Owner, Schema},
};

/// Facts, and the aliases whose rows they hold for.
struct Group<'l> {
    facts: &'l Facts,
    holds: [Option<&'l Range<usize>>; 2],
    all: bool,
}

impl Group<'_> {
    fn holds(&self, alias: usize) -> bool {
        self.all || self.holds.iter().flatten().any(|range| range.contains(&alias))
    }
}

/// The facts of a level. The condition of an outer join holds for the rows of the side that it fills up with nulls;
/// for the other side only where the `WHERE` takes no such rows.
fn groups(level: &Level) -> Vec<Group<'_>> {
    let mut groups = vec![Group { facts: &level.filter, holds: [None, None], all: true }];
    for join in &level.joins {
        let refused = |side: &Range<usize>| level.filter.strict.iter().any(|alias| side.contains(alias));
        let (left, right) = match join.keeps {
            Keeps::Neither => (true, true),
            Keeps::Left => (refused(&join.right), true),
            Keeps::Right => (true, refused(&join.left)),
            Keeps::Both => (refused(&join.right), refused(&join.left)),
        };
        let holds = [left.then_some(&join.left), right.then_some(&join.right)];
        groups.push(Group { facts: &join.facts, holds, all: false });
    }
    groups
}

/// Marks aliases as scoped until nothing follows any more; `given` is scoped besides.
pub(super) fn scoped(level: &Level, schema: &Schema, given: Option<usize>) -> Vec<bool> {
    follow(level, schema, given, &groups(level))
}

fn follow(level: &Level, schema: &Schema, given: Option<usize>, groups: &[Group<'_>]) -> Vec<bool> {
    let mut scoped: Vec<bool> = level.aliases.iter().map(|alias| alias.scoped).collect();
    if let Some(given) = given {
        scoped[given] = true;
    }
    loop {
        let mut more = false;
        let mut mark = |scoped: &mut Vec<bool>, alias: usize| {
            more |= !scoped[alias];
            scoped[alias] = true;
        };
        for group in groups {
            if group.facts.never {
                (0..level.aliases.len()).filter(|n| group.holds(*n)).for_each(|n| mark(&mut scoped, n));
            }
            for &alias in group.facts.bound.iter().filter(|n| group.holds(**n)) {
                mark(&mut scoped, alias);
            }
            for (a, col, b, other) in &group.facts.pairs {
                if col.tenant && other.tenant {
                    if scoped[*a] && group.holds(*b) {
                        mark(&mut scoped, *b);
                    }
                    if scoped[*b] && group.holds(*a) {
                        mark(&mut scoped, *a);
                    }
                }
            }
            for child in (0..level.aliases.len()).filter(|n| group.holds(*n)) {
                if !scoped[child] && by_parent(level, schema, group.facts, child, &scoped) {
                    mark(&mut scoped, child);
                }
            }
        }
        if !more {
            return scoped;
        }
    }
}

/// Whether all columns of a foreign key of `child` equal those of a parent that is scoped.
fn by_parent(level: &Level, schema: &Schema, facts: &Facts, child: usize, scoped: &[bool]) -> bool {
    // A foreign key holds for the table's own rows: not for what a query makes of them.
    let Columns::Table(table) = level.aliases[child].columns else { return false };
    let pair = |parent: usize, from: &Arc<str>, key: (usize, &Arc<str>)| {
        let is = |alias: usize, col: &super::level::Col| {
            alias == parent && col.origin.as_ref().is_some_and(|(table, name)| (*table, name) == key)
        };
        facts.pairs.iter().any(|(a, col, b, other)| {
            (*a == child && col.name == *from && is(*b, other))
                || (*b == child && other.name == *from && is(*a, col))
        })
    };
    schema.table(table).foreign_keys.iter().any(|key| {
        schema.table(key.parent).owned()
            && (0..level.aliases.len()).filter(|parent| scoped[*parent] && *parent != child).any(|parent| {
                let mut columns = key.columns.iter().zip(&key.parent_columns);
                columns.all(|(from, to)| pair(parent, from, (key.parent, to)))
            })
    })
}

/// Marks aliases whose rows are chosen by key: by a value, or by a row that is scoped or chosen by key itself.
pub(super) fn pinned(level: &Level, schema: &Schema, scoped: &[bool]) -> Vec<bool> {
    let groups = groups(level);
    let keyed = |n: usize| groups.iter().any(|g| g.holds(n) && g.facts.keys.iter().any(|(a, _)| *a == n));
    let mut pinned: Vec<bool> = (0..level.aliases.len())
        .map(|n| scoped[n] || (level.aliases[n].role == Role::Plain && keyed(n)))
        .collect();
    loop {
        let mut more = false;
        for n in 0..level.aliases.len() {
            let Columns::Table(table) = level.aliases[n].columns else { continue };
            let table = schema.table(table);
            let held = |column: &Arc<str>| {
                groups.iter().filter(|group| group.holds(n)).any(|group| {
                    let mut keys = group.facts.keys.iter().chain(&group.facts.held);
                    keys.any(|(alias, name)| *alias == n && name == column)
                        || group.facts.pairs.iter().any(|(a, col, b, other)| {
                            (*a == n && col.name == *column && pinned[*b] && *b != n)
                                || (*b == n && other.name == *column && pinned[*a] && *a != n)
                        })
                })
            };
            let all = |columns: &[Arc<str>]| !columns.is_empty() && columns.iter().all(held);
            let parents = table.owner == Owner::Parent
                && table.foreign_keys.iter().any(|k| schema.table(k.parent).owned() && all(&k.columns));
            if !pinned[n] && (all(&table.primary_key) || parents) {
                pinned[n] = true;
                more = true;
            }
        }
        if !more {
            return pinned;
        }
    }
}

/// Whether an alias would be scoped if outer joins kept no rows that their conditions don't hold for.
pub(super) fn beyond_join(level: &Level, schema: &Schema, alias: usize) -> bool {
    let mut groups = groups(level);
    groups.iter_mut().for_each(|group| group.all = true);
    follow(level, schema, None, &groups)[alias]
}
