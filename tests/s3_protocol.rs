//! The append and claim protocol against a real S3 server, with requests cut and answers lost in between, through what
//! services use: the process's runtime, sessions, writers, appenders, tailers.

#![cfg(feature = "s3")]

#[path = "s3_protocol/storm.rs"]
mod storm;
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use support::proxy::{Loss, Proxy, Trouble};
use support::s3::{S3Server, settings};
use support::{SeededRandom, SimClock};
use weir::env::{Env, Retry};
use weir::error::{ErrorKind, Result};
use weir::runtime;
use weir::session::Session;
use weir::shard::manifest::{ManifestOptions, ManifestStore};
use weir::shard::{ShardPath, layout};
use weir::store::Store;
use weir::wal::entry::Entry;
use weir::wal::{Appender, AppenderOptions, TailerOptions, WalAppender, WalTailer, trim};
use weir::writer::{Ack, ShardWriter, WriterConfig};

const BUCKET: &str = "weir-protocol";
const SHARD: &str = "5f0e7c1a-93ab-4f53-9b5a-2f4d8a0c6e11";
/// Longer than anything here takes: what it ends has hung.
const LIMIT: Duration = Duration::from_secs(60);
/// After which a request whose answer was lost in silence is given up.
const REQUEST_TIMEOUT_MS: &str = "700";
/// Quick retries: the network here has no distance.
const RETRY: Retry = Retry { max_retries: 5, base_delay: Duration::from_millis(2) };

/// One server for all tests of this file: it takes seconds to start. It ends with this process.
fn server() -> Option<SocketAddr> {
    static SERVER: OnceLock<Option<S3Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let server = S3Server::start()?;
        server.create_bucket(BUCKET);
        Some(server)
    });
    server.as_ref().map(S3Server::address)
}

/// A root of one's own.
fn root() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("s3://{BUCKET}/root-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    runtime::block_on(future, LIMIT.as_millis() as i64)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false)]))
}

fn batch(values: &[i64]) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
}

