//! Status codes and errors.

use std::ffi::{CStr, CString, c_char};

use parking_lot::Mutex;

use super::args;
use super::handle::{self, Opaque, Owned};
use crate::error::{Action, Detail, Error, ErrorKind};

/// What a call came to. The numbers are never reused; a later version may add some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirStatus {
    /// Success.
    Ok = 0,
    /// An argument, option or URL is not valid.
    InvalidArgument = 1,
    /// A batch does not have the writer's schema, or a schema cannot be stored.
    SchemaMismatch = 2,
    /// Arrow data handed in breaks the format's rules (counts, offsets, UTF-8, nulls).
    InvalidData = 3,
    /// The root, shard, entry or object does not exist.
    NotFound = 4,
    /// What was to be created exists.
    AlreadyExists = 5,
    /// The store, scheme, format or feature is not supported by this build or that server.
    Unsupported = 6,
    /// The store failed; for a write, the outcome may be unknown (see the message).
    Storage = 7,
    /// The store has no room left.
    StorageFull = 8,
    /// The store refused access.
    PermissionDenied = 9,
    /// Bytes on storage are not what was written.
    Corruption = 10,
    /// Another writer claimed the shard with a higher epoch.
    Fenced = 11,
    /// An append failed for good; memory may be ahead of the log.
    Poisoned = 12,
    /// The shard is sealed against writers.
    Sealed = 13,
    /// The position was trimmed from the log.
    Trimmed = 14,
    /// The limit on pending bytes is reached.
    Backpressure = 15,
    /// The deadline passed. Nothing was accepted unless the message says so.
    TimedOut = 16,
    /// The call was cancelled or interrupted.
    Cancelled = 17,
    /// The operation was accepted, and whether it took effect is not known.
    OutcomeUnknown = 18,
    /// The handle is closed.
    Closed = 19,
    /// The process forked after the library was used.
    Forked = 20,
    /// A panic was caught: a bug in weir.
    Panic = 21,
    /// A blocking call was made from one of weir's own runtime threads.
    WouldDeadlock = 22,
    /// Lost a race for the shard to another claimer.
    Conflict = 23,
    /// A spill store's cap is reached.
    DiskCapExceeded = 24,
    /// An invariant of weir's does not hold: a bug.
    Internal = 25,
}

impl From<ErrorKind> for WeirStatus {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArgument => Self::InvalidArgument,
            ErrorKind::SchemaMismatch => Self::SchemaMismatch,
            ErrorKind::InvalidData => Self::InvalidData,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::AlreadyExists => Self::AlreadyExists,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::Storage => Self::Storage,
            ErrorKind::StorageFull => Self::StorageFull,
            ErrorKind::PermissionDenied => Self::PermissionDenied,
            ErrorKind::Corruption => Self::Corruption,
            ErrorKind::Fenced => Self::Fenced,
            ErrorKind::Poisoned => Self::Poisoned,
            ErrorKind::Sealed => Self::Sealed,
            ErrorKind::Trimmed => Self::Trimmed,
            ErrorKind::Backpressure => Self::Backpressure,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::OutcomeUnknown => Self::OutcomeUnknown,
            ErrorKind::Closed => Self::Closed,
            ErrorKind::Forked => Self::Forked,
            ErrorKind::Panic => Self::Panic,
            ErrorKind::WouldDeadlock => Self::WouldDeadlock,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::DiskCapExceeded => Self::DiskCapExceeded,
            ErrorKind::Internal => Self::Internal,
        }
    }
}

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirAction {
    /// There is no error.
    None = 0,
    /// The same call may succeed later.
    Retry = 1,
    /// Open the handle again; what was acknowledged is safe.
    Reopen = 2,
    /// Correct the argument, the data or the environment.
    Fix = 3,
    /// Stop: someone else owns the shard, or its data is damaged.
    Stop = 4,
    /// Report a bug.
    Report = 5,
}

/// An error: a code, what to do about it, a message and typed details. Owned by whoever received it; free it with
/// weir_error_free(). Its functions may be called from any thread.
pub struct WeirError {
    _opaque: [u8; 0],
}

