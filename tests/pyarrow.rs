//! Every Arrow type that pyarrow can make goes through a writer, and pyarrow reads the stored entries as any Arrow program
//! would: the same columns, types, metadata and rows, floats bit by bit.
//!
//! `$WEIR_TEST_PYTHON` is a Python with `tests/python/requirements.txt` installed; `make test` sets it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_schema::SchemaRef;
use weir::runtime;
use weir::shard::ShardPath;
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};
use weir::wal::entry::Compression;
use weir::wal::{TailerOptions, WalTailer};
use weir::writer::{ShardWriter, WriterConfig};

/// Columns that pyarrow can make and arrow-rs 60 cannot take in, and why.
const UNREADABLE: &[(&str, &str)] = &[];

fn python(script: &str, arguments: &[&str]) -> String {
    let python = std::env::var("WEIR_TEST_PYTHON")
        .expect("WEIR_TEST_PYTHON is not set: it must name a Python with tests/python/requirements.txt installed (`make test` sees to it)");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(&python).arg(script).args(arguments).output().unwrap_or_else(|error| panic!("{python}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A file with a column of every type, and what is in it.
struct Types {
    file: PathBuf,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

fn types(dir: &Path) -> Types {
    let file = dir.join("types.arrow");
    let skip: Vec<&str> = UNREADABLE.iter().map(|(column, _)| *column).collect();
    python("make_types.py", &[file.to_str().unwrap(), "--skip", &skip.join(",")]);
    let reader = FileReader::try_new(File::open(&file).unwrap(), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert!(schema.fields().len() >= 90 && batches.len() > 3, "{} columns in {} batches", schema.fields().len(), batches.len());
    Types { file, schema, batches }
}

fn store(dir: &Path) -> Store {
    let options = LocalOptions { fsync: false, ..LocalOptions::default() };
    Store::new(format!("file://{}", dir.display()), Arc::new(LocalBackend::new(dir, options)))
}

fn shard() -> ShardPath {
    ShardPath::new("00000000-0000-4000-8000-000000000001").unwrap()
}

/// Puts each batch on its own, so that each is an entry; the directory of the entries.
fn put_all(root: &Path, schema: &SchemaRef, batches: &[RecordBatch], compression: Compression) -> PathBuf {
    let config = WriterConfig { compression, ..WriterConfig::default() };
    let writer = runtime::block_on(ShardWriter::open(store(root), shard(), schema, config, runtime::env()), -1).unwrap();
    for (index, batch) in batches.iter().enumerate() {
        assert_eq!(writer.put(batch, None).unwrap().position, index as u64 + 1);
    }
    writer.close(None).unwrap();
    root.join(shard().wal_dir())
}

/// Our own tailer must give back what pyarrow sees: the batches as they were put.
fn check_tailer(root: &Path, schema: &SchemaRef, batches: &[RecordBatch]) {
    let tailer = WalTailer::open(store(root), shard(), TailerOptions::default(), runtime::env()).unwrap();
    for expected in batches {
        let entry = runtime::block_on(tailer.next(), -1).unwrap().expect("an entry");
        assert_eq!((&entry.schema, entry.batches.len()), (schema, 1));
        for (column, field) in expected.columns().iter().zip(schema.fields()) {
            let read = entry.batches[0].column_by_name(field.name()).unwrap();
            assert_eq!(read.to_data(), column.to_data(), "column {} of position {}", field.name(), entry.position);
        }
    }
    assert!(runtime::block_on(tailer.next(), -1).unwrap().is_none());
}

#[test]
fn pyarrow_reads_what_was_put() {
    let dir = tempfile::tempdir().unwrap();
    let types = types(dir.path());
    for (name, compression) in [("plain", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd)] {
        let root = dir.path().join(name);
        let entries = put_all(&root, &types.schema, &types.batches, compression);
        let told = python("interop.py", &[entries.to_str().unwrap(), types.file.to_str().unwrap(), "--batches"]);
        assert!(told.starts_with("equal: "), "{name}: {told}");
        check_tailer(&root, &types.schema, &types.batches);
    }
}

#[test]
fn pyarrow_reads_slices_as_what_they_show() {
    let dir = tempfile::tempdir().unwrap();
    let types = types(dir.path());
    // Cut at odd places: offsets of bits, of lists, of views and dictionaries that do not begin at 0.
    let slice = |batch: &RecordBatch| {
        let (rows, cut) = (batch.num_rows(), batch.num_rows() / 3);
        let parts = [(0, cut), (cut, 1), (cut + 1, rows - cut - 1)];
        let parts: Vec<_> = parts.into_iter().filter(|(start, len)| *len > 0 && start + len <= rows).collect();
        parts.into_iter().map(|(start, len)| batch.slice(start, len)).collect::<Vec<_>>()
    };
    let slices: Vec<RecordBatch> = types.batches.iter().flat_map(slice).collect();
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!(rows(&slices), rows(&types.batches));
    for (name, compression) in [("plain", Compression::None), ("zstd", Compression::Zstd)] {
        let entries = put_all(&dir.path().join(name), &types.schema, &slices, compression);
        let told = python("interop.py", &[entries.to_str().unwrap(), types.file.to_str().unwrap()]);
        assert!(told.starts_with("equal: "), "{name}: {told}");
    }
}

// The comparison itself must be able to fail.
#[test]
fn pyarrow_notices_a_difference() {
    let dir = tempfile::tempdir().unwrap();
    let types = types(dir.path());
    let fewer = &types.batches[..types.batches.len() - 1];
    let entries = put_all(&dir.path().join("fewer"), &types.schema, fewer, Compression::None);
    let compared = std::panic::catch_unwind(|| python("interop.py", &[entries.to_str().unwrap(), types.file.to_str().unwrap()]));
    assert!(compared.is_err(), "{compared:?}");
}
