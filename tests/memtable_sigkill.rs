//! A real process in MemTable mode, killed with SIGKILL at random moments on a real disk, with tables so small that it flushes and merges
//! generations all the time.
//!
//! The test runs its own binary as a child that opens a shard, puts, deletes and freezes from several threads, and says of each
//! acknowledgement on its standard output before it goes on. The parent kills it and starts the next one. The log is not trimmed until
//! the end, so the parent knows from it what really was put: each put whole, once and in order, none that was acknowledged missing. What
//! tables and generations make of it, as a snapshot reads it, must be exactly that: the newest version of each key, in the order in
//! which they were put; every row where there is no key. In the end, with the log trimmed and old things swept, it still is, and nothing is
//! left on the disk that no manifest names.
//!
//! `WEIR_KILLS=n` changes the number of kills, `WEIR_SEED=k` their moments.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use weir::error::{ErrorKind, Result};
use weir::generation::compact::CompactOptions;
use weir::generation::sweep::sweep;
use weir::generation::{DataOptions, parse_directory};
use weir::memtable::{Limits, TOMBSTONE};
use weir::runtime;
use weir::scan::snapshot::{Snapshot, SnapshotOptions};
use weir::scan::{ScanRequest, View};
use weir::shard::ShardPath;
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore};
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};
use weir::wal::trim::trim;
use weir::wal::{TailerOptions, WalTailer};
use weir::writer::{MemTableConfig, ShardWriter, WriterConfig};

use support::SeededRandom;
use support::seeds::number;

const THREADS: u64 = 2;
/// How many keys each thread has, for itself.
const KEYS: u64 = 40;
/// A buffered writer flushes after so many puts.
const FLUSH_EVERY: u64 = 5;

/// Rows of one shard have a key; those of the other one have none.
fn shard(keyed: bool) -> ShardPath {
    let id = if keyed { "00000000-0000-4000-8000-000000000001" } else { "00000000-0000-4000-8000-000000000002" };
    ShardPath::new(id).unwrap()
}

fn is_keyed(life: u64) -> bool {
    !life.is_multiple_of(4)
}

fn store(dir: &Path) -> Store {
    Store::new(format!("file://{}", dir.display()), Arc::new(LocalBackend::new(dir, LocalOptions { fsync: false, unnamed_files: true })))
}

/// A row: its key (thread and number), and which put of the thread wrote it.
fn schema() -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::UInt64, false);
    Arc::new(Schema::new(vec![number("thread"), number("key"), number("life"), number("n"), Field::new("pad", DataType::Binary, false)]))
}

fn key_names() -> Vec<String> {
    vec!["thread".to_owned(), "key".to_owned()]
}

fn config(life: u64) -> WriterConfig {
    let data = DataOptions { batch_bytes: 2000, ..DataOptions::default() };
    let memtable = MemTableConfig {
        primary_key: is_keyed(life).then(key_names),
        limits: Limits { max_rows: 40 + life % 3 * 30, max_batches: 8 + life % 5, max_bytes: 1 << 20 },
        max_unflushed_bytes: 4 << 20,
        frozen_grace: Duration::from_millis(life % 2 * 20),
        compaction: Some(CompactOptions { min_inputs: 3, max_inputs: 6, data, ..CompactOptions::default() }),
        data,
        ..MemTableConfig::default()
    };
    WriterConfig { durable: !life.is_multiple_of(3), memtable: Some(memtable), ..WriterConfig::default() }
}

/// What put `n` of a thread does: whether it deletes, and which keys. The first one of all deletes nothing.
fn deed(life: u64, thread: u64, n: u64) -> (bool, Vec<u64>) {
    let chance = SeededRandom::new(life << 40 ^ thread << 32 ^ n);
    let deletes = is_keyed(life) && n > 0 && chance.chance(200);
    let keys = (0..1 + chance.below(if deletes { 3 } else { 6 })).map(|_| chance.below(KEYS));
    (deletes, keys.collect())
}

fn pad(n: u64) -> Vec<u8> {
    vec![(n % 251) as u8; if n.is_multiple_of(7) { 5000 } else { 30 }]
}

fn batch(life: u64, thread: u64, n: u64, keys: &[u64]) -> RecordBatch {
    let column = |value: u64| -> ArrayRef { Arc::new(UInt64Array::from_value(value, keys.len())) };
    let pads = BinaryArray::from_iter_values(keys.iter().map(|_| pad(n)));
    let columns = vec![column(thread), Arc::new(UInt64Array::from(keys.to_vec())), column(life), column(n), Arc::new(pads)];
    RecordBatch::try_new(schema(), columns).unwrap()
}

// ---- The child -------------------------------------------------------------------------------------------------------

