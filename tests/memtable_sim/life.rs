//! One writer, from its claim to its end, with all that it was asked and answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use weir::cache::Cache;
use weir::env::Env;
use weir::error::{Error, ErrorKind, Result};
use weir::generation::DataOptions;
use weir::generation::compact::CompactOptions;
use weir::memtable::index::{IndexDefinition, IndexKind};
use weir::memtable::{Buffers, Limits};
use weir::shard::manifest::ManifestOptions;
use weir::store::Store;
use weir::wal::entry::Compression;
use weir::writer::{Ack, Callback, MemTableConfig, MemTableStats, ShardWriter, Within, WriterConfig};

use super::model::{Columns, Key, Op, PUT, Row, Value};
use super::reads::{NAMES, Places, Seen, random_key};
use super::world::{AGE, World, shard};
use crate::support::Process;

/// What a writer is opened with.
#[derive(Clone)]
pub struct Opening {
    pub name: String,
    pub process: Process,
    pub env: Env,
    pub store: Store,
    pub columns: Arc<Columns>,
    pub config: WriterConfig,
    pub cache: Option<Cache>,
}

type Answer = oneshot::Receiver<Result<Ack>>;

pub struct Life {
    pub opening: Opening,
    pub writer: Arc<ShardWriter>,
    pub epoch: u64,
    pub places: Places,
    /// Puts that were admitted and not answered, by number.
    outstanding: Vec<(usize, Answer)>,
    /// How many puts were answered as durable.
    acknowledged: usize,
    /// What it held when it was opened, which may be more than its limit.
    held: u64,
}

pub fn completion() -> (Callback, Answer) {
    let (sender, answer) = oneshot::channel();
    let done = move |outcome| {
        let _ = sender.send(outcome);
    };
    (Box::new(done), answer)
}

/// The outcome, which must come.
pub async fn outcome(answer: Answer) -> Result<Ack> {
    answer.await.expect("a completion was dropped uncalled")
}

/// How the next writer works: with limits small enough for something to happen.
pub fn config(world: &World, columns: &Columns) -> WriterConfig {
    let chance = &world.chance;
    let limits = Limits {
        max_rows: 50 + chance.below(*chance.pick(&[30, 300])),
        max_batches: 1 + chance.below(*chance.pick(&[4, 30])),
        max_bytes: if world.fat.is_some() || chance.chance(500) { 240 * 1024 + chance.below(60_000) } else { 4 << 20 },
    };
    let data = DataOptions { batch_bytes: *chance.pick(&[200, 2000, 128 * 1024]), compression: Compression::None };
    let compaction = chance.chance(600).then(|| {
        let min_inputs = 2 + chance.below(3) as usize;
        CompactOptions {
            min_inputs,
            max_inputs: min_inputs + chance.below(4) as usize,
            max_bytes: *chance.pick(&[20_000, 256 << 20]),
            drop_tombstones: chance.chance(700),
            data,
        }
    });
    let indexed = columns.0.iter().filter(|column| column.nullable && chance.chance(400));
    let index = |column: &super::model::Column| IndexDefinition {
        name: format!("by-{}", column.id),
        kind: IndexKind::BTree,
        column: column.name.clone(),
    };
    let memtable = MemTableConfig {
        primary_key: columns.key_names(&world.rules),
        indexes: indexed.map(index).collect(),
        limits,
        max_unflushed_bytes: limits.max_bytes + chance.below(limits.max_bytes / 2),
        frozen_grace: *chance.pick(&[Duration::ZERO, Duration::from_millis(300), Duration::from_secs(600)]),
        compaction,
        data,
        buffers: *chance.pick(&[Buffers::Own, Buffers::Foreign]),
    };
    let durable = chance.chance(600);
    // A log-only writer cannot say what the key is, unless the schema does.
    let log_only = (world.rules.marked || world.rules.key.is_empty()) && chance.chance(60);
    WriterConfig { durable, trim_age: AGE, memtable: (!log_only).then_some(memtable), ..WriterConfig::default() }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let WriterConfig { durable, memtable, .. } = &self.config;
        let (columns, cached) = (self.columns.0.iter().map(|column| &column.name).collect::<Vec<_>>(), self.cache.is_some());
        write!(f, "{} opens: durable {durable}, cache {cached}, columns {columns:?}, {memtable:?}", self.name)
    }
}

