//! How everything must be in the end, when the weather is good again.

use std::sync::Arc;
use std::time::Duration;

use weir::error::ErrorKind;
use weir::shard::ManifestStore;
use weir::shard::manifest::ManifestOptions;
use weir::writer::{ShardWriter, WriterConfig};

use super::Run;
use super::network::Weather;
use super::tailers::read_all;
use super::world::{Fate, State, World};

/// Whatever happened before, a writer can take the shard over and close it.
pub async fn last_writer(run: &Run) {
    let world = &run.world;
    let host = run.host(Weather::default());
    let config = WriterConfig { trim_age: world.trim_age, ..WriterConfig::default() };
    // Those who are opening at this moment may win some races.
    for _ in 0..20 {
        match ShardWriter::open(host.store.clone(), host.shard.clone(), &super::writers::schema(), config.clone(), host.env.clone()).await {
            Ok(writer) => {
                let writer = Arc::new(writer);
                let (sender, closed) = tokio::sync::oneshot::channel();
                let name = format!("the last writer, of epoch {}", writer.epoch());
                world.born(host.index, name, writer.epoch(), true, Some(Arc::clone(&writer)));
                writer.close_async(Box::new(move |outcome| {
                    let _ = sender.send(outcome);
                }));
                return match closed.await {
                    Ok(Ok(_)) => {}
                    other => world.violate(format!("the last writer's close: {other:?}")),
                };
            }
            Err(error) if error.kind() == ErrorKind::Sealed => {
                let options = ManifestOptions { trim_age: world.trim_age, ..ManifestOptions::default() };
                let manifests = ManifestStore::new(host.store.clone(), host.shard.clone(), host.env.clone(), options);
                let _ = manifests.unseal().await;
            }
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Fenced) => {}
            Err(error) => return world.violate(format!("the last writer cannot open: {} {error}", error.kind().name())),
        }
        run.sleep(Duration::from_secs(2)).await;
    }
    world.violate("no writer can open the shard any more");
}

/// The invariants that can only be seen in the end.
pub async fn everything(run: &Run) {
    let world = &run.world;
    let unfinished = world.unfinished();
    if !unfinished.is_empty() {
        return world.violate(format!("never completed: {unfinished:?}"));
    }
    let read = read_all(&run.host(Weather::default())).await;
    let mut state = world.state();
    let expected: Vec<u64> = (state.first()..=state.newest()).collect();
    if read != expected {
        return state.violate(format!("positions {:?} to {:?} are there, read were {read:?}", expected.first(), expected.last()));
    }
    fences(&mut state);
    puts(&mut state);
    order(&mut state);
    drop(state);
    memory(world);
}

/// Nothing of a fenced epoch is acknowledged behind its successor's sentinel.
fn fences(state: &mut State) {
    let places = state.places();
    let mut wrong = Vec::new();
    for (id, put) in state.puts.iter().enumerate() {
        let Fate::Acked(_) = put.fate else { continue };
        let Some((position, _)) = places.get(&(id as u64)) else { continue };
        let epoch = state.lives[put.life].epoch;
        let fence = state.log.range(..position).find(|(_, landed)| landed.sentinel && landed.epoch > epoch);
        if let Some((at, fence)) = fence {
            wrong.push(format!("put {id} of epoch {epoch} at {position} is behind the sentinel of epoch {} at {at}", fence.epoch));
        }
        if state.log[position].epoch != epoch {
            wrong.push(format!("put {id} of epoch {epoch} is in an entry of epoch {}", state.log[position].epoch));
        }
    }
    state.violations.extend(wrong);
}

/// What was acknowledged is there, what was refused is not.
fn puts(state: &mut State) {
    let places = state.places();
    let mut wrong = Vec::new();
    for (id, put) in state.puts.iter().enumerate() {
        let place = places.get(&(id as u64));
        match (put.fate, place) {
            (Fate::Acked(told), None) => wrong.push(format!("put {id} was acknowledged at {told:?} and is lost")),
            (Fate::Acked(Some(told)), Some((position, _))) if told != *position => {
                wrong.push(format!("put {id} was acknowledged at {told} and is at {position}"));
            }
            (Fate::Refused(kind), Some((position, _))) => {
                wrong.push(format!("put {id} was refused with {} and is in the log at {position}", kind.name()));
            }
            _ => {}
        }
    }
    let fenced =
        state.puts.iter().filter(|put| matches!(put.fate, Fate::Failed(ErrorKind::Fenced) | Fate::Refused(ErrorKind::Fenced))).count();
    *state.counts.entry("fenced").or_default() += fenced as u64;
    *state.counts.entry("acknowledged").or_default() += state.puts.iter().filter(|put| matches!(put.fate, Fate::Acked(_))).count() as u64;
    state.violations.extend(wrong);
}

/// Of each writer the log has the first so many puts, in the order of their numbers.
fn order(state: &mut State) {
    let places = state.places();
    let mut wrong = Vec::new();
    for life in state.lives.iter().filter(|life| life.ordered) {
        let admitted = life.puts.iter().filter(|put| state.puts[**put as usize].sequence != 0);
        let placed: Vec<_> = admitted.map(|put| places.get(put)).collect();
        let there = placed.iter().take_while(|place| place.is_some()).count();
        if placed.iter().skip(there).any(Option::is_some) {
            wrong.push(format!("{}: a put is in the log and one before it is not: {placed:?}", life.name));
        }
        if !placed[..there].is_sorted() {
            wrong.push(format!("{}: puts are out of order: {placed:?}", life.name));
        }
    }
    state.violations.extend(wrong);
}

/// Writers that have nothing left to do hold nothing.
fn memory(world: &World) {
    let writers: Vec<_> = world.state().lives.iter().filter_map(|life| Some((life.name.clone(), life.writer.clone()?))).collect();
    for (name, writer) in writers {
        let memory = writer.memory();
        if memory.pending + memory.in_flight + memory.reserved != 0 {
            world.violate(format!("{name} still holds {memory:?}"));
        }
    }
}
