//! How many bytes may be in use at once: exact under concurrency, nested, and given back on every path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::{Error, Result, err};

/// A number of bytes that reservations share, within that of a parent, if it has one.
///
/// Guarantees: the reservations of a budget never sum to more than its cap, at no moment; a reservation is granted at every
/// level or at none, and one that is refused was never counted anywhere, so that it costs no other one its place; what is granted
/// is given back when the [`Reservation`] shrinks or is dropped.
#[derive(Debug)]
pub struct Budget {
    cap: Option<u64>,
    used: AtomicU64,
    peak: AtomicU64,
    parent: Option<Parent>,
}

#[derive(Debug)]
struct Parent {
    budget: Arc<Budget>,
    /// Held while a reservation is made below the root: all levels are asked before any of them counts it. One lock for all budgets
    /// with the same root.
    asking: Arc<Mutex<()>>,
}

impl Budget {
    /// A budget of `cap` bytes (`None`: no limit of its own) within `parent`'s.
    #[must_use]
    pub fn new(cap: Option<u64>, parent: Option<Arc<Self>>) -> Arc<Self> {
        let parent = parent.map(|budget| {
            let asking = budget.parent.as_ref().map(|above| Arc::clone(&above.asking)).unwrap_or_default();
            Parent { budget, asking }
        });
        Arc::new(Self { cap, used: AtomicU64::new(0), peak: AtomicU64::new(0), parent })
    }

    /// The cap of this level.
    #[must_use]
    pub fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// What is reserved at this level and below it.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that was reserved at once.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Reserves `bytes` at every level or at none. The error `DISK_CAP_EXCEEDED` tells cap, use and request at the level that
    /// refused.
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation> {
        self.take(bytes)?;
        Ok(Reservation { budget: Arc::clone(self), bytes })
    }

    /// An empty reservation, to grow.
    #[must_use]
    pub fn hold(self: &Arc<Self>) -> Reservation {
        Reservation { budget: Arc::clone(self), bytes: 0 }
    }

    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |level| level.parent.as_ref().map(|parent| &*parent.budget))
    }

    fn take(&self, bytes: u64) -> Result<()> {
        self.try_take(bytes).map_err(|(level, used)| level.refusal(used, bytes))
    }

    /// The error is the level that refused and what was used there.
    #[inline]
    fn try_take(&self, bytes: u64) -> Result<(), (&Self, u64)> {
        match &self.parent {
            None => self.take_here(bytes).map_err(|used| (self, used)),
            Some(parent) => self.take_nested(parent, bytes),
        }
    }

    /// Meanwhile no level but the root counts more: what they have room for now, they have room for then.
    fn take_nested(&self, parent: &Parent, bytes: u64) -> Result<(), (&Self, u64)> {
        let _one = parent.asking.lock();
        for level in self.levels() {
            if level.parent.is_none() {
                level.take_here(bytes).map_err(|used| (level, used))?;
            } else if let used = level.used()
                && level.sum(used, bytes).is_none()
            {
                return Err((level, used));
            }
        }
        for level in self.levels().filter(|level| level.parent.is_some()) {
            let before = level.used.fetch_add(bytes, Ordering::Relaxed);
            level.note_peak(before + bytes);
        }
        Ok(())
    }

    /// Adds unless that passes the cap; the error is what is used.
    fn take_here(&self, bytes: u64) -> Result<(), u64> {
        let before = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| self.sum(used, bytes))?;
        self.note_peak(before + bytes);
        Ok(())
    }

    /// What `bytes` more than `used` are, unless that passes the cap.
    fn sum(&self, used: u64, bytes: u64) -> Option<u64> {
        used.checked_add(bytes).filter(|sum| *sum <= self.cap.unwrap_or(u64::MAX))
    }

    fn note_peak(&self, used: u64) {
        if used > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(used, Ordering::Relaxed);
        }
    }

    fn give_here(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: u64) {
        if bytes > 0 {
            self.levels().for_each(|level| level.give_here(bytes));
        }
    }

    #[cold]
    fn refusal(&self, used: u64, requested: u64) -> Error {
        let cap = self.cap.unwrap_or(u64::MAX);
        err!(
            DiskCapExceeded,
            "the cap of {cap} bytes for spilled data is reached: {used} bytes are in use, {requested} more were asked for"
        )
        .with_u64("cap_bytes", cap)
        .with_u64("used_bytes", used)
        .with_u64("requested_bytes", requested)
    }
}

