//! Reading a published generation: what is kept of it once opened, single rows, and whole-file checks.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use prost::Message;
use tokio::sync::OnceCell;

use super::bloom::Bloom;
use super::cached::BlockCache;
use super::container::{self, Container, Table, crc, damaged, kind, missing};
use super::data::{DataTable, Decoder, Place};
use super::index::{Cursor, Index, KeyRange};
use super::scan::{Scan, ScanOptions};
use super::{DATA, Hit, INDEX, SecondarySpec, parse_directory};
use crate::cache::Cache;
use crate::error::{Error, ErrorKind, Result, bail, err};
use crate::memtable::key::{KeySpec, hash_key};
use crate::shard::ShardPath;
use crate::shard::manifest::SsTable;
use crate::store::Store;

/// Batches are read together up to this many bytes.
pub(super) const READ_BYTES: u64 = 1024 * 1024;
/// Batches that nobody asked for are read along where they take no more than this.
const GAP_BYTES: u64 = 64 * 1024;
/// How many reads are under way at once.
pub(super) const CONCURRENT: usize = 8;

/// What a look for a key found.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    /// The generation says nothing of the key: an older one may.
    Absent,
    /// The key was deleted: an older generation has nothing to say (PITFALLS I3, I4).
    Deleted,
    /// Its row.
    Row(RecordBatch),
}

/// An opened generation. Its header, sparse index, filter and mask are kept; all else is read when asked for.
///
/// It stays readable while a newer manifest no longer names it, until it is swept: then reads are `NotFound`, and the manifest
/// is to be read again.
#[derive(Debug)]
pub struct Generation {
    store: Store,
    dir: String,
    table: Table,
    key: Option<KeySpec>,
    index: Arc<Index>,
    bloom: Option<Bloom>,
    /// The rows that are not the newest of their key.
    superseded: Option<BooleanBuffer>,
    data: DataTable,
    /// The first row of each batch, and behind the last one's.
    starts: Vec<u64>,
    decoder: Decoder,
    pub(super) cached: Option<BlockCache>,
    /// Read when the first batch is.
    dictionaries: OnceCell<HashMap<i64, ArrayRef>>,
    /// Opened when first asked for.
    secondary: Vec<OnceCell<Arc<Index>>>,
}

impl Generation {
    /// Opens the generation that a manifest of `shard` calls `table`: one read, or two if it is large.
    ///
    /// # Errors
    /// `Unsupported` if it is not one of weir's, or of a later format; `NotFound` if it is gone; `Corruption`; the store's.
    pub async fn open(store: &Store, shard: &ShardPath, table: &SsTable) -> Result<Arc<Self>> {
        Self::open_cached(store, shard, table, None).await
    }

