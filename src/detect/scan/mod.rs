//! Detection over recorded streams.
//!
//! A folder holds `stream.ndjson`, one export request a line with when it came and whose token it carried, or
//! files of OTLP/JSON as the Collector's file exporter writes them. Beside them may stand `tenants.json` (the
//! catalogue), `context.json` (what an operator knows) and `schema.sql` (what `pg_dump --schema-only` gives).

mod folder;
mod given;
mod lines;
mod packed;
mod personal;

use std::{
    fmt,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use lines::Line;
pub(crate) use packed::{BOM, packed};
use personal::Personal;

use super::{
    Context, Extractor, Finding, Key, Rules, Settings, Shard, mentions::Mentions, observe_batch,
    suppressions::Suppressions,
};
use crate::wire::{self, WireError, view};

/// What a scan did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests read.
    pub requests: u64,
    /// Log records, spans and data points in them.
    pub items: u64,
    /// Observations made.
    pub observations: u64,
    /// Findings written.
    pub findings: u64,
    /// Findings that a suppression of the configuration held back.
    pub suppressed: u64,
    /// Lines that could not be read as a request.
    pub malformed: u64,
    /// What people should know of the input, one line each, `note: ..` or `warning: ..`: what is missing, what was
    /// passed over.
    pub notes: Vec<String>,
}

/// Why a scan was not made, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotScanned {
    /// What it was given: a file that is not there, is none of the kind, or cannot be written. Says which, and where.
    Given(String),
    /// The work broke off: the disk's error, and where.
    Work(String),
}