fn values(entry: &Entry) -> Vec<i64> {
    entry.batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

/// A process's way to one shard: its session, its store, its surroundings.
#[derive(Clone)]
struct Place {
    store: Store,
    shard: ShardPath,
    env: Env,
}

impl Place {
    /// The shard below `root` by way of `address`, through a session of its own.
    fn at(root: &str, address: SocketAddr, extra: &[(&str, &str)]) -> Self {
        let session = Session::new(settings(address, extra)).unwrap();
        let store = session.store(root, true).unwrap();
        Self { store, shard: ShardPath::new(SHARD).unwrap(), env: session.env().clone() }
    }

    /// The same by way of a proxy that makes trouble, with the client's own retries as given.
    fn behind(proxy: &Proxy, root: &str, client_retries: &str) -> Self {
        let extra = [("weir_store_max_retries", client_retries), ("weir_request_timeout_ms", REQUEST_TIMEOUT_MS)];
        Self::at(root, proxy.address(), &extra)
    }

    fn writer(&self, config: WriterConfig) -> Result<ShardWriter> {
        wait(ShardWriter::open(self.store.clone(), self.shard.clone(), &schema(), config, self.env.clone()))
    }

    fn open(&self) -> Result<ShardWriter> {
        self.writer(WriterConfig { retry: RETRY, ..WriterConfig::default() })
    }

    fn appender(&self) -> Result<WalAppender> {
        let options = AppenderOptions { retry: RETRY, ..AppenderOptions::default() };
        wait(WalAppender::open(self.store.clone(), self.shard.clone(), &schema(), options, self.env.clone()))
    }

    fn manifests(&self) -> ManifestStore {
        ManifestStore::new(self.store.clone(), self.shard.clone(), self.env.clone(), ManifestOptions::default())
    }

    fn tailer(&self, options: TailerOptions) -> WalTailer {
        WalTailer::open(self.store.clone(), self.shard.clone(), options, self.env.clone()).unwrap()
    }

    /// The whole log.
    fn read(&self) -> Vec<Entry> {
        let tailer = self.tailer(TailerOptions { prefetch_entries: 16, ..TailerOptions::default() });
        std::iter::from_fn(|| wait(tailer.next()).unwrap()).collect()
    }

    /// What the first line of a request for one of the shard's objects contains.
    fn requests(&self, method: &str, dir: &str) -> String {
        let root = self.store.url().strip_prefix("s3://").unwrap();
        format!("{method} /{root}/{}/{dir}/", self.shard.dir())
    }
}

/// Checks what holds of every log: positions without a gap from 1, epochs that never go back, and one sentinel at the
/// beginning of each epoch after the first.
fn check_log(log: &[Entry], context: &str) {
    let mut epoch = 1;
    for (entry, position) in log.iter().zip(1..) {
        assert_eq!(entry.position, position, "{context}: positions are dense");
        assert!(entry.epoch >= epoch, "{context}: position {position} has epoch {} after {epoch}", entry.epoch);
        assert_eq!(entry.is_sentinel, entry.epoch > epoch, "{context}: position {position}, epoch {} after {epoch}", entry.epoch);
        assert_eq!(entry.is_sentinel, values(entry).is_empty(), "{context}: position {position}");
        epoch = entry.epoch;
    }
}

#[test]
fn a_shards_life() {
    let Some(address) = server() else { return };
    let place = Place::at(&root(), address, &[]);
    let first = place.open().unwrap();
    for value in 1..=3 {
        let ack = first.put(&batch(&[value]), Some(LIMIT)).unwrap();
        assert_eq!(ack, Ack { sequence: value as u64, position: value as u64, epoch: 1 });
    }
    first.close(Some(LIMIT)).unwrap();

    // The second owner: a new epoch, its sentinel, buffered puts that share entries.
    let second = place.writer(WriterConfig { durable: false, linger: Some(Duration::from_secs(60)), ..WriterConfig::default() }).unwrap();
    assert_eq!(second.epoch(), 2);
    for value in 4..=10 {
        assert_eq!(second.put(&batch(&[value]), Some(LIMIT)).unwrap().position, 0);
    }
    assert_eq!(second.flush(Some(LIMIT)).unwrap(), Ack { sequence: 7, position: 5, epoch: 2 });
    let log = place.read();
    check_log(&log, "second owner");
    assert_eq!(log.iter().map(values).collect::<Vec<_>>(), [vec![1], vec![2], vec![3], vec![], (4..=10).collect()]);
    assert_eq!(wait(place.tailer(TailerOptions::default()).next_position()).unwrap(), 6);

    // Sealed: the owner is fenced, nobody opens it, everybody reads it.
    let sealed = wait(Appender::seal(place.store.clone(), place.shard.clone(), place.env.clone(), ManifestOptions::default())).unwrap();
    assert!(sealed.is_sealed() && sealed.writer_epoch == 3, "{sealed:?}");
    second.put(&batch(&[11]), Some(LIMIT)).unwrap();
    assert_eq!(second.flush(Some(LIMIT)).unwrap_err().kind(), ErrorKind::Fenced);
    for error in [place.open().unwrap_err(), place.appender().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Sealed, "{error}");
        assert!(error.message().contains(SHARD), "{error}");
    }
    assert_eq!(place.read().len(), 6);

    assert!(!wait(place.manifests().unseal()).unwrap().is_sealed());
    let appender = place.appender().unwrap();
    assert_eq!(appender.epoch(), 4);
    assert_eq!(wait(appender.append(&[batch(&[12]), batch(&[13, 14])])).unwrap(), 8);

    // Trimmed: what is gone is said to be, and the log goes on where it was (PITFALLS C9, I9).
    let trimmed = wait(trim::trim(&place.store, &place.shard, &place.env, 5, Duration::ZERO)).unwrap();
    assert_eq!((trimmed.entries, trimmed.first_position), (5, 6));
    let tailer = place.tailer(TailerOptions { from: 2, ..TailerOptions::default() });
    let error = wait(tailer.next()).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("first_position")), (ErrorKind::Trimmed, Some(6)), "{error}");
    let positions: Vec<_> = place.read().iter().map(|entry| entry.position).collect();
    assert_eq!(positions, [6, 7, 8]);
    assert_eq!(wait(appender.append(&[batch(&[15])])).unwrap(), 9);
    wait(trim::trim(&place.store, &place.shard, &place.env, u64::MAX, Duration::ZERO)).unwrap();
    let last = place.open().unwrap();
    assert_eq!(last.put(&batch(&[16]), Some(LIMIT)).unwrap(), Ack { sequence: 1, position: 11, epoch: 5 });
    let log: Vec<_> = place.read().iter().map(|entry| (entry.position, entry.epoch, values(entry))).collect();
    assert_eq!(log, [(9, 4, vec![15]), (10, 5, vec![]), (11, 5, vec![16])]);
}

