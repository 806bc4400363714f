//! Where a scan's rows come from: one table or one generation at a time.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_buffer::BooleanBuffer;

use super::list::{GenerationList, Hidden};
use super::merge::{Bits, CHUNK};
use super::plan::Plan;
use super::view::View;
use crate::error::{Result, err};
use crate::generation::{CacheUse, Generation, Rows, Scan, ScanOptions};
use crate::memtable::batch_store::StoredBatch;
use crate::memtable::evolve::Evolution;
use crate::memtable::key::Keys;
use crate::memtable::{Lookup, Snapshot};

/// Rows to be filtered: those of `keep`, or all.
#[derive(Debug)]
pub(super) struct Piece {
    /// The columns [`Plan::columns`], or [`Plan::columns_and_key`].
    pub batch: RecordBatch,
    pub with_key: bool,
    /// The rows' numbers in their generation.
    pub rows: Rows,
    pub generation: u64,
    pub keep: Option<BooleanBuffer>,
}

impl Piece {
    fn restrict(&mut self, mask: BooleanBuffer) {
        self.keep = Some(match self.keep.take() {
            Some(keep) => &keep & &mask,
            None => mask,
        });
    }

    fn is_kept(&self, row: usize) -> bool {
        self.keep.as_ref().is_none_or(|keep| keep.value(row))
    }
}

/// Whether one of `tables` has the key.
fn any_has(tables: &[Snapshot], key: &[u8]) -> bool {
    tables.iter().any(|table| !matches!(table.get(key), Lookup::Missing))
}

// ---- tables -------------------------------------------------------------------------------------------------------------

/// The rows of one table that no newer one hides.
#[derive(Debug)]
pub(super) struct TableSource {
    table: Snapshot,
    /// Those that may hide some of its rows.
    newer: Vec<Snapshot>,
    /// The rows that are looked at, ascending; `None`: all.
    picked: Option<Vec<u32>>,
    /// How many of those are done; of all, how many batches.
    done: usize,
}

impl TableSource {
    /// The table at `at` of the view.
    pub fn new(view: &View, plan: &Plan, at: usize) -> Result<Option<Self>> {
        let Some(table) = view.tables().get(at).filter(|table| table.num_rows() > 0).cloned() else { return Ok(None) };
        let newer = if plan.spec.key().is_some() { view.tables()[..at].to_vec() } else { Vec::new() };
        let newer = newer.into_iter().filter(|table| table.num_rows() > 0).collect();
        let picked = Self::pick(&table, plan)?;
        Ok(Some(Self { table, newer, picked, done: 0 }))
    }

    /// The rows that can be found without looking at all, if that is worth it.
    fn pick(table: &Snapshot, plan: &Plan) -> Result<Option<Vec<u32>>> {
        let number = |position: u64| (position - table.table().first_row()) as u32;
        if let Some(point) = &plan.point {
            return Ok(Some(match table.get(point) {
                Lookup::Missing => Vec::new(),
                Lookup::Deleted(row) | Lookup::Found(row) => vec![number(row.position())],
            }));
        }
        for search in &plan.searches {
            let mut rows = Vec::new();
            let mut found = table.search(&search.name, &search.query)?;
            loop {
                let Some(row) = found.next() else {
                    rows.sort_unstable();
                    return Ok(Some(rows));
                };
                rows.push(number(row.position()));
                // A step in the index costs much more than a row in a batch does.
                if !plan.is_worth(rows.len() as u64 * 4, table.num_rows()) {
                    break;
                }
            }
        }
        Ok(None)
    }

