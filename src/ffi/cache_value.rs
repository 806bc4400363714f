//! Values of a cache, as leases.

use std::sync::OnceLock;

use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use bytes::Bytes;

use super::arrow;
use super::arrow_out::ArrowOut;
use super::completion::WeirResult;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use crate::cache::{Kind, Value};

/// What a cached value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirCacheKind {
    /// Nothing: the value is NULL.
    None = 0,
    /// Opaque bytes.
    Bytes = 1,
    /// An Arrow batch.
    Batch = 2,
    /// An object of weir's own, such as a decoded entry. A backend keeps it as it is, or its bytes if it has some.
    Object = 3,
}

/// A lease on a cached value: what it holds stays valid and as it is, also after the entry is evicted, replaced or invalidated, until
/// the lease is freed. Immutable; it may be used from any thread.
pub struct WeirCacheValue {
    _opaque: [u8; 0],
}

/// What is inside.
pub(crate) struct Lease {
    pub value: Value,
    /// The bytes of an object, made when they are first asked for.
    encoded: OnceLock<Option<Bytes>>,
}

impl Opaque for WeirCacheValue {
    type Core = Lease;
    const MAGIC: u32 = u32::from_be_bytes(*b"valu");
    const NAME: &'static str = "cached value";
    const RESULT: i32 = WeirResult::CacheValue as i32;
}

impl WeirCacheValue {
    /// A lease on `value`.
    pub(crate) fn of(value: Value) -> Owned<Self> {
        Owned::new(Lease { value, encoded: OnceLock::new() })
    }
}

impl Lease {
    fn bytes(&self) -> &[u8] {
        match self.value.kind() {
            Kind::Bytes => self.value.as_bytes().map_or(&[], |bytes| bytes),
            Kind::Batch => &[],
            Kind::Object => self.encoded.get_or_init(|| self.value.encoded()).as_deref().unwrap_or(&[]),
        }
    }
}

/// What the value is: a `WEIR_CACHE_KIND_*`; WEIR_CACHE_KIND_NONE for NULL.
///
/// # Safety
///
/// `value` is NULL or a value that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_value_kind(value: *const WeirCacheValue) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(value) }.map_or(WeirCacheKind::None as i32, |handle| handle.core.value.kind() as i32)
}

/// The bytes of a value, borrowed until it is freed: those that were inserted, or those that an object encodes to. NULL if there are
/// none, as for a batch.
///
/// # Safety
///
/// `value` is NULL or a value that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_value_data(value: *const WeirCacheValue) -> *const u8 {
    // SAFETY: the caller's promise.
    match unsafe { handle::peek(value) }.map(|handle| handle.core.bytes()) {
        // PITFALLS X6: empty is (NULL, 0).
        Ok(bytes) if !bytes.is_empty() => bytes.as_ptr(),
        _ => std::ptr::null(),
    }
}

/// The number of bytes at weir_cache_value_data(); 0 for NULL.
///
/// # Safety
///
/// `value` is NULL or a value that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_value_len(value: *const WeirCacheValue) -> usize {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(value) }.map_or(0, |handle| handle.core.bytes().len())
}

/// Exports the batch of a value, without copying. It stays valid after the value is freed.
///
/// @param value   the value
/// @param array   receives the batch as a struct array; call its `release`
/// @param schema  receives its schema; call its `release`
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT if it is not a batch
///
/// # Safety
///
/// `value` is NULL or a value that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_value_batch(
    value: *const WeirCacheValue,
    array: *mut FFI_ArrowArray,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let (array, schema) = unsafe { (ArrowOut::clear("array", array), ArrowOut::clear("schema", schema)) };
    let body = |value: &Handle<WeirCacheValue>| {
        array.check()?;
        schema.check()?;
        let value = &value.core.value;
        let batch = value.as_batch().ok_or_else(|| value.mismatch("a batch"))?;
        schema.set(arrow::export_schema(batch.schema_ref())?);
        array.set(arrow::export_batch(batch.clone()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(value, error, body) }
}

/// Frees a value. NULL is allowed.
///
/// # Safety
///
/// `value` is NULL or a value that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_value_free(value: *mut WeirCacheValue) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(value) };
}