// PITFALLS B5
#[test]
fn of_eight_claimers_one_wins_each_epoch() {
    let Some(address) = server() else { return };
    let proxy = Proxy::start(address);
    // All have read before the first has written.
    proxy.set_latency(Duration::from_millis(20));
    let mut conflicts = 0;
    for round in 0..3 {
        let root = root();
        let places: Vec<_> = (0..8).map(|_| Place::at(&root, proxy.address(), &[])).collect();
        let start = Barrier::new(places.len());
        let opened: Vec<_> = thread::scope(|scope| {
            let claim = |place| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    Place::open(place)
                })
            };
            let claimers: Vec<_> = places.iter().map(claim).collect();
            claimers.into_iter().map(|claimer| claimer.join().unwrap()).collect()
        });
        let mut writers = BTreeMap::new();
        for outcome in opened {
            match outcome {
                Ok(writer) => assert!(writers.insert(writer.epoch(), writer).is_none(), "round {round}: two writers of one epoch"),
                Err(error) if error.kind() == ErrorKind::Conflict => conflicts += 1,
                // It won its epoch, and was overtaken before it had its sentinel in.
                Err(error) => assert_eq!(error.kind(), ErrorKind::Fenced, "round {round}: {error}"),
            }
        }
        let manifests = places[0].manifests();
        let newest = wait(manifests.latest()).unwrap().unwrap();
        for version in 1..=newest.version {
            assert_eq!(wait(manifests.read(version)).unwrap().unwrap().writer_epoch, version, "round {round}: each version is a claim");
        }
        let (_, owner) = writers.pop_last().expect("somebody wins");
        assert_eq!(owner.epoch(), newest.writer_epoch, "round {round}");
        let acked = owner.put(&batch(&[1]), Some(LIMIT)).unwrap();
        for fenced in writers.values() {
            assert_eq!(fenced.put(&batch(&[2]), Some(LIMIT)).unwrap_err().kind(), ErrorKind::Fenced, "round {round}");
        }
        let log = places[0].read();
        let written: Vec<_> = log.iter().filter(|entry| !entry.is_sentinel).map(|entry| (entry.position, values(entry))).collect();
        assert_eq!(written, [(acked.position, vec![1])], "round {round}");
    }
    assert!(conflicts > 0, "no two of eight claimed at once");
}

// PITFALLS A1, A2, B1
#[test]
fn the_older_of_two_live_writers_is_fenced() {
    let Some(address) = server() else { return };
    let root = root();
    let (old_place, new_place) = (Place::at(&root, address, &[]), Place::at(&root, address, &[]));
    let old = old_place.open().unwrap();
    let (acks, fenced, new) = thread::scope(|scope| {
        let (landed, first) = mpsc::channel();
        let putting = scope.spawn({
            let old = &old;
            move || {
                let mut acks = Vec::new();
                for value in 0.. {
                    match old.put(&batch(&[value]), Some(LIMIT)) {
                        Ok(ack) => acks.push(ack),
                        Err(error) => return (acks, error),
                    }
                    let _ = landed.send(());
                }
                unreachable!("the older writer goes on for ever")
            }
        });
        first.recv_timeout(LIMIT).unwrap();
        let new = new_place.open().unwrap();
        let (acks, fenced) = putting.join().unwrap();
        (acks, fenced, new)
    });
    assert_eq!((fenced.kind(), fenced.detail_u64("fenced_by_epoch")), (ErrorKind::Fenced, Some(2)), "{fenced}");
    let ack = new.put(&batch(&[-1]), Some(LIMIT)).unwrap();
    let log = new_place.read();
    check_log(&log, "takeover");
    let sentinel = log.iter().find(|entry| entry.is_sentinel).unwrap().position;
    assert_eq!(ack.position, sentinel + 1);
    let of_old: Vec<_> = log.iter().filter(|entry| entry.epoch == 1).map(|entry| entry.position).collect();
    assert_eq!(of_old, acks.iter().map(|ack| ack.position).collect::<Vec<_>>(), "what was acknowledged and nothing else");
    // For ever, wherever it is asked (PITFALLS B3), and the figures still answer (PITFALLS A4).
    for error in [old.put(&batch(&[1]), None).unwrap_err(), old.flush(None).unwrap_err(), old.close(None).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    }
    assert_eq!(old.stats().entries, acks.len() as u64);
}

