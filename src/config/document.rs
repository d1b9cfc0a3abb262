//! The files and the command line, as one value that remembers its places.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    ConfigError, ConfigErrors, Environment, Place, decode,
    interpolate::interpolate,
    node::{Data, Node, Text, dotted, steps},
    yaml,
};
use crate::limits;

/// How a document is loaded.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where `${env:...}` gets its values.
    pub environment: Environment,
    /// The most bytes of one file.
    pub max_bytes: usize,
    /// The most values in one file.
    pub max_nodes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            environment: Environment::Process,
            max_bytes: limits::CONFIG_BYTES,
            max_nodes: limits::CONFIG_NODES,
        }
    }
}

impl Options {
    /// For files that others write (rule packs, catalogues): `$` is only a character.
    pub fn data() -> Self {
        Options { environment: Environment::Off, ..Options::default() }
    }
}

/// One value out of files and `--set`, with the place of each part.
#[derive(Debug, Clone)]
pub struct Document {
    root: Node,
}

impl Default for Document {
    /// A document that sets nothing.
    fn default() -> Self {
        Document { root: Node::empty("(no file)") }
    }
}

impl Document {
    /// Loads files, later ones over earlier ones (maps merge; scalars and lists replace), then
    /// `sets` (`a.b=value`, the value in YAML) over them, then resolves references.
    ///
    /// # Errors
    /// Files that cannot be read, bad YAML, and every reference that cannot be resolved.
    pub fn load<P: AsRef<Path>, S: AsRef<str>>(
        files: &[P],
        sets: &[S],
        options: Options,
    ) -> Result<Document, ConfigErrors> {
        if files.len() > limits::CONFIG_FILES {
            return Err(ConfigError::new(format!("more than {} files", limits::CONFIG_FILES)).into());
        }
        let mut root = Document::default().root;
        for path in files {
            let path = path.as_ref();
            let file: Arc<str> = path.to_string_lossy().into();
            let text = read_text(path, options.max_bytes)?;
            root.merge(yaml::parse(&file, &text, options.max_nodes)?);
        }
        for set in sets {
            apply_set(&mut root, set.as_ref())?;
        }
        Document::finish(root, options)
    }

    /// Parses one text; `name` stands for its file in errors.
    ///
    /// # Errors
    /// As [`Document::load`].
    pub fn parse(name: &str, text: &str, options: Options) -> Result<Document, ConfigErrors> {
        let file: Arc<str> = name.into();
        if text.len() > options.max_bytes {
            return Err(too_large(&file, options.max_bytes).into());
        }
        Document::finish(yaml::parse(&file, text, options.max_nodes)?, options)
    }

    fn finish(mut root: Node, options: Options) -> Result<Document, ConfigErrors> {
        let errors = interpolate(&mut root, options.environment);
        if errors.is_empty() { Ok(Document { root }) } else { Err(ConfigErrors(errors)) }
    }

    /// The whole value. It holds secrets as they were written.
    pub fn value(&self) -> Value {
        self.root.to_value()
    }

    /// Where the value at a JSON pointer begins, or the nearest one above it.
    pub fn place(&self, pointer: &str) -> Option<Place> {
        let node = self.root.nearest(pointer).0;
        (node.place.line > 0 || &*node.place.file == SET).then(|| node.place.clone())
    }

    /// Where the key at a JSON pointer begins; as [`Document::place`] for what has no key.
    pub fn key_place(&self, pointer: &str) -> Option<Place> {
        match self.root.nearest(pointer) {
            (Node { key: Some(key), .. }, true) => Some(key.clone()),
            _ => self.place(pointer),
        }
    }

    /// Whether the value at a JSON pointer is a list.
    pub fn is_list(&self, pointer: &str) -> bool {
        matches!(self.root.nearest(pointer), (Node { data: Data::List(_), .. }, true))
    }

    /// A mistake in the value at a JSON pointer, with its place and its dotted path.
    pub fn error(&self, pointer: &str, message: impl Into<String>) -> ConfigError {
        ConfigError { place: self.place(pointer), ..ConfigError::new(message).of(dotted(steps(pointer))) }
    }

    /// The document as a `T`.
    ///
    /// # Errors
    /// Every mistake that could be found, up to [`limits::CONFIG_ERRORS`].
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ConfigErrors> {
        self.decode_at("")
    }

    /// The part at a JSON pointer as a `T`; an absent part is an empty map, or an empty list for a list.
    ///
    /// # Errors
    /// As [`Document::decode`].
    pub fn decode_at<T: DeserializeOwned>(&self, pointer: &str) -> Result<T, ConfigErrors> {
        decode::decode(self, &self.root, pointer)
    }
}

const SET: &str = "--set";

fn apply_set(root: &mut Node, set: &str) -> Result<(), ConfigErrors> {
    let file: Arc<str> = SET.into();
    let place = Place { file: Arc::clone(&file), line: 0, column: 0 };
    let (path, text) = set
        .split_once('=')
        .filter(|(path, _)| !path.trim().is_empty())
        .ok_or_else(|| ConfigError::new("expected path=value, for example a.b=10").at(place.clone()))?;
    let path = path.trim();
    let steps = split_path(path);
    if steps.len() > limits::DEPTH || steps.iter().any(String::is_empty) {
        return Err(ConfigError::new("expected names with single dots between them")
            .at(place)
            .of(path)
            .into());
    }
    let mut value = yaml::parse(&file, text, limits::CONFIG_NODES)
        .map_err(|error| ConfigError::new(error.message).at(place.clone()).of(path))?;
    if text.trim().is_empty() {
        value.data = Data::Text(Text::new("", false));
    } else if matches!(text.trim(), "null" | "~") {
        value.data = Data::Scalar(Value::Null);
    }
    value.place = place.clone();
    root.set(&steps, value).map_err(|error| error.at(place).of(path).into())
}

/// Splits at dots; `\.` is a dot in a name.
fn split_path(path: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'.') => {
                characters.next();
                if let Some(step) = steps.last_mut() {
                    step.push('.');
                }
            }
            '.' => steps.push(String::new()),
            _ => {
                if let Some(step) = steps.last_mut() {
                    step.push(character);
                }
            }
        }
    }
    steps
}

fn too_large(file: &str, max: usize) -> ConfigError {
    ConfigError::new(format!("larger than {max} bytes")).at(Place { file: file.into(), line: 0, column: 0 })
}

/// Reads a text file that configuration names, bounded.
///
/// # Errors
/// It cannot be read, is larger than `max` bytes, or is not UTF-8.
pub fn read_text(path: &Path, max: usize) -> Result<String, ConfigError> {
    let file: Arc<str> = path.to_string_lossy().into();
    let place = Place { file: Arc::clone(&file), line: 0, column: 0 };
    let failed = |error: std::io::Error| {
        ConfigError::new(format!("cannot be read: {}", error.kind())).at(place.clone())
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > max {
        return Err(too_large(&file, max));
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::new("not valid UTF-8").at(place.clone()))
}
