//! Entries that Lance 14.0.2 wrote (`tests/fixtures/lance-14.0.2`): they decode to what the fixtures' README says, weir's
//! bytes for the same batches are Lance's, and no damage to them does worse than an error.

mod entry_support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use entry_support::*;
use weir::error::ErrorKind;
use weir::wal::entry::{BatchEncoder, Compression, Entry, SchemaCache, assemble, decode, entry_id, sentinel};

/// The objects of a fixture's log, by position.
fn log(name: &str, shard: u32) -> Vec<(u64, PathBuf, Vec<u8>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lance-14.0.2");
    let wal = root.join(name).join(format!("_mem_wal/00000000-0000-4000-8000-{shard:012}/wal"));
    let mut objects: Vec<_> = fs::read_dir(wal)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let digits = path.file_name().unwrap().to_str().unwrap().strip_suffix(".arrow").unwrap();
            let position = u64::from_str_radix(digits, 2).unwrap().reverse_bits();
            (position, path.clone(), fs::read(path).unwrap())
        })
        .collect();
    objects.sort();
    objects
}

fn entries(name: &str, shard: u32) -> Vec<Entry> {
    let mut cache = SchemaCache::default();
    let read =
        |(position, path, bytes): (u64, PathBuf, Vec<u8>)| decode(path.to_str().unwrap(), position, bytes.into(), &mut cache).unwrap();
    log(name, shard).into_iter().map(read).collect()
}

fn id_sum(batch: &RecordBatch) -> i64 {
    batch["id"].as_primitive::<Int64Type>().values().iter().fold(0, |sum, id| sum.wrapping_add(*id))
}

