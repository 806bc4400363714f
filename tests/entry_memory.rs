//! What encoding and decoding cost in memory: large buffers are shared and not copied, slices neither log nor keep alive what
//! they were cut from (PITFALLS C6).

mod entry_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray};
use arrow_schema::Schema;
use bytes::Bytes;
use entry_support::*;
use weir::wal::entry::{BatchEncoder, Compression, SHARED_BYTES, allocated_bytes, assemble};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all requests go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        BYTES.set(BYTES.get() + layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The allocations that `f` makes on this thread, and their bytes.
fn counted<T>(f: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = (COUNT.get(), BYTES.get());
    let result = f();
    (result, COUNT.get() - before.0, BYTES.get() - before.1)
}

fn batch(rows: usize) -> RecordBatch {
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64)), false),
        ("key", Arc::new(StringArray::from_iter_values((0..rows).map(|i| format!("k-{i:012}")))), true),
        ("payload", Arc::new(arrow_array::BinaryArray::from_iter_values((0..rows).map(|i| [i as u8; 26]))), true),
        ("value", Arc::new(Float64Array::from_iter((0..rows).map(|i| (i % 7 != 0).then_some(i as f64)))), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn encoder(schema: &Schema) -> BatchEncoder {
    BatchEncoder::new(schema, Compression::None).unwrap()
}

#[test]
fn a_large_entry_is_written_and_read_without_copying() {
    let batch = batch(20_000);
    let encoder = encoder(&batch.schema());
    let preamble = encoder.preamble(1, None).unwrap();
    drop(encoder.encode(&batch).unwrap());
    let (entry, _, bytes) = counted(|| assemble(&preamble, [&encoder.encode(&batch).unwrap()], ID));
    assert!(entry.len > 1_250_000 && bytes * 20 <= entry.len as usize, "{bytes} bytes for {}", entry.len);
    let ids = batch["id"].as_primitive::<Int64Type>().values().inner().as_ptr();
    assert!(entry.parts.iter().any(|part| part.as_ptr() == ids));
    let object = Bytes::from(object(&entry));
    let (read_back, _, bytes) = counted(|| read(object.clone()).unwrap());
    assert!(bytes < 8192, "{bytes} bytes to decode {}", object.len());
    assert_eq!(read_back.batches, [batch]);
    assert!(allocated_bytes(&read_back.batches) <= object.len());
}

#[test]
fn a_small_batch_takes_two_allocations_and_becomes_one_part() {
    let batch = batch(20);
    let encoder = encoder(&batch.schema());
    let preamble = encoder.preamble(1, None).unwrap();
    drop(encoder.encode(&batch).unwrap());
    let (encoded, count, bytes) = counted(|| encoder.encode(&batch).unwrap());
    assert!(count <= 2 && bytes <= encoded.len() + 256, "{count} allocations, {bytes} bytes for {}", encoded.len());
    let entry = assemble(&preamble, [&encoded, &encoded], ID);
    assert_eq!(entry.parts.len(), 1);
}

/// The parts that lie in memory of the batch itself.
fn shared(batch: &RecordBatch, parts: &[Bytes]) -> usize {
    let mut ranges = Vec::new();
    fn collect(data: &arrow_data::ArrayData, ranges: &mut Vec<std::ops::Range<usize>>) {
        for buffer in data.buffers() {
            let start = buffer.data_ptr().as_ptr() as usize;
            ranges.push(start..start + buffer.capacity());
        }
        data.child_data().iter().for_each(|child| collect(child, ranges));
    }
    batch.columns().iter().for_each(|column| collect(&column.to_data(), &mut ranges));
    parts.iter().filter(|part| ranges.iter().any(|range| range.contains(&(part.as_ptr() as usize)))).count()
}

#[test]
fn a_slice_neither_logs_nor_pins_its_parent() {
    let parent = batch(100_000);
    let encoder = encoder(&parent.schema());
    let whole = encoder.encode(&parent).unwrap();
    assert!(shared(&parent, whole.parts()) >= 5);
    let slice = parent.slice(50_001, 1000);
    let encoded = encoder.encode(&slice).unwrap();
    assert!(encoded.len() < 1000 * 80, "{}", encoded.len());
    assert_eq!(shared(&parent, encoded.parts()), 0);
    let bytes = object(&assemble(&encoder.preamble(7, None).unwrap(), [&encoded], ID));
    assert_eq!(read(bytes).unwrap().batches, [slice]);
    // Most of the parent, on the other hand, is shared.
    let most = parent.slice(1000, 80_000);
    assert!(shared(&parent, encoder.encode(&most).unwrap().parts()) >= 3);
}

/// The columns of a batch that was read from one object share that, and use it up together: nothing needs to be copied.
#[test]
fn a_decoded_batch_is_logged_again_without_copying() {
    let batch = batch(20_000);
    let encoder = encoder(&batch.schema());
    let bytes = Bytes::from(object(&assemble(&encoder.preamble(7, None).unwrap(), [&encoder.encode(&batch).unwrap()], ID)));
    let entry = read(bytes.clone()).unwrap();
    let (encoded, _, allocated) = counted(|| encoder.encode(&entry.batches[0]).unwrap());
    assert!(allocated * 20 < bytes.len(), "{allocated}");
    let large = encoded.parts().iter().filter(|part| part.len() >= SHARED_BYTES);
    let range = bytes.as_ptr_range();
    assert!(large.clone().count() >= 5 && large.clone().all(|part| range.contains(&part.as_ptr())));
}

#[test]
fn views_and_dictionaries_are_compacted_to_what_is_used() {
    let texts: Vec<String> = (0..10_000).map(|i| format!("a text that is longer than twelve bytes {i}")).collect();
    let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
    let keys = Int32Array::from_iter_values((0..10_000).rev());
    let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from_iter_values(&texts))));
    for column in [views, dictionary] {
        let parent = RecordBatch::try_from_iter([("c", column)]).unwrap();
        let encoder = encoder(&parent.schema());
        let slice = parent.slice(7000, 20);
        let encoded = encoder.encode(&slice).unwrap();
        assert!(encoded.len() < 4096, "{}: {}", parent.column(0).data_type(), encoded.len());
        let bytes = object(&assemble(&encoder.preamble(7, None).unwrap(), [&encoded], ID));
        assert_eq!(read(bytes).unwrap().batches, [slice]);
    }
}

#[test]
fn memory_is_counted_by_distinct_allocations() {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let one = RecordBatch::try_from_iter([("a", column.clone())]).unwrap();
    let size = allocated_bytes(std::slice::from_ref(&one));
    assert!((800_000..820_000).contains(&size), "{size}");
    let twice = RecordBatch::try_from_iter([("a", column.clone()), ("b", column)]).unwrap();
    assert_eq!(allocated_bytes(&[twice, one.clone()]), size);
    assert_eq!(allocated_bytes(&[one.slice(5, 10)]), size, "a slice keeps its parent alive");
    assert_eq!(allocated_bytes(&[]), 0);
    // A hundred columns out of one object count as that object.
    let names: Vec<String> = (0..100).map(|i| format!("c{i}")).collect();
    let wide = names.iter().map(|name| (name.as_str(), Arc::new(Int64Array::from(vec![1; 10])) as ArrayRef));
    let wide = RecordBatch::try_from_iter(wide).unwrap();
    let bytes = Bytes::from(object(&encode(&wide.schema(), &[wide], Compression::None)));
    assert_eq!(allocated_bytes(&read(bytes.clone()).unwrap().batches), bytes.len());
}
