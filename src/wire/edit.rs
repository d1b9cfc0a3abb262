//! Edits at offsets, and the splice: one pass that writes the changed request and mends the
//! lengths of all messages around an edit, width changes of those lengths included.
//!
//! The splice knows no schema. An edit says how deep it stands (how many messages are open around
//! it); whatever length-delimited field an edit of greater depth falls into is an enclosing
//! message. Only paths that lead to an edit are read.

use bytes::Bytes;

use super::{
    Fault, Leaf, WireError,
    varint::{self, LEN},
};

/// One change: remove `[at, end)`, put text of the pool there.
#[derive(Debug, Clone, Copy)]
struct Edit {
    at: u32,
    end: u32,
    /// Open messages around it: 1 for the fields of the request.
    depth: u8,
    from: u32,
    to: u32,
}

/// An ordered list of changes to one buffer, reusable from batch to batch.
#[derive(Default)]
pub struct Edits {
    list: Vec<Edit>,
    pool: Vec<u8>,
    sorted: bool,
}

impl Edits {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all edits, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.pool.clear();
        self.sorted = false;
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of edits.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Removes the field at `leaf`, tag and all.
    pub fn delete(&mut self, leaf: &Leaf<'_>) {
        self.push(leaf.tag, leaf.end, leaf.depth, |_| {});
    }

    /// Replaces the content of the length-delimited field at `leaf`.
    pub fn replace(&mut self, leaf: &Leaf<'_>, content: &[u8]) {
        self.set(leaf.head, leaf.end, leaf.depth, content);
    }

    /// Replaces the content of the length-delimited field whose tag ends at `head`, and which ends at `end`.
    pub fn set(&mut self, head: usize, end: usize, depth: u8, content: &[u8]) {
        self.push(head, end, depth, |pool| {
            varint::write(pool, content.len() as u64);
            pool.extend_from_slice(content);
        });
    }

    /// Replaces the whole field at `leaf`, tag and all, by what `write` writes (any number of whole fields).
    pub fn rewrite(&mut self, leaf: &Leaf<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        self.push(leaf.tag, leaf.end, leaf.depth, write);
    }

    /// Inserts whole fields at `at`, a place between two fields of a message whose fields have `depth`.
    pub fn insert(&mut self, at: usize, depth: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.push(at, at, depth, write);
    }

    /// Removes `[tag, end)`, whole fields of a message whose fields have `depth`.
    pub fn remove(&mut self, tag: usize, end: usize, depth: u8) {
        self.push(tag, end, depth, |_| {});
    }

    fn push(&mut self, at: usize, end: usize, depth: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let from = self.pool.len();
        write(&mut self.pool);
        let edit =
            Edit { at: at as u32, end: end as u32, depth, from: from as u32, to: self.pool.len() as u32 };
        self.sorted = self.list.last().is_none_or(|last| self.sorted && order(last) <= order(&edit));
        self.list.push(edit);
    }

    /// Sorts, and drops what lies inside something that is removed anyway.
    fn settle(&mut self) {
        if !self.sorted {
            // Stable: what was inserted first at one place stays first.
            self.list.sort_by_key(order);
            self.sorted = true;
        }
        let (mut covered, mut level) = (0, u8::MAX);
        self.list.retain(|edit| {
            // A deeper insertion at the very end of what is removed was inside it too.
            if edit.at < covered || (edit.at == covered && edit.end == edit.at && edit.depth > level) {
                return false;
            }
            if edit.end > edit.at {
                (covered, level) = (edit.end, edit.depth);
            }
            true
        });
    }
}

/// By place; at one place deeper insertions first (they end an inner message), then removals from
/// the widest.
fn order(edit: &Edit) -> (u32, u8, std::cmp::Reverse<u8>, std::cmp::Reverse<u32>) {
    let removes = u8::from(edit.end > edit.at);
    (edit.at, removes, std::cmp::Reverse(edit.depth), std::cmp::Reverse(edit.end))
}

/// The new length of one enclosing message.
#[derive(Clone, Copy)]
struct Mend {
    /// Offset of the length.
    at: u32,
    /// Offset behind the length.
    end: u32,
    length: u64,
}

