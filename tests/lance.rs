//! Shards that Lance 14.0.2 wrote (`fixtures/lance-14.0.2`): they tail with their contents, and a weir writer takes them over.

mod log_support;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use log_support::{DAY, batch, kind, shard, thread_env};
use support::{SimClock, now};
use tempfile::TempDir;
use weir::env::{Clock, Env};
use weir::error::ErrorKind;
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore};
use weir::shard::{ShardPath, layout};
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};
use weir::wal::entry::Entry;
use weir::wal::trim::trim;
use weir::wal::{AppenderOptions, TailerOptions, WalAppender, WalTailer};
use weir::writer::{ShardWriter, WriterConfig};

/// A fixture as its README describes it.
struct Fixture {
    name: &'static str,
    shard: ShardPath,
    epoch: u64,
    /// Position, epoch, batches, sum of the ids.
    table: [(u64, u64, usize, i64); 5],
    rows: u64,
    bytes: u64,
    check: u64,
}

fn fixtures() -> [Fixture; 3] {
    let shard = |n: u32| ShardPath::new(&format!("00000000-0000-4000-8000-{n:012}")).unwrap();
    [
        Fixture {
            name: "wal-only",
            shard: shard(1),
            epoch: 1,
            table: [(1, 1, 1, 406), (2, 1, 1, 422), (3, 1, 1, 438), (4, 1, 1, 454), (5, 1, 1, 470)],
            rows: 20,
            bytes: 5672,
            check: 0xd6ff_decf_1f0f_dd2d,
        },
        Fixture {
            name: "fenced",
            shard: shard(2),
            epoch: 2,
            table: [(1, 1, 1, 806), (2, 1, 1, 822), (3, 1, 1, 838), (4, 2, 0, 0), (5, 2, 4, 3512)],
            rows: 28,
            bytes: 6696,
            check: 0xb118_de19_afe3_d49f,
        },
        Fixture {
            name: "memtable",
            shard: shard(3),
            epoch: 1,
            table: [(1, 1, 1, 1206), (2, 1, 1, 1222), (3, 1, 1, 1238), (4, 1, 1, 1254), (5, 1, 1, 1270)],
            rows: 20,
            bytes: 8040,
            check: 0x7331_b7da_55b5_0b72,
        },
    ]
}

/// A fixture's copy, to write to.
struct Copy {
    dir: TempDir,
    store: Store,
    env: Env,
}

fn original(fixture: &Fixture) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lance-14.0.2").join(fixture.name)
}

fn store(root: &Path) -> Store {
    let options = LocalOptions { fsync: false, ..LocalOptions::default() };
    Store::new(format!("file://{}", root.display()), Arc::new(LocalBackend::new(root, options)))
}

fn copy(fixture: &Fixture) -> Copy {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&original(fixture), dir.path());
    Copy { store: store(dir.path()), env: thread_env(&SimClock::new()), dir }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn tail(store: &Store, shard: &ShardPath) -> Vec<Entry> {
    let env = thread_env(&SimClock::new());
    let tailer = WalTailer::open(store.clone(), shard.clone(), TailerOptions::default(), env).unwrap();
    std::iter::from_fn(|| now(tailer.next()).unwrap()).collect()
}

fn id_sum(batch: &RecordBatch) -> i64 {
    batch["id"].as_primitive::<Int64Type>().values().iter().sum()
}

