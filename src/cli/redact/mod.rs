//! `redact`: text in, text without personal data and secrets out, line by line.

mod input;
mod progress;

use std::{
    borrow::Cow,
    cell::Cell,
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufWriter, IsTerminal, Read, Stderr, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::Value;

use super::{Code, Failure, config::ConfigArgs, say};
use crate::{
    config::{Config, Environment},
    limits,
    scrub::{Scratch, Scrubber, Tally},
};
use input::{Counted, Packing, Text};
use progress::{Progress, count};

/// The options of `portcullis redact`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RedactArgs {
    /// Files, plain or packed with gzip or zstd; `-`, or no file, is standard input
    #[arg(value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Lines are JSON objects: keep the value of the first key, scrub that of the second, leave out the rest
    #[arg(long, value_name = "ID,TEXT", value_parser = pair)]
    pub jsonl: Option<(String, String)>,
    /// End with code 1 if something was found
    #[arg(long)]
    pub fail_on_find: bool,
    /// No summary and no progress
    #[arg(long, short)]
    pub quiet: bool,
    /// The configuration, of which the section `scrub` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once(',') {
        Some((id, text)) if !id.is_empty() && !text.is_empty() && !text.contains(',') && id != text => {
            Ok((id.into(), text.into()))
        }
        _ => Err("expected two different names with a comma between them, for example id,text".into()),
    }
}

/// The rules of a configuration, compiled.
pub(super) fn scrubber(args: &ConfigArgs) -> Result<Scrubber, Failure> {
    let config: Config = args.load(Environment::Process)?.decode()?;
    Scrubber::new(&config.scrub).map_err(|error| Failure::usage(error.to_string()))
}

/// Runs it.
///
/// # Errors
/// The configuration cannot be used; a file cannot be read; a line is too long, or not what was announced.
pub fn run(args: &RedactArgs) -> Result<Code, Failure> {
    let scrubber = scrubber(&args.config)?;
    let out = BufWriter::with_capacity(limits::REDACT_BUFFER_BYTES, io::stdout().lock());
    let mut redactor = Redactor::new(&scrubber, args.jsonl.clone(), out);
    // Where the text itself goes to the terminal, it shows how far it is.
    let watched = !args.quiet && io::stderr().is_terminal() && !io::stdout().is_terminal();
    let terminal = watched.then(io::stderr);
    redactor.progress = Progress::new(terminal, size(&args.inputs), Instant::now());
    let stdin = [PathBuf::from("-")];
    let inputs = if args.inputs.is_empty() { &stdin[..] } else { &args.inputs };
    let result = inputs.iter().try_for_each(|path| redactor.input(path));
    let Redactor { lines, counts, .. } = redactor;
    // What was done before a mistake is told, too.
    if !args.quiet {
        summary(lines, &counts).iter().for_each(|line| say(line));
    }
    result?;
    Ok(if args.fail_on_find && !counts.is_empty() { Code::Failed } else { Code::Ok })
}

/// How many bytes there are to read, if all inputs are files.
fn size(inputs: &[PathBuf]) -> Option<u64> {
    let size = |path: &PathBuf| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
    if inputs.is_empty() { None } else { inputs.iter().map(size).sum() }
}

/// How many values of a type had something done to them.
type Counts = BTreeMap<(String, &'static str), u64>;

fn summary(lines: u64, counts: &Counts) -> Vec<String> {
    let found = counts.values().sum();
    let mut out = vec![format!("{}, {} found", count(lines, "line"), count(found, "value"))];
    for ((kind, action), count) in counts {
        out.push(format!("{count:>10}  {kind} ({action})"));
    }
    out
}

struct Redactor<'s, W> {
    scrubber: &'s Scrubber,
    jsonl: Option<(String, String)>,
    out: W,
    scratch: Scratch,
    tally: Tally,
    counts: Counts,
    lines: u64,
    /// Bytes of the inputs before the present one, as they are packed.
    read: u64,
    progress: Progress<Stderr>,
}

/// Lines between two sums of the counts.
const SUM_EVERY: u64 = 4096;

impl<'s, W: Write> Redactor<'s, W> {
    fn new(scrubber: &'s Scrubber, jsonl: Option<(String, String)>, out: W) -> Self {
        Redactor {
            scrubber,
            jsonl,
            out,
            scratch: Scratch::default(),
            tally: Tally::default(),
            counts: Counts::new(),
            lines: 0,
            read: 0,
            progress: Progress::new(None, None, Instant::now()),
        }
    }

    /// One file, or standard input.
    fn input(&mut self, path: &Path) -> Result<(), Failure> {
        if path == Path::new("-") {
            return self.all("stdin", io::stdin().lock());
        }
        let name = path.display().to_string();
        self.all(&name, File::open(path).map_err(|error| Failure::io(&name, &error))?)
    }

