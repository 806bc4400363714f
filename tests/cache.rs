//! The cache over the built-in backend: each key loaded once, invalidation complete, types kept apart, memory counted once and bounded.

mod cache_support;
mod support;

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use cache_support::*;
use futures_util::future::join_all;
use support::{Sim, now};
use tokio::sync::oneshot;
use weir::cache::{Builtin, Cache, CacheBackend, CacheKey, Cached, Footprint, Key, Value, View};
use weir::error::{Error, ErrorKind, Result};

const MIB: usize = 1 << 20;

/// Polls once; `None` while it waits.
fn poll<T>(future: &mut Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Storage, what)
}

/// Caches over the built-in backend and over one that is asked through futures.
fn caches() -> [Cache; 2] {
    [builtin(64 << 20), Cache::new(Table::new(Wrong::Nothing), Arc::new(Sim::new(0).clock()), None)]
}

/// PITFALLS K1: check and registration are one step.
#[test]
fn a_key_that_many_ask_for_at_once_is_loaded_once() {
    for cache in caches() {
        let sim = Sim::new(3);
        sim.run(async {
            let runs = AtomicUsize::new(0);
            let calls = (0..1000).map(|_| async {
                let load = async {
                    runs.fetch_add(1, Ordering::Relaxed);
                    support::sim::yield_now().await;
                    Ok(text("v"))
                };
                cache.get_or_insert(key("p", "k"), load).await.unwrap()
            });
            let outcomes = join_all(calls).await;
            assert_eq!(runs.load(Ordering::Relaxed), 1);
            assert_eq!(outcomes.iter().filter(|(_, cached)| !cached).count(), 1);
            assert!(outcomes.iter().all(|(value, _)| said(value) == "v"));
            let stats = cache.stats();
            assert_eq!((stats.hits, stats.misses, stats.loads, stats.joined, stats.inserts), (999, 1, 1, 999, 1));
        });
    }
}

/// PITFALLS K1, from threads: the same without a scheduler that is kind.
#[test]
fn threads_that_ask_at_once_load_once() {
    for cache in caches() {
        for round in 0..200 {
            let (name, runs) = (round.to_string(), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let load = async {
                            runs.fetch_add(1, Ordering::Relaxed);
                            std::thread::yield_now();
                            Ok(text("v"))
                        };
                        weir::env::block_on(cache.get_or_insert(key("p", &name), load)).unwrap();
                    });
                }
            });
            assert_eq!(runs.load(Ordering::Relaxed), 1, "round {round}");
        }
    }
}

/// PITFALLS K1: whatever becomes of the one that loads, the next one does, and nobody hangs.
#[test]
fn a_loader_that_fails_lets_the_next_one_load() {
    for cache in caches() {
        let (fail, failing) = oneshot::channel::<()>();
        let first = cache.get_or_insert(key("p", "k"), async {
            failing.await.unwrap();
            Err(broken("the first"))
        });
        let second = cache.get_or_insert(key("p", "k"), async { Ok(text("second")) });
        let third = cache.get_or_insert(key("p", "k"), async { Ok(text("third")) });
        let (mut first, mut second, mut third) = (pin!(first), pin!(second), pin!(third));
        assert!(poll(&mut first).is_none() && poll(&mut second).is_none() && poll(&mut third).is_none());
        fail.send(()).unwrap();
        assert!(poll(&mut first).unwrap().unwrap_err().message().contains("the first"), "its own error");
        let (value, cached) = poll(&mut second).unwrap().unwrap();
        assert_eq!((said(&value), cached), ("second".into(), false));
        let (value, cached) = poll(&mut third).unwrap().unwrap();
        assert_eq!((said(&value), cached), ("second".into(), true));
        assert_eq!((cache.stats().loads, cache.stats().load_errors), (2, 1));
    }
}

/// PITFALLS K1.
#[test]
fn a_loader_that_is_cancelled_lets_the_next_one_load() {
    for cache in caches() {
        let mut first = Box::pin(cache.get_or_insert(key("p", "k"), pending()));
        let mut second = pin!(cache.get_or_insert(key("p", "k"), async { Ok(text("second")) }));
        assert!(poll(&mut first.as_mut()).is_none() && poll(&mut second).is_none());
        drop(first);
        assert_eq!(said(&poll(&mut second).unwrap().unwrap().0), "second");
    }
}