/// What the parent tells its child.
const TASK: &str = "WEIR_MEMTABLE_SIGKILL_TASK";

/// Not a test of its own: what the child runs.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (life, dir) = task.split_once(' ').expect("a life and a directory");
    let life: u64 = life.parse().expect("a number");
    if let Err(error) = live(life, Path::new(dir)) {
        say(&format!("failed: {} {error}", error.kind().name()));
    }
}

/// One write, so that lines of threads do not mix and a kill cuts none in the middle.
fn say(line: &str) {
    std::io::stdout().write_all(format!("\nweir {line}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

fn live(life: u64, dir: &Path) -> Result<()> {
    let schema = schema();
    let open = ShardWriter::open(store(dir), shard(is_keyed(life)), &schema, config(life), runtime::env());
    let writer = runtime::block_on(open, -1)?;
    let replayed = writer.stats().memtable.map_or(0, |stats| stats.replayed_rows);
    say(&format!("opened {life} {replayed}"));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let writer = &writer;
                scope.spawn(move || act_for_ever(writer, life, thread))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a panic"))
    })
}

fn act_for_ever(writer: &ShardWriter, life: u64, thread: u64) -> Result<()> {
    for n in 0.. {
        let (deletes, keys) = deed(life, thread, n);
        let batch = batch(life, thread, n, &keys);
        if deletes {
            writer.delete(&batch.project(&[1, 0]).expect("the key"), None)?;
        } else {
            writer.put(&batch, None)?;
        }
        if writer.config().durable {
            say(&format!("acked {life} {thread} {n}"));
        } else if n % FLUSH_EVERY == FLUSH_EVERY - 1 {
            writer.flush(None)?;
            say(&format!("acked {life} {thread} {n}"));
        }
        match n % 37 {
            11 => _ = writer.freeze()?,
            23 => {
                writer.wait_flushed(writer.freeze()?, None)?;
                let stats = writer.stats().memtable.unwrap_or_default();
                say(&format!("flushed {} {}", stats.flushes, stats.compactions));
            }
            _ => {}
        }
    }
    Ok(())
}

// ---- The parent ------------------------------------------------------------------------------------------------------

/// A thread of a life.
type Putter = (u64, u64);
/// A row as it is read: thread, key, life, n.
type Row = [u64; 4];

/// What children said.
#[derive(Default)]
struct Heard {
    /// How many puts of each are acknowledged: all from 0 on.
    acked: BTreeMap<Putter, u64>,
    opened: u64,
    replayed: u64,
    flushed: u64,
    compactions: u64,
}

impl Heard {
    fn note(&mut self, words: &str) {
        let (what, numbers) = words.split_once(' ').unwrap_or((words, ""));
        assert_ne!(what, "failed:", "a child failed: {numbers}");
        let numbers: Vec<u64> =
            numbers.split(' ').map(|number| number.parse().unwrap_or_else(|_| panic!("a child said {words:?}"))).collect();
        match (what, &numbers[..]) {
            ("opened", [_, replayed]) => {
                self.opened += 1;
                self.replayed += replayed;
            }
            ("acked", [life, thread, n]) => {
                let before = self.acked.insert((*life, *thread), n + 1);
                assert!(before.unwrap_or(0) <= *n);
            }
            ("flushed", [flushes, compactions]) => {
                self.flushed += u64::from(*flushes > 0);
                self.compactions += u64::from(*compactions > 0);
            }
            _ => panic!("a child said {words:?}"),
        }
    }
}

/// What the log of a shard says, as far as it was read.
#[derive(Default)]
struct Log {
    position: u64,
    /// The life of the epoch's writer.
    epoch: (u64, Option<u64>),
    /// How many puts of each are there.
    puts: BTreeMap<Putter, u64>,
    /// The versions that count, by the number of the row in the log; of the keyed shard, the newest of each key.
    rows: BTreeMap<u64, Row>,
    newest: BTreeMap<(u64, u64), u64>,
    next: u64,
}

impl Log {
    fn read(&mut self, dir: &Path, keyed: bool) {
        let options = TailerOptions { from: self.position + 1, ..TailerOptions::default() };
        let tailer = WalTailer::open(store(dir), shard(keyed), options, runtime::env()).unwrap();
        while let Some(entry) = runtime::block_on(tailer.next(), -1).unwrap() {
            assert_eq!(entry.position, self.position + 1, "a hole");
            self.position = entry.position;
            assert!(entry.epoch >= self.epoch.0);
            if entry.epoch > self.epoch.0 {
                self.epoch = (entry.epoch, None);
            }
            entry.batches.iter().for_each(|batch| self.add(batch, keyed));
        }
    }

    /// One put, which must be the next one of its thread.
    fn add(&mut self, batch: &RecordBatch, keyed: bool) {
        let deleted = batch.column_by_name(TOMBSTONE).is_some_and(|column| column.as_boolean().value(0));
        let value = |column: usize, row| batch.column(column).as_primitive::<UInt64Type>().value(row);
        let thread = value(0, 0);
        if !deleted {
            self.epoch.1 = Some(value(2, 0));
        }
        let life = self.epoch.1.expect("a thread's first put of a life is no deletion");
        let n = self.puts.entry((life, thread)).or_default();
        let (deletes, keys) = deed(life, thread, *n);
        let what = format!("put {n} of life {life}, thread {thread}");
        let got: Vec<u64> = (0..batch.num_rows()).map(|row| value(1, row)).collect();
        assert_eq!((deleted, got), (deletes, keys.clone()), "{what} is doubled, out of order, torn, or behind a lost one");
        if !deletes {
            let expected = self::batch(life, thread, *n, &keys);
            (0..5).for_each(|column| assert_eq!(batch.column(column).to_data(), expected.column(column).to_data(), "{what} is torn"));
        }
        for key in keys {
            if keyed && let Some(older) = self.newest.insert((thread, key), self.next) {
                self.rows.remove(&older);
            }
            if !deletes {
                self.rows.insert(self.next, [thread, key, life, *n]);
            }
            self.next += 1;
        }
        *n += 1;
    }
}

struct Killer {
    dir: PathBuf,
    chance: SeededRandom,
    heard: Arc<Mutex<Heard>>,
    logs: [Log; 2],
}

impl Killer {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One child, from its start to its end.
    fn kill_one(&self, life: u64) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(TASK, format!("{life} {}", self.dir.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let (output, heard) = (child.stdout.take().unwrap(), Arc::clone(&self.heard));
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if let Some(words) = line.unwrap().strip_prefix("weir ") {
                    heard.lock().unwrap_or_else(PoisonError::into_inner).note(words);
                    let _ = sender.send(());
                }
            }
        });
        let micros = |limit| Duration::from_micros(self.chance.below(limit));
        let (count, pause) = match self.chance.below(10) {
            0 => (0, micros(60_000)),
            1..3 => (1, micros(3_000)),
            _ => (1 + self.chance.below(70), micros(*self.chance.pick(&[1, 500, 6_000]))),
        };
        for _ in 0..count {
            if lines.recv_timeout(Duration::from_secs(60)).is_err() {
                break;
            }
        }
        // Below what a sleep can do, the moment matters more than the load.
        let until = Instant::now() + pause;
        while Instant::now() < until {
            std::thread::sleep(Duration::from_micros(100).min(until - Instant::now().min(until)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        listener.join().expect("the listener");
    }

    /// Compares what was said, what the log has, and what is read. Returns how many puts and rows there are.
    fn verify(&mut self) -> (u64, u64) {
        let (mut puts, mut rows) = (0, 0);
        for keyed in [true, false] {
            let log = &mut self.logs[usize::from(keyed)];
            log.read(&self.dir, keyed);
            puts += log.puts.values().sum::<u64>();
            let log = &self.logs[usize::from(keyed)];
            for ((life, thread), acked) in self.heard().acked.iter().filter(|((life, _), _)| is_keyed(*life) == keyed) {
                let there = log.puts.get(&(*life, *thread)).copied().unwrap_or(0);
                assert!(there >= *acked, "{acked} puts of life {life}, thread {thread} were acknowledged, {there} are in the log");
            }
            rows += self.compare(keyed);
        }
        (puts, rows)
    }

    /// A snapshot has exactly what the log says.
    fn compare(&self, keyed: bool) -> u64 {
        let log = &self.logs[usize::from(keyed)];
        let primary_key = keyed.then(key_names);
        let options = SnapshotOptions { schema: Some(schema().as_ref().clone()), primary_key, ..SnapshotOptions::default() };
        let open = Snapshot::open(store(&self.dir), shard(keyed), runtime::env(), None, options);
        let found = match runtime::block_on(open, -1) {
            Ok(snapshot) => {
                assert_eq!(snapshot.cut(), log.position);
                runtime::block_on(read(snapshot.view()), -1).unwrap()
            }
            Err(error) => {
                assert!(error.kind() == ErrorKind::NotFound && log.position == 0, "{error}");
                Vec::new()
            }
        };
        let known: Vec<Row> = log.rows.values().copied().collect();
        let differs = found.iter().zip(&known).position(|(found, known)| found != known).unwrap_or(found.len().min(known.len()));
        let around = |rows: &[Row]| rows[differs.saturating_sub(2).min(rows.len())..rows.len().min(differs + 3)].to_vec();
        assert!(
            found == known,
            "{} rows, not {}; from row {differs} on {:?}, not {:?}",
            found.len(),
            known.len(),
            around(&found),
            around(&known)
        );
        found.len() as u64
    }

    fn manifest(&self, keyed: bool) -> Manifest {
        let manifests = ManifestStore::new(store(&self.dir), shard(keyed), runtime::env(), ManifestOptions::default());
        runtime::block_on(manifests.latest(), -1).unwrap().expect("there is a shard")
    }

    /// Directories of generations.
    fn directories(&self, keyed: bool) -> Vec<String> {
        let names = runtime::block_on(store(&self.dir).list_dirs(shard(keyed).dir()), -1).unwrap();
        let mut names: Vec<String> = names.into_iter().filter(|name| parse_directory(name).is_some()).collect();
        names.sort();
        names
    }

    /// A last writer flushes everything and closes; then what is old goes. Returns how many directories were swept.
    fn clean_up(&self, life: u64) -> u64 {
        let (keyed, age) = (is_keyed(life), Duration::from_millis(1));
        // One more version than is needed, so that nothing is young by the newest one's time; and nobody who writes behind that.
        for _ in 0..2 {
            let mut config = config(life);
            config.memtable.iter_mut().for_each(|memtable| memtable.compaction = None);
            let schema = schema();
            let open = ShardWriter::open(store(&self.dir), shard(keyed), &schema, config, runtime::env());
            runtime::block_on(open, -1).unwrap().close(None).unwrap();
            std::thread::sleep(age * 20);
        }
        let manifest = self.manifest(keyed);
        let (store, env) = (store(&self.dir), runtime::env());
        let cursor = manifest.replay_after_wal_entry_position;
        assert!(cursor > 0 && manifest.current_generation > 1);
        let trimmed = runtime::block_on(trim(&store, &shard(keyed), &env, cursor, age), -1).unwrap();
        assert!(trimmed.entries > 0);
        let swept = runtime::block_on(sweep(&store, &shard(keyed), &env, age), -1).unwrap();
        let mut named: Vec<String> = manifest.sstables.into_iter().map(|table| table.path).collect();
        named.sort();
        assert_eq!(self.directories(keyed), named, "directories that are there, and those that the manifest names");
        swept.directories
    }
}

/// All rows of a view; each is whole.
async fn read(view: &View) -> Result<Vec<Row>> {
    let mut stream = view.scan(ScanRequest::default())?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next().await? {
        let value = |column: usize, row| batch.column(column).as_primitive::<UInt64Type>().value(row);
        for row in 0..batch.num_rows() {
            let read = [0, 1, 2, 3].map(|column| value(column, row));
            assert_eq!(batch.column(4).as_binary::<i32>().value(row), pad(read[3]), "torn: {read:?}");
            found.push(read);
        }
    }
    Ok(found)
}

// PITFALLS C2, E1, G2, G3 and what they come to.
#[test]
fn tables_and_generations_survive_sigkill() {
    let kills = number("WEIR_KILLS").unwrap_or(200);
    let seed = number("WEIR_SEED").unwrap_or(1);
    let dir = tempfile::tempdir().unwrap();
    let mut killer =
        Killer { dir: dir.path().to_owned(), chance: SeededRandom::new(seed), heard: Arc::default(), logs: Default::default() };
    let began = Instant::now();
    for life in 0..kills {
        killer.kill_one(life);
        if life % 10 == 9 {
            killer.verify();
        }
    }
    let (puts, rows) = killer.verify();
    let left = killer.directories(true).len() + killer.directories(false).len();
    // Lives of either shard that nobody lived.
    let swept: u64 = [kills.next_multiple_of(4), kills.next_multiple_of(4) + 1].map(|life| killer.clean_up(life)).iter().sum();
    for keyed in [true, false] {
        // The last two writers' sentinels are all that was added.
        let newest = killer.logs[usize::from(keyed)].position + 2;
        killer.logs[usize::from(keyed)].position = newest;
        killer.compare(keyed);
    }
    let heard = killer.heard();
    let acked: u64 = heard.acked.values().sum();
    println!(
        "{kills} kills in {:?}: {} lives opened the shard, {acked} puts acknowledged, {puts} in the log, {rows} rows in the end; {} rows \
         replayed, {} lives said that they flushed, {} that they merged; {left} directories, {swept} swept",
        began.elapsed(),
        heard.opened,
        heard.replayed,
        heard.flushed,
        heard.compactions
    );
    let enough =
        heard.opened * 2 > kills && acked > kills && heard.replayed > kills && heard.flushed * 20 > kills && heard.compactions * 40 > kills;
    assert!(enough && swept * 10 > kills, "too little happened to prove anything");
}
