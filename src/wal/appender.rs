//! Appending one entry at a time, by create-if-absent at the next position (FORMAT.md, "Append").
//!
//! Guarantees: an entry that was acknowledged is in the log exactly once, also when the store's answer was lost; once a
//! higher epoch owns the shard nothing more is acknowledged after its sentinel; after a failure that could not be settled
//! the appender is poisoned and says so for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join;

use super::entry::{self, EncodedEntry, EntryId};
use super::positions;
use super::tips::{Attached, Tip};
use crate::env::{Env, Retry};
use crate::error::{Error, ErrorKind, Result, bail, err};
use crate::shard::ShardPath;
use crate::shard::manifest::{Manifest, ManifestOptions, ManifestStore, STALE_PART};
use crate::store::{Created, Store};

/// Conflicts after which the tip is looked for again.
const REDISCOVER_EVERY: u32 = 16;
/// Conflicts after which an append gives up.
const MAX_CONFLICTS: u32 = 1024;
/// How often the tip is looked for in a row when that takes so long that the answer is stale.
const MAX_REFRESHES: usize = 3;
/// A writer that appends all the time looks at the fence once in so many appends, and …
const WATCH_APPENDS: u32 = 16;
/// … not more often than this.
const WATCH_EVERY: Duration = Duration::from_millis(20);
/// Staging files younger than this may belong to a live writer.
const STAGING_AGE: Duration = Duration::from_secs(24 * 3600);

/// What appends have met.
#[derive(Debug, Default)]
pub struct AppendStats {
    /// Tries after a failed one.
    pub retries: AtomicU64,
    /// Positions found taken by others.
    pub conflicts: AtomicU64,
    /// Appends whose answer was lost and that turned out to have landed.
    pub settled: AtomicU64,
}

/// The owner of one shard's tip.
#[derive(Debug)]
pub struct Appender {
    store: Store,
    shard: ShardPath,
    env: Env,
    manifests: Arc<ManifestStore>,
    retry: Retry,
    /// What is older than this is read again before it is relied on (PITFALLS D6).
    stale: Duration,
    epoch: u64,
    next: u64,
    /// When `next` was known to be the position after the tip.
    fresh_at: Duration,
    /// So many positions in a row were taken that the tip is to be looked for.
    lost: bool,
    /// Creates since the last look at the fence, and when that was.
    unwatched: (u32, Duration),
    terminal: Option<Error>,
    stats: Arc<AppendStats>,
    tip: Attached,
}

impl Appender {
    /// Claims `shard` and readies it for appending: epoch, fence sentinel, next position (FORMAT.md, "Opening a shard for
    /// writing"). Everything that needs no storage must have been validated before (PITFALLS B4).
    ///
    /// # Errors
    /// `Sealed`, `Conflict`, `Fenced` when a rival claims at the same time; `Unsupported` for a store without
    /// create-if-absent; the store's.
    pub async fn open(store: Store, shard: ShardPath, env: Env, options: ManifestOptions) -> Result<Self> {
        store.ensure_create_if_absent().await?;
        store.make_dirs(&[&shard.wal_dir(), &shard.manifest_dir()]).await?;
        let manifests = Arc::new(ManifestStore::new(store.clone(), shard.clone(), env.clone(), options));
        let found_at = env.clock.now();
        let before = manifests.latest().await?;
        // Found before the claim, so that the claim can carry it as the next one's hint.
        let tip = positions::find_tip(&store, &shard, before.as_ref().map_or(0, Manifest::tip_hint)).await?;
        let claim = manifests.claim(tip).await?;
        let mut appender = Self::holding(store, shard, env, manifests, options, &claim, (tip, found_at))?;
        if appender.epoch >= 2 {
            appender.fence_predecessor().await?;
        }
        tracing::info!(shard = %appender.shard.id(), epoch = appender.epoch, next = appender.next, "claimed the shard");
        appender.sweep().await;
        Ok(appender)
    }

    /// Seals `shard` against writers, and fences the one that holds it as a claim does: with a sentinel that its next append collides
    /// with. May be repeated, also after a failure half-way.
    ///
    /// # Errors
    /// `NotFound` if there is no shard; `Conflict`, `Fenced` when a rival claims at the same time; the store's.
    pub async fn seal(store: Store, shard: ShardPath, env: Env, options: ManifestOptions) -> Result<Manifest> {
        store.ensure_create_if_absent().await?;
        let manifests = Arc::new(ManifestStore::new(store.clone(), shard.clone(), env.clone(), options));
        let found_at = env.clock.now();
        let Some(before) = manifests.latest().await? else {
            bail!(NotFound, "there is no shard {} at {}", shard.id(), store.url());
        };
        let tip = positions::find_tip(&store, &shard, before.tip_hint()).await?;
        let (sealed, newest) = if before.is_sealed() {
            // By one that may have ended before it wrote the sentinel.
            let newest = match store.read(&shard.entry(tip)).await? {
                Some(bytes) => entry::decode(&store.url_of(&shard.entry(tip)), tip, bytes, &mut entry::SchemaCache::default())?.epoch,
                None => 0,
            };
            (before, newest)
        } else {
            (manifests.seal(tip).await?, 0)
        };
        if sealed.writer_epoch >= 2 && newest < sealed.writer_epoch {
            let mut appender = Self::holding(store, shard, env, manifests, options, &sealed, (tip, found_at))?;
            appender.fence_predecessor().await?;
        }
        Ok(sealed)
    }

