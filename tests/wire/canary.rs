//! The canary over the protocol's file descriptors: whatever field OTLP has, the walker shows it.

use std::collections::{HashMap, HashSet};

use portcullis::{
    batch::{Batch, Signal, TenantId},
    scrub::{MasterKey, Scratch, Scrubber, Settings, Tally},
    wire::{
        Leaf, Msg, Visitor, put,
        schema::{Kind, Label},
        walk,
    },
};
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto as fd};

/// Every message of the protocol by its full name, nested ones too.
fn protocol() -> HashMap<String, DescriptorProto> {
    fn add(all: &mut HashMap<String, DescriptorProto>, prefix: &str, message: &DescriptorProto) {
        let name = format!("{prefix}.{}", message.name());
        for nested in &message.nested_type {
            add(all, &name, nested);
        }
        all.insert(name, message.clone());
    }
    let set = FileDescriptorSet::decode(opentelemetry_proto::DESCRIPTORS).expect("descriptors");
    let mut all = HashMap::new();
    for file in &set.file {
        for message in &file.message_type {
            add(&mut all, &format!(".{}", file.package()), message);
        }
    }
    all
}

fn roots() -> [(Signal, String); 3] {
    Signal::ALL.map(|signal| (signal, format!(".opentelemetry.proto.{}", Msg::request(signal).full_name())))
}

/// Scenario: the protocol's descriptors. Guarantee: the table has every reachable message and field,
/// with its number, JSON name, kind and label, and nothing else.
#[test]
fn the_table_is_the_protocol() {
    let all = protocol();
    let mut queue: Vec<String> = roots().into_iter().map(|(_, name)| name).collect();
    let mut seen = HashSet::new();
    while let Some(name) = queue.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let descriptor = &all[&name];
        let message = Msg::ALL
            .iter()
            .find(|m| format!(".opentelemetry.proto.{}", m.full_name()) == name)
            .unwrap_or_else(|| panic!("the table lacks {name}"));
        assert_eq!(descriptor.field.len(), message.fields().len(), "{name}");
        for field in &descriptor.field {
            let (kind, many) = message.kind(field.number() as u32);
            let ours = message.fields().iter().find(|f| f.number == field.number() as u32).unwrap();
            let what = format!("{name}.{}", field.name());
            assert_eq!(many, field.label() == fd::Label::Repeated, "{what}");
            let oneof = field.oneof_index.is_some() && !field.proto3_optional();
            assert_eq!(ours.label == Label::Oneof, oneof, "{what}");
            assert_eq!(ours.json, json_name(field.name()), "{what}");
            let expected = match field.r#type() {
                fd::Type::Message => {
                    queue.push(field.type_name().to_string());
                    let Kind::Message(child) = kind else { panic!("{what} is no message") };
                    assert_eq!(format!(".opentelemetry.proto.{}", child.full_name()), field.type_name());
                    continue;
                }
                fd::Type::Bytes if field.name().ends_with("_id") => Kind::Id,
                fd::Type::Bytes => Kind::Bytes,
                fd::Type::String => Kind::Str,
                fd::Type::Bool => Kind::Bool,
                fd::Type::Enum => Kind::Enum,
                fd::Type::Int32 => Kind::Int32,
                fd::Type::Int64 => Kind::Int64,
                fd::Type::Uint32 => Kind::Uint32,
                fd::Type::Uint64 => Kind::Uint64,
                fd::Type::Sint32 => Kind::Sint32,
                fd::Type::Fixed32 => Kind::Fixed32,
                fd::Type::Fixed64 => Kind::Fixed64,
                fd::Type::Sfixed64 => Kind::Sfixed64,
                fd::Type::Double => Kind::Double,
                other => panic!("{what} has a type that the table cannot say: {other:?}"),
            };
            assert_eq!(kind, expected, "{what}");
        }
    }
    assert_eq!(seen.len(), Msg::ALL.len(), "the table has messages that the protocol does not reach");
}

