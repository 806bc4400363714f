//! Compaction: neighbouring generations become one, so that reads do not slow down with the number of flushes.
//!
//! The merged generation has the newest row of every key, in the order in which the rows were put (older generations first), so
//! that nothing in it is superseded. Tombstones stay, unless the oldest generation is among the inputs: nothing is left then that
//! they could hide (PITFALLS I3). Without a primary key every row stays.
//!
//! Keys are merged from the inputs' sorted indexes, twice: once to see which rows stay (a bit for each), and once more to write
//! the new index. So memory is bounded by the merged generation's own size, for which [`CompactOptions::max_bytes`] is the limit.
//! Readers go on reading the inputs, which are swept when no reader can know of them any more. A crash leaves the inputs
//! published, and a directory to be swept.

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

use super::block::Builder;
use super::index::{Cursor, KeyRange};
use super::publish;
use super::read::Generation;
use super::scan::ScanOptions;
use super::write::{Encoded, KeyIndex, Parts, Written};
use super::{DataOptions, Hit};
use crate::env::{Env, Retry};
use crate::error::{ErrorKind, Result, bail, err};
use crate::memtable::key::hash_key;
use crate::shard::ShardPath;
use crate::shard::manifest::{Manifest, ManifestStore, SsTable};
use crate::store::Store;

/// What is merged, and how.
#[derive(Debug, Clone, Copy)]
pub struct CompactOptions {
    /// The most that the inputs of one merge may have on storage together; a merge takes about this much memory.
    pub max_bytes: u64,
    /// The fewest generations that are worth a merge; at least 2.
    pub min_inputs: usize,
    /// The most generations of one merge.
    pub max_inputs: usize,
    /// Whether deletions go where the shard's oldest generation is among the inputs. Not to be wanted if rows that are older than any
    /// generation live on elsewhere, such as in a table that generations were moved to.
    pub drop_tombstones: bool,
    /// How the merged data is written.
    pub data: DataOptions,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self { max_bytes: 256 << 20, min_inputs: 4, max_inputs: 16, drop_tombstones: true, data: DataOptions::default() }
    }
}

/// What a compaction did.
#[derive(Debug, Clone)]
pub struct Compacted {
    /// The generations that were merged, oldest first.
    pub inputs: Vec<SsTable>,
    /// What they became; `None` if no row was left.
    pub output: Option<SsTable>,
    /// The manifest that says so.
    pub manifest: Manifest,
}

/// Merges once, if anything is worth it, for the writer of `epoch`.
///
/// # Errors
/// `NotFound` if there is no shard; `Fenced`; `Corruption`; the store's. The shard is as before then, or as after.
pub async fn compact(
    store: &Store,
    shard: &ShardPath,
    env: &Env,
    manifests: &ManifestStore,
    epoch: u64,
    options: &CompactOptions,
) -> Result<Option<Compacted>> {
    let manifest = manifests.check_fenced(epoch).await?;
    let mut generations = Vec::with_capacity(manifest.sstables.len());
    for table in &manifest.sstables {
        generations.push(mergeable(Generation::open(store, shard, table).await)?);
    }
    let Some((chosen, written)) = write(store, shard, env, Retry::default(), &generations, options).await? else { return Ok(None) };
    let inputs = manifest.sstables[chosen].to_vec();
    let manifest = publish::replace(store, shard, manifests, epoch, &inputs, written.as_ref()).await?;
    Ok(Some(Compacted { inputs, output: written.map(|written| written.table), manifest }))
}