    pub fn next(&mut self, plan: &Plan) -> Result<Option<Piece>> {
        let table = self.table.table();
        let store = table.store();
        let visible = self.table.num_rows() as u32;
        loop {
            let (stored, picked) = match &self.picked {
                None => {
                    let Some(stored) = store.batch(self.done as u32).filter(|stored| stored.first_row() < visible) else { return Ok(None) };
                    self.done += 1;
                    (stored, None)
                }
                Some(picked) => {
                    let rest = &picked[self.done..];
                    let Some((stored, _)) = rest.first().and_then(|row| store.row(*row)) else { return Ok(None) };
                    let end = u64::from(stored.first_row()) + stored.num_rows() as u64;
                    let mine = &rest[..rest.partition_point(|row| u64::from(*row) < end)];
                    self.done += mine.len();
                    (stored, Some(mine))
                }
            };
            let first = stored.first_row();
            let rows = stored.num_rows().min((visible - first) as usize);
            let keep = self.keep(plan, stored, picked, rows);
            if keep.as_ref().is_some_and(|keep| keep.count_set_bits() == 0) {
                continue;
            }
            let batch = stored.batch().project(&plan.columns).map_err(|e| err!(Internal, "a table's columns: {e}"))?;
            let (batch, rows) = match picked {
                None => {
                    let batch = if rows < stored.num_rows() { batch.slice(0, rows) } else { batch };
                    (batch, Rows::Range(u64::from(first)..u64::from(first) + rows as u64))
                }
                Some(picked) => {
                    let indices = UInt32Array::from_iter_values(picked.iter().map(|row| row - first));
                    let taken = arrow_select::take::take_record_batch(&batch, &indices);
                    let taken = taken.map_err(|e| err!(Internal, "rows cannot be taken: {e}"))?;
                    (taken, Rows::Picked(picked.iter().map(|row| u64::from(*row)).collect()))
                }
            };
            return Ok(Some(Piece { batch, with_key: false, rows, generation: table.generation(), keep }));
        }
    }

    /// The rows that are the newest of their keys, and no deletions unless these are wanted; `None`: all.
    fn keep(&self, plan: &Plan, stored: &StoredBatch, picked: Option<&[u32]>, rows: usize) -> Option<BooleanBuffer> {
        let primary = self.table.table().primary()?;
        let keys = stored.keys()?;
        let visible = self.table.num_rows() as u32;
        let first = stored.first_row();
        let keeps = |row: u32| {
            let index = (row - first) as usize;
            primary.is_newest(row, visible)
                && (plan.tombstones || !stored.is_tombstone(index))
                && (self.newer.is_empty() || !any_has(&self.newer, keys.key(index)))
        };
        let (keep, rows) = match picked {
            Some(picked) => (BooleanBuffer::collect_bool(picked.len(), |at| keeps(picked[at])), picked.len()),
            None => (BooleanBuffer::collect_bool(rows, |index| keeps(first + index as u32)), rows),
        };
        (keep.count_set_bits() < rows).then_some(keep)
    }
}

// ---- generations --------------------------------------------------------------------------------------------------------

/// The rows of one generation that no newer one and no table hides.
#[derive(Debug)]
pub(super) struct GenerationSource {
    generation: Arc<Generation>,
    list: Arc<GenerationList>,
    /// Which one it is in the list.
    at: usize,
    evolution: Arc<Evolution>,
    scan: Scan,
    /// Whether the scan's rows have the key's columns, because tables or newer generations are asked for each key.
    with_key: bool,
    tables: Vec<Snapshot>,
    hiding: Hiding,
}

/// Scans of generations that together took no more in memory put what they read into the cache: of more, little would be left there that
/// is asked for again and again.
const FILL_BYTES: u64 = 32 << 20;

/// How rows that newer generations hide are left out.
#[derive(Debug)]
enum Hiding {
    /// The scan does not give them.
    Done,
    /// Each row's key is looked for in the newer generations, of so many rows so far.
    Probe(u64),
    /// The scan gives them.
    Mask(Hidden),
}

