//! A test for backends: run it on your own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::backend::CacheBackend;
use super::footprint::Footprint;
use super::key::Key;
use super::value::{Cached, Value};
use crate::env;
use crate::error::{Error, Result, bail, err};
use crate::runtime;

const TYPE: &str = "weir.conformance";

/// How long the backend may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks the rules of [`CacheBackend`] on an empty backend that has room for 4 MiB, which it leaves empty. Blocks the thread.
///
/// # Errors
/// `InvalidData` naming the first rule that does not hold, with its number as the detail `rule`; the backend's own; `TimedOut` if it
/// does not answer within 10 seconds.
pub fn check(backend: &Arc<dyn CacheBackend>) -> Result<()> {
    let checks: [(u64, &str, Check); 9] = [
        (1, "a key that was never inserted is a miss", misses),
        (2, "what was inserted comes back whole and of its kind", values),
        (3, "keys are equal only if all their parts are", keys),
        (4, "an insertion replaces what was there", replacement),
        (5, "invalidating a prefix removes the entries under it and no others", prefixes),
        (6, "clearing removes all entries", clearing),
        (7, "counts are right or unknown", counts),
        (8, "a value stays whole after its entry is gone", leases),
        (9, "it may be used by several threads at once", threads),
    ];
    for (rule, text, check) in checks {
        check(backend).map_err(|broken| match broken {
            Broken::Rule(what) => err!(InvalidData, "the cache backend breaks rule {rule} ({text}): {what}").with_u64("rule", rule),
            Broken::Failed(error) => error.context(format_args!("checking rule {rule} ({text})")).with_u64("rule", rule),
        })?;
        block_on(backend.clear())?;
    }
    Ok(())
}

enum Broken {
    Rule(String),
    Failed(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The answer, if it comes.
fn block_on<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    let answer = std::pin::pin!(answer);
    env::block_on(async {
        match select(answer, runtime::env().clock.sleep(PATIENCE)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => bail!(TimedOut, "the cache backend did not answer within {PATIENCE:?}"),
        }
    })
}

type Checked = std::result::Result<(), Broken>;
type Backend = Arc<dyn CacheBackend>;
type Check = fn(&Backend) -> Checked;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Broken::Rule(what())) }
}

fn key<'a>(prefix: &'a [u8], key: &'a [u8]) -> Key<'a> {
    Key::new(prefix, key, TYPE)
}

fn get(backend: &Backend, key: Key<'_>) -> std::result::Result<Option<Value>, Broken> {
    let later = block_on(backend.get(key))?;
    if let Some(now) = backend.get_now(key)
        && now.is_some() != later.is_some()
    {
        return Err(Broken::Rule(format!("get_now and get do not agree on the key {key}")));
    }
    Ok(later)
}

fn put(backend: &Backend, key: Key<'_>, value: Value) -> Checked {
    let size = value.size();
    Ok(block_on(backend.insert(key, value, size))?)
}

fn put_bytes(backend: &Backend, key: Key<'_>, bytes: &[u8]) -> Checked {
    put(backend, key, Value::bytes(bytes))
}

fn expect_bytes(backend: &Backend, key: Key<'_>, bytes: &[u8]) -> Checked {
    let value = get(backend, key)?;
    let Some(value) = value else {
        return Err(Broken::Rule(format!("the key {key} is a miss right after its insertion, with {} bytes", bytes.len())));
    };
    ensure(value.as_bytes().is_some_and(|found| **found == *bytes), || format!("other bytes came back for the key {key}: {value:?}"))
}

fn expect_miss(backend: &Backend, key: Key<'_>) -> Checked {
    let value = get(backend, key)?;
    ensure(value.is_none(), || format!("the key {key} is not a miss: {value:?}"))
}

fn misses(backend: &Backend) -> Checked {
    for missing in [key(b"", b""), key(b"p", b"k"), key(b"\0", b"\xff"), Key::new(b"", b"", "")] {
        expect_miss(backend, missing)?;
    }
    Ok(())
}