    fn all(&mut self, name: &str, input: impl Read) -> Result<(), Failure> {
        let bytes = Cell::new(0);
        let (packing, mut reader) =
            input::open(Counted { input, bytes: &bytes }).map_err(|error| Failure::io(name, &error))?;
        let result = self.units(name, packing, &mut reader, &bytes);
        self.read += bytes.get();
        self.sum();
        result.and(self.out.flush().map_err(|error| Failure::io("stdout", &error)))
    }

    fn units(
        &mut self,
        name: &str,
        packing: Packing,
        reader: &mut Text<'_>,
        bytes: &Cell<u64>,
    ) -> Result<(), Failure> {
        let mut unit = Vec::new();
        let mut number = 0;
        loop {
            unit.clear();
            // What is written is seen before a wait for more.
            if reader.buffer().is_empty() {
                self.out.flush().map_err(|error| Failure::io("stdout", &error))?;
            }
            match next(reader, &mut unit, self.jsonl.is_none()) {
                Ok(0) => return Ok(()),
                Ok(lines) => number += lines,
                Err(wrong) => {
                    let line = number + 1 + memchr::memchr_iter(b'\n', &unit).count() as u64;
                    return Err(wrong.failure(name, line, packing));
                }
            }
            self.unit(name, number, &unit)?;
            if self.progress.is_due() {
                self.sum();
                self.progress.show(self.lines, self.read + bytes.get(), self.found());
            }
        }
    }

    /// One line, or the lines of one key in PEM.
    fn unit(&mut self, name: &str, number: u64, unit: &[u8]) -> Result<(), Failure> {
        let text = unit.strip_suffix(b"\n").unwrap_or(unit);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let end = &unit[text.len()..];
        let written = if let Some((id, key)) = self.jsonl.clone() {
            if text.iter().all(u8::is_ascii_whitespace) {
                return Ok(());
            }
            let line = self.object(text, &id, &key).ok_or_else(|| {
                Failure::failed(format!(
                    "{name}:{number}: expected a JSON object with the keys {id} and {key}"
                ))
            })?;
            writeln!(self.out, "{line}")
        } else {
            let text = String::from_utf8_lossy(text);
            let clean = self.scrub(&text);
            self.out.write_all(clean.as_bytes()).and_then(|()| self.out.write_all(end))
        };
        self.lines += 1;
        if self.lines.is_multiple_of(SUM_EVERY) {
            self.sum();
        }
        written.map_err(|error| Failure::io("stdout", &error))
    }

    fn scrub<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        self.scrubber.scrub_with(&mut self.scratch, text, "", None, Some(&mut self.tally))
    }

    fn object(&mut self, line: &[u8], id: &str, key: &str) -> Option<Value> {
        let mut object: serde_json::Map<String, Value> = serde_json::from_slice(line).ok()?;
        let (name, value) = (object.remove(id)?, object.remove(key)?);
        let clean = match value {
            Value::Null => Value::Null,
            Value::String(text) => Value::String(self.scrub(&text).into_owned()),
            other => {
                let text = other.to_string();
                match self.scrub(&text) {
                    Cow::Borrowed(_) => other,
                    Cow::Owned(clean) => Value::String(clean),
                }
            }
        };
        object.clear();
        object.insert(id.into(), name);
        object.insert(key.into(), clean);
        Some(Value::Object(object))
    }

    fn sum(&mut self) {
        for (kind, action, count) in self.tally.drain(self.scrubber) {
            *self.counts.entry((kind.to_owned(), action)).or_default() += u64::from(count);
        }
    }

    fn found(&self) -> u64 {
        self.counts.values().sum()
    }
}

enum Wrong {
    Read(io::Error),
    Long,
}

impl Wrong {
    /// `line` is the one that could not be read to its end.
    fn failure(self, name: &str, line: u64, packing: Packing) -> Failure {
        match self {
            Wrong::Long => {
                let bound = limits::REDACT_LINE_BYTES;
                Failure::failed(format!("{name}:{line}: longer than {bound} bytes"))
            }
            Wrong::Read(error) if packing == Packing::None => Failure::io(&format!("{name}:{line}"), &error),
            // What was unpacked of this line is left out: half a value could not be told for one.
            Wrong::Read(error) => {
                let packing = packing.as_str();
                Failure::failed(format!(
                    "{name}:{line}: expected {packing} data, but it ends early or is damaged here ({error}); \
                     all whole lines before are written; `{packing} -t` tests the file"
                ))
            }
        }
    }
}

