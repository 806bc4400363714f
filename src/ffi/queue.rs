//! Completion queues.

use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use parking_lot::{Condvar, Mutex};

use super::args::Out;
use super::completion::{Event, WeirCompletion, WeirEvent};
use super::error::{WeirError, WeirStatus};
use super::guard::{guard, guard_on};
use super::handle::{self, Opaque, Owned};
use super::options::{self, Options, field_ends};
use crate::error::{Result, bail, err};
use crate::runtime::{self, Deadline};

#[path = "queue_signal.rs"]
mod signal;

use signal::Signal;

/// A queue of events: `_async` calls post to it, any thread drains it, so no thread of weir's enters the program. It may be
/// used from any thread.
pub struct WeirQueue {
    _opaque: [u8; 0],
}

impl Opaque for WeirQueue {
    type Core = Queue;
    const MAGIC: u32 = u32::from_be_bytes(*b"queu");
    const NAME: &'static str = "queue";
}

/// Options of weir_queue_new().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirQueueOptions {
    /// `sizeof(WeirQueueOptions)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, integers, no padding.
unsafe impl Options for WeirQueueOptions {
    const NAME: &'static str = "WeirQueueOptions";
    const FROZEN: usize = 8;
    const ENDS: &'static [usize] = field_ends!(WeirQueueOptions: struct_size, reserved);
    fn defaults() -> Self {
        Self { struct_size: size_of::<Self>() as u32, reserved: 0 }
    }
}

struct State {
    events: VecDeque<Event>,
    closed: bool,
}

/// What is inside.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Made when it is first asked for.
    signal: OnceLock<Option<Signal>>,
}

impl Queue {
    fn new() -> Self {
        let state = Mutex::new(State { events: VecDeque::new(), closed: false });
        Self { state, changed: Condvar::new(), signal: OnceLock::new() }
    }