    /// The appender of the epoch that `claim` took, where `tip` was the newest position at a time.
    fn holding(
        store: Store,
        shard: ShardPath,
        env: Env,
        manifests: Arc<ManifestStore>,
        options: ManifestOptions,
        claim: &Manifest,
        (tip, found_at): (u64, Duration),
    ) -> Result<Self> {
        let attached = Tip::of(&store, &shard).attach();
        Ok(Self {
            stale: options.trim_age / STALE_PART,
            retry: options.retry,
            epoch: claim.writer_epoch,
            // A log trimmed empty goes on where it was (PITFALLS C9).
            next: following(tip.max(claim.tip_hint()))?,
            fresh_at: found_at,
            lost: false,
            unwatched: (0, env.clock.now()),
            terminal: None,
            stats: Arc::default(),
            tip: attached,
            store,
            shard,
            env,
            manifests,
        })
    }

    /// Writes the sentinel that the predecessor's next append will collide with, and makes sure that it lies in the log's
    /// living part and that the shard is still ours (PITFALLS B1, B8).
    async fn fence_predecessor(&mut self) -> Result<()> {
        loop {
            let sentinel = entry::sentinel(self.epoch, EntryId(self.env.random.next().to_be_bytes()))?;
            let position = self.append(&sentinel).await?;
            let manifest = self.manifests.check_fenced(self.epoch).await?;
            if position > manifest.replay_after_wal_entry_position {
                return Ok(());
            }
            self.next = following(manifest.tip_hint())?;
        }
    }

    /// Removes staging files that crashed writers left (PITFALLS C11). Best effort.
    async fn sweep(&self) {
        for dir in [self.shard.wal_dir(), self.shard.manifest_dir()] {
            if let Err(error) = self.store.sweep(&dir, STAGING_AGE).await {
                tracing::debug!(%error, dir, "leftover staging files not swept");
            }
        }
    }

