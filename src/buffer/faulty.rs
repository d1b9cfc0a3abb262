//! A disk in memory that fails, fills up and forgets, for tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IoSlice},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use super::disk::{Disk, DiskFile, Lock};

/// What happens at a chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails; a write does nothing, a sync loses what was not durable.
    Error,
    /// A write does half and fails; another call fails.
    Short,
    /// The disk says that it is full.
    Full,
    /// The call does half, and every later one fails: the process is dead.
    Crash,
}

impl Fault {
    pub const ALL: [Fault; 4] = [Fault::Error, Fault::Short, Fault::Full, Fault::Crash];
}

#[derive(Default)]
struct Inode {
    data: Vec<u8>,
    /// Durable up to here.
    synced: usize,
    /// Said to be durable after a failed sync, and perhaps not.
    lost: Vec<Range<usize>>,
    /// Written over since the last sync: where, and what was there before.
    over: Vec<(usize, Vec<u8>)>,
}

#[derive(Default)]
struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    dead: bool,
    capacity: Option<usize>,
}

/// The disk. Clones are the same one.
#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<World>>);

/// A small generator, so that a seed replays.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

impl FaultyDisk {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// Lets the call after `ahead` others fail.
    pub fn fail_in(&self, ahead: u64, fault: Fault) {
        let mut world = self.world();
        let at = world.calls + ahead + 1;
        world.faults.insert(at, fault);
    }

    /// Whether a crash has happened.
    pub fn dead(&self) -> bool {
        self.world().dead
    }

    /// Takes all faults that have not happened away.
    pub fn heal(&self) {
        self.world().faults.clear();
    }

    /// Room for this many bytes more than there are now; none is endless.
    pub fn set_room(&self, room: Option<usize>) {
        let mut world = self.world();
        world.capacity = room.map(|room| world.used() + room);
    }

    /// Power is lost: what was not durable is there, in part, or not.
    pub fn crash(&self, dice: &mut Dice) {
        let mut world = self.world();
        let world = &mut *world;
        world.dead = false;
        world.faults.clear();
        let all: BTreeSet<PathBuf> = world.names.keys().chain(world.durable_names.keys()).cloned().collect();
        for path in all {
            let source = if dice.below(2) == 0 { &world.names } else { &world.durable_names };
            match source.get(&path).copied() {
                Some(inode) => world.names.insert(path, inode),
                None => world.names.remove(&path),
            };
        }
        world.durable_names = world.names.clone();
        for inode in &mut world.inodes {
            // Each of these writes is there, or not.
            for (at, before) in std::mem::take(&mut inode.over).into_iter().rev() {
                if dice.below(2) == 0 {
                    inode.data[at..at + before.len()].copy_from_slice(&before);
                }
            }
            let tail = inode.data.len() - inode.synced;
            let kept = inode.synced + dice.below(tail + 1);
            inode.data.truncate(kept);
            for range in std::mem::take(&mut inode.lost) {
                if dice.below(2) == 0 && range.start < inode.data.len() {
                    let end = range.end.min(inode.data.len());
                    inode.data[range.start..end].fill(0);
                }
            }
            // Pages of one write reach the disk in any order.
            if kept > inode.synced && dice.below(2) == 0 {
                let hole = inode.synced + dice.below(kept - inode.synced);
                let end = (hole + 1 + dice.below(64)).min(kept);
                inode.data[hole..end].fill(0);
            }
            inode.synced = inode.data.len();
        }
    }

    /// Names of all files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.world().names.keys().cloned().collect()
    }

    /// The content of a file.
    pub fn content(&self, path: &Path) -> Vec<u8> {
        let world = self.world();
        world.inodes[world.names[path]].data.clone()
    }

    /// Puts a content in place, durable.
    pub fn put(&self, path: &Path, data: Vec<u8>) {
        let mut world = self.world();
        let inode = Inode { synced: data.len(), data, lost: Vec::new(), over: Vec::new() };
        world.inodes.push(inode);
        let id = world.inodes.len() - 1;
        world.names.insert(path.to_owned(), id);
        world.durable_names.insert(path.to_owned(), id);
    }

    /// A second disk with the same files.
    pub fn copy(&self) -> FaultyDisk {
        let other = FaultyDisk::default();
        for path in self.files() {
            other.put(&path, self.content(&path));
        }
        other
    }
}

