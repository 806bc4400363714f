//! What reads cost: how many requests, with a cache and without; which rows newer generations hide is found once; memory is bounded.

#![allow(clippy::single_range_in_vec_init, reason = "one generation and several look alike")]

mod scan_support;
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow_array::RecordBatch;
use scan_support::*;
use support::now;
use weir::cache::Cache;
use weir::generation::DataOptions;
use weir::scan::{CompareOp, GenerationHandle, GenerationList, KeyState, Pushdown, ScanRequest, View};
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    NOW.set(NOW.get() + bytes);
    MOST.set(MOST.get().max(NOW.get()));
}

// SAFETY: all requests go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most memory that this thread had allocated at once during `f`, beyond what it had before.
fn peak<T>(f: impl FnOnce() -> T) -> (T, isize) {
    let before = NOW.get();
    MOST.set(before);
    let result = f();
    (result, MOST.get() - before)
}

/// The reads that `f` makes.
fn reads<T>(store: &Store, f: impl FnOnce() -> T) -> (T, u64) {
    let before = store.requests();
    let result = f();
    let made = store.requests() - before;
    assert_eq!(made.total(), made.get, "nothing but reads: {made:?}");
    (result, made.get)
}

fn rows(numbers: impl IntoIterator<Item = i32>, value: i64) -> Vec<Row> {
    numbers.into_iter().map(|number| row(&format!("k{number:05}"), number, value)).collect()
}

fn names(numbers: impl IntoIterator<Item = i32>) -> RecordBatch {
    batch(&rows(numbers, 0))
}

/// Generations of the numbers given, behind a cache of `capacity`.
fn world(capacity: Option<u64>, generations: &[std::ops::Range<i32>]) -> World {
    let spec = spec(&["name"], &["value"]);
    let mut world = match capacity {
        Some(capacity) => World::cached(&spec, capacity),
        None => World::new(&spec),
    };
    world.data = DataOptions { batch_bytes: 4000, ..DataOptions::default() };
    for (at, numbers) in generations.iter().enumerate() {
        world.put(&rows(numbers.clone(), at as i64));
        world.rotate();
        world.flush();
    }
    world
}

#[test]
fn what_was_read_once_is_not_read_again() {
    let world = world(Some(32 << 20), &[0..1000, 1000..2000, 500..600]);
    let view = world.view();
    let keys = names([5, 550, 1500, 9999]);
    let (got, first) = reads(&world.store, || now(view.get(&keys, None)).unwrap());
    assert_eq!(got.states, [KeyState::Found, KeyState::Found, KeyState::Found, KeyState::Missing]);
    assert!(first >= 3 + 3 + 3, "{first}");
    let (again, second) = reads(&world.store, || now(view.get(&keys, None)).unwrap());
    assert_eq!((second, texts(&again.rows)), (0, texts(&got.rows)));
    // Then no future is needed either, and another view knows it too.
    let in_memory = world.view().try_get_in_memory(&keys, None).unwrap().expect("all of it is in memory");
    assert_eq!((in_memory.states, texts(&in_memory.rows)), (got.states, texts(&got.rows)));
    assert!(view.try_get_in_memory(&names([999]), None).unwrap().is_none(), "not read yet");

    let (all, first) = reads(&world.store, || scan(&view, &ScanRequest::default()));
    let (same, second) = reads(&world.store, || scan(&view, &ScanRequest::default()));
    assert!(first > 0 && second == 0 && all == same && all.len() == 2000, "{first} {second} {}", all.len());
    let range = ScanRequest { filter: vec![compare("name", CompareOp::Lt, text("k00010"))], ..ScanRequest::default() };
    scan(&view, &range);
    assert_eq!(reads(&world.store, || scan(&view, &range)).1, 0);
}

#[test]
fn without_a_cache_or_with_one_that_is_too_small_it_is_read_each_time() {
    for capacity in [None, Some(0), Some(1000)] {
        let world = world(capacity, &[0..1000]);
        let view = world.view();
        let keys = names([5]);
        let (got, _) = reads(&world.store, || now(view.get(&keys, None)).unwrap());
        let (again, made) = reads(&world.store, || now(view.get(&keys, None)).unwrap());
        assert_eq!((made, texts(&again.rows)), (2, texts(&got.rows)), "{capacity:?}: a block of the index, and a batch");
        assert!(view.try_get_in_memory(&keys, None).unwrap().is_none());
    }
}

