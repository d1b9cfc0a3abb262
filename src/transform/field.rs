//! Paths to the parts of a record.
//!
//! ```text
//! body                             the body of a log record
//! body.user.id                     a member of a structured body; also body.items[0], body["a.b"]
//! attributes.http.route            the attribute "http.route": all that follows the dot is its name
//! attributes["http.route"]         the same
//! attributes["payload"].user.id    a member of the attribute "payload"
//! resource.service.name, resource["service.name"]      read only
//! scope.name, scope.version, scope["attribute"]        read only
//! severity_text, severity_number, event_name           of a log record
//! name                             of a span; of a metric, read only
//! trace_id, span_id                hexadecimal, read only
//! ```
//!
//! Attribute names have dots in them, so a name after `attributes.` or `resource.` runs to the
//! end of the path; with brackets it ends where the bracket does.

use crate::{batch::Signal, limits};

/// The part of a record that a path begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Body,
    Attributes,
    Resource,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    SeverityText,
    SeverityNumber,
    EventName,
    Name,
    TraceId,
    SpanId,
}

/// One step below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A path to a part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub root: Root,
    pub steps: Vec<Step>,
}

/// Every word that a path may begin with.
pub(super) const ROOTS: [&str; 10] = [
    "body",
    "attributes",
    "resource",
    "scope",
    "severity_text",
    "severity_number",
    "event_name",
    "name",
    "trace_id",
    "span_id",
];

/// What is wrong with a path; `root` is the word that is not one of [`ROOTS`].
#[derive(Debug)]
pub(super) struct BadField {
    pub message: String,
    pub root: Option<String>,
}

fn bad(message: impl Into<String>) -> BadField {
    BadField { message: message.into(), root: None }
}

impl Field {
    /// Parses a path.
    pub fn parse(text: &str) -> Result<Field, BadField> {
        if text.contains('\0') {
            return Err(bad("a field path must not hold a NUL"));
        }
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        let (root, steps) = match word {
            "body" => (Root::Body, steps(rest, false)?),
            "attributes" => (Root::Attributes, steps(rest, true)?),
            "resource" => match rest {
                "" => {
                    return Err(bad(
                        "expected the name of a resource attribute, as in resource[\"service.name\"]",
                    ));
                }
                _ => (Root::Resource, steps(rest, true)?),
            },
            "scope" => match rest {
                "" => return Err(bad("expected scope.name, scope.version or scope[\"attribute\"]")),
                ".name" => (Root::ScopeName, Vec::new()),
                ".version" => (Root::ScopeVersion, Vec::new()),
                _ => (Root::ScopeAttributes, steps(rest.strip_prefix(".attributes").unwrap_or(rest), true)?),
            },
            _ => {
                let root = match word {
                    "severity_text" => Root::SeverityText,
                    "severity_number" => Root::SeverityNumber,
                    "event_name" => Root::EventName,
                    "name" => Root::Name,
                    "trace_id" => Root::TraceId,
                    "span_id" => Root::SpanId,
                    _ => {
                        return Err(BadField {
                            message: format!("expected a field that begins with one of {}", ROOTS.join(", ")),
                            root: Some(word.to_owned()),
                        });
                    }
                };
                if !rest.is_empty() {
                    return Err(bad(format!("{word} has no parts")));
                }
                (root, Vec::new())
            }
        };
        if steps.len() > limits::TRANSFORM_STEPS {
            return Err(bad(format!("a field path of more than {} steps", limits::TRANSFORM_STEPS)));
        }
        if matches!(root, Root::Attributes | Root::Resource | Root::ScopeAttributes)
            && matches!(steps.first(), Some(Step::Index(_)))
        {
            return Err(bad("attributes have names, not numbers"));
        }
        Ok(Field { root, steps })
    }

    /// The attribute that this path is in, if it is in one of the record itself.
    pub fn attribute(&self) -> Option<&str> {
        match (self.root, self.steps.first()) {
            (Root::Attributes, Some(Step::Key(name))) => Some(name),
            _ => None,
        }
    }

    /// Whether all attributes are meant.
    pub fn all_attributes(&self) -> bool {
        self.root == Root::Attributes && self.steps.is_empty()
    }

