//! Writing a generation: a table's rows become objects, and the objects a directory.
//!
//! [`encode`] does all the work that needs no storage, once. [`Encoded::store`] then tries, each time in a directory of its own, to
//! put everything there; what an attempt that failed leaves, perhaps later than its error, is in nobody's way and swept in time.

use std::collections::HashSet;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use prost::Message;

use super::block::Builder;
use super::bloom::Bloom;
use super::container::{self, Header, Secondary, Table, kind};
use super::data::{self, DataOptions};
use super::{DATA, Hit, INDEX, SecondaryEncoder, SecondarySpec, TOMBSTONE, directory};
use crate::env::{Env, Retry};
use crate::error::{Action, Error, ErrorKind, Result, bail, err};
use crate::memtable::key::{KeyEncoder, KeySpec, Keys, hash_key};
use crate::shard::ShardPath;
use crate::shard::manifest::SsTable;
use crate::store::{Created, Store};
use crate::wal::entry::{BatchEncoder, Compression};

/// What a generation is made of.
#[derive(Debug, Clone)]
pub struct TableInput {
    /// Its number.
    pub generation: u64,
    /// The schema of its rows; with a key, the last column is [`TOMBSTONE`].
    pub schema: SchemaRef,
    /// The primary key, if the shard has one.
    pub key: Option<KeySpec>,
    /// The rows in insert order.
    pub batches: Vec<RecordBatch>,
    /// Secondary indexes to be made.
    pub secondary: Vec<SecondarySpec>,
    /// What the rows took in memory, for statistics.
    pub in_memory_bytes: u64,
}

/// A generation ready to be stored.
#[derive(Debug, Clone)]
pub struct Encoded {
    pub(super) generation: u64,
    /// Names and parts of the objects, in the order in which they are stored.
    pub(super) objects: Vec<(String, Vec<Bytes>)>,
    rows: u64,
    key_bytes: Option<u64>,
    in_memory_bytes: u64,
}

/// A generation that is on storage, whole, and not published yet.
#[derive(Debug, Clone)]
pub struct Written {
    /// What the manifest will say of it.
    pub table: SsTable,
    /// When its first object was about to be written, by the clock's monotonic time.
    pub began: Duration,
}

/// Makes the objects of a generation.
///
/// # Errors
/// `InvalidArgument`: no rows, generation 0, no tombstone column where there is a key, an index that cannot be; `SchemaMismatch`;
/// `InvalidData`: nulls where none may be.
pub fn encode(input: TableInput, options: &DataOptions) -> Result<Encoded> {
    let TableInput { generation, schema, key, batches, secondary, in_memory_bytes } = input;
    if key.is_some() {
        check_tombstone(&schema)?;
    }
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
    let keys = match key.clone() {
        Some(spec) => Some(SortedKeys::new(&KeyEncoder::new(spec), &batches)?),
        None => None,
    };
    let live = |row: u64| keys.as_ref().is_none_or(|keys| keys.is_live(row));
    let secondary = secondary.into_iter().map(|spec| {
        let encoder = SecondaryEncoder::new(&schema, &spec)?;
        let run = sort_secondary(&encoder, &batches, live)?;
        Ok((spec, run))
    });
    let secondary = secondary.collect::<Result<Vec<_>>>()?;
    let index = keys.as_ref().map(|keys| keys.index());
    Parts { generation, schema, key, batches, rows, index, secondary, in_memory_bytes }.encode(options)
}

fn check_tombstone(schema: &Schema) -> Result<()> {
    match schema.fields().last() {
        Some(last) if last.name() == TOMBSTONE && *last.data_type() == DataType::Boolean && !last.is_nullable() => Ok(()),
        _ => bail!(InvalidArgument, "the last column of a table with a primary key must be '{TOMBSTONE}', a boolean without nulls"),
    }
}

/// All that a generation is made of, with its indexes sorted.
pub(super) struct Parts {
    pub generation: u64,
    pub schema: SchemaRef,
    pub key: Option<KeySpec>,
    pub batches: Vec<RecordBatch>,
    pub rows: u64,
    /// The primary key's index.
    pub index: Option<KeyIndex>,
    pub secondary: Vec<(SecondarySpec, Builder)>,
    pub in_memory_bytes: u64,
}

