//! Opaque handles: an `Arc` inside, a mark that tells their type, and poison after a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::guard::is_panic;
use crate::error::{Error, Result, err};
use crate::runtime;

/// A type of the header that C knows by pointer only. What is behind the pointer is a [`Handle`] of it.
pub(crate) trait Opaque: Sized + 'static {
    /// What is inside.
    type Core: Send + Sync + 'static;
    /// Tells its handles from others', and from what was freed. Four letters.
    const MAGIC: u32;
    /// What to call it in messages.
    const NAME: &'static str;
    /// The `WEIR_RESULT_*` under which events carry it; 0 if none do.
    const RESULT: i32 = 0;
}

/// What is behind a pointer to `O`.
#[repr(C)]
pub(crate) struct Handle<O: Opaque> {
    magic: AtomicU32,
    poison: OnceLock<Error>,
    pub(crate) core: O::Core,
}

const FREED: u32 = u32::from_be_bytes(*b"FREE");

static LIVE: AtomicU64 = AtomicU64::new(0);

impl<O: Opaque> Handle<O> {
    /// Refuses every later call on the handle if `failure` is a panic's.
    pub(crate) fn poison_if_panic(&self, failure: &Error) {
        if is_panic(failure) {
            let _ = self.poison.set(failure.clone());
        }
    }

    /// The error of a handle that was poisoned.
    pub(crate) fn check(&self) -> Result<()> {
        match self.poison.get() {
            None => Ok(()),
            Some(cause) => Err(cause.clone().context(format_args!("this {} was poisoned by an earlier call", O::NAME))),
        }
    }
}

/// A handle that is the receiver's to free; frees itself if it is not received.
pub(crate) struct Owned<O: Opaque>(*mut O);

// SAFETY: the only reference to a handle, whose core is `Send` and `Sync`.
unsafe impl<O: Opaque> Send for Owned<O> {}

impl<O: Opaque> Owned<O> {
    /// A new handle on `core`.
    pub(crate) fn new(core: O::Core) -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        let handle = Handle::<O> { magic: AtomicU32::new(O::MAGIC), poison: OnceLock::new(), core };
        Self(Arc::into_raw(Arc::new(handle)).cast_mut().cast())
    }

    /// Gives it away.
    pub(crate) fn into_raw(self) -> *mut O {
        let pointer = self.0;
        std::mem::forget(self);
        pointer
    }
}

impl<O: Opaque> Drop for Owned<O> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and not given away.
        unsafe { free(self.0) };
    }
}

/// The handle behind `pointer`, whatever became of it.
///
/// # Safety
///
/// `pointer` is NULL, or was made by weir and not freed. The result is used only while that holds.
pub(crate) unsafe fn peek<'a, O: Opaque>(pointer: *const O) -> Result<&'a Handle<O>> {
    if pointer.is_null() {
        return Err(err!(InvalidArgument, "the {} is NULL", O::NAME));
    }
    if !pointer.cast::<Handle<O>>().is_aligned() {
        return Err(err!(InvalidArgument, "the pointer to the {} is not one of weir's", O::NAME));
    }
    // SAFETY: the caller's promise; whatever handle of weir's it is, it begins with its mark.
    let magic = unsafe { (*pointer.cast::<AtomicU32>()).load(Ordering::Relaxed) };
    match magic {
        // SAFETY: the mark says that it is one of these.
        magic if magic == O::MAGIC => Ok(unsafe { &*pointer.cast::<Handle<O>>() }),
        FREED => Err(err!(InvalidArgument, "the {} was freed", O::NAME)),
        _ => Err(err!(InvalidArgument, "the pointer is not one to a {} of weir's", O::NAME)),
    }
}

/// The handle behind `pointer`, if it may be used.
///
/// # Safety
///
/// As for [`peek`].
pub(crate) unsafe fn get<'a, O: Opaque>(pointer: *const O) -> Result<&'a Handle<O>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { peek(pointer) }?;
    handle.check()?;
    Ok(handle)
}