pub(crate) struct ErrorCore {
    error: Error,
    message: CString,
    /// Texts that were asked for, NUL-terminated, for the error's life.
    texts: Mutex<Vec<(String, CString)>>,
}

impl Opaque for WeirError {
    type Core = ErrorCore;
    const MAGIC: u32 = u32::from_be_bytes(*b"erro");
    const NAME: &'static str = "error";
}

impl WeirError {
    /// Gives `error` to the caller.
    pub(crate) fn give(error: Error) -> *mut Self {
        let message = c_string(error.message());
        Owned::<Self>::new(ErrorCore { error, message, texts: Mutex::default() }).into_raw()
    }
}

/// `text` for C, which ends it at the first NUL.
fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| CString::new(text.replace('\0', "\\0")).unwrap_or_default())
}

/// The code of an error, WEIR_STATUS_OK for NULL.
///
/// # Safety
///
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_code(error: *const WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(error) }.map_or(WeirStatus::Ok, |handle| handle.core.error.kind().into())
}

/// The message of an error: NUL-terminated UTF-8 that names the object, position, epoch or counts concerned. Borrowed for
/// the error's life; an empty text for NULL.
///
/// # Safety
///
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_message(error: *const WeirError) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(error) }.map_or(c"".as_ptr(), |handle| handle.core.message.as_ptr())
}

/// What to do about an error, WEIR_ACTION_NONE for NULL.
///
/// # Safety
///
/// `error` is NULL or an error that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_action(error: *const WeirError) -> WeirAction {
    // SAFETY: the caller's promise.
    match unsafe { handle::peek(error) }.map(|handle| handle.core.error.action()) {
        Err(_) => WeirAction::None,
        Ok(Action::Retry) => WeirAction::Retry,
        Ok(Action::Reopen) => WeirAction::Reopen,
        Ok(Action::Fix) => WeirAction::Fix,
        Ok(Action::Stop) => WeirAction::Stop,
        Ok(Action::Report) => WeirAction::Report,
    }
}

/// Looks up the number that an error carries under `name`, such as `position` or `epoch`.
///
/// @param name   the detail's name, NUL-terminated
/// @param value  receives the number; untouched if there is none
/// @return whether there is such a number
///
/// # Safety
///
/// `error` is NULL or an error that was not freed, `name` is NULL or NUL-terminated, `value` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_detail_u64(error: *const WeirError, name: *const c_char, value: *mut u64) -> bool {
    // SAFETY: the caller's promise.
    let (Ok(handle), Ok(name)) = (unsafe { handle::peek(error) }, unsafe { args::text("name", name) }) else { return false };
    let Some(number) = handle.core.error.detail_u64(name) else { return false };
    if !value.is_null() {
        // SAFETY: the caller's promise.
        unsafe { value.write(number) };
    }
    true
}

/// Looks up the text that an error carries under `name`, such as `path` or `shard`.
///
/// @param name   the detail's name, NUL-terminated
/// @param value  receives the text, NUL-terminated, borrowed for the error's life; untouched if there is none
/// @return whether there is such a text
///
/// # Safety
///
/// `error` is NULL or an error that was not freed, `name` is NULL or NUL-terminated, `value` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_detail_str(error: *const WeirError, name: *const c_char, value: *mut *const c_char) -> bool {
    // SAFETY: the caller's promise.
    let (Ok(handle), Ok(name)) = (unsafe { handle::peek(error) }, unsafe { args::text("name", name) }) else { return false };
    let Some(Detail::Str(text)) = handle.core.error.detail(name) else { return false };
    let mut texts = handle.core.texts.lock();
    let pointer = match texts.iter().find(|(known, _)| known == name) {
        Some((_, text)) => text.as_ptr(),
        None => {
            // Its bytes stay where they are when the list grows.
            let text = c_string(text);
            let pointer = text.as_ptr();
            texts.push((name.to_owned(), text));
            pointer
        }
    };
    if !value.is_null() {
        // SAFETY: the caller's promise.
        unsafe { value.write(pointer) };
    }
    true
}

/// Frees an error. NULL is allowed.
///
/// # Safety
///
/// `error` is NULL or an error that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_error_free(error: *mut WeirError) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(error) };
}

