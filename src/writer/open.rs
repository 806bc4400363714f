//! Opening a writer: what needs no storage first, then the claim, then, in MemTable mode, the rows that the log has and no generation.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_schema::{Field, Schema};

use super::flush::encode_table;
use super::tables::{Slot, Tables};
use super::{MemTableConfig, Within, WriterConfig};
use crate::env::Env;
use crate::error::{Action, ErrorKind, Result};
use crate::generation::publish;
use crate::memory::Use;
use crate::memtable::evolve::Evolution;
use crate::memtable::key::{KeySpec, PRIMARY_KEY, PRIMARY_KEY_POSITION};
use crate::memtable::{TableSpec, Visibility};
use crate::scan::replay::{ReplayRange, ReplayedTable, Rotate, replay_unindexed};
use crate::scan::{GenerationHandle, GenerationList};
use crate::shard::ShardPath;
use crate::shard::manifest::{Manifest, ManifestStore, SsTable};
use crate::store::Store;
use crate::wal::{Appender, TailerOptions, WalTailer};

/// How many entries at the log's end are looked at for one with rows, before a claim.
const LAST_ENTRIES: u64 = 8;

/// The tables of rows of `schema`, which is without reserved metadata.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn spec_of(schema: &Schema, config: &MemTableConfig) -> Result<Arc<TableSpec>> {
    let marked = match &config.primary_key {
        Some(names) => mark_key(schema, names)?,
        None => schema.clone(),
    };
    TableSpec::new(&marked, config.primary_key.as_deref(), &config.indexes, config.limits)
}

/// The schema with the columns called `names` marked as the primary key, so that whoever reads the log knows it.
fn mark_key(schema: &Schema, names: &[String]) -> Result<Schema> {
    KeySpec::resolve(schema, Some(names))?;
    let mark = |field: &Arc<Field>| {
        let position = names.iter().position(|name| name == field.name());
        let mut metadata = field.metadata().clone();
        metadata.remove(PRIMARY_KEY);
        metadata.remove(PRIMARY_KEY_POSITION);
        if let Some(position) = position {
            metadata.insert(PRIMARY_KEY.to_owned(), "true".to_owned());
            if names.len() > 1 {
                metadata.insert(PRIMARY_KEY_POSITION.to_owned(), (position + 1).to_string());
            }
        }
        Arc::new(field.as_ref().clone().with_metadata(metadata))
    };
    Ok(Schema::new_with_metadata(schema.fields().iter().map(mark).collect::<Vec<_>>(), schema.metadata().clone()))
}

/// What a writer with tables is opened with.
pub(super) struct Opening<'a> {
    pub store: &'a Store,
    pub shard: &'a ShardPath,
    pub env: &'a Env,
    pub config: &'a WriterConfig,
    pub memtable: &'a MemTableConfig,
    pub spec: &'a Arc<TableSpec>,
    pub within: &'a Within,
}

