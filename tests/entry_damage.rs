//! Damaged entries: every truncation and every flipped bit is a clear error, and costs no more memory than the object warrants.

mod entry_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow_array::RecordBatch;
use arrow_schema::DataType;
use entry_support::*;
use weir::error::{Action, ErrorKind};
use weir::wal::entry::{Compression, entry_id, sentinel};

/// Notes the largest allocation, and refuses what no small entry can warrant.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);
const ABSURD: usize = 1 << 33;

// SAFETY: all requests go to the system's allocator as they are, or fail as the contract allows.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        if layout.size() > ABSURD {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static WATCHED: Watched = Watched;

/// One test at a time, so that the largest allocation and the panics are its own.
static ALONE: Mutex<()> = Mutex::new(());
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn alone() -> std::sync::MutexGuard<'static, ()> {
    let guard = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    LARGEST.store(0, Relaxed);
    guard
}

fn small_entry(rng: &mut Rng, types: &[DataType], compression: Compression) -> Vec<u8> {
    let batch = batch_of(rng, types, 5);
    object(&encode(&batch.schema(), &[batch.clone(), batch], compression))
}

fn few_types() -> [DataType; 4] {
    [DataType::Int64, DataType::Utf8, DataType::Boolean, DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8))]
}

/// PITFALLS C10.
#[test]
fn every_truncation_and_every_bit_flip_of_an_entry_with_a_trailer_is_corruption() {
    let _alone = alone();
    let mut objects = vec![object(&sentinel(3, ID).unwrap())];
    for compression in codecs() {
        objects.push(small_entry(&mut Rng(1), &few_types(), compression));
    }
    for bytes in objects {
        read(bytes.clone()).unwrap();
        let stream = foreign(bytes.clone()).len();
        for len in 0..bytes.len() {
            let cut = read(bytes[..len].to_vec());
            if len == stream {
                // Without any of its trailer it is what another implementation would have written, whole.
                assert_eq!(cut.unwrap().id, None);
                continue;
            }
            let error = cut.unwrap_err();
            assert_eq!((error.kind(), error.action()), (ErrorKind::Corruption, Action::Stop), "{len} of {} bytes", bytes.len());
            assert_eq!(error.detail_u64("position"), Some(5));
            assert!(error.message().contains("wal/test.arrow") && error.message().contains("position 5"), "{error}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(read(flipped).unwrap_err().kind(), ErrorKind::Corruption, "byte {at}, bit {bit}");
            }
        }
    }
}

/// Flips bits of an entry that nothing vouches for: an error or an entry, and arrow's values can be read in either case.
fn flip(rng: &mut Rng, bytes: &[u8], flips: usize, what: &dyn std::fmt::Display) {
    for i in 0..flips {
        let mut flipped = bytes.to_vec();
        let (at, bit) = if flips == bytes.len() * 8 { (i / 8, i % 8) } else { (rng.below(bytes.len()), rng.below(8)) };
        flipped[at] ^= 1 << bit;
        let before = PANICS.load(Relaxed);
        match read(flipped) {
            Ok(entry) => {
                for column in entry.batches.iter().flat_map(RecordBatch::columns) {
                    arrow_array::Array::to_data(column).validate_full().unwrap();
                }
            }
            // A bit may turn the entry into one of a codec that the build lacks.
            Err(error) if codecs().len() < 3 && error.kind() == ErrorKind::Unsupported => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corruption),
        }
        assert_eq!(PANICS.load(Relaxed), before, "{what}: byte {at}, bit {bit}: arrow panicked");
    }
}

/// PITFALLS C10, also where there is no trailer: bounded memory, no panic even inside, no invalid array.
#[test]
fn bit_flips_of_foreign_entries_of_every_type_are_survived() {
    let _alone = alone();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Relaxed);
        hook(info);
    }));
    let mut types = leaf_types();
    types.extend(wrappers(&DataType::Int16, &DataType::Utf8));
    types.extend(wrappers(&DataType::Utf8View, &DataType::Null));
    for (i, data_type) in types.iter().enumerate() {
        let mut rng = Rng(i as u64);
        for compression in codecs() {
            let batch = batch_of(&mut rng, std::slice::from_ref(data_type), 3);
            let bytes = foreign(object(&encode(&batch.schema(), &[batch], compression)));
            let all = if compression == Compression::None { bytes.len() * 8 } else { 1500 };
            flip(&mut rng, &bytes, all, data_type);
        }
    }
    for seed in 0..60 {
        let mut rng = Rng(seed + 1000);
        let nested = [random_type(&mut rng, 3), random_type(&mut rng, 3)];
        let bytes = foreign(small_entry(&mut rng, &nested, Compression::None));
        flip(&mut rng, &bytes, 2000, &format!("seed {seed}, {nested:?}"));
    }
    let largest = LARGEST.load(Relaxed);
    assert!(largest < 64 << 20, "an allocation of {largest} bytes");
    drop(std::panic::take_hook());
}

#[test]
fn truncations_of_foreign_entries_are_corruption() {
    let _alone = alone();
    for seed in 0..40 {
        let mut rng = Rng(seed);
        let nested = [random_type(&mut rng, 2), DataType::Int32];
        let bytes = foreign(small_entry(&mut rng, &nested, Compression::None));
        for len in 0..bytes.len() {
            assert_eq!(read(bytes[..len].to_vec()).unwrap_err().kind(), ErrorKind::Corruption, "seed {seed}: {len} bytes");
        }
    }
}

#[test]
fn noise_is_corruption() {
    let _alone = alone();
    for seed in 0..5000 {
        let mut rng = Rng(seed);
        let len = rng.below(600);
        let mut noise = rng.bytes(len);
        if rng.chance(50) && noise.len() > 8 {
            noise[..4].fill(0xff);
            let len = (rng.below(noise.len()) as u32) & !7;
            noise[4..8].copy_from_slice(&len.to_le_bytes());
        }
        if rng.chance(20) {
            noise.extend(*b"WEIRWAL1");
        }
        assert_eq!(entry_id(&noise), None);
        assert_eq!(read(noise).unwrap_err().kind(), ErrorKind::Corruption, "seed {seed}");
    }
    assert!(LARGEST.load(Relaxed) < 1 << 20);
}

/// A buffer that claims to inflate to petabytes costs nothing.
#[test]
fn a_compressed_buffer_that_claims_too_much_is_corruption() {
    let _alone = alone();
    for compression in codecs().into_iter().skip(1) {
        let values = arrow_array::Int64Array::from_iter_values((0..5000).map(|i| i / 100));
        let batch = RecordBatch::try_from_iter([("c", std::sync::Arc::new(values) as arrow_array::ArrayRef)]).unwrap();
        let bytes = foreign(object(&encode(&batch.schema(), &[batch], compression)));
        let claim = 40_000_i64.to_le_bytes();
        let at = bytes.windows(8).position(|window| window == claim).unwrap();
        LARGEST.store(0, Relaxed);
        for claim in [40_001, 39_999, 1 << 31, 1 << 50, i64::MAX, -2, i64::MIN] {
            let mut bad = bytes.clone();
            bad[at..at + 8].copy_from_slice(&i64::to_le_bytes(claim));
            assert_eq!(read(bad).unwrap_err().kind(), ErrorKind::Corruption, "{compression:?}: {claim}");
        }
        assert!(LARGEST.load(Relaxed) < 32 << 20, "{}", LARGEST.load(Relaxed));
    }
}
