//! What tailers do: read from anywhere, with and without following, and compare with what landed.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use futures_util::future::{Either, select};
use weir::env::Clock;
use weir::error::{Error, ErrorKind};
use weir::wal::entry::Entry;
use weir::wal::{TailerOptions, WalTailer};

use super::Host;
use super::world::World;

fn options(world: &World) -> TailerOptions {
    let chance = &world.chance;
    let newest = world.state().newest();
    TailerOptions {
        follow: chance.chance(600),
        from: if chance.chance(250) { 0 } else { 1 + chance.below(newest + 3) },
        prefetch_entries: *chance.pick(&[1, 2, 8, 32]),
        prefetch_bytes: *chance.pick(&[1, 2_000, 64 << 20]),
        poll_min: Duration::from_millis(1 + chance.below(20)),
        poll_max: Duration::from_millis(200 + chance.below(2_000)),
    }
}

/// One tailer after the other, until the end.
pub async fn tailers(host: Host) {
    let world = Arc::clone(&host.world);
    while !world.state().ending && !world.failed() {
        let options = options(&world);
        let tailer = match WalTailer::open(host.reader.clone(), host.shard.clone(), options, host.env.clone()) {
            Ok(tailer) => Arc::new(tailer),
            Err(error) => return world.violate(format!("tailer: {error}")),
        };
        world.event(|| format!("h{} tails {options:?}", host.index));
        if options.follow {
            follow(&host, &tailer).await;
        } else {
            read_some(&host, &tailer).await;
        }
        world.sim.clock().sleep(world.time(world.trim_age / 8)).await;
    }
}

/// Follows until the run ends, or for some entries; then every entry must have been seen.
async fn follow(host: &Host, tailer: &Arc<WalTailer>) {
    let world = &host.world;
    let until_the_end = world.chance.chance(500);
    let mut left = if until_the_end { u64::MAX } else { 1 + world.chance.below(30) };
    if until_the_end {
        world.state().followers.push((host.index, Arc::downgrade(tailer)));
    }
    // Whoever waits is interrupted in the end, and must notice.
    let (stopper, stopped) = (Arc::clone(tailer), Arc::clone(world));
    host.process.spawn(async move {
        let began = stopped.now();
        while !stopped.state().tailers_stop && (until_the_end || stopped.now() - began < stopped.trim_age / 2) {
            stopped.sim.clock().sleep(Duration::from_millis(500)).await;
        }
        stopper.interrupt();
    });
    while left > 0 && !world.failed() {
        let running = world.begin(host.index, format!("tail {}", tailer.position()));
        let read = read_next(host, tailer).await;
        running.end();
        match read {
            Step::Entry => left -= 1,
            Step::Again => {}
            Step::End => return world.violate("a following tailer saw an end"),
            Step::Interrupted => return,
        }
        if world.chance.chance(10) {
            seek(world, tailer);
        }
    }
}

fn seek(world: &World, tailer: &WalTailer) {
    let position = world.chance.below(world.state().newest() + 3);
    world.event(|| format!("seek to {position}"));
    tailer.seek(position);
}

async fn read_some(host: &Host, tailer: &WalTailer) {
    let world = &host.world;
    for _ in 0..1 + world.chance.below(20) {
        if world.state().ending || world.failed() {
            return;
        }
        let running = world.begin(host.index, format!("read {}", tailer.position()));
        match world.chance.below(100) {
            0..80 => {
                if matches!(read_next(host, tailer).await, Step::End) && world.chance.chance(500) {
                    running.end();
                    return;
                }
            }
            80..88 => read_one(host, tailer).await,
            88..94 => ends(host, tailer).await,
            94..97 => seek(world, tailer),
            _ => world.sim.clock().sleep(world.time(Duration::from_millis(300))).await,
        }
        running.end();
    }
}

enum Step {
    Entry,
    Again,
    End,
    Interrupted,
}

async fn read_next(host: &Host, tailer: &WalTailer) -> Step {
    let world = &host.world;
    let (position, began) = (tailer.position(), world.now());
    let patience = if world.chance.chance(30) { world.time(Duration::from_millis(20)) } else { Duration::MAX };
    let next = match select(Box::pin(tailer.next()), world.sim.clock().sleep(patience)).await {
        Either::Left((next, _)) => next,
        // Given up: nothing is lost by that.
        Either::Right(_) => {
            world.count("cancelled reads");
            return Step::Again;
        }
    };
    match next {
        Ok(Some(entry)) => {
            if position != 0 && entry.position != position {
                world.violate(format!("position {position} was asked for and {} was read", entry.position));
            }
            check_entry(world, &entry);
            Step::Entry
        }
        Ok(None) => {
            check_end(world, tailer.position(), began);
            Step::End
        }
        Err(error) if error.kind() == ErrorKind::Cancelled => Step::Interrupted,
        Err(error) => {
            after_error(host, tailer, began, &error).await;
            Step::Again
        }
    }
}

