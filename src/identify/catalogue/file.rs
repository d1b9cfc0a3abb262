//! The catalogue as a file says it.

use std::{fmt, path::Path};

use saphyr_parser::Event;
use serde::{Deserialize, Serialize};

use super::{Catalogue, Isolation, Limits, State, Tenant};
use crate::{
    identify::{
        normalise, rfc3339,
        yaml::{Reader, YamlError},
    },
    limits,
};

/// One tenant of a catalogue file: an element of the list `tenants`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The tenant's uuid, in any of its forms.
    pub id: String,
    /// A short name in URLs and the like, unique among the tenants.
    #[serde(default)]
    pub slug: Option<String>,
    /// Slugs that the tenant had before; they still lead to it.
    #[serde(default)]
    pub former_slugs: Vec<String>,
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Domains of its own.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Texts that only its own data holds: seen under another tenant they are a leak.
    #[serde(default)]
    pub canaries: Vec<String>,
    /// How its data is kept apart in the product. Default: `shared`.
    #[serde(default)]
    pub isolation: Isolation,
    /// Where it stands in its life. Default: `active`.
    #[serde(default)]
    pub state: State,
    /// When it was deleted: a date and time of RFC 3339.
    #[serde(default)]
    pub deleted_at: Option<String>,
    /// Its quotas. Default: those of the configuration.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// The destination that its data goes to. Default: by the routes of the configuration.
    #[serde(default)]
    pub route: Option<String>,
    /// Principals (subjects of tokens) of other tenants, or of none, that may write for it.
    #[serde(default)]
    pub allowed: Vec<String>,
}

/// Why a catalogue could not be taken: `file:line:column: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueError {
    /// The file, as it was given.
    pub file: String,
    /// Line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// What is wrong and what is expected.
    pub message: String,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
        }
    }
}

impl std::error::Error for CatalogueError {}

/// Reads a catalogue file.
///
/// # Errors
/// The file cannot be read, is too large, or [`parse`] refuses it.
pub fn load(path: &Path) -> Result<Catalogue, CatalogueError> {
    let file = path.display().to_string();
    let whole = |message: String| CatalogueError { file: file.clone(), line: 0, column: 0, message };
    let meta = std::fs::metadata(path)
        .map_err(|error| whole(format!("the tenant catalogue cannot be read: {error}")))?;
    if meta.len() > limits::CATALOGUE_BYTES {
        return Err(whole(format!(
            "the tenant catalogue is larger than {} MiB",
            limits::CATALOGUE_BYTES / limits::MIB as u64
        )));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| whole(format!("the tenant catalogue cannot be read: {error}")))?;
    parse(&file, &text)
}

/// Reads the text of a catalogue: `tenants:` and a list, or the list alone, in YAML or JSON.
///
/// # Errors
/// The first thing that is wrong, at its line and column: syntax, an unknown key, an id that is no
/// uuid, an id or a slug that stands twice, too many tenants.
pub fn parse(file: &str, text: &str) -> Result<Catalogue, CatalogueError> {
    read(text).map_err(|error| CatalogueError {
        file: file.to_string(),
        line: error.line,
        column: error.column,
        message: error.message,
    })
}

fn read(text: &str) -> Result<Catalogue, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::new(text)?;
    let place = reader.place()?;
    let wanted = "expected `tenants:` and a list of tenants";
    let catalogue = match reader.take()? {
        Event::SequenceStart(..) => list(&mut reader)?,
        Event::MappingStart(..) => {
            let place = reader.place()?;
            match reader.take()? {
                Event::Scalar(key, ..) if key == "tenants" => {}
                _ => return Err(YamlError::at(place, wanted)),
            }
            let place = reader.place()?;
            if !matches!(reader.take()?, Event::SequenceStart(..)) {
                return Err(YamlError::at(place, wanted));
            }
            let catalogue = list(&mut reader)?;
            let place = reader.place()?;
            if !matches!(reader.take()?, Event::MappingEnd) {
                return Err(YamlError::at(place, "unknown key; `tenants` is the only one"));
            }
            catalogue
        }
        _ => return Err(YamlError::at(place, wanted)),
    };
    let place = reader.place()?;
    match reader.take()? {
        Event::DocumentEnd | Event::StreamEnd => Ok(catalogue),
        _ => Err(YamlError::at(place, "expected the end of the file")),
    }
}

fn list(reader: &mut Reader<'_>) -> Result<Catalogue, YamlError> {
    let mut catalogue = Catalogue::closed();
    // Former slugs are added when all present ones are known: a slug that was given to another goes to its owner.
    let mut former = Vec::new();
    while !matches!(reader.peek()?, Event::SequenceEnd) {
        let place = reader.place()?;
        let entry: Entry = reader.value()?;
        let index = add(&mut catalogue, &entry).map_err(|message| YamlError::at(place, message))?;
        former.extend(entry.former_slugs.into_iter().map(|slug| (slug, index, place)));
    }
    reader.take()?;
    for (slug, index, place) in former {
        catalogue.add_former(&slug, index).map_err(|message| YamlError::at(place, message))?;
    }
    catalogue.shrink();
    Ok(catalogue)
}

fn add(catalogue: &mut Catalogue, entry: &Entry) -> Result<u32, String> {
    let id = normalise::uuid(&entry.id).ok_or("id: expected a uuid, and not the nil one")?;
    let deleted_at = match &entry.deleted_at {
        None => None,
        Some(text) => Some(
            rfc3339::parse(text)
                .ok_or("deleted_at: expected a date and time as 2026-01-31T23:59:59Z (RFC 3339)")?,
        ),
    };
    if let Some(limits) = &entry.limits {
        limits.check().map_err(|message| format!("limits: {message}"))?;
    }
    let route = entry.route.as_deref().map(|route| catalogue.route(route)).transpose()?;
    catalogue.add(Tenant {
        id,
        slug: entry.slug.as_deref().map(|slug| slug.trim().to_lowercase().into()),
        name: entry.name.as_deref().map(Into::into),
        isolation: entry.isolation,
        state: entry.state,
        deleted_at,
        limits: entry.limits.clone().map(Box::new),
        route,
        domains: entry.domains.iter().map(|domain| domain.trim().to_lowercase().into()).collect(),
        canaries: entry.canaries.iter().map(|canary| canary.as_str().into()).collect(),
        allowed: entry.allowed.iter().map(|principal| principal.as_str().into()).collect(),
    })
}
