//! How long values live, whose code runs when they go, and loaders that use the cache.

mod cache_support;
mod support;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};

use cache_support::*;
use support::{Sim, now};
use weir::cache::{Cache, Footprint, Value, WeakCache};
use weir::env::block_on;
use weir::error::ErrorKind;

fn poll<T>(future: &mut Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// An object of that many bytes.
fn opaque(object: Arc<impl Send + Sync + 'static>, bytes: usize) -> Value {
    let mut footprint = Footprint::default();
    footprint.add(bytes);
    Value::opaque(object, footprint)
}

/// PITFALLS K6: what is no longer counted is no longer held.
#[test]
fn what_is_replaced_or_removed_goes_at_once() {
    let cache = builtin(64 << 20);
    let held = Arc::new(());
    let put = |name: &str| now(cache.insert(key("p", name), opaque(Arc::new(held.clone()), 100_000))).unwrap();
    let live = || Arc::strong_count(&held) - 1;
    (0..50).for_each(|_| put("one"));
    assert_eq!(live(), 1, "after 50 replacements of one key");
    (0..20).for_each(|n| put(&n.to_string()));
    assert_eq!(live(), 21);
    now(cache.insert(key("p", "0"), text("small"))).unwrap();
    assert_eq!(live(), 20, "replaced by what is kept elsewhere");
    cache.set_capacity(1_000_000);
    assert!((1..=9).contains(&live()), "{} of 100,000 bytes in 1,000,000", live());
    now(cache.invalidate_prefix(b"p")).unwrap();
    assert_eq!((live(), cache.approx_size_bytes()), (0, Some(0)));
}

/// Whose end uses the cache that it was in, as a release callback may.
struct Reenters {
    cache: WeakCache,
    ends: Arc<AtomicUsize>,
}

impl Drop for Reenters {
    fn drop(&mut self) {
        self.ends.fetch_add(1, Ordering::Relaxed);
        let Some(cache) = self.cache.upgrade() else { return };
        // The key that it was under, so what is locked for that one, and all shards.
        now(cache.insert(key("p", "k"), text("left by the last one"))).unwrap();
        now(cache.insert(key("q", "k"), opaque(Arc::new(()), 50_000))).unwrap();
        let _ = now(cache.get(key("q", "k")));
        now(cache.invalidate_prefix(b"q")).unwrap();
        cache.set_capacity(1 << 20);
    }
}

/// However it comes to go: no lock is held then.
#[test]
fn a_value_may_use_the_cache_when_it_goes() {
    let (done, finished) = std::sync::mpsc::channel();
    // On a thread of its own, so that a lock that is held is a failure and not a hang.
    std::thread::spawn(move || {
        let cache = builtin(1 << 20);
        let ends = Arc::new(AtomicUsize::new(0));
        let put = || {
            let value = Arc::new(Reenters { cache: cache.downgrade(), ends: Arc::clone(&ends) });
            now(cache.insert(key("p", "k"), opaque(value, 400_000))).unwrap();
        };
        // What one leaves replaces the other that came in its place, whose end then does the same.
        let went = |how: &str| assert!(ends.swap(0, Ordering::Relaxed) > 0, "{how}");
        put();
        put();
        went("replaced by one of its kind");
        put();
        now(cache.insert(key("p", "k"), text("small"))).unwrap();
        went("replaced by one of another");
        put();
        now(cache.insert(key("p", "k"), Value::bytes(vec![0; 2 << 20]))).unwrap();
        went("replaced by one that is too large");
        put();
        now(cache.insert(key("p", "large"), opaque(Arc::new(()), 900_000))).unwrap();
        went("evicted for a large one");
        put();
        (0..2000).for_each(|n| now(cache.insert(key("small", &n.to_string()), Value::bytes(vec![0; 400]))).unwrap());
        cache.set_capacity(1000);
        went("evicted for want of room");
        put();
        now(cache.invalidate_prefix(b"p")).unwrap();
        went("invalidated");
        put();
        now(cache.clear()).unwrap();
        went("cleared");
        done.send(()).unwrap();
    });
    finished.recv_timeout(std::time::Duration::from_secs(60)).expect("it hangs, or failed");
}

/// A lease outlives the eviction of its entry, too.
#[test]
fn values_outlive_their_eviction() {
    let cache = builtin(1 << 20);
    for (name, value) in [("bytes", Value::bytes(vec![7; 3000])), ("object", opaque(Arc::new(5u8), 300_000))] {
        now(cache.insert(key("p", name), value)).unwrap();
        let lease = now(cache.get(key("p", name))).unwrap();
        for n in 0..3000 {
            now(cache.insert(key("small", &n.to_string()), Value::bytes(vec![1; 1000]))).unwrap();
            now(cache.insert(key("large", &n.to_string()), opaque(Arc::new(()), 100_000))).unwrap();
        }
        assert!(now(cache.get(key("p", name))).is_none(), "{name} was evicted");
        assert!(cache.stats().evictions > 1000);
        match name {
            "bytes" => assert!(lease.as_bytes().unwrap().iter().all(|byte| *byte == 7)),
            _ => assert_eq!(lease.as_object::<u8>().as_deref(), Some(&5)),
        }
    }
}

/// PITFALLS K3: of insertions of the very key, too, nothing older than a clear is left, and nothing is left half done.
#[test]
fn inserting_a_key_while_it_is_cleared() {
    let cache = builtin(16 << 20);
    // What the writer has finished, and what it may be at.
    let (finished, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let value = if n % 2 == 0 { text(&n.to_string()) } else { opaque(Arc::new(n), 1000) };
                now(cache.insert(key("p", "k"), value)).unwrap();
                finished.store(n, Ordering::Release);
            }
        });
        for _ in 0..2000 {
            let before = finished.load(Ordering::Acquire);
            now(cache.clear()).unwrap();
            if let Some(value) = now(cache.get(key("p", "k"))) {
                let found = value.as_object::<usize>().map_or_else(|| said(&value).parse().unwrap(), |number| *number);
                assert!(found > before, "{found} was inserted before {before} was, and the clear came after that");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    now(cache.clear()).unwrap();
    assert_eq!((now(cache.num_entries()).unwrap(), now(cache.size_bytes()).unwrap()), (Some(0), Some(0)));
}

/// PITFALLS K1: loaders that would wait for each other, round by whatever number of others. One is refused, so that nobody hangs.
#[test]
fn loaders_that_cross_do_not_hang() {
    for cache in [builtin(1 << 20), Cache::new(Table::new(Wrong::Nothing), Arc::new(Sim::new(0).clock()), None)] {
        for (round, ring) in [2, 3, 5].into_iter().cycle().take(60).enumerate() {
            let barrier = Barrier::new(ring);
            let outcomes: Vec<_> = std::thread::scope(|scope| {
                let ask = |index: usize| {
                    let (own, next) = (format!("{round}/{index}"), format!("{round}/{}", (index + 1) % ring));
                    let load = async {
                        // All of them are in their loaders.
                        barrier.wait();
                        let (value, _) = cache.get_or_insert(key("p", &next), async { Ok(text("in its place")) }).await?;
                        Ok(value)
                    };
                    block_on(cache.get_or_insert(key("p", &own), load))
                };
                let threads: Vec<_> = (0..ring).map(|index| scope.spawn(move || ask(index))).collect();
                threads.into_iter().map(|thread| thread.join()).collect()
            });
            // The one that closed the ring; who waited for it loaded in its place.
            let refused =
                outcomes.iter().flatten().filter(|outcome| outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldDeadlock));
            assert_eq!((refused.count(), outcomes.iter().flatten().flatten().count()), (1, ring - 1), "round {round}");
        }
    }
}