/// Applies `edits` to `buf`. No edits: the same bytes, no copy.
///
/// # Errors
/// [`Fault::Length`] where an edit does not stand between whole fields of the request at its depth;
/// [`Fault::Size`] where the result is more than offsets can address. Bytes that the walker has
/// passed, with edits at places that it showed, never fail but by size.
pub fn splice(buf: &Bytes, edits: &mut Edits) -> Result<Bytes, WireError> {
    edits.settle();
    if edits.list.is_empty() {
        return Ok(buf.clone());
    }
    let mut mends = Vec::with_capacity(edits.list.len());
    let mut measure = Measure { buf, mends: &mut mends };
    let grown = measure.message(0, buf.len(), 1, &edits.list)?;
    let size = buf.len() as i64 + grown;
    if size > i64::from(u32::MAX) {
        return Err(error(Fault::Size, buf.len()));
    }
    let mut out = Vec::with_capacity(size as usize);
    let mut done = 0;
    let mut mends = mends.into_iter().peekable();
    let mut until = |out: &mut Vec<u8>, done: &mut usize, to: usize| {
        while let Some(mend) = mends.next_if(|mend| (mend.at as usize) < to) {
            out.extend_from_slice(&buf[*done..mend.at as usize]);
            varint::write(out, mend.length);
            *done = mend.end as usize;
        }
        out.extend_from_slice(&buf[*done..to]);
        *done = to;
    };
    for edit in &edits.list {
        until(&mut out, &mut done, edit.at as usize);
        out.extend_from_slice(&edits.pool[edit.from as usize..edit.to as usize]);
        done = edit.end as usize;
    }
    until(&mut out, &mut done, buf.len());
    debug_assert_eq!(out.len() as i64, size);
    Ok(out.into())
}

struct Measure<'a> {
    buf: &'a [u8],
    mends: &'a mut Vec<Mend>,
}

impl Measure<'_> {
    /// How much the message `[start, end)`, whose fields have `depth`, grows by `edits`, all inside it.
    fn message(&mut self, start: usize, end: usize, depth: u8, edits: &[Edit]) -> Result<i64, WireError> {
        let mut grown = 0;
        let mut at = start;
        let mut edits = edits;
        while let Some(first) = edits.first() {
            let place = first.at as usize;
            if place > end {
                return Err(error(Fault::Length, place));
            }
            if at == place && first.depth == depth {
                // Between fields: an insertion, or the removal of whole fields.
                grown += i64::from(first.to - first.from) - i64::from(first.end - first.at);
                at = at.max(first.end as usize);
                edits = &edits[1..];
                continue;
            }
            if at >= end {
                return Err(error(Fault::Length, place));
            }
            let (tag, head) = varint::tag(self.buf, at, end).map_err(|fault| error(fault, at))?;
            let (from, to) =
                varint::payload(self.buf, tag.wire, head, end).map_err(|fault| error(fault, at))?;
            if place == head && first.depth == depth {
                // The field keeps its tag and gets a new payload.
                if first.end as usize != to {
                    return Err(error(Fault::Length, place));
                }
                grown += i64::from(first.to - first.from) - i64::from(first.end - first.at);
                edits = &edits[1..];
            } else {
                // Insertions at the very end of the child are the child's if they are deeper.
                let inside = edits.partition_point(|edit| {
                    (edit.at as usize) < to
                        || (edit.at as usize == to && edit.end == edit.at && edit.depth > depth)
                });
                if inside > 0 {
                    if tag.wire != LEN || edits[0].depth <= depth || (edits[0].at as usize) < from {
                        return Err(error(Fault::Length, place));
                    }
                    let slot = self.mends.len();
                    self.mends.push(Mend { at: head as u32, end: from as u32, length: 0 });
                    let more = self.message(from, to, depth + 1, &edits[..inside])?;
                    let length = (to - from) as i64 + more;
                    if length < 0 {
                        return Err(error(Fault::Length, place));
                    }
                    self.mends[slot].length = length as u64;
                    grown += more + varint::len(length as u64) as i64 - (from - head) as i64;
                    edits = &edits[inside..];
                }
            }
            at = to;
        }
        Ok(grown)
    }
}

fn error(fault: Fault, offset: usize) -> WireError {
    WireError { fault, message: "splice", field: 0, offset }
}
