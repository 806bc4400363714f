//! The protocol under random schedules: writers that claim, append, stall, die and come back, a trimmer, and tailers, over a
//! store that loses answers, over a network that delays, on a clock that only moves when everybody waits for it.
//!
//! A seed decides everything. `WEIR_SEEDS=n` runs n of them, `WEIR_SEED=k` runs one and prints what happens; a failing seed says
//! how to replay it. Further down, mutations of the protocol show that the run would notice.
//!
//! What is checked is in `protocol_sim/world.rs` (while it happens), `tailers.rs` (what is read) and `check.rs` (in the end).

mod support;

#[path = "protocol_sim/check.rs"]
mod check;
#[path = "protocol_sim/nemesis.rs"]
mod nemesis;
#[path = "protocol_sim/network.rs"]
mod network;
#[path = "protocol_sim/tailers.rs"]
mod tailers;
#[path = "protocol_sim/world.rs"]
mod world;
#[path = "protocol_sim/writers.rs"]
mod writers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use weir::env::{Clock, Env};
use weir::shard::ShardPath;
use weir::store::Store;

use network::{Network, Observer, Weather};
use support::seeds::{Counts, number, run_seeds};
use support::{FaultStore, Process};
use world::{HostState, Mutation, World};

/// A process and its ways to the store.
#[derive(Clone)]
pub struct Host {
    index: world::HostId,
    world: Arc<World>,
    process: Process,
    env: Env,
    shard: ShardPath,
    /// For writers.
    store: Store,
    /// For tailers.
    reader: Store,
}

/// What one run is made of.
struct Run {
    world: Arc<World>,
    faults: FaultStore,
    carrier: Process,
    weather: Weather,
}

impl Run {
    fn new(seed: u64, mutation: Option<Mutation>, trace: bool) -> Self {
        let world = World::new(seed, mutation, trace);
        let faults = FaultStore::new(Arc::new(Observer::new(&world)), Arc::new(world.sim.clock()));
        let chance = &world.chance;
        let weather = Weather {
            faults: *chance.pick(&[0, 20, 60, 150]),
            slow: *chance.pick(&[0, 10, 60]),
            pauses: *chance.pick(&[0, 2, 8]),
            kills: *chance.pick(&[0, 0, 1, 4]),
        };
        let carrier = world.sim.process();
        world.event(|| format!("seed {seed}, trim age {:?}, {weather:?}", world.trim_age));
        Self { world, faults, carrier, weather }
    }

    fn host(&self, weather: Weather) -> Host {
        let world = &self.world;
        let process = world.sim.process();
        let index = {
            let mut state = world.state();
            let cut_until = Duration::ZERO;
            state.hosts.push(HostState { process: process.clone(), alive: true, paused: false, cut_until, opening: 0, running: 0 });
            state.hosts.len() - 1
        };
        let store =
            |writers| Store::new("sim://store", Arc::new(Network::new(index, world, &self.faults, &self.carrier, weather, writers)));
        Host {
            index,
            world: Arc::clone(world),
            env: process.env(),
            process,
            shard: ShardPath::new("00000000-0000-4000-8000-000000000001").unwrap(),
            store: store(true),
            reader: store(false),
        }
    }

    /// Runs `script` in the host's process.
    fn start<F: Future<Output = ()> + Send + 'static>(&self, host: Host, script: impl FnOnce(Host) -> F) {
        let (world, index) = (Arc::clone(&self.world), host.index);
        world.state().hosts[index].running += 1;
        let process = host.process.clone();
        let script = script(host);
        process.spawn(async move {
            script.await;
            world.state().hosts[index].running -= 1;
        });
    }

    /// A process with writers, or with tailers, or with both.
    fn populate(&self) {
        let host = self.host(self.weather);
        let kind = self.world.chance.below(10);
        if kind < 7 {
            self.start(host.clone(), writers::writers);
        }
        if !(3..9).contains(&kind) {
            self.start(host.clone(), tailers::tailers);
        }
    }

    async fn sleep(&self, duration: Duration) {
        self.world.sim.clock().sleep(duration).await;
    }

    fn is_over(&self) -> bool {
        self.world.state().hosts.iter().all(|host| !host.alive || host.running == 0)
    }

    /// The whole story.
    async fn tell(&self) {
        let world = &self.world;
        for _ in 0..1 + world.chance.below(3) {
            self.populate();
        }
        self.start(self.host(self.weather), writers::writers);
        self.start(self.host(self.weather), tailers::tailers);
        for _ in 0..1 + world.chance.below(2) {
            self.start(self.host(Weather { kills: 0, ..self.weather }), nemesis::nemesis);
        }
        let end = world.now() + world.trim_age * 5 / 2;
        while world.now() < end && !world.failed() {
            self.sleep(world.trim_age / 20).await;
            let alive = world.state().hosts.iter().filter(|host| host.alive).count();
            if alive < 4 {
                self.populate();
            }
        }
        self.settle().await;
    }

    /// Good weather again: everything comes to its end, and is as it should be.
    async fn settle(&self) {
        let world = &self.world;
        if world.failed() {
            return;
        }
        world.event(|| "the weather clears".into());
        world.state().ending = true;
        self.faults.heal();
        let hosts = world.state().hosts.len();
        (0..hosts).for_each(|host| world.resume(host));
        self.faults.land_late_writes().await;
        check::last_writer(self).await;
        // As long as it may take a tailer to learn that what it waits for was trimmed, and any retry to give up.
        let writers_end = |hosts: &[HostState]| hosts.iter().all(|host| !host.alive || host.opening == 0);
        for _ in 0..600 {
            self.sleep(Duration::from_secs(1)).await;
            let state = world.state();
            if writers_end(&state.hosts) && state.behind().is_empty() {
                break;
            }
        }
        let behind = world.state().behind();
        if !behind.is_empty() {
            return world.violate(format!("tailers are stuck at {behind:?}, the newest entry is {}", world.state().newest()));
        }
        world.state().tailers_stop = true;
        for _ in 0..100 {
            if self.is_over() && world.unfinished().is_empty() {
                break;
            }
            self.sleep(Duration::from_secs(2)).await;
        }
        // Longer than any writer lingers.
        self.sleep(Duration::from_secs(5)).await;
        if !world.failed() {
            check::everything(self).await;
        }
    }
}