fn values(backend: &Backend) -> Checked {
    let large: Vec<u8> = (0..1u32 << 18).flat_map(u32::to_le_bytes).collect();
    for bytes in [&b""[..], b"\0", b"value", &large[..1000], &large] {
        let name = bytes.len().to_le_bytes();
        put_bytes(backend, key(b"values", &name), bytes)?;
        expect_bytes(backend, key(b"values", &name), bytes)?;
    }
    let batch = batch()?;
    for (name, batch) in [(&b"batch"[..], batch.clone()), (b"empty", batch.slice(0, 0)), (b"slice", batch.slice(1, 2))] {
        put(backend, key(b"values", name), Value::batch(batch.clone()))?;
        let value = get(backend, key(b"values", name))?;
        ensure(value.as_ref().and_then(Value::as_batch) == Some(&batch), || format!("a batch did not come back as it was: {value:?}"))?;
    }
    put(backend, key(b"values", b"object"), Value::object(Arc::new(Number(7))))?;
    let value = get(backend, key(b"values", b"object"))?;
    let number = value.as_ref().map(Value::decode::<Number>).transpose()?;
    ensure(number.is_none_or(|number| number.is_some_and(|number| number.0 == 7)), || {
        "an object with a codec came back as another".into()
    })?;
    put(backend, key(b"values", b"opaque"), Value::opaque(Arc::new(7u64), Footprint::default()))?;
    let value = get(backend, key(b"values", b"opaque"))?;
    ensure(value.as_ref().is_none_or(|value| value.as_object::<u64>().is_some_and(|number| *number == 7)), || {
        "an object without a codec came back as something else".into()
    })
}

/// An object with a codec.
struct Number(u64);

impl Cached for Number {
    const TYPE_NAME: &'static str = TYPE;

    fn footprint(&self, footprint: &mut Footprint) {
        footprint.add(size_of::<Self>());
    }

    fn encode(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&self.0.to_le_bytes()))
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let bytes = bytes[..].try_into().map_err(|_| err!(InvalidData, "{} bytes are no number", bytes.len()))?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

fn batch() -> Result<RecordBatch> {
    let (mut numbers, mut texts) = (Int64Builder::new(), StringBuilder::new());
    for (number, text) in [(Some(1), Some("one")), (None, Some("")), (Some(-3), None), (Some(i64::MAX), Some("ä"))] {
        numbers.append_option(number);
        texts.append_option(text);
    }
    let fields = vec![Field::new("number", DataType::Int64, true), Field::new("text", DataType::Utf8, true)];
    let columns: Vec<ArrayRef> = vec![Arc::new(numbers.finish()), Arc::new(texts.finish())];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| err!(Internal, "the test's batch: {e}"))
}

fn keys(backend: &Backend) -> Checked {
    let keys = [
        Key::new(b"a", b"bc", "t"),
        Key::new(b"ab", b"c", "t"),
        Key::new(b"abc", b"", "t"),
        Key::new(b"", b"abc", "t"),
        Key::new(b"a", b"b", "ct"),
        Key::new(b"a", b"bc", "u"),
        Key::new(b"a", b"bc", ""),
        Key::new(b"a\0", b"bc", "t"),
        Key::new(b"a", b"\0bc", "t"),
        Key::new(b"\xff\xfe", b"\n\"'%", "t"),
        Key::new(b"", b"", ""),
    ];
    for (index, key) in keys.iter().enumerate() {
        put_bytes(backend, *key, &[index as u8])?;
    }
    keys.iter().enumerate().try_for_each(|(index, key)| expect_bytes(backend, *key, &[index as u8]))
}

fn replacement(backend: &Backend) -> Checked {
    for bytes in [&b"first"[..], b"", b"the second, which is longer"] {
        put_bytes(backend, key(b"p", b"k"), bytes)?;
        expect_bytes(backend, key(b"p", b"k"), bytes)?;
    }
    put(backend, key(b"p", b"k"), Value::batch(batch()?))?;
    let value = get(backend, key(b"p", b"k"))?;
    ensure(value.is_some_and(|value| value.as_batch().is_some()), || "bytes were not replaced by a batch".into())?;
    put_bytes(backend, key(b"p", b"k"), b"bytes")?;
    expect_bytes(backend, key(b"p", b"k"), b"bytes")
}

fn prefixes(backend: &Backend) -> Checked {
    let all: [&[u8]; 6] = [b"", b"a", b"a/b", b"a/bc", b"a\0", b"b"];
    let rounds: [&[u8]; 5] = [b"a/b", b"a", b"c", b"a/bcd", b""];
    for invalidated in rounds {
        for prefix in all {
            (0..20).try_for_each(|n: u8| put_bytes(backend, key(prefix, &[n]), &[n]))?;
        }
        block_on(backend.invalidate_prefix(invalidated))?;
        for prefix in all {
            for n in 0..20 {
                match prefix.starts_with(invalidated) {
                    true => expect_miss(backend, key(prefix, &[n]))?,
                    false => expect_bytes(backend, key(prefix, &[n]), &[n])?,
                }
            }
        }
    }
    Ok(())
}

