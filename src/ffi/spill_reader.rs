//! Reading the bytes of a spill from front to back.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::args::{self, Out};
use super::buffer::WeirBuffer;
use super::call::{self, in_turn};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use super::spill::{WeirSpill, room};
use crate::runtime;
use crate::spill::{Queued, SpillReader};

/// A position in a spill, from which its bytes are read one after the other. All functions may be called from any thread at once;
/// they take turns, in the order of their calls.
pub struct WeirSpillReader {
    _opaque: [u8; 0],
}

/// What is inside.
pub(crate) struct Reading {
    reader: Arc<Mutex<SpillReader>>,
    /// The spill's length.
    len: u64,
    blocking: bool,
}

impl Opaque for WeirSpillReader {
    type Core = Reading;
    const MAGIC: u32 = u32::from_be_bytes(*b"sprd");
    const NAME: &'static str = "spill reader";
}

/// Makes a reader that begins at the first byte. There may be many at once. It keeps the spill, which may be freed before it.
///
/// @param spill   the spill; of batches, their encoded bytes are read
/// @param reader  receives the reader; free it with weir_spill_reader_free()
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_reader(
    spill: *const WeirSpill,
    reader: *mut *mut WeirSpillReader,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirSpillReader>>::clear("reader", reader) };
    let body = |spill: &Handle<WeirSpill>| {
        out.check()?;
        let spill = &spill.core.spill;
        let reader = Arc::new(Mutex::new(spill.reader()));
        out.set(Owned::new(Reading { reader, len: spill.len(), blocking: spill.is_blocking() }));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(spill, error, body) }
}

/// Reads the next bytes, straight into the caller's memory if they are many.
///
/// @param reader      the reader
/// @param out         receives the bytes; NULL if `len` is 0
/// @param len         how many bytes are wanted
/// @param timeout_ms  < 0 = for ever
/// @param n           receives how many there are: fewer than `len` only at the end of the spill, 0 when all were read
/// @param error       receives the error, unless NULL; the reader is where it was then
/// @return WEIR_STATUS_OK, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `reader` is NULL or a reader that was not freed; `len` bytes at `out` may be written; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_reader_read(
    reader: *const WeirSpillReader,
    out: *mut u8,
    len: usize,
    timeout_ms: i64,
    n: *mut usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let count = unsafe { Out::<usize>::clear("n", n) };
    let body = |reader: &Handle<WeirSpillReader>| {
        count.check()?;
        // SAFETY: the caller's promise.
        let out = unsafe { args::slice_mut("out", out, len) }?;
        let read = async { reader.core.reader.lock().await.read(out).await };
        count.set(runtime::block_on(read, timeout_ms)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(reader, error, body) }
}

/// weir_spill_reader_read() with a completion: the event's `result` is a buffer with the bytes, empty when all were read. Reads that
/// are under way at once are done in the order of their calls.
///
/// @param reader      the reader
/// @param len         how many bytes are wanted; fewer come only at the end of the spill
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `reader` is NULL or a reader that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_reader_read_async(
    reader: *const WeirSpillReader,
    len: usize,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let decode = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::share(reader) }?;
        let (place, spill_len) = (Queued::new(&handle.core.reader), handle.core.len);
        let read = async move |mut reader: OwnedMutexGuard<SpillReader>| {
            let mut bytes = room(len, spill_len.saturating_sub(reader.position()))?;
            let read = reader.read(&mut bytes).await?;
            bytes.truncate(read);
            Ok(WeirBuffer::of(bytes))
        };
        Ok(in_turn(&handle, handle.core.blocking, async { Ok(place.wait().await) }, read))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer_in_turn(error, completion, decode) }
}

/// Sets where the next read begins, once the reads before it are done. Does no I/O, and waits only for those.
///
/// @param reader      the reader
/// @param offset      from the beginning of the spill, in bytes; beyond its end nothing is read
/// @param timeout_ms  < 0 = for ever. When it passes, the reader is where it was.
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `reader` is NULL or a reader that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_reader_seek(
    reader: *const WeirSpillReader,
    offset: u64,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = |reader: &Handle<WeirSpillReader>| {
        let seek = async {
            reader.core.reader.lock().await.seek(offset);
            Ok(())
        };
        runtime::block_on(seek, timeout_ms)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(reader, error, body) }
}

/// Frees a reader, once what is under way is done. NULL is allowed.
///
/// # Safety
///
/// `reader` is NULL or a reader that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_reader_free(reader: *mut WeirSpillReader) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(reader) };
}