fn json_name(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for c in name.chars() {
        match (c, upper) {
            ('_', _) => upper = true,
            (c, true) => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            (c, false) => out.push(c),
        }
    }
    out
}

#[derive(Default)]
struct Seen(Vec<Vec<u8>>);

impl Visitor for Seen {
    fn string(&mut self, text: &str, _: &Leaf<'_>) {
        self.0.push(text.as_bytes().to_vec());
    }
    fn bytes(&mut self, bytes: &[u8], _: &Leaf<'_>) {
        self.0.push(bytes.to_vec());
    }
}

/// A string or bytes field of the protocol and the way to it, as field numbers from the request.
struct Place {
    signal: Signal,
    name: String,
    path: Vec<u32>,
    number: u32,
}

impl Place {
    /// A request that holds the texts there, one after the other, with every message on the way twice.
    fn request(&self, texts: &[&[u8]]) -> Vec<u8> {
        let mut request = Vec::new();
        texts.iter().for_each(|text| put::bytes(&mut request, self.number, text));
        for step in self.path.iter().rev() {
            let inner = std::mem::take(&mut request);
            put::bytes(&mut request, *step, &inner);
            put::bytes(&mut request, *step, b"");
        }
        request
    }
}

/// Every string and bytes field of every message of the three trees, by one path each.
fn places() -> Vec<Place> {
    let all = protocol();
    let mut out = Vec::new();
    for (signal, root) in roots() {
        // Breadth first: one path of field numbers to every message type.
        let mut paths: Vec<(String, Vec<u32>)> = vec![(root, vec![])];
        let mut seen: HashSet<String> = HashSet::new();
        let mut at = 0;
        while at < paths.len() {
            let (name, path) = paths[at].clone();
            at += 1;
            if !seen.insert(name.clone()) {
                continue;
            }
            for field in &all[&name].field {
                let number = field.number() as u32;
                match field.r#type() {
                    fd::Type::Message => {
                        let longer = path.iter().copied().chain([number]).collect();
                        paths.push((field.type_name().to_string(), longer));
                    }
                    fd::Type::String | fd::Type::Bytes => {
                        let name = format!("{name}.{}", field.name());
                        out.push(Place { signal, name, path: path.clone(), number });
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(out.len() > 40, "only {} fields", out.len());
    out
}

/// Scenario: a secret in any string or bytes field of the three trees, as the first and as the last
/// of a duplicated field, with every message on the way duplicated too.
/// Guarantee: the walker shows both.
#[test]
fn every_text_of_the_protocol_is_visited() {
    for place in places() {
        let request = place.request(&[b"secret-first", b"between", b"secret-last"]);
        let mut found = Seen::default();
        walk(place.signal, &request, &mut found).unwrap();
        for secret in [&b"secret-first"[..], b"secret-last"] {
            assert!(found.0.iter().any(|text| text == secret), "{} was not visited", place.name);
        }
    }
}

/// Scenario: an e-mail address in any string or bytes field of the three trees, keys of maps and ids among
/// them, alone and within a text. Guarantee: none leaves.
#[test]
fn an_address_survives_in_no_field() {
    let scrubber = Scrubber::new(&Settings::default()).unwrap();
    let master = MasterKey::new(&[7; 32], 1).unwrap();
    let tenant = TenantId(uuid::Uuid::from_u128(7));
    let mut scratch = Scratch::default();
    for place in places() {
        // The third is as long as a trace's id.
        for text in [&b"canary@example.com"[..], b"mail of canary@example.com came back", b"canary@exampl.co"]
        {
            let batch = Batch::raw(place.signal, tenant, 1, place.request(&[text]).into());
            let mut tally = Tally::default();
            let clean = scrubber.scrub_batch(&mut scratch, batch, &master, &mut tally).unwrap();
            let left = memchr::memmem::find(&clean.bytes, b"canary").is_some();
            assert!(!left, "{} still holds it", place.name);
        }
    }
}