#[test]
fn many_keys_are_read_together() {
    let world = world(None, &[0..2000]);
    let view = world.view();
    now(view.get(&names([0]), None)).unwrap();
    let (got, made) = reads(&world.store, || now(view.get(&names((0..2000).rev()), None)).unwrap());
    assert_eq!(got.rows.num_rows(), 2000);
    assert_eq!(texts(&got.rows)[0].split('|').next(), Some("Some(\"k01999\")"));
    assert!(made <= 6, "{made}");
}

#[test]
fn a_key_that_is_nowhere_costs_no_read() {
    let world = world(None, &[0..1000, 2000..3000]);
    let view = world.view();
    now(view.get(&names([0]), None)).unwrap();
    let absent = names((0..300).map(|number| 10_000 + number));
    assert_eq!(reads(&world.store, || now(view.get(&absent, None)).unwrap()).1, 0);
    // One of a hundred that lie between is taken for a present one.
    let between = names(1000..2000);
    let (_, made) = reads(&world.store, || now(view.get(&between, None)).unwrap());
    assert!(made < 30, "{made}");
}

/// Scans find once what newer generations hide; what is published later adds to it, and a compaction keeps it.
#[test]
fn what_hides_what_is_found_once() {
    let mut world = world(None, &[0..2000, 500..1500, 0..300]);
    let request = ScanRequest { columns: Some(strings(&["name"])), pushdown: Pushdown::Never, ..ScanRequest::default() };
    let cost = |world: &World| reads(&world.store, || scan(&world.view(), &request).len());
    let (found, first) = cost(&world);
    let (again, second) = cost(&world);
    assert_eq!((found, again), (2000, 2000));
    assert!(second < first, "{second} {first}");
    // A view made later shares it; one of handles made anew does not.
    assert_eq!(cost(&world).1, second);

    // A small one more: its own, a look at the others' indexes, no walk through them.
    world.put(&rows(100..110, 9));
    world.rotate();
    assert!(world.flush());
    let (_, third) = cost(&world);
    let (_, fourth) = cost(&world);
    assert!(third > fourth && third - fourth <= 10, "{third} {fourth}");

    // The two newest become one: what they hide is known.
    world.compact(2, 4);
    let (found, fifth) = cost(&world);
    assert_eq!(found, 2000);
    let (_, sixth) = cost(&world);
    assert!(fifth - sixth <= 2, "{fifth} {sixth}: it is opened, its dictionaries are read, and nothing else");
    assert!(world.list.resident_bytes() > 0);
}

#[test]
fn generations_of_other_keys_are_not_compared() {
    let world = world(None, &[0..1000, 1000..2000, 2000..3000]);
    let handles: Vec<_> = world.list.handles().cloned().collect();
    handles.iter().for_each(|handle| _ = now(handle.open()).unwrap());
    let request = ScanRequest { columns: Some(Vec::new()), ..ScanRequest::default() };
    let plain = || {
        for handle in &handles {
            let mut scan = now(handle.open()).unwrap().scan(weir::generation::ScanOptions::default()).unwrap();
            while now(scan.next()).unwrap().is_some() {}
        }
    };
    // Dictionaries are read once.
    plain();
    let (_, plain) = reads(&world.store, plain);
    assert_eq!(reads(&world.store, || batches(&world.view(), &request)).1, plain, "and not one read for their keys");
}

/// A narrow scan reads what it needs: neither all rows, nor all keys.
#[test]
fn a_narrow_scan_reads_little() {
    let world = world(None, &[0..4000, 1000..3000, 5000..6000]);
    world.list.handles().for_each(|handle| _ = now(handle.open()).unwrap());
    let least = ScanRequest { columns: Some(strings(&["name", "value"])), ..ScanRequest::default() };
    for (filter, limit, count, most) in [
        (vec![compare("name", CompareOp::Eq, text("k00010"))], None, 1, 3),
        (vec![compare("name", CompareOp::Eq, text("k01010"))], None, 1, 6),
        (vec![compare("name", CompareOp::Eq, text("nowhere"))], None, 0, 0),
        (vec![compare("name", CompareOp::GtEq, text("k01010")), compare("name", CompareOp::Lt, text("k01020"))], None, 10, 8),
        (vec![], Some(10), 10, 4),
    ] {
        let request = ScanRequest { filter, limit, ..least.clone() };
        let (found, made) = reads(&world.store, || scan(&world.view(), &request));
        assert_eq!(found.len(), count, "{request:?}");
        assert!(made <= most, "{made} reads of {most}: {request:?}");
    }
}