/// The name of a status code, such as `WEIR_STATUS_FENCED`; `WEIR_STATUS_UNKNOWN` for a number that is none. A constant.
#[unsafe(no_mangle)]
pub extern "C" fn weir_status_name(status: i32) -> *const c_char {
    const NAMES: [&CStr; 26] = [
        c"WEIR_STATUS_OK",
        c"WEIR_STATUS_INVALID_ARGUMENT",
        c"WEIR_STATUS_SCHEMA_MISMATCH",
        c"WEIR_STATUS_INVALID_DATA",
        c"WEIR_STATUS_NOT_FOUND",
        c"WEIR_STATUS_ALREADY_EXISTS",
        c"WEIR_STATUS_UNSUPPORTED",
        c"WEIR_STATUS_STORAGE",
        c"WEIR_STATUS_STORAGE_FULL",
        c"WEIR_STATUS_PERMISSION_DENIED",
        c"WEIR_STATUS_CORRUPTION",
        c"WEIR_STATUS_FENCED",
        c"WEIR_STATUS_POISONED",
        c"WEIR_STATUS_SEALED",
        c"WEIR_STATUS_TRIMMED",
        c"WEIR_STATUS_BACKPRESSURE",
        c"WEIR_STATUS_TIMED_OUT",
        c"WEIR_STATUS_CANCELLED",
        c"WEIR_STATUS_OUTCOME_UNKNOWN",
        c"WEIR_STATUS_CLOSED",
        c"WEIR_STATUS_FORKED",
        c"WEIR_STATUS_PANIC",
        c"WEIR_STATUS_WOULD_DEADLOCK",
        c"WEIR_STATUS_CONFLICT",
        c"WEIR_STATUS_DISK_CAP_EXCEEDED",
        c"WEIR_STATUS_INTERNAL",
    ];
    let name = usize::try_from(status).ok().and_then(|index| NAMES.get(index));
    name.map_or(c"WEIR_STATUS_UNKNOWN".as_ptr(), |name| name.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null;

    #[test]
    fn codes_and_names_are_those_of_the_core() {
        for kind in ErrorKind::ALL {
            assert_eq!(WeirStatus::from(kind) as i32, kind.code());
            // SAFETY: a constant.
            let name = unsafe { CStr::from_ptr(weir_status_name(kind.code())) };
            assert_eq!(name.to_str().unwrap().strip_prefix("WEIR_STATUS_"), Some(kind.name()));
        }
        for none in [-1, 26, i32::MAX, i32::MIN] {
            // SAFETY: a constant.
            assert_eq!(unsafe { CStr::from_ptr(weir_status_name(none)) }, c"WEIR_STATUS_UNKNOWN");
        }
    }

    #[test]
    fn details_are_typed_and_live_as_long_as_the_error() {
        let error = Error::new(ErrorKind::Fenced, "a\0b").with_u64("epoch", 7).with_str("path", "a/b");
        let error = WeirError::give(error);
        // SAFETY: a live error, freed once.
        unsafe {
            assert_eq!(CStr::from_ptr(weir_error_message(error)), c"a\\0b");
            assert_eq!(weir_error_action(error), WeirAction::Stop);
            let (mut number, mut first, mut second) = (0, null(), null());
            assert!(weir_error_detail_u64(error, c"epoch".as_ptr(), &raw mut number) && number == 7);
            assert!(!weir_error_detail_u64(error, c"path".as_ptr(), &raw mut number) && number == 7);
            assert!(!weir_error_detail_str(error, c"epoch".as_ptr(), &raw mut first) && first.is_null());
            assert!(weir_error_detail_str(error, c"path".as_ptr(), &raw mut first));
            assert!(weir_error_detail_str(error, c"path".as_ptr(), &raw mut second));
            assert_eq!((CStr::from_ptr(first), first), (c"a/b", second));
            assert!(
                !weir_error_detail_str(error, null(), &raw mut first) && !weir_error_detail_u64(null(), c"x".as_ptr(), &raw mut number)
            );
            weir_error_free(error);
            weir_error_free(std::ptr::null_mut());
            assert_eq!((weir_error_code(null()), weir_error_action(null())), (WeirStatus::Ok, WeirAction::None));
            assert_eq!(CStr::from_ptr(weir_error_message(null())), c"");
        }
    }
}
