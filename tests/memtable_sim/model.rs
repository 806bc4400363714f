//! The plain model: columns that come and go, rows, and what a shard contains after so many puts.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use weir::memtable::TOMBSTONE;
use weir::memtable::evolve::FIELD_ID;
use weir::memtable::key::{PRIMARY_KEY, PRIMARY_KEY_POSITION};

use crate::support::SeededRandom;

/// Names a column for good, whatever it is called. Never given twice.
pub type ColumnId = u32;

/// The columns that every schema has.
pub const ID: ColumnId = 1;
pub const NAME: ColumnId = 2;
/// The number of the put that wrote the row: it tells versions apart.
pub const PUT: ColumnId = 3;
const FIRST_FREE: ColumnId = 6;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
}

pub type Key = Vec<Value>;

/// A row as it was put; what it lacks is null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row(pub BTreeMap<ColumnId, Value>);

impl Row {
    pub fn get(&self, column: ColumnId) -> Value {
        self.0.get(&column).cloned().unwrap_or(Value::Null)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub id: ColumnId,
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
}

/// What is the same for all schemas of a world.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The key's columns; none: the shard has no key.
    pub key: Vec<ColumnId>,
    /// Whether the schema's metadata marks the key; else options name it.
    pub marked: bool,
    /// Whether columns have field ids, and so may be renamed.
    pub ids: bool,
}

/// One version of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(pub Vec<Column>);

fn column(id: ColumnId, name: &str, data_type: DataType, nullable: bool) -> Column {
    Column { id, name: name.to_owned(), data_type, nullable }
}

impl Columns {
    pub fn first() -> Self {
        Self(vec![
            column(ID, "id", DataType::Int64, false),
            column(NAME, "name", DataType::Utf8, false),
            column(PUT, "put", DataType::UInt64, false),
            column(4, "text", DataType::Utf8, true),
            column(5, "number", DataType::Int32, true),
        ])
    }

    /// The schema of a later open: columns added, dropped, renamed, in another order.
    pub fn evolve(&self, rules: &Rules, free: &mut ColumnId, chance: &SeededRandom) -> Self {
        let mut columns = self.0.clone();
        *free = (*free).max(FIRST_FREE);
        for _ in 0..1 + chance.below(2) {
            match chance.below(4) {
                0 => {
                    let (id, kind) = (*free, if chance.chance(500) { DataType::Utf8 } else { DataType::Int32 });
                    *free += 1;
                    // A column that was dropped may have had the name, where ids tell them apart.
                    let reused = rules.ids && !columns.iter().any(|column| column.name == "text");
                    let name = if reused { "text".to_owned() } else { format!("added-{id}") };
                    columns.push(column(id, &name, kind, true));
                }
                1 => {
                    let droppable: Vec<usize> = (0..columns.len()).filter(|at| columns[*at].nullable).collect();
                    if droppable.len() > 1 {
                        columns.remove(*chance.pick(&droppable));
                    }
                }
                2 if rules.ids => {
                    let at = chance.below(columns.len() as u64) as usize;
                    columns[at].name = format!("renamed-{}-{}", columns[at].id, *free);
                    *free += 1;
                }
                _ => {
                    let (a, b) = (chance.below(columns.len() as u64) as usize, chance.below(columns.len() as u64) as usize);
                    columns.swap(a, b);
                }
            }
        }
        Self(columns)
    }

    pub fn by_id(&self, id: ColumnId) -> &Column {
        self.0.iter().find(|column| column.id == id).expect("a column that every schema has")
    }

    pub fn by_name(&self, name: &str) -> &Column {
        self.0.iter().find(|column| column.name == name).unwrap_or_else(|| panic!("there is no column {name:?} in {self:?}"))
    }

    pub fn schema(&self, rules: &Rules) -> SchemaRef {
        let field = |column: &Column| {
            let mut metadata = std::collections::HashMap::new();
            if rules.ids {
                metadata.insert(FIELD_ID.to_owned(), column.id.to_string());
            }
            if let Some(at) = rules.key.iter().position(|id| *id == column.id).filter(|_| rules.marked) {
                metadata.insert(PRIMARY_KEY.to_owned(), "true".to_owned());
                if rules.key.len() > 1 {
                    metadata.insert(PRIMARY_KEY_POSITION.to_owned(), (at + 1).to_string());
                }
            }
            Field::new(&column.name, column.data_type.clone(), column.nullable).with_metadata(metadata)
        };
        Arc::new(Schema::new(self.0.iter().map(field).collect::<Vec<_>>()))
    }

    /// The key as options name it.
    pub fn key_names(&self, rules: &Rules) -> Option<Vec<String>> {
        (!rules.marked && !rules.key.is_empty()).then(|| rules.key.iter().map(|id| self.by_id(*id).name.clone()).collect())
    }

    /// The columns of a schema that somebody else gave, which are among these and those of `others`.
    pub fn of(schema: &Schema, rules: &Rules, all: &[Arc<Columns>]) -> Self {
        let known = |field: &Field| {
            let same = |column: &&Column| match field.metadata().get(FIELD_ID).filter(|_| rules.ids) {
                Some(id) => column.id.to_string() == *id,
                None => column.name == *field.name(),
            };
            let known = all.iter().flat_map(|columns| &columns.0).find(same);
            let known = known.unwrap_or_else(|| panic!("nobody knows the column {field:?}"));
            Column { name: field.name().clone(), ..known.clone() }
        };
        Self(schema.fields().iter().filter(|field| field.name() != TOMBSTONE).map(|field| known(field)).collect())
    }

