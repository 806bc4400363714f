//! Rows as tables or JSON lines.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, make_array};
use arrow_cast::display::FormatOptions;
use arrow_cast::pretty::pretty_format_batches_with_options;
use arrow_data::ArrayData;
use arrow_json::WriterBuilder;
use arrow_json::writer::LineDelimited;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use serde_json::Value;
use weir::error::{Error, ErrorKind};

use super::Rows;
use crate::exit::{Done, Stop};
use crate::output::{self, Output};

/// Writes one JSON object per row, with all columns.
pub fn json_lines(output: &mut Output, batches: &[RecordBatch]) -> Result<(), ArrowError> {
    let batches = in_utc(batches)?;
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(output.writer());
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()
}

/// The rows of `batch` as JSON objects.
pub fn json_values(batch: &RecordBatch) -> Result<Vec<Value>, ArrowError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write_batches(&in_utc(std::slice::from_ref(batch))?.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    let lines = serde_json::Deserializer::from_slice(&writer.into_inner()).into_iter().collect::<Result<_, _>>();
    lines.map_err(|e| ArrowError::JsonError(e.to_string()))
}

/// The rows as a table with a frame.
pub fn table(batches: &[RecordBatch]) -> Result<impl std::fmt::Display + use<>, ArrowError> {
    let options = FormatOptions::new().with_null("null").with_display_error(true);
    pretty_format_batches_with_options(&in_utc(batches)?, &options)
}

/// Why `what` could not be printed: the output's fault or the data's.
pub fn unprintable(what: impl std::fmt::Display, error: ArrowError) -> Stop {
    match error {
        ArrowError::IoError(_, error) => output::stop(error),
        error => Error::new(ErrorKind::Unsupported, format!("{what} cannot be printed: {error}; use --out FILE")).into(),
    }
}

/// Standard output as text: a table for each batch, or one JSON object per row.
pub struct Printed {
    output: Output,
    json: bool,
    /// The schema of the table that is to be printed if there are no rows.
    empty: Option<SchemaRef>,
}

impl Printed {
    pub fn new(schema: &SchemaRef, json: bool) -> Self {
        Self { output: Output::new(), json, empty: (!json).then(|| Arc::clone(schema)) }
    }

    fn print(&mut self, batches: &[RecordBatch]) -> Done {
        let failed = |error| unprintable("the rows", error);
        if self.json {
            json_lines(&mut self.output, batches).map_err(failed)?;
        } else {
            self.output.line(table(batches).map_err(failed)?)?;
        }
        self.output.flush()
    }
}

impl Rows for Printed {
    fn rows(&mut self, _: &SchemaRef, batches: &[RecordBatch]) -> Done {
        if batches.is_empty() {
            return Ok(());
        }
        self.empty = None;
        self.print(batches)
    }

    fn finish(&mut self) -> Done {
        match self.empty.take() {
            Some(schema) => self.print(&[RecordBatch::new_empty(schema)]),
            None => Ok(()),
        }
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

pub fn type_in_utc(data_type: &DataType) -> DataType {
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
