//! What happens to a shard in one run: writers come, go, crash and are taken over, while what they wrote is read.

use std::sync::Arc;
use std::time::Duration;

use weir::error::{Error, ErrorKind, Result};
use weir::generation::DataOptions;
use weir::generation::compact::CompactOptions;
use weir::generation::sweep::sweep;
use weir::wal::trim::trim;
use weir::writer::WriterConfig;

use super::life::{Life, Opening, config, refused};
use super::model::{ColumnId, Columns};
use super::reads::Seen;
use super::snapshots;
use super::world::{AGE, World, shard};
use crate::support::{Chaos, Fault, Op};

pub struct Story<'w> {
    pub world: &'w World,
    /// Every schema that there was, the newest last.
    pub schemas: Vec<Arc<Columns>>,
    free: ColumnId,
    pub life: Option<Life>,
    lives: usize,
    /// Views that are kept.
    seen: Vec<Seen>,
    /// Whether no compaction can have dropped a deletion yet.
    strict: bool,
    stormy: bool,
}

impl<'w> Story<'w> {
    pub fn new(world: &'w World) -> Self {
        Self { world, schemas: vec![Arc::new(Columns::first())], free: 0, life: None, lives: 0, seen: vec![], strict: true, stormy: false }
    }

    pub fn strict(&self) -> bool {
        self.strict
    }

    /// Keeps a view, to look at it again.
    pub fn keep(&mut self, seen: Seen) {
        self.seen.push(seen);
        if self.seen.len() > 4 {
            self.seen.swap_remove(self.world.chance.below(4) as usize);
        }
    }

    pub async fn tell(&mut self) {
        for _ in 0..18 + self.world.chance.below(22) {
            self.step().await;
            self.world.check();
        }
        super::last::the_end(self).await;
        self.world.check();
    }

    fn columns(&self) -> &Arc<Columns> {
        self.schemas.last().expect("there is always a schema")
    }

    async fn step(&mut self) {
        let chance = &self.world.chance;
        if self.life.is_none() {
            return self.open().await;
        }
        match chance.below(100) {
            0..34 => self.writes().await,
            34..38 => self.write_all().await,
            38..54 => self.look().await,
            54..60 => self.look_back().await,
            60..66 => snapshots::check(self).await,
            66..72 => self.freeze().await,
            72..75 => self.compact().await,
            75..80 => self.disturb(),
            80..85 => self.storm().await,
            85..87 => self.time_passes().await,
            87..89 => self.remove_old().await,
            89..94 => self.crash().await,
            94..96 => self.takeover().await,
            96..98 => self.leave().await,
            _ => {
                if let Some(life) = &self.life {
                    life.bad_writes(self.world);
                }
            }
        }
        if let Some(life) = &mut self.life {
            life.check_memory();
            let answered = life.answers(self.world);
            self.went(answered);
        }
    }

    // ---- Opening and ending --------------------------------------------------------------------------------------

    fn opening(&mut self, config: WriterConfig) -> Opening {
        self.lives += 1;
        if let Some(compaction) = config.memtable.as_ref().and_then(|memtable| memtable.compaction.as_ref()) {
            self.strict &= !compaction.drop_tombstones;
        }
        Opening::new(self.world, self.lives, self.columns(), config)
    }

    fn evolve(&mut self) {
        let world = self.world;
        if self.lives > 0 && world.chance.chance(350) {
            let columns = Arc::clone(self.columns()).evolve(&world.rules, &mut self.free, &world.chance);
            world.event(|| format!("the schema is {columns:?}"));
            world.count("evolutions", 1);
            self.schemas.push(Arc::new(columns));
        }
    }

    /// Opens a writer; sometimes one dies on the way.
    pub async fn open(&mut self) {
        self.evolve();
        let world = self.world;
        let config = config(world, self.columns());
        let opening = self.opening(config);
        world.event(|| format!("{opening:?}"));
        if world.chance.chance(150) {
            return self.die_opening(opening).await;
        }
        for attempt in 0.. {
            match opening.clone().open(world).await {
                Ok(life) => {
                    world.event(|| format!("{} has epoch {}", life.opening.name, life.epoch));
                    world.count("lives", 1);
                    self.life = Some(life);
                    return self.look().await;
                }
                Err(error) => {
                    world.event(|| format!("{} does not open: {error}", opening.name));
                    assert!(may_fail_to_open(&error), "open: {} {error}", error.kind().name());
                    // A late write may be in the way once more.
                    assert!(self.stormy || attempt < 6, "no writer can open the shard any more: {error}");
                    if attempt > 3 {
                        self.calm().await;
                    }
                }
            }
        }
    }

