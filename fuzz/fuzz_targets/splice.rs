//! Scenario: a request that the walker passes, and edits of all kinds wherever the input says. Guarantee: the
//! spliced request walks again and prost reads it; where the request was as prost writes it, the result
//! equals, byte for byte, a naive rebuild of every message.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use portcullis::{
    batch::Signal,
    wire::{Edits, Flow, Leaf, Msg, Visitor, put, schema::Kind, splice, varint, view::RawField, walk},
};

/// What to do at a place, by the place alone: both sides of the comparison ask in any order.
#[derive(Clone, Copy)]
struct Plan<'a>(&'a [u8]);

enum Deed {
    Keep,
    Delete,
    Replace(usize),
    Rewrite,
}

impl Plan<'_> {
    fn at(self, place: usize) -> Deed {
        match self.0[place % self.0.len()] {
            0 => Deed::Delete,
            1 => Deed::Rewrite,
            2..8 => Deed::Replace(place % 5),
            8 => Deed::Replace(127 + place % 2),
            9 => Deed::Replace(16_383 + place % 2),
            _ => Deed::Keep,
        }
    }

    fn inserts(self, end: usize) -> bool {
        self.0[end % self.0.len()] % 4 == 1
    }
}

fn filler(length: usize) -> Vec<u8> {
    vec![b'x'; length]
}

fn twice(out: &mut Vec<u8>, field: u32) {
    put::bytes(out, field, b"a");
    put::bytes(out, field, b"b");
}

struct Editor<'a> {
    plan: Plan<'a>,
    edits: Edits,
}

impl Visitor for Editor<'_> {
    fn enter(&mut self, _: Msg, at: &Leaf<'_>) -> Flow {
        if let Deed::Delete = self.plan.at(at.tag) {
            self.edits.delete(at);
            return Flow::Skip;
        }
        Flow::Walk
    }
    fn leave(&mut self, message: Msg, end: usize, depth: u8) {
        if let Some(field) = message.attributes_field()
            && self.plan.inserts(end)
        {
            self.edits.insert(end, depth, |out| put::attribute(out, field, "key", "value"));
        }
    }
    fn attribute(&mut self, _: &str, at: &Leaf<'_>) -> Flow {
        if let Deed::Delete = self.plan.at(at.tag) {
            self.edits.delete(at);
            return Flow::Skip;
        }
        Flow::Walk
    }
    fn string(&mut self, _: &str, at: &Leaf<'_>) {
        match self.plan.at(at.tag) {
            Deed::Keep => {}
            Deed::Delete => self.edits.delete(at),
            Deed::Replace(length) => self.edits.replace(at, &filler(length)),
            Deed::Rewrite => self.edits.rewrite(at, |out| twice(out, at.field)),
        }
    }
    fn unknown(&mut self, at: &Leaf<'_>) {
        self.edits.delete(at);
    }
}

/// The same deeds, by building every message anew.
fn rebuild(plan: Plan<'_>, message: Msg, buf: &[u8], start: usize, end: usize, out: &mut Vec<u8>) {
    let mut at = start;
    while let Some(field) = RawField::read(buf, at, end) {
        at = field.end;
        let deed = plan.at(field.tag);
        match message.kind(field.number).0 {
            Kind::Message(_) if matches!(deed, Deed::Delete) => {}
            Kind::Message(child) => {
                let mut inner = Vec::new();
                rebuild(plan, child, buf, field.start, field.end, &mut inner);
                if let Some(number) = child.attributes_field()
                    && plan.inserts(field.end)
                {
                    put::attribute(&mut inner, number, "key", "value");
                }
                put::bytes(out, field.number, &inner);
            }
            Kind::Str => match deed {
                Deed::Keep => put::bytes(out, field.number, field.content()),
                Deed::Delete => {}
                Deed::Replace(length) => put::bytes(out, field.number, &filler(length)),
                Deed::Rewrite => twice(out, field.number),
            },
            _ => {
                varint::write(out, u64::from(field.number << 3 | u32::from(field.wire)));
                out.extend_from_slice(&buf[field.head..field.end]);
            }
        }
    }
}

fn check(signal: Signal, plan: Plan<'_>, request: &Bytes) {
    let mut editor = Editor { plan, edits: Edits::new() };
    if walk(signal, request, &mut editor).is_err() {
        return;
    }
    let result = splice(request, &mut editor.edits).expect("edits at places that the walk showed");
    let stats = walk(signal, &result, &mut ()).expect("the walker refuses what the splice wrote");
    assert_eq!(stats.unknown, 0);
    assert!(portcullis_fuzz::prost(signal, &result).is_some(), "prost refuses what the splice wrote");
    if portcullis_fuzz::prost(signal, request).is_some_and(|canonical| canonical == request[..]) {
        let mut expected = Vec::new();
        rebuild(plan, Msg::request(signal), request, 0, request.len(), &mut expected);
        assert!(expected == result[..], "the splice differs from a rebuild");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((signal, rest)) = portcullis_fuzz::signal(data) else { return };
    let Some((&count, rest)) = rest.split_first() else { return };
    let count = 1 + usize::from(count) % 32;
    let Some((plan, request)) = rest.split_at_checked(count) else { return };
    let request = Bytes::copy_from_slice(request);
    check(signal, Plan(plan), &request);
    // And once more on what prost makes of it, where the comparison is exact.
    if let Some(canonical) = portcullis_fuzz::prost(signal, &request) {
        check(signal, Plan(plan), &canonical.into());
    }
});
