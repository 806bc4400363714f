//! What really happened in one simulated run, and the invariants that are checked while it happens.
//!
//! The world sees every object at the moment it lands on or leaves the store ([`super::network::Observer`]), every put with
//! its outcome, and everything that a tailer read. Whatever contradicts is a violation; the first one ends the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use bytes::Bytes;
use prost::Message;
use weir::env::Clock;
use weir::error::ErrorKind;
use weir::shard::manifest::Manifest;
use weir::wal::WalTailer;
use weir::wal::entry::{self, Entry, EntryId, SchemaCache};
use weir::writer::{Ack, ShardWriter};

use crate::support::{Process, SeededRandom, Sim};

/// A deliberate fault of the protocol, put in from the outside, which the run must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Create-if-absent is a plain put.
    Overwrite,
    /// A writer cannot tell its own entry after a lost answer.
    Unsettled,
    /// A fence check sees the manifest of some seconds ago.
    StaleFence,
    /// A failed read or question is taken for "does not exist".
    ErrorsAreMissing,
    /// Fence sentinels are not written.
    NoSentinel,
    /// Trimming heeds no age.
    TrimYoung,
}

pub type PutId = u64;
pub type LifeId = usize;
pub type HostId = usize;

/// What became of a put, as its caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not answered.
    Submitted,
    /// The call itself returned an error: nothing was accepted.
    Refused(ErrorKind),
    /// Admitted by a writer that does not wait for durability.
    Buffered,
    /// Durable, at this position where it was told.
    Acked(Option<u64>),
    /// Accepted, and failed with this.
    Failed(ErrorKind),
}

pub struct Put {
    pub life: LifeId,
    pub rows: u32,
    /// Its number among the admitted puts of its writer, from 1; 0 if it was not admitted.
    pub sequence: u64,
    pub fate: Fate,
}

/// One writer, from its claim to its end.
pub struct Life {
    pub name: String,
    pub host: HostId,
    pub epoch: u64,
    pub admitted: u64,
    /// Whether what it admits becomes durable in the order of admission, without gaps.
    pub ordered: bool,
    pub puts: Vec<PutId>,
    pub writer: Option<Arc<ShardWriter>>,
}

/// An entry that landed at some time.
pub struct Landed {
    pub at: Duration,
    pub deleted: Option<Duration>,
    pub epoch: u64,
    pub sentinel: bool,
    pub id: EntryId,
    pub puts: Vec<PutId>,
}

/// A process, as the nemesis sees it.
pub struct HostState {
    pub process: Process,
    pub alive: bool,
    pub paused: bool,
    /// Its requests fail until then.
    pub cut_until: Duration,
    /// Writers that it is opening.
    pub opening: usize,
    /// Scripts that have not ended.
    pub running: usize,
}

struct Operation {
    what: String,
    host: HostId,
    /// Its completion was dropped uncalled.
    dropped: bool,
}

#[derive(Default)]
pub struct State {
    pub violations: Vec<String>,
    trace: bool,
    pub log: BTreeMap<u64, Landed>,
    in_log: BTreeMap<PutId, u64>,
    manifests: BTreeMap<u64, (u64, Duration)>,
    newest_manifest: (u64, u64),
    fence: u64,
    pub puts: Vec<Put>,
    pub lives: Vec<Life>,
    pub hosts: Vec<HostState>,
    operations: BTreeMap<u64, Operation>,
    next_operation: u64,
    epochs: BTreeMap<u64, String>,
    pub ending: bool,
    pub over: bool,
    pub tailers_stop: bool,
    /// Tailers that follow until they are stopped.
    pub followers: Vec<(HostId, Weak<WalTailer>)>,
    /// How often things of interest happened, to see that runs are worth something.
    pub counts: BTreeMap<&'static str, u64>,
}

pub struct World {
    pub sim: Sim,
    pub seed: u64,
    pub chance: SeededRandom,
    pub trim_age: Duration,
    pub mutation: Option<Mutation>,
    trace: bool,
    state: Mutex<State>,
}

