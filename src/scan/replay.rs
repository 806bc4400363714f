//! The log's tail becomes tables again: what was logged and is in no generation yet (PITFALLS C).
//!
//! Read are the entries behind the manifest's cursor, each once, in order, up to an end that is known beforehand: the writer's own
//! sentinel. What is missing before it is an error, never the end (PITFALLS C8). Only the cursor says what is covered, not the list
//! of generations, which a compaction may empty (PITFALLS C1). Sentinels are passed over; an entry of a higher epoch than the
//! writer's says that it is fenced. Rows of an older schema are read through an [`Evolution`] (PITFALLS C7). All rows are indexed and
//! durable from the beginning: nothing of them is logged again (PITFALLS C2).
//!
//! # Which entry goes into which table
//!
//! An entry of a MemTable writer records the *generation* of its rows; one of a WAL-only writer records none. Whatever becomes of
//! the process that replays, the next replay must neither lose a row nor double one, and all that it has to go by is the manifest:
//! the cursor `R` and the current generation `G`. It does so because this holds in every shard, always:
//!
//! > **An entry behind `R` whose recorded generation is below `G` is in a published generation, and no other entry behind `R` is.**
//!
//! Such entries exist where a freeze raced an append, in logs of Lance: the cursor then trails the published generation's last entry.
//! They are skipped (PITFALLS C4). weir's own cursors are exact, so behind them there must be no such entry at all. Publishing a table
//! sets `R` to its last entry and `G` to its generation plus one; therefore a table may end at an entry only if
//!
//! > **every entry behind it in the log records a generation above the table's, or none.**
//!
//! Then a crash at any point of a flush is harmless: before the manifest's commit nothing has changed, after it the next replay begins
//! behind the table's last entry, and skips nothing. From this follow the rules:
//!
//! 1. *A table has the generation that its entries record*, not merely the next number. Recorded generations never go down in a log;
//!    one that does is `Corruption`. A greater one begins a new table of that generation, so a generation is never split, and takes no
//!    notice of a table's limits: where it fitted when it was written, it fits about as well now.
//! 2. *Numbers may be passed over.* Entries without a generation may have filled generations 5 to 7 of a writer that died before it
//!    published them and whose limits were smaller; all of them now fit into generation 5, and the next entry records 8. If the table after
//!    5 were called 6, what is logged next would record 6 behind entries that record 8. It is called 8, and [`ReplayedTable::turn`]
//!    says that it is to be published when the manifest's current generation is 6
//!    ([`publish_in_turn`](crate::generation::publish::publish_in_turn)): strictly in order all the same (PITFALLS G1).
//! 3. *Entries without a generation go into the table at hand*, or begin one of the next number. They may be more than any table should
//!    hold (PITFALLS C3), so a table is ended at its limits before such an entry, between two entries, and a table of the next number
//!    follows. But an entry that records the ended table's generation, or one below the numbers given away, may come yet: a MemTable
//!    writer may have taken entries without a generation into its table 5 and gone on logging for it (5, none, none, 5); had we
//!    published the first part of it as 5, the last entry would be skipped as published. Hence before a table is ended at its limits,
//!    the log is read ahead to the next entry that records a generation. If that is not above the table's, the table goes on beyond its
//!    limits. What was read ahead is read again, so a log that does not fit into one table may be read twice; no other is.
//! 4. *The last table is not ended*: it is the writer's active one, and what is logged next records its generation, which is above or
//!    equal to all that is recorded.
//!
//! With rule 3 a table may be larger than the limits where the log was written under much larger ones: as large as the one that its
//! writer had in memory, and that only if it died before it was published.
//!
//! Who only reads ([`ReplayRange::epoch`] is `None`) publishes nothing, so none of this binds it: the order of rows is what counts, and
//! tables are ended at their limits wherever that is.

use std::sync::Arc;

use arrow_schema::SchemaRef;

use crate::error::{Error, ErrorKind, Result, bail, err};
use crate::memtable::evolve::Evolution;
use crate::memtable::{MemTable, Prepared, TableSpec, Visibility};
use crate::wal::WalTailer;
use crate::wal::entry::Entry;

/// What of a log is replayed.
#[derive(Debug, Clone, Copy)]
pub struct ReplayRange {
    /// The manifest's cursor: entries up to here, inclusive, are in generations.
    pub after: u64,
    /// The position of the writer's own sentinel: entries before it are there, or it is an error. `None`: up to the log's end.
    pub end: Option<u64>,
    /// The epoch of the writer that replays: an entry of a higher one means that it is fenced, and its tables will be published.
    /// `None`: only to read.
    pub epoch: Option<u64>,
    /// The manifest's current generation.
    pub current_generation: u64,
}

