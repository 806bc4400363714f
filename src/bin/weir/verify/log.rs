//! The entries: each is whole, none is missing, and epochs and generations only rise.

use std::collections::HashMap;

use weir::error::{Error, ErrorKind, Result};
use weir::shard::{ShardPath, layout};
use weir::wal::entry::{Entry, EntryId};
use weir::wal::{TailerOptions, WalTailer, positions};

use super::{Finding, Report};
use crate::exit::Done;
use crate::place::{Place, block_on};
use crate::progress::Progress;

/// After so many failures in a row nothing more is read: the store is not there.
const GIVE_UP: u32 = 8;

/// What the log holds.
#[derive(Default)]
pub struct Totals {
    pub entries: u64,
    pub sentinels: u64,
    pub batches: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Entries without a checksum.
    pub unchecked: u64,
    pub first: Option<u64>,
    pub last: Option<u64>,
    /// The highest epoch of an entry, and where it was first seen.
    pub epoch: Option<(u64, u64)>,
    /// The generations that entries record, in the log's order.
    pub recorded: Vec<Recorded>,
}

/// Entries of one generation that follow each other.
pub struct Recorded {
    pub generation: u64,
    /// The position of the first.
    pub first: u64,
    /// The position of the last that weir wrote; 0: none.
    pub last_own: u64,
}

pub fn check(place: &Place, shard: &ShardPath, report: &mut Report) -> Done {
    let objects = block_on(place.store.list(&shard.wal_dir()))?;
    for object in objects.iter().filter(|object| layout::parse_entry(&object.name).is_none()) {
        let url = place.store.url_of(&format!("{}/{}", shard.wal_dir(), object.name));
        report.add(Finding::note("foreign_file", format!("{url}: is not the name of an entry; it is ignored")).object(url))?;
    }
    let mut listed: Vec<u64> = objects.iter().filter_map(|object| layout::parse_entry(&object.name)).collect();
    listed.sort_unstable();
    report.log.first = listed.first().copied();
    report.log.last = listed.last().copied();
    if let Some(first) = listed.first().filter(|first| **first > 1) {
        report.add(Finding::note("trimmed", format!("the log begins at position {first}: what was before it was trimmed")))?;
    }
    let tailer = WalTailer::open(place.store.clone(), shard.clone(), TailerOptions::default(), place.env.clone())?;
    let progress = Progress::count(listed.len() as u64);
    let mut walk = Walk { place, shard, tailer, report, previous: None, ids: HashMap::new(), last_generation: None };
    let mut failures = 0;
    for (done, position) in listed.iter().enumerate() {
        failures = if walk.visit(*position)? { 0 } else { failures + 1 };
        if failures == GIVE_UP {
            let left = listed.len() - done - 1;
            let message = format!("{GIVE_UP} entries in a row could not be read: giving up on the other {left}");
            walk.report.add(Finding { level: super::Level::Unreadable, ..Finding::note("unreadable", message) })?;
            break;
        }
        progress.set(done as u64 + 1);
    }
    drop(walk);
    drop(progress);
    if report.log.unchecked > 0 {
        let message = format!("{} of the entries carry no checksum (another writer's): they were decoded only", report.log.unchecked);
        report.add(Finding::note("no_checksum", message))?;
    }
    Ok(())
}

struct Walk<'a> {
    place: &'a Place,
    shard: &'a ShardPath,
    tailer: WalTailer,
    report: &'a mut Report,
    previous: Option<u64>,
    ids: HashMap<EntryId, u64>,
    last_generation: Option<u64>,
}

