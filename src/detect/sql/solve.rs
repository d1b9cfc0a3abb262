//! Which tables of a level are kept to one tenant, by all that its conditions say together.
//!
//! What follows from what is a graph over the aliases: it is made once for a level, and followed from each start in
//! time that grows with its size.

use std::{ops::Range, sync::Arc};

use super::{
    budget::Budget,
    facts::Facts,
    level::{Col, Columns, Keeps, Level, Role},
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
fn groups<'l>(level: &'l Level, budget: &Budget) -> Vec<Group<'l>> {
    // How many aliases before each are refused where they are null.
    let mut strict = vec![0usize; level.aliases.len() + 1];
    level.filter.strict.iter().for_each(|alias| strict[alias + 1] = 1);
    (0..level.aliases.len()).for_each(|n| strict[n + 1] += strict[n]);
    budget.spend(strict.len() + level.joins.len());
    let mut groups = vec![Group { facts: &level.filter, holds: [None, None], all: true }];
    for join in &level.joins {
        let refused = |side: &Range<usize>| strict[side.end] > strict[side.start];
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

/// In place of the number of a foreign key: the primary key of both.
const SAME_ROW: usize = usize::MAX;

/// What follows from what in a level.
pub(super) struct Links<'l> {
    level: &'l Level,
    budget: &'l Budget,
    /// Aliases that are scoped whatever the others are.
    start: Vec<bool>,
    /// The aliases that are scoped where this one is.
    to: Vec<Vec<usize>>,
}

impl<'l> Links<'l> {
    /// Those of a level.
    pub fn new(level: &'l Level, schema: &Schema, budget: &'l Budget) -> Self {
        Self::of(level, schema, budget, &groups(level, budget))
    }

    /// Those that would hold if outer joins kept no rows that their conditions don't hold for.
    pub fn beyond_joins(level: &'l Level, schema: &Schema, budget: &'l Budget) -> Self {
        let mut groups = groups(level, budget);
        groups.iter_mut().for_each(|group| group.all = true);
        Self::of(level, schema, budget, &groups)
    }

