//! Randomised tests: seeds on all cores, and what the environment says of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often things happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// The number in an environment variable, if there is one.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// Runs seeds on all cores, each on one thread, until one fails: `run` gives what went wrong with a seed, and what happened. The failing
/// ones, and what happened altogether.
pub fn run_seeds(seeds: Range<u64>, run: impl Fn(u64) -> (Option<String>, Counts) + Sync) -> (Vec<(u64, String)>, Counts) {
    let next = AtomicU64::new(seeds.start);
    let (failed, totals) = (Mutex::new(Vec::new()), Mutex::new(Counts::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || !failed.lock().unwrap().is_empty() {
                        return;
                    }
                    let (violation, counts) = run(seed);
                    if let Some(violation) = violation {
                        failed.lock().unwrap().push((seed, violation));
                    }
                    let mut totals = totals.lock().unwrap();
                    counts.into_iter().for_each(|(what, count)| *totals.entry(what).or_default() += count);
                }
            });
        }
    });
    (failed.into_inner().unwrap(), totals.into_inner().unwrap())
}