impl World {
    fn used(&self) -> usize {
        self.names.values().map(|inode| self.inodes[*inode].data.len()).sum()
    }

    /// Counts the call, and says what goes wrong with it.
    fn enter(&mut self) -> io::Result<Option<Fault>> {
        if self.dead {
            return Err(io::Error::other("the process is dead"));
        }
        self.calls += 1;
        let fault = self.faults.remove(&self.calls);
        self.dead = fault == Some(Fault::Crash);
        Ok(fault)
    }

    /// The same for a call that does all or nothing.
    fn whole(&mut self) -> io::Result<()> {
        match self.enter()? {
            None => Ok(()),
            Some(fault) => Err(error(fault)),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Full => io::ErrorKind::StorageFull.into(),
        _ => io::Error::other("the disk failed"),
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.world().whole()
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.whole()?;
        world.inodes.push(Inode::default());
        let inode = world.inodes.len() - 1;
        world.names.insert(path.to_owned(), inode);
        Ok(Arc::new(FaultyFile { disk: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.whole()?;
        let inode = world.find(path)?;
        Ok(Arc::new(FaultyFile { disk: self.clone(), inode }))
    }

    fn open_to_overwrite(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut world = self.world();
        world.whole()?;
        let inside = world.names.keys().filter(|p| p.parent() == Some(dir));
        Ok(inside.filter_map(|p| Some(p.file_name()?.to_str()?.to_owned())).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.whole()?;
        let inode = world.find(from)?;
        world.names.remove(from);
        world.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.whole()?;
        world.find(path)?;
        world.names.remove(path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.whole()?;
        let world = &mut *world;
        world.durable_names.retain(|p, _| p.parent() != Some(dir));
        let inside = world.names.iter().filter(|(p, _)| p.parent() == Some(dir));
        world.durable_names.extend(inside.map(|(p, inode)| (p.clone(), *inode)));
        Ok(())
    }

    fn lock(&self, _: &Path, _: bool) -> io::Result<Lock> {
        self.world().whole()?;
        Ok(Lock::none())
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    inode: usize,
}

impl DiskFile for FaultyFile {
    fn append(&self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let all: Vec<u8> = parts.iter().flat_map(|p| p.iter().copied()).collect();
        let mut world = self.disk.world();
        let fault = world.enter()?;
        let room = world.capacity.map_or(usize::MAX, |c| c.saturating_sub(world.used()));
        let written = match fault {
            None => all.len().min(room),
            Some(Fault::Short | Fault::Crash) => (all.len() / 2).min(room),
            Some(_) => 0,
        };
        world.inodes[self.inode].data.extend_from_slice(&all[..written]);
        match fault {
            Some(fault) => Err(error(fault)),
            None if written < all.len() => Err(error(Fault::Full)),
            None => Ok(()),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        let fault = world.enter()?;
        let written = match fault {
            None => bytes.len(),
            Some(Fault::Short | Fault::Crash) => bytes.len() / 2,
            Some(_) => 0,
        };
        let (inode, at) = (&mut world.inodes[self.inode], offset as usize);
        let before = inode.data[at..at + written].to_vec();
        inode.data[at..at + written].copy_from_slice(&bytes[..written]);
        inode.over.push((at, before));
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        let fault = world.enter()?;
        let inode = &mut world.inodes[self.inode];
        match fault {
            Some(Fault::Crash) => return Err(error(Fault::Crash)),
            Some(_) => inode.lost.push(inode.synced..inode.data.len()),
            None => inode.over.clear(),
        }
        // After a failure, too, the system takes the pages for clean: a second try says OK.
        inode.synced = inode.data.len();
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.disk.world();
        world.whole()?;
        let data = &world.inodes[self.inode].data;
        let rest = data.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn size(&self) -> io::Result<u64> {
        let mut world = self.disk.world();
        world.whole()?;
        Ok(world.inodes[self.inode].data.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.whole()?;
        let inode = &mut world.inodes[self.inode];
        inode.data.truncate(len as usize);
        inode.synced = inode.synced.min(inode.data.len());
        Ok(())
    }
}
