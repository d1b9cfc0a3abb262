//! The files of a folder: which are streams, and what stands beside them as JSON.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{fault, lines, packed::BOM};
use crate::limits;

/// Files that say what is known beside the streams.
const BESIDE: [&str; 2] = ["tenants.json", "context.json"];
/// How streams end, and how they end when they are packed.
const STREAMS: [&str; 3] = [".json", ".jsonl", ".ndjson"];
const PACKED: [&str; 3] = [".gz", ".zst", ".xz"];

/// The streams of a folder, in order: `stream.ndjson`, or every file of OTLP/JSON but `out`, where findings go.
pub(super) fn files(from: &Path, out: &Path, notes: &mut Vec<String>) -> Result<Vec<PathBuf>, String> {
    let kind = fs::metadata(from).map_err(|error| fault(from, "read", &error))?;
    let beside = BESIDE.into_iter().chain(["schema.sql"]);
    let dir = if kind.is_dir() { from } else { from.parent().unwrap_or(Path::new(".")) };
    let stream = from.join("stream.ndjson");
    let one = if kind.is_dir() { &stream } else { from };
    let refused = || {
        Err(format!("{}: is to be read, and would be written over; say another --findings", out.display()))
    };
    if beside.map(|name| dir.join(name)).chain([one.to_owned()]).any(|path| same(&path, out)) {
        return refused();
    }
    if !kind.is_dir() || stream.exists() {
        return Ok(vec![one.to_owned()]);
    }
    let entries = fs::read_dir(from).map_err(|error| fault(from, "read", &error))?;
    let mut files = Vec::new();
    let mut packed = None;
    for entry in entries {
        let path = entry.map_err(|error| fault(from, "read", &error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ends = |name: &str| STREAMS.iter().any(|ending| name.ends_with(ending));
        if BESIDE.contains(&name) || path.is_dir() {
            continue;
        }
        if PACKED.iter().filter_map(|ending| name.strip_suffix(ending)).any(ends) {
            notes.push(format!("warning: {}: is packed and was not read; unpack it first", path.display()));
            packed.get_or_insert(path);
        } else if same(&path, out) {
            if lines::begins_with_request(&path) {
                return refused();
            }
            notes.push(format!("note: {}: findings go there, so it was not read", path.display()));
        } else if ends(name) {
            files.push(path);
        }
        if files.len() > limits::SCAN_FILES || notes.len() > limits::SCAN_FILES {
            return Err(format!("{}: more than {} files", from.display(), limits::SCAN_FILES));
        }
    }
    files.sort();
    match packed {
        _ if !files.is_empty() => Ok(files),
        Some(path) => {
            Err(format!("{}: is packed, and nothing beside it can be read; unpack it first", path.display()))
        }
        None => Err(format!(
            "{}: expected stream.ndjson, or files of OTLP/JSON (.json, .jsonl, .ndjson)",
            from.display()
        )),
    }
}

/// Whether two paths are of one file that exists.
fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// Reads what stands beside the streams. What is wrong in it is told by its place, never by its value.
pub(super) fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, String> {
    let size = fs::metadata(path).map_err(|error| fault(path, "read", &error))?.len();
    if size > limits::SCAN_BESIDE_BYTES {
        return Err(format!("{}: larger than {} bytes", path.display(), limits::SCAN_BESIDE_BYTES));
    }
    let bytes = fs::read(path).map_err(|error| fault(path, "read", &error))?;
    let text = bytes.strip_prefix(BOM).unwrap_or(&bytes);
    let mut reader = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        let place = format!("{}:{}:{}", path.display(), inner.line(), inner.column());
        let at = error.path().to_string();
        if !inner.is_data() {
            return format!("{place}: not JSON; expected {}", whole(path));
        }
        let said = inner.to_string();
        // Of a key that is missing the message has the name alone.
        let missing = said.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
        let (at, expected) = match missing {
            Some((key, _)) if at == "." => (key.to_owned(), format!("is missing; expected {}", whole(path))),
            Some((key, _)) => (format!("{at}.{key}"), format!("is missing; expected {}", value(key))),
            None if at == "." => return format!("{place}: expected {}", whole(path)),
            None => (at.clone(), format!("expected {}", value(&at))),
        };
        format!("{place}: {at}: {expected}")
    })
}