    /// The epoch under which this appender owns the shard.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The position that the next append tries first.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.next
    }

    /// The shard's manifest.
    #[must_use]
    pub fn manifests(&self) -> &Arc<ManifestStore> {
        &self.manifests
    }

    /// What appends have met so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<AppendStats> {
        &self.stats
    }

    /// Appends `entry` and returns its position.
    ///
    /// Dropping the future leaves the outcome open: the entry may be in the log or appear in it, and later appends go after it.
    ///
    /// # Errors
    /// `Fenced`; `Poisoned` when retries did not help and it is unknown whether the entry is in the log. Both are for ever.
    pub async fn append(&mut self, entry: &EncodedEntry) -> Result<u64> {
        if let Some(terminal) = &self.terminal {
            return Err(terminal.clone());
        }
        match self.try_append(entry).await {
            Ok(position) => {
                self.next = following(position)?;
                self.tip.tip().publish(position);
                Ok(position)
            }
            Err(error) => {
                tracing::info!(shard = %self.shard.id(), epoch = self.epoch, %error, "the writer ends");
                self.terminal = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn try_append(&mut self, entry: &EncodedEntry) -> Result<u64> {
        let (mut failures, mut conflicts) = (0_u32, 0_u32);
        loop {
            let failure = match self.attempt(entry).await {
                Ok(Attempt::Landed) => return Ok(self.next),
                Ok(Attempt::Taken) => {
                    conflicts += 1;
                    self.after_conflict(conflicts)?;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Fenced => return Err(error),
                Err(error) => error,
            };
            // The fence explains many failures; when it cannot be read the failure itself is what counts.
            if let Err(error) = self.manifests.check_fenced(self.epoch).await
                && error.kind() == ErrorKind::Fenced
            {
                return Err(error);
            }
            failures += 1;
            if failures > self.retry.max_retries {
                return Err(self.poisoned(&failure, failures));
            }
            tracing::warn!(error = %failure, position = self.next, "append failed, trying the same position again");
            self.stats.retries.fetch_add(1, Ordering::Relaxed);
            self.retry.pause(&self.env, failures).await;
        }
    }

    /// One try at the next position. An error means that the outcome is unknown.
    async fn attempt(&mut self, entry: &EncodedEntry) -> Result<Attempt> {
        for _ in 0..MAX_REFRESHES {
            if self.is_stale() && self.refresh(entry.id).await? {
                return Ok(Attempt::Landed);
            }
        }
        if self.is_stale() {
            bail!(Storage, "{}: looking for the tip takes longer than {:?}, a part of the trim age", self.place(), self.stale);
        }
        let path = self.shard.entry(self.next);
        let began = self.env.clock.now();
        match self.create(&path, entry).await? {
            Created::Done => {}
            // The occupant may be our own entry after a lost answer, of ours or of a client underneath (PITFALLS A3, A8).
            Created::Exists => match self.store.read(&path).await? {
                Some(bytes) if entry::entry_id(&bytes) == Some(entry.id) => {
                    self.stats.settled.fetch_add(1, Ordering::Relaxed);
                }
                Some(_) => {
                    // Never advance without a fresh look at the manifest (PITFALLS A2).
                    self.manifests.check_fenced(self.epoch).await?;
                    return Ok(Attempt::Taken);
                }
                None => return Err(err!(Storage, "{}/{path}: the store says that it exists and that it does not", self.store.url())),
            },
        }
        if self.is_stale() {
            // It took so long that the slot may have been taken and trimmed before our entry got there.
            let read_at = self.env.clock.now();
            self.manifests.check_fenced(self.epoch).await?;
            self.fresh_at = read_at;
        } else {
            self.fresh_at = self.fresh_at.max(began);
        }
        Ok(Attempt::Landed)
    }

    /// Creates the entry, now and then with a look at the fence at the same time. A successor needs several requests for each
    /// position that it finds taken, we one for each that we take: without the look, one who never pauses keeps it out for ever
    /// (PITFALLS B1). What it finds counts from the next append on, as our entry lies before the sentinel if it lands.
    async fn create(&mut self, path: &str, entry: &EncodedEntry) -> Result<Created> {
        let now = self.env.clock.now();
        self.unwatched.0 = self.unwatched.0.saturating_add(1);
        if self.unwatched.0 < WATCH_APPENDS || now.saturating_sub(self.unwatched.1) < WATCH_EVERY {
            return self.store.create(path, &entry.parts).await;
        }
        let (created, checked) = join(self.store.create(path, &entry.parts), self.manifests.check_fenced(self.epoch)).await;
        match checked {
            Ok(_) => self.unwatched = (0, now),
            Err(error) if error.kind() == ErrorKind::Fenced => self.terminal = Some(error),
            Err(error) => tracing::debug!(%error, "the fence cannot be looked at, which the next append tries again"),
        }
        created
    }

    /// Whether the tip must be looked for: too many positions were taken, or the next one is remembered from so long ago that it
    /// may have been taken and even trimmed since, so that its slot being empty proves nothing (PITFALLS D6).
    fn is_stale(&self) -> bool {
        self.lost || self.env.clock.now().saturating_sub(self.fresh_at) > self.stale
    }

    /// Looks for the tip again. `true` if the entry called `id`, which may have been tried before, is there.
    async fn refresh(&mut self, id: EntryId) -> Result<bool> {
        let read_at = self.env.clock.now();
        // As long as our sentinel is not there, the predecessor goes on appending.
        let tip = positions::find_tip(&self.store, &self.shard, self.next - 1).await?;
        // After it: the tip may be a successor's sentinel (PITFALLS A2).
        self.manifests.check_fenced(self.epoch).await?;
        let landed = tip >= self.next
            && self.store.read(&self.shard.entry(self.next)).await?.is_some_and(|bytes| entry::entry_id(&bytes) == Some(id));
        if landed {
            self.stats.settled.fetch_add(1, Ordering::Relaxed);
        } else {
            self.next = self.next.max(following(tip)?);
        }
        (self.fresh_at, self.lost) = (read_at, false);
        Ok(landed)
    }

    fn after_conflict(&mut self, conflicts: u32) -> Result<()> {
        self.stats.conflicts.fetch_add(1, Ordering::Relaxed);
        if conflicts >= MAX_CONFLICTS {
            bail!(Poisoned, "{}: {conflicts} positions in a row were taken by others, up to {}", self.place(), self.next);
        }
        self.next = following(self.next)?;
        self.lost |= conflicts.is_multiple_of(REDISCOVER_EVERY);
        Ok(())
    }

    fn place(&self) -> String {
        format!("shard {} at {}", self.shard.id(), self.store.url())
    }

    fn poisoned(&self, cause: &Error, tries: u32) -> Error {
        err!(
            Poisoned,
            "{}: the append at position {} failed {tries} times and may or may not be in the log; reopen the shard to go on. Last failure: {cause}",
            self.place(),
            self.next
        )
        .with_u64("position", self.next)
        .with_u64("epoch", self.epoch)
        .with_str("cause", cause.kind().name())
        .with_str("shard", self.shard.id().to_string())
    }

    /// Asks the store whether this appender still owns the shard.
    ///
    /// # Errors
    /// `Fenced`, for ever; the store's.
    pub async fn check_fenced(&mut self) -> Result<Manifest> {
        let checked = self.manifests.check_fenced(self.epoch).await;
        if let Err(error) = &checked
            && error.kind() == ErrorKind::Fenced
        {
            self.terminal.get_or_insert_with(|| error.clone());
        }
        checked
    }
}

enum Attempt {
    Landed,
    Taken,
}

fn following(position: u64) -> Result<u64> {
    position.checked_add(1).ok_or_else(|| err!(Corruption, "position {position} is the last there can be"))
}
