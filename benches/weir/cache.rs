//! The cache through the ABI: hits, a load that many ask for, what an entry takes, and a second tailer of the same entries.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use weir::ffi::cache::{
    WeirCache, WeirCacheKey, WeirCacheOptions, weir_cache_free, weir_cache_get, weir_cache_insert, weir_cache_new, weir_cache_options_init,
};
use weir::ffi::cache_loader::{WeirCacheLoader, weir_cache_get_or_insert};
use weir::ffi::cache_reply::{WeirCacheReply, weir_cache_reply_bytes};
use weir::ffi::cache_value::{WeirCacheValue, weir_cache_value_data, weir_cache_value_free, weir_cache_value_len};
use weir::ffi::error::WeirError;

use crate::abi::{Appender, SHARD, Session, Tailer, call, export};
use crate::report::{Report, Target, median};
use crate::{Options, alloc, data, raw};

const TYPE: &std::ffi::CStr = c"bench";

pub fn run(options: &Options, report: &mut Report) {
    hits(options, report);
    flight(report);
    overhead(options, report);
    second_tailer(options, report);
}

pub struct Cache(*mut WeirCache);
// SAFETY: handles may be used from any thread.
unsafe impl Sync for Cache {}

impl Cache {
    fn new(capacity: u64) -> Self {
        let mut options = std::mem::MaybeUninit::<WeirCacheOptions>::uninit();
        // SAFETY: as long as it says.
        let mut options = unsafe {
            weir_cache_options_init(options.as_mut_ptr(), size_of::<WeirCacheOptions>() as u32);
            options.assume_init()
        };
        options.capacity_bytes = capacity;
        let mut cache = null_mut();
        call!(weir_cache_new(&raw const options, &raw mut cache));
        Self(cache)
    }

    fn raw(&self) -> *const WeirCache {
        self.0
    }

    fn insert(&self, key: &[u8], value: &[u8]) {
        let key = key_of(key);
        call!(weir_cache_insert(self.0, &raw const key, value.as_ptr(), value.len(), -1));
    }

    /// One lookup with all that belongs to it: the lease is read and freed.
    fn hit(&self, key: &WeirCacheKey) {
        let mut value: *mut WeirCacheValue = null_mut();
        let mut error: *mut WeirError = null_mut();
        // SAFETY: the key and the cache live; the value is freed once.
        unsafe {
            weir_cache_get(self.0, key, -1, &raw mut value, &raw mut error);
            assert!(!value.is_null());
            std::hint::black_box((weir_cache_value_data(value), weir_cache_value_len(value)));
            weir_cache_value_free(value);
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_cache_free(self.0) };
    }
}

fn key_of(key: &[u8]) -> WeirCacheKey {
    let type_name: *const c_char = TYPE.as_ptr();
    WeirCacheKey { prefix: b"tenant/table/".as_ptr(), prefix_len: 13, key: key.as_ptr(), key_len: key.len(), type_name }
}

/// A walk over all of `count` in no order that a cache line would help.
pub fn walk(count: usize) -> impl Iterator<Item = usize> {
    (0usize..).map(move |n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20).map(move |n| n % count)
}

fn hits(options: &Options, report: &mut Report) {
    const ENTRIES: usize = 1000;
    let (cache, count) = (Cache::new(256 << 20), options.count(1_000_000));
    let keys: Vec<[u8; 16]> = (0..ENTRIES).map(|n| (n as u128).to_be_bytes()).collect();
    keys.iter().for_each(|key| cache.insert(key, &[7; 100]));
    // By the wall's clock, and by the thread's, which others on the machine do not touch.
    let one = |count: usize, offset: usize| {
        let (began, cpu) = (Instant::now(), thread_time());
        for n in walk(ENTRIES).skip(offset).take(count) {
            cache.hit(&key_of(&keys[n]));
        }
        (began.elapsed().as_nanos() as f64 / count as f64, (thread_time() - cpu) / count as f64)
    };
    let medians = |times: Vec<(f64, f64)>| {
        let (wall, cpu): (Vec<_>, Vec<_>) = times.into_iter().unzip();
        (median(wall), median(cpu))
    };
    one(count / 10, 0);
    let (single, single_cpu) = medians((0..options.rounds).map(|_| one(count, 0)).collect());
    report.value("cache.hit.1", single, "ns", Some(single_cpu), Target::AtMost(150.0));
    let together = |threads: usize| {
        let (barrier, count) = (Barrier::new(threads), count / 4);
        let work = |thread: usize| {
            barrier.wait();
            one(count, thread * 97)
        };
        let times = std::thread::scope(|scope| {
            let work = &work;
            let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
            handles.into_iter().map(|handle| handle.join().expect("a thread")).collect()
        });
        medians(times)
    };
    let (sixteen, sixteen_cpu) = medians((0..options.rounds).map(|_| together(16)).collect());
    report.ratio("cache.hit.16", sixteen, "ns", 8.0 * single, Target::AtMost(1.5));
    report.ratio("cache.hit.16.cpu", sixteen_cpu, "ns", single_cpu, Target::None);
}

