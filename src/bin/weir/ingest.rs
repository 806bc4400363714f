//! `weir ingest`: Arrow IPC files become entries of a shard.
//!
//! Everything that can be found wrong beforehand (files, schemas) is, and the shard is claimed only when there is a first row to
//! put: a call that cannot succeed does not fence a working writer. However it ends, it says how many rows are durable; they are
//! always the first ones, in the order of the files.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};

use arrow_array::{Array, RecordBatch, RecordBatchReader};
use serde_json::json;
use weir::error::{Error, ErrorKind, Result};
use weir::generation::DataOptions;
use weir::ipc_file::IpcFile;
use weir::shard::ShardPath;
use weir::wal::entry::{self, BatchEncoder};
use weir::writer::{MemTableConfig, ShardWriter, WriterConfig};

use crate::args::Ingest;
use crate::exit::{Done, Stop};
use crate::interrupt;
use crate::output::Output;
use crate::place::{Place, block_on};
use crate::progress::{self, Progress};
use crate::text::{self, plural};

/// Batches larger than twice this are split into parts of about this many bytes, unless a number of rows is given.
const PART_BYTES: usize = 8 << 20;

pub fn run(args: &Ingest, settings: &[(String, String)]) -> Done {
    let place = Place::open(&args.root, settings)?;
    let shard = match args.shard.as_str() {
        "new" => ShardPath::new(&uuid::Uuid::new_v4().to_string())?,
        id => ShardPath::new(id)?,
    };
    let compression = args.compression.of_bodies();
    let inputs = Inputs::check(&args.files, compression)?;
    let memtable = (args.memtable || !args.key.is_empty()).then(|| MemTableConfig {
        primary_key: (!args.key.is_empty()).then(|| args.key.clone()),
        data: DataOptions { compression, ..DataOptions::default() },
        ..MemTableConfig::default()
    });
    let config = WriterConfig { durable: args.durable, compression, memtable, ..WriterConfig::default() };
    let mut job = Job { args, place, shard, config, schema: inputs.schema, writer: None, counts: Counts::default() };
    let outcome = job.write(&read_ahead(inputs.files), inputs.size);
    job.end(outcome)
}

/// The files, found to be Arrow IPC and of one schema.
struct Inputs {
    files: Vec<Input>,
    schema: arrow_schema::SchemaRef,
    /// Their bytes together, if all are known.
    size: Option<u64>,
}

/// A file is opened again when its turn comes, as there may be more than may be open; standard input stays open.
enum Input {
    Path(PathBuf),
    Open(Box<IpcFile>),
}

impl Inputs {
    fn check(paths: &[PathBuf], compression: entry::Compression) -> Result<Self> {
        let mut files = Vec::new();
        let mut first: Option<(BatchEncoder, String)> = None;
        let mut size = Some(0);
        for path in paths {
            let standard_input = path.as_os_str() == "-";
            if standard_input && files.iter().any(|file| matches!(file, Input::Open(_))) {
                return Err(Error::new(ErrorKind::InvalidArgument, "standard input (-) can be read only once"));
            }
            let file = if standard_input { IpcFile::from_reader("standard input", std::io::stdin())? } else { IpcFile::open(path)? };
            match &first {
                None => {
                    let encoder = BatchEncoder::new(&file.schema(), compression).map_err(|e| e.context(file.name()))?;
                    first = Some((encoder, file.name().to_owned()));
                }
                Some((encoder, name)) => encoder.check_schema(&file.schema()).map_err(|e| {
                    let context = format!("{} has another schema than {name}, and one ingest writes one schema", file.name());
                    e.context(context)
                })?,
            }
            size = size.zip(file.size()).map(|(all, one)| all + one);
            // A pipe cannot be opened twice.
            files.push(if file.size().is_none() { Input::Open(Box::new(file)) } else { Input::Path(path.clone()) });
        }
        let Some((encoder, _)) = first else { return Err(Error::new(ErrorKind::InvalidArgument, "there is no file to ingest")) };
        Ok(Self { files, schema: encoder.schema().clone(), size })
    }
}

enum Event {
    /// The next batch, of the file `name`, with all bytes read so far.
    Batch {
        name: String,
        batch: RecordBatch,
        read: u64,
    },
    Failed(Error),
    /// All files are read.
    End,
    Interrupted,
}

/// Reads the files on a thread of its own, a batch ahead: reading a pipe may block for ever, and Ctrl-C must get through.
fn read_ahead(files: Vec<Input>) -> Receiver<Event> {
    let (send, receive) = mpsc::sync_channel(1);
    let interrupted = send.clone();
    interrupt::end_gracefully(move || {
        // If there is no room, there is something that wakes the receiver anyway.
        let _ = interrupted.try_send(Event::Interrupted);
    });
    std::thread::spawn(move || {
        // A failure to send means that nobody listens any more.
        if let Err(error) = read_files(files, &send) {
            let _ = send.send(Event::Failed(error));
        }
        // The handler keeps its sender: only this ends the receiver.
        let _ = send.send(Event::End);
    });
    receive
}

fn read_files(files: Vec<Input>, send: &SyncSender<Event>) -> Result<()> {
    let mut before = 0;
    for input in files {
        let mut file = match input {
            Input::Path(path) => IpcFile::open(&path)?,
            Input::Open(file) => *file,
        };
        while let Some(batch) = file.next_batch()? {
            let event = Event::Batch { name: file.name().to_owned(), batch, read: before + file.bytes_read() };
            if send.send(event).is_err() {
                return Ok(());
            }
        }
        before += file.bytes_read();
    }
    Ok(())
}

