use std::ffi::c_void;
use std::sync::Condvar;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{join, join_all, select};

use super::*;
use crate::cache::{Cache, Key, Value};
use crate::env::{BoxFuture, Clock, block_on};
use crate::error::ErrorKind;
use crate::ffi::cache::WeirCacheKey;
use crate::ffi::cache_backend::{Supplied, WeirCacheBackend};
use crate::ffi::cache_reply::{WeirCacheReply, weir_cache_reply_done, weir_cache_reply_miss};
use crate::ffi::cache_value::{WeirCacheValue, weir_cache_value_free};
use crate::ffi::options::Options;

/// What blocks until it is opened.
#[derive(Default)]
struct Gate {
    open: std::sync::Mutex<bool>,
    opened: Condvar,
    calls: AtomicUsize,
}

impl Gate {
    fn pass(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.opened.wait(open).unwrap();
        }
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The threads of a process do not run out: so many calls may hang, and then none is made until one of them returns.
#[test]
fn calls_that_do_not_return_are_bounded() {
    let (lanes, gate) = (Lanes::default(), Arc::new(Gate::default()));
    let run = || {
        let gate = Arc::clone(&gate);
        lanes.run(false, move || gate.pass(), std::future::ready(Ok(())))
    };
    let all_begun = Box::pin(async {
        while gate.calls() < MOST {
            runtime::env().clock.sleep(Duration::from_millis(1)).await;
        }
    });
    // More than have room: all are given up when as many are stuck as can be.
    block_on(select(join_all((0..MOST + 4).map(|_| run())), all_begun));
    for _ in 0..3 {
        let refused = run().now_or_never().expect("at once").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TimedOut);
    }
    assert_eq!(gate.calls(), MOST, "not called in vain");
    gate.open();
    until("they have returned", || lanes.room.available_permits() == MOST);
    block_on(run()).unwrap();
    assert_eq!(gate.calls(), MOST + 1);
}

/// Calls that take their time, but return, all have their turn.
#[test]
fn calls_that_return_are_all_made() {
    let (lanes, gate) = (Lanes::default(), Arc::new(Gate::default()));
    let runs = (0..10 * MOST).map(|_| {
        let gate = Arc::clone(&gate);
        lanes.run(false, move || gate.pass(), std::future::ready(Ok(())))
    });
    let opens = async {
        while gate.calls() < MOST {
            runtime::env().clock.sleep(Duration::from_millis(1)).await;
        }
        gate.open();
    };
    let (outcomes, ()) = block_on(join(join_all(runs), opens));
    assert!(outcomes.iter().all(Result::is_ok));
}

/// PITFALLS K3: who removes entries waits for the insertions that began before, and for no others.
#[test]
fn insertions_under_way_are_waited_for() {
    let inserts = Arc::new(Inserts::default());
    assert!(inserts.ended().now_or_never().is_some());
    let (first, second) = (Inserts::begin(&inserts), Inserts::begin(&inserts));
    let mut ended = Box::pin(inserts.ended());
    assert!(ended.as_mut().now_or_never().is_none());
    let later = Inserts::begin(&inserts);
    drop(second);
    assert!(ended.as_mut().now_or_never().is_none());
    drop(first);
    assert!(ended.now_or_never().is_some());
    assert!(inserts.ended().now_or_never().is_none());
    drop(later);
}

/// A backend whose `get` blocks, whose `insert` is answered when the test does, and which counts what it clears.
#[derive(Default)]
struct Stubborn {
    gate: Gate,
    inserting: parking_lot::Mutex<Vec<usize>>,
    clears: AtomicUsize,
    released: AtomicUsize,
}

unsafe fn stubborn<'a>(ctx: *mut c_void) -> &'a Stubborn {
    // SAFETY: it is leaked.
    unsafe { &*ctx.cast::<Stubborn>() }
}

unsafe extern "C" fn get(ctx: *mut c_void, _: *const WeirCacheKey, reply: *mut WeirCacheReply) {
    // SAFETY: of this test's, and answered once.
    unsafe {
        stubborn(ctx).gate.pass();
        weir_cache_reply_miss(reply);
    }
}

