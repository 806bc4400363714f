use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;
use crate::error::ErrorKind;
use crate::ffi::args::Out;
use crate::ffi::call::{Operation, defer, operation, wait};
use crate::ffi::error::WeirStatus;

struct Thing;
impl Opaque for Thing {
    type Core = ();
    const MAGIC: u32 = 77;
    const NAME: &'static str = "thing";
}

/// What a callback saw: token, status, value.
type Seen = (u64, i32, u64);

unsafe extern "C" fn send(ctx: *mut c_void, event: *const WeirEvent) {
    // SAFETY: `ctx` is the sender of `callback`, which is never freed; the event is weir's.
    unsafe {
        let event = &*event;
        let sender = &*ctx.cast::<Sender<Seen>>();
        assert_eq!(event.error.is_null(), event.status == 0);
        sender.send((event.token, event.status, event.value)).unwrap();
        weir_event_clear((&raw const *event).cast_mut());
    }
}

fn callback(token: u64) -> (WeirCompletion, Receiver<Seen>) {
    let (sender, receiver) = channel();
    let ctx = Box::into_raw(Box::new(sender)).cast();
    (WeirCompletion { r#fn: Some(send), ctx, token }, receiver)
}

fn offered(completion: WeirCompletion) -> Offered {
    // SAFETY: made by `callback`.
    unsafe { Offered::new(completion) }.unwrap()
}

fn thing() -> Arc<Handle<Thing>> {
    let thing = Owned::<Thing>::new(()).into_raw();
    // SAFETY: a live handle, leaked.
    unsafe { handle::share(thing) }.unwrap()
}

/// The one event, and that no second comes.
fn only(receiver: &Receiver<Seen>) -> Seen {
    let seen = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
    // A second one would have to be on its way by now: one dispatcher thread delivers in order.
    let (fence, fenced) = channel();
    for _ in 0..8 {
        let fence = fence.clone();
        runtime::dispatch(Box::new(move || fence.send(()).unwrap()));
    }
    for _ in 0..8 {
        fenced.recv().unwrap();
    }
    assert!(receiver.try_recv().is_err(), "a second event");
    seen
}

/// PITFALLS X4: complete, drop and panic each give one event; what was not accepted gives none.
#[test]
fn a_completion_comes_exactly_once() {
    let (completion, seen) = callback(5);
    offered(completion).accept().complete(Ok(9u64));
    assert_eq!(only(&seen), (5, 0, 9));

    let (completion, seen) = callback(6);
    drop(offered(completion).accept());
    assert_eq!(only(&seen), (6, ErrorKind::Cancelled.code(), 0));

    let (completion, seen) = callback(7);
    let owed = offered(completion).accept();
    let outcome = protect(move || -> Result<()> {
        let _owed = owed;
        panic!("on the way");
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Panic);
    assert_eq!(only(&seen), (7, ErrorKind::Panic.code(), 0));

    let (completion, seen) = callback(8);
    drop(offered(completion));
    offered(completion).accept().complete(Ok(1u64));
    assert_eq!(only(&seen), (8, 0, 1), "the first was not accepted");
}

#[test]
fn a_completion_needs_a_function() {
    let completion = WeirCompletion { r#fn: None, ctx: null_mut(), token: 0 };
    // SAFETY: refused.
    assert_eq!(unsafe { Offered::new(completion) }.err().map(|e| e.kind()), Some(ErrorKind::InvalidArgument));
}

fn deferred<F>(completion: WeirCompletion, decode: impl FnOnce() -> Result<Operation<F>>) -> WeirStatus
where
    F: Future<Output = Result<u64>> + Send + 'static,
{
    // SAFETY: made by `callback`; no error is wanted.
    unsafe { defer(null_mut(), completion, decode) }
}

#[test]
fn an_operation_completes_with_its_result_or_error() {
    let thing = thing();
    for blocking in [false, true] {
        let (completion, seen) = callback(1);
        assert_eq!(deferred(completion, || Ok(operation(&thing, blocking, async { Ok(3) }))), WeirStatus::Ok);
        assert_eq!(only(&seen), (1, 0, 3));
        let (completion, seen) = callback(2);
        let fenced = async { Err(err!(Fenced, "by another")) };
        assert_eq!(deferred(completion, || Ok(operation(&thing, blocking, fenced))), WeirStatus::Ok);
        assert_eq!(only(&seen), (2, ErrorKind::Fenced.code(), 0));
    }
}

/// After an error of the call itself, nothing was accepted.
#[test]
fn a_refused_call_does_not_complete() {
    let (completion, seen) = callback(1);
    type Never = std::future::Ready<Result<u64>>;
    assert_eq!(deferred(completion, || Err::<Operation<Never>, _>(err!(Backpressure, "full"))), WeirStatus::Backpressure);
    assert_eq!(deferred(completion, || -> Result<Operation<Never>> { panic!("while decoding") }), WeirStatus::Panic);
    offered(completion).accept().complete(Ok(4u64));
    assert_eq!(only(&seen), (1, 0, 4));
}

/// PITFALLS X4, C_ABI rule 4.
#[test]
fn a_panicking_operation_completes_and_poisons_its_handle_alone() {
    let (thing, other) = (thing(), thing());
    let (completion, seen) = callback(1);
    assert_eq!(deferred(completion, || Ok(operation(&thing, false, async { panic!("in the background") }))), WeirStatus::Ok);
    assert_eq!(only(&seen), (1, ErrorKind::Panic.code(), 0));
    assert!(thing.check().is_err_and(|e| e.message().contains("in the background")));
    assert!(other.check().is_ok());
    let mut value = 1;
    // SAFETY: a local.
    let out = unsafe { Out::<u64>::clear("value", &raw mut value) };
    // SAFETY: no error is wanted.
    let status = unsafe { wait(null_mut(), -1, out, || Ok(operation(&other, false, async { panic!("in the call") }))) };
    assert_eq!((status, value), (WeirStatus::Panic, 0));
    assert!(other.check().is_err());
}

/// PITFALLS X9: a callback may block; a runtime worker may not.
#[test]
fn blocking_calls_work_in_callbacks_and_are_refused_on_workers() {
    fn blocking() -> WeirStatus {
        // SAFETY: no error is wanted.
        unsafe {
            wait(null_mut(), -1, Out::none(), || {
                Ok(operation(&thing(), false, runtime::env().clock.sleep(Duration::from_millis(1)).map(Ok)))
            })
        }
    }
    use futures_util::FutureExt;
    unsafe extern "C" fn blocks(ctx: *mut c_void, event: *const WeirEvent) {
        assert_eq!(blocking(), WeirStatus::Ok);
        // SAFETY: as this one.
        unsafe { send(ctx, event) };
    }
    let (mut completion, seen) = callback(1);
    completion.r#fn = Some(blocks);
    assert_eq!(deferred(completion, || Ok(operation(&thing(), false, async { Ok(0) }))), WeirStatus::Ok);
    assert_eq!(only(&seen), (1, 0, 0));
    let (completion, seen) = callback(2);
    assert_eq!(deferred(completion, || Ok(operation(&thing(), false, async { Ok(blocking() as u64) }))), WeirStatus::Ok);
    assert_eq!(only(&seen), (2, 0, WeirStatus::WouldDeadlock as u64));
}

/// The output is cleared on every return, and refused as NULL before anything is done.
#[test]
fn outputs_are_cleared_and_checked_first() {
    let thing = thing();
    let mut value = 5;
    // SAFETY: a local; no error is wanted.
    let status = unsafe {
        let out = Out::<u64>::clear("value", &raw mut value);
        wait(null_mut(), -1, out, || Ok(operation(&thing, false, async { Err(err!(NotFound, "nowhere")) })))
    };
    assert_eq!((status, value), (WeirStatus::NotFound, 0));
    // SAFETY: NULL is refused.
    let status = unsafe {
        let out = Out::<u64>::clear("value", null_mut());
        wait(null_mut(), -1, out, || -> Result<Operation<std::future::Ready<Result<u64>>>> { panic!("decoded") })
    };
    assert_eq!(status, WeirStatus::InvalidArgument);
}

#[test]
fn an_event_that_nobody_receives_frees_what_it_owns() {
    let event = Event::new(1, Ok(WeirBuffer::of("text")));
    assert_eq!(event.0.result_kind, WeirResult::Buffer as i32);
    let buffer = event.0.result.cast::<WeirBuffer>();
    // SAFETY: live until the event is dropped; then the share keeps it readable.
    let share = unsafe { handle::share(buffer.cast_const()) }.unwrap();
    drop(event);
    assert_eq!(Arc::strong_count(&share), 1);
    let mut event = Event::new(1, Ok(WeirBuffer::of("text"))).into_c();
    // SAFETY: the receiver's.
    unsafe {
        weir_event_clear(&raw mut event);
        assert!(event.result.is_null() && event.result_kind == 0);
        weir_event_clear(&raw mut event);
        weir_event_clear(null_mut());
    }
}
