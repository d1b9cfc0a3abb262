use proptest::prelude::*;

use super::*;

fn scrubber() -> &'static Scrubber {
    static ONE: std::sync::LazyLock<Scrubber> =
        std::sync::LazyLock::new(|| Scrubber::compile(&Settings::default()).unwrap_or_else(|e| panic!("{e}")));
    &ONE
}

/// Scenario: every rule's own examples. Guarantee: what should be found is, what should not is not.
#[test]
fn every_rule_keeps_its_own_examples() {
    let packs = Scrubber::packs(&Settings::default()).unwrap();
    let report = run_examples(&packs).unwrap_or_else(|e| panic!("{e}"));
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert!(report.rules >= 50 && report.examples >= 150, "{} {}", report.rules, report.examples);
    assert_eq!(scrubber().slow_rules().count(), 0);
}
