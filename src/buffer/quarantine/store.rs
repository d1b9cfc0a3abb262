//! The files of the quarantine.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{Error, Reason};
use crate::{
    batch::{Batch, Clean, Signal, TenantId},
    buffer::{
        disk::{Disk, Lock, RealDisk},
        now_nanos,
        record::Header,
        segment::{self, HEAD_BYTES, Scanner, Step},
        settings::Settings,
    },
    limits,
};

/// Names one item, also for another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId {
    sequence: u64,
    time_unix_nano: u64,
}

/// One rejected batch.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its name.
    pub id: ItemId,
    /// Why it was rejected.
    pub reason: Reason,
    /// When, in unix nanoseconds.
    pub time_unix_nano: u64,
    /// The policy it was held against.
    pub epoch: u32,
    /// The data, scrubbed; its tenant is [`TenantId::NONE`] where none was well formed.
    pub batch: Batch<Clean>,
}

/// What is kept of one tenant, reason and signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// As it was declared; [`TenantId::NONE`] where it was not well formed.
    pub tenant: TenantId,
    /// Why it was rejected.
    pub reason: Reason,
    /// Of which signal.
    pub signal: Signal,
    /// Batches.
    pub batches: u64,
    /// Log records, spans, data points.
    pub items: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When the oldest was rejected, in unix nanoseconds.
    pub first_unix_nano: u64,
    /// When the newest was rejected, in unix nanoseconds.
    pub last_unix_nano: u64,
}

/// Which items are meant; a part that is none means any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// This tenant, as declared.
    pub tenant: Option<TenantId>,
    /// This reason.
    pub reason: Option<Reason>,
    /// This signal.
    pub signal: Option<Signal>,
    /// Rejected before this time, in unix nanoseconds.
    pub before_unix_nano: Option<u64>,
}

impl Filter {
    fn matches(&self, header: &Header) -> bool {
        self.tenant.is_none_or(|t| t == header.tenant)
            && self.reason.is_none_or(|r| r == Reason::from_code(header.reason))
            && self.signal.is_none_or(|s| s == header.signal)
            && self.before_unix_nano.is_none_or(|t| header.time_unix_nano < t)
    }
}

/// The quarantine of a directory, for listing, replay and purge beside a running gate or without one.
pub struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    max_bytes: u64,
    pub(super) max_age: Duration,
    /// Base and length of the segment that this process last wrote.
    active: Option<(u64, u64)>,
    next_sequence: u64,
}

impl Store {
    /// Opens the quarantine in `settings.directory`.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(settings: &Settings) -> Result<Store, Error> {
        Store::open_on(Arc::new(RealDisk), settings)
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(disk: Arc<dyn Disk>, settings: &Settings) -> Result<Store, Error> {
        let dir = settings.directory.join("quarantine");
        disk.create_dir(&dir).map_err(|e| Error::io("make the quarantine's directory", &dir, e))?;
        disk.sync_dir(&settings.directory).map_err(|e| Error::io("sync", &settings.directory, e))?;
        let (max_bytes, max_age) = (settings.quarantine.max_bytes, settings.quarantine.max_age);
        Ok(Store { disk, dir, max_bytes, max_age, active: None, next_sequence: 1 })
    }

    /// Everything that is kept, by tenant, reason and signal.
    ///
    /// # Errors
    /// The disk's.
    pub fn list(&self) -> io::Result<Vec<Group>> {
        let mut groups: BTreeMap<(TenantId, Reason, Signal), Group> = BTreeMap::new();
        self.scan(|_, header| {
            let key = (header.tenant, Reason::from_code(header.reason), header.signal);
            if groups.len() >= limits::QUARANTINE_GROUPS && !groups.contains_key(&key) {
                return;
            }
            let group = groups.entry(key).or_insert(Group {
                tenant: key.0,
                reason: key.1,
                signal: key.2,
                batches: 0,
                items: 0,
                bytes: 0,
                first_unix_nano: header.time_unix_nano,
                last_unix_nano: header.time_unix_nano,
            });
            group.batches += 1;
            group.items += u64::from(header.items);
            group.bytes += header.record_bytes();
            group.first_unix_nano = group.first_unix_nano.min(header.time_unix_nano);
            group.last_unix_nano = group.last_unix_nano.max(header.time_unix_nano);
        })?;
        Ok(groups.into_values().collect())
    }

