//! MemTable mode against a plain model, under random schedules: writers with tiny limits that put, delete, freeze, flush, compact, crash, are
//! taken over and opened again with another schema, over a store that fails and loses answers; whatever anybody reads, at any time, from
//! a writer's view, from one that was kept, or from a snapshot of another process, is compared row by row with an ordered map.
//!
//! A seed decides everything. `WEIR_SEEDS=n` runs n of them, `WEIR_SEED=k` runs one and prints what happens; a failing seed says how to
//! replay it. Further down, deliberate faults show that the run would notice.
//!
//! What really happened is in `memtable_sim/world.rs`, the model in `model.rs`, what is done in `story.rs` and `life.rs`, what is compared in
//! `reads.rs`, `snapshots.rs` and `last.rs`.

mod support;

#[path = "memtable_sim/last.rs"]
mod last;
#[path = "memtable_sim/life.rs"]
mod life;
#[path = "memtable_sim/model.rs"]
mod model;
#[path = "memtable_sim/reads.rs"]
mod reads;
#[path = "memtable_sim/snapshots.rs"]
mod snapshots;
#[path = "memtable_sim/story.rs"]
mod story;
#[path = "memtable_sim/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use story::Story;
use support::seeds::{Counts, number, run_seeds};
use world::{Mutation, World};

/// Runs one seed; what went wrong, with the last things that happened, and how often things happened.
fn run(seed: u64, mutation: Option<Mutation>, trace: bool) -> (Option<String>, Counts) {
    let world = World::new(seed, mutation, trace);
    let told = catch_unwind(AssertUnwindSafe(|| {
        let mut story = Story::new(&world);
        world.sim.run(story.tell());
    }));
    let counts = world.truth().counts.clone();
    let violation = world.truth().violations.first().cloned();
    let panic = told.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic".to_owned())
    });
    // Tasks hold the simulation that holds them: only killing every process frees the memory.
    world.sim.kill_all();
    (violation.or(panic).map(|what| format!("{what}\nthe last steps:{}", world.last_events())), counts)
}

#[test]
fn every_read_agrees_with_a_plain_model() {
    if let Some(seed) = number("WEIR_SEED") {
        let (violation, counts) = run(seed, None, true);
        println!("seed {seed}: {counts:?}");
        return assert!(violation.is_none(), "seed {seed}: {}", violation.unwrap_or_default());
    }
    let seeds = number("WEIR_SEEDS").unwrap_or(2_000);
    let began = std::time::Instant::now();
    let (failed, counts) = run_seeds(0..seeds, |seed| run(seed, None, false));
    println!("{seeds} seeds in {:?}: {counts:?}", began.elapsed());
    if let Some((seed, violation)) = failed.iter().min() {
        panic!("seed {seed}: {violation}\nreplay it with: WEIR_SEED={seed} cargo test --test memtable_sim agrees -- --nocapture");
    }
    // Runs in which nothing happens prove nothing.
    if seeds < 200 {
        return;
    }
    for (what, often) in [
        ("backpressure", 2),
        ("compactions", 2),
        ("crashes", 1),
        ("deaths at the opening", 5),
        ("evolutions", 1),
        ("explicit compactions", 5),
        ("failed flushes", 10),
        ("fenced", 4),
        ("flushes", 1),
        ("lives", 1),
        ("poisoned", 200),
        ("puts", 1),
        ("replayed rows", 1),
        ("snapshots", 1),
        ("swept directories", 1),
        ("takeovers", 2),
        ("trimmed entries", 2),
        ("views looked at again", 1),
    ] {
        let count = counts.get(what).copied().unwrap_or(0);
        assert!(count * often >= seeds, "only {count} {what} in {seeds} runs");
    }
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..5 {
        assert_eq!(run(seed, None, false), run(seed, None, false), "seed {seed}");
    }
}

// ---- Would it notice? ------------------------------------------------------------------------------------------------

fn is_caught(mutation: Mutation) {
    let (failed, counts) = run_seeds(0..300, |seed| run(seed, Some(mutation), false));
    let Some((seed, violation)) = failed.first() else { panic!("{mutation:?} was not noticed in 300 runs: {counts:?}") };
    println!("{mutation:?} was noticed by seed {seed}: {}", violation.lines().next().unwrap_or_default());
}

// PITFALLS E1
#[test]
fn a_lost_entry_is_caught() {
    is_caught(Mutation::LoseEntry);
}

// PITFALLS C4, G1
#[test]
fn a_cursor_beyond_what_was_flushed_is_caught() {
    is_caught(Mutation::CursorAhead);
}

// PITFALLS G2
#[test]
fn a_table_that_is_published_and_replayed_is_caught() {
    is_caught(Mutation::FlushTwice);
}

// PITFALLS I1
#[test]
fn generations_in_disorder_are_caught() {
    is_caught(Mutation::Reorder);
}
