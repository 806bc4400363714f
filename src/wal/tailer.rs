//! Reading one shard's log in order, from anywhere, by anyone.
//!
//! Guarantees: entries come out in the order of their positions, each once, none skipped: a position that was trimmed away is
//! `Trimmed`, a hole or damage is `Corruption`, and only a position that nobody wrote yet is waited for. A tailer
//! writes nothing (PITFALLS D10). Of what it has read ahead it holds at most `prefetch_bytes`, or one entry larger than that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use tokio::sync::{Mutex, Notify};

use super::cached::EntryCache;
use super::entry::{self, Entry, SchemaCache};
use super::positions;
use super::prefetch::Prefetch;
use super::tips::Tip;
use crate::cache::Cache;
use crate::env::Env;
use crate::error::{Error, Result, bail, err};
use crate::memory::MemoryBudget;
use crate::shard::ShardPath;
use crate::shard::manifest::{Manifest, ManifestOptions, ManifestStore};
use crate::store::Store;

/// How long the end of the log is believed to be the end, rather than the edge of something trimmed; twice as long each time …
const RECHECK: Duration = Duration::from_secs(60);
/// … up to this.
const RECHECK_MAX: Duration = Duration::from_secs(3600);
/// How often a missing entry is looked for before that is called a hole.
const LOOKS: usize = 3;

/// How a [`WalTailer`] reads.
#[derive(Debug, Clone, Copy)]
pub struct TailerOptions {
    /// Wait at the end of the log for new entries, instead of reporting the end.
    pub follow: bool,
    /// The position to start at; 0 = the oldest there is.
    pub from: u64,
    /// How many entries are fetched at once from a store with latency; at least 1.
    pub prefetch_entries: u32,
    /// How many bytes of entries may be held that were read ahead; at least 1.
    pub prefetch_bytes: u64,
    /// The pause before the log's end is looked at again after news, doubling from here …
    pub poll_min: Duration,
    /// … up to here. With a writer in this process, that one's news come at once and polling is this slow from the start.
    pub poll_max: Duration,
}

impl Default for TailerOptions {
    fn default() -> Self {
        Self {
            follow: false,
            from: 0,
            prefetch_entries: 32,
            prefetch_bytes: 64 << 20,
            poll_min: Duration::from_millis(2),
            poll_max: Duration::from_secs(1),
        }
    }
}

impl TailerOptions {
    fn validate(&self) -> Result<()> {
        if self.prefetch_entries == 0 || self.prefetch_entries > 4096 {
            bail!(InvalidArgument, "prefetch_entries is {}, must be 1 to 4096", self.prefetch_entries);
        }
        if self.prefetch_bytes == 0 {
            bail!(InvalidArgument, "prefetch_bytes is 0, must be at least 1");
        }
        if self.poll_min.is_zero() || self.poll_min > self.poll_max {
            bail!(InvalidArgument, "poll_min ({:?}) must be above 0 and at most poll_max ({:?})", self.poll_min, self.poll_max);
        }
        Ok(())
    }
}

/// Reads one shard's log in order.
#[derive(Debug)]
pub struct WalTailer {
    log: Log,
    options: TailerOptions,
    manifests: ManifestStore,
    cursor: Mutex<Cursor>,
    /// The cursor's position, readable while a `next` waits.
    position: AtomicU64,
    seek: parking_lot::Mutex<Option<u64>>,
    interrupts: Notify,
    closed: AtomicBool,
    closes: Notify,
    tip: Arc<Tip>,
}

/// Where the entries lie.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub store: Store,
    pub shard: ShardPath,
    pub env: Env,
    pub cache: Option<Arc<EntryCache>>,
}

/// An entry that was read, or its bytes.
#[derive(Debug)]
pub(super) enum Read {
    Entry(Entry),
    Bytes(Bytes),
}

#[derive(Debug)]
struct Cursor {
    /// The position of the next entry; 0 = the oldest, not looked up yet.
    next: u64,
    schemas: SchemaCache,
    prefetch: Prefetch,
    /// Set while `next` is waited for.
    end: Option<End>,
    poll: Duration,
}

/// The end of the log, as a cursor knows it.
#[derive(Debug)]
struct End {
    /// When it was last looked at.
    seen: Duration,
    /// When it is to be told again from the edge of something trimmed.
    check_at: Duration,
    /// The time from that check to the one after it.
    interval: Duration,
}