/// Reads one line, with its end; a private key in PEM as a whole if `blocks`. Answers how many lines.
fn next(reader: &mut impl BufRead, unit: &mut Vec<u8>, blocks: bool) -> Result<u64, Wrong> {
    let mut line = |unit: &mut Vec<u8>| {
        let room = (limits::REDACT_LINE_BYTES + 1).saturating_sub(unit.len());
        let read = reader.by_ref().take(room as u64).read_until(b'\n', unit).map_err(Wrong::Read)?;
        if unit.len() > limits::REDACT_LINE_BYTES { Err(Wrong::Long) } else { Ok(read) }
    };
    if line(unit)? == 0 {
        return Ok(0);
    }
    let mut lines = 1;
    if blocks && opens_key(unit) {
        while unit.len() < limits::REDACT_BLOCK_BYTES {
            let before = unit.len();
            if line(unit)? == 0 {
                break;
            }
            lines += 1;
            if memchr::memmem::find(&unit[before..], b"-----END ").is_some() {
                break;
            }
        }
    }
    Ok(lines)
}

/// Whether a private key begins in a line and does not end in it.
fn opens_key(line: &[u8]) -> bool {
    memchr::memmem::rfind(line, b"-----BEGIN ").is_some_and(|at| {
        let rest = &line[at..];
        memchr::memmem::find(rest, b"PRIVATE KEY").is_some()
            && memchr::memmem::find(rest, b"-----END ").is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::Settings;

    fn redact(input: &[u8], jsonl: Option<(&str, &str)>) -> (Result<(), Failure>, String, u64) {
        let scrubber = Scrubber::new(&Settings::default()).unwrap();
        let mut out = Vec::new();
        let jsonl = jsonl.map(|(id, text)| (id.to_owned(), text.to_owned()));
        let mut redactor = Redactor::new(&scrubber, jsonl, &mut out);
        let result = redactor.all("test", input);
        let found = redactor.found();
        (result, String::from_utf8(out).unwrap(), found)
    }

    /// Scenario: lines with other ends, bad UTF-8, no end at all. Guarantee: only values change.
    #[test]
    fn line_ends_stay() {
        let (result, text, found) =
            redact(b"to a.b@example.com\r\n\xff plain\n\nlast jane@example.org", None);
        assert_eq!(result, Ok(()));
        assert_eq!(text, "to [EMAIL]\r\n\u{fffd} plain\n\nlast [EMAIL]");
        assert_eq!(found, 2);
    }

    /// Scenario: a private key over many lines between others. Guarantee: none of its lines stays.
    #[test]
    fn a_key_in_pem_goes_as_a_whole() {
        let input = b"before\nkey -----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nq83vEjRWeJ\n-----END PRIVATE KEY-----\nafter\n";
        let (_, text, found) = redact(input, None);
        assert!(!text.contains("MIIEow") && !text.contains("q83v"), "{text}");
        assert!(text.starts_with("before\n") && text.ends_with("\nafter\n") && found == 1, "{text}");
    }

    /// Scenario: JSON lines, good and bad. Guarantee: the two keys alone come out; a bad line is named, not shown.
    #[test]
    fn json_lines_keep_their_id() {
        let good = br#"{"id":7,"text":"to a@example.com","more":"b@example.com"}"#;
        let (result, text, _) = redact(good, Some(("id", "text")));
        assert_eq!((result, text.as_str()), (Ok(()), "{\"id\":7,\"text\":\"to [EMAIL]\"}\n"));
        let (result, _, _) =
            redact(b"{\"id\":1,\"text\":null}\n{\"id\":\"secret@example.com\"}", Some(("id", "text")));
        let error = result.unwrap_err().text;
        assert!(error.contains("test:2") && !error.contains("secret"), "{error}");
    }

    /// Scenario: packed lines, whole and cut within a value. Guarantee: whole lines are scrubbed and written;
    /// of the last one, which could not be read to its end, nothing comes out; the error names its line.
    #[test]
    fn packed_lines_are_read() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        for text in ["to a@example.com\nplain\n", "to jane@exam", "ple.com\n"] {
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.flush().unwrap();
        }
        let packed = encoder.finish().unwrap();
        let (result, text, found) = redact(&packed, None);
        assert_eq!((result, text.as_str(), found), (Ok(()), "to [EMAIL]\nplain\nto [EMAIL]\n", 2));
        let (result, text, found) = redact(&packed[..packed.len() - 12], None);
        assert_eq!((text.as_str(), found), ("to [EMAIL]\nplain\n", 1));
        let error = result.unwrap_err().text;
        assert!(error.starts_with("test:3: expected zstd data") && !error.contains("jane"), "{error}");
    }
}
