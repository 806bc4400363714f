//! The published generations of one moment, and which rows of each are hidden by newer ones.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_buffer::BooleanBuffer;
use tokio::sync::OnceCell;

use super::handle::GenerationHandle;
use super::merge;
use crate::error::Result;

/// Rows whose key a newer generation has; `None`: there are none.
pub(super) type Hidden = Option<BooleanBuffer>;

/// How many generations are compared one by one with an older one before all are merged at once.
const ONE_BY_ONE: usize = 3;

/// Immutable, newest first, shared by the views of one time.
///
/// What rows a generation has that a newer one hides is found when a scan first needs it, and kept; the list that follows goes on from
/// there, so that a newly published generation costs one comparison with each older one, and a compaction none.
#[derive(Debug, Default)]
pub struct GenerationList {
    entries: Vec<Entry>,
    /// The masks of all entries, merged at once.
    merged: OnceCell<Vec<Hidden>>,
}

#[derive(Debug, Clone)]
struct Entry {
    handle: Arc<GenerationHandle>,
    mask: Arc<Mask>,
}

/// The rows of one generation that newer ones hide.
#[derive(Debug, Default)]
struct Mask {
    /// Those that some of them hide, as far as was known before.
    base: Option<Hidden>,
    /// The newer generations that `base` does not take in.
    newer: Vec<Arc<GenerationHandle>>,
    cell: OnceCell<Hidden>,
}

impl Mask {
    /// The mask as far as it is known, and what it lacks.
    fn known(&self) -> (Option<Hidden>, Vec<Arc<GenerationHandle>>) {
        match self.cell.get() {
            Some(hidden) => (Some(hidden.clone()), Vec::new()),
            None => (self.base.clone(), self.newer.clone()),
        }
    }
}

impl GenerationList {
    /// The generations `handles`, in any order. Their numbers differ.
    #[must_use]
    pub fn new(mut handles: Vec<Arc<GenerationHandle>>) -> Self {
        handles.sort_by_key(|handle| std::cmp::Reverse(handle.generation()));
        let entries = (0..handles.len()).map(|at| Entry {
            handle: Arc::clone(&handles[at]),
            mask: Arc::new(Mask { newer: handles[..at].to_vec(), ..Mask::default() }),
        });
        Self { entries: entries.collect(), merged: OnceCell::new() }
    }

    /// The list after `handle`, which is newer than all, was published.
    #[must_use]
    pub fn pushed(&self, handle: Arc<GenerationHandle>) -> Self {
        let older = self.entries.iter().map(|entry| {
            let (base, mut newer) = entry.mask.known();
            newer.push(Arc::clone(&handle));
            Entry { handle: Arc::clone(&entry.handle), mask: Arc::new(Mask { base, newer, cell: OnceCell::new() }) }
        });
        let first = Entry { handle: Arc::clone(&handle), mask: Arc::default() };
        Self { entries: std::iter::once(first).chain(older).collect(), merged: OnceCell::new() }
    }

    /// The list after the generations whose directories are `paths` became one, or none if no row of them is left.
    #[must_use]
    pub fn replaced<P: AsRef<str>>(&self, paths: &[P], with: Option<Arc<GenerationHandle>>) -> Self {
        let gone: HashSet<&str> = paths.iter().map(AsRef::as_ref).collect();
        let is_gone = |handle: &GenerationHandle| gone.contains(handle.table().path.as_str());
        let newest_gone = self.entries.iter().position(|entry| is_gone(&entry.handle)).unwrap_or(0);
        let mut handles: Vec<_> = self.entries.iter().map(|entry| &entry.handle).filter(|handle| !is_gone(handle)).cloned().collect();
        handles.extend(with.clone());
        // Masks of those that are newer stay as they are; what hid rows of older ones still does, under another name.
        let mut list = Self::new(handles);
        for entry in &mut list.entries {
            let Some(before) = self.entries.iter().position(|old| Arc::ptr_eq(&old.handle, &entry.handle)) else { continue };
            let old = &self.entries[before].mask;
            if before < newest_gone {
                entry.mask = Arc::clone(old);
            } else if let Some(with) = &with {
                let (base, mut newer) = old.known();
                let count = newer.len();
                newer.retain(|handle| !is_gone(handle));
                if newer.len() < count {
                    newer.push(Arc::clone(with));
                }
                entry.mask = Arc::new(Mask { base, newer, cell: OnceCell::new() });
            }
        }
        list
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The generations, newest first.
    pub fn handles(&self) -> impl ExactSizeIterator<Item = &Arc<GenerationHandle>> + DoubleEndedIterator {
        self.entries.iter().map(|entry| &entry.handle)
    }

    pub(super) fn handle(&self, at: usize) -> Option<&Arc<GenerationHandle>> {
        self.entries.get(at).map(|entry| &entry.handle)
    }

    /// The generations newer than the one at `at`, newest first.
    pub(super) fn newer(&self, at: usize) -> impl Iterator<Item = &Arc<GenerationHandle>> {
        self.entries[..at.min(self.entries.len())].iter().map(|entry| &entry.handle)
    }

    /// The memory that open generations and masks take, about.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let mask = |hidden: Option<&Hidden>| hidden.and_then(Option::as_ref).map_or(0, |bits| bits.len().div_ceil(8) as u64);
        let entry = |entry: &Entry| {
            let masks = mask(entry.mask.base.as_ref()).max(mask(entry.mask.cell.get()));
            entry.handle.resident_bytes() + masks
        };
        self.entries.iter().map(entry).sum()
    }

    /// Whether [`Self::hidden`] is known.
    pub(super) fn is_known(&self, at: usize) -> bool {
        self.entries.get(at).is_none_or(|entry| entry.mask.cell.initialized() || entry.mask.newer.is_empty())
    }

    /// The rows of the generation at `at` whose key a newer one has.
    ///
    /// # Errors
    /// The store's; `NotFound` if a generation is gone; `Corruption`. The next call tries again.
    pub(super) async fn hidden(&self, at: usize) -> Result<Hidden> {
        let Some(entry) = self.entries.get(at) else { return Ok(None) };
        let hidden = entry.mask.cell.get_or_try_init(|| self.find_hidden(at, entry)).await?;
        Ok(hidden.clone())
    }

    async fn find_hidden(&self, at: usize, entry: &Entry) -> Result<Hidden> {
        let Mask { base, newer, .. } = &*entry.mask;
        let generation = entry.handle.open().await?;
        let mut others = Vec::new();
        for handle in newer {
            let other = handle.open().await?;
            if merge::common(generation, other).is_some() {
                others.push(other);
            }
        }
        if others.len() > ONE_BY_ONE {
            let merged = self.merged.get_or_try_init(|| merge::all(self.handles())).await?;
            return Ok(merged.get(at).cloned().flatten());
        }
        let mut hidden = base.clone().flatten();
        for other in others {
            hidden = merge::hide(generation, other, hidden).await?;
        }
        Ok(hidden)
    }
}