    /// Whether records of a signal can have this field.
    pub fn is_of(&self, signal: Signal) -> bool {
        match self.root {
            Root::Body | Root::SeverityText | Root::SeverityNumber | Root::EventName => {
                signal == Signal::Logs
            }
            Root::Name => signal != Signal::Logs,
            Root::TraceId | Root::SpanId => signal != Signal::Metrics,
            _ => true,
        }
    }

    /// Whether no operation may write it.
    pub fn read_only(&self) -> Option<&'static str> {
        match self.root {
            Root::Resource => {
                Some("the resource is shared by many records: a transform can read it, not write it")
            }
            Root::ScopeName | Root::ScopeVersion | Root::ScopeAttributes => {
                Some("the scope is shared by many records: a transform can read it, not write it")
            }
            Root::TraceId | Root::SpanId => {
                Some("ids join records to traces: a transform can read them, not write them")
            }
            _ => None,
        }
    }
}

/// Parses what follows the root. With `names` a dotted rest is one name.
fn steps(text: &str, names: bool) -> Result<Vec<Step>, BadField> {
    let mut steps = Vec::new();
    let mut rest = text;
    if names && let Some(name) = rest.strip_prefix('.') {
        if name.is_empty() {
            return Err(bad("expected a name after the dot"));
        }
        return Ok(vec![Step::Key(name.to_owned())]);
    }
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            if end == 0 {
                return Err(bad("expected a name after the dot"));
            }
            steps.push(Step::Key(tail[..end].to_owned()));
            rest = &tail[end..];
        } else if let Some(tail) = rest.strip_prefix('[') {
            let (step, tail) = bracket(tail)?;
            steps.push(step);
            rest = tail;
        } else {
            return Err(bad("expected . or [ after a bracket"));
        }
    }
    Ok(steps)
}

/// Parses `"name"]` or `0]`.
fn bracket(text: &str) -> Result<(Step, &str), BadField> {
    const EXPECTED: &str = "expected [\"name\"] or [0]";
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            let (name, tail) = inside.split_once(quote).ok_or_else(|| bad(EXPECTED))?;
            let tail = tail.strip_prefix(']').ok_or_else(|| bad(EXPECTED))?;
            return if name.is_empty() {
                Err(bad("expected a name in the bracket"))
            } else {
                Ok((Step::Key(name.into()), tail))
            };
        }
    }
    let (number, tail) = text.split_once(']').ok_or_else(|| bad(EXPECTED))?;
    let index = number.parse().map_err(|_| bad(EXPECTED))?;
    Ok((Step::Index(index), tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: paths as people write them. Guarantee: names keep their dots, brackets end them.
    #[test]
    fn paths_are_read() {
        let key = |name: &str| Step::Key(name.to_owned());
        for (text, root, steps) in [
            ("body", Root::Body, vec![]),
            ("body.a.b[2]", Root::Body, vec![key("a"), key("b"), Step::Index(2)]),
            ("body[\"a.b\"].c", Root::Body, vec![key("a.b"), key("c")]),
            ("attributes", Root::Attributes, vec![]),
            ("attributes.http.route", Root::Attributes, vec![key("http.route")]),
            ("attributes['http.route'].x.y", Root::Attributes, vec![key("http.route"), key("x"), key("y")]),
            ("resource.service.name", Root::Resource, vec![key("service.name")]),
            ("scope.name", Root::ScopeName, vec![]),
            ("scope.attributes[\"a\"]", Root::ScopeAttributes, vec![key("a")]),
            ("severity_text", Root::SeverityText, vec![]),
        ] {
            assert_eq!(Field::parse(text).unwrap(), Field { root, steps }, "{text}");
        }
    }

    /// Scenario: paths that are none. Guarantee: refused.
    #[test]
    fn bad_paths_are_refused() {
        for text in [
            "",
            "bodi",
            ".body",
            "body.",
            "body..a",
            "body[",
            "body[x]",
            "body[\"a]",
            "body[\"\"]",
            "body[0]x",
            "attributes.",
            "attributes[0]",
            "resource",
            "scope",
            "name.x",
            "a\0b",
            "body.a.b.c.d.e.f.g.h.i",
        ] {
            assert!(Field::parse(text).is_err(), "{text:?}");
        }
    }
}