impl Opening {
    pub fn new(world: &World, number: usize, columns: &Arc<Columns>, config: WriterConfig) -> Self {
        let process = world.sim.process();
        let env = process.env();
        let cache = world.chance.chance(500).then(|| {
            let capacity = *world.chance.pick(&[4096, 100_000, 10 << 20]);
            Cache::builtin(capacity, env.clock.clone())
        });
        let name = format!("writer-{number}");
        Self { store: world.store(&name), name, process, env, columns: Arc::clone(columns), config, cache }
    }

    pub async fn open(self, world: &World) -> Result<Life> {
        let schema = self.columns.schema(&world.rules);
        let within = Within { memory: None, cache: self.cache.clone() };
        let (store, env, config) = (self.store.clone(), self.env.clone(), self.config.clone());
        let writer = Arc::new(ShardWriter::open_within(store, shard(), &schema, config, env, within).await?);
        let epoch = writer.epoch();
        {
            let mut truth = world.truth();
            let puts = truth.lives.entry(epoch).or_default();
            assert!(puts.columns.is_none(), "epoch {epoch} was given twice");
            puts.columns = Some(Arc::clone(&self.columns));
        }
        let memory = writer.memory();
        let held = memory.active + memory.frozen;
        Ok(Life { opening: self, writer, epoch, places: Places::new(), outstanding: Vec::new(), acknowledged: 0, held })
    }
}

impl Life {
    pub fn durable(&self) -> bool {
        self.opening.config.durable
    }

    pub fn memtable(&self) -> Option<&MemTableConfig> {
        self.opening.config.memtable.as_ref()
    }

    pub fn compacts(&self) -> bool {
        self.memtable().is_some_and(|memtable| memtable.compaction.is_some())
    }

    fn admitted(&self, world: &World) -> usize {
        world.truth().lives[&self.epoch].admitted.len()
    }

    // ---- Writes --------------------------------------------------------------------------------------------------

    /// Rows of one batch; keys collide, in the batch as well.
    pub fn random_rows(&self, world: &World, number: u64) -> Vec<Arc<Row>> {
        let chance = &world.chance;
        let count = 1 + chance.below(if world.fat.is_some() { 50 } else { *chance.pick(&[1, 3, 8, 8, 50]) });
        let rows = (0..count).map(|at| {
            let mut row = Row::default();
            for column in &self.opening.columns.0 {
                let value = match column.id {
                    PUT => Value::Int((number * 100 + at) as i64),
                    super::model::NAME => Value::Text((*chance.pick(&NAMES)).to_owned()),
                    super::model::ID => Value::Int(chance.below(world.ids) as i64 - 2),
                    _ if chance.chance(200) => Value::Null,
                    _ if column.data_type == arrow_schema::DataType::Utf8 => {
                        let text = (*chance.pick(&NAMES)).to_owned();
                        match world.fat.filter(|_| chance.chance(500)) {
                            Some(size) => Value::Text(format!("{text}{number}").repeat(size as usize)),
                            None => Value::Text(text),
                        }
                    }
                    _ => Value::Int(chance.below(7) as i64 - 3),
                };
                if value != Value::Null {
                    row.0.insert(column.id, value);
                }
            }
            Arc::new(row)
        });
        rows.collect()
    }

    /// Notes what an admitted put does.
    fn admit(&self, world: &World, ops: Vec<Op>) -> usize {
        let mut truth = world.truth();
        let puts = truth.lives.get_mut(&self.epoch).expect("it was born");
        let mut contents = puts.after(puts.admitted.len()).as_ref().clone();
        ops.iter().for_each(|op| contents.apply(op, &world.rules));
        puts.admitted.push((Arc::new(ops), Arc::new(contents)));
        puts.admitted.len() - 1
    }

