//! How room is made: by age, by a tenant's share, by order; and how single records are taken out of a file.

use std::{
    collections::HashMap,
    io::{self, IoSlice},
    path::PathBuf,
    sync::Arc,
};

use super::store::{Store, open, scan_one};
use crate::{
    batch::TenantId,
    buffer::{disk::DiskFile, now_nanos, record::Header, segment},
    limits,
};

/// One file: its name, what it takes, whose it is.
struct Segment {
    base: u64,
    path: PathBuf,
    bytes: u64,
    newest: Option<u64>,
    tenants: HashMap<TenantId, u64>,
}

impl Segment {
    /// What is left at most without what tenants hold too much.
    fn left(&self, over: &HashMap<TenantId, u64>) -> u64 {
        let goes =
            self.tenants.iter().map(|(tenant, held)| over.get(tenant).map_or(0, |over| *over.min(held)));
        self.bytes.saturating_sub(goes.sum())
    }
}

/// What became of one file.
enum Left {
    /// Nothing of it, under its own name.
    Nothing,
    /// So many bytes.
    Bytes(u64),
}

impl Store {
    /// Drops what is too old or too much.
    pub(super) fn tidy(&mut self) -> io::Result<()> {
        let _lock = self.lock()?;
        self.tidy_locked(0)
    }

    /// The same, so that `room` bytes more fit. First what is too old goes; then, of tenants that hold more than
    /// their share, their own oldest; then the oldest of all.
    pub(super) fn tidy_locked(&mut self, room: u64) -> io::Result<()> {
        for name in self.disk.list(&self.dir)? {
            if name.ends_with(".new") {
                self.disk.remove(&self.dir.join(name))?;
            }
        }
        let oldest = now_nanos().saturating_sub(u64::try_from(self.max_age.as_nanos()).unwrap_or(u64::MAX));
        let mut segments = Vec::new();
        for base in segment::bases(&*self.disk, &self.dir)? {
            let segment = self.survey(base)?;
            if segment.newest.is_none_or(|newest| newest < oldest) {
                self.disk.remove(&segment.path)?;
            } else {
                segments.push(segment);
            }
        }
        let mut total: u64 = segments.iter().map(|segment| segment.bytes).sum();
        if total + room > self.max_bytes {
            self.cut_to_share(&mut segments, room)?;
            total = segments.iter().map(|segment| segment.bytes).sum();
        }
        for segment in segments {
            if total + room <= self.max_bytes {
                break;
            }
            self.disk.remove(&segment.path)?;
            total -= segment.bytes;
        }
        Ok(())
    }

    fn survey(&self, base: u64) -> io::Result<Segment> {
        let path = segment::path(&self.dir, base);
        let bytes = self.disk.open(&path)?.size()?;
        let mut segment = Segment { base, path, bytes, newest: None, tenants: HashMap::new() };
        scan_one(&*self.disk, &self.dir, base, |_, header| {
            segment.newest = Some(header.time_unix_nano);
            add(&mut segment.tenants, header.tenant, header.record_bytes());
            Ok(())
        })?;
        Ok(segment)
    }

