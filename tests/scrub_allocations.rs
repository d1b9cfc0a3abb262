//! Scrubbing and memory: what is clean costs none.
// A global allocator is unsafe by nature; this one only counts and hands on.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use portcullis::{
    batch::{Batch, Signal, TenantId},
    scrub::{MasterKey, Scratch, Scrubber, Settings, Tally},
    wire::put,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A message with one field of bytes.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put::bytes(&mut out, number, content);
    out
}

/// Scenario: a clean batch of 100 log records, scrubbed again by a worker that has seen one like it.
/// Guarantee: the heap is not touched.
#[test]
fn a_clean_batch_allocates_nothing() {
    let mut records = Vec::new();
    for i in 0..100 {
        let body =
            field(5, &field(1, format!("placed order {i} in 12.5 ms status=200 at 10:29:28").as_bytes()));
        let value = field(2, &field(1, b"orders.Checkout.place"));
        let attribute = field(6, &[field(1, b"code.function.name"), value].concat());
        put::bytes(&mut records, 2, &[body, attribute].concat());
    }
    let request = bytes::Bytes::from(field(1, &field(2, &records)));
    let scrubber = Scrubber::new(&Settings::default()).unwrap();
    let master = MasterKey::new(&[7; 32], 1).unwrap();
    let (mut scratch, mut tally) = (Scratch::default(), Tally::default());
    let mut run = |request: bytes::Bytes| {
        let batch = Batch::raw(Signal::Logs, TenantId(uuid::Uuid::from_u128(7)), 100, request);
        scrubber.scrub_batch(&mut scratch, batch, &master, &mut tally).unwrap().bytes
    };
    run(request.clone());
    run(request.clone());
    let before = ALLOCATIONS.get();
    let after = run(request.clone());
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(after, request);
}