/// Every way of losing the answer to the create of a manifest version, of a sentinel, of an entry.
// PITFALLS A3, A8; STORES.md, "The client", 1 and 2
#[test]
fn a_lost_answer_is_settled() {
    let Some(address) = server() else { return };
    let case = |client_retries: &str, loss: Loss| {
        let context = format!("{client_retries} retries of the client, {loss:?}");
        let proxy = Proxy::start(address);
        let place = Place::behind(&proxy, &root(), client_retries);
        let loses = |dir| proxy.on_next(&place.requests("PUT", dir), 1, Trouble::LoseAnswer(loss));

        loses("manifest");
        let appender = place.appender().unwrap();
        assert_eq!((appender.epoch(), proxy.troubles()), (1, 1), "{context}: a claim is not made twice");
        loses("wal");
        assert_eq!(wait(appender.append(&[batch(&[1])])).unwrap(), 1, "{context}");
        assert_eq!(wait(appender.append(&[batch(&[2])])).unwrap(), 2, "{context}");

        loses("manifest");
        loses("wal");
        let writer = place.open().unwrap();
        assert_eq!((writer.epoch(), proxy.troubles()), (2, 4), "{context}: one epoch, one sentinel");
        assert_eq!(writer.stats().settled, 1, "{context}: the sentinel");
        loses("wal");
        assert_eq!(writer.put(&batch(&[3]), Some(LIMIT)).unwrap().position, 4, "{context}");
        assert_eq!((writer.stats().settled, writer.stats().conflicts), (2, 0), "{context}");
        assert_eq!(writer.put(&batch(&[4]), Some(LIMIT)).unwrap().position, 5, "{context}");
        let log = place.read();
        check_log(&log, &context);
        assert_eq!(log.iter().map(values).collect::<Vec<_>>(), [vec![1], vec![2], vec![], vec![3], vec![4]], "{context}");
        assert_eq!(wait(place.manifests().latest()).unwrap().unwrap().version, 2, "{context}");
    };
    thread::scope(|scope| {
        for client_retries in ["0", "3"] {
            for loss in [Loss::Fin, Loss::Reset, Loss::Hang] {
                scope.spawn(move || case(client_retries, loss));
            }
        }
    });
}

/// A successor comes while a writer waits to try again: the writer learns whether its entry was before the fence.
// PITFALLS A3, second half
#[test]
fn a_lost_answer_with_a_successor_in_the_next_slot() {
    let Some(address) = server() else { return };
    for (trouble, landed) in [(Trouble::LoseAnswer(Loss::Fin), true), (Trouble::CutRequest(100), false)] {
        let root = root();
        let proxy = Proxy::start(address);
        // Its pauses end when the test says so.
        let clock = SimClock::new();
        let mut place = Place::behind(&proxy, &root, "0");
        place.env.clock = Arc::new(clock.clone());
        let writer = place.open().unwrap();
        assert_eq!(writer.put(&batch(&[1]), Some(LIMIT)).unwrap().position, 1);
        proxy.on_next(&place.requests("PUT", "wal"), 1, trouble);
        let (send, receive) = mpsc::channel();
        writer.put_async(&batch(&[2]), Box::new(move |outcome| send.send(outcome).unwrap())).unwrap();
        assert!(proxy.wait_for_troubles(1, LIMIT));
        while clock.sleepers() == 0 {
            thread::yield_now();
        }
        let peer = Place::at(&root, address, &[]);
        let successor = peer.open().unwrap();
        let position = successor.put(&batch(&[3]), Some(LIMIT)).unwrap().position;
        clock.advance(Duration::from_secs(10));
        let outcome = receive.recv_timeout(LIMIT).unwrap();
        let log = peer.read();
        check_log(&log, "successor");
        let written: Vec<_> = log.iter().map(values).collect();
        if landed {
            assert_eq!((outcome.unwrap().position, position), (2, 4));
            assert_eq!(written, [vec![1], vec![2], vec![], vec![3]]);
            assert_eq!(writer.stats().settled, 1);
        } else {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Fenced);
            assert_eq!((position, written), (3, vec![vec![1], vec![], vec![3]]));
        }
        assert_eq!(writer.put(&batch(&[4]), Some(LIMIT)).unwrap_err().kind(), ErrorKind::Fenced);
    }
}