    fn of(level: &'l Level, schema: &Schema, budget: &'l Budget, groups: &[Group<'_>]) -> Self {
        let count = level.aliases.len();
        let start = level.aliases.iter().map(|alias| alias.scoped).collect();
        let mut links = Links { level, budget, start, to: vec![Vec::new(); count] };
        for group in groups {
            if group.facts.never {
                budget.spend(count);
                (0..count).filter(|n| group.holds(*n)).for_each(|n| links.start[n] = true);
            }
            budget.spend(1 + group.facts.bound.len());
            for &alias in group.facts.bound.iter().filter(|n| group.holds(**n)) {
                links.start[alias] = true;
            }
            links.pairs(schema, group);
        }
        links
    }

    fn link(&mut self, from: usize, to: usize) {
        self.to[from].push(to);
    }

    fn pairs(&mut self, schema: &Schema, group: &Group<'_>) {
        // Columns of foreign keys of several columns, each with where it leads: child, parent, key, column.
        let mut parts: Vec<(usize, usize, usize, usize)> = Vec::new();
        for (a, col, b, other) in &group.facts.pairs {
            if !self.budget.spend(2) {
                return;
            }
            for (from, of, to, col) in [(*a, col, *b, other), (*b, other, *a, col)] {
                if !group.holds(to) {
                    continue;
                }
                if of.tenant && col.tenant {
                    self.link(from, to);
                }
                self.child(schema, (from, of), (to, col), &mut parts);
                // The same key is the same row.
                if matches!(self.level.aliases[to].columns, Columns::Table(_))
                    && let Some((column, count)) = schema.same_row(of, col)
                {
                    match count {
                        1 => self.link(from, to),
                        _ => parts.push((to, from, SAME_ROW, column)),
                    }
                }
            }
        }
        parts.sort_unstable();
        parts.dedup();
        self.budget.spend(parts.len());
        for same in parts.chunk_by(|a, b| (a.0, a.1, a.2) == (b.0, b.1, b.2)) {
            let (child, parent, key, _) = same[0];
            let Columns::Table(table) = self.level.aliases[child].columns else { continue };
            let table = schema.table(table);
            let columns = match key {
                SAME_ROW => &table.primary_key,
                key => &table.foreign_keys[key].columns,
            };
            if columns.len() == same.len() {
                self.link(parent, child);
            }
        }
    }

    /// A column of a child that equals one of its parent.
    fn child(
        &mut self,
        schema: &Schema,
        (parent, to): (usize, &Col),
        (child, from): (usize, &Col),
        parts: &mut Vec<(usize, usize, usize, usize)>,
    ) {
        // A foreign key holds for the table's own rows: not for what a query makes of them.
        let (Columns::Table(table), Some((of, to))) = (&self.level.aliases[child].columns, &to.origin) else {
            return;
        };
        if !schema.table(*of).owned() {
            return;
        }
        let keys = &schema.table(*table).foreign_keys;
        self.budget.spend(keys.len());
        for (n, key) in keys.iter().enumerate().filter(|(_, key)| key.parent == *of) {
            let mut columns = key.columns.iter().zip(&key.parent_columns);
            if let Some(column) = columns.position(|(a, b)| *a == from.name && b == to) {
                match key.columns.len() {
                    1 => self.link(parent, child),
                    _ => parts.push((child, parent, n, column)),
                }
            }
        }
    }

    /// Marks what is scoped; `given` is scoped besides.
    pub fn follow(&self, given: Option<usize>) -> Vec<bool> {
        let mut scoped = self.start.clone();
        if let Some(given) = given {
            scoped[given] = true;
        }
        let from: Vec<usize> = (0..scoped.len()).filter(|n| scoped[*n]).collect();
        if self.budget.spend(scoped.len()) {
            from.into_iter().for_each(|n| self.walk(n, &self.to, &mut scoped));
        }
        scoped
    }

    /// For each alias: whether everything else that is open would be scoped if this one were. Asked of the aliases
    /// that `asked` names.
    pub fn covers(&self, asked: &[bool]) -> Vec<bool> {
        let aliases = &self.level.aliases;
        // Of those that are open, the last from which the search had to begin anew leads to all, if any does.
        let mut seen = self.follow(None);
        let mut last = None;
        for n in 0..aliases.len() {
            if aliases[n].open() && !seen[n] {
                last = Some(n);
                self.walk(n, &self.to, &mut seen);
            }
        }
        let Some(last) = last else { return asked.to_vec() };
        let covers = |n: usize| {
            let then = self.follow(Some(n));
            aliases.iter().zip(&then).all(|(alias, then)| *then || !alias.open())
        };
        if covers(last) {
            // Whatever leads there leads everywhere.
            let mut back = vec![Vec::new(); aliases.len()];
            self.to.iter().enumerate().for_each(|(n, to)| to.iter().for_each(|to| back[*to].push(n)));
            let mut leads = vec![false; aliases.len()];
            self.walk(last, &back, &mut leads);
            return asked.iter().zip(leads).map(|(asked, leads)| *asked && leads).collect();
        }
        // The list of tenants, or a query, may lead to several.
        (0..aliases.len()).map(|n| asked[n] && !aliases[n].open() && covers(n)).collect()
    }

    /// Marks what `from` leads to, and itself.
    fn walk(&self, from: usize, to: &[Vec<usize>], seen: &mut [bool]) {
        seen[from] = true;
        let mut open = vec![from];
        while let Some(from) = open.pop() {
            self.budget.spend(1 + to[from].len());
            for &to in &to[from] {
                if !std::mem::replace(&mut seen[to], true) {
                    open.push(to);
                }
            }
        }
    }
}

/// Marks aliases as scoped until nothing follows any more.
pub(super) fn scoped(level: &Level, schema: &Schema, budget: &Budget) -> Vec<bool> {
    Links::new(level, schema, budget).follow(None)
}

/// Marks aliases whose rows are chosen by key: by a value, or by a row that is scoped or chosen by key itself.
pub(super) fn pinned(level: &Level, schema: &Schema, scoped: &[bool], budget: &Budget) -> Vec<bool> {
    let count = level.aliases.len();
    let mut pinned = scoped.to_vec();
    // Columns of each alias that are given, and those that are where another alias is chosen by key.
    let mut held: Vec<Vec<&Arc<str>>> = vec![Vec::new(); count];
    let mut follow: Vec<Vec<(usize, &Arc<str>)>> = vec![Vec::new(); count];
    for group in groups(level, budget) {
        let facts = group.facts;
        budget.spend(1 + facts.keys.len() + facts.held.len() + 2 * facts.pairs.len());
        for (n, column) in facts.keys.iter().filter(|(n, _)| group.holds(*n)) {
            pinned[*n] |= level.aliases[*n].role == Role::Plain;
            held[*n].push(column);
        }
        for (n, column) in facts.held.iter().filter(|(n, _)| group.holds(*n)) {
            held[*n].push(column);
        }
        for (a, col, b, other) in facts.pairs.iter().filter(|(a, _, b, _)| a != b) {
            if !schema.joins(col, other) {
                continue;
            }
            for (from, to, col) in [(*b, *a, col), (*a, *b, other)] {
                if group.holds(to) {
                    follow[from].push((to, &col.name));
                }
            }
        }
    }
    let chosen = |n: usize, held: &[&Arc<str>]| {
        let Columns::Table(table) = level.aliases[n].columns else { return false };
        let table = schema.table(table);
        let all = |columns: &[Arc<str>]| !columns.is_empty() && columns.iter().all(|c| held.contains(&c));
        all(&table.primary_key)
            || held.iter().any(|column| &***column == "ctid")
            || (table.owner == Owner::Parent
                && table.foreign_keys.iter().any(|k| schema.table(k.parent).owned() && all(&k.columns)))
    };
    for n in 0..count {
        pinned[n] |= budget.spend(1 + held[n].len()) && chosen(n, &held[n]);
    }
    let mut open: Vec<usize> = (0..count).filter(|n| pinned[*n]).collect();
    while let Some(from) = open.pop() {
        for (to, column) in std::mem::take(&mut follow[from]) {
            if pinned[to] || held[to].contains(&column) {
                continue;
            }
            if !budget.spend(1 + held[to].len()) {
                return pinned;
            }
            held[to].push(column);
            if chosen(to, &held[to]) {
                pinned[to] = true;
                open.push(to);
            }
        }
    }
    pinned
}