impl Walk<'_> {
    fn url(&self, position: u64) -> String {
        self.place.store.url_of(&self.shard.entry(position))
    }

    /// Reads and checks the entry at `position`; `false` if the store did not give it.
    fn visit(&mut self, position: u64) -> Result<bool, crate::exit::Stop> {
        if let Some(previous) = self.previous.replace(position)
            && position - previous > 1
        {
            self.hole(previous + 1, position - 1)?;
        }
        if self.tailer.position() != position {
            self.tailer.seek(position);
        }
        match block_on(self.tailer.next()) {
            Ok(Some(entry)) => self.entry(&entry)?,
            Ok(None) => self.vanished(position)?,
            Err(error) if error.kind() == ErrorKind::Trimmed => self.vanished(position)?,
            Err(error) if error.kind() == ErrorKind::Corruption => self.damaged(position, &error)?,
            Err(error) => {
                self.report.add(Finding::unreadable(&error).object(self.url(position)).position(position))?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn hole(&mut self, first: u64, last: u64) -> Done {
        let what = if first == last { format!("position {first} is") } else { format!("positions {first} to {last} are") };
        let message = format!("{}: {what} missing, but there are later entries: a hole in the log", self.url(first));
        self.report.add(Finding::problem("entry_missing", message).object(self.url(first)).position(first))
    }

    /// It was listed and is not there any more: by a trim, or not.
    fn vanished(&mut self, position: u64) -> Done {
        let oldest = block_on(positions::listed(&self.place.store, self.shard))?.first().copied();
        if oldest.is_some_and(|oldest| position < oldest) {
            return self.report.add(Finding::note("trimmed", format!("position {position} was trimmed meanwhile")).position(position));
        }
        self.hole(position, position)
    }

    fn damaged(&mut self, position: u64, error: &Error) -> Done {
        self.report.log.entries += 1;
        self.report.add(Finding::problem("entry_corrupt", error.message()).object(self.url(position)).position(position))
    }

    fn entry(&mut self, entry: &Entry) -> Done {
        let totals = &mut self.report.log;
        totals.entries += 1;
        totals.sentinels += u64::from(entry.is_sentinel);
        totals.batches += entry.batches.len() as u64;
        totals.rows += entry.rows();
        totals.bytes += entry.bytes;
        totals.unchecked += u64::from(entry.id.is_none());
        self.epoch(entry)?;
        self.generation(entry)?;
        if let Some(id) = entry.id
            && let Some(earlier) = self.ids.insert(id, entry.position)
        {
            let message = format!("{}: the same entry ({id}) is at position {earlier}: written twice", self.url(entry.position));
            self.problem("entry_duplicate", entry, message)?;
        }
        Ok(())
    }

    fn epoch(&mut self, entry: &Entry) -> Done {
        let url = self.url(entry.position);
        match self.report.log.epoch {
            Some((highest, since)) if entry.epoch < highest => {
                let message =
                    format!("{url}: an entry of epoch {} after epoch {highest} began at position {since}: a fenced writer's", entry.epoch);
                self.problem("epoch_order", entry, message)
            }
            Some((highest, _)) if entry.epoch == highest => Ok(()),
            before => {
                self.report.log.epoch = Some((entry.epoch, entry.position));
                // The first entry after a trim, and of a shard's first epoch, need not be one.
                if before.is_none() || entry.is_sentinel {
                    return Ok(());
                }
                let message = format!("{url}: epoch {} begins without a fence sentinel", entry.epoch);
                self.report.add(Finding::note("no_sentinel", message).object(url).position(entry.position))
            }
        }
    }

    fn generation(&mut self, entry: &Entry) -> Done {
        let (Some(generation), before) = (entry.generation, self.last_generation) else { return Ok(()) };
        self.record(generation, entry);
        self.last_generation = Some(generation.max(before.unwrap_or(0)));
        match before {
            Some(before) if generation < before => {
                let message = format!("{}: generation {generation} after generation {before}", self.url(entry.position));
                self.problem("generation_order", entry, message)
            }
            _ => Ok(()),
        }
    }

    fn record(&mut self, generation: u64, entry: &Entry) {
        let recorded = &mut self.report.log.recorded;
        if recorded.last().is_none_or(|last| last.generation != generation) {
            recorded.push(Recorded { generation, first: entry.position, last_own: 0 });
        }
        if let Some(last) = recorded.last_mut().filter(|_| entry.id.is_some()) {
            last.last_own = entry.position;
        }
    }

    fn problem(&mut self, kind: &'static str, entry: &Entry, message: String) -> Done {
        let url = self.url(entry.position);
        self.report.add(Finding::problem(kind, message).object(url).position(entry.position))
    }
}