impl World {
    pub fn new(seed: u64, mutation: Option<Mutation>, trace: bool) -> Arc<Self> {
        let chance = SeededRandom::new(seed ^ 0x5eed_0000_0000_0000);
        let trim_age = Duration::from_secs(*chance.pick(&[3, 6, 12, 30]));
        Arc::new(Self {
            sim: Sim::new(seed),
            seed,
            chance,
            trim_age,
            mutation,
            trace,
            state: Mutex::new(State { trace, ..State::default() }),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn now(&self) -> Duration {
        self.sim.clock().now()
    }

    /// Prints what happens, when one seed is looked at.
    pub fn event(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>12.6} {}", self.now().as_secs_f64(), what());
        }
    }

    pub fn violate(&self, what: impl Into<String>) {
        self.state().violate(what.into());
    }

    pub fn failed(&self) -> bool {
        !self.state().violations.is_empty()
    }

    pub fn count(&self, what: &'static str) {
        *self.state().counts.entry(what).or_default() += 1;
    }

    /// A random time below `limit`.
    pub fn time(&self, limit: Duration) -> Duration {
        Duration::from_nanos(self.chance.below(limit.as_nanos() as u64))
    }

    // ---- The store ---------------------------------------------------------------------------------------------------

    /// An entry landed.
    pub fn entry_landed(&self, position: u64, bytes: Bytes) {
        let decoded = entry::decode("landed", position, bytes.clone(), &mut SchemaCache::default());
        let (decoded, id) = match (decoded, entry::entry_id(&bytes)) {
            (Ok(decoded), Some(id)) => (decoded, id),
            (decoded, id) => return self.violate(format!("entry {position} is damaged: {:?}, {id:?}", decoded.err())),
        };
        let puts = self.puts_of(&decoded);
        self.event(|| format!("LANDED {position} epoch {} sentinel {} puts {puts:?}", decoded.epoch, decoded.is_sentinel));
        let mut state = self.state();
        let newest = state.newest();
        if self.mutation.is_none() {
            if position != newest + 1 {
                state.violate(format!("entry {position} landed when the newest was {newest}"));
            }
            if decoded.epoch < state.fence {
                let fence = state.fence;
                state.violate(format!("entry {position} of epoch {} landed after the sentinel of epoch {fence}", decoded.epoch));
            }
        }
        if decoded.is_sentinel {
            state.fence = state.fence.max(decoded.epoch);
        }
        for put in &puts {
            if let Some(other) = state.in_log.insert(*put, position) {
                state.violate(format!("put {put} is in the log twice, at {other} and {position}"));
            }
        }
        let landed = Landed { at: self.now(), deleted: None, epoch: decoded.epoch, sentinel: decoded.is_sentinel, id, puts };
        if let Some(lost) = state.log.insert(position, landed) {
            for put in lost.puts {
                state.in_log.remove(&put);
            }
        }
    }

    /// The puts of an entry; each must be there whole.
    fn puts_of(&self, entry: &Entry) -> Vec<PutId> {
        let mut puts = Vec::new();
        for batch in &entry.batches {
            let ids = batch.column(0).as_primitive::<UInt64Type>().values();
            let rows = batch.column(1).as_primitive::<UInt32Type>().values();
            let put = ids.first().copied().unwrap_or(u64::MAX);
            let expected = self.state().puts.get(put as usize).map(|put| put.rows);
            let whole = ids.iter().all(|id| *id == put) && rows.iter().copied().eq(0..rows.len() as u32);
            if !whole || expected != Some(rows.len() as u32) {
                self.violate(format!("position {} holds a torn put: ids {ids:?}, rows {rows:?}, of {expected:?}", entry.position));
            }
            puts.push(put);
        }
        puts
    }

    /// An entry was deleted.
    pub fn entry_deleted(&self, position: u64) {
        self.event(|| format!("DELETED {position}"));
        let now = self.now();
        let mut state = self.state();
        let (first, newest) = (state.first(), state.newest());
        let Some(landed) = state.log.get_mut(&position) else { return };
        if landed.deleted.is_some() {
            return;
        }
        let age = now - landed.at;
        landed.deleted = Some(now);
        if self.mutation.is_none() && (position != first || position == newest || age < self.trim_age) {
            state.violate(format!("entry {position} of {first}..={newest} was deleted at the age of {age:?}"));
        }
    }

    /// A manifest version landed.
    pub fn manifest_landed(&self, version: u64, bytes: Bytes) {
        let Ok(manifest) = Manifest::decode(bytes) else { return self.violate(format!("manifest {version} is damaged")) };
        self.event(|| format!("MANIFEST {version} epoch {} status {}", manifest.writer_epoch, manifest.status));
        let now = self.now();
        let mut state = self.state();
        let (newest, epoch) = state.newest_manifest;
        state.manifests.insert(version, (manifest.writer_epoch, now));
        state.newest_manifest = (version, manifest.writer_epoch);
        if self.mutation.is_some() {
            return;
        }
        if version != newest + 1 || manifest.version != version {
            state.violate(format!("manifest {version} landed when the newest was {newest}"));
        }
        if manifest.writer_epoch != epoch && manifest.writer_epoch != epoch + 1 {
            state.violate(format!("manifest {version} goes from epoch {epoch} to {}", manifest.writer_epoch));
        }
    }

    /// A manifest version was deleted.
    pub fn manifest_deleted(&self, version: u64) {
        self.event(|| format!("PRUNED {version}"));
        let now = self.now();
        let mut state = self.state();
        let first = state.manifests.first_key_value().map_or(0, |(version, _)| *version);
        let newest = state.newest_manifest.0;
        let Some((_, at)) = state.manifests.remove(&version) else { return };
        if self.mutation.is_none() && (version != first || version == newest || now - at < self.trim_age) {
            state.violate(format!("manifest {version} of {first}..={newest} was deleted at the age of {:?}", now - at));
        }
    }

    /// When the version landed.
    pub fn manifest_time(&self, version: u64) -> Option<Duration> {
        self.state().manifests.get(&version).map(|(_, at)| *at)
    }

    // ---- Writers -----------------------------------------------------------------------------------------------------

    /// A writer claimed the shard.
    pub fn born(&self, host: HostId, name: String, epoch: u64, ordered: bool, writer: Option<Arc<ShardWriter>>) -> LifeId {
        self.event(|| format!("{name} holds epoch {epoch}"));
        let mut state = self.state();
        if let Some(other) = state.epochs.insert(epoch, name.clone()) {
            state.violate(format!("epoch {epoch} was given to {other} and to {name}"));
        }
        state.lives.push(Life { name, host, epoch, admitted: 0, ordered, puts: Vec::new(), writer });
        state.lives.len() - 1
    }

    pub fn new_put(&self, life: LifeId, rows: u32) -> PutId {
        let mut state = self.state();
        state.puts.push(Put { life, rows, sequence: 0, fate: Fate::Submitted });
        let id = state.puts.len() as u64 - 1;
        state.lives[life].puts.push(id);
        id
    }

    /// The call returned success: the put has the next number.
    pub fn put_admitted(&self, put: PutId) {
        let mut state = self.state();
        let life = state.puts[put as usize].life;
        state.lives[life].admitted += 1;
        let sequence = state.lives[life].admitted;
        let put_ = &mut state.puts[put as usize];
        let told = std::mem::replace(&mut put_.sequence, sequence);
        if told != 0 && told != sequence {
            state.violate(format!("put {put} was told number {told}, and is number {sequence}"));
        }
    }

    pub fn put_refused(&self, put: PutId, kind: ErrorKind) {
        self.event(|| format!("put {put} refused: {}", kind.name()));
        let mut state = self.state();
        let fate = std::mem::replace(&mut state.puts[put as usize].fate, Fate::Refused(kind));
        if fate != Fate::Submitted {
            state.violate(format!("put {put} was refused with {} after it had completed: {fate:?}", kind.name()));
        }
    }

    /// The completion ran.
    pub fn put_done(&self, put: PutId, outcome: &weir::error::Result<Ack>) {
        self.event(|| match outcome {
            Ok(ack) => format!("put {put} done: {ack:?}"),
            Err(error) => format!("put {put} failed: {} {error}", error.kind().name()),
        });
        let mut state = self.state();
        let record = &mut state.puts[put as usize];
        let before = record.fate;
        let mut wrong = None;
        record.fate = match outcome {
            Ok(ack) => {
                if record.sequence != 0 && record.sequence != ack.sequence {
                    wrong = Some(format!("put {put} is number {} and was told {}", record.sequence, ack.sequence));
                }
                record.sequence = ack.sequence;
                if ack.position == 0 { Fate::Buffered } else { Fate::Acked(Some(ack.position)) }
            }
            Err(error) => Fate::Failed(error.kind()),
        };
        let life = record.life;
        if let Err(error) = outcome
            && error.kind() == ErrorKind::Fenced
            && state.newest_manifest.1 <= state.lives[life].epoch
        {
            wrong = Some(format!("put {put} of epoch {} was fenced by nobody", state.lives[life].epoch));
        }
        if before != Fate::Submitted {
            wrong = Some(format!("put {put} completed twice: first {before:?}"));
        }
        if let Ok(ack) = outcome
            && ack.epoch != state.lives[life].epoch
        {
            wrong = Some(format!("put {put} of epoch {} was told epoch {}", state.lives[life].epoch, ack.epoch));
        }
        if let Some(wrong) = wrong {
            state.violate(wrong);
        }
        drop(state);
        if let Ok(Ack { position, sequence, .. }) = outcome
            && *position != 0
        {
            self.check_acked(put, Some(*position));
            self.durable(life, *sequence);
        }
    }

    /// An acknowledged put must be in the log already, where it was said to be.
    pub fn check_acked(&self, put: PutId, position: Option<u64>) {
        let mut state = self.state();
        let found = state.in_log.get(&put).copied();
        if found.is_none() || position.is_some_and(|position| found != Some(position)) {
            state.violate(format!("put {put} was acknowledged at {position:?} and is at {found:?}"));
        }
    }

    /// The writer said that its first `sequence` puts are durable.
    pub fn durable(&self, life: LifeId, sequence: u64) {
        let mut lost = Vec::new();
        let mut state = self.state();
        let State { lives, puts, in_log, .. } = &mut *state;
        if !lives[life].ordered {
            return;
        }
        for put in &lives[life].puts {
            let record = &mut puts[*put as usize];
            if record.sequence == 0 || record.sequence > sequence {
                continue;
            }
            if !in_log.contains_key(put) {
                lost.push(*put);
            }
            if record.fate == Fate::Buffered {
                record.fate = Fate::Acked(None);
            }
        }
        if !lost.is_empty() {
            let name = lives[life].name.clone();
            state.violate(format!("{name} said that {sequence} puts are durable; not in the log: {lost:?}"));
        }
    }

    // ---- Operations --------------------------------------------------------------------------------------------------

    /// Something began that must end, unless its process is killed.
    pub fn begin(self: &Arc<Self>, host: HostId, what: String) -> Running {
        self.event(|| format!("h{host} begins: {what}"));
        let mut state = self.state();
        state.next_operation += 1;
        let id = state.next_operation;
        state.operations.insert(id, Operation { what, host, dropped: false });
        Running { world: Arc::clone(self), id, done: false }
    }

    /// It was not accepted after all.
    pub fn forget(&self, operation: u64) {
        self.state().operations.remove(&operation);
    }

    /// What has not ended and should have.
    pub fn unfinished(&self) -> Vec<String> {
        let state = self.state();
        let alive = |operation: &&Operation| state.hosts[operation.host].alive;
        let describe = |operation: &Operation| format!("{}{}", operation.what, if operation.dropped { " (dropped uncalled)" } else { "" });
        state.operations.values().filter(alive).map(describe).collect()
    }
}

impl State {
    pub fn violate(&mut self, what: String) {
        if !self.over {
            if self.trace {
                println!("VIOLATION {what}");
            }
            self.violations.push(what);
        }
    }