/// What a file as a whole is.
fn whole(path: &Path) -> &'static str {
    match path.ends_with("tenants.json") {
        true => r#"{"tenants": [{"id": "<uuid>", "slug": .., "state": "active"}, ..]}"#,
        false => "an object of what is known, such as staff_users, public_routes, system_jobs",
    }
}

/// What stands at a place.
fn value(at: &str) -> &'static str {
    let key = at.rsplit('.').next().unwrap_or_default();
    match key {
        "id" if at.contains("accounts") || at.contains("users") => "a user's id as text",
        "id" => "a tenant's uuid",
        "tenants" => "a list",
        "tenant_attributes" => "an object of names of attributes",
        "slug" | "name" | "display_name" | "state" | "deleted_at" | "schema" | "home_tenant_id"
        | "rls_setting" | "operator_tenant_id" | "verify_job" | "table" | "where" => {
            "text, or null where there is none"
        }
        _ if key.ends_with(']') && key.starts_with("tenants[") => {
            "an object with an id (or, of an account, a tenant's uuid)"
        }
        _ if key.ends_with(']') => "an entry of another type, text in most lists",
        _ => "a list of texts",
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::Catalogue;
    use std::{fs, path::Path};

    fn tenants(text: &str) -> (Result<Catalogue, String>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tenants.json");
        fs::write(&path, text).unwrap();
        let mut notes = Vec::new();
        let read = Catalogue::read(&path, &mut notes);
        let short = |text: String| text.replace(&format!("{}/", dir.path().display()), "");
        (read.map_err(short), notes.into_iter().map(short).collect())
    }

    /// Scenario: mistakes in a list of tenants. Guarantee: each is named by line, tenant and field, without its
    /// value; a state that is left out is active, one that nobody knows is said.
    #[test]
    fn mistakes_of_a_catalogue_have_a_place() {
        let id = r#""id":"0b7c1c1e-58f6-4a51-9d0c-0e6f0a4e1a01""#;
        let cases = [
            (
                format!(r#"{{"tenants":[{{{id}}},{{"id":"zebra"}}]}}"#),
                "tenants[1].id: expected a tenant's uuid",
            ),
            (r#"{"tenants":[{"slug":"zebra"}]}"#.to_owned(), "tenants[0].id: is missing"),
            (format!(r#"{{"tenants":[{{{id},"slug":["zebra"]}}]}}"#), "tenants[0].slug: expected text"),
            (
                format!(r#"{{"tenants":[{{{id},"domains":"zebra"}}]}}"#),
                "tenants[0].domains: expected a list of texts",
            ),
            (r#"{"zebra":[]}"#.to_owned(), "tenants: is missing"),
            (r#"{"tenants":[{"zebra"}]}"#.to_owned(), "not JSON"),
            (r#""zebra""#.to_owned(), "expected {\"tenants\""),
        ];
        for (text, expected) in cases {
            let error = tenants(&text).0.unwrap_err();
            assert!(error.starts_with("tenants.json:1:") && error.contains(expected), "{error}");
            assert!(!error.contains("zebra"), "{error}");
        }
        let (read, notes) = tenants(&format!("\u{feff}{{\"tenants\":[{{{id}}}]}}"));
        assert!(read.is_ok() && notes.is_empty(), "{notes:?}");
        let (read, notes) = tenants(&format!(
            r#"{{"tenants":[{{{id},"state":"zebra"}},{{{id},"state":"deleted","deleted_at":"zebra"}}]}}"#
        ));
        assert!(read.is_ok() && notes.len() == 2, "{notes:?}");
        assert!(
            notes[0].contains("tenants[0].state:") && notes[1].contains("tenants[1].deleted_at:"),
            "{notes:?}"
        );
        assert!(!notes.concat().contains("zebra"));
        let mut notes = Vec::new();
        assert!(Catalogue::read(Path::new("/nowhere/tenants.json"), &mut notes).is_ok() && notes.len() == 1);
    }
}
