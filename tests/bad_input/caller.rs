//! What callers get wrong: places, configurations, batches.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields, Schema};
use weir::env::Retry;
use weir::error::{Action, ErrorKind};
use weir::session::Session;
use weir::shard::ShardPath;
use weir::store::Settings;
use weir::wal::trim;
use weir::writer::{ShardWriter, WriterConfig};

use super::{Place, RETRY, SHARD, assert_error, batch, schema, wait};

#[test]
fn roots_and_shards_that_cannot_be() {
    let session = Session::new(Settings::default()).unwrap();
    for (url, kind) in [
        ("", ErrorKind::InvalidArgument),
        ("ftp://host/x", ErrorKind::Unsupported),
        ("s3://", ErrorKind::InvalidArgument),
        ("memory://", ErrorKind::InvalidArgument),
        ("file://elsewhere/x", ErrorKind::InvalidArgument),
        ("s3://bucket/x?y=z", ErrorKind::InvalidArgument),
        ("file:///x#y", ErrorKind::InvalidArgument),
        ("file:///x%00y", ErrorKind::InvalidArgument),
    ] {
        let error = session.store(url, true).expect_err(url);
        assert_error(&error, kind, &[url]);
        assert_eq!(error.action(), Action::Fix);
    }
    for id in ["", "x", "7D9A4C52-0B1E-4E0F-8A37-6C1F5B2E9D10", "7d9a4c520b1e4e0f8a376c1f5b2e9d10", "../../etc"] {
        assert_error(&ShardPath::new(id).unwrap_err(), ErrorKind::InvalidArgument, &[&format!("{id:?}")]);
    }

    // A shard that is not there, for all who need one.
    let place = Place::new();
    let trimmed = wait(trim::trim(&place.store, &place.shard, &place.env, 1, Duration::ZERO));
    let unsealed = wait(place.manifests().unseal());
    for error in [wait(place.tailer().next()).unwrap_err(), trimmed.unwrap_err(), place.seal().unwrap_err(), unsealed.unwrap_err()] {
        assert_error(&error, ErrorKind::NotFound, &[SHARD, place.store.url()]);
    }
    assert_eq!(fs::read_dir(&place.root).unwrap().count(), 0, "asking leaves nothing behind");
}

/// Claims nothing: the owner of the shard goes on.
// PITFALLS B4, F5
#[test]
fn configurations_that_cannot_work_fence_nobody() {
    let place = Place::new();
    let owner = place.open().unwrap();
    let good = WriterConfig::default();
    for (config, option) in [
        (WriterConfig { max_buffer_bytes: 0, ..good.clone() }, "max_buffer_bytes"),
        (WriterConfig { max_buffer_bytes: 2, max_pending_bytes: 1, ..good.clone() }, "max_pending_bytes"),
        (WriterConfig { linger: Some(Duration::from_secs(7200)), ..good.clone() }, "linger"),
        (WriterConfig { manifest_probe_width: 0, ..good.clone() }, "manifest_probe_width"),
        (WriterConfig { trim_age: Duration::ZERO, ..good.clone() }, "trim_age"),
        (WriterConfig { retry: Retry { max_retries: 1000, ..RETRY }, ..good.clone() }, "max_retries"),
    ] {
        assert_error(&place.open_with(config).unwrap_err(), ErrorKind::InvalidArgument, &[option]);
    }
    let (store, shard) = (place.store.clone(), place.shard.clone());
    let error = wait(ShardWriter::open(store, shard, &Schema::empty(), good.clone(), place.env.clone())).unwrap_err();
    assert_error(&error, ErrorKind::SchemaMismatch, &["no columns"]);
    assert_eq!(owner.put(&batch(1), None).unwrap().epoch, 1);
    assert_eq!(place.latest().unwrap().unwrap().version, 1);
}

/// Batches that must not be logged, with what is said of them.
fn bad_batches() -> Vec<(RecordBatch, ErrorKind, &'static str)> {
    let value = || -> ArrayRef { Arc::new(Int64Array::from(vec![1])) };
    let text = || -> ArrayRef { Arc::new(StringArray::from(vec!["x"])) };
    let of = |columns: Vec<(&str, ArrayRef)>| RecordBatch::try_from_iter(columns).unwrap();
    // Its schema allows the nulls; the writer's does not (PITFALLS A9).
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let nulls = of(vec![("value", nulls), ("text", Arc::new(StringArray::from(vec!["x", "y"])))]);
    vec![
        (of(vec![("value", value())]), ErrorKind::SchemaMismatch, "1 columns"),
        (of(vec![("value", value()), ("text", text()), ("more", text())]), ErrorKind::SchemaMismatch, "3 columns"),
        (of(vec![("values", value()), ("text", text())]), ErrorKind::SchemaMismatch, "'values'"),
        (of(vec![("text", text()), ("value", value())]), ErrorKind::SchemaMismatch, "'text'"),
        (of(vec![("value", Arc::new(Int32Array::from(vec![1]))), ("text", text())]), ErrorKind::SchemaMismatch, "Int32"),
        (nulls, ErrorKind::InvalidData, "'value'"),
        (RecordBatch::new_empty(schema()), ErrorKind::InvalidData, "no rows"),
    ]
}

