//! Arrow across the C Data Interface.
//!
//! In: an array or a stream is [taken](take) first of all, so that it is consumed on every return; its release is called on the
//! moved struct, once, when the last buffer of it is let go. A schema is borrowed. Nothing is believed: every count, length,
//! offset and pointer that the interface lets a callee check is checked before it is used. Out: whole, or not at all.

mod array;
mod export;
mod export_array;
mod path;
mod raw;
mod schema;
mod stream;

#[cfg(test)]
mod array_tests;
#[cfg(test)]
mod export_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use array::{import_batch, import_values};
pub(crate) use export::{BatchSource, export_schema, export_stream};
pub(crate) use export_array::export_batch;
pub(crate) use raw::{Taken, take, take_stream};
pub(crate) use schema::{import_schema, import_type};
pub(crate) use stream::StreamReader;
