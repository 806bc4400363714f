//! What writers do: claim, put, flush, wait, stall, close, abort, vanish.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures_util::future::{Either, select};
use weir::env::{Clock, Retry};
use weir::error::{ErrorKind, Result};
use weir::wal::entry::Compression;
use weir::wal::{AppenderOptions, WalAppender};
use weir::writer::{Ack, Callback, ShardWriter, WriterConfig};

use super::Host;
use super::world::{LifeId, PutId, World};

pub fn schema() -> SchemaRef {
    let field = |name: &str, kind| Field::new(name, kind, false);
    Arc::new(Schema::new(vec![field("put", DataType::UInt64), field("row", DataType::UInt32), field("pad", DataType::Binary)]))
}

/// A batch that says of each row which put it belongs to.
fn batch(put: PutId, rows: u32, pad: usize) -> RecordBatch {
    let pads: Vec<Vec<u8>> = (0..rows).map(|row| vec![row as u8; pad]).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_value(put, rows as usize)),
        Arc::new(UInt32Array::from_iter_values(0..rows)),
        Arc::new(BinaryArray::from_iter_values(pads)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn config(world: &World) -> WriterConfig {
    let chance = &world.chance;
    let max_buffer_bytes = *chance.pick(&[1, 2_000, 20_000, 8 << 20]);
    WriterConfig {
        durable: chance.chance(650),
        linger: *chance.pick(&[None, None, Some(Duration::ZERO), Some(Duration::from_millis(20)), Some(Duration::from_secs(2))]),
        max_buffer_bytes,
        max_pending_bytes: max_buffer_bytes.max(*chance.pick(&[4_000, 50_000, 64 << 20])),
        compression: *chance.pick(&[Compression::None, Compression::None, Compression::None, Compression::Lz4]),
        retry: retry(world),
        manifest_probe_width: 1 + chance.below(4) as u32,
        trim_age: world.trim_age,
        memtable: None,
    }
}

fn retry(world: &World) -> Retry {
    Retry { max_retries: world.chance.below(5) as u32, base_delay: Duration::from_millis(1 + world.chance.below(50)) }
}

/// The kinds that an operation of a writer may end with after something was accepted.
fn terminal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Fenced | ErrorKind::Poisoned | ErrorKind::OutcomeUnknown | ErrorKind::Closed)
}

fn may_fail_to_open(kind: ErrorKind) -> bool {
    terminal(kind) || matches!(kind, ErrorKind::Storage | ErrorKind::Conflict | ErrorKind::Sealed)
}

/// One writer after the other, until the end.
pub async fn writers(host: Host) {
    let world = Arc::clone(&host.world);
    while !world.state().ending && !world.failed() {
        world.sim.clock().sleep(world.time(world.trim_age / 4)).await;
        if world.chance.chance(750) {
            shard_writer(&host).await;
        } else {
            appender(&host).await;
        }
    }
}

// ---- ShardWriter -----------------------------------------------------------------------------------------------------

async fn shard_writer(host: &Host) {
    let world = &host.world;
    let config = config(world);
    let running = world.begin(host.index, format!("open a writer {config:?}"));
    world.state().hosts[host.index].opening += 1;
    let opened = ShardWriter::open(host.store.clone(), host.shard.clone(), &schema(), config, host.env.clone()).await;
    world.state().hosts[host.index].opening -= 1;
    running.end();
    let writer = match opened {
        Ok(writer) => Arc::new(writer),
        Err(error) if may_fail_to_open(error.kind()) => return world.event(|| format!("h{} did not open: {error}", host.index)),
        Err(error) => return world.violate(format!("open: {} {error}", error.kind().name())),
    };
    world.count("writers");
    let name = format!("h{} writer of epoch {}", host.index, writer.epoch());
    let life = world.born(host.index, name, writer.epoch(), true, Some(Arc::clone(&writer)));
    let mut session = Session { host: host.clone(), life, writer, ended: false };
    for _ in 0..2 + world.chance.below(10) {
        session.act().await;
        if world.failed() || session.ended && world.chance.chance(600) {
            break;
        }
    }
    session.end().await;
}

struct Session {
    host: Host,
    life: LifeId,
    writer: Arc<ShardWriter>,
    /// A terminal error was seen.
    ended: bool,
}

impl Session {
    fn world(&self) -> &Arc<World> {
        &self.host.world
    }

    async fn act(&mut self) {
        let world = Arc::clone(self.world());
        match world.chance.below(100) {
            0..50 => {
                for _ in 0..1 + world.chance.below(4) {
                    self.put();
                }
            }
            50..58 => self.flush().await,
            58..64 => self.wait_durable().await,
            64..69 => self.wait_capacity().await,
            69..75 => self.check_fenced().await,
            75..78 => self.refused_puts(),
            78..96 => world.sim.clock().sleep(world.time(Duration::from_millis(200))).await,
            _ => world.sim.clock().sleep(world.time(world.trim_age / 3)).await,
        }
        self.check_position();
    }

