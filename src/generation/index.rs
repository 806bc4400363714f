//! Reading an index file: one key, many keys, or a range of them in order.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::Hit;
use super::block::{Block, Sparse, Walk};
use super::cached::{BlockKey, IndexBlocks, alone};
use super::container::{self, Container, damaged, kind};
use crate::error::{Error, Result};
use crate::store::Store;

/// Blocks are read together up to this many bytes.
const READ_BYTES: u64 = 256 * 1024;
/// Blocks that nobody asked for are read along where they are no more than this between two that somebody did.
const GAP_BYTES: u64 = 16 * 1024;
/// How many reads are under way at once.
const CONCURRENT: usize = 8;

/// An opened index file.
#[derive(Debug)]
pub(super) struct Index {
    store: Store,
    pub(super) container: Arc<Container>,
    sparse: Sparse,
    cached: Option<IndexBlocks>,
}

impl Index {
    /// Of the file `container`, whose blocks are kept in `cached`.
    pub(super) fn new(store: Store, container: Arc<Container>, cached: Option<IndexBlocks>) -> Result<Self> {
        let total = container.size - container.blocks_at;
        let sparse = container.section(kind::SPARSE).and_then(|bytes| Sparse::read(bytes, total));
        let sparse = sparse.map_err(|what| damaged(&store, &container.path, what))?;
        Ok(Self { store, container, sparse, cached })
    }

    pub(super) fn damaged(&self, what: impl std::fmt::Display) -> Error {
        damaged(&self.store, &self.container.path, what)
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        self.container.resident_bytes() + self.sparse.table_bytes() as u64
    }

    /// What `key` leads to, where keys are unique: one read at most.
    pub(super) async fn get(&self, key: &[u8]) -> Result<Option<Hit>> {
        let Some(index) = self.sparse.find(key) else { return Ok(None) };
        let Some(cached) = &self.cached else {
            let blocks = self.read(index..index + 1).await?;
            return blocks.first().map_or(Ok(None), |block| block.get(key)).map_err(|what| self.damaged(what));
        };
        let load = async {
            let mut blocks = self.read(index..index + 1).await?;
            blocks.pop().ok_or_else(|| self.damaged(format!("block {index} is missing")))
        };
        let (block, _) = cached.view.get_or_insert(&self.key(cached, index), load).await?;
        block.get(key).map_err(|what| self.damaged(what))
    }

    /// [`Self::get`] where nothing has to be read; `None` where something has.
    pub(super) fn get_now(&self, key: &[u8]) -> Result<Option<Option<Hit>>> {
        let Some(index) = self.sparse.find(key) else { return Ok(Some(None)) };
        let Some(cached) = &self.cached else { return Ok(None) };
        let block = cached.view.peek_now(&self.key(cached, index));
        block.map(|block| block.get(key)).transpose().map_err(|what| self.damaged(what))
    }

    fn key(&self, cached: &IndexBlocks, index: usize) -> BlockKey {
        cached.key(index, self.sparse.crc(index))
    }

    /// About how many entries the blocks have that may hold some of `range`.
    pub(super) fn estimate(&self, range: &KeyRange) -> u64 {
        let key = |bound: &Bound<Vec<u8>>| match bound {
            Bound::Unbounded => None,
            Bound::Included(key) | Bound::Excluded(key) => Some(key.clone()),
        };
        self.sparse.estimate(key(&range.from).as_deref(), key(&range.to).as_deref(), self.container.header.entries)
    }

    /// What each of `keys`, sorted, leads to, where keys are unique: each block is read once, neighbours together.
    pub(super) async fn get_many(&self, keys: &[&[u8]], keep: bool) -> Result<Vec<Option<Hit>>> {
        let places: Vec<Option<usize>> = keys.iter().map(|key| self.sparse.find(key)).collect();
        let mut wanted: Vec<usize> = places.iter().flatten().copied().collect();
        wanted.dedup();
        let runs = self.runs(&wanted);
        let mut hits = vec![None; keys.len()];
        let mut next = 0;
        for runs in runs.chunks(CONCURRENT) {
            let read = try_join_all(runs.iter().map(|run| self.blocks(run.clone(), keep))).await?;
            for (run, blocks) in runs.iter().zip(read) {
                while next < keys.len() && places[next].is_none_or(|place| place < run.end) {
                    if let Some(block) = places[next].and_then(|place| blocks.get(place - run.start)) {
                        hits[next] = block.get(keys[next]).map_err(|what| self.damaged(what))?;
                    }
                    next += 1;
                }
            }
        }
        Ok(hits)
    }

