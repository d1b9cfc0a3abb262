//! Detection over recorded streams.
//!
//! A folder holds `stream.ndjson`, one export request a line with when it came and whose token it carried, or
//! files of OTLP/JSON as the Collector's file exporter writes them. Beside them may stand `tenants.json` (the
//! catalogue), `context.json` (what an operator knows) and `schema.sql` (what `pg_dump --schema-only` gives).

mod folder;
mod lines;
mod personal;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use personal::Personal;

use super::{
    Context, Extractor, Finding, Key, Rules, Settings, Shard, mentions::Mentions, observe_batch,
    suppressions::Suppressions,
};
use crate::wire::{self, view};

/// What a scan did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
}

/// Runs detection over the folder or file `from` and writes findings to `out`. `settings` are those of the
/// configuration; what the folder says is added to them.
///
/// The key is fixed, so that two scans of one folder say the same; fingerprints of a scan are as public as its
/// folder.
///
/// # Errors
/// A file is missing or cannot be read or written; says which, and where.
pub fn run(from: &Path, out: &Path, settings: &Settings) -> Result<Summary, String> {
    let dir = if from.is_dir() { from } else { from.parent().unwrap_or(Path::new(".")) };
    let directory = folder::Catalogue::read(&dir.join("tenants.json"))?;
    let settings = folder::settings(dir, settings)?;
    let key = Key::new([0x5c; 16]);
    let rules = Arc::new(Rules::new(&settings, key)?);
    let suppressions = Arc::new(Suppressions::recorded(&settings.suppressions, key));
    let (mut mentions, mut renamed) = (directory.mentions(), 0);
    let mut scan = Scan {
        shard: Shard::new(&settings, &rules),
        suppressions: Arc::clone(&suppressions),
        extractor: Extractor::default(),
        observations: Vec::new(),
        summary: Summary::default(),
        now: 0,
        out: out.to_owned(),
        personal: Personal::new(&settings)?,
        writer: BufWriter::new(File::create(out).map_err(|error| fault(out, "written", &error))?),
    };
    scan.shard.findings().opens_only();
    scan.shard.findings().watch(suppressions);
    for file in folder::files(from)? {
        lines::read(&file, |line| {
            let Some(request) = line else {
                scan.summary.requests += 1;
                scan.summary.malformed += 1;
                return Ok(());
            };
            if directory.count_renamed() > renamed {
                (mentions, renamed) = (directory.mentions(), directory.count_renamed());
            }
            scan.request(&request, &rules, &directory, &mentions)
        })?;
    }
    // What still waits is told at the time when it would have been.
    for _ in 0..8 {
        scan.now = scan.now.saturating_add(super::rules::nanos(settings.settle));
        scan.tell()?;
    }
    scan.writer.flush().map_err(|error| fault(out, "written", &error))?;
    Ok(scan.summary)
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
    ) -> Result<(), String> {
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
        let Ok((bytes, claimed, at, personal)) = read else {
            self.summary.malformed += 1;
            return Ok(());
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
        Ok(())
    }

    fn tell(&mut self) -> Result<(), String> {
        self.shard.advance(self.now).iter().try_for_each(|finding: &Finding| {
            if self.suppressions.covers(finding, finding.at) {
                self.summary.suppressed += 1;
                return Ok(());
            }
            self.summary.findings += 1;
            writeln!(self.writer, "{}", finding.json()).map_err(|error| fault(&self.out, "written", &error))
        })
    }
}

fn fault(path: &Path, what: &str, error: &std::io::Error) -> String {
    format!("{}: cannot be {what}: {error}", path.display())
}
