use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::gateway::{Answer, Budget, Submission};

/// A budget, and nothing behind it.
struct OnlyBudget(Budget);

impl Intake for OnlyBudget {
    fn reserve(&self, bytes: usize) -> Result<Permit, Refusal> {
        self.0.reserve(bytes)
    }

    fn submit(&self, _: Submission) -> Answer {
        Box::pin(async { Ok(crate::receipt::Accepted::default()) })
    }

    fn tenant_headers(&self) -> Arc<[String]> {
        Arc::from([])
    }
}

fn compress(compression: Compression, plain: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => plain.to_vec(),
        Compression::Zstd => zstd::stream::encode_all(plain, 1).unwrap(),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn run(compression: Compression, input: &[u8], limit: usize, budget: &OnlyBudget) -> Result<Held, Refusal> {
    let permit = budget.reserve(input.len()).unwrap();
    inflate(compression, Held { bytes: Bytes::copy_from_slice(input), permit }, limit, budget)
}

const LIMIT: usize = 100_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Scenario: any bytes, compressed, with one byte changed and the end cut. Guarantee: whole bytes or a
    /// refusal, no panic, and the budget is whole again.
    #[test]
    fn damaged_streams_are_refused_or_whole(
        gzip: bool,
        plain in proptest::collection::vec(any::<u8>(), 0..4000),
        at: prop::sample::Index,
        flip: u8,
        cut in 0usize..20,
    ) {
        let compression = if gzip { Compression::Gzip } else { Compression::Zstd };
        let budget = OnlyBudget(Budget::new(1 << 20));
        let mut input = compress(compression, &plain);
        prop_assert_eq!(&run(compression, &input, LIMIT, &budget).unwrap().bytes[..], &plain[..]);
        let at = at.index(input.len());
        input[at] ^= flip;
        input.truncate(input.len() - cut.min(input.len() - 1));
        drop(run(compression, &input, LIMIT, &budget));
        prop_assert_eq!(budget.0.used(), 0);
    }

    /// Scenario: runs of zeros around the limit. Guarantee: exactly the limit passes, one byte more does not,
    /// and what is held is what was made.
    #[test]
    fn the_limit_is_exact(gzip: bool, off in 0usize..3) {
        let compression = if gzip { Compression::Gzip } else { Compression::Zstd };
        let budget = OnlyBudget(Budget::new(1 << 20));
        let result = run(compression, &compress(compression, &vec![0; LIMIT - 1 + off]), LIMIT, &budget);
        match result {
            Ok(held) => {
                prop_assert!(off < 2);
                prop_assert_eq!(held.bytes.len(), LIMIT - 1 + off);
                prop_assert!(budget.0.used() >= held.bytes.len() && budget.0.used() <= LIMIT);
            }
            Err(refusal) => prop_assert!(off == 2 && refusal.reason() == "too_large"),
        }
    }
}

/// Scenario: a bomb against a nearly full gate. Guarantee: a retryable refusal, and nothing stays reserved.
#[test]
fn decompression_asks_the_budget() {
    let budget = OnlyBudget(Budget::new(200_000));
    let bomb = compress(Compression::Zstd, &vec![0; 10 << 20]);
    let refusal = run(Compression::Zstd, &bomb, 64 << 20, &budget).unwrap_err();
    assert!(refusal.retryable());
    assert_eq!(budget.0.used(), 0);
}

/// Scenario: a zstd frame that asks for a window of 128 MiB. Guarantee: refused before it is allocated.
#[test]
fn a_giant_window_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&[0; 100]).unwrap();
    let frame = encoder.finish().unwrap();
    let budget = OnlyBudget(Budget::new(1 << 20));
    assert_eq!(run(Compression::Zstd, &frame, LIMIT, &budget).unwrap_err().reason(), "bad_data");
}