/// FNV-1a over 64-bit words, as the README defines `check`.
fn check(entries: &[Entry]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut word = |word: u64| {
        for byte in word.to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    for entry in entries {
        word(entry.position);
        word(entry.epoch);
        word(entry.batches.len() as u64);
        for batch in &entry.batches {
            word(batch.num_rows() as u64);
            word(id_sum(batch) as u64);
        }
    }
    hash
}

/// Every value of a batch that begins with row `first`, where `value` is null at each multiple of `nulls`.
fn assert_rows(batch: &RecordBatch, first: i64, nulls: Option<i64>) {
    let (ids, keys) = (batch["id"].as_primitive::<Int64Type>(), batch["key"].as_string::<i32>());
    let (payloads, values) = (batch["payload"].as_binary::<i32>(), batch["value"].as_primitive::<Float64Type>());
    assert_eq!(batch.num_rows(), 4);
    for row in 0..4 {
        let id = first + row as i64;
        assert_eq!(ids.value(row), id);
        assert_eq!(keys.value(row), format!("k-{id:012}"));
        assert_eq!(payloads.value(row), Rng(id as u64).next().to_le_bytes());
        let null = nulls.is_some_and(|n| id % n == 0);
        assert_eq!(values.is_null(row), null, "{id}");
        assert!(null || values.value(row) == id as f64 * 0.5);
    }
}

/// (position, epoch, batches, id sum, bytes) of an entry.
fn row(entry: &Entry) -> (u64, u64, usize, i64, u64) {
    (entry.position, entry.epoch, entry.batches.len(), entry.batches.iter().map(id_sum).sum(), entry.bytes)
}

#[test]
fn the_wal_only_fixture_decodes_to_its_table() {
    let entries = entries("wal-only", 1);
    let table: Vec<_> = entries.iter().map(row).collect();
    let expected = [(1, 1, 1, 406, 1096), (2, 1, 1, 422, 1160), (3, 1, 1, 438, 1096), (4, 1, 1, 454, 1160), (5, 1, 1, 470, 1160)];
    assert_eq!(table, expected);
    assert_eq!(check(&entries), 0xd6ff_decf_1f0f_dd2d);
    for (entry, first) in entries.iter().zip((100..).step_by(4)) {
        assert_rows(&entry.batches[0], first, Some(7));
        assert!(entry.schema.metadata().is_empty() && entry.generation.is_none() && entry.id.is_none());
    }
}

#[test]
fn the_fenced_fixture_decodes_to_its_table() {
    let entries = entries("fenced", 2);
    let table: Vec<_> = entries.iter().map(row).collect();
    assert_eq!(table, [(1, 1, 1, 806, 1096), (2, 1, 1, 822, 1096), (3, 1, 1, 838, 1096), (4, 2, 0, 0, 200), (5, 2, 4, 3512, 3208)]);
    assert_eq!(check(&entries), 0xb118_de19_afe3_d49f);
    let sentinels: Vec<_> = entries.iter().map(|entry| entry.is_sentinel).collect();
    assert_eq!(sentinels, [false, false, false, true, false]);
    assert!(entries[3].schema.fields().is_empty() && entries[3].schema.metadata().is_empty());
    let firsts = [vec![200], vec![204], vec![208], vec![], vec![212, 216, 220, 224]];
    for (entry, firsts) in entries.iter().zip(firsts) {
        entry.batches.iter().zip(firsts).for_each(|(batch, first)| assert_rows(batch, first, None));
    }
}

#[test]
fn the_memtable_fixture_decodes_to_its_table() {
    let entries = entries("memtable", 3);
    let table: Vec<_> = entries.iter().map(row).collect();
    let expected = [(1, 1, 1, 1206, 1608), (2, 1, 1, 1222, 1608), (3, 1, 1, 1238, 1608), (4, 1, 1, 1254, 1608), (5, 1, 1, 1270, 1608)];
    assert_eq!(table, expected);
    assert_eq!(check(&entries), 0x7331_b7da_55b5_0b72);
    for (entry, first) in entries.iter().zip((300..).step_by(4)) {
        assert_rows(&entry.batches[0], first, None);
        assert_eq!(entry.generation, Some(1));
        assert!(entry.schema.metadata().is_empty());
        assert_eq!(entry.schema.field(0).metadata()["lance:field_id"], "0");
        assert_eq!(entry.schema.field(0).metadata()["lance-schema:unenforced-primary-key"], "true");
        let tombstone = entry.schema.field(4);
        assert_eq!((tombstone.name().as_str(), tombstone.data_type(), tombstone.is_nullable()), ("_tombstone", &DataType::Boolean, false));
        assert_eq!(entry.batches[0]["_tombstone"].as_boolean().true_count(), 0);
    }
}

#[test]
fn the_stream_that_weir_writes_is_lances_byte_for_byte() {
    for (name, shard) in [("wal-only", 1), ("fenced", 2), ("memtable", 3)] {
        for ((_, _, theirs), entry) in log(name, shard).into_iter().zip(entries(name, shard)) {
            let ours = if entry.is_sentinel {
                sentinel(entry.epoch, ID).unwrap()
            } else {
                let encoder = BatchEncoder::new(&entry.schema, Compression::None).unwrap();
                let batches: Vec<_> = entry.batches.iter().map(|batch| encoder.encode(batch).unwrap()).collect();
                assemble(&encoder.preamble(entry.epoch, entry.generation).unwrap(), &batches, ID)
            };
            let ours = object(&ours);
            assert_eq!(entry_id(&ours), Some(ID));
            assert_eq!(entry_id(&theirs), None);
            assert_eq!(foreign(ours), theirs, "{name} {}", entry.position);
        }
    }
}

/// PITFALLS C10: without a checksum there is nothing to compare with, but nothing may abort, hang or come back half-read.
#[test]
fn every_truncation_of_a_foreign_entry_is_corruption_and_every_bit_flip_is_survived() {
    for (name, shard) in [("wal-only", 1), ("fenced", 2), ("memtable", 3)] {
        for (position, _, bytes) in log(name, shard) {
            let whole = read(bytes.clone()).unwrap();
            for len in 0..bytes.len() {
                let error = read(bytes[..len].to_vec()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corruption, "{name} {position}: {len} bytes");
            }
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut flipped = bytes.clone();
                    flipped[at] ^= 1 << bit;
                    match read(flipped) {
                        Ok(entry) => assert_eq!(entry.batches.len(), whole.batches.len(), "{name} {position}: byte {at}, bit {bit}"),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Corruption),
                    }
                }
            }
        }
    }
}

#[test]
fn an_entry_without_an_epoch_is_corruption() {
    for metadata in [vec![], vec![("writer_epoch", "one")], vec![("writer_epoch", "-1")], vec![("writer_epoch", "1"), ("generation", "x")]]
    {
        let schema = Arc::new(Schema::new_with_metadata(
            vec![Field::new("id", DataType::Int64, false)],
            metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<std::collections::HashMap<_, _>>(),
        ));
        let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(arrow_array::Int64Array::from(vec![1]))]).unwrap();
        let error = read(stream_of(&batch)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{metadata:?}");
        assert_eq!(error.detail_u64("position"), Some(5));
        assert!(error.message().contains("wal/test.arrow"), "{error}");
    }
}
