//! Comparisons of columns with values.
//!
//! Values compare as keys do (see [`crate::memtable::key`]), whichever way a comparison is decided: −0 is 0, and every NaN is one value
//! above +∞. A null is equal to nothing, less than nothing and greater than nothing; only `IsNull` finds it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, Scalar};
use arrow_buffer::BooleanBuffer;
use arrow_ord::cmp;
use arrow_schema::DataType;

use super::output;
use crate::error::{Error, Result, bail, err};
use crate::memtable::TableSpec;
use crate::memtable::key::{check_type, flatten, value_type};

/// How a column's values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum CompareOp {
    /// Equal to the value.
    Eq = 0,
    /// Not equal to the value, and not null.
    NotEq = 1,
    /// Less than the value.
    Lt = 2,
    /// Less than the value or equal to it.
    LtEq = 3,
    /// Greater than the value.
    Gt = 4,
    /// Greater than the value or equal to it.
    GtEq = 5,
    /// Null. There is no value to compare with.
    IsNull = 6,
    /// Not null. There is no value to compare with.
    IsNotNull = 7,
}

/// A condition on one column.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The column's name.
    pub column: String,
    /// How it is compared.
    pub op: CompareOp,
    /// With what: an array of one value of the column's type, or of the type of its values if it is a dictionary or run-end encoded.
    pub value: Option<ArrayRef>,
}

/// A comparison that was checked.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// The column in the schema.
    pub column: usize,
    pub op: CompareOp,
    /// One value, not encoded and not null, unless the operator is one on nulls.
    pub value: Option<ArrayRef>,
}

/// All of which must hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub terms: Vec<Term>,
}

impl Filter {
    /// # Errors
    /// `InvalidArgument`: an unknown column; a value that is missing, there for no reason, null, not one, or of another type than the
    /// column; a type whose values have no order.
    pub fn new(spec: &TableSpec, comparisons: &[Comparison]) -> Result<Self> {
        let terms = comparisons.iter().map(|comparison| Term::new(spec, comparison));
        Ok(Self { terms: terms.collect::<Result<_>>()? })
    }

    /// The rows of `batch` for which all terms hold; `None`: all. `place` says which of its columns is the schema's.
    pub fn apply(&self, batch: &RecordBatch, place: impl Fn(usize) -> Option<usize>) -> Result<Option<BooleanBuffer>> {
        let mut all: Option<BooleanBuffer> = None;
        for term in &self.terms {
            let column = place(term.column).and_then(|at| batch.columns().get(at));
            let column = column.ok_or_else(|| err!(Internal, "column {} is compared and was not read", term.column))?;
            let some = term.holds(column)?;
            all = Some(match all {
                Some(all) => &all & &some,
                None => some,
            });
        }
        Ok(all)
    }
}

impl Term {
    fn new(spec: &TableSpec, comparison: &Comparison) -> Result<Self> {
        let Comparison { column: name, op, value } = comparison;
        let op = *op;
        let column = output::find(spec.schema(), name)?;
        let data_type = spec.schema().field(column).data_type();
        let value = match (op, value) {
            (CompareOp::IsNull | CompareOp::IsNotNull, None) => return Ok(Self { column, op, value: None }),
            (CompareOp::IsNull | CompareOp::IsNotNull, Some(_)) => bail!(InvalidArgument, "column '{name}': {op:?} takes no value"),
            (_, None) => bail!(InvalidArgument, "column '{name}': {op:?} needs a value"),
            (_, Some(value)) => value,
        };
        check_type(data_type).map_err(|why| err!(InvalidArgument, "column '{name}' of type {data_type} cannot be compared: {why}"))?;
        let got = value.data_type();
        if got != data_type && got != value_type(data_type) {
            bail!(InvalidArgument, "column '{name}' of type {data_type} cannot be compared with a value of type {got}");
        }
        if value.len() != 1 {
            bail!(InvalidArgument, "column '{name}' is compared with {} values; one is wanted", value.len());
        }
        if value.logical_nulls().is_some_and(|nulls| nulls.is_null(0)) {
            bail!(InvalidArgument, "column '{name}' is compared with null, which is never true; use IsNull or IsNotNull");
        }
        Ok(Self { column, op, value: Some(plain(value)?) })
    }