    /// Puts or deletes, without waiting; `None` if there was no room, or never can be.
    pub fn write(&mut self, world: &World) -> Result<Option<usize>> {
        let number = self.number(world);
        let chance = &world.chance;
        let (done, answer) = completion();
        let schema = self.opening.columns.schema(&world.rules);
        let deletes = !world.rules.key.is_empty() && self.memtable().is_some() && chance.chance(250);
        let (ops, admitted): (Vec<Op>, _) = if deletes {
            let keys: Vec<Key> = (0..1 + chance.below(4)).map(|_| random_key(world, 5)).collect();
            let batch = self.opening.columns.keys(&world.rules, &keys, chance);
            (keys.into_iter().map(Op::Delete).collect(), self.writer.delete_async_with(&batch, || done))
        } else {
            let rows = self.random_rows(world, number);
            let batch = self.opening.columns.batch(&schema, &rows);
            // Sometimes as a slice of something larger.
            let from = if chance.chance(100) { chance.below(rows.len() as u64) as usize } else { 0 };
            let batch = batch.slice(from, rows.len() - from);
            (rows[from..].iter().cloned().map(Op::Put).collect(), self.writer.put_async(&batch, done))
        };
        match admitted {
            Ok(()) => {
                let put = self.admit(world, ops.clone());
                world.event(|| format!("{} epoch {} put {put}: {} rows, deletes {deletes}", self.opening.name, self.epoch, ops.len()));
                world.count("puts", 1);
                self.outstanding.push((put, answer));
                Ok(Some(put))
            }
            Err(error) if error.kind() == ErrorKind::Backpressure => {
                world.event(|| format!("{}: {error}", self.opening.name));
                world.count("backpressure", 1);
                Ok(None)
            }
            Err(error) if refused(world, &error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A number for a put that no other of the world has.
    fn number(&self, world: &World) -> u64 {
        self.epoch * 10_000 + self.admitted(world) as u64
    }

    /// Several batches at once.
    pub async fn write_all(&mut self, world: &World) -> Result<()> {
        let schema = self.opening.columns.schema(&world.rules);
        let number = self.number(world);
        let some: Vec<Vec<Arc<Row>>> = (0..1 + world.chance.below(4)).map(|at| self.random_rows(world, number + 1000 * at)).collect();
        let batches = some.iter().map(|rows| Ok(self.opening.columns.batch(&schema, rows)));
        // Waits for nothing, so a durable writer's call times out with everything accepted.
        let outcome = self.writer.put_all(batches.collect::<Vec<_>>(), Some(Duration::ZERO));
        let accepted = match &outcome {
            Ok(_) => some.len(),
            Err(error) if error.kind() == ErrorKind::TimedOut => some.len(),
            Err(error) => error.detail_u64("accepted").expect("put_all says how many it accepted") as usize,
        };
        world.event(|| format!("{} put_all: {accepted} of {} {:?}", self.opening.name, some.len(), outcome.as_ref().err()));
        for rows in some.into_iter().take(accepted) {
            self.admit(world, rows.into_iter().map(Op::Put).collect());
        }
        match outcome {
            Err(error) if !matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Backpressure) => return Err(error),
            _ => {}
        }
        if world.chance.chance(500) { self.flush(world).await } else { Ok(()) }
    }

    /// What can be seen to be wrong is refused, and changes nothing.
    pub fn bad_writes(&self, world: &World) {
        let schema = self.opening.columns.schema(&world.rules);
        let before = self.writer.stats().puts;
        let refused = |outcome: Result<()>, kinds: &[ErrorKind]| {
            let kind = outcome.expect_err("a bad batch was taken").kind();
            assert!(kinds.contains(&kind), "{kind:?} for a bad batch");
        };
        let ended = self.writer.check_ended();
        let or_ended = |kind| ended.map_or(vec![kind], |ended| vec![kind, ended]);
        let none = self.opening.columns.batch(&schema, &[]);
        refused(self.writer.put_async(&none, completion().0), &or_ended(ErrorKind::InvalidData));
        let wide = self.opening.columns.batch(&schema, &self.random_rows(world, 0)).project(&[0]).unwrap();
        refused(self.writer.put_async(&wide, completion().0), &or_ended(ErrorKind::SchemaMismatch));
        if self.memtable().is_some() && world.rules.key.is_empty() {
            refused(self.writer.delete_async_with(&none, || completion().0), &or_ended(ErrorKind::Unsupported));
        }
        assert_eq!(self.writer.stats().puts, before);
    }

    /// Waits until all that was put is durable.
    pub async fn flush(&mut self, world: &World) -> Result<()> {
        let admitted = self.admitted(world);
        let (done, answer) = completion();
        self.writer.flush_async(done);
        let ack = outcome(answer).await?;
        assert_eq!(ack.sequence as usize, admitted);
        self.durable_to(world, admitted);
        Ok(())
    }

    /// So many puts were answered as durable: they are in the log.
    fn durable_to(&mut self, world: &World, count: usize) {
        self.acknowledged = self.acknowledged.max(count);
        let landed = world.truth().lives[&self.epoch].positions.len();
        assert!(landed >= count, "{}: {count} puts are acknowledged, {landed} are in the log", self.opening.name);
    }

    /// Takes the answers that have come; the first error.
    pub fn answers(&mut self, world: &World) -> Result<()> {
        let mut failed = None;
        for (put, mut answer) in std::mem::take(&mut self.outstanding) {
            match answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => self.outstanding.push((put, answer)),
                Err(oneshot::error::TryRecvError::Closed) => panic!("the completion of put {put} was dropped uncalled"),
                Ok(Err(error)) => failed = Some(error),
                Ok(Ok(ack)) => self.answered(world, put, ack),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Waits for all answers; the first error.
    pub async fn all_answers(&mut self, world: &World) -> Result<()> {
        let mut failed = None;
        for (put, answer) in std::mem::take(&mut self.outstanding) {
            match outcome(answer).await {
                Ok(ack) => self.answered(world, put, ack),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn answered(&mut self, world: &World, put: usize, ack: Ack) {
        assert_eq!((ack.sequence, ack.epoch), (put as u64 + 1, self.epoch));
        if !self.durable() {
            return assert_eq!(ack.position, 0);
        }
        self.durable_to(world, put + 1);
        let position = world.truth().lives[&self.epoch].positions[put];
        assert_eq!(ack.position, position, "put {put} of epoch {}", self.epoch);
    }

    /// Who waits for room is woken (PITFALLS F3, F4).
    pub async fn wait_capacity(&self, world: &World) -> Result<()> {
        let (done, answer) = completion();
        self.writer.wait_capacity_async(1 + world.chance.below(20_000), done);
        outcome(answer).await.map(|_| ())
    }

    // ---- Reads and the rest --------------------------------------------------------------------------------------

    /// What must be seen now: in a durable writer what is known durable, in any other all that was admitted.
    pub fn view(&self, world: &World, strict: bool) -> Result<Seen> {
        let visible = if self.durable() { self.writer.durable_position() as usize } else { self.admitted(world) };
        let view = self.writer.view()?;
        let contents = {
            let truth = world.truth();
            let puts = &truth.lives[&self.epoch];
            assert!((self.acknowledged..=puts.admitted.len()).contains(&visible), "{visible} puts are visible");
            puts.after(visible)
        };
        let what = format!("{} epoch {}, {visible} puts visible", self.opening.name, self.epoch);
        Ok(Seen { what, view, columns: Arc::clone(&self.opening.columns), contents, taken: world.now(), strict, partial: false })
    }

    /// Memory stays below its limits.
    pub fn check_memory(&self) {
        let memory = self.writer.memory();
        assert!(memory.pending + memory.in_flight + memory.reserved <= memory.limit, "{memory:?}");
        let Some(memtable) = self.memtable() else { return };
        assert_eq!(memory.unflushed_limit, memtable.max_unflushed_bytes);
        let most = memtable.max_unflushed_bytes.max(self.held);
        assert!(memory.active + memory.frozen <= most, "{memory:?}, {} at the opening", self.held);
    }

    pub fn memtable_stats(&self) -> Option<MemTableStats> {
        self.writer.stats().memtable
    }

    pub async fn wait_flushed(&self, generation: u64) -> Result<()> {
        let (done, answer) = completion();
        self.writer.wait_flushed_async(generation, done);
        outcome(answer).await.map(|_| ())
    }

    pub async fn close(&mut self) -> Result<()> {
        let (done, answer) = completion();
        self.writer.close_async(done);
        outcome(answer).await.map(|_| ())
    }

    /// Adds up what it did.
    pub fn count(&self, world: &World) {
        let Some(stats) = self.memtable_stats() else { return };
        world.count("flushes", stats.flushes);
        world.count("failed flushes", stats.flush_failures);
        world.count("compactions", stats.compactions);
        world.count("replayed rows", stats.replayed_rows);
    }
}

/// What was too large for a table.
pub fn refused(world: &World, error: &Error) -> bool {
    let refused = error.kind() == ErrorKind::InvalidArgument && world.fat.is_some();
    world.count("refused for their size", refused.into());
    refused
}

/// Whether a writer that lives has ended, and of what.
trait Ended {
    fn check_ended(&self) -> Option<ErrorKind>;
}

impl Ended for ShardWriter {
    fn check_ended(&self) -> Option<ErrorKind> {
        self.view().err().map(|error: Error| error.kind())
    }
}

/// The manifest's options as every writer of the world has them.
pub fn manifest_options() -> ManifestOptions {
    ManifestOptions { trim_age: AGE, ..ManifestOptions::default() }
}
