//! The judge of statements and memory: what it knows costs none.
// A global allocator is unsafe by nature; this one only counts and hands on.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    sync::Arc,
};

use portcullis::detect::sql::{Judge, Options, Schema};

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

/// Scenario: texts that were judged a moment ago, with and without tenants in them. Guarantee: the heap is not touched.
#[test]
fn a_known_text_allocates_nothing() {
    let dump = "CREATE TABLE documents (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, title text)";
    let mut judge = Judge::new(Arc::new(Schema::from_dump(dump, Options::default()).unwrap()));
    let texts = [
        "SELECT * FROM documents WHERE tenant_id = 'a' AND title = 'b'",
        "SELECT * FROM documents WHERE title = $1",
        "SET app.tenant_id = 'a'",
    ];
    texts.iter().for_each(|text| drop(judge.judge(text)));
    let before = ALLOCATIONS.get();
    for _ in 0..100 {
        texts.iter().for_each(|text| drop(black_box(judge.judge(text))));
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