/// A scan of much holds little, whatever it hides and filters.
#[test]
fn the_memory_of_a_scan_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(&spec(&["name"], &[]));
    world.store =
        Store::new("file:///test", Arc::new(LocalBackend::new(dir.path(), LocalOptions { fsync: false, ..LocalOptions::default() })));
    world.data = DataOptions::default();
    let wide = |numbers: std::ops::Range<i32>| {
        numbers.map(|number| Row { tag: None, ..row(&format!("{number:07}{}", "x".repeat(400)), number, 1) }).collect::<Vec<_>>()
    };
    for from in [0, 20_000] {
        for at in (from..from + 40_000).step_by(5000) {
            world.put(&wide(at..at + 5000));
        }
        world.rotate();
        world.flush();
    }
    let stored: u64 = world.list.handles().map(|handle| now(handle.open()).unwrap().stored_bytes()).sum();
    assert!(stored > 33 << 20, "{stored}");
    // Before: what hides what, which takes two bits for a row, and the blocks that are compared.
    let (_, mask) =
        peak(|| scan(&world.view(), &ScanRequest { columns: Some(Vec::new()), limit: Some(30_000), ..ScanRequest::default() }).len());
    assert!(mask < 12 << 20, "{mask}");
    for filter in [vec![], vec![compare("number", CompareOp::Lt, int32(100))]] {
        let count = if filter.is_empty() { 60_000 } else { 100 };
        let request = ScanRequest { filter, ..ScanRequest::default() };
        let view = world.view();
        let (found, most) = peak(|| {
            let mut stream = view.scan(request).unwrap();
            let mut found = 0;
            while let Some(batch) = now(stream.next()).unwrap() {
                found += batch.num_rows();
            }
            found
        });
        assert_eq!(found, count);
        assert!(most < 12 << 20, "{most} bytes of {stored}");
    }
}

/// A list of many generations is merged at once; the outcome is that of one by one.
#[test]
fn many_generations_hide_what_few_do() {
    let ranges: Vec<_> = (0..12).map(|at| at * 37 % 200..at * 37 % 200 + 50).collect();
    let world = world(None, &ranges);
    assert_eq!(scan(&world.fresh(), &ScanRequest::default()), world.model.scan(&ScanRequest::default()));
    assert_eq!(scan(&world.view(), &ScanRequest::default()), world.model.scan(&ScanRequest::default()));
    // One by one, each known before the next comes.
    let mut list = Arc::new(GenerationList::default());
    let handles: Vec<_> = world.list.handles().rev().collect();
    for handle in handles {
        let handle = GenerationHandle::new(world.store.clone(), shard(), handle.table().clone(), None);
        list = Arc::new(list.pushed(handle));
        let view = View::new(Arc::clone(&world.spec), Vec::new(), Arc::clone(&list));
        let count = scan(&view, &ScanRequest::default()).len();
        assert!(count > 0);
    }
    let view = View::new(Arc::clone(&world.spec), Vec::new(), list);
    assert_eq!(scan(&view, &ScanRequest::default()), world.model.scan(&ScanRequest::default()));
}

/// A cache gives back to whoever shares it: two shards of one store do not meet in it.
#[test]
fn shards_do_not_meet_in_the_cache() {
    let one = world(Some(8 << 20), &[0..100]);
    let cache: Cache = one.cache.clone().unwrap();
    let mut other = World::new(&one.spec);
    other.cache = Some(cache);
    other.put(&rows(0..100, 77));
    other.rotate();
    other.flush();
    for _ in 0..2 {
        let get = |world: &World| texts(&now(world.view().get(&names([7]), None)).unwrap().rows);
        assert_ne!(get(&one), get(&other));
    }
}

#[test]
fn streams_move_between_threads() {
    fn check<T: Send>(value: T) -> T {
        value
    }
    let world = world(None, &[0..100]);
    let view = check(world.view());
    let mut stream = check(view.scan(ScanRequest::default()).unwrap());
    fn sync<T: Send + Sync>(_: &T) {}
    sync(&view);
    let found = std::thread::spawn(move || {
        let next = check(stream.next());
        now(next).unwrap().unwrap().num_rows()
    });
    assert!(found.join().unwrap() > 0);
    let keys = names([1]);
    assert_eq!(now(check(view.get(&keys, None))).unwrap().states, [KeyState::Found]);
}