/// A table of replayed rows: all of them indexed and durable.
#[derive(Debug, Clone)]
pub struct ReplayedTable {
    /// The table.
    pub table: Arc<MemTable>,
    /// The position of its last entry: what it covers when it is published.
    pub covers: u64,
    /// The manifest's current generation when it is this table's turn to be published; the table's own generation, unless the log
    /// passes over some.
    pub turn: u64,
}

/// What came of a replay.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The last table, not frozen, to go on as the active one; none, if there was nothing to replay. It may be full already.
    pub last: Option<ReplayedTable>,
    /// The position of the row that is put next.
    pub next_row: u64,
    /// The generation of the table that follows `last`, which is its turn as well.
    pub next_generation: u64,
    /// The position of the last entry that was read, or the cursor if there was none.
    pub tip: u64,
    /// How many entries had their rows replayed.
    pub entries: u64,
    /// How many rows they had.
    pub rows: u64,
    /// The bytes of their objects.
    pub bytes: u64,
    /// How many entries were skipped since a published generation has them.
    pub skipped: u64,
}

/// What is done with the tables of a replay that are complete. A closure that returns a future is one.
pub trait Rotate: Send {
    /// Takes a table, frozen; the next one begins when the future is done.
    fn rotate(&mut self, table: ReplayedTable) -> impl Future<Output = Result<()>> + Send;

    /// Is told after each entry of the table at hand, whose rows have just grown, and may end the replay.
    ///
    /// # Errors
    /// Whatever the replay is to end with.
    fn grown(&mut self, _table: &MemTable) -> Result<()> {
        Ok(())
    }
}

impl<F, D> Rotate for F
where
    F: FnMut(ReplayedTable) -> D + Send,
    D: Future<Output = Result<()>> + Send,
{
    fn rotate(&mut self, table: ReplayedTable) -> impl Future<Output = Result<()>> + Send {
        self(table)
    }
}

/// Replays the entries of `range` into tables of `spec`, which number their rows from 0. `tailer` must not follow; it is moved, and is at the
/// end of the range afterwards. `rotate` is called with each table but the last, frozen and in order, once the next one begins, and
/// may take as long as it needs, for instance until memory is free: meanwhile nothing is read.
///
/// # Errors
/// `Fenced` by an entry of a higher epoch; `Trimmed` or `Corruption` if entries are missing, damaged or in disorder; `SchemaMismatch` or
/// `InvalidData` if rows are not such that the spec's tables can have them; the store's; `rotate`'s. What `rotate` was called with
/// stays as it is: after any error, and after a crash, a replay from the manifest as it then is gives the same rows.
pub async fn replay(
    tailer: &WalTailer,
    spec: &Arc<TableSpec>,
    visibility: Visibility,
    range: ReplayRange,
    rotate: impl Rotate,
) -> Result<Replayed> {
    run(tailer, spec, visibility, range, rotate, true).await
}

/// As [`replay`], but tables come without their indexes, which take many times as long to make as the rows take to read. Nothing of a
/// table is visible before [`MemTable::index`] has fed them, on whatever thread and whenever that suits who owns the table: before it is
/// flushed or read from, and before a put into it is to be visible.
///
/// # Errors
/// As [`replay`].
pub async fn replay_unindexed(
    tailer: &WalTailer,
    spec: &Arc<TableSpec>,
    visibility: Visibility,
    range: ReplayRange,
    rotate: impl Rotate,
) -> Result<Replayed> {
    run(tailer, spec, visibility, range, rotate, false).await
}

async fn run(
    tailer: &WalTailer,
    spec: &Arc<TableSpec>,
    visibility: Visibility,
    range: ReplayRange,
    mut rotate: impl Rotate,
    indexed: bool,
) -> Result<Replayed> {
    let mut log = Log::new(tailer, range)?;
    let mut tables = Tables::new(spec, visibility, range);
    let mut reader = Reader { spec, plan: None };
    while let Some(entry) = log.next().await? {
        tables.tip = entry.position;
        if tables.is_published(&entry)? || entry.rows() == 0 {
            continue;
        }
        let prepared = reader.prepare(&entry).map_err(|e| e.context(format_args!("the log's entry at position {}", entry.position)))?;
        if tables.must_rotate(&entry, &prepared, &mut log).await?
            && let Some(ended) = tables.end()?
        {
            rotate.rotate(ended).await?;
        }
        let table = tables.take(&entry, prepared)?;
        if indexed {
            table.index()?;
        }
        rotate.grown(table)?;
    }
    tables.finish()
}

