//! Entries and rows as text or JSON lines.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, make_array};
use arrow_cast::display::FormatOptions;
use arrow_cast::pretty::pretty_format_batches_with_options;
use arrow_data::ArrayData;
use arrow_json::WriterBuilder;
use arrow_json::writer::LineDelimited;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};
use serde_json::json;
use weir::error::{Error, ErrorKind};
use weir::wal::entry::Entry;

use super::Sink;
use crate::exit::{Done, Stop};
use crate::output::{self, Output};
use crate::text::plural;

/// One line per entry. Each is out when the next entry is waited for.
pub struct Entries {
    output: Output,
    json: bool,
}

impl Entries {
    pub fn new(json: bool) -> Result<Self, Stop> {
        let mut output = Output::new();
        if !json {
            output.line(columns(["position", "epoch", "generation", "sentinel", "batches", "rows", "bytes"]))?;
            output.flush()?;
        }
        Ok(Self { output, json })
    }
}

fn columns<T: std::fmt::Display>([position, epoch, generation, sentinel, batches, rows, bytes]: [T; 7]) -> String {
    format!("{position:>10} {epoch:>8} {generation:>10} {sentinel:>8} {batches:>8} {rows:>10} {bytes:>12}")
}

impl Sink for Entries {
    fn entry(&mut self, entry: &Entry) -> Done {
        if self.json {
            self.output.line(json!({
                "position": entry.position,
                "epoch": entry.epoch,
                "generation": entry.generation,
                "sentinel": entry.is_sentinel,
                "batches": entry.batches.len(),
                "rows": entry.rows(),
                "bytes": entry.bytes,
                "id": entry.id.map(|id| id.to_string()),
            }))?;
        } else {
            self.output.line(columns([
                entry.position.to_string(),
                entry.epoch.to_string(),
                entry.generation.map_or_else(|| "-".into(), |generation| generation.to_string()),
                if entry.is_sentinel { "yes" } else { "no" }.into(),
                entry.batches.len().to_string(),
                entry.rows().to_string(),
                entry.bytes.to_string(),
            ]))?;
        }
        self.output.flush()
    }

    fn finish(&mut self) -> Done {
        self.output.flush()
    }
}

/// The rows themselves: a table per entry, or one JSON object per row.
pub struct Rows {
    output: Output,
    json: bool,
}

impl Rows {
    pub fn new(json: bool) -> Self {
        Self { output: Output::new(), json }
    }

    fn json(&mut self, batches: &[RecordBatch]) -> Result<(), ArrowError> {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(self.output.writer());
        writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
        writer.finish()
    }

    fn table(&mut self, entry: &Entry) -> Done {
        let (position, epoch) = (entry.position, entry.epoch);
        if entry.is_sentinel {
            return self.output.line(format_args!("position {position}, epoch {epoch}: fence sentinel"));
        }
        self.output.line(format_args!("position {position}, epoch {epoch}: {}", plural(entry.rows(), "row")))?;
        let options = FormatOptions::new().with_null("null").with_display_error(true);
        let table = in_utc(&entry.batches)
            .and_then(|batches| pretty_format_batches_with_options(&batches, &options))
            .map_err(|e| unprintable(entry, e))?;
        self.output.line(table)
    }
}

impl Sink for Rows {
    fn entry(&mut self, entry: &Entry) -> Done {
        if self.json {
            in_utc(&entry.batches).and_then(|batches| self.json(&batches)).map_err(|e| unprintable(entry, e))?;
        } else {
            self.table(entry)?;
        }
        self.output.flush()
    }

    fn finish(&mut self) -> Done {
        self.output.flush()
    }
}

/// `batches` with every timestamp that has a time zone in UTC: it is the same moment, and needs no database of time zones.
fn in_utc(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, ArrowError> {
    let column = |(array, field): (&ArrayRef, &FieldRef)| {
        let array = make_array(array_in_utc(array.to_data())?);
        Ok((Arc::new(Field::new(field.name(), array.data_type().clone(), true)), array))
    };
    let batch = |batch: &RecordBatch| {
        let columns = batch.columns().iter().zip(batch.schema_ref().fields()).map(column);
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.collect::<Result<Vec<_>, ArrowError>>()?.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    };
    batches.iter().map(batch).collect()
}

fn array_in_utc(data: ArrayData) -> Result<ArrayData, ArrowError> {
    let data_type = type_in_utc(data.data_type());
    if data_type == *data.data_type() {
        return Ok(data);
    }
    let children = data.child_data().iter().cloned().map(array_in_utc).collect::<Result<_, _>>()?;
    data.into_builder().data_type(data_type).child_data(children).build()
}

fn type_in_utc(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(type_in_utc(field.data_type())));
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::List(item) => DataType::List(field(item)),
        DataType::LargeList(item) => DataType::LargeList(field(item)),
        DataType::ListView(item) => DataType::ListView(field(item)),
        DataType::LargeListView(item) => DataType::LargeListView(field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item), *size),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Union(fields, mode) => DataType::Union(fields.iter().map(|(id, item)| (id, field(item))).collect(), *mode),
        DataType::Dictionary(key, value) => DataType::Dictionary(key.clone(), Box::new(type_in_utc(value))),
        DataType::RunEndEncoded(ends, values) => DataType::RunEndEncoded(Arc::clone(ends), field(values)),
        other => other.clone(),
    }
}

/// Why an entry could not be printed: the output's fault or the data's.
fn unprintable(entry: &Entry, error: ArrowError) -> Stop {
    match error {
        ArrowError::IoError(_, error) => output::stop(error),
        error => Stop::Error(Error::new(
            ErrorKind::Unsupported,
            format!("the rows at position {} cannot be printed: {error}; use --out FILE", entry.position),
        )),
    }
}