    async fn die_opening(&mut self, opening: Opening) {
        let world = self.world;
        let (process, store, env) = (opening.process.clone(), opening.store.clone(), opening.env.clone());
        let schema = opening.columns.schema(&world.rules);
        let config = opening.config.clone();
        process.spawn(async move {
            let _ = weir::writer::ShardWriter::open(store, shard(), &schema, config, env).await;
        });
        for _ in 0..world.chance.below(120) {
            crate::support::sim::yield_now().await;
        }
        process.kill();
        world.event(|| format!("{} dies while it opens", opening.name));
        world.count("deaths at the opening", 1);
    }

    /// Takes note of an outcome: an error ends the writer, and must be one that can be explained.
    pub fn went(&mut self, outcome: Result<()>) {
        let Err(error) = outcome else { return };
        let Some(life) = self.life.take() else { return };
        let epoch = self.world.truth().manifest.writer_epoch;
        self.world.event(|| format!("{} ends: {} {error}", life.opening.name, error.kind().name()));
        match error.kind() {
            ErrorKind::Fenced => assert!(epoch > life.epoch, "fenced at epoch {}, the shard's is {epoch}: {error}", life.epoch),
            ErrorKind::Poisoned => assert!(self.world.weather.is_some() || self.world.faults_were_set(), "poisoned: {error}"),
            kind => panic!("a writer ended with {}: {error}", kind.name()),
        }
        self.world.count(if error.kind() == ErrorKind::Fenced { "fenced" } else { "poisoned" }, 1);
        self.end(life);
    }

    /// A writer whose process is gone.
    pub fn end(&mut self, life: Life) {
        life.count(self.world);
        life.opening.process.kill();
        drop(life);
    }

    async fn crash(&mut self) {
        let world = self.world;
        if let Some(life) = self.life.take() {
            for _ in 0..world.chance.below(60) {
                crate::support::sim::yield_now().await;
            }
            world.event(|| format!("{} is killed", life.opening.name));
            world.count("crashes", 1);
            self.end(life);
        }
    }

    /// Another process opens the shard while the writer lives.
    async fn takeover(&mut self) {
        let world = self.world;
        let Some(mut old) = self.life.take() else { return };
        self.evolve();
        // What the old one has not been told yet may still be on its way.
        while world.chance.chance(700) {
            match old.write(world) {
                Ok(_) => {}
                Err(error) => {
                    self.life = Some(old);
                    return self.went(Err(error));
                }
            }
        }
        let config = config(world, self.columns());
        let opening = self.opening(config);
        let paused = world.chance.chance(300);
        if paused {
            old.opening.process.pause();
        }
        world.event(|| format!("epoch {} is taken over: {opening:?}", old.epoch));
        let mut opened = None;
        for attempt in 0..8 {
            match opening.clone().open(world).await {
                Ok(life) => {
                    opened = Some(life);
                    break;
                }
                Err(error) => {
                    assert!(may_fail_to_open(&error), "takeover: {} {error}", error.kind().name());
                    if attempt > 3 {
                        self.calm().await;
                    }
                }
            }
        }
        let new = opened.expect("no writer can take over the shard");
        world.event(|| format!("{} has epoch {}", new.opening.name, new.epoch));
        world.count("takeovers", 1);
        old.opening.process.resume();
        self.life = Some(new);
        if world.chance.chance(300) {
            self.writes().await;
        }
        self.fence(&mut old).await;
        self.end(old);
    }

