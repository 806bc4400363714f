//! Completions of `_async` calls: exactly once, whatever happens.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use super::appender::WeirAppender;
use super::args::Output;
use super::batch::WeirBatch;
use super::buffer::WeirBuffer;
use super::cache_value::WeirCacheValue;
use super::entry::WeirEntry;
use super::error::WeirError;
use super::guard::{callers_code, protect};
use super::handle::{self, Handle, Opaque, Owned};
use super::manifest::WeirManifest;
use super::queue::{self, WeirQueue};
use super::snapshot::WeirSnapshot;
use super::spill::WeirSpill;
use super::tailer::WeirTailer;
use super::writer::WeirWriter;
use crate::error::{Error, Result, bail, err};
use crate::runtime;

/// What the `result` of an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirResult {
    /// Nothing: `result` is NULL.
    None = 0,
    /// A `WeirWriter *`.
    Writer = 1,
    /// A `WeirAppender *`.
    Appender = 2,
    /// A `WeirTailer *`.
    Tailer = 3,
    /// A `WeirEntry *`.
    Entry = 4,
    /// A `WeirBuffer *`.
    Buffer = 5,
    /// A `WeirManifest *`.
    Manifest = 6,
    /// A `WeirSpill *`.
    Spill = 7,
    /// A `WeirBatch *`.
    Batch = 8,
    /// A `WeirCacheValue *`.
    CacheValue = 9,
    /// A `WeirSnapshot *`.
    Snapshot = 10,
}

/// What a put came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct WeirAck {
    /// How many puts the writer holds with this one: an exclusive count over the writer's life, for weir_writer_wait_durable().
    pub sequence: u64,
    /// The position of the WAL entry that holds the batch; 0 while that is not durable.
    pub position: u64,
    /// The epoch under which the writer holds the shard.
    pub epoch: u64,
}

/// What an `_async` call came to.
///
/// The struct itself is borrowed for the call of the callback, or the caller's own array for a queue. What it owns, that is
/// `error` and `result`, passes to the receiver: free them, or all with weir_event_clear().
#[derive(Debug)]
#[repr(C)]
pub struct WeirEvent {
    /// The token of the completion.
    pub token: u64,
    /// A `WEIR_STATUS_*` code.
    pub status: i32,
    /// A `WEIR_RESULT_*`: what `result` is.
    pub result_kind: i32,
    /// The error, owned by the receiver; NULL if `status` is WEIR_STATUS_OK.
    pub error: *mut WeirError,
    /// What the call gives back as a pointer, owned by the receiver; NULL if there is none.
    pub result: *mut c_void,
    /// What a put or an append gives back.
    pub ack: WeirAck,
    /// What a call gives back as a number, such as a position.
    pub value: u64,
}

impl WeirEvent {
    const EMPTY: Self =
        Self { token: 0, status: 0, result_kind: 0, error: null_mut(), result: null_mut(), ack: WeirAck::NOTHING, value: 0 };
}

/// A function that is called with the event of an `_async` call. It runs on a dispatcher thread of weir's, may block and may
/// call weir. It must not throw or unwind.
pub type WeirCompletionFn = Option<unsafe extern "C" fn(ctx: *mut c_void, event: *const WeirEvent)>;

/// How an `_async` call completes: `fn(ctx, event)` is called exactly once, with `token` in the event, also when the handle is
/// closed, the runtime is shut down, or weir panics. If the `_async` call itself returns an error, nothing was accepted and
/// `fn` will not be called. No order holds among completions.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirCompletion {
    /// The function to call; required.
    pub r#fn: WeirCompletionFn,
    /// Passed to `fn`; must be valid until then.
    pub ctx: *mut c_void,
    /// Passed in the event.
    pub token: u64,
}

/// What a call gives back, and how it travels in an event.
pub(crate) trait Outcome: Output + Send + 'static {
    /// Puts it into the event.
    fn fill(self, event: &mut WeirEvent);
}

impl Outcome for () {
    fn fill(self, _: &mut WeirEvent) {}
}

impl Outcome for u64 {
    fn fill(self, event: &mut WeirEvent) {
        event.value = self;
    }
}

