//! Which rows of generations are hidden by newer ones: their sorted keys are compared (PITFALLS I5).

use std::ops::Bound;
use std::sync::Arc;

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

use super::handle::GenerationHandle;
use super::list::Hidden;
use crate::error::{Result, err};
use crate::generation::{Cursor, Generation, Hit, KeyRange};

/// Keys that are looked up together.
pub(super) const CHUNK: usize = 4096;
/// How many times as many keys a generation must have as another one, for the other's to be looked up in it one by one.
const LOOKUP: u64 = 8;

/// Bits of a generation's rows.
pub(super) struct Bits(BooleanBufferBuilder);

impl Bits {
    /// No row.
    pub fn new(generation: &Generation) -> Result<Self> {
        let rows = usize::try_from(generation.rows()).map_err(|_| err!(Unsupported, "more rows than this machine can count"))?;
        let mut bits = BooleanBufferBuilder::new(rows);
        bits.append_n(rows, false);
        Ok(Self(bits))
    }

    fn from(generation: &Generation, known: &Hidden) -> Result<Self> {
        let mut bits = Self::new(generation)?;
        if let Some(known) = known {
            known.set_indices().for_each(|row| bits.set(row as u64));
        }
        Ok(bits)
    }

    /// Sets the bit of a row, if there is such a row.
    pub fn set(&mut self, row: u64) {
        if row < self.0.len() as u64 {
            self.0.set_bit(row as usize, true);
        }
    }

    pub fn finish(mut self) -> BooleanBuffer {
        self.0.finish()
    }

    fn hidden(self) -> Hidden {
        Some(self.finish()).filter(|bits| bits.count_set_bits() > 0)
    }
}

/// The keys that both may have; `None`: there are none.
pub(super) fn common(a: &Generation, b: &Generation) -> Option<KeyRange> {
    let ((a_first, a_last), (b_first, b_last)) = (a.key_range()?, b.key_range()?);
    let (first, last) = (a_first.max(b_first), a_last.min(b_last));
    (first <= last).then(|| KeyRange { from: Bound::Included(first.to_vec()), to: Bound::Included(last.to_vec()) })
}

/// `known`, and with it the rows of `older` whose key `newer` has, deletions among them (PITFALLS I3).
pub(super) async fn hide(older: &Generation, newer: &Generation, known: Hidden) -> Result<Hidden> {
    let Some(range) = common(older, newer) else { return Ok(known) };
    let mut bits = Bits::from(older, &known)?;
    if newer.key_count().saturating_mul(LOOKUP) <= older.key_count() {
        let mut keys = newer.walk(&range)?;
        while let Some(chunk) = chunk(&mut keys).await? {
            let wanted: Vec<&[u8]> = chunk.iter().map(|(key, _)| &key[..]).collect();
            older.find_each(&wanted).await?.iter().flatten().for_each(|hit| bits.set(hit.row));
        }
    } else if older.key_count().saturating_mul(LOOKUP) <= newer.key_count() {
        let mut keys = older.walk(&range)?;
        while let Some(chunk) = chunk(&mut keys).await? {
            let wanted: Vec<&[u8]> = chunk.iter().map(|(key, _)| &key[..]).collect();
            let found = newer.find_each(&wanted).await?;
            chunk.iter().zip(found).filter(|(_, found)| found.is_some()).for_each(|((_, hit), _)| bits.set(hit.row));
        }
    } else {
        let (mut old, mut new) = (older.walk(&range)?, newer.walk(&range)?);
        let (mut old_hit, mut new_hit) = (old.advance().await?, new.advance().await?);
        while let (Some(hit), Some(_)) = (old_hit, new_hit) {
            let order = old.key().cmp(new.key());
            if order.is_eq() {
                bits.set(hit.row);
            }
            if order.is_le() {
                old_hit = old.advance().await?;
            }
            if order.is_ge() {
                new_hit = new.advance().await?;
            }
        }
    }
    Ok(bits.hidden())
}

/// Some of the keys to come, with where they lead.
async fn chunk(keys: &mut Cursor) -> Result<Option<Vec<(Vec<u8>, Hit)>>> {
    let mut chunk = Vec::new();
    while chunk.len() < CHUNK
        && let Some(hit) = keys.advance().await?
    {
        chunk.push((keys.key().to_vec(), hit));
    }
    Ok((!chunk.is_empty()).then_some(chunk))
}

/// The hidden rows of all of `handles`, newest first, by one walk through the keys of all.
pub(super) async fn all(handles: impl Iterator<Item = &Arc<GenerationHandle>>) -> Result<Vec<Hidden>> {
    let (mut generations, mut bits, mut heap) = (Vec::new(), Vec::new(), Heap::default());
    for handle in handles {
        let generation = handle.open().await?;
        bits.push(Bits::new(generation)?);
        let mut cursor = generation.walk(&KeyRange::default())?;
        let head = cursor.advance().await?;
        heap.add(cursor, head);
        generations.push(generation);
    }
    let mut last = Vec::new();
    let mut begun = false;
    while let Some((at, hit)) = heap.least() {
        // Of equal keys, the newest generation's comes first.
        let key = heap.cursors[at].key();
        if begun && *key == *last {
            bits[at].set(hit.row);
        } else {
            begun = true;
            last.clear();
            last.extend_from_slice(key);
        }
        heap.advance().await?;
    }
    Ok(bits.into_iter().map(Bits::hidden).collect())
}

/// Cursors, the one with the least key on top; of equal keys, that of the first cursor.
#[derive(Default)]
struct Heap {
    cursors: Vec<Cursor>,
    heads: Vec<Option<Hit>>,
    /// Cursors that are not at their end, as a binary heap.
    order: Vec<usize>,
}

impl Heap {
    fn add(&mut self, cursor: Cursor, head: Option<Hit>) {
        let at = self.cursors.len();
        self.cursors.push(cursor);
        self.heads.push(head);
        if head.is_some() {
            self.order.push(at);
            let mut child = self.order.len() - 1;
            while child > 0 && self.is_less(child, (child - 1) / 2) {
                self.order.swap(child, (child - 1) / 2);
                child = (child - 1) / 2;
            }
        }
    }

    fn is_less(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.order[a], self.order[b]);
        (self.cursors[a].key(), a) < (self.cursors[b].key(), b)
    }

    fn least(&self) -> Option<(usize, Hit)> {
        let at = *self.order.first()?;
        Some((at, self.heads[at]?))
    }

    async fn advance(&mut self) -> Result<()> {
        let Some(at) = self.order.first().copied() else { return Ok(()) };
        self.heads[at] = self.cursors[at].advance().await?;
        if self.heads[at].is_none() {
            self.order.swap_remove(0);
        }
        let mut parent = 0;
        loop {
            let children = [2 * parent + 1, 2 * parent + 2].into_iter().filter(|child| *child < self.order.len());
            let Some(least) = children.reduce(|a, b| if self.is_less(b, a) { b } else { a }) else { return Ok(()) };
            if !self.is_less(least, parent) {
                return Ok(());
            }
            self.order.swap(least, parent);
            parent = least;
        }
    }
}