/// PITFALLS K1.
#[test]
fn a_loader_that_panics_lets_the_next_one_load() {
    for cache in caches() {
        let (go, going) = oneshot::channel::<()>();
        let mut first = Box::pin(cache.get_or_insert(key("p", "k"), async {
            let _ = going.await;
            panic!("in the loader")
        }));
        let mut second = pin!(cache.get_or_insert(key("p", "k"), async { Ok(text("second")) }));
        assert!(poll(&mut first.as_mut()).is_none() && poll(&mut second).is_none());
        go.send(()).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut first.as_mut())));
        assert!(panicked.is_err(), "it is the caller's");
        drop(first);
        assert_eq!(said(&poll(&mut second).unwrap().unwrap().0), "second");
    }
}

/// PITFALLS K1: loaders may use the cache; one that asks for its own key would wait for itself.
#[test]
fn a_loader_may_ask_for_other_keys_and_not_for_its_own() {
    for cache in caches() {
        let outer = cache.get_or_insert(key("p", "outer"), async {
            cache.insert(key("p", "other"), text("other")).await?;
            let (inner, _) = cache.get_or_insert(key("p", "inner"), async { Ok(text("inner")) }).await?;
            let own = cache.get_or_insert(key("p", "outer"), async { Ok(text("never")) }).await;
            assert_eq!(own.unwrap_err().kind(), ErrorKind::WouldDeadlock);
            assert!(cache.get(key("p", "outer")).await.is_none());
            Ok(inner)
        });
        assert_eq!(said(&now(outer).unwrap().0), "inner");
        assert_eq!(said(&now(cache.get(key("p", "outer"))).unwrap()), "inner");
        assert!(now(cache.get(key("p", "other"))).is_some());
    }
}

/// PITFALLS K4, and K3: of what a loader brings that began before, nothing stays; who asks afterwards loads anew.
#[test]
fn an_invalidation_overtakes_loaders_in_flight() {
    for cache in caches() {
        for (round, clear) in [false, true].into_iter().enumerate() {
            let name = round.to_string();
            let (go, going) = oneshot::channel::<()>();
            let mut old = pin!(cache.get_or_insert(key("p/x", &name), async {
                going.await.unwrap();
                Ok(text("old"))
            }));
            let mut waiting = pin!(cache.get_or_insert(key("p/x", &name), async { Ok(text("never")) }));
            let (stay, staying) = oneshot::channel::<()>();
            let mut other = pin!(cache.get_or_insert(key("q", &name), async {
                staying.await.unwrap();
                Ok(text("other"))
            }));
            assert!(poll(&mut old).is_none() && poll(&mut waiting).is_none() && poll(&mut other).is_none());
            now(async { if clear { cache.clear().await } else { cache.invalidate_prefix(b"p").await } }).unwrap();
            let (value, cached) = now(cache.get_or_insert(key("p/x", &name), async { Ok(text("new")) })).unwrap();
            assert_eq!((said(&value), cached), ("new".into(), false), "loaded anew, without waiting for the old one");
            go.send(()).unwrap();
            stay.send(()).unwrap();
            assert_eq!(said(&poll(&mut old).unwrap().unwrap().0), "old");
            assert_eq!(said(&poll(&mut waiting).unwrap().unwrap().0), "old", "it asked before");
            poll(&mut other).unwrap().unwrap();
            assert_eq!(said(&now(cache.get(key("p/x", &name))).unwrap()), "new", "not overwritten");
            assert_eq!(now(cache.get(key("q", &name))).is_some(), !clear);
        }
        assert_eq!(cache.stats().stale, 3);
    }
}

/// PITFALLS K3: a value that the backend is just taking is waited for, and gone when the invalidation is done.
#[test]
fn an_invalidation_waits_for_what_is_being_stored() {
    let table = Table::new(Wrong::HoldsInserts);
    let cache = Cache::new(table.clone(), Arc::new(Sim::new(0).clock()), None);
    let mut load = pin!(cache.get_or_insert(key("p", "k"), async { Ok(text("old")) }));
    assert!(poll(&mut load).is_none());
    let mut invalidation = pin!(cache.clear());
    assert!(poll(&mut invalidation).is_none(), "it is not done");
    table.let_through.add_permits(1);
    poll(&mut load).unwrap().unwrap();
    assert_eq!(table.entries.lock().unwrap().len(), 1);
    poll(&mut invalidation).unwrap().unwrap();
    assert_eq!(table.entries.lock().unwrap().len(), 0);
    assert!(now(cache.get(key("p", "k"))).is_none());
}