impl Output for WeirAck {
    type C = Self;
    const NOTHING: Self = Self { sequence: 0, position: 0, epoch: 0 };
    fn into_c(self) -> Self {
        self
    }
}

impl Outcome for WeirAck {
    fn fill(self, event: &mut WeirEvent) {
        event.ack = self;
    }
}

impl<O: Opaque> Outcome for Owned<O> {
    fn fill(self, event: &mut WeirEvent) {
        event.result = self.into_raw().cast();
        event.result_kind = O::RESULT;
    }
}

impl<O: Opaque> Outcome for Option<Owned<O>> {
    fn fill(self, event: &mut WeirEvent) {
        if let Some(handle) = self {
            handle.fill(event);
        }
    }
}

/// An event that owns what is in it, until it is received.
pub(crate) struct Event(WeirEvent);

// SAFETY: what its pointers own may move between threads, see `Owned`.
unsafe impl Send for Event {}

impl Event {
    fn new<T: Outcome>(token: u64, outcome: Result<T>) -> Self {
        let mut event = WeirEvent { token, ..WeirEvent::EMPTY };
        match outcome {
            Ok(value) => value.fill(&mut event),
            Err(error) => {
                event.status = error.kind().code();
                event.error = WeirError::give(error);
            }
        }
        Self(event)
    }

    /// Takes over what `event` owns.
    ///
    /// # Safety
    ///
    /// It was filled by weir, and is used by nobody else any more.
    pub(crate) unsafe fn from_c(event: &WeirEvent) -> Self {
        // SAFETY: the caller's promise; it is as good as moved.
        Self(unsafe { std::ptr::read(event) })
    }

    /// Gives what it owns to the receiver.
    pub(crate) fn into_c(mut self) -> WeirEvent {
        std::mem::replace(&mut self.0, WeirEvent::EMPTY)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: its own, received by nobody.
        unsafe { clear(&mut self.0) };
    }
}

/// Frees what `event` owns, by its kind.
///
/// # Safety
///
/// What it owns was not freed.
unsafe fn clear(event: &mut WeirEvent) {
    let result = std::mem::replace(&mut event.result, null_mut());
    // SAFETY: the caller's promise; a pointer of another type than its kind says is refused by its mark.
    unsafe {
        handle::free(std::mem::replace(&mut event.error, null_mut()));
        free_result(event.result_kind, result);
    }
    event.result_kind = 0;
}

/// Frees the result of an event.
///
/// # Safety
///
/// `result` is NULL, or was made by weir and not freed.
unsafe fn free_result(kind: i32, result: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe {
        match kind {
            WeirWriter::RESULT => handle::free::<WeirWriter>(result.cast()),
            WeirAppender::RESULT => handle::free::<WeirAppender>(result.cast()),
            WeirTailer::RESULT => handle::free::<WeirTailer>(result.cast()),
            WeirEntry::RESULT => handle::free::<WeirEntry>(result.cast()),
            WeirBuffer::RESULT => handle::free::<WeirBuffer>(result.cast()),
            WeirManifest::RESULT => handle::free::<WeirManifest>(result.cast()),
            WeirSpill::RESULT => handle::free::<WeirSpill>(result.cast()),
            WeirBatch::RESULT => handle::free::<WeirBatch>(result.cast()),
            WeirCacheValue::RESULT => handle::free::<WeirCacheValue>(result.cast()),
            WeirSnapshot::RESULT => handle::free::<WeirSnapshot>(result.cast()),
            _ if result.is_null() => {}
            _ => tracing::error!("an event with a result of the unknown kind {kind} was cleared"),
        }
    }
}

#[derive(Clone, Copy)]
struct Callback {
    function: unsafe extern "C" fn(*mut c_void, *const WeirEvent),
    context: *mut c_void,
}

// SAFETY: who passes a completion promises that its function may be called with its context on any thread.
unsafe impl Send for Callback {}

impl Callback {
    fn call(self, event: Event) {
        let event = event.into_c();
        // SAFETY: promised by who passed the completion.
        callers_code(|| unsafe { (self.function)(self.context, &raw const event) });
    }
}

