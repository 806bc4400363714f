//! Every kind of read of a view, compared with the model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::DataType;
use weir::error::{ErrorKind, Result};
use weir::memtable::TOMBSTONE;
use weir::scan::{CompareOp, Comparison, GENERATION, KeyState, POSITION, Pushdown, ScanRequest, View};

use super::model::{Columns, Contents, ID, Key, NAME, Row, Value, one, values};
use super::world::{AGE, World};

/// A view and what it must show for as long as it is kept.
pub struct Seen {
    pub what: String,
    pub view: View,
    pub columns: Arc<Columns>,
    pub contents: Arc<Contents>,
    pub taken: Duration,
    /// Whether a key that was deleted must be known as such: no compaction may have dropped the deletion.
    pub strict: bool,
    /// Whether the view has columns that are not known here.
    pub partial: bool,
}

/// Where versions were found, for as long as no compaction moves them.
pub type Places = BTreeMap<u64, (u64, u64)>;

pub const NAMES: [&str; 5] = ["", "a", "a\0", "ab", "b"];

/// A key that may have been put.
pub fn random_key(world: &World, beyond: u64) -> Key {
    let key = world.rules.key.iter().map(|id| match *id {
        ID => Value::Int(world.chance.below(world.ids + beyond) as i64 - 2),
        NAME => Value::Text((*world.chance.pick(&NAMES)).to_owned()),
        other => panic!("column {other} is in no key"),
    });
    key.collect()
}

impl Seen {
    /// Some reads of it. An error that a fault of the store explains is passed over.
    pub async fn check(&self, world: &World, mut places: Option<&mut Places>) {
        for _ in 0..1 + world.chance.below(2) {
            let read = match world.chance.below(10) {
                0..6 => self.scan(world, places.as_deref_mut()).await,
                _ => self.gets(world).await,
            };
            if !self.passes(world, read) {
                return;
            }
        }
    }

    /// All rows, and all keys.
    pub async fn check_all(&self, world: &World) {
        let columns = self.partial.then(|| self.columns.0.iter().map(|column| column.name.clone()).collect());
        let all = ScanRequest { columns: columns.clone(), with_position: true, with_generation: true, ..ScanRequest::default() };
        self.scanned(world, all, None).await.unwrap();
        if !world.rules.key.is_empty() {
            let mut keys: Vec<Key> = self.contents.versions().map(|version| version.key.clone()).collect();
            keys.extend((0..5).map(|_| random_key(world, 5)));
            self.got(world, &keys, columns).await.unwrap();
        }
    }

    fn passes(&self, world: &World, read: Result<()>) -> bool {
        match read {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::Storage => {
                world.count("failed reads", 1);
                false
            }
            // Who keeps a view for longer than the age may find that its generations were merged and swept.
            Err(error) if error.kind() == ErrorKind::NotFound && world.now() - self.taken >= AGE => {
                world.count("outlived views", 1);
                false
            }
            Err(error) => panic!("{}: {} {error}", self.what, error.kind().name()),
        }
    }

    async fn scan(&self, world: &World, places: Option<&mut Places>) -> Result<()> {
        let chance = &world.chance;
        let mut request = ScanRequest {
            with_position: chance.chance(400),
            with_generation: chance.chance(400),
            batch_rows: *chance.pick(&[0, 1, 3, 64]),
            pushdown: *chance.pick(&[Pushdown::Auto, Pushdown::Auto, Pushdown::Never, Pushdown::Always]),
            ..ScanRequest::default()
        };
        if self.partial || chance.chance(500) {
            let mut left = self.columns.0.clone();
            let mut chosen = Vec::new();
            for _ in 0..chance.below(left.len() as u64 + 1) {
                chosen.push(left.swap_remove(chance.below(left.len() as u64) as usize).name);
            }
            request.columns = Some(chosen);
        }
        if chance.chance(150) {
            request.tombstones = true;
        } else {
            if chance.chance(500) {
                request.filter = (0..1 + chance.below(2)).map(|_| self.comparison(world)).collect();
            }
            if chance.chance(300) {
                request.limit = Some(chance.below(20));
            }
        }
        self.scanned(world, request, places).await
    }