impl WalTailer {
    /// A tailer of `shard`. Nothing is read yet.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn open(store: Store, shard: ShardPath, options: TailerOptions, env: Env) -> Result<Self> {
        options.validate()?;
        let tip = Tip::of(&store, &shard);
        let manifests = ManifestStore::new(store.clone(), shard.clone(), env.clone(), ManifestOptions::default());
        let prefetch = Prefetch::new(options.prefetch_entries, options.prefetch_bytes);
        let cursor = Cursor { next: options.from, schemas: SchemaCache::default(), prefetch, end: None, poll: options.poll_min };
        Ok(Self {
            log: Log { store, shard, env, cache: None },
            options,
            manifests,
            cursor: Mutex::new(cursor),
            position: options.from.into(),
            seek: parking_lot::Mutex::new(None),
            interrupts: Notify::new(),
            closed: AtomicBool::new(false),
            closes: Notify::new(),
            tip,
        })
    }

    /// The same tailer, which shares the entries that it decodes, and the manifest that it reads, with others through `cache`, unless that
    /// is off.
    #[must_use]
    pub fn with_cache(mut self, cache: &Cache) -> Self {
        self.manifests = self.manifests.with_cache(cache);
        self.log.cache = EntryCache::new(cache, &self.log.store, &self.log.shard).map(Arc::new);
        self
    }

    /// The same tailer, with what it reads ahead counted in `memory`.
    #[must_use]
    pub fn with_memory(mut self, memory: &Arc<MemoryBudget>) -> Self {
        self.cursor.get_mut().prefetch.count_in(memory);
        self
    }

    /// The position that [`Self::next`] will read; 0 = the oldest, not looked up yet.
    #[must_use]
    pub fn position(&self) -> u64 {
        let sought = *self.seek.lock();
        sought.unwrap_or_else(|| self.position.load(Ordering::Acquire))
    }

    /// Makes `position` the next to be read (0 = the oldest), also for a call that waits.
    pub fn seek(&self, position: u64) {
        *self.seek.lock() = Some(position);
        self.wake();
    }

    /// Ends a waiting [`Self::next`] with `Cancelled`; without one, the next that would wait.
    pub fn interrupt(&self) {
        self.interrupts.notify_one();
    }

    /// Refuses later calls and ends those that wait with `Closed`.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.closes.notify_waiters();
        self.wake();
    }

    /// Has a waiting [`Self::next`] look again.
    fn wake(&self) {
        self.tip.publish(0);
    }

    /// Ends when the tailer is closed, with the error that says so.
    pub async fn until_closed(&self) -> Error {
        let closes = self.closes.notified();
        tokio::pin!(closes);
        closes.as_mut().enable();
        if !self.closed.load(Ordering::Acquire) {
            closes.await;
        }
        self.closed_error()
    }

    fn closed_error(&self) -> Error {
        err!(Closed, "the tailer of shard {} is closed", self.log.shard.id())
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(self.closed_error());
        }
        Ok(())
    }

    /// The next entry, in order; `None` at the end of the log unless following. Calls take turns. Dropping the future loses
    /// nothing: the cursor moves when an entry is handed out.
    ///
    /// # Errors
    /// `Trimmed` with the oldest position there is (`first_position`), `Corruption` naming the object, `NotFound` if there is no such shard and the
    /// tailer does not follow; the store's. The cursor stays where it was: `seek` past what cannot be read.
    pub async fn next(&self) -> Result<Option<Entry>> {
        let mut cursor = self.cursor.lock().await;
        loop {
            // Before the look, so that what is appended after it wakes us (PITFALLS E6).
            let appended = self.tip.appended();
            tokio::pin!(appended);
            appended.as_mut().enable();
            self.check_open()?;
            if let Some(position) = self.seek.lock().take() {
                cursor.jump(position);
                self.position.store(position, std::sync::atomic::Ordering::Release);
            }
            if let Some(entry) = self.try_next(&mut cursor).await? {
                return Ok(Some(entry));
            }
            if self.seek.lock().is_some() {
                continue;
            }
            if !self.options.follow {
                return Ok(None);
            }
            let pause = self.pause(&mut cursor);
            let sleep = self.log.env.clock.sleep(pause);
            let interrupted = self.interrupts.notified();
            tokio::pin!(interrupted);
            if let Either::Right(_) = select(select(appended, sleep), interrupted).await {
                bail!(Cancelled, "waiting for position {} of shard {} was interrupted", cursor.next, self.log.shard.id());
            }
        }
    }

    fn pause(&self, cursor: &mut Cursor) -> Duration {
        if self.tip.has_writer() {
            return self.options.poll_max;
        }
        let pause = cursor.poll;
        cursor.poll = (pause * 2).min(self.options.poll_max);
        pause
    }

    /// The entry at the cursor if it is there now.
    async fn try_next(&self, cursor: &mut Cursor) -> Result<Option<Entry>> {
        if cursor.next == 0 {
            let oldest = self.oldest().await?;
            cursor.jump(oldest);
        }
        self.position.store(cursor.next, Ordering::Release);
        let position = cursor.next;
        let read = match cursor.prefetch.take(&self.log, position).await? {
            Some(read) => read,
            None if self.is_unwritten(cursor).await? => return Ok(None),
            // Written between the two looks.
            None => self.read_written(position).await?,
        };
        let entry = self.log.decode(position, read, &mut cursor.schemas)?;
        cursor.next = position.checked_add(1).ok_or_else(|| err!(Corruption, "position {position} is the last there can be"))?;
        cursor.end = None;
        cursor.poll = self.options.poll_min;
        self.position.store(cursor.next, Ordering::Release);
        Ok(Some(entry))
    }

    /// An entry that was written, because there are later ones.
    async fn read_written(&self, position: u64) -> Result<Read> {
        for _ in 0..LOOKS {
            if let Some(read) = self.log.read(position).await? {
                return Ok(read);
            }
            // Trimmed after it, if at all: what is missing while the one before it is there was not trimmed.
            if position > 1 && positions::exists(&self.log.store, &self.log.shard, position - 1).await? {
                break;
            }
            self.check_not_trimmed(position).await?;
        }
        Err(self.hole(position))
    }

    /// Why there is no entry at the cursor: `true`, it was not written yet; `false`, it appeared meanwhile.
    ///
    /// # Errors
    /// `Trimmed`, `Corruption` for a hole.
    async fn is_unwritten(&self, cursor: &mut Cursor) -> Result<bool> {
        let (next, now) = (cursor.next, self.log.env.clock.now());
        match &mut cursor.end {
            Some(end) if now < end.check_at && now.saturating_sub(end.seen) < RECHECK => end.seen = now,
            // Nothing came for long, or nobody looked for long: only then can it have been written and trimmed since.
            Some(end) => {
                self.check_not_trimmed(next).await?;
                *end = End { seen: now, check_at: now + end.interval, interval: (end.interval * 2).min(RECHECK_MAX) };
            }
            None => {
                if self.has_later(next).await? {
                    return Ok(false);
                }
                cursor.end = Some(End { seen: now, check_at: now + RECHECK, interval: RECHECK });
            }
        }
        Ok(true)
    }

    /// Whether there are entries after `next`, which is missing, by the cheapest look that tells for now.
    async fn has_later(&self, next: u64) -> Result<bool> {
        let (store, shard) = (&self.log.store, &self.log.shard);
        // Our own writer's word is as good as a look.
        if next > 1 && self.tip.newest() == next - 1 {
            return Ok(false);
        }
        // The entry before is trimmed before this one, and never as the newest: if it is there, ours was not trimmed.
        if next > 1 && positions::exists(store, shard, next - 1).await? {
            return positions::exists(store, shard, next + 1).await;
        }
        self.check_not_trimmed(next).await?;
        Ok(false)
    }

    /// # Errors
    /// `Trimmed` or, for a hole, `Corruption` if `next` is missing although later positions were written.
    async fn check_not_trimmed(&self, next: u64) -> Result<()> {
        let (store, shard) = (&self.log.store, &self.log.shard);
        // Again only when everything that was listed went while we looked.
        for _ in 0..LOOKS {
            // The hint first: what it knows of was there before the listing began.
            let hint = self.manifests.latest().await?.as_ref().map_or(0, Manifest::tip_hint);
            let listed = positions::listed(store, shard).await?;
            let newest = listed.last().copied().unwrap_or(0).max(hint);
            // A listing is no snapshot, so what it lacks may have come while it was made. But what is missing after it, and has
            // later ones in it, was there before.
            if newest < next || positions::exists(store, shard, next).await? {
                return Ok(());
            }
            // The oldest of the unbroken run: deletes of a trim may come back after a power loss (STORES.md).
            let run = listed.iter().rev().enumerate().take_while(|(i, p)| listed.last().is_some_and(|last| **p + *i as u64 == *last));
            let mut first = run.last().map_or(newest + 1, |(_, position)| *position);
            while first > next && positions::exists(store, shard, first - 1).await? {
                first -= 1;
            }
            if next < first {
                // Entries are trimmed from the oldest on, so while the one before is there ours was not trimmed (PITFALLS C8).
                if next > 1 && positions::exists(store, shard, next - 1).await? {
                    return Err(self.hole(next));
                }
                return Err(err!(
                    Trimmed,
                    "position {next} of shard {} at {} was trimmed; the oldest position is {first}",
                    shard.id(),
                    store.url()
                )
                .with_u64("position", next)
                .with_u64("first_position", first));
            }
        }
        Err(self.hole(next))
    }

    fn hole(&self, position: u64) -> Error {
        err!(Corruption, "{}: there is no entry at position {position}, but there are later ones", self.log.object(position))
            .with_u64("position", position)
    }

    /// The entry at `position`, without moving the cursor.
    ///
    /// # Errors
    /// `NotFound` if it is not written yet, `Trimmed`, `Corruption`; the store's.
    pub async fn read(&self, position: u64) -> Result<Entry> {
        self.check_open()?;
        if position == 0 {
            bail!(InvalidArgument, "position 0 means nothing: positions start at 1");
        }
        if let Some(read) = self.log.read(position).await? {
            return self.log.decode(position, read, &mut SchemaCache::default());
        }
        self.check_not_trimmed(position).await?;
        Err(err!(NotFound, "position {position} of shard {} at {} is not written yet", self.log.shard.id(), self.log.store.url())
            .with_u64("position", position))
    }

    /// The oldest position in the log, or the first to be written if the log is empty.
    ///
    /// # Errors
    /// The store's.
    pub async fn first_position(&self) -> Result<u64> {
        let (first, _) = self.ends().await?;
        Ok(first)
    }

    /// The position after the newest.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_position(&self) -> Result<u64> {
        let (_, next) = self.ends().await?;
        Ok(next)
    }

    async fn ends(&self) -> Result<(u64, u64)> {
        self.check_open()?;
        let (store, shard) = (&self.log.store, &self.log.shard);
        let hint = self.manifests.latest().await?.as_ref().map_or(0, Manifest::tip_hint);
        let tip = positions::find_tip(store, shard, hint.max(self.tip.newest())).await?;
        let next = tip.max(hint).checked_add(1).ok_or_else(|| err!(Corruption, "positions of shard {} have run out", shard.id()))?;
        Ok((if tip == 0 { next } else { positions::find_first(store, shard, tip).await? }, next))
    }

    /// Where a tailer of the whole log starts.
    async fn oldest(&self) -> Result<u64> {
        let (store, shard) = (&self.log.store, &self.log.shard);
        if positions::exists(store, shard, 1).await? {
            return Ok(1);
        }
        if !self.options.follow && self.manifests.latest().await?.is_none() && positions::listed(store, shard).await?.is_empty() {
            bail!(NotFound, "there is no shard {} at {}", shard.id(), store.url());
        }
        self.first_position().await
    }
}