/// PITFALLS K3: also by the second of two at once.
#[test]
fn every_invalidation_waits_for_what_is_being_stored() {
    let table = Table::new(Wrong::HoldsInserts);
    let cache = Cache::new(table.clone(), Arc::new(Sim::new(0).clock()), None);
    let mut load = pin!(cache.get_or_insert(key("p", "k"), async { Ok(text("old")) }));
    assert!(poll(&mut load).is_none());
    let (mut first, mut second) = (pin!(cache.clear()), pin!(cache.invalidate_prefix(b"p")));
    assert!(poll(&mut first).is_none() && poll(&mut second).is_none(), "neither is done");
    table.let_through.add_permits(1);
    poll(&mut load).unwrap().unwrap();
    poll(&mut second).unwrap().unwrap();
    assert!(now(cache.get(key("p", "k"))).is_none());
    poll(&mut first).unwrap().unwrap();
}

/// PITFALLS K4: a load that began while the invalidation ran, and found what it had not removed yet, is nobody's answer afterwards.
#[test]
fn what_was_found_during_an_invalidation_is_not_handed_on_after_it() {
    let table = Table::new(Wrong::Nothing);
    let cache = Cache::new(table.clone(), Arc::new(Sim::new(0).clock()), None);
    now(cache.insert(key("p", "k"), text("old"))).unwrap();
    *table.wrong.lock().unwrap() = Wrong::HoldsAnswers;
    let mut storing = pin!(cache.get_or_insert(key("p", "other"), async { Ok(text("other")) }));
    table.let_through.add_permits(1);
    assert!(poll(&mut storing).is_none(), "its value is being stored");
    let mut invalidation = pin!(cache.clear());
    assert!(poll(&mut invalidation).is_none());
    let mut during = pin!(cache.get_or_insert(key("p", "k"), async { Ok(text("never")) }));
    assert!(poll(&mut during).is_none(), "it has found the old value, which is on its way");
    table.let_through.add_permits(1);
    poll(&mut storing).unwrap().unwrap();
    poll(&mut invalidation).unwrap().unwrap();
    let mut after = pin!(cache.get_or_insert(key("p", "k"), async { Ok(text("new")) }));
    assert!(poll(&mut after).is_none());
    table.let_through.add_permits(10);
    assert_eq!(said(&poll(&mut during).unwrap().unwrap().0), "old", "it asked before");
    assert_eq!(said(&poll(&mut after).unwrap().unwrap().0), "new");
}

/// PITFALLS K3: insertions at the same time neither break it nor are left half done.
#[test]
fn inserting_during_clear_leaves_nothing_older_than_it() {
    let cache = builtin(64 << 20);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (cache, stop) = (&cache, &stop);
            scope.spawn(move || {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let value = if n % 2 == 0 { text(&n.to_string()) } else { Value::object(Arc::new(Number(n))) };
                    now(cache.insert(key("busy", &format!("{thread}/{}", n % 100)), value)).unwrap();
                }
            });
        }
        for round in 0..300 {
            let name = round.to_string();
            now(cache.insert(key("mine", &name), text("v"))).unwrap();
            now(cache.insert(key("mine", "object"), Value::object(Arc::new(Number(round))))).unwrap();
            now(cache.clear()).unwrap();
            assert!(now(cache.get(key("mine", &name))).is_none() && now(cache.get(key("mine", "object"))).is_none());
        }
        stop.store(true, Ordering::Relaxed);
    });
    now(cache.clear()).unwrap();
    assert_eq!((now(cache.num_entries()).unwrap(), now(cache.size_bytes()).unwrap()), (Some(0), Some(0)));
}

#[derive(Debug)]
struct Other;

impl Cached for Other {
    // The mistake: another type has this name.
    const TYPE_NAME: &'static str = TYPE;
    fn footprint(&self, _: &mut Footprint) {}
}

