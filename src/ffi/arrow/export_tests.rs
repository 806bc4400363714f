use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{Int32Array, NullArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::raw::{FIRST_PAGE, RawArray};
use super::testing::one_column;
use super::{BatchSource, StreamReader, export_batch, export_stream, import_batch, import_values, take_stream};
use crate::error::{ErrorKind, Result, bail};

/// PITFALLS X6.
#[test]
fn an_exported_batch_has_no_dangling_pointers() {
    fn check(raw: &RawArray) {
        assert_eq!(raw.children.is_null(), raw.n_children == 0);
        assert_eq!(raw.buffers.is_null(), raw.n_buffers == 0);
        for index in 0..raw.n_buffers as usize {
            // SAFETY: there are as many.
            let buffer = unsafe { *raw.buffers.add(index) };
            assert!(buffer.is_null() || buffer.addr() >= FIRST_PAGE);
        }
        for index in 0..raw.n_children as usize {
            // SAFETY: there are as many.
            check(unsafe { &**raw.children.add(index) });
        }
    }
    let empty = RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new("c", DataType::Utf8, true)])));
    for batch in [empty, one_column(Arc::new(StringArray::from(vec![""]))), one_column(Arc::new(NullArray::new(3)))] {
        let array = export_batch(batch.clone());
        check(RawArray::of(&array));
        assert_eq!(import_batch(array, &batch.schema(), true).unwrap(), batch);
    }
}

/// A child that was moved out is released by itself, before its parent or after it.
#[test]
fn children_can_be_moved_out() {
    let columns: Vec<(&str, arrow_array::ArrayRef)> = vec![
        ("number", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
        ("text", Arc::new(StringArray::from(vec!["a", "", "c"]))),
        ("others", Arc::new(arrow_array::StringViewArray::from(vec!["a", "b", "c"]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let held = || Arc::strong_count(batch.column(0)) + Arc::strong_count(batch.column(1));
    let before = held();
    for parent_first in [true, false] {
        for at in 0..3 {
            let mut parent = export_batch(batch.clone());
            // SAFETY: the array has as many children, each of which may be moved as the specification says.
            let child = unsafe { FFI_ArrowArray::from_raw((*RawArray::of(&parent).children.add(at)).cast()) };
            if parent_first {
                drop(std::mem::replace(&mut parent, FFI_ArrowArray::empty()));
            }
            let data = batch.column(at).data_type().clone();
            assert_eq!(&import_values(child, &data).unwrap(), batch.column(at));
            drop(parent);
            assert_eq!(held(), before);
        }
    }
}

struct Source {
    left: i32,
    fail_at: i32,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl BatchSource for Source {
    fn schema(&mut self) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::new(vec![Field::new("c", DataType::Int32, true)])))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.left == self.fail_at {
            bail!(Trimmed, "position 3 was\0trimmed");
        }
        if self.left == -7 {
            panic!("in a source");
        }
        self.left -= 1;
        Ok((self.left >= 0).then(|| one_column(Arc::new(Int32Array::from(vec![self.left])))))
    }
}

fn source(left: i32, fail_at: i32) -> (Source, Arc<AtomicUsize>) {
    let dropped = Arc::new(AtomicUsize::new(0));
    (Source { left, fail_at, dropped: Arc::clone(&dropped) }, dropped)
}

#[test]
fn streams_end_fail_and_are_released_once() {
    let (ours, dropped) = source(3, -9);
    let batches: Vec<_> = RecordBatchStreamReader::try_new(export_stream(ours)).unwrap().map(|batch| batch.unwrap()).collect();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);

    let (ours, dropped) = source(3, 2);
    let mut reader = RecordBatchStreamReader::try_new(export_stream(ours)).unwrap();
    assert!(reader.next().unwrap().is_ok());
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("position 3 was\\0trimmed") && error.contains(&libc::ENOENT.to_string()), "{error}");
    drop(reader);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);

    let (ours, _) = source(-7, -9);
    let error = RecordBatchStreamReader::try_new(export_stream(ours)).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("a panic was caught") && error.contains("in a source"), "{error}");
}

#[test]
fn streams_are_read_and_released_once() {
    for (fail_at, batches) in [(-9, 3), (1, 2)] {
        let (ours, dropped) = source(3, fail_at);
        let mut stream = export_stream(ours);
        // SAFETY: a valid stream.
        let taken = unsafe { take_stream(&raw mut stream) };
        assert!(stream.release().is_none(), "the caller's is marked");
        let mut reader = StreamReader::new(taken.stream().unwrap()).unwrap();
        let schema = Arc::new(reader.schema().unwrap());
        for _ in 0..batches {
            let batch = import_batch(reader.next().unwrap().unwrap(), &schema, true).unwrap();
            assert_eq!(batch.num_rows(), 1);
        }
        match reader.next() {
            Ok(end) => assert!(end.is_none() && fail_at < 0),
            Err(error) => assert!(error.message().contains("get_next failed with 2: position 3"), "{error}"),
        }
        drop(reader);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}

/// A producer that does nothing right.
#[test]
fn streams_may_lack_anything() {
    unsafe extern "C" fn fails(_: *mut FFI_ArrowArrayStream, _: *mut FFI_ArrowSchema) -> c_int {
        5
    }
    unsafe extern "C" fn says_nothing(_: *mut FFI_ArrowArrayStream, _: *mut FFI_ArrowSchema) -> c_int {
        0
    }
    unsafe extern "C" fn ends(_: *mut FFI_ArrowArrayStream, _: *mut FFI_ArrowArray) -> c_int {
        0
    }
    unsafe extern "C" fn no_text(_: *mut FFI_ArrowArrayStream) -> *const c_char {
        std::ptr::null()
    }
    unsafe extern "C" fn release(stream: *mut FFI_ArrowArrayStream) {
        // SAFETY: set below.
        unsafe { (*(*stream).private_data().cast::<AtomicUsize>()).fetch_add(1, Ordering::SeqCst) };
    }
    let released = AtomicUsize::new(0);
    let private = (&raw const released).cast_mut().cast::<c_void>();
    // SAFETY: the callbacks go with the private data.
    let stream = |get_schema, get_next, text| unsafe {
        StreamReader::new(FFI_ArrowArrayStream::new_unchecked(get_schema, get_next, text, Some(release), private))
    };
    assert!(stream(None, Some(ends), None).is_err());
    assert!(stream(Some(fails), None, None).is_err());
    for text in [None, Some(no_text as unsafe extern "C" fn(_) -> _)] {
        let error = stream(Some(fails), Some(ends), text).unwrap().schema().unwrap_err();
        assert!(error.message().contains("get_schema failed with 5: "), "{error}");
    }
    let error = stream(Some(says_nothing), Some(ends), None).unwrap().schema().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(stream(Some(fails), Some(ends), None).unwrap().next().unwrap().is_none());
    assert_eq!(released.load(Ordering::SeqCst), 6);
    // SAFETY: NULL, then one that is released.
    unsafe {
        assert!(take_stream(std::ptr::null_mut()).stream().is_err());
        let mut empty = FFI_ArrowArrayStream::empty();
        assert!(take_stream(&raw mut empty).stream().is_err_and(|e| e.message().contains("released")));
    }
}