/// The time that this thread has had of a processor, in nanoseconds.
pub fn thread_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a local to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

struct Load {
    runs: AtomicUsize,
}

unsafe extern "C" fn load(ctx: *mut c_void, _: *const WeirCacheKey, reply: *mut WeirCacheReply) {
    // SAFETY: the context lives as long as the calls.
    let load = unsafe { &*ctx.cast::<Load>() };
    load.runs.fetch_add(1, Ordering::SeqCst);
    // Long enough for all to ask.
    let reply = reply as usize;
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        // SAFETY: answered once.
        unsafe { weir_cache_reply_bytes(reply as *mut WeirCacheReply, [1].as_ptr(), 1, null_mut()) };
    });
}

fn flight(report: &mut Report) {
    const CALLS: usize = 1000;
    let (cache, load_once) = (Cache::new(1 << 20), Load { runs: AtomicUsize::new(0) });
    let barrier = Barrier::new(CALLS);
    std::thread::scope(|scope| {
        for _ in 0..CALLS {
            let builder = std::thread::Builder::new().stack_size(256 << 10);
            let spawned = builder.spawn_scoped(scope, || {
                let loader = WeirCacheLoader { load: Some(load), ctx: (&raw const load_once).cast_mut().cast(), release: None };
                let (key, mut value) = (key_of(b"one"), null_mut());
                barrier.wait();
                call!(weir_cache_get_or_insert(cache.raw(), &raw const key, loader, -1, &raw mut value, null_mut()));
                // SAFETY: freed once.
                unsafe { weir_cache_value_free(value) };
            });
            spawned.expect("a thread");
        }
    });
    report.value("cache.flight", load_once.runs.load(Ordering::SeqCst) as f64, "loads", None, Target::AtMost(1.0));
}

fn overhead(options: &Options, report: &mut Report) {
    const VALUE: usize = 100;
    let count = options.count(1_000_000);
    let mut cache = None;
    let before = resident();
    let kept = alloc::bytes_kept_by(|| {
        let new = Cache::new(4 << 30);
        (0..count as u64).for_each(|n| new.insert(&n.to_be_bytes(), &[1; VALUE]));
        cache = Some(new);
    });
    let own = 13 + 8 + TYPE.count_bytes() + VALUE;
    let each = |bytes: f64| bytes / count as f64 - own as f64;
    // Beside it, what the process grew by, with the allocator's rounding.
    report.value("cache.overhead", each(kept as f64), "bytes", Some(each(resident() - before)), Target::AtMost(128.0));
}

/// The memory of the process, in bytes.
pub fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4096.0
}

fn second_tailer(options: &Options, report: &mut Report) {
    let count = options.count(1000);
    let root = options.dir.join("cache-tail");
    let text = root.to_string_lossy().into_owned();
    {
        let session = Session::new(&[]);
        let appender = Appender::open(&session, &text, &data::schema(), false);
        (0..count).for_each(|_| appender.append(export(&data::small())));
        appender.close();
    }
    assert_eq!(raw::entries(&root, SHARD).len(), count);
    let (mut seconds, mut gets) = (Vec::new(), 0);
    for _ in 0..options.rounds.min(3) {
        let session = Session::new(&[("weir_simulated_latency_ms", "20")]);
        let drain = || {
            let tailer = Tailer::open(&session, &text, |_| {});
            let began = Instant::now();
            (0..count).for_each(|_| assert!(tailer.next()));
            began.elapsed().as_secs_f64() * 1000.0
        };
        let first = drain();
        let before = session.requests_of("get");
        seconds.push((drain(), first));
        gets = gets.max(session.requests_of("get") - before);
    }
    let (second, first): (Vec<_>, Vec<_>) = seconds.into_iter().unzip();
    report.ratio("cache.tail.second", median(second), "ms", median(first), Target::AtMost(0.05));
    report.value("cache.tail.second.gets", gets as f64, "", None, Target::AtMost(0.0));
}