    /// [`Self::open`] where blocks that are read are kept in `cache`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_cached(store: &Store, shard: &ShardPath, table: &SsTable, cache: Option<&Cache>) -> Result<Arc<Self>> {
        if parse_directory(&table.path).is_none() {
            bail!(
                Unsupported,
                "generation {} of shard {} lies in {:?}, which is no directory of weir's",
                table.generation,
                shard.id(),
                table.path
            );
        }
        let dir = format!("{}/{}", shard.dir(), table.path);
        let path = format!("{dir}/{INDEX}");
        let cached = cache.and_then(|cache| BlockCache::new(cache, store, &dir));
        let opened = open_index(store, &path, None, cached.as_ref(), 0).await;
        if opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
            && store.list_dirs(&dir).await?.iter().any(|name| name == "_versions")
        {
            bail!(Unsupported, "generation {} of shard {} is a Lance dataset, which weir does not read", table.generation, shard.id());
        }
        let container = opened?;
        let bad = |what: String| damaged(store, &path, what);
        let header = &container.header;
        let own = header.table.clone().filter(|_| header.kind == 1).ok_or_else(|| bad("it is not the index of a generation".into()))?;
        check_compression(&own).map_err(|what| err!(Unsupported, "{}: {what}", store.url_of(&path)))?;
        if own.generation != table.generation || table.physical_rows.is_some_and(|rows| rows != own.rows) {
            return Err(bad(format!("it is of generation {} with {} rows, which the manifest knows otherwise", own.generation, own.rows)));
        }
        Self::assemble(store, dir, container, own, cached).map(Arc::new)
    }

    fn assemble(store: &Store, dir: String, container: Arc<Container>, table: Table, cached: Option<BlockCache>) -> Result<Self> {
        let path = container.path.clone();
        let bad = |what: String| damaged(store, &path, what);
        let decoder = Decoder::new(&table.schema, &table.stored_schema).map_err(bad)?;
        let key = match &table.key_columns[..] {
            [] => None,
            names => KeySpec::resolve(decoder.schema(), Some(names)).map_err(|e| bad(e.message().to_owned()))?,
        };
        let data = container.section(kind::DATA).and_then(|bytes| DataTable::decode(bytes).map_err(|e| e.to_string())).map_err(bad)?;
        let starts = check_places(&data, &table).map_err(bad)?;
        let bloom = match key {
            Some(_) => Some(container.section(kind::BLOOM).and_then(Bloom::read).map_err(bad)?),
            None => None,
        };
        let superseded = container.optional(kind::MASK).map(|bytes| mask(bytes, &table)).transpose().map_err(bad)?;
        if superseded.is_none() && table.superseded > 0 {
            return Err(bad("the mask of superseded rows is missing".into()));
        }
        let secondary = table.secondary.iter().map(|_| OnceCell::new()).collect();
        let index = Arc::new(Index::new(store.clone(), container, cached.as_ref().map(|cached| cached.index(0)))?);
        let (store, dictionaries) = (store.clone(), OnceCell::new());
        Ok(Self { store, dir, table, key, index, bloom, superseded, data, starts, decoder, cached, dictionaries, secondary })
    }

    /// Its number.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.table.generation
    }

    /// The schema of its rows, the tombstone column included.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.decoder.schema()
    }

    /// A number that is equal for generations of equal schemas.
    #[must_use]
    pub fn schema_fingerprint(&self) -> u64 {
        self.table.schema_fingerprint
    }

    /// Its primary key, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&KeySpec> {
        self.key.as_ref()
    }

    /// Its rows, superseded ones and tombstones included.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.table.rows
    }

    /// How many keys it has; 0 if it has no primary key.
    #[must_use]
    pub fn key_count(&self) -> u64 {
        if self.key.is_some() { self.table.rows - self.table.superseded } else { 0 }
    }

    /// Its keys whose newest row is a deletion.
    #[must_use]
    pub fn tombstones(&self) -> u64 {
        self.table.tombstones
    }

    /// The rows that are not the newest of their key, as a mask over all rows; `None` if there are none.
    #[must_use]
    pub fn superseded(&self) -> Option<&BooleanBuffer> {
        self.superseded.as_ref()
    }

    /// The least and the greatest key, encoded; `None` if there is no key.
    #[must_use]
    pub fn key_range(&self) -> Option<(&[u8], &[u8])> {
        self.key.as_ref().map(|_| (&self.table.first_key[..], &self.table.last_key[..]))
    }

    /// The bytes of its objects.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.table.data_len + self.index.container.size + self.table.secondary.iter().map(|one| one.len).sum::<u64>()
    }

    /// What its rows took in memory, as its writer counted.
    #[must_use]
    pub fn in_memory_bytes(&self) -> u64 {
        self.table.in_memory_bytes
    }

    /// The memory that it takes while open, about.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let places = (self.data.batches.capacity() + self.data.dictionaries.capacity()) * size_of::<Place>();
        self.index.resident_bytes() + (places + self.starts.capacity() * size_of::<u64>()) as u64
    }

    /// Its secondary indexes.
    #[must_use]
    pub fn secondary(&self) -> Vec<SecondarySpec> {
        let spec = |one: &container::Secondary| SecondarySpec { name: one.name.clone(), columns: one.columns.clone() };
        self.table.secondary.iter().map(spec).collect()
    }

    /// Whether `key`, encoded, may be in it: no read. If not, it is not.
    #[must_use]
    pub fn may_contain(&self, key: &[u8]) -> bool {
        self.may_contain_hash(key, hash_key(key))
    }

    /// As [`Self::may_contain`], with the key's hash, so that it is made once for many generations.
    #[must_use]
    pub fn may_contain_hash(&self, key: &[u8], hash: u64) -> bool {
        let within = *self.table.first_key <= *key && *key <= *self.table.last_key;
        within && self.bloom.as_ref().is_some_and(|bloom| bloom.may_contain(hash))
    }

    /// Where `key`, encoded, leads: one read at most.
    ///
    /// # Errors
    /// The store's; `NotFound` if the generation is gone; `Corruption`.
    pub async fn find(&self, key: &[u8]) -> Result<Option<Hit>> {
        if !self.may_contain(key) {
            return Ok(None);
        }
        self.index.get(key).await?.map(|hit| self.checked(hit)).transpose()
    }

    /// [`Self::find`] where nothing has to be read; `None` where something has. The filter is not asked.
    ///
    /// # Errors
    /// `Corruption`.
    pub fn find_now(&self, key: &[u8]) -> Result<Option<Option<Hit>>> {
        let found = self.index.get_now(key)?;
        found.map(|hit| hit.map(|hit| self.checked(hit)).transpose()).transpose()
    }

    /// About how many keys are in `range`, without a read; 0 only if there are none.
    #[must_use]
    pub fn estimate(&self, range: &KeyRange) -> u64 {
        let is_beside = self.key_range().is_none_or(|(first, last)| range.is_before(last) || range.is_after(first));
        if is_beside { 0 } else { self.index.estimate(range) }
    }

    /// About how many entries of the secondary index `name` are in `range`: a read at most, to open it; 0 only if there are none.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub async fn estimate_entries(&self, name: &str, range: &KeyRange) -> Result<u64> {
        Ok(self.secondary_index(self.secondary_at(name)?).await?.estimate(range))
    }

    /// Where each of `keys`, encoded and sorted, leads: keys that lie close are read together.
    ///
    /// # Errors
    /// `InvalidArgument` if the keys are not sorted; as [`Self::find`].
    pub async fn find_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Hit>>> {
        self.find_all(keys, true).await
    }

    /// [`Self::find_many`] for who asks once for so many that they would drive all else out of the cache: nothing goes through it.
    ///
    /// # Errors
    /// As [`Self::find_many`].
    pub async fn find_each(&self, keys: &[&[u8]]) -> Result<Vec<Option<Hit>>> {
        self.find_all(keys, false).await
    }

    async fn find_all(&self, keys: &[&[u8]], keep: bool) -> Result<Vec<Option<Hit>>> {
        if !keys.is_sorted() {
            bail!(InvalidArgument, "the keys are not sorted");
        }
        let wanted: Vec<usize> = (0..keys.len()).filter(|at| self.may_contain(keys[*at])).collect();
        let found = self.index.get_many(&wanted.iter().map(|at| keys[*at]).collect::<Vec<_>>(), keep).await?;
        let mut hits = vec![None; keys.len()];
        for (at, hit) in wanted.into_iter().zip(found) {
            hits[at] = hit.map(|hit| self.checked(hit)).transpose()?;
        }
        Ok(hits)
    }

    fn checked(&self, hit: Hit) -> Result<Hit> {
        if hit.row < self.table.rows { Ok(hit) } else { Err(self.index.damaged(format!("a key leads to row {}", hit.row))) }
    }

    /// The row of `key`, encoded, with the columns of `projection` (`None`: all): two reads at most.
    ///
    /// # Errors
    /// As [`Self::find`]; `InvalidArgument` if the projection cannot be.
    pub async fn get(&self, key: &[u8], projection: Option<&[usize]>) -> Result<Got> {
        match self.find(key).await? {
            None => Ok(Got::Absent),
            Some(hit) if hit.tombstone => Ok(Got::Deleted),
            Some(hit) => match self.take(&[hit.row], projection).await?.pop() {
                Some(row) => Ok(Got::Row(row)),
                None => Err(self.index.damaged(format!("row {} is missing", hit.row))),
            },
        }
    }

    /// Its rows in insert order, in bounded memory.
    ///
    /// # Errors
    /// `InvalidArgument` if the options cannot be.
    pub fn scan(self: &Arc<Self>, options: ScanOptions) -> Result<Scan> {
        Scan::new(self.clone(), options)
    }

    /// Its keys in order, each with its newest row.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no key.
    pub fn keys(&self, range: &KeyRange) -> Result<Cursor> {
        if self.key.is_none() {
            bail!(InvalidArgument, "generation {} has no primary key", self.table.generation);
        }
        Ok(self.index.cursor(range, true))
    }

    /// [`Self::keys`] for who walks through so many that they would drive all else out of the cache: nothing goes through it.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub fn walk(&self, range: &KeyRange) -> Result<Cursor> {
        let mut cursor = self.keys(range)?;
        cursor.bypass();
        Ok(cursor)
    }

    /// The entries of the secondary index `name` in order, each with its row: only newest rows that are no deletions.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such index; `NotFound` if the generation is gone; `Corruption`; the store's.
    pub async fn entries(&self, name: &str, range: &KeyRange) -> Result<Cursor> {
        Ok(self.secondary_index(self.secondary_at(name)?).await?.cursor(range, true))
    }

    fn secondary_at(&self, name: &str) -> Result<usize> {
        let at = self.table.secondary.iter().position(|one| one.name == name);
        at.ok_or_else(|| err!(InvalidArgument, "generation {} has no index '{name}'", self.table.generation))
    }

    async fn secondary_index(&self, at: usize) -> Result<&Arc<Index>> {
        let spec = &self.table.secondary[at];
        let opened = self.secondary[at].get_or_try_init(|| async {
            let path = format!("{}/{}", self.dir, spec.object);
            let number = at as u32 + 1;
            let container = open_index(&self.store, &path, Some(spec.len), self.cached.as_ref(), number).await?;
            if container.header.kind != 2 || container.front_crc != spec.front_crc {
                return Err(damaged(&self.store, &path, "it is not the index that its generation speaks of"));
            }
            let cached = self.cached.as_ref().map(|cached| cached.index(number));
            Index::new(self.store.clone(), container, cached).map(Arc::new)
        });
        opened.await
    }

    /// Reads and checks every byte of every object, that every row can be decoded, and that keys are sorted.
    ///
    /// # Errors
    /// `Corruption`, naming the object; `NotFound`; the store's.
    pub async fn verify(self: &Arc<Self>) -> Result<()> {
        if self.key.is_some() {
            let keys = self.index.verify().await?;
            if keys.checked_add(self.table.superseded) != Some(self.table.rows) {
                return Err(self
                    .index
                    .damaged(format!("{keys} keys and {} superseded rows of {}", self.table.superseded, self.table.rows)));
            }
        }
        for at in 0..self.secondary.len() {
            self.secondary_index(at).await?.verify().await?;
        }
        let end = |places: &[Place]| places.last().map(|last| last.at + last.len);
        let first = self.data.dictionaries.first().or(self.data.batches.first()).map_or(0, |first| first.at);
        let last = end(&self.data.batches).unwrap_or(first);
        for (range, sum) in [(0..first, self.data.head_crc), (last..self.table.data_len, self.data.tail_crc)] {
            let bytes = self.fetch(range.clone()).await?;
            if crc(&bytes) != sum {
                return Err(self.damaged(format!("the checksum of bytes {range:?} is wrong")));
            }
        }
        let mut scan = self.scan(ScanOptions { superseded: true, tombstones: true, ..ScanOptions::default() })?;
        while scan.next().await?.is_some() {}
        Ok(())
    }

    // ---- data.arrow -----------------------------------------------------------------------------------------------------

    /// How many stored batches there are.
    pub(super) fn batches(&self) -> usize {
        self.data.batches.len()
    }

    /// The rows of the stored batch.
    pub(super) fn rows_of(&self, batch: usize) -> Range<u64> {
        self.starts[batch]..self.starts[batch + 1]
    }

    /// The stored batch that has the row.
    pub(super) fn batch_of(&self, row: u64) -> usize {
        self.starts.partition_point(|start| *start <= row) - 1
    }

    pub(super) fn check_projection(&self, projection: Option<&[usize]>) -> Result<()> {
        let Some(columns) = projection else { return Ok(()) };
        let count = self.schema().fields().len();
        let mut seen = vec![false; count];
        for column in columns {
            match seen.get_mut(*column) {
                Some(seen) if !*seen => *seen = true,
                Some(_) => bail!(InvalidArgument, "column {column} is in the projection twice"),
                None => bail!(InvalidArgument, "column {column} is in the projection; there are {count}"),
            }
        }
        Ok(())
    }

    pub(super) fn projected(&self, projection: Option<&[usize]>) -> Result<SchemaRef> {
        self.decoder.projected(projection)
    }

    /// Adds the batch `index` to `runs`, each worth one read of about `most` bytes: to the last one, or as one of its own.
    pub(super) fn add_to_runs(&self, runs: &mut Vec<Range<usize>>, index: usize, most: u64) {
        let place = |index: usize| &self.data.batches[index];
        let (at, end) = (place(index).at, place(index).at + place(index).len);
        match runs.last_mut() {
            Some(run) if at - (place(run.end - 1).at + place(run.end - 1).len) <= GAP_BYTES && end - place(run.start).at <= most => {
                run.end = index + 1;
            }
            _ => runs.push(index..index + 1),
        }
    }

    /// The messages of the stored batches `run`, in one read, checked.
    pub(super) async fn read(&self, run: Range<usize>) -> Result<Vec<Bytes>> {
        self.messages(&self.data.batches[run]).await
    }

    async fn messages(&self, places: &[Place]) -> Result<Vec<Bytes>> {
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(Vec::new()) };
        let bytes = self.fetch(first.at..last.at + last.len).await?;
        let message = |place: &Place| {
            let start = (place.at - first.at) as usize;
            let message = bytes.slice(start..start + place.len as usize);
            if crc(&message) != place.crc {
                return Err(self.damaged(format!("the checksum of {} bytes at {} is wrong", place.len, place.at)));
            }
            Ok(message)
        };
        places.iter().map(message).collect()
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Bytes> {
        container::fetch(&self.store, &format!("{}/{DATA}", self.dir), range, self.table.data_len).await
    }

    /// The stored batch `index` in its message, with the columns of `projection` in its order.
    pub(super) async fn decode(&self, index: usize, message: Bytes, projection: Option<&[usize]>) -> Result<RecordBatch> {
        let dictionaries = self.dictionaries.get_or_try_init(|| async {
            let messages = self.messages(&self.data.dictionaries).await?;
            self.decoder.dictionaries(messages).map_err(|what| self.damaged(what))
        });
        // Columns come in the file's order.
        let sorted = projection.map(|columns| {
            let mut sorted = columns.to_vec();
            sorted.sort_unstable();
            sorted
        });
        let batch = self.decoder.batch(message, dictionaries.await?, sorted.as_deref()).map_err(|what| self.damaged(what))?;
        let rows = self.rows_of(index);
        if batch.num_rows() as u64 != rows.end - rows.start {
            return Err(self.damaged(format!("a batch of {} rows instead of {}", batch.num_rows(), rows.end - rows.start)));
        }
        let (Some(columns), Some(sorted)) = (projection, sorted) else { return Ok(batch) };
        if columns == sorted {
            return Ok(batch);
        }
        let order: Vec<usize> = columns.iter().map(|column| sorted.partition_point(|other| other < column)).collect();
        batch.project(&order).map_err(|e| err!(Internal, "columns cannot be put in order: {e}"))
    }

    pub(super) fn damaged(&self, what: impl std::fmt::Display) -> Error {
        damaged(&self.store, &format!("{}/{DATA}", self.dir), what)
    }
}

