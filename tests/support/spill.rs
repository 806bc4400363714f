//! What the tests of spills share: a disk that fails on demand, and small helpers.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use weir::error::Result;
use weir::session::Session;
use weir::spill::local::{FileOps, Space, SystemOps};
use weir::spill::{Spill, SpillBackend, SpillConfig, SpillOptions, SpillStore, SpillWriter};
use weir::store::Settings;

use super::{SeededRandom, now};

/// A file operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileOp {
    Create,
    Reopen,
    Append,
    Close,
    Open,
    Read,
    Remove,
    Space,
}

#[derive(Debug, Default)]
struct Script {
    /// What the next operations of a kind answer; `None`: they succeed.
    next: BTreeMap<FileOp, VecDeque<Option<Errno>>>,
    counts: BTreeMap<FileOp, u64>,
    /// Names of files that could not be removed, and are there.
    stuck: Vec<String>,
    space: Option<Space>,
}

/// The system's file operations, failing by script or by chance.
#[derive(Debug, Default)]
pub struct FaultyOps {
    script: Mutex<Script>,
    /// Of 1,000 operations, so many fail.
    per_mille: AtomicU64,
    chance: Mutex<Option<SeededRandom>>,
    /// Writes take, and reads give, at most so much at once; 0: no limit.
    pub piece: AtomicU64,
}

impl FaultyOps {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Faults and short transfers by chance.
    pub fn by_chance(seed: u64, per_mille: u64) -> Arc<Self> {
        let ops = Self::default();
        *ops.chance.lock().unwrap() = Some(SeededRandom::new(seed));
        ops.per_mille.store(per_mille, Ordering::Relaxed);
        Arc::new(ops)
    }

    /// The next operations of this kind fail so.
    pub fn fail(&self, op: FileOp, errors: &[Errno]) {
        self.script.lock().unwrap().next.entry(op).or_default().extend(errors.iter().copied().map(Some));
    }

    /// The next `count` operations of this kind that are not scripted yet succeed.
    pub fn pass(&self, op: FileOp, count: usize) {
        self.script.lock().unwrap().next.entry(op).or_default().extend(std::iter::repeat_n(None, count));
    }

    /// From now on the disk has this room; `None`: what it has.
    pub fn set_space(&self, space: Option<Space>) {
        self.script.lock().unwrap().space = space;
    }

    /// From now on nothing fails by chance.
    pub fn heal(&self) {
        self.per_mille.store(0, Ordering::Relaxed);
    }

    /// How often the operation was called.
    pub fn count(&self, op: FileOp) -> u64 {
        self.script.lock().unwrap().counts.get(&op).copied().unwrap_or(0)
    }

    /// Files that are there although they were removed.
    pub fn stuck(&self) -> Vec<String> {
        self.script.lock().unwrap().stuck.clone()
    }

    fn check(&self, op: FileOp) -> io::Result<()> {
        let mut script = self.script.lock().unwrap();
        *script.counts.entry(op).or_default() += 1;
        if let Some(next) = script.next.get_mut(&op).and_then(VecDeque::pop_front) {
            return next.map_or(Ok(()), |errno| Err(errno.into()));
        }
        let chance = self.chance.lock().unwrap();
        match &*chance {
            Some(chance) if chance.chance(self.per_mille.load(Ordering::Relaxed)) => {
                Err((*chance.pick(&[Errno::NOSPC, Errno::IO, Errno::ACCESS])).into())
            }
            _ => Ok(()),
        }
    }

    /// How much of `len` is transferred at once.
    fn piece(&self, len: usize) -> usize {
        let most = match self.piece.load(Ordering::Relaxed) {
            0 => len,
            most => len.min(most as usize),
        };
        match &*self.chance.lock().unwrap() {
            Some(chance) if most > 1 && chance.chance(200) => 1 + chance.below(most as u64 - 1) as usize,
            _ => most,
        }
    }
}

impl FileOps for FaultyOps {
    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
        self.check(FileOp::Create)?;
        SystemOps.create(dir, name)
    }

    fn reopen(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
        self.check(FileOp::Reopen)?;
        SystemOps.reopen(dir, name)
    }

    fn append(&self, file: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.check(FileOp::Append)?;
        let all = parts.iter().map(|part| part.len()).sum();
        let piece = self.piece(all);
        if piece == all {
            return SystemOps.append(file, parts);
        }
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| &part[..part.len().min(piece)]);
        SystemOps.append(file, &[IoSlice::new(first)])
    }

    fn close(&self, file: OwnedFd) -> io::Result<()> {
        // It is closed also where that fails.
        let outcome = SystemOps.close(file);
        self.check(FileOp::Close).and(outcome)
    }

    fn open(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
        self.check(FileOp::Open)?;
        SystemOps.open(dir, name)
    }

    fn read_at(&self, file: BorrowedFd<'_>, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.check(FileOp::Read)?;
        let piece = self.piece(out.len());
        SystemOps.read_at(file, offset, &mut out[..piece])
    }

    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let outcome = self.check(FileOp::Remove);
        let stuck = &mut self.script.lock().unwrap().stuck;
        stuck.retain(|known| known != name);
        if outcome.is_err() {
            stuck.push(name.to_owned());
            return outcome;
        }
        SystemOps.remove(dir, name)
    }

    fn free_space(&self, dir: BorrowedFd<'_>) -> io::Result<Space> {
        self.check(FileOp::Space)?;
        let space = self.script.lock().unwrap().space;
        space.map_or_else(|| SystemOps.free_space(dir), Ok)
    }
}

pub fn session() -> Arc<Session> {
    Session::new(Settings::default()).unwrap()
}

/// A local store's options: no floor, so that the machine's disk does not matter.
pub fn local(base: &Path) -> SpillConfig {
    SpillConfig { backend: SpillBackend::Local { directory: Some(base.to_owned()) }, min_free_bytes: Some(0), ..SpillConfig::default() }
}

pub fn tiered(base: &Path, memory_bytes: u64) -> SpillConfig {
    SpillConfig { backend: SpillBackend::Tiered { directory: Some(base.to_owned()), memory_bytes }, ..local(base) }
}

pub fn memory() -> SpillConfig {
    SpillConfig { backend: SpillBackend::Memory, ..SpillConfig::default() }
}

pub fn begin(store: &SpillStore) -> SpillWriter {
    store.begin(SpillOptions::default()).unwrap()
}

/// A finished spill of `data`.
pub fn spill(store: &SpillStore, data: &[u8]) -> Result<Spill> {
    let mut writer = begin(store);
    now(writer.write(data))?;
    now(writer.finish())
}

/// All bytes of a spill.
pub fn read(spill: &Spill) -> Result<Vec<u8>> {
    let mut out = vec![0; spill.len() as usize + 1];
    let len = now(spill.read_at(0, &mut out))?;
    out.truncate(len);
    Ok(out)
}

/// Bytes that differ wherever one looks.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let random = SeededRandom::new(seed);
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend_from_slice(&random.next_u64().to_le_bytes());
    }
    out.truncate(len);
    out
}

/// The files two levels below `base`, with their sizes.
pub fn files(base: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    for dir in directories(base) {
        for file in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            // One that is removed meanwhile is none.
            if let Ok(metadata) = file.metadata() {
                files.push((file.path(), metadata.len()));
            }
        }
    }
    files
}

/// What is directly in `base`.
pub fn directories(base: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

pub fn sum(files: &[(PathBuf, u64)]) -> u64 {
    files.iter().map(|(_, size)| size).sum()
}