impl Opening<'_> {
    /// Refuses a schema that the shard's rows cannot be read with, before anything is claimed (PITFALLS B4, C7). The generations that it has
    /// opened for that.
    pub async fn check_schema(&self) -> Result<Vec<Arc<GenerationHandle>>> {
        let options = self.config.appender().manifest();
        let manifests = ManifestStore::new(self.store.clone(), self.shard.clone(), self.env.clone(), options);
        let Some(manifest) = manifests.latest().await? else { return Ok(Vec::new()) };
        let handles: Vec<_> = manifest.sstables.iter().map(|table| self.handle(table)).collect();
        for handle in &handles {
            match handle.open().await {
                Ok(generation) => {
                    Evolution::plan_generation(generation.schema(), generation.key(), self.spec)
                        .map_err(|error| error.context(format_args!("generation {} of shard {}", handle.generation(), self.shard.id())))?;
                }
                // Swept by a compaction that this manifest does not know yet.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.check_log(&manifest).await?;
        Ok(handles)
    }

    /// The same for the newest entry that has rows.
    async fn check_log(&self, manifest: &Manifest) -> Result<()> {
        let tailer = self.tailer(0)?;
        let next = tailer.next_position().await?;
        for position in (manifest.replay_after_wal_entry_position + 1..next).rev().take(LAST_ENTRIES as usize) {
            let entry = match tailer.read(position).await {
                Ok(entry) => entry,
                // What replay makes of it is told then, with more to say.
                Err(_) => return Ok(()),
            };
            if !entry.is_sentinel {
                return Evolution::plan(&entry.schema, self.spec)
                    .map(|_| ())
                    .map_err(|error| error.context(format_args!("the log's entry at position {position} of shard {}", self.shard.id())));
            }
        }
        Ok(())
    }

    fn tailer(&self, from: u64) -> Result<WalTailer> {
        let options = TailerOptions { from, ..TailerOptions::default() };
        WalTailer::open(self.store.clone(), self.shard.clone(), options, self.env.clone())
    }

    fn handle(&self, table: &SsTable) -> Arc<GenerationHandle> {
        GenerationHandle::new(self.store.clone(), self.shard.clone(), table.clone(), self.within.cache.clone())
    }

    /// The tables that the log makes, which are not indexed yet, and the generations that are published; of those, `opened` are open.
    pub async fn replay(&self, appender: &Appender, opened: &[Arc<GenerationHandle>]) -> Result<Tables> {
        let visibility = if self.config.durable { Visibility::Durable } else { Visibility::Indexed };
        let manifest = appender.manifests().check_fenced(appender.epoch()).await?;
        let mut unflushed = Unflushed { opening: self, appender, slots: VecDeque::new(), tables: manifest.sstables.clone() };
        let range = ReplayRange {
            after: manifest.replay_after_wal_entry_position,
            end: Some(appender.next_position()),
            epoch: Some(appender.epoch()),
            current_generation: manifest.current_generation.max(1),
        };
        let tailer = self.tailer(range.after + 1)?;
        let replayed = replay_unindexed(&tailer, self.spec, visibility, range, &mut unflushed).await?;
        let active = match replayed.last {
            Some(last) => Slot::replayed(last),
            None => Tables::empty(self.spec, replayed.next_generation, replayed.next_row, visibility),
        };
        let opened = |table: &SsTable| opened.iter().find(|handle| handle.table().path == table.path).cloned();
        let handles = unflushed.tables.iter().map(|table| opened(table).unwrap_or_else(|| self.handle(table)));
        let generations = Arc::new(GenerationList::new(handles.collect()));
        let who = || format!("the tables of shard {} at {}", self.shard.id(), self.store.url());
        let share = self.within.memory.as_ref().map(|memory| memory.share(Use::Tables, who()));
        let mut tables = Tables::new(Arc::clone(self.spec), visibility, active, unflushed.slots, generations, share);
        tables.counts.replayed_entries = replayed.entries;
        tables.counts.replayed_rows = replayed.rows;
        if replayed.rows > 0 {
            tracing::info!(shard = %self.shard.id(), replayed.entries, replayed.rows, "rows of the log are in tables again");
        }
        Ok(tables)
    }
}

/// Tables that are replayed and frozen, flushed where they would take too much memory (PITFALLS C3).
struct Unflushed<'a> {
    opening: &'a Opening<'a>,
    appender: &'a Appender,
    /// The oldest first.
    slots: VecDeque<Slot>,
    /// The published generations, the oldest first.
    tables: Vec<SsTable>,
}

impl Rotate for &mut Unflushed<'_> {
    async fn rotate(&mut self, table: ReplayedTable) -> Result<()> {
        self.slots.push_back(Slot::replayed(table));
        let limits = (self.opening.memtable.max_unflushed_bytes, self.opening.memtable.limits.max_bytes);
        // Room is left for the table that is filled next.
        while self.slots.iter().map(|slot| slot.bytes).sum::<u64>().saturating_add(limits.1) > limits.0
            && let Some(slot) = self.slots.pop_front()
        {
            self.flush(&slot).await?;
        }
        Ok(())
    }
}

impl Unflushed<'_> {
    async fn flush(&mut self, slot: &Slot) -> Result<()> {
        let Opening { store, shard, env, config, memtable, .. } = self.opening;
        let encoded = encode_table(&slot.table, memtable)?;
        let written = encoded.store(store, shard, env, config.retry).await?;
        let mut failures = 0;
        loop {
            let (manifests, epoch) = (self.appender.manifests(), self.appender.epoch());
            match publish::publish_in_turn(store, shard, manifests, epoch, &written, slot.covers, slot.turn).await {
                Ok(_) => break,
                Err(error) if error.action() == Action::Retry && failures < config.retry.max_retries => {
                    failures += 1;
                    config.retry.pause(env, failures).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.tables.push(written.table);
        Ok(())
    }
}
