//! Scenario: any bytes. Guarantee: the walker never panics, shows only places inside the request, and
//! passes nothing that prost refuses; what prost writes anew it passes with the same count of items.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::wire::{Flow, Leaf, Msg, Visitor, view, walk};

/// Checks what the walk tells.
struct Places {
    size: usize,
    open: u8,
}

impl Places {
    fn check(&self, at: &Leaf<'_>) {
        assert!(at.tag < at.head && at.head <= at.start && at.start <= at.end && at.end <= self.size);
    }
}

impl Visitor for Places {
    fn enter(&mut self, _: Msg, at: &Leaf<'_>) -> Flow {
        self.check(at);
        self.open += 1;
        Flow::Walk
    }
    fn leave(&mut self, _: Msg, end: usize, _: u8) {
        assert!(end <= self.size);
        self.open -= 1;
    }
    fn attribute(&mut self, _: &str, at: &Leaf<'_>) -> Flow {
        self.check(at);
        Flow::Walk
    }
    fn string(&mut self, text: &str, at: &Leaf<'_>) {
        self.check(at);
        assert_eq!(text.len(), at.end - at.start);
    }
    fn bytes(&mut self, bytes: &[u8], at: &Leaf<'_>) {
        self.check(at);
        assert_eq!(bytes.len(), at.end - at.start);
    }
    fn unknown(&mut self, at: &Leaf<'_>) {
        self.check(at);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((signal, bytes)) = portcullis_fuzz::signal(data) else { return };
    let mut places = Places { size: bytes.len(), open: 0 };
    let walked = walk(signal, bytes, &mut places);
    // The views are for bytes that were walked, and still must end quietly on any others.
    for group in view::groups(signal, bytes) {
        for item in group.items() {
            let _ = (item.trace_id(), item.span_id(), item.time_unix_nano(), item.name());
            item.attributes().for_each(drop);
        }
    }
    if let Ok(stats) = walked {
        assert_eq!(places.open, 0);
        let again = portcullis_fuzz::prost(signal, bytes).expect("prost refuses what the walker passed");
        let canonical = walk(signal, &again, &mut ()).expect("the walker refuses what prost wrote");
        assert!(canonical.unknown == 0 && canonical.items <= stats.items);
    }
});