/// What was read is what landed there.
pub fn check_entry(world: &World, entry: &Entry) {
    let puts: Vec<u64> = entry.batches.iter().map(|batch| batch.column(0).as_primitive::<UInt64Type>().value(0)).collect();
    world.event(|| format!("READ {} {puts:?}", entry.position));
    world.count("entries read");
    let mut state = world.state();
    let Some(landed) = state.log.get(&entry.position) else {
        return state.violate(format!("entry {} was read and never landed", entry.position));
    };
    let same = Some(landed.id) == entry.id && landed.epoch == entry.epoch && landed.sentinel == entry.is_sentinel && landed.puts == puts;
    if !same {
        let what = format!(
            "entry {} was read as {:?} with puts {puts:?}, landed as {:?} with {:?}",
            entry.position, entry.id, landed.id, landed.puts
        );
        state.violate(what);
    }
}

/// At the end of the log there was nothing when the call began. (Of what was trimmed a tailer learns some time later.)
fn check_end(world: &World, position: u64, began: Duration) {
    let mut state = world.state();
    let Some(landed) = state.log.get(&position) else { return };
    if landed.at < began && landed.deleted.is_none() {
        let what = format!("the end was seen at {position} by a read that began at {began:?}; an entry landed at {:?}", landed.at);
        state.violate(what);
    }
}

/// An error must be true; then the tailer goes on as a caller would.
async fn after_error(host: &Host, tailer: &WalTailer, began: Duration, error: &Error) {
    let world = &host.world;
    let position = tailer.position();
    let is_new = world.state().log.get(&1).is_none_or(|landed| landed.at >= began);
    world.event(|| format!("h{} reading {position}: {} {error}", host.index, error.kind().name()));
    match error.kind() {
        ErrorKind::Trimmed => {
            check_trimmed(world, error);
            tailer.seek(error.detail_u64("first_position").unwrap_or(0));
        }
        ErrorKind::NotFound if is_new => {}
        ErrorKind::Storage => {}
        kind => world.violate(format!("reading {position}: {} {error}", kind.name())),
    }
    world.sim.clock().sleep(Duration::from_millis(1) + world.time(Duration::from_millis(300))).await;
}

/// TRIMMED only for what was trimmed, with the oldest position that there was.
fn check_trimmed(world: &World, error: &Error) {
    world.count("trimmed reads");
    let (position, first) = (error.detail_u64("position"), error.detail_u64("first_position"));
    let mut state = world.state();
    let gone = |position: u64| state.log.get(&position).is_some_and(|landed| landed.deleted.is_some());
    let true_ = position.is_some_and(gone) && first.is_some_and(|first| Some(first) > position && first <= state.first());
    if !true_ {
        let oldest = state.first();
        state.violate(format!("not true, the oldest is {oldest}: {error}"));
    }
}

async fn read_one(host: &Host, tailer: &WalTailer) {
    let world = &host.world;
    let position = 1 + world.chance.below(world.state().newest() + 2);
    let began = world.now();
    match tailer.read(position).await {
        Ok(entry) => check_entry(world, &entry),
        Err(error) if error.kind() == ErrorKind::NotFound => check_end(world, position, began),
        Err(error) if error.kind() == ErrorKind::Trimmed => check_trimmed(world, &error),
        Err(error) if error.kind() == ErrorKind::Storage => {}
        Err(error) => world.violate(format!("read({position}): {} {error}", error.kind().name())),
    }
}

async fn ends(host: &Host, tailer: &WalTailer) {
    let world = &host.world;
    let at = || {
        let state = world.state();
        (state.first(), state.newest() + 1, world.now())
    };
    let (first_before, next_before, began) = at();
    let (first, next) = (tailer.first_position().await, tailer.next_position().await);
    let (first_after, next_after, ended) = at();
    // What was asked long apart need not fit together.
    if ended - began > world.trim_age / 8 || next_before == 1 {
        return;
    }
    if let Ok(first) = first
        && !(first_before..=first_after).contains(&first)
    {
        world.violate(format!("first_position says {first}, it went from {first_before} to {first_after}"));
    }
    if let Ok(next) = next
        && !(next_before..=next_after).contains(&next)
    {
        world.violate(format!("next_position says {next}, it went from {next_before} to {next_after}"));
    }
}

/// Reads the whole log as it is in the end.
pub async fn read_all(host: &Host) -> Vec<u64> {
    let world = &host.world;
    let mut read = Vec::new();
    let tailer = match WalTailer::open(host.reader.clone(), host.shard.clone(), TailerOptions::default(), host.env.clone()) {
        Ok(tailer) => tailer,
        Err(error) => {
            world.violate(format!("tailer: {error}"));
            return read;
        }
    };
    loop {
        match tailer.next().await {
            Ok(Some(entry)) => {
                check_entry(world, &entry);
                read.push(entry.position);
            }
            Ok(None) => return read,
            Err(error) => {
                world.violate(format!("reading everything: {} {error}", error.kind().name()));
                return read;
            }
        }
    }
}