/// A share of the handle behind `pointer`, which outlives its `free`.
///
/// # Safety
///
/// As for [`peek`].
pub(crate) unsafe fn share<O: Opaque>(pointer: *const O) -> Result<Arc<Handle<O>>> {
    // SAFETY: the caller's promise.
    let handle: *const Handle<O> = unsafe { get(pointer) }?;
    // SAFETY: made by `Arc::into_raw`, and one count is the caller's as long as it is not freed.
    unsafe {
        Arc::increment_strong_count(handle);
        Ok(Arc::from_raw(handle))
    }
}

/// Frees the caller's share. NULL is allowed.
///
/// # Safety
///
/// `pointer` is NULL, or was made by weir and not freed, and is not used any more.
pub(crate) unsafe fn free<O: Opaque>(pointer: *mut O) {
    if pointer.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let handle = match unsafe { peek(pointer.cast_const()) } {
        Ok(handle) if handle.magic.swap(FREED, Ordering::Relaxed) == O::MAGIC => std::ptr::from_ref(handle),
        // Nothing can be returned, and what it is must not be touched.
        _ => return tracing::error!("a pointer was freed as a {} that is none, or is freed already", O::NAME),
    };
    LIVE.fetch_sub(1, Ordering::Relaxed);
    // What belongs to threads of the parent's cannot be undone in a forked child: better leaked than hung.
    if runtime::is_forked() {
        return;
    }
    // SAFETY: the count that `into_raw` left to the caller.
    let handle = unsafe { Arc::from_raw(handle) };
    if catch_unwind(AssertUnwindSafe(|| drop(handle))).is_err() {
        tracing::error!("a panic while a {} was freed was caught", O::NAME);
    }
}

/// The number of objects that the library has given out and that were not freed yet: handles, errors, buffers, entries and
/// manifests. A program that frees all that it gets ends with 0.
#[unsafe(no_mangle)]
pub extern "C" fn weir_live_handles() -> u64 {
    LIVE.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    struct Thing;
    impl Opaque for Thing {
        type Core = Arc<()>;
        const MAGIC: u32 = 1;
        const NAME: &'static str = "thing";
    }
    struct Other;
    impl Opaque for Other {
        type Core = u8;
        const MAGIC: u32 = 2;
        const NAME: &'static str = "other thing";
    }

    #[test]
    fn types_are_told_apart_and_null_is_refused() {
        let core = Arc::new(());
        let thing = Owned::<Thing>::new(Arc::clone(&core)).into_raw();
        // SAFETY: a live handle, of another type where that is refused, freed once.
        unsafe {
            assert!(get::<Thing>(thing).is_ok());
            let error = get::<Other>(thing.cast()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(get::<Thing>(std::ptr::null()).is_err());
            assert!(get::<Thing>(std::ptr::without_provenance(3)).is_err());
            free::<Other>(thing.cast());
            assert_eq!(Arc::strong_count(&core), 2, "freed as something else");
            let shared = share(thing).unwrap();
            free(thing);
            assert_eq!(Arc::strong_count(&core), 2, "an operation still holds it");
            assert!(get::<Thing>(thing).is_err_and(|e| e.message().contains("freed")));
            drop(shared);
            free::<Thing>(std::ptr::null_mut());
        }
        assert_eq!(Arc::strong_count(&core), 1);
    }

    /// C_ABI rule 4: a panic poisons that handle alone.
    #[test]
    fn poison_stays_and_names_its_cause() {
        let (one, two) = (Owned::<Other>::new(1), Owned::<Other>::new(2));
        // SAFETY: live handles.
        unsafe {
            let status = crate::ffi::guard::guard_on(one.0, std::ptr::null_mut(), |_| panic!("broken"));
            assert_eq!(status, crate::ffi::error::WeirStatus::Panic);
            let error = get(one.0).err().unwrap();
            assert!(error.kind() == ErrorKind::Panic && error.message().contains("broken"), "{error}");
            assert!(get(two.0).is_ok());
        }
    }
}
