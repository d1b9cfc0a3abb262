//! A configuration value that remembers where each of its parts was written.

use serde_json::Value;

use super::{ConfigError, Place};

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where the value begins.
    pub place: Place,
    /// Where the key of this value begins, if it is a member of a map.
    pub key: Option<Place>,
    pub data: Data,
}

#[derive(Debug, Clone)]
pub(super) enum Data {
    /// Anything but a map, a list, or a string.
    Scalar(Value),
    Text(Text),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// A string, and what interpolation has to know of it.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub text: String,
    /// Written without quotes, so that a reference in it may become a number.
    pub plain: bool,
    /// The value that a reference gave, if it is no longer a string.
    pub typed: Option<Value>,
    /// A reference was left as it is.
    pub unresolved: bool,
}

impl Text {
    pub fn new(text: impl Into<String>, plain: bool) -> Self {
        Text { text: text.into(), plain, typed: None, unresolved: false }
    }
}

impl Node {
    pub fn empty(file: &str) -> Self {
        Node {
            place: Place { file: file.into(), line: 0, column: 0 },
            key: None,
            data: Data::Map(Vec::new()),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Scalar(Value::Null))
    }

    /// Maps merge; everything else is replaced.
    pub fn merge(&mut self, over: Node) {
        match (&mut self.data, over.data) {
            (Data::Map(members), Data::Map(others)) => {
                for (name, other) in others {
                    match members.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, member)) => member.merge(other),
                        None => members.push((name, other)),
                    }
                }
            }
            (_, data) => *self = Node { data, place: over.place, key: over.key },
        }
    }

    /// Puts a value at a path, making maps on the way.
    pub fn set(&mut self, path: &[String], mut value: Node) -> Result<(), ConfigError> {
        let Some((first, rest)) = path.split_first() else {
            value.key = self.key.take();
            *self = value;
            return Ok(());
        };
        if self.is_null() {
            self.data = Data::Map(Vec::new());
        }
        match &mut self.data {
            Data::Map(members) => {
                let at = match members.iter().position(|(name, _)| name == first) {
                    Some(at) => at,
                    None => {
                        let mut member = Node::empty(&value.place.file);
                        member.key = Some(value.place.clone());
                        members.push((first.clone(), member));
                        members.len() - 1
                    }
                };
                members[at].1.set(rest, value)
            }
            Data::List(items) => {
                let length = items.len();
                match first.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                    Some(item) => item.set(rest, value),
                    None => Err(ConfigError::new(format!(
                        "{first:?} is not an item of this list, which has {length} (counted from 0)"
                    ))),
                }
            }
            _ => Err(ConfigError::new(format!(
                "{first:?} cannot be set: what is above it is not a map or a list"
            ))),
        }
    }

    /// The value; strings that interpolation typed are typed.
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::Text(text) => text.typed.clone().unwrap_or_else(|| Value::String(text.text.clone())),
            Data::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Data::Map(members) => {
                Value::Object(members.iter().map(|(name, node)| (name.clone(), node.to_value())).collect())
            }
        }
    }

    /// The child by a key or an index.
    pub fn child(&self, step: &str) -> Option<&Node> {
        match &self.data {
            Data::Map(members) => members.iter().find(|(name, _)| name == step).map(|(_, node)| node),
            Data::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        }
    }

    /// The node at a JSON pointer, or the nearest one above it, and whether it is the very one.
    pub fn nearest(&self, pointer: &str) -> (&Node, bool) {
        let mut node = self;
        for step in steps(pointer) {
            match node.child(&step) {
                Some(child) => node = child,
                None => return (node, false),
            }
        }
        (node, true)
    }

    /// Visits every string.
    pub fn each_text(
        &mut self,
        path: &mut Vec<String>,
        visit: &mut impl FnMut(&[String], &Place, &mut Text),
    ) {
        match &mut self.data {
            Data::Scalar(_) => {}
            Data::Text(text) => visit(path, &self.place, text),
            Data::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push(index.to_string());
                    item.each_text(path, visit);
                    path.pop();
                }
            }
            Data::Map(members) => {
                for (name, member) in members {
                    path.push(name.clone());
                    member.each_text(path, visit);
                    path.pop();
                }
            }
        }
    }
}

/// The steps of a JSON pointer.
pub(super) fn steps(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
}

/// One more step of a JSON pointer.
pub(super) fn push_step(pointer: &mut String, step: &str) {
    pointer.push('/');
    pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
}

/// A JSON pointer as people write it: `destinations[0].endpoint`.
pub(super) fn dotted<S: AsRef<str>>(steps: impl IntoIterator<Item = S>) -> String {
    let mut path = String::new();
    for step in steps {
        let step = step.as_ref();
        if !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
            path.push_str(&format!("[{step}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(step);
        }
    }
    path
}