    fn put(&mut self) {
        let world = Arc::clone(self.world());
        let rows = 1 + world.chance.below(3) as u32;
        let pad = *world.chance.pick(&[0, 10, 100, 700, 5_000]);
        let put = world.new_put(self.life, rows);
        let running = world.begin(self.host.index, format!("put {put}"));
        let operation = running.id();
        let told = Arc::clone(&world);
        let done: Callback = Box::new(move |outcome| {
            told.put_done(put, &outcome);
            if let Err(error) = &outcome
                && !terminal(error.kind())
            {
                told.violate(format!("put {put} failed with {} {error}", error.kind().name()));
            }
            running.end();
        });
        match self.writer.put_async(&batch(put, rows, pad), done) {
            Ok(()) => world.put_admitted(put),
            Err(error) => {
                world.forget(operation);
                world.put_refused(put, error.kind());
                self.ended |= terminal(error.kind());
                let too_large = error.kind() == ErrorKind::InvalidArgument
                    && pad as u64 * u64::from(rows) + 2_000 > self.writer.config().max_pending_bytes;
                if !terminal(error.kind()) && error.kind() != ErrorKind::Backpressure && !too_large {
                    world.violate(format!("put {put} was refused with {} {error}", error.kind().name()));
                }
            }
        }
    }

    // PITFALLS A6: what is wrong with one put is told at once and concerns no other.
    fn refused_puts(&self) {
        let other = Arc::new(Schema::new(vec![Field::new("put", DataType::UInt64, false)]));
        let wrong = RecordBatch::try_new(other, vec![Arc::new(UInt64Array::from_value(0, 1))]).unwrap();
        for (bad, expected) in [(batch(0, 0, 0), ErrorKind::InvalidData), (wrong, ErrorKind::SchemaMismatch)] {
            let world = Arc::clone(self.world());
            let outcome = self.writer.put_async(&bad, Box::new(move |_| world.violate("a refused put completed")));
            if outcome.as_ref().err().map(weir::error::Error::kind) != Some(expected) {
                self.world().violate(format!("a bad put was not refused as {}: {outcome:?}", expected.name()));
            }
        }
    }

    /// Calls `begin` with a callback and waits for it, perhaps.
    async fn call(&self, what: String, begin: impl FnOnce(&ShardWriter, Callback), then: impl FnOnce(&Result<Ack>) + Send + 'static) {
        let world = Arc::clone(self.world());
        let running = world.begin(self.host.index, what.clone());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let told = Arc::clone(&world);
        begin(
            &self.writer,
            Box::new(move |outcome| {
                told.event(|| format!("{what}: {outcome:?}"));
                if let Err(error) = &outcome
                    && !terminal(error.kind())
                {
                    told.violate(format!("{what}: {} {error}", error.kind().name()));
                }
                then(&outcome);
                running.end();
                let _ = sender.send(());
            }),
        );
        if world.chance.chance(600) {
            let _ = receiver.await;
        }
    }

    async fn flush(&self) {
        let (world, life) = (Arc::clone(self.world()), self.life);
        let admitted = world.state().lives[life].admitted;
        self.call(
            format!("flush of {admitted}"),
            |writer, done| writer.flush_async(done),
            move |outcome| {
                if outcome.is_ok() {
                    world.durable(life, admitted);
                }
            },
        )
        .await;
    }

    async fn wait_durable(&self) {
        let (world, life) = (Arc::clone(self.world()), self.life);
        let admitted = world.state().lives[life].admitted;
        let sequence = world.chance.below(admitted + 1);
        let begin = move |writer: &ShardWriter, done: Callback| writer.wait_durable_async(sequence, done);
        self.call(format!("wait for {sequence} of {admitted}"), begin, move |outcome| {
            if outcome.is_ok() {
                world.durable(life, sequence);
            }
        })
        .await;
    }

    async fn wait_capacity(&self) {
        let bytes = self.world().chance.below(4_000);
        self.call(format!("wait for {bytes} bytes"), move |writer, done| writer.wait_capacity_async(bytes, done), |_| {}).await;
    }

    async fn check_fenced(&mut self) {
        let world = Arc::clone(self.world());
        let running = world.begin(self.host.index, "check the fence".into());
        let checked = self.writer.check_fenced().await;
        running.end();
        match checked {
            Ok(manifest) if manifest.writer_epoch == self.writer.epoch() => {}
            Err(error) if terminal(error.kind()) => self.ended = true,
            Err(error) if error.kind() == ErrorKind::Storage => {}
            other => world.violate(format!("check_fenced at epoch {}: {other:?}", self.writer.epoch())),
        }
    }

