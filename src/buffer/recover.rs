//! Opening a directory that a former run left, however it ended.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::Path,
    sync::Arc,
};

use super::{
    Error, cursor,
    cursor::Cursor,
    disk::Disk,
    lanes::Lanes,
    segment::{self, HEAD_BYTES, Scanner, Step},
    settings::Settings,
    state::{Progress, Segment, State, corrupt_dir, journal_dir},
};

/// The state that the disk tells of, and the sequence to go on with.
///
/// # Errors
/// The directory cannot be made or read.
pub fn recover(disk: &Arc<dyn Disk>, settings: &Settings, readers: &[String]) -> Result<(State, u64), Error> {
    let dir = journal_dir(settings);
    let at = |tried: &'static str| {
        let dir = dir.clone();
        move |e: io::Error| Error::io(tried, &dir, e)
    };
    disk.create_dir(&dir).map_err(at("make the journal's directory"))?;
    // The names of the directories must be as durable as what will be in them.
    disk.sync_dir(&settings.directory).map_err(at("sync the parent of"))?;
    for above in settings.directory.ancestors().skip(1) {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        // Those that were there before may not be ours to open.
        let _ = disk.sync_dir(above);
    }
    let forgotten = cursor::forget_others(&**disk, &dir, readers.iter().map(String::as_str))
        .map_err(at("forget former readers in"))?;
    if forgotten > 0 {
        tracing::info!(readers = forgotten, "readers that are no longer configured were forgotten");
    }
    let mut state = State {
        lanes: Lanes::new(settings.lane_bytes, settings.queue_bytes),
        segments: BTreeMap::new(),
        disk_bytes: 0,
        tenants: HashMap::new(),
        readers: BTreeMap::new(),
        counted: None,
        pressure: false,
        writing: false,
        groups: 0,
        draining: false,
        stop: false,
        stopped: false,
        damaged: HashSet::new(),
        corrupt_records: 0,
        corrupt_bytes: kept_bytes(&**disk, &corrupt_dir(settings)),
        failures: 0,
    };
    let mut next = 1;
    for name in readers {
        let done = match cursor::read(&**disk, &dir, name).map_err(at("read a cursor in"))? {
            Cursor::At(sequence) => sequence,
            Cursor::Missing => 0,
            Cursor::Damaged => {
                tracing::error!(
                    reader = name.as_str(),
                    "its cursor is damaged; it begins again at the oldest record"
                );
                state.corrupt_records += 1;
                0
            }
        };
        next = next.max(done.saturating_add(1));
        let progress = Progress { done, durable: done, ..Progress::default() };
        state.readers.insert(name.clone(), progress);
    }
    let bases = segment::bases(&**disk, &dir).map_err(at("list"))?;
    for (n, &base) in bases.iter().enumerate() {
        // Also past one that is empty, so that no two segments ever share a name: the one may be
        // removed while the other is written.
        next = next.max(base.saturating_add(1));
        let newest = n + 1 == bases.len();
        match scan(&**disk, &dir, base, newest).map_err(at("read a segment in"))? {
            Some(found) => {
                next = next.max(found.last.saturating_add(1));
                state.disk_bytes += found.disk_bytes;
                for (tenant, bytes) in &found.tenants {
                    *state.tenants.entry(*tenant).or_default() += bytes;
                }
                state.segments.insert(base, found);
            }
            None => set_aside(&**disk, settings, &dir, base, &mut state).map_err(at("clear a segment in"))?,
        }
    }
    Ok((state, next))
}

/// Reads the headers of a segment, and of the newest one the payloads too, to find its end.
fn scan(disk: &dyn Disk, dir: &Path, base: u64, newest: bool) -> io::Result<Option<Segment>> {
    let Some(mut scanner) = Scanner::open(disk, dir, base)? else { return Ok(None) };
    let size = scanner.file().size()?;
    let mut segment = Segment { sealed: true, ..Segment::new(base) };
    let mut end = HEAD_BYTES;
    loop {
        match scanner.peek(size)? {
            Step::End => break,
            Step::Damaged { to, .. } => scanner.pass_to(to),
            Step::Record(header) => {
                let sound = !newest || !header.is_data() || header.batch(scanner.payload(&header)?).is_some();
                scanner.pass(&header);
                // A sequence that was once given is never given again, sound or not.
                segment.last = header.sequence;
                if sound {
                    segment.add(&header);
                    end = scanner.offset();
                }
            }
        }
    }
    if newest && end < size {
        tracing::warn!(segment = base, bytes = size - end, "the torn tail of the journal was cut off");
        // Where this fails, the tail is still not read: `len` ends before it.
        let _ = scanner.file().truncate(end).and_then(|()| scanner.file().sync());
    } else {
        end = size;
    }
    segment.len = end;
    segment.disk_bytes = end;
    Ok(Some(segment))
}

/// Takes a file without a head away: an unfinished one is removed, a damaged one kept for a person.
fn set_aside(
    disk: &dyn Disk,
    settings: &Settings,
    dir: &Path,
    base: u64,
    state: &mut State,
) -> io::Result<()> {
    let path = segment::path(dir, base);
    if disk.open(&path)?.size()? <= HEAD_BYTES {
        return disk.remove(&path);
    }
    let aside = corrupt_dir(settings);
    disk.create_dir(&aside)?;
    disk.rename(&path, &aside.join(format!("{base:020}.segment")))?;
    state.corrupt_records += 1;
    metrics::counter!("portcullis_journal_corrupt_records_total").increment(1);
    tracing::error!(segment = base, "a segment's head is damaged; the file was set aside");
    Ok(())
}

fn kept_bytes(disk: &dyn Disk, dir: &Path) -> u64 {
    let names = disk.list(dir).unwrap_or_default();
    names.iter().filter_map(|n| disk.open(&dir.join(n)).ok()?.size().ok()).sum()
}