struct Typed<T>(&'static str, std::marker::PhantomData<T>);

impl<T: Cached> CacheKey for Typed<T> {
    type Value = T;
    fn key(&self) -> std::borrow::Cow<'_, [u8]> {
        self.0.as_bytes().into()
    }
}

fn typed<T>(name: &'static str) -> Typed<T> {
    Typed(name, std::marker::PhantomData)
}

/// PITFALLS K2: two types under one key are two entries; if they have one name, a miss on get and an error on load.
#[test]
fn types_are_not_confused() {
    for cache in caches() {
        now(cache.insert(Key::new(b"p", b"k", "one"), text("1"))).unwrap();
        now(cache.insert(Key::new(b"p", b"k", "two"), text("2"))).unwrap();
        assert_eq!(said(&now(cache.get(Key::new(b"p", b"k", "one"))).unwrap()), "1");

        let (numbers, others) = (View::<Typed<Number>>::new(cache.clone(), *b"p"), View::<Typed<Other>>::new(cache.clone(), *b"p"));
        now(numbers.insert(&typed("k"), Arc::new(Number(7)))).unwrap();
        assert_eq!(*now(numbers.get(&typed("k"))).unwrap(), Number(7));
        assert!(now(others.get(&typed("k"))).is_none());
        let loaded = now(others.get_or_insert(&typed("k"), async { panic!("not run") }));
        assert_eq!(loaded.unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(*now(numbers.get(&typed("k"))).unwrap(), Number(7), "and it is still there");

        // Also where the other type is just being loaded.
        let (go, going) = oneshot::channel::<()>();
        let (number, other) = (typed("new"), typed("new"));
        let mut first = pin!(numbers.get_or_insert(&number, async {
            going.await.unwrap();
            Ok(Number(9))
        }));
        let mut second = pin!(others.get_or_insert(&other, async { Ok(Other) }));
        assert!(poll(&mut first).is_none() && poll(&mut second).is_none());
        go.send(()).unwrap();
        assert_eq!(*poll(&mut first).unwrap().unwrap().0, Number(9));
        assert_eq!(poll(&mut second).unwrap().unwrap_err().kind(), ErrorKind::InvalidArgument);
        // And a batch is no object.
        now(cache.insert(key("p", "k"), Value::batch(batch(&Int64Array::from(vec![1]))))).unwrap();
        assert!(now(numbers.get(&typed("k"))).is_none());
        assert_eq!(cache.stats().unusable, 4);
    }
}

fn batch(values: &Int64Array) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values.clone()) as ArrayRef]).unwrap()
}

/// PITFALLS K6: entries that share a buffer have it once, as long as one of them is there.
#[test]
fn shared_buffers_are_counted_once() {
    const BYTES: usize = 8 * 100_000;
    let backend = Builtin::new(64 << 20);
    let whole = batch(&Int64Array::from_iter_values(0..100_000));
    let used = || backend.approx_size_bytes().unwrap() as usize;
    let put = |name: &str, batch: RecordBatch| now(backend.insert(key("p", name), Value::batch(batch), 0)).unwrap();
    put("whole", whole.clone());
    let one = used();
    assert!((BYTES..BYTES + 1000).contains(&one), "{one}");
    for n in 0..50 {
        put(&n.to_string(), whole.slice(n * 100, 10));
    }
    let all = used();
    assert!((one..one + 50 * 1000).contains(&all), "{all}: a slice costs its node alone");
    // Two columns of one buffer.
    let twice = Schema::new(vec![Field::new("a", DataType::Int64, false), Field::new("b", DataType::Int64, false)]);
    let column = Arc::clone(whole.column(0));
    put("twice", RecordBatch::try_new(Arc::new(twice), vec![column.clone(), column]).unwrap());
    assert!(used() < all + 1000);
    // The one that came first goes: the others still hold it.
    now(backend.insert(key("p", "whole"), text("small"), 0)).unwrap();
    assert!(used() > BYTES);
    now(backend.invalidate_prefix(b"p")).unwrap();
    assert_eq!(used(), 0);
}