enum Target {
    Callback(Callback),
    Queue(Arc<Handle<WeirQueue>>),
}

impl Target {
    fn deliver(self, event: Event) {
        match self {
            // Cheap and never blocks: no other thread is needed.
            Self::Queue(queue) => queue.core.post(event),
            Self::Callback(callback) => runtime::dispatch(Box::new(move || callback.call(event))),
        }
    }
}

/// A completion that was passed to a call which has not accepted it yet: nothing is owed.
pub(crate) struct Offered {
    target: Target,
    token: u64,
}

impl Offered {
    /// Checks the completion. One that posts to a queue takes its share of it here.
    ///
    /// # Safety
    ///
    /// The caller of weir's promises: see [`WeirCompletion`].
    pub(crate) unsafe fn new(completion: WeirCompletion) -> Result<Self> {
        let Some(function) = completion.r#fn else {
            bail!(InvalidArgument, "the completion has no function (was it made from a queue that is NULL?)");
        };
        let target = if queue::is_post(function) {
            // SAFETY: `weir_queue_completion` made it, from a queue that is not freed.
            let queue = unsafe { handle::share::<WeirQueue>(completion.ctx.cast_const().cast()) }?;
            queue.core.check_open()?;
            Target::Queue(queue)
        } else {
            Target::Callback(Callback { function, context: completion.ctx })
        };
        Ok(Self { target, token: completion.token })
    }

    /// Accepts it for any number of events and one that ends them.
    pub(crate) fn accept_repeated(self) -> Repeated {
        Repeated(self.accept())
    }

    /// Accepts it: from now on it completes, exactly once, whatever happens. The accepting call must not fail any more.
    pub(crate) fn accept(self) -> Completion {
        Completion { target: Some(self.target), token: self.token }
    }
}

/// A completion that is owed: completed by [`Completion::complete`], or else when it is dropped.
pub(crate) struct Completion {
    target: Option<Target>,
    token: u64,
}

impl Completion {
    /// Completes with `outcome`.
    pub(crate) fn complete<T: Outcome>(mut self, outcome: Result<T>) {
        if let Some(target) = self.target.take() {
            target.deliver(Event::new(self.token, outcome));
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(target) = self.target.take() {
            target.deliver(Event::new::<()>(self.token, Err(dropped())));
        }
    }
}

/// A completion that gets events, one after the other, before the one that completes it.
pub(crate) struct Repeated(Completion);

impl Repeated {
    /// Delivers one event; returns when its callback has returned, so that the next cannot overtake it.
    pub(crate) async fn deliver<T: Outcome>(&mut self, outcome: T) {
        let event = Event::new(self.0.token, Ok(outcome));
        match &self.0.target {
            Some(Target::Queue(queue)) => queue.core.post(event),
            Some(Target::Callback(callback)) => {
                let (callback, (sender, returned)) = (*callback, tokio::sync::oneshot::channel());
                runtime::dispatch(Box::new(move || {
                    callback.call(event);
                    let _ = sender.send(());
                }));
                let _ = returned.await;
            }
            None => {}
        }
    }

    /// Delivers the last event.
    pub(crate) fn finish(self, outcome: Result<()>) {
        self.0.complete(outcome);
    }
}

/// Why an operation was dropped before it was done.
#[cold]
fn dropped() -> Error {
    if std::thread::panicking() {
        return err!(Panic, "a panic ended the operation, which is a bug in weir; what it did is not known");
    }
    err!(Cancelled, "the operation was dropped before it was done, as the runtime was shut down or its handle went away")
}

/// Frees what an event owns, that is its error and its result, and sets them to NULL. NULL is allowed, and so is an event that
/// was cleared.
///
/// # Safety
///
/// `event` is NULL or points to an event that weir filled and whose parts were not freed, unless they were set to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_event_clear(event: *mut WeirEvent) {
    // SAFETY: the caller's promise.
    let Some(event) = (unsafe { event.as_mut() }) else { return };
    let _ = protect(|| {
        // SAFETY: the caller's promise.
        unsafe { clear(event) };
        Ok(())
    });
}

#[cfg(test)]
#[path = "completion_tests.rs"]
mod tests;
