//! The batches that are written.

use std::sync::Arc;

use arrow_array::{FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// Four columns, about 64 bytes a row.
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("value", DataType::Float64, true),
        Field::new("hash", DataType::FixedSizeBinary(32), false),
        Field::new("key", DataType::Utf8, false),
    ]))
}

/// `rows` rows of [`schema`].
pub fn batch(rows: usize) -> RecordBatch {
    let numbers = || 0..rows as i64;
    let hashes = FixedSizeBinaryArray::try_from_iter(numbers().map(|n| [n as u8; 32])).expect("hashes of one size");
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Int64Array::from_iter_values(numbers())),
            Arc::new(Float64Array::from_iter(numbers().map(|n| (n % 7 != 0).then_some(n as f64 / 2.0)))),
            Arc::new(hashes),
            Arc::new(StringArray::from_iter_values(numbers().map(|n| format!("key-{n:08}")))),
        ],
    )
    .expect("columns of the schema")
}

/// The small batch of the figures: 20 rows of 64 bytes.
pub fn small() -> RecordBatch {
    batch(20)
}

/// The large batch of the figures: 1.3 MB.
pub fn large() -> RecordBatch {
    batch(20_000)
}