/// PITFALLS K6: what shares memory fits where copies would not.
#[test]
fn entries_that_share_memory_fit_together() {
    let cache = builtin(MIB as u64);
    let whole = batch(&Int64Array::from_iter_values(0..100_000));
    for n in 0..100 {
        now(cache.insert(key("p", &n.to_string()), Value::batch(whole.slice(n, 1000)))).unwrap();
    }
    assert!((0..100).all(|n| now(cache.get(key("p", &n.to_string()))).is_some()));
    assert_eq!(cache.stats().evictions, 0);
}

/// PITFALLS K6: it is not taken, the rest stays, and what it was to replace does not.
#[test]
fn an_entry_larger_than_the_cache_evicts_nothing() {
    let cache = builtin(4 << 20);
    for n in 0..100 {
        now(cache.insert(key("p", &n.to_string()), text("small"))).unwrap();
        now(cache.insert(key("q", &n.to_string()), Value::object(Arc::new(Number(n))))).unwrap();
    }
    now(cache.insert(key("p", "0"), Value::bytes(vec![1; 5 * MIB]))).unwrap();
    now(cache.insert(key("q", "0"), Value::bytes(vec![1; 5 * MIB]))).unwrap();
    assert!(now(cache.get(key("p", "0"))).is_none() && now(cache.get(key("q", "0"))).is_none(), "neither the new nor the old");
    assert!((1..100).all(|n| now(cache.get(key("p", &n.to_string()))).is_some() && now(cache.get(key("q", &n.to_string()))).is_some()));
    assert_eq!((cache.stats().refused, cache.stats().evictions), (2, 0));
    // A loader's value that is too large still comes back.
    let (value, _) = now(cache.get_or_insert(key("p", "large"), async { Ok(Value::bytes(vec![2; 5 * MIB])) })).unwrap();
    assert_eq!(value.size(), 5 << 20);
}

/// PITFALLS K5: a shard's share refuses nothing that the cache has room for.
#[test]
fn an_entry_of_any_size_up_to_the_cache_is_taken() {
    for capacity in [4 * MIB, 64 * MIB] {
        for part in [64, 32, 16, 8, 4, 3, 2] {
            let cache = builtin(capacity as u64);
            let size = capacity / part - 300;
            for n in 0..part {
                now(cache.insert(key("p", &n.to_string()), Value::bytes(vec![n as u8; size]))).unwrap();
            }
            let there = (0..part).filter(|n| now(cache.get(key("p", &n.to_string()))).is_some()).count();
            // The smallest are small values, of which a shard may get more than its share.
            assert!(there == part || part == 64 && there > 32, "{there} of {part} entries of {size} bytes");
            assert_eq!(cache.stats().refused, 0);
        }
        let cache = builtin(capacity as u64);
        now(cache.insert(key("p", "all"), Value::bytes(vec![1; capacity - 300]))).unwrap();
        assert!(now(cache.get(key("p", "all"))).is_some());
    }
}

/// What is held keeps to the capacity, whatever goes in; and each kind gets room from the other.
#[test]
fn the_capacity_holds_and_room_changes_hands() {
    let (capacity, cache) = (8 * MIB, builtin(8 << 20));
    let small = |n: usize| now(cache.insert(key("small", &n.to_string()), Value::bytes(vec![1; 1000]))).unwrap();
    let large = |n: usize| now(cache.insert(key("large", &n.to_string()), Value::bytes(vec![1; 700_000]))).unwrap();
    let held = |prefix: &str, count: usize| (0..count).filter(|n| now(cache.get(key(prefix, &n.to_string()))).is_some()).count();
    let used = || cache.approx_size_bytes().unwrap() as usize;
    let bounded = || assert!(used() <= capacity, "{} bytes", used());
    (0..11).for_each(large);
    assert_eq!(held("large", 11), 11, "all of it, while nobody else wants any");
    (0..6000).for_each(|n| {
        small(n);
        bounded();
    });
    assert!((4..=7).contains(&held("large", 11)), "{} large ones: half is theirs", held("large", 11));
    assert!(held("small", 6000) > 2500, "{}", held("small", 6000));
    (100..120).for_each(|n| {
        large(n);
        bounded();
    });
    assert!(held("small", 6000) > 2500, "half is theirs: {}", held("small", 6000));
    assert!(now(cache.get(key("large", "119"))).is_some(), "what came last is there");
    now(cache.insert(key("giant", ""), Value::bytes(vec![1; 7 * MIB]))).unwrap();
    bounded();
    assert!(now(cache.get(key("giant", ""))).is_some());
    (0..6000).for_each(|n| {
        small(n);
        bounded();
    });
    assert!(now(cache.get(key("giant", ""))).is_none() && held("small", 6000) > 5000, "{}", held("small", 6000));
}

