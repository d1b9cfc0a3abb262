//! Requests no larger than their receiver takes: cut between resource groups where that is enough, between
//! items where it is not.

use bytes::Bytes;

use crate::{
    batch::Signal,
    wire::{
        self, Sharing,
        view::{self, Message},
    },
};

/// A request, and the items in it.
#[derive(Debug, Clone)]
pub struct Piece {
    /// A request of the same signal.
    pub bytes: Bytes,
    /// Log records, spans or data points.
    pub items: u32,
}

/// Cuts a request into pieces of `max` bytes or less. A single item that is larger goes alone, as large as it is.
/// The order of groups and items stays.
pub fn fit(signal: Signal, request: &Bytes, items: u32, max: usize) -> Vec<Piece> {
    if request.len() <= max {
        return vec![Piece { bytes: request.clone(), items }];
    }
    let mut pieces = Vec::new();
    // A run of whole groups, from `start` to `end`.
    let (mut start, mut end) = (0, 0);
    let close = |pieces: &mut Vec<Piece>, start: usize, end: usize| {
        if end > start {
            let bytes = request.slice(start..end);
            pieces.push(Piece { items: count(signal, &bytes), bytes });
        }
    };
    for field in Message::root(request).fields() {
        if field.end - start > max {
            close(&mut pieces, start, end);
            start = field.tag;
        }
        end = field.end;
        if end - start > max {
            divide(signal, &request.slice(start..end), max, &mut pieces);
            start = end;
        }
    }
    close(&mut pieces, start, end);
    pieces
}

/// Cuts one group between its items: first by their sizes, then in halves where that was not enough.
fn divide(signal: Signal, group: &Bytes, max: usize, pieces: &mut Vec<Piece>) {
    let sizes: Vec<usize> = view::groups(signal, group)
        .flat_map(view::Group::items)
        .map(|item| item.field.whole().len())
        .collect();
    let around = group.len().saturating_sub(sizes.iter().sum());
    // What stands around the items is written with every piece; where it is most of a piece there is no
    // better way than to halve.
    let room = max.saturating_sub(around).max(max / 4).max(1);
    let mut owners = Vec::with_capacity(sizes.len());
    let (mut piece, mut used) = (0u32, 0);
    for size in &sizes {
        if used > 0 && used + size > room {
            piece += 1;
            used = 0;
        }
        used += size;
        owners.push(piece);
    }
    if piece == 0 && sizes.len() > 1 {
        let half = sizes.len() / 2;
        owners.iter_mut().skip(half).for_each(|owner| *owner = 1);
    }
    let whole = || Piece { bytes: group.clone(), items: sizes.len() as u32 };
    if sizes.len() <= 1 {
        return pieces.push(whole());
    }
    match wire::split(signal, group, &[Sharing::Items(owners)]) {
        // The pieces would be far larger than the whole: what is around the items is the most of it.
        Err(_) => pieces.push(whole()),
        Ok(parts) => {
            for part in parts {
                if part.bytes.len() > max && part.items > 1 {
                    divide(signal, &part.bytes, max, pieces);
                } else {
                    pieces.push(Piece { bytes: part.bytes, items: part.items });
                }
            }
        }
    }
}

fn count(signal: Signal, request: &[u8]) -> u32 {
    view::groups(signal, request).flat_map(view::Group::items).count() as u32
}