    /// Rows as a batch of `schema`, which is of these columns.
    pub fn batch(&self, schema: &SchemaRef, rows: &[Arc<Row>]) -> RecordBatch {
        let column = |column: &Column| array(&column.data_type, rows.iter().map(|row| row.get(column.id)));
        RecordBatch::try_new(Arc::clone(schema), self.0.iter().map(column).collect()).unwrap()
    }

    /// Keys as a batch of the key's columns, and at times others, in some order.
    pub fn keys(&self, rules: &Rules, keys: &[Key], chance: &SeededRandom) -> RecordBatch {
        let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
        for (at, id) in rules.key.iter().enumerate() {
            let Column { name, data_type, .. } = self.by_id(*id);
            let values = array(data_type, keys.iter().map(|key| key[at].clone()));
            columns.push((Field::new(name, data_type.clone(), chance.chance(300)), values));
        }
        if chance.chance(500) {
            columns.reverse();
        }
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }
}

fn array(data_type: &DataType, values: impl Iterator<Item = Value>) -> ArrayRef {
    let ints = |value: Value| match value {
        Value::Int(value) => Some(value),
        Value::Null => None,
        Value::Text(_) => panic!("a text for a number"),
    };
    match data_type {
        DataType::Int64 => Arc::new(Int64Array::from_iter(values.map(ints))),
        DataType::Int32 => Arc::new(Int32Array::from_iter(values.map(|value| ints(value).map(|value| value as i32)))),
        DataType::UInt64 => Arc::new(UInt64Array::from_iter(values.map(|value| ints(value).map(|value| value as u64)))),
        DataType::Utf8 => Arc::new(StringArray::from_iter(values.map(|value| match value {
            Value::Text(text) => Some(text),
            Value::Null => None,
            Value::Int(_) => panic!("a number for a text"),
        }))),
        other => panic!("no columns of type {other}"),
    }
}

/// An array of one value.
pub fn one(data_type: &DataType, value: &Value) -> ArrayRef {
    array(data_type, std::iter::once(value.clone()))
}

fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::UInt64 => Value::Int(array.as_primitive::<UInt64Type>().value(row) as i64),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Boolean => Value::Int(array.as_boolean().value(row).into()),
        other => panic!("no columns of type {other}"),
    }
}

/// The values of a batch's rows, in the order of its columns.
pub fn values(batch: &RecordBatch) -> impl Iterator<Item = Vec<Value>> + '_ {
    (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| value(column, row)).collect())
}

/// What a put does, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Put(Arc<Row>),
    Delete(Key),
}

/// The operations of a batch as it was logged: with the tombstone column, if there is one.
pub fn operations(batch: &RecordBatch, columns: &Columns, rules: &Rules) -> Vec<Op> {
    let names: Vec<String> = batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
    let operation = |values: Vec<Value>| {
        let mut row = Row::default();
        let mut deleted = false;
        for (name, value) in names.iter().zip(values) {
            if name == TOMBSTONE {
                deleted = value == Value::Int(1);
            } else if value != Value::Null {
                row.0.insert(columns.by_name(name).id, value);
            }
        }
        if !deleted {
            return Op::Put(Arc::new(row));
        }
        let key: Key = rules.key.iter().map(|id| row.get(*id)).collect();
        assert_eq!(row.0.len(), key.len(), "a deletion has more than its key: {row:?}");
        Op::Delete(key)
    };
    values(batch).map(operation).collect()
}

/// The newest version of a key, or a row of a shard without a key.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its number among all versions that there ever were: versions come in this order.
    pub number: u64,
    pub key: Key,
    /// Nothing: deleted.
    pub row: Option<Arc<Row>>,
}

/// What a shard contains.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    next: u64,
    versions: BTreeMap<u64, Version>,
    newest: BTreeMap<Key, u64>,
}

impl Contents {
    pub fn apply(&mut self, op: &Op, rules: &Rules) {
        let (key, row) = match op {
            Op::Put(row) => (rules.key.iter().map(|id| row.get(*id)).collect(), Some(Arc::clone(row))),
            Op::Delete(key) => (Key::clone(key), None),
        };
        let number = self.next;
        self.next += 1;
        if !rules.key.is_empty()
            && let Some(older) = self.newest.insert(key.clone(), number)
        {
            self.versions.remove(&older);
        }
        self.versions.insert(number, Version { number, key, row });
    }

    /// All versions that count, deletions too, in the order in which they were put.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.values()
    }

    /// The rows that a reader sees.
    pub fn rows(&self) -> impl Iterator<Item = (&Version, &Arc<Row>)> {
        self.versions().filter_map(|version| Some((version, version.row.as_ref()?)))
    }

    pub fn get(&self, key: &Key) -> Option<&Version> {
        self.newest.get(key).map(|number| &self.versions[number])
    }
}