/// Bytes that a [`Budget`] granted. Dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Reservation {
    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reserves `bytes` more; after an error it holds what it held before.
    #[inline]
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        self.budget.take(bytes)?;
        // The levels' sums bound it.
        self.bytes += bytes;
        Ok(())
    }

    /// As [`Reservation::grow`], without saying why not.
    #[inline]
    pub fn try_grow(&mut self, bytes: u64) -> bool {
        let granted = self.budget.try_take(bytes).is_ok();
        self.bytes += if granted { bytes } else { 0 };
        granted
    }

    /// What it holds, leaving it empty.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self { budget: Arc::clone(&self.budget), bytes: std::mem::take(&mut self.bytes) }
    }

    /// Gives `bytes` back, or all if it holds less.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.give(bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn details(error: &Error) -> [Option<u64>; 3] {
        ["cap_bytes", "used_bytes", "requested_bytes"].map(|name| error.detail_u64(name))
    }

    /// PITFALLS S1: what is refused takes nothing, and what is dropped returns all.
    #[test]
    fn refuses_what_passes_the_cap_and_takes_nothing() {
        let budget = Budget::new(Some(100), None);
        let mut held = budget.reserve(60).unwrap();
        let error = held.grow(41).unwrap_err();
        assert_eq!((error.kind(), details(&error)), (ErrorKind::DiskCapExceeded, [Some(100), Some(60), Some(41)]));
        assert_eq!((held.bytes(), budget.used()), (60, 60));
        held.grow(40).unwrap();
        held.shrink(70);
        assert_eq!((held.bytes(), budget.used(), budget.peak()), (30, 30, 100));
        held.shrink(1000);
        assert_eq!((held.bytes(), budget.used()), (0, 0));
        drop(held);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn all_levels_or_none() {
        let process = Budget::new(Some(100), None);
        let tenant = Budget::new(None, Some(process.clone()));
        let query = Budget::new(Some(80), Some(tenant.clone()));
        let other = process.reserve(30).unwrap();
        let error = query.reserve(75).unwrap_err();
        assert_eq!(details(&error), [Some(100), Some(30), Some(75)], "the process's level refused");
        assert_eq!((query.used(), tenant.used(), process.used()), (0, 0, 30));
        assert_eq!((query.peak(), tenant.peak()), (0, 0), "what was refused was never in use");
        let error = query.reserve(81).unwrap_err();
        assert_eq!(details(&error), [Some(80), Some(0), Some(81)], "the query's level refused");
        let held = query.reserve(70).unwrap();
        assert_eq!((query.used(), tenant.used(), process.used()), (70, 70, 100));
        drop(other);
        drop((query, tenant));
        drop(held);
        assert_eq!((process.used(), process.peak()), (0, 100));
    }

    #[test]
    fn the_edges_of_the_numbers() {
        let none = Budget::new(Some(0), None);
        assert_eq!(none.reserve(0).unwrap().bytes(), 0);
        assert_eq!(none.reserve(1).unwrap_err().kind(), ErrorKind::DiskCapExceeded);
        assert_eq!(none.reserve(u64::MAX).unwrap_err().kind(), ErrorKind::DiskCapExceeded);
        let endless = Budget::new(None, None);
        let mut most = endless.reserve(u64::MAX).unwrap();
        assert_eq!(details(&most.grow(1).unwrap_err()), [Some(u64::MAX), Some(u64::MAX), Some(1)]);
        assert_eq!(endless.used(), u64::MAX);
    }

    /// PITFALLS S5: what a level above refuses was never in use below it, and costs nobody there a place.
    #[test]
    fn a_refusal_costs_no_one_else_a_place() {
        let process = Budget::new(Some(100), None);
        let tenant = Budget::new(Some(50), Some(process.clone()));
        let query = Budget::new(Some(50), Some(tenant.clone()));
        let _other = process.reserve(60).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // The tenant and the query may have room for it, the process never has.
                while !done.load(Ordering::Relaxed) {
                    assert!(query.reserve(45).is_err());
                }
            });
            let refused = (0..200_000).find_map(|_| [&tenant, &query].into_iter().find_map(|level| level.reserve(10).err()));
            done.store(true, Ordering::Relaxed);
            assert!(refused.is_none(), "{refused:?}");
        });
        assert_eq!((query.used(), tenant.used(), process.used()), (0, 0, 60));
        assert_eq!((query.peak(), tenant.peak(), process.peak()), (10, 10, 70), "what was refused was never in use");
    }

    /// PITFALLS S5: however many race, the cap holds at every moment, and none of it is lost.
    #[test]
    fn racing_threads_never_pass_the_cap() {
        let process = Budget::new(Some(1000), None);
        let tenant = Budget::new(Some(900), Some(process.clone()));
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let level = if thread % 2 == 0 { &process } else { &tenant };
                let (process, tenant) = (&process, &tenant);
                scope.spawn(move || {
                    let mut held = Vec::new();
                    for round in 0..2000_u64 {
                        match level.reserve(1 + (round * 7 + thread) % 90) {
                            Ok(more) => held.push(more),
                            Err(_) => held.clear(),
                        }
                        assert!(process.used() <= 1000 && tenant.used() <= 900);
                    }
                });
            }
        });
        assert_eq!((process.used(), tenant.used()), (0, 0));
        assert!(process.peak() > 900 && process.peak() <= 1000);
        assert!(process.reserve(1000).is_ok());
    }
}