    fn comparison(&self, world: &World) -> Comparison {
        let chance = &world.chance;
        let column = chance.pick(&self.columns.0);
        let op = *chance.pick(&[
            CompareOp::Eq,
            CompareOp::Eq,
            CompareOp::NotEq,
            CompareOp::Lt,
            CompareOp::LtEq,
            CompareOp::Gt,
            CompareOp::GtEq,
            CompareOp::IsNull,
            CompareOp::IsNotNull,
        ]);
        if matches!(op, CompareOp::IsNull | CompareOp::IsNotNull) {
            return Comparison { column: column.name.clone(), op, value: None };
        }
        // Mostly one that is there.
        let rows: Vec<&Arc<Row>> = self.contents.rows().map(|(_, row)| row).collect();
        let there =
            (!rows.is_empty() && chance.chance(800)).then(|| chance.pick(&rows).get(column.id)).filter(|value| *value != Value::Null);
        let value = there.unwrap_or_else(|| match column.data_type {
            DataType::Utf8 => Value::Text((*chance.pick(&NAMES)).to_owned()),
            _ => Value::Int(chance.below(50) as i64),
        });
        Comparison { column: column.name.clone(), op, value: Some(one(&column.data_type, &value)) }
    }

    fn holds(&self, row: &Row, comparison: &Comparison) -> bool {
        let value = row.get(self.columns.by_name(&comparison.column).id);
        let Some(other) = &comparison.value else { return (value == Value::Null) == (comparison.op == CompareOp::IsNull) };
        let batch = arrow_array::RecordBatch::try_from_iter([("value", Arc::clone(other))]).unwrap();
        let other = values(&batch).next().unwrap().remove(0);
        value != Value::Null
            && match comparison.op {
                CompareOp::Eq => value == other,
                CompareOp::NotEq => value != other,
                CompareOp::Lt => value < other,
                CompareOp::LtEq => value <= other,
                CompareOp::Gt => value > other,
                CompareOp::GtEq => value >= other,
                CompareOp::IsNull | CompareOp::IsNotNull => unreachable!("they have no value"),
            }
    }

    /// One scan, compared with what it must give.
    async fn scanned(&self, world: &World, request: ScanRequest, places: Option<&mut Places>) -> Result<()> {
        let ScanRequest { columns, filter, limit, with_position, with_generation, tombstones, .. } = request.clone();
        let context = || format!("{}: scan {request:?} of {:?}", self.what, self.columns);
        let columns = columns.unwrap_or_else(|| self.columns.0.iter().map(|column| column.name.clone()).collect());
        let ids: Vec<_> = columns.iter().map(|name| self.columns.by_name(name).id).collect();
        let mut stream = self.view.scan(request.clone())?;
        let mut names = columns;
        names.extend(tombstones.then(|| TOMBSTONE.to_owned()));
        names.extend(with_position.then(|| POSITION.to_owned()));
        names.extend(with_generation.then(|| GENERATION.to_owned()));
        let schema: Vec<_> = stream.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(schema, names, "{}", context());
        let mut got = Vec::new();
        while let Some(batch) = stream.next().await? {
            assert!(batch.num_rows() > 0 && batch.schema_ref() == stream.schema(), "{}", context());
            assert!(request.batch_rows == 0 || batch.num_rows() <= request.batch_rows, "{}", context());
            got.extend(values(&batch));
            // Who drops a scan midway leaves nothing behind.
            if world.chance.chance(10) {
                return Ok(());
            }
        }
        let mut found = Vec::with_capacity(got.len());
        for row in &mut got {
            let generation = if with_generation { row.pop() } else { None };
            let position = if with_position { row.pop() } else { None };
            found.push((generation, position));
        }
        let live = |version: &super::model::Version| version.row.as_ref().is_some_and(|row| filter.iter().all(|one| self.holds(row, one)));
        let wanted = self.contents.versions().filter(|version| tombstones && version.row.is_none() || live(version));
        let wanted: Vec<_> = wanted.take(limit.map_or(usize::MAX, |limit| limit as usize)).collect();
        let values_of = |version: &super::model::Version| -> Vec<Value> {
            let key = world.rules.key.iter().copied().zip(&version.key).map(|(id, value)| (id, value.clone())).collect();
            let row = version.row.as_deref().cloned().unwrap_or(Row(key));
            let mut values: Vec<Value> = ids.iter().map(|id| row.get(*id)).collect();
            values.extend(tombstones.then(|| Value::Int(version.row.is_none().into())));
            values
        };
        let mut numbers = Vec::new();
        let mut next = got.iter().peekable();
        for version in &wanted {
            let values = values_of(version);
            // A deletion may be gone for good, if there was nothing more that it could hide.
            if version.row.is_none() && !self.strict && next.peek() != Some(&&values) {
                continue;
            }
            let there = next.next();
            assert_eq!(there, Some(&values), "{}: row {} of {}", context(), numbers.len(), got.len());
            numbers.push(version.number);
        }
        // Where keys are not asked for, a deletion that is gone looks like the next one.
        let surplus = next.count();
        assert_eq!(surplus, 0, "{}: {surplus} rows too many of {}", context(), got.len());
        self.check_places(&found, &numbers, places, &context);
        Ok(())
    }