impl Cursor {
    fn jump(&mut self, position: u64) {
        if position != self.next {
            self.prefetch.clear();
            self.next = position;
        }
        self.end = None;
    }
}

impl Log {
    /// The entry's object, for messages.
    pub fn object(&self, position: u64) -> String {
        format!("{}/{}", self.store.url(), self.shard.entry(position))
    }

    /// The entry at `position`, if it is there: from the cache, or else from the store.
    pub async fn read(&self, position: u64) -> Result<Option<Read>> {
        match &self.cache {
            None => Ok(self.fetch(position).await?.map(Read::Bytes)),
            Some(cache) => {
                let entry = cache.get_or_load(self, position, |_| self.fetch(position)).await?;
                Ok(entry.map(|cached| Read::Entry(cached.entry.clone())))
            }
        }
    }

    pub fn decode(&self, position: u64, read: Read, schemas: &mut SchemaCache) -> Result<Entry> {
        match read {
            Read::Entry(entry) => Ok(entry),
            Read::Bytes(bytes) => entry::decode(&self.object(position), position, bytes, schemas),
        }
    }

    /// The bytes of the entry at `position`, if it is there.
    pub async fn fetch(&self, position: u64) -> Result<Option<Bytes>> {
        self.store.read(&self.shard.entry(position)).await
    }
}
