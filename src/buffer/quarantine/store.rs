//! The files of the quarantine.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Error, Reason,
    items::{Filter, Group, Item, ItemId, Items, Unread, id_of},
    seal::{self, Keys},
};
use crate::{
    batch::{Batch, Clean, Signal, TenantId},
    buffer::{
        disk::{Disk, Lock, RealDisk},
        now_nanos,
        record::{HEADER_BYTES, Header},
        segment::{self, HEAD_BYTES, Scanner, Step},
        settings::Settings,
    },
    limits,
};

/// How a replay went, in batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Sent and removed.
    pub sent: u64,
    /// Not taken: still there.
    pub kept: u64,
    /// Not to be decrypted: still there.
    pub unread: Unread,
}

/// The quarantine of a directory, for listing, replay and purge beside a running gate or without one.
pub struct Store {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) keys: Keys,
    pub(super) max_bytes: u64,
    /// What one tenant may hold while room is needed for others, in bytes.
    pub(super) tenant_bytes: u64,
    pub(super) max_age: Duration,
    /// Base and length of the segment that this process last wrote.
    active: Option<(u64, u64)>,
    next_sequence: u64,
}

impl Store {
    /// Opens the quarantine in `settings.directory`.
    ///
    /// # Errors
    /// The directory cannot be made; a key file cannot be read or holds no key.
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
        let quarantine = &settings.quarantine;
        Ok(Store {
            disk,
            dir,
            keys: Keys::load(quarantine)?,
            max_bytes: quarantine.max_bytes,
            tenant_bytes: (quarantine.max_bytes as f64 * quarantine.tenant_share) as u64,
            max_age: quarantine.max_age,
            active: None,
            next_sequence: 1,
        })
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

    /// The items that a filter means, oldest first. Damaged ones are passed over; so are those that cannot be
    /// decrypted, which [`Items::unread`] counts.
    ///
    /// # Errors
    /// The disk's.
    pub fn iter(&self, filter: Filter) -> io::Result<Items<'_>> {
        Ok(Items::new(self, filter, segment::bases(&*self.disk, &self.dir)?))
    }

    /// How many log records, spans and data points a filter means, also of those that cannot be decrypted.
    ///
    /// # Errors
    /// The disk's.
    pub fn count(&self, filter: Filter) -> io::Result<u64> {
        let mut items = 0;
        self.scan(|_, header| {
            if filter.matches(header) {
                items += u64::from(header.items);
            }
        })?;
        Ok(items)
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
    /// segment by segment.
    ///
    /// # Errors
    /// The disk's; items that were sent may still be there.
    pub fn replay(&mut self, filter: Filter, mut send: impl FnMut(&Item) -> bool) -> io::Result<Replayed> {
        let mut done = Replayed::default();
        let mut gone = Vec::new();
        let bases = segment::bases(&*self.disk, &self.dir)?;
        for base in bases {
            let mut items = Items::new(self, filter, vec![base]);
            while let Some(item) = items.next().transpose()? {
                if send(&item) {
                    done.sent += 1;
                    gone.push(item.id);
                } else {
                    done.kept += 1;
                }
            }
            done.unread += items.unread();
            if !gone.is_empty() {
                self.remove(&gone)?;
                gone.clear();
            }
        }
        Ok(done)
    }

    pub(super) fn lock(&self) -> io::Result<Lock> {
        self.disk.lock(&self.dir.join("lock"), true)
    }

    /// A sixteenth of the whole, so that dropping the oldest drops little.
    pub(super) fn segment_bytes(&self) -> u64 {
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
            let first = (HEADER_BYTES + items[at].0.bytes.len() + seal::OVERHEAD_BYTES) as u64;
            let (file, salt, base, len) = match self.reopen()? {
                Some(open) if open.3 + first <= self.segment_bytes() => open,
                _ => self.begin(first)?,
            };
            // At least one record; more while the segment has room.
            let mut end = len;
            let mut headers = Vec::new();
            let mut sealed = Vec::new();
            for (batch, reason, epoch) in &items[at..] {
                let mut header = Header::of(batch, self.next_sequence, *epoch, reason.code(), now);
                let payload = self.keys.seal(&mut header, &batch.bytes)?;
                if !headers.is_empty() && end + header.record_bytes() > self.segment_bytes() {
                    break;
                }
                end += header.record_bytes();
                self.next_sequence += 1;
                headers.push(header);
                sealed.push(payload);
            }
            let heads: Vec<_> = headers.iter().map(|h| h.encode(salt)).collect();
            let mut parts = Vec::new();
            for ((head, sealed), (batch, ..)) in heads.iter().zip(&sealed).zip(&items[at..]) {
                parts.push(IoSlice::new(head));
                parts.push(IoSlice::new(sealed.as_deref().unwrap_or(&batch.bytes)));
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

    fn begin(&mut self, first: u64) -> io::Result<Open> {
        self.tidy_locked(self.segment_bytes().max(HEAD_BYTES + first))?;
        if let Some(newest) = segment::bases(&*self.disk, &self.dir)?.last() {
            let last = last_record(&*self.disk, &self.dir, *newest)?.map_or(*newest, |h| h.sequence);
            self.next_sequence = self.next_sequence.max(last + 1);
        }
        let base = self.next_sequence;
        let (file, salt) = segment::create(&*self.disk, &self.dir, base)?;
        Ok((file, salt, base, HEAD_BYTES))
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

/// Opens a segment that another process may take away at any time.
pub(super) fn open(disk: &dyn Disk, dir: &Path, base: u64) -> io::Result<Option<Scanner>> {
    match Scanner::open(disk, dir, base) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result,
    }
}

pub(super) fn scan_one(
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

pub(super) fn last_record(disk: &dyn Disk, dir: &Path, base: u64) -> io::Result<Option<Header>> {
    let mut last = None;
    scan_one(disk, dir, base, |_, header| {
        last = Some(*header);
        Ok(())
    })?;
    Ok(last)
}