    /// The old writer finds out at its next append, and says so to everybody (PITFALLS B2, B3).
    async fn fence(&self, old: &mut Life) {
        let world = self.world;
        let stale = old.view(world, self.strict);
        let mut error = match stale {
            Ok(seen) => {
                seen.check(world, None).await;
                None
            }
            Err(error) => Some(error),
        };
        if error.is_none() || error.as_ref().is_some_and(|error| error.kind() == ErrorKind::Unsupported) {
            error = None;
            for _ in 0..20 {
                let wrote = match old.write(world) {
                    Ok(Some(_)) => old.flush(world).await,
                    // No room: what would make some fails.
                    Ok(None) => old.wait_capacity(world).await,
                    Err(error) => Err(error),
                };
                if let Err(ended) = wrote {
                    error = Some(ended);
                    break;
                }
            }
        }
        let error = error.expect("a writer that was taken over went on");
        world.event(|| format!("{} of epoch {} learns: {error}", old.opening.name, old.epoch));
        assert!(matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Poisoned), "{} {error}", error.kind().name());
        world.count(if error.kind() == ErrorKind::Fenced { "fenced" } else { "poisoned" }, 1);
        let last = old.all_answers(world).await;
        if let Err(last) = last {
            assert_eq!(last.kind(), error.kind());
        }
        let kinds = [old.writer.view().err().map(|error| error.kind()), old.close().await.err().map(|error| error.kind())];
        assert_eq!(kinds, [Some(error.kind()); 2]);
    }

    /// The writer closes, or is dropped.
    async fn leave(&mut self) {
        let world = self.world;
        let Some(mut life) = self.life.take() else { return };
        if world.chance.chance(300) {
            world.event(|| format!("{} is dropped", life.opening.name));
            return self.end(life);
        }
        let closed = life.close().await;
        world.event(|| format!("{} is closed: {closed:?}", life.opening.name));
        match closed {
            Ok(()) => self.check_closed(&life),
            // The flush was given up, or nothing could be appended: what was durable comes back.
            Err(error) => assert!(self.disturbed(), "close: {} {error}", error.kind().name()),
        }
        let answers = life.all_answers(world).await;
        assert!(answers.is_ok() || self.disturbed(), "{answers:?}");
        self.end(life);
    }

    /// PITFALLS G8: nothing is left unflushed, and nothing that was put is lost.
    pub fn check_closed(&self, life: &Life) {
        let truth = self.world.truth();
        let puts = &truth.lives[&life.epoch];
        assert_eq!(puts.positions.len(), puts.admitted.len(), "a writer that closed had not written everything");
        let last = truth.log.iter().rev().find(|(_, landed)| !landed.sentinel).map_or(0, |(position, _)| *position);
        if life.memtable().is_some() && truth.manifest.writer_epoch == life.epoch {
            let cursor = truth.manifest.replay_after_wal_entry_position;
            assert!(cursor >= last, "a writer closed with the cursor at {cursor}, and entries up to {last}");
        }
    }

    fn disturbed(&self) -> bool {
        self.world.weather.is_some() || self.world.faults_were_set()
    }

    // ---- What the writer does ------------------------------------------------------------------------------------

    async fn writes(&mut self) {
        let world = self.world;
        for _ in 0..1 + world.chance.below(4) {
            let Some(life) = &mut self.life else { return };
            let outcome = match life.write(world) {
                Ok(Some(_)) if world.chance.chance(400) => life.flush(world).await,
                Ok(Some(_)) => Ok(()),
                Ok(None) => life.wait_capacity(world).await,
                Err(error) => Err(error),
            };
            self.went(outcome);
        }
        if let Some(life) = &mut self.life
            && world.chance.chance(200)
        {
            let outcome = life.all_answers(world).await;
            self.went(outcome);
        }
    }

    async fn write_all(&mut self) {
        let world = self.world;
        let Some(life) = &mut self.life else { return };
        let outcome = life.write_all(world).await;
        self.went(match outcome {
            Err(error) if refused(world, &error) => Ok(()),
            outcome => outcome,
        });
    }

    async fn freeze(&mut self) {
        let world = self.world;
        let Some(life) = &mut self.life else { return };
        let frozen = match life.writer.freeze() {
            Err(error) if life.memtable().is_none() => return assert_eq!(error.kind(), ErrorKind::Unsupported),
            frozen => frozen,
        };
        world.event(|| format!("{} freezes: {frozen:?}", life.opening.name));
        let outcome = match frozen {
            Ok(generation) if world.chance.chance(600) => {
                let waited = life.wait_flushed(generation).await;
                if waited.is_ok() {
                    let published = world.truth().manifest.current_generation;
                    assert!(published > generation, "{generation} is said to be flushed, the manifest fills {published}");
                    world.count("waits for a flush", 1);
                }
                waited
            }
            frozen => frozen.map(|_| ()),
        };
        self.went(outcome);
    }

    async fn compact(&mut self) {
        let world = self.world;
        let Some(life) = &self.life else { return };
        let options = CompactOptions {
            min_inputs: 2,
            drop_tombstones: world.chance.chance(500),
            data: DataOptions { batch_bytes: 1000, ..DataOptions::default() },
            ..CompactOptions::default()
        };
        self.strict &= !options.drop_tombstones || life.memtable().is_none();
        let merged = life.writer.compact(&options).await;
        world.event(|| format!("{} compacts: {merged:?}", life.opening.name));
        match merged {
            Err(error) if life.memtable().is_none() => assert_eq!(error.kind(), ErrorKind::Unsupported),
            Err(error) if of_the_store(&error) && self.disturbed() => {}
            merged => {
                world.count("explicit compactions", *merged.as_ref().unwrap_or(&0));
                if let Some(life) = &mut self.life {
                    life.places.clear();
                }
                self.went(merged.map(|_| ()));
            }
        }
        if let Some(life) = &mut self.life {
            life.places.clear();
        }
    }

    // ---- Reads ---------------------------------------------------------------------------------------------------

    pub async fn look(&mut self) {
        let world = self.world;
        let Some(life) = &mut self.life else { return };
        let seen = match life.view(world, self.strict) {
            Err(error) if error.kind() == ErrorKind::Unsupported && life.memtable().is_none() => return,
            Err(error) => return self.went(Err(error)),
            Ok(seen) => seen,
        };
        let places = if life.compacts() { None } else { Some(&mut life.places) };
        seen.check(world, places).await;
        if world.chance.chance(400) {
            self.keep(seen);
        }
    }

    /// A view shows what it showed, whatever happened since.
    async fn look_back(&mut self) {
        if !self.seen.is_empty() {
            let at = self.world.chance.below(self.seen.len() as u64) as usize;
            self.seen[at].check(self.world, None).await;
            self.world.count("views looked at again", 1);
        }
    }

    // ---- The world -----------------------------------------------------------------------------------------------

    /// Something of the next moments goes wrong.
    fn disturb(&self) {
        let world = self.world;
        if world.weather.is_none() {
            return;
        }
        let place = *world.chance.pick(&["_gen_", "_gen_", "data.arrow", "index.weir", "/manifest/", "/manifest/", "/wal/", ""]);
        let op =
            *world.chance.pick(&[Op::Create, Op::Create, Op::Create, Op::Get, Op::Body, Op::GetRange, Op::Head, Op::List, Op::ListDirs]);
        let fault = match (op, world.chance.below(9)) {
            (Op::Create, 0) => Fault::ExistsAfter,
            (Op::Create, 1) => Fault::ExistsBefore,
            (Op::Create, 2) => Fault::Late(world.chance.below(20)),
            (Op::Create, 3) => Fault::LateAfter(Duration::from_millis(world.chance.below(5000))),
            (Op::Create, 4) => Fault::NoSpace,
            (Op::Create, 5) => Fault::Denied,
            (_, 6) => Fault::Throttle,
            (_, 7) => Fault::ErrorBefore,
            _ => Fault::ErrorAfter,
        };
        let times = 1 + world.chance.below(*world.chance.pick(&[1, 3, 8]));
        world.event(|| format!("the next {times} {op:?} of {place:?} meet {fault:?}"));
        world.count("disturbances", 1);
        world.set_fault(op, place, times, fault);
    }

    async fn storm(&mut self) {
        let world = self.world;
        let Some(weather) = &world.weather else { return };
        if self.stormy {
            return self.calm().await;
        }
        world.event(|| "a storm".into());
        self.stormy = true;
        world.faults.chaos(Chaos::clone(weather), world.chance.fork());
    }

    pub async fn calm(&mut self) {
        self.world.event(|| "the weather clears".into());
        self.stormy = false;
        self.world.faults.heal();
        if self.world.chance.chance(500) {
            self.world.faults.land_late_writes().await;
        }
    }

    async fn time_passes(&mut self) {
        let world = self.world;
        let longest = *world.chance.pick(&[Duration::from_millis(50), Duration::from_secs(2), AGE / 20, AGE * 2]);
        world.sleep(Duration::from_nanos(world.chance.below(longest.as_nanos() as u64))).await;
    }

    /// Somebody sweeps and trims.
    async fn remove_old(&mut self) {
        let world = self.world;
        if world.chance.chance(500) {
            world.sleep(AGE).await;
        }
        let (store, env) = (world.store("janitor"), world.sim.env());
        let may_fail = |error: &Error| assert!(self.disturbed() || error.kind() == ErrorKind::NotFound, "{} {error}", error.kind().name());
        match sweep(&store, &shard(), &env, AGE).await {
            Ok(swept) => world.count("swept directories", swept.directories),
            Err(error) => may_fail(&error),
        }
        let cursor = world.truth().manifest.replay_after_wal_entry_position;
        match trim(&store, &shard(), &env, cursor, AGE).await {
            Ok(trimmed) => world.count("trimmed entries", trimmed.entries),
            Err(error) => may_fail(&error),
        }
        world.event(|| format!("old things are removed, the cursor is at {cursor}"));
    }
}

/// What a fault of the store may look like.
fn of_the_store(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Storage | ErrorKind::StorageFull | ErrorKind::PermissionDenied)
}

fn may_fail_to_open(error: &Error) -> bool {
    // A claim or a sentinel that is settled too late.
    of_the_store(error) || matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Fenced | ErrorKind::Poisoned)
}
