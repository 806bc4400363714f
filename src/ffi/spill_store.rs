//! Spill stores: scratch space with a budget.

use std::ffi::c_char;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::args::{self, Out};
use super::call::{self, Operation, operation};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::{guard, guard_on};
use super::handle::{self, Handle, Opaque, Owned};
use super::options::{self, Options, field_ends};
use super::session::WeirSession;
use super::sized_out::{SizedOut, sized};
use crate::error::{Result, bail};
use crate::runtime;
use crate::session::Session;
use crate::spill::{SpillBackend, SpillConfig, SpillStore};
use crate::store::Settings;

/// Scratch space for what does not fit into memory: sort runs, partitions, hash tables. What is written is deleted when its last
/// reader lets go of it, and reclaimed by the same user's next process at that place if this one is killed. All that is written
/// through a store obeys its cap together. All functions may be called from any thread at once.
pub struct WeirSpillStore {
    _opaque: [u8; 0],
}

impl Opaque for WeirSpillStore {
    type Core = SpillStore;
    const MAGIC: u32 = u32::from_be_bytes(*b"spst");
    const NAME: &'static str = "spill store";
}

/// Where a spill store keeps its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirSpillBackend {
    /// In files of a local directory.
    Local = 0,
    /// In memory.
    Memory = 1,
    /// In objects of an object store.
    Object = 2,
    /// In memory up to `memory_bytes`, then in files of a local directory.
    Tiered = 3,
}

/// Options of weir_spill_store_new().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirSpillStoreOptions {
    /// `sizeof(WeirSpillStoreOptions)`.
    pub struct_size: u32,
    /// A `WEIR_SPILL_BACKEND_*`; default WEIR_SPILL_BACKEND_LOCAL.
    pub backend: i32,
    /// LOCAL and TIERED: the directory, which is made when it is first written to, with its parents and for this user alone (mode 0700);
    /// any number of stores may share it. NULL (default) = `weir-spill` below the operating system's directory for temporary files, for
    /// all users (mode 1777), or `weir-spill-<user id>` where that was made by neither root nor this user. Each store makes a locked
    /// directory of its own in it, and removes those that killed processes of the same user left (as root: of any user); other users'
    /// are left alone. On network file systems, FUSE and folders shared with a host, where a living owner's lock may not be seen,
    /// nothing is removed but what is the store's own. OBJECT: the URL. MEMORY: NULL.
    pub location: *const c_char,
    /// The most bytes that may be held at once; UINT64_MAX (default) = no cap, 0 = nothing may be written.
    pub cap_bytes: u64,
    /// TIERED: the most bytes that are kept in memory.
    pub memory_bytes: u64,
    /// LOCAL and TIERED: a write that would leave less free on the file system is refused; -1 (default) = 5 % of it or 1 GiB, whichever
    /// is smaller; 0 = no such floor.
    pub min_free_bytes: i64,
    /// OBJECT: what a store that is gone left behind is deleted after so many milliseconds, 60,000 or more; -1 (default) = 24 hours. A
    /// store that is stopped or cut off for longer is taken for gone.
    pub reclaim_age_ms: i64,
    /// The buffer of each writer, in bytes; default 64 KiB.
    pub buffer_bytes: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirSpillStoreOptions {
    const NAME: &'static str = "WeirSpillStoreOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirSpillStoreOptions: struct_size, backend, location, cap_bytes, memory_bytes,
        min_free_bytes, reclaim_age_ms, buffer_bytes, reserved);
    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            backend: WeirSpillBackend::Local as i32,
            location: std::ptr::null(),
            cap_bytes: u64::MAX,
            memory_bytes: 0,
            min_free_bytes: -1,
            reclaim_age_ms: -1,
            buffer_bytes: SpillConfig::default().buffer_bytes as u32,
            reserved: 0,
        }
    }
}

