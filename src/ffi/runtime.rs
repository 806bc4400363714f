//! The process-wide runtime, and versions.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::args;
use super::error::{WeirError, WeirStatus};
use super::guard::{callers_code, guard};
use super::options::{self, Options, field_ends};
use crate::error::{Result, err};
use crate::runtime::{self, Config, Hook};

/// The major version of this header. Another major version is another ABI.
pub const WEIR_VERSION_MAJOR: u32 = 0;
/// The minor version of this header.
pub const WEIR_VERSION_MINOR: u32 = 1;
/// The patch version of this header.
pub const WEIR_VERSION_PATCH: u32 = 0;
/// The version of the ABI that this header describes; a library with the same number serves it. See weir_abi_version().
pub const WEIR_ABI_VERSION: u32 = 0;

/// A function that is called on a thread of weir's, with the `ctx` of the options.
pub type WeirThreadFn = Option<unsafe extern "C" fn(ctx: *mut c_void)>;

/// Options of weir_runtime_configure().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirRuntimeOptions {
    /// `sizeof(WeirRuntimeOptions)`.
    pub struct_size: u32,
    /// Threads that drive requests to object stores; 0 = one per core (default).
    pub worker_threads: u32,
    /// The most threads that call completions, started on demand; 0 = 4 (default).
    pub dispatcher_threads: u32,
    /// Must be 0.
    pub reserved: u32,
    /// What threads' names begin with, copied; NULL = `weir` (default). Linux shows 15 bytes of a name.
    pub thread_name: *const c_char,
    /// Called first on each thread that weir starts, e.g. to attach it to a virtual machine; may be NULL (default).
    pub on_thread_start: WeirThreadFn,
    /// Called last on each thread that weir started; may be NULL (default).
    pub on_thread_stop: WeirThreadFn,
    /// Passed to both; must be valid until the process ends.
    pub ctx: *mut c_void,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirRuntimeOptions {
    const NAME: &'static str = "WeirRuntimeOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(
        WeirRuntimeOptions: struct_size, worker_threads, dispatcher_threads, reserved, thread_name, on_thread_start, on_thread_stop, ctx
    );
    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            worker_threads: 0,
            dispatcher_threads: 0,
            reserved: 0,
            thread_name: std::ptr::null(),
            on_thread_start: None,
            on_thread_stop: None,
            ctx: std::ptr::null_mut(),
        }
    }
}

impl WeirRuntimeOptions {
    unsafe fn decode(&self) -> Result<Config> {
        if self.reserved != 0 {
            return Err(err!(InvalidArgument, "WeirRuntimeOptions.reserved is not 0"));
        }
        // SAFETY: the caller's promise.
        let name = unsafe { args::optional_text("thread_name", self.thread_name) }?;
        Ok(Config {
            worker_threads: self.worker_threads as usize,
            dispatcher_threads: self.dispatcher_threads as usize,
            thread_name: name.unwrap_or("weir").to_owned(),
            on_thread_start: hook(self.on_thread_start, self.ctx),
            on_thread_stop: hook(self.on_thread_stop, self.ctx),
        })
    }
}

fn hook(function: WeirThreadFn, ctx: *mut c_void) -> Option<Hook> {
    struct Context(*mut c_void);
    // SAFETY: who sets a hook promises that it may be called on any thread.
    unsafe impl Send for Context {}
    // SAFETY: the same.
    unsafe impl Sync for Context {}
    let function = function?;
    let context = Context(ctx);
    Some(Arc::new(move || {
        let context = &context;
        // SAFETY: promised by who set the hook.
        callers_code(|| unsafe { function(context.0) });
    }))
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirRuntimeOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_runtime_options_init(options: *mut WeirRuntimeOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

/// Sets how many threads weir may start in this process, their names and hooks. To be called before anything else needs a
/// thread, at most once; without it, defaults hold. Starts none itself.
///
/// @param options  NULL for the defaults
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_ALREADY_EXISTS if it was configured or used before
///
/// # Safety
///
/// `options` is NULL or as described; the hooks may be called with `ctx` on any thread, until the process ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_runtime_configure(options: *const WeirRuntimeOptions, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || runtime::configure(options::read(options)?.decode()?)) }
}

/// Ends weir in this process, for good: what is deleted of spills in object stores is waited for, until the time is up; operations that still
/// run are dropped, so that their completions run with WEIR_STATUS_CANCELLED; waiting calls return WEIR_STATUS_CLOSED; callbacks that are due
/// run; all threads are joined. Close writers before. Handles must still be freed. Calling again is no error.
///
/// @param timeout_ms  how long to wait for the threads, in milliseconds: negative for ever, 0 not at all
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT if threads are left (call again to wait on), WEIR_STATUS_WOULD_DEADLOCK on a
///         thread of weir's, such as in a completion
///
/// # Safety
///
/// `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_runtime_shutdown(timeout_ms: i64, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || runtime::shutdown(timeout_ms)) }
}

/// The version of the library, such as `0.1.0`. A constant.
#[unsafe(no_mangle)]
pub extern "C" fn weir_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the library's ABI. A program or binding refuses a library whose number is not the WEIR_ABI_VERSION that it
/// was built against.
#[unsafe(no_mangle)]
pub extern "C" fn weir_abi_version() -> u32 {
    WEIR_ABI_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn the_macros_are_the_packages_version() {
        let version = format!("{WEIR_VERSION_MAJOR}.{WEIR_VERSION_MINOR}.{WEIR_VERSION_PATCH}");
        // SAFETY: a constant.
        assert_eq!(unsafe { CStr::from_ptr(weir_version()) }.to_str().unwrap(), version);
    }
}