/// The entries of the range, in order.
struct Log<'t> {
    tailer: &'t WalTailer,
    range: ReplayRange,
    /// The position of the next entry.
    next: u64,
    /// The next entry that records a generation, as far as it was looked for: its position and the generation. None is left if there is no
    /// generation.
    ahead: Option<(u64, Option<u64>)>,
}

impl<'t> Log<'t> {
    fn new(tailer: &'t WalTailer, range: ReplayRange) -> Result<Self> {
        let Some(next) = range.after.checked_add(1) else {
            bail!(Corruption, "the log is covered up to position {}, the last there can be", range.after)
        };
        if let Some(end) = range.end
            && end < next
        {
            bail!(InvalidArgument, "a replay up to position {end} cannot begin behind position {}", range.after);
        }
        tailer.seek(next);
        Ok(Self { tailer, range, next, ahead: None })
    }

    async fn next(&mut self) -> Result<Option<Entry>> {
        if self.range.end.is_some_and(|end| self.next >= end) {
            return Ok(None);
        }
        let entry = match self.tailer.next().await? {
            Some(entry) => entry,
            None if self.range.end.is_none() => return Ok(None),
            None => self.missing().await?,
        };
        if entry.position != self.next {
            bail!(Internal, "position {} was read instead of {}", entry.position, self.next);
        }
        if let Some(epoch) = self.range.epoch
            && entry.epoch > epoch
        {
            return Err(err!(
                Fenced,
                "the writer of epoch {epoch} is fenced: epoch {} wrote to position {} of the log",
                entry.epoch,
                entry.position
            )
            .with_u64("epoch", epoch)
            .with_u64("fenced_by_epoch", entry.epoch));
        }
        self.next += 1;
        Ok(Some(entry))
    }

    /// The entry at the next position, of which the tailer says that nobody wrote it yet, although later ones are there.
    async fn missing(&self) -> Result<Entry> {
        let position = self.next;
        let entry = self.tailer.read(position).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => err!(
                Corruption,
                "there is no entry at position {position} of the log, although the writer's own is at position {}",
                self.range.end.unwrap_or_default()
            )
            .with_u64("position", position),
            _ => error,
        })?;
        self.tailer.seek(position + 1);
        Ok(entry)
    }

    /// The generation that the next entry after `position` that records one does record. Moves nothing.
    async fn recorded_after(&mut self, position: u64) -> Result<Option<u64>> {
        if let Some((at, generation)) = self.ahead
            && (generation.is_none() || at > position)
        {
            return Ok(generation);
        }
        let resume = self.next;
        let mut found = None;
        while let Some(entry) = self.next().await? {
            if let Some(generation) = entry.generation {
                found = Some((entry.position, Some(generation)));
                break;
            }
        }
        let found = *self.ahead.insert(found.unwrap_or((self.next, None)));
        self.next = resume;
        self.tailer.seek(resume);
        Ok(found.1)
    }
}

/// Makes of an entry what tables take in.
struct Reader<'s> {
    spec: &'s Arc<TableSpec>,
    /// How the last entry's schema was read: entries of one writer share it.
    plan: Option<Plan>,
}

struct Plan {
    from: SchemaRef,
    evolution: Evolution,
    /// Nothing at all is to be done.
    as_is: bool,
}

impl Reader<'_> {
    fn prepare(&mut self, entry: &Entry) -> Result<Vec<Prepared>> {
        let known = self.plan.take().filter(|plan| Arc::ptr_eq(&plan.from, &entry.schema) || plan.from == entry.schema);
        let plan = match known {
            Some(plan) => self.plan.insert(plan),
            None => self.plan.insert(self.new_plan(&entry.schema)?),
        };
        let rows = entry.batches.iter().filter(|batch| batch.num_rows() > 0);
        if plan.as_is && rows.clone().count() == entry.batches.len() {
            return self.spec.replay(&entry.batches);
        }
        let evolved = rows.map(|batch| plan.evolution.apply(batch)).collect::<Result<Vec<_>>>()?;
        self.spec.replay(&evolved)
    }

    fn new_plan(&self, from: &SchemaRef) -> Result<Plan> {
        let evolution = Evolution::plan(from, self.spec)?;
        let names = |schema: &SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let as_is = evolution.is_identity() && names(from) == names(self.spec.stored_schema());
        Ok(Plan { from: Arc::clone(from), evolution, as_is })
    }
}

