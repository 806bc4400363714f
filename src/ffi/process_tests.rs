//! Tests of what a process has once: the runtime, the log, forks. Each runs in a process of its own.

use std::ffi::{CStr, c_char, c_void};
use std::process::Command;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use super::args::Out;
use super::buffer::weir_buffer_free;
use super::call::{defer, operation, wait};
use super::completion::{WeirCompletion, WeirEvent, weir_event_clear};
use super::error::{WeirError, WeirStatus, weir_error_free, weir_error_message};
use super::handle::{self, Handle, Opaque, Owned, weir_live_handles};
use super::log::{WeirLogSink, weir_log_set_level, weir_log_set_sink};
use super::options::Options;
use super::queue::{WeirQueue, weir_queue_close, weir_queue_completion, weir_queue_free, weir_queue_new, weir_queue_next};
use super::runtime::{WeirRuntimeOptions, weir_runtime_configure, weir_runtime_shutdown};
use super::session::{
    WeirKeyValue, WeirSessionOptions, weir_metrics_prometheus, weir_session_free, weir_session_new, weir_store_settings_list,
};
use crate::runtime::{self, live_threads};

/// Runs `body` in a process of its own, as the test called `name`.
fn alone(name: &str, body: fn()) {
    const CHILD: &str = "WEIR_TEST_CHILD";
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("ffi::process_tests::{name}"), "--nocapture"]).env(CHILD, name);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{}: {text}", output.status);
}

struct Thing;
impl Opaque for Thing {
    type Core = ();
    const MAGIC: u32 = 78;
    const NAME: &'static str = "thing";
}

fn thing() -> std::sync::Arc<Handle<Thing>> {
    let thing = Owned::<Thing>::new(()).into_raw();
    // SAFETY: a live handle, leaked.
    unsafe { handle::share(thing) }.unwrap()
}

/// The error's message, which is freed.
fn taken(error: *mut WeirError) -> String {
    // SAFETY: an error of weir's, freed once.
    unsafe {
        let text = CStr::from_ptr(weir_error_message(error)).to_str().unwrap().to_owned();
        weir_error_free(error);
        text
    }
}

static STARTED: AtomicUsize = AtomicUsize::new(0);
static STOPPED: AtomicUsize = AtomicUsize::new(0);
static EVENTS: Mutex<Vec<(u64, i32)>> = Mutex::new(Vec::new());

unsafe extern "C" fn started(ctx: *mut c_void) {
    assert_eq!(ctx.addr(), 42);
    STARTED.fetch_add(1, Ordering::SeqCst);
}

unsafe extern "C" fn stopped(ctx: *mut c_void) {
    assert_eq!(ctx.addr(), 42);
    STOPPED.fetch_add(1, Ordering::SeqCst);
}

unsafe extern "C" fn collect(_: *mut c_void, event: *const WeirEvent) {
    // SAFETY: weir's event; what it owns is ours.
    unsafe {
        let mut event = std::ptr::read(event);
        EVENTS.lock().unwrap().push((event.token, event.status));
        weir_event_clear(&raw mut event);
    }
}

fn configured() {
    let name = c"pond";
    let options = WeirRuntimeOptions {
        worker_threads: 2,
        dispatcher_threads: 1,
        thread_name: name.as_ptr(),
        on_thread_start: Some(started),
        on_thread_stop: Some(stopped),
        ctx: std::ptr::without_provenance_mut(42),
        ..WeirRuntimeOptions::defaults()
    };
    // SAFETY: valid options.
    assert_eq!(unsafe { weir_runtime_configure(&raw const options, null_mut()) }, WeirStatus::Ok);
    assert_eq!(live_threads(), 0, "configuring starts nothing");
}