    /// Adds an event. Also to a closed queue: what was accepted is completed, for whoever still drains it.
    pub(crate) fn post(&self, event: Event) {
        let mut state = self.state.lock();
        state.events.push_back(event);
        if state.events.len() == 1 {
            self.signal(true);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Refuses if the queue is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.state.lock().closed {
            bail!(Closed, "the completion queue is closed");
        }
        Ok(())
    }

    /// Sets or clears the file descriptor. To be called under the lock, so that it agrees with the queue.
    fn signal(&self, on: bool) {
        if let Some(Some(signal)) = self.signal.get() {
            signal.set(on);
        }
    }

    fn fd(&self) -> Option<c_int> {
        let state = self.state.lock();
        let signal = self.signal.get_or_init(Signal::new).as_ref()?;
        signal.set(state.closed || !state.events.is_empty());
        Some(signal.fd())
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.signal(true);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for events and hands over at most `max` of them; returns how many.
    fn next(&self, max: usize, timeout_ms: i64, mut give: impl FnMut(usize, Event)) -> Result<usize> {
        let deadline = Deadline::after(timeout_ms);
        let mut state = self.state.lock();
        while state.events.is_empty() {
            if state.closed {
                bail!(Closed, "the completion queue is closed, and no event is left in it");
            }
            match deadline.instant() {
                None => self.changed.wait(&mut state),
                Some(at) => {
                    if timeout_ms == 0 || self.changed.wait_until(&mut state, at).timed_out() && state.events.is_empty() {
                        bail!(TimedOut, "no event within {timeout_ms} ms");
                    }
                }
            }
        }
        let count = max.min(state.events.len());
        for (index, event) in state.events.drain(..count).enumerate() {
            give(index, event);
        }
        if state.events.is_empty() {
            self.signal(state.closed);
        } else {
            // One was woken for several: the next takes the rest.
            self.changed.notify_one();
        }
        Ok(count)
    }
}

/// What `weir_queue_completion` gives as the function. It is recognised, not called: an accepted call holds a share of the
/// queue. Called by hand, it copies the event and takes over what that owns.
unsafe extern "C" fn post(ctx: *mut c_void, event: *const WeirEvent) {
    let _ = super::guard::protect(|| {
        // SAFETY: whoever calls it passes what the completion and the event type say.
        let (queue, event) = unsafe { (handle::share::<WeirQueue>(ctx.cast_const().cast())?, event.as_ref()) };
        let Some(event) = event else { bail!(InvalidArgument, "the event is NULL") };
        // SAFETY: what it owns passes to the receiver.
        queue.core.post(unsafe { Event::from_c(event) });
        Ok(())
    });
}

/// One address for all that compare it.
static POST: unsafe extern "C" fn(*mut c_void, *const WeirEvent) = post;

/// Whether `function` is the one of queues.
pub(crate) fn is_post(function: unsafe extern "C" fn(*mut c_void, *const WeirEvent)) -> bool {
    std::ptr::fn_addr_eq(function, POST)
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirQueueOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_queue_options_init(options: *mut WeirQueueOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

/// Makes a completion queue.
///
/// @param options  NULL for the defaults
/// @param queue    receives the queue; free it with weir_queue_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// Pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_queue_new(
    options: *const WeirQueueOptions,
    queue: *mut *mut WeirQueue,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirQueue>>::clear("queue", queue) };
    let body = || {
        out.check()?;
        // SAFETY: the caller's promise.
        if unsafe { options::read(options) }?.reserved != 0 {
            bail!(InvalidArgument, "WeirQueueOptions.reserved is not 0");
        }
        runtime::watch_fork();
        out.set(Owned::new(Queue::new()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}

/// A completion that posts to `queue`. It costs nothing unless an `_async` call accepts it; such a call holds the queue, so it
/// may be freed at any time. The result must not be used after that. With NULL, `fn` is NULL and `_async` calls refuse it.
///
/// @param queue  the queue
/// @param token  comes back in the event
///
/// # Safety
///
/// `queue` is NULL or a queue that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_queue_completion(queue: *mut WeirQueue, token: u64) -> WeirCompletion {
    WeirCompletion { r#fn: (!queue.is_null()).then_some(POST), ctx: queue.cast(), token }
}

/// Takes events from a queue, waiting for the first. Several threads may do so at once; an event goes to one of them.
///
/// @param queue       the queue
/// @param events      receives the events; what they own is the receiver's (see weir_event_clear())
/// @param max         the length of `events`, at least 1
/// @param timeout_ms  how long to wait for an event, in milliseconds: negative for ever, 0 not at all
/// @param count       receives the number of events, at least 1 on success, else 0
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CLOSED when the queue is closed and drained,
///         WEIR_STATUS_WOULD_DEADLOCK on a runtime thread
///
/// # Safety
///
/// `queue` is NULL or a queue that was not freed. `events` is NULL or `max` events may be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_queue_next(
    queue: *mut WeirQueue,
    events: *mut WeirEvent,
    max: usize,
    timeout_ms: i64,
    count: *mut usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<usize>::clear("count", count) };
    let body = |queue: &handle::Handle<WeirQueue>| {
        out.check()?;
        if events.is_null() || max == 0 {
            bail!(InvalidArgument, "there is no room for events ({max} at {events:p})");
        }
        runtime::may_block()?;
        // SAFETY: fewer than `max`, promised to be writable.
        let taken = queue.core.next(max, timeout_ms, |index, event| unsafe { events.add(index).write(event.into_c()) })?;
        out.set(taken);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(queue, error, body) }
}

/// A file descriptor that is readable while events wait or the queue is closed, for poll, select or epoll (an eventfd on Linux,
/// else a pipe). Do not read from it or close it: weir_queue_next() resets it. Valid until weir_queue_free().
///
/// @return the descriptor, or -1 if there is none to be had
///
/// # Safety
///
/// `queue` is NULL or a queue that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_queue_fd(queue: *mut WeirQueue) -> c_int {
    let fd = super::guard::protect(|| {
        // SAFETY: the caller's promise.
        let queue = unsafe { handle::get(queue.cast_const()) }?;
        queue.core.fd().ok_or_else(|| err!(Unsupported, "no file descriptor"))
    });
    fd.unwrap_or(-1)
}

/// Closes a queue: `_async` calls refuse its completions, waiting threads return, what is in it can still be drained, and so
/// can the events of calls that were accepted before. Closing again is no error.
///
/// @param queue  the queue
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `queue` is NULL or a queue that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_queue_close(queue: *mut WeirQueue, error: *mut *mut WeirError) -> WeirStatus {
    let body = |queue: &handle::Handle<WeirQueue>| {
        queue.core.close();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(queue, error, body) }
}

/// Frees a queue, and the events in it. Calls that were accepted go on; their events are dropped. NULL is allowed. No other
/// call on the queue may run.
///
/// # Safety
///
/// `queue` is NULL or a queue that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_queue_free(queue: *mut WeirQueue) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(queue) };
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
