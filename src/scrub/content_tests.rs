use super::*;

const NOUNS: [&str; 10] =
    ["order", "invoice", "parcel", "refund", "chair", "lamp", "table", "coat", "book", "phone"];

/// Sentences that differ as people's do: other words, another order, other lengths.
fn said(number: usize) -> String {
    let noun = NOUNS[number % 10];
    let begin =
        ["Hello,", "I think that", "Sorry but", "Could you tell me if", "We were told that", "My wife says"];
    let middle = [
        "is not what I",
        "was lost on the way and I",
        "should be for my mother who",
        "came too late so we",
        "and that",
    ];
    let end = [
        "have asked you for",
        "would like to return it",
        "can not open at all",
        "need by the end of this week",
    ];
    let more =
        ["", "and please call me", "or is it in the shop", "as it was with the last one", "at our house"];
    format!(
        "{} the {noun} {} {} {}",
        begin[number % 6],
        middle[number / 6 % 5],
        end[number / 30 % 4],
        more[number / 120 % 5]
    )
}

/// A program's messages that read like sentences: three templates, with values in them.
fn logged(number: usize) -> String {
    let noun = NOUNS[number * 7 % 10];
    match number % 3 {
        0 => format!("We have sent the mail for {noun} {number} to you, it is on its way"),
        1 => format!("The {noun} was not found in the cache so it is read from the store"),
        _ => format!("This is what the {noun} service said to the gateway at the end of the call"),
    }
}

fn looks(watch: &mut Watch, key: &str, texts: impl Iterator<Item = String>) -> usize {
    watch.begin();
    watch.service("desk");
    texts.filter(|text| watch.look(key, text)).count()
}

/// Scenario: people write in one field; another has a program's sentences, with values in them, ten thousand times.
/// Guarantee: the first is found, once, by name; the second is not.
#[test]
fn people_are_told_from_a_programs_sentences() {
    let mut watch = Watch::default();
    assert_eq!(looks(&mut watch, "body", (0..10_000).map(logged)), 0);
    assert!(watch.seen.found.is_empty());
    assert!(looks(&mut watch, "note", (0..200).map(said)) > 100);
    assert_eq!(watch.seen.found, [ContentField { service: "desk".into(), key: "note".into() }]);
    assert_eq!(looks(&mut watch, "body", (0..1000).map(logged)), 0);
}

/// Scenario: a field has held a program's messages for long; then one text in ten is what a person wrote. Guarantee:
/// it is found within some thousand texts.
#[test]
fn a_field_that_used_to_hold_messages_is_found() {
    let mut watch = Watch::default();
    let message =
        |i: usize| format!("request {i} of tenant took {} ms in all and was served from cache", i % 90);
    looks(&mut watch, "body", (0..20_000).map(message));
    looks(&mut watch, "body", (0..20_000).map(logged));
    assert!(watch.seen.found.is_empty());
    let mut texts = 0;
    while watch.seen.found.is_empty() && texts < 20_000 {
        let text = if texts % 10 == 0 { said(texts / 10) } else { message(texts) };
        looks(&mut watch, "body", std::iter::once(text));
        texts += 1;
    }
    assert!(texts < 16_000, "{texts}");
}

/// Scenario: two workers; one finds a field. Guarantee: the other knows it from its next batch on, and it is told once.
#[test]
fn workers_share_what_they_find() {
    let shared = Some(Arc::new(ContentFields::default()));
    let mut one = Watch { shared: shared.clone(), ..Watch::default() };
    let mut two = Watch { shared, ..Watch::default() };
    looks(&mut one, "note", (0..200).map(said));
    assert_eq!(looks(&mut two, "note", (0..5).map(said)), 5);
    looks(&mut two, "note", (0..200).map(said));
    assert_eq!((one.seen.found.len(), two.seen.found.len()), (1, 0));
}

/// Scenario: more fields than are watched. Guarantee: the bound holds, and the field that was found stays known.
#[test]
fn fields_are_bounded() {
    let mut watch = Watch::default();
    looks(&mut watch, "note", (0..200).map(said));
    for number in 0..2 * limits::CONTENT_WATCHED {
        looks(&mut watch, &format!("key.{number}"), std::iter::once(said(number)));
    }
    assert!(watch.fields.len() <= limits::CONTENT_WATCHED);
    assert_eq!(looks(&mut watch, "note", (0..5).map(said)), 5);
}

/// Scenario: names of service and key that are plain, odd, long, or hold an address. Guarantee: a finding shows the plain
/// ones, and nothing of the others.
#[test]
fn names_are_shown_only_if_plain() {
    let scrubber = Scrubber::new(&crate::scrub::Settings::default()).unwrap();
    let shown = |service: &str, key: &str| {
        let field = scrubber.shown(ContentField { service: service.into(), key: key.into() });
        let tenant = crate::batch::TenantId::NONE;
        let finding = crate::detect::Finding::user_content(1, tenant, &field.service, &field.key);
        (finding.service, finding.field)
    };
    assert_eq!(shown("desk", "chat.note"), ("desk".into(), "chat.note".into()));
    assert_eq!(shown("jane@example.com", "of 203.0.113.9"), (String::new(), String::new()));
    assert_eq!(shown("203.0.113.9", &"k".repeat(65)), (String::new(), String::new()));
}