    /// Together, generation and position go up with every row, and name one version for good.
    fn check_places(
        &self,
        found: &[(Option<Value>, Option<Value>)],
        numbers: &[u64],
        places: Option<&mut Places>,
        context: &dyn Fn() -> String,
    ) {
        let number = |value: &Option<Value>| match value {
            Some(Value::Int(number)) => Some(*number as u64),
            _ => None,
        };
        let found: Vec<_> = found.iter().filter_map(|(generation, position)| number(generation).zip(number(position))).collect();
        if found.len() != numbers.len() {
            return;
        }
        assert!(found.is_sorted_by(|a, b| a < b), "{}: {found:?}", context());
        let Some(places) = places else { return };
        for (number, place) in numbers.iter().zip(found) {
            let known = *places.entry(*number).or_insert(place);
            assert_eq!(known, place, "{}: version {number} moved", context());
        }
    }

    async fn gets(&self, world: &World) -> Result<()> {
        let chance = &world.chance;
        if world.rules.key.is_empty() {
            let batch = self.columns.batch(&self.columns.schema(&world.rules), &[]);
            let refused = self.view.get(&batch, None).await.err().map(|error| error.kind());
            assert_eq!(refused, Some(ErrorKind::Unsupported));
            return Ok(());
        }
        let mut keys: Vec<Key> = (0..1 + chance.below(*chance.pick(&[1, 5, 40]))).map(|_| random_key(world, 5)).collect();
        if chance.chance(300) {
            keys.push(keys[0].clone());
        }
        let projection = (self.partial || chance.chance(500)).then(|| {
            let columns = self.columns.0.iter().filter(|_| chance.chance(500));
            columns.map(|column| column.name.clone()).collect::<Vec<_>>()
        });
        self.got(world, &keys, projection).await
    }

    async fn got(&self, world: &World, keys: &[Key], projection: Option<Vec<String>>) -> Result<()> {
        let batch = self.columns.keys(&world.rules, keys, &world.chance);
        let context = || format!("{}: get {projection:?} of {keys:?}", self.what);
        let now = self.view.try_get_in_memory(&batch, projection.as_deref())?;
        let got = self.view.get(&batch, projection.as_deref()).await?;
        if let Some(now) = now {
            assert_eq!((now.states, now.rows), (got.states.clone(), got.rows.clone()), "{}", context());
        }
        assert_eq!(got.states.len(), keys.len(), "{}", context());
        let columns = projection.clone().unwrap_or_else(|| self.columns.0.iter().map(|column| column.name.clone()).collect());
        let mut rows = values(&got.rows);
        for (key, state) in keys.iter().zip(&got.states) {
            let version = self.contents.get(key);
            match version.map(|version| &version.row) {
                Some(Some(row)) => {
                    assert_eq!(*state, KeyState::Found, "{}: {key:?}", context());
                    let wanted: Vec<Value> = columns.iter().map(|name| row.get(self.columns.by_name(name).id)).collect();
                    assert_eq!(rows.next(), Some(wanted), "{}: {key:?}", context());
                }
                // PITFALLS I4
                Some(None) if !self.strict && *state == KeyState::Missing => {}
                Some(None) => assert_eq!(*state, KeyState::Deleted, "{}: {key:?}", context()),
                None => assert_eq!(*state, KeyState::Missing, "{}: {key:?}", context()),
            }
        }
        assert_eq!(rows.next(), None, "{}", context());
        Ok(())
    }
}
