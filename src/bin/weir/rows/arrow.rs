//! Rows as one Arrow IPC file or stream. Both have one schema, that of the first rows.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use weir::error::{Error, ErrorKind, Result};

use super::Rows;
use crate::exit::{Done, Stop};
use crate::output::{self, Output};
use crate::progress;
use crate::text::plural;

/// Standard output as an Arrow IPC stream.
pub struct ArrowStream {
    state: Stream<Box<dyn Write>>,
}

enum Stream<W: Write> {
    /// No schema was seen yet.
    Empty(Option<W>),
    Open(Box<StreamWriter<W>>),
}

impl ArrowStream {
    pub fn new() -> Self {
        Self { state: Stream::Empty(Some(Box::new(Output::new().into_writer()))) }
    }

    fn open(&mut self, schema: &SchemaRef) -> std::result::Result<&mut StreamWriter<Box<dyn Write>>, ArrowError> {
        if let Stream::Empty(writer) = &mut self.state
            && let Some(writer) = writer.take()
        {
            self.state = Stream::Open(Box::new(StreamWriter::try_new(writer, schema)?));
        }
        match &mut self.state {
            Stream::Open(writer) => Ok(writer),
            Stream::Empty(_) => Err(ArrowError::IpcError("the stream could not be started".into())),
        }
    }
}

impl Rows for ArrowStream {
    fn rows(&mut self, schema: &SchemaRef, batches: &[RecordBatch]) -> Done {
        let writer = self.open(schema).map_err(to_stdout)?;
        for batch in batches {
            writer.write(batch).map_err(to_stdout)?;
        }
        writer.flush().map_err(to_stdout)
    }

    fn finish(&mut self) -> Done {
        let writer = self.open(&Arc::new(Schema::empty())).map_err(to_stdout)?;
        writer.finish().and_then(|()| writer.flush()).map_err(to_stdout)
    }
}

fn to_stdout(error: ArrowError) -> Stop {
    match error {
        ArrowError::IoError(_, error) => output::stop(error),
        error => Error::new(ErrorKind::Unsupported, format!("the rows cannot be written as an Arrow stream: {error}")).into(),
    }
}

/// A file, which appears when it is whole, in place of any that was there.
pub struct ArrowFile {
    path: PathBuf,
    /// Where it is written until it is whole; the path itself where that is not a regular file.
    staging: PathBuf,
    state: Written,
    rows: u64,
}

enum Written {
    Empty(BufWriter<File>),
    Open(Box<FileWriter<BufWriter<File>>>),
    /// A file has one dictionary for each column, and every entry brings its own: they are joined at the end.
    Gathered(BufWriter<File>, SchemaRef, Vec<RecordBatch>),
    Done,
}

impl ArrowFile {
    pub fn new(path: &Path) -> Result<Self> {
        // Through a symbolic link, which stays.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
        let failed = |e: io::Error| unwritable(&path, &e);
        let (staging, file) = if special {
            (path.clone(), OpenOptions::new().write(true).open(&path).map_err(failed)?)
        } else {
            let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?.to_string_lossy();
            let staging = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
            let file = OpenOptions::new().write(true).create_new(true).open(&staging).map_err(failed)?;
            (staging, file)
        };
        Ok(Self { path, staging, state: Written::Empty(BufWriter::new(file)), rows: 0 })
    }

    fn open(&mut self, schema: &SchemaRef) -> std::result::Result<(), ArrowError> {
        match std::mem::replace(&mut self.state, Written::Done) {
            Written::Empty(file) if schema.flattened_fields().iter().any(|f| matches!(f.data_type(), DataType::Dictionary(_, _))) => {
                self.state = Written::Gathered(file, Arc::clone(schema), Vec::new());
            }
            Written::Empty(file) => self.state = Written::Open(Box::new(FileWriter::try_new(file, schema)?)),
            open => self.state = open,
        }
        Ok(())
    }

    fn write(&mut self, batches: &[RecordBatch]) -> std::result::Result<(), ArrowError> {
        match &mut self.state {
            Written::Open(writer) => batches.iter().try_for_each(|batch| writer.write(batch)),
            Written::Gathered(_, _, gathered) => {
                gathered.extend_from_slice(batches);
                Ok(())
            }
            Written::Empty(_) | Written::Done => Ok(()),
        }
    }

    fn close(&mut self) -> std::result::Result<(), ArrowError> {
        let mut writer = match std::mem::replace(&mut self.state, Written::Done) {
            Written::Empty(file) => FileWriter::try_new(file, &Schema::empty())?,
            Written::Open(writer) => *writer,
            Written::Gathered(file, schema, batches) => {
                let mut writer = FileWriter::try_new(file, &schema)?;
                writer.write(&concat_batches(&schema, &batches)?)?;
                writer
            }
            Written::Done => return Ok(()),
        };
        writer.finish()?;
        writer.into_inner()?.flush()?;
        Ok(())
    }

    fn failed(&self, error: ArrowError) -> Stop {
        match error {
            ArrowError::IoError(_, error) => unwritable(&self.path, &error).into(),
            error => Error::new(ErrorKind::Unsupported, format!("the rows cannot be written to {} as Arrow: {error}", self.path.display()))
                .into(),
        }
    }
}

impl Rows for ArrowFile {
    fn rows(&mut self, schema: &SchemaRef, batches: &[RecordBatch]) -> Done {
        self.open(schema).and_then(|()| self.write(batches)).map_err(|e| self.failed(e))?;
        self.rows += batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        Ok(())
    }

    fn finish(&mut self) -> Done {
        self.close().map_err(|e| self.failed(e))?;
        if self.staging != self.path {
            std::fs::rename(&self.staging, &self.path).map_err(|e| unwritable(&self.path, &e))?;
        }
        progress::message(&format!("weir: {} written to {}", plural(self.rows, "row"), self.path.display()));
        // Nothing to clean up any more.
        self.staging = self.path.clone();
        Ok(())
    }
}

impl Drop for ArrowFile {
    fn drop(&mut self) {
        if self.staging != self.path {
            // What cannot be removed stays under a name that says what it is.
            let _ = std::fs::remove_file(&self.staging);
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => ErrorKind::InvalidArgument,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{} cannot be written: {error}", path.display())).with_str("file", path.display().to_string())
}