impl GenerationSource {
    /// The generation at `at` of the view's list; `None` if no row of it can be wanted.
    pub async fn start(view: &View, plan: &Plan, at: usize) -> Result<Option<Self>> {
        let list = view.generations();
        let Some(handle) = list.handle(at) else { return Ok(None) };
        let generation = Arc::clone(handle.open().await?);
        let evolution = handle.evolution(&generation, &plan.spec)?;
        let keyed = generation.key().is_some();
        let tables: Vec<_> = view.tables().iter().filter(|table| keyed && table.num_rows() > 0).cloned().collect();

        let mut options = ScanOptions { tombstones: plan.tombstones, ..ScanOptions::default() };
        let picked = Self::pick(&generation, &evolution, plan, &mut options).await?;
        if matches!(picked, Some(0)) {
            return Ok(None);
        }
        let few = plan.limit.filter(|_| plan.filter.terms.is_empty()).unwrap_or(u64::MAX).min(picked.unwrap_or(u64::MAX));
        let is_narrow = few.saturating_mul(8) <= generation.rows();
        let mut hidden: Vec<BooleanBuffer> = options.skip.take().into_iter().collect();
        let mut hiding = Hiding::Done;
        if keyed && at > 0 {
            if is_narrow && !list.is_known(at) {
                hiding = Hiding::Probe(0);
            } else {
                hidden.extend(list.hidden(at).await?);
            }
        }
        let mut with_key = matches!(hiding, Hiding::Probe(_));
        let mut probed = Vec::new();
        for table in tables {
            if !is_narrow && table.num_rows().saturating_mul(4) <= generation.rows() {
                hidden.extend(hidden_by(&generation, &table).await?);
            } else {
                with_key = true;
                probed.push(table);
            }
        }
        options.skip = hidden.into_iter().reduce(|a, b| &a | &b);
        let columns = if with_key { &plan.columns_and_key } else { &plan.columns };
        options.projection = Some(evolution.sources(columns));
        let all = list.handles().fold(0_u64, |sum, handle| sum.saturating_add(handle.table().in_memory_bytes.unwrap_or(u64::MAX)));
        options.cache = if is_narrow || all <= FILL_BYTES { CacheUse::Fill } else { CacheUse::Read };
        let scan = generation.scan(options)?;
        Ok(Some(Self { generation, list: Arc::clone(list), at, evolution, scan, with_key, tables: probed, hiding }))
    }

    /// Restricts the scan to rows that can be found without looking at all, if that is worth it; says how many there are, about.
    async fn pick(generation: &Generation, evolution: &Evolution, plan: &Plan, options: &mut ScanOptions) -> Result<Option<u64>> {
        if generation.key().is_some()
            && let Some(point) = &plan.point
        {
            let found = generation.find(point).await?;
            let Some(hit) = found.filter(|hit| plan.tombstones || !hit.tombstone) else { return Ok(Some(0)) };
            let mut bits = Bits::new(generation)?;
            bits.set(hit.row);
            options.skip = Some(!&bits.finish());
            return Ok(Some(1));
        }
        if generation.key().is_some()
            && let Some(range) = &plan.range
        {
            let estimate = generation.estimate(range);
            if estimate == 0 {
                return Ok(Some(0));
            }
            if plan.is_worth(estimate, generation.rows()) {
                options.keys = range.clone();
                return Ok(Some(estimate));
            }
        }
        for search in &plan.searches {
            let Some(source) = evolution.columns().get(search.column).copied().flatten() else { continue };
            let Some(name) = index_on(generation, source) else { continue };
            let estimate = generation.estimate_entries(&name, &search.entries).await?;
            if !plan.is_worth(estimate, generation.rows()) {
                continue;
            }
            let mut entries = generation.entries(&name, &search.entries).await?;
            let (mut bits, mut count) = (Bits::new(generation)?, 0);
            while let Some(hit) = entries.advance().await? {
                bits.set(hit.row);
                count += 1;
            }
            options.skip = Some(!&bits.finish());
            return Ok(Some(count));
        }
        Ok(None)
    }

    pub async fn next(&mut self, plan: &Plan) -> Result<Option<Piece>> {
        let Some(some) = self.scan.next().await? else { return Ok(None) };
        let columns = if self.with_key { &plan.columns_and_key } else { &plan.columns };
        let batch = self.evolution.apply_projected(&some.batch, columns)?;
        Ok(Some(Piece { batch, with_key: self.with_key, rows: some.rows, generation: self.generation.generation(), keep: None }))
    }

