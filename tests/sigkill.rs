//! A real process, killed with SIGKILL at random moments, on a real disk.
//!
//! The test runs its own binary as a child that opens the shard, puts numbered batches from several threads and says on its standard
//! output of each acknowledgement before it puts the next. The parent kills it, starts the next one on the same shard, and
//! reads everything back: nothing acknowledged is lost, nothing is doubled or torn, each thread's puts are in order.
//!
//! `WEIR_KILLS=n` changes the number of kills, `WEIR_SEED=k` their moments.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{ArrayRef, BinaryArray, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use weir::runtime;
use weir::shard::ShardPath;
use weir::shard::layout::parse_entry;
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};
use weir::wal::{TailerOptions, WalTailer};
use weir::writer::{ShardWriter, WriterConfig};

use support::SeededRandom;
use support::seeds::number;

const SHARD: &str = "00000000-0000-4000-8000-000000000001";
const THREADS: u64 = 3;
/// A buffered writer flushes after so many puts.
const FLUSH_EVERY: u64 = 5;

fn schema() -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::UInt64, false);
    Arc::new(Schema::new(vec![number("life"), number("thread"), number("n"), number("rows"), Field::new("pad", DataType::Binary, false)]))
}

fn shard() -> ShardPath {
    ShardPath::new(SHARD).unwrap()
}

fn store(dir: &Path, unnamed_files: bool) -> Store {
    Store::new(format!("file://{}", dir.display()), Arc::new(LocalBackend::new(dir, LocalOptions { fsync: true, unnamed_files })))
}

// ---- The child -------------------------------------------------------------------------------------------------------

/// What the parent tells its child.
const TASK: &str = "WEIR_SIGKILL_TASK";

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

fn live(life: u64, dir: &Path) -> weir::error::Result<()> {
    // Every third life writes without waiting for each put, every second through staging files with names.
    let config = WriterConfig { durable: !life.is_multiple_of(3), ..WriterConfig::default() };
    let schema = schema();
    let open = ShardWriter::open(store(dir, life.is_multiple_of(2)), shard(), &schema, config, runtime::env());
    let writer = runtime::block_on(open, -1)?;
    say(&format!("opened {}", writer.epoch()));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn({
                    let writer = &writer;
                    move || put_for_ever(writer, life, thread)
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a panic"))
    })
}

fn put_for_ever(writer: &ShardWriter, life: u64, thread: u64) -> weir::error::Result<()> {
    for n in 0.. {
        let ack = writer.put(&batch(life, thread, n), None)?;
        if writer.config().durable {
            say(&format!("acked {life} {thread} {n} {}", ack.position));
        } else if n % FLUSH_EVERY == FLUSH_EVERY - 1 {
            writer.flush(None)?;
            say(&format!("flushed {life} {thread} {n}"));
        }
    }
    Ok(())
}

/// One to three rows; large enough at times for its buffers to be shared instead of copied.
fn batch(life: u64, thread: u64, n: u64) -> RecordBatch {
    let rows = 1 + n % 3;
    let column = |value: u64| -> ArrayRef { Arc::new(UInt64Array::from_value(value, rows as usize)) };
    let pad = vec![(n % 251) as u8; if n.is_multiple_of(7) { 20_000 } else { 50 }];
    let pads = BinaryArray::from_iter_values((0..rows).map(|_| &pad));
    RecordBatch::try_new(schema(), vec![column(life), column(thread), column(n), column(rows), Arc::new(pads)]).unwrap()
}

// ---- The parent ------------------------------------------------------------------------------------------------------

/// One thread of one life.
type Putter = (u64, u64);

/// What children said.
#[derive(Default)]
struct Heard {
    /// How many puts of each are acknowledged: all from 0 on.
    acked: BTreeMap<Putter, u64>,
    /// Where some of them are.
    positions: BTreeMap<(Putter, u64), u64>,
    epochs: Vec<u64>,
}

struct Killer {
    dir: PathBuf,
    chance: SeededRandom,
    heard: Arc<Mutex<Heard>>,
    /// How many children died before they had opened the shard, and before their first acknowledgement.
    unopened: u64,
    unheard: u64,
}

/// When a child is to die.
enum Moment {
    /// So long after its start.
    Start(Duration),
    /// So long after so many lines.
    Lines(u64, Duration),
}

impl Killer {
    fn moment(&self) -> Moment {
        let micros = |limit| Duration::from_micros(self.chance.below(limit));
        match self.chance.below(10) {
            0..2 => Moment::Start(micros(60_000)),
            2 => Moment::Lines(1, micros(2_000)),
            _ => Moment::Lines(1 + self.chance.below(40), micros(*self.chance.pick(&[1, 500, 6_000]))),
        }
    }