unsafe extern "C" fn insert(ctx: *mut c_void, _: *const WeirCacheKey, value: *mut WeirCacheValue, _: u64, reply: *mut WeirCacheReply) {
    // SAFETY: of this test's.
    unsafe {
        weir_cache_value_free(value);
        stubborn(ctx).inserting.lock().push(reply as usize);
    }
}

unsafe extern "C" fn invalidate(ctx: *mut c_void, _: *const u8, _: usize, reply: *mut WeirCacheReply) {
    // SAFETY: the same.
    unsafe { clear(ctx, reply) };
}

unsafe extern "C" fn clear(ctx: *mut c_void, reply: *mut WeirCacheReply) {
    // SAFETY: the same.
    unsafe {
        stubborn(ctx).clears.fetch_add(1, Ordering::SeqCst);
        weir_cache_reply_done(reply, 0);
    }
}

unsafe extern "C" fn release(ctx: *mut c_void) {
    // SAFETY: the same.
    unsafe { stubborn(ctx) }.released.fetch_add(1, Ordering::SeqCst);
}

/// Time that passes when it is told to: each deadline is one [`Self::pass`].
#[derive(Debug, Default)]
struct Told(Arc<Notify>);

impl Told {
    fn pass(&self) {
        self.0.notify_one();
    }
}

impl Clock for Told {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn unix(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        let told = Arc::clone(&self.0);
        Box::pin(async move { told.notified().await })
    }
}

/// Lets the deadline pass when `condition` holds.
async fn pass_when(clock: &Told, condition: impl Fn() -> bool) {
    while !condition() {
        runtime::env().clock.sleep(Duration::from_millis(1)).await;
    }
    clock.pass();
}

fn cache_over(backend: &'static Stubborn, clock: &Arc<Told>) -> Cache {
    let options = WeirCacheBackend {
        ctx: std::ptr::from_ref(backend).cast_mut().cast(),
        release: Some(release),
        get: Some(get),
        insert: Some(insert),
        invalidate_prefix: Some(invalidate),
        clear: Some(clear),
        ..WeirCacheBackend::defaults()
    };
    // SAFETY: functions of this test's.
    Cache::new(unsafe { Supplied::new(&raw const options, true) }.unwrap(), clock.clone(), Some(Duration::from_secs(1)))
}

/// A function that blocks costs the deadline, as an answer that does not come does.
#[test]
fn a_function_that_blocks_is_a_miss_after_the_deadline() {
    let (backend, clock): (&'static Stubborn, _) = (Box::leak(Box::default()), Arc::new(Told::default()));
    let cache = cache_over(backend, &clock);
    assert!(!cache.may_block());
    let asking = cache.get(Key::new(b"p", b"k", ""));
    let (found, ()) = block_on(join(asking, pass_when(&clock, || backend.gate.calls() == 1)));
    assert!(found.is_none());
    assert_eq!((cache.stats().backend_errors, cache.stats().misses), (1, 1));
    drop(cache);
    backend.gate.open();
    until("it is released", || backend.released.load(Ordering::SeqCst) == 1);
}

/// PITFALLS K3, K4: an insertion that nobody waits for any more may still take effect; until it is over, no invalidation succeeds.
#[test]
fn an_insertion_that_was_given_up_holds_invalidations_back() {
    let (backend, clock): (&'static Stubborn, _) = (Box::leak(Box::default()), Arc::new(Told::default()));
    let cache = cache_over(backend, &clock);
    let inserting = cache.insert(Key::new(b"p", b"k", ""), Value::bytes(&b"v"[..]));
    block_on(join(inserting, pass_when(&clock, || backend.inserting.lock().len() == 1))).0.unwrap();
    assert_eq!(cache.stats().backend_errors, 1, "it took too long");
    clock.pass();
    assert_eq!(block_on(cache.clear()).unwrap_err().kind(), ErrorKind::TimedOut);
    clock.pass();
    assert_eq!(block_on(cache.invalidate_prefix(b"p")).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(backend.clears.load(Ordering::SeqCst), 0, "too early");
    for reply in backend.inserting.lock().drain(..) {
        // SAFETY: answered once.
        unsafe { weir_cache_reply_done(reply as *mut WeirCacheReply, 0) };
    }
    block_on(cache.clear()).unwrap();
    assert_eq!(backend.clears.load(Ordering::SeqCst), 1);
    drop(cache);
    until("it is released", || backend.released.load(Ordering::SeqCst) == 1);
}