#[test]
fn a_tailer_behind_a_bad_line_skips_nothing() {
    let Some(address) = server() else { return };
    let root = root();
    let writer = Place::at(&root, address, &[]).open().unwrap();
    for value in 0..40 {
        writer.put(&batch(&[value]), Some(LIMIT)).unwrap();
    }
    let proxy = Proxy::start(address);
    let place = Place::behind(&proxy, &root, "0");
    let tailer = place.tailer(TailerOptions { prefetch_entries: 8, from: 1, ..TailerOptions::default() });
    let random = SeededRandom::new(40);
    let (mut read, mut failures) = (Vec::new(), 0);
    loop {
        if random.chance(300) {
            let method = *random.pick(&["GET", "HEAD"]);
            let trouble = *random.pick(&[Trouble::LoseAnswer(Loss::Fin), Trouble::LoseAnswer(Loss::Reset), Trouble::CutRequest(60)]);
            proxy.on_next(&place.requests(method, "wal"), 1, trouble);
        }
        match wait(tailer.next()) {
            Ok(Some(entry)) => read.extend(values(&entry)),
            Ok(None) => break,
            // PITFALLS B7: no answer is neither the log's end nor a hole.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
                failures += 1;
            }
        }
    }
    assert_eq!(read, (0..40).collect::<Vec<_>>());
    assert!(failures > 0);
}

/// A way to the server on which the condition of a create gets lost, so that it overwrites: as some S3 look-alikes do.
fn without_conditions(server: SocketAddr) -> SocketAddr {
    fn forward(client: &TcpStream, server: SocketAddr) -> std::io::Result<()> {
        let mut reader = BufReader::new(client);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? <= 2 {
                break;
            }
            let name = line.to_ascii_lowercase();
            if let Some(value) = name.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if !name.starts_with("if-none-match:") && !name.starts_with("connection:") {
                head.push_str(&line);
            }
        }
        let mut body = Vec::new();
        reader.take(length).read_to_end(&mut body)?;
        let mut upstream = TcpStream::connect(server)?;
        write!(upstream, "{head}Connection: close\r\n\r\n")?;
        upstream.write_all(&body)?;
        std::io::copy(&mut upstream, &mut &*client).map(drop)
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(std::io::Result::ok) {
            thread::spawn(move || drop(forward(&client, server)));
        }
    });
    address
}

// STORES.md, "The client", 7; PITFALLS B4
#[test]
fn a_store_that_ignores_create_if_absent_is_refused_for_writing_only() {
    let Some(address) = server() else { return };
    let root = root();
    let honest = Place::at(&root, address, &[]);
    let writer = honest.open().unwrap();
    writer.put(&batch(&[1, 2]), Some(LIMIT)).unwrap();
    let careless = [
        Place::at(&root, without_conditions(address), &[]),
        // The same by a setting.
        Place::at(&root, address, &[("aws_conditional_put", "disabled")]),
    ];
    for place in careless {
        let seal = wait(Appender::seal(place.store.clone(), place.shard.clone(), place.env.clone(), ManifestOptions::default()));
        let init = wait(place.manifests().init(0, vec![]));
        let errors = [place.open().unwrap_err(), place.appender().unwrap_err(), seal.unwrap_err(), init.unwrap_err()];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.message().contains(&root), "{error}");
        }
        assert_eq!(place.read().iter().flat_map(values).collect::<Vec<_>>(), [1, 2]);
    }
    // Nobody was fenced, and nothing was written.
    assert_eq!(writer.put(&batch(&[3]), Some(LIMIT)).unwrap().position, 2);
    let manifests = wait(honest.store.list(&honest.shard.manifest_dir())).unwrap();
    let versions: Vec<_> = manifests.iter().filter_map(|object| layout::parse_manifest(&object.name)).collect();
    assert_eq!(versions, [1]);
}