    /// The newest position, 0 if none.
    pub fn newest(&self) -> u64 {
        self.log.last_key_value().map_or(0, |(position, _)| *position)
    }

    /// The oldest position that is left, 1 if none.
    pub fn first(&self) -> u64 {
        self.log.iter().find(|(_, landed)| landed.deleted.is_none()).map_or(1, |(position, _)| *position)
    }

    /// The positions of followers that have not seen everything.
    pub fn behind(&self) -> Vec<u64> {
        let alive = self.followers.iter().filter(|(host, _)| self.hosts[*host].alive);
        alive.filter_map(|(_, tailer)| Some(tailer.upgrade()?.position())).filter(|position| *position <= self.newest()).collect()
    }

    /// Where each put is: its position and its place in the entry.
    pub fn places(&self) -> BTreeMap<PutId, (u64, usize)> {
        let each = |(position, landed): (&u64, &Landed)| {
            let position = *position;
            landed.puts.clone().into_iter().enumerate().map(move |(place, put)| (put, (position, place)))
        };
        self.log.iter().flat_map(each).collect()
    }
}

/// An operation that must end: completed, or dropped with its process.
pub struct Running {
    world: Arc<World>,
    id: u64,
    done: bool,
}

impl Running {
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn end(mut self) {
        self.done = true;
        self.world.forget(self.id);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.done
            && let Some(operation) = self.world.state().operations.get_mut(&self.id)
        {
            operation.dropped = true;
        }
    }
}