struct Job<'a> {
    args: &'a Ingest,
    place: Place,
    shard: ShardPath,
    config: WriterConfig,
    schema: arrow_schema::SchemaRef,
    writer: Option<ShardWriter>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    rows: u64,
    batches: u64,
    durable_rows: u64,
    last_position: u64,
    /// The puts that are not known to be durable, with their rows.
    pending: VecDeque<(u64, u64)>,
}

impl Counts {
    fn settle(&mut self, durable: u64) {
        while let Some((_, rows)) = self.pending.pop_front_if(|(sequence, _)| *sequence <= durable) {
            self.durable_rows += rows;
        }
    }
}

impl Job<'_> {
    fn write(&mut self, events: &Receiver<Event>, size: Option<u64>) -> Result<()> {
        let progress = Progress::bytes(size);
        while let Ok(event) = events.recv() {
            let (name, batch, read) = match event {
                Event::Batch { name, batch, read } => (name, batch, read),
                Event::Failed(error) => return Err(error),
                Event::End | Event::Interrupted => return Ok(()),
            };
            for part in parts(&batch, self.args.batch_rows) {
                if interrupt::seen() {
                    return Ok(());
                }
                self.put(&part).map_err(|e| match e.kind() {
                    ErrorKind::InvalidData | ErrorKind::SchemaMismatch => e.context(name.as_str()),
                    _ => e,
                })?;
            }
            progress.set(read);
            progress.note(format!("{}, {} durable", plural(self.counts.rows, "row"), self.counts.durable_rows));
        }
        Ok(())
    }

    fn put(&mut self, batch: &RecordBatch) -> Result<()> {
        let writer = match &self.writer {
            Some(writer) => writer,
            None => {
                let Place { store, env } = &self.place;
                let open = ShardWriter::open(store.clone(), self.shard.clone(), &self.schema, self.config.clone(), env.clone());
                self.writer.insert(block_on(open)?)
            }
        };
        let rows = batch.num_rows() as u64;
        let ack = writer.put(batch, None)?;
        self.counts.rows += rows;
        self.counts.batches += 1;
        self.counts.pending.push_back((ack.sequence, rows));
        self.counts.settle(writer.durable_position());
        Ok(())
    }

    /// Makes durable what was accepted, and says what was done.
    fn end(mut self, outcome: Result<()>) -> Done {
        let flushed = self.flush();
        let outcome = outcome.and(flushed);
        let interrupted = outcome.is_ok() && interrupt::seen();
        let complete = outcome.is_ok() && !interrupted;
        if self.args.json {
            let mut output = Output::new();
            output.line(self.json(complete))?;
            output.flush()?;
        } else if complete {
            let mut output = Output::new();
            output.line(self.summary())?;
            output.flush()?;
        }
        match outcome {
            Err(error) if self.writer.is_some() => {
                Err(error.context(format_args!("{} durable, the rest was not ingested", self.durable())).into())
            }
            Err(error) => Err(error.into()),
            Ok(()) if interrupted => {
                progress::message(&format!("weir: interrupted: {} durable, the rest was not ingested", self.durable()));
                Err(Stop::Interrupted)
            }
            Ok(()) => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let flushed = writer.flush(None);
        self.counts.settle(writer.durable_position());
        self.counts.last_position = flushed?.position;
        writer.close(None)
    }

    /// Which rows are durable.
    fn durable(&self) -> String {
        match self.counts.durable_rows {
            0 => "no row is".into(),
            1 => "the first row is".into(),
            rows => format!("the first {rows} rows are"),
        }
    }

    fn summary(&self) -> String {
        let (rows, batches) = (plural(self.counts.rows, "row"), plural(self.counts.batches, "batch"));
        let files = plural(self.args.files.len() as u64, "file");
        let Some(writer) = &self.writer else { return format!("nothing to ingest: {files} without rows") };
        let stats = writer.stats();
        let flushed = stats.memtable.map_or_else(String::new, |tables| format!(", flushed to {}", plural(tables.flushes, "generation")));
        format!(
            "{rows} in {batches} from {files} are durable in shard {}: {}, {}, up to position {}, epoch {}{flushed}",
            self.shard.id(),
            plural(stats.entries, "entry"),
            text::bytes(stats.entry_bytes),
            self.counts.last_position,
            writer.epoch()
        )
    }

    fn json(&self, complete: bool) -> serde_json::Value {
        let stats = self.writer.as_ref().map(ShardWriter::stats).unwrap_or_default();
        json!({
            "shard": self.shard.id().to_string(),
            "complete": complete,
            "files": self.args.files.len(),
            "rows": self.counts.rows,
            "batches": self.counts.batches,
            "durable_rows": self.counts.durable_rows,
            "entries": stats.entries,
            "bytes": stats.entry_bytes,
            "flushed_generations": stats.memtable.map(|tables| tables.flushes),
            "epoch": self.writer.as_ref().map(ShardWriter::epoch),
            "last_position": (self.counts.last_position > 0).then_some(self.counts.last_position),
        })
    }
}

/// `batch` in parts of at most `rows` rows, or small enough for one put; none if it has no rows.
fn parts(batch: &RecordBatch, rows: Option<u32>) -> impl Iterator<Item = RecordBatch> + use<> {
    let step = match rows {
        Some(rows) => rows as usize,
        None => {
            let size = |column: &dyn Array| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size());
            let bytes: usize = batch.columns().iter().map(|column| size(column)).sum();
            let count = if bytes > 2 * PART_BYTES { bytes.div_ceil(PART_BYTES) } else { 1 };
            batch.num_rows().div_ceil(count).max(1)
        }
    };
    let batch = batch.clone();
    (0..batch.num_rows()).step_by(step).map(move |start| batch.slice(start, step.min(batch.num_rows() - start)))
}
