use std::ptr::null_mut;
use std::time::Duration;

use super::*;
use crate::ffi::completion::{Offered, weir_event_clear};
use crate::ffi::error::{weir_error_free, weir_error_message};

fn new() -> *mut WeirQueue {
    let mut queue = null_mut();
    // SAFETY: a local.
    assert_eq!(unsafe { weir_queue_new(std::ptr::null(), &raw mut queue, null_mut()) }, WeirStatus::Ok);
    queue
}

fn offered(queue: *mut WeirQueue, token: u64) -> Result<Offered> {
    // SAFETY: a live queue.
    unsafe { Offered::new(weir_queue_completion(queue, token)) }
}

fn post(queue: *mut WeirQueue, token: u64) {
    offered(queue, token).unwrap().accept().complete(Ok(token * 10));
}

/// Drains at most `max` events: their tokens and values.
fn next(queue: *mut WeirQueue, max: usize, timeout_ms: i64) -> (WeirStatus, Vec<(u64, u64)>) {
    let mut events = Vec::<WeirEvent>::with_capacity(max);
    let mut count = 99;
    // SAFETY: as much room as is said; what is said to be there is.
    let status = unsafe {
        let status = weir_queue_next(queue, events.as_mut_ptr(), max, timeout_ms, &raw mut count, null_mut());
        events.set_len(count);
        status
    };
    let seen = events.iter().map(|event| (event.token, event.value)).collect();
    // SAFETY: the receiver's.
    events.iter_mut().for_each(|event| unsafe { weir_event_clear(event) });
    (status, seen)
}

fn readable(fd: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one local.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
}

#[test]
fn events_come_in_order_and_in_batches() {
    let queue = new();
    assert_eq!(next(queue, 4, 0), (WeirStatus::TimedOut, vec![]));
    assert_eq!(next(queue, 4, 5), (WeirStatus::TimedOut, vec![]));
    (1..=5).for_each(|token| post(queue, token));
    assert_eq!(next(queue, 2, 0), (WeirStatus::Ok, vec![(1, 10), (2, 20)]));
    assert_eq!(next(queue, 9, -1), (WeirStatus::Ok, vec![(3, 30), (4, 40), (5, 50)]));
    // SAFETY: a live queue, freed once.
    unsafe { weir_queue_free(queue) };
}

#[test]
fn the_descriptor_is_readable_while_events_wait() {
    let queue = new();
    post(queue, 1);
    // SAFETY: a live queue, freed once.
    unsafe {
        let fd = weir_queue_fd(queue);
        assert!(fd >= 0 && weir_queue_fd(queue) == fd);
        assert!(readable(fd), "asked for when an event waited already");
        post(queue, 2);
        next(queue, 1, 0);
        assert!(readable(fd), "one is left");
        next(queue, 1, 0);
        assert!(!readable(fd));
        post(queue, 3);
        assert!(readable(fd));
        next(queue, 1, 0);
        weir_queue_close(queue, null_mut());
        assert!(readable(fd), "closed");
        assert_eq!(next(queue, 1, 0).0, WeirStatus::Closed);
        assert!(readable(fd), "and stays so");
        assert_eq!(weir_queue_fd(null_mut()), -1);
        weir_queue_free(queue);
    }
}

#[test]
fn close_wakes_waiters_and_leaves_what_is_queued() {
    let queue = new();
    let address = queue.expose_provenance();
    let waiter = std::thread::spawn(move || next(std::ptr::with_exposed_provenance_mut(address), 1, -1));
    let accepted = offered(queue, 7).unwrap().accept();
    // SAFETY: a live queue, freed once.
    unsafe {
        assert_eq!(weir_queue_close(queue, null_mut()), WeirStatus::Ok);
        assert_eq!(waiter.join().unwrap(), (WeirStatus::Closed, vec![]));
        assert_eq!(weir_queue_close(queue, null_mut()), WeirStatus::Ok, "idempotent");
        assert_eq!(offered(queue, 8).err().map(|e| e.kind()), Some(crate::error::ErrorKind::Closed));
        accepted.complete(Ok(70u64));
        assert_eq!(next(queue, 9, -1), (WeirStatus::Ok, vec![(7, 70)]), "accepted before");
        assert_eq!(next(queue, 9, -1).0, WeirStatus::Closed);
        weir_queue_free(queue);
    }
}

/// An accepted call holds the queue: PITFALLS X5, X10.
#[test]
fn a_queue_may_be_freed_under_a_call() {
    let queue = new();
    let accepted = offered(queue, 1).unwrap().accept();
    post(queue, 2);
    // SAFETY: freed once.
    unsafe { weir_queue_free(queue) };
    accepted.complete(Ok(1u64));
}

