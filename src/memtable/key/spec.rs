//! Which columns are the primary key.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, Schema, SchemaRef};

use crate::error::{Result, bail, err};

/// The field metadata that marks a column of the primary key, as Lance writes it: `true`.
pub const PRIMARY_KEY: &str = "lance-schema:unenforced-primary-key";
/// The field metadata that says which column of a composite key it is, from 1.
pub const PRIMARY_KEY_POSITION: &str = "lance-schema:unenforced-primary-key:position";

/// A column of the primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    index: usize,
    field: FieldRef,
}

impl KeyColumn {
    /// Its index in the schema.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.field.name()
    }

    /// Its type.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        self.field.data_type()
    }
}

/// The columns of a primary key, in the key's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpec {
    columns: Vec<KeyColumn>,
}

impl KeySpec {
    /// The primary key of `schema`: the columns called `names` if they are given, else those that the fields' metadata marks, else none.
    ///
    /// Marked columns with a position come first, in its order, then those without one (or with position 0) in the schema's order.
    ///
    /// # Errors
    /// `InvalidArgument`: no, unknown, ambiguous or repeated names; metadata that makes no sense; a type that cannot be a key's.
    pub fn resolve(schema: &Schema, names: Option<&[String]>) -> Result<Option<Self>> {
        let indices = match names {
            Some(names) => named(schema, names)?,
            None => marked(schema)?,
        };
        if indices.is_empty() {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(indices.len());
        for index in indices {
            let field = &schema.fields[index];
            let (name, data_type) = (field.name(), field.data_type());
            if schema.fields.iter().filter(|other| other.name() == name).count() > 1 {
                bail!(InvalidArgument, "the key column '{name}' is ambiguous: several columns have this name");
            }
            check_type(data_type).map_err(|why| err!(InvalidArgument, "column '{name}' of type {data_type} cannot be a key: {why}"))?;
            columns.push(KeyColumn { index, field: Arc::clone(field) });
        }
        Ok(Some(Self { columns }))
    }

    /// The columns, in the key's order.
    #[must_use]
    pub fn columns(&self) -> &[KeyColumn] {
        &self.columns
    }

    /// Whether the column at `index` of the schema is part of the key.
    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        self.columns.iter().any(|column| column.index == index)
    }

    /// The key's columns alone, in its order: not nullable, without metadata, encoded columns as the type of their values.
    #[must_use]
    pub fn key_schema(&self) -> SchemaRef {
        let field = |column: &KeyColumn| Field::new(column.name(), value_type(column.data_type()).clone(), false);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

fn named(schema: &Schema, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        bail!(InvalidArgument, "the list of key columns is empty");
    }
    let mut indices = Vec::with_capacity(names.len());
    for name in names {
        let Some(index) = schema.fields.iter().position(|field| field.name() == name) else {
            bail!(InvalidArgument, "the schema has no column '{name}' to be a key");
        };
        if indices.contains(&index) {
            bail!(InvalidArgument, "the key column '{name}' is named twice");
        }
        indices.push(index);
    }
    Ok(indices)
}

fn marked(schema: &Schema) -> Result<Vec<usize>> {
    let mut marked = Vec::new();
    for (index, field) in schema.fields.iter().enumerate() {
        if nested_mark(field.data_type()) {
            bail!(
                InvalidArgument,
                "column '{}': a field inside of it is marked as a key, which only a column of the top level can be",
                field.name()
            );
        }
        if let Some(position) = mark(field)? {
            marked.push((position, index));
        }
    }
    // Without a position after those with one, as Lance has it; the sort is stable.
    marked.sort_by_key(|(position, _)| if *position == 0 { u64::MAX } else { u64::from(*position) });
    for pair in marked.windows(2) {
        let ((a, first), (b, second)) = (pair[0], pair[1]);
        if a == b && a != 0 {
            let (first, second) = (schema.field(first).name(), schema.field(second).name());
            bail!(InvalidArgument, "the key columns '{first}' and '{second}' are both marked with position {a}");
        }
    }
    Ok(marked.into_iter().map(|(_, index)| index).collect())
}

/// The position of a marked field, 0 if it has none; nothing if it is not marked.
fn mark(field: &Field) -> Result<Option<u32>> {
    if let Some(text) = field.metadata().get(PRIMARY_KEY_POSITION) {
        return match text.parse() {
            Ok(position) => Ok(Some(position)),
            Err(_) => bail!(InvalidArgument, "column '{}': the metadata {PRIMARY_KEY_POSITION} is '{text}', no number", field.name()),
        };
    }
    let Some(text) = field.metadata().get(PRIMARY_KEY) else {
        return Ok(None);
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(Some(0)),
        "false" | "0" | "no" | "" => Ok(None),
        _ => bail!(InvalidArgument, "column '{}': the metadata {PRIMARY_KEY} is '{text}', neither true nor false", field.name()),
    }
}

fn nested_mark(data_type: &DataType) -> bool {
    let child = |field: &FieldRef| {
        field.metadata().contains_key(PRIMARY_KEY_POSITION) || matches!(mark(field), Ok(Some(_)) | Err(_)) || nested_mark(field.data_type())
    };
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => child(field),
        DataType::Struct(fields) => fields.iter().any(child),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| child(field)),
        _ => false,
    }
}

/// The type of the values of an encoded column; of any other, its own.
pub(crate) fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        DataType::RunEndEncoded(_, values) => value_type(values.data_type()),
        other => other,
    }
}

/// Whether values of `data_type` have an order that a key can have; if not, why.
pub(crate) fn check_type(data_type: &DataType) -> Result<(), &'static str> {
    match value_type(data_type) {
        DataType::Null => Err("it has no values"),
        DataType::Interval(IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => {
            Err("its intervals have no order (is a month more than 30 days?)")
        }
        DataType::Dictionary(_, _) | DataType::RunEndEncoded(_, _) => Err("it is encoded more than once"),
        DataType::FixedSizeBinary(size) if *size < 0 => Err("its size is negative"),
        other if other.is_nested() => Err("nested values have no order that a key could keep"),
        _ => Ok(()),
    }
}
