//! One request for each tenant, and many requests in one.

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};

use super::{
    Fault, WireError, put,
    varint::LEN,
    view::{self, Group, Item, RawField, data_message},
};
use crate::{batch::Signal, limits};

/// Who a resource group belongs to. Parts are small numbers of the caller's choosing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sharing {
    /// All of it to one part.
    Whole(u32),
    /// Item by item, in wire order.
    Items(Vec<u32>),
}

/// One part of a request.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its number.
    pub part: u32,
    /// A request of the same signal.
    pub bytes: Bytes,
    /// The items in it.
    pub items: u32,
}

/// Splits a request that the walker has passed; `sharing` has one entry for each resource group.
/// Parts come in order of their first item. A request of one part is passed on without a copy;
/// envelopes that would be left empty are not written.
///
/// # Errors
/// [`Fault::Size`] where the parts, each with its copy of resource and scope, would be larger than
/// [`limits::SPLIT_GROWTH`] times the request.
pub fn split(signal: Signal, buf: &Bytes, sharing: &[Sharing]) -> Result<Vec<Part>, WireError> {
    if let Some(part) = only_part(sharing) {
        let items = view::groups(signal, buf).flat_map(Group::items).count() as u32;
        return Ok(vec![Part { part, bytes: buf.clone(), items }]);
    }
    let mut parts = Parts {
        order: Vec::new(),
        index: HashMap::new(),
        written: 0,
        limit: buf.len() * limits::SPLIT_GROWTH + limits::SPLIT_SLACK,
    };
    let mut items: Vec<Place> = Vec::new();
    for (group, sharing) in view::groups(signal, buf).zip(sharing) {
        match sharing {
            Sharing::Whole(part) => {
                let count = group.items().count() as u32;
                parts.add(*part, count, |out| out.extend_from_slice(group.field.whole()))?;
            }
            Sharing::Items(owners) => {
                items.clear();
                items.extend(owners.iter().zip(group.items()).map(|(part, item)| Place::of(*part, &item)));
                // Parts in order of their first item; within a part the items keep their order.
                let mut ranks = HashMap::new();
                for place in &items {
                    let next = ranks.len();
                    ranks.entry(place.part).or_insert(next);
                }
                items.sort_by_key(|place| ranks[&place.part]);
                for run in items.chunk_by(|a, b| a.part == b.part) {
                    let part = run[0].part;
                    parts.add(part, run.len() as u32, |out| write_group(out, buf, &group.field, run))?;
                }
            }
        }
    }
    Ok(parts.order.into_iter().map(|(part, items, out)| Part { part, items, bytes: out.into() }).collect())
}

fn only_part(sharing: &[Sharing]) -> Option<u32> {
    let mut parts = sharing.iter().flat_map(|sharing| match sharing {
        Sharing::Whole(part) => std::slice::from_ref(part).iter(),
        Sharing::Items(parts) => parts.iter(),
    });
    let first = *parts.next()?;
    parts.all(|part| *part == first).then_some(first)
}

struct Parts {
    order: Vec<(u32, u32, Vec<u8>)>,
    index: HashMap<u32, usize>,
    written: usize,
    limit: usize,
}

impl Parts {
    fn add(&mut self, part: u32, items: u32, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), WireError> {
        let slot = *self.index.entry(part).or_insert_with(|| {
            self.order.push((part, 0, Vec::new()));
            self.order.len() - 1
        });
        let (_, count, out) = &mut self.order[slot];
        let before = out.len();
        write(out);
        *count += items;
        self.written += out.len() - before;
        if self.written > self.limit {
            return Err(WireError { fault: Fault::Size, message: "split", field: 0, offset: self.written });
        }
        Ok(())
    }
}

/// Where an item and the envelopes around it stand: offsets of their tags. Small, since a request
/// may hold millions of items; 0 stands for an envelope that the signal does not have.
#[derive(Clone, Copy)]
struct Place {
    part: u32,
    scope: u32,
    metric: u32,
    data: u32,
    item: u32,
}

impl Place {
    fn of(part: u32, item: &Item<'_>) -> Self {
        let tag = |field: Option<RawField<'_>>| field.map_or(0, |field| field.tag as u32);
        Place {
            part,
            scope: item.scope.field.tag as u32,
            metric: tag(item.metric),
            data: tag(item.data),
            item: item.field.tag as u32,
        }
    }
}

/// Writes the group with the items of `run` alone.
fn write_group(out: &mut Vec<u8>, buf: &[u8], group: &RawField<'_>, run: &[Place]) {
    nest(
        out,
        group,
        |number| number == 2,
        |out| {
            for run in run.chunk_by(|a, b| a.scope == b.scope) {
                let Some(scope) = field(buf, run[0].scope) else { continue };
                nest(
                    out,
                    &scope,
                    |number| number == 2,
                    |out| {
                        if run[0].metric == 0 {
                            return write_items(out, buf, run);
                        }
                        for run in run.chunk_by(|a, b| a.metric == b.metric) {
                            let Some(metric) = field(buf, run[0].metric) else { continue };
                            nest(
                                out,
                                &metric,
                                |number| data_message(number).is_some(),
                                |out| {
                                    for run in run.chunk_by(|a, b| a.data == b.data) {
                                        let Some(data) = field(buf, run[0].data) else { continue };
                                        nest(
                                            out,
                                            &data,
                                            |number| number == 1,
                                            |out| write_items(out, buf, run),
                                        );
                                    }
                                },
                            );
                        }
                    },
                );
            }
        },
    );
}

fn write_items(out: &mut Vec<u8>, buf: &[u8], run: &[Place]) {
    for item in run.iter().filter_map(|place| field(buf, place.item)) {
        out.extend_from_slice(item.whole());
    }
}

fn field(buf: &[u8], at: u32) -> Option<RawField<'_>> {
    RawField::read(buf, at as usize, buf.len())
}

/// Writes the message field `around` again: all its fields but those that `inner` names, then `body`.
fn nest(
    out: &mut Vec<u8>,
    around: &RawField<'_>,
    inner: impl Fn(u32) -> bool,
    body: impl FnOnce(&mut Vec<u8>),
) {
    put::tag(out, around.number, LEN);
    let start = out.len();
    out.push(0);
    for field in around.message().fields() {
        if !inner(field.number) {
            out.extend_from_slice(field.whole());
        }
    }
    body(out);
    put::close(out, start);
}

/// Many requests of one signal as one: protobuf merges repeated fields by concatenation.
pub fn join<'a>(requests: impl IntoIterator<Item = &'a Bytes>) -> Bytes {
    let requests: Vec<&Bytes> = requests.into_iter().collect();
    if let [one] = requests[..] {
        return one.clone();
    }
    let mut out = Vec::with_capacity(requests.iter().map(|request| request.len()).sum());
    for request in requests {
        out.extend_from_slice(request);
    }
    out.into()
}
