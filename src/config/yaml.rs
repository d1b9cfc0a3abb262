//! YAML text to a [`Node`]: one document, bounded, with no duplicate keys.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Number, Value};

use super::{
    ConfigError, Place,
    node::{Data, Node, Text},
};
use crate::limits;

/// Parses one document. `nodes` bounds the tree, expanded aliases counted.
///
/// # Errors
/// The first mistake of syntax, with its place.
pub(super) fn parse(file: &Arc<str>, text: &str, nodes: usize) -> Result<Node, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder =
        Builder { parser: Parser::new_from_str(text), file, anchors: HashMap::new(), left: nodes };
    let root = builder.document()?;
    Ok(root.unwrap_or_else(|| Node::empty(file)))
}

/// A plain scalar's value by YAML's core schema; `None` where JSON has no such number.
pub(super) fn resolve(text: &str) -> Option<Value> {
    scalar_value(Scalar::parse_from_cow(Cow::Borrowed(text)), text)
}

fn scalar_value(scalar: Scalar<'_>, text: &str) -> Option<Value> {
    Some(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(value),
        Scalar::Integer(value) => Value::from(value),
        Scalar::FloatingPoint(value) => match text.parse::<u64>() {
            Ok(value) => Value::from(value),
            Err(_) => Value::Number(Number::from_f64(value.into_inner())?),
        },
        Scalar::String(value) => Value::String(value.into_owned()),
    })
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: &'a Arc<str>,
    /// Finished nodes that have an anchor, with their size and height.
    anchors: HashMap<usize, (Node, usize, usize)>,
    left: usize,
}

/// A collection that is still open.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<(String, Place)>,
    size: usize,
    height: usize,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, ConfigError> {
        let mut stack: Vec<Open> = Vec::new();
        let mut root = None;
        let mut documents = 0;
        while let Some(next) = self.parser.next_event() {
            let (event, span) = next.map_err(|e| {
                let marker = e.marker();
                self.error(e.info(), marker.line(), marker.col())
            })?;
            let place = self.place(span);
            let (node, anchor, size, height) = match event {
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(
                            ConfigError::new("a second document: one file holds one document").at(place)
                        );
                    }
                    continue;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.collection(&tag, &place)?;
                    self.open(&mut stack, Data::List(Vec::new()), anchor, place)?;
                    continue;
                }
                Event::MappingStart(anchor, tag) => {
                    self.collection(&tag, &place)?;
                    self.open(&mut stack, Data::Map(Vec::new()), anchor, place)?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                    Some(open) => (open.node, open.anchor, open.size, open.height),
                    None => return Err(ConfigError::new("an end with no beginning").at(place)),
                },
                Event::Scalar(text, style, anchor, tag) => {
                    // A scalar in the place of a key is a key.
                    if let Some(Open {
                        node: Node { data: Data::Map(members), .. }, key: key @ None, ..
                    }) = stack.last_mut()
                    {
                        if members.iter().any(|(name, _)| *name == text) {
                            return Err(ConfigError::new(format!("duplicate key {text:?}")).at(place));
                        }
                        *key = Some((text.into_owned(), place));
                        continue;
                    }
                    self.spend(1, &place)?;
                    (scalar(text, style, tag.as_deref(), place)?, anchor, 1, 0)
                }
                Event::Alias(id) => {
                    if expects_key(&stack) {
                        return Err(ConfigError::new("a key must be plain text, not an alias").at(place));
                    }
                    let Some((node, size, height)) = self.anchors.get(&id).cloned() else {
                        return Err(ConfigError::new("an alias of the value that it stands in").at(place));
                    };
                    self.spend(size, &place)?;
                    (Node { place, ..node }, 0, size, height)
                }
            };
            if anchor > 0 {
                self.anchors.insert(anchor, (node.clone(), size, height));
            }
            match stack.last_mut() {
                None => root = Some(node),
                Some(open) => {
                    open.size += size;
                    open.height = open.height.max(height + 1);
                    if stack_height(&stack) > limits::DEPTH {
                        return Err(too_deep(&node.place));
                    }
                    if let Some(open) = stack.last_mut() {
                        put(open, node);
                    }
                }
            }
        }
        // An empty document is one that sets nothing.
        Ok(root.filter(|node| !node.is_null()))
    }

    fn open(
        &mut self,
        stack: &mut Vec<Open>,
        data: Data,
        anchor: usize,
        place: Place,
    ) -> Result<(), ConfigError> {
        if expects_key(stack) {
            return Err(ConfigError::new("a key must be plain text, not a list or a map").at(place));
        }
        if stack.len() >= limits::DEPTH {
            return Err(too_deep(&place));
        }
        self.spend(1, &place)?;
        stack.push(Open { node: Node { place, key: None, data }, anchor, key: None, size: 1, height: 0 });
        Ok(())
    }

    fn spend(&mut self, nodes: usize, place: &Place) -> Result<(), ConfigError> {
        self.left = self.left.checked_sub(nodes).ok_or_else(|| {
            ConfigError::new("too many values in one file (aliases are counted as what they stand for)")
                .at(place.clone())
        })?;
        Ok(())
    }

    fn collection(&self, tag: &Option<Cow<'_, Tag>>, place: &Place) -> Result<(), ConfigError> {
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => {
                Err(ConfigError::new("tags are not used here").at(place.clone()))
            }
            _ => Ok(()),
        }
    }

    fn place(&self, span: Span) -> Place {
        Place { file: Arc::clone(self.file), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn error(&self, info: &str, line: usize, column: usize) -> ConfigError {
        ConfigError::new(format!("not valid YAML: {info}")).at(Place {
            file: Arc::clone(self.file),
            line,
            column: column + 1,
        })
    }
}

fn too_deep(place: &Place) -> ConfigError {
    ConfigError::new(format!("nested deeper than {} levels", limits::DEPTH)).at(place.clone())
}

/// The height of the tree as it stands, an expanded alias included.
fn stack_height(stack: &[Open]) -> usize {
    stack.len() + stack.last().map_or(0, |open| open.height.saturating_sub(1))
}

fn expects_key(stack: &[Open]) -> bool {
    matches!(stack.last(), Some(Open { node: Node { data: Data::Map(_), .. }, key: None, .. }))
}

fn put(open: &mut Open, mut node: Node) {
    match &mut open.node.data {
        Data::List(items) => {
            node.key = None;
            items.push(node);
        }
        Data::Map(members) => {
            if let Some((name, place)) = open.key.take() {
                node.key = Some(place);
                members.push((name, node));
            }
        }
        _ => {}
    }
}

fn scalar(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    place: Place,
) -> Result<Node, ConfigError> {
    if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
        return Err(ConfigError::new("tags are not used here").at(place));
    }
    let plain = style == ScalarStyle::Plain && tag.is_none();
    let tag = tag.map(|tag| Cow::Owned(tag.clone()));
    let value = Scalar::parse_from_cow_and_metadata(Cow::Borrowed(&*text), style, tag.as_ref())
        .and_then(|scalar| scalar_value(scalar, &text));
    let data = match value {
        Some(Value::String(_)) => Data::Text(Text::new(text.into_owned(), plain)),
        Some(value) => Data::Scalar(value),
        None => return Err(ConfigError::new("not a value of its type (numbers must be finite)").at(place)),
    };
    Ok(Node { place, key: None, data })
}