    /// The blocks of `wanted`, in order, as runs that are worth one read each.
    fn runs(&self, wanted: &[usize]) -> Vec<std::ops::Range<usize>> {
        let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
        for index in wanted {
            let end = self.sparse.range(*index).end;
            match runs.last_mut() {
                Some(run)
                    if self.sparse.range(*index).start - self.sparse.range(run.end - 1).end <= GAP_BYTES
                        && end - self.sparse.range(run.start).start <= READ_BYTES =>
                {
                    run.end = index + 1;
                }
                _ => runs.push(*index..index + 1),
            }
        }
        runs
    }

    /// Blocks `range`, from the cache or, those between the first and the last that are not in it, read at once; with `keep`, they are kept.
    async fn blocks(&self, range: std::ops::Range<usize>, keep: bool) -> Result<Vec<Block>> {
        let Some(cached) = self.cached.as_ref().filter(|_| keep) else { return self.read(range).await };
        let mut blocks = Vec::with_capacity(range.len());
        for index in range.clone() {
            blocks.push(cached.view.peek(&self.key(cached, index)).await.map(|block| (*block).clone()));
        }
        let (first, last) = (blocks.iter().position(Option::is_none), blocks.iter().rposition(Option::is_none));
        if let (Some(first), Some(last)) = (first, last) {
            let read = self.read(range.start + first..range.start + last + 1).await?;
            for (at, block) in (first..).zip(read) {
                if blocks[at].is_none() {
                    cached.view.insert(&self.key(cached, range.start + at), Arc::new(block.clone())).await?;
                    blocks[at] = Some(block);
                }
            }
        }
        Ok(blocks.into_iter().flatten().collect())
    }

    /// Blocks `range`, read at once and checked.
    async fn read(&self, range: std::ops::Range<usize>) -> Result<Vec<Block>> {
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else { return Ok(Vec::new()) };
        let (start, end) = (self.sparse.range(range.start).start, self.sparse.range(last).end);
        let base = self.container.blocks_at;
        let bytes: Bytes = container::fetch(&self.store, &self.container.path, base + start..base + end, self.container.size).await?;
        let block = |index: usize| {
            let at = self.sparse.range(index);
            let mine = bytes.slice((at.start - start) as usize..(at.end - start) as usize);
            // What may be kept is not to keep more.
            let mine = if self.cached.is_some() { alone(mine, bytes.len()) } else { mine };
            self.sparse.check(index, mine)
        };
        range.map(block).collect::<std::result::Result<_, _>>().map_err(|what| self.damaged(what))
    }

    /// All blocks, checked.
    pub(super) async fn verify(self: &Arc<Self>) -> Result<u64> {
        let mut cursor = self.cursor(&KeyRange::default(), false);
        let (mut entries, mut before) = (0, Vec::new());
        while cursor.advance().await?.is_some() {
            if entries > 0 && *before > *cursor.key() {
                return Err(self.damaged("its keys are not sorted"));
            }
            before.clear();
            before.extend_from_slice(cursor.key());
            entries += 1;
        }
        if entries != self.container.header.entries {
            return Err(self.damaged(format!("it has {entries} entries instead of {}", self.container.header.entries)));
        }
        Ok(entries)
    }

    /// A walk over the entries of `range`, in order, whose blocks go through the cache if they are to be kept. Those of a walk over all
    /// entries do not: they would drive out what is asked for again and again.
    pub(super) fn cursor(self: &Arc<Self>, range: &KeyRange, keep: bool) -> Cursor {
        let next = match &range.from {
            Bound::Unbounded => 0,
            Bound::Included(key) | Bound::Excluded(key) => self.sparse.seek(key),
        };
        let keep = keep && !range.is_all();
        Cursor { index: self.clone(), range: range.clone(), keep, next, blocks: Vec::new().into_iter(), walk: None, begun: false }
    }
}

