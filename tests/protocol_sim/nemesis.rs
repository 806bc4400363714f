//! What befalls processes from the outside: stalls, kills, partitions, trims, seals.

use std::sync::Arc;
use std::time::Duration;

use weir::env::Clock;
use weir::error::ErrorKind;
use weir::shard::ManifestStore;
use weir::shard::manifest::ManifestOptions;
use weir::wal::trim;

use super::Host;
use super::world::{HostId, Mutation, World};

impl World {
    /// Stalls the process for a while.
    pub fn pause(self: &Arc<Self>, host: HostId, duration: Duration) {
        let process = {
            let mut state = self.state();
            let host = &mut state.hosts[host];
            if !host.alive || std::mem::replace(&mut host.paused, true) {
                return;
            }
            host.process.clone()
        };
        self.count(if duration > self.trim_age { "stalls longer than the trim age" } else { "stalls" });
        self.event(|| format!("h{host} stalls for {duration:?}"));
        process.pause();
        let world = Arc::clone(self);
        self.sim.process().spawn(async move {
            world.sim.clock().sleep(duration).await;
            world.resume(host);
        });
    }

    pub fn resume(&self, host: HostId) {
        let process = {
            let mut state = self.state();
            let host = &mut state.hosts[host];
            if !std::mem::replace(&mut host.paused, false) {
                return;
            }
            host.process.clone()
        };
        self.event(|| format!("h{host} goes on"));
        process.resume();
    }

    /// Kills the process: nothing of it runs any more, what it sent may still arrive.
    pub fn kill(&self, host: HostId) {
        let (process, writers) = {
            let mut state = self.state();
            if !std::mem::replace(&mut state.hosts[host].alive, false) {
                return;
            }
            let writers: Vec<_> = state.lives.iter_mut().filter(|life| life.host == host).filter_map(|life| life.writer.take()).collect();
            (state.hosts[host].process.clone(), writers)
        };
        self.count("kills");
        self.event(|| format!("h{host} is killed"));
        process.kill();
        drop(writers);
    }
}

/// Trims, prunes, seals, stalls, kills and cuts off until the end.
pub async fn nemesis(host: Host) {
    let world = &host.world;
    loop {
        world.sim.clock().sleep(world.time(world.trim_age / 4)).await;
        if world.state().ending {
            return;
        }
        let hosts = world.state().hosts.len() as u64;
        let victim = world.chance.below(hosts) as usize;
        match world.chance.below(100) {
            0..45 => trim_some(&host).await,
            45..55 => world.pause(victim, world.time(world.trim_age * 2)),
            55..62 if victim != host.index => world.kill(victim),
            62..80 => {
                let until = world.now() + world.time(world.trim_age / 10);
                world.event(|| format!("h{victim} is cut off until {until:?}"));
                world.state().hosts[victim].cut_until = until;
            }
            80..84 => seal(&host).await,
            _ => {}
        }
    }
}

async fn trim_some(host: &Host) {
    let world = &host.world;
    let newest = world.state().newest();
    let up_to = if world.chance.chance(500) { u64::MAX } else { world.chance.below(newest + 2) };
    let age = if world.mutation == Some(Mutation::TrimYoung) { Duration::ZERO } else { world.trim_age };
    let running = world.begin(host.index, format!("trim up to {up_to}"));
    match trim::trim(&host.reader, &host.shard, &host.env, up_to, age).await {
        Ok(trimmed) => {
            world.event(|| format!("{trimmed:?}"));
            if trimmed.entries > 0 {
                world.count("trims");
            }
            if trimmed.manifests > 0 {
                world.count("prunes");
            }
            let first = world.state().first();
            if trimmed.first_position > first {
                world.violate(format!("{trimmed:?}, but the oldest position is {first}"));
            }
        }
        Err(error) if matches!(error.kind(), ErrorKind::Storage | ErrorKind::NotFound) => {}
        Err(error) => world.violate(format!("trim: {} {error}", error.kind().name())),
    }
    running.end();
}

/// Seals the shard and opens it again after a while.
async fn seal(host: &Host) {
    let world = &host.world;
    let options = ManifestOptions { trim_age: world.trim_age, ..ManifestOptions::default() };
    let manifests = ManifestStore::new(host.reader.clone(), host.shard.clone(), host.env.clone(), options);
    let tip = world.state().newest();
    let expected = |kind| matches!(kind, ErrorKind::Storage | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Sealed);
    match manifests.seal(tip).await {
        Ok(manifest) => world.event(|| format!("sealed with epoch {}", manifest.writer_epoch)),
        Err(error) if expected(error.kind()) => {}
        Err(error) => world.violate(format!("seal: {} {error}", error.kind().name())),
    }
    world.sim.clock().sleep(world.time(world.trim_age / 8)).await;
    for _ in 0..3 {
        match manifests.unseal().await {
            Ok(_) => return,
            Err(error) if expected(error.kind()) => {}
            Err(error) => return world.violate(format!("unseal: {} {error}", error.kind().name())),
        }
    }
}
