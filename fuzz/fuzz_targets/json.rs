//! Scenario: any text, and any bytes. Guarantee: no panic; what JSON decodes to, the walker passes, and writing
//! and reading it again gives the same bytes; bytes that the walker passes become JSON that reads back
//! as prost reads the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::wire::{json, walk};
use portcullis_fuzz::prost;

fuzz_target!(|data: &[u8]| {
    let Some((signal, input)) = portcullis_fuzz::signal(data) else { return };
    let mut text = Vec::new();
    if let Ok(bytes) = json::decode(signal, input) {
        walk(signal, &bytes, &mut ()).expect("the walker refuses what JSON gave");
        json::encode(signal, &bytes, &mut text).expect("walked bytes");
        let again = json::decode(signal, &text).expect("own JSON");
        assert_eq!(prost(signal, &again), prost(signal, &bytes));
    }
    text.clear();
    if walk(signal, input, &mut ()).is_ok() {
        json::encode(signal, input, &mut text).expect("walked bytes");
        let back = json::decode(signal, &text).expect("own JSON");
        walk(signal, &back, &mut ()).expect("the walker refuses what JSON gave");
        // NaNs are one in JSON, many on the wire.
        if !text.windows(5).any(|word| word == b"\"NaN\"") {
            assert_eq!(prost(signal, &back), prost(signal, input));
        }
    } else {
        let _ = json::encode(signal, input, &mut text);
    }
});