/// The primary key's index while it is made.
pub(super) struct KeyIndex {
    pub builder: Builder,
    /// The hash of every key.
    pub hashes: Vec<u64>,
    /// One bit per row that a later one supersedes; none if there are none.
    pub mask: Option<Bytes>,
    pub tombstones: u64,
    pub superseded: u64,
    pub key_bytes: u64,
}

impl Parts {
    pub(super) fn encode(self, options: &DataOptions) -> Result<Encoded> {
        let Self { generation, schema, key, batches, rows, index, secondary, in_memory_bytes } = self;
        if generation == 0 || rows == 0 {
            bail!(InvalidArgument, "generation {generation} with {rows} rows cannot be written");
        }
        check_names(&secondary)?;
        let message = BatchEncoder::new(&schema, Compression::None)?.file_preamble()?;
        let file = data::build(&schema, batches, options)?;
        let mut table = Table {
            generation,
            rows,
            in_memory_bytes,
            schema_fingerprint: crc_fast::crc64_nvme(&message),
            stored_schema: if file.schema == message { Bytes::new() } else { file.schema },
            schema: message,
            data_len: file.len,
            key_columns: key.iter().flat_map(|key| key.columns()).map(|column| column.name().to_owned()).collect(),
            compression: match options.compression {
                Compression::None => 0,
                Compression::Lz4 => 1,
                Compression::Zstd => 2,
            },
            ..Table::default()
        };
        let mut objects = vec![(DATA.to_owned(), file.parts)];
        for (number, (spec, builder)) in secondary.into_iter().enumerate() {
            let object = format!("index.{number}.weir");
            let built = builder.finish();
            let header = Header { kind: 2, entries: built.entries, ..Header::default() };
            let parts = container::assemble(header, vec![(kind::SPARSE, built.sparse)], built.blocks)?;
            let (len, front_crc) = (parts.iter().map(|part| part.len() as u64).sum(), container::crc(&parts[0]));
            table.secondary.push(Secondary { name: spec.name, columns: spec.columns, object: object.clone(), len, front_crc });
            objects.push((object, parts));
        }
        let mut sections = vec![(kind::DATA, Bytes::from(file.table.encode_to_vec()))];
        let (mut blocks, mut entries, mut key_bytes) = (Vec::new(), 0, None);
        if let Some(index) = index {
            let built = index.builder.finish();
            sections.push((kind::SPARSE, built.sparse));
            sections.push((kind::BLOOM, Bloom::build(built.entries, index.hashes.into_iter()).bytes().clone()));
            sections.extend(index.mask.map(|mask| (kind::MASK, mask)));
            (blocks, entries, key_bytes) = (built.blocks, built.entries, Some(index.key_bytes));
            (table.tombstones, table.superseded, table.key_bytes) = (index.tombstones, index.superseded, index.key_bytes);
            (table.first_key, table.last_key) = (built.first_key, built.last_key);
        } else {
            sections.push((kind::SPARSE, Bytes::new()));
        }
        let header = Header { kind: 1, entries, table: Some(table), ..Header::default() };
        objects.push((INDEX.to_owned(), container::assemble(header, sections, blocks)?));
        Ok(Encoded { generation, objects, rows, key_bytes, in_memory_bytes })
    }
}

fn check_names(secondary: &[(SecondarySpec, Builder)]) -> Result<()> {
    let mut names = HashSet::new();
    match secondary.iter().find(|(spec, _)| !names.insert(&spec.name)) {
        Some((spec, _)) => bail!(InvalidArgument, "there are two indexes '{}'", spec.name),
        None => Ok(()),
    }
}

/// The rows of a table by key.
struct SortedKeys {
    keys: Vec<Keys>,
    tombstones: Vec<RecordBatch>,
    /// The first row of each batch.
    starts: Vec<u64>,
    sorted: Vec<Entry>,
    /// The rows that a later one supersedes.
    superseded: BooleanBufferBuilder,
}

/// A row: the first bytes of its key, and where it is.
#[derive(Clone, Copy)]
struct Entry {
    prefix: u64,
    batch: u32,
    row: u32,
}