// PITFALLS A6, A9
#[test]
fn bad_batches_are_refused_before_anything_is_queued() {
    let place = Place::new();
    let buffered = WriterConfig { durable: false, linger: Some(Duration::from_secs(3600)), ..WriterConfig::default() };
    let writer = place.open_with(buffered).unwrap();
    writer.put(&batch(1), None).unwrap();
    for (bad, kind, what) in bad_batches() {
        assert_error(&writer.put(&bad, None).unwrap_err(), kind, &[what]);
        let error = writer.put_async(&bad, Box::new(|_| panic!("the callback of a refused put ran"))).unwrap_err();
        assert_error(&error, kind, &[what]);
        let error = writer.put_all([Ok(bad.clone())], None).unwrap_err();
        assert_error(&error, kind, &[what]);
        assert_eq!(error.detail_u64("accepted"), Some(0));
    }
    let (stats, memory) = (writer.stats(), writer.memory());
    assert_eq!((stats.puts, stats.pending_puts, memory.reserved), (1, 1, 0));
    // In the midst of good ones, which are kept: those before it, and those of others.
    let bad = bad_batches().remove(0).0;
    let error = writer.put_all([Ok(batch(2)), Ok(batch(3)), Ok(bad), Ok(batch(4))], None).unwrap_err();
    assert_error(&error, ErrorKind::SchemaMismatch, &["1 columns"]);
    assert_eq!(error.detail_u64("accepted"), Some(2));
    assert_eq!(writer.put(&batch(5), None).unwrap().sequence, 4);
    writer.flush(None).unwrap();
    assert_eq!(place.read(), [(1, vec![1, 2, 3, 5])]);
}

// PITFALLS F6
#[test]
fn a_put_that_can_never_be_admitted_is_refused() {
    let place = Place::new();
    let writer =
        place.open_with(WriterConfig { max_buffer_bytes: 1 << 10, max_pending_bytes: 2 << 10, ..WriterConfig::default() }).unwrap();
    let values: ArrayRef = Arc::new(Int64Array::from(vec![7; 1000]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"; 1000]));
    let large = RecordBatch::try_from_iter([("value", values), ("text", text)]).unwrap();
    let error = writer.put(&large, None).unwrap_err();
    assert_error(&error, ErrorKind::InvalidArgument, &["max_pending_bytes", "2048"]);
    assert!(error.detail_u64("bytes").is_some_and(|bytes| bytes > 8000), "{error}");
    assert_eq!(writer.put(&batch(6), None).unwrap().position, 1);
}

#[test]
fn a_bad_batch_leaves_an_appender_as_it_was() {
    let place = Place::new();
    let appender = place.appender().unwrap();
    assert_error(&wait(appender.append(&[])).unwrap_err(), ErrorKind::InvalidData, &["at least one batch"]);
    for (bad, kind, what) in bad_batches() {
        assert_error(&wait(appender.append(&[batch(1), bad])).unwrap_err(), kind, &[what]);
    }
    assert_eq!(wait(appender.append(&[batch(2), batch(3)])).unwrap(), 1);
    assert_eq!(place.read(), [(1, vec![2, 3])]);
}

#[test]
fn nulls_below_a_column_are_found() {
    let place = Place::new();
    let inner = Fields::from(vec![Field::new("x", DataType::Int64, false)]);
    let schema = Schema::new(vec![Field::new("point", DataType::Struct(inner), true)]);
    let (store, shard) = (place.store.clone(), place.shard.clone());
    let writer = wait(ShardWriter::open(store, shard, &schema, WriterConfig::default(), place.env.clone())).unwrap();
    let point = |rows: Option<NullBuffer>| {
        let fields = Fields::from(vec![Field::new("x", DataType::Int64, true)]);
        let x: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let point: ArrayRef = Arc::new(StructArray::new(fields, vec![x], rows));
        RecordBatch::try_from_iter([("point", point)]).unwrap()
    };
    assert_error(&writer.put(&point(None), None).unwrap_err(), ErrorKind::InvalidData, &["point.x"]);
    // Where the whole struct is null, its fields are nobody's.
    assert_eq!(writer.put(&point(Some(NullBuffer::from(vec![true, false]))), None).unwrap().position, 1);
}

// PITFALLS B9
#[test]
fn a_sealed_shard_is_read_and_not_written() {
    let place = Place::new();
    let owner = place.open().unwrap();
    owner.put(&batch(1), None).unwrap();
    place.seal().unwrap();
    for error in [place.open().unwrap_err(), place.appender().unwrap_err(), wait(place.manifests().claim(0)).unwrap_err()] {
        assert_error(&error, ErrorKind::Sealed, &[SHARD, place.store.url()]);
        assert_eq!(error.action(), Action::Stop);
    }
    assert_error(&owner.put(&batch(2), None).unwrap_err(), ErrorKind::Fenced, &[SHARD]);
    assert_eq!(place.read()[0], (1, vec![1]));
    wait(place.manifests().unseal()).unwrap();
    assert_eq!(place.open().unwrap().put(&batch(3), None).unwrap().epoch, 3);
}