/// A generation that was opened, or `None` if it is another implementation's, which stays as it is.
///
/// # Errors
/// The opening's.
pub fn mergeable(opened: Result<Arc<Generation>>) -> Result<Option<Arc<Generation>>> {
    match opened {
        Ok(generation) => Ok(Some(generation)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

/// Merges what is most worth it of a shard's `generations` and stores the outcome, which [`publish::replace`] then puts in the place of those
/// that were merged: which ones, and what they became (nothing, if no row is left). `None` if nothing is worth it.
///
/// # Errors
/// As [`merge`] and [`Encoded::store`].
pub async fn write(
    store: &Store,
    shard: &ShardPath,
    env: &Env,
    retry: Retry,
    generations: &[Option<Arc<Generation>>],
    options: &CompactOptions,
) -> Result<Option<(Range<usize>, Option<Written>)>> {
    let Some(chosen) = plan(generations, options) else { return Ok(None) };
    let inputs: Vec<Arc<Generation>> = generations[chosen.clone()].iter().flatten().cloned().collect();
    let encoded = merge(&inputs, options.drop_tombstones && chosen.start == 0, options).await?;
    let written = match encoded {
        Some(encoded) => Some(encoded.store(store, shard, env, retry).await?),
        None => None,
    };
    Ok(Some((chosen, written)))
}

/// The neighbours, oldest first, that are most worth merging; `None` where a generation cannot be merged.
///
/// Most inputs win, and then fewest bytes. A generation that is more than twice all its neighbours together is left alone, so that each row
/// is rewritten a logarithmic number of times.
#[must_use]
pub fn plan(generations: &[Option<Arc<Generation>>], options: &CompactOptions) -> Option<Range<usize>> {
    let mut best: Option<(Range<usize>, u64)> = None;
    for start in 0..generations.len() {
        let Some(first) = &generations[start] else { continue };
        let (mut total, mut largest) = (0_u64, 0);
        for (end, generation) in generations.iter().enumerate().skip(start).take(options.max_inputs) {
            let Some(generation) = generation.as_ref().filter(|generation| alike(first, generation)) else { break };
            let bytes = generation.stored_bytes();
            total = total.saturating_add(bytes);
            largest = largest.max(bytes);
            if total > options.max_bytes {
                break;
            }
            let inputs = end + 1 - start;
            let worth = inputs >= options.min_inputs.max(2) && largest <= (total - largest).saturating_mul(2);
            let better = best.as_ref().is_none_or(|(range, bytes)| (inputs, *bytes) > (range.len(), total));
            if worth && better {
                best = Some((start..end + 1, total));
            }
        }
    }
    best.map(|(range, _)| range)
}

/// Whether the two can be merged: of one schema, key and set of indexes.
fn alike(a: &Generation, b: &Generation) -> bool {
    a.schema_fingerprint() == b.schema_fingerprint() && a.schema() == b.schema() && a.key() == b.key() && a.secondary() == b.secondary()
}

/// Makes one generation of `inputs`, oldest first, numbered as the newest; `oldest`: they begin with the shard's oldest generation, and
/// nothing older could be hidden by a deletion in them.
/// `None` if no row is left.
///
/// # Errors
/// `InvalidArgument` if there are no inputs or they are not in order; `SchemaMismatch` if they cannot be one; the store's; `Corruption`.
pub async fn merge(inputs: &[Arc<Generation>], oldest: bool, options: &CompactOptions) -> Result<Option<Encoded>> {
    let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { bail!(InvalidArgument, "nothing to merge") };
    if !inputs.is_sorted_by(|a, b| a.generation() < b.generation()) {
        bail!(InvalidArgument, "the generations to merge are not in order");
    }
    if !inputs.iter().all(|input| alike(first, input)) {
        bail!(SchemaMismatch, "the generations to merge differ in schema, key or indexes");
    }
    let kept = Kept::choose(inputs, oldest).await?;
    if kept.total == 0 {
        return Ok(None);
    }
    let index = match first.key() {
        Some(_) => Some(kept.index(inputs).await?),
        None => None,
    };
    let mut secondary = Vec::new();
    for spec in first.secondary() {
        let run = kept.secondary(inputs, &spec.name).await?;
        secondary.push((spec, run));
    }
    let mut batches = Vec::new();
    for (input, rows) in inputs.iter().zip(&kept.inputs) {
        let skip = rows.as_ref().map(|rows| !&rows.bits);
        let mut scan = input.scan(ScanOptions { superseded: true, tombstones: true, skip, ..ScanOptions::default() })?;
        while let Some(some) = scan.next().await? {
            batches.push(some.batch);
        }
    }
    let in_memory_bytes = inputs.iter().zip(&kept.inputs).map(|(input, rows)| {
        let left = rows.as_ref().map_or(input.rows(), |rows| rows.count);
        (u128::from(input.in_memory_bytes()) * u128::from(left) / u128::from(input.rows().max(1))) as u64
    });
    let parts = Parts {
        generation: last.generation(),
        schema: first.schema().clone(),
        key: first.key().cloned(),
        batches,
        rows: kept.total,
        index,
        secondary,
        in_memory_bytes: in_memory_bytes.sum(),
    };
    parts.encode(&options.data).map(Some)
}

/// Which rows of the inputs stay.
struct Kept {
    /// For each input; `None`: all.
    inputs: Vec<Option<KeptRows>>,
    /// The number of the first row of each input among all that stay.
    bases: Vec<u64>,
    total: u64,
}

/// The rows of one input that stay.
struct KeptRows {
    bits: BooleanBuffer,
    count: u64,
    /// How many stay before each step of [`STEP`] rows.
    ranks: Vec<u64>,
}

const STEP: usize = 512;

impl KeptRows {
    fn new(bits: BooleanBuffer) -> Self {
        let mut count = 0;
        let ranks = (0..bits.len()).step_by(STEP).map(|at| {
            count += bits.slice(at, STEP.min(bits.len() - at)).count_set_bits() as u64;
            count
        });
        let ranks: Vec<u64> = std::iter::once(0).chain(ranks).collect();
        Self { bits, count, ranks }
    }

    /// The row's number among those that stay; `None` if it does not.
    fn rank(&self, row: u64) -> Option<u64> {
        let row = usize::try_from(row).ok().filter(|row| *row < self.bits.len() && self.bits.value(*row))?;
        let step = row / STEP;
        Some(self.ranks[step] + self.bits.slice(step * STEP, row - step * STEP).count_set_bits() as u64)
    }
}

impl Kept {
    /// The newest row of every key stays, unless it is a deletion and there is nothing `oldest`er that it could hide.
    async fn choose(inputs: &[Arc<Generation>], oldest: bool) -> Result<Self> {
        let keyed = inputs.iter().all(|input| input.key().is_some());
        let kept: Vec<Option<KeptRows>> = if keyed {
            let mut bits = Vec::with_capacity(inputs.len());
            for input in inputs {
                let rows = usize::try_from(input.rows()).map_err(|_| err!(Unsupported, "more rows than this machine can count"))?;
                let mut none = BooleanBufferBuilder::new(rows);
                none.append_n(rows, false);
                bits.push(none);
            }
            let mut merge = Merge::keys(inputs).await?;
            while let Some((input, hit)) = merge.newest().await? {
                if !(oldest && hit.tombstone) && hit.row < inputs[input].rows() {
                    bits[input].set_bit(hit.row as usize, true);
                }
            }
            bits.into_iter().map(|mut bits| Some(KeptRows::new(bits.finish()))).collect()
        } else {
            inputs.iter().map(|_| None).collect()
        };
        let (mut bases, mut total) = (Vec::with_capacity(inputs.len()), 0);
        for (input, rows) in inputs.iter().zip(&kept) {
            bases.push(total);
            total += rows.as_ref().map_or(input.rows(), |rows| rows.count);
        }
        Ok(Self { inputs: kept, bases, total })
    }

    /// The number of an input's row in the merged generation; `None` if it does not stay.
    fn row(&self, input: usize, row: u64) -> Option<u64> {
        let rank = match &self.inputs[input] {
            None => Some(row),
            Some(rows) => rows.rank(row),
        };
        rank.map(|rank| self.bases[input] + rank)
    }

    async fn index(&self, inputs: &[Arc<Generation>]) -> Result<KeyIndex> {
        let mut merge = Merge::keys(inputs).await?;
        let (mut builder, mut hashes) = (Builder::default(), Vec::new());
        let (mut tombstones, mut key_bytes) = (0, 0);
        while let Some((input, hit)) = merge.newest().await? {
            let Some(row) = self.row(input, hit.row) else { continue };
            builder.push(&merge.key, Hit { row, tombstone: hit.tombstone });
            hashes.push(hash_key(&merge.key));
            tombstones += u64::from(hit.tombstone);
            key_bytes += merge.key.len() as u64;
        }
        Ok(KeyIndex { builder, hashes, mask: None, tombstones, superseded: 0, key_bytes })
    }

    async fn secondary(&self, inputs: &[Arc<Generation>], name: &str) -> Result<Builder> {
        let mut cursors = Vec::with_capacity(inputs.len());
        for input in inputs {
            cursors.push(input.entries(name, &KeyRange::default()).await?);
        }
        let mut merge = Merge::new(cursors).await?;
        let mut builder = Builder::default();
        while let Some((input, hit)) = merge.next().await? {
            if let Some(row) = self.row(input, hit.row) {
                builder.push(&merge.key, Hit { row, tombstone: false });
            }
        }
        Ok(builder)
    }
}

/// The entries of several sorted runs as one.
struct Merge {
    cursors: Vec<Cursor>,
    /// Each cursor's next entry.
    heads: Vec<Option<Hit>>,
    /// The key of the entry that came last.
    key: Vec<u8>,
}

impl Merge {
    async fn keys(inputs: &[Arc<Generation>]) -> Result<Self> {
        Self::new(inputs.iter().map(|input| input.keys(&KeyRange::default())).collect::<Result<_>>()?).await
    }

    async fn new(mut cursors: Vec<Cursor>) -> Result<Self> {
        let mut heads = Vec::with_capacity(cursors.len());
        for cursor in &mut cursors {
            heads.push(cursor.advance().await?);
        }
        Ok(Self { cursors, heads, key: Vec::new() })
    }

    /// The run with the least key; of equal keys, that of the oldest.
    fn least(&self) -> Option<usize> {
        let heads = (0..self.cursors.len()).filter(|at| self.heads[*at].is_some());
        heads.reduce(|least, at| if self.cursors[at].key() < self.cursors[least].key() { at } else { least })
    }

    /// The next entry, with its run; of equal keys, the oldest run's first.
    async fn next(&mut self) -> Result<Option<(usize, Hit)>> {
        let Some(least) = self.least() else { return Ok(None) };
        let Some(hit) = self.heads[least] else { return Ok(None) };
        self.key.clear();
        self.key.extend_from_slice(self.cursors[least].key());
        self.heads[least] = self.cursors[least].advance().await?;
        Ok(Some((least, hit)))
    }

    /// The next key's entry in the newest run that has it (PITFALLS I1); keys themselves are compared (PITFALLS I5).
    async fn newest(&mut self) -> Result<Option<(usize, Hit)>> {
        let Some(mut newest) = self.next().await? else { return Ok(None) };
        for at in newest.0 + 1..self.cursors.len() {
            if self.heads[at].is_some()
                && self.cursors[at].key() == self.key
                && let Some(hit) = self.heads[at]
            {
                newest = (at, hit);
                self.heads[at] = self.cursors[at].advance().await?;
            }
        }
        Ok(Some(newest))
    }
}