impl fmt::Display for NotScanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (NotScanned::Given(text) | NotScanned::Work(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for NotScanned {}

/// Runs detection over the folder or file `from` and writes findings to `out`. `settings` are those of the
/// configuration; what the folder says is added to them.
///
/// The key is fixed, so that two scans of one folder say the same; fingerprints of a scan are as public as its
/// folder.
///
/// # Errors
/// A file is missing or cannot be read or written, or nothing in what there is could be read; says which, and where.
pub fn run(from: &Path, out: &Path, settings: &Settings) -> Result<Summary, NotScanned> {
    let mut notes = Vec::new();
    let files = given::files(from, out, &mut notes).map_err(NotScanned::Given)?;
    let dir = if from.is_dir() { from } else { from.parent().unwrap_or(Path::new("")) };
    let directory =
        folder::Catalogue::read(&dir.join("tenants.json"), &mut notes).map_err(NotScanned::Given)?;
    let settings = folder::settings(dir, settings, &mut notes).map_err(NotScanned::Given)?;
    let key = Key::new([0x5c; 16]);
    let rules = Arc::new(Rules::new(&settings, key).map_err(NotScanned::Given)?);
    let suppressions = Arc::new(Suppressions::recorded(&settings.suppressions, key));
    let (mut mentions, mut renamed) = (directory.mentions(), 0);
    let unwritten = |error| NotScanned::Given(fault(out, "written", &error));
    let mut scan = Scan {
        shard: Shard::new(&settings, &rules),
        suppressions: Arc::clone(&suppressions),
        extractor: Extractor::default(),
        observations: Vec::new(),
        summary: Summary { notes, ..Summary::default() },
        now: 0,
        out: out.to_owned(),
        personal: Personal::new(&settings).map_err(NotScanned::Given)?,
        writer: BufWriter::new(File::create(out).map_err(unwritten)?),
    };
    scan.shard.findings().opens_only();
    scan.shard.findings().watch(suppressions);
    let mut unread = None;
    for file in files {
        let mut tally = Tally::default();
        lines::read(&file, |number, line| {
            if directory.count_renamed() > renamed {
                (mentions, renamed) = (directory.mentions(), directory.count_renamed());
            }
            match line {
                Line::Finding => tally.findings += 1,
                Line::Odd(why) => {
                    scan.summary.requests += 1;
                    tally.odd(number, why);
                }
                Line::Request(request) => match scan.request(&request, &rules, &directory, &mentions)? {
                    Ok(()) => tally.requests += 1,
                    Err(why) => tally.odd(number, why),
                },
            }
            Ok(())
        })?;
        scan.summary.malformed += tally.odd;
        let note = tally.note(&file);
        if tally.requests == 0 && tally.odd + tally.findings > 0 {
            unread = unread.or_else(|| note.clone());
        }
        let word = if tally.odd > 0 { "warning" } else { "note" };
        scan.summary.notes.extend(note.map(|note| format!("{word}: {note}")));
    }
    if let Some(first) = unread
        && scan.summary.requests == scan.summary.malformed
    {
        return Err(NotScanned::Given(format!("nothing could be read: {first}; expected {EXPECTED}")));
    }
    // What still waits is told at the time when it would have been.
    for _ in 0..8 {
        scan.now = scan.now.saturating_add(super::rules::nanos(settings.settle));
        scan.tell()?;
    }
    scan.writer.flush().map_err(|error| NotScanned::Work(fault(out, "written", &error)))?;
    Ok(scan.summary)
}

/// What streams hold.
const EXPECTED: &str = "lines of stream.ndjson ({\"signal\", \"at\", \"request\"}), or OTLP/JSON, one request a line (`jq -c .` writes it so)";

/// What one file held.
#[derive(Default)]
struct Tally {
    requests: u64,
    findings: u64,
    odd: u64,
    /// The line (0: the file as a whole) and why.
    first: Option<(u64, String)>,
}

impl Tally {
    fn odd(&mut self, line: u64, why: impl fmt::Display) {
        self.odd += 1;
        self.first.get_or_insert_with(|| (line, why.to_string()));
    }

    /// What people should know of the file.
    fn note(&self, file: &Path) -> Option<String> {
        let name = file.display();
        let (odd, findings) = (self.odd, self.findings);
        let passed = match findings {
            0 => String::new(),
            _ => format!("{findings} lines are findings of a scan and were passed over"),
        };
        match &self.first {
            Some((0, why)) => Some(format!("{name}: {why}")),
            Some((line, why)) => {
                let all = self.requests + odd;
                let passed = if findings > 0 { format!("; {passed}") } else { passed };
                Some(format!("{name}:{line}: {why}; {odd} of {all} lines could not be read{passed}"))
            }
            None if findings > 0 => Some(format!("{name}: {passed}")),
            None if self.requests == 0 => Some(format!("{name}: it is empty")),
            None => None,
        }
    }
}

struct Scan {
    shard: Shard,
    suppressions: Arc<Suppressions>,
    extractor: Extractor,
    observations: Vec<super::Observation>,
    summary: Summary,
    now: u64,
    out: PathBuf,
    personal: Option<Personal>,
    writer: BufWriter<File>,
}

impl Scan {
    fn request(
        &mut self,
        request: &lines::Request<'_>,
        rules: &Rules,
        directory: &folder::Catalogue,
        mentions: &Mentions,
    ) -> Result<Result<(), WireError>, NotScanned> {
        self.summary.requests += 1;
        let decoded = wire::json::decode(request.signal, request.json.as_bytes());
        let read = decoded.and_then(|bytes| {
            let claimed =
                request.token_tenant.as_deref().and_then(|text| super::rules::resolve(directory, text));
            let at = request.at.unwrap_or_else(|| lines::newest(request.signal, &bytes).max(self.now));
            // Either of them checks the bytes as it goes.
            let personal = match &mut self.personal {
                Some(personal) => personal.facts(request.signal, &bytes, claimed, at)?,
                None => wire::walk(request.signal, &bytes, &mut ()).map(|_| Vec::new())?,
            };
            Ok((bytes, claimed, at, personal))
        });
        let (bytes, claimed, at, personal) = match read {
            Ok(read) => read,
            Err(why) => return Ok(Err(why)),
        };
        self.summary.items +=
            view::groups(request.signal, &bytes).flat_map(|group| group.items()).count() as u64;
        self.now = self.now.max(at);
        let context =
            Context { at, claimed, fallback: None, baggage: None, directory, mentions: Some(mentions) };
        observe_batch(request.signal, &bytes, rules, context, &mut self.extractor, &mut self.observations);
        self.observations.extend(personal);
        self.summary.observations += self.observations.len() as u64;
        self.tell()?;
        self.observations.drain(..).for_each(|o| self.shard.observe(o));
        Ok(Ok(()))
    }

    fn tell(&mut self) -> Result<(), NotScanned> {
        self.shard.advance(self.now).iter().try_for_each(|finding: &Finding| {
            if self.suppressions.covers(finding, finding.at) {
                self.summary.suppressed += 1;
                return Ok(());
            }
            self.summary.findings += 1;
            let unwritten = |error| NotScanned::Work(fault(&self.out, "written", &error));
            writeln!(self.writer, "{}", finding.json()).map_err(unwritten)
        })
    }
}

fn fault(path: &Path, what: &str, error: &std::io::Error) -> String {
    format!("{}: cannot be {what}: {error}", path.display())
}