impl WeirSpillStoreOptions {
    unsafe fn decode(&self) -> Result<SpillConfig> {
        const LOCAL: i32 = WeirSpillBackend::Local as i32;
        const MEMORY: i32 = WeirSpillBackend::Memory as i32;
        const OBJECT: i32 = WeirSpillBackend::Object as i32;
        const TIERED: i32 = WeirSpillBackend::Tiered as i32;
        if self.reserved != 0 {
            bail!(InvalidArgument, "WeirSpillStoreOptions.reserved is not 0");
        }
        // SAFETY: the caller's promise.
        let location = unsafe { args::optional_text("location", self.location) }?;
        let directory = location.map(PathBuf::from);
        let backend = match (self.backend, location) {
            (LOCAL, _) => SpillBackend::Local { directory },
            (TIERED, _) => SpillBackend::Tiered { directory, memory_bytes: self.memory_bytes },
            (MEMORY, None) => SpillBackend::Memory,
            (MEMORY, Some(_)) => bail!(InvalidArgument, "location is set, and WEIR_SPILL_BACKEND_MEMORY has none"),
            (OBJECT, Some(url)) => SpillBackend::Object { url: url.to_owned() },
            (OBJECT, None) => bail!(InvalidArgument, "location is NULL, and WEIR_SPILL_BACKEND_OBJECT needs the URL"),
            (other, _) => bail!(InvalidArgument, "backend is {other}, must be a WEIR_SPILL_BACKEND_*"),
        };
        if self.memory_bytes != 0 && self.backend != TIERED {
            bail!(InvalidArgument, "memory_bytes is {}, and only WEIR_SPILL_BACKEND_TIERED has it", self.memory_bytes);
        }
        let optional = |name: &str, value: i64| match value {
            -1 => Ok(None),
            value => match u64::try_from(value) {
                Ok(value) => Ok(Some(value)),
                Err(_) => bail!(InvalidArgument, "{name} is {value}, must be -1 or more"),
            },
        };
        let defaults = SpillConfig::default();
        let age = optional("reclaim_age_ms", self.reclaim_age_ms)?.map(Duration::from_millis);
        Ok(SpillConfig {
            backend,
            cap_bytes: Some(self.cap_bytes).filter(|cap| *cap != u64::MAX),
            min_free_bytes: optional("min_free_bytes", self.min_free_bytes)?,
            buffer_bytes: self.buffer_bytes as usize,
            reclaim_age: age.unwrap_or(defaults.reclaim_age),
        })
    }
}

/// What a spill store holds and did. Set `struct_size` before the call. A store's figures include those of its children, but
/// for `cap_bytes`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirSpillStats {
    /// `sizeof(WeirSpillStats)` as the caller knows it: no more is written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes held now, by unfinished writers and by spills.
    pub live_bytes: u64,
    /// The most bytes that were held at once.
    pub peak_bytes: u64,
    /// The cap; UINT64_MAX = none.
    pub cap_bytes: u64,
    /// Bytes of `live_bytes` that are held in memory.
    pub memory_bytes: u64,
    /// Spills that were finished and still have a reader.
    pub open_spills: u64,
    /// Writers that are not finished.
    pub open_writers: u64,
    /// Spills that were finished, ever.
    pub spills_total: u64,
    /// Bytes written, ever.
    pub written_bytes: u64,
    /// Bytes read, ever.
    pub read_bytes: u64,
    /// Writes refused by the cap.
    pub cap_refusals: u64,
    /// Writes refused by the floor of free space.
    pub floor_refusals: u64,
    /// Nanoseconds spent writing.
    pub write_ns: u64,
    /// Nanoseconds spent reading.
    pub read_ns: u64,
    /// Directories of dead processes that were deleted.
    pub swept_directories: u64,
    /// The bytes that were in them.
    pub swept_bytes: u64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

// SAFETY: `repr(C)`, integers, `struct_size` first, no padding.
unsafe impl SizedOut for WeirSpillStats {
    const NAME: &'static str = "WeirSpillStats";
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirSpillStoreOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_options_init(options: *mut WeirSpillStoreOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

/// Makes a spill store. Makes no request, no directory and no thread: that is left to the first write.
///
/// @param session  whose metrics show the store, and whose settings reach its object store; NULL for a session of its own
/// @param options  NULL for the defaults: local, without a cap
/// @param store    receives the store; free it with weir_spill_store_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_new(
    session: *const WeirSession,
    options: *const WeirSpillStoreOptions,
    store: *mut *mut WeirSpillStore,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirSpillStore>>::clear("store", store) };
    let body = || {
        out.check()?;
        // SAFETY: the caller's promise.
        let config = unsafe { options::read(options)?.decode() }?;
        runtime::watch_fork();
        let session = if session.is_null() {
            Session::new(Settings::default())?
        } else {
            // SAFETY: the caller's promise.
            Arc::clone(unsafe { &handle::get(session)?.core })
        };
        out.set(Owned::new(SpillStore::new(&session, &config)?));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}

/// Makes a store whose spills count against its own cap and against that of `store`, such as one per tenant or per query. It
/// shares the place of `store` and has statistics of its own. May be nested.
///
/// @param store      the store; it may be freed before its child
/// @param cap_bytes  the child's cap; UINT64_MAX = none but those above
/// @param child      receives the child; free it with weir_spill_store_free()
/// @param error      receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_child(
    store: *const WeirSpillStore,
    cap_bytes: u64,
    child: *mut *mut WeirSpillStore,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirSpillStore>>::clear("child", child) };
    let body = |store: &Handle<WeirSpillStore>| {
        out.check()?;
        out.set(Owned::new(store.core.child(Some(cap_bytes).filter(|cap| *cap != u64::MAX))));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(store, error, body) }
}