/// The same on one thread, where the order is known: who waits within a nested load waits for both, and a wait that ended is forgotten.
#[test]
fn waits_within_nested_loads_count_for_all_of_them() {
    let cache = builtin(1 << 20);
    let (go, going) = tokio::sync::oneshot::channel::<()>();
    let mut other = pin!(cache.get_or_insert(key("p", "c"), async {
        going.await.unwrap();
        let refused = cache.get_or_insert(key("p", "a"), async { panic!("not run") }).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::WouldDeadlock);
        // What does not wait for it may be waited for or loaded.
        cache.get_or_insert(key("p", "d"), async { Ok(text("d")) }).await?;
        Ok(text("c"))
    }));
    assert!(poll(&mut other).is_none());
    // A loads B, which waits for C.
    let mut outer = pin!(cache.get_or_insert(key("p", "a"), async {
        let (b, _) = cache
            .get_or_insert(key("p", "b"), async {
                let (c, _) = cache.get_or_insert(key("p", "c"), async { panic!("somebody loads it") }).await?;
                Ok(c)
            })
            .await?;
        Ok(b)
    }));
    assert!(poll(&mut outer).is_none());
    go.send(()).unwrap();
    assert_eq!(said(&poll(&mut other).unwrap().unwrap().0), "c");
    assert_eq!(said(&poll(&mut outer).unwrap().unwrap().0), "c");
    // The other way round now, with nothing left of before.
    now(cache.clear()).unwrap();
    let (go, going) = tokio::sync::oneshot::channel::<()>();
    let mut first = pin!(cache.get_or_insert(key("p", "a"), async {
        going.await.unwrap();
        Ok(text("a"))
    }));
    assert!(poll(&mut first).is_none());
    let mut second =
        pin!(cache.get_or_insert(key("p", "c"), async {
            Ok(cache.get_or_insert(key("p", "a"), async { panic!("somebody loads it") }).await?.0)
        }));
    assert!(poll(&mut second).is_none());
    go.send(()).unwrap();
    poll(&mut first).unwrap().unwrap();
    assert_eq!(said(&poll(&mut second).unwrap().unwrap().0), "a");
}