impl SortedKeys {
    fn new(encoder: &KeyEncoder, batches: &[RecordBatch]) -> Result<Self> {
        let (mut keys, mut starts, mut tombstones, mut rows) = (Vec::new(), Vec::new(), Vec::new(), 0_u64);
        for batch in batches {
            keys.push(encoder.encode(batch).map_err(|e| e.context(format_args!("rows from {rows}")))?);
            starts.push(rows);
            tombstones.push(tombstones_of(batch)?);
            rows += batch.num_rows() as u64;
        }
        if u32::try_from(rows).is_err() || u32::try_from(batches.len()).is_err() {
            bail!(InvalidArgument, "a generation of {rows} rows in {} batches is too large", batches.len());
        }
        let entries = keys.iter().enumerate().flat_map(|(batch, keys)| {
            keys.iter().enumerate().map(move |(row, key)| Entry { prefix: prefix(key), batch: batch as u32, row: row as u32 })
        });
        let mut sorted: Vec<Entry> = entries.collect();
        let key = |entry: &Entry| keys[entry.batch as usize].key(entry.row as usize);
        // Of one key, the newest row first (PITFALLS I1).
        sorted.sort_unstable_by(|a, b| {
            (a.prefix.cmp(&b.prefix)).then_with(|| key(a).cmp(key(b))).then_with(|| (b.batch, b.row).cmp(&(a.batch, a.row)))
        });
        let mut superseded = BooleanBufferBuilder::new(rows as usize);
        superseded.append_n(rows as usize, false);
        // Keys themselves are compared, not their hashes (PITFALLS I5).
        for pair in sorted.windows(2) {
            if pair[0].prefix == pair[1].prefix && key(&pair[0]) == key(&pair[1]) {
                superseded.set_bit((starts[pair[1].batch as usize] + u64::from(pair[1].row)) as usize, true);
            }
        }
        Ok(Self { keys, tombstones, starts, sorted, superseded })
    }

    fn row(&self, entry: &Entry) -> u64 {
        self.starts[entry.batch as usize] + u64::from(entry.row)
    }

    /// Whether the row is the newest of its key, and no deletion.
    fn is_live(&self, row: u64) -> bool {
        let batch = self.starts.partition_point(|start| *start <= row) - 1;
        !self.superseded.get_bit(row as usize) && !is_tombstone(&self.tombstones[batch], (row - self.starts[batch]) as usize)
    }

    fn index(&self) -> KeyIndex {
        let (mut builder, mut hashes) = (Builder::default(), Vec::new());
        let (mut tombstones, mut superseded, mut key_bytes) = (0, 0, 0);
        for entry in &self.sorted {
            let row = self.row(entry);
            if self.superseded.get_bit(row as usize) {
                superseded += 1;
                continue;
            }
            let key = self.keys[entry.batch as usize].key(entry.row as usize);
            let tombstone = is_tombstone(&self.tombstones[entry.batch as usize], entry.row as usize);
            builder.push(key, Hit { row, tombstone });
            hashes.push(hash_key(key));
            tombstones += u64::from(tombstone);
            key_bytes += key.len() as u64;
        }
        let mask = (superseded > 0).then(|| Bytes::copy_from_slice(self.superseded.as_slice()));
        KeyIndex { builder, hashes, mask, tombstones, superseded, key_bytes }
    }
}

/// The first eight bytes of a key, so that most comparisons touch nothing else.
fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = key.len().min(8);
    first[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(first)
}

/// The tombstone column alone.
fn tombstones_of(batch: &RecordBatch) -> Result<RecordBatch> {
    let last = batch.num_columns().checked_sub(1);
    let column = last.filter(|last| batch.schema_ref().field(*last).name() == TOMBSTONE);
    let column = column.filter(|column| *batch.column(*column).data_type() == DataType::Boolean && batch.column(*column).null_count() == 0);
    let Some(column) = column else { bail!(SchemaMismatch, "a batch has no column '{TOMBSTONE}' of booleans without nulls at its end") };
    batch.project(&[column]).map_err(|e| err!(Internal, "a column cannot be taken: {e}"))
}