fn clearing(backend: &Backend) -> Checked {
    (0..50).try_for_each(|n: u8| put_bytes(backend, key(&[n], b"k"), &[n]))?;
    block_on(backend.clear())?;
    (0..50).try_for_each(|n: u8| expect_miss(backend, key(&[n], b"k")))?;
    block_on(backend.clear())?;
    put_bytes(backend, key(b"after", b"k"), b"v")?;
    expect_bytes(backend, key(b"after", b"k"), b"v")?;
    // What was begun and given up takes effect before or not at all.
    let value = Value::bytes(&b"late"[..]);
    for clears in [true, false] {
        let begun = backend.insert(key(b"late", b"k"), value.clone(), value.size()).now_or_never();
        begun.transpose()?;
        let removal = if clears { backend.clear() } else { backend.invalidate_prefix(b"late") };
        block_on(removal)?;
        expect_miss(backend, key(b"late", b"k"))?;
        put_bytes(backend, key(b"after", b"it"), b"v")?;
        expect_miss(backend, key(b"late", b"k"))?;
    }
    Ok(())
}

fn counts(backend: &Backend) -> Checked {
    let counts = || -> std::result::Result<_, Broken> { Ok((block_on(backend.num_entries())?, block_on(backend.size_bytes())?)) };
    let (entries, bytes) = counts()?;
    ensure(entries.is_none_or(|n| n == 0), || format!("{entries:?} entries in an empty backend"))?;
    ensure(bytes.is_none_or(|n| n == 0), || format!("{bytes:?} bytes in an empty backend"))?;
    (0..10).try_for_each(|n: u8| put_bytes(backend, key(b"p", &[n]), &[n; 1000]))?;
    put_bytes(backend, key(b"p", &[0]), &[1; 1000])?;
    let (entries, bytes) = counts()?;
    ensure(entries.is_none_or(|n| n == 10), || format!("{entries:?} entries after 10 were inserted"))?;
    ensure(bytes.is_none_or(|n| (10_000..100_000).contains(&n)), || format!("{bytes:?} bytes for 10 values of 1000"))?;
    let about = (backend.approx_num_entries(), backend.approx_size_bytes());
    ensure(about.0 != Some(0) && about.1 != Some(0), || format!("about {about:?} of 10 entries: 0 does not say unknown"))?;
    block_on(backend.clear())?;
    let (entries, _) = counts()?;
    ensure(entries.is_none_or(|n| n == 0), || format!("{entries:?} entries after clearing"))
}

fn leases(backend: &Backend) -> Checked {
    put_bytes(backend, key(b"p", b"bytes"), &[7; 5000])?;
    put(backend, key(b"p", b"batch"), Value::batch(batch()?))?;
    let (bytes, batched) = (get(backend, key(b"p", b"bytes"))?, get(backend, key(b"p", b"batch"))?);
    put_bytes(backend, key(b"p", b"bytes"), &[8; 5000])?;
    block_on(backend.invalidate_prefix(b"p"))?;
    block_on(backend.clear())?;
    ensure(bytes.is_some_and(|value| value.as_bytes().is_some_and(|bytes| bytes.iter().all(|byte| *byte == 7))), || {
        "bytes changed or were not there".into()
    })?;
    let expected = batch()?;
    ensure(batched.is_some_and(|value| value.as_batch() == Some(&expected)), || "a batch changed or was not there".into())
}

/// Writers and readers of a few keys: what is read is one insertion's, of that key, whole.
fn threads(backend: &Backend) -> Checked {
    const ROUNDS: u32 = 400;
    let failed = AtomicBool::new(false);
    let outcomes: Vec<Checked> = std::thread::scope(|scope| {
        let work = |thread: u32| {
            for round in 0..ROUNDS {
                if failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let name = [((round * 7 + thread) % 5) as u8];
                let done = exchange(backend, key(b"shared", &name), name[0], thread, round);
                done.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            }
            Ok(())
        };
        let handles: Vec<_> = (0..4).map(|thread| scope.spawn(move || work(thread))).collect();
        let panicked = || Err(Broken::Rule("a thread panicked in it".into()));
        handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| panicked())).collect()
    });
    outcomes.into_iter().collect()
}

fn exchange(backend: &Backend, key: Key<'_>, name: u8, thread: u32, round: u32) -> Checked {
    if (round + thread) % 50 == 49 {
        block_on(backend.invalidate_prefix(b"shared"))?;
    } else if (round + thread).is_multiple_of(3) {
        let mut bytes = vec![(round % 251) as u8; 100 + (round % 100) as usize];
        bytes[0] = name;
        put_bytes(backend, key, &bytes)?;
    } else if let Some(value) = get_any(backend, key)? {
        let whole = value
            .as_bytes()
            .is_some_and(|bytes| (100..200).contains(&bytes.len()) && bytes[0] == name && bytes[2..].iter().all(|byte| *byte == bytes[1]));
        ensure(whole, || format!("the key {key} gave a value that nobody inserted there"))?;
    }
    Ok(())
}

/// Without comparing the ways to get it, between which others insert.
fn get_any(backend: &Backend, key: Key<'_>) -> std::result::Result<Option<Value>, Broken> {
    Ok(block_on(backend.get(key))?)
}
