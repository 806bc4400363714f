//! What the tests of the cache share: a plain locked table as a backend, with faults, and keys and values.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use arrow_buffer::Buffer;
use bytes::Bytes;
use weir::cache::{Cache, CacheBackend, Cached, Footprint, Key, OwnedKey, Value};
use weir::env::BoxFuture;
use weir::error::{Error, ErrorKind, Result};
use weir::runtime;

pub const TYPE: &str = "test";

pub fn key<'a>(prefix: &'a str, key: &'a str) -> Key<'a> {
    Key::new(prefix.as_bytes(), key.as_bytes(), TYPE)
}

pub fn text(value: &str) -> Value {
    Value::bytes(value.as_bytes())
}

pub fn said(value: &Value) -> String {
    String::from_utf8(value.as_bytes().expect("bytes").to_vec()).unwrap()
}

pub fn builtin(capacity: u64) -> Cache {
    Cache::builtin(capacity, runtime::env().clock)
}

/// A number, as an object with a codec.
#[derive(Debug, PartialEq)]
pub struct Number(pub u64);

impl Cached for Number {
    const TYPE_NAME: &'static str = TYPE;

    fn footprint(&self, footprint: &mut Footprint) {
        footprint.add(8);
    }

    fn encode(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&self.0.to_le_bytes()))
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let bytes = bytes[..].try_into().map_err(|_| Error::new(ErrorKind::InvalidData, "no number"))?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

/// What a table does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    /// Every call fails.
    Fails,
    /// No call is ever answered.
    Hangs,
    /// Every call panics.
    Panics,
    /// Values come back as three bytes.
    Garbage,
    /// Insertions are not answered while this holds back; each is applied when it is let through.
    HoldsInserts,
    /// The same, and each get that was answered.
    HoldsAnswers,
    /// Breaks the rule of that number.
    Breaks(u64),
    /// Invalidations fail.
    KeepsAll,
    /// Insertions that were given up take effect at the next one.
    InsertsLate,
}

/// A locked table of values.
pub struct Table {
    pub entries: Mutex<HashMap<OwnedKey, Value>>,
    pub wrong: Mutex<Wrong>,
    pub gets: AtomicUsize,
    pub inserts: AtomicUsize,
    pub let_through: tokio::sync::Semaphore,
    /// Insertions that were begun and not ended.
    late: Mutex<Vec<(OwnedKey, Value)>>,
    /// The memory of batches that were handed out.
    handed_out: Mutex<Vec<Arc<[AtomicU64]>>>,
    /// Stores bytes where there is a codec, as a backend out of the process does.
    pub encodes: bool,
}

impl Table {
    pub fn new(wrong: Wrong) -> Arc<Self> {
        Self::with(wrong, false)
    }

    pub fn encoding() -> Arc<Self> {
        Self::with(Wrong::Nothing, true)
    }

    fn with(wrong: Wrong, encodes: bool) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            wrong: Mutex::new(wrong),
            gets: AtomicUsize::new(0),
            inserts: AtomicUsize::new(0),
            let_through: tokio::sync::Semaphore::new(0),
            late: Mutex::default(),
            handed_out: Mutex::default(),
            encodes,
        })
    }

    fn wrong(&self) -> Wrong {
        *self.wrong.lock().unwrap()
    }

    fn breaks(&self, rule: u64) -> bool {
        self.wrong() == Wrong::Breaks(rule)
    }

    async fn fault(&self) -> Result<()> {
        match self.wrong() {
            Wrong::Fails => Err(Error::new(ErrorKind::Storage, "the backend is down")),
            Wrong::Hangs => std::future::pending().await,
            Wrong::Panics => panic!("in the backend"),
            _ => Ok(()),
        }
    }

    /// The batch with its first column, of numbers, in memory that is written over when entries are removed.
    fn lent(&self, batch: &RecordBatch) -> RecordBatch {
        let numbers = batch.column(0).as_primitive::<Int64Type>().values().iter().map(|number| AtomicU64::new(*number as u64));
        let memory: Arc<[AtomicU64]> = numbers.collect();
        let start = NonNull::from(&*memory).cast();
        // SAFETY: the buffer holds what it points into; whoever writes to it does so while nobody reads.
        let buffer = unsafe { Buffer::from_custom_allocation(start, batch.num_rows() * 8, Arc::new(Arc::clone(&memory))) };
        self.handed_out.lock().unwrap().push(memory);
        let mut columns = batch.columns().to_vec();
        columns[0] = Arc::new(Int64Array::new(buffer.into(), batch.column(0).nulls().cloned()));
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    }

    fn write_over(&self) {
        let lent = std::mem::take(&mut *self.handed_out.lock().unwrap());
        lent.iter().flat_map(|memory| &**memory).for_each(|number| number.store(u64::MAX, Ordering::Relaxed));
    }

    /// Keeps the insertion for later, should it be given up now.
    async fn postpone(&self, key: Key<'_>, value: &Value) {
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        late.into_iter().for_each(|(key, value)| self.put(key.as_key(), value));
        self.late.lock().unwrap().push((key.into(), value.clone()));
        let mut polled = false;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.late.lock().unwrap().pop();
    }

    fn put(&self, key: Key<'_>, value: Value) {
        let value = if self.encodes && value.as_bytes().is_none() && value.as_batch().is_none() {
            let Some(encoded) = value.encoded() else { return };
            Value::bytes(&encoded[..])
        } else {
            value
        };
        let key = if self.breaks(3) { Key::new(key.prefix, key.key, "") } else { key };
        let mut entries = self.entries.lock().unwrap();
        if self.breaks(4) && entries.contains_key(&OwnedKey::from(key)) {
            return;
        }
        entries.insert(key.into(), value);
    }
}