/// FNV-1a over 64-bit words, as the README defines `check`.
fn check(entries: &[Entry]) -> u64 {
    let batches =
        |entry: &Entry| entry.batches.iter().flat_map(|batch| [batch.num_rows() as u64, id_sum(batch) as u64]).collect::<Vec<_>>();
    let words = entries.iter().flat_map(|entry| [vec![entry.position, entry.epoch, entry.batches.len() as u64], batches(entry)].concat());
    words.flat_map(u64::to_le_bytes).fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn assert_contents(fixture: &Fixture, entries: &[Entry]) {
    let table: Vec<_> =
        entries.iter().map(|entry| (entry.position, entry.epoch, entry.batches.len(), entry.batches.iter().map(id_sum).sum())).collect();
    assert_eq!(table, fixture.table, "{}", fixture.name);
    assert_eq!(entries.iter().map(Entry::rows).sum::<u64>(), fixture.rows);
    assert_eq!(entries.iter().map(|entry| entry.bytes).sum::<u64>(), fixture.bytes);
    assert_eq!(check(entries), fixture.check, "{}", fixture.name);
    for entry in entries {
        assert_eq!(entry.is_sentinel, entry.batches.is_empty());
        assert_eq!(entry.generation, (fixture.name == "memtable").then_some(1));
        assert!(entry.id.is_none(), "Lance writes no trailer");
        assert!(entry.schema.metadata().is_empty());
    }
}

fn latest(copy: &Copy, shard: &ShardPath) -> Manifest {
    now(ManifestStore::new(copy.store.clone(), shard.clone(), copy.env.clone(), ManifestOptions::default()).latest()).unwrap().unwrap()
}

#[test]
fn every_fixture_tails_with_its_contents() {
    for fixture in fixtures() {
        assert_contents(&fixture, &tail(&store(&original(&fixture)), &fixture.shard));
        let copy = copy(&fixture);
        let manifest = latest(&copy, &fixture.shard);
        assert_eq!((manifest.writer_epoch, manifest.version, manifest.current_generation), (fixture.epoch, fixture.epoch, 1));
        assert_eq!((manifest.shard_spec_id, manifest.sstables.len(), manifest.is_sealed(), manifest.tip_hint()), (0, 0, false, 0));
        assert_eq!(manifest.shard_id.unwrap().uuid, fixture.shard.id().as_bytes()[..]);
    }
}

#[test]
fn an_appender_takes_every_fixture_over() {
    for fixture in fixtures() {
        let copy = copy(&fixture);
        let open = || {
            now(WalAppender::open(
                copy.store.clone(),
                fixture.shard.clone(),
                &batch(0..1).schema(),
                AppenderOptions::default(),
                copy.env.clone(),
            ))
        };
        let appender = open().unwrap();
        assert_eq!(appender.epoch(), fixture.epoch + 1);
        assert_eq!(now(appender.append(&[batch(0..3), batch(3..4)])).unwrap(), 7);
        let manifest = latest(&copy, &fixture.shard);
        assert_eq!((manifest.writer_epoch, manifest.version), (fixture.epoch + 1, fixture.epoch + 1));
        assert_eq!((manifest.current_generation, manifest.wal_entry_position_last_seen), (1, 5));
        let entries = tail(&copy.store, &fixture.shard);
        assert_contents(&fixture, &entries[..5]);
        assert!(entries[5].is_sentinel && entries[5].epoch == fixture.epoch + 1 && entries[5].id.is_some());
        assert_eq!((entries[6].epoch, entries[6].rows(), entries[6].generation), (fixture.epoch + 1, 4, None));
        // And the next one takes over from it.
        assert_eq!(open().unwrap().epoch(), fixture.epoch + 2);
        assert_eq!(kind(now(appender.append(&[batch(9..10)]))), ErrorKind::Fenced);
        assert_eq!(tail(&copy.store, &fixture.shard).len(), 8);
    }
}

#[test]
fn a_shard_writer_takes_every_fixture_over() {
    for fixture in fixtures() {
        let copy = copy(&fixture);
        let config = WriterConfig::default();
        let writer =
            now(ShardWriter::open(copy.store.clone(), fixture.shard.clone(), &batch(0..1).schema(), config, copy.env.clone())).unwrap();
        for n in 0..3 {
            let ack = writer.put(&batch(n..n + 1), None).unwrap();
            assert_eq!((ack.sequence, ack.position, ack.epoch), (n as u64 + 1, n as u64 + 7, fixture.epoch + 1));
        }
        writer.close(None).unwrap();
        let entries = tail(&copy.store, &fixture.shard);
        assert_contents(&fixture, &entries[..5]);
        assert_eq!(
            entries[5..].iter().map(|entry| (entry.position, entry.is_sentinel)).collect::<Vec<_>>(),
            [(6, true), (7, false), (8, false), (9, false)]
        );
    }
}

/// PITFALLS C11: a Lance writer that crashed in the midst of an append left its staging file at the next position.
#[test]
fn what_a_crashed_lance_writer_leaves_is_survived() {
    for fixture in fixtures() {
        let copy = copy(&fixture);
        let next = copy.dir.path().join(fixture.shard.entry(6));
        let leftovers = [format!("{}.tmp.6c0a5d8e-0000-4000-8000-000000000001", next.display()), format!("{}#1", next.display())];
        let whole = fs::read(copy.dir.path().join(fixture.shard.entry(5))).unwrap();
        leftovers.iter().for_each(|path| fs::write(path, &whole[..whole.len() / 2]).unwrap());
        assert_contents(&fixture, &tail(&copy.store, &fixture.shard));
        let appender = now(WalAppender::open(
            copy.store.clone(),
            fixture.shard.clone(),
            &batch(0..1).schema(),
            AppenderOptions::default(),
            copy.env.clone(),
        ))
        .unwrap();
        assert_eq!(now(appender.append(&[batch(0..1)])).unwrap(), 7);
        let entries = tail(&copy.store, &fixture.shard);
        assert_eq!(entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
        assert_contents(&fixture, &entries[..5]);
    }
}

/// PITFALLS C11: our own staging files are swept at open once they are old; a live writer's and Lance's files are left alone.
#[test]
fn old_staging_files_of_ours_are_swept_at_open() {
    let dir = tempfile::tempdir().unwrap();
    let (store, env) = (store(dir.path()), thread_env(&SimClock::new()));
    let open = || now(WalAppender::open(store.clone(), shard(), &batch(0..1).schema(), AppenderOptions::default(), env.clone())).unwrap();
    now(open().append(&[batch(0..1)])).unwrap();
    let entry = dir.path().join(shard().entry(3));
    let (ours, lances) = (format!("{}#00112233445566778899aabbccddeeff", entry.display()), format!("{}.tmp.x", entry.display()));
    let (manifests, young) = (
        format!("{}#00112233445566778899aabbccddeeff", dir.path().join(shard().manifest(9)).display()),
        format!("{}#ffeeddccbbaa99887766554433221100", entry.display()),
    );
    let old = std::time::SystemTime::now() - DAY - DAY / 24;
    for path in [&ours, &lances, &manifests, &young] {
        let file = fs::File::create(path).unwrap();
        if *path != young {
            file.set_modified(old).unwrap();
        }
    }
    open();
    let there: Vec<bool> = [&ours, &lances, &manifests, &young].into_iter().map(|path| Path::new(path).exists()).collect();
    assert_eq!(there, [false, true, false, true]);
}

/// PITFALLS C8: Lance's writer, misled by such a file, skips the position: the hole is told, not taken for the end.
#[test]
fn a_position_that_lance_skipped_is_corruption() {
    let [fixture, ..] = fixtures();
    let copy = copy(&fixture);
    let (from, to) = (copy.dir.path().join(fixture.shard.entry(5)), copy.dir.path().join(fixture.shard.entry(7)));
    fs::copy(from, to).unwrap();
    fs::remove_file(copy.dir.path().join(fixture.shard.entry(5))).unwrap();
    fs::write(copy.dir.path().join(fixture.shard.entry(6)), fs::read(copy.dir.path().join(fixture.shard.entry(4))).unwrap()).unwrap();
    let tailer = WalTailer::open(copy.store.clone(), fixture.shard.clone(), TailerOptions::default(), copy.env.clone()).unwrap();
    (1..=4).for_each(|position| assert_eq!(now(tailer.next()).unwrap().unwrap().position, position));
    let error = now(tailer.next()).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("position")), (ErrorKind::Corruption, Some(5)));
}

/// The rows of a Lance MemTable are nowhere else until a generation covers them: a WAL-only successor must not trim them.
#[test]
fn the_rows_of_a_lance_memtable_are_not_trimmed_away() {
    let [.., fixture] = fixtures();
    let copy = copy(&fixture);
    let clock = SimClock::new();
    let appender = now(WalAppender::open(
        copy.store.clone(),
        fixture.shard.clone(),
        &batch(0..1).schema(),
        AppenderOptions::default(),
        copy.env.clone(),
    ))
    .unwrap();
    now(appender.append(&[batch(0..1)])).unwrap();
    // The simulated day is long after the files' time.
    clock.advance(DAY * 10_000);
    assert!(clock.unix() > DAY * 20_000);
    for up_to in [5, 6, 7, u64::MAX] {
        assert_eq!(kind(now(trim(&copy.store, &fixture.shard, &thread_env(&clock), up_to, DAY))), ErrorKind::InvalidArgument, "{up_to}");
    }
    assert_contents(&fixture, &tail(&copy.store, &fixture.shard)[..5]);
    assert_eq!(layout::parse_entry("x"), None);
}