    /// One child, from its start to its end.
    fn kill_one(&mut self, life: u64) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(TASK, format!("{life} {}", self.dir.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (lines, listener) = self.listen(&mut child);
        let pause = match self.moment() {
            Moment::Start(pause) => pause,
            Moment::Lines(count, pause) => {
                for _ in 0..count {
                    if lines.recv_timeout(Duration::from_secs(60)).is_err() {
                        break;
                    }
                }
                pause
            }
        };
        // Below what a sleep can do, the moment matters more than the load.
        let until = Instant::now() + pause;
        while Instant::now() < until {
            std::thread::sleep(Duration::from_micros(100).min(until - Instant::now().min(until)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let said = listener.join().expect("the listener");
        self.unopened += u64::from(said == 0);
        self.unheard += u64::from(said <= 1);
    }

    /// Notes what the child says, up to its last word. A line is sent for each thing said.
    fn listen(&self, child: &mut Child) -> (mpsc::Receiver<()>, std::thread::JoinHandle<u64>) {
        let (sender, lines) = mpsc::channel();
        let output = child.stdout.take().unwrap();
        let heard = Arc::clone(&self.heard);
        let listener = std::thread::spawn(move || {
            let mut said = 0;
            for line in BufReader::new(output).lines() {
                let line = line.unwrap();
                if let Some(words) = line.strip_prefix("weir ") {
                    heard.lock().unwrap_or_else(PoisonError::into_inner).note(words);
                    said += 1;
                    let _ = sender.send(());
                }
            }
            said
        });
        (lines, listener)
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the whole log and compares it with what was said. Returns how many entries and puts there are.
    fn verify(&self) -> (u64, u64) {
        let tailer =
            WalTailer::open(store(&self.dir, true), shard(), TailerOptions { from: 1, ..TailerOptions::default() }, runtime::env())
                .unwrap();
        let heard = self.heard();
        let mut next: BTreeMap<Putter, u64> = BTreeMap::new();
        let (mut entries, mut puts, mut epoch) = (0, 0, 0);
        while let Some(entry) = runtime::block_on(tailer.next(), -1).unwrap() {
            entries += 1;
            assert_eq!(entry.position, entries, "a hole");
            assert!(entry.id.is_some(), "entry {entries} has no trailer");
            assert!(entry.epoch >= epoch, "entry {entries} goes back from epoch {epoch} to {}", entry.epoch);
            epoch = entry.epoch;
            assert_eq!(entry.is_sentinel, entry.batches.is_empty());
            for batch in &entry.batches {
                let (putter, n) = check_whole(batch);
                let expected = next.entry(putter).or_default();
                assert_eq!(n, *expected, "put {n} of {putter:?} at position {entries} is doubled, out of order, or behind a lost one");
                *expected += 1;
                puts += 1;
                if let Some(told) = heard.positions.get(&(putter, n)) {
                    assert_eq!(*told, entries, "put {n} of {putter:?}");
                }
            }
        }
        for (putter, acked) in &heard.acked {
            let there = next.get(putter).copied().unwrap_or(0);
            assert!(there >= *acked, "{acked} puts of {putter:?} were acknowledged, {there} are in the log");
        }
        (entries, puts)
    }

    /// What the directory of the entries really contains: entries, and files that are none.
    fn files(&self) -> (u64, u64) {
        let wal = self.dir.join(shard().wal_dir());
        let names = std::fs::read_dir(wal).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let (entries, others): (Vec<_>, Vec<_>) = names.partition(|name| parse_entry(name).is_some());
        (entries.len() as u64, others.len() as u64)
    }
}

/// The put's thread and number, if the batch is all of it.
fn check_whole(batch: &RecordBatch) -> (Putter, u64) {
    let value = |column: usize| {
        let values = batch.column(column).as_primitive::<UInt64Type>().values();
        assert!(values.iter().all(|value| *value == values[0]), "torn: {values:?}");
        values[0]
    };
    let (life, thread, n) = (value(0), value(1), value(2));
    assert_eq!(*batch, self::batch(life, thread, n), "torn");
    ((life, thread), n)
}

impl Heard {
    fn note(&mut self, words: &str) {
        let (what, numbers) = words.split_once(' ').unwrap_or((words, ""));
        assert_ne!(what, "failed:", "a child failed: {numbers}");
        let numbers: Vec<u64> =
            numbers.split(' ').map(|number| number.parse().unwrap_or_else(|_| panic!("a child said {words:?}"))).collect();
        match (what, &numbers[..]) {
            ("opened", [epoch]) => {
                assert!(self.epochs.last() < Some(epoch), "epoch {epoch} after {:?}", self.epochs.last());
                self.epochs.push(*epoch);
            }
            ("acked", [life, thread, n, position]) => {
                let before = self.acked.insert((*life, *thread), n + 1);
                assert_eq!(before.unwrap_or(0), *n);
                self.positions.insert(((*life, *thread), *n), *position);
            }
            ("flushed", [life, thread, n]) => {
                self.acked.insert((*life, *thread), n + 1);
            }
            _ => panic!("a child said {words:?}"),
        }
    }
}

// PITFALLS C11, E1, and the promise itself.
#[test]
fn what_was_acknowledged_survives_sigkill() {
    let kills = number("WEIR_KILLS").unwrap_or(200);
    let seed = number("WEIR_SEED").unwrap_or(1);
    let dir = tempfile::tempdir().unwrap();
    let mut killer = Killer { dir: dir.path().to_owned(), chance: SeededRandom::new(seed), heard: Arc::default(), unopened: 0, unheard: 0 };
    let began = Instant::now();
    for life in 0..kills {
        killer.kill_one(life);
        if life % 25 == 24 && !killer.heard().epochs.is_empty() {
            killer.verify();
        }
    }
    let (entries, puts) = killer.verify();
    let (files, leftovers) = killer.files();
    assert_eq!(files, entries, "files with the names of entries");
    let acked: u64 = killer.heard().acked.values().sum();
    println!(
        "{kills} kills in {:?}, {} before the shard was open, {} before the first acknowledgement: {acked} puts acknowledged, \
         {puts} in {entries} entries, {leftovers} leftover files",
        began.elapsed(),
        killer.unopened,
        killer.unheard
    );
    assert!(killer.unheard * 2 < kills && acked > kills, "too little happened to prove anything");

    // What is left over goes when it is old enough, and is nothing that anybody misses.
    let swept = runtime::block_on(store(dir.path(), true).sweep(&shard().wal_dir(), Duration::ZERO), -1).unwrap();
    assert_eq!((swept, killer.files()), (leftovers, (entries, 0)));
    assert_eq!(killer.verify(), (entries, puts));
}