/// PITFALLS X4: what runs at shutdown completes, once, and waits end; every thread is joined, its hooks called.
#[test]
fn shutdown_completes_everything_and_joins() {
    alone("shutdown_completes_everything_and_joins", || {
        configured();
        let mut error = null_mut();
        // SAFETY: as the functions demand.
        unsafe {
            for (token, blocking) in [(1, false), (2, true)] {
                let completion = WeirCompletion { r#fn: Some(collect), ctx: null_mut(), token };
                let never = std::future::pending::<crate::error::Result<()>>();
                assert_eq!(defer(null_mut(), completion, || Ok(operation(&thing(), blocking, never))), WeirStatus::Ok);
            }
            let mut queue = null_mut();
            assert_eq!(weir_queue_new(null(), &raw mut queue, null_mut()), WeirStatus::Ok);
            let never = std::future::pending::<crate::error::Result<()>>();
            let completion = weir_queue_completion(queue, 3);
            assert_eq!(defer(null_mut(), completion, || Ok(operation(&thing(), false, never))), WeirStatus::Ok);
            let (send, receive) = mpsc::channel();
            let waiter = std::thread::spawn(move || {
                let sleeping = async move {
                    send.send(()).unwrap();
                    runtime::env().clock.sleep(Duration::from_secs(3600)).await;
                    Ok(())
                };
                wait(null_mut(), -1, Out::none(), || Ok(operation(&thing(), false, sleeping)))
            });
            receive.recv().unwrap();
            let late = WeirRuntimeOptions::defaults();
            assert_eq!(weir_runtime_configure(&raw const late, &raw mut error), WeirStatus::AlreadyExists);
            assert!(taken(error).contains("configured already"));

            assert_eq!(weir_runtime_shutdown(60_000, &raw mut error), WeirStatus::Ok);
            assert!(error.is_null());
            assert_eq!(waiter.join().unwrap(), WeirStatus::Closed);
            let mut events = EVENTS.lock().unwrap().clone();
            events.sort_unstable();
            assert_eq!(events, [(1, WeirStatus::Cancelled as i32), (2, WeirStatus::Cancelled as i32)]);
            let (mut event, mut count) = (std::mem::MaybeUninit::<WeirEvent>::uninit(), 0);
            assert_eq!(weir_queue_next(queue, event.as_mut_ptr(), 1, 0, &raw mut count, null_mut()), WeirStatus::Ok);
            let mut event = event.assume_init();
            assert_eq!((event.token, event.status), (3, WeirStatus::Cancelled as i32));
            weir_event_clear(&raw mut event);

            assert_eq!((live_threads(), STARTED.load(Ordering::SeqCst)), (0, STOPPED.load(Ordering::SeqCst)));
            assert!(STARTED.load(Ordering::SeqCst) >= 3);
            let completion = weir_queue_completion(queue, 4);
            let ready = std::future::ready(Ok(()));
            assert_eq!(defer(null_mut(), completion, || Ok(operation(&thing(), false, ready))), WeirStatus::Closed);
            assert_eq!(weir_runtime_shutdown(0, null_mut()), WeirStatus::Ok, "again");
            weir_queue_free(queue);
        }
    });
}

unsafe extern "C" fn slow(ctx: *mut c_void, event: *const WeirEvent) {
    // SAFETY: NULL is allowed; the context is the test's sender.
    unsafe {
        assert_eq!(weir_runtime_shutdown(-1, null_mut()), WeirStatus::WouldDeadlock, "from a callback");
        let (ready, go) = &*ctx.cast::<(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>)>();
        ready.send(()).unwrap();
        go.lock().unwrap().recv().unwrap();
        collect(null_mut(), event);
    }
}

#[test]
fn shutdown_gives_up_in_time_and_may_be_repeated() {
    alone("shutdown_gives_up_in_time_and_may_be_repeated", || {
        let (ready, is_ready) = mpsc::channel::<()>();
        let (go, may_go) = mpsc::channel::<()>();
        let context = Box::leak(Box::new((ready, Mutex::new(may_go))));
        let completion = WeirCompletion { r#fn: Some(slow), ctx: (&raw mut *context).cast(), token: 9 };
        let mut error = null_mut();
        // SAFETY: as the functions demand.
        unsafe {
            let done = std::future::ready(Ok(()));
            assert_eq!(defer(null_mut(), completion, || Ok(operation(&thing(), false, done))), WeirStatus::Ok);
            is_ready.recv().unwrap();
            let start = Instant::now();
            assert_eq!(weir_runtime_shutdown(20, &raw mut error), WeirStatus::TimedOut);
            assert!(start.elapsed() >= Duration::from_millis(20));
            assert!(taken(error).contains("1 of weir's threads"));
            go.send(()).unwrap();
            assert_eq!(weir_runtime_shutdown(-1, null_mut()), WeirStatus::Ok);
        }
        assert_eq!(*EVENTS.lock().unwrap(), [(9, 0)]);
    });
}

#[test]
fn a_thread_name_must_be_one() {
    alone("a_thread_name_must_be_one", || {
        let configure = |options: WeirRuntimeOptions| {
            let mut error = null_mut();
            // SAFETY: valid options.
            let status = unsafe { weir_runtime_configure(&raw const options, &raw mut error) };
            (status, if error.is_null() { String::new() } else { taken(error) })
        };
        let defaults = WeirRuntimeOptions::defaults();
        let bad = [
            (WeirRuntimeOptions { thread_name: c"".as_ptr(), ..defaults }, "thread name"),
            (WeirRuntimeOptions { thread_name: c"\xff".as_ptr(), ..defaults }, "thread_name is not UTF-8"),
            (WeirRuntimeOptions { worker_threads: 5000, ..defaults }, "5000 worker"),
            (WeirRuntimeOptions { reserved: 1, ..defaults }, "reserved"),
            (WeirRuntimeOptions { struct_size: 3, ..defaults }, "struct_size is 3"),
        ];
        for (options, expected) in bad {
            let (status, message) = configure(options);
            assert!(status == WeirStatus::InvalidArgument && message.contains(expected), "{message}");
        }
        assert_eq!(configure(defaults).0, WeirStatus::Ok, "a refused call configures nothing");
    });
}

/// The status of what `child` returns in a forked child.
fn in_fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs `child` and ends; this process has no other thread that holds what it needs.
    unsafe {
        match libc::fork() {
            0 => {
                // A hang must end, too.
                libc::alarm(30);
                let status = child();
                libc::_exit(status);
            }
            pid => {
                let mut status = 0;
                assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
                assert!(libc::WIFEXITED(status), "the child was killed: {status}");
                libc::WEXITSTATUS(status)
            }
        }
    }
}

/// PITFALLS X7: the child is told at once; what it frees is leaked, not torn from the parent's threads.
#[test]
fn a_forked_child_is_refused() {
    alone("a_forked_child_is_refused", || {
        // SAFETY: as the functions demand.
        unsafe {
            let (mut queue, mut session) = (null_mut(), null_mut());
            // Before the first use, a child may use it all.
            let status = in_fork(|| {
                weir_log_set_level(2, null_mut());
                let mut mine = null_mut::<WeirQueue>();
                weir_queue_new(null(), &raw mut mine, null_mut()) as i32
            });
            assert_eq!(status, WeirStatus::Ok as i32);

            assert_eq!(weir_queue_new(null(), &raw mut queue, null_mut()), WeirStatus::Ok);
            assert_eq!(weir_session_new(null(), &raw mut session, null_mut()), WeirStatus::Ok);
            let ready = || std::future::ready(Ok(()));
            assert_eq!(defer(null_mut(), weir_queue_completion(queue, 1), || Ok(operation(&thing(), false, ready()))), WeirStatus::Ok);
            let calls: [&dyn Fn() -> WeirStatus; 6] = [
                &|| weir_session_new(null(), &mut null_mut(), null_mut()),
                &|| weir_queue_next(queue, std::mem::MaybeUninit::uninit().as_mut_ptr(), 1, -1, &mut 0, null_mut()),
                &|| weir_queue_close(queue, null_mut()),
                &|| weir_metrics_prometheus(session, &mut null_mut(), null_mut()),
                &|| weir_runtime_shutdown(-1, null_mut()),
                &|| defer(null_mut(), weir_queue_completion(queue, 1), || Ok(operation(&thing(), false, ready()))),
            ];
            for call in calls {
                assert_eq!(in_fork(|| call() as i32), WeirStatus::Forked as i32);
            }
            let freed = in_fork(|| {
                weir_queue_free(queue);
                weir_session_free(session);
                7
            });
            assert_eq!(freed, 7);
            // The parent goes on.
            let (mut event, mut count) = (std::mem::MaybeUninit::<WeirEvent>::uninit(), 0);
            assert_eq!(weir_queue_next(queue, event.as_mut_ptr(), 1, -1, &raw mut count, null_mut()), WeirStatus::Ok);
            weir_queue_free(queue);
            weir_session_free(session);
        }
    });
}

static RELEASED: AtomicI64 = AtomicI64::new(0);
static LINES: Mutex<Vec<(i32, String, String)>> = Mutex::new(Vec::new());

unsafe extern "C" fn line(ctx: *mut c_void, level: i32, target: *const c_char, message: *const c_char) {
    assert_eq!(ctx.addr(), 5);
    // SAFETY: NUL-terminated texts.
    let [target, message] = [target, message].map(|text| unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned());
    // What a sink does is not logged again, and it must not block.
    tracing::error!("from the sink");
    assert_eq!(runtime::may_block().unwrap_err().kind(), crate::error::ErrorKind::WouldDeadlock);
    LINES.lock().unwrap().push((level, target, message));
}

unsafe extern "C" fn release(ctx: *mut c_void) {
    RELEASED.fetch_add(ctx.addr() as i64, Ordering::SeqCst);
}

#[test]
fn the_log_goes_to_the_sink_and_nowhere_else() {
    alone("the_log_goes_to_the_sink_and_nowhere_else", || {
        tracing::error!("before any sink");
        let ctx = std::ptr::without_provenance_mut(5);
        let sink = WeirLogSink { log: Some(line), ctx, release: Some(release), ..WeirLogSink::defaults() };
        // SAFETY: valid sinks.
        unsafe {
            for bad in [WeirLogSink { log: None, ..sink }, WeirLogSink { reserved: 1, ..sink }, WeirLogSink { struct_size: 1, ..sink }] {
                assert_eq!(weir_log_set_sink(&raw const bad, null_mut()), WeirStatus::InvalidArgument);
            }
            assert_eq!(RELEASED.load(Ordering::SeqCst), 0, "a refused sink is not released");
            assert_eq!(weir_log_set_sink(&raw const sink, null_mut()), WeirStatus::Ok);
            tracing::warn!(path = "a/b", tries = 3, "slow\0");
            tracing::debug!("not at this level");
            for level in [-1, 6, i32::MAX] {
                assert_eq!(weir_log_set_level(level, null_mut()), WeirStatus::InvalidArgument);
            }
            assert_eq!(weir_log_set_level(4, null_mut()), WeirStatus::Ok);
            tracing::debug!("at this level");
            assert_eq!(weir_log_set_level(0, null_mut()), WeirStatus::Ok);
            tracing::error!("off");
            assert_eq!(weir_log_set_level(1, null_mut()), WeirStatus::Ok);
            // A panic that weir catches is a line, not text on the host's stderr.
            assert_eq!(super::guard::guard(null_mut(), || panic!("quietly")), WeirStatus::Panic);
            assert_eq!(weir_log_set_sink(&raw const sink, null_mut()), WeirStatus::Ok);
            assert_eq!(RELEASED.load(Ordering::SeqCst), 5, "the first, once");
            assert_eq!(weir_log_set_sink(null(), null_mut()), WeirStatus::Ok);
            assert_eq!(RELEASED.load(Ordering::SeqCst), 10);
            tracing::error!("after the last sink");
        }
        let lines = LINES.lock().unwrap();
        let here = |level: i32, message: &str| (level, module_path!().to_owned(), message.to_owned());
        assert_eq!(lines[..2], [here(2, "slow\\0 path=\"a/b\" tries=3"), here(4, "at this level")]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].2.starts_with("panic: quietly (src/ffi/process_tests.rs:"), "{lines:?}");
    });
}

