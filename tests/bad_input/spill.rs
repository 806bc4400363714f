//! Spills: what callers get wrong, and what becomes of files that others touch.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use weir::error::{Action, ErrorKind, Result};
use weir::session::Session;
use weir::spill::{BatchSpill, BatchSpillWriter, MapOptions, SpillBackend, SpillConfig, SpillOptions, SpillStore};
use weir::store::Settings;
use weir::wal::entry::Compression;

use super::{assert_error, batch, schema, wait};

fn store(config: &SpillConfig) -> Result<SpillStore> {
    SpillStore::new(&Session::new(Settings::default()).unwrap(), config)
}

fn local(dir: &Path) -> SpillStore {
    store(&SpillConfig { backend: SpillBackend::Local { directory: Some(dir.into()) }, ..SpillConfig::default() }).unwrap()
}

fn begin(store: &SpillStore, schema: &Schema) -> Result<BatchSpillWriter> {
    BatchSpillWriter::new(store.begin(SpillOptions::default())?, schema, Compression::None)
}

fn spilled(store: &SpillStore, batches: i64) -> BatchSpill {
    let mut writer = begin(store, &schema()).unwrap();
    (0..batches).for_each(|value| wait(writer.write(&batch(value))).unwrap());
    wait(writer.finish()).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let below = |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    below(dir).iter().filter(|path| path.is_dir()).flat_map(|owner| below(owner)).collect()
}

/// Nothing is made of a store that cannot be.
// PITFALLS F5, S9
#[test]
fn configurations_that_contradict_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let good = SpillConfig::default();
    let object = |url: &str| SpillBackend::Object { url: url.into() };
    for (config, thing) in [
        (SpillConfig { buffer_bytes: usize::MAX, ..good.clone() }, "buffer"),
        (SpillConfig { backend: SpillBackend::Local { directory: Some("".into()) }, ..good.clone() }, "empty"),
        (SpillConfig { backend: SpillBackend::Memory, min_free_bytes: Some(1), ..good.clone() }, "min_free_bytes"),
        (SpillConfig { backend: object("memory://spills/x"), reclaim_age: Duration::ZERO, ..good.clone() }, "reclaim_age"),
        (SpillConfig { backend: object("memory://"), ..good.clone() }, "memory://"),
    ] {
        let error = store(&config).unwrap_err();
        assert_error(&error, ErrorKind::InvalidArgument, &[thing]);
        assert_eq!(error.action(), Action::Fix);
    }
    assert_error(&store(&SpillConfig { backend: object("ftp://host/x"), ..good }).unwrap_err(), ErrorKind::Unsupported, &["ftp://host/x"]);
    drop(local(&dir.path().join("unused")));
    assert!(!dir.path().join("unused").exists());
}

#[test]
fn batches_that_do_not_fit_are_refused_and_the_writer_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    let mut writer = begin(&store, &schema()).unwrap();
    wait(writer.write(&batch(1))).unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let one = RecordBatch::try_from_iter([("value", ids.clone())]).unwrap();
    let other = RecordBatch::try_from_iter([("value", ids.clone()), ("text", ids)]).unwrap();
    assert_error(&wait(writer.write(&one)).unwrap_err(), ErrorKind::SchemaMismatch, &["1 columns"]);
    assert_error(&wait(writer.write(&other)).unwrap_err(), ErrorKind::SchemaMismatch, &["text", "Utf8", "Int64"]);
    let nullable = Schema::new(vec![Field::new("value", DataType::Int64, true), Field::new("text", DataType::Utf8, true)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![None::<i64>])), batch(1).column(1).slice(0, 1)];
    let null = RecordBatch::try_new(Arc::new(nullable), columns).unwrap();
    assert_error(&wait(writer.write(&null)).unwrap_err(), ErrorKind::InvalidData, &["value"]);
    wait(writer.write(&batch(2))).unwrap();
    let spill = wait(writer.finish()).unwrap();
    assert_eq!((spill.batch_count(), wait(spill.batch(1)).unwrap()), (2, batch(2)));
    assert_error(&wait(spill.batch(2)).unwrap_err(), ErrorKind::InvalidArgument, &["2 batches", "no batch 2"]);
}

/// Files that others cut off, damage or remove are errors that name batch and place, never a panic; other spills go on.
// PITFALLS C10, S2
#[test]
fn files_that_others_touch() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("cut off", |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap()),
        ("emptied", |path| fs::write(path, b"").unwrap()),
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("overwritten", |path| fs::write(path, vec![0xff; fs::metadata(path).unwrap().len() as usize]).unwrap()),
    ];
    for (harm, touch) in harms {
        let dir = tempfile::tempdir().unwrap();
        let store = local(dir.path());
        let spill = spilled(&store, 3);
        let [path] = <[PathBuf; 1]>::try_from(files(dir.path())).unwrap();
        let whole = spilled(&store, 2);
        touch(&path);
        for error in [
            wait(spill.batch(2)).unwrap_err(),
            wait(spill.stream().next()).and_then(|_| wait(spill.batch(2)).map(drop)).unwrap_err(),
            spill.mapped(2, MapOptions { verify: true }).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.action()), (ErrorKind::Corruption, Action::Stop), "{harm}: {error}");
        }
        assert_eq!(wait(whole.batch(1)).unwrap(), batch(1), "{harm}: another spill");
        drop((spill, whole));
        assert_eq!(store.used_bytes(), 0, "{harm}");
        assert!(files(dir.path()).is_empty(), "{harm}");
    }
}