    /// The items that a filter means, oldest first. Damaged ones are passed over.
    ///
    /// # Errors
    /// The disk's.
    pub fn iter(&self, filter: Filter) -> io::Result<Items<'_>> {
        let bases = segment::bases(&*self.disk, &self.dir)?;
        Ok(Items { store: self, filter, bases: bases.into_iter(), scanner: None })
    }

    /// Removes the items that a filter means. Returns how many batches.
    ///
    /// # Errors
    /// The disk's; some may be removed.
    pub fn purge(&mut self, filter: &Filter) -> io::Result<u64> {
        self.remove_where(|header| filter.matches(header))
    }

    /// Removes these items: after a replay. Returns how many batches.
    ///
    /// # Errors
    /// The disk's; some may be removed.
    pub fn remove(&mut self, ids: &[ItemId]) -> io::Result<u64> {
        let ids: std::collections::HashSet<_> = ids.iter().copied().collect();
        self.remove_where(|header| ids.contains(&id_of(header)))
    }

    /// Gives each item that a filter means to `send`, and removes those for which it says true,
    /// segment by segment. Returns sent and not sent.
    ///
    /// # Errors
    /// The disk's; items that were sent may still be there.
    pub fn replay(&mut self, filter: Filter, mut send: impl FnMut(&Item) -> bool) -> io::Result<(u64, u64)> {
        let (mut sent, mut kept) = (0, 0);
        let mut gone = Vec::new();
        let bases = segment::bases(&*self.disk, &self.dir)?;
        for base in bases {
            for item in (Items { store: self, filter, bases: vec![base].into_iter(), scanner: None }) {
                let item = item?;
                if send(&item) {
                    sent += 1;
                    gone.push(item.id);
                } else {
                    kept += 1;
                }
            }
            if !gone.is_empty() {
                self.remove(&gone)?;
                gone.clear();
            }
        }
        Ok((sent, kept))
    }

    fn lock(&self) -> io::Result<Lock> {
        self.disk.lock(&self.dir.join("lock"), true)
    }

    /// A sixteenth of the whole, so that dropping the oldest drops little.
    fn segment_bytes(&self) -> u64 {
        (self.max_bytes / 16).clamp(4096, 16 << 20)
    }

    /// Writes rejected batches, durably.
    pub(super) fn append(&mut self, items: &[(&Batch<Clean>, Reason, u32)]) -> io::Result<()> {
        let _lock = self.lock()?;
        let result = self.append_locked(items);
        if result.is_err() {
            // What its tail holds is not known: the next group begins a new one.
            self.active = None;
        }
        result
    }

    fn append_locked(&mut self, items: &[(&Batch<Clean>, Reason, u32)]) -> io::Result<()> {
        let now = now_nanos();
        let mut at = 0;
        while at < items.len() {
            let (file, salt, base, len) = match self.reopen()? {
                Some(open) => open,
                None => self.begin()?,
            };
            // At least one record; more while the segment has room.
            let mut end = len;
            let mut headers = Vec::new();
            for (batch, reason, epoch) in &items[at..] {
                let header = Header::of(batch, self.next_sequence, *epoch, reason.code(), now);
                if !headers.is_empty() && end + header.record_bytes() > self.segment_bytes() {
                    break;
                }
                end += header.record_bytes();
                self.next_sequence += 1;
                headers.push(header);
            }
            let heads: Vec<_> = headers.iter().map(|h| h.encode(salt)).collect();
            let mut parts = Vec::new();
            for (head, (batch, ..)) in heads.iter().zip(&items[at..]) {
                parts.push(IoSlice::new(head));
                parts.push(IoSlice::new(&batch.bytes));
            }
            file.append(&mut parts)?;
            file.sync()?;
            self.active = (end < self.segment_bytes()).then_some((base, end));
            at += headers.len();
        }
        Ok(())
    }

    /// The segment last written, if it is still as this process left it.
    fn reopen(&self) -> io::Result<Option<Open>> {
        let Some((base, len)) = self.active else { return Ok(None) };
        match Scanner::open(&*self.disk, &self.dir, base) {
            Ok(Some(s)) if s.file().size()? == len => Ok(Some((Arc::clone(s.file()), s.salt(), base, len))),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn begin(&mut self) -> io::Result<Open> {
        self.tidy_locked(self.segment_bytes())?;
        if let Some(newest) = segment::bases(&*self.disk, &self.dir)?.last() {
            let last = last_record(&*self.disk, &self.dir, *newest)?.map_or(*newest, |h| h.sequence);
            self.next_sequence = self.next_sequence.max(last + 1);
        }
        let base = self.next_sequence;
        let (file, salt) = segment::create(&*self.disk, &self.dir, base)?;
        Ok((file, salt, base, HEAD_BYTES))
    }

    /// Drops what is too old or too much.
    pub(super) fn tidy(&mut self) -> io::Result<()> {
        let _lock = self.lock()?;
        self.tidy_locked(0)
    }

    /// The same, so that `room` bytes more fit.
    fn tidy_locked(&mut self, room: u64) -> io::Result<()> {
        for name in self.disk.list(&self.dir)? {
            if name.ends_with(".new") {
                self.disk.remove(&self.dir.join(name))?;
            }
        }
        let oldest = now_nanos().saturating_sub(u64::try_from(self.max_age.as_nanos()).unwrap_or(u64::MAX));
        let mut segments = Vec::new();
        for base in segment::bases(&*self.disk, &self.dir)? {
            let path = segment::path(&self.dir, base);
            let last = last_record(&*self.disk, &self.dir, base)?;
            if last.is_none_or(|h| h.time_unix_nano < oldest) {
                self.disk.remove(&path)?;
            } else {
                segments.push((path.clone(), self.disk.open(&path)?.size()?));
            }
        }
        let mut total: u64 = segments.iter().map(|(_, size)| size).sum();
        for (path, size) in segments {
            if total + room <= self.max_bytes {
                break;
            }
            self.disk.remove(&path)?;
            total -= size;
        }
        Ok(())
    }

    fn remove_where(&mut self, matches: impl Fn(&Header) -> bool) -> io::Result<u64> {
        let _lock = self.lock()?;
        let mut removed = 0;
        for base in segment::bases(&*self.disk, &self.dir)? {
            let (mut gone, mut kept) = (0, 0);
            scan_one(&*self.disk, &self.dir, base, |_, header| {
                if matches(header) {
                    gone += 1
                } else {
                    kept += 1
                }
                Ok(())
            })?;
            if gone == 0 {
                continue;
            }
            let path = segment::path(&self.dir, base);
            if kept == 0 {
                self.disk.remove(&path)?;
            } else {
                let aside = path.with_extension("new");
                let (file, salt) = segment::create_at(&*self.disk, &aside, base)?;
                scan_one(&*self.disk, &self.dir, base, |scanner, header| {
                    if matches(header) {
                        return Ok(());
                    }
                    let payload = scanner.payload(header)?;
                    file.append(&mut [IoSlice::new(&header.encode(salt)), IoSlice::new(&payload)])
                })?;
                file.sync()?;
                self.disk.rename(&aside, &path)?;
            }
            removed += gone;
        }
        self.disk.sync_dir(&self.dir)?;
        Ok(removed)
    }

    fn scan(&self, mut each: impl FnMut(&Scanner, &Header)) -> io::Result<()> {
        for base in segment::bases(&*self.disk, &self.dir)? {
            scan_one(&*self.disk, &self.dir, base, |scanner, header| {
                each(scanner, header);
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// A file that can be appended to: file, salt, base, length.
type Open = (Arc<dyn crate::buffer::disk::DiskFile>, u32, u64, u64);

fn id_of(header: &Header) -> ItemId {
    ItemId { sequence: header.sequence, time_unix_nano: header.time_unix_nano }
}

/// Opens a segment that another process may take away at any time.
fn open(disk: &dyn Disk, dir: &Path, base: u64) -> io::Result<Option<Scanner>> {
    match Scanner::open(disk, dir, base) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result,
    }
}

fn scan_one(
    disk: &dyn Disk,
    dir: &Path,
    base: u64,
    mut each: impl FnMut(&Scanner, &Header) -> io::Result<()>,
) -> io::Result<()> {
    let Some(mut scanner) = open(disk, dir, base)? else { return Ok(()) };
    let size = scanner.file().size()?;
    loop {
        match scanner.peek(size)? {
            Step::End => return Ok(()),
            Step::Damaged { to, .. } => scanner.pass_to(to),
            Step::Record(header) => {
                each(&scanner, &header)?;
                scanner.pass(&header);
            }
        }
    }
}

fn last_record(disk: &dyn Disk, dir: &Path, base: u64) -> io::Result<Option<Header>> {
    let mut last = None;
    scan_one(disk, dir, base, |_, header| {
        last = Some(*header);
        Ok(())
    })?;
    Ok(last)
}

/// Items one after the other; see [`Store::iter`].
pub struct Items<'a> {
    store: &'a Store,
    filter: Filter,
    bases: std::vec::IntoIter<u64>,
    scanner: Option<(Scanner, u64)>,
}

impl Items<'_> {
    fn step(&mut self) -> io::Result<Option<Item>> {
        loop {
            let Some((scanner, size)) = &mut self.scanner else {
                let Some(base) = self.bases.next() else { return Ok(None) };
                if let Some(scanner) = open(&*self.store.disk, &self.store.dir, base)? {
                    let size = scanner.file().size()?;
                    self.scanner = Some((scanner, size));
                }
                continue;
            };
            match scanner.peek(*size)? {
                Step::End => self.scanner = None,
                Step::Damaged { to, .. } => scanner.pass_to(to),
                Step::Record(header) => {
                    let wanted = self.filter.matches(&header);
                    let payload = wanted.then(|| scanner.payload(&header)).transpose()?;
                    scanner.pass(&header);
                    if let Some(batch) = payload.and_then(|p| header.batch(p)) {
                        return Ok(Some(Item {
                            id: id_of(&header),
                            reason: Reason::from_code(header.reason),
                            time_unix_nano: header.time_unix_nano,
                            epoch: header.epoch,
                            batch,
                        }));
                    }
                }
            }
        }
    }
}

impl Iterator for Items<'_> {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            // An error ends it, so that nobody turns on the same place for ever.
            self.scanner = None;
            self.bases = Vec::new().into_iter();
        }
        step.transpose()
    }
}
