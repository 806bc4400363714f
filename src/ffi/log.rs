//! Where the library's log goes: nowhere, until the program sets a sink.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_void};
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use super::error::{WeirError, WeirStatus};
use super::guard::{callers_code, guard};
use super::options::{self, Options, field_ends};
use crate::error::{Result, bail};
use crate::runtime::{self, Kind};

/// How much is logged, and how grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirLogLevel {
    /// Nothing.
    Off = 0,
    /// What failed.
    Error = 1,
    /// What may fail, or was overcome.
    Warn = 2,
    /// What changed, such as a claim (the default).
    Info = 3,
    /// What was decided on the way.
    Debug = 4,
    /// All.
    Trace = 5,
}

/// Called with a message: its level (WEIR_LOG_LEVEL_*), the part of weir or of its libraries that it comes from, and the text,
/// both NUL-terminated UTF-8, borrowed for the call. Any thread may call it, several at once. It must not unwind, and must not
/// make blocking calls of weir's.
pub type WeirLogFn = Option<unsafe extern "C" fn(ctx: *mut c_void, level: i32, target: *const c_char, message: *const c_char)>;

/// Called once, after the last use of what `ctx` is.
pub type WeirReleaseFn = Option<unsafe extern "C" fn(ctx: *mut c_void)>;

/// Where messages go.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirLogSink {
    /// `sizeof(WeirLogSink)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Called with each message; required.
    pub log: WeirLogFn,
    /// Passed to both functions.
    pub ctx: *mut c_void,
    /// Called with `ctx` once `log` will not be called any more; may be NULL.
    pub release: WeirReleaseFn,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirLogSink {
    const NAME: &'static str = "WeirLogSink";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirLogSink: struct_size, reserved, log, ctx, release);
    fn defaults() -> Self {
        Self { struct_size: size_of::<Self>() as u32, reserved: 0, log: None, ctx: std::ptr::null_mut(), release: None }
    }
}

/// A sink in use. Its release is called when the last message that was on its way has arrived.
struct Sink {
    log: unsafe extern "C" fn(*mut c_void, i32, *const c_char, *const c_char),
    ctx: *mut c_void,
    release: WeirReleaseFn,
}

// SAFETY: who sets a sink promises that it may be called on any thread.
unsafe impl Send for Sink {}
// SAFETY: the same, at once.
unsafe impl Sync for Sink {}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: promised by who set it; this is the last use.
            callers_code(|| unsafe { release(self.ctx) });
        }
    }
}

static SINK: RwLock<Option<Arc<Sink>>> = RwLock::new(None);
static LEVEL: AtomicI32 = AtomicI32::new(WeirLogLevel::Info as i32);

thread_local! {
    /// Whether this thread is in a sink: what it does there is not logged again.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// weir's own subscriber: hands events to the sink, keeps no spans.
struct Forward;

fn level_of(level: Level) -> i32 {
    match level {
        Level::ERROR => WeirLogLevel::Error as i32,
        Level::WARN => WeirLogLevel::Warn as i32,
        Level::INFO => WeirLogLevel::Info as i32,
        Level::DEBUG => WeirLogLevel::Debug as i32,
        Level::TRACE => WeirLogLevel::Trace as i32,
    }
}

impl Subscriber for Forward {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && level_of(*metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match LEVEL.load(Ordering::Relaxed) {
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            5 => LevelFilter::TRACE,
            _ => LevelFilter::OFF,
        })
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        if BUSY.try_with(Cell::get).unwrap_or(true) {
            return;
        }
        let Some(sink) = SINK.read().clone() else { return };
        let mut message = Message::default();
        event.record(&mut message);
        sink.call(level_of(*event.metadata().level()), event.metadata().target(), message);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Sink {
    fn call(&self, level: i32, target: &str, message: Message) {
        let text = |text: String| CString::new(text.replace('\0', "\\0")).unwrap_or_default();
        let (target, message) = (text(target.to_owned()), text(message.text + &message.fields));
        let _kind = runtime::enter(Kind::Sink);
        let _ = BUSY.try_with(|busy| busy.set(true));
        // SAFETY: promised by who set it.
        callers_code(|| unsafe { (self.log)(self.ctx, level, target.as_ptr(), message.as_ptr()) });
        let _ = BUSY.try_with(|busy| busy.set(false));
    }
}

/// The message of an event, then its fields as `name=value`.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// Has events go to [`SINK`], unless the program, in Rust, has a subscriber of its own.
fn install() -> Result<()> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    if *INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(Forward).is_ok()) {
        return Ok(());
    }
    bail!(AlreadyExists, "the program has a global tracing subscriber of its own, which gets weir's events");
}

/// Sets where messages go, instead of where they went. The `release` of a sink is called once, when its last message has
/// arrived: within this call, or soon after it on another thread if that is in `log` now. After an error it is not called.
///
/// @param sink   copied; NULL for nowhere
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_ALREADY_EXISTS if a Rust program collects the log itself
///
/// # Safety
///
/// `sink` is NULL or as described; its functions may be called with `ctx` on any thread until `release` is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_log_set_sink(sink: *const WeirLogSink, error: *mut *mut WeirError) -> WeirStatus {
    let body = || {
        let next = if sink.is_null() {
            None
        } else {
            // SAFETY: the caller's promise.
            let WeirLogSink { reserved, log, ctx, release, .. } = unsafe { options::read(sink) }?;
            let (Some(log), 0) = (log, reserved) else {
                bail!(InvalidArgument, "WeirLogSink.log is NULL, or its reserved field is not 0");
            };
            install()?;
            Some(Arc::new(Sink { log, ctx, release }))
        };
        let previous = std::mem::replace(&mut *SINK.write(), next);
        drop(previous);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}

/// Sets how much is logged.
///
/// @param level  a WEIR_LOG_LEVEL_*; WEIR_LOG_LEVEL_INFO at first
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_log_set_level(level: i32, error: *mut *mut WeirError) -> WeirStatus {
    let body = || {
        if !(WeirLogLevel::Off as i32..=WeirLogLevel::Trace as i32).contains(&level) {
            bail!(InvalidArgument, "{level} is not a log level; they go from 0 (off) to 5 (trace)");
        }
        LEVEL.store(level, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}