impl CacheBackend for Table {
    fn get<'a>(&'a self, key: Key<'a>) -> BoxFuture<'a, Result<Option<Value>>> {
        Box::pin(async move {
            self.gets.fetch_add(1, Ordering::Relaxed);
            self.fault().await?;
            let key = if self.breaks(3) { Key::new(key.prefix, key.key, "") } else { key };
            let found = self.entries.lock().unwrap().get(&OwnedKey::from(key)).cloned();
            if self.wrong() == Wrong::HoldsAnswers {
                self.let_through.acquire().await.unwrap().forget();
            }
            Ok(match found {
                None if self.breaks(1) => Some(text("anything")),
                Some(value) if self.breaks(2) && value.size() > 100 => Some(Value::bytes(&[0; 100][..])),
                Some(value) if self.breaks(8) && value.as_batch().is_some() => value.as_batch().map(|batch| Value::batch(self.lent(batch))),
                Some(_) if self.wrong() == Wrong::Garbage => Some(Value::bytes(&b"???"[..])),
                Some(value) if self.breaks(9) && key.prefix == b"shared" => {
                    // Two halves of two insertions.
                    let bytes = value.as_bytes().map(|bytes| bytes.to_vec());
                    let torn = self.inserts.load(Ordering::Relaxed) as u8;
                    bytes.filter(|bytes| bytes.len() > 100).map_or(Some(value), |mut bytes| {
                        bytes[99] = bytes[99].wrapping_add(torn | 1);
                        Some(Value::bytes(bytes))
                    })
                }
                found => found,
            })
        })
    }

    fn insert<'a>(&'a self, key: Key<'a>, value: Value, _: u64) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.inserts.fetch_add(1, Ordering::Relaxed);
            self.fault().await?;
            if matches!(self.wrong(), Wrong::HoldsInserts | Wrong::HoldsAnswers) {
                self.let_through.acquire().await.unwrap().forget();
            }
            if self.wrong() == Wrong::InsertsLate {
                self.postpone(key, &value).await;
            }
            self.put(key, value);
            Ok(())
        })
    }

    fn invalidate_prefix<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.fault().await?;
            if self.wrong() == Wrong::KeepsAll {
                return Err(Error::new(ErrorKind::Storage, "nothing is removed"));
            }
            self.write_over();
            let exactly = self.breaks(5);
            self.entries.lock().unwrap().retain(|key, _| {
                let key = key.as_key();
                if exactly { key.prefix != prefix } else { !key.is_under(prefix) }
            });
            Ok(())
        })
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.fault().await?;
            let mut entries = self.entries.lock().unwrap();
            match self.breaks(6) {
                true if entries.len() > 40 => entries.retain(|key, _| key.as_key().prefix == [7]),
                _ => entries.clear(),
            }
            Ok(())
        })
    }

    fn num_entries(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async move {
            self.fault().await?;
            Ok(if self.breaks(7) { Some(0) } else { Some(self.entries.lock().unwrap().len() as u64) })
        })
    }

    fn size_bytes(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async move {
            self.fault().await?;
            Ok(None)
        })
    }
}

type Change = Box<dyn Fn(&Table, Key<'_>, Option<Value>) -> Option<Value> + Send + Sync>;

/// A table whose answers a test may change.
pub struct Changed {
    pub table: Arc<Table>,
    change: Mutex<Option<Change>>,
}

impl Changed {
    pub fn new(table: Arc<Table>) -> Arc<Self> {
        Arc::new(Self { table, change: Mutex::new(None) })
    }

    /// From now on, `change` makes the answers of what the table would answer.
    pub fn change(&self, change: impl Fn(&Table, Key<'_>, Option<Value>) -> Option<Value> + Send + Sync + 'static) {
        *self.change.lock().unwrap() = Some(Box::new(change));
    }
}

impl CacheBackend for Changed {
    fn get<'a>(&'a self, key: Key<'a>) -> BoxFuture<'a, Result<Option<Value>>> {
        Box::pin(async move {
            let found = self.table.get(key).await?;
            let change = self.change.lock().unwrap();
            Ok(match &*change {
                Some(change) => change(&self.table, key, found),
                None => found,
            })
        })
    }

    fn insert<'a>(&'a self, key: Key<'a>, value: Value, size: u64) -> BoxFuture<'a, Result<()>> {
        self.table.insert(key, value, size)
    }

    fn invalidate_prefix<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Result<()>> {
        self.table.invalidate_prefix(prefix)
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        self.table.clear()
    }

    fn num_entries(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.table.num_entries()
    }

    fn size_bytes(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.table.size_bytes()
    }
}