fn is_tombstone(tombstones: &RecordBatch, row: usize) -> bool {
    tombstones.column(0).as_boolean().value(row)
}

fn sort_secondary(encoder: &SecondaryEncoder, batches: &[RecordBatch], live: impl Fn(u64) -> bool) -> Result<Builder> {
    let (mut entries, mut start) = (Vec::new(), 0);
    for batch in batches {
        let rows = encoder.encode(batch)?.into_iter().zip(start..);
        entries.extend(rows.filter(|(_, row)| live(*row)));
        start += batch.num_rows() as u64;
    }
    entries.sort_unstable();
    let mut builder = Builder::default();
    entries.iter().for_each(|(key, row)| builder.push(key, Hit { row: *row, tombstone: false }));
    Ok(builder)
}

impl Encoded {
    /// The generation's number.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The bytes of all its objects.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.objects.iter().flat_map(|(_, parts)| parts).map(|part| part.len() as u64).sum()
    }

    /// The objects' names and contents, in the order in which they are stored.
    pub fn objects(&self) -> impl Iterator<Item = (&str, &[Bytes])> {
        self.objects.iter().map(|(name, parts)| (name.as_str(), parts.as_slice()))
    }

    /// Stores it in a new directory of `shard`, again in another one after each failure that may pass.
    ///
    /// Nothing is published by this, and what a failed attempt left is not: an object whose creation failed may still appear, but in a
    /// directory that nobody will name.
    ///
    /// # Errors
    /// The store's, of the last attempt.
    pub async fn store(&self, store: &Store, shard: &ShardPath, env: &Env, retry: Retry) -> Result<Written> {
        let mut failures = 0;
        loop {
            let began = env.clock.now();
            let path = directory(env.random.next(), self.generation);
            let failure = match self.attempt(store, &format!("{}/{path}", shard.dir())).await {
                Ok(()) => {
                    let table = SsTable {
                        generation: self.generation,
                        path,
                        in_memory_bytes: Some(self.in_memory_bytes),
                        physical_rows: Some(self.rows),
                        primary_key_bytes: self.key_bytes,
                    };
                    return Ok(Written { table, began });
                }
                Err(failure) => failure,
            };
            failures += 1;
            // A directory that is not there any more was swept while it was empty.
            let may_pass = failure.action() == Action::Retry || failure.kind() == ErrorKind::NotFound;
            if failures > retry.max_retries || !may_pass {
                return Err(failure.context(format_args!("generation {} of shard {}", self.generation, shard.id())));
            }
            tracing::warn!(error = %failure, generation = self.generation, "writing a generation failed, trying again");
            retry.pause(env, failures).await;
        }
    }

    async fn attempt(&self, store: &Store, dir: &str) -> Result<()> {
        store.make_dirs(&[dir]).await?;
        let mut created = Vec::new();
        for (name, parts) in &self.objects {
            let path = format!("{dir}/{name}");
            match store.create(&path, parts).await {
                Ok(Created::Done) => created.push(path),
                outcome => {
                    let failure = outcome.err().unwrap_or_else(|| taken(store, &path));
                    // Once the first object is ours, so is the directory, and what may be there under this name.
                    if !created.is_empty() {
                        created.push(path);
                    }
                    self.abandon(store, dir, created).await;
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    /// Gives back the room of a failed attempt: never what may be another's. What stays, or appears later, is
    /// swept in time.
    async fn abandon(&self, store: &Store, dir: &str, created: Vec<String>) {
        for path in created.iter().rev() {
            if let Err(error) = store.delete(path).await {
                tracing::debug!(%error, "an abandoned attempt stays until it is swept");
                return;
            }
        }
        if let Err(error) = store.remove_dir(dir).await {
            tracing::debug!(%error, "the directory of an abandoned attempt stays until it is swept");
        }
    }
}

/// An object that was there before: our own, written by a client that tried again after a lost answer, or, by a chance of one in four
/// billion, another attempt's. Another directory settles it.
fn taken(store: &Store, path: &str) -> Error {
    err!(Conflict, "{} exists already", store.url_of(path)).with_str("object", path)
}