#[test]
fn settings_are_checked_and_everything_can_be_freed() {
    alone("settings_are_checked_and_everything_can_be_freed", || {
        let before = weir_live_handles();
        let (mut session, mut error) = (null_mut(), null_mut());
        let open = |pairs: &[(*const c_char, *const c_char)], bend: fn(&mut WeirSessionOptions)| {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| WeirKeyValue { key: *key, value: *value }).collect();
            let (store_settings, store_settings_len) = (pairs.as_ptr(), pairs.len());
            let mut options = WeirSessionOptions { store_settings, store_settings_len, ..WeirSessionOptions::defaults() };
            bend(&mut options);
            let (mut session, mut error) = (std::ptr::dangling_mut(), null_mut());
            // SAFETY: valid options, or refused.
            let status = unsafe { weir_session_new(&raw const options, &raw mut session, &raw mut error) };
            assert!(status != WeirStatus::Ok && session.is_null());
            (status, taken(error))
        };
        let (key, value) = (c"weir_fsync".as_ptr(), c"false".as_ptr());
        type Case<'a> = (&'a [(*const c_char, *const c_char)], fn(&mut WeirSessionOptions), &'a str);
        let cases: [Case<'_>; 8] = [
            (&[(c"no_such_key".as_ptr(), value)], |_| (), "no_such_key"),
            (&[(key, c"maybe".as_ptr())], |_| (), "weir_fsync"),
            (&[(key, value), (null(), value)], |_| (), "store_settings[1]: key is NULL"),
            (&[(key, null())], |_| (), "store_settings[0]: value is NULL"),
            (&[(c"\xff".as_ptr(), value)], |_| (), "key is not UTF-8"),
            (&[], |options| (options.store_settings, options.store_settings_len) = (null(), 1), "store_settings is NULL"),
            (&[], |options| options.reserved = 9, "reserved"),
            (&[], |options| options.struct_size = 4, "struct_size is 4"),
        ];
        for (pairs, bend, expected) in cases {
            let (status, message) = open(pairs, bend);
            assert!(status == WeirStatus::InvalidArgument && message.contains(expected), "{message}");
        }
        // SAFETY: as the functions demand.
        unsafe {
            assert_eq!(weir_session_new(null(), null_mut(), &raw mut error), WeirStatus::InvalidArgument);
            assert!(taken(error).contains("the output session is NULL"));
            assert_eq!(weir_session_new(null(), &raw mut session, &raw mut error), WeirStatus::Ok);
            let mut text = null_mut();
            assert_eq!(weir_metrics_prometheus(session, &raw mut text, null_mut()), WeirStatus::Ok);
            weir_buffer_free(text);
            assert_eq!(weir_metrics_prometheus(session, null_mut(), null_mut()), WeirStatus::InvalidArgument);
            assert_eq!(weir_metrics_prometheus(null(), &raw mut text, null_mut()), WeirStatus::InvalidArgument);
            assert!(text.is_null());
            assert_eq!(weir_store_settings_list(&raw mut text, null_mut()), WeirStatus::Ok);
            let listed = CStr::from_ptr(super::buffer::weir_buffer_data(text)).to_str().unwrap();
            assert!(listed.lines().any(|line| line == "weir_fsync"));
            weir_buffer_free(text);
            assert_eq!(weir_store_settings_list(null_mut(), null_mut()), WeirStatus::InvalidArgument);
            assert_eq!(weir_live_handles(), before + 1);
            weir_session_free(session);
            weir_session_free(null_mut());
        }
        assert_eq!(weir_live_handles(), before);
        assert_eq!(live_threads(), 0, "none of this needs a thread");
    });
}
