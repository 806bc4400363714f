//! Backends: ours and others keep the rules of the conformance suite, the suite notices those that do not, and a cache over one that
//! fails, hangs, panics or gives garbage goes on without it.

mod cache_support;
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_support::*;
use support::{Sim, now};
use weir::cache::{Builtin, Cache, CacheBackend, CacheKey, Value, View, conformance};
use weir::env::{Clock, block_on};
use weir::error::ErrorKind;

#[test]
fn the_built_in_backend_keeps_the_rules() {
    for capacity in [4 << 20, 64 << 20, 1 << 30] {
        let backend: Arc<dyn CacheBackend> = Arc::new(Builtin::new(capacity));
        conformance::check(&backend).unwrap_or_else(|error| panic!("{capacity}: {error}"));
    }
}

#[test]
fn a_plain_table_keeps_the_rules_and_so_does_one_that_stores_bytes() {
    for table in [Table::new(Wrong::Nothing), Table::encoding()] {
        let backend: Arc<dyn CacheBackend> = table;
        conformance::check(&backend).unwrap();
    }
}

/// A suite that nothing fails tells nothing.
#[test]
fn each_broken_rule_is_named() {
    let breaks = (1..=9).map(|rule| (rule, Wrong::Breaks(rule)));
    for (rule, wrong) in breaks.chain([(6, Wrong::InsertsLate)]) {
        let backend: Arc<dyn CacheBackend> = Table::new(wrong);
        let error = conformance::check(&backend).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("rule")), (ErrorKind::InvalidData, Some(rule)), "{error}");
    }
    let backend: Arc<dyn CacheBackend> = Table::new(Wrong::Fails);
    let error = conformance::check(&backend).unwrap_err();
    assert!(error.kind() == ErrorKind::Storage && error.message().contains("the backend is down"), "{error}");
}

struct Name(&'static str);

impl CacheKey for Name {
    type Value = Number;
    fn key(&self) -> std::borrow::Cow<'_, [u8]> {
        self.0.as_bytes().into()
    }
}

/// PITFALLS K1, K3: reads never fail for the backend's sake; invalidations say that they did.
#[test]
fn a_backend_that_fails_or_panics_is_a_miss() {
    for wrong in [Wrong::Fails, Wrong::Panics] {
        let table = Table::new(wrong);
        let cache = Cache::new(table.clone(), Arc::new(Sim::new(0).clock()), None);
        assert!(now(cache.get(key("p", "k"))).is_none());
        now(cache.insert(key("p", "k"), text("v"))).unwrap();
        let (value, cached) = now(cache.get_or_insert(key("p", "k"), async { Ok(text("loaded")) })).unwrap();
        assert_eq!((said(&value), cached), ("loaded".into(), false));
        assert_eq!(cache.stats().backend_errors, 4, "get, insert, get and insert");
        assert!(now(cache.clear()).is_err() && now(cache.invalidate_prefix(b"p")).is_err());
        assert!(now(cache.num_entries()).is_err() && now(cache.size_bytes()).is_err());
        // It recovers.
        *table.wrong.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Wrong::Nothing;
        now(cache.insert(key("p", "k"), text("v"))).unwrap();
        assert_eq!(said(&now(cache.get(key("p", "k"))).unwrap()), "v");
    }
}

/// PITFALLS K1: nobody hangs with it.
#[test]
fn a_backend_that_hangs_costs_its_deadline() {
    let sim = Sim::new(1);
    let cache = Cache::new(Table::new(Wrong::Hangs), Arc::new(sim.clock()), Some(Duration::from_millis(70)));
    sim.run(async {
        let clock = sim.clock();
        assert!(cache.get(key("p", "k")).await.is_none());
        assert_eq!(clock.now(), Duration::from_millis(70));
        let (value, cached) = cache.get_or_insert(key("p", "k"), async { Ok(text("loaded")) }).await.unwrap();
        assert_eq!((said(&value), cached), ("loaded".into(), false));
        assert_eq!(clock.now(), Duration::from_millis(210));
        assert_eq!(cache.clear().await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(cache.stats().backend_errors, 3);
    });
}

/// PITFALLS K2: undecodable bytes are a miss, and replaced by what is loaded.
#[test]
fn garbage_is_a_miss() {
    let table = Table::encoding();
    let cache = Cache::new(table.clone(), Arc::new(Sim::new(0).clock()), None);
    let view = View::<Name>::new(cache.clone(), *b"p");
    now(view.insert(&Name("k"), Arc::new(Number(7)))).unwrap();
    assert_eq!(*now(view.get(&Name("k"))).unwrap(), Number(7), "through its codec");
    *table.wrong.lock().unwrap() = Wrong::Garbage;
    assert!(now(view.get(&Name("k"))).is_none());
    let (number, cached) = now(view.get_or_insert(&Name("k"), async { Ok(Number(8)) })).unwrap();
    assert_eq!((&*number, cached), (&Number(8), false));
    assert_eq!((cache.stats().unusable, cache.stats().backend_errors), (2, 0));
    *table.wrong.lock().unwrap() = Wrong::Nothing;
    assert_eq!(*now(view.get(&Name("k"))).unwrap(), Number(8));
}

/// A value without a codec is not for a backend that stores bytes: it is loaded each time.
#[test]
fn what_has_no_codec_is_loaded_again() {
    let cache = Cache::new(Table::encoding(), Arc::new(Sim::new(0).clock()), None);
    for _ in 0..2 {
        let load = async { Ok(Value::opaque(Arc::new(5u8), Default::default())) };
        let (value, cached) = now(cache.get_or_insert(key("p", "k"), load)).unwrap();
        assert_eq!((value.as_object::<u8>().as_deref(), cached), (Some(&5), false));
    }
}

/// PITFALLS K1: over a backend that is not ours, too, a load asks it once.
#[test]
fn a_load_asks_the_backend_once() {
    let table = Table::new(Wrong::Nothing);
    let cache = Cache::new(table.clone(), Arc::new(Sim::new(0).clock()), None);
    block_on(cache.get_or_insert(key("p", "k"), async { Ok(text("v")) })).unwrap();
    assert_eq!((table.gets.load(Ordering::Relaxed), table.inserts.load(Ordering::Relaxed)), (1, 1));
}
