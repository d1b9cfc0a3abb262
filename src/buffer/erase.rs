//! The end of a tenant: its records are written over where they stand.
//!
//! A record keeps its place and its length, so that no reader's offset is wrong. Three steps a segment, each durable
//! before the next: the headers say that their data is being destroyed, the data becomes zeros, the headers forget
//! whose it was. After a crash at any point the tenant's headers still find what is left. Damaged places go too:
//! whose they were, nobody can say.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    disk::{Disk, DiskFile},
    record::{ERASED, ERASING, HEADER_BYTES, Header},
    segment::{self, Scanner, Step},
    state::{Shared, corrupt_dir},
};
use crate::batch::TenantId;

/// How long what is on its way to the disk may take to get there.
const SETTLE: Duration = Duration::from_secs(10);
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// What was destroyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Erased {
    /// Records: batches, and marks.
    pub records: u64,
    /// Log records, spans and data points in them.
    pub items: u64,
    /// Bytes, with their headers.
    pub bytes: u64,
}

/// See [`Journal::settle`](super::Journal::settle).
pub(super) fn settle(shared: &Shared, tenant: TenantId, deadline: Duration) -> bool {
    let until = super::deadline(deadline);
    let mut state = shared.lock();
    // Nothing in the lanes, and then the group that is being written, not one behind it.
    let mut group = None;
    loop {
        let waits = state.lanes.bytes_of(tenant) > 0;
        if !waits && (!state.writing || state.groups > *group.get_or_insert(state.groups)) {
            return true;
        }
        if waits {
            group = None;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        state = shared.progress.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |r| r.0);
    }
}

/// See [`Journal::erase`](super::Journal::erase).
pub(super) fn erase(shared: &Shared, tenant: TenantId) -> io::Result<Erased> {
    if !settle(shared, tenant, SETTLE) {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the tenant's data does not stop coming in"));
    }
    // All of them: whose a damaged place is, nobody knows.
    let segments: Vec<(u64, u64, bool)> = {
        let state = shared.lock();
        state.segments.iter().map(|(base, segment)| (*base, segment.len, segment.sealed)).collect()
    };
    let mut erased = Erased::default();
    for (base, len, sealed) in segments {
        let place = Place { disk: &*shared.disk, dir: &shared.dir, base, len, sealed };
        match place.erase(tenant, &mut erased) {
            // All destinations were done with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.inspect_err(|error| shared.failed("erase", error))?,
        }
        let mut state = shared.lock();
        if let Some(segment) = state.segments.get_mut(&base) {
            let bytes = segment.erased(tenant);
            state.give_back(tenant, bytes);
        }
    }
    forget_damaged(&*shared.disk, &corrupt_dir(&shared.settings))?;
    Ok(erased)
}

/// A segment, as far as it is durable.
struct Place<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    base: u64,
    len: u64,
    sealed: bool,
}

impl Place<'_> {
    fn erase(&self, tenant: TenantId, erased: &mut Erased) -> io::Result<()> {
        let (disk, dir, base) = (self.disk, self.dir, self.base);
        let Some(mut scanner) = Scanner::open(disk, dir, base)? else { return Ok(()) };
        let salt = scanner.salt();
        let mut found: Vec<(u64, Header)> = Vec::new();
        let mut damaged = Vec::new();
        loop {
            match scanner.peek(self.len)? {
                Step::End => break,
                Step::Damaged { from, to } => {
                    damaged.push((from, to - from));
                    scanner.pass_to(to);
                }
                Step::Record(header) => {
                    if header.tenant == tenant && header.reason != ERASED {
                        found.push((scanner.offset(), header));
                    }
                    scanner.pass(&header);
                }
            }
        }
        // What a failed write left behind was refused, and is not read.
        let tail = self.sealed && scanner.file().size()? > self.len;
        if found.is_empty() && damaged.is_empty() && !tail {
            return Ok(());
        }
        let file = disk.open_to_overwrite(&segment::path(dir, base))?;
        if tail {
            file.truncate(self.len)?;
        }
        for (at, len) in damaged {
            zero(&*file, at, len)?;
        }
        for (at, header) in &found {
            file.write_at(&Header { reason: ERASING, ..*header }.encode(salt), *at)?;
        }
        file.sync()?;
        for (at, header) in &found {
            zero(&*file, at + HEADER_BYTES as u64, u64::from(header.length))?;
        }
        file.sync()?;
        for (at, header) in &found {
            let blank = Header {
                sequence: header.sequence,
                length: header.length,
                time_unix_nano: header.time_unix_nano,
                reason: ERASED,
                tenant: TenantId::NONE,
                items: 0,
                epoch: 0,
                checksum: 0,
                note: 0,
                ..*header
            };
            file.write_at(&blank.encode(salt), *at)?;
            erased.records += 1;
            erased.items += u64::from(header.items);
            erased.bytes += header.record_bytes();
        }
        file.sync()
    }
}

fn zero(file: &dyn DiskFile, mut at: u64, mut len: u64) -> io::Result<()> {
    while len > 0 {
        let part = len.min(ZEROS.len() as u64);
        file.write_at(&ZEROS[..part as usize], at)?;
        at += part;
        len -= part;
    }
    Ok(())
}

/// Damaged records that were set aside, whoever's they are: that can't be known.
fn forget_damaged(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let names = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names?,
    };
    names.iter().try_for_each(|name| disk.remove(&dir.join(name)))
}