    /// The watermark covers only what is in the log, and memory is within its limit.
    fn check_position(&self) {
        let world = self.world();
        world.durable(self.life, self.writer.durable_position());
        let memory = self.writer.memory();
        if memory.pending + memory.in_flight + memory.reserved > memory.limit {
            world.violate(format!("{memory:?} is above its limit"));
        }
    }

    async fn end(self) {
        let world = Arc::clone(self.world());
        let (stats, memory) = (self.writer.stats(), self.writer.memory());
        if stats.pending_bytes != memory.pending + memory.in_flight || stats.puts != world.state().lives[self.life].admitted {
            world.violate(format!("{memory:?} contradicts {stats:?}"));
        }
        let life = self.life;
        match world.chance.below(100) {
            0..60 => {
                let told = Arc::clone(&world);
                let admitted = world.state().lives[life].admitted;
                self.call(
                    "close".into(),
                    |writer, done| writer.close_async(done),
                    move |outcome| {
                        if outcome.is_ok() {
                            told.durable(life, admitted);
                        }
                    },
                )
                .await;
            }
            60..75 => {
                world.event(|| format!("h{} aborts", self.host.index));
                self.writer.abort();
            }
            75..90 => {
                world.event(|| format!("h{} drops its writer", self.host.index));
                drop(world.state().lives[life].writer.take());
            }
            // Left open while the next one claims.
            _ => {}
        }
    }
}

// ---- WalAppender -----------------------------------------------------------------------------------------------------

async fn appender(host: &Host) {
    let world = &host.world;
    let running = world.begin(host.index, "open an appender".into());
    let options = AppenderOptions { retry: retry(world), trim_age: world.trim_age, ..AppenderOptions::default() };
    world.state().hosts[host.index].opening += 1;
    let opened = WalAppender::open(host.store.clone(), host.shard.clone(), &schema(), options, host.env.clone()).await;
    world.state().hosts[host.index].opening -= 1;
    running.end();
    let appender = match opened {
        Ok(appender) => Arc::new(appender),
        Err(error) if may_fail_to_open(error.kind()) => return world.event(|| format!("h{} did not open: {error}", host.index)),
        Err(error) => return world.violate(format!("open: {} {error}", error.kind().name())),
    };
    world.count("appenders");
    let name = format!("h{} appender of epoch {}", host.index, appender.epoch());
    let life = world.born(host.index, name, appender.epoch(), false, None);
    for _ in 0..2 + world.chance.below(10) {
        match world.chance.below(100) {
            0..60 => append(host, &appender, life).await,
            60..75 => {
                let (host, appender) = (host.clone(), Arc::clone(&appender));
                let process = host.process.clone();
                process.spawn(async move { append(&host, &appender, life).await });
            }
            75..82 => {
                let checked = appender.check_fenced().await;
                if let Err(error) = checked
                    && !matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Storage)
                {
                    world.violate(format!("check_fenced: {} {error}", error.kind().name()));
                }
            }
            82..96 => world.sim.clock().sleep(world.time(Duration::from_millis(200))).await,
            _ => world.sim.clock().sleep(world.time(world.trim_age / 3)).await,
        }
        if world.failed() {
            return;
        }
    }
    if world.chance.chance(500) {
        let running = world.begin(host.index, "close the appender".into());
        appender.close().await;
        running.end();
    }
}

/// One append of one or two puts, given up now and then.
async fn append(host: &Host, appender: &WalAppender, life: LifeId) {
    let world = &host.world;
    let rows = 1 + world.chance.below(3) as u32;
    let puts: Vec<PutId> = (0..1 + world.chance.below(2)).map(|_| world.new_put(life, rows)).collect();
    let batches: Vec<_> = puts.iter().map(|put| batch(*put, rows, *world.chance.pick(&[0, 100, 5_000]))).collect();
    let running = world.begin(host.index, format!("append {puts:?}"));
    let appended = Box::pin(appender.append(&batches));
    let patience = if world.chance.chance(100) { world.time(Duration::from_millis(30)) } else { Duration::MAX };
    let outcome = match select(appended, world.sim.clock().sleep(patience)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => {
            world.count("cancelled appends");
            return running.end();
        }
    };
    running.end();
    for put in puts {
        let ack = outcome.clone().map(|position| Ack { sequence: 0, position, epoch: appender.epoch() });
        world.put_done(put, &ack);
        if let Err(error) = &ack
            && !terminal(error.kind())
        {
            world.violate(format!("put {put} failed with {} {error}", error.kind().name()));
        }
    }
}
