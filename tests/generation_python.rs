//! `data.arrow` is an Arrow IPC file like any other: pyarrow and polars read what was put.
//!
//! `$WEIR_TEST_PYTHON` is a Python with `tests/python/requirements.txt` installed; `make test` sets it.

mod generation_support;
mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::types::Int16Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use generation_support::*;
use support::now;
use weir::generation::{DataOptions, Generation, TableInput, encode};
use weir::memtable::key::KeySpec;
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};
use weir::wal::entry::Compression;

fn python(script: &str, arguments: &[&str]) -> Output {
    let python = std::env::var("WEIR_TEST_PYTHON")
        .expect("WEIR_TEST_PYTHON is not set: it must name a Python with tests/python/requirements.txt installed (`make test` sees to it)");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    Command::new(&python).arg(script).args(arguments).output().unwrap_or_else(|error| panic!("{python}: {error}"))
}

/// What the comparison says on success.
fn compared(data: &Path, expected: &Path, more: &[&str]) -> String {
    let arguments = [&[data.to_str().unwrap(), expected.to_str().unwrap()], more].concat();
    let output = python("generation.py", &arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Stores a generation below `root`; its data.arrow.
fn stored(root: &Path, input: TableInput, options: &DataOptions) -> PathBuf {
    let local = LocalBackend::new(root, LocalOptions { fsync: false, ..LocalOptions::default() });
    let store = Store::new(format!("file://{}", root.display()), Arc::new(local));
    let env = support::Sim::new(1).env();
    let written = now(encode(input, options).unwrap().store(&store, &shard(), &env, no_retry())).unwrap();
    let generation = now(Generation::open(&store, &shard(), &written.table)).unwrap();
    now(generation.verify()).unwrap();
    root.join(shard().dir()).join(written.table.path).join("data.arrow")
}

fn written(path: &Path, batches: &[RecordBatch]) {
    let mut writer = FileWriter::try_new(File::create(path).unwrap(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn without_key(batches: Vec<RecordBatch>) -> TableInput {
    TableInput { generation: 1, schema: batches[0].schema(), key: None, batches, secondary: Vec::new(), in_memory_bytes: 1 }
}

#[test]
fn pyarrow_reads_every_type_from_a_generation() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("types.arrow");
    assert!(python("make_types.py", &[file.to_str().unwrap()]).status.success());
    let reader = FileReader::try_new(File::open(&file).unwrap(), None).unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert!(batches[0].num_columns() >= 90 && batches.len() > 3);
    for (name, compression) in [("plain", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd)] {
        for batch_bytes in [4096, DataOptions::default().batch_bytes] {
            let root = dir.path().join(format!("{name}{batch_bytes}"));
            let data = stored(&root, without_key(batches.clone()), &DataOptions { batch_bytes, compression });
            let told = compared(&data, &file, &[]);
            assert!(told.starts_with("equal: "), "{name}: {told}");
        }
    }
}

/// A table such as services have, with a key, deletions and a dictionary that differs from batch to batch.
fn ordinary(from: i64, rows: i64) -> RecordBatch {
    let numbers = || from..from + rows;
    let mut lists = ListBuilder::new(Int32Builder::new());
    for i in numbers() {
        (0..i % 4).for_each(|item| lists.values().append_value(item as i32));
        lists.append(i % 7 != 0);
    }
    let tags: DictionaryArray<Int16Type> =
        numbers().map(|i| (i % 6 != 0).then(|| ["red", "green", "blue"][(i + from) as usize % 3])).collect();
    let pair: Vec<(&str, ArrayRef)> = vec![
        ("x", Arc::new(Float64Array::from_iter_values(numbers().map(|i| i as f64 / 3.0)))),
        ("y", Arc::new(numbers().map(|i| (i % 2 == 0).then_some(i)).collect::<Int64Array>())),
    ];
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(numbers().map(|i| i % 50))), false),
        ("text", Arc::new(numbers().map(|i| (i % 5 != 0).then(|| format!("row {i} é"))).collect::<StringArray>()), true),
        ("blob", Arc::new(numbers().map(|i| Some(vec![i as u8; i as usize % 9])).collect::<BinaryArray>()), true),
        ("day", Arc::new(Date32Array::from_iter_values(numbers().map(|i| i as i32))), true),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(numbers().map(|i| i * 1_000_003)).with_timezone("UTC")), true),
        ("tag", Arc::new(tags), true),
        ("list", Arc::new(lists.finish()), true),
        ("pair", Arc::new(StructArray::try_from(pair).unwrap()), true),
        ("_tombstone", Arc::new(numbers().map(|i| Some(i % 11 == 0)).collect::<BooleanArray>()), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[test]
fn polars_and_pyarrow_read_a_generation_with_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let batches: Vec<RecordBatch> = (0..20).map(|i| ordinary(i * 37, 37)).collect();
    // One dictionary for all, as the file format wants it.
    let expected = arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap();
    let file = dir.path().join("expected.arrow");
    written(&file, &[expected]);
    let key = KeySpec::resolve(&batches[0].schema(), Some(&["id".to_owned()])).unwrap();
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let input = TableInput { key: key.clone(), ..without_key(batches.clone()) };
        let root = dir.path().join(format!("{compression:?}"));
        let data = stored(&root, input, &DataOptions { batch_bytes: 8192, compression });
        let told = compared(&data, &file, &["--polars"]);
        assert!(told.starts_with("equal: 740 rows of 9 columns") && told.contains("polars"), "{told}");
    }
}

// The comparison itself must be able to fail.
#[test]
fn a_difference_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("expected.arrow");
    written(&file, &[ordinary(0, 100)]);
    for (name, other) in [("fewer", ordinary(0, 99)), ("others", ordinary(1, 100))] {
        let data = stored(&dir.path().join(name), without_key(vec![other]), &DataOptions::default());
        for (more, who) in [(&[][..], "generation: "), (&["--polars"], "generation: polars: ")] {
            let output = python("generation.py", &[&[data.to_str().unwrap(), file.to_str().unwrap()], more].concat());
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && told.starts_with(who), "{name}: {told}");
        }
    }
}
