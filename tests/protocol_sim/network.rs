//! What lies between a process and the store: latency, faults, partitions, requests that outlive their sender.
//!
//! From the outside in: [`Network`] (one per process) → [`FaultStore`] → [`Observer`] → memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;
use weir::env::{BoxFuture, Clock};
use weir::error::{Error, ErrorKind, Result};
use weir::shard::layout::{parse_entry, parse_manifest};
use weir::store::memory::MemoryBackend;
use weir::store::{Backend, Created, Object, ObjectInfo};

use super::world::{HostId, Mutation, World};
use crate::support::sim::yield_now;
use crate::support::{Fault, FaultStore, Op, Process};

/// The objects, with an eye on what lands and leaves.
pub struct Observer {
    inner: MemoryBackend,
    world: Arc<World>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Observer {
    pub fn new(world: &Arc<World>) -> Self {
        Self { inner: MemoryBackend::new(Arc::new(world.sim.clock())), world: Arc::clone(world) }
    }
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn join(body: &[Bytes]) -> Bytes {
    let mut whole = BytesMut::new();
    body.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

impl Backend for Observer {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move {
            if self.world.mutation == Some(Mutation::Overwrite) && parse_entry(name(path)).is_some() {
                self.inner.put(path, join(body)).await?;
            } else if self.inner.create(path, body).await? == Created::Exists {
                return Ok(Created::Exists);
            }
            if let Some(position) = parse_entry(name(path)) {
                self.world.entry_landed(position, join(body));
            } else if let Some(version) = parse_manifest(name(path)) {
                self.world.manifest_landed(version, join(body));
            }
            Ok(Created::Done)
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        if !path.ends_with("/version_hint.json") {
            self.world.violate(format!("a plain put of {path}"));
        }
        self.inner.put(path, body)
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        self.inner.get(path)
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        self.inner.head(path)
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        self.inner.list(dir)
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        self.inner.list_dirs(dir)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.inner.delete(path).await?;
            if let Some(position) = parse_entry(name(path)) {
                self.world.entry_deleted(position);
            } else if let Some(version) = parse_manifest(name(path)) {
                self.world.manifest_deleted(version);
            }
            Ok(())
        })
    }

    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        self.inner.make_dirs(dirs)
    }

    fn is_blocking(&self) -> bool {
        false
    }

    fn keeps_create_if_absent(&self) -> bool {
        true
    }
}

/// How bad the day is: how many of 1,000 requests meet each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub faults: u64,
    pub slow: u64,
    pub pauses: u64,
    pub kills: u64,
}

/// The way from one process to the store.
pub struct Network {
    host: HostId,
    world: Arc<World>,
    faults: FaultStore,
    /// Carries requests on when their sender is gone.
    carrier: Process,
    weather: Weather,
    /// Whether writers use it, for mutations that concern them only.
    writers: bool,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network(host {})", self.host)
    }
}

impl Network {
    pub fn new(host: HostId, world: &Arc<World>, faults: &FaultStore, carrier: &Process, weather: Weather, writers: bool) -> Self {
        Self { host, world: Arc::clone(world), faults: faults.clone(), carrier: carrier.clone(), weather, writers }
    }

    fn calm(&self) -> bool {
        self.world.state().ending
    }

    /// Perhaps the process stalls or dies at this very point, before it sends something or after it was answered.
    async fn strike(&self, before: Option<Op>) {
        if self.calm() {
            return;
        }
        let world = &self.world;
        let roll = world.chance.below(1000);
        if roll < self.weather.kills {
            // From outside: what runs now runs to where it waits.
            let (world, host) = (Arc::clone(world), self.host);
            self.carrier.spawn(async move { world.kill(host) });
            std::future::pending::<()>().await;
        } else if roll < self.weather.kills + self.weather.pauses {
            // Short, for about as long as positions stay fresh, or for longer than anything is kept. The latter not between the
            // look at what is fresh and the sending of what relies on it: that much the protocol asks of a process.
            let longest = if before == Some(Op::Create) { world.trim_age / 3 } else { world.trim_age * 2 };
            let longest = *world.chance.pick(&[world.trim_age / 100, world.trim_age / 8, longest]);
            world.pause(self.host, world.time(longest));
            yield_now().await;
        }
    }

    /// What the request meets. Nothing is under way for longer than a third of the trim age.
    fn fault(&self, op: Op) -> Option<Fault> {
        let world = &self.world;
        let chance = &world.chance;
        if self.calm() {
            return None;
        }
        let long = world.trim_age / 3;
        if world.now() < world.state().hosts[self.host].cut_until {
            return Some(Fault::Throttle);
        }
        if chance.chance(self.weather.slow) {
            let longest = *chance.pick(&[Duration::from_millis(50), world.trim_age / 20, long]);
            return Some(if chance.chance(500) { Fault::Delay(world.time(longest)) } else { Fault::DelayAnswer(world.time(longest)) });
        }
        if !chance.chance(self.weather.faults) {
            return (op != Op::Body && chance.chance(500)).then(|| Fault::Delay(world.time(Duration::from_millis(8))));
        }
        let kinds = match op {
            Op::Create => 7,
            Op::Put => 4,
            Op::Delete => 3,
            _ => 2,
        };
        Some(match chance.below(kinds) {
            0 => Fault::ErrorBefore,
            1 => Fault::Throttle,
            2 => Fault::ErrorAfter,
            3 => Fault::LateAfter(world.time(*chance.pick(&[Duration::from_millis(200), long]))),
            4 => Fault::ExistsAfter,
            5 => Fault::ExistsBefore,
            _ => Fault::ErrorAfter,
        })
    }

