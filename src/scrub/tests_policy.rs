use std::io::Write;

use super::*;

fn pack(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn with(packs: &[&tempfile::NamedTempFile], settings: Settings) -> Result<Scrubber, PackError> {
    let packs = packs.iter().map(|file| file.path().to_owned()).collect();
    Scrubber::new(&Settings { packs, ..settings })
}

fn counts(scrubber: &Scrubber, text: &str, key: &str) -> (String, Vec<(String, &'static str, u32)>) {
    let mut tally = Tally::default();
    let clean = scrubber.scrub_with(&mut Scratch::default(), text, key, None, Some(&mut tally)).into_owned();
    (clean, tally.drain(scrubber).into_iter().map(|(kind, action, n)| (kind.to_owned(), action, n)).collect())
}

const OVERRIDE: &str = "
rules:
  - id: email
    type: MAIL
    override: true
    severity: low
    shape: at
    pattern: '[a-z]{1,20}@corp\\.example\\b'
    match: ['a@corp.example']
    no_match: ['a@other.example']
";

/// Scenario: a pack of the user's has a rule of a built-in one's id. Guarantee: it takes that rule's place if it
/// says so, whichever pack it was in; else, or if there is nothing to override, an error that says what to do.
#[test]
fn a_rule_is_overridden_by_its_id() {
    let scrubber = with(&[&pack(OVERRIDE)], Settings::default()).unwrap();
    assert_eq!(scrubber.scrub("a@corp.example b@other.example"), "[MAIL] b@other.example");
    let error =
        with(&[&pack(&OVERRIDE.replace("    override: true\n", ""))], Settings::default()).unwrap_err();
    assert!(error.to_string().contains("another rule has this id (hint: to replace that rule"), "{error}");
    let error = with(&[&pack(&OVERRIDE.replace("id: email", "id: emial"))], Settings::default()).unwrap_err();
    assert!(error.to_string().contains("rule emial: it overrides a rule that no pack before has"), "{error}");
}

/// Scenario: built-in packs are switched off by name, one of them misspelt. Guarantee: their rules are gone and the
/// others stay; the error names those that there are.
#[test]
fn a_pack_is_switched_off() {
    let settings = Settings { disable_packs: vec!["personal".into()], ..Settings::default() };
    let scrubber = Scrubber::new(&settings).unwrap();
    let kept = scrubber.scrub("jane@example.com password=hunter2hunter");
    assert_eq!(kept, "jane@example.com password=[SECRET_PASSWORD]");
    let settings = Settings { disable_packs: vec!["persona".into()], ..Settings::default() };
    let error = Scrubber::new(&settings).unwrap_err().to_string();
    assert!(error.contains("the built-in packs are personal, secrets, vendors, content"), "{error}");
}

const SHADOW: &str = "
rules:
  - id: whole_line
    type: LINE
    action: shadow
    severity: low
    literals: ['ticket ']
    pattern: '\\bticket .{1,60}'
    match: ['ticket 12']
    no_match: ['no']
keys:
  - id: shadow_token
    type: OTHER
    action: shadow
    severity: low
    names: [password, colour]
    match: ['colour=red']
";

/// Scenario: rules in shadow, by shape around another's find and by a key that another rule has, too. Guarantee:
/// they are counted as shadow; the text is as without them.
#[test]
fn a_rule_in_shadow_counts_and_changes_nothing() {
    let scrubber = with(&[&pack(SHADOW)], Settings::default()).unwrap();
    let text = "ticket 12 of jane@example.com password=hunter2hunter colour=green";
    let (clean, counts) = counts(&scrubber, text, "");
    assert_eq!(clean, Scrubber::new(&Settings::default()).unwrap().scrub(text));
    assert!(counts.contains(&("LINE".into(), "shadow", 1)), "{counts:?}");
    assert!(counts.contains(&("OTHER".into(), "shadow", 1)), "{counts:?}");
    assert!(counts.contains(&("EMAIL".into(), "redact", 1)), "{counts:?}");
    let (clean, counts) = super::tests_policy::counts(&scrubber, "red", "shirt.colour");
    assert_eq!((clean.as_str(), counts), ("red", vec![("OTHER".into(), "shadow", 1)]));
}

const KEEP: &str = "
rules:
  - id: our_address
    type: PUBLIC
    action: keep
    reason: printed on every invoice
    severity: low
    literals: ['help@corp.example']
    pattern: '\\bhelp@corp\\.example\\b'
    match: ['help@corp.example']
    no_match: ['jane@corp.example']
";

/// Scenario: one address is kept for a reason. Guarantee: it stays, plain and percent-encoded; others go; one that
/// only contains it goes; under a telling key and inside base64 beside others it goes.
#[test]
fn what_is_kept_for_a_reason_stays() {
    let scrubber = with(&[&pack(KEEP)], Settings::default()).unwrap();
    let (clean, counts) = counts(&scrubber, "ask help@corp.example, not jane@corp.example", "");
    assert_eq!(clean, "ask help@corp.example, not [EMAIL]");
    assert_eq!(counts, [("EMAIL".into(), "redact", 1), ("PUBLIC".into(), "keep", 1)]);
    assert_eq!(scrubber.scrub("x=help%40corp.example"), "x=help%40corp.example");
    assert_eq!(scrubber.scrub("no-help@corp.example"), "[EMAIL]");
    assert_eq!(scrubber.scrub("email=help@corp.example"), "email=[EMAIL]");
}

/// Scenario: values are to be kept and nobody says why. Guarantee: an error that asks for the reason, for a pack, an
/// action and an empty reason.
#[test]
fn keeping_needs_a_reason() {
    let bare = KEEP.replace("    reason: printed on every invoice\n", "");
    let error = with(&[&pack(&bare)], Settings::default()).unwrap_err().to_string();
    assert!(error.contains("rule our_address: `keep` without a reason"), "{error}");
    let mut settings = Settings::default();
    settings.actions.insert("ipv4".into(), Action::Keep);
    let error = Scrubber::new(&settings).unwrap_err().to_string();
    assert!(error.contains("rule ipv4: its finds are to be kept, and no reason is given"), "{error}");
    let mut settings = Settings::default();
    settings.keep.insert("ipv4".into(), " ".into());
    assert!(Scrubber::new(&settings).is_err());
    settings.keep.insert("ipv4".into(), "needed to stop abuse".into());
    assert_eq!(Scrubber::new(&settings).unwrap().scrub("from 203.0.113.9"), "from 203.0.113.9");
}

/// Scenario: all built-in rules. Guarantee: each says where its form is written down.
#[test]
fn every_rule_has_a_source() {
    for pack in Scrubber::packs(&Settings::default()).unwrap() {
        let rules = pack.rules.iter().map(|(rule, _)| (&rule.id, &rule.source));
        for (id, source) in rules.chain(pack.keys.iter().map(|(rule, _)| (&rule.id, &rule.source))) {
            assert!(!source.is_empty(), "{id}");
        }
    }
}
