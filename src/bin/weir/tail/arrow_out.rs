//! The rows of a log as one Arrow IPC file or stream. Both have one schema: an entry of another one is an error that says where
//! it is.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use weir::error::{Error, ErrorKind, Result};
use weir::wal::entry::Entry;

use super::Sink;
use crate::exit::Done;
use crate::rows::Rows;
use crate::text::plural;

/// Where the rows of entries go, all of which have one schema.
pub struct ArrowRows {
    rows: Box<dyn Rows>,
    schema: Option<SchemaRef>,
}

impl ArrowRows {
    pub fn new(rows: Box<dyn Rows>) -> Self {
        Self { rows, schema: None }
    }
}

impl Sink for ArrowRows {
    fn entry(&mut self, entry: &Entry) -> Done {
        if entry.is_sentinel {
            return Ok(());
        }
        check(self.schema.get_or_insert_with(|| Arc::clone(&entry.schema)), entry)?;
        self.rows.rows(&entry.schema, &entry.batches)
    }

    fn finish(&mut self) -> Done {
        self.rows.finish()
    }
}

/// Refuses `entry` if its columns are not those of `schema`, which the log had up to there.
fn check(schema: &Schema, entry: &Entry) -> Result<()> {
    if schema.fields() == entry.schema.fields() {
        return Ok(());
    }
    let differs = schema.fields().iter().zip(entry.schema.fields()).find(|(before, now)| before != now);
    let how = match differs {
        Some((before, now)) if before.name() != now.name() => format!("column '{}' instead of '{}'", now.name(), before.name()),
        Some((before, now)) if before.data_type() != now.data_type() => {
            format!("column '{}' is {} instead of {}", now.name(), now.data_type(), before.data_type())
        }
        Some((_, now)) => format!("column '{}' differs in nullability or metadata", now.name()),
        None => format!("{} instead of {}", plural(entry.schema.fields().len() as u64, "column"), schema.fields().len()),
    };
    let position = entry.position;
    let message = format!(
        "the entry at position {position} has another schema than those before it ({how}), and Arrow output has one: \
         end before it with --limit, and go on in another output with --from {position}"
    );
    Err(Error::new(ErrorKind::SchemaMismatch, message).with_u64("position", position))
}
