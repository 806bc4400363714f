//! What every export runs under.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use super::error::{WeirError, WeirStatus};
use super::handle::{self, Handle, Opaque};
use crate::error::{Error, ErrorKind, Result, err};
use crate::runtime;

thread_local! {
    /// How many guards this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Where the last panic under a guard came from.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `body` as the whole of an export: clears `*error`, refuses the child of a fork, catches panics, reports.
///
/// # Safety
///
/// `error` is NULL or may be written.
pub(crate) unsafe fn guard(error: *mut *mut WeirError, body: impl FnOnce() -> Result<()>) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { clear(error) };
    let outcome = protect(|| {
        runtime::check_fork()?;
        body()
    });
    match outcome {
        Ok(()) => WeirStatus::Ok,
        // SAFETY: the caller's promise.
        Err(failure) => unsafe { report(error, failure) },
    }
}

/// [`guard`] for a function of a handle: refuses one that is NULL, of another type, freed or poisoned, and poisons it if
/// `body` panics.
///
/// # Safety
///
/// `error` is NULL or may be written. `handle` is NULL, or was made by weir and not freed.
pub(crate) unsafe fn guard_on<O: Opaque>(
    handle: *const O,
    error: *mut *mut WeirError,
    body: impl FnOnce(&Handle<O>) -> Result<()>,
) -> WeirStatus {
    let body = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::get(handle) }?;
        protect(|| body(handle)).inspect_err(|failure| handle.poison_if_panic(failure))
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}

/// Runs `body`; a panic becomes an error.
pub(crate) fn protect<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    quiet_panics();
    let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let _ = DEPTH.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
    outcome.unwrap_or_else(|panic| Err(caught(&*panic)))
}

/// Runs `callback`, code of the caller's: a panic in that is his, and goes where his panics go.
pub(crate) fn callers_code<T>(callback: impl FnOnce() -> T) -> T {
    let depth = DEPTH.try_with(|depth| depth.replace(0)).unwrap_or(0);
    let result = callback();
    let _ = DEPTH.try_with(|cell| cell.set(depth));
    result
}

/// The error of a panic that was caught.
#[cold]
pub(crate) fn caught(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let place = PLACE.try_with(RefCell::take).ok().flatten().unwrap_or_default();
    err!(Panic, "a panic was caught, which is a bug in weir: {}{place}", text.unwrap_or("no message"))
}

/// Has panics that weir catches itself reported as errors and in the log, instead of on stderr, which is the host's.
/// Panics of others go where they went.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = DEPTH.try_with(Cell::get).unwrap_or(0) > 0 || runtime::is_own_thread();
            if ours { note(info) } else { previous(info) }
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| format!(" ({}:{})", short(at.file()), at.line())).unwrap_or_default();
    let text = info.payload_as_str().unwrap_or("no message");
    tracing::error!("panic: {text}{place}");
    let _ = PLACE.try_with(|cell| cell.replace(Some(place)));
}

/// The last parts of a source's path: what is before them is of the machine that built it.
fn short(path: &str) -> &str {
    path.rmatch_indices('/').nth(3).map_or(path, |(at, _)| path.get(at + 1..).unwrap_or(path))
}

unsafe fn clear(error: *mut *mut WeirError) {
    if !error.is_null() {
        // SAFETY: the caller's promise.
        unsafe { error.write(std::ptr::null_mut()) };
    }
}

#[cold]
unsafe fn report(error: *mut *mut WeirError, failure: Error) -> WeirStatus {
    let status = WeirStatus::from(failure.kind());
    if !error.is_null() {
        // SAFETY: the caller's promise.
        unsafe { error.write(WeirError::give(failure)) };
    }
    status
}

/// Whether `failure` says that weir panicked.
pub(crate) fn is_panic(failure: &Error) -> bool {
    failure.kind() == ErrorKind::Panic
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::error::{weir_error_code, weir_error_free, weir_error_message};
    use std::ffi::CStr;
    use std::ptr::null_mut;

    #[test]
    fn a_panic_is_an_error_that_says_where() {
        let mut error = null_mut();
        // SAFETY: a pointer to a local.
        let status = unsafe { guard(&raw mut error, || panic!("number {}", 7)) };
        assert_eq!(status, WeirStatus::Panic);
        // SAFETY: an error of weir's, freed once.
        unsafe {
            assert_eq!(weir_error_code(error), WeirStatus::Panic);
            let text = CStr::from_ptr(weir_error_message(error)).to_str().unwrap();
            assert!(text.contains("number 7") && text.contains("guard.rs:"), "{text}");
            weir_error_free(error);
        }
    }

    /// PITFALLS X1: `*error` is of this call alone, also where the last one failed.
    #[test]
    fn error_is_cleared_on_entry() {
        let mut error = std::ptr::dangling_mut::<WeirError>();
        // SAFETY: a pointer to a local.
        assert_eq!(unsafe { guard(&raw mut error, || Ok(())) }, WeirStatus::Ok);
        assert!(error.is_null());
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { guard(null_mut(), || Err(err!(Fenced, "no"))) }, WeirStatus::Fenced);
    }

    #[test]
    fn paths_are_shortened() {
        assert_eq!(short("src/ffi/guard.rs"), "src/ffi/guard.rs");
        assert_eq!(short("/home/x/y/z/a-1.0/src/b/c.rs"), "a-1.0/src/b/c.rs");
    }
}
