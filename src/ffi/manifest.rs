//! Manifests: what a shard's newest version says.

use std::ffi::c_char;

use super::args::Out;
use super::completion::WeirResult;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque};
use crate::error::err;
use crate::shard::Manifest;

/// One version of a shard's manifest, as read. Immutable; it may be used from any thread.
pub struct WeirManifest {
    _opaque: [u8; 0],
}

impl Opaque for WeirManifest {
    type Core = Manifest;
    const MAGIC: u32 = u32::from_be_bytes(*b"mani");
    const NAME: &'static str = "manifest";
    const RESULT: i32 = WeirResult::Manifest as i32;
}

unsafe fn number(manifest: *const WeirManifest, get: impl FnOnce(&Manifest) -> u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(manifest) }.map_or(0, |handle| get(&handle.core))
}

/// The version, 1 or more; 0 for NULL.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_version(manifest: *const WeirManifest) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.version) }
}

/// The epoch of the writer that owns the shard; 0 before the first claim.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_writer_epoch(manifest: *const WeirManifest) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.writer_epoch) }
}

/// The position up to which generations cover the log; replay starts after it.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_replay_after(manifest: *const WeirManifest) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.replay_after_wal_entry_position) }
}

/// A position that was in the log when the version was written: a hint.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_last_seen(manifest: *const WeirManifest) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.wal_entry_position_last_seen) }
}

/// The generation that the owner fills.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_current_generation(manifest: *const WeirManifest) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.current_generation) }
}

/// Whether the shard is sealed against writers.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_is_sealed(manifest: *const WeirManifest) -> bool {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.is_sealed().into()) != 0 }
}

/// The shard spec that the shard belongs to; 0 = none.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_shard_spec_id(manifest: *const WeirManifest) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.shard_spec_id.into()) as u32 }
}

/// The number of published generations.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_sstable_count(manifest: *const WeirManifest) -> usize {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.sstables.len() as u64) as usize }
}

/// The number of the shard spec's fields.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_field_count(manifest: *const WeirManifest) -> usize {
    // SAFETY: the caller's promise.
    unsafe { number(manifest, |manifest| manifest.shard_field_entries.len() as u64) as usize }
}

/// One of the shard spec's fields. The bytes are borrowed for the manifest's life.
///
/// @param manifest   the manifest
/// @param index      which field, from 0
/// @param id         receives the field's id, UTF-8, not NUL-terminated; NULL if empty
/// @param id_len     receives its length in bytes
/// @param value      receives the field's value; NULL if empty
/// @param value_len  receives its length in bytes
/// @param error      receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT if there is no such field
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_field(
    manifest: *const WeirManifest,
    index: usize,
    id: *mut *const c_char,
    id_len: *mut usize,
    value: *mut *const u8,
    value_len: *mut usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let (id, id_len, value, value_len) = unsafe {
        (
            Out::<Borrowed<c_char>>::clear("id", id),
            Out::<usize>::clear("id_len", id_len),
            Out::<Borrowed<u8>>::clear("value", value),
            Out::<usize>::clear("value_len", value_len),
        )
    };
    let body = |manifest: &Handle<WeirManifest>| {
        id.check()?;
        id_len.check()?;
        value.check()?;
        value_len.check()?;
        let fields = &manifest.core.shard_field_entries;
        let field =
            fields.get(index).ok_or_else(|| err!(InvalidArgument, "the manifest has {} fields, and no field {index}", fields.len()))?;
        id.set(Borrowed::of(field.field_id.as_bytes()));
        id_len.set(field.field_id.len());
        value.set(Borrowed::of(&field.value));
        value_len.set(field.value.len());
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(manifest, error, body) }
}

/// Bytes that the caller may read as long as their handle lives.
struct Borrowed<T>(*const T);

impl<T> Borrowed<T> {
    /// PITFALLS X6: empty is NULL.
    fn of(bytes: &[u8]) -> Self {
        Self(if bytes.is_empty() { std::ptr::null() } else { bytes.as_ptr().cast() })
    }
}

impl<T> super::args::Output for Borrowed<T> {
    type C = *const T;
    const NOTHING: *const T = std::ptr::null();
    fn into_c(self) -> *const T {
        self.0
    }
}

/// Frees a manifest. NULL is allowed.
///
/// # Safety
///
/// `manifest` is NULL or a manifest that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_manifest_free(manifest: *mut WeirManifest) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(manifest) };
}
