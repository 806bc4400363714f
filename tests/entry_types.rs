//! Every Arrow type, whole and sliced, nested and compressed, comes back as it was: through weir's own reader, with and
//! without the trust that a checksum gives, and through arrow's.

mod entry_support;

use std::panic::AssertUnwindSafe;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use entry_support::*;
use weir::wal::entry::{Compression, allocated_bytes};

fn assert_round_trip(schema: &SchemaRef, batches: &[RecordBatch], compression: Compression) {
    let bytes = object(&encode(schema, batches, compression));
    let entry = read(bytes.clone()).unwrap();
    assert_eq!((entry.epoch, entry.generation, entry.is_sentinel, entry.id), (7, None, false, Some(ID)));
    assert_eq!((entry.position, entry.bytes), (5, bytes.len() as u64));
    assert_eq!(&entry.schema, schema);
    assert_eq!(entry.batches, batches);
    for column in entry.batches.iter().flat_map(RecordBatch::columns) {
        column.to_data().validate_full().unwrap();
    }
    let (theirs, read_back) = read_with_arrow(&bytes);
    assert_eq!(theirs.fields(), schema.fields());
    for (theirs, ours) in read_back.iter().zip(batches) {
        assert_eq!(theirs.columns(), ours.columns());
    }
    assert_eq!(read_back.len(), batches.len());
    let unchecked = read(foreign(bytes)).unwrap();
    assert_eq!((unchecked.id, unchecked.batches.as_slice()), (None, batches));
}

fn every_type() -> Vec<DataType> {
    let leaves = leaf_types();
    let mut types = leaves.clone();
    types.extend(wrappers(&DataType::Int32, &DataType::Utf8));
    for (i, leaf) in leaves.iter().enumerate() {
        types.extend(wrappers(leaf, &leaves[(i + 1) % leaves.len()]));
    }
    types
}

#[test]
fn every_type_whole_and_sliced() {
    for (i, data_type) in every_type().iter().enumerate() {
        let mut rng = Rng(i as u64);
        for rows in [1, 9, 40] {
            let batch = batch_of(&mut rng, std::slice::from_ref(data_type), rows);
            let schema = batch.schema();
            for compression in codecs() {
                assert_round_trip(&schema, std::slice::from_ref(&batch), compression);
            }
            for (start, len) in [(0, rows / 2), (rows / 3, rows - rows / 3), (rows - 1, 1)] {
                if len > 0 {
                    assert_round_trip(&schema, &[batch.slice(start, len), batch.clone()], Compression::None);
                }
            }
        }
    }
}

#[test]
fn random_nested_batches() {
    for seed in 0..300 {
        let mut rng = Rng(seed ^ 0x5eed);
        let types: Vec<_> = (0..1 + rng.below(4)).map(|_| random_type(&mut rng, 3)).collect();
        let first = batch_of(&mut rng, &types, 1 + seed as usize % 50);
        let columns = types.iter().map(|t| random_array(&mut rng, t, 11, true)).collect();
        let second = RecordBatch::try_new(first.schema(), columns).unwrap();
        let (start, len) = (rng.below(10), 1);
        let batches = [first.clone(), second.slice(start, len), second];
        let compression = codecs()[seed as usize % codecs().len()];
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| assert_round_trip(&first.schema(), &batches, compression)));
        assert!(result.is_ok(), "seed {seed}: {types:?}");
    }
}

#[test]
fn large_batches_are_shared_and_come_back() {
    for (i, data_type) in every_type().iter().enumerate() {
        if matches!(data_type, DataType::RunEndEncoded(ends, _) if ends.data_type() == &DataType::Int16) {
            continue;
        }
        let mut rng = Rng(1000 + i as u64);
        let batch = batch_of(&mut rng, std::slice::from_ref(data_type), 9000);
        assert_round_trip(&batch.schema(), &[batch.clone(), batch.slice(100, 8000)], Compression::None);
    }
}

#[test]
fn an_unaligned_object_is_read_too() {
    let mut rng = Rng(77);
    let batch = batch_of(&mut rng, &every_type(), 20);
    let bytes = object(&encode(&batch.schema(), std::slice::from_ref(&batch), Compression::None));
    for shift in 1..16 {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(&bytes);
        let entry = read(bytes::Bytes::from(shifted).slice(shift..)).unwrap();
        assert_eq!(entry.batches, std::slice::from_ref(&batch));
    }
}

#[test]
fn decoded_batches_borrow_the_object() {
    let mut rng = Rng(3);
    let types: Vec<_> = every_type().into_iter().filter(|t| !matches!(t, DataType::Null)).collect();
    let batch = batch_of(&mut rng, &types, 30);
    let bytes = bytes::Bytes::from(object(&encode(&batch.schema(), std::slice::from_ref(&batch), Compression::None)));
    let range = bytes.as_ptr() as usize..bytes.as_ptr() as usize + bytes.len();
    let entry = read(bytes.clone()).unwrap();
    fn check(data: &arrow_data::ArrayData, range: &std::ops::Range<usize>) {
        for buffer in data.buffers().iter().filter(|buffer| !buffer.is_empty()) {
            assert!(range.contains(&(buffer.as_ptr() as usize)), "{} was copied", data.data_type());
        }
        data.child_data().iter().for_each(|child| check(child, range));
    }
    entry.batches[0].columns().iter().for_each(|column| check(&column.to_data(), &range));
    assert!(allocated_bytes(&entry.batches) <= bytes.len() + 64, "{}", allocated_bytes(&entry.batches));
}