    fn holds(&self, column: &ArrayRef) -> Result<BooleanBuffer> {
        let Some(value) = &self.value else {
            let nulls = column.logical_nulls();
            return Ok(match (self.op == CompareOp::IsNull, nulls) {
                (true, Some(nulls)) => !nulls.inner(),
                (false, Some(nulls)) => nulls.into_inner(),
                (wanted, None) => {
                    if wanted {
                        BooleanBuffer::new_unset(column.len())
                    } else {
                        BooleanBuffer::new_set(column.len())
                    }
                }
            });
        };
        let (values, rows) = flatten(column)?;
        let Some(rows) = rows else { return self.compare(column, value) };
        // Each distinct value is compared once; a run-end encoded array may hold a dictionary.
        if values.is_empty() {
            return Ok(BooleanBuffer::new_unset(column.len()));
        }
        let of_values = self.holds(&values)?;
        let found = BooleanBuffer::collect_bool(rows.len(), |row| of_values.value(rows[row]));
        Ok(match column.logical_nulls() {
            Some(nulls) => &found & nulls.inner(),
            None => found,
        })
    }

    fn compare(&self, column: &ArrayRef, value: &ArrayRef) -> Result<BooleanBuffer> {
        let found = match column.data_type() {
            DataType::Float16 => self.floats::<Float16Type>(column, value),
            DataType::Float32 => self.floats::<Float32Type>(column, value),
            DataType::Float64 => self.floats::<Float64Type>(column, value),
            _ => {
                let value = Scalar::new(Arc::clone(value));
                let compared = match self.op {
                    CompareOp::Eq => cmp::eq(column, &value),
                    CompareOp::NotEq => cmp::neq(column, &value),
                    CompareOp::Lt => cmp::lt(column, &value),
                    CompareOp::LtEq => cmp::lt_eq(column, &value),
                    CompareOp::Gt => cmp::gt(column, &value),
                    CompareOp::GtEq | CompareOp::IsNull | CompareOp::IsNotNull => cmp::gt_eq(column, &value),
                };
                return compared.map(|found| certain(&found)).map_err(failed);
            }
        };
        Ok(match column.nulls() {
            Some(nulls) => &found & nulls.inner(),
            None => found,
        })
    }

    /// Arrow's own comparison takes −0 for less than 0, and has NaNs of several ranks.
    fn floats<T: ArrowPrimitiveType<Native: Canonical>>(&self, column: &ArrayRef, value: &ArrayRef) -> BooleanBuffer {
        let values = column.as_primitive::<T>().values();
        let value = value.as_primitive::<T>().value(0).canonical();
        let is = |want: fn(std::cmp::Ordering) -> bool| {
            BooleanBuffer::collect_bool(values.len(), |row| want(values[row].canonical().total_cmp(&value)))
        };
        match self.op {
            CompareOp::Eq => is(std::cmp::Ordering::is_eq),
            CompareOp::NotEq => is(std::cmp::Ordering::is_ne),
            CompareOp::Lt => is(std::cmp::Ordering::is_lt),
            CompareOp::LtEq => is(std::cmp::Ordering::is_le),
            CompareOp::Gt => is(std::cmp::Ordering::is_gt),
            CompareOp::GtEq | CompareOp::IsNull | CompareOp::IsNotNull => is(std::cmp::Ordering::is_ge),
        }
    }
}

/// The one value of `value`, not encoded.
fn plain(value: &ArrayRef) -> Result<ArrayRef> {
    let mut value = Arc::clone(value);
    while let (values, Some(rows)) = flatten(&value)? {
        let row = rows.first().copied().unwrap_or(0);
        value = values.slice(row, 1);
    }
    Ok(value)
}

/// Rows for which the answer is yes, and not unknown.
fn certain(found: &BooleanArray) -> BooleanBuffer {
    match found.nulls() {
        Some(nulls) => found.values() & nulls.inner(),
        None => found.values().clone(),
    }
}

fn failed(error: arrow_schema::ArrowError) -> Error {
    err!(Internal, "a column cannot be compared: {error}")
}

/// A float as the one of those that are equal to it which stands for them.
trait Canonical: Copy {
    fn canonical(self) -> Self;
    fn total_cmp(&self, other: &Self) -> std::cmp::Ordering;
}

macro_rules! canonical {
    ($($float:ty),*) => {$(
        impl Canonical for $float {
            #[inline]
            fn canonical(self) -> Self {
                let zero = <$float>::from_bits(0);
                if self == zero {
                    zero
                } else if self.is_nan() {
                    // Some NaNs are negative, which would be the least of all.
                    <$float>::from_bits(<$float>::NAN.to_bits() & !(1 << (size_of::<$float>() * 8 - 1)))
                } else {
                    self
                }
            }
            #[inline]
            fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
                <$float>::total_cmp(self, other)
            }
        }
    )*};
}

canonical!(f32, f64, half::f16);
