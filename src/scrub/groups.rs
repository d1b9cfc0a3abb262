//! Literals in groups, for a look at many places at once: each byte's table says which groups it fits in which
//! place, and a place that fits some group in all four may start a literal of it.

/// For each place of a literal: the groups of each six bits.
pub(super) type Table = [[u8; 64]; 4];

/// Six bits of a byte: the low five, which tell letters apart in either case, and the one that letters have and
/// digits don't.
fn six(byte: u8) -> usize {
    usize::from(byte & 31 | byte >> 1 & 32)
}

/// The groups of the low five bits alone, the lower and the upper 16 of them.
pub(super) fn by_five(groups: &[u8; 64]) -> [[u8; 16]; 2] {
    let mut out = [[0; 16]; 2];
    for (i, groups) in groups.iter().enumerate() {
        out[i >> 4 & 1][i & 15] |= groups;
    }
    out
}

/// Literals by [`six`] bits of each of their first four bytes, in 8 groups for each of `N` tables.
#[derive(Debug)]
pub(super) struct Groups<const N: usize> {
    pub(super) tables: [Table; N],
}

impl<const N: usize> Default for Groups<N> {
    fn default() -> Self {
        Groups { tables: [[[0; 64]; 4]; N] }
    }
}

impl<const N: usize> Groups<N> {
    /// From the first four bytes of each literal; `None` is any byte.
    pub fn new(mut literals: Vec<[Option<u8>; 4]>) -> Self {
        // In order, so that the literals of a group have much in common.
        literals.sort_unstable();
        literals.dedup();
        let mut out = Self::default();
        for (group, literals) in partition(&literals, 8 * N).into_iter().enumerate() {
            let (table, bit) = (&mut out.tables[group / 8], 1u8 << (group % 8));
            for (place, byte) in literals.iter().flat_map(|l| l.iter().enumerate()) {
                match byte {
                    Some(byte) => table[place][six(*byte)] |= bit,
                    None => table[place].iter_mut().for_each(|groups| *groups |= bit),
                }
            }
        }
        out
    }
}

/// Literals, in order, cut into so many groups that all of them together let through the fewest texts: a group
/// lets through every mix of its literals' bytes. By dynamic programming over where the last group begins.
fn partition(literals: &[[Option<u8>; 4]], groups: usize) -> Vec<&[[Option<u8>; 4]]> {
    let n = literals.len();
    // Where the last of some groups begins that hold the first `end` literals, and what they let through.
    let mut best = vec![vec![(f64::INFINITY, 0); n + 1]; groups + 1];
    best[0][0].0 = 0.0;
    for begin in 0..n {
        let mut places = [0u64; 4];
        for end in begin + 1..=n {
            for (place, byte) in places.iter_mut().zip(literals[end - 1]) {
                *place |= byte.map_or(u64::MAX, |byte| 1 << six(byte));
            }
            let cost: f64 = places.iter().map(|place| f64::from(place.count_ones()) / 64.0).product();
            for group in 0..groups {
                let all = best[group][begin].0 + cost;
                if all < best[group + 1][end].0 {
                    best[group + 1][end] = (all, begin);
                }
            }
        }
    }
    let mut out = Vec::new();
    let mut end = n;
    let fewest = |a: &usize, b: &usize| best[*a][n].0.total_cmp(&best[*b][n].0);
    for group in (1..=(0..=groups).min_by(fewest).unwrap_or(0)).rev() {
        let begin = best[group][end].1;
        out.push(&literals[begin..end]);
        end = begin;
    }
    out
}
