//! Who holds which memory: bytes that several hold count once, for as long as one of them does (PITFALLS K6).
//!
//! An allocation that came through the C data interface has no known end: of each slice, all that is known is where the buffer begins
//! and how far the slice goes. So ranges may overlap, most of them from one beginning. Of those the longest counts, which the
//! others are only compared with; and what ranges of several beginnings have in common is found in a map of how many cover what.

use std::collections::{BTreeMap, HashMap};

use quick_cache::DefaultHashBuilder;

#[derive(Default)]
pub(super) struct Ledger {
    /// Per beginning, the ends and how many ranges have each.
    ends: HashMap<usize, BTreeMap<usize, u32>, DefaultHashBuilder>,
    /// From each key to the next, so many of the longest ranges cover the memory. Neighbours differ.
    depths: BTreeMap<usize, u32>,
    own: u64,
    covered: u64,
}

impl Ledger {
    /// The bytes held.
    pub fn used(&self) -> u64 {
        self.own + self.covered
    }

    /// Counts what somebody holds: bytes that nobody else can, and ranges.
    pub fn charge(&mut self, own: u64, ranges: &[(usize, usize)]) {
        self.own += own;
        for (start, end) in ranges {
            let ends = self.ends.entry(*start).or_default();
            let longest = ends.last_key_value().map_or(*start, |(end, _)| *end);
            *ends.entry(*end).or_insert(0) += 1;
            self.cover(longest, *end, true);
        }
    }

    /// The opposite.
    pub fn release(&mut self, own: u64, ranges: &[(usize, usize)]) {
        self.own -= own;
        for (start, end) in ranges {
            let Some(ends) = self.ends.get_mut(start) else { continue };
            let Some(holders) = ends.get_mut(end) else { continue };
            *holders -= 1;
            if *holders > 0 {
                continue;
            }
            ends.remove(end);
            let longest = ends.last_key_value().map_or(*start, |(end, _)| *end);
            if ends.is_empty() {
                self.ends.remove(start);
            }
            self.cover(longest, *end, false);
        }
    }

    /// Covers the memory from `from` to `to`, if there is any, once more or, as it was, once less.
    fn cover(&mut self, from: usize, to: usize, more: bool) {
        if from >= to {
            return;
        }
        for at in [from, to] {
            let depth = self.depth_before(at + 1);
            self.depths.entry(at).or_insert(depth);
        }
        let mut begins: Option<usize> = None;
        for (at, depth) in self.depths.range_mut(from..to) {
            let length = begins.take().map_or(0, |begins| (at - begins) as u64);
            if more {
                self.covered += length
            } else {
                self.covered -= length
            }
            // Where it is the only one, until the next key.
            let only = if more { *depth == 0 } else { *depth == 1 };
            begins = only.then_some(*at);
            if more { *depth += 1 } else { *depth -= 1 }
        }
        let length = begins.map_or(0, |begins| (to - begins) as u64);
        if more {
            self.covered += length
        } else {
            self.covered -= length
        }
        for at in [from, to] {
            if self.depths.get(&at) == Some(&self.depth_before(at)) {
                self.depths.remove(&at);
            }
        }
    }

    /// How many cover what lies right before `at`.
    fn depth_before(&self, at: usize) -> u32 {
        self.depths.range(..at).next_back().map_or(0, |(_, depth)| *depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a count of every byte.
    #[test]
    fn every_byte_counts_once_while_somebody_holds_it() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let (mut ledger, mut held) = (Ledger::default(), Vec::new());
        for round in 0..4000 {
            if held.len() < 12 || random(2) == 0 && round < 3000 {
                // Few beginnings, so that many share one.
                let start = 100 + random(6) as usize * 10;
                let range = (start, start + 1 + random(40) as usize);
                ledger.charge(1, &[range]);
                held.push(range);
            } else {
                let range = held.swap_remove(random(held.len() as u64) as usize);
                ledger.release(1, &[range]);
            }
            let covered = (0..300).filter(|byte| held.iter().any(|(start, end)| (start..end).contains(&byte))).count();
            assert_eq!(ledger.used(), (covered + held.len()) as u64, "round {round}");
        }
        held.iter().for_each(|range| ledger.release(1, &[*range]));
        assert_eq!((ledger.used(), ledger.depths.len(), ledger.ends.len()), (0, 0, 0));
    }

    /// Slices of one parent must not cost the more the more of them there are.
    #[test]
    fn slices_of_one_beginning_are_one_range() {
        let mut ledger = Ledger::default();
        (1..=10_000).for_each(|end| ledger.charge(0, &[(4096, 4096 + end * 8)]));
        assert_eq!((ledger.used(), ledger.depths.len()), (80_000, 2));
        (1..=10_000).rev().for_each(|end| ledger.release(0, &[(4096, 4096 + end * 8)]));
        assert_eq!(ledger.used(), 0);
    }
}