#[test]
fn many_threads_post_and_drain() {
    const EACH: u64 = 500;
    let queue = new();
    let address = queue.expose_provenance();
    let posters: Vec<_> = (0..4)
        .map(|thread| {
            std::thread::spawn(move || (0..EACH).for_each(|at| post(std::ptr::with_exposed_provenance_mut(address), thread * EACH + at)))
        })
        .collect();
    let drainers: Vec<_> = (0..3)
        .map(|_| {
            std::thread::spawn(move || {
                let mut all = Vec::new();
                loop {
                    match next(std::ptr::with_exposed_provenance_mut(address), 7, -1) {
                        (WeirStatus::Ok, seen) => all.extend(seen.into_iter().map(|(token, _)| token)),
                        (status, _) => return (status, all),
                    }
                }
            })
        })
        .collect();
    posters.into_iter().for_each(|poster| poster.join().unwrap());
    // SAFETY: a live queue.
    assert_eq!(unsafe { weir_queue_close(queue, null_mut()) }, WeirStatus::Ok);
    let mut all = Vec::new();
    for drainer in drainers {
        let (status, seen) = drainer.join().unwrap();
        assert_eq!(status, WeirStatus::Closed);
        all.extend(seen);
    }
    all.sort_unstable();
    assert_eq!(all, (0..4 * EACH).collect::<Vec<_>>());
    // SAFETY: freed once.
    unsafe { weir_queue_free(queue) };
}

/// Called by hand, as by a binding that has only the struct, the function posts too.
#[test]
fn the_function_posts_when_it_is_called() {
    let queue = new();
    // SAFETY: a live queue, freed once; an event that owns nothing.
    unsafe {
        let completion = weir_queue_completion(queue, 5);
        let mut event = std::mem::MaybeUninit::<WeirEvent>::zeroed().assume_init();
        (event.token, event.value) = (5, 6);
        completion.r#fn.unwrap()(completion.ctx, &raw const event);
        completion.r#fn.unwrap()(completion.ctx, std::ptr::null());
        assert_eq!(next(queue, 2, 0), (WeirStatus::Ok, vec![(5, 6)]));
        weir_queue_free(queue);
    }
}

#[test]
fn null_and_nonsense_are_refused() {
    let queue = new();
    let mut error = null_mut();
    let mut count = 3;
    let mut event = std::mem::MaybeUninit::<WeirEvent>::uninit();
    // SAFETY: NULL is refused; the rest is live.
    unsafe {
        assert!(weir_queue_completion(null_mut(), 1).r#fn.is_none());
        assert_eq!(weir_queue_new(std::ptr::null(), null_mut(), &raw mut error), WeirStatus::InvalidArgument);
        weir_error_free(error);
        let options = WeirQueueOptions { struct_size: 8, reserved: 1 };
        let mut other = std::ptr::dangling_mut();
        assert_eq!(weir_queue_new(&raw const options, &raw mut other, null_mut()), WeirStatus::InvalidArgument);
        assert!(other.is_null(), "outputs are cleared on errors");
        for (events, max, counted) in
            [(null_mut(), 1, &raw mut count), (event.as_mut_ptr(), 0, &raw mut count), (event.as_mut_ptr(), 1, null_mut())]
        {
            assert_eq!(weir_queue_next(queue, events, max, 0, counted, null_mut()), WeirStatus::InvalidArgument);
        }
        assert_eq!(count, 0);
        assert_eq!(weir_queue_next(null_mut(), event.as_mut_ptr(), 1, 0, &raw mut count, &raw mut error), WeirStatus::InvalidArgument);
        assert_eq!(std::ffi::CStr::from_ptr(weir_error_message(error)), c"the queue is NULL");
        weir_error_free(error);
        assert_eq!(weir_queue_close(null_mut(), null_mut()), WeirStatus::InvalidArgument);
        weir_queue_free(queue);
        weir_queue_free(null_mut());
    }
}

#[test]
fn a_waiter_is_woken_by_an_event() {
    let queue = new();
    let address = queue.expose_provenance();
    let waiter = std::thread::spawn(move || next(std::ptr::with_exposed_provenance_mut(address), 1, 30_000));
    std::thread::sleep(Duration::from_millis(5));
    post(queue, 1);
    assert_eq!(waiter.join().unwrap(), (WeirStatus::Ok, vec![(1, 10)]));
    // SAFETY: freed once.
    unsafe { weir_queue_free(queue) };
}