/// What is kept of the index at `path`, which is number `object` of its generation: one read, or two if it is large, if it is not cached.
async fn open_index(store: &Store, path: &str, len: Option<u64>, cached: Option<&BlockCache>, object: u32) -> Result<Arc<Container>> {
    let open = async { Container::open(store, path, len).await?.ok_or_else(|| missing(store, path)) };
    match cached {
        Some(cached) => cached.front(object, path, open).await,
        None => open.await.map(Arc::new),
    }
}

fn check_compression(table: &Table) -> std::result::Result<(), String> {
    let (name, built) = match table.compression {
        0 => return Ok(()),
        1 => ("lz4", cfg!(feature = "lz4")),
        2 => ("zstd", cfg!(feature = "zstd")),
        other => return Err(format!("compression {other} is not known to this weir")),
    };
    if built { Ok(()) } else { Err(format!("this build of weir has no {name}")) }
}

/// The messages lie one behind the other in the file, and the batches have the rows that the table says; gives their first rows.
fn check_places(data: &DataTable, table: &Table) -> std::result::Result<Vec<u64>, String> {
    let mut places = data.dictionaries.iter().chain(&data.batches).peekable();
    let mut at = places.peek().map_or(0, |first| first.at);
    for place in places {
        if place.at != at {
            return Err(format!("a batch at {} instead of {at}", place.at));
        }
        at = at.checked_add(place.len).filter(|end| *end <= table.data_len).ok_or("a batch goes beyond its file")?;
    }
    let mut starts = vec![0];
    let mut rows = 0_u64;
    for place in &data.batches {
        rows = rows.checked_add(place.rows).ok_or("more rows than can be")?;
        starts.push(rows);
    }
    if rows != table.rows || rows == 0 {
        return Err(format!("{} rows by one account, {rows} by another", table.rows));
    }
    Ok(starts)
}

/// The mask of superseded rows.
fn mask(bytes: Bytes, table: &Table) -> std::result::Result<BooleanBuffer, String> {
    if bytes.len() as u64 != table.rows.div_ceil(8) {
        return Err(format!("a mask of {} bytes for {} rows", bytes.len(), table.rows));
    }
    let mask = BooleanBuffer::new(Buffer::from(bytes), 0, table.rows as usize);
    if mask.count_set_bits() as u64 != table.superseded {
        return Err("the mask of superseded rows does not count them right".into());
    }
    Ok(mask)
}