/// Runs one seed; the first violation, or nothing, and how often things happened.
fn run(seed: u64, mutation: Option<Mutation>, trace: bool) -> (Option<String>, Counts) {
    let run = Run::new(seed, mutation, trace);
    let world = Arc::clone(&run.world);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.sim.run(run.tell())));
    let (violation, counts) = {
        let mut state = world.state();
        state.over = true;
        let panic = outcome.err().map(|_| "a panic, see above".to_owned());
        (panic.or_else(|| state.violations.first().cloned()), state.counts.clone())
    };
    // Tasks hold the simulation that holds them: only killing every process frees the memory.
    let hosts = world.state().hosts.len();
    (0..hosts).for_each(|host| world.kill(host));
    run.carrier.kill();
    (violation, counts)
}

#[test]
fn random_schedules_keep_the_protocol() {
    if let Some(seed) = number("WEIR_SEED") {
        let (violation, counts) = run(seed, None, true);
        println!("seed {seed}: {counts:?}");
        return assert_eq!(violation, None, "seed {seed}");
    }
    let seeds = number("WEIR_SEEDS").unwrap_or(2_000);
    let began = std::time::Instant::now();
    let (failed, counts) = run_seeds(0..seeds, |seed| run(seed, None, false));
    println!("{seeds} seeds in {:?}: {counts:?}", began.elapsed());
    if let Some((seed, violation)) = failed.iter().min() {
        panic!("seed {seed}: {violation}\nreplay it with: WEIR_SEED={seed} cargo test --test protocol_sim random -- --nocapture");
    }
    // Runs in which nothing happens prove nothing.
    if seeds < 200 {
        return;
    }
    for what in [
        "writers",
        "appenders",
        "kills",
        "stalls longer than the trim age",
        "trims",
        "prunes",
        "late writes",
        "lost answers",
        "trimmed reads",
        "fenced",
    ] {
        let count = counts.get(what).copied().unwrap_or(0);
        assert!(count * 10 >= seeds, "only {count} {what} in {seeds} runs");
    }
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..3 {
        assert_eq!(run(seed, None, false), run(seed, None, false), "seed {seed}");
    }
}

// ---- Would it notice? ------------------------------------------------------------------------------------------------

fn is_caught(mutation: Mutation) {
    let (failed, counts) = run_seeds(0..300, |seed| run(seed, Some(mutation), false));
    let Some((seed, violation)) = failed.first() else { panic!("{mutation:?} was not noticed in 300 runs: {counts:?}") };
    println!("{mutation:?} was noticed by seed {seed}: {violation}");
}

// PITFALLS A1
#[test]
fn plain_puts_are_caught() {
    is_caught(Mutation::Overwrite);
}

// PITFALLS A3, A8
#[test]
fn unsettled_lost_answers_are_caught() {
    is_caught(Mutation::Unsettled);
}

// PITFALLS B6
#[test]
fn a_cached_fence_check_is_caught() {
    is_caught(Mutation::StaleFence);
}

// PITFALLS B7
#[test]
fn errors_taken_for_absence_are_caught() {
    is_caught(Mutation::ErrorsAreMissing);
}

// PITFALLS B1
#[test]
fn a_claim_without_a_sentinel_is_caught() {
    is_caught(Mutation::NoSentinel);
}

// PITFALLS D6
#[test]
fn trimming_what_is_young_is_caught() {
    is_caught(Mutation::TrimYoung);
}
