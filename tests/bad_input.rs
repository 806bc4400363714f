//! Bad input of every kind, from the caller and from the store: each is an error of a type that says what to do and a message
//! that names the thing, nothing acknowledged is lost, and the handle goes on where it can.

mod support;

#[path = "bad_input/caller.rs"]
mod caller;
#[path = "bad_input/damage.rs"]
mod damage;
#[path = "bad_input/disk.rs"]
mod disk;
#[path = "bad_input/spill.rs"]
mod spill;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use weir::env::{Env, Retry};
use weir::error::{Error, ErrorKind, Result};
use weir::runtime;
use weir::session::Session;
use weir::shard::ShardPath;
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore};
use weir::store::{Settings, Store};
use weir::wal::entry::Entry;
use weir::wal::{Appender, AppenderOptions, TailerOptions, WalAppender, WalTailer};
use weir::writer::{ShardWriter, WriterConfig};

const SHARD: &str = "7d9a4c52-0b1e-4e0f-8a37-6c1f5b2e9d10";
const LIMIT: Duration = Duration::from_secs(60);
const RETRY: Retry = Retry { max_retries: 2, base_delay: Duration::from_millis(1) };

fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    runtime::block_on(future, LIMIT.as_millis() as i64)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false), Field::new("text", DataType::Utf8, true)]))
}

fn batch(value: i64) -> RecordBatch {
    let text: StringArray = vec![Some("some text"), None].into();
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(vec![value, -value])), Arc::new(text)]).unwrap()
}

/// The first value of each of the entry's batches.
fn values(entry: &Entry) -> Vec<i64> {
    entry.batches.iter().map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0)).collect()
}

/// A shard on a store.
struct Place {
    store: Store,
    shard: ShardPath,
    env: Env,
    root: PathBuf,
    /// Removed at the end.
    dir: Option<tempfile::TempDir>,
}

impl Place {
    /// In a directory of its own, which others may enter.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        chmod(dir.path(), 0o755);
        let mut place = Self::at(dir.path());
        place.dir = Some(dir);
        place
    }

    fn at(root: &Path) -> Self {
        let session = Session::new(Settings::default()).unwrap();
        let store = session.store(root.to_str().unwrap(), false).unwrap();
        Self { store, shard: ShardPath::new(SHARD).unwrap(), env: session.env().clone(), root: root.to_owned(), dir: None }
    }

    fn open_with(&self, config: WriterConfig) -> Result<ShardWriter> {
        wait(ShardWriter::open(self.store.clone(), self.shard.clone(), &schema(), config, self.env.clone()))
    }

    fn open(&self) -> Result<ShardWriter> {
        self.open_with(WriterConfig { retry: RETRY, ..WriterConfig::default() })
    }

    fn appender(&self) -> Result<WalAppender> {
        let options = AppenderOptions { retry: RETRY, ..AppenderOptions::default() };
        wait(WalAppender::open(self.store.clone(), self.shard.clone(), &schema(), options, self.env.clone()))
    }

    fn seal(&self) -> Result<Manifest> {
        wait(Appender::seal(self.store.clone(), self.shard.clone(), self.env.clone(), ManifestOptions::default()))
    }

    fn manifests(&self) -> ManifestStore {
        let options = ManifestOptions { retry: RETRY, ..ManifestOptions::default() };
        ManifestStore::new(self.store.clone(), self.shard.clone(), self.env.clone(), options)
    }

    /// The newest manifest, looked for by one who knows none.
    fn latest(&self) -> Result<Option<Manifest>> {
        wait(self.manifests().latest())
    }

    fn tailer(&self) -> WalTailer {
        WalTailer::open(self.store.clone(), self.shard.clone(), TailerOptions::default(), self.env.clone()).unwrap()
    }

    /// Position and values of every entry.
    fn read(&self) -> Vec<(u64, Vec<i64>)> {
        let tailer = self.tailer();
        std::iter::from_fn(|| wait(tailer.next()).unwrap()).map(|entry| (entry.position, values(&entry))).collect()
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

fn put(writer: &ShardWriter, value: i64) {
    writer.put(&batch(value), None).unwrap();
}

/// The error is of that kind, and its message names all of `things`.
#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, things: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for thing in things {
        assert!(error.message().contains(thing), "{thing:?} is not named: {error}");
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs `test` with the rights of nobody, on files, on this thread: tests may run as root, whom nothing is denied.
fn as_nobody<T>(test: impl FnOnce() -> T) -> T {
    // SAFETY: system calls without pointers. The user for file accesses is one per thread, and is put back.
    let before = unsafe { libc::geteuid() };
    unsafe { libc::setfsuid(if before == 0 { 65534 } else { before }) };
    let outcome = test();
    unsafe { libc::setfsuid(before) };
    outcome
}