    /// Takes the oldest records of tenants that hold more than their share, until `room` more fits.
    fn cut_to_share(&self, segments: &mut Vec<Segment>, room: u64) -> io::Result<()> {
        let mut over: HashMap<TenantId, u64> = HashMap::new();
        for segment in segments.iter() {
            segment.tenants.iter().for_each(|(tenant, bytes)| add(&mut over, *tenant, *bytes));
        }
        over.retain(|_, bytes| {
            *bytes = bytes.saturating_sub(self.tenant_bytes);
            *bytes > 0
        });
        let mut at = 0;
        while at < segments.len() && !over.is_empty() {
            let total: u64 = segments.iter().map(|segment| segment.bytes).sum();
            if total + room <= self.max_bytes {
                break;
            }
            if !segments[at].tenants.keys().any(|tenant| over.contains_key(tenant)) {
                at += 1;
                continue;
            }
            // Into the one before, where that has room: many small files would be left otherwise.
            let most = segments[at].left(&over);
            let before = at.checked_sub(1).map(|before| &segments[before]);
            let before = before.filter(|before| before.bytes + most <= self.segment_bytes());
            let before = before.map(|before| before.base);
            let mut goes = |header: &Header| match over.get_mut(&header.tenant) {
                Some(0) | None => false,
                Some(bytes) => {
                    *bytes = bytes.saturating_sub(header.record_bytes());
                    true
                }
            };
            let left = self.rewrite(segments[at].base, before, &mut goes)?;
            over.retain(|_, bytes| *bytes > 0);
            match left {
                Left::Bytes(left) => {
                    segments[at].bytes = left;
                    at += 1;
                }
                Left::Nothing => {
                    segments.remove(at);
                    if before.is_some() {
                        segments[at - 1].bytes = self.disk.open(&segments[at - 1].path)?.size()?;
                    }
                }
            }
        }
        self.disk.sync_dir(&self.dir)
    }

    /// Removes the records for which `matches` says true, and returns how many those were.
    pub(super) fn remove_where(&mut self, matches: impl Fn(&Header) -> bool) -> io::Result<u64> {
        let _lock = self.lock()?;
        // What a crash left behind while files were written anew: copies, of whoever.
        for name in self.disk.list(&self.dir)? {
            if name.ends_with(".new") {
                self.disk.remove(&self.dir.join(name))?;
            }
        }
        let mut removed = 0;
        for base in segment::bases(&*self.disk, &self.dir)? {
            let mut gone = 0;
            scan_one(&*self.disk, &self.dir, base, |_, header| {
                gone += u64::from(matches(header));
                Ok(())
            })?;
            if gone > 0 {
                self.rewrite(base, None, &mut |header| matches(header))?;
                removed += gone;
            }
        }
        self.disk.sync_dir(&self.dir)?;
        Ok(removed)
    }

    /// Writes a file again without the records that go; onto the end of `before` if there is one, whose records
    /// all come earlier. A crash in between leaves some records in both.
    fn rewrite(
        &self,
        base: u64,
        before: Option<u64>,
        goes: &mut dyn FnMut(&Header) -> bool,
    ) -> io::Result<Left> {
        let path = segment::path(&self.dir, base);
        let aside = path.with_extension("new");
        let mut target = None;
        let mut kept = 0;
        scan_one(&*self.disk, &self.dir, base, |scanner, header| {
            if goes(header) {
                return Ok(());
            }
            let (file, salt) = match &target {
                Some(open) => open,
                None => target.insert(match before {
                    Some(before) => self.open_to_append(before)?,
                    None => segment::create_at(&*self.disk, &aside, base)?,
                }),
            };
            let payload = scanner.payload(header)?;
            kept += header.record_bytes();
            file.append(&mut [IoSlice::new(&header.encode(*salt)), IoSlice::new(&payload)])
        })?;
        let Some((file, _)) = target else {
            self.disk.remove(&path)?;
            return Ok(Left::Nothing);
        };
        file.sync()?;
        if before.is_some() {
            self.disk.remove(&path)?;
            return Ok(Left::Nothing);
        }
        self.disk.rename(&aside, &path)?;
        Ok(Left::Bytes(segment::HEAD_BYTES + kept))
    }

    fn open_to_append(&self, base: u64) -> io::Result<(Arc<dyn DiskFile>, u32)> {
        let scanner = open(&*self.disk, &self.dir, base)?;
        let scanner = scanner.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok((Arc::clone(scanner.file()), scanner.salt()))
    }
}

/// Past the bound, further tenants are not told apart: they hold too little to matter.
fn add(tenants: &mut HashMap<TenantId, u64>, tenant: TenantId, bytes: u64) {
    if tenants.len() < limits::QUARANTINE_GROUPS || tenants.contains_key(&tenant) {
        *tenants.entry(tenant).or_default() += bytes;
    }
}
