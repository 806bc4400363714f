//! Rows on their way out: as tables, as JSON lines, or as Arrow.

mod arrow;
pub mod print;

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use weir::error::{Error, ErrorKind, Result};

use crate::exit::Done;
use crate::output;

use self::arrow::{ArrowFile, ArrowStream};

/// Where rows go.
pub trait Rows {
    /// Takes the next rows, all of `schema`; none at all say what the schema is.
    fn rows(&mut self, schema: &SchemaRef, batches: &[RecordBatch]) -> Done;
    /// There are no more. Not called after an error.
    fn finish(&mut self) -> Done;
}

/// An Arrow IPC file at `path`; `-` is standard output, as an Arrow IPC stream.
pub fn arrow(path: &Path) -> Result<Box<dyn Rows>> {
    if !is_stdout(path) {
        return Ok(Box::new(ArrowFile::new(path)?));
    }
    if output::is_terminal() {
        let text = "an Arrow stream is not for a terminal: redirect the output, or name a file";
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok(Box::new(ArrowStream::new()))
}

/// Whether `path` means standard output.
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}
