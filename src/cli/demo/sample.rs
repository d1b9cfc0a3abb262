//! The records that are shown before and after.

use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    logs::v1::LogRecord,
    trace::v1::Span,
};

use super::{
    look,
    planted::{Planted, pick},
};

/// The attribute that marks a sample record; its value is the record's number.
pub const MARK: &str = "demo.sample";

/// A record as it is shown: names and values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown(pub Vec<(String, String)>);

impl Shown {
    /// A log record that arrived.
    pub fn log(record: &LogRecord) -> Self {
        let body = ("body".to_owned(), look::shown(record.body.as_ref()));
        Shown(std::iter::once(body).chain(attributes(&record.attributes)).collect())
    }

    /// A span that arrived.
    pub fn span(span: &Span) -> Self {
        let events = span.events.iter().flat_map(|event| {
            attributes(&event.attributes).map(|(key, value)| (format!("{}: {key}", event.name), value))
        });
        let name = ("name".to_owned(), span.name.clone());
        Shown(std::iter::once(name).chain(attributes(&span.attributes)).chain(events).collect())
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn attributes(attributes: &[KeyValue]) -> impl Iterator<Item = (String, String)> + '_ {
    let shown = attributes.iter().filter(|attribute| attribute.key != MARK);
    shown.map(|attribute| (attribute.key.clone(), look::shown(attribute.value.as_ref())))
}

/// The number of a sample record.
pub fn number(attributes: &[KeyValue]) -> Option<i64> {
    let mark = attributes.iter().find(|attribute| attribute.key == MARK)?;
    match mark.value.as_ref()?.value.as_ref()? {
        Value::IntValue(number) => Some(*number),
        _ => None,
    }
}

/// A sample before the gate: a log record, or a span with an event.
pub struct Sample {
    /// Its number.
    pub number: i64,
    /// What it is, for people.
    pub title: &'static str,
    /// Body of the log record; name of the span.
    pub text: String,
    /// Attributes.
    pub attributes: Vec<(&'static str, String)>,
    /// For a span: name, key and value of an event's attribute.
    pub event: Option<(&'static str, &'static str, String)>,
}

impl Sample {
    /// As it was sent.
    pub fn before(&self) -> Shown {
        let text = if self.event.is_some() { "name" } else { "body" };
        let own = self.attributes.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let event = self.event.iter().map(|(name, key, value)| (format!("{name}: {key}"), value.clone()));
        Shown(std::iter::once((text.to_owned(), self.text.clone())).chain(own).chain(event).collect())
    }
}

/// The three samples.
pub fn samples(planted: &Planted) -> [Sample; 3] {
    let email = pick(&planted.emails, 1);
    [
        Sample {
            number: 1,
            title: "a log line",
            text: format!(
                "payment by {email} with card {} accepted from {}",
                pick(&planted.cards, 1),
                pick(&planted.addresses, 1)
            ),
            attributes: vec![
                ("order.total", "42.00 EUR".into()),
                ("http.request.header.authorization", format!("Bearer {}", pick(&planted.bearers, 1))),
                ("gen_ai.prompt", pick(&planted.prompts, 1).into()),
            ],
            event: None,
        },
        Sample {
            number: 2,
            title: "a log line of JSON",
            text: format!(
                "{{\"event\":\"signup\",\"plan\":\"team\",\"email\":\"{}\",\"password\":\"{}\"}}",
                pick(&planted.emails, 2),
                pick(&planted.passwords, 2)
            ),
            attributes: vec![("code.function", "Signup#create".into())],
            event: None,
        },
        Sample {
            number: 3,
            title: "a span",
            text: "POST /invitations".into(),
            attributes: vec![
                ("http.route", "/invitations".into()),
                ("url.query", format!("email={}&locale=en", pick(&planted.emails, 3).replace('@', "%40"))),
                ("client.address", pick(&planted.addresses, 3).into()),
            ],
            event: Some((
                "exception",
                "exception.message",
                format!("mailbox of {} is full", pick(&planted.emails, 4)),
            )),
        },
    ]
}