/// What is asked for outlives what is not.
#[test]
fn what_is_used_stays() {
    let cache = builtin(8 << 20);
    for n in 0..1000 {
        now(cache.insert(key("p", &n.to_string()), Value::bytes(vec![1; 400_000]))).unwrap();
        if n > 0 {
            assert!(now(cache.get(key("p", "0"))).is_some(), "evicted after {n} others");
        }
    }
    assert!(cache.stats().evictions > 900);
}

/// Less room from one moment to the next, and more again.
#[test]
fn the_capacity_can_change() {
    let cache = builtin(16 << 20);
    let fill = || {
        (0..3000).for_each(|n| now(cache.insert(key("s", &n.to_string()), Value::bytes(vec![1; 2000]))).unwrap());
        (0..30).for_each(|n| now(cache.insert(key("l", &n.to_string()), Value::bytes(vec![1; 300_000]))).unwrap());
    };
    fill();
    for capacity in [16 << 20, 5 << 20, 1 << 20, 0, 16 << 20] {
        cache.set_capacity(capacity);
        assert!(cache.approx_size_bytes().unwrap() <= capacity, "{} of {capacity}", cache.approx_size_bytes().unwrap());
        fill();
        assert!(cache.approx_size_bytes().unwrap() <= capacity, "{} of {capacity}", cache.approx_size_bytes().unwrap());
    }
    assert!(cache.approx_size_bytes().unwrap() > 10 << 20);
}

/// Capacity 0 is off: nothing is held, and nobody waits for another's loader.
#[test]
fn a_cache_that_is_off_lets_loaders_run_by_themselves() {
    let cache = builtin(0);
    assert!(cache.is_off());
    now(cache.insert(key("p", "k"), text("v"))).unwrap();
    assert!(now(cache.get(key("p", "k"))).is_none());
    let mut first = pin!(cache.get_or_insert(key("p", "k"), pending()));
    assert!(poll(&mut first).is_none());
    let (value, cached) = now(cache.get_or_insert(key("p", "k"), async { Ok(text("second")) })).unwrap();
    assert_eq!((said(&value), cached), ("second".into(), false));
    assert_eq!(cache.get_now(key("p", "k")).map(|found| found.is_some()), Some(false));
    now(cache.clear()).unwrap();
    assert_eq!((now(cache.num_entries()).unwrap(), now(cache.size_bytes()).unwrap()), (Some(0), Some(0)));
}

/// A handle in something cached must not keep the cache.
#[test]
fn a_weak_handle_does_not_keep_the_cache() {
    let cache = builtin(1 << 20);
    let weak = cache.downgrade();
    assert!(weak.upgrade().is_some_and(|same| same.is(&cache)));
    let held = Arc::new(Number(1));
    now(cache.insert(key("p", "k"), Value::opaque(Arc::new((weak.clone(), held.clone())), Footprint::default()))).unwrap();
    drop(cache);
    assert!(weak.upgrade().is_none());
    assert_eq!(Arc::strong_count(&held), 1, "and its entries are gone");
}

/// A lease stays whole after its entry is gone.
#[test]
fn values_outlive_their_entries() {
    let cache = builtin(1 << 20);
    now(cache.insert(key("p", "k"), text("v"))).unwrap();
    let lease = now(cache.get(key("p", "k"))).unwrap();
    now(cache.clear()).unwrap();
    drop(cache);
    assert_eq!(said(&lease), "v");
}

#[test]
fn a_key_that_is_too_long_is_refused() {
    let (cache, long) = (builtin(1 << 20), vec![0; 70_000]);
    let key = Key::new(&long, b"", "");
    assert_eq!(now(cache.insert(key, text("v"))).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let loaded: Result<_> = now(cache.get_or_insert(key, async { panic!("not run") }));
    assert_eq!(loaded.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(now(cache.get(key)).is_none());
}