    /// Leaves out of `piece`, the last that [`Self::next`] gave, what tables and newer generations hide.
    pub async fn hide(&mut self, plan: &Plan, piece: &mut Piece) -> Result<()> {
        if let Hiding::Mask(Some(hidden)) = &self.hiding {
            let is_hidden = |at: usize| piece.rows.get(at).is_some_and(|row| hidden.value(row as usize));
            let keep = BooleanBuffer::collect_bool(piece.rows.len(), |at| !is_hidden(at));
            piece.restrict(keep);
        }
        let probes = matches!(self.hiding, Hiding::Probe(_));
        if !probes && self.tables.is_empty() {
            return Ok(());
        }
        let keys = keys_of(plan, piece)?;
        if !self.tables.is_empty() {
            let keep = BooleanBuffer::collect_bool(keys.len(), |row| piece.is_kept(row) && !any_has(&self.tables, keys.key(row)));
            piece.keep = Some(keep);
        }
        let Hiding::Probe(so_far) = self.hiding else { return Ok(()) };
        self.probe(piece, &keys).await?;
        let so_far = so_far + piece.rows.len() as u64;
        // More than was thought: from here on it is cheaper to know all that is hidden.
        self.hiding = if so_far.saturating_mul(8) > self.generation.rows() {
            Hiding::Mask(self.list.hidden(self.at).await?)
        } else {
            Hiding::Probe(so_far)
        };
        Ok(())
    }

    async fn probe(&self, piece: &mut Piece, keys: &Keys) -> Result<()> {
        let mut order: Vec<usize> = (0..keys.len()).filter(|row| piece.is_kept(*row)).collect();
        order.sort_unstable_by(|a, b| keys.key(*a).cmp(keys.key(*b)));
        let mut hidden = vec![false; keys.len()];
        for handle in self.list.newer(self.at) {
            order.retain(|row| !hidden[*row]);
            let wanted: Vec<&[u8]> = order.iter().map(|row| keys.key(*row)).collect();
            let found = handle.open().await?.find_many(&wanted).await?;
            order.iter().zip(found).for_each(|(row, found)| hidden[*row] = found.is_some());
        }
        piece.restrict(BooleanBuffer::collect_bool(keys.len(), |row| !hidden[row]));
        Ok(())
    }
}

/// The encoded keys of a piece that has the key's columns.
fn keys_of(plan: &Plan, piece: &Piece) -> Result<Keys> {
    let encoder = plan.spec.key().ok_or_else(|| err!(Internal, "keys without a primary key"))?;
    let column = |index: usize| plan.columns_and_key.binary_search(&index).ok().and_then(|at| piece.batch.columns().get(at)).cloned();
    let columns: Option<Vec<ArrayRef>> = encoder.spec().columns().iter().map(|key| column(key.index())).collect();
    encoder.encode_arrays(&columns.ok_or_else(|| err!(Internal, "the key's columns were not read"))?)
}

/// The generation's index on its column `source` alone, if it has one.
fn index_on(generation: &Generation, source: usize) -> Option<String> {
    let name = generation.schema().fields().get(source)?.name();
    let mut indexes = generation.secondary().into_iter();
    indexes.find(|index| index.columns == [name.as_str()]).map(|index| index.name)
}

/// The rows of `generation` whose key `table` has, where the table has far fewer rows.
async fn hidden_by(generation: &Generation, table: &Snapshot) -> Result<Hidden> {
    let mut bits = Bits::new(generation)?;
    let mut any = false;
    let mut chunk: Vec<&[u8]> = Vec::new();
    let visible = table.num_rows() as u32;
    let mut batches = table.table().store().batches(visible);
    let mut rest = Vec::new().into_iter();
    loop {
        let key = match rest.next() {
            Some(key) => Some(key),
            None => match batches.next() {
                Some(stored) => {
                    let rows = stored.num_rows().min((visible - stored.first_row()) as usize);
                    let keys = stored.keys().into_iter().flat_map(|keys| keys.iter().take(rows));
                    rest = keys.filter(|key| generation.may_contain(key)).collect::<Vec<_>>().into_iter();
                    continue;
                }
                None => None,
            },
        };
        chunk.extend(key);
        if chunk.len() == CHUNK || (key.is_none() && !chunk.is_empty()) {
            chunk.sort_unstable();
            for hit in generation.find_many(&chunk).await?.iter().flatten() {
                bits.set(hit.row);
                any = true;
            }
            chunk.clear();
        }
        if key.is_none() {
            return Ok(any.then(|| bits.finish()));
        }
    }
}