/// A range of encoded keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub from: Bound<Vec<u8>>,
    /// Where it ends.
    pub to: Bound<Vec<u8>>,
}

impl Default for KeyRange {
    /// All keys.
    fn default() -> Self {
        Self { from: Bound::Unbounded, to: Bound::Unbounded }
    }
}

impl KeyRange {
    /// Whether every key is in it.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!((&self.from, &self.to), (Bound::Unbounded, Bound::Unbounded))
    }

    /// Whether `key` is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        !self.is_before(key) && !self.is_after(key)
    }

    pub(super) fn is_before(&self, key: &[u8]) -> bool {
        match &self.from {
            Bound::Unbounded => false,
            Bound::Included(from) => key < from.as_slice(),
            Bound::Excluded(from) => key <= from.as_slice(),
        }
    }

    pub(super) fn is_after(&self, key: &[u8]) -> bool {
        match &self.to {
            Bound::Unbounded => false,
            Bound::Included(to) => key > to.as_slice(),
            Bound::Excluded(to) => key >= to.as_slice(),
        }
    }
}

/// Goes through the keys of a range in order, reading some blocks at a time: memory is bounded, whatever the range.
#[derive(Debug)]
pub struct Cursor {
    index: Arc<Index>,
    range: KeyRange,
    /// Whether blocks come from the cache, and are kept there.
    keep: bool,
    /// The next block to be read.
    next: usize,
    blocks: std::vec::IntoIter<Block>,
    walk: Option<Walk>,
    begun: bool,
}

impl Cursor {
    /// The next entry, whose key [`Self::key`] then gives; `None` at the end of the range.
    ///
    /// # Errors
    /// The store's; `NotFound` if the generation is gone; `Corruption`.
    pub async fn advance(&mut self) -> Result<Option<Hit>> {
        loop {
            if let Some(walk) = &mut self.walk {
                while let Some(hit) = walk.next().map_err(|what| self.index.damaged(what))? {
                    if self.range.is_after(&walk.key) {
                        self.end();
                        return Ok(None);
                    }
                    if !self.range.is_before(&walk.key) {
                        return Ok(Some(hit));
                    }
                }
                self.walk = None;
            }
            let Some(block) = self.next_block().await? else {
                self.end();
                return Ok(None);
            };
            let walk = match &self.range.from {
                Bound::Included(key) | Bound::Excluded(key) if !self.begun => block.from(key),
                _ => Ok(block.walk()),
            };
            self.begun = true;
            self.walk = Some(walk.map_err(|what| self.index.damaged(what))?);
        }
    }

    pub(super) fn bypass(&mut self) {
        self.keep = false;
    }

    /// The key of the entry that came last; empty before the first and after the end.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.walk.as_ref().map_or(&[], |walk| &walk.key)
    }

    fn end(&mut self) {
        self.walk = None;
        self.next = usize::MAX;
        self.blocks = Vec::new().into_iter();
    }

    async fn next_block(&mut self) -> Result<Option<Block>> {
        if let Some(block) = self.blocks.next() {
            return Ok(Some(block));
        }
        let sparse = &self.index.sparse;
        if self.next >= sparse.len() {
            return Ok(None);
        }
        let start = sparse.range(self.next).start;
        let mut end = self.next + 1;
        let beyond = |index: usize| match &self.range.to {
            Bound::Unbounded => false,
            Bound::Included(key) | Bound::Excluded(key) => sparse.begins_after(index, key),
        };
        while end < sparse.len() && sparse.range(end).end - start <= READ_BYTES && !beyond(end) {
            end += 1;
        }
        self.blocks = self.index.blocks(self.next..end, self.keep).await?.into_iter();
        self.next = end;
        Ok(self.blocks.next())
    }
}