/// The bytes that a spill store holds now, its children's included; 0 for NULL.
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_used_bytes(store: *const WeirSpillStore) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(store) }.map_or(0, |handle| handle.core.used_bytes())
}

/// The cap of a spill store; UINT64_MAX if it has none of its own, 0 for NULL.
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_cap_bytes(store: *const WeirSpillStore) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(store) }.map_or(0, |handle| handle.core.cap_bytes().unwrap_or(u64::MAX))
}

/// What a spill store holds and did.
///
/// @param store  the store
/// @param stats  its `struct_size` is set; receives the rest
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed; `stats` is NULL or as many bytes as its `struct_size` says may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_stats(
    store: *const WeirSpillStore,
    stats: *mut WeirSpillStats,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = |store: &Handle<WeirSpillStore>| {
        let figures = store.core.stats();
        let value = WeirSpillStats {
            struct_size: size_of::<WeirSpillStats>() as u32,
            reserved: 0,
            live_bytes: figures.live_bytes,
            peak_bytes: figures.peak_bytes,
            cap_bytes: figures.cap_bytes.unwrap_or(u64::MAX),
            memory_bytes: figures.memory_bytes,
            open_spills: figures.open_spills,
            open_writers: figures.open_writers,
            spills_total: figures.spills_total,
            written_bytes: figures.written_bytes,
            read_bytes: figures.read_bytes,
            cap_refusals: figures.cap_refusals,
            floor_refusals: figures.floor_refusals,
            write_ns: nanos(figures.write_time),
            read_ns: nanos(figures.read_time),
            swept_directories: figures.swept_directories,
            swept_bytes: figures.swept_bytes,
        };
        // SAFETY: the caller's promise.
        unsafe { sized(stats, value) }
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(store, error, body) }
}

/// Ends a spill store: no spill begins from now on, neither here nor in its children (WEIR_STATUS_CLOSED). Spills and writers that are alive
/// go on. Waits until what was freed and aborted before, of this store and of its children, is gone from storage. On object stores deletion
/// is in the background, so who ends its process without closing the store, or before this has returned, leaves objects behind until a later
/// store finds them older than `reclaim_age_ms`; elsewhere nothing is waited for. If no writer, spill, reader or mapped batch of the store is
/// left, its own directory is gone as well, else that goes with the last of them, on a disk with the next close or the store itself. May be
/// called again to wait on.
///
/// @param store       the store, which is still to be freed
/// @param timeout_ms  < 0 = for ever. When it passes, the store is closed and the deletion goes on.
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT; what a deletion failed with after several tries: WEIR_STATUS_STORAGE,
/// WEIR_STATUS_PERMISSION_DENIED; WEIR_STATUS_CANCELLED if the runtime was shut down before all was deleted. What is left then is deleted by
/// a later store.
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_close(store: *const WeirSpillStore, timeout_ms: i64, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise, here and below.
    unsafe { call::wait(error, timeout_ms, Out::none(), || close(store)) }
}

/// weir_spill_store_close() with a completion. The store is closed when it returns.
///
/// @param store       the store, which is still to be freed
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_close_async(
    store: *const WeirSpillStore,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || close(store)) }
}

unsafe fn close(store: *const WeirSpillStore) -> Result<Operation<impl Future<Output = Result<()>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(store) }?;
    let store = handle.core.clone();
    Ok(operation(&handle, store.is_blocking(), store.close()))
}

/// Frees a spill store. Its writers and spills go on and keep what they need of it. Does not wait for what is deleted in the background: see
/// weir_spill_store_close(). NULL is allowed.
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_store_free(store: *mut WeirSpillStore) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(store) };
}