/// The tables, of which one is at hand.
struct Tables<'s> {
    spec: &'s Arc<TableSpec>,
    visibility: Visibility,
    current: Option<ReplayedTable>,
    /// The turn of the table after the current one.
    turn: u64,
    next_row: u64,
    /// The generation that the last entry that was not skipped and records one does record.
    recorded: Option<u64>,
    current_generation: u64,
    tip: u64,
    entries: u64,
    bytes: u64,
    skipped: u64,
}

impl<'s> Tables<'s> {
    fn new(spec: &'s Arc<TableSpec>, visibility: Visibility, range: ReplayRange) -> Self {
        Self {
            spec,
            visibility,
            current: None,
            turn: range.current_generation,
            next_row: 0,
            recorded: None,
            current_generation: range.current_generation,
            tip: range.after,
            entries: 0,
            bytes: 0,
            skipped: 0,
        }
    }

    /// Whether a published generation has the entry (PITFALLS C4); notes what it records if not.
    fn is_published(&mut self, entry: &Entry) -> Result<bool> {
        let Some(generation) = entry.generation else { return Ok(false) };
        if let Some(recorded) = self.recorded
            && generation < recorded
        {
            return Err(disorder(entry.position, generation, recorded));
        }
        if generation < self.current_generation {
            self.skipped += 1;
            return Ok(true);
        }
        self.recorded = Some(generation);
        Ok(false)
    }

    /// Whether the table at hand ends before `entry`, the log's last that was read.
    async fn must_rotate(&self, entry: &Entry, prepared: &[Prepared], log: &mut Log<'_>) -> Result<bool> {
        let Some(current) = &self.current else { return Ok(false) };
        let at_hand = current.table.generation();
        let publishes = log.range.epoch.is_some();
        match entry.generation {
            Some(generation) if generation > at_hand => Ok(true),
            // Nothing was read ahead to say that this could not be: the log is another than it was.
            Some(generation) if generation < at_hand && publishes => Err(disorder(entry.position, generation, at_hand)),
            _ if current.table.fits(prepared) => Ok(false),
            Some(_) if publishes => Ok(false),
            None if publishes => Ok(log.recorded_after(entry.position).await?.is_none_or(|next| next > at_hand)),
            _ => Ok(true),
        }
    }

    /// Freezes the table at hand.
    fn end(&mut self) -> Result<Option<ReplayedTable>> {
        let Some(ended) = self.current.take() else { return Ok(None) };
        ended.table.freeze();
        ended.table.set_durable(ended.table.end_row());
        self.next_row = ended.table.end_row();
        self.turn = following(ended.table.generation())?;
        Ok(Some(ended))
    }

    fn take(&mut self, entry: &Entry, prepared: Vec<Prepared>) -> Result<&MemTable> {
        let current = self.current.get_or_insert_with(|| {
            let generation = entry.generation.unwrap_or(self.turn).max(self.turn);
            let table = MemTable::new(Arc::clone(self.spec), generation, self.next_row, self.visibility);
            ReplayedTable { table, covers: entry.position, turn: self.turn }
        });
        for one in prepared {
            current.table.append_logged(one)?;
        }
        current.covers = entry.position;
        self.entries += 1;
        self.bytes += entry.bytes;
        Ok(&current.table)
    }

    fn finish(mut self) -> Result<Replayed> {
        let mut next_generation = self.turn;
        if let Some(last) = &self.current {
            last.table.set_durable(last.table.end_row());
            self.next_row = last.table.end_row();
            next_generation = following(last.table.generation())?;
        }
        let Self { current, next_row, tip, entries, bytes, skipped, .. } = self;
        Ok(Replayed { last: current, next_row, next_generation, tip, entries, rows: next_row, bytes, skipped })
    }
}

fn following(generation: u64) -> Result<u64> {
    generation.checked_add(1).ok_or_else(|| err!(Corruption, "generation {generation} is the last there can be"))
}

fn disorder(position: u64, generation: u64, before: u64) -> Error {
    err!(
        Corruption,
        "the log's entry at position {position} records generation {generation}, and an earlier one is of generation {before}: generations \
         never go backwards"
    )
    .with_u64("position", position)
}