    /// Lets the next such request meet its fault.
    async fn begin(&self, op: Op, path: &str) {
        self.strike(Some(op)).await;
        let fault = self.fault(op);
        self.world.event(|| match &fault {
            Some(fault) => format!("h{} {op:?} {} meets {fault:?}", self.host, short(path)),
            None => format!("h{} {op:?} {}", self.host, short(path)),
        });
        if let Some(fault) = fault {
            self.world.count(match &fault {
                Fault::LateAfter(_) => "late writes",
                Fault::ErrorAfter | Fault::ExistsAfter => "lost answers",
                _ => "other faults",
            });
            self.faults.on_next(op, path, 1, fault);
        }
    }

    /// Sends a request that goes its way whether or not its sender lives.
    async fn carried<T: Send + 'static>(&self, request: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (sender, answer) = oneshot::channel();
        self.carrier.spawn(async move {
            let _ = sender.send(request.await);
        });
        answer.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Storage, "the network is gone")))
    }

    fn mutated(&self, mutation: Mutation) -> bool {
        self.writers && self.world.mutation == Some(mutation) && !self.calm()
    }

    /// Whether the object is a manifest version younger than what a stale cache knows.
    fn too_young(&self, path: &str) -> bool {
        let time = parse_manifest(name(path)).and_then(|version| self.world.manifest_time(version));
        self.mutated(Mutation::StaleFence)
            && self.world.state().hosts[self.host].opening == 0
            && time.is_some_and(|at| self.world.now() - at < Duration::from_secs(3))
    }
}

/// A path as a trace shows it.
fn short(path: &str) -> String {
    match (parse_entry(name(path)), parse_manifest(name(path))) {
        (Some(position), _) => format!("entry {position}"),
        (_, Some(version)) => format!("manifest {version}"),
        _ => name(path).to_owned(),
    }
}

impl Backend for Network {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move {
            self.begin(Op::Create, path).await;
            let sentinel = || join(body).windows(14).any(|bytes| bytes == b"fence_sentinel");
            if self.mutated(Mutation::NoSentinel) && parse_entry(name(path)).is_some() && sentinel() {
                return Ok(Created::Done);
            }
            let (faults, path, body) = (self.faults.clone(), path.to_owned(), body.to_vec());
            let created = self.carried(async move { faults.create(&path, &body).await }).await;
            self.strike(None).await;
            created
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.begin(Op::Put, path).await;
            let (faults, path) = (self.faults.clone(), path.to_owned());
            self.carried(async move { faults.put(&path, body).await }).await
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        Box::pin(async move {
            self.begin(Op::Get, path).await;
            let object = self.faults.get(path).await;
            self.strike(None).await;
            if self.too_young(path) || self.mutated(Mutation::ErrorsAreMissing) && object.is_err() {
                return Ok(None);
            }
            if self.mutated(Mutation::Unsettled) && parse_entry(name(path)).is_some() {
                let unmarked = |object: Object| Object {
                    size: object.size,
                    tag: object.tag,
                    body: Box::pin(async move { Ok(object.body.await?.slice(..object.size as usize - 8)) }),
                };
                return Ok(object?.map(unmarked));
            }
            object
        })
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        Box::pin(async move {
            self.begin(Op::Head, path).await;
            let info = self.faults.head(path).await;
            self.strike(None).await;
            if self.mutated(Mutation::ErrorsAreMissing) { Ok(info.unwrap_or(None)) } else { info }
        })
    }

    /// A listing is no snapshot: of what comes and goes while it is made, it shows some.
    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        Box::pin(async move {
            self.begin(Op::List, dir).await;
            let first = self.faults.list(dir).await?;
            let shown = if self.world.chance.chance(500) {
                self.world.sim.clock().sleep(self.world.time(Duration::from_millis(20))).await;
                let second = self.faults.list(dir).await?;
                let (in_first, in_second) = (
                    |info: &ObjectInfo| first.iter().any(|other| other.name == info.name),
                    |info: &ObjectInfo| second.iter().any(|other| other.name == info.name),
                );
                let mut shown: Vec<_> = first.iter().filter(|info| in_second(info) || self.world.chance.chance(500)).cloned().collect();
                shown.extend(second.iter().filter(|info| !in_first(info) && self.world.chance.chance(500)).cloned());
                shown
            } else {
                first
            };
            self.strike(None).await;
            Ok(shown)
        })
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        self.faults.list_dirs(dir)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.begin(Op::Delete, path).await;
            let (faults, path) = (self.faults.clone(), path.to_owned());
            let deleted = self.carried(async move { faults.delete(&path).await }).await;
            self.strike(None).await;
            deleted
        })
    }

    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        self.faults.make_dirs(dirs)
    }

    fn is_blocking(&self) -> bool {
        false
    }

    fn keeps_create_if_absent(&self) -> bool {
        true
    }

    /// Each process has a memory of its own, so news of an append reaches only the tailers within it.
    fn identity(&self) -> Option<String> {
        Some(format!("sim-{}-{}-{:p}", self.world.seed, self.host, Arc::as_ptr(&self.world)))
    }
}
